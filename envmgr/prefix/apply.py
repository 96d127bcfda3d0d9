"""Creates prefixes, all or nothing, and removes them.

`create_prefix` builds beside the final place and renames (see `envmgr.prefix.staging`); every placeholder is
replaced by the final path from the start. Link scripts and the caller's last step need that path, so they run
after the rename, under the marker. Any failure or interrupt removes the whole prefix again.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import PrefixError
from envmgr.ports import Phase
from envmgr.prefix.bytecode import Compiler
from envmgr.prefix.generation import Asking, Generation, PypiIntent, SourceFile, entry_of
from envmgr.prefix.history import Change
from envmgr.prefix.link import Linker
from envmgr.prefix.outcome import LinkOutcome, installed_package, sums_in_prefix
from envmgr.prefix.plan import clobber_sentences
from envmgr.prefix.registry import register, unregister
from envmgr.prefix.scripts import ScriptRunner
from envmgr.prefix.staging import Staging, remove_folder
from envmgr.prefix.store import PrefixStore
from envmgr.prefix.target import check_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.ports import Clock, Reporter, Runner
    from envmgr.prefix.placing import LinkMode
    from envmgr.prefix.plan import PackageLink, PrefixPlan


class PrefixCreation(Struct, frozen=True):
    """What to create and how.

    *prefix* is absolute and equals ``plan.prefix``. *variables* go to conda-meta/state, *pins* to
    conda-meta/pinned, *command_line*, *version* (envmgr's) and *specs* (what the user asked for) to the
    history. *environ* is the process's environment, for scripts and the compiler. *link_scripts* is "run" or
    "refuse". *bytecode_caches* are folders with compiled Python files, *registry* is the list of environments
    to join; None for none. *channels* are the URLs that were searched, *asking* says what was written where,
    *pypi* what is to be held of PyPI, *source* from which file it came. With *strict* a loss of power is
    survived as a kill is.
    """

    prefix: Path
    plan: PrefixPlan
    command_line: tuple[str, ...]
    version: str
    environ: Mapping[str, str]
    specs: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    link_scripts: str = "run"
    link_mode: LinkMode = "auto"
    compile_bytecode: bool = True
    bytecode_caches: Sequence[Path] = ()
    registry: Path | None = None
    root_prefix: str = ""
    channels: tuple[str, ...] = ()
    asking: Asking = Asking()
    pypi: PypiIntent = PypiIntent()
    source: SourceFile | None = None
    strict: bool = False


class CreatedPrefix(Struct, frozen=True):
    """What creation has to tell: the *messages* of link scripts, each beginning with its package."""

    prefix: Path
    messages: tuple[str, ...]


def create_prefix(
    request: PrefixCreation,
    runner: Runner,
    reporter: Reporter,
    clock: Clock,
    after_link: Callable[[Path], None] | None = None,
) -> CreatedPrefix:
    """Create the prefix of *request*, completely or not at all.

    *after_link* is called with the final path when all packages are linked and their scripts have run; what
    it raises fails the creation. Raises PrefixError, naming what failed; the place is then as before.
    """
    check_path(request.prefix)
    check_scripts_allowed(request.plan, request.link_scripts)
    creation = _Building(request, runner, reporter, clock, Staging(request.prefix, strict=request.strict))
    with errors_explained(request.prefix):
        try:
            messages = creation.build(after_link)
        except BaseException:
            _discard(creation.staging, reporter)
            raise
        if request.registry is not None:
            register(request.registry, request.prefix, reporter.warned)
    return CreatedPrefix(request.prefix, tuple(messages))


class _Building(Struct):
    request: PrefixCreation
    runner: Runner
    reporter: Reporter
    clock: Clock
    staging: Staging

    def build(self, after_link: Callable[[Path], None] | None) -> list[str]:
        """All steps in order; the messages of scripts."""
        plan = self.request.plan
        for sentence in clobber_sentences(plan.clobbers):
            self.reporter.warned(sentence)
        self.staging.open()
        if any("pre-link" in link.scripts for link in plan.link):
            # Such a script gets to see the prefix before its package is there, and at its final path.
            self.staging.place()
        messages = self._link()
        self.staging.place()
        messages += self._run_scripts("post-link")
        if after_link is not None:
            after_link(self.request.prefix)
        self._write_history()
        self.staging.finish()
        return messages

    def _link(self) -> list[str]:
        plan = self.request.plan
        messages: list[str] = []
        linker = Linker(plan, str(self.staging.root), self.reporter, mode=self.request.link_mode)
        self.reporter.phase_started(Phase.LINK, plan.file_count)
        try:
            linker.make_folders()
            outcomes = linker.link_packages(
                before=lambda link: messages.extend(self._run_script(link, "pre-link"))
            )
            self._compile(outcomes)
            self._write_records(outcomes)
        finally:
            self.reporter.phase_finished(Phase.LINK)
        return messages

    def _compile(self, outcomes: dict[str, LinkOutcome]) -> None:
        request = self.request
        if not request.compile_bytecode:
            return
        compiler = Compiler(
            request.plan,
            str(self.staging.root),
            self.runner,
            self.reporter,
            request.environ,
            request.bytecode_caches,
            mode=request.link_mode,
        )
        for name, paths in compiler.compile().items():
            outcomes[name].bytecode = paths

    def _write_records(self, outcomes: dict[str, LinkOutcome]) -> None:
        store = PrefixStore(self.staging.root)
        sums = sums_in_prefix(self.request.plan.link, outcomes)
        for link in self.request.plan.link:
            store.write_record(installed_package(link, outcomes[link.name], sums, self.request.plan.subdir))
        if self.request.variables:
            store.write_variables(self.request.variables)
        if self.request.pins:
            store.add_pins(self.request.pins)

    def _run_scripts(self, action: str) -> list[str]:
        links = [link for link in self.request.plan.link if action in link.scripts]
        if not links:
            return []
        messages = []
        self.reporter.phase_started(Phase.SCRIPTS, len(links))
        try:
            for link in links:
                messages += self._run_script(link, action)
                self.reporter.phase_advanced(Phase.SCRIPTS, 1)
        finally:
            self.reporter.phase_finished(Phase.SCRIPTS)
        return messages

    def _run_script(self, link: PackageLink, action: str) -> list[str]:
        if action not in link.scripts:
            return []
        request = self.request
        scripts = ScriptRunner(
            self.runner, request.prefix, request.plan.subdir, request.environ, request.root_prefix
        )
        folder = link.package.folder if action == "pre-link" else None
        message = scripts.run(link.package.record, action, folder)
        return [f"{link.name}: {message}"] if message else []

    def _write_history(self) -> None:
        request = self.request
        linked = tuple(link.package.record for link in request.plan.link)
        moment = self.clock.now()
        store = PrefixStore(request.prefix)
        store.add_generation(self._generation(moment))
        store.add_history(
            Change(moment, request.command_line, request.version, linked, update_specs=request.specs)
        )

    def _generation(self, moment: float) -> Generation:
        request, plan = self.request, self.request.plan
        return Generation(
            number=PrefixStore(request.prefix).generations(newest=1).next_number,
            moment=moment,
            command=request.command_line,
            version=request.version,
            subdir=plan.subdir,
            prefix=plan.prefix,
            specs=request.specs,
            asking=request.asking,
            pypi=request.pypi,
            source=request.source,
            channels=request.channels,
            shared=plan.shared,
            packages=[entry_of(link.package.record, link.package.requested) for link in plan.link],
        )


def remove_prefix(prefix: Path, registry: Path, reporter: Reporter) -> None:
    """Remove the whole prefix and take it off *registry*; the first step takes it from its place."""
    with errors_explained(prefix, "removed"):
        remove_folder(prefix)
    unregister(registry, prefix, reporter.warned)


def check_scripts_allowed(plan: PrefixPlan, link_scripts: str) -> None:
    """Raise PrefixError for the first script that a package of *plan* brings and *link_scripts* refuses to run."""
    if link_scripts == "run":
        return
    for link in plan.link:
        refused = [action for action in link.scripts if action != "pre-unlink"]
        if refused:
            raise PrefixError(
                f"{link.name} has a {refused[0]} script, and the setting link_scripts refuses to run it.",
                hint="Allow scripts with link_scripts: run, or leave the package out.",
                package=link.name,
            )


def _discard(staging: Staging, reporter: Reporter) -> None:
    try:
        staging.discard()
    except OSError as error:
        reporter.warned(f"what was made of {staging.prefix} could not be removed: {error.strerror}.")


@contextmanager
def errors_explained(prefix: Path, done: str = "created") -> Iterator[None]:
    """Inside, an OSError becomes a PrefixError: *prefix* could not be *done*."""
    try:
        yield
    except OSError as error:
        raise _explained(error, prefix, done) from error


def _explained(error: OSError, prefix: Path, done: str) -> PrefixError:
    place = error.filename2 or error.filename or prefix
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return PrefixError(
            f"there is no space left for {prefix}: {error.strerror}.",
            hint="Free some space.",
            prefix=str(prefix),
        )
    if error.errno == errno.EXDEV:
        return PrefixError(
            f"{prefix} cannot be {done}: {place} is on another file system.",
            hint="Unmount what is mounted inside the environment.",
            prefix=str(prefix),
        )
    return PrefixError(f"{prefix} cannot be {done}: {place}: {error.strerror}.", prefix=str(prefix))
