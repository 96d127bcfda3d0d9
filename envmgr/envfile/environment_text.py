"""What an environment file is to say, out as text: environment.yml (CEP 24), and conda's JSON of the same. Pure.

The counterpart of `envmgr.envfile.environment_yml`: what is written here, that reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping


class WrittenEnvironment(Struct, frozen=True):
    """The content of an environment file, as texts in the order in which they are written.

    ``channels`` are all there are, best first. ``pins`` are specs that limit without asking for anything.
    ``implied`` are specs that nobody asked for and that other tools need beside the rest.
    """

    name: str | None = None
    channels: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()

    def yaml_text(self) -> str:
        """As environment.yml, which has no place for pins.

        >>> print(WrittenEnvironment("x", ("conda-forge",), ("python",), ("foo",)).yaml_text(), end="")
        name: x
        channels:
          - conda-forge
          - nodefaults
        dependencies:
          - python
          - pip:
              - foo
        """
        import yaml

        class Dumper(yaml.SafeDumper):
            """Indents lists below their keys."""

            def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
                super().increase_indent(flow, False)

        return str(
            yaml.dump(
                self._content(),
                Dumper=Dumper,
                sort_keys=False,
                default_flow_style=False,
                allow_unicode=True,
                width=1_000_000,
            )
        )

    def json_text(self) -> str:
        """As JSON with the same keys, and ``pins`` where there are any."""
        content = self._content()
        if self.pins:
            content["pins"] = list(self.pins)
        return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"

    def _content(self) -> dict[str, Any]:
        """`nodefaults` says that no configured channel is to be added (CEP 24, channels)."""
        dependencies: list[object] = [*self.dependencies, *self.implied]
        if self.pypi:
            dependencies.append({"pip": list(self.pypi)})
        content: dict[str, Any] = {"name": self.name} if self.name else {}
        content["channels"] = [*self.channels, "nodefaults"]
        content["dependencies"] = dependencies
        if self.variables:
            content["variables"] = dict(self.variables)
        if self.platforms:
            content["platforms"] = list(self.platforms)
        return content
