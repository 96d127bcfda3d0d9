"""Writes an environment down for others: as it was asked for, or as it is, in the formats that other tools read.

An export holds no path of this machine and no secret. What a format cannot carry, and what was left out, is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.ops.export_content import ExportContent
from envmgr.ops.export_request import Exported, check_one_platform, check_request, holds_platforms

if TYPE_CHECKING:
    from envmgr.ops.context import Context
    from envmgr.ops.export_request import ExportRequest


def export(request: ExportRequest, context: Context) -> Exported:
    """Read the environment and write it down; nothing is changed.

    Raises UsageError for options that do not go together, PrefixError and DataError for what cannot be read;
    ChannelError, SolveError and DataError for platforms that have to be solved, with the platform.
    """
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.intent import read_holdings

    check_request(request)
    prefix = locate_existing(request.name, request.prefix, context)
    content = ExportContent(request, read_holdings(prefix, context), context)
    if request.no_pin:
        content.tell("--no-pin leaves out the pins", content.holdings.pins)
        content = replace(content, holdings=replace(content.holdings, pins=()))
    if request.platforms and holds_platforms(request.format):
        from envmgr.ops.export_platforms import platforms_text

        text = platforms_text(content)
    else:
        check_one_platform(request, content.subdir)
        text = _text(content)
    return Exported(prefix, request.format, text, tuple(dict.fromkeys(content.left_out)))


def _text(content: ExportContent) -> str:
    """In the format that is asked for; each has its writer."""
    from envmgr.ops.export_environment import EnvironmentExport

    match content.request.format:
        case "explicit":
            from envmgr.ops.export_lists import explicit_text

            return explicit_text(content)
        case "requirements":
            from envmgr.ops.export_lists import requirements_text

            return requirements_text(content)
        case "conda-lock":
            from envmgr.ops.export_lock import conda_lock_export

            return conda_lock_export((content,))
        case "pixi-lock":
            from envmgr.ops.export_lock import pixi_lock_export

            return pixi_lock_export((content,))
        case "pylock":
            from envmgr.ops.export_lock import pylock_export

            return pylock_export(content)
        case "pixi":
            from envmgr.ops.export_environment import pixi_export

            return pixi_export({content.subdir: content})
        case "cyclonedx" | "spdx":
            from envmgr.ops.export_sbom import sbom_export

            return sbom_export(content)
        case "json":
            return EnvironmentExport(content).environment().json_text()
        case "yaml":
            return EnvironmentExport(content).yaml_text()
