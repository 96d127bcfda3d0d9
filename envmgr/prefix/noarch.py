"""Where the files of noarch Python packages go, as the environment's own ``python`` package decides it.

CEP 17 names the site-packages folder, CEP 34 the two special folders of a noarch package. Pure: records in,
relative paths with forward slashes out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import PrefixError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.package_files import check_path

if TYPE_CHECKING:
    from envmgr.models.record import PackageRecord

_MAJOR_MINOR = lazy_pattern(r"(\d+)\.(\d+)")


class PythonLayout(Struct, frozen=True):
    """Where things of the environment's Python are, relative to the prefix, on one subdir."""

    version: str
    executable: str
    site_packages: str
    scripts: str

    @property
    def cache_tag(self) -> str:
        """The tag in the names of CPython's bytecode files (PEP 3147); empty for Python 2, which has none."""
        major, minor = self.version.split(".")
        return f"cpython-{major}{minor}" if major != "2" else ""

    def target_of(self, path: str) -> str:
        """Where the file *path* of a noarch Python package goes."""
        if path.startswith("site-packages/"):
            return f"{self.site_packages}/{path[14:]}"
        if path.startswith("python-scripts/"):
            return f"{self.scripts}/{path[15:]}"
        return path

    def target_of_wheel(self, path: str, distribution: str) -> str:
        """Where the file *path* of an unpacked wheel goes (`envmgr.packages.wheel`); *distribution* is its name.

        >>> layout = PythonLayout("3.12", "bin/python3.12", "lib/python3.12/site-packages", "bin")
        >>> layout.target_of_wheel("python-headers/a.h", "mine")
        'include/python3.12/mine/a.h'
        """
        scheme, _, below = path.partition("/")
        if scheme == "python-data":
            return check_path(below)
        if scheme == "python-headers":
            return f"{self.headers}/{distribution}/{below}"
        return self.target_of(path)

    @property
    def headers(self) -> str:
        """Where Python's own headers are, and distributions have folders (sysconfig's ``include``)."""
        if self.scripts == "Scripts":
            return "Include"
        library = self.site_packages.removesuffix("/site-packages").rpartition("/")[2]
        return f"include/{library if library.startswith('python') else f'python{self.version}'}"

    def bytecode_of(self, source: str) -> str:
        """The bytecode file that belongs to the Python file *source*.

        >>> PythonLayout("3.12", "bin/python3.12", "lib/site-packages", "bin").bytecode_of("a/b.py")
        'a/__pycache__/b.cpython-312.pyc'
        """
        if not self.cache_tag:
            return f"{source}c"
        folder, slash, name = source.rpartition("/")
        return f"{folder}{slash}__pycache__/{name[:-3]}.{self.cache_tag}.pyc"


def python_layout(python: PackageRecord, subdir: str) -> PythonLayout:
    """The layout that the package *python* brings to an environment for *subdir*.

    Raises PrefixError for a version without minor number, or a site-packages path that leaves the prefix.
    """
    version = major_minor(python)
    windows = subdir.startswith("win")
    executable = "python.exe" if windows else f"bin/python{version}"
    return PythonLayout(
        version, executable, site_packages_path(python, subdir), "Scripts" if windows else "bin"
    )


def major_minor(python: PackageRecord) -> str:
    """``"3.12"`` of a record of the package python."""
    found = _MAJOR_MINOR.match(python.version)
    if found is None:
        raise PrefixError(
            f"{python.dist_name} has no minor version, so noarch Python packages have no place."
        )
    return f"{int(found[1])}.{int(found[2])}"


def site_packages_path(python: PackageRecord, subdir: str) -> str:
    """The site-packages folder relative to the prefix: as the record says, else CPython's place (CEP 17)."""
    declared = python.python_site_packages_path
    if declared is not None:
        return _checked(declared, python)
    return (
        "Lib/site-packages" if subdir.startswith("win") else f"lib/python{major_minor(python)}/site-packages"
    )


def _checked(path: str, python: PackageRecord) -> str:
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    absolute = path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", path)
    if absolute or not parts or ".." in parts or parts[0].lower() == "conda-meta" or "\0" in path:
        raise PrefixError(
            f"{python.dist_name} cannot be installed: its python_site_packages_path {path!r} does not stay "
            "inside the environment.",
            package=python.dist_name,
        )
    return "/".join(parts)
