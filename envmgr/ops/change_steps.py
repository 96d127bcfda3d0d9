"""A change that was agreed to: its packages, its plan, and its journal.

Packages that stay are linked anew where they share paths with what changes; which those are shows step by step,
while plans are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.ops.change_goal import difference
from envmgr.ops.change_state import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.change_goal import Goal
    from envmgr.ops.change_request import ChangePlan, ChangeRequest
    from envmgr.ops.change_state import State
    from envmgr.ops.context import Context
    from envmgr.ops.joint import PypiPart
    from envmgr.ops.request import EnvironmentRequest
    from envmgr.packages.store import PackageCache
    from envmgr.packages.unpacked import CachedPackage
    from envmgr.prefix.generation import Generation
    from envmgr.prefix.plan import PrefixPlan


class AgreedChange(Struct):
    """A change that was agreed to."""

    request: ChangeRequest
    state: State
    goal: Goal
    context: Context
    # The last plan with what it was made of: what is shown before the question is mostly what is done after it.
    _last: list[tuple[object, PrefixPlan]] = field(default_factory=list)
    _caches: list[PackageCache] = field(default_factory=list)

    def obtain(self, records: Iterable[PackageRecord]) -> dict[PackageRecord, CachedPackage]:
        from envmgr.ops.fetch import obtain

        return obtain(tuple(records), self.context, hashed=self.request.kind == "repair", cache=self._cache())

    def _cache(self) -> PackageCache:
        """The same for all steps, so that a package that was looked at once need not be read again."""
        from envmgr.packages.store import PackageCache

        if not self._caches:
            self._caches.append(PackageCache(self.context.settings.pkgs_dirs))
        return self._caches[0]

    def prepare(self, plan: ChangePlan, wanted: EnvironmentRequest) -> dict[PackageRecord, CachedPackage]:
        """The packages of *plan*, in the cache; what only they tell is settled, unless they are only downloaded."""
        packages = self.obtain(plan.link)
        if wanted.locked is not None:
            from envmgr.ops.locked import with_locked_depends

            packages = with_locked_depends(packages, wanted.locked)
        if self.request.download_only:
            return packages
        if wanted.explicit:
            self.put_in_order(packages)
        if self.goal.pypi is not None:
            self.settle_pypi(packages, self.goal.pypi)
        return packages

    def with_built(self, plan: ChangePlan) -> ChangePlan:
        """*plan* with the wheels that were built for it, or that took the place of others."""
        from msgspec.structs import replace

        unlink, link = difference(self.state, self.goal)
        return replace(plan, link=link, unlink=(*unlink, *(each.record for each in self.goal.strangers)))

    def put_in_order(self, packages: Mapping[PackageRecord, CachedPackage]) -> None:
        """Order the goal by what the archives in *packages* say they need; their URLs alone did not."""
        from msgspec.structs import replace

        goal = {record.name: record for record in self.goal.records}
        whole = [packages[record].record if record in packages else record for record in goal.values()]
        ordered = in_order(whole, self.goal.requested)
        self.goal = replace(self.goal, records=tuple(goal[record.name] for record in ordered))

    def settle_pypi(self, packages: dict[PackageRecord, CachedPackage], part: PypiPart) -> None:
        """Plan PyPI's half again where archives provide other distributions than was known, and build its sources.

        Raises SolveError where what they provide leaves it no solution, and BuildError.
        """
        from msgspec.structs import replace

        from envmgr.ops.pypi_builds import build_sources, plan_again
        from envmgr.ops.pypi_intent import requested_by

        conda = [record for record in self.goal.records if not record.is_pypi]
        again = plan_again(part, conda)
        self.context = context = self.context.with_credentials(again.credential_urls)
        wheels = dict.fromkeys(again.wheels)
        if again != part:
            packages |= self.obtain(record for record in wheels if record not in packages)
            context.reporter.warned(
                "packages provide other distributions than expected; PyPI's part was planned anew."
            )
        if again.sources:
            needed = self.obtain(record for record in conda if record not in packages)
            built = build_sources(again, {**packages, **needed})
            packages |= built
            wheels |= dict.fromkeys(built)
        requested = {**self.goal.requested, **requested_by(self.goal.intent, list(wheels))}
        self.goal = replace(self.goal, records=(*conda, *wheels), requested=requested)

    def foreseen(self, plan: ChangePlan) -> ChangePlan:
        """*plan* with what else will be linked anew, and who wins, as the packages that are cached tell."""
        from msgspec.structs import replace

        cache = self._cache()

        def cached(records: Sequence[PackageRecord]) -> dict[PackageRecord, CachedPackage]:
            found = {record: cache.find(record) for record in records}
            return {record: package for record, package in found.items() if package is not None}

        planned, why = self._plan(cached(plan.link), cached)
        return replace(self._with_relinked(plan, why), clobbers=planned.clobbers)

    def told(self, plan: ChangePlan, why: Mapping[str, str]) -> ChangePlan:
        """*plan* with all packages that were linked anew; what was not foreseen is told now."""
        known = {record.name for record, _ in plan.relink}
        whole = self._with_relinked(plan, why)
        for record, reason in whole.relink:
            if record.name not in known:
                self.context.reporter.warned(f"{record.dist_name} was linked anew: {reason}.")
        return whole

    def _with_relinked(self, plan: ChangePlan, why: Mapping[str, str]) -> ChangePlan:
        from msgspec.structs import replace

        moving, then = {record.name for record in plan.link}, set(self.goal.records)
        relink = tuple(
            (record, why[record.name])
            for record in self.state.records
            if record.name in why and record.name not in moving and record in then
        )
        return replace(plan, relink=relink, kept=plan.kept - (len(relink) - len(plan.relink)))

    def apply(
        self, packages: dict[PackageRecord, CachedPackage]
    ) -> tuple[tuple[str, ...], int, dict[str, str]]:
        """Carry it out; the messages of link scripts, the new generation's number, and what was linked anew."""
        from envmgr.ops.linking import check_kinds
        from envmgr.ops.pip_installed import with_room_for_wheels
        from envmgr.ops.verify import with_own_files
        from envmgr.prefix.change import PrefixChange, change_prefix

        context, settings = self.context, self.context.settings
        plan, why = self._plan(packages, self.obtain)
        check_kinds(plan, context)
        plan = with_room_for_wheels(plan, self.state.prefix, self.state.current, self.goal.strangers)
        if self.request.kind == "repair":
            plan = with_own_files(plan)
        generations = self._generations(plan)
        change = PrefixChange(
            prefix=self.state.prefix,
            plan=plan,
            current=self.state.current,
            generations=generations,
            environ=context.environ,
            requested={name: self.goal.requested.get(name, ()) for name in self.state.names},
            link_scripts=settings.link_scripts,
            link_mode="copy" if self.request.copy else settings.linking,
            bytecode_caches=settings.pkgs_dirs,
            root_prefix=str(settings.root),
            strict=settings.durability == "power",
        )
        messages = change_prefix(change, context.runner, context.reporter, context.clock)
        return messages, generations[-1].number, why

    def _plan(
        self,
        packages: dict[PackageRecord, CachedPackage],
        get: Callable[[Sequence[PackageRecord]], dict[PackageRecord, CachedPackage]],
    ) -> tuple[PrefixPlan, dict[str, str]]:
        """The plan, and why packages that stay are linked anew: they share paths with what changes, mostly.

        *get* brings the packages that turn out to be needed, or those of them that it has.
        """
        from envmgr.prefix.plan import contested_names, passing_through

        why = dict.fromkeys(self.goal.again, "it was asked for")
        asked: set[PackageRecord] = set()
        now = set(self.state.records)
        while True:
            why = self._sharing(set(why)) | why
            missing = [
                record
                for record in self.goal.records
                if record not in packages
                and record not in asked
                and (record.name in why or record not in now)
            ]
            asked.update(missing)
            packages |= get(missing) if missing else {}
            plan = self._plan_once(packages, why.keys())
            contested = contested_names(plan, self.state.current).items()
            passing = passing_through(plan, self.state.current).items()
            more = {name: f"{path} comes with another package, too" for name, path in contested}
            more |= self._homeless(plan) | {
                name: f"its files are behind the symlink {path}" for name, path in passing
            }
            if more.keys() <= why.keys():
                return plan, why
            why = more | why

    def _plan_once(
        self, packages: Mapping[PackageRecord, CachedPackage], relink: Collection[str]
    ) -> PrefixPlan:
        from envmgr.host.file_system import file_system_at
        from envmgr.models.package_files import PackageFiles
        from envmgr.prefix.plan import PackageToLink, plan_prefix

        desired = []
        for record in self.goal.records:
            requested = self.goal.requested.get(record.name, ())
            found = packages.get(record)
            if found is None:
                files = PackageFiles(paths=())
                desired.append(PackageToLink(record, self.state.prefix, None, files, requested))
            else:
                desired.append(
                    PackageToLink(found.record, found.folder, found.archive, found.files, requested)
                )
        made_of = (desired, frozenset(relink))
        if self._last and self._last[0][0] == made_of:
            return self._last[0][1]
        plan = plan_prefix(
            self.state.current,
            desired,
            prefix=str(self.state.prefix),
            subdir=self.state.subdir,
            relink=frozenset(relink),
            file_system=file_system_at(self.state.prefix, self.state.subdir),
        )
        self._last = [(made_of, plan)]
        return plan

    def _sharing(self, relink: set[str]) -> dict[str, str]:
        """The packages that share a path with one that goes or is linked anew, with why."""
        if not self.state.generations:
            return {}
        then = {record.name: record for record in self.goal.records}
        moving = {record.name for record in self.state.records if then.get(record.name) != record} | relink
        found: dict[str, str] = {}
        for path, owners in self.state.generations[-1].shared.items():
            movers = [name for name in owners if name in moving]
            for name in owners if movers else ():
                if name in then and name in self.state.names:
                    others = ", ".join(each for each in movers if each != name) or "another package"
                    found[name] = f"it shares {path} with {others}"
        return found

    def _homeless(self, plan: PrefixPlan) -> dict[str, str]:
        """Noarch Python packages that stay, while the place of Python's packages moves."""
        from envmgr.prefix.noarch import python_layout

        before = next((record for record in self.state.records if record.name == "python"), None)
        if before is None or plan.python is None:
            return {}
        if python_layout(before, self.state.subdir) == plan.python:
            return {}
        then = set(self.goal.records)
        why = f"Python's packages move to {plan.python.site_packages}"
        return {
            record.name: why
            for record in self.state.records
            if record in then and record.noarch_kind == "python"
        }

    def _generations(self, plan: PrefixPlan) -> tuple[Generation, ...]:
        from envmgr import __version__
        from envmgr.prefix.generation import Generation, entries_of, entry_of, shared_by

        state, now = self.state, self.context.clock.now()
        made: list[Generation] = []
        last, number = state.past.last, state.past.next_number
        if last is None or last.number + 1 != number or not last.holds(state.records):
            shared = shared_by(state.names, last.shared) if last else {}
            entries = entries_of(state.records, state.requested)
            last = Generation(
                number,
                now,
                subdir=state.subdir,
                pypi=state.intent,
                source=state.source,
                shared=shared,
                packages=entries,
            )
            made.append(last)
        linked = {link.package.record: link.package.record for link in plan.link}
        going = {package.record.name for package in plan.unlink}
        shared = {
            path: owners for path, owners in last.shared.items() if going.isdisjoint(owners)
        } | plan.shared
        made.append(
            Generation(
                number=last.number + 1,
                moment=now,
                command=self.request.command_line,
                version=__version__,
                subdir=state.subdir,
                prefix=str(state.prefix),
                specs=self.goal.specs,
                removed=self.goal.removed,
                asking=self.goal.asking,
                pypi=self.goal.intent,
                source=self.goal.source,
                channels=self.goal.channels,
                shared=shared,
                packages=[
                    entry_of(linked.get(record, record), self.goal.requested.get(record.name, ()))
                    for record in self.goal.records
                ],
            )
        )
        return tuple(made)
