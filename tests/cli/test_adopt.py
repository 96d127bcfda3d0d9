"""`envmgr adopt`: a first environment.yml of a venv, an environment, or the imports of a project."""

from __future__ import annotations

import json
import sys
import venv
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.builders import make_channel, pkg
from tests.pypi.local_index import metadata

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.command import Envmgr, Outcome

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def distribute(
    prefix: Path, name: str, version: str, *modules: str, requires: tuple[str, ...] = (), **more: Any
) -> None:
    """An installed distribution, as pip leaves it."""
    site = prefix / "lib" / f"python{VERSION}" / "site-packages"
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(metadata(name, version, requires, (), None))
    for module in modules:
        (site / module).mkdir()
        (site / module / "__init__.py").write_text("")
    (info / "RECORD").write_text("".join(f"{module}/__init__.py,,\n" for module in modules))
    if more.get("direct"):
        (info / "direct_url.json").write_text(json.dumps(more["direct"]))
    if more.get("by"):
        (info / "INSTALLER").write_text(more["by"])
    if more.get("asked"):
        (info / "REQUESTED").write_text("")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    prefix = tmp_path / "project" / ".venv"
    venv.create(prefix, with_pip=False, symlinks=True)
    distribute(prefix, "app", "1.2.3", "app", requires=("lib>=1",))
    distribute(prefix, "lib", "1.0", "lib", "lib_more")
    distribute(prefix, "pip", "25.0", "pip")
    return prefix


def dependencies(done: Outcome) -> list[Any]:
    assert done.code == 0, done.err
    return list(yaml.safe_load(done.out)["dependencies"])


def test_notes_of_uv_count_only_where_they_tell_what_was_asked_for(envmgr: Envmgr, tmp_path: Path) -> None:
    prefix = tmp_path / "u"
    venv.create(prefix, with_pip=False, symlinks=True)
    distribute(prefix, "app", "1", requires=("lib",), asked=True, by="uv")
    distribute(prefix, "lib", "1", asked=True, by="uv")
    distribute(prefix, "one", "1", requires=("other",), asked=True, by="uv")
    distribute(prefix, "other", "1", requires=("one",), asked=True, by="uv")
    assert dependencies(envmgr("adopt", prefix))[2] == {"pip": ["app==1", "one==1"]}
    distribute(prefix, "more", "1", by="uv")
    assert dependencies(envmgr("adopt", prefix))[2] == {
        "pip": ["app==1", "lib==1", "more==1", "one==1", "other==1"]
    }


def test_a_venv_gives_what_was_asked_for_or_what_no_other_needs(envmgr: Envmgr, made: Path) -> None:
    done = envmgr("adopt", made)
    assert dependencies(done) == [f"python={VERSION}", "pip", {"pip": ["app==1.2.3"]}]
    distribute(made, "more", "2", requires=("app", 'part[y]; extra == "x"', 'gone; extra == "z"'), asked=True)
    distribute(made, "part", "2", requires=('deep; extra == "y"',))
    distribute(made, "deep", "2")
    distribute(made, "leaf", "2")
    assert dependencies(envmgr("adopt", made))[2] == {"pip": ["leaf==2", "more[x]==2"]}
    assert yaml.safe_load(done.out)["name"] == "project"
    project = made.parent / "mine"
    project.mkdir()
    url = {"url": project.as_uri(), "dir_info": {"editable": True}}
    distribute(made, "mine", "0.1", asked=True, direct=url)
    gone = {"url": "file:///gone/x-1.whl", "archive_info": {}}
    distribute(made, "x", "1", asked=True, direct=gone)
    vcs = {"url": "https://h/r", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    distribute(made, "r", "1", asked=True, direct=vcs)
    distribute(made, "other", "2.5", asked=True)
    file = made.parent / "environment.yml"
    done = envmgr("adopt", made, "-f", file, "--versions", "minimum")
    assert done.code == 0, done.err
    text = file.read_text()
    assert yaml.safe_load(text)["dependencies"][2] == {
        "pip": ["leaf>=2", "-e ./mine", "more[x]>=2", "other>=2.5", "r @ git+https://h/r@abc"]
    }
    assert text.startswith(
        "# What could not be written down:\n# x 1 came from a file that is not there any more.\n"
    )
    again = envmgr("adopt", made, "-f", file)
    assert (again.code, "is there already" in again.err) == (2, True)
    assert (
        envmgr("create", "-n", "new", "-f", file, "--dry-run", "--offline").code == 1
    )  # Read, and no channel.


SOURCE = """
from __future__ import annotations
import os, app.inner
import sklearn, unknown_thing
from . import sibling
from helpers import x
try:
    import fast_json
except ImportError:
    fast_json = None
def late():
    from lib_more import y
"""


def test_a_project_gives_the_distributions_that_have_what_it_imports(envmgr: Envmgr, made: Path) -> None:
    project = made.parent
    (project / "main.py").write_text(SOURCE)
    (project / "helpers.py").write_text("import gone_too.x\n")
    (project / "old.py").write_text("print 'two'\n")
    (project / "latin.py").write_bytes(b"# caf\xe9\n")
    (project / "deep.py").write_text("x = " + "(" * 5000)
    cells = [{"cell_type": "code", "source": ["%matplotlib inline\n", "import lib\n"]}]
    (project / "look.ipynb").write_text(json.dumps({"cells": cells}))
    done = envmgr("adopt", project)
    assert dependencies(done) == [
        f"python={VERSION}",
        "pip",
        {"pip": ["app==1.2.3", "lib==1.0", "scikit-learn"]},
    ]
    told = [line.removeprefix("# ") for line in done.out.splitlines() if line.startswith("# ")][1:]
    assert told[:3] == [
        "deep.py was not read: " + told[0].partition(": ")[2],
        "latin.py was not read: it is no UTF-8.",
        "old.py was not read: line 1 is no Python of today.",
    ]
    assert told[3:] == [
        "main.py:8: `fast_json` is optional and is not installed.",
        "helpers.py:1: no installed distribution has `gone_too`; add the one that does.",
        "main.py:4: `sklearn` is not installed; it is known to be in scikit-learn.",
        "main.py:4: no installed distribution has `unknown_thing`; add the one that does.",
    ]
    (project / "pyproject.toml").write_text("[project]\n")
    refused = envmgr("adopt", project, "--json")
    assert (refused.code, refused.json["hint"]) == (2, f"envmgr create -f {project}/pyproject.toml reads it.")


def test_an_environment_gives_what_its_records_say(envmgr: Envmgr, tmp_path: Path) -> None:
    channel = make_channel(tmp_path / "channel", [pkg("app", "1.0", depends=["lib"]), pkg("lib", "1.0")])
    env = tmp_path / "env"
    assert envmgr("create", "-y", "-p", env, "-c", channel, "--override-channels", "app >=1").code == 0
    done = envmgr("adopt", env)
    assert dependencies(done) == ["app >=1"]
    assert "is a folder of this machine" in done.out


def test_conda_brings_what_it_has_where_it_is_preferred(
    envmgr: Envmgr, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = make_channel(tmp_path / "channel", [pkg("app", "1.2.3", noarch="python", depends=["python"])])
    monkeypatch.setenv("ENVMGR_CHANNELS", channel.as_uri())
    (made.parent / "main.py").write_text("import app, lib\n")
    done = envmgr("adopt", made.parent, "--prefer", "conda")
    assert dependencies(done) == [f"python={VERSION}", "app==1.2.3", "pip", {"pip": ["lib==1.0"]}]


def test_what_is_nothing_to_adopt_is_refused(envmgr: Envmgr, tmp_path: Path) -> None:
    refused = envmgr("adopt", tmp_path / "none")
    assert (refused.code, "no environment, no venv and no project" in refused.err) == (2, True)
