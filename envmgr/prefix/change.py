"""Changes an existing prefix by a plan: packages go and come, all or nothing (see `envmgr.prefix.journal`).

Nothing that can fail for a reason of the packages is left to the time after the decision: new files are made,
patched, compiled and recorded in the folder of the change. After it there are only renames, and the link scripts;
when one of these fails, the change is taken back.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import PrefixError
from envmgr.ports import Phase
from envmgr.prefix.apply import check_scripts_allowed, errors_explained
from envmgr.prefix.bytecode import Compiler
from envmgr.prefix.generation import FOLDER as GENERATIONS
from envmgr.prefix.generation import write_generation
from envmgr.prefix.history import Change, history_block
from envmgr.prefix.installed import WHEELS
from envmgr.prefix.journal import (
    Journal,
    begin_scripts,
    carry_out,
    clear_works,
    decide,
    finish,
    is_pending,
    new_work,
    pending,
    staged,
    take_back,
)
from envmgr.prefix.link import Linker
from envmgr.prefix.lookup import (
    exists,
    is_folder,
    is_link,
    iter_files,
    iter_folders,
    leads_to_folder,
    names_in,
)
from envmgr.prefix.outcome import LinkOutcome, installed_package, sums_in_prefix
from envmgr.prefix.paths import parents_of
from envmgr.prefix.plan import clobber_sentences
from envmgr.prefix.scripts import ScriptRunner
from envmgr.prefix.store import PrefixStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ports import Clock, Reporter, Runner
    from envmgr.prefix.generation import Generation
    from envmgr.prefix.installed import InstalledPackage
    from envmgr.prefix.placing import LinkMode
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
    link_mode: LinkMode = "auto"
    compile_bytecode: bool = True
    bytecode_caches: Sequence[Path] = ()
    root_prefix: str = ""
    strict: bool = False


def recover(prefix: Path, runner: Runner, environ: Mapping[str, str], *, root_prefix: str = "") -> str | None:
    """Go on with a change that was interrupted, or back; what was done in a few words, None for nothing.

    The caller has the prefix alone. A change whose link script fails is taken back. Raises PrefixError where it is
    still neither the old nor the new.
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
            if is_pending(prefix):
                raise
            return f"was taken back, because {str(error).rstrip('.')}"
    return "was completed"


def change_prefix(request: PrefixChange, runner: Runner, reporter: Reporter, clock: Clock) -> tuple[str, ...]:
    """Make the change, completely or not at all; the messages of link scripts.

    The caller has the prefix alone and recovered. Raises PrefixError, naming what failed; the prefix is then as
    it was.
    """
    with errors_explained(request.prefix, "changed"):
        change = _Changing(request, runner, reporter, clock)
        try:
            journal, messages = change.prepare()
            decide(request.prefix, journal)
        except BaseException:
            # An interrupt may have come right after the decision.
            decided = pending(request.prefix)
            if decided is not None:
                _take_back(request.prefix, decided.journal)
            clear_works(request.prefix)
            raise
        messages += _complete(journal, request.prefix, change.scripts)
    return tuple(messages)


def _complete(journal: Journal, prefix: Path, scripts: ScriptRunner) -> list[str]:
    """From the decision to the end; a failure takes the change back."""
    try:
        carry_out(prefix, journal)
        messages = _run_post_link(journal, prefix, scripts)
    except BaseException:
        _take_back(prefix, journal)
        raise
    try:
        finish(prefix, journal)
    except OSError as error:
        raise PrefixError(
            f"the change of {prefix} is made but for its last step: {error.strerror}.",
            hint="The next command on the environment completes it.",
            prefix=str(prefix),
        ) from error
    return messages


def _take_back(prefix: Path, journal: Journal) -> None:
    try:
        take_back(prefix, journal)
    except OSError as error:
        raise PrefixError(
            f"{prefix} could not be changed, and is not yet as it was: "
            f"{error.filename or prefix}: {error.strerror}.",
            hint="The next command on the environment brings it back.",
            prefix=str(prefix),
        ) from error


def _run_post_link(journal: Journal, prefix: Path, scripts: ScriptRunner) -> list[str]:
    if not journal.scripts:
        return []
    if not begin_scripts(prefix, journal):
        names = ", ".join(journal.scripts)
        raise PrefixError(f"the post-link scripts of {names} were interrupted twice.", prefix=str(prefix))
    records = {package.record.dist_name: package.record for package in PrefixStore(prefix).records()}
    messages = []
    for name in journal.scripts:
        said = scripts.run(records[name], "post-link")
        messages += [f"{name}: {said}"] if said else []
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
        check_scripts_allowed(plan, request.link_scripts)
        for sentence in clobber_sentences(plan.clobbers):
            self.reporter.warned(sentence)
        work = new_work(request.prefix)
        root = staged(request.prefix, work)
        self._make_files(root)
        messages = [*self._run_pre_link(), *self._run_pre_unlink()]
        for generation in request.generations:
            _write(root / GENERATIONS / f"{generation.number}.json", write_generation(generation))
        self._write_history(root)
        return self._journal(work), messages

    def _make_files(self, root: Path) -> None:
        request, plan = self.request, self.request.plan
        linker = Linker(plan, str(root), self.reporter, mode=request.link_mode)
        self.reporter.phase_started(Phase.LINK, plan.file_count)
        try:
            linker.make_folders()
            (root / "conda-meta").mkdir(exist_ok=True)
            outcomes = linker.link_packages(before=lambda _: None)
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
            request.bytecode_caches,
            str(request.prefix),
            request.link_mode,
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

    def _write_history(self, root: Path) -> None:
        """The whole history as it will be: there must be room for it before the decision, as for all else."""
        before = self.request.prefix / "conda-meta" / "history"
        _write(root / "conda-meta" / "history", before.read_bytes() + history_block(self._change()).encode())
        shutil.copymode(before, root / "conda-meta" / "history")

    def _journal(self, work: str) -> Journal:
        request = self.request
        prefix, plan = request.prefix, request.plan
        tree = _Tree(prefix, _going_symlinks(prefix, plan.unlink))
        self._settle_staged(work, tree)
        place = sorted(_arrivals(prefix, staged(prefix, work)))
        gone = {package.document_name for package in plan.unlink}
        now = _Tree(prefix, set())
        going = {now.real(path) for path in _owned_paths(prefix, plan.unlink)}
        going |= _stale_documents(prefix, request.current)
        owners = now.owners(package for package in request.current if package.document_name not in gone)
        placed = set(place)
        drop = sorted(path for path in going - placed - owners.keys() if _holds_file(prefix / path))
        standing = [path for path in place if tree.holds(path)]
        files = [path for path in standing if not is_folder(prefix / path)]
        # Where capitals do not count, what stands at a path may be what goes under another spelling.
        key = plan.file_system.key
        leaving, dropped = {*map(key, going)}, {*map(key, drop)}
        in_the_way = _in_the_way(prefix, [path for path in place if key(path) in leaving])
        saved = [path for path in files if not _is_ours(path)] + in_the_way.files
        saved = [path for path in saved if key(path) not in leaving and path not in owners]
        leave = sorted({*_emptied(prefix, drop, plan.unlink), *in_the_way.folders}, reverse=True)
        making_room = {*dropped, *map(key, leave), *map(key, saved)}
        _check_room(prefix, tree, place, _Room(leaving | making_room, owners, key))
        for path in saved:
            self.reporter.warned(
                f"{path} belongs to no package and makes room for that of one; it is kept in "
                f"{prefix / _OURS / 'saved' / work}."
            )
        return Journal(
            work=work,
            drop=tuple(drop),
            place=tuple(place),
            replaced=tuple(sorted(path for path in set(files) - set(saved) if key(path) not in dropped)),
            saved=tuple(saved),
            leave=tuple(leave),
            modes=tuple(stat.S_IMODE(os.stat(prefix / folder).st_mode) for folder in leave),
            folders=tuple(
                path for path in parents_of(place) if key(path) in making_room or not tree.holds(path)
            ),
            scripts=tuple(link.name for link in plan.link if "post-link" in link.scripts),
            strict=request.strict,
        )

    def _settle_staged(self, work: str, tree: _Tree) -> None:
        """Have each new file at the path where it will really be: behind symlinks that stay."""
        prefix = self.request.prefix
        root = staged(prefix, work)
        for path in [*_arrivals(prefix, root)]:
            real = tree.real(path)
            if real == path:
                continue
            (root / real).parent.mkdir(parents=True, exist_ok=True)
            if is_folder(root / path) and exists(root / real):
                _merge(root / path, root / real)
            else:
                (root / path).rename(root / real)

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


def _arrivals(prefix: Path, root: Path) -> Iterator[str]:
    """What comes, relative to *root*, where it was made: folders as a whole where nothing is, and single files.

    So a package with thousands of files in folders of its own needs a few renames. Where
    something stands that is no folder, each file comes alone, since whose it was tells what makes room.
    """
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(f"{root}/{inside}") as entries:
            for entry in entries:
                path = f"{inside}{entry.name}"
                if not entry.is_dir(follow_symlinks=False) or not exists(f"{prefix}/{path}"):
                    yield path
                elif leads_to_folder(f"{prefix}/{path}"):
                    waiting.append(f"{path}/")
                else:
                    yield from (f"{path}/{each}" for each in iter_files(entry.path))


def _merge(source: Path, target: Path) -> None:
    """Move all that is below the folder *source* into the folder *target*."""
    for path in [*iter_files(source)]:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).rename(target / path)
    shutil.rmtree(source)


def replaced_request(package: InstalledPackage, requested: tuple[str, ...]) -> InstalledPackage:
    """The same package, asked for by other specs."""
    from msgspec.structs import replace

    return replace(package, requested=requested)


class _Tree:
    """The prefix as it is, with the symlinks to folders that stay: *going* are those that do not."""

    def __init__(self, prefix: Path, going: set[str]) -> None:
        self._prefix = prefix
        # Paths are made of text here, since there is one for each folder of the environment.
        self._place = str(prefix)
        self._root = os.path.realpath(prefix)
        self._going = going
        self._folders: dict[str, str] = {"": ""}

    def real(self, path: str) -> str:
        """Where *path* really is; PrefixError where that is not in the prefix."""
        parent, _, name = path.rpartition("/")
        folder = self._folder(parent)
        return f"{folder}/{name}" if folder else name

    def owners(self, packages: Iterable[InstalledPackage]) -> dict[str, str]:
        """Whose each file is, by where it really is."""
        found, folders = {}, self._folders
        for package in packages:
            owner = package.record.dist_name
            for path in package.files:
                parent, _, name = path.rpartition("/")
                folder = folders.get(parent)
                if folder is None:
                    folder = self._folder(parent)
                found[path if folder == parent else f"{folder}/{name}" if folder else name] = owner
        return found

    def holds(self, path: str) -> bool:
        """Whether something is at *path*, not counting what is behind a symlink that goes."""
        parent = path.rpartition("/")[0]
        while parent:
            if parent in self._going:
                return False
            parent = parent.rpartition("/")[0]
        return exists(f"{self._place}/{path}")

    def _folder(self, folder: str) -> str:
        found = self._folders.get(folder)
        if found is None:
            found = self.real(folder)
            if found not in self._going and is_link(f"{self._place}/{found}"):
                target = os.path.relpath(os.path.realpath(self._prefix / found), self._root)
                if target.startswith(".."):
                    raise PrefixError(
                        f"{self._prefix / found} is a symlink that leads out of the environment, and files of "
                        "packages are to go through it.",
                        hint="Replace it by a folder.",
                        path=found,
                    )
                found = "" if target == "." else target.replace(os.sep, "/")
            self._folders[folder] = found
        return found


def _holds_file(path: Path) -> bool:
    """Whether a file or symlink is at *path*: a folder there is the user's, whatever a package had so called."""
    return exists(path) and not is_folder(path)


def _going_symlinks(prefix: Path, packages: Iterable[InstalledPackage]) -> set[str]:
    return {path for each in packages for path in each.files if is_link(f"{prefix}/{path}")}


class _InTheWay(Struct):
    """What somebody put where a package had a file or a folder."""

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def _in_the_way(prefix: Path, paths: Sequence[str]) -> _InTheWay:
    """What stands in the way of *paths*, which a package that goes had and that come again."""
    found = _InTheWay()
    for path in paths:
        if is_folder(prefix / path):
            found.files += (f"{path}/{each}" for each in iter_files(prefix / path))
            found.folders += [path, *(f"{path}/{each}" for each in iter_folders(prefix / path))]
    for folder in parents_of(list(paths)):
        if exists(prefix / folder) and not leads_to_folder(prefix / folder):
            found.files.append(folder)
    return found


class _Room(Struct):
    """What goes or makes room, by *key* of the paths, and whose the files are that stay."""

    going: set[str]
    owners: Mapping[str, str]
    key: Callable[[str], str]

    def is_made(self, path: str) -> bool:
        return self.key(path) in self.going


def _check_room(prefix: Path, tree: _Tree, place: Sequence[str], room: _Room) -> None:
    """Refuses a file that is to come where a folder stays, and a folder where a file does."""
    for folder in parents_of(list(place)):
        if tree.holds(folder) and not room.is_made(folder) and not leads_to_folder(prefix / folder):
            owner = room.owners.get(folder)
            raise PrefixError(
                f"{prefix / folder} is a file of {owner or 'no package'}, and a package brings a folder so called.",
                hint=None if owner else "Move it away.",
                path=folder,
            )
    for path in place:
        if not (tree.holds(path) and is_folder(prefix / path)):
            continue
        below = (f"{path}/{each}" for each in iter_files(prefix / path))
        left = next((each for each in below if not room.is_made(each)), None)
        if left is not None:
            owner = room.owners.get(left)
            raise PrefixError(
                f"{prefix / path} is a folder with files of {owner or 'no package'}, and a package brings a file "
                "of that name.",
                hint=None if owner else f"Move {left} away.",
                path=path,
            )


def _owned_paths(prefix: Path, packages: Iterable[InstalledPackage]) -> set[str]:
    """The files of *packages*, their records, and the bytecode that Python made of their files."""
    found: set[str] = set()
    folders: dict[str, list[str]] = {}
    for package in packages:
        found.add(f"conda-meta/{package.document_name}")
        # Whatever a record lists, what an environment knows about itself does not go with a package.
        found.update(path for path in package.files if not path.startswith("conda-meta/"))
        for path in package.files:
            if path.endswith(".py"):
                parent, _, name = path.rpartition("/")
                cache = f"{parent}/__pycache__" if parent else "__pycache__"
                folders.setdefault(cache, []).append(f"{name[:-3]}.")
    for folder, stems in folders.items():
        wanted = tuple(stems)
        found.update(
            f"{folder}/{name}"
            for name in names_in(prefix / folder)
            if name.startswith(wanted) and name.endswith(".pyc")
        )
    return found


def _stale_documents(prefix: Path, current: Iterable[InstalledPackage]) -> set[str]:
    """The documents of wheels that are not installed any more: they tell of nothing that is there, and go alone."""
    known = {package.document_name for package in current}
    names = (
        f"{WHEELS}/{name}" for name in names_in(prefix / "conda-meta" / WHEELS) if name.endswith(".json")
    )
    return {f"conda-meta/{name}" for name in names if name not in known}


def _emptied(prefix: Path, drop: Sequence[str], unlinked: Iterable[InstalledPackage]) -> list[str]:
    """The folders that may be empty after the change, the deepest first."""
    folders = set(parents_of(list(drop)))
    for package in unlinked:
        folders.update(entry["_path"] for entry in package.paths if entry.get("path_type") == "directory")
    folders -= {"conda-meta", *(folder for folder in folders if folder.startswith(_OURS))}
    return sorted((folder for folder in folders if is_folder(prefix / folder)), reverse=True)


def _is_ours(path: str) -> bool:
    """Whether a file that no record lists is made by tools and not by people."""
    return path.startswith("conda-meta/") or (path.endswith(".pyc") and "__pycache__/" in path)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
