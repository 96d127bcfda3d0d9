"""Makes wheels that hold nothing but metadata, in the layout of a package index (PEP 503, 427; pure).

They stand for what conda provides: a resolver that finds a name there takes one of these versions and no other.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_version

from envmgr.pypi.resolution import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmgr.pypi.resolution import Provided

_WHEEL = "Wheel-Version: 1.0\nGenerator: envmgr\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def stub_candidates(
    provided: Iterable[Provided], candidates: Mapping[str, tuple[Candidate, ...]]
) -> dict[str, tuple[Candidate, ...]]:
    """The versions of each name that conda has: one of what it provides, or all *candidates* of the name."""
    exact = {
        each.name: (Candidate(each.version, tuple(text for text in each.requires_dist if "extra" in text)),)
        for each in provided
    }
    return {**exact, **candidates}


def stub_index(versions: Mapping[str, tuple[Candidate, ...]]) -> dict[str, bytes]:
    """The files of an index with these stubs, by relative path."""
    files: dict[str, bytes] = {}
    for name, candidates in versions.items():
        links = []
        for candidate in candidates:
            file = stub_file_name(name, candidate.version)
            if f"{name}/{file}" in files:
                continue
            files[f"{name}/{file}"] = _wheel(name, candidate)
            links.append(f'<a href="{file}">{file}</a><br>')
        body = "\n".join(links)
        files[f"{name}/index.html"] = f"<!DOCTYPE html>\n<html><body>\n{body}\n</body></html>\n".encode()
    return files


def stub_file_name(name: str, version: str) -> str:
    """``numpy-2.1.0-py3-none-any.whl``."""
    return f"{name.replace('-', '_')}-{version.replace('-', '_')}-py3-none-any.whl"


def same_version(one: str, other: str) -> bool:
    """Whether two texts are one version (PEP 440): ``2.1`` and ``2.1.0`` are."""
    return canonicalize_version(one) == canonicalize_version(other)


def _wheel(name: str, candidate: Candidate) -> bytes:
    folder = f"{name.replace('-', '_')}-{candidate.version.replace('-', '_')}.dist-info"
    python = f"Requires-Python: {candidate.requires_python}\n" if candidate.requires_python else ""
    needs = "".join(f"Requires-Dist: {text}\n" for text in candidate.requires_dist)
    extras = "".join(f"Provides-Extra: {extra}\n" for extra in _extras(candidate.requires_dist))
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {candidate.version}\n{python}{extras}{needs}"
    members = {"METADATA": metadata, "WHEEL": _WHEEL}
    record = "".join(f"{folder}/{file},,\n" for file in (*members, "RECORD"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file, text in {**members, "RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(f"{folder}/{file}"), text)
    return buffer.getvalue()


def _extras(requires_dist: Iterable[str]) -> list[str]:
    import re

    found = [
        extra for text in requires_dist for extra in re.findall(r"""extra\s*==\s*['"]([^'"]+)['"]""", text)
    ]
    return list(dict.fromkeys(found))
