"""Wheels in the commands: shown as conda shows what is from PyPI, and treated like packages."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.prefix.generation import entry_of
from envmgr.prefix.store import PrefixStore
from envmgr.pypi.records import wheel_record
from tests.builders import Whl, make_channel, pkg, script, wheel_bytes, whl

if TYPE_CHECKING:
    from tests.command import Envmgr

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/python{VERSION}/site-packages"
INDEX = "https://pypi.org/simple"
START = script(f'exec "{os.path.realpath(sys.executable)}" "$@"')
WHEELS = [
    whl("Requests", "2.0", console_scripts=("req = requests:main",), files={"requests/__init__.py": "2"}),
    whl("urllib3", "1.0"),
]


def entry(folder: Path, wheel: Whl, requested: tuple[str, ...] = ()) -> dict[str, object]:
    folder.mkdir(exist_ok=True)
    (folder / wheel.file_name).write_bytes(data := wheel_bytes(wheel))
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return entry_of(wheel_record((folder / wheel.file_name).as_uri(), index=INDEX, **facts), requested)


@pytest.fixture
def prefix(envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment with a python, a library and two wheels, at generation 3; generation 1 has no wheels."""
    monkeypatch.setenv("ENVMGR_ADD_PIP_AS_PYTHON_DEPENDENCY", "false")
    packages = [
        pkg("python", f"{VERSION}.0", files={f"bin/python{VERSION}": START}),
        pkg("lib", files={"lib/x": "x"}),
    ]
    channel = make_channel(tmp_path / "channel", packages)
    made = tmp_path / "env"
    done = envmgr("create", "-y", "-p", made, "--override-channels", "-c", channel, "python", "lib")
    assert done.code == 0, done.err
    store = PrefixStore(made)
    (first,) = store.generations().known
    wheels = [entry(tmp_path / "wheels", WHEELS[0], ("requests>=2",)), entry(tmp_path / "wheels", WHEELS[1])]
    from msgspec.structs import replace

    store.add_generation(replace(first, number=2, packages=[*first.packages, *wheels]))
    done = envmgr("rollback", "-y", "-p", made, "2")
    assert done.code == 0, done.err
    return made


def test_list_shows_wheels_as_conda_shows_what_is_from_pypi(envmgr: Envmgr, prefix: Path) -> None:
    rows = [line.split() for line in envmgr("list", "-p", prefix).out.splitlines()[1:]]
    assert [row for row in rows if row[-1] == "pypi"] == [
        ["requests", "2.0", "pypi_0", "pypi"],
        ["urllib3", "1.0", "pypi_0", "pypi"],
    ]
    shown = {each["name"]: each for each in envmgr("list", "-p", prefix, "--json").json}
    assert {shown["requests"][key] for key in ("channel", "platform")} == {"pypi"}
    assert (shown["requests"]["build_string"], shown["requests"]["base_url"]) == ("pypi_0", INDEX)
    assert "pypi:" not in json.dumps([*shown.values()])
    assert "requests" not in envmgr("list", "-p", prefix, "--no-pip").out
    assert "pypi/pypi::requests-2.0-pypi_0" in envmgr("list", "-p", prefix, "--canonical").out
    explicit = envmgr("list", "-p", prefix, "--explicit").out
    assert "# from PyPI, and not in this file: requests==2.0" in explicit
    assert ".whl" not in explicit
    sizes = {
        each["name"]: each["installed_bytes"]
        for each in envmgr("list", "-p", prefix, "--size", "--json").json
    }
    assert sizes["requests"] > 100


def test_history_and_the_plan_name_wheels_as_people_do(envmgr: Envmgr, prefix: Path) -> None:
    assert "+ requests  2.0  pypi_0" in envmgr("history", "-p", prefix).out
    plan = envmgr("rollback", "-p", prefix, "1", "--dry-run")
    assert "- requests  2.0" in plan.err
    assert "pypi:" not in plan.err
    assert re.search("- requests .* asked for\n", envmgr("remove", "-p", prefix, "Requests", "--dry-run").err)
    told = envmgr("rollback", "-p", prefix, "1", "--dry-run", "--json").json
    assert sorted(each["name"] for each in told["actions"]["UNLINK"]) == ["requests", "urllib3"]


def test_a_rollback_takes_wheels_away_and_brings_them_back_offline(envmgr: Envmgr, prefix: Path) -> None:
    assert envmgr("rollback", "-y", "-p", prefix, "1").code == 0
    assert not (prefix / SITE).exists()
    assert not (prefix / "bin/req").exists()
    for path in (prefix.parent / "wheels").iterdir():
        path.unlink()
    assert envmgr("rollback", "-y", "-p", prefix, "2", "--offline").code == 0
    assert (prefix / "bin/req").exists()
    assert (prefix / SITE / "Requests-2.0.dist-info/REQUESTED").exists()
    assert envmgr("verify", "-p", prefix).code == 0


def test_damage_of_wheels_and_of_their_records_is_told_and_mended(envmgr: Envmgr, prefix: Path) -> None:
    (prefix / SITE / "requests/__init__.py").unlink()
    (prefix / "bin/req").unlink()
    (prefix / "bin/req").write_text("mine")
    (prefix / "conda-meta/envmgr/pypi/urllib3-1.0.json").write_text("{")
    told = envmgr("verify", "-p", prefix)
    assert told.code == 1
    assert f"{SITE}/requests/__init__.py of requests-2.0-pypi_0 is missing" in told.out + told.err
    assert "pypi:" not in told.out + told.err
    done = envmgr("verify", "-y", "-p", prefix, "--repair")
    assert done.code == 0, done.err
    assert envmgr("verify", "-p", prefix).code == 0
    assert b"from requests import main" in (prefix / "bin/req").read_bytes()


def test_doctor_tells_what_pip_did_to_a_wheel_and_a_rollback_undoes_it(envmgr: Envmgr, prefix: Path) -> None:
    # What pip leaves when it installs another version: the old metadata is gone, the files are others.
    old = prefix / SITE / "Requests-2.0.dist-info"
    for path in old.iterdir():
        path.unlink()
    old.rmdir()
    new = prefix / SITE / "requests-3.0.dist-info"
    new.mkdir()
    (new / "METADATA").write_text("Metadata-Version: 2.1\nName: requests\nVersion: 3.0\n\n")
    (new / "RECORD").write_text(
        "requests/__init__.py,,\nrequests/more.py,,\n../../../bin/req,,\n../../../../outside,,\n"
        "requests-3.0.dist-info/METADATA,,\nrequests-3.0.dist-info/RECORD,,\n"
    )
    (prefix / SITE / "requests/__init__.py").unlink()
    (prefix / SITE / "requests/__init__.py").write_text("3")
    (prefix / SITE / "requests/more.py").write_text("more")
    (prefix.parent / "outside").write_text("of somebody")
    found = [
        each for each in envmgr("doctor", "-p", prefix, "--json").json["findings"] if each["kind"] == "pip"
    ]
    assert [(each["text"], each["level"]) for each in found] == [
        ("requests 2.0 was replaced by 3.0 behind envmgr's back.", "problem")
    ]
    number = PrefixStore(prefix).generations().known[-1].number
    assert found[0]["remedy"] == f"envmgr rollback -p {prefix} {number} brings it back."
    assert {"requests": "3.0"}.items() <= {
        each["name"]: each["version"] for each in envmgr("list", "-p", prefix, "--json").json
    }.items()
    done = envmgr("rollback", "-y", "-p", prefix, number)
    assert done.code == 0, done.err
    assert (prefix / SITE / "requests/__init__.py").read_text() == "2"
    assert not new.exists()
    assert not (prefix / SITE / "requests/more.py").exists()
    assert (prefix.parent / "outside").exists()
    assert envmgr("verify", "-p", prefix).code == 0
    assert envmgr("doctor", "-p", prefix).code == 0


def test_a_clone_and_a_renamed_environment_have_the_wheels_too(
    envmgr: Envmgr, prefix: Path, tmp_path: Path
) -> None:
    assert envmgr("create", "-y", "-p", tmp_path / "copy", "--clone", prefix).code == 0
    assert envmgr("rename", "-y", "-p", prefix, f"{tmp_path}/moved").code == 0
    for place in (tmp_path / "copy", tmp_path / "moved"):
        assert (place / "bin/req").read_text().startswith(f"#!{place}/bin/python")
        assert (place / SITE / "Requests-2.0.dist-info/REQUESTED").exists()
        requested = {each.record.name: each.requested for each in PrefixStore(place).records()}
        assert requested["pypi:requests"] == ("requests>=2",)
        assert envmgr("verify", "-p", place).code == 0


def test_clean_keeps_wheels_that_environments_use(envmgr: Envmgr, prefix: Path) -> None:
    unpacked = Path(os.environ["ENVMGR_ROOT"]) / "pkgs/.pypi/Requests-2.0-py3-none-any"
    assert unpacked.exists()
    assert envmgr("clean", "-y", "--all").code == 0
    assert unpacked.exists()
    assert not unpacked.with_name(f"{unpacked.name}.whl").exists()
    assert envmgr("rollback", "-y", "-p", prefix, "1").code == 0
    assert envmgr("clean", "-y", "--packages").code == 0
    assert not unpacked.exists()
