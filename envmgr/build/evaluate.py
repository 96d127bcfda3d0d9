"""Turns a recipe as written into a recipe without logic: templates replaced, ``if``/``then``/``else`` decided.

The functions and variables that recipes may use (CEP 39) are made here from plain values. Values that come
out as None are dropped from lists and mappings, as CEP 39 asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.build.document import Items, Scalar, Table, iter_items, kind_of
from envmgr.build.pins import DEFAULT_LOWER, DEFAULT_UPPER, Pin
from envmgr.build.template import Expressions
from envmgr.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.build.document import Node, Place

_SYSTEMS = ("linux", "osx", "win", "emscripten")
_UNIX = ("linux", "osx", "emscripten")
_MACHINES = [
    "x86",
    "x86_64",
    "aarch64",
    "arm64",
    "armv6l",
    "armv7l",
    "ppc64le",
    "s390x",
    "riscv64",
    "sparc64",
    "wasm32",
]
_DEFAULT_COMPILERS = {
    "linux": {"c": "gcc", "cxx": "gxx", "fortran": "gfortran"},
    "osx": {"c": "clang", "cxx": "clangxx", "fortran": "gfortran"},
    "win": {"c": "vs2022", "cxx": "vs2022", "fortran": "gfortran"},
}
SYSTEM_COMPILER = "system"
"""The variant value of ``c_compiler`` and its like that means the machine's own compiler, no package."""


class Surroundings(Struct, frozen=True):
    """What a recipe is evaluated against.

    *subdir* is the platform built for and on; *variant* the chosen variant values; *environ* what ``env``
    sees.
    """

    subdir: str
    variant: Mapping[str, str]
    environ: Mapping[str, str]


class EnvironmentView:
    """The ``env`` object of CEP 39."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, name: str, default: str | None = None) -> str:
        """The environment variable *name*; *default* where it is unset, an error where there is none."""
        value = self._environ.get(name, default)
        if value is None:
            raise ValueError(f"the environment variable {name} is not set and there is no default")
        return value

    def exists(self, name: str) -> bool:
        """Whether the environment variable *name* is set."""
        return name in self._environ


def expressions_for(around: Surroundings) -> Expressions:
    """An evaluator that knows the variables and functions of CEP 39 and the variant's keys."""
    system, _, machine = around.subdir.partition("-")
    variables: dict[str, Any] = {name: name == system for name in _SYSTEMS}
    machine = {"64": "x86_64", "32": "x86"}.get(machine, machine)
    variables |= {name: name == machine for name in _MACHINES}
    variables |= {"unix": system in _UNIX, "target_platform": around.subdir, "build_platform": around.subdir}
    variables |= {key: value for key, value in around.variant.items() if key.isidentifier()}
    used: set[str] = set()
    return Expressions({**variables, **_functions(around, used)}, used)


def _functions(around: Surroundings, used: set[str]) -> dict[str, Any]:
    def toolchain(language: str, kind: str, default: str) -> str | None:
        key = f"{language}_{kind}"
        used.update({key, f"{key}_version"})
        name = around.variant.get(key, default)
        if name == SYSTEM_COMPILER:
            return None
        return f"{name}_{around.subdir} {around.variant.get(f'{key}_version', '')}".strip()

    def compiler(language: str) -> str | None:
        system = around.subdir.partition("-")[0]
        return toolchain(language, "compiler", _DEFAULT_COMPILERS.get(system, {}).get(language, language))

    def stdlib(language: str) -> str | None:
        if f"{language}_stdlib" not in around.variant:
            raise ValueError(f"the variant has no {language}_stdlib")
        return toolchain(language, "stdlib", "")

    def cdt(name: str) -> str:
        used.update({"cdt_name", "cdt_arch"})
        return f"{name}-{around.variant['cdt_name']}-{around.variant['cdt_arch']}"

    systems = {f"is_{name}": _platform_check((name,)) for name in ("linux", "osx", "win")}
    return {
        "compiler": compiler,
        "stdlib": stdlib,
        "cdt": cdt,
        "match": _match,
        "pin_subpackage": _pin_function("pin_subpackage"),
        "pin_compatible": _pin_function("pin_compatible"),
        "env": EnvironmentView(around.environ),
        "is_unix": _platform_check(_UNIX),
        **systems,
    }


def _platform_check(systems: tuple[str, ...]) -> Any:
    return lambda platform: str(platform).partition("-")[0] in systems


def _match(value: Any, spec: str) -> bool:
    """Whether the variant *value* (``3.11``, ``3.11.* *_cpython``) lies in the version spec (CEP 39)."""
    from envmgr.models.version import Version
    from envmgr.models.version_spec import VersionSpec

    version = str(value).split(" ")[0].lstrip("=").removesuffix(".*")
    return VersionSpec.parse(spec).matches(Version.parse(version))


def _pin_function(kind: str) -> Any:
    def pin(name: str, **options: Any) -> Pin:
        unknown = set(options) - {"lower_bound", "upper_bound", "exact"}
        if unknown:
            raise TypeError(
                f"{kind} has no argument {min(unknown)!r}, only lower_bound, upper_bound and exact"
            )
        exact = bool(options.pop("exact", False))
        if exact and options:
            raise TypeError(f"{kind} takes either exact=True or bounds, not both")
        lower, upper = options.get("lower_bound", DEFAULT_LOWER), options.get("upper_bound", DEFAULT_UPPER)
        return Pin(kind, str(name).lower(), lower, upper, exact)

    return pin


def evaluate(node: Node, expressions: Expressions) -> Node | None:
    """*node* without templates and conditions; None where nothing is left of it."""
    if isinstance(node, Scalar):
        return _evaluate_scalar(node, expressions)
    if isinstance(node, Items):
        values = [value for item in node.values for value in _evaluate_item(item, expressions)]
        return Items(tuple(values), node.place)
    entries = {key: evaluate(value, expressions) for key, value in node.entries.items()}
    return Table({key: value for key, value in entries.items() if value is not None}, node.places, node.place)


def _evaluate_scalar(node: Scalar, expressions: Expressions) -> Node | None:
    if not isinstance(node.value, str):
        return node if node.value is not None else None
    return _wrap(expressions.value(node.value, node.place), node.place)


def _wrap(value: Any, place: Place) -> Node | None:
    if isinstance(value, (list, tuple)):
        members = (_wrap(member, place) for member in value)
        return Items(tuple(member for member in members if member is not None), place)
    return Scalar(value, place) if value is not None else None


def _evaluate_item(item: Node, expressions: Expressions) -> Iterator[Node]:
    """What one list item becomes: nothing, itself, the members of a list, or the branch of a condition."""
    if not (isinstance(item, Table) and "if" in item.entries):
        value = evaluate(item, expressions)
        if isinstance(value, Items) and isinstance(item, Scalar):
            yield from value.values
        elif value is not None and not (isinstance(value, Scalar) and value.value == ""):
            yield value
        return
    item.check_keys(("if", "then", "else"), "a condition")
    condition = item.entries["if"]
    if "then" not in item.entries or not isinstance(condition, Scalar):
        item.place.fail("a condition needs an expression after 'if' and a 'then'.")
    holds = expressions.condition(str(condition.value), condition.place)
    branch = item.entries.get("then" if holds else "else")
    for member in branch.values if isinstance(branch, Items) else ([branch] if branch is not None else []):
        yield from _evaluate_item(member, expressions)


def evaluate_context(document: Table, expressions: Expressions) -> Expressions:
    """The evaluator that also knows the recipe's ``context``, evaluated from top to bottom (CEP 14)."""
    context = document.get("context")
    if context is None:
        return expressions
    if not isinstance(context, Table):
        context.place.fail(f"'context' must be a mapping, found {kind_of(context)}.")
    variables = dict(expressions.variables)
    for name, node in context.entries.items():
        if not name.isidentifier():
            context.places[name].fail(f"{name!r} cannot be the name of a variable.")
        value = evaluate(node, Expressions(variables, expressions.used))
        variables[name] = _context_value(value, name)
    return Expressions(variables, expressions.used)


def _context_value(node: Node | None, name: str) -> Any:
    if node is None or isinstance(node, Scalar):
        return None if node is None else node.value
    values = [value.value for value in iter_items(node) if isinstance(value, Scalar)]
    if (
        isinstance(node, Items)
        and len(values) == len(node.values)
        and len({type(value) for value in values}) <= 1
    ):
        return values
    return node.place.fail(
        f"the context variable {name!r} must be a plain value or a list of values of one type."
    )


def evaluate_skip(node: Node | None, expressions: Expressions) -> bool:
    """Whether ``build.skip`` holds: a boolean, an expression or a list of them (CEP 14)."""
    if node is None:
        return False
    if isinstance(node, Items):
        return any(evaluate_skip(value, expressions) for value in node.values)
    if isinstance(node, Table):
        node.place.fail("'skip' must be an expression or a list of expressions.")
    if isinstance(node.value, bool):
        return node.value
    text = str(node.value)
    value = expressions.value(text, node.place) if "${{" in text else expressions.condition(text, node.place)
    return value not in (False, None, "", "false")


def as_variant(document: Table, around: Surroundings) -> dict[str, str]:
    """A variants file as key -> value; every key has exactly one value.

    Raises BuildError where a key has several values: one build makes one variant.
    """
    expressions, variant = expressions_for(around), {}
    for key, node in document.entries.items():
        value = evaluate(node, expressions)
        members = value.values if isinstance(value, Items) else ((value,) if value is not None else ())
        if len(members) != 1 or not isinstance(members[0], Scalar):
            raise BuildError(f"{node.place}: the variant key {key!r} must have exactly one value.")
        variant[key] = str(members[0].value)
    return variant
