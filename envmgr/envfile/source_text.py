"""The text of an environment.yml, made to say what is wanted now, with its comments and its order. Pure.

A line stays where it asks for something that is wanted, in any spelling; it changes where it asks otherwise for the
same package, and goes where that is not wanted. What has no line yet follows the last of its list. Lines with
selectors of other platforms stay. The new text is read again before it counts, and what cannot be brought to say
just what is wanted raises NotEditableError: a file that is plain beats one that is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.envfile.environment_yml import parse_environment
from envmgr.envfile.selectors import dictionary_selector, evaluate_dictionary_selector, select_lines
from envmgr.envfile.spec_line import parse_requirement
from envmgr.envfile.text_edit import NotEditableError, TextEditor, written
from envmgr.errors import DataError
from envmgr.models.document import LINE_BREAK
from envmgr.models.match_spec import parse_match_spec
from envmgr.models.requirement import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from envmgr.envfile.environment_file import EnvironmentFile
    from envmgr.envfile.environment_text import WrittenEnvironment
    from envmgr.models.match_spec import MatchSpec

# Those that selectors in files can tell apart and that people name in files.
_PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
_FILE = "environment.yml"


class Meanings(Struct, frozen=True):
    """What texts in files stand for, which this module does not know by itself.

    ``channels`` maps the text of a channel in the source to those of the wanted environment that it is.
    ``item_key`` is equal for items of pip that ask for the same, and ``item_name`` the distribution that one asks
    for, None for options and paths.
    """

    channels: Mapping[str, tuple[str, ...]]
    item_key: Callable[[str], str]
    item_name: Callable[[str], str | None]


def kept_text(text: str, wanted: WrittenEnvironment, meanings: Meanings, subdir: str) -> str:
    """*text*, an environment.yml, changed to ask for just what is *wanted* on *subdir*.

    Raises NotEditableError with the reason, for a sentence, and DataError where *text* cannot be read.
    """
    before = parse_environment(text, file=_FILE, subdir=subdir)
    if before.includes:
        raise NotEditableError("it includes other files")
    selected = select_lines(text, file=_FILE, subdir=subdir).text
    change = _Change(TextEditor(text, selected), wanted, meanings, subdir)
    change.make()
    edited = change.editor.edited()
    try:
        after = parse_environment(edited, file=_FILE, subdir=subdir)
    except DataError:
        raise NotEditableError("its form is not one that is changed automatically") from None
    _check(after, wanted, meanings)
    if selected != text or "sel(" in text:
        _check_others(text, edited, change.added, subdir)
    return edited


def narrowed_text(text: str, specs: Mapping[MatchSpec, Sequence[str]], subdirs: Sequence[str]) -> str:
    """*text*, in which each line that asks for one of *specs* everywhere counts on its platforms of *subdirs* only.

    The selectors are of the kind that *text* has already. Lines that have one stay as they are.
    Raises as `kept_text`.
    """
    from envmgr.envfile.platform_choices import expressions, system_names

    readings = [
        select_lines(text, file=_FILE, subdir=each).text for each in dict.fromkeys((*subdirs, *_PLATFORMS))
    ]
    editor = TextEditor(text, readings[0])
    everywhere = [all(lines) for lines in zip(*map(LINE_BREAK.split, readings), strict=True)]
    listed = editor.value("dependencies")
    narrow = [
        (node, chosen)
        for node in (listed.value if isinstance(listed.value, list) else ())
        if not isinstance(node.value, list) and everywhere[node.start_mark.line]
        if (chosen := specs.get(_spec_of(node.value))) is not None
    ]
    names = [system_names(chosen, subdirs) for _, chosen in narrow]
    has_comments = any(each != text for each in readings)
    if None in names and not has_comments and "sel(" in text:
        raise NotEditableError("its selectors tell no processors")
    for (node, chosen), systems in zip(narrow, names, strict=True):
        if has_comments or None in names:
            editor.multiply(node, [("", f"  # [{each}]") for each in expressions(chosen, subdirs)])
        else:
            editor.multiply(node, [(f"sel({each}): ", "") for each in systems or ()])
    return editor.edited()


class _Line(Struct):
    """One spec of the dependencies: the node of its text, and its place in the list."""

    node: Any
    place: int
    spec: MatchSpec
    is_choice: bool


class _Change(Struct):
    """One change on its way; ``added`` are the names of packages that got a line of their own."""

    editor: TextEditor
    wanted: WrittenEnvironment
    meanings: Meanings
    subdir: str
    added: frozenset[str] = frozenset()

    def make(self) -> None:
        root = self.editor.root
        first = root.value[0][0]
        name = self.editor.value("name")
        if self.wanted.name is None:
            self.editor.remove_entry(root, "name")
        elif name is None:
            self.editor.insert_key(first, [f"name: {written(self.wanted.name)}"])
        elif name.value != self.wanted.name:
            self.editor.replace(name, self.wanted.name)
        self.editor.remove_entry(root, "prefix")
        self._set_texts("channels", self._channels())
        self._set_dependencies()
        if self.wanted.platforms:
            self._set_texts("platforms", self.wanted.platforms)
        self._set_variables()
        self._set_pins()

    def _set_texts(self, key: str, texts: Sequence[str]) -> None:
        """Make the top-level list *key* that of *texts*; a new one stands before the dependencies."""
        listed = self.editor.value(key)
        if listed is None or not isinstance(listed.value, list) or not listed.value:
            self.editor.remove_entry(self.editor.root, key)
            anchor = next(name for name, _ in self.editor.root.value if name.value == "dependencies")
            self.editor.insert_key(anchor, [f"{key}:", *(f"  - {written(each)}" for each in texts)])
            return
        import difflib

        now = [node.value.strip() for node in listed.value]
        planned: list[str | None] = [""] * len(now)
        added: dict[int, list[str]] = {}
        opcodes = difflib.SequenceMatcher(None, now, texts, autojunk=False).get_opcodes()
        for kind, first, last, start, end in opcodes:
            if kind != "equal":
                planned[first:last] = [None] * (last - first)
                added.setdefault(first, []).extend(texts[start:end])
        self.editor.set_items(listed, planned, added)

    def _channels(self) -> list[str]:
        """The wanted channels, in the words of the source where these mean the same, and `nodefaults`."""
        listed = self.editor.value("channels")
        own = [node.value.strip() for node in listed.value] if listed is not None and listed.value else []
        left = list(self.wanted.channels)
        found: list[str] = []
        while left:
            known = next((text for text in own if self._is_next(text, left)), None)
            found.append(left[0] if known is None else known)
            del left[: 1 if known is None else len(self.meanings.channels[known])]
        before = own[: own.index("nodefaults")] if "nodefaults" in own else own
        is_last = "nodefaults" not in own or own[-1] == "nodefaults"
        place = max((found.index(each) + 1 for each in found if each in before), default=0)
        place = len(found) if is_last else place
        return [*found[:place], "nodefaults", *found[place:]]

    def _is_next(self, text: str, left: Sequence[str]) -> bool:
        meant = self.meanings.channels.get(text, ())
        return bool(meant) and tuple(left[: len(meant)]) == meant

    def _set_dependencies(self) -> None:
        listed = self.editor.value("dependencies")
        items = listed.value if isinstance(listed.value, list) else []
        lines = [line for place, node in enumerate(items) for line in self._lines(place, node)]
        texts, left = self._planned(lines)
        sections = [(place, value) for place, node in enumerate(items) for value in self._sections(node)]
        planned: list[str | None] = [""] * len(items)
        for line, text in zip(lines, texts, strict=True):
            if text is None and line.is_choice and len(items[line.place].value) > 1:
                raise NotEditableError("a choice by platform that goes stands beside others")
            if text and line.is_choice:
                self.editor.replace(line.node, text)
            else:
                planned[line.place] = text
        pip = self._planned_items([node for _, value in sections for node in self._items(value)])
        emptied = self._set_pip(sections, pip)
        for place in emptied:
            self.editor.remove_item(items[place])
        behind = max((line.place + 1 for line in lines if not line.is_choice), default=0)
        self.added = frozenset(spec.name for _, spec in left)
        new = [text for text, _ in left]
        if not items:
            section = ["  - pip:", *(f"      - {written(each)}" for each in pip[1])] if pip[1] else []
            self.editor.fill("dependencies", [*(f"  - {written(each)}" for each in new), *section])
            return
        self.editor.set_items(listed, planned, {behind: new} if new else None)
        if pip[1] and not sections:
            self.editor.add_section(listed, "pip", pip[1])

    def _lines(self, place: int, node: Any) -> Iterator[_Line]:
        """The specs that an item of the dependencies holds for this platform."""
        if not isinstance(node.value, list):
            yield _Line(node, place, _spec_of(node.value), is_choice=False)
            return
        for key, value in node.value:
            if self._holds(key.value):
                yield _Line(value, place, _spec_of(value.value), is_choice=True)

    def _holds(self, key: str) -> bool:
        expression = dictionary_selector(key)
        place = Source(_FILE, None, key)
        return expression is not None and evaluate_dictionary_selector(
            expression, source=place, subdir=self.subdir
        )

    def _planned(self, lines: Sequence[_Line]) -> tuple[list[str | None], list[tuple[str, MatchSpec]]]:
        """The new text of each line (None: it goes, empty: it stays), and what has no line yet."""
        left = {parse_match_spec(text): text for text in self.wanted.dependencies}
        known = frozenset(left)
        planned: list[str | None] = []
        for line in lines:
            left.pop(line.spec, None)
        for line in lines:
            if line.spec in known or not line.spec.is_name_exact or line.spec.name.startswith("__"):
                planned.append("")
                continue
            instead = next((spec for spec in left if spec.name == line.spec.name), None)
            planned.append(None if instead is None else left.pop(instead))
        return planned, [(text, spec) for spec, text in left.items()]

    def _sections(self, node: Any) -> Iterator[Any]:
        if isinstance(node.value, list):
            for key, value in node.value:
                if key.value == "pip" and isinstance(value.value, list):
                    yield value

    def _items(self, listed: Any) -> Iterator[Any]:
        """The nodes of the items of a section that count for this platform."""
        for node in listed.value:
            if not isinstance(node.value, list):
                yield node
                continue
            yield from (value for key, value in node.value if self._holds(key.value))

    def _planned_items(self, nodes: Sequence[Any]) -> tuple[dict[int, str | None], list[str]]:
        """As `_planned`, by the identity of the nodes, for the items of pip."""
        key, name = self.meanings.item_key, self.meanings.item_name
        left = {key(text): text for text in self.wanted.pypi}
        known = frozenset(left)
        planned: dict[int, str | None] = {}
        for node in nodes:
            left.pop(key(node.value), None)
        for node in nodes:
            if key(node.value) in known:
                planned[id(node)] = ""
                continue
            own = name(node.value)
            instead = next(
                (each for each, text in left.items() if own is not None and name(text) == own), None
            )
            planned[id(node)] = None if instead is None else left.pop(instead)
        return planned, list(left.values())

    def _set_pip(
        self, sections: Sequence[tuple[int, Any]], pip: tuple[dict[int, str | None], list[str]]
    ) -> list[int]:
        """Change the sections of pip; returns the places of those of which nothing is left."""
        planned, new = pip
        emptied = []
        for number, (place, listed) in enumerate(sections):
            options = [text for text in new if _is_option(text)] if number == 0 else []
            others = [text for text in new if not _is_option(text)] if number == len(sections) - 1 else []
            texts = [self._item_plan(node, planned) for node in listed.value]
            if texts and all(text is None for text in texts) and not (options or others):
                emptied.append(place)
            else:
                self.editor.set_items(listed, texts, _joined({0: options}, {len(texts): others}))
        return emptied

    def _item_plan(self, node: Any, planned: Mapping[int, str | None]) -> str | None:
        if not isinstance(node.value, list):
            return planned[id(node)]
        counting = [value for _, value in node.value if id(value) in planned]
        if any(planned[id(value)] is None for value in counting):
            if len(node.value) > 1:
                raise NotEditableError("a choice by platform that goes stands beside others")
            return None
        for value in counting:
            if planned[id(value)]:
                self.editor.replace(value, str(planned[id(value)]))
        return ""

    def _set_variables(self) -> None:
        wanted = self.wanted.variables
        mapping = self.editor.value("variables")
        if mapping is not None and isinstance(mapping.value, list) and mapping.value and wanted:
            self.editor.set_entries(mapping, wanted)
            return
        if mapping is not None and (mapping.value or wanted):
            self.editor.remove_entry(self.editor.root, "variables")
        if wanted:
            lines = [f"  {name}: {written(value)}" for name, value in wanted.items()]
            self.editor.append_key(["variables:", *lines])

    def _set_pins(self) -> None:
        """Make the pins those that are wanted, in the words of the source where it has them."""
        listed = self.editor.value("pins")
        own = listed.value if listed is not None and isinstance(listed.value, list) else []
        if not self.wanted.pins:
            self.editor.remove_entry(self.editor.root, "pins")
        elif own:
            known = {_spec_of(node.value.strip()): node.value.strip() for node in own}
            self._set_texts("pins", [known.get(parse_match_spec(text), text) for text in self.wanted.pins])
        else:
            self.editor.remove_entry(self.editor.root, "pins")
            self.editor.append_key(["pins:", *(f"  - {written(text)}" for text in self.wanted.pins)])


def _joined(*parts: Mapping[int, Sequence[str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for part in parts:
        for place, texts in part.items():
            found.setdefault(place, []).extend(texts)
    return found


def _is_option(text: str) -> bool:
    return text.startswith("-") and not text.startswith(("-e ", "--editable"))


def _spec_of(text: str) -> MatchSpec:
    return parse_requirement(text, Source(_FILE, None, text)).spec


def _check(after: EnvironmentFile, wanted: WrittenEnvironment, meanings: Meanings) -> None:
    """Raise NotEditableError unless the new text says what is wanted."""
    channels = [meant for text in after.channels for meant in meanings.channels.get(text, (text,))]
    specs = {line.spec for line in after.requirements}
    asked = {spec for spec in specs if spec.is_name_exact and not spec.name.startswith("__")}
    items = {meanings.item_key(item.text) for item in after.subsections.get("pip", ())}
    targets = {parse_match_spec(text) for text in wanted.dependencies}
    is_right = (
        (after.name, after.prefix, after.nodefaults) == (wanted.name, None, True)
        and list(dict.fromkeys(channels)) == list(wanted.channels)
        and asked <= targets
        and targets <= specs
        and items == {meanings.item_key(text) for text in wanted.pypi}
        and dict(after.variables) == dict(wanted.variables)
        and {line.spec for line in after.pins} == set(map(parse_match_spec, wanted.pins))
        and (not wanted.platforms or after.platforms == tuple(wanted.platforms))
    )
    if not is_right:
        raise NotEditableError("its form is not one that is changed automatically")


def _check_others(text: str, edited: str, added: Iterable[str], subdir: str) -> None:
    """Raise NotEditableError where a change spoils what the file asks for on other platforms."""
    for other in _PLATFORMS:
        if other == subdir:
            continue
        try:
            before = parse_environment(text, file=_FILE, subdir=other)
        except DataError:
            continue
        try:
            parse_environment(edited, file=_FILE, subdir=other)
        except DataError:
            raise NotEditableError(f"changed, it cannot be read for {other}") from None
        twice = sorted({line.spec.name for line in before.requirements}.intersection(added))
        if twice:
            raise NotEditableError(f"it asks for {twice[0]} otherwise on {other}")
