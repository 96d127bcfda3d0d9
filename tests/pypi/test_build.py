"""Sources become wheels in an environment of their own, once, and for editable projects as PEP 660 says."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from envmgr.errors import BuildError, DataError
from envmgr.host.system import SystemRunner
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.transport import AnyTransport
from envmgr.ports import RecordingReporter
from envmgr.pypi.build import build_wheels
from envmgr.pypi.build_source import Outside
from envmgr.pypi.resolution import PypiRequest, PypiSource
from tests.pypi.asking import HERE, request, variables
from tests.pypi.local_index import LocalIndex, project_files

if TYPE_CHECKING:
    from envmgr.models.record import PackageRecord

PYTHON = Path(sys.executable)


def build(tmp_path: Path, *sources: PypiSource, asked: PypiRequest | None = None) -> list[PackageRecord]:
    outside = Outside(
        SystemRunner(),
        variables(tmp_path, PIP_NO_INDEX="1"),
        AnyTransport(lambda: HttpTransport(HttpOptions(retries=0)), offline=False),
        RecordingReporter(),
    )
    wanted = asked or request(target=HERE, prefix_python=PYTHON)
    return list(build_wheels(sources, wanted, tmp_path / "built", outside))


def content(record: PackageRecord) -> dict[str, str]:
    with zipfile.ZipFile(unquote(urlsplit(record.url).path)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def sdist(archive: Path, **more: object) -> PypiSource:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    facts = {"kind": "sdist", "name": "tool", "version": "1.0", "url": archive.as_uri(), "sha256": digest}
    return PypiSource(**{**facts, "index": "https://index.test/simple", **more})  # type: ignore[arg-type]


def project(folder: Path, name: str = "tool", **files: str) -> PypiSource:
    folder.mkdir()
    for file, text in {**project_files(name, "1.0", ["dep"]), **files}.items():
        (folder / file).write_text(text)
    return PypiSource(kind="directory", name="tool", version=None, url=folder.as_uri(), path=folder)


def test_a_source_distribution_is_built_once(tmp_path: Path) -> None:
    source = sdist(LocalIndex(tmp_path / "index").sdist("tool", "1.0", ["dep>=1"]))
    (record,) = build(tmp_path, source)
    assert record.fn == "tool-1.0-py3-none-any.whl"
    assert record.extra["requires_dist"] == ["dep>=1"]
    assert record.origin is not None
    assert record.origin.channel == "https://index.test/simple"
    wheel = Path(unquote(urlsplit(record.url).path))
    assert (record.sha256, record.size) == (
        hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel.stat().st_size,
    )
    Path(unquote(urlsplit(source.url).path)).unlink()
    (again,) = build(tmp_path, source)
    assert again.sha256 == record.sha256
    assert [path.name for path in (tmp_path / "built").iterdir()] == [wheel.parent.name]


def test_settings_of_an_item_reach_the_backend_and_make_another_wheel(tmp_path: Path) -> None:
    source = sdist(LocalIndex(tmp_path / "index").sdist("tool", "1.0"))
    asked = request("tool --config-settings=fast=yes", target=HERE, prefix_python=PYTHON)
    (plain,), (fast,) = build(tmp_path, source), build(tmp_path, source, asked=asked)
    assert content(plain)["built.py"] == "settings = None\n"
    assert content(fast)["built.py"] == "settings = {'fast': 'yes'}\n"


def test_an_editable_project_becomes_a_wheel_that_leads_to_its_folder(tmp_path: Path) -> None:
    source = project(tmp_path / "tool")
    editable = PypiSource(
        kind="directory", name="tool", version=None, url=source.url, path=source.path, editable=True
    )
    (record,) = build(tmp_path, editable)
    assert content(record)["link.pth"] == f"{tmp_path / 'tool'}\n"
    assert record.extra["direct_url"] == {"url": source.url, "dir_info": {"editable": True}}


def test_a_local_folder_is_built_again_when_it_changes(tmp_path: Path) -> None:
    source = project(tmp_path / "tool")
    (first,) = build(tmp_path, source)
    backend = tmp_path / "tool" / "backend.py"
    backend.write_text(backend.read_text().replace("settings = ", "changed = "))
    (second,) = build(tmp_path, source)
    assert first.url != second.url
    assert content(second)["built.py"] == "changed = None\n"


def test_a_repository_is_built_at_its_commit(tmp_path: Path) -> None:
    source = project(tmp_path / "tool")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(tmp_path / "tool")]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True, env=variables(tmp_path))
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (tmp_path / "tool" / "backend.py").write_text("broken")
    kept = PypiSource(kind="vcs", name="tool", version="1.0", url=source.url, vcs="git", commit=commit)
    (record,) = build(tmp_path, kept)
    assert record.extra["direct_url"]["vcs_info"] == {"vcs": "git", "commit_id": commit}


def test_a_build_that_fails_shows_the_end_of_what_it_said_and_leaves_nothing(tmp_path: Path) -> None:
    source = project(tmp_path / "tool")
    (tmp_path / "tool" / "backend.py").write_text(
        "def build_wheel(*_):\n    raise SystemExit('no compiler')\n"
    )
    with pytest.raises(BuildError, match="tool could not be built") as failed:
        build(tmp_path, source)
    assert failed.value.facts["explanation"][-1] == "no compiler"
    assert list((tmp_path / "built").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "has the sha256"),
        ({"name": "other"}, "made tool-1.0-py3-none-any.whl, not other 1.0"),
        ({"version": "2.0"}, "made tool-1.0-py3-none-any.whl, not tool 2.0"),
    ],
)
def test_what_was_built_is_what_was_resolved(tmp_path: Path, change: dict[str, str], message: str) -> None:
    source = sdist(LocalIndex(tmp_path / "index").sdist("tool", "1.0"), **change)
    with pytest.raises((BuildError, DataError), match=message):
        build(tmp_path, source)


def test_an_archive_cannot_write_outside_of_its_folder(tmp_path: Path) -> None:
    import io
    import tarfile

    archive = tmp_path / "tool-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("tool-1.0/out")
        link.type, link.linkname = tarfile.SYMTYPE, "../../.."
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("tool-1.0/out/file"), io.BytesIO())
    with pytest.raises(DataError, match="lies outside of it"):
        build(tmp_path, sdist(archive))


def test_without_a_python_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="tool can only be built once the environment has a python"):
        build(tmp_path, project(tmp_path / "tool"), asked=request(target=HERE))


def test_a_pyproject_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    source = project(tmp_path / "tool", **{"pyproject.toml": "[build-system\n"})
    with pytest.raises(DataError, match=r"tool: pyproject\.toml cannot be read"):
        build(tmp_path, source)
