"""``envmgr notices``: what the channels have to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_understood

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from envmgr.channels.notices import Notice
    from envmgr.ops.notices import ToldNotices


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser("notices", "Show the notices of the configured channels, or of others.")
    made.add_argument(
        "-c",
        "--channel",
        action="append",
        default=[],
        metavar="CHANNEL",
        help="only the notices of this channel (repeatable)",
    )
    made.add_argument(
        "--offline", action="store_true", default=None, help="only what was fetched earlier, or is local"
    )
    add_understood(made, "-O", "--override-channels")
    made.add_argument("--json", action="store_true", help="print the notices as JSON")
    return made


def run(arguments: Sequence[str]) -> int:
    """Print the notices that are not expired, channel by channel, or as conda's JSON."""
    options = parser().parse_args(arguments)
    from envmgr.cli.render import note, write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.channels import WrittenChannel, configured_channels, credential_urls, permitted_channels
    from envmgr.ops.notices import all_notices

    context, _ = open_context(options)
    written = [WrittenChannel(name, "command line") for name in options.channel]
    written = written or configured_channels(context)
    context = context.with_credentials([*options.channel, *credential_urls(context.settings)])
    notices = all_notices(permitted_channels(written, context), context)
    if options.json:
        write_json([_fields(notice) for notice in notices])
    elif notices:
        write_lines(notice_lines(notices))
    else:
        note("The channels have no notices.")
    return 0


def notice_lines(notices: Sequence[Notice]) -> Iterator[str]:
    """The notices for people, below the names of their channels; every line of a message is indented."""
    channel = None
    for notice in notices:
        if notice.channel != channel:
            channel = notice.channel
            yield f"Notices of the channel {channel}:"
        when = _day(notice)
        yield f"  [{notice.level}]{f' {when}' if when else ''}"
        yield from (f"    {line}".rstrip() for line in notice.message.split("\n"))


def told_lines(told: ToldNotices) -> Iterator[str]:
    """What a command shows beside its own work."""
    yield from notice_lines(told.notices)
    if told.more:
        yield f"{told.more} more: envmgr notices"


def _day(notice: Notice) -> str:
    from envmgr.channels.notices import moment_text

    return (moment_text(notice.created_at) or "")[:10]


def _fields(notice: Notice) -> dict[str, Any]:
    """A notice as conda's JSON shows one."""
    from envmgr.channels.notices import moment_text

    return {
        "id": notice.id,
        "channel_name": notice.channel,
        "message": notice.message,
        "level": notice.level,
        "created_at": moment_text(notice.created_at),
        "expired_at": moment_text(notice.expires_at),
        "interval": notice.interval,
    }
