"""The optional parts of files that a lock is made with: groups, which it holds beside ``main``, and extras in it.

What the command line said of them is noted in the lock, as of channels, so that the next run and ``--check`` need
no options. A creation says itself which it wants: groups are chosen of those that the lock has, extras compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.lock.inputs import SELECTED, joined_pairs, pairs_in
from envmgr.lock.locked import MAIN
from envmgr.models.wheel_name import normalized_name
from envmgr.ops.request import environment_files, read_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envmgr.envfile.environment_file import EnvironmentFile, Item
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.ops.request import Asked, EnvironmentRequest
    from envmgr.pypi.resolution import PypiItem


def recorded_groups(notes: Mapping[str, str]) -> tuple[str, ...]:
    """The groups that a lock with *notes* was made with by ``--group``."""
    return _words(notes, "groups")


def selection_as_recorded(asked: Asked, notes: Mapping[str, str], files: Sequence[EnvironmentFile]) -> Asked:
    """*asked*, with the groups and extras of a lock with *notes* where it names none, if the *files* have them.

    They are spelt as in the files; those that are asked for and that no file has stay as they are.
    """
    groups = {normalized_name(name): name for file in files for name in file.groups}
    extras = {normalized_name(name): name for file in files for name in file.extras}

    def found(named: Sequence[str], recorded: Sequence[str], known: Mapping[str, str]) -> tuple[str, ...]:
        recorded = [each for each in recorded if normalized_name(each) in known]
        return tuple(dict.fromkeys(known.get(normalized_name(each), each) for each in named or recorded))

    return replace(
        asked,
        groups=found(asked.groups, recorded_groups(notes), groups),
        extras=found(asked.extras, _words(notes, "extras"), extras),
    )


def selection_notes(asked: Asked) -> dict[str, str]:
    """The note of the groups and extras of *asked*."""
    named = {"groups": ",".join(sorted(set(asked.groups))), "extras": ",".join(sorted(set(asked.extras)))}
    text = joined_pairs({name: words for name, words in named.items() if words})
    return {SELECTED: text} if text else {}


def groups_asked(asked: Asked, subdir: str, context: Context) -> dict[str, frozenset[str]]:
    """The groups of what is asked for, of conda's packages by name and as ``pypi:NAME``.

    They are the ``category`` of the file, and for what only a group of *asked* adds, that group.
    """
    found: dict[str, set[str]] = {}
    plain = replace(asked, groups=())
    for file in environment_files(plain, subdir, context):
        for name, _ in _lines(file.requirements, file.subsections.get("pip", ())):
            found.setdefault(name, set()).add(file.category or MAIN)
    if asked.groups:
        base = dict.fromkeys(_of_request(read_request(plain, context)))
        for name, _ in base:
            found.setdefault(name, {MAIN})
        for group in dict.fromkeys(asked.groups):
            for line in _of_request(read_request(replace(asked, groups=(group,)), context)):
                if line not in base:
                    found.setdefault(line[0], set()).add(group)
    return {name: frozenset(groups) for name, groups in found.items()}


def _of_request(wanted: EnvironmentRequest) -> Iterator[tuple[str, str]]:
    return _lines(wanted.requirements, wanted.pypi)


def _lines(
    requirements: Sequence[Requirement], items: Sequence[Item | PypiItem]
) -> Iterator[tuple[str, str]]:
    """What each line asks for by name, with its text."""
    from envmgr.ops.pypi_intent import name_of

    for line in requirements:
        yield line.spec.name, str(line.spec)
    for item in items:
        name = None if item.text.startswith("-") else name_of(item.text)
        if name is not None:
            yield f"pypi:{name}", item.text


def _words(notes: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(each for each in pairs_in(notes.get(SELECTED, "")).get(name, "").split(",") if each)
