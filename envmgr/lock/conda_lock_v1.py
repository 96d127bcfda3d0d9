"""Reads conda-lock.yml: version 1 of the format (CEP 37), in every generation that is in the wild.

Where generations differ: channels are texts or mappings, ``dependencies`` a mapping or (by pixi) a list of specs,
``manager`` is also ``pypi``, a package in several categories has an entry for each, hashes of packages of PyPI may
be missing, and virtual packages may be listed. pixi.lock up to version 3 has the same shape. Keys that CEP 37 does
not have are passed over, as other readers do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from envmgr.lock.fields import Fields
from envmgr.lock.inputs import groups_in
from envmgr.lock.locked import MAIN, Lock, LockedPackage
from envmgr.models.document import quoted
from envmgr.models.requirement import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envmgr.models.yaml_document import Node

_KINDS: dict[str, Literal["conda", "pypi"]] = {"conda": "conda", "pip": "pypi", "pypi": "pypi"}


Placed = tuple[LockedPackage, str]


def read_conda_lock(root: Node, *, file: str, packages: Sequence[Placed] | None = None) -> Lock:
    """The lock in the document *root*; raises DataError with file and line for what is none.

    *packages*, with their platforms, are those that were read already; otherwise they are in the document.
    """
    top = Fields(root, file, "a lock file")
    meta = top.mapping("metadata")
    if meta is None:
        top.refuse_key("metadata", "a mapping")
    content_hash = meta.get("content_hash")
    notes = dict(meta.pairs("custom_metadata"))
    return Lock(
        file=file,
        format="conda-lock",
        platforms=_platforms(top, meta, _packages(top) if packages is None else packages),
        channels=tuple(_channel(each, file) for each in meta.items("channels")),
        always=(MAIN,),
        told_groups=groups_in(notes),
        sources=meta.texts("sources"),
        content_hash=dict(meta.pairs("content_hash"))
        if content_hash is not None and content_hash.kind == "mapping"
        else {},
        notes=notes,
    )


def _packages(top: Fields) -> Iterator[Placed]:
    if "package" not in top.nodes:
        top.refuse_key("package", "a list")
    for node in top.items("package"):
        fields = Fields(node, top.file, "a package")
        yield _package(fields), fields.text("platform")


def _platforms(top: Fields, meta: Fields, packages: Iterable[Placed]) -> dict[str, tuple[LockedPackage, ...]]:
    found: dict[str, dict[tuple[str, str], LockedPackage]] = {each: {} for each in meta.texts("platforms")}
    for package, subdir in packages:
        if package.name.startswith("__"):
            continue
        line = package.source.line or 1
        if subdir not in found:
            top.refuse(
                line, f"{package.name} is for {quoted(subdir)}, which is none of the platforms in `metadata`"
            )
        known = found[subdir].get(package.key)
        if known is None:
            found[subdir][package.key] = package
            continue
        if known.url != package.url or set(known.groups) & set(package.groups):
            top.refuse(
                line,
                f"{package.name} for {subdir} was already given on line {known.source.line}"
                + ("" if known.url == package.url else ", with another file"),
            )
        found[subdir][package.key] = replace(known, groups=(*known.groups, *package.groups))
    return {subdir: tuple(chosen.values()) for subdir, chosen in found.items()}


def _package(fields: Fields) -> LockedPackage:
    kind = _KINDS.get(fields.text("manager"))
    if kind is None:
        fields.refuse_key("manager", "`conda` or `pip`")
    url, name = fields.text("url"), fields.text("name")
    sums = None if url.startswith("git+") else fields.mapping("hash")
    return LockedPackage(
        kind=kind,
        name=name,
        version=fields.text("version"),
        url=url,
        build=fields.optional("build") or "" if kind == "conda" else "",
        md5=sums.checksum("md5") if sums is not None else None,
        sha256=sums.checksum("sha256") if sums is not None else None,
        dependencies=_dependencies(fields),
        groups=(fields.optional("category") or MAIN,),
        size=fields.number("size"),
        source=Source(fields.file, fields.line, name),
    )


def _dependencies(fields: Fields) -> tuple[tuple[str, str], ...]:
    node = fields.get("dependencies")
    if node is not None and node.kind == "list":
        return split_specs(fields.texts("dependencies"))
    return tuple(fields.pairs("dependencies"))


def split_specs(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Each spec as a name and what follows it.

    >>> split_specs(("python >=3.9", "numpy"))
    (('python', '>=3.9'), ('numpy', ''))
    """
    return tuple((name, rest.strip()) for name, _, rest in (text.strip().partition(" ") for text in texts))


def _channel(node: Node, file: str) -> str:
    if node.is_scalar:
        return node.text
    return Fields(node, file, f"an entry of {quoted('channels')}").text("url")
