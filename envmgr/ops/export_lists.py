"""The formats of an export that are lists, one package on each line: explicit files, and pip's requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.ops.export_content import ExportContent


def explicit_text(content: ExportContent) -> str:
    """Every archive by its URL, dependencies first (CEP 23)."""
    from envmgr.envfile.explicit import explicit_lines
    from envmgr.solver.order import in_link_order

    what = "an explicit file"
    records = in_link_order({record.name: record for record in content.reachable_records()})
    content.lose_pypi(what)
    content.lose_variables(what)
    content.lose_pins(what)
    return _lines([f"# platform: {content.subdir}", *explicit_lines(records, "best")])


def requirements_text(content: ExportContent) -> str:
    """The distributions of PyPI, for pip; with the SHA-256 of each file where the request wants hashes."""
    items = list(_hashed_items(content) if content.request.hashes else content.items())
    content.lose_conda("which no index of PyPI has")
    content.lose_variables("pip")
    content.lose_pins("pip")
    return _lines(items)


def _hashed_items(content: ExportContent) -> Iterator[str]:
    """Those whose file is known: as soon as one has a hash, pip takes none without."""
    from envmgr.ops.export_pypi import published_files

    files = published_files(content)
    yield from content.options() if files else ()
    for package, file in files:
        if file.is_direct:
            yield f"{package.name} @ {file.url_with_fragment}"
        else:
            yield f"{package.name}=={package.version} --hash=sha256:{file.sha256}"


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
