"""Completion in fish, from 3.0 on: the script, how the words that it passes are read, and lines to answer.

fish passes whole words without their quotes and the last one as it is typed, and quotes what it inserts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.completion.quoting import unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SCRIPT = r"""function __envmgr_complete
    set -l words (commandline -opc)
    # Of an empty line, string collect makes two empty words in fish 3.6.
    set -l word (commandline -ct | string collect --allow-empty)[1]
    set -l lines (__envmgr_answer $words[2..-1] "$word" 2>/dev/null </dev/null)
    switch "$lines[1]"
        case files folders
            set -l prefix (string match -r -- '^--[^=]*=' "$word")
            set -l rest (string replace -r -- '^--[^=]*=' '' "$word")
            for path in (complete -C "'' $rest")
                if test "$lines[1]" = files; or string match -q -- '*/*' (string split -m 1 \t -- $path)[1]
                    printf '%s%s\n' "$prefix" "$path"
                end
            end
    end
    if set -q lines[2]
        printf '%s\n' $lines[2..-1]
    end
end
complete -c envmgr -f -a '(__envmgr_complete)'
"""


def script(program: str) -> str:
    """What fish evaluates, or has as ``envmgr.fish`` among its completions; *program* runs envmgr."""
    return f"function __envmgr_answer\n    {program} completion fish --answer -- $argv\nend\n{_SCRIPT}"


def read_words(words: Sequence[str]) -> list[str]:
    """What the words mean that the script passes: all but the last come without quotes."""
    return [*words[:-1], *(unquoted(word, escapes_in_single=True) for word in words[-1:])]


def offered(values: Iterable[tuple[str, str]], word: str) -> list[str]:  # noqa: ARG001 - all shells are asked alike.
    """The lines that offer *values*, each with what it is."""
    return [f"{value}\t{told}" if told else value for value, told in values]
