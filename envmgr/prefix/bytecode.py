"""Compiles the Python files of noarch packages, once per package and Python, and links the result.

The prefix's own interpreter compiles what is missing, in one process, with paths relative to the prefix; so
the files suit every prefix and are kept in a cache folder beside the packages. All of it only saves work
later: failures are reported in one warning, and never stop a creation.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.prefix.link import copy_or_link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.ports import Reporter, Runner
    from envmgr.prefix.placing import LinkMode
    from envmgr.prefix.plan import PackageLink, PrefixPlan

_TIMEOUT_SECONDS = 1800.0
_NOT_COMPILED = "Python files are not compiled ahead, because the environment's Python"

# Runs in the prefix's interpreter, which may be any Python from 2.7 on; prints nothing.
_PROGRAM = """\
import json, os, py_compile, sys
with open(sys.argv[1]) as file:
    job = json.load(file)
tag = getattr(getattr(sys, "implementation", None), "cache_tag", "") or ""
options = {}
if hasattr(py_compile, "PycInvalidationMode"):
    options["invalidation_mode"] = py_compile.PycInvalidationMode.TIMESTAMP
for source, target in (job["files"] if tag == job["tag"] else []):
    try:
        folder = os.path.dirname(target)
        if folder and not os.path.isdir(folder):
            os.makedirs(folder)
        py_compile.compile(source, target, source, True, **options)
    except Exception:
        pass  # Python compiles it again when it is imported.
"""


class Compiler(Struct, frozen=True):
    """Brings bytecode into *root*, where the plan's files are; the folders *caches* are looked through for it.

    The first of them that can be written keeps what is new.
    Where the plan brings no Python, that of the prefix *home* compiles.
    Files are shared with a cache, unless *mode* is "copy".
    """

    plan: PrefixPlan
    root: str
    runner: Runner
    reporter: Reporter
    environ: Mapping[str, str]
    caches: Sequence[Path]
    home: str = ""
    mode: LinkMode = "auto"

    def compile(self) -> dict[str, tuple[str, ...]]:
        """Put all bytecode files in place; those that exist afterwards, by ``name-version-build``."""
        wanted = [link for link in self.plan.link if link.bytecode]
        cached = {link.name for link in wanted if self._link_cached(link)}
        files = [
            (link.targets[index], path)
            for link in wanted
            for index, path in link.bytecode
            if link.name not in cached or _is_patched(link, index)
        ]
        if files and self._run(files):
            for link in wanted:
                if link.name not in cached:
                    self._keep(link)
        return {link.name: tuple(path for _, path in link.bytecode if self._exists(path)) for link in wanted}

    def _exists(self, path: str) -> bool:
        return os.path.exists(f"{self.root}/{path}")

    def _link_cached(self, link: PackageLink) -> bool:
        name = self._cached_name(link)
        folder = next((cache / name for cache in self.caches if name and (cache / name).is_dir()), None)
        if folder is None:
            return False
        kept = set(os.listdir(folder))
        pairs = [
            (f"{folder}/{index}.pyc", f"{self.root}/{path}")
            for index, path in link.bytecode
            if f"{index}.pyc" in kept and not _is_patched(link, index)
        ]
        for parent in {os.path.dirname(path) for _, path in pairs}:
            os.makedirs(parent, exist_ok=True)
        copy_or_link(pairs, self.mode)
        return True

    def _run(self, files: Sequence[tuple[str, str]]) -> bool:
        """Compile the *files*, as (source, bytecode) in the root; whether the interpreter came to its end."""
        layout = self.plan.python
        python = self._python()
        if layout is None or not python:
            return False
        import json

        job = f"{self.root}/conda-meta/.envmgr-compile"
        with open(job, "w", encoding="utf-8") as file:
            json.dump({"tag": layout.cache_tag, "files": files}, file)
        isolated = ["-E", "-s", "-S"] if layout.version.startswith("2") else ["-I", "-S"]
        command = [python, *isolated, "-W", "ignore", "-c", _PROGRAM, job]
        try:
            finished = self.runner.run(
                command, env=dict(self.environ), cwd=Path(self.root), timeout_seconds=_TIMEOUT_SECONDS
            )
        except OSError as error:
            self.reporter.warned(f"{_NOT_COMPILED} does not start ({error}).")
            return False
        finally:
            os.unlink(job)
        if finished.returncode != 0:
            reason = (finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"])[-1]
            self.reporter.warned(f"{_NOT_COMPILED} failed ({reason}).")
        return finished.returncode == 0

    def _python(self) -> str:
        """The interpreter that compiles; "" for none."""
        layout = self.plan.python
        places = [f"{folder}/{layout.executable}" for folder in (self.root, self.home) if layout and folder]
        return next((place for place in places if os.path.exists(place)), "")

    def _keep(self, link: PackageLink) -> None:
        """Link what was compiled into a cache; one that cannot be written is passed over."""
        name = self._cached_name(link)
        if name is not None:
            any(self._keep_in(cache, cache / name, link) for cache in self.caches)

    def _keep_in(self, cache: Path, folder: Path, link: PackageLink) -> bool:
        import shutil

        aside = folder.with_name(f".{folder.name}.{os.getpid()}-{os.urandom(4).hex()}")
        try:
            if not aside.parent.is_dir():
                # All who may write to the cache share it, whatever the umask of the first.
                aside.parent.mkdir(parents=True, exist_ok=True)
                aside.parent.chmod(stat.S_IMODE(cache.stat().st_mode))
            aside.mkdir()
        except OSError:
            return False
        try:
            copy_or_link(
                [
                    (f"{self.root}/{path}", f"{aside}/{index}.pyc")
                    for index, path in link.bytecode
                    if not _is_patched(link, index) and self._exists(path)
                ],
                self.mode,
            )
            aside.rename(folder)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
        return True

    def _cached_name(self, link: PackageLink) -> str | None:
        """Where the package's bytecode lies in a cache, that of patched files aside; None where none is kept."""
        layout = self.plan.python
        if layout is None or not layout.cache_tag:
            return None
        if all(_is_patched(link, index) for index, _ in link.bytecode):
            return None
        record = link.package.record
        try:
            moment = os.stat(link.package.folder / "info" / "index.json").st_mtime_ns
        except OSError:
            return None
        identity = [record.sha256 or record.md5 or record.url, layout.site_packages, str(moment)]
        digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:24]
        name = record.fn.removesuffix(".whl") if record.is_pypi else record.dist_name
        return f"{layout.cache_tag}/{name}-{digest}"


def _is_patched(link: PackageLink, index: int) -> bool:
    """Whether the source differs from prefix to prefix, and so its bytecode."""
    return link.package.files.paths[index].placeholder is not None
