"""Channels that benchmarks make: their size, that all forms agree, and that what is real stays best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import zstandard

from benchmarks.corpus import made_records, plan, write_channel
from benchmarks.history import loosened, older_build, older_version, with_history
from envmgr.models.version import Version

if TYPE_CHECKING:
    from pathlib import Path


def record(version: str, build: str, number: int) -> dict:
    return {
        "name": "numpy",
        "version": version,
        "build": build,
        "build_number": number,
        "depends": ["python >=3.12,<3.13.0a0", "openssl >=3.5.1,<4.0a0"],
        "timestamp": 1_700_000_000_000,
    }


REAL = [record("2.1.3", "py312h1_2", 2), record("1.4.0", "py312h2_0", 0)]


def test_a_history_has_as_many_records_as_asked_for_and_no_file_twice() -> None:
    records = list(with_history(REAL, 500))
    assert len(records) == 500
    assert len({(each["version"], each["build"]) for each in records}) == 500


def test_a_real_record_ranks_above_all_its_relatives() -> None:
    def rank(each: dict) -> tuple:
        return Version.parse(each["version"]), each["build_number"], each["timestamp"]

    records = list(with_history(REAL, 300))
    newest = max(records, key=rank)
    assert newest["build"] == "py312h1_2"
    assert [each for each in records if rank(each) == rank(newest)] == [newest]
    assert max(records[2:], key=rank)["version"] == "2.1.3"


@pytest.mark.parametrize(
    ("text", "steps", "older"),
    [
        ("2.1.3", 3, "2.1.0"),
        ("2.1.0", 1, "2.0.9"),
        ("1.0.0", 1, "0.9.9"),
        ("0.1", 2, None),
        ("1.1.1w", 1, None),
    ],
)
def test_versions_count_down(text: str, steps: int, older: str | None) -> None:
    assert older_version(text, steps) == older


def test_builds_keep_their_variant() -> None:
    assert older_build("cuda_h1_302", 302, 1) == ("cuda_h1_301", 301)
    assert older_build("cuda_h1_302", 302, 9) == ("c9_cuda_h1_302", 300)


def test_only_lower_bounds_of_libraries_are_loosened() -> None:
    forms = {loosened("openssl >=3.5.1,<4.0a0", steps) for steps in range(1, 5)}
    lower = {f"openssl >={version},<4.0a0" for version in ("3.5.1", "3.5.0", "3.4.9", "3.4.8", "3.4.7")}
    assert forms <= lower
    assert len(forms) > 1
    assert {loosened("python >=3.12,<3.13.0a0", steps) for steps in range(1, 5)} == {
        "python >=3.12,<3.13.0a0"
    }


def test_a_channel_has_the_size_asked_for_and_its_forms_agree(tmp_path: Path) -> None:
    names = made_records()
    held = sum(map(len, names.values()))
    size = held + 5_000
    assert sum(part.target for part in plan(names, size)) == size
    assert write_channel(tmp_path, names, size) == size
    folder = tmp_path / "linux-64"
    text = (folder / "repodata.json").read_bytes()
    decompress = zstandard.ZstdDecompressor()
    packed = (folder / "repodata.json.zst").read_bytes()
    assert decompress.decompressobj().decompress(packed) == text
    records = msgspec.json.decode(text)["packages.conda"]
    assert len(records) == size
    index = msgspec.msgpack.decode(
        decompress.decompress((folder / "repodata_shards.msgpack.zst").read_bytes())
    )
    shard = (folder / f"{index['shards']['p7'].hex()}.msgpack.zst").read_bytes()
    found = msgspec.msgpack.decode(decompress.decompress(shard))["packages.conda"]
    assert found.keys() == {fn for fn, each in records.items() if each["name"] == "p7"}
    assert all(each["sha256"].hex() == records[fn]["sha256"] for fn, each in found.items())


def test_copies_depend_on_their_own_copy_and_on_what_all_share(tmp_path: Path) -> None:
    names = {name: records[:1] for name, records in made_records().items()}
    write_channel(tmp_path, names, 9_000)
    records = msgspec.json.decode((tmp_path / "linux-64" / "repodata.json").read_bytes())["packages.conda"]
    known = {each["name"] for each in records.values()}
    copied = [each for each in records.values() if each["name"].endswith("-x1")]
    targets = {entry.split()[0] for each in copied for entry in each["depends"]}
    assert targets <= known
    assert {name.endswith("-x1") for name in targets} == {True, False}
