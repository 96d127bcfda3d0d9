"""The formats of an export that are locks: every package by its file, with its checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from envmgr.lock.inputs import INDEXES, LockInputs, index_texts
from envmgr.lock.locked import MAIN, Lock, LockedPackage
from envmgr.models.record import WHEEL_EXTENSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envmgr.lock.pylock_v1 import PylockPackage
    from envmgr.models.record import PackageRecord
    from envmgr.ops.export_content import ExportContent
    from envmgr.ops.intent import PypiPackage
    from envmgr.ops.published_file import PublishedFile, Repository


def conda_lock_export(contents: Sequence[ExportContent]) -> str:
    """conda-lock.yml (CEP 37) of one environment on its platforms, with what was asked for as notes."""
    from envmgr.lock.conda_lock_text import conda_lock_text

    platforms: dict[str, tuple[LockedPackage, ...]] = {}
    hashes: dict[str, str] = {}
    indexes: dict[str, str] = {}
    notes: dict[str, str] = {}
    for content in contents:
        packages, inputs = _locked(content)
        platforms[content.subdir] = packages
        hashes[content.subdir] = inputs.content_hash
        indexes |= _indexes(packages)
        notes |= inputs.notes(content.subdir)
    if lines := index_texts(indexes):
        notes[INDEXES] = "\n".join(lines)
    lock = Lock(
        file="",
        format="conda-lock",
        platforms=platforms,
        channels=contents[0].channels(),
        always=(MAIN,),
        content_hash=hashes,
        notes=dict(sorted(notes.items())),
    )
    return conda_lock_text(lock)


def _locked(content: ExportContent) -> tuple[tuple[LockedPackage, ...], LockInputs]:
    """The packages of one platform, and what was asked for: specs, items for PyPI, and variables."""
    from envmgr.models.match_spec import parse_match_spec
    from envmgr.ops.export_environment import EnvironmentExport
    from envmgr.ops.intent import is_for_others
    from envmgr.ops.lock_records import lacking_sums, locked_archive
    from envmgr.pypi.items import item_name

    channels = content.channels()
    records = _records(content)
    asked_items = tuple(content.asked_items())
    distributions = _with_dependencies(tuple(_distributions(content)), records, asked_items, content.subdir)
    packages = (*map(locked_archive, records), *distributions)
    content.left_out += lacking_sums(records)
    held = {each.name for each in packages}
    specs = map(parse_match_spec, EnvironmentExport(content).asked(channels))
    wanted = [spec for spec in specs if spec.name in held]
    asked = [
        text
        for text in asked_items
        if item_name(text) in (None, *held) or is_for_others(text, content.holdings)
    ]
    inputs = LockInputs(
        channels=channels,
        specs=tuple(dict.fromkeys(map(str, wanted))),
        pypi=(*(content.options() if asked else ()), *asked),
        virtual_packages=content.virtual_packages,
        variables=content.variables(),
        pins=content.holdings.pins,
    )
    return packages, inputs


def pixi_lock_export(contents: Sequence[ExportContent]) -> str:
    """pixi.lock in version 6, of one environment on its platforms, `default`."""
    from envmgr.lock.pixi_text import pixi_lock_text

    platforms = {content.subdir: _of_pixi(content) for content in contents}
    packages = [each for found in platforms.values() for each in found]
    contents[0].lose_variables("pixi.lock")
    contents[0].lose_pins("pixi.lock")
    options = [url for content in contents for url in _option_urls(content)]
    indexes = dict.fromkeys([*options, *_indexes(packages).values()])
    lock = Lock(file="", format="pixi", platforms=platforms, channels=contents[0].channels(), always=(MAIN,))
    return pixi_lock_text(lock, tuple(indexes))


def _of_pixi(content: ExportContent) -> tuple[LockedPackage, ...]:
    from envmgr.ops.lock_records import locked_archive

    records = _records(content)
    kindless = [each for each in records if each.subdir == "noarch" and each.noarch_kind is None]
    content.lose_all(
        [each.name for each in kindless],
        "packages without a platform, of which no record tells the kind of noarch",
    )
    kept = [each for each in records if each not in set(kindless)]
    return (*map(locked_archive, kept), *_distributions(content))


def pylock_export(content: ExportContent) -> str:
    """pylock.toml (PEP 751): the distributions of PyPI, for the Python and the platform of the environment."""
    from envmgr.lock.pylock_v1 import PylockDocument, pylock_text
    from envmgr.ops.export_pypi import files_and_repositories
    from envmgr.pypi.target import PypiTarget

    files, repositories = files_and_repositories(content)
    list(content.options())  # It has no place for them; the logins that its indexes ask for are told.
    content.lose_conda("which no index of PyPI has")
    content.lose_variables("pylock.toml")
    content.lose_pins("pylock.toml")
    python = next((each for each in content.holdings.records if each.name == "python"), None)
    target = PypiTarget.of(python, (), content.subdir) if python is not None else None
    packages = [_pylock_file(*each) for each in files] + [_pylock_repository(*each) for each in repositories]
    document = PylockDocument(
        lock_version="1.0",
        environments=[target.lock_marker] if target is not None else [],
        requires_python=f"=={target.minor}.*" if target is not None else None,
        created_by="envmgr",
        packages=sorted(packages, key=lambda each: each.name),
    )
    return pylock_text(document)


def _records(content: ExportContent) -> tuple[PackageRecord, ...]:
    """The conda packages that a lock can hold: it has a checksum of everything."""
    records = content.reachable_records()
    unsummed = {each for each in records if not (each.sha256 or each.md5)}
    content.lose_all(
        [each.name for each in records if each in unsummed], "packages without a checksum in their records"
    )
    return tuple(each for each in records if each not in unsummed)


def _distributions(content: ExportContent) -> Iterator[LockedPackage]:
    from envmgr.ops.export_pypi import needs_of, published_files

    files = published_files(content)
    content.lose_all(
        [package.name for package, file in files if file.subdirectory],
        "distributions that lie in a folder of an archive",
    )
    for package, file in files:
        if not file.subdirectory:
            needs = needs_of(content, package)
            yield LockedPackage(
                kind="pypi",
                name=package.name,
                version=package.version,
                url=file.url,
                sha256=file.sha256,
                size=file.size,
                index=file.index,
                requires_dist=needs.requires_dist,
                requires_python=needs.requires_python,
            )


def _with_dependencies(
    packages: Sequence[LockedPackage], records: Sequence[PackageRecord], asked: Sequence[str], subdir: str
) -> tuple[LockedPackage, ...]:
    """The distributions with what they need of each other and of conda's *records* (CEP 37, dependencies)."""
    from envmgr.models.wheel_name import normalized_name
    from envmgr.ops.distributions import Needing, ranges_among
    from envmgr.pypi.records import WheelNeeds

    python = next((record for record in records if record.name == "python"), None)
    if python is None:
        return tuple(packages)
    needs = {each.name: WheelNeeds(each.requires_dist) for each in packages}
    providers = {normalized_name(record.name): record.name for record in records}
    ranges = ranges_among(needs, python, subdir, Needing(needs, asked, providers))
    return tuple(replace(each, dependencies=tuple(ranges.get(each.name, {}).items())) for each in packages)


def _indexes(packages: Iterable[LockedPackage]) -> dict[str, str]:
    return {each.name: each.index for each in packages if each.index}


def _option_urls(content: ExportContent) -> Iterator[str]:
    from envmgr.pypi.items import index_url

    yield from filter(None, map(index_url, content.options()))


def _pylock_file(package: PypiPackage, file: PublishedFile) -> PylockPackage:
    from envmgr.lock.pylock_v1 import PylockFile, PylockPackage

    name = unquote(urlsplit(file.url).path.rpartition("/")[2])
    hashes = {"sha256": file.sha256}
    if file.is_direct:
        archive = PylockFile(url=file.url, size=file.size, hashes=hashes, subdirectory=file.subdirectory)
        return PylockPackage(name=package.name, version=package.version, archive=archive)
    entry = PylockFile(name=name, url=file.url, size=file.size, hashes=hashes)
    is_wheel = name.endswith(WHEEL_EXTENSION)
    return PylockPackage(
        name=package.name,
        version=package.version,
        index=file.index or None,
        sdist=None if is_wheel else entry,
        wheels=[entry] if is_wheel else [],
    )


def _pylock_repository(package: PypiPackage, repository: Repository) -> PylockPackage:
    from envmgr.lock.pylock_v1 import PylockPackage, PylockRepository

    return PylockPackage(
        name=package.name,
        version=package.version,
        vcs=PylockRepository(
            type=repository.vcs,
            url=repository.url,
            requested_revision=repository.requested_revision,
            commit_id=repository.commit,
            subdirectory=repository.subdirectory,
        ),
    )
