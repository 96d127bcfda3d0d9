"""Reads and writes what an environment knows about itself (CEP 32): records, history, variables.

Files are written aside and renamed. Nothing here changes what packages brought.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError, EnvmgrError, PrefixError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.prefix.generation import FOLDER as GENERATIONS
from envmgr.prefix.generation import Generations, read_generation, write_generation
from envmgr.prefix.history import history_block
from envmgr.prefix.installed import WHEELS, InstalledPackage, read_document, write_document
from envmgr.prefix.journal import is_pending
from envmgr.prefix.lookup import exists, names_in
from envmgr.prefix.marker import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.prefix.generation import Generation
    from envmgr.prefix.history import Change

__all__ = ["InstalledPackage", "PrefixStore"]

# Conda writes this word for a variable that an environment does not want.
UNSET = "***unset***"
_GENERATION = lazy_pattern(r"([1-9][0-9]{0,17})\.json")


class ReadableRecords(Struct, frozen=True):
    """The installed packages whose documents can be read, and what is wrong with the others, by file name."""

    packages: tuple[InstalledPackage, ...]
    damaged: Mapping[str, EnvmgrError]


class PrefixStore(Struct, frozen=True):
    """The metadata of the environment at *prefix*, an absolute path."""

    prefix: Path

    def is_environment(self) -> bool:
        """Whether a finished environment stands here: it has a history, and nobody is building it.

        In the middle of a change the history may be away, where no second name could be made of it.
        """
        is_one = (self._meta / "history").is_file() or is_pending(self.prefix)
        return is_one and not exists(self.prefix / MARKER)

    def records(self) -> list[InstalledPackage]:
        """The installed packages by file name; raises DataError naming a document that cannot be read.

        What a document says of files is read only when it is asked for, and may be refused then (`Listing`).
        A wheel whose metadata is gone is none any more (`stale_documents`).
        """
        packages = (read_document(_read_bytes(path), str(path)) for path in self._documents())
        return [package for package in packages if self._is_there(package)]

    def readable_records(self) -> ReadableRecords:
        """The installed packages by file name as far as they can be read, and what is wrong with the others."""
        packages, damaged = [], {}
        for path in self._documents():
            try:
                package = read_document(_read_bytes(path), str(path))
                if self._is_there(package):
                    package.listing.check()
                    packages.append(package)
            except (DataError, PrefixError) as error:
                damaged[str(path.relative_to(self._meta)).replace(os.sep, "/")] = error
        return ReadableRecords(tuple(packages), damaged)

    def asked(self, packages: Iterable[InstalledPackage]) -> dict[str, tuple[str, ...]]:
        """The specs that asked for *packages*, by name: by their records, else by what other tools noted since."""
        from envmgr.prefix.asked import asked_of_others

        try:
            history = (self._meta / "history").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            history = ""
        except OSError as error:
            raise PrefixError(f"{self._meta / 'history'} cannot be read: {error.strerror}.") from error
        noted = asked_of_others(history)
        found = {}
        for package in packages:
            name = package.record.name
            specs = package.requested or ((noted[name],) if name in noted else ())
            if specs:
                found[name] = specs
        return found

    def stale_documents(self) -> list[InstalledPackage]:
        """The wheels that were linked here and that pip, or somebody, has removed or replaced by another version.

        Their documents tell of files that are not theirs any more. Those that cannot be read are left out.
        """
        found = []
        for path in _documents_in(self._meta / WHEELS):
            try:
                package = read_document(_read_bytes(path), str(path))
            except (DataError, PrefixError):
                continue
            if not self._is_there(package):
                found.append(package)
        return found

    def _is_there(self, package: InstalledPackage) -> bool:
        return not package.metadata or os.path.isdir(f"{self.prefix}/{package.metadata}")

    def _documents(self) -> list[Path]:
        return [*_documents_in(self._meta), *_documents_in(self._meta / WHEELS)]

    def write_record(self, package: InstalledPackage) -> None:
        """Write the document of *package*."""
        path = self._meta / package.document_name
        if package.record.is_pypi:
            path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, write_document(package))

    def add_history(self, change: Change) -> None:
        """Append the block of *change*; the first one makes the folder an environment."""
        self._meta.mkdir(exist_ok=True)
        with open(self._meta / "history", "a", encoding="utf-8") as file:
            file.write(history_block(change))

    def add_generation(self, generation: Generation) -> None:
        """Write the file of *generation*."""
        folder = self.prefix / GENERATIONS
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / f"{generation.number}.json", write_generation(generation))

    def generations(self, *, newest: int = 0) -> Generations:
        """All generations, or only the *newest*, with what is wrong with those that cannot be read.

        No change needs every one. Raises PrefixError where it cannot be told which there are.
        """
        try:
            names = names_in(self.prefix / GENERATIONS)
        except OSError as error:
            # Without them the next one would get the number, and the file, of an earlier one.
            raise PrefixError(f"{self.prefix / GENERATIONS} cannot be read: {error.strerror}.") from error
        known: list[Generation] = []
        damaged: dict[int, EnvmgrError] = {}
        numbers = sorted({int(found[1]) for name in names if (found := _GENERATION.fullmatch(name))})
        for number in numbers[-newest:]:
            path = self.prefix / GENERATIONS / f"{number}.json"
            try:
                known.append(read_generation(_read_bytes(path), str(path), number))
            except (DataError, PrefixError) as error:
                damaged[number] = error
        return Generations(tuple(known), damaged)

    def write_variables(self, variables: Mapping[str, str]) -> None:
        """Store the environment's own variables in conda-meta/state, where conda keeps them too.

        This is the only place where they change; what else the file holds stays.
        """
        import json

        content = _read_json(self._meta / "state")
        others = content if isinstance(content, dict) else {}
        state = {**others, "env_vars": dict(variables)}
        _replace(self._meta / "state", json.dumps(state, ensure_ascii=False).encode())

    def state_variables(self) -> dict[str, str]:
        """The environment's own variables, as conda-meta/state holds them."""
        content = _read_json(self._meta / "state")
        variables = content.get("env_vars") if isinstance(content, dict) else None
        return _texts(variables)

    def add_pins(self, lines: Sequence[str]) -> None:
        """Put *lines* below those of conda-meta/pinned; raises PrefixError."""
        path = self._meta / "pinned"
        try:
            before = path.read_bytes() if path.exists() else b""
            end = b"\n" if before and not before.endswith(b"\n") else b""
            _replace(path, before + end + "".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            raise PrefixError(f"{path} cannot be written: {error.strerror}.") from error

    def environment_variables(self) -> dict[str, str]:
        """What activation sets: files of etc/conda/env_vars.d by name, then conda-meta/state (CEP 32)."""
        variables: dict[str, str] = {}
        for path in _files(self.prefix / "etc" / "conda" / "env_vars.d", ".json"):
            variables |= _texts(_read_json(path))
        variables |= self.state_variables()
        return {name: value for name, value in variables.items() if value != UNSET}

    def activation_scripts(self, extension: str = ".sh") -> list[Path]:
        """The packages' activation scripts for one kind of shell, in the order of running them (CEP 32)."""
        return _files(self.prefix / "etc" / "conda" / "activate.d", extension)

    def deactivation_scripts(self, extension: str = ".sh") -> list[Path]:
        """The packages' deactivation scripts, in the order of running them: the last name first."""
        return _files(self.prefix / "etc" / "conda" / "deactivate.d", extension)[::-1]

    def display_name(self, envs_dirs: Sequence[Path] = ()) -> str:
        """What CONDA_DEFAULT_ENV says: the name in one of *envs_dirs* or any ``envs``, else the path."""
        parent = self.prefix.parent
        return self.prefix.name if parent in envs_dirs or parent.name == "envs" else str(self.prefix)

    @property
    def _meta(self) -> Path:
        return self.prefix / "conda-meta"


def _documents_in(folder: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".json"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PrefixError(f"{folder} cannot be read: {error.strerror}.") from error
    # macOS leaves files named ._NAME on foreign file systems.
    return [folder / name for name in names if not name.startswith(".")]


def _files(folder: Path, extension: str) -> list[Path]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(extension))
    except OSError:
        return []
    return [folder / name for name in names]


def _read_bytes(path: Path) -> bytes:
    try:
        # The plain calls take half the time, which counts where an environment has a thousand documents.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            return _whole(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PrefixError(f"{path} cannot be read: {error.strerror}.") from error


def _whole(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, max(os.fstat(descriptor).st_size, 1 << 16)):
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _read_json(path: Path) -> object:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PrefixError(f"{path} cannot be read: {error.strerror}.") from error
    import json

    try:
        return json.loads(text)
    except ValueError:
        raise DataError(f"{path} is not valid JSON.", file=str(path)) from None


def _texts(content: object) -> dict[str, str]:
    if not isinstance(content, dict):
        return {}
    return {
        name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, str)
    }


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name[:200]}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)
