"""Writes an environment down for others: as it was asked for, or as it is, in the formats that other tools read.

An export holds no path of this machine and no secret. What a format cannot carry, and what was left out, is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.ops.export_content import ExportContent, channel_text
from envmgr.ops.export_request import Exported, check_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.envfile.environment_text import WrittenEnvironment
    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.export_request import ExportRequest


def export(request: ExportRequest, context: Context) -> Exported:
    """Read the environment and write it down; nothing is changed.

    Raises UsageError for options that do not go together, PrefixError and DataError for what cannot be read.
    """
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.intent import read_holdings

    check_request(request)
    prefix = locate_existing(request.name, request.prefix, context)
    content = ExportContent(request, read_holdings(prefix, context), context)
    text = _text(content)
    return Exported(prefix, request.format, text, tuple(dict.fromkeys(content.left_out)))


def _text(content: ExportContent) -> str:
    """In the format that is asked for; each has its writer."""
    match content.request.format:
        case "explicit":
            from envmgr.ops.export_lists import explicit_text

            return explicit_text(content)
        case "requirements":
            from envmgr.ops.export_lists import requirements_text

            return requirements_text(content)
        case "conda-lock":
            from envmgr.ops.export_lock import conda_lock_export

            channels = content.channels()
            return conda_lock_export(content, channels, _Writing(content)._asked(channels, ()))
        case "pixi-lock":
            from envmgr.ops.export_lock import pixi_lock_export

            return pixi_lock_export(content, content.channels())
        case "pylock":
            from envmgr.ops.export_lock import pylock_export

            return pylock_export(content)
        case "pixi":
            from envmgr.envfile.pixi_text import pixi_manifest

            text, left_out = pixi_manifest(_Writing(content)._environment(), (content.subdir,))
            content.left_out += left_out
            content.lose_pins("pixi.toml")
            return text
        case "cyclonedx" | "spdx":
            from envmgr.ops.export_sbom import sbom_export

            return sbom_export(content)
        case "json":
            return _Writing(content)._environment().json_text()
        case "yaml":
            content.lose_pins("environment.yml")
            return _Writing(content)._environment().yaml_text()


class _Writing(Struct, frozen=True):
    """An environment file on its way."""

    content: ExportContent

    def _environment(self) -> WrittenEnvironment:
        from envmgr.envfile.environment_text import WrittenEnvironment

        channels = self.content.channels()
        items = tuple(self.content.items())
        dependencies = (
            self._asked(channels, items) if self.content.request.from_history else self._exact(channels)
        )
        return WrittenEnvironment(
            self.content.holdings.name,
            tuple(map(channel_text, channels)),
            tuple(dependencies),
            items,
            self.content.variables(),
            self.content.holdings.pins,
        )

    def _exact(self, channels: Sequence[str]) -> Iterator[str]:
        """`name=version=build`, with the channel where it is not the one that is searched first."""
        for record in self.content.holdings.records:
            build = f"={record.build}" if self.content.request.builds else ""
            yield f"{self._origin(record, channels)}{record.name}={record.version}{build}"

    def _origin(self, record: PackageRecord, channels: Sequence[str]) -> str:
        url = record.origin.channel if record.origin else ""
        if self.content.request.ignore_channels or url not in channels[1:]:
            return ""
        return f"{channel_text(url)}::"

    def _asked(self, channels: Sequence[str], items: Sequence[str]) -> Iterator[str]:
        from envmgr.models.match_spec import MatchSpec
        from envmgr.models.spec_style import plain_text, restyled
        from envmgr.ops.intent import asked_specs

        versions = {record.name: record.version for record in self.content.holdings.records}
        specs = list(asked_specs(self.content.holdings))
        if items and "pip" in versions and not any(spec.name == "pip" for spec in specs):
            specs.append(
                MatchSpec(name="pip")
            )  # Other tools need it for the items, and python may not bring it.
        styled = (
            restyled(self._travelling(spec, channels), versions[spec.name], self.content.request.versions)
            for spec in specs
        )
        yield from dict.fromkeys(map(plain_text, styled))

    def _travelling(self, spec: MatchSpec, channels: Sequence[str]) -> MatchSpec:
        """*spec* without what only this machine has, and without what the request does not want."""
        from msgspec.structs import replace

        from envmgr.models.credentials import is_url

        if spec.channel is not None and (
            self.content.request.ignore_channels or self._is_lost(spec.channel, channels)
        ):
            spec = replace(spec, channel=None, subdir=None)
        if spec.url is not None and (spec.url.startswith("file:") or not is_url(spec.url)):
            self.content.left_out.append(
                f"{spec.name} came from an archive of this machine, which is not named."
            )
            spec = replace(spec, url=None)
        return spec if self.content.request.builds else replace(spec, build=None, build_number=None)

    def _is_lost(self, channel: str, channels: Sequence[str]) -> bool:
        return channel.startswith(("file:", "^", "/", ".", "~")) and channel not in channels
