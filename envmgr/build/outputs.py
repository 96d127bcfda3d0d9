"""From the recipe's tree to its outputs: merging (CEP 14 "Outputs", CEP 41 "Inheritance") and evaluation.

A recipe without ``outputs`` is one output. With them, each output is laid over what it inherits from: the top
level, a staging output or another package. Scripts, requirements and tests are never inherited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.build.decode import (
    decode_about,
    decode_build,
    decode_extra,
    decode_package,
    decode_requirements,
    decode_sources,
    decode_tests,
    flag_of,
    table_of,
    text_of,
)
from envmgr.build.document import Items, Table, iter_items, to_plain
from envmgr.build.evaluate import evaluate, evaluate_context, evaluate_skip, expressions_for
from envmgr.build.recipe import Output

if TYPE_CHECKING:
    from envmgr.build.document import Node
    from envmgr.build.evaluate import Surroundings
    from envmgr.build.template import Expressions

_TOP_KEYS = [
    "$schema",
    "schema_version",
    "context",
    "package",
    "recipe",
    "source",
    "build",
    "requirements",
    "tests",
    "about",
    "extra",
    "outputs",
]
_OUTPUT_KEYS = ["package", "staging", "inherit", "source", "build", "requirements", "tests", "about", "extra"]
_STAGING_KEYS = ["staging", "inherit", "source", "build", "requirements"]


class Inheritance(Struct, frozen=True):
    """Which output another one builds on; None means the top level."""

    name: str | None = None
    run_exports: bool = True


class Recipe(Struct, frozen=True):
    """All outputs of one recipe in the order of the file, skipped ones included, and what was odd about it."""

    name: str
    outputs: tuple[Output, ...]
    warnings: tuple[str, ...] = ()


def read_outputs(document: Table, around: Surroundings) -> Recipe:
    """Evaluate the recipe *document* for one variant and platform. Raises BuildError with file and line."""
    document.check_keys(_TOP_KEYS, "a recipe")
    schema = document.get("schema_version")
    if schema is not None and to_plain(schema) != 1:
        schema.place.fail(f"schema_version {to_plain(schema)!r} is not known; envmgr builds version 1.")
    if "outputs" in document.entries:
        return _several(document, around)
    document.without("recipe").check_keys(
        [key for key in _TOP_KEYS if key != "recipe"], "a recipe without outputs"
    )
    raw = document.without("$schema", "schema_version", "context", "recipe")
    output = _read_output(raw, Inheritance(), None, _expressions(document, around))
    return Recipe(output.name, (output,))


def _expressions(document: Table, around: Surroundings) -> Expressions:
    return evaluate_context(document, expressions_for(around))


def _several(document: Table, around: Surroundings) -> Recipe:
    if "package" in document.entries:
        document.places["package"].fail("a recipe has either 'package' or 'outputs', not both.")
    top = _expressions(document, around)
    head = table_of(
        evaluate(document.entries.get("recipe", Table({}, {}, document.place)), top),
        "'recipe'",
        ("name", "version"),
    )
    version = text_of(head.get("version"), "the recipe's version") if head else None
    ignored = [key for key in ("requirements", "tests") if key in document.entries]
    warnings = tuple(
        f"{document.places[key]}: {key!r} beside 'outputs' is not used (CEP 41)." for key in ignored
    )
    resolver = _Outputs(document, around, version)
    outputs = resolver.read()
    name = (text_of(head.get("name"), "the recipe's name") if head else None) or outputs[0].name
    return Recipe(name, outputs, warnings)


class _Outputs:
    """Merges each output with what it inherits; the names of outputs may be templates."""

    def __init__(self, document: Table, around: Surroundings, version: str | None) -> None:
        self._document, self._around, self._version = document, around, version
        top = document.without(
            *[key for key in _TOP_KEYS if key not in ("source", "build", "about", "extra")]
        )
        self._top = _without_script(top)
        self._raw: dict[str, Table] = {}
        self._parents: dict[str, Inheritance] = {}

    def read(self) -> tuple[Output, ...]:
        node = self._document.entries["outputs"]
        names = evaluate_context(self._document, expressions_for(self._around))
        listed = evaluate_names(node, names)
        if not listed:
            node.place.fail("'outputs' is empty.")
        for name, raw, parent in listed:
            if name in self._raw:
                raw.place.fail(f"the output {name!r} stands here for the second time.")
            self._raw[name], self._parents[name] = raw, parent
        return tuple(
            _read_output(
                self._merged(name, ()),
                self._parents[name],
                self._version,
                _expressions(self._document, self._around),
            )
            for name in self._raw
        )

    def _merged(self, name: str, below: tuple[str, ...]) -> Table:
        """The output's table over what it inherits; *below* are the names that already wait for it."""
        raw, parent = self._raw[name], self._parents[name].name
        if parent is None:
            return raw.merged_over(self._top)
        if parent not in self._raw:
            raw.places["inherit"].fail(f"there is no output {parent!r} to inherit from.")
        if parent in (*below, name):
            raw.places["inherit"].fail(f"the output {name!r} inherits from itself.")
        if "staging" in raw.entries and "staging" not in self._raw[parent].entries:
            raw.places["inherit"].fail("a staging output can inherit only from another staging output.")
        base = self._merged(parent, (*below, name))
        return raw.merged_over(
            _without_script(base.without("package", "staging", "inherit", "source", "requirements", "tests"))
        )


def _without_script(table: Table) -> Table:
    build = table.entries.get("build")
    if not isinstance(build, Table):
        return table
    return Table({**table.entries, "build": build.without("script")}, table.places, table.place)


def evaluate_names(node: Node, expressions: Expressions) -> list[tuple[str, Table, Inheritance]]:
    """Name, raw table and inheritance of each output; conditions around outputs are decided here."""
    found = []
    for item in _raw_items(node, expressions):
        raw = table_of(item, "an output", _OUTPUT_KEYS)
        assert raw is not None
        kind = "staging" if "staging" in raw.entries else "package"
        if "staging" in raw.entries:
            raw.check_keys(_STAGING_KEYS, "a staging output")
        section = evaluate(raw.entries[kind], expressions) if kind in raw.entries else None
        table = table_of(section, repr(kind))
        name = text_of(table.get("name"), "the output's name") if table else None
        if not name:
            raw.place.fail("an output needs a 'package' or 'staging' section with a name.")
        found.append((name, raw, _inheritance(raw, expressions)))
    return found


def _raw_items(node: Node, expressions: Expressions) -> list[Node]:
    items: list[Node] = []
    for item in iter_items(node):
        if isinstance(item, Table) and "if" in item.entries:
            holds = expressions.condition(str(to_plain(item.entries["if"])), item.place)
            items += _raw_items(
                item.entries.get("then" if holds else "else", Items((), item.place)), expressions
            )
        else:
            items.append(item)
    return items


def _inheritance(raw: Table, expressions: Expressions) -> Inheritance:
    node = evaluate(raw.entries["inherit"], expressions) if "inherit" in raw.entries else None
    if isinstance(node, Table):
        node.check_keys(("from", "run_exports"), "'inherit'")
        exports = flag_of(node.get("run_exports"), "'run_exports'", default=True)
        return Inheritance(text_of(node.get("from"), "'from'"), exports)
    return Inheritance(text_of(node, "'inherit'"))


def _read_output(raw: Table, parent: Inheritance, version: str | None, expressions: Expressions) -> Output:
    build = table_of(raw.get("build"), "'build'")
    skip = evaluate_skip(build.get("skip") if build else None, expressions)
    staging = "staging" in raw.entries
    late = build.entries.get("string") if build else None
    if build is not None:
        raw = Table({**raw.entries, "build": build.without("skip", "string")}, raw.places, raw.place)
    head = Table(
        {key: node for key, node in raw.entries.items() if key in ("package", "staging")},
        raw.places,
        raw.place,
    )
    tree = evaluate(head if skip else raw, expressions)
    assert isinstance(tree, Table)
    if late is not None and not skip:
        _note_names(late, expressions)
        tree = _with_string(tree, late)
    if staging:
        section = table_of(tree.get("staging"), "'staging'", ("name",))
        name, version = (text_of(section.get("name"), "the name") if section else "") or "", version or "0"
    else:
        name, version = decode_package(tree.get("package"), version, tree.place)
    return _decode_output(tree, name, version, parent, Flags(staging, skip, frozenset(expressions.used)))


class Flags(Struct, frozen=True):
    """What evaluation found out about an output beside its tree."""

    is_staging: bool
    is_skipped: bool
    used: frozenset[str]


def _note_names(node: Node, expressions: Expressions) -> None:
    """Note which variables the build string uses; it is evaluated when the hash is known."""
    text = text_of(node, "the build string") or ""
    from envmgr.build.template import Expressions as Evaluator

    Evaluator({**expressions.variables, "hash": "h"}, expressions.used).value(text, node.place)


def _with_string(tree: Table, late: Node) -> Table:
    build = tree.entries.get("build")
    entries = build.entries if isinstance(build, Table) else {}
    places = build.places if isinstance(build, Table) else {}
    return Table(
        {**tree.entries, "build": Table({**entries, "string": late}, places, tree.place)},
        tree.places,
        tree.place,
    )


def _decode_output(tree: Table, name: str, version: str, parent: Inheritance, flags: Flags) -> Output:
    about, license_files = decode_about(tree.get("about"))
    requirements = decode_requirements(tree.get("requirements"))
    if flags.is_staging and (requirements.run or requirements.run_constraints):
        tree.place.fail("a staging output has no 'run' and 'run_constraints' requirements (CEP 41).")
    return Output(
        name=name,
        version=version,
        place=tree.place,
        is_staging=flags.is_staging,
        inherits=parent.name,
        inherits_run_exports=parent.run_exports,
        sources=decode_sources(tree.get("source")),
        build=decode_build(tree.get("build")),
        requirements=requirements,
        tests=decode_tests(tree.get("tests")),
        about=about,
        license_files=license_files,
        extra=decode_extra(tree.get("extra")),
        rendered=to_plain(tree),
        used=flags.used,
        is_skipped=flags.is_skipped,
    )
