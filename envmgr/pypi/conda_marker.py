"""Environment markers (PEP 508) as conditions of conda specs (CEP 43, ``when``), exactly or not at all; pure.

The platform is known, so that only Python's version is left open: a marker is tried with every minor version,
and what comes out is a range of them. CPython is taken for granted.
"""

from __future__ import annotations

import re
from typing import Final

from envmgr.errors import DataError
from envmgr.pypi.target import PypiTarget

_MINORS: Final = ((2, 7), *((3, minor) for minor in range(41)))
_UNKNOWN: Final = (
    "python_full_version",
    "implementation_version",
    "platform_release",
    "platform_version",
    "extra",
)
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'")


def python_condition(marker: str, subdir: str) -> str | None:
    """The range of Python's versions for which *marker* holds on *subdir*: "" for all, None for none.

    Raises DataError, without a place, for a marker that asks for more than conda can tell.

    >>> python_condition("python_version < '3.11' and sys_platform == 'linux'", "linux-64")
    '<3.11dev0'
    >>> python_condition("sys_platform == 'win32'", "linux-64") is None
    True
    """
    names = set(re.findall(r"[a-z_]+", _QUOTED.sub(" ", marker)))
    for name in _UNKNOWN:
        if name in names:
            raise DataError(f"conda has no equal of the marker `{name}`.")
    holds = [
        PypiTarget(python=f"{major}.{minor}.0", subdir=subdir).marker_holds(marker)
        for major, minor in _MINORS
    ]
    if all(holds) or not any(holds):
        return "" if holds[0] else None
    ranges, start = [], None
    for place, held in enumerate([*holds, False]):
        if held and start is None:
            start = place
        elif not held and start is not None:
            lower = [f">={_text(start)}"] if start else []
            upper = [f"<{_text(place)}dev0"] if place < len(holds) else []
            ranges.append(",".join([*lower, *upper]))
            start = None
    return "|".join(ranges)


def _text(place: int) -> str:
    return ".".join(map(str, _MINORS[place]))
