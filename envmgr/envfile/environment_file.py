"""What an environment file asks for, as a value (CEP 24).

The value says what the file says: paths and channels keep their `~` and `$VARIABLES` until `expanded`, and
the configured channels are added only by `all_channels`. It opens nothing and solves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.models.path_text import expand_path

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from envmgr.models.requirement import Requirement, Source


class Item(Struct, frozen=True):
    """One entry of a subsection such as `pip:`, as written, with its place."""

    text: str
    source: Source


class Mapped(Struct, frozen=True):
    """A requirement *written* in another tool's words, and the conda spec that it became."""

    written: str
    spec: str
    source: Source


class Selection(Struct, frozen=True):
    """Which optional parts of a file count: *extras* of a project, *groups* of its dependencies."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class EnvironmentFile(Struct, frozen=True):
    """One environment.yml, or several merged.

    ``name`` is None where the file has none or one that cannot be used (a warning says so). ``channels``
    leaves out the word `nodefaults`, which sets ``nodefaults``; ``channel_sources`` says where each is written.
    ``subsections`` holds the parts of
    `dependencies` for other installers; ``subsection_sources`` says where each begins. ``platforms`` is empty
    where the file names none. ``warnings`` are sentences with file and line. ``python`` are lines of pip's
    requirement files, whose packages may come from conda or PyPI; ``requires_python`` are ranges of Python's
    version (PEP 440, ``||`` between alternatives). ``mapped`` tells which ``requirements`` were written
    otherwise. ``extras`` and ``groups`` are the names of optional parts that the file has.
    ``includes`` are paths of files to be read before this one. ``pins`` limit packages without asking for them.
    """

    name: str | None = None
    prefix: str | None = None
    channels: tuple[str, ...] = ()
    channel_sources: Mapping[str, Source] = field(default_factory=dict)
    nodefaults: bool = False
    requirements: tuple[Requirement, ...] = ()
    subsections: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    subsection_sources: Mapping[str, Source] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = ()
    category: str | None = None
    python: tuple[Item, ...] = ()
    requires_python: tuple[Item, ...] = ()
    mapped: tuple[Mapped, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    includes: tuple[Item, ...] = ()
    pins: tuple[Requirement, ...] = ()
    warnings: tuple[str, ...] = ()

    def expanded(self, environ: Mapping[str, str]) -> EnvironmentFile:
        """The same with `~` and variables replaced in the prefix and the channels, as CEP 24 asks."""
        prefix = expand_path(self.prefix, environ) if self.prefix is not None else None
        return replace(
            self,
            prefix=prefix,
            channels=tuple(expand_path(name, environ) for name in self.channels),
            channel_sources={expand_path(name, environ): each for name, each in self.channel_sources.items()},
        )

    def all_channels(self, configured: Sequence[str]) -> tuple[str, ...]:
        """The file's channels, then the *configured* ones unless the file says `nodefaults`; each once."""
        names = [*self.channels, *(() if self.nodefaults else configured)]
        return tuple(dict.fromkeys(names))

    def refuse_subsections_except(self, known: Collection[str]) -> None:
        """Raise DataError for the first subsection whose installer is not among *known* (CEP 24)."""
        for name, source in self.subsection_sources.items():
            if name not in known:
                supported = ", ".join(f"`{word}`" for word in sorted(known))
                raise DataError(
                    f"{source}: no installer is known for the subsection `{name}`.",
                    hint=f"Supported here: {supported}. Conda packages stand directly in `dependencies`.",
                )
