"""Install one library package of the base interpreter into $PREFIX/lib; the recipes of these libraries run it.

Usage: copy_library.py PACKAGE. The files are those that host_facts.py found (BASE_<PACKAGE>_FILES, named by
soname). Each real file is copied under its own name, and the soname becomes a link to it, as `make install` does.
The licence that the system keeps for the library is copied to $SRC_DIR/LICENSE.txt.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main(package: str) -> int:
    """Copy the files of *package*; exit code 1 where there are none."""
    named = os.environ.get(f"BASE_{package.upper()}_FILES", "")
    sonames = [Path(path) for path in named.split(os.pathsep) if path]
    if not sonames:
        print(f"copy_library.py: the base interpreter of this machine needs no {package}.", file=sys.stderr)
        return 1
    library_folder = Path(os.environ["PREFIX"], "lib")
    library_folder.mkdir(parents=True, exist_ok=True)
    for soname in sonames:
        copy_with_link(soname, library_folder)
    Path(os.environ["SRC_DIR"], "LICENSE.txt").write_text(licence_text(package, sonames), encoding="utf-8")
    return 0


def copy_with_link(soname: Path, folder: Path) -> None:
    """Copy what *soname* points to into *folder*, and link the soname to it."""
    real = soname.resolve()
    target = folder / real.name
    shutil.copyfile(real, target)
    target.chmod(0o755)
    if soname.name != real.name:
        folder.joinpath(soname.name).unlink(missing_ok=True)
        folder.joinpath(soname.name).symlink_to(real.name)


def licence_text(package: str, sonames: list[Path]) -> str:
    """The copyright file of the system's package, or a sentence that says where the library came from."""
    for path in sonames:
        for owner in owners(path):
            copyright_file = Path("/usr/share/doc", owner, "copyright")
            if copyright_file.is_file():
                return copyright_file.read_text(encoding="utf-8", errors="replace")
    return f"{package}: repackaged from the system that built this package; its licence is named in about.json.\n"


def owners(path: Path) -> list[str]:
    """Names of the dpkg packages that own *path*; none where there is no dpkg."""
    if not shutil.which("dpkg-query"):
        return []
    real = path.resolve()
    places = {str(place).removeprefix(merged) for place in (path, real) for merged in ("", "/usr")}
    question = ["dpkg-query", "-S", *sorted(places)]
    answer = subprocess.run(question, capture_output=True, text=True, check=False)
    return [line.split(":")[0] for line in answer.stdout.splitlines()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
