"""Some of a crowd that makes and changes environments over one cache: run commands, are killed in some, tell all.

``crowd_member.py FOLDER MEMBERS COMMANDS KILLS URL...``: each of the MEMBERS, numbers, is a process with a home in
FOLDER; KILLS is the share of commands that SIGKILL ends at a random moment, each URL a channel. Every command is a
fork, so that all of envmgr is loaded once. For each, a line of JSON in ``FOLDER/NUMBER/log`` says how it ended; at
the end every environment is looked at, which recovers it, and is verified.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import random
import signal
import sys
import time
from pathlib import Path

import envmgr
from envmgr.cli.main import run_command_line
from envmgr.prefix.marker import MARKER
from tests.packages.crowd_names import NAMES

ENVIRONMENTS = 2
_LIMIT_SECONDS = 120.0


def main() -> None:
    for module in pkgutil.walk_packages(envmgr.__path__, "envmgr."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    os.umask(0o002)
    children = []
    for number in sys.argv[2].split(","):
        child = os.fork()
        if child == 0:
            Member(Path(sys.argv[1]) / number).live(number)
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(max(map(abs, codes)))


class Member:
    """One process with two environments."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        self.places = [home / f"env-{at}" for at in range(ENVIRONMENTS)]
        self.log = open(home / "log", "w")  # noqa: SIM115
        os.environ |= {"HOME": str(home), "ENVMGR_ROOT": str(home / "root"), "XDG_CONFIG_HOME": str(home)}

    def live(self, seed: str) -> None:
        chance = random.Random(f"{seed} of {sys.argv[3]}")
        kills, urls = float(sys.argv[4]), sys.argv[5:]
        for _ in range(int(sys.argv[3])):
            place = chance.choice(self.places)
            if any((place / f"conda-meta/envmgr/{name}.json").exists() for name in ("journal", "undo")):
                self.run(["list", "-p", str(place)], None)  # It ends what a kill interrupted.
            words = choose(chance, place, chance.choice(urls))
            self.run(words, chance.uniform(0, 0.3) if chance.random() < kills else None)
        for place in self.places:
            if is_environment(place) and self.run(["list", "-p", str(place)], None) == 0:
                self.run(["verify", "-p", str(place)], None)
        self.run(["clean", "--tempfiles", "-y"], None)

    def run(self, words: list[str], kill_after: float | None) -> int:
        """The exit code of a command; -9 where it was killed."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            os.dup2(write, 1)
            os.dup2(write, 2)
            os._exit(run_command_line(words))
        os.close(write)
        limit = time.monotonic() + (kill_after if kill_after is not None else _LIMIT_SECONDS)
        status = None
        while status is None and time.monotonic() < limit:
            ended, found = os.waitpid(child, os.WNOHANG)
            status = found if ended else None
            time.sleep(0.003)
        if status is None:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        with os.fdopen(read, errors="replace") as pipe:
            said = pipe.read()
        code = os.waitstatus_to_exitcode(status)
        was_killed = code == -9 and kill_after is not None
        self.log.write(json.dumps({"words": words, "code": code, "killed": was_killed, "said": said}) + "\n")
        self.log.flush()
        return code


def is_environment(place: Path) -> bool:
    """Whether a creation came to its end there; one that was killed at the last moment left its marker."""
    return (place / "conda-meta/history").exists() and not (place / MARKER).exists()


def choose(chance: random.Random, place: Path, url: str) -> list[str]:
    """A command that must succeed, but for a cleaning of a cache that is in use."""
    options = ["-y", "-q", "-p", str(place)]
    channel = ["--override-channels", "-c", url]
    specs = [
        f"{name}={chance.choice('123')}" if chance.random() < 0.5 else name
        for name in chance.sample(NAMES, chance.randint(1, 4))
    ]
    kind = chance.choice(["install", "install", "update", "remove", "end", "clean"])
    here = [path.name.split("-")[0] for path in (place / "conda-meta").glob("p*.json")]
    if kind == "clean":
        return ["clean", "-p", "-t", "-y"]
    if not is_environment(place):
        return ["create", *options, *channel, *specs]
    if kind == "remove" and here:
        return ["remove", *options, chance.choice(here)]
    if kind == "update" and here:
        return ["update", *options, *channel, "--all"]
    if kind == "end":
        return ["remove", *options, "--all"]
    return ["install", *options, *channel, *specs]


main()
