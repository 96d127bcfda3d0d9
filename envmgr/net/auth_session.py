"""A session of requests whose logins are ours alone, and bound to where they belong.

A login comes from, in this order: an Authorization header that the caller gives; user and password, or a
``/t/TOKEN``, in the URL as written; the store. requests' own reading of netrc is off. Redirects are followed hop by
hop: once one leads to another scheme, host or port, no login goes along, and none is looked up there (only
http on port 80 to https on port 443 of the same host counts as the same place). Within one place a login from the
store is looked up anew, so that one that is bound to a folder stays in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import requests

from envmgr.net.auth import (
    BasicLogin,
    CondaToken,
    Secret,
    authorization,
    has_conda_token,
    with_conda_token,
)
from envmgr.net.auth_keys import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmgr.net.auth import Credential

# Headers that are worth something to whoever gets them.
_SECRET_HEADERS = ("Authorization", "Cookie", "x-amz-security-token")


class AuthSession(requests.Session):
    """Like its base, with logins that *find* gives for a URL (None: no store)."""

    def __init__(self, find: Callable[[str], Credential | None] | None = None) -> None:
        super().__init__()
        self._find = find
        # With an `auth` of our own, requests looks neither into netrc nor into the URL.
        self.auth = _leave_alone

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send *request* and follow redirects, each hop with the login that it may have."""
        follows = options.pop("allow_redirects", True)
        is_given = self._sign_first(request)
        is_bound = True
        for _ in range(self.max_redirects + 1):
            answer = super().send(request, allow_redirects=False, **options)
            following = answer.next
            if not follows or following is None:
                return answer
            is_bound = is_bound and _place(following).may_follow(_place(request))
            self._sign_next(following, is_bound=is_bound, is_given=is_given)
            # The adapter tells a proxy its login; as a header of the request it could reach the server itself.
            following.headers.pop("Proxy-Authorization", None)
            request = following
        raise requests.TooManyRedirects(f"more than {self.max_redirects} redirects", response=answer)

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Nothing: `send` decides, where requests would look into netrc."""

    def _sign_first(self, request: requests.PreparedRequest) -> bool:
        """Put the login on the first request; True when the caller or the URL brought it."""
        url = str(request.url)
        written = _written_login(url)
        request.url = _without_userinfo(url)
        if "Authorization" in request.headers:
            return True
        if written is not None:
            request.headers["Authorization"] = str(authorization(written))
            return True
        if has_conda_token(url):
            return True
        self._sign_from_store(request)
        return False

    def _sign_next(self, request: requests.PreparedRequest, *, is_bound: bool, is_given: bool) -> None:
        request.url = _without_userinfo(str(request.url))
        if is_bound and is_given:
            return
        for header in _SECRET_HEADERS if not is_bound else _SECRET_HEADERS[:1]:
            request.headers.pop(header, None)
        if is_bound:
            self._sign_from_store(request)

    def _sign_from_store(self, request: requests.PreparedRequest) -> None:
        credential = self._find(str(request.url)) if self._find is not None else None
        if isinstance(credential, CondaToken):
            request.url = with_conda_token(str(request.url), credential)
        elif credential is not None:
            value = authorization(credential)
            if value is not None:
                request.headers["Authorization"] = value


def _leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _place(request: requests.PreparedRequest) -> Origin:
    """Where *request* goes; a place of its own for an address that cannot be one, which no login follows."""
    try:
        return Origin.of(str(request.url))
    except ValueError:
        return Origin("", "", None)


def _written_login(url: str) -> BasicLogin | None:
    """User and password in *url*; ValueError where they cannot be sent."""
    parts = urlsplit(url)
    if not parts.username and not parts.password:
        return None
    return BasicLogin(unquote(parts.username or ""), Secret(unquote(parts.password or "")))


def _without_userinfo(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url
