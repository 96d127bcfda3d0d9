"""``python -m benchmarks [NAME...] [--quick] [--json FILE]``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

from benchmarks.report import raw, render

NAMES = ("startup", "quality", "solve", "index", "unpack", "link", "create", "change", "pypi", "lock")


def main() -> None:
    """Run the benchmarks asked for and print a table after each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure envmgr beside its peers."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller inputs and few rounds: a rough look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save every single run here")
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark '{name}'; there are {', '.join(NAMES)}.")
    busy = os.getloadavg()[0]
    if busy > 0.5:
        print(
            f"note: the machine is busy (load {busy:.1f}, {os.cpu_count()} CPUs); trust ratios, not times.\n"
        )
    results = []
    for name in options.names or NAMES:
        sys.stderr.write(f"{name} ...\n")
        module = importlib.import_module(f"benchmarks.{name}")
        results += (measured := module.run(module.QUICK if options.quick else module.FULL))
        print(render(measured), flush=True)
        if options.json:
            options.json.write_text(json.dumps(raw(results), indent=1))


main()
