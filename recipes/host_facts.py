"""Print what the recipes must know of the interpreter that builds them, as one JSON object of strings.

``envmgr build`` runs this file with the interpreter that runs envmgr, and gives the result to the recipes as
``env.get(NAME)`` and to their scripts as environment variables:

    BASE_PREFIX, BASE_PYTHON      the base interpreter (below any virtual environment): its prefix and executable
    BASE_PYTHON_VERSION, _MINOR   such as 3.12.4 and 3.12
    BASE_PYTHON_REQUIRES          packages whose libraries it and its extension modules load, separated by spaces
    BASE_PYTHON_WITHOUT           extension modules that are left out, as MODULE=LIBRARY THAT NO RECIPE PACKAGES
    BASE_<PACKAGE>_VERSION        for each of LIBRARIES that is needed: read from the library itself where it tells,
                                  else from the system's package database, else from the file's name
    BASE_<PACKAGE>_FILES          the library files, named by their sonames, joined as PATH is
    BASE_<PACKAGE>_REQUIRES       packages that the library needs in turn, separated by spaces

A library that the interpreter does not need has no variables, and its recipe is skipped. Which files are loaded
is the dynamic loader's own answer, so the recipes work for every layout of interpreter and of system libraries.
This file only looks; it writes nothing. Linux only.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LIBC_FAMILY = re.compile(
    r"(linux-vdso|ld-linux|ld64|ld-musl|lib(c|m|dl|pthread|rt|util|resolv|anl|mvec|thread_db)\.so|libnsl\.so\.1$)"
)


class HostError(Exception):
    """This interpreter or machine cannot be the base of the recipes; the text says why."""


@dataclass(frozen=True)
class Library:
    """One package: the sonames that belong to it, and how a loaded library tells its version (None: it cannot)."""

    package: str
    sonames: re.Pattern[str]
    ask: Callable[[ctypes.CDLL], str] | None = None

    @property
    def variable(self) -> str:
        """The start of the names of this package's facts."""
        return f"BASE_{self.package.upper()}"


def text_from(function: str) -> Callable[[ctypes.CDLL], str]:
    """Ask a C function that takes nothing and returns a string."""

    def ask(library: ctypes.CDLL) -> str:
        entry = library[function]
        entry.restype = ctypes.c_char_p
        return bytes(entry()).decode()

    return ask


def text_in(variable: str) -> Callable[[ctypes.CDLL], str]:
    """Read a C variable that points to a string."""
    return lambda library: (ctypes.c_char_p.in_dll(library, variable).value or b"").decode()


def openssl_version(library: ctypes.CDLL) -> str:
    """OpenSSL's own sentence; libssl has no such function, so libcrypto is looked up through it."""
    entry = library["OpenSSL_version"]
    entry.restype, entry.argtypes = ctypes.c_char_p, [ctypes.c_int]
    return bytes(entry(0)).decode()


LIBRARIES = (
    Library("bzip2", re.compile(r"libbz2\.so"), text_from("BZ2_bzlibVersion")),
    Library("libedit", re.compile(r"libedit\.so")),
    Library("libexpat", re.compile(r"libexpat\.so"), text_from("XML_ExpatVersion")),
    Library("libffi", re.compile(r"libffi\.so")),
    Library("libgcc", re.compile(r"libgcc_s\.so")),
    Library("liblzma", re.compile(r"liblzma\.so"), text_from("lzma_version_string")),
    Library("libsqlite", re.compile(r"libsqlite3\.so"), text_from("sqlite3_libversion")),
    Library("libstdcxx", re.compile(r"libstdc\+\+\.so")),
    Library("libuuid", re.compile(r"libuuid\.so")),
    Library("libxcrypt", re.compile(r"libcrypt\.so")),
    Library("libzlib", re.compile(r"libz\.so"), text_from("zlibVersion")),
    Library("mpdecimal", re.compile(r"libmpdec\.so"), text_from("mpd_version")),
    Library("ncurses", re.compile(r"lib(ncurses|tinfo|panel|form|menu)w?\.so"), text_from("curses_version")),
    Library("openssl", re.compile(r"lib(ssl|crypto)\.so"), openssl_version),
    Library("readline", re.compile(r"lib(readline|history)\.so"), text_in("rl_library_version")),
    Library("zstd", re.compile(r"libzstd\.so"), text_from("ZSTD_versionString")),
)
# Wheels of the manylinux standards take these from the system, so they are packaged even where the interpreter
# itself does not load them.
WANTED_BY_WHEELS = ("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1")


def main() -> int:
    """Print the facts; a base that cannot be used is one sentence on stderr and exit code 1."""
    try:
        facts = collect_facts()
    except HostError as error:
        print(f"host_facts.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(facts, indent=2, sort_keys=True))
    return 0


def collect_facts() -> dict[str, str]:
    """Look at the base interpreter and the libraries that it loads."""
    check_interpreter()
    executable = base_executable()
    found: dict[str, str] = {}  # soname -> path, of libraries that become packages
    without: list[str] = []
    python_requires: set[str] = set()
    for module in (executable, *extension_modules()):
        libraries = loaded_libraries(module)
        strangers = [name for name, path in libraries.items() if path is None or library_of(name) is None]
        if strangers and module == executable:
            raise HostError(f"{executable} needs {', '.join(strangers)}, which no recipe packages.")
        if strangers:
            without.append(f"{module.name.split('.')[0]}={strangers[0]}")
            continue
        found.update({soname: path for soname, path in libraries.items() if path is not None})
        python_requires |= packages_of(libraries)
    for soname in WANTED_BY_WHEELS:
        found = library_by_name(soname) | found
    return {
        "BASE_PREFIX": sys.base_prefix,
        "BASE_PYTHON": str(executable),
        "BASE_PYTHON_VERSION": python_version(),
        "BASE_PYTHON_MINOR": "{}.{}".format(*sys.version_info[:2]),
        "BASE_PYTHON_REQUIRES": " ".join(sorted(python_requires)),
        "BASE_PYTHON_WITHOUT": " ".join(sorted(without)),
        **library_facts(found),
    }


def check_interpreter() -> None:
    """Refuse what the python recipe does not know how to lay out."""
    if not sys.platform.startswith("linux"):
        raise HostError(f"the recipes repackage a Linux interpreter, and this one is for {sys.platform}.")
    if sys.implementation.name != "cpython" or "t" in getattr(sys, "abiflags", ""):
        raise HostError("the recipes need CPython with the global interpreter lock.")
    if sys.platlibdir != "lib":
        raise HostError(f"this interpreter keeps its modules in {sys.platlibdir}/, the recipes expect lib/.")
    if importlib.util.find_spec("pip") is None:
        raise HostError(f"{sys.executable} has no pip, which installs the wheels: run it with -m ensurepip.")


def base_executable() -> Path:
    """The real file of the base interpreter, not a virtual environment's link or a shim."""
    named = Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info[:2]))
    candidate = named if named.exists() else Path(getattr(sys, "_base_executable", sys.executable))
    return candidate.resolve()


def python_version() -> str:
    """The version in PEP 440 spelling: 3.14.0rc2, not 3.14.0candidate2."""
    info = sys.version_info
    stage = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info.releaselevel)
    return f"{info.major}.{info.minor}.{info.micro}{f'{stage}{info.serial}' if stage else ''}"


def extension_modules() -> list[Path]:
    """Every shared module of the standard library."""
    folder = Path(sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix}), "lib-dynload")
    suffix = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
    return sorted(path for path in folder.glob("*.so") if path.name.endswith((suffix, ".abi3.so")))


def loaded_libraries(file: Path) -> dict[str, str | None]:
    """Soname -> path (None: not found) of all that the loader would map for *file*, libc and libpython left out.

    Most extension modules need libc alone; their few names of libraries show that without asking the loader.
    """
    names = re.findall(rb"\0(lib[\w.+-]+\.so(?:\.[\w.]+)?)(?=\0)", file.read_bytes())
    if not any(is_foreign(name.decode()) for name in names):
        return {}
    libraries: dict[str, str | None] = {}
    for line in output_of(dynamic_loader(), "--list", str(file)).splitlines():
        soname, arrow, target = line.strip().partition(" => ")
        soname = soname.split(" (")[0]
        if arrow and is_foreign(soname):
            libraries[soname] = None if target.startswith("not found") else target.split(" (")[0]
    return libraries


def is_foreign(soname: str) -> bool:
    """Whether *soname* is neither of libc's family nor libpython."""
    return not LIBC_FAMILY.match(soname.rpartition("/")[2]) and not soname.startswith("libpython")


def dynamic_loader() -> str:
    """The program interpreter that started this process."""
    for path in mapped_files():
        if re.match(r"ld-linux|ld64|ld-\d", path.rpartition("/")[2]):
            return path
    raise HostError("the dynamic loader of this process is not glibc's; the recipes need a glibc system.")


def mapped_files() -> Iterator[str]:
    """Paths of the files that are mapped into this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith("/"):
            yield fields[5]


def library_of(soname: str) -> Library | None:
    """The package that *soname* belongs to."""
    return next((library for library in LIBRARIES if library.sonames.match(soname)), None)


def packages_of(sonames: Iterable[str]) -> set[str]:
    """The names of the packages that *sonames* belong to."""
    return {library.package for soname in sonames if (library := library_of(soname)) is not None}


def library_by_name(soname: str) -> dict[str, str]:
    """Where the loader finds *soname*; empty where this machine has none."""
    try:
        ctypes.CDLL(soname)
    except OSError:
        return {}
    stem = soname.partition(".so")[0]
    for path in mapped_files():
        if path.rpartition("/")[2].startswith(f"{stem}.so"):
            return {soname: str(Path(path).with_name(soname))}
    return {}


def library_facts(found: dict[str, str]) -> dict[str, str]:
    """Version, files and needs of each package that owns one of the sonames of *found*."""
    facts: dict[str, str] = {}
    for library in LIBRARIES:
        files = {soname: path for soname, path in sorted(found.items()) if library.sonames.match(soname)}
        if not files:
            continue
        needs: set[str] = set()
        for path in files.values():
            needs |= packages_of(loaded_libraries(Path(path)))
        facts[f"{library.variable}_VERSION"] = library_version(library, tuple(files.values()))
        facts[f"{library.variable}_FILES"] = os.pathsep.join(files.values())
        facts[f"{library.variable}_REQUIRES"] = " ".join(sorted(needs - {library.package}))
    return facts


def library_version(library: Library, paths: tuple[str, ...]) -> str:
    """The library's own answer, else the system package's version, else the number in the file's name."""
    answers = (answer(path) for answer in (asked(library), packaged_version, file_version) for path in paths)
    version = next(filter(None, answers), "0")
    # ncurses adds the date of its patch level; releases are told apart by the first two numbers.
    return re.sub(r"\.(19|20)\d{6}$", "", version)


def asked(library: Library) -> Callable[[str], str]:
    """Ask the file at a path for its version, in the way that *library* knows; empty where it cannot tell."""

    def ask(path: str) -> str:
        if library.ask is None:
            return ""
        try:
            return first_version(library.ask(ctypes.CDLL(path)))
        except (OSError, AttributeError, ValueError):
            return ""

    return ask


def packaged_version(path: str) -> str:
    """The upstream version that dpkg or rpm recorded for the owner of *path*; empty where neither knows."""
    places = {path, os.path.realpath(path)}
    places |= {place.removeprefix("/usr") for place in places}
    if shutil.which("dpkg-query"):
        for place in sorted(places):
            owner = output_of("dpkg-query", "-S", place).split(": ")[0]
            if owner:
                version = output_of("dpkg-query", "-W", "-f=${Version}", owner.split(",")[0])
                return first_version(version.partition(":")[2] or version)
    if shutil.which("rpm"):
        return first_version(output_of("rpm", "-qf", "--queryformat", "%{VERSION}", path))
    return ""


def file_version(path: str) -> str:
    """8.1.2 of libffi.so.8.1.2; only the last resort, since a soname's numbers are not the release's."""
    return first_version(os.path.realpath(path).rpartition(".so")[2])


def first_version(text: str) -> str:
    """The first dotted number in *text*."""
    match = re.search(r"\d+(\.\d+)*[a-z]?(?![a-z])", text)
    return match.group() if match else ""


def output_of(*command: str) -> str:
    """What *command* prints, or nothing where it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
