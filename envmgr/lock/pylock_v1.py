"""The form of pylock.toml, version 1 (PEP 751): checked, so that what reads its packages need not look again.

Keys are in the order of the standard, in which they are written, too. Pure.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from envmgr.errors import DataError
from envmgr.lock.locked import LARGEST_LOCK_BYTES
from envmgr.models.document import quoted
from envmgr.models.toml_document import read_toml
from envmgr.models.toml_text import toml_table

_Hashes = dict[str, str]
_SHA256 = re.compile("[0-9a-fA-F]{64}")
_LONGEST_RANGE = 1000


class PylockFile(Struct, rename="kebab", omit_defaults=True, kw_only=True):
    """A wheel, a source distribution or an archive; *size* is in bytes."""

    name: str | None = None
    url: str | None = None
    path: str | None = None
    size: int | None = None
    hashes: _Hashes = field(default_factory=dict)
    subdirectory: str | None = None


class PylockRepository(Struct, rename="kebab", omit_defaults=True, kw_only=True):
    """A commit of a repository; *type* is that of PEP 610, such as ``git``."""

    type: str
    url: str | None = None
    path: str | None = None
    requested_revision: str | None = None
    commit_id: str
    subdirectory: str | None = None


class PylockDirectory(Struct, rename="kebab", omit_defaults=True, kw_only=True):
    """A folder beside the lock."""

    path: str
    editable: bool = False
    subdirectory: str | None = None


class PylockPackage(Struct, rename="kebab", omit_defaults=True, kw_only=True):
    """A distribution, and the files that bring it."""

    name: str
    version: str | None = None
    marker: str | None = None
    requires_python: str | None = None
    vcs: PylockRepository | None = None
    directory: PylockDirectory | None = None
    archive: PylockFile | None = None
    index: str | None = None
    sdist: PylockFile | None = None
    wheels: list[PylockFile] = field(default_factory=list)


class PylockDocument(Struct, rename="kebab", omit_defaults=True, kw_only=True):
    """The whole lock."""

    lock_version: str
    environments: list[str] = field(default_factory=list)
    requires_python: str | None = None
    extras: list[str] = field(default_factory=list)
    dependency_groups: list[str] = field(default_factory=list)
    default_groups: list[str] = field(default_factory=list)
    created_by: str | None = None
    packages: list[PylockPackage]


class Pylock(Struct, frozen=True):
    """The document of *file*, whose form was checked, and what it says of all its packages.

    ``groups`` are those of dependencies that it has, ``usual`` the ones that come where none is named; ``extras``
    are named like groups.
    """

    file: str
    document: dict[str, Any]
    requires_python: str | None = None
    environments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()

    @property
    def python_spec(self) -> str:
        """What it asks conda for, where nothing else asks for a Python."""
        return f"python {''.join((self.requires_python or '').split())}".strip()


def read_pylock_file(content: bytes, *, file: str) -> Pylock:
    """The lock in *content*; raises DataError with the place in it for what is none."""
    read = read_toml(content, file=file, largest=LARGEST_LOCK_BYTES)
    document = dict(read.table)
    try:
        checked = msgspec.convert(document, PylockDocument)
    except msgspec.ValidationError as error:
        what = str(error)[:1].lower() + str(error)[1:].rstrip(".")
        raise DataError(f"{file} is no pylock.toml: {what}.", file=file) from None
    if not checked.lock_version.startswith("1."):
        raise DataError(
            f"{file} has the lock-version {quoted(checked.lock_version)}, and only 1 is known.", file=file
        )
    for package in checked.packages:
        kinds = [package.archive, package.vcs, package.directory]
        files = [each for each in (*package.wheels, package.sdist, package.archive, package.vcs) if each]
        if not files and package.directory is None:
            raise DataError(f"{file}: {package.name} has no file that could be installed.", file=file)
        if sum(each is not None for each in kinds) > 1 or any(not (each.url or each.path) for each in files):
            raise DataError(f"{file}: it is not told where {package.name} comes from.", file=file)
        if any(each.version is None for each in (package,) if package.wheels or package.sdist):
            raise DataError(f"{file}: {package.name} has files and no version.", file=file)
        for each in files:
            _check_file(each, f"{file}: {package.name}", file)
    try:
        if len(checked.requires_python or "") > _LONGEST_RANGE:
            raise InvalidSpecifier
        SpecifierSet(checked.requires_python or "")
    except InvalidSpecifier:
        raise DataError(
            f"{file}: requires-python is {quoted(checked.requires_python or '')}, which is no range of versions.",
            file=file,
        ) from None
    return Pylock(
        file,
        document,
        checked.requires_python,
        tuple(checked.environments),
        tuple(checked.dependency_groups),
        tuple(checked.extras),
        tuple(checked.default_groups),
    )


def _check_file(each: PylockFile | PylockRepository, whose: str, file: str) -> None:
    """Raises DataError for a URL or a sum that is none."""
    try:
        urlsplit(each.url or "").port  # noqa: B018 - It is looked at when it is asked for.
    except ValueError:
        raise DataError(f"{whose} comes from {quoted(each.url or '')}, which is no URL.", file=file) from None
    sha256 = each.hashes.get("sha256") if isinstance(each, PylockFile) else None
    if sha256 is not None and _SHA256.fullmatch(sha256) is None:
        raise DataError(f"{whose} has the sum {quoted(sha256)}, which is no SHA-256.", file=file)


def pylock_text(document: PylockDocument) -> str:
    """The text of *document*, whose packages are in the order of writing."""
    plain = msgspec.to_builtins(document)
    packages = plain.pop("packages")
    tables = [toml_table("[[packages]]", each) for each in packages]
    return (
        "\n".join([toml_table("", plain), *tables]) if tables else f"{toml_table('', plain)}packages = []\n"
    )
