"""A package as it lies in a prefix, and its conda-meta document (CEP 32), which conda, mamba and pixi share.

Reading is forgiving, since four tools write these files; writing follows the standard. Pure: JSON bytes in
and out. Most of a document is the list of files, which most commands do not need: it is read when it is asked for.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.channel import Channel, is_url, without_credentials
from envmgr.models.record import PYPI_PREFIX, WHEEL_EXTENSION, Origin, PackageRecord
from envmgr.prefix.asked import without_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_T = TypeVar("_T")

WHEELS = "envmgr/pypi"
"""Where the documents of wheels lie, below conda-meta/."""

# CEP 32, "link": how most files of the package came into the prefix.
HARDLINK, SOFTLINK, COPY = 1, 2, 3

_TEXTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL = msgspec.Raw(b"null")
_OURS = frozenset(
    {
        "channel", "extracted_package_dir", "files", "fn", "link", "package_tarball_full_path", "paths_data",
        "requested_spec", "requested_specs", "schannel", "url", "auth", "installed_system_menus", "dist_info",
    }
)  # fmt: skip


class Listing:
    """The files of an installed package: read from the document's own text when they are first asked for.

    Whoever asks gets a DataError, naming the document, where it lists what is no path inside an environment: who
    removes the package would delete it.
    """

    __slots__ = ("_files", "_paths", "_place", "_texts")

    def __init__(self, files: Sequence[str] = (), paths: Sequence[dict[str, Any]] = ()) -> None:
        self._files: tuple[str, ...] | None = tuple(files)
        self._paths: tuple[dict[str, Any], ...] | None = tuple(paths)
        self._texts, self._place = (b"", b""), ""

    @classmethod
    def unread(cls, files: bytes, paths_data: bytes, place: str) -> Listing:
        """From the JSON texts of ``files`` and ``paths_data`` in the document *place*."""
        listing = cls()
        listing._files = listing._paths = None
        listing._texts, listing._place = (files, paths_data), place
        return listing

    @property
    def files(self) -> tuple[str, ...]:
        """The paths that the package owns."""
        if self._files is None:
            listed = self._decoded(0, _listed)
            self._files = listed or tuple([entry["_path"] for entry in self._decoded(1, _path_entries)])
        return self._files

    @property
    def paths(self) -> tuple[dict[str, Any], ...]:
        """The entries of ``paths_data``, and one for each file that has none, at the places in the prefix."""
        if self._paths is None:
            self._paths = _placed(self._decoded(1, _path_entries), self.files)
        return self._paths

    def folders_with(self, name: str) -> set[str]:
        """The folders in which the package has a file called *name*: found in the text, without reading it."""
        if self._files is None:
            texts, mark = [bytes(text) for text in self._texts], f'/{name}"'.encode()
            if not any(b"\\" in text for text in texts):  # Nothing is spelt in another way.
                return {folder for text in texts for folder in _iter_folders(text, mark)}
        return {path.removesuffix(f"/{name}") for path in self.files if path.endswith(f"/{name}")}

    def check(self) -> None:
        """Read all of it now."""
        _ = self.files, self.paths

    def _decoded(self, which: int, read: Callable[[Any], _T]) -> _T:
        try:
            return read(msgspec.json.decode(self._texts[which]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise DataError(f"{self._place} is not a JSON object.", file=self._place) from None
        except DataError as error:
            raise DataError(f"{self._place}: {error}", file=self._place) from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Listing):
            return NotImplemented
        return (self.files, self.paths) == (other.files, other.paths)

    def __hash__(self) -> int:
        return hash(self.files)


class InstalledPackage(Struct, frozen=True):
    """A package in a prefix.

    ``requested`` are the specs that asked for it, and ``source`` the unpacked folder that it was linked from ("" if
    unknown). ``metadata`` is the ``.dist-info`` folder of a wheel, relative to the prefix.
    """

    record: PackageRecord
    listing: Listing
    requested: tuple[str, ...] = ()
    source: str = ""
    archive: str = ""
    link_type: int = HARDLINK
    metadata: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The paths that it owns; raises DataError as `Listing` does."""
        return self.listing.files

    @property
    def paths(self) -> tuple[dict[str, Any], ...]:
        """What is known of each of its files (CEP 32, ``paths_data``); raises DataError as `Listing` does."""
        return self.listing.paths

    @property
    def has_sums(self) -> bool:
        """Whether anything is known of its files beside their places."""
        return any(entry.get("sha256") or entry.get("sha256_in_prefix") for entry in self.paths)

    @property
    def document_name(self) -> str:
        """The path of its document below conda-meta/.

        That of a wheel lies where conda, mamba and pixi read none: for them it is what pip installed.
        """
        if self.record.is_pypi:
            return f"{WHEELS}/{self.record.shown_name}-{self.record.version}.json"
        return f"{self.record.dist_name}.json"


def package_name(document_name: str) -> str:
    """The name of the package whose document is called so below conda-meta/.

    >>> package_name("envmgr/pypi/requests-2.34.2.json"), package_name("python-3.12.0-h1_0.json")
    ('pypi:requests', 'python')
    """
    stem = document_name.removesuffix(".json")
    if stem.startswith(f"{WHEELS}/"):
        return f"{PYPI_PREFIX}{stem[len(WHEELS) + 1 :].rpartition('-')[0]}"
    return stem.rsplit("-", 2)[0]


def read_document(data: bytes, place: str) -> InstalledPackage:
    """The package that the conda-meta document *data*, read from the file *place*, describes.

    Raises DataError naming *place* when it is no JSON object, or lacks a name or version.
    """
    try:
        texts = _TEXTS.decode(data)
        listing = Listing.unread(texts.pop("files", _NULL), texts.pop("paths_data", _NULL), place)
        document = {key: msgspec.json.decode(text) for key, text in texts.items()}
        own = {key: document[key] for key in document if key not in _OURS}
        record = PackageRecord.parse(own, fn=_text(document, "fn") or _file_name(document))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DataError(f"{place} is not a JSON object.", file=place) from None
    except DataError as error:
        raise DataError(f"{place}: {error}", file=place) from None
    record.placed(record.fn, _origin(document, record))
    try:
        _check_name(record)
        metadata = _metadata(document, record)
    except DataError as error:
        raise DataError(f"{place}: {error}", file=place) from None
    link = document.get("link")
    link = link if isinstance(link, dict) else {}
    link_type = link.get("type")
    return InstalledPackage(
        record,
        listing,
        requested=_requested(document, record.name),
        source=_text(document, "extracted_package_dir") or _text(link, "source"),
        archive=_text(document, "package_tarball_full_path"),
        link_type=link_type if isinstance(link_type, int) else HARDLINK,
        metadata=metadata,
    )


def write_document(package: InstalledPackage) -> bytes:
    """The conda-meta document of *package* (CEP 32), indented like conda's."""
    record = package.record
    document: dict[str, Any] = record.to_dict()
    document |= {
        "channel": record.origin.channel if record.origin else "",
        "subdir": record.subdir or (record.origin.subdir if record.origin else "noarch"),
        "fn": record.file_name,
        "url": record.url,
        "license": record.license or "",
        "constrains": record.constrains,
        "extracted_package_dir": package.source,
        "package_tarball_full_path": package.archive,
        "link": {"source": package.source, "type": package.link_type},
        "files": list(package.files),
        "paths_data": {"paths": list(package.paths), "paths_version": 1},
        "requested_specs": list(package.requested),
    }
    if record.is_pypi:
        # Nobody else reads it, and it may be long.
        return msgspec.json.encode({**document, "dist_info": package.metadata})
    if package.requested:
        # The older form of the same; what nobody asked for does not have it.
        document["requested_spec"] = package.requested[0]
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


def _iter_folders(text: bytes, mark: bytes) -> Iterator[str]:
    """What stands between a quotation mark and each *mark* in JSON without escapes."""
    end = text.find(mark)
    while end >= 0:
        yield text[text.rfind(b'"', 0, end) + 1 : end].decode("utf-8", "replace")
        end = text.find(mark, end + 1)


def _path_entries(paths_data: Any) -> tuple[dict[str, Any], ...]:
    paths_data = paths_data or {}
    entries = (paths_data.get("paths") or []) if isinstance(paths_data, dict) else None
    if not isinstance(entries, list):
        raise DataError("paths_data does not hold a list of paths.")
    kept = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("_path"), str)]
    _check_paths([entry["_path"] for entry in kept], "paths_data")
    return tuple(kept)


def _placed(entries: tuple[dict[str, Any], ...], files: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """*entries* at the places of *files*, which are all that the package owns.

    Conda and older mambas name files of noarch Python packages as the package does, old documents have no entries.
    """
    named = {entry["_path"] for entry in entries}
    if len(named) == len(files) and named.issuperset(files):
        return entries
    left = [path for path in files if path not in named]
    place_of = {name: path for path in left for name in names_in_package(path)}
    placed = [{**each, "_path": place_of.get(each["_path"], each["_path"])} for each in entries]
    named = {entry["_path"] for entry in placed}
    # Python renews bytecode, and what is older than Python 3.2 keeps it beside the sources.
    placed += [
        {"_path": path, "path_type": "pyc_file"} if path.endswith(".pyc") else {"_path": path}
        for path in left
        if path not in named
    ]
    return tuple(placed)


def names_in_package(path: str) -> Iterator[str]:
    """How the package may call the file that is *path* in the prefix: noarch ones have two folders for Python's."""
    yield path
    path = path.replace("\\", "/")
    _, packages, below = path.partition("/site-packages/")
    if packages:
        yield f"site-packages/{below}"
    elif path.startswith(("bin/", "Scripts/")):
        yield f"python-scripts/{path.partition('/')[2]}"
    elif path.startswith(("include/python", "Include/")):
        # Wheels' headers lie in a folder of their own there.
        yield f"python-headers/{path.removeprefix('include/').split('/', 2)[-1]}"
    yield f"python-data/{path}"


def is_fitted(entry: dict[str, Any]) -> bool:
    """Whether the file of an entry of ``paths_data`` was made for its prefix, as entry points are.

    Mamba notes no placeholders, but sums from before and after they were replaced.
    """
    if entry.get("prefix_placeholder") or str(entry.get("path_type")).endswith("python_entry_point"):
        return True
    before, after = entry.get("sha256"), entry.get("sha256_in_prefix")
    return entry.get("path_type") != "softlink" and bool(before and after) and before != after


def _listed(files: Any) -> tuple[str, ...]:
    files = files or []
    if not isinstance(files, list):
        raise DataError("files is not a list of paths.")
    listed = [path for path in files if isinstance(path, str)]
    _check_paths(listed, "files")
    return tuple(listed)


def _check_paths(paths: list[str], key: str) -> None:
    for path in paths:
        # Most paths have nothing of this, and one look settles them.
        if not path or path[0] in "/." or "/." in path or "\0" in path:
            parts = path.split("/")
            if path[:1] in ("", "/") or "\0" in path or ".." in parts or set(parts) <= {"", "."}:
                raise DataError(f"{key} lists {path!r}, which is no path inside an environment.")


def _check_name(record: PackageRecord) -> None:
    if "/" in record.dist_name or "\0" in record.dist_name:
        raise DataError(f"{record.dist_name!r} is no name of a package.")


def _text(mapping: dict[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _file_name(document: dict[str, Any]) -> str:
    url = _text(document, "url").rpartition("/")[2]
    return url if url.endswith((".conda", ".tar.bz2", WHEEL_EXTENSION)) else ""


def _metadata(document: dict[str, Any], record: PackageRecord) -> str:
    """The wheel's folder; raises DataError for a document that tells none, or none inside the prefix."""
    if not record.is_pypi:
        return ""
    path = _text(document, "dist_info")
    _check_paths([path], "dist_info")
    return path


def _requested(document: dict[str, Any], name: str) -> tuple[str, ...]:
    # Conda writes the word None, and older files hold a single spec only.
    specs = document.get("requested_specs") or document.get("requested_spec")
    specs = specs if isinstance(specs, list) else [specs]
    asked = [spec for spec in specs if isinstance(spec, str) and spec not in ("", "None")]
    return tuple(without_archive(spec, name) if "::" in spec or "[" in spec else spec for spec in asked)


def _origin(document: dict[str, Any], record: PackageRecord) -> Origin | None:
    """From the URL where there is one; otherwise the channel's name stands in for it (mamba's older form)."""
    if record.is_pypi:
        return Origin(_text(document, "channel"), "noarch", _text(document, "url").rpartition("/")[0] + "/")
    return _origin_of(
        record.subdir or "noarch", _text(document, "channel"), _text(document, "url").rpartition("/")[0]
    )


# An environment's packages come from a few places.
@functools.lru_cache(maxsize=64)
def _origin_of(subdir: str, channel: str, base: str) -> Origin | None:
    base = without_credentials(base)
    if base and not is_url(channel):
        channel = base
    try:
        channel = Channel.parse(channel).url.removesuffix(f"/{subdir}")
    except DataError:
        return None
    return Origin(channel, subdir, f"{base or f'{channel}/{subdir}'}/")
