"""Evaluates the ``${{ ... }}`` expressions of a recipe (CEP 13 "Templating", CEP 39).

An expression that is the whole value keeps its type (a list stays a list, a pin stays a pin); inside a longer
text its value is written into the text. Blocks (``{% %}``) are not evaluated: they stay as they are. An
unknown variable is an error; an ``if`` without ``else`` that is false gives None, which evaluation drops.
Jinja2 is needed only here and imported only when something is evaluated.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.build.pins import Pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from envmgr.build.document import Place

_OPEN = "${{"
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)

FILTERS = [
    "replace",
    "lower",
    "upper",
    "int",
    "abs",
    "default",
    "first",
    "last",
    "length",
    "list",
    "join",
    "min",
    "max",
    "reverse",
    "slice",
    "batch",
    "sort",
    "trim",
    "unique",
]


class Expressions(Struct, frozen=True):
    """Evaluates expressions over *variables* (values and functions) and notes which names were used."""

    variables: Mapping[str, Any]
    used: set[str]

    def value(self, text: str, place: Place) -> Any:
        """*text* with its expressions replaced by their values."""
        pieces = list(_split(text, place))
        if len(pieces) == 1 and pieces[0][0]:
            return self._evaluate(pieces[0][1], place)
        if not any(is_expression for is_expression, _ in pieces):
            return text
        return "".join(
            self._text(piece, place) if is_expression else piece for is_expression, piece in pieces
        )

    def condition(self, text: str, place: Place) -> bool:
        """Whether the bare expression *text* of an ``if`` or a ``skip`` is true."""
        return bool(self._evaluate(text, place))

    def _text(self, expression: str, place: Place) -> str:
        value = self._evaluate(expression, place)
        if isinstance(value, Pin):
            place.fail(f"the pin of {value.name!r} must stand alone, not inside of a longer text.")
        if isinstance(value, (list, tuple, dict)):
            place.fail(f"${{{{ {expression.strip()} }}}} is a list and cannot stand inside of a text.")
        return _as_text(value)

    def _evaluate(self, expression: str, place: Place) -> Any:
        import jinja2
        from jinja2 import meta, runtime

        environment = _environment()
        try:
            self.used.update(meta.find_undeclared_variables(environment.parse("{{" + expression + "}}")))
            compiled = environment.compile_expression(expression, undefined_to_none=False)
            value = compiled(**self.variables)
            if isinstance(value, jinja2.StrictUndefined):
                str(value)
        except jinja2.TemplateSyntaxError as error:
            place.fail(f"the expression {expression.strip()!r} is not valid: {_sentence(error)}.")
        except (jinja2.TemplateError, *_EXPRESSION_ERRORS) as error:
            place.fail(f"the expression {expression.strip()!r} cannot be evaluated: {_sentence(error)}.")
        return None if isinstance(value, runtime.Undefined) else value


# What functions and operators of an expression may raise; BuildError passes through as it is.
_EXPRESSION_ERRORS = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError)


def _sentence(error: Exception) -> str:
    return (str(error.args[0]) if error.args else str(error)).rstrip(".")


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _split(text: str, place: Place) -> Iterator[tuple[bool, str]]:
    """The pieces of *text*: (is an expression, its text); quotes inside of an expression may hold ``}}``."""
    position = 0
    while (start := text.find(_OPEN, position)) >= 0:
        if start > position:
            yield False, text[position:start]
        masked = _STRING.sub(lambda match: "s" * len(match[0]), text[start + len(_OPEN) :])
        length = masked.find("}}")
        if length < 0:
            place.fail("an expression begins with '${{' and has no '}}' behind it.")
        body = start + len(_OPEN)
        yield True, text[body : body + length]
        position = body + length + 2
    if position < len(text) or not text:
        yield False, text[position:]


@functools.lru_cache(maxsize=1)
def _environment() -> Any:
    """The sandbox with exactly the filters of CEP 39."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    own: dict[str, Callable[..., Any]] = {
        "bool": bool,
        "split": lambda text, separator=None: str(text).split(separator),
        "version_to_buildstring": _version_to_buildstring,
    }
    environment.filters = {**{name: environment.filters[name] for name in FILTERS}, **own}
    for name in ("unique", "batch", "slice", "reverse"):
        environment.filters[name] = _as_list(environment.filters[name])
    environment.globals = {}
    return environment


def _as_list(function: Callable[..., Any]) -> Callable[..., Any]:
    """Jinja's iterating filters give generators; a recipe wants the list (or the text) itself."""

    @functools.wraps(function)
    def listing(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        return result if isinstance(result, str) else list(result)

    return listing


def _version_to_buildstring(version: Any) -> str:
    numbers = re.findall(r"[0-9]+", str(version).split(" ")[0])
    return "".join(numbers[:2])
