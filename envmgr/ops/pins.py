"""The lines that limit every solve of an environment without asking for anything: settings, and its own file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.errors import DataError, PrefixError
from envmgr.ops.channels import with_real_channel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context


def pins(context: Context, prefix: Path | None = None, *, ignored: bool = False) -> tuple[Requirement, ...]:
    """The lines that limit a solve: of the setting ``pinned_packages``, and of ``conda-meta/pinned`` in *prefix*.

    All hold at once, unless they are *ignored*. Raises DataError with the place of a line that is no pin.
    """
    if ignored:
        return ()
    return (*_configured_pins(context), *(pins_of(prefix, context) if prefix is not None else ()))


def _configured_pins(context: Context) -> tuple[Requirement, ...]:
    from envmgr.models.match_spec import parse_match_spec
    from envmgr.models.requirement import Requirement, Source
    from envmgr.solver.problem import PINNED

    found = []
    for text in context.settings.pinned_packages:
        try:
            pin = Requirement(parse_match_spec(text), Source(PINNED, None, text))
            found.append(_checked_pin(pin, context))
        except DataError as error:
            raise DataError(f"{PINNED}: {error}", hint=error.hint) from None
    return tuple(found)


def pins_of(prefix: Path, context: Context) -> tuple[Requirement, ...]:
    """One spec a line, as conda has them; lines that start with ``#`` are comments."""
    from envmgr.envfile.explicit import parse_specs_file
    from envmgr.solver.problem import PIN_FILE

    path = prefix / PIN_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise PrefixError(f"{path} cannot be read: {error.strerror}.", prefix=str(prefix)) from error
    found = []
    for pin in parse_specs_file(content, file=str(path)):
        try:
            found.append(_checked_pin(pin, context))
        except DataError as error:
            raise DataError(
                f"{pin.source}: {error}",
                hint="Correct the line, or ignore all pins with --no-pin.",
                file=pin.source.file,
                line=pin.source.line,
            ) from None
    return tuple(found)


def pin_lines(pins: Sequence[Requirement]) -> tuple[str, ...]:
    """*pins* as lines of ``conda-meta/pinned``."""
    from envmgr.models.spec_style import plain_text

    return tuple(dict.fromkeys(plain_text(pin.spec) for pin in pins))


def add_pins(prefix: Path, pins: Sequence[Requirement], context: Context) -> None:
    """Add those of *pins* to ``conda-meta/pinned`` that it does not have; raises PrefixError."""
    from envmgr.prefix.store import PrefixStore

    known = {pin.spec for pin in pins_of(prefix, context)} if pins else set()
    if new := [pin for pin in pins if pin.spec not in known]:
        PrefixStore(prefix).add_pins(pin_lines(new))


def pins_of_files(written: Sequence[Requirement], context: Context) -> tuple[Requirement, ...]:
    """The pins that environment files have (`pins:`); raises DataError with the place of one that is none."""
    found = []
    for pin in written:
        try:
            found.append(_checked_pin(pin, context))
        except DataError as error:
            where = {"file": pin.source.file, "line": pin.source.line}
            raise DataError(f"{pin.source}: {error}", hint=error.hint, **where) from None
    return tuple(found)


def _checked_pin(pin: Requirement, context: Context) -> Requirement:
    text = pin.source.text
    if pin.spec.extras:
        raise DataError(f"'{text}' asks for extras, and a pin asks for nothing: it only limits.")
    if not pin.spec.is_name_exact:
        raise DataError(f"'{text}' names no package, and a pin limits one.")
    return with_real_channel(pin, context)
