"""Ranges of versions as PyPI writes them, said in conda's words, exactly or not at all (pure).

PEP 440 ("Version specifiers") and CEP 29 ("Version matching") order versions alike; where they differ in which
versions a clause takes (``<2`` takes no ``2.0rc1``, ``>1`` no ``1.post1``), the conda text says so. Which
pre-releases count at all is the channel's business in conda: they lie in labels of their own. A release of one
number is to conda what it is to PyPI (``1`` is ``1.0``), but ``1rc1`` and ``1.0rc1`` are two versions there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envmgr.errors import DataError
from envmgr.models.document import quoted

if TYPE_CHECKING:
    from packaging.version import Version

_LONGEST_CLAUSE = 500  # Python makes no numbers of thousands of digits.


def range_text(specifier: str) -> str:
    """A specifier set (PEP 440) as people write it, with lower bounds first.

    >>> range_text("<2,!=1.5,>=1")
    '>=1,<2,!=1.5'
    """
    clauses = sorted(part.strip() for part in specifier.split(",") if part.strip())
    return ",".join(sorted(clauses, key=lambda part: ">~=<!".find(part[0])))


def conda_range(text: str) -> str:
    """A specifier set as conda's version text, "" for any version.

    Raises DataError, without a place, for what conda cannot say: ``===`` and local versions.

    >>> conda_range("~=1.4.2"), conda_range(">=2,<3"), conda_range("==1.*,!=1.2.*"), conda_range("")
    ('>=1.4.2,1.4.*', '>=2,<3dev0', '1.*,!=1.2.*', '')
    """
    from packaging.specifiers import InvalidSpecifier, Specifier

    found = []
    for clause in filter(None, (part.strip() for part in text.split(","))):
        try:
            if len(clause) > _LONGEST_CLAUSE:
                raise InvalidSpecifier
            each = Specifier(clause)
        except InvalidSpecifier:
            raise DataError(f"{quoted(clause)} is no version specifier of PEP 440.") from None
        found.append(_clause(each.operator, each.version))
    return ",".join(sorted(found, key=lambda part: not part.startswith(">")))  # As people write ranges.


def conda_alternatives(text: str) -> str:
    """The same for ranges that ``||`` separates, as poetry writes Python's.

    >>> conda_alternatives(">=3.8,<3.9 || >=3.10")
    '>=3.8,<3.9dev0|>=3.10'
    """
    parts = [conda_range(part) for part in re.split(r"\|\|?", text)]
    return "" if "" in parts else "|".join(parts)


def _clause(operator: str, version: str) -> str:
    from packaging.version import Version

    if operator == "===":
        raise DataError("`===` compares texts, which conda versions are not.")
    if version.endswith(".*"):
        return f"{'!=' if operator == '!=' else ''}{version}"
    known = Version(version)
    if known.local:
        raise DataError(f"`{version}` is a local version, which only the index that has it knows.")
    if known.is_devrelease and operator not in ("==", "!="):
        return _around_development(operator, known)
    if operator == "~=":
        epoch = f"{known.epoch}!" if known.epoch else ""
        return f">={known},{epoch}{'.'.join(map(str, known.release[:-1]))}.*"
    if operator == "<" and not known.is_prerelease:
        return f"<{_shortest(str(known))}dev0" if not known.is_postrelease else f"<{known}"
    if operator == ">" and not (known.is_postrelease or known.is_prerelease):
        return ",".join([f">{known}", *(f"!={base}.post*" for base in _spellings(known.base_version))])
    return f"{operator}{known}"


def _around_development(operator: str, known: Version) -> str:
    """``.dev0`` of a release comes before its other pre-releases, which conda says by ``dev0`` without dot."""
    base = _shortest(known.base_version)
    if str(known) != f"{known.base_version}.dev0" or operator not in (">=", "<"):
        raise DataError(f"`{operator}{known}` draws a line among pre-releases, which conda orders otherwise.")
    return f"{operator}{base}dev0"


def _spellings(release: str) -> list[str]:
    """*release* with as many zeros at its end as channels may write, whose post-releases differ to conda."""
    short = _shortest(release)
    return [f"{short}{'.0' * zeros}" for zeros in range(max(1, 3 - short.count(".")))]


def _shortest(text: str) -> str:
    """A release without zeros at its end, before which all its pre-releases come."""
    return re.sub(r"(\.0+)+$", "", text)
