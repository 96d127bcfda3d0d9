"""Shows the settings that hold and where they come from, and edits our own settings file.

An edit is checked before anything is written: the key exists, the value is what the setting takes (by the readers
that load it), and nothing else of the file changes. Several edits are written together or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from envmgr.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.config.edit import Value
    from envmgr.config.keys import Key
    from envmgr.config.store import LoadedSettings

DEFAULT = "default"
"""The source of what nobody has set."""

Action = Literal["set", "append", "prepend", "remove"]


class Surroundings(Struct, frozen=True):
    """What settings are loaded from: variables, the user's home, and this machine's platform."""

    environ: Mapping[str, str]
    home: Path
    subdir: str

    @property
    def own_file(self) -> Path:
        """Our own settings file, existing or not."""
        from envmgr.config.store import own_file

        return own_file(self.environ, self.home)

    def load(self, environ: Mapping[str, str] | None = None) -> LoadedSettings:
        """The settings that hold; raises ConfigError."""
        from envmgr.config.store import load_settings

        chosen = self.environ if environ is None else environ
        return load_settings(chosen, home=self.home, subdir=self.subdir)


class ShownSetting(Struct, frozen=True):
    """One setting: its value as JSON would hold it, without credentials, and where it comes from."""

    name: str
    value: Any
    source: str


class Edit(Struct, frozen=True):
    """One change: ``key`` is a setting, or `SETTING.ENTRY` of one that is a mapping."""

    action: Action
    key: str
    values: tuple[str, ...] = ()


class Edited(Struct, frozen=True):
    """What edits did: whether the file changed, the names of the settings, and what the user should know."""

    path: Path
    changed: bool
    names: tuple[str, ...]
    warnings: tuple[str, ...]


# Showing


def show_settings(loaded: LoadedSettings, keys: Sequence[str] = ()) -> list[ShownSetting]:
    """The settings called *keys* (all without any), in the order of the guide; raises ConfigError."""
    from envmgr.config.keys import KEYS

    if keys:
        return [_shown(key, loaded) for key in keys]
    return [_shown(key.name, loaded) for key in KEYS]


def _shown(written: str, loaded: LoadedSettings) -> ShownSetting:
    name, path = _path_of(written)
    value = plain(getattr(loaded.settings, name.name))
    for entry in path[1:]:
        if entry not in (value if isinstance(value, dict) else {}):
            raise ConfigError(f"`{name.name}` has no entry `{entry}`.", key=written)
        value = value[entry]
    return ShownSetting(written, value, loaded.sources.get(name.name, DEFAULT))


def plain(value: object) -> Any:
    """A setting's value as JSON holds it, without the credentials of URLs."""
    from envmgr.models.credentials import without_credentials_in_text, without_credentials_in_word

    if isinstance(value, Path):
        return without_credentials_in_text(str(value))
    if isinstance(value, str):
        return without_credentials_in_word(value)
    if isinstance(value, Struct):
        return plain({name: getattr(value, name) for name in value.__struct_fields__})
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list, frozenset)):
        return [plain(each) for each in value]
    return value


# Editing


def edit_settings(edits: Sequence[Edit], around: Surroundings) -> Edited:
    """Carry out *edits* in their order on our own file; raises ConfigError, and then nothing was changed."""
    from envmgr.config.own_file import read_own_text, write_own_text
    from envmgr.host.folder_lock import folder_alone

    path = around.own_file
    # Two edits at the same time would lose one of them.
    with folder_alone(path.resolve().parent, wait=True):
        before = text = read_own_text(path)
        editing = _Editing(path, around)
        warnings: list[str] = []
        for edit in edits:
            text = editing.apply(edit, text, warnings)
        if text != before:
            write_own_text(path, text)
    names = tuple(dict.fromkeys(edit.key for edit in edits))
    return Edited(path, text != before, names, (*warnings, *_outcome_warnings(edits, around)))


class _Editing(Struct, frozen=True):
    """How each kind of edit turns one text of the file at *path* into the next."""

    path: Path
    around: Surroundings

    def apply(self, edit: Edit, text: str, warnings: list[str]) -> str:
        from envmgr.config.edit import read_values, value_at

        values = read_values(text, file=str(self.path))
        # What stands in the file by mistake can be taken out of it.
        if edit.action == "remove" and not edit.values and edit.key in values:
            return self._remove_setting(text, (edit.key,))
        key, path = _path_of(edit.key)
        written = value_at(values, path)
        if edit.action == "set":
            return self._set(text, key, path, edit.values)
        if edit.action == "remove":
            if written is None:
                raise ConfigError(f"`{edit.key}` is not set in {self.path}.", key=edit.key)
            if not edit.values:
                return self._remove_setting(text, path)
            return self._remove_items(text, key, path, edit.values)
        return self._add(text, key, path, edit, warnings)

    def _set(self, text: str, key: Key, path: tuple[str, ...], values: Sequence[str]) -> str:
        from envmgr.config.edit import set_value, value_at

        value = _written(key, path, values)
        before = self._values(text)
        if value_at(before, path) == value:
            return text
        return self._checked(key, set_value(text, path, value, file=str(self.path)))

    def _add(self, text: str, key: Key, path: tuple[str, ...], edit: Edit, warnings: list[str]) -> str:
        from envmgr.config.edit import insert_items, remove_items, set_value, value_at

        file, at_front = str(self.path), edit.action == "prepend"
        items = tuple(dict.fromkeys(edit.values))
        if not _takes_list(key, path):
            raise UsageError(
                f"`{edit.key}` is not a list.", hint=f"envmgr config set {edit.key} VALUE sets it."
            )
        written = value_at(self._values(text), path)
        if written in (None, ""):
            start = self._held(key, path, warnings)
            text = set_value(text, path, start, file=file) if start else text
            written = start or None
        if not written:
            return self._checked(key, set_value(text, path, items, file=file))
        if isinstance(written, str) and len(path) > 1:
            # An entry of a mapping may be a text or a list; the check tells where it may not.
            text, written = set_value(text, path, (written,), file=file), (written,)
        if not isinstance(written, tuple):
            raise ConfigError(f"{self.path}: `{edit.key}` is not a list there.", key=edit.key)
        others = tuple(each for each in written if each not in items)
        if ((*items, *others) if at_front else (*others, *items)) == written:
            return text
        places = [place for place, each in enumerate(written) if each in items]
        if not others:
            return self._checked(key, set_value(text, path, items, file=file))
        text = remove_items(text, path, places, file=file) if places else text
        return self._checked(key, insert_items(text, path, items, file=file, at_front=at_front))

    def _held(self, key: Key, path: tuple[str, ...], warnings: list[str]) -> tuple[str, ...]:
        """The list that holds while our file has none: a list of ours replaces it, so it is taken over."""
        if len(path) > 1 or key.joined:
            return ()
        environ = {name: text for name, text in self.around.environ.items() if name != key.variable}
        loaded = self.around.load(environ)
        held = tuple(str(each) for each in getattr(loaded.settings, key.name))
        if not held:
            return ()
        source = loaded.sources.get(key.name, DEFAULT)
        if plain(held) != list(held):
            raise ConfigError(
                f"`{key.name}` comes from {source} and holds credentials, which are not copied.",
                hint=f"Write the whole list: envmgr config set {key.name} VALUE...",
                key=key.name,
            )
        warnings.append(f"`{key.name}` starts from the list that held so far ({source}): {', '.join(held)}.")
        return held

    def _remove_items(self, text: str, key: Key, path: tuple[str, ...], values: Sequence[str]) -> str:
        from envmgr.config.edit import remove_items, value_at

        written = value_at(self._values(text), path)
        shown = ".".join(path)
        if not isinstance(written, tuple):
            raise UsageError(f"`{shown}` is not a list.", hint=f"envmgr config remove {shown} removes it.")
        places = set()
        for value in values:
            found = [place for place, each in enumerate(written) if self._is_same(each, value)]
            if not found:
                there = ", ".join(plain(str(each)) for each in written) or "nothing"
                raise ConfigError(
                    f"`{shown}` in {self.path} does not hold {plain(value)!r}; it holds {there}.", key=shown
                )
            places |= set(found)
        return self._checked(key, remove_items(text, path, sorted(places), file=str(self.path)))

    def _is_same(self, written: Value, value: str) -> bool:
        """Whether *value* means the item *written*: as it stands there, or as it is shown."""
        from envmgr.models.path_text import expand_path

        if not isinstance(written, str):
            return False
        expanded = expand_path(written, {**self.around.environ, "HOME": str(self.around.home)})
        return value in (written, expanded, plain(written), plain(expanded))

    def _remove_setting(self, text: str, path: tuple[str, ...]) -> str:
        from envmgr.config.edit import remove_setting

        return remove_setting(text, path, file=str(self.path))

    def _values(self, text: str) -> dict[str, Value]:
        from envmgr.config.edit import read_values

        return read_values(text, file=str(self.path))

    def _checked(self, key: Key, text: str) -> str:
        """*text*, if what it says of *key* can be loaded; raises ConfigError."""
        from envmgr.config.store import own_value
        from envmgr.models.yaml_document import read_yaml

        root = read_yaml(text, file=str(self.path))
        node = root.get(key.name) if root is not None else None
        if node is not None and node.kind != "null":
            own_value(key, node, self.path, {**self.around.environ, "HOME": str(self.around.home)})
        return text


def _path_of(written: str) -> tuple[Key, tuple[str, ...]]:
    """The setting that *written* names, and the keys that lead to it: `mirrors.URL` is an entry of a mapping."""
    from envmgr.config.keys import KEYS
    from envmgr.config.store import unknown_setting

    name, dot, entry = written.partition(".")
    key = next((each for each in KEYS if each.name == name), None)
    if key is None:
        raise unknown_setting(name)
    if dot and not (entry and key.is_mapping):
        raise ConfigError(f"`{name}` has no entries, so there is no `{written}`.", key=written)
    return key, (name, entry) if dot else (name,)


def _takes_list(key: Key, path: tuple[str, ...]) -> bool:
    return key.is_list or len(path) > 1


def _written(key: Key, path: tuple[str, ...], values: Sequence[str]) -> Value:
    """The words of the command line as what the file would say; brackets and braces are read as YAML."""
    from envmgr.config.edit import content
    from envmgr.models.yaml_document import read_yaml

    if len(values) == 1 and values[0].lstrip().startswith(("[", "{")):
        node = read_yaml(values[0], file="the value on the command line")
        if node is not None and not node.is_scalar:
            return content(node)
    if key.is_list and len(path) == 1:
        return tuple(values)
    if len(values) != 1:
        if len(path) > 1 and values:
            return tuple(values)
        raise UsageError(
            f"`{'.'.join(path)}` takes one value, and {len(values)} were given.",
            hint="Put quotes around a value that has spaces.",
        )
    return values[0]


# What else the user should know


def _outcome_warnings(edits: Sequence[Edit], around: Surroundings) -> list[str]:
    """Which edited settings have no effect or an odd one, and what is wrong elsewhere in the files."""
    from envmgr.config.keys import KEYS

    try:
        loaded = around.load()
    except ConfigError as error:
        return [f"the settings cannot be loaded yet: {error}"]
    own = f"{around.own_file}:"
    known = {key.name for key in KEYS}
    warnings = []
    for name in dict.fromkeys(edit.key.partition(".")[0] for edit in edits):
        source = loaded.sources.get(name, DEFAULT)
        removed = all(edit.action == "remove" for edit in edits if edit.key.partition(".")[0] == name)
        if name in known and source != DEFAULT and not removed and not source.startswith(own):
            warnings.append(f"`{name}` is set by {source} too, which is stronger; that value holds.")
        if name in known and getattr(loaded.settings, name) == () and source.startswith(own):
            warnings.append(f"`{name}` is an empty list now; envmgr config remove {name} takes it away.")
    return warnings
