"""Signs requests for AWS and what speaks like it: Signature Version 4, in the Authorization header.

Follows "Signature Version 4 signing process" of the AWS Identity and Access Management guide, and for S3
"Authenticating Requests: Using the Authorization Header" of the S3 API reference: there the path is encoded once
and never normalised. Only requests with neither query nor body are signed. Nothing here knows where keys come from.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec import Struct

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()
"""What stands for a body of no bytes."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class AccessKey(Struct, frozen=True):
    """A pair of keys, and the token that belongs to keys for a limited time; only the identifier is shown."""

    key_id: str
    secret: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"AccessKey({self.key_id!r})"


class Scope(Struct, frozen=True):
    """Where a signature holds: the region and the service, such as ``eu-central-1`` and ``s3``."""

    region: str
    service: str = "s3"


class Target(Struct, frozen=True):
    """What is asked for with GET, without a query: the host as in the Host header, and the encoded path."""

    host: str
    path: str


def encode_path(path: str) -> str:
    """*path* as it stands in a URL and in the signature: all but unreserved characters and slashes encoded.

    >>> encode_path("/my channel/noarch/a-1!2+3.conda")
    '/my%20channel/noarch/a-1%212%2B3.conda'
    """
    return quote(path, safe="/-_.~")


def sign(
    target: Target, headers: Mapping[str, str], key: AccessKey, scope: Scope, moment: datetime.datetime
) -> dict[str, str]:
    """*headers* and those that make the request a signed one, all of them signed but Authorization itself.

    *moment* is the time of the request, in UTC; the other side accepts it for some minutes.
    """
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    signed |= {"host": target.host, "x-amz-date": stamp}
    if key.session_token:
        signed["x-amz-security-token"] = key.session_token
    names = ";".join(sorted(signed))
    request = _canonical_request(target, signed, names)
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, place, hashlib.sha256(request.encode()).hexdigest()))
    signature = hmac.new(signing_key(key.secret, stamp[:8], scope), text.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={key.key_id}/{place}, SignedHeaders={names}, Signature={signature}"
    del signed["host"]  # The client sends it by itself.
    return {**signed, "authorization": f"{_ALGORITHM} {credential}"}


def _canonical_request(target: Target, headers: Mapping[str, str], names: str) -> str:
    lines = ["GET", target.path, ""]
    lines += [f"{name}:{headers[name]}" for name in sorted(headers)]
    return "\n".join([*lines, "", names, headers.get("x-amz-content-sha256", EMPTY_SHA256)])


def signing_key(secret: str, day: str, scope: Scope) -> bytes:
    """The key that holds for one *day* (``YYYYMMDD``) and one scope, from which the secret cannot be had back."""
    key = f"AWS4{secret}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
