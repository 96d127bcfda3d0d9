"""What several platforms ask for, as one list with selectors (CEP 24) or markers (PEP 508). Pure.

A selector tells its platforms from the others of the same file, and from no more. `sel(...)` is taken where the
operating system alone makes the differences: mamba reads it, and conda refuses it instead of taking every line.
What it cannot tell apart needs comments for all: a file is to have one kind of selectors only. What holds in
several cases takes a line for each, since conda-lock reads comments of one name only.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from envmgr.envfile.environment_text import Selector
from envmgr.envfile.selectors import platform_names
from envmgr.errors import UsageError
from envmgr.models.platform import operating_system

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

_READ_BY_ALL = (
    "linux", "osx", "win", "unix", "linux64", "osx64", "win64", "arm64", "aarch64", "ppc64le",
)  # fmt: skip
"""The names that conda-lock reads, too."""
_NAMES = (
    *_READ_BY_ALL, "x86_64", "linux32", "win32", "s390x", "riscv64", "armv6l", "armv7l", "ppc64", "riscv32",
    "emscripten", "wasi", "freebsd", "zos", "x86", "wasm32",
)  # fmt: skip
_SYS_PLATFORMS = {"linux": "linux", "osx": "darwin", "win": "win32"}
_MOST_NAMES = 4


def by_text(lists: Mapping[str, Sequence[str]], name_of: Callable[[str], str]) -> dict[str, tuple[str, ...]]:
    """The texts of all *lists*, each with its platforms; those of one name stand together, where the first stood.

    >>> by_text({"linux-64": ["a=1", "b"], "win-64": ["a=2", "b"]}, lambda text: text[0])
    {'a=1': ('linux-64',), 'a=2': ('win-64',), 'b': ('linux-64', 'win-64')}
    """
    names: dict[str, dict[str, list[str]]] = {}
    for subdir, texts in lists.items():
        for text in texts:
            subdirs = names.setdefault(name_of(text), {}).setdefault(text, [])
            if subdir not in subdirs:
                subdirs.append(subdir)
    return {text: tuple(found) for texts in names.values() for text, found in texts.items()}


def selectors(texts: Mapping[str, tuple[str, ...]], subdirs: Sequence[str]) -> dict[str, Selector]:
    """The selectors of the *texts* that do not count on all *subdirs*, all of one kind."""
    partial = {text: found for text, found in texts.items() if len(found) < len(subdirs)}
    kinds = dict.fromkeys(partial.values())
    names = {found: system_names(found, subdirs) for found in kinds}
    if all(found is not None for found in names.values()):
        return {text: Selector(names=names[found] or ()) for text, found in partial.items()}
    comments = {found: expressions(found, subdirs) for found in kinds}
    return {text: Selector(comments=comments[found]) for text, found in partial.items()}


def system_names(chosen: Collection[str], subdirs: Collection[str]) -> tuple[str, ...] | None:
    """The words of `sel()` that hold, together, for just the *chosen* ones; None where none do.

    >>> system_names(["linux-64", "osx-64"], ["linux-64", "osx-64", "win-64"])
    ('unix',)
    """
    names = target_names(chosen, subdirs)
    return names if not set(names) & set(subdirs) else None


def target_names(chosen: Collection[str], subdirs: Collection[str]) -> tuple[str, ...]:
    """The same, with the *chosen* ones themselves where no operating system holds for them: pixi's targets.

    >>> target_names(["linux-64", "osx-arm64"], ["linux-64", "osx-64", "osx-arm64"])
    ('linux', 'osx-arm64')
    """
    systems = {
        system: {each for each in subdirs if operating_system(each) == system} for system in _SYS_PLATFORMS
    }
    found = [system for system, all_of_it in systems.items() if all_of_it and all_of_it <= set(chosen)]
    rest = [each for each in chosen if operating_system(each) not in found]
    is_usual = all(operating_system(each) in _SYS_PLATFORMS for each in subdirs)
    if is_usual and found[:2] == ["linux", "osx"]:
        found[:2] = ["unix"]
    return (*found, *rest)


def expressions(chosen: Collection[str], subdirs: Sequence[str]) -> tuple[str, ...]:
    """Comment selectors of which just one holds on each of the *chosen* ones of *subdirs*, and none on the others.

    They are few, and those that most tools read. Raises UsageError for a platform that no selector tells.

    >>> expressions(["linux-64", "osx-arm64"], ["linux-64", "linux-aarch64", "osx-arm64", "win-64"])
    ('linux64', 'osx')
    """
    truth = {subdir: platform_names(subdir) for subdir in subdirs}
    sets = {name: frozenset(each for each in subdirs if truth[each][name]) for name in _NAMES}
    wanted = frozenset(chosen)
    for known in (_READ_BY_ALL, _NAMES):
        useful = {sets[name]: name for name in reversed(known) if sets[name] and sets[name] <= wanted}
        for count in range(1, _MOST_NAMES + 1):
            for parts in itertools.combinations(reversed(useful), count):
                if sum(map(len, parts)) == len(wanted) and frozenset().union(*parts) == wanted:
                    ordered = sorted(parts, key=lambda part: min(map(subdirs.index, part)))
                    return tuple(useful[part] for part in ordered)
    return tuple(_one(subdir, sets) for subdir in subdirs if subdir in wanted)


def _one(subdir: str, sets: Mapping[str, frozenset[str]]) -> str:
    """The names that hold, together, for *subdir* alone."""
    names = [name for name in _NAMES if subdir in sets[name]]
    for count in (1, 2):
        for each in itertools.combinations(names, count):
            if frozenset.intersection(*(sets[name] for name in each)) == {subdir}:
                return " and ".join(each)
    raise UsageError(
        f"environment.yml has no selector that tells {subdir} from the other platforms (CEP 24).",
        hint=f"Export {subdir} alone, or in one of the formats conda-lock, pixi-lock, pixi.",
    )


def marker(chosen: Collection[str], subdirs: Collection[str], machine_of: Callable[[str], str]) -> str:
    """The marker that holds for just the *chosen* ones; *machine_of* tells `platform_machine` (PEP 508).

    >>> marker(["osx-arm64"], ["linux-64", "osx-arm64"], {}.get)
    'sys_platform == "darwin"'
    """
    parts = []
    for system in dict.fromkeys(map(operating_system, chosen)):
        test = f'sys_platform == "{_SYS_PLATFORMS.get(system, system)}"'
        mine = [each for each in chosen if operating_system(each) == system]
        if set(mine) == {each for each in subdirs if operating_system(each) == system}:
            parts.append(test)
        else:
            parts += [f'{test} and platform_machine == "{machine_of(each)}"' for each in mine]
    return " or ".join(parts)
