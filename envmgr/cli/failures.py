"""Shows how a command failed: one sentence, the lines that explain it, a hint; or one JSON object."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from envmgr.errors import EnvmgrError, explained_os_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def print_failure(error: EnvmgrError, *, as_json: bool, words: Sequence[str] = ()) -> None:
    """Tell *error* on standard error, or as JSON on standard output; never a credential of a URL.

    *words* are those of the command line, which the error may quote. What a terminal would obey is spelt out; line
    breaks stay.
    """
    secrets = _secret_words(words)
    facts: dict[str, Any] = _clean(error.facts, secrets)
    sentence: str = _clean(str(error), secrets)
    # The text that shows how a login is written holds none.
    shows_login = error.hint is not None and "USER:PASSWORD@" in error.hint
    hint: str | None = error.hint if shows_login else _clean(error.hint, secrets)
    if as_json:
        from envmgr.cli.render import write_json

        said = {"success": False, "error": sentence, "exception_name": type(error).__name__}
        try:
            write_json({**facts, **said, "hint": hint})
            sys.stdout.flush()
        except OSError:
            as_json = False
    if not as_json:
        from envmgr.cli.style import styled
        from envmgr.models.visible_text import visible_lines

        lines = [sentence, *(f"  {line}" for line in facts.get("explanation", ()))]
        lines += _proposed(facts.get("proposals", ()))
        shown = [f"{styled('envmgr:', 'failure')} {visible_lines(lines[0])}", *map(visible_lines, lines[1:])]
        shown += [f"  {styled('hint:', 'hint')} {visible_lines(hint)}"] if hint else []
        sys.stderr.write("".join(f"{line}\n" for line in shown))


def _proposed(proposals: Sequence[dict[str, Any]]) -> list[str]:
    """What would work, one edit of the request a line."""
    return ["  what would work:", *(f"    {proposal['text']}" for proposal in proposals)] if proposals else []


def explained(error: BaseException) -> EnvmgrError:
    """An error that no operation worded, as one that a reader understands."""
    if isinstance(error, KeyboardInterrupt):
        return EnvmgrError("interrupted; nothing was left half-done.")
    if isinstance(error, OSError):
        return explained_os_error(error)
    from envmgr.cli.render import writes_utf8

    if isinstance(error, UnicodeEncodeError) and not writes_utf8(error.encoding):
        return EnvmgrError(
            f"{error.object[error.start]!r} has no place in {error.encoding}, the encoding of the output.",
            hint="Set PYTHONUTF8=1, or a locale that is UTF-8.",
        )
    return EnvmgrError(
        f"envmgr has a defect: {type(error).__name__}: {error}.",
        hint="Please report it with the output of the same command under ENVMGR_TRACEBACK=1.",
    )


def _secret_words(words: Sequence[str]) -> dict[str, str]:
    """Those of *words* that hold credentials, also behind a `--option=`, with what may be shown of them."""
    from envmgr.models.credentials import without_credentials_in_word

    found: dict[str, str] = {}
    for word in (part for whole in words for part in (whole, whole.partition("=")[2])):
        shown = without_credentials_in_word(word)
        if shown != word.strip():
            found[word] = shown
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def _clean(value: Any, secrets: Mapping[str, str]) -> Any:
    """*value* without credentials, and with nothing that cannot be encoded."""
    from envmgr.models.credentials import without_credentials_in_text

    if isinstance(value, str):
        for word, shown in secrets.items():
            value = value.replace(word, shown)
        return without_credentials_in_text(value).encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _clean(each, secrets) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(each, secrets) for each in value]
    return value
