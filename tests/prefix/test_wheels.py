"""Wheels in prefixes: linked like packages, and for other tools what pip would have installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.errors import DataError, PrefixError
from envmgr.net.files import FileTransport
from envmgr.packages.store import PackageCache
from envmgr.ports import FixedClock, RecordingReporter
from envmgr.prefix.change import PrefixChange, change_prefix
from envmgr.prefix.check import check_prefix, verify_prefix
from envmgr.prefix.generation import Generation, entry_of
from envmgr.prefix.plan import PackageToLink, plan_prefix
from envmgr.prefix.store import PrefixStore
from envmgr.pypi.records import wheel_record
from tests.builders import Whl, link, pkg, wheel_bytes, whl
from tests.prefixes import ProcessRunner, create, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/python{VERSION}/site-packages"
HOME = Path(os.path.realpath(sys.executable))


def python(tmp_path: Path, version: str = f"{VERSION}.0") -> PackageToLink:
    """A package python whose prefix is a home of the interpreter that runs this test, as a virtual one is."""
    files = {
        f"bin/python{VERSION}": link(str(HOME)),
        "bin/python": link(f"python{VERSION}"),
        "pyvenv.cfg": f"home = {HOME.parent}\n",
    }
    return unpack(pkg("python", version, files=files), tmp_path / "conda")


def to_link(tmp_path: Path, wheel: Whl, *, requested: tuple[str, ...] = (), **facts: Any) -> PackageToLink:
    """*wheel*, in the cache below *tmp_path*."""
    place = tmp_path / "wheels" / wheel.file_name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(data := wheel_bytes(wheel))
    record = wheel_record(
        place.as_uri(), index="https://pypi.org/simple", sha256=hashlib.sha256(data).hexdigest(), **facts
    )
    cache = PackageCache([tmp_path / "pkgs"])
    (package,) = cache.obtain([record], FileTransport(), RecordingReporter()).values()
    return PackageToLink(package.record, package.folder, package.archive, package.files, requested)


def change(prefix: Path, desired: Sequence[PackageToLink], *, subdir: str = "linux-64") -> RecordingReporter:
    """Change *prefix* to hold exactly *desired*."""
    store, reporter = PrefixStore(prefix), RecordingReporter()
    current = tuple(store.records())
    plan = plan_prefix(current, desired, prefix=str(prefix), subdir=subdir)
    generation = Generation(
        store.generations().next_number, 1e9, packages=[entry_of(each.record) for each in desired]
    )
    request = PrefixChange(prefix, plan, current, (generation,), {"PATH": os.defpath}, {})
    change_prefix(request, ProcessRunner(), reporter, FixedClock(1e9))
    return reporter


def damage(prefix: Path) -> list[str]:
    """What differs from the records of all packages but the one that stands for python."""
    found = verify_prefix(prefix)
    return [str(each) for each in found if not each.package.startswith("python-")]


TOOL = whl(
    "My.Tool",
    files={"my_tool/__init__.py": "def main():\n    print('it runs')\n", "my_tool/a,b.txt": "comma"},
    data={
        "scripts/my-script": "#!python\nimport my_tool; my_tool.main()\n",
        "scripts/my-shell": "#!/bin/sh\necho shell\n",
        "headers/my.h": "int x;\n",
        "data/share/my/a.txt": "a",
    },
    console_scripts=("my-tool = my_tool:main",),
    gui_scripts=("my-window = my_tool:main",),
)


def run(prefix: Path, *words: str) -> str:
    command = [str(prefix / "bin" / words[0]), *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pip(prefix: Path, *words: str) -> str:
    """Run the real pip of the tests' own environment as that of *prefix*."""
    real = pytest.importorskip("pip")
    alone = prefix.with_name("pip-alone")
    alone.mkdir(exist_ok=True)
    if not (alone / "pip").exists():
        (alone / "pip").symlink_to(Path(real.__file__).parent)
    environ = {**os.environ, "PYTHONPATH": str(alone)}
    command = [f"{prefix}/bin/python", "-m", "pip", "--isolated", "--disable-pip-version-check", *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def record_rows(prefix: Path, metadata: str) -> dict[str, tuple[str, str]]:
    text = (prefix / SITE / metadata / "RECORD").read_text()
    return {path: (digest, size) for path, digest, size in csv.reader(io.StringIO(text))}


def all_files(prefix: Path) -> set[str]:
    found = (path for path in prefix.rglob("*") if not path.is_dir() or path.is_symlink())
    return {str(path.relative_to(prefix)) for path in found if "__pycache__" not in path.parts}


def test_a_wheel_is_linked_and_runs(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    create(prefix, [python(tmp_path), to_link(tmp_path, TOOL, requested=("my-tool",))])
    assert run(prefix, "my-tool") == run(prefix, "my-script") == run(prefix, "my-window") == "it runs\n"
    assert run(prefix, "my-shell") == "shell\n"
    assert (prefix / "share/my/a.txt").read_text() == "a"
    assert (prefix / f"include/python{VERSION}/my-tool/my.h").exists()
    assert (prefix / "bin/my-script").read_text().splitlines()[0] == f"#!{prefix}/bin/python"
    module = prefix / SITE / "my_tool/__init__.py"
    assert module.stat().st_nlink == 2
    assert damage(prefix) == []


def test_record_lists_all_of_it_with_the_sums_of_what_is_there(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    create(prefix, [python(tmp_path), to_link(tmp_path, TOOL, requested=("my-tool",))])
    rows = record_rows(prefix, "My.Tool-1.0.dist-info")
    place = prefix / SITE
    for path, (digest, size) in rows.items():
        data = (place / path).read_bytes()
        if path != "My.Tool-1.0.dist-info/RECORD":
            text = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={text}", str(len(data))), path
    assert rows["My.Tool-1.0.dist-info/RECORD"] == ("", "")
    listed = {os.path.relpath(os.path.realpath(place / path), os.path.realpath(prefix)) for path in rows}
    (package,) = [each for each in PrefixStore(prefix).records() if each.record.is_pypi]
    assert listed == set(package.files)
    assert all_files(prefix) - listed == {
        path for path in all_files(prefix) if path.startswith("conda-meta/")
    } | {"bin/python", f"bin/python{VERSION}", "pyvenv.cfg"}
    assert (place / "My.Tool-1.0.dist-info/INSTALLER").read_text() == "envmgr\n"
    assert (place / "My.Tool-1.0.dist-info/REQUESTED").read_bytes() == b""


def test_conda_sees_no_record_of_a_wheel_and_no_line_in_the_history(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    create(prefix, [python(tmp_path), to_link(tmp_path, TOOL)])
    assert [path.name for path in (prefix / "conda-meta").glob("*.json")] == [f"python-{VERSION}.0-0.json"]
    assert "tool" not in (prefix / "conda-meta/history").read_text().lower()
    document = prefix / "conda-meta/envmgr/pypi/my-tool-1.0.json"
    assert json.loads(document.read_bytes())["dist_info"] == f"{SITE}/My.Tool-1.0.dist-info"
    (generation,) = PrefixStore(prefix).generations().known
    assert [record.name for record in generation.records()] == ["python", "pypi:my-tool"]


def test_where_a_distribution_came_from_is_written_as_pip_does(tmp_path: Path) -> None:
    came = {"url": "https://example.org/my.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}}
    prefix = tmp_path / "env"
    create(prefix, [python(tmp_path), to_link(tmp_path, TOOL, direct_url=came)])
    metadata = prefix / SITE / "My.Tool-1.0.dist-info"
    assert json.loads((metadata / "direct_url.json").read_text()) == came
    assert not (metadata / "REQUESTED").exists()
    assert PrefixStore(prefix).records()[1].record.extra["direct_url"] == came


def test_pip_sees_what_it_would_have_installed_and_can_uninstall_it(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    create(theirs, [python(tmp_path)])
    create(ours, [python(tmp_path), to_link(tmp_path, TOOL, requested=("my-tool",))])
    before = all_files(theirs)
    wheel = str(tmp_path / "wheels" / TOOL.file_name)
    pip(theirs, "install", "--no-index", "--no-deps", "--no-compile", wheel)
    made = {path for path in all_files(ours) if not path.startswith("conda-meta")}
    own = f"{SITE}/My.Tool-1.0.dist-info/direct_url.json"  # It was asked for by its path there.
    headers = {path for path in made | all_files(theirs) if path.startswith("include/")}
    assert made - headers == {path for path in all_files(theirs) if not path.startswith("conda-meta")} - {
        own,
        *headers,
    }
    shown = pip(ours, "show", "-f", "-v", "my-tool")
    assert "Installer: envmgr" in shown
    assert "  ../../../bin/my-tool\n" in shown
    assert "No broken requirements" in pip(ours, "check")
    run(ours, "python", "-c", "import my_tool")  # Leaves bytecode behind.
    names = "import importlib.metadata as m; print(*[p.locate().exists() for p in m.files('my-tool')])"
    assert set(run(ours, "python", "-c", names).split()) == {"True"}
    pip(ours, "uninstall", "-y", "my-tool")
    pip(theirs, "uninstall", "-y", "my-tool")
    assert {path for path in all_files(ours) if not path.startswith("conda-meta")} == {
        path for path in before if not path.startswith("conda-meta")
    }
    assert not (ours / SITE / "my_tool").exists()
    assert [each.record.name for each in PrefixStore(ours).records()] == ["python"]


def test_a_mixed_change_moves_both_kinds_and_comes_back(tmp_path: Path) -> None:
    prefix, snake = tmp_path / "env", python(tmp_path)
    lib = [unpack(pkg("lib", each, files={"lib/x": each}), tmp_path / "conda") for each in ("1.0", "2.0")]
    old, new = to_link(tmp_path, whl("a", "1.0")), to_link(tmp_path, whl("a", "2.0"))
    more = to_link(tmp_path, whl("b", "1.0", console_scripts=("b = b:main",)))
    create(prefix, [snake, lib[0], old])
    before = {path: (prefix / path).read_bytes() for path in all_files(prefix)}
    change(prefix, [snake, lib[1], new, more])
    assert {path.name for path in (prefix / SITE).iterdir()} == {
        "a.py", "a-2.0.dist-info", "b.py", "b-1.0.dist-info",
    }  # fmt: skip
    assert (prefix / "lib/x").read_text() == "2.0"
    assert (prefix / "bin/b").exists()
    assert damage(prefix) == []
    change(prefix, [snake, lib[0], old])
    after = {path: (prefix / path).read_bytes() for path in all_files(prefix)}
    changing = ("conda-meta/history", "conda-meta/envmgr/generations/")
    assert {path for path in before | after if before.get(path) != after.get(path)} <= {
        path for path in after if path.startswith(changing)
    }


def test_wheels_move_with_python(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    create(prefix, [python(tmp_path), tool := to_link(tmp_path, TOOL)])
    moved = unpack(pkg("python", "3.99.0", files={"bin/python3.99": "x"}), tmp_path / "conda")
    store = PrefixStore(prefix)
    plan = plan_prefix(
        current := tuple(store.records()),
        [moved, tool],
        prefix=str(prefix),
        subdir="linux-64",
        relink={"pypi:my-tool"},
    )
    request = PrefixChange(prefix, plan, current, (Generation(2, 1e9),), {}, {})
    change_prefix(request, ProcessRunner(), RecordingReporter(), FixedClock(1e9))
    assert not (prefix / SITE).exists()
    assert (prefix / "lib/python3.99/site-packages/My.Tool-1.0.dist-info/RECORD").exists()
    assert damage(prefix) == []


def test_paths_of_both_kinds_are_contested_alike(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    conda = unpack(pkg("conda-a", files={f"{SITE}/a.py": "conda\n", "bin/a": "conda\n"}), tmp_path / "conda")
    wheel = to_link(tmp_path, whl("a", console_scripts=("a = a:main",)))
    reporter = RecordingReporter()
    create(prefix, [python(tmp_path), wheel, conda], reporter)
    assert sorted(reporter.warnings)[:2] == [
        "bin/a comes with a-1.0-pypi_0 and conda-a-1.0-0; that of conda-a-1.0-0 is kept.",
        f"{SITE}/a.py comes with a-1.0-pypi_0 and conda-a-1.0-0; that of conda-a-1.0-0 is kept.",
    ]
    # What the wheel lost is not its own to list, or to be uninstalled with it.
    assert set(record_rows(prefix, "a-1.0.dist-info")) == {
        f"a-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "INSTALLER", "RECORD", "entry_points.txt")
    }
    assert damage(prefix) == []


def test_pip_upgraded_a_wheel_so_our_record_does_not_count_and_deletes_nothing(tmp_path: Path) -> None:
    prefix, snake = tmp_path / "env", python(tmp_path)
    create(prefix, [snake, to_link(tmp_path, whl("a", "1.0"))])
    newer = tmp_path / "a-2.0-py3-none-any.whl"
    newer.write_bytes(wheel_bytes(whl("a", "2.0")))
    pip(prefix, "install", "--no-index", "--upgrade", str(newer))
    store = PrefixStore(prefix)
    assert [each.record.name for each in store.records()] == ["python"]
    assert [each.record.dist_name for each in store.stale_documents()] == ["a-1.0-pypi_0"]
    theirs = {path: (prefix / path).read_bytes() for path in all_files(prefix) if path.startswith(SITE)}
    assert theirs[f"{SITE}/a.py"] == b"NAME, VERSION = 'a', '2.0'\n"
    change(prefix, [snake, unpack(pkg("lib", files={"lib/x": "1"}), tmp_path / "conda")])
    assert {
        path: (prefix / path).read_bytes() for path in all_files(prefix) if path.startswith(SITE)
    } == theirs
    assert not store.stale_documents()
    assert not list((prefix / "conda-meta/envmgr/pypi").iterdir())


def test_pip_installed_the_same_version_over_a_wheel_and_verify_says_what_differs(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    create(prefix, [python(tmp_path), to_link(tmp_path, TOOL)])
    wheel = str(tmp_path / "wheels" / TOOL.file_name)
    pip(prefix, "install", "--no-index", "--no-deps", "--force-reinstall", "--no-compile", wheel)
    checked = check_prefix(prefix, PrefixStore(prefix).readable_records())
    kinds = {finding.path.rpartition("/")[2]: str(finding) for finding in checked.findings}
    assert kinds["INSTALLER"].endswith("INSTALLER of my-tool-1.0-pypi_0 is modified")
    assert "RECORD" in kinds
    assert f"{SITE}/my_tool/__init__.py" not in {finding.path for finding in checked.findings}


def test_a_document_that_would_delete_files_of_others_is_refused(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    create(prefix, [python(tmp_path), to_link(tmp_path, TOOL)])
    place = prefix / "conda-meta/envmgr/pypi/my-tool-1.0.json"
    document = json.loads(place.read_bytes())
    place.write_text(json.dumps({**document, "dist_info": "../.."}))
    with pytest.raises(DataError, match=r"my-tool-1\.0\.json: dist_info lists '\.\./\.\.', which is no path"):
        PrefixStore(prefix).records()
    assert list(PrefixStore(prefix).readable_records().damaged) == ["envmgr/pypi/my-tool-1.0.json"]
    place.write_text(json.dumps({**document, "files": ["/etc/passwd"]}))
    with pytest.raises(DataError, match="lists '/etc/passwd'"):
        _ = PrefixStore(prefix).records()[1].files


def test_a_wheel_needs_a_python(tmp_path: Path) -> None:
    with pytest.raises(PrefixError, match=r"my-tool-1\.0-pypi_0 is a noarch Python package, but"):
        create(tmp_path / "env", [to_link(tmp_path, TOOL)])


def test_windows_gets_launchers_as_pip_makes_them_and_no_scripts_beside(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    snake = unpack(pkg("python", f"{VERSION}.0", files={"python.exe": "MZ"}), tmp_path / "conda")
    create(prefix, [snake, to_link(tmp_path, TOOL)], subdir="win-64", compile_bytecode=False)
    names = {path.name for path in (prefix / "Scripts").iterdir()}
    assert names == {"my-tool.exe", "my-window.exe", "my-script", "my-shell"}
    with zipfile.ZipFile(prefix / "Scripts/my-tool.exe") as packed:
        assert b"from my_tool import main" in packed.read("__main__.py")
    assert b"pythonw.exe" in (prefix / "Scripts/my-window.exe").read_bytes()
    first = (prefix / "Scripts/my-script").read_text().splitlines()[0]
    assert first == f"#!{prefix}\\python.exe"
    assert (prefix / "Include/my-tool/my.h").exists()
    text = (prefix / "Lib/site-packages/My.Tool-1.0.dist-info/RECORD").read_text()
    assert "../../Scripts/my-tool.exe,sha256=" in text


def test_no_file_of_a_wheel_is_run_as_a_link_script(tmp_path: Path) -> None:
    evil = whl("a", data={"data/bin/.a-post-link.sh": "#!/bin/sh\ntouch $PREFIX/ran\n"})
    prefix, snake = tmp_path / "env", python(tmp_path)
    create(prefix, [snake, to_link(tmp_path, evil)])
    change(prefix, [snake])
    assert not (prefix / "ran").exists()
    assert not (prefix / "bin/.a-post-link.sh").exists()
