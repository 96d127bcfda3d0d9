"""Link scripts: when they run, with what, and what their failure does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import PrefixError
from envmgr.ports import Phase, RecordingReporter
from tests.builders import Pkg, pkg, script
from tests.prefixes import create, request_for, unpack

if TYPE_CHECKING:
    from pathlib import Path

SHOW = 'env | grep -E "^(PREFIX|SOURCE_DIR|ROOT_PREFIX|PKG_|CONDA_PREFIX|PATH|VAR)" | sort > "$PREFIX/{}"'


def scripted(name: str, action: str, text: str, **options: object) -> Pkg:
    files = options.pop("files", {})
    assert isinstance(files, dict)
    return pkg(name, "2.1", "h1_7", files={f"bin/.{name}-{action}.sh": script(text), **files}, **options)


def test_post_link_sees_the_standards_variables_at_the_final_path(tmp_path: Path) -> None:
    package = unpack(scripted("a", "post-link", SHOW.format("seen")), tmp_path / "pkgs")
    prefix = tmp_path / "env"
    create(prefix, [package], variables={"VAR": "mine"}, root_prefix="/root/all")
    seen = dict(line.split("=", 1) for line in (prefix / "seen").read_text().splitlines())
    assert seen.pop("PATH").split(":")[0] == f"{prefix}/bin"
    assert seen == {
        "PREFIX": str(prefix), "SOURCE_DIR": str(prefix), "CONDA_PREFIX": str(prefix),
        "ROOT_PREFIX": "/root/all", "PKG_NAME": "a", "PKG_VERSION": "2.1", "PKG_BUILDNUM": "7", "VAR": "mine",
    }  # fmt: skip


def test_pre_link_runs_before_its_package_and_after_earlier_ones(tmp_path: Path) -> None:
    text = 'ls "$PREFIX/lib" > "$PREFIX/seen"; case "$0" in */pkgs/*) ;; *) exit 1;; esac'
    packages = [
        unpack(pkg("a", files={"lib/a": "a"}), tmp_path / "pkgs"),
        unpack(scripted("b", "pre-link", text, files={"lib/b": "b"}), tmp_path / "pkgs"),
    ]
    create(tmp_path / "env", packages)
    assert (tmp_path / "env/seen").read_text() == "a\n"
    assert (tmp_path / "env/lib/b").is_file()


def test_post_link_runs_in_the_activated_environment_and_may_return(tmp_path: Path) -> None:
    files = {
        "etc/conda/activate.d/x.sh": "export FROM_SCRIPT=1\n",
        "etc/conda/env_vars.d/x.json": '{"FROM_FILE": "2"}',
        "bin/helper": script("echo helped"),
    }
    text = '[ "$FROM_SCRIPT$FROM_FILE$(helper)" = 12helped ] && return 0\nreturn 1'
    create(tmp_path / "env", [unpack(scripted("a", "post-link", text, files=files), tmp_path / "pkgs")])


def test_messages_are_handed_on_with_their_package_and_removed(tmp_path: Path) -> None:
    packages = [
        unpack(
            scripted(name, "post-link", f'echo "hello from {name}" >> "$PREFIX/.messages.txt"'),
            tmp_path / "pkgs",
        )
        for name in ("a", "b")
    ]
    reporter = RecordingReporter()
    created = create(tmp_path / "env", packages, reporter)
    assert created.messages == ("a-2.1-h1_7: hello from a", "b-2.1-h1_7: hello from b")
    assert not (tmp_path / "env/.messages.txt").exists()
    assert reporter.advanced[Phase.SCRIPTS] == 2


@pytest.mark.parametrize("action", ["pre-link", "post-link"])
def test_a_failing_script_takes_everything_back_and_says_why(tmp_path: Path, action: str) -> None:
    good = unpack(pkg("good", files={"lib/x": "x"}), tmp_path / "pkgs")
    text = 'touch "$PREFIX/made"; echo one; echo "no such licence" >&2; exit 3'
    bad = unpack(scripted("bad", action, text), tmp_path / "pkgs")
    message = f"the {action} script of bad-2.1-h1_7 failed with exit code 3: no such licence"
    with pytest.raises(PrefixError, match=message) as caught:
        create(tmp_path / "env", [good, bad])
    assert caught.value.facts["output"] == "one\nno such licence"
    assert sorted(os.listdir(tmp_path)) == ["pkgs"]


@pytest.mark.parametrize("action", ["pre-link", "post-link"])
def test_refusing_scripts_names_the_package_before_anything_is_written(tmp_path: Path, action: str) -> None:
    package = unpack(scripted("a", action, "true"), tmp_path / "pkgs")
    with pytest.raises(PrefixError, match=f"a-2.1-h1_7 has a {action} script") as caught:
        create(tmp_path / "deep/env", [package], link_scripts="refuse")
    assert caught.value.hint
    assert sorted(os.listdir(tmp_path)) == ["pkgs"]


def test_scripts_of_other_names_are_plain_files(tmp_path: Path) -> None:
    package = unpack(pkg("a", files={"bin/.b-post-link.sh": script("exit 1")}), tmp_path / "pkgs")
    create(tmp_path / "env", [package], link_scripts="refuse")
    assert request_for(tmp_path / "x", [package]).plan.link[0].scripts == ()
