"""``envmgr adopt PATH``: a first environment.yml of a venv, an environment, or a project that only has sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from envmgr.cli.options import CommandParser, add_output
from envmgr.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.spec_style import VersionStyle


def parser() -> CommandParser:
    """The command's options."""
    made = CommandParser(
        "adopt", "Write a first environment.yml of a venv, an environment or a project's imports."
    )
    made.add_argument(
        "path", metavar="FOLDER", help="the venv, environment, project, Python source or notebook"
    )
    made.add_argument("-f", "--file", metavar="FILE", help="write into this file instead of standard output")
    made.add_argument(
        "--env",
        metavar="ENV",
        help="whose distributions tell what has a module (default: a venv there, or the active one)",
    )
    made.add_argument(
        "--versions",
        choices=["none", "minor", "minimum", "exact"],
        default="exact",
        help="what is said of versions: nothing, =X.Y, >=X.Y.Z, or ==X.Y.Z (the default)",
    )
    made.add_argument(
        "--prefer",
        choices=["conda", "pypi"],
        default="pypi",
        help="where Python packages come from (default: pypi)",
    )
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Look, write, and tell on standard error what is missing."""
    options = parser().parse_args(arguments)
    from pathlib import Path

    from envmgr.cli.render import note, write_json, write_text
    from envmgr.cli.session import open_context
    from envmgr.config.own_file import write_own_text
    from envmgr.ops.adopt import AdoptRequest, adopt

    context, reporter = open_context(options)
    file = Path(options.file).expanduser().absolute() if options.file else None
    if file is not None and file.exists():
        raise UsageError(
            f"{options.file} is there already.", hint="Name another file; adopt writes a first one."
        )
    adopted = adopt(
        AdoptRequest(
            options.path,
            file.parent if file is not None else context.cwd,
            options.env,
            cast("VersionStyle", options.versions),
            options.prefer,
        ),
        context,
    )
    for sentence in adopted.missing:
        reporter.warned(sentence)
    if file is not None:
        write_own_text(file, adopted.text)
    if options.json:
        shown = str(file) if file is not None else None
        write_json({"success": True, "file": shown, "text": adopted.text, "missing": list(adopted.missing)})
    elif file is None:
        write_text(adopted.text)
    elif not options.quiet:
        note(f"Wrote {file} from {adopted.found}.")
    return 0
