"""Words a resolution for uv: its arguments, its configuration file and its variables (pure).

The configuration file is private to one run, and the only one that uv reads: what a project or user configured for
uv in files does not hold here. The URLs of its indexes have their logins, which are in no argument and no variable:
every list of processes shows the ones, and each program that uv starts inherits the others.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.pypi.index_options import TAKEN_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from envmgr.pypi.index_options import IndexOptions
    from envmgr.pypi.resolution import PypiRequest

OLDEST_UV: Final = (0, 9, 26)
STUBS: Final = "envmgr-conda"

# What would lead uv to other interpreters, files or projects than the ones that it is given.
_MISLEADING: Final = frozenset(
    ("UV_CONFIG_FILE", "UV_NO_CONFIG", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "UV_PROJECT",
     "UV_WORKING_DIR", "UV_WORKING_DIRECTORY", "UV_PROJECT_ENVIRONMENT", "UV_NO_BUILD", "UV_NO_BINARY",
     "UV_NO_BUILD_PACKAGE", "UV_NO_BINARY_PACKAGE", "UV_OFFLINE", "UV_CUSTOM_COMPILE_COMMAND", "UV_UNIVERSAL",
     "UV_MANAGED_PYTHON", "UV_NO_MANAGED_PYTHON", "UV_PYTHON_PREFERENCE", "UV_PYTHON_DOWNLOADS", "UV_FROZEN",
     "UV_PREVIEW", "UV_ENV_FILE", "UV_REQUIRE_HASHES", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME")
)  # fmt: skip


class Compile(Struct, frozen=True, kw_only=True):
    """One run: the program, the Python that it may use, and which names may or must be built.

    With *only_wheels* nothing of an index is built but *buildable*; files that were asked for by URL or path and
    have static metadata need no entry there.
    """

    uv: str
    python: str
    folder: str
    only_wheels: bool
    buildable: tuple[str, ...] = ()
    has_constraints: bool = False


def compile_command(run: Compile, request: PypiRequest, options: IndexOptions) -> list[str]:
    """The arguments; paths are relative to *run.folder*, where uv is started. They hold no secrets."""
    words = [run.uv, "pip", "compile", "requirements.in", "--config-file", "uv.toml"]
    if request.only_users:
        words += ["--format", "requirements.txt", "--annotation-style", "line"]
    else:
        words += ["--format", "pylock.toml"]
    words += ["--output-file", output_file(request), "--no-header"]
    words += ["--no-python-downloads", "--python", run.python]
    words += ["--python-version", request.target.python, "--python-platform", request.target.uv_platform]
    words += ["--resolution", request.strategy, "--index-strategy", options.strategy]
    if run.has_constraints:
        words += ["--constraints", "constraints.txt"]
    if options.pre:
        words += ["--prerelease", "allow"]
    if request.offline:
        words.append("--offline")
    if request.exclude_newer_ms is not None:
        words += ["--exclude-newer", moment(request.exclude_newer_ms)]
    only = (":all:",) if run.only_wheels else options.only_binary
    for name in only:
        words += ["--only-binary", name]
    for name in dict.fromkeys((*options.no_binary, *run.buildable)):
        words += ["--no-binary", name]
    return words


def moment(milliseconds: int) -> str:
    """A moment, in milliseconds since the Unix epoch, as uv reads it (RFC 3339, UTC)."""
    seconds = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return seconds.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"


def configuration(stubs: str | None, names: Collection[str], options: IndexOptions, *, dated: bool) -> str:
    """The text of ``uv.toml``, which holds the indexes' logins.

    *stubs* is the URL of the index of what conda provides, which comes first. *names* are the names in it; where
    files are chosen by date (*dated*), they are exempt, since that index knows no dates.
    """
    lines = ['python-downloads = "never"']
    if options.find_links:
        lines.append(f"find-links = {_toml(list(options.find_links))}")
    if options.trusted_hosts:
        lines.append(f"allow-insecure-host = {_toml(list(options.trusted_hosts))}")
    if dated and names:
        exempt = ", ".join(f"{_toml(name)} = false" for name in sorted(names))
        lines.append(f"exclude-newer-package = {{ {exempt} }}")
    if stubs is not None:
        lines += _index(STUBS, stubs, default=options.default is None)
    elif options.default is None:
        lines.append("no-index = true")
    for number, index in enumerate(options.all_indexes):
        name = index.name or f"envmgr-{number}"
        lines += _index(name, index.written, default=index is options.default)
    return "\n".join(lines) + "\n"


def _index(name: str, url: str, *, default: bool) -> list[str]:
    flag = ["default = true"] if default else []
    return ["[[index]]", f"name = {_toml(name)}", f"url = {_toml(url)}", *flag]


def uv_environment(environ: Mapping[str, str], request: PypiRequest, options: IndexOptions) -> dict[str, str]:
    """The variables of the child: the process's own, but for those that would mislead it."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _MISLEADING and name not in TAKEN_VARIABLES and not name.startswith("PIP_")
    }
    if "torch" in {*(each.name for each in request.provided), *request.candidates}:
        kept.pop("UV_TORCH_BACKEND", None)
    if options.cert:
        kept.setdefault("SSL_CERT_FILE", options.cert)
    if options.client_cert:
        kept.setdefault("SSL_CLIENT_CERT", options.client_cert)
    if options.proxy:
        kept.setdefault("HTTPS_PROXY", options.proxy)
        kept.setdefault("HTTP_PROXY", options.proxy)
    if request.target.macos is not None:
        kept["MACOSX_DEPLOYMENT_TARGET"] = request.target.macos
    return {**kept, "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "GIT_TERMINAL_PROMPT": "0"}


def output_file(request: PypiRequest) -> str:
    """The name of the file that uv writes its answer to, after reading there which versions to keep."""
    return "requirements.txt" if request.only_users else "pylock.toml"


def preferences(request: PypiRequest) -> str:
    """What says, in the form of the answer (PEP 751), which versions to keep where nothing speaks against them."""
    kept = {} if request.upgrade_all else request.preferred
    preferred = {name: version for name, version in kept.items() if name not in request.upgrade}
    if request.only_users:
        return "".join(f"{name}=={version}\n" for name, version in preferred.items())
    packages = "".join(
        f"\n[[packages]]\nname = {_toml(name)}\nversion = {_toml(version)}\n"
        for name, version in preferred.items()
    )
    return f'lock-version = "1.0"\ncreated-by = "envmgr"\n{packages or "packages = []"}\n'


def constraint_texts(request: PypiRequest, options: IndexOptions, written: Iterable[str]) -> list[str]:
    """Constraints of the items and of the caller, and what conda provides exactly.

    The last are said twice, by stubs and here, since ``--find-links`` and other index strategies pass the stubs by.
    """
    exact = [
        f"{each.name}=={each.version}"
        for each in request.provided
        if each.name not in request.candidates and (options.find_links or options.strategy != "first-index")
    ]
    return [*written, *request.constraints, *exact]


def _toml(value: str | list[str]) -> str:
    """A basic string or an array of them; JSON's escapes are TOML's."""
    return json.dumps(value, ensure_ascii=False)
