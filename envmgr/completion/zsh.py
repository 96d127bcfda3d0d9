"""Completion in zsh: the script, which serves as a file on fpath too, how words are read, and lines to answer.

zsh quotes what it inserts itself, so words are passed as they are typed, and offered as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.completion.quoting import unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SCRIPT = r"""_envmgr() {
  local line kind
  local -a lines values shown
  lines=("${(@f)$(__envmgr_answer "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null </dev/null)}")
  kind=$lines[1]
  for line in "${(@)lines[2,-1]}"; do
    values+=("${line%%$'\t'*}")
    shown+=("${line/$'\t'/  -- }")
  done
  if (( $#values )); then
    if [[ "$lines" == *$'\t'* ]]; then compadd -l -d shown -a values; else compadd -a values; fi
  fi
  case $kind in
    files | folders)
      if [[ $PREFIX == --*=* ]]; then compset -P '*='; fi
      if [[ $kind == files ]]; then _files; else _files -/; fi ;;
  esac
}
if [[ ${funcstack[@]:0:1} == _envmgr ]]; then
  _envmgr "$@"
elif (( ${+functions[compdef]} )); then
  compdef _envmgr envmgr
fi
"""


def script(program: str) -> str:
    """What zsh evaluates, or has as ``_envmgr`` on fpath; *program* runs envmgr, as zsh reads it."""
    answer = f'__envmgr_answer() {{\n  {program} completion zsh --answer -- "$@"\n}}\n'
    return f"#compdef envmgr\n{answer}{_SCRIPT}"


def read_words(words: Sequence[str]) -> list[str]:
    """What the words mean that the script passes, as they were typed."""
    return list(map(unquoted, words))


def offered(values: Iterable[tuple[str, str]], word: str) -> list[str]:  # noqa: ARG001 - all shells are asked alike.
    """The lines that offer *values*, each with what it is."""
    return [f"{value}\t{told}" if told else value for value, told in values]
