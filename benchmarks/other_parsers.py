"""What else reads locks: ``other_parsers.py conda-lock|pyyaml|ruamel FILE``; prints what peer.py prints."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def conda_lock(file: str) -> dict[str, Any]:
    """conda-lock's own reader, which checks every value."""
    from conda_lock.lockfile import parse_conda_lock_file

    begin = time.perf_counter()
    content = parse_conda_lock_file(Path(file))
    return {"seconds": time.perf_counter() - begin, "packages": len(content.package)}


def pyyaml(file: str) -> dict[str, Any]:
    """PyYAML's reader in C: a limit of what can be read as YAML from Python, without any check."""
    import yaml

    begin = time.perf_counter()
    with open(file, "rb") as stream:
        content = yaml.load(stream, Loader=yaml.CSafeLoader)
    return _told(begin, content)


def ruamel(file: str) -> dict[str, Any]:
    """ruamel.yaml's safe reader, in C where that is installed."""
    from ruamel.yaml import YAML

    begin = time.perf_counter()
    with open(file, "rb") as stream:
        content = YAML(typ="safe").load(stream)
    return _told(begin, content)


def _told(begin: float, content: Any) -> dict[str, Any]:
    packages = content["package"] if "package" in content else content["packages"]
    return {"seconds": time.perf_counter() - begin, "packages": len(packages)}


if __name__ == "__main__":
    sys.path.pop(0)
    jobs: dict[str, Any] = {"conda-lock": conda_lock, "pyyaml": pyyaml, "ruamel": ruamel}
    print(json.dumps(jobs[sys.argv[1]](*sys.argv[2:])))
