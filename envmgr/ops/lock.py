"""Makes, checks and updates locks: what environment files ask for, as exact packages for several platforms.

Each platform is planned as `create` plans it, conda's half and PyPI's together, for the machine that its profile
tells (`envmgr.lock.profile`) and not for this one. What an earlier lock holds stays where it can; a platform whose
inputs are the same is not asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import DataError, UsageError
from envmgr.lock.conda_lock_text import conda_lock_text
from envmgr.lock.inputs import INDEXES, differences, groups_in, inputs_in, pairs_in
from envmgr.lock.locked import MAIN, Lock
from envmgr.models.named_file import is_on_server
from envmgr.models.platform import KNOWN_SUBDIRS, NOARCH, near_subdir
from envmgr.models.wheel_name import normalized_name
from envmgr.ops.lock_earlier import read_earlier
from envmgr.ops.lock_inputs import (
    LOCK_NAME,
    Asking,
    as_recorded,
    command_line_notes,
    options_of,
    platforms_of,
    read_target,
    recorded_platforms,
    relative_sources,
)
from envmgr.ops.lock_records import settled, unfulfilled
from envmgr.ops.lock_request import Checked, Locked, LockedPlatform
from envmgr.ops.lock_selection import selection_as_recorded
from envmgr.ops.request import check_groups, environment_files
from envmgr.ports import Reporter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from envmgr.lock.locked import LockedPackage
    from envmgr.ops.context import Context
    from envmgr.ops.lock_earlier import Earlier
    from envmgr.ops.lock_inputs import Target
    from envmgr.ops.lock_request import LockRequest
    from envmgr.ops.resolve import ResolveOptions

_MOST_THREADS = 4
_USUAL_FILES = ("environment.yml", "environment.yaml")


def lock(request: LockRequest, context: Context, earlier: Earlier | None = None) -> Locked:
    """Plan every platform and write the lock; nothing is written where one has no solution.

    *earlier* takes the place of the lock that is there.
    Raises UsageError, DataError, ChannelError and SolveError, the last with the platform it is about.
    """
    plan = _plan(request, context, earlier)
    request = replace(request, update=_names_to_update(request.update, plan))
    known = plan.earlier.lock
    done = _lock_platforms(request, plan)
    for each in done:
        for warning in each.warnings:
            context.reporter.warned(warning)
    made = _lock_of(plan, done)
    text = conda_lock_text(made)
    written = known is None or plan.earlier.content != text.encode()
    if written and not request.dry_run:
        from envmgr.config.own_file import write_own_text

        write_own_text(plan.file, text)
    return Locked(plan.file, done, written, _write_pixi(request, made, done, context))


def _write_pixi(
    request: LockRequest, made: Lock, done: Sequence[LockedPlatform], context: Context
) -> Path | None:
    if request.pixi is None or request.dry_run:
        return None
    from envmgr.config.own_file import write_own_text
    from envmgr.lock.pixi_text import pixi_lock_text
    from envmgr.ops.environments import expanded

    for platform in done:
        for each in platform.packages:
            record = each.record
            if record is not None and record.subdir == "noarch" and record.noarch_kind is None:
                raise DataError(
                    f"{record.dist_name} is not in its channel any more, and the lock does not tell of which kind"
                    " it is, which pixi.lock has to say.",
                    hint=f"envmgr lock --update {record.name} brings one that is there.",
                )
    for what, names in (
        ("variables", sorted({name for each in done for name in each.inputs.variables})),
        ("pins", list(dict.fromkeys(pin for each in done for pin in each.inputs.pins))),
    ):
        if names:
            context.reporter.warned(
                f"{what}, for which pixi.lock has no place, are left out: {', '.join(names)}."
            )
    file = expanded(request.pixi, context)
    indexes = dict.fromkeys(url for each in done for _, url in sorted(each.indexes.items()))
    write_own_text(file, pixi_lock_text(made, tuple(indexes)))
    return file


def check_lock(request: LockRequest, context: Context) -> Checked:
    """Compare the lock with what the files ask for now; no channel is asked, and nothing is changed.

    Raises DataError where there is no lock or it cannot be read.
    """
    plan = _plan(request, context, must_exist=True)
    known = plan.earlier.lock
    assert known is not None
    outdated = {
        target.subdir: why
        for target in plan.targets
        if (why := _outdated(known, target) or tuple(unfulfilled(known, target)))
    }
    targets = {target.subdir for target in plan.targets}
    outdated |= {
        subdir: ("the files do not ask for this platform",)
        for subdir in known.platforms
        if subdir not in targets and not request.platforms
    }
    return Checked(plan.file, outdated)


class _Plan(Struct, frozen=True):
    """Where the lock is, what it held, and what it is to be made of."""

    file: Path
    sources: tuple[str, ...]
    targets: tuple[Target, ...]
    earlier: Earlier
    options: ResolveOptions
    notes: Mapping[str, str]


def _plan(
    request: LockRequest, context: Context, given: Earlier | None = None, *, must_exist: bool = False
) -> _Plan:
    from envmgr.ops.environments import expanded

    files = request.asked.files or _usual_files(request, context)
    place = expanded(request.file, context) if request.file is not None else _beside(files[0], context)
    _check_file_name(place)
    before = read_earlier(place, context, must_exist=must_exist) if given is None else given
    earlier = before.lock
    recorded = earlier.notes if earlier is not None else {}
    asked = as_recorded(replace(request.asked, files=tuple(files)), recorded)
    known = (
        {each: found for each in earlier.platforms if (found := inputs_in(earlier, each))} if earlier else {}
    )
    options = request.options
    if known and not request.update_all:
        options = options_of(next(iter(known.values())).options, options)
    read = environment_files(asked, context.settings.subdir, context)
    asked, in_files = selection_as_recorded(asked, recorded, read), platforms_of(read)
    subdirs = request.platforms or recorded_platforms(recorded, in_files) or in_files
    subdirs = subdirs or (tuple(earlier.platforms) if earlier is not None else (context.settings.subdir,))
    _check_words(request, subdirs, in_files)
    asking = Asking(asked, options, request.virtual, known)
    targets = tuple(read_target(asking, subdir, context) for subdir in sorted(dict.fromkeys(subdirs)))
    for target in targets:
        check_groups(request.asked, target.wanted)
    sources = relative_sources(files, place.parent, context)
    notes = command_line_notes(asked, [target.subdir for target in targets], in_files, context)
    return _Plan(place, sources, targets, before, replace(options, for_lock=True), notes)


def _beside(file: str, context: Context) -> Path:
    """Where the lock of *file* goes: beside it, or here where it comes from a server."""
    from envmgr.ops.environments import expanded

    return (context.cwd if is_on_server(file) else expanded(file, context).parent) / LOCK_NAME


def _check_words(request: LockRequest, subdirs: Sequence[str], in_files: Sequence[str]) -> None:
    for subdir in request.platforms:
        if in_files and subdir not in in_files:
            raise UsageError(
                f"the files' platforms ({', '.join(in_files)}) do not include {subdir}, which is asked for.",
                hint=near_subdir(subdir)
                if subdir not in KNOWN_SUBDIRS
                else "Add it to `platforms:` of the file.",
            )
    if NOARCH in subdirs:
        raise UsageError(
            "'noarch' is not a platform of environments, and no lock is for it.",
            hint="Leave it out: packages without a platform are in the lock of each.",
        )
    for word in request.virtual:
        subdir, mark, _ = word.partition("=")[0].rpartition(":")
        if mark and subdir not in subdirs:
            raise UsageError(
                f"'{word}' is about the platform {subdir}, for which nothing is locked.",
                hint=f"The platforms are {', '.join(subdirs)}.",
            )


def _usual_files(request: LockRequest, context: Context) -> tuple[str, ...]:
    """The sources of the lock that was named, else the environment.yml of this folder."""
    from envmgr.ops.environments import expanded

    place = expanded(request.file or LOCK_NAME, context)
    if place.exists():
        earlier = read_earlier(place, context).lock
        if earlier is not None and earlier.sources:
            return tuple(each if is_on_server(each) else str(place.parent / each) for each in earlier.sources)
    found = next((name for name in _USUAL_FILES if (context.cwd / name).exists()), None)
    if found is None:
        raise UsageError(
            "no file was named, and there is no environment.yml here.", hint="Name the files with -f FILE."
        )
    return (found,)


def _check_file_name(place: Path) -> None:
    if place.suffix not in (".yml", ".yaml") or "conda-lock" not in place.name:
        raise UsageError(
            f"the name of a lock holds `conda-lock` and ends in .yml or .yaml, and {place.name} does not (CEP 37).",
            hint="Other tools find it by that.",
        )


def _outdated(earlier: Lock, target: Target) -> tuple[str, ...]:
    """Why *earlier* is not what *target* asks for; nothing where it is."""
    if target.subdir not in earlier.platforms:
        return ("it has no packages for this platform",)
    then = inputs_in(earlier, target.subdir)
    if then is None:
        return ("another tool made it, so that it cannot be told what for",)
    if earlier.content_hash.get(target.subdir) == target.inputs.content_hash:
        return ()
    return tuple(differences(then, target.inputs)) or ("its content hash is another one",)


def _names_to_update(texts: Sequence[str], plan: _Plan) -> tuple[str, ...]:
    """The names in the lock that *texts* mean: letters and dashes count only where both spellings are there."""
    if not texts:
        return ()
    from envmgr.ops.chosen import checked_name
    from envmgr.solver.near_names import near_names

    held = {
        normalized_name(package.name) if package.kind == "pypi" else package.name
        for packages in (plan.earlier.lock.platforms.values() if plan.earlier.lock is not None else ())
        for package in packages
    }
    found: dict[str, None] = {}
    for text in texts:
        name = checked_name(text)
        meant = (
            [name]
            if name in held
            else [each for each in sorted(held) if normalized_name(each) == normalized_name(name)]
        )
        if not meant:
            near = near_names(name, held)
            hint = (
                f"Did you mean {' or '.join(near)}?"
                if near
                else "What is new belongs into the environment file."
            )
            raise UsageError(f"the lock holds no package {name}, so that it could be updated.", hint=hint)
        found |= dict.fromkeys(meant)
    return tuple(found)


def _lock_platforms(request: LockRequest, plan: _Plan) -> tuple[LockedPlatform, ...]:
    """Every platform: in threads where each waits for a tool that resolves PyPI's half, else in forks.

    The solver itself would only take turns with itself in threads: three platforms of 250 conda packages take
    half as long again in them, and the same with PyPI items half as long.
    """
    known = {target.subdir: kept for target in plan.targets if (kept := _kept(target, request, plan))}
    open_targets = [target for target in plan.targets if target.subdir not in known]
    plan_all = _in_threads if any(target.wanted.pypi for target in open_targets) else _in_forks
    known |= {each.subdir: each for each in plan_all(open_targets, request, plan)}
    return tuple(known[target.subdir] for target in plan.targets)


class _Later(Reporter):
    """Keeps sentences, for a process that may not show them."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def warned(self, message: str) -> None:
        """Keeps the sentence."""
        self.told.append(("warned", message))

    def decided(self, message: str) -> None:
        """Keeps the sentence."""
        self.told.append(("decided", message))

    def requested(self, message: str) -> None:
        """Keeps the sentence."""
        self.told.append(("requested", message))


def _in_forks(targets: Sequence[Target], request: LockRequest, plan: _Plan) -> list[LockedPlatform]:
    from envmgr.packages.forks import map_in_forks

    def here(target: Target) -> tuple[LockedPlatform, list[tuple[str, str]]]:
        return _lock_platform(target, request, plan), []

    def away(target: Target) -> tuple[LockedPlatform, list[tuple[str, str]]]:
        later = _Later()
        quiet = replace(target, context=replace(target.context, reporter=later))
        return _lock_platform(quiet, request, plan), later.told

    done = []
    for target, (platform, told) in zip(targets, map_in_forks(targets, here=here, away=away), strict=True):
        for how, sentence in told:
            getattr(target.context.reporter, how)(sentence)
        done.append(platform)
    return done


def _in_threads(targets: Sequence[Target], request: LockRequest, plan: _Plan) -> list[LockedPlatform]:
    from concurrent.futures import ThreadPoolExecutor

    def locked(target: Target) -> LockedPlatform:
        return _lock_platform(target, request, plan)

    with ThreadPoolExecutor(_MOST_THREADS) as threads:
        running = [threads.submit(locked, target) for target in targets]
        try:
            return [each.result() for each in running]
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _lock_platform(target: Target, request: LockRequest, plan: _Plan) -> LockedPlatform:
    if not plan.earlier.may_plan:
        raise DataError(f"{target.subdir} has to be planned again, and the files are not merged yet.")
    from envmgr.ops.lock_solve import solve_platform

    earlier = plan.earlier.lock
    standing = () if earlier is None else earlier.platforms.get(target.subdir, ())
    return solve_platform(target, standing, replace(request, options=plan.options))


def _kept(target: Target, request: LockRequest, plan: _Plan) -> LockedPlatform | None:
    """What the earlier lock has; None where the files ask for something else, or it does not hold together."""
    # pixi.lock has facts that conda-lock.yml has not: then the channels are asked, and everything stays.
    if request.update or request.update_all or request.pixi is not None:
        return None
    earlier = plan.earlier.lock
    if earlier is None or _outdated(earlier, target):
        return None
    packages: tuple[LockedPackage, ...] | None = earlier.platforms[target.subdir]
    if target.subdir in plan.earlier.mixed:
        packages = settled(earlier, target)
    elif any(unfulfilled(earlier, target)):
        packages = None
    if packages is None:
        return None
    indexes = pairs_in(earlier.notes.get(INDEXES, ""))
    return LockedPlatform(target.subdir, packages, target.inputs, indexes=indexes, is_kept=True)


def _lock_of(plan: _Plan, done: Sequence[LockedPlatform]) -> Lock:
    notes: dict[str, str] = {**plan.notes}
    indexes: dict[str, str] = {}
    channels: dict[str, None] = {}
    for each in done:
        notes |= each.inputs.notes(each.subdir)
        indexes |= each.indexes
        channels |= dict.fromkeys(each.inputs.channels)
    if indexes:
        notes[INDEXES] = "\n".join(f"{name}={url}" for name, url in sorted(indexes.items()))
    return Lock(
        file=plan.file.name,
        format="conda-lock",
        platforms={each.subdir: each.packages for each in done},
        channels=tuple(channels),
        always=(MAIN,),
        told_groups=groups_in(notes),
        sources=plan.sources,
        content_hash={each.subdir: each.inputs.content_hash for each in done},
        notes=dict(sorted(notes.items())),
    )
