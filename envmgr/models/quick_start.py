"""What makes processes of envmgr start sooner."""

from __future__ import annotations

import sys


def import_msgspec() -> None:
    """Import msgspec without typing_extensions, which costs 10 ms where it is installed.

    msgspec takes two names from it that `typing` has since Python 3.11, and falls back to those.
    """
    if sys.version_info >= (3, 11) and "typing_extensions" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # such a module "is not there"
        try:
            import msgspec  # noqa: F401
        finally:
            del sys.modules["typing_extensions"]
