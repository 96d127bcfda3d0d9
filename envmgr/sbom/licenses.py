"""Which licenses are expressions of SPDX (SPDX 2.3, annex D), as records and metadata write them. Pure."""

from __future__ import annotations

import functools
import re
from typing import Any

_OWN = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")


@functools.lru_cache(maxsize=256)
def spdx_expression(text: str) -> str | None:
    """*text* as an expression of known licenses, and of those of its own; None where it is none.

    >>> spdx_expression("mit or Apache-2.0"), spdx_expression("LicenseRef-Own"), spdx_expression("BSD 3-Clause")
    ('MIT OR Apache-2.0', 'LicenseRef-Own', None)
    """
    from license_expression import ExpressionError, ExpressionParseError

    try:
        parsed = _licensing().parse(text)
        unknown = _licensing().unknown_license_keys(parsed) if parsed is not None else ()
    except (ExpressionError, ExpressionParseError):
        return None
    if parsed is None or not all(map(_OWN.fullmatch, unknown)):
        return None
    return str(parsed)


def own_licenses(expression: str) -> tuple[str, ...]:
    """The ``LicenseRef-`` names in *expression*, which a document has to explain."""
    return tuple(dict.fromkeys(_OWN.findall(expression)))


@functools.cache
def _licensing() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
