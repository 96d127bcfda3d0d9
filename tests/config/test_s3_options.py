"""How buckets and registries are configured: `s3_options` and `insecure_registries`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envmgr.config.settings import S3Options
from envmgr.config.store import load_settings
from envmgr.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def load(home: Path, text: str, **environ: str):
    path = home / ".config" / "envmgr" / "config.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return load_settings(environ, home=home, subdir="linux-64").settings


def test_a_bucket_has_its_own_options_in_our_spelling_or_pixis(tmp_path):
    settings = load(
        tmp_path,
        "s3_options:\n"
        "  mine: {endpoint_url: $STORE/, region: eu-central-1, force_path_style: false}\n"
        "  theirs: {endpoint-url: https://r2.example.org, force-path-style: true}\n"
        "  public:\n    unsigned: true\n",
        STORE="http://localhost:9000",
    )
    assert settings.s3_options == {
        "mine": S3Options("http://localhost:9000", "eu-central-1", force_path_style=False),
        "theirs": S3Options("https://r2.example.org", force_path_style=True),
        "public": S3Options(unsigned=True),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3_options: mine", "a mapping from buckets to their options"),
        ("s3_options: {mine: x}", "a mapping of endpoint_url, region, force_path_style, unsigned"),
        ("s3_options: {mine: {endpoint: x}}", "a mapping of endpoint_url, region"),
        ("s3_options: {mine: {endpoint_url: x}}", "options whose endpoint_url is a URL"),
        ("s3_options: {mine: {force_path_style: maybe}}", "options whose force_path_style is true or false"),
        ("s3_options: {mine: {region: [a]}}", "options whose region is one text"),
        ("insecure_registries: [http://host]", "a list of hosts, each as HOST or HOST:PORT"),
    ],
)
def test_wrong_options_name_the_line_and_what_was_expected(tmp_path, text, expected):
    with pytest.raises(ConfigError, match=r"config\.yml:1: ") as caught:
        load(tmp_path, text)
    assert expected in str(caught.value)


def test_insecure_registries_are_hosts_and_stand_in_a_variable_too(tmp_path):
    settings = load(tmp_path, "", ENVMGR_INSECURE_REGISTRIES="Registry.local:5000,10.0.0.1")
    assert settings.insecure_registries == ("registry.local:5000", "10.0.0.1")
