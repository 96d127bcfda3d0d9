"""Writes package specs into the text of an environment.yml, and leaves every other line as it was. Pure.

A spec takes the place of the one of the same package; a new one follows the last spec of the list, before the
lists of other installers. Comments, order, quotes and line ends of everything else stay. The new text is read again
before it counts: what stands in a form that does not allow this (aliases, choices, twice) is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from envmgr.envfile.spec_line import parse_requirement
from envmgr.errors import DataError
from envmgr.models.document import quoted
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.requirement import Source
from envmgr.models.yaml_document import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmgr.models.yaml_document import Node

_DASH = lazy_pattern(r"[ \t]*(?:-[ \t]+)+")
# What YAML reads as one plain scalar in a list, whatever stands behind it.
_PLAIN = lazy_pattern(r"[A-Za-z_][\w.:/-]*(?: ?[\w.<>=!~*+|,/-]+)*(?<!:)")


def write_specs(text: str, specs: Mapping[str, str], *, file: str) -> str:
    """*text* of the environment file *file* with *specs*, texts by the package's name, in its `dependencies`.

    Raises DataError naming the file, and the line where there is one, where that cannot be done.
    """
    listed = _dependencies(text, file)
    before = _plain_specs(listed)
    names = {name: [place for place, (each, _) in enumerate(before) if each == name] for name in specs}
    for name in specs:
        _check_name(name, [before[place][1] for place in names[name]], listed, file)
    edited = text
    for name, spec in specs.items():
        edited = _with_spec(edited, name, spec)
    wanted = [specs.get(name, node.text) for name, node in before]
    wanted += [spec for name, spec in specs.items() if not names[name]]
    try:
        if [node.text for _, node in _plain_specs(_dependencies(edited, file))] == wanted:
            return edited
    except DataError:
        pass
    raise _refusal(file, "`dependencies` stands there in a form that is not changed automatically")


def _dependencies(text: str, file: str) -> Node:
    root = read_yaml(text, file=file)
    listed = root.get("dependencies") if root is not None and root.kind == "mapping" else None
    if listed is None or listed.kind not in ("list", "null"):
        raise _refusal(file, "it has no list of `dependencies`")
    return listed


def _plain_specs(listed: Node) -> list[tuple[str, Node]]:
    """The items that are specs, with the names of their packages."""
    return [(_name_of(item.text), item) for item in listed.items if item.is_scalar]


def _name_of(spec: str) -> str:
    try:
        return parse_requirement(spec, Source(None, None, spec)).spec.name
    except DataError:
        return ""


def _check_name(name: str, found: list[Node], listed: Node, file: str) -> None:
    """Refuse a package that is listed twice, or in a choice by platform: only the writer knows what is meant."""
    if len(found) > 1:
        raise _refusal(file, f"{name} is listed twice", found[1].line)
    for item in listed.items:
        for key, value in item.entries:
            if value.is_scalar and _name_of(value.text) == name:
                raise _refusal(file, f"{name} is part of the choice {quoted(key.text)}", key.line)


def _refusal(file: str, what: str, line: int | None = None) -> DataError:
    place = file if line is None else f"{file}:{line}"
    return DataError(f"{place}: {what}.", hint="Change it with an editor.", file=file, line=line)


def _with_spec(text: str, name: str, spec: str) -> str:
    import yaml

    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    listed: Any = next(value for key, value in root.value if key.value == "dependencies")
    if not isinstance(listed, yaml.SequenceNode):
        return _with_first(text, listed.end_mark.index, spec)
    scalars = [item for item in listed.value if isinstance(item, yaml.ScalarNode)]
    written = _written(spec, in_brackets=bool(listed.flow_style))
    for item in scalars:
        if _name_of(item.value) == name:
            start, end = item.start_mark.index, item.end_mark.index
            return text[:start] + written + text[start:end][len(text[start:end].rstrip()) :] + text[end:]
    if listed.flow_style:
        place = scalars[-1].end_mark.index if scalars else listed.start_mark.index + 1
        comma = ("", ", ") if scalars else (", " if listed.value else "", "")
        return f"{text[:place]}{comma[1]}{written}{comma[0]}{text[place:]}"
    return _with_line(text, written, scalars, listed.value)


def _with_first(text: str, place: int, spec: str) -> str:
    """*text* with a list of one item behind `dependencies:`, which has none."""
    end = text.find("\n", place)
    line_end = _line_end(text)
    if end < 0:
        return f"{text}{line_end}  - {_written(spec, in_brackets=False)}{line_end}"
    return f"{text[: end + 1]}  - {_written(spec, in_brackets=False)}{line_end}{text[end + 1 :]}"


def _with_line(text: str, written: str, scalars: Iterable[Any], items: list[Any]) -> str:
    """*text* with a line for *written*: behind the last spec, or before the first item of another kind."""
    last = max((item for item in scalars), key=lambda item: item.start_mark.index, default=None)
    model = last if last is not None else items[0]
    start = text.rfind("\n", 0, model.start_mark.index) + 1
    dash = _DASH.match(text, start)
    prefix = dash.group() if dash is not None else "  - "
    line_end = _line_end(text)
    if last is None:
        return f"{text[:start]}{prefix}{written}{line_end}{text[start:]}"
    end = text.find("\n", max(last.end_mark.index - 1, last.start_mark.index))
    if end < 0:
        return f"{text}{line_end}{prefix}{written}{line_end}"
    return f"{text[: end + 1]}{prefix}{written}{line_end}{text[end + 1 :]}"


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _written(spec: str, *, in_brackets: bool) -> str:
    is_plain = _PLAIN.fullmatch(spec) and not (in_brackets and "," in spec)
    return spec if is_plain else json.dumps(spec, ensure_ascii=False)
