"""conda's and micromamba's spellings of what a shell evaluates, as the words of our own commands.

micromamba has ``shell hook -s bash``, conda ``shell.bash hook``; both stand in start-up files and scripts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from envmgr.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

ACTIONS: Final = ("activate", "completion", "deactivate", "deinit", "hook", "init", "reactivate", "reinit")
"""The words that may follow ``shell``; an environment that is called so is named with -n."""

_CONDA: Final = "shell."


def own_spelling(arguments: Sequence[str]) -> list[str]:
    """*arguments*, the command first, in the words of our own commands; as they are where they are such.

    Raises UsageError for what has no meaning here, with what to say instead.

    >>> own_spelling(["shell.bash", "hook"]), own_spelling(["shell", "init", "-s", "zsh"])
    (['shell-hook', 'bash'], ['init', 'zsh'])
    """
    command, *rest = arguments
    if command.startswith(_CONDA):
        return _of_conda(command, rest)
    if command != "shell" or not rest or rest[0] not in ACTIONS:
        return list(arguments)
    shell, others = _without_shell(rest[1:])
    if shell is None and rest[0] in ("hook", "completion") and others and not others[0].startswith("-"):
        shell, *others = others
    return _translated(rest[0], shell, others)


def _of_conda(command: str, rest: list[str]) -> list[str]:
    shell, plus, _ = command.removeprefix(_CONDA).partition("+")
    if plus or not rest or rest[0] not in ACTIONS:
        raise UsageError(
            f"there is no command '{' '.join([command, *rest[:1]])}'.",
            hint=f"envmgr shell-hook {shell} -n NAME prints what activates an environment.",
        )
    return _translated(rest[0], shell, rest[1:])


def _without_shell(words: list[str]) -> tuple[str | None, list[str]]:
    """The value of -s or --shell among *words*, and the others."""
    shell, others = None, []
    left = iter(words)
    for word in left:
        if word in ("-s", "--shell"):
            shell = next(left, None)
            if shell is None:
                raise UsageError(
                    f"{word} names a shell, and nothing follows it.", hint=f"For instance: {word} bash."
                )
        elif word.startswith("--shell="):
            shell = word.partition("=")[2]
        elif word.startswith("-s") and len(word) > 2:
            shell = word[2:].removeprefix("=")
        else:
            others.append(word)
    return shell, others


def _translated(action: str, shell: str | None, words: list[str]) -> list[str]:
    if action in ("init", "reinit"):
        return ["init", *([shell] if shell else []), *words]
    if action == "deinit":
        return ["init", "--reverse", *([shell] if shell else []), *words]
    if shell is None:
        from envmgr.host.shell import find_shell

        shell = find_shell().name
    if action == "completion":
        return ["completion", shell, *words]
    if action == "hook":
        return ["shell-hook", shell, *words]
    if action == "reactivate":
        here = os.environ.get("CONDA_PREFIX")
        if not here:
            raise UsageError("no environment is active.", hint="envmgr activate NAME")
        return ["shell-hook", shell, *words, "-p", here, "--activate"]
    return ["shell-hook", shell, *words, f"--{action}"]
