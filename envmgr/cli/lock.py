"""``envmgr lock``: write exact packages for all platforms into conda-lock.yml, check it, and update it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.options import (
    CommandParser,
    add_channels,
    add_files,
    add_output,
    add_solving,
    solving_options,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.ops.lock_request import Checked, Locked, LockRequest


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "lock", "Write the exact packages that environment files ask for, for all platforms."
    )
    add_files(made, "environment.yml (the one of this folder, where none is named)")
    made.add_argument(
        "--lockfile", metavar="FILE", help="the lock (default: conda-lock.yml beside the first file)"
    )
    made.add_argument(
        "--pixi", metavar="FILE", help="write the same packages as pixi.lock (version 6), too, into FILE"
    )
    what = made.add_mutually_exclusive_group()
    what.add_argument(
        "--check",
        action="store_true",
        help="change nothing; the exit code is 1 where the lock is not current",
    )
    what.add_argument(
        "--update",
        action="append",
        default=[],
        metavar="PKG",
        help="let this package take its newest version, and move as little else as possible (repeatable)",
    )
    what.add_argument("--update-all", action="store_true", help="plan anew, whatever the lock holds")
    made.add_argument(
        "--virtual",
        action="append",
        default=[],
        metavar="NAME=VERSION",
        help="a virtual package of the machines that the lock is for, such as __cuda=12.4 or "
        "linux-64:__glibc=2.17 (repeatable)",
    )
    made.add_argument("-d", "--dry-run", action="store_true", help="plan, and write nothing")
    add_channels(made, several_platforms=True)
    add_solving(made)
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Lock, or check; the exit code of a check is 1 where the lock is not current."""
    options = parser().parse_args(arguments)
    from envmgr.cli.session import open_context
    from envmgr.ops.lock import check_lock, lock

    context, _ = open_context(options)
    if options.check:
        checked = check_lock(_request(options), context)
        _tell_checked(checked, options)
        return 0 if checked.is_current else 1
    tell_locked(lock(_request(options), context), options)
    return 0


def _request(options: argparse.Namespace) -> LockRequest:
    from envmgr.ops.lock_request import LockRequest
    from envmgr.ops.request import Asked

    return LockRequest(
        asked=Asked(
            files=tuple(options.file),
            channels=tuple(options.channel),
            override_channels=options.override_channels,
            prefer=options.prefer,
            extras=tuple(options.extra),
            groups=tuple(options.groups),
        ),
        platforms=tuple(options.platforms),
        file=options.lockfile,
        virtual=tuple(options.virtual),
        update=tuple(options.update),
        update_all=options.update_all,
        dry_run=options.dry_run,
        pixi=options.pixi,
        options=solving_options(options),
    )


def _tell_checked(checked: Checked, options: argparse.Namespace) -> None:
    from envmgr.cli.render import note, write_json

    if options.json:
        outdated = {subdir: list(why) for subdir, why in checked.outdated.items()}
        write_json({"success": checked.is_current, "file": str(checked.file), "outdated": outdated})
        return
    if checked.is_current:
        if not options.quiet:
            note(f"{checked.file} is current.")
        return
    note(f"{checked.file} is not current:")
    for subdir, reasons in checked.outdated.items():
        for why in reasons:
            note(f"  {subdir}: {why}")
    note("  envmgr lock makes it current.")


def tell_locked(locked: Locked, options: argparse.Namespace) -> None:
    """What the lock holds, and what moved."""
    from envmgr.cli.render import note, write_json

    if options.json:
        write_json(_as_json(locked, options))
        return
    if options.quiet:
        return
    for platform in locked.platforms:
        counts = [
            f"{count} {what}{'s' if kind == 'conda' and count > 1 else ''}"
            for what, kind in (("conda package", "conda"), ("from PyPI", "pypi"))
            if (count := sum(each.kind == kind for each in platform.packages))
        ]
        note(
            f"{platform.subdir}: {', '.join(counts) or 'nothing'}{', as before' if platform.is_kept else ''}"
        )
        for move in platform.moves:
            versions = " -> ".join(each or "none" for each in (move.before, move.after))
            note(f"  {move.name} {versions}{f'  ({move.why})' if move.why else ''}")
        for name, why in platform.stays.items():
            note(f"  {name} stays  ({why})")
    if options.dry_run:
        note("Dry run: nothing was written.")
    elif locked.written:
        note(f"Wrote {locked.file}.")
    else:
        note(f"{locked.file} stays as it is.")
    if locked.pixi is not None:
        note(f"Wrote {locked.pixi}.")


def _as_json(locked: Locked, options: argparse.Namespace) -> dict[str, Any]:
    from msgspec import to_builtins

    return {
        "success": True,
        "dry_run": options.dry_run,
        "file": str(locked.file),
        "written": locked.written and not options.dry_run,
        "pixi": str(locked.pixi) if locked.pixi is not None else None,
        "platforms": {
            each.subdir: {
                "packages": len(each.packages),
                "kept": each.is_kept,
                "moves": [to_builtins(move) for move in each.moves],
                "stays": dict(each.stays),
                "warnings": list(each.warnings),
            }
            for each in locked.platforms
        },
    }
