"""conda and PyPI in one plan, from the commands: an index and a channel of our own, and real uv."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import make_channel, pkg, script
from tests.pypi.local_index import LocalIndex, Served, metadata, project_files, serve_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.builders import Pkg
    from tests.command import Envmgr, Outcome

pytest.importorskip("uv", reason="uv resolves what these tests ask for")

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/python{VERSION}/site-packages"
START = script(f'exec "{os.path.realpath(sys.executable)}" "$@"')


def conda_distribution(name: str, version: str, provides: str | None = None, **more: Any) -> Pkg:
    """A conda package with a Python distribution, as conda-forge makes them."""
    info = f"site-packages/{provides or name}-{version}.dist-info"
    files = {
        f"site-packages/{name}/__init__.py": "",
        f"{info}/METADATA": metadata(provides or name, version, (), (), None),
    }
    depends = ["python", *more.pop("depends", ())]
    return pkg(name, version, noarch="python", depends=depends, files=files, **more)


@pytest.fixture
def channel(tmp_path: Path) -> str:
    packages = [
        pkg("python", f"{VERSION}.0", files={f"bin/python{VERSION}": START, "bin/python": START}),
        conda_distribution("lib", "1.0"),
        conda_distribution("lib", "2.0"),
        conda_distribution("needs-two", "1.0", depends=["lib >=2"]),
        conda_distribution("odd", "1.0", provides="hidden"),
        pkg("tool", "1", files={"share/tool": "x"}),
    ]
    return make_channel(tmp_path / "channel", packages).as_uri()


@pytest.fixture
def index(tmp_path: Path) -> LocalIndex:
    made = LocalIndex(tmp_path / "index")
    made.wheel("app", "1.0", ["part", "lib"])
    made.wheel("part", "1.0")
    made.wheel("old-app", "1.0", ["lib<2"])
    made.wheel("lib", "3.0")
    made.wheel("other", "1.0")
    made.wheel("hidden", "1.0")
    return made


@pytest.fixture
def served(index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The only index that is asked: neither the machine's configuration nor PyPI itself is."""
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    with serve_index(index) as found:
        monkeypatch.setenv("UV_DEFAULT_INDEX", found.url)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("ENVMGR_ADD_PIP_AS_PYTHON_DEPENDENCY", "false")
        yield found


@pytest.fixture
def create(envmgr: Envmgr, channel: str, served: Served, tmp_path: Path) -> Any:
    """Makes the environment ``env`` of specs and of lines for PyPI; gives what the command said."""

    def made(*specs: str, pypi: tuple[str, ...] = (), name: str = "env", **options: bool) -> Outcome:
        lines = [word for line in pypi for word in ("--pypi", line)]
        words = [f"--{each.replace('_', '-')}" for each in options]
        where = ["-p", tmp_path / name, "-c", channel, "--override-channels"]
        return envmgr("create", "-y", *where, *specs, *lines, *words)

    return made


def installed(envmgr: Envmgr, prefix: Path) -> dict[str, str]:
    """``name`` to ``version channel`` of what is in the environment, but for python."""
    found = envmgr("list", "-p", prefix, "--json").json
    return {
        each["name"]: f"{each['version']} {'pypi' if each['channel'] == 'pypi' else 'conda'}"
        for each in found
        if each["name"] != "python"
    }


def test_one_plan_and_one_generation_hold_both_kinds(envmgr: Envmgr, create: Any, tmp_path: Path) -> None:
    done = create("python", "lib", pypi=("app",))
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "env") == {"app": "1.0 pypi", "lib": "2.0 conda", "part": "1.0 pypi"}
    (step,) = envmgr("history", "-p", tmp_path / "env", "--json").json
    assert {each["name"] for each in step["link"]} == {"python", "lib", "app", "part"}
    assert [each["spec"] for each in step["pypi"]] == ["app"]


def test_why_and_tree_tell_what_came_from_pypi(envmgr: Envmgr, create: Any, tmp_path: Path) -> None:
    assert create("python", "lib", pypi=("app >=1 ; python_version > '3'",)).code == 0
    told = envmgr("why", "-p", tmp_path / "env", "part")
    assert told.err == "" and told.out.startswith(
        "part 1.0 (from PyPI)\n\nIt is there because of 1 of 3 requests:\n"
        "  app >=1 ; python_version > '3' (the environment)\n    app 1.0 needs part\n"
    )
    assert "envmgr update --dry-run part" in told.out
    assert "    app 1.0 needs lib\n" in envmgr("why", "-p", tmp_path / "env", "lib").out
    assert f"python {VERSION}.0\n" in envmgr("tree", "-p", tmp_path / "env", "part").out
    shown = envmgr("tree", "-p", tmp_path / "env").out
    assert shown.endswith(
        f"app 1.0 (pypi) (asked for: app >=1 ; python_version > '3')\n├── lib 2.0 (*)\n├── part 1.0 (pypi)\n"
        f"│   └── python {VERSION}.0\n└── python {VERSION}.0\n(*) is opened above\n"
    )
    up = envmgr("tree", "-p", tmp_path / "env", "-i", "part", "--json").json
    needs = {each["name"]: {need["name"] for need in each["needs"]} for each in up["packages"]}
    assert needs == {"part": {"python"}, "app": {"lib", "part", "python"}}


def test_why_and_tree_ask_pypi_for_a_plan(
    envmgr: Envmgr, channel: str, served: Served, tmp_path: Path
) -> None:
    file = tmp_path / "environment.yml"
    file.write_text(f"channels: [{channel}]\ndependencies: [python, lib, {{pip: [old-app]}}]\n")
    told = envmgr("why", "-f", file, "--override-channels", "lib").out
    assert told.startswith("lib 1.0 ") and "old-app 1.0 needs lib <2" in told
    assert "that depends on what else PyPI has" in told
    shown = envmgr("tree", "-f", file, "--override-channels", "--depth", "1").out
    assert "old-app 1.0 (pypi) (asked for: old-app)\n├── lib 1.0" in shown


def test_a_plan_says_who_needs_each_distribution(
    create: Any, index: LocalIndex, envmgr: Envmgr, tmp_path: Path
) -> None:
    index.wheel("top", "1.0", ["app", "built"])
    index.wheel("low", "1.0")
    index.sdist("built", "1.0", ["low"])
    assert create("python", "lib").code == 0
    done = envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "top", "--json")
    assert done.code == 0, done.out
    expected = {"app": "needed by top", "part": "needed by app", "top": "asked for", "low": "needed by built"}
    assert {name: done.json["reasons"][f"pypi:{name}"] for name in expected} == expected
    gone = envmgr("remove", "-y", "-p", tmp_path / "env", "top", "--dry-run", "--json").json["reasons"]
    assert (gone["pypi:top"], gone["pypi:part"]) == ("asked for", "was needed by app")


def test_a_dry_run_tells_both_kinds_and_fetches_no_wheel(create: Any, served: Served, tmp_path: Path) -> None:
    done = create("python", pypi=("app",), dry_run=True, json=True)
    assert done.code == 0, done.out
    link = {each["name"]: each["channel"] for each in done.json["actions"]["LINK"]}
    assert (link["app"], link["part"], link["lib"]) == ("pypi", "pypi", "pypi")
    assert done.json["pypi"]["tool"].startswith("uv ")
    assert not (tmp_path / "env").exists()
    assert not list(Path(os.environ["ENVMGR_ROOT"]).rglob("*.whl"))


def test_conda_gives_way_where_pypi_cannot(envmgr: Envmgr, create: Any, tmp_path: Path) -> None:
    done = create("python", "lib", pypi=("old-app",))
    assert done.code == 0, done.err
    assert "lib 1.0 instead of 2.0, for the PyPI items" in done.err
    assert installed(envmgr, tmp_path / "env") == {"lib": "1.0 conda", "old-app": "1.0 pypi"}


def test_an_installed_conda_package_moves_where_an_item_needs_it(
    envmgr: Envmgr, create: Any, tmp_path: Path
) -> None:
    assert create("python", "lib").code == 0
    done = envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "old-app")
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "env") == {"lib": "1.0 conda", "old-app": "1.0 pypi"}
    assert envmgr("update", "-y", "-p", tmp_path / "env", "--all").code == 0
    assert installed(envmgr, tmp_path / "env") == {"lib": "1.0 conda", "old-app": "1.0 pypi"}


def test_what_no_plan_can_hold_is_explained_with_both_halves(create: Any, tmp_path: Path) -> None:
    done = create("python", "needs-two", pypi=("old-app",), json=True)
    assert (done.code, (tmp_path / "env").exists()) == (1, False)
    told = "\n".join(done.json["explanation"])
    assert "PyPI: Because conda provides lib 2.0 and" in told and "conda: " in told and "needs-two" in told
    assert done.json["exception_name"] == "SolveError"


def test_what_no_conda_package_can_help_is_explained_by_pypi_alone(create: Any) -> None:
    done = create("python", "lib", pypi=("app>=2",))
    assert (done.code, "conda" in done.err) == (1, False), done.err
    assert "the PyPI items cannot be fulfilled" in done.err and "app>=2" in done.err


def test_a_refusal_names_what_no_version_of_conda_s_packages_can_mend(create: Any) -> None:
    done = create("python", "lib", pypi=("old-app", "app>=2"))
    assert done.code == 1
    assert "app>=2" in done.err and "old-app" not in done.err, done.err


def test_a_refusal_tells_which_versions_the_channels_have(create: Any) -> None:
    done = create("python", "lib", pypi=("lib<1",))
    assert done.code == 1
    assert "conda: lib is 1.0 to 2.0 in the channels." in done.err
    assert "!=" not in done.err, "Another Python was tried, which is nobody's wish."


def test_asking_again_for_what_is_there_asks_no_index(
    envmgr: Envmgr, create: Any, served: Served, tmp_path: Path
) -> None:
    assert create("python", "lib", pypi=("app",)).code == 0
    served.asked.clear()
    again = envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "app", "lib")
    assert (again.code, "Nothing to do" in again.err) == (0, True), again.err
    assert envmgr("install", "-y", "-p", tmp_path / "env", "tool").code == 0
    assert served.asked == []
    assert installed(envmgr, tmp_path / "env")["app"] == "1.0 pypi"


def test_a_removal_takes_what_nothing_needs_any_more(envmgr: Envmgr, create: Any, tmp_path: Path) -> None:
    assert create("python", "lib", pypi=("app", "other")).code == 0
    done = envmgr("remove", "-y", "-p", tmp_path / "env", "App")
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "env") == {"lib": "2.0 conda", "other": "1.0 pypi"}
    assert envmgr("rollback", "-y", "-p", tmp_path / "env", "--offline").code == 0
    assert installed(envmgr, tmp_path / "env")["part"] == "1.0 pypi"


def test_a_removed_conda_package_takes_the_wheels_that_need_it(
    envmgr: Envmgr, create: Any, tmp_path: Path
) -> None:
    assert create("python", "lib", pypi=("app", "other")).code == 0
    assert envmgr("remove", "-y", "-p", tmp_path / "env", "lib").code == 0
    assert installed(envmgr, tmp_path / "env") == {"other": "1.0 pypi"}
    assert envmgr("remove", "-y", "-p", tmp_path / "env", "python").code == 0
    assert installed(envmgr, tmp_path / "env") == {}


def test_updates_bring_newer_wheels_by_name_and_all(
    envmgr: Envmgr, create: Any, index: LocalIndex, tmp_path: Path
) -> None:
    assert create("python", "lib", pypi=("app", "other")).code == 0
    for name in ("part", "other"):
        index.wheel(name, "2.0")
    env = tmp_path / "env"
    assert envmgr("install", "-y", "-p", env, "tool", "--pypi", "other>=1").code == 0
    assert (installed(envmgr, env)["other"], installed(envmgr, env)["part"]) == ("1.0 pypi", "1.0 pypi")
    assert envmgr("update", "-y", "-p", env, "other").code == 0
    assert (installed(envmgr, env)["other"], installed(envmgr, env)["part"]) == ("2.0 pypi", "1.0 pypi")
    assert envmgr("update", "-y", "-p", env, "--all").code == 0
    assert installed(envmgr, env)["part"] == "2.0 pypi"


def pip_installs(prefix: Path, name: str) -> Path:
    """What pip leaves of a distribution, in the environment at *prefix*."""
    folder = prefix / SITE / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(metadata(name, "1.0", (), (), None))
    (prefix / SITE / f"{name}.py").write_text("")
    (folder / "RECORD").write_text(f"{name}.py,,\n{folder.name}/METADATA,,\n{folder.name}/RECORD,,\n")
    return prefix / SITE / f"{name}.py"


def test_pruning_to_a_file_leaves_exactly_its_solution(
    envmgr: Envmgr, create: Any, channel: str, tmp_path: Path
) -> None:
    assert create("python", "lib", "tool", pypi=("app",)).code == 0
    env, file = tmp_path / "env", tmp_path / "less.yml"
    module = pip_installs(env, "stranger")
    assert "stranger" in installed(envmgr, env)
    file.write_text(
        f"channels: ['{channel}', nodefaults]\ndependencies: [python, {{pip: [other]}}]\n", encoding="utf-8"
    )
    done = envmgr("env", "update", "--prune", "-p", env, "-f", file)
    assert done.code == 0, done.err
    assert installed(envmgr, env) == {"other": "1.0 pypi"}
    assert not module.exists()


def test_what_pip_installed_can_be_removed_and_adopted(envmgr: Envmgr, create: Any, tmp_path: Path) -> None:
    assert create("python").code == 0
    env = tmp_path / "env"
    gone, kept = pip_installs(env, "stranger"), pip_installs(env, "other")
    assert envmgr("remove", "-y", "-p", env, "stranger").code == 0
    assert (gone.exists(), kept.exists()) == (False, True)
    assert envmgr("install", "-y", "-p", env, "--pypi", "other").code == 0
    assert installed(envmgr, env) == {"other": "1.0 pypi"}
    assert "of no package" not in envmgr("verify", "-p", env).err
    assert (env / SITE / "other-1.0.dist-info/INSTALLER").read_text().strip() == "envmgr"


def test_warm_caches_need_no_network(envmgr: Envmgr, create: Any, served: Served, tmp_path: Path) -> None:
    assert create("python", "lib", pypi=("app",)).code == 0
    served.asked.clear()
    done = create("python", "lib", pypi=("app",), name="second", offline=True)
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "second") == installed(envmgr, tmp_path / "env")
    cold = create("python", pypi=("old-app",), name="third", offline=True)
    assert (cold.code, served.asked) == (1, [])


def test_sources_are_built_with_the_planned_python_and_kept(
    envmgr: Envmgr, create: Any, index: LocalIndex, served: Served, tmp_path: Path
) -> None:
    index.sdist("raw", "1.0", ["part"])
    planned = create("python", pypi=("raw",), dry_run=True, json=True)
    assert planned.code == 0, planned.out
    assert [each["name"] for each in planned.json["pypi"]["build"]] == ["raw"]
    assert "part" in {each["name"] for each in planned.json["actions"]["LINK"]}
    done = create("python", pypi=("raw",))
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "env") == {"raw": "1.0 pypi", "part": "1.0 pypi"}
    assert (tmp_path / "env" / SITE / "built.py").exists()
    again = envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "other")
    assert (again.code, "built from" in again.err) == (0, False), again.err
    assert installed(envmgr, tmp_path / "env")["raw"] == "1.0 pypi"


def test_a_change_fetches_from_an_index_that_wants_a_login(
    envmgr: Envmgr, create: Any, index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert create("python").code == 0
    with serve_index(index, login="me:s3cret") as private:
        lines = ("--pypi", f"--index-url {private.with_login}", "--pypi", "other")
        done = envmgr("install", "-y", "-p", tmp_path / "env", *lines)
        assert done.code == 0, done.err
        later = envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "part")
        hint = f"hint: Store a login with envmgr auth login {private.address}; "
        assert (later.code, hint in later.err) == (1, True), later.err
        kept = {private.address: {"BasicHTTP": {"username": "me", "password": "s3cret"}}}
        (tmp_path / "logins.json").write_text(json.dumps(kept))
        monkeypatch.setenv("RATTLER_AUTH_FILE", str(tmp_path / "logins.json"))
        again = envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "part")
        assert again.code == 0, again.err
    assert installed(envmgr, tmp_path / "env") == {"other": "1.0 pypi", "part": "1.0 pypi"}
    assert "s3cret" not in done.out + done.err + later.err + again.out + again.err
    left = [path for path in (tmp_path / "env").rglob("*") if path.is_file()]
    assert not [path for path in left if b"s3cret" in path.read_bytes()]


def test_hashes_hold_for_their_files_in_changes_and_exports(
    envmgr: Envmgr, create: Any, index: LocalIndex, tmp_path: Path
) -> None:
    def hashed(name: str, version: str = "1.0") -> str:
        file = index.folder / "files" / f"{name}-{version}-py3-none-any.whl"
        return f"{name}=={version} --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"

    index.wheel("part", "2.0")
    env = ("-p", tmp_path / "env")
    wrong = f"part==1.0 --hash=sha256:{'0' * 64}"
    assert "no file of part has a sum that" in create("python", "lib", pypi=(hashed("app"), wrong)).err
    assert (
        create("python", "lib", pypi=(hashed("app"), f"{hashed('part')} --hash=sha256:{'0' * 64}")).code == 0
    )
    exact = envmgr("export", *env).out
    assert [line.strip() for line in exact.splitlines() if "--hash" in line] == [
        f"- {hashed('app')}", f"- {hashed('part')} --hash=sha256:{'0' * 64}",
    ]  # fmt: skip
    assert envmgr("update", "-y", "--all", *env).code == 0
    assert envmgr("install", "-y", *env, "--pypi", "other").code == 0
    assert f"- {hashed('other')}\n" in envmgr("export", *env).out
    asked = envmgr("export", *env, "--from-history")
    assert ("--hash" in asked.out, "since other has none, of app==1.0, part==1.0." in asked.err) == (
        False,
        True,
    )
    assert 'app = "==1.0"' in envmgr("export", *env, "--format", "pixi").out
    told = envmgr("install", "-y", *env, "--pypi", wrong)
    assert (told.code, "no file of part has a sum that command line allows" in told.err) == (1, True)
    assert envmgr("install", "-y", *env, "--pypi", hashed("part", "2.0")).code == 0
    held = {"app": "1.0 pypi", "other": "1.0 pypi", "part": "2.0 pypi", "lib": "2.0 conda"}
    assert installed(envmgr, tmp_path / "env") == held


def test_an_index_is_asked_once_for_what_a_wheel_needs(
    create: Any, index: LocalIndex, served: Served
) -> None:
    def asked_in_a_plan() -> dict[str, int]:
        served.asked.clear()
        planned = create("python", "lib", pypi=("app",), dry_run=True)
        assert (planned.code, "needed by app" in planned.err) == (0, True), planned.err
        kinds = [path.rpartition(".")[2] if "/files/" in path else "page" for path in served.asked]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    index.wheel("part", "2.0", ["third"])
    index.wheel("third", "1.0")
    # uv asks once itself, and here each time, as this server says nothing of how long its answers hold.
    assert asked_in_a_plan() == {"metadata": 6, "page": 3}
    assert asked_in_a_plan() == {"metadata": 3, "page": 3}
    for file in (index.folder / "files").glob("*.metadata"):
        file.unlink()
    names = [f"p{number}" for number in range(5)]
    for name in names:
        index.wheel(name, "1.0", names[names.index(name) + 1 :]).with_suffix(".whl.metadata").unlink()
    for page in (index.folder / "simple").rglob("index.html"):
        page.write_text(page.read_text().replace(' data-core-metadata="true"', ""))
    served.asked.clear()
    assert "needed by p0" in create("python", pypi=("p0",), dry_run=True).err
    pages = [path for path in served.asked if "/files/" not in path]
    assert sorted(pages) == [f"/simple/{name}/" for name in names]
    assert len([path for path in served.asked if path.endswith(".metadata")]) == 3


def test_ctrl_c_leaves_no_file_with_a_login_behind(
    create: Any, channel: str, isolated_home: Path, tmp_path: Path
) -> None:
    assert create("python").code == 0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"http://me:s3cret@127.0.0.1:{silent.getsockname()[1]}/simple"
        words = ["install", "-y", "-p", tmp_path / "env", "--pypi", "x"]
        command = [sys.executable, "-m", "envmgr", *map(str, words)]
        environ = {**os.environ, "UV_DEFAULT_INDEX": url}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        child = subprocess.Popen(command, env=environ, start_new_session=True, **streams)  # type: ignore[call-overload]
        try:
            with silent.accept()[0]:
                (file,) = (isolated_home / "root").rglob("uv.toml")
                assert ("s3cret" in file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (True, 0o600)
                os.killpg(child.pid, signal.SIGINT)
                said, _ = child.communicate(timeout=30)
        finally:
            child.kill()
    assert (child.returncode, b"s3cret" in said, file.exists()) == (130, False, False), said
    left = [path for path in isolated_home.rglob("*") if path.is_file()]
    assert not [path for path in left if b"s3cret" in path.read_bytes()]


def test_a_wheel_is_fetched_with_the_query_of_its_url(
    envmgr: Envmgr, create: Any, index: LocalIndex, tmp_path: Path
) -> None:
    with serve_index(index, query="sig=1&x=2") as signed:
        url = f"http://{signed.address}/files/other-1.0-py3-none-any.whl?sig=1&x=2"
        done = create("python", pypi=(url,))
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "env") == {"other": "1.0 pypi"}


def test_a_revision_of_a_repository_of_this_machine_is_kept_for_later_changes(
    envmgr: Envmgr, create: Any, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    for path, text in project_files("mine", "0.1").items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(text)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "x"), ("tag", "v1")):
        subprocess.run(["git", *words], cwd=repository, check=True)
    asked = f"git+{repository.as_uri()}@v1"
    made = create("python", pypi=(f"-e {asked}",))
    assert (made.code, f"{asked} is installed as it is and not editable" in made.err) == (0, True), made.err
    done = envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "other")
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "env") == {"mine": "0.1 pypi", "other": "1.0 pypi"}
    assert f"-e {asked} is a file" in envmgr("export", "-p", tmp_path / "env", "--from-history").err
    assert envmgr("remove", "-y", "-p", tmp_path / "env", "mine").code == 0
    assert envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "part").code == 0
    assert installed(envmgr, tmp_path / "env") == {"other": "1.0 pypi", "part": "1.0 pypi"}


def test_a_local_project_is_linked_editable(envmgr: Envmgr, create: Any, tmp_path: Path) -> None:
    project = tmp_path / "my project"
    for path, text in project_files("mine", "0.1", ["part"]).items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    done = create("python", pypi=(f"-e {project}",))
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "env") == {"mine": "0.1 pypi", "part": "1.0 pypi"}
    info = tmp_path / "env" / SITE / "mine-0.1.dist-info"
    told = json.loads((info / "direct_url.json").read_text())
    assert told == {"url": project.as_uri(), "dir_info": {"editable": True}}
    assert (info / "REQUESTED").exists()
    assert (tmp_path / "env" / SITE / "link.pth").read_text().strip() == str(project)
    again = envmgr("update", "-y", "-p", tmp_path / "env", "mine")
    assert (again.code, "is built anew" in again.err) == (0, True), again.err
    assert envmgr("remove", "-y", "-p", tmp_path / "env", "mine").code == 0
    assert envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "part").code == 0
    assert installed(envmgr, tmp_path / "env") == {"part": "1.0 pypi"}


def test_what_conda_provides_is_not_laid_over(
    create: Any, index: LocalIndex, served: Served, tmp_path: Path
) -> None:
    url = f"http://{served.address}/files/lib-3.0-py3-none-any.whl"
    done = create("python", "lib", pypi=(f"lib @ {url}",))
    assert (done.code, (tmp_path / "env").exists()) == (1, False)
    assert "lib" in done.err and "conda" in done.err


def test_what_only_an_archive_tells_has_the_plan_made_again(
    envmgr: Envmgr, create: Any, tmp_path: Path
) -> None:
    done = create("python", "odd", pypi=("hidden", "other"))
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "env") == {"odd": "1.0 conda", "other": "1.0 pypi"}


def test_a_path_of_both_kinds_is_refused_unless_it_is_allowed(
    envmgr: Envmgr, create: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    packages = [
        pkg("python", f"{VERSION}.0", files={f"bin/python{VERSION}": START, "bin/python": START}),
        pkg("data", "1", files={f"{SITE}/other.py": "conda's"}),
    ]
    clashing = make_channel(tmp_path / "clashing", packages).as_uri()
    asked = ["create", "-y", "-p", tmp_path / "env", "-c", clashing, "--override-channels"]
    done = envmgr(*asked, "python", "data", "--pypi", "other")
    assert (done.code, (tmp_path / "env").exists()) == (1, False)
    assert f"{SITE}/other.py comes with other from PyPI and with the conda package data." in done.err
    monkeypatch.setenv("ENVMGR_PYPI_PATH_CONFLICTS", "allow")
    assert envmgr(*asked, "python", "data", "--pypi", "other").code == 0
    assert (tmp_path / "env" / SITE / "other.py").read_text() != "conda's"


def test_another_python_is_taken_where_an_item_needs_it(
    envmgr: Envmgr, index: LocalIndex, served: Served, tmp_path: Path
) -> None:
    pythons = [
        pkg("python", f"3.{minor}.1", files={f"bin/python3.{minor}": START, "bin/python": START})
        for minor in (10, 11, 12)
    ]
    channel = make_channel(tmp_path / "pythons", pythons).as_uri()
    index.wheel("elder", "1.0", tag="cp310-cp310-manylinux_2_17_x86_64")
    done = envmgr(
        *("create", "-y", "-p", tmp_path / "env", "-c", channel, "--override-channels"),
        *("python", "--pypi", "elder", "--dry-run", "--json", "--platform", "linux-64"),
    )
    assert done.code == 0, done.out
    link = {each["name"]: each["version"] for each in done.json["actions"]["LINK"]}
    assert link == {"python": "3.10.1", "elder": "1.0"}


def test_explicit_archives_and_pypi_items_go_together(
    envmgr: Envmgr, create: Any, channel: str, tmp_path: Path
) -> None:
    assert create("python", "lib").code == 0
    explicit = envmgr("list", "-p", tmp_path / "env", "--explicit").out
    (tmp_path / "exact.txt").write_text(explicit)
    done = envmgr("create", "-y", "-p", tmp_path / "copy", "-f", tmp_path / "exact.txt", "--pypi", "app")
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "copy") == {"app": "1.0 pypi", "lib": "2.0 conda", "part": "1.0 pypi"}


def test_a_login_in_variables_is_asked_for_again_and_never_kept(
    envmgr: Envmgr, create: Any, index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_index(index, login="ann:s3cr3t") as closed:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://{closed.address}/nothing")
        monkeypatch.setenv("INDEX_USER", "ann")
        monkeypatch.setenv("INDEX_PASSWORD", "s3cr3t")
        option = f"--index-url http://${{INDEX_USER}}:${{INDEX_PASSWORD}}@{closed.address}/simple"
        done = create("python", pypi=(option, "other"))
        assert done.code == 0, done.err
        more = envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "part")
        assert more.code == 0, more.err
    assert set(installed(envmgr, tmp_path / "env")) == {"other", "part"}
    told = b"".join(path.read_bytes() for path in (tmp_path / "env").rglob("*") if path.is_file())
    assert b"s3cr3t" not in told and b"${INDEX_PASSWORD}" in told


def test_a_requirement_file_is_read_with_its_lines(envmgr: Envmgr, create: Any, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("# comment\nother ; python_version > '2'\napp\n")
    done = create("python", pypi=(f"-r {tmp_path / 'more.txt'}",))
    assert done.code == 0, done.err
    assert set(installed(envmgr, tmp_path / "env")) == {"app", "part", "lib", "other"}
    (tmp_path / "more.txt").write_text("other ==\n")
    refused = create("python", pypi=(f"-r {tmp_path / 'more.txt'}",), name="second")
    assert (refused.code, f"{tmp_path / 'more.txt'}:1" in refused.err) == (1, True), refused.err


def test_wheels_that_are_not_for_the_planned_python_are_passed_by(
    envmgr: Envmgr, create: Any, index: LocalIndex, served: Served, tmp_path: Path
) -> None:
    index.wheel("bounded", "1.0", python=">=3.8")
    for version in ("1.1", "2.0", "3.0"):
        index.wheel("bounded", version, python=">=3.8,<3.9")
    assert create("python", pypi=("bounded",)).code == 0
    assert installed(envmgr, tmp_path / "env") == {"bounded": "1.0 pypi"}
    # One round for the wheel that was chosen, one for all that its index says of the others.
    assert served.asked.count("/files/bounded-2.0-py3-none-any.whl.metadata") == 0
    refused = create("python", pypi=("bounded>1",), name="other", json=True)
    assert (refused.code, (tmp_path / "other").exists()) == (1, False)
    told = "\n".join([refused.json["error"], *refused.json["explanation"]])
    assert f"bounded 3.0 needs Python >=3.8,<3.9, and the environment's is {VERSION}.0." in told
    assert "bounded!=" not in told


def test_an_older_python_is_taken_where_a_wheel_needs_one(
    envmgr: Envmgr, served: Served, index: LocalIndex, tmp_path: Path
) -> None:
    index.wheel("bounded", "1.0", python=">=3.8,<3.12")
    packages = [pkg("python", version, files={"bin/python": START}) for version in ("3.11.5", "3.12.1")]
    channel = make_channel(tmp_path / "pythons", packages).as_uri()
    words = ["-p", tmp_path / "env", "-c", channel, "--override-channels", "--dry-run", "--json"]
    done = envmgr("create", *words, "python", "--pypi", "bounded")
    assert done.code == 0, done.out
    assert {each["name"]: each["version"] for each in done.json["actions"]["LINK"]} == {
        "python": "3.11.5",
        "bounded": "1.0",
    }


def test_a_wheel_tells_its_python_where_its_index_does_not(
    envmgr: Envmgr, create: Any, index: LocalIndex, tmp_path: Path
) -> None:
    index.wheel("bounded", "1.0")
    silent = index.wheel("bounded", "2.0", python="<3.9")
    silent.with_name(f"{silent.name}.metadata").unlink()
    page = index.folder / "simple" / "bounded" / "index.html"
    page.write_text(page.read_text().replace(' data-core-metadata="true"', ""))
    done = create("python", pypi=("bounded",))
    assert done.code == 0, done.err
    assert installed(envmgr, tmp_path / "env") == {"bounded": "1.0 pypi"}
    assert "PyPI's part was planned anew" in done.err or done.err.count("New environment") == 2


def test_a_plan_says_who_needs_what_where_the_index_tells_nothing(
    envmgr: Envmgr, create: Any, index: LocalIndex, tmp_path: Path
) -> None:
    for path in (index.folder / "files").glob("*.metadata"):
        path.unlink()
    for page in (index.folder / "simple").glob("*/index.html"):
        page.write_text(page.read_text().replace(' data-core-metadata="true"', ""))
    assert create("python").code == 0
    words = ("--pypi", "app", "--dry-run", "--json")
    reasons = envmgr("install", "-y", "-p", tmp_path / "env", *words).json["reasons"]
    assert reasons == {"pypi:app": "asked for", "pypi:lib": "needed by app", "pypi:part": "needed by app"}
