"""PyPI's half of a change: what is asked of it from now on, what stays, and what goes with what is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.models.record import PYPI_PREFIX
from envmgr.ops.joint import PypiPart, PypiQuestion, python_of, resolve_jointly
from envmgr.ops.provided import Providers
from envmgr.ops.pypi_builds import planner
from envmgr.ops.pypi_intent import (
    intent_of,
    intent_without,
    items_of,
    merged_intent,
    name_of,
    requested_by,
)
from envmgr.prefix.generation import PypiIntent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.change_request import ChangeRequest
    from envmgr.ops.change_state import State
    from envmgr.ops.context import Context
    from envmgr.ops.request import EnvironmentRequest
    from envmgr.ops.resolve import Resolving


class PypiChange(Struct, frozen=True):
    """What a change asks of PyPI: *intent* holds from now on, *upgrade* names what need not stay as it is."""

    intent: PypiIntent
    question: PypiQuestion
    state: State
    is_asked: bool

    def resolve(
        self, session: Resolving
    ) -> tuple[tuple[PackageRecord, ...], tuple[PackageRecord, ...], PypiPart | None]:
        """conda's records, the wheels beside them, and how those were found: None where they stay as they are."""
        if not self.intent.requirements:
            return session.records(), (), None
        if not self.is_asked:
            records = session.records()
            if self._is_same(records):
                return records, self.state.wheels, None
        records, part = resolve_jointly(session, self.question)
        part = self._with_what_stays(part)
        return records, part.wheels, part

    def _is_same(self, records: Sequence[PackageRecord]) -> bool:
        """Whether PyPI's half stands as it was resolved: its Python, and what conda provides."""
        before, providers = self.state.conda, self.question.providers
        if set(records) == set(before):
            return True
        pythons = [python_of(each) for each in (records, before)]
        if len({each.version for each in pythons if each is not None}) != 1:
            return False
        then, now = ({(each.name, each.version) for each in providers.of(side)} for side in (records, before))
        return then == now

    def _with_what_stays(self, part: PypiPart) -> PypiPart:
        """Sources that were built before, from the same place, are not built again unless they were named now.

        A folder may have changed: it is built where it tells another version.
        """
        from msgspec.structs import replace

        from envmgr.pypi.stubs import same_version

        here = {
            _place(record.extra.get("direct_url"), record.shown_name, record.version): record
            for record in self.state.wheels
            if record.shown_name not in self.question.upgrade
        }
        kept = {
            each: record
            for each in part.sources
            if (record := here.get(_place(each.direct_url, each.name, each.version))) is not None
            and (each.version is None or same_version(each.version, record.version))
        }
        if not kept:
            return part
        answer = replace(
            part.answer,
            wheels=(*part.wheels, *kept.values()),
            sources=tuple(each for each in part.sources if each not in kept),
        )
        return replace(part, answer=answer)


def pypi_change(
    request: ChangeRequest,
    wanted: EnvironmentRequest,
    state: State,
    upgrade: Collection[str],
    context: Context,
) -> PypiChange:
    """What *request* asks of PyPI, beside what was asked before; from a file with ``prune``, nothing else."""
    newer = intent_of(wanted.pypi, context) if wanted.pypi else PypiIntent()
    exact = request.prune and bool(request.asked.files)
    earlier = PypiIntent() if exact else state.intent
    intent = merged_intent(earlier, newer)
    options = request.options
    standing = [each for each in intent.requirements if each not in newer.requirements]
    before = PypiIntent(tuple(standing), options=earlier.options)
    named = frozenset(name for each in newer.requirements if (name := name_of(each.spec)) is not None)
    everything = request.kind == "update" and request.mode == "all"
    question = PypiQuestion(
        items=(*items_of(before, state.prefix), *wanted.pypi),
        subdir=state.subdir,
        providers=providers_of(state, context),
        constraints=earlier.constraints,
        preferred={record.shown_name: record.version for record in state.wheels},
        upgrade=frozenset(upgrade) | (named if request.kind == "update" or request.force else frozenset()),
        upgrade_all=everything,
        exclude_newer=options.exclude_newer,
        strategy=options.version_strategy,
        planned=planner(
            state.subdir, context, dry_run=request.dry_run, here=(state.prefix, python_of(state.conda))
        ),
    )
    there = requested_by(intent, state.wheels)
    covered = {spec for specs in there.values() for spec in specs}
    is_asked = (
        bool(question.upgrade)
        or everything
        or intent != state.intent
        or any(each.spec not in covered or name_of(each.spec) is None for each in newer.requirements)
    )
    return PypiChange(intent, question, state, is_asked)


def _place(direct_url: object, name: str, version: str | None) -> str:
    """What a build was made of, to be told from others: where it came from (PEP 610), or which release."""
    return repr(direct_url) if direct_url is not None else f"{name}=={version}"


def providers_of(state: State, context: Context) -> Providers:
    """Knows what the environment's conda packages provide by what lies there."""
    installed = {package.record: package for package in state.current if not package.record.is_pypi}
    return Providers(context, state.prefix, installed)


class PypiRemoval(Struct, frozen=True):
    """What of PyPI is left after a removal, and what is asked for from then on."""

    wheels: tuple[PackageRecord, ...]
    intent: PypiIntent


def remove_from_pypi(
    state: State, left: Sequence[PackageRecord], named: Collection[str], context: Context, *, prune: bool
) -> PypiRemoval:
    """What stays of PyPI when conda keeps *left* and the distributions *named* go.

    What needs something that goes is removed with it; with *prune*, what nothing needs any more goes, too.
    """
    from envmgr.pypi.needs import dependants, needed_by

    if not state.wheels:
        return PypiRemoval((), intent_without(state.intent, named))
    if python_of(left) is None:
        return PypiRemoval((), PypiIntent())
    providers = providers_of(state, context)
    before, after = ({each.name for each in providers.of(side)} for side in (state.conda, left))
    requires, environment = state.requires_dist(), state.marker_environment()
    roots = _roots(state.intent, state.wheels)
    everyone = [record.shown_name for record in state.wheels]
    needs = needed_by([*roots, *everyone], requires, environment)
    gone = dependants({*named, *(before - after)}, needs)
    ours = {name for name in gone if name in everyone}
    lines = {
        spec
        for record in state.wheels
        if record.shown_name in ours
        for spec in requested_by(state.intent, [record]).get(record.name, ())
    }
    intent = intent_without(state.intent, ours, lines)
    if prune:
        reached = needed_by(_roots(intent, state.wheels), requires, environment).keys()
        loose = needed_by(roots, requires, environment).keys() - reached
        ours |= {name for name in everyone if name in loose}
    wheels = tuple(record for record in state.wheels if record.shown_name not in ours)
    return PypiRemoval(wheels, intent)


def _roots(intent: PypiIntent, wheels: Sequence[PackageRecord]) -> list[str]:
    """Who was asked for, with extras (PEP 508); by name where a path or URL was."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    for name, specs in requested_by(intent, wheels).items():
        for spec in specs:
            text = spec.partition(" --hash=")[0]
            try:
                found.append(str(Requirement(text)))
            except InvalidRequirement:
                found.append(name.removeprefix(PYPI_PREFIX))
    return found
