"""environment.yml: text in, what it asks for out (CEP 24).

Selectors are applied first, then the YAML is read into nodes with lines, then each known key is checked.
Unknown top-level keys are warnings; everything else that cannot be meant is one error for the whole file.

Where real files and the standard leave room, this is what holds:

- `name`, `channels`, `prefix` or `dependencies` without a value count as absent or empty; the key
  `dependencies` itself is required.
- Values of `variables` are kept as written (`1.10` stays `1.10`, `yes` stays `yes`); no value means the empty
  text.
- A name that no environment may have (`base`, or one with spaces) is left out with a warning, because the
  command line usually gives another.
- Several `pip:` sections are one list, in order.

Extensions of our own: `groups`, a mapping of names to lists like `dependencies`, which count where they are
chosen, and `pins`, a list of specs that limit without asking for anything, which other tools pass over with a
warning; and `include:` as an entry of `dependencies`, which CEP 24 has them refuse.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, NamedTuple

from envmgr.envfile.dependencies import DependencyList
from envmgr.envfile.environment_file import EnvironmentFile, Item
from envmgr.envfile.findings import Findings
from envmgr.envfile.selectors import select_lines
from envmgr.envfile.spec_line import joined_items
from envmgr.errors import DataError
from envmgr.models.document import LINE_BREAK, decode_document, quoted
from envmgr.models.platform import KNOWN_SUBDIRS, NOARCH
from envmgr.models.wheel_name import normalized_name
from envmgr.models.yaml_document import Node, read_yaml
from envmgr.models.yaml_problem import template_problem

if TYPE_CHECKING:
    from collections.abc import Collection

    from envmgr.models.requirement import Requirement

__all__ = ["EnvironmentFile", "Item", "parse_environment"]

_KEYS = ("name", "prefix", "channels", "dependencies", "variables", "platforms", "category", "groups", "pins")
_OTHER_WORDS = ("packages", "requirements", "requires", "specs")
_FORBIDDEN_IN_NAMES = re.compile(r"[/ :#]")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_environment(
    text: str | bytes, *, file: str, subdir: str, groups: Collection[str] = ()
) -> EnvironmentFile:
    """Read an environment file for the platform *subdir*; *file* is the name that errors and sources show.

    Of its own groups those called *groups* count.

    Raises DataError, one sentence with file and line, for anything that cannot be meant.
    """
    selected = select_lines(decode_document(text, file=file), file=file, subdir=subdir)
    root = read_yaml(selected.text, file=file)
    if root is None:
        raise DataError(
            f"{file}: the file is empty.", hint="It needs at least the key `dependencies`.", file=file
        )
    if root.kind != "mapping":
        raise _not_a_mapping(root, selected.text, file)
    findings = Findings(file)
    findings.warnings.extend(selected.warnings)
    lists = _Lists(findings, subdir, LINE_BREAK.split(selected.text))
    environment = _read_document(root, findings, lists, groups)
    findings.raise_problems()
    return environment


def _not_a_mapping(root: Node, text: str, file: str) -> DataError:
    hint = "An environment file holds `dependencies:` with a list below it."
    if "@EXPLICIT" in text:
        hint = "This is an explicit list of packages; give its name the ending .txt."
    found = f"expected the keys of an environment file, found {root.describe()}"
    return DataError(f"{file}:{root.line}: {found}.", hint=hint, file=file, line=root.line)


class _Lists(NamedTuple):
    """What a list of dependencies is read with."""

    findings: Findings
    subdir: str
    lines: list[str]


def _read_document(root: Node, findings: Findings, lists: _Lists, chosen: Collection[str]) -> EnvironmentFile:
    _check_keys(root, findings)
    written_channels = _texts(root, "channels", "a channel", findings)
    channels = [text for text, _ in written_channels]
    dependencies = DependencyList(*lists)
    written = root.get("dependencies")
    if written is not None:
        dependencies.read(written)
    groups = _read_groups(root, findings, lists, dependencies, chosen)
    return EnvironmentFile(
        name=_name(root, findings),
        prefix=_prefix(root, findings),
        channels=tuple(channel for channel in channels if channel != "nodefaults"),
        channel_sources={text: findings.source(node) for text, node in reversed(written_channels)},
        nodefaults="nodefaults" in channels,
        requirements=tuple(dependencies.requirements),
        subsections={name: tuple(items) for name, items in dependencies.subsections.items()},
        subsection_sources=dependencies.subsection_sources,
        variables=_variables(root, findings),
        platforms=_platforms(root, findings),
        category=_scalar(root, "category", findings),
        groups=groups,
        includes=tuple(dependencies.includes),
        pins=_pins(root, findings, lists),
        warnings=tuple(findings.warnings),
    )


def _read_groups(
    root: Node, findings: Findings, lists: _Lists, dependencies: DependencyList, chosen: Collection[str]
) -> tuple[str, ...]:
    """The names of the groups; those that are *chosen* go into *dependencies*, the others are only checked."""
    node = root.get("groups")
    if node is None or node.kind == "null":
        return ()
    if node.kind != "mapping":
        findings.expected(node, "`groups`", "names with a list of package specs each")
    wanted = {normalized_name(name) for name in chosen}
    for key, value in node.entries:
        if value.kind not in ("list", "null"):
            findings.expected(value, f"the group `{key.text}`", "a list of package specs")
            continue
        taken = dependencies if normalized_name(key.text) in wanted else DependencyList(*lists)
        if value.kind == "list":
            taken.read(value)
    return tuple(key.text for key, _ in node.entries)


def _pins(root: Node, findings: Findings, lists: _Lists) -> tuple[Requirement, ...]:
    node = root.get("pins")
    if node is None or node.kind == "null":
        return ()
    if node.kind != "list":
        findings.expected(node, "`pins`", "a list of package specs", "Write one `- name=1.2` line for each.")
        return ()
    listed = DependencyList(*lists)
    listed.read(node)
    for source in (*listed.subsection_sources.values(), *(each.source for each in listed.includes)):
        findings.problem(source.line or node.line, "`pins` holds specs only")
    return tuple(listed.requirements)


def _check_keys(root: Node, findings: Findings) -> None:
    present = {key.text: key for key, _ in root.entries}
    for key, value in root.entries:
        if key.text not in _KEYS:
            advice = _advice_for_key(key, value, present)
            findings.warn(
                key, f"the key {quoted(key.text)} is not part of an environment file and is ignored{advice}"
            )
    if "dependencies" not in present:
        near = difflib.get_close_matches("dependencies", present, n=1)
        near = near or [key for key in _OTHER_WORDS if key in present]
        hint = f"Did you mean it by {quoted(near[0])}?" if near else "Add it; it may be an empty list, `[]`."
        findings.problem(root.line, "the required key `dependencies` is missing", hint)


def _advice_for_key(key: Node, value: Node, present: Collection[str]) -> str:
    if key.text == "pip" and value.kind == "list":
        return "; packages for pip belong below `- pip:` in `dependencies`"
    if key.text == "include":
        return "; it belongs among the `dependencies`, as `- include: [FILE]`"
    near = difflib.get_close_matches(key.text, [name for name in _KEYS if name not in present], n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def _name(root: Node, findings: Findings) -> str | None:
    name, node = _scalar(root, "name", findings), root.get("name")
    if name is None or node is None:
        return None
    if template_problem(name):
        fault = "is a template that was not filled in"
    elif name in ("base", "root"):
        fault = "is reserved"
    elif not name or _FORBIDDEN_IN_NAMES.search(name):
        fault = "is empty or holds a space, `/`, `:` or `#`"
    else:
        return name
    findings.warn(node, f"the name {quoted(name)} {fault}, so that the environment needs another")
    return None


def _prefix(root: Node, findings: Findings) -> str | None:
    prefix, node = _scalar(root, "prefix", findings), root.get("prefix")
    if not prefix or node is None:
        return None
    last = re.split(r"[/\\]", prefix.rstrip("/\\"))[-1]
    if not _FORBIDDEN_IN_NAMES.search(last):
        return prefix
    findings.warn(
        node, f"the prefix {quoted(prefix)} is ignored because its last part holds a space, `:` or `#`"
    )
    return None


def _variables(root: Node, findings: Findings) -> dict[str, str]:
    node = root.get("variables")
    if node is None or node.kind == "null":
        return {}
    if node.kind != "mapping":
        hint = "Write `NAME: value`, without dashes."
        findings.expected(node, "`variables`", "names with their values", hint)
    variables = {}
    for key, value in node.entries:
        if not _VARIABLE_NAME.fullmatch(key.text):
            what = f"{quoted(key.text)} is not a name that an environment variable can have"
            findings.problem(key.line, what, "Use letters, digits and `_`, not starting with a digit.")
        elif not value.is_scalar:
            findings.expected(value, f"the variable `{key.text}`", "one text")
        else:
            variables[key.text] = "" if value.kind == "null" else value.text
    return variables


def _platforms(root: Node, findings: Findings) -> tuple[str, ...]:
    platforms = []
    for name, node in _texts(root, "platforms", "a platform", findings):
        if name == NOARCH:
            findings.problem(node.line, "`noarch` is not a platform that an environment can be made for")
        elif name not in KNOWN_SUBDIRS:
            near = difflib.get_close_matches(name.lower(), sorted(KNOWN_SUBDIRS), n=1)
            hint = f"Did you mean `{near[0]}`?" if near else "Platforms are named as in `linux-64`."
            findings.problem(node.line, f"{quoted(name)} is not a known platform", hint)
        else:
            platforms.append(name)
    return tuple(dict.fromkeys(platforms))


def _scalar(root: Node, key: str, findings: Findings) -> str | None:
    """The text of a key with one value; None where it is absent, empty or of the wrong shape."""
    node = root.get(key)
    if node is None or node.kind == "null":
        return None
    if node.is_scalar:
        return node.text
    findings.expected(node, f"`{key}`", "one text")
    return None


def _texts(root: Node, key: str, each: str, findings: Findings) -> list[tuple[str, Node]]:
    """The texts of a list of texts; whatever else is in it becomes a problem."""
    node = root.get(key)
    if node is None or node.kind == "null":
        return []
    if node.kind != "list":
        findings.expected(node, f"`{key}`", "a list", f"Write `- ` before {each}, on a line of its own.")
    found = []
    for item in node.items:
        with findings.attempt(item):
            if item.kind != "text" or not item.text.strip():
                raise findings.wrong_item(item, each)
            wrong = template_problem(item.text) or joined_items(item.text)
            if wrong is not None:
                raise findings.error(item.line, *wrong)
            found.append((item.text.strip(), item))
    return found
