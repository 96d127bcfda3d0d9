"""Items of a ``pip:`` section as texts: which distribution one names, whether it travels, how exact it is. Pure.

The grammar is pip's requirements file format; specifiers are those of the PyPA "Dependency specifiers".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from envmgr.models.credentials import without_credentials_in_text
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement

    from envmgr.models.spec_style import VersionStyle

_COMMENT = lazy_pattern(r"(^|\s+)#.*$")
_NAME = lazy_pattern(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\]\s*)?($|[<>=!~;@(\s])")
_SSH_NAME = lazy_pattern(r"(?:[a-z]+\+)?ssh://[\w.-]+@")
_EGG = lazy_pattern(r"[#&]egg=([A-Za-z0-9._-]+)")
_OPTION = lazy_pattern(r"(-[A-Za-z]|--[a-z-]+)(?:\s+|=|(?<=-[a-z])(?=\S)|$)(.*)")
_NAMES_INDEX = ("-i", "--index-url", "--extra-index-url")
_TAKES_PLACE = (
    *("-e", "--editable", "-r", "--requirement", "-c", "--constraint", "-f", "--find-links"),
    *_NAMES_INDEX,
)


def bare_item(text: str) -> str:
    """*text* without a comment and the spaces around it."""
    return _COMMENT.sub("", text).strip()


def without_login(text: str) -> str:
    """*text* without the logins in its URLs; the name alone that `ssh` logs in with is none.

    >>> without_login("x @ https://me:pw@h/x.whl"), without_login("x @ git+ssh://git@h/x.git@main")
    ('x @ https://h/x.whl', 'x @ git+ssh://git@h/x.git@main')
    """
    found = _SSH_NAME.search(text)
    if found is None:
        return without_credentials_in_text(text)
    rest = without_credentials_in_text(text[found.end() :])
    return without_credentials_in_text(text[: found.start()]) + found[0] + rest


def item_name(text: str) -> str | None:
    """The distribution that an item names, as the index knows it; None for an option, a path or a bare URL.

    >>> item_name("Foo_Bar[x]>=2"), item_name("git+https://x.org/y#egg=why"), item_name("--pre")
    ('foo-bar', 'why', None)
    """
    found = _NAME.match(text) or (_EGG.search(text) if "://" in text else None)
    return normalized_name(found[1]) if found else None


def names_place_here(text: str) -> bool:
    """Whether an item leads to a file or folder of this machine, so that it means nothing elsewhere.

    >>> [names_place_here(item) for item in ("-e .", "-r dev.txt", "x @ file:///x.whl", "--pre", "-e git+https://x/y")]
    [True, True, True, False, False]
    """
    option = _OPTION.fullmatch(text)
    if option is not None:
        place = option[2].strip().strip("\"'")
        return option[1] in _TAKES_PLACE and (
            "://" not in place or re.match(r"(\w+\+)?file:", place) is not None
        )
    if _NAME.match(text):
        return re.search(r"@\s*(\w+\+)?(file:|[./~])", text) is not None
    return "://" not in text or re.match(r"(\w+\+)?file:", text) is not None


def index_url(text: str) -> str | None:
    """The index that an option names, as ``--index-url`` and ``--extra-index-url`` do; None for anything else.

    >>> index_url("--extra-index-url https://index.example/simple"), index_url("--pre")
    ('https://index.example/simple', None)
    """
    option = _OPTION.fullmatch(text)
    if option is None or option[1] not in _NAMES_INDEX:
        return None
    return option[2].strip().strip("\"'") or None


def restyled_item(text: str, version: str, style: VersionStyle) -> str:
    """The item with what *style* says of *version*, the one that is installed; extras and markers stay.

    What names a URL or has options stays as it is, so does that of a version which no specifier can name, and what
    `>=` and `==X.Y.*` cannot hold of a version goes.

    >>> restyled_item("Foo[x]<3; python_version<'4'", "2.1.5+cu118", "minor")
    'Foo[x]==2.1.*; python_version < "4"'
    """
    wanted = None if style == "asked" else _requirement(text)
    if wanted is None or wanted.url is not None:
        return text
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted.specifier = SpecifierSet(_specifier(version, style))
    except InvalidSpecifier:
        return text
    return str(wanted)


def with_marker(text: str, marker: str) -> str | None:
    """The item where *marker* holds beside its own marker; None for one without a name, such as a bare URL.

    >>> with_marker("x>=1; python_version<'4'", 'sys_platform == "win32" or sys_platform == "linux"')
    'x>=1; python_version < "4" and (sys_platform == "win32" or sys_platform == "linux")'
    """
    from packaging.markers import Marker

    wanted = _requirement(text)
    if wanted is None:
        return None
    own = f"({wanted.marker}) and " if wanted.marker is not None else ""
    wanted.marker = Marker(f"{own}({marker})")
    return str(wanted)


def marker_of_item(text: str) -> str:
    """The environment marker of an item with a name; empty for none.

    >>> marker_of_item("x>=1; python_version<'4' --hash=sha256:00"), marker_of_item("--pre")
    ('python_version < "4"', '')
    """
    wanted = _requirement(text.partition(" --hash=")[0])
    return str(wanted.marker or "") if wanted is not None else ""


def exact_item(name: str, version: str, direct: Mapping[str, Any] | None) -> str | None:
    """The item that brings exactly this distribution again; None for one that a folder or file of here brought.

    *direct* is its ``direct_url.json`` (PyPA "Direct URL Data Structure").
    """
    if direct is None:
        return f"{name}=={version}"
    url, vcs, archive = direct["url"], direct.get("vcs_info"), direct.get("archive_info")
    if url.startswith("file:"):
        return None
    inside = direct.get("subdirectory")
    if isinstance(vcs, dict) and vcs.get("vcs") and vcs.get("commit_id"):
        inside = f"#subdirectory={inside}" if inside else ""
        return f"{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}{inside}"
    sums = archive.get("hashes") if isinstance(archive, dict) else None
    digest = sums.get("sha256") if isinstance(sums, dict) else None
    fragments = [f"sha256={digest}"] if digest else []
    fragments += [f"subdirectory={inside}"] if inside else []
    return f"{name} @ {url}{'#' * bool(fragments)}{'&'.join(fragments)}"


def _requirement(text: str) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _specifier(version: str, style: VersionStyle) -> str:
    from packaging.version import InvalidVersion, Version

    if style == "none":
        return ""
    try:
        known = Version(version)
    except InvalidVersion:
        return f"==={version}"
    if style == "exact":
        return f"=={version}"
    if style == "minimum":
        return f">={known.public}"
    epoch = f"{known.epoch}!" if known.epoch else ""
    return f"=={epoch}{'.'.join(map(str, known.release[:2]))}.*"
