"""The real records of the corpus: as channel folders that any tool reads, and as envmgr's records by name."""

from __future__ import annotations

import os
from collections import defaultdict
from functools import cache
from pathlib import Path

import msgspec
import zstandard

from envmgr.models.record import Origin, PackageRecord

SUBDIRS = ("linux-64", "noarch")
SECTIONS = ("packages", "packages.conda")


class Repodata(msgspec.Struct):
    """The records of a repodata.json (CEP 36), by file name."""

    old: dict[str, PackageRecord] = msgspec.field(name="packages", default_factory=dict)
    new: dict[str, PackageRecord] = msgspec.field(name="packages.conda", default_factory=dict)


def corpus_folder() -> Path | None:
    """The folder of real channels, or None; ENVMGR_SHARED_DATA names the folder that holds corpus/."""
    shared = Path(os.environ.get("ENVMGR_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared"))
    folder = shared / "corpus"
    return folder if folder.is_dir() else None


def unpack_channel(corpus: Path, channel: str, folder: Path) -> Path:
    """A ``file://`` channel of the same records below *folder*; its path."""
    for subdir in SUBDIRS:
        place = folder / channel / subdir
        place.mkdir(parents=True, exist_ok=True)
        (place / "repodata.json").write_bytes(read_repodata(corpus, channel, subdir))
    return folder / channel


def read_repodata(corpus: Path, channel: str, subdir: str) -> bytes:
    """The text of one repodata.json; one without records where the corpus has no such file."""
    packed = corpus / channel / subdir / "repodata.json.zst"
    if not packed.exists():
        return b'{"packages": {}, "packages.conda": {}}'
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed.read_bytes())


@cache
def records_by_name(channel: Path) -> dict[str, list[PackageRecord]]:
    """The records of an unpacked channel; their channel is the folder's ``file://`` URL."""
    by_name: dict[str, list[PackageRecord]] = defaultdict(list)
    url = channel.as_uri()
    for subdir in SUBDIRS:
        text = (channel / subdir / "repodata.json").read_bytes()
        repodata = msgspec.json.decode(text, type=Repodata)
        origin = Origin(url, subdir, f"{url}/{subdir}/")
        for section in (repodata.old, repodata.new):
            for fn, record in section.items():
                by_name[record.name].append(record.placed(fn, origin))
    return dict(by_name)
