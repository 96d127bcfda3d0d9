"""Check the environment of environment.example.yml from inside, and print what it answers.

Run it with the prefix's own interpreter: `envmgr run -p PREFIX python recipes/check_example.py [--json] [RESULT]`.
Each line is one claim with its answer. A claim that does not hold is marked, the others are still checked, and the
exit code is 1. RESULT is the JSON that `envmgr create --json` printed; its seconds for each stage are shown too.
Nothing is written. Child processes get an empty environment.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# This file's folder is the first that Python would import from, and the recipes in it bear the names of packages.
sys.path[:] = [folder for folder in sys.path if folder != str(Path(__file__).resolve().parent)]
PREFIX = Path(sys.prefix).resolve()
LIBC_FAMILY = re.compile(r"(ld-linux|ld64|lib(c|m|dl|pthread|rt|util|resolv|anl|mvec|nss_\w+)[.-])")
STANDARD_MODULES = (
    "ssl",
    "sqlite3",
    "ctypes",
    "lzma",
    "bz2",
    "zlib",
    "readline",
    "curses",
    "uuid",
    "hashlib",
)
# What libc itself loads to look up a user (NSS modules of the machine, and what these need) is not the modules'.
LIST_LOADED = """
import importlib, pwd, os, sys
def loaded():
    lines = open("/proc/self/maps").read().splitlines()
    return {line.split(None, 5)[5] for line in lines if ".so" in line}
pwd.getpwuid(os.getuid())
of_libc = {path for path in loaded() if not path.startswith(sys.prefix + os.sep)}
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(loaded() - of_libc), sep="\\n")
"""


def main(arguments: list[str]) -> int:
    """Check every claim; 1 where one does not hold."""
    results = {name: answer_of(check) for name, check in CHECKS.items()}
    for path in (argument for argument in arguments if not argument.startswith("-")):
        results["seconds"] = answer_of(functools.partial(seconds, Path(path)))
    if "--json" in arguments:
        claims = {name: {"holds": holds, "answer": answer} for name, (holds, answer) in results.items()}
        print(json.dumps(claims, indent=2))
    else:
        width = max(map(len, results))
        for name, (holds, answer) in results.items():
            print(f"{name:<{width}}  {'' if holds else 'FAILED: '}{answer}")
    return 0 if all(holds for holds, _ in results.values()) else 1


def answer_of(check: Callable[[], str]) -> tuple[bool, str]:
    """Whether *check* held, and its answer or what went wrong."""
    try:
        return True, check()
    except Exception as error:  # noqa: BLE001  Each claim is reported, whatever it trips over.
        return False, f"{type(error).__name__}: {error}"


def expect(actual: object, expected: object) -> None:
    """Raise a ValueError that shows both where they differ."""
    if actual != expected:
        raise ValueError(f"expected {expected!r}, found {actual!r}")


def output_of(*command: str) -> str:
    """What *command* prints; its environment is empty."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    done = subprocess.run(command, env={}, check=False, timeout=120, **streams)
    if done.returncode != 0:
        raise ValueError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def interpreter() -> str:
    """The interpreter, its prefix and all folders that it imports from."""
    for path in (sys.executable, sys.prefix, *filter(os.path.exists, sys.path)):
        expect(Path(path).resolve().is_relative_to(PREFIX), True)
    return f"Python {sys.version.split()[0]} at {sys.executable}"


def standard_libraries() -> str:
    """The shared libraries behind the standard library, in a process without PATH and HOME."""
    return loaded_from_prefix(*STANDARD_MODULES)


def numeric_libraries() -> str:
    """The shared libraries behind numpy and pandas."""
    return loaded_from_prefix("numpy", "pandas")


def loaded_from_prefix(*modules: str) -> str:
    """Import *modules* in a child with an empty environment, and see where its shared libraries come from."""
    files = [Path(line) for line in output_of(sys.executable, "-I", "-c", LIST_LOADED, *modules).splitlines()]
    own = [file for file in files if file.is_relative_to(PREFIX)]
    expect([str(file) for file in files if file not in own and not LIBC_FAMILY.match(file.name)], [])
    return f"{len(own)} shared libraries, all from the prefix but libc's own"


def authorities() -> str:
    """TLS without the system's certificates."""
    code = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    count = int(output_of(sys.executable, "-I", "-c", code))
    expect(count > 50, True)
    return f"{count} certificate authorities"


def numpy_product() -> str:
    """A matrix product through OpenBLAS."""
    import numpy

    matrix = numpy.arange(9.0).reshape(3, 3)
    expect(float((matrix @ matrix).trace()), 180.0)
    return f"numpy {numpy.__version__}: trace of the product {(matrix @ matrix).trace():g}"


def pandas_frame() -> str:
    """A grouped sum and a date with a time zone."""
    import pandas

    frame = pandas.DataFrame({"kind": ["a", "b", "a"], "size": [1, 2, 3]})
    expect(frame.groupby("kind")["size"].sum().to_dict(), {"a": 4, "b": 2})
    moment = pandas.Timestamp("2024-07-01T12:00", tz="Europe/Paris")
    expect(moment.utcoffset().total_seconds(), 7200.0)
    return f"pandas {pandas.__version__}: noon in Paris is {moment.tz_convert('UTC'):%H:%M} UTC"


def node() -> str:
    """Node's own arithmetic and path."""
    code = "console.log(process.version, process.execPath, [1, 2, 3].map(x => x ** 2).join('+'))"
    version, path, squares = output_of(str(PREFIX / "bin/node"), "-e", code).split()
    expect(Path(path), PREFIX / "bin/node")
    expect(squares, "1+4+9")
    return f"node {version} at {path}: {squares}"


def npm() -> str:
    """npm starts with the prefix's node where there is no PATH, and installs below the prefix."""
    nothing_of_the_user = ("--userconfig=/dev/null", "--cache=/dev/null", "--logs-max=0")
    folder = output_of(str(PREFIX / "bin/npm"), *nothing_of_the_user, "prefix", "--global")
    expect(Path(folder), PREFIX)
    expect(output_of(str(PREFIX / "bin/npx"), "--version"), output_of(str(PREFIX / "bin/npm"), "--version"))
    return f"npm {output_of(str(PREFIX / 'bin/npm'), '--version')}"


def lua() -> str:
    """The Lua program, whose module path was compiled in as a placeholder."""
    answer, path = output_of(str(PREFIX / "bin/lua"), "-e", "print(6 * 7, package.path)").split("\t")
    expect(answer, "42")
    expect(path.split(";")[0].rpartition("/lua/")[0], str(PREFIX / "share"))
    return f"{output_of(str(PREFIX / 'bin/lua'), '-v').split('  ')[0]}: 6 * 7 = {answer}"


def liblua() -> str:
    """The shared library alone, called from Python."""
    library = ctypes.CDLL(str(next(PREFIX.glob("lib/liblua.so.*"))))
    library.luaL_newstate.restype = library.lua_tolstring.restype = ctypes.c_void_p
    state = ctypes.c_void_p(library.luaL_newstate())
    expect(library.luaL_loadstring(state, b"local n = 1; for i = 2, 20 do n = n * i end; return n"), 0)
    expect(library.lua_pcallk(state, 0, 1, 0, ctypes.c_void_p(0), None), 0)
    answer = ctypes.string_at(library.lua_tolstring(state, -1, None)).decode()
    library.lua_close(state)
    expect(answer, "2432902008176640000")
    return f"20! = {answer}"


def noarch_tool() -> str:
    """The entry point of a noarch package."""
    lines = output_of(str(PREFIX / "bin/prefix-report")).splitlines()
    expect(any(line.startswith("python ") for line in lines), True)
    return f"{len(lines) - 1} packages in its table"


def pip_item() -> str:
    """The package that pip installed into the prefix."""
    import humanize

    expect(Path(humanize.__file__).is_relative_to(PREFIX), True)
    return f"humanize: {humanize.intword(2432902008176640000)}"


def variable() -> str:
    """The variable of the environment file, as `envmgr run` sets it."""
    expect(os.environ.get("EXAMPLE_GREETING"), "hello from the prefix")
    return f"EXAMPLE_GREETING is {os.environ['EXAMPLE_GREETING']!r}"


def files() -> str:
    """Every file against the checksum that conda-meta has for it."""
    wrong, count, size = [], 0, 0
    records = [json.loads(path.read_text()) for path in sorted(PREFIX.glob("conda-meta/*.json"))]
    for record in records:
        for entry in record["paths_data"]["paths"]:
            path = PREFIX / entry["_path"]
            expected = entry.get("sha256_in_prefix") or entry.get("sha256")
            status = path.lstat()
            count, size = count + 1, size + status.st_size
            if entry.get("path_type") != "softlink" and expected and digest_of(path) != expected:
                wrong.append(entry["_path"])
    expect(wrong, [])
    return f"{len(records)} packages, {count} files, {size / 1e6:.0f} MB, checksums as recorded"


def seconds(result: Path) -> str:
    """How long each stage of the creation took."""
    stages = json.loads(result.read_text(encoding="utf-8"))["seconds"]
    return ", ".join(f"{stage} {duration:.2f}" for stage, duration in stages.items())


def digest_of(path: Path) -> str:
    """The sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(functools.partial(file.read, 1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


CHECKS: dict[str, Callable[[], str]] = {
    "interpreter": interpreter,
    "standard library": standard_libraries,
    "numeric libraries": numeric_libraries,
    "certificates": authorities,
    "numpy": numpy_product,
    "pandas": pandas_frame,
    "node": node,
    "npm": npm,
    "lua": lua,
    "liblua": liblua,
    "noarch tool": noarch_tool,
    "pip item": pip_item,
    "variable": variable,
    "files": files,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
