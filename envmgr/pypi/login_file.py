"""Private files with the logins of one run (effects: writes files).

Arguments are shown by every list of processes, and variables reach each program that a tool starts, such as the
build backends of others. pip hands the URLs of its indexes to processes of its own as arguments: it has a netrc.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec.structs import replace

from envmgr.pypi.git_login import git_configuration, git_variables
from envmgr.pypi.index_options import is_remote, parse_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envmgr.pypi.index_options import FindLogin, Index, IndexOptions
    from envmgr.pypi.requirement_lines import RequirementLine

_PLAIN_WORD = re.compile(r"[!$-\[\]-~]+")
_URL = re.compile(r"(?<![\w+])https?://[^\s#;]+")


def with_logins(options: IndexOptions) -> list[Index]:
    """The indexes that have a login, folders of links among them."""
    links = [parse_index(each) for each in options.find_links if "://" in each]
    return [each for each in (*options.all_indexes, *links) if each.user is not None]


def logins_of_lines(lines: Iterable[RequirementLine], find: FindLogin | None) -> list[Index]:
    """The URLs of single files in *lines* that were written without a login, with the one that *find* has."""
    found = []
    for line in lines if find is not None else ():
        url = _URL.search(line.text) if line.is_direct else None
        if url is None or not is_remote(url[0]) or "@" in urlsplit(url[0]).netloc:
            continue
        login = find(url[0]) if find is not None else None
        if login is not None:
            found.append(replace(parse_index(url[0]), user=login[0], password=login[1], is_stored=True))
    return found


def login_file(place: Path, logins: Sequence[Index], environ: Mapping[str, str]) -> dict[str, str]:
    """The variable that leads to a private netrc in *place* with all *logins*, the user's own among them."""
    if not logins:
        return {}
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "/")
    try:
        own = Path(environ.get("NETRC") or home / ".netrc").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        own = ""
    lines = [
        f"machine {urlsplit(each.url).hostname} login {_quoted(each.user)} password {_quoted(each.password)}"
        for each in logins
    ]
    file = place / "netrc"
    write_private(file, "\n".join([own, *lines, ""]))
    return {"NETRC": str(file)}


def git_file(place: Path, texts: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that lead git to a file in *place* with the logins that *texts* have for repositories."""
    text = git_configuration(texts)
    if not text:
        return {}
    write_private(place / "gitconfig", text)
    return git_variables(str(place / "gitconfig"), environ)


def write_private(file: Path, text: str) -> None:
    """Write *text*, which may hold a login, into *file*, which nobody else may read from its first byte on."""
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)


def _quoted(text: str | None) -> str:
    """*text* as a word of a netrc; quoted only where it must be, since Python 3.10 takes quotes literally."""
    if text and _PLAIN_WORD.fullmatch(text):
        return text
    return '"' + (text or "").replace("\\", "\\\\").replace('"', '\\"') + '"'
