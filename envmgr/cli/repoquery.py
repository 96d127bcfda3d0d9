"""``envmgr repoquery``: what a package depends on and what needs it, in channels or an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from envmgr.cli.options import (
    CommandParser,
    add_channels,
    add_output,
    add_target,
    add_understood,
    positive_number,
    whole_number,
)
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from envmgr.ops.repoquery import Answer, Kind, Line, RepoqueryRequest

ACTIONS = {
    "search": "the same as envmgr search",
    "depends": "show what the newest package that matches depends on",
    "whoneeds": "show what depends on a package",
}
"""What stands after ``repoquery``, and what it does."""


def run(arguments: Sequence[str]) -> int:
    """Answer ``depends`` and ``whoneeds`` here, and hand ``search`` to that command."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _questions().parse_args(["--help"])
    question, rest = arguments[0], list(arguments[1:])
    if question == "search":
        from envmgr.cli import search

        return search.run(rest, "repoquery search")
    if question not in ACTIONS:
        raise UsageError(
            f"there is no command 'repoquery {question}'.",
            hint=f"There are: repoquery {', repoquery '.join(ACTIONS)}.",
        )
    return _ask(cast("Kind", question), rest)


def _questions() -> argparse.ArgumentParser:
    told = "; ".join(f"{name}: {what}" for name, what in ACTIONS.items())
    made = CommandParser("repoquery", f"Ask channels, or an environment, about one package. {told}.")
    made.add_argument("question", choices=list(ACTIONS), help="then --help shows its options")
    return made


def action_parser(kind: str) -> argparse.ArgumentParser:
    """The options of one of `ACTIONS`."""
    if kind == "search":
        from envmgr.cli import search

        return search.parser("repoquery search")
    told = ACTIONS[kind]
    made = CommandParser(f"repoquery {kind}", f"{told[0].upper()}{told[1:]}, in channels or an environment.")
    made.add_argument("spec", metavar="SPEC", help="a package, for example 'numpy >=2'")
    made.add_argument("-t", "--tree", action="store_true", help="show all levels as a tree")
    made.add_argument("-r", "--recursive", action="store_true", help="list what is on all levels")
    made.add_argument(
        "--depth", type=whole_number, metavar="N", help="with --tree or --recursive: only N levels"
    )
    made.add_argument("--limit", type=positive_number, metavar="N", help="show only the first N packages")
    if kind == "whoneeds":
        made.add_argument(
            "--builds", action="store_true", help="each build that needs it, not only the newest"
        )
    add_understood(made, "--remote")
    add_target(made)
    add_channels(made)
    add_output(made)
    return made


def _ask(kind: Kind, arguments: Sequence[str]) -> int:
    options = action_parser(kind).parse_args(arguments)
    in_levels = options.tree or options.recursive
    if options.depth is not None and not in_levels:
        raise UsageError("--depth is for --tree and --recursive.", hint="Add --tree or --recursive.")
    if in_levels and getattr(options, "builds", False):
        raise UsageError(
            "--builds lists one level; it cannot go with --tree or --recursive.", hint="Leave out --builds."
        )
    from envmgr.cli.render import write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.repoquery import repoquery

    context, _ = open_context(options)
    request = _request(kind, options)
    answer = repoquery(request, context)
    if options.json:
        write_json(_json(answer, kind, options))
    elif options.tree:
        write_lines(_tree_lines(answer, request, options.limit))
    else:
        _write_table(answer, kind, options, context.settings.local_channel_dir.as_uri())
    return 0


def _request(kind: Kind, options: argparse.Namespace) -> RepoqueryRequest:
    from envmgr.ops.repoquery import RepoqueryRequest
    from envmgr.ops.request import Asked

    asked = Asked(
        specs=(options.spec,),
        channels=tuple(options.channel),
        override_channels=options.override_channels,
        subdir=options.subdir,
    )
    return RepoqueryRequest(
        kind=kind,
        asked=asked,
        name=options.name,
        prefix=options.prefix,
        priority=options.channel_priority,
        recursive=options.tree or options.recursive,
        builds=getattr(options, "builds", False),
        complete=options.json,
        depth=options.depth,
    )


def _write_table(answer: Answer, kind: Kind, options: argparse.Namespace, local: str) -> None:
    from envmgr.cli.render import count_text, note, table, write_lines

    record = answer.record
    about = f"{answer.name} {record.version} ({record.build})" if record is not None else answer.name
    lines = answer.lines[: options.limit]
    says = not options.recursive
    if lines:
        rows = [_row(line, local, counts=kind == "whoneeds" and not options.builds) for line in lines]
        header = ["name", "version", "build", "", "channel", "needs"]
        kept = [column for column in range(len(header)) if _is_shown(column, rows, says=says)]
        write_lines(table([[row[each] for each in kept] for row in rows], [header[each] for each in kept]))
    if options.quiet:
        return
    count = count_text(len(answer.lines), "build" if getattr(options, "builds", False) else "package")
    what = f"{about} depends on {count}" if kind == "depends" else f"{count} need {answer.name}"
    note(f"{what.replace('1 package need ', '1 package needs ').replace('1 build need ', '1 build needs ')}")


def _is_shown(column: int, rows: Sequence[Sequence[str]], *, says: bool) -> bool:
    if column == 3:
        return any(row[column] for row in rows)
    return column < 5 or says


def _row(line: Line, local: str, *, counts: bool) -> list[str]:
    from envmgr.cli.render import count_text, short_channel
    from envmgr.cli.search import printable
    from envmgr.solver.graph import joined

    record = line.record
    needs = printable(joined(line.specs)) if line.specs else ""
    more = f"+ {count_text(line.others, 'build')}" if counts and line.others else ""
    if record is None:
        return [printable(line.name), "(not there)", "", more, "", needs]
    channel = "(this machine)" if record.is_virtual else short_channel(record, local)
    return [*map(printable, (record.shown_name, record.version, record.build)), more, channel, needs]


def _tree_lines(answer: Answer, request: RepoqueryRequest, limit: int | None) -> Iterator[str]:
    from envmgr.cli.search import printable
    from envmgr.cli.tree import fitting_glyphs
    from envmgr.ops.repoquery import tree_of
    from envmgr.solver.tree import MOST_ROWS, tree_lines

    rows = tree_of(answer, request.walk)
    shown = rows if limit is None else rows[: limit + 1]
    yield from map(printable, tree_lines(shown, fitting_glyphs(), specs=True))
    if len(shown) < len(rows):
        yield f"... {len(rows) - len(shown)} more lines"
    elif len(rows) >= MOST_ROWS:
        yield f"... cut after {MOST_ROWS} lines; --depth makes it shorter"
    if any(row.mark == "repeated" for row in shown):
        yield "(*) is opened above"


def _json(answer: Answer, kind: Kind, options: argparse.Namespace) -> dict[str, Any]:
    """The shape that mamba gives its answers, with the entries that led to each package."""
    from envmgr.cli.search import published_fields

    packages = []
    for line in answer.lines[: options.limit]:
        fields: dict[str, Any] = {"name": line.name, "version": None}
        if line.record is not None:
            fields = published_fields(line.record)
        beside = {"other_builds": line.others} if kind == "whoneeds" else {}
        packages.append({**fields, "specs": list(line.specs), **beside})
    roots = [answer.name] if answer.record is None else [published_fields(answer.record)]
    return {
        "success": True,
        "query": {"query": options.spec, "type": kind},
        "result": {"status": "OK", "msg": "", "graph_roots": roots, "pkgs": packages},
    }
