"""Fuzzes the archive reader guided by coverage: ``python -m tests.packages.fuzz_with_atheris FOLDER SECONDS``.

It needs atheris, which the project does not install. FOLDER keeps the inputs that found something new, and those
that broke a rule of `archive_fuzz.judge`, whose names begin with ``crash-``. The first byte of an input says what
the others are: see `archive_fuzz.as_archive`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["envmgr.packages", "zipfile"]):
    from tests.packages.archive_fuzz import as_archive, judge, seeds


def try_one(data: bytes) -> None:
    """One archive of the fuzzer's making."""
    if data:
        with tempfile.TemporaryDirectory() as folder:
            name, content = as_archive(data[0], data[1:])
            (Path(folder) / name).write_bytes(content)
            judge(Path(folder) / name)


def main(folder: Path, seconds: int) -> None:
    """Fuzzes; the process ends with 0 when nothing was found, and else says what."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", "-max_len=65536", "-timeout=20", "-rss_limit_mb=1500"]
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={folder}/", *limits], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
