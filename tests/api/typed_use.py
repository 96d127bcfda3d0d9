"""How a program outside uses the API; mypy reads it in `make check`, and beside the installed wheel in its test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import envmgr

if TYPE_CHECKING:
    import sys
    from pathlib import Path

    if sys.version_info >= (3, 11):
        from typing import assert_type
    else:
        from typing_extensions import assert_type


class Warnings(envmgr.Reporter):
    """Keeps what it was warned of."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def warned(self, message: str) -> None:
        self.sentences.append(message)


def use(place: Path) -> list[str]:
    """Call everything."""
    session = envmgr.Session(reporter=Warnings(), offline=True)
    records = envmgr.solve(["python"], channels=["conda-forge"], platform="linux-64", session=session)
    created = envmgr.create(
        place, files=[place / "environment.yml"], options=envmgr.ResolveOptions(no_pin=True)
    )
    changed = envmgr.install("name", ["numpy"], dry_run=True)
    exported = envmgr.export("name", "requirements", override_channels=True, hashes=True)
    envmgr.export("name", "yaml", from_history=True, platforms=("linux-64", "win-64"), no_pin=True)
    if TYPE_CHECKING:
        assert_type(records, tuple[envmgr.PackageRecord, ...])
        assert_type(records[0].sha256, str | None)
        assert_type(created, envmgr.Created)
        assert_type(created.plan.link, tuple[envmgr.PackageRecord, ...])
        assert_type(changed.plan, envmgr.ChangePlan)
        assert_type(envmgr.update("name"), envmgr.Changed)
        assert_type(envmgr.remove("name", ["numpy"]).generation, int | None)
        assert_type(envmgr.remove_environment("name").done, bool)
        assert_type(envmgr.list_packages().packages, tuple[envmgr.PackageRecord, ...])
        assert_type(envmgr.list_environments()[0].name, str | None)
        assert_type(exported.left_out, tuple[str, ...])
        assert_type(envmgr.lock_files([place / "environment.yml"], platforms=["win-64"]), envmgr.Locked)
        assert_type(envmgr.check_lock(lockfile=place / "conda-lock.yml").is_current, bool)
        assert_type(envmgr.diff("name@3", place).found, tuple[envmgr.Difference, ...])
        assert_type(envmgr.adopt(place, prefer="conda").missing, tuple[str, ...])
    try:
        envmgr.solve(["nothing"])
    except envmgr.SolveError as error:
        return [*error.explanation, *error.proposals, error.hint or ""]
    envmgr.creat("a typo")  # type: ignore[attr-defined]
    envmgr.export("name", "docker")  # type: ignore[arg-type]
    return [record.channel for record in records]
