"""Packages as other tools published them, installed from their channels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.shared_data import shared_path

if TYPE_CHECKING:
    from tests.command import Envmgr


@pytest.fixture
def samples() -> Path:
    return shared_path("packages/test-channel")


def create(envmgr: Envmgr, prefix: Path, channel: Path, *specs: str):
    return envmgr("create", "-p", prefix, "-c", channel, "--override-channels", "-y", *specs)


def cached_names() -> set[str]:
    cache = Path(os.environ["ENVMGR_ROOT"]) / "pkgs"
    return {path.name for path in cache.iterdir()} if cache.exists() else set()


@pytest.mark.parametrize("extension", [".conda", ".tar.bz2"])
def test_zlib_installs_from_both_formats(envmgr: Envmgr, tmp_path: Path, extension: str):
    archive = shared_path(f"packages/zlib-channel/win-64/zlib-1.2.11-h62dcd97_3{extension}")
    created = envmgr("create", "-p", tmp_path / "env", archive, "--platform", "win-64", "-y")
    assert created.code == 0, created.err
    record = json.loads((tmp_path / "env" / "conda-meta" / "zlib-1.2.11-h62dcd97_3.json").read_text())
    assert record["fn"] == archive.name
    assert record["subdir"] == "win-64"
    assert (tmp_path / "env" / "Library" / "bin" / "zlib.dll").stat().st_size > 50_000
    installed = {path for path in record["files"] if (tmp_path / "env" / path).is_file()}
    assert installed == set(record["files"])


@pytest.mark.parametrize("extension", [".conda", ".tar.bz2"])
def test_archive_with_damaged_links_is_named_and_leaves_nothing(
    envmgr: Envmgr, tmp_path: Path, extension: str
):
    archive = shared_path(f"packages/zlib-channel/linux-64/zlib-1.2.11-h7b6447c_3{extension}")
    refused = envmgr("create", "-p", tmp_path / "env", archive, "-y")
    assert refused.code == 1
    assert archive.name in refused.err
    assert "lib/libz.so" in refused.err
    assert "Traceback" not in refused.err
    assert not (tmp_path / "env").exists()
    assert not any(name.startswith("zlib") for name in cached_names())


def test_index_that_names_a_missing_archive_is_an_error(envmgr: Envmgr, tmp_path: Path):
    refused = create(envmgr, tmp_path / "env", shared_path("packages/zlib-channel"), "libgcc-ng")
    assert refused.code == 1
    assert "libgcc-ng-8.2.0-hdf63c60_1.tar.bz2" in refused.err
    assert not (tmp_path / "env").exists()


def test_noarch_python_lands_in_the_pythons_own_site_packages(envmgr: Envmgr, samples: Path, tmp_path: Path):
    assert create(envmgr, tmp_path / "env", samples, "sample_noarch_python").code == 0
    assert (tmp_path / "env" / "lib" / "python3.99t" / "site-packages" / "sample.py").is_file()
    listed = {each["name"] for each in envmgr("list", "-p", tmp_path / "env", "--json").json}
    assert listed == {"python", "pip", "sample_noarch_python"}


def test_activation_scripts_run_before_the_command(envmgr: Envmgr, samples: Path, tmp_path: Path):
    assert create(envmgr, tmp_path / "env", samples, "activate_deactivate_package").code == 0
    scripts = list((tmp_path / "env" / "etc" / "conda" / "activate.d").glob("*.sh"))
    assert scripts
    command = [sys.executable, "-m", "envmgr", "run", "-p", str(tmp_path / "env"), "env"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "TEST=teststringfromactivate" in ran.stdout.splitlines()


def test_link_scripts_run_in_order_and_their_messages_are_shown(
    envmgr: Envmgr, samples: Path, tmp_path: Path
):
    created = create(envmgr, tmp_path / "env", samples, "post_link_run_in_env_package")
    assert created.code == 0, created.err
    assert "TEST_VAR is set" in created.err


def test_failing_post_link_leaves_no_environment(envmgr: Envmgr, samples: Path, tmp_path: Path):
    refused = create(envmgr, tmp_path / "env", samples, "failing_post_link")
    assert refused.code == 1
    assert "failing_post_link-1.0-0" in refused.err
    assert list(tmp_path.iterdir()) == []


def test_link_scripts_can_be_refused(
    envmgr: Envmgr, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ENVMGR_LINK_SCRIPTS", "refuse")
    refused = create(envmgr, tmp_path / "env", samples, "post_link_run_in_env_package")
    assert refused.code == 1
    assert "post_link_run_in_env_package" in refused.err
    assert not (tmp_path / "env").exists()


def test_clobbering_packages_are_reported_with_both_owners(envmgr: Envmgr, samples: Path, tmp_path: Path):
    created = create(envmgr, tmp_path / "env", samples, "clobber-a", "clobber-b")
    assert created.code == 0
    warning = next(line for line in created.err.splitlines() if line.startswith("warning"))
    assert "clobber-a-1.0-0" in warning
    assert "clobber-b-1.0-0" in warning


def test_track_features_weigh_down_and_constraints_hold(envmgr: Envmgr, samples: Path, tmp_path: Path):
    arguments = ["create", "-n", "x", "-c", samples, "--override-channels", "--dry-run", "--json"]
    link = envmgr(*arguments, "run_constrained", "dependency").json["actions"]["LINK"]
    assert {each["name"]: each["version"] for each in link} == {"dependency": "2.0", "run_constrained": "1.0"}
    refused = envmgr(*arguments, "run_constrained", "dependency <2")
    assert refused.code == 1
    assert "dependency" in refused.json["error"]


def test_old_archive_with_has_prefix_is_linked(envmgr: Envmgr, tmp_path: Path):
    archive = shared_path("packages/single/ca-certificates-2024.7.4-hbcca054_0.conda")
    created = envmgr("create", "-p", tmp_path / "env", archive, "-y")
    assert created.code == 0, created.err
    assert (tmp_path / "env" / "ssl" / "cacert.pem").stat().st_size > 100_000
