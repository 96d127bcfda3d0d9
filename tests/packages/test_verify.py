"""The manifest check and the rules by which a cached package is recognised."""

from __future__ import annotations

import hashlib

import pytest

from envmgr.errors import ChannelError
from envmgr.models.package_files import PathEntry
from envmgr.models.record import Origin, PackageRecord
from envmgr.packages.identity import describes_same_archive
from envmgr.packages.verify import ArchiveDigest, Contents, check_manifest

SUM = hashlib.sha256(b"text").hexdigest()
FILE = PathEntry("f", "hardlink", SUM, 4)
LINK = PathEntry("l", "softlink", SUM, 4)
FOLDER = PathEntry("d", "directory")


@pytest.mark.parametrize(
    ("entry", "contents", "what", "damage"),
    [
        (FILE, Contents(sizes={"f": 4}), None, None),
        (FILE, Contents(sizes={"f": 4}, hashes={"f": SUM}), None, None),
        (PathEntry("f", "hardlink", SUM.upper(), 4), Contents(sizes={"f": 4}, hashes={"f": SUM}), None, None),
        (PathEntry("f"), Contents(sizes={"f": 9}, hashes={"f": "other"}), None, None),
        (FILE, Contents(links={"f": "g"}), None, None),
        (FILE, Contents(), "is missing", True),
        (FILE, Contents(folders={"f"}), "is a folder", True),
        (FILE, Contents(sizes={"f": 0}), "has 0 bytes, where the manifest states 4", True),
        (FILE, Contents(sizes={"f": 3}), "has 3 bytes, where the manifest states 4", False),
        (FILE, Contents(sizes={"f": 4}, hashes={"f": "0" * 64}), "has another sha256", False),
        (LINK, Contents(links={"l": "gone"}), None, None),
        (LINK, Contents(sizes={"l": 4}), None, None),
        (LINK, Contents(sizes={"l": 0}), "is an empty file, where the manifest promises a symlink", True),
        (LINK, Contents(sizes={"l": 2}), "is a file of 2 bytes, where the manifest promises a symlink", True),
        (LINK, Contents(links={"l": ""}), "is a symlink with an empty target", True),
        (LINK, Contents(), "is missing", True),
        (FOLDER, Contents(folders={"d"}), None, None),
        (FOLDER, Contents(), "is missing", True),
        (FOLDER, Contents(sizes={"d": 1}), "is a file, where the manifest promises a folder", True),
    ],
)
def test_difference_from_the_manifest_is_named(
    entry: PathEntry, contents: Contents, what: str | None, damage: bool | None
) -> None:
    findings = list(check_manifest([entry], contents, vouched=True))
    if what is None:
        assert findings == []
    else:
        assert [(each.path, each.damage) for each in findings] == [(entry.path, damage)]
        assert findings[0].what.startswith(what)
    unvouched = list(check_manifest([entry], contents, vouched=False))
    assert [each.path for each in unvouched] == [each.path for each in findings]
    assert all(each.damage for each in unvouched)


def test_files_beside_the_manifest_are_no_difference() -> None:
    assert list(check_manifest([], Contents(sizes={"extra": 1}), vouched=False)) == []


ORIGIN = Origin("https://example.org/c", "noarch", "https://example.org/c/noarch/")
URL = "https://example.org/c/noarch/a-1-0.conda"


def record(**stated: object) -> PackageRecord:
    return PackageRecord(name="a", version="1", build="0", fn="a-1-0.conda", origin=ORIGIN, **stated)


@pytest.mark.parametrize(
    ("stated", "cached", "same"),
    [
        ({"sha256": "ab"}, {"sha256": "AB", "url": "elsewhere"}, True),
        ({"sha256": "ab", "md5": "cd"}, {"sha256": "ff", "md5": "cd"}, False),
        ({"sha256": "ab", "md5": "cd"}, {"md5": "cd"}, True),
        ({"md5": "cd"}, {"sha256": "ff", "md5": "cd"}, True),
        ({"md5": "cd"}, {"sha256": "ff", "url": URL}, False),
        ({"sha256": "ab"}, {"url": URL}, False),
        ({"sha256": "ab"}, {"sha256": 7}, False),
        ({}, {"url": URL}, True),
        ({}, {"url": URL, "sha256": "ab"}, True),
        ({}, {"url": URL + "x"}, False),
        ({}, {}, False),
        ({"size": 5}, {"url": URL, "size": 5}, True),
        ({"size": 5}, {"url": URL, "size": 6}, False),
    ],
)
def test_checksum_decides_whether_it_is_the_same_archive(stated: dict, cached: dict, same: bool) -> None:
    assert describes_same_archive(cached, record(**stated)) is same


def test_record_without_url_is_never_recognised_without_checksum() -> None:
    bare = PackageRecord(name="a", version="1", build="0", fn="a-1-0.conda")
    assert not describes_same_archive({"url": ""}, bare)


def test_digest_accepts_the_stated_sums_in_any_case_and_nothing_else() -> None:
    digest = ArchiveDigest(record(sha256=SUM.upper(), size=4))
    digest.update(b"te")
    with pytest.raises(ChannelError, match="its size is 2, expected 4"):
        digest.check(URL)
    digest.update(b"xt")
    digest.check(URL)
    digest.update(b"")
    assert (digest.size, digest.sha256) == (4, SUM)
