"""Has pip resolve a request where there is no uv: a dry run with a report, in the environment's own Python.

pip knows only the Python that it runs with, so the target must be that one; it takes the best version of all
indexes and cannot be given several versions to choose from. What conda provides reaches it as constraints with
the URLs of stub wheels.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.errors import ChannelError, PrefixError
from envmgr.pypi.index_options import PYPI
from envmgr.pypi.pip_report import read_report
from envmgr.pypi.resolution import PypiRefusal, PypiSolution
from envmgr.pypi.stubs import stub_candidates, stub_file_name, stub_index
from envmgr.pypi.uv_text import Wording, read_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.ports import Finished, Runner
    from envmgr.pypi.index_options import IndexOptions
    from envmgr.pypi.requirement_files import Gathered
    from envmgr.pypi.resolution import PypiRequest
    from envmgr.pypi.tools import Tool

_LONGEST_SECONDS = 1800.0
_ANSWER_SECONDS = 20.0
_UNREACHABLE = re.compile(
    r"(NewConnectionError|Max retries exceeded|ConnectTimeout|HTTP error 5\d\d|SSLError)"
)


# pip's own variables that would install somewhere else than into the prefix.
_MISLEADING = (
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_REQUIREMENT",
)


def pip_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """*environ* without what would lead pip out of the prefix."""
    kept = {name: value for name, value in environ.items() if name not in _MISLEADING}
    return {**kept, "PYTHONNOUSERSITE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def resolve_with_pip(
    request: PypiRequest,
    gathered: Gathered,
    options: IndexOptions,
    tool: Tool,
    runner: Runner,
    environ: Mapping[str, str],
) -> PypiSolution | PypiRefusal:
    """As `envmgr.pypi.uv.resolve_with_uv`; ``request.prefix_python`` is not None.

    Raises PrefixError where that Python is not the target's, or where several candidates are to be chosen from.
    """
    _check_target(request, runner, environ)
    with tempfile.TemporaryDirectory(prefix="envmgr-pip-") as folder:
        place = Path(folder)
        _write(place, request, gathered, options)
        command = _command(place, request, options, tool)
        try:
            finished = runner.run(
                command,
                env={
                    **pip_environment(_without_options(environ)),
                    "PIP_CONFIG_FILE": str(place / "pip.conf"),
                },
                cwd=place,
                timeout_seconds=_LONGEST_SECONDS,
            )
        except OSError:
            raise ChannelError(f"pip did not end within {_LONGEST_SECONDS:.0f} seconds.") from None
        if finished.returncode != 0:
            return _refusal(finished, place, request, gathered, options, tool)
        index = options.default.shown if options.default else PYPI
        text = (place / "report.json").read_text(encoding="utf-8")
    reported = read_report(text, stub_candidates(request.provided, request.candidates), index)
    logins = [index.login_url(index.url) for index in options.all_indexes if index.user]
    return PypiSolution(
        tool=str(tool),
        wheels=reported.wheels,
        sources=reported.sources,
        answered=reported.stubs,
        requested=frozenset(line.name for line in gathered.requirements if line.name) | reported.requested,
        credential_urls=(*reported.written, *logins),
        warnings=("uv was not found; pip resolved, for one version of each conda package alone.",),
    )


def _without_options(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("PIP_")}


def _check_target(request: PypiRequest, runner: Runner, environ: Mapping[str, str]) -> None:
    probe = "import sys, sysconfig; print('%d.%d' % sys.version_info[:2], sys.platform)"
    try:
        answer = runner.run(
            [str(request.prefix_python), "-I", "-c", probe],
            env=dict(environ),
            timeout_seconds=_ANSWER_SECONDS,
        ).stdout.split()
    except OSError:
        answer = []
    wanted = [request.target.minor, request.target.markers["sys_platform"]]
    if answer != wanted:
        raise PrefixError(
            f"pip cannot resolve for Python {wanted[0]} on {request.target.subdir} from another Python.",
            hint="Install uv, for instance with `pip install envmgr[pypi]`.",
        )


def _write(place: Path, request: PypiRequest, gathered: Gathered, options: IndexOptions) -> None:
    stubs = stub_candidates(request.provided, {})
    for name, content in stub_index(stubs).items():
        path = place / "stubs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    lines = [
        ("-e " if line.editable else "")
        + line.text
        + "".join(f" --hash={each}" for each in line.hashes if not line.is_direct)
        for line in gathered.requirements
    ]
    lines += [f"-r {url}" for option, url in gathered.remote if option == "--requirement"]
    constraints = [*(line.text for line in gathered.constraints), *request.constraints]
    constraints += [
        f"{name} @ {(place / 'stubs' / name / stub_file_name(name, each[0].version)).as_uri()}"
        for name, each in stubs.items()
    ]
    # Preferences are no constraints for pip, so they are left out: it takes the newest.
    configured = [f"index-url = {options.default.written}"] if options.default else ["no-index = true"]
    configured += _gathered("extra-index-url", [index.written for index in options.indexes])
    configured += _gathered("find-links", options.find_links)
    configured += _gathered("trusted-host", options.trusted_hosts)
    configured += [f"cert = {options.cert}"] if options.cert else []
    configured += [f"proxy = {options.proxy}"] if options.proxy else []
    texts = {
        "requirements.txt": lines,
        "constraints.txt": constraints,
        "pip.conf": ["[global]", *configured],
    }
    for name, each in texts.items():
        (place / name).write_text("".join(f"{line}\n" for line in each), encoding="utf-8")


def _gathered(name: str, values: tuple[str, ...] | list[str]) -> list[str]:
    return [f"{name} =", *(f"    {value}" for value in values)] if values else []


def _command(place: Path, request: PypiRequest, options: IndexOptions, tool: Tool) -> list[str]:
    words = [*tool.command, "install", "--dry-run", "--ignore-installed", "--no-input"]
    words += ["--report", str(place / "report.json"), "-r", "requirements.txt", "-c", "constraints.txt"]
    for option, names in (("--only-binary", options.only_binary), ("--no-binary", options.no_binary)):
        words += [word for name in names for word in (option, name)]
    if not request.allow_sources and not options.only_binary:
        words += ["--only-binary", ":all:"]
    words += ["--pre"] if options.pre else []
    words += ["--require-hashes"] if options.require_hashes else []
    words += ["--no-index"] if request.offline and options.default is not None else []
    return words


def _refusal(
    finished: Finished,
    place: Path,
    request: PypiRequest,
    gathered: Gathered,
    options: IndexOptions,
    tool: Tool,
) -> PypiRefusal:
    output = finished.stderr
    stubs = {each.name: [each.version] for each in request.provided}
    private = {
        str(place): "",
        **{index.password: "***" for index in options.all_indexes if index.password},
        **{index.user: "***" for index in options.all_indexes if index.user and not index.password},
    }
    told = read_refusal(
        _plain(output) + _conflict(finished.stdout),
        Wording(request.target.python, stubs, gathered.requirements, private),
    )
    if _UNREACHABLE.search(output):
        raise ChannelError(
            f"pip could not reach an index: {told.reasons[-1] if told.reasons else 'no reason was told.'}"
        )
    words = {word.lower() for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", " ".join(told.reasons))}
    return PypiRefusal(
        tool=str(tool),
        reasons=told.reasons or ("pip ended without a reason.",),
        provided=frozenset(stubs.keys() & words),
        names=told.names,
        python="Requires-Python" in output or "different Python version" in output,
    )


def _plain(output: str) -> str:
    """pip's lines without its marks; each that is an error of its own becomes a sentence of its own."""
    kept = [
        line
        for line in output.splitlines()
        if not line.lstrip().startswith(("WARNING", "[notice]", "DEPRECATION"))
    ]
    return "\n".join(re.sub(r"^\s*ERROR: ", "error: ", line) for line in kept)


def _conflict(printed: str) -> str:
    """Who wants what, which pip tells among its progress: lines that begin with spaces, until an empty one."""
    told = printed.partition("The conflict is caused by:")[2].partition("To fix this")[0]
    return "".join(f"\nerror: {line.strip()}" for line in told.splitlines() if line.strip())
