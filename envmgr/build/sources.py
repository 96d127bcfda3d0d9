"""Brings the sources of a recipe into the work folder: downloads, local paths, git repositories, patches.

Downloads are kept in a cache by checksum, so a second build needs no network. Archives are unpacked without
their single top folder; a member that would leave the folder is an error.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from envmgr.errors import BuildError, ChannelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envmgr.build.recipe import Source
    from envmgr.ports import Runner, Transport

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst")
_CHUNK = 1 << 20


class SourceFetcher:
    """Fetches sources for recipes of one folder; *environ* is what git and patch run with."""

    def __init__(self, transport: Transport, runner: Runner, cache: Path, environ: Mapping[str, str]) -> None:
        self._transport, self._runner, self._cache, self._environ = transport, runner, cache, environ

    def fetch(self, sources: Sequence[Source], recipe_dir: Path, work: Path) -> None:
        """Put *sources* into the folder *work*, in order. Raises BuildError naming the source's place."""
        work.mkdir(parents=True, exist_ok=True)
        for source in sources:
            target = _inside(work, source.target_directory or ".", source)
            target.mkdir(parents=True, exist_ok=True)
            if source.git is not None:
                self._clone(source, recipe_dir, target)
            else:
                self._place(source, recipe_dir, target)
            for patch in source.patches:
                self._apply_patch(source, recipe_dir / patch, target)

    def _place(self, source: Source, recipe_dir: Path, target: Path) -> None:
        if source.urls:
            path = self._download(source)
            name = PurePosixPath(source.urls[0].partition("#")[0].partition("?")[0]).name
        else:
            path = recipe_dir / (source.path or "")
            name = path.name
            if not path.exists():
                source.place.fail(f"there is no source {source.path!r} (looked for {path}).")
        if path.is_dir():
            self._copy_folder(path, target, use_gitignore=source.use_gitignore)
            return
        if not source.urls:
            _check_sums(path, source)
        if source.file_name is None and _is_archive(name):
            _unpack(path, name, target, source)
        else:
            shutil.copy2(path, _inside(target, source.file_name or name, source))

    def _download(self, source: Source) -> Path:
        """The cached file of a URL source; tries the mirrors in order."""
        kept = self._cache / f"{source.sha256 or source.md5}"
        if kept.exists():
            _check_sums(kept, source)
            return kept
        self._cache.mkdir(parents=True, exist_ok=True)
        problems = []
        for url in source.urls:
            try:
                return self._download_from(url, kept, source)
            except ChannelError as error:
                problems.append(str(error))
        return source.place.fail(f"the source could not be downloaded: {' '.join(problems)}")

    def _download_from(self, url: str, kept: Path, source: Source) -> Path:
        handle, name = tempfile.mkstemp(dir=self._cache, prefix=".download-")
        aside = Path(name)
        try:
            with os.fdopen(handle, "wb") as out, self._transport.open(url) as response:
                if response.status != 200:
                    raise ChannelError(f"{response.url} answered with status {response.status}.")
                for chunk in response.iter_bytes():
                    out.write(chunk)
            _check_sums(aside, source)
            aside.replace(kept)
        finally:
            aside.unlink(missing_ok=True)
        return kept

    def _copy_folder(self, folder: Path, target: Path, *, use_gitignore: bool) -> None:
        listed = self._git_files(folder) if use_gitignore else None
        if listed is None:
            shutil.copytree(
                folder, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git")
            )
            return
        for name in listed:
            origin, copy = folder / name, target / name
            if origin.is_symlink() or origin.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(origin, copy, follow_symlinks=False)

    def _git_files(self, folder: Path) -> list[str] | None:
        """What git does not ignore below *folder*; None where it is no work tree or git is missing."""
        command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        try:
            done = self._runner.run(command, env=self._environ)
        except OSError:
            return None
        return [name for name in done.stdout.split("\0") if name] if done.returncode == 0 else None

    def _clone(self, source: Source, recipe_dir: Path, target: Path) -> None:
        url = source.git or ""
        local = recipe_dir / url
        origin = str(local) if "://" not in url and local.exists() else url
        depth = ["--depth", str(source.depth)] if source.depth is not None and source.depth > 0 else []
        branch = ["--branch", source.revision] if depth and source.revision else []
        self._git(["clone", "--quiet", *depth, *branch, "--", origin, str(target)], source)
        if source.revision and not branch:
            self._git(["-C", str(target), "checkout", "--quiet", "--detach", source.revision], source)
        self._git(["-C", str(target), "submodule", "update", "--quiet", "--init", "--recursive"], source)

    def _git(self, arguments: list[str], source: Source) -> None:
        try:
            done = self._runner.run(["git", *arguments], env=self._environ)
        except OSError as error:
            source.place.fail(f"git cannot be started: {error.strerror}.")
        if done.returncode != 0:
            source.place.fail(f"git could not bring the source: {_last_line(done.stderr)}")

    def _apply_patch(self, source: Source, patch: Path, target: Path) -> None:
        if not patch.is_file():
            source.place.fail(f"there is no patch {patch}.")
        command = ["patch", "-p1", "--batch", "--forward", "-i", str(patch.resolve())]
        try:
            done = self._runner.run(command, env=self._environ, cwd=target)
        except OSError as error:
            source.place.fail(f"the program patch cannot be started: {error.strerror}.")
        if done.returncode != 0:
            source.place.fail(
                f"the patch {patch.name} does not apply: {_last_line(done.stdout + done.stderr)}"
            )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing."


def _inside(folder: Path, name: str, source: Source) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        source.place.fail(f"{name!r} would leave the work folder.")
    return folder / path


def _check_sums(path: Path, source: Source) -> None:
    """Compare *path* with the checksums of the recipe."""
    for algorithm, wanted in (("sha256", source.sha256), ("md5", source.md5)):
        if wanted is None:
            continue
        found = file_digest(path, algorithm)
        if found != wanted:
            what = source.urls[0] if source.urls else source.path
            source.place.fail(f"{what} has the {algorithm} {found}, expected {wanted}.")


def file_digest(path: Path, algorithm: str) -> str:
    """The hexadecimal digest of the file *path*."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _is_archive(name: str) -> bool:
    return name.lower().endswith((*_TAR_SUFFIXES, ".zip"))


def _unpack(archive: Path, name: str, target: Path, source: Source) -> None:
    """Unpack into *target*, leaving out a single top folder."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack-") as aside:
        try:
            if name.lower().endswith(".zip"):
                _unzip(archive, Path(aside))
            else:
                _untar(archive, name, Path(aside))
        except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
            source.place.fail(f"the archive {name} cannot be unpacked: {error}.")
        inside = list(Path(aside).iterdir())
        root = (
            inside[0]
            if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink()
            else Path(aside)
        )
        for member in _sorted(root):
            destination = target / member.name
            if member.is_dir() and destination.is_dir():
                shutil.copytree(member, destination, symlinks=True, dirs_exist_ok=True)
            else:
                member.replace(destination)


def _sorted(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.iterdir())


def _untar(archive: Path, name: str, target: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise BuildError("this Python's tarfile has no extraction filters; use 3.10.12, 3.11.4 or newer.")
    with archive.open("rb") as raw:
        if name.lower().endswith(".zst"):
            import zstandard

            stream = zstandard.ZstdDecompressor().stream_reader(raw)
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                tar.extractall(target, filter="data")
            return
        with tarfile.open(fileobj=raw, mode="r:*") as tar:
            tar.extractall(target, filter="data")


def _unzip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            path = PurePosixPath(member.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"the member {member.filename!r} would leave the folder")
            packed.extract(member, target)
            mode = member.external_attr >> 16
            if mode & 0o111 and not member.is_dir():
                (target / path).chmod(0o755)
