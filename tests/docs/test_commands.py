"""Every command that the documentation names is there, with its options; what is called the same is tried."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.cli.grammar import find
from envmgr.cli.shell_words import own_spelling
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TABLES = [page for page in PAGES if page.name.startswith("coming-from")]
SPAN = re.compile(r"(`+)(.+?)\1")
OTHERS = re.compile(r"(?:conda|mamba|micromamba) ")


def spans(text: str) -> list[str]:
    return [found[2].strip().replace("\\|", "|") for found in SPAN.finditer(text)]


def command_in(span: str) -> str | None:
    """The command of envmgr in a piece of code, also inside `$(...)` or before a pipe; None where there is none."""
    inside = re.search(r"\$\((envmgr [^)]*)\)", span)
    text = inside[1] if inside else re.split(r" [|>&] ?", span)[0]
    return text if text.startswith("envmgr ") else None


def parsed(command: str) -> argparse.ArgumentParser:
    """The parser that takes *command* whole; raises UsageError otherwise. Numbers stand for `N` and `NUMBER`."""
    words = ["1" if word in ("N", "NUMBER") else word for word in shlex.split(command)[1:]]
    found = find([word for word in own_spelling(words) if word != "..."])
    if found.parser is None:
        raise UsageError(f"there is no command '{command}'")
    found.parser.parse_args(found.words)
    return found.parser


def rows(page: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line.startswith("|") and not line.startswith("|---"):
            yield number, [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def check(command: str, options: list[str], place: str, wrong: list[str]) -> int:
    """Read *command* as it stands, and look each of *options* up in its parser."""
    try:
        parser = parsed(command)
    except (UsageError, ValueError) as error:
        wrong.append(f"{place}: {command}: {error}")
        return 1
    unknown = [option for option in options if option.split()[0] not in parser._option_string_actions]
    wrong += [f"{place}: {command} has no {option}" for option in unknown]
    return 1 + len(options)


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.stem)
def test_what_is_the_same_as_another_tools_command_is_there(page: Path):
    wrong: list[str] = []
    tried = 0
    for number, cells in rows(page):
        if len(cells) < 2 or not cells[1].startswith("the same"):
            continue
        commands: list[tuple[str, list[str]]] = []
        for span in spans(cells[0]):
            if OTHERS.match(span):
                commands.append((OTHERS.sub("envmgr ", span, count=1), []))
            elif span.startswith("-") and commands:
                commands[-1][1].append(span)
        tried += sum(check(command, options, f"{page.name}:{number}", wrong) for command, options in commands)
    assert not wrong, "\n".join(wrong)
    assert tried > 40


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.stem)
def test_every_command_of_ours_in_the_tables_can_be_given(page: Path):
    wrong: list[str] = []
    for number, cells in rows(page):
        for command in filter(None, (command_in(span) for cell in cells[1:] for span in spans(cell))):
            check(command, [], f"{page.name}:{number}", wrong)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_in_the_text_exist(page: Path):
    """The text names commands without what they need, so that only the names are looked up."""
    wrong: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        for command in filter(None, map(command_in, spans(line))):
            words = re.sub(r"[][|]", " ", command).replace("...", "").split()[1:]
            found = find(words)
            if found.parser is None:
                there = found.actions or words[0].startswith(("-", "COMMAND"))
                wrong += [] if there else [f"{page.name}:{number}: {command}"]
            elif words[0] != "run":
                options = {word.partition("=")[0] for word in found.words if re.match("--?[a-z]", word)}
                unknown = options - set(found.parser._option_string_actions)
                wrong += [f"{page.name}:{number}: {command} has no {option}" for option in unknown]
    assert not wrong, "\n".join(wrong)


def test_a_command_that_is_not_there_is_found():
    wrong: list[str] = []
    check("envmgr create --no-such-option", [], "x:1", wrong)
    check("envmgr no-such-command", [], "x:2", wrong)
    check("envmgr list", ["--no-such-option"], "x:3", wrong)
    assert len(wrong) == 3
