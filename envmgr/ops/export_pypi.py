"""The files that bring the distributions of PyPI again, for the formats of an export that name files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.ops.export_content import ExportContent
    from envmgr.ops.intent import PypiPackage
    from envmgr.pypi.records import WheelNeeds

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


def published_files(content: ExportContent) -> list[tuple[PypiPackage, PublishedFile]]:
    """The distributions whose file and SHA-256 are known; of the others is told why they are left out."""
    found, repositories = files_and_repositories(content)
    content.lose_all(
        [package.name for package, _ in repositories], "distributions of repositories, which have no checksum"
    )
    return found


def files_and_repositories(
    content: ExportContent,
) -> tuple[list[tuple[PypiPackage, PublishedFile]], list[tuple[PypiPackage, Repository]]]:
    """The same, with the distributions that came from repositories."""
    files, repositories, unknown = [], [], []
    for each in content.holdings.pypi:
        repository, file = repository_of(each), file_of(each)
        if each.item is None:
            content.lose_item(f"{each.name} {each.version}")
        elif repository is not None:
            content.without_login(each.item)
            repositories.append((each, repository))
        elif file is None:
            unknown.append(each.name)
        else:
            content.without_login(each.item)
            files.append((each, file))
    content.lose_all(
        unknown, "distributions of PyPI, of which no file that others reach is noted with its SHA-256"
    )
    return files, repositories


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


def needs_of(content: ExportContent, package: PypiPackage) -> WheelNeeds:
    """What the metadata of *package* says that it needs, but for what leads to this machine, and without logins."""
    from envmgr.pypi.installed import read_needs
    from envmgr.pypi.items import names_place_here
    from envmgr.pypi.records import WheelNeeds

    needs = read_needs(content.holdings.prefix / package.metadata / "METADATA") or WheelNeeds()
    public = (_public(each) for each in needs.requires_dist if not names_place_here(each))
    return WheelNeeds(tuple(public), needs.requires_python)


def repository_of(package: PypiPackage) -> Repository | None:
    """The commit that *package* was built from; None for one that came from a file."""
    direct = package.direct or {}
    facts = direct.get("vcs_info")
    if not isinstance(facts, dict):
        return None
    vcs, commit, revision = facts.get("vcs"), facts.get("commit_id"), facts.get("requested_revision")
    if not (isinstance(vcs, str) and isinstance(commit, str)) or direct["url"].startswith("file:"):
        return None
    return Repository(vcs, _public(direct["url"]), commit, _text(revision), _inside(direct))


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
    return PublishedFile(_public(url.partition("#")[0]), sha256.lower(), bytes_, index)


def _public(url: str) -> str:
    from envmgr.models.credentials import without_secret_query
    from envmgr.pypi.items import without_login

    return without_secret_query(without_login(url))


def _inside(direct: Mapping[str, Any]) -> str | None:
    return _text(direct.get("subdirectory"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
