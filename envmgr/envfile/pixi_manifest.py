"""pixi.toml, and pixi's tables in a pyproject.toml: conda and PyPI packages of the default environment. Pure.

Read are ``dependencies``, ``pypi-dependencies``, their tables for a ``target``, the features that are asked
for as groups, ``channels`` and ``platforms``. Tasks, and what builds the project, are no part of an environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from envmgr.envfile.environment_file import Item
from envmgr.envfile.project_indexes import take_named_urls
from envmgr.envfile.project_lines import ProjectLines
from envmgr.models.platform import is_unix, operating_system
from envmgr.models.requirement import Source
from envmgr.models.toml_document import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.envfile.environment_file import EnvironmentFile, Selection
    from envmgr.models.toml_document import TomlDocument

_BRACKETS: Final = {
    "version": "version", "build": "build", "build-number": "build_number", "channel": "channel", "subdir":
    "subdir", "file-name": "fn", "md5": "md5", "sha256": "sha256", "license": "license", "extras": "extras",
    "url": "url",
}  # fmt: skip
_OPTION_WORDS: Final = {"index-url": "--index-url", "extra-index-urls": "--extra-index-url"}


def parse_pixi(content: str | bytes, *, file: str, subdir: str, selection: Selection) -> EnvironmentFile:
    """Read a pixi.toml for the platform *subdir*; raises DataError with file and line for what cannot be meant."""
    document = read_toml(content, file=file)
    found = ProjectLines(document)
    pixi = PixiTables(document, found, subdir, ())
    pixi.read(selection)
    take_named_urls(found)
    return found.environment(
        name=pixi.name, channels=pixi.channels, nodefaults=bool(pixi.channels), platforms=pixi.platforms,
        variables=pixi.variables,
    )  # fmt: skip


class PixiTables:
    """Reads the tables at *path* into *found*."""

    def __init__(
        self, document: TomlDocument, found: ProjectLines, subdir: str, path: tuple[str, ...]
    ) -> None:
        self._document, self._found, self._subdir, self._path = document, found, subdir, path
        self.name: str | None = None
        self.channels: tuple[str, ...] = ()
        self.platforms: tuple[str, ...] = ()
        self.variables: dict[str, str] = {}

    def read(self, selection: Selection) -> None:
        """The workspace, the tables that always count, and those of the features that *selection* names."""
        workspace = self._at("workspace") or self._at("project")
        self.name = workspace.get("name") if isinstance(workspace.get("name"), str) else None
        channels, platforms = workspace.get("channels", []), workspace.get("platforms", [])
        self._read_channels(channels)
        if not isinstance(platforms, list):
            raise self._document.refusal(("platforms",), "`platforms` must be a list")
        self.platforms = tuple(each for each in platforms if isinstance(each, str))
        features = self._at("feature")
        self._found.groups += list(features)
        for path in [(), *(("feature", name) for name in selection.groups if name in features)]:
            self._read_tables(*path)
            for target in self._at(*path, "target"):
                if self._is_meant(target):
                    self._read_tables(*path, "target", target)

    def _at(self, *path: str) -> Any:
        return self._document.table_at(*self._path, *path)

    def _read_channels(self, channels: Any) -> None:
        """Texts, or tables with a priority: the highest first, 0 where none is written."""
        if not isinstance(channels, list):
            raise self._document.refusal(("channels",), "`channels` must be a list")
        ranked = []
        for each in channels:
            table = each if isinstance(each, dict) else {"channel": each}
            name, priority = table.get("channel"), table.get("priority", 0)
            if not isinstance(name, str) or not isinstance(priority, int):
                raise self._document.refusal(("channels",), "a channel must be a name, or a table with one")
            ranked.append((-priority, name))
        self.channels = tuple(name for _, name in sorted(ranked, key=lambda pair: pair[0]))

    def _is_meant(self, target: str) -> bool:
        system = operating_system(self._subdir)
        return target in (self._subdir, system, "unix" if is_unix(self._subdir) else system)

    def _read_tables(self, *path: str) -> None:
        where = ".".join((*self._path, *path))
        for name, entry in self._at(*path, "dependencies").items():
            self._take_conda(name, entry, f"{where}.dependencies".lstrip("."))
        pypi = self._at(*path, "pypi-dependencies")
        for name, entry in pypi.items():
            words = (f"{where}.pypi-dependencies".lstrip("."),)
            self._found.take_entry(name, entry, *words, only_pypi=True)
        options = self._at(*path, "pypi-options")
        for key, option in _OPTION_WORDS.items():
            values = options.get(key, [])
            values = [values] if isinstance(values, str) else values
            if not isinstance(values, list):
                raise self._document.refusal(("pypi-options", key), f"`{key}` must be a list")
            for value in values:
                source = self._document.source("pypi-options", key)
                self._found.pypi.append(Item(f"{option} {value}", source))
        self._take_find_links(options.get("find-links", []))
        environment = self._at(*path, "activation").get("env", {})
        if isinstance(environment, dict):
            self.variables |= {key: str(value) for key, value in environment.items()}

    def _take_find_links(self, entries: Any) -> None:
        for entry in entries if isinstance(entries, list) else ():
            table = entry if isinstance(entry, dict) else {}
            place = table.get("url") or table.get("path")
            if not isinstance(place, str):
                raise self._document.refusal(
                    ("pypi-options", "find-links"),
                    "each of `find-links` must be a table with a `url` or a `path`",
                )
            source = self._document.source("pypi-options", "find-links")
            self._found.pypi.append(Item(f"--find-links {place}", source))

    def _take_conda(self, name: str, entry: Any, *words: str) -> None:
        source = self._document.source(*words, name, text=name)
        if isinstance(entry, dict) and {"path", "git"} & set(entry):
            self._found.warnings.append(f"{source}: `{name}` is built from source by pixi and is left out.")
            return
        fields = {"version": entry} if isinstance(entry, str) else entry
        if not isinstance(fields, dict):
            raise self._document.refusal((*words, name), f"the dependency `{name}` must be a text or a table")
        parts = list(self._brackets(name, fields, source))
        spec = f"{name}[{', '.join(parts)}]" if parts else name
        self._found.take_spec(spec, Source(source.file, source.line, spec))

    def _brackets(self, name: str, fields: Any, source: Source) -> Iterator[str]:
        for key, value in fields.items():
            if key not in _BRACKETS:
                self._found.warnings.append(f"{source}: `{key}` of `{name}` is not known and is left out.")
            elif isinstance(value, list):
                yield f"{_BRACKETS[key]}=[{','.join(map(str, value))}]"
            elif value != "*":
                yield f"{_BRACKETS[key]}='{value}'"
