"""Files as users name them: by a path, or by a URL of a server, beside which there are others. Pure."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from envmgr.errors import DataError
from envmgr.models.credentials import without_credentials, without_credentials_in_word

if TYPE_CHECKING:
    from envmgr.models.requirement import Source

_SCHEMES: Final = ("http://", "https://")


def is_on_server(name: str) -> bool:
    """Whether *name* is the URL of a file or folder on a server."""
    return name.lower().startswith(_SCHEMES)


def shown_name(name: str) -> str:
    """*name* as it may be shown and kept: a URL without its login and its query, which often is a signature.

    >>> shown_name("https://me:pw@host/environment.yml?token=abc"), shown_name("a?b.yml")
    ('https://host/environment.yml', 'a?b.yml')
    """
    if not is_on_server(name):
        return name
    return re.split(r"[?#]", without_credentials(name), maxsplit=1)[0]


def shown_word(word: str) -> str:
    """A word of a command line as it may be kept: what may be a login is cut out, and the query of a file's URL.

    >>> shown_word("--file=https://me:pw@host/environment.yml?token=abc")
    '--file=https://host/environment.yml'
    """
    found = re.fullmatch(r"(--?[a-z-]+?=?)?(https?://.*)", word, re.IGNORECASE | re.DOTALL)
    if found is None:
        return without_credentials_in_word(word)
    return (found[1] or "") + without_credentials_in_word(found[2]).partition("?")[0]


def name_beside(name: str, other: str) -> str:
    """The file *other*, relative to the folder of the file *name*.

    >>> name_beside("conf/a.yml", "b.yml"), name_beside("https://host/conf/a.yml?x", "../b.yml")
    ('conf/b.yml', 'https://host/b.yml')
    """
    if is_on_server(other):
        return other
    return urljoin(name, other) if is_on_server(name) else os.path.join(os.path.dirname(name), other)


def local_path(name: str) -> str:
    """The path in a ``file:`` URL of this machine; any other *name* as it is.

    >>> local_path("file:///srv/my%20file.yml"), local_path("environment.yml")
    ('/srv/my file.yml', 'environment.yml')
    """
    parts = urlsplit(name) if name[:7].lower() == "file://" else None
    if parts is None or parts.netloc not in ("", "localhost"):
        return name
    path = unquote(parts.path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def refuse_here(text: str, source: Source) -> DataError:
    """The refusal of *text*, which names a place of this machine in a file that comes from a server."""
    return DataError(
        f"{source}: '{text}' is a place on this machine, and the file comes from a server.",
        hint="Fetch the file first, as with curl -O, where that is meant.",
        file=source.file,
        line=source.line,
    )
