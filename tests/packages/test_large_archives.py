"""Archives beyond the usual bounds: zip64, long names, many members, and files that no memory would hold.

``ENVMGR_TEST_LARGE_GIB=5`` also unpacks files of so many GiB, in archives as large where the format stores noise.
It needs twice as much disk below the temporary folder.
"""

from __future__ import annotations

import bz2
import copy
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from typing import IO, TYPE_CHECKING

import pytest
import zstandard

from envmgr.packages.extract import Extraction, extract_archive, inspect_folder, read_index_json
from tests.builders import File, conda_bytes, tar_bytes
from tests.packages.test_sparse import gnu_tar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LARGE_GIB = int(os.environ.get("ENVMGR_TEST_LARGE_GIB", "0"))
INFO = {"info/index.json": File(b'{"name": "a", "version": "1", "build": "0"}')}
CHUNK = 16 << 20


def write_conda(file: IO[bytes], pkg_part: Iterator[bytes], more: int = 0) -> None:
    """A .conda whose pkg part is written piece by piece, with *more* empty members that share one place."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("more", b"")
        for at in range(more):
            archive.filelist.append(copy.copy(archive.getinfo("more")))
            archive.filelist[-1].filename = f"more/{at}"
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        archive.writestr("info-a-1-0.tar.zst", zstandard.compress(tar_bytes(INFO)))
        with archive.open("pkg-a-1-0.tar.zst", "w", force_zip64=True) as part:
            for piece in pkg_part:
                part.write(piece)


def large_tar(
    chunk: bytes, count: int, compress: Callable[[bytes], bytes], files: dict[str, File]
) -> Iterator[bytes]:
    """A tar with one file of *count* equal chunks, each a compressed stream of its own; then *files*."""
    header = tarfile.TarInfo("large")
    header.size = len(chunk) * count
    yield compress(header.tobuf(tarfile.PAX_FORMAT))
    compressed = compress(chunk)
    for _ in range(count):
        yield compressed
    yield compress(tar_bytes(files))


def write_large(archive: Path, chunk: bytes, count: int) -> None:
    with open(archive, "wb") as file:
        if archive.name.endswith(".conda"):
            write_conda(file, large_tar(chunk, count, zstandard.ZstdCompressor(level=1).compress, {}))
        else:
            file.writelines(large_tar(chunk, count, bz2.compress, INFO))


@pytest.mark.parametrize("ending", [".conda", ".tar.bz2"])
def test_large_file_is_unpacked_in_little_memory(ending: str, tmp_path: Path) -> None:
    archive, chunk = tmp_path / f"a-1-0{ending}", b"a line of text.\n" * 65_536
    write_large(archive, chunk, 40)
    extract_archive(archive, tmp_path / "first")
    tracemalloc.start()
    try:
        contents = extract_archive(archive, tmp_path / "out", Extraction(hashed=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert contents.sizes["large"] == len(chunk) * 40
    assert contents.hashes["large"] == hashlib.sha256(chunk * 40).hexdigest()
    assert peak < 3 << 20


WORK = """
import sys
from pathlib import Path
from envmgr.packages.extract import Extraction, extract_archive
contents = extract_archive(Path(sys.argv[1]), Path(sys.argv[2]), Extraction(hashed=True))
# Not ru_maxrss, which begins with the memory of the process that started this one.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(contents.sizes["large"], contents.hashes["large"], peak)
"""


@pytest.mark.skipif(not LARGE_GIB, reason="ENVMGR_TEST_LARGE_GIB is not set")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("ending", [".conda", ".tar.bz2"])
def test_file_of_many_gigabytes_is_unpacked_in_the_memory_of_a_small_one(ending: str, tmp_path: Path) -> None:
    archive, count = tmp_path / f"a-1-0{ending}", LARGE_GIB * (1 << 30) // CHUNK
    noise = CHUNK if ending == ".conda" else CHUNK // 100
    chunk = os.urandom(noise) + bytes(CHUNK - noise)
    write_large(archive, chunk, count)
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(chunk)
    done = subprocess.run(
        [sys.executable, "-c", WORK, archive, tmp_path / "out"],
        check=True,
        stdout=subprocess.PIPE,
        timeout=3000,
    )
    size, sha256, kib = done.stdout.decode().split()
    print(f"{ending}: {size} bytes from an archive of {archive.stat().st_size}, {kib} KiB of memory")
    archive.unlink()
    assert (int(size), sha256) == (CHUNK * count, digest.hexdigest())
    assert int(kib) < 120_000


@pytest.mark.parametrize("count_limit", [0, 1 << 16])
def test_zip64_structures_of_a_small_archive_are_read(
    count_limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    with monkeypatch.context() as lowered:
        lowered.setattr(zipfile, "ZIP64_LIMIT", 20)
        lowered.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", count_limit)
        write_conda(out, iter([zstandard.compress(tar_bytes({"f": File(b"x" * 100)}))]))
    data = out.getvalue()
    assert b"PK\x06\x06" in data and b"PK\x06\x07" in data
    assert data.count(b"\xff\xff\xff\xff\xff\xff\xff\xff") >= 3, "sizes stand in zip64 extra fields"
    (tmp_path / "a-1-0.conda").write_bytes(data)
    assert extract_archive(tmp_path / "a-1-0.conda", tmp_path / "out") == inspect_folder(tmp_path / "out")
    assert (tmp_path / "out/f").read_bytes() == b"x" * 100
    assert read_index_json(tmp_path / "a-1-0.conda")["name"] == "a"


def test_zip_of_more_than_65535_members_is_read(tmp_path: Path) -> None:
    with open(tmp_path / "a-1-0.conda", "wb") as file:
        write_conda(file, iter([zstandard.compress(tar_bytes({"f": File(b"x")}))]), more=1 << 16)
    extract_archive(tmp_path / "a-1-0.conda", tmp_path / "out")
    assert (tmp_path / "out/f").read_bytes() == b"x"


@pytest.mark.parametrize("form", ["gnu", "oldgnu", "posix"])
def test_long_names_and_links_become_what_tar_makes_of_them(form: str, tmp_path: Path) -> None:
    tree, peer = tmp_path / "tree", tmp_path / "peer"
    deep = "/".join([f"{at:03}" + "d" * 60 for at in range(50)])
    (tree / deep).mkdir(parents=True)
    for name in ("n" * 255, "ü" * 127, "new\nline", "short", "s p a c e"):
        (tree / deep / name).write_text(name)
        os.link(tree / deep / name, tree / f"again-{name[:100]}")
        (tree / f"to-{name[:100]}").symlink_to(f"{deep}/{name}")
        (tree / deep / f"up-{name[:100]}").symlink_to("../" * 50 + f"again-{name[:100]}")
    peer.mkdir()
    made = subprocess.run(
        [gnu_tar(), f"--format={form}", "-C", tree, "-c", "."], check=True, stdout=subprocess.PIPE
    )
    subprocess.run([gnu_tar(), "-C", peer, "-x"], check=True, input=made.stdout)
    (tmp_path / "a-1-0.conda").write_bytes(conda_bytes("a-1-0", tar_bytes(INFO), made.stdout))
    contents = extract_archive(tmp_path / "a-1-0.conda", tmp_path / "out", Extraction(hashed=True))
    theirs = inspect_folder(peer, hashed=True)
    assert contents == inspect_folder(tmp_path / "out", hashed=True)
    assert {path: each for path, each in contents.hashes.items() if path not in INFO} == theirs.hashes
    assert contents.links == theirs.links
    assert contents.folders - {"info"} == theirs.folders
    assert {os.lstat(tmp_path / "out" / path).st_nlink for path in theirs.sizes} == {2}
