"""Channels of every scheme have the same parts, and relative places are found in each (CEP 15)."""

from __future__ import annotations

import pytest

from envmgr.channels.urls import package_base_url
from envmgr.errors import DataError
from envmgr.models.channel import Channel, login_hint, split_url, without_credentials

PLACES = ["https://example.org", "s3://bucket", "oci://ghcr.io", "oci://localhost:5000"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("written", "found"),
    [
        (None, "/a/channel/noarch/"),
        ("", "/a/channel/noarch/"),
        (".", "/a/channel/noarch/"),
        ("../files", "/a/channel/files/"),
        ("/other", "/other/"),
        ("./x/#part", "/a/channel/noarch/x/"),
    ],
)
def test_a_base_url_is_relative_to_the_index(place, written, found):
    assert package_base_url(f"{place}/a/channel/noarch", written) == f"{place}{found}"


@pytest.mark.parametrize("scheme", ["s3", "oci"])
def test_a_channel_elsewhere_may_point_to_the_web_and_the_web_not_elsewhere(scheme):
    assert (
        package_base_url(f"{scheme}://h/c/noarch", "https://cdn.example.org/c")
        == "https://cdn.example.org/c/"
    )
    for subdir_url, base_url in (
        (f"{scheme}://h/c/noarch", "file:///etc"),
        ("https://h/c/noarch", f"{scheme}://h/c"),
    ):
        with pytest.raises(DataError, match="leads away from the web"):
            package_base_url(subdir_url, base_url)


@pytest.mark.parametrize("place", PLACES)
def test_channels_are_split_alike(place):
    assert split_url(f"{place}/a/channel/linux-64/x-1!2+3-0.conda") == (
        f"{place}/a/channel",
        "linux-64",
        "x-1!2+3-0.conda",
    )
    channel = Channel.parse(f"{place}/a/channel/linux-64/")
    assert (channel.url, channel.subdir_url("noarch")) == (f"{place}/a/channel", f"{place}/a/channel/noarch")


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://me:pw@h/t/tk-1/c", "https://h/c"),
        ("oci://me:pw@H:5000/t/tools/c", "oci://h:5000/t/tools/c"),
        ("s3://bucket/t/tools/c", "s3://bucket/t/tools/c"),
    ],
)
def test_a_folder_called_t_holds_a_token_only_on_the_web(url, clean):
    assert without_credentials(url) == clean


def test_the_hint_for_a_login_names_a_bucket_as_one():
    assert "envmgr auth login s3://bucket stores" in login_hint("s3://bucket/c/noarch/repodata.json")
    assert "envmgr auth login h:5000 stores" in login_hint("oci://h:5000/c/noarch/repodata.json")


@pytest.mark.parametrize("place", PLACES)
def test_spaces_of_a_base_url_are_quoted(place):
    assert (
        package_base_url(f"{place}/a/channel/noarch", " my files ") == f"{place}/a/channel/noarch/my%20files/"
    )


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("https://h/a\nb", "holds a line break"),
        ("https://h/a\x1b[2J", "holds a line break or another control character"),
        ("https://h/\x85", "holds a line break"),
        ("http://[::1/x", "is no valid URL"),
        ("//[x]/y", "is no valid URL"),
        ("http://h:99999999/x", "is no valid URL"),
        ("//h:x/y", "is no valid URL"),
        ("http://me:pw@[::1/x", r"'http://\[::1/x' is no valid URL"),
    ],
)
def test_a_base_url_that_is_none_is_refused_in_one_line(written, complaint):
    with pytest.raises(DataError, match=complaint) as caught:
        package_base_url("https://example.org/c/noarch", written)
    assert str(caught.value).isprintable()
