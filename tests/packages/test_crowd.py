"""Many processes and users over one cache, some killed, one cleaning: the cache and all environments stay whole.

``ENVMGR_TEST_CROWD=COMMANDS`` lets each of the eight run so many commands; a few do for the suite.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.packages.store import PackageCache
from envmgr.packages.work_area import PREFIX, remove_abandoned
from tests.builders import Pkg, link, make_channel, pkg, script
from tests.packages.crowd_names import NAMES
from tests.packages.test_layers import WITHOUT_FLOCK, needs_strace
from tests.packages.test_store import obtain, records_of
from tests.servers import serve
from tests.users import CAN_BE_OTHERS, as_user, reachable_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = 8
COMMANDS = int(os.environ.get("ENVMGR_TEST_CROWD", "2"))
KILLS = 0.3
GROUP = 54_321
_LOST = ("is damaged: ", "o such file or directory")
USERS = (54_001, 54_002, 54_003)


def packages(seed: int) -> list[Pkg]:
    """Three versions of each name; the files differ from channel to channel."""
    chance = random.Random(seed)
    return [
        pkg(
            name,
            version,
            depends=[NAMES[at + 1]] if at % 3 == 0 and at + 1 < len(NAMES) else [],
            extension=".tar.bz2" if at == 5 else ".conda",
            files={
                f"bin/{name}": script(f"echo {version}"),
                f"lib/{name}.so": link(f"{name}.so.{version}"),
                f"lib/{name}.so.{version}": chance.randbytes(150_000),
                **{f"share/{name}/{number}": chance.randbytes(500) for number in range(20)},
            },
        )
        for at, name in enumerate(NAMES)
        for version in "123"
    ]


@pytest.fixture
def place() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


def prepare_layers(place: Path) -> list[Path]:
    """A site's layer that nobody may write to, with some packages and archives, and one that all share."""
    site, shared = place / "site", place / "shared"
    for folder in (shared, place / "homes"):
        folder.mkdir()
        if CAN_BE_OTHERS:
            os.chown(folder, 0, GROUP)
            folder.chmod(0o2775)
    records = list(records_of((place / "served/one").as_uri(), place / "served/one").values())
    before = os.umask(0o022)
    obtain(PackageCache([site]), records[:4])
    os.umask(before)
    name = records[5].file_name
    (site / name).write_bytes((place / "served/one/linux-64" / name).read_bytes())
    # Where all are one user, the first layer is the one that can be written.
    return [site, shared] if CAN_BE_OTHERS else [shared, site]


def start(
    place: Path, layers: list[Path], user: int, urls: list[str], before: list[str]
) -> subprocess.Popen[str]:
    """Those of the crowd that one user is."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "ENVMGR_PKGS_DIRS": os.pathsep.join(map(str, layers))}
    members = ",".join(str(member) for member in range(MEMBERS) if member % len(USERS) == user)
    who = as_user(USERS[user], GROUP) if CAN_BE_OTHERS else []
    program = str(Path(__file__).with_name("crowd_member.py"))
    command = [
        *before,
        *who,
        sys.executable,
        program,
        str(place / "homes"),
        members,
        str(COMMANDS),
        str(KILLS),
    ]
    return subprocess.Popen(
        [*command, *urls], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )


def gather(place: Path, layers: list[Path], before: list[str]) -> list[dict[str, Any]]:
    """Let the crowd run to its end; how each command ended."""
    with serve(place / "served") as server:
        urls = [f"{server.url}/one", f"{server.url}/two"]
        crowd = [start(place, layers, user, urls, before) for user in range(len(USERS))]
        ended = [each.communicate(timeout=60 + 15 * COMMANDS)[0] for each in crowd]
    assert [each.returncode for each in crowd] == [0] * len(crowd), ended
    logs = sorted((place / "homes").glob("*/log"))
    assert len(logs) == MEMBERS
    return [json.loads(line) for log in logs for line in log.read_text().splitlines()]


def is_expected(result: dict[str, Any], *, with_flock: bool) -> bool:
    """Whether a command ended as it should; without locks an installation may lose a package to a cleaning."""
    if result["killed"] or result["code"] == 0:
        return True
    if result["words"][0] == "clean":
        return "is in use by another process" in result["said"]
    return not with_flock and any(each in result["said"] for each in _LOST)


def sums(place: Path) -> dict[str, set[str]]:
    """The checksums of the archives in both channels, by file name."""
    found: dict[str, set[str]] = {}
    for archive in place.glob("served/*/linux-64/p*"):
        found.setdefault(archive.name, set()).add(hashlib.sha256(archive.read_bytes()).hexdigest())
    return found


def check_layer(layer: Path, expected: dict[str, set[str]]) -> int:
    """Every file of every package is what its manifest says, and nothing else lies there; how many there are."""
    count = 0
    for home in (layer, *(layer / ".by-hash").glob("*")):
        for path in home.iterdir():
            if path.name in (".by-hash", "urls.txt"):
                continue
            if path.is_file():
                assert hashlib.sha256(path.read_bytes()).hexdigest() in expected[path.name], path
                continue
            record = json.loads((path / "info/repodata_record.json").read_bytes())
            assert record["sha256"] in expected[record["fn"]], path
            assert record["fn"].startswith(f"{path.name}."), path
            entries = json.loads((path / "info/paths.json").read_bytes())["paths"]
            for entry in entries:
                content = (path / entry["_path"]).read_bytes()
                assert hashlib.sha256(content).hexdigest() == entry["sha256"], path / entry["_path"]
            assert len(entries) == 23
            count += 1
    return count


@pytest.mark.timeout(60 + 20 * COMMANDS)
@pytest.mark.parametrize(
    "before",
    [pytest.param([], id="with flock"), pytest.param(WITHOUT_FLOCK, id="without flock", marks=needs_strace)],
)
def test_a_crowd_leaves_the_cache_and_every_environment_whole(before: list[str], place: Path) -> None:
    for seed, name in enumerate(("one", "two")):
        make_channel(place / "served" / name, packages(seed))
    layers = prepare_layers(place)
    site = {path: path.stat().st_mtime_ns for path in (place / "site").rglob("*")}
    results = gather(place, layers, before)
    assert [each for each in results if not is_expected(each, with_flock=not before)] == []
    assert any(each["words"][0] == "verify" for each in results)
    # Whoever was killed before it had the lock of its work area, or had none, is forgotten after a day.
    for area in (place / "shared").glob(f"{PREFIX}*"):
        os.utime(area, (1, 1))
    remove_abandoned(place / "shared")
    expected = sums(place)
    assert check_layer(place / "site", expected) >= 4
    assert check_layer(place / "shared", expected) > 0
    if CAN_BE_OTHERS:
        assert {path: path.stat().st_mtime_ns for path in (place / "site").rglob("*")} == site
    cleaned = [each["code"] for each in results if each["words"][:2] == ["clean", "-p"]]
    killed = sum(each["killed"] for each in results)
    lost = sum(any(word in each["said"] for word in _LOST) for each in results)
    print(
        f"{len(results)} commands, {killed} killed, {len(cleaned)} cleanings, {cleaned.count(0)} done, {lost} lost"
    )
