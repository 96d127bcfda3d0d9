"""Hashes many files, on all cores where that is faster."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK_BYTES = 1 << 20
# Below these, starting threads costs more than they save.
_FEW_FILES, _BATCH = 64, 200
_MOST_THREADS = 16


def sha256_of(path: str) -> str | None:
    """The SHA-256 of the file at *path*, symlinks followed, in lower-case hex; None for one that cannot be read."""
    digest = hashlib.sha256()
    try:
        # What is no regular file any more must not be waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            while chunk := os.read(handle, _CHUNK_BYTES):
                digest.update(chunk)
        finally:
            os.close(handle)
    except OSError:
        return None
    return digest.hexdigest()


def sha256_of_each(paths: Sequence[str]) -> list[str | None]:
    """`sha256_of` each of *paths*, in their order.

    Threads are enough: reading and hashing let go of the interpreter, so that a cold disk gets several requests
    at a time and large files all cores.
    """
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    if threads == 1 or len(paths) < _FEW_FILES:
        return [sha256_of(path) for path in paths]
    from concurrent.futures import ThreadPoolExecutor

    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(threads) as pool:
        return [found for batch in pool.map(_sums, batches) for found in batch]


def _sums(batch: Sequence[str]) -> list[str | None]:
    return [sha256_of(path) for path in batch]
