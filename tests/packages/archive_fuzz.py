"""What any bytes under a package's name may lead to, and bytes worth trying. See `fuzz_with_atheris` as well."""

from __future__ import annotations

import bz2
import io
import os
import stat
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

import zstandard

from envmgr.errors import DataError
from envmgr.packages.extract import Extraction, extract_archive, inspect_folder
from envmgr.packages.tar import Limits

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 512
LIMITS = Limits(content_bytes=1 << 20, members=500, header_bytes=1 << 14)
INDEX = b'{"name": "a", "version": "1", "build": "0", "build_number": 0, "depends": [], "subdir": "noarch"}'


def judge(archive: Path) -> str | None:
    """Unpacks *archive*, alone in its folder, and checks all that must hold; None, or why it was refused."""
    folder, out = archive.parent, archive.parent / "out"
    before = archive.read_bytes()
    try:
        contents = extract_archive(archive, out, Extraction(hashed=True, limits=LIMITS))
    except DataError as error:
        sentence = str(error)
        assert sentence.startswith(archive.name) and sentence.endswith("."), sentence
        assert sentence.isprintable() and len(sentence) < 600, sentence
        assert os.listdir(folder) == [archive.name]
        return sentence
    assert sorted(os.listdir(folder)) == sorted([archive.name, "out"])
    assert archive.read_bytes() == before
    assert contents == inspect_folder(out, hashed=True)
    # Names of one file count once, as in the archive.
    sizes = {os.lstat(f"{out}/{path}").st_ino: size for path, size in contents.sizes.items()}
    assert sum(sizes.values()) <= LIMITS.content_bytes
    root = os.path.realpath(out)
    for path in (*contents.sizes, *contents.links, *contents.folders):
        mode = os.lstat(f"{out}/{path}").st_mode
        assert stat.S_ISLNK(mode) or not mode & 0o7000, path
        assert stat.S_ISLNK(mode) or stat.S_ISREG(mode) or stat.S_ISDIR(mode), path
        assert path.encode() and not path.lower().startswith("conda-meta/")
        assert f"{os.path.realpath(f'{out}/{path}')}/".startswith(f"{root}/"), path
    return None


def tar_block(name: bytes, flag: bytes = b"0", size: int | bytes = 0, **fields: bytes) -> bytes:
    """A tar header with any bytes in its fields (mode, link, magic, prefix and the rest) and a right checksum."""
    block = bytearray(BLOCK)
    values = {"mode": b"0000644\0", "link": b"", "magic": b"ustar\x0000", "prefix": b"", **fields}
    block[0:100] = name[:100].ljust(100, b"\0")
    block[100:108] = values["mode"][:8].ljust(8, b"\0")
    block[124:136] = (size if isinstance(size, bytes) else b"%011o\0" % size)[:12].ljust(12, b"\0")
    block[156:157] = flag
    block[157:257] = values["link"][:100].ljust(100, b"\0")
    block[257:265] = values["magic"][:8].ljust(8, b"\0")
    block[345:512] = values["prefix"][:167].ljust(167, b"\0")
    return with_sum(bytes(block))


def with_sum(block: bytes) -> bytes:
    """*block* with a right checksum."""
    bare = block[:148] + b" " * 8 + block[156:]
    return bare[:148] + b"%06o\0 " % ((zlib.adler32(bare) & 0xFFFF) - 1) + bare[156:]


def with_sums(data: bytes) -> bytes:
    """*data* with a right checksum in every block that has a checksum like a header's."""
    blocks = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]
    return b"".join(
        with_sum(each) if len(each) == BLOCK and each[154:156] in (b"\0 ", b" \0") else each
        for each in blocks
    )


def pax_record(key: bytes, value: bytes) -> bytes:
    """One line of a pax header."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def padded(content: bytes) -> bytes:
    """*content* filled up to whole blocks."""
    return content + bytes(-len(content) % BLOCK)


def seed_tars() -> list[bytes]:
    """Small sound tars that have every structure which the reader knows."""
    made = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as tar:
            for name, kind, target in [
                ("bin/e", tarfile.REGTYPE, ""),
                ("d", tarfile.DIRTYPE, ""),
                ("d/f", tarfile.REGTYPE, ""),
                ("d/l", tarfile.SYMTYPE, "../x" if form == tarfile.USTAR_FORMAT else "f" * 120),
                ("d/h", tarfile.LNKTYPE, "d/f"),
                ("x/" * 40 + ("x" if form == tarfile.USTAR_FORMAT else "x" * 110), tarfile.REGTYPE, ""),
            ]:
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = kind, target
                data = b"content of " + name.encode()
                entry.size = len(data) if kind == tarfile.REGTYPE else 0
                tar.addfile(entry, io.BytesIO(data))
        made.append(out.getvalue()[: -8 * BLOCK])
    pairs = b"".join(b"%011o\0%011o\0" % (at * 1024, BLOCK) for at in range(4))
    more = padded(b"".join(b"%011o\0%011o\0" % (at * 1024, BLOCK) for at in range(4, 6)))
    tail = bytes(41) + pairs + b"\1" + b"%011o\0" % 7000
    made.append(tar_block(b"s", b"S", 6 * BLOCK, magic=b"ustar  \0", prefix=tail) + more + b"y" * 6 * BLOCK)
    for keys, size, content in [
        ([(b"map", b"512,512,2048,100"), (b"size", b"3000"), (b"numblocks", b"2")], 612, b"y" * 612),
        ([(b"size", b"900"), (b"offset", b"512"), (b"numbytes", b"9")], 9, b"y" * 9),
        ([(b"major", b"1"), (b"minor", b"0"), (b"realsize", b"999")], 521, padded(b"1\n512\n9\n") + b"y" * 9),
    ]:
        body = b"".join(pax_record(b"GNU.sparse." + key, value) for key, value in [*keys, (b"name", b"s")])
        made.append(
            tar_block(b"p", b"x", len(body)) + padded(body) + tar_block(b"m", b"0", size) + padded(content)
        )
    return [each + bytes(2 * BLOCK) for each in made]


def conda_around(tar: bytes, *, deflated: bool = False) -> bytes:
    """A .conda whose pkg part is *tar*."""
    out = io.BytesIO()
    info = tar_block(b"info/index.json", b"0", len(INDEX)) + padded(INDEX) + bytes(2 * BLOCK)
    way = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in [
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            ("info-a-1-0.tar.zst", zstandard.compress(info, 1)),
            ("pkg-a-1-0.tar.zst", zstandard.compress(tar, 1)),
        ]:
            # Of no particular time, so that every run has the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content, way)
    return out.getvalue()


def as_archive(kind: int, data: bytes) -> tuple[str, bytes]:
    """A file name and its content: *data* itself, or *data* as the tar inside, with and without right checksums."""
    if kind % 6 == 0:
        return "a-1-0.conda", data
    if kind % 6 == 1:
        return "a-1-0.tar.bz2", data
    if kind % 6 == 2:
        return "a-1-0.tar.bz2", bz2.compress(data, 1)
    if kind % 6 == 3:
        return "a-1-0.conda", conda_around(data, deflated=True)
    if kind % 6 == 4:
        return "a-1-0.tar.bz2", bz2.compress(with_sums(data), 1)
    return "a-1-0.conda", conda_around(with_sums(data))


def seeds() -> list[bytes]:
    """Inputs for the fuzzer: sound archives of every kind, each with its first byte."""
    tars = seed_tars()
    whole = [
        b"\0" + conda_around(tars[2]),
        b"\0" + conda_around(tars[0], deflated=True),
        b"\1" + bz2.compress(tars[1]),
    ]
    return whole + [bytes([kind]) + tar for kind in (2, 5) for tar in tars]
