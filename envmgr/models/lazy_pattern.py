"""Regular expressions that are compiled when they are first used.

A command touches a hundred patterns while its modules load and uses ten of them; compiling all took 15 ms.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, AnyStr, cast

if TYPE_CHECKING:
    from re import Pattern


class _LazyPattern:
    """Stands for ``re.compile(text, flags)``; a method is looked up once and then costs what the real one does."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, value)
        return value


def lazy_pattern(text: AnyStr, flags: int = 0) -> Pattern[AnyStr]:
    """What ``re.compile`` gives, compiled at the first use of one of its methods.

    >>> lazy_pattern(r"[a-z]+").fullmatch("abc").group()
    'abc'
    """
    return cast("Pattern[AnyStr]", _LazyPattern(text, flags))
