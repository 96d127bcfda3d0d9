"""Explains the state of an environment: what is wrong or worth knowing, why, and what to do about it.

Nothing is changed, not even an interrupted change ended: what is found is told as it is.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from envmgr.errors import PrefixError
from envmgr.models.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.verify import Verified
    from envmgr.prefix.check import Finding
    from envmgr.prefix.generation import Generations
    from envmgr.prefix.installed import InstalledPackage

Level = Literal["problem", "note"]

# What envmgr, conda, mamba and pixi keep beside the records.
_KNOWN_FILES = frozenset(
    {"history", "state", "frozen", "pinned", "envmgr", "pixi", "pixi_env_prefix", "created_at"}
)
_CAUSES = {
    "missing": "Something other than envmgr removed them.",
    "modified": "Something other than envmgr wrote to them.",
    "wrong-type": "Something other than envmgr replaced them.",
    "redirected": "Something other than envmgr changed where they lead.",
    "clobbered": "Another tool linked the packages in another order.",
    "unreadable": "Their permissions forbid it, or the disk fails.",
    "record": "A tool was interrupted while it wrote them, or they were edited.",
}
_WORDS = {
    "wrong-type": "replaced by something of another kind",
    "redirected": "leading elsewhere",
    "clobbered": "those of another package",
    "record": "records that cannot be read",
}


class Diagnosis(Struct, frozen=True):
    """One thing about an environment; a "problem" should be mended, a "note" be known.

    *kind* is a word for scripts, *text* a sentence, *cause* why it is so, and *remedy* what to do; None where
    nothing needs to be done. *facts* go to the JSON.
    """

    kind: str
    level: Level
    text: str
    cause: str | None = None
    remedy: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Checkup(Struct, frozen=True):
    """What was found at *prefix*, which holds so many *packages*; *generation* is the last one's number."""

    prefix: Path
    packages: int
    generation: int | None
    findings: tuple[Diagnosis, ...]

    @property
    def is_well(self) -> bool:
        """Whether there is no problem."""
        return all(finding.level == "note" for finding in self.findings)


def check_up(name: str | None, prefix: str | None, context: Context) -> Checkup:
    """Explain the environment; raises PrefixError where there is none."""
    from envmgr.ops.environments import locate
    from envmgr.prefix.marker import MARKER
    from envmgr.prefix.store import PrefixStore

    place = locate(name, prefix, context)
    store = PrefixStore(place)
    if os.path.lexists(place / MARKER):
        return Checkup(place, 0, None, (_creation(place),))
    if not store.is_environment():
        raise PrefixError(f"there is no environment at {place}.", prefix=str(place))
    packages, generations = store.readable_records().packages, store.generations()
    examined = _Examined(place, packages, generations, context)
    findings = [*examined.changes()]
    if not findings:
        # What is in the middle of a change differs from its records.
        findings += examined.damage()
    for examine in examined.examinations:
        findings += examine()
    last = generations.last
    return Checkup(place, len(packages), last.number if last is not None else None, tuple(findings))


def _creation(prefix: Path) -> Diagnosis:
    from envmgr.prefix.marker import is_abandoned

    try:
        is_abandoned(prefix)
    except PrefixError as error:
        return Diagnosis("creation", "note", str(error), None, error.hint or "Wait for it.")
    return Diagnosis(
        "creation",
        "problem",
        f"the creation of {prefix} was interrupted, so it is no environment.",
        "The process that made it was killed.",
        "Create it anew; what is there is removed then.",
    )


class _Examined(Struct):
    prefix: Path
    packages: Sequence[InstalledPackage]
    generations: Generations
    context: Context
    _verified: list[Verified] = field(default_factory=list)

    @property
    def examinations(self) -> tuple[Callable[[], Iterator[Diagnosis]], ...]:
        return (
            self.frozen,
            self.bad_generations,
            self.other_tools,
            self.moved,
            self.python,
            self.pip,
            self.cache,
            self.unknown_files,
            self.without_sums,
            self.saved,
        )

    def command(self, *words: str) -> str:
        return f"envmgr {words[0]} -p {shlex.quote(str(self.prefix))} {shlex.join(words[1:])}".rstrip()

    def changes(self) -> Iterator[Diagnosis]:
        """Who is changing the environment, and what nobody ended."""
        from envmgr.host.folder_lock import folder_locked
        from envmgr.prefix.claim import read_claims
        from envmgr.prefix.journal import FOLDER, is_pending, pending

        claims = read_claims(self.prefix)
        with folder_locked(self.prefix / FOLDER) as is_locked:
            is_held = is_locked is False
        for claim in claims:
            if claim.owner.is_alive():
                yield Diagnosis(
                    "lock",
                    "note",
                    f"it is being changed by {claim}.",
                    None,
                    "Wait for it.",
                    {"pid": claim.owner.pid},
                )
            else:
                yield Diagnosis(
                    "lock",
                    "note",
                    f"{claim}, on another machine, is changing it, or died while it did.",
                    "The file system is shared, and nobody can tell from here.",
                    f"If that machine is not at work on it, remove {claim.place}.",
                )
        if is_held and not claims:
            yield Diagnosis(
                "lock", "note", "it is being changed by an unknown process.", None, "Wait for it."
            )
        if is_held or claims or not is_pending(self.prefix):
            return
        try:
            found = pending(self.prefix)
        except PrefixError as error:
            yield Diagnosis(
                "journal", "problem", str(error), "It was damaged after it was written.", error.hint
            )
            return
        way = "taking back a change" if found is not None and found.backwards else "a change"
        yield Diagnosis(
            "journal",
            "problem",
            f"{way} was interrupted; files are between old and new.",
            "The process was killed, or the machine stopped.",
            f"Any command ends it, such as: {self.command('list')}",
        )

    def damage(self) -> Iterator[Diagnosis]:
        """Files that are not as the records say, by kind of damage."""
        found: dict[str, list[Finding]] = {}
        for finding in self.verified.findings:
            found.setdefault(finding.kind, []).append(finding)
        for kind, findings in found.items():
            names = sorted({finding.package for finding in findings})
            text = f"{_count(findings, 'file')} of {_some(names)} {_be(findings)} {_WORDS.get(kind, kind)}: "
            remedy = f"Check the permissions, then: {self.command('verify')}"
            if kind != "unreadable":
                remedy = self.command("verify", "--repair")
            yield Diagnosis(
                kind,
                "problem",
                text + _some([finding.path for finding in findings]) + ".",
                _CAUSES[kind],
                remedy,
                {"paths": [visible(finding.path) for finding in findings], "packages": names},
            )

    @property
    def verified(self) -> Verified:
        from envmgr.ops.verify import compare

        if not self._verified:
            self._verified.append(compare(self.prefix, fast=True))
        return self._verified[0]

    def frozen(self) -> Iterator[Diagnosis]:
        from envmgr.ops.change import frozen_message

        said = frozen_message(self.prefix)
        if said is not None:
            yield Diagnosis(
                "frozen",
                "note",
                f"it is frozen and not changed by any command{f': {said}' if said else '.'}",
                f"{self.prefix / 'conda-meta' / 'frozen'} says so (CEP 22).",
                "--override-frozen changes it all the same.",
            )

    def bad_generations(self) -> Iterator[Diagnosis]:
        for number, error in self.generations.damaged.items():
            yield Diagnosis(
                "generation",
                "problem",
                f"generation {number} cannot be read: {error}",
                "The file was damaged after it was written.",
                f"No other command needs it; envmgr rollback {number} is not possible. The file can be removed.",
                {"generation": number},
            )

    def other_tools(self) -> Iterator[Diagnosis]:
        last = self.generations.last
        if last is None:
            yield Diagnosis(
                "generations",
                "note",
                "it has no generations.",
                "Another tool made it.",
                "The next change notes one.",
            )
        elif not last.holds(package.record for package in self.packages):
            yield Diagnosis(
                "generations",
                "note",
                f"its packages are others than those of generation {last.number}.",
                "Another tool, such as conda, changed it since.",
                f"{self.command('history')} shows what; {self.command('rollback')} undoes it.",
            )

    def moved(self) -> Iterator[Diagnosis]:
        """Whether files know another place than the one where the environment is."""
        here = os.path.realpath(self.prefix)
        noted = {each.prefix: None for each in reversed(self.generations.known) if each.prefix}
        for before in noted or filter(None, [self._place_in_scripts()]):
            count = self._files_holding(before) if os.path.realpath(before) != here else 0
            if count:
                break
        else:
            return
        yield Diagnosis(
            "moved",
            "problem",
            f"it was made for {before}, and {count} of its files {'holds' if count == 1 else 'hold'} that path.",
            "The folder was moved or copied by hand.",
            f"Move it back, or mend it: {self.command('doctor', '--fix')}",
            {"recorded_prefix": before},
        )

    def _files_holding(self, place: str) -> int:
        """How many of the files that packages fitted to a place hold *place*."""
        from envmgr.prefix.installed import is_fitted
        from envmgr.prefix.placeholder import path_pattern

        wanted, count = path_pattern(place), 0
        for package in self.packages:
            for entry in package.paths:
                if not is_fitted(entry):
                    continue
                with contextlib.suppress(OSError):
                    count += wanted.search((self.prefix / entry["_path"]).read_bytes()) is not None
        return count

    def _place_in_scripts(self) -> str:
        """The prefix that the interpreter line of an entry point names; "" where there is none."""
        for package in self.packages:
            for entry in package.paths:
                if entry.get("path_type") != "unix_python_entry_point":
                    continue
                try:
                    with open(self.prefix / entry["_path"], "rb") as file:
                        line = file.readline(4096)
                except OSError:
                    continue
                program, _, tail = os.fsdecode(line[2:]).strip().rpartition("/bin/python")
                if line.startswith(b"#!/") and program and "/" not in tail:
                    return program
        return ""

    def python(self) -> Iterator[Diagnosis]:
        """Noarch Python packages without a Python, or for another one."""
        from envmgr.prefix.noarch import python_layout

        noarch = [package for package in self.packages if package.record.noarch_kind == "python"]
        python = next((each.record for each in self.packages if each.record.name == "python"), None)
        names = sorted(package.record.shown_name for package in noarch)
        if noarch and python is None:
            yield Diagnosis(
                "python",
                "problem",
                f"{_count(noarch, 'noarch Python package')} ({_some(names)}) without a python.",
                "Python was removed by force, or by another tool.",
                self.command("install", "python"),
                {"packages": names},
            )
            return
        if python is None:
            return
        try:
            folder = python_layout(python, self.context.settings.subdir).site_packages
        except PrefixError as error:
            yield Diagnosis("python", "problem", str(error))
            return
        lost = sorted(
            package.record.shown_name
            for package in noarch
            if any("/site-packages/" in path and not path.startswith(f"{folder}/") for path in package.files)
        )
        if lost:
            yield Diagnosis(
                "python",
                "problem",
                f"{_count(lost, 'package')} ({_some(lost)}) where python {python.version} does not look.",
                "Another tool changed python and not its packages.",
                self.command("install", "--force-reinstall", *lost),
                {"packages": lost},
            )

    def pip(self) -> Iterator[Diagnosis]:
        """What pip put beside the packages, or in their place."""
        from envmgr.models.wheel_name import normalized_name
        from envmgr.ops.list import foreign_distributions

        found = foreign_distributions(self.prefix, self.packages)
        replaced = {each.record.shown_name: each.record for each in self._stale}
        yield from self._replaced_wheels(replaced.values(), {each.name: each.version for each in found})
        packages = {normalized_name(each.record.shown_name): each.record for each in self.packages}
        for each in found:
            record = packages.get(each.name)
            if record is not None:
                yield Diagnosis(
                    "pip",
                    "problem",
                    f"{each.name} {each.version} was installed by pip over the package {record.dist_name}.",
                    "pip replaced files of a package that it knows nothing of.",
                    f"{self.command('run', 'pip', 'uninstall', each.name)}, then: "
                    f"{self.command('verify', '--repair')}",
                    {"package": record.shown_name, "version": each.version},
                )
        rest = [f"{each.name} {each.version}" for each in found if each.name not in {**packages, **replaced}]
        if rest:
            yield Diagnosis(
                "pip",
                "note",
                f"pip installed {_count(rest, 'distribution')}: {_some(rest)}.",
                "They are in no generation, and a solve does not know them.",
                f"{self.command('install', '--pypi', 'NAME')} takes one over, {self.command('remove', 'NAME')} "
                "takes it away.",
                {"distributions": rest},
            )

    @property
    def _stale(self) -> list[InstalledPackage]:
        from envmgr.prefix.store import PrefixStore

        return PrefixStore(self.prefix).stale_documents()

    def _replaced_wheels(self, gone: Iterable[PackageRecord], here: Mapping[str, str]) -> Iterator[Diagnosis]:
        """Wheels of ours that pip took away, or put others in the place of; *here* are pip's, by name."""
        last = self.generations.last
        back = None
        if last is not None:
            back = f"{self.command('rollback', str(last.number))} brings it back."
        for record in gone:
            name, now = record.shown_name, here.get(record.shown_name)
            yield Diagnosis(
                "pip",
                "problem",
                f"{name} {record.version} was {f'replaced by {now}' if now else 'removed'} behind envmgr's back.",
                "pip did it, or somebody else; envmgr's record of the package counts for nothing since.",
                back,
                {"package": name, "version": now, "recorded_version": record.version},
            )

    def cache(self) -> Iterator[Diagnosis]:
        """Whether files can be shared with the package cache."""
        folder = self.context.settings.pkgs_dirs[0]
        place = next((each for each in (folder, *folder.parents) if each.exists()), None)
        if place is None or place.stat().st_dev == self.prefix.stat().st_dev:
            return
        sizes = [int(entry.get("size_in_bytes") or 0) for each in self.packages for entry in each.paths]
        yield Diagnosis(
            "cache",
            "note",
            f"the package cache {folder} is on another file system, so files are copied and not linked: "
            f"{_count(sizes, 'file')} with {sum(sizes) / 1e6:.0f} MB more on the disk.",
            "Hard links do not reach over file systems.",
            "Set pkgs_dirs to a folder on the file system of the environments.",
            {"files": len(sizes), "bytes": sum(sizes)},
        )

    def unknown_files(self) -> Iterator[Diagnosis]:
        names = sorted(
            name
            for name in os.listdir(self.prefix / "conda-meta")
            if name not in _KNOWN_FILES and not name.endswith(".json") and not name.startswith(".")
        )
        if names:
            yield Diagnosis(
                "unknown-records",
                "note",
                f"conda-meta has files of an unknown tool: {_some(names)}.",
                "Another tool keeps records there; envmgr neither reads nor changes them.",
                None,
                {"names": names},
            )

    def without_sums(self) -> Iterator[Diagnosis]:
        names = sorted(each.record.dist_name for each in self.packages if each.files and not each.has_sums)
        if names:
            yield Diagnosis(
                "no-sums",
                "note",
                f"{_count(names, 'record')} without sums, so that files are not compared: {_some(names)}.",
                "An older or an unknown tool wrote them.",
                self.command("install", "--force-reinstall", *(each.rsplit("-", 2)[0] for each in names)),
                {"packages": names},
            )

    def saved(self) -> Iterator[Diagnosis]:
        folder = self.prefix / "conda-meta" / "envmgr" / "saved"
        files = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]
        if files:
            size = sum(os.lstat(path).st_size for path in files)
            yield Diagnosis(
                "saved",
                "note",
                f"{_count(files, 'file')} of no package, which made room for those of one, are kept "
                f"({size / 1e6:.1f} MB).",
                "Packages brought files of the same names.",
                f"Look at {folder}, and remove what is not needed.",
                {"files": len(files), "bytes": size},
            )


def _some(names: Iterable[str], most: int = 3) -> str:
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}" if len(things) == 1 else f"{len(things)} {noun}s"


def _be(things: Sequence[object]) -> str:
    return "is" if len(things) == 1 else "are"
