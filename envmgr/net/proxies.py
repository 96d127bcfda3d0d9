"""Which proxy a URL is asked through.

The setting `proxy_servers` counts before the variables HTTP_PROXY, HTTPS_PROXY and ALL_PROXY (and, on macOS and
Windows, the system's own settings); within each, the entry of the host is stronger than that of the scheme, and
that is stronger than `all`. Hosts in NO_PROXY are never asked through a proxy. SOCKS needs the package PySocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from envmgr.errors import ChannelError
from envmgr.models.credentials import without_credentials_in_word

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES: Final = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SOCKS_PORT: Final = 1080


class Proxy(NamedTuple):
    """A proxy's URL, which may hold credentials, and who named it: a setting or variable."""

    url: str
    named_by: str

    @property
    def shown(self) -> str:
        """The URL without credentials."""
        return without_credentials_in_word(self.url)

    @property
    def scheme(self) -> str:
        """``http``, ``https`` or one of SOCKS."""
        return self.url.partition(":")[0]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _DEFAULT_PORTS.get(self.scheme, _SOCKS_PORT)

    @property
    def looks_up_names(self) -> bool:
        """Whether the proxy, and not this machine, turns the names of hosts into addresses."""
        return self.scheme not in ("socks4", "socks5")

    def __repr__(self) -> str:
        return f"<Proxy {self.shown}>"


class Proxies:
    """Knows the proxy of every URL; *servers* is the setting, the variables are read when first needed."""

    def __init__(self, servers: Mapping[str, str] | None = None) -> None:
        self._servers = dict(servers or {})
        self._ambient: dict[str, str] | None = None

    def find(self, url: str) -> Proxy | None:
        """The proxy for *url*; None where it is reached directly. Raises ChannelError for one that cannot be."""
        from requests.utils import should_bypass_proxies

        if self._ambient is None:
            import urllib.request

            self._ambient = urllib.request.getproxies()
        if not (self._servers or self._ambient) or should_bypass_proxies(url, no_proxy=None):
            return None
        key = _best_key(url, self._servers)
        if key is not None:
            return _checked(Proxy(self._servers[key], f"proxy_servers: {key}"))
        key = _best_key(url, self._ambient)
        return _checked(Proxy(self._ambient[key], f"{key.upper()}_PROXY")) if key is not None else None


def _best_key(url: str, proxies: Mapping[str, str]) -> str | None:
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    keys = (f"{scheme}://{host}", scheme, f"all://{host}", "all")
    return next((key for key in keys if proxies.get(key)), None)


def _checked(proxy: Proxy) -> Proxy:
    if "://" not in proxy.url:
        proxy = proxy._replace(url=f"http://{proxy.url}")
    scheme, mark, rest = proxy.url.partition("://")
    proxy = proxy._replace(url=f"{scheme.lower()}{mark}{rest}")
    hint = f"Check {proxy.named_by}."
    if proxy.scheme not in _SCHEMES:
        known = ", ".join(_SCHEMES)
        raise ChannelError(f"{proxy.shown} is no proxy: its scheme must be one of {known}.", hint=hint)
    try:
        host, _ = proxy.address  # ValueError for a port that is none.
    except ValueError:
        host = ""
    if not host:
        hint = f"{hint} In user name and password write / as %2F, ? as %3F, # as %23 and @ as %40."
        raise ChannelError(f"the proxy of {proxy.named_by} is not a valid URL.", hint=hint)
    if proxy.scheme.startswith("socks"):
        _require_socks(proxy)
    return proxy


def _require_socks(proxy: Proxy) -> None:
    try:
        import socks  # noqa: F401
    except ImportError:
        raise ChannelError(
            f"the proxy {proxy.shown} speaks SOCKS, for which the package PySocks is missing.",
            hint="Install it: pip install 'envmgr[socks]'.",
        ) from None


def explain_socks(error: BaseException) -> str | None:
    """What PySocks found wrong with the proxy, in a few words; None for an error that is not its own."""
    import sys

    socks = sys.modules.get("socks")
    if socks is None or not isinstance(error, socks.ProxyError):
        return None
    if isinstance(error, socks.SOCKS5AuthError):
        return "it refuses the login" if "failed" in str(error) else "it asks for a login"
    if isinstance(error, (socks.SOCKS5Error, socks.SOCKS4Error)):
        return f"it answers: {str(error).partition(': ')[2].lower()}"
    cause = error.socket_err
    if isinstance(cause, socks.ProxyError):
        return explain_socks(cause)
    if isinstance(cause, TimeoutError):
        return "it does not answer in time"
    if isinstance(cause, OSError) and cause.strerror:
        return str(cause.strerror).lower()
    return "it does not speak SOCKS"
