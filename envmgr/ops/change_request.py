"""What a change is asked to do, what it will do, and what it did: values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from envmgr.ops.request import Asked
from envmgr.ops.resolve import ResolveOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.ops.joint import PypiPart
    from envmgr.ops.python_requirements import Placement
    from envmgr.prefix.plan import Clobber
    from envmgr.solver.update import UpdateMode

Kind = Literal["install", "update", "remove", "rollback", "repair"]


class ChangeRequest(Struct, frozen=True):
    """What to change: *asked* are specs and files, of packages to go for a removal.

    ``mode`` says what may move (`envmgr.solver.update`); with ``prune``, what nothing needs goes. ``again`` are
    packages that are linked anew where they stay, all of those asked for with ``force``. ``generation`` is the
    one to go back to. With ``save``, the specs are written into the file that the environment came from.
    """

    kind: Kind
    asked: Asked = field(default_factory=Asked)
    name: str | None = None
    prefix: str | None = None
    options: ResolveOptions = field(default_factory=ResolveOptions)
    mode: UpdateMode = "keep"
    prune: bool = False
    force: bool = False
    save: bool = False
    again: frozenset[str] = frozenset()
    generation: int | None = None
    override_frozen: bool = False
    dry_run: bool = False
    download_only: bool = False
    copy: bool = False
    command_line: tuple[str, ...] = ()


class ChangePlan(Struct, frozen=True):
    """What a change will do, before it does anything: ``fetch`` is the part of ``link`` that is not cached.

    ``relink`` are packages that stay and whose files are linked anew, with why, as far as it is known before
    everything is fetched. ``clobbers`` tell who wins paths that several packages bring. ``before`` and ``after`` is
    all that the environment holds, and ``asked`` who was named now: from them `envmgr.ops.moves` tells why.
    ``pypi`` tells how the Python distributions in ``link`` were found, and what is built first; None where those
    stay as they are. ``placed`` tells what requirements of other tools' files became. ``requires`` has the
    Requires-Dist lines, by name, of the distributions from PyPI that are there, where any of them moves.
    ``depends`` is what a lock says that its archives need, by URL. ``notes_request``, ``sets_variables`` and
    ``adds_pins`` tell what is done besides, or alone where no package moves.
    """

    prefix: Path
    kind: Kind
    link: tuple[PackageRecord, ...]
    unlink: tuple[PackageRecord, ...]
    fetch: tuple[PackageRecord, ...]
    kept: int
    relink: tuple[tuple[PackageRecord, str], ...] = ()
    clobbers: tuple[Clobber, ...] = ()
    before: tuple[PackageRecord, ...] = ()
    after: tuple[PackageRecord, ...] = ()
    asked: tuple[Requirement, ...] = ()
    pypi: PypiPart | None = None
    placed: tuple[Placement, ...] = ()
    requires: Mapping[str, Sequence[str]] = field(default_factory=dict)
    depends: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    notes_request: bool = False
    sets_variables: bool = False
    adds_pins: bool = False

    @property
    def changes_nothing(self) -> bool:
        """Whether the environment is already as it should be, and nothing new is to be remembered of it."""
        return self.is_nothing and not (self.notes_request or self.sets_variables or self.adds_pins)

    @property
    def is_nothing(self) -> bool:
        """Whether no package moves."""
        return not (self.link or self.unlink or (self.pypi is not None and self.pypi.sources))


class Changed(Struct, frozen=True):
    """What was done; ``done`` is False for a dry run, a refusal by `confirm`, a download, or nothing to do.

    ``saved`` is the environment file that was written.
    """

    plan: ChangePlan
    done: bool
    messages: tuple[str, ...] = ()
    generation: int | None = None
    saved: Path | None = None
