"""Channels that name other channels as theirs: who is read too, and in which order (CEP 42). Pure.

A channel's index may say which channel it builds on (`base`, searched before it) and which one it overrides
(searched after it). Whoever reads indexes goes in rounds, until a round has nothing left to read:

    relations = {}
    while waiting := channels_to_read(asked, relations, max_depth=max_depth, check=lists.check):
        for channel in waiting:
            infos = [the `info` object of the repodata or the shard index of each subdir of the channel that exists]
            relations[channel.url] = join_relations(channel, infos)
    order = effective_channels(asked, relations if max_depth else {})

``order.channels`` are all channels, best first. ``order.added`` holds the relations that brought one in and
``order.ignored`` those that contradict the order that the user wrote, which always holds; their text is a sentence
part for the user. *check* is `ChannelLists.check` and refuses related channels that may not be used before they are
read. A lock records the channels that were asked for, not the order made here (CEP 42, "Lockfiles").
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from envmgr.errors import ChannelError
from envmgr.models.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Kind = Literal["base", "overrides"]
MAX_DEPTH = 10


class Relation(Struct, frozen=True):
    """What the channel *declaring* says of the channel at *url*."""

    declaring: str
    kind: Kind
    url: str

    @property
    def better(self) -> str:
        """The URL of the channel that is searched first."""
        return self.url if self.kind == "base" else self.declaring

    @property
    def worse(self) -> str:
        """The URL of the other one."""
        return self.declaring if self.kind == "base" else self.url

    def __str__(self) -> str:
        word = "builds on" if self.kind == "base" else "overrides"
        return f"{self.declaring} {word} {self.url}"


ChannelRelations = tuple[Relation, ...]
"""The relations that one channel declares: at most one of each kind for each of its subdirs."""


class EffectiveChannels(Struct, frozen=True):
    """All *channels*, best first; the relations that *added* one, and those *ignored* for the user's order."""

    channels: tuple[Channel, ...]
    added: tuple[Relation, ...] = ()
    ignored: tuple[Relation, ...] = ()


def parse_relations(channel: Channel, info: Mapping[str, Any]) -> ChannelRelations:
    """The relations in the `info` object of one subdir of *channel* (CEP 42, "Channel relations in `info`").

    Unknown keys are ignored. Raises ChannelError for what is no relative reference to another channel.
    """
    declared = info.get("channel_relations")
    if declared is None:
        return ()
    if not isinstance(declared, dict):
        raise _broken(channel, "its channel_relations are not an object")
    found: list[Relation] = []
    kinds: tuple[Kind, ...] = ("base", "overrides")
    for kind in kinds:
        reference = declared.get(kind)
        if reference is not None:
            found.append(Relation(channel.url, kind, _resolve(channel, kind, reference)))
    return tuple(found)


def join_relations(channel: Channel, infos: Iterable[Mapping[str, Any]]) -> ChannelRelations:
    """The relations that the subdirs of *channel* declare, each once; ChannelError where two exclude each other."""
    joined = tuple(dict.fromkeys(each for info in infos for each in parse_relations(channel, info)))
    bases = {each.url for each in joined if each.kind == "base"}
    for each in joined:
        if each.kind == "overrides" and each.url in bases:
            raise _broken(channel, f"it names {each.url} both as its base and as what it overrides")
    return joined


def _resolve(channel: Channel, kind: Kind, reference: object) -> str:
    """The URL behind a reference, which is a path relative to the channel's own (CEP 42, "Channel references")."""
    wrong = f"its relation '{kind}' is {_shown(reference)}"
    if not isinstance(reference, str) or not reference.startswith("../"):
        raise _broken(channel, f"{wrong}, which is no relative path such as ../conda-forge")
    parts = urlsplit(channel.url)
    path = [part for part in parts.path.split("/") if part]
    for part in reference.split("/"):
        if part == "..":
            if not path:
                raise _broken(channel, f"{wrong}, which leads out of its server")
            path.pop()
        elif part not in ("", "."):
            if _is_unsafe(part):
                raise _broken(channel, f"{wrong}, which is not the path of a channel")
            path.append(part)
    url = Channel.parse(f"{parts.scheme}://{parts.netloc}/{'/'.join(path)}").url
    if url == channel.url:
        raise _broken(channel, f"{wrong}, which is the channel itself")
    return url


def _is_unsafe(part: str) -> bool:
    plain = unquote(part)
    return plain in ("", ".", "..") or any(
        each in "/\\?#:@" or not each.isprintable() for each in plain + part
    )


def _shown(reference: object) -> str:
    text = reference if isinstance(reference, str) else type(reference).__name__
    return f"'{text[:100]}'" if text.isprintable() else "not printable"


def _broken(channel: Channel, what: str) -> ChannelError:
    return ChannelError(f"the index of the channel {channel.url} is broken: {what}.", url=channel.url)


def channels_to_read(
    asked: Sequence[Channel],
    relations: Mapping[str, ChannelRelations],
    *,
    max_depth: int = MAX_DEPTH,
    name: Callable[[str], Channel] = Channel.parse,
    check: Callable[[Sequence[Channel], str], object] = lambda _channels, _place: None,
) -> tuple[Channel, ...]:
    """The channels that are known by now and whose *relations*, by URL, are not: asked ones first.

    *name* makes the channel of a URL; *check* gets each that was not asked for, with the place that names it, and
    raises for what may not be used. With a *max_depth* of 0 no relation counts; else ChannelError is raised for a
    channel more than so many relations away from every channel that was asked for.
    """
    paths = _discover(asked, relations if max_depth else {})
    for path in paths.values():
        if path and path[-1].url not in relations:
            check([name(path[-1].url)], f"the relations of {path[-1].declaring}")
        if len(path) > max_depth:
            raise ChannelError(
                f"the relations of channels lead further than {max_depth} steps: {_told(path)}.",
                hint="Name the channels that you need, or set channel_relations_max_depth.",
                url=path[-1].url,
            )
    by_url = {channel.url: channel for channel in asked}
    return tuple(by_url.get(url) or name(url) for url in paths if url not in relations)


def _discover(
    asked: Sequence[Channel], relations: Mapping[str, ChannelRelations]
) -> dict[str, tuple[Relation, ...]]:
    """Every known channel by URL, with the shortest way to it from a channel that was asked for."""
    paths: dict[str, tuple[Relation, ...]] = {channel.url: () for channel in asked}
    waiting = deque(paths)
    while waiting:
        url = waiting.popleft()
        for relation in relations.get(url, ()):
            if relation.url not in paths:
                paths[relation.url] = (*paths[url], relation)
                waiting.append(relation.url)
    return paths


def effective_channels(
    asked: Sequence[Channel],
    relations: Mapping[str, ChannelRelations],
    *,
    name: Callable[[str], Channel] = Channel.parse,
) -> EffectiveChannels:
    """*asked* and what their *relations*, by URL, bring in, in one order (CEP 42, "Resolution behavior").

    The asked ones keep their order. Others stand as near as possible to the channel that names them. Raises
    ChannelError when the relations run in a circle.
    """
    asked = list({channel.url: channel for channel in asked}.values())
    rank = {channel.url: place for place, channel in enumerate(asked)}
    paths = _discover(asked, relations)
    every = [each for url in paths for each in relations.get(url, ())]
    ignored = [each for each in every if rank.get(each.worse, len(rank)) < rank.get(each.better, -1)]
    graph = _Graph([channel.url for channel in asked], [each for each in every if each not in ignored])
    by_url = {channel.url: channel for channel in asked}
    order = graph.sorted()
    return EffectiveChannels(
        channels=tuple(by_url.get(url) or name(url) for url in order),
        added=tuple(path[-1] for url, path in paths.items() if url not in rank),
        ignored=tuple(dict.fromkeys(ignored)),
    )


class _Graph:
    """Channels and who comes before whom: the user's order, and the relations that do not contradict it."""

    def __init__(self, asked: Sequence[str], relations: Sequence[Relation]) -> None:
        self._asked = asked
        self._before: dict[str, list[tuple[str, Relation | None]]] = {url: [] for url in asked}
        self._overridden: dict[str, list[str]] = {}
        for better, worse in pairwise(asked):
            self._before[worse].append((better, None))
        for each in relations:
            self._before.setdefault(each.better, [])
            self._before.setdefault(each.worse, []).append((each.better, each))
            if each.kind == "overrides":
                self._overridden.setdefault(each.declaring, []).append(each.url)

    def sorted(self) -> list[str]:
        """Every channel after all that come before it, and next to who names it where that is possible."""
        order: dict[str, None] = {}
        for url in self._asked:
            self._place(url, order, ())
        return list(order)

    def _place(
        self, url: str, order: dict[str, None], above: tuple[tuple[str, Relation | None], ...]
    ) -> None:
        """Put *url* behind what comes before it; then what it overrides, unless the user gave that a place."""
        if url in order:
            return
        self._refuse_circle(url, above)
        for better, relation in self._before[url]:
            self._place(better, order, (*above, (url, relation)))
        if url not in order:
            order[url] = None
        for worse in self._overridden.get(url, ()):
            if worse not in self._asked:
                self._place(worse, order, ())

    def _refuse_circle(self, url: str, above: tuple[tuple[str, Relation | None], ...]) -> None:
        start = next((place for place, (known, _) in enumerate(above) if known == url), None)
        if start is None:
            return
        circle = [relation for _, relation in above[start:] if relation is not None]
        raise ChannelError(
            f"the relations of channels run in a circle: {_told(circle)}.",
            hint="Set channel_relations_max_depth: 0 to search only the channels that you name.",
            url=url,
        )


def _told(relations: Iterable[Relation]) -> str:
    return ", ".join(str(each) for each in relations)
