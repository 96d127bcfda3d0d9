"""Unpacking: what sound archives become, and how hostile or damaged ones are refused."""

from __future__ import annotations

import bz2
import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from envmgr.errors import DataError
from envmgr.packages.extract import (
    Extraction,
    extract_archive,
    inspect_folder,
    read_index_json,
    sums_of_file,
)
from envmgr.packages.member_paths import case_twin
from envmgr.packages.tar import Limits
from tests.builders import File, archive_bytes, conda_bytes, link, pkg, script, tar_bytes
from tests.shared_data import shared_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ENDINGS = [".conda", ".tar.bz2"]
INFO = {"info/index.json": File(b'{"name": "a", "version": "1", "build": "0"}'), "info/files": File()}

DAMAGED = ["zlib-1.2.11-h7b6447c_3.conda", "zlib-1.2.11-h1de35cc_3.conda"]


def entry(
    path: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(path)
    member.type, member.size = kind, len(data)
    for key, value in fields.items():
        setattr(member, key, value)
    return member, data


def tar_of(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def archive_of(members: Sequence[tuple[tarfile.TarInfo, bytes]], ending: str, folder: Path) -> Path:
    """An archive named a-1-0 around hand-made members."""
    path = folder / f"a-1-0{ending}"
    if ending == ".conda":
        path.write_bytes(conda_bytes("a-1-0", tar_bytes(INFO), tar_of(members)))
    else:
        info = [entry(name, data=file.data) for name, file in INFO.items()]
        path.write_bytes(bz2.compress(tar_of([*members, *info])))
    return path


def symlink(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(path, tarfile.SYMTYPE, linkname=target)


def hardlink(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(path, tarfile.LNKTYPE, linkname=target)


HOSTILE = {
    "climbing path": ([entry("../evil", data=b"x")], r"'\.\./evil' climbs out"),
    "climbing inside": ([entry("a/../../evil", data=b"x")], "climbs out"),
    "harmless-looking climb": ([entry("a/../b", data=b"x")], "climbs out"),
    "absolute path": ([entry("/tmp/evil", data=b"x")], "is absolute"),
    "absolute after dot": ([entry(".//../evil", data=b"x")], "climbs out"),
    "climbing folder": ([entry("../evil", tarfile.DIRTYPE)], "climbs out"),
    "link out": ([symlink("lib/out", "../../evil")], r"points to '\.\./\.\./evil', out of the package"),
    "absolute link": ([symlink("out", "/etc/passwd")], "points to '/etc/passwd', out"),
    "link out through a link": ([symlink("d/up", ".."), symlink("out", "d/up/../evil")], "out of the package"),
    "write through link": ([symlink("out", "/tmp"), entry("out/evil", data=b"x")], "'out/evil' needs a place"),
    "write through inner link": ([entry("d/f"), symlink("l", "d"), entry("l/g", data=b"x")], "needs a place"),
    "folder over link": ([symlink("l", "d"), entry("l", tarfile.DIRTYPE)], "'l' needs a place"),
    "file over link": ([symlink("f", "g"), entry("f", data=b"x")], "'f' needs a place"),
    "file twice": ([entry("f", data=b"1"), entry("./f", data=b"2")], "'f' needs a place"),
    "file as folder": ([entry("f", data=b"1"), entry("f/g", data=b"2")], "needs a place"),
    "hard link out": ([hardlink("h", "../evil")], "climbs out"),
    "hard link absolute": ([hardlink("h", "/etc/passwd")], "is absolute"),
    "hard link to nothing": ([hardlink("h", "gone")], "no earlier file"),
    "hard link to symlink": ([symlink("s", "t"), hardlink("h", "s")], "no earlier file"),
    "device": ([entry("dev", tarfile.CHRTYPE)], "a character device"),
    "fifo": ([entry("pipe", tarfile.FIFOTYPE)], "a fifo"),
    "nul": ([entry("a\0b", pax_headers={"path": "a\0b"})], "NUL"),
    "reserved": ([entry("conda-meta/history", data=b"x")], "belongs to the environment"),
    "reserved in capitals": ([entry("Conda-Meta/history", data=b"x")], "belongs to the environment"),
    "root as file": ([entry(".", data=b"x")], "the package's own folder"),
    "name too long": ([entry("n" * 300, data=b"x")], "no possible file name"),
    "write through a chain of links": (
        [entry("d/f"), symlink("a", "d"), symlink("b", "a"), entry("b/g", data=b"x")], "'b/g' needs a place"
    ),
    "folder through a link": ([symlink("out", "/tmp"), entry("out/evil", tarfile.DIRTYPE)], "needs a place"),
    "hard link through a link": ([symlink("l", "/etc"), hardlink("h", "l/passwd")], "no earlier file"),
    "hard link into a link": ([entry("f"), symlink("l", "/tmp"), hardlink("l/h", "f")], "needs a place"),
    "hard link over a file": ([entry("f"), entry("g"), hardlink("g", "f")], "'g' needs a place"),
    "hard link over itself": ([entry("f"), hardlink("f", "f")], "'f' needs a place"),
    "link over a file": ([entry("f"), symlink("f", "g")], "'f' needs a place"),
    "link over a folder": ([entry("d/f"), symlink("d", "/tmp")], "'d' needs a place"),
    "folder over a file": ([entry("f"), entry("f", tarfile.DIRTYPE)], "'f' needs a place"),
    "chain of links out": ([symlink("a", "b/x"), symlink("b", "c"), symlink("c", "../evil")], "out of the package"),
    "link out in other case": ([symlink("d/up", ".."), symlink("out", "D/UP/../x")], "'D/UP/../x', out"),
    "link with nul": ([entry("l", tarfile.SYMTYPE, pax_headers={"linkpath": "a\0/../.."})], "out of the package"),
    "hard link with nul": ([entry("h", tarfile.LNKTYPE, pax_headers={"linkpath": "a\0b"})], "NUL"),
    "block device": ([entry("dev", tarfile.BLKTYPE)], "a block device"),
    "folder with content": ([entry("d", tarfile.DIRTYPE, data=b"x")], "the directory 'd/' with content"),
    "file with content named as a folder": ([entry("d/", data=b"x")], "the directory 'd/' with content"),
    "symlink with content": ([entry("l", tarfile.SYMTYPE, b"x", linkname="d")], "the symlink 'l' with content"),
    "absurd size": ([entry("f", pax_headers={"size": str(1 << 60)})], "unpacks to more than"),
    "size that is no number": ([entry("f", pax_headers={"size": "9" * 5000})], "no number"),
    "empty size": ([entry("f", pax_headers={"size": ""})], "no number"),
    "path too long": ([entry(("d" * 250 + "/") * 17 + "f", data=b"x")], "no possible file name"),
    "folders too deep": ([entry("d/" * 2000 + "f", data=b"x")], "'d/d/d.* lies in more than 128 folders"),
    "link target too long": ([symlink("l", "d" * 5000)], "no possible file name"),
    "links without end": (
        [symlink(f"l{at}", "d/../" * 800 + f"l{at + 1}") for at in range(60)], "leads through others without end"
    ),
    "name that is no UTF-8": ([entry("caf\udce9", data=b"x")], r"'caf\\\\xe9' is no UTF-8"),
    "link that is no UTF-8": ([symlink("l", "caf\udce9")], "is no UTF-8"),
    "empty link": ([symlink("lib/libz.so", "")], "the symlink 'lib/libz.so' has an empty target"),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archive_is_refused_and_leaves_nothing(case: str, ending: str, tmp_path: Path) -> None:
    members, word = HOSTILE[case]
    (tmp_path / "cache").mkdir()
    archive = archive_of(members, ending, tmp_path)
    with pytest.raises(DataError, match=word) as caught:
        extract_archive(archive, tmp_path / "cache" / "a-1-0")
    assert str(caught.value).startswith(archive.name)
    assert str(caught.value).isprintable() and str(caught.value).endswith(".")
    assert len(str(caught.value)) < 400
    assert sorted(tmp_path.rglob("*")) == [archive, tmp_path / "cache"]


def test_links_inside_of_the_package_are_kept(tmp_path: Path) -> None:
    inside = {"d/up": "..", "l": "d/up/d", "own": ".", "dangling": "lib/of-another-package", "loop": "loop"}
    inside |= {"through-later": "z/../../x", "z": "d/e"}
    archive = archive_of([symlink(*each) for each in inside.items()], ".conda", tmp_path)
    contents = extract_archive(archive, tmp_path / "out")
    assert contents.links == inside
    assert {path: os.readlink(tmp_path / "out" / path) for path in inside} == inside


def test_two_members_of_one_hard_link_hold_the_same(tmp_path: Path) -> None:
    archive = archive_of(
        [entry("bin/a", data=b"text", mode=0o755), hardlink("bin/b", "bin/a")], ".tar.bz2", tmp_path
    )
    contents = extract_archive(archive, tmp_path / "out", Extraction(hashed=True))
    assert (tmp_path / "out/bin/b").read_bytes() == b"text"
    assert contents.sizes["bin/b"] == 4
    assert contents.hashes["bin/b"] == contents.hashes["bin/a"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_links_folders_and_modes_arrive(ending: str, tmp_path: Path) -> None:
    package = pkg("a", "1", "0", extension=ending, files={
        "bin/run": script("echo"), "lib/libz.so.1": b"\x7fELF" * 100_000, "lib/libz.so": link("libz.so.1"),
        "empty": b"",
    })  # fmt: skip
    (tmp_path / f"a-1-0{ending}").write_bytes(archive_bytes(package))
    contents = extract_archive(tmp_path / f"a-1-0{ending}", tmp_path / "out", Extraction(hashed=True))
    out = tmp_path / "out"
    assert (out / "lib/libz.so").read_bytes() == b"\x7fELF" * 100_000
    assert (out / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (out / "empty").stat().st_size == 0
    assert contents == inspect_folder(out, hashed=True)


@pytest.mark.parametrize(
    ("stated", "kept"),
    [(0o6755, 0o755), (0o1777, 0o755), (0o666, 0o644), (0o444, 0o444), (0, 0o400), (0o600, 0o600)],
)
def test_modes_lose_privileges_and_respect_the_umask(stated: int, kept: int, tmp_path: Path) -> None:
    archive = archive_of(
        [entry("bin/x", data=b"x", mode=stated), entry("d", tarfile.DIRTYPE, mode=0o000)], ".conda", tmp_path
    )
    before = os.umask(0o022)
    try:
        extract_archive(archive, tmp_path / "out")
    finally:
        os.umask(before)
    assert (tmp_path / "out/bin/x").stat().st_mode & 0o7777 == kept
    assert (tmp_path / "out/d").stat().st_mode & 0o7777 == 0o755


def test_folders_that_a_tar_names_late_or_never_are_made_once(tmp_path: Path) -> None:
    members = [
        entry("./"),
        entry("a/b/c", data=b"1"),
        entry("a/", tarfile.DIRTYPE),
        entry("a/b", tarfile.DIRTYPE),
    ]
    members[0][0].type = tarfile.DIRTYPE
    extract_archive(archive_of(members, ".tar.bz2", tmp_path), tmp_path / "out")
    assert (tmp_path / "out/a/b/c").read_bytes() == b"1"


@pytest.mark.parametrize(
    "path", ["info/repodata_record.json", "info/envmgr-link.json", "info/envmgr-link.json/as/a/folder"]
)
def test_what_the_cache_writes_itself_is_not_unpacked(path: str, tmp_path: Path) -> None:
    archive = archive_of([entry(path, data=b"{}")], ".tar.bz2", tmp_path)
    extract_archive(archive, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out/info")) == ["files", "index.json"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("eighth", range(8))
def test_archive_cut_anywhere_is_refused(ending: str, eighth: int, tmp_path: Path) -> None:
    noise = b"".join(os.urandom(3000) for _ in range(20))
    package = pkg("a", "1", "0", extension=ending, files={f"f{at}": noise[at * 3000 :] for at in range(20)})
    whole = archive_bytes(package)
    archive = tmp_path / f"a-1-0{ending}"
    archive.write_bytes(whole[: len(whole) * eighth // 8])
    with pytest.raises(DataError, match=f"a-1-0{ending}"):
        extract_archive(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ending", ENDINGS)
def test_web_page_under_an_archive_name_is_refused(ending: str, tmp_path: Path) -> None:
    archive = tmp_path / f"a-1-0{ending}"
    archive.write_bytes(b"<html>Please log in</html>" * 40)
    with pytest.raises(DataError, match=r"no sound zip|damaged bzip2"):
        extract_archive(archive, tmp_path / "out")


def zip_of(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def parts(**files: File) -> dict[str, bytes]:
    compress = zstandard.ZstdCompressor().compress
    return {
        "metadata.json": b'{"conda_pkg_format_version": 2}',
        "info-a-1-0.tar.zst": compress(tar_bytes(INFO)),
        "pkg-a-1-0.tar.zst": compress(tar_bytes(dict(files))),
    }


WRONG_ZIPS = {
    "another package inside": (
        lambda good: {**good, "pkg-b-1-0.tar.zst": good["pkg-a-1-0.tar.zst"]},
        "holds 'pkg-b-1-0.tar.zst', which belongs to another package",
    ),
    "no pkg part": (
        lambda good: {name: data for name, data in good.items() if not name.startswith("pkg-")},
        "holds no 'pkg-a-1-0.tar.zst'",
    ),
    "no metadata": (
        lambda good: {name: data for name, data in good.items() if name != "metadata.json"},
        "holds no 'metadata.json'",
    ),
    "part twice": (
        lambda good: {**good, "other/pkg-a-1-0.tar.zst": good["pkg-a-1-0.tar.zst"]},
        "holds 'pkg-a-1-0.tar.zst' twice",
    ),
    "unknown format": (
        lambda good: {**good, "metadata.json": b'{"conda_pkg_format_version": 3}'},
        "has the format version 3; only version 2",
    ),
    "metadata is no object": (
        lambda good: {**good, "metadata.json": b"[]"},
        "states no conda_pkg_format_version",
    ),
    "metadata without end": (
        lambda good: {**good, "metadata.json": b"[" * 60_000},
        "states no conda_pkg_format_version",
    ),
    "format of many words": (
        lambda good: {**good, "metadata.json": b'{"conda_pkg_format_version": "%s"}' % (b"x" * 9000)},
        "has the format version 'xxx",
    ),
    "files in the info part": (
        lambda good: {**good, "info-a-1-0.tar.zst": zstandard.compress(tar_bytes({**INFO, "bin/x": File()}))},
        "the info part holds 'bin/x'",
    ),
    "info file again in the pkg part": (
        lambda good: {
            **good,
            "pkg-a-1-0.tar.zst": zstandard.compress(tar_bytes({"info/index.json": File()})),
        },
        "'info/index.json' needs a place",
    ),
    "part is no zstandard": (
        lambda good: {**good, "pkg-a-1-0.tar.zst": b"nonsense" * 99},
        "holds damaged zstandard data",
    ),
    "part is empty": (lambda good: {**good, "pkg-a-1-0.tar.zst": b""}, "breaks off"),
}


@pytest.mark.parametrize("case", WRONG_ZIPS)
def test_conda_archive_that_is_not_what_its_name_says_is_refused(case: str, tmp_path: Path) -> None:
    change, word = WRONG_ZIPS[case]
    archive = tmp_path / "a-1-0.conda"
    archive.write_bytes(zip_of(change(parts(f=File(b"x")))))
    with pytest.raises(DataError, match=word) as caught:
        extract_archive(archive, tmp_path / "out")
    assert len(str(caught.value)) < 400
    assert not (tmp_path / "out").exists()


def test_conda_archive_that_was_zipped_again_is_read(tmp_path: Path) -> None:
    entries = {f"Downloads/a-1-0/{name}": data for name, data in parts(f=File(b"x")).items()}
    (tmp_path / "a-1-0.conda").write_bytes(zip_of(entries, zipfile.ZIP_DEFLATED))
    extract_archive(tmp_path / "a-1-0.conda", tmp_path / "out")
    assert (tmp_path / "out/f").read_bytes() == b"x"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("damage", ["flipped bit", "cut at its beginning", "member far away"])
def test_broken_zip_is_refused_with_a_sentence(damage: str, compression: int, tmp_path: Path) -> None:
    out, archive = io.BytesIO(), tmp_path / "a-1-0.conda"
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, data in parts(f=File(os.urandom(500))).items():
            made.writestr(name, data)
        if damage == "member far away":
            made.infolist()[0].header_offset = (1 << 64) - 1
    data = bytearray(out.getvalue())
    if damage == "flipped bit":
        data[data.index(b"pkg-a-1-0.tar.zst") + 100] ^= 1
    archive.write_bytes(data[7:] if damage == "cut at its beginning" else data)
    with pytest.raises(DataError, match=r"a-1-0\.conda (is no sound zip archive: |holds damaged zstandard)"):
        extract_archive(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_several_compressed_streams_in_a_row_are_one_archive(tmp_path: Path) -> None:
    data = tar_bytes({**INFO, "f": File(b"x" * 5000)})
    (tmp_path / "a-1-0.tar.bz2").write_bytes(bz2.compress(data[:3000]) + bz2.compress(data[3000:]))
    extract_archive(tmp_path / "a-1-0.tar.bz2", tmp_path / "one")
    split = zstandard.compress(data[:3000]) + zstandard.compress(data[3000:])
    entries = {**parts(), "pkg-a-1-0.tar.zst": split, "info-a-1-0.tar.zst": zstandard.compress(tar_bytes({}))}
    (tmp_path / "a-1-0.conda").write_bytes(zip_of(entries))
    extract_archive(tmp_path / "a-1-0.conda", tmp_path / "two")
    assert (tmp_path / "one/f").read_bytes() == (tmp_path / "two/f").read_bytes() == b"x" * 5000


@pytest.mark.parametrize("ending", ENDINGS)
def test_bomb_is_stopped_before_it_fills_the_disk(ending: str, tmp_path: Path) -> None:
    archive = archive_of([entry(f"zeros{at}", data=bytes(1 << 20)) for at in range(8)], ending, tmp_path)
    assert archive.stat().st_size < 10_000
    with pytest.raises(DataError, match="unpacks to more than 3000000 bytes"):
        extract_archive(archive, tmp_path / "out", Extraction(limits=Limits(content_bytes=3_000_000)))
    assert not (tmp_path / "out").exists()


GARBAGE = [b"x", b"\0", b"more" * 5000, bz2.compress(b"x" * 600)]


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("ending", ENDINGS)
def test_garbage_behind_an_archive_is_refused(garbage: bytes, ending: str, tmp_path: Path) -> None:
    archive = archive_of([entry("f", data=b"x")], ending, tmp_path)
    archive.write_bytes(archive.read_bytes() + garbage)
    with pytest.raises(DataError, match=r"behind the end of its|damaged bzip2|behind its end mark"):
        extract_archive(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_behind_a_stream_or_its_tar_is_refused(garbage: bytes, tmp_path: Path) -> None:
    archive, good = tmp_path / "a-1-0.conda", parts(f=File(b"x"))
    archive.write_bytes(zip_of({**good, "pkg-a-1-0.tar.zst": good["pkg-a-1-0.tar.zst"] + garbage}))
    with pytest.raises(DataError, match="damaged zstandard"):
        extract_archive(archive, tmp_path / "out")
    archive.write_bytes(
        conda_bytes("a-1-0", tar_bytes(INFO) + bytes(1 << 19) + garbage + b"x", tar_bytes({}))
    )
    with pytest.raises(DataError, match="behind its end mark"):
        extract_archive(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_headers_without_end_are_a_bomb_too(tmp_path: Path) -> None:
    empty = tarfile.TarInfo("x").create_pax_global_header({}) + tarfile.TarInfo("x").create_pax_global_header(
        {"comment": "x" * 4000}
    )
    archive = tmp_path / "a-1-0.conda"
    archive.write_bytes(conda_bytes("a-1-0", empty * 4000, b""))
    assert archive.stat().st_size < 10_000
    with pytest.raises(DataError, match="unpacks to more than 3000000 bytes"):
        extract_archive(archive, tmp_path / "out", Extraction(limits=Limits(content_bytes=3_000_000)))
    assert not (tmp_path / "out").exists()


def test_zip_whose_directory_is_absurdly_large_is_refused(tmp_path: Path) -> None:
    archive, out = tmp_path / "a-1-0.conda", io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for at in range(150):
            made.writestr(f"{at:04}" + "n" * 60_000, b"")
    archive.write_bytes(out.getvalue())
    with pytest.raises(DataError, match="has a zip directory of 9007"):
        extract_archive(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_zstandard_window_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    data = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    stream = data.compress(tar_bytes(INFO)) + data.flush()
    (tmp_path / "a-1-0.conda").write_bytes(zip_of({**parts(), "info-a-1-0.tar.zst": stream}))
    with pytest.raises(DataError, match="damaged zstandard data"):
        extract_archive(tmp_path / "a-1-0.conda", tmp_path / "out")


@contextlib.contextmanager
def one_case_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of a file system that does not tell upper from lower case; skips where none can be had."""
    image, place = tmp_path / "image", tmp_path / "mounted"
    place.mkdir()
    with open(image, "xb") as file:
        file.truncate(32 << 20)
    ways = [
        (
            ["mkfs.ext4", "-q", "-O", "casefold", image],
            ["mount", "-o", "loop", image, place],
            ["chattr", "+F"],
        ),
        (["mkntfs", "-qF", image], ["lowntfs-3g", image, place, "-o", "ignore_case"], None),
    ]
    for make, mount, mark in ways:
        if not all(succeeds(command) for command in (make, mount)):
            continue
        try:
            (place / "one-case").mkdir()
            if mark is None or succeeds([*mark, place / "one-case"]):
                yield place / "one-case"
                return
        finally:
            assert succeeds(["umount", place])
    pytest.skip("this machine mounts no file system that does not tell upper from lower case")


def succeeds(command: list) -> bool:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    program = shutil.which(command[0], path=path)
    return (
        program is not None
        and not subprocess.run(
            [program, *command[1:]], capture_output=True, timeout=60, check=False
        ).returncode
    )


DIFFER_IN_CASE = {
    "files": ([entry("lib/README", data=b"1"), entry("lib/readme", data=b"2")], "lib/readme", "lib/README"),
    "folders": ([entry("Lib/a/b", data=b"1"), entry("lib/a/c", data=b"2")], "lib/a/c", "Lib"),
    "file in a link": ([symlink("out", "/tmp"), entry("OUT/evil", data=b"x")], "OUT/evil", "out"),
    "links": ([symlink("l", "x"), symlink("L", "y")], "L", "l"),
    "hard link": ([entry("f", data=b"1"), entry("g"), hardlink("F", "g")], "F", "f"),
    "accents": ([entry("\xe9", data=b"1"), entry("\xc9", data=b"2")], "\xc9", "\xe9"),
}  # fmt: skip


def test_names_that_differ_in_case_are_refused_where_they_are_one(tmp_path: Path) -> None:
    with one_case_folder(tmp_path) as folder:
        for members, path, twin in DIFFER_IN_CASE.values():
            archive = archive_of(members, ".conda", tmp_path)
            with pytest.raises(DataError, match=f"'{path}' and '{twin}' differ in case only") as caught:
                extract_archive(archive, folder / "a")
            assert "pkgs_dirs" in caught.value.hint
            assert os.listdir(folder) == []


@pytest.mark.parametrize("case", DIFFER_IN_CASE)
def test_names_that_differ_in_case_are_two_where_they_are_told_apart(case: str, tmp_path: Path) -> None:
    members, path, twin = DIFFER_IN_CASE[case]
    (tmp_path / "A").touch()
    if (tmp_path / "a").exists():
        pytest.skip("the file system of temporary files does not tell upper from lower case")
    if case == "file in a link":
        members = [symlink("out", "inside"), *members[1:]]
    contents = extract_archive(archive_of(members, ".conda", tmp_path), tmp_path / "out")
    assert contents == inspect_folder(tmp_path / "out")
    files = {**contents.sizes, **contents.links}
    assert (path in files) and (twin in files or twin in contents.folders)
    files.pop(path)
    assert case_twin(path, files, contents.folders) == twin


def test_existing_target_is_left_alone(tmp_path: Path) -> None:
    archive = archive_of([entry("f", data=b"new")], ".conda", tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/f").write_text("old")
    with pytest.raises(FileExistsError):
        extract_archive(archive, tmp_path / "out")
    assert (tmp_path / "out/f").read_text() == "old"


def test_check_can_stop_the_work(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    archive = archive_of([entry("f", data=b"new")], ".conda", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        extract_archive(archive, tmp_path / "out", Extraction(check=stop))
    assert not (tmp_path / "out").exists()


def test_every_sound_published_package_unpacks(tmp_path: Path) -> None:
    archives = [
        path
        for path in sorted(shared_path("packages").rglob("*"))
        if path.name.endswith(tuple(ENDINGS)) and path.name not in DAMAGED
    ]
    assert len(archives) > 40
    for number, archive in enumerate(archives):
        contents = extract_archive(archive, tmp_path / str(number), Extraction(hashed=True))
        assert contents == inspect_folder(tmp_path / str(number), hashed=True)
        index = read_index_json(archive)
        assert archive.name.startswith(f"{index['name']}-{index['version']}-{index['build']}.")


@pytest.mark.parametrize("name", DAMAGED)
def test_published_package_with_empty_links_is_named(name: str, tmp_path: Path) -> None:
    archive = next(shared_path("packages/zlib-channel").rglob(name))
    with pytest.raises(
        DataError, match=rf"{name} is damaged at its source: the symlink 'lib/libz.* has an empty target"
    ):
        extract_archive(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ending", ENDINGS)
def test_index_json_is_read_without_unpacking(ending: str, tmp_path: Path) -> None:
    package = pkg("a", "1", "0", extension=ending, depends=["b"], odd_key=[1])
    path = tmp_path / f"a-1-0{ending}"
    path.write_bytes(archive_bytes(package))
    assert read_index_json(path)["odd_key"] == [1]
    assert sums_of_file(path)["size"] == path.stat().st_size
    path.rename(tmp_path / f"z-1-0{ending}")
    with pytest.raises(DataError):
        read_index_json(tmp_path / f"z-1-0{ending}")
