"""What a login is made of, and what it does to a request: values that never show their secret.

A `Secret` can be passed on, compared and revealed on purpose; printing, formatting, encoding or pickling it shows
nothing or fails. Where logins come from is `envmgr.net.auth_store`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct

from envmgr.models.credentials import has_token
from envmgr.models.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    import re

_VISIBLE: Final = lazy_pattern(r"[\x21-\x7e]+")
_TOKEN_IN_PATH: Final = lazy_pattern(r"[A-Za-z0-9._~-]+")
_CONTROL: Final = lazy_pattern(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Secret:
    """A text that is shown only where `reveal` is called.

    >>> str(Secret("tk-1")), f"{Secret('tk-1')!r}", Secret("tk-1").reveal()
    ('***', 'Secret(***)', 'tk-1')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for the request or the store that it is meant for."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


class BasicLogin(Struct, frozen=True):
    """A user name and a password, sent as HTTP Basic (RFC 7617, in UTF-8). ValueError for what cannot be sent."""

    username: str
    password: Secret

    kind = "basic"

    def __post_init__(self) -> None:
        if ":" in self.username or _CONTROL.search(self.username):
            raise ValueError("a user name holds no colon and no control characters")
        if _CONTROL.search(self.password.reveal()):
            raise ValueError("a password holds no control characters")


class BearerToken(Struct, frozen=True):
    """A token that is sent as ``Authorization: Bearer`` (RFC 6750). ValueError for what cannot be sent."""

    token: Secret

    kind = "bearer"

    def __post_init__(self) -> None:
        _check(_VISIBLE, self.token, "a token consists of visible ASCII characters")


class CondaToken(Struct, frozen=True):
    """A token that becomes ``/t/TOKEN`` in the URL's path, after the folder *base* (``""`` is the top).

    ValueError for a token with other characters than letters, digits, ``.``, ``_``, ``~`` and ``-``: in a URL it
    could not be told from the path.
    """

    token: Secret
    base: str = ""

    kind = "conda-token"

    def __post_init__(self) -> None:
        _check(_TOKEN_IN_PATH, self.token, "a conda token consists of letters, digits and . _ ~ -")


class S3Keys(Struct, frozen=True):
    """The keys that sign requests to an S3 store; ``session_token`` belongs to keys for a limited time."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None

    kind = "s3"

    def __post_init__(self) -> None:
        expected = "keys of S3 consist of visible ASCII characters"
        _check(_VISIBLE, Secret(self.access_key_id), expected)
        _check(_VISIBLE, self.secret_access_key, expected)
        if self.session_token is not None:
            _check(_VISIBLE, self.session_token, expected)


Credential: TypeAlias = "BasicLogin | BearerToken | CondaToken | S3Keys"


def _check(pattern: re.Pattern[str], secret: Secret, expected: str) -> None:
    if not pattern.fullmatch(secret.reveal()):
        raise ValueError(expected)


def fits(credential: Credential, scheme: str) -> bool:
    """Whether a URL of *scheme* can use *credential*: keys of S3 sign ``s3`` only, and nothing else does."""
    if isinstance(credential, S3Keys):
        return scheme == "s3"
    if isinstance(credential, CondaToken):
        return scheme in ("http", "https")
    return scheme in ("http", "https", "oci")


def authorization(credential: Credential) -> str | None:
    """The value of the Authorization header; None where the login goes elsewhere.

    >>> authorization(BasicLogin("ann", Secret("pw")))
    'Basic YW5uOnB3'
    """
    if isinstance(credential, BearerToken):
        return f"Bearer {credential.token.reveal()}"
    if isinstance(credential, BasicLogin):
        pair = f"{credential.username}:{credential.password.reveal()}"
        import base64

        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def with_conda_token(url: str, credential: CondaToken) -> str:
    """*url* with the token in its path, unless it has one.

    >>> with_conda_token("https://example.org/conda-forge/noarch/x", CondaToken(Secret("tk-1")))
    'https://example.org/t/tk-1/conda-forge/noarch/x'
    """
    parts = urlsplit(url)
    base = credential.base if parts.path.startswith(f"{credential.base}/") else ""
    if has_conda_token(url):
        return url
    rest = parts.path[len(base) :]
    return parts._replace(path=f"{base}/t/{credential.token.reveal()}{rest}").geturl()


def has_conda_token(url: str) -> bool:
    """Whether the URL's path holds a ``/t/TOKEN``."""
    return has_token(urlsplit(url).path)
