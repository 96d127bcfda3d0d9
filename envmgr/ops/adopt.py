"""Looks at what is there, a venv, an environment, or a project that only has sources, and writes a first
environment.yml of it, with what could not be found as comments.

Of an environment it is what its records say was asked for; of a venv, the distributions that somebody asked for, or
that no other needs; of a project, the distributions that have the modules which its sources import.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from envmgr.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from envmgr.models.spec_style import VersionStyle
    from envmgr.ops.context import Context
    from envmgr.ops.python_requirements import Preference
    from envmgr.pypi.imports import Imported
    from envmgr.pypi.installed import Distribution

_SEEDS: Final = frozenset(("pip", "setuptools", "wheel", "uv", "distribute"))
_VENVS: Final = (".venv", "venv", "env", ".env")
_PASSED_OVER: Final = frozenset(
    [
        "__pycache__",
        "node_modules",
        "build",
        "dist",
        "site-packages",
        "conda-meta",
        ".git",
        ".tox",
        ".nox",
        ".pixi",
    ]
)
_KNOWN_FILES: Final = (
    "environment.yml", "environment.yaml", "pyproject.toml", "pixi.toml", "requirements.txt", "Pipfile",
    "setup.cfg", "DESCRIPTION", "renv.lock",
)  # fmt: skip
_MOST_FILES: Final = 5_000
_LARGEST_SOURCE_BYTES: Final = 2_000_000


class AdoptRequest(Struct, frozen=True):
    """What to look at, and how to write it down.

    *beside* is where the file will lie, for paths in it. *environment* is the one whose distributions tell which of
    them has a module (None: a venv in the project, or the active one). *versions* are as exports have them.
    """

    place: str
    beside: Path
    environment: str | None = None
    versions: VersionStyle = "exact"
    prefer: Preference = "pypi"


class Adopted(Struct, frozen=True):
    """The *text* of the file; *found* tells what was looked at, *missing* are sentences on what is not in it."""

    text: str
    found: str
    missing: tuple[str, ...] = ()


class _Python(Struct, frozen=True):
    """An installation of Python: its *version*, and its distributions in *folder*."""

    version: str
    folder: Path
    distributions: tuple[Distribution, ...]


class _Draft(Struct):
    """What the file will hold: *lines* for pip, and what is missing."""

    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def adopt(request: AdoptRequest, context: Context) -> Adopted:
    """Look, and write it down; nothing is changed.

    Raises UsageError for a place that is not there or has a file that says it already.
    """
    from envmgr.ops.environments import expanded
    from envmgr.prefix.store import PrefixStore

    place = expanded(request.place, context)
    if PrefixStore(place).is_environment():
        return _adopt_prefix(place, request, context)
    if (place / "pyvenv.cfg").is_file():
        python = _python_in(place)
        if python is None:
            raise DataError(f"{place} has a pyvenv.cfg, and no site-packages.", file=str(place))
        draft = _asked_for(python, request)
        name = place.parent.name if place.name in _VENVS else place.name
        return _written(name, f"the venv {request.place}", python.version, draft, request, context)
    if place.is_dir() or place.suffix in (".py", ".ipynb"):
        return _adopt_project(place, request, context)
    raise UsageError(
        f"{request.place} is no environment, no venv and no project.",
        hint="Name a folder, or a Python source or notebook.",
    )


def _adopt_prefix(prefix: Path, request: AdoptRequest, context: Context) -> Adopted:
    from envmgr.ops.export import export
    from envmgr.ops.export_request import ExportRequest

    versions: VersionStyle = "asked" if request.versions == "exact" else request.versions
    exported = export(ExportRequest(prefix=str(prefix), from_history=True, versions=versions), context)
    found = f"the environment {request.place}"
    return Adopted(_heading(exported.left_out) + exported.text, found, exported.left_out)


def _python_in(venv: Path) -> _Python | None:
    from envmgr.pypi.installed import read_distributions

    folders = [*sorted(venv.glob("lib/python3.*/site-packages")), *venv.glob("Lib/site-packages")]
    if not folders:
        return None
    version = ""
    try:
        config = (venv / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"(?m)^version(?:_info)?\s*=\s*([0-9]+\.[0-9]+)", config)
        version = found[1] if found else ""
    except OSError:
        pass
    named = re.search(r"python(3\.[0-9]+)", str(folders[-1].relative_to(venv)))
    return _Python(
        version or (named[1] if named else ""), folders[-1], tuple(read_distributions(folders[-1]))
    )


def _asked_for(python: _Python, request: AdoptRequest) -> _Draft:
    """The distributions that were asked for, and others that nothing needs."""
    from envmgr.pypi.installed import read_requirements
    from envmgr.pypi.top_level import top_level

    own = {each.name: each for each in python.distributions if each.name not in _SEEDS}
    needs = {
        name: read_requirements(python.folder / each.metadata / "METADATA") for name, each in own.items()
    }
    draft = _Draft()
    for name, extras in top_level(needs, _noted(python.folder, own.values()), python.version).items():
        _take(own[name], python, request, draft, extras)
    return draft


def _noted(folder: Path, own: Iterable[Distribution]) -> set[str]:
    """What is noted as asked for; uv's do not count where it noted all, as its versions of today do."""
    from envmgr.pypi.installed import installer_of, is_requested

    noted = {each.name for each in own if is_requested(folder, each)}
    of_uv = {each.name for each in own if installer_of(folder, each) == "uv"}
    return noted - of_uv if of_uv <= noted else noted


def _take(
    each: Distribution, python: _Python, request: AdoptRequest, draft: _Draft, extras: Sequence[str] = ()
) -> None:
    from envmgr.pypi.installed import direct_url
    from envmgr.pypi.items import exact_item, restyled_item, without_login

    direct = direct_url(python.folder, each)
    parts = f"[{','.join(extras)}]" if extras else ""
    item = exact_item(f"{each.name}{parts}", each.version, direct)
    if item is None and direct is not None:
        local = _local_item(direct, request)
        item = None if local is None else f"{local}{parts}"
    if item is None:
        draft.missing.append(f"{each.name} {each.version} came from a file that is not there any more.")
    elif direct is None:
        draft.lines.append(restyled_item(item, each.version, request.versions))
    else:
        draft.lines.append(without_login(item))


def _local_item(direct: Mapping[str, object], request: AdoptRequest) -> str | None:
    """A folder or archive of this machine, by its way from the file; None where it is gone."""
    from urllib.parse import unquote, urlsplit

    place = Path(unquote(urlsplit(str(direct["url"])).path))
    if not place.exists():
        return None
    options = direct.get("dir_info")
    editable = "-e " if isinstance(options, dict) and options.get("editable") else ""
    way = os.path.relpath(place, request.beside)
    return f"{editable}{way if way.startswith('.') else f'./{way}'}"


def _adopt_project(place: Path, request: AdoptRequest, context: Context) -> Adopted:
    folder = place if place.is_dir() else place.parent
    there = [name for name in _KNOWN_FILES if (folder / name).is_file()] if place.is_dir() else []
    if there:
        raise UsageError(
            f"{request.place} has a file that says what it needs: {there[0]}.",
            hint=f"envmgr create -f {os.path.join(request.place, there[0])} reads it.",
        )
    python = _python_of_project(folder, request, context)
    draft = _Draft()
    imports = _imports_below(place, draft)
    local = {each.stem for each in (*folder.iterdir(), *_entries(folder / "src"))}
    modules = _modules(python)
    taken: set[str] = set()
    for module in sorted(imports):
        if module in sys.stdlib_module_names or module in local:
            continue
        where, imported = imports[module]
        owners = modules.get(module, ())
        if owners and python is not None:
            for each in owners:
                if each.name not in taken:
                    taken.add(each.name)
                    _take(each, python, request, draft)
        else:
            _not_installed(module, where, imported, draft)
    version = python.version if python is not None else ""
    return _written(folder.name, f"the imports of {request.place}", version, draft, request, context)


def _not_installed(module: str, where: str, imported: Imported, draft: _Draft) -> None:
    from envmgr.pypi.imports import DISTRIBUTIONS_OF_MODULES

    place = f"{where}:{imported.line}"
    known = DISTRIBUTIONS_OF_MODULES.get(module)
    if imported.optional:
        draft.missing.append(f"{place}: `{module}` is optional and is not installed.")
    elif known is not None:
        draft.lines.append(known)
        draft.missing.append(f"{place}: `{module}` is not installed; it is known to be in {known}.")
    else:
        draft.missing.append(f"{place}: no installed distribution has `{module}`; add the one that does.")


def _python_of_project(folder: Path, request: AdoptRequest, context: Context) -> _Python | None:
    """The one that was named, a venv in the project, or the active one."""
    from envmgr.ops.environments import expanded, is_name, locate

    if request.environment is not None:
        named = expanded(request.environment, context)
        is_there = (named / "pyvenv.cfg").exists() or (named / "conda-meta").is_dir()
        if not is_there and is_name(request.environment):
            named = locate(request.environment, None, context)
        found = _python_in(named)
        if found is None:
            raise UsageError(
                f"{request.environment} has no Python packages.",
                hint="Name an environment or a venv with some.",
            )
        return found
    active = [context.environ.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    for place in (*(folder / name for name in _VENVS), *(Path(each) for each in active if each)):
        found = _python_in(place)
        if found is not None:
            return found
    return None


def _modules(python: _Python | None) -> dict[str, list[Distribution]]:
    from envmgr.pypi.installed import modules_of

    found: dict[str, list[Distribution]] = {}
    for each in python.distributions if python is not None else ():
        for module in modules_of(python.folder, each) if python is not None else ():
            found.setdefault(module, []).append(each)
    return found


def _imports_below(place: Path, draft: _Draft) -> dict[str, tuple[str, Imported]]:
    """Each module with the file that imports it first, one that needs it before one that does not."""
    from envmgr.pypi.imports import read_imports

    found: dict[str, tuple[str, Imported]] = {}
    root = place if place.is_dir() else place.parent
    for count, path in enumerate([place] if place.is_file() else _sources(place)):
        if count >= _MOST_FILES:
            draft.missing.append(f"only the first {_MOST_FILES} sources were read.")
            break
        shown = path.relative_to(root).as_posix()
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST_SOURCE_BYTES + 1)
            if len(content) > _LARGEST_SOURCE_BYTES:
                raise DataError("it is too large.")
            imports = read_imports(content.decode("utf-8-sig"), notebook=path.suffix == ".ipynb")
        except (OSError, DataError, UnicodeDecodeError) as error:
            why = "it is no UTF-8." if isinstance(error, UnicodeDecodeError) else str(error)
            draft.missing.append(f"{shown} was not read: {why.removesuffix('.')}.")
            continue
        for each in imports:
            before = found.get(each.module)
            if before is None or (before[1].optional and not each.optional):
                found[each.module] = (shown, each)
    return found


def _sources(folder: Path) -> Iterator[Path]:
    """Python sources and notebooks below *folder*, by name; nothing hidden, installed, or behind symlinks."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _PASSED_OVER
            and not name.startswith(".")
            and not (Path(where) / name / "pyvenv.cfg").exists()
            and not (Path(where) / name / "conda-meta").exists()
        )
        for name in sorted(files):
            if name.endswith((".py", ".ipynb")) and (Path(where) / name).is_file():
                yield Path(where) / name


def _entries(folder: Path) -> Iterable[Path]:
    return folder.iterdir() if folder.is_dir() else ()


def _written(
    name: str, found: str, version: str, draft: _Draft, request: AdoptRequest, context: Context
) -> Adopted:
    from envmgr.envfile.environment_text import WrittenEnvironment

    python = f"python={version}" if version else "python"
    conda, pypi = _divided(draft.lines, request, context)
    if pypi:
        conda.append("pip")
    written = WrittenEnvironment(
        re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or None,
        tuple(context.settings.channels),
        (python, *conda),
        tuple(pypi),
    )
    missing = tuple(draft.missing)
    return Adopted(_heading(missing) + written.yaml_text(), found, missing)


def _divided(lines: list[str], request: AdoptRequest, context: Context) -> tuple[list[str], list[str]]:
    """The lines as conda specs and as lines for pip, by what is preferred."""
    if request.prefer == "pypi" or not lines:
        return [], list(lines)
    from envmgr.models.spec_style import plain_text
    from envmgr.ops.channels import configured_channels, credential_urls, permitted_channels
    from envmgr.ops.python_requirements import prefer_conda
    from envmgr.pypi.resolution import PypiItem

    channels = permitted_channels(configured_channels(context), context)
    items = [PypiItem(line, request.beside) for line in lines if not line.startswith(("-", "."))]
    able = context.with_credentials(credential_urls(context.settings))
    placed = prefer_conda(items, channels, context.settings.subdir, able)
    rest = [line for line in lines if line.startswith(("-", "."))]
    return [plain_text(each.spec) for each in placed.requirements], [
        *rest,
        *(each.text for each in placed.pypi),
    ]


def _heading(missing: Iterable[str]) -> str:
    """Comments that tell what is not in the file."""
    lines = [" ".join(each.split()) for each in missing]
    return "".join(f"# {line}\n" for line in (["What could not be written down:", *lines] if lines else []))
