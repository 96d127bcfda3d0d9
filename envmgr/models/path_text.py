"""Paths as people write them in files: with a `~` and with variables. Pure: the environment is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.models.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = lazy_pattern(r"\$(?:(\w+)|\{([^}]*)\})")


def expand_path(text: str, environ: Mapping[str, str]) -> str:
    """Replace a leading `~` by the home folder of *environ*, and `$NAME` and `${NAME}` by their values.

    A name without value stays as it is, as do other users' homes (`~name`).

    >>> expand_path("~/envs/$WHO", {"HOME": "/home/ann", "WHO": "me"})
    '/home/ann/envs/me'
    """
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if home and (text == "~" or text.startswith(("~/", "~\\"))):
        text = home.rstrip("/\\") + text[1:]
    return _VARIABLE.sub(lambda match: environ.get(match[1] or match[2], match[0]), text)
