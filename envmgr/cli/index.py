"""``envmgr index``: write the repodata of a channel folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "index", "Write repodata.json and repodata.json.zst for the packages in a channel folder."
    )
    made.add_argument("channel", nargs="?", metavar="FOLDER", help="default: the channel 'local'")
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Index the folder and say how many packages each subdir lists."""
    options = parser().parse_args(arguments)
    from envmgr.cli.render import write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.environments import expanded
    from envmgr.ops.index import index_channel

    context, _ = open_context(options)
    folder = expanded(options.channel, context) if options.channel else context.settings.local_channel_dir
    indexed = index_channel(folder, context)
    if options.json:
        write_json(
            {
                "success": True,
                "channel": str(folder),
                "packages": {each.subdir: each.packages for each in indexed},
            }
        )
    else:
        write_lines(f"{each.subdir}: {each.packages} packages" for each in indexed)
    return 0
