"""Reads the lines of pip's requirement files: requirements, constraints and options (pure).

The grammar is pip's ("Requirements File Format"): a backslash joins lines, `` #`` begins a comment, ``${NAME}`` is
a variable, options stand on lines of their own or, as ``--hash``, behind a requirement. A line comes out in a form
that does not depend on its folder: paths are absolute, so that the tool may be given it from anywhere.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.credentials import without_credentials_in_text, without_secret_query
from envmgr.models.document import quoted
from envmgr.models.named_file import is_on_server, refuse_here
from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.models.requirement import Source

_VALUED: Final = {
    "-i": "--index-url", "--index-url": "--index-url", "--pypi-url": "--index-url",
    "--extra-index-url": "--extra-index-url", "-f": "--find-links", "--find-links": "--find-links",
    "-r": "--requirement", "--requirement": "--requirement", "-c": "--constraint", "--constraint": "--constraint",
    "-e": "--editable", "--editable": "--editable", "--no-binary": "--no-binary", "--only-binary": "--only-binary",
    "--trusted-host": "--trusted-host", "--use-feature": "--use-feature", "--hash": "--hash",
    "--config-settings": "--config-settings", "--config-setting": "--config-settings", "-C": "--config-settings",
    "--global-option": "--global-option",
}  # fmt: skip
_FLAGS: Final = frozenset(("--no-index", "--pre", "--prefer-binary", "--require-hashes"))
_PER_REQUIREMENT: Final = frozenset(("--hash", "--config-settings", "--global-option"))
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*$")  # What stands before it is stripped.
_VARIABLE: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")
_ARCHIVE: Final = re.compile(r"\.(whl|zip|tar\.gz|tgz|tar\.bz2|tbz|tar\.xz|txz|tlz|tar)$", re.IGNORECASE)
_URL: Final = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_BARE_URL: Final = re.compile(r"(https?|ftp|file|(git|hg|svn|bzr)(\+[a-z]+)?):\S", re.IGNORECASE)
_LOCAL: Final = re.compile(r"(^|@\s*)([a-z]+\+)?(file:|(?![a-z][a-z0-9+.-]*:)\S*/|[.~])", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"^([A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9])\s*(?:(\[[^\]]*\])\s*)?(?=$|[@<>=!~;( \t])", re.IGNORECASE
)
_DIRECT: Final = re.compile(r"^[A-Z0-9._-]+\s*(?:\[[^\]]*\]\s*)?@", re.IGNORECASE)
_LONGEST_SUBJECT: Final = 4000


class Option(Struct, frozen=True):
    """An option by its long name, its value (empty for a flag), and where it stands."""

    name: str
    value: str
    source: Source
    folder: str


class RequirementLine(Struct, frozen=True):
    """One requirement or constraint.

    *text* is what a tool is given: PEP 508, or a path or URL, absolute, with markers and without options of pip.
    *name* is normalized, None where only the project itself tells it. *hashes* are those of ``--hash``, as
    ``sha256:...``, *url_hashes* those in a URL, which ask for none of other lines. *is_direct* is for URLs,
    repositories and paths.
    """

    text: str
    name: str | None
    source: Source
    editable: bool = False
    is_direct: bool = False
    hashes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    url_hashes: tuple[str, ...] = ()

    @property
    def sums(self) -> tuple[str, ...]:
        """The sums of which the file must have one; empty where any file will do."""
        return self.hashes or self.url_hashes

    @property
    def shown(self) -> str:
        """The line for messages, without credentials."""
        text = ("-e " if self.editable else "") + self.text
        return without_secret_query(without_credentials_in_text(text))


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its number from 1: joined at backslashes, without comments, empty ones left out."""
    pending, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw
        if not pending:
            first = number
        is_comment = line.lstrip().startswith("#")
        if is_comment and pending:
            line = " " + line
        if line.endswith("\\") and not is_comment:
            pending += line.rstrip("\\")
            continue
        joined = _COMMENT.sub("", pending + line).strip()
        pending = ""
        if joined:
            yield first, joined
    joined = _COMMENT.sub("", pending).strip()
    if joined:
        yield first, joined


def parse_line(
    text: str, source: Source, folder: str, environ: Mapping[str, str]
) -> tuple[RequirementLine | None, list[Option]]:
    """One logical line: a requirement (None for a line of options) and the options that hold for the whole file.

    Raises DataError with the place for an option that pip does not know in such files, or one without its value.
    """
    line = _VARIABLE.sub(lambda found: environ.get(found[1]) or found[0], _COMMENT.sub("", text).strip())
    words, options_text = _divided(_with_home(line, environ))
    options = [
        Option(each.name, _with_home(each.value, environ), source, folder)
        for each in _options(options_text, source)
    ]
    mine = [option for option in options if option.name in _PER_REQUIREMENT]
    others = [option for option in options if option.name not in _PER_REQUIREMENT]
    editable = next((option.value for option in others if option.name == "--editable"), None)
    others = [option for option in others if option.name != "--editable"]
    subject = words if editable is None else " ".join(filter(None, (editable, words)))
    if not subject:
        if mine:
            raise DataError(f"{source}: `{mine[0].name}` stands behind no requirement.")
        return None, others
    if others:
        raise DataError(f"{source}: `{others[0].name}` must stand on a line of its own.")
    return _requirement(subject, source, folder, editable=editable is not None, options=mine), []


def _with_home(text: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME") or environ.get("USERPROFILE")
    return home.rstrip("/") + text[1:] if home and text.startswith("~/") else text


def _divided(line: str) -> tuple[str, str]:
    """The requirement and the options behind it, as pip tells them apart: options begin at a dash."""
    words = line.split(" ")
    place = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    return " ".join(words[:place]).strip(), " ".join(words[place:])


def _options(text: str, source: Source) -> list[Option]:
    try:
        words = shlex.split(text)
    except ValueError:
        raise DataError(
            f"{source}: a quote is not closed in {quoted(_safe(text[:_LONGEST_SUBJECT]))}."
        ) from None
    found = []
    place = 0
    while place < len(words):
        word, mark, value = words[place].partition("=")
        place += 1
        if not word.startswith("--") and word[:2] in _VALUED and len(words[place - 1]) > 2:
            word, value, mark = word[:2], words[place - 1][2:].lstrip("="), "="
        if word in _FLAGS and not mark:
            found.append(Option(word, "", source, ""))
            continue
        if word not in _VALUED:
            raise _unknown(word, source)
        if not mark:
            if place == len(words):
                raise DataError(f"{source}: `{word}` needs a value.")
            value = words[place]
            place += 1
        if _VALUED[word] == "--editable":  # The rest is its extras and markers.
            value, place = (
                " ".join([value, *_until_option(words[place:])]),
                place + len(_until_option(words[place:])),
            )
        found.append(Option(_VALUED[word], value, source, ""))
    return found


def _until_option(words: list[str]) -> list[str]:
    return words[: next((place for place, word in enumerate(words) if word.startswith("-")), len(words))]


def _unknown(word: str, source: Source) -> DataError:
    import difflib

    near = difflib.get_close_matches(word[:80], [*_VALUED, *_FLAGS], n=1)
    hint = f"Did you mean {near[0]}?" if near else "See pip's documentation, Requirements File Format."
    return DataError(
        f"{source}: {quoted(_safe(word[:_LONGEST_SUBJECT]))} is no option of requirement files.", hint=hint
    )


def _requirement(
    text: str, source: Source, folder: str, *, editable: bool, options: list[Option]
) -> RequirementLine:
    hashes = tuple(option.value.lower() for option in options if option.name == "--hash")
    for each in hashes:
        if not re.fullmatch(r"sha(256|384|512):[0-9a-f]{64,128}", each):
            shown = quoted(f"--hash={_safe(each[:_LONGEST_SUBJECT])}")
            raise DataError(f"{source}: {shown} is no sum; expected sha256: and 64 hexadecimal digits.")
    settings = tuple(option.value for option in options if option.name == "--config-settings")
    if len(text) > _LONGEST_SUBJECT:
        raise DataError(f"{source}: {quoted(text)} is longer than any requirement.")
    body, marker = _without_marker(text)
    if is_on_server(folder) and (_is_path(body) or _LOCAL.search(body)):
        raise refuse_here(_safe(text), source)
    if _is_path(body):
        path, extras = _without_extras(body)
        absolute = os.path.normpath(os.path.join(folder, path))
        name = name_of_archive(absolute)
        return RequirementLine(
            f"{absolute}{extras}{marker}",
            name,
            source,
            editable,
            is_direct=True,
            hashes=hashes,
            settings=settings,
        )
    named = _NAMED.match(body)
    if named is None and _BARE_URL.match(body) is None:
        raise _not_readable(text, source)
    if named is None:
        name, sums = name_of_url(body), _sums_of_url(body)
        return RequirementLine(
            text, name, source, editable, is_direct=True, hashes=hashes, settings=settings, url_hashes=sums
        )
    rest = body[named.end() :].lstrip()
    if not rest.startswith("@"):
        _check(text, source)
        return RequirementLine(
            text, normalized_name(named[1]), source, editable, hashes=hashes, settings=settings
        )
    url = rest[1:].strip()
    if _URL.match(url) is None or (url.startswith("file:") and not url.startswith("file:/")):
        path = url.removeprefix("file:")
        url = "file://" + os.path.normpath(os.path.join(folder, path))
    return RequirementLine(
        f"{named[1]}{named[2] or ''} @ {url}{marker}",
        normalized_name(named[1]),
        source,
        editable,
        is_direct=True,
        hashes=hashes,
        settings=settings,
        url_hashes=_sums_of_url(url),
    )


def _check(text: str, source: Source) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        raise _not_readable(text, source, str(error).partition("\n")[0]) from None


def _not_readable(text: str, source: Source, why: str = "") -> DataError:
    reason = f": {why[:1].lower()}{why[1:]}" if why else ""
    hint = (
        "PyPI versions are written with ==, conda's with a single =."
        if re.search(r"[^=!<>~]=[^=]", text)
        else None
    )
    return DataError(
        f"{source}: {quoted(_safe(text))} is no requirement of PyPI (PEP 508){reason}.", hint=hint
    )


def _without_marker(text: str) -> tuple[str, str]:
    """The line before its markers, and these with their semicolon; behind a URL it follows a space (PEP 508)."""
    mark = re.search(r"\s;" if "://" in text or "@" in text else ";", text)
    return (text, "") if mark is None else (text[: mark.start()].strip(), f" ; {text[mark.end() :].strip()}")


def _without_extras(path: str) -> tuple[str, str]:
    """The path before its extras, and these in their brackets."""
    place = path.rfind("[") if path.endswith("]") else -1
    return (path[:place], path[place:]) if place > 0 else (path, "")


def _is_path(text: str) -> bool:
    """Whether pip would look for a file or folder: by its look, since a planned prefix has no present folder."""
    body = text.partition("[")[0]
    if "://" in text or re.match(r"^(file|git|hg|svn|bzr)[:+]", text):
        return False
    if _DIRECT.match(text):
        return False
    return text.startswith((".", "~")) or "/" in body or os.sep in body or _ARCHIVE.search(body) is not None


def _sums_of_url(url: str) -> tuple[str, ...]:
    found = re.search(r"#(?:.*&)?(sha256|sha384|sha512)=([0-9a-fA-F]+)", url)
    return (f"{found[1]}:{found[2].lower()}",) if found else ()


def name_of_url(url: str) -> str | None:
    """The distribution that a bare URL is for: its ``#egg=``, or its wheel's or archive's file name."""
    egg = re.search(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)", url)
    return normalized_name(egg[1]) if egg else name_of_archive(url.partition("#")[0].partition("?")[0])


def name_of_archive(path: str) -> str | None:
    """The distribution of a wheel's (PEP 427) or source distribution's (PEP 625) file name; None for others.

    >>> name_of_archive("/w/Foo_Bar-1.0-py3-none-any.whl"), name_of_archive("/w")
    ('foo-bar', None)
    """
    file = path.rpartition("/")[2]
    if _ARCHIVE.search(file) is None:
        return None
    stem = _ARCHIVE.sub("", file)
    name = stem.partition("-")[0] if file.lower().endswith(".whl") else stem.rpartition("-")[0]
    return normalized_name(name) if name else None


def _safe(text: str) -> str:
    """What a user wrote, for messages: whatever may be a login, also in what is no URL, is left out."""
    return re.sub(r"://\S*@", "://", without_credentials_in_text(text))
