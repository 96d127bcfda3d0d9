"""Keeps logins of git repositories out of arguments: git gets them by variables (``GIT_CONFIG_COUNT``; pure).

A tool is given the URL without the login, and git's ``url.WITH.insteadOf WITHOUT`` puts it back where git connects.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from envmgr.models.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmgr.pypi.index_options import FindLogin

_BARE: Final = re.compile(r"(?<=git\+)(https?://)([^/@\s]+/[^@\s#;]*)")
_LOGIN: Final = re.compile(r"(?<=git\+)(https?://)([^/@\s]+)@([^/\s#;]+)")


def without_git_login(text: str) -> str:
    """A requirement without the login of its repository.

    >>> without_git_login("x @ git+https://me:secret@host/r.git@v1")
    'x @ git+https://host/r.git@v1'
    """
    return _LOGIN.sub(lambda found: found[1] + found[3], text)


def with_git_login(text: str, find: FindLogin | None) -> str:
    """A requirement of a repository without a login, with the one that *find* has for it.

    >>> with_git_login("x @ git+https://host/r.git@v1", lambda url: ("me", "s/1"))
    'x @ git+https://me:s%2F1@host/r.git@v1'
    """
    bare = _BARE.search(text)
    login = find(bare[1] + bare[2]) if find is not None and bare is not None else None
    if bare is None or login is None:
        return text
    user, password = (quote(part, safe="") for part in login)
    return f"{text[: bare.end(1)]}{user}:{password}@{text[bare.end(1) :]}"


def git_configuration(texts: Iterable[str]) -> str:
    """The text of a file that gives git the logins in *texts*; empty where there are none.

    >>> print(git_configuration(["git+https://me:secret@host/r.git"]), end="")
    [url "https://me:secret@host/"]
    insteadOf = "https://host/"
    """
    logins = {found[0]: None for text in texts for found in _LOGIN.finditer(text)}
    return "".join(
        f"[url {_quoted(login)}]\ninsteadOf = {_quoted(without_credentials(login))}\n" for login in logins
    )


def _quoted(url: str) -> str:
    return '"' + url.replace("\\", "\\\\").replace('"', '\\"') + '/"'


def git_variables(file: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that have git read *file*, too, after what *environ* has it read already.

    >>> git_variables("/private/gitconfig", {})
    {'GIT_CONFIG_COUNT': '1', 'GIT_CONFIG_KEY_0': 'include.path', 'GIT_CONFIG_VALUE_0': '/private/gitconfig'}
    """
    number = int(environ["GIT_CONFIG_COUNT"]) if environ.get("GIT_CONFIG_COUNT", "").isdigit() else 0
    return {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": "include.path",
        f"GIT_CONFIG_VALUE_{number}": file,
    }
