"""``envmgr diff A B``: what is different between environments, generations, files and other machines' JSON.

As with diff(1), the exit code is 0 where both are the same, 1 where not, and 2 where they cannot be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from envmgr.cli.options import CommandParser, add_output, add_parts
from envmgr.errors import EnvmgrError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.models.difference import Difference, Entry
    from envmgr.ops.diff import Differences, DiffRequest

_SAME: Final = 0
_DIFFERENT: Final = 1
_TROUBLE: Final = 2
_WIDEST_CELL: Final = 60


def parser() -> CommandParser:
    """The command's options."""
    made = CommandParser("diff", "Show what is different from A to B; the exit code is 1 if anything is.")
    for name in ("A", "B"):
        made.add_argument(
            name.lower(), metavar=name, help="an environment, NAME@GENERATION, a file, or JSON of list --json"
        )
    made.add_argument(
        "--platform", "--subdir", dest="subdir", metavar="SUBDIR", help="read files for this platform"
    )
    add_parts(made)
    made.add_argument("--markdown", action="store_true", help="print a table for a pull request")
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Compare."""
    options = parser().parse_args(arguments)
    from envmgr.cli.failures import print_failure
    from envmgr.cli.session import open_context
    from envmgr.ops.diff import diff

    try:
        context, _ = open_context(options)
        answer = diff(_request(options), context)
    except EnvmgrError as error:
        print_failure(error, as_json=options.json, words=arguments)
        return _TROUBLE
    if options.json:
        from envmgr.cli.render import write_json

        write_json(_fields(answer))
    elif options.markdown:
        _write_markdown(answer)
    else:
        _write_table(answer, quiet=options.quiet)
    return _DIFFERENT if answer.found else _SAME


def _request(options: argparse.Namespace) -> DiffRequest:
    from envmgr.ops.diff import DiffRequest

    return DiffRequest(options.a, options.b, options.subdir, tuple(options.extra), tuple(options.groups))


def _fields(answer: Differences) -> dict[str, Any]:
    return {
        "a": answer.before.label,
        "b": answer.after.label,
        "same": not answer.found,
        "differences": [
            {
                "name": each.entry.name,
                "kind": each.entry.kind,
                "change": each.direction,
                "differs": list(each.differs),
                "a": _entry_fields(each.before),
                "b": _entry_fields(each.after),
            }
            for each in answer.found
        ],
    }


def _entry_fields(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    if entry.record is None:
        return {"requests": list(entry.texts)}
    record = entry.record
    return {
        "version": record.version,
        "build": record.build or None,
        "channel": entry.channel or None,
        "sha256": record.sha256,
        "md5": record.md5,
    }


def _rows(answer: Differences) -> list[list[str]]:
    from envmgr.cli.plan_table import MARKS
    from envmgr.models.visible_text import visible

    order = list(MARKS)
    found = sorted(answer.found, key=lambda each: order.index(each.direction))
    rows = [
        [
            MARKS[each.direction],
            each.entry.name,
            each.entry.kind,
            _cell(each.before),
            _cell(each.after),
            _told(each),
        ]
        for each in found
    ]
    return [list(map(visible, row)) for row in rows]


def _cell(entry: Entry | None) -> str:
    if entry is None:
        return ""
    build = entry.record.build if entry.record is not None and entry.kind == "conda" else ""
    return f"{entry.shown} {build}".rstrip()


def _told(each: Difference) -> str:
    """What differs beside version and build, which the cells show."""
    from envmgr.cli.render import channel_label

    told = []
    for name in each.differs:
        if name == "channel" and each.before and each.after:
            told.append(f"{channel_label(each.before.channel)} -> {channel_label(each.after.channel)}")
        elif name in ("sha256", "md5"):
            told.append(f"another {name}")
    if (
        each.differs
        and each.before
        and each.after
        and (each.before.record is None) != (each.after.record is None)
    ):
        told.append("does not fulfil the request")
    return ", ".join(told)


def _counts(answer: Differences) -> str:
    from envmgr.cli.plan_table import MARKS

    kinds = [each.direction for each in answer.found]
    told = [f"{kinds.count(kind)} {kind} ({MARKS[kind]})" for kind in reversed(MARKS) if kind in kinds]
    return ", ".join(told)


def _write_table(answer: Differences, *, quiet: bool) -> None:
    from envmgr.cli.render import note, table, write_lines

    if answer.found:
        rows = [[_shortened(cell) for cell in row] for row in _rows(answer)]
        write_lines(table(rows, ["", "package", "kind", answer.before.label, answer.after.label, ""]))
    if not quiet:
        note(_counts(answer) or "both are the same")


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST_CELL else f"{text[: _WIDEST_CELL - 3]}..."


def _write_markdown(answer: Differences) -> None:
    from envmgr.cli.render import write_lines

    labels = [_escaped(side.label) for side in (answer.before, answer.after)]
    if not answer.found:
        write_lines([f"{labels[0]} and {labels[1]} hold the same."])
        return
    lines = [
        f"**{_counts(answer)}**",
        "",
        f"| | package | kind | {labels[0]} | {labels[1]} | |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join([f"`{row[0]}`", *map(_escaped, row[1:])]) + " |" for row in _rows(answer)]
    write_lines(lines)


def _escaped(text: str) -> str:
    """*text* for a cell of Markdown, where it can neither end the cell nor begin anything."""
    for sign in ("\\", "|", "`", "*", "_", "<", "[", "]"):
        text = text.replace(sign, f"\\{sign}")
    return text
