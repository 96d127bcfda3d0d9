"""The contents of ``info/`` (CEP 34, 40) as plain values and bytes; `pack` writes them.

JSON is written with sorted keys and a fixed indent, so that the same build makes the same bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from envmgr import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.build.depends import FinalRequirements, PackageFacts
    from envmgr.build.plan import PlannedOutput
    from envmgr.build.recipe import Build, RecipeTest
    from envmgr.models.package_files import PathEntry

_ABOUT_NAMES = {
    "homepage": "home",
    "repository": "dev_url",
    "documentation": "doc_url",
}


def json_bytes(value: Any) -> bytes:
    """*value* as JSON with a newline at its end."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def index_json(planned: PlannedOutput, needs: FinalRequirements, timestamp: int) -> dict[str, Any]:
    """``index.json``; *timestamp* is when the build began, in milliseconds since the Unix epoch."""
    build = planned.output.build
    system, _, machine = planned.subdir.partition("-")
    noarch = build.noarch is not None
    index: dict[str, Any] = {
        "arch": None if noarch else {"64": "x86_64", "32": "x86"}.get(machine, machine),
        "build": planned.build,
        "build_number": build.number,
        "constrains": list(needs.constrains),
        "depends": list(needs.depends),
        "name": planned.name,
        "platform": None if noarch else system,
        "subdir": planned.subdir,
        "timestamp": timestamp,
        "version": planned.version,
    }
    if planned.output.about.get("license"):
        index["license"] = planned.output.about["license"]
    if build.is_python_noarch or noarch:
        index["noarch"] = "python" if build.is_python_noarch else build.noarch
    if build.site_packages_path:
        index["python_site_packages_path"] = build.site_packages_path
    if build.down_prioritize:
        names = [f"{planned.name}-p-{number}" for number in range(abs(build.down_prioritize))]
        index["track_features"] = " ".join(names)
    return index


def about_json(planned: PlannedOutput, channels: Sequence[str]) -> dict[str, Any]:
    """``about.json`` with the key names of CEP 34."""
    about = {_ABOUT_NAMES.get(key, key): value for key, value in planned.output.about.items()}
    extra = dict(planned.output.extra)
    return {**about, "channels": public_urls(channels), **({"extra": extra} if extra else {})}


def public_urls(urls: Sequence[str]) -> list[str]:
    """*urls* without those of folders of the machine that builds, which mean nothing elsewhere."""
    return [url for url in urls if not url.startswith("file:")]


def link_json(build: Build) -> dict[str, Any] | None:
    """``link.json`` for noarch packages, None for others."""
    if build.is_python_noarch:
        noarch: dict[str, Any] = {"type": "python", "entry_points": list(build.entry_points)}
    elif build.noarch is not None:
        noarch = {"type": build.noarch}
    else:
        return None
    return {"noarch": noarch, "package_metadata_version": 1}


def paths_json(entries: Sequence[PathEntry]) -> dict[str, Any]:
    """``paths.json``."""
    return {"paths": [_path_entry(entry) for entry in entries], "paths_version": 1}


def _path_entry(entry: PathEntry) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "_path": entry.path,
        "path_type": entry.path_type,
        "sha256": entry.sha256,
        "size_in_bytes": entry.size,
    }
    if entry.placeholder:
        plain |= {"prefix_placeholder": entry.placeholder, "file_mode": entry.file_mode}
    if entry.no_link:
        plain["no_link"] = True
    return plain


def used_build_tool() -> dict[str, str]:
    """``used_build_tool.json`` (CEP 40)."""
    return {"name": "envmgr", "version": __version__}


def files_of_test(test: RecipeTest, script: str, interpreter: str) -> dict[str, bytes]:
    """The files of one test's folder below ``info/tests`` (CEP 14 "Test section")."""
    if test.kind == "python":
        lines = [f"import {module}" for module in test.imports]
        return {"test_import.py": "\n".join([*lines, ""]).encode()}
    if test.kind == "downstream":
        return {"test_downstream.json": json_bytes({"downstream": test.downstream})}
    if test.kind == "package_contents":
        checks = {
            check.section: {"exists": list(check.exists), "not_exists": list(check.not_exists)}
            for check in test.contents
        }
        return {"package_contents.json": json_bytes(checks)}
    needs = {"build": [str(need.what) for need in test.build], "run": [str(need.what) for need in test.run]}
    details = {
        "content": script,
        "env": dict(test.script.env),
        "interpreter": interpreter,
        "secrets": list(test.script.secrets),
    }
    return {"script.json": json_bytes(details), "test_time_dependencies.json": json_bytes(needs)}


def rendered_recipe(
    planned: PlannedOutput,
    needs: FinalRequirements,
    environments: Mapping[str, Sequence[PackageFacts]],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """``recipe/rendered_recipe.yaml``: the recipe without logic and what it was built with (CEP 40)."""
    resolved = {
        name: {"resolved": [_resolved(package) for package in packages]}
        for name, packages in environments.items()
    }
    run = {
        "depends": list(needs.depends),
        "constraints": list(needs.constrains),
        "run_exports": _lists(needs.run_exports),
    }
    return {
        "rendered_recipe_version": 1,
        "recipe": dict(planned.output.rendered),
        "build_configuration": {
            **settings,
            "target_platform": planned.subdir,
            "variant": dict(planned.variant),
            "hash": {"hash": planned.hash},
        },
        "finalized_dependencies": {**resolved, "run": run},
        "finalized_sources": [
            {
                "url": list(source.urls) or source.git or source.path,
                "sha256": source.sha256,
                "rev": source.revision,
            }
            for source in planned.output.sources
        ],
    }


def _lists(exports: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {kind: list(specs) for kind, specs in exports.items()}


def _resolved(package: PackageFacts) -> dict[str, Any]:
    plain = {"name": package.name, "version": package.version, "build": package.build}
    if public_urls([package.url]):
        plain["url"] = package.url
    return {**plain, "sha256": package.sha256} if package.sha256 else plain
