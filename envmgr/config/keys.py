"""How each setting is written: its kind, its limits, and what conda calls it where it means the same.

Every value arrives as text, as a tuple of texts for a list, or as a dict for a mapping, whether a file or a
variable holds it; a variable cannot hold a mapping. Reading is pure; paths come back absolute, with `~` and
variables replaced.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from envmgr.config.settings import S3Options
from envmgr.errors import DataError
from envmgr.models.channel import is_channel_name, without_credentials
from envmgr.models.credentials import check_url
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.path_text import expand_path
from envmgr.models.platform import check_subdir

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Written: TypeAlias = "str | tuple[str, ...] | Mapping[str, Written | None]"
"""A value as it was written; inside a mapping, None stands for a shape that no setting has."""

_PYPI_NAME: Final = lazy_pattern(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_TRUE: Final = frozenset(("true", "yes", "on", "1", "y"))
_FALSE: Final = frozenset(("false", "no", "off", "0", "n"))
_CACHE_CONTROL: Final = frozenset(("1", "true", "yes", "on"))


class WrongValueError(Exception):
    """A value is not of its setting's kind; the text says what was expected.

    *entry* is the key of the mapping's entry that is wrong; None when the value as a whole is.
    """

    def __init__(self, expected: str, *, entry: str | None = None) -> None:
        super().__init__(expected)
        self.entry = entry


class Surroundings(Struct, frozen=True):
    """What the meaning of a value depends on: variables for `$NAME`, and the folder where relative paths start."""

    environ: Mapping[str, str]
    folder: Path


class Key(Struct, frozen=True):
    """One setting: its *name* in our file, how it is read, and its names in conda's files and variables.

    ``separator`` divides a list in our variable; conda's variables use commas, except for ``envs_dirs``.
    A value that is a mapping (``is_mapping``) can only stand in a file. A ``joined`` list gathers what every
    place says, where otherwise the strongest place counts alone.
    """

    name: str
    read: Callable[[Written, Surroundings], object]
    conda: tuple[str, ...] = ()
    separator: str | None = None
    conda_separator: str | None = None
    is_mapping: bool = False
    joined: bool = False

    @property
    def variable(self) -> str:
        """Our variable of this setting."""
        return f"ENVMGR_{self.name.upper()}"

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return self.separator is not None


def _one(written: Written, expected: str) -> str:
    if not isinstance(written, str):
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


_SIZE: Final = lazy_pattern(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:([kmgt])(i?)b?|b)?", re.IGNORECASE)
_UNLIMITED: Final = frozenset(("unlimited", "none"))


def _size_limit(written: Written, _: Surroundings) -> int | None:
    """A number of bytes; K, M, G and T are powers of 1000, Ki, Mi, Gi and Ti of 1024, each with B or without."""
    expected = "a size such as 20GB or 500MiB, or unlimited"
    text = _one(written, expected)
    if text.lower() in _UNLIMITED:
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise WrongValueError(expected)
    power = " kmgt".index((found[2] or " ").lower())
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


def _time_limit(written: Written, around: Surroundings) -> float:
    """Seconds above 0: with none there would be no answer to anything."""
    seconds = _seconds(written, around)
    if not seconds:
        raise WrongValueError("a number of seconds above 0, such as 60")
    return seconds


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
    if not isinstance(written, tuple):
        raise WrongValueError("a list of texts")
    return tuple(expand_path(text.strip(), around.environ) for text in written if text.strip())


def _path(written: Written, around: Surroundings) -> Path:
    text = _one(written, "a path")
    if not text:
        raise WrongValueError("a path")
    return Path(os.path.normpath(around.folder / expand_path(text, around.environ)))


def _paths(written: Written, around: Surroundings) -> tuple[Path, ...]:
    if not isinstance(written, tuple):
        raise WrongValueError("a list of paths")
    return tuple(_path(text, around) for text in written if text.strip())


def _subdir(written: Written, _: Surroundings) -> str:
    expected = "a platform such as linux-64"
    try:
        return check_subdir(_one(written, expected))
    except DataError:
        raise WrongValueError(expected) from None


def _is_valid_url(text: str) -> bool:
    try:
        check_url(text)
    except DataError:
        return False
    return True


def _url(written: Written, around: Surroundings) -> str:
    text = expand_path(_one(written, "a URL"), around.environ)
    if not _is_valid_url(text):
        raise WrongValueError("a URL")
    return text.rstrip("/")


def _certificates(written: Written, around: Surroundings) -> bool | str:
    expected = "true, false, truststore, or the path of a certificate file or folder"
    text = _one(written, expected)
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    if text.lower() == "truststore":
        return "truststore"
    if not text:
        raise WrongValueError(expected)
    return str(_path(text, around))


def _mirrors(written: Written, around: Surroundings) -> dict[str, tuple[str, ...]]:
    """From each URL prefix, without credentials and a slash at its end, to its mirrors, best first."""
    if isinstance(written, (str, tuple)):
        raise WrongValueError("a mapping from URLs to lists of URLs, in the settings file")
    found: dict[str, tuple[str, ...]] = {}
    for name, value in written.items():
        prefix = expand_path(name.strip(), around.environ)
        if not _is_valid_url(prefix):
            raise WrongValueError("a URL with its mirrors", entry=name)
        texts = (value,) if isinstance(value, str) else value
        if not isinstance(texts, tuple):
            raise WrongValueError("a list of URLs", entry=name)
        urls = [expand_path(text.strip(), around.environ).rstrip("/") for text in texts]
        prefix = without_credentials(prefix).rstrip("/")
        if not urls or not all(map(_is_valid_url, urls)):
            raise WrongValueError("a list of URLs", entry=name)
        if prefix in found:
            raise WrongValueError("given once only", entry=name)
        found[prefix] = tuple(dict.fromkeys(urls))
    return found


def _channel_urls(written: Written, around: Surroundings) -> dict[str, str]:
    """From channel names to the URLs that they are appended to (conda's `custom_channels`)."""
    if isinstance(written, (str, tuple)):
        raise WrongValueError("a mapping from channel names to URLs, in the settings file")
    found: dict[str, str] = {}
    for name, value in written.items():
        if not isinstance(value, str) or not _is_valid_url(url := expand_path(value.strip(), around.environ)):
            raise WrongValueError("the URL that the channel's name is appended to", entry=name)
        found[_configured_name(name)] = url.rstrip("/")
    return found


def _channel_lists(written: Written, around: Surroundings) -> dict[str, tuple[str, ...]]:
    """From a name to the channels that it stands for, best first (conda's `custom_multichannels`)."""
    if isinstance(written, (str, tuple)):
        raise WrongValueError("a mapping from names to lists of channels, in the settings file")
    found: dict[str, tuple[str, ...]] = {}
    for name, value in written.items():
        if not isinstance(value, tuple):
            raise WrongValueError("a list of channels", entry=name)
        found[_configured_name(name)] = _texts(value, around)
    return found


def _configured_name(text: str) -> str:
    name = text.strip().strip("/")
    if not is_channel_name(name) or name.split("/", 1)[0] in ("local", "nodefaults"):
        raise WrongValueError("a channel's name, but not local or nodefaults", entry=text)
    return name


_PROXY_KEYS: Final = frozenset(("http", "https", "all"))


def _proxies(written: Written, around: Surroundings) -> dict[str, str]:
    """From `http`, `https`, `all` or `SCHEME://HOST` to the URL of a proxy (conda's `proxy_servers`)."""
    if isinstance(written, (str, tuple)):
        raise WrongValueError(
            "a mapping from http, https or a host to the URL of a proxy, in the settings file"
        )
    found: dict[str, str] = {}
    for name, value in written.items():
        scheme, mark, host = name.strip().rstrip("/").lower().partition("://")
        if scheme not in _PROXY_KEYS or bool(mark) != bool(host):
            raise WrongValueError(
                "http, https, all, or one of these with a host, as in https://HOST", entry=name
            )
        if not isinstance(value, str) or not value.strip():
            raise WrongValueError("the URL of a proxy, as in http://HOST:PORT", entry=name)
        found[f"{scheme}{mark}{host}"] = expand_path(value.strip(), around.environ)
    return found


def _s3_options(written: Written, around: Surroundings) -> dict[str, S3Options]:
    """From the name of a bucket to how it is reached (pixi's `s3-options`, whose spellings count too)."""
    if isinstance(written, (str, tuple)):
        raise WrongValueError("a mapping from buckets to their options, in the settings file")
    return {bucket.strip(): _s3_bucket(bucket, options, around) for bucket, options in written.items()}


def _s3_bucket(bucket: str, written: Written | None, around: Surroundings) -> S3Options:
    readers = {"endpoint_url": _url, "region": _text, "force_path_style": _boolean, "unsigned": _boolean}
    if written is None or isinstance(written, (str, tuple)):
        raise WrongValueError(f"a mapping of {', '.join(readers)}", entry=bucket)
    found: dict[str, Any] = {}
    for option, value in written.items():
        name = option.strip().replace("-", "_")
        if name not in readers or value is None:
            raise WrongValueError(f"a mapping of {', '.join(readers)}", entry=bucket)
        try:
            found[name] = readers[name](value, around)
        except WrongValueError as error:
            raise WrongValueError(f"options whose {name} is {error}", entry=bucket) from None
    return S3Options(**found)


def _name_lists(written: Written, _: Surroundings) -> dict[str, tuple[str, ...]]:
    """From a conda name to the distributions that it provides; an empty list says that it provides none."""
    if not isinstance(written, dict):
        raise WrongValueError("a mapping from conda names to lists of PyPI names, in the settings file")
    found: dict[str, tuple[str, ...]] = {}
    for conda, names in written.items():
        listed = (names,) if isinstance(names, str) else names
        if not isinstance(listed, tuple) or not all(_PYPI_NAME.fullmatch(name.strip()) for name in listed):
            raise WrongValueError("a list of PyPI names", entry=conda)
        found[conda.strip().lower()] = tuple(name.strip() for name in listed)
    return found


def _text(written: Written, around: Surroundings) -> str:
    return expand_path(_one(written, "one text"), around.environ)


def _plain(written: Written, _: Surroundings) -> str:
    """The text as it is, spaces at its ends included."""
    if not isinstance(written, str):
        raise WrongValueError("one text")
    return written


def _hosts(written: Written, around: Surroundings) -> tuple[str, ...]:
    hosts = tuple(host.lower() for host in _texts(written, around))
    if any("/" in host or "@" in host for host in hosts):
        raise WrongValueError("a list of hosts, each as HOST or HOST:PORT")
    return hosts


def _file(written: Written, around: Surroundings) -> str:
    return str(_path(written, around))


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
    Key("custom_channels", _channel_urls, ("custom_channels",), is_mapping=True),
    Key("custom_multichannels", _channel_lists, ("custom_multichannels",), is_mapping=True),
    Key("allowlist_channels", _texts, ("allowlist_channels", "whitelist_channels"), ",", ",", joined=True),
    Key("denylist_channels", _texts, ("denylist_channels",), ",", ",", joined=True),
    Key("number_channel_notices", _whole(0), ("number_channel_notices",)),
    Key("channel_priority", _PRIORITIES, ("channel_priority",)),
    Key("subdir", _subdir, ("subdir",)),
    Key("offline", _boolean, ("offline",)),
    Key("download_threads", _whole(1)),
    Key("connect_timeout_seconds", _seconds, ("remote_connect_timeout_secs",)),
    Key("read_timeout_seconds", _seconds, ("remote_read_timeout_secs",)),
    Key("retries", _whole(0), ("remote_max_retries",)),
    Key("backoff_seconds", _seconds, ("remote_backoff_factor",)),
    Key("ssl_verify", _certificates, ("ssl_verify", "verify_ssl")),
    Key("client_ssl_cert", _file, ("client_ssl_cert", "client_cert")),
    Key("client_ssl_cert_key", _file, ("client_ssl_cert_key", "client_cert_key")),
    Key("proxy_servers", _proxies, ("proxy_servers",), is_mapping=True),
    Key("mirrors", _mirrors, is_mapping=True),
    Key("s3_options", _s3_options, is_mapping=True),
    Key("insecure_registries", _hosts, (), ","),
    Key("auth_file", _path),
    Key("add_anaconda_token", _boolean, ("add_anaconda_token", "add_binstar_token")),
    Key("index_max_age_seconds", _seconds),
    Key("use_stale_index", _boolean),
    Key("index_max_megabytes", _whole(0)),
    Key("pkgs_size_limit", _size_limit),
    Key("channel_relations_max_depth", _whole(0), ("channel_relations_max_depth",)),
    Key("add_pip_as_python_dependency", _boolean, ("add_pip_as_python_dependency",)),
    Key("register_envs", _boolean, ("register_envs",)),
    Key("pypi_names", _name_lists, is_mapping=True),
    Key("pypi_path_conflicts", _choice("refuse", "allow")),
    Key("create_default_packages", _texts, ("create_default_packages",), ",", ","),
    Key("pinned_packages", _texts, ("pinned_packages",), "&", "&"),
    Key("link_scripts", _choice("run", "refuse")),
    Key("durability", _choice("kill", "power")),
    Key("extra_safety_checks", _boolean, ("extra_safety_checks",)),
    Key("link_mode", _choice("auto", "reflink", "hardlink", "symlink", "copy")),
    Key("lock_wait_seconds", _seconds),
    Key("changeps1", _boolean, ("changeps1",)),
    Key("env_prompt", _plain, ("env_prompt",)),
    Key("always_copy", _boolean, ("always_copy", "copy")),
    Key("always_yes", _boolean, ("always_yes", "yes")),
    Key("solve_seconds", _time_limit),
)

CONDA_ONLY_KEYS: Final = (
    Key("download_threads", _conda_threads, ("fetch_threads",)),
    Key("index_max_age_seconds", _index_age, ("local_repodata_ttl",)),
)
"""Settings that conda writes by rules of its own; a value of None means that the default holds."""
