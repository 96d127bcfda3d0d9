"""One environment, changed by envmgr and by py-rattler, the library under pixi, in turns."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import File, link, make_channel, pkg, script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

rattler = pytest.importorskip("rattler", reason="py-rattler is not installed")

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PLACEHOLDER = "/opt/placehold" + "_placehold" * 20
PYTHON = script(f'PYTHONPATH="$CONDA_PREFIX/lib/python{VERSION}/site-packages" exec {sys.executable} "$@"')
PACKAGES = [
    pkg("python", f"{VERSION}.0", "0_cpython", files={
        f"bin/python{VERSION}": PYTHON, "bin/python": link(f"python{VERSION}")
    }),
    pkg("lib", "1.0", files={
        "lib/lib.so": b"1", "lib/alias.so": link("lib.so"),
        "etc/lib.conf": File(f"root={PLACEHOLDER}\n".encode(), placeholder=PLACEHOLDER),
        "etc/conda/activate.d/lib.sh": b"export LIB_IS_ON=1\n",
    }),
    pkg("lib", "2.0", files={"lib/lib.so": b"2", "lib/new.so": b"2"}),
    pkg("tool", "1.0", "pyh_0", noarch="python", depends=["python"], entry_points=("tool = tool:main",), files={
        "site-packages/tool/__init__.py": b"def main(): print('hi')\n",
    }),
    pkg("app", "1.0", depends=["lib"], files={"bin/app": script('echo "$CONDA_PREFIX $LIB_IS_ON"')}),
    pkg("leaf", "1.0", files={"share/leaf": b"leaf"}),
]  # fmt: skip


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return make_channel(tmp_path / "channel", PACKAGES)


class Rattler:
    """What py-rattler makes of an environment: it is given all that the environment is to hold."""

    def __init__(self, folder: Path, channel: Path) -> None:
        self.folder, self.channel = folder, channel

    def install(self, prefix: Path, *specs: str) -> None:
        asyncio.run(self._install(prefix, specs))

    async def _install(self, prefix: Path, specs: tuple[str, ...]) -> None:
        records = await rattler.solve(
            sources=[rattler.Channel(self.channel.as_uri())],
            specs=[rattler.MatchSpec(spec) for spec in specs],
            platforms=["linux-64", "noarch"],
        )
        cache = self.folder / "rattler-cache"
        await rattler.install(records, target_prefix=prefix, cache_dir=cache, show_progress=False)

    def records(self, prefix: Path) -> dict[str, Any]:
        """What py-rattler reads there, by name."""
        paths = sorted((prefix / "conda-meta").glob("*.json"))
        read = [rattler.PrefixRecord.from_path(path) for path in paths]
        return {record.name.normalized: record for record in read}


@pytest.fixture
def peer(tmp_path: Path, channel: Path) -> Rattler:
    return Rattler(tmp_path, channel)


def run(prefix: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "envmgr", "run", "-p", str(prefix), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def is_whole(envmgr: Envmgr, prefix: Path) -> bool:
    """Whether all files are as the records say, and none is of nobody."""
    checked = envmgr("verify", "-p", prefix, "--foreign", "--json").json
    return not checked["findings"] and set(checked["foreign"]) <= {"CACHEDIR.TAG"}


def test_envmgr_changes_what_py_rattler_made(
    envmgr: Envmgr, peer: Rattler, channel: Path, tmp_path: Path, isolated_home: Path
) -> None:
    prefix = tmp_path / "env"
    peer.install(prefix, "tool", "app", "lib=1")
    usual = ("-y", "-p", prefix, "--override-channels", "-c", channel)
    assert is_whole(envmgr, prefix)
    assert run(prefix, "app") == f"{prefix} 1"
    assert run(prefix, "tool") == "hi"
    assert envmgr("install", *usual, "leaf").code == 0
    assert envmgr("update", *usual, "lib").code == 0
    assert is_whole(envmgr, prefix)
    assert (prefix / "lib/new.so").read_bytes() == b"2"
    assert not (prefix / "lib/alias.so").is_symlink()
    assert run(prefix, "app") == str(prefix)
    assert envmgr("remove", "-y", "-p", prefix, "tool", "--no-prune").code == 0
    assert not (prefix / "bin/tool").exists()
    assert not (prefix / f"lib/python{VERSION}/site-packages/tool").exists()
    known = {name: str(record.version) for name, record in peer.records(prefix).items()}
    assert known == {"app": "1.0", "leaf": "1.0", "lib": "2.0", "python": f"{VERSION}.0"}
    steps = envmgr("history", "-p", prefix, "--json").json
    assert [bool(step["command"]) for step in steps] == [False, True, True, True]
    assert envmgr("rollback", "-y", "-p", prefix, "1").code == 0
    assert is_whole(envmgr, prefix)
    assert run(prefix, "tool") == "hi"
    assert str(prefix) in (isolated_home / ".conda/environments.txt").read_text().splitlines()


def test_py_rattler_changes_what_envmgr_made(
    envmgr: Envmgr, peer: Rattler, channel: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "env"
    usual = ("-y", "-p", prefix, "--override-channels", "-c", channel)
    assert envmgr("create", *usual, "tool", "app", "lib=1").code == 0
    history = (prefix / "conda-meta/history").read_text()
    read = peer.records(prefix)
    assert sorted(read) == ["app", "lib", "python", "tool"]
    assert [str(spec) for spec in read["lib"].requested_specs] == ["lib=1"]
    assert sorted(map(str, read["tool"].files)) == sorted(
        json.loads((prefix / "conda-meta/tool-1.0-pyh_0.json").read_text())["files"]
    )
    peer.install(prefix, "tool", "app", "lib=2", "leaf")
    assert (prefix / "conda-meta/history").read_text() == history
    assert is_whole(envmgr, prefix)
    assert {each["name"]: each["version"] for each in envmgr("list", "-p", prefix, "--json").json}[
        "lib"
    ] == "2.0"
    # The activation script that the old lib brought is gone.
    assert run(prefix, "app") == str(prefix)
    ready = f'. "{prefix}/conda-meta/envmgr/activate/activate.sh" && echo "$CONDA_PREFIX $LIB_IS_ON"'
    assert subprocess.check_output(["sh", "-c", ready], text=True).strip() == str(prefix)
    peer.install(prefix, "app", "lib=2")
    assert not (prefix / "bin/tool").exists()
    assert "by another tool" in envmgr("history", "-p", prefix).out
    assert envmgr("rollback", "-y", "-p", prefix).code == 0
    assert is_whole(envmgr, prefix)
    assert run(prefix, "tool") == "hi"
    assert (prefix / "etc/lib.conf").read_text() == f"root={prefix}\n"
