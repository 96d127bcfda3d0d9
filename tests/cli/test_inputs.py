"""Files of Python projects as requests: from PyPI as they are written, or from conda where it can say the same."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import make_channel, pkg, script
from tests.pypi.local_index import LocalIndex, Served, serve_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.command import Envmgr, Outcome

pytest.importorskip("uv", reason="uv resolves what these tests ask for")

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
START = script(f'exec "{os.path.realpath(sys.executable)}" "$@"')


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    packages = [
        pkg("python", f"{VERSION}.0", files={f"bin/python{VERSION}": START, "bin/python": START}),
        pkg("pytorch", "2.1", noarch="python", depends=["python"]),
        pkg("lib", "1.5", noarch="python", depends=["python"]),
        pkg("lib", "2.0", noarch="python", depends=["python"]),
        pkg("typing_extensions", "4.0", noarch="python", depends=["python"]),
        pkg("xxhash", "3.0", depends=["r-base"]),
        pkg("r-base", "4.3.1"),
        pkg("r-dplyr", "1.0_2", depends=["r-base"]),
    ]
    return make_channel(tmp_path / "channel", packages)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    made = LocalIndex(tmp_path / "index")
    for name in ("lib", "torch", "only-here", "typing-extensions", "xxhash"):
        made.wheel(name, "2.0" if name != "lib" else "1.5")
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    with serve_index(made) as found:
        monkeypatch.setenv("UV_DEFAULT_INDEX", found.url)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("ENVMGR_ADD_PIP_AS_PYTHON_DEPENDENCY", "false")
        yield found


@pytest.fixture
def plan(envmgr: Envmgr, channel: Path, tmp_path: Path) -> Callable[..., Outcome]:
    def run(files: dict[str, str], *words: str) -> Outcome:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        given = [word for name in files if not name.startswith("_") for word in ("-f", tmp_path / name)]
        where = ["-p", tmp_path / "env", "-c", channel, "--override-channels"]
        return envmgr("create", *where, *given, "--dry-run", "--json", *words)

    return run


def linked(done: Outcome) -> dict[str, str]:
    assert done.code == 0, done.err + done.out
    return {
        each["name"]: ("pypi " if each["channel"] == "pypi" else "") + each["version"]
        for each in done.json["actions"]["LINK"]
        if each["name"] != "python"
    }


REQUIREMENTS = """\
torch>=2
lib<2  # old
only-here
typing-extensions; python_version>'3'
gone; sys_platform=='win32'
xxhash
"""


def test_requirements_come_from_pypi_with_a_python_and_from_conda_where_it_is_preferred(
    plan: Callable[..., Outcome], served: Served
) -> None:
    files = {"requirements.txt": REQUIREMENTS}
    everything = ("lib", "only-here", "torch", "typing-extensions", "xxhash")
    assert linked(plan(files)) == {name: f"pypi {'1.5' if name == 'lib' else '2.0'}" for name in everything}
    done = plan(files, "--prefer", "conda")
    assert linked(done) == {
        "pytorch": "2.1", "lib": "1.5", "only-here": "pypi 2.0", "typing_extensions": "4.0",
        "xxhash": "pypi 2.0",
    }  # fmt: skip
    told = {each["requirement"]: (each["place"], each["spec"], each["why"]) for each in done.json["mapped"]}
    assert told["torch>=2"] == ("conda", "pytorch >=2", "by the bundled table of names")
    assert told["lib<2"] == ("conda", "lib <2dev0", "by the same name")
    assert told["only-here"] == ("pypi", "only-here", "no channel has it")
    assert told["xxhash"] == ("pypi", "xxhash", "no channel has it")  # What conda calls so is a library of C.
    assert told["gone; sys_platform=='win32'"] == (None, None, "its marker does not hold on linux-64")
    assert done.json["mapped"][1]["source"].endswith("requirements.txt:2")


def test_versions_extras_hashes_and_files_that_conda_cannot_say_stay_with_pypi(
    plan: Callable[..., Outcome], served: Served
) -> None:
    files = {"requirements.txt": "lib===1.5\ntorch[x]<3\n-c _limits.txt\n", "_limits.txt": "torch!=2.0.*\n"}
    done = plan(files, "--prefer", "conda")
    assert linked(done) == {"lib": "pypi 1.5", "pytorch": "2.1"}
    whys = [(each["requirement"], each["place"], each["why"]) for each in done.json["mapped"]]
    assert whys[0] == ("lib===1.5", "pypi", "`===` compares texts, which conda versions are not")
    assert whys[2] == ("torch[x]<3", "pypi", "its extras are PyPI's; conda's version is taken")
    refused = plan({**files, "_limits.txt": "torch<2\n"}, "--prefer", "conda")
    assert refused.code == 1
    assert "pytorch" in refused.json["error"]


def test_the_setting_pypi_names_decides_before_the_table(
    plan: Callable[..., Outcome], served: Served
) -> None:
    settings = Path(os.environ["XDG_CONFIG_HOME"]) / "envmgr" / "config.yml"
    settings.parent.mkdir(parents=True)
    settings.write_text("pypi_names: {typing_extensions: [torch], pytorch: []}\n")
    done = plan({"requirements.txt": "torch\n"}, "--prefer", "conda")
    assert [(each["spec"], each["why"]) for each in done.json["mapped"]] == [
        ("typing_extensions", "by the setting pypi_names")
    ]


def test_markers_on_pythons_version_become_conditions(plan: Callable[..., Outcome], served: Served) -> None:
    done = plan(
        {"requirements.txt": "lib; python_version<'3.0'\ntyping_extensions; python_version>='3.0'\n"},
        "--prefer",
        "conda",
    )
    assert linked(done) == {"typing_extensions": "4.0"}
    assert [each["spec"] for each in done.json["mapped"]] == [
        'lib[when="python <3.0dev0"]', 'typing_extensions[when="python >=3.0"]',
    ]  # fmt: skip


def test_files_of_all_kinds_go_together(plan: Callable[..., Outcome], served: Served) -> None:
    files = {
        "base.yml": "dependencies: [r-base]\n",
        "pyproject.toml": f'[project]\nrequires-python = "~={VERSION}"\ndependencies = ["lib"]\n'
        '[dependency-groups]\ndev = ["only-here"]\n',
        "requirements-dev.txt": "torch\n",
        "DESCRIPTION": "Package: m\nImports: dplyr (>= 1.0-1)\n",
        "specs.txt": "typing_extensions\n",
    }
    done = plan(files, "--group", "dev")
    assert set(linked(done)) == {"r-base", "r-dplyr", "lib", "only-here", "torch", "typing_extensions"}
    assert {each["spec"] for each in done.json["mapped"]} == {f"python >={VERSION},3.*", "r-dplyr >=1.0_1"}
    refused = plan(files, "--group", "dve")
    assert (refused.code, refused.json["hint"]) == (2, "Did you mean dev?")


def test_a_lock_with_sums_finds_each_file_in_whichever_index_has_it(
    plan: Callable[..., Outcome], served: Served, tmp_path: Path
) -> None:
    other = LocalIndex(tmp_path / "other")
    sums = {
        "lib": hashlib.sha256((tmp_path / "index/files/lib-1.5-py3-none-any.whl").read_bytes()),
        "mine": hashlib.sha256(other.wheel("mine", "1.0").read_bytes()),
    }
    other.wheel("lib", "9.0")
    with serve_index(other) as more:
        places = {"lib": ("1.5", "https://pypi.org/simple"), "mine": ("1.0", more.url)}
        lock = '[[package]]\nname = "p"\nsource = { virtual = "." }\n'
        lock += 'dependencies = [{ name = "lib" }, { name = "mine" }]\n'
        for name, (version, url) in places.items():
            lock += (
                f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "{url}" }}\n'
            )
            lock += f'sdist = {{ url = "https://h/x", hash = "sha256:{sums[name].hexdigest()}" }}\n'
        done = plan({"uv.lock": lock})
    assert linked(done) == {"lib": "pypi 1.5", "mine": "pypi 1.0"}
    assert "may come from any" not in done.err


def test_an_environment_is_made_and_changed_from_a_projects_files(
    envmgr: Envmgr, channel: Path, served: Served, tmp_path: Path
) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["lib"]\n')
    where: list[Any] = ["-p", tmp_path / "env", "-c", channel, "--override-channels", "-y", "-f", project]
    made = envmgr("create", *where)
    assert made.code == 0, made.err
    project.write_text('[project]\ndependencies = ["torch"]\n')
    changed = envmgr("update", "--prune", *where, "--prefer", "conda")
    assert changed.code == 0, changed.err
    assert "torch  ->  conda: pytorch  (by the bundled table of names;" in changed.err.replace("\n    ", " ")
    names = {each["name"] for each in envmgr("list", "-p", tmp_path / "env", "--json").json}
    assert names == {"python", "pytorch"}


def test_environment_files_have_groups_and_include_others(
    envmgr: Envmgr, channel: Path, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.yml").write_text(
        f"name: base-name\nchannels: ['{channel}']\nvariables: {{A: base, B: base}}\n"
        "dependencies: [r-base, include: more.txt]\n"
    )
    (tmp_path / "sub" / "more.txt").write_text("lib\n")
    file = tmp_path / "environment.yml"
    file.write_text(
        "name: mine\nchannels: [nodefaults]\nvariables: {A: mine}\n"
        "dependencies:\n  - pytorch\n  - include: [sub/base.yml]\n"
        "groups:\n  test: [typing_extensions]\n  r: [r-dplyr]\n"
    )
    where = ["create", "-f", file, "--dry-run", "--json"]
    plain = envmgr(*where)
    assert {"r-base", "lib", "pytorch"} <= set(linked(plain))
    assert plain.json["prefix"].endswith("/mine")
    assert set(linked(envmgr(*where, "--group", "R"))) - set(linked(plain)) == {"r-dplyr"}
    refused = envmgr(*where, "--group", "tests")
    assert (refused.code, refused.json["hint"]) == (2, "Did you mean test?")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("dependencies: [include: e.yml]\n", "e.yml:1: e.yml includes itself"),
        ("dependencies: [include: [gone.yml]]\n", "e.yml:1: there is no file .*gone.yml"),
        ("dependencies: [include: [https://h/x.yml]]\n", "e.yml:1: .* only files can be included"),
        ("dependencies: [include: [[a]]]\n", "e.yml:1: expected the path of a file, found a list"),
        ("dependencies: []\ngroups: [a]\n", "e.yml:2: `groups` must be names"),
        ("dependencies: []\ngroups: {a: b}\n", "e.yml:2: the group `a` must be a list"),
        ("dependencies: []\ngroups: {a: ['x =<1']}\n", "e.yml:2: .*"),
    ],
)
def test_includes_and_groups_that_cannot_be_meant_are_refused_with_their_place(
    envmgr: Envmgr, tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "e.yml").write_text(content)
    refused = envmgr("create", "-n", "x", "-f", tmp_path / "e.yml", "--dry-run", "--json")
    assert refused.code == 1
    assert re.search(words, refused.json["error"]), refused.json["error"]


def test_pruning_by_a_file_that_names_no_python_keeps_the_python(
    envmgr: Envmgr, channel: Path, served: Served, tmp_path: Path
) -> None:
    file = tmp_path / "it's requirements.txt"
    file.write_text("lib\ntorch\n")
    where: list[Any] = ["-p", tmp_path / "env", "-c", channel, "--override-channels", "-y", "-f", file]
    assert envmgr("create", *where, f"python={VERSION}").code == 0
    file.write_text("lib\n")
    changed = envmgr("update", "--prune", *where)
    assert changed.code == 0, changed.err
    assert {each["name"] for each in envmgr("list", "-p", tmp_path / "env", "--json").json} == {
        "python",
        "lib",
    }
    asked = envmgr("export", "-p", tmp_path / "env", "--from-history").out
    assert f"python={VERSION}" in asked


def test_a_lock_with_a_package_that_pixi_builds_is_refused_by_its_name(
    envmgr: Envmgr, tmp_path: Path
) -> None:
    source = "conda_source: mine[ac2e] @ ../mine"
    lock = tmp_path / "pixi.lock"
    lock.write_text(
        "version: 7\nplatforms:\n- name: linux-64\nenvironments:\n  default:\n    channels: []\n"
        f"    packages:\n      linux-64:\n      - {source}\npackages:\n- {source}\n"
    )
    done = envmgr("create", "-p", tmp_path / "env", "-f", lock, "--platform", "linux-64")
    assert (done.code, (tmp_path / "env").exists()) == (1, False)
    assert f"{lock}:9: mine[ac2e] @ ../mine is a package that pixi builds from its source." in done.err


def test_a_lock_leaves_out_the_project_itself_and_takes_nothing_beside_it(
    envmgr: Envmgr, channel: Path, served: Served, tmp_path: Path
) -> None:
    made = envmgr("create", "-p", tmp_path / "one", "-c", channel, "--override-channels", "r-dplyr", "-y")
    assert made.code == 0, made.err
    url, md5, sha256 = next(
        (each["url"], each["md5"], each["sha256"])
        for each in envmgr("list", "-p", tmp_path / "one", "--json").json
        if each["name"] == "r-base"
    )
    lock = tmp_path / "pixi.lock"
    lock.write_text(
        "version: 6\nenvironments:\n  default:\n    channels: []\n    packages:\n      linux-64:\n"
        f"      - conda: {url}\n      - pypi: ./\npackages:\n- conda: {url}\n  md5: {md5}\n  sha256: {sha256}\n"
        f"- pypi: ./\n  name: mine\n  version: 0.1.0\n  sha256: {sha256}\n  editable: true\n"
    )
    where: list[Any] = ["-p", tmp_path / "env", "-f", lock, "--platform", "linux-64"]
    refused = envmgr("create", *where, "--pypi", "lib")
    assert (refused.code, f"{lock} is exact, and cannot be mixed with other" in refused.err) == (2, True)
    done = envmgr("create", *where, "-y")
    assert done.code == 0, done.err
    assert (
        f"{lock}:13: mine is the project in `./`, for which a lock has no checksum, and is left out"
        in done.err
    )
    assert [each["name"] for each in envmgr("list", "-p", tmp_path / "env", "--json").json] == ["r-base"]
