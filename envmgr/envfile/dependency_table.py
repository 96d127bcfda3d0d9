"""Dependencies as tables of poetry, pipenv, uv and pixi, into lines of pip's requirement files. Pure.

``{version = "^1.2", extras = ["x"], python = "<3.9"}`` becomes ``name[x]>=1.2,<2 ; python_version < "3.9"``.
What has no line is refused by the caller with the place; the sentences here tell no place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from envmgr.errors import DataError
from envmgr.models.document import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLAUSE: Final = re.compile(r"(\^|~=|~|===?|!=|<=|>=|<|>)?\s*v?([0-9][0-9A-Za-z.+!*_-]*)")
_MARKER_KEYS: Final = (
    "os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_release",
    "platform_system", "platform_version", "python_version", "python_full_version", "implementation_name",
    "implementation_version",
)  # fmt: skip
_KNOWN: Final = frozenset((
    "version", "extras", "markers", "python", "platform", "optional", "git", "hg", "svn", "branch", "tag", "rev",
    "ref", "subdirectory", "url", "file", "path", "editable", "develop", "index", "source", "registry",
    "allow-prereleases", "hashes", "marker", "env-markers", "extra", "group", *_MARKER_KEYS,
))  # fmt: skip


def pep440_range(text: str) -> str:
    """A constraint of poetry as a specifier set, "" for any version; raises DataError for one that has no equal.

    >>> [pep440_range(each) for each in ("^1.2.3", "^0.2", "~1.2", "1.*", ">=1 <2", "1.2", "*")]
    ['>=1.2.3,<2', '>=0.2,<0.3', '>=1.2,<1.3', '==1.*', '>=1,<2', '==1.2', '']
    """
    body = text.strip()
    if "||" in body or re.search(r"\|", body):
        raise DataError(f"{quoted(text)} has alternatives, which requirements of PyPI cannot have.")
    found, place = [], 0
    for match in _CLAUSE.finditer(body):
        if body[place : match.start()].strip(", "):
            break
        place = match.end()
        found.append(_clause(match[1] or "", match[2]))
    if body not in ("", "*") and (not found or body[place:].strip(", ")):
        raise DataError(f"{quoted(text)} is no range of versions.")
    return ",".join(filter(None, found))


def pep440_alternatives(text: str) -> str:
    """The same where ``||`` may separate alternatives, which stay separated."""
    return " || ".join(pep440_range(part) for part in re.split(r"\|\|?", text))


def _clause(operator: str, version: str) -> str:
    if operator in ("", "=") and version.endswith("*"):
        return f"=={version}"
    if operator in ("^", "~"):
        return _caret(version) if operator == "^" else _tilde(version)
    if operator == "=":
        operator = "=="
    if version.endswith(".*") and operator not in ("==", "!="):
        version = version[:-2]
    return f"{operator or '=='}{version}"


def _caret(version: str) -> str:
    numbers = _numbers(version)
    place = next((at for at, number in enumerate(numbers) if number), len(numbers) - 1)
    upper = [*numbers[:place], numbers[place] + 1]
    return f">={version},<{'.'.join(map(str, upper))}"


def _tilde(version: str) -> str:
    numbers = _numbers(version)
    upper = [numbers[0] + 1] if len(numbers) == 1 else [numbers[0], numbers[1] + 1]
    return f">={version},<{'.'.join(map(str, upper))}"


def _numbers(version: str) -> list[int]:
    found = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return [int(part) for part in found[0].split(".")] if found and len(version) < 100 else [0]


def python_marker(constraint: str) -> str:
    """The marker that says a constraint of poetry on Python's version.

    >>> python_marker(">=3.8,<3.10 || >=3.11.2")
    '(python_version >= "3.8" and python_version < "3.10" or python_full_version >= "3.11.2")'
    """
    alternatives = []
    for part in re.split(r"\|\|?", constraint):
        clauses = [each for each in pep440_range(part).split(",") if each]
        if not clauses:
            return ""
        alternatives.append(" and ".join(map(_python_clause, clauses)))
    text = " or ".join(alternatives)
    return f"({text})" if len(alternatives) > 1 else text


def _python_clause(clause: str) -> str:
    found = re.match(r"([~=!<>]+)(.*)", clause)
    operator, version = (found[1], found[2]) if found else ("==", clause)
    name = "python_version" if version.removesuffix(".*").count(".") <= 1 else "python_full_version"
    if name == "python_version" and version.removesuffix(".*").count(".") == 0 and operator == "==":
        name = "python_full_version"
    return f'{name} {operator} "{version}"'


def dependency_line(name: str, entry: Any, *, poetry: bool = False) -> tuple[str, list[str]]:
    """The line for the dependency *name* and what it cannot say, as clauses.

    Versions are read as poetry's constraints with *poetry*, else as PEP 440's. Raises DataError without a place.
    """
    table = {"version": entry} if isinstance(entry, str) else entry
    if not isinstance(table, dict):
        raise DataError(f"the dependency `{name}` must be a text or a table.")
    lost = [f"`{key}` of `{name}` is not known and is left out" for key in table if key not in _KNOWN]
    index = table.get("index") or table.get("source") or table.get("registry")
    if isinstance(index, str):
        lost.append(f"`{name}` is looked for in all indexes, not only in {quoted(index)}")
    extras = [str(each) for each in _list(table, "extras", name)]
    subject = f"{name}[{','.join(extras)}]" if extras else name
    marker = _marker(table)
    behind = f" ; {marker}" if marker else ""
    path = table.get("path") or (table["file"] if _is_path(table.get("file")) else None)
    if isinstance(path, str):
        place = path if path.startswith(("/", ".", "~")) else f"./{path}"
        editable = "-e " if table.get("editable") or table.get("develop") else ""
        return f"{editable}{place}{subject[len(name) :]}{behind}", lost
    url = _url(table)
    if url:
        return f"{subject} @ {url}{behind}", lost
    version = table.get("version", "*")
    if not isinstance(version, str):
        raise DataError(f"the version of `{name}` must be a text, found {quoted(str(version))}.")
    return f"{subject}{_specifier(version, poetry=poetry)}{behind}", lost


def _specifier(version: str, *, poetry: bool) -> str:
    text = version.strip()
    if poetry:
        return pep440_range(text)
    if text in ("", "*"):
        return ""
    return text if text[0] in "=<>!~" else f"=={text}"


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and "://" not in value


def _list(table: Mapping[str, Any], key: str, name: str) -> list[Any]:
    value = table.get(key, [])
    if not isinstance(value, list):
        raise DataError(f"`{key}` of `{name}` must be a list.")
    return value


def _url(table: Mapping[str, Any]) -> str:
    inside = table.get("subdirectory")
    fragment = f"#subdirectory={inside}" if inside else ""
    for vcs in ("git", "hg", "svn"):
        place = table.get(vcs)
        if isinstance(place, str):
            revision = next((table[key] for key in ("rev", "ref", "tag", "branch") if table.get(key)), None)
            place = re.sub(r"^git@([^:/]+):", r"ssh://git@\1/", place)
            return f"{vcs}+{place.removeprefix(f'{vcs}+')}{f'@{revision}' if revision else ''}{fragment}"
    url = table.get("url") or table.get("file")
    return f"{url}{fragment}" if isinstance(url, str) else ""


def _marker(table: Mapping[str, Any]) -> str:
    parts = [str(table[key]) for key in ("markers", "marker", "env-markers") if table.get(key)]
    if isinstance(table.get("python"), str):
        parts.append(python_marker(table["python"]))
    if isinstance(table.get("platform"), str):
        platform = {"windows": "win32"}.get(table["platform"], table["platform"])
        parts.append(f'sys_platform == "{platform}"')
    parts += [f"{key} {table[key]}" for key in _MARKER_KEYS if isinstance(table.get(key), str)]
    parts = [part for part in parts if part]
    return parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)
