"""Keeps logins of git repositories out of arguments: git gets them by variables (``GIT_CONFIG_COUNT``; pure).

A tool is given the URL without the login, and git's ``url.WITH.insteadOf WITHOUT`` puts it back where git connects.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from envmgr.models.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LOGIN: Final = re.compile(r"(?<=git\+)(https?://)([^/@\s]+)@([^/\s#;]+)")


def without_git_login(text: str) -> str:
    """A requirement without the login of its repository.

    >>> without_git_login("x @ git+https://me:secret@host/r.git@v1")
    'x @ git+https://host/r.git@v1'
    """
    return _LOGIN.sub(lambda found: found[1] + found[3], text)


def git_variables(texts: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that give git the logins in *texts*, after those that *environ* sets already.

    >>> git_variables(["git+https://me:secret@host/r.git"], {})["GIT_CONFIG_KEY_0"]
    'url.https://me:secret@host/.insteadOf'
    """
    logins = {found[0]: None for text in texts for found in _LOGIN.finditer(text)}
    if not logins:
        return {}
    start = int(environ["GIT_CONFIG_COUNT"]) if environ.get("GIT_CONFIG_COUNT", "").isdigit() else 0
    found = {"GIT_CONFIG_COUNT": str(start + len(logins))}
    for number, login in enumerate(logins, start):
        found[f"GIT_CONFIG_KEY_{number}"] = f"url.{login}/.insteadOf"
        found[f"GIT_CONFIG_VALUE_{number}"] = f"{without_credentials(login)}/"
    return found
