"""One written package spec into a requirement, or the sentence that says why not.

The MatchSpec language is read by `envmgr.models`; here stands what people write instead of it: pip's
requirements, operators in the wrong order, templates, and items that YAML joined because a dash was lost.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from envmgr.errors import DataError
from envmgr.models.document import quoted
from envmgr.models.match_spec import parse_match_spec
from envmgr.models.requirement import Requirement, Source
from envmgr.models.yaml_problem import template_problem

_LONGEST_SPEC = 500
_PIP_LINE = re.compile(r"(--?[a-zA-Z]|git\+|hg\+|svn\+|\.{1,2}[/\\])|[\w.-]+(\[[^\]]*\])?\s+@\s+\S")
_PIP_ARCHIVE = re.compile(r"https?://(?:(?!::)\S)+(?<!\.conda)(?<!\.tar\.bz2)$")
_PIP_MARKER = re.compile(r";\s*(python_|sys_|platform_|os_|implementation_|extra\b)")
_PIP_EXTRAS = re.compile(r"^([\w.-]+)\s*\[([\w.,\s-]*)\]\s*([<>=!~].*)?$")
_OPERATOR_SLIPS = (("=<", "<="), ("=>", ">="), ("=!", "!="), ("===", "=="))
_PIP_HINT = "Requirements of pip belong below `- pip:` in `dependencies`."


class _Fault(NamedTuple):
    what: str
    hint: str | None


def parse_requirement(text: str, source: Source) -> Requirement:
    """The requirement that *text* spells (CEP 29); DataError at *source* when it spells none."""
    fault = _misplaced(text)
    if fault is None:
        try:
            return Requirement(parse_match_spec(text), source)
        except DataError as error:
            fault = _Fault(_as_clause(str(error)), _hint_for(text) or error.hint)
    raise DataError(
        f"{source}: {fault.what}.", hint=fault.hint, file=source.file, line=source.line, spec=text
    )


def joined_items(text: str) -> tuple[str, str] | None:
    """What is wrong and what to do, when *text* is two list items that YAML folded into one.

    >>> joined_items("cython - pip=21.3.1")[0]
    '`cython - pip=21.3.1` is two list items read as one'
    """
    if "-" not in text.split()[1:-1]:
        return None
    hint = "Indent all items of the list alike, so that each `-` starts an item of its own."
    return f"{quoted(text)} is two list items read as one", hint


def _misplaced(text: str) -> _Fault | None:
    """Text that is no spec at all, whatever the MatchSpec language may make of it."""
    if not text.strip():
        return _Fault("an empty text is not a package spec", "Remove the item, or write a package's name.")
    if len(text) > _LONGEST_SPEC:
        return _Fault(f"{quoted(text)} is longer than any package spec", None)
    found = template_problem(text) or joined_items(text)
    if found is not None:
        return _Fault(*found)
    if _PIP_LINE.match(text) or _PIP_ARCHIVE.match(text) or _PIP_MARKER.search(text):
        return _Fault(f"{quoted(text)} is a requirement for pip, not a conda package spec", _PIP_HINT)
    extras = _PIP_EXTRAS.match(text)
    if extras is not None:
        plain = f"{extras[1]}{extras[3] or ''}"
        hint = f"Write `{plain}`, or put it below `- pip:` in `dependencies`."
        return _Fault(
            f"{quoted(text)} asks for extras as pip writes them, which conda packages do not have", hint
        )
    return None


def _hint_for(text: str) -> str | None:
    for wrong, right in _OPERATOR_SLIPS:
        if wrong in text:
            return f"Write `{right}` instead of `{wrong}`."
    return None


def _as_clause(sentence: str) -> str:
    return sentence.removesuffix(".")
