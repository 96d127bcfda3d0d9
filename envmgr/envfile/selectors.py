"""Selectors of environment files: `# [linux and not aarch64]` after a line, and `sel(linux): gdb` (CEP 24).

The grammar of both kinds is boolean: names, `and`, `or`, `not` and parentheses; it is evaluated here, never
by Python. The rules for comments:

- A comment is a selector when it holds `[...]` directly after a `#`, follows something on its line, and the
  brackets hold an expression of the grammar in which at least one name is a selector's name, or one that was
  clearly meant as one (`windows`, `osx-arm64`, `py27`). Any name in it that is no selector is an error.
- Everything else in brackets is a note: `# [see below]`, `# [docs]`. A note that could be mistaken for a
  selector (one name, or names joined by `and`, `or`, `not`) is named in a warning.
- A line whose selector is false becomes an empty line, so that line numbers stay.

Names are those of conda-build 25.1 that describe the platform, plus `x64` and `osx64`; `py`, `np` and
`build_platform` are not supported, as the standard says. `sel()` knows `unix`, `linux`, `osx` and `win` only.
"""

from __future__ import annotations

import bisect
import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from envmgr.errors import DataError
from envmgr.models.document import LINE_BREAK, quoted
from envmgr.models.requirement import Source
from envmgr.models.yaml_document import DEEPEST_NESTING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_EXPRESSION = 120
_SHORTEST_SLIP = 5
_LONGEST_SLIP = 12
_TOKEN = re.compile(r"\s*([A-Za-z_][\w-]*|[()]|[<>=!]=?|[0-9][\w.]*)")
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*$")
_WORDS = frozenset({"and", "or", "not"})
_BRACKETS = re.compile(r"#\s*\[([^\[\]]*)\]")
_DICTIONARY_KEY = re.compile(r"sel\((.*)\)\s*$")
_UNSUPPORTED = re.compile(r"(py|py\d+|py[23]k|np|build_platform)$")

_SYSTEMS = ("linux", "osx", "win", "freebsd", "emscripten", "wasi", "zos")
_ARCHITECTURES = (
    "aarch64", "arm64", "armv6l", "armv7l", "ppc64", "ppc64le", "riscv32", "riscv64", "s390x", "wasm32", "z",
)  # fmt: skip
_DICTIONARY_NAMES = ("unix", "linux", "osx", "win")
_MEANT = {
    "windows": "win",
    "macos": "osx",
    "mac": "osx",
    "macosx": "osx",
    "darwin": "osx",
    "posix": "unix",
    "amd64": "x86_64",
    "linux-32": "linux32",
    "linux-64": "linux64",
    "linux-aarch64": "linux and aarch64",
    "linux-ppc64le": "linux and ppc64le",
    "osx-64": "osx64",
    "osx-arm64": "osx and arm64",
    "osxarm64": "osx and arm64",
    "win-32": "win32",
    "win-64": "win64",
    "win-arm64": "win and arm64",
}


class Selected(NamedTuple):
    """A text whose unselected lines are empty, and warnings, each one sentence with its place."""

    text: str
    warnings: tuple[str, ...]


class _GrammarError(Exception):
    """An expression does not follow the grammar."""


def platform_names(subdir: str) -> dict[str, bool]:
    """Every name that a comment selector may use, and whether it holds for *subdir*."""
    system, _, architecture = subdir.partition("-")
    names = {name: system == name for name in _SYSTEMS}
    names |= {name: architecture == name for name in _ARCHITECTURES}
    is_64 = architecture == "64"
    names |= {
        "unix": system in ("linux", "osx", "emscripten"),
        "x86": architecture in ("32", "64"),
        "x86_64": is_64,
        "x64": is_64,
        "arm": subdir.startswith("linux-arm"),
    }
    return names | {f"{name}32": subdir == f"{name}-32" for name in ("linux", "win")} | {
        f"{name}64": subdir == f"{name}-64" for name in ("linux", "osx", "win")
    }  # fmt: skip


def select_lines(text: str, *, file: str, subdir: str) -> Selected:
    """Empty the lines of *text* whose comment selector is false for *subdir*.

    Raises DataError with file and line for a selector that uses an unknown name.
    """
    if not _BRACKETS.search(text):
        return Selected(text, ())
    names = platform_names(subdir)
    pieces = re.split(f"({LINE_BREAK.pattern})", text)
    inside = _scalar_spans(text)
    warnings: list[str] = []
    for index in range(0, len(pieces), 2):
        number = index // 2 + 1
        for expression in _comment_expressions(pieces[index], number, inside):
            verdict = _judge(expression, names, Source(file, number, pieces[index]), warnings)
            if verdict is False:
                pieces[index] = ""
    return Selected("".join(pieces), tuple(warnings))


def comments_of(text: str) -> Iterator[tuple[int, int]]:
    """The lines, from 0, that hold a comment, and the column of its `#`."""
    inside = _scalar_spans(text)
    for number, line in enumerate(LINE_BREAK.split(text)):
        start = _comment_start(line, inside.get(number + 1, [])) if "#" in line else None
        if start is not None:
            yield number, start


def dictionary_selector(key: str) -> str | None:
    """The expression of a key `sel(<expression>)`; None for any other key."""
    match = _DICTIONARY_KEY.match(key)
    return match[1].strip() if match else None


def evaluate_dictionary_selector(expression: str, *, source: Source, subdir: str) -> bool:
    """Whether `sel(<expression>)` holds for *subdir*; DataError at *source* for any other name."""
    known = platform_names(subdir)
    names = {name: known[name] for name in _DICTIONARY_NAMES}
    shown = f"sel({expression})"
    for name in _NAME.findall(expression):
        if name not in names and name not in _WORDS:
            raise _unknown(name, shown, names, source)
    try:
        return _evaluate(_tokens(expression), names)
    except _GrammarError:
        raise _error(
            f"{quoted(shown)} is not a selector: expected a name such as `linux`", None, source
        ) from None


def _judge(expression: str, names: Mapping[str, bool], source: Source, warnings: list[str]) -> bool | None:
    """True or False for a selector, None for a note."""
    shown = f"# [{expression}]"
    words = [name for name in _NAME.findall(expression) if name not in _WORDS]
    meant = [name for name in words if name in names or _UNSUPPORTED.match(name) or _suggestion(name, names)]
    try:
        tokens = _tokens(expression)
        unknown = [name for name in words if name not in names]
        if meant and unknown and _is_expression(tokens):
            raise _unknown(unknown[0], shown, names, source)
        verdict = _evaluate(tokens, dict.fromkeys(words, False) | dict(names))
    except _GrammarError:
        if any(name in names for name in words):
            warnings.append(f"{source}: {quoted(shown)} is not a selector expression; the line is kept.")
        return None
    if meant:
        return verdict
    if all(_PLAIN_NAME.match(name) for name in words):
        warnings.append(f"{source}: {quoted(shown)} is read as a note, not as a selector; the line is kept.")
    return None


def _is_expression(tokens: list[str]) -> bool:
    """Whether *tokens* follow the grammar, or that of conda-build with its comparisons."""
    if any(token[0] in "<>=!" or token[0].isdigit() for token in tokens):
        return any(_UNSUPPORTED.match(token) for token in tokens)
    _evaluate(tokens, {token: False for token in tokens if _NAME.match(token) and token not in _WORDS})
    return True


def _unknown(name: str, shown: str, names: Mapping[str, bool], source: Source) -> DataError:
    if _UNSUPPORTED.match(name):
        what = f"{quoted(shown)} uses {quoted(name)}, which environment files do not support (CEP 24)"
        return _error(what, "Remove the selector, or write two environment files.", source)
    suggestion = _suggestion(name, names)
    hint = f"Did you mean `{suggestion}`?" if suggestion else f"The names are {', '.join(sorted(names))}."
    return _error(f"{quoted(shown)} uses the unknown selector {quoted(name)}", hint, source)


def _error(what: str, hint: str | None, source: Source) -> DataError:
    return DataError(f"{source}: {what}.", hint=hint, file=source.file, line=source.line)


def _suggestion(name: str, names: Mapping[str, bool]) -> str | None:
    meant = _MEANT.get(name.lower())
    if meant is not None and all(word in names or word == "and" for word in meant.split()):
        return meant
    slips = _slips(tuple(names))
    return next((slips[variant] for variant in _shortened(name.lower()) if variant in slips), None)


@functools.lru_cache(maxsize=4)
def _slips(names: tuple[str, ...]) -> dict[str, str]:
    """The long names by themselves with one letter left out: a slip in one letter leaves the same rest."""
    long_names = [name for name in names if len(name) >= _SHORTEST_SLIP]
    return {variant: name for name in long_names for variant in _shortened(name)}


def _shortened(name: str) -> list[str]:
    return [name, *(name[:at] + name[at + 1 :] for at in range(min(len(name), _LONGEST_SLIP)))]


def _tokens(expression: str) -> list[str]:
    if len(expression) > _LONGEST_EXPRESSION:
        raise _GrammarError
    tokens: list[str] = []
    position = 0
    stripped = expression.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise _GrammarError
        tokens.append(match[1])
        position = match.end()
    return tokens


def _evaluate(tokens: list[str], names: Mapping[str, bool]) -> bool:
    """The value of an expression; `not` binds strongest, then `and`, then `or`."""
    rest = iter([*tokens, ""])
    value, token = _disjunction(rest, next(rest), names)
    if token:
        raise _GrammarError
    return value


def _disjunction(rest: Iterator[str], token: str, names: Mapping[str, bool]) -> tuple[bool, str]:
    value, token = _conjunction(rest, token, names)
    while token == "or":
        right, token = _conjunction(rest, next(rest), names)
        value = value or right
    return value, token


def _conjunction(rest: Iterator[str], token: str, names: Mapping[str, bool]) -> tuple[bool, str]:
    value, token = _operand(rest, token, names)
    while token == "and":
        right, token = _operand(rest, next(rest), names)
        value = value and right
    return value, token


def _operand(rest: Iterator[str], token: str, names: Mapping[str, bool]) -> tuple[bool, str]:
    """One name, negation or group, and the token after it."""
    if token == "not":
        value, token = _operand(rest, next(rest), names)
        return not value, token
    if token == "(":
        value, token = _disjunction(rest, next(rest), names)
        if token != ")":
            raise _GrammarError
        return value, next(rest)
    if token not in names:
        raise _GrammarError
    return names[token], next(rest)


def _comment_expressions(
    line: str, number: int, inside: Mapping[int, list[tuple[int, int]]]
) -> Iterator[str]:
    """What stands in brackets after a `#` of the comment that follows something on *line*."""
    start = _comment_start(line, inside.get(number, []))
    if start is not None and line[:start].strip():
        yield from (match[1] for match in _BRACKETS.finditer(line, start))


def _comment_start(line: str, spans: list[tuple[int, int]]) -> int | None:
    """Where the line's comment begins: at a `#` after white space that is not part of a value."""
    for match in re.finditer(r"(?:^|(?<=\s))#", line):
        before = bisect.bisect_right(spans, (match.start(), len(line))) - 1
        if before < 0 or match.start() >= spans[before][1]:
            return match.start()
    return None


def _scalar_spans(text: str) -> dict[int, list[tuple[int, int]]]:
    """Where values stand, as columns by line, as far as the text is YAML before its lines are selected."""
    import yaml

    spans: dict[int, list[tuple[int, int]]] = {}
    depth = 0
    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            # The scanner's time grows with the square of the depth, and the reader refuses such depths anyway.
            kind = type(token).__name__
            depth += kind.endswith("StartToken") - kind.endswith("EndToken")
            if depth > DEEPEST_NESTING:
                break
            if isinstance(token, yaml.ScalarToken) and not token.plain:
                start, end = token.start_mark, token.end_mark
                for line in range(start.line, end.line + 1):
                    first = start.column if line == start.line else 0
                    last = end.column if line == end.line else len(text)
                    spans.setdefault(line + 1, []).append((first, last))
    except yaml.YAMLError:
        pass  # The reader that comes after the selectors explains what is wrong.
    return spans
