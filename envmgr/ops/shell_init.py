"""Has shells know ``envmgr activate`` and complete words from their start, by a block in their start-up files.

The block sources files with the functions and the completion, below the settings' own folder, so that no program
is run when a shell starts. It can be taken out again. What else a start-up file holds stays as it is; a last line
without an end gets one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.errors import PrefixError, UsageError
from envmgr.ops import completion
from envmgr.ops.activation import family_of, functions_file, shell_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.ops.context import Context

BEGIN: Final = b"# >>> envmgr >>>"
END: Final = b"# <<< envmgr <<<"


class StartUpEdit(Struct, frozen=True):
    """A start-up *file* of *shell* with its bytes *before* and *after*; None where there is no such file."""

    shell: str
    file: Path
    before: bytes | None
    after: bytes | None

    @property
    def is_change(self) -> bool:
        """Whether anything is written or removed."""
        return self.before != self.after


def plan_init(shells: Sequence[str], context: Context, *, reverse: bool) -> list[StartUpEdit]:
    """The edits that make each of *shells* know envmgr, or with *reverse* forget it.

    Raises UsageError for a shell that has no start-up file, PrefixError for a file that cannot be read.
    """
    edits = []
    for shell in shells:
        file = start_up_file(shell, context)
        before = _read(file)
        rest = without_block(before or b"", file)
        after: bytes | None = rest
        if reverse:
            # A file that holds nothing but the block was made for it.
            after = rest if before is None or rest.strip() or rest == before else None
        else:
            after = _with_block(rest, _block(shell, context))
        edits.append(StartUpEdit(shell, file, before, before if reverse and before is None else after))
    return edits


def apply_init(edits: Sequence[StartUpEdit], context: Context, *, reverse: bool) -> None:
    """Write what `plan_init` said; raises PrefixError naming the file that cannot be written."""
    for edit in edits:
        if not reverse:
            functions_file(family_of(edit.shell), context.settings)
            if edit.shell in completion.SHELLS:
                completion.completion_file(edit.shell, context.settings)
        if not edit.is_change:
            continue
        try:
            if edit.after is None:
                edit.file.unlink()
            else:
                _write(edit.file, edit.after)
        except OSError as error:
            raise PrefixError(f"{edit.file} cannot be written: {error.strerror}.") from error


def start_up_file(shell: str, context: Context) -> Path:
    """The file that *shell* reads when a person starts it; raises UsageError where there is none."""
    home, environ = context.home, context.environ
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    family = family_of(shell)
    if family == "cmd":
        raise UsageError(
            "cmd.exe has no start-up file.",
            hint=f"Put {shell_folder(context.settings)} first on PATH instead.",
        )
    if shell == "zsh":
        return Path(environ.get("ZDOTDIR") or home) / ".zshrc"
    if family == "csh":
        # tcsh reads .cshrc only where there is no .tcshrc.
        plain = shell == "csh" or ((home / ".cshrc").exists() and not (home / ".tcshrc").exists())
        return home / (".cshrc" if plain else ".tcshrc")
    files = {
        "bash": home / ".bashrc",
        "ksh": home / ".kshrc",
        "ksh93": home / ".kshrc",
        "mksh": home / ".mkshrc",
        "fish": config / "fish" / "conf.d" / "envmgr.fish",
        "xonsh": home / ".xonshrc",
        "powershell": config / "powershell" / "profile.ps1",
        "pwsh": config / "powershell" / "profile.ps1",
        "nushell": config / "nushell" / "autoload" / "envmgr.nu",
        "nu": config / "nushell" / "autoload" / "envmgr.nu",
    }
    return files.get(shell, home / ".profile")


def without_block(content: bytes, file: Path) -> bytes:
    """*content* without our block; raises PrefixError where its end is missing.

    >>> without_block(b"a\\n# >>> envmgr >>>\\nx\\n# <<< envmgr <<<\\nb\\n", Path("rc"))
    b'a\\nb\\n'
    """
    lines = content.splitlines(keepends=True)
    begins = [number for number, line in enumerate(lines) if line.strip() == BEGIN]
    if not begins:
        return content
    first = begins[0]
    ends = [number for number, line in enumerate(lines) if line.strip() == END and number > first]
    if not ends:
        raise PrefixError(
            f"{file}:{first + 1}: the block of envmgr has no end.", hint="Remove what is left of it by hand."
        )
    return b"".join([*lines[:first], *lines[ends[0] + 1 :]])


def _with_block(rest: bytes, block: bytes) -> bytes:
    gap = b"" if not rest or rest.endswith(b"\n") else b"\n"
    return rest + gap + block


def _block(shell: str, context: Context) -> bytes:
    from importlib import import_module

    family = family_of(shell)
    suffixes = {
        "posix": "sh",
        "fish": "fish",
        "csh": "csh",
        "xonsh": "xsh",
        "powershell": "ps1",
        "nushell": "nu",
    }
    paths = [shell_folder(context.settings) / f"envmgr.{suffixes[family]}"]
    if shell in completion.SHELLS:
        paths.append(completion.completion_path(shell, context.settings))
    forms = {
        "posix": "if [ -r {0} ]; then . {0}; fi",
        "fish": "if test -r {0}; source {0}; end",
        "csh": "if ( -r {0} ) source {0}",
        "xonsh": "source @({0})",
        "powershell": "if (Test-Path -LiteralPath {0}) {{ . {0} }}",
        "nushell": "source {0}",
    }
    quote = repr if family == "xonsh" else import_module(f"envmgr.activation.{family}").quote
    lines = [os.fsencode(forms[family].format(quote(str(path)))) for path in paths]
    return b"\n".join([BEGIN, *lines, END, b""])


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PrefixError(f"{file} cannot be read: {error.strerror}.") from error


def _write(file: Path, content: bytes) -> None:
    """Replace *file*, or where it is a symlink what it leads to, with the permissions that it has."""
    place = Path(os.path.realpath(file))
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    aside.write_bytes(content)
    if place.exists():
        aside.chmod(place.stat().st_mode & 0o7777)
    aside.replace(place)
