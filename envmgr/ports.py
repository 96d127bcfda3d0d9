"""What the rooms ask of the outside world, and of nothing else.

Each port is small. Real implementations live in ``net`` (Transport), ``host`` (Runner, Clock) and ``cli``
(Reporter); the in-memory ones that tests and dry runs use stand in this module, beside the port.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


class Phase(enum.Enum):
    """The stages of work that take longer than a moment; the value is the word that a reader sees."""

    INDEX = "index"
    SEARCH = "search"
    SOLVE = "solve"
    DOWNLOAD = "download"
    UNPACK = "unpack"
    LINK = "link"
    SCRIPTS = "scripts"
    PYPI = "pypi"
    BUILD = "build"


class Reporter:
    """Receives events of long work; every method does nothing until a subclass overrides it.

    Methods may be called from several threads at once. Amounts are bytes for INDEX and DOWNLOAD, and counts
    (packages, files, items) for the other phases.
    """

    def phase_started(self, phase: Phase, total: int | None = None) -> None:
        """A phase begins; *total* is None while the amount of work is unknown."""

    def phase_grew(self, phase: Phase, amount: int) -> None:
        """More work became known: *amount* is added to the phase's total."""

    def phase_advanced(self, phase: Phase, amount: int) -> None:
        """*amount* of work was done."""

    def phase_finished(self, phase: Phase) -> None:
        """The phase ended, well or badly."""

    def warned(self, message: str) -> None:
        """Something that the user should know, in one sentence; the work goes on."""

    def decided(self, message: str) -> None:
        """What was chosen on the way, in one sentence, for a user who wants to follow; mostly nobody does."""

    def requested(self, message: str) -> None:
        """What was asked of a server, or read of a file, in one sentence, for a user who wants every detail."""


class RecordingReporter(Reporter):
    """Keeps warnings and the sum of each phase, for tests."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.advanced: dict[Phase, int] = {}
        self.finished: list[Phase] = []

    def phase_advanced(self, phase: Phase, amount: int) -> None:
        """Adds to the phase's sum."""
        self.advanced[phase] = self.advanced.get(phase, 0) + amount

    def phase_finished(self, phase: Phase) -> None:
        """Notes the order in which phases ended."""
        self.finished.append(phase)

    def warned(self, message: str) -> None:
        """Keeps the sentence."""
        self.warnings.append(message)


class Response(Protocol):
    """An answer to a GET whose body has not been read yet; a context manager that closes it.

    ``status`` is the HTTP status (a file transport answers 200, 304 or 404); ``headers`` has lower-case keys;
    ``url`` is where the body came from, which mirrors and redirects may have chosen, without credentials.
    ``doubt`` tells why a file that is missing may be somewhere else all the same; mostly nothing does.
    """

    status: int
    headers: Mapping[str, str]
    url: str
    doubt: str | None

    def iter_bytes(self, size: int = 1 << 16) -> Iterator[bytes]:
        """The body in chunks of about *size* bytes; raises ChannelError when it breaks off."""
        ...

    def reject(self, reason: str) -> bool:
        """Tell that the body was not what it should be; True where the next request may get a better one."""
        ...

    def __enter__(self) -> Response: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def with_source(url: str, response: Response) -> str:
    """*url* for a sentence, with the place that answered for it where that was another."""
    return url if response.url == url else f"{url} (from {response.url})"


class OnlyAnswer:
    """The part of a Response that there is nothing to choose for: nobody else could be asked."""

    doubt: str | None = None

    def reject(self, reason: str) -> bool:  # noqa: ARG002 (the port has it)
        """Nothing can be done about it."""
        return False


class Transport(Protocol):
    """Opens URLs. The implementation owns retries, time-outs, credentials and redirects."""

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET *url*; any HTTP status is an answer, no answer at all raises ChannelError naming the URL."""
        ...


class Finished(NamedTuple):
    """How a child process ended: its exit code (negative for a signal) and its output as text."""

    returncode: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """Runs programs to their end and captures what they print."""

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        timeout_seconds: float | None = None,
    ) -> Finished:
        """Run *command* with exactly *env* as its environment; OSError when it cannot be started."""
        ...


class Clock(Protocol):
    """Tells the time, so that tests can choose it."""

    def now(self) -> float:
        """Seconds since the Unix epoch, UTC."""
        ...


class FixedClock:
    """A clock that stands still."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        """The moment that it was made with, in seconds since the Unix epoch."""
        return self._now
