"""The token service that a registry sends its readers to, with real signed tokens, on the loopback interface.

It shares no code with envmgr. Namespaces below ``public/`` are everybody's; `users` may pull the others.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SERVICE, ISSUER = "the test's registry", "the test's tokens"


class TokenService:
    """A running service; `requests` are the headers and the query of each request, in order."""

    def __init__(self, folder: Path, users: Mapping[str, str]) -> None:
        crypto = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
        self._key = crypto.generate_private_key(crypto.SECP256R1())
        self._certificate = _self_signed(self._key)
        self.users = dict(users)
        self.seconds = 300
        self.requests: list[tuple[dict[str, str], dict[str, list[str]]]] = []
        self.bundle = folder / "tokens.pem"
        self.bundle.parent.mkdir(parents=True, exist_ok=True)
        self.bundle.write_bytes(self._certificate[0])
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.owner = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/token"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def auth(self) -> dict[str, Any]:
        """The section `auth` of a registry that trusts this service."""
        token = {"realm": self.url, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(self.bundle)}
        return {"token": token}

    def token(self, repository: str, *actions: str) -> str:
        """A token for *actions* in one repository."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        now = int(time.time())
        access = [{"type": "repository", "name": repository, "actions": list(actions)}]
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(self._certificate[1]).decode()]}
        claims = {
            "iss": ISSUER,
            "sub": "",
            "aud": SERVICE,
            "nbf": now - 10,
            "iat": now,
            "exp": now + 300,
            "jti": "1",
        }
        text = ".".join(
            _base64url(json.dumps(part).encode()) for part in (header, {**claims, "access": access})
        )
        numbers = decode_dss_signature(self._key.sign(text.encode(), ECDSA(SHA256())))
        return f"{text}.{_base64url(b''.join(number.to_bytes(32, 'big') for number in numbers))}"

    def answer(
        self, headers: Mapping[str, str], query: Mapping[str, list[str]]
    ) -> tuple[int, dict[str, Any]]:
        """What a request gets: a status and a body."""
        self.requests.append(({name.lower(): value for name, value in headers.items()}, dict(query)))
        kind, _, rest = query["scope"][0].partition(":")
        repository, _, actions = rest.rpartition(":")
        written = headers.get("Authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(written).decode().partition(":")
        is_known = bool(user) and self.users.get(user) == password
        if query["service"] != [SERVICE] or kind != "repository" or actions != "pull":
            return 400, {"errors": [{"code": "UNSUPPORTED"}]}
        if not is_known and (user or not repository.startswith("public/")):
            return 403, {"errors": [{"code": "DENIED"}]}
        return 200, {"token": self.token(repository, "pull"), "expires_in": self.seconds}

    def close(self) -> None:
        """Stops listening."""
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        owner: TokenService = self.server.owner  # type: ignore[attr-defined]
        status, answer = owner.answer(self.headers, parse_qs(urlsplit(self.path).query))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _self_signed(key: Any) -> tuple[bytes, bytes]:
    """A certificate of *key*, as PEM and as DER."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens of a test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - day, now + day
    )
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
        key, hashes.SHA256()
    )
    encodings = serialization.Encoding
    return certificate.public_bytes(encodings.PEM), certificate.public_bytes(encodings.DER)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextlib.contextmanager
def token_service(folder: Path, users: Mapping[str, str]) -> Iterator[TokenService]:
    """Answers until the block ends."""
    service = TokenService(folder, users)
    try:
        yield service
    finally:
        service.close()
