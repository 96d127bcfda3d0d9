"""Changes an existing prefix by a plan: packages go and come, all or nothing (see `envmgr.prefix.journal`).

Nothing that can fail for a reason of the packages is left to the time after the decision: new files are made,
patched, compiled and recorded in the folder of the change. After it there are only renames, and the link scripts;
when one of these fails, the change is taken back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import PrefixError
from envmgr.ports import Phase
from envmgr.prefix.apply import errors_explained, signals_raised
from envmgr.prefix.bytecode import Compiler
from envmgr.prefix.generation import FOLDER as GENERATIONS
from envmgr.prefix.generation import write_generation
from envmgr.prefix.history import Change, history_block
from envmgr.prefix.journal import (
    Journal,
    carry_out,
    clear_works,
    decide,
    finish,
    iter_work_files,
    new_work,
    pending,
    staged,
    take_back,
)
from envmgr.prefix.link import Linker
from envmgr.prefix.outcome import LinkOutcome, installed_package, sums_in_prefix
from envmgr.prefix.paths import parents_of
from envmgr.prefix.scripts import ScriptRunner
from envmgr.prefix.store import PrefixStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ports import Clock, Reporter, Runner
    from envmgr.prefix.generation import Generation
    from envmgr.prefix.installed import InstalledPackage
    from envmgr.prefix.plan import PrefixPlan

_OURS = "conda-meta/envmgr"


class PrefixChange(Struct, frozen=True):
    """What to change and how: *plan* for the prefix that holds *current*, and the *generations* that it makes.

    The last generation is the change's; earlier ones note what others did before.

    *requested* are the specs of packages that stay, by name, where they changed. *environ* is the process's
    environment, *link_scripts* "run" or "refuse". With *strict* a loss of power is survived as a kill is.
    """

    prefix: Path
    plan: PrefixPlan
    current: tuple[InstalledPackage, ...]
    generations: tuple[Generation, ...]
    environ: Mapping[str, str]
    requested: Mapping[str, tuple[str, ...]]
    link_scripts: str = "run"
    always_copy: bool = False
    compile_bytecode: bool = True
    bytecode_cache: Path | None = None
    root_prefix: str = ""
    strict: bool = False


def recover(prefix: Path, runner: Runner, environ: Mapping[str, str], *, root_prefix: str = "") -> str | None:
    """Go on with a change that was interrupted, or back; what was done in a few words, None for nothing.

    The caller has the prefix alone. A change whose link script fails is taken back.
    """
    found = pending(prefix)
    if found is None:
        clear_works(prefix)
        return None
    with errors_explained(prefix, "changed"):
        if found.backwards:
            take_back(prefix, found.journal)
            return "was taken back"
        try:
            _complete(found.journal, prefix, ScriptRunner(runner, prefix, "", environ, root_prefix))
        except PrefixError as error:
            return f"was taken back, because {str(error).rstrip('.')}"
    return "was completed"


def change_prefix(request: PrefixChange, runner: Runner, reporter: Reporter, clock: Clock) -> tuple[str, ...]:
    """Make the change, completely or not at all; the messages of link scripts.

    The caller has the prefix alone and recovered. Raises PrefixError, naming what failed; the prefix is then as
    it was.
    """
    with signals_raised(), errors_explained(request.prefix, "changed"):
        change = _Changing(request, runner, reporter, clock)
        try:
            journal, messages = change.prepare()
            decide(request.prefix, journal, strict=request.strict)
        except BaseException:
            if pending(request.prefix) is None:
                clear_works(request.prefix)
                raise
        messages += _complete(journal, request.prefix, change.scripts, strict=request.strict)
    return tuple(messages)


def _complete(journal: Journal, prefix: Path, scripts: ScriptRunner, *, strict: bool = False) -> list[str]:
    """From the decision to the end; a failure takes the change back."""
    try:
        carry_out(prefix, journal)
        messages = _run_post_link(journal, prefix, scripts)
    except BaseException:
        take_back(prefix, journal)
        raise
    finish(prefix, journal, strict=strict)
    return messages


def _run_post_link(journal: Journal, prefix: Path, scripts: ScriptRunner) -> list[str]:
    wanted = set(journal.scripts)
    messages = []
    for package in PrefixStore(prefix).records() if wanted else ():
        if package.record.dist_name in wanted:
            said = scripts.run(package.record, "post-link")
            messages += [f"{package.record.dist_name}: {said}"] if said else []
    return messages


class _Changing(Struct):
    request: PrefixChange
    runner: Runner
    reporter: Reporter
    clock: Clock

    @property
    def scripts(self) -> ScriptRunner:
        request = self.request
        return ScriptRunner(
            self.runner, request.prefix, request.plan.subdir, request.environ, request.root_prefix
        )

    def prepare(self) -> tuple[Journal, list[str]]:
        """Everything before the decision: scripts of packages that go, and all new files."""
        request, plan = self.request, self.request.plan
        self._check_scripts()
        for clobber in plan.clobbers:
            self.reporter.warned(str(clobber))
        work = new_work(request.prefix)
        root = staged(request.prefix, work)
        self._make_files(root)
        messages = [*self._run_pre_link(), *self._run_pre_unlink()]
        for generation in request.generations:
            _write(root / GENERATIONS / f"{generation.number}.json", write_generation(generation))
        return self._journal(work), messages

    def _check_scripts(self) -> None:
        if self.request.link_scripts == "run":
            return
        for link in self.request.plan.link:
            refused = [action for action in link.scripts if action != "pre-unlink"]
            if refused:
                raise PrefixError(
                    f"{link.name} has a {refused[0]} script, and the setting link_scripts refuses to run it.",
                    hint="Allow scripts with link_scripts: run, or leave the package out.",
                    package=link.name,
                )

    def _make_files(self, root: Path) -> None:
        request, plan = self.request, self.request.plan
        linker = Linker(plan, str(root), self.reporter, always_copy=request.always_copy)
        self.reporter.phase_started(Phase.LINK, plan.file_count)
        try:
            linker.make_folders()
            (root / "conda-meta").mkdir(exist_ok=True)
            outcomes: dict[str, LinkOutcome] = {}
            for link in plan.link:
                outcomes[link.name] = linker.link_package(link)
                self.reporter.phase_advanced(Phase.LINK, len(link.targets) + len(link.entry_points))
            self._compile(root, outcomes)
            self._write_records(root, outcomes)
        finally:
            self.reporter.phase_finished(Phase.LINK)

    def _compile(self, root: Path, outcomes: dict[str, LinkOutcome]) -> None:
        request = self.request
        if not request.compile_bytecode:
            return
        compiler = Compiler(
            request.plan,
            str(root),
            self.runner,
            self.reporter,
            request.environ,
            request.bytecode_cache,
            str(request.prefix),
        )
        for name, paths in compiler.compile().items():
            outcomes[name].bytecode = paths

    def _write_records(self, root: Path, outcomes: dict[str, LinkOutcome]) -> None:
        request = self.request
        store = PrefixStore(root)
        sums = sums_in_prefix(request.plan.link, outcomes)
        for link in request.plan.link:
            store.write_record(installed_package(link, outcomes[link.name], sums, request.plan.subdir))
        gone = {package.document_name for package in request.plan.unlink}
        for package in request.current:
            requested = request.requested.get(package.record.name)
            if package.document_name not in gone and requested not in (None, package.requested):
                store.write_record(replaced_request(package, requested or ()))

    def _run_pre_link(self) -> list[str]:
        messages = []
        for link in self.request.plan.link:
            if "pre-link" in link.scripts:
                said = self.scripts.run(link.package.record, "pre-link", link.package.folder)
                messages += [f"{link.name}: {said}"] if said else []
        return messages

    def _run_pre_unlink(self) -> list[str]:
        messages = []
        for package in self.request.plan.unlink if self.request.link_scripts == "run" else ():
            said = self.scripts.run(package.record, "pre-unlink")
            messages += [f"{package.record.dist_name}: {said}"] if said else []
        return messages

    def _journal(self, work: str) -> Journal:
        request = self.request
        prefix, plan = request.prefix, request.plan
        place = sorted(iter_work_files(prefix, work))
        going = _owned_paths(prefix, plan.unlink)
        gone = {package.document_name for package in plan.unlink}
        staying = {path for each in request.current if each.document_name not in gone for path in each.files}
        placed = set(place)
        drop = sorted(going - placed - staying)
        standing = [path for path in place if os.path.lexists(prefix / path)]
        files = [path for path in standing if not _is_folder(prefix / path)]
        owned = going | staying
        saved = [path for path in files if path not in owned and not _is_ours(path)]
        leave = _emptied(prefix, drop, plan.unlink)
        self._check_folders(standing, set(files), leave, drop)
        for path in saved:
            self.reporter.warned(
                f"{path} belongs to no package and makes room for that of one; it is kept in "
                f"{prefix / _OURS / 'saved' / work}."
            )
        history = prefix / "conda-meta" / "history"
        going_folders = set(leave)
        return Journal(
            work=work,
            drop=tuple(path for path in drop if os.path.lexists(prefix / path)),
            place=tuple(place),
            replaced=tuple(path for path in files if path not in set(saved)),
            saved=tuple(saved),
            leave=tuple(leave),
            folders=tuple(
                folder
                for folder in parents_of(place)
                if folder in going_folders or not os.path.lexists(prefix / folder) or folder in set(drop)
            ),
            history=history_block(self._change()),
            history_size=history.stat().st_size if history.exists() else 0,
            scripts=tuple(link.name for link in plan.link if "post-link" in link.scripts),
        )

    def _check_folders(
        self, standing: Sequence[str], files: set[str], leave: Sequence[str], drop: Sequence[str]
    ) -> None:
        """A folder where a file is to come must hold nothing but what goes."""
        going = {*leave, *drop}
        for path in standing:
            if path in files:
                continue
            folder = self.request.prefix / path
            left = [name for name in os.listdir(folder) if f"{path}/{name}" not in going]
            if left or path not in going:
                raise PrefixError(
                    f"{folder} is a folder with files of nobody, and a package brings a file of that name.",
                    hint=f"Move {left[0] if left else 'it'} away.",
                    path=path,
                )

    def _change(self) -> Change:
        request, generation = self.request, self.request.generations[-1]
        linked: list[PackageRecord] = [link.package.record for link in request.plan.link]
        unlinked = [package.record for package in request.plan.unlink]
        return Change(
            generation.moment,
            generation.command,
            generation.version,
            tuple(linked),
            tuple(unlinked),
            generation.specs,
            generation.removed,
        )


def replaced_request(package: InstalledPackage, requested: tuple[str, ...]) -> InstalledPackage:
    """The same package, asked for by other specs."""
    from msgspec.structs import replace

    return replace(package, requested=requested)


def _owned_paths(prefix: Path, packages: Iterable[InstalledPackage]) -> set[str]:
    """The files of *packages*, their records, and the bytecode that Python made of their files."""
    found: set[str] = set()
    folders: dict[str, list[str]] = {}
    for package in packages:
        found.add(f"conda-meta/{package.document_name}")
        found.update(package.files)
        for path in package.files:
            if path.endswith(".py"):
                parent, _, name = path.rpartition("/")
                cache = f"{parent}/__pycache__" if parent else "__pycache__"
                folders.setdefault(cache, []).append(f"{name[:-3]}.")
    for folder, stems in folders.items():
        try:
            names = os.listdir(prefix / folder)
        except OSError:
            continue
        wanted = tuple(stems)
        found.update(
            f"{folder}/{name}" for name in names if name.startswith(wanted) and name.endswith(".pyc")
        )
    return found


def _emptied(prefix: Path, drop: Sequence[str], unlinked: Iterable[InstalledPackage]) -> list[str]:
    """The folders that may be empty after the change, the deepest first."""
    folders = set(parents_of(list(drop)))
    for package in unlinked:
        folders.update(entry["_path"] for entry in package.paths if entry.get("path_type") == "directory")
    folders -= {"conda-meta", *(folder for folder in folders if folder.startswith(_OURS))}
    return sorted((folder for folder in folders if _is_folder(prefix / folder)), reverse=True)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_ours(path: str) -> bool:
    """Whether a file that no record lists is made by tools and not by people."""
    return path.startswith("conda-meta/") or (path.endswith(".pyc") and "__pycache__/" in path)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
