"""Lines that ask for less than the user's: another version, a wider range, no build, another name.

Each function gives back a whole `Requirement` whose text is written in the user's own way where that is
possible. Whether such a line has an answer is found in repair.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.match_spec import MatchSpec
from envmgr.models.record_table import version_key
from envmgr.models.requirement import Requirement
from envmgr.models.version import Version
from envmgr.models.version_spec import VersionSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLAUSE = lazy_pattern(r"(==|!=|<=|>=|<|>|~=)?(.*?)(\.\*)?")
_PART = r"[0-9A-Za-z]+"


def with_version(line: Requirement, version: str) -> Requirement | None:
    """*line* with each clause moved that refuses *version*, as far as need be: a pin to its series, a bound to it.

    None where the clauses are more than a plain list of comparisons.
    """
    asked = line.spec.version
    if asked is None or re.search(r"[|()^$]", asked.text):
        return None
    clauses = [_moved(clause, version) for clause in asked.text.split(",")]
    text = ",".join(clause for clause in clauses if clause)
    if not text:
        return without(line, "version")
    try:
        moved = VersionSpec.parse(text)
    except DataError:
        return None
    if not moved.matches(Version.parse(version)):
        return None
    spec = replace(line.spec, version=moved)
    return _in_users_words(line, spec) or _rewritten(line, spec)


def without(line: Requirement, *fields: str) -> Requirement:
    """*line* that says nothing of these *fields* of its spec."""
    empty: dict[str, object] = {name: () if name in ("extras", "flags") else None for name in fields}
    return _rewritten(line, replace(line.spec, **empty))


def with_name(line: Requirement, name: str, *, bare: bool = False) -> Requirement:
    """*line* for the package *name*; *bare* leaves out everything but the name."""
    spec = MatchSpec(name=name, when=line.spec.when) if bare else replace(line.spec, name=name)
    old = line.source.text
    text = re.sub(rf"\b{re.escape(line.spec.name)}(?![\w.-])", name, old, count=1, flags=re.IGNORECASE)
    if _reads_as(text, spec):
        return Requirement(spec, replace(line.source, text=text))
    return _rewritten(line, spec)


def bounds(line: Requirement, versions: Iterable[str]) -> tuple[str, str] | None:
    """The lowest and the highest version that *line* means: of *versions* those that it accepts, else its literals.

    None where it means no version.
    """
    asked = line.spec.version
    if asked is None:
        return None
    accepted = sorted((text for text in versions if asked.matches(Version.parse(text))), key=version_key)
    if accepted:
        return accepted[0], accepted[-1]
    found = [literal for _, literal, _ in map(_split, re.split(r"[,|]", asked.text)) if literal]
    try:
        literals = sorted(found, key=version_key)
    except DataError:
        return None
    return (literals[0], literals[-1]) if literals else None


def series(version: str, like: str) -> str:
    """*version* cut to as many parts as *like* has.

    >>> series("3.11.4", "3.12"), series("2.0", "1.26.4")
    ('3.11', '2.0')
    """
    count = len(re.findall(_PART, like.rpartition("!")[2]))
    found = re.match(rf"(?:[0-9]+!)?{_PART}(?:[._+-]{_PART}){{0,{max(count, 1) - 1}}}", version)
    return found[0] if found else version


def _split(clause: str) -> tuple[str, str, bool]:
    found = _CLAUSE.fullmatch(clause.strip())
    if found is None:
        return "", "", False
    sign, literal, fuzzy = found.groups()
    return sign or "", literal.strip("*"), fuzzy is not None


def _moved(clause: str, version: str) -> str:
    """The clause so that it accepts *version*: unchanged if it does, empty if there is no such clause."""
    sign, literal, fuzzy = _split(clause)
    if VersionSpec.parse(clause).matches(Version.parse(version)) or not literal:
        return clause
    short = series(version, literal)
    if fuzzy and sign in ("", "=="):
        return f"{short}.*"
    if sign in (">", ">="):
        return f">={series(version, literal if '.' in literal else f'{literal}.0')}"
    if sign in ("<", "<="):
        above = _next(short)
        return f"<{above}" if above else f"<={version}"
    return {"": f"=={version}", "==": f"=={version}", "~=": f"~={short}"}.get(sign, "")


def _next(short: str) -> str | None:
    head, last = re.fullmatch(r"(.*?)([0-9]*)", short, re.DOTALL).groups()  # type: ignore[union-attr]
    return f"{head}{int(last) + 1}" if last else None


def _in_users_words(line: Requirement, spec: MatchSpec) -> Requirement | None:
    """The user's text with its literals exchanged, if it reads as *spec* then."""
    old, new = line.spec.version, spec.version
    if old is None or new is None:
        return None
    name_end = line.source.text.lower().find(line.spec.name) + len(line.spec.name)
    head, text = line.source.text[:name_end], line.source.text[name_end:]
    for before, after in zip(old.text.split(","), new.text.split(","), strict=False):
        literal, changed = _split(before)[1], _split(after)[1]
        text = re.sub(
            rf"(?<![\w.]){re.escape(literal)}(?![0-9])", changed, text, count=1, flags=re.IGNORECASE
        )
    text = head + text
    return Requirement(spec, replace(line.source, text=text)) if _reads_as(text, spec) else None


def _reads_as(text: str, spec: MatchSpec) -> bool:
    try:
        return MatchSpec.parse(text) == spec
    except DataError:
        return False


def _rewritten(line: Requirement, spec: MatchSpec) -> Requirement:
    return Requirement(spec, replace(line.source, text=_plain_text(spec)))


def _plain_text(spec: MatchSpec) -> str:
    """The spec as one writes it in a file: ``numpy >=1.2`` rather than ``numpy[version='>=1.2']``."""
    version = spec.version
    if version is None:
        return str(spec)
    plain = f"{spec.name} {version}"
    if version.is_fuzzy:
        plain = f"{spec.name}={version.text.removesuffix('.*')}"
    elif version.is_exact:
        plain = f"{spec.name}{version}"
    return plain if _reads_as(plain, spec) else str(spec)
