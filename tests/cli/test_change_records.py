"""Changes of environments whose metadata is damaged, made to do harm, or written by other tools meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.errors import PrefixError
from envmgr.ops.verify import check_repaired
from tests.builders import link, make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

PACKAGES = [
    pkg("base", "1.0", files={"common": b"base", "base": b"b"}),
    # Sorted by file name it comes first, and linked it comes last: its file is the one that stays.
    pkg("above", "1.0", depends=["base"], files={"common": b"above", "above": b"a", "to": link("above")}),
    pkg("other", "1.0", files={"other": b"o"}),
    pkg("third", "1.0", files={"third": b"t"}),
]


@pytest.fixture
def prefix(envmgr: Envmgr, tmp_path: Path) -> Path:
    channel = make_channel(tmp_path / "channel", PACKAGES)
    made = tmp_path / "env"
    done = envmgr("create", "-y", "-p", made, "--override-channels", "-c", channel, "above")
    assert done.code == 0, done.err
    return made


def edit(prefix: Path, name: str, **changes: Any) -> Path:
    (document,) = (prefix / "conda-meta").glob(f"{name}-*.json")
    document.write_text(json.dumps({**json.loads(document.read_text()), **changes}))
    return document


def names(envmgr: Envmgr, prefix: Path) -> set[str]:
    return {each["name"] for each in envmgr("list", "-p", prefix, "--json").json}


def test_a_record_deletes_nothing_outside_the_environment(envmgr, prefix):
    victim = prefix.parent / "victim"
    victim.write_text("precious")
    document = edit(prefix, "above", files=["above", "../victim"])
    done = envmgr("remove", "-p", prefix, "-y", "above")
    assert done.code == 1
    assert f"{document}: files lists '../victim'" in done.err
    assert victim.read_text() == "precious"
    assert (prefix / "above").exists()


@pytest.mark.parametrize("own", ["state", "frozen", "envmgr/generations/1.json"])
def test_a_record_deletes_nothing_that_an_environment_knows_of_itself(envmgr, prefix, own):
    (prefix / "conda-meta/state").write_text("{}")
    (prefix / "conda-meta/frozen").write_text("{}")
    edit(prefix, "above", files=["above", f"conda-meta/{own}"])
    done = envmgr("remove", "-p", prefix, "-y", "--override-frozen", "above")
    assert (done.code, (prefix / "above").exists()) == (0, False), done.err
    assert (prefix / "conda-meta" / own).exists()


def break_generation(prefix: Path, which: int, **changes: Any) -> Path:
    place = prefix / f"conda-meta/envmgr/generations/{which}.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **changes}))
    return place


def take_away(prefix: Path, name: str) -> None:
    """What another tool does to remove a package."""
    (document,) = (prefix / "conda-meta").glob(f"{name}-*.json")
    for path in json.loads(document.read_text())["files"]:
        (prefix / path).unlink()
    document.unlink()


def test_a_repair_leaves_contested_paths_to_their_winner(envmgr, prefix):
    assert (prefix / "common").read_bytes() == b"above"
    (prefix / "base").unlink()
    done = envmgr("verify", "-p", prefix, "--repair", "-y", "--offline")
    assert done.code == 0, done.err
    assert (prefix / "common").read_bytes() == b"above"
    assert (prefix / "base").read_bytes() == b"b"


def test_a_rollback_to_what_another_tool_made_leaves_them_too(envmgr, prefix):
    assert envmgr("install", "-p", prefix, "-y", "other").code == 0
    take_away(prefix, "other")
    assert envmgr("install", "-p", prefix, "-y", "third").code == 0
    assert envmgr("remove", "-p", prefix, "-y", "base").code == 0
    done = envmgr("rollback", "-p", prefix, "-y", "3")
    assert done.code == 0, done.err
    assert names(envmgr, prefix) == {"above", "base"}
    assert (prefix / "common").read_bytes() == b"above"


def test_archives_are_linked_in_the_order_of_what_they_need(envmgr, prefix):
    """Their URLs do not say what they need, and the file lists them by name."""
    assert envmgr("remove", "-p", prefix, "-y", "base").code == 0
    folder = prefix.parent / "channel"
    urls = [path.as_uri() for name in ("above", "base") for path in folder.rglob(f"{name}-*.conda")]
    listing = prefix.parent / "explicit.txt"
    listing.write_text("@EXPLICIT\n" + "\n".join(urls) + "\n")
    done = envmgr("install", "-p", prefix, "-y", "--file", listing)
    assert done.code == 0, done.err
    assert len(urls) == 2
    assert (prefix / "common").read_bytes() == b"above"


def test_a_repair_does_not_trust_the_cache(envmgr, prefix):
    """Environments and the cache share files: who writes to one writes to both."""
    with open(prefix / "base", "wb") as file:
        file.write(b"x")
    done = envmgr("verify", "-p", prefix, "--repair", "-y", "--offline")
    assert done.code == 0, done.err
    assert "is damaged in the package cache: base has another sha256" in done.err
    assert (prefix / "base").read_bytes() == b"b"
    assert envmgr("verify", "-p", prefix).code == 0


def test_a_repair_is_checked(envmgr, prefix):
    check_repaired(prefix)
    (prefix / "base").unlink()
    with pytest.raises(
        PrefixError, match=r"env is not mended by the repair: base of base-1.0-0 is missing\."
    ):
        check_repaired(prefix)


def test_contested_paths_are_known_after_another_tool_changed_the_environment(envmgr, prefix):
    assert envmgr("install", "-p", prefix, "-y", "other", "base").code == 0
    take_away(prefix, "other")
    assert envmgr("install", "-p", prefix, "-y", "third").code == 0
    assert envmgr("remove", "-p", prefix, "-y", "third").code == 0
    done = envmgr("remove", "-p", prefix, "-y", "above")
    assert done.code == 0, done.err
    assert (prefix / "common").read_bytes() == b"base"
    assert envmgr("verify", "-p", prefix).code == 0


def test_rollback_undoes_what_another_tool_did(envmgr, prefix):
    assert envmgr("install", "-p", prefix, "-y", "other").code == 0
    take_away(prefix, "other")
    done = envmgr("rollback", "-p", prefix, "-y")
    assert done.code == 0, done.err
    assert names(envmgr, prefix) == {"above", "base", "other"}


@pytest.mark.parametrize(
    "damage",
    [
        {"packages": [{}]},
        {"packages": [{"name": "x", "requested": 5}]},
        {"moment": 1e30},
        {"moment": -1},
        {"number": 7},
    ],
)
def test_a_damaged_generation_stands_in_the_way_of_none_but_itself(envmgr, prefix, damage):
    assert envmgr("install", "-p", prefix, "-y", "other").code == 0
    assert envmgr("install", "-p", prefix, "-y", "third").code == 0
    place = break_generation(prefix, 2, **damage)
    content = place.read_bytes()
    done = envmgr("history", "-p", prefix, "--json")
    assert done.code == 0, done.err
    assert [step["generation"] for step in done.json] == [1, 3]
    done = envmgr("rollback", "-p", prefix, "-y", "2")
    assert done.code == 1
    assert str(place) in done.err
    assert envmgr("rollback", "-p", prefix, "-y").code == 1
    done = envmgr("rollback", "-p", prefix, "-y", "1")
    assert done.code == 0, done.err
    assert str(place) in done.err
    assert names(envmgr, prefix) == {"above", "base"}
    assert place.read_bytes() == content


def test_the_number_of_a_damaged_last_generation_is_not_used_again(envmgr, prefix):
    assert envmgr("install", "-p", prefix, "-y", "other").code == 0
    place = prefix / "conda-meta/envmgr/generations/2.json"
    place.write_bytes(b"{")
    done = envmgr("install", "-p", prefix, "-y", "third", "--json")
    assert (done.code, done.json["generation"]) == (0, 4)
    assert place.read_bytes() == b"{"
    assert envmgr("rollback", "-p", prefix, "-y").code == 0
    assert names(envmgr, prefix) == {"above", "base", "other"}


def test_packages_of_a_generation_that_are_no_records_are_told(envmgr, prefix):
    assert envmgr("install", "-p", prefix, "-y", "other").code == 0
    break_generation(prefix, 1, packages=[{"name": "x"}])
    done = envmgr("history", "-p", prefix)
    assert done.code == 0
    assert "generation 1: the record of" in done.err
    done = envmgr("rollback", "-p", prefix, "-y")
    assert (done.code, names(envmgr, prefix)) == (1, {"above", "base", "other"})
    assert envmgr("remove", "-p", prefix, "-y", "other").code == 0


def test_a_symlink_that_was_led_elsewhere_is_repaired(envmgr, prefix):
    (prefix / "to").unlink()
    (prefix / "to").symlink_to("base")
    assert envmgr("verify", "-p", prefix).code == 1
    done = envmgr("verify", "-p", prefix, "--repair", "-y", "--offline")
    assert done.code == 0, done.err
    assert (prefix / "to").readlink().name == "above"
