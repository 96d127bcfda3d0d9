"""The small scripts that start the console entry points of noarch Python packages (CEP 34, link.json).

Text in, text out; where the scripts go and who writes them is decided elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.prefix.placeholder import shebang_limit, started_by_shell

if TYPE_CHECKING:
    from envmgr.models.package_files import EntryPoint

# A program that is started through a launcher reports itself by the launcher's name.
_WITHOUT_SUFFIX = (
    '    for suffix in ("-script.py", ".exe"):',
    "        if sys.argv[0].endswith(suffix):",
    "            sys.argv[0] = sys.argv[0][: -len(suffix)]",
)


def interpreter_line(python: str, subdir: str) -> str:
    """The first line or lines of a script that the interpreter at the absolute path *python* runs.

    A path that the kernel cannot take (spaces, or too long) is started through a shell (`started_by_shell`).

    >>> interpreter_line("/env/bin/python3.12", "linux-64")
    '#!/env/bin/python3.12\\n'
    >>> print(interpreter_line("/my env/bin/python3.12", "linux-64"), end="")
    #!/bin/sh
    '''exec' "/my env/bin/python3.12" "$0" "$@" #'''
    """
    line = f"#!{python}"
    if " " not in python and len(line.encode()) <= shebang_limit(subdir):
        return f"{line}\n"
    return f"{started_by_shell(python)}\n"


def entry_point_script(entry: EntryPoint, python: str, subdir: str) -> bytes:
    """The script for *entry*: imports the module and exits with what its function returns.

    On Windows it is the ``-script.py`` beside the launcher, without interpreter line.
    """
    windows = subdir.startswith("win-")
    imported = entry.function.partition(".")[0]
    lines = [
        "# -*- coding: utf-8 -*-",
        "import sys",
        "",
        f"from {entry.module} import {imported}",
        "",
        'if __name__ == "__main__":',
        *(_WITHOUT_SUFFIX if windows else ()),
        f"    sys.exit({entry.function}())",
        "",
    ]
    head = "" if windows else interpreter_line(python, subdir)
    return (head + "\n".join(lines)).encode()
