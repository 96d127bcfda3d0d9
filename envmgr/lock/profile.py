"""The machine that a lock is made for, where it is not this one: its virtual packages (CEP 30). Pure.

Without a word of the user it is what most machines of the last years are at least: glibc 2.28 and Linux 4.18 (those
of RHEL 8), macOS 13, Windows 10, the plain processor of its kind, and no CUDA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.errors import DataError, UsageError
from envmgr.models.platform import operating_system
from envmgr.models.virtual_package import (
    VIRTUAL_NAMES,
    assumed_archspec,
    is_possible,
    override,
    override_variable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DEFAULTS = {
    "linux": {"__glibc": "2.28", "__linux": "4.18"},
    "osx": {"__osx": "13.0"},
    "win": {"__win": "10"},
}
_MAY_BE_ABSENT = ("__cuda", "__cuda_arch")


def default_profile(subdir: str) -> dict[str, str]:
    """The versions of the virtual packages of *subdir* by name; of ``__archspec``, the build string."""
    archspec = assumed_archspec(subdir)
    own = {"__archspec": archspec} if archspec is not None else {}
    return dict(sorted({**own, **_DEFAULTS.get(operating_system(subdir), {})}.items()))


def with_words(profile: Mapping[str, str], words: Iterable[str], subdir: str) -> dict[str, str]:
    """*profile* with what the *words* of the user say: ``__cuda=12.4``, or ``linux-64:__glibc=2.17``.

    Those for other platforms are passed over. Raises UsageError for a word that means nothing.

    >>> with_words({"__glibc": "2.28"}, ["cuda=12.4", "osx-64:__osx=14.0"], "linux-64")
    {'__cuda': '12.4', '__glibc': '2.28'}
    """
    found = dict(profile)
    for word in words:
        target, name, value = _parted(word)
        if target not in ("", subdir) or not is_possible(name, subdir):
            continue
        if value:
            _check_value(word, name, value)
            found[name] = value
        elif name in _MAY_BE_ABSENT:
            found.pop(name, None)
        else:
            raise UsageError(f"'{word}' gives no version.", hint=f"Say {name}=VERSION.")
    return dict(sorted(found.items()))


def _check_value(word: str, name: str, value: str) -> None:
    try:
        override(name, value)
    except DataError as error:
        expected = str(error).rpartition("; ")[2]
        hint = f"{name} takes {expected.removeprefix('expected ')}"
        raise UsageError(f"'{word}' means nothing for {name}.", hint=hint) from None


def _parted(word: str) -> tuple[str, str, str]:
    left, mark, value = word.partition("=")
    target, _, name = left.rpartition(":")
    name = f"__{name.strip().lstrip('_').replace('-', '_')}"
    if not mark or name not in VIRTUAL_NAMES or name == "__unix":
        known = ", ".join(each for each in VIRTUAL_NAMES if each != "__unix")
        raise UsageError(
            f"'{word}' is no virtual package with its version.",
            hint=f"Say NAME=VERSION or SUBDIR:NAME=VERSION; the names are {known}.",
        )
    return target.strip(), name, value.strip()


def overrides(profile: Mapping[str, str]) -> dict[str, str]:
    """The variables that make a machine look like *profile*; what it does not have is empty."""
    names = [each for each in VIRTUAL_NAMES if each != "__unix"]
    return {override_variable(name): profile.get(name, "") for name in names}
