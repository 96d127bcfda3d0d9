"""Files of other tools: told apart, and read into lines for pip, conda specs and ranges of Python, with places."""

from __future__ import annotations

import json
import os
import random
import re
from copy import deepcopy
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.envfile.environment_file import EnvironmentFile, Selection
from envmgr.envfile.other_formats import kind_of_file
from envmgr.envfile.read_file import read_environment_file
from envmgr.errors import DataError
from envmgr.models.toml_document import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

SUM = "sha256:" + "a" * 64


def read(
    name: str, text: str, extras: tuple[str, ...] = (), groups: tuple[str, ...] = (), subdir: str = "linux-64"
) -> EnvironmentFile:
    content = dedent(text).lstrip()
    kind = kind_of_file(content, name)
    return read_environment_file(kind, content.encode(), name, subdir, Selection(extras, groups))


def lines(file: EnvironmentFile) -> list[str]:
    return [f"{item.source.line}: {item.text}" for item in file.python]


def specs(file: EnvironmentFile) -> list[str]:
    return [f"{each.source.line}: {each.source.text}" for each in file.requirements]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("requirements.txt", "numpy==1.2\n", "requirements"),
        ("requirements-dev.txt", "numpy\n", "requirements"),
        ("requirements.txt", "numpy=1.2=py_0\n", "specs"),
        ("requirements.txt", "# platform: linux-64\nnumpy==1.2\n", "specs"),
        ("requirements.txt", "numpy 1.2.*\n", "specs"),
        ("packages.txt", "numpy==1.2\n", "specs"),
        ("packages.txt", "numpy>=1.2,<2\npython\n", "specs"),
        ("packages.txt", "conda-forge::numpy\nx[version='>1']\n", "specs"),
        ("packages.txt", "-e .\nnumpy==1.2\n", "requirements"),
        ("packages.txt", "dask[complete]\n", "requirements"),
        ("packages.txt", "numpy; python_version < '3'\n", "requirements"),
        ("packages.txt", "x @ https://h/x-1.whl\n", "requirements"),
        ("packages.txt", "numpy==1 --hash=sha256:0\n", "requirements"),
        ("dev.in", "numpy\n", "requirements"),
        ("out.txt", "#\n#    pip-compile dev.in\nnumpy==1.2\n", "requirements"),
        ("p/requirements/dev.txt", "numpy==1\n", "requirements"),
        ("pyproject.toml", "[project]\n", "pyproject"),
        ("a.toml", "[tool.poetry.dependencies]\npython = '*'\n", "pyproject"),
        ("pixi.toml", "[dependencies]\n", "pixi"),
        ("a.toml", "[workspace]\nchannels=[]\n[dependencies]\n", "pixi"),
        ("Pipfile", "[packages]\n", "Pipfile"),
        ("Pipfile.lock", '{"_meta": {},\n"default": {}}', "Pipfile.lock"),
        ("poetry.lock", "", "poetry.lock"),
        ("x.lock", "version = 1\nrequires-python = '>=3'\n[[package]]\n", "uv.lock"),
        ("setup.cfg", "[options]\n", "setup.cfg"),
        ("tool.py", "print()\n", "script"),
        ("DESCRIPTION", "Package: a\n", "DESCRIPTION"),
        ("renv.lock", "{}", "renv.lock"),
    ],
)
def test_kinds_of_files_are_told_by_name_and_lines(name: str, content: str, kind: str):
    assert kind_of_file(content, name) == kind


def test_a_list_with_lines_of_both_kinds_is_refused_with_both():
    with pytest.raises(DataError, match=r"only pip reads \(3\) and one that only conda reads \(2\)"):
        kind_of_file("numpy\npandas=2.1\n-r more.txt\n", "requirements.txt")


PYPROJECT = """
    [project]
    name = "Demo.Project"
    requires-python = ">=3.9"
    dependencies = [
      "numpy>=1.2",
      "tomli; python_version<'3.11'",
    ]
    [project.optional-dependencies]
    plot = ["matplotlib", "demo-project[gpu]"]
    gpu = ["cupy"]
    [dependency-groups]
    dev = ["pytest", {include-group = "Lint_it"}]
    lint-it = ["ruff"]
    round = [{include-group = "round"}]
    [tool.uv.sources]
    cupy = {git = "https://h/cupy", tag = "v1", subdirectory = "py"}
"""


def test_pyproject_gives_dependencies_extras_groups_and_sources_with_lines():
    read_plain = read("pyproject.toml", PYPROJECT)
    assert lines(read_plain) == ["5: numpy>=1.2", "6: tomli; python_version<'3.11'"]
    assert [item.text for item in read_plain.requires_python] == [">=3.9"]
    more = read("pyproject.toml", PYPROJECT, ("plot",), ("dev",))
    assert [item.text for item in more.python[2:]] == [
        "matplotlib",
        "pytest",
        "ruff",
        "cupy @ git+https://h/cupy@v1#subdirectory=py",
    ]
    with pytest.raises(DataError, match="`round` includes itself"):
        read("pyproject.toml", PYPROJECT, (), ("round",))


POETRY = """
        [tool.poetry.dependencies]
        python = "^3.8 || 4.*"
        a = "^1.2"
        b = {version = "~2.1", extras = ["x"], python = "<3.9", optional = true}
        c = [{version = "1.0", python = "<3.9"}, {version = ">=2 <3", markers = "os_name == 'nt'"}]
        d = {git = "git@github.com:o/d.git", branch = "main"}
        e = {path = "../e", develop = true}
        [tool.poetry.extras]
        all = ["b"]
        [tool.poetry.group.test.dependencies]
        t = "*"
    """


def test_poetrys_tables_become_requirements_of_pypi():
    assert [item.text for item in read("pyproject.toml", POETRY).python] == [
        "a>=1.2,<2",
        'c==1.0 ; python_version < "3.9"',
        "c>=2,<3 ; os_name == 'nt'",
        "d @ git+ssh://git@github.com/o/d.git@main",
        "-e ../e",
    ]
    more = read("pyproject.toml", POETRY, ("all",), ("test",))
    assert 'b[x]>=2.1,<2.2 ; python_version < "3.9"' in [item.text for item in more.python]
    assert more.python[-1].text == "t"
    assert [item.text for item in more.requires_python] == [">=3.8,<4 || ==4.*"]
    with pytest.raises(DataError, match=r"pyproject.toml:2: .* alternatives"):
        read("pyproject.toml", '[tool.poetry.dependencies]\na = "1 || 2"\n')


def test_scripts_tell_what_they_need_in_their_block():
    script = """
        #!/usr/bin/env python
        # /// script
        # requires-python = ">=3.11"
        # dependencies = [
        #   "rich",
        # ]
        # ///
        import rich
    """
    file = read("run.py", script)
    assert lines(file) == ["5: rich"]
    assert [str(item.source) for item in file.requires_python] == ["run.py:3"]
    with pytest.raises(DataError, match="no block"):
        read("run.py", "import rich\n")


def test_setup_cfg_gives_requirements_and_extras():
    text = """
        [options]
        python_requires = >=3.8
        install_requires =
          a>=1
          # c
          b
        [options.extras_require]
        x = c
    """
    file = read("setup.cfg", text, ("x",))
    assert lines(file) == ["4: a>=1", "6: b", "8: c"]
    for written, texts in {"a; b>=1": ["a", "b>=1"], "a; os_name == 'nt'": ["a; os_name == 'nt'"]}.items():
        listed = read("setup.cfg", f"[options]\ninstall_requires = {written}\n")
        assert [item.text for item in listed.python] == texts


PIPFILE = """
        [[source]]
        url = "https://pypi.org/simple"
        [[source]]
        url = "https://me:pw@host/simple"
        [packages]
        a = "*"
        b = {version = ">=2", extras = ["x"], sys_platform = "== 'win32'"}
        [dev-packages]
        t = "==1"
        [requires]
        python_version = "3.11"
    """


def test_pipfiles_give_packages_sources_and_python():
    file = read("Pipfile", PIPFILE, (), ("dev",))
    assert [item.text for item in file.python] == ["a", "b[x]>=2 ; sys_platform == 'win32'", "t==1"]
    assert [item.text for item in file.subsections["pip"]] == ["--extra-index-url https://me:pw@host/simple"]
    assert [item.text for item in file.requires_python] == ["==3.11.*"]
    locked = {"version": "==1", "hashes": [SUM], "markers": "os_name == 'x'"}
    lock = json.dumps({"_meta": {"requires": {}}, "default": {"a": locked}, "develop": {}}, indent=1)
    assert [item.text for item in read("Pipfile.lock", lock).python] == [
        f"a==1 ; os_name == 'x' --hash={SUM}"
    ]


UV = f"""
    version = 1
    requires-python = ">=3.9"
    [[package]]
    name = "demo"
    version = "1"
    source = {{ editable = "." }}
    dependencies = [{{ name = "a", extra = ["x"] }}, {{ name = "w", marker = "sys_platform == 'win32'" }}]
    [package.dev-dependencies]
    dev = [{{ name = "t" }}]
    [[package]]
    name = "a"
    version = "1.0"
    source = {{ registry = "https://pypi.org/simple" }}
    wheels = [
      {{ url = "https://h/a-1.0-cp39-cp39-win_amd64.whl", hash = "sha256:{"b" * 64}" }},
      {{ url = "https://h/a-1.0-py3-none-any.whl", hash = "{SUM}" }},
    ]
    [package.optional-dependencies]
    x = [{{ name = "s", marker = "python_version < '3.10'" }}, {{ name = "w" }}]
    [[package]]
    name = "s"
    version = "2"
    source = {{ registry = "https://pypi.org/simple" }}
    sdist = {{ url = "https://h/s-2.tar.gz", hash = "{SUM}" }}
    [[package]]
    name = "t"
    version = "3"
    source = {{ git = "https://h/t?rev=main#abc" }}
    [[package]]
    name = "unused"
    version = "3"
    source = {{ registry = "https://pypi.org/simple" }}
    [[package]]
    name = "w"
    version = "4"
    source = {{ registry = "https://pypi.org/simple" }}
    sdist = {{ url = "https://h/w-4.tar.gz", hash = "{SUM}" }}
"""


def test_uv_lock_gives_what_the_project_reaches_with_its_markers_and_hashes_for_the_platform():
    assert lines(read("uv.lock", UV)) == [
        f"10: a==1.0 --hash={SUM}",
        f"20: s==2 ; (python_version < '3.10') --hash={SUM}",
        f"33: w==4 --hash={SUM}",
    ]
    more = read("uv.lock", UV, (), ("dev",))
    assert "t @ git+https://h/t@abc" in [item.text for item in more.python]
    assert "hashes of its packages are not enforced, since t has none" in more.warnings[0]


UV_FORKED = f"""
    version = 1
    [[package]]
    name = "demo"
    source = {{ virtual = "." }}
    dependencies = [
      {{ name = "side" }},
      {{ name = "t", source = {{ registry = "https://h/cpu" }}, marker = "extra == 'extra-4-demo-cpu'" }},
      {{ name = "t", source = {{ registry = "https://pypi.org/simple" }}, marker = "extra != 'extra-4-demo-cpu'" }},
    ]
    [package.optional-dependencies]
    cpu = [{{ name = "t", version = "1", source = {{ registry = "https://h/cpu" }} }}]
    [[package]]
    name = "side"
    source = {{ editable = "side" }}
    [[package]]
    name = "t"
    version = "1"
    source = {{ registry = "https://h/cpu" }}
    wheels = [{{ url = "https://h/t-1-py3-none-any.whl", hash = "sha256:{"c" * 64}" }}]
    [[package]]
    name = "t"
    version = "1"
    source = {{ registry = "https://pypi.org/simple" }}
    wheels = [{{ url = "https://h/t-1-py3-none-any.whl", hash = "{SUM}" }}]
"""


def test_uv_lock_forks_by_extras_names_its_indexes_and_brings_other_projects_of_its_folder():
    plain = read("uv.lock", UV_FORKED)
    assert lines(plain) == ["12: -e ./side", "20: t==1"]
    assert (plain.subsections, plain.warnings) == (
        {},
        ("uv.lock: the hashes of its packages are not enforced, since ./side has none.",),
    )
    cpu = read("uv.lock", UV_FORKED.replace('{ name = "side" },', ""), ("cpu",))
    assert lines(cpu) == [f"15: t==1 --hash=sha256:{'c' * 64}"]
    assert [item.text for item in cpu.subsections["pip"]] == ["--index-url https://h/cpu"]


def test_uv_lock_of_a_workspace_without_a_project_has_what_all_members_need():
    lock = """
        [manifest]
        members = ["a", "b"]
        [manifest.dependency-groups]
        dev = [{ name = "z" }]
        [[package]]
        name = "a"
        source = { virtual = "a" }
        dependencies = [{ name = "x" }]
        [[package]]
        name = "b"
        source = { editable = "b" }
        dependencies = [{ name = "y" }]
        """ + "".join(
        f"""
        [[package]]
        name = "{name}"
        version = "1"
        source = {{ registry = "https://pypi.org/simple" }}
        """
        for name in "xyz"
    )
    assert [item.text for item in read("uv.lock", lock).python] == ["x==1", "y==1"]
    assert [item.text for item in read("uv.lock", lock, (), ("dev",)).python] == ["x==1", "y==1", "z==1"]
    script = lock.replace('members = ["a", "b"]', 'requirements = [{ name = "y" }]').replace("editable", "x")
    assert [item.text for item in read("uv.lock", script.replace("virtual", "x")).python] == ["y==1"]


def test_indexes_of_projects_and_locks_become_options_and_explicit_ones_where_they_are_named():
    uv = """
        [project]
        dependencies = ["a"]
        [tool.uv]
        dev-dependencies = ["t"]
        [tool.uv.sources]
        a = {index = "one"}
        gone = {index = "two"}
        [[tool.uv.index]]
        name = "one"
        url = "https://h/one"
        explicit = true
        [[tool.uv.index]]
        name = "two"
        url = "https://h/two"
        explicit = true
        [[tool.uv.index]]
        url = "https://h/main"
        default = true
        """
    file = read("pyproject.toml", uv, (), ("dev",))
    assert [item.text for item in file.python] == ["a", "t"]
    assert [str(item) for item in options(file)] == [
        "--extra-index-url https://h/one",
        "--index-url https://h/main",
    ]
    assert file.warnings == ("pyproject.toml:6: `a` is looked for in all indexes, not only in `one`.",)
    poetry = """
        [tool.poetry.dependencies]
        a = {version = "1", source = "one"}
        [tool.poetry.group.dev]
        include-groups = ["test"]
        [tool.poetry.group.test.dependencies]
        t = "*"
        [[tool.poetry.source]]
        name = "one"
        url = "https://h/one"
        priority = "explicit"
        [[tool.poetry.source]]
        name = "main"
        url = "https://h/main"
        [[tool.poetry.source]]
        name = "more"
        url = "https://h/more"
        priority = "supplemental"
        """
    file = read("pyproject.toml", poetry, (), ("dev",))
    assert [item.text for item in file.python] == ["a==1", "t"]
    assert options(file) == [
        "--extra-index-url https://h/one", "--index-url https://h/main", "--extra-index-url https://h/more",
    ]  # fmt: skip
    legacy = '[package.source]\ntype = "legacy"\nurl = "https://h/main"\nreference = "main"\n[metadata]'
    assert options(
        read("poetry.lock", dedent(NEW_POETRY_LOCK).replace("[metadata]", legacy), (), ("dev",))
    ) == ["--extra-index-url https://h/main"]
    pixi = '[pypi-dependencies]\na = {version = "*", index = "https://h/one"}\n'
    assert options(read("pixi.toml", pixi)) == ["--extra-index-url https://h/one"]


def options(file: Any) -> list[str]:
    return [item.text for item in file.subsections.get("pip", ()) if item.text.startswith("--")]


NEW_POETRY_LOCK = f"""
        [[package]]
        name = "a"
        version = "1"
        optional = false
        groups = ["main", "dev"]
        markers = {{main = "python_version < '3.9'", dev = "os_name == 'nt'"}}
        files = [{{file = "a-1.tar.gz", hash = "{SUM}"}}]
        [[package]]
        name = "t"
        version = "2"
        optional = false
        groups = ["dev"]
        files = [{{file = "t-2-py3-none-any.whl", hash = "{SUM}"}}]
        [metadata]
        lock-version = "2.1"
        python-versions = "^3.8"
        content-hash = "0"
    """


OLD_POETRY_LOCK = f"""
        [[package]]
        name = "a"
        version = "1"
        [package.dependencies]
        w = {{version = "*", markers = "sys_platform == 'win32'"}}
        [[package]]
        name = "w"
        version = "2"
        [metadata]
        content-hash = "0"
        [metadata.files]
        a = [{{file = "a-1.tar.gz", hash = "{SUM}"}}]
        w = [{{file = "w-1.tar.gz", hash = "{SUM}"}}]
    """


def test_poetry_lock_gives_groups_and_markers_of_every_generation():
    assert [item.text for item in read("poetry.lock", NEW_POETRY_LOCK).python] == [
        f"a==1 ; python_version < '3.9' --hash={SUM}"
    ]
    assert len(read("poetry.lock", NEW_POETRY_LOCK, (), ("dev",)).python) == 2
    file = read("poetry.lock", OLD_POETRY_LOCK)
    assert [item.text for item in file.python] == [
        f"a==1 --hash={SUM}",
        f"w==2 ; (sys_platform == 'win32') --hash={SUM}",
    ]
    assert "before 2.0" in file.warnings[0]


PIXI = """
        [workspace]
        name = "demo"
        channels = ["conda-forge", {channel = "nvidia", priority = 1}]
        platforms = ["linux-64"]
        [dependencies]
        python = "3.11.*"
        blas = {version = ">=1", build = "*mkl*"}
        [target.win.dependencies]
        pywin32 = "*"
        [target.linux-64.dependencies]
        gdb = "*"
        [pypi-dependencies]
        requests = {version = ">=2", extras = ["socks"]}
        [feature.test.dependencies]
        pytest = "*"
        [activation.env]
        A = "1"
    """


def test_pixi_manifests_give_conda_specs_pypi_lines_targets_and_features():
    file = read("pixi.toml", PIXI, (), ("test",))
    assert [str(each.spec) for each in file.requirements] == [
        "python=3.11", "blas[version='>=1',build=*mkl*]", "gdb", "pytest",
    ]  # fmt: skip
    assert file.channels == ("nvidia", "conda-forge")
    assert [item.text for item in file.subsections["pip"]] == ["requests[socks]>=2"]
    assert (file.name, file.variables, file.platforms) == ("demo", {"A": "1"}, ("linux-64",))


def test_pixis_environments_bring_their_features_channels_constraints_and_options():
    manifest = """
        [workspace]
        channels = ["conda-forge"]
        platforms = ["win-64", {platform = "linux-64", cuda = "12"}, {name = "linux-64", glibc = "2.17"}]
        [workspace.dependencies]
        numpy = "1.*"
        [dependencies]
        numpy = {workspace = true, build = "py*"}
        [build-dependencies]
        cmake = ">=3"
        [constraints]
        openssl = ">=3"
        [pypi-options]
        no-build = true
        no-binary = ["x"]
        index-strategy = "first-index"
        [feature.gpu]
        channels = ["nvidia", {channel = "last", priority = -1}]
        dependencies = {cuda = {version = "*", when = "python >=3.9"}}
        [feature.lint.dependencies]
        ruff = "*"
        [environments]
        big = ["gpu"]
        lint = {features = ["lint"], no-default-feature = true}
        own = {features = ["gpu"], dependencies = {git = "*"}}
        """
    plain = read("pixi.toml", manifest)
    assert [str(each.spec) for each in plain.requirements] == ["numpy=1[build=py*]", "cmake[version='>=3']"]
    assert ([str(each.spec) for each in plain.pins], plain.channels) == (
        ["openssl[version='>=3']"],
        ("conda-forge",),
    )
    assert plain.platforms == ("win-64", "linux-64")
    assert options(plain) == ["--only-binary :all:", "--no-binary x"]
    assert plain.warnings == ("pixi.toml:15: `index-strategy` of `pypi-options` is left out.",)
    inside = "[tool.pixi.pypi-options]\nno-build-isolation = true\n"
    assert read("pyproject.toml", inside).warnings == (
        "pyproject.toml:2: `no-build-isolation` of `pypi-options` is left out.",
    )
    big = read("pixi.toml", manifest, (), ("big",))
    assert [str(each.spec) for each in big.requirements][2:] == ["cuda[when='python>=3.9']"]
    assert big.channels == ("nvidia", "conda-forge", "last")
    assert [str(each.spec) for each in read("pixi.toml", manifest, (), ("lint",)).requirements] == ["ruff"]
    assert str(read("pixi.toml", manifest, (), ("own",)).requirements[-1].spec) == "git"
    with pytest.raises(
        DataError, match=r"pixi.toml:22: the environment `big` must name features that are there"
    ):
        read("pixi.toml", manifest.replace('big = ["gpu"]', 'big = ["cpu"]'), (), ("big",))


def test_r_packages_are_conda_packages_with_other_names():
    description = """
        Package: mine
        Version: 1.0
        Depends: R (>= 4.1), methods
        Imports:
            dplyr (>= 1.0-2),
            data.table
        Suggests: testthat
        Remotes: o/r
    """
    file = read("DESCRIPTION", description, (), ("suggests",))
    assert specs(file) == ["3: r-base >=4.1", "5: r-dplyr >=1.0_2", "6: r-data.table", "7: r-testthat"]
    assert "`Remotes`" in file.warnings[0]
    lock = {
        "R": {"Version": "4.3.1"},
        "Packages": {
            "Rcpp": {"Package": "Rcpp", "Version": "1.0-9", "Source": "Repository"},
            "limma": {"Version": "3.5", "Source": "Bioconductor"},
            "mine": {"Version": "1", "Source": "GitHub"},
            "stats": {"Version": "4.3.1", "Source": "Repository"},
        },
    }
    file = read("renv.lock", json.dumps(lock, indent=2))
    assert specs(file) == ["3: r-base ==4.3.1", "6: r-rcpp ==1.0_9", "11: bioconductor-limma ==3.5"]
    assert [each.written for each in file.mapped] == ["R 4.3.1", "Rcpp 1.0-9", "limma 3.5"]
    assert "renv.lock:15: `mine` comes from GitHub" in file.warnings[0]


PIPFILE_LOCK = {
    "_meta": {"sources": [{"url": "x"}], "requires": {"python_version": "3.9"}},
    "default": {"a": {"version": "==1", "hashes": [SUM], "extras": ["e"]}, "b": {"git": "x", "ref": "y"}},
}
RENV_LOCK = {"R": {"Version": "4"}, "Packages": {"a": {"Version": "1", "Source": "Repository"}}, "Python": {}}
JUNK = [
    "",
    0,
    -1,
    True,
    [],
    {},
    "x",
    "^",
    "1 || 2",
    ["a"],
    [[1]],
    {"a": 1},
    {"version": [1]},
    "a[b",
    "a @ ",
    "; x",
]
MUTATIONS = int(os.environ.get("ENVMGR_TEST_MUTATIONS", "400"))


def toml(value: Any) -> str:
    """*value* as TOML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, each in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield (*path, key)
        yield from places(each, (*path, key))


def test_files_with_values_of_wrong_kinds_are_read_or_refused_with_one_sentence():
    """Values of good files, exchanged for others; ENVMGR_TEST_MUTATIONS says how often."""
    tables = {
        "pyproject.toml": [read_toml(dedent(text), file="x").table for text in (PYPROJECT, POETRY)],
        "uv.lock": [read_toml(dedent(UV), file="x").table],
        "poetry.lock": [
            read_toml(dedent(text), file="x").table for text in (NEW_POETRY_LOCK, OLD_POETRY_LOCK)
        ],
        "pixi.toml": [read_toml(dedent(PIXI), file="x").table],
        "Pipfile": [read_toml(dedent(PIPFILE), file="x").table],
        "Pipfile.lock": [PIPFILE_LOCK],
        "renv.lock": [RENV_LOCK],
    }
    chance = random.Random(MUTATIONS)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(MUTATIONS):
        name = chance.choice([*tables])
        table = deepcopy(chance.choice(tables[name]))
        *above, last = chance.choice([*places(table)])
        inner: Any = table
        for key in above:
            inner = inner[key]
        inner[last] = deepcopy(chance.choice(JUNK))
        is_json = name in ("Pipfile.lock", "renv.lock")
        text = (
            json.dumps(table, indent=1)
            if is_json
            else "".join(f"{json.dumps(key)} = {toml(each)}\n" for key, each in table.items())
        )
        kind = kind_of_file("", name) if not is_json else name
        try:
            read_environment_file(
                kind, text.encode(), name, "linux-64", Selection(("plot", "all"), ("dev", "test"))
            )
            outcomes["read"] += 1
        except DataError as error:
            assert str(error).startswith(name)
            assert "\n" not in str(error)
            outcomes["refused"] += 1
    assert min(outcomes.values()) > MUTATIONS / 10, outcomes


DEEP = 100_000
MANY = "[dependencies]\n" + "".join(f"p{each} = '*'\n" for each in range(40_000))
INDEXES = "[pypi-dependencies]\n" + "".join(f"p{n} = {{index = 'https://h/{n}'}}\n" for n in range(200))
UV_TANGLE = (
    "[[package]]\nname = 'p'\nsource = { virtual = '.' }\ndependencies = [{ name = 'a' }]\n"
    + "".join(
        f"[[package]]\nname = 'a'\nversion = '{number}'\ndependencies = [{{ name = 'a' }}]\n"
        for number in range(3000)
    )
)
HOSTILE = {
    "a merge conflict in TOML": ("pyproject.toml", b"[project]\n<<<<<<< HEAD\n", "merge conflict"),
    "a merge conflict in a list": ("requirements.txt", b"a\n<<<<<<< HEAD\nb\n", "merge conflict"),
    "a merge conflict in JSON": ("Pipfile.lock", b'{"_meta": {},\n<<<<<<< HEAD\n"default": {}}', "merge conflict"),
    "a key twice in TOML": ("pixi.toml", b"[dependencies]\na = '1'\na = '2'\n", "pixi.toml:3: this is no TOML"),
    "a key twice in JSON": ("Pipfile.lock", b'{"default": {},\n"default": {}}', ":2: the key `default`"),
    "deep lists in TOML": ("pyproject.toml", b"a = " + b"[" * DEEP, "nested too deeply|no TOML"),
    "deep tables in TOML": ("pixi.toml", b"[" + b"a." * DEEP + b"a]\n", "more parts"),
    "deep JSON": ("renv.lock", b'{"R": ' + b'{"a":' * DEEP, "nested too deeply"),
    "a bomb of anchors": ("renv.lock", b'{"R": &a [1], "Packages": [' + b"*a," * 9000 + b"]}", "this is no JSON"),
    "a byte order mark": ("pyproject.toml", b"\xef\xbb\xbf[project]\ndependencies = ['a']\n", None),
    "Windows' line ends": ("pyproject.toml", b"[project]\r\ndependencies = ['a']\r\n", None),
    "old line ends": ("pyproject.toml", b"[project]\rdependencies = ['a']\r", None),
    "Latin-1": ("pyproject.toml", b"[project]\nname = 'caf\xe9'\n", ":2: the byte 0xe9 is not UTF-8"),
    "Latin-1 in a list": ("requirements.txt", b"a\n# caf\xe9\n", ":2: the byte 0xe9 is not UTF-8"),
    "50 MB of requirements": ("requirements.txt", b"a==1\n" * 10_000_000, "larger than 20 MB"),
    "50 MB of TOML": ("uv.lock", b"#" * 50_000_000, "larger than 10 MB"),
    "a huge number": ("pyproject.toml", b"a = " + b"9" * 10_000, "no TOML|^$"),
    "nothing at all": ("pyproject.toml", b"", None),
    "NUL bytes": ("Pipfile", b"[packages]\na = '\x00'\n", r"U\+0000"),
    "a list for a table": ("pyproject.toml", b"project = []\n", "`project` must be a table"),
    "a number for a version": ("Pipfile", b"[packages]\na = 1\n", ":2: the dependency `a` must be a text"),
    "a text for a list": ("pyproject.toml", b"[project]\ndependencies = 'a'\n", ":2: `dependencies` must be"),
    "a package without name": ("uv.lock", b"[[package]]\nversion = '1'\n", ":1: object missing required field"),
    "many packages": ("pixi.toml", MANY.encode(), None),
    "many indexes": (
        "pixi.toml",
        INDEXES.encode(),
        "names 200 indexes",
    ),
    "packages that all need each other": ("uv.lock", UV_TANGLE.encode(), "more dependencies than those of any"),
    "one long line": ("pack.txt", b"a" * 1_900_000, "longer than any"),
    "a list of @ and spaces": ("pack.txt", (b"a " * 900 + b"\n") * 1000, None),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.timeout(20)
def test_hostile_files_are_read_or_refused_with_one_sentence(case: str):
    name, content, words = HOSTILE[case]
    kind = kind_of_file(content[:2_000_000].decode("utf-8", "replace"), name)
    try:
        if kind == "specs":
            from envmgr.envfile.explicit import parse_specs_file

            parse_specs_file(content, file=name)
        else:
            read_environment_file(kind, content, name, "linux-64", Selection())
    except DataError as error:
        assert "\n" not in str(error)
        assert str(error).startswith(name)
        assert words is None or re.search(words, str(error)), str(error)
    else:
        assert words is None or words.endswith("^$")
