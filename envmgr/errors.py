"""Every failure that envmgr can explain, by whose fault it is.

An error's text is one sentence: what failed, where (file, line, spec, URL), what was expected and what was
found. ``hint`` holds what the reader can do about it, and is None where there is nothing to do. Other facts
are keyword arguments; they become attributes and keys of the JSON output. This module knows nothing of exit
codes or terminals.
"""

from __future__ import annotations

from typing import Any


class Terminated(KeyboardInterrupt):
    """The process was asked to end by the signal *signum*; raised so that unfinished work is undone."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"ended by signal {signum}")
        self.signum = signum


class EnvmgrError(Exception):
    """The root of every error that is meant for the user's eyes.

    >>> error = DataError("env.yml:3: a tab cannot indent YAML.", hint="Use spaces.", line=3)
    >>> str(error), error.hint, error.facts
    ('env.yml:3: a tab cannot indent YAML.', 'Use spaces.', {'line': 3})
    """

    def __init__(self, message: str, *, hint: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.hint = hint
        self.facts: dict[str, Any] = facts


class UsageError(EnvmgrError):
    """The command line or a call asks for something that makes no sense; nothing was started."""


class DataError(EnvmgrError):
    """A file, spec, record or archive does not follow its format."""


class ChannelError(EnvmgrError):
    """A channel could not be reached or served something unusable."""


class SolveError(EnvmgrError):
    """No set of packages fulfils the request."""

    @property
    def explanation(self) -> tuple[str, ...]:
        """Why, in lines for people; empty where the solver did not come to an end."""
        return tuple(self.facts.get("explanation", ()))

    @property
    def proposals(self) -> tuple[str, ...]:
        """Edits of the request that would work, the smallest first, in a line each."""
        return tuple(proposal["text"] for proposal in self.facts.get("proposals", ()))


class PrefixError(EnvmgrError):
    """An environment could not be read, written or changed."""


class BuildError(EnvmgrError):
    """A recipe could not be evaluated or its script failed."""


class ConfigError(DataError):
    """A configuration file or variable holds an unknown key or a wrong type."""


def explained_os_error(error: OSError) -> EnvmgrError:
    """An error of the system that no operation worded, as one that a reader understands."""
    place = f"{error.filename}: " if error.filename else ""
    return EnvmgrError(f"{place}{error.strerror or error}.", errno=error.errno)
