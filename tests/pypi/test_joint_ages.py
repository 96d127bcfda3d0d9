"""A joint plan moves conda's packages rather than go back to releases of long ago from PyPI."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg
from tests.command import Envmgr, in_process
from tests.pypi.local_index import LocalIndex, serve_index

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def envmgr(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Envmgr:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    return in_process(capfd)


def planned(envmgr: Envmgr, tmp_path: Path, versions: tuple[str, ...]) -> dict[str, str]:
    """What a plan for boto has, where conda offers these versions of urllib."""
    packages = [pkg("python", "3.12.4"), pkg("pip", "24", depends=["python"])]
    packages += [pkg("urllib", version, depends=["python"]) for version in versions]
    channel = make_channel(tmp_path / "channel", packages)
    index = LocalIndex(tmp_path / "index")
    index.wheel("boto", "1.0", uploaded="2015-01-01T00:00:00Z")
    index.wheel("boto", "1.35", ["urllib <2"], uploaded="2024-12-01T00:00:00Z")
    index.wheel("urllib", "1.26", uploaded="2024-06-01T00:00:00Z")
    index.wheel("urllib", "2.2", uploaded="2024-06-01T00:00:00Z")
    with serve_index(index) as served:
        file = tmp_path / "environment.yml"
        items = [f"--index-url {served.url}", "boto"]
        lines = ["dependencies:", "  - python", "  - urllib", "  - pip:"]
        file.write_text("\n".join([*lines, *(f"      - {json.dumps(item)}" for item in items)]) + "\n")
        words = [
            "create",
            "--dry-run",
            "--json",
            "-p",
            tmp_path / "env",
            "-f",
            file,
            "--platform",
            "linux-64",
        ]
        words += ["-c", channel.as_uri(), "--override-channels"]
        outcome = envmgr(*words)
    assert outcome.code == 0, outcome.out + outcome.err
    return {each["name"]: each["version"] for each in outcome.json["actions"]["LINK"]}


def test_conda_packages_move_rather_than_that_pypi_goes_back_for_years(
    envmgr: Envmgr, tmp_path: Path
) -> None:
    found = planned(envmgr, tmp_path, ("1.26", "2.2"))
    assert (found["boto"], found["urllib"]) == ("1.35", "1.26")


def test_where_conda_has_nothing_else_the_old_release_is_taken(envmgr: Envmgr, tmp_path: Path) -> None:
    found = planned(envmgr, tmp_path, ("2.2",))
    assert (found["boto"], found["urllib"]) == ("1.0", "2.2")
