"""poetry.lock and uv.lock: the exact packages, each with the marker under which something asks for it. Pure.

Both files hold what every platform could need. Which of it counts is told by markers: those that poetry 2.1
and later wrote beside each package, else those on the ways that lead from the project (uv), or from the
packages that no other one asks for (older poetry), to it.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from envmgr.envfile.dependency_table import dependency_line, python_marker
from envmgr.envfile.environment_file import Item
from envmgr.envfile.lock_shapes import PoetryLock, UvLock, check_shape
from envmgr.envfile.locked_hashes import Locked, hashed_items
from envmgr.envfile.marker_ways import Place, ways_to
from envmgr.envfile.project_indexes import take_registries
from envmgr.envfile.project_lines import Placed, ProjectLines
from envmgr.models.requirement import Source
from envmgr.models.toml_document import TomlDocument, read_toml
from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.envfile.environment_file import EnvironmentFile, Selection

LARGEST_LOCK_BYTES: Final = 10_000_000
_MOST_PACKAGES: Final = 20_000
_MOST_EDGES: Final = 200_000
_NO_PACKAGE: Final = ("", "")
_ALL_KNOWN: Final = re.compile(r'(?:python_version (?:>=|<) "0"|and|or|[()\s])+')
_MAIN: Final = ("main", "default")


_ByName: TypeAlias = dict[str, list[dict[str, Any]]]


def parse_poetry_lock(
    content: str | bytes, *, file: str, subdir: str, selection: Selection
) -> EnvironmentFile:
    """Read a poetry.lock; groups but the main one, and extras, count where *selection* names them."""
    document = read_toml(content, file=file, largest=LARGEST_LOCK_BYTES)
    if "metadata" not in document.table:
        raise document.refusal((), "it has no `[metadata]`, which every poetry.lock has")
    found = ProjectLines(document)
    packages = _packages(document, PoetryLock)
    extras = document.table_at("extras")
    found.extras += [normalized_name(name) for name in extras]
    groups = {name for each in packages for name in _groups(each)}
    found.groups += sorted(groups - set(_MAIN))
    wanted = {*_MAIN, *selection.groups}
    chosen = {normalized_name(name) for name in selection.extras}
    optional = {
        normalized_name(str(each).split(" ", maxsplit=1)[0])
        for name, names in extras.items()
        if normalized_name(name) in chosen and isinstance(names, list)
        for each in names
    }
    kept = [
        each
        for each in packages
        if (not _groups(each) or wanted & set(_groups(each)))
        and (not each.get("optional") or normalized_name(each["name"]) in optional or _extra_marker(each))
    ]
    ways = {} if any("groups" in each for each in packages) else _poetry_ways(kept)
    if ways:
        found.warnings.append(
            f"{file}: poetry before 2.0 does not say which groups packages belong to; all are taken."
        )
    places = _places(document)
    locked = []
    for each in kept:
        marker = _poetry_marker(each, wanted, chosen)
        marker = ways.get(normalized_name(each["name"]), marker) if ways else marker
        line = _locked_line(document, each, _poetry_source(each), marker, places[id(each)])
        files = [
            *each.get("files", []),
            *document.table_at("metadata").get("files", {}).get(each["name"], []),
        ]
        locked.append(
            Locked(
                line,
                tuple(
                    (entry.get("file"), str(entry.get("hash"))) for entry in files if isinstance(entry, dict)
                ),
            )
        )
    _finish(found, locked, subdir)
    take_registries(
        found, ((_poetry_registry(each), Source(file, places[id(each)], each["name"])) for each in kept)
    )
    python = document.table_at("metadata").get("python-versions")
    if python:
        found.take_python(python, "python-versions", poetry=True)
    return found.environment()


def parse_uv_lock(content: str | bytes, *, file: str, subdir: str, selection: Selection) -> EnvironmentFile:
    """Read a uv.lock; extras and groups of the project count where *selection* names them."""
    document = read_toml(content, file=file, largest=LARGEST_LOCK_BYTES)
    found = ProjectLines(document)
    packages = _packages(document, UvLock)
    chosen, first, edges = _uv_choice(found, packages, selection)
    reached, cut = ways_to(first, edges)
    found.warnings += [
        f"{file}: {each[0]} is taken on all platforms, its markers being too many." for each in cut
    ]
    places = _places(document)
    by_name = _by_name(packages)
    locked = []
    registries: list[tuple[str, Source]] = []
    for each in packages:
        identity = _identity(each)
        if identity not in reached or identity in first or "virtual" in each.get("source", {}):
            continue
        marker = _all_of(
            reached[identity],
            _any_of(each.get("resolution-markers", [])) if len(by_name[each["name"]]) > 1 else "",
        )
        known = _known_marker(marker, chosen)
        if known is None:
            continue
        marker = known
        registries.append(
            (str(each.get("source", {}).get("registry", "")), Source(file, places[id(each)], each["name"]))
        )
        line = _locked_line(document, each, _uv_source(each), marker, places[id(each)])
        files = [*each.get("wheels", []), *([each["sdist"]] if isinstance(each.get("sdist"), dict) else [])]
        locked.append(Locked(line, tuple((_file_name(entry), str(entry.get("hash"))) for entry in files)))
    _finish(found, locked, subdir)
    take_registries(found, registries)
    if "requires-python" in document.table:
        found.take_python(document.table["requires-python"], "requires-python")
    return found.environment()


def _uv_choice(
    found: ProjectLines, packages: list[dict[str, Any]], selection: Selection
) -> tuple[set[str], list[Place], dict[Place, list[tuple[Place, str]]]]:
    """The extras and groups of *selection* as markers name them, where ways begin, and those that can be gone."""
    by_name = _by_name(packages)
    edges: dict[Place, list[tuple[Place, str]]] = {}
    count = 0
    for place, ways in _uv_edges(packages, by_name):
        edges[place] = ways
        count += len(ways)
        if count > _MOST_EDGES:
            raise found.document.refusal((), "its packages have more dependencies than those of any project")
    needs = found.document.table_at("manifest").get("requirements", [])
    edges[_NO_PACKAGE] = _joined_ways(needs, by_name)
    chosen = set[str]()
    roots = _uv_roots(found.document, packages)
    for root, tables in roots:
        found.extras += [each for each in tables["optional-dependencies"] if each not in found.extras]
        found.groups += [each for each in tables["dev-dependencies"] if each not in found.groups]
        for kind, key, names in (
            ("extra", "optional-dependencies", selection.extras),
            ("group", "dev-dependencies", selection.groups),
        ):
            for name in names:
                chosen.add(f"{kind}-{len(root[0])}-{root[0]}-{normalized_name(name)}")
                edges[root] += [
                    way for entry in tables[key].get(name, []) for way in _uv_ways(entry, by_name)
                ]
    known = {
        place: [
            (target, text) for target, marker in ways if (text := _known_marker(marker, chosen)) is not None
        ]
        for place, ways in edges.items()
    }
    return chosen, [root for root, _ in roots], known


def _finish(found: ProjectLines, locked: list[Locked], subdir: str) -> None:
    items, warnings = hashed_items(locked, found.document.file, subdir)
    found.python += items
    found.warnings += warnings


def _packages(document: TomlDocument, shape: type[UvLock | PoetryLock]) -> list[dict[str, Any]]:
    packages = document.list_at("package")
    if len(packages) > _MOST_PACKAGES:
        raise document.refusal((), f"it has {len(packages)} packages, more than any project needs")
    check_shape(document, shape)
    return packages


def _places(document: TomlDocument) -> dict[int, int | None]:
    """The line of each package's ``[[package]]``, by identity."""
    lines = [at for at, line in enumerate(document.lines, 1) if line.strip() == "[[package]]"]
    packages = document.list_at("package")
    return {id(each): lines[at] if at < len(lines) else None for at, each in enumerate(packages)}


def _locked_line(
    document: TomlDocument,
    package: Mapping[str, Any],
    source: Mapping[str, Any],
    marker: str,
    place: int | None,
) -> Item:
    where = Source(document.file, place, package["name"])
    entry = {**source, **({"markers": marker} if marker else {})}
    if not source:
        entry["version"] = f"=={package.get('version', '')}"
    text = Placed(where).of(lambda: dependency_line(package["name"], entry))[0]
    return Item(text, Source(document.file, place, text))


def _poetry_source(package: Mapping[str, Any]) -> dict[str, Any]:
    source = package.get("source", {})
    kind, url = source.get("type"), source.get("url")
    if kind == "git":
        inside = {"subdirectory": source["subdirectory"]} if source.get("subdirectory") else {}
        return {"git": url, "rev": source.get("resolved_reference") or source.get("reference"), **inside}
    if kind == "url":
        return {"url": url}
    if kind in ("directory", "file"):
        return {"path": url, "develop": bool(package.get("develop"))}
    return {}


def _poetry_registry(package: Mapping[str, Any]) -> str:
    source = package.get("source", {})
    return str(source.get("url", "")) if source.get("type") == "legacy" else ""


def _groups(package: Mapping[str, Any]) -> list[str]:
    groups = package.get("groups", [package["category"]] if package.get("category") else [])
    return [str(each) for each in groups] if isinstance(groups, list) else []


def _extra_marker(package: Mapping[str, Any]) -> bool:
    return "extra ==" in str(package.get("markers", ""))


def _poetry_marker(package: Mapping[str, Any], wanted: set[str], chosen: set[str]) -> str:
    markers = package.get("markers", "")
    if isinstance(markers, dict):
        texts = [markers.get(name, "") for name in _groups(package) if name in wanted]
        markers = "" if "" in texts else _any_of(texts)
    text = str(markers)
    return _with_extras(text, chosen) if "extra ==" in text else text


def _with_extras(marker: str, chosen: set[str]) -> str:
    """A marker that names extras, for those that are chosen: comparisons with them become true or false."""

    def known(found: re.Match[str]) -> str:
        holds = (normalized_name(found[2]) in chosen) == (found[1] == "==")
        return 'python_version >= "0"' if holds else 'python_version < "0"'

    return re.sub(r"""extra (==|!=) ["']([^"']*)["']""", known, marker)


def _known_marker(marker: str, chosen: set[str]) -> str | None:
    """*marker* for the *chosen* extras; None where they alone let it never hold, and "" where always."""
    from packaging.markers import InvalidMarker, Marker

    if "extra" not in marker:
        return marker
    text = _with_extras(marker, chosen)
    if _ALL_KNOWN.fullmatch(text) is None:
        return text
    try:
        return "" if Marker(text).evaluate({"python_version": "3"}) else None
    except (InvalidMarker, RecursionError):
        return text  # Who reads the line tells what is wrong with it.


def _poetry_ways(packages: list[dict[str, Any]]) -> dict[str, str]:
    """For files without groups: the marker of each name, from those that nothing in the file asks for."""
    edges: dict[tuple[str, str], list[tuple[tuple[str, str], str]]] = {}
    for each in packages:
        ways = edges.setdefault((normalized_name(each["name"]), ""), [])
        for name, entry in each.get("dependencies", {}).items():
            for table in entry if isinstance(entry, list) else [entry]:
                text = str(table.get("markers", "")) if isinstance(table, dict) else ""
                text = "" if "extra ==" in text else text
                if isinstance(table, dict) and isinstance(table.get("python"), str):
                    text = _all_of(text, python_marker(table["python"]))
                ways.append(((normalized_name(name), ""), text))
    needed = {target for ways in edges.values() for target, _ in ways}
    reached, _ = ways_to([each for each in edges if each not in needed], edges)
    return {name: marker for (name, _), marker in reached.items()}


def _identity(package: Mapping[str, Any], extra: str = "") -> tuple[str, str]:
    """The name, with an *extra*, and the version and where it comes from, which may differ for one version."""
    source = package.get("source", {})
    inside = f"[{extra}]" if extra else ""
    return f"{package['name']}{inside}", " ".join(
        [str(package.get("version", "")), *map(str, source.values())]
    )


def _uv_roots(document: TomlDocument, packages: list[dict[str, Any]]) -> list[tuple[Place, dict[str, Any]]]:
    """What the lock was made for, each with its extras and groups: the project, or all members of the workspace.

    A workspace without a project of its own has groups beside its members, and a script what it needs.
    """
    keys = ("optional-dependencies", "dev-dependencies")
    members = [each for each in packages if {"editable", "virtual"} & set(each.get("source", {}))]
    project = [each for each in members if "." in each["source"].values()]
    named = document.table_at("manifest").get("members", [])
    if not project and isinstance(named, list) and named:
        members = [each for each in members if each["name"] in named]
    roots = [(_identity(each), {key: each.get(key, {}) for key in keys}) for each in project or members]
    groups = document.table_at("manifest", "dependency-groups")
    if not project and (groups or document.table_at("manifest").get("requirements")):
        roots.append((_NO_PACKAGE, {keys[0]: {}, keys[1]: groups}))
    if not roots:
        raise document.refusal((), "no package in this lock is the project that it was made for")
    return roots


def _uv_edges(
    packages: list[dict[str, Any]], by_name: _ByName
) -> Iterator[tuple[Place, list[tuple[Place, str]]]]:
    for each in packages:
        yield _identity(each), _joined_ways(each.get("dependencies", []), by_name)
        for extra, entries in each.get("optional-dependencies", {}).items():
            yield _identity(each, extra), _joined_ways(entries, by_name)


def _joined_ways(entries: list[dict[str, Any]], by_name: _ByName) -> list[tuple[Place, str]]:
    """Where *entries* lead, and no more than what is too much."""
    return list(islice((way for entry in entries for way in _uv_ways(entry, by_name)), _MOST_EDGES + 1))


def _uv_ways(entry: Mapping[str, Any], by_name: _ByName) -> Iterator[tuple[tuple[str, str], str]]:
    """Where one entry of ``dependencies`` leads: to the package, and to its extras."""
    marker, version, source = str(entry.get("marker", "")), entry.get("version"), entry.get("source")
    for each in by_name.get(entry["name"], ()):
        if version in (None, each.get("version")) and source in (None, each.get("source")):
            yield _identity(each), marker
            for extra in entry.get("extra", []):
                yield _identity(each, extra), marker


def _by_name(packages: list[dict[str, Any]]) -> _ByName:
    found: _ByName = {}
    for each in packages:
        found.setdefault(each["name"], []).append(each)
    return found


def _uv_source(package: Mapping[str, Any]) -> dict[str, Any]:
    source = package.get("source", {})
    if "git" in source:
        from urllib.parse import parse_qs, urlsplit

        url = urlsplit(str(source["git"]))
        inside = parse_qs(url.query).get("subdirectory")
        return {
            "git": url._replace(query="", fragment="").geturl(),
            "rev": url.fragment or None,
            **({"subdirectory": inside[0]} if inside else {}),
        }
    if "url" in source:
        return {"url": source["url"], "subdirectory": source.get("subdirectory")}
    if "editable" in source:
        return {"path": source["editable"], "editable": True}
    if "path" in source or "directory" in source:
        return {"path": source.get("path", source.get("directory"))}
    return {}


def _file_name(entry: Mapping[str, Any]) -> str | None:
    place = entry.get("url") or entry.get("filename") or entry.get("path")
    return str(place).rpartition("/")[2] if place else None


def _any_of(markers: list[str]) -> str:
    return markers[0] if len(markers) == 1 else " or ".join(f"({each})" for each in markers)


def _all_of(*markers: str) -> str:
    parts = [each for each in markers if each]
    return parts[0] if len(parts) == 1 else " and ".join(f"({each})" for each in parts)
