"""Changes of environments whose metadata is damaged, made to do harm, or written by other tools meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

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
