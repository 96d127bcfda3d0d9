"""Plans a change to a prefix: which packages come and go, where each file lands, who wins a contested path.

Pure, and made before anything is written: whatever can be known to fail fails here. Printing a plan shows
what applying it will do.

Contested paths: of several packages that bring the same path, the last in the order of *desired* wins, and
the solver's order puts dependencies first; so a package overrides what it depends on, and names decide among
strangers. Equal contents are no conflict. Where the file system takes paths that differ in case for one, they
are contested like equal ones; of two such paths of a single package the last in its list is kept. A path that
is a file for one package and a folder for another cannot be planned, unless the file is a symlink to a folder:
then the files below it go where it points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import PrefixError
from envmgr.models.file_system import FileSystem
from envmgr.models.package_files import DIRECTORY, HARDLINK, SOFTLINK
from envmgr.prefix.noarch import PythonLayout, python_layout
from envmgr.prefix.paths import link_script, parents_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from envmgr.models.package_files import EntryPoint, PackageFiles, PathEntry
    from envmgr.models.record import PackageRecord
    from envmgr.prefix.installed import InstalledPackage


# How much longer a path is while the prefix is made beside its place, or a change in a folder of its own.
_ASIDE = 80
# So many contested paths of the same packages are told in one sentence.
_MANY_CLOBBERS = 5


class PackageToLink(Struct, frozen=True):
    """An unpacked package that is wanted: *folder* holds its files, *requested* the specs that ask for it."""

    record: PackageRecord
    folder: Path
    archive: Path | None
    files: PackageFiles
    requested: tuple[str, ...] = ()


class PackageLink(Struct, frozen=True):
    """What linking one package does.

    ``targets`` runs parallel to ``package.files.paths``: where each entry lands, "" for one that loses its
    path to another package. ``special`` are the places there of all entries that are more than a file which is
    linked as it is (`special_entries`), so that nobody has to look through all of them. ``entry_points`` are
    scripts to be written, and launchers for Windows (``.exe``), ``bytecode`` compiled files as (index of the source
    in targets, path), ``scripts`` the actions of its link scripts. ``metadata`` is the ``.dist-info`` folder of a
    wheel, "" for others, and ``recorded`` are the paths of what an installer writes there (PyPA "Recording
    installed projects").
    """

    package: PackageToLink
    targets: tuple[str, ...]
    special: tuple[int, ...]
    entry_points: tuple[tuple[str, EntryPoint], ...] = ()
    bytecode: tuple[tuple[int, str], ...] = ()
    scripts: tuple[str, ...] = ()
    metadata: str = ""
    recorded: tuple[str, ...] = ()

    @property
    def written(self) -> list[str]:
        """The files that are not the package's, and are written for it: commands, and an installer's notes."""
        return [*(path for path, _ in self.entry_points), *self.recorded]

    @property
    def name(self) -> str:
        """``name-version-build``, for messages."""
        return self.package.record.dist_name

    @property
    def file_count(self) -> int:
        """How many files linking it makes, bytecode left out."""
        return len(self.targets) + len(self.entry_points) + len(self.recorded)

    def pairs(self) -> Iterator[tuple[PathEntry, str]]:
        """Each entry with its place, the lost ones left out."""
        for entry, target in zip(self.package.files.paths, self.targets, strict=True):
            if target:
                yield entry, target

    def special_pairs(self) -> Iterator[tuple[PathEntry, str]]:
        """The `pairs` of the entries that are ``special``."""
        paths, targets = self.package.files.paths, self.targets
        return ((paths[at], targets[at]) for at in self.special if targets[at])


class Clobber(Struct, frozen=True):
    """A path that several packages (``name-version-build``) bring; *winner* keeps it.

    *spellings* are the losers' paths where the file system takes them for the same and they are not.
    """

    path: str
    winner: str
    losers: tuple[str, ...]
    spellings: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.spellings:
            return (
                f"{', '.join(self.spellings)} of {', '.join(self.losers)} and {self.path} of {self.winner} are one "
                f"path here, where capitals do not count; that of {self.winner} is kept."
            )
        owners = ", ".join(self.losers)
        return f"{self.path} comes with {owners} and {self.winner}; that of {self.winner} is kept."


def clobber_sentences(clobbers: Sequence[Clobber]) -> list[str]:
    """What to tell of contested paths: a sentence for each, or one for many that the same packages bring."""
    groups: dict[tuple[object, ...], list[Clobber]] = {}
    for each in clobbers:
        groups.setdefault((each.losers, each.winner, *each.spellings), []).append(each)
    sentences: list[str] = []
    for group in groups.values():
        first, more = group[0], len(group) - 1
        if len(group) < _MANY_CLOBBERS:
            sentences += map(str, group)
        else:
            owners = f"{', '.join(first.losers)} and {first.winner}"
            sentences.append(
                f"{first.path} and {more} other paths come with {owners}; those of {first.winner} are kept."
            )
    return sentences


class PrefixPlan(Struct, frozen=True):
    """A change to the prefix at the absolute path *prefix*, for packages of *subdir*, in order.

    ``shared`` are the paths that several packages bring, with their names; the last one's file is there.
    """

    prefix: str
    subdir: str
    link: tuple[PackageLink, ...]
    unlink: tuple[InstalledPackage, ...] = ()
    clobbers: tuple[Clobber, ...] = ()
    python: PythonLayout | None = None
    shared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    file_system: FileSystem = FileSystem()

    @property
    def file_count(self) -> int:
        """How many files linking will make."""
        return sum(link.file_count for link in self.link)

    def __str__(self) -> str:
        lines = [f"- {package.record.dist_name}" for package in self.unlink]
        lines += [f"+ {link.name} ({len(link.targets)} files)" for link in self.link]
        return "\n".join([*lines, *(f"! {each}" for each in clobber_sentences(self.clobbers))])


def plan_prefix(
    current: Sequence[InstalledPackage],
    desired: Sequence[PackageToLink],
    *,
    prefix: str,
    subdir: str,
    relink: Collection[str] = (),
    file_system: FileSystem | None = None,
) -> PrefixPlan:
    """The plan that turns a prefix holding *current* into one holding exactly *desired*.

    *desired* is in link order, dependencies first. *prefix* is the absolute path that the files will know; it
    need not exist. Packages named in *relink* come anew even where they stay. *file_system* is what the place can
    hold (None: names of 255 bytes, capitals told from small letters). Raises PrefixError for what can never work,
    naming packages and paths.
    """
    file_system = file_system or FileSystem()
    layout = _layout(current, desired, subdir)
    kept = {package.record for package in current} & {package.record for package in desired}
    kept = {record for record in kept if record.name not in relink}
    links = [_plan_package(package, layout, subdir) for package in desired if package.record not in kept]
    _check_room(links, prefix)
    _check_lengths(links, prefix, file_system)
    clobbers, links, shared = _settle(links, file_system)
    return PrefixPlan(
        prefix,
        subdir,
        tuple(links),
        tuple(package for package in reversed(current) if package.record not in kept),
        clobbers,
        layout,
        shared,
        file_system,
    )


def is_noarch_python(package: PackageToLink) -> bool:
    """Whether the files go to the environment's Python; the archive speaks where the channel is silent."""
    return (package.record.noarch_kind or package.files.noarch) == "python"


def special_entries(paths: Sequence[PathEntry]) -> tuple[int, ...]:
    """Where in *paths* something else is than a file of a known size and sum that is linked as it is."""
    return tuple(
        [
            at
            for at, entry in enumerate(paths)
            if entry.placeholder is not None
            or entry.path_type != HARDLINK
            or entry.sha256 is None
            or entry.size is None
            or entry.no_link
        ]
    )


def _layout(
    current: Sequence[InstalledPackage], desired: Sequence[PackageToLink], subdir: str
) -> PythonLayout | None:
    records = [package.record for package in desired] + [package.record for package in current]
    python = next((record for record in records if record.name == "python"), None)
    if python is not None:
        return python_layout(python, subdir)
    homeless = next((package for package in desired if is_noarch_python(package)), None)
    if homeless is not None:
        raise PrefixError(
            f"{homeless.record.dist_name} is a noarch Python package, but the environment has no python.",
            hint="Add python to the packages.",
            package=homeless.record.dist_name,
        )
    return None


def _plan_package(package: PackageToLink, layout: PythonLayout | None, subdir: str) -> PackageLink:
    paths = package.files.paths
    targets: tuple[str, ...]
    entry_points: tuple[tuple[str, EntryPoint], ...] = ()
    bytecode: tuple[tuple[int, str], ...] = ()
    if layout is not None and is_noarch_python(package):
        suffixes: tuple[str, ...] = ("-script.py", ".exe") if subdir.startswith("win-") else ("",)
        if package.record.is_pypi:
            return _plan_wheel(package, layout, suffixes[-1])
        targets = tuple(layout.target_of(entry.path) for entry in paths)
        entry_points = tuple(
            (f"{layout.scripts}/{each.command}{suffix}", each)
            for each in package.files.entry_points
            for suffix in suffixes
        )
        bytecode = tuple(_bytecode(paths, targets, layout))
    else:
        targets = tuple(entry.path for entry in paths)
    actions = ("pre-link", "post-link", "pre-unlink")
    known = {link_script(package.record.name, action, subdir): action for action in actions}
    scripts = tuple(known[target] for target in targets if target in known)
    return PackageLink(package, targets, special_entries(paths), entry_points, bytecode, scripts)


def _plan_wheel(package: PackageToLink, layout: PythonLayout, suffix: str) -> PackageLink:
    """Like a noarch Python package, but that it is not compiled ahead, and has no link scripts.

    Compiled files would double the number of links that are made; uv leaves them to the first import, too.
    """
    record, paths = package.record, package.files.paths
    name, start, inside = record.shown_name, f"{layout.site_packages}/", "site-packages/"
    targets = tuple(
        [
            start + path[14:] if path.startswith(inside) else layout.target_of_wheel(path, name)
            for path in [entry.path for entry in paths]
        ]
    )
    points = tuple((f"{layout.scripts}/{each.command}{suffix}", each) for each in package.files.entry_points)
    metadata = next(
        (target[:-9] for target in reversed(targets) if target.endswith(".dist-info/METADATA")), ""
    )
    notes = ["RECORD"]
    notes += ["REQUESTED"] if package.requested else []
    notes += ["direct_url.json"] if "direct_url" in record.extra else []
    return PackageLink(
        package,
        targets,
        special_entries(paths),
        points,
        metadata=metadata,
        recorded=tuple(f"{metadata}/{each}" for each in notes) if metadata else (),
    )


def _bytecode(
    paths: Sequence[PathEntry], targets: Sequence[str], layout: PythonLayout
) -> Iterator[tuple[int, str]]:
    shipped = {target for target in targets if target.endswith(".pyc")}
    for index, (entry, target) in enumerate(zip(paths, targets, strict=True)):
        if target.endswith(".py") and entry.path.startswith("site-packages/"):
            compiled = layout.bytecode_of(target)
            if compiled not in shipped:
                yield index, compiled


def _check_room(links: Sequence[PackageLink], prefix: str) -> None:
    """Binary files have room for a prefix as long as their placeholder (CEP 34)."""
    length = len(prefix.encode(errors="surrogateescape"))
    for link in links:
        for entry, target in link.special_pairs():
            room = len(entry.placeholder) if entry.placeholder and entry.file_mode == "binary" else length
            if room < length:
                raise PrefixError(
                    f"the path {prefix} has {length} bytes, but {target} of {link.name} has room for {room}.",
                    hint="Choose a shorter path for the environment.",
                    package=link.name,
                )


def _check_lengths(links: Sequence[PackageLink], prefix: str, file_system: FileSystem) -> None:
    """Refuses paths that the file system cannot hold, also while they are made in a folder aside."""
    length = file_system.length
    room = file_system.path_most - length(prefix) - 1
    room -= 0 if file_system.counts_utf16 else _ASIDE
    # Most paths need no closer look: each letter is one byte, and the whole is no longer than a name may be.
    harmless = min(room, file_system.name_most)
    for link in links:
        paths = (*link.targets, *link.written)
        if max(map(len, paths), default=0) <= harmless and all(map(str.isascii, paths)):
            continue
        for target in paths:
            if length(target) > room:
                raise PrefixError(
                    f"the path {prefix} is too long for {target} of {link.name}: both together may have "
                    f"{room + length(prefix) + 1} {'characters' if file_system.counts_utf16 else 'bytes'} there.",
                    hint="Choose a shorter path for the environment.",
                    package=link.name,
                )
            name = max(target.split("/"), key=length)
            if length(name) > file_system.name_most:
                raise PrefixError(
                    f"the name {name} in {target} of {link.name} is too long: the file system takes "
                    f"{file_system.name_most} bytes.",
                    package=link.name,
                )


class _Contest(Struct):
    """The owners of paths, while packages are added one by one; the newest claim of a path holds it.

    ``owners`` and ``losses`` go by what the file system makes of a path; ``spellings`` has the newest spelling of
    each, where that may be another.
    """

    links: Sequence[PackageLink]
    file_system: FileSystem
    owners: dict[str, int] = field(default_factory=dict)
    losses: dict[str, list[int]] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)

    def claim(self, index: int, paths: Sequence[str]) -> None:
        """The link at *index* brings *paths*."""
        keys = self.keys(paths)
        if not self.owners.keys().isdisjoint(keys):
            for key in self.owners.keys() & keys:
                self.losses.setdefault(key, []).append(self.owners[key])
        self.owners.update(dict.fromkeys(keys, index))
        if self.file_system.folds_case:
            self.spellings.update(zip(keys, paths, strict=True))

    def keys(self, paths: Sequence[str]) -> Sequence[str]:
        """What the file system makes of *paths*."""
        return [*map(self.file_system.key, paths)] if self.file_system.folds_case else paths

    def winner(self, key: str) -> PackageLink:
        return self.links[self.owners[key]]

    def losers(self, key: str) -> list[PackageLink]:
        return [self.links[index] for index in self.losses[key]]

    def spelling(self, key: str) -> str:
        return self.spellings.get(key, key)

    def lost(self) -> dict[int, set[str]]:
        """What each link loses, by its index."""
        found: dict[int, set[str]] = {}
        for key, losers in self.losses.items():
            for index in losers:
                found.setdefault(index, set()).add(key)
        return found

    def claims(self) -> dict[str, list[tuple[str, PathEntry | None]]]:
        """Of each contested path all spellings, with the entries that they belong to (None for generated files)."""
        found: dict[str, list[tuple[str, PathEntry | None]]] = {key: [] for key in self.losses}
        involved = {index for losers in self.losses.values() for index in losers}
        involved |= {self.owners[key] for key in self.losses}
        for index in sorted(involved):
            link = self.links[index]
            entries: list[tuple[str, PathEntry | None]] = [
                (target, entry) for entry, target in _all_pairs(link)
            ]
            entries += [(path, None) for path in link.written]
            for target, entry in entries:
                key = self.file_system.key(target)
                if key in found:
                    found[key].append((target, entry))
        return found


def _claimed(link: PackageLink) -> list[str]:
    """All files that *link* makes."""
    return [*_brought(link), *(path for _, path in link.bytecode)]


def _brought(link: PackageLink) -> list[str]:
    """The files that *link* makes without those that Python compiles, and "" for each that it loses."""
    paths, entries = [*link.targets], link.package.files.paths
    for at in reversed(link.special):
        if entries[at].path_type == DIRECTORY:
            del paths[at]
    paths += link.written
    return paths


def _settle(
    links: list[PackageLink], file_system: FileSystem
) -> tuple[tuple[Clobber, ...], list[PackageLink], dict[str, tuple[str, ...]]]:
    """The conflicts among *links*, the links without the paths that they lose, and all paths of several owners."""
    contest = _Contest(links, file_system)
    for index, link in enumerate(links):
        contest.claim(index, _claimed(link))
    _check_folders(contest)
    lost, claims = contest.lost(), contest.claims()
    settled = [
        _without_lost(link, lost.get(index, set()), index, contest) for index, link in enumerate(links)
    ]
    clobbers = tuple(
        _clobber(key, claims[key], contest)
        for key in sorted(contest.losses)
        if not _same_content(key, claims[key], contest)
    )
    shared = {
        contest.spelling(key): tuple(
            link.package.record.name for link in (*contest.losers(key), contest.winner(key))
        )
        for key in contest.losses
    }
    return clobbers, settled, shared


def _clobber(key: str, claims: Sequence[tuple[str, PathEntry | None]], contest: _Contest) -> Clobber:
    path, losers = contest.spelling(key), contest.losers(key)
    spellings = dict.fromkeys(target for target, _ in claims if target != path)
    return Clobber(path, contest.winner(key).name, tuple(link.name for link in losers), tuple(spellings))


def contested_names(plan: PrefixPlan, current: Sequence[InstalledPackage]) -> dict[str, str]:
    """The packages that stay and have a path that the plan brings anew, with one such path.

    Who wins is settled by linking both.
    """
    staying = [*_staying(plan, current)]
    if not staying:
        return {}
    key, folds = plan.file_system.key, plan.file_system.folds_case
    coming: set[str] = set()
    for link in plan.link:
        paths = [path for path in _brought(link) if path]
        coming.update(map(key, paths) if folds else paths)
    return {
        package.record.name: next(path for path in package.files if key(path) in coming)
        for package in staying
        if not coming.isdisjoint(map(key, package.files) if folds else package.files)
    }


def passing_through(plan: PrefixPlan, current: Sequence[InstalledPackage]) -> dict[str, str]:
    """The packages that stay and have files behind a symlink that goes or comes, with that symlink.

    Their files are linked anew.
    """
    symlinks = {
        entry["_path"]
        for package in plan.unlink
        for entry in package.paths
        if entry.get("path_type") == SOFTLINK
    } | {
        target for link in plan.link for entry, target in link.special_pairs() if entry.path_type == SOFTLINK
    }
    found = {}
    for package in _staying(plan, current):
        through = symlinks.intersection(parents_of(list(package.files)))
        if through:
            found[package.record.name] = min(through)
    return found


def _staying(plan: PrefixPlan, current: Sequence[InstalledPackage]) -> Iterator[InstalledPackage]:
    gone = {package.document_name for package in plan.unlink}
    return (package for package in current if package.document_name not in gone)


def _without_lost(link: PackageLink, lost: set[str], index: int, contest: _Contest) -> PackageLink:
    keys = contest.keys(link.targets)
    if not lost and len(set(keys)) == len(keys):
        return link
    key = contest.file_system.key
    last = {each: position for position, each in enumerate(keys)}
    lost = {each for each in lost if contest.owners[each] != index}
    targets = tuple(
        "" if each in lost or last[each] != position else link.targets[position]
        for position, each in enumerate(keys)
    )
    return PackageLink(
        link.package,
        targets,
        link.special,
        tuple((path, entry) for path, entry in link.entry_points if key(path) not in lost),
        tuple(
            (position, path)
            for position, path in link.bytecode
            if key(path) not in lost and targets[position]
        ),
        link.scripts,
        link.metadata,
        tuple(path for path in link.recorded if key(path) not in lost),
    )


def _same_content(key: str, claims: Sequence[tuple[str, PathEntry | None]], contest: _Contest) -> bool:
    """Whether all owners bring the same bytes; never for generated files other than bytecode."""
    if key.endswith(".pyc"):
        return True
    entries = [entry for _, entry in claims if entry is not None]
    sums = {(entry.sha256, entry.path_type, entry.placeholder) for entry in entries}
    enough = len(entries) > len(contest.losses[key])
    return enough and len(sums) == 1 and None not in next(iter(sums))[:1]


def _all_pairs(link: PackageLink) -> Iterator[tuple[PathEntry, str]]:
    return zip(link.package.files.paths, link.targets, strict=True)


def _check_folders(contest: _Contest) -> None:
    """Refuses a path that one package needs as a file and another as a folder (a symlink may be both)."""
    owners, of = contest.owners, contest.file_system.key
    for link in contest.links:
        for entry, target in link.special_pairs():
            if entry.path_type == DIRECTORY and of(target) in owners:
                _refuse(target, contest.winner(of(target)).name, link.name)
    for folder in parents_of([*owners]):
        if folder in owners and not _is_symlink(contest.winner(folder), folder, contest):
            below = contest.winner(next(path for path in owners if path.startswith(f"{folder}/")))
            _refuse(contest.spelling(folder), contest.winner(folder).name, below.name)


def _is_symlink(link: PackageLink, key: str, contest: _Contest) -> bool:
    # Packages without sums come without paths.json, which would tell symlinks from files.
    return any(
        contest.file_system.key(target) == key and (entry.path_type == SOFTLINK or entry.sha256 is None)
        for entry, target in link.special_pairs()
    )


def _refuse(path: str, as_file: str, as_folder: str) -> None:
    raise PrefixError(
        f"{as_file} brings the file {path}, which is a folder in {as_folder}; they exclude each other.",
        path=path,
        packages=[as_file, as_folder],
    )
