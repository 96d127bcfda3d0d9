"""Reads what the dynamic linker reads of an ELF file, from bytes and nothing else.

``read_elf`` gives the needed libraries, the run path and the symbol versions that a file asks for. It follows
the program headers (not the section headers, which may be stripped) and checks every offset against the
file's size, so a damaged file is a DataError and never a crash. It changes nothing: see ``relocate``.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from envmgr.errors import DataError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterable, Iterator

    Buffer: TypeAlias = bytes | mmap.mmap

MAGIC = b"\x7fELF"

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 14, 15, 29
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_MAX_ENTRIES = 100_000

_GLIBC_VERSION = re.compile(r"GLIBC_([0-9]+(?:\.[0-9]+)+)\Z")
# Symbol versions that name a feature instead of a release, with the first glibc that provides it.
_GLIBC_FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36), "GLIBC_ABI_GNU2_TLS": (2, 42)}

_GLIBC_FAMILY = re.compile(
    r"(ld-linux[-a-z0-9_]*\.so\.[0-9]+|ld64\.so\.[0-9]+|linux-vdso\.so\.1"
    r"|libBrokenLocale\.so\.1|libanl\.so\.1|libc\.so\.6|libdl\.so\.2|libm\.so\.6|libmvec\.so\.1|libnsl\.so\.1"
    r"|libnss_[a-z]+\.so\.2|libpthread\.so\.0|libresolv\.so\.2|librt\.so\.1|libthread_db\.so\.1|libutil\.so\.1)\Z"
)


class ElfFile(Struct, frozen=True):
    """What one ELF file asks of the dynamic linker.

    ``rpath`` and ``runpath`` are the search folders in order, with ``$ORIGIN`` as written; ``version_needs``
    maps a library to the symbol versions needed of it; ``is_dynamic`` is False for static executables and
    object files, which cannot and need not be relocated.
    """

    is_dynamic: bool
    needed: tuple[str, ...] = ()
    soname: str | None = None
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    interpreter: str | None = None
    version_needs: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def search_path(self) -> tuple[str, ...]:
        """The folders that the linker searches for this file: RUNPATH, or RPATH where there is none."""
        return self.runpath or self.rpath


def is_glibc_library(name: str) -> bool:
    """Whether *name* is a library of glibc itself, which every machine has and no package provides."""
    return _GLIBC_FAMILY.match(name) is not None


def read_elf(data: Buffer, name: str) -> ElfFile:
    """Read an ELF file; *name* is what errors call it. Raises DataError for a damaged or foreign file."""
    try:
        return _Parser(data).parse()
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{name} is a damaged ELF file: {error}.") from None


def glibc_version(files: Iterable[ElfFile]) -> tuple[int, ...] | None:
    """The lowest glibc release that has every symbol version that *files* need; None where none is needed."""
    versions = [version for file in files for version in _glibc_versions(file)]
    return max(versions, default=None)


def _glibc_versions(file: ElfFile) -> Iterator[tuple[int, ...]]:
    for library, needs in file.version_needs:
        for need in needs if is_glibc_library(library) else ():
            match = _GLIBC_VERSION.match(need)
            if match:
                yield tuple(int(part) for part in match[1].split("."))
            elif need in _GLIBC_FEATURES:
                yield _GLIBC_FEATURES[need]


class _Parser:
    def __init__(self, data: Buffer) -> None:
        self._data = data
        if len(data) < 52 or data[:4] != MAGIC:
            raise ValueError("it is too short or lacks the ELF mark")
        if data[4] not in (1, 2) or data[5] not in (1, 2):
            raise ValueError("its class or byte order is unknown")
        self._wide = data[4] == 2
        self._order = "<" if data[5] == 1 else ">"

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        if offset < 0:
            raise ValueError("an offset is negative")
        return struct.unpack_from(self._order + layout, self._data, offset)

    def parse(self) -> ElfFile:
        headers = list(self._program_headers())
        loads = [(address, offset, size) for kind, offset, address, size in headers if kind == _PT_LOAD]
        dynamic = next(((offset, size) for kind, offset, _, size in headers if kind == _PT_DYNAMIC), None)
        interp = next((offset for kind, offset, _, _ in headers if kind == _PT_INTERP), None)
        interpreter = self._text(interp) if interp is not None else None
        if dynamic is None:
            return ElfFile(is_dynamic=False, interpreter=interpreter)
        return self._dynamic(list(self._entries(*dynamic)), loads, interpreter)

    def _program_headers(self) -> Iterator[tuple[int, int, int, int]]:
        """Kind, file offset, address and size in the file of each segment."""
        start, size, count = (
            (*self._unpack("Q", 32), *self._unpack("HH", 54))
            if self._wide
            else (*self._unpack("I", 28), *self._unpack("HH", 42))
        )
        for index in range(count):
            at = start + index * size
            if self._wide:
                kind, _, offset, address, _, in_file = self._unpack("IIQQQQ", at)
            else:
                kind, offset, address, _, in_file = self._unpack("IIIII", at)
            yield kind, offset, address, in_file

    def _entries(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        layout, step = ("QQ", 16) if self._wide else ("II", 8)
        for at in range(offset, offset + min(size, _MAX_ENTRIES * step), step):
            tag, value = self._unpack(layout, at)
            if tag == 0:
                return
            yield tag, value

    def _dynamic(
        self, entries: list[tuple[int, int]], loads: list[tuple[int, int, int]], interpreter: str | None
    ) -> ElfFile:
        first = dict(reversed(entries))
        if _DT_STRTAB not in first:
            return ElfFile(is_dynamic=False, interpreter=interpreter)
        strings = _file_offset(first[_DT_STRTAB], loads)

        def text_of(tag: int) -> str | None:
            return self._text(strings + first[tag]) if tag in first else None

        needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
        if _DT_VERNEED in first:
            start = _file_offset(first[_DT_VERNEED], loads)
            needs = tuple(self._version_needs(start, first.get(_DT_VERNEEDNUM, 0), strings))
        return ElfFile(
            is_dynamic=True,
            needed=tuple(self._text(strings + value) for tag, value in entries if tag == _DT_NEEDED),
            soname=text_of(_DT_SONAME),
            rpath=_folders(text_of(_DT_RPATH)),
            runpath=_folders(text_of(_DT_RUNPATH)),
            interpreter=interpreter,
            version_needs=needs,
        )

    def _version_needs(self, at: int, count: int, strings: int) -> Iterator[tuple[str, tuple[str, ...]]]:
        for _ in range(min(count, _MAX_ENTRIES)):
            _, amount, library, first, following = self._unpack("HHIII", at)
            names, entry = [], at + first
            for _ in range(amount):
                _, _, _, name, step = self._unpack("IHHII", entry)
                names.append(self._text(strings + name))
                entry += step
            yield self._text(strings + library), tuple(names)
            at += following

    def _text(self, offset: int) -> str:
        end = self._data.find(b"\0", offset) if offset < len(self._data) else -1
        if end < 0:
            raise ValueError("a name lies outside of the file")
        return self._data[offset:end].decode("utf-8", "surrogateescape")


def _file_offset(address: int, loads: list[tuple[int, int, int]]) -> int:
    for start, offset, size in loads:
        if start <= address < start + size:
            return address - start + offset
    raise ValueError("an address lies outside of every loaded segment")


def _folders(text: str | None) -> tuple[str, ...]:
    return tuple(folder for folder in (text or "").split(":") if folder)
