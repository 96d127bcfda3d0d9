"""Channel names, URLs and file names of CEP 26."""

from __future__ import annotations

import pytest

from envmgr.errors import DataError
from envmgr.models.channel import Channel, split_url, without_credentials, without_credentials_in_text
from envmgr.models.identifiers import (
    is_build_string,
    is_package_name,
    is_version_string,
    split_distribution,
)

ALIAS = "https://conda.anaconda.org"


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("conda-forge", "conda-forge", f"{ALIAS}/conda-forge"),
        (" conda-forge/ ", "conda-forge", f"{ALIAS}/conda-forge"),
        ("conda-forge/label/dev", "conda-forge/label/dev", f"{ALIAS}/conda-forge/label/dev"),
        ("conda-forge/linux-64", "conda-forge", f"{ALIAS}/conda-forge"),
        ("HCC", "HCC", f"{ALIAS}/HCC"),
        ("pkgs/main", "pkgs/main", "https://repo.anaconda.com/pkgs/main"),
        (f"{ALIAS}/conda-forge", "conda-forge", f"{ALIAS}/conda-forge"),
        (f"{ALIAS}/conda-forge/noarch/", "conda-forge", f"{ALIAS}/conda-forge"),
        ("HTTPS://Example.ORG/Ch", "https://example.org/Ch", "https://example.org/Ch"),
        ("https://example.org:8443/a/b/", "https://example.org:8443/a/b", "https://example.org:8443/a/b"),
        ("https://example.org/a/linux-64/repodata.json.zst", "https://example.org/a", "https://example.org/a"),
        ("https://me:secret@example.org/a", "https://example.org/a", "https://example.org/a"),
        (f"{ALIAS}/t/tk-12-34/private", "private", f"{ALIAS}/private"),
        ("https://repo.example.org/t/tk/a/b?x=1#y", "https://repo.example.org/a/b", "https://repo.example.org/a/b"),
        ("http://example.org/./a/.b", "http://example.org/a/.b", "http://example.org/a/.b"),
        ("http://example.org/x/../../a/y/..", "http://example.org/a", "http://example.org/a"),
        ("https://me:pw@example.org/./t/tk/a/./noarch", "https://example.org/a", "https://example.org/a"),
        ("http://example.org/a/.?x=/./y", "http://example.org/a", "http://example.org/a"),
        ("s3://bucket/./a", "s3://bucket/./a", "s3://bucket/./a"),
        ("/srv/channel", "file:///srv/channel", "file:///srv/channel"),
        ("file:///srv/channel/", "file:///srv/channel", "file:///srv/channel"),
        ("/srv/my channel/noarch", "file:///srv/my%20channel", "file:///srv/my%20channel"),
        ("./channel", "file:///folder/channel", "file:///folder/channel"),
        ("../channel/.", "file:///channel", "file:///channel"),
        (".", "file:///folder", "file:///folder"),
        ("C:\\channels\\mine", "file:///C:/channels/mine", "file:///C:/channels/mine"),
    ],
)  # fmt: skip
def test_channel_is_known_by_one_url(text: str, name: str, url: str) -> None:
    channel = Channel.parse(text, cwd="/folder")
    assert (channel.name, channel.url) == (name, url)
    assert channel.subdir_url("noarch") == f"{url}/noarch"
    assert Channel.parse(str(channel)) == channel
    assert Channel.parse(url) == channel


def test_names_are_appended_to_the_alias() -> None:
    alias = "https://u:p@mirror.example.org/api/conda/"
    channel = Channel.parse("conda-forge", alias=alias)
    assert channel == Channel("conda-forge", "https://mirror.example.org/api/conda/conda-forge")
    assert Channel.parse(channel.url, alias=alias) == channel


@pytest.mark.parametrize(
    "text", ["", "  ", "conda forge", "-c", "a//b", "<channel>", "~/channel", "a b/c", "{{ x }}"]
)
def test_text_that_is_no_channel_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="channel"):
        Channel.parse(text, cwd="/folder")


def test_relative_path_needs_a_folder_to_start_from() -> None:
    with pytest.raises(DataError, match="relative"):
        Channel.parse("./channel")


@pytest.mark.parametrize(
    ("url", "channel", "subdir", "file_name"),
    [
        (f"{ALIAS}/a/linux-64/x-1-0.conda", f"{ALIAS}/a", "linux-64", "x-1-0.conda"),
        (f"{ALIAS}/t/tk-1/a/noarch/x-1-0.tar.bz2#123", f"{ALIAS}/a", "noarch", "x-1-0.tar.bz2"),
        (f"{ALIAS}/a/label/dev/osx-arm64", f"{ALIAS}/a/label/dev", "osx-arm64", ""),
        ("file:///srv/a/win-64/x-1%212-0.conda", "file:///srv/a", "win-64", "x-1!2-0.conda"),
        ("https://example.org/x-1-0.conda", "https://example.org", "", "x-1-0.conda"),
        ("https://example.org", "https://example.org", "", ""),
    ],
)
def test_url_is_split_into_channel_subdir_and_file(
    url: str, channel: str, subdir: str, file_name: str
) -> None:
    assert split_url(url) == (channel, subdir, file_name)


def test_credentials_leave_urls_and_messages() -> None:
    assert without_credentials("https://u:p@h/t/tk-1/a?q=1#f") == "https://h/a?q=1#f"
    assert without_credentials("https://h/tools/t") == "https://h/tools/t"
    assert without_credentials("not a url") == "not a url"
    said = "HTTPSConnectionPool: cannot GET 'https://u:p@h/t/tk-1/a/noarch/repodata.json' (refused)"
    assert (
        without_credentials_in_text(said)
        == "HTTPSConnectionPool: cannot GET 'https://h/a/noarch/repodata.json' (refused)"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("numpy", True),
        ("_libgcc_mutex", True),
        ("__glibc", True),
        ("ld_impl_linux-64", True),
        ("7zip", True),
        ("r-base", True),
        ("python.app", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("Numpy", False),
        ("-numpy", False),
        (".numpy", False),
        ("___x", False),
        ("num--py", False),
        ("num._py", False),
        ("num py", False),
        ("numpy\n", False),
        ("nümpy", False),
    ],
)
def test_package_names_follow_the_standard(name: str, expected: bool) -> None:
    assert is_package_name(name) is expected


def test_builds_and_versions_have_their_characters() -> None:
    assert is_build_string("py312h1_0.a+B")
    assert not is_build_string("py-0")
    assert not is_build_string("")
    assert not is_build_string("a" * 65)
    assert is_version_string("1!2.0_rc1+x")
    assert not is_version_string("1.0A")
    assert not is_version_string("1-0")


@pytest.mark.parametrize(
    ("file_name", "parts"),
    [
        ("python-dateutil-2.9.0-py_0.conda", ("python-dateutil", "2.9.0", "py_0", ".conda")),
        ("_libgcc_mutex-0.1-main.tar.bz2", ("_libgcc_mutex", "0.1", "main", ".tar.bz2")),
        ("zlib-1.2.11-0", ("zlib", "1.2.11", "0", "")),
    ],
)
def test_distribution_strings_are_split_at_the_last_dashes(file_name: str, parts: tuple[str, ...]) -> None:
    assert split_distribution(file_name) == parts


@pytest.mark.parametrize("file_name", ["zlib-1.conda", "zlib.conda", "-1-0.conda", "a--0.conda", ""])
def test_other_file_names_are_refused(file_name: str) -> None:
    with pytest.raises(DataError, match="expected name-version-build"):
        split_distribution(file_name)
