"""What activation has to know of an environment, and what it may set (CEP 32). Pure.

The protocol is the same in every shell, so that one may activate and another, or conda, deactivate:

- ``CONDA_SHLVL``, ``CONDA_PREFIX``, ``CONDA_PREFIX_n``, ``CONDA_STACKED_n``, ``CONDA_DEFAULT_ENV`` and
  ``CONDA_PROMPT_MODIFIER`` are conda's.
- ``__CONDA_SHLVL_n_NAME`` holds what NAME was at level n, before level n+1 set it; not set where NAME was not.
- ``__ENVMGR_VARS_n`` lists the names that level n set, each followed by a space.
- ``__ENVMGR_KEPT_n_NAME`` holds NAME of level n while another environment takes the place of that level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.activation.environment import path_folders
from envmgr.models.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_NAMES = ("CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER")
"""Variables of every environment, beside those that it brings."""

_NAME = lazy_pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(("PATH", "CONDA_PREFIX", "CONDA_SHLVL", *OWN_NAMES))
# Each of these means something in the prompt of some shell: text in a prompt is not only shown.
_PROMPT_CHARACTERS = "$`\\%!^"


class Environment(Struct, frozen=True):
    """An environment as activation sees it: *prefix*, its *name* and what it puts before the prompt ("": nothing).

    ``variables`` are those that can be set (see `settable`). ``subdir`` is the platform's.
    """

    prefix: str
    name: str
    modifier: str
    variables: Mapping[str, str]
    subdir: str = "linux-64"

    @property
    def assignments(self) -> dict[str, str]:
        """Everything that is set and given back by the same rule, by name."""
        return {**self.variables, "CONDA_DEFAULT_ENV": self.name, "CONDA_PROMPT_MODIFIER": self.modifier}

    @property
    def names(self) -> str:
        """The names of `assignments`, each followed by a space."""
        return "".join(f"{name} " for name in self.assignments)

    @property
    def folders(self) -> list[str]:
        """What goes on PATH."""
        return path_folders(self.prefix, self.subdir)


def settable(variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Those of *variables* that every shell can set, and the names of the others.

    >>> settable({"A": "1", "PATH": "/bin", "a-b": "2"})
    ({'A': '1'}, ['PATH', 'a-b'])
    """
    good, bad = {}, []
    for name, value in variables.items():
        if _NAME.fullmatch(name) and name not in _RESERVED and "\0" not in value:
            good[name] = value
        else:
            bad.append(name)
    return good, bad


def prompt_modifier(template: str, *, name: str, prefix: str) -> str:
    """What *template* (conda's `env_prompt`) puts before the prompt.

    Letters of *name* and *prefix* to which a prompt would give a meaning are shown as ``?``.

    >>> prompt_modifier("({default_env}) ", name="/envs/$(reboot)", prefix="/envs/$(reboot)")
    '(/envs/?(reboot)) '
    """
    shown, path = _plain(name), _plain(prefix)
    last = path.rstrip("/").rpartition("/")[2]
    words = {"{default_env}": shown, "{stacked_env}": shown, "{prefix}": path, "{name}": last}
    for word, value in words.items():
        template = template.replace(word, value)
    return template


def _plain(text: str) -> str:
    return "".join("?" if each in _PROMPT_CHARACTERS or not each.isprintable() else each for each in text)
