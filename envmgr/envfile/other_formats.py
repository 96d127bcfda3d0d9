"""Recognizes files that are given for an environment file and are something else, by their content and name. Pure.

What it holds is either read all the same (`FileKind`), where nothing can be mistaken, or refused with the command
that makes a file of it that can be read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from envmgr.envfile.explicit import is_explicit
from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

FileKind = Literal["explicit", "environment", "specs", "lock", "pylock"]

_SPEC_LINE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\s*([=<>!~].*)?(\s+#.*)?")
_TABLE_HEAD: Final = re.compile(r"^#\s*Name\s+Version\s+Build", re.MULTILINE)
_KEY: Final = re.compile(r"^([A-Za-z_]+):", re.MULTILINE)
_SECTION: Final = re.compile(r"^\s*\[+([A-Za-z_.-]+)\]+\s*$", re.MULTILINE)
_PYLOCK: Final = re.compile(r"""^lock-version\s*=\s*["']""", re.MULTILINE)
_DOCKER: Final = re.compile(r"\s*(#.*\n\s*)*FROM\s+\S+", re.IGNORECASE)


def kind_of_file(text: str, file: str) -> FileKind:
    """How *text*, the content of *file*, is to be read: ``@EXPLICIT`` first, then by its name, then by its lines.

    Raises DataError for a file of another tool, with what to do about it.
    """
    if is_explicit(text):
        return "explicit"
    if _looks_like_lock(text):
        return "lock"
    if _PYLOCK.search(text[: _first_section(text)]):
        return "pylock"
    named = file.lower().endswith(
        (".yml", ".yaml", ".json")
    )  # JSON is YAML, and what `export --json` writes.
    for looks, what, hint in _OTHERS:
        if looks(text, named):
            raise DataError(
                f"{file} is {what}, and no environment file or list of specs.", hint=hint, file=file
            )
    if named and not _holds_specs(text):
        return "environment"
    if not named and _looks_like_environment(text):
        return "environment"
    return "specs"


def _holds_specs(text: str) -> bool:
    """Whether every line is one spec or a comment, which no environment file is."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return bool(lines) and all(_SPEC_LINE.fullmatch(line) for line in lines)


def _looks_like_environment(text: str) -> bool:
    return "dependencies" in _keys(text) and not _SECTION.search(text)


def _looks_like_lock(text: str) -> bool:
    """Whether it has the keys of conda-lock.yml (CEP 37) or of pixi.lock, of any version."""
    keys = _keys(text)
    return {"metadata", "package"} <= keys or {"environments", "packages"} <= keys


def _first_section(text: str) -> int:
    """Where the first section begins: other locks have such a key later on."""
    found = _SECTION.search(text)
    return found.start() if found else len(text)


def _keys(text: str) -> set[str]:
    return set(_KEY.findall(text))


def _sections(text: str) -> set[str]:
    return set(_SECTION.findall(text))


_OTHERS: Final[tuple[tuple[Callable[[str, bool], bool], str, str | None], ...]] = (
    (
        lambda text, _: bool(_TABLE_HEAD.search(text)),
        "what `list` shows of an environment",
        "Make it with `envmgr list --export` (or conda list --export) instead.",
    ),
    (
        lambda text, named: not named and bool({"project", "build-system", "tool.poetry"} & _sections(text)),
        "the manifest of a Python project",
        "Write its dependencies into an environment.yml, those that conda lacks below `- pip:`.",
    ),
    (
        lambda text, named: not named and bool({"packages", "dev-packages", "requires"} & _sections(text)),
        "a manifest for pipenv",
        "Make a list with `pipenv requirements` and write it below `- pip:` in an environment.yml.",
    ),
    (
        lambda text, named: not named and bool({"workspace", "dependencies", "tool.pixi"} & _sections(text)),
        "a pixi manifest",
        "Make an environment.yml with `pixi project export conda-environment`.",
    ),
    (
        lambda text, _: {"package", "requirements"} <= _keys(text) or {"recipe", "outputs"} <= _keys(text),
        "a recipe",
        "envmgr build makes a package of it; envmgr create -c local brings that in.",
    ),
    (
        lambda text, _: text.lstrip()[:1] == "{" and "dependencies" not in text,
        "JSON",
        "Make an environment.yml with `conda env export` without --json.",
    ),
    (
        lambda text, named: not named and bool(_DOCKER.match(text)),
        "a recipe for container images",
        None,
    ),
)  # fmt: skip
