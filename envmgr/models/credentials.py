"""Cuts credentials out of what users write and others word: user, password, and a token in the path. Pure.

`without_credentials` gives the one URL that a place has, for identity and for requests. The other two are for
messages, where too much may be cut but nothing may be left: `without_credentials_in_word` for a word that a user
wrote as a URL, whatever its shape, `without_credentials_in_text` for sentences that may quote such words.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.platform import KNOWN_SUBDIRS

URL = lazy_pattern(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(.*)", re.DOTALL)
_AFTER_LOGIN = lazy_pattern(r"([^/?#]*)([^?#]*)(.*)", re.DOTALL)
_HOST = lazy_pattern(r"(\[[^\[\]]+\]|[^:\[\]\s]*)(?::([0-9]*))?")
_HIGHEST_PORT: Final = 65535
_TOKEN_SCHEMES: Final = frozenset(("http", "https"))
_TOKENLESS_SCHEMES: Final = frozenset(("file", "s3", "oci"))
# A channel that is called `t` has labels and subdirs, which are no tokens.
_NO_TOKENS: Final = "|".join(["label", *sorted(KNOWN_SUBDIRS)])
_TOKEN = lazy_pattern(rf"/t/(?!(?:{_NO_TOKENS})(?:/|$))[^/?#]+(?=/|$)", re.IGNORECASE)
_TOKEN_NAME = lazy_pattern(rf"(?:.*/)?t/(?!(?:{_NO_TOKENS})(?:/|$))[^/]+/.+", re.IGNORECASE)

# In a sentence: a URL, whose password may hold quotes; what was probably meant as one; `user:password@host`.
_URL_IN_TEXT: Final = r"[A-Za-z][A-Za-z0-9+.-]{0,30}://(?:(?:(?!://)[^\s<>])*@)?[^\s'\"<>]*"
_WORD_START: Final = r"(?<![^\s'\"(<\[{=,`])"
_MISSPELT_IN_TEXT: Final = (
    rf"(?P<scheme>(?!(?:[a-z]{{1,9}}\+)?file:)(?:[A-Za-z][A-Za-z0-9+.-]{{1,30}}\ ?:\ ?[/\\]{{2,}}"
    rf"|{_WORD_START}[A-Za-z][A-Za-z0-9+.-]{{1,30}}:[/\\]"
    r"|(?<![\w:/\\.-])[/\\]{2,}(?=[^\s'\"<>/\\:]*:[^\s'\"<>]*@)))(?P<rest>[^\s'\"<>]+)"
)
_PAIR_IN_TEXT: Final = rf"{_WORD_START}[^\s'\"(<\[{{=,`>:/\\@]+:(?![:/\\])[^\s'\"<>]*@(?=[A-Za-z0-9\[])"
_TOKEN_IN_TEXT: Final = r"(?<![\w/.@:-])(?P<host>[\w-]+(?:\.[\w-]+)+(?::\d+)?)/t/[^\s'\"/?#]+"
_IN_TEXT = lazy_pattern(
    rf"(?P<url>{_URL_IN_TEXT})|{_MISSPELT_IN_TEXT}|(?P<pair>{_PAIR_IN_TEXT})|{_TOKEN_IN_TEXT}"
)
# Names of variables whose values are nobody else's business.
_SECRET_NAME = lazy_pattern(
    r"(?i)(^|_)(TOKEN|PASSWORD|PASSWD|PASS|SECRET|CREDENTIALS?|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY)(S|_ID)?($|_)"
)
# What services begin their tokens with, so that scanners find them; private keys; tokens of RFC 7519.
_SECRET_VALUE = lazy_pattern(
    r"\b(?:gh[opsur]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{18,}|xox[abprs]-[\w-]{10,}|pypi-AgE[\w-]{20,}"
    r"|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,}|sk-[\w-]{20,}|A[KS]IA[0-9A-Z]{16}\b|AIza[\w-]{35}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.)|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_QUERY = lazy_pattern(r"(?P<head>[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s'\"<>?#]*)\?(?P<query>[^\s'\"<>#]*)")
_SECRET_PARAMETER = lazy_pattern(r"(?i)(^|_)(SIG|SIGNATURE|AUTH)($|_)")
_WORD = lazy_pattern(r"(\s*(?:[A-Za-z][A-Za-z0-9+.-]+\s*:[\s/\\]*[/\\]\s*|[/\\]{2,})?)(.*)", re.DOTALL)
_PATH = lazy_pattern(r"\s*(?:/(?!/)|\\(?!\\)|\.{1,2}[/\\]|~|[A-Za-z]:[/\\]|(?:[a-z]{1,9}\+)?file:)")


class _Parts(NamedTuple):
    """A URL taken apart. *is_odd* tells that the login holds what it must not, so that its end was guessed."""

    scheme: str
    host: str
    path: str
    rest: str
    is_odd: bool


def is_url(text: str) -> bool:
    """Whether *text* begins with a scheme and ``://``."""
    return URL.match(text) is not None


def without_credentials(url: str) -> str:
    """*url* without user, password and ``/t/TOKEN``; what is no URL comes back as it is.

    Where the port is none, the login is taken to reach to the last ``@``, as if a slash in it was not encoded.

    >>> without_credentials("https://user:secret@example.org/t/tk-123/channel")
    'https://example.org/channel'
    >>> without_credentials("https://user:sec/ret@example.org/channel")
    'https://example.org/channel'
    """
    parts = _take_apart(url, wary=False)
    return url if parts is None else _joined(parts, has_tokens=parts.scheme in _TOKEN_SCHEMES)


def without_credentials_in_word(text: str) -> str:
    """A word that was written as a URL, a channel or a proxy, as a message may quote it.

    Misspelt URLs lose everything up to their last ``@``; paths stay as they are.

    >>> [without_credentials_in_word(word) for word in ("https:/me:secret@host/c", "me:secret@host:1", "./a:b@c")]
    ['https:/host/c', 'host:1', './a:b@c']
    """
    if "@" not in text and "/" not in text:
        return text  # So it is with most words of a command; the patterns below take their time to compile.
    if is_url(text.strip()):
        return _shown_url(text.strip())
    if _PATH.match(text):
        return text
    text = without_credentials_in_text(text)
    found = _WORD.fullmatch(text)
    assert found is not None, "the pattern matches every text"
    head, body = found.groups()
    login, at, rest = body.rpartition("@")
    if at and (head.strip() or ":" in login):
        body = rest
    return head + (_without_tokens(f"/{body}")[1:] if is_token_name(body) else _without_tokens(body))


def without_credentials_in_text(text: str) -> str:
    """*text* with the credentials cut out of every URL in it, for messages that others worded.

    >>> without_credentials_in_text("cannot reach https://me:secret@example.org/x: refused")
    'cannot reach https://example.org/x: refused'
    >>> without_credentials_in_text("'https:/me:secret@example.org/x' is not a channel")
    "'https:/example.org/x' is not a channel"
    """
    if "@" not in text and "/t/" not in text.lower():
        return text
    return _IN_TEXT.sub(_cut, text)


def _cut(found: re.Match[str]) -> str:
    if found["url"] is not None:
        return _shown_url(found["url"])
    if found["scheme"] is not None:
        return found["scheme"] + _without_tokens(found["rest"].rpartition("@")[2])
    return found["host"] or ""


def _shown_url(url: str) -> str:
    """As `without_credentials`, but in doubt what may be a login is taken for one."""
    parts = _take_apart(url, wary=True)
    return url if parts is None else _joined(parts, has_tokens=parts.scheme not in _TOKENLESS_SCHEMES)


def has_token(path: str) -> bool:
    """Whether the *path* of a URL holds a ``/t/TOKEN``."""
    return "/t/" in path.lower() and _TOKEN.search(path) is not None


def is_token_name(name: str) -> bool:
    """Whether *name* is a token and a channel, ``t/TOKEN/CHANNEL``, where only a channel may stand."""
    return "t/" in name.lower() and _TOKEN_NAME.fullmatch(name) is not None


def is_secret_name(name: str) -> bool:
    """Whether a variable called *name* holds a secret, by its name.

    >>> [is_secret_name(name) for name in ("MY_TOKEN", "api_key", "TOKENIZERS_PARALLELISM")]
    [True, True, False]
    """
    return _SECRET_NAME.search(name) is not None


def is_secret_value(value: str) -> bool:
    """Whether *value* holds what has the form of a token of a well-known service, or a private key.

    >>> is_secret_value("ghp_" + 36 * "a"), is_secret_value("sk-learn")
    (True, False)
    """
    return _SECRET_VALUE.search(value) is not None


def without_secret_query(text: str) -> str:
    """*text* without those parameters in the queries of its URLs of which the name or the value tells a secret.

    >>> without_secret_query("x @ https://h/x.whl?v=1&token=tk-123#sha256=0")
    'x @ https://h/x.whl?v=1#sha256=0'
    """
    return _QUERY.sub(_without_secret_parameters, text) if "?" in text else text


def _without_secret_parameters(found: re.Match[str]) -> str:
    kept = [each for each in found["query"].split("&") if not _is_secret_parameter(each)]
    if len(kept) == found["query"].count("&") + 1:
        return found[0]
    return f"{found['head']}?{'&'.join(kept)}" if kept else found["head"]


def _is_secret_parameter(text: str) -> bool:
    name, _, value = text.partition("=")
    name = name.replace("-", "_")
    return bool(is_secret_name(name) or _SECRET_PARAMETER.search(name) or is_secret_value(value))


def check_url(url: str) -> None:
    """Raise DataError for a URL whose host, port or login cannot be made out (RFC 3986, section 3.2)."""
    parts = _take_apart(url, wary=True)
    if parts is None:
        raise DataError(f"'{without_credentials_in_word(url)}' is not a URL.")
    shown = _shown_url(url)
    if parts.is_odd:
        raise DataError(
            f"where user name and password end in the URL of '{shown}' cannot be told.",
            hint="Write / in them as %2F, ? as %3F, # as %23 and @ as %40; an @ in the path as %40, too.",
        )
    if parts.scheme in _TOKEN_SCHEMES and not parts.host:
        raise DataError(f"'{shown}' is not a valid URL: it names no host.")
    try:
        split = urlsplit(f"{parts.scheme}://{parts.host}/")
        is_right = (split.port or 0) <= _HIGHEST_PORT and (_has_port(parts.host) or parts.scheme == "file")
    except ValueError:  # Its own text would quote the host.
        is_right = False
    if not is_right:
        raise DataError(f"'{shown}' is not a valid URL: expected HOST or HOST:PORT behind its ://.")


def _take_apart(url: str, *, wary: bool) -> _Parts | None:
    """The parts of *url* without its login; *wary*: also where only its look speaks for a login. None: no URL."""
    found = URL.fullmatch(url)
    if found is None:
        return None
    scheme, authority, path, rest = found.groups()
    scheme = scheme.lower()
    login, _, host = authority.rpartition("@")
    # A repository of this machine is a path, too, in which @ stands before a revision: `git+file:///r@v1`.
    is_file = scheme.rpartition("+")[2] == "file"
    is_odd = not is_file and _is_login_cut(login, host, path, rest)
    if wary and not is_odd and "+" not in scheme and not is_file:
        is_odd = _may_be_login(login, host, path, rest)
    if is_odd:
        whole = f"{host}{path}{rest}"
        # What `git+https` leads to may end in @TAG.
        end = re.search(r"^.*@(?=[^@]*/)" if "+" in scheme else r"^.*@", whole, re.DOTALL)
        again = _AFTER_LOGIN.fullmatch(whole[end.end() :] if end else whole.rpartition("@")[2])
        assert again is not None, "the pattern matches every text"
        host, path, rest = again.groups()
    return _Parts(scheme, host.lower(), path, rest, is_odd)


def _is_login_cut(login: str, host: str, path: str, rest: str) -> bool:
    """Whether a slash or the like in a password made a host of its first half: `user:half` has no such port."""
    if "@" not in path + rest:
        return False
    return not _has_port(host) or not (host or login)


def _may_be_login(login: str, host: str, path: str, rest: str) -> bool:
    """Whether `user:1/2@host` or `user:p@ss/word@host` was meant, though it can be read as a URL."""
    if "@" not in (path.strip("/") or rest):
        return False
    name, mark, _ = host.partition(":")
    return ":" in login or (bool(mark) and "." not in name and name.lower() not in ("localhost", "["))


def _has_port(host: str) -> bool:
    """Whether *host* is a name or an address, and its port, if it has one, a number that ports have."""
    found = _HOST.fullmatch(host)
    return found is not None and (not found[2] or (len(found[2]) <= 5 and int(found[2]) <= _HIGHEST_PORT))


def _joined(parts: _Parts, *, has_tokens: bool) -> str:
    path = _without_tokens(parts.path, 1) if has_tokens else parts.path
    return f"{parts.scheme}://{parts.host}{path}{parts.rest}"


def _without_tokens(path: str, most: int = 0) -> str:
    """*path* without its first *most* tokens, 0 for all."""
    return _TOKEN.sub("", path, count=most) if "/t/" in path.lower() else path
