"""Why a text is not YAML, in words that its author can act on.

The parser's own message names a grammar rule. The usual causes are few: a tab, an unresolved merge, a
template that nobody filled in, a no-break space, a dash too few, an indentation that does not fit. They are
looked for in the lines around the place where the parser gave up, the surest first.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from envmgr.errors import DataError
from envmgr.models.document import LINE_BREAK, quoted
from envmgr.models.lazy_pattern import lazy_pattern

_MERGE_MARKER = lazy_pattern(r"^(<{7}|>{7}|\|{7})( .*)?$")
_TEMPLATE = lazy_pattern(r"\{\{|\{%|\$\{\{")
_INDENTATION = lazy_pattern(r"^[ \t]*")
_ODD_SPACE = lazy_pattern("[\u00a0\u2000-\u200b\u202f\u3000]")
_KEY_LINE = lazy_pattern(r"^\s*[A-Za-z_][\w-]*\s*:(\s|$)")
_ITEM_LINE = lazy_pattern(r"^\s*-(\s|$)")


class _Finding(NamedTuple):
    line: int
    what: str
    hint: str | None = None


def refuse_merge_markers(text: str, *, file: str) -> None:
    """Raise DataError for a merge conflict that was committed, even where YAML could read around it."""
    if "<<<<<<<" not in text and ">>>>>>>" not in text:
        return
    is_lock = "conda-lock" in file.replace("\\", "/").rpartition("/")[2]
    hint = (
        "envmgr lock mends it, from what both sides hold."
        if is_lock
        else "Resolve the conflict and remove its markers."
    )
    for number, line in enumerate(LINE_BREAK.split(text), 1):
        if _MERGE_MARKER.match(line):
            raise _error(_Finding(number, "an unresolved merge conflict starts here", hint), file)


def syntax_error(error: Exception, text: str, *, file: str) -> DataError:
    """The error for a text that PyYAML refused with *error*."""
    mark: Any = getattr(error, "problem_mark", None)
    lines = LINE_BREAK.split(text)
    # The parser notices a fault at the end of the file on a line that does not exist.
    number = min(mark.line + 1 if mark is not None else 1, len(lines))
    context: Any = getattr(error, "context_mark", None)
    start = min(context.line + 1, number) if context is not None else number
    problem = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
    if "nesting depth" in str(problem):  # libyaml has a limit of its own.
        return _error(_Finding(number, "lists and mappings are nested too deeply"), file)
    return _error(_explain(lines, number, start, str(problem)), file)


def _explain(lines: list[str], number: int, start: int, problem: str) -> _Finding:
    line = lines[number - 1]
    near = range(max(1, number - 1), number + 1)
    for candidate in near:
        if "\t" in _indentation(lines[candidate - 1]):
            return _Finding(candidate, "a tab cannot indent YAML", "Replace the tab by spaces.")
        if _ODD_SPACE.search(lines[candidate - 1]):
            return _Finding(
                candidate,
                "this line holds a space character that YAML does not know as one",
                "Type the spaces of this line anew.",
            )
    for candidate in (number, start):
        template = template_problem(lines[candidate - 1])
        if template is not None:
            return _Finding(candidate, *template)
    finding = (
        _explain_first_character(lines, (number, start))
        or _explain_loose_line(lines, (start,))
        or _explain_layout(lines, number)
        or _explain_quotes(lines, (start, number))
        or _explain_loose_line(lines, (number,))
    )
    if finding is not None:
        return finding
    place = f" at {quoted(line)}" if line.strip() else ""
    return _Finding(number, f"the text is not valid YAML{place} ({problem})")


def template_problem(line: str) -> tuple[str, str] | None:
    """A sentence part and a hint when *line* holds a template's brackets, else None."""
    if not _TEMPLATE.search(line):
        return None
    return f"{quoted(line)} is a template that was not filled in", "Render the template first."


def _explain_first_character(lines: list[str], candidates: tuple[int, ...]) -> _Finding | None:
    """A text that starts with a character that means something else in YAML."""
    for at in candidates:
        line = lines[at - 1].strip()
        value = re.sub(r"^(- +)?([\w.-]+: +)?", "", line)
        if value and value[0] in "*&!%@`|>":
            what = f"{quoted(line)} starts with `{value[0]}`, which has a meaning of its own in YAML"
            return _Finding(at, what, "Put quotes around the text.")
    return None


def _explain_layout(lines: list[str], number: int) -> _Finding | None:
    """A dash or an indentation that does not fit the lines before it."""
    line = lines[number - 1]
    above = _line_above(lines, number)
    if above is None:
        return None
    own = len(_indentation(line))
    if _KEY_LINE.match(line) and _ITEM_LINE.match(lines[above - 1]) and own > 0:
        key = line.strip().split(":", 1)[0]
        what = f"`{key}:` stands among the items of a list but is no item itself"
        return _Finding(
            number, what, f"Write `- {key}:`, or indent it less if it belongs to the level above."
        )
    if not _ITEM_LINE.match(line):
        return None
    what = f"the item {quoted(line)} is indented by {_spaces(own)}, which fits no list above it"
    if lines[above - 1].rstrip().endswith(":") and own > 0:
        opener = re.sub(r"^\s*(- +)?", "", lines[above - 1]).rstrip()
        return _Finding(number, what, f"Indent it deeper than `{opener}` on line {above}.")
    advice = _alignment_advice(lines, number, own)
    return _Finding(number, what, advice) if advice is not None else None


def _alignment_advice(lines: list[str], number: int, own: int) -> str | None:
    """Which item above the one on line *number* shows the indentation of its list."""
    for at in range(number - 1, 0, -1):
        width = len(_indentation(lines[at - 1]))
        if _ITEM_LINE.match(lines[at - 1]) and width != own:
            return f"Indent all items of one list alike: by {_spaces(width)}, as on line {at}."
    return None


def _explain_quotes(lines: list[str], candidates: tuple[int, ...]) -> _Finding | None:
    for at in candidates:
        line = lines[at - 1]
        if line.count('"') % 2 or line.count("'") % 2:
            return _Finding(at, f"the quotes of {quoted(line)} are not closed", "Close the quotes.")
    return None


def _explain_loose_line(lines: list[str], candidates: tuple[int, ...]) -> _Finding | None:
    """A line that is neither key nor item."""
    for at in candidates:
        line = lines[at - 1]
        if line.strip() and not _KEY_LINE.match(line) and not _ITEM_LINE.match(line):
            what = f"{quoted(line)} is neither a list item (`- ...`) nor a key (`...:`)"
            return _Finding(at, what, "Add the dash, or indent it under the line that it continues.")
    return None


def _line_above(lines: list[str], number: int) -> int | None:
    """The number of the nearest line above that holds more than a comment."""
    for at in range(number - 1, 0, -1):
        if lines[at - 1].strip() and not lines[at - 1].lstrip().startswith("#"):
            return at
    return None


def _spaces(count: int) -> str:
    return "1 space" if count == 1 else f"{count} spaces"


def _indentation(line: str) -> str:
    match = _INDENTATION.match(line)
    return match[0] if match else ""


def _error(finding: _Finding, file: str) -> DataError:
    return DataError(
        f"{file}:{finding.line}: {finding.what}.", hint=finding.hint, file=file, line=finding.line
    )
