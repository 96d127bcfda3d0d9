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

import threading
from collections.abc import Callable, Sequence  # noqa: TC003 (msgspec reads the annotations)
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from envmgr.channels.freshness import age_text, fresh_seconds
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
from envmgr.ports import Phase, with_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.channels.relations import ChannelRelations
    from envmgr.ports import Clock, Reporter, Response, Transport

_ABSENT = frozenset({403, 404, 410})
_ABOUT_THE_SERVER = frozenset({401, 407, 408, 429, 502, 503, 504})
_TRIES_FOR_A_BODY = 3
_DAY_SECONDS = 24 * 3600.0
_WEEK_SECONDS = 7 * _DAY_SECONDS
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
        self._doubts: dict[str, str] = {}

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
            self._tellage_text([stored for channel in order for stored in found[channel.url]])
        self._collect()
        return Index(
            order,
            [stored for channel in order for stored in found[channel.url]],
            self._store,
            self._repair,
            self._transport,
            self._reporter,
            supply="stored" if self._options.offline else "former" if self._options.use_stale else "new",
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

    def _tellage_text(self, stored: Sequence[StoredIndex]) -> None:
        """Tell how old the oldest index is that is used because nothing may be asked for."""
        remote = [each for each in stored if not each.source.is_local]
        oldest = min(remote, key=lambda each: each.checked, default=None)
        if oldest is not None:
            url, age = oldest.source.channel.url, age_text(self._clock.now() - oldest.checked)
            self._reporter.warned(f"offline: the index of {url} was brought up to date {age}.")

    def _collect(self) -> None:
        """After an update, once a day: let go of what the store does not need any more."""
        most, now = self._options.most_bytes, self._clock.now()
        if self._has_changed and most is not None and is_collection_due(self._store.root, now):
            from envmgr.channels.collect import collect

            collect(self._store.root, most, now)

    def _check_channel(self, channel: Channel, stored: Sequence[StoredIndex]) -> None:
        if any(each.state.form != "none" for each in stored):
            return
        for each in stored:  # What is no channel today may be one in a minute.
            each.close()
            self._store.forget(each.source)
        subdirs = " and ".join(each.source.subdir for each in stored)
        doubt = self._doubts.get(channel.url)
        if doubt is not None:
            raise ChannelError(
                f"no repodata for {subdirs} of {channel.url} was found where it could be asked for; {doubt}.",
                hint="Try again later: the mirror that did not answer may have it.",
                url=channel.url,
            )
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
            return self._fetch_best_form(source, stored)
        except ChannelError as error:
            if stored is None or source.is_local or not _is_outage(error):
                raise
            age = age_text(self._clock.now() - stored.checked)
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

    def _fetch_best_form(self, source: Source, stored: StoredIndex | None) -> StoredIndex:
        """Ask for the forms in turn; one that is broken is passed over with a warning."""
        turn = _turn(self._options.forms, stored, self._clock.now(), source)
        broken: list[ChannelError] = []
        for form in turn.forms:
            missing_since = None if broken else turn.missing_since(form)
            found = self._fetch(source, form, stored, missing_since)
            if isinstance(found, ChannelError):
                broken.append(found)
            elif found is not None:
                for error in broken:
                    self._reporter.warned(
                        f"{str(error).rstrip('.')}; {source.repodata_url(form)} is used instead."
                    )
                return found
        if broken:
            raise broken[0]
        return self._without_any_form(source, stored)

    def _without_any_form(self, source: Source, stored: StoredIndex | None) -> StoredIndex:
        """A subdir that the channel does not have, or that it had until a moment ago."""
        if stored is not None and _has_records(stored):
            age = self._clock.now() - stored.checked
            if 0 <= age < _WEEK_SECONDS:
                self._reporter.warned(
                    f"{source.url} has no repodata that may be read any more; its "
                    f"index that was brought up to date {age_text(age)} is used."
                )
                return stored
        return self._note(self._store.replace(source, State(url=source.url, form="none"), (), self._reporter))

    def _fetch(
        self, source: Source, form: Form, stored: StoredIndex | None, missing_since: float | None
    ) -> StoredIndex | ChannelError | None:
        """One form of a source: new, or unchanged; None where there is none, an error where it is broken.

        Raises ChannelError where another form would be no better.
        """
        url = source.repodata_url(form)
        for tries_left in range(_TRIES_FOR_A_BODY - 1, -1, -1):
            with self._transport.open(url, _conditions(stored, form)) as response:
                if response.status == 304 and stored is not None:
                    self._store.mark_checked(stored, self._clock.now())
                    return stored
                if response.status in _ABSENT:
                    self._note_absence(source, form, stored, response)
                    return None
                if response.status != 200:
                    had = stored is not None and stored.state.form == form
                    return _broken_form(_unexpected(url, response), had=had)
                state = _described(source, form, response, missing_since)
                try:
                    return self._note(self._store_body(source, state, response, stored))
                except DataError as error:
                    if not (response.reject(str(error)) and tries_left):
                        place = with_source(url, response)
                        return ChannelError(f"the index {place} is broken: {error}", url=url)
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

    def _note_absence(
        self, source: Source, form: Form, stored: StoredIndex | None, response: Response
    ) -> None:
        """Tell of what may only seem to be missing, now or where it makes a difference."""
        url = source.repodata_url(form)
        if response.doubt is not None:
            self._doubts[source.channel.url] = response.doubt
        if response.status == 403 and form == "json" and not _has_records(stored):
            self._reporter.warned(
                f"{url} may not be read (HTTP status 403) and counts as missing; if it needs a login: "
                f"{login_hint(url)}"
            )

    def _store_body(
        self, source: Source, state: State, response: Response, before: StoredIndex | None
    ) -> StoredIndex:
        if state.form == "shards":
            from envmgr.channels.shards import parse_shard_index

            index = parse_shard_index(_whole(self._body(response)))
            return self._store.replace_shards(source, state, index, self._reporter, before=before)
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
        from envmgr.channels.decompress import unpack_text

        return unpack_text(form, self._body(response))

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


class _Turn(NamedTuple):
    """The *forms* to ask for, in this order; at the end those that are *settled*: they were missing at *since*.

    *lost* is the form that the source had until now.
    """

    forms: tuple[Form, ...]
    now: float
    first: Form
    settled: tuple[Form, ...] = ()
    since: float | None = None
    lost: Form | None = None

    def missing_since(self, form: Form) -> float | None:
        """When the forms better than *form* were found missing, to be noted where *form* is found.

        Those that the channel had until now are asked for again after a day, others after a week.
        """
        if form == self.first:
            return None
        if self.lost is not None and FORMS.index(self.lost) < FORMS.index(form):
            return self.now - _WEEK_SECONDS + _DAY_SECONDS
        return self.now if self.since is None or form in self.settled else self.since


def _turn(forms: tuple[Form, ...], stored: StoredIndex | None, now: float, source: Source) -> _Turn:
    """Which forms of a source to ask for: the best first, but not soon after they were found missing."""
    if stored is None or stored.state.form not in forms:
        return _Turn(forms, now, forms[0])
    form, since = stored.state.form, stored.state.better_missing_since
    if since is None or not 0 <= now - since < _WEEK_SECONDS or source.is_local:
        return _Turn(forms, now, forms[0], lost=form)
    place = forms.index(form)
    return _Turn(forms[place:] + forms[:place], now, forms[0], forms[:place], since, form)


def _has_records(stored: StoredIndex | None) -> bool:
    """Whether there is an index that stays for a while when its channel does not have it any more."""
    return stored is not None and stored.state.form != "none" and not stored.source.is_local


def _broken_form(error: ChannelError, *, had: bool) -> ChannelError:
    """*error*, if another form may be better; raises it where it is about the server, or the form that it *had*."""
    if error.facts["status"] in _ABOUT_THE_SERVER or (had and _is_outage(error)):
        raise error
    return error


def _is_outage(error: ChannelError) -> bool:
    """Whether the server is not there, or not well; what it says may be right another time."""
    status = error.facts.get("status")
    return not isinstance(error, (UnwritableIndexError, DamagedIndexError)) and (
        status is None or status == 429 or status >= 500
    )


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


def _unexpected(url: str, response: Response) -> ChannelError:
    place = with_source(url, response)
    if response.status == 401:
        return ChannelError(
            f"{place} asks for a login (HTTP status 401).", hint=login_hint(response.url), url=url, status=401
        )
    return ChannelError(
        f"{place} answered with HTTP status {response.status}.", url=url, status=response.status
    )
