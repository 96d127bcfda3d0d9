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

from msgspec import Struct

from envmgr.errors import ChannelError, PrefixError
from envmgr.models.credentials import without_credentials
from envmgr.models.package_index import pypi_url
from envmgr.pypi.git_login import with_git_login, without_git_login
from envmgr.pypi.index_options import host_url
from envmgr.pypi.login_file import git_file, login_file, logins_of_lines, with_logins
from envmgr.pypi.pip_report import read_report
from envmgr.pypi.resolution import PypiRefusal, PypiSolution
from envmgr.pypi.stubs import stub_candidates, stub_file_name, stub_index
from envmgr.pypi.uv_text import Wording, read_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.ports import Finished, Runner
    from envmgr.pypi.index_options import IndexOptions
    from envmgr.pypi.requirement_files import Gathered
    from envmgr.pypi.requirement_lines import RequirementLine
    from envmgr.pypi.resolution import Candidate, PypiRequest
    from envmgr.pypi.tools import Tool

_LONGEST_SECONDS = 1800.0
_ANSWER_SECONDS = 20.0
_MOST_ATTEMPTS = 12
_INSTALL_UV = "Install uv, for instance with `pip install envmgr[pypi]`."
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

    pip can be given one version of each conda package at a time, so *candidates* are tried from the best on, a few
    times. Raises PrefixError where that Python is not the target's, or where the request has what pip cannot do.
    """
    _check_target(request, runner, environ)
    _check_wishes(request)
    refusal: PypiRefusal | None = None
    for stubs in _stub_sets(request):
        for preferred in _preferences(request):
            with tempfile.TemporaryDirectory(prefix="envmgr-pip-", dir=request.work_dir) as folder:
                attempt = _Attempt(request, gathered, options, tool, Path(folder), stubs, preferred)
                outcome = attempt.outcome(runner, environ)
            if isinstance(outcome, PypiSolution):
                return outcome
            refusal = refusal or outcome
    assert refusal is not None, "there is at least one attempt"
    return refusal


def _stub_sets(request: PypiRequest) -> Iterator[Mapping[str, tuple[Candidate, ...]]]:
    """What conda provides, one version of each name: with candidates the best of all, then the next of all."""
    exact = stub_candidates(request.provided, {})
    rounds = max((len(versions) for versions in request.candidates.values()), default=1)
    for number in range(max(1, min(rounds, _MOST_ATTEMPTS))):
        chosen = {
            name: (versions[min(number, len(versions) - 1)],)
            for name, versions in request.candidates.items()
            if versions
        }
        yield {**exact, **chosen}


def _preferences(request: PypiRequest) -> list[Mapping[str, str]]:
    """What to keep, at first as if it must stay, then not: pip knows no preference in between."""
    kept = {name: version for name, version in request.preferred.items() if name not in request.upgrade}
    return [{}] if request.upgrade_all or not kept else [kept, {}]


def _check_wishes(request: PypiRequest) -> None:
    wish = "--exclude-newer" if request.exclude_newer_ms is not None else None
    wish = f"--strategy {request.strategy}" if request.strategy != "highest" else wish
    if wish is not None:
        raise PrefixError(f"pip cannot hold PyPI packages to {wish}.", hint=_INSTALL_UV)


class _Attempt(Struct, frozen=True):
    """One run of pip: with these versions of conda's distributions, and keeping these of PyPI's."""

    request: PypiRequest
    gathered: Gathered
    options: IndexOptions
    tool: Tool
    place: Path
    stubs: Mapping[str, tuple[Candidate, ...]]
    preferred: Mapping[str, str]

    def outcome(self, runner: Runner, environ: Mapping[str, str]) -> PypiSolution | PypiRefusal:
        """What pip says, in a folder of its own."""
        _write(self)
        find, lines = self.request.find_login, self.gathered.requirements
        logins = [*with_logins(self.options), *logins_of_lines(lines, find)]
        try:
            finished = runner.run(
                _command(self.place, self.request, self.options, self.tool),
                env={
                    **pip_environment(_without_options(environ)),
                    **git_file(self.place, [with_git_login(line.text, find) for line in lines], environ),
                    "PIP_CONFIG_FILE": str(self.place / "pip.conf"),
                    **login_file(self.place, logins, environ),
                },
                cwd=self.place,
                timeout_seconds=_LONGEST_SECONDS,
            )
        except OSError:
            raise ChannelError(f"pip did not end within {_LONGEST_SECONDS:.0f} seconds.") from None
        if finished.returncode != 0:
            return _refusal(finished, self)
        return self._solution((self.place / "report.json").read_text(encoding="utf-8"))

    def _solution(self, text: str) -> PypiSolution | PypiRefusal:
        index = self.options.default.shown if self.options.default else pypi_url()
        reported = read_report(text, self.stubs, index)
        # Sums of earlier requests are not pip's to check, as it would want sums of all.
        kept = {
            line.name: line for line in self.gathered.requirements if line.url_hashes and not line.is_direct
        }
        for wheel in reported.wheels:
            line = kept.get(wheel.shown_name)
            if line is not None and f"sha256:{wheel.sha256}" not in line.url_hashes:
                reason = f"no file of {line.name} has a sum that {line.source} allows."
                return PypiRefusal(
                    tool=str(self.tool), reasons=(reason,), names=frozenset((line.name or "",))
                )
        logins = [
            each.login_url(host_url(each.url)) for each in with_logins(self.options) if not each.is_stored
        ]
        named = frozenset(line.name for line in self.gathered.requirements if line.name)
        return PypiSolution(
            tool=str(self.tool),
            wheels=reported.wheels,
            sources=reported.sources,
            answered=reported.stubs,
            requested=named | reported.requested,
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
            hint=_INSTALL_UV,
        )


def _path_as_url(line: RequirementLine) -> str:
    """The line's text; a path with a space in it as a URL, since pip would end it there."""
    path, mark, marker = line.text.partition(" ; ")
    if not (line.is_direct and path.startswith("/") and " " in path):
        return line.text
    folder, bracket, extras = path.partition("[")
    return f"{Path(folder).as_uri()}{bracket}{extras}{mark}{marker}"


def _write(attempt: _Attempt) -> None:
    place, request, gathered, options = attempt.place, attempt.request, attempt.gathered, attempt.options
    stubs = attempt.stubs
    for name, content in stub_index(stubs).items():
        path = place / "stubs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    lines = [
        ("-e " if line.editable else "")
        + without_git_login(_path_as_url(line))
        + "".join(f" --hash={each}" for each in line.hashes if not line.is_direct)
        for line in gathered.requirements
    ]
    constraints = [*(line.text for line in gathered.constraints), *request.constraints]
    constraints += [
        f"{name} @ {(place / 'stubs' / name / stub_file_name(name, each[0].version)).as_uri()}"
        for name, each in stubs.items()
    ]
    constraints += [f"{name}=={version}" for name, version in attempt.preferred.items() if name not in stubs]
    configured = [f"index-url = {options.default.url}"] if options.default else ["no-index = true"]
    configured += _gathered("extra-index-url", [index.url for index in options.indexes])
    configured += _gathered("find-links", [without_credentials(each) for each in options.find_links])
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


def _refusal(finished: Finished, attempt: _Attempt) -> PypiRefusal:
    place, request, options = attempt.place, attempt.request, attempt.options
    output = finished.stderr
    stubs = {name: [each.version for each in versions] for name, versions in attempt.stubs.items()}
    private = {
        str(place): "",
        **{index.password: "***" for index in options.all_indexes if index.password},
        **{index.user: "***" for index in options.all_indexes if index.user and not index.password},
    }
    told = read_refusal(
        _plain(output) + _conflict(finished.stdout),
        Wording(request.target.python, stubs, attempt.gathered.requirements, private),
    )
    if _UNREACHABLE.search(output):
        raise ChannelError(
            f"pip could not reach an index: {told.reasons[-1] if told.reasons else 'no reason was told.'}"
        )
    words = {word.lower() for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", " ".join(told.reasons))}
    return PypiRefusal(
        tool=str(attempt.tool),
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
    told = re.split("To fix this|Additionally,", printed.partition("The conflict is caused by:")[2])[0]
    told = re.sub(r" \(from file:[^()\n]*\)", "", told)  # A stub's place.
    return "".join(f"\nerror: {line.strip()}" for line in told.splitlines() if line.strip())
