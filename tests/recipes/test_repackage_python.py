"""The script of the python recipe: what it rewrites, and what it takes from the interpreter of these tests."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "recipes"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the recipes are for Linux")


def script(monkeypatch: pytest.MonkeyPatch, base: str, prefix: Path | str = "/new") -> dict:
    """The names of repackage.py, as it would run for an interpreter in *base*."""
    facts = {"BASE_PYTHON_MINOR": "3.11", "BASE_PREFIX": base, "PREFIX": str(prefix)}
    for name, value in facts.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(RECIPES / "python" / "repackage.py"), run_name="repackage")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/usr", "/new"),
        ("prefix=/usr", "prefix=/new"),
        ("'--prefix=/usr' '--libdir=/usr/lib/x86_64-linux-gnu'", "'--prefix=/new' '--libdir=/new/lib'"),
        (
            "/usr/lib/python3.11/config-3.11-x86_64-linux-gnu",
            "/new/lib/python3.11/config-3.11-x86_64-linux-gnu",
        ),
        ("/usr/include/python3.11", "/new/include/python3.11"),
        ("/usr/lib/x86_64-linux-gnu/pkgconfig", "/new/lib/pkgconfig"),
        ("/usr /usr/lib /usr/share/man", "/new /new/lib /new/share/man"),
        ("/usr/bin/python3.11", "/new/bin/python3.11"),
        ("/usr/bin/install -c", "/usr/bin/install -c"),
        ("/usr/share/zoneinfo:/usr/lib/zoneinfo", "/usr/share/zoneinfo:/usr/lib/zoneinfo"),
        ("-I/usr/include/tirpc", "-I/usr/include/tirpc"),
        ("/usr/local/lib", "/usr/local/lib"),
    ],
)
def test_a_prefix_of_the_whole_system_is_replaced_only_where_python_is_meant(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    assert script(monkeypatch, "/usr")["moved"](text) == expected


def test_a_prefix_of_its_own_is_replaced_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = script(monkeypatch, "/opt/py/3.11")["moved"]
    assert moved("-L/opt/py/3.11/lib -Wl,-rpath,/opt/py/3.11/lib") == "-L/new/lib -Wl,-rpath,/new/lib"


def test_a_diverted_site_finds_site_packages_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stdlib = tmp_path / "lib" / "python3.11"
    stdlib.mkdir(parents=True)
    question = 'virtual = sys.base_prefix != sys.prefix or hasattr(sys, "real_prefix")\n'
    for name in ("site.py", "sysconfig.py"):
        stdlib.joinpath(name).write_text(f"import sys\n{question}")
    script(monkeypatch, "/usr", tmp_path)["undo_diversions"]()
    assert stdlib.joinpath("site.py").read_text() == "import sys\nvirtual = True\n"
    assert stdlib.joinpath("sysconfig.py").read_text() == "import sys\nvirtual = True\n"
    assert "site-packages" in stdlib.joinpath("sitecustomize.py").read_text()


def test_an_upstream_site_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stdlib = tmp_path / "lib" / "python3.11"
    stdlib.mkdir(parents=True)
    stdlib.joinpath("site.py").write_text("import sys\n")
    script(monkeypatch, "/usr", tmp_path)["undo_diversions"]()
    assert [path.name for path in stdlib.iterdir()] == ["site.py"]


def test_the_interpreter_of_these_tests_can_be_repackaged(tmp_path: Path) -> None:
    prefix, source = tmp_path / "prefix", tmp_path / "source"
    prefix.mkdir()
    source.mkdir()
    facts = subprocess.run(
        [sys.executable, "-I", RECIPES / "host_facts.py"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    folders = {"PREFIX": str(prefix), "SRC_DIR": str(source), "PATH": os.defpath}
    known = {**json.loads(facts.stdout), **folders}
    subprocess.run([sys.executable, RECIPES / "python" / "repackage.py"], env=known, timeout=100, check=True)
    stdlib = prefix / "lib" / f"python{known['BASE_PYTHON_MINOR']}"
    assert not stdlib.joinpath("test").exists()
    assert not stdlib.joinpath("site-packages").exists()
    assert not list(prefix.rglob("*.pyc"))
    assert prefix.joinpath("bin", "python3").is_symlink()
    (description, *_) = sorted(stdlib.glob("_sysconfigdata*.py"))
    variables = runpy.run_path(str(description))["build_time_vars"]
    assert variables["prefix"] == variables["exec_prefix"] == str(prefix)
    assert variables["TZPATH"].startswith(str(prefix / "share" / "zoneinfo"))
    assert source.joinpath("LICENSE.txt").stat().st_size > 0
    code = "import json, os, site; print(json.dumps(site.getsitepackages()))"
    answer = subprocess.run([prefix / "bin" / "python3", "-I", "-c", code], capture_output=True, check=True)
    assert answer.stdout.decode().strip() == f'["{stdlib}/site-packages"]'
