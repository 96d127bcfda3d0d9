"""Brings what is to be built onto this machine: downloads and unpacks archives, clones repositories."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from envmgr.errors import BuildError, ChannelError, DataError
from envmgr.models.credentials import without_credentials_in_text
from envmgr.pypi.login_file import git_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.ports import Reporter, Runner, Transport
    from envmgr.pypi.resolution import PypiSource

_LARGEST_ARCHIVE_BYTES = 4_000_000_000
_LARGEST_TREE_BYTES = 20_000_000_000
_MOST_MEMBERS = 500_000
_CLONE_SECONDS = 1800.0


class Outside(Struct, frozen=True):
    """The ports and variables that a build needs."""

    runner: Runner
    environ: Mapping[str, str]
    transport: Transport
    reporter: Reporter


def fetch_source(source: PypiSource, place: Path, outside: Outside, written: Sequence[str]) -> Path:
    """The folder of the project of *source*; for all but local folders it is made below *place*.

    *written* are the items as the user wrote them, whose URLs may have the login that a repository needs. Raises
    DataError for a wrong sum or an archive that is none, ChannelError for what does not answer.
    """
    place.mkdir(parents=True)
    if source.kind == "directory":
        assert source.path is not None, "a directory has a path"
        project = source.path
        if not project.is_dir():
            raise BuildError(f"{source.name} is to be built from {project}, which is no folder.")
    elif source.kind == "vcs":
        project = place / "repository"
        _clone(source, project, outside.runner, outside.environ, written)
    else:
        archive = place / (unquote(urlsplit(source.url).path.rpartition("/")[2]) or "source.tar.gz")
        _download(source, archive, outside)
        project = _unpack(archive, place / "tree")
    return project / source.subdirectory if source.subdirectory else project


def _download(source: PypiSource, archive: Path, outside: Outside) -> None:
    digest = hashlib.sha256()
    size = 0
    with outside.transport.open(source.url) as response, archive.open("wb") as file:
        if response.status != 200:
            raise ChannelError(f"{source.url} answered with status {response.status}.")
        for piece in response.iter_bytes():
            size += len(piece)
            if size > _LARGEST_ARCHIVE_BYTES:
                raise DataError(f"{source.url} is larger than {_LARGEST_ARCHIVE_BYTES // 10**9} GB.")
            digest.update(piece)
            file.write(piece)
    if source.sha256 is not None and digest.hexdigest() != source.sha256:
        raise DataError(
            f"{source.url} has the sha256 {digest.hexdigest()}, not {source.sha256} as its index says."
        )


def _unpack(archive: Path, place: Path) -> Path:
    """Unpack an sdist (PEP 625, or an old zip); its one top folder is the project."""
    place.mkdir()
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, place)
        else:
            _untar(archive, place)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise DataError(f"{archive.name} is no source distribution that can be unpacked: {error}.") from None
    entries = list(place.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else place


def _untar(archive: Path, place: Path) -> None:
    total = 0
    with tarfile.open(archive) as tar:
        # Beside our own checks, where this Python has it (3.10.12, 3.11.4); 3.12 and 3.13 warn without one.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        for number, member in enumerate(tar):
            total += member.size
            _check_bounds(number, total)
            _check_name(member.name)
            if member.issym() or member.islnk():
                base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
                _check_name(os.path.normpath(str(base / member.linkname)))
            elif not (member.isfile() or member.isdir()):
                continue
            member.mode = (member.mode | stat.S_IRUSR | stat.S_IWUSR) & 0o755
            if member.isdir():
                member.mode |= 0o700
            _check_parents(place, member.name)
            tar.extract(member, place, set_attrs=not member.isdir())


def _unzip(archive: Path, place: Path) -> None:
    total = 0
    with zipfile.ZipFile(archive) as packed:
        for number, member in enumerate(packed.infolist()):
            total += member.file_size
            _check_bounds(number, total)
            _check_name(member.filename)
            packed.extract(member, place)


def _check_bounds(members: int, total: int) -> None:
    if members > _MOST_MEMBERS or total > _LARGEST_TREE_BYTES:
        raise ValueError("it unpacks to more than a source distribution may hold")


def _check_name(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
        raise ValueError(f"its member {name!r} lies outside of it")


def _check_parents(place: Path, name: str) -> None:
    """No member may be written through a symlink that an earlier one made."""
    path = place
    for part in PurePosixPath(name).parts[:-1]:
        path = path / part
        if path.is_symlink():
            raise ValueError(f"its member {name!r} lies behind a symlink")


def _clone(
    source: PypiSource, project: Path, runner: Runner, environ: Mapping[str, str], written: Sequence[str]
) -> None:
    """Check out the commit that was resolved. A login reaches git by variables, not by its arguments."""
    if source.vcs != "git":
        raise BuildError(f"{source.name} comes from a {source.vcs} repository; only git's can be built.")
    env = {**environ, "GIT_TERMINAL_PROMPT": "0", **git_file(project.parent, written, environ)}
    for words in (
        ["clone", "--quiet", "--no-checkout", source.url, str(project)],
        ["-C", str(project), "checkout", "--quiet", "--detach", str(source.commit)],
        ["-C", str(project), "submodule", "--quiet", "update", "--init", "--recursive"],
    ):
        try:
            finished = runner.run(["git", *words], env=env, timeout_seconds=_CLONE_SECONDS)
        except FileNotFoundError:
            raise BuildError(f"{source.name} is in a git repository, and there is no git on PATH.") from None
        except OSError as error:
            raise ChannelError(f"git could not get {source.url}: {error}.") from None
        if finished.returncode != 0:
            lines = [line for line in finished.stderr.splitlines() if line.strip()]
            reason = without_credentials_in_text(lines[-1] if lines else "")
            raise ChannelError(f"git could not get {source.url} at {source.commit}: {reason}")
