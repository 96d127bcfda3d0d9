"""A small world in which changes of environments are harmed: a channel, an environment, every kind of change.

`Forks` runs commands in forks of one loaded envmgr (``tests/prefix/fork_server.py``); `World` puts the environment
back to what it was, and tells whether it is the old, the new, or neither.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from envmgr.prefix.generation import FOLDER as GENERATIONS
from tests.builders import Pkg, link, make_channel, pkg, script

ROOT = Path(__file__).resolve().parents[1]
HISTORY = "conda-meta/history"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}.0"


def packages() -> list[Pkg]:
    """What the channel has: updates, a contested path, symlinks, a noarch package with bytecode, link scripts."""
    lib = {"lib/common.txt": b"lib", "lib/data": b"l" * 40_000}
    return [
        pkg("app", "1.0", depends=["lib"], files={"bin/app": script("echo 1"), "share/app/1": b"1", "data": b"f"}),
        pkg("app", "2.0", depends=["lib >=2"], files={"bin/app": script("echo 2"), "data/is/folder": b"2"}),
        pkg("lib", "1.0", files={"lib/lib.so.1": b"one", "lib/lib.so": link("lib.so.1"), **lib}),
        pkg("lib", "2.0", files={"lib/lib.so.2": b"two", "lib/lib.so": link("lib.so.2"), **lib}),
        pkg("other", "1.0", files={"lib/common.txt": b"other", "other/deep/down": b"o"}),
        pkg("more", "1.0", files={f"more/{number}": str(number).encode() for number in range(12)}),
        pkg("python", VERSION, files={"bin/python": script(f'exec "{sys.executable}" "$@"')}),
        pkg(
            "pure", "1.0", noarch="python", depends=["python"], entry_points=("pure = pure.main:run",),
            files={"site-packages/pure/__init__.py": b"A = 1\n", "site-packages/pure/main.py": b"B = 2\n"},
        ),
        pkg("new", "1.0", depends=["lib >=2"], files={"new/file": b"n" * 9_000}),
        pkg(
            "noisy", "1.0", depends=["new"],
            files={
                "bin/.noisy-post-link.sh": script('echo done > "$PREFIX/.messages.txt"'),
                "bin/.noisy-pre-unlink.sh": script("true"),
                "noisy/x": b"x",
            },
        ),
        pkg("failing", "1.0", depends=["new"], files={"bin/.failing-post-link.sh": script("exit 3")}),
    ]  # fmt: skip


CHANGES = {
    "create": ["app=2", "noisy", "pure"],
    "install": ["noisy", "pure"],
    "update": ["--all"],
    "remove": ["other", "app"],
    "rollback": ["1"],
    "repair": ["--repair"],
}
_COMMANDS = {"repair": "verify"}


@dataclass(frozen=True)
class Harm:
    """What is done to a command: a signal at call number ``die_at`` or ``after`` seconds, or options for strace."""

    die_at: int | None = None
    after: float | None = None
    signal: int = signal.SIGKILL
    strace: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ran:
    """How a command ended; ``code`` is negative for a signal."""

    code: int
    out: str
    err: str
    seconds: float
    calls: int
    trace: str

    @property
    def sentences(self) -> list[str]:
        """The lines that say how it failed."""
        return [line for line in self.err.splitlines() if line.startswith("envmgr: ")]


@dataclass(frozen=True)
class States:
    """The environment before and after a change (`World.snapshot`), and how that went."""

    old: dict[str, str]
    new: dict[str, str]
    done: Ran


class Forks:
    """One loaded envmgr that is forked for each command."""

    def __init__(self, folder: Path) -> None:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._server = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/prefix/fork_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            cwd=folder,
            text=True,
        )

    def run(self, words: list[str], environ: dict[str, str], harm: Harm | None = None) -> Ran:
        order = {"words": words, "environ": environ, **asdict(harm or Harm())}
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, f"the server ended: {self._server.poll()}"
        return Ran(**json.loads(answer))

    def close(self) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(timeout=30)


class World:
    """*base* has the channel and what is kept; the environment is *place*/env, the caches *cache*/root."""

    def __init__(
        self, base: Path, forks: Forks, place: Path | None = None, cache: Path | None = None
    ) -> None:
        self.base, self.forks = base, forks
        self.prefix = (place or base / "place") / "env"
        self.root = (cache or base / "cache") / "root"
        self.channel = base / "channel"
        if not self.channel.exists():
            make_channel(self.channel, packages())
        (base / "home").mkdir(exist_ok=True)
        self.environ = {"ENVMGR_ROOT": str(self.root), "HOME": str(base / "home")}

    def words(self, kind: str, *more: str) -> list[str]:
        """The command line of a kind of change."""
        source = ["--override-channels", "-c", str(self.channel)] if kind == "create" else []
        return [_COMMANDS.get(kind, kind), "-y", "-p", str(self.prefix), *source, *(more or CHANGES[kind])]

    def run(self, *words: str, harm: Harm | None = None) -> Ran:
        return self.forks.run(list(words), self.environ, harm)

    def change(self, kind: str, harm: Harm | None = None) -> Ran:
        return self.run(*self.words(kind), harm=harm)

    def look(self, harm: Harm | None = None) -> Ran:
        """The next command on the environment."""
        return self.run("list", "-p", str(self.prefix), "--json", harm=harm)

    def prepare(self) -> None:
        """Make the environment and the caches once, and keep copies of both."""
        self._done("create", *self.words("create", "app=1", "lib=1", "other", "python")[1:])
        self._done("install", *self.words("install", "more")[1:])
        (self.prefix / "mine.txt").write_text("the user's own")
        (self.prefix / "share/app/mine.txt").write_text("the user's own, among a package's")
        # The user wants newer ones from here on.
        for path in (self.prefix / "conda-meta").glob("*.json"):
            document = json.loads(path.read_bytes())
            if document.get("requested_specs"):
                document["requested_specs"] = [document["name"]]
                document["requested_spec"] = document["name"]
                path.write_text(json.dumps(document))
        _copy(self.prefix, self.base / "kept-env")
        self._done("install", "--download-only", *self.words("install", "noisy", "pure", "app=2")[1:])
        _copy(self.root, self.base / "kept-root")

    def _done(self, *words: str) -> None:
        done = self.run(*words)
        assert done.code == 0, done.err

    def restore(self, kind: str, *, cold: bool = False) -> None:
        """The environment as it is before a change of this kind; with *cold*, nothing is cached, either."""
        for folder in [self.prefix.parent, *([self.root] if cold else [])]:
            shutil.rmtree(folder, ignore_errors=True) if not os.path.ismount(folder) else _empty(folder)
        self.prefix.parent.mkdir(parents=True, exist_ok=True)
        if kind != "create":
            _copy(self.base / "kept-env", self.prefix)
        if kind == "repair":
            os.unlink(self.prefix / "lib/data")
            os.unlink(self.prefix / "bin/app")
            (self.prefix / "bin/app").write_text("not what it was")

    def snapshot(self) -> dict[str, str]:
        """Everything in the environment but the state of changes: kind, mode and content by path."""
        found = {}
        for parent, folders, names in os.walk(self.prefix):
            for name in [*names, *folders]:
                path = Path(parent) / name
                inside = str(path.relative_to(self.prefix))
                if _is_told_elsewhere(inside):
                    continue
                status = path.lstat()
                if stat.S_ISLNK(status.st_mode):
                    content = os.readlink(path)
                elif stat.S_ISREG(status.st_mode):
                    content = _content(path, inside)
                else:
                    content = "folder"
                found[inside] = f"{stat.S_IMODE(status.st_mode):o} {content}"
        return found

    def both_states(self, kind: str, *, cold: bool = False) -> States:
        """What the environment is before and after a change that nothing harms."""
        self.restore(kind, cold=cold)
        old = self.snapshot()
        done = self.change(kind)
        assert done.code == 0, done.err
        new = self.snapshot()
        assert new != old
        return States(old, new, done)

    def settle(self, kind: str, states: States, *, in_doubt: bool = False) -> str:
        """What the next command finds after a change was harmed, "old" or "new"; no third is accepted.

        The same change once more then leads to the new one, and nothing is left lying about. *in_doubt* are the
        records and the past, where some of that could not be read for a moment; then `verify` judges them.
        """
        told = records_apart if in_doubt else dict[str, str]
        looked = self.look()
        found = told(self.snapshot())
        state = "new" if found == told(states.new) else "old"
        if kind == "create" and state == "old":
            assert looked.code == 1, difference(found, states.new)
            assert re.search("there is no environment at|is not an environment", looked.out), looked.out
        else:
            assert looked.code == 0, looked.out + looked.err
            assert state == "new" or found == told(states.old), difference(found, states.new)
        if state == "old" or kind != "create":
            again = self.change(kind) if state == "old" else self.run(*self.words("update", "python"))
            assert again.code == 0, f"{again.code} after {again.seconds:.0f} s: {again.out}{again.err}"
            assert told(self.snapshot()) == told(states.new), difference(self.snapshot(), states.new)
        assert not in_doubt or kind == "create" or self.run("verify", "-p", str(self.prefix)).code == 0
        left = self.left_over()
        assert left == [], left
        return state

    def left_over(self) -> list[str]:
        """What changes and creations left lying about."""
        beside = [path.name for path in self.prefix.parent.iterdir() if path.name.startswith(".env.")]
        inside = [path.name for path in (self.prefix / "conda-meta/envmgr").glob("*")]
        inside += [path.name for path in (self.prefix / "conda-meta").glob(".*")]
        inside += [path.name for path in (self.prefix / "conda-meta/envmgr/activate").glob(".*")]
        return sorted({*beside, *inside} - {"generations", "activate"})

    def work_areas(self) -> list[str]:
        """What fetching packages left in the cache."""
        return sorted(path.name for path in self.root.glob("pkgs/.envmgr-work-*"))

    def spoilt_packages(self) -> list[str]:
        """Unpacked packages in the cache that are not, byte for byte, what they should be."""
        spoilt = []
        for folder in (self.root / "pkgs").glob("[!.]*-*-*"):
            if folder.is_dir() and (folder / "info/repodata_record.json").exists():
                good = self.base / "kept-root/pkgs" / folder.name
                if _tree(folder) != _tree(good):
                    spoilt.append(folder.name)
            elif folder.is_dir():
                spoilt.append(folder.name)
        return spoilt


def difference(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """The paths that differ, for the eyes of who reads a failure."""
    paths = {path for path, _ in set(found.items()) ^ set(wanted.items())}
    return [f"{path}: {found.get(path, '')[:60]} / {wanted.get(path, '')[:60]}" for path in sorted(paths)]


def records_apart(found: dict[str, str]) -> dict[str, str]:
    """*found* without what the environment knows about itself."""
    return {path: each for path, each in found.items() if not path.startswith("conda-meta/")}


def _is_told_elsewhere(inside: str) -> bool:
    if inside.startswith("conda-meta/envmgr"):
        return not inside.startswith(f"{GENERATIONS}/")
    return inside.endswith("__pycache__") or inside == ".messages.txt"


def _content(path: Path, inside: str) -> str:
    if re.fullmatch(rf"{GENERATIONS}/\d+\.json", inside):
        document = json.loads(path.read_bytes())
        return str([package["fn"] for package in document["packages"]])
    if inside == HISTORY:
        return re.sub(r"==> .* <==", "==> <==", path.read_text())
    if inside.endswith(".pyc"):
        return "bytecode"
    if re.fullmatch(r"conda-meta/[^/]+\.json", inside):
        # Whether the archive was kept, and files could be shared, may have changed for good reason.
        return str(
            {**json.loads(path.read_bytes()), "package_tarball_full_path": "", "license": "", "link": ""}
        )
    return path.read_bytes().hex()


def _tree(folder: Path) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for path in folder.rglob("*"):
        inside = str(path.relative_to(folder))
        if path.is_symlink():
            found[inside] = os.readlink(path)
        elif inside == "info/repodata_record.json":
            found[inside] = str(json.loads(path.read_bytes())["sha256"])
        elif path.is_file():
            found[inside] = path.read_bytes()
    return found


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
