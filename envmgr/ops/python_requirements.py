"""Decides where the Python requirements of other tools' files come from: conda, or PyPI (`--prefer`).

From PyPI everything is as it is written. From conda comes what conda can say exactly and a channel has: names
by the setting ``pypi_names``, the bundled table and the same name; versions by `envmgr.models.python_range`;
markers by `envmgr.pypi.conda_marker`. Whatever else stays with PyPI, and the plan says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct, field

from envmgr.errors import DataError
from envmgr.models.requirement import Requirement, Source
from envmgr.pypi.resolution import PypiItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.channels.index import Index
    from envmgr.envfile.environment_file import EnvironmentFile, Item
    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.pypi.requirement_lines import RequirementLine

Preference: TypeAlias = Literal["conda", "pypi"]


class Placement(Struct, frozen=True):
    """What became of a requirement: *spec* is asked of *place*, where *why* tells what decided it."""

    written: str
    place: Literal["conda", "pypi", "nowhere"]
    spec: str
    why: str
    source: Source


class Placed(Struct):
    """The requirements by the side that they are asked of, and what is to be told of it."""

    requirements: list[Requirement] = field(default_factory=list)
    pypi: list[PypiItem] = field(default_factory=list)
    told: list[Placement] = field(default_factory=list)


def place_mapped(file: EnvironmentFile) -> Placed:
    """What has its place already: Python's own ranges as conda specs, and specs that the readers made.

    Raises DataError with the place of a range that conda cannot say.
    """
    from envmgr.models.match_spec import parse_match_spec
    from envmgr.models.python_range import conda_alternatives

    found = Placed()
    for each in file.mapped:
        found.told.append(
            Placement(each.written, "conda", each.spec, "the name that conda has for it", each.source)
        )
    for item in file.requires_python:
        try:
            ranges = conda_alternatives(item.text)
        except DataError as error:
            raise DataError(f"{item.source}: {error}", file=item.source.file, line=item.source.line) from None
        spec = f"python {ranges}".strip()
        source = Source(item.source.file, item.source.line, spec)
        found.requirements.append(Requirement(parse_match_spec(spec), source))
        found.told.append(
            Placement(f"Python {item.text}", "conda", spec, "the range of Python's versions", source)
        )
    return found


def items_of_file(items: Sequence[Item], context: Context) -> list[PypiItem]:
    """Lines for pip; relative paths in them start at the folder of their file."""
    from envmgr.ops.named_file import folder_of

    return [PypiItem(item.text, folder_of(item.source.file or ".", context), item.source) for item in items]


def prefer_conda(
    items: Sequence[PypiItem], channels: Sequence[Channel], subdir: str, context: Context
) -> Placed:
    """Divide *items* between conda's *channels* and PyPI; raises DataError for a line that cannot be read."""
    from envmgr.ops.named_file import read_content
    from envmgr.ops.resolve import open_index
    from envmgr.pypi.requirement_files import gather

    gathered = gather(items, context.environ, lambda url: read_content(url, context))
    index = open_index(channels, subdir, context)
    try:
        division = _Division(index, subdir, context)
        index.expect({name for line in gathered.requirements for name in division.conda_names(line)})
        for line in gathered.requirements:
            division.take(line)
        for line in gathered.constraints:
            division.constrain(line)
    finally:
        index.close()
    found = division.found
    for option in gathered.options:
        found.pypi.append(PypiItem(f"{option.name} {option.value}".rstrip(), option.folder, option.source))
    found.pypi += _constraint_files(gathered.constraints, context)
    if not any(_asks(item) for item in found.pypi):
        found.pypi.clear()  # Indexes and constraints alone ask for nothing.
    return found


def _asks(item: PypiItem) -> bool:
    return not item.text.startswith("-") or item.text.startswith(("-e ", "--requirement"))


def _constraint_files(lines: Sequence[RequirementLine], context: Context) -> Iterator[PypiItem]:
    from envmgr.ops.named_file import place_of

    for file in dict.fromkeys(line.source.file for line in lines if line.source.file):
        name = place_of(file, context)
        yield PypiItem(f"-c {name}", context.cwd, Source(file, None, f"-c {file}"))


class _Division:
    def __init__(self, index: Index, subdir: str, context: Context) -> None:
        self.found = Placed()
        self._index, self._subdir, self._names = index, subdir, context.settings.pypi_names
        self._placed: dict[str, str] = {}

    def conda_names(self, line: RequirementLine) -> list[str]:
        """The conda names that may provide what *line* asks for, the best first."""
        from envmgr.models.distribution_names import conda_names_of, known_names
        from envmgr.models.wheel_name import normalized_name

        name = line.name
        if name is None or line.is_direct:
            return []
        own = [conda for conda, names in self._names.items() if name in map(normalized_name, names)]
        known = known_names()
        same = [
            each
            for each in (name, name.replace("-", "_"), name.replace("-", "."))
            if name in known.get(each, (name,))
        ]
        names = [*own, *conda_names_of().get(name, ()), *same]
        return [each for each in dict.fromkeys(names) if each in own or each not in self._names]

    def take(self, line: RequirementLine) -> None:
        try:
            spec, why = self._spec(line)
        except DataError as error:
            self._leave(line, str(error).removesuffix("."))
            return
        if spec is None:
            self.found.told.append(Placement(line.shown, "nowhere", "", why, line.source))
            return
        from envmgr.models.match_spec import parse_match_spec

        self._placed[line.name or ""] = spec.partition(" ")[0].partition("[")[0]
        self.found.requirements.append(Requirement(parse_match_spec(spec), _source(line, spec)))
        self.found.told.append(Placement(line.shown, "conda", spec, why, line.source))
        if "[" in line.text.partition(";")[0]:
            self._leave(line, "its extras are PyPI's; conda's version is taken")

    def constrain(self, line: RequirementLine) -> None:
        """A constraint on what comes from conda limits it there, too."""
        from envmgr.models.match_spec import parse_match_spec
        from envmgr.models.python_range import conda_range

        conda = self._placed.get(line.name or "")
        if conda is None or line.is_direct:
            return
        from packaging.requirements import Requirement as Pep508

        known = Pep508(line.text)
        try:
            holds = known.marker is None or self._condition(str(known.marker)) == ""
            spec = f"{conda} {conda_range(str(known.specifier))}".strip()
        except DataError as error:
            raise DataError(
                f"{line.source}: {str(error).removesuffix('.')}, and {conda} comes from conda."
            ) from None
        if holds:
            self.found.requirements.append(Requirement(parse_match_spec(spec), _source(line, spec)))

    def _leave(self, line: RequirementLine, why: str) -> None:
        words = [f"{'-e ' if line.editable else ''}{line.text}"]
        words += [f"--hash={each}" for each in line.hashes]
        words += [f"--config-settings={each}" for each in line.settings]
        folder = Path("/")  # Paths of read lines are absolute.
        self.found.pypi.append(PypiItem(" ".join(words), folder, line.source))
        self.found.told.append(Placement(line.shown, "pypi", line.shown, why, line.source))

    def _spec(self, line: RequirementLine) -> tuple[str | None, str]:
        """The conda spec and what decided the name; no spec where the marker does not hold. DataError: why not."""
        from packaging.requirements import Requirement as Pep508

        from envmgr.models.match_spec import parse_match_spec
        from envmgr.models.python_range import conda_range

        if line.is_direct or line.editable:
            raise DataError("it is a URL, a repository or a path.")
        if line.hashes:
            raise DataError("its hashes are those of PyPI's files.")
        known = Pep508(line.text)
        condition = self._condition(str(known.marker)) if known.marker else ""
        if condition is None:
            return None, f"its marker does not hold on {self._subdir}"
        ranges = conda_range(str(known.specifier))
        names = self.conda_names(line)
        there = [(name, records) for name in names if (records := self._providers(name, line.name or ""))]
        if not there:
            raise DataError("no channel has it.")
        for name, records in there:
            spec = parse_match_spec(f"{name} {ranges}".strip())
            if any(spec.matches(record) for record in records):
                parts = [f"version='{ranges}'"] if ranges else []
                text = f"{name}[{', '.join([*parts, f'when={chr(34)}python {condition}{chr(34)}'])}]"
                plain = f"{name} {ranges}".strip()
                return (text if condition else plain), self._why(name, line.name or "")
        raise DataError(f"no channel has {there[0][0]} {ranges}.")

    def _providers(self, conda: str, name: str) -> list[PackageRecord]:
        """The records of *conda* that provide *name*: a package of the same name may be a library of C."""
        from envmgr.pypi.names import distribution_names

        return [each for each in self._index.records(conda) if name in distribution_names(each, self._names)]

    def _condition(self, marker: str) -> str | None:
        from envmgr.pypi.conda_marker import python_condition

        return python_condition(marker, self._subdir)

    def _why(self, conda: str, name: str) -> str:
        from envmgr.models.distribution_names import known_names

        if conda in self._names:
            return "by the setting pypi_names"
        return "by the bundled table of names" if name in known_names().get(conda, ()) else "by the same name"


def _source(line: RequirementLine, spec: str) -> Source:
    return Source(line.source.file, line.source.line, spec)
