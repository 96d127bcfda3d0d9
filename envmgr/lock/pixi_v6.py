"""Reads pixi.lock from version 4 on: environments name the packages that a list describes.

Versions 4 and 5 tell the ``kind`` of a package beside its ``url``; since version 6 the key says both (``conda:
URL``) and what the URL tells is left out; version 7 names platforms that are not subdirs. Environments become
groups, of which one is chosen; where an environment has several platforms of one subdir, which differ in what the
machine must have, ``ENVIRONMENT@PLATFORM`` is a group for each but the usual one. Earlier versions have the shape
of conda-lock.yml (`envmgr.lock.conda_lock_v1`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.lock.conda_lock_v1 import split_specs
from envmgr.lock.fields import Fields
from envmgr.lock.locked import Lock, LockedPackage
from envmgr.models.channel import split_distribution, split_url
from envmgr.models.document import quoted
from envmgr.models.requirement import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmgr.models.yaml_document import Node

NEWEST = 7
_USUAL = "default"
_KINDS: dict[str, Literal["conda", "pypi"]] = {"conda": "conda", "pypi": "pypi", "conda_source": "conda"}
_SOURCE = "conda_source"


def read_pixi_lock(root: Node, *, file: str) -> Lock:
    """The lock in the document *root*; raises DataError with file and line for what is none."""
    top = Fields(root, file, "a lock file")
    known = _described(top, _sole_index(top))
    names = _subdirs(top)
    environments = top.mapping("environments")
    if environments is None:
        top.refuse_key("environments", "a mapping")
    found: dict[str, dict[str, LockedPackage]] = {}
    channels: dict[str, None] = {}
    for name, node in environments.nodes.items():
        fields = Fields(node, file, f"the environment {quoted(name)}")
        channels |= dict.fromkeys(_channels(fields))
        packages = fields.mapping("packages")
        if packages is None:
            continue
        usual_of = _usual_platforms(packages.nodes, names)
        for platform in packages.nodes:
            subdir = names.get(platform, platform)
            chosen = found.setdefault(subdir, {})
            group = name if usual_of[subdir] == platform else f"{name}@{platform}"
            for each in packages.items(platform):
                _choose(each, group, known, chosen, packages)
    usual = _USUAL if _USUAL in environments.nodes else next(iter(environments.nodes), _USUAL)
    return Lock(
        file=file,
        format="pixi",
        platforms={subdir: tuple(chosen.values()) for subdir, chosen in found.items()},
        channels=tuple(channels),
        usual=(usual,),
    )


def _usual_platforms(platforms: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """For each subdir the platform that is called like it, or else its first, of those of an environment."""
    found: dict[str, str] = {}
    for platform in platforms:
        subdir = names.get(platform, platform)
        if platform == subdir or subdir not in found:
            found[subdir] = platform
    return found


def _choose(
    node: Node, group: str, known: dict[str, LockedPackage], chosen: dict[str, LockedPackage], around: Fields
) -> None:
    entry = Fields(node, around.file, "a package")
    key = next((each for each in _KINDS if each in entry.nodes), "")
    url = entry.text(key) if key else ""
    package = known.get(f"{_KINDS.get(key)} {url}")
    if package is None and key == _SOURCE:
        # It is built where it is used, so that there is nothing to be compared; who asks for it is refused.
        package = LockedPackage(
            kind="conda", name=url, version="", url=url, groups=(), source=Source(entry.file, node.line, url)
        )
    if package is None:
        entry.refuse(node.line, "the list of packages does not describe this one")
    before = chosen.get(url)
    groups = (*before.groups, group) if before is not None else (group,)
    chosen[url] = replace(package, groups=tuple(dict.fromkeys(groups)))


def _described(top: Fields, index: str) -> dict[str, LockedPackage]:
    if "packages" not in top.nodes:
        top.refuse_key("packages", "a list")
    found: dict[str, LockedPackage] = {}
    for node in top.items("packages"):
        fields = Fields(node, top.file, "a package")
        written = fields.optional("kind")
        said = next((each for each in _KINDS if each == written or each in fields.nodes), None)
        if said is None:
            continue  # Of a kind that is not known here; an environment that names it is refused.
        kind = _KINDS[said]
        key = said if said in fields.nodes else "url" if "url" in fields.nodes else "path"
        if said == _SOURCE:
            continue
        package = _package(fields, kind, fields.text(key))
        if kind == "pypi" and not package.index and not package.url.startswith("direct+"):
            package = replace(package, index=index)
        # Two descriptions of one file may differ in what is of no account here (`purls`).
        found.setdefault(f"{kind} {package.url}", package)
    return found


def _sole_index(top: Fields) -> str:
    """The index that all environments name; "" where there are several, of which the packages do not tell one."""
    environments = top.mapping("environments")
    nodes = environments.nodes.values() if environments is not None else ()
    found = {url for node in nodes for url in Fields(node, top.file, "an environment").texts("indexes")}
    return next(iter(found)) if len(found) == 1 else ""


def _package(fields: Fields, kind: Literal["conda", "pypi"], url: str) -> LockedPackage:
    name, version, build = fields.optional("name"), fields.optional("version"), fields.optional("build")
    if kind == "conda":
        told = _told_by(url)
        name, version, build = name or told[0], version or told[1], build or told[2]
        specs = fields.texts("depends")
    else:
        specs = fields.texts("requires_dist")
    if not name:
        fields.refuse_key("name", "a text")
    return LockedPackage(
        kind=kind,
        name=name,
        version=version or "",
        url=url,
        build=build or "",
        md5=fields.checksum("md5"),
        sha256=fields.checksum("sha256"),
        dependencies=split_specs(specs),
        groups=(),
        index=fields.optional("index") or "",
        size=fields.number("size"),
        source=Source(fields.file, fields.line, name),
    )


def _told_by(url: str) -> tuple[str, str, str]:
    file_name = split_url(url)[2] or url.rpartition("/")[2]
    try:
        name, version, build, _ = split_distribution(file_name)
    except DataError:
        return "", "", ""
    return name, version, build


def _subdirs(top: Fields) -> dict[str, str]:
    """The subdirs of the platforms that have names of their own."""
    found = {}
    for node in top.items("platforms"):
        if not node.is_scalar:
            fields = Fields(node, top.file, "a platform")
            found[fields.text("name")] = fields.optional("subdir") or fields.text("name")
    return found


def _channels(fields: Fields) -> list[str]:
    nodes = fields.items("channels")
    return [
        node.text if node.is_scalar else Fields(node, fields.file, "a channel").text("url") for node in nodes
    ]
