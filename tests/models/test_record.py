"""Package records of CEP 34 and CEP 36."""

from __future__ import annotations

import json

import msgspec
import pytest

from envmgr.errors import DataError
from envmgr.models.record import Origin, PackageRecord, split_names
from tests.shared_data import shared_path

ORIGIN = Origin("https://example.org/ch", "linux-64", "https://cdn.example.org/ch/linux-64/")
FULL = {
    "name": "zlib", "version": "1.2.11", "build": "h1_3", "build_number": 3, "depends": ["__glibc >=2.17"],
    "constrains": ["x <2"], "subdir": "linux-64", "timestamp": 1700000000000, "size": 10, "md5": "a" * 32,
    "sha256": "b" * 64, "license": "Zlib", "app_entry": "zlib", "arch": "x86_64",
}  # fmt: skip


def test_unknown_keys_are_kept() -> None:
    record = PackageRecord.parse(FULL, fn="zlib-1.2.11-h1_3.conda", origin=ORIGIN)
    assert record.extra == {"app_entry": "zlib"}
    assert record.to_dict() == FULL
    assert PackageRecord.parse(json.dumps(FULL)).to_dict() == FULL


def test_record_knows_where_it_is_downloaded_from() -> None:
    record = PackageRecord.parse(FULL, fn="zlib-1.2.11-h1_3.conda", origin=ORIGIN)
    assert record.url == "https://cdn.example.org/ch/linux-64/zlib-1.2.11-h1_3.conda"
    assert record.key == ("https://example.org/ch", "linux-64", "zlib-1.2.11-h1_3.conda")
    assert PackageRecord.parse(FULL).url == ""
    assert PackageRecord.parse(FULL).file_name == "zlib-1.2.11-h1_3.conda"


def test_records_are_equal_when_they_name_the_same_file_of_the_same_channel() -> None:
    first = PackageRecord.parse(FULL, fn="a.conda", origin=ORIGIN)
    again = PackageRecord.parse({**FULL, "size": 11}, fn="a.conda", origin=ORIGIN)
    elsewhere = PackageRecord.parse(
        FULL, fn="a.conda", origin=Origin("https://x/ch", "linux-64", "https://x/")
    )
    assert first == again
    assert len({first, again, elsewhere}) == 2
    assert first != elsewhere


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"depends": "numpy"}, "depends"),
        ({"build_number": "x"}, "build_number"),
        ({"name": 3}, "name"),
        ({"name": None}, "name"),
    ],
)
def test_wrong_record_is_refused_with_file_and_field(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=rf"the record of zlib\.conda is not valid.*{said}"):
        PackageRecord.parse({**FULL, **changes}, fn="zlib.conda")
    with pytest.raises(DataError, match="the record of a package is not valid"):
        PackageRecord.parse(b"{")


def test_null_counts_as_missing() -> None:
    assert PackageRecord.parse({**FULL, "noarch": None, "constrains": None}).constrains == []


def test_noarch_and_features_have_one_shape_whatever_was_written() -> None:
    assert PackageRecord.parse({**FULL, "noarch": True}).noarch_kind == "generic"
    assert PackageRecord.parse({**FULL, "noarch": "python"}).noarch_kind == "python"
    assert PackageRecord.parse({**FULL, "noarch": False}).noarch_kind is None
    assert split_names("a, b c") == split_names(["a", "b", "c"]) == ("a", "b", "c")
    assert split_names(None) == split_names("") == ()
    assert PackageRecord.parse({**FULL, "track_features": "mkl,debug"}).features_tracked == ("mkl", "debug")


def test_new_fields_of_the_third_schema_are_read() -> None:
    record = PackageRecord.parse(
        {**FULL, "extra_depends": {"test": ["pytest"]}, "flags": ["cuda"], "schema_version": 3}
    )
    assert (record.extra_depends, record.flags, record.extra) == (
        {"test": ["pytest"]},
        ["cuda"],
        {"app_entry": "zlib"},
    )


def test_version_is_parsed_once_per_text() -> None:
    first, second = PackageRecord.parse(FULL), PackageRecord.parse({**FULL, "build": "other"})
    assert first.parsed_version is second.parsed_version


def test_real_repodata_decodes_straight_into_records() -> None:
    read = 0
    for file in sorted(shared_path("packages").rglob("repodata.json")):
        repodata = json.loads(file.read_bytes())
        for section in ("packages", "packages.conda"):
            for fn, entry in repodata.get(section, {}).items():
                decoded = msgspec.json.decode(json.dumps(entry), type=PackageRecord).placed(fn, None)
                assert decoded.to_dict().items() <= PackageRecord.parse(entry, fn=fn).to_dict().items()
                read += 1
    assert read > 10
