"""The indexes that a project's tables and locks name, as options of pip. Pure.

pip's options hold for all packages. Where a tool looks in one index for one package alone, a warning tells that it
is looked for in all of them; an index that a tool asks for nothing else is named only where something needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from envmgr.envfile.environment_file import Item
from envmgr.models.package_index import is_pypi

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmgr.envfile.project_lines import ProjectLines
    from envmgr.models.requirement import Source

_MOST: Final = 100
_T = TypeVar("_T")


def take_registries(found: ProjectLines, registries: Iterable[tuple[str, Source]]) -> None:
    """The indexes that a lock's packages come from ("" is PyPI, whose place one takes where none is from there)."""
    places = dict(registries)
    urls = [url for url in places if not is_pypi(url)]
    for url in _bounded(found, urls):
        is_default = len(urls) == len(places) and url == urls[0]
        option = "--find-links" if "://" not in url else _option(default=is_default)
        found.pypi.append(Item(f"{option} {url}", places[url]))


def take_uv_indexes(found: ProjectLines) -> None:
    """``[[tool.uv.index]]``, and the older keys."""
    uv = found.document.table_at("tool", "uv")
    for each in _tables(found, uv.get("index", []), "tool.uv.index"):
        if not each.get("explicit") or each.get("name") in found.indexes:
            _take(found, each["url"], default=bool(each.get("default")))
    options = {
        "index-url": "--index-url",
        "extra-index-url": "--extra-index-url",
        "find-links": "--find-links",
    }
    for key, option in options.items():
        values = uv.get(key, [])
        for value in [values] if isinstance(values, str) else values if isinstance(values, list) else []:
            found.pypi.append(Item(f"{option} {value}", found.document.source(key)))


def take_poetry_sources(found: ProjectLines) -> None:
    """``[[tool.poetry.source]]``: a primary one takes PyPI's place where PyPI is not among them."""
    sources = found.document.table_at("tool", "poetry").get("source", [])
    tables = [each for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []
    is_asked = any(str(each.get("name")).lower() == "pypi" for each in tables)
    others = [each for each in tables if str(each.get("name")).lower() != "pypi"]
    for each in _tables(found, others, "tool.poetry.source"):
        priority = str(each.get("priority", "primary"))
        if priority == "explicit" and each.get("name") not in found.indexes:
            continue
        is_default = priority in ("primary", "default") and not is_asked and not each.get("secondary")
        is_asked |= is_default
        _take(found, each["url"], default=is_default)


def take_named_urls(found: ProjectLines) -> None:
    """The indexes that dependencies name by their URLs, as pixi's do."""
    for url in _bounded(found, [each for each in dict.fromkeys(found.indexes) if "://" in each]):
        _take(found, url)


def _tables(found: ProjectLines, entries: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(entries, list) or not all(
        isinstance(each, dict) and isinstance(each.get("url"), str) for each in entries
    ):
        raise found.document.refusal((where,), f"each of `{where}` must be a table with a `url`")
    return _bounded(found, entries)


def _bounded(found: ProjectLines, indexes: list[_T]) -> list[_T]:
    if len(indexes) > _MOST:
        raise found.document.refusal((), f"it names {len(indexes)} indexes, more than any project needs")
    return indexes


def _take(found: ProjectLines, url: str, *, default: bool = False) -> None:
    if default or not is_pypi(url):
        found.pypi.append(Item(f"{_option(default=default)} {url}", found.document.source(url)))


def _option(*, default: bool) -> str:
    return "--index-url" if default else "--extra-index-url"
