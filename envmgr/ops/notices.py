"""What channels have to tell: all of it when asked, and beside a command what was not shown before (CEP 6).

Beside a command nothing waits for notices. The channels are asked while packages are downloaded, at most once a day
each, without retries and without a word when that fails; a notice that comes too late is shown the next time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import ChannelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.channels.notice_store import KeptNotices
    from envmgr.channels.notices import Notice
    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ports import Transport

_DAY_SECONDS = 24 * 3600.0
_THREADS = 4
_LONGEST_ANSWER_SECONDS = 3.0
_GRACE_SECONDS = 0.5


class ToldNotices(Struct, frozen=True):
    """The notices to show, by channel in order, and how many *more* there are that were not shown yet."""

    notices: tuple[Notice, ...] = ()
    more: int = 0


def all_notices(channels: Sequence[Channel], context: Context) -> tuple[Notice, ...]:
    """Every notice of *channels* that is not expired, asked for now; offline, as far as they are remembered.

    A channel that does not answer gets a warning, and its remembered notices count. Raises ChannelError when not
    one channel answers and nothing is remembered.
    """
    from envmgr.channels.notice_store import NoticeStore, fetch_notices
    from envmgr.channels.notices import current
    from envmgr.channels.threads import map_in_threads

    store, now = NoticeStore(context.settings.index_dir), context.clock.now()

    def ask(channel: Channel) -> tuple[KeptNotices | None, ChannelError | None]:
        known = store.load(channel)
        if context.settings.offline and not channel.url.startswith("file:"):
            return known, None
        try:
            fresh = fetch_notices(channel, known, context.transport, now)
        except ChannelError as error:
            return known, error
        store.save(fresh)
        return fresh, None

    answers = map_in_threads(ask, channels, threads=_THREADS, stopping=threading.Event())
    failures = [error for _, error in answers if error is not None]
    if failures and len(failures) == len(answers) and not any(known for known, _ in answers):
        raise failures[0]
    for failure in failures:
        context.reporter.warned(str(failure))
    found: list[Notice] = []
    for channel, (known, _) in zip(channels, answers, strict=True):
        shown = current(known.notices, now) if known is not None else []
        store.mark_shown(channel, [notice.id for notice in shown])
        found += shown
    return tuple(found)


def ask_for_notices(
    channels: Sequence[Channel], fetch: Iterable[PackageRecord], written: Iterable[str], context: Context
) -> PendingNotices | None:
    """What asks *channels*, beside a command that is about to download *fetch*; None where nobody is asked.

    That is: offline, where the user wants no notices, and where nothing is downloaded from a server, since a
    command that needs no network shall not use it for this. *written* are URLs that may hold credentials.
    """
    settings = context.settings
    if settings.offline or not (settings.number_channel_notices and channels):
        return None
    if all(record.url.startswith("file:") for record in fetch):
        return None
    return PendingNotices(channels, _hasty_transport(written, context), context)


def _hasty_transport(written: Iterable[str], context: Context) -> Transport:
    """A transport that gives up quickly and quietly."""
    from envmgr.net.credentials import CredentialTransport
    from envmgr.net.transport import make_transport

    settings = replace(
        context.settings,
        retries=0,
        connect_timeout_seconds=min(context.settings.connect_timeout_seconds, _LONGEST_ANSWER_SECONDS),
        read_timeout_seconds=min(context.settings.read_timeout_seconds, _LONGEST_ANSWER_SECONDS),
    )
    return CredentialTransport(make_transport(settings, environ=context.environ, home=context.home), written)


class PendingNotices:
    """Channels that are asked in the background from `begin` on, those that were not asked for a day."""

    def __init__(self, channels: Sequence[Channel], transport: Transport, context: Context) -> None:
        from envmgr.channels.notice_store import NoticeStore

        self._channels = channels
        self._transport = transport
        self._store = NoticeStore(context.settings.index_dir)
        self._number = context.settings.number_channel_notices
        self._now = context.clock.now()
        self._known = {channel: self._store.load(channel) for channel in channels}
        self._waiting = {channel for channel in channels if self._is_due(self._known[channel])}
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def begin(self) -> None:
        """Ask, in a thread; once, however often it is called."""
        if self._waiting and self._thread.ident is None:
            self._thread.start()

    def finish(self) -> ToldNotices:
        """The notices of the channels that answered by now and of those asked earlier, as far as they are new."""
        from envmgr.channels.notices import current

        if self._thread.is_alive():
            self._thread.join(_GRACE_SECONDS)
        fresh: list[tuple[Channel, Notice]] = []
        waiting = set(self._waiting)
        for channel in self._channels:
            known = self._known[channel]
            if known is not None and channel not in waiting:
                new = [each for each in current(known.notices, self._now) if each.id not in known.shown]
                fresh += [(channel, each) for each in new]
        told = fresh[: self._number]
        for channel in dict.fromkeys(channel for channel, _ in told):
            self._store.mark_shown(channel, [notice.id for of, notice in told if of == channel])
        return ToldNotices(tuple(notice for _, notice in told), len(fresh) - len(told))

    def _is_due(self, known: KeptNotices | None) -> bool:
        return known is None or not 0 <= self._now - known.checked < _DAY_SECONDS

    def _ask(self) -> None:
        from envmgr.channels.notice_store import KeptNotices, fetch_notices, notices_url

        for channel in [channel for channel in self._channels if channel in self._waiting]:
            known = self._known[channel]
            try:
                answer = fetch_notices(channel, known, self._transport, self._now)
            except Exception:  # noqa: BLE001 (nothing that goes wrong here is worth a word)
                answer = replace(known or KeptNotices(notices_url(channel), 0.0), checked=self._now)
            self._store.save(answer)
            self._known[channel] = answer
            self._waiting.discard(channel)
