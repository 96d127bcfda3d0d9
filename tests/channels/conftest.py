"""Root may read and write everything; tests about permissions give that up for their own duration."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_VERSION_3 = 0x20080522
# CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER: what lets root pass by modes and owners.
_POWERS = 1 << 1 | 1 << 2 | 1 << 3


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@pytest.fixture
def drop_privileges() -> Iterator[Callable[[], None]]:
    """A function after which this thread, and those that it starts, are subject to modes and owners."""
    if os.geteuid() != 0:
        yield lambda: None
        return
    if sys.platform != "linux":
        pytest.skip("root can read and write everything here")
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), ctypes.byref(sets)) != 0:
        pytest.skip("the capabilities of this process cannot be read")
    before = sets[0].effective

    def drop() -> None:
        sets[0].effective = before & ~_POWERS
        if libc.capset(ctypes.byref(header), ctypes.byref(sets)) != 0:
            pytest.skip("the capabilities of this process cannot be given up")

    yield drop
    sets[0].effective = before
    libc.capset(ctypes.byref(header), ctypes.byref(sets))


@pytest.fixture
def ordinary_user(drop_privileges: Callable[[], None]) -> None:
    """This test is subject to the modes of files, even where root runs it."""
    drop_privileges()
