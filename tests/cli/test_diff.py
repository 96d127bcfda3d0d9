"""`envmgr diff`: environments, generations, files and lists of other machines; its exit code is that of diff(1)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    packages = [
        pkg("app", "1.0", depends=["lib"]),
        pkg("lib", "1.0"),
        pkg("lib", "2.0"),
        pkg("lib", "2.0", build="1", build_number=1),
        pkg("tool", "1.0"),
    ]
    return make_channel(tmp_path / "channel", packages)


@pytest.fixture
def make(envmgr: Envmgr, channel: Path, tmp_path: Path) -> Any:
    def run(name: str, *specs: str, command: str = "create") -> Path:
        where = ["-y", "-p", tmp_path / name, "-c", channel, "--override-channels"]
        done = envmgr(command, *where, *specs)
        assert done.code == 0, done.err
        return tmp_path / name

    return run


def changes(envmgr: Envmgr, *words: object) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What is said of each name, after a look at the exit code."""
    done = envmgr("diff", *words, "--json")
    found = {each["name"]: (each["change"], tuple(each["differs"])) for each in done.json["differences"]}
    assert done.code == (1 if found else 0)
    assert done.json["same"] == (not found)
    return found


def test_environments_and_generations_differ_with_a_direction(envmgr: Envmgr, make: Any) -> None:
    one = make("one", "app", "lib=1.0")
    two = make("two", "app", "tool")
    assert changes(envmgr, one, two) == {"lib": ("upgraded", ("version", "build")), "tool": ("added", ())}
    assert changes(envmgr, two, one) == {"lib": ("downgraded", ("version", "build")), "tool": ("removed", ())}
    assert changes(envmgr, one, one) == {}
    make("one", "lib=2.0=0", command="install")
    assert changes(envmgr, f"{one}@1", one) == {"lib": ("upgraded", ("version",))}
    assert changes(envmgr, f"{one}@2", one) == {}
    assert changes(envmgr, one, two)["lib"] == ("changed", ("build",))


def test_lists_of_other_machines_and_explicit_files_tell_channels_and_sums(
    envmgr: Envmgr, make: Any, tmp_path: Path
) -> None:
    one = make("one", "app", "lib=1.0")
    listed = tmp_path / "machine.json"
    listed.write_text(envmgr("list", "-p", one, "--json").out)
    explicit = tmp_path / "explicit.txt"
    explicit.write_text(envmgr("list", "-p", one, "--explicit", "--sha256").out)
    exported = tmp_path / "exported.yml"
    exported.write_text(envmgr("export", "-p", one).out)
    for file in (listed, explicit, exported):
        assert changes(envmgr, one, file) == changes(envmgr, file, one) == {}
    entries = json.loads(listed.read_text())
    entries[0]["sha256"] = "0" * 64
    entries[1] |= {"base_url": "https://conda.anaconda.org/other", "channel": "other"}
    entries.append({"name": "Some_Dist", "version": "1", "channel": "pypi"})
    listed.write_text(json.dumps(entries))
    assert changes(envmgr, one, listed) == {
        "app": ("changed", ("sha256",)),
        "lib": ("changed", ("channel",)),
        "some-dist": ("added", ()),
    }


def test_lists_of_pixi_and_pip_are_read(envmgr: Envmgr, make: Any, tmp_path: Path) -> None:
    one = make("one", "app", "lib=1.0")
    file = tmp_path / "list.json"
    pixi = [
        {"name": "app", "version": "1.0", "build": "0", "kind": "conda", "size_bytes": 1, "is_explicit": True}
    ]
    file.write_text(json.dumps([*pixi, {"name": "x", "version": "1", "kind": "pypi", "build": None}]))
    assert changes(envmgr, one, file) == {"lib": ("removed", ()), "x": ("added", ())}
    other = tmp_path / "pip.json"
    other.write_text(json.dumps([{"name": "X", "version": "2"}]))
    assert changes(envmgr, file, other) == {"app": ("removed", ()), "x": ("upgraded", ("version",))}


def test_environment_files_are_fulfilled_or_not(envmgr: Envmgr, make: Any, tmp_path: Path) -> None:
    one = make("one", "app", "lib=1.0", "tool")
    file = tmp_path / "environment.yml"
    file.write_text("dependencies: [app, 'lib >=2', missing, {pip: [httpx>=1]}]\n")
    assert changes(envmgr, file, one) == {
        "lib": ("changed", ("version",)),
        "missing": ("removed", ()),
        "httpx": ("removed", ()),
        "tool": ("added", ()),
    }
    assert changes(envmgr, one, file)["missing"] == ("added", ())
    listed = tmp_path / "m.json"
    names = {"python": "3.11.1", "a": "1", "b": "3"}
    pypi = [
        {"name": name, "version": each, "channel": "pypi"} for name, each in names.items() if name != "python"
    ]
    listed.write_text(json.dumps([{"name": "python", "version": "3.11.1", "channel": "x"}, *pypi]))
    lines = tmp_path / "requirements.txt"
    lines.write_text(
        "a==2; python_version<'3.8'\na==1; python_version>='3.8'\nb>3\nc; sys_platform=='none'\n"
    )
    assert changes(envmgr, lines, listed) == {"b": ("changed", ("version",))}
    other = tmp_path / "other.yml"
    other.write_text("dependencies: [app, 'lib >=1', {pip: [httpx>=1]}]\n")
    assert changes(envmgr, file, other) == {"lib": ("changed", ("request",)), "missing": ("removed", ())}
    file.write_text("dependencies: [app, lib, tool]\n")  # What nobody asked for is no difference.
    assert changes(envmgr, one, file) == {}


PYPROJECT = """
[project]
requires-python = ">=3.9"
dependencies = ["a>=1", "old; python_version<'3.10'", "w; sys_platform=='win32'"]
"""
UV_LOCK = """
version = 1
requires-python = ">=3.9"
[[package]]
name = "demo"
source = { virtual = "." }
dependencies = [{ name = "a" }, { name = "old", marker = "python_full_version < '3.10'" }]
[[package]]
name = "a"
version = "1.5"
sdist = { url = "https://h/a-1.5.tar.gz", hash = "sha256:SUM" }
[[package]]
name = "old"
version = "1.0"
sdist = { url = "https://h/old-1.0.tar.gz", hash = "sha256:SUM" }
""".replace("SUM", "a" * 64)
PYLOCK = """
lock-version = "1.0"
requires-python = ">=3.9"
[[packages]]
name = "a"
version = "2.0"
wheels = [{ url = "https://h/a-2.0-py3-none-any.whl", hashes = { sha256 = "SUM" } }]
[[packages]]
name = "old"
version = "1.0"
marker = "python_version < '3.10'"
wheels = [{ url = "https://h/old-1.0-py3-none-any.whl", hashes = { sha256 = "SUM" } }]
""".replace("SUM", "b" * 64)


def test_locks_of_python_s_tools_are_read_for_the_python_of_the_other_side(
    envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"pyproject.toml": PYPROJECT, "uv.lock": UV_LOCK, "pylock.toml": PYLOCK}
    for minor in (8, 9, 11):
        listed = [{"name": "python", "version": f"3.{minor}.1", "channel": "x"}]
        listed += [{"name": "a", "version": "2.0", "channel": "pypi"}]
        files[f"{minor}.json"] = json.dumps(listed)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    upgraded = {"a": ("upgraded", ("version",))}
    assert changes(envmgr, "uv.lock", "pylock.toml") == upgraded
    assert changes(envmgr, "pyproject.toml", "uv.lock", "--platform", "linux-64") == {}
    assert changes(envmgr, "pylock.toml", "pyproject.toml", "--platform", "win-64") == {"w": ("added", ())}
    assert changes(envmgr, "uv.lock", "11.json") == upgraded
    assert changes(envmgr, "pylock.toml", "11.json") == {}
    assert changes(envmgr, "pylock.toml", "9.json") == {"old": ("removed", ())}
    assert changes(envmgr, "8.json", "pylock.toml") == {
        "old": ("added", ()),
        "python": ("changed", ("request",)),
    }


def test_tables_are_for_terminals_and_pull_requests(envmgr: Envmgr, make: Any) -> None:
    one, two = make("one", "app", "lib=1.0"), make("two", "app", "tool")
    shown = envmgr("diff", one, two)
    assert [line.split() for line in shown.out.splitlines()[1:]] == [
        ["^", "lib", "conda", "1.0", "0", "2.0", "1"],
        ["+", "tool", "conda", "1.0", "0"],
    ]
    assert shown.err.strip() == "1 added (+), 1 upgraded (^)"
    markdown = envmgr("diff", one, two, "--markdown").out.splitlines()
    assert markdown[0] == "**1 added (+), 1 upgraded (^)**"
    assert markdown[4] == "| `^` | lib | conda | 1.0 0 | 2.0 1 |  |"
    assert envmgr("diff", one, one).err.strip() == "both are the same"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1, 2]", "not what `list --json` writes"),
        ("[" * 200_000, "not what `list --json` writes"),
        ('[{"name": "a"}]', "missing required field"),
        ("dependencies:\n<<<<<<< HEAD\n", "merge conflict"),
    ],
)
def test_what_cannot_be_compared_ends_with_code_2_and_a_sentence(
    envmgr: Envmgr, make: Any, tmp_path: Path, content: str, words: str
) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    refused = envmgr("diff", file, file)
    assert (refused.code, words in refused.err) == (2, True), refused.err
    assert refused.err.startswith("envmgr: ")


def test_sides_that_are_not_there_end_with_code_2(envmgr: Envmgr, make: Any) -> None:
    one = make("one", "tool")
    for word, words in (
        ("nothing", "no file and no environment"),
        (f"{one}@7", "has no generation 7; it has 1"),
    ):
        refused = envmgr("diff", one, word)
        assert (refused.code, words in refused.err) == (2, True), refused.err
