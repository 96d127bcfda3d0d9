"""Compares two of: environments, generations of them, files, and what other machines wrote down as JSON.

Each is read into a `Side`; `_Reader._file` is the one place where kinds of files are told apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from envmgr.errors import DataError, PrefixError, UsageError
from envmgr.models.decoding import UNDECODABLE, complaint_of
from envmgr.models.difference import Difference, Entry, PackageKind, Side, compare
from envmgr.models.named_file import is_on_server, shown_name
from envmgr.models.record import Origin, PackageRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.envfile.explicit import ExplicitPackage
    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.ops.python_lock import PythonLock
    from envmgr.ops.request import Pieces

_GENERATION: Final = re.compile(r"(.+)@([0-9]{1,9})")
_LARGEST_JSON_BYTES: Final = 50_000_000
_LOOKED_AT_BYTES: Final = 10_000
_LIST: Final = re.compile(r"\[\s*[{\]]")  # Sections of TOML and of setup.cfg begin with a bracket, too.


class DiffRequest(Struct, frozen=True):
    """Two words for what is compared.

    Files are read for *subdir* (None: this machine's), with *extras* and *groups*.
    """

    before: str
    after: str
    subdir: str | None = None
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Differences(Struct, frozen=True):
    """What is different from *before* to *after*."""

    before: Side
    after: Side
    found: tuple[Difference, ...]


def diff(request: DiffRequest, context: Context) -> Differences:
    """Read both sides and compare them; nothing is solved, and nothing changed.

    Raises UsageError, PrefixError or DataError for a side that is not there or cannot be read.
    """
    subdir = request.subdir or context.settings.subdir
    reader = _Reader(request, subdir, context)
    found = reader.side(request.before), reader.side(request.after)
    python = _python_of(found)
    before, after = (each if isinstance(each, Side) else reader.of_lock(each, python) for each in found)
    locks = [each for each in found if not isinstance(each, Side)]
    if len(locks) == 1:
        before, after = _without_python(before, after, locks[0])
    if before.is_request != after.is_request:
        before, after = _for_python(before, python, subdir), _for_python(after, python, subdir)
    return Differences(before, after, tuple(compare(before, after)))


class _Listed(Struct):
    """One package in `list --json` of envmgr, conda and mamba, of pixi (`build`, `kind`), or of pip."""

    name: str
    version: str
    build_string: str | None = None
    build: str | None = None
    kind: str | None = None
    channel: str | None = None
    base_url: str | None = None
    platform: str | None = None
    url: str | None = None
    sha256: str | None = None
    md5: str | None = None

    @property
    def is_of_pip(self) -> bool:
        """Whether nothing but a name and a version is told, as by `pip list --format json`."""
        return not (self.channel or self.base_url or self.build_string or self.build or self.kind)


class _Reader:
    def __init__(self, request: DiffRequest, subdir: str, context: Context) -> None:
        self._request, self._subdir, self._context = request, subdir, context

    def side(self, word: str) -> Side | PythonLock:
        """What *word* names: a file, ``ENVIRONMENT@NUMBER``, or an environment, by its name or folder.

        What a lock of Python's tools holds depends on a Python, which the other side may tell.
        """
        from envmgr.host.given_file import is_given_file
        from envmgr.ops.environments import expanded, is_name, locate

        place = expanded(word, self._context)
        if is_on_server(word) or is_given_file(place):
            return self._file(word)
        name, number = word, None
        found = _GENERATION.fullmatch(word)
        if found is not None and not place.exists():
            name, number = found[1], int(found[2])
        as_name = is_name(name) and not expanded(name, self._context).joinpath("conda-meta").is_dir()
        prefix = locate(name if as_name else None, None if as_name else name, self._context)
        if not prefix.exists():
            raise PrefixError(
                f"there is no file and no environment '{name}'.",
                hint="Name a file, an environment or its folder, or a generation as NAME@NUMBER.",
            )
        return self._environment(word, prefix) if number is None else self._generation(word, prefix, number)

    def _environment(self, word: str, prefix: Path) -> Side:
        from envmgr.ops.environments import locate_existing, read_steadily
        from envmgr.ops.list import list_packages
        from envmgr.prefix.store import PrefixStore

        locate_existing(None, str(prefix), self._context)
        listed = list_packages(prefix, self._context)
        store = PrefixStore(prefix)
        asked = read_steadily(prefix, self._context, lambda: store.asked(store.records()))
        entries = [self._package(record, asked=record.name in asked) for record in listed.packages]
        entries += [_distribution(each.name, each.version, asked=True) for each in listed.pypi]
        return _side(word, entries)

    def _generation(self, word: str, prefix: Path, number: int) -> Side:
        from envmgr.ops.environments import locate_existing
        from envmgr.prefix.store import PrefixStore

        locate_existing(None, str(prefix), self._context)
        generations = PrefixStore(prefix).generations()
        known = {each.number: each for each in generations.known}
        if number not in known:
            numbers = ", ".join(map(str, known)) or "none"
            raise UsageError(
                f"{prefix} has no generation {number}; it has {numbers}.",
                hint="envmgr history shows what each one was.",
            )
        requested = known[number].requested()
        return _side(
            word,
            [
                self._package(record, asked=bool(requested.get(record.name)))
                for record in known[number].records()
            ],
        )

    def _package(self, record: PackageRecord, *, asked: bool = False) -> Entry:
        from envmgr.pypi.names import distribution_names

        if record.is_pypi:
            return Entry("pypi", record.shown_name, record, asked=asked)
        provides = distribution_names(record, self._context.settings.pypi_names)
        return Entry("conda", record.name, record, asked=asked, provides=provides)

    def of_lock(self, lock: PythonLock, python: PackageRecord | None) -> Side:
        """The distributions that *lock* has for *python*, and which Pythons it is for."""
        from envmgr.ops.python_lock import distributions_of, pinned_versions

        assert python is not None  # Any lock is for some Python.
        text = str(lock.python)
        entries = (
            [Entry("conda", "python", texts=(text,), specs=(lock.python,))] if lock.python.version else []
        )
        if lock.pylock is None:
            pinned = pinned_versions(lock, python, self._subdir)
            return _side(lock.file, [*entries, *(_distribution(name, version) for name, version in pinned)])
        named = (*self._request.extras, *self._request.groups)
        found = distributions_of(lock.pylock, named, python, self._subdir, self._context)
        entries += [self._package(record) for record in found.wheels]
        entries += [_distribution(each.name, each.version or "", each.sha256) for each in found.sources]
        for each in found.unfit:
            name, _, version = each.partition(" ")
            entries.append(_distribution(name, "" if version.startswith("(") else version))
        return _side(lock.file, entries)

    def _file(self, word: str) -> Side | PythonLock:
        from envmgr.ops.named_file import read_content
        from envmgr.ops.python_lock import is_python_lock, lock_of_pylock
        from envmgr.ops.request import Asked, read_pieces

        content = read_content(word, self._context)
        listed = self._listed(word, content)
        if listed is not None:
            return listed
        asked = Asked(files=(word,), extras=self._request.extras, groups=self._request.groups)
        pieces = read_pieces(asked, self._subdir, self._context, {word: content})
        if pieces.pylock is not None:
            return lock_of_pylock(pieces.pylock)
        if pieces.locked is not None:
            side = self._explicit(word, pieces.explicit)
            wheels = [self._package(record) for record in pieces.locked.wheels]
            sources = [
                _distribution(each.name, each.version or "", each.sha256) for each in pieces.locked.sources
            ]
            return _side(word, [*side.entries.values(), *wheels, *sources])
        if pieces.explicit:
            return self._explicit(word, pieces.explicit)
        return self._requests(word, pieces, is_lock=is_python_lock(content, word))

    def _listed(self, word: str, content: bytes) -> Side | None:
        """A list of packages in JSON; None for a file that is none."""
        from envmgr.models.document import decode_document, glanced_text
        from envmgr.models.yaml_problem import refuse_merge_markers

        start = glanced_text(content, _LOOKED_AT_BYTES).lstrip()
        is_list = start.startswith("[") and (word.lower().endswith(".json") or _LIST.match(start))
        if not is_list:
            return None
        shown = shown_name(word)
        text = decode_document(content, file=shown, largest=_LARGEST_JSON_BYTES)
        refuse_merge_markers(text, file=shown)
        try:
            entries = msgspec.json.decode(text, type=list[_Listed])
        except UNDECODABLE as error:
            raise DataError(
                f"{shown} is not what `list --json` writes: {complaint_of(error)}.", file=shown
            ) from None
        of_pip = all(each.is_of_pip for each in entries)
        return _side(
            word,
            [
                _distribution(each.name, each.version, each.sha256)
                if of_pip or "pypi" in (each.channel, each.kind)
                else self._of_list(each)
                for each in entries
            ],
        )

    def _of_list(self, listed: _Listed) -> Entry:
        from envmgr.models.channel import DEFAULT_ALIAS

        url = listed.base_url or listed.channel or ""
        if url and "://" not in url:
            url = f"{DEFAULT_ALIAS.rstrip('/')}/{url}"
        fields: dict[str, Any] = {
            "name": listed.name, "version": listed.version, "build": listed.build_string or listed.build or "",
            "sha256": listed.sha256, "md5": listed.md5,
        }  # fmt: skip
        return self._package(_record(fields, url, listed.platform or ""))

    def _explicit(self, word: str, packages: Sequence[ExplicitPackage]) -> Side:
        from envmgr.models.channel import split_url
        from envmgr.models.identifiers import split_distribution

        entries = []
        for each in packages:
            channel, subdir, file_name = split_url(each.url)
            name, version, build, _ = split_distribution(file_name)
            fields = {
                "name": name,
                "version": version,
                "build": build,
                "sha256": each.sha256,
                "md5": each.md5,
            }
            entries.append(self._package(_record(fields, channel, subdir)))
        return _side(word, entries)

    def _requests(self, word: str, pieces: Pieces, *, is_lock: bool) -> Side | PythonLock:
        """Specs, and lines for pip; where every spec names a version and a build, these are packages."""
        from envmgr.models.match_spec import parse_match_spec
        from envmgr.models.spec_style import plain_text
        from envmgr.ops.named_file import read_content
        from envmgr.ops.python_lock import PythonLock
        from envmgr.ops.python_requirements import items_of_file, place_mapped
        from envmgr.pypi.requirement_files import gather

        requirements: list[Requirement] = list(pieces.requirements)
        items = []
        for file in pieces.environments:
            requirements += [*file.requirements, *place_mapped(file).requirements]
            items += items_of_file([*file.python, *file.subsections.get("pip", ())], self._context)
        context = self._context
        lines = gather(items, context.environ, lambda url: read_content(url, context)).requirements
        if is_lock:
            pythons = [each.spec for each in requirements if each.spec.name == "python"]
            return PythonLock(word, pythons[0] if pythons else parse_match_spec("python"), None, tuple(lines))
        exact = [_exact(each) for each in requirements]
        pinned = [re.fullmatch(r"([\w.-]+)==([^\s;*]+)", line.text) for line in lines]
        if requirements and all(exact) and all(pinned):
            packages = [self._package(each) for each in exact if each is not None]
            packages += [
                _distribution(line.name or "", each[2])
                for line, each in zip(lines, pinned, strict=True)
                if each
            ]
            return _side(word, packages)
        texts: dict[tuple[PackageKind, str], dict[str, MatchSpec | None]] = {}
        for each in requirements:
            texts.setdefault(("conda", each.spec.name), {}).setdefault(plain_text(each.spec), each.spec)
        for line in lines:
            texts.setdefault(("pypi", line.name or line.shown), {})[line.shown] = None
        entries = [
            Entry(kind, name, texts=tuple(found), specs=tuple(filter(None, found.values())))
            for (kind, name), found in texts.items()
        ]
        return _side(word, entries, is_request=True)


def _python_of(sides: Iterable[Side | PythonLock]) -> PackageRecord | None:
    """The Python that one of *sides* has, or else that a lock among them is for."""
    pythons = [each.entries.get(("conda", "python")) for each in sides if isinstance(each, Side)]
    records = [each.record for each in pythons if each is not None and each.record is not None]
    locks = [each for each in sides if not isinstance(each, Side)]
    if records or not locks:
        return records[0] if records else None
    from envmgr.ops.python_lock import python_for

    return python_for(locks)


def _without_python(before: Side, after: Side, lock: PythonLock) -> tuple[Side, Side]:
    """*before* and *after*, one of which is *lock*, without python, which no lock has; one unfit for it stays."""
    from msgspec.structs import replace

    key: tuple[PackageKind, str] = ("conda", "python")
    there = [side.entries[key].record for side in (before, after) if key in side.entries]
    if any(record is not None and not lock.python.matches(record) for record in there):
        return before, after
    before, after = (
        replace(side, entries={name: entry for name, entry in side.entries.items() if name != key})
        for side in (before, after)
    )
    return before, after


def _for_python(side: Side, python: PackageRecord | None, subdir: str) -> Side:
    """The requests of *side* whose markers hold for *python*."""
    from msgspec.structs import replace

    from envmgr.ops.python_lock import marker_of
    from envmgr.pypi.target import PypiTarget

    if not side.is_request or python is None:
        return side
    target = PypiTarget.of(python, (), subdir)
    entries = {}
    for key, entry in side.entries.items():
        markers = {text: marker_of(text) for text in entry.texts}
        texts = tuple(text for text, marker in markers.items() if not marker or target.marker_holds(marker))
        if texts or entry.kind == "conda":
            entries[key] = replace(entry, texts=texts) if entry.kind == "pypi" else entry
    return replace(side, entries=entries)


def _side(word: str, entries: Iterable[Entry], *, is_request: bool = False) -> Side:
    return Side(shown_name(word), {(each.kind, each.name): each for each in entries}, is_request)


def _distribution(name: str, version: str, sha256: str | None = None, *, asked: bool = False) -> Entry:
    from envmgr.models.wheel_name import normalized_name

    record = PackageRecord(name=normalized_name(name), version=version, sha256=sha256)
    return Entry("pypi", record.name, record, asked=asked)


def _record(fields: Mapping[str, Any], channel: str, subdir: str) -> PackageRecord:
    from envmgr.models.channel import without_credentials

    clean = without_credentials(channel).rstrip("/")
    origin = Origin(clean, subdir, f"{clean}/{subdir}/") if clean else None
    return PackageRecord.parse({**fields, "depends": ["python"]}, origin=origin)


def _exact(each: Requirement) -> PackageRecord | None:
    """The package that a spec with one version and one build stands for; None for any other spec."""
    spec = each.spec
    build = str(spec.build) if spec.build is not None and spec.build.is_exact else ""
    if spec.version is None or not build or not (spec.version.is_exact or spec.version.is_fuzzy):
        return None
    version = re.sub(r"^=+|\.\*$", "", str(spec.version))
    return PackageRecord(name=spec.name, version=version, build=build, depends=["python"])
