"""Writes an inventory as SPDX 2.3 JSON (ISO/IEC 5962), the version that most tools read."""

from __future__ import annotations

import hashlib
import io
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from spdx_tools.common.spdx_licensing import spdx_licensing
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    ExtractedLicensingInfo,
    Package,
    PackagePurpose,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

from envmgr.sbom.licenses import own_licenses, spdx_expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.sbom.inventory import Component, Inventory

_DOCUMENT = "SPDXRef-DOCUMENT"
_ROOT = "SPDXRef-Environment"
_OTHER = re.compile(r"[^A-Za-z0-9.-]+")
_BEGINNING = datetime(1970, 1, 1, tzinfo=timezone.utc)


def spdx_text(inventory: Inventory) -> str:
    """The document; the same for the same *inventory*.

    The moment of creation, which it has to tell, is that of the newest package where the inventory tells none.
    """
    moment = inventory.moment or inventory.newest or _BEGINNING
    info = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id=_DOCUMENT,
        name=inventory.name,
        document_namespace=f"https://spdx.org/spdxdocs/environment-{inventory.identity}",
        creators=[Actor(ActorType.TOOL, f"envmgr-{inventory.tool_version}")],
        created=moment.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0),
    )
    root = Package(
        spdx_id=_ROOT,
        name=inventory.name,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        primary_package_purpose=PackagePurpose.OTHER,
    )
    document = Document(
        info,
        packages=[root, *map(_package, inventory.components)],
        relationships=list(_relationships(inventory)),
        extracted_licensing_info=list(_own_licenses(inventory)),
    )
    stream = io.StringIO()
    write_document_to_stream(document, stream, validate=False)
    return stream.getvalue().rstrip("\n") + "\n"


def _package(held: Component) -> Package:
    sums = ((ChecksumAlgorithm.SHA256, held.sha256), (ChecksumAlgorithm.MD5, held.md5))
    expression = _expression(held.license)
    return Package(
        spdx_id=_id(held.purl),
        name=held.name,
        version=held.version,
        download_location=held.url or SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(kind, digest) for kind, digest in sums if digest],
        license_concluded=SpdxNoAssertion(),
        license_declared=spdx_licensing.parse(expression) if expression else SpdxNoAssertion(),
        copyright_text=SpdxNoAssertion(),
        external_references=[
            ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", held.purl)
        ],
        primary_package_purpose=PackagePurpose.LIBRARY,
    )


def _relationships(inventory: Inventory) -> Iterator[Relationship]:
    yield Relationship(_DOCUMENT, RelationshipType.DESCRIBES, _ROOT)
    for purl in inventory.roots:
        yield Relationship(_ROOT, RelationshipType.DEPENDS_ON, _id(purl))
    for each in inventory.components:
        for purl in each.needs:
            yield Relationship(_id(each.purl), RelationshipType.DEPENDS_ON, _id(purl))


def _own_licenses(inventory: Inventory) -> Iterator[ExtractedLicensingInfo]:
    """What is no license of SPDX's list is explained once, by all that is known of it."""
    texts: dict[str, str] = {}
    for each in inventory.components:
        expression = _expression(each.license)
        for name in own_licenses(expression):
            texts.setdefault(name, each.license)
    for name in sorted(texts):
        yield ExtractedLicensingInfo(license_id=name, extracted_text=texts[name])


def _expression(text: str) -> str:
    """An expression for any license; a text that is none gets a name of its own."""
    if not text:
        return ""
    return spdx_expression(text) or f"LicenseRef-{_named(text)}"


def _id(purl: str) -> str:
    return f"SPDXRef-{_named(purl.removeprefix('pkg:').partition('?')[0].replace('/', '-'), purl)}"


def _named(text: str, whole: str = "") -> str:
    """*text* in the letters that SPDX allows; a sum keeps apart what would be called the same."""
    plain = _OTHER.sub("-", text).strip("-")[:60]
    if plain == text:
        return plain
    return f"{plain}-{hashlib.sha256((whole or text).encode()).hexdigest()[:8]}"
