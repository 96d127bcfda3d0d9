"""Pins: version ranges computed from a version that the build knows (CEP 39, "The pin functions").

A pin is made while a recipe is evaluated and turned into a spec once the pinned version is known: that of
another output for ``pin_subpackage``, of a package in the host environment for ``pin_compatible``.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

_EXPRESSION = re.compile(r"x(\.x)*\Z")
_SEGMENT = re.compile(r"[._-]")
_PARTS = re.compile(r"(?P<epoch>[0-9]+!)?(?P<release>[^+]*)(?P<local>\+.*)?\Z", re.DOTALL)

DEFAULT_LOWER = "x.x.x.x.x.x"
DEFAULT_UPPER = "x"


class Pin(Struct, frozen=True):
    """A request for a version range; *kind* is ``pin_subpackage`` or ``pin_compatible``."""

    kind: str
    name: str
    lower: str | None = DEFAULT_LOWER
    upper: str | None = DEFAULT_UPPER
    exact: bool = False

    def spec(self, version: str, build: str) -> str:
        """The match spec ``name version [build]`` for the package *version* and *build*.

        >>> Pin("pin_compatible", "numpy").spec("1.21.3", "py39_0")
        'numpy >=1.21.3,<2.0a0'
        """
        if self.exact:
            return f"{self.name} =={version} {build}"
        bounds = (_lower_bound(self.lower, version), _upper_bound(self.upper, version))
        return " ".join(filter(None, [self.name, ",".join(bound for bound in bounds if bound)]))

    def plain(self) -> dict[str, dict[str, Any]]:
        """The pin as a rendered recipe shows it (CEP 40): what differs from the defaults.

        >>> Pin("pin_subpackage", "liblua", upper="x.x").plain()
        {'pin_subpackage': {'name': 'liblua', 'upper_bound': 'x.x'}}
        """
        arguments: dict[str, Any] = {"name": self.name}
        if self.exact:
            return {self.kind: {**arguments, "exact": True}}
        arguments |= {"lower_bound": self.lower} if self.lower != DEFAULT_LOWER else {}
        arguments |= {"upper_bound": self.upper} if self.upper != DEFAULT_UPPER else {}
        return {self.kind: arguments}


def is_pin_expression(text: str) -> bool:
    """Whether *text* consists of ``x`` and dots."""
    return _EXPRESSION.match(text) is not None


def _lower_bound(bound: str | None, version: str) -> str:
    if not bound:
        return ""
    return f">={_shortened(version, bound)}" if is_pin_expression(bound) else f">={bound}"


def _upper_bound(bound: str | None, version: str) -> str:
    if not bound:
        return ""
    return f"<{_bumped(version, bound)}" if is_pin_expression(bound) else f"<{bound}"


def _split(version: str) -> tuple[str, list[str], str]:
    match = _PARTS.match(version)
    assert match is not None
    return match["epoch"] or "", _SEGMENT.split(match["release"]), match["local"] or ""


def _shortened(version: str, expression: str) -> str:
    epoch, segments, local = _split(version)
    return epoch + ".".join(segments[: expression.count("x")]) + local


def _bumped(version: str, expression: str) -> str:
    """The first version that is no longer compatible: the last kept segment plus one, without local part."""
    epoch, segments, _ = _split(version)
    count = expression.count("x")
    kept = (segments + ["0"] * count)[:count]
    number = re.match(r"[0-9]*", kept[-1])
    digits = number[0] if number else ""
    letters = kept[-1][len(digits) :]
    kept[-1] = f"{int(digits or 0) + 1}{'a' if letters else ''}"
    return epoch + ".".join(kept) + ("" if letters else ".0a0")
