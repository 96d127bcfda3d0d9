"""Settings that are mappings: which shapes they may have, how they are joined, and how wrong entries are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envmgr.config.store import LoadedSettings, load_settings
from envmgr.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def load(home: Path, **environ: str) -> LoadedSettings:
    return load_settings(environ, home=home, subdir="linux-64")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def own(home: Path, text: str) -> Path:
    return write(home / ".config" / "envmgr" / "config.yml", text)


def test_mirrors_are_read_with_one_url_or_several(tmp_path):
    path = own(
        tmp_path,
        "mirrors:\n"
        "  https://me:secret@Conda.Anaconda.org/conda-forge/:\n"
        "    - https://user:word@$HOST/conda-forge/\n"
        "    - https://conda.anaconda.org/conda-forge\n"
        "  https://conda.anaconda.org: file:///srv/mirror\n",
    )
    loaded = load(tmp_path, HOST="mirror.org")
    assert loaded.settings.mirrors == {
        "https://conda.anaconda.org/conda-forge": (
            "https://user:word@mirror.org/conda-forge",
            "https://conda.anaconda.org/conda-forge",
        ),
        "https://conda.anaconda.org": ("file:///srv/mirror",),
    }
    assert loaded.sources["mirrors"] == f"{path}:2"


def test_condas_proxies_are_joined_entry_by_entry_and_ours_replace_them(tmp_path):
    weak = write(tmp_path / ".conda" / ".condarc", "proxy_servers: {http: http://a:1, https: http://a:2}\n")
    strong = write(
        tmp_path / ".condarc", "proxy_servers:\n  http: b:1\n  https://Host.org: socks5://u:p@b:2\n  all:\n"
    )
    loaded = load(tmp_path)
    assert loaded.settings.proxy_servers == {
        "http": "b:1",
        "https": "http://a:2",
        "https://host.org": "socks5://u:p@b:2",
    }
    assert loaded.sources["proxy_servers"] == f"{strong}:2, {weak}:1"
    own(tmp_path, "proxy_servers: {all: http://c:1}\n")
    assert load(tmp_path).settings.proxy_servers == {"all": "http://c:1"}


WRONG = [
    (
        "mirrors: [a]\n",
        "1: `mirrors` must be a mapping from URLs to lists of URLs, in the settings file, found a list.",
    ),
    ("mirrors:\n  https://a: []\n", "2: `https://a` in `mirrors` must be a list of URLs, found a list."),
    ("mirrors:\n  https://a: [b]\n", "2: `https://a` in `mirrors` must be a list of URLs, found a list."),
    (
        "mirrors:\n  https://a: {b: c}\n",
        "2: `https://a` in `mirrors` must be a list of URLs, found a mapping.",
    ),
    (
        "mirrors:\n  https://a: [[b]]\n",
        "2: `https://a` in `mirrors` must be a list of URLs, found something nested.",
    ),
    ("mirrors:\n  a: [https://b]\n", "2: `a` in `mirrors` must be a URL with its mirrors, found a list."),
    (
        "mirrors:\n  https://a: https://b\n  https://a/: https://u:secret@c\n",
        "3: `https://a/` in `mirrors` must be given once only, found `https://c`.",
    ),
    (
        "proxy_servers: http://user:secret@proxy\n",
        (
            "1: `proxy_servers` must be a mapping from http, https or a host to the URL of a proxy, "
            "in the settings file, found `http://proxy`."
        ),
    ),
    (
        "proxy_servers:\n  http: ['http://u:secret@p']\n",
        "2: `http` in `proxy_servers` must be the URL of a proxy, as in http://HOST:PORT, found a list.",
    ),
    (
        "proxy_servers:\n  http: x\n  ftp: http://u:secret@p\n",
        (
            "3: `ftp` in `proxy_servers` must be http, https, all, or one of these with a host, "
            "as in https://HOST, found `http://p`."
        ),
    ),
    (
        "ssl_verify: [a]\n",
        (
            "1: `ssl_verify` must be true, false, truststore, or the path of a certificate file or folder, "
            "found a list."
        ),
    ),
]


@pytest.mark.parametrize(("text", "complaint"), WRONG)
def test_wrong_entries_are_named_with_their_own_line(tmp_path, text, complaint):
    path = own(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{path}:{complaint}"
    assert "secret" not in f"{caught.value} {caught.value.facts}"


def test_mappings_have_no_variables(tmp_path):
    for name in ("ENVMGR_MIRRORS", "ENVMGR_PROXY_SERVERS"):
        with pytest.raises(ConfigError, match=f"^{name}: a variable cannot hold a mapping"):
            load(tmp_path, **{name: "x"})
    assert load(tmp_path, CONDA_PROXY_SERVERS="x").settings.proxy_servers == {}


def test_certificates_may_come_from_the_operating_system_or_a_path(tmp_path):
    for written, value in [
        ("truststore", "truststore"),
        ("true", True),
        ("no", False),
        ("ca.pem", str(tmp_path / ".config/envmgr/ca.pem")),
    ]:
        own(tmp_path, f"ssl_verify: {written}\n")
        assert load(tmp_path).settings.ssl_verify == value


def test_condas_names_of_the_client_certificate_are_read(tmp_path):
    write(tmp_path / ".condarc", "client_ssl_cert: ~/me.pem\nclient_ssl_cert_key: me.key\n")
    settings = load(tmp_path).settings
    assert settings.client_ssl_cert == str(tmp_path / "me.pem")
    assert settings.client_ssl_cert_key == str(tmp_path / "me.key")


def test_pypi_names_are_lists_or_one_name_and_may_be_none(tmp_path):
    path = own(tmp_path, "pypi_names:\n  Py-Thing: Thing\n  meta: []\n  both: [one, Two_x]\n")
    assert load(tmp_path).settings.pypi_names == {
        "py-thing": ("Thing",),
        "meta": (),
        "both": ("one", "Two_x"),
    }
    write(path, "pypi_names:\n  odd: ['not a name']\n")
    with pytest.raises(ConfigError, match=r"`odd` in `pypi_names` must be a list of PyPI names"):
        load(tmp_path)
