"""The formats of an export that are bills of materials: what an environment holds, and who needs whom there."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from envmgr.errors import UsageError
from envmgr.models.package_index import is_pypi
from envmgr.models.record import ARCHIVE_EXTENSIONS
from envmgr.sbom.inventory import Component, Inventory, conda_purl, pypi_purl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from envmgr.models.record import PackageRecord
    from envmgr.ops.export_content import ExportContent
    from envmgr.ops.intent import PypiPackage

_LARGEST_SECONDS = 100_000_000_000  # Later ones are in milliseconds.


def sbom_export(content: ExportContent) -> str:
    """The inventory as CycloneDX or SPDX, as the request says; raises UsageError without the library for it."""
    chosen = content.request.format
    try:
        if chosen == "cyclonedx":
            from envmgr.sbom.cyclonedx_json import cyclonedx_text as written
        else:
            from envmgr.sbom.spdx_json import spdx_text as written
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library == "envmgr":
            raise
        raise UsageError(
            f"the format {chosen} needs the Python package {library}, which is not installed.",
            hint="Install it: pip install 'envmgr[sbom]'.",
        ) from None
    content.lose_variables("an SBOM")
    content.lose_pins("an SBOM")
    return written(_inventory(content))


def _inventory(content: ExportContent) -> Inventory:
    from envmgr import __version__

    holdings = content.holdings
    records = holdings.records
    purls = {record.name: _conda_purl(record) for record in records}
    ours = {each.name: _pypi_purl(each) for each in holdings.pypi}
    conda = [_conda_component(record, purls) for record in records]
    needs = _pypi_needs(content)
    pypi = [
        _pypi_component(content, each, ours, [ours.get(name) or purls[name] for name in needs[each.name]])
        for each in holdings.pypi
    ]
    components = tuple(sorted((*conda, *pypi), key=lambda each: each.purl))
    content.tell_channel_logins(record.channel for record in records)
    for each in holdings.pypi:
        content.without_login(each.item or "")
    _tell_unknown(content, components)
    return Inventory(
        name=holdings.name or "environment",
        tool_version=__version__,
        components=components,
        roots=_roots(content, components, purls, ours),
        moment=_moment(content.context.environ),
        newest=_newest(records),
    )


def _conda_component(record: PackageRecord, purls: Mapping[str, str]) -> Component:
    from envmgr.ops.intent import needed_names

    needed = {purls[name] for name in needed_names(record) if name in purls and name != record.name}
    return Component(
        kind="conda",
        name=record.name,
        version=record.version,
        purl=purls[record.name],
        license=" ".join((record.license or "").split()),
        url="" if record.url.startswith("file:") else record.url,
        sha256=record.sha256,
        md5=record.md5,
        needs=tuple(sorted(needed)),
    )


def _conda_purl(record: PackageRecord) -> str:
    from envmgr.ops.export_content import channel_text

    archive = next((each[1:] for each in ARCHIVE_EXTENSIONS if record.fn.endswith(each)), "")
    channel = "" if record.channel.startswith("file:") or not record.channel else channel_text(record.channel)
    return conda_purl(
        record.name,
        record.version,
        {"build": record.build, "channel": channel, "subdir": record.subdir or "", "type": archive},
    )


def _pypi_component(
    content: ExportContent, package: PypiPackage, ours: Mapping[str, str], needs: Iterable[str]
) -> Component:
    from envmgr.ops.published_file import file_of

    file = file_of(package)
    return Component(
        kind="pypi",
        name=package.name,
        version=package.version,
        purl=ours[package.name],
        license=_license(content, package),
        url=file.url if file is not None else "",
        sha256=file.sha256 if file is not None else None,
        needs=tuple(sorted(set(needs))),
    )


def _pypi_purl(package: PypiPackage) -> str:
    from envmgr.ops.published_file import file_of, repository_of

    file, repository = file_of(package), repository_of(package)
    index = file.index if file is not None else ""
    return pypi_purl(
        package.name,
        package.version,
        {
            "repository_url": "" if is_pypi(index) else index,
            "vcs_url": f"{repository.vcs}+{repository.url}@{repository.commit}"
            if repository is not None
            else "",
        },
    )


def _license(content: ExportContent, package: PypiPackage) -> str:
    """As the metadata says it: its expression, else the first line of its text, else its classifiers."""
    from envmgr.pypi.installed import read_fields

    wanted = ("license-expression", "license", "classifier")
    fields = read_fields(content.holdings.prefix / package.metadata / "METADATA", wanted)
    for name in wanted[:2]:
        if text := next((each for each in fields[name] if each and each != "UNKNOWN"), ""):
            return text[:200]
    named = [
        each.rpartition("::")[2].strip() for each in fields["classifier"] if each.startswith("License ::")
    ]
    return ", ".join(dict.fromkeys(named))


def _pypi_needs(content: ExportContent) -> dict[str, set[str]]:
    """The names of what each distribution of PyPI needs: of others, and of the conda packages that provide them."""
    from envmgr.ops.intent import asked_items
    from envmgr.ops.provided import Providers
    from envmgr.pypi.installed import read_requirements
    from envmgr.pypi.needs import needed_by
    from envmgr.pypi.target import PypiTarget

    holdings = content.holdings
    here = {each.name for each in holdings.pypi}
    python = next((each for each in holdings.records if each.name == "python"), None)
    if not here or python is None:
        return {name: set() for name in here}
    requires = {
        each.name: read_requirements(holdings.prefix / each.metadata / "METADATA") for each in holdings.pypi
    }
    environment = PypiTarget.of(python, (), content.subdir).markers
    needed = needed_by([*asked_items(holdings), *sorted(here)], requires, environment)
    installed = {package.record: package for package in holdings.conda}
    provided = Providers(content.context, holdings.prefix, installed).of(holdings.records)
    owners = {record.dist_name: record.name for record in holdings.records}
    by_name = {each.name: owners[each.dist_name] for each in provided} | {name: name for name in here}
    return {
        name: {"python", *(by_name[each] for each in needed.get(name, ()) if each in by_name)} - {name}
        for name in here
    }


def _roots(
    content: ExportContent,
    components: Collection[Component],
    purls: Mapping[str, str],
    ours: Mapping[str, str],
) -> tuple[str, ...]:
    """What was asked for, and what nothing else needs."""
    from envmgr.ops.intent import asked_specs

    asked = {purls[spec.name] for spec in asked_specs(content.holdings) if spec.name in purls}
    asked |= {ours[each.name] for each in content.holdings.pypi if each.requested}
    needed = {purl for each in components for purl in each.needs}
    return tuple(sorted(asked | {each.purl for each in components if each.purl not in needed}))


def _tell_unknown(content: ExportContent, components: Iterable[Component]) -> None:
    unlicensed = [each.name for each in components if not each.license]
    unsummed = [each.name for each in components if not (each.sha256 or each.md5)]
    content.tell("no license is noted of", unlicensed)
    content.tell("no checksum is noted of", unsummed)


def _moment(environ: Mapping[str, str]) -> datetime | None:
    """That of SOURCE_DATE_EPOCH, in seconds since the Unix epoch; None where it is not set."""
    text = environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), tz=timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"the variable SOURCE_DATE_EPOCH is '{text}', which is no number of seconds.",
            hint="Unset it, or give a number.",
        ) from None


def _newest(records: Iterable[PackageRecord]) -> datetime | None:
    times = [float(each.timestamp) for each in records if each.timestamp]
    seconds = max((each / 1000 if each > _LARGEST_SECONDS else each for each in times), default=0)
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc) if seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None
