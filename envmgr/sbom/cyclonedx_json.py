"""Writes an inventory as CycloneDX JSON, version 1.7 of the specification (ECMA-424)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement, LicenseExpression
from cyclonedx.output.json import JsonV1Dot7
from cyclonedx.spdx import is_supported_id
from packageurl import PackageURL

from envmgr.sbom.licenses import spdx_expression

if TYPE_CHECKING:
    from envmgr.sbom.inventory import Component as Held
    from envmgr.sbom.inventory import Inventory

_ROOT = "environment"


def cyclonedx_text(inventory: Inventory) -> str:
    """The document; the same for the same *inventory*."""
    bom = Bom(serial_number=inventory.identity)
    # The specification does not ask for one.
    bom.metadata.timestamp = inventory.moment  # type: ignore[assignment]
    tool = Component(
        name="envmgr", version=inventory.tool_version, type=ComponentType.APPLICATION, bom_ref="envmgr"
    )
    bom.metadata.tools.components.add(tool)
    root = Component(name=inventory.name, type=ComponentType.PLATFORM, bom_ref=_ROOT)
    bom.metadata.component = root
    made = {each.purl: _component(each) for each in inventory.components}
    bom.components.update(made.values())
    bom.register_dependency(root, [made[purl] for purl in inventory.roots])
    for each in inventory.components:
        bom.register_dependency(made[each.purl], [made[purl] for purl in each.needs])
    return JsonV1Dot7(bom).output_as_string(indent=2) + "\n"


def _component(held: Held) -> Component:
    sums = ((HashAlgorithm.SHA_256, held.sha256), (HashAlgorithm.MD5, held.md5))
    file = (
        ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(held.url)) if held.url else None
    )
    return Component(
        name=held.name,
        version=held.version,
        type=ComponentType.LIBRARY,
        bom_ref=held.purl,
        purl=PackageURL.from_string(held.purl),
        licenses=[_license(held.license)] if held.license else [],
        hashes=[HashType(alg=kind, content=digest) for kind, digest in sums if digest],
        external_references=[file] if file is not None else [],
    )


def _license(text: str) -> DisjunctiveLicense | LicenseExpression:
    declared = LicenseAcknowledgement.DECLARED
    expression = spdx_expression(text)
    if expression is None:
        return DisjunctiveLicense(name=text, acknowledgement=declared)
    if is_supported_id(expression):
        return DisjunctiveLicense(id=expression, acknowledgement=declared)
    return LicenseExpression(expression, acknowledgement=declared)
