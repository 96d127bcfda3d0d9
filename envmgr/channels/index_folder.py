"""The text of a subdir's ``repodata.json``, for those who make channels (CEP 36). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECTIONS = {".tar.bz2": "packages", ".conda": "packages.conda"}


def render_repodata(subdir: str, records: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Repodata of *subdir* that lists *records*, file name -> ``index.json`` with checksums and size.

    The same records give the same bytes, whatever their order. A file that is no package raises ValueError.
    """
    document: dict[str, Any] = {
        "info": {"subdir": subdir},
        "packages": {},
        "packages.conda": {},
        "removed": [],
        "repodata_version": 1,
    }
    for fn in sorted(records):
        document[_section(fn)][fn] = {key: records[fn][key] for key in sorted(records[fn])}
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _section(fn: str) -> str:
    for extension, section in _SECTIONS.items():
        if fn.endswith(extension):
            return section
    raise ValueError(f"{fn} is neither a .conda nor a .tar.bz2 file")
