"""Which Python distributions a conda package provides, as far as its record tells (pure).

In this order: what the setting ``pypi_names`` says of the conda name; the record's own ``purls``
(``pkg:pypi/NAME``); the table of exceptions; else the same name, normalized (PEP 503), for packages that depend on
python. Versions are conda's, as far as PEP 440 reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from envmgr.models.distribution_names import known_names
from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.models.record import PackageRecord

_PURL: Final = "pkg:pypi/"


def distribution_names(record: PackageRecord, overrides: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The names alone, for a record whose archive may not be here."""
    if record.name in overrides:
        return tuple(normalized_name(name) for name in overrides[record.name])
    purls = record.extra.get("purls")
    if isinstance(purls, list) and purls:
        return tuple(
            normalized_name(purl[len(_PURL) :].partition("@")[0].partition("?")[0])
            for purl in purls
            if isinstance(purl, str) and purl.startswith(_PURL)
        )
    known = known_names().get(record.name)
    if known is not None:
        return known
    return (normalized_name(record.name),) if _has_python(record) else ()


def pep440(version: str) -> str | None:
    """*version* as PEP 440 spells it, None where it has no such version: conda's ``2024a`` becomes ``2024a0``.

    >>> pep440("1.0.0rc1"), pep440("2023.3.post1"), pep440("9.5.0.2_cuda")
    ('1.0.0rc1', '2023.3.post1', None)
    """
    from packaging.version import Version

    try:
        return str(Version(version))
    except ValueError:  # Also for numbers of thousands of digits.
        return None


def _has_python(record: PackageRecord) -> bool:
    return record.noarch == "python" or any(text.split()[:1] == ["python"] for text in record.depends)
