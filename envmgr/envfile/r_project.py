"""R's DESCRIPTION and renv.lock: packages of R as conda has them, ``r-NAME`` in lower case. Pure.

Packages that come with R are part of ``r-base``. Conda cannot have a dash in a version, so that ``1.2-3`` is
``1.2_3``. What comes from Bioconductor is ``bioconductor-NAME``, as far as the file tells it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from envmgr.envfile.json_document import read_json_document
from envmgr.envfile.project_lines import ProjectLines
from envmgr.errors import DataError
from envmgr.models.document import LINE_BREAK, decode_document, quoted
from envmgr.models.requirement import Source
from envmgr.models.toml_document import TomlDocument
from envmgr.models.yaml_problem import refuse_merge_markers

if TYPE_CHECKING:
    from envmgr.envfile.environment_file import EnvironmentFile, Selection

_WITH_R: Final = frozenset(
    [
        "base",
        "compiler",
        "datasets",
        "graphics",
        "grDevices",
        "grid",
        "methods",
        "parallel",
        "splines",
        "stats",
        "stats4",
        "tcltk",
        "tools",
        "utils",
    ]
)
_ENTRY: Final = re.compile(r"([A-Za-z][A-Za-z0-9.]*)\s*(?:\(\s*(>=|<=|==|>|<|!=)\s*([0-9][0-9.-]*)\s*\))?")
_LARGEST_LOCK_BYTES: Final = 10_000_000
_FIELDS: Final = ("Depends", "Imports", "LinkingTo")
_OPTIONAL: Final = {"suggests": "Suggests", "enhances": "Enhances"}


def parse_description(content: str | bytes, *, file: str, selection: Selection) -> EnvironmentFile:
    """Read a DESCRIPTION; ``Suggests`` and ``Enhances`` count as the groups of these names."""
    text = decode_document(content, file=file)
    refuse_merge_markers(text, file=file)
    fields = _fields(text, file)
    if not fields:
        raise DataError(f"{file} is empty.", file=file)
    found = ProjectLines(TomlDocument(file, {}, tuple(LINE_BREAK.split(text))))
    found.groups += [group for group, name in _OPTIONAL.items() if name in fields]
    for name in (*_FIELDS, *(_OPTIONAL[group] for group in selection.groups if group in _OPTIONAL)):
        for line, entry in fields.get(name, ()):
            _take_entry(found, entry, Source(file, line, entry))
    if "Remotes" in fields:
        line = fields["Remotes"][0][0]
        found.warnings.append(
            f"{file}:{line}: `Remotes` are repositories, which conda does not install, and are left out."
        )
    return found.environment()


def _fields(text: str, file: str) -> dict[str, list[tuple[int, str]]]:
    """The entries of each field with their lines: fields begin lines, go on where lines are indented."""
    fields: dict[str, list[tuple[int, str]]] = {}
    first: dict[str, int] = {}
    name = ""
    for number, line in enumerate(LINE_BREAK.split(text), 1):
        head = re.match(r"([A-Za-z][A-Za-z0-9/_@.-]*):(.*)", line)
        if head is not None:
            name, body = head[1], head[2]
            if first.setdefault(name, number) != number:
                what = f"the field `{name}` was already given on line {first[name]}"
                raise DataError(f"{file}:{number}: {what}.", file=file, line=number)
        elif not line.strip():
            continue
        elif line[:1] in " \t" and name:
            body = line
        else:
            raise DataError(
                f"{file}:{number}: {quoted(line)} is no field of a DESCRIPTION.", file=file, line=number
            )
        fields.setdefault(name, []).extend((number, each.strip()) for each in body.split(",") if each.strip())
    return fields


def _take_entry(found: ProjectLines, entry: str, source: Source) -> None:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise DataError(
            f"{source}: {quoted(entry)} names no package of R.", file=source.file, line=source.line
        )
    name, operator, version = match.groups()
    if name not in _WITH_R:
        _take(
            found,
            "r-base" if name == "R" else f"r-{name.lower()}",
            f"{operator or ''}{_version(version or '')}",
            entry,
            source,
        )


def _take(found: ProjectLines, name: str, ranges: str, written: str, source: Source) -> None:
    spec = f"{name} {ranges}".strip()
    found.take_spec(spec, Source(source.file, source.line, spec), written)


def _version(text: str) -> str:
    return text.replace("-", "_")


def parse_renv_lock(content: str | bytes, *, file: str) -> EnvironmentFile:
    """Read a renv.lock: R and its packages with their exact versions."""
    document = read_json_document(content, file=file, largest=_LARGEST_LOCK_BYTES)
    if not {"R", "Packages"} & document.table.keys():
        raise document.refusal((), "it has neither `R` nor `Packages`, which every renv.lock has")
    found = ProjectLines(document)
    version = document.table_at("R").get("Version")
    if isinstance(version, str):
        _take(found, "r-base", f"=={version}", f"R {version}", document.source('"R"', '"Version"'))
    for key, entry in document.table_at("Packages").items():
        source = document.source('"Packages"', f'"{key}":')
        if not isinstance(entry, dict) or not isinstance(entry.get("Version"), str):
            raise DataError(f"{source}: the package `{key}` has no version.", file=file, line=source.line)
        _take_locked(found, key, entry, source)
    if document.table.get("Python"):
        found.warnings.append(
            f"{file}: what `Python` says is left out; its requirements file may be given beside this one."
        )
    return found.environment()


def _take_locked(found: ProjectLines, name: str, entry: dict[str, Any], source: Source) -> None:
    kind, version = entry.get("Source", "Repository"), _version(entry["Version"])
    if name in _WITH_R:
        return
    if kind not in ("Repository", "Bioconductor", "CRAN"):
        found.warnings.append(
            f"{source}: `{name}` comes from {kind}, which conda does not install, and is left out."
        )
        return
    is_biology = kind == "Bioconductor" or str(entry.get("Repository", "")).startswith("BioC")
    conda = f"{'bioconductor' if is_biology else 'r'}-{name.lower()}"
    _take(found, conda, f"=={version}", f"{name} {entry['Version']}", source)
