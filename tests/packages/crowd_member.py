"""One of a crowd that makes and changes environments over one cache: runs commands, is killed in some, tells all.

``crowd_member.py FOLDER SEED COMMANDS KILLS URL...``: FOLDER is its home, KILLS the share of commands that SIGKILL
ends at a random moment, each URL a channel. Every command is a fork, so that all of envmgr is loaded once. For each
a line of JSON says how it ended; at the end every environment is looked at, which recovers it, and is verified.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from envmgr.cli.main import run_command_line
from tests.packages.crowd_names import NAMES

ENVIRONMENTS = 2
_LIMIT_SECONDS = 120.0


def main() -> None:
    folder, chance = Path(sys.argv[1]), random.Random(sys.argv[2])
    commands, kills, urls = int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]
    os.umask(0o002)
    places = [folder / f"env-{at}" for at in range(ENVIRONMENTS)]
    for _ in range(commands):
        words = choose(chance, chance.choice(places), chance.choice(urls))
        run(words, chance.uniform(0, 0.3) if chance.random() < kills else None)
    for place in places:
        if (place / "conda-meta/history").exists() and run(["list", "-p", str(place)], None) == 0:
            run(["verify", "-p", str(place)], None)
    run(["clean", "--tempfiles", "-y"], None)


def choose(chance: random.Random, place: Path, url: str) -> list[str]:
    """A command that must succeed."""
    options = ["-y", "-q", "-p", str(place)]
    channel = ["--override-channels", "-c", url]
    specs = [
        f"{name}={chance.choice('123')}" if chance.random() < 0.5 else name
        for name in chance.sample(NAMES, chance.randint(1, 4))
    ]
    if not (place / "conda-meta/history").exists():
        return ["create", *options, *channel, *specs]
    here = [path.name.split("-")[0] for path in (place / "conda-meta").glob("p*.json")]
    kind = chance.choice(["install", "install", "update", "remove", "end", "create"])
    if kind == "remove" and here:
        return ["remove", *options, chance.choice(here)]
    if kind == "update" and here:
        return ["update", *options, *channel, "--all"]
    if kind == "end":
        return ["remove", *options, "--all"]
    return ["install", *options, *channel, *specs]


def run(words: list[str], kill_after: float | None) -> int:
    """The exit code of a command; -9 where it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
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
    print(json.dumps({"words": words, "code": code, "killed": was_killed, "said": said}), flush=True)
    return code


main()
