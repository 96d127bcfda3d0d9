"""What an installer writes beside a wheel's metadata: RECORD and direct_url.json (PEP 376, 627, 610).

RECORD lists what is in the prefix, scripts included, with its sums. Bytecode is left out: whoever uninstalls
removes what belongs to each source, and Python may have written it, or not.
"""

from __future__ import annotations

from binascii import b2a_base64
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.models.record import PackageRecord
    from envmgr.prefix.noarch import PythonLayout
    from envmgr.prefix.outcome import LinkOutcome
    from envmgr.prefix.plan import PackageLink

# Written by who unpacked the wheel: the lines of all files below site-packages.
_LINES = "info/envmgr-RECORD"
# base64 with letters for URLs (PEP 376), without the module of that name, which takes its time to import.
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def direct_url_json(record: PackageRecord) -> bytes:
    """The content of ``direct_url.json``: where the distribution was asked for, if by no index (PEP 610)."""
    return msgspec.json.encode(record.extra["direct_url"])


def record_text(link: PackageLink, outcome: LinkOutcome, layout: PythonLayout | None) -> bytes:
    """The content of ``RECORD`` for the linked wheel of *link*, whose *outcome* tells what was written."""
    assert layout is not None
    start = f"{layout.site_packages}/"
    up = "../" * start.count("/")
    lines = []
    own = _kept_lines(link)
    for path, digest, size in _sums(link, outcome, start, listed=own is not None):
        below = path[len(start) :] if path.startswith(start) else f"{up}{path}"
        lines.append(_line(below, digest, size))
    metadata = link.metadata[len(start) :]
    return f"{own or ''}{''.join(lines)}{_quoted(f'{metadata}/RECORD')},,\n".encode()


def _kept_lines(link: PackageLink) -> str | None:
    """The lines that the package cache keeps; None where the wheel lost a file to another package."""
    if "" in link.targets:
        return None
    try:
        with Path(link.package.folder, _LINES).open(encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def _sums(
    link: PackageLink, outcome: LinkOutcome, start: str, *, listed: bool
) -> Iterator[tuple[str, str, int]]:
    """Path, SHA-256 in hex and size of each file, those below *start* only where they are not *listed* already."""
    changed, paths, targets = outcome.changed, link.package.files.paths, link.targets
    places = [at for at, target in enumerate(targets) if target and not (listed and target.startswith(start))]
    for at in places:
        entry, target = paths[at], targets[at]
        digest, size = changed.get(target, (entry.sha256 or "", entry.size or 0))
        yield target, digest, size
    for target in link.written:
        if target in changed:
            yield target, *changed[target]


def _line(path: str, digest: str, size: int) -> str:
    text = b2a_base64(bytes.fromhex(digest), newline=False).translate(_URL_SAFE).rstrip(b"=").decode()
    return f"{_quoted(path)},sha256={text},{size}\n"


def _quoted(path: str) -> str:
    """*path* as a field of a CSV line."""
    return '"' + path.replace('"', '""') + '"' if any(each in path for each in ',"\r\n') else path
