"""``envmgr verify``: compare every file of an environment with its records; ``--repair`` mends from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.change import change_parser, run_change

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
        "--offline", action="store_true", default=None, help="repair only from packages that are in the cache"
    )
    return made


def run(arguments: Sequence[str]) -> int:
    """Verify, and repair where that was asked for; exit code 1 where something is wrong and stays so."""
    options = parser().parse_args(arguments)
    from envmgr.cli.session import open_context
    from envmgr.ops.change import ChangeRequest
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.verify import verify

    context, _ = open_context(options)
    prefix = locate_existing(options.name, options.prefix, context)
    verified = verify(prefix, foreign=options.foreign)
    if options.repair and verified.damaged:
        if not options.json:
            _write_text(verified)
        request = ChangeRequest(
            kind="repair",
            prefix=str(prefix),
            again=verified.damaged,
            override_frozen=options.override_frozen,
            dry_run=options.dry_run,
            command_line=("envmgr", "verify", *arguments),
        )
        return run_change(request, options)
    if options.json:
        _write_json(verified)
    else:
        _write_text(verified)
    return 1 if verified.findings else 0


def _write_json(verified: Verified) -> None:
    from envmgr.cli.render import write_json

    findings = [
        {
            "path": finding.path,
            "package": finding.package,
            "kind": finding.kind,
            "expected": finding.expected,
            "found": finding.found,
        }
        for finding in verified.findings
    ]
    write_json(
        {
            "success": not findings,
            "prefix": str(verified.prefix),
            "findings": findings,
            "foreign": list(verified.foreign),
        }
    )


def _write_text(verified: Verified) -> None:
    from envmgr.cli.render import count_text, note, write_lines

    write_lines(str(finding) for finding in verified.findings)
    write_lines(f"{path} belongs to no package" for path in verified.foreign)
    checked = count_text(verified.files, "file")
    if verified.findings:
        note(f"{count_text(len(verified.findings), 'file')} of {checked} differ from the records.")
    else:
        note(f"{checked} are as the records say.")
