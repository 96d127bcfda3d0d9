"""Shows what a change or a creation will do, on standard error, before anything is done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from envmgr.cli.plan_table import Row
    from envmgr.models.record import PackageRecord
    from envmgr.ops.change_request import ChangePlan
    from envmgr.ops.context import Context
    from envmgr.ops.create import CreatePlan
    from envmgr.ops.joint import PypiPart
    from envmgr.ops.moves import DiskSize, Moves
    from envmgr.ops.python_requirements import Placement


def is_shown(options: argparse.Namespace, context: Context) -> bool:
    """Whether the plan is to be shown: not in JSON, nor with -q, unless somebody is asked about it."""
    from envmgr.cli.question import asks

    return asks(options, context) or not (options.json or options.quiet)


def moves_of_change(plan: ChangePlan) -> Moves:
    """What a change moves, for `tell_reasons`."""
    from envmgr.ops.moves import Moves

    again = frozenset(record.name for record in plan.link if record in plan.unlink)
    return Moves(
        plan.before,
        plan.after,
        plan.asked,
        plan.kind,
        pypi=plan.pypi,
        again=again,
        requires=plan.requires,
        depends=plan.depends,
    )


def moves_of_creation(plan: CreatePlan) -> Moves:
    """What a creation moves, for `tell_reasons`."""
    from envmgr.ops.moves import Moves

    return Moves((), plan.link, plan.asked, pypi=plan.pypi, depends=plan.depends)


def show_change(plan: ChangePlan, context: Context, *, verbose: int = 0) -> None:
    """What moves and why, what is linked anew, who wins contested paths, and how many bytes come."""
    from envmgr.cli.render import note
    from envmgr.ops.moves import tell_reasons
    from envmgr.prefix.plan import clobber_sentences

    note(f"Change of {plan.prefix}\n")
    reasons = tell_reasons(moves_of_change(plan), context)
    rows, sizes = _show_table(plan.unlink, plan.link, plan.fetch, reasons, context, verbose=verbose)
    for record, why in plan.relink:
        _note_wrapped(f"= {record.shown_name} {record.version} is linked anew: {why}")
    for sentence in clobber_sentences(plan.clobbers):
        _note_wrapped(f"! {sentence}")
    _show_placed(plan.placed)
    _show_pypi(plan.pypi)
    kept = "1 stays" if plan.kept == 1 else f"{plan.kept} stay"
    if rows or plan.relink or plan.clobbers or plan.pypi:
        note("")
    if plan.is_nothing:
        _note_wrapped(_noted_alone(plan))
        note("")
        return
    _note_wrapped(f"{_counts(rows, plan.pypi)}; {kept} as {'it is' if plan.kept == 1 else 'they are'}")
    _note_wrapped(f"{_download_text(plan.fetch)}{_origins(plan.fetch, context)}{_disk_change(plan, sizes)}")
    note("")


def show_creation(plan: CreatePlan, context: Context, *, verbose: int = 0) -> None:
    """The packages of the new environment, where each comes from and why, and how many bytes come."""
    from envmgr.cli.plan_table import disk_total
    from envmgr.cli.render import count_text, note, size_text
    from envmgr.ops.moves import tell_reasons

    note(f"New environment {plan.prefix}\n")
    if plan.link:
        reasons = tell_reasons(moves_of_creation(plan), context)
        _, sizes = _show_table((), plan.link, plan.fetch, reasons, context, verbose=verbose)
        size, exact = disk_total(plan.link, sizes)
        disk = f"; {'' if exact else 'about '}{size_text(size)} on the disk" if size else ""
        note("")
        _note_wrapped(f"{count_text(len(plan.link), 'package')}{_origins(plan.link, context)}")
        _note_wrapped(f"{_download_text(plan.fetch)}{disk}")
    else:
        note("  no packages")
    _show_placed(plan.placed)
    _show_pypi(plan.pypi)
    note("")


def _show_placed(placed: Sequence[Placement]) -> None:
    from envmgr.cli.render import placement_lines

    for line in placement_lines(placed):
        _note_wrapped(line)


def _show_pypi(part: PypiPart | None) -> None:
    from envmgr.cli.render import pypi_lines

    for line in pypi_lines(part) if part is not None else ():
        _note_wrapped(line)


def _show_table(
    unlink: Sequence[PackageRecord],
    link: Sequence[PackageRecord],
    fetch: Sequence[PackageRecord],
    reasons: Mapping[str, str],
    context: Context,
    *,
    verbose: int,
) -> tuple[list[Row], Mapping[str, DiskSize]]:
    from envmgr.cli.plan_table import Bytes, plan_rows, table_lines
    from envmgr.cli.render import note
    from envmgr.cli.style import columns_of, styled
    from envmgr.ops.moves import disk_sizes

    sizes = disk_sizes([*link, *unlink], context)
    local = context.settings.local_channel_dir.as_uri()
    rows = plan_rows(unlink, link, reasons, Bytes(frozenset(fetch), sizes), local, builds=verbose > 0)
    for line in table_lines(rows, columns_of(sys.stderr), styled):
        note(line)
    return rows, sizes


def _noted_alone(plan: ChangePlan) -> str:
    """What a change does where no package moves."""
    from envmgr.solver.ranges import join_words

    done = ["the request is noted"] if plan.notes_request else []
    done += ["variables are set"] if plan.sets_variables else []
    done += ["pins are added"] if plan.adds_pins else []
    return f"no package moves; {join_words(done)}"


def _counts(rows: Sequence[Row], part: PypiPart | None) -> str:
    from envmgr.cli.plan_table import count_kinds

    built = len(part.sources) if part is not None else 0
    told = [count_kinds(rows), f"{built} to build" if built else ""]
    return ", ".join(filter(None, told)) or "nothing moves"


def _download_text(fetch: Sequence[PackageRecord]) -> str:
    from envmgr.cli.render import size_text

    if not fetch:
        return "nothing to download"
    sizes = [record.size for record in fetch]
    known = sum(size for size in sizes if size)
    if not known:
        return f"{len(fetch)} to download, of unknown size"
    return f"{len(fetch)} to download ({'' if all(sizes) else 'at least '}{size_text(known)})"


def _origins(records: Sequence[PackageRecord], context: Context) -> str:
    from envmgr.cli.plan_table import count_channels

    names = count_channels(records, context.settings.local_channel_dir.as_uri())
    return f" from {names}" if names else ""


def _disk_change(plan: ChangePlan, sizes: Mapping[str, DiskSize]) -> str:
    """How many bytes more or less the environment's packages have on the disk."""
    from envmgr.cli.plan_table import disk_total
    from envmgr.cli.render import size_text

    coming, known = disk_total(plan.link, sizes)
    going, known_before = disk_total(plan.unlink, sizes)
    if coming == going:
        return ""
    word = "more" if coming > going else "less"
    return (
        f"; {'' if known and known_before else 'about '}{size_text(abs(coming - going))} {word} on the disk"
    )


def _note_wrapped(text: str) -> None:
    """*text* in the lines of the terminal, those after the first indented more."""
    from envmgr.cli.columns import wrapped
    from envmgr.cli.render import note
    from envmgr.cli.style import columns_of
    from envmgr.models.visible_text import visible

    width = columns_of(sys.stderr)
    lines = [visible(text)] if width is None else wrapped(visible(text), max(width - 6, 10))
    for place, line in enumerate(lines):
        note(f"  {line}" if place == 0 else f"    {line}")
