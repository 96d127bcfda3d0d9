"""Turns results into what a person or a script reads: tables, sizes, conda's JSON shapes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.joint import PypiPart
    from envmgr.ops.python_requirements import Placement


def write_json(value: object) -> None:
    """Print *value* as indented JSON with sorted keys left as they are, and a final newline."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    if not text.isascii() and not writes_utf8(sys.stdout.encoding):
        import json

        text = json.dumps(json.loads(text), indent=2)
    sys.stdout.write(f"{text}\n")


def writes_utf8(encoding: str | None) -> bool:
    """Whether an output of that *encoding* takes every letter; one without an encoding does."""
    return encoding is None or encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")


def write_lines(lines: Iterable[str]) -> None:
    """Print *lines* to standard output."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def write_text(text: str) -> None:
    """Print *text* as it is to standard output."""
    sys.stdout.write(text)


def note(text: str) -> None:
    """Say something to the person at the terminal, beside the data: standard error."""
    sys.stderr.write(f"{text}\n")


def table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> list[str]:
    """*rows* under *header* in columns as wide as their widest cell.

    >>> table([["a", "1.0"]], ["name", "version"])
    ['name  version', 'a     1.0']
    """
    from envmgr.cli.columns import cell_width, padded

    widths = [max(cell_width(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return [
        "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in [header, *rows]
    ]


def size_text(size: int | None) -> str:
    """A number of bytes for people.

    >>> size_text(1536), size_text(None), size_text(-5)
    ('1.5 KB', '', '')
    """
    if size is None or size < 0:  # An index may claim anything.
        return ""
    amount, unit = float(size), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def count_text(count: int, noun: str) -> str:
    """A number of things.

    >>> count_text(1, "package"), count_text(2, "package")
    ('1 package', '2 packages')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def record_fields(record: PackageRecord) -> dict[str, Any]:
    """A record as conda's JSON shows one."""
    origin = record.origin
    channel = origin.channel if origin else ""
    return {
        "name": record.shown_name,
        "version": record.version,
        "build_string": record.build,
        "build_number": record.build_number,
        "channel": "pypi" if record.is_pypi else channel_label(channel),
        "platform": "pypi" if record.is_pypi else (origin.subdir if origin else record.subdir) or "",
        "dist_name": record.dist_name,
        "base_url": channel,
        "url": record.url,
        "sha256": record.sha256,
        "md5": record.md5,
        "size": record.size,
    }


def pypi_lines(part: PypiPart) -> list[str]:
    """How the Python distributions of a plan were found, what is built, and which conda packages gave way."""
    lines = [f"PyPI resolved by {part.answer.tool}"]
    lines += [f"{each.name} is built from {'its folder' if each.path else 'source'}" for each in part.sources]
    return [*lines, *part.steered]


def pypi_fields(part: PypiPart) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "tool": part.answer.tool,
        "build": [{"name": each.name, "version": each.version, "url": each.url} for each in part.sources],
        "steered": list(part.steered),
    }


def placement_lines(placed: Sequence[Placement]) -> list[str]:
    """What each requirement of a project's file became, and why; those that PyPI gets as written need no line."""
    lines = []
    for each in placed:
        became = f"{each.place}: {each.spec}" if each.spec else "left out"
        lines.append(f"{each.written}  ->  {became}  ({each.why}; {each.source})")
    return lines


def placement_fields(placed: Sequence[Placement]) -> list[dict[str, Any]]:
    """The same for scripts."""
    return [
        {
            "requirement": each.written,
            "place": each.place if each.spec else None,
            "spec": each.spec or None,
            "why": each.why,
            "source": str(each.source),
        }
        for each in placed
    ]


def channel_label(url: str) -> str:
    """The short name of a channel URL: what follows the default alias, else the URL itself."""
    alias = "https://conda.anaconda.org/"
    return url.removeprefix(alias) if url.startswith(alias) else url


def short_channel(record: PackageRecord, local: str) -> str:
    """A record's channel for a table cell: its name, and of a folder only the last component."""
    if record.is_pypi:
        return "pypi"
    url = record.origin.channel if record.origin else ""
    label = "local" if url == local else channel_label(url)
    return label.rstrip("/").rpartition("/")[2] if label.startswith("file://") else label
