"""How each setting is written: its kind, its limits, and what conda calls it where it means the same.

Every value arrives as text, or as a tuple of texts for a list, whether a file or a variable holds it. Reading is
pure; paths come back absolute, with `~` and variables replaced.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.channel import is_url
from envmgr.models.path_text import expand_path
from envmgr.models.platform import check_subdir

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Written: TypeAlias = "str | tuple[str, ...]"

_TRUE: Final = frozenset(("true", "yes", "on", "1", "y"))
_FALSE: Final = frozenset(("false", "no", "off", "0", "n"))
_CACHE_CONTROL: Final = frozenset(("1", "true", "yes", "on"))


class WrongValueError(Exception):
    """A value is not of its setting's kind; the text says what was expected."""


class Surroundings(Struct, frozen=True):
    """What the meaning of a value depends on: variables for `$NAME`, and the folder where relative paths start."""

    environ: Mapping[str, str]
    folder: Path


class Key(Struct, frozen=True):
    """One setting: its *name* in our file, how it is read, and its names in conda's files and variables.

    ``separator`` divides a list in our variable; conda's variables use commas, except for ``envs_dirs``.
    """

    name: str
    read: Callable[[Written, Surroundings], object]
    conda: tuple[str, ...] = ()
    separator: str | None = None
    conda_separator: str | None = None

    @property
    def variable(self) -> str:
        """Our variable of this setting."""
        return f"ENVMGR_{self.name.upper()}"

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return self.separator is not None


def _one(written: Written, expected: str) -> str:
    if isinstance(written, tuple):
        raise WrongValueError(expected)
    return written.strip()


def _boolean(written: Written, _: Surroundings) -> bool:
    word = _one(written, "true or false").lower()
    if word not in _TRUE | _FALSE:
        raise WrongValueError("true or false")
    return word in _TRUE


def _whole(lowest: int) -> Callable[[Written, Surroundings], int]:
    expected = f"a whole number of at least {lowest}"

    def read(written: Written, _: Surroundings) -> int:
        text = _one(written, expected)
        if not text.isascii() or not text.isdigit() or int(text[:9]) < lowest or len(text) > 9:
            raise WrongValueError(expected)
        return int(text)

    return read


def _conda_threads(written: Written, around: Surroundings) -> int | None:
    """conda's `fetch_threads`, where 0 leaves the number to the program."""
    return _whole(0)(written, around) or None


def _seconds(written: Written, _: Surroundings) -> float:
    expected = "a number of seconds, such as 60"
    try:
        number = float(_one(written, expected))
    except ValueError:
        raise WrongValueError(expected) from None
    if not 0 <= number < 1e9:
        raise WrongValueError(expected)
    return number


def _index_age(written: Written, around: Surroundings) -> float | None:
    """conda's `local_repodata_ttl`: 1 and true leave the age to us, 0 and false always ask."""
    text = _one(written, "a number of seconds").lower()
    if text in _CACHE_CONTROL:
        return None
    return 0.0 if text in _FALSE else _seconds(text, around)


def _choice(*words: str, also: Mapping[str, str] | None = None) -> Callable[[Written, Surroundings], str]:
    expected = f"one of {', '.join(words)}"
    synonyms = also or {}

    def read(written: Written, _: Surroundings) -> str:
        word = _one(written, expected).lower()
        word = synonyms.get(word, word)
        if word not in words:
            raise WrongValueError(expected)
        return word

    return read


def _texts(written: Written, around: Surroundings) -> tuple[str, ...]:
    if isinstance(written, str):
        raise WrongValueError("a list of texts")
    return tuple(expand_path(text.strip(), around.environ) for text in written if text.strip())


def _path(written: Written, around: Surroundings) -> Path:
    text = _one(written, "a path")
    if not text:
        raise WrongValueError("a path")
    return Path(os.path.normpath(around.folder / expand_path(text, around.environ)))


def _paths(written: Written, around: Surroundings) -> tuple[Path, ...]:
    if isinstance(written, str):
        raise WrongValueError("a list of paths")
    return tuple(_path(text, around) for text in written if text.strip())


def _subdir(written: Written, _: Surroundings) -> str:
    expected = "a platform such as linux-64"
    try:
        return check_subdir(_one(written, expected))
    except DataError:
        raise WrongValueError(expected) from None


def _url(written: Written, around: Surroundings) -> str:
    text = expand_path(_one(written, "a URL"), around.environ)
    if not is_url(text):
        raise WrongValueError("a URL")
    return text.rstrip("/")


def _certificates(written: Written, around: Surroundings) -> bool | str:
    expected = "true, false or the path of a certificate file"
    text = _one(written, expected)
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    if text.lower() == "truststore":
        return True
    if not text:
        raise WrongValueError(expected)
    return str(_path(text, around))


_PRIORITIES = _choice(
    "strict",
    "flexible",
    "disabled",
    also={"true": "flexible", "false": "disabled", "yes": "flexible", "no": "disabled"},
)

KEYS: Final = (
    Key("root", _path),
    Key("envs_dirs", _paths, ("envs_dirs", "envs_path"), os.pathsep, os.pathsep),
    Key("pkgs_dirs", _paths, ("pkgs_dirs",), os.pathsep, ","),
    Key("index_dir", _path),
    Key("local_channel_dir", _path),
    Key("channels", _texts, ("channels", "channel"), ",", ","),
    Key("default_channels", _texts, ("default_channels",), ",", ","),
    Key("channel_alias", _url, ("channel_alias",)),
    Key("channel_priority", _PRIORITIES, ("channel_priority",)),
    Key("subdir", _subdir, ("subdir",)),
    Key("offline", _boolean, ("offline",)),
    Key("download_threads", _whole(1)),
    Key("connect_timeout_seconds", _seconds, ("remote_connect_timeout_secs",)),
    Key("read_timeout_seconds", _seconds, ("remote_read_timeout_secs",)),
    Key("retries", _whole(0), ("remote_max_retries",)),
    Key("backoff_seconds", _seconds, ("remote_backoff_factor",)),
    Key("ssl_verify", _certificates, ("ssl_verify", "verify_ssl")),
    Key("index_max_age_seconds", _seconds),
    Key("add_pip_as_python_dependency", _boolean, ("add_pip_as_python_dependency",)),
    Key("create_default_packages", _texts, ("create_default_packages",), ",", ","),
    Key("pinned_packages", _texts, ("pinned_packages",), "&", "&"),
    Key("link_scripts", _choice("run", "refuse")),
    Key("always_copy", _boolean, ("always_copy", "copy")),
    Key("always_yes", _boolean, ("always_yes", "yes")),
    Key("solve_seconds", _seconds),
)

CONDA_ONLY_KEYS: Final = (
    Key("download_threads", _conda_threads, ("fetch_threads",)),
    Key("index_max_age_seconds", _index_age, ("local_repodata_ttl",)),
)
"""Settings that conda writes by rules of its own; a value of None means that the default holds."""
