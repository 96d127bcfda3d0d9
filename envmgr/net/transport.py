"""The transport that the rest of envmgr is given: it looks at the scheme, and it keeps offline promises."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from envmgr.errors import ChannelError
from envmgr.models.channel import without_credentials
from envmgr.net.files import FileTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envmgr.config.settings import Settings
    from envmgr.ports import Response, Transport


class AnyTransport:
    """Opens http, https and file URLs; with *offline*, only files.

    *make_http* is called at the first URL of the web. May be used by several threads at once.
    """

    def __init__(
        self, make_http: Callable[[], Transport], files: Transport | None = None, *, offline: bool = False
    ) -> None:
        self._make_http = make_http
        self._http: Transport | None = None
        self._lock = threading.Lock()
        self._files = files or FileTransport()
        self._offline = offline

    @classmethod
    def from_settings(
        cls, settings: Settings, *, on_retry: Callable[[str], None] | None = None
    ) -> AnyTransport:
        """A transport that behaves as *settings* say; nothing is opened or imported until it is used.

        *on_retry* gets a sentence when a host is tried again, as a Reporter's ``warned`` does.
        """

        def make_http() -> Transport:
            from envmgr.net.certificates import TlsOptions
            from envmgr.net.http import HttpOptions, HttpTransport

            options = HttpOptions(
                connect_timeout_seconds=settings.connect_timeout_seconds,
                read_timeout_seconds=settings.read_timeout_seconds,
                retries=settings.retries,
                backoff_seconds=settings.backoff_seconds,
                tls=TlsOptions(settings.ssl_verify, settings.client_ssl_cert, settings.client_ssl_cert_key),
                proxies=settings.proxy_servers,
            )
            return HttpTransport(options, on_retry=on_retry)

        return cls(make_http, offline=settings.offline)

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET *url*; ChannelError when it cannot be reached, or may not be because this is offline."""
        scheme = url.partition(":")[0].lower()
        if scheme == "file":
            return self._files.open(url, headers)
        shown = without_credentials(url)
        if scheme not in ("http", "https"):
            raise ChannelError(
                f"{shown} cannot be fetched: only https, http and file URLs are known.", url=shown
            )
        if self._offline:
            raise ChannelError(f"{shown} was not fetched, because envmgr is offline.", url=shown)
        with self._lock:
            if self._http is None:
                self._http = self._make_http()
        return self._http.open(url, headers)
