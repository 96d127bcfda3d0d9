"""Tokens that anaconda-client stored: ``anaconda login`` writes one file for each server, and conda reads them.

The folder is ``$BINSTAR_CONFIG_DIR/data``, or ``binstar`` among the user's settings. A file is called after its
server's URL, ``https%3A%2F%2Fapi.anaconda.org.token``; a token for an ``api`` server counts for the ``conda``
server beside it, too. The setting ``add_anaconda_token: false`` leaves all of them alone, as it does in conda.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus, urlsplit

from envmgr.net.auth import CondaToken, Credential, Secret
from envmgr.net.auth_keys import normal_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


def token_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where anaconda-client keeps its tokens on this system."""
    if environ.get("BINSTAR_CONFIG_DIR"):
        return Path(environ["BINSTAR_CONFIG_DIR"]) / "data"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "binstar"
    if os.name == "nt":
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "ContinuumIO" / "binstar"
    settings = environ.get("XDG_CONFIG_HOME", "").strip()
    return (Path(settings) if settings else home / ".config") / "binstar"


class AnacondaTokens:
    """The tokens of one folder, read when the first is looked for."""

    is_writable = False

    def __init__(self, folder: Path, *, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self.name = str(folder)
        self._warn = warn
        self._tokens: dict[str, Credential] | None = None

    def find(self, key: str) -> Credential | None:
        """The token of the server with the URL *key*."""
        return self._read().get(key)

    def entries(self) -> Iterable[tuple[str, Credential]]:
        """Every server's URL with its token."""
        return self._read().items()

    def _read(self) -> Mapping[str, Credential]:
        if self._tokens is None:
            self._tokens = {}
            for path in self._files():
                try:
                    text = path.read_bytes().decode("utf-8", "replace").strip()
                    if text:
                        self._tokens.update(_token_of(unquote_plus(path.stem), text))
                except OSError as error:
                    self._warn(f"{path} cannot be read and is ignored: {error.strerror or error}.")
                except ValueError as error:
                    self._warn(f"{path} is ignored: {error}.")
        return self._tokens

    def _files(self) -> Iterator[Path]:
        try:
            yield from sorted(path for path in self.folder.iterdir() if path.suffix == ".token")
        except OSError:
            return


def _token_of(url: str, token: str) -> Iterator[tuple[str, Credential]]:
    """The server that a file is called after, and the conda server of an api server, each with its token."""
    for server in dict.fromkeys((url, re.sub(r"([./])api([./]|$)", r"\1conda\2", url, count=1))):
        key = normal_key(server)
        if key.startswith(("https://", "http://")):
            yield key, CondaToken(Secret(token), base=urlsplit(key).path)
