"""Bad input gets one sentence with its place, exit code 1 (2 for usage), and leaves everything as it was."""

from __future__ import annotations

import io
import os
import resource
import socket
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import File, Pkg, archive_bytes, conda_bytes, link, make_channel, pkg
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from tests.command import Envmgr, Outcome


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return make_channel(
        tmp_path / "channel", [pkg("numpy", "2.1", files={"lib/numpy": "n"}), pkg("zlib", "1.3")]
    )


def assert_refused(outcome: Outcome, *expected: str, code: int = 1) -> None:
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err
    assert "defect" not in outcome.err
    for text in expected:
        assert text in outcome.err


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "env" in path.name) if folder.exists() else []


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("dependencies:\n\t- numpy\n", 2, "tab"),
        ("dependencies: numpy\n", 1, "dependencies"),
        ("dependencies:\n  - numpy\nchannels:\n  key: value\n", 4, "channels"),
        ("dependencies:\n  - 3.5\n", 2, "3.5"),
        ("dependencies:\n  - numpy  # [linx]\n", 2, "linx"),
        ("dependencies:\n  - sel(lunix): numpy\n", 2, "lunix"),
        ("dependencies:\n  - numpy =>1.0\n", 2, ">="),
        ("dependencies:\n<<<<<<< HEAD\n  - numpy\n", 2, "merge"),
        ("dependencies: [numpy\n", 1, ""),
        ("name: {{ name }}\ndependencies: [numpy]\n", 1, ""),
        ("- numpy\n", 1, ""),
    ],
)
def test_broken_environment_file_names_file_and_line(
    envmgr: Envmgr, tmp_path: Path, text: str, line: int, word: str
):
    file = tmp_path / "broken.yml"
    file.write_text(text)
    outcome = envmgr("create", "-f", file, "-p", tmp_path / "env", "-y")
    assert outcome.code == 1, outcome.err
    assert "broken.yml" in outcome.err
    assert word in outcome.err
    assert f"broken.yml:{line}" in outcome.err or f"broken.yml:{line + 1}" in outcome.err
    assert not (tmp_path / "env").exists()


def test_missing_file_suggests_the_near_name(envmgr: Envmgr, tmp_path: Path):
    (tmp_path / "environment.yml").write_text("dependencies: []\n")
    outcome = envmgr("create", "-f", tmp_path / "enviroment.yml", "-p", tmp_path / "env")
    assert_refused(outcome, "enviroment.yml", "Did you mean environment.yml?")


def test_folder_in_place_of_a_file(envmgr: Envmgr, tmp_path: Path):
    assert_refused(envmgr("create", "-f", tmp_path, "-p", tmp_path / "env"), "is a folder")


def test_missing_package_is_named_with_the_channels_searched(envmgr: Envmgr, channel: Path, tmp_path: Path):
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "qwertz")
    assert_refused(outcome, "qwertz", "channel")
    assert not (tmp_path / "env").exists()


def test_misspelt_package_gets_the_near_name(envmgr: Envmgr, channel: Path, tmp_path: Path):
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "numpyy >=2")
    assert_refused(outcome, "numpyy", "numpy")
    assert "numpy" in outcome.err.replace("numpyy", "")


def test_impossible_version_says_what_there_is(envmgr: Envmgr, channel: Path, tmp_path: Path):
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "numpy >=3")
    assert_refused(outcome, "numpy >=3", "2.1")


def test_unreachable_channel_is_named(envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}/nowhere"
    monkeypatch.setenv("ENVMGR_RETRIES", "0")
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", url, "--override-channels", "numpy")
    assert_refused(outcome, "/nowhere/")
    assert "secret" not in outcome.err


def test_folder_that_is_no_channel(envmgr: Envmgr, tmp_path: Path):
    outcome = envmgr(
        "create", "-p", tmp_path / "env", "-c", tmp_path / "empty", "--override-channels", "numpy"
    )
    assert_refused(outcome, "empty")


def test_broken_repodata_names_its_url(envmgr: Envmgr, channel: Path, tmp_path: Path):
    (channel / "linux-64" / "repodata.json").write_text('{"packages": {"a": ')
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "numpy")
    assert_refused(outcome, "linux-64/repodata.json")


def replace_archive(channel: Path, package: Pkg, content: bytes, *, fix_sums: bool) -> None:
    """Put *content* where the archive is; with *fix_sums* the index is honest about it."""
    import hashlib
    import json

    (channel / "linux-64" / package.file_name).write_bytes(content)
    if fix_sums:
        path = channel / "linux-64" / "repodata.json"
        repodata = json.loads(path.read_text())
        record = repodata["packages.conda"][package.file_name]
        record |= {"sha256": hashlib.sha256(content).hexdigest(), "md5": hashlib.md5(content).hexdigest()}
        record["size"] = len(content)
        path.write_text(json.dumps(repodata))


def assert_nothing_is_left(tmp_path: Path) -> None:
    assert leftovers(tmp_path) == []
    cache = Path(os.environ["ENVMGR_ROOT"]) / "pkgs"
    assert [path for path in cache.rglob("*") if "evil" in path.name and path.suffix != ".txt"] == []


def test_wrong_checksum_is_refused(envmgr: Envmgr, tmp_path: Path):
    package = pkg("evil", files={"share/a": "a"})
    channel = make_channel(tmp_path / "channel", [package])
    honest = archive_bytes(package)
    replace_archive(channel, package, honest[:-1] + bytes([honest[-1] ^ 1]), fix_sums=False)
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "evil")
    assert_refused(outcome, "evil-1.0-0.conda", "sha256")
    assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.99])
def test_truncated_archive_is_refused(envmgr: Envmgr, tmp_path: Path, part: float):
    package = pkg("evil", files={"share/a": os.urandom(5000)})
    channel = make_channel(tmp_path / "channel", [package])
    whole = archive_bytes(package)
    replace_archive(channel, package, whole[: int(len(whole) * part)], fix_sums=True)
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "evil")
    assert_refused(outcome, "evil-1.0-0.conda")
    assert_nothing_is_left(tmp_path)


def raw_tar(name: str, *, target: str | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(name)
        if target is not None:
            member.type, member.linkname = tarfile.SYMTYPE, target
        else:
            member.size = 4
        tar.addfile(member, io.BytesIO(b"evil") if target is None else None)
        if target is not None:
            inside = tarfile.TarInfo(f"{name}/evil-written")
            inside.size = 4
            tar.addfile(inside, io.BytesIO(b"evil"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("../evil-escaped", None),
        ("share/../../evil-escaped", None),
        ("/tmp/evil-escaped", None),
        ("share/out", "../../.."),
    ],
)
def test_archive_that_reaches_outside_is_refused(
    envmgr: Envmgr, tmp_path: Path, name: str, target: str | None
):
    package = pkg("evil", files={})
    channel = make_channel(tmp_path / "channel", [package])
    import zipfile

    import zstandard

    with zipfile.ZipFile(io.BytesIO(archive_bytes(package))) as honest:
        info = zstandard.ZstdDecompressor().decompressobj().decompress(honest.read("info-evil-1.0-0.tar.zst"))
    replace_archive(
        channel, package, conda_bytes("evil-1.0-0", info, raw_tar(name, target=target)), fix_sums=True
    )
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "evil")
    assert_refused(outcome, "evil-1.0-0")
    assert_nothing_is_left(tmp_path)
    assert not Path("/tmp/evil-escaped").exists()
    assert not list(tmp_path.parent.glob("**/evil-escaped"))
    assert not list(tmp_path.parent.glob("**/evil-written"))


def test_existing_target_is_left_alone(envmgr: Envmgr, channel: Path, tmp_path: Path):
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "mine").write_text("mine")
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "-y", "numpy")
    assert_refused(outcome, str(tmp_path / "env"), "exists")
    assert [path.name for path in (tmp_path / "env").iterdir()] == ["mine"]


def test_target_below_a_file_is_refused(envmgr: Envmgr, channel: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    outcome = envmgr(
        "create", "-p", tmp_path / "file" / "env", "-c", channel, "--override-channels", "-y", "numpy"
    )
    assert_refused(outcome, str(tmp_path / "file"))


def test_disk_full_leaves_no_prefix(channel: Path, tmp_path: Path):
    """A limit on file size stands for the full disk: writing the patched file fails half-way."""
    placeholder = "/placeholder" + "p" * 200
    big = File(b"#" + placeholder.encode() + b"\n" * 2_000_000, placeholder=placeholder)
    channel = make_channel(tmp_path / "big-channel", [pkg("big", files={"share/big": big})])
    arguments = [
        sys.executable,
        "-m",
        "envmgr",
        "create",
        "-p",
        tmp_path / "env",
        "-c",
        channel,
        "--override-channels",
        "big",
    ]
    subprocess.run([*arguments, "--download-only"], check=True, capture_output=True, timeout=60)
    ended = subprocess.run(
        arguments, capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit_file_size
    )
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "share/big" in ended.stderr or "large" in ended.stderr
    assert leftovers(tmp_path) == []


def limit_file_size() -> None:
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


def test_link_that_leaves_the_prefix_is_refused(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(
        tmp_path / "channel", [pkg("evil", files={"share/out": link("../../../etc/passwd")})]
    )
    outcome = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "evil")
    assert_refused(outcome, "evil-1.0-0", "share/out")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["creat"], "create"),
        (["create", "-n", "a/b", "x"], "'/'"),
        (["create", "-n", "base", "x"], "base"),
        (["create", "x"], "-n NAME"),
        (["create", "-n", "x", "--clone", "a", "b"], "--clone"),
        (["create", "-n", "x", "--exclude-newer", "yesterday", "a"], "yesterday"),
        (["env", "destroy"], "destroy"),
        (["list"], "-n NAME"),
    ],
)
def test_wrong_usage_exits_with_two(envmgr: Envmgr, arguments: list[str], word: str):
    assert_refused(envmgr(*arguments), word, code=2)


def test_missing_environment_suggests_the_near_one(envmgr: Envmgr):
    assert envmgr("create", "-n", "science", "-y").code == 0
    assert_refused(envmgr("list", "-n", "sciense"), "Did you mean 'science'?")


def test_failure_in_json_has_its_own_shape(envmgr: Envmgr, channel: Path, tmp_path: Path):
    outcome = envmgr(
        "create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "--json", "numpyy"
    )
    assert outcome.code == 1
    answer = outcome.json
    assert answer["success"] is False
    assert answer["exception_name"] == "SolveError"
    assert "numpyy" in answer["error"]
    assert "hint" in answer


def test_server_error_is_named_after_retries(
    envmgr: Envmgr, channel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ENVMGR_RETRIES", "1")
    faults = {"/linux-64/repodata.json": Fault(status=500)}
    with serve(channel, faults=faults) as server:
        outcome = envmgr("create", "-p", tmp_path / "env", "-c", server.url, "--override-channels", "numpy")
    assert_refused(outcome, "/linux-64/repodata.json", "500")
