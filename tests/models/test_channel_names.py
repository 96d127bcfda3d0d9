"""What configured channel names stand for: conda's custom channels and multichannels."""

from __future__ import annotations

import pytest

from envmgr.errors import DataError
from envmgr.models.channel import Channel
from envmgr.models.channel_names import ChannelNames

ALIAS = "https://conda.anaconda.org"
NAMES = ChannelNames(
    custom={
        "darwin": "https://some.example.org/stuff",
        "darwin/deep": "https://user:secret@deep.example.org:8080/t/tk-12/with/path/",
        "folder": "file:///srv/conda",
    },
    groups={
        "defaults": ("https://mirror.example.org/pkgs/main", "http://me:pw@mirror.example.org/pkgs/r"),
        "team": ("darwin", "conda-forge/label/dev", "https://example.org/x", "conda-forge/label/dev"),
        "all": ("team", "defaults", "local"),
        "empty": (),
    },
    local="file:///home/me/channel",
    cwd="/srv/here",
)
MAIN, R = "https://mirror.example.org/pkgs/main", "http://mirror.example.org/pkgs/r"


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("conda-forge", "conda-forge", f"{ALIAS}/conda-forge"),
        ("conda-forge/label/dev", "conda-forge/label/dev", f"{ALIAS}/conda-forge/label/dev"),
        ("darwin", "darwin", "https://some.example.org/stuff/darwin"),
        (" darwin/ ", "darwin", "https://some.example.org/stuff/darwin"),
        ("darwin/linux-64", "darwin", "https://some.example.org/stuff/darwin"),
        ("darwin/label/dev", "darwin/label/dev", "https://some.example.org/stuff/darwin/label/dev"),
        ("darwinian", "darwinian", f"{ALIAS}/darwinian"),
        ("darwin/deep", "darwin/deep", "https://deep.example.org:8080/with/path/darwin/deep"),
        ("darwin/deep/er", "darwin/deep/er", "https://deep.example.org:8080/with/path/darwin/deep/er"),
        ("folder/sub", "folder/sub", "file:///srv/conda/folder/sub"),
        ("pkgs/main", "pkgs/main", MAIN),
        ("pkgs/main/label/x", "pkgs/main/label/x", f"{MAIN}/label/x"),
        ("pkgs/r", "pkgs/r", R),
        ("pkgs/free", "pkgs/free", "https://repo.anaconda.com/pkgs/free"),
        ("https://some.example.org/stuff/darwin", "darwin", "https://some.example.org/stuff/darwin"),
        (
            "https://some.example.org/stuff/darwin/label/dev/noarch/a-1-0.conda",
            "darwin/label/dev",
            "https://some.example.org/stuff/darwin/label/dev",
        ),
        (
            "https://some.example.org/stuff/darwinian",
            "https://some.example.org/stuff/darwinian",
            "https://some.example.org/stuff/darwinian",
        ),
        ("./darwin", "file:///srv/here/darwin", "file:///srv/here/darwin"),
        ("local", "local", "file:///home/me/channel"),
    ],
)
def test_a_name_or_url_is_one_channel(text: str, name: str, url: str) -> None:
    assert NAMES.find(text) == (Channel(name, url),)
    assert not NAMES.is_group(text)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("defaults", [MAIN, R]),
        ("defaults/linux-64", [MAIN, R]),
        (
            "team",
            [
                "https://some.example.org/stuff/darwin",
                f"{ALIAS}/conda-forge/label/dev",
                "https://example.org/x",
            ],
        ),
        (
            "all",
            [
                "https://some.example.org/stuff/darwin",
                f"{ALIAS}/conda-forge/label/dev",
                "https://example.org/x",
                MAIN,
                R,
                "file:///home/me/channel",
            ],
        ),
        ("empty", []),
    ],
)
def test_a_multichannel_is_its_members_in_order(text: str, urls: list[str]) -> None:
    assert [channel.url for channel in NAMES.find(text)] == urls
    assert NAMES.is_group(text)


def test_a_label_of_a_multichannel_is_a_channel_of_that_name() -> None:
    assert NAMES.find("team/label/dev") == (Channel("team/label/dev", f"{ALIAS}/team/label/dev"),)


def test_names_that_nothing_configures_go_to_the_alias_and_urls_below_it_have_its_names() -> None:
    names = ChannelNames(
        alias="https://u:p@host.example.org/conda/", groups={"g": ("https://host.example.org/conda/b",)}
    )
    assert names.find("a") == (Channel("a", "https://host.example.org/conda/a"),)
    assert names.find("https://host.example.org/conda/a/label/b")[0].name == "a/label/b"
    assert names.find("b") == (Channel("b", "https://host.example.org/conda/b"),)


def test_multichannels_that_hold_themselves_are_refused() -> None:
    names = ChannelNames(groups={"a": ("b",), "b": ("conda-forge", "a"), "c": ("c",)})
    for name, path in (("a", "a -> b -> a"), ("b", "b -> a -> b"), ("c", "c -> c")):
        with pytest.raises(DataError, match=f"'{name}' holds itself: {path}"):
            names.find(name)


@pytest.mark.parametrize("text", ["", "a b", "~/x", "{{ x }}"])
def test_text_that_is_no_channel_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        NAMES.find(text)
