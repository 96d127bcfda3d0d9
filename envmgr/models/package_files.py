"""What a package says about its own files: paths.json, link.json, and the old text files (CEP 34).

A path from a package is never trusted: one that is absolute, climbs out by ``..``, or would write into
``conda-meta/`` is a DataError, on every platform and whichever slash it uses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

HARDLINK: Final = "hardlink"
SOFTLINK: Final = "softlink"
DIRECTORY: Final = "directory"

OLD_PLACEHOLDER: Final = "/opt/anaconda1anaconda2anaconda3"
"""The placeholder of a line in ``info/has_prefix`` that names only a path."""

_ODD_PATH = lazy_pattern(
    r"""^[/\\]|\\|^[A-Za-z]:|(?:^|/)\.{0,2}(?:/|$)|^conda-meta(?:/|$)|\x00""", re.IGNORECASE
)
# What no plain path has, where a slash stands between paths; a colon or backslash may belong to a drive or a
# folder. The search for one letter is much the fastest, so there are few others.
_ODD_MARKS = ("//", "/./", "/../", "\\", ":")
_CONDA_META = lazy_pattern(r"\x00conda-meta[/\x00]", re.IGNORECASE)
_PATH_TYPES, _FILE_MODES = {HARDLINK, SOFTLINK, DIRECTORY}, {"text", "binary"}
_HAS_PREFIX = lazy_pattern(r"""\s*("[^"]*"|'[^']*'|\S+)\s+(text|binary)\s+("[^"]*"|'[^']*'|.+?)\s*""")
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_ENTRY_POINT = lazy_pattern(rf"\s*([^=]+?)\s*=\s*({_DOTTED})\s*:\s*({_DOTTED})\s*(?:\[[^\]]*\])?\s*")
_COMMAND = lazy_pattern(r"[\w.+-][\w.+ -]*")


class PathEntry(msgspec.Struct, frozen=True, gc=False, rename={
    "path": "_path", "size": "size_in_bytes", "placeholder": "prefix_placeholder",
}):  # fmt: skip
    """One file, symlink or empty folder of a package.

    ``path`` is relative, with ``/``; ``path_type`` is ``"hardlink"``, ``"softlink"`` or ``"directory"``.
    ``sha256`` (lower-case hex) and ``size`` (bytes) are those of the file or of the symlink's target, None
    where the package does not say. ``placeholder`` is the text to be replaced by the prefix, None where there
    is none; ``file_mode``, ``"text"`` or ``"binary"``, says how. ``no_link`` asks for a copy.
    """

    path: str
    path_type: str = HARDLINK
    sha256: str | None = None
    size: int | None = None
    placeholder: str | None = None
    file_mode: str = "text"
    no_link: bool = False


class EntryPoint(Struct, frozen=True):
    """A command that calls ``module:function`` (CEP 34, ``link.json``); *function* may be dotted."""

    command: str
    module: str
    function: str

    @classmethod
    def parse(cls, text: str) -> EntryPoint:
        """Read ``command = module:function``; raises DataError for anything else.

        >>> EntryPoint.parse("bsdiff4 = bsdiff4.cli:main_bsdiff4")
        EntryPoint(command='bsdiff4', module='bsdiff4.cli', function='main_bsdiff4')
        """
        found = _ENTRY_POINT.fullmatch(text)
        if found is None or not _COMMAND.fullmatch(found.group(1)) or set(found.group(1)) == {"."}:
            raise DataError(f"the entry point '{text}' is not valid; expected command = module:function.")
        return cls(*found.groups())

    def __str__(self) -> str:
        return f"{self.command} = {self.module}:{self.function}"


class PackageFiles(Struct, frozen=True, omit_defaults=True):
    """A package's files; *noarch* is ``"python"``, ``"generic"`` or None.

    ``offsets`` tells, by path, where placeholders stand in files (`envmgr.models.placeholder`), as far as somebody
    has looked.
    """

    paths: tuple[PathEntry, ...]
    noarch: str | None = None
    entry_points: tuple[EntryPoint, ...] = ()
    offsets: dict[str, tuple[int, ...]] = {}


class _PathsFile(msgspec.Struct):
    paths: list[PathEntry]
    paths_version: int = 1


class _NoarchSection(msgspec.Struct):
    type: str | None = None
    entry_points: list[str] | None = None


class _LinkFile(msgspec.Struct):
    noarch: _NoarchSection | None = None
    package_metadata_version: int = 1


def parse_paths_json(text: bytes) -> tuple[PathEntry, ...]:
    """The entries of ``info/paths.json``; raises DataError for a broken file or a hostile path."""
    try:
        file = msgspec.json.decode(text, type=_PathsFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"info/paths.json is not valid: {error}.") from None
    if file.paths_version != 1:
        raise DataError(f"info/paths.json has version {file.paths_version}; only version 1 is known.")
    return check_entries(file.paths)


def check_entries(entries: Sequence[PathEntry]) -> tuple[PathEntry, ...]:
    """*entries* with their paths in the plainest writing; raises DataError as `check_path` does, and for words that
    are not known.

    Nearly all packages have nothing odd, and a look at all of their paths at once settles them.
    """
    text = "\0".join(["", *[entry.path for entry in entries], ""])
    spread = text.replace("\0", "/")
    plain = (
        text.count("\0") == len(entries) + 1
        and not any(mark in spread for mark in _ODD_MARKS)
        and not _CONDA_META.search(text)
        and {entry.path_type for entry in entries} <= _PATH_TYPES
        and {entry.file_mode for entry in entries} <= _FILE_MODES
        and "" not in {entry.placeholder for entry in entries}
    )
    return tuple(entries) if plain else tuple([_checked_entry(entry) for entry in entries])


def parse_link_json(text: bytes) -> tuple[str | None, tuple[EntryPoint, ...]]:
    """The kind of noarch package and the entry points that ``info/link.json`` names; raises DataError."""
    try:
        section = msgspec.json.decode(text, type=_LinkFile).noarch
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"info/link.json is not valid: {error}.") from None
    if section is None:
        return None, ()
    if section.type not in ("python", "generic", None):
        raise DataError(f"info/link.json names the noarch type {section.type!r}; expected python or generic.")
    return section.type, tuple(EntryPoint.parse(line) for line in section.entry_points or ())


def parse_legacy(files: str, has_prefix: str = "", no_link: str = "") -> tuple[PathEntry, ...]:
    """The entries of a package without paths.json, from ``info/files``, ``has_prefix`` and ``no_link``.

    These files know neither sizes nor sums, nor which paths are symlinks: every entry is a hardlink, and the
    linker looks at the file itself.
    """
    placeholders = dict(_parse_has_prefix(line) for line in has_prefix.splitlines() if line.strip())
    copies = {line.strip() for line in no_link.splitlines()}
    entries = []
    for path in (line.strip() for line in files.splitlines()):
        if not path:
            continue
        placeholder, mode = placeholders.get(path, (None, "text"))
        entry = PathEntry(path, placeholder=placeholder, file_mode=mode, no_link=path in copies)
        entries.append(_checked_entry(entry))
    return tuple(entries)


def check_path(path: str) -> str:
    """*path* in its plainest writing; raises DataError where it would leave the prefix or enter conda-meta/.

    >>> check_path("lib/./python3.12//os.py")
    'lib/python3.12/os.py'
    """
    if not _ODD_PATH.search(path):
        return path
    unified = path.replace("\\", "/")
    parts = [part for part in unified.split("/") if part not in ("", ".")]
    if unified.startswith("/") or re.match(r"[A-Za-z]:", path) or ".." in parts or "\x00" in path:
        raise DataError(f"the package names the path {path!r}, which lies outside the environment.")
    if not parts or parts[0].lower() == "conda-meta":
        raise DataError(f"the package names the path {path!r}, which no package may write.")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _checked_entry(entry: PathEntry) -> PathEntry:
    path = check_path(entry.path)
    if entry.path_type not in (HARDLINK, SOFTLINK, DIRECTORY):
        raise DataError(
            f"info/paths.json gives {entry.path!r} the type {entry.path_type!r}, which is not known."
        )
    if entry.file_mode not in ("text", "binary"):
        raise DataError(
            f"info/paths.json gives {entry.path!r} the file mode {entry.file_mode!r}, which is not known."
        )
    if path == entry.path and entry.placeholder != "":
        return entry
    return msgspec.structs.replace(entry, path=path, placeholder=entry.placeholder or None)


def _parse_has_prefix(line: str) -> tuple[str, tuple[str | None, str]]:
    found = _HAS_PREFIX.fullmatch(line)
    if found is None:
        return line.strip().strip("\"'"), (OLD_PLACEHOLDER, "text")
    placeholder, mode, path = found.groups()
    return path.strip("\"'"), (placeholder.strip("\"'"), mode)
