"""Which URLs the lists of allowed and denied channels let through."""

from __future__ import annotations

import pytest

from envmgr.errors import ChannelError
from envmgr.models.channel import Channel
from envmgr.models.channel_lists import ChannelLists
from envmgr.models.record import Origin, PackageRecord

FORGE = "https://conda.anaconda.org/conda-forge"


def is_refused(lists: ChannelLists, url: str) -> bool:
    try:
        lists.check_url(url, "x")
    except ChannelError as error:
        assert "may not be used" in str(error)
        return True
    return False


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        (FORGE, False),
        (f"{FORGE}/linux-64/a-1-0.conda", False),
        (f"{FORGE}/files/a-1-0.conda", False),
        ("https://conda.anaconda.org:443/conda-forge", False),
        (f"{FORGE}/label/dev", True),
        (f"{FORGE}-2", True),
        ("http://conda.anaconda.org/conda-forge", True),
        ("https://conda.anaconda.org/Conda-Forge", True),
        ("https://conda.anaconda.org/conda-forge/../bioconda", True),
        ("https://example.org/conda-forge", True),
        ("https://team.example.org/any/label/x/noarch/a-1-0.conda", False),
        ("file:///srv/conda-forge", True),
        ("file:///srv/ours/noarch", False),
    ],
)
def test_only_allowed_channels_pass(url: str, refused: bool) -> None:
    lists = ChannelLists(allowed=(FORGE, "https://team.example.org", "file:///srv/ours"))
    assert is_refused(lists, url) is refused


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        (FORGE, True),
        (f"{FORGE}/linux-64/a-1-0.conda", True),
        (f"{FORGE}/label/dev", True),
        ("http://conda.anaconda.org/conda-forge", True),
        ("https://conda.anaconda.org:443/conda-forge", True),
        ("https://CONDA.anaconda.org./Conda-Forge/", True),
        ("https://conda.anaconda.org//x/%2e%2e/conda%2Dforge", True),
        ("https://u:p@conda.anaconda.org/t/tk-1/conda-forge", True),
        (f"{FORGE}-2", False),
        ("https://conda.anaconda.org", False),
        ("https://conda.anaconda.org:8443/conda-forge", False),
        ("https://example.org/conda-forge", False),
    ],
)
def test_denied_channels_are_refused_however_they_are_spelt(url: str, refused: bool) -> None:
    assert is_refused(ChannelLists(denied=(FORGE,)), url) is refused


def test_denied_wins_over_allowed() -> None:
    lists = ChannelLists(allowed=("https://conda.anaconda.org",), denied=(FORGE,))
    assert is_refused(lists, FORGE)
    assert not is_refused(lists, "https://conda.anaconda.org/bioconda")
    assert not is_refused(ChannelLists(), FORGE)


def test_the_message_names_place_channel_url_and_list() -> None:
    lists = ChannelLists(denied=(FORGE,), denied_source="denylist_channels (/etc/conda/.condarc:4)")
    with pytest.raises(ChannelError) as caught:
        lists.check([Channel("other", "https://o.example.org"), Channel("conda-forge", FORGE)], "env.yml:3")
    assert str(caught.value) == (
        f"env.yml:3: the channel conda-forge ({FORGE}) may not be used: "
        "denylist_channels (/etc/conda/.condarc:4) denies it."
    )
    assert caught.value.facts == {"url": FORGE, "setting": "denylist_channels"}


def test_records_obey_by_their_channel_and_by_where_their_files_are() -> None:
    def record(channel: str, base: str) -> PackageRecord:
        return PackageRecord(
            name="a", version="1", build="0", fn="a-1-0.conda", origin=Origin(channel, "noarch", base)
        )

    usual = record(FORGE, f"{FORGE}/noarch/")
    elsewhere = record(FORGE, "https://files.example.org/x/")
    lists = ChannelLists(allowed=(FORGE,), allowed_source="allowlist_channels")
    lists.check_records([usual])
    with pytest.raises(
        ChannelError, match=r"the package a-1-0 of .*conda-forge \(https://files.example.org/x\) may not"
    ):
        lists.check_records([usual, elsewhere])
    ChannelLists(allowed=(FORGE, "https://files.example.org")).check_records([elsewhere])
    with pytest.raises(ChannelError, match="conda-forge may not be used: denylist_channels denies it"):
        ChannelLists(denied=(FORGE,)).check_records([elsewhere])
