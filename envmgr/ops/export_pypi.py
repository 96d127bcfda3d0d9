"""The distributions of an environment by the files that bring them, for formats of an export that name files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.ops.published_file import file_of, repository_of

if TYPE_CHECKING:
    from envmgr.ops.export_content import ExportContent
    from envmgr.ops.intent import PypiPackage
    from envmgr.ops.published_file import PublishedFile, Repository
    from envmgr.pypi.records import WheelNeeds


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


def needs_of(content: ExportContent, package: PypiPackage) -> WheelNeeds:
    """What the metadata of *package* says that it needs, but for what leads to this machine, and without logins."""
    from envmgr.pypi.installed import read_needs
    from envmgr.pypi.needs import public_needs

    return public_needs(read_needs(content.holdings.prefix / package.metadata / "METADATA"))
