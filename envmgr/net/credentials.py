"""Gives requests back the credentials that a user wrote into a URL.

Everything else in envmgr knows channels and archives by URLs without credentials, so that nothing can print,
log or store them. Only this transport holds the written forms, and only what lies below one gets them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.models.channel import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmgr.ports import Response, Transport


class CredentialTransport:
    """Opens URLs through another transport, as the user wrote them.

    *written* are URLs that may hold ``user:password@`` or ``/t/TOKEN/``, or, of single files, a query, which often
    is a signature; those without are ignored.
    """

    def __init__(self, inner: Transport, written: Iterable[str]) -> None:
        self._inner = inner
        pairs = {without_credentials(url).rstrip("/"): url.rstrip("/") for url in written}
        self._written = {clean: url for clean, url in pairs.items() if clean != url and "?" not in url}
        self._files = {clean.partition("?")[0]: url for clean, url in pairs.items() if "?" in url}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {len(self._written) + len(self._files)} URLs>"

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET *url* with the credentials of the longest written URL that it lies below."""
        return self._inner.open(self.as_written(url), headers)

    def as_written(self, url: str) -> str:
        """*url* with those credentials, for requests only."""
        if url in self._files:
            return self._files[url]
        below = [clean for clean in self._written if url == clean or url.startswith(f"{clean}/")]
        if below:
            clean = max(below, key=len)
            return self._written[clean] + url[len(clean) :]
        return url
