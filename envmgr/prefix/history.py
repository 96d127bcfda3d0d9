"""The action blocks of conda-meta/history (CEP 32): text out, for conda and people to read."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.models.channel import Channel, without_credentials_in_text, without_credentials_in_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.record import PackageRecord


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
    return " ".join(map(without_credentials_in_word, command)).replace("\n", " ")


def _specs(kind: str, specs: Sequence[str]) -> list[str]:
    return [f"# {kind} specs: {[without_credentials_in_text(spec) for spec in specs]!r}"] if specs else []
