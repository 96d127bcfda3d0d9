"""How specs are written for people and for other tools, and how exactly they name a version. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from msgspec.structs import replace

from envmgr.models.string_match import StringMatch
from envmgr.models.version_spec import VersionSpec

if TYPE_CHECKING:
    from envmgr.models.match_spec import MatchSpec

VersionStyle: TypeAlias = Literal["asked", "none", "minor", "minimum", "exact"]
"""What a spec says of the version: what it was asked with, nothing, `=X.Y`, `>=X.Y.Z`, or `==X.Y.Z`."""

VERSION_STYLES: Final[tuple[VersionStyle, ...]] = get_args(VersionStyle)

_MINOR = re.compile(r"(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)?(?=\.|$)")


def plain_text(spec: MatchSpec) -> str:
    """*spec* as people write it, where it says nothing beside channel, name, version and build.

    >>> from envmgr.models.match_spec import MatchSpec
    >>> plain_text(MatchSpec.parse("numpy[version='>=1.2,<2']")), plain_text(MatchSpec.parse("python=3.12"))
    ('numpy >=1.2,<2', 'python=3.12')
    >>> plain_text(MatchSpec.parse("conda-forge::pytorch[build=cuda*]"))
    'conda-forge::pytorch=*=cuda*'
    """
    text = str(spec)
    inner = replace(spec, channel=None)
    if "[" not in text or inner.has_other_tests or spec.extras or spec.when is not None:
        return text
    before = f"{spec.channel}::" if spec.channel is not None else ""
    if spec.build is None:
        return f"{before}{spec.name} {spec.version}"
    version = str(spec.version) if spec.version is not None else "*"
    mark = "=" if version == "*" else " "
    return f"{before}{spec.name}{mark}{version}{mark}{spec.build}"


def restyled(spec: MatchSpec, version: str, style: VersionStyle) -> MatchSpec:
    """*spec* with what *style* says of *version*, the one that is installed; all else stays.

    A build that was asked for whole goes with the version that it was built of; a pattern of builds stays.

    >>> from envmgr.models.match_spec import MatchSpec
    >>> [str(restyled(MatchSpec.parse("numpy>1"), "1.26.4", each)) for each in ("none", "minor", "exact")]
    ['numpy', 'numpy=1.26', 'numpy==1.26.4']
    """
    if style == "asked":
        return spec
    build = None if isinstance(spec.build, StringMatch) and spec.build.is_exact else spec.build
    return replace(spec, version=_version_spec(version, style), build=build)


def minor_version(version: str) -> str:
    """The first two numbers of *version*; all of it where it does not begin with numbers alone.

    >>> minor_version("1.26.4"), minor_version("2024a"), minor_version("9")
    ('1.26', '2024a', '9')
    """
    found = _MINOR.match(version)
    return found[0] if found else version


def _version_spec(version: str, style: VersionStyle) -> VersionSpec | None:
    if style == "none":
        return None
    texts = {"minor": f"={minor_version(version)}", "minimum": f">={version}", "exact": f"=={version}"}
    return VersionSpec.parse(texts[style])
