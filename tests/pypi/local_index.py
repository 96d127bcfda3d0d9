"""A small package index of our own: wheels and source distributions, as a folder and over loopback HTTP.

Source distributions bring their build backend with them, so that building them needs no network.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import io
import json
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BACKEND = """
import base64, hashlib, os, pathlib, zipfile

HERE = pathlib.Path(__file__).parent


def _metadata():
    return (HERE / "PKG-INFO").read_text()


def _wheel(folder, content):
    fields = dict(line.split(": ", 1) for line in _metadata().splitlines() if ": " in line)
    stem = f"{fields['Name'].replace('-', '_')}-{fields['Version']}"
    name = f"{stem}-py3-none-any.whl"
    content = {
        **content,
        f"{stem}.dist-info/METADATA": _metadata(),
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = []
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(text)}")
        archive.writestr(f"{stem}.dist-info/RECORD", "\\n".join([*rows, f"{stem}.dist-info/RECORD,,", ""]))
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {"built.py": f"settings = {config_settings!r}\\n"})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {"link.pth": str(HERE) + "\\n"})


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def metadata(
    name: str,
    version: str,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    python: str | None = None,
) -> str:
    """The text of a METADATA or PKG-INFO file."""
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {python}"] if python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {text}" for text in requires]
    return "\n".join(lines) + "\n"


def project_files(name: str, version: str, requires: Sequence[str] = ()) -> dict[str, str]:
    """The files of a project that builds without anything from elsewhere."""
    return {
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND,
        "PKG-INFO": metadata(name, version, requires),
    }


class LocalIndex:
    """An index below *folder*: PEP 503's pages in ``simple``, the files in ``files``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._links: dict[str, list[str]] = {}
        (folder / "files").mkdir(parents=True)
        (folder / "simple").mkdir()

    def wheel(
        self,
        name: str,
        version: str,
        requires: Sequence[str] = (),
        *,
        tag: str = "py3-none-any",
        python: str | None = None,
        extras: Sequence[str] = (),
        yanked: str | None = None,
        uploaded: str | None = None,
    ) -> Path:
        """Add a wheel; *yanked* is the reason (PEP 592), *uploaded* a time that servers tell (PEP 700)."""
        stem = f"{name.replace('-', '_')}-{version}"
        members = {
            f"{name.replace('-', '_')}.py": f"version = {version!r}\n",
            f"{stem}.dist-info/METADATA": metadata(name, version, requires, extras, python),
            f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        rows = [f"{path},{_record_sum(text)},{len(text)}\n" for path, text in members.items()]
        path = self.folder / "files" / f"{stem}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for member, text in members.items():
                archive.writestr(member, text)
            archive.writestr(f"{stem}.dist-info/RECORD", "".join([*rows, f"{stem}.dist-info/RECORD,,\n"]))
        path.with_name(f"{path.name}.metadata").write_text(members[f"{stem}.dist-info/METADATA"])
        self._list(name, path, python, yanked)
        if uploaded is not None:
            self._describe(name, path, uploaded)
        return path

    def _describe(self, name: str, path: Path, uploaded: str) -> None:
        """Note the file in the page's JSON form (PEP 691, 700), which lists such files alone."""
        page = self.folder / "simple" / normalized_name(name) / "index.json"
        known = json.loads(page.read_text())["files"] if page.exists() else []
        content = path.read_bytes()
        file = {
            "filename": path.name,
            "url": f"../../files/{path.name}",
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "size": len(content),
            "upload-time": uploaded,
            "core-metadata": True,
        }
        text = {"meta": {"api-version": "1.1"}, "name": normalized_name(name), "files": [*known, file]}
        page.write_text(json.dumps(text))

    def sdist(
        self, name: str, version: str, requires: Sequence[str] = (), *, python: str | None = None
    ) -> Path:
        """Add a source distribution with static metadata and a backend of its own."""
        stem = f"{name.replace('-', '_')}-{version}"
        path = self.folder / "files" / f"{stem}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for file, text in project_files(name, version, requires).items():
                member = tarfile.TarInfo(f"{stem}/{file}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        self._list(name, path, python, None)
        return path

    def _list(self, name: str, path: Path, python: str | None, yanked: str | None) -> None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        attributes = f' data-requires-python="{html.escape(python)}"' if python else ""
        attributes += ' data-core-metadata="true"' if path.suffix == ".whl" else ""
        attributes += f' data-yanked="{html.escape(yanked)}"' if yanked is not None else ""
        links = self._links.setdefault(normalized_name(name), [])
        links.append(f'<a href="../../files/{path.name}#sha256={digest}"{attributes}>{path.name}</a>')
        page = self.folder / "simple" / normalized_name(name) / "index.html"
        page.parent.mkdir(exist_ok=True)
        page.write_text("<!DOCTYPE html><html><body>\n" + "<br>\n".join(links) + "\n</body></html>\n")


def _record_sum(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server: Any = self.server
        path = unquote(urlsplit(self.path).path)
        wanted = server.login
        given = self.headers.get("Authorization")
        if wanted is not None and given != "Basic " + base64.b64encode(wanted.encode()).decode():
            self._send(401, b"who are you?\n", {"WWW-Authenticate": 'Basic realm="index"'})
            return
        if urlsplit(self.path).query != server.query:
            self._send(403, b"not signed\n", {})
            return
        server.asked.append(path)
        file = server.folder / path.lstrip("/")
        if file.is_dir():
            file = file / ("index.json" if (file / "index.json").exists() else "index.html")
        if ".." in path.split("/") or not file.is_file():
            self._send(404, b"not found\n", {})
            return
        kinds = {".html": "text/html", ".json": "application/vnd.pypi.simple.v1+json"}
        kind = kinds.get(file.suffix, "application/octet-stream")
        self._send(200, file.read_bytes(), {"Content-Type": kind})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class Served:
    """A served index: *url* is that of its ``simple`` pages, *asked* the paths that were answered."""

    def __init__(self, server: _Server, login: str | None) -> None:
        self.address = f"127.0.0.1:{server.server_address[1]}"
        self.url = f"http://{self.address}/simple"
        self.with_login = f"http://{login}@{self.address}/simple" if login else self.url
        self.asked: list[str] = server.asked  # type: ignore[attr-defined]


@contextlib.contextmanager
def serve_index(index: LocalIndex, *, login: str | None = None, query: str = "") -> Iterator[Served]:
    """Serves *index* until the block ends, with *login* (``user:password``) and *query* to nobody else."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.folder, server.login, server.asked = index.folder, login, []  # type: ignore[attr-defined]
    server.query = query  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Served(server, login)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
