"""``envmgr info``: settings, platform and virtual packages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser("info", "Show what envmgr knows of itself and this machine.")
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Print the facts, one a line, or as JSON with conda's keys."""
    options = parser().parse_args(arguments)
    from envmgr import __version__
    from envmgr.cli.render import write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.host.probe import virtual_packages
    from envmgr.ops.environments import list_environments
    from envmgr.ops.channels import parse_channels

    context, _ = open_context(options)
    settings = context.settings
    virtual = virtual_packages(settings.subdir, context.environ).all()
    channels = parse_channels(settings.channels, context)
    facts: dict[str, object] = {
        "envmgr_version": __version__,
        "python_version": ".".join(str(part) for part in sys.version_info[:3]),
        "platform": settings.subdir,
        "virtual_pkgs": [[record.name, record.version, record.build] for record in virtual],
        "active_prefix": context.environ.get("CONDA_PREFIX"),
        "root_prefix": str(settings.root),
        "envs_dirs": [str(path) for path in settings.envs_dirs],
        "pkgs_dirs": [str(path) for path in settings.pkgs_dirs],
        "channels": [channel.url for channel in channels],
        "channel_priority": settings.channel_priority,
        "offline": settings.offline,
        "envs": [str(known.prefix) for known in list_environments(context)],
    }
    if options.json:
        write_json(facts)
        return 0
    width = max(len(key) for key in facts)
    write_lines(f"{key.replace('_', ' '):>{width}} : {_shown(value)}" for key, value in facts.items())
    return 0


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join("=".join(item) if isinstance(item, list) else str(item) for item in value) or "none"
    return "none" if value is None else str(value)
