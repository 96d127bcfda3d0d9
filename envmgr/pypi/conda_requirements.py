"""Says in PyPI's words (PEP 508) what a conda package depends on, for candidates of a joint plan; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from envmgr.pypi.names import pep440
from envmgr.pypi.resolution import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envmgr.models.record import PackageRecord

_PART: Final = re.compile(r"(==|>=|<=|!=|~=|<|>|=)?\s*([^\s<>=!~]+)")


def candidate_of(record: PackageRecord, distributions: Callable[[str], Sequence[str]]) -> Candidate | None:
    """*record* as a candidate for the distributions that it provides; None where PEP 440 cannot read its version.

    *distributions* gives the distributions that a conda name provides, from any of its records. A dependency whose
    range PEP 440 cannot say is asked for without one; what provides no distribution is left out, since only conda
    can answer for it. Python's range becomes ``Requires-Python``.
    """
    version = pep440(record.version)
    if version is None:
        return None
    needs: list[str] = []
    python: str | None = None
    for text in record.depends:
        name, _, rest = text.strip().partition(" ")
        ranges = specifier(rest)
        if name == "python":
            python = ranges or python
            continue
        needs += [f"{each}{ranges or ''}" for each in distributions(name)]
    return Candidate(version, tuple(dict.fromkeys(needs)), python)


def specifier(text: str) -> str | None:
    """A conda version range (without build) as a PEP 440 specifier set; None where there is no such set.

    >>> specifier(">=1.22.4,<2.0a0"), specifier("3.12.*"), specifier("1.2.3 py_0"), specifier("=1.2|=1.3")
    ('>=1.22.4,<2.0a0', '==3.12.*', '==1.2.3', None)
    """
    word = text.split(" ", maxsplit=1)[0] if text else ""
    if not word or word == "*" or "|" in word or "(" in word:
        return None
    parts = [_specifier(part) for part in word.split(",") if part and part != "*"]
    return ",".join(part for part in parts if part) if all(parts) and parts else None


def _specifier(part: str) -> str | None:
    found = _PART.fullmatch(part)
    if found is None:
        return None
    operator, version = found[1] or "", found[2]
    is_prefix = version.endswith("*")
    base = version.rstrip("*").rstrip(".")
    if pep440(base) is None:
        return None
    if operator == "=" or (is_prefix and operator in ("", "==")):
        return f"=={base}.*" if _is_release(base) else f"=={base}"
    if is_prefix:
        return f"{'!=' if operator == '!=' else operator}{base}{'.*' if operator == '!=' else ''}"
    if operator == "~=" and "." not in base:
        return None
    return f"{operator or '=='}{base}"


def _is_release(version: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)*", version) is not None


def best_candidates(candidates: Iterable[Candidate], most: int) -> tuple[Candidate, ...]:
    """One candidate for each version, the first of it, highest version first; *most* of them at most."""
    from packaging.version import Version

    first: dict[str, Candidate] = {}
    for each in candidates:
        first.setdefault(each.version, each)
    ordered = sorted(first.values(), key=lambda each: Version(each.version), reverse=True)
    return tuple(ordered[:most])
