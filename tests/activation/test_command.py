"""shell-hook, shell, init and the ready scripts, as users meet them: through real shells and real environments."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.activation.shells import SHELLS, Shell, read_shown
from tests.builders import make_channel, pkg
from tests.command import Envmgr, in_process
from tests.users import as_user, needs_other_users, reachable_folder

READY = "conda-meta/envmgr/activate"
PACKAGES = [
    pkg("app", files={
        "etc/conda/activate.d/app.sh": 'export APP="on $CONDA_DEFAULT_ENV"\n',
        "etc/conda/deactivate.d/app.sh": "unset APP\n",
    }),
    pkg("more", files={
        "etc/conda/env_vars.d/more.json": '{"MORE": "$1 \'x\'"}',
        "etc/conda/activate.d/more.sh": "export MORE_RAN=1\n",
        "etc/conda/deactivate.d/more.sh": "unset MORE_RAN\n",
    }),
]  # fmt: skip
# How each shell takes over what shell-hook prints; %s are the words for it.
TAKEN = {
    "bash": 'eval "$(envmgr shell-hook bash %s)"',
    "zsh": 'eval "$(envmgr shell-hook zsh %s)"',
    "dash": 'eval "$(envmgr shell-hook dash %s)"',
    "busybox": 'eval "$(envmgr shell-hook ash %s)"',
    "ksh": 'eval "$(envmgr shell-hook ksh %s)"',
    "fish": "envmgr shell-hook fish %s | source",
    "tcsh": 'eval "`envmgr shell-hook tcsh %s`"',
    "xonsh": "execx($(envmgr shell-hook xonsh %s))",
}
STATUS = {"fish": "$status", "tcsh": "$status"}


@pytest.fixture
def envmgr(capfd: pytest.CaptureFixture[str]) -> Envmgr:
    return in_process(capfd)


@pytest.fixture
def channel(tmp_path: Path) -> str:
    return make_channel(tmp_path / "channel", PACKAGES)


@pytest.fixture
def environment(envmgr: Envmgr, channel: str, isolated_home: Path) -> Path:
    """The environment ``work``, made by envmgr, with the package app."""
    done = envmgr("create", "-y", "-n", "work", "--override-channels", "-c", channel, "app")
    assert done.code == 0, done.err
    return isolated_home / "root" / "envs" / "work"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The variables of a shell that finds the program envmgr on PATH."""
    program = tmp_path / "bin" / "envmgr"
    program.parent.mkdir()
    words = shlex.join([sys.executable, "-m", "envmgr"])
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    root = str(Path(__file__).parents[2])
    kept = {name: os.environ[name] for name in ("HOME", "ENVMGR_ROOT", "XDG_CONFIG_HOME")}
    return {**kept, "PATH": f"{program.parent}:/usr/bin:/bin", "PYTHONPATH": root, "LC_ALL": "C.UTF-8"}


@pytest.fixture(params=[shell for shell in SHELLS if shell.name in TAKEN], ids=lambda shell: shell.name)
def shell(request: pytest.FixtureRequest) -> Shell:
    return installed(request.param)


def installed(shell: Shell) -> Shell:
    if shell.program is None:
        pytest.skip(f"{shell.command[0]} is not installed")
    return shell


def named(name: str) -> Shell:
    return installed(next(shell for shell in SHELLS if shell.name == name))


def test_what_shell_hook_prints_activates_and_brings_deactivate(
    environment: Path, environ: dict[str, str], shell: Shell, tmp_path: Path
) -> None:
    text = shell.start() + f"{TAKEN[shell.name] % '-n work'}\n{shell.show(tmp_path / 'in')}"
    text += f"envmgr deactivate\n{shell.show(tmp_path / 'out')}"
    done = shell.run(text, tmp_path, environ)
    assert (done.stdout, done.stderr) == ("", "")
    found = read_shown(tmp_path / "in")
    assert found["CONDA_PREFIX"] == str(environment)
    assert found["CONDA_DEFAULT_ENV"] == "work"
    if shell.suffix in ("sh", "xsh"):
        assert found["APP"] == "on work"
    after = read_shown(tmp_path / "out")
    assert not {"APP", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"} & set(after)
    assert after["PATH"] == environ["PATH"]


@pytest.mark.parametrize("how", ["hook", "function"])
def test_an_environment_that_is_not_there_is_one_sentence_and_the_shell_goes_on(
    environ: dict[str, str], shell: Shell, tmp_path: Path, how: str
) -> None:
    if shell.name == "xonsh":
        pytest.skip("a script of xonsh ends at the first command that fails")
    status = STATUS.get(shell.name, "$?")
    failing = TAKEN[shell.name] % "-n nowhere"
    if how == "function":
        failing = f"{TAKEN[shell.name] % ''}\nenvmgr activate nowhere"
    done = shell.run(f"{failing}\necho status {status}\n", tmp_path, environ)
    assert done.stdout == "status 1\n"
    place = Path(environ["ENVMGR_ROOT"]) / "envs" / "nowhere"
    assert done.stderr.splitlines()[0] == f"envmgr: there is no environment at {place}."


def test_a_script_under_errexit_ends_where_nothing_is_activated(
    environ: dict[str, str], tmp_path: Path
) -> None:
    text = 'set -eu\neval "$(envmgr shell-hook bash -n nowhere)"\necho went on\n'
    done = named("bash").run(text, tmp_path, environ)
    assert (done.returncode, done.stdout) == (1, "")


def test_ready_script_needs_no_program(environment: Path, shell: Shell, tmp_path: Path) -> None:
    """With nothing on PATH, activating and deactivating work; only xonsh and tcsh have other needs of their own."""
    if shell.suffix != "sh":
        pytest.skip("fish and tcsh list scripts by programs, xonsh runs those for POSIX shells")
    text = shell.source(environment / READY / "activate.sh") + shell.show(tmp_path / "in")
    text += shell.deactivate() + shell.show(tmp_path / "out")
    done = shell.run(text, tmp_path, {"PATH": str(tmp_path / "nothing")})
    assert (done.stdout, done.stderr) == ("", "")
    assert read_shown(tmp_path / "in")["APP"] == "on work"
    assert read_shown(tmp_path / "out")["PATH"] == str(tmp_path / "nothing")


def test_ready_script_is_written_anew_after_each_change(
    envmgr: Envmgr, environment: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    """The function of the shell takes a change over at once; others see it in the script."""
    shell = named("bash")
    script = environment / READY / "activate.sh"
    text = shell.source(script) + "envmgr install -q -y -p $CONDA_PREFIX more\n" + shell.show(tmp_path / "in")
    text += "envmgr remove -q -y -p $CONDA_PREFIX more\n" + shell.show(tmp_path / "removed")
    text += "envmgr env config vars set OWN=1 >/dev/null 2>&1\n" + shell.show(tmp_path / "set")
    text += shell.deactivate() + shell.show(tmp_path / "out")
    done = shell.run(text, tmp_path, environ)
    assert done.returncode == 0, done.stderr
    inside, removed, out = (read_shown(tmp_path / name) for name in ("in", "removed", "out"))
    assert (inside["MORE"], inside["MORE_RAN"], inside["CONDA_SHLVL"]) == ("$1 'x'", "1", "1")
    assert "MORE" not in removed
    assert removed["APP"] == "on work"
    assert read_shown(tmp_path / "set")["OWN"] == "1"
    assert "OWN" not in out
    assert out["PATH"] == environ["PATH"]


def test_what_became_stale_or_went_is_written_by_the_next_command(envmgr: Envmgr, environment: Path) -> None:
    ready = environment / READY
    state = environment / "conda-meta" / "state"
    state.write_text('{"env_vars": {"OWN": "1"}}')
    assert envmgr("list", "-p", environment).code == 0
    assert "OWN='1'" in (ready / "activate.sh").read_text()
    written = (ready / "activate.sh").stat().st_ino
    (ready / "activate.fish").unlink()
    assert envmgr("list", "-p", environment).code == 0
    assert (ready / "activate.fish").is_file()
    written = (ready / "activate.sh").stat().st_ino
    assert envmgr("list", "-p", environment).code == 0
    assert (ready / "activate.sh").stat().st_ino == written, "what is as it should be is not written again"


def test_ready_scripts_are_nobodys_foreign_files(envmgr: Envmgr, environment: Path) -> None:
    found = envmgr("verify", "-p", environment, "--foreign", "--json")
    assert found.code == 0
    assert found.json["foreign"] == []
    assert envmgr("remove", "-y", "-p", environment, "--all").code == 0
    assert not environment.exists()


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_an_environment_that_is_elsewhere_is_refused_by_its_old_script(
    environment: Path, tmp_path: Path, how: str
) -> None:
    shell = named("bash")
    place = tmp_path / "elsewhere"
    (shutil.copytree if how == "copied" else shutil.move)(environment, place)
    text = shell.source(place / READY / "activate.sh") + 'echo "status $? ${CONDA_PREFIX-none}"\n'
    done = shell.run(text, tmp_path, {"PATH": "/usr/bin:/bin"})
    assert done.stdout == "status 1 none\n"
    said = "which was moved, copied or removed."
    sentence = f"envmgr: this script belongs to the environment at {environment}, {said}"
    assert done.stderr.splitlines()[0] == sentence


@needs_other_users
@pytest.mark.parametrize("name", ["bash", "tcsh"])
def test_an_environment_that_cannot_be_written_is_activated_all_the_same(
    name: str, environ: dict[str, str]
) -> None:
    shell = named(name)
    with reachable_folder() as folder:
        prefix, home = folder / "shared", folder / "home"
        (prefix / "conda-meta").mkdir(parents=True)
        (prefix / "conda-meta" / "history").touch()
        (prefix / "conda-meta" / "frozen").touch()
        home.mkdir()
        os.chown(home, 65_534, 65_534)
        shutil.copy(str(shutil.which("envmgr", path=environ["PATH"])), folder / "envmgr")
        script = home / "steps"
        script.write_text(f"{TAKEN[name] % f'-p {prefix}'}\necho $CONDA_PREFIX\nenvmgr deactivate\n")
        variables = {
            **environ,
            "HOME": str(home),
            "ENVMGR_ROOT": f"{home}/root",
            "XDG_CONFIG_HOME": str(home),
        }
        variables["PATH"] = f"{folder}:/usr/bin:/bin"
        command = [*as_user(65_534), *shell.command, str(script)]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (f"{prefix}\n", "")
        assert not (prefix / "conda-meta" / "envmgr").exists()


def test_what_conda_activated_is_left_and_comes_back(
    environment: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    """conda notes no names of variables, but level, prefixes, and what its variables replaced."""
    other = tmp_path / "envs" / "other"
    for action in ("activate", "deactivate"):
        folder = other / "etc" / "conda" / f"{action}.d"
        folder.mkdir(parents=True)
        (folder / "x.sh").write_text(f'export SEEN="$SEEN {action}"\n')
    (other / "conda-meta").mkdir()
    (other / "conda-meta" / "history").touch()
    conda = {"CONDA_SHLVL": "1", "CONDA_PREFIX": str(other), "CONDA_DEFAULT_ENV": "other", "SEEN": ""}
    before = {
        **environ,
        **conda,
        "CONDA_PROMPT_MODIFIER": "(other) ",
        "PATH": f"{other}/bin:{environ['PATH']}",
    }
    shell = named("dash")
    text = (
        "PS1='(other) $ '\n" + shell.source(environment / READY / "activate.sh") + shell.show(tmp_path / "in")
    )
    text += (
        shell.deactivate() + shell.show(tmp_path / "back") + shell.deactivate() + shell.show(tmp_path / "out")
    )
    done = shell.run(text, tmp_path, before)
    assert (done.stdout, done.stderr) == ("", "")
    inside, back, out = (read_shown(tmp_path / name) for name in ("in", "back", "out"))
    assert inside["PATH"] == f"{environment}/bin:{environ['PATH']}"
    assert (inside["CONDA_PREFIX_1"], inside["SHOWN"], inside["SEEN"]) == (
        str(other),
        "(work) $ ",
        " deactivate",
    )
    assert {name: back.get(name) for name in conda} == {**conda, "SEEN": " deactivate activate"}
    assert (back["PATH"], back["SHOWN"]) == (before["PATH"], "(other) $ ")
    assert (out["PATH"], out["SHOWN"], out["CONDA_SHLVL"]) == (environ["PATH"], "$ ", "0")
    assert "CONDA_PREFIX" not in out


def test_prompt_is_left_alone_where_the_settings_say_so(
    envmgr: Envmgr, environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_CHANGEPS1", "false")
    assert envmgr("list", "-p", environment).code == 0
    shell = named("bash")
    text = shell.start() + shell.source(environment / READY / "activate.sh") + shell.show(tmp_path / "in")
    assert shell.run(text, tmp_path, {"PATH": "/usr/bin:/bin"}).stderr == ""
    assert read_shown(tmp_path / "in")["SHOWN"] == "$ "
    monkeypatch.delenv("CONDA_CHANGEPS1")
    monkeypatch.setenv("ENVMGR_ENV_PROMPT", "<{name}> ")
    assert envmgr("list", "-p", environment).code == 0
    assert shell.run(text, tmp_path, {"PATH": "/usr/bin:/bin"}).stderr == ""
    assert read_shown(tmp_path / "in")["SHOWN"] == "<work> $ "


@pytest.mark.parametrize("name", ["bash", "zsh", "dash", "ksh", "fish", "tcsh", "xonsh"])
def test_shell_starts_one_inside_after_the_users_own_files(
    name: str, environment: Path, environ: dict[str, str]
) -> None:
    home = Path(environ["HOME"])
    for file in (".bashrc", ".zshrc", "env"):
        (home / file).write_text("PATH=/first:$PATH; MINE=1; export MINE\n")
    shell = named(name)
    done = subprocess.run(
        ["envmgr", "shell", "-n", "work", "--shell", str(shell.program)],
        env={**environ, "ENV": str(home / "env")},
        executable=shutil.which("envmgr", path=environ["PATH"]),
        input='echo "in $CONDA_PREFIX $PATH"\n',
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    path = f"/first:{environ['PATH']}" if name in ("bash", "zsh", "dash", "ksh") else environ["PATH"]
    assert f"in {environment} {environment}/bin:{path}" in done.stdout


def test_init_makes_the_function_known_and_reverse_takes_it_back(
    envmgr: Envmgr, environment: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    home = Path(environ["HOME"])
    own = b"alias ll='ls -l' # caf\xe9\n"
    (home / ".bashrc").write_bytes(own)
    shells = ("bash", "zsh", "fish", "tcsh", "xonsh", "nushell", "powershell")
    assert envmgr("init", *shells, "--dry-run").code == 0
    assert (home / ".bashrc").read_bytes() == own
    assert envmgr("init", *shells).code == 0
    written = (home / ".bashrc").read_bytes()
    assert written.startswith(own)
    assert envmgr("init", *shells, "--json").json["files"][0]["changed"] is False
    assert (home / ".bashrc").read_bytes() == written
    text = f'. {home}/.bashrc\nenvmgr activate work\necho "$CONDA_PREFIX"\n'
    done = named("bash").run(text, tmp_path, environ)
    assert (done.stdout, done.stderr) == (f"{environment}\n", "")
    assert envmgr("init", "--reverse", *shells).code == 0
    assert (home / ".bashrc").read_bytes() == own
    left = {path.name for path in home.rglob("*") if path.is_file() and "root" not in path.parts}
    assert left == {".bashrc", "environments.txt"}


def test_init_tells_what_it_cannot_do(envmgr: Envmgr, isolated_home: Path) -> None:
    (isolated_home / ".bashrc").write_text("x\n# >>> envmgr >>>\ny\n")
    broken = envmgr("init", "bash")
    assert broken.code == 1
    assert f"{isolated_home / '.bashrc'}:2: the block of envmgr has no end." in broken.err
    assert (isolated_home / ".bashrc").read_text() == "x\n# >>> envmgr >>>\ny\n"
    assert envmgr("init", "elvish").code == 2
    assert envmgr("init", "cmd").code == 2


def test_activate_as_a_program_tells_how_to_get_the_function(envmgr: Envmgr) -> None:
    for words in (("activate", "work"), ("deactivate",)):
        done = envmgr(*words)
        assert done.code == 2
        assert "shell-hook" in done.err
    assert envmgr("activate", "--help").code == 0


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("shell hook -s bash", "shell-hook bash"),
        ("shell hook --shell=fish", "shell-hook fish"),
        ("shell hook zsh", "shell-hook zsh"),
        ("shell.bash hook", "shell-hook bash"),
        ("shell.fish activate work", "shell-hook fish --activate work"),
        ("shell activate -sbash -n work --stack", "shell-hook bash --activate -n work --stack"),
        ("shell deactivate -s xonsh", "shell-hook xonsh --deactivate"),
        ("shell init --shell zsh --dry-run", "init zsh --dry-run"),
        ("shell deinit -s bash --dry-run", "init --reverse bash --dry-run"),
        ("shell completion -s bash", "completion bash"),
    ],
)
def test_the_spellings_of_conda_and_micromamba_say_the_same(
    envmgr: Envmgr, environment: Path, theirs: str, ours: str
) -> None:
    done = envmgr(*theirs.split())
    assert (done.code, bool(done.out + done.err)) == (0, True), done.err
    assert done == envmgr(*ours.split())


def test_scripts_that_say_it_as_micromamba_does_activate(
    environment: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    lines = [
        'eval "$(envmgr shell hook -s bash)"; envmgr activate work; echo "$APP"',
        'eval "$(envmgr shell reactivate)"; echo "$CONDA_SHLVL"',
        'eval "$(envmgr shell.bash deactivate)"; echo "$CONDA_SHLVL"',
    ]
    done = subprocess.run(
        ["bash", "-c", "; ".join(lines)],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("on work\n1\n0\n", "")


def test_spellings_without_a_meaning_here_are_told_what_to_say(envmgr: Envmgr, environment: Path) -> None:
    for words, hint in (
        ("shell.posix+json activate work", "envmgr shell-hook posix -n NAME"),
        ("shell.bash commands", "envmgr shell-hook bash -n NAME"),
        ("shell reactivate -s bash", "envmgr activate NAME"),
        ("shell hook -s", "-s bash"),
        ("shell init -s bash -r /x", "ENVMGR_ROOT=FOLDER"),
    ):
        done = envmgr(*words.split())
        assert (done.code, hint in done.err.splitlines()[-1]) == (2, True), done.err


def test_names_of_environments_are_words_or_options_but_not_both(envmgr: Envmgr, environment: Path) -> None:
    assert envmgr("shell-hook", "bash", "work", "-n", "work").code == 2
    assert envmgr("shell-hook", "bash", "--activate").code == 2
    assert envmgr("shell-hook", "elvish", "-n", "work").code == 2
    by_path = envmgr("shell-hook", "bash", environment)
    assert by_path.out == envmgr("shell-hook", "bash", "work").out != ""


def test_variables_that_no_shell_can_set_are_named_and_left_out(envmgr: Envmgr, environment: Path) -> None:
    (environment / "conda-meta" / "state").write_text('{"env_vars": {"a-b": "1", "PATH": "/x", "GOOD": "2"}}')
    done = envmgr("shell-hook", "bash", "-n", "work")
    assert done.code == 0
    assert "variables that activation does not set: a-b, PATH." in done.err
    assert "GOOD='2'" in done.out


def test_damaged_variables_are_an_error_with_the_file(envmgr: Envmgr, environment: Path) -> None:
    (environment / "conda-meta" / "state").write_text("{")
    done = envmgr("shell-hook", "bash", "-n", "work")
    assert (done.code, done.out) == (1, "\\false\n")
    assert f"{environment / 'conda-meta' / 'state'} is not valid JSON." in done.err


def test_activating_from_the_ready_script_takes_milliseconds(environment: Path, tmp_path: Path) -> None:
    """Ten times in one shell, so that its start counts for little; a start of Python alone would take longer."""
    shell = named("dash")
    step = shell.source(environment / READY / "activate.sh") + shell.deactivate()
    script = tmp_path / "steps"
    script.write_text(step * 10)
    best = 60.0
    for _ in range(3):
        started = time.monotonic()
        subprocess.run([str(shell.program), str(script)], check=True, env={"PATH": ""})
        best = min(best, time.monotonic() - started)
    assert best / 10 < 0.010
