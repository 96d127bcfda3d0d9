"""Mirrors: other places that serve what a channel serves, and which of them has its turn.

The mirrors of the longest matching URL are asked in the order in which they are listed; the URL itself is asked
only if it is listed, as in pixi. One that fails (no connection, no answer in time, a login asked for, a status that
may pass, a body that breaks off or that its reader rejects) is put behind the others for a minute, and longer each
time in a row; one that turns out slow is put behind those that are not. So every mirror gets one quick try before
any is waited for. A mirror that lacks a file (403, 404, 410) may lag: the others that are well are asked before
that is the answer, which tells in doubt of those that are not well.

Health is kept in memory, for this process. Nobody else learns of mirrors: callers keep their own URLs. The
channel's credentials do not go to a mirror; those in a mirror's own URL do.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from envmgr.errors import ChannelError
from envmgr.models.channel import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from envmgr.ports import Response, Transport

_MISSING: Final = frozenset((403, 404, 410))
_FAILING: Final = frozenset((401, 408, 429, 500, 502, 503, 504))
_PENALTY_SECONDS: Final = 60.0
_LONGEST_PENALTY_SECONDS: Final = 600.0
_SLOW_PENALTY_SECONDS: Final = 120.0
_SLOW_ANSWER_SECONDS: Final = 5.0
_SLOW_BYTES_PER_SECOND: Final = 50_000.0
_WINDOW_SECONDS: Final = 2.0
_NEW_WEIGHT: Final = 0.5


def find_prefix(url: str, prefixes: Iterable[str]) -> str | None:
    """The longest of *prefixes* that is *url* (without credentials) or a folder around it.

    >>> find_prefix("https://a.org/forge/noarch", ["https://a.org", "https://a.org/forge", "https://a.org/f"])
    'https://a.org/forge'
    """
    around = [prefix for prefix in prefixes if url == prefix or url.startswith(f"{prefix}/")]
    return max(around, key=len, default=None)


class _Meter:
    """The speed of one mirror as a moving average, in bytes for each second in which somebody waited for it.

    ``speed`` is None until a window of two seconds was measured.
    """

    def __init__(self) -> None:
        self.speed: float | None = None
        self._waiting = 0
        self._since = 0.0
        self._seconds = 0.0
        self._bytes = 0

    def begin(self, now: float) -> None:
        """Somebody begins to wait for bytes."""
        if self._waiting == 0:
            self._since = now
        self._waiting += 1

    def end(self, now: float, size: int) -> bool:
        """*size* bytes came to one that waited; True when that completes a window.

        Several that wait at the same time share the time.
        """
        self._waiting -= 1
        self._seconds += now - self._since
        self._since = now
        self._bytes += size
        if self._seconds < _WINDOW_SECONDS:
            return False
        self.speed = _averaged(self.speed, self._bytes / self._seconds)
        self._seconds, self._bytes = 0.0, 0
        return True


class _Mirror:
    """One mirror of *prefix*: its URL, which may hold credentials, and its health.

    The methods that learn something return, the first time that the mirror loses its turn, the reason in words.
    """

    def __init__(self, url: str, prefix: str, position: int) -> None:
        self.shown = without_credentials(url)
        self.meter = _Meter()
        self._url = url
        self._is_original = self.shown == prefix and self.shown.lower() == url.lower()
        self._prefix = prefix
        self._position = position
        self._failures = 0
        self._failing_until = 0.0
        self._slow_until = 0.0
        self._answer_seconds: float | None = None
        self._is_told = False
        self._trouble = ""

    def target(self, url: str) -> str:
        """Where this mirror has what *url* names; the channel itself keeps the credentials in *url*."""
        if self._is_original:
            return url
        return self._url + without_credentials(url)[len(self._prefix) :]

    def rank(self, now: float) -> tuple[int, float]:
        """Those with a lower rank are asked first."""
        if self.is_failing(now):
            return 2, self._failing_until
        if now < self._slow_until:
            return 1, -(self.meter.speed or 0.0)
        return 0, self._position

    def is_failing(self, now: float) -> bool:
        """Whether it failed a short time ago."""
        return now < self._failing_until

    def learn_failure(self, now: float, words: str) -> str | None:
        """It failed."""
        penalty = min(_PENALTY_SECONDS * 2**self._failures, _LONGEST_PENALTY_SECONDS)
        self._failures += 1
        self._trouble = words
        self._failing_until = now + penalty
        return self._news(words)

    def trouble(self, now: float) -> str | None:
        """What is wrong with it now, for a sentence; None while it is well."""
        return f"{self.shown} {self._trouble}" if self.is_failing(now) else None

    def learn_success(self) -> None:
        """A body came whole."""
        self._failures = 0

    def learn_wait(self, now: float, seconds: float) -> str | None:
        """It took so long to answer."""
        self._answer_seconds = _averaged(self._answer_seconds, seconds)
        if self._answer_seconds <= _SLOW_ANSWER_SECONDS:
            return None
        self._slow_until = now + _SLOW_PENALTY_SECONDS
        return self._news(f"is slow ({self._answer_seconds:.0f} s for an answer)")

    def learn_bytes(self, now: float, size: int) -> str | None:
        """So many bytes came to one that waited since `meter.begin`."""
        if not self.meter.end(now, size) or (self.meter.speed or 0.0) >= _SLOW_BYTES_PER_SECOND:
            return None
        self._slow_until = now + _SLOW_PENALTY_SECONDS
        return self._news(f"is slow ({(self.meter.speed or 0.0) / 1000:.0f} kB/s)")

    def _news(self, words: str) -> str | None:
        is_news = not self._is_told
        self._is_told = True
        return words if is_news else None


class MirrorTransport:
    """Opens URLs through their mirrors, and all others as they are. May be used by several threads at once.

    *mirrors* has for each prefix (without credentials and a slash at its end) its mirrors, best first. *patient*
    tries again where that may help, *hasty* does not; without it *patient* is used from the beginning. *now* is a
    clock in seconds. *on_warning* gets one sentence for each mirror that loses its turn.
    """

    def __init__(
        self,
        patient: Transport,
        mirrors: Mapping[str, Sequence[str]],
        *,
        hasty: Transport | None = None,
        now: Callable[[], float] = time.monotonic,
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        self._patient = patient
        self._hasty = hasty
        self._now = now
        self._on_warning = on_warning
        self._lock = threading.Lock()
        self._mirrors = {
            prefix: [_Mirror(url, prefix, position) for position, url in enumerate(urls)]
            for prefix, urls in mirrors.items()
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {', '.join(self._mirrors) or 'nothing'}>"

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET *url* from the first mirror that has it.

        Where none has it the answer is that it is missing, or else what the first one failed with: its answer, or
        its ChannelError.
        """
        mirrors = self._mirrors_of(url)
        if not mirrors:
            return self._patient.open(url, headers)
        asked = _Asked(url, headers)
        if self._hasty is not None and len(mirrors) > 1:
            answer = self._ask(mirrors, asked, self._hasty)
            if answer is not None:
                return answer
        answer = self._ask(mirrors, asked, self._patient)
        return answer if answer is not None else asked.failed()

    def note_failure(self, mirror: _Mirror, words: str) -> None:
        """*mirror* failed, perhaps in the middle of a body."""
        with self._lock:
            news = mirror.learn_failure(self._now(), words)
        self._tell(mirror, news)

    def count(self, mirror: _Mirror, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The *chunks* of a body, while the time that they take is measured."""
        while True:
            with self._lock:
                mirror.meter.begin(self._now())
            chunk = None
            try:
                chunk = next(chunks, None)
            finally:
                with self._lock:
                    news = mirror.learn_bytes(self._now(), len(chunk or b""))
            self._tell(mirror, news)
            if chunk is None:
                break
            yield chunk
        with self._lock:
            mirror.learn_success()

    def has_other(self, mirror: _Mirror) -> bool:
        """Whether another mirror of the same is well."""
        now = self._now()
        with self._lock:
            return any(each is not mirror and not each.is_failing(now) for each in self._others(mirror))

    def _others(self, mirror: _Mirror) -> Sequence[_Mirror]:
        """The mirrors of the same prefix, with itself."""
        return next(each for each in self._mirrors.values() if mirror in each)

    def _mirrors_of(self, url: str) -> list[_Mirror]:
        """The mirrors of the longest prefix of *url*, in the order in which they should be asked now."""
        prefix = find_prefix(without_credentials(url), self._mirrors)
        if prefix is None:
            return []
        with self._lock:
            now = self._now()
            return sorted(self._mirrors[prefix], key=lambda mirror: mirror.rank(now))

    def _ask(self, mirrors: Sequence[_Mirror], asked: _Asked, transport: Transport) -> Response | None:
        """The answer of the first of *mirrors* that has it, or that none has it; None when that is not known."""
        for mirror in mirrors:
            if asked.missing is not None and mirror.is_failing(self._now()):
                break
            answer = self._ask_one(mirror, asked, transport)
            if answer is not None:
                asked.close()
                return answer
        if asked.missing is not None:
            with self._lock:
                troubles = [mirror.trouble(self._now()) for mirror in mirrors]
            asked.missing.doubt = "; ".join(filter(None, troubles)) or None
        return asked.missing

    def _ask_one(self, mirror: _Mirror, asked: _Asked, transport: Transport) -> Response | None:
        began = self._now()
        try:
            answer = transport.open(mirror.target(asked.url), asked.headers)
        except ChannelError as error:
            asked.keep_error(error)
            self.note_failure(mirror, f"fails ({str(error).rstrip('.')})")
            return None
        if answer.status in _FAILING:
            asked.keep_failed(answer)
            self.note_failure(mirror, f"fails (HTTP status {answer.status})")
            return None
        if answer.status in _MISSING:
            asked.keep_missing(_MirrorResponse(answer, mirror, self))
            return None
        if transport is (self._hasty or self._patient):
            with self._lock:
                news = mirror.learn_wait(self._now(), self._now() - began)
            self._tell(mirror, news)
        return _MirrorResponse(answer, mirror, self)

    def _tell(self, mirror: _Mirror, words: str | None) -> None:
        if words is not None and self._on_warning is not None and len(self._others(mirror)) > 1:
            self._on_warning(f"the mirror {mirror.shown} {words}; the others are asked first for a while.")


class _Asked:
    """A request on its way from mirror to mirror, with the answers that may have to do in the end."""

    def __init__(self, url: str, headers: Mapping[str, str] | None) -> None:
        self.url = url
        self.headers = headers
        self.missing: _MirrorResponse | None = None
        self._failed: Response | None = None
        self._error: ChannelError | None = None

    def keep_missing(self, answer: _MirrorResponse) -> None:
        """The first such answer is as good as any."""
        if self.missing is None:
            self.missing = answer
        else:
            _close(answer)

    def keep_failed(self, answer: Response) -> None:
        """The newest such answer: the patient round says more than the hasty one."""
        _close(self._failed)
        self._failed = answer

    def keep_error(self, error: ChannelError) -> None:
        """The first error: of the mirror that the user likes best."""
        self._error = self._error or error

    def failed(self) -> Response:
        """What to say when no mirror has it and none says that it is missing."""
        if self._failed is not None:
            return self._failed
        assert self._error is not None, "every mirror answered, failed or raised"
        raise self._error

    def close(self) -> None:
        """Give up the answers that were kept."""
        _close(self.missing)
        _close(self._failed)


class _MirrorResponse:
    """A mirror's answer, whose body tells how well the mirror is; one body costs it its turn once at most."""

    doubt: str | None = None

    def __init__(self, inner: Response, mirror: _Mirror, transport: MirrorTransport) -> None:
        self._inner = inner
        self._mirror = mirror
        self._transport = transport
        self.status = inner.status
        self.headers = inner.headers
        self.url = inner.url
        self._has_failed = False

    def iter_bytes(self, size: int = 1 << 16) -> Iterator[bytes]:
        """The body; one that breaks off costs the mirror its turn, and raises ChannelError as ever."""
        try:
            yield from self._transport.count(self._mirror, self._inner.iter_bytes(size))
        except ChannelError as error:
            self._fail(f"fails ({str(error).rstrip('.')})")
            raise

    def reject(self, reason: str) -> bool:
        """A bad body costs the mirror its turn, too; True where another mirror is well."""
        self._fail(f"sends what is no good ({reason.rstrip('.')})")
        return self._transport.has_other(self._mirror)

    def _fail(self, words: str) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._transport.note_failure(self._mirror, words)

    def __enter__(self) -> _MirrorResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)


def _close(answer: Response | None) -> None:
    if answer is not None:
        answer.__exit__(None, None, None)


def _averaged(before: float | None, measured: float) -> float:
    return measured if before is None else before + _NEW_WEIGHT * (measured - before)
