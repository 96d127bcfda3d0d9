"""Which files become the package, under which path, and how they hold the build prefix.

Pure: paths and bytes in, decisions out. `pack` reads the files and writes them.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Literal

from envmgr.build.globs import matches_any, matches_flag
from envmgr.models.package_files import EntryPoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmgr.build.recipe import Build, PrefixDetection

_NEVER = re.compile(
    r"(^|/)__pycache__(/|$)|\.py[co]$|^conda-meta(/|$)|^info(/|$)|\.dist-info/(direct_url\.json|REQUESTED)$|(^|/)\.DS_Store$"
)
_SITE_PACKAGES = re.compile(r"lib/python[0-9]+\.[0-9]+t?/site-packages/(?P<rest>.+)\Z")
# The second form is what installers write where the interpreter's path is too long for a first line.
_PYTHON_SHEBANG = re.compile(
    rb"#!(?P<direct>[^\n]*python[0-9.]*)[^\n]*\n|#!/bin/sh\n'''exec' (?P<long>[^\n]*python[0-9.]*)[^\n]*\n' '''\n"
)


def select_files(before: Iterable[str], after: Iterable[str], build: Build) -> tuple[str, ...]:
    """The paths (relative to the prefix) that the package takes, sorted.

    Taken are paths that were not there before the script, and those that ``always_include_files`` names;
    then ``build.files`` is applied. Bytecode and installer's notes are never taken.
    """
    old = set(before)
    new = (path for path in after if path not in old or matches_any(path, build.always_include))
    wanted = (
        path
        for path in new
        if matches_any(path, build.files.include) and not matches_any(path, build.files.exclude)
    )
    return tuple(sorted(path for path in wanted if not _NEVER.search(path)))


def package_path(path: str, build: Build) -> str | None:
    """Where *path* of the prefix stands in the package; None for a script that the client makes itself.

    Only ``noarch: python`` (and CEP 20's version-independent) packages move files: to ``site-packages/`` and
    ``python-scripts/``.
    """
    if not build.is_python_noarch:
        return path
    site = _SITE_PACKAGES.match(path)
    if site:
        return f"site-packages/{site['rest']}"
    if path.startswith("bin/"):
        commands = {EntryPoint.parse(point).command for point in build.entry_points}
        return None if path[4:] in commands else f"python-scripts/{path[4:]}"
    return path


def compiled_path(path: str, cache_tag: str) -> str:
    """Where Python keeps the bytecode of the source file *path*; *cache_tag* is such as ``cpython-311``."""
    folder, name = posixpath.split(path)
    return posixpath.join(folder, "__pycache__", f"{name.removesuffix('.py')}.{cache_tag}.pyc")


def needs_bytecode(path: str, build: Build) -> bool:
    """Whether *path* is a module of a package for one Python version, whose bytecode is shipped with it."""
    module = path.endswith(".py") and re.match(r"lib/python[0-9]+\.[0-9]+t?/", path) is not None
    return (
        module
        and build.noarch is None
        and not build.version_independent
        and not matches_any(path, build.skip_pyc)
    )


def placeholder_mode(
    path: str, *, is_binary: bool, detection: PrefixDetection
) -> Literal["text", "binary"] | None:
    """How the build prefix in the file *path* is replaced at installation; None where it must stay."""
    if matches_flag(path, detection.ignore):
        return None
    if matches_any(path, detection.text):
        return "text"
    if is_binary or matches_any(path, detection.binary):
        return None if detection.ignore_binary_files else "binary"
    return "text"


def relative_link(path: str, target: str, prefix: str) -> str | None:
    """The target of the symlink *path* made relative; None where it leaves the prefix.

    >>> relative_link("bin/x", "/p/lib/x", "/p"), relative_link("bin/x", "/usr/x", "/p")
    ('../lib/x', None)
    """
    folder = posixpath.dirname(path)
    if target.startswith("/"):
        inner = posixpath.relpath(target, prefix)
        resolved, relative = inner, posixpath.relpath(f"/{inner}", f"/{folder}")
    else:
        resolved, relative = posixpath.normpath(posixpath.join(folder, target)), target
    return None if resolved == ".." or resolved.startswith("../") else relative


def with_python_shebang(content: bytes, prefix: str, *, everywhere: bool) -> bytes:
    """*content*, where a start that calls the Python of *prefix* does so in one plain line.

    With *everywhere* any Python is replaced: for scripts that some other interpreter installed.
    """
    match = _PYTHON_SHEBANG.match(content)
    if match is None or not (everywhere or f"{prefix}/bin/".encode() in match[0]):
        return content
    return f"#!{prefix}/bin/python\n".encode() + content[match.end() :]


def entry_point_script(point: EntryPoint, prefix: str) -> bytes:
    """The script in ``bin/`` that calls *point*, for packages that are not noarch."""
    root = point.function.split(".")[0]
    lines = [f"#!{prefix}/bin/python", "import sys", "", f"from {point.module} import {root}", ""]
    lines += ['if __name__ == "__main__":', f"    sys.exit({point.function}())", ""]
    return "\n".join(lines).encode()
