"""pixi.toml, and pixi's tables in a pyproject.toml: conda and PyPI packages of the default environment. Pure.

Read are ``dependencies`` (with those of ``host`` and ``build``, which pixi installs, too), ``pypi-dependencies``,
``constraints``, ``pypi-options``, their tables for a ``target``, ``channels`` and ``platforms``; and, as groups,
the environments and features that are asked for. Tasks, and what builds the project, are no part of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from envmgr.envfile.environment_file import Item
from envmgr.envfile.project_indexes import take_named_urls
from envmgr.envfile.project_lines import Placed, ProjectLines
from envmgr.models.match_spec import parse_match_spec
from envmgr.models.platform import is_unix, operating_system
from envmgr.models.requirement import Requirement, Source
from envmgr.models.toml_document import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.envfile.environment_file import EnvironmentFile, Selection
    from envmgr.models.toml_document import TomlDocument

_BRACKETS: Final = {
    "version": "version", "build": "build", "build-number": "build_number", "channel": "channel", "subdir":
    "subdir", "file-name": "fn", "md5": "md5", "sha256": "sha256", "license": "license", "extras": "extras",
    "url": "url", "when": "when",
}  # fmt: skip
_DEPENDENCIES: Final = ("dependencies", "host-dependencies", "build-dependencies")
_PER_NAME: Final = {"no-binary": "--no-binary", "no-build": "--only-binary"}
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
        variables=pixi.variables, pins=tuple(pixi.pins),
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
        self.pins: list[Requirement] = []
        self._pool: Any = {}

    def read(self, selection: Selection) -> None:
        """The workspace, and the tables of the environments and features that *selection* names, or the usual ones.

        pixi asks channels of features before those of the workspace, where priorities do not tell otherwise.
        """
        workspace = self._at("workspace") or self._at("project")
        self.name = workspace.get("name") if isinstance(workspace.get("name"), str) else None
        pool = workspace.get("dependencies", {})
        self._pool = pool if isinstance(pool, dict) else {}
        self.platforms = tuple(dict.fromkeys(self._subdirs(workspace.get("platforms", []))))
        paths = self._paths(selection)
        channels = [
            each for path in paths if path for each in self._ranked(self._at(*path).get("channels", []))
        ]
        if () in paths or not channels:
            channels += self._ranked(workspace.get("channels", []))
        best: dict[str, int] = {}
        for name, priority in channels:
            best[name] = max(priority, best.get(name, priority))
        self.channels = tuple(sorted(best, key=lambda name: -best[name]))
        at = ".".join((*self._path, "workspace.pypi-options"))
        self._take_options(workspace.get("pypi-options", {}), at)
        for path in paths:
            self._read_tables(*path)
            for target in self._at(*path, "target"):
                if self._is_meant(target):
                    self._read_tables(*path, "target", target)

    def _paths(self, selection: Selection) -> list[tuple[str, ...]]:
        """Where the tables are that count: at the top, in features, and in environments themselves."""
        features, environments = self._at("feature"), self._at("environments")
        known = dict.fromkeys([*features, *(name for name in environments if name != "default")])
        self._found.groups += list(known)
        wanted = [name for name in selection.groups if name in known]
        paths: list[tuple[str, ...]] = []
        is_default = not wanted
        for name in wanted or ["default"]:
            entry = environments.get(name, [name] if name in features else [])
            table = entry if isinstance(entry, dict) else {"features": entry}
            names = table.get("features", [])
            if not isinstance(names, list) or any(each not in (*features, "default") for each in names):
                raise self._document.refusal(
                    ("environments", name), f"the environment `{name}` must name features that are there"
                )
            is_default |= not table.get("no-default-feature")
            paths += [("feature", each) for each in names if each != "default"]
            paths += [("environments", name)] if isinstance(entry, dict) else []
        return list(dict.fromkeys([*([()] if is_default else []), *paths]))

    def _subdirs(self, platforms: Any) -> Iterator[str]:
        """The subdirs of platforms, which are texts, or tables with virtual packages."""
        if not isinstance(platforms, list):
            raise self._document.refusal(("platforms",), "`platforms` must be a list")
        for each in platforms:
            subdir = (each.get("platform") or each.get("name")) if isinstance(each, dict) else each
            if isinstance(subdir, str):
                yield subdir

    def _at(self, *path: str) -> Any:
        return self._document.table_at(*self._path, *path)

    def _ranked(self, channels: Any) -> list[tuple[str, int]]:
        """Texts, or tables with a priority: the highest first, 0 where none is written."""
        if not isinstance(channels, list):
            raise self._document.refusal(("channels",), "`channels` must be a list")
        ranked = []
        for each in channels:
            table = each if isinstance(each, dict) else {"channel": each}
            name, priority = table.get("channel"), table.get("priority", 0)
            if not isinstance(name, str) or not isinstance(priority, int):
                raise self._document.refusal(("channels",), "a channel must be a name, or a table with one")
            ranked.append((name, priority))
        return ranked

    def _is_meant(self, target: str) -> bool:
        system = operating_system(self._subdir)
        return target in (self._subdir, system, "unix" if is_unix(self._subdir) else system)

    def _read_tables(self, *path: str) -> None:
        where = ".".join((*self._path, *path))
        for key in _DEPENDENCIES:
            for name, entry in self._at(*path, key).items():
                self._take_conda(name, entry, f"{where}.{key}".lstrip("."))
        for name, entry in self._at(*path, "constraints").items():
            pin = self._spec(name, entry, f"{where}.constraints".lstrip("."))
            self.pins += [pin] if pin is not None else []
        pypi = self._at(*path, "pypi-dependencies")
        for name, entry in pypi.items():
            words = (f"{where}.pypi-dependencies".lstrip("."),)
            self._found.take_entry(name, entry, *words, only_pypi=True)
        self._take_options(self._at(*path, "pypi-options"), f"{where}.pypi-options".lstrip("."))
        environment = self._at(*path, "activation").get("env", {})
        if isinstance(environment, dict):
            self.variables |= {key: str(value) for key, value in environment.items()}

    def _take_options(self, options: Any, where: str) -> None:
        if not isinstance(options, dict):
            raise self._document.refusal((where,), "`pypi-options` must be a table")
        for key, value in options.items():
            source = self._document.source(where, key)
            values = [value] if isinstance(value, (str, bool)) else value
            if key == "find-links":
                self._take_find_links(value, where)
            elif key in _OPTION_WORDS or key in _PER_NAME:
                if not isinstance(values, list):
                    raise self._document.refusal((where, key), f"`{key}` must be a list")
                option = _OPTION_WORDS.get(key) or _PER_NAME[key]
                for each in values:
                    if each is not False:
                        self._found.pypi.append(Item(f"{option} {':all:' if each is True else each}", source))
            elif (key, value) == ("prerelease-mode", "allow"):
                self._found.pypi.append(Item("--pre", source))
            else:
                self._found.warnings.append(f"{source}: `{key}` of `pypi-options` is left out.")

    def _take_find_links(self, entries: Any, where: str) -> None:
        for entry in entries if isinstance(entries, list) else ():
            table = entry if isinstance(entry, dict) else {}
            place = table.get("url") or table.get("path")
            if not isinstance(place, str):
                raise self._document.refusal(
                    (where, "find-links"),
                    "each of `find-links` must be a table with a `url` or a `path`",
                )
            source = self._document.source(where, "find-links")
            self._found.pypi.append(Item(f"--find-links {place}", source))

    def _take_conda(self, name: str, entry: Any, *words: str) -> None:
        wanted = self._spec(name, entry, *words)
        if wanted is not None:
            self._found.requirements.append(wanted)

    def _spec(self, name: str, entry: Any, *words: str) -> Requirement | None:
        """What *entry* asks for of the package *name*; None where it is built from source."""
        source = self._document.source(*words, name, text=name)
        if isinstance(entry, dict) and entry.get("workspace") is True and name in self._pool:
            more = {key: value for key, value in entry.items() if key != "workspace"}
            pooled = self._pool[name]
            entry = {**(pooled if isinstance(pooled, dict) else {"version": pooled}), **more}
        if isinstance(entry, dict) and {"path", "git"} & set(entry):
            self._found.warnings.append(f"{source}: `{name}` is built from source by pixi and is left out.")
            return None
        fields = {"version": entry} if isinstance(entry, str) else entry
        if not isinstance(fields, dict):
            raise self._document.refusal((*words, name), f"the dependency `{name}` must be a text or a table")
        parts = list(self._brackets(name, fields, source))
        spec = f"{name}[{', '.join(parts)}]" if parts else name
        place = Source(source.file, source.line, spec)
        return Requirement(Placed(place).of(lambda: parse_match_spec(spec)), place)

    def _brackets(self, name: str, fields: Any, source: Source) -> Iterator[str]:
        for key, value in fields.items():
            if key not in _BRACKETS:
                self._found.warnings.append(f"{source}: `{key}` of `{name}` is not known and is left out.")
            elif isinstance(value, list):
                yield f"{_BRACKETS[key]}=[{','.join(map(str, value))}]"
            elif value != "*":
                yield f"{_BRACKETS[key]}='{value}'"
