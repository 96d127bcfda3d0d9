"""Channels: from what a user writes to the one URL that a channel has (CEP 26, "Identifying channels").

A channel value never holds credentials: user and password, and the token in a ``/t/TOKEN/`` path, are cut
off. Which channels stand behind ``defaults`` or ``local`` is a setting and not decided here.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.credentials import (
    URL,
    check_url,
    is_token_name,
    is_url,
    without_credentials,
    without_credentials_in_text,
    without_credentials_in_word,
)
from envmgr.models.identifiers import split_distribution
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.platform import KNOWN_SUBDIRS

__all__ = [
    "DEFAULT_ALIAS",
    "Channel",
    "file_url",
    "is_channel_name",
    "is_url",
    "login_hint",
    "split_distribution",
    "split_url",
    "without_credentials",
    "without_credentials_in_text",
    "without_credentials_in_word",
]

DEFAULT_ALIAS: Final = "https://conda.anaconda.org"

_ANACONDA: Final = "https://repo.anaconda.com"

_LOGIN_PATH = lazy_pattern(r"[/\\]{2,}[^/\\:]*:.*@.*", re.DOTALL)
_PATH = lazy_pattern(r"\.{0,2}[/\\].*|\.{1,2}|~|~/.*|[A-Za-z]:([\\/].*)?", re.DOTALL)
_NAME = lazy_pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*")
_FILE = lazy_pattern(r"[^/]*(\.conda|\.tar\.bz2|\.json|\.json\.zst|\.json\.bz2)")


class Channel(Struct, frozen=True):
    """A channel's short *name* and its *url*, without subdir, credentials or a trailing slash.

    >>> Channel.parse("conda-forge")
    Channel(name='conda-forge', url='https://conda.anaconda.org/conda-forge')
    """

    name: str
    url: str

    @classmethod
    def parse(cls, text: str, *, alias: str = DEFAULT_ALIAS, cwd: str = "") -> Channel:
        """Read a name, a name with a label, a URL, or a path.

        *alias* is the URL that names are appended to, ``pkgs/...`` excepted, which Anaconda serves elsewhere;
        *cwd* is the absolute folder that relative paths start from. A subdir or a file name at the end is cut
        off. Raises DataError, which quotes no credentials, for text that is none of these.
        """
        text = text.strip()
        alias = without_credentials(alias).rstrip("/")
        if is_url(text):
            check_url(text)
            url = split_url(_without_dots(text))[0]
            return cls(_name_of(url, alias), url)
        if _PATH.fullmatch(text) and not _LOGIN_PATH.fullmatch(text):
            url = split_url(file_url(text, cwd))[0]
            return cls(url, url)
        name = _cut_subdir(text.strip("/"))[0]
        if not _NAME.fullmatch(name):
            shown = without_credentials_in_word(text)
            raise DataError(f"'{shown}' is not a channel; expected a name like conda-forge, a URL or a path.")
        if is_token_name(name):
            raise DataError(
                "a channel's name holds no token.", hint=f"Write the whole URL: {alias}/t/TOKEN/CHANNEL."
            )
        return cls(name, f"{_ANACONDA if name.startswith('pkgs/') else alias}/{name}")

    def subdir_url(self, subdir: str) -> str:
        """The URL of one subdir, without a trailing slash."""
        return f"{self.url}/{subdir}"

    def __str__(self) -> str:
        return self.name


def _name_of(url: str, alias: str) -> str:
    if url.startswith(f"{_ANACONDA}/pkgs/"):
        return url.removeprefix(f"{_ANACONDA}/")
    return url.removeprefix(f"{alias}/")


def _without_dots(url: str) -> str:
    """*url* without ``.`` and ``..`` in its path, which mean the same to every web server (RFC 3986, 5.2.4)."""
    scheme, _, rest = url.partition("://")
    path, mark, query = rest.partition("?")
    if "/." not in path or scheme.lower() not in ("http", "https", "file"):
        return url
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[max(1, len(parts) - 1) :]
        elif part != ".":
            parts.append(part)
    return f"{scheme}://{'/'.join(parts)}{mark}{query}"


def is_channel_name(text: str) -> bool:
    """Whether *text* is the name of a channel, perhaps with a label, and neither a URL nor a path."""
    return _NAME.fullmatch(text) is not None


def split_url(url: str) -> tuple[str, str, str]:
    """Channel URL, subdir and file name of a URL inside a channel; what is not there is empty.

    >>> split_url("https://conda.anaconda.org/conda-forge/linux-64/python-3.11.10-h1_0.conda")
    ('https://conda.anaconda.org/conda-forge', 'linux-64', 'python-3.11.10-h1_0.conda')
    """
    clean = re.split(r"[?#]", without_credentials(url.strip()), maxsplit=1)[0]
    scheme, mark, rest = clean.partition("://")
    rest = rest.rstrip("/") if rest.strip("/") else rest
    head, slash, last = rest.rpartition("/")
    file_name = unquote(last) if slash and _FILE.fullmatch(last) else ""
    base, subdir = _cut_subdir(head if file_name else rest)
    return f"{scheme}{mark}{base}", subdir, file_name


def _cut_subdir(path: str) -> tuple[str, str]:
    path = path.rstrip("/")
    head, slash, last = path.rpartition("/")
    return (head.rstrip("/"), last) if slash and last in KNOWN_SUBDIRS else (path, "")


def file_url(path: str, cwd: str) -> str:
    """The ``file://`` URL of *path*; relative paths start at the absolute folder *cwd*.

    Raises DataError for a path that starts with ``~``, or is relative while *cwd* is empty.
    """
    if path.startswith("~"):
        raise DataError(
            f"the path '{path}' begins with '~'; expected an absolute path, or './' at its start."
        )
    path = path.replace("\\", "/")
    if re.match(r"[A-Za-z]:", path):
        return f"file:///{quote(path, safe='/:')}"
    if not path.startswith("/"):
        if not cwd:
            raise DataError(f"the path '{path}' is relative, and nothing says to which folder.")
        path = f"{cwd}/{path}"
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(part)
    return "file:///" + quote("/".join(parts), safe="/")


def login_hint(url: str) -> str:
    """What to do when the server of *url* wants a login.

    >>> login_hint("https://repo.example.org/private/noarch/repodata.json")
    'envmgr auth status repo.example.org shows which login was sent; envmgr auth login repo.example.org stores one.'
    """
    found = URL.fullmatch(without_credentials(url))
    host = found.group(2) if found is not None and found.group(2) else "HOST"
    if url.startswith("s3:"):  # A bucket is no host.
        host = f"s3://{host}"
    return f"envmgr auth status {host} shows which login was sent; envmgr auth login {host} stores one."
