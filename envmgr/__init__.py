"""envmgr: a conda-style, multi-language environment manager.

`import envmgr` gives the Python API (docs/python-api.md), whose names are imported when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` is not imported for it.
if TYPE_CHECKING:
    from envmgr.api import (
        Adopted,
        BuildError,
        Changed,
        ChangePlan,
        ChannelError,
        Checked,
        ConfigError,
        Created,
        CreatePlan,
        DataError,
        Difference,
        Differences,
        EnvmgrError,
        Exported,
        KnownEnvironment,
        Listed,
        Locked,
        PackageRecord,
        Phase,
        PrefixError,
        RemovedEnvironment,
        Reporter,
        ResolveOptions,
        Session,
        SolveError,
        UsageError,
        adopt,
        check_lock,
        create,
        diff,
        export,
        install,
        list_environments,
        list_packages,
        lock_files,
        remove,
        remove_environment,
        solve,
        update,
    )

__version__ = "0.1.0"

__all__ = [
    "Adopted",
    "BuildError",
    "ChangePlan",
    "Changed",
    "ChannelError",
    "Checked",
    "ConfigError",
    "CreatePlan",
    "Created",
    "DataError",
    "Difference",
    "Differences",
    "EnvmgrError",
    "Exported",
    "KnownEnvironment",
    "Listed",
    "Locked",
    "PackageRecord",
    "Phase",
    "PrefixError",
    "RemovedEnvironment",
    "Reporter",
    "ResolveOptions",
    "Session",
    "SolveError",
    "UsageError",
    "__version__",
    "adopt",
    "check_lock",
    "create",
    "diff",
    "export",
    "install",
    "list_environments",
    "list_packages",
    "lock_files",
    "remove",
    "remove_environment",
    "solve",
    "update",
]


if not TYPE_CHECKING:  # Type checkers know the names from above, and all others as mistakes.

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'envmgr' has no attribute {name!r}")
        from envmgr import api

        value = globals()[name] = getattr(api, name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
