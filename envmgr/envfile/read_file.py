"""Reads a file of any kind that has more than a list of archives or specs, into what it asks for. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from envmgr.envfile.environment_file import EnvironmentFile, Item
from envmgr.models.document import decode_document
from envmgr.models.requirement import Source
from envmgr.models.yaml_problem import refuse_merge_markers

LARGEST_REQUIREMENTS_BYTES = 20_000_000
"""Lists with the sums of all files of all packages are long."""

if TYPE_CHECKING:
    from envmgr.envfile.environment_file import Selection
    from envmgr.envfile.other_formats import FileKind


def read_environment_file(
    kind: FileKind, content: bytes, file: str, subdir: str, selection: Selection
) -> EnvironmentFile:
    """Read *content*, which is of *kind*; raises DataError with file and line for what cannot be meant."""
    match kind:
        case "environment":
            from envmgr.envfile.environment_yml import parse_environment

            return parse_environment(content, file=file, subdir=subdir, groups=selection.groups)
        case "requirements":
            return _requirements(content, file)
        case "pixi":
            from envmgr.envfile.pixi_manifest import parse_pixi

            return parse_pixi(content, file=file, subdir=subdir, selection=selection)
        case "pyproject" | "script" | "setup.cfg":
            return _project(kind, content, file, subdir, selection)
        case "Pipfile" | "Pipfile.lock" | "poetry.lock" | "uv.lock":
            return _locked(kind, content, file, subdir, selection)
    from envmgr.envfile.r_project import parse_description, parse_renv_lock

    if kind == "DESCRIPTION":
        return parse_description(content, file=file, selection=selection)
    return parse_renv_lock(content, file=file)


def _requirements(content: bytes, file: str) -> EnvironmentFile:
    """A file of requirements, or of constraints by its name, is one line for pip, whose reader knows more."""
    refuse_merge_markers(decode_document(content, file=file, largest=LARGEST_REQUIREMENTS_BYTES), file=file)
    name = file.replace("\\", "/").rpartition("/")[2]
    option = "-c" if name.lower().startswith("constraints") else "-r"
    return EnvironmentFile(
        python=(Item(f"{option} {shlex.quote(name)}", Source(file, None, f"{option} {name}")),)
    )


def _project(kind: FileKind, content: bytes, file: str, subdir: str, selection: Selection) -> EnvironmentFile:
    from envmgr.envfile.python_project import parse_pyproject, parse_script, parse_setup_cfg

    if kind == "pyproject":
        return parse_pyproject(content, file=file, subdir=subdir, selection=selection)
    if kind == "script":
        return parse_script(content, file=file)
    return parse_setup_cfg(content, file=file, selection=selection)


def _locked(kind: FileKind, content: bytes, file: str, subdir: str, selection: Selection) -> EnvironmentFile:
    from envmgr.envfile.pipenv import parse_pipfile, parse_pipfile_lock
    from envmgr.envfile.python_locks import parse_poetry_lock, parse_uv_lock

    if kind == "Pipfile":
        return parse_pipfile(content, file=file, selection=selection)
    if kind == "Pipfile.lock":
        return parse_pipfile_lock(content, file=file, subdir=subdir, selection=selection)
    parse = parse_poetry_lock if kind == "poetry.lock" else parse_uv_lock
    return parse(content, file=file, subdir=subdir, selection=selection)
