"""Makes real packages and channels for tests, with nothing but the standard library and zstandard.

It shares no code with envmgr, so that reading what it writes is a test of envmgr and not of itself.

>>> make_channel(folder, [pkg("a", "1.0", depends=["b >=2"], files={"bin/a": script("echo a")}), pkg("b", "2.1")])
"""

from __future__ import annotations

import base64
import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class File:
    """One member of a package: bytes with a mode, or a symlink where *target* is set."""

    data: bytes = b""
    mode: int = 0o644
    target: str | None = None
    placeholder: str | None = None
    file_mode: str = "text"
    no_link: bool = False


def script(text: str) -> File:
    """An executable shell script."""
    return File(f"#!/bin/sh\n{text}\n".encode(), 0o755)


def link(target: str) -> File:
    """A symlink to *target*."""
    return File(target=target)


@dataclass(frozen=True)
class Pkg:
    """A package to be written; `index` overrides or adds keys of index.json, `info` adds files below info/."""

    name: str
    version: str
    build: str
    files: dict[str, File]
    index: dict[str, Any]
    subdir: str = "linux-64"
    extension: str = ".conda"
    entry_points: tuple[str, ...] = ()
    info: dict[str, bytes] = field(default_factory=dict)
    paths_json: bool = True

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-{self.build}{self.extension}"


def pkg(name: str, version: str = "1.0", build: str = "0", **options: Any) -> Pkg:
    """A package; options are the fields of Pkg, and any other key goes into index.json (depends, noarch ...).

    Values of `files` may be str or bytes instead of File.
    """
    files = {
        path: value if isinstance(value, File) else File(value.encode() if isinstance(value, str) else value)
        for path, value in options.pop("files", {}).items()
    }
    own = {
        key: options.pop(key) for key in ("extension", "entry_points", "info", "paths_json") if key in options
    }
    noarch = options.get("noarch")
    subdir = options.pop("subdir", "noarch" if noarch else "linux-64")
    return Pkg(name, version, build, files, options, subdir=subdir, **own)


def index_json(package: Pkg) -> dict[str, Any]:
    """The package's info/index.json as a dictionary."""
    number = package.build.rsplit("_", 1)[-1]
    base = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": int(number) if number.isdigit() else 0,
        "depends": [],
        "constrains": [],
        "subdir": package.subdir,
        "timestamp": 1_700_000_000_000,
    }
    return {**base, **package.index}


def paths_entries(package: Pkg) -> list[dict[str, Any]]:
    """The package's path entries (CEP 34)."""
    entries = []
    for path, file in package.files.items():
        content = file.data
        if file.target is not None and not file.target.startswith("/"):
            parts: list[str] = []
            for part in [*path.split("/")[:-1], *file.target.split("/")]:
                parts = parts[:-1] if part == ".." else ([*parts, part] if part != "." else parts)
            target = package.files.get("/".join(parts))
            content = target.data if target else b""
        entry: dict[str, Any] = {
            "_path": path,
            "path_type": "softlink" if file.target is not None else "hardlink",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_in_bytes": len(content),
        }
        if file.placeholder:
            entry |= {"prefix_placeholder": file.placeholder, "file_mode": file.file_mode}
        if file.no_link:
            entry["no_link"] = True
        entries.append(entry)
    return entries


def _info_files(package: Pkg) -> dict[str, File]:
    info = {"info/index.json": json.dumps(index_json(package)).encode()}
    if package.paths_json:
        paths = {"paths_version": 1, "paths": paths_entries(package)}
        info["info/paths.json"] = json.dumps(paths).encode()
    info["info/files"] = "".join(f"{path}\n" for path in package.files).encode()
    noarch = package.index.get("noarch")
    if noarch:
        details: dict[str, Any] = {"type": noarch}
        if package.entry_points:
            details["entry_points"] = list(package.entry_points)
        info["info/link.json"] = json.dumps({"noarch": details, "package_metadata_version": 1}).encode()
    return {path: File(data) for path, data in {**info, **package.info}.items()}


def tar_bytes(files: dict[str, File]) -> bytes:
    """An uncompressed tar of *files*."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, file in files.items():
            member = tarfile.TarInfo(path)
            member.mode = file.mode
            if file.target is not None:
                member.type, member.linkname = tarfile.SYMTYPE, file.target
                tar.addfile(member)
            else:
                member.size = len(file.data)
                tar.addfile(member, io.BytesIO(file.data))
    return out.getvalue()


def archive_bytes(package: Pkg) -> bytes:
    """The package as a .conda or .tar.bz2 archive (CEP 35)."""
    info = _info_files(package)
    if package.extension == ".tar.bz2":
        return bz2.compress(tar_bytes({**package.files, **info}))
    stem = f"{package.name}-{package.version}-{package.build}"
    return conda_bytes(stem, tar_bytes(info), tar_bytes(package.files))


def conda_bytes(stem: str, info_tar: bytes, pkg_tar: bytes) -> bytes:
    """A .conda archive around two uncompressed tars."""
    compress = zstandard.ZstdCompressor(level=3).compress
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        archive.writestr(f"pkg-{stem}.tar.zst", compress(pkg_tar))
        archive.writestr(f"info-{stem}.tar.zst", compress(info_tar))
    return out.getvalue()


def repodata_entry(package: Pkg, archive: bytes) -> dict[str, Any]:
    """The package's record in repodata.json (CEP 36)."""
    sums = {"md5": hashlib.md5(archive).hexdigest(), "sha256": hashlib.sha256(archive).hexdigest()}
    return {**index_json(package), **sums, "size": len(archive)}


def make_channel(folder: Path, packages: list[Pkg], *, zst: bool = False) -> Path:
    """Write *packages* and their repodata.json (and .zst) below *folder*; noarch/ is always there (CEP 26)."""
    subdirs: dict[str, list[Pkg]] = {"noarch": []}
    for package in packages:
        subdirs.setdefault(package.subdir, []).append(package)
    for subdir, members in subdirs.items():
        (folder / subdir).mkdir(parents=True, exist_ok=True)
        repodata: dict[str, Any] = {
            "info": {"subdir": subdir},
            "packages": {},
            "packages.conda": {},
            "repodata_version": 1,
        }
        for package in members:
            archive = archive_bytes(package)
            (folder / subdir / package.file_name).write_bytes(archive)
            section = "packages.conda" if package.extension == ".conda" else "packages"
            repodata[section][package.file_name] = repodata_entry(package, archive)
        text = json.dumps(repodata, indent=1).encode()
        (folder / subdir / "repodata.json").write_bytes(text)
        if zst:
            (folder / subdir / "repodata.json.zst").write_bytes(zstandard.ZstdCompressor().compress(text))
    return folder


@dataclass(frozen=True)
class Whl:
    """A wheel to be written (PyPA "Binary distribution format").

    *files* are relative to site-packages, *data* to the wheel's ``.data`` folder (``scripts/x``, ``headers/y.h``).
    *members* come as they are and are in no RECORD; *record* replaces lines of RECORD, None leaves one out.
    """

    name: str
    version: str
    files: dict[str, File]
    data: dict[str, File] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    console_scripts: tuple[str, ...] = ()
    gui_scripts: tuple[str, ...] = ()
    tag: str = "py3-none-any"
    metadata: dict[str, File] = field(default_factory=dict)
    members: dict[str, File] = field(default_factory=dict)
    record: dict[str, str | None] = field(default_factory=dict)
    folder: str = ""

    @property
    def stem(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}"

    @property
    def file_name(self) -> str:
        return f"{self.stem}-{self.tag}.whl"


def whl(name: str, version: str = "1.0", **options: Any) -> Whl:
    """A wheel; options are the fields of Whl, with str or bytes where a File is meant.

    Without *files* it brings one module of its name.
    """
    options.setdefault("files", {f"{name.replace('-', '_')}.py": f"NAME, VERSION = {name!r}, {version!r}\n"})
    for group in ("files", "data", "metadata", "members"):
        options[group] = {
            path: each if isinstance(each, File) else File(each.encode() if isinstance(each, str) else each)
            for path, each in options.get(group, {}).items()
        }
    return Whl(name, version, **options)


def wheel_members(wheel: Whl) -> dict[str, File]:
    """What the wheel holds, by path, RECORD last."""
    folder = wheel.folder or f"{wheel.stem}.dist-info"
    requires = "".join(f"Requires-Dist: {each}\n" for each in wheel.requires)
    own = {
        "METADATA": f"Metadata-Version: 2.1\nName: {wheel.name}\nVersion: {wheel.version}\n{requires}\nText.\n",
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {wheel.tag}\n",
    }
    points = [("console_scripts", wheel.console_scripts), ("gui_scripts", wheel.gui_scripts)]
    if any(lines for _, lines in points):
        own["entry_points.txt"] = "".join(
            f"[{kind}]\n" + "".join(f"{line}\n" for line in lines) for kind, lines in points if lines
        )
    metadata = {**{path: File(text.encode()) for path, text in own.items()}, **wheel.metadata}
    members = {
        **wheel.files,
        **{f"{wheel.stem}.data/{path}": each for path, each in wheel.data.items()},
        **{f"{folder}/{path}": each for path, each in metadata.items()},
    }
    lines = {
        path: f"{_csv_field(path)},sha256={_urlsafe(each.data)},{len(each.data)}"
        for path, each in members.items()
    }
    lines |= {f"{folder}/RECORD": f"{folder}/RECORD,,", **wheel.record}  # type: ignore[dict-item]
    record = "".join(f"{line}\n" for line in lines.values() if line is not None)
    return {**members, **wheel.members, f"{folder}/RECORD": File(record.encode())}


def wheel_bytes(wheel: Whl) -> bytes:
    """The wheel as a file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, file in wheel_members(wheel).items():
            entry = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o120777 if file.target is not None else 0o100000 | file.mode) << 16
            archive.writestr(entry, file.target.encode() if file.target is not None else file.data)
    return out.getvalue()


def _csv_field(text: str) -> str:
    return f'"{text}"' if "," in text else text


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
