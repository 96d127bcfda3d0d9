"""Makes a new prefix out of cached packages: what creations, renames and builds of sources share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import PrefixError
from envmgr.models.record import PYPI_PREFIX, is_pypi_name
from envmgr.prefix.generation import Asking, PypiIntent, SourceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.packages.unpacked import CachedPackage
    from envmgr.prefix.plan import PrefixPlan


def check_kinds(plan: PrefixPlan, context: Context) -> None:
    """Raises PrefixError where a Python distribution and a conda package bring the same path.

    With the setting ``pypi_path_conflicts: allow`` the last in the plan wins, as among conda packages.
    """
    if context.settings.pypi_path_conflicts == "allow":
        return
    for path, owners in plan.shared.items():
        wheels = [name.removeprefix(PYPI_PREFIX) for name in owners if is_pypi_name(name)]
        others = [name for name in owners if not is_pypi_name(name)]
        if wheels and others:
            raise PrefixError(
                f"{path} comes with {wheels[-1]} from PyPI and with the conda package {others[-1]}.",
                hint="Leave one of them out, or let the one from PyPI win with pypi_path_conflicts: allow.",
                path=path,
            )


class LinkRequest(Struct, frozen=True):
    """Where and how packages become a new prefix; ``requirements`` tell who was asked for by name.

    ``requested`` has further specs by name. ``pypi`` is what the environment is to hold of PyPI,
    ``source`` the file that it comes from, ``pins`` are lines for conda-meta/pinned.
    """

    prefix: Path
    subdir: str
    requirements: tuple[Requirement, ...] = ()
    requested: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    command_line: tuple[str, ...] = ()
    copy: bool = False
    registry: Path | None = None
    channels: tuple[str, ...] = ()
    asking: Asking = Asking()
    pypi: PypiIntent = PypiIntent()
    source: SourceFile | None = None
    compile_bytecode: bool = True


def link_packages(
    request: LinkRequest,
    packages: Mapping[PackageRecord, CachedPackage],
    context: Context,
    after_link: Callable[[Path], None] | None = None,
) -> tuple[str, ...]:
    """Make the prefix out of cached packages; returns the link scripts' messages."""
    from envmgr import __version__
    from envmgr.host.file_system import file_system_at
    from envmgr.prefix.apply import PrefixCreation, create_prefix
    from envmgr.prefix.plan import PackageToLink, plan_prefix

    asked: dict[str, list[str]] = {name: list(specs) for name, specs in request.requested.items()}
    for requirement in request.requirements:
        asked.setdefault(requirement.spec.name, []).append(str(requirement.spec))
    wanted = [
        PackageToLink(each.record, each.folder, each.archive, each.files, tuple(asked.get(record.name, ())))
        for record, each in packages.items()
    ]
    settings = context.settings
    plan = plan_prefix(
        (),
        wanted,
        prefix=str(request.prefix),
        subdir=request.subdir,
        file_system=file_system_at(request.prefix, request.subdir),
    )
    check_kinds(plan, context)
    creation = PrefixCreation(
        prefix=request.prefix,
        plan=plan,
        command_line=request.command_line,
        version=__version__,
        environ=context.environ,
        specs=tuple(str(requirement.spec) for requirement in request.requirements),
        variables=request.variables,
        pins=request.pins,
        link_scripts=settings.link_scripts,
        link_mode="copy" if request.copy else settings.linking,
        compile_bytecode=request.compile_bytecode,
        bytecode_caches=settings.pkgs_dirs,
        registry=request.registry,
        root_prefix=str(settings.root),
        channels=request.channels,
        asking=request.asking,
        pypi=request.pypi,
        source=request.source,
        strict=settings.durability == "power",
    )
    outcome = create_prefix(creation, context.runner, context.reporter, context.clock, after_link=after_link)
    return outcome.messages
