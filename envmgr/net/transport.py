"""The transport that the rest of envmgr is given: it looks at the scheme, and it keeps offline promises."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from envmgr.errors import ChannelError
from envmgr.models.channel import without_credentials
from envmgr.net.files import FileTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from envmgr.config.settings import Settings
    from envmgr.ports import Response, Transport


class AnyTransport:
    """Opens http, https and file URLs and those of *others*; with *offline*, only files.

    *make_http*, and what makes the transport for each scheme of *others*, is called at the first URL that needs
    it. May be used by several threads at once.
    """

    def __init__(
        self,
        make_http: Callable[[], Transport],
        files: Transport | None = None,
        *,
        others: Mapping[str, Callable[[], Transport]] | None = None,
        offline: bool = False,
    ) -> None:
        self._makers = {"http": make_http, **(others or {})}
        self._made: dict[str, Transport] = {}
        self._lock = threading.Lock()
        self._files = files or FileTransport()
        self._offline = offline

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        home: Path,
        on_retry: Callable[[str], None] | None = None,
    ) -> AnyTransport:
        """A transport that behaves as *settings* say; nothing is opened or imported until it is used.

        *environ* and *home* are where logins and AWS's own configuration are looked for. *on_retry* gets a
        sentence when a host is tried again, as a Reporter's ``warned`` does.
        """
        from envmgr.net.auth_store import CredentialStore

        credentials = CredentialStore.from_settings(settings, environ=environ, home=home, warn=on_retry)

        def make_http(*, follow_redirects: bool = True) -> Transport:
            from envmgr.net.certificates import TlsOptions
            from envmgr.net.http import HttpOptions, HttpTransport

            options = HttpOptions(
                connect_timeout_seconds=settings.connect_timeout_seconds,
                read_timeout_seconds=settings.read_timeout_seconds,
                retries=settings.retries,
                backoff_seconds=settings.backoff_seconds,
                tls=TlsOptions(settings.ssl_verify, settings.client_ssl_cert, settings.client_ssl_cert_key),
                proxies=settings.proxy_servers,
                follow_redirects=follow_redirects,
            )
            # The transports of S3 and OCI sign what they send, and follow redirects, themselves.
            find_credential = credentials.find if follow_redirects else None
            return HttpTransport(options, on_retry=on_retry, find_credential=find_credential)

        def make_s3() -> Transport:
            from envmgr.net.s3 import S3Transport

            return S3Transport(
                make_http(follow_redirects=False),
                settings.s3_options,
                environ,
                home,
                find_keys=credentials.find_keys,
            )

        def make_oci() -> Transport:
            from envmgr.net.oci import OciTransport

            return OciTransport(
                make_http(follow_redirects=False),
                insecure=settings.insecure_registries,
                find_authorization=credentials.find_authorization,
            )

        return cls(make_http, others={"s3": make_s3, "oci": make_oci}, offline=settings.offline)

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET *url*; ChannelError when it cannot be reached, or may not be because this is offline."""
        scheme = url.partition(":")[0].lower()
        if scheme == "file":
            return self._files.open(url, headers)
        shown = without_credentials(url)
        scheme = "http" if scheme == "https" else scheme
        if scheme not in self._makers:
            known = ", ".join(["https", *self._makers])
            raise ChannelError(f"{shown} cannot be fetched: only {known} and file URLs are known.", url=shown)
        if self._offline:
            raise ChannelError(f"{shown} was not fetched, because envmgr is offline.", url=shown)
        with self._lock:
            if scheme not in self._made:
                self._made[scheme] = self._makers[scheme]()
        return self._made[scheme].open(url, headers)


def make_transport(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    home: Path,
    warn: Callable[[str], None] | None = None,
) -> Transport:
    """The transport of a command: `AnyTransport.from_settings`, and before it the mirrors where there are any.

    Offline, only mirrors that are folders count. *warn* gets each sentence once.
    """
    mirrors = {prefix: _usable(urls, offline=settings.offline) for prefix, urls in settings.mirrors.items()}
    mirrors = {prefix: urls for prefix, urls in mirrors.items() if urls}
    if not mirrors:
        return AnyTransport.from_settings(settings, environ=environ, home=home, on_retry=warn)
    from msgspec.structs import replace

    from envmgr.net.mirrors import MirrorTransport

    say = _once(warn) if warn is not None else None
    patient = AnyTransport.from_settings(settings, environ=environ, home=home, on_retry=say)
    hasty = None
    if settings.retries:
        quick = replace(settings, retries=0)
        hasty = AnyTransport.from_settings(quick, environ=environ, home=home, on_retry=say)
    return MirrorTransport(patient, mirrors, hasty=hasty, on_warning=say)


def _usable(urls: Sequence[str], *, offline: bool) -> list[str]:
    return [url for url in urls if not offline or url.lower().startswith("file:")]


def _once(warn: Callable[[str], None]) -> Callable[[str], None]:
    said: set[str] = set()

    def say(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            warn(sentence)

    return say
