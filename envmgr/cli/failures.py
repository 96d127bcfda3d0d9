"""Shows how a command failed: one sentence, the lines that explain it, a hint; or one JSON object."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from envmgr.errors import EnvmgrError

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_failure(error: EnvmgrError, *, as_json: bool) -> None:
    """Tell *error* on standard error, or as JSON on standard output; never a credential of a URL."""
    facts: dict[str, Any] = _clean(error.facts)
    sentence = _clean(str(error))
    if as_json:
        from envmgr.cli.render import write_json

        said = {"success": False, "error": sentence, "exception_name": type(error).__name__}
        try:
            write_json({**facts, **said, "hint": error.hint})
            sys.stdout.flush()
        except OSError:
            as_json = False
    if not as_json:
        lines = [f"envmgr: {sentence}", *(f"  {line}" for line in facts.get("explanation", ()))]
        lines += _proposed(facts.get("proposals", ()))
        lines += [f"  hint: {error.hint}"] if error.hint else []
        sys.stderr.write("".join(f"{line}\n" for line in lines))


def _proposed(proposals: Sequence[dict[str, Any]]) -> list[str]:
    """What would work, one edit of the request a line."""
    return ["  what would work:", *(f"    {proposal['text']}" for proposal in proposals)] if proposals else []


def explained(error: BaseException) -> EnvmgrError:
    """An error that no operation worded, as one that a reader understands."""
    if isinstance(error, KeyboardInterrupt):
        return EnvmgrError("interrupted; nothing was left half-done.")
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return EnvmgrError(f"{place}{error.strerror or error}.", errno=error.errno)
    return EnvmgrError(
        f"envmgr has a defect: {type(error).__name__}: {error}.",
        hint="Please report it with the output of the same command under ENVMGR_TRACEBACK=1.",
    )


def _clean(value: Any) -> Any:
    """*value* without credentials, and with nothing that cannot be encoded."""
    from envmgr.models.channel import without_credentials_in_text

    if isinstance(value, str):
        return without_credentials_in_text(value).encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value]
    return value
