"""Where a build prefix stands in the bytes of a file (CEP 34, ``prefix_placeholder``). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mmap

# Programs of Windows and some libraries keep their paths in wide characters; the numbers are bytes for each.
WIDE_ENCODINGS = (("utf-16-le", 2), ("utf-16-be", 2), ("utf-32-le", 4), ("utf-32-be", 4))


def find_placeholder(data: bytes | mmap.mmap, placeholder: str) -> tuple[int, ...] | None:
    """The offsets (bytes) of *placeholder* as UTF-8 in *data*, from the left and not overlapping.

    None where it also stands there in wide characters, which offsets of one kind cannot tell.

    >>> find_placeholder(b"/old/bin:/old", "/old")
    (0, 9)
    """
    wide = WIDE_ENCODINGS if data.find(b"\0") >= 0 else ()  # They write the letters of a path with NULs.
    if any(data.find(placeholder.encode(encoding)) >= 0 for encoding, _ in wide):
        return None
    wanted = placeholder.encode()
    found = []
    at = data.find(wanted)
    while at >= 0:
        found.append(at)
        at = data.find(wanted, at + len(wanted))
    return tuple(found)
