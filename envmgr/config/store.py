"""Finds settings in files and variables, and merges them (effects: reads files).

From weak to strong: the defaults; conda's files in conda's own order; conda's variables `CONDA_*`; our file
`envmgr/config.yml`; our variables `ENVMGR_*`; the command line. The stronger value replaces the weaker, except that
conda's lists are joined across its files and variables as conda joins them, stronger entries first, and its
mappings entry by entry; a few lists (`Key.joined`) are joined across all places. What a file of conda marks with
`#!final` no stronger place changes.

Of conda's settings only those are read that mean the same here; all others are conda's business and ignored. In
our own file an unknown key is an error. Wrong values are errors everywhere, with file, line and what was expected.
PyYAML is imported only when a file exists.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from envmgr.config.keys import CONDA_ONLY_KEYS, KEYS, Key, Surroundings, Written, WrongValueError
from envmgr.config.settings import Settings, default_folders
from envmgr.errors import ConfigError, DataError
from envmgr.models.credentials import without_credentials_in_word
from envmgr.models.document import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.models.yaml_document import Node

_SYSTEM_FOLDERS = ("/etc/conda", "/var/lib/conda") if os.name != "nt" else ("C:/ProgramData/conda",)
_OTHER_VARIABLES = frozenset(("ENVMGR_TRACEBACK", "ENVMGR_PYTHON"))


class LoadedSettings(Struct, frozen=True):
    """The settings, where each that was set comes from (`~/.condarc:3`, `ENVMGR_OFFLINE`), and warnings.

    ``files`` are those that were read, from weak to strong.
    """

    settings: Settings
    sources: dict[str, str]
    warnings: tuple[str, ...]
    files: tuple[Path, ...] = ()


class _Collected(Struct):
    """Values found so far, with their places."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    final: set[str] = field(default_factory=set)

    def replace(self, name: str, value: object, source: str) -> None:
        if name not in self.final:
            self.values[name], self.sources[name] = value, source

    def join(self, name: str, value: tuple[Any, ...], source: str) -> None:
        """Put a stronger list before the weaker one, each entry once."""
        joined = tuple(dict.fromkeys([*value, *self.values.get(name, ())]))
        sources = [source, self.sources[name]] if name in self.sources else [source]
        self.replace(name, joined, ", ".join(sources))

    def merge(self, name: str, value: dict[str, Any], source: str) -> None:
        """Lay a stronger mapping over the weaker one, entry by entry."""
        sources = [source, self.sources[name]] if name in self.sources else [source]
        self.replace(name, {**self.values.get(name, {}), **value}, ", ".join(sources))

    def take(self, key: Key, value: Any, source: str) -> None:
        """What one of our own places says: it replaces, but for a list that is always joined."""
        if key.joined:
            self.join(key.name, value, source)
        else:
            self.replace(key.name, value, source)


def load_settings(
    environ: Mapping[str, str],
    *,
    home: Path,
    subdir: str,
    prefix: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> LoadedSettings:
    """The settings that hold for one command.

    *subdir* is this machine's platform; *prefix* an environment whose own `.condarc` counts (None: the active
    one); *overrides* are finished values from the command line. Raises ConfigError.
    """
    found = _Collected()
    expanding = {**environ, "HOME": str(home)}
    for path in _conda_files(environ, home, prefix):
        _read_conda_file(path, expanding, found)
    _read_conda_variables(environ, expanding, found)
    _read_own_file(own_file(environ, home), expanding, found)
    _read_own_variables(environ, expanding, found)
    for name, value in (overrides or {}).items():
        found.replace(name, value, "command line")
    folders = default_folders(found.values.get("root", home / ".envmgr"))
    values = {**folders, "subdir": subdir, **found.values}
    # An environment made before envs_dirs was set is still found by its name.
    values["envs_dirs"] = tuple(dict.fromkeys([*values["envs_dirs"], *_as_paths(folders["envs_dirs"])]))
    return LoadedSettings(Settings(**values), found.sources, tuple(found.warnings), tuple(found.files))


def _as_paths(value: Path | tuple[Path, ...]) -> tuple[Path, ...]:
    return value if isinstance(value, tuple) else (value,)


# conda's places


def _conda_files(environ: Mapping[str, str], home: Path, prefix: Path | None) -> Iterator[Path]:
    """conda's files that exist, from weak to strong, in the order that conda documents."""
    conda_root = _conda_root(environ)
    active = str(prefix) if prefix is not None else environ.get("CONDA_PREFIX")
    folders = [*_SYSTEM_FOLDERS, conda_root, _below(environ.get("XDG_CONFIG_HOME"), "conda")]
    folders += [str(home / ".config" / "conda"), str(home / ".conda")]
    seen: set[str] = set()
    for folder in [*folders, str(home), active]:
        if folder and folder not in seen:
            seen.add(folder)
            yield from _files_of_folder(Path(folder), only_dotfile=folder == str(home))
    named = environ.get("CONDARC")
    if named and os.path.isfile(named):
        yield Path(named)
    elif named and os.path.isdir(named):
        yield from _yaml_files(Path(named))


def _conda_root(environ: Mapping[str, str]) -> str | None:
    """conda's own prefix, named by a variable or by the program that conda's shell hook announces."""
    if environ.get("CONDA_ROOT"):
        return environ["CONDA_ROOT"]
    program = environ.get("CONDA_EXE")
    return str(Path(program).parent.parent) if program else None


def _below(folder: str | None, name: str) -> str | None:
    return os.path.join(folder, name) if folder else None


def _files_of_folder(folder: Path, *, only_dotfile: bool) -> Iterator[Path]:
    names = (".condarc",) if only_dotfile else (".condarc", "condarc")
    yield from (folder / name for name in names if os.path.isfile(folder / name))
    more = folder / "condarc.d"
    if not only_dotfile and os.path.isdir(more):
        yield from _yaml_files(more)


def _yaml_files(folder: Path) -> Iterator[Path]:
    paths = (path for path in folder.iterdir() if path.suffix in (".yml", ".yaml"))
    yield from sorted(path for path in paths if path.is_file())


def _read_conda_file(path: Path, environ: Mapping[str, str], found: _Collected) -> None:
    root = _read_mapping(path, found)
    if root is None:
        return
    around = Surroundings(environ, path.parent)
    marked = _final_lines(path)
    final = {name.text for name, _ in root.entries if name.line in marked}
    for key in (*KEYS, *CONDA_ONLY_KEYS):
        for name in key.conda:
            node = root.get(name)
            if node is not None and node.kind != "null":
                place = f"{path}:{node.line}"
                _take_from_conda(key, _convert_node(key, name, node, path, around), place, found)
                if name in final:
                    found.final.add(key.name)
                break


def _final_lines(path: Path) -> frozenset[int]:
    """The lines on which conda's mark says that no stronger place may change the setting."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:  # It went since it was read.
        return frozenset()
    return frozenset(number for number, line in enumerate(lines, 1) if line.rstrip().endswith(b"#!final"))


def working_folder(environ: Mapping[str, str]) -> Path:
    """The process's folder, and where it was for one that was removed meanwhile."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(environ.get("PWD", "/"))


def _read_conda_variables(
    environ: Mapping[str, str], expanding: Mapping[str, str], found: _Collected
) -> None:
    around = (
        Surroundings(expanding, working_folder(environ))
        if any(name.startswith("CONDA_") for name in environ)
        else None
    )
    for key in (*KEYS, *CONDA_ONLY_KEYS):
        for name in key.conda:
            variable = f"CONDA_{name.upper()}"
            text = environ.get(variable)
            if text and around is not None and not key.is_mapping:
                written = _split(text, key.conda_separator)
                _take_from_conda(key, _convert(key, variable, written, variable, around), variable, found)
                break


def _take_from_conda(key: Key, value: object, place: str, found: _Collected) -> None:
    if isinstance(value, tuple) and key.is_list:
        found.join(key.name, value, place)
    elif isinstance(value, dict):
        found.merge(key.name, value, place)
    elif value is not None:
        found.replace(key.name, value, place)


# Our places


def own_file(environ: Mapping[str, str], home: Path) -> Path:
    """Where our own file is, existing or not."""
    folder = environ.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else home / ".config") / "envmgr" / "config.yml"


def _read_own_file(path: Path, environ: Mapping[str, str], found: _Collected) -> None:
    if not os.path.isfile(path):
        return
    root = _read_mapping(path, found)
    if root is None:
        return
    around = Surroundings(environ, path.parent)
    by_name = {key.name: key for key in KEYS}
    for written_key, node in root.entries:
        place = f"{path}:{node.line}"
        key = by_name.get(written_key.text)
        if key is None:
            raise unknown_setting(written_key.text, f"{path}:{written_key.line}: ")
        if node.kind != "null":
            found.take(key, _convert_node(key, key.name, node, path, around), place)


def unknown_setting(name: str, place: str = "") -> ConfigError:
    """The error for a setting that does not exist, with the one that was probably meant; *place* ends in `: `."""
    import difflib

    names = [key.name for key in KEYS]
    same = next((key.name for key in KEYS if name in key.conda), None)
    near = [same] if same else difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else f"The settings are {', '.join(names)}."
    return ConfigError(f"{place}there is no setting {quoted(name)}.", hint=hint, key=name)


def own_value(key: Key, node: Node, path: Path, environ: Mapping[str, str]) -> object:
    """What *node* would mean as the value of *key* in our file at *path*; raises ConfigError naming the key."""
    try:
        return _convert(key, key.name, _written(node), key.name, Surroundings(environ, path.parent))
    except WrongValueError as error:
        entry = quoted(without_credentials_in_word(str(error.entry)))
        message = f"{entry} in `{key.name}` must be {error}."
        raise ConfigError(message, key=key.name, expected=str(error)) from None


def _read_own_variables(environ: Mapping[str, str], expanding: Mapping[str, str], found: _Collected) -> None:
    given = {name: text for name, text in environ.items() if name.startswith("ENVMGR_") and text}
    if not given:
        return
    around = Surroundings(expanding, working_folder(environ))
    for key in KEYS:
        text = given.pop(key.variable, None)
        if text is not None and key.is_mapping:
            hint = f"Write `{key.name}` into a configuration file."
            raise ConfigError(f"{key.variable}: a variable cannot hold a mapping.", hint=hint, key=key.name)
        if text is not None:
            written = _split(text, key.separator)
            found.take(key, _convert(key, key.variable, written, key.variable, around), key.variable)
    found.warnings.extend(_misspelt(name) for name in given if _near_setting(name) is not None)


def _near_setting(variable: str) -> str | None:
    """The setting that a variable of no meaning was probably meant for."""
    import difflib

    name = variable.removeprefix("ENVMGR_").lower()
    near = difflib.get_close_matches(name, [key.name for key in KEYS], n=1, cutoff=0.75)
    return near[0] if near and variable not in _OTHER_VARIABLES else None


def _misspelt(variable: str) -> str:
    meant = str(_near_setting(variable)).upper()
    return f"the variable {variable} is no setting and is ignored; did you mean ENVMGR_{meant}?"


# Values


def _read_mapping(path: Path, found: _Collected) -> Node | None:
    """The file's keys; None with a warning when it cannot be opened, None when it is empty."""
    from envmgr.models.yaml_document import read_yaml

    try:
        root = read_yaml(path.read_bytes(), file=str(path))
    except OSError as error:
        found.warnings.append(f"{path} cannot be read and is ignored: {error.strerror or error}.")
        return None
    except DataError as error:
        raise ConfigError(str(error), hint=error.hint, **error.facts) from None
    found.files.append(path)
    if root is not None and root.kind != "mapping":
        raise ConfigError(
            f"{path}:{root.line}: expected settings, one `name: value` a line, found {root.describe()}."
        )
    return root


def _written(node: Node) -> Written | None:
    """The node's text or texts; None for a shape that no setting has."""
    if node.is_scalar:
        return node.text
    if node.kind == "list" and all(item.is_scalar and item.kind != "null" for item in node.items):
        return tuple(item.text for item in node.items)
    if node.kind == "mapping":
        return {name.text: _written(value) for name, value in node.entries if value.kind != "null"}
    return None


def _split(text: str, separator: str | None) -> Written:
    return tuple(part.strip() for part in text.split(separator) if part.strip()) if separator else text


def _convert_node(key: Key, name: str, node: Node, path: Path, around: Surroundings) -> object:
    """The value that *node* of the file *path* spells; of a mapping, errors name the entry and its line."""
    try:
        return _convert(key, name, _written(node), f"{path}:{node.line}", around)
    except WrongValueError as error:
        named, value = next(entry for entry in node.entries if entry[0].text == error.entry)
        line, found = named.line, _shown(_written(value))
        entry = quoted(without_credentials_in_word(named.text))
        raise ConfigError(
            f"{path}:{line}: {entry} in `{name}` must be {error}, found {found}.",
            key=name,
            expected=str(error),
        ) from None


def _convert(key: Key, name: str, written: Written | None, place: str, around: Surroundings) -> object:
    """The value that *written* spells; ConfigError that names the place, the key and what was expected.

    Raises WrongValueError for an entry of a mapping, whose place only the caller knows.
    """
    expected = "a mapping" if key.is_mapping else "a list of texts" if key.is_list else "one text"
    if written is not None:
        try:
            return key.read(written, around)
        except WrongValueError as error:
            if error.entry is not None:
                raise
            expected = str(error)
    subject = f"{place}: `{name}`" if place != name else place
    raise ConfigError(f"{subject} must be {expected}, found {_shown(written)}.", key=name, expected=expected)


def _shown(written: Written | None) -> str:
    if written is None:
        return "something nested"
    if isinstance(written, str):
        return quoted(without_credentials_in_word(written))
    return "a list" if isinstance(written, tuple) else "a mapping"
