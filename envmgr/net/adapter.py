"""The adapter of requests that gives every hop, redirects included, its own proxy and our own TLS.

This module imports requests: import it only where a connection is about to be made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

from envmgr.net.prompt import prompt_pool

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import requests

    from envmgr.net.proxies import Proxies


class Adapter(HTTPAdapter):
    """Sends through the proxy of the URL itself, and secures connections by one context for all.

    *context* makes that context; it is called when the first secure connection is needed, and may be called again.
    What callers and sessions say of proxies, verification and certificates is not looked at.
    """

    def __init__(self, proxies: Proxies, context: Callable[[], ssl.SSLContext], *, connections: int) -> None:
        self._proxies = proxies
        self._context = context
        super().__init__(pool_maxsize=connections)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,  # noqa: ARG002 (see the class)
        cert: Any = None,  # noqa: ARG002
        proxies: Any = None,
    ) -> requests.Response:
        """Send one request."""
        found = self._proxies.find(request.url or "")
        proxies = {"all": found.url} if found else {}
        return super().send(request, stream=stream, timeout=timeout, proxies=proxies)

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: Any,  # noqa: ARG002 (see the class)
        cert: Any = None,  # noqa: ARG002
    ) -> tuple[Any, Any]:
        """Where to connect to, and the context; requests would name files of its own here."""
        host, _ = super().build_connection_pool_key_attributes(request, verify=True, cert=None)
        return host, {"ssl_context": self._context()} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave verification to the context; requests would load its own authorities into it."""

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The connections of one proxy; one that is itself reached by TLS is checked by the same context."""
        if proxy.startswith("https:"):
            options["proxy_ssl_context"] = self._context()
        is_known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        return manager if is_known else _prompt(manager)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the connections without a proxy."""
        super().init_poolmanager(*arguments, **options)
        _prompt(self.poolmanager)


def _prompt(manager: Any) -> Any:
    """*manager*, whose connections wait for the head of an answer no longer than their time-out."""
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: prompt_pool(pool) for scheme, pool in pools.items()}
    return manager
