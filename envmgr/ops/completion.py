"""Finds what may complete a word: environments, installed packages, packages of channels, settings and so on.

Nothing is fetched, waited for or mended, and little is read, since a person waits for it: names of installed
packages come from the names of their documents, those of channels from the stored index.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from envmgr.errors import EnvmgrError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from envmgr.config.settings import Settings
    from envmgr.ops.context import Context

SHELLS: Final = ("bash", "zsh", "fish")
"""The shells that there is completion for."""

Offer = tuple[str, str]
"""A value, and what it is in a few words, which may be none."""


def completion_script(shell: str) -> str:
    """The text that has *shell* (bash, zsh or fish) complete what envmgr is told."""
    import importlib

    from envmgr.activation.fish import quote as fish_quote
    from envmgr.activation.posix import quote
    from envmgr.ops.activation import this_program

    words = map(fish_quote if shell == "fish" else quote, this_program())
    text: str = importlib.import_module(f"envmgr.completion.{shell}").script(" ".join(words))
    return text


def completion_file(shell: str, settings: Settings) -> Path:
    """`completion_script` in a file, for start-up files to source; PrefixError if it cannot be written."""
    from envmgr.ops.activation import write_shared

    path = completion_path(shell, settings)
    write_shared(path, completion_script(shell))
    return path


def completion_path(shell: str, settings: Settings) -> Path:
    """Where `completion_file` stands."""
    from envmgr.ops.activation import shell_folder

    return shell_folder(settings) / f"completion.{shell}"


class Completion:
    """Answers for a command line on which the options *given* (by their names in Python, with values) stand."""

    def __init__(self, given: dict[str, list[str]], context: Context) -> None:
        self._given = given
        self._context = context

    def offers(self, kind: str, word: str) -> list[Offer]:
        """The values of *kind* that may begin with *word*; none for a kind that nothing is known of."""
        known: dict[str, Callable[[str], Sequence[Offer]]] = {
            "environment": self._environments,
            "installed": self._installed,
            "package": self._packages,
            "channel": self._channels,
            "program": self._programs,
            "variable": self._variables,
            "platform": self._platforms,
            "setting": self._settings,
            "shell": self._shells,
            "format": self._formats,
        }
        return [offer for offer in known[kind](word) if offer[0].startswith(word)] if kind in known else []

    def _environments(self, _word: str) -> list[Offer]:
        """Those that -n takes: a folder with a space in its name is found by -p only."""
        from envmgr.ops.environments import is_name

        found: dict[str, str] = {}
        for folder in self._context.settings.envs_dirs:
            for name in _names_in(folder):
                if is_name(name) and os.path.isfile(folder / name / "conda-meta" / "history"):
                    found.setdefault(name, str(folder / name))
        return list(found.items())

    def _prefix(self) -> Path:
        from envmgr.ops.environments import locate

        return locate(self._last("name"), self._last("prefix"), self._context)

    def _last(self, option: str) -> str | None:
        values = self._given.get(option)
        return values[-1] if values else None

    def _installed(self, _word: str) -> list[Offer]:
        documents = _names_in(self._prefix() / "conda-meta")
        parts = (each.removesuffix(".json").rsplit("-", 2) for each in documents if each.endswith(".json"))
        return [
            (name, f"{version} {build}")
            for name, version, build in (each for each in parts if len(each) == 3)
        ]

    def _packages(self, word: str) -> list[Offer]:
        """Names of the channels that would be searched, as far as their indexes are here, from one letter on."""
        if not word:
            return []
        from envmgr.channels.store import IndexStore
        from envmgr.channels.urls import Source
        from envmgr.ops.channels import WrittenChannel, configured_channels, find_channels

        context, found = self._context, set[str]()
        written = [WrittenChannel(each, "") for each in self._given.get("channel", ())]
        if "override_channels" not in self._given:
            own = [WrittenChannel(each, "") for each in self._own_channels()]
            written += own or configured_channels(context)
        store = IndexStore(context.settings.index_dir)
        subdirs = [self._last("subdir") or context.settings.subdir, "noarch"]
        for channel in find_channels(written, context):
            for subdir in subdirs:
                try:
                    stored = store.open(Source(channel, subdir))
                    found.update(stored.names_with(word) if stored is not None else ())
                except EnvmgrError:
                    continue
        return [(name, "") for name in sorted(found)]

    def _own_channels(self) -> tuple[str, ...]:
        """Those that the environment was made from: what is installed into it is searched there, too."""
        from envmgr.prefix.store import PrefixStore

        try:
            last = PrefixStore(self._prefix()).generations(newest=1).last
        except EnvmgrError:
            return ()
        return last.channels if last is not None else ()

    def _channels(self, _word: str) -> list[Offer]:
        settings = self._context.settings
        names = [*settings.channels, *settings.custom_channels, *settings.custom_multichannels, "local"]
        return [(name, "") for name in dict.fromkeys(names) if "@" not in name and "/t/" not in name]

    def _programs(self, _word: str) -> list[Offer]:
        from envmgr.activation.environment import path_folders

        folders = path_folders(str(self._prefix()), self._context.settings.subdir)
        return [(name, "") for folder in folders for name in _names_in(folder)]

    def _variables(self, _word: str) -> list[Offer]:
        from envmgr.prefix.store import PrefixStore

        return [(name, "") for name in PrefixStore(self._prefix()).environment_variables()]

    def _platforms(self, _word: str) -> list[Offer]:
        from envmgr.models.platform import KNOWN_SUBDIRS

        return [(subdir, "") for subdir in sorted(KNOWN_SUBDIRS)]

    def _settings(self, _word: str) -> list[Offer]:
        from envmgr.config.keys import KEYS

        return [(name, "") for name in sorted({key.name for key in KEYS})]

    def _formats(self, _word: str) -> list[Offer]:
        from envmgr.ops.export_request import EXPORT_FORMATS

        return [(name, "") for name in EXPORT_FORMATS]

    def _shells(self, _word: str) -> list[Offer]:
        from envmgr.ops.activation import SHELLS

        return [(shell, "") for shell in SHELLS]


def _names_in(folder: str | Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
