"""Runs the link scripts of packages (CEP 34, "Pre- and post-link/unlink scripts").

Like conda, a post-link or pre-unlink script is sourced by bash in the activated environment, a pre-link
script runs by itself from the unpacked package. What scripts leave in ``.messages.txt`` is collected.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import PrefixError
from envmgr.prefix.paths import link_script
from envmgr.prefix.store import PrefixStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ports import Runner

_MOST_LINES = 20


class ScriptRunner(Struct, frozen=True):
    """Runs scripts for the environment at *prefix*, whose packages are for *subdir*.

    *environ* is the process's environment; *root_prefix* becomes ROOT_PREFIX, "" for none.
    """

    runner: Runner
    prefix: Path
    subdir: str
    environ: Mapping[str, str]
    root_prefix: str = ""

    def run(self, record: PackageRecord, action: str, folder: Path | None = None) -> str:
        """Run the script of *record* for *action*, if it has one; its messages, "" for none.

        *folder* is the unpacked package, for pre-link. Raises PrefixError with its output when it fails.
        """
        if record.is_pypi:
            return ""
        script = (folder or self.prefix) / link_script(record.name, action, self.subdir)
        if not script.is_file():
            return ""
        try:
            finished = self.runner.run(
                self._command(script, activated=action != "pre-link"),
                env=self._variables(record, script),
                cwd=script.parent,
            )
        finally:
            messages = self._take_messages()
        if finished.returncode != 0:
            output = "\n".join(
                (finished.stdout + finished.stderr + messages).strip().splitlines()[-_MOST_LINES:]
            )
            said = f": {output.splitlines()[-1]}" if output else "."
            code = finished.returncode
            raise PrefixError(
                f"the {action} script of {record.dist_name} failed with exit code {code}{said}",
                package=record.dist_name,
                script=script.name,
                output=output,
            )
        return messages

    def _command(self, script: Path, *, activated: bool) -> list[str]:
        if self.subdir.startswith("win-"):
            return [self.environ.get("COMSPEC", "cmd.exe"), "/d", "/c", str(script)]
        import shlex
        import shutil

        shell = shutil.which("bash", path=self.environ.get("PATH", os.defpath)) or "/bin/sh"
        if not activated:
            return [shell, str(script)]
        # A script may say "return" at its top level, because conda sources it.
        sourced = [*PrefixStore(self.prefix).activation_scripts(), script]
        return [shell, "-c", "\n".join(f". {shlex.quote(str(path))}" for path in sourced)]

    def _variables(self, record: PackageRecord, script: Path) -> dict[str, str]:
        prefix = str(self.prefix)
        path = self.environ.get("PATH", os.defpath)
        if script.parent != self.prefix / script.parent.name:
            path = f"{prefix}/{script.parent.name}{os.pathsep}{path}"
        return {
            **self.environ,
            **PrefixStore(self.prefix).environment_variables(),
            "CONDA_PREFIX": prefix,
            "CONDA_DEFAULT_ENV": prefix,
            "ROOT_PREFIX": self.root_prefix,
            "PREFIX": prefix,
            "SOURCE_DIR": prefix,
            "PKG_NAME": record.name,
            "PKG_VERSION": record.version,
            "PKG_BUILDNUM": str(record.build_number),
            "PATH": f"{script.parent}{os.pathsep}{path}",
        }

    def _take_messages(self) -> str:
        path = self.prefix / ".messages.txt"
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
