"""``envmgr clean``: free disk space, after showing what would go."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_confirmation, add_output
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.ops.clean import Cleaned, CleanPlan, CleanRequest, Item, Kind


def parser() -> argparse.ArgumentParser:
    """The command's options, spelt as conda spells them."""
    made = CommandParser("clean", "Remove what is cached and not used, and what killed processes left.")
    group = made.add_argument_group("what to remove")
    group.add_argument("-a", "--all", action="store_true", help="all of the four below")
    group.add_argument(
        "-i", "--index", "--index-cache", action="store_true", help="what is known of the channels' contents"
    )
    group.add_argument(
        "-p", "--packages", action="store_true", help="unpacked packages that no environment is linked with"
    )
    group.add_argument("-t", "--tarballs", action="store_true", help="archives of packages")
    group.add_argument(
        "-c",
        "--tempfiles",
        action="store_true",
        help="temporary files and unfinished environments of killed processes",
    )
    group.add_argument(
        "-f",
        "--force-pkgs-dirs",
        action="store_true",
        help="all packages and archives, used ones too (environments keep the files that are linked)",
    )
    add_confirmation(made)
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Plan, show, ask, remove; exit code 1 when something of the plan could not be removed."""
    options = parser().parse_args(arguments)
    request = _request(options)
    from envmgr.cli.session import open_context
    from envmgr.ops.clean import Cleaned, clean, plan_clean

    context, _ = open_context(options, always_yes=options.yes or None)
    plan = plan_clean(request, context)
    if not options.json:
        _show_plan(plan, options)
    done = Cleaned((), ())
    agreed = (
        bool(plan.items)
        and not options.dry_run
        and _confirmed(options, always_yes=context.settings.always_yes)
    )
    if agreed:
        done = clean(plan, context)
    _show_outcome(plan, done, options, agreed=agreed)
    return 1 if done.warnings or plan.is_partial else 0


def _request(options: argparse.Namespace) -> CleanRequest:
    from envmgr.ops.clean import KINDS, CleanRequest

    forced = options.force_pkgs_dirs
    wanted: dict[Kind, bool] = {
        "index": options.index,
        "packages": options.packages or forced,
        "tarballs": options.tarballs or forced,
        "tempfiles": options.tempfiles,
    }
    kinds = tuple(kind for kind in KINDS if wanted[kind] or options.all)
    if not kinds:
        raise UsageError(
            "envmgr clean was not told what to remove.",
            hint="Name it: --index, --packages, --tarballs, --tempfiles, or --all of them.",
        )
    return CleanRequest(kinds, used=forced)


def _show_plan(plan: CleanPlan, options: argparse.Namespace) -> None:
    """The sums by kind and place; with --dry-run every item."""
    from envmgr.cli.render import note, size_text, table, write_lines

    for warning in plan.warnings:
        note(f"warning: {warning}")
    if options.dry_run:
        ordered = sorted(plan.items, key=lambda item: (item.kind, str(item.place), -item.size))
        rows = [[item.kind, size_text(item.size), str(item.path)] for item in ordered]
        write_lines(table(rows, ["kind", "size", "path"]) if rows else [])
    if options.quiet or not plan.items:
        return
    note("To be removed:\n")
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for item in plan.items:
        count, size = sums.get((item.kind, str(item.place)), (0, 0))
        sums[item.kind, str(item.place)] = count + 1, size + item.size
    rows = [[kind, str(count), size_text(size), place] for (kind, place), (count, size) in sums.items()]
    for line in table(rows, ["kind", "items", "size", "place"]):
        note(f"  {line}")
    note(f"\n  {size_text(plan.size)} in all\n")


def _confirmed(options: argparse.Namespace, *, always_yes: bool) -> bool:
    """Asks only where a person sits at a terminal and -y was not said."""
    from envmgr.cli.question import ask

    if options.json or always_yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    return ask("Proceed?", default=True)


def _show_outcome(plan: CleanPlan, done: Cleaned, options: argparse.Namespace, *, agreed: bool) -> None:
    from envmgr.cli.render import count_text, note, size_text, write_json

    if options.json:
        write_json(_json(plan, done, options, agreed=agreed))
        return
    for warning in done.warnings:
        note(f"warning: {warning}")
    if options.quiet:
        return
    if not plan.items and plan.is_partial:
        note("Nothing was removed.")
    elif not plan.items:
        note("There is nothing to remove.")
    elif agreed:
        note(f"Removed {count_text(len(done.removed), 'item')}, {size_text(done.size)}.")
    else:
        note("Dry run: nothing was removed." if options.dry_run else "Nothing was removed.")


def _json(plan: CleanPlan, done: Cleaned, options: argparse.Namespace, *, agreed: bool) -> dict[str, Any]:
    """conda's keys; what went, or after a dry run what would go."""
    items = done.removed if agreed else plan.items
    warnings = [*plan.warnings, *done.warnings]
    shown: dict[str, Any] = {"success": not done.warnings, "dry_run": options.dry_run}
    if "tarballs" in plan.request.kinds:
        shown["tarballs"] = _by_layer([item for item in items if item.kind == "tarballs"])
    if "packages" in plan.request.kinds:
        shown["packages"] = _by_layer([item for item in items if item.kind == "packages"])
    for kind, key in (("index", "index_cache"), ("tempfiles", "tempfiles")):
        if kind in plan.request.kinds:
            chosen = [item for item in items if item.kind == kind]
            files = [str(item.path) for item in chosen]
            size = sum(item.size for item in chosen)
            shown[key] = {"files": files, "total_size": size} if key == "index_cache" else files
    return {**shown, "total_size": sum(item.size for item in items), "warnings": warnings}


def _by_layer(items: Sequence[Item]) -> dict[str, Any]:
    sizes: dict[str, dict[str, int]] = {}
    for item in items:
        sizes.setdefault(str(item.place), {})[item.name] = item.size
    return {
        "pkgs_dirs": {place: list(names) for place, names in sizes.items()},
        "pkg_sizes": sizes,
        "total_size": sum(item.size for item in items),
        "warnings": [],
    }
