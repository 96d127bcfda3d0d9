"""Channels that have an index and no archives, for solving.

The records are real where the corpus of channel records lies beside the project (see `corpus_folder`), else made
with a fixed seed. Size N makes N*N times as many: each record N times in builds that are older by a millisecond and
more, and all that under N sets of names, so that both the candidates of a name and the names become more. The
original records stay the best ones, so the requests keep their answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

SUBDIRS = ("linux-64", "noarch")
SECTIONS = ("packages", "packages.conda")
Record = dict[str, Any]
Sections = dict[str, dict[str, Record]]

REQUESTS = {
    "data science": ("python 3.12.*", "numpy", "pandas", "scikit-learn"),
    "geography": ("geopandas", "gdal", "rasterio", "cartopy"),
    "R": ("r-base", "r-tidyverse"),
}
MADE_REQUESTS = {"made data": ("p2999", "p2500", "p2000", "p1500 >=2")}


@dataclass(frozen=True, slots=True)
class IndexChannel:
    """A channel's folder, how many records it has, and what can be asked of it: title to specs."""

    folder: Path
    records: int
    requests: dict[str, tuple[str, ...]]


def corpus_folder() -> Path | None:
    """The real records, or None; ENVMGR_SHARED_DATA names the folder that holds corpus/."""
    shared = Path(os.environ.get("ENVMGR_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared"))
    folder = shared / "corpus/conda-forge"
    return folder if folder.is_dir() else None


def write_channel(folder: Path, size: int) -> IndexChannel:
    """A channel of *size* with plain repodata.json files."""
    corpus = corpus_folder()
    count = 0
    for subdir in SUBDIRS:
        sections = _multiplied(_read(corpus, subdir) if corpus else _made(subdir), size)
        (folder / subdir).mkdir(parents=True)
        text = msgspec.json.encode({"info": {"subdir": subdir}, **sections, "repodata_version": 1})
        (folder / subdir / "repodata.json").write_bytes(text)
        count += sum(map(len, sections.values()))
    return IndexChannel(folder, count, REQUESTS if corpus else MADE_REQUESTS)


def write_compressed(channel: IndexChannel) -> None:
    """Adds what servers offer besides repodata.json: repodata.json.zst, and an index in shards (CEP 16)."""
    import zstandard

    compress = zstandard.ZstdCompressor(level=3).compress
    for subdir in SUBDIRS:
        folder = channel.folder / subdir
        text = (folder / "repodata.json").read_bytes()
        (folder / "repodata.json.zst").write_bytes(compress(text))
        shards: dict[str, bytes] = {}
        for name, sections in _by_name(msgspec.json.decode(text)).items():
            packed = compress(msgspec.msgpack.encode({**sections, "removed": []}))
            shards[name] = hashlib.sha256(packed).digest()
            (folder / f"{shards[name].hex()}.msgpack.zst").write_bytes(packed)
        facts = {"subdir": subdir, "base_url": "./", "shards_base_url": "./"}
        index = msgspec.msgpack.encode({"info": facts, "shards": shards})
        (folder / "repodata_shards.msgpack.zst").write_bytes(compress(index))


def _by_name(repodata: dict[str, Any]) -> dict[str, Sections]:
    names: dict[str, Sections] = {}
    for section in SECTIONS:
        for fn, record in repodata[section].items():
            sums = {key: bytes.fromhex(record[key]) for key in ("md5", "sha256") if record.get(key)}
            name = names.setdefault(record["name"], {each: {} for each in SECTIONS})
            name[section][fn] = {**record, **sums}
    return names


def _read(corpus: Path, subdir: str) -> Sections:
    import zstandard

    packed = (corpus / subdir / "repodata.json.zst").read_bytes()
    repodata = json.loads(zstandard.ZstdDecompressor().decompressobj().decompress(packed))
    return {section: repodata.get(section, {}) for section in SECTIONS}


def _made(subdir: str) -> Sections:
    """Three thousand names, each with the same few dependencies in all its versions, as real packages have.

    Dependencies have lower numbers, most often very low ones, which so become the libraries that all need. A newer
    version needs newer ones, and sometimes not the newest; the newest version fits with the newest of its time.
    """
    source = random.Random(f"envmgr {subdir}")
    newest = [source.randint(3, 30) for _ in range(3000 if subdir == "linux-64" else 0)]
    records: dict[str, Record] = {}
    for number, versions in enumerate(newest):
        needed = {int(number * source.random() ** 2) for _ in range(source.randint(1, 6))} - {number}
        for version in range(1, versions + 1):
            age = version / versions
            depends = [_depend(each, int(newest[each] * age), source) for each in sorted(needed)]
            record = {"name": f"p{number}", "version": f"{version}.0", "build": "0", "build_number": 0}
            records[f"p{number}-{version}.0-0.conda"] = {
                **record,
                "depends": depends,
                "subdir": subdir,
                "size": source.randint(1_000, 1_000_000),
                "sha256": source.randbytes(32).hex(),
                "timestamp": 1_700_000_000_000 + version,
            }
    return {"packages": {}, "packages.conda": records}


def _depend(number: int, then: int, source: random.Random) -> str:
    above = f",<{then + source.randint(2, 6)}" if source.random() < 0.3 else ""
    return f"p{number} >={source.randint(max(then - 3, 0), then)}{above}"


def _multiplied(sections: Sections, size: int) -> Sections:
    copies = [(names, builds) for names in range(size) for builds in range(size)]
    return {
        section: {fn: each for copy in copies for fn, each in _copied(records, section, *copy)}
        for section, records in sections.items()
    }


def _copied(records: dict[str, Record], section: str, names: int, builds: int) -> list[tuple[str, Record]]:
    if not names and not builds:
        return list(records.items())
    extension = ".conda" if section == "packages.conda" else ".tar.bz2"
    found = []
    for record in records.values():
        name = record["name"] + (f"-x{names}" if names else "")
        build = (f"c{builds}_" if builds else "") + record["build"]
        changed = {"name": name, "build": build, "timestamp": record.get("timestamp", 1_000) - builds}
        found.append((f"{name}-{record['version']}-{build}{extension}", {**record, **changed}))
    return found
