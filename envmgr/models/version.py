"""Version literals and their order (CEP 33).

A version is parsed once into segments of components and into one flat comparison key. Comparing two versions,
testing them for equality and hashing them are then single operations on plain tuples.

The standard pads with zeros without end on both levels: ``1`` equals ``1.0.0``, and ``1.0a`` compares its
component ``a`` with the 0 that ``1.0`` does not write. The key holds that by counting zeros instead of
storing them. Each run of k zeros and the component behind it become one mark and that component:

- ``_FAR - k`` before a component above zero (a number or ``post``): the sooner it comes, the greater,
- ``k - _FAR`` before a component below zero (a string or ``dev``): the sooner it comes, the smaller,
- 0 where nothing but zeros follows.

Segments are coded in the same way inside the version, so equal beginnings of two keys always stand for the
same place in both versions.

What this module does not do: ranges and globs (`envmgr.models.version_spec`), and the limits on length and
number size that CEP 26 and 33 set for new packages. Published versions break them, so they are read as conda
reads them.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import msgspec

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern

Component: TypeAlias = "int | str"
Segment: TypeAlias = "tuple[Component, ...]"

_FAR: Final = 1 << 31
_POST: Final = float("inf")
_MAX_CHARACTERS: Final = 512
_ZERO: Final[Segment] = (0,)
_SPECIAL: Final = ("dev", "post")
_PLAIN = lazy_pattern(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
_ALLOWED = lazy_pattern(r"[0-9a-z._!+]+", re.ASCII)
_RUNS = lazy_pattern(r"[0-9]+|[^0-9]+")


class Version(msgspec.Struct, frozen=True, eq=False, order=False, gc=False):
    """A version literal with a total order; make it with `Version.parse`.

    ``segments`` and ``local_segments`` hold numbers and lower-case strings, a 0 put before a leading string.
    Versions that are written differently can be equal; ``text`` keeps the writing.

    >>> Version.parse("1.2") == Version.parse("1.2.0") < Version.parse("1.2.0post1")
    True
    """

    text: str
    epoch: int
    segments: tuple[Segment, ...]
    local_segments: tuple[Segment, ...]
    key: tuple[int | float | str, ...]

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version literal; surrounding spaces do not matter.

        Raises DataError that quotes *text* and says what is wrong with it.

        >>> Version.parse("1!2.15.1_alpha+1.2.3h123").local_segments
        ((1,), (2,), (3, 'h', 123))
        """
        text = text.strip()
        if _PLAIN.fullmatch(text) and len(text) <= _MAX_CHARACTERS:
            segments: tuple[Segment, ...] = tuple([(int(part),) for part in text.split(".")])
            return cls(text, 0, segments, (), _plain_key(segments))
        epoch, segments, local_segments = _split(text)
        return cls(text, epoch, segments, local_segments, _key(epoch, segments, local_segments))

    @classmethod
    def from_segments(cls, epoch: int, segments: tuple[Segment, ...]) -> Version:
        """The version with these segments and no local part; ``text`` is written out from them."""
        text = ".".join("".join(map(str, segment)) for segment in segments)
        return cls(f"{epoch}!{text}" if epoch else text, epoch, segments, (), _key(epoch, segments, ()))

    def starts_with(self, prefix: Version) -> bool:
        """Whether this lies in the family that CEP 29's fuzzy equality ``prefix.*`` means.

        The segments before *prefix*'s last one are equal, and the last one begins alike; a local part only
        matters where *prefix* has one.

        >>> Version.parse("1.2rc1").starts_with(Version.parse("1.2"))
        True
        """
        if self.epoch != prefix.epoch:
            return False
        if not prefix.local_segments:
            return _begins(self.segments, prefix.segments)
        same = _key(0, self.segments, ()) == _key(0, prefix.segments, ())
        return same and _begins(self.local_segments, prefix.local_segments)

    def without_last(self) -> Version:
        """The version without its last segment and local part, as ``~=`` needs it; ``0`` at least."""
        return Version.from_segments(self.epoch, self.segments[:-1] or ((0,),))

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Version) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return self.key != other.key if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __lt__(self, other: Version) -> bool:
        return self.key < other.key

    def __le__(self, other: Version) -> bool:
        return self.key <= other.key

    def __gt__(self, other: Version) -> bool:
        return self.key > other.key

    def __ge__(self, other: Version) -> bool:
        return self.key >= other.key


def _plain_key(segments: tuple[Segment, ...]) -> tuple[int | float | str, ...]:
    """The key of a version of numbers and periods only, the great majority."""
    key: list[int | float | str] = [0]
    zeros = 0
    for (number,) in segments:
        if number:
            key += (_FAR - zeros, _FAR, number, 0)
            zeros = 0
        else:
            zeros += 1
    key += (0, 0)
    return tuple(key)


def _key(
    epoch: int, segments: tuple[Segment, ...], local_segments: tuple[Segment, ...]
) -> tuple[int | float | str, ...]:
    key: list[int | float | str] = [epoch]
    for part in (segments, local_segments):
        zeros = 0
        for segment in part:
            sign, coded = _segment_key(segment)
            if sign == 0:
                zeros += 1
                continue
            key.append(sign * (_FAR - zeros))
            key += coded
            zeros = 0
        key.append(0)
    return tuple(key)


def _segment_key(segment: Segment) -> tuple[int, list[int | float | str]]:
    """Whether the segment lies above, at or below zero (1, 0, -1), and its code."""
    coded: list[int | float | str] = []
    sign = zeros = 0
    for component in segment:
        if component == 0:
            zeros += 1
            continue
        weight: int | float | str = component
        direction = 1
        if component == "post":
            weight = _POST
        elif isinstance(component, str):
            direction = -1
            weight = "" if component == "dev" else component
        coded += (direction * (_FAR - zeros), weight)
        sign = sign or direction
        zeros = 0
    coded.append(0)
    return sign, coded


def _begins(segments: tuple[Segment, ...], prefix: tuple[Segment, ...]) -> bool:
    count, last = len(segments), len(prefix) - 1
    for place in range(last):
        ours, wanted = segments[place] if place < count else _ZERO, prefix[place]
        if ours != wanted and (len(ours) == len(wanted) == 1 or _segment_key(ours) != _segment_key(wanted)):
            return False
    return _segment_begins(segments[last] if last < count else _ZERO, prefix[last])


def _segment_begins(segment: Segment, prefix: Segment) -> bool:
    last = len(prefix) - 1
    if last:
        segment = (*segment, *(0,) * (last + 1 - len(segment)))
        if segment[:last] != prefix[:last]:
            return False
    ours, wanted = segment[last], prefix[last]
    if ours == wanted:
        return True
    if isinstance(ours, int) or isinstance(wanted, int) or ours in _SPECIAL or wanted in _SPECIAL:
        return False
    return ours.startswith(wanted)


def _split(text: str) -> tuple[int, tuple[Segment, ...], tuple[Segment, ...]]:
    lowered = text.lower().replace("-", "_")
    if not lowered:
        raise DataError("a version is empty; it needs at least one number or letter.")
    if len(lowered) > _MAX_CHARACTERS:
        raise DataError(f"a version has {len(lowered)} characters; at most {_MAX_CHARACTERS} are read.")
    if not _ALLOWED.fullmatch(lowered):
        odd = "".join(
            sorted({character for character in text if not _ALLOWED.fullmatch(character.lower())} - {"-"})
        )
        raise DataError(
            f"'{text}' is not a version: it holds {odd!r}, where letters, digits and . _ - ! + may stand."
        )
    before, mark, main = lowered.rpartition("!")
    if mark and not before.isdigit():
        raise DataError(f"'{text}' is not a version: its epoch, the part before '!', must be one number.")
    main, plus, local = main.partition("+")
    if "+" in local:
        raise DataError(f"'{text}' is not a version: only one '+' can begin a local part.")
    local_segments = _parse_segments(local, text) if plus else ()
    return int(before or "0"), _parse_segments(main, text), local_segments


def _parse_segments(part: str, text: str) -> tuple[Segment, ...]:
    trailing = "_" if part.endswith("_") and len(part) > 1 else ""
    pieces = part[: len(part) - len(trailing)].replace("_", ".").split(".")
    if "" in pieces:
        raise DataError(f"'{text}' is not a version: a part between two separators is empty.")
    pieces[-1] += trailing
    return tuple(_parse_segment(piece) for piece in pieces)


def _parse_segment(piece: str) -> Segment:
    components: list[Component] = [int(run) if run.isdigit() else run for run in _RUNS.findall(piece)]
    return tuple(components) if isinstance(components[0], int) else (0, *components)
