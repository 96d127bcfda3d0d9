"""The keys under which logins are kept: which of them a URL may use, and which one a login is stored under.

A key is one of, from narrow to wide:

- ``https://example.org/private``: this scheme, host and port, and what lies below the path;
- ``example.org:8443``: this host and port;
- ``example.org``: this host, whatever the scheme and port (a bucket's name is the host of an ``s3`` URL);
- ``*.example.org``: this domain and all below it; addresses of numbers have no domain.

The last two are those of rattler (`get_by_url_with_host` in rattler_networking), and are tried in its order; the
first is rattler's too, there for ``s3`` URLs alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

_PORTS: Final = {"http": 80, "https": 443, "oci": 443}
_NUMBERS: Final = re.compile(r"[0-9.]+|\[.*\]")


class Origin(Struct, frozen=True):
    """Where a URL leads: lower-case *scheme* and *host*, and the *port*, None where the scheme has none."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of *url*; ValueError for a port that is no number.

        >>> Origin.of("https://Ann:pw@Example.org/x")
        Origin(scheme='https', host='example.org', port=443)
        """
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        return cls(
            parts.scheme.lower(),
            f"[{host}]" if ":" in host else host,
            parts.port if parts.port is not None else _PORTS.get(parts.scheme.lower()),
        )

    def __str__(self) -> str:
        usual = self.port is None or self.port == _PORTS.get(self.scheme)
        return f"{self.scheme}://{self.host}" + ("" if usual else f":{self.port}")

    def may_follow(self, before: Origin) -> bool:
        """Whether a redirect from *before* to here keeps a login: the same place, or its usual https port."""
        upgraded = before == Origin("http", self.host, 80) and self == Origin("https", self.host, 443)
        return self == before or upgraded


def lookup_keys(url: str) -> Iterator[str]:
    """The keys whose login *url* may use, the narrowest first; none for a URL that is none.

    >>> list(lookup_keys("https://repo.example.org/a/noarch/x.conda"))  # doctest: +NORMALIZE_WHITESPACE
    ['https://repo.example.org/a/noarch', 'https://repo.example.org/a', 'https://repo.example.org',
     'repo.example.org:443', 'repo.example.org', '*.repo.example.org', '*.example.org', '*.org']
    """
    try:
        origin = Origin.of(url)
    except ValueError:
        return
    if not origin.host:
        return
    path = urlsplit(url).path.rpartition("/")[0]
    while path.strip("/"):
        yield f"{origin}{path.rstrip('/')}"
        path = path.rpartition("/")[0]
    yield str(origin)
    if origin.port is not None:
        yield f"{origin.host}:{origin.port}"
    yield origin.host
    if _NUMBERS.fullmatch(origin.host):
        return
    domain = origin.host
    while domain:
        yield f"*.{domain}"
        domain = domain.partition(".")[2]


def normal_key(text: str) -> str:
    """A key as a file has it, in the form that `lookup_keys` gives; an unknown form comes back as it is.

    >>> normal_key("HTTPS://Example.org:443/private/"), normal_key("Example.org")
    ('https://example.org/private', 'example.org')
    """
    text = text.strip()
    if "://" not in text:
        return text.rpartition("@")[2].rstrip("/").lower()
    try:
        return f"{Origin.of(text)}{urlsplit(text).path.rstrip('/')}"
    except ValueError:
        return text


def login_key(text: str) -> str:
    """The key for what a user names: a host, with a port or not, or a URL. ValueError for anything else.

    A bare host, its https URL and a bucket give the key that rattler would choose: a domain of two labels means all
    of its hosts, too. A URL with more to it (another scheme, a port, a path) is kept, and binds to all of that.

    >>> login_key("anaconda.org"), login_key("https://conda.anaconda.org/")
    ('*.anaconda.org', 'conda.anaconda.org')
    >>> login_key("https://example.org/private"), login_key("s3://my-bucket")
    ('https://example.org/private', 'my-bucket')
    """
    text = text.strip()
    is_url = "://" in text
    try:
        parts = urlsplit(text if is_url else f"//{text}")
        is_odd = "@" in parts.netloc or parts.port == 0
    except ValueError:  # Its own text would quote the host.
        raise ValueError("a host such as example.org, or a URL") from None
    if is_odd or parts.query or parts.fragment or not parts.hostname or not text.isprintable():
        raise ValueError("a host such as example.org, or a URL without user, password and query")
    if not is_url:
        if parts.path.strip("/") or not re.fullmatch(r"(\*\.)?[^\s/*]+", parts.netloc):
            raise ValueError("a host such as example.org, or a URL that begins with its scheme")
        has_port = parts.port is not None
        return normal_key(parts.netloc) if has_port else _with_wildcard(parts.netloc.lower())
    if parts.scheme.lower() not in ("https", "http", "oci", "s3"):
        raise ValueError("a host, or a URL of https, http, oci or s3")
    origin = Origin.of(text)
    is_plain = not parts.path.strip("/") and str(origin) == f"{origin.scheme}://{origin.host}"
    if is_plain and origin.scheme != "http":
        return _with_wildcard(origin.host)
    return normal_key(text)


def _with_wildcard(host: str) -> str:
    is_domain = host.count(".") == 1 and not _NUMBERS.fullmatch(host) and not host.startswith("*.")
    return f"*.{host}" if is_domain else host


def logout_keys(text: str) -> tuple[str, ...]:
    """Every key that a login for *text* may be stored under, by envmgr or by rattler.

    >>> logout_keys("anaconda.org")
    ('*.anaconda.org', 'anaconda.org')
    """
    key = login_key(text)
    bare = key.removeprefix("*.") if _with_wildcard(key.removeprefix("*.")) == key else key
    return tuple(dict.fromkeys([key, normal_key(text), bare]))
