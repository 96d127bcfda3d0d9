"""What an export is asked for, and what came of it, as values; and the names of the formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from msgspec import Struct

from envmgr.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.spec_style import VersionStyle

ExportFormat: TypeAlias = Literal["yaml", "json", "explicit", "requirements"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_CONDAS_NAMES = {"yml": "yaml", "environment-yaml": "yaml", "environment-json": "json"}


class ExportRequest(Struct, frozen=True):
    """Which environment, and how.

    ``from_history``: what was asked for, with ``versions`` in that style; otherwise what is installed, exactly.
    ``builds``: with builds, where packages are exact. ``channels`` come first, and alone with
    ``override_channels``; they may be folders. With ``ignore_channels`` no package says where it is from.
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


class Exported(Struct, frozen=True):
    """The *text* of the export of *prefix*, and sentences that tell what it does not hold."""

    prefix: Path
    format: ExportFormat
    text: str
    left_out: tuple[str, ...] = ()


def format_named(name: str) -> ExportFormat:
    """The format that is called *name*, in conda's words too; raises UsageError."""
    for known in EXPORT_FORMATS:
        if known == _CONDAS_NAMES.get(name.lower(), name.lower()):
            return known
    raise UsageError(f"there is no format '{name}'.", hint=f"There are: {', '.join(EXPORT_FORMATS)}.")


def format_of_file(name: str) -> ExportFormat:
    """The format that a file called *name* is written in; raises UsageError where that cannot be told.

    >>> format_of_file("environment.yml"), format_of_file("explicit.txt"), format_of_file("requirements-dev.txt")
    ('yaml', 'explicit', 'requirements')
    """
    base, _, extension = name.replace("\\", "/").rpartition("/")[2].lower().rpartition(".")
    if extension in ("yml", "yaml"):
        return "yaml"
    if extension == "json":
        return "json"
    if extension == "txt" and base:
        return "requirements" if base.startswith("requirements") else "explicit"
    raise UsageError(
        f"the name of {name} does not tell a format.",
        hint=f"Name it *.yml, *.json or *.txt, or say --format: {', '.join(EXPORT_FORMATS)}.",
    )


def check_request(request: ExportRequest) -> None:
    """Raises UsageError for options that do not go together."""
    if request.versions != "asked" and not request.from_history:
        raise UsageError(
            "--versions goes with --from-history; without it all versions are exact.",
            hint="Add --from-history, or leave out --versions.",
        )
    if request.format == "explicit" and (request.from_history or not request.builds):
        raise UsageError(
            "an explicit file names archives, which have a version and a build.",
            hint="Leave out --from-history and --no-builds, or choose the format yaml.",
        )
