"""Completion in bash, from 4.0 on: the script, how the words that it passes are read, and how words are offered.

bash takes words apart at ``=`` and ``:``, also where these stand inside a word; the script puts them together by
looking at the line. What it is answered begins with a line that says what else may stand there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.completion.quoting import open_quote, posix_quoted, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SCRIPT = r"""_envmgr() {
  local IFS=$' \t\n' rest=${COMP_LINE:0:COMP_POINT} blank word prefix kind sign index
  local -a words=() lines=()
  for ((index = 0; index <= COMP_CWORD; index++)); do
    blank=${rest%%[![:space:]]*}
    rest=${rest#"$blank"}
    word=${COMP_WORDS[index]}
    if ((index == COMP_CWORD)); then word=$rest; fi
    rest=${rest#"$word"}
    if ((index == 0)) || [[ -n $blank ]]; then words+=("$word"); else words[${#words[@]}-1]+=$word; fi
  done
  word=${words[${#words[@]}-1]}
  COMPREPLY=()
  mapfile -t lines < <(__envmgr_answer "${words[@]:1}" 2>/dev/null </dev/null)
  kind=${lines[0]-}
  case $kind in
    files) compopt -o default 2>/dev/null ;;
    folders) compopt -o dirnames 2>/dev/null ;;
  esac
  COMPREPLY=("${lines[@]:1}")
  for sign in = :; do
    if [[ $word == *"$sign"* && $COMP_WORDBREAKS == *"$sign"* ]]; then
      prefix=${word%"${word##*"$sign"}"}
      word=${word#"$prefix"}
      COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
  done
  return 0
}
complete -F _envmgr envmgr
"""


def script(program: str) -> str:
    """What bash evaluates; *program* is the command that runs envmgr, as bash reads it."""
    return f'__envmgr_answer() {{\n  {program} completion bash --answer -- "$@"\n}}\n{_SCRIPT}'


def read_words(words: Sequence[str]) -> list[str]:
    """What the words mean that the script passes, as they were typed."""
    return list(map(unquoted, words))


def offered(values: Iterable[tuple[str, str]], word: str) -> list[str]:
    """The lines that offer *values* (each with what it is) in the place of *word*."""
    quote = open_quote(word)
    return [posix_quoted(value, quote) for value, _ in values]
