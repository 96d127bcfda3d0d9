"""The formats of an export that are lists, one package on each line: explicit files, and pip's requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.export_content import ExportContent


def explicit_text(content: ExportContent) -> str:
    """Every archive by its URL, dependencies first (CEP 23)."""
    from envmgr.envfile.explicit import explicit_lines
    from envmgr.solver.order import in_link_order

    holdings = content.holdings
    given = _given_folders(content)
    records = in_link_order({record.name: record for record in holdings.records})
    kept = [record for record in records if record.url and not _is_here_only(record, given)]
    content.lose_all(
        [record.name for record in records if record not in set(kept)],
        "packages without a URL that others reach",
    )
    content.lose_rest("an explicit file")
    subdirs = (record.subdir for record in kept if record.subdir not in (None, "noarch"))
    return _lines(
        [f"# platform: {next(subdirs, content.context.settings.subdir)}", *explicit_lines(kept, "best")]
    )


def requirements_text(content: ExportContent) -> str:
    """The distributions of PyPI, for pip."""
    holdings = content.holdings
    items = list(content.items())
    content.lose_all(
        [record.name for record in holdings.records], "conda packages, which no index of PyPI has"
    )
    content.lose_all(sorted(holdings.variables), "variables, for which pip has no place")
    return _lines(items)


def _given_folders(content: ExportContent) -> set[str]:
    from envmgr.ops.channels import parse_channels

    given = [name for name in content.request.channels if name != "nodefaults"]
    return {channel.url for channel in parse_channels(given, content.context)}


def _is_here_only(record: PackageRecord, given: set[str]) -> bool:
    is_given = record.origin is not None and record.origin.channel in given
    return record.url.startswith("file:") and not is_given


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
