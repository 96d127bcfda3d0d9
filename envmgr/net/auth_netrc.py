"""Logins from ``~/.netrc`` or the file that ``$NETRC`` names, as curl and ftp read it. Never written.

The first entry of a machine counts. The entry ``default`` is passed over: it is bound to no host, so any host could
ask for it. A file of a form that is not understood is warned about with its line and left alone.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from envmgr.net.auth import BasicLogin, Credential, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


class NetrcFile:
    """The machines of one netrc file, read when the first is looked for."""

    is_writable = False

    def __init__(self, path: Path, *, warn: Callable[[str], None]) -> None:
        self.path = path
        self.name = str(path)
        self._warn = warn
        self._machines: dict[str, Credential] | None = None

    def find(self, key: str) -> Credential | None:
        """The login of the machine *key*."""
        return self._read().get(key)

    def entries(self) -> Iterable[tuple[str, Credential]]:
        """Every machine with its login."""
        return self._read().items()

    def _read(self) -> dict[str, Credential]:
        if self._machines is None:
            self._machines = {}
            try:
                self._machines = parse_netrc(self.path.read_bytes().decode("utf-8", "surrogateescape"))
            except FileNotFoundError:
                pass
            except OSError as error:
                if os.path.lexists(self.path):
                    self._warn(f"{self.path} cannot be read and is ignored: {error.strerror or error}.")
            except NetrcFormError as error:
                self._warn(f"{self.path}:{error.line}: {error}; the file is ignored.")
        return self._machines


class NetrcFormError(Exception):
    """A netrc text is not of the form; the message quotes nothing of it."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def parse_netrc(text: str) -> dict[str, Credential]:
    """The machines of a netrc text that have a password. Raises NetrcFormError.

    >>> sorted(parse_netrc("machine example.org login ann password pw"))
    ['example.org']
    """
    machines: dict[str, Credential] = {}
    for name, fields, line in _machines(_words(text)):
        password = fields.get("password")
        if name is None or password is None or name in machines:
            continue
        try:
            machines[name] = BasicLogin(fields.get("login", ""), Secret(password))
        except ValueError as error:
            raise NetrcFormError(str(error), line) from None
    return machines


_Machine = tuple["str | None", dict[str, str], int]


def _machines(words: Iterator[tuple[str, int]]) -> Iterator[_Machine]:
    current: _Machine | None = None
    for word, line in words:
        if word in ("machine", "default"):
            if current is not None:
                yield current
            current = (None if word == "default" else _value(words, word, line).lower(), {}, line)
        elif word in ("login", "user", "account", "password") and current is not None:
            current[1]["login" if word == "user" else word] = _value(words, word, line)
        else:
            raise NetrcFormError("expected machine, default, login, password, account or macdef", line)
    if current is not None:
        yield current


def _value(words: Iterator[tuple[str, int]], keyword: str, line: int) -> str:
    found = next(words, None)
    if found is None:
        raise NetrcFormError(f"nothing follows `{keyword}`", line)
    return found[0]


def _words(text: str) -> Iterator[tuple[str, int]]:
    """The words outside comments and macros, each with its line; words in quotes may hold spaces.

    A comment begins where a keyword could stand, so that a password may begin with ``#``.
    """
    is_value, is_macro = False, False
    for line, content in enumerate(text.split("\n"), 1):
        is_macro = is_macro and bool(content.strip())
        if is_macro:
            continue
        for found in _WORD.finditer(content):
            in_quotes, bare = found.groups()
            if not is_value and bare is not None:
                if bare.startswith("#"):
                    break
                if bare == "macdef":
                    is_macro = True
                    break
            yield (bare if bare is not None else re.sub(r"\\(.)", r"\1", in_quotes)), line
            is_value = not is_value and bare != "default"
