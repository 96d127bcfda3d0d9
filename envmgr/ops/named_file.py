"""Reads the files that a user names, from the disk or from a server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from envmgr.errors import ChannelError, DataError
from envmgr.models.named_file import is_on_server, shown_name

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.ops.context import Context
    from envmgr.ports import Response

_LARGEST_FILE_BYTES: Final = 50_000_000
_LONGEST_SECONDS: Final = 300.0
_MISSING: Final = (404, 410)
_PAGE: Final = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE | re.DOTALL)
# Pages that show a file, and where the file itself is.
_SHOWN_BY: Final = (
    (
        r"https://github\.com/([^/]+/[^/]+)/(?:blob|blame|edit)/(.+)",
        r"https://raw.githubusercontent.com/\1/\2",
    ),
    (r"(https://gist\.github\.com/[^/]+/[0-9a-f]+)/?", r"\1/raw"),
    (r"(https?://.+)/-/blob/(.+)", r"\1/-/raw/\2"),
    (r"(https://huggingface\.co/.+)/blob/(.+)", r"\1/resolve/\2"),
    (r"(https://bitbucket\.org/[^/]+/[^/]+)/src/(.+)", r"\1/raw/\2"),
    (r"(https://codeberg\.org/[^/]+/[^/]+)/src/(.+)", r"\1/raw/\2"),
)


def place_of(name: str, context: Context) -> str:
    """Where the file *name* is, as generations keep it: its absolute path, or its URL without login and query."""
    from envmgr.ops.environments import expanded

    return shown_name(name) if is_on_server(name) else str(expanded(name, context))


def folder_of(name: str, context: Context) -> Path | str:
    """The folder of the file *name*, where relative paths in it start; a URL that ends in ``/`` on a server."""
    from envmgr.ops.environments import expanded

    if is_on_server(name):
        return f"{shown_name(name).rpartition('/')[0]}/"
    return expanded(name, context).parent


def read_content(name: str, context: Context) -> bytes:
    """The bytes of a file or pipe that a user named.

    A command asks a server once for each file. Raises DataError for one that is not there, far too large, or a web
    page, ChannelError for a server that does not answer.
    """
    if not is_on_server(name):
        return _from_disk(name, context)
    if name not in context.fetched:
        context.fetched[name] = _from_server(name, context)
    return context.fetched[name]


def _from_disk(name: str, context: Context) -> bytes:
    from envmgr.host.given_file import read_given_file
    from envmgr.ops.environments import expanded

    place = expanded(name, context)
    try:
        content = read_given_file(place, _LARGEST_FILE_BYTES)
    except FileNotFoundError:
        raise DataError(
            f"there is no file {name}.", hint=_near_file(place), file=name, missing=name
        ) from None
    except IsADirectoryError:
        raise DataError(f"{name} is a folder, not an environment file.", file=name) from None
    except PermissionError:
        raise DataError(f"{name} cannot be read: permission denied.", file=name) from None
    except (OSError, ValueError) as error:
        why = str(getattr(error, "strerror", None) or error).lower()
        raise DataError(f"{name} cannot be read: {why}.", file=name) from None
    if len(content) > _LARGEST_FILE_BYTES:
        raise _too_large(name)
    return content


def _from_server(name: str, context: Context) -> bytes:
    shown = shown_name(name)
    until = context.clock.now() + _LONGEST_SECONDS
    pieces: list[bytes] = []
    size = 0
    with context.transport.open(name) as response:
        if response.status != 200:
            raise _not_answered(shown, response)
        is_page = (
            response.headers.get("content-type", "").lower().startswith(("text/html", "application/xhtml"))
        )
        for piece in response.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > _LARGEST_FILE_BYTES:
                raise _too_large(shown)
            if context.clock.now() > until:
                raise ChannelError(
                    f"{shown} did not arrive within {_LONGEST_SECONDS:.0f} seconds.", url=shown
                )
    content = b"".join(pieces)
    if is_page or _PAGE.match(content[:10_000]):
        raise DataError(f"{shown} is a web page, not the file itself.", hint=_hint(shown), file=shown)
    return content


def _not_answered(shown: str, response: Response) -> DataError | ChannelError:
    from envmgr.models.channel import login_hint

    status = response.status
    if status in _MISSING:
        # Hosts of repositories answer so for what only those who log in may see.
        host = urlsplit(shown).netloc
        hint = f"Check the URL; where the file is private, envmgr auth login {host} stores a login for it."
        return DataError(
            f"there is no file {shown} (HTTP status {status}).", hint=hint, file=shown, missing=shown
        )
    if status in (401, 403):
        what = f"{shown} asks for a login" if status == 401 else f"{shown} may not be read"
        return ChannelError(
            f"{what} (HTTP status {status}).", hint=login_hint(shown), url=shown, status=status
        )
    return ChannelError(f"{shown} answered with HTTP status {status}.", url=shown, status=status)


def _hint(shown: str) -> str:
    for pattern, replacement in _SHOWN_BY:
        found = re.fullmatch(pattern, shown)
        if found is not None:
            return f"The file itself is at {found.expand(replacement)}."
    return "Name the URL of the file itself, not of a page that shows it."


def _too_large(shown: str) -> DataError:
    megabytes = _LARGEST_FILE_BYTES // 1_000_000
    return DataError(f"{shown} is larger than {megabytes} MB, and no such file may be.", file=shown)


def _near_file(place: Path) -> str | None:
    import difflib

    try:
        names = [entry.name for entry in place.parent.iterdir()]
    except OSError:
        return None
    near = difflib.get_close_matches(place.name, names, n=1)
    return f"Did you mean {near[0]}?" if near else None
