"""What an environment file asks for on another platform than the one that its environment is on. Pure.

The file tells what it asks for there, with its selectors. What was asked for, changed or removed since was said of
the environment: it goes for lines that count on both platforms, and what is new is for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.envfile.environment_yml import parse_environment
from envmgr.models.match_spec import parse_match_spec
from envmgr.models.requirement import Requirement, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.envfile.environment_text import WrittenEnvironment
    from envmgr.envfile.source_text import Meanings


class Lines(Struct, frozen=True):
    """The *specs* with their places, and the texts of *items* for pip."""

    specs: tuple[Requirement, ...]
    items: tuple[str, ...]


class _Line(Struct, frozen=True):
    """One line; those of one *key* ask for the same, and those of one *name* for the same package.

    What ``is_general`` asks for no package of its own, so that nobody can have asked for another one since.
    """

    key: str
    name: str | None
    source: Source
    is_general: bool = False


def lines_now(wanted: WrittenEnvironment) -> Lines:
    """What is *wanted*, which no file said."""
    specs = tuple(
        Requirement(parse_match_spec(text), Source(None, None, text)) for text in wanted.dependencies
    )
    return Lines(specs, wanted.pypi)


def lines_elsewhere(
    source: Source, wanted: WrittenEnvironment, meanings: Meanings, subdir: str, elsewhere: str
) -> Lines:
    """What counts *elsewhere*, where *source* has the file's text, and *wanted* is what is asked for on *subdir*.

    Raises DataError where the text cannot be read for one of the platforms.
    """
    here, there = (
        parse_environment(source.text, file=source.file or "", subdir=each) for each in (subdir, elsewhere)
    )
    now = [_spec(each) for each in lines_now(wanted).specs]
    specs = _moved(list(map(_spec, there.requirements)), list(map(_spec, here.requirements)), now)
    lists = (there.subsections.get("pip", ()), here.subsections.get("pip", ()))
    sources = [[each.source for each in items] for items in lists]
    sources.append([Source(None, None, text) for text in wanted.pypi])
    items = [
        [_Line(meanings.item_key(each.text), meanings.item_name(each.text), each) for each in found]
        for found in sources
    ]
    return Lines(
        tuple(Requirement(parse_match_spec(each.key), each.source) for each in specs),
        tuple(each.source.text for each in _moved(*items)),
    )


def _spec(line: Requirement) -> _Line:
    spec = line.spec
    is_general = not spec.is_name_exact or spec.name.startswith("__")
    return _Line(str(spec), spec.name, line.source, is_general)


def _moved(there: Sequence[_Line], here: Sequence[_Line], now: Sequence[_Line]) -> Iterator[_Line]:
    """The lines of *there*, changed as those of *here* became *now*, and what is new."""
    before = {each.key for each in here}
    kept = {each.key for each in now} & before
    new = {each.key: each for each in now if each.key not in before}
    for line in there:
        if line.is_general or line.key in kept or line.key not in before:
            yield line
            continue
        instead = next((each for each in new.values() if each.name and each.name == line.name), None)
        if instead is not None:
            yield new.pop(instead.key)
    known = {each.name or each.key for each in there} | {each.key for each in there}
    yield from (each for each in new.values() if (each.name or each.key) not in known)
