"""HTTP and HTTPS: one session with time-outs, retries and patience for servers that ask for it.

Connection failures, 429 and the 5xx statuses that pass are tried again, with a pause that doubles, or that the
server's Retry-After asks for; the first time for each host is told. A host name that does not exist is not tried
again, one that cannot be looked up just now is. Logins, in a URL or from the store, are used for their own host
only (`envmgr.net.auth_session`) and are in no message. A body that ends before its announced length raises
ChannelError; it is not fetched again here, because only the reader knows what to do with the half that it has.
"""

from __future__ import annotations

import math
import re
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct, field

from envmgr.errors import ChannelError
from envmgr.models.channel import without_credentials
from envmgr.net.certificates import TlsOptions, explain_handshake, make_context
from envmgr.net.proxies import Proxies, explain_socks
from envmgr.ports import OnlyAnswer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    import requests

    from envmgr.net.auth import Credential

USER_AGENT = "envmgr"
_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
SLOWEST_BYTES_PER_SECOND = 1000
_MOST_REDIRECTS = 10
_CONNECTIONS = 16


class HttpOptions(Struct, frozen=True):
    """How to behave on the network.

    ``retries`` counts the tries after the first; the pause before the first of them is ``backoff_seconds`` and
    then doubles. No pause is longer than ``longest_pause_seconds``, whatever the server asks for. ``tls`` and
    ``proxies`` are those of `certificates` and `proxies`. Without ``follow_redirects`` a redirect is an answer
    like any other.
    """

    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 60.0
    retries: int = 3
    backoff_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    tls: TlsOptions = TlsOptions()
    proxies: Mapping[str, str] = field(default_factory=dict)
    follow_redirects: bool = True


class HttpTransport:
    """The Transport for http and https; may be used by several threads at once.

    *on_retry* gets one sentence for the user when a host is about to be tried again for the first time, and one
    when certificates are not checked. *find_credential* gives the login for a URL that holds none; None: no others.
    """

    def __init__(
        self,
        options: HttpOptions | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        on_retry: Callable[[str], None] | None = None,
        find_credential: Callable[[str], Credential | None] | None = None,
    ) -> None:
        self._options = options or HttpOptions()
        self._find_credential = find_credential
        self._sleep = sleep
        self._on_retry = on_retry
        self._told: set[str] = set()
        self._session: requests.Session | None = None
        self._proxies = Proxies(self._options.proxies)
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """GET *url*; the last answer counts when retries do not help. Raises ChannelError without an answer."""
        pause = self._options.backoff_seconds
        for tries_left in range(self._options.retries, -1, -1):
            asked_for = None
            try:
                answer = self._get(url, headers or {})
                if answer.status_code not in _PASSING_STATUSES or not tries_left:
                    return HttpResponse(answer, url, self._options.read_timeout_seconds)
                asked_for = _retry_after(answer.headers.get("Retry-After"), time.time())
                trouble = f"{_shown(url)} answered with HTTP status {answer.status_code}"
                answer.close()
            except ChannelError as error:
                if not error.facts.pop("passing", False) or not tries_left:
                    raise
                trouble = str(error).rstrip(".")
            seconds = min(max(asked_for or 0.0, pause), self._options.longest_pause_seconds)
            self._tell(url, f"{trouble}; trying again in {math.ceil(seconds)} s.")
            self._sleep(seconds)
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _tell(self, url: str, sentence: str) -> None:
        """One sentence for each host: a hundred downloads from it would say the same."""
        if self._on_retry is None:
            return
        host = urlsplit(without_credentials(url)).netloc
        with self._lock:
            is_news = host not in self._told
            self._told.add(host)
        if is_news:
            self._on_retry(sentence)

    def close(self) -> None:
        """Close the connections that are kept alive."""
        if self._session is not None:
            self._session.close()

    def _get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        import requests

        options = self._options
        try:
            answer = self._open_session().get(
                url,
                headers=dict(headers),
                stream=True,
                timeout=(options.connect_timeout_seconds, options.read_timeout_seconds),
                allow_redirects=options.follow_redirects,
            )
        except requests.RequestException as error:
            raise self._failure(url, error) from None
        except (ValueError, UnicodeError):  # Their own text may quote user and password.
            shown = _shown(url)
            raise ChannelError(f"{shown} is not a valid URL.", url=shown) from None
        if answer.status_code == 407:
            answer.close()
            raise _proxy_failure(_shown(url), self._proxy_of(url), "it asks for a login (HTTP status 407)")
        return answer

    def _failure(self, url: str, error: requests.RequestException) -> ChannelError:
        failed = error.request.url if error.request is not None and error.request.url else url
        return _failure(url, error, self._options, self._proxy_of(failed))

    def _proxy_of(self, url: str) -> str | None:
        """The proxy of *url* as messages name it."""
        try:
            found = self._proxies.find(url)
        except (ChannelError, ValueError):
            return None
        return found.shown if found else None

    def secure_context(self) -> ssl.SSLContext:
        """How connections are secured, made once; raises ChannelError naming a file that cannot be used."""
        with self._lock:
            if self._context is None:
                import os

                self._context = make_context(self._options.tls, os.environ)
                if self._options.tls.verify is False:
                    self._trust_blindly()
            return self._context

    def _trust_blindly(self) -> None:
        """Say once that nothing is checked, in the place of urllib3, which says it for every host."""
        import urllib3

        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if self._on_retry is not None:
            self._on_retry(
                "certificates are not checked, because ssl_verify is false: whoever is on the way can change what "
                "is downloaded."
            )

    def _open_session(self) -> requests.Session:
        from envmgr.net.adapter import Adapter
        from envmgr.net.auth_session import AuthSession

        with self._lock:
            if self._session is None:
                self._session = AuthSession(self._find_credential)
                self._session.trust_env = False  # We know of proxies, certificates and credentials ourselves.
                self._session.max_redirects = _MOST_REDIRECTS
                self._session.headers["User-Agent"] = USER_AGENT
                self._session.headers["Accept-Encoding"] = "gzip, identity"
                adapter = Adapter(self._proxies, self.secure_context, connections=_CONNECTIONS)
                for scheme in ("http://", "https://"):
                    self._session.mount(scheme, adapter)
            return self._session


class HttpResponse(OnlyAnswer):
    """An answer whose body is still on the wire; closing it early drops the connection."""

    def __init__(self, answer: requests.Response, url: str, slowest_seconds: float = 60.0) -> None:
        self._answer = answer
        self._slowest_seconds = slowest_seconds
        self._asked = _shown(url)
        self.status: int = answer.status_code
        self.headers: Mapping[str, str] = {key.lower(): value for key, value in answer.headers.items()}
        self.url = _shown(answer.url)

    def iter_bytes(self, size: int = 1 << 16) -> Iterator[bytes]:
        """The body, content encodings undone, in chunks of at most *size* bytes, as they arrive.

        Raises ChannelError where it breaks off, and where it is so slow that it might never end.
        """
        import urllib3

        received = 0
        patience = _Patience(self._slowest_seconds, time.monotonic())
        try:
            while chunk := self._answer.raw.read1(size, decode_content=True):
                received += len(chunk)
                if patience.ends(len(chunk), time.monotonic()):
                    raise ChannelError(
                        f"the answer from {self._asked} is too slow: fewer than {SLOWEST_BYTES_PER_SECOND} bytes a "
                        f"second came for {self._slowest_seconds:g} seconds.",
                        url=self._asked,
                    )
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ChannelError(
                f"the answer from {self._asked} broke off after {received} bytes: {_reason(error)}.",
                url=self._asked,
            ) from None

    def __enter__(self) -> HttpResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.close()


class _Patience:
    """Watches how much comes in a stretch of time, so that a server that sends drop by drop is noticed."""

    def __init__(self, seconds: float, now: float) -> None:
        self._seconds = seconds
        self._since = now
        self._received = 0

    def ends(self, received: int, now: float) -> bool:
        """Whether a whole stretch has passed in which too little came."""
        self._received += received
        passed = now - self._since
        if passed < self._seconds:
            return False
        is_slow = self._received < SLOWEST_BYTES_PER_SECOND * passed
        self._since, self._received = now, 0
        return is_slow


def _shown(url: str) -> str:
    """*url* as messages name it: without credentials, and without a query, which may be a signature."""
    return re.split(r"[?#]", without_credentials(url), maxsplit=1)[0]


def _retry_after(text: str | None, now: float) -> float | None:
    """The pause in seconds that a Retry-After header asks for, as a number or as a date; None without sense."""
    if text is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}\s*", text):
        return float(text)
    import email.utils

    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _failure(
    url: str, error: requests.RequestException, options: HttpOptions, proxy: str | None
) -> ChannelError:
    """What to tell about a request without an answer, and whether it may pass (the fact ``passing``)."""
    import requests

    shown = _shown(url)
    facts: dict[str, Any] = {"url": shown, "passing": False}
    if isinstance(error, requests.exceptions.SSLError):
        return _tls_failure(shown, error, options.tls)
    socks = next(filter(None, map(explain_socks, _causes(error))), None)
    if isinstance(error, requests.exceptions.ProxyError) or socks:
        return _proxy_failure(shown, proxy, socks or _proxy_reason(error))
    if isinstance(error, requests.TooManyRedirects):
        return ChannelError(f"{shown} redirects more than {_MOST_REDIRECTS} times.", **facts)
    if isinstance(error, requests.exceptions.InvalidSchema):
        return ChannelError(f"{shown} redirects to something that is no web address.", **facts)
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema)):
        return ChannelError(f"{shown} is not a valid URL.", **facts)
    facts["passing"] = not _is_unknown_host(error)
    if isinstance(error, requests.ConnectTimeout):
        reason = f"no connection within {options.connect_timeout_seconds:g} s"
    elif isinstance(error, requests.ReadTimeout):
        reason = f"no answer within {options.read_timeout_seconds:g} s"
    else:
        reason = _reason(error)
    through = f" through the proxy {proxy}" if proxy else ""
    return ChannelError(
        f"{shown} cannot be reached{through}: {reason}.", hint="Check the address and the network.", **facts
    )


def _tls_failure(shown: str, error: requests.RequestException, options: TlsOptions) -> ChannelError:
    import ssl

    cause = next((each for each in _causes(error) if isinstance(each, ssl.SSLError)), ssl.SSLError())
    sentence, hint = explain_handshake(cause, shown, options)
    return ChannelError(f"{sentence}.", hint=hint, url=shown)


def _proxy_failure(shown: str, proxy: str | None, reason: str) -> ChannelError:
    named = f"the proxy {proxy}" if proxy else "the proxy"
    hint = "Check proxy_servers and the variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."
    if "login" in reason:
        hint = "Write user name and password into the proxy's URL: http://USER:PASSWORD@HOST:PORT."
    return ChannelError(f"{shown} was not reached through {named}: {reason}.", hint=hint, url=shown)


def _proxy_reason(error: BaseException) -> str:
    """What the proxy answered to the request for a tunnel, or why it was not reached."""
    answers = (re.match(r"Tunnel connection failed: (\d{3})\b", str(cause)) for cause in _causes(error))
    status = next((found[1] for found in answers if found), None)
    if status is None:
        return _reason(error)
    said = {"407": "it asks for a login", "403": "it does not allow that"}.get(status, "it gave no tunnel")
    return f"{said} (HTTP status {status})"


def _is_unknown_host(error: BaseException) -> bool:
    """Whether the name of the host is settled not to exist, which another try does not change."""
    import socket

    return any(
        isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN for cause in _causes(error)
    )


def _reason(error: BaseException) -> str:
    """A few words for the innermost cause; the libraries' own text would repeat the URL, credentials included."""
    import socket
    import ssl

    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            passing = cause.errno == socket.EAI_AGAIN
            return "its host name cannot be looked up now" if passing else "its host name is not known"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, TimeoutError):
            return "the server fell silent"
        if isinstance(cause, OSError) and cause.strerror and cause.errno is not None:
            return cause.strerror.lower()
    return _reason_by_kind(error)


def _reason_by_kind(error: BaseException) -> str:
    import urllib3

    kinds = {type(cause) for cause in _causes(error)}
    if urllib3.exceptions.IncompleteRead in kinds:
        return "it is shorter than announced"
    if urllib3.exceptions.ReadTimeoutError in kinds:
        return "the server fell silent"
    if urllib3.exceptions.DecodeError in kinds:
        return "its content encoding is damaged"
    return "the connection was closed"


def _causes(error: BaseException) -> list[BaseException]:
    """*error* and what is behind it, the innermost first."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(found) < 50:
        current = waiting.pop()
        if not isinstance(current, BaseException) or current in found:
            continue
        found.append(current)
        waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
    return found[::-1]
