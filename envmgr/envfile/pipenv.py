"""Pipfile and Pipfile.lock: packages, sources and Python's version, as lines for pip. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.envfile.environment_file import Item
from envmgr.envfile.json_document import read_json_document
from envmgr.envfile.locked_hashes import Locked, hashed_items
from envmgr.envfile.project_lines import ProjectLines
from envmgr.models.package_index import is_pypi
from envmgr.models.toml_document import TomlDocument, read_toml

if TYPE_CHECKING:
    from envmgr.envfile.environment_file import EnvironmentFile, Selection

_LARGEST_LOCK_BYTES = 10_000_000
_MAIN = {"packages": "default", "dev-packages": "develop"}


def parse_pipfile(content: str | bytes, *, file: str, selection: Selection) -> EnvironmentFile:
    """Read a Pipfile; its other categories count by `groups`, ``dev`` for ``dev-packages``."""
    document = read_toml(content, file=file)
    found = ProjectLines(document)
    _read_sources(found, document.table.get("source", []))
    _read_python(found, document.table_at("requires"))
    found.groups += [
        "dev",
        *_categories(document, ("source", "packages", "dev-packages", "requires", "pipenv", "scripts")),
    ]
    for table in ("packages", *_chosen(found, selection, "dev-packages")):
        found.take_table(document.table_at(table), f"[{table}]")
    return found.environment()


def parse_pipfile_lock(
    content: str | bytes, *, file: str, subdir: str, selection: Selection
) -> EnvironmentFile:
    """Read a Pipfile.lock: every package exactly, with the hashes of files for *subdir*."""
    document = read_json_document(content, file=file, largest=_LARGEST_LOCK_BYTES)
    if not {"_meta", "default"} & document.table.keys():
        raise document.refusal((), "it has neither `_meta` nor `default`, which every Pipfile.lock has")
    found = ProjectLines(document)
    meta = document.table_at("_meta")
    _read_sources(found, meta.get("sources", []))
    _read_python(found, document.table_at("_meta", "requires"))
    found.groups += ["dev", *_categories(document, ("_meta", "default", "develop"))]
    locked: dict[str, Locked] = {}
    for table in ("default", *_chosen(found, selection, "develop")):
        for name, entry in document.table_at(table).items():
            if not isinstance(entry, dict):
                raise document.refusal((table, name), f"`{name}` must be a table")
            before = len(found.python)
            found.take_entry(
                name, {key: each for key, each in entry.items() if key != "index"}, f'"{table}"', f'"{name}"'
            )
            (item,) = found.python[before:]
            del found.python[before:]
            hashes = entry.get("hashes", [])
            if not isinstance(hashes, list) or not all(isinstance(each, str) for each in hashes):
                raise document.refusal((table, name), f"the hashes of `{name}` must be a list of texts")
            locked.setdefault(name, Locked(item, tuple((None, each) for each in hashes)))
    items, warnings = hashed_items(list(locked.values()), file, subdir)
    found.python += items
    found.warnings += warnings
    return found.environment()


def _categories(document: TomlDocument, known: tuple[str, ...]) -> list[str]:
    return [name for name, table in document.table.items() if name not in known and isinstance(table, dict)]


def _chosen(found: ProjectLines, selection: Selection, dev: str) -> list[str]:
    return [dev if name == "dev" else name for name in selection.groups if name in found.groups]


def _read_sources(found: ProjectLines, sources: Any) -> None:
    """The first source takes the place of PyPI; the others are further indexes."""
    urls = (
        [each.get("url") for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []
    )
    for place, url in enumerate(each for each in urls if isinstance(each, str)):
        if place == 0 and is_pypi(url):
            continue
        option = "--index-url" if place == 0 else "--extra-index-url"
        found.pypi.append(Item(f"{option} {url}", found.document.source(url)))


def _read_python(found: ProjectLines, requires: Any) -> None:
    full, minor = requires.get("python_full_version"), requires.get("python_version")
    if isinstance(full, str):
        found.take_python(f"=={full}", "python_full_version")
    elif isinstance(minor, str):
        found.take_python(f"=={minor}.*", "python_version")
