"""Sparse files: all four forms as GNU tar writes them, and the maps that no sound archive has."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.packages.extract import Extraction, extract_archive
from envmgr.packages.tar import Kind, Limits
from tests.builders import File, conda_bytes, tar_bytes
from tests.packages.test_tar import expected, read_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMS = {
    "old GNU": ["--format=gnu"],
    "pax 0.0": ["--format=posix", "--sparse-version=0.0"],
    "pax 0.1": ["--format=posix", "--sparse-version=0.1"],
    "pax 1.0": ["--format=posix", "--sparse-version=1.0"],
}
BLOCK = 512
MIB = 1 << 20
# Each file: its size, and where something lies in it.
SHAPES: dict[str, tuple[int, dict[int, bytes]]] = {
    "hole-first": (MIB, {MIB - 700: b"end" * 200}),
    "hole-last": (MIB, {0: b"begin"}),
    "hole-only": (3 * MIB + 1, {}),
    "odd-end": (100_001, {50_000: b"x", 100_000: b"y"}),
    "many": (2 * MIB, {at: b"%d" % at for at in range(0, 2 * MIB, 2 * MIB // 90)}),
    "larger-than-a-chunk": (3 * MIB, {512 * 1000: os.urandom(600_000)}),
    "deep/" + "long-name-" * 11 + "/" + "n" * 120: (200_000, {130_000: b"z" * 1000}),
    "plain": (5, {0: b"plain"}),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name, (size, stretches) in SHAPES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        with open(root / name, "xb") as file:
            for offset, data in stretches.items():
                file.seek(offset)
                file.write(data)
            file.truncate(size)
    return root


def gnu_tar() -> str:
    program = next((found for name in ("tar", "gtar") if (found := shutil.which(name))), None)
    if (
        program
        and b"GNU tar" in subprocess.run([program, "--version"], check=True, stdout=subprocess.PIPE).stdout
    ):
        return program
    pytest.skip("tar is not GNU tar here")


def pack(tree: Path, archive: Path, form: str) -> bytes:
    """*tree* as GNU tar packs it, and proof that the tar is sparse."""
    options = ["--sparse", "--hole-detection=raw", *FORMS[form]]
    subprocess.run([gnu_tar(), *options, "-C", tree, "-cf", archive, "."], check=True)
    data = archive.read_bytes()
    assert len(data) < sum(size for size, _ in SHAPES.values()) // 4
    return data


@pytest.mark.parametrize("form", FORMS)
def test_sparse_files_become_what_tar_makes_of_them(form: str, tree: Path, tmp_path: Path) -> None:
    data = pack(tree, tmp_path / "a.tar", form)
    (tmp_path / "peer").mkdir()
    subprocess.run([gnu_tar(), "-C", tmp_path / "peer", "-xf", tmp_path / "a.tar"], check=True)
    info = {"info/index.json": File(b'{"name": "a", "version": "1", "build": "0"}')}
    (tmp_path / "a-1-0.conda").write_bytes(conda_bytes("a-1-0", tar_bytes(info), data))
    contents = extract_archive(tmp_path / "a-1-0.conda", tmp_path / "out", Extraction(hashed=True))
    assert set(contents.sizes) == {*SHAPES, "info/index.json"}
    for name, (size, _) in SHAPES.items():
        ours, theirs = tmp_path / "out" / name, tmp_path / "peer" / name
        assert ours.read_bytes() == theirs.read_bytes() == (tree / name).read_bytes(), name
        assert contents.sizes[name] == size
        assert contents.hashes[name] == hashlib.sha256(theirs.read_bytes()).hexdigest()
        assert ours.stat().st_blocks <= (tree / name).stat().st_blocks, name


@pytest.mark.parametrize("form", FORMS)
def test_sparse_files_are_read_as_the_standard_library_reads_them(
    form: str, tree: Path, tmp_path: Path
) -> None:
    data = pack(tree, tmp_path / "a.tar", form)
    # Without the names, because tarfile keeps the made-up one of a sparse file whose name is long.
    assert [row[1:] for row in read_all(data, 4096)] == [row[1:] for row in expected(data)]


@pytest.mark.parametrize("form", FORMS)
def test_holes_count_against_the_limit(form: str, tree: Path, tmp_path: Path) -> None:
    data = pack(tree, tmp_path / "a.tar", form)
    whole = sum(size for size, _ in SHAPES.values())
    with pytest.raises(DataError, match=rf"unpacks to more than {whole // 2} bytes"):
        read_all(data, limits=Limits(content_bytes=whole // 2))


def field(number: int) -> bytes:
    return b"%011o\0" % number if number < 8 << 30 else b"\x80" + number.to_bytes(11, "big")


def with_sum(header: bytes) -> bytes:
    bare = header[:148] + b" " * 8 + header[156:]
    return bare[:148] + b"%06o\0 " % sum(bare) + bare[156:]


def written(
    form: str, numbers: Sequence[int], size: int, stored: bytes, keywords: dict[str, str] | None = None
) -> bytes:
    """A tar with one sparse file around any map, right or wrong; *keywords* replace or add GNU.sparse ones."""
    entry = tarfile.TarInfo("hole")
    entry.size = len(stored)
    content = stored + bytes(-len(stored) % BLOCK)
    if form == "old GNU":
        pairs = [field(a) + field(b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
        blocks = [pairs[at : at + 21] for at in range(4, len(pairs), 21)]
        header = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
        header[156:157] = b"S"
        header[386:482] = b"".join(pairs[:4]).ljust(96, b"\0")
        header[482] = bool(blocks)
        header[483:495] = field(size)
        more = [
            b"".join(each).ljust(504, b"\0") + bytes([each is not blocks[-1]]) + bytes(7) for each in blocks
        ]
        return with_sum(bytes(header)) + b"".join(more) + content + bytes(2 * BLOCK)
    known = {"name": "hole", "realsize" if form == "pax 1.0" else "size": str(size)}
    if form == "pax 1.0":
        known |= {"major": "1", "minor": "0"}
        lines = b"".join(b"%d\n" % each for each in [len(numbers) // 2, *numbers])
        content = lines + bytes(-len(lines) % BLOCK) + content
        entry.size += len(content) - len(stored) - (-len(stored) % BLOCK)
    elif form == "pax 0.1":
        known |= {"numblocks": str(len(numbers) // 2), "map": ",".join(map(str, numbers))}
    entry.pax_headers = {
        f"GNU.sparse.{key}": value for key, value in {**known, **(keywords or {})}.items() if value
    }
    return entry.tobuf(tarfile.PAX_FORMAT) + content + bytes(2 * BLOCK)


BY_HAND = ["old GNU", "pax 0.1", "pax 1.0"]


@given(
    st.sampled_from(BY_HAND),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=60),
    st.integers(0, 700),
)
def test_any_map_in_order_is_read_as_the_standard_library_reads_it(
    form: str, steps: list[tuple[int, int]], behind: int
) -> None:
    numbers, at = [0, 0], 0
    for gap, length in steps:
        numbers += [at + gap * BLOCK, length * BLOCK]
        at = sum(numbers[-2:])
    stored = b"".join(b"%-512d" % each for each in range(sum(numbers[1::2]) // BLOCK))
    data = written(form, numbers, at + behind, stored)
    assert read_all(data, 1000)[0][4] == expected(data)[0][4]


@pytest.mark.parametrize("form", BY_HAND)
def test_hole_of_a_billion_gigabytes_is_refused_at_once(form: str) -> None:
    with pytest.raises(DataError, match="unpacks to more than"):
        read_all(written(form, [1 << 60, 0], 1 << 60, b""))


@pytest.mark.parametrize("form", BY_HAND)
@pytest.mark.parametrize(
    ("numbers", "size", "stored", "word"),
    [
        ([512, 512, 0, 512], 2048, 1024, "stretches overlap"),
        ([0, 1024, 512, 512], 2048, 1536, "stretches overlap"),
        ([0, 1024], 1000, 1024, "behind the file's end"),
        ([1 << 62, 512], 2048, 512, "behind the file's end"),
        ([0, 512], 2048, 1024, "a map of 512 bytes, where 1024 are stored"),
        ([0, 1024], 2048, 512, "a map of 1024 bytes, where 512 are stored"),
        ([0, 100, 512, 512], 2048, 612, "ends inside of a block"),
    ],
)  # fmt: skip
def test_map_that_does_not_fit_its_file_is_refused(
    form: str, numbers: list[int], size: int, stored: int, word: str
) -> None:
    with pytest.raises(DataError, match=f"the sparse file 'hole', which has .*{word}"):
        read_all(written(form, numbers, size, b"x" * stored))


@pytest.mark.parametrize(
    ("keywords", "word"),
    [
        ({"size": ""}, "does not state its size once"),
        ({"realsize": "7"}, "does not state its size once"),
        ({"size": "x"}, "something else than numbers in its map"),
        ({"size": "9" * 30}, "something else than numbers in its map"),
        ({"map": "0"}, "ends with an offset|another length"),
        ({"map": "0,-5"}, "something else than numbers in its map"),
        ({"map": ""}, "in no known form"),
        ({"major": "1", "minor": "0"}, "in no known form"),
        ({"major": "2"}, "in no known form"),
        ({"numblocks": "7"}, "another length than it states"),
        ({"offset": "0"}, "in no known form"),
    ],
)
def test_keywords_that_do_not_state_one_map_are_refused(keywords: dict[str, str], word: str) -> None:
    with pytest.raises(DataError, match=f"the sparse file 'hole', which .*{word}"):
        read_all(written("pax 0.1", [0, 512], 2048, bytes(512), keywords))


def test_offsets_and_lengths_that_do_not_take_turns_are_refused() -> None:
    keywords = {"map": "", "numbytes": "512", "offset": "0"}
    with pytest.raises(DataError, match="do not take turns"):
        read_all(written("pax 0.1", [0, 512], 2048, bytes(512), keywords))


def test_map_before_the_content_that_never_ends_is_refused() -> None:
    data = bytearray(written("pax 1.0", [0, 512], 2048, bytes(512)))
    at = data.index(b"1\n0\n512\n")
    data[at : at + 2] = b"9\n"
    with pytest.raises(DataError, match=r"something else than numbers in its map|does not end"):
        read_all(bytes(data))
    with pytest.raises(DataError, match="does not end within 1024 bytes"):
        read_all(written("pax 1.0", [0, 0] * 900, 0, b""), limits=Limits(header_bytes=1024))
    with pytest.raises(DataError, match="a map of more than 1024 bytes"):
        read_all(written("old GNU", [0, 0] * 900, 0, b""), limits=Limits(header_bytes=1024))


def test_old_map_that_goes_on_behind_its_end_is_refused() -> None:
    data = bytearray(written("old GNU", [0, 512], 2048, bytes(512)))
    data[482] = 1
    with pytest.raises(DataError, match="goes on behind its end"):
        read_all(with_sum(bytes(data[:BLOCK])) + bytes(data[BLOCK:]))


def test_sparse_file_in_two_forms_or_without_the_header_of_its_form_is_refused() -> None:
    entry = tarfile.TarInfo("hole")
    entry.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(DataError, match="'hole' is a sparse file in a form that nobody writes"):
        read_all(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    entry.type, entry.pax_headers = tarfile.SYMTYPE, {"GNU.sparse.map": "0,0", "GNU.sparse.size": "0"}
    with pytest.raises(DataError, match="'hole' is a sparse file in a form that nobody writes"):
        read_all(entry.tobuf(tarfile.PAX_FORMAT) + bytes(1024))


def test_global_header_cannot_make_files_sparse() -> None:
    head = tarfile.TarInfo.create_pax_global_header({"GNU.sparse.map": "0,0"})
    with pytest.raises(DataError, match="a global header that makes its files sparse"):
        read_all(head + written("pax 0.1", [0, 512], 2048, bytes(512)))


def test_sparse_name_goes_before_the_name_in_the_header() -> None:
    [row] = read_all(written("pax 0.1", [512, 512], 2048, b"x" * 512, {"name": "real/" + "ä" * 90}))
    assert row[0] == "real/" + "ä" * 90
    assert row[1] is Kind.FILE
    assert row[4] == bytes(512) + b"x" * 512 + bytes(1024)
