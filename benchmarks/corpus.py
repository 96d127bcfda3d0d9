"""Channels of any size that have an index and no archives, made from the real records, for solving.

Below the corpus' own size a channel holds a part of it: of the names in answers to the requests that it is
for, the records of the answers and then the newest, and other names whole. Above it, all real records and

- histories (history.py): the names that most others depend on get 500 to 3,000 candidates in a channel of a
  million, the others up to three times as many as they have;
- further names: copies of the less popular names, under names of their own, with dependencies renamed to the
  same copy; what is popular is shared by all, as in a real channel.

All of it is drawn without chance and written name by name, so memory does not grow with the channel. Where
the corpus is missing, records that are made with a fixed seed take its place.
"""

from __future__ import annotations

import hashlib
import random
import shutil
from collections import Counter, defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import zstandard

from benchmarks.history import with_history
from benchmarks.records import SECTIONS, SUBDIRS, read_repodata

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

Record = dict[str, Any]
Names = dict[str, list[Record]]

POPULAR = 250
MOST_CANDIDATES = 3_000
LARGEST = 1_000_000
MADE_NAMES = 3_000


class Part(NamedTuple):
    """Some records of the channel: those of *name*, *target* with their history, or as they are in copy *copy*."""

    name: str
    target: int
    copy: int = 0


RENAMED = {"linux-aarch64": "linux-64", "osx-64": "osx-arm64"}
"""Platforms that the corpus does not have, with those whose records stand for theirs."""


def real_records(corpus: Path, channel: str = "conda-forge", subdirs: Collection[str] = SUBDIRS) -> Names:
    """The records of a real channel by name, each told its file extension."""
    names: Names = defaultdict(list)
    for subdir in subdirs:
        repodata = msgspec.json.decode(read_repodata(corpus, channel, RENAMED.get(subdir, subdir)))
        for section in SECTIONS:
            for fn, record in repodata.get(section, {}).items():
                end = ".tar.bz2" if fn.endswith(".tar.bz2") else ".conda"
                names[record["name"]].append({**record, "subdir": subdir, "end": end})
    return dict(names)


def made_records() -> Names:
    """Three thousand names, each with the same few dependencies in all its versions, as real packages have.

    Dependencies have lower numbers, most often very low ones, which so become the libraries that all need. A newer
    version needs newer ones, and sometimes not the newest; the newest version fits with the newest of its time.
    """
    source = random.Random("envmgr")
    newest = [source.randint(3, 30) for _ in range(MADE_NAMES)]
    names: Names = defaultdict(list)
    for number, versions in enumerate(newest):
        needed = {int(number * source.random() ** 2) for _ in range(source.randint(1, 6))} - {number}
        for version in range(1, versions + 1):
            age = version / versions
            record = {"name": f"p{number}", "version": f"{version}.0", "build": "0", "build_number": 0}
            depends = [_depend(each, int(newest[each] * age), source) for each in sorted(needed)]
            facts = {"depends": depends, "subdir": "linux-64", "size": source.randint(1_000, 1_000_000)}
            timestamp = 1_700_000_000_000 + version * 86_400_000
            names[f"p{number}"].append({**record, **facts, "timestamp": timestamp, "end": ".conda"})
    return dict(names)


def _depend(number: int, then: int, source: random.Random) -> str:
    above = f",<{then + source.randint(2, 6)}" if source.random() < 0.3 else ""
    return f"p{number} >={source.randint(max(then - 3, 0), then)}{above}"


def plan(names: Names, count: int) -> list[Part]:
    """What a channel of *count* records holds, where that is more than *names* hold."""
    popular = most_needed(names)
    left = count - sum(map(len, names.values()))
    older = _histories(names, popular, min(count / LARGEST, 1.0))
    share = min(left / max(sum(older.values()), 1), 1.0)
    older = {name: int(wanted * share) for name, wanted in older.items()}
    parts = [Part(name, len(records) + older[name]) for name, records in sorted(names.items())]
    left -= sum(older.values())
    copied = [name for name in sorted(names) if name not in popular]
    copy = 0
    while left > 0:
        copy += 1
        for name in copied:
            if target := min(len(names[name]), left):
                parts.append(Part(name, target, copy))
                left -= target
    return parts


def _histories(names: Names, popular: Mapping[str, int], scale: float) -> dict[str, int]:
    """How many older relatives each name would get in a channel of *scale* times the largest."""
    older = {name: int(len(records) * 2 * scale) for name, records in names.items()}
    for name, rank in popular.items():
        wanted = int(MOST_CANDIDATES / (1 + rank / 50) * scale)
        older[name] = max(older[name], wanted - len(names[name]))
    return older


def most_needed(names: Names) -> dict[str, int]:
    """The names that most others depend on, with their rank from 0."""
    needed: Counter[str] = Counter()
    for records in names.values():
        needed.update({entry.split(" ", 1)[0] for record in records for entry in record["depends"]})
    ranked = sorted(needed.keys() & names.keys(), key=lambda name: (-needed[name], name))
    return {name: rank for rank, name in enumerate(ranked[:POPULAR])}


def part_of(names: Names, count: int, answers: Collection[tuple[str, str, str]]) -> Names:
    """*count* of the records: of the names in *answers* (name, version, build) as many as fit, then other names."""
    wanted = {name for name, _, _ in answers}
    held: Names = {name: [r for r in names[name] if _key(r) in answers] for name in sorted(wanted)}
    left = count - sum(map(len, held.values()))
    others = [r for name in sorted(wanted) for r in names[name] if _key(r) not in answers]
    others.sort(key=lambda record: -(record.get("timestamp") or 0))
    for record in others[: max(left, 0)]:
        held[record["name"]].append(record)
    left -= len(others)
    for name in sorted(names.keys() - wanted):
        if left > 0:
            held[name] = names[name][:left]
            left -= len(held[name])
    return held


def _key(record: Record) -> tuple[str, str, str]:
    return record["name"], record["version"], record["build"]


def iter_records(names: Names, parts: list[Part]) -> Iterator[list[Record]]:
    """The records of each part; all of one name together."""
    popular = most_needed(names) if any(part.copy for part in parts) else {}
    for part in parts:
        if part.copy:
            rename = _renaming(part.copy, popular, names)
            yield [_copied(record, rename) for record in names[part.name][: part.target]]
        else:
            yield list(with_history(names[part.name], part.target))


@cache
def _suffix(copy: int) -> str:
    return f"-x{copy}"


def _renaming(copy: int, popular: Mapping[str, int], names: Names) -> Callable[[str], str]:
    def rename(entry: str) -> str:
        name, space, rest = entry.partition(" ")
        return f"{name}{_suffix(copy)}{space}{rest}" if name in names and name not in popular else entry

    return rename


def _copied(record: Record, rename: Callable[[str], str]) -> Record:
    return {**record, "name": rename(record["name"]), "depends": [rename(each) for each in record["depends"]]}


class Writer:
    """Writes one subdir in all forms: repodata.json, repodata.json.zst, and shards (CEP 16)."""

    def __init__(self, folder: Path, subdir: str) -> None:
        self.folder = folder / subdir
        self.folder.mkdir(parents=True)
        self.subdir = subdir
        self.count = 0
        self._shards: dict[str, bytes] = {}
        self._compress = zstandard.ZstdCompressor(level=3).compress
        self._files = {section: (self.folder / f"{section}.part").open("wb") for section in SECTIONS}

    def add(self, name: str, records: list[Record]) -> None:
        """Write all records of one name, of which none was added before."""
        shard: dict[str, Any] = {section: {} for section in SECTIONS}
        for record in records:
            section, fn, sums, fields = _described(record)
            text = msgspec.json.encode({**fields, **{key: value.hex() for key, value in sums.items()}})
            file = self._files[section]
            file.write(b'%s"%s":%s' % (b",\n" if file.tell() else b"", fn.encode(), text))
            shard[section][fn] = {**fields, **sums}
        self.count += len(records)
        packed = self._compress(msgspec.msgpack.encode({**shard, "removed": []}))
        self._shards[name] = hashlib.sha256(packed).digest()
        (self.folder / f"{self._shards[name].hex()}.msgpack.zst").write_bytes(packed)

    def close(self) -> None:
        """Put the files together; nothing is added afterwards."""
        whole = self.folder / "repodata.json"
        with whole.open("wb") as target:
            target.write(b'{"info":{"subdir":"%s"}' % self.subdir.encode())
            for section, file in self._files.items():
                file.close()
                target.write(b',"%s":{' % section.encode())
                with (part := self.folder / f"{section}.part").open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)
                part.unlink()
                target.write(b"}")
            target.write(b',"repodata_version":1}')
        with whole.open("rb") as source, (self.folder / "repodata.json.zst").open("wb") as target:
            zstandard.ZstdCompressor(level=3).copy_stream(source, target)
        facts = {"subdir": self.subdir, "base_url": "./", "shards_base_url": "./"}
        index = msgspec.msgpack.encode({"info": facts, "shards": self._shards})
        (self.folder / "repodata_shards.msgpack.zst").write_bytes(self._compress(index))


def _described(record: Record) -> tuple[str, str, dict[str, bytes], Record]:
    """The record's section, file name, sums of the archive that is not there, and its other fields."""
    end = record["end"]
    fn = f"{record['name']}-{record['version']}-{record['build']}{end}"
    digest = hashlib.sha256(fn.encode()).digest()
    fields = {key: value for key, value in record.items() if key not in ("end", "sha256", "md5")}
    return SECTIONS[end == ".conda"], fn, {"md5": digest[:16], "sha256": digest}, fields


def write_channel(folder: Path, names: Names, count: int, subdirs: Collection[str] = SUBDIRS) -> int:
    """A channel of *count* records in *folder*; all of *names* where they are no fewer. Tells how many."""
    held = sum(map(len, names.values()))
    parts = plan(names, count) if count > held else [Part(name, len(names[name])) for name in sorted(names)]
    writers = {subdir: Writer(folder, subdir) for subdir in subdirs}
    for records in iter_records(names, parts):
        for subdir, writer in writers.items():
            if here := [record for record in records if record["subdir"] == subdir]:
                writer.add(here[0]["name"], here)
    for writer in writers.values():
        writer.close()
    return sum(writer.count for writer in writers.values())
