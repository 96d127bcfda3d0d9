"""envmgr export: what travels, in which words, and what is said of the rest."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from envmgr.ops.export_request import EXPORT_FORMATS
from envmgr.prefix.installed import InstalledPackage, Listing
from envmgr.prefix.store import PrefixStore
from envmgr.pypi.records import wheel_record
from tests.builders import make_channel, pkg
from tests.pypi.local_index import LocalIndex, serve_index
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command import Envmgr

SITE = "lib/python3.11/site-packages"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is served."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def channel(served: Path) -> Iterator[str]:
    """The URL of a served channel."""
    packages = [
        pkg("python", "3.11.4", files={"bin/python3.11": "", f"{SITE}/x": ""}),
        pkg("pip", "24.0", noarch="python", depends=["python"]),
        pkg("app", "1.2.3", "b_1", depends=["lib >=1"]),
        pkg("app", "2.0"),
        pkg("lib", "1.5"),
        pkg("tool", "7", depends=["lib"]),
    ]
    make_channel(served / "main", packages)
    with serve(served) as server:
        yield f"{server.url}/main"


@pytest.fixture
def prefix(envmgr: Envmgr, channel: str, tmp_path: Path) -> Path:
    (tmp_path / "first.yml").write_text(
        f"channels: [{channel}, nodefaults]\ndependencies: [tool, 'app <2']\nvariables: {{MODE: fast}}\n"
    )
    made = tmp_path / "envs/first"
    done = envmgr("create", "-y", "-p", made, "-f", tmp_path / "first.yml")
    assert done.code == 0, done.err
    return made


def distribution(
    prefix: Path, name: str, version: str, *, asked: bool = False, direct: object = None
) -> None:
    """What pip leaves of a distribution that it installed."""
    folder = prefix / SITE / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if asked:
        (folder / "REQUESTED").touch()
    if direct is not None:
        (folder / "direct_url.json").write_text(json.dumps(direct))


def exported(envmgr: Envmgr, prefix: Path, *options: object) -> dict:
    done = envmgr("export", "-p", prefix, *options)
    assert done.code == 0, done.err
    return yaml.safe_load(done.out)


def test_what_was_asked_for_is_written_in_the_order_of_asking(envmgr: Envmgr, prefix: Path, channel: str):
    shown = envmgr("export", "-p", prefix, "--from-history", "--format", "json").json
    assert shown == {
        "name": "first",
        "channels": [channel, "nodefaults"],
        "dependencies": ["tool", "app <2"],
        "variables": {"MODE": "fast"},
    }


def test_what_is_installed_is_written_with_builds_or_without(envmgr: Envmgr, prefix: Path):
    assert exported(envmgr, prefix)["dependencies"] == ["app=1.2.3=b_1", "lib=1.5=0", "tool=7=0"]
    assert exported(envmgr, prefix, "--no-builds")["dependencies"] == ["app=1.2.3", "lib=1.5", "tool=7"]


@pytest.mark.parametrize(
    ("style", "written"),
    [
        ("asked", ["tool", "app <2"]),
        ("none", ["tool", "app"]),
        ("minor", ["tool=7", "app=1.2"]),
        ("minimum", ["tool >=7", "app >=1.2.3"]),
        ("exact", ["tool==7", "app==1.2.3"]),
    ],
)
def test_versions_are_as_exact_as_is_wished(envmgr: Envmgr, prefix: Path, style: str, written: list[str]):
    content = exported(envmgr, prefix, "--from-history", "--versions", style)
    assert content["dependencies"] == written


@pytest.mark.parametrize(
    "options",
    [
        ["--from-history"],
        ["--from-history", "--versions", "minor"],
        ["--from-history", "--versions", "exact"],
        [],
        ["--no-builds"],
        ["--format", "json"],
        ["--format", "json", "--from-history"],
        ["--format", "conda-lock"],
        ["--format", "explicit"],
    ],
)
def test_an_export_makes_an_environment_that_exports_the_same(
    envmgr: Envmgr, prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
):
    """Also where other channels are configured, and for a user who asks as the first one did."""
    (prefix / "conda-meta/pinned").write_text("lib 1.*  # why\n")
    before = envmgr("export", "-p", prefix, *options)
    chosen = options[1] if options[:1] == ["--format"] else ""
    has_pins = chosen != "explicit"
    assert ("lib=1" in before.out, "pins" in before.err) == (has_pins, not has_pins)
    names = {"json": "x.json", "explicit": "x.txt", "conda-lock": "conda-lock.yml"}
    file = tmp_path / names.get(chosen, "x.yml")
    file.write_text(before.out)
    monkeypatch.setenv("ENVMGR_ROOT", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("ENVMGR_CHANNELS", "https://127.0.0.1:9/none")
    copy = tmp_path / "elsewhere/envs/first"
    done = envmgr("create", "-y", "-p", copy, "-f", file)
    assert done.code == 0, done.err
    assert envmgr("export", "-p", copy, *options).out == before.out
    assert not has_pins or (copy / "conda-meta/pinned").read_text() == "lib=1\n"


def test_env_export_and_files_are_the_same_as_condas(envmgr: Envmgr, prefix: Path, tmp_path: Path):
    shown = envmgr("export", "-p", prefix).out
    assert envmgr("env", "export", "--prefix", prefix).out == shown
    done = envmgr("env", "export", "-p", prefix, "--file", tmp_path / "environment.yml")
    assert (done.code, done.out, (tmp_path / "environment.yml").read_text()) == (0, "", shown)
    as_json = envmgr("env", "export", "-p", prefix, "--json")
    assert as_json.json == yaml.safe_load(shown)
    written = envmgr("export", "-p", prefix, "-f", tmp_path / "all.txt", "--json").json
    assert (written["success"], written["format"], len(written["warnings"])) == (True, "explicit", 1)
    assert (tmp_path / "all.txt").read_text() == envmgr("export", "-p", prefix, "--format", "explicit").out


@pytest.mark.parametrize("chosen", ["explicit", "conda-lock", "pixi-lock", "pixi"])
def test_the_platform_is_that_of_the_environment(envmgr: Envmgr, tmp_path: Path, chosen: str):
    channel = make_channel(tmp_path / "channel", [pkg("anywhere", noarch="generic")])
    asked = ["-c", channel, "--override-channels"]
    done = envmgr("create", "-y", "-p", tmp_path / "env", "--platform", "win-64", *asked, "anywhere")
    assert done.code == 0, done.err
    text = envmgr("export", "-p", tmp_path / "env", "--format", chosen, *asked).out
    assert ("win-64" in text, "linux-64" in text) == (True, False)


def test_an_export_into_a_pipe_does_not_replace_it(envmgr: Envmgr, prefix: Path, tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        try:
            assert envmgr("export", "-p", prefix, "--format", "yaml", "-f", pipe).code == 0
            assert reader.communicate(timeout=60)[0].decode() == envmgr("export", "-p", prefix).out
        finally:
            reader.kill()
    assert pipe.is_fifo()


def test_the_explicit_form_names_archives_with_their_sums(envmgr: Envmgr, prefix: Path, channel: str):
    records = {each["name"]: each for each in envmgr("list", "-p", prefix, "--json").json}
    (document,) = (prefix / "conda-meta").glob("tool-*.json")
    document.write_text(json.dumps({**json.loads(document.read_text()), "sha256": None}))
    told = envmgr("export", "-p", prefix, "--format", "conda-lock").err
    assert "tool-7-0 has only an MD5 in its record, and so in the lock." in told
    done = envmgr("export", "-p", prefix, "--format", "explicit")
    assert done.out.splitlines() == [
        "# platform: linux-64",
        "@EXPLICIT",
        f"{channel}/linux-64/lib-1.5-0.conda#sha256:{records['lib']['sha256']}",
        f"{channel}/linux-64/app-1.2.3-b_1.conda#sha256:{records['app']['sha256']}",
        f"{channel}/linux-64/tool-7-0.conda#{records['tool']['md5']}",
    ]
    assert "variables, for which an explicit file has no place, are left out: MODE." in done.err


def test_later_requests_and_removals_count(envmgr: Envmgr, prefix: Path):
    assert envmgr("install", "-y", "-p", prefix, "lib >=1.2").code == 0
    assert exported(envmgr, prefix, "--from-history")["dependencies"] == ["tool", "app <2", "lib >=1.2"]
    assert envmgr("remove", "-y", "-p", prefix, "app").code == 0
    assert exported(envmgr, prefix, "--from-history")["dependencies"] == ["tool", "lib >=1.2"]


def test_pins_are_written_and_told_where_there_is_no_place_for_them(envmgr: Envmgr, prefix: Path):
    (prefix / "conda-meta/pinned").write_text("lib 1.*  # why\n")
    for options in ([], ["--from-history"], ["--json"], ["--from-history", "--json"]):
        assert exported(envmgr, prefix, *options)["pins"] == ["lib=1"]
    told = envmgr("export", "-p", prefix, "--format", "pixi")
    assert "pins, for which pixi.toml has no place, are left out: lib=1." in told.err


def test_the_channel_priority_that_a_request_needs_is_told(envmgr: Envmgr, channel: str, tmp_path: Path):
    first = make_channel(tmp_path / "first", [pkg("lib", "0.5")])
    channels = ["-c", first, "-c", channel, "--override-channels"]
    made = tmp_path / "env"
    for place, priority, is_told in ((made, "flexible", True), (tmp_path / "usual", "strict", False)):
        asked = ["create", "-y", "-p", place, *channels, "--channel-priority", priority, "lib"]
        assert envmgr(*asked).code == 0
        told = "--channel-priority flexible" in envmgr("export", "-p", place, "--from-history").err
        assert told == is_told
    assert "--channel-priority" not in envmgr("export", "-p", made).err


def test_channels_can_be_added_and_replaced(envmgr: Envmgr, prefix: Path, channel: str):
    added = exported(envmgr, prefix, "-c", "conda-forge", "--from-history")
    assert added["channels"] == ["conda-forge", channel, "nodefaults"]
    assert exported(envmgr, prefix, "-c", "conda-forge")["dependencies"][1] == f"{channel}::lib=1.5=0"
    plain = exported(envmgr, prefix, "-c", "conda-forge", "--ignore-channels", "--override-channels")
    assert (plain["channels"], plain["dependencies"][1]) == (["conda-forge", "nodefaults"], "lib=1.5=0")


@pytest.fixture
def with_pip(envmgr: Envmgr, channel: str, tmp_path: Path) -> Path:
    """An environment with what pip installed in all the ways there are."""
    made = tmp_path / "envs/with-pip"
    asked = ["create", "-y", "-p", made, "-c", channel, "--override-channels", "python"]
    assert envmgr(*asked).code == 0
    (generation,) = (made / "conda-meta/envmgr/generations").iterdir()
    content = json.loads(generation.read_text())
    option = "--extra-index-url https://pypi.example.org/simple"
    lines = ["wanted[extra]>=2", "gone", "-e /home/me/src", "linked>=5"]
    content["pypi"] = {
        "requirements": [{"spec": line} for line in lines],
        "constraints": ["needed<2"],
        "options": [option],
    }
    content["asking"]["logins"] = [option]
    generation.write_text(json.dumps(content))
    distribution(made, "wanted", "2.1.7", asked=True)
    distribution(made, "needed", "1")
    distribution(made, "by_hand", "3", asked=True)
    distribution(made, "mine", "4", asked=True, direct={"url": "file:///home/me/mine", "dir_info": {}})
    vcs = {"vcs": "git", "commit_id": "f00"}
    distribution(made, "fresh", "5", direct={"url": "https://me:pw@git.example.org/f", "vcs_info": vcs})
    for name, requested in (("linked-6.0", ("linked>=5",)), ("beside-7", ())):
        wheel = wheel_record(f"https://files.example.org/{name}-py3-none-any.whl")
        distribution(made, *name.split("-"))
        metadata = f"{SITE}/{name}.dist-info"
        files = (f"{metadata}/METADATA",)
        PrefixStore(made).write_record(InstalledPackage(wheel, Listing(files), requested, metadata=metadata))
    return made


def test_what_pip_installed_is_in_the_pip_section(envmgr: Envmgr, with_pip: Path):
    done = envmgr("export", "-p", with_pip)
    *_, section = yaml.safe_load(done.out)["dependencies"]
    assert section == {
        "pip": [
            "--extra-index-url https://pypi.example.org/simple",
            "beside==7",
            "by-hand==3",
            "fresh @ git+https://git.example.org/f@f00",
            "linked==6.0",
            "needed==1",
            "wanted==2.1.7",
        ]
    }
    assert "mine 4 is a file or folder of this machine to pip, and is left out." in done.err
    assert "the login for fresh @ git+https://git.example.org/f@f00 is left out" in done.err


def test_what_was_asked_of_pip_is_written_as_asked(envmgr: Envmgr, with_pip: Path):
    done = envmgr("export", "-p", with_pip, "--from-history")
    option = "--extra-index-url https://pypi.example.org/simple"
    section = [option, "wanted[extra]>=2", "linked>=5", "by-hand"]
    assert yaml.safe_load(done.out)["dependencies"] == ["python", "pip", {"pip": section}]
    assert "-e /home/me/src is a file or folder of this machine to pip, and is left out." in done.err
    assert "which only a file of their own can hold, are left out: needed<2." in done.err
    assert "mine is a file or folder" in done.err
    assert "the login for --extra-index-url https://pypi.example.org/simple is left out" in done.err
    minor = exported(envmgr, with_pip, "--from-history", "--versions", "minor")["dependencies"]
    section = [option, "wanted[extra]==2.1.*", "linked==6.0.*", "by-hand==3.*"]
    assert minor == ["python=3.11", "pip=24.0", {"pip": section}]


def test_requirements_hold_the_part_of_pip_and_tell_the_rest(envmgr: Envmgr, with_pip: Path, tmp_path: Path):
    done = envmgr("export", "-p", with_pip, "-f", tmp_path / "requirements.txt")
    assert (tmp_path / "requirements.txt").read_text().splitlines()[1::3] == ["beside==7", "linked==6.0"]
    assert "conda packages, which no index of PyPI has, are left out: pip, python." in done.err


@pytest.mark.parametrize("chosen", ["conda-lock", "pixi-lock", "pylock", "requirements"])
def test_what_locks_do_not_hold_is_told_by_name(envmgr: Envmgr, with_pip: Path, chosen: str):
    (with_pip / "conda-meta/pinned").write_text("python 3.*")
    (document,) = (with_pip / "conda-meta").glob("pip-*.json")
    document.write_text(json.dumps({**json.loads(document.read_text()), "sha256": None, "md5": None}))
    (wheel,) = (with_pip / "conda-meta/envmgr/pypi").glob("beside-*.json")
    odd = {"direct_url": 5, "built_from": {"url": ["x"], "sha256": None}}
    wheel.write_text(json.dumps({**json.loads(wheel.read_text()), **odd}))
    done = envmgr("export", "-p", with_pip, "--format", chosen, *["--hashes"][: chosen == "requirements"])
    assert done.code == 0, done.err
    unknown = ("beside", "by-hand", "linked", "needed", "wanted")
    assert f"is noted with its SHA-256, are left out: {', '.join(unknown)}." in done.err
    assert "mine 4 is a file or folder of this machine" in done.err
    assert "the login for fresh @ git+https://git.example.org/f@f00 is left out" in done.err
    assert not any(f"{name}-" in done.out or f'"{name}"' in done.out for name in unknown)
    if chosen in ("conda-lock", "pixi-lock"):
        assert "packages without a checksum in their records are left out: pip." in done.err
        assert ("are left out: python=3." in done.err) == (chosen == "pixi-lock")
    else:
        assert "conda packages, which no index of PyPI has, are left out: pip, python." in done.err
    if chosen == "pylock":
        assert 'vcs = { type = "git", url = "https://git.example.org/f", commit-id = "f00" }' in done.out
    else:
        assert "distributions of repositories, which have no checksum, are left out: fresh." in done.err


@pytest.mark.parametrize("chosen", EXPORT_FORMATS)
def test_no_signature_or_token_in_the_query_of_a_url_is_written(
    envmgr: Envmgr, with_pip: Path, chosen: str
) -> None:
    """Signed URLs of files, and tokens, are logins like any other; other parameters are part of the place."""
    url = "https://files.example.org/fresh-5.tar.gz?X-Amz-Signature=hidden&v=1&token=hidden"
    direct = {"url": url, "archive_info": {"hashes": {"sha256": 64 * "a"}}}
    (with_pip / SITE / "fresh-5.dist-info/direct_url.json").write_text(json.dumps(direct))
    done = envmgr("export", "-p", with_pip, "--format", chosen)
    assert (done.code, "hidden" in done.out + done.err) == (0, False), done.err
    assert ("fresh-5.tar.gz?v=1" in done.out) == (chosen != "explicit")
    if chosen != "explicit":
        assert "the login for fresh @ https://files.example.org/fresh-5.tar.gz?v=1" in done.err


def test_no_path_of_this_machine_and_no_secret_is_written(
    envmgr: Envmgr, channel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    local = make_channel(tmp_path / "local", [pkg("own")])
    monkeypatch.setenv("ENVMGR_CHANNELS", channel.replace("//", "//me:hidden@"))
    made = tmp_path / "env"
    done = envmgr("create", "-y", "-p", made, "-c", local, "own", "tool")
    assert done.code == 0, done.err
    variables = [
        f"PLACE={made}/x",
        "MY_TOKEN=hidden",
        "URL=https://u:hidden@h/x",
        f"H={os.environ['HOME']}/y",
        f"INNOCENT=ghp_hidden{30 * 'x'}",
    ]
    assert envmgr("env", "config", "vars", "set", "-p", made, *variables, "KEPT=1").code == 0
    for chosen in ("conda-lock", "pixi-lock", "pixi", "pylock", "cyclonedx", "spdx"):
        done = envmgr("export", "-p", made, "--format", chosen)
        assert (done.code, "hidden" in done.out + done.err) == (0, False)
        assert str(tmp_path) not in done.out
        assert os.environ["HOME"] not in done.out
        assert "variable" in done.err
    for shape in (["--from-history"], [], ["--format", "json"], ["--format", "explicit"]):
        done = envmgr("export", "-p", made, *shape)
        assert done.code == 0
        for word in (str(tmp_path), "hidden", os.environ["HOME"], "prefix:", "name:"):
            assert word not in done.out, shape
        assert "hidden" not in done.err
        if shape != ["--format", "explicit"]:
            assert f"the channel {local.as_uri()} is a folder of this machine" in done.err
            assert f"the login for {channel} is left out" in done.err
            assert "the variable MY_TOKEN is left out" in done.err
            assert yaml.safe_load(done.out)["variables"] == {"KEPT": "1"}
        else:
            words = f"a folder of this machine (-c {local.as_uri()} writes them), are left out: own."
            assert words in done.err
            assert f"the login for {channel} is left out" in done.err
    assert local.as_uri() in envmgr("export", "-p", made, "-c", local, "--from-history").out


CONDA_HISTORY = """\
==> 2023-01-02 03:04:05 <==
# cmd: /opt/conda/bin/conda create -n x tool app=1 python
# conda version: 23.1.0
+defaults/linux-64::tool-7-0
# update specs: ['tool', 'app=1', "lib[version='>=1.0,<2']"]
==> 2023-02-02 03:04:05 <==
# cmd: /opt/conda/bin/conda install app<2
# conda version: 23.1.0
# update specs: ["app[version='<2']"]
==> 2023-03-02 03:04:05 <==
# cmd: /opt/conda/bin/conda remove lib
# remove specs: ['lib']
# neutered specs: ['tool>=6']
"""


def as_others_made_it(prefix: Path, history: str) -> None:
    """Take away what only envmgr writes."""
    for document in (prefix / "conda-meta").glob("*.json"):
        content = json.loads(document.read_text())
        document.write_text(
            json.dumps({key: each for key, each in content.items() if "requested" not in key})
        )
    for file in (prefix / "conda-meta/envmgr/generations").iterdir():
        file.unlink()
    (prefix / "conda-meta/history").write_text(history)


def test_of_condas_environments_the_history_tells_what_was_asked_for(
    envmgr: Envmgr, prefix: Path, channel: str
):
    as_others_made_it(prefix, CONDA_HISTORY)
    content = exported(envmgr, prefix, "--from-history")
    assert content["dependencies"] == ["tool >=6", "app <2"]
    assert content["channels"] == [channel, "nodefaults"]


def test_words_between_commas_in_old_histories_are_read(envmgr: Envmgr, prefix: Path):
    as_others_made_it(
        prefix, "==> 2015-01-02 03:04:05 <==\n# install specs: app >=1,<2,tool\n# update specs: [broken\n"
    )
    assert exported(envmgr, prefix, "--from-history")["dependencies"] == ["app >=1,<2", "tool"]


def test_of_environments_without_any_request_the_leaves_are_written(envmgr: Envmgr, prefix: Path):
    as_others_made_it(prefix, "")
    assert exported(envmgr, prefix, "--from-history")["dependencies"] == ["app", "tool"]


def test_what_conda_asked_for_after_envmgr_counts(envmgr: Envmgr, prefix: Path):
    history = prefix / "conda-meta/history"
    history.write_text(history.read_text() + "==> 2030-01-01 00:00:00 <==\n# update specs: ['app=1.2']\n")
    (document,) = (prefix / "conda-meta").glob("lib-*.json")
    document.unlink()
    assert exported(envmgr, prefix, "--from-history")["dependencies"] == ["tool", "app=1.2"]


def test_of_environments_of_py_rattler_leaves_or_requests_are_written(
    envmgr: Envmgr, channel: str, served: Path, tmp_path: Path
):
    rattler = pytest.importorskip("rattler")
    made = tmp_path / "env"
    found = rattler.SparseRepoData(
        rattler.Channel(channel), "linux-64", served / "main/linux-64/repodata.json"
    )
    records = [each for name in ("lib", "tool") for each in found.load_records(name)]

    async def install() -> None:
        await rattler.install(records, made, cache_dir=tmp_path / "pkgs", show_progress=False)

    asyncio.run(install())
    (made / "conda-meta/history").touch()  # As pixi does; it makes a prefix an environment (CEP 32).
    content = exported(envmgr, made, "--from-history")
    assert (content["dependencies"], content["channels"]) == (["tool"], [channel, "nodefaults"])
    assert exported(envmgr, made)["dependencies"] == ["lib=1.5=0", "tool=7=0"]
    locked = exported(envmgr, made, "--format", "conda-lock")["package"]
    assert [(each["name"], each["hash"].keys()) for each in locked] == [
        (name, {"md5", "sha256"}) for name in ("lib", "tool")
    ]
    (document,) = (made / "conda-meta").glob("lib-*.json")
    record = rattler.PrefixRecord.from_path(document)
    record.requested_specs = ["lib >=1"]
    record.write_to_path(document, True)
    assert exported(envmgr, made, "--from-history")["dependencies"] == ["lib >=1"]


def test_what_a_user_had_pip_install_is_written_as_asked_and_as_it_is(
    envmgr: Envmgr, channel: str, tmp_path: Path
):
    """pip is this Python's own, and really installs; its mark tells what was asked of it."""
    made = tmp_path / "envs/piped"
    asked = ["create", "-y", "-p", made, "-c", channel, "--override-channels", "python"]
    assert envmgr(*asked).code == 0
    index = LocalIndex(tmp_path / "index")
    index.wheel("needed", "1.5")
    wheels = index.wheel("wanted", "2.5", ["needed"]).parent
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheels)]
    command += ["--target", str(made / SITE), "--disable-pip-version-check", "Wanted>=2"]
    subprocess.run(command, check=True, timeout=100, capture_output=True)
    assert exported(envmgr, made)["dependencies"][-1] == {"pip": ["needed==1.5", "wanted==2.5"]}
    assert exported(envmgr, made, "--from-history")["dependencies"][-1] == {"pip": ["wanted"]}


def test_what_came_from_an_index_with_a_login_comes_back(
    envmgr: Envmgr, channel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The export names the index without the login, which whoever uses the file has in their own netrc."""
    index = LocalIndex(tmp_path / "index")
    index.wheel("needed", "1.5")
    index.wheel("wanted", "2.5", ["needed"])
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with serve_index(index, login="me:hidden") as served:
        (tmp_path / "env.yml").write_text(
            f"channels: [{channel}, nodefaults]\ndependencies:\n- python\n- pip:\n"
            f"  - --index-url {served.with_login}\n  - Wanted>=2\n"
        )
        first = tmp_path / "envs/a/x"
        done = envmgr("create", "-y", "-p", first, "-f", tmp_path / "env.yml")
        assert done.code == 0, done.err
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine {served.address.partition(':')[0]} login me password hidden\n")
        monkeypatch.setenv("NETRC", str(netrc))
        option = f"--index-url {served.url}"
        for place, options, section in (
            ("b", ["--from-history"], [option, "Wanted>=2"]),
            ("c", ["--from-history", "--versions", "exact"], [option, "Wanted==2.5"]),
            ("d", [], [option, "needed==1.5", "wanted==2.5"]),
        ):
            before = envmgr("export", "-p", first, *options)
            assert yaml.safe_load(before.out)["dependencies"][-1] == {"pip": section}
            assert f"the login for {option} is left out" in before.err
            assert "hidden" not in before.out + before.err
            (tmp_path / "again.yml").write_text(before.out)
            copy = tmp_path / "envs" / place / "x"
            done = envmgr("create", "-y", "-p", copy, "-f", tmp_path / "again.yml")
            assert done.code == 0, done.err
            assert envmgr("export", "-p", copy, *options).out == before.out


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        (["-f", ""], 2, "the name of '' does not tell a format"),
        (["--format", ""], 2, "there is no format ''"),
        (["--format", "docker"], 2, "there is no format 'docker'"),
        (["-f", "environment"], 2, "does not tell a format"),
        (["-f", "lock.toml", "--format", "pylock"], 2, "pylock.NAME.toml (PEP 751), not lock.toml"),
        (["-f", "lock.yml", "--format", "conda-lock-v1"], 2, "a name that holds `conda-lock`"),
        (["--format", "spdx", "--from-history"], 2, "an SBOM tells exactly what is installed"),
        (["--hashes"], 2, "--hashes is for the exact requirements of pip"),
        (["--versions", "minor"], 2, "--versions goes with --from-history"),
        (["--format", "explicit", "--no-builds"], 2, "an explicit file names archives"),
        (["-f", "missing/folder/../x.yml", "--format", "explicit", "--from-history"], 2, "names archives"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    envmgr: Envmgr, prefix: Path, wrong: list[str], code: int, words: str
):
    done = envmgr("export", "-p", prefix, *wrong)
    assert (done.code, words in done.err) == (code, True), done.err
    assert not Path("environment").exists()
