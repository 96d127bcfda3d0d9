"""PyPI packages are resolved by uv for the prefix that will be, around what conda provides."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from envmgr.errors import ChannelError, DataError
from envmgr.host.system import SystemRunner
from envmgr.models.record import PackageRecord
from envmgr.models.virtual_package import virtual_record
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.transport import AnyTransport
from envmgr.ports import Finished, RecordingReporter
from envmgr.pypi.resolution import Candidate, Provided, PypiSolution
from envmgr.pypi.resolve import resolve_pypi
from envmgr.pypi.target import PypiTarget
from tests.pypi.asking import HERE, files, refusal, request, solution, variables
from tests.pypi.local_index import LocalIndex, project_files, serve_index

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON = Path(sys.executable)


class Watched(SystemRunner):
    """Runs programs, and keeps the words that a list of processes would show, and their variables."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def run(self, command: Sequence[str], **more: Any) -> Finished:
        """As any runner."""
        self.words += [*command, *more["env"].values()]
        return super().run(command, **more)


@pytest.fixture
def index(tmp_path: Path) -> LocalIndex:
    return LocalIndex(tmp_path / "index")


@pytest.fixture
def environ(tmp_path: Path, index: LocalIndex) -> dict[str, str]:
    return variables(tmp_path, PIP_INDEX_URL=(index.folder / "simple").as_uri())


def test_what_conda_provides_is_taken_and_no_other_version(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("frame", "3.0", ["numb >=2"])
    index.wheel("frame", "2.0", ["numb >=1", "clock"])
    index.wheel("clock", "1.0")
    index.wheel("numb", "2.5")
    found = solution(request("frame", conda={"numb": "1.9"}), environ)
    assert files(found) == ["clock-1.0-py3-none-any.whl", "frame-2.0-py3-none-any.whl"]
    assert found.answered == {"numb": "1.9"}
    assert found.requested == {"frame"}
    assert found.tool.startswith("uv ")
    record = found.wheels[0]
    content = (index.folder / "files" / record.fn).read_bytes()
    assert record.sha256 == hashlib.sha256(content).hexdigest()
    assert record.url == (index.folder / "files" / record.fn).as_uri()
    assert record.name == "pypi:clock"


def test_a_refusal_names_what_conda_provides_and_where_it_was_asked_for(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("frame", "3.0", ["numb >=2"])
    index.wheel("numb", "2.5")
    found = refusal(request("numb>=1", "frame", conda={"numb": "1.9", "other": "1"}), environ)
    assert found.provided == {"numb"}
    assert not found.python
    text = " ".join(found.reasons)
    assert "conda provides numb 1.9" in text
    assert "you require frame (environment.yml:2)" in text
    for word in ("file:", "stub", "envmgr-conda", "--", "\x1b", "index"):
        assert word not in text + str(found.hint)


def test_a_refusal_tells_when_python_is_the_reason(index: LocalIndex, environ: dict[str, str]) -> None:
    index.wheel("frame", "3.0", python=">=3.13")
    found = refusal(request("frame"), environ)
    assert found.python
    assert "3.12.4" in found.reasons[0]


def test_of_several_versions_that_conda_could_provide_one_is_chosen_that_all_can_have(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("frame", "3.0", ["numb <2", "sci"])
    versions = {
        "numb": (Candidate("2.1"), Candidate("1.26"), Candidate("1.20")),
        "sci": (Candidate("1.14", ("numb>=2",)), Candidate("1.11", ("numb>=1.21",))),
    }
    found = solution(request("frame", conda={"numb": "2.1"}, candidates=versions), environ)
    assert found.answered == {"numb": "1.26", "sci": "1.11"}


def test_wheels_and_markers_are_those_of_the_target(index: LocalIndex, environ: dict[str, str]) -> None:
    for tag in (
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp312-cp312-manylinux_2_34_x86_64",
        "cp312-cp312-win_amd64",
        "cp313-cp313-manylinux_2_17_x86_64",
        "cp312-cp312-macosx_11_0_arm64",
        "cp312-cp312-macosx_14_0_arm64",
        "cp312-cp312-musllinux_1_2_x86_64",
    ):
        index.wheel("fast", "1.0", ["winonly; sys_platform == 'win32'"], tag=tag)
    index.wheel("winonly", "1.0")

    def chosen(**facts: str) -> list[str]:
        return files(solution(request("fast", target=PypiTarget(python="3.12.4", **facts)), environ))

    assert chosen(subdir="linux-64", glibc="2.28") == ["fast-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"]
    assert chosen(subdir="linux-64", glibc="2.39") == ["fast-1.0-cp312-cp312-manylinux_2_34_x86_64.whl"]
    assert chosen(subdir="linux-64", musl="1.2") == ["fast-1.0-cp312-cp312-musllinux_1_2_x86_64.whl"]
    assert chosen(subdir="osx-arm64", macos="13.0") == ["fast-1.0-cp312-cp312-macosx_11_0_arm64.whl"]
    assert chosen(subdir="osx-arm64", macos="14.5") == ["fast-1.0-cp312-cp312-macosx_14_0_arm64.whl"]
    assert chosen(subdir="win-64") == ["fast-1.0-cp312-cp312-win_amd64.whl", "winonly-1.0-py3-none-any.whl"]


def test_a_newer_source_distribution_gives_way_to_a_wheel(index: LocalIndex, environ: dict[str, str]) -> None:
    index.wheel("tool", "1.0")
    index.sdist("tool", "2.0")
    assert files(solution(request("tool", prefix_python=PYTHON), environ)) == ["tool-1.0-py3-none-any.whl"]
    found = solution(request("tool", "--no-binary tool", prefix_python=PYTHON), environ)
    assert [(source.name, source.version) for source in found.sources] == [("tool", "2.0")]


def test_sources_are_taken_where_no_wheel_fits_and_only_where_that_is_allowed(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("tool", "1.0")
    archive = index.sdist("tool", "2.0", ["dep"])
    index.wheel("dep", "1.0")
    index.sdist("dep", "2.0")
    found = solution(request("tool>=2", target=HERE, prefix_python=PYTHON), environ)
    assert files(found) == ["dep-1.0-py3-none-any.whl"]
    (source,) = found.sources
    assert (source.kind, source.url) == ("sdist", archive.as_uri())
    assert source.sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()
    for limits in ({"prefix_python": None}, {"prefix_python": PYTHON, "allow_sources": False}):
        assert "tool" in refusal(request("tool>=2", target=HERE, **limits), environ).names
    barred = request("tool>=2", "--only-binary :all:", target=HERE, prefix_python=PYTHON)
    assert "tool" in refusal(barred, environ).names


def test_pre_releases_and_yanked_files_come_only_when_asked_for(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("tool", "1.0")
    index.wheel("tool", "1.5", yanked="broken")
    index.wheel("tool", "2.0rc1")
    assert files(solution(request("tool"), environ)) == ["tool-1.0-py3-none-any.whl"]
    assert files(solution(request("tool", "--pre"), environ)) == ["tool-2.0rc1-py3-none-any.whl"]
    pinned = solution(request("tool==1.5"), environ)
    assert files(pinned) == ["tool-1.5-py3-none-any.whl"]
    assert "broken" in " ".join(pinned.warnings)


def test_what_is_installed_stays_unless_it_must_or_may_move(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.wheel("tool", version)
    index.wheel("needs", "1.0", ["tool >=2"])
    kept = {"preferred": {"tool": "2.0"}}
    assert "tool-2.0-py3-none-any.whl" in files(solution(request("tool", **kept), environ))
    assert "tool-2.0-py3-none-any.whl" in files(solution(request("needs", **kept), environ))
    for moves in ({"upgrade_all": True}, {"upgrade": ("tool",)}):
        assert files(solution(request("tool", **kept, **moves), environ)) == ["tool-3.0-py3-none-any.whl"]
    assert files(solution(request("tool<2", **kept), environ)) == ["tool-1.0-py3-none-any.whl"]


def test_strategies_and_constraints_of_the_caller_hold(index: LocalIndex, environ: dict[str, str]) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.wheel("tool", version)
    assert files(solution(request("tool>=2", strategy="lowest"), environ)) == ["tool-2.0-py3-none-any.whl"]
    assert files(solution(request("tool", constraints=("tool<3",)), environ)) == ["tool-2.0-py3-none-any.whl"]


def test_the_first_index_that_has_a_name_wins_and_that_is_told(
    tmp_path: Path, index: LocalIndex, environ: dict[str, str]
) -> None:
    inner = LocalIndex(tmp_path / "inner")
    inner.wheel("ours", "1.0", ["public"])
    index.wheel("ours", "99.0")
    index.wheel("public", "1.0")
    extra = f"--extra-index-url {(inner.folder / 'simple').as_uri()}"
    found = solution(request(extra, "ours"), environ)
    assert files(found) == ["ours-1.0-py3-none-any.whl", "public-1.0-py3-none-any.whl"]
    (warning,) = found.warnings
    assert warning.startswith("ours: taken from file://")
    lacking = refusal(request(extra, "ours>2"), environ)
    assert "was found on file://" in str(lacking.hint)
    assert "not at the requested version" in str(lacking.hint)
    open_to_all = {**environ, "UV_INDEX_STRATEGY": "unsafe-best-match"}
    found = solution(request(extra, "ours"), open_to_all)
    assert files(found) == ["ours-99.0-py3-none-any.whl"]
    assert "whoever can publish a name" in found.warnings[0]


@pytest.mark.parametrize("strategy", ["first-index", "unsafe-best-match"])
def test_neither_links_nor_strategies_lead_past_what_conda_provides(
    tmp_path: Path, index: LocalIndex, environ: dict[str, str], strategy: str
) -> None:
    index.wheel("numb", "2.0")
    index.wheel("frame", "1.0", ["numb"])
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (index.folder / "files" / "numb-2.0-py3-none-any.whl").rename(wheels / "numb-2.0-py3-none-any.whl")
    asked = request("--find-links ./wheels", "frame", conda={"numb": "1.9"}, folder=tmp_path)
    found = solution(asked, {**environ, "UV_INDEX_STRATEGY": strategy})
    assert found.answered == {"numb": "1.9"}
    assert files(found) == ["frame-1.0-py3-none-any.whl"]


def test_links_serve_without_any_index(tmp_path: Path, index: LocalIndex, environ: dict[str, str]) -> None:
    index.wheel("tool", "1.0")
    asked = request(
        "--no-index", f"--find-links {index.folder / 'files'}", "tool", "numb", conda={"numb": "1"}
    )
    found = solution(asked, environ)
    assert (files(found), found.answered) == (["tool-1.0-py3-none-any.whl"], {"numb": "1"})
    assert "tool2" in refusal(request("--no-index", "tool2"), environ).names


def test_an_index_with_a_login_is_read_and_the_login_shown_nowhere(
    tmp_path: Path, index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("tool", "1.0")
    secret = "s3cr%2Fet"
    with serve_index(index, login="me:s3cr/et") as served:
        url = f"http://me:{secret}@{served.address}/simple"
        runner = Watched()
        asked = request(f"--extra-index-url {url}", "tool")
        found = resolve_pypi(asked, runner, environ, RecordingReporter())
        assert isinstance(found, PypiSolution)
        assert runner.words
        assert not [word for word in runner.words if "s3cr" in word]
        (record,) = found.wheels
        assert record.url == f"http://{served.address}/files/tool-1.0-py3-none-any.whl"
        assert found.credential_urls == (f"http://me:{secret}@{served.address}",)
        shown = f"{record} {record.origin} {found.warnings} {found.tool}"
        failed = refusal(request(f"--index-url {url}", "tool>2"), environ)
        with pytest.raises(ChannelError) as wrong:
            refusal(request(f"--index-url http://me:wr0ng@{served.address}/simple", "tool"), environ)
    for text in (shown, str(failed), str(wrong.value), str(wrong.value.hint)):
        assert "s3cr" not in text
        assert "wr0ng" not in text
    assert served.address in str(wrong.value)


def test_pip_configuration_and_variables_hold_in_their_order(
    tmp_path: Path, index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("tool", "1.0")
    index.wheel("tool", "2.0rc1")
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = http://127.0.0.1:9/simple\n[install]\npre = yes\n")
    configured = {**environ, "PIP_CONFIG_FILE": str(file)}
    assert files(solution(request("tool"), configured)) == ["tool-2.0rc1-py3-none-any.whl"]
    file.write_text("[global\n")
    with pytest.raises(DataError, match=r"pip\.conf:1: pip's configuration cannot be read"):
        solution(request("tool"), configured)


def test_a_file_must_have_a_sum_that_its_line_allows(index: LocalIndex, environ: dict[str, str]) -> None:
    digest = hashlib.sha256(index.wheel("tool", "1.0").read_bytes()).hexdigest()
    index.wheel("dep", "1.0")
    right, wrong = f"--hash=sha256:{digest}", f"--hash=sha256:{'0' * 64}"
    assert files(solution(request(f"tool==1.0 {wrong} {right}"), environ)) == ["tool-1.0-py3-none-any.whl"]
    forked = request(f"tool==1.0; python_version>'3' {right}", f"tool==1.0; python_version<'3' {wrong}")
    assert files(solution(forked, environ)) == ["tool-1.0-py3-none-any.whl"]
    found = refusal(request(f"tool==1.0 {wrong}"), environ)
    assert found.reasons == ("no file of tool has a sum that environment.yml:1 allows.",)
    found = refusal(request(f"tool==1.0 {right}", "dep"), environ)
    assert found.reasons == ("dep has no --hash, which all need where one has.",)


def test_a_sum_in_a_url_asks_for_none_of_other_lines(
    index: LocalIndex, environ: dict[str, str], tmp_path: Path
) -> None:
    wheel = index.wheel("tool", "1.0")
    index.wheel("dep", "1.0")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    asked = f"tool @ {wheel.as_uri()}#sha256={{}}"
    found = solution(request(asked.format(digest), "dep"), environ)
    assert files(found) == ["dep-1.0-py3-none-any.whl", "tool-1.0-py3-none-any.whl"]
    told = refusal(request(asked.format("0" * 64), "dep"), environ)
    assert told.reasons


def test_whether_a_file_is_old_counts_only_where_another_may_be_taken(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    for name in ("tool", "other", "many"):
        index.wheel(name, "1.0", uploaded="2020-01-01T00:00:00Z")
    with serve_index(index) as served:
        served_environ = {**environ, "PIP_INDEX_URL": served.url}
        found = solution(request("tool==1.0", "other", "many==1.*"), served_environ)
    assert found.uploaded.keys() == {"other", "many"}


def test_macos_that_is_not_known_counts_as_one_that_wheels_are_made_for() -> None:
    python = PackageRecord(name="python", version="3.12.4", build="0")
    unknown, known = (virtual_record("__osx", version) for version in ("0", "14.5"))
    assert PypiTarget.of(python, [unknown], "osx-arm64").macos == "13.0"
    assert PypiTarget.of(python, [known], "osx-arm64").macos == "14.5"


def test_extras_of_what_conda_provides_are_told_or_fulfilled(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("socks", "1.0")
    plain = solution(request("web[proxy]", conda={"web": "2.0"}), environ)
    assert plain.missing_extras == (("web", "proxy"),)
    told = Provided("web", "2.0", "web-2.0-0", ('socks; extra == "proxy"', "never-looked-at"))
    found = solution(replace(request("web[proxy]"), provided=(told,)), environ)
    assert (files(found), found.missing_extras) == (["socks-1.0-py3-none-any.whl"], ())


def test_the_index_tells_what_the_extras_of_a_conda_package_need(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("web", "2.0", ["base", "socks >=1; extra == 'proxy'"], extras=["proxy"])
    index.wheel("web", "3.0", ["other; extra == 'proxy'"], extras=["proxy"])
    index.wheel("socks", "1.0")
    transport = AnyTransport(lambda: HttpTransport(HttpOptions(retries=0)), offline=False)
    with serve_index(index) as served:
        asked = request(f"--index-url {served.url}", "web[proxy]", conda={"web": "2.0"})
        found = resolve_pypi(asked, SystemRunner(), environ, RecordingReporter(), transport)
    assert isinstance(found, PypiSolution)
    assert (files(found), found.missing_extras) == (["socks-1.0-py3-none-any.whl"], ())


def test_paths_archives_and_repositories_become_sources(
    tmp_path: Path, index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("dep", "1.0")
    archive = index.sdist("packed", "1.0", ["dep"])
    for name in ("local", "linked", "kept"):
        (tmp_path / name).mkdir()
        for file, text in project_files(name, "1.0").items():
            (tmp_path / name / file).write_text(text)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(tmp_path / "kept")]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True, env=environ)
    asked = request(
        "./local",
        "-e ./linked",
        archive.as_uri(),
        f"kept @ git+{(tmp_path / 'kept').as_uri()}@v1",
        folder=tmp_path,
        target=HERE,
        prefix_python=PYTHON,
    )
    found = solution(asked, environ)
    assert files(found) == ["dep-1.0-py3-none-any.whl"]
    kinds = {source.name: (source.kind, source.editable) for source in found.sources}
    assert kinds == {
        "local": ("directory", False),
        "linked": ("directory", True),
        "packed": ("archive", False),
        "kept": ("vcs", False),
    }
    assert found.requested == {"local", "linked", "packed", "kept"}
    direct = {source.name: source.direct_url for source in found.sources}
    assert direct["linked"] == {"url": (tmp_path / "linked").as_uri(), "dir_info": {"editable": True}}
    assert direct["kept"]["vcs_info"]["requested_revision"] == "v1"  # type: ignore[index]


def test_offline_uses_what_was_fetched_and_says_what_was_not(
    index: LocalIndex, environ: dict[str, str]
) -> None:
    index.wheel("tool", "1.0")
    with serve_index(index) as served:
        item = f"--index-url {served.url}"
        online = solution(request(item, "tool"), environ)
        asked_before = len(served.asked)
        assert files(solution(request(item, "tool", offline=True), environ)) == files(online)
        assert len(served.asked) == asked_before
        with pytest.raises(ChannelError) as failed:
            refusal(request(item, "unknown", offline=True), environ)
    assert failed.value.hint == "Run the same once without --offline."


def test_an_index_that_does_not_answer_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(ChannelError, match=r"127\.0\.0\.1:9"):
        refusal(request("--index-url http://127.0.0.1:9/simple", "tool"), environ)


def test_nothing_is_left_behind_in_the_folder_for_private_files(
    tmp_path: Path, index: LocalIndex, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    index.wheel("tool", "1.0")
    solution(request("tool"), environ)
    refusal(request("tool>1"), environ)
    assert os.listdir(private) == []


def test_kept_logins_reach_indexes_links_and_files_and_no_arguments_or_variables(
    tmp_path: Path, index: LocalIndex, environ: dict[str, str]
) -> None:
    file = index.wheel("single", "1.0")
    index.wheel("tool", "1.0")
    asked_for = []

    def find_login(url: str) -> tuple[str, str]:
        asked_for.append(url)
        return ("me", 's3cr/et "x"')

    with serve_index(index, login='me:s3cr/et "x"') as served:
        host = f"http://{served.address}"
        for items in (
            (f"--index-url {served.url}", "tool"),
            ("--no-index", f"--find-links {host}/simple/tool/", "tool"),
            ("--no-index", f"single @ {host}/files/{file.name}"),
        ):
            runner = Watched()
            found = resolve_pypi(request(*items, find_login=find_login), runner, environ, RecordingReporter())
            assert isinstance(found, PypiSolution), (items, found)
            assert not [word for word in runner.words if "s3cr" in word]
            assert "s3cr" not in f"{found.wheels[0]} {found.wheels[0].url} {found.warnings}"
    assert asked_for == [f"{served.url}/", f"{host}/simple/tool/", f"{host}/files/{file.name}"]
    assert not solution(request("--index-url https://pypi.org/simple"), environ).wheels


def test_a_login_of_a_repository_reaches_git_by_a_private_file_alone(environ: dict[str, str]) -> None:
    git = Path(environ["HOME"]) / "bin" / "git"
    git.parent.mkdir()
    told = [f"{shutil.which('git')} config --get-regexp insteadof >>$HOME/read", "env >>$HOME/seen"]
    told += ['echo "$@" >>$HOME/seen', "ls -l $GIT_CONFIG_VALUE_1 >>$HOME/files"]
    git.write_text("\n".join(["#!/bin/sh", *told, "exit 1", ""]))
    git.chmod(0o755)
    watched = {
        **environ,
        "PATH": f"{git.parent}:{environ['PATH']}",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "me",
    }
    with pytest.raises(ChannelError) as failed:
        refusal(request("tool @ git+https://me:s3cret@127.0.0.1:9/r.git@v1"), watched)
    asked = request("other @ git+https://127.0.0.1:9/x.git", find_login=lambda _: ("you", 's3c/"ret'))
    with pytest.raises(ChannelError):
        refusal(asked, watched)
    seen, read, files = ((git.parents[1] / name).read_text() for name in ("seen", "read", "files"))
    assert "s3c" not in str(failed.value) + seen
    assert "url.https://me:s3cret@127.0.0.1:9/.insteadof https://127.0.0.1:9/" in read
    assert "url.https://you:s3c%2F%22ret@127.0.0.1:9/.insteadof https://127.0.0.1:9/" in read
    assert {line.split()[0] for line in files.splitlines()} == {"-rw-------"}
