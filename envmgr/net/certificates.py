"""TLS: whose certificates are trusted, which one is shown, and how to explain a handshake that failed.

What is trusted follows `ssl_verify`: a path is that file or folder and nothing else, ``"truststore"`` what the
operating system trusts, True what a variable names (REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE and
SSL_CERT_DIR, the first two before the others) or else the authorities of the `certifi` package, as conda does it.
`ssl` itself is imported when the first connection is secured.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct

from envmgr.errors import ChannelError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

OF_THE_SYSTEM: Final = "truststore"
_VARIABLES: Final = (("REQUESTS_CA_BUNDLE",), ("CURL_CA_BUNDLE",), ("SSL_CERT_FILE", "SSL_CERT_DIR"))
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.\d+")
_ENDINGS: Final = (".pem", ".crt", ".cer")


class TlsOptions(Struct, frozen=True):
    """Whether and against what certificates are checked (`ssl_verify`), and the files of the one to show."""

    verify: bool | str = True
    certificate: str | None = None
    key: str | None = None


class Trusted(NamedTuple):
    """A file or folder of authorities, and who named it, for messages."""

    path: str
    named_by: str


def find_trusted(verify: bool | str, environ: Mapping[str, str]) -> tuple[Trusted, ...]:
    """The files and folders of the trusted authorities; empty where nothing is checked or the system decides."""
    if verify is False or verify == OF_THE_SYSTEM:
        return ()
    if isinstance(verify, str):
        return (Trusted(verify, "ssl_verify"),)
    for names in _VARIABLES:
        found = [
            Trusted(path, name)
            for name in names
            for path in environ.get(name, "").split(os.pathsep if name.endswith("_DIR") else "\0")
            if path
        ]
        if found:
            return tuple(found)
    import certifi

    return (Trusted(certifi.where(), "certifi"),)


def describe_trust(verify: bool | str, environ: Mapping[str, str]) -> str:
    """What certificates are checked against, for a sentence."""
    if verify is False:
        return "nothing (ssl_verify is false)"
    if verify == OF_THE_SYSTEM:
        return "the operating system's authorities"
    return ", ".join(
        "the authorities of certifi" if each.named_by == "certifi" else f"{each.path} ({each.named_by})"
        for each in find_trusted(verify, environ)
    )


def make_context(options: TlsOptions, environ: Mapping[str, str]) -> ssl.SSLContext:
    """How connections are secured; raises ChannelError naming the file that cannot be used."""
    context = _empty_context(options.verify)
    for trusted in find_trusted(options.verify, environ):
        _load_trusted(context, trusted)
    if options.certificate is not None:
        _load_own(context, options.certificate, options.key)
    return context


def _empty_context(verify: bool | str) -> ssl.SSLContext:
    import ssl

    if verify == OF_THE_SYSTEM:
        import truststore

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
    from urllib3.util.ssl_ import create_urllib3_context

    return create_urllib3_context(cert_reqs=ssl.CERT_NONE if verify is False else ssl.CERT_REQUIRED)


def _load_trusted(context: ssl.SSLContext, trusted: Trusted) -> None:
    import ssl

    path, named_by = trusted
    try:
        if not os.path.isdir(path):
            context.load_verify_locations(cafile=path)
            return
        names = sorted(os.listdir(path))
        if any(_HASHED.fullmatch(name) for name in names):
            context.load_verify_locations(capath=path)
            return
        files = [os.path.join(path, name) for name in names if name.lower().endswith(_ENDINGS)]
        for file in files:
            path = file
            context.load_verify_locations(cafile=file)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else _words(error)
        raise ChannelError(
            f"the certificates in {path} cannot be used: {reason}.", hint=f"{named_by} names them.", path=path
        ) from None
    if not files:
        raise ChannelError(
            f"the certificates in {path} cannot be used: the folder holds no {', '.join(_ENDINGS)} file.",
            hint=f"{named_by} names it.",
            path=path,
        )


def _load_own(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Loads the client certificate; a key that needs a password is refused, so that nothing asks on a terminal."""
    import ssl

    locked = False

    def refuse() -> bytes:
        nonlocal locked
        locked = True
        return b""

    for path in (certificate, key or certificate):
        if not os.path.isfile(path):
            raise ChannelError(f"the client certificate cannot be used: {path} is no file.", path=path)
    try:
        context.load_cert_chain(certificate, key, password=refuse)
    except OSError as error:
        path = key or certificate
        if locked:
            reason = f"the key in {path} is protected by a password"
        elif getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            reason = f"the key in {path} belongs to another certificate"
        elif isinstance(error, ssl.SSLError):
            files = certificate if path == certificate else f"{certificate} and {path}"
            reason = f"no certificate with its key can be read from {files}"
        else:
            reason = f"{path}: {_words(error)}"
        raise ChannelError(f"the client certificate cannot be used: {reason}.", path=path) from None


def _words(error: OSError) -> str:
    return (error.strerror or "it cannot be read").lower()


# What failed handshakes mean

_TRUST_HINT: Final = (
    "If your organisation issued it, `ssl_verify: truststore` trusts what the operating system trusts; "
    "the path of a bundle or folder trusts that."
)
_CLIENT_HINT: Final = "If it asks for a client certificate, client_ssl_cert names the file."
_EXPIRED, _NOT_YET, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64
_HINTS: Final = {
    _EXPIRED: "Check this machine's clock; if it is right, the server needs a new certificate.",
    _NOT_YET: "Check this machine's clock.",
    _WRONG_NAME: "Check the address.",
    _WRONG_ADDRESS: "Check the address.",
}
_NO_TLS: Final = frozenset(
    (
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
    )
)
_OLD_TLS: Final = frozenset(("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"))
_WANTS_CERTIFICATE: Final = frozenset(
    (
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
    )
)


class TlsTrouble(NamedTuple):
    """What went wrong, as a sentence without its full stop, and what to do about it."""

    sentence: str
    hint: str | None


def explain_handshake(error: ssl.SSLError, host: str, options: TlsOptions) -> TlsTrouble:
    """What a failed handshake with *host* means; the sentence names the server by that text."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or "it does not verify"
        hint = _HINTS.get(error.verify_code, _TRUST_HINT)
        return TlsTrouble(f"the certificate of {host} was not accepted: {reason}", hint)
    kind: Any = error.reason
    if kind in _NO_TLS:
        return TlsTrouble(
            f"{host} does not speak TLS", "Check whether the address begins with http:// instead."
        )
    if kind in _OLD_TLS:
        return TlsTrouble(f"{host} speaks no TLS newer than 1.1, which is not safe", None)
    if kind in _WANTS_CERTIFICATE:
        if options.certificate is None:
            return TlsTrouble(f"{host} refused the connection: no client certificate was shown", _CLIENT_HINT)
        refused = f"{host} refused the client certificate {options.certificate}"
        return TlsTrouble(refused, "Check client_ssl_cert and its time of validity.")
    words = str(kind).replace("_", " ").lower() if kind else "the connection was closed"
    # A server that misses a client certificate may hang up before its reason is read (TLS 1.3).
    client_hint = _CLIENT_HINT if options.certificate is None else None
    return TlsTrouble(f"no secure connection to {host}: {words}", client_hint)
