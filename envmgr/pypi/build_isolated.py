"""Runs a project's build backend in an environment of its own (PEP 517, 518, 660), as pip and uv do.

The environment is made by uv, or by ``venv`` and pip where there is no uv. The backend runs in a process of that
environment, which is told what to do by a file and answers by one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmgr.errors import BuildError, DataError
from envmgr.models.credentials import without_credentials_in_text
from envmgr.models.visible_text import visible
from envmgr.pypi.login_file import write_private
from envmgr.pypi.tools import find_uv
from envmgr.pypi.uv_command import configuration, moment, uv_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.ports import Runner
    from envmgr.pypi.index_options import IndexOptions
    from envmgr.pypi.resolution import PypiRequest, PypiSource
    from envmgr.pypi.tools import Tool

_STEP_SECONDS = 1800.0
_BUILD_SECONDS = 7200.0
_LINES_SHOWN = 25
_LEGACY: dict[str, Any] = {
    "requires": ["setuptools >= 40.8.0"],
    "build-backend": "setuptools.build_meta:__legacy__",
}

_BACKEND_CALL = """
import importlib, json, sys
sys.path = [path for path in sys.path if path]
task_file, answer_file = sys.argv[1:]
with open(task_file, encoding="utf-8") as file:
    task = json.load(file)
sys.path[:0] = task["path"]
module, _, attributes = task["backend"].partition(":")
backend = importlib.import_module(module)
for attribute in filter(None, attributes.split(".")):
    backend = getattr(backend, attribute)
hook = getattr(backend, task["hook"], None)
if hook is None:
    answer = {"missing": True}
else:
    answer = {"value": hook(*task["arguments"], task["settings"])}
with open(answer_file, "w", encoding="utf-8") as file:
    json.dump(answer, file)
"""


class Workshop:
    """What all builds of one request share: its options, and the program that makes environments."""

    def __init__(
        self, request: PypiRequest, options: IndexOptions, runner: Runner, environ: Mapping[str, str]
    ) -> None:
        self.request = request
        self.options = options
        self.runner = runner
        self._uv: Tool | None = find_uv(environ, runner).tool
        self._configured = configuration(None, (), options, dated=request.exclude_newer_ms is not None)
        self.environ = {
            **uv_environment(environ, request, options),
            "PYTHONNOUSERSITE": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        if self._uv is None:
            self.environ |= {name: value for name, value in environ.items() if name.startswith("PIP_")}

    def make_environment(self, place: Path, name: str) -> Path:
        """An empty environment with the prefix's Python; the path of its interpreter."""
        python = str(self.request.prefix_python)
        if self._uv is not None:
            command = [
                *self._uv.command,
                "venv",
                "--quiet",
                "--no-python-downloads",
                "--python",
                python,
                str(place),
            ]
            command += ["--config-file", str(self._config(place.parent))]
        else:
            command = [python, "-m", "venv", str(place)]
        self.run(command, place.parent, f"an environment to build {name} in could not be made")
        return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def install(self, requirements: Sequence[str], python: Path, place: Path, name: str) -> None:
        """Put what a build needs into its environment."""
        if not requirements:
            return
        listed = place / "build-requires.txt"
        listed.write_text("".join(f"{each}\n" for each in requirements), encoding="utf-8")
        if self._uv is not None:
            command = [
                *self._uv.command,
                "pip",
                "install",
                "--quiet",
                "--python",
                str(python),
                "-r",
                str(listed),
            ]
            command += ["--config-file", str(self._config(place)), "--index-strategy", self.options.strategy]
            if self.request.exclude_newer_ms is not None:
                command += ["--exclude-newer", moment(self.request.exclude_newer_ms)]
            if self.request.offline:
                command.append("--offline")
        else:
            command = [str(python), "-m", "pip", "install", "--quiet", "--no-input", "-r", str(listed)]
            command += ["--no-index"] if self.request.offline else []
        self.run(command, place, f"what the build of {name} needs could not be installed")

    def _config(self, place: Path) -> Path:
        path = place / "uv.toml"
        write_private(path, self._configured)
        return path

    def run(self, command: list[str], cwd: Path, failed: str, *, seconds: float = _STEP_SECONDS) -> None:
        """Run a program; raises BuildError that begins with *failed* and shows the end of what it printed."""
        try:
            finished = self.runner.run(command, env=self.environ, cwd=cwd, timeout_seconds=seconds)
        except OSError as error:
            raise BuildError(f"{failed}: {without_credentials_in_text(str(error))}.") from None
        if finished.returncode != 0:
            told = [line for line in (finished.stdout + finished.stderr).splitlines() if line.strip()]
            shown = [visible(self.without_secrets(line)) for line in told[-_LINES_SHOWN:]]
            raise BuildError(f"{failed} (exit code {finished.returncode}).", explanation=shown)

    def without_secrets(self, text: str) -> str:
        """*text* without the logins of indexes."""
        for index in self.options.all_indexes:
            for secret in (index.password, index.user if index.password is None else None):
                text = text.replace(secret, "***") if secret else text
        return without_credentials_in_text(text)


def build_in_isolation(
    source: PypiSource, project: Path, place: Path, workshop: Workshop, settings: tuple[str, ...]
) -> Path:
    """Build the wheel of the project in *project*; the path of the wheel, in a folder of its own below *place*.

    *settings* are ``KEY=VALUE`` for the backend. Raises BuildError with the end of the output, DataError for a
    ``pyproject.toml`` that cannot be read.
    """
    place.mkdir(parents=True)
    system = _build_system(project, source.name)
    python = workshop.make_environment(place / "env", source.name)
    workshop.install(system["requires"], python, place, source.name)
    kind = "editable" if source.editable else "wheel"
    backend = _Backend(source.name, system, project, python, place, workshop, _settings(settings))
    more = backend.call(f"get_requires_for_build_{kind}", [])
    workshop.install(more or [], python, place, source.name)
    out = place / "out"
    out.mkdir()
    name = backend.call(f"build_{kind}", [str(out)])
    if name is None:
        raise BuildError(
            f"{source.name} cannot be editable: its backend {system['build-backend']} has no such builds.",
            hint="Install it without -e.",
        )
    wheel = out / Path(str(name)).name
    if not wheel.is_file():
        raise BuildError(f"the build of {source.name} said that it made {name}, which is not there.")
    return wheel


class _Backend:
    def __init__(
        self,
        name: str,
        system: Mapping[str, Any],
        project: Path,
        python: Path,
        place: Path,
        workshop: Workshop,
        settings: Mapping[str, Any],
    ) -> None:
        self._name = name
        self._system = system
        self._project = project
        self._python = python
        self._place = place
        self._workshop = workshop
        self._settings = settings

    def call(self, hook: str, arguments: list[str]) -> Any:
        """What the backend's *hook* answers; None where it has none (PEP 517 leaves some out)."""
        task, answer = self._place / f"{hook}.json", self._place / f"{hook}-answer.json"
        task.write_text(
            json.dumps(
                {
                    "backend": self._system["build-backend"],
                    "path": [str(self._project / each) for each in self._system.get("backend-path", [])],
                    "hook": hook,
                    "arguments": arguments,
                    "settings": self._settings or None,
                }
            ),
            encoding="utf-8",
        )
        self._workshop.run(
            [str(self._python), "-c", _BACKEND_CALL, str(task), str(answer)],
            self._project,
            f"{self._name} could not be built",
            seconds=_BUILD_SECONDS,
        )
        try:
            told = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise BuildError(f"the build backend of {self._name} gave no answer.") from None
        return None if told.get("missing") else told.get("value")


def _build_system(project: Path, name: str) -> dict[str, Any]:
    """The table ``[build-system]``, or what holds without one (PEP 517, "Source trees"; PEP 518)."""
    path = project / "pyproject.toml"
    if not path.is_file():
        if not (project / "setup.py").is_file():
            raise BuildError(f"{name} has neither pyproject.toml nor setup.py in {project}.")
        return _LEGACY
    from msgspec import DecodeError, toml

    try:
        document = toml.decode(path.read_text(encoding="utf-8"))
    except (DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{name}: pyproject.toml cannot be read: {error}.") from None
    system = document.get("build-system")
    if system is None:
        return _LEGACY
    if not isinstance(system, dict) or not isinstance(system.get("requires"), list):
        raise DataError(f"{name}: [build-system] of pyproject.toml needs the list `requires` (PEP 518).")
    return {**({} if "build-backend" in system else {"build-backend": _LEGACY["build-backend"]}), **system}


def _settings(texts: tuple[str, ...]) -> dict[str, Any]:
    """``KEY=VALUE`` of the items; a key that comes again makes a list, as pip has it."""
    found: dict[str, Any] = {}
    for text in texts:
        key, _, value = text.partition("=")
        old = found.get(key)
        found[key] = value if old is None else [*(old if isinstance(old, list) else [old]), value]
    return found
