"""Reads from an index what the extras of one distribution ask for (PEP 503, 691, 658).

Conda packages do not say which extras their distribution has; the wheel of the same version on an index does.
"""

from __future__ import annotations

import html
import json
import re
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envmgr.errors import ChannelError
from envmgr.pypi.stubs import same_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envmgr.ports import Transport
    from envmgr.pypi.index_options import Index

_ACCEPT: Final = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
_LARGEST_BYTES: Final = 100_000_000
_ANCHOR: Final = re.compile(r"<a\s([^>]*)>", re.IGNORECASE)
_HREF: Final = re.compile(r"""href\s*=\s*["']([^"']+)["']""", re.IGNORECASE)


def extra_requirements(
    name: str, version: str, indexes: Iterable[Index], transport: Transport
) -> tuple[str, ...] | None:
    """The ``Requires-Dist`` of *name* at *version* that belong to extras; None where no index tells.

    The first index that has the name is asked. Only metadata is fetched; an index that does not serve it apart from
    its wheels (PEP 658) tells nothing.
    """
    for index in indexes:
        if not index.url.startswith(("http://", "https://")):
            continue
        page = index.login_url(f"{index.url.rstrip('/')}/{name}/")
        content = _get(page, transport)
        if content is None:
            continue
        for url in _wheels(content, page):
            if _is_of(url, version):
                metadata = _get(f"{url}.metadata", transport)
                return None if metadata is None else _of_extras(metadata)
        return None
    return None


def _get(url: str, transport: Transport) -> str | None:
    pieces: list[bytes] = []
    size = 0
    try:
        with transport.open(url, {"Accept": _ACCEPT}) as response:
            if response.status != 200:
                return None
            for piece in response.iter_bytes():
                size += len(piece)
                if size > _LARGEST_BYTES:
                    return None
                pieces.append(piece)
    except ChannelError:
        return None
    return b"".join(pieces).decode("utf-8", "replace")


def _wheels(content: str, page: str) -> Iterator[str]:
    """The URLs of wheels on the page whose metadata is served beside them."""
    if content.lstrip().startswith("{"):
        try:
            files = json.loads(content)["files"]
            for file in files:
                if file["filename"].endswith(".whl") and (
                    file.get("core-metadata") or file.get("dist-info-metadata")
                ):
                    yield urljoin(page, file["url"]).partition("#")[0]
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        return
    for attributes in _ANCHOR.findall(content):
        href = _HREF.search(attributes)
        if href and re.search(r"data-(core|dist-info)-metadata", attributes):
            url = urljoin(page, html.unescape(href[1])).partition("#")[0]
            if url.endswith(".whl"):
                yield url


def _is_of(url: str, version: str) -> bool:
    try:
        return same_version(
            str(parse_wheel_filename(unquote(urlsplit(url).path.rpartition("/")[2]))[1]), version
        )
    except InvalidWheelFilename:
        return False


def _of_extras(metadata: str) -> tuple[str, ...]:
    headers = HeaderParser().parsestr(metadata)
    needs = [str(text) for text in headers.get_all("Requires-Dist", [])]
    return tuple(text for text in needs if re.search(r"\bextra\s*==", text.partition(";")[2]))
