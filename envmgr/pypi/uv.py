"""Has uv resolve a request, in a private folder, and reads its lock or its refusal.

Wheels first: an index's source distributions are only taken for names that turn out to have no wheel that fits, and
only where the request allows it. Without that order a resolver goes back to releases of many years ago, whose
source distributions promise to work with anything.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from envmgr.errors import ChannelError, PrefixError
from envmgr.models.record import PYPI_PREFIX
from envmgr.pypi.git_login import with_git_login, without_git_login
from envmgr.pypi.index_options import host_url
from envmgr.pypi.login_file import git_file, login_file, logins_of_lines, write_private
from envmgr.pypi.pylock import LockReading, read_pylock
from envmgr.pypi.resolution import PypiRefusal, PypiSolution
from envmgr.pypi.stub_folder import stub_folder
from envmgr.pypi.stubs import stub_candidates
from envmgr.pypi.uv_command import (
    STUBS,
    Compile,
    compile_command,
    configuration,
    constraint_texts,
    output_file,
    preferences,
    uv_environment,
)
from envmgr.pypi.uv_text import Wording, read_refusal, read_users, read_warnings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.ports import Finished, Runner
    from envmgr.pypi.index_options import IndexOptions
    from envmgr.pypi.pylock import Locked
    from envmgr.pypi.requirement_files import Gathered
    from envmgr.pypi.requirement_lines import RequirementLine
    from envmgr.pypi.resolution import PypiRequest
    from envmgr.pypi.tools import Tool
    from envmgr.pypi.uv_text import Told

_LONGEST_SECONDS = 1800.0
_MOST_ROUNDS = 8
_EXTRA = re.compile(r"[Tt]he package `([A-Za-z0-9._-]+)[^`]*` does not have an extra named `([^`]+)`")


def resolve_with_uv(
    request: PypiRequest,
    gathered: Gathered,
    options: IndexOptions,
    tool: Tool,
    runner: Runner,
    environ: Mapping[str, str],
) -> PypiSolution | PypiRefusal:
    """As `envmgr.pypi.resolve.resolve_pypi`, for what was *gathered* from the items and their *options*."""
    with tempfile.TemporaryDirectory(prefix="envmgr-uv-", dir=request.work_dir) as folder:
        return _Resolution(request, gathered, options, tool, runner, environ, Path(folder)).outcome()


class _Resolution:
    def __init__(
        self,
        request: PypiRequest,
        gathered: Gathered,
        options: IndexOptions,
        tool: Tool,
        runner: Runner,
        environ: Mapping[str, str],
        folder: Path,
    ) -> None:
        self._request = request
        self._gathered = gathered
        self._options = options
        self._tool = tool
        self._runner = runner
        self._folder = folder
        self._stubs = stub_candidates(request.provided, request.candidates)
        url = None
        if self._stubs:
            url = stub_folder(self._stubs, request.stubs_dir or folder).as_uri()
        text = configuration(url, self._stubs, options, dated=self._is_dated(environ))
        written = [with_git_login(line.text, request.find_login) for line in gathered.requirements]
        self._environ = {
            **uv_environment(environ, request, options),
            **git_file(folder, written, environ),
            **login_file(folder, logins_of_lines(gathered.requirements, request.find_login), environ),
        }
        self._write(text)
        self._private = {
            url or str(folder): "conda",
            str(folder): "",
            STUBS: "conda",
            **{index.password: "***" for index in options.all_indexes if index.password},
            **{index.user: "***" for index in options.all_indexes if index.user and index.password is None},
        }

    def _is_dated(self, environ: Mapping[str, str]) -> bool:
        return self._request.exclude_newer_ms is not None or bool(environ.get("UV_EXCLUDE_NEWER"))

    def _write(self, configured: str) -> None:
        constraints = constraint_texts(
            self._request, self._options, (line.text for line in self._gathered.constraints)
        )
        lines = [
            ("-e " if line.editable else "") + without_git_login(line.text)
            for line in self._gathered.requirements
        ]
        texts = {
            "uv.toml": configured,
            "requirements.in": "".join(f"{line}\n" for line in lines),
            "constraints.txt": "".join(f"{line}\n" for line in constraints),
        }
        self._has_constraints = bool(constraints)
        for name, text in texts.items():
            write_private(self._folder / name, text)

    def outcome(self) -> PypiSolution | PypiRefusal:
        """Wheels first; then, round by round, sources of the names that have no wheel that fits."""
        wheels_alone = ":all:" not in self._options.no_binary
        buildable: tuple[str, ...] = ()
        for _ in range(_MOST_ROUNDS):
            finished = self._run(buildable, only_wheels=wheels_alone)
            if finished.returncode == 0 and self._request.only_users:
                return PypiSolution(tool=str(self._tool), users=read_users(self._answer()))
            if finished.returncode == 0:
                return self._solution(finished)
            told = read_refusal(finished.stderr or finished.stdout, self._wording)
            allowed = self._request.prefix_python is not None
            more = tuple(name for name in self._to_build(told) if allowed and name not in buildable)
            if not more:
                return self._refusal(told)
            buildable += more
        return self._refusal(told)

    def _to_build(self, told: Told) -> list[str]:
        """The names for which sources may be taken, after what uv said, where a Python can build them."""
        if not told.reasons:
            return []
        direct = {line.name for line in self._gathered.requirements if line.is_direct}
        names = [*told.build_disabled]
        if self._request.allow_sources and ":all:" not in self._options.only_binary:
            names += told.without_wheels
        barred = {*self._options.only_binary, *self._stubs} - direct
        return [name for name in names if name not in barred]

    def _run(self, buildable: tuple[str, ...], *, only_wheels: bool) -> Finished:
        answer = self._folder / output_file(self._request)
        answer.write_text(preferences(self._request), encoding="utf-8")
        run = Compile(
            uv=self._tool.command[0],
            python=str(self._request.prefix_python or sys.executable),
            folder=str(self._folder),
            only_wheels=only_wheels,
            buildable=buildable,
            has_constraints=self._has_constraints,
        )
        try:
            return self._runner.run(
                compile_command(run, self._request, self._options),
                env=self._environ,
                cwd=self._folder,
                timeout_seconds=_LONGEST_SECONDS,
            )
        except TimeoutError:
            raise ChannelError(f"uv did not end within {_LONGEST_SECONDS:.0f} seconds.") from None
        except OSError as error:
            raise PrefixError(f"{self._tool.command[0]} cannot be started: {error.strerror}.") from None

    def _answer(self) -> str:
        return (self._folder / output_file(self._request)).read_text(encoding="utf-8")

    @property
    def _lines(self) -> Sequence[RequirementLine]:
        return [*self._gathered.requirements, *self._gathered.constraints]

    @property
    def _wording(self) -> Wording:
        return Wording(
            self._request.target.python,
            {name: [each.version for each in versions] for name, versions in self._stubs.items()},
            self._lines,
            self._private,
        )

    def _solution(self, finished: Finished) -> PypiSolution | PypiRefusal:
        sums = self._sums()
        reading = LockReading(str(self._folder), self._stubs, self._request.target, self._options, sums)
        locked = read_pylock(self._answer(), reading)
        refused = [
            *(f"{name} has no file that runs on {self._place}." for name in locked.unfit),
            *(
                f"no file of {name} has a sum that {self._source_of(name)} allows."
                for name in locked.unsummed
            ),
            *self._without_sum(locked, sums),
        ]
        if refused:
            return PypiRefusal(tool=str(self._tool), reasons=tuple(refused), names=frozenset(locked.unsummed))
        pinned, said = self._pinned(), read_warnings(finished.stderr)
        extras = [found for text in said for found in _EXTRA.findall(text) if found[0] in self._stubs]
        hosts = [
            index.login_url(host_url(index.url))
            for index in self._options.all_indexes
            if index.user and not index.is_stored  # Those that are kept, every request finds by itself.
        ]
        return PypiSolution(
            tool=str(self._tool),
            wheels=locked.wheels,
            sources=locked.sources,
            answered=locked.stubs,
            requested=self._requested(locked),
            missing_extras=tuple(extras),
            credential_urls=(*locked.written, *hosts),
            uploaded={name: then for name, then in locked.uploaded.items() if name not in pinned},
            warnings=tuple(
                text for text in said if not any(name in self._stubs for name, _ in _EXTRA.findall(text))
            ),
        )

    def _pinned(self) -> frozenset[str]:
        """The names that lines hold to one version, so that there is no other to look for."""
        found = set()
        for line in self._lines:
            if line.name is not None and not line.is_direct:
                specifiers = Requirement(line.text).specifier
                if any(each.operator in ("==", "===") and "*" not in each.version for each in specifiers):
                    found.add(line.name)
        return frozenset(found)

    def _sums(self) -> dict[str, tuple[str, ...]]:
        """What sums each name's file may have: those that all its lines allow whose markers hold here."""
        found: dict[str, tuple[str, ...]] = {}
        for line in self._lines:
            if not (line.name and line.sums and self._counts(line)):
                continue
            before = found.get(line.name, line.sums)
            found[line.name] = tuple(each for each in before if each in line.sums)
        return found

    def _counts(self, line: RequirementLine) -> bool:
        """Whether the marker of *line*, if there is one, holds for the target."""
        marker = line.text.partition(" ;" if line.is_direct else ";")[2].strip()
        return not marker or self._request.target.marker_holds(marker)

    def _requested(self, locked: Locked) -> frozenset[str]:
        """The names that the items say, and those that only the projects behind paths and URLs could tell."""
        named = {line.name for line in self._gathered.requirements if line.name}
        if any(line.name is None for line in self._gathered.requirements):
            named |= {source.name for source in locked.sources if source.kind != "sdist"}
            named |= {
                record.name.removeprefix(PYPI_PREFIX)
                for record in locked.wheels
                if "direct_url" in record.extra
            }
        return frozenset(named)

    @property
    def _place(self) -> str:
        target = self._request.target
        return f"Python {target.python} on {target.subdir}"

    def _source_of(self, name: str) -> str:
        return next(
            (
                str(line.source)
                for line in self._lines
                if line.name == name and line.sums and self._counts(line)
            ),
            "its item",
        )

    def _without_sum(self, locked: Locked, sums: Mapping[str, object]) -> list[str]:
        """What should have a sum and has none; what is in the environment already came by earlier requests."""
        if not self._options.require_hashes and not any(line.hashes for line in self._lines):
            return []
        chosen = [(each.shown_name, each.version) for each in locked.wheels]
        chosen += [(each.name, each.version or "") for each in locked.sources]
        here = self._request.preferred.items()
        new = [name for name, version in chosen if name not in sums and (name, version) not in here]
        return [f"{name} has no --hash, which all need where one has." for name in new]

    def _refusal(self, told: Told) -> PypiRefusal:
        if told.unreachable is not None:
            hint = "Run the same once without --offline." if self._request.offline else None
            if told.wants_login:
                host = urlsplit(told.unreachable.partition(" ")[0]).netloc
                hint = f"Store a login with envmgr auth login {host}; those that stand in options are kept nowhere."
            raise ChannelError(told.unreachable, hint=hint)
        involved = told.names & self._stubs.keys()
        hint = told.hints[0] if told.hints else None
        if told.build_disabled and self._request.prefix_python is None:
            hint = "The environment needs a python before source distributions can be built."
        return PypiRefusal(
            tool=str(self._tool),
            reasons=told.reasons or ("uv ended without a reason.",),
            provided=frozenset(involved),
            names=told.names,
            python=told.python,
            hint=hint,
            to_build=frozenset(self._to_build(told) if self._request.prefix_python is None else ()),
            warnings=told.warnings,
        )
