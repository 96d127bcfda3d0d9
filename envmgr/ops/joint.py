"""Plans conda and PyPI packages together, before anything is written.

conda's solver answers first. What its packages provide as Python distributions is exact for the PyPI resolution:
no other version can be taken. Where that has no solution, it is asked again with all versions that the channels
offer of the distributions in question, and what it chooses limits the next answer of conda's solver, until both
hold, or neither can. A choice that conda's side shows to be impossible is not offered again, and another Python is
tried when no version helps; both are finite, and so are the rounds.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import ChannelError, PrefixError, SolveError, UsageError
from envmgr.models.record import PackageRecord
from envmgr.models.wheel_name import normalized_name
from envmgr.pypi.needs import dependants
from envmgr.pypi.resolution import PypiRefusal, PypiRequest, PypiSolution
from envmgr.solver.solve import Conflict, Solution

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from envmgr.models.record_table import RecordTable
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.ops.provided import Providers
    from envmgr.ops.resolve import Resolving
    from envmgr.ops.wheel_needs import KnownNeeds, NotForPython
    from envmgr.pypi.records import WheelNeeds
    from envmgr.pypi.resolution import Candidate, Provided, PypiItem, PypiSource, Strategy

FROM_PYPI = "the PyPI items"
_ROUNDS = 16
_MOST_VERSIONS = 200


class PypiQuestion(Struct, frozen=True):
    """What is asked of PyPI: *items* under *constraints* (PEP 508), for an environment on *subdir*.

    The *preferred* versions (name to version) stay unless they must move; ``upgrade`` names distributions that
    need not, ``upgrade_all`` means all. ``exclude_newer`` is in milliseconds since the Unix epoch. *planned*
    gives the Python of an environment of conda packages, which may run builds of source distributions; None where
    nothing may. *providers* know what conda packages provide.
    """

    items: tuple[PypiItem, ...]
    subdir: str
    providers: Providers
    constraints: tuple[str, ...] = ()
    preferred: Mapping[str, str] = field(default_factory=dict)
    upgrade: frozenset[str] = frozenset()
    upgrade_all: bool = False
    exclude_newer: int | None = None
    strategy: Strategy = "highest"
    planned: Callable[[Sequence[PackageRecord]], AbstractContextManager[Path]] | None = None

    @property
    def known(self) -> KnownNeeds:
        """What wheels need, as far as it was looked up."""
        return self.providers.wheels


class PypiPart(Struct, frozen=True):
    """PyPI's half of a plan: the question and its answer, and the distributions that conda was taken to provide.

    ``steered`` are conda packages that are others than without the PyPI items, with what they would have been.
    What is ``fixed`` comes from a lock, and is not resolved anew whatever conda's packages turn out to provide.
    """

    question: PypiQuestion
    answer: PypiSolution
    provided: tuple[Provided, ...]
    steered: tuple[str, ...] = ()
    fixed: bool = False

    @property
    def wheels(self) -> tuple[PackageRecord, ...]:
        """What is installed as it is."""
        return self.answer.wheels

    @property
    def sources(self) -> tuple[PypiSource, ...]:
        """What has to be built into wheels first."""
        return self.answer.sources

    @property
    def credential_urls(self) -> tuple[str, ...]:
        """URLs with logins, to be shown nowhere."""
        return self.answer.credential_urls

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be known of the answer, in a sentence each."""
        return self.answer.warnings


def resolve_jointly(session: Resolving, question: PypiQuestion) -> tuple[tuple[PackageRecord, ...], PypiPart]:
    """The records for conda's request in *session*, dependencies first, and PyPI's half beside them.

    Raises SolveError with conda's own explanation where its half alone has no solution, or with both halves where
    they do not go together.
    """
    return _JointSearch(session, question).run()


def resolve_beside(records: Sequence[PackageRecord], question: PypiQuestion) -> PypiPart:
    """What comes from PyPI beside conda's *records*, which stay as they are; raises SolveError."""
    answer = ask_pypi(records, question)
    if isinstance(answer, PypiRefusal):
        raise SolveError(
            f"the PyPI items do not go with the conda packages: {_first(answer)}",
            hint=answer.hint,
            explanation=list(answer.reasons),
        )
    return _part(question, records, answer)


def _part(
    question: PypiQuestion,
    records: Sequence[PackageRecord],
    answer: PypiSolution,
    steered: tuple[str, ...] = (),
) -> PypiPart:
    """*answer* as a part of a plan, with what is known to break between the two halves."""
    from envmgr.pypi.native import find_native_duplicates

    conda = {record.name for record in records}
    pypi = {record.shown_name for record in answer.wheels} | {each.name for each in answer.sources}
    told = tuple(map(str, find_native_duplicates(conda, pypi, question.subdir)))
    told += tuple(
        f"{name} comes from conda, and what its extra [{extra}] needs is not known; name it yourself."
        for name, extra in answer.missing_extras
    )
    whole = replace(answer, warnings=(*answer.warnings, *told), needs=_all_needs(question, records, answer))
    return PypiPart(question, whole, question.providers.of(records), steered)


def _all_needs(
    question: PypiQuestion, records: Sequence[PackageRecord], answer: PypiSolution
) -> Mapping[str, WheelNeeds]:
    """What the distributions of *answer* need; where no metadata tells it, the names that the resolver knows."""
    from envmgr.pypi.records import WheelNeeds

    versions = {record.shown_name: record.version for record in answer.wheels}
    versions |= {each.name: each.version for each in answer.sources if each.version is not None}
    if versions.keys() <= answer.needs.keys() or not answer.tool.startswith("uv"):
        return answer.needs
    kept = replace(pypi_request(records, question), preferred=versions, upgrade=(), upgrade_all=False)
    told = _users(replace(kept, only_users=True), question.providers.context)
    users = told.users if isinstance(told, PypiSolution) else {}
    whole = {}
    for user in versions:
        # Extras that a distribution without metadata asks for show here alone.
        names = tuple(name for name, those in users.items() if user in those)
        known = answer.needs.get(user, WheelNeeds())
        whole[user] = WheelNeeds((*known.requires_dist, *names), known.requires_python)
    return whole


def _users(request: PypiRequest, context: Context) -> PypiSolution | PypiRefusal:
    """What uv annotates, from what it has just fetched; indexes are asked again only where it keeps nothing."""
    with contextlib.suppress(ChannelError):
        told = _run(replace(request, offline=True), context)
        if isinstance(told, PypiSolution):
            return told
    return _run(request, context)


def ask_pypi(
    records: Sequence[PackageRecord],
    question: PypiQuestion,
    candidates: Mapping[str, tuple[Candidate, ...]] | None = None,
    *,
    with_sources: bool = True,
    what_conda_provides: bool = True,
) -> PypiSolution | PypiRefusal:
    """Have PyPI's half resolved for a prefix with *records*; names in *candidates* may get any of the versions.

    Without *what_conda_provides* all comes from PyPI, for comparison.
    """
    found: NotForPython | None = None
    for _ in range(_ROUNDS):
        answer = _ask_once(
            records, question, candidates, with_sources=with_sources, what_conda_provides=what_conda_provides
        )
        if (
            isinstance(answer, PypiRefusal)
            or not what_conda_provides
            or not (answer.wheels or answer.sources)
        ):
            break
        python = python_of(records)
        assert python is not None  # Else nothing is asked.
        excluded = question.known.not_for(python.version, answer)
        if excluded is None:
            return replace(answer, needs=question.known.of(answer))
        found = excluded.joined(found)
        if excluded.final:
            return found.refusal(answer)
        question = replace(question, constraints=(*question.constraints, *excluded.constraints))
    return answer if found is None else found.refusal(answer)


def _ask_once(
    records: Sequence[PackageRecord],
    question: PypiQuestion,
    candidates: Mapping[str, tuple[Candidate, ...]] | None,
    *,
    with_sources: bool,
    what_conda_provides: bool,
) -> PypiSolution | PypiRefusal:
    """`ask_pypi`, of a resolver that passes by upper bounds of Pythons."""
    context = question.providers.context
    request = pypi_request(records, question)
    request = replace(request, candidates=candidates or {}, allow_sources=with_sources)
    request = request if what_conda_provides else replace(request, provided=())

    answer: PypiSolution | PypiRefusal | None = None
    try:
        answer = _run(request, context)
    except PrefixError as error:
        if not error.facts.get("needs_python") or question.planned is None:
            raise
    if answer is not None and not (with_sources and isinstance(answer, PypiRefusal) and answer.to_build):
        return answer
    if question.planned is not None:
        with question.planned(records) as python:
            return _run(replace(request, prefix_python=python), context)
    assert isinstance(answer, PypiRefusal)
    return answer


def _run(request: PypiRequest, context: Context) -> PypiSolution | PypiRefusal:
    from envmgr.pypi.resolve import resolve_pypi

    with contextlib.ExitStack() as stack:
        request = replace(request, work_dir=swept_folder(stack, context))
        return resolve_pypi(request, context.runner, context.environ, context.reporter, context.transport)


def swept_folder(stack: contextlib.ExitStack, context: Context) -> Path | None:
    """A folder that is swept after a kill, for as long as *stack* lasts; None where there can be none."""
    from envmgr.packages.work_area import work_area

    layer = context.settings.pkgs_dirs[0]
    try:
        layer.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(work_area(layer)).folder
    except OSError:
        return None


def pypi_request(records: Sequence[PackageRecord], question: PypiQuestion) -> PypiRequest:
    """*question* as a resolution for a prefix with conda's *records*; raises UsageError without python there."""
    from envmgr.host.probe import virtual_packages
    from envmgr.ops.named_file import read_content
    from envmgr.pypi.target import PypiTarget

    python = python_of(records)
    if python is None:
        raise UsageError(
            f"{question.items[0].source}: PyPI items need python, which the environment would not have.",
            hint="Add python to the dependencies.",
        )
    context = question.providers.context
    virtual = virtual_packages(question.subdir, context.environ)
    machine = [record for name in ("__glibc", "__musl", "__osx") for record in virtual.records(name)]
    return PypiRequest(
        items=question.items,
        target=PypiTarget.of(python, machine, question.subdir),
        provided=question.providers.of(records),
        preferred=question.preferred,
        upgrade_all=question.upgrade_all,
        upgrade=tuple(sorted(question.upgrade)),
        constraints=question.constraints,
        offline=context.settings.offline,
        exclude_newer_ms=question.exclude_newer,
        strategy=question.strategy,
        stubs_dir=context.settings.root / "pypi-stubs",
        fetch=lambda url: read_content(url, context),
        find_login=None if context.settings.offline else question.providers.find_login,
    )


def python_of(records: Sequence[PackageRecord]) -> PackageRecord | None:
    """The package python among *records*."""
    return next((record for record in records if record.name == "python"), None)


class _JointSearch(Struct):
    """The state of one search: which distributions are in question, what is impossible, which limits conda has.

    ``refused`` are those of them that PyPI's half named itself.
    """

    session: Resolving
    question: PypiQuestion
    refused: set[str] = field(default_factory=set)
    in_question: set[str] = field(default_factory=set)
    impossible: dict[str, set[str]] = field(default_factory=dict)
    limits: list[Requirement] = field(default_factory=list)
    first: tuple[PackageRecord, ...] = ()
    records: tuple[PackageRecord, ...] = ()
    refusal: PypiRefusal | None = None
    conflict: Conflict | None = None
    python_conflict: Conflict | None = None
    compared: bool = False

    def run(self) -> tuple[tuple[PackageRecord, ...], PypiPart]:
        """Rounds of both halves, until they agree.

        Wheels come first: source distributions of long ago promise to work with anything.
        """
        self.first = records = self.session.records()
        for _ in range(_ROUNDS):
            answer = self._ask(records)
            if isinstance(answer, PypiRefusal):
                self.refusal = self.refusal or answer
                found = self._compromise(records, answer)
                if found is not None:
                    records = found
                    continue
                answer = self._ask(records, with_sources=True)
                if isinstance(answer, PypiRefusal) and answer.to_build and self.question.planned is None:
                    raise _unknown(answer)
            elif not self.compared and (newer := self._newer(records, answer)) is not None:
                records = newer
                continue
            if isinstance(answer, PypiSolution):
                self._check_shadows(records, answer)
                return records, _part(self.question, records, answer, _steered(self.first, records))
            records = self._with_other_python(records)
        raise self._refused(f"no answer was found in {_ROUNDS} rounds")

    def _newer(
        self, records: tuple[PackageRecord, ...], answer: PypiSolution
    ) -> tuple[PackageRecord, ...] | None:
        """Other conda packages, where these lead PyPI's half back to releases of long ago; else None."""
        from envmgr.pypi.held_back import aged, held_back

        self.compared = True
        context = self.question.providers.context
        names = aged(answer, self.question.exclude_newer or int(context.clock.now() * 1000))
        if not names:
            return None
        free = ask_pypi(records, self.question, with_sources=False, what_conda_provides=False)
        if isinstance(free, PypiRefusal):
            return None
        told = held_back(answer, free, self.question.providers.of(records), names)
        if told is None:
            return None
        return self._compromise(records, PypiRefusal(tool=answer.tool, reasons=(), provided=told.movable))

    def _ask(
        self,
        records: Sequence[PackageRecord],
        candidates: Mapping[str, tuple[Candidate, ...]] | None = None,
        *,
        asked: tuple[PypiItem, ...] = (),
        with_sources: bool = False,
    ) -> PypiSolution | PypiRefusal:
        question = replace(self.question, items=(*self.question.items, *asked)) if asked else self.question
        return ask_pypi(records, question, candidates, with_sources=with_sources)

    def _asked(self, providers: Mapping[str, PackageRecord]) -> tuple[PypiItem, ...]:
        """The distributions in question whose conda packages were asked for: their versions count, too."""
        from pathlib import Path

        from envmgr.pypi.resolution import PypiItem

        named = {line.spec.name for line in self.session.problem.requirements}
        names = [
            name for name in sorted(self.in_question) if name in providers and providers[name].name in named
        ]
        return tuple(PypiItem(name, Path("/")) for name in names)

    def _compromise(
        self, records: tuple[PackageRecord, ...], refusal: PypiRefusal
    ) -> tuple[PackageRecord, ...] | None:
        """Other conda packages for the same Python that PyPI's half could go with; None where there are none."""
        providers = self._providers(records)
        self.records = records
        self._put_in_question(refusal.provided, providers)
        for _ in range(_ROUNDS if self.in_question else 0):
            offered = self._offered(records, providers)
            answer = self._ask(records, offered, asked=self._asked(providers))
            if isinstance(answer, PypiRefusal):
                more = (answer.provided & providers.keys()) - self.in_question
                if not more:
                    if not (answer.provided or self.limits):
                        self.refusal = answer  # It stands whatever conda provides.
                    return None
                self._put_in_question(more, providers)
                continue
            steering = {name: version for name, version in sorted(answer.answered.items()) if name in offered}
            found = self._steer(providers, steering)
            if found is not None:
                return found
        return None

    def _put_in_question(self, names: Collection[str], providers: Mapping[str, PackageRecord]) -> None:
        """Let the versions of *names* be chosen, and with them those of everything that conda has above them.

        Otherwise conda would fulfil a choice by a version of long ago of a package that did not need it yet.
        """
        self.refused |= {*names}
        of_conda = {
            record.name: {text.split(" ", 1)[0] for text in record.depends} for record in self.records
        }
        moving = dependants({providers[name].name for name in names if name in providers}, of_conda)
        self.in_question |= {name for name, record in providers.items() if record.name in moving}

    def _steer(
        self, providers: Mapping[str, PackageRecord], steering: Mapping[str, str]
    ) -> tuple[PackageRecord, ...] | None:
        """conda's answer with the distributions at these versions; None where there is none, after noting why."""
        lines = {name: _line(providers[name].name, f"=={steering[name]}") for name in steering}
        answer = self.session.answer([*self.limits, *lines.values()])
        if isinstance(answer, Solution):
            return answer.records
        self.conflict = answer
        # Native libraries may bind packages to each other in ways that no distribution tells of.
        needed = [line for name, line in lines.items() if name in self.refused]
        if 0 < len(needed) < len(lines):
            answer = self.session.answer([*self.limits, *needed])
            if isinstance(answer, Solution):
                return answer.records
        alone = [
            name
            for name, line in lines.items()
            if isinstance(self.session.answer([*self.limits, line]), Conflict)
        ]
        # Where each of them is possible alone, one of them has to give way, and the search goes on without it.
        for name in alone or list(lines)[-1:]:
            self.impossible.setdefault(name, set()).add(steering[name])
        return None

    def _with_other_python(self, records: Sequence[PackageRecord]) -> tuple[PackageRecord, ...]:
        """conda's answer without this minor version of Python, where no versions of its packages help."""
        python = python_of(records)
        if python is None:
            raise self._refused()
        minor = ".".join(python.version.split(".")[:2])
        line = _line("python", f"!={minor}.*")
        answer = self.session.answer([*self.limits, line])
        if isinstance(answer, Conflict):
            self.python_conflict = answer
            raise self._refused()
        self.limits.append(line)
        self.impossible.clear()
        return answer.records

    def _check_shadows(self, records: Sequence[PackageRecord], answer: PypiSolution) -> None:
        """What conda provides is not installed a second time, also where a URL or a path asks for it."""
        providers = self._providers(records)
        names = [record.shown_name for record in answer.wheels] + [each.name for each in answer.sources]
        for name in names:
            if name in providers:
                raise SolveError(
                    f"{name} from PyPI would lie over the conda package {providers[name].dist_name}.",
                    hint=f"Take {providers[name].name} out of the conda packages, or {name} out of the PyPI items.",
                    package=name,
                )

    def _providers(self, records: Sequence[PackageRecord]) -> dict[str, PackageRecord]:
        """conda's packages by the distributions that they provide."""
        by_dist_name = {record.dist_name: record for record in records}
        return {each.name: by_dist_name[each.dist_name] for each in self.question.providers.of(records)}

    def _offered(
        self, records: Sequence[PackageRecord], providers: Mapping[str, PackageRecord]
    ) -> dict[str, tuple[Candidate, ...]]:
        """The versions that the channels have of each distribution in question, for the Python of *records*."""
        from envmgr.pypi.conda_requirements import best_candidates

        offered: dict[str, tuple[Candidate, ...]] = {}
        names = {providers[name].name: name for name in self.in_question if name in providers}
        for conda_name, name in names.items():
            barred = self.impossible.get(name, set())
            versions = self._versions(conda_name, records, names)
            offered[name] = best_candidates(
                (each for each in versions if each.version not in barred), _MOST_VERSIONS
            )
        return offered

    def _versions(
        self, conda_name: str, records: Sequence[PackageRecord], names: Mapping[str, str]
    ) -> Iterator[Candidate]:
        """The best build of each version, with what it asks of the other distributions in question."""
        from envmgr.pypi.conda_requirements import candidate_of

        def distributions(name: str) -> list[str]:
            # Some have a second package that only brings the first, such as typing-extensions.
            found = names.get(name) or normalized_name(name)
            return [found] if found in names.values() else []

        fixed = {record.name: record for record in records if record.name in ("python", "python_abi")}
        for table in self._tables(conda_name):
            usable = _going_with(table, fixed) & self._old_enough(table)
            for mask in table.version_masks().values():
                places = mask & usable
                record = self._whole(table.record(first_bit(places))) if places else None
                found = candidate_of(record, distributions) if record is not None else None
                if found is not None:
                    yield found

    def _tables(self, conda_name: str) -> list[RecordTable]:
        loaded = self.session.candidates.load(conda_name)
        return [each for each in loaded if not isinstance(each, PackageRecord)]

    def _old_enough(self, table: RecordTable) -> int:
        limit = self.session.problem.exclude_newer
        if limit is None:
            return (1 << table.count) - 1
        return sum(1 << place for place in range(table.count) if table.moment(place) <= limit)

    def _whole(self, record: PackageRecord) -> PackageRecord:
        """*record* with its run constraints, and with what parts of the same version that it brings depend on.

        Everything in question will be there, so that a constraint of it asks like a dependency.
        """
        asked = [*record.depends, *record.constrains]
        for text in record.depends:
            name, _, rest = text.partition(" ")
            version = rest.split(" ", 1)[0].removeprefix("==")
            if version != record.version:
                continue
            for table in self._tables(name):
                mask = table.version_masks().get(version, 0)
                asked += table.record(first_bit(mask)).depends if mask else []
        return replace(record, depends=asked)

    def _against(self, refusal: PypiRefusal) -> Conflict | None:
        """Why conda cannot have the versions that PyPI's half would take of the distributions that it refused."""
        from envmgr.pypi.resolution import Candidate

        records = self.first
        providers = self._providers(records)
        self.in_question, self.impossible = {*refusal.provided} & providers.keys(), {}
        offered = {
            name: tuple(Candidate(each.version) for each in versions)
            for name, versions in self._offered(records, providers).items()
        }
        answer = self._ask(records, offered) if offered else None
        if not isinstance(answer, PypiSolution):
            return None
        lines = [
            _line(providers[name].name, f"=={version}")
            for name, version in sorted(answer.answered.items())
            if name in offered
        ]
        found = self.session.answer(lines)
        return found if isinstance(found, Conflict) else None

    def _refused(self, sentence: str | None = None) -> SolveError:
        refusal = self.refusal
        assert refusal is not None  # Nothing is refused before PyPI's half was.
        if not (refusal.provided or refusal.python):
            # No version of anything that conda could provide would help.
            return SolveError(
                f"the PyPI items cannot be fulfilled: {_first(refusal)}",
                hint=refusal.hint,
                explanation=list(refusal.reasons[1:]),
            )
        conflict = self._against(refusal) or self.conflict
        halves = [f"PyPI: {reason}" for reason in refusal.reasons]
        halves += [f"conda: {line}" for line in self._choices(refusal)]
        lead = ""
        if conflict is None and refusal.python:
            conflict, lead = self.python_conflict, "no other Python can be had: "
        if conflict is not None:
            told = self.session.refusal(conflict)
            halves += [f"conda: {lead}{told}", *(f"  {line}" for line in told.facts.get("explanation", []))]
        ending = f" ({sentence})" if sentence else ""
        return SolveError(
            f"the PyPI items and the conda packages do not go together{ending}: {_first(refusal)}",
            hint=refusal.hint or "Ask for other versions of one side.",
            explanation=halves,
        )

    def _choices(self, refusal: PypiRefusal) -> list[str]:
        """Which versions of the refused distributions the channels have for the first answer's Python."""
        providers, told = self._providers(self.first), []
        self.in_question, self.impossible = {*refusal.provided} & providers.keys(), {}
        for name, candidates in sorted(self._offered(self.first, providers).items()):
            versions = [each.version for each in candidates]
            # Newest first, as the candidates are.
            shown = (
                versions[0]
                if len(versions) == 1
                else f"{versions[-1]} to {versions[0]}"
                if versions
                else None
            )
            if shown is not None:
                told.append(f"{providers[name].name} is {shown} in the channels.")
        return told


def _unknown(refusal: PypiRefusal) -> SolveError:
    names = ", ".join(sorted(refusal.to_build))
    return SolveError(
        f"no wheels of {names} fit, and what their source distributions need is known only once they are built.",
        hint="Run it without --dry-run, which builds nothing, or ask for versions that have wheels.",
        explanation=list(refusal.reasons),
    )


def _going_with(table: RecordTable, fixed: Mapping[str, PackageRecord]) -> int:
    """The mask of the records of *table* whose dependencies allow the records *fixed*."""
    from envmgr.models.match_spec import parse_match_spec

    usable = (1 << table.count) - 1
    for text, mask in table.depends:
        record = fixed.get(text.split(" ", 1)[0])
        if record is not None and not parse_match_spec(text).matches(record):
            usable &= ~mask
    return usable


def first_bit(mask: int) -> int:
    """The place of the lowest bit that is set in *mask*, which is not 0."""
    return (mask & -mask).bit_length() - 1


def _line(name: str, version: str) -> Requirement:
    """A limit of conda's half, as the explanation names it."""
    from envmgr.models.match_spec import parse_match_spec
    from envmgr.models.requirement import Requirement, Source

    text = f"{name} {version}"
    return Requirement(parse_match_spec(text), Source(FROM_PYPI, None, text))


def _first(refusal: PypiRefusal) -> str:
    return refusal.reasons[0] if refusal.reasons else "no reason was given."


def _steered(first: Sequence[PackageRecord], records: Sequence[PackageRecord]) -> tuple[str, ...]:
    before = {record.name: record for record in first}
    changed = [
        f"{record.name} {record.version} instead of {before[record.name].version}, for {FROM_PYPI}"
        for record in records
        if record.name in before and before[record.name].version != record.version
    ]
    return tuple(changed)
