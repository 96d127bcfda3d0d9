"""Real shells, each with its own way to say what the cases in `test_shells` say, and to show what came of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.activation import csh, fish, nushell, posix, xonsh
from envmgr.activation.facts import Environment, prompt_modifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READY = "conda-meta/envmgr/activate"


@dataclass(frozen=True)
class Shell:
    """A shell: how it is started, the suffix of its scripts, and whether a prompt can be asked for."""

    name: str
    command: tuple[str, ...]
    suffix: str = "sh"
    has_prompt: bool = True
    script_suffix: str = ""

    @property
    def program(self) -> str | None:
        """The program's path, None where it is not installed."""
        beside = Path(sys.executable).with_name(self.command[0])
        return shutil.which(self.command[0]) or shutil.which(beside)

    def start(self) -> str:
        """Text before everything else."""
        return "PS1='$ '\n"

    def hinder(self) -> str:
        """Text that puts options, aliases and functions in the way, as users have them; "" where there is none."""
        names = ("unset", "test", "[", "printf", "set", "eval", "return", "shift", "envmgr")
        text = "cd() { exit 9; }\nset -euf\nIFS=/e\n"
        if self.name == "bash":
            text += "shopt -s failglob expand_aliases\n"
        if self.name == "zsh":
            text += "setopt ksharrays noglob\n"
        # ksh takes the bracket for the index of an array.
        return text + "".join(f"alias {each}=false\n" for each in names if each != "[" or self.name != "ksh")

    def source(self, script: Path) -> str:
        return f". {posix.quote(str(script))}\n"

    def deactivate(self) -> str:
        return "envmgr deactivate\n"

    def assign(self, name: str, value: str) -> str:
        return f"{name}={posix.quote(value)}; export {name}\n"

    def forget(self, name: str) -> str:
        return f"unset {name}\n"

    def show(self, file: Path) -> str:
        """Text that writes the environment, and the prompt as the variable SHOWN, to *file*."""
        return f'/usr/bin/env SHOWN="${{PS1-}}" /usr/bin/env -0 > {posix.quote(str(file))}\n'

    def remember(self, word: str) -> str:
        """A package's script that appends *word* to SEEN, and then fails as careless scripts do."""
        return f'export SEEN="$SEEN {word}"\n: $NO_SUCH_VARIABLE\nfalse\n'

    def write(self, environment: Environment, *, stack: bool = False) -> Path:
        """The ready script of *environment*."""
        ready = Path(environment.prefix) / READY
        ready.mkdir(parents=True, exist_ok=True)
        script = ready / f"{'stack' if stack else 'activate'}.{self.suffix}"
        script.write_text(self.text(environment, stack=stack))
        return script

    def text(self, environment: Environment, *, stack: bool) -> str:
        return posix.activate(environment, stack=stack)

    def run(self, text: str, folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        script = folder / f"steps.{self.suffix}"
        script.write_text(text)
        return subprocess.run(
            [str(self.program), *self.command[1:], str(script)],
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


class Fish(Shell):
    def hinder(self) -> str:
        return "function cd\n    exit 9\nend\nset -g IFS /\n"

    def start(self) -> str:
        return "function fish_prompt\n    echo -n '$ '\nend\n"

    def source(self, script: Path) -> str:
        return f"source {fish.quote(str(script))}\n"

    def assign(self, name: str, value: str) -> str:
        return f"set -gx {name} {fish.quote(value)}\n"

    def forget(self, name: str) -> str:
        return f"set -e {name}\n"

    def show(self, file: Path) -> str:
        prompt = "(fish_prompt | string collect --no-trim-newlines)"
        return f"/usr/bin/env SHOWN={prompt} /usr/bin/env -0 > {fish.quote(str(file))}\n"

    def remember(self, word: str) -> str:
        return f"set -gx SEEN $SEEN' {word}'\nfalse\n"

    def text(self, environment: Environment, *, stack: bool) -> str:
        return fish.activate(environment, stack=stack)


class Csh(Shell):
    def hinder(self) -> str:
        return "set noglob\nalias cd exit 9\n"

    def start(self) -> str:
        return "set prompt = '$ '\n"

    def source(self, script: Path) -> str:
        return f"source {csh.quote(str(script))} {script.stem}\n"

    def assign(self, name: str, value: str) -> str:
        return f"setenv {name} {csh.quote(value)}\n"

    def forget(self, name: str) -> str:
        return f"unsetenv {name}\n"

    def show(self, file: Path) -> str:
        return f'/usr/bin/env SHOWN="$prompt:q" /usr/bin/env -0 > {csh.quote(str(file))}\n'

    def remember(self, word: str) -> str:
        return f'setenv SEEN "$SEEN:q {word}"\nfalse\n'

    def text(self, environment: Environment, *, stack: bool) -> str:
        library = Path(environment.prefix) / READY / "envmgr.csh"
        library.write_text(csh.hook((), str(library)))
        return csh.activate(environment, str(library))


class Xonsh(Shell):
    def hinder(self) -> str:
        return ""

    def start(self) -> str:
        return ""

    def source(self, script: Path) -> str:
        return f"source @({str(script)!r})\n"

    def assign(self, name: str, value: str) -> str:
        return f"${name} = {value!r}\n"

    def forget(self, name: str) -> str:
        return f"del ${name}\n"

    def show(self, file: Path) -> str:
        return f"/usr/bin/env -0 > @({str(file)!r})\n"

    def remember(self, word: str) -> str:
        return f"$SEEN = $SEEN + ' {word}'\n"

    def text(self, environment: Environment, *, stack: bool) -> str:
        return xonsh.activate(environment, stack=stack)


class Nushell(Shell):
    def hinder(self) -> str:
        return ""

    def start(self) -> str:
        return "$env.PROMPT_COMMAND = {|| '$ '}\n"

    def source(self, script: Path) -> str:
        return f"source {nushell.quote(str(script))}\n"

    def assign(self, name: str, value: str) -> str:
        return f"$env.{name} = {nushell.quote(value)}\n"

    def forget(self, name: str) -> str:
        return f"hide-env {name}\n"

    def show(self, file: Path) -> str:
        return (
            "with-env {SHOWN: (do $env.PROMPT_COMMAND)} "
            f"{{ ^/usr/bin/env -0 | save --raw --force {nushell.quote(str(file))} }}\n"
        )

    def text(self, environment: Environment, *, stack: bool) -> str:
        return nushell.activate(environment, stack=stack)


SHELLS: Sequence[Shell] = (
    Shell("bash", ("bash", "--norc")),
    Shell("bash-posix", ("bash", "--norc", "--posix")),
    Shell("zsh", ("zsh", "-f")),
    Shell("dash", ("dash",)),
    Shell("busybox", ("busybox", "ash")),
    Shell("ksh", ("ksh93",)),
    Shell("mksh", ("mksh",)),
    Fish("fish", ("fish", "--no-config"), "fish"),
    Csh("tcsh", ("tcsh", "-f"), "csh"),
    Xonsh("xonsh", ("xonsh", "--no-rc"), "xsh", has_prompt=False),
    Nushell("nushell", ("nu", "--no-config-file"), "nu", script_suffix="sh"),
)


def read_shown(file: Path) -> dict[str, str]:
    """What `Shell.show` wrote."""
    pairs = (entry.partition("=") for entry in os.fsdecode(file.read_bytes()).split("\0") if entry)
    return {name: value for name, _, value in pairs}


def make_environment(
    prefix: Path, shell: Shell, variables: Mapping[str, str] | None = None, scripts: Sequence[str] = ()
) -> Environment:
    """An environment with *scripts* that activate and deactivate, as another tool would have left it."""
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "conda-meta" / "history").touch()
    for action, sign in (("activate", "+"), ("deactivate", "-")):
        folder = prefix / "etc" / "conda" / f"{action}.d"
        folder.mkdir(parents=True)
        for script in scripts:
            (folder / f"{script}.{shell.script_suffix or shell.suffix}").write_text(
                shell.remember(sign + script)
            )
    modifier = prompt_modifier("({default_env}) ", name=prefix.name, prefix=str(prefix))
    return Environment(str(prefix), prefix.name, modifier, dict(variables or {}))
