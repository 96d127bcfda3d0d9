"""``envmgr config``: show the settings and where they come from, and edit our own settings file.

`envmgr config ACTION ...`, or conda's spellings (`config --show`, `--set KEY VALUE`), whose JSON is conda's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_output
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from envmgr.ops.config import Action, Edit, Edited, ShownSetting, Surroundings

_ACTIONS = {
    "show": ("show settings, and where they come from", "[KEY...]"),
    "list": ("the same as show", "[KEY...]"),
    "get": ("print the value of a setting, a list one item a line", "KEY"),
    "set": ("set a setting; a list takes several values", "KEY VALUE..."),
    "append": ("add values to the end of a list", "KEY VALUE..."),
    "prepend": ("add values to the front of a list", "KEY VALUE..."),
    "remove": ("remove values from a list, or a whole setting", "KEY [VALUE...]"),
    "path": ("print where the settings file is", ""),
}
"""What each action does, and how it is called."""

ACTIONS = {name: does for name, (does, _) in _ACTIONS.items()}
"""What stands after ``config``, and what it does."""


def parser() -> argparse.ArgumentParser:
    """The command's actions, and conda's spellings of them."""
    actions = "; ".join(f"{name}: {does}" for name, does in ACTIONS.items())
    made = CommandParser(
        "config",
        "Show and edit settings.",
        usage="envmgr config ACTION [KEY] [VALUE...] [--json]",
        epilog=f"ACTIONS. {actions}.",
    )
    conda = made.add_argument_group("conda's spellings")
    conda.add_argument("--show", nargs="*", metavar="KEY", help="show settings")
    conda.add_argument("--show-sources", action="store_true", help="show what is set, by where it is set")
    conda.add_argument(
        "--validate", action="store_true", help="only read all settings, and tell what is wrong"
    )
    conda.add_argument("--get", nargs="+", metavar="KEY", help="show single settings")
    for name, does in (("prepend", "prepend"), ("append", "append"), ("set", "set"), ("remove", "remove")):
        names = ["--prepend", "--add"] if name == "prepend" else [f"--{name}"]
        conda.add_argument(
            *names,
            nargs=2,
            action="append",
            default=[],
            metavar=("KEY", "VALUE"),
            help=f"as {does} KEY VALUE",
        )
    conda.add_argument("--remove-key", action="append", default=[], metavar="KEY", help="as remove KEY")
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Carry out one action, or what conda's options ask for."""
    action = next((word for word in arguments if not word.startswith("-")), None)
    place = list(arguments).index(action) if action is not None else 0
    spelt_by_conda = any(
        word.startswith("--") and word not in ("--json", "--quiet") for word in arguments[:place]
    )
    if action is None or spelt_by_conda or {"-h", "--help"} & set(arguments[:place]):
        return _run_conda(arguments)
    if action not in _ACTIONS:
        raise UsageError(f"there is no action 'config {action}'.", hint=_action_hint(action))
    rest = [*arguments[:place], *arguments[place + 1 :]]
    if action in ("show", "list"):
        return _show(rest, action)
    if action == "get":
        return _get(rest)
    if action == "path":
        return _path(rest)
    return _edit(rest, action)


def _action_hint(action: str) -> str:
    import difflib

    near = difflib.get_close_matches(action, _ACTIONS, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(_ACTIONS)}."


def action_parser(action: str) -> argparse.ArgumentParser:
    """The options of one of `ACTIONS`."""
    does, words = _ACTIONS[action]
    made = CommandParser(f"config {action}", f"{does[0].upper()}{does[1:]}.")
    if words.startswith("[KEY"):
        made.add_argument("keys", nargs="*", metavar="KEY", help="only these settings")
    elif words:
        made.add_argument("key", metavar="KEY", help="a setting, or SETTING.ENTRY of one that is a mapping")
    if "VALUE" in words:
        made.add_argument("values", nargs="*" if "[VALUE" in words else "+", metavar="VALUE")
    add_output(made)
    return made


def _surroundings() -> Surroundings:
    import os

    from envmgr.host.probe import native_subdir
    from envmgr.ops.config import Surroundings
    from envmgr.session import user_home

    return Surroundings(os.environ, user_home(), native_subdir())


def _shown(keys: Sequence[str]) -> list[ShownSetting]:
    """The settings, after telling what loading them warned of."""
    from envmgr.cli.render import note
    from envmgr.models.credentials import without_credentials_in_text
    from envmgr.ops.config import show_settings

    loaded = _surroundings().load()
    for warning in loaded.warnings:
        note(without_credentials_in_text(f"warning: {warning}"))
    return show_settings(loaded, keys)


def _show(arguments: Sequence[str], action: str) -> int:
    options = action_parser(action).parse_args(arguments)
    from envmgr.cli.render import table, write_json, write_lines

    shown = _shown(options.keys)
    if options.json:
        write_json({each.name: {"value": each.value, "source": each.source} for each in shown})
    else:
        rows = [[each.name, _text(each.value), each.source] for each in shown]
        write_lines(table(rows, ["setting", "value", "from"]))
    return 0


def _get(arguments: Sequence[str]) -> int:
    options = action_parser("get").parse_args(arguments)
    from envmgr.cli.render import write_json, write_lines

    (shown,) = _shown([options.key])
    if options.json:
        write_json({shown.name: {"value": shown.value, "source": shown.source}})
    elif isinstance(shown.value, list):
        write_lines(map(_text, shown.value))
    elif isinstance(shown.value, dict):
        write_lines(f"{name}: {_text(value)}" for name, value in shown.value.items())
    else:
        write_lines([_text(shown.value)])
    return 0


def _path(arguments: Sequence[str]) -> int:
    options = action_parser("path").parse_args(arguments)
    from envmgr.cli.render import write_json, write_lines

    path = _surroundings().own_file
    if options.json:
        write_json({"rc_path": str(path), "exists": path.is_file()})
    else:
        write_lines([str(path)])
    return 0


def _edit(arguments: Sequence[str], action: str) -> int:
    options = action_parser(action).parse_args(arguments)
    from envmgr.ops.config import Edit

    chosen: Any = action
    return _carry_out([Edit(chosen, options.key, tuple(options.values))], options)


def _carry_out(edits: Sequence[Edit], options: argparse.Namespace) -> int:
    from envmgr.ops.config import edit_settings

    edited = edit_settings(edits, _surroundings())
    if options.json:
        _write_edited(edited)
        return 0
    from envmgr.cli.render import note
    from envmgr.models.credentials import without_credentials_in_text

    for warning in edited.warnings:
        note(without_credentials_in_text(f"warning: {warning}"))
    if not options.quiet:
        names = without_credentials_in_text(", ".join(edited.names))
        note(f"{edited.path}: {names} changed." if edited.changed else f"{edited.path}: {names} as before.")
    return 0


def _write_edited(edited: Edited) -> None:
    from envmgr.cli.render import write_json
    from envmgr.models.credentials import without_credentials_in_text

    write_json(
        {
            "success": True,
            "rc_path": str(edited.path),
            "changed": edited.changed,
            "keys": list(map(without_credentials_in_text, edited.names)),
            "warnings": list(map(without_credentials_in_text, edited.warnings)),
        }
    )


# conda's spellings


def _run_conda(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    edits = _conda_edits(options)
    showing = [options.show is not None, options.show_sources, options.get is not None, options.validate]
    if sum(showing) + bool(edits) != 1:
        if any(showing) or edits:
            raise UsageError(
                "envmgr config shows or edits settings, one kind at a time.",
                hint="Run envmgr config once for each.",
            )
        raise UsageError(
            "envmgr config needs an action.", hint=f"There are: {', '.join(_ACTIONS)}; or conda's options."
        )
    if edits:
        return _carry_out(edits, options)
    if options.show is not None:
        return _conda_show(_shown(options.show), options)
    if options.validate:
        return _conda_validate(_shown(()), options)
    if options.get is not None:
        return _conda_get(_shown(options.get), options)
    return _conda_sources(_shown(()), options)


def _conda_edits(options: argparse.Namespace) -> list[Edit]:
    """In conda's own order, whatever the order of the options was."""
    from envmgr.ops.config import Edit

    actions: tuple[Action, ...] = ("prepend", "append", "set", "remove")
    edits = [Edit(action, key, (value,)) for action in actions for key, value in getattr(options, action)]
    return [*edits, *(Edit("remove", key) for key in options.remove_key)]


def _conda_show(shown: Sequence[ShownSetting], options: argparse.Namespace) -> int:
    from envmgr.cli.render import write_json, write_lines

    if options.json:
        write_json({each.name: each.value for each in shown})
    else:
        write_lines(line for each in shown for line in _yaml_lines(each.name, each.value))
    return 0


def _conda_get(shown: Sequence[ShownSetting], options: argparse.Namespace) -> int:
    from envmgr.cli.render import write_json, write_lines

    if options.json:
        path = str(_surroundings().own_file)
        values = {each.name: each.value for each in shown}
        write_json({"get": values, "rc_path": path, "success": True, "warnings": []})
    else:
        write_lines(line for each in shown for line in _yaml_lines(each.name, each.value))
    return 0


def _conda_validate(shown: Sequence[ShownSetting], options: argparse.Namespace) -> int:
    """To get here, they were read."""
    if options.json:
        from envmgr.cli.render import write_json

        write_json({"success": True, "settings": len(shown)})
    return 0


def _conda_sources(shown: Sequence[ShownSetting], options: argparse.Namespace) -> int:
    from envmgr.cli.render import write_json, write_lines
    from envmgr.ops.config import DEFAULT

    by_source: dict[str, dict[str, Any]] = {}
    for each in shown:
        if each.source != DEFAULT:
            by_source.setdefault(each.source, {})[each.name] = each.value
    if options.json:
        write_json(by_source)
        return 0
    for source, values in by_source.items():
        write_lines([f"==> {source} <=="])
        write_lines(line for name, value in values.items() for line in _yaml_lines(name, value))
    return 0


# Values as text


def _yaml_lines(name: str, value: Any) -> Iterable[str]:
    """A setting as conda prints one: a list with one item a line."""
    if isinstance(value, dict) and value:
        return [f"{name}:", *(f"  {key}: {_text(each)}" for key, each in value.items())]
    if isinstance(value, list) and value:
        return [f"{name}:", *(f"  - {_text(each)}" for each in value)]
    return [f"{name}: {_text(value)}"]


def _text(value: Any) -> str:
    """A value within a line; numbers without a needless fraction."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "[]"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(each)}" for key, each in value.items()) or "{}"
    return str(value)
