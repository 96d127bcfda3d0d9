"""Writes what was asked for on the command line into the environment file that an environment came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError, PrefixError, UsageError
from envmgr.models.named_file import is_on_server

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.ops.request import EnvironmentRequest
    from envmgr.prefix.generation import Generations, SourceFile

_YAML = (".yml", ".yaml")


class Saving(Struct, frozen=True):
    """What is to be written: the texts of specs by name, into *file*."""

    file: Path
    specs: dict[str, str]

    def edited(self) -> str:
        """The file's new text; raises DataError or PrefixError where it cannot be read or changed."""
        from envmgr.envfile.edit import write_specs

        return write_specs(self._text(), self.specs, file=str(self.file))

    def write(self) -> None:
        """Write it, in one step."""
        from envmgr.config.own_file import write_own_text

        write_own_text(self.file, self.edited())

    def source_after(self, source: SourceFile | None, context: Context) -> SourceFile | None:
        """The environment's *source* once this is written; as it is where it is another file, or edited since."""
        from envmgr.ops.source_file import changed_since, source_of

        if source is None or source.file != str(self.file) or changed_since(source, context) is not None:
            return source
        return source_of(source.file, self.edited().encode(), context)

    def _text(self) -> str:
        try:
            return self.file.read_bytes().decode()
        except OSError as error:
            raise PrefixError(
                f"{self.file}, which the environment came from, cannot be read: {error.strerror}.",
                hint="Leave out --save.",
            ) from error
        except UnicodeDecodeError:
            raise DataError(f"{self.file} is not in UTF-8.", file=str(self.file)) from None


def plan_saving(prefix: Path, wanted: EnvironmentRequest, past: Generations) -> Saving:
    """What `--save` writes for the specs of the command line; it is known to be possible.

    Raises UsageError where no file or none alone is known, DataError where its text does not allow it.
    """
    from pathlib import Path

    if wanted.explicit:
        raise UsageError("--save writes specs, and exact archives are none.", hint="Leave out --save.")
    specs: dict[str, str] = {}
    for line in wanted.requirements:
        if line.source.file is None:
            _add(specs, line)
    if not specs:
        raise UsageError(
            "--save writes the specs of the command line, and there are none.",
            hint="Name the packages, or leave out --save.",
        )
    named = (
        [file for file in generation.asking.files if file.lower().endswith(_YAML)]
        for generation in reversed(past.known)
    )
    files = list(dict.fromkeys(next(filter(None, named), [])))
    if not files:
        raise UsageError(
            f"{prefix} came from no environment file that is known.",
            hint="Generations note the file of create -f and update -f; leave out --save.",
        )
    if len(files) > 1:
        raise UsageError(
            f"{prefix} came from several files: {', '.join(files)}.", hint="Change the one with an editor."
        )
    if is_on_server(files[0]):
        raise UsageError(
            f"{prefix} came from {files[0]}, which is on a server and cannot be written.",
            hint="Leave out --save.",
        )
    saving = Saving(Path(files[0]), specs)
    saving.edited()
    return saving


def _add(specs: dict[str, str], line: Requirement) -> None:
    name = line.spec.name
    if name in specs:
        raise UsageError(f"{name} is named twice, and --save can write one line of it.", hint="Name it once.")
    specs[name] = line.source.text.strip()
