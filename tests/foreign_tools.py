"""Turns an environment that envmgr made into what another tool would have left, in the shapes that it writes.

Only conda-meta differs between the tools. Each function here writes the documents of one of them, from what envmgr
noted about the same files; the keys, their order of importance and their oddities are those of public samples.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Document = dict[str, Any]
BLOCK = "==> 2024-05-01 10:00:00 <==\n# cmd: {program} create -n x {specs}\n# conda version: {version}\n"


def _rewrite(prefix: Path, make: Callable[[Document], Document]) -> list[str]:
    """Write each document anew; the names of the packages that were asked for."""
    asked = []
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        document = json.loads(path.read_text())
        asked += [document["name"]] if document["requested_specs"] else []
        path.write_text(json.dumps(make(document), indent=2))
    return asked


def _history(prefix: Path, program: str, version: str, *specs: str, lines: str) -> None:
    head = BLOCK.format(program=program, version=version, specs=" ".join(specs))
    added = "".join(
        f"+https://conda.anaconda.org/x/{each.stem}\n" for each in (prefix / "conda-meta").glob("*.json")
    )
    (prefix / "conda-meta" / "history").write_text(f"{head}{added}{lines}")


def _without_envmgr(prefix: Path) -> None:
    import shutil

    shutil.rmtree(prefix / "conda-meta" / "envmgr", ignore_errors=True)


def _in_package(path: str, document: Document) -> str:
    """How a noarch Python package calls its file at *path*."""
    if document.get("noarch") != "python":
        return path
    _, found, below = path.partition("/site-packages/")
    return f"site-packages/{below}" if found else path.replace("bin/", "python-scripts/", 1)


def _kind(entry: Document) -> str:
    if entry["_path"].endswith(".pyc"):
        return "pyc_file"
    return str(entry["path_type"])


def conda(prefix: Path) -> None:
    """As conda 24 to 26: sums for what packages bring, and their own names for files of noarch packages."""

    def entry(each: Document, document: Document) -> Document:
        kind = _kind(each)
        if kind in ("pyc_file", "unix_python_entry_point"):
            return {"_path": each["_path"], "path_type": kind, "size_in_bytes": 10}
        kept = {key: each[key] for key in each if key != "_path"}
        return {
            "_path": _in_package(each["_path"], document),
            **kept,
            "sha256_in_prefix": each.get("sha256_in_prefix", each["sha256"]),
        }

    def make(document: Document) -> Document:
        asked = document["requested_specs"]
        paths = [entry(each, document) for each in document["paths_data"]["paths"]]
        made = {
            key: value for key, value in document.items() if key not in ("requested_specs", "requested_spec")
        }
        made["channel"] = document["url"].rpartition("/")[0]
        if document.get("noarch"):
            made["package_type"] = "noarch_python"
        own = {"requested_spec": asked[0], "requested_specs": asked} if asked else {"_requested_specs": []}
        return {**made, "paths_data": {"paths_version": 1, "paths": paths}, **own}

    asked = _rewrite(prefix, make)
    _without_envmgr(prefix)
    (prefix / "conda-meta" / "created_at").write_text("1714557600.123456")
    _history(prefix, "conda", "26.1.0", *asked, lines=f"# update specs: {asked!r}\n")


def old_conda(prefix: Path) -> None:
    """As conda 4.2: files without sums, requests in the history alone, and the word None in the records."""

    def make(document: Document) -> Document:
        made = {
            key: document[key]
            for key in ("build", "build_number", "depends", "files", "link", "md5", "name", "url", "version")
        }
        others = {
            "arch": "x86_64",
            "auth": None,
            "platform": "linux",
            "schannel": "x",
            "requested_spec": "None",
        }
        kept = {"noarch": document["noarch"]} if document.get("noarch") else {}
        made["channel"] = document["url"].rpartition("/")[0]
        return {**made, **others, **kept, "subdir": document["subdir"], "fn": document["fn"], "license": None}

    asked = [json.loads(path.read_text()) for path in sorted((prefix / "conda-meta").glob("*.json"))]
    specs = ",".join(spec for each in asked for spec in each["requested_specs"])
    _rewrite(prefix, make)
    _without_envmgr(prefix)
    _history(prefix, "conda", "4.2.13", specs, lines=f"# install specs: {specs}\n")


def micromamba(prefix: Path) -> None:
    """As micromamba 2: no placeholders, empty requests, entry points without sums, a history in double quotes."""

    def entry(each: Document) -> Document:
        kind = _kind(each)
        if kind in ("pyc_file", "unix_python_entry_point"):
            return {"_path": each["_path"], "path_type": kind}
        sums = {"sha256": each["sha256"], "sha256_in_prefix": each.get("sha256_in_prefix", each["sha256"])}
        size = {"size_in_bytes": each["size_in_bytes"]} if each.get("size_in_bytes") else {}
        return {"_path": each["_path"], "path_type": kind, **sums, **size}

    def make(document: Document) -> Document:
        asked = document["requested_specs"]
        made = {key: value for key, value in document.items() if key not in ("requested_specs", "timestamp")}
        folder = document["extracted_package_dir"]
        return {
            **made,
            "arch": None,
            "platform": None,
            "build_string": document["build"],
            "track_features": "",
            "channel": document["url"].rpartition("/")[0],
            "package_tarball_full_path": f"{folder}.tar.bz2",
            "link": {"source": folder, "type": 1},
            "paths_data": {"paths_version": 1, "paths": list(map(entry, document["paths_data"]["paths"]))},
            "requested_spec": asked[0] if asked else "",
        }

    asked = _rewrite(prefix, make)
    _without_envmgr(prefix)
    specs = ", ".join(f'"{each}"' for each in asked)
    _history(prefix, "/usr/bin/micromamba", "2.0.5", *asked, lines=f"# update specs: [{specs}]\n")


def micromamba_with_a_lock(prefix: Path) -> None:
    """As micromamba makes an environment from a list of archives: each of them was asked for."""
    micromamba(prefix)
    for path in (prefix / "conda-meta").glob("*.json"):
        document = json.loads(path.read_text())
        name, version, build = document["name"], document["version"], document["build"]
        spec = f"x/{document['subdir']}::{name}=={version}={build}[md5={document['md5']}]"
        path.write_text(json.dumps({**document, "requested_spec": spec}))


def pixi(prefix: Path) -> None:
    """As pixi: a channel that ends in a slash, no requests, an empty history, and files of its own."""

    def make(document: Document) -> Document:
        made = {
            key: value for key, value in document.items() if key not in ("requested_specs", "requested_spec")
        }
        del made["package_tarball_full_path"]
        paths = [
            {key: value for key, value in each.items() if key != "sha256_in_prefix"}
            | {"path_type": _kind(each)}
            if each.get("sha256_in_prefix") == each.get("sha256")
            else {**each, "path_type": _kind(each)}
            for each in document["paths_data"]["paths"]
            if not each["_path"].endswith(".pyc")
        ]
        files = [path for path in document["files"] if not path.endswith(".pyc")]
        channel = document["url"].rpartition("/")[0].rpartition("/")[0] + "/"
        return {
            **made,
            "channel": channel,
            "files": files,
            "paths_data": {"paths_version": 1, "paths": paths},
        }

    _rewrite(prefix, make)
    _without_envmgr(prefix)
    meta = prefix / "conda-meta"
    (meta / "history").write_text("")
    (meta / "pixi").write_text(
        json.dumps(
            {
                "manifest_path": "/work/pixi.toml",
                "environment_name": "default",
                "pixi_version": "0.55.0",
                "environment_lock_file_hash": "4f36ee620f10329d",
            }
        )
    )
    (meta / "pixi_env_prefix").write_text(str(prefix))
    (meta / ".pixi-environment-fingerprint").write_text("99b739d0fedb92eb")
    (prefix / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    # Pixi compiles nothing: bytecode is made by whoever runs Python first.


TOOLS = (conda, old_conda, micromamba, micromamba_with_a_lock, pixi)
