"""Brings the stored indexes of channels up to date and answers questions about packages from them.

For each channel and subdir: what is fresh enough is used as it is; else the server is asked whether it has
something newer (ETag, Last-Modified), for ``repodata.json.zst`` first and then for ``repodata.json``. A subdir
that the channel does not have counts as empty, a channel that has none of them is no channel. Broken data is a
ChannelError that names the URL and leaves the stored index alone. Which channel wins is the solver's business.

A stored index that this user may not read is fetched again, and where the store cannot be written the new one is
kept for this process only; each of the two is told in one warning.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, TypeVar

from envmgr.channels.decompress import decompress_zstd
from envmgr.channels.store import (
    DamagedIndexError,
    IndexStore,
    State,
    StoredIndex,
    UnreadableIndexError,
    UnwritableIndexError,
)
from envmgr.channels.urls import FORMS, Source
from envmgr.errors import ChannelError, DataError
from envmgr.models.record_table import RecordTable
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from envmgr.channels.urls import Form
    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord
    from envmgr.ports import Clock, Reporter, Response, Transport

_ABSENT = frozenset({403, 404, 410})
_TRIES_FOR_A_BODY = 3
_COMPRESSED_AGAIN_SECONDS = 7 * 24 * 3600.0
_MOST_THREADS = 4

_Answer = TypeVar("_Answer")


class Index:
    """The packages of some channels, as they were when the index was synced; used by one thread."""

    def __init__(
        self,
        channels: Sequence[Channel],
        stored: Sequence[StoredIndex],
        repair: Callable[[Source], StoredIndex],
        reporter: Reporter,
    ) -> None:
        self.channels = tuple(channels)
        self._stored = list(stored)
        self._repair = repair
        self._reporter = reporter
        self._reported: set[str] = set()

    def load(self, name: str) -> list[RecordTable]:
        """A table of the records called *name* for each source that has some, channels first and then subdirs."""
        tables = []
        for position in range(len(self._stored)):
            table = self._ask(position, lambda stored: stored.load(name))
            if table.columns.unusable:
                self._report_unusable(self._stored[position].source, table.columns.unusable)
            if table.count:
                tables.append(self._repairing(position, table))
        return tables

    def records(self, name: str) -> list[PackageRecord]:
        """All records called *name*, with every key that their channels published."""
        return [record for table in self.load(name) for record in table.records()]

    def _repairing(self, position: int, table: RecordTable) -> RecordTable:
        """The same table, whose records are still found when the index turns out to be damaged."""

        def read(place: int) -> PackageRecord:
            return self._ask(position, lambda stored: stored.record(table, place))

        return RecordTable(table.columns, read, table.origins)

    def names(self) -> Iterable[str]:
        """All package names, sorted."""
        positions = range(len(self._stored))
        return sorted({name for position in positions for name in self._ask(position, StoredIndex.names)})

    def close(self) -> None:
        """Let go of the stored files."""
        for stored in self._stored:
            stored.close()

    def _ask(self, position: int, question: Callable[[StoredIndex], _Answer]) -> _Answer:
        """Ask one source; a damaged one is fetched again, once."""
        try:
            return question(self._stored[position])
        except DamagedIndexError:
            self._stored[position] = self._repair(self._stored[position].source)
            return question(self._stored[position])

    def _report_unusable(self, source: Source, unusable: Mapping[str, str]) -> None:
        for fn, reason in unusable.items():
            url = f"{source.url}/{fn}"
            if url not in self._reported:
                self._reported.add(url)
                self._reporter.warned(f"{url} is left out: {reason}")


class ChannelClient:
    """Keeps the store up to date with the channels.

    *max_age_seconds* is how old an answer may be before the server is asked again; None leaves that to the
    server's Cache-Control. Local channels are always asked. *offline* uses what is stored, however old.
    """

    def __init__(
        self,
        transport: Transport,
        store: IndexStore,
        clock: Clock,
        reporter: Reporter,
        *,
        max_age_seconds: float | None = None,
        offline: bool = False,
    ) -> None:
        self._transport = transport
        self._store = store
        self._clock = clock
        self._reporter = reporter
        self._max_age_seconds = max_age_seconds
        self._offline = offline
        self._stopping = threading.Event()

    def sync(self, channels: Sequence[Channel], subdirs: Sequence[str]) -> Index:
        """The index of *channels* (the first has the highest priority) for *subdirs*, up to date.

        Raises ChannelError when a source cannot be had, is broken, or has never been fetched and this is offline.
        """
        channels = list(dict.fromkeys(channels))
        sources = [Source(channel, subdir) for channel in channels for subdir in dict.fromkeys(subdirs)]
        stored = self._sync_all(sources)
        for channel in channels:
            self._check_channel(channel, [each for each in stored if each.source.channel == channel])
        return Index(channels, stored, self._repair, self._reporter)

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
                if self._offline and not source.is_local:
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
        if self._offline:
            return True
        limit = self._max_age_seconds if self._max_age_seconds is not None else stored.state.max_age_seconds
        return 0 <= self._clock.now() - stored.checked < (limit or 0)

    def _repair(self, source: Source) -> StoredIndex:
        self._reporter.warned(f"the stored index of {source.url} is damaged and is made anew.")
        return self._refresh(source, None)

    def _refresh(self, source: Source, stored: StoredIndex | None) -> StoredIndex:
        if self._offline and not source.is_local:
            raise ChannelError(
                f"the index of {source.url} is not on this machine, and envmgr is offline.",
                hint="Run the command once without --offline.",
                url=source.url,
            )
        try:
            return self._fetch_first_form(source, stored)
        except ChannelError as error:
            if stored is not None and error.hint is None and not source.is_local:
                error.hint = "Use --offline to work with the index that was fetched earlier."
            raise

    def _fetch_first_form(self, source: Source, stored: StoredIndex | None) -> StoredIndex:
        """Ask for the forms in order, the compressed one not again soon after it was found missing."""
        now = self._clock.now()
        missing_since = stored.state.compressed_missing_since if stored is not None else None
        known = missing_since is not None and 0 <= now - missing_since < _COMPRESSED_AGAIN_SECONDS
        skips = known and not source.is_local and stored is not None and stored.state.form == "json"
        for form in FORMS[1:] if skips else FORMS:
            since = missing_since if skips else now if form == "json" else None
            found = self._fetch(source, form, stored, since)
            if found is not None:
                return found
        if skips:
            return self._fetch_first_form(source, None)
        state = State(url=source.url, form="none")
        return self._replace(source, state, ())

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
                    if response.status == 403 and form == FORMS[-1]:
                        self._reporter.warned(
                            f"{url} may not be read (HTTP status 403) and counts as missing."
                        )
                    return None
                if response.status != 200:
                    raise _unexpected(url, response)
                state = _described(source, form, response, missing_since)
                try:
                    return self._replace(source, state, self._text(form, response))
                except DataError as error:
                    raise ChannelError(f"the index {url} is broken: {error}", url=url) from None
                except UnwritableIndexError:
                    raise
                except ChannelError:
                    if not tries_left or self._stopping.is_set():
                        raise
        raise AssertionError("the last try returns or raises")

    def _replace(self, source: Source, state: State, chunks: Iterable[bytes]) -> StoredIndex:
        stored = self._store.replace(source, state, chunks, self._reporter)
        self._store.mark_checked(stored, self._clock.now())
        skipped = stored.state.skipped
        if skipped:
            what = (
                "file whose record is not valid; it is"
                if skipped == 1
                else "files whose records are not valid; they are"
            )
            self._reporter.warned(f"{stored.source.url} lists {skipped} {what} left out.")
        return stored

    def _text(self, form: Form, response: Response) -> Iterator[bytes]:
        """The uncompressed body, which reports its progress in the bytes that came over the wire."""
        length = response.headers.get("content-length", "")
        if length.isdigit():
            self._reporter.phase_grew(Phase.INDEX, int(length))
        body = self._counted(response)
        return decompress_zstd(body) if form == "zst" else body

    def _counted(self, response: Response) -> Iterator[bytes]:
        for chunk in response.iter_bytes():
            if self._stopping.is_set():
                raise ChannelError("the update was stopped.")
            self._reporter.phase_advanced(Phase.INDEX, len(chunk))
            yield chunk


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
        max_age_seconds=max_age(response.headers.get("cache-control", "")),
        compressed_missing_since=missing_since,
    )


def max_age(cache_control: str) -> int | None:
    """How many seconds an answer with this Cache-Control header stays fresh; None when it does not say.

    >>> max_age("public, max-age=1200"), max_age("no-cache, max-age=1200")
    (1200, 0)
    """
    directives = [part.strip().lower() for part in cache_control.split(",")]
    if "no-cache" in directives or "no-store" in directives:
        return 0
    found = re.search(r"(?:^|,)\s*max-age=\"?(\d{1,9})", cache_control, re.IGNORECASE)
    return int(found.group(1)) if found else None


def _unexpected(url: str, response: Response) -> ChannelError:
    if response.status == 401:
        return ChannelError(f"{url} asks for a login (HTTP status 401).", url=url, status=401)
    return ChannelError(
        f"{url} answered with HTTP status {response.status}.", url=url, status=response.status
    )
