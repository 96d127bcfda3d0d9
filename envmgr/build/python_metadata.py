"""Rewrites what an installer notes about a Python package, so that it is true in a conda package.

The INSTALLER becomes ``conda``, and RECORD (the list of files with hashes of the wheel format) loses what is
not packaged and gets new hashes for what the build changed.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INSTALLER = b"conda\n"


def rewrite_record(
    text: str, folder: str, packaged: Callable[[str], bool], changed: Mapping[str, bytes]
) -> str:
    """RECORD's *text* without files for which *packaged* is false, and with the hashes of *changed* ones.

    *folder* is what RECORD's paths are relative to (site-packages, relative to the prefix); *packaged* and
    *changed* speak of paths relative to the prefix.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in csv.reader(io.StringIO(text)):
        if not row:
            continue
        path = posixpath.normpath(posixpath.join(folder, row[0]))
        if path in changed:
            writer.writerow([row[0], record_hash(changed[path]), str(len(changed[path]))])
        elif packaged(path):
            writer.writerow(row)
    return out.getvalue()


def record_hash(content: bytes) -> str:
    """The hash of *content* in RECORD's spelling."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
