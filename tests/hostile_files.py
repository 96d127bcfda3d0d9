"""Files of every format that is read, and what can be wrong with a file of any format."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from copy import deepcopy
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

_SUM, _MD5 = "a" * 64, "b" * 32
_ARCHIVE = "https://conda.anaconda.org/conda-forge/linux-64/zlib-1.2.11-h36_1013.tar.bz2"
_WHEEL = "https://files.pythonhosted.org/packages/six-1.16.0-py2.py3-none-any.whl"


def _text(text: str) -> bytes:
    return dedent(text).lstrip().encode()


FORMATS: dict[str, bytes] = {
    "environment.yml": _text("""
        name: demo
        channels: [conda-forge]
        dependencies:
          - zlib
          - pip:
              - six
    """),
    "environment.json": json.dumps(
        {"channels": ["conda-forge"], "dependencies": ["zlib"]}, indent=2
    ).encode(),
    "explicit.txt": f"@EXPLICIT\n{_ARCHIVE}#{_MD5}\n".encode(),
    "packages.txt": b"zlib=1.2\nsix\n",
    "requirements.txt": b"six>=1\nzlib-ng; python_version > '3'\n",
    "pyproject.toml": _text("""
        [project]
        name = "demo"
        requires-python = ">=3.9"
        dependencies = ["six"]
    """),
    "script.py": _text("""
        # /// script
        # dependencies = ["six"]
        # ///
        import six
    """),
    "setup.cfg": b"[options]\ninstall_requires =\n  six\n",
    "Pipfile": b'[packages]\nsix = "*"\n',
    "Pipfile.lock": json.dumps(
        {"_meta": {}, "default": {"six": {"version": "==1", "hashes": [f"sha256:{_SUM}"]}}, "develop": {}},
        indent=1,
    ).encode(),
    "poetry.lock": _text(f"""
        [[package]]
        name = "six"
        version = "1"
        groups = ["main"]
        files = [{{file = "six-1.tar.gz", hash = "sha256:{_SUM}"}}]
        [metadata]
        python-versions = "^3.8"
        content-hash = "0"
    """),
    "uv.lock": _text(f"""
        version = 1
        requires-python = ">=3.9"
        [[package]]
        name = "demo"
        version = "1"
        source = {{ editable = "." }}
        dependencies = [{{ name = "six" }}]
        [[package]]
        name = "six"
        version = "1.0"
        sdist = {{ url = "https://h/six-1.0.tar.gz", hash = "sha256:{_SUM}" }}
    """),
    "pixi.toml": _text("""
        [workspace]
        channels = ["conda-forge"]
        platforms = ["linux-64"]
        [dependencies]
        zlib = "*"
    """),
    "pixi.lock": _text(f"""
        version: 6
        environments:
          default:
            channels: [{{url: https://conda.anaconda.org/conda-forge/}}]
            packages:
              linux-64: [{{conda: {_ARCHIVE}}}]
        packages:
          - conda: {_ARCHIVE}
            sha256: {_SUM}
            md5: {_MD5}
    """),
    "conda-lock.yml": _text(f"""
        version: 1
        metadata:
          channels: [conda-forge]
          platforms: [linux-64]
          sources: [environment.yml]
        package:
        - name: zlib
          version: 1.2.11
          manager: conda
          platform: linux-64
          dependencies: {{}}
          url: {_ARCHIVE}
          hash: {{md5: {_MD5}}}
    """),
    "pylock.toml": _text(f"""
        lock-version = "1.0"
        created-by = "hand"
        requires-python = ">=3.9"
        [[packages]]
        name = "six"
        version = "1.16.0"
        marker = "python_version >= '3.9'"
        [[packages.wheels]]
        url = "{_WHEEL}"
        hashes = {{sha256 = "{_SUM}"}}
    """),
    "DESCRIPTION": b"Package: demo\nVersion: 1.0\nImports: dplyr (>= 1.0-2)\n",
    "renv.lock": json.dumps(
        {"R": {"Version": "4.3.1"}, "Packages": {"Rcpp": {"Version": "1.0-9", "Source": "Repository"}}},
        indent=1,
    ).encode(),
    "list.json": json.dumps(
        [{"name": "zlib", "version": "1.2", "build_string": "0", "channel": "conda-forge"}]
    ).encode(),
}
"""A good file of each format."""

_YAML = ("environment.yml", "pixi.lock", "conda-lock.yml")
_JSON = ("environment.json", "Pipfile.lock", "renv.lock", "list.json")
_TOML = ("pyproject.toml", "Pipfile", "poetry.lock", "uv.lock", "pixi.toml", "pylock.toml")


def _family(name: str) -> str:
    return "yaml" if name in _YAML else "json" if name in _JSON else "toml" if name in _TOML else "lines"


def _deep(name: str, good: bytes, depth: int) -> bytes:
    match _family(name):
        case "yaml":
            return good + b"x: " + b"[" * depth
        case "json":
            return (
                b'{"R": {"Version": "4"}, "_meta": ' + b'{"a":' * depth
                if name != "list.json"
                else b"[" * depth
            )
        case "toml":
            return b"x = " + b"[" * depth + b"\n" + good
    if name == "script.py":
        return b"# /// script\n# x = " + b"[" * depth + b"\n# ///\n"
    return good + b"(" * depth + b"\n"


def _bomb(name: str, good: bytes, _: int) -> bytes:
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [b"a%d: &a%d [%s]" % (at, at, b", ".join([b"*a%d" % (at - 1)] * 9)) for at in range(1, 40)]
    if _family(name) == "json":
        inner = b", ".join(
            b'"k%d": &a%d [%s]' % (at, at, b", ".join([b"*a%d" % (at - 1)] * 9)) for at in range(1, 40)
        )
        return b'{"k0": &a0 [1, 1], ' + inner + b', "Packages": *a39, "default": *a39, "R": {}, "_meta": {}}'
    if name == "environment.yml":
        return b"\n".join([*lines, b"dependencies: *a39", b""])
    return b"\n".join([*lines, b""]) + good


def _twice(name: str, good: bytes, _: int) -> bytes:
    if _family(name) == "json":
        at = good.rindex(b"}")
        return good[:at] + b', "version": "1", "version": "2"' + good[at:]
    return good + b"\n" + good


def _conflict(_: str, good: bytes, __: int) -> bytes:
    lines = good.splitlines(keepends=True)
    half = max(1, len(lines) // 2)
    ours, theirs = b"<<<<<<< HEAD\n", b"=======\n"
    return b"".join([*lines[:half], ours, *lines[half:], theirs, *lines[half:], b">>>>>>> branch\n"])


def _inserted(good: bytes, piece: bytes) -> bytes:
    return good[: len(good) // 2] + piece + good[len(good) // 2 :]


Change = Callable[[str, bytes, int], bytes]
"""From the name of a format, a good file, and how often something is repeated, to a hostile file."""

BENIGN: dict[str, Change] = {
    "as it is": lambda _, good, __: good,
    "a byte order mark": lambda _, good, __: b"\xef\xbb\xbf" + good,
    "Windows' line ends": lambda _, good, __: good.replace(b"\n", b"\r\n"),
    "old line ends": lambda _, good, __: good.replace(b"\n", b"\r"),
    "no line end at its end": lambda _, good, __: good.rstrip(b"\n"),
    "UTF-16": lambda _, good, __: good.decode().encode("utf-16"),
    "UTF-32": lambda _, good, __: good.decode().encode("utf-32"),
}
"""What is read as the good file is."""

_STRANGE: dict[str, Change] = {
    "UTF-16 without a mark": lambda _, good, __: good.decode().encode("utf-16-le"),
    "Latin-1": lambda _, good, __: _inserted(good, b"\xe9"),
    "a NUL byte": lambda _, good, __: _inserted(good, b"\0"),
    "an escape sequence": lambda _, good, __: _inserted(good, b"\x1b]0;x\x07"),
    "a lone surrogate": lambda _, good, __: _inserted(good, b"\xed\xa0\x80"),
    "a merge conflict": _conflict,
    "an archive in its place": lambda *_: b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(range(256)),
}

_REST: dict[str, Change] = {
    "empty": lambda *_: b"",
    "white space alone": lambda *_: b" \n\t\n",
    "cut in half": lambda _, good, __: good[: len(good) // 2],
    "everything twice": _twice,
    "enormous nesting": _deep,
    "anchors that multiply": _bomb,
    "one long line": lambda _, good, size: good + b"x" * size,
    "a long line of spaces": lambda _, good, size: good + b" " * size + b"x",
    "a long line of brackets": lambda _, good, size: good + b"x[" * (size // 2),
    "a long line of quotes": lambda _, good, size: good + b"'\"" * (size // 2),
    "a long line of words": lambda _, good, size: good + b"x " * (size // 2),
    "a long line of commas": lambda _, good, size: good + b"x,=" * (size // 3),
    "a long line of dots": lambda _, good, size: good + b"a." * (size // 2),
    "a long line of clauses": lambda _, good, size: good + b"x>=1,<2|" * (size // 8),
    "a long line of signs": lambda _, good, size: good + b"six ; " + b"(" * (size // 2) + b"a" * (size // 2),
    "many long lines of signs": lambda _, good, size: (
        good + (b"six ; " + b"( " * 800 + b"\n") * (size // 1600)
    ),
    "many long lines of words": lambda _, good, size: good + (b"a " * 900 + b"\n") * (size // 1800),
    "many long lines of commas": lambda _, good, size: good + (b"x=1," * 400 + b"\n") * (size // 1600),
    "many lines that are one": lambda _, good, size: good + b"x\\\n" * (size // 3),
    "many lines": lambda _, good, size: good + b"x\n" * (size // 2),
    "many empty lines": lambda _, good, size: good + b"\n" * size,
    "many comments": lambda _, good, size: good + b"# x\n" * (size // 4),
    "JSON in its place": lambda *_: b'{"a": [1, 2, {"b": null}]}',
    "HTML in its place": lambda *_: b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n",
    "an escaped surrogate": lambda _, good, __: (
        good.replace(b"six", b"s\\ud800x").replace(b"zlib", b"zl\\ud800b").replace(b"1.0-9", b"1.0\\ud800")
    ),
}

REFUSED = frozenset((*_STRANGE, "HTML in its place"))
REFUSED_WITH_LINE = REFUSED - {"UTF-16 without a mark", "HTML in its place"}
KINDS: dict[str, Change] = {**BENIGN, **_STRANGE, **_REST}
"""What is wrong with a file; what is REFUSED is so in each format."""

HUGE: dict[str, tuple[bytes | None, int]] = {
    "50 MB of its own lines": (None, 50_000_000),
    "50 MB in a line": (b"x", 50_000_000),
    "1.1 billion bytes in a line": (b"x", 1_100_000_000),
}
"""What follows a good file (None: its own text), again and again, until there are as many bytes."""


def random_change(good: bytes, chance: random.Random) -> bytes:
    """*good* with some bytes, pieces and words exchanged, doubled or gone."""
    words = (b"[", b"]", b"{", b"}", b"'", b'"', b":", b"-", b"\n", b" ", b"=", b",", b"null", b"1", b"true",
             b"[]", b"{}", b"#", b"\\", b"*a", b"&a ", b"!!x ", b"<<: ", b"\t", b"\x00", b"\xff", b"@", b";", b"..",
             b"9" * 5000, b"%", b"$X", b"${X}", b"~", b"::", b"|", b"(", b"1e999", b"nan", b"\\u0000")  # fmt: skip
    changed = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(changed) + 1)
        end = min(len(changed), start + chance.choice((0, 0, 1, 1, 5, 30)))
        match chance.randrange(4):
            case 0:
                changed[start:end] = chance.choice(words)
            case 1:
                changed[start:end] = b""
            case 2:
                changed[start:start] = changed[start:end] * chance.choice((1, 2, 50))
            case _:
                tokens = list(re.finditer(rb"[\w.*/+-]+|\S", changed))
                if tokens:
                    one = chance.choice(tokens)
                    changed[one.start() : one.end()] = chance.choice(words)
    return bytes(changed)


_JUNK = (None, 0, -1, 1.5, True, [], {}, "", "x", "^", "*", "1 || 2", ["a"], [[1]], {"a": 1}, {"version": [1]},
         "a[b", "a @ ", "; x", "../..", "http://[", "x\n y", "9" * 5000, "\u202e", 10**30)  # fmt: skip


def wrong_types(name: str, good: bytes, chance: random.Random) -> bytes:
    """*good*, a file of YAML, JSON or TOML, with one or two of its values exchanged for others of any type."""
    import yaml

    is_toml = _family(name) == "toml"
    tree = _tomllib().loads(good.decode()) if is_toml else yaml.safe_load(good)
    for _ in range(chance.randint(1, 2)):
        *above, last = chance.choice([*_places(tree)])
        inner = tree
        for key in above:
            inner = inner[key]
        inner[last] = deepcopy(chance.choice(_JUNK))
    if is_toml:
        return "".join(f"{json.dumps(key)} = {_toml(each)}\n" for key, each in tree.items()).encode()
    text = json.dumps(tree) if _family(name) == "json" else yaml.safe_dump(tree, sort_keys=False)
    return str(text).encode()


def has_types(name: str) -> bool:
    """Whether values in files of the format have types."""
    return _family(name) != "lines"


def _tomllib() -> Any:
    return importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*path, key)
        yield from _places(each, (*path, key))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps("null" if value is None else value)
