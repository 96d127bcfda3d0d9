"""Channels that name others: references, rounds of reading, and the order that results (CEP 42)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.channels.relations import (
    EffectiveChannels,
    Relation,
    channels_to_read,
    effective_channels,
    join_relations,
    parse_relations,
)
from envmgr.errors import ChannelError
from envmgr.models.channel import Channel
from envmgr.models.channel_lists import ChannelLists

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOST = "https://example.org"
Declared = dict[str, dict[str, str]]


def channel(name: str) -> Channel:
    return Channel.parse(f"{HOST}/{name}")


def info(**relations: Any) -> dict[str, Any]:
    return {"subdir": "noarch", "channel_relations": relations}


class World:
    """Channels and what their index says; `read` is the order in which they were read."""

    def __init__(self, declared: Mapping[str, Mapping[str, str]]) -> None:
        self.declared = declared
        self.read: list[str] = []

    def resolve(self, asked: Sequence[str], **options: Any) -> EffectiveChannels:
        channels, relations = [channel(name) for name in asked], {}
        while waiting := channels_to_read(channels, relations, **options):
            for each in waiting:
                name = each.url.removeprefix(f"{HOST}/")
                assert each.url not in relations, "read twice"
                self.read.append(name)
                relations[each.url] = join_relations(each, [info(**self.declared.get(name, {})), {}])
        return effective_channels(channels, relations)


def order(declared: Declared, *asked: str) -> list[str]:
    return [each.url.removeprefix(f"{HOST}/") for each in World(declared).resolve(asked).channels]


BIOCONDA = {"bioconda": {"base": "../conda-forge"}}
LABEL = {"conda-forge/label/rc": {"overrides": "../.."}}


@pytest.mark.parametrize(
    ("declared", "asked", "expected"),
    [
        (BIOCONDA, ["bioconda"], ["conda-forge", "bioconda"]),
        (BIOCONDA, ["conda-forge", "bioconda"], ["conda-forge", "bioconda"]),
        (BIOCONDA, ["bioconda", "conda-forge"], ["bioconda", "conda-forge"]),
        (LABEL, ["conda-forge/label/rc"], ["conda-forge/label/rc", "conda-forge"]),
        (LABEL, ["conda-forge", "conda-forge/label/rc"], ["conda-forge", "conda-forge/label/rc"]),
        (
            {"my-channel": {"base": "../bioconda"}, **BIOCONDA},
            ["my-channel"],
            ["conda-forge", "bioconda", "my-channel"],
        ),
        (
            {"mine": {"base": "../conda-forge", "overrides": "../my-hotfixes"}},
            ["mine"],
            ["conda-forge", "mine", "my-hotfixes"],
        ),
    ],
)
def test_the_standards_examples(declared: Declared, asked: list[str], expected: list[str]) -> None:
    assert order(declared, *asked) == expected


@pytest.mark.parametrize(
    ("declared", "asked", "expected"),
    [
        ({"b": {"base": "../x"}}, ["a", "b"], ["a", "x", "b"]),
        ({"a": {"overrides": "../x"}}, ["a", "b"], ["a", "x", "b"]),
        ({"a": {"base": "../x"}, "b": {"base": "../x"}}, ["a", "b"], ["x", "a", "b"]),
        ({"a": {"overrides": "../x"}, "b": {"overrides": "../x"}}, ["a", "b"], ["a", "b", "x"]),
        ({"a": {"overrides": "../x"}, "x": {"base": "../y"}}, ["a", "b"], ["a", "y", "x", "b"]),
        ({"a": {"base": "../x"}, "x": {"overrides": "../y"}}, ["a"], ["x", "y", "a"]),
        ({"a": {"overrides": "../x"}, "b": {"base": "../x"}}, ["a", "b"], ["a", "x", "b"]),
        ({"a": {"base": "../b"}}, ["a", "x", "b"], ["a", "x", "b"]),
    ],
)
def test_related_channels_stand_next_to_who_names_them(
    declared: Declared, asked: list[str], expected: list[str]
) -> None:
    assert order(declared, *asked) == expected


def test_what_was_added_and_what_was_ignored_is_told() -> None:
    world = World({**BIOCONDA, "x": {"base": "../y"}})
    found = world.resolve(["x", "bioconda", "conda-forge", "bioconda"])
    assert world.read == ["x", "bioconda", "conda-forge", "y"]
    assert [str(each) for each in found.added] == [f"{HOST}/x builds on {HOST}/y"]
    assert [str(each) for each in found.ignored] == [f"{HOST}/bioconda builds on {HOST}/conda-forge"]
    assert [each.url for each in found.channels] == [
        f"{HOST}/{name}" for name in ("y", "x", "bioconda", "conda-forge")
    ]


def test_asked_channels_keep_their_name_and_new_ones_get_one() -> None:
    asked = [Channel("mine", f"{HOST}/bioconda")]
    relations = {asked[0].url: join_relations(asked[0], [info(base="../conda-forge")])}
    new = Channel("forge", f"{HOST}/conda-forge")
    assert channels_to_read(asked, relations, name=lambda _url: new) == (new,)
    assert effective_channels(asked, relations, name=lambda _url: new).channels == (new, asked[0])


@pytest.mark.parametrize(
    ("base", "reference", "url"),
    [
        (f"{HOST}/bioconda", "../conda-forge", f"{HOST}/conda-forge"),
        (f"{HOST}/bioconda", "../conda-forge/", f"{HOST}/conda-forge"),
        (f"{HOST}/a/label/rc", "../..", f"{HOST}/a"),
        (f"{HOST}/a/label/rc", "../../../b/label/x", f"{HOST}/b/label/x"),
        (f"{HOST}:8443/conda/a", "../b/linux-64", f"{HOST}:8443/conda/b"),
        (f"{HOST}/a", "../", HOST),
        ("file:///srv/my%20channels/a", "../b%20c", "file:///srv/my%20channels/b%20c"),
    ],
)
def test_a_reference_is_relative_to_the_channel(base: str, reference: str, url: str) -> None:
    [found] = parse_relations(Channel.parse(base), info(base=reference))
    assert found == Relation(base, "base", url)


@pytest.mark.parametrize(
    "reference",
    [
        "conda-forge", "https://evil.example.org/x", "//evil.example.org/x", "/x", "", "./x", "..", "..x", 7,
        "../..", "../../x", "../../../x", "../%2e%2e/x", "../x?y", "../x#y", "../a:b@c", "../x\\y", "../x\ny",
        "../%2f", ["../x"],
        "../a", "../b/../a", "../a/noarch",
    ],
)  # fmt: skip
def test_a_reference_that_leads_elsewhere_or_nowhere_is_refused(reference: object) -> None:
    with pytest.raises(
        ChannelError, match=rf"the index of the channel {HOST}/a is broken: its relation"
    ) as caught:
        parse_relations(Channel.parse(f"{HOST}/a"), info(overrides=reference))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("relations", [[], "../x", 3])
def test_relations_are_an_object(relations: object) -> None:
    with pytest.raises(ChannelError, match="not an object"):
        parse_relations(channel("a"), {"channel_relations": relations})


def test_absent_empty_and_unknown_keys_declare_nothing() -> None:
    for each in ({}, {"channel_relations": None}, info(), info(base=None), info(friends="../x", future=[1])):
        assert parse_relations(channel("a"), each) == ()


@pytest.mark.parametrize(
    "infos", [[info(base="../x", overrides="../x")], [info(base="../x"), info(overrides="../x/")]]
)
def test_base_and_overrides_differ(infos: list[dict[str, Any]]) -> None:
    with pytest.raises(ChannelError, match="both as its base and as what it overrides"):
        join_relations(channel("a"), infos)


def test_each_subdir_declares_for_itself_and_the_same_channel_counts_once() -> None:
    a = channel("a")
    joined = join_relations(
        a, [info(base="../x"), {}, info(base="../x", overrides="../z"), info(base="../y")]
    )
    assert [(each.kind, each.url[-1]) for each in joined] == [
        ("base", "x"),
        ("overrides", "z"),
        ("base", "y"),
    ]
    found = effective_channels([a], {a.url: joined})
    assert [each.url[-1] for each in found.channels] == ["x", "y", "a", "z"]


@pytest.mark.parametrize(
    ("declared", "asked", "told"),
    [
        ({"a": {"base": "../x"}, "x": {"base": "../a"}}, ["a"], ["a builds on", "x builds on"]),
        (
            {"a": {"base": "../x"}, "x": {"base": "../y"}, "y": {"base": "../x"}},
            ["a"],
            ["x builds on", "y builds on"],
        ),
        ({"a": {"overrides": "../x"}, "x": {"overrides": "../a"}}, ["a"], ["a overrides", "x overrides"]),
        ({"a": {"base": "../x"}, "x": {"base": "../b"}}, ["a", "b"], ["a builds on", "x builds on"]),
    ],
)
def test_relations_in_a_circle_are_refused(declared: Declared, asked: list[str], told: list[str]) -> None:
    with pytest.raises(ChannelError, match="run in a circle") as caught:
        World(declared).resolve(asked)
    assert all(f"{HOST}/{each}" in str(caught.value) for each in told)


def test_depth_is_limited_and_zero_turns_relations_off() -> None:
    chain = {f"c{place}": {"base": f"../c{place + 1}"} for place in range(20)}
    assert len(World({name: chain[name] for name in list(chain)[:10]}).resolve(["c0"]).channels) == 11
    world = World(chain)
    with pytest.raises(
        ChannelError, match=r"further than 10 steps: .*c9 builds on .*c10, .*c10 builds on .*c11"
    ):
        world.resolve(["c0"])
    assert world.read == [f"c{place}" for place in range(11)]
    with pytest.raises(ChannelError, match="further than 2 steps"):
        World(chain).resolve(["c0"], max_depth=2)
    off = World(chain)
    relations = {f"{HOST}/c0": join_relations(channel("c0"), [info(**chain["c0"])])}
    assert channels_to_read([channel("c0")], {}, max_depth=0) == (channel("c0"),)
    assert channels_to_read([channel("c0")], relations, max_depth=0) == ()
    assert off.read == []


def test_a_related_channel_that_is_denied_is_not_read() -> None:
    world = World({"a": {"base": "../x"}, "x": {"base": "../y"}})
    with pytest.raises(
        ChannelError, match=f"^the relations of {HOST}/x: the channel {HOST}/y may not be used"
    ):
        world.resolve(["a"], check=ChannelLists(denied=(f"{HOST}/y",)).check)
    assert world.read == ["a", "x"]


NAMES = "abcdefgh"
WORLDS = st.dictionaries(
    st.sampled_from(NAMES),
    st.dictionaries(
        st.sampled_from(["base", "overrides"]), st.sampled_from([f"../{name}" for name in NAMES])
    ),
)


@given(WORLDS, st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
def test_every_edge_holds_in_the_order_or_there_is_a_circle(declared: Declared, asked: list[str]) -> None:
    """CEP 42: for every priority edge (A -> B), A appears before B; the user's edges MUST NOT be overridden."""
    for name, relations in declared.items():
        if f"../{name}" in relations.values() or len({*relations.values()}) < len(relations):
            return
    edges = set(pairwise(asked))
    reached, waiting = set(asked), list(asked)
    while waiting:
        name = waiting.pop()
        for kind, reference in declared.get(name, {}).items():
            other = reference[3:]
            edge = (other, name) if kind == "base" else (name, other)
            both_asked = other in asked and name in asked
            if not both_asked or asked.index(edge[0]) < asked.index(edge[1]):
                edges.add(edge)
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    try:
        found = order(declared, *asked)
    except ChannelError:
        assert has_circle(reached, edges)
        return
    assert sorted(found) == sorted(reached)
    assert all(found.index(better) < found.index(worse) for better, worse in edges)


def has_circle(nodes: set[str], edges: set[tuple[str, str]]) -> bool:
    left = set(nodes)
    while left:
        free = {node for node in left if not any(worse == node and better in left for better, worse in edges)}
        if not free:
            return True
        left -= free
    return False
