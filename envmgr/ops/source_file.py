"""The text of the environment file that an environment was made from, as it may be kept and handed on.

It is kept with the environment, so that an export can keep its comments wherever it is made, and whatever became of
the file. Logins are cut out of all of it, and secrets with their lines; of comments, what names a folder of this
machine is written as others would: the home folder as ``~``, the file's own as ``.``.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from envmgr.errors import DataError
from envmgr.models.named_file import is_on_server
from envmgr.prefix.generation import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.ops.context import Context

_LONGEST_TEXT = 200_000
_NAMED_VALUE = re.compile(r"([A-Za-z_][\w-]*)[\"']?\s*[:=]\s*[^\s#][^#]*")


def source_of(path: str, content: bytes, context: Context) -> SourceFile | None:
    """The file *path* of *content* as it may be kept.

    None for what is no environment.yml, includes others, is very long, or holds secrets in a form in which they
    cannot be cut out.
    """
    from envmgr.models.document import decode_document
    from envmgr.ops.named_file import place_of

    if not path.lower().endswith((".yml", ".yaml")) or len(content) > _LONGEST_TEXT:
        return None
    place = place_of(path, context)
    places = {str(context.home): "~"}
    if not is_on_server(place):
        places[os.path.dirname(place)] = "."
    text = public_text(decode_document(content, file=path), places)
    return SourceFile(place, text) if _is_public(text, context.settings.subdir) else None


def changed_since(source: SourceFile, context: Context) -> str | None:
    """A sentence where the file is not what was kept of it any more; None where it is, or no file of the disk."""
    from pathlib import Path

    from envmgr.host.given_file import read_given_file

    if is_on_server(source.file):
        return None
    rest = "the export goes by its text of then."
    place = Path(source.file)
    try:
        if place.exists() and not place.is_file():
            return None
        content = read_given_file(place, _LONGEST_TEXT)
        now = source_of(source.file, content, context) if len(content) <= _LONGEST_TEXT else None
    except FileNotFoundError:
        return f"{source.name}, which the environment came from, is not there any more; {rest}"
    except (OSError, DataError):
        return f"{source.name}, which the environment came from, cannot be read any more; {rest}"
    if now is not None and now.text == source.text:
        return None
    return f"{source.name} has been edited since the environment was made or updated from it; {rest}"


def public_text(text: str, places: Mapping[str, str]) -> str:
    """*text* without secrets, and its comments without the folders in *places*, by what stands for each."""
    from envmgr.envfile.selectors import comments_of

    comments = dict(comments_of(text))
    pieces = re.split(r"(\r\n|[\r\n\x85\u2028\u2029])", text)
    kept = []
    for number, (line, end) in enumerate(zip(pieces[::2], [*pieces[1::2], ""], strict=True)):
        if not line:
            kept.append(end)
            continue
        start = comments.get(number, len(line))
        value, comment = line[:start], _public_comment(line[start:], places)
        if _names_secret(value.strip()):
            continue
        public = f"{_without_login(value)}{comment}"
        kept.append((public.rstrip() if public != line else line) + end)
    return "".join(kept)


def names_place(text: str, places: Mapping[str, str]) -> bool:
    """Whether *text* holds one of *places*, folders of this machine, as such and not as part of another name."""
    return any(_pattern(place).search(text) for place in _telling(places))


def _telling(places: Mapping[str, str]) -> Iterator[str]:
    """The longest first; the root of all tells nothing."""
    yield from sorted((each for each in places if each.strip("/\\")), key=len, reverse=True)


def _pattern(place: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w./~-]){re.escape(place)}(?![\w.-]*\w)|(?<=file://){re.escape(place)}(?!\w)")


def _public_comment(comment: str, places: Mapping[str, str]) -> str:
    from envmgr.models.credentials import is_secret_value

    if not comment:
        return ""
    for found in reversed(list(_NAMED_VALUE.finditer(comment))):
        if _is_secret(found[1]):
            comment = comment[: found.start()] + comment[found.end() :]
    comment = re.sub(r"\s*\S+", lambda word: "" if is_secret_value(word[0]) else word[0], comment)
    if comment.strip() == "#" or is_secret_value(comment):
        return ""
    for place in _telling(places):
        comment = _pattern(place).sub(places[place].replace("\\", "/"), comment)
    return _without_login(comment)


def _without_login(text: str) -> str:
    from envmgr.models.credentials import without_secret_query
    from envmgr.pypi.items import without_login

    return without_secret_query(without_login(text))


def _names_secret(line: str) -> bool:
    """Whether a line is a key with a value of which its name says that it is a secret."""
    found = re.match(r"[\"']?([A-Za-z_][\w-]*)[\"']?\s*:\s+\S", line)
    return found is not None and _is_secret(found[1])


def _is_secret(name: str) -> bool:
    from envmgr.models.credentials import is_secret_name

    return is_secret_name(name.replace("-", "_"))


def _is_public(text: str, subdir: str) -> bool:
    """Whether no variable is left that must not be seen, and the text can still be read."""
    from envmgr.envfile.environment_yml import parse_environment

    try:
        file = parse_environment(text, file="environment.yml", subdir=subdir)
    except DataError:
        return False
    return not file.includes and not any(map(_is_secret, file.variables))
