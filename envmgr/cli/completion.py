"""``envmgr completion``: print what has a shell complete command lines, and answer the shell when it asks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

_PLACES = """\
bash:  eval "$(envmgr completion bash)"                                   in ~/.bashrc
zsh:   eval "$(envmgr completion zsh)"                                    in ~/.zshrc, after compinit
fish:  envmgr completion fish > ~/.config/fish/completions/envmgr.fish    once
"""
_PATHS = ("files", "folders")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "completion", "Print what has a shell complete envmgr's command lines.", epilog=_PLACES
    )
    from envmgr.ops.completion import SHELLS

    made.add_argument("shell", choices=SHELLS)
    return made


def run(arguments: Sequence[str]) -> int:
    """Print the script; with ``--answer -- WORD...``, as the script asks, what may complete the last word."""
    if arguments[1:3] == ["--answer", "--"]:
        return _answer(arguments[0], arguments[3:])
    options = parser().parse_args(arguments)
    from envmgr.ops.completion import completion_script

    sys.stdout.write(completion_script(options.shell))
    return 0


def _answer(shell: str, typed: Sequence[str]) -> int:
    """Write what else may stand there (a word of `_PATHS`, or none), and then the offers, a line each.

    Whatever goes wrong, nothing is offered and nothing is said: it would be said into the middle of a command line.
    """
    import importlib

    try:
        module = importlib.import_module(f"envmgr.completion.{shell}")
        kind, offers = _complete(module.read_words(typed))
        lines = [kind, *module.offered(_printable(offers), typed[-1])]
    except Exception:  # noqa: BLE001 - see above.
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _complete(words: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    from envmgr.cli.grammar import expect

    expected = expect(words)
    word = words[-1].removeprefix(expected.start)
    offers = [offer for offer in expected.offers if offer[0].startswith(word)]
    kind = expected.kind
    if kind in ("environment", "program", "channel") and "/" in word:
        kind = "files" if kind == "program" else "folders"
    if kind and kind not in _PATHS:
        offers += _found(kind, expected.given, word)
        kind = ""
    return kind, [(f"{expected.start}{value}", told) for value, told in offers]


def _found(kind: str, given: dict[str, list[str]], word: str) -> list[tuple[str, str]]:
    import argparse

    from envmgr.cli.session import open_quiet_context
    from envmgr.errors import EnvmgrError
    from envmgr.ops.completion import Completion

    try:
        return Completion(given, open_quiet_context(argparse.Namespace())).offers(kind, word)
    except EnvmgrError:  # The command itself will tell it.
        return []


def _printable(offers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that a line can hold."""
    return [
        (value, told if told.isprintable() else "") for value, told in offers if value and value.isprintable()
    ]
