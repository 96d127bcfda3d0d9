"""Options that several commands share, spelt as conda spells them."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, NoReturn

from envmgr.cli.switches import CONDA_SWITCHES, is_switched_on
from envmgr.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.ops.request import Asked
    from envmgr.ops.resolve import ResolveOptions


# There are no translations of argparse's words, and looking for them imports and reads for a millisecond.
argparse._ = str  # type: ignore[attr-defined]


class _Formatter(argparse.HelpFormatter):
    """Takes the width from the terminal itself: asking `shutil` would import archives of every kind."""

    def __init__(self, prog: str, **options: Any) -> None:
        options.setdefault("width", _columns() - 2)
        super().__init__(prog, **options)


def _columns() -> int:
    written = os.environ.get("COLUMNS", "")
    if written.isdigit() and int(written):
        return int(written)
    try:
        return os.get_terminal_size().columns or 80
    except (OSError, ValueError):
        return 80


class CommandParser(argparse.ArgumentParser):
    """An argument parser for one command; wrong usage ends the process with exit code 2."""

    def __init__(self, command: str, description: str, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", _Formatter)
        super().__init__(prog=f"envmgr {command}", description=description, **options)
        self.add_argument(
            "-q", "--quiet", action="store_true", help="tell only warnings, errors and what was asked for"
        )
        self.add_argument(
            "-v",
            "--verbose",
            action="count",
            default=0,
            help="tell what is decided and how long it takes; -vv also each URL and setting",
        )

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As argparse has it; options of other tools are refused with why, or what to say instead."""
        options, unknown = self.parse_known_args(args, namespace)
        return self._understood(options, unknown)

    def parse_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """`parse_args` for options among words."""
        options, unknown = self.parse_known_intermixed_args(args, namespace)
        return self._understood(options, unknown)

    def _understood(self, options: argparse.Namespace, unknown: list[str]) -> argparse.Namespace:
        if not unknown:
            for name, variable in CONDA_SWITCHES.items():
                if getattr(options, name, None) is False and is_switched_on(variable):
                    setattr(options, name, True)
            return options
        from envmgr.cli.other_tools import reason_against

        command = self.prog.removeprefix("envmgr ")
        for word in unknown:
            reason = reason_against(command, word) if word.startswith("-") else None
            if reason is not None:
                raise UsageError(f"{self.prog} has no option {word.partition('=')[0]}.", hint=f"{reason}.")
        return self.error(f"unrecognized arguments: {' '.join(unknown)}")

    def error(self, message: str, hint: str | None = None) -> NoReturn:
        """Wrong usage is an error like any other: one sentence, or JSON where that was asked for."""
        sentence, meant = self._reworded(message)
        hint = hint or meant or f"{self.prog} --help shows the options."
        raise UsageError(f"{self.prog}: {sentence}.", hint=hint)

    def _reworded(self, message: str) -> tuple[str, str | None]:
        """Argparse's *message* in our words, and what may have been meant by an unknown option or choice."""
        import re

        unknown = re.fullmatch(r"unrecognized arguments: ((--?[A-Za-z][\w-]*).*|.*)", message, re.DOTALL)
        if unknown and unknown[2]:
            known = [each for each in self._option_string_actions if each.startswith("--")]
            return f"there is no option {unknown[2]} here", did_you_mean(unknown[2], known)
        if unknown:
            return f"nothing is known to do with '{unknown[1]}' here", None
        choice = re.fullmatch(r"argument (\S+): invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice:
            words = re.findall(r"[\w.+-]+", choice[3])
            return f"{choice[1]} is one of {', '.join(words)}, not '{choice[2]}'", did_you_mean(
                choice[2], words
            )
        return message, None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A question for the one of *known* that is nearest to *word*; None where none is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean '{near[0]}'?" if near else None


def positive_seconds(text: str) -> float:
    """A time limit in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, such as 60, not '{text}'")
    return seconds


def whole_number(text: str) -> int:
    """A count, which may be 0."""
    return _count(text, 0)


def positive_number(text: str) -> int:
    """A count of one or more."""
    return _count(text, 1)


def _count(text: str, least: int) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number from {least} on, not '{text}'")


def add_target(parser: argparse.ArgumentParser) -> None:
    """-n NAME or -p PREFIX: which environment."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-n", "--name", metavar="NAME", help="the environment's name")
    group.add_argument("-p", "--prefix", metavar="PREFIX", help="the environment's folder")


def add_channels(parser: argparse.ArgumentParser, *, several_platforms: bool = False) -> None:
    """-c CHANNEL and what goes with it; with *several_platforms*, --platform gives a list, ``platforms``."""
    group = parser.add_argument_group("channels")
    group.add_argument(
        "-c",
        "--channel",
        action="append",
        default=[],
        metavar="CHANNEL",
        help="search this channel first (repeatable)",
    )
    group.add_argument(
        "-O",
        "--override-channels",
        action="store_true",
        help="search only the channels given with -c or in the file",
    )
    group.add_argument(
        "--use-local",
        action="append_const",
        dest="channel",
        const="local",
        help="the same as -c local",
    )
    group.add_argument(
        "--strict-channel-priority",
        action="store_const",
        dest="channel_priority",
        const="strict",
        help=argparse.SUPPRESS,
    )
    group.add_argument(
        "--no-channel-priority",
        action="store_const",
        dest="channel_priority",
        const="disabled",
        help=argparse.SUPPRESS,
    )
    group.add_argument("--repodata-fn", choices=["repodata.json"], help=argparse.SUPPRESS)
    group.add_argument(
        "--channel-priority", choices=["strict", "flexible", "disabled"], help="default: strict"
    )
    if several_platforms:
        group.add_argument(
            "--platform",
            "--subdir",
            dest="platforms",
            action="append",
            default=[],
            metavar="SUBDIR",
            help="for this platform (repeatable; default: those of the files, else this machine's)",
        )
    else:
        group.add_argument(
            "--platform", "--subdir", dest="subdir", metavar="SUBDIR", help="solve for this platform"
        )
    group.add_argument(
        "--offline", action="store_true", default=None, help="use only what is cached or local"
    )


def add_solving(parser: argparse.ArgumentParser) -> None:
    """What a solve may choose from, what it prefers, and how long it may take."""
    group = parser.add_argument_group("solving")
    group.add_argument(
        "--exclude-newer",
        metavar="WHEN",
        help="ignore packages published after this day (YYYY-MM-DD, in UTC) or moment (RFC 3339)",
    )
    group.add_argument(
        "--strategy",
        choices=["highest", "lowest", "lowest-direct"],
        help="which versions are best; lowest-direct means the lowest of the named packages (default: highest)",
    )
    group.add_argument(
        "--no-pin", action="store_true", help="ignore pinned_packages and the environment's conda-meta/pinned"
    )
    group.add_argument(
        "--solve-seconds",
        type=positive_seconds,
        metavar="N",
        help="give up solving after N seconds (default: 60)",
    )


def solving_options(options: argparse.Namespace) -> ResolveOptions:
    """What `add_channels` and `add_solving` mean, and --no-deps and --only-deps where there are such options."""
    from envmgr.cli.moments import parse_moment
    from envmgr.ops.resolve import ResolveOptions

    return ResolveOptions(
        no_deps=getattr(options, "no_deps", False),
        only_deps=getattr(options, "only_deps", False),
        channel_priority=options.channel_priority,
        exclude_newer=None if options.exclude_newer is None else parse_moment(options.exclude_newer),
        solve_seconds=options.solve_seconds,
        strategy=options.strategy,
        no_pin=options.no_pin,
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """--json, beside what every command has."""
    parser.add_argument("--json", action="store_true", help="print one JSON object and no progress")


def add_files(parser: argparse.ArgumentParser, files: str) -> None:
    """-f FILE; *files* says which."""
    parser.add_argument(
        "-f", "--file", action="append", default=[], metavar="FILE", help=f"{files} (repeatable)"
    )
    parser.add_argument(
        "--prefer",
        choices=["conda", "pypi"],
        default="pypi",
        help="where the Python requirements of projects' files come from (default: pypi)",
    )
    add_parts(parser)


def add_parts(parser: argparse.ArgumentParser) -> None:
    """--extra and --group: optional parts of files."""
    parser.add_argument(
        "--extra",
        action="append",
        default=[],
        metavar="EXTRA",
        help="of a project's file, this extra, too (repeatable)",
    )
    parser.add_argument(
        "--group",
        "--category",
        action="append",
        default=[],
        dest="groups",
        metavar="GROUP",
        help="of a file, this group, too; of a lock, this group of packages (of pixi.lock: this environment; "
        "repeatable)",
    )


def add_pypi(parser: argparse.ArgumentParser) -> None:
    """--pypi LINE."""
    parser.add_argument(
        "--pypi",
        action="append",
        default=[],
        metavar="LINE",
        help="a requirement for PyPI ('requests>=2'), or another line of pip's requirement files, such as "
        "--pypi='-r requirements.txt' (repeatable)",
    )


def add_understood(parser: argparse.ArgumentParser, *names: str) -> None:
    """An option of conda or mamba, by its *names*, that asks for what is done anyway."""
    parser.add_argument(*names, action="store_true", help=argparse.SUPPRESS)


def add_linking(parser: argparse.ArgumentParser, instead: str) -> None:
    """What commands that bring packages have beside; *instead* says what --download-only does not."""
    parser.add_argument("--download-only", action="store_true", help=f"fill the cache and {instead}")
    parser.add_argument(
        "--copy", action="store_true", default=None, help="copy files instead of hard-linking them"
    )
    add_understood(parser, "--no-shortcuts")


def asked_of(options: argparse.Namespace) -> Asked:
    """The specs, files and channels of the command line."""
    from envmgr.ops.request import Asked

    return Asked(
        specs=tuple(options.specs),
        pypi=tuple(getattr(options, "pypi", ())),
        files=tuple(options.file),
        channels=tuple(options.channel),
        override_channels=options.override_channels,
        subdir=options.subdir,
        prefer=options.prefer,
        extras=tuple(options.extra),
        groups=tuple(options.groups),
    )


def add_confirmation(parser: argparse.ArgumentParser) -> None:
    """-y and --dry-run."""
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("-d", "--dry-run", action="store_true", help="show the plan and change nothing")
