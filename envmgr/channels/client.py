"""Brings the stored indexes of channels up to date.

For each channel and subdir: what is fresh enough is used as it is; else the server is asked whether it has
something newer (ETag, Last-Modified), for the best form of an index first (`urls.FORMS`). Which form it has is
remembered. A subdir that the channel does not have counts as empty, a channel that has none of them is no
channel. Broken data is a ChannelError that names the URL and leaves the stored index alone. Which channel wins is
the solver's business.

A stored index that this user may not read is fetched again, and where the store cannot be written the new one is
kept for this process only; each of the two is told in one warning.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence  # noqa: TC003 (msgspec reads the annotations)
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.channels.index import Index
from envmgr.channels.index_file import State
from envmgr.channels.kept_files import is_collection_due
from envmgr.channels.store import (
    DamagedIndexError,
    IndexStore,
    StoredIndex,
    UnreadableIndexError,
    UnwritableIndexError,
)
from envmgr.channels.urls import FORMS, Form, Source
from envmgr.errors import ChannelError, DataError
from envmgr.models.channel import Channel, login_hint
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.channels.relations import ChannelRelations
    from envmgr.ports import Clock, Reporter, Response, Transport

_ABSENT = frozenset({403, 404, 410})
_TRIES_FOR_A_BODY = 3
_BETTER_AGAIN_SECONDS = 7 * 24 * 3600.0
_MOST_THREADS = 4
_USUALLY_FRESH_SECONDS = 300
_LARGE_BODY_BYTES = 3_000_000
_LARGEST_SHARD_INDEX_BYTES = 64 << 20


class SyncOptions(Struct, frozen=True):
    """When an index that is stored serves, and which channels are read besides those that are asked for.

    ``max_age_seconds`` is how old an answer may be before the server is asked again; None leaves that to what the
    server says, and to a short while where it says nothing. Local channels are always asked. ``offline`` uses what
    is stored, however old; ``use_stale`` does where a server does not answer. ``forms`` are the forms of an index
    to ask for, the best first. ``relations_max_depth`` is how far relations are followed (CEP 42), and ``check``
    raises for a channel, with the place that names it, that may not be used. ``most_bytes`` is how large the store
    may grow.
    """

    max_age_seconds: float | None = None
    offline: bool = False
    use_stale: bool = False
    forms: tuple[Form, ...] = FORMS
    relations_max_depth: int = 0
    check: Callable[[Sequence[Channel], str], object] = lambda _channels, _place: None
    most_bytes: int | None = None


class ChannelClient:
    """Keeps the store up to date with the channels."""

    def __init__(
        self,
        transport: Transport,
        store: IndexStore,
        clock: Clock,
        reporter: Reporter,
        options: SyncOptions | None = None,
    ) -> None:
        self._transport = transport
        self._store = store
        self._clock = clock
        self._reporter = reporter
        self._options = options or SyncOptions()
        self._stopping = threading.Event()
        self._has_changed = False

    def sync(self, channels: Sequence[Channel], subdirs: Sequence[str]) -> Index:
        """The index of *channels* (the first has the highest priority) for *subdirs*, up to date.

        With the channels that they are related to (CEP 42). Raises ChannelError when a source cannot be had, is
        broken, or has never been fetched and this is offline.
        """
        asked = list(dict.fromkeys(channels))
        found: dict[str, list[StoredIndex]] = {}
        order = asked
        if self._options.relations_max_depth:
            order = self._sync_related(asked, subdirs, found)
        else:
            found = self._sync_channels(asked, subdirs)
        if self._options.offline:
            self._tell_age([stored for channel in order for stored in found[channel.url]])
        self._collect()
        return Index(
            order,
            [stored for channel in order for stored in found[channel.url]],
            self._store,
            self._repair,
            self._transport,
            self._reporter,
            offline=self._options.offline,
        )

    def _sync_related(
        self, asked: list[Channel], subdirs: Sequence[str], found: dict[str, list[StoredIndex]]
    ) -> list[Channel]:
        """Bring *asked* and all channels that they are related to into *found*; the order of them all."""
        from envmgr.channels.relations import channels_to_read, effective_channels, join_relations

        relations: dict[str, ChannelRelations] = {}
        options = self._options
        while waiting := channels_to_read(
            asked, relations, max_depth=options.relations_max_depth, check=options.check
        ):
            found |= self._sync_channels(waiting, subdirs)
            for channel in waiting:
                infos = [{"channel_relations": stored.state.relations} for stored in found[channel.url]]
                relations[channel.url] = join_relations(channel, infos)
        order = effective_channels(asked, relations)
        for relation in order.ignored:
            self._reporter.warned(f"the order of your channels stands against a relation: {relation}.")
        return list(order.channels)

    def _sync_channels(
        self, channels: Sequence[Channel], subdirs: Sequence[str]
    ) -> dict[str, list[StoredIndex]]:
        """The sources of *channels* by URL, up to date."""
        sources = [Source(channel, subdir) for channel in channels for subdir in dict.fromkeys(subdirs)]
        stored = self._sync_all(sources)
        found: dict[str, list[StoredIndex]] = {channel.url: [] for channel in channels}
        for each in stored:
            found[each.source.channel.url].append(each)
        for channel in channels:
            self._check_channel(channel, found[channel.url])
        return found

    def _tell_age(self, stored: Sequence[StoredIndex]) -> None:
        """Tell how old the oldest index is that is used because nothing may be asked for."""
        remote = [each for each in stored if not each.source.is_local]
        oldest = min(remote, key=lambda each: each.checked, default=None)
        if oldest is not None:
            url, age = oldest.source.channel.url, _age(self._clock.now() - oldest.checked)
            self._reporter.warned(f"offline: the index of {url} was brought up to date {age}.")

    def _collect(self) -> None:
        """After an update, once a day: let go of what the store does not need any more."""
        most, now = self._options.most_bytes, self._clock.now()
        if self._has_changed and most is not None and is_collection_due(self._store.folder, now):
            from envmgr.channels.collect import collect

            collect(self._store.folder, most, now)

    def _check_channel(self, channel: Channel, stored: Sequence[StoredIndex]) -> None:
        if any(each.state.form != "none" for each in stored):
            return
        for each in stored:  # What is no channel today may be one in a minute.
            each.close()
            self._store.forget(each.source)
        subdirs = " and ".join(each.source.subdir for each in stored)
        raise ChannelError(
            f"{channel.url} is not a channel: it has no repodata for {subdirs}.",
            hint="Check the spelling of the channel; a local folder needs `envmgr index` first.",
            url=channel.url,
        )

    def _sync_all(self, sources: Sequence[Source]) -> list[StoredIndex]:
        current = self._open_stored(sources)
        stale = [source for source in sources if not self._is_good(source, current[source])]
        if len(stale) < 2:
            refreshed = [self._refresh(source, current[source]) for source in stale]
        else:
            refreshed = self._refresh_together(stale, current)
        newest: Mapping[Source, StoredIndex | None] = {**current, **dict(zip(stale, refreshed, strict=True))}
        return [stored for stored in (newest[source] for source in sources) if stored is not None]

    def _open_stored(self, sources: Sequence[Source]) -> dict[Source, StoredIndex | None]:
        found: dict[Source, StoredIndex | None] = {}
        refused: list[UnreadableIndexError] = []
        for source in sources:
            try:
                found[source] = self._store.open(source)
            except UnreadableIndexError as error:
                if self._options.offline and not source.is_local:
                    raise
                found[source] = None
                refused.append(error)
        if refused:
            self._reporter.warned(f"{str(refused[0]).rstrip('.')}; the channel is asked again.")
        return found

    def _refresh_together(
        self, sources: Sequence[Source], current: Mapping[Source, StoredIndex | None]
    ) -> list[StoredIndex]:
        from envmgr.channels.threads import map_in_threads

        self._stopping.clear()
        return map_in_threads(
            lambda source: self._refresh(source, current[source]),
            sources,
            threads=_MOST_THREADS,
            stopping=self._stopping,
        )

    def _is_good(self, source: Source, stored: StoredIndex | None) -> bool:
        """Whether *stored* needs no question to the server."""
        if stored is None or source.is_local:
            return False
        if self._options.offline:
            return True
        limit = self._options.max_age_seconds
        if limit is None:
            told = stored.state.max_age_seconds
            limit = _USUALLY_FRESH_SECONDS if told is None else told
        return 0 <= self._clock.now() - stored.checked < limit

    def _repair(self, source: Source, cause: ChannelError) -> StoredIndex:
        if isinstance(cause, DamagedIndexError):
            self._reporter.warned(f"the stored index of {source.url} is damaged and is made anew.")
        elif self._options.offline and not source.is_local:
            raise cause
        return self._refresh(source, None)

    def _refresh(self, source: Source, stored: StoredIndex | None) -> StoredIndex:
        if self._options.offline and not source.is_local:
            raise ChannelError(
                f"the index of {source.url} is not on this machine, and envmgr is offline.",
                hint="Run the command once without --offline.",
                url=source.url,
            )
        try:
            return self._fetch_first_form(source, stored)
        except ChannelError as error:
            if stored is None or source.is_local or not _is_outage(error):
                raise
            age = _age(self._clock.now() - stored.checked)
            if not self._options.use_stale:
                error.hint = (
                    f"The index that was brought up to date {age} is used with --offline, or where the setting "
                    "use_stale_index is true."
                )
                raise
            self._reporter.warned(
                f"{str(error).rstrip('.')}; its index that was brought up to date {age} is used."
            )
            return stored

    def _fetch_first_form(self, source: Source, stored: StoredIndex | None) -> StoredIndex:
        """Ask for the forms in order, better ones than the stored one not soon after they were found missing."""
        now = self._clock.now()
        state = stored.state if stored is not None else None
        since = state.better_missing_since if state is not None else None
        is_settled = since is not None and 0 <= now - since < _BETTER_AGAIN_SECONDS and not source.is_local
        forms = self._options.forms
        if state is not None and is_settled and state.form in forms:
            forms = forms[forms.index(state.form) :]
        else:
            since = None
        for form in forms:
            missing = None if form == self._options.forms[0] else since if since is not None else now
            found = self._fetch(source, form, stored, missing)
            if found is not None:
                return found
        if forms != self._options.forms:
            return self._fetch_first_form(source, None)
        return self._note(self._store.replace(source, State(url=source.url, form="none"), ()))

    def _fetch(
        self, source: Source, form: Form, stored: StoredIndex | None, missing_since: float | None
    ) -> StoredIndex | None:
        """One form of a source: new, unchanged, or None where the channel does not have it."""
        url = source.repodata_url(form)
        for tries_left in range(_TRIES_FOR_A_BODY - 1, -1, -1):
            with self._transport.open(url, _conditions(stored, form)) as response:
                if response.status == 304 and stored is not None:
                    self._store.mark_checked(stored, self._clock.now())
                    return stored
                if response.status in _ABSENT:
                    if response.status == 403 and form == "json":
                        self._reporter.warned(
                            f"{url} may not be read (HTTP status 403) and counts as missing; if it needs a login: "
                            f"{login_hint(url)}"
                        )
                    return None
                if response.status != 200:
                    raise _unexpected(url, response)
                state = _described(source, form, response, missing_since)
                try:
                    return self._note(self._store_body(source, state, response, stored))
                except DataError as error:
                    raise ChannelError(f"the index {url} is broken: {error}", url=url) from None
                except UnwritableIndexError:
                    raise
                except DamagedIndexError:
                    if stored is None:
                        raise
                    stored = None  # It was the copy of the old one that turned out to be damaged.
                except ChannelError:
                    if not tries_left or self._stopping.is_set():
                        raise
        raise AssertionError("the last try returns or raises")

    def _store_body(
        self, source: Source, state: State, response: Response, before: StoredIndex | None
    ) -> StoredIndex:
        if state.form == "shards":
            from envmgr.channels.shards import parse_shard_index

            index = parse_shard_index(_whole(self._body(response)))
            return self._store.replace_shards(source, state, index, self._reporter)
        if int(response.headers.get("content-length", "0")) >= _LARGE_BODY_BYTES:
            from envmgr.channels.fill_process import fill_in_process

            body = self._body(response)
            return self._store.replace(
                source, state, body, self._reporter, before=before, fill=fill_in_process
            )
        text = self._text(state.form, response)
        return self._store.replace(source, state, text, self._reporter, before=before)

    def _note(self, stored: StoredIndex) -> StoredIndex:
        """Note when *stored* was fetched, and tell what of it cannot be used."""
        self._has_changed = True
        self._store.mark_checked(stored, self._clock.now())
        skipped = stored.state.skipped
        if skipped:
            what = (
                "file whose record is not valid; it is"
                if skipped == 1
                else "files whose records are not valid; they are"
            )
            if stored.is_sharded:
                what = "names whose shards are not valid; they are"
            self._reporter.warned(f"{stored.source.url} lists {skipped} {what} left out.")
        return stored

    def _text(self, form: Form, response: Response) -> Iterator[bytes]:
        """The uncompressed text of a body."""
        from envmgr.channels.decompress import decompress_bz2, decompress_zstd

        body = self._body(response)
        return decompress_zstd(body) if form == "zst" else decompress_bz2(body) if form == "bz2" else body

    def _body(self, response: Response) -> Iterator[bytes]:
        """The body, which reports its progress in the bytes that came over the wire."""
        length = response.headers.get("content-length", "")
        if length.isdigit():
            self._reporter.phase_grew(Phase.INDEX, int(length))
        for chunk in response.iter_bytes():
            if self._stopping.is_set():
                raise ChannelError("the update was stopped.")
            self._reporter.phase_advanced(Phase.INDEX, len(chunk))
            yield chunk


def _is_outage(error: ChannelError) -> bool:
    """Whether the server is not there, or not well; what it says may be right another time."""
    status = error.facts.get("status")
    return not isinstance(error, (UnwritableIndexError, DamagedIndexError)) and (
        status is None or status == 429 or status >= 500
    )


def _age(seconds: float) -> str:
    """A time in the past in words.

    >>> _age(30.0), _age(7_300.0), _age(90_000.0)
    ('less than a minute ago', '2 hours ago', '1 day ago')
    """
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count >= 1:
            return f"{count} {word}{'s' * (count > 1)} ago"
    return "less than a minute ago"


def _whole(chunks: Iterator[bytes]) -> bytes:
    parts, length = [], 0
    for chunk in chunks:
        parts.append(chunk)
        length += len(chunk)
        if length > _LARGEST_SHARD_INDEX_BYTES:
            raise DataError(f"it is larger than {_LARGEST_SHARD_INDEX_BYTES >> 20} MiB.")
    return b"".join(parts)


def _conditions(stored: StoredIndex | None, form: Form) -> dict[str, str]:
    """The headers that ask for *form* only if it is not what is stored."""
    if stored is None or stored.state.form != form:
        return {}
    conditions = {"If-None-Match": stored.state.etag, "If-Modified-Since": stored.state.last_modified}
    return {key: value for key, value in conditions.items() if value}


def _described(source: Source, form: Form, response: Response, missing_since: float | None) -> State:
    return State(
        url=source.url,
        form=form,
        etag=response.headers.get("etag"),
        last_modified=response.headers.get("last-modified"),
        max_age_seconds=fresh_seconds(response.headers),
        better_missing_since=missing_since,
    )


def fresh_seconds(headers: Mapping[str, str]) -> int | None:
    """How many seconds more an answer with these headers stays fresh; None when they do not say (RFC 9111, 4.2).

    >>> fresh_seconds({"cache-control": "public, max-age=1200", "age": "200"})
    1000
    >>> fresh_seconds({"cache-control": "no-cache, max-age=1200"}), fresh_seconds({})
    (0, None)
    """
    control = headers.get("cache-control", "")
    directives = [part.strip().lower() for part in control.split(",")]
    if "no-cache" in directives or "no-store" in directives:
        return 0
    found = re.search(r"(?:^|,)\s*max-age=\"?(\d{1,9})", control, re.IGNORECASE)
    if found is None:
        return _seconds_to_expiry(headers)
    age = headers.get("age", "")
    return max(0, int(found.group(1)) - (int(age) if age.isdigit() and len(age) < 10 else 0))


def _seconds_to_expiry(headers: Mapping[str, str]) -> int | None:
    if "expires" not in headers:
        return None
    import email.utils

    try:
        expires, date = (email.utils.parsedate_to_datetime(headers[key]) for key in ("expires", "date"))
        return max(0, int((expires - date).total_seconds()))
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0  # An Expires that cannot be read is in the past (RFC 9111, 5.3).


def _unexpected(url: str, response: Response) -> ChannelError:
    if response.status == 401:
        return ChannelError(
            f"{url} asks for a login (HTTP status 401).", hint=login_hint(url), url=url, status=401
        )
    return ChannelError(
        f"{url} answered with HTTP status {response.status}.", url=url, status=response.status
    )
