"""The file that brings a distribution of PyPI again, and the sums that lines for pip have of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.ops.intent import Holdings, PypiPackage

_HASH = re.compile(r"(?<=\s--hash=)\S+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class PublishedFile(Struct, frozen=True):
    """A wheel or source distribution that others reach; *size* is in bytes.

    *index* is the URL of the index that has it, "" where none is known; *is_direct* tells that it was asked for by
    its URL. The project may lie in a *subdirectory* of it.
    """

    url: str
    sha256: str
    size: int | None = None
    index: str = ""
    is_direct: bool = False
    subdirectory: str | None = None

    @property
    def url_with_fragment(self) -> str:
        """The URL as pip reads it, with the sum and the subdirectory."""
        inside = f"&subdirectory={self.subdirectory}" if self.subdirectory else ""
        return f"{self.url}#sha256={self.sha256}{inside}"


class Repository(Struct, frozen=True):
    """A commit of a repository that a distribution was built from."""

    vcs: str
    url: str
    commit: str
    requested_revision: str | None = None
    subdirectory: str | None = None


def kept_hashes(holdings: Holdings) -> tuple[dict[str, str], str | None]:
    """The ``--hash`` options of exact items by name, where the environment was asked for with some.

    Those that were asked for hold for other platforms, too. Since pip then takes nothing without one, all items
    have them or none; then the first name without is told.
    """
    from envmgr.ops.intent import asked_items
    from envmgr.pypi.items import item_name

    asked = {item_name(text): sums for text in asked_items(holdings) if (sums := _HASH.findall(text))}
    found: dict[str, str] = {}
    for each in holdings.pypi if asked else ():
        if each.direct is not None and "#sha256=" in (each.item or ""):
            continue
        file = file_of(each)
        if file is None:
            return {}, each.name
        own = f"sha256:{file.sha256}"
        sums = asked.get(each.name, [])
        found[each.name] = "".join(f" --hash={each}" for each in (sums if own in sums else [own]))
    return found, None


def file_of(package: PypiPackage) -> PublishedFile | None:
    """The file that brings *package*; None where none that others reach, or no SHA-256 of it, is noted."""
    if package.direct is not None:
        return _archive(package.direct)
    record = package.record
    if record is None:
        return None
    built = record.extra.get("built_from")
    if isinstance(built, dict):
        return _file(built.get("url"), built.get("sha256"), built.get("size"), record.channel)
    # Where no index is known, the file's folder stands for it.
    index = "" if record.url.rpartition("/")[0] == record.channel else record.channel
    return _file(record.url, record.sha256, record.size, index)


def repository_of(package: PypiPackage) -> Repository | None:
    """The commit that *package* was built from; None for one that came from a file."""
    direct = package.direct or {}
    facts = direct.get("vcs_info")
    if not isinstance(facts, dict):
        return None
    vcs, commit, revision = facts.get("vcs"), facts.get("commit_id"), facts.get("requested_revision")
    if not (isinstance(vcs, str) and isinstance(commit, str)) or direct["url"].startswith("file:"):
        return None
    return Repository(vcs, public(direct["url"]), commit, _text(revision), _inside(direct))


def _archive(direct: Mapping[str, Any]) -> PublishedFile | None:
    archive = direct.get("archive_info")
    if not isinstance(archive, dict):
        return None
    hashes, old = archive.get("hashes"), archive.get("hash")
    digest = hashes.get("sha256") if isinstance(hashes, dict) else None
    if digest is None and isinstance(old, str) and old.startswith("sha256="):
        digest = old.removeprefix("sha256=")
    file = _file(direct["url"], digest, None, "")
    return replace(file, is_direct=True, subdirectory=_inside(direct)) if file is not None else None


def _file(url: object, sha256: object, size: object, index: str) -> PublishedFile | None:
    if not isinstance(url, str) or "://" not in url or url.startswith("file:"):
        return None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256.lower()):
        return None
    bytes_ = size if isinstance(size, int) else None
    return PublishedFile(public(url.partition("#")[0]), sha256.lower(), bytes_, index)


def public(url: str) -> str:
    """*url*, or a line with one, without logins, and without tokens in its query."""
    from envmgr.models.credentials import without_secret_query
    from envmgr.pypi.items import without_login

    return without_secret_query(without_login(url))


def _inside(direct: Mapping[str, Any]) -> str | None:
    return _text(direct.get("subdirectory"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
