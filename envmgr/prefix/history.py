"""The action blocks of conda-meta/history (CEP 32): text out, and what was asked for back in."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.models.channel import Channel, without_credentials_in_text
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.named_file import shown_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.record import PackageRecord

_HEADING = lazy_pattern(r"==>.*<==")
_SPECS = lazy_pattern(r"#\s*(\w+)\s+specs:\s*(.*)")
_COMES = ("update", "install", "create", "neutered")
_GOES = ("remove", "uninstall")


class Change(Struct, frozen=True):
    """One change of a prefix, as history tells it; *moment* is in seconds since the Unix epoch.

    ``update_specs`` and ``remove_specs`` are what the user asked for, as MatchSpec texts.
    """

    moment: float
    command: tuple[str, ...]
    version: str
    linked: tuple[PackageRecord, ...] = ()
    unlinked: tuple[PackageRecord, ...] = ()
    update_specs: tuple[str, ...] = ()
    remove_specs: tuple[str, ...] = ()


def history_block(change: Change) -> str:
    """The block for *change*, in local time like conda's; credentials in the command are left out.

    Python distributions are left out as well: for other tools they are what pip installed, which no history tells.
    """
    moment = datetime.fromtimestamp(change.moment, tz=timezone.utc).astimezone()
    lines = [
        f"==> {moment:%Y-%m-%d %H:%M:%S} <==",
        f"# cmd: {_command_line(change.command)}",
        f"# envmgr version: {change.version}",
    ]
    lines += sorted(f"-{distribution(record)}" for record in change.unlinked if not record.is_pypi)
    lines += sorted(f"+{distribution(record)}" for record in change.linked if not record.is_pypi)
    lines += _specs("update", change.update_specs) + _specs("remove", change.remove_specs)
    return "\n".join(lines) + "\n"


def distribution(record: PackageRecord) -> str:
    """``channel/subdir::name-version-build``, the channel by its short name where it has one."""
    if record.origin is None:
        return record.dist_name
    channel = Channel.parse(record.origin.channel).name
    return f"{channel}/{record.origin.subdir}::{record.dist_name}"


def _command_line(command: Sequence[str]) -> str:
    return " ".join(map(shown_word, command)).replace("\n", " ")


def _specs(kind: str, specs: Sequence[str]) -> list[str]:
    return [f"# {kind} specs: {[without_credentials_in_text(spec) for spec in specs]!r}"] if specs else []


class PastRequest(Struct, frozen=True):
    """What one block says was asked for, as spec texts; ``is_own`` tells that envmgr wrote it."""

    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()
    is_own: bool = False


def read_requests(text: str) -> tuple[PastRequest, ...]:
    """The requests in a history that conda, mamba or envmgr wrote, the oldest first; what is unreadable is skipped.

    Conda's newer lines hold a list as Python writes it, the older ones words between commas. ``neutered`` specs are
    those that conda itself made weaker, which count from then on.
    """
    requests: list[PastRequest] = []
    lines: list[str] = []
    for line in [*text.splitlines(), "==> <=="]:
        if not _HEADING.match(line):
            lines.append(line)
        elif lines:
            requests.append(_request(lines))
            lines = []
    return tuple(requests)


def _request(lines: Sequence[str]) -> PastRequest:
    came: list[str] = []
    went: list[str] = []
    for kind, written in (found.groups() for line in lines if (found := _SPECS.match(line))):
        if kind in _COMES:
            came += _listed(written)
        elif kind in _GOES:
            went += _listed(written)
    return PastRequest(tuple(came), tuple(went), any(line.startswith("# envmgr version:") for line in lines))


def _listed(written: str) -> list[str]:
    if not written.startswith("["):
        # A part that begins with an operator belongs to the spec before it: `numpy >=1,<2,scipy`.
        return [part.strip() for part in re.split(r",(?=\s*[A-Za-z_])", written) if part.strip()]
    import ast

    try:
        values = ast.literal_eval(written)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [value for value in values if isinstance(value, str)]
