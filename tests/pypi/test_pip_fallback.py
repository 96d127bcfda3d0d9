"""Where there is no uv, pip of the environment's own Python resolves, and that is said."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.pypi.asking import variables
from tests.pypi.local_index import LocalIndex, project_files, serve_index

# A Python whose folder has no uv beside it is another process.
DRIVER = """
import json, os, sys
from pathlib import Path
from envmgr.errors import EnvmgrError
from envmgr.pypi.resolution import Candidate, PypiSolution
from tests.pypi.asking import HERE, request, resolve
from envmgr.pypi.target import PypiTarget

task = json.loads(sys.argv[1])
target = HERE if task.get("here", True) else PypiTarget(python="3.6.1", subdir="linux-64", glibc="2.28")
python = Path(task["python"]) if task.get("python") else None
asked = request(*task["items"], conda=task.get("conda", {}), target=target, prefix_python=python,
                find_login=(lambda url: tuple(task["login"])) if "login" in task else None,
                folder=Path(task["folder"]), preferred=task.get("kept", {}), candidates={
                    name: tuple(map(Candidate, versions)) for name, versions in task.get("candidates", {}).items()
                })
try:
    found = resolve(asked, dict(os.environ))
except EnvmgrError as error:
    print(json.dumps({"error": str(error), "hint": error.hint}))
else:
    if isinstance(found, PypiSolution):
        print(json.dumps({
            "tool": found.tool, "answered": dict(found.answered),
            "wheels": sorted(record.fn for record in found.wheels),
            "sources": sorted((source.kind, source.name) for source in found.sources), "warnings": found.warnings,
            "needs": {record.name: record.extra["requires_dist"] for record in found.wheels},
            "index": sorted({record.origin.channel for record in found.wheels}),
            "sums": all(record.sha256 for record in found.wheels),
        }))
    else:
        print(json.dumps({"tool": found.tool, "reasons": found.reasons, "provided": sorted(found.provided)}))
"""


def ask(folder: Path, index: str, *items: str, **task: object) -> dict[str, object]:
    tools = folder / "bin"
    if not tools.exists():
        tools.mkdir()
        (tools / "python").symlink_to(Path(sys.executable).resolve())
    environ = variables(folder, PATH="/usr/bin:/bin", PIP_INDEX_URL=index)
    environ["PYTHONPATH"] = ":".join([str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)])
    given = json.dumps({"python": sys.executable, "folder": str(folder), **task, "items": items})
    finished = subprocess.run(
        [str(tools / "python"), "-c", DRIVER, given],
        check=False,
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert finished.returncode == 0, finished.stderr
    answer: dict[str, object] = json.loads(finished.stdout)
    return answer


@pytest.fixture
def index(tmp_path: Path) -> LocalIndex:
    return LocalIndex(tmp_path / "index")


def test_pip_takes_what_conda_provides_and_reports_the_rest(tmp_path: Path, index: LocalIndex) -> None:
    index.wheel("frame", "3.0", ["numb >=2"])
    index.wheel("frame", "2.0", ["numb >=1", "clock"])
    index.wheel("clock", "1.0")
    index.wheel("numb", "2.5", ["never"])
    with serve_index(index, login="me:s3cret") as served:
        found = ask(tmp_path, served.with_login, "frame", conda={"numb": "1.9"})
        refused = ask(tmp_path, served.with_login, "frame>2", conda={"numb": "1.9"})
        kept = ask(tmp_path, served.url, "clock", login=["me", "s3cret"])
        assert kept["wheels"] == ["clock-1.0-py3-none-any.whl"]
        assert found["index"] == [served.url]
    assert str(found["tool"]).startswith("pip ")
    assert found["wheels"] == ["clock-1.0-py3-none-any.whl", "frame-2.0-py3-none-any.whl"]
    assert found["answered"] == {"numb": "1.9"}
    assert found["needs"] == {"pypi:clock": [], "pypi:frame": ["numb >=1", "clock"]}
    assert found["sums"]
    assert "uv was not found" in str(found["warnings"])
    assert refused["provided"] == ["numb"], refused
    assert "s3cret" not in str(found) + str(refused)
    assert "file:" not in str(refused)


@pytest.mark.skipif(
    not os.environ.get("ENVMGR_TEST_PIP_SOURCES"), reason="takes 5 s; ENVMGR_TEST_PIP_SOURCES=1 runs it"
)
def test_pip_reports_sources_of_all_kinds(tmp_path: Path, index: LocalIndex) -> None:
    index.sdist("built", "1.0")
    (tmp_path / "local one").mkdir()
    for file, text in project_files("local", "1.0").items():
        (tmp_path / "local one" / file).write_text(text)
    found = ask(tmp_path, (index.folder / "simple").as_uri(), "built", "-e './local one'")
    assert found["sources"] == [["directory", "local"], ["sdist", "built"]]


def words_of_processes() -> str:
    """The words that a list of processes shows now."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(place.read_bytes().decode("utf-8", "replace"))
    return "\n".join(found)


@pytest.mark.skipif(
    not os.environ.get("ENVMGR_TEST_PIP_SOURCES"), reason="takes 5 s; ENVMGR_TEST_PIP_SOURCES=1 runs it"
)
def test_no_list_of_processes_shows_the_login_while_pip_builds(tmp_path: Path, index: LocalIndex) -> None:
    index.wheel("build-tool", "1.0")
    (tmp_path / "local").mkdir()
    for file, text in project_files("local", "1.0").items():
        (tmp_path / "local" / file).write_text(text.replace("requires = []", 'requires = ["build-tool"]'))
    shown: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            shown.append(words_of_processes())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with serve_index(index, login="me:s3cret") as served:
        found = ask(tmp_path, served.with_login, "./local")
        assert any("build_tool" in path for path in served.asked)
    done.set()
    watcher.join(5)
    assert found["sources"] == [["directory", "local"]]
    text = "".join(shown)
    assert served.address in text and "s3cret" not in text


@pytest.mark.skipif(
    not os.environ.get("ENVMGR_TEST_PIP_SOURCES"), reason="takes 5 s; ENVMGR_TEST_PIP_SOURCES=1 runs it"
)
def test_pip_tries_what_conda_could_provide_and_keeps_what_is_installed(
    tmp_path: Path, index: LocalIndex
) -> None:
    index.wheel("frame", "3.0", ["numb <2", "clock"])
    for version in ("1.0", "2.0"):
        index.wheel("clock", version)
    url = (index.folder / "simple").as_uri()
    versions = {"numb": ["2.1", "1.26", "1.20"]}
    found = ask(tmp_path, url, "frame", conda={"numb": "2.1"}, candidates=versions, kept={"clock": "1.0"})
    assert found["answered"] == {"numb": "1.26"}
    assert found["wheels"] == ["clock-1.0-py3-none-any.whl", "frame-3.0-py3-none-any.whl"]
    moved = ask(tmp_path, url, "clock>1", kept={"clock": "1.0"})
    assert moved["wheels"] == ["clock-2.0-py3-none-any.whl"]


def test_pip_cannot_resolve_for_another_python_and_says_what_can(tmp_path: Path, index: LocalIndex) -> None:
    url = (index.folder / "simple").as_uri()
    other = ask(tmp_path, url, "tool", here=False)
    assert other["error"] == "pip cannot resolve for Python 3.6 on linux-64 from another Python."
    none = ask(tmp_path, url, "tool", python=None)
    assert "there is no uv" in str(none["error"])
    assert "envmgr[pypi]" in str(none["hint"])
