"""The export of an environment as an environment file: of what was asked for, or of what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.ops.export_content import ExportContent, channel_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envmgr.envfile.environment_text import WrittenEnvironment
    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord


def pixi_export(contents: Mapping[str, ExportContent]) -> str:
    """pixi.toml of one environment on its platforms."""
    from envmgr.envfile.pixi_text import pixi_manifest

    first = next(iter(contents.values()))
    environments = {subdir: EnvironmentExport(each).environment() for subdir, each in contents.items()}
    text, left_out = pixi_manifest(environments)
    first.left_out += left_out
    first.lose_pins("pixi.toml")
    return text


class EnvironmentExport(Struct, frozen=True):
    """An environment file on its way."""

    content: ExportContent

    def yaml_text(self) -> str:
        """environment.yml: the file that the environment came from, where that is known and can say the same."""
        environment = self.environment()
        if self.content.request.from_history:
            from envmgr.ops.export_source import from_source

            found = from_source(environment, self.content.holdings, self.content.context)
            self.content.left_out += found.told
            if found.text is not None:
                return found.text
        return environment.yaml_text()

    def environment(self) -> WrittenEnvironment:
        """What is written of the environment, in whichever form."""
        from envmgr.envfile.environment_text import WrittenEnvironment

        content = self.content
        channels = content.channels()
        if content.request.from_history:
            content.lose_priority()
        items = tuple(content.items())
        dependencies = self.asked(channels) if content.request.from_history else self._exact(channels)
        return WrittenEnvironment(
            content.holdings.name,
            tuple(map(channel_text, channels)),
            tuple(dependencies),
            items,
            content.variables(),
            content.holdings.pins,
            implied=self._implied(items),
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

    def _implied(self, items: Sequence[str]) -> tuple[str, ...]:
        """What other tools need for *items* of pip, which python may not bring them, where nobody asked for it."""
        from envmgr.models.match_spec import MatchSpec
        from envmgr.models.spec_style import plain_text, restyled
        from envmgr.ops.intent import asked_specs

        request, holdings = self.content.request, self.content.holdings
        here = next((each for each in holdings.records if each.name == "pip"), None)
        if not (request.from_history and items) or here is None:
            return ()
        if any(spec.name == "pip" for spec in asked_specs(holdings)):
            return ()
        return (plain_text(restyled(MatchSpec(name="pip"), here.version, request.versions)),)

    def asked(self, channels: Sequence[str]) -> Iterator[str]:
        """The specs that were asked for, as they mean something elsewhere."""
        from envmgr.models.spec_style import plain_text, restyled
        from envmgr.ops.intent import asked_specs

        holdings = self.content.holdings
        versions = {record.name: record.version for record in holdings.records}
        styled = (
            restyled(self._travelling(spec, channels), versions[spec.name], self.content.request.versions)
            for spec in asked_specs(holdings)
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
