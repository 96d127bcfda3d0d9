"""Plans one platform of a lock, from what an earlier lock held, and writes its packages down as a lock has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import DataError, SolveError
from envmgr.lock.inputs import usual_and_others
from envmgr.lock.locked import LockedPackage
from envmgr.models.record import PYPI_PREFIX
from envmgr.models.wheel_name import normalized_name
from envmgr.ops.distributions import planned_ranges, planned_records
from envmgr.ops.lock_groups import groups_reached, ordered
from envmgr.ops.lock_records import distributions_of, lacking_sums, locked_archive, records_of
from envmgr.ops.lock_request import LockedPlatform, Move
from envmgr.pypi.resolution import PypiSolution

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterator, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.joint import PypiPart, PypiQuestion
    from envmgr.ops.lock_inputs import Target
    from envmgr.ops.lock_request import LockRequest
    from envmgr.ops.resolve import Resolving
    from envmgr.pypi.resolution import PypiSource


def solve_platform(target: Target, standing: Sequence[LockedPackage], request: LockRequest) -> LockedPlatform:
    """The packages for *target*; of those in *standing* stays what can, but what *request* lets move.

    Raises SolveError that names the platform, and DataError for what no lock can hold.
    """
    context = target.context.with_credentials(target.wanted.written_urls)
    before = () if request.update_all else records_of(standing)
    try:
        made = solved(target, before, standing, request, context)
    except SolveError as error:
        raise SolveError(f"{target.subdir}: {error}", hint=error.hint, **error.facts) from None
    records, part = made.records, made.part
    whole = tuple(records) if part is None else planned_records(part, (*records, *part.wheels))
    packages = tuple(_packages(target, records, whole, part))
    return LockedPlatform(
        target.subdir,
        packages,
        target.inputs,
        moves=tuple(_moves(target, standing, packages, whole, request, context)),
        stays=made.stays | dict(_distributions_that_stay(standing, packages, request)),
        indexes=_indexes(part),
        warnings=tuple(_warnings(target, records, part)),
    )


class Solved(Struct, frozen=True):
    """Conda's records and PyPI's half; ``stays`` tells why packages that were to be updated did not move."""

    records: tuple[PackageRecord, ...]
    part: PypiPart | None = None
    stays: dict[str, str] = {}


def solved(
    target: Target,
    before: tuple[PackageRecord, ...],
    standing: Sequence[LockedPackage],
    request: LockRequest,
    context: Context,
) -> Solved:
    """The answer for *target*, where *before* and *standing* stay but for what may move."""
    from envmgr.ops.joint import resolve_jointly

    wanted = target.wanted
    if not (wanted.requirements or wanted.pypi):
        return Solved(())
    with _session(target, before, request, context) as session:
        if not wanted.pypi:
            records = session.records()
            stays = _stays(target, standing, records, request, session)
            return Solved(session.told(records), stays=stays)
        question = _question(target, () if request.update_all else standing, request, context)
        records, part = resolve_jointly(session, question)
        return Solved(session.told(records), part, _stays(target, standing, records, request, session))


def _stays(
    target: Target,
    standing: Sequence[LockedPackage],
    records: tuple[PackageRecord, ...],
    request: LockRequest,
    session: Resolving,
) -> dict[str, str]:
    """Why packages that were to be updated are what they were, by their names."""
    from envmgr.solver.why import Question, answer_why
    from envmgr.solver.why_text import staying_text

    held = {each.name: each for each in standing if each.kind == "conda"}
    found = {}
    for record in records:
        was = held.get(record.name)
        if record.name not in request.update or was is None or was.url != record.url:
            continue
        answer = answer_why(
            Question(
                name=record.name,
                records=records,
                requirements=target.wanted.requirements,
                machine=session.candidates.of_machine,
                subdir=target.subdir,
                solves=False,
                problem=session.problem,
                channels=tuple(channel.name for channel in target.wanted.channels),
            )
        )
        found[record.name] = staying_text(answer) if answer is not None else ""
    return found


def _session(
    target: Target, before: tuple[PackageRecord, ...], request: LockRequest, context: Context
) -> contextlib.AbstractContextManager[Resolving]:
    from envmgr.ops.resolve import Standing, resolving, resolving_change

    wanted = target.wanted
    if not before:
        return resolving(
            wanted.requirements,
            wanted.channels,
            target.subdir,
            request.options,
            context,
            limits=wanted.pins,
        )
    named = frozenset(request.update)
    standing = Standing(before, "named" if named else "keep", named, prune=True, limits=wanted.pins)
    return resolving_change(
        wanted.requirements, standing, wanted.channels, target.subdir, request.options, context
    )


def _question(
    target: Target, standing: Sequence[LockedPackage], request: LockRequest, context: Context
) -> PypiQuestion:
    from envmgr.ops.joint import PypiQuestion
    from envmgr.ops.provided import Providers
    from envmgr.ops.pypi_builds import planner

    return PypiQuestion(
        target.wanted.pypi,
        target.subdir,
        Providers(context),
        preferred={each.name: each.version for each in standing if each.kind == "pypi"},
        upgrade=frozenset(map(normalized_name, request.update)),
        planned=planner(target.subdir, context, dry_run=False),
        exclude_newer=request.options.exclude_newer,
        strategy=request.options.version_strategy,
    )


def _distributions_that_stay(
    standing: Sequence[LockedPackage], packages: Sequence[LockedPackage], request: LockRequest
) -> Iterator[tuple[str, str]]:
    was = {each.key: each.url for each in standing}
    for each in packages:
        if (
            each.kind == "pypi"
            and was.get(each.key) == each.url
            and normalized_name(each.name) in request.update
        ):
            yield each.name, "the index has nothing newer that goes with the rest"


def _packages(
    target: Target,
    records: Sequence[PackageRecord],
    whole: Sequence[PackageRecord],
    part: PypiPart | None,
) -> Iterator[LockedPackage]:
    """The conda *records* and the distributions of *part*; *whole* are both, with what they need."""
    known = frozenset() if part is None else part.answer.needs.keys()
    unknown = [record.shown_name for record in whole if record.is_pypi and record.shown_name not in known]
    groups = groups_reached(target, whole, unknown)
    for record in records:
        if not (record.sha256 or record.md5):
            raise DataError(f"the channel tells no checksum of {record.dist_name}, which a lock has to hold.")
        yield replace(locked_archive(record), groups=ordered(groups[record.name]))
    if part is None:
        return
    ranges = planned_ranges(part, records)
    for record in part.wheels:
        if record.sha256 is None:
            raise _unsummed(f"{record.shown_name} {record.version}")
        wheel = LockedPackage(
            kind="pypi",
            name=record.shown_name,
            version=record.version,
            url=_public(record.url, record.shown_name),
            sha256=record.sha256,
            dependencies=tuple(ranges.get(record.shown_name, {}).items()),
            groups=ordered(groups[record.name]),
        )
        yield _with_needs(wheel, part)
    for source in part.sources:
        found = ordered(groups[f"{PYPI_PREFIX}{source.name}"])
        locked = replace(_source(source, found), dependencies=tuple(ranges.get(source.name, {}).items()))
        yield _with_needs(locked, part)


def _with_needs(package: LockedPackage, part: PypiPart) -> LockedPackage:
    """*package* with what it needs itself, as far as that is known."""
    from envmgr.pypi.needs import public_needs

    needs = public_needs(part.answer.needs.get(package.name))
    return replace(package, requires_dist=needs.requires_dist, requires_python=needs.requires_python)


def _source(source: PypiSource, groups: tuple[str, ...]) -> LockedPackage:
    if source.kind not in ("sdist", "archive") or source.version is None or source.subdirectory:
        raise DataError(
            f"{source.name} is built from {'a repository' if source.kind == 'vcs' else source.url}, and a lock"
            " holds only files with a checksum and a version (CEP 37).",
            hint="Install it into the finished environment, or ask for a release of it.",
        )
    if source.sha256 is None:
        raise _unsummed(f"{source.name} {source.version}")
    return LockedPackage(
        kind="pypi",
        name=source.name,
        version=source.version,
        url=_public(source.url, source.name),
        sha256=source.sha256,
        groups=groups,
    )


def _public(url: str, name: str) -> str:
    if url.startswith("file:"):
        raise DataError(
            f"{name} would come from a folder of this machine, {url.rpartition('/')[0]}, which a lock cannot hold.",
            hint="Ask for it from an index that others reach.",
        )
    return url


def _unsummed(what: str) -> DataError:
    return DataError(
        f"the index tells no SHA-256 of {what}, which a lock has to hold.",
        hint="Ask the index's keeper for hashes in its pages (PEP 503).",
    )


def _indexes(part: PypiPart | None) -> dict[str, str]:
    """The indexes of PyPI that packages are from, as `usual_and_others` has them."""
    if part is None:
        return {}
    return usual_and_others(
        {record.shown_name: record.channel for record in part.wheels if "direct_url" not in record.extra}
        | {source.name: source.index for source in part.sources if source.index}
    )


def _moves(
    target: Target,
    standing: Sequence[LockedPackage],
    packages: Sequence[LockedPackage],
    whole: Sequence[PackageRecord],
    request: LockRequest,
    context: Context,
) -> Iterator[Move]:
    if not standing:
        return
    from envmgr.host.probe import virtual_packages
    from envmgr.ops.chosen import machine_of
    from envmgr.solver.moves import tell_moves

    machine = machine_of(virtual_packages(target.subdir, context.environ))
    before = (*records_of(standing), *distributions_of(standing))
    asked = {*request.update, *(f"{PYPI_PREFIX}{normalized_name(name)}" for name in request.update)}
    asked |= {name for name in target.groups if name.startswith(PYPI_PREFIX)}
    reasons = tell_moves(before, whole, asked, lines=target.wanted.requirements, machine=machine)
    then, now = {each.key: each for each in standing}, {each.key: each for each in packages}
    for key in sorted({*then, *now}):
        old, new = then.get(key), now.get(key)
        if old is not None and new is not None and old.url == new.url:
            continue
        kind, name = key
        why = reasons.get(name if kind == "conda" else f"{PYPI_PREFIX}{name}")
        if why is None and kind == "pypi":
            why = "needed by a PyPI package"
        yield Move(name, _shown(old), _shown(new), why)


def _shown(package: LockedPackage | None) -> str | None:
    return None if package is None else f"{package.version} {package.build}".strip()


def _warnings(target: Target, records: Sequence[PackageRecord], part: PypiPart | None) -> Iterator[str]:
    yield from target.wanted.warnings
    yield from target.left_out
    yield from lacking_sums(records)
    answer = part.answer if part is not None else PypiSolution(tool="")
    yield from answer.warnings
