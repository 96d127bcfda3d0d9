"""Reads from an index what distributions need, and which Pythons they are for (PEP 503, 691, 658).

Conda packages do not say which extras their distribution has; the wheel of the same version on an index does.
"""

from __future__ import annotations

import html
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from envmgr.errors import ChannelError, DataError
from envmgr.models.wheel_name import WheelName
from envmgr.pypi.records import needs_in
from envmgr.pypi.stubs import same_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envmgr.ports import Transport
    from envmgr.pypi.index_options import Index
    from envmgr.pypi.records import WheelNeeds

_ACCEPT: Final = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
_LARGEST_BYTES: Final = 100_000_000
_ANCHOR: Final = re.compile(r"<a\s([^>]*)>", re.IGNORECASE)
_PYTHON: Final = re.compile(r"""data-requires-python\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
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


def read_needs(url: str, transport: Transport) -> WheelNeeds | None:
    """What the wheel at *url* needs, by the metadata that an index serves beside it (PEP 658); None without.

    A wheel on this machine tells itself.
    """
    metadata = _in_wheel(url) if url.startswith("file:") else _get(f"{url}.metadata", transport)
    return None if metadata is None else needs_in(metadata.splitlines())


def _in_wheel(url: str) -> str | None:
    path = Path(unquote(urlsplit(url).path))
    try:
        name = WheelName.parse(path.name)
        member = f"{name.distribution}-{name.version}.dist-info/METADATA"
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            return file.read(_LARGEST_BYTES).decode("utf-8", "replace")
    except (OSError, KeyError, DataError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return None


def pythons_by_version(name: str, index: str, transport: Transport) -> dict[str, list[str]]:
    """``Requires-Python`` of every file of *name* by its version (PEP 440), "" for a file that says none.

    *index* is the URL of PEP 503's pages. Empty where the index does not answer, or lists nothing that can be read.
    """
    page = f"{index.rstrip('/')}/{name}/"
    content = _get(f"{page}index.html" if page.startswith("file:") else page, transport)
    found: dict[str, list[str]] = {}
    for file, python in _files(content or ""):
        version = _version_of(file)
        if version is not None:
            found.setdefault(version, []).append(python)
    return found


def _files(content: str) -> Iterator[tuple[str, str]]:
    """The names of the files on a page, each with its ``Requires-Python``."""
    if content.lstrip().startswith("{"):
        try:
            for file in json.loads(content)["files"]:
                yield str(file["filename"]), str(file.get("requires-python") or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        return
    for attributes in _ANCHOR.findall(content):
        href, python = _HREF.search(attributes), _PYTHON.search(attributes)
        if href:
            path = urlsplit(html.unescape(href[1])).path
            yield unquote(path.rpartition("/")[2]), html.unescape(python[1]) if python else ""


def _version_of(file: str) -> str | None:
    try:
        if file.endswith(".whl"):
            return str(parse_wheel_filename(file)[1])
        return str(parse_sdist_filename(file)[1])
    except (InvalidWheelFilename, InvalidSdistFilename):
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
    needs = needs_in(metadata.splitlines()).requires_dist
    return tuple(text for text in needs if re.search(r"\bextra\s*==", text.partition(";")[2]))
