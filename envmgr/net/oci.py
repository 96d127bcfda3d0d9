"""Channels in OCI registries, by ``oci://HOST/NAMESPACE``: an artifact's manifest names the blob that is the file.

The layout is that of conda-oci-mirror, which mamba and rattler read (channels below ghcr.io/channel-mirrors); the
draft of a CEP about registries has another one, which is not read. Below the namespace of a subdir:

- ``NAME-VERSION-BUILD.conda`` is the layer ``application/vnd.conda.package.v2`` of ``NAME:VERSION-BUILD``, a
  ``.tar.bz2`` the layer ``.v1``. A name that begins with ``_`` gets ``zzz`` before it; in tags ``+``, ``!`` and
  ``=`` are ``__p__``, ``__e__`` and ``__eq__``.
- ``repodata.json`` is a layer ``application/vnd.conda.repodata.v1+json`` of ``repodata.json:latest``, or its form
  ``+gzip``, which is unpacked on the way; ``repodata.json.zst`` and ``.bz2`` are the forms ``+zst`` and ``+bz2``.

Every other file counts as missing. Requests follow the OCI Distribution Specification 1.1, "Pull", and the token
flow of the Docker registry ("Token Authentication Specification"). The ETag of a file is the digest of its layer,
and every whole body is checked against it.

*What is sent where:* credentials and tokens go to the registry, and credentials to the token service that the
registry itself names, over https or where the registry is asked over plain http. Redirects are followed here, hop
by hop; another host gets neither. Plain http is spoken with loopback hosts and with those that the setting
``insecure_registries`` lists.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

import msgspec
from msgspec import Struct

from envmgr.errors import ChannelError
from envmgr.models.channel import without_credentials
from envmgr.net.bodiless import BodilessResponse
from envmgr.ports import OnlyAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from types import TracebackType

    from envmgr.ports import Response, Transport

_MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_REPODATA: Final = "application/vnd.conda.repodata.v1+json"
_GZIPPED: Final = f"{_REPODATA}+gzip"
_FILES: Final = {
    "repodata.json": (_GZIPPED, _REPODATA),
    "repodata.json.zst": (f"{_REPODATA}+zst",),
    "repodata.json.bz2": (f"{_REPODATA}+bz2",),
}
_PACKAGES: Final = {
    ".conda": "application/vnd.conda.package.v2",
    ".tar.bz2": "application/vnd.conda.package.v1",
}
_REPOSITORY: Final = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")
_PARAMETER: Final = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_LARGEST_ANSWER: Final = 4 << 20
_MOST_REDIRECTS: Final = 5
_TOKEN_SECONDS: Final = 60.0
_LOOPBACK: Final = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")


class Artifact(Struct, frozen=True):
    """Where a file of a channel is in a registry: one of the layers with *media_types* (best first) of a tag."""

    repository: str
    tag: str
    media_types: tuple[str, ...]

    @classmethod
    def of_file(cls, path: str) -> Artifact | None:
        """The artifact of ``NAMESPACE/SUBDIR/FILE``, decoded; None for files that registries do not hold.

        >>> Artifact.of_file("mirrors/conda-forge/linux-64/_x264-1!164+2-h1_0.conda").tag
        '1__e__164__p__2-h1_0'
        """
        folder, _, name = path.rpartition("/")
        if name in _FILES:
            return cls(f"{folder}/repodata.json", "latest", _FILES[name])
        extension = next((each for each in _PACKAGES if name.endswith(each)), None)
        parts = name.removesuffix(extension).rsplit("-", 2) if extension else []
        if extension is None or len(parts) != 3:
            return None
        package = f"zzz{parts[0]}" if parts[0].startswith("_") else parts[0]
        tag = f"{parts[1]}-{parts[2]}".replace("+", "__p__").replace("!", "__e__").replace("=", "__eq__")
        return cls(f"{folder}/{package}", tag, (_PACKAGES[extension],))


class Layer(Struct, frozen=True, rename="camel"):
    """One blob of a manifest."""

    media_type: str
    digest: str
    size: int


class Manifest(Struct, frozen=True):
    """What an artifact consists of; layers that are no conda files count too."""

    layers: tuple[Layer, ...] = ()


class _Challenge(Struct, frozen=True):
    """How a registry wants to be asked: with a token from *realm*, or with credentials where that is None."""

    realm: str | None
    service: str | None = None


class _Token(Struct, frozen=True):
    authorization: str
    ends: float

    def __repr__(self) -> str:
        return "_Token(***)"


class _TokenAnswer(Struct, frozen=True):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None


class _Asked(Struct, frozen=True):
    """One file that is being fetched: its URL without credentials, and what to tell the registry."""

    url: str
    registry: str
    artifact: Artifact
    credentials: str | None

    def __repr__(self) -> str:
        return f"_Asked({self.url!r})"


class OciTransport:
    """The Transport for oci URLs; may be used by several threads at once.

    *http* must not follow redirects nor add credentials of its own. *find_authorization* gives the value of the
    Authorization header that is stored for a URL, if any; user and password within a URL are stronger.
    """

    def __init__(
        self,
        http: Transport,
        *,
        insecure: Collection[str] = (),
        find_authorization: Callable[[str], str | None] = lambda _url: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._insecure = frozenset(host.lower() for host in insecure)
        self._find_authorization = find_authorization
        self._now = now
        self._lock = threading.Lock()
        self._challenges: dict[str, _Challenge] = {}
        self._tokens: dict[tuple[str, str, str | None], _Token] = {}

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET the file that a layer holds; 304 when If-None-Match names its digest, 404 where there is none."""
        asked = self._read(url)
        if asked is None:
            return BodilessResponse(without_credentials(url), 404)
        layer = self._find_layer(asked)
        if isinstance(layer, BodilessResponse):
            return layer
        wanted = {name.lower(): value for name, value in (headers or {}).items()}
        tag = f'"{layer.digest}"'
        if wanted.pop("if-none-match", None) == tag:
            return BodilessResponse(asked.url, 304, {"etag": tag})
        for name in ("if-modified-since", "authorization"):
            wanted.pop(name, None)
        if wanted.pop("if-range", tag) != tag or layer.media_type == _GZIPPED:
            wanted.pop("range", None)
        answer = self._ask(
            asked, f"{asked.registry}/v2/{asked.artifact.repository}/blobs/{layer.digest}", wanted
        )
        if answer.status in (401, 403):
            return self._refused(asked, answer)
        return BlobResponse(answer, asked.url, layer)

    def _read(self, url: str) -> _Asked | None:
        shown = without_credentials(url)
        parts = urlsplit(shown)
        path = unquote(parts.path).strip("/")
        if not parts.netloc or "/" not in path or parts.query or parts.fragment:
            raise ChannelError(
                f"{shown} is no file of a registry: expected oci://HOST/NAMESPACE/FILE.", url=shown
            )
        artifact = Artifact.of_file(path)
        if artifact is None:
            return None
        if not _REPOSITORY.fullmatch(artifact.repository) or not _TAG.fullmatch(artifact.tag):
            raise ChannelError(
                f"{shown} cannot be in a registry: '{artifact.repository}:{artifact.tag}' is no valid name there.",
                hint="Registries know lower-case names only.",
                url=shown,
            )
        is_plain = _LOOPBACK.fullmatch(parts.netloc) or parts.netloc in self._insecure
        written = _basic_of(url)
        return _Asked(
            url=shown,
            registry=f"{'http' if is_plain else 'https'}://{parts.netloc}",
            artifact=artifact,
            credentials=written or self._find_authorization(shown),
        )

    def _find_layer(self, asked: _Asked) -> Layer | BodilessResponse:
        """The layer of the best media type; an answer without a body where there is none."""
        artifact = asked.artifact
        url = f"{asked.registry}/v2/{artifact.repository}/manifests/{artifact.tag}"
        with self._ask(asked, url, {"accept": _MANIFEST_TYPES}) as answer:
            if answer.status in (401, 403):
                return self._refused(asked, answer)
            if answer.status != 200:
                return BodilessResponse(asked.url, answer.status)
            try:
                manifest = msgspec.json.decode(_body(answer), type=Manifest)
            except msgspec.MsgspecError:
                raise ChannelError(f"{url} is not a manifest of an OCI artifact.", url=asked.url) from None
        for media_type in artifact.media_types:
            for layer in manifest.layers:
                if layer.media_type == media_type:
                    if not _DIGEST.fullmatch(layer.digest):
                        raise ChannelError(f"{url} names a layer by a digest that is none.", url=asked.url)
                    return layer
        return BodilessResponse(asked.url, 404)

    def _refused(self, asked: _Asked, answer: Response) -> BodilessResponse:
        """An answer, since registries so hide what does not exist; but every channel has an index (CEP 26)."""
        answer.__exit__(None, None, None)
        if not asked.url.endswith("/noarch/repodata.json"):
            return BodilessResponse(asked.url, 403)
        host = urlsplit(asked.registry).netloc
        why = "there is no such channel, or "
        why += "these credentials do not allow to read it" if asked.credentials else "it asks for a login"
        raise ChannelError(
            f"{asked.url} cannot be fetched: {host} refuses it (HTTP status {answer.status}); {why}.",
            hint=f"Log in with `envmgr auth login {host}`.",
            url=asked.url,
            status=answer.status,
        )

    # Requests

    def _ask(self, asked: _Asked, url: str, headers: Mapping[str, str]) -> Response:
        """GET *url* of the registry, with what it asks for: at first what is known, after a 401 what that says."""
        authorization = self._authorization(asked)
        answer = self._follow(url, headers, authorization)
        if answer.status != 401 or not _same_origin(answer.url, asked.registry):
            return answer
        challenge = _challenge_of(answer.headers.get("www-authenticate", ""), asked.registry)
        if challenge is None:
            return answer
        with self._lock:
            self._challenges[asked.registry] = challenge
            self._tokens.pop(_token_key(asked), None)
        renewed = self._authorization(asked)
        if renewed is None or (renewed == authorization and challenge.realm is None):
            return answer
        answer.__exit__(None, None, None)
        return self._follow(url, headers, renewed)

    def _follow(self, url: str, headers: Mapping[str, str], authorization: str | None) -> Response:
        """GET *url* and where it redirects to; *authorization* is for its own origin."""
        current = url
        for _ in range(_MOST_REDIRECTS + 1):
            is_home = authorization is not None and _same_origin(current, url)
            sent = {**headers, "authorization": authorization} if is_home and authorization else dict(headers)
            answer = self._http.open(current, sent)
            place = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not place:
                return answer
            answer.__exit__(None, None, None)
            was_safe = urlsplit(current).scheme == "https"
            current = urljoin(current, place)
            if urlsplit(current).scheme not in (("https",) if was_safe else ("http", "https")):
                raise ChannelError(f"{url} redirects to {_origin(current)}, which is not safe.", url=url)
        raise ChannelError(f"{url} redirects more than {_MOST_REDIRECTS} times.", url=url)

    # Tokens

    def _authorization(self, asked: _Asked) -> str | None:
        """What to send to the registry; before it ever asked for something, nothing but a bearer token."""
        if asked.credentials and asked.credentials.startswith("Bearer "):
            return asked.credentials
        with self._lock:
            challenge = self._challenges.get(asked.registry)
            token = self._tokens.get(_token_key(asked))
        if challenge is None:
            return None
        if challenge.realm is None:
            return asked.credentials
        if token is None or token.ends <= self._now():
            token = self._fetch_token(asked, challenge)
            if token is not None:
                with self._lock:
                    self._tokens[_token_key(asked)] = token
        return token.authorization if token is not None else None

    def _fetch_token(self, asked: _Asked, challenge: _Challenge) -> _Token | None:
        """A token to pull from one repository; None where the service does not give one."""
        realm = challenge.realm or ""
        query = {"service": challenge.service} if challenge.service else {}
        query["scope"] = f"repository:{asked.artifact.repository}:pull"
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query, quote_via=quote, safe=':/')}"
        with self._follow(url, {}, asked.credentials) as answer:
            if answer.status in (400, 401, 403, 404):
                return None
            if answer.status != 200:
                raise _no_token(asked, realm, f"HTTP status {answer.status}", answer.status)
            try:
                found = msgspec.json.decode(_body(answer), type=_TokenAnswer)
            except msgspec.MsgspecError:  # Its text could quote the token.
                raise _no_token(asked, realm, "something that is no token") from None
        token = found.token or found.access_token
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise _no_token(asked, realm, "something that is no token")
        seconds = found.expires_in if found.expires_in and found.expires_in > 0 else _TOKEN_SECONDS
        return _Token(f"Bearer {token}", self._now() + seconds * 0.9)


class BlobResponse(OnlyAnswer):
    """A layer on its way: checked against its digest when it is whole, unpacked where its media type says so."""

    def __init__(self, answer: Response, url: str, layer: Layer) -> None:
        self._answer = answer
        self._layer = layer
        self._is_packed = layer.media_type == _GZIPPED and answer.status == 200
        self.status = answer.status
        self.url = url
        kept = {name: value for name, value in answer.headers.items() if name in _KEPT_HEADERS}
        if self._is_packed:
            kept.pop("content-length", None)
        self.headers: Mapping[str, str] = {**kept, "etag": f'"{layer.digest}"'}

    def iter_bytes(self, size: int = 1 << 16) -> Iterator[bytes]:
        """The file; raises ChannelError at its end when it is not what the manifest named."""
        chunks = self._checked(size) if self.status == 200 else self._answer.iter_bytes(size)
        return _unpacked(chunks, self.url) if self._is_packed else chunks

    def _checked(self, size: int) -> Iterator[bytes]:
        algorithm, _, expected = self._layer.digest.partition(":")
        digest = hashlib.new(algorithm)
        for chunk in self._answer.iter_bytes(size):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != expected:
            raise ChannelError(
                f"{self.url} is damaged: its {algorithm} is {digest.hexdigest()}, its manifest says {expected}.",
                url=self.url,
            )

    def __enter__(self) -> BlobResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.__exit__(kind, error, trace)


_KEPT_HEADERS: Final = frozenset(("content-length", "content-range", "accept-ranges", "content-encoding"))


def _unpacked(chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
    import zlib

    unpacker = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            rest = chunk
            while rest and not unpacker.eof:
                yield unpacker.decompress(rest, 1 << 20)
                rest = unpacker.unconsumed_tail
    except zlib.error:
        raise ChannelError(f"{url} is damaged: it is not in the form of gzip.", url=url) from None
    if not unpacker.eof:
        raise ChannelError(f"{url} is damaged: the data in the form of gzip end early.", url=url)


def _body(answer: Response) -> bytes:
    """The whole of a small answer; ChannelError when it is not small."""
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise ChannelError(f"the answer from {answer.url} is too large.", url=answer.url)
    return bytes(body)


def _basic_of(url: str) -> str | None:
    """The Authorization for user and password within a URL."""
    written = urlsplit(url).netloc.rpartition("@")[0]
    if not written:
        return None
    user, _, password = written.partition(":")
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def _challenge_of(header: str, registry: str) -> _Challenge | None:
    """What a WWW-Authenticate header asks for; tokens are preferred, and other schemes are not known.

    A token service that would get credentials over plain http, unlike the registry, is not used.
    """
    for start in re.finditer(r"(?:^|,)\s*Bearer\s+", header, re.IGNORECASE):
        parameters: dict[str, str] = {}
        for name, quoted, bare in _PARAMETER.findall(header[start.end() :]):
            parameters.setdefault(name.lower(), quoted or bare)  # Another challenge may follow.
        realm = parameters.get("realm", "")
        allowed = ("http", "https") if registry.startswith("http:") else ("https",)
        if urlsplit(realm).scheme in allowed and urlsplit(realm).netloc:
            return _Challenge(realm, parameters.get("service"))
    is_basic = re.search(r"(?:^|,)\s*Basic\b", header, re.IGNORECASE)
    return _Challenge(None) if is_basic else None


def _no_token(asked: _Asked, realm: str, found: str, status: int | None = None) -> ChannelError:
    sentence = f"{asked.url} cannot be fetched: the token service {_origin(realm)} answered with {found}."
    return ChannelError(sentence, url=asked.url, status=status)


def _token_key(asked: _Asked) -> tuple[str, str, str | None]:
    return asked.registry, asked.artifact.repository, asked.credentials


def _origin(url: str) -> str:
    parts = urlsplit(without_credentials(url))
    return f"{parts.scheme}://{parts.netloc}"


def _same_origin(url: str, other: str) -> bool:
    return _origin(url) == _origin(other)
