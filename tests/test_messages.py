"""Holds the mechanical rules of docs/messages.md over every error, hint and warning in the source.

What a message is woven from at run time is not seen here: a placeholder counts as any text.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Errors whose text is a phrase that another sentence takes in, and those that no reader sees.
PHRASES = {
    "DamagedCopyError",
    "NetrcFormError",
    "NotEditableError",
    "StepFailedError",
    "TimeoutError",
    "WrongValueError",
    "_OutdatedError",
    "_SourceError",
}
PYTHONS = {
    "ArgumentTypeError",
    "DatabaseError",
    "FileNotFoundError",
    "IsADirectoryError",
    "KeyError",
    "OSError",
    "RuntimeError",
}
PYTHONS |= {"AssertionError", "TypeError", "ValueError"}

UNWELCOME = re.compile(
    r"(?i:\b(invalid|illegal|malformed|unable to|failed to|fatal|abort(ed)?|oops|sorry|unexpected(ly)?|stdin|stdout"
    r"|stderr|regex|traceback|exception|kwargs|\w+n't|\w+ing failed)\b)|\b(None|null|NULL)\b|\w!(\s|$)",
)
PLACEHOLDER = "\N{OBJECT REPLACEMENT CHARACTER}"


class Message(NamedTuple):
    """A text in the source, with its place; *kind* is the error's class, "hint" or "warning"."""

    kind: str
    place: str
    text: str
    has_hint: bool = True

    def __str__(self) -> str:
        return f"{self.place} ({self.kind}): {self.text}"


def texts(node: ast.expr) -> list[str]:
    """What *node* can be, as far as the source tells: one text, or one for each way of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        parts = (str(each.value) if isinstance(each, ast.Constant) else PLACEHOLDER for each in node.values)
        return ["".join(parts)]
    if isinstance(node, ast.IfExp):
        return [*texts(node.body), *texts(node.orelse)]
    if isinstance(node, ast.BoolOp):
        return [text for each in node.values for text in texts(each)]
    return []


def messages_of(path: Path) -> list[Message]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", None) or getattr(node.func, "attr", "")
        place = f"{path.relative_to(ROOT)}:{node.lineno}"
        hints = [keyword.value for keyword in node.keywords if keyword.arg == "hint"]
        found += [Message("hint", place, text) for hint in hints for text in texts(hint)]
        if not node.args or (name.endswith("Error") and name in PHRASES | PYTHONS):
            continue
        if name.endswith("Error"):
            found += [Message(name, place, text, bool(hints)) for text in texts(node.args[0])]
        elif name in ("warned", "decided"):
            found += [Message("warning", place, text) for text in texts(node.args[0])]
    return found


MESSAGES = [each for path in sorted((ROOT / "envmgr").rglob("*.py")) for each in messages_of(path)]
ERRORS = [each for each in MESSAGES if each.kind.endswith("Error")]
WARNINGS = [each for each in MESSAGES if each.kind == "warning"]
HINTS = [each for each in MESSAGES if each.kind == "hint"]


def wrong(messages: list[Message], is_right) -> str:
    return "\n".join(str(each) for each in messages if not is_right(each.text))


def test_the_source_has_messages():
    assert (len(ERRORS) > 400, len(HINTS) > 100, len(WARNINGS) > 20) == (True, True, True)


def test_errors_and_warnings_end_with_a_full_stop():
    assert not wrong(ERRORS + WARNINGS, lambda text: text.endswith((".", PLACEHOLDER)))


def test_errors_and_warnings_are_one_sentence():
    assert not wrong(ERRORS + WARNINGS, lambda text: not re.search(r"[a-z)'`][.?!] [A-Z]", text))


def test_errors_go_on_behind_the_name_of_the_program():
    """`envmgr: there is no ...`: a capital begins only names."""
    names = ("JSON", "URL", "PyPI", "Channels, ", "Solving ")
    assert not wrong(ERRORS + WARNINGS, lambda text: not text[:1].isupper() or text.startswith(names))


@pytest.mark.parametrize("messages", [ERRORS, WARNINGS, HINTS], ids=["errors", "warnings", "hints"])
def test_no_message_has_a_word_that_says_nothing_or_blames(messages: list[Message]):
    assert not wrong(messages, lambda text: not UNWELCOME.search(text))


def test_hints_are_sentences_or_end_with_what_to_type():
    ends = re.compile(r".*([.?]|: \S.*|\N{OBJECT REPLACEMENT CHARACTER})|envmgr \S.*", re.DOTALL)
    assert not wrong(HINTS, lambda text: ends.fullmatch(text) is not None)
    begins = re.compile(rf"[A-Z{PLACEHOLDER}`'.]|envmgr |--")
    assert not wrong(HINTS, lambda text: begins.match(text) is not None)


def test_wrong_usage_is_answered_with_what_to_do():
    """The two that have no hint must not repeat what was typed, and say what they expect."""
    bare = [each for each in ERRORS if each.kind == "UsageError" and not each.has_hint]
    assert [each.place.partition(":")[0] for each in bare] == ["envmgr/cli/auth.py", "envmgr/ops/auth.py"]


def test_the_page_says_the_same():
    page = (ROOT / "docs" / "messages.md").read_text()
    for word in ("full stop", "invalid", "hint", "Ctrl-C", "warning"):
        assert word in page
