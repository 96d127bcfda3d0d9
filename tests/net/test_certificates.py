"""TLS against real servers: whose certificates are trusted, which one is shown, and how failures are explained."""

from __future__ import annotations

import datetime
import os
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from envmgr.errors import ChannelError
from envmgr.net.certificates import TlsOptions, describe_trust
from envmgr.net.http import HttpOptions, HttpTransport
from tests.authorities import Authority
from tests.servers import serve

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def no_authorities_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/file").write_bytes(b"content")
    return tmp_path / "served"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(folder, authority):
    with serve(folder, tls=authority.server()) as running:
        yield running


def transport(verify: bool | str = True, certificate=None, key=None, told=None) -> HttpTransport:
    tls = TlsOptions(
        verify if isinstance(verify, bool) else str(verify),
        str(certificate) if certificate else None,
        str(key) if key else None,
    )
    options = HttpOptions(retries=0, connect_timeout_seconds=5, read_timeout_seconds=5, tls=tls)
    return HttpTransport(options, on_retry=told.append if told is not None else None)


def read(server, *arguments, **options) -> bytes:
    with transport(*arguments, **options).open(f"{server.url}/file") as response:
        return b"".join(response.iter_bytes())


def failure(server, *arguments, **options) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        read(server, *arguments, **options)
    return caught.value


# Who is trusted


def test_an_authority_that_nobody_named_is_not_trusted(server):
    error = failure(server)
    assert str(error) == (
        f"the certificate of {server.url}/file was not accepted: unable to get local issuer certificate."
    )
    assert "ssl_verify: truststore" in str(error.hint)


def test_the_file_of_an_authority_is_trusted_and_nothing_else(server, authority, tmp_path):
    assert read(server, authority.bundle) == b"content"
    other = Authority(tmp_path, "other")
    assert "was not accepted" in str(failure(server, other.bundle))


def test_a_folder_of_certificates_is_trusted(server, authority, tmp_path):
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    Authority(trusted, "other")
    assert "was not accepted" in str(failure(server, trusted))
    shutil.copy(authority.bundle, trusted / "Ours.CRT")
    (trusted / "README").write_text("no certificate")
    assert read(server, trusted) == b"content"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_folder_that_openssl_prepared_is_used_as_it_is(server, authority, tmp_path):
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    shutil.copy(authority.bundle, trusted / "ours.pem")
    (trusted / "damaged.pem").write_text("-----BEGIN CERTIFICATE-----\nxx\n")
    subprocess.run(["openssl", "rehash", str(trusted)], check=False, capture_output=True, timeout=30)
    assert [name for name in os.listdir(trusted) if name.endswith(".0")]
    assert read(server, trusted) == b"content"


@pytest.mark.parametrize("variable", VARIABLES)
def test_variables_name_the_authorities_unless_the_setting_does(
    server, authority, tmp_path, monkeypatch, variable
):
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    shutil.copy(authority.bundle, trusted / "ours.pem")
    monkeypatch.setenv(
        variable, f"{tmp_path / 'other'}:{trusted}" if variable.endswith("DIR") else str(authority.bundle)
    )
    other = Authority(tmp_path, "other")
    (tmp_path / "other").mkdir()
    shutil.copy(other.bundle, tmp_path / "other/other.pem")
    assert read(server) == b"content"
    assert "was not accepted" in str(failure(server, other.bundle))


def test_the_variable_of_requests_is_stronger_than_that_of_openssl(server, authority, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path, "other").bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    assert read(server) == b"content"


def test_the_operating_system_is_asked_where_the_setting_says(server, authority, monkeypatch):
    assert "was not accepted" in str(failure(server, "truststore"))
    # On Linux, OpenSSL's own variable tells where the system's authorities are; those of requests do not count.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    assert read(server, "truststore") == b"content"


def test_nothing_is_checked_where_the_setting_says_and_that_is_told_once(server, authority, recwarn):
    told: list[str] = []
    unchecked = transport(verify=False, told=told)
    for _ in range(3):
        with unchecked.open(f"{server.url}/file") as response:
            assert b"".join(response.iter_bytes()) == b"content"
    (sentence,) = told
    assert sentence.startswith(
        "certificates are not checked, because ssl_verify is false: whoever is on the way "
    )
    assert list(recwarn) == []


def test_web_without_tls_is_nothing_to_warn_about(folder):
    told: list[str] = []
    with serve(folder) as plain:
        assert read(plain, verify=False, told=told) == b"content"
    assert told == []


UNUSABLE = {
    "missing": (None, "no such file or directory"),
    "no certificate": ("hello\n", "it holds no certificate"),
    "damaged": ("-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", "it holds no certificate"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_authorities_that_cannot_be_read_are_named_with_who_named_them(server, tmp_path, monkeypatch, case):
    text, reason = UNUSABLE[case]
    bundle = tmp_path / "bundle.pem"
    if text is not None:
        bundle.write_text(text)
    expected = f"the certificates in {bundle} cannot be used: {reason}."
    error = failure(server, bundle)
    assert (str(error), error.hint) == (expected, "ssl_verify names them.")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    error = failure(server)
    assert (str(error), error.hint) == (expected, "SSL_CERT_FILE names them.")
    assert server.requests == []


def test_a_folder_without_certificates_is_named(server, tmp_path):
    (tmp_path / "empty").mkdir()
    expected = (
        f"the certificates in {tmp_path}/empty cannot be used: the folder holds no .pem, .crt, .cer file."
    )
    assert str(failure(server, tmp_path / "empty")) == expected


def test_what_is_trusted_can_be_told(authority, monkeypatch):
    assert describe_trust(False, {}) == "nothing (ssl_verify is false)"
    assert describe_trust("truststore", {}) == "the operating system's authorities"
    assert describe_trust("/ca.pem", {"SSL_CERT_FILE": "/other"}) == "/ca.pem (ssl_verify)"
    assert describe_trust(True, {}) == "the authorities of certifi"
    both = {"SSL_CERT_FILE": "/a.pem", "SSL_CERT_DIR": f"/b{os.pathsep}/c"}
    assert describe_trust(True, both) == "/a.pem (SSL_CERT_FILE), /b (SSL_CERT_DIR), /c (SSL_CERT_DIR)"


# What servers do wrong


def test_a_certificate_that_expired_is_explained(folder, authority):
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    with serve(folder, tls=authority.server(not_after=past)) as server:
        error = failure(server, authority.bundle)
    assert str(error).endswith("was not accepted: certificate has expired.")
    assert str(error.hint).startswith("Check this machine's clock; ")


def test_a_certificate_of_another_host_is_explained(folder, authority):
    with serve(folder, tls=authority.server("other.test")) as server:
        error = failure(server, authority.bundle)
    assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in str(error)
    assert error.hint == "Check the address."


@pytest.mark.parametrize("verify", [True, False, "truststore"])
def test_a_server_without_tls_is_explained(folder, verify):
    with serve(folder) as server:
        server.url = server.url.replace("http:", "https:")
        error = failure(server, verify)
    assert str(error) == f"{server.url}/file does not speak TLS."
    assert error.hint == "Check whether the address begins with http:// instead."


# Client certificates


@pytest.fixture
def strict(folder, authority):
    with serve(folder, tls=authority.server(client_ca=authority)) as running:
        yield running


@pytest.mark.parametrize("verify", ["bundle", False, "truststore"])
def test_the_client_certificate_is_shown(strict, authority, monkeypatch, verify):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    certificate, key, both = authority.client()
    trusted = authority.bundle if verify == "bundle" else verify
    assert read(strict, trusted, certificate, key) == b"content"
    assert read(strict, trusted, both) == b"content"


def test_a_server_that_wants_a_client_certificate_is_explained(folder, authority, tmp_path):
    context = authority.server(client_ca=authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve(folder, tls=context) as strict:
        error = failure(strict, authority.bundle)
        assert str(error) == f"{strict.url}/file refused the connection: no client certificate was shown."
        assert "client_ssl_cert" in str(error.hint)
        certificate, key, _ = Authority(tmp_path, "strange").client()
        error = failure(strict, authority.bundle, certificate, key)
        assert str(error) == f"{strict.url}/file refused the client certificate {certificate}."


def test_a_server_that_hangs_up_for_want_of_a_client_certificate_is_explained(strict, authority):
    """With TLS 1.3 the reason may be lost on the way, but not the hint."""
    error = failure(strict, authority.bundle)
    reasons = ("refused the connection: no client certificate was shown.", "the connection was closed.")
    assert str(error).endswith(reasons)
    assert "client_ssl_cert" in str(error.hint)


def test_client_certificates_that_cannot_be_used_are_named(server, authority, tmp_path):
    certificate, key, _ = authority.client()
    _, other, _ = authority.client("other")
    locked = tmp_path / "locked.key"
    encryption = serialization.BestAvailableEncryption(b"secret")
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(private.private_bytes(pem, form, encryption))
    (tmp_path / "text").write_text("hello\n")
    for files, reason in [
        ((tmp_path / "none",), f"{tmp_path}/none is no file"),
        ((certificate, tmp_path / "none"), f"{tmp_path}/none is no file"),
        ((certificate, other), f"the key in {other} belongs to another certificate"),
        ((certificate, locked), f"the key in {locked} is protected by a password"),
        ((certificate,), f"no certificate with its key can be read from {certificate}"),
        (
            (certificate, tmp_path / "text"),
            f"no certificate with its key can be read from {certificate} and {tmp_path}/text",
        ),
    ]:
        error = failure(server, authority.bundle, *files)
        assert str(error) == f"the client certificate cannot be used: {reason}."
    assert server.requests == []
