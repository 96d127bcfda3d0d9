"""Where a channel keeps the index of a subdir, and where the files of its records are (CEP 15, CEP 36). Pure."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.channel import Channel, without_credentials
from envmgr.models.credentials import check_url
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.record import Origin

Form = Literal["shards", "zst", "json", "bz2", "none"]

FORMS: tuple[Form, ...] = ("shards", "zst", "json", "bz2")
"""The forms of an index that a channel may serve, the best first."""
WHOLE_FORMS: tuple[Form, ...] = ("zst", "json", "bz2")
"""Those that hold all records."""
_FILES = {
    "shards": "repodata_shards.msgpack.zst",
    "zst": "repodata.json.zst",
    "json": "repodata.json",
    "bz2": "repodata.json.bz2",
}

_CONTROL = lazy_pattern(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST_SHOWN = 200


class Source(Struct, frozen=True):
    """One subdir of one channel: the unit that is fetched, stored and replaced."""

    channel: Channel
    subdir: str

    @property
    def url(self) -> str:
        """The subdir's URL, without credentials or a trailing slash."""
        return self.channel.subdir_url(self.subdir)

    @property
    def is_local(self) -> bool:
        """Whether it is read from a file system, so that asking costs nothing."""
        return self.url.startswith("file:")

    def repodata_url(self, form: Form) -> str:
        """Where the index of this subdir is, in the form asked for."""
        return f"{self.url}/{_FILES[form]}"

    def resolved(self, written: str | None) -> str | None:
        """The whole URL of a base URL as written, ending in a slash; DataError where it must not be followed."""
        return package_base_url(self.url, written) if written else None

    def origin(self, base_url: str | None) -> Origin:
        """What the records of this source say about where they come from; *base_url* as the index gave it."""
        return Origin(self.channel.url, self.subdir, package_base_url(self.url, base_url))


def package_base_url(subdir_url: str, base_url: str | None) -> str:
    """What a file name is appended to, ending in a slash (CEP 15, "Specification").

    *base_url* may be relative to the index. A channel may send its readers to a web server or to its own kind
    of place; a channel on the web that points at local files raises DataError, and so does what is no URL. Spaces
    are quoted.

    >>> package_base_url("https://example.org/channel/noarch", "../files")
    'https://example.org/channel/files/'
    """
    if not base_url:
        return f"{subdir_url}/"
    if _CONTROL.search(base_url):
        raise DataError(f"its base_url {_shown(base_url)!a} holds a line break or another control character.")
    try:
        joined = _joined(f"{subdir_url}/", base_url.strip(" ").replace(" ", "%20"))
        _check_address(joined)
    except ValueError:
        raise DataError(f"its base_url '{_shown(base_url)}' is no valid URL.") from None
    if urlsplit(joined).scheme not in {"https", "http", urlsplit(subdir_url).scheme}:
        raise DataError(f"its base_url '{_shown(base_url)}' leads away from the web.")
    try:
        check_url(joined)
    except DataError:
        raise DataError(f"its base_url '{_shown(base_url)}' is no valid URL.") from None
    return without_credentials(re.split("[?#]", joined, maxsplit=1)[0]).rstrip("/") + "/"


def _check_address(url: str) -> None:
    """ValueError for brackets around what is no address, which `urlsplit` finds from Python 3.11.4 on."""
    parts = urlsplit(url)
    if "[" in parts.netloc:
        import ipaddress

        ipaddress.IPv6Address((parts.hostname or "").partition("%")[0])


def _shown(base_url: str) -> str:
    return without_credentials(base_url)[:_LONGEST_SHOWN]


def _joined(base: str, reference: str) -> str:
    """`urljoin`, which leaves schemes alone that it does not know to have paths."""
    scheme, mark, rest = base.partition("://")
    if not mark or scheme not in ("s3", "oci") or urlsplit(reference).scheme:
        return urljoin(base, reference)
    return f"{scheme}{urljoin(f'http://{rest}', reference).removeprefix('http')}"
