"""envmgr merge-lock under a real git: merges in both directions, rebases, picks, and conflicts that were left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.builders import make_channel, pkg
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command import Envmgr

if shutil.which("git") is None:
    pytest.skip("there is no git", allow_module_level=True)

ROOT = Path(__file__).parents[2]
BOTH = [("one", "two"), ("two", "one")]
NAMES = ("alpha", "beta", "delta", "lib", "top", "zeta")


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    subdirs = ("linux-64", "osx-arm64")
    packages = [pkg(name, f"{n}.0", subdir=each) for name in NAMES for n in (1, 2, 3) for each in subdirs]
    packages += [
        pkg("user", "1.0", depends=["lib <2"]),
        pkg("user", "2.0", depends=["lib >=2,<3"]),
        pkg("leaf", "1.0", depends=["lib"]),
    ]
    make_channel(folder / "main", packages)
    with serve(folder) as server:
        yield f"{server.url}/main"


class Repository:
    """A repository whose git runs the envmgr of these tests, with an environment.yml and its lock."""

    def __init__(self, folder: Path, envmgr: Envmgr, channel: str) -> None:
        self.folder, self.envmgr, self.channel = folder, envmgr, channel
        self.file, self.lock = folder / "environment.yml", folder / "conda-lock.yml"
        (folder / "bin").mkdir(parents=True)
        program = folder / "bin" / "envmgr"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m envmgr "$@"\n')
        program.chmod(0o755)
        path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": os.devnull}
        names |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_NOSYSTEM": "1"}
        self.environ = {**os.environ, **names, "PATH": path, "PYTHONPATH": str(ROOT), "GIT_EDITOR": "true"}
        self.git("init", "-q", "-b", "start")
        (folder / ".git" / "info" / "exclude").write_text("bin\n")

    def git(self, *words: str, code: int = 0, **environ: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env={**self.environ, **environ},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def write(self, *specs: Any, **keys: Any) -> None:
        content = {"channels": [self.channel, "nodefaults"], "dependencies": list(specs), **keys}
        self.file.write_text(yaml.safe_dump(content, sort_keys=False))

    def locked(self, *options: object) -> None:
        done = self.envmgr("lock", "-f", self.file, *options)
        assert done.code == 0, done.err

    def branch(self, name: str, *specs: Any, options: tuple[object, ...] = (), **keys: Any) -> None:
        """A branch from the start on, with these specs and the lock of them in a commit."""
        self.git("checkout", "-q", "-B", name, "start")
        if specs:
            self.write(*specs, **keys)
        self.locked(*options)
        self.git("commit", "-qam", name)

    def begin(self, *specs: Any, **keys: Any) -> None:
        self.write(*specs, **keys)
        self.locked()
        assert self.envmgr("merge-lock", "--install").code == 0
        self.git("add", "-A")
        self.git("commit", "-qm", "start")

    def versions(self) -> dict[str, str]:
        return {
            each["name"]: str(each["version"]) for each in yaml.safe_load(self.lock.read_text())["package"]
        }

    def is_current(self) -> bool:
        return self.envmgr("lock", "--check", "-f", self.file).code == 0


@pytest.fixture
def repository(tmp_path: Path, envmgr: Envmgr, channel: str, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for name in [each for each in os.environ if each.startswith("GIT_")]:
        monkeypatch.delenv(name)
    made = Repository(tmp_path / "project", envmgr, channel)
    monkeypatch.chdir(made.folder)
    return made


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_requests_of_both_branches_are_planned_together_and_git_makes_the_commit(
    repository: Repository, ours: str, theirs: str
) -> None:
    repository.begin("alpha 1.*", "delta", "lib", "top", platforms=["linux-64", "osx-arm64"])
    platforms = {"platforms": ["linux-64", "osx-arm64"]}
    repository.branch("one", "alpha 2.*", "beta", "delta", "lib", "top", **platforms)
    repository.branch("two", "alpha 1.*", "delta", "lib 2.*", "top", "zeta", **platforms)
    repository.git("checkout", "-q", ours)
    repository.git("merge", theirs)
    assert repository.git("status", "--porcelain") == ""
    assert repository.versions() == {
        "alpha": "2.0", "beta": "3.0", "delta": "3.0", "lib": "2.0", "top": "3.0", "zeta": "3.0",
    }  # fmt: skip
    assert repository.is_current()
    before = repository.lock.read_bytes()
    repository.locked("--update-all")
    assert repository.lock.read_bytes() == before


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_an_update_and_a_new_request_are_merged_without_any_channel(
    repository: Repository, ours: str, theirs: str, tmp_path: Path
) -> None:
    repository.begin("alpha <2", "lib <2", "top")
    repository.write("alpha", "lib", "top")
    repository.locked()
    repository.git("commit", "-qam", "loosened")
    repository.branch("one", "alpha", "leaf", "lib", "top")
    repository.branch("two", options=("--update", "alpha"))
    assert repository.versions() == {"alpha": "3.0", "lib": "1.0", "top": "3.0"}
    repository.git("checkout", "-q", ours)
    repository.git("merge", theirs, ENVMGR_OFFLINE="true", ENVMGR_ROOT=str(tmp_path / "empty"))
    assert repository.versions() == {"alpha": "3.0", "leaf": "1.0", "lib": "1.0", "top": "3.0"}
    assert repository.is_current()


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_packages_that_do_not_go_together_are_planned_again_or_left_with_a_sentence(
    repository: Repository, ours: str, theirs: str, tmp_path: Path
) -> None:
    repository.begin("alpha", "lib <2")
    repository.write("alpha", "lib")
    repository.locked()
    repository.git("commit", "-qam", "loosened")
    repository.branch("one", options=("--update", "lib"))
    repository.branch("two", "alpha", "lib", "user <2")
    repository.git("checkout", "-q", ours)
    said = repository.git("merge", theirs, code=1, ENVMGR_OFFLINE="true", ENVMGR_ROOT=str(tmp_path / "empty"))
    assert "Run envmgr lock" in said or "offline" in said
    assert "conda-lock.yml" in repository.git("diff", "--name-only", "--diff-filter=U")
    repository.git("merge", "--abort")
    repository.git("merge", theirs)
    assert repository.versions() == {"alpha": "3.0", "lib": "1.0", "user": "1.0"}
    assert repository.is_current()


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_of_a_package_that_both_branches_moved_the_newer_stays(
    repository: Repository, ours: str, theirs: str
) -> None:
    repository.begin("lib <2", "top <2")
    repository.write("lib", "top")
    repository.locked()
    repository.git("commit", "-qam", "loosened")
    repository.branch("one", "lib <3", "top")
    repository.locked("--update", "lib")
    repository.write("lib", "top")
    repository.locked()
    repository.git("commit", "-qam", "one, later")
    repository.branch("two", options=("--update", "lib", "--update", "top"))
    assert repository.git("diff", "one", "two", "--", "environment.yml") == ""
    repository.git("checkout", "-q", ours)
    repository.git("merge", theirs)
    assert repository.versions() == {"lib": "3.0", "top": "3.0"}
    assert repository.is_current()


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
@pytest.mark.parametrize("command", ["lock", "merge-lock"])
def test_a_conflict_in_the_files_waits_for_a_person_and_is_mended_then(
    repository: Repository, ours: str, theirs: str, command: str
) -> None:
    repository.begin("lib", "top <3")
    repository.branch("one", "lib", "top <3", "alpha <2")
    repository.branch("two", "lib", "top <3", "beta <2")
    repository.git("checkout", "-q", ours)
    said = repository.git("merge", theirs, code=1)
    assert "both sides have changed environment.yml in the same place" in said
    assert "<<<<<<< ours" in repository.lock.read_text()
    repository.write("lib", "top", "alpha", "beta")
    done = repository.envmgr(command, "--offline")
    assert done.code == 0, done.err
    assert repository.versions() == {"alpha": "1.0", "beta": "1.0", "lib": "3.0", "top": "2.0"}
    assert repository.is_current()
    repository.git("commit", "-qam", "merged")


@pytest.mark.parametrize("style", ["merge", "diff3"])
def test_markers_that_git_no_longer_knows_of_are_mended_by_what_stands_between_them(
    repository: Repository, style: str
) -> None:
    repository.begin("lib <2", "top <2")
    repository.branch("one", "lib <2", "top <2", "alpha")
    repository.branch("two", "lib 2.*", "top <2", "zeta")
    (repository.folder / ".git" / "info" / "attributes").write_text("conda-lock.yml merge\n")
    repository.git("checkout", "-q", "one")
    repository.git("merge", "two", code=1)
    repository.git("checkout", f"--conflict={style}", "conda-lock.yml")
    repository.write("lib", "top", "alpha", "zeta")
    repository.git("add", "-A")
    done = repository.envmgr("merge-lock", "--json")
    assert done.code == 0, done.out
    assert repository.versions() == {"alpha": "3.0", "lib": "2.0", "top": "1.0", "zeta": "3.0"}
    assert "has no conflict of a merge" in repository.envmgr("merge-lock").err


def test_a_rebase_and_a_pick_that_git_names_merge_like_a_merge(repository: Repository) -> None:
    repository.begin("alpha <2", "delta", "lib", "top")
    repository.branch("one", "alpha 2.*", "delta", "lib", "top")
    repository.branch("two", "alpha <2", "delta", "lib", "top", "zeta")
    repository.git("rebase", "-q", "one")
    expected = {"alpha": "2.0", "delta": "3.0", "lib": "3.0", "top": "3.0", "zeta": "3.0"}
    assert (repository.versions(), repository.is_current()) == (expected, True)
    repository.branch("two", "alpha <2", "delta", "lib", "top", "zeta")
    picked = repository.git("rev-parse", "--short", "two").strip()
    repository.git("checkout", "-q", "one")
    for name, commit in (("o", "start"), ("a", "one"), ("b", "two")):
        (repository.folder / name).write_text(repository.git("show", f"{commit}:conda-lock.yml"))
    words = ("o", "a", "b", "7", "conda-lock.yml")
    labels = (f"parent of {picked} (two)", "HEAD", f"{picked} (two)")
    done = repository.envmgr("merge-lock", *words, *labels)
    assert done.code == 0, done.err
    repository.write("alpha 2.*", "delta", "lib", "top", "zeta")
    shutil.copy(repository.folder / "a", repository.lock)
    assert (repository.versions(), repository.is_current()) == (expected, True)


def test_where_git_does_not_say_what_it_merges_nothing_is_made_of_files_that_are_not_there(
    repository: Repository,
) -> None:
    repository.begin("alpha <2", "lib", "top")
    repository.branch("one", "alpha <2", "lib", "top", "zeta")
    for name, commit in (("o", "start"), ("a", "start"), ("b", "one")):
        (repository.folder / name).write_text(repository.git("show", f"{commit}:conda-lock.yml"))
    repository.git("checkout", "-q", "start")
    refused = repository.envmgr("merge-lock", "o", "a", "b", "7", "conda-lock.yml", "%S", "%X", "%Y")
    assert (refused.code, "the files are not merged yet" in refused.err) == (1, True)
    assert "envmgr lock" in refused.err
    (repository.folder / "a").write_text("version: 1\n")
    refused = repository.envmgr("merge-lock", "o", "a", "b", "7", "conda-lock.yml")
    assert (refused.code, "conda-lock.yml" in refused.err) == (1, True)


def test_included_files_come_from_the_merge_too(repository: Repository) -> None:
    base = repository.folder / "parts" / "base.yml"
    base.parent.mkdir()
    base.write_text("dependencies:\n- lib <2\n")
    repository.begin("alpha <2", "delta", "top", {"include": ["parts/base.yml"]})
    repository.branch("one", "alpha 2.*", "delta", "top", {"include": ["parts/base.yml"]})
    repository.git("checkout", "-q", "-B", "two", "start")
    base.write_text("dependencies:\n- lib 2.*\n")
    repository.branch("two", "alpha <2", "delta", "top", {"include": ["parts/base.yml"]})
    repository.git("checkout", "-q", "one")
    repository.git("merge", "two")
    assert repository.versions() == {"alpha": "2.0", "delta": "3.0", "lib": "2.0", "top": "3.0"}
    assert repository.is_current()


def test_machines_that_both_branches_name_differently_are_left_to_a_person(repository: Repository) -> None:
    repository.begin("lib")
    repository.branch("one", options=("--virtual", "__glibc=2.30"))
    repository.branch("two", options=("--virtual", "__glibc=2.31"))
    said = repository.git("merge", "one", code=1)
    assert "both sides changed __glibc of linux-64" in said
    assert "--virtual linux-64:__glibc=VERSION" in said


def test_install_writes_what_git_needs_once_and_only_in_a_repository(
    repository: Repository, envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attributes = repository.folder / ".gitattributes"
    attributes.write_text("*.png binary")
    assert [envmgr("merge-lock", "--install", "--json").json["written"] for _ in range(2)] == [True, False]
    assert attributes.read_text() == "*.png binary\nconda-lock.yml merge=envmgr-lock\n"
    assert repository.git("config", "merge.envmgr-lock.driver").startswith("envmgr merge-lock %O %A %B %L %P")
    monkeypatch.chdir(tmp_path)
    refused = envmgr("merge-lock", "--install")
    assert (refused.code, "is in no work tree of git" in refused.err) == (2, True)
    assert envmgr("merge-lock", "a", "b").code == 2
