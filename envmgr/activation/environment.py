"""The variables of an activated environment, and the shell text that runs a command in it (CEP 32).

Pure: what the environment's files say (variables, scripts) comes in as values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.models.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_IDENTIFIER = lazy_pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_MISSING = """\
command -v "$1" >/dev/null || {
  printf "envmgr: there is no program '%s' in the environment or on PATH.\\n" "$1" >&2; exit 1
}"""
# CEP 32, "Activating and deactivating an environment", for Windows.
_WINDOWS_FOLDERS = ("", "Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin")


def path_folders(prefix: str, subdir: str, msystem: str | None = None) -> list[str]:
    """The folders of *prefix* that go on PATH, first one first.

    *msystem* names the folder of Windows' ``Library/`` that exists ("ucrt64" ...), None for none.

    >>> path_folders("/envs/a", "linux-64")
    ['/envs/a/bin']
    """
    if not subdir.startswith("win"):
        return [f"{prefix}/bin"]
    folders = list(_WINDOWS_FOLDERS)
    if msystem is not None:
        folders.insert(1, f"Library/{msystem}/bin")
    return ["\\".join([prefix, *folder.split("/")]) if folder else prefix for folder in folders]


def activated_environment(
    prefix: str,
    environ: Mapping[str, str],
    *,
    subdir: str,
    env_vars: Mapping[str, str],
    name: str | None = None,
) -> dict[str, str]:
    """*environ* as it is after activating *prefix*; *env_vars* are the environment's own variables.

    *name* is what CONDA_DEFAULT_ENV says (None: the path). Sets what conda sets: an environment that was
    active before leaves PATH and is remembered as CONDA_PREFIX_n, one level below CONDA_SHLVL.
    """
    windows = subdir.startswith("win")
    separator = ";" if windows else ":"
    before, level = environ.get("CONDA_PREFIX"), _level(environ)
    path = [folder for folder in environ.get("PATH", "").split(separator) if folder]
    own = path_folders(prefix, subdir)
    gone = {*own, *(path_folders(before, subdir) if before and level else ())}
    activated = {**environ, **env_vars}
    if before and level and before != prefix:
        activated[f"CONDA_PREFIX_{level}"] = before
        level += 1
    shown = name if name is not None else prefix
    return activated | {
        "PATH": separator.join([*own, *(folder for folder in path if folder not in gone)]),
        "CONDA_PREFIX": prefix,
        "CONDA_SHLVL": str(max(level, 1)),
        "CONDA_DEFAULT_ENV": shown,
        "CONDA_PROMPT_MODIFIER": f"({shown}) ",
    }


def posix_exec_script(scripts: Sequence[str], variables: Mapping[str, str] | None = None) -> str:
    """Shell text that sources *scripts* in order, sets *variables*, and then becomes the command in its arguments.

    Run it as ``sh -c TEXT NAME COMMAND ...``. A command that even the scripts do not bring ends it with code 1.

    >>> print(posix_exec_script(["/envs/a b/etc/conda/activate.d/x.sh"], {"A": "1 2"}))
    . '/envs/a b/etc/conda/activate.d/x.sh'
    export A='1 2'
    command -v "$1" >/dev/null || {
      printf "envmgr: there is no program '%s' in the environment or on PATH.\\n" "$1" >&2; exit 1
    }
    exec "$@"
    """
    import shlex

    exports = {name: value for name, value in (variables or {}).items() if _IDENTIFIER.fullmatch(name)}
    return "\n".join(
        [
            *(f". {shlex.quote(script)}" for script in scripts),
            *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
            _MISSING,
            'exec "$@"',
        ]
    )


def _level(environ: Mapping[str, str]) -> int:
    text = environ.get("CONDA_SHLVL", "").strip()
    return int(text) if text.isdigit() else 0
