"""``envmgr export``: write an environment down for others, to standard output or into a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output, add_target

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.ops.export_request import Exported, ExportRequest


def parser(command: str = "export") -> argparse.ArgumentParser:
    """The command's options."""
    from envmgr.models.spec_style import VERSION_STYLES

    made = CommandParser(command, "Write an environment down, so that others can make it again.")
    add_target(made)
    add_output(made)
    made.add_argument("-f", "--file", metavar="FILE", help="write into FILE, whose name tells the format")
    made.add_argument(
        "--format",
        metavar="FORMAT",
        help="yaml (environment.yml, the default), json, explicit, requirements, pylock, conda-lock, pixi-lock, "
        "pixi, cyclonedx, spdx",
    )
    level = made.add_argument_group("what is written")
    level.add_argument(
        "--from-history",
        action="store_true",
        help="what was asked for; otherwise everything that is installed",
    )
    level.add_argument(
        "--versions",
        choices=VERSION_STYLES,
        default="asked",
        help="with --from-history: as asked for (the default), none, =X.Y, >=X.Y.Z, or ==X.Y.Z",
    )
    level.add_argument("--no-builds", action="store_true", help="versions without builds")
    level.add_argument(
        "--hashes", action="store_true", help="pip's requirements with the SHA-256 of each file"
    )
    level.add_argument(
        "--platform",
        "--subdir",
        dest="platforms",
        action="append",
        default=[],
        metavar="SUBDIR",
        help="write this platform, each with what is its own (repeatable; default: the environment's)",
    )
    level.add_argument("--ignore-channels", action="store_true", help="no channels before packages' names")
    level.add_argument(
        "-c",
        "--channel",
        action="append",
        default=[],
        metavar="CHANNEL",
        help="write this channel first (repeatable)",
    )
    level.add_argument(
        "-O", "--override-channels", action="store_true", help="write only the channels given with -c"
    )
    made.add_argument(
        "--no-pin", action="store_true", help="without the environment's pins, also where others are solved"
    )
    made.add_argument(
        "--offline",
        action="store_true",
        default=None,
        help="with --platform: only from what was fetched earlier",
    )
    return made


def run(arguments: Sequence[str]) -> int:
    """Export, and tell on standard error what is left out."""
    return run_as("export", arguments)


def run_as(command: str, arguments: Sequence[str]) -> int:
    """`run`, for the *command* whose name the help shows."""
    options = parser(command).parse_args(arguments)
    from envmgr.cli.session import open_context
    from envmgr.ops.export import export

    context, reporter = open_context(options)
    exported = export(_request(options), context)
    for sentence in exported.left_out:
        reporter.warned(sentence)
    if options.file is not None:
        _write_file(exported, options)
    else:
        from envmgr.cli.render import write_text

        write_text(exported.text)
    return 0


def _request(options: argparse.Namespace) -> ExportRequest:
    from envmgr.ops.export_request import ExportRequest, check_file_name, format_named, format_of_file

    if options.format is not None:
        chosen = format_named(options.format)
    elif options.file is not None:
        chosen = format_of_file(options.file)
    else:
        chosen = "json" if options.json else "yaml"
    if options.file is not None:
        check_file_name(options.file, chosen)
    return ExportRequest(
        name=options.name,
        prefix=options.prefix,
        format=chosen,
        from_history=options.from_history,
        versions=options.versions,
        builds=not options.no_builds,
        channels=tuple(options.channel),
        override_channels=options.override_channels,
        ignore_channels=options.ignore_channels,
        hashes=options.hashes,
        platforms=tuple(options.platforms),
        no_pin=options.no_pin,
    )


def _write_file(exported: Exported, options: argparse.Namespace) -> None:
    from pathlib import Path

    from envmgr.cli.render import note, write_json
    from envmgr.config.own_file import write_own_text

    file = Path(options.file).expanduser().absolute()
    write_own_text(file, exported.text)
    if options.json:
        write_json(
            {
                "success": True,
                "file": str(file),
                "format": exported.format,
                "warnings": list(exported.left_out),
            }
        )
    elif not options.quiet:
        note(f"Wrote {file}.")
