"""The tar reader against the standard library's, on random archives and on damaged ones."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.packages.tar import Kind, Limits, TarReader

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPES = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.HARDLINK: tarfile.LNKTYPE,
}
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).filter(lambda path: path.strip("/"))
LONG_PATHS = st.builds(lambda path, times: "/".join([path] * times), PATHS, st.integers(1, 60))
MEMBERS = st.lists(
    st.tuples(
        LONG_PATHS, st.sampled_from(list(Kind)), st.binary(max_size=2000), st.integers(0, 0o7777), LONG_PATHS
    ),
    max_size=8,
)
FORMATS = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def write_tar(members: list[tuple], form: int = tarfile.PAX_FORMAT, **options: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, **options) as tar:
        for path, kind, data, mode, target in members:
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = TYPES[kind], mode
            if kind is Kind.FILE:
                entry.size = len(data)
            elif kind is not Kind.DIRECTORY:
                entry.linkname = target
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    """*data* in one buffer that is overwritten with every step, as a decompressor does."""
    buffer = bytearray(size)
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        buffer[: len(piece)] = piece
        yield memoryview(buffer)[: len(piece)]


def read_all(data: bytes, size: int = 700, limits: Limits | None = None) -> list[tuple]:
    reader = TarReader(chunked(data, size), "a-1-0.conda", limits)
    return [
        (each.path, each.kind, each.mode, each.target, reader.read(each) if each.kind is Kind.FILE else b"")
        for each in reader
    ]


def expected(data: bytes) -> list[tuple]:
    kinds = {value: key for key, value in TYPES.items()}
    kinds |= dict.fromkeys([tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE], Kind.FILE)
    found = []
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for each in tar:
            content = tar.extractfile(each).read() if each.isreg() else b""
            target = each.linkname if each.islnk() or each.issym() else ""
            found.append((each.name.rstrip("/"), kinds[each.type], each.mode & 0o7777, target, content))
    return found


@settings(max_examples=150)
@given(members=MEMBERS, form=FORMATS, size=st.sampled_from([1, 7, 511, 512, 513, 4096, 1 << 18]))
def test_reads_what_the_standard_library_reads(members: list[tuple], form: int, size: int) -> None:
    data = write_tar(members, form)
    assert [(row[0].rstrip("/"), *row[1:]) for row in read_all(data, size)] == expected(data)


@settings(max_examples=50)
@given(members=MEMBERS, size=st.integers(1, 2000))
def test_content_that_nobody_asks_for_is_passed_over(members: list[tuple], size: int) -> None:
    data = write_tar(members)
    read = [each.path.rstrip("/") for each in TarReader(chunked(data, size), "x")]
    assert read == [row[0] for row in expected(data)]


@settings(max_examples=150)
@given(
    members=MEMBERS,
    cut=st.floats(0, 1, exclude_max=True),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
)
def test_damage_is_either_harmless_or_named(
    members: list[tuple], cut: float, flips: list[tuple[float, int]]
) -> None:
    data = bytearray(write_tar(members))
    for place, value in flips:
        data[int(place * (len(data) - 1))] = value
    try:
        read_all(bytes(data[: int(cut * len(data))]), limits=Limits(content_bytes=1 << 20))
    except DataError as error:
        assert str(error).startswith("a-1-0.conda") and str(error).count("\n") == 0


@pytest.mark.parametrize("eighth", range(8))
def test_archive_that_breaks_off_is_refused(eighth: int) -> None:
    data = write_tar([(f"file{at}", Kind.FILE, b"x" * 700, 0o644, "") for at in range(8)])
    end = len(data.rstrip(b"\0"))
    with pytest.raises(DataError, match="breaks off"):
        read_all(data[: end * eighth // 8])


@pytest.mark.parametrize(
    ("flag", "word"),
    [
        (tarfile.CHRTYPE, "a character device"),
        (tarfile.BLKTYPE, "a block device"),
        (tarfile.FIFOTYPE, "a fifo"),
        (b"M", "another volume"),
        (b"V", "a volume label"),
        (b"Q", "unknown type 'Q'"),
    ],
)
def test_what_no_package_holds_is_refused(flag: bytes, word: str) -> None:
    entry = tarfile.TarInfo("bin/strange")
    entry.type = flag
    with pytest.raises(DataError, match=f"'bin/strange' is .*{word}"):
        read_all(entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


@pytest.mark.parametrize(
    "body", [b"x" * 30, b"6 a=b\n" + b"x" * 30, b"6 a=b\n 6 a=b\n", b"6 a=b\n0 a=b\n", b"2 \n", b"9 a=b\n"]
)
def test_pax_header_that_does_not_follow_its_format_is_refused(body: bytes) -> None:
    entry = tarfile.TarInfo("header")
    entry.type, entry.size = tarfile.XHDTYPE, len(body)
    with pytest.raises(DataError, match="a pax header that does not follow its format"):
        read_all(entry.tobuf(tarfile.USTAR_FORMAT) + body.ljust(512, b"\0") + bytes(1024))


def test_pax_size_goes_before_the_header_size() -> None:
    entry = tarfile.TarInfo("big")
    entry.pax_headers = {"size": "600"}
    entry.size = 600
    assert (
        read_all(entry.tobuf(tarfile.PAX_FORMAT) + b"y" * 600 + bytes(424) + bytes(1024))[0][4] == b"y" * 600
    )


def test_global_pax_headers_hold_for_all_members_that_follow() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "same"}) as tar:
        tar.addfile(tarfile.TarInfo("one"))
        tar.addfile(tarfile.TarInfo("two"))
    assert [row[0] for row in read_all(out.getvalue())] == ["same", "same"]


def test_sizes_beyond_octal_are_read_in_base_256() -> None:
    entry = tarfile.TarInfo("huge")
    entry.size = 9 << 33
    with pytest.raises(DataError, match="unpacks to more than 1000 bytes"):
        read_all(entry.tobuf(tarfile.GNU_FORMAT), limits=Limits(content_bytes=1000))
    with pytest.raises(DataError, match="breaks off"):
        read_all(entry.tobuf(tarfile.GNU_FORMAT), limits=Limits(content_bytes=1 << 40))


def test_old_header_with_a_trailing_slash_is_a_directory() -> None:
    entry = tarfile.TarInfo("folder/")
    entry.type = tarfile.AREGTYPE
    assert read_all(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))[0][1] is Kind.DIRECTORY


def test_wrong_header_checksum_is_refused() -> None:
    data = bytearray(write_tar([("a", Kind.FILE, b"x", 0o644, "")]))
    data[0] ^= 1
    with pytest.raises(DataError, match="checksum is wrong"):
        read_all(bytes(data))


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (Limits(members=2), "more than 2 members"),
        (Limits(content_bytes=20), r"more than 20 bytes \(reached at 'c'\)"),
        (Limits(header_bytes=8), "a header of .* bytes, where 8"),
    ],
)
def test_limits_are_kept(limits: Limits, word: str) -> None:
    members = [(name, Kind.FILE, b"x" * 10, 0o644, "") for name in ("a", "b", "c", "ä" * 80)]
    with pytest.raises(DataError, match=word):
        read_all(write_tar(members), limits=limits)


def test_padding_behind_the_end_counts_against_the_limit() -> None:
    with pytest.raises(DataError, match="more than 4096 bytes"):
        read_all(write_tar([]) + bytes(1 << 20), limits=Limits(content_bytes=4096))
