"""Which cached packages are as they were published, looked at by two processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.models.package_files import PathEntry
from envmgr.packages.identity import RECORD_JSON
from envmgr.packages.intact import unchanged
from envmgr.packages.second_process import second_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    Package = tuple[str, Sequence[PathEntry]]


def package(folder: Path) -> Package:
    """A package of 700 files, complete: twelve are worth a fork."""
    (folder / "info").mkdir(parents=True)
    entries = [PathEntry(f"f{number}", sha256="0" * 64, size=1) for number in range(700)]
    for entry in entries:
        (folder / entry.path).write_text("x")
    (folder / RECORD_JSON).write_text("{}")
    return str(folder), entries


def test_packages_with_a_changed_or_missing_file_are_left_out(tmp_path: Path) -> None:
    packages = [package(tmp_path / f"p{number:02}") for number in range(12)]
    assert unchanged(packages) == {folder for folder, _ in packages}
    (tmp_path / "p00/f0").write_text("xy")
    (tmp_path / "p05/f699").unlink()
    (tmp_path / "p11/f150").write_text("")
    assert {folder for folder, _ in packages} - unchanged(packages) == {
        str(tmp_path / name) for name in ("p00", "p05", "p11")
    }


def children() -> str:
    """The numbers of this process's children, where the system tells."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return path.read_text() if path.exists() else ""


def test_answers_are_right_and_the_fork_ends_with_the_block() -> None:
    before = children()
    with second_process(lambda number: number % 3 == 0, 500) as known:
        answers = {number: known(number) for number in [*range(500), *range(500)]}
    told = {number: answer for number, answer in answers.items() if answer is not None}
    assert all(answer is (number % 3 == 0) for number, answer in told.items())
    assert children() == before


def test_a_fork_that_dies_leaves_the_questions_to_its_parent() -> None:
    mine = os.getpid()

    def ask(number: int) -> bool:
        if os.getpid() != mine and number < 90:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    with second_process(ask, 100) as known:
        answers = [known(number) or ask(number) for number in range(100)]
    assert answers == [True] * 100
