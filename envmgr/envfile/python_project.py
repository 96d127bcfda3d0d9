"""pyproject.toml, scripts with metadata and setup.cfg: what a Python project needs to run. Pure.

Read are PEP 621 (``dependencies``, ``optional-dependencies``, ``requires-python``), PEP 735
(``dependency-groups``), PEP 723 (scripts), setuptools' declarative files, the tables of poetry, uv's sources, and
pixi's tables. The project itself is not among what it needs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from envmgr.envfile.environment_file import Item
from envmgr.envfile.pixi_manifest import PixiTables
from envmgr.envfile.project_indexes import take_named_urls, take_poetry_sources, take_uv_indexes
from envmgr.envfile.project_lines import ProjectLines
from envmgr.errors import DataError
from envmgr.models.document import LINE_BREAK, decode_document, quoted
from envmgr.models.toml_document import TomlDocument, read_toml
from envmgr.models.wheel_name import normalized_name
from envmgr.models.yaml_problem import refuse_merge_markers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.envfile.environment_file import EnvironmentFile, Selection

_BLOCK_START: Final = re.compile(r"# /// ([a-zA-Z0-9-]+)")
_CFG_SECTION: Final = re.compile(r"\[.+\]")
_BLOCK_END: Final = "# ///"


def parse_pyproject(content: str | bytes, *, file: str, subdir: str, selection: Selection) -> EnvironmentFile:
    """Read a pyproject.toml; raises DataError with file and line for what cannot be meant."""
    document = read_toml(content, file=file)
    found = ProjectLines(document)
    project = document.table_at("project")
    _read_project(found, project, selection)
    _read_groups(found, selection)
    poetry = document.table_at("tool", "poetry")
    if poetry:
        _read_poetry(found, poetry, selection, is_whole="dependencies" not in project)
        take_poetry_sources(found)
    found.replace_sources(document.table_at("tool", "uv", "sources"), "tool.uv.sources")
    take_uv_indexes(found)
    more: dict[str, Any] = {}
    if document.table_at("tool", "pixi"):
        pixi = PixiTables(document, found, subdir, ("tool", "pixi"))
        pixi.read(selection)
        take_named_urls(found)
        more = {
            "channels": pixi.channels,
            "nodefaults": bool(pixi.channels),
            "platforms": pixi.platforms,
            "pins": tuple(pixi.pins),
        }
    _tell_dynamic(found, project, poetry)
    return found.environment(**more)


def _read_project(found: ProjectLines, project: Any, selection: Selection) -> None:
    if "dependencies" in project:
        found.take_texts(project["dependencies"], "project", "dependencies")
    if "requires-python" in project:
        found.take_python(project["requires-python"], "project", "requires-python")
    optional = found.document.table_at("project", "optional-dependencies")
    found.extras += [normalized_name(name) for name in optional]
    own = normalized_name(str(project.get("name", "")))
    for name in _with_own_extras(optional, own, selection.extras):
        found.take_texts(
            [text for text in optional[name] if not _own_extras(text, own)]
            if isinstance(optional[name], list)
            else optional[name],
            "optional-dependencies",
            name,
        )


def _with_own_extras(optional: Any, own: str, chosen: tuple[str, ...]) -> Iterator[str]:
    """The keys of the *chosen* extras, and of those that they name as ``project[other]``."""
    keys = {normalized_name(name): name for name in optional}
    waiting, done = [normalized_name(name) for name in chosen], set[str]()
    while waiting:
        name = waiting.pop(0)
        if name in done or name not in keys:
            continue
        done.add(name)
        yield keys[name]
        texts = optional[keys[name]]
        waiting += [each for text in texts if isinstance(texts, list) for each in _own_extras(text, own)]


def _own_extras(text: Any, own: str) -> list[str]:
    match = re.match(r"([A-Za-z0-9._-]+)\s*\[([^\]]*)\]\s*$", text) if isinstance(text, str) else None
    if match is None or not own or normalized_name(match[1]) != own:
        return []
    return [normalized_name(each.strip()) for each in match[2].split(",")]


def _read_groups(found: ProjectLines, selection: Selection) -> None:
    """PEP 735: lists of requirements and of ``{include-group = NAME}``."""
    groups = found.document.table_at("dependency-groups")
    keys = {normalized_name(name): name for name in groups}
    found.groups += list(keys)

    def read(name: str, above: tuple[str, ...]) -> None:
        key = keys[name]
        if name in above:
            raise found.document.refusal(("dependency-groups", key), f"the group `{key}` includes itself")
        entries = groups[key]
        if not isinstance(entries, list):
            raise found.document.refusal(("dependency-groups", key), f"the group `{key}` must be a list")
        for entry in entries:
            if not isinstance(entry, dict):
                found.take_texts([entry], "dependency-groups", key)
                continue
            other = normalized_name(str(entry.get("include-group", "")))
            if set(entry) != {"include-group"} or other not in keys:
                raise found.document.refusal(
                    ("dependency-groups", key), f"the group `{key}` includes one that is not there"
                )
            read(other, (*above, name))

    older = found.document.table_at("tool", "uv").get("dev-dependencies")
    found.groups += [] if older is None or "dev" in keys else ["dev"]
    for name in selection.groups:
        if normalized_name(name) in keys:
            read(normalized_name(name), ())
        if normalized_name(name) == "dev" and older is not None:
            found.take_texts(older, "tool.uv", "dev-dependencies")


def _read_poetry(found: ProjectLines, poetry: Any, selection: Selection, *, is_whole: bool) -> None:
    document = found.document
    main = document.table_at("tool", "poetry", "dependencies")
    if not is_whole:
        found.replace_sources(main, "tool.poetry.dependencies")
    else:
        extras = document.table_at("tool", "poetry", "extras")
        found.extras += [normalized_name(name) for name in extras]
        chosen = {normalized_name(name) for name in selection.extras}
        wanted = {
            normalized_name(str(each))
            for name, names in extras.items()
            if normalized_name(name) in chosen and isinstance(names, list)
            for each in names
        }
        kept = {
            name: entry
            for name, entry in main.items()
            if not _is_optional(entry) or normalized_name(name) in wanted
        }
        found.take_table(kept, "tool.poetry.dependencies", poetry=True)
        if "python" in main:
            python = main["python"]
            python = python.get("version") if isinstance(python, dict) else python
            found.take_python(python, "tool.poetry.dependencies", "python", poetry=True)
    groups = document.table_at("tool", "poetry", "group")
    if "dev-dependencies" in poetry:
        groups = {"dev": {"dependencies": poetry["dev-dependencies"]}, **groups}
    found.groups += [normalized_name(name) for name in groups]
    chosen_groups = _with_included(groups, selection.groups)
    for name in groups:
        if normalized_name(name) in chosen_groups:
            entries = groups[name].get("dependencies", {}) if isinstance(groups[name], dict) else None
            if not isinstance(entries, dict):
                raise document.refusal(
                    ("tool.poetry", name), f"the group `{name}` must hold a table of dependencies"
                )
            found.take_table(entries, "tool.poetry", name, poetry=True)


def _with_included(groups: Any, chosen: tuple[str, ...]) -> set[str]:
    """The *chosen* groups of poetry and those that they name in ``include-groups``."""
    tables = {normalized_name(name): table for name, table in groups.items() if isinstance(table, dict)}
    waiting, done = [normalized_name(name) for name in chosen], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in done:
            done.add(name)
            more = tables.get(name, {}).get("include-groups", [])
            waiting += [normalized_name(str(each)) for each in more] if isinstance(more, list) else []
    return done


def _is_optional(entry: Any) -> bool:
    return isinstance(entry, dict) and bool(entry.get("optional"))


def _tell_dynamic(found: ProjectLines, project: Any, poetry: Any) -> None:
    """Dependencies that setuptools reads from files are read, too; others are known only to the build."""
    dynamic = project.get("dynamic", [])
    if not isinstance(dynamic, list) or "dependencies" not in dynamic or poetry:
        return
    source = found.document.source("project", "dynamic")
    entry = found.document.table_at("tool", "setuptools", "dynamic").get("dependencies")
    files = entry.get("file") if isinstance(entry, dict) else None
    for name in [files] if isinstance(files, str) else files if isinstance(files, list) else ():
        found.python.append(Item(f"-r {name}", found.document.source("dynamic", str(name))))
    if not files:
        found.warnings.append(
            f"{source}: the dependencies are dynamic, known only to the build, and are left out;"
            " --pypi='-e FOLDER' brings the project with them."
        )


def parse_script(content: str | bytes, *, file: str) -> EnvironmentFile:
    """Read a script's metadata (PEP 723); raises DataError where there is none, or more than one block."""
    text = decode_document(content, file=file)
    lines = LINE_BREAK.split(text)
    blocks = [(start, end) for kind, start, end in _blocks(lines) if kind == "script"]
    if not blocks:
        refuse_merge_markers(text, file=file)
    if len(blocks) != 1:
        what = "no block `# /// script`" if not blocks else "more than one block `# /// script`"
        raise DataError(f"{file} has {what} with what it needs (PEP 723).", file=file)
    start, end = blocks[0]
    body = "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines[start + 1 : end])
    document = read_toml("\n" * (start + 1) + body, file=file)
    found = ProjectLines(document)
    if "dependencies" in document.table:
        found.take_texts(document.table["dependencies"], "dependencies")
    if "requires-python" in document.table:
        found.take_python(document.table["requires-python"], "requires-python")
    found.replace_sources(document.table_at("tool", "uv", "sources"), "sources")
    take_uv_indexes(found)
    return found.environment()


def _blocks(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    """The type of each block, and the places of its first and last line (PEP 723, "Specification").

    A block goes on to the last end mark among the comments that follow one another. Each line is looked at once.
    """
    place = 0
    while place < len(lines):
        started = _BLOCK_START.fullmatch(lines[place])
        if started is None:
            place += 1
            continue
        after = place + 1
        while after < len(lines) and (lines[after] == "#" or lines[after].startswith("# ")):
            after += 1
        end = after - 1
        while end > place + 1 and lines[end] != _BLOCK_END:
            end -= 1
        if end > place + 1:
            yield started[1], place, end
        place = after


def parse_setup_cfg(content: str | bytes, *, file: str, selection: Selection) -> EnvironmentFile:
    """Read ``install_requires``, ``extras_require`` and ``python_requires`` of a setup.cfg."""
    import configparser

    text = decode_document(content, file=file)
    refuse_merge_markers(text, file=file)
    lines = LINE_BREAK.split(text)
    _check_cfg(lines, file)
    parser = configparser.RawConfigParser()
    try:
        parser.read_string("\n".join(lines), source=file)
    except configparser.Error as error:
        line, what = _complaint(error)
        raise DataError(f"{file}:{line}: {what}.", file=file, line=line) from None
    table: dict[str, Any] = {name: dict(parser.items(name)) for name in parser.sections()}
    found = ProjectLines(TomlDocument(file, table, tuple(lines)))
    options = table.get("options", {})
    _take_cfg(found, options.get("install_requires", ""), "[options]", "install_requires")
    if options.get("python_requires"):
        found.take_python(options["python_requires"], "[options]", "python_requires")
    extras = table.get("options.extras_require", {})
    found.extras += [normalized_name(name) for name in extras]
    for name, value in extras.items():
        if normalized_name(name) in {normalized_name(each) for each in selection.extras}:
            _take_cfg(found, value, "[options.extras_require]", name)
    return found.environment()


def _complaint(error: Exception) -> tuple[int, str]:
    """The line and what is wrong there, of what configparser raises."""
    import configparser

    line = getattr(error, "lineno", None) or 1
    if isinstance(error, configparser.DuplicateSectionError):
        return line, f"the section [{error.section}] is there twice"
    if isinstance(error, configparser.DuplicateOptionError):
        return line, f"`{error.option}` is twice in [{error.section}]"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return line, f"{quoted(error.line)} stands before any [section]"
    return line, str(error).partition("\n")[0].rstrip(".")


def _check_cfg(lines: list[str], file: str) -> None:
    """Raises DataError for the first line that is nothing: the parser collects them in the square of their time."""
    level, has_name = 0, False
    for number, line in enumerate(lines, 1):
        body = line.lstrip()
        indent = len(line) - len(body)
        if not body or body[0] in "#;" or (has_name and indent > level):
            continue
        level = indent
        is_section = _CFG_SECTION.match(body) is not None
        if not is_section and (body[0] in "=:" or not re.search("[=:]", body)):
            what = "this is neither a [section] nor NAME = VALUE"
            raise DataError(f"{file}:{number}: {what}.", file=file, line=number)
        has_name = not is_section


def _divided(text: str) -> list[str]:
    """The items of one line, which is a single one where what follows ``;`` is its marker."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except (InvalidRequirement, RecursionError):
        return text.split(";")
    return [text]


def _take_cfg(found: ProjectLines, value: str, *words: str) -> None:
    """A list of setuptools: lines, or ``;`` between items on one line, or ``file:`` and names of files."""
    text = value.strip()
    if text.startswith("file:"):
        for name in text.removeprefix("file:").split(","):
            found.python.append(Item(f"-r {name.strip()}", found.document.source(*words)))
        return
    lines = [line.strip() for line in (text.splitlines() if "\n" in text else _divided(text))]
    found.take_texts([line for line in lines if line and not line.startswith("#")], *words)
