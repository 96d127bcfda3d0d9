"""The variables of an environment, which its activation sets: shown, set, unset (``conda-meta/state``, CEP 32)."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from envmgr.errors import PrefixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.ops.context import Context
    from envmgr.prefix.store import PrefixStore

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Activation sets these itself, after the environment's own.
_ACTIVATIONS = ("PATH", "CONDA_PREFIX", "CONDA_SHLVL", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER")


def read_variables(prefix: Path, context: Context) -> dict[str, str]:
    """What activation of *prefix* sets, by name: variables of packages, and its own."""
    from envmgr.ops.environments import read_steadily
    from envmgr.prefix.store import PrefixStore

    found = read_steadily(prefix, context, PrefixStore(prefix).environment_variables)
    return dict(sorted(found.items()))


def parse_assignment(text: str) -> tuple[str, str]:
    """Name and value of ``NAME=VALUE``; the value may be empty. Raises UsageError."""
    name, mark, value = text.partition("=")
    if not mark:
        raise UsageError(f"'{text}' is not NAME=VALUE.", hint="Write it as in LANG=C.")
    return check_variable(name), value


def check_variable(name: str) -> str:
    """*name*, if shells can set a variable called so, and activation does not set it anyway; else UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot name a variable.", hint="Use letters, digits and _, with no digit first."
        )
    if name in _ACTIVATIONS:
        raise UsageError(
            f"{name} is set by activation itself, and cannot be a variable of an environment.",
            hint="Choose another name.",
        )
    return name


def set_variables(
    prefix: Path, new: Mapping[str, str], context: Context, *, override_frozen: bool = False
) -> None:
    """Set the *new* variables of *prefix*, all at once; raises PrefixError or DataError."""
    with _alone(prefix, context, override_frozen=override_frozen) as store:
        store.write_variables({**store.state_variables(), **new})


def unset_variables(
    prefix: Path, names: Sequence[str], context: Context, *, override_frozen: bool = False
) -> tuple[str, ...]:
    """Unset the variables *names*, as conda does: a word stands in their place, which hides a package's, too.

    Returns the names that were not set, for which nothing changed. Raises PrefixError or DataError.
    """
    from envmgr.prefix.store import UNSET

    with _alone(prefix, context, override_frozen=override_frozen) as store:
        known = store.environment_variables()
        gone = [name for name in names if name in known]
        if gone:
            store.write_variables({**store.state_variables(), **dict.fromkeys(gone, UNSET)})
    return tuple(name for name in names if name not in known)


@contextmanager
def _alone(prefix: Path, context: Context, *, override_frozen: bool) -> Iterator[PrefixStore]:
    from envmgr.ops.activation import refresh
    from envmgr.ops.change import check_frozen
    from envmgr.ops.environments import settle
    from envmgr.ops.prefix_lock import prefix_alone
    from envmgr.prefix.store import PrefixStore

    if not override_frozen:
        check_frozen(prefix)
    settle(prefix, context)
    with prefix_alone(prefix, context, ("envmgr", "env", "config", "vars")):
        try:
            yield PrefixStore(prefix)
            refresh(prefix, context)
            refresh(prefix, context)
        except OSError as error:
            raise PrefixError(f"the variables of {prefix} cannot be written: {error.strerror}.") from error
        refresh(prefix, context)


def travelling_variables(
    variables: Mapping[str, str], places: Iterable[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Those of *variables* that others may see, by name, and a sentence for each of the rest.

    Secrets stay, and what names one of the *places* of this machine.
    """
    from envmgr.models.credentials import (
        is_secret_name,
        is_secret_value,
        without_credentials_in_text,
        without_secret_query,
    )

    kept, left_out = {}, []
    here = [place for place in places if place != "/"]
    for name, value in sorted(variables.items()):
        shown = without_secret_query(without_credentials_in_text(value))
        if is_secret_name(name):
            left_out.append(f"the variable {name} is left out, since its name says that it is a secret.")
        elif is_secret_value(value):
            left_out.append(
                f"the variable {name} is left out, since its value has the form of a token or a private key."
            )
        elif shown != value:
            left_out.append(f"the variable {name} is left out, since it holds a login.")
        elif any(place in value for place in here):
            left_out.append(f"the variable {name} is left out, since it names a folder of this machine.")
        else:
            kept[name] = value
    return kept, tuple(left_out)
