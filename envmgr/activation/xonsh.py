"""Activation in xonsh, 0.12 or newer: plain Python that works on the shell's own variables.

Scripts for xonsh (``.xsh``) are run by it. All others that a package brings are for POSIX shells (``.sh``, on
Windows ``.bat``): another process runs them first, and what they set is taken over. The prompt is left alone,
because that of xonsh shows CONDA_DEFAULT_ENV by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.activation.facts import Environment

SUFFIX = ".xsh"
REFUSAL = "raise RuntimeError('envmgr: nothing was activated')\n"

_LIBRARY = r"""
def _envmgr_load():
    import os
    import subprocess
    import sys
    from xonsh.built_ins import XSH

    env = XSH.env

    def text(name):
        return env.detype().get(name) if name in env else None

    def put(name, value):
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value

    def keep(names, to):
        for name in names.split():
            put(to + name, text(name))

    def give_back(names, saved):
        for name in names.split():
            put(name, text(saved + name))
            put(saved + name, None)

    def run_elsewhere(scripts):
        variables = {name: value for name, value in env.detype().items() if isinstance(value, str)}
        if os.name == "nt":
            lines = "".join('call "%s"\r\n' % script for script in scripts) + "set\r\n"
            done = subprocess.run(["cmd", "/q", "/d"], input=lines, env=variables, capture_output=True, text=True)
            rows = done.stdout.splitlines()
        else:
            lines = "for script do . \"$script\"; done >&2; exec env -0"
            done = subprocess.run(
                ["/bin/sh", "-c", lines, "envmgr", *scripts], env=variables, stdout=subprocess.PIPE, text=True
            )
            rows = done.stdout.split("\0")
        after = dict(row.split("=", 1) for row in rows if "=" in row)
        if not after:
            return
        for name in {*variables, *after} - {"_", "SHLVL", "PWD", "OLDPWD"}:
            if variables.get(name) != after.get(name):
                put(name, after.get(name))

    def run(prefix, folder):
        place = os.path.join(prefix, "etc", "conda", folder)
        names = sorted(os.listdir(place)) if os.path.isdir(place) else []
        if folder == "deactivate.d":
            names.reverse()
        other = ".bat" if os.name == "nt" else ".sh"
        elsewhere = [os.path.join(place, name) for name in names if name.endswith(other)]
        if elsewhere:
            run_elsewhere(elsewhere)
        for name in names:
            if name.endswith(".xsh"):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    XSH.builtins.execx(file.read() + "\n", "exec", XSH.ctx, filename=name)

    def folders(prefix):
        if os.name != "nt":
            return [prefix + "/bin"]
        library = os.path.join(prefix, "Library")
        systems = [os.path.join(library, name) for name in ("ucrt64", "clang64", "mingw64", "clangarm64")]
        found = [prefix, *(os.path.join(each, "bin") for each in systems if os.path.isdir(each))][:2]
        found += [os.path.join(library, *words) for words in (("mingw-w64", "bin"), ("usr", "bin"), ("bin",))]
        return [*found, os.path.join(prefix, "Scripts"), os.path.join(prefix, "bin")]

    def change_path(old, new):
        path = (text("PATH") or "").split(os.pathsep) if text("PATH") else []
        at = 0
        for folder in folders(old) if old else []:
            if folder in path:
                at = path.index(folder)
                del path[at]
        path[at:at] = folders(new) if new else []
        env["PATH"] = os.pathsep.join(path)

    def level():
        number = text("CONDA_SHLVL") or ""
        return int(number) if text("CONDA_PREFIX") and number.isdigit() else 0

    def enter(prefix, values, stack=False):
        if not os.path.isfile(os.path.join(prefix, "conda-meta", "history")):
            print("envmgr: the environment at %s was moved or removed." % prefix, file=sys.stderr)
            return 1
        now = below = level()
        old = None
        if now:
            before, names = text("CONDA_PREFIX"), text("__ENVMGR_VARS_%d" % now) or ""
            if before == prefix:
                below, old = now - 1, prefix
                run(prefix, "deactivate.d")
                give_back(names, "__CONDA_SHLVL_%d_" % below)
            elif stack:
                put("CONDA_PREFIX_%d" % now, before)
                put("CONDA_STACKED_%d" % (now + 1), "true")
            else:
                old = before
                run(before, "deactivate.d")
                put("CONDA_PREFIX_%d" % now, before)
                keep(names, "__ENVMGR_KEPT_%d_" % now)
                give_back(names, "__CONDA_SHLVL_%d_" % (now - 1))
        change_path(old, prefix)
        keep(" ".join(values), "__CONDA_SHLVL_%d_" % below)
        for name, value in values.items():
            put(name, value)
        put("__ENVMGR_VARS_%d" % (below + 1), "".join(name + " " for name in values))
        put("CONDA_PREFIX", prefix)
        put("CONDA_SHLVL", str(below + 1))
        run(prefix, "activate.d")
        return 0

    def leave(names=""):
        now = level()
        if not now:
            return 0
        below, old = now - 1, text("CONDA_PREFIX")
        run(old, "deactivate.d")
        listed = text("__ENVMGR_VARS_%d" % now) or names + "CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER"
        give_back(listed, "__CONDA_SHLVL_%d_" % below)
        put("__ENVMGR_VARS_%d" % now, None)
        new, stacked = text("CONDA_PREFIX_%d" % below), text("CONDA_STACKED_%d" % now)
        put("CONDA_PREFIX_%d" % below, None)
        put("CONDA_STACKED_%d" % now, None)
        put("CONDA_PREFIX", new)
        put("CONDA_SHLVL", str(below if new else 0))
        change_path(old, None if stacked else new)
        if new and not stacked:
            kept = text("__ENVMGR_VARS_%d" % below) or ""
            keep(kept, "__CONDA_SHLVL_%d_" % (below - 1))
            give_back(kept, "__ENVMGR_KEPT_%d_" % below)
        if new and text("CONDA_DEFAULT_ENV") is None:
            parent, last = os.path.split(new)
            put("CONDA_DEFAULT_ENV", last if os.path.basename(parent) == "envs" else new)
            put("CONDA_PROMPT_MODIFIER", "(%s) " % text("CONDA_DEFAULT_ENV"))
        if new and not stacked:
            run(new, "activate.d")
        return 0

    def execute(code):
        scope = dict(XSH.ctx)
        XSH.builtins.execx(code, "exec", scope, filename="<envmgr>")
        return scope.get("_envmgr_status", 0)

    def envmgr(words):
        known = _envmgr_program and (os.path.exists(_envmgr_program[0]))
        command = [*(_envmgr_program if known else ["envmgr"])]
        variables = env.detype()
        first = words[0] if words else ""
        if first == "activate" and not {"-h", "--help"} & set(words):
            asked = [*command, "shell-hook", "xonsh", "--activate", *words[1:]]
            done = subprocess.run(asked, env=variables, stdout=subprocess.PIPE, text=True)
            return execute(done.stdout) if done.returncode == 0 else done.returncode
        if words == ["deactivate"]:
            return leave()
        code = subprocess.run([*command, *words], env=variables).returncode
        changing = ("install", "update", "upgrade", "remove", "uninstall", "rollback", "env")
        if code == 0 and first in changing and text("CONDA_PREFIX"):
            script = os.path.join(text("CONDA_PREFIX"), "conda-meta", "envmgr", "activate", "activate.xsh")
            if os.path.isfile(script):
                with open(script, encoding="utf-8") as file:
                    execute(file.read())
            elif not os.path.isdir(text("CONDA_PREFIX")):
                leave()
        return code

    XSH.aliases["envmgr"] = envmgr
    return enter, leave

"""


def hook(program: Sequence[str]) -> str:
    """The alias ``envmgr``; *program* is the command that runs envmgr, none for the one on PATH."""
    return f"_envmgr_program = {list(program)!r}\n{_LIBRARY}\n_envmgr_enter, _envmgr_leave = _envmgr_load()\n"


def activate(environment: Environment, program: Sequence[str] = (), *, stack: bool = False) -> str:
    """The text that activates *environment*; it sets ``_envmgr_status`` to 1 where the environment is gone."""
    values = {name: str(value) for name, value in environment.assignments.items()}
    call = f"_envmgr_enter({environment.prefix!r}, {values!r}, stack={stack!r})"
    return f"{hook(program)}_envmgr_status = {call}\n"


def deactivate(names: str, program: Sequence[str] = ()) -> str:
    """The text that deactivates what is active; *names* are its variables, if others activated it."""
    return f"{hook(program)}_envmgr_status = _envmgr_leave({names!r})\n"
