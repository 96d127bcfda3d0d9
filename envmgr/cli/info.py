"""``envmgr info``: what envmgr knows of itself and this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_output, add_understood

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from envmgr.ops.overview import Folder, Overview


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser("info", "Show what envmgr knows of itself and this machine.")
    only = made.add_mutually_exclusive_group()
    only.add_argument(
        "-e", "--envs", action="store_true", help="only the environments, as env list shows them"
    )
    only.add_argument("--base", action="store_true", help="only the folder of everything that envmgr keeps")
    add_understood(made, "-a", "--all")
    add_understood(made, "--offline")
    made.add_argument("--sizes", action="store_true", help="also how much the folders hold")
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Print the facts, one a line, or as JSON with conda's keys."""
    options = parser().parse_args(arguments)
    if options.envs:
        from envmgr.cli import env

        return env.run(["list", *(["--json"] if options.json else [])])
    from envmgr.cli.render import write_json, write_lines
    from envmgr.cli.session import load, open_context
    from envmgr.ops.overview import overview

    if options.base:
        root = str(load(options).settings.root)
        if options.json:
            write_json({"root_prefix": root})
        else:
            write_lines([root])
        return 0
    context, _ = open_context(options)
    shown = overview(context, load(options), with_sizes=options.sizes)
    if options.json:
        write_json({**shown.facts, "folders": [_folder_fields(each) for each in shown.folders]})
    else:
        write_lines(_lines(shown))
    return 0


def _folder_fields(folder: Folder) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": folder.kind,
        "path": str(folder.path),
        "exists": folder.exists,
        "writable": folder.writable,
        "free": folder.free,
    }
    return fields if folder.size is None else {**fields, "size": folder.size}


def _lines(shown: Overview) -> list[str]:
    """A name a line, its values below one another."""
    facts = shown.facts
    rows: list[tuple[str, Iterable[str]]] = [
        ("envmgr", [facts["envmgr_version"]]),
        ("python", [f"{facts['python_version']} ({facts['sys.executable']})"]),
        ("platform", [facts["platform"]]),
        ("virtual packages", ["=".join(package) for package in facts["virtual_pkgs"]]),
        ("active environment", [_active(facts)]),
        ("root", [facts["root_prefix"]]),
        ("settings file", [facts["rc_path"]]),
        ("files read", facts["config_files"]),
        ("channels", facts["channels"]),
        ("channel priority", [facts["channel_priority"]]),
        ("offline", [_word(facts["offline"])]),
        ("certificates checked", [_word(facts["ssl_verify"])]),
        ("proxies", [f"{scheme}: {url}" for scheme, url in facts["proxies"].items()]),
        ("user agent", [facts["user_agent"]]),
        *((folder.kind, [_folder_text(folder)]) for folder in shown.folders),
        ("known environments", facts["envs"]),
    ]
    width = max(len(name) for name, _ in rows)
    lines = []
    for name, values in rows:
        first, *more = list(values) or ["none"]
        lines.append(f"{name:>{width}} : {first}")
        lines += [f"{'':>{width}}   {value}" for value in more]
    return lines


def _active(facts: dict[str, Any]) -> str:
    active, name = facts["active_prefix"], facts["active_prefix_name"]
    if active is None:
        return "none"
    return str(active) if name == active else f"{name} ({active})"


def _word(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _folder_text(folder: Folder) -> str:
    from envmgr.cli.render import size_text

    state = "writable" if folder.writable else "read-only"
    words = [state if folder.exists else f"not there yet, {state}"]
    words += [size_text(folder.size)] if folder.size is not None else []
    words += [f"{size_text(folder.free)} free"] if folder.free is not None else []
    return f"{folder.path} ({', '.join(words)})"
