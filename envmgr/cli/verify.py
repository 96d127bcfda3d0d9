"""``envmgr verify``: compare every file of an environment with its records; ``--repair`` mends from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.change import change_parser, make_change
from envmgr.cli.exit_codes import DONE, FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.cli.options import CommandParser
    from envmgr.ops.verify import Verified


def parser() -> CommandParser:
    """The command's options."""
    made = change_parser("verify", "Compare every file of an environment with its records.")
    made.add_argument(
        "--repair", action="store_true", help="link packages with missing or modified files anew"
    )
    made.add_argument("--foreign", action="store_true", help="list files that belong to no package, too")
    made.add_argument(
        "--fast",
        action="store_true",
        help="do not read files that are those of the package cache, by what the file system tells",
    )
    made.add_argument(
        "--offline", action="store_true", default=None, help="repair only from packages that are in the cache"
    )
    return made


def run(arguments: Sequence[str]) -> int:
    """Verify, and repair where that was asked for; exit code 1 where something is wrong and stays so."""
    options = parser().parse_args(arguments)
    from envmgr.cli.session import open_context
    from envmgr.ops.change_request import ChangeRequest
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.verify import verify

    context, _ = open_context(options)
    prefix = locate_existing(options.name, options.prefix, context)
    verified = verify(prefix, context, fast=options.fast)
    if not options.json:
        _write_text(verified, foreign=options.foreign)
    if options.repair and verified.damaged:
        request = ChangeRequest(
            kind="repair",
            prefix=str(prefix),
            again=verified.damaged,
            override_frozen=options.override_frozen,
            dry_run=options.dry_run,
            command_line=("envmgr", "verify", *arguments),
        )
        changed = make_change(request, options, {"findings": _finding_fields(verified)})
        return DONE if changed.done else FAILED
    if options.json:
        _write_json(verified)
    return FAILED if verified.findings else DONE


def _finding_fields(verified: Verified) -> list[dict[str, Any]]:
    from envmgr.models.visible_text import visible

    return [
        {
            "path": finding.path,
            "package": finding.package,
            "kind": finding.kind,
            "expected": finding.expected,
            "found": visible(finding.found) if finding.found else None,
        }
        for finding in verified.findings
    ]


def _write_json(verified: Verified) -> None:
    from envmgr.cli.render import write_json
    from envmgr.models.visible_text import visible

    checked = verified.checked
    write_json(
        {
            "success": not verified.findings,
            "prefix": str(verified.prefix),
            "findings": _finding_fields(verified),
            "clobbered": [
                {"path": each.path, "winner": each.winner, "losers": list(each.losers)}
                for each in checked.clobbered
            ],
            "pip": {visible(name): list(map(visible, paths)) for name, paths in verified.pip.items()},
            "foreign": [visible(path) for path in verified.foreign],
            "files": checked.files,
            "files_read": checked.read,
        }
    )


def _write_text(verified: Verified, *, foreign: bool) -> None:
    from envmgr.cli.render import count_text, note, write_lines
    from envmgr.models.visible_text import visible

    checked = verified.checked
    write_lines(visible(str(finding)) for finding in verified.findings)
    if foreign:
        write_lines(visible(f"{path} belongs to no package") for path in verified.foreign)
        write_lines(
            visible(f"{path} belongs to {name}, which pip installed")
            for name, paths in verified.pip.items()
            for path in paths
        )
    for clobbered in checked.clobbered:
        note(visible(str(clobbered)))
    strangers = [
        *([count_text(len(verified.foreign), "file")] if verified.foreign else []),
        *(f"{count_text(len(paths), 'file')} of {name} by pip" for name, paths in verified.pip.items()),
    ]
    if strangers and not foreign:
        note(f"{', '.join(strangers)} in no package; --foreign lists them.")
    compared = count_text(checked.files, "file")
    if verified.findings:
        note(f"{count_text(len(verified.findings), 'file')} of {compared} differ from the records.")
    else:
        note(f"{compared} are as the records say.")
