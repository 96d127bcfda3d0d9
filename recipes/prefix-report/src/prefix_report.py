"""Print a table of the packages in the prefix of the interpreter that runs this: name, version, build, files, size.

The facts are those of conda-meta/*.json, which every tool of the conda family writes. Nothing is changed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HEADINGS = ("package", "version", "build", "files", "KiB")


def main() -> int:
    """Print the table; exit code 1 where this is no conda-style prefix."""
    prefix = Path(sys.prefix)
    records = sorted(prefix.glob("conda-meta/*.json"))
    rows = [row_of(prefix, json.loads(path.read_text(encoding="utf-8"))) for path in records]
    if not rows:
        print(f"{prefix} has no packages: it holds no conda-meta/*.json.", file=sys.stderr)
        return 1
    print(table(sorted(rows)))
    return 0


def row_of(prefix: Path, record: dict) -> tuple[str, ...]:
    """One line of the table; size counts the files as they lie on the disk, in KiB."""
    files = record.get("files", [])
    size = sum(os.lstat(prefix / name).st_size for name in files if os.path.lexists(prefix / name))
    return (record["name"], record["version"], record["build"], str(len(files)), str(round(size / 1024)))


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell, numbers to the right."""
    lines = [HEADINGS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(cell(line, column, widths) for column in range(len(widths))).rstrip() for line in lines)


def cell(line: tuple[str, ...], column: int, widths: list[int]) -> str:
    """The text of one cell, padded."""
    text = line[column]
    return text.rjust(widths[column]) if column >= 3 else text.ljust(widths[column])


if __name__ == "__main__":
    sys.exit(main())
