"""The Python API: the documented session, lean imports, errors, threads, and a process that stays as it was."""

from __future__ import annotations

import doctest
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import envmgr
from envmgr import api
from envmgr.ops.export_request import EXPORT_FORMATS
from tests.builders import make_channel, pkg
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SITE = "lib/python3.12/site-packages"


def packages(subdir: str) -> list:
    """What the session in the documentation uses of conda-forge, made small."""
    places = {"files": {"bin/python3.12": ""}, "subdir": subdir}
    return [
        pkg("python", "3.12.5", "h_0", **places),
        pkg("python", "3.13.0", "h_0", **places),
        pkg("numpy", "1.26.4", "py312_0", depends=["python 3.12.*"], subdir=subdir),
        pkg("numpy", "2.1.0", "py312_0", depends=["python 3.12.*"], subdir=subdir),
    ]


NOARCH = [
    pkg("pip", "24.2", "pyh_0", noarch="python", depends=["python"]),
    pkg("tqdm", "4.66.5", "pyh_0", noarch="generic"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    make_channel(folder / "conda-forge", [*packages("linux-64"), *packages("osx-arm64"), *NOARCH])
    with serve(folder) as server:
        yield server.url


@pytest.fixture
def channel(served: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The URL of the channel that is called conda-forge here."""
    monkeypatch.setenv("ENVMGR_CHANNEL_ALIAS", served)
    monkeypatch.chdir(tmp_path)
    return f"{served}/conda-forge"


class _Served(doctest.OutputChecker):
    """Takes the channel that is served here for the one that is called so everywhere."""

    def __init__(self, url: str) -> None:
        self.url = url

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        shown = got.replace(f"- {self.url}", "- conda-forge").replace(
            self.url, "https://conda.anaconda.org/conda-forge"
        )
        return super().check_output(want, shown, optionflags)


def test_the_documented_session_runs_as_shown(channel: str):
    text = (ROOT / "docs/python-api.md").read_text().replace("```", "")
    session = doctest.DocTestParser().get_doctest(text, {}, "python-api.md", "docs/python-api.md", 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(_Served(channel))
    result = runner.run(session, out=said.append)
    assert (result.failed, result.attempted > 15) == (0, True), "".join(said)


def test_the_names_are_the_same_at_both_doors_and_each_can_be_used():
    assert set(envmgr.__all__) - {"__version__"} == set(api.__all__)
    assert all(getattr(envmgr, name) is getattr(api, name) for name in api.__all__)
    assert set(envmgr.__all__) <= set(dir(envmgr))
    with pytest.raises(AttributeError, match="no attribute 'creat'"):
        envmgr.creat  # noqa: B018


def test_an_import_and_the_version_load_nothing_more():
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); "]
    shown = "before = set(sys.modules); import envmgr; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([*command[:-1], command[-1] + shown], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['__future__', 'envmgr']"
    version = "sys.argv = ['envmgr', '-V']; from envmgr.__main__ import main; main(); print(*sys.modules)"
    done = subprocess.run([*command[:-1], command[-1] + version], capture_output=True, text=True, check=True)
    said, loaded = done.stdout.splitlines()
    assert said == f"envmgr {envmgr.__version__}"
    assert [name for name in loaded.split() if name.startswith("envmgr")] == ["envmgr", "envmgr.__main__"]
    assert not {"typing", "msgspec", "argparse", "re", "pathlib"} & set(loaded.split())


def state_of_process() -> list[object]:
    signals = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    umask = os.umask(0)
    os.umask(umask)
    return [signals, umask, Path.cwd(), dict(os.environ), list(sys.path), sys.stdout, sys.stderr]


def test_nothing_is_printed_or_asked_and_the_process_stays_as_it_was(
    channel: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("sys.stdin", None)
    before = state_of_process()
    seen: list[list[object]] = []

    class Watching(envmgr.Reporter):
        def phase_started(self, phase: envmgr.Phase, total: int | None = None) -> None:
            if threading.current_thread() is threading.main_thread():
                seen.append(state_of_process())

    session = envmgr.Session(reporter=Watching())
    place = tmp_path / "env"
    assert envmgr.create(place, ["python"], channels=[channel], session=session).done
    assert envmgr.install(place, ["tqdm"], session=session).done
    assert envmgr.update(place, session=session).done is False
    assert envmgr.remove(place, ["tqdm"], session=session).done
    for chosen in EXPORT_FORMATS:
        hashes = chosen == "requirements"
        assert (
            envmgr.export(place, chosen, ignore_channels=True, hashes=hashes, session=session).format
            == chosen
        )
    with pytest.raises(envmgr.SolveError):
        envmgr.solve(["nothing-like-it"], channels=[channel], session=session)
    assert len(seen) > 5
    assert all(each == before for each in [*seen, state_of_process()])
    assert capfd.readouterr() == ("", "")


def test_values_are_frozen(channel: str, tmp_path: Path):
    made = envmgr.create(tmp_path / "env", ["tqdm"], channels=[channel])
    for value in (made, made.plan, made.plan.link[0], envmgr.list_packages(tmp_path / "env")):
        assert isinstance(value, msgspec.Struct)
        with pytest.raises(AttributeError):
            value.prefix = "x"
    assert made.plan.link[0].channel == channel


def test_threads_change_one_environment_after_each_other(channel: str, tmp_path: Path):
    place = tmp_path / "env"
    session = envmgr.Session()
    envmgr.create(place, channels=[channel], session=session)
    errors: list[BaseException] = []

    def bring(spec: str) -> None:
        try:
            envmgr.install(place, [spec], channels=[channel], session=session)
        except BaseException as error:  # noqa: BLE001 - told by the main thread.
            errors.append(error)

    threads = [threading.Thread(target=bring, args=(spec,)) for spec in ("tqdm", "numpy <2", "pip")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not errors
    listed = envmgr.list_packages(place)
    assert {record.name for record in listed.packages} == {"tqdm", "numpy", "python", "pip"}
    assert "  - numpy <2\n" in envmgr.export(place, from_history=True).text


def test_environments_are_names_or_folders(channel: str, tmp_path: Path):
    for environment, place in (
        ("named", Path(os.environ["ENVMGR_ROOT"]) / "envs/named"),
        ("./here", tmp_path / "here"),
        (Path("there"), tmp_path / "there"),
    ):
        assert envmgr.create(environment, channels=[channel]).plan.prefix == place
        assert envmgr.list_packages(environment).prefix == place
    assert [each.name for each in envmgr.list_environments()] == ["named", None, None]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: envmgr.create("x", "python"), envmgr.UsageError, "'python' stands where a list is expected"),
        (lambda: envmgr.create("x", ["tqdm"], pypi=["a"], channels=["conda-forge"]),
         envmgr.UsageError, "need python"),
        (lambda: envmgr.install("none", ["x"]), envmgr.PrefixError, "there is no environment at"),
        (lambda: envmgr.install("none"), envmgr.PrefixError, "there is no environment at"),
        (lambda: envmgr.solve(["a =="]), envmgr.DataError, "a =="),
        (lambda: envmgr.solve(files=["no.yml"]), envmgr.DataError, "there is no file no.yml"),
        (lambda: envmgr.export("none", "docker"), envmgr.UsageError, "there is no format 'docker'"),
        (lambda: envmgr.export("none", versions="major"), envmgr.UsageError, "no style of versions 'major'"),
        (lambda: envmgr.export("none", platforms=["win-46"]), envmgr.UsageError, "'win-46' is not a platform"),
        (envmgr.list_packages, envmgr.UsageError, "no environment was named"),
        (lambda: envmgr.create("x", session=envmgr.Session(root="/dev/null/x")), envmgr.EnvmgrError, "/dev/null"),
        (lambda: envmgr.solve(["x"], channels=["https://127.0.0.1:9/c"], session=envmgr.Session(offline=True)),
         envmgr.ChannelError, "127.0.0.1"),
    ],
)  # fmt: skip
def test_failures_are_sentences_of_their_class(channel: str, call, kind: type[Exception], words: str):
    with pytest.raises(kind) as caught:
        call()
    assert words in str(caught.value)


def test_wrong_settings_are_told_when_the_session_begins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENVMGR_CHANNEL_PRIORITY", "sometimes")
    with pytest.raises(envmgr.ConfigError, match="ENVMGR_CHANNEL_PRIORITY"):
        envmgr.Session()
