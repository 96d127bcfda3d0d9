"""Check a repackaged interpreter from inside its prefix: run by the recipe's tests, with that interpreter.

Everything must lie in the prefix: the interpreter's own idea of itself, its default folders, and every shared
library that its modules load, libc's own family left out. The first thing that does not is an AssertionError.
"""

import importlib
import re
import site
import sqlite3
import ssl
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

MODULES = (
    *("bz2", "ctypes", "curses", "curses.panel", "dbm", "decimal", "hashlib", "lzma", "readline", "socket"),
    *("sqlite3", "ssl", "unicodedata", "uuid", "venv", "xml.parsers.expat", "zlib", "zoneinfo"),
)
LIBC_FAMILY = re.compile(r"(ld-linux|ld64|lib(c|m|dl|pthread|rt|util|resolv|anl|mvec|nss_\w+)[.-])")


def inside(path):
    """Whether *path* lies in the prefix, links followed."""
    return Path(path).resolve().is_relative_to(Path(sys.prefix).resolve())


def strangers():
    """Shared objects mapped into this process that belong neither to the prefix nor to libc."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    files = {line.split(None, 5)[5] for line in lines if "/" in line and ".so" in line}
    return sorted(file for file in files if not inside(file) and not LIBC_FAMILY.match(Path(file).name))


for name in MODULES:
    importlib.import_module(name)
assert not strangers(), f"loaded from outside the prefix: {strangers()}"
assert inside(sys.executable), sys.executable
assert all(inside(path) for path in sys.path), sys.path
site_packages = Path(sys.prefix, "lib", "python{}.{}".format(*sys.version_info[:2]), "site-packages")
assert Path(site.getsitepackages()[0]) == site_packages, site.getsitepackages()
for key in ("purelib", "platlib"):
    assert Path(sysconfig.get_path(key)) == site_packages, (key, sysconfig.get_path(key))
for key in ("stdlib", "scripts", "include", "data"):
    assert inside(sysconfig.get_path(key)), (key, sysconfig.get_path(key))
for key in ("prefix", "LIBDIR", "INCLUDEPY", "LIBPL", "BINDIR"):
    assert inside(sysconfig.get_config_var(key)), (key, sysconfig.get_config_var(key))
assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 50, "no certificate authorities"
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    code = "import sys, zlib; print(sys.base_prefix)"
    answer = subprocess.run([f"{folder}/bin/python", "-c", code], check=True, capture_output=True, text=True)
    assert Path(answer.stdout.strip()) == Path(sys.prefix), answer.stdout
print(f"Python {sys.version.split()[0]}: all of {sys.prefix}")
