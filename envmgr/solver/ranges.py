"""Sets of candidates in words: version ranges instead of long lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.record_table import version_key
from envmgr.models.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.solver.candidates import Candidates

MAX_RUNS = 3
_LITERAL = lazy_pattern(r"[0-9][0-9A-Za-z_.+!]*")
_BOUND = lazy_pattern(r"(>=|<)([0-9]+(?:\.[0-9]+)*)")
_SERIES = lazy_pattern(r"([0-9]+(?:\.[0-9]+)*)\.\*")
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


def are_some_builds(candidates: Candidates, mask: int, within: int) -> bool:
    """Whether *within* has other builds of the versions of *mask*."""
    return bool(set(candidates.versions_in(mask)) & set(candidates.versions_in(within & ~mask)))


def join_words(words: Sequence[str], *, more: int = 0) -> str:
    """``a, b and c``; or ``a, b and 4 more``."""
    if more > 0:
        return f"{', '.join(words)} and {more} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def plain_entries(texts: Iterable[str]) -> list[str]:
    """Entries of records as a reader likes them: ``<3.13.0a0`` means ``<3.13``; each once, lower versions first."""
    return sorted(dict.fromkeys(_ZERO_ALPHA.sub(r"\1", text) for text in texts), key=_first_version)


def joined_range(name: str, texts: Iterable[str]) -> str | None:
    """One range from the lowest to the highest of what entries about *name* ask for, if they are plain ranges.

    It may accept more than they do together; the caller compares.

    >>> joined_range("python", ["python >=3.8,<3.9", "python 3.9.*"])
    'python >=3.8,<3.10'
    """
    limits = [_limits(text) for text in texts]
    if not limits or None in limits:
        return None
    lower = [low for limit in limits if limit is not None for low in limit[:1]]
    upper = [high for limit in limits if limit is not None for high in limit[1:]]
    parts = [] if "" in lower else [f">={min(lower, key=version_key)}"]
    parts += [] if "" in upper else [f"<{max(upper, key=version_key)}"]
    return f"{name} {','.join(parts)}".strip()


def common_range(name: str, texts: Iterable[str]) -> str | None:
    """The range that several entries about *name* leave together, if they are plain ranges; it may be empty.

    >>> common_range("numpy", ["numpy >=1.23", "numpy >=1.21,<3"])
    'numpy >=1.23,<3'
    """
    limits = [_limits(text) for text in texts]
    if not limits or None in limits:
        return None
    lower = [limit[0] for limit in limits if limit is not None and limit[0]]
    upper = [limit[1] for limit in limits if limit is not None and limit[1]]
    parts = [f">={max(lower, key=version_key)}"] if lower else []
    parts += [f"<{min(upper, key=version_key)}"] if upper else []
    return f"{name} {','.join(parts)}".strip()


def _limits(text: str) -> tuple[str, str] | None:
    """The lower limit and the upper one, which is excluded, of one entry; empty where there is none."""
    words = text.split()
    if len(words) != 2:
        return None
    lower = upper = ""
    for clause in words[1].split(","):
        if (found := _SERIES.fullmatch(clause)) is not None:
            head, _, last = found[1].rpartition(".")
            lower, upper = found[1], ".".join(filter(None, (head, str(int(last) + 1))))
        elif (found := _BOUND.fullmatch(clause)) is not None:
            lower, upper = (found[2], upper) if found[1] == ">=" else (lower, found[2])
        else:
            return None
    return lower, upper


def _first_version(text: str) -> tuple[Any, ...]:
    found = _LITERAL.search(text.partition(" ")[2])
    return (version_key(found[0].strip(".")),) if found else ()


def neighbours(candidates: Candidates, specifier: str) -> list[str]:
    """The versions right below and above the first version that *specifier* names, which fits none of them."""
    found = _LITERAL.search(specifier)
    if found is None:
        return []
    place = Version.parse(found[0].strip(".")).key
    texts = {version_key(text): text for text in candidates.versions_in(candidates.full)}
    below = [key for key in sorted(texts) if key < place or (key == place and specifier[0] == ">")]
    above = [key for key in sorted(texts) if key > place or (key == place and specifier[0] == "<")]
    return [texts[key] for key in (*below[-1:], *above[:1])]
