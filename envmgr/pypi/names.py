"""Which Python distributions a conda package provides, and the other way round (pure).

In this order: what the setting ``pypi_names`` says of the conda name; the record's own ``purls``
(``pkg:pypi/NAME``); what its ``.dist-info`` said, where the package is unpacked; the table of exceptions; else
the same name, normalized (PEP 503), for packages that depend on python. Versions are conda's, as far as PEP 440
reads them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.models.wheel_name import normalized_name
from envmgr.pypi.known_names import known_names
from envmgr.pypi.resolution import Provided

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envmgr.models.record import PackageRecord

_PURL: Final = "pkg:pypi/"


class Provision(Struct, frozen=True):
    """What the packages of an environment provide; *unread* are (distribution, conda package) without a version.

    Their versions are none of PEP 440's, so that nothing can be required of them; the distributions count as there.
    """

    provided: tuple[Provided, ...]
    unread: tuple[tuple[str, str], ...]


def provided_by(
    records: Iterable[PackageRecord],
    overrides: Mapping[str, Sequence[str]],
    unpacked: Mapping[str, Sequence[Provided]],
) -> Provision:
    """The distributions of *records*, each name once: the first that has a version that can be read.

    *overrides* is the setting, conda name to distributions. *unpacked* maps the dist_name of records whose
    archive is unpacked to what their metadata folders say.
    """
    provided: dict[str, Provided] = {}
    unread: dict[str, str] = {}
    for record in records:
        for each in _of(record, overrides, unpacked.get(record.dist_name)):
            version = pep440(each.version)
            if version is None:
                unread.setdefault(each.name, record.dist_name)
            else:
                provided.setdefault(
                    each.name, Provided(each.name, version, record.dist_name, each.requires_dist)
                )
    return Provision(
        tuple(provided.values()), tuple((name, by) for name, by in unread.items() if name not in provided)
    )


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


def conda_names(distribution: str, overrides: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The conda packages that may provide *distribution*, likeliest first.

    The caller knows which of them exist; a name whose dots or underscores were lost to PEP 503 is among them
    where the table has it, or as its usual spellings.

    >>> conda_names("torch", {}), conda_names("ruamel-yaml", {})[:2]
    (('pytorch', 'torch'), ('ruamel-yaml', 'ruamel_yaml'))
    """
    name = normalized_name(distribution)
    told = [conda for conda, names in overrides.items() if name in map(normalized_name, names)]
    table = [conda for conda in _conda_names().get(name, ()) if conda not in overrides]
    spelt = [name, name.replace("-", "_"), name.replace("-", ".")]
    same = [
        conda for conda in spelt if conda not in overrides and known_names().get(conda, (name,)) == (name,)
    ]
    return tuple(dict.fromkeys([*told, *table, *same]))


def pep440(version: str) -> str | None:
    """*version* as PEP 440 spells it, None where it has no such version: conda's ``2024a`` becomes ``2024a0``.

    >>> pep440("1.0.0rc1"), pep440("2023.3.post1"), pep440("9.5.0.2_cuda")
    ('1.0.0rc1', '2023.3.post1', None)
    """
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(version))
    except InvalidVersion:
        return None


def _of(
    record: PackageRecord, overrides: Mapping[str, Sequence[str]], unpacked: Sequence[Provided] | None
) -> Sequence[Provided]:
    told = record.name in overrides or record.extra.get("purls")
    if unpacked is not None and not told:
        return unpacked
    names = distribution_names(record, overrides)
    by_name = {each.name: each for each in unpacked or ()}
    return [by_name.get(name) or Provided(name, record.version, record.dist_name) for name in names]


def _has_python(record: PackageRecord) -> bool:
    return record.noarch == "python" or any(text.split()[:1] == ["python"] for text in record.depends)


@cache
def _conda_names() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for conda, names in known_names().items():
        for name in names:
            found.setdefault(name, []).append(conda)
    return {name: tuple(condas) for name, condas in found.items()}
