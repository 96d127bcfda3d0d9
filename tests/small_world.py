"""The outside world that building needs, made small: an installer, an archive writer and a runner.

They share no code with the rooms of envmgr that do the same, so a test of the build room tests that room.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import zstandard

from envmgr.build.ports import BuildPorts
from envmgr.errors import SolveError
from envmgr.ports import Finished, FixedClock, RecordingReporter
from tests.builders import File, conda_bytes, tar_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.build.ports import PlacedSpec

NOW = 1_790_000_000.0


class RealRunner:
    """Runs programs; `commands` keeps what was run."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def run(self, command, *, env, cwd=None, timeout_seconds=None) -> Finished:
        self.commands.append(list(command))
        done = subprocess.run(
            command, env=env, cwd=cwd, timeout=timeout_seconds, capture_output=True, text=True, check=False
        )
        return Finished(done.returncode, done.stdout, done.stderr)


class NoNetwork:
    """A transport for builds without url sources."""

    def open(self, url: str, headers=None):
        raise AssertionError(f"unexpected request for {url}")


def write_archive(folder: Path, out_path: Path, *, level: int, mtime: int) -> None:
    """A .conda archive of the package in *folder*."""
    members: dict[bool, dict[str, File]] = {True: {}, False: {}}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink():
            file = File(target=os.readlink(path))
        elif path.is_file():
            file = File(path.read_bytes(), path.stat().st_mode & 0o777)
        else:
            continue
        members[relative.startswith("info/")][relative] = file
    out_path.write_bytes(conda_bytes(out_path.stem, tar_bytes(members[True]), tar_bytes(members[False])))


def read_archive(path: Path) -> dict[str, File]:
    """Every member of a .conda archive by path."""
    members: dict[str, File] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".tar.zst"):
                data = zstandard.ZstdDecompressor().decompressobj().decompress(archive.read(name))
                with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                    for member in tar:
                        content = tar.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
                        members[member.name] = File(content, member.mode, member.linkname or None)
    return members


def read_json(path: Path, name: str) -> Any:
    """The JSON file *name* of the archive at *path*."""
    return json.loads(read_archive(path)[name].data)


class SmallInstaller:
    """Unpacks the named packages and what they depend on (by name alone) from channel folders into prefixes."""

    def __init__(self, cache: Path, channels: list[Path]) -> None:
        self.cache, self.channels = cache, channels
        self.requests: list[tuple[Path, list[PlacedSpec]]] = []

    def __call__(self, prefix: Path, requirements, fresh_channel: Path) -> None:
        self.requests.append((prefix, list(requirements)))
        waiting, done = [each.text.split(" ")[0] for each in requirements], set()
        for each in requirements:
            if self._find(each.text.split(" ")[0], fresh_channel) is None:
                raise SolveError(f"{each.text!r} ({each.file}:{each.line}) cannot be fulfilled.")
        (prefix / "conda-meta").mkdir(parents=True)
        while waiting:
            name = waiting.pop()
            if name in done or name.startswith("__"):
                continue
            done.add(name)
            archive = self._find(name, fresh_channel)
            assert archive is not None, f"no package {name} in {fresh_channel} and {self.channels}"
            waiting += [spec.split(" ")[0] for spec in self._install(archive, prefix)]

    def _find(self, name: str, fresh: Path) -> Path | None:
        for channel in (fresh, *self.channels):
            for archive in sorted(channel.glob(f"*/{name}-*.conda")):
                if archive.name.rsplit("-", 2)[0] == name:
                    return archive
        return None

    def _install(self, archive: Path, prefix: Path) -> list[str]:
        members = read_archive(archive)
        folder = self.cache / archive.stem
        for path, file in members.items():
            if path.startswith("info/"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(file.data)
        index = json.loads(members["info/index.json"].data)
        entries = json.loads(members["info/paths.json"].data)["paths"]
        installed = []
        for entry in entries:
            path = entry["_path"]
            target = (
                path.replace("site-packages/", "lib/python3.11/site-packages/", 1)
                if index.get("noarch") == "python"
                else path
            )
            installed.append(target)
            self._write(members[path], prefix / target, entry, prefix)
        record = {**index, "files": installed, "extracted_package_dir": str(folder), "url": archive.as_uri()}
        (prefix / "conda-meta" / f"{archive.stem}.json").write_text(json.dumps(record))
        return list(index["depends"])

    @staticmethod
    def _write(file: File, target: Path, entry: dict[str, Any], prefix: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.target is not None:
            target.symlink_to(file.target)
            return
        data, old = file.data, entry.get("prefix_placeholder", "").encode()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        if old and entry["file_mode"] == "text":
            data = data.replace(old, os.fsencode(prefix))
        elif old:
            strings = re.compile(re.escape(old) + rb"[^\0]*\0+")
            data = strings.sub(
                lambda m: m[0].rstrip(b"\0").replace(old, os.fsencode(prefix)).ljust(len(m[0]), b"\0"), data
            )
        target.write_bytes(data)
        target.chmod(file.mode)


def make_ports(tmp_path: Path, *, channels: list[Path] | None = None, transport: Any = None) -> BuildPorts:
    """Ports with the real runner, the small installer over *channels*, and a clock that stands still."""
    return BuildPorts(
        runner=RealRunner(),
        transport=transport or NoNetwork(),
        clock=FixedClock(NOW),
        reporter=RecordingReporter(),
        write_archive=write_archive,
        make_environment=SmallInstaller(tmp_path / "cache", channels or []),
    )
