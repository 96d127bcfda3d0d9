"""What a reader finds wrong or odd in one file, kept until the whole file is read.

Problems end in one error: its text is the first problem by line and names the lines of the others, and its
fact ``problems`` lists every sentence. Warnings are sentences and never stop anything.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from envmgr.errors import DataError
from envmgr.models.document import quoted
from envmgr.models.requirement import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.models.yaml_document import Node

_LINES_SHOWN = 5


class Findings:
    """Collects problems and warnings about the file called *file*."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.warnings: list[str] = []
        self._problems: list[DataError] = []

    def place(self, node: Node) -> str:
        """`environment.yml:7`, where *node* begins."""
        return f"{self.file}:{node.line}"

    def source(self, node: Node) -> Source:
        """Where *node* begins, with its text."""
        return Source(self.file, node.line, node.text)

    def warn(self, node: Node, what: str) -> None:
        """Keep a warning; *what* is a clause without full stop."""
        end = "" if what.endswith("?") else "."
        self.warnings.append(f"{self.place(node)}: {what}{end}")

    def error(self, line: int, what: str, hint: str | None = None) -> DataError:
        """A problem as an error to be raised inside `attempt`."""
        return DataError(f"{self.file}:{line}: {what}.", hint=hint, file=self.file, line=line)

    def problem(self, line: int, what: str, hint: str | None = None) -> None:
        """Keep a problem and go on."""
        self._problems.append(self.error(line, what, hint))

    def expected(self, node: Node, subject: str, expected: str, hint: str | None = None) -> None:
        """Keep the problem that *subject* has the wrong shape."""
        self.problem(node.line, f"{subject} must be {expected}, found {node.describe()}", hint)

    def wrong_item(self, node: Node, expected: str) -> DataError:
        """The error for a list's item that is not *expected*, "a package spec" for instance."""
        if node.is_scalar and (node.kind == "null" or not node.text.strip()):
            return self.error(
                node.line, f"expected {expected}, found an empty item", "Remove it or fill it in."
            )
        hint = "Keep one `-` before each item." if node.kind == "list" else None
        if node.is_scalar:
            hint = f"Put quotes around {quoted(node.text)} if it is meant as text."
        return self.error(node.line, f"expected {expected}, found {node.describe()}", hint)

    @contextmanager
    def attempt(self, node: Node) -> Iterator[None]:
        """Keep a DataError that the block raises about *node*, so that reading goes on after it."""
        try:
            yield
        except DataError as error:
            error.facts.setdefault("line", node.line)
            self._problems.append(error)

    def raise_problems(self) -> None:
        """Raise one DataError for all problems; nothing happens when there are none."""
        if not self._problems:
            return
        ordered = sorted(self._problems, key=lambda problem: int(problem.facts["line"]))
        first, others = ordered[0], ordered[1:]
        if not others:
            raise first
        lines = list(dict.fromkeys(str(problem.facts["line"]) for problem in others))
        more = ", ".join(lines[:_LINES_SHOWN]) + (" ..." if len(lines) > _LINES_SHOWN else "")
        noun = "line" if len(lines) == 1 else "lines"
        message = f"{str(first).removesuffix('.')} (more problems on {noun} {more})."
        facts = {**first.facts, "problems": [str(problem) for problem in ordered]}
        raise DataError(message, hint=first.hint, **facts)
