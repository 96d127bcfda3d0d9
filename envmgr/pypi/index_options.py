"""Where distributions are looked for, and in which form: pip's options from items, variables and files (pure).

The strongest says last: pip's configuration files, then ``PIP_*`` variables, then ``UV_*`` variables, then the
options among the items. A value takes the place of a weaker one, but options that gather (``--extra-index-url``,
``--find-links``, ``--no-binary``, ``--only-binary``, ``--trusted-host``) add to them when they stand among the
items, as pip has it.
"""

from __future__ import annotations

import configparser
import os
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.models.credentials import without_credentials, without_credentials_in_word
from envmgr.models.package_index import pypi_url
from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    from envmgr.pypi.requirement_lines import Option

    FindLogin: TypeAlias = Callable[[str], tuple[str, str] | None]
    """Gives the user and the password that are kept for a URL."""

    Fetch: TypeAlias = Callable[[str], bytes]
    """Gives the content of a file on a server by its URL; raises DataError and ChannelError."""

_TRUE: Final = frozenset(("1", "true", "yes", "on", "y", "t"))
_SECTIONS: Final = ("global", "install")
_UV_SINGLE: Final = {
    "UV_INDEX_URL": "index-url",
    "UV_DEFAULT_INDEX": "index-url",
    "UV_INDEX_STRATEGY": "index-strategy",
}
_UV_LISTS: Final = {
    "UV_EXTRA_INDEX_URL": "extra-index-url",
    "UV_INDEX": "extra-index-url",
    "UV_FIND_LINKS": "find-links",
}
TAKEN_VARIABLES: Final = frozenset((*_UV_SINGLE, *_UV_LISTS, "UV_NO_INDEX"))
"""Variables of uv that are read here, and must not reach it a second time."""


class Index(Struct, frozen=True):
    """A package index: its URL without login, the login, and the *name* that a user gave it (``UV_INDEX``).

    ``is_stored`` tells that the login comes from where logins are kept, and was not written with the URL.
    """

    url: str
    user: str | None = None
    password: str | None = None
    name: str | None = None
    is_stored: bool = False

    @property
    def shown(self) -> str:
        """The URL for messages and records."""
        return without_credentials(self.url).rstrip("/")

    @property
    def written(self) -> str:
        """The URL with its login, for requests only."""
        return self.login_url(self.url)

    def login_url(self, url: str) -> str:
        """*url* with this index's login, for requests only."""
        from urllib.parse import quote

        if self.user is None:
            return url
        scheme, _, rest = url.partition("://")
        password = "" if self.password is None else f":{quote(self.password, safe='')}"
        return f"{scheme}://{quote(self.user, safe='')}{password}@{rest}"

    def __repr__(self) -> str:
        return f"<Index {self.shown}>"


class IndexOptions(Struct, frozen=True, kw_only=True):
    """All options together. *indexes* are those beside *default*, best first; *default* is None for ``--no-index``.

    Names in *no_binary* and *only_binary* are normalized, or ``:all:``. *constraint_files* come from
    ``PIP_CONSTRAINT``.
    """

    default: Index | None = field(default_factory=lambda: Index(pypi_url()))
    indexes: tuple[Index, ...] = ()
    find_links: tuple[str, ...] = ()
    pre: bool = False
    require_hashes: bool = False
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    strategy: str = "first-index"
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    constraint_files: tuple[str, ...] = ()

    @property
    def all_indexes(self) -> tuple[Index, ...]:
        """In the order in which they are asked."""
        return (*self.indexes, *((self.default,) if self.default else ()))

    def with_logins(self, find: FindLogin) -> IndexOptions:
        """The same, with the logins that *find* has for what was written without one."""
        return replace(
            self,
            default=self.default and _with_login(self.default, find),
            indexes=tuple(_with_login(index, find) for index in self.indexes),
            find_links=tuple(_login_url(each, find) if is_remote(each) else each for each in self.find_links),
        )


def _with_login(index: Index, find: FindLogin) -> Index:
    # PyPI wants no login of its readers, and keyrings take their time to answer.
    if index.user is not None or index.url == pypi_url() or not is_remote(index.url):
        return index
    found = find(f"{index.url}/")
    return index if found is None else replace(index, user=found[0], password=found[1], is_stored=True)


def _login_url(written: str, find: FindLogin) -> str:
    index = _with_login(parse_index(written), find)
    return index.login_url(written) if index.is_stored else written


def is_remote(url: str) -> bool:
    """Whether *url* leads over the network, where a login may be wanted."""
    return url.startswith(("http://", "https://"))


def parse_pip_configuration(text: str, file: str) -> dict[str, str]:
    """The options of one ``pip.conf``, those of ``[install]`` over those of ``[global]``.

    Raises DataError that names the file where it is no configuration.
    """
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text, file)
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or next(
            (line for line, _ in getattr(error, "errors", [])), None
        )
        place = file if line is None else f"{file}:{line}"
        raise DataError(f"{place}: pip's configuration cannot be read.", file=file) from None
    found: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            found |= {name.lower().replace("_", "-"): value for name, value in parser.items(section) if value}
    return found


def pip_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The options in ``PIP_*`` variables; empty ones say nothing, as for pip."""
    return {
        name[4:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_") and value and name != "PIP_CONFIG_FILE"
    }


def uv_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The options in ``UV_*`` variables that name indexes, in pip's words."""
    found = {option: environ[name] for name, option in _UV_SINGLE.items() if environ.get(name)}
    for name, option in _UV_LISTS.items():
        if environ.get(name):
            value = environ[name].replace(",", " ") if option == "find-links" else environ[name]
            found[option] = f"{value} {found[option]}" if option in found else value
    if environ.get("UV_NO_INDEX", "").lower() in _TRUE:
        found["no-index"] = "true"
    return found


def index_options(configured: Iterable[Mapping[str, str]], written: Iterable[Option]) -> IndexOptions:
    """Join what is *configured* (weakest first) with the options *written* among the items."""
    base: dict[str, str] = {}
    for each in configured:
        base |= each
        if "index-url" in each and "no-index" not in each:
            base.pop("no-index", None)
    options = _configured(base)
    for option in written:
        options = _with(options, option)
    return options


def _configured(base: Mapping[str, str]) -> IndexOptions:
    def listed(name: str) -> tuple[str, ...]:
        return tuple(base.get(name, "").split())

    def is_set(name: str) -> bool:
        return base.get(name, "").strip().lower() in _TRUE

    return IndexOptions(
        default=None if is_set("no-index") else parse_index(base.get("index-url") or pypi_url()),
        indexes=()
        if is_set("no-index")
        else _distinct(parse_index(url) for url in listed("extra-index-url")),
        find_links=listed("find-links"),
        pre=is_set("pre"),
        require_hashes=is_set("require-hashes"),
        no_binary=_names(listed("no-binary")),
        only_binary=_names(listed("only-binary")),
        trusted_hosts=listed("trusted-host"),
        strategy=base.get("index-strategy", "first-index"),
        cert=base.get("cert"),
        client_cert=base.get("client-cert"),
        proxy=base.get("proxy"),
        constraint_files=listed("constraint"),
    )


def _with(options: IndexOptions, option: Option) -> IndexOptions:
    value = option.value
    if option.name == "--index-url":
        return replace(options, default=parse_index(value, option))
    if option.name == "--extra-index-url":
        return replace(options, indexes=_distinct((*options.indexes, parse_index(value, option))))
    if option.name == "--no-index":
        return replace(options, default=None, indexes=())
    if option.name == "--find-links":
        return replace(options, find_links=(*options.find_links, _place(value, option.folder)))
    if option.name == "--pre":
        return replace(options, pre=True)
    if option.name == "--require-hashes":
        return replace(options, require_hashes=True)
    if option.name == "--no-binary":
        return _formats(options, _names((value,)), binary=False)
    if option.name == "--only-binary":
        return _formats(options, _names((value,)), binary=True)
    if option.name == "--trusted-host":
        return replace(options, trusted_hosts=(*options.trusted_hosts, value))
    return options


def _formats(options: IndexOptions, names: tuple[str, ...], *, binary: bool) -> IndexOptions:
    """pip's rule: the later option takes a name away from the other; ``:none:`` empties the list."""
    mine, other = (
        (options.only_binary, options.no_binary) if binary else (options.no_binary, options.only_binary)
    )
    for name in names:
        if name == ":none:":
            mine = ()
        elif name == ":all:":
            mine, other = (":all:",), ()
        else:
            mine, other = tuple(dict.fromkeys((*mine, name))), tuple(each for each in other if each != name)
    return (
        replace(options, only_binary=mine, no_binary=other)
        if binary
        else replace(options, no_binary=mine, only_binary=other)
    )


def parse_index(text: str, option: Option | None = None) -> Index:
    """An index as written: ``[NAME=]URL`` with a login or without; a path is a folder in PEP 503's layout.

    Raises DataError, with the place, for a URL that cannot be one.
    """
    name, _, url = text.partition("=") if "=" in text.partition("://")[0] else ("", "", text)
    if "://" not in url:
        return Index("file://" + os.path.normpath(os.path.join(option.folder if option else "/", url)))
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        place = f"{option.source}: " if option else ""
        raise DataError(f"{place}{without_credentials_in_word(url)} is not the URL of an index.") from None
    login, at, host = parts.netloc.rpartition("@")
    if not at or parts.scheme == "file":
        return Index(url.rstrip("/"), name=name or None)
    user, colon, password = login.partition(":")
    clean = parts._replace(netloc=host).geturl().rstrip("/")
    return Index(clean, unquote(user), unquote(password) if colon else None, name or None)


def host_url(url: str) -> str:
    """*url* up to its host: the files of an index may lie anywhere there.

    >>> host_url("https://h:8080/simple/x")
    'https://h:8080'
    """
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _place(value: str, folder: str) -> str:
    return value if "://" in value else os.path.normpath(os.path.join(folder, value))


def _distinct(indexes: Iterable[Index]) -> tuple[Index, ...]:
    return tuple(dict.fromkeys(indexes))


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    words = [word for text in texts for word in text.replace(",", " ").split()]
    return tuple(word if word.startswith(":") else normalized_name(word) for word in words)
