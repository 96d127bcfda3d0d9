"""What a lock was made of, for one platform: it is written down in the lock, and tells whether that is current.

The ``content_hash`` of CEP 37 is the SHA-256 of it. In words it stands in ``custom_metadata``, so that a lock that
is not current can say why, and an environment that is made of the lock knows what was asked for. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.lock.locked import Lock

_OURS = "envmgr."
_OPTIONS = f"{_OURS}options"
_VARIABLES = f"{_OURS}variables"
INDEXES = f"{_OURS}indexes"
CHANNELS = f"{_OURS}channels"
"""The note of the channels that the command line named, ``nodefaults`` among them."""

PLATFORMS = f"{_OURS}platforms"
"""The note of the platforms that were ``asked`` of those in the ``files``, where it was not all of them."""

SELECTED = f"{_OURS}selected"
"""The note of the ``groups`` and ``extras`` of the files that the command line named."""

_PARTS = ("specs", "pypi", "constraints", "groups", "virtual_packages", "pins")


class LockInputs(Struct, frozen=True):
    """*specs* are MatchSpecs in the order of asking, *pypi* lines of pip's grammar, *constraints* its constraints.

    *groups* maps what was asked for in other groups than ``main`` to them. *options* are those of the solve that
    are not usual, by name. *pins* are MatchSpecs that limit without asking for anything. Nothing in here has a
    login or a path of a machine.
    """

    channels: tuple[str, ...]
    specs: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    virtual_packages: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    pins: tuple[str, ...] = ()

    @property
    def content_hash(self) -> str:
        """The SHA-256 of all of it, in hexadecimal digits."""
        parts = [self.channels, self.specs, self.pypi, self.constraints]
        named = [self.groups, self.virtual_packages, self.options, self.variables]
        pins = [self.pins] if self.pins else []  # Locks without any are as old as this.
        text = json.dumps([*parts, *(sorted(each.items()) for each in named), *pins], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def notes(self, subdir: str) -> dict[str, str]:
        """The texts for ``custom_metadata``, by their names there."""
        own = {
            "specs": "\n".join(self.specs),
            "pypi": "\n".join(self.pypi),
            "constraints": "\n".join(self.constraints),
            "groups": _joined(self.groups),
            "virtual_packages": _joined(self.virtual_packages),
            "pins": "\n".join(self.pins),
        }
        found = {f"{_OURS}{subdir}.{name}": text for name, text in own.items()}
        found |= {_OPTIONS: _joined(self.options), _VARIABLES: _joined(self.variables, quoted=True)}
        return {name: text for name, text in found.items() if text}


def inputs_in(lock: Lock, subdir: str) -> LockInputs | None:
    """What *lock* says that it was made of for *subdir*; None where another tool made it."""
    notes = lock.notes
    if not any(name.startswith(_OURS) for name in notes) or subdir not in lock.platforms:
        return None
    lines = {part: _lines(notes.get(f"{_OURS}{subdir}.{part}", "")) for part in _PARTS}
    return LockInputs(
        lock.channels,
        lines["specs"],
        lines["pypi"],
        lines["constraints"],
        _pairs(lines["groups"]),
        _pairs(lines["virtual_packages"]),
        _pairs(_lines(notes.get(_OPTIONS, ""))),
        _unquoted(_pairs(_lines(notes.get(_VARIABLES, "")))),
        lines["pins"],
    )


def index_texts(indexes: Mapping[str, str]) -> tuple[str, ...]:
    """The indexes of PyPI by the names of what is from them, as lines: the most frequent one as ``*``.

    >>> index_texts({"a": "https://x/simple", "b": "https://x/simple", "c": "https://y/simple"})
    ('*=https://x/simple', 'c=https://y/simple')
    """
    return tuple(f"{name}={url}" for name, url in sorted(usual_and_others(indexes).items()))


def usual_and_others(indexes: Mapping[str, str]) -> dict[str, str]:
    """The most frequent one as ``*``, others by the package's name."""
    if not indexes:
        return {}
    usual = min(Counter(indexes.values()).items(), key=lambda each: (-each[1], each[0]))[0]
    return {"*": usual} | {name: url for name, url in indexes.items() if url != usual}


def differences(then: LockInputs, now: LockInputs) -> Iterator[str]:
    """How *now* is not what a lock was made of, in a few words each."""
    for what, old, new in (
        ("spec", then.specs, now.specs),
        ("item for PyPI", then.pypi, now.pypi),
        ("constraint for PyPI", then.constraints, now.constraints),
        ("channel", then.channels, now.channels),
        ("pin", then.pins, now.pins),
    ):
        yield from (f"the {what} {_plain(what, each)} is new" for each in new if each not in old)
        yield from (f"the {what} {_plain(what, each)} is gone" for each in old if each not in new)
        if old != new and set(old) == set(new):
            yield f"the order of the {what}s is another one"
    for what, before, after in (
        ("group of", then.groups, now.groups),
        ("virtual package", then.virtual_packages, now.virtual_packages),
        ("option", then.options, now.options),
        ("variable", then.variables, now.variables),
    ):
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield f"the {what} {name} was {before.get(name, 'not there')} and is {after.get(name, 'gone')}"


def _plain(what: str, text: str) -> str:
    """A spec as people write it; whatever else a lock says, as it is."""
    from envmgr.models.match_spec import parse_match_spec
    from envmgr.models.spec_style import plain_text

    try:
        return plain_text(parse_match_spec(text)) if what in ("spec", "pin") else text
    except DataError:
        return text


def is_input_of(note: str, part: str) -> bool:
    """Whether the note with this name is *part* of the inputs: of a platform, or of all."""
    return note.startswith(_OURS) and note.rpartition(".")[2] == part


def groups_in(notes: Mapping[str, str]) -> tuple[str, ...]:
    """The groups that *notes* name, also those that add nothing to others."""
    found = {
        group
        for name, text in notes.items()
        if is_input_of(name, "groups")
        for groups in pairs_in(text).values()
        for group in groups.split(",")
    }
    return tuple(sorted(found - {""}))


def lines_in(note: str) -> tuple[str, ...]:
    """The lines in the text of a note."""
    return _lines(note)


def joined_pairs(pairs: Mapping[str, str]) -> str:
    """*pairs* as a note holds them."""
    return _joined(pairs)


def pairs_in(note: str) -> dict[str, str]:
    """The pairs in the text of a note."""
    return _pairs(_lines(note))


def _joined(pairs: Mapping[str, str], *, quoted: bool = False) -> str:
    return "\n".join(
        f"{name}={json.dumps(value) if quoted else value}" for name, value in sorted(pairs.items())
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.split("\n") if line)


def _pairs(lines: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _unquoted(pairs: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, text in pairs.items():
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, str) and name.isidentifier() and name.isascii():
            found[name] = value
    return found
