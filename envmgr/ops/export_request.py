"""What an export is asked for, and what came of it, as values; and the names of the formats."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from msgspec import Struct

from envmgr.errors import UsageError
from envmgr.models.platform import KNOWN_SUBDIRS, NOARCH, near_subdir

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.spec_style import VersionStyle

ExportFormat: TypeAlias = Literal[
    "yaml",
    "json",
    "explicit",
    "requirements",
    "conda-lock",
    "pixi-lock",
    "pixi",
    "pylock",
    "cyclonedx",
    "spdx",
]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_OTHER_NAMES = {
    "yml": "yaml",
    "environment-yaml": "yaml",
    "environment-json": "json",
    "conda-lock-v1": "conda-lock",
    "pixi-lock-v6": "pixi-lock",
    "rattler-lock-v6": "pixi-lock",
    "pixi.lock": "pixi-lock",
    "pixi.toml": "pixi",
    "pylock.toml": "pylock",
    "cyclonedx-json": "cyclonedx",
    "spdx-json": "spdx",
}
"""What conda, its plugins, and tools for SBOMs call these formats."""

_BY_FILE_NAME: tuple[tuple[str, ExportFormat], ...] = (
    (r".*conda-lock.*\.ya?ml", "conda-lock"),
    (r"pixi\.lock", "pixi-lock"),
    (r"pixi\.toml", "pixi"),
    (r"pylock(\.[^.]+)?\.toml", "pylock"),
    (r"bom\.json|.+\.cdx\.json", "cyclonedx"),
    (r".+\.spdx\.json", "spdx"),
    (r".*\.ya?ml", "yaml"),
    (r".*\.json", "json"),
    (r"requirements.*\.txt", "requirements"),
    (r".+\.txt", "explicit"),
)
_FIXED_NAMES: dict[ExportFormat, str] = {
    "conda-lock": "holds `conda-lock` and ends in .yml or .yaml (CEP 37)",
    "pylock": "is pylock.toml or pylock.NAME.toml (PEP 751)",
}
"""By these names readers know what it is: one that ..."""

_EXACT: dict[ExportFormat, str] = {
    "explicit": "an explicit file names archives, which have a version and a build",
    "conda-lock": "a lock names archives, which have a version and a build",
    "pixi-lock": "a lock names archives, which have a version and a build",
    "pylock": "a lock names files, which have a version",
    "cyclonedx": "an SBOM tells exactly what is installed",
    "spdx": "an SBOM tells exactly what is installed",
}
_OF_PLATFORMS: tuple[ExportFormat, ...] = ("yaml", "json", "conda-lock", "pixi-lock", "pixi")
"""The formats that say what holds on which platform."""


class ExportRequest(Struct, frozen=True):
    """Which environment, and how.

    ``from_history``: what was asked for, with ``versions`` in that style; otherwise what is installed, exactly.
    ``builds``: with builds, where packages are exact. ``channels`` come first, and alone with
    ``override_channels``; they may be folders. With ``ignore_channels`` no package says where it is from.
    ``hashes``: pip's requirements with the SHA-256 of each file. ``platforms`` are subdirs that are written
    together; none for the environment's own. With ``no_pin`` pins are left out, and limit none of them.
    """

    name: str | None = None
    prefix: str | None = None
    format: ExportFormat = "yaml"
    from_history: bool = False
    versions: VersionStyle = "asked"
    builds: bool = True
    channels: tuple[str, ...] = ()
    override_channels: bool = False
    ignore_channels: bool = False
    hashes: bool = False
    platforms: tuple[str, ...] = ()
    no_pin: bool = False


class Exported(Struct, frozen=True):
    """The *text* of the export of *prefix*, and sentences that tell what it does not hold."""

    prefix: Path
    format: ExportFormat
    text: str
    left_out: tuple[str, ...] = ()


def format_named(name: str) -> ExportFormat:
    """The format that is called *name*, in other tools' words too; raises UsageError."""
    for known in EXPORT_FORMATS:
        if known == _OTHER_NAMES.get(name.lower(), name.lower()):
            return known
    raise UsageError(f"there is no format '{name}'.", hint=f"There are: {', '.join(EXPORT_FORMATS)}.")


def format_of_file(name: str) -> ExportFormat:
    """The format that a file called *name* is written in; raises UsageError where that cannot be told.

    >>> [format_of_file(name) for name in ("environment.yml", "explicit.txt", "conda-lock.yml", "app.cdx.json")]
    ['yaml', 'explicit', 'conda-lock', 'cyclonedx']
    """
    for pattern, known in _BY_FILE_NAME:
        if re.fullmatch(pattern, _base(name)):
            return known
    raise UsageError(
        f"the name of {name or repr(name)} does not tell a format.",
        hint=f"Name it *.yml, *.json or *.txt, or say --format: {', '.join(EXPORT_FORMATS)}.",
    )


def check_file_name(name: str, chosen: ExportFormat) -> None:
    """Raises UsageError for a file called *name* in which nobody would look for the format."""
    if chosen in _FIXED_NAMES and not any(
        known == chosen and re.fullmatch(pattern, _base(name)) for pattern, known in _BY_FILE_NAME
    ):
        plain = "pylock.toml" if chosen == "pylock" else "conda-lock.yml"
        raise UsageError(
            f"readers of the format {chosen} want a name that {_FIXED_NAMES[chosen]}, not {_base(name)}.",
            hint=f"Name it {plain}.",
        )


def check_request(request: ExportRequest) -> None:
    """Raises UsageError for options that do not go together."""
    from envmgr.models.spec_style import VERSION_STYLES

    if request.versions not in VERSION_STYLES:
        raise UsageError(
            f"there is no style of versions '{request.versions}'.",
            hint=f"There are: {', '.join(VERSION_STYLES)}.",
        )
    if request.versions != "asked" and not request.from_history:
        raise UsageError(
            "--versions goes with --from-history; without it all versions are exact.",
            hint="Add --from-history, or leave out --versions.",
        )
    if request.format in _EXACT and (request.from_history or not request.builds):
        raise UsageError(
            f"{_EXACT[request.format]}.",
            hint="Leave out --from-history and --no-builds, or choose the format yaml or pixi.",
        )
    if request.hashes and (request.format != "requirements" or request.from_history):
        raise UsageError(
            "--hashes is for the exact requirements of pip.",
            hint="Say --format requirements without --from-history; locks have hashes anyway.",
        )
    for subdir in request.platforms:
        if subdir not in KNOWN_SUBDIRS or subdir == NOARCH:
            raise UsageError(f"'{subdir}' is not a platform of environments.", hint=near_subdir(subdir))
    if len(set(request.platforms)) > 1 and not holds_platforms(request.format):
        raise _one_platform(request)


def holds_platforms(chosen: ExportFormat) -> bool:
    """Whether the format says what holds on which platform."""
    return chosen in _OF_PLATFORMS


def check_one_platform(request: ExportRequest, own: str) -> None:
    """Raises UsageError where other platforms than the environment's *own* are asked for."""
    if set(request.platforms) - {own}:
        raise _one_platform(request, f", and the environment is for {own}")


def _one_platform(request: ExportRequest, more: str = "") -> UsageError:
    return UsageError(
        f"the format {request.format} holds what is installed, on one platform{more}.",
        hint=f"Leave out --platform, or choose one of the formats {', '.join(_OF_PLATFORMS)}.",
    )


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2].lower()
