"""Reads what items say, and the files that they name with ``-r`` and ``-c``, each relative to its own folder.

Files on servers are read here, too, and not by the tool: what they say leads to no file of this machine.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.models.credentials import without_credentials_in_text
from envmgr.models.document import decode_document
from envmgr.models.named_file import is_on_server, name_beside, refuse_here, shown_name
from envmgr.models.requirement import Source
from envmgr.models.yaml_problem import refuse_merge_markers
from envmgr.pypi.items import names_place_here
from envmgr.pypi.requirement_lines import Option, RequirementLine, logical_lines, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmgr.pypi.index_options import Fetch
    from envmgr.pypi.resolution import PypiItem

_LARGEST_FILE_BYTES = 20_000_000
_MOST_FILES = 200
_MOST_REQUIREMENTS = 100_000


class Gathered(Struct, frozen=True):
    """Everything that the items ask for, in their order."""

    requirements: list[RequirementLine] = field(default_factory=list)
    constraints: list[RequirementLine] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)


def gather(items: Iterable[PypiItem], environ: Mapping[str, str], fetch: Fetch | None = None) -> Gathered:
    """Read *items* and the files behind them, those on servers by *fetch*.

    Raises DataError that names file and line for what cannot be read: a missing file, one that includes itself,
    an unknown option, a requirement that is none.
    """
    reader = _Reader(environ, fetch)
    for item in items:
        for _, line in logical_lines(item.text):
            reader.take(line, item.source, str(item.folder), False, ())
            if item.is_kept:
                reader.keep_sums_apart()
    return reader.gathered


class _Reader:
    def __init__(self, environ: Mapping[str, str], fetch: Fetch | None) -> None:
        self.gathered = Gathered()
        self._environ, self._fetch = environ, fetch
        self._files = self._requirements = 0

    def take(self, line: str, source: Source, folder: str, constrains: bool, above: tuple[str, ...]) -> None:
        """One line, which may name a file; *above* are the files that led here."""
        requirement, options = parse_line(line, source, folder, self._environ)
        if requirement is not None:
            self._requirements += 1
            if self._requirements > _MOST_REQUIREMENTS:
                raise DataError(f"{source}: there are more than {_MOST_REQUIREMENTS} requirements.")
            (self.gathered.constraints if constrains else self.gathered.requirements).append(requirement)
        for option in options:
            is_file = option.name in ("--requirement", "--constraint")
            where = name_beside(folder, option.value) if is_file and is_on_server(folder) else option.value
            if is_on_server(folder) and names_place_here(f"{option.name} {where}"):
                raise refuse_here(f"{option.name} {_value(option)}", source)
            if not is_file:
                self.gathered.options.append(option)
            elif is_on_server(where):
                self._page(where, option, constrains or option.name == "--constraint", above)
            else:
                self._file(option, constrains or option.name == "--constraint", above)

    def keep_sums_apart(self) -> None:
        """Have the sums of the last requirement hold for its own file alone."""
        last = self.gathered.requirements[-1] if self.gathered.requirements else None
        if last is not None and last.hashes:
            self.gathered.requirements[-1] = replace(last, hashes=(), url_hashes=last.hashes)

    def _page(self, url: str, option: Option, constrains: bool, above: tuple[str, ...]) -> None:
        shown = shown_name(url)
        self._count(shown, option, above)
        if self._fetch is None:
            raise DataError(f"{option.source}: {shown} is on a server, and is not fetched here.", file=shown)
        try:
            content = self._fetch(url)
        except DataError as error:
            raise DataError(f"{option.source}: {error}", hint=error.hint, **error.facts) from None
        text = decode_document(content, file=shown, largest=_LARGEST_FILE_BYTES)
        refuse_merge_markers(text, file=shown)
        for number, line in logical_lines(text):
            folder = f"{url.partition('?')[0].rpartition('/')[0]}/"
            self.take(line, Source(shown, number, line), folder, constrains, (*above, shown))

    def _count(self, identity: str, option: Option, above: tuple[str, ...]) -> None:
        self._files += 1
        if identity in above or self._files > _MOST_FILES:
            raise DataError(
                f"{option.source}: {_value(option)} includes itself, or too many files do.", file=identity
            )

    def _file(self, option: Option, constrains: bool, above: tuple[str, ...]) -> None:
        from urllib.parse import unquote

        value = option.value
        path = unquote(value.removeprefix("file://")) if value.startswith("file://") else value
        path = os.path.normpath(os.path.join(option.folder, path))
        self._count(path, option, above)
        shown = _shown(option)
        for number, line in logical_lines(_text(path, option)):
            self.take(line, Source(shown, number, line), os.path.dirname(path), constrains, (*above, path))


def _value(option: Option) -> str:
    """The value of an option for messages."""
    return without_credentials_in_text(option.value)


def _shown(option: Option) -> str:
    """The file as a message names it: relative to where the file that names it is, as that one was named."""
    if option.source.file is None or os.path.isabs(option.value) or "://" in option.value:
        return option.value
    return os.path.normpath(os.path.join(os.path.dirname(option.source.file), option.value))


def _text(path: str, option: Option) -> str:
    try:
        content = _bytes(path)
    except FileNotFoundError:
        raise DataError(
            f"{option.source}: there is no file {_value(option)}.", file=path, missing=path
        ) from None
    except IsADirectoryError:
        raise DataError(
            f"{option.source}: {_value(option)} is a folder.", hint="A project folder needs no -r.", file=path
        ) from None
    except (OSError, ValueError) as error:
        why = str(getattr(error, "strerror", None) or error).lower()
        raise DataError(f"{option.source}: {_value(option)} cannot be read: {why}.", file=path) from None
    if len(content) > _LARGEST_FILE_BYTES:
        raise DataError(f"{option.source}: {_value(option)} is too large for a requirements file.", file=path)
    text = decode_document(content, file=_value(option), largest=_LARGEST_FILE_BYTES)
    refuse_merge_markers(text, file=_value(option))
    return text


def _bytes(path: str) -> bytes:
    """The beginning of a regular file: opening a pipe would wait for its writer."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError
        if not stat.S_ISREG(mode):
            raise ValueError("it is no regular file")
        return file.read(_LARGEST_FILE_BYTES + 1)
