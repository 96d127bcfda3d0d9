"""Which modules a Python source or notebook imports, as far as its text tells (pure).

Imports are those of the syntax tree; what is imported by a name that is computed is not known. One inside a ``try``
that catches its failure, or for type checkers alone, is optional.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CAUGHT: Final = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

# Written by hand in November 2026: well-known modules whose distribution has another name.
DISTRIBUTIONS_OF_MODULES: Final = {
    "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "docx": "python-docx", "dotenv": "python-dotenv", "fitz": "pymupdf", "git": "gitpython", "github": "pygithub",
    "jose": "python-jose", "jwt": "pyjwt", "kafka": "kafka-python", "ldap": "python-ldap", "magic": "python-magic",
    "mpl_toolkits": "matplotlib", "MySQLdb": "mysqlclient", "nacl": "pynacl", "OpenSSL": "pyopenssl",
    "osgeo": "gdal", "PIL": "pillow", "pkg_resources": "setuptools", "pptx": "python-pptx",
    "Crypto": "pycryptodome", "serial": "pyserial", "skimage": "scikit-image", "sklearn": "scikit-learn",
    "slugify": "python-slugify", "socks": "pysocks", "usb": "pyusb", "websocket": "websocket-client",
    "yaml": "pyyaml", "zmq": "pyzmq",
}  # fmt: skip
"""Module to distribution."""


class Imported(Struct, frozen=True):
    """A module's first name, the line of its first import, and whether the program can do without it."""

    module: str
    line: int
    optional: bool


def read_imports(text: str, *, notebook: bool = False) -> list[Imported]:
    """The modules that *text* imports, each once; raises DataError, without a place, for what is no Python."""
    source = _source_of_notebook(text) if notebook else text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        found = list(_imports(tree))
    except SyntaxError as error:
        where = f"line {error.lineno}" if error.lineno else "it"
        raise DataError(f"{where} is no Python of today.") from None
    except (ValueError, RecursionError, MemoryError):
        raise DataError("it is no Python source, or nested too deeply.") from None
    first: dict[str, Imported] = {}
    for each in found:
        before = first.get(each.module)
        if before is None or (before.optional and not each.optional):
            first[each.module] = each
    return list(first.values())


def _imports(tree: ast.AST) -> Iterator[Imported]:
    """Iteratively, so that depth is no danger."""
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, optional = waiting.pop()
        if isinstance(node, ast.Import):
            for name in node.names:
                yield Imported(name.name.partition(".")[0], node.lineno, optional)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield Imported(node.module.partition(".")[0], node.lineno, optional)
        elif isinstance(node, ast.Try) and any(map(_catches, node.handlers)):
            waiting += [(each, True) for each in (*node.body, *node.handlers)]
            waiting += [(each, optional) for each in (*node.orelse, *node.finalbody)]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)[:200]:
            waiting += [(each, True) for each in node.body]
            waiting += [(each, optional) for each in node.orelse]
        else:
            waiting += [(each, optional) for each in ast.iter_child_nodes(node)]


def _catches(handler: ast.ExceptHandler) -> bool:
    names = (
        {each.id for each in ast.walk(handler.type) if isinstance(each, ast.Name)}
        if handler.type
        else _CAUGHT
    )
    return bool(names & _CAUGHT)


def _source_of_notebook(text: str) -> str:
    """The code of a Jupyter notebook's cells, without the lines that are IPython's."""
    try:
        cells = json.loads(text).get("cells", [])
        codes = [cell["source"] for cell in cells if cell.get("cell_type") == "code"]
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        raise DataError("it is no notebook.") from None
    lines = "\n".join("".join(map(str, code)) if isinstance(code, list) else str(code) for code in codes)
    return re.sub(r"(?m)^(\s*)[%!?].*$", r"\1pass", lines)
