"""Certificates made for one test: an authority, servers that it vouches for, and clients."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import trustme

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("127.0.0.1", "localhost")


class Authority:
    """A certificate authority with its bundle as a file, `bundle`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._name = name
        self._ca = trustme.CA(organization_name=f"Test {name}")
        self.bundle = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.bundle))

    def server(self, *names: str, client_ca: Authority | None = None, **facts: Any) -> ssl.SSLContext:
        """The context of a server called *names*; with *client_ca* it demands a client certificate of that."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(names or NAMES), **facts).configure_cert(context)
        if client_ca is not None:
            client_ca._ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str = "me") -> tuple[Path, Path, Path]:
        """The files of a client's certificate, of its key, and of both together."""
        issued = self._ca.issue_cert(f"{name}@example.org")
        paths = tuple(self._folder / f"{self._name}-{name}.{ending}" for ending in ("pem", "key", "both"))
        certificate, key, both = paths
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        issued.private_key_and_cert_chain_pem.write_to_path(str(both))
        return certificate, key, both
