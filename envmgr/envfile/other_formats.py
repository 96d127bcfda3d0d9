"""Tells files apart that are given for an environment file, by their name and content. Pure.

What it holds is either read all the same (`FileKind`), where nothing can be mistaken, or refused with the command
that makes a file of it that can be read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from envmgr.envfile.explicit import is_explicit
from envmgr.errors import DataError
from envmgr.models.yaml_problem import refuse_merge_markers

if TYPE_CHECKING:
    from collections.abc import Callable

FileKind = Literal[
    "explicit", "environment", "specs", "requirements", "pyproject", "script", "setup.cfg", "pixi", "Pipfile",
    "Pipfile.lock", "poetry.lock", "uv.lock", "DESCRIPTION", "renv.lock", "lock", "pylock",
]  # fmt: skip

_KINDS_BY_NAME: Final[dict[str, FileKind]] = {
    "poetry.lock": "poetry.lock",
    "uv.lock": "uv.lock",
    "setup.cfg": "setup.cfg",
    "pipfile": "Pipfile",
    "pipfile.lock": "Pipfile.lock",
    "renv.lock": "renv.lock",
    "pixi.toml": "pixi",
    "pyproject.toml": "pyproject",
}
_SPEC_LINE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\s*([=<>!~].*)?(\s+#.*)?")
_TABLE_HEAD: Final = re.compile(r"^#\s*Name\s+Version\s+Build", re.MULTILINE)
_KEY: Final = re.compile(r"^([A-Za-z_]+):", re.MULTILINE)
_SECTION: Final = re.compile(
    r"^[ \t]*\[{1,2}[ \t]*([A-Za-z0-9_.\"-]+)[ \t]*\]{1,2}[ \t]*(?:#.*)?$", re.MULTILINE
)
_PYLOCK_NAME: Final = re.compile(r"pylock(\.[^.]+)?\.toml")
_PYLOCK: Final = re.compile(r"""^lock-version\s*=\s*["']""", re.MULTILINE)
_DOCKER: Final = re.compile(r"\s*(#.*\n\s*)*FROM\s+\S+", re.IGNORECASE)
_SCRIPT: Final = re.compile(r"^# /// script\s*$", re.MULTILINE)
_JSON_KEY: Final = re.compile(r'[{,]\s{0,1000}"([^"]{1,100})"\s{0,1000}:')
_ONLY_PIP: Final = re.compile(
    r"-{1,2}[A-Za-z]|[A-Za-z0-9._-]+\s*\[[A-Za-z0-9._,\s-]*\]|[^#]*;\s*(?:\(+\s*)?[a-z'\"]|[A-Za-z0-9._-][^=]*\s@\s"
    r"|(git|hg|svn|bzr)\+|\.{0,2}/|https?://(?!\S*(\.conda|\.tar\.bz2|::))|[^#]*===|[^#\s]*\.whl\b|[^#]*\s--hash"
)
_FROM_PIP: Final = re.compile(r"^#.*\b(pip-compile|uv (pip compile|export))\b", re.MULTILINE)
_ONLY_CONDA: Final = re.compile(
    r"[A-Za-z0-9_.-]+\s*=(?![=<>~])|[^#;]*\[[a-z_]+\s*=|[^#\s]+::|[A-Za-z0-9_.-]+\s+[0-9*]|[^#]*\.(conda|tar\.bz2)(#|$)|[^#;]*[0-9*]\|"
)


def kind_of_file(text: str, file: str) -> FileKind:
    """How *text*, the content of *file*, is to be read: ``@EXPLICIT`` first, then by its name, then by its lines.

    Raises DataError for a file of another tool that is not read, with what to do about it.
    """
    if is_explicit(text):
        return "explicit"
    base = re.split(r"[/\\]", file)[-1].lower()
    if _looks_like_lock(text) or _is_named_as_lock(base):
        return "lock"
    if _PYLOCK.search(text[: _first_section(text)]) or _PYLOCK_NAME.fullmatch(base):
        return "pylock"
    named = base.endswith((".yml", ".yaml", ".json"))  # JSON is YAML, and what `export --json` writes.
    project = _kind_of_project(text, base)
    if project is not None:
        return project
    for looks, what, hint in _OTHERS:
        if looks(text, named):
            raise DataError(
                f"{file} is {what}, and no environment file or list of specs.", hint=hint, file=file
            )
    if named and not _holds_specs(text):
        return "environment"
    if not named and _looks_like_environment(text):
        return "environment"
    return "specs" if named else _kind_of_list(text, file, base)


def _kind_of_project(text: str, base: str) -> FileKind | None:
    """A file of a project, by its name, or by the sections and keys that no other format has."""
    if base == "description" or (
        {"Package", "Version"} <= _keys(text) and {"Imports", "Depends"} & _keys(text)
    ):
        return "DESCRIPTION"
    if text.lstrip("\ufeff \t\r\n").startswith("{") and base.endswith((".lock", ".json")):
        keys = set(_JSON_KEY.findall(text[:100_000]))
        if {"_meta", "default"} <= keys or base == "pipfile.lock":
            return "Pipfile.lock"
        return "renv.lock" if {"R", "Packages"} <= keys or base == "renv.lock" else None
    if base.endswith(".py") or (_SCRIPT.search(text) and "\n# ///" in text):
        return "script"
    if base.endswith((".yml", ".yaml", ".json", ".txt", ".in")):
        return None
    named = _KINDS_BY_NAME.get(base)
    return named or _kind_of_sections(_sections(text), text, is_cfg=base.endswith(".cfg"))


def _kind_of_sections(sections: set[str], text: str, *, is_cfg: bool) -> FileKind | None:
    if "package" in sections:
        return "poetry.lock" if "content-hash" in text else "uv.lock" if "requires-python" in text else None
    if is_cfg:
        return "setup.cfg" if {"options", "metadata"} & sections else None
    if {"packages", "dev-packages", "requires"} & sections:
        return None if "lock-version" in text else "Pipfile"
    if {"project", "build-system", "dependency-groups"} & sections and "dependencies" not in sections:
        return "pyproject"
    if {"workspace", "dependencies", "pypi-dependencies"} & sections:
        return "pixi"
    return "pyproject" if any(each.startswith("tool.") for each in sections) else None


def _kind_of_list(text: str, file: str, base: str) -> FileKind:
    """Whether lines are pip's or conda's: by a line that only one of them reads, then by the file's name."""
    pip, conda = _first_of(text, _ONLY_PIP, _ONLY_CONDA), _first_of(text, _ONLY_CONDA, _ONLY_PIP)
    if pip and conda:
        refuse_merge_markers(text, file=file)
        hint = "Give pip's lines in a file of their own; -f may be repeated."
        raise DataError(
            f"{file} has a line that only pip reads ({pip}) and one that only conda reads ({conda}).",
            hint=hint,
            file=file,
        )
    is_named = base.startswith(("requirements", "constraints")) or base.endswith((".in", "requirements.txt"))
    is_named = is_named or re.search(r"(?i)(^|[/\\])requirements[/\\][^/\\]*$", file) is not None
    is_named = is_named or _FROM_PIP.search(text[:1000]) is not None
    return "requirements" if pip or (is_named and not conda and not _from_conda(text)) else "specs"


def _first_of(text: str, wanted: re.Pattern[str], other: re.Pattern[str]) -> int:
    """The number of the first line that only *wanted* fits; 0 for none."""
    is_joined = False
    for number, line in enumerate(text.splitlines(), 1):
        body = line.strip()[:2000]
        joined, is_joined = is_joined, body.endswith("\\")
        if not joined and body and not body.startswith("#") and wanted.match(body) and not other.match(body):
            return number
    return 0


def _from_conda(text: str) -> bool:
    return text.startswith("# This file may be used to create an environment") or "# platform:" in text


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


def _is_named_as_lock(base: str) -> bool:
    """Whether it is called as CEP 37 has conda-lock.yml called, or as pixi calls its lock."""
    return base == "pixi.lock" or ("conda-lock" in base and base.endswith((".yml", ".yaml")))


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
