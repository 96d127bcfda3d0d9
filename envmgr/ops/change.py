"""Changes an environment that exists: install, update, remove, roll back, repair; all of it or nothing.

Each is the same: what the environment is to hold, the plan that leads there, the packages, the journal. What the
user asked for earlier stays asked for, and what need not move stays where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.errors import PrefixError
from envmgr.ops.change_goal import choose_goal, difference
from envmgr.ops.change_request import Changed, ChangePlan, ChangeRequest
from envmgr.ops.change_state import read_state
from envmgr.ops.change_steps import AgreedChange
from envmgr.ops.request import check_groups, read_request, with_python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envmgr.ops.change_goal import Goal
    from envmgr.ops.change_state import State
    from envmgr.ops.context import Context
    from envmgr.ops.request import EnvironmentRequest
    from envmgr.ops.save import Saving


def change(request: ChangeRequest, context: Context, confirm: Callable[[ChangePlan], bool]) -> Changed:
    """Change the environment; *confirm* sees the plan and may refuse it.

    Raises DataError, ChannelError, SolveError or PrefixError; the environment then is as it was.
    """
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.prefix_lock import prefix_alone
    from envmgr.prefix.change import recover

    prefix = locate_existing(request.name, request.prefix, context)
    if not (request.override_frozen or request.dry_run):
        check_frozen(prefix)
    if request.dry_run:
        return _change(request, prefix, context, confirm)
    with prefix_alone(prefix, context, request.command_line):
        recover(prefix, context.runner, context.environ, root_prefix=str(context.settings.root))
        return _change(request, prefix, context, confirm)


def _change(
    request: ChangeRequest, prefix: Path, context: Context, confirm: Callable[[ChangePlan], bool]
) -> Changed:
    from envmgr.ops.fetch import cache_in_use
    from envmgr.ops.save import plan_saving
    from envmgr.ops.verify import check_repaired

    wanted = read_request(request.asked, context)
    check_groups(request.asked, wanted)
    for warning in wanted.warnings:
        context.reporter.warned(warning)
    context = context.with_credentials(wanted.written_urls)
    state = read_state(request.kind, prefix, wanted, context)
    if request.prune and request.asked.files:
        wanted = with_python(wanted, [text for text, _ in state.lines_of("python")])
    saving = plan_saving(prefix, wanted, state.past) if request.save else None
    goal = choose_goal(request, wanted, state, context)
    if saving is not None:
        goal = replace(goal, source=saving.source_after(goal.source, context))
    context = context.with_credentials(goal.pypi.credential_urls) if goal.pypi is not None else context
    plan = _plan(request, wanted, state, goal, context)
    if plan.changes_nothing:
        return Changed(plan, done=False, saved=_save(saving, request))
    state.check_files(plan.unlink)
    ready = AgreedChange(request, state, goal, context)
    if not plan.is_nothing:
        plan = ready.foreseen(plan)
    if not confirm(plan) or request.dry_run:
        return Changed(plan, done=False)
    messages: tuple[str, ...] = ()
    number = None
    if not plan.is_nothing or plan.notes_request:
        with cache_in_use(context):
            packages = ready.prepare(plan, wanted)
            if request.download_only:
                return Changed(plan, done=False)
            plan = ready.with_built(plan)
            messages, number, relinked = ready.apply(packages)
            plan = ready.told(plan, relinked)
        if request.kind == "repair":
            check_repaired(prefix)
    _finish(prefix, wanted, context)
    return Changed(plan, done=True, messages=messages, generation=number, saved=_save(saving, request))


def _plan(
    request: ChangeRequest, wanted: EnvironmentRequest, state: State, goal: Goal, context: Context
) -> ChangePlan:
    from envmgr.packages.layers import Layers
    from envmgr.prefix.store import PrefixStore

    for warning in goal.pypi.warnings if goal.pypi is not None else ():
        context.reporter.warned(warning)
    unlink, link = difference(state, goal)
    cache = Layers(context.settings.pkgs_dirs)
    return ChangePlan(
        state.prefix,
        request.kind,
        link,
        (*unlink, *(each.record for each in goal.strangers)),
        tuple(record for record in link if not cache.holds(record)),
        len(goal.records) - len(link),
        before=state.records,
        after=goal.records,
        asked=wanted.requirements,
        pypi=goal.pypi,
        placed=wanted.placed,
        requires=state.requires_dist() if any(record.is_pypi for record in (*unlink, *link)) else {},
        notes_request=(
            goal.requested != state.requested
            or goal.intent != state.intent
            or (goal.source != state.source and state.source is not None)
        ),
        sets_variables=not wanted.variables.items() <= PrefixStore(state.prefix).state_variables().items(),
        adds_pins=not _has_pins(state.prefix, wanted, context),
        depends=wanted.locked.depends if wanted.locked is not None else {},
    )


def _has_pins(prefix: Path, wanted: EnvironmentRequest, context: Context) -> bool:
    from envmgr.ops.pins import pins_of

    return not wanted.pins or {pin.spec for pin in wanted.pins} <= {
        pin.spec for pin in pins_of(prefix, context)
    }


def _finish(prefix: Path, wanted: EnvironmentRequest, context: Context) -> None:
    """What follows from a change: the request's variables and pins, activation scripts, the registry."""
    from envmgr.ops.activation import refresh
    from envmgr.ops.environments import joined_registry
    from envmgr.ops.pins import add_pins
    from envmgr.prefix.registry import register
    from envmgr.prefix.store import PrefixStore

    if wanted.variables:
        store = PrefixStore(prefix)
        store.write_variables({**store.state_variables(), **wanted.variables})
    add_pins(prefix, wanted.pins, context)
    refresh(prefix, context)
    registry = joined_registry(context)
    if registry is not None:
        register(registry, prefix, context.reporter.warned)


def _save(saving: Saving | None, request: ChangeRequest) -> Path | None:
    if saving is None or request.dry_run:
        return None
    saving.write()
    return saving.file


def check_frozen(prefix: Path) -> None:
    """Raises PrefixError for an environment with conda-meta/frozen, which is not to be changed (CEP 22)."""
    said = frozen_message(prefix)
    if said is None:
        return
    raise PrefixError(
        f"{prefix} is frozen and is not to be changed{f': {said}' if said else '.'}",
        hint="--override-frozen changes it all the same.",
        prefix=str(prefix),
    )


def frozen_message(prefix: Path) -> str | None:
    """What conda-meta/frozen says, "" for nothing; None for an environment that is not frozen."""
    import json

    place = prefix / "conda-meta" / "frozen"
    if not place.is_file():
        return None
    try:
        content = json.loads(place.read_bytes() or b"{}")
    except (OSError, ValueError):
        content = {}
    said = content.get("message") if isinstance(content, dict) else None
    return said if isinstance(said, str) else ""
