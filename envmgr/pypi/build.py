"""Builds source distributions, repositories and local projects into wheels (PEP 517, 660), isolated.

A build happens in an environment of its own, made of the planned prefix's Python and what the project's
``build-system.requires`` asks for. What was built is kept by what it was built from, and not built again; local
folders, which may have changed, are.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.errors import BuildError
from envmgr.models.wheel_name import normalized_name
from envmgr.ports import Phase
from envmgr.pypi.build_isolated import Workshop, build_in_isolation
from envmgr.pypi.build_source import Outside, fetch_source
from envmgr.pypi.git_login import with_git_login
from envmgr.pypi.records import WheelNeeds, wheel_record
from envmgr.pypi.resolve import read_items
from envmgr.pypi.stubs import same_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.pypi.resolution import PypiRequest, PypiSource

_PIECE_BYTES = 1 << 20
_LARGEST_METADATA_BYTES = 10_000_000


def build_wheels(
    sources: Sequence[PypiSource], request: PypiRequest, folder: Path, outside: Outside
) -> tuple[PackageRecord, ...]:
    """Build each of *sources* with ``request.prefix_python``; the wheels' records, whose URLs are below *folder*.

    *folder* is where built wheels are kept between commands, as ``<key>/<file>.whl``: *key* is a sum over the
    source's own sum or commit, Python's version and the platform. Directories are built each time. Index options of
    the request's items hold for what builds need, too. The transport knows the logins
    (``PypiSolution.credential_urls``). Raises BuildError with the end of the backend's output; DataError for a
    wrong sum; ChannelError where something cannot be fetched.
    """
    if not sources:
        return ()
    if request.prefix_python is None:
        names = ", ".join(source.name for source in sources)
        raise BuildError(f"{names} can only be built once the environment has a python.")
    gathered, options = read_items(request, outside.environ)
    written = [
        with_git_login(line.text, request.find_login) for line in gathered.requirements if line.is_direct
    ]
    settings = {line.name: line.settings for line in gathered.requirements if line.settings}
    workshop = Workshop(request, options, outside.runner, outside.environ)
    outside.reporter.phase_started(Phase.BUILD, len(sources))
    try:
        return tuple(
            _built(source, folder, workshop, outside, (written, settings.get(source.name, ())))
            for source in sources
        )
    finally:
        outside.reporter.phase_finished(Phase.BUILD)


def _built(
    source: PypiSource,
    folder: Path,
    workshop: Workshop,
    outside: Outside,
    said: tuple[Sequence[str], tuple[str, ...]],
) -> PackageRecord:
    written, settings = said
    key = _key(source, workshop.request, settings)
    kept = folder / key
    wheel = None if source.kind == "directory" else _only_wheel(kept)
    if wheel is None:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=workshop.request.work_dir or folder) as work:
            place = Path(work)
            project = fetch_source(source, place / "source", outside, written)
            made = build_in_isolation(source, project, place / "work", workshop, settings)
            _check(made, source)
            if source.kind == "directory":
                kept = folder / f"{key[:24]}-{_sum(made)[:24]}"
            wheel = _kept(made, kept)
    outside.reporter.phase_advanced(Phase.BUILD, 1)
    return _record(wheel, source)


def _key(source: PypiSource, request: PypiRequest, settings: tuple[str, ...]) -> str:
    target = request.target
    facts = [
        source.kind, source.name, source.sha256 or source.url, source.commit, source.subdirectory, source.editable,
        target.implementation, target.minor, target.free_threaded, target.subdir, settings,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _only_wheel(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("*.whl"))), None)


def _kept(made: Path, kept: Path) -> Path:
    """Move the wheel's folder to where it is kept; another process may have been first, with as good a wheel."""
    aside = made.parent.parent / "kept"
    aside.mkdir()
    shutil.move(made, aside / made.name)
    try:
        aside.rename(kept)
    except OSError:
        if _only_wheel(kept) is None:
            raise
    wheel = _only_wheel(kept)
    assert wheel is not None, "a folder with a wheel was just moved here"
    return wheel


def _check(wheel: Path, source: PypiSource) -> None:
    """The build must have made what was resolved: PEP 517 lets no backend choose another name or version."""
    name, _, rest = wheel.name.partition("-")
    version = rest.partition("-")[0]
    is_other = source.version is not None and not same_version(version, source.version)
    if normalized_name(name) != source.name or is_other:
        wanted = source.name if source.version is None else f"{source.name} {source.version}"
        raise BuildError(f"the build of {source.url} made {wheel.name}, not {wanted}.")


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _record(wheel: Path, source: PypiSource) -> PackageRecord:
    headers = HeaderParser().parsestr(_metadata(wheel))
    python = headers["Requires-Python"]
    return wheel_record(
        wheel.as_uri(),
        built_from=source.published,
        sha256=_sum(wheel),
        size=wheel.stat().st_size,
        index=source.index or source.url.rpartition("/")[0],
        needs=WheelNeeds(
            tuple(str(each) for each in headers.get_all("Requires-Dist", [])), str(python) if python else None
        ),
        direct_url=source.direct_url,
    )


def _metadata(wheel: Path) -> str:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if member.filename.count("/") == 1 and member.filename.endswith(".dist-info/METADATA"):
                    with archive.open(member) as file:
                        return file.read(_LARGEST_METADATA_BYTES).decode("utf-8", "replace")
    except (zipfile.BadZipFile, OSError) as error:
        raise BuildError(f"the build made a wheel that cannot be read, {wheel.name}: {error}.") from None
    raise BuildError(f"the build made a wheel without metadata, {wheel.name}.")
