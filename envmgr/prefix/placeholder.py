"""Replaces the build prefix that is baked into a file by the prefix that the file is installed into (CEP 34).

Rules: text may change its length, and its shebang must stay usable for the kernel; binary files keep their
length, because the replaced path is followed by NULs up to the end of its C string. A placeholder is searched
as UTF-8, UTF-16 and UTF-32, as conda does. This module handles bytes in memory and touches no files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envmgr.errors import PrefixError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.placeholder import WIDE_ENCODINGS

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

# The kernel cuts a longer interpreter line: Linux before 5.1 at 127 bytes, macOS at 512.
_SHEBANG_LIMITS = {"osx": 512}
_DEFAULT_SHEBANG_LIMIT = 127
# The name below the prefix of its Python, and options that a shell takes as they are.
_PYTHON = lazy_pattern(rb"/bin/python[0-9.]*")
_PLAIN_OPTIONS = lazy_pattern(rb"[ \t\w.=:,/-]*")
# A second line that names the encoding (PEP 263), and a script whose first statement is its docstring.
_ENCODING_LINE = lazy_pattern(rb"\r?\n[ \t\f]*#[^\r\n]*?coding[:=][^\r\n]*")
_DOCSTRING = lazy_pattern(rb"(?:[ \t\f]*(?:#[^\n]*)?\r?\n)*[rRuU]?[\"']")
# The line of `started_by_shell`, which pip's scripts have, too.
_SHELL_LINE = lazy_pattern(rb"\n'''exec' \"[^\n]*")
_SHEBANG = lazy_pattern(rb"#![ \t]*(/(?:\\ |[^ \t\r\n])*)([^\r\n]*)")


def shebang_limit(subdir: str) -> int:
    """How many bytes an interpreter line may have on *subdir*, ``#!`` included and the newline not."""
    return _SHEBANG_LIMITS.get(subdir.partition("-")[0], _DEFAULT_SHEBANG_LIMIT)


def replace_placeholder(
    data: bytes,
    placeholder: str,
    prefix: str,
    *,
    mode: str,
    subdir: str,
    offsets: Sequence[int] | None = None,
) -> bytes:
    """*data* of a file for *subdir* with *placeholder* replaced by *prefix*; *mode* is "text" or "binary".

    *offsets* tell where it stands (`envmgr.models.placeholder`); they are believed only where it does stand there,
    and with None it is searched for. Binary files of Windows packages stay as they are: nothing there reads an
    embedded prefix. Raises PrefixError when *prefix* has no room in a binary file.
    """
    windows = subdir.startswith("win-")
    old, new = placeholder.encode(), prefix.encode()
    if offsets is not None and not _stands_at(data, old, offsets):
        offsets = None
    if mode == "binary":
        if windows:
            return data
        if offsets is None:
            return replace_in_binary(data, placeholder, prefix)
        return _replace_c_strings_at(data, old, new, offsets)
    if offsets is not None and not data.startswith(b"#!"):
        return _replace_at(data, old, (prefix.replace("\\", "/") if windows else prefix).encode(), offsets)
    if windows:
        return replace_in_text(data, placeholder, prefix.replace("\\", "/"))
    return replace_in_script(data, placeholder, prefix, limit=shebang_limit(subdir))


def replace_in_text(data: bytes, placeholder: str, prefix: str) -> bytes:
    """*data* with every occurrence replaced.

    >>> replace_in_text(b"prefix=/old; libdir=/old/lib", "/old", "/new place")
    b'prefix=/new place; libdir=/new place/lib'
    """
    data = data.replace(placeholder.encode(), prefix.encode())
    if b"\0" not in data:
        return data  # Wide encodings write the letters of a path with NULs.
    for encoding, _ in WIDE_ENCODINGS:
        data = data.replace(placeholder.encode(encoding), prefix.encode(encoding))
    return data


def replace_in_script(data: bytes, placeholder: str, prefix: str, *, limit: int) -> bytes:
    """Like `replace_in_text`, and an interpreter line that the kernel cannot use becomes one that it can.

    That is a line longer than *limit* bytes, or an interpreter inside a prefix whose path holds a space. The
    prefix's Python is then started through a shell (`started_by_shell`). Any other interpreter is looked up on
    PATH by ``/usr/bin/env``, as conda does, so the environment has to be active.

    >>> print(replace_in_script(b"#!/old/bin/python\\n", "/old", "/new place", limit=127).decode(), end="")
    #!/bin/sh
    '''exec' "/new place/bin/python" "$0" "$@" #'''
    >>> replace_in_script(b"#!/old/bin/perl\\n", "/old", "/new place", limit=127)
    b'#!/usr/bin/env perl\\n'
    """
    found = _SHEBANG.match(data)
    replaced = replace_in_text(data, placeholder, prefix)
    if found is None:
        return replaced
    line = replace_in_text(found.group(), placeholder, prefix)
    spaced = " " in prefix and placeholder.encode() in found.group(1)
    if not spaced and len(line) <= limit:
        return replaced
    rest = data[found.end() :]
    head, encoding = _started_by_shell(found, rest, placeholder, prefix), _ENCODING_LINE.match(rest)
    if head is None:
        head = _looked_up_on_path(found)
    elif encoding is not None:
        # Python wants to see it in the second line at the latest; to the shell it is a comment.
        shell, command = head.split(b"\n")
        head = b"\n".join([shell, encoding.group().strip(), command])
        rest = rest[encoding.end() :]
    return head + replace_in_text(rest, placeholder, prefix)


def path_pattern(path: str) -> re.Pattern[bytes]:
    """What finds *path*, and paths below it, in the bytes of files; no longer names that begin like it."""
    import re

    return re.compile(re.escape(os.fsencode(path)) + rb"(?![\w.-])")


def replace_moved(data: bytes, old: str, new: str, *, subdir: str) -> bytes | None:
    """The text *data* of a file for *subdir* in a prefix that was at *old* and is at *new*.

    None where it does not hold *old*, and for binary files: nobody knows how much room a path has there. Longer
    names that begin like *old* are left alone, and an interpreter line stays one that the kernel can use.

    >>> replace_moved(b"#!/e/a/bin/sh\\n# /e/ab", "/e/a", "/e/b", subdir="linux-64")
    b'#!/e/b/bin/sh\\n# /e/ab'
    """
    found, quoted = path_pattern(old), path_pattern(_in_quotes(old))
    if b"\0" in data or not (found.search(data) or quoted.search(data)):
        return None
    line = _SHELL_LINE.search(data)
    if line is not None:
        plain, in_quotes = new.encode(), _in_quotes(new).encode()
        head, tail = (found.sub(lambda _: plain, part) for part in (data[: line.start()], data[line.end() :]))
        return head + quoted.sub(lambda _: in_quotes, line[0]) + tail
    # With a NUL, which no text has, the path is a placeholder that nothing longer begins with.
    placeholder = f"{old}\0"
    marked = found.sub(lambda _: placeholder.encode(), data)
    return replace_in_script(marked, placeholder, new, limit=shebang_limit(subdir))


def started_by_shell(python: str, options: str = "") -> str:
    """The first lines, without newline at the end, of a Python script that a shell starts.

    For an interpreter path that the kernel cannot take. The line with ``exec`` is a command to the shell and a
    string to Python, so the environment need not be active. *options* go to the interpreter as they are.

    >>> print(started_by_shell("/my env/bin/python3.12", "-E"))
    #!/bin/sh
    '''exec' "/my env/bin/python3.12" -E "$0" "$@" #'''
    """
    options = f" {options}" if options else ""
    return f"#!/bin/sh\n'''exec' \"{_in_quotes(python)}\"{options} \"$0\" \"$@\" #'''"


def _in_quotes(path: str) -> str:
    """*path* as it stands between double quotes in a shell script."""
    return "".join(f"\\{character}" if character in '"\\$`' else character for character in path)


def _started_by_shell(shebang: re.Match[bytes], rest: bytes, placeholder: str, prefix: str) -> bytes | None:
    """The head of a script of the prefix's Python; None for another program, or one that it would break.

    The line for the shell takes the place of the docstring: a script that reads its own, or has an import from
    ``__future__`` after it, cannot do with that.
    """
    program, options = shebang.group(1), shebang.group(2).strip()
    root = placeholder.encode()
    if not program.startswith(root) or not _PYTHON.fullmatch(program, len(root)):
        return None
    if not _PLAIN_OPTIONS.fullmatch(options):
        return None
    if _DOCSTRING.match(rest) and (b"__doc__" in rest or b"__future__" in rest):
        return None
    python = program.replace(root, prefix.encode(), 1)
    return started_by_shell(python.decode(), options.decode()).encode()


def _looked_up_on_path(shebang: re.Match[bytes]) -> bytes:
    program = shebang.group(1).rpartition(b"/")[2]
    options = shebang.group(2)
    # The kernel hands everything after the interpreter over as one argument, which only "env -S" takes apart.
    split = b"-S " if options.strip() else b""
    return b"#!/usr/bin/env " + split + program + options


def replace_in_binary(data: bytes, placeholder: str, prefix: str) -> bytes:
    """*data*, of the same length, with the placeholder replaced in every C string that holds it.

    A string that holds it several times is filled up once, by NULs at its end; the strings and the code after
    it stay where they are. Raises PrefixError when *prefix* is longer than *placeholder*.

    >>> replace_in_binary(b"/old:/old/a\\0code", "/old", "/p")
    b'/p:/p/a\\x00\\x00\\x00\\x00\\x00code'
    """
    data = _replace_c_strings(data, placeholder.encode(), prefix.encode(), unit=1)
    for encoding, unit in WIDE_ENCODINGS:
        data = _replace_c_strings(data, placeholder.encode(encoding), prefix.encode(encoding), unit=unit)
    return data


def _stands_at(data: bytes, old: bytes, offsets: Sequence[int]) -> bool:
    return all(data.startswith(old, offset) for offset in offsets)


def _replace_at(data: bytes, old: bytes, new: bytes, offsets: Sequence[int]) -> bytes:
    pieces, done = [], 0
    for offset in offsets:
        pieces += [data[done:offset], new]
        done = offset + len(old)
    return b"".join([*pieces, data[done:]])


def _replace_c_strings_at(data: bytes, old: bytes, new: bytes, offsets: Sequence[int]) -> bytes:
    """`_replace_c_strings` where the search was done before."""
    if offsets:
        _check_room(old, new, 1)
    pieces, done = [], 0
    for start in offsets:
        if start >= done:
            end = data.find(b"\0", start)
            end = len(data) if end < 0 else end
            pieces += [data[done:start], data[start:end].replace(old, new).ljust(end - start, b"\0")]
            done = end
    return b"".join([*pieces, data[done:]])


def _check_room(old: bytes, new: bytes, unit: int) -> None:
    if len(new) > len(old):
        raise PrefixError(
            f"the path has {len(new) // unit} bytes, but the package has room for {len(old) // unit}.",
            hint="Choose a shorter path for the environment.",
        )


def _replace_c_strings(data: bytes, old: bytes, new: bytes, *, unit: int) -> bytes:
    start = _find_aligned(data, old, 0, unit)
    if start < 0:
        return data
    _check_room(old, new, unit)
    pieces = []
    done = 0
    while start >= 0:
        end = _find_aligned(data, bytes(unit), start, unit)
        end = len(data) if end < 0 else end
        pieces += [data[done:start], data[start:end].replace(old, new).ljust(end - start, b"\0")]
        done = end
        start = _find_aligned(data, old, end, unit)
    return b"".join([*pieces, data[done:]])


def _find_aligned(data: bytes, wanted: bytes, start: int, unit: int) -> int:
    """The first offset of *wanted* from *start* on that is a multiple of *unit*, or -1."""
    found = data.find(wanted, start)
    while found >= 0 and found % unit:
        found = data.find(wanted, found + 1)
    return found
