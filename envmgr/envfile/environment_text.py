"""What an environment file is to say, out as text: environment.yml (CEP 24), and conda's JSON of the same. Pure.

The counterpart of `envmgr.envfile.environment_yml`: what is written here, that reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from envmgr.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Selector(Struct, frozen=True):
    """Where one dependency counts: *names* of `sel()` or expressions of *comments*, each of which takes a line."""

    names: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()


class WrittenEnvironment(Struct, frozen=True):
    """The content of an environment file, as texts in the order in which they are written.

    ``channels`` are all there are, best first. ``pins`` are specs that limit without asking for anything.
    ``implied`` are specs that nobody asked for and that other tools need beside the rest. ``selectors`` tell where
    dependencies count that do not count on all ``platforms``, by their texts.
    """

    name: str | None = None
    channels: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    selectors: Mapping[str, Selector] = field(default_factory=dict)

    def yaml_text(self) -> str:
        """As environment.yml; the key ``pins`` is an extension of ours, which other tools pass over.

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

        text = str(
            yaml.dump(
                self._content(),
                Dumper=Dumper,
                sort_keys=False,
                default_flow_style=False,
                allow_unicode=True,
                width=1_000_000,
            )
        )
        return self._with_comments(text) if self.has_comments else text

    @property
    def has_comments(self) -> bool:
        """Whether it has selectors that only comments can hold, and so no JSON."""
        return any(each.comments for each in self.selectors.values())

    def _with_comments(self, text: str) -> str:
        """*text*, in which each dependency has one line, with the comments behind them."""
        lines = text.split("\n")
        start = lines.index("dependencies:") + 1
        stop = start + len(self.dependencies)
        listed = [
            f"{line}{f'  # [{comment}]' if comment else ''}"
            for line, dependency in zip(lines[start:stop], self.dependencies, strict=True)
            for comment in (self.selectors[dependency].comments if dependency in self.selectors else ("",))
        ]
        return "\n".join([*lines[:start], *listed, *lines[stop:]])

    def json_text(self) -> str:
        """As JSON with the same keys; UsageError for what JSON cannot hold."""
        if self.has_comments:
            raise UsageError(
                "selectors for processors are comments, which JSON has none of.",
                hint="Choose the format yaml.",
            )
        return msgspec.json.format(msgspec.json.encode(self._content()), indent=2).decode() + "\n"

    def _content(self) -> dict[str, Any]:
        """`nodefaults` says that no configured channel is to be added (CEP 24, channels)."""
        dependencies: list[object] = []
        for text in (*self.dependencies, *self.implied):
            names = self.selectors[text].names if text in self.selectors else ()
            dependencies += [{f"sel({name})": text} for name in names] or [text]
        if self.pypi:
            dependencies.append({"pip": list(self.pypi)})
        content: dict[str, Any] = {"name": self.name} if self.name else {}
        content["channels"] = [*self.channels, "nodefaults"]
        content["dependencies"] = dependencies
        if self.variables:
            content["variables"] = dict(self.variables)
        if self.platforms:
            content["platforms"] = list(self.platforms)
        if self.pins:
            content["pins"] = list(self.pins)
        return content
