"""Kills changes of a prefix at every step, one process for each, and checks what recovery makes of it.

``kill_driver.py FOLDER COMMAND STEP...``: FOLDER has ``old`` (the prefix before, complete), ``env`` (its place),
``root`` and ``channel``. The steps are the numbers of the system's calls at which the change dies; without any, the
change runs to its end, and the number of calls is printed. All of envmgr is loaded once; each change is a fork.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import sys
from pathlib import Path

from envmgr.cli.main import run_command_line
from envmgr.prefix.generation import FOLDER as GENERATIONS
from envmgr.prefix.installed import WHEELS

_CALLS = {"os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "open"}


def main() -> None:
    folder = Path(sys.argv[1])
    command = json.loads(sys.argv[2])
    os.environ["ENVMGR_ROOT"], os.environ["HOME"] = str(folder / "root"), str(folder / "home")
    prefix = folder / "env"
    restore(folder)
    went_well, calls = in_fork(command, None)
    new = snapshot(prefix)
    restore(folder)
    old = snapshot(prefix)
    say(calls=calls, went_well=went_well, differs=old != new)
    look = ["list", "-p", str(prefix), "--json"]
    for step in map(int, sys.argv[3:]):
        restore(folder)
        in_fork(command, step)
        if step % 3 == 0 and os.path.exists(prefix / "conda-meta/envmgr/journal.json"):
            in_fork(look, 4 + step % 7)  # Recovery is killed, too.
        went_well, _ = in_fork(look, None)
        found = snapshot(prefix)
        state = "old" if found == old else "new" if found == new else "broken"
        in_fork(["install", "-y", "-p", str(prefix), "app"], None)  # There is nothing to do but to clear up.
        places = (
            (prefix / "conda-meta/envmgr").glob("*"),
            (prefix / "conda-meta/envmgr/activate").glob(".*"),
        )
        left = sorted(path.name for place in places for path in place)
        difference = sorted(map(str, set(found.items()) ^ set(new.items()))) if state == "broken" else []
        say(step=step, state=state, went_well=went_well, left=left, difference=difference)


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def restore(folder: Path) -> None:
    shutil.rmtree(folder / "env", ignore_errors=True)
    shutil.copytree(folder / "old", folder / "env", symlinks=True)


def in_fork(command: list[str], die_at: int | None) -> tuple[bool, int]:
    """Run *command* in a fork that dies at call number *die_at*; whether it went well, and the number of calls."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        count = 0

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal count
            if event not in _CALLS or (
                event == "open" and not str(arguments[1] or "").startswith(("w", "a", "x"))
            ):
                return
            count += 1
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        code = run_command_line(command)
        os.write(write, f"{code} {count}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    code, _, count = text.partition(" ")
    return code == "0", int(count or 0)


def snapshot(prefix: Path) -> dict[str, str]:
    """Everything in the prefix but the state of changes: kind, mode and content by path."""
    found = {}
    for parent, folders, names in os.walk(prefix):
        for name in [*names, *folders]:
            path = Path(parent) / name
            inside = str(path.relative_to(prefix))
            known = (f"{GENERATIONS}/", f"conda-meta/{WHEELS}/")
            if inside.startswith("conda-meta/envmgr") and not inside.startswith(known):
                continue
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                content = path.read_bytes().hex()
                if "generations" in inside or inside == "conda-meta/history":
                    content = "is there" if inside != "conda-meta/history" else str(content.count("3d3d3e20"))
            else:
                content = "folder"
            found[inside] = f"{stat.S_IMODE(status.st_mode):o} {content}"
    return found


main()
