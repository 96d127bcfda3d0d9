"""Runs the scripts of recipes in a controlled environment, with all output in a log file.

A script sees exactly the variables that `script_environment` lists and those that the caller passes on for
registries and certificates; HOME and TMPDIR are folders of the build, PATH holds the environments and the
system's folders only.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.build.plan import PlannedOutput
    from envmgr.build.recipe import Script
    from envmgr.ports import Runner

SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_PASSED_ON = {
    "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CC", "CXX", "AR", "CPU_COUNT", "MAKEFLAGS",
}  # fmt: skip
_PASSED_PREFIXES = ("PIP_", "UV_")
_LAST_LINES = 20
_INTERPRETER_OF_SUFFIX = {
    ".py": "python",
    ".sh": "bash",
    ".bash": "bash",
    ".pl": "perl",
    ".R": "Rscript",
    ".lua": "lua",
}


class ScriptFolders(Struct, frozen=True):
    """The folders of one build or test; *prefixes* are the environments whose programs are found, first wins."""

    prefix: Path
    build_prefix: Path
    source: Path
    recipe: Path
    home: Path
    temporary: Path

    @property
    def search_path(self) -> str:
        """The value of PATH."""
        programs = dict.fromkeys(str(folder / "bin") for folder in (self.build_prefix, self.prefix))
        return ":".join([*programs, *SYSTEM_PATH])


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the caller's environment a script gets to see: registries, proxies, certificates, compilers."""
    return {
        name: value
        for name, value in environ.items()
        if name in _PASSED_ON or name.lower() in _PASSED_ON or name.startswith(_PASSED_PREFIXES)
    }


def script_environment(
    planned: PlannedOutput, folders: ScriptFolders, environ: Mapping[str, str], facts: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a build script; *environ* is the caller's, *facts* what the recipe's folder found out."""
    output = planned.output
    env = {
        "CC": "cc",
        "CPU_COUNT": str(os.cpu_count() or 1),
        **_pip_defaults(environ),
        **passed_on(environ),
        **{key: value for key, value in planned.variant.items() if key.isidentifier()},
        **facts,
        "CONDA_BUILD": "1",
        "CONDA_PREFIX": str(folders.prefix),
        "PREFIX": str(folders.prefix),
        "BUILD_PREFIX": str(folders.build_prefix),
        "SRC_DIR": str(folders.source),
        "RECIPE_DIR": str(folders.recipe),
        "PKG_NAME": output.name,
        "PKG_VERSION": output.version,
        "PKG_BUILDNUM": str(output.build.number),
        "PKG_BUILD_STRING": planned.build,
        "PKG_HASH": planned.hash,
        "target_platform": planned.subdir,
        "build_platform": planned.hash_input.get("target_platform", planned.subdir),
        "SUBDIR": planned.subdir,
        "SHLIB_EXT": ".so",
        "HOME": str(folders.home),
        "TMPDIR": str(folders.temporary),
        "PATH": folders.search_path,
        "PKG_CONFIG_PATH": f"{folders.prefix}/lib/pkgconfig:{folders.prefix}/share/pkgconfig",
        "ENVMGR_PYTHON": sys.executable,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }
    return {**env, **_python_variables(folders.prefix)}


def _pip_defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """Keeps the user's pip settings and cache, although HOME is another one."""
    home = Path(environ.get("HOME") or "/nonexistent")
    config_home = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "pip"
    found = {
        "PIP_CACHE_DIR": str(cache),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    configs = [
        path for path in (config_home / "pip" / "pip.conf", home / ".pip" / "pip.conf") if path.is_file()
    ]
    return {**found, "PIP_CONFIG_FILE": str(configs[0])} if configs else found


def _python_variables(prefix: Path) -> dict[str, str]:
    """PYTHON and its folders where *prefix* has an interpreter."""
    if not (prefix / "bin" / "python").exists():
        return {}
    found = sorted(prefix.glob("lib/python3.*/os.py"))
    env = {"PYTHON": str(prefix / "bin" / "python")}
    if found:
        library = found[-1].parent
        env |= {"PY_VER": library.name.removeprefix("python").rstrip("t"), "STDLIB_DIR": str(library)}
        env["SP_DIR"] = str(library / "site-packages")
    return env


def find_interpreter(name: str, folders: ScriptFolders) -> list[str]:
    """The command that runs a script file of the interpreter *name*; BuildError where it is not found."""
    if name == "python":
        inside = [folder / "bin" / "python" for folder in (folders.prefix, folders.build_prefix)]
        return [next((str(path) for path in inside if path.exists()), sys.executable)]
    found = shutil.which(name, path=folders.search_path)
    if found is None and name == "bash":
        found = shutil.which("sh", path=folders.search_path)
        return [found, "-e"] if found else []
    if found is None:
        raise BuildError(f"the interpreter {name!r} of a script was not found in {folders.search_path}.")
    return [found, "-e", "-o", "pipefail"] if name == "bash" else [found, "-e"] if name == "sh" else [found]


def script_text(script: Script, recipe_dir: Path) -> tuple[str, str] | None:
    """Content and interpreter's name of *script*; None where there is nothing to run.

    A script with neither file nor content is the recipe's ``build.sh`` where that exists (CEP 14).
    """
    if script.content is not None:
        return script.content + "\n", script.interpreter or "bash"
    file = script.file
    if file is None:
        if not (recipe_dir / "build.sh").is_file() or script.place is not None:
            return None
        file = "build.sh"
    path = next((p for p in (recipe_dir / file, recipe_dir / f"{file}.sh") if p.is_file()), None)
    if path is None:
        sentence = f"there is no script {file!r} in {recipe_dir}."
        raise BuildError(f"{script.place}: {sentence}" if script.place else sentence)
    return path.read_text(encoding="utf-8"), script.interpreter or _INTERPRETER_OF_SUFFIX.get(
        path.suffix, "bash"
    )


class ScriptRun(Struct, frozen=True):
    """One script about to be run: its text, where it is kept while it runs, and the names for messages."""

    script: Script
    text: str
    interpreter: str
    kept_as: Path
    log: Path
    what: str


def run_script(
    run: ScriptRun, folders: ScriptFolders, env: Mapping[str, str], caller: Mapping[str, str], runner: Runner
) -> None:
    """Run a script to its end. A failure is a BuildError with the log's path and the last lines of output."""
    env = {**env, **dict(run.script.env), **_secrets(run.script, caller)}
    run.log.parent.mkdir(parents=True, exist_ok=True)
    run.kept_as.parent.mkdir(parents=True, exist_ok=True)
    run.kept_as.write_text(run.text, encoding="utf-8")
    cwd = folders.source / (run.script.cwd or ".")
    if not cwd.is_dir():
        raise BuildError(
            f"{run.script.place}: the script's folder {run.script.cwd!r} does not exist in the sources."
        )
    command = [*find_interpreter(run.interpreter, folders), str(run.kept_as)]
    # A shell puts the output into the log while the script runs, so that a build that hangs can be watched.
    logged = [
        "/bin/sh",
        "-c",
        'log=$1; shift; exec "$@" >"$log" 2>&1 </dev/null',
        "sh",
        str(run.log),
        *command,
    ]
    done = runner.run(logged, env=env, cwd=cwd)
    lines = _masked_log(run.log, [env[name] for name in run.script.secrets if name in env])
    if done.returncode != 0:
        raise _failure(run, done.returncode, lines)


def _secrets(script: Script, caller: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in script.secrets if name not in caller]
    if missing:
        raise BuildError(f"{script.place}: the secret {missing[0]} is not set in the environment.")
    return {name: caller[name] for name in script.secrets}


def _masked_log(log: Path, secrets: Sequence[str]) -> list[str]:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if any(secret and secret in text for secret in secrets):
        for secret in filter(None, secrets):
            text = text.replace(secret, "********")
        log.write_text(text, encoding="utf-8")
    return text.splitlines()


def _failure(run: ScriptRun, returncode: int, lines: Sequence[str]) -> BuildError:
    place = f"{run.script.place}: " if run.script.place else ""
    ended = f"was ended by signal {-returncode}" if returncode < 0 else f"ended with exit code {returncode}"
    last = list(lines[-_LAST_LINES:])
    shown = "".join(f"\n    {line}" for line in last) or " (none)"
    return BuildError(
        f"{place}{run.what} {ended}.",
        hint=f"The full log is {run.log}; its last lines are:{shown}",
        log=str(run.log),
        last_lines=last,
        returncode=returncode,
    )
