"""Sets of candidates in words: version ranges instead of long lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.record_table import version_key
from envmgr.models.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.solver.candidates import Candidates

MAX_RUNS = 3
_LITERAL = lazy_pattern(r"[0-9][0-9A-Za-z_.+!]*")
_ZERO_ALPHA = lazy_pattern(r"(<=?[0-9][0-9.]*?)(?:\.0)?\.?a0\b")


def describe_versions(candidates: Candidates, mask: int, within: int) -> str:
    """The versions of *mask* as ranges that skip no version of *within*: ``1.19.0 to 1.24.4 and 1.26.0``."""
    chosen = {version_key(text) for text in candidates.versions_in(mask)}
    texts = {version_key(text): text for text in candidates.versions_in(within | mask)}
    runs: list[list[str]] = []
    inside = False
    for key in sorted(texts):
        if key in chosen and inside:
            runs[-1][1:] = [texts[key]]
        elif key in chosen:
            runs.append([texts[key]])
        inside = key in chosen
    return join_words([" to ".join(run) for run in runs[:MAX_RUNS]], more=len(runs) - MAX_RUNS)


def is_plural(candidates: Candidates, mask: int) -> bool:
    """Whether *mask* holds more than one version."""
    return len(candidates.versions_in(mask)) > 1


def join_words(words: Sequence[str], *, more: int = 0) -> str:
    """``a, b and c``; or ``a, b and 4 more``."""
    if more > 0:
        return f"{', '.join(words)} and {more} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def plain_entries(texts: Iterable[str]) -> list[str]:
    """Entries of records as a reader likes them: ``<3.13.0a0`` means ``<3.13``; each once."""
    return list(dict.fromkeys(_ZERO_ALPHA.sub(r"\1", text) for text in texts))


def neighbours(candidates: Candidates, specifier: str) -> list[str]:
    """The versions right below and above the first version that *specifier* names."""
    found = _LITERAL.search(specifier)
    if found is None:
        return []
    place = Version.parse(found[0].strip(".")).key
    texts = {version_key(text): text for text in candidates.versions_in(candidates.full)}
    below = [key for key in sorted(texts) if key < place]
    above = [key for key in sorted(texts) if key > place]
    return [texts[key] for key in (*below[-1:], *above[:1])]
