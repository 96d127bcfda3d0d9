"""Reads what items say, and the files that they name with ``-r`` and ``-c``, each relative to its own folder."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import DataError
from envmgr.models.credentials import without_credentials_in_text
from envmgr.models.document import decode_document
from envmgr.models.requirement import Source
from envmgr.models.yaml_problem import refuse_merge_markers
from envmgr.pypi.requirement_lines import Option, RequirementLine, logical_lines, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmgr.pypi.resolution import PypiItem

_LARGEST_FILE_BYTES = 20_000_000
_MOST_FILES = 200
_MOST_REQUIREMENTS = 100_000


class Gathered(Struct, frozen=True):
    """Everything that the items ask for, in their order. *remote* are (option, URL) of files on servers."""

    requirements: list[RequirementLine] = field(default_factory=list)
    constraints: list[RequirementLine] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    remote: list[tuple[str, str]] = field(default_factory=list)


def gather(items: Iterable[PypiItem], environ: Mapping[str, str]) -> Gathered:
    """Read *items* and the files behind them.

    Raises DataError that names file and line for what cannot be read: a missing file, one that includes itself,
    an unknown option, a requirement that is none.
    """
    reader = _Reader(environ)
    for item in items:
        for _, line in logical_lines(item.text):
            reader.take(line, item.source, str(item.folder), False, ())
    return reader.gathered


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.gathered = Gathered()
        self._environ = environ
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
            if option.name not in ("--requirement", "--constraint"):
                self.gathered.options.append(option)
            elif "://" in option.value and not option.value.startswith("file://"):
                self.gathered.remote.append((option.name, option.value))
            else:
                self._file(option, constrains or option.name == "--constraint", above)

    def _file(self, option: Option, constrains: bool, above: tuple[str, ...]) -> None:
        from urllib.parse import unquote

        value = option.value
        path = unquote(value.removeprefix("file://")) if value.startswith("file://") else value
        path = os.path.normpath(os.path.join(option.folder, path))
        self._files += 1
        if path in above or self._files > _MOST_FILES:
            raise DataError(
                f"{option.source}: {_value(option)} includes itself, or too many files do.", file=path
            )
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
