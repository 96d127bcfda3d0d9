"""The commands, their actions and options, read off the parsers; and what may stand next on a command line.

A command's module has ``parser()``, or ``ACTIONS`` (phrases such as ``config vars set``, each with what it does)
and ``action_parser(phrase)``, or both. What a value may be is told by the word that help shows for it (`VALUES`).
"""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from envmgr.cli.main import ALIASES, COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from envmgr.ops.completion import Offer

VALUES: Final = {
    "NAME": "environment", "ENV": "environment", "[OLD] NEW": "environment", "PREFIX": "folders",
    "FOLDER": "folders", "FILE": "files", "RECIPE": "files", "SPEC": "package", "PACKAGE": "installed",
    "REGEX": "installed", "CHANNEL": "channel", "SUBDIR": "platform", "KEY": "setting", "VARIABLE": "variable",
    "SHELL": "shell", "FORMAT": "format", "COMMAND ...": "program", "VALUE": "", "NAME=VALUE": "",
    "VAR=VALUE": "", "NAME=VERSION": "", "PKG": "", "GROUP": "", "N": "", "NUMBER": "", "WHEN": "", "HOST": "",
    "TOKEN": "", "USER": "", "PASSWORD": "", "ID": "", "SECRET": "", "LINE": "",
    "EXTRA": "", "A": "environment", "B": "environment",
}  # fmt: skip
"""What completes a value, by the word that help shows for it; "" where nothing can."""

_MANY: Final = 1_000_000


class Found(Struct, frozen=True):
    """Where a command line has led: to a *parser*, with the words that it gets, or to *actions* to choose from.

    Both hold where the next word may be either.
    """

    parser: argparse.ArgumentParser | None
    words: tuple[str, ...]
    actions: dict[str, str] = field(default_factory=dict)


class Expected(Struct, frozen=True):
    """What may stand at the end of a command line: a *kind* of value, or one of *offers*.

    The kinds are those of `VALUES`. *given* are the values of options before it, by their names in Python. What is
    offered comes behind *start*, as in ``--option=``.
    """

    kind: str = ""
    offers: tuple[Offer, ...] = ()
    given: dict[str, list[str]] = field(default_factory=dict)
    start: str = ""


def module_of(command: str) -> ModuleType:
    """The module of a command, imported now."""
    return importlib.import_module(f"envmgr.cli.{command.replace('-', '_')}")


def find(words: Sequence[str]) -> Found:
    """Follow the *words* of a command line; no word decides what comes after it but by itself."""
    if not words:
        return Found(None, (), COMMANDS)
    command = ALIASES.get(words[0], words[0])
    if command not in COMMANDS:
        return Found(None, tuple(words[1:]))
    module = module_of(command)
    actions: Mapping[str, str] = getattr(module, "ACTIONS", {})
    own = module.parser() if hasattr(module, "parser") else None
    rest = tuple(words[1:])
    for length in range(1, len(rest) + 1):
        phrase = " ".join(rest[:length])
        if phrase in actions:
            return Found(module.action_parser(phrase), rest[length:])
    begun = "".join(f"{word} " for word in rest)
    nexts = {}
    for phrase, told in actions.items():
        if phrase.startswith(begun):
            word, _, more = phrase[len(begun) :].partition(" ")
            nexts[word] = "" if more else told
    return Found(own, rest, nexts)


def iter_parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command and action with its parser."""
    for command in COMMANDS:
        module = module_of(command)
        if hasattr(module, "parser"):
            yield command, module.parser()
        for phrase in getattr(module, "ACTIONS", ()):
            yield f"{command} {phrase}", module.action_parser(phrase)


def expect(words: Sequence[str]) -> Expected:
    """What may complete the last of *words*, which may be empty."""
    *before, word = words
    found = find(before)
    offers = tuple(offer for offer in found.actions.items() if offer[0].startswith(word))
    if found.parser is None:
        return Expected(offers=offers)
    expected = _Walk(found.parser).expect(found.words, word)
    return expected if not offers else Expected(expected.kind, (*offers, *expected.offers), expected.given)


class _Walk:
    """Reads words as argparse does, but forgives all that is unfinished or wrong."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._actions = parser._actions
        self._options = parser._option_string_actions
        self._positionals = [action for action in self._actions if not action.option_strings]
        self._given: dict[str, list[str]] = {}
        self._words = 0
        self._is_over = False  # After --, and in what is passed on.
        self._pending: argparse.Action | None = None
        self._values = 0

    def expect(self, before: Sequence[str], word: str) -> Expected:
        """What may complete *word* after the words *before*."""
        for each in before:
            self._read(each)
        option, sign, _ = word.partition("=")
        if self._may_be_option(word) and sign and option in self._options and not self._is_needed():
            return self._value(self._options[option], 0, start=f"{option}=")
        if self._pending is not None and (self._is_needed() or not word.startswith("-")):
            return self._value(self._pending, self._values)
        if self._may_be_option(word):
            return Expected(offers=tuple(self._option_offers(word)), given=self._given)
        positional = self._positional()
        return Expected(given=self._given) if positional is None else self._value(positional, self._words)

    def _read(self, word: str) -> None:
        if self._is_needed() or (self._pending is not None and not word.startswith("-")):
            self._take(word)
        elif word == "--" and not self._is_over:
            self._is_over, self._pending = True, None
        elif self._may_be_option(word):
            self._read_option(word)
        else:
            positional = self._positional()
            self._is_over = self._is_over or (
                positional is not None and positional.nargs == argparse.REMAINDER
            )
            self._words += 1

    def _read_option(self, word: str) -> None:
        name, sign, value = word.partition("=")
        if name not in self._options and not word.startswith("--"):
            name, sign, value = word[:2], word[2:], word[2:].removeprefix("=")
        action = self._options.get(name)
        self._pending, self._values = action, 0
        if action is None:
            return
        self._given.setdefault(action.dest, [])
        if sign:
            self._take(value)
        if _most(action) <= self._values:
            self._pending = None

    def _take(self, value: str) -> None:
        assert self._pending is not None
        self._given[self._pending.dest].append(value)
        self._values += 1
        if _most(self._pending) <= self._values:
            self._pending = None

    def _is_needed(self) -> bool:
        return self._pending is not None and self._values < _least(self._pending)

    def _may_be_option(self, word: str) -> bool:
        return word.startswith("-") and not self._is_over

    def _positional(self) -> argparse.Action | None:
        room = 0
        for action in self._positionals:
            room += _most(action)
            if self._words < room:
                return action
        return None

    def _option_offers(self, word: str) -> Iterator[Offer]:
        for action in self._actions:
            repeats = isinstance(action, argparse._AppendAction)
            if action.help != argparse.SUPPRESS and (repeats or action.dest not in self._given):
                told = (action.help or "").replace("%%", "%")
                yield from ((name, told) for name in action.option_strings if name.startswith(word))

    def _value(self, action: argparse.Action, place: int, *, start: str = "") -> Expected:
        if action.choices is not None:
            return Expected(
                offers=tuple((str(each), "") for each in action.choices), given=self._given, start=start
            )
        word = action.metavar
        if isinstance(word, tuple):
            word = word[min(place, len(word) - 1)]
        kind = VALUES.get(word or "", "")
        if kind == "program" and self._words:
            kind = "files"
        return Expected(kind, given=self._given, start=start)


def _most(action: argparse.Action) -> int:
    """How many words the value of *action* takes at most."""
    if isinstance(action.nargs, int):
        return action.nargs
    return 1 if action.nargs in (None, "?") else _MANY


def _least(action: argparse.Action) -> int:
    if isinstance(action.nargs, int):
        return action.nargs
    return 1 if action.nargs in (None, "+") else 0
