"""What readers of other tools' files gather: lines for pip, specs, ranges of Python, warnings; with places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from envmgr.envfile.dependency_table import dependency_line, pep440_alternatives
from envmgr.envfile.environment_file import EnvironmentFile, Item, Mapped
from envmgr.errors import DataError
from envmgr.models.document import quoted
from envmgr.models.match_spec import parse_match_spec
from envmgr.models.requirement import Requirement, Source
from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.models.toml_document import TomlDocument


class ProjectLines(Struct):
    """Collects for one file; `environment` gives the value."""

    document: TomlDocument
    python: list[Item] = field(default_factory=list)
    pypi: list[Item] = field(default_factory=list)
    requires_python: list[Item] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)
    mapped: list[Mapped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    """The names or URLs of indexes that dependencies want to come from."""

    def take_texts(self, texts: Any, *words: str) -> None:
        """A list of PEP 508 requirements below *words*; raises DataError where it is none."""
        if not isinstance(texts, list):
            raise self.document.refusal(words, f"`{words[-1]}` must be a list of requirements")
        for text in texts:
            if not isinstance(text, str) or not text.strip():
                raise self.document.refusal(words, f"`{words[-1]}` must hold requirements as texts")
            self.python.append(Item(text, self.document.source(*words, text, text=text)))

    def take_table(self, table: Mapping[str, Any], *words: str, poetry: bool = False) -> None:
        """Names with their versions or tables, or lists of these."""
        for name, entry in table.items():
            if not (poetry and name == "python"):
                for each in entry if isinstance(entry, list) else [entry]:
                    self.take_entry(name, each, *words, poetry=poetry)

    def take_entry(
        self, name: str, entry: Any, *words: str, poetry: bool = False, only_pypi: bool = False
    ) -> None:
        """One of them, for PyPI alone with *only_pypi*."""
        source = self.document.source(*words, name, text=name)
        with_place = Placed(source)
        line = with_place.of(lambda: dependency_line(name, entry, poetry=poetry))
        self.warnings += [f"{source}: {each}." for each in line[1]]
        named = entry.get("index") or entry.get("source") if isinstance(entry, dict) else None
        self.indexes += [named] if isinstance(named, str) else []
        place = self.pypi if only_pypi else self.python
        place.append(Item(line[0], Source(source.file, source.line, line[0])))

    def take_python(self, text: Any, *words: str, poetry: bool = False) -> None:
        """The range of Python's version."""
        if not isinstance(text, str):
            raise self.document.refusal(words, f"`{words[-1]}` must be a text")
        source = self.document.source(*words, text=text)
        ranges = Placed(source).of(lambda: pep440_alternatives(text)) if poetry else text
        self.requires_python.append(Item(ranges, source))

    def take_spec(self, spec: str, source: Source, written: str | None = None) -> None:
        """A conda spec, and what it was *written* as."""
        self.requirements.append(Requirement(Placed(source).of(lambda: parse_match_spec(spec)), source))
        if written is not None:
            self.mapped.append(Mapped(written, spec, source))

    def replace_sources(self, table: Mapping[str, Any], *words: str) -> None:
        """Names whose repository, URL or folder *table* tells, as those of uv and poetry do beside a plain list."""
        places: dict[str, list[int]] = {}
        for at, item in enumerate(self.python):
            places.setdefault(_name(item.text), []).append(at)
        gone: set[int] = set()
        for name, entry in table.items():
            choices = entry if isinstance(entry, list) else [entry]
            known = places.get(normalized_name(name), [])
            if known:
                self._name_indexes(name, choices, *words)
            if not any(isinstance(each, dict) and {"git", "url", "path"} & set(each) for each in choices):
                continue
            extras = sorted({extra for at in known for extra in _extras(self.python[at].text)})
            gone.update(known)
            for each in choices if known else ():
                self.take_entry(name, {**each, "extras": extras} if extras else each, *words)
        self.python[:] = [item for at, item in enumerate(self.python) if at not in gone]

    def _name_indexes(self, name: str, choices: list[Any], *words: str) -> None:
        for each in choices:
            index = each.get("index") if isinstance(each, dict) else None
            if isinstance(index, str):
                self.indexes.append(index)
                place = self.document.source(*words, name)
                self.warnings.append(
                    f"{place}: `{name}` is looked for in all indexes, not only in {quoted(index)}."
                )

    def environment(self, **more: Any) -> EnvironmentFile:
        """Everything, with *more* fields of the value."""
        subsections = {"pip": tuple(self.pypi)} if self.pypi else {}
        return EnvironmentFile(
            requirements=tuple(self.requirements),
            subsections=subsections,
            subsection_sources={name: items[0].source for name, items in subsections.items()},
            python=tuple(self.python),
            requires_python=tuple(self.requires_python),
            mapped=tuple(self.mapped),
            warnings=tuple(self.warnings),
            extras=tuple(self.extras),
            groups=tuple(self.groups),
            **more,
        )


class Placed(Struct, frozen=True):
    """Puts a place before what goes wrong in a step that knows none."""

    source: Source

    def of(self, step: Any) -> Any:
        """What *step* gives; raises its DataError with the place."""
        try:
            return step()
        except DataError as error:
            raise DataError(
                f"{self.source}: {str(error).removesuffix('.')}.",
                hint=error.hint,
                file=self.source.file,
                line=self.source.line,
            ) from None


def _name(text: str) -> str:
    import re

    found = re.match(r"[A-Za-z0-9._-]+", text)
    return normalized_name(found[0]) if found else ""


def _extras(text: str) -> list[str]:
    import re

    found = re.match(r"[A-Za-z0-9._-]+\s*\[([^\]]*)\]", text)
    return [each.strip() for each in found[1].split(",")] if found else []
