"""Install the base interpreter into $PREFIX, so that it works there and wherever the package is linked later.

Understood layouts: `make install` (python.org, pyenv, container images: everything below one prefix that may hold
other things too) and Debian's (headers and libraries in multiarch folders, dist-packages, patched defaults).

Rules:
- Only the interpreter's own files are taken, by name; nothing of site-packages, no tests, no Tk (its libraries
  reach into the whole desktop), no static library, no extension module of BASE_PYTHON_WITHOUT.
- In text files the base prefix becomes $PREFIX, which the build engine records as a placeholder.
- Libraries are not touched here: they are packages of their own, and the engine sets the run paths.
- `check_python.py` tests the result inside a prefix.
"""

from __future__ import annotations

import os
import pprint
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MINOR = os.environ["BASE_PYTHON_MINOR"]
BASE = Path(os.environ["BASE_PREFIX"])
PREFIX = Path(os.environ["PREFIX"])
STDLIB = Path("lib", f"python{MINOR}")

LEFT_OUT_FOLDERS = {
    *("test", "tests", "__pycache__", "site-packages", "dist-packages"),
    *("idlelib", "tkinter", "turtledemo", "lib-dynload"),
}
LEFT_OUT_FILES = {
    *("turtle.py", "sitecustomize.py", "usercustomize.py"),
    *("EXTERNALLY-MANAGED", "_distutils_system_mod.py"),
}
LEFT_OUT_MODULE = re.compile(r"_test|_ctypes_test|_xxtest|xx")
# Debian and its kin divert what is installed outside a virtual environment; in a prefix there is nobody to protect.
DIVERTED_FILES = (
    *("site.py", "sysconfig.py", "sysconfig/__init__.py"),
    *("distutils/sysconfig.py", "distutils/command/install.py"),
)
DIVERSION = re.compile(
    r"sys\.base_prefix != sys\.prefix or hasattr\(sys, ['\"]real_prefix['\"]\)"
    r"|hasattr\(sys, ['\"]real_prefix['\"]\) or sys\.prefix != sys\.base_prefix"
)
SITE_PACKAGES = '''"""Written when this interpreter was repackaged: its frozen `site` looks for dist-packages."""

import os
import site
import sys


def getsitepackages(prefixes=None):
    """Return the site-packages folder of each prefix, as the unpatched `site` does."""
    name = "python{}.{}".format(*sys.version_info[:2])
    unique = dict.fromkeys(filter(None, site.PREFIXES if prefixes is None else prefixes))
    return [os.path.join(prefix, "lib", name, "site-packages") for prefix in unique]


site.getsitepackages = getsitepackages
if sys.prefix == sys.base_prefix:
    for _folder in filter(os.path.isdir, getsitepackages()):
        site.addsitedir(_folder)
'''
CERTIFICATES = """

# Added when this interpreter was repackaged. Its OpenSSL was compiled for another prefix, so the authorities of
# this prefix's own ca-certificates package are loaded beside the system's. SSL_CERT_FILE and SSL_CERT_DIR decide.
def _set_default_verify_paths(self):
    _SSLContext.set_default_verify_paths(self)
    bundle = os.path.join(sys.base_prefix, "ssl", "cert.pem")
    if "SSL_CERT_FILE" not in os.environ and "SSL_CERT_DIR" not in os.environ and os.path.exists(bundle):
        self.load_verify_locations(bundle)


_set_default_verify_paths.__name__ = "set_default_verify_paths"
SSLContext.set_default_verify_paths = _set_default_verify_paths
"""


def main() -> int:
    """Copy, then adapt."""
    copy_standard_library()
    copy_extension_modules()
    copy_executables()
    copy_shared_libraries()
    copy_headers()
    copy_descriptions()
    move_prefix_in_texts()
    undo_diversions()
    trust_prefix_certificates()
    strip_debug_symbols()
    keep_licence()
    return 0


def keep_licence() -> None:
    """Put Python's licence where the recipe expects it; some systems move it out of the standard library."""
    licence = PREFIX / STDLIB / "LICENSE.txt"
    text = (
        licence.read_text(encoding="utf-8")
        if licence.exists()
        else "See https://docs.python.org/license.html\n"
    )
    Path(os.environ["SRC_DIR"], "LICENSE.txt").write_text(text, encoding="utf-8")


def copy_file(source: Path, relative: Path | str) -> None:
    """Copy the content of *source* to *relative* below $PREFIX; links are followed."""
    target = PREFIX / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def link(relative: str, destination: str) -> None:
    """Make the link *relative* below $PREFIX."""
    path = PREFIX / relative
    path.unlink(missing_ok=True)
    path.symlink_to(destination)


def copy_standard_library() -> None:
    """The Python modules with their data, and the config folder that describes how this Python was built."""
    root = BASE / STDLIB
    left_out = set(LEFT_OUT_FOLDERS)
    if not any(root.glob("ensurepip/_bundled/*.whl")):
        left_out.add("ensurepip")
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in left_out)
        for name in files:
            source = Path(folder, name)
            if name in LEFT_OUT_FILES or name.endswith((".pyc", ".a", ".o", ".so")) or not source.exists():
                continue
            copy_file(source, STDLIB / source.relative_to(root))


def copy_extension_modules() -> None:
    """lib-dynload, without the test modules and those whose libraries are no packages."""
    without = {entry.partition("=")[0] for entry in os.environ.get("BASE_PYTHON_WITHOUT", "").split()}
    for source in sorted((BASE / STDLIB / "lib-dynload").glob("*.so")):
        name = source.name.split(".")[0]
        if name not in without and not LEFT_OUT_MODULE.match(name):
            copy_file(source, STDLIB / "lib-dynload" / source.name)


def copy_executables() -> None:
    """bin/: the interpreter, pydoc, 2to3 and python-config, with the usual short names."""
    copy_file(Path(os.environ["BASE_PYTHON"]), f"bin/python{MINOR}")
    link("bin/python3", f"python{MINOR}")
    link("bin/python", f"python{MINOR}")
    for pattern, short in (("pydoc{}", "pydoc3"), ("2to3-{}", "2to3"), ("python{}-config", "python3-config")):
        name = pattern.format(MINOR)
        if BASE.joinpath("bin", name).exists():
            copy_file(BASE / "bin" / name, f"bin/{name}")
            link(f"bin/{short}", name)


def copy_shared_libraries() -> None:
    """lib/libpython*, where the interpreter is built with it; Debian's static interpreter needs none."""
    if not re.search(rb"libpython3[.\d]*\.so", BASE.joinpath("bin", f"python{MINOR}").read_bytes()):
        return
    for source in sorted((BASE / "lib").glob("libpython3*.so*")):
        if source.name != "libpython3.so" and not source.name.startswith(f"libpython{MINOR}.so"):
            continue
        if source.is_symlink():
            link(f"lib/{source.name}", source.resolve().name)
        else:
            copy_file(source, f"lib/{source.name}")


def copy_headers() -> None:
    """include/pythonX.Y, with the real pyconfig.h where Debian has a signpost to it."""
    name = f"python{MINOR}"
    for folder in (BASE / "include" / name, *sorted(BASE.glob(f"include/*-linux-*/{name}"))):
        for source in sorted(folder.rglob("*.h")):
            copy_file(source, Path("include", name, source.relative_to(folder)))


def copy_descriptions() -> None:
    """pkg-config files and the manual page."""
    for folder in (BASE / "lib/pkgconfig", *sorted(BASE.glob("lib/*-linux-*/pkgconfig"))):
        for source in sorted(folder.glob(f"python-{MINOR}*.pc")):
            copy_file(source, f"lib/pkgconfig/{source.name}")
            link(f"lib/pkgconfig/{source.name.replace('-' + MINOR, '3')}", source.name)
    for source in BASE.glob(f"share/man/man1/python{MINOR}.1"):
        copy_file(source, f"share/man/man1/{source.name}")


def move_prefix_in_texts() -> None:
    """Rewrite the base prefix to $PREFIX in every text that says where this Python lives."""
    for path in texts_with_prefix():
        text = path.read_text(encoding="utf-8")
        if path.name.startswith("_sysconfigdata"):
            text = sysconfig_data(path)
        elif text.startswith("#!") and "python" in text.splitlines()[0]:
            text = f"#!{PREFIX}/bin/python{MINOR}\n" + text.partition("\n")[2]
        else:
            text = moved(text)
        path.write_text(text, encoding="utf-8")


def texts_with_prefix() -> Iterator[Path]:
    """The scripts, the build description of sysconfig and pkg-config's files."""
    stdlib = PREFIX / STDLIB
    yield from (path for path in sorted((PREFIX / "bin").iterdir()) if path.read_bytes()[:2] == b"#!")
    yield from sorted(stdlib.glob("_sysconfigdata*.py"))
    yield from sorted(stdlib.glob("_sysconfig_vars*.json"))
    yield from sorted(stdlib.glob("build-details.json"))
    yield from sorted(stdlib.glob("config-*/Makefile"))
    yield from sorted(stdlib.glob("config-*/python-config.py"))
    yield from (path for path in sorted(PREFIX.glob("lib/pkgconfig/python*.pc")) if not path.is_symlink())


def sysconfig_data(path: Path) -> str:
    """The module of build-time variables for the new prefix, time zones included."""
    variables = runpy.run_path(str(path))["build_time_vars"]
    variables = {key: moved(value) if isinstance(value, str) else value for key, value in variables.items()}
    zones = [str(PREFIX / "share/zoneinfo"), *filter(None, variables.get("TZPATH", "").split(os.pathsep))]
    variables["TZPATH"] = os.pathsep.join(zones)
    comment = "# system configuration generated and used by the sysconfig module"
    return f"{comment}\nbuild_time_vars = {pprint.pformat(variables)}\n"


def moved(text: str) -> str:
    """*text* with the base prefix replaced.

    A prefix that is shared with the whole system (/usr, /usr/local) is replaced only where Python's own folders are
    meant: alone, before a standard folder, and before python3; not in /usr/bin/install or /usr/share/zoneinfo.
    """
    if str(BASE) not in ("/usr", "/usr/local"):
        return text.replace(str(BASE), str(PREFIX))
    multiarch = r"(?:/[\w]+-linux-[\w]+)?"
    end = r"(?=$|[\s'\":;,)])"
    own = (
        rf"(?<![\w/.]){BASE}(?=$|[\s'\":;,)]|/(?:bin|lib{multiarch}|include|share(?:/man)?){end}"
        rf"|/(?:lib|include){multiarch}/(?:python3|pkgconfig)|/bin/python)"
    )
    text = re.sub(own, str(PREFIX).replace("\\", r"\\"), text, flags=re.MULTILINE)
    return re.sub(rf"({re.escape(str(PREFIX))}/(?:lib|include))/\w+-linux-\w+", r"\1", text)


def undo_diversions() -> None:
    """Make lib/pythonX.Y/site-packages the one place for packages, as every prefix expects.

    From Python 3.11 on `site` is frozen into the interpreter and its file is not read: sitecustomize corrects it.
    """
    for name in DIVERTED_FILES:
        path = PREFIX / STDLIB / name
        if not path.exists():
            continue
        text, diversions = DIVERSION.subn("True", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
        if diversions and name == "site.py":
            PREFIX.joinpath(STDLIB, "sitecustomize.py").write_text(SITE_PACKAGES, encoding="utf-8")


def trust_prefix_certificates() -> None:
    """Let ssl read $PREFIX/ssl/cert.pem in addition to what OpenSSL has compiled in."""
    with PREFIX.joinpath(STDLIB, "ssl.py").open("a", encoding="utf-8") as module:
        module.write(CERTIFICATES)


def strip_debug_symbols() -> None:
    """Make the binaries small where the machine has `strip`; they work all the same without."""
    strip = shutil.which("strip")
    if strip is None:
        return
    binaries = [PREFIX / "bin" / f"python{MINOR}", *sorted((PREFIX / STDLIB / "lib-dynload").iterdir())]
    binaries += [path for path in PREFIX.glob("lib/libpython*.so*") if not path.is_symlink()]
    subprocess.run([strip, "--strip-debug", *map(str, binaries)], check=True)


if __name__ == "__main__":
    sys.exit(main())
