"""Lays out a package's folder, with ``info/`` (CEP 34, 40), from the finished files of a host environment."""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.build import metadata
from envmgr.build.files import package_path, placeholder_mode
from envmgr.build.globs import matches_any
from envmgr.build.scripts import script_text
from envmgr.errors import BuildError
from envmgr.models.package_files import PathEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from envmgr.build.depends import FinalRequirements, PackageFacts
    from envmgr.build.plan import PlannedOutput
    from envmgr.build.recipe import RecipeTest

_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class PackRequest(Struct, frozen=True):
    """All that goes into one package.

    *selected* are paths relative to *prefix*, from where they are moved; *folder* is where the package is laid
    out (it must not exist); *timestamp* is in milliseconds since the Unix epoch; *settings* goes into the
    rendered recipe.
    """

    planned: PlannedOutput
    needs: FinalRequirements
    prefix: Path
    selected: Sequence[str]
    folder: Path
    recipe_dir: Path
    recipe_file: Path
    source_dir: Path
    timestamp: int
    environments: Mapping[str, Sequence[PackageFacts]]
    channels: Sequence[str]
    settings: Mapping[str, Any]


def lay_out(request: PackRequest) -> tuple[PathEntry, ...]:
    """Write the package's folder and answer its path entries. Raises BuildError naming the recipe."""
    request.folder.mkdir(parents=True)
    moved = _move_files(request)
    entries = tuple(_entry(request, path, origin) for path, origin in sorted(moved.items()))
    _write_info(request, entries)
    return entries


def _move_files(request: PackRequest) -> dict[str, str]:
    """Move the files into the package's folder; answers path in the package -> path in the prefix."""
    build = request.planned.output.build
    moved: dict[str, str] = {}
    for origin in request.selected:
        path = package_path(origin, build)
        if path is None:
            continue
        if path in moved:
            raise BuildError(
                f"{request.planned.output.place}: both {moved[path]} and {origin} would become {path}."
            )
        target = request.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (request.prefix / origin).replace(target)
        moved[path] = origin
    return moved


def _entry(request: PackRequest, path: str, origin: str) -> PathEntry:
    build = request.planned.output.build
    no_link = matches_any(path, build.always_copy)
    full = request.folder / path
    if full.is_symlink():
        # What leads out of the package leads to a file of a host package.
        behind = (request.prefix / origin).parent / os.readlink(full)
        return _link_entry(path, full, behind)
    digest, size, mode = _scan(request, path, full)
    placeholder = str(request.prefix) if mode else None
    return PathEntry(path, "hardlink", digest, size, placeholder, mode or "text", no_link)


def _link_entry(path: str, link: Path, behind: Path) -> PathEntry:
    """A symlink's hash and size are those of the file it leads to; nothing where that is no file (CEP 34)."""
    for candidate in (link, behind):
        if candidate.is_file():
            content = candidate.read_bytes()
            return PathEntry(path, "softlink", hashlib.sha256(content).hexdigest(), len(content))
    return PathEntry(path, "softlink", _EMPTY_SHA256, 0)


def _scan(request: PackRequest, path: str, full: Path) -> tuple[str, int, str | None]:
    """Hash, size and placeholder mode of a file, read once through memory mapping."""
    size = full.stat().st_size
    if size == 0:
        return _EMPTY_SHA256, 0, None
    detection = request.planned.output.build.prefix_detection
    with full.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        digest = hashlib.sha256(data).hexdigest()
        if data.find(os.fsencode(request.prefix)) < 0:
            return digest, size, None
        mode = placeholder_mode(path, is_binary=data.find(b"\0") >= 0, detection=detection)
    return digest, size, mode


def _write_info(request: PackRequest, entries: Sequence[PathEntry]) -> None:
    planned, info = request.planned, request.folder / "info"
    info.mkdir()
    documents: dict[str, Any] = {
        "index.json": metadata.index_json(planned, request.needs, request.timestamp),
        "paths.json": metadata.paths_json(entries),
        "about.json": metadata.about_json(planned, request.channels),
        "hash_input.json": dict(planned.hash_input),
        "used_build_tool.json": metadata.used_build_tool(),
        "link.json": metadata.link_json(planned.output.build),
        "run_exports.json": {kind: list(specs) for kind, specs in request.needs.run_exports.items()} or None,
    }
    for name, document in documents.items():
        if document is not None:
            (info / name).write_bytes(metadata.json_bytes(document))
    (info / "files").write_text("".join(f"{entry.path}\n" for entry in entries), encoding="utf-8")
    _copy_licenses(request, info / "licenses")
    _copy_recipe(request, info / "recipe")
    for number, test in enumerate(planned.output.tests):
        write_test(test, info / "tests" / str(number), request.recipe_dir, request.source_dir)


def _copy_licenses(request: PackRequest, target: Path) -> None:
    output = request.planned.output
    for name in output.license_files:
        places = [folder / name for folder in (request.source_dir, request.recipe_dir)]
        found = next((place for place in places if place.exists()), None)
        if found is None or ".." in Path(name).parts:
            output.place.fail(f"the licence file {name!r} is in neither the sources nor the recipe's folder.")
        copy = target / (found.name if Path(name).is_absolute() else name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if found.is_dir() else shutil.copy2)(found, copy)


def _copy_recipe(request: PackRequest, target: Path) -> None:
    """The recipe's folder as it is (sources that it holds included), and the recipe without logic."""
    import yaml

    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".git")
    if request.recipe_file.name == "recipe.yaml":
        shutil.copytree(request.recipe_dir, target, ignore=ignored)
    else:
        # A recipe of another name may stand among many: only the file itself is taken.
        target.mkdir(parents=True)
        shutil.copy2(request.recipe_file, target / "recipe.yaml")
    rendered = metadata.rendered_recipe(
        request.planned, request.needs, request.environments, request.settings
    )
    text = yaml.safe_dump(rendered, sort_keys=False, allow_unicode=True, width=110)
    (target / "rendered_recipe.yaml").write_text(text, encoding="utf-8")
    variant = yaml.safe_dump(
        {key: [value] for key, value in request.planned.variant.items()}, allow_unicode=True
    )
    (target / "variant_config.yaml").write_text(variant, encoding="utf-8")


def write_test(test: RecipeTest, folder: Path, recipe_dir: Path, source_dir: Path) -> None:
    """One test's folder: its description and the extra files that it asks for (CEP 14)."""
    folder.mkdir(parents=True)
    text, interpreter = script_text(test.script, recipe_dir) or ("", "bash")
    for name, content in metadata.files_of_test(test, text, interpreter).items():
        (folder / name).write_bytes(content)
    _copy_matching(recipe_dir, folder, lambda path: matches_any(path, test.recipe_files))
    _copy_matching(source_dir, folder, lambda path: matches_any(path, test.source_files))


def _copy_matching(root: Path, target: Path, wanted: Callable[[str], bool]) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if wanted(relative):
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / relative, follow_symlinks=False)
