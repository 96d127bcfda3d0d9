"""Activation in bash, zsh, dash, ash, ksh and other POSIX shells: one text for all of them.

It works under ``set -eu``, with aliases in the way (each command is written with a backslash) and whatever IFS and
the options for file names are. No program is started. Scripts of packages run without ``-e`` and ``-u``, which many
of them do not stand; both come back afterwards. Names of functions and variables begin with ``__envmgr_`` and
``_envmgr_``; none of the variables is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.activation.facts import Environment

SUFFIX = ".sh"
REFUSAL = "\\false\n"
"""What a shell evaluates to learn that there is nothing to evaluate."""

_LIBRARY = r"""
__envmgr_keep() {
  _envmgr_left=$1
  while :; do
    case $_envmgr_left in *" "*) ;; *) \break ;; esac
    _envmgr_name=${_envmgr_left%%" "*} _envmgr_left=${_envmgr_left#*" "}
    \eval "case \${$_envmgr_name+x} in
      x) $2$_envmgr_name=\$$_envmgr_name; \\export $2$_envmgr_name ;;
      *) \\unset $2$_envmgr_name ;;
    esac"
  done
}
__envmgr_give_back() {
  _envmgr_left=$1
  while :; do
    case $_envmgr_left in *" "*) ;; *) \break ;; esac
    _envmgr_name=${_envmgr_left%%" "*} _envmgr_left=${_envmgr_left#*" "}
    \eval "case \${$2$_envmgr_name+x} in
      x) $_envmgr_name=\$$2$_envmgr_name; \\export $_envmgr_name; \\unset $2$_envmgr_name ;;
      *) \\unset $_envmgr_name ;;
    esac"
  done
}
__envmgr_glob() {
  case ${ZSH_VERSION-} in ?*) \emulate -L sh; \setopt glob ;; esac
  _envmgr_found= _envmgr_count=0
  for _envmgr_script in "$1"/*.sh; do
    if \[ -f "$_envmgr_script" ]; then
      _envmgr_count=$((_envmgr_count + 1))
      case $2 in
        back) _envmgr_found="$_envmgr_script
$_envmgr_found" ;;
        *) _envmgr_found="$_envmgr_found$_envmgr_script
" ;;
      esac
    fi
  done
}
__envmgr_find() {
  _envmgr_options=
  case ${ZSH_VERSION-} in
    '')
      case $- in *f*) _envmgr_options=f; \set +f ;; esac
      case ${BASH_VERSION-} in
        ?*) if \shopt -q failglob; then _envmgr_options=${_envmgr_options}g; \shopt -u failglob; fi ;;
      esac ;;
  esac
  __envmgr_glob "$1" "$2"
  case $_envmgr_count in
    0 | 1) ;;
    *)
      case ${LC_ALL+x} in
        x) _envmgr_locale=$LC_ALL; LC_ALL=C; __envmgr_glob "$1" "$2"; LC_ALL=$_envmgr_locale ;;
        *) LC_ALL=C; __envmgr_glob "$1" "$2"; \unset LC_ALL ;;
      esac ;;
  esac
  case $_envmgr_options in *f*) \set -f ;; esac
  case $_envmgr_options in *g*) \shopt -s failglob ;; esac
}
__envmgr_source() {
  _envmgr_script=$1
  \shift
  \. "$_envmgr_script"
}
__envmgr_run() {
  __envmgr_find "$1" "$2"
  case $_envmgr_count in 0) \return 0 ;; esac
  \set --
  while :; do
    case $_envmgr_found in ?*) ;; *) \break ;; esac
    \set -- "$@" "${_envmgr_found%%"
"*}"
    _envmgr_found=${_envmgr_found#*"
"}
  done
  case $- in
    *e*u* | *u*e*) \set +eu; __envmgr_run_each "$@"; \set -eu ;;
    *e*) \set +e; __envmgr_run_each "$@"; \set -e ;;
    *u*) \set +u; __envmgr_run_each "$@"; \set -u ;;
    *) __envmgr_run_each "$@" ;;
  esac
  \return 0
}
__envmgr_run_each() {
  for _envmgr_script do
    __envmgr_source "$_envmgr_script"
  done
  \return 0
}
__envmgr_path() {
  case $1 in
    ?*)
      _envmgr_path=:${PATH-}:
      case $_envmgr_path in
        *:"$1":*)
          case $2 in
            '') _envmgr_path=${_envmgr_path%%:"$1":*}:${_envmgr_path#*:"$1":} ;;
            *) _envmgr_path=${_envmgr_path%%:"$1":*}:$2:${_envmgr_path#*:"$1":} ;;
          esac
          _envmgr_path=${_envmgr_path#:}
          PATH=${_envmgr_path%:}
          \export PATH
          \return 0 ;;
      esac ;;
  esac
  case $2 in
    ?*) PATH=$2${PATH:+:$PATH}; \export PATH ;;
  esac
}
__envmgr_prompt() {
  case ${PS1+x} in x) ;; *) \return 0 ;; esac
  case $PS1 in *POWERLINE_COMMAND*) \return 0 ;; esac
  case $1 in
    ?*) case $PS1 in *"$1"*) PS1=${PS1%%"$1"*}${PS1#*"$1"} ;; esac ;;
  esac
  PS1=$2$PS1
}
__envmgr_level() {
  case ${CONDA_PREFIX-} in '') _envmgr_level=0 ;; *) _envmgr_level=${CONDA_SHLVL-} ;; esac
  case $_envmgr_level in '' | *[!0123456789]* | ??????*) _envmgr_level=0 ;; esac
}
__envmgr_names() {
  \eval "_envmgr_names=\${__ENVMGR_VARS_$1-}"
}
__envmgr_tidy() {
  \unset _envmgr_left _envmgr_name _envmgr_names _envmgr_found _envmgr_count _envmgr_script _envmgr_options \
    _envmgr_locale _envmgr_path _envmgr_level _envmgr_below _envmgr_old _envmgr_new _envmgr_modifier _envmgr_stack \
    _envmgr_text _envmgr_code _envmgr_place
  \return 0
}
__envmgr_enter() {
  __envmgr_level
  case ${_envmgr_place-} in
    */conda-meta/envmgr/activate/activate.sh)
      \[ "$_envmgr_place" -ef "$1/conda-meta/envmgr/activate/activate.sh" ] || _envmgr_place=moved ;;
  esac
  if \[ ! -f "$1/conda-meta/history" ] || \[ "${_envmgr_place-}" = moved ]; then
    \printf 'envmgr: this script belongs to the environment at %s, which was moved, copied or removed.\n' "$1" >&2
    \printf '  hint: envmgr shell-hook -p PREFIX activates a moved one and writes its script anew.\n' >&2
    __envmgr_tidy
    \return 1
  fi
  _envmgr_modifier=${CONDA_PROMPT_MODIFIER-} _envmgr_old=${CONDA_PREFIX-} _envmgr_below=$_envmgr_level
  case $_envmgr_level in
    0) _envmgr_old= ;;
    *)
      __envmgr_names "$_envmgr_level"
      case $_envmgr_old in "$1") _envmgr_stack=again ;; *) _envmgr_stack=${5-} ;; esac
      case $_envmgr_stack in
        again)
          _envmgr_below=$((_envmgr_level - 1))
          __envmgr_run "$1/etc/conda/deactivate.d" back
          __envmgr_give_back "$_envmgr_names" "__CONDA_SHLVL_${_envmgr_below}_" ;;
        stack)
          \export "CONDA_PREFIX_$_envmgr_level=$_envmgr_old" "CONDA_STACKED_$((_envmgr_level + 1))=true"
          _envmgr_old= ;;
        *)
          __envmgr_run "$_envmgr_old/etc/conda/deactivate.d" back
          \export "CONDA_PREFIX_$_envmgr_level=$_envmgr_old"
          __envmgr_keep "$_envmgr_names" "__ENVMGR_KEPT_${_envmgr_level}_"
          __envmgr_give_back "$_envmgr_names" "__CONDA_SHLVL_$((_envmgr_level - 1))_" ;;
      esac ;;
  esac
  _envmgr_level=$((_envmgr_below + 1))
  __envmgr_path "${_envmgr_old:+$_envmgr_old/bin}" "$1/bin"
  __envmgr_keep "$4" "__CONDA_SHLVL_${_envmgr_below}_"
  __envmgr_values
  \export "__ENVMGR_VARS_$_envmgr_level=$4" "CONDA_PREFIX=$1" "CONDA_SHLVL=$_envmgr_level" \
    "CONDA_DEFAULT_ENV=$2" "CONDA_PROMPT_MODIFIER=$3"
  __envmgr_prompt "$_envmgr_modifier" "$3"
  __envmgr_run "$1/etc/conda/activate.d" forward
  __envmgr_tidy
}
__envmgr_leave() {
  __envmgr_level
  case $_envmgr_level in 0) __envmgr_tidy; \return 0 ;; esac
  _envmgr_modifier=${CONDA_PROMPT_MODIFIER-} _envmgr_old=$CONDA_PREFIX _envmgr_new= _envmgr_stack=
  __envmgr_run "$_envmgr_old/etc/conda/deactivate.d" back
  _envmgr_below=$((_envmgr_level - 1))
  __envmgr_names "$_envmgr_level"
  case $_envmgr_names in '') _envmgr_names="${1-}CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER " ;; esac
  __envmgr_give_back "$_envmgr_names" "__CONDA_SHLVL_${_envmgr_below}_"
  \unset "__ENVMGR_VARS_$_envmgr_level"
  case $_envmgr_below in
    0) ;;
    *)
      \eval "_envmgr_new=\${CONDA_PREFIX_$_envmgr_below-} _envmgr_stack=\${CONDA_STACKED_$_envmgr_level-}"
      \unset "CONDA_PREFIX_$_envmgr_below" "CONDA_STACKED_$_envmgr_level" ;;
  esac
  case $_envmgr_new in
    '')
      __envmgr_path "$_envmgr_old/bin" ''
      \unset CONDA_PREFIX
      _envmgr_below=0 ;;
    *)
      \export "CONDA_PREFIX=$_envmgr_new"
      case $_envmgr_stack in
        ?*) __envmgr_path "$_envmgr_old/bin" '' ;;
        *)
          __envmgr_path "$_envmgr_old/bin" "$_envmgr_new/bin"
          __envmgr_names "$_envmgr_below"
          __envmgr_keep "$_envmgr_names" "__CONDA_SHLVL_$((_envmgr_below - 1))_"
          __envmgr_give_back "$_envmgr_names" "__ENVMGR_KEPT_${_envmgr_below}_" ;;
      esac
      case ${CONDA_DEFAULT_ENV+x} in
        x) ;;
        *)
          case ${_envmgr_new%/*} in
            */envs) CONDA_DEFAULT_ENV=${_envmgr_new##*/} ;;
            *) CONDA_DEFAULT_ENV=$_envmgr_new ;;
          esac
          CONDA_PROMPT_MODIFIER="($CONDA_DEFAULT_ENV) "
          \export CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER ;;
      esac ;;
  esac
  \export "CONDA_SHLVL=$_envmgr_below"
  __envmgr_prompt "$_envmgr_modifier" "${CONDA_PROMPT_MODIFIER-}"
  case $_envmgr_new/$_envmgr_stack in
    /*/) __envmgr_run "$_envmgr_new/etc/conda/activate.d" forward ;;
  esac
  __envmgr_tidy
}
__envmgr_refresh() {
  case ${CONDA_PREFIX-} in '') \return 0 ;; esac
  if \[ -r "$CONDA_PREFIX/conda-meta/envmgr/activate/activate.sh" ]; then
    \. "$CONDA_PREFIX/conda-meta/envmgr/activate/activate.sh"
  elif \[ ! -d "$CONDA_PREFIX" ]; then
    __envmgr_leave
  fi
}
\unalias envmgr 2>/dev/null || :
\eval 'envmgr() {
  case ${1-} in
    activate)
      case " $* " in *" -h "* | *" --help "*) __envmgr_program "$@"; \return ;; esac
      \shift
      _envmgr_text=$(__envmgr_program shell-hook posix --activate "$@") || {
        _envmgr_code=$?
        \unset _envmgr_text
        \return "$_envmgr_code"
      }
      \eval "$_envmgr_text" ;;
    deactivate)
      case $# in
        1) __envmgr_leave ;;
        *) __envmgr_program "$@" ;;
      esac ;;
    install | update | upgrade | remove | uninstall | rollback | env)
      __envmgr_program "$@" && __envmgr_refresh ;;
    *) __envmgr_program "$@" ;;
  esac
}'
"""


def quote(text: str) -> str:
    """*text* as one word.

    >>> print(quote("it's"))
    'it'"'"'s'
    """
    return "'" + text.replace("'", "'\"'\"'") + "'"


def hook(program: Sequence[str]) -> str:
    """The functions alone: ``envmgr`` knows ``activate`` and ``deactivate`` then, and hands on all else.

    *program* is the command that runs envmgr; with none the one on PATH is taken.
    """
    if not program:
        return f'{_LIBRARY}__envmgr_program() {{\n  \\command envmgr "$@"\n}}\n'
    first = quote(program[0])
    words = " ".join(map(quote, program))
    return (
        f'{_LIBRARY}__envmgr_program() {{\n  if \\[ -x {first} ]; then\n    {words} "$@"\n'
        '  else\n    \\command envmgr "$@"\n  fi\n}\n'
    )


_PLACE = r"""case ${BASH_VERSION:+b}${ZSH_VERSION:+z} in
  b) _envmgr_place=${BASH_SOURCE-} ;;
  z) \eval '_envmgr_place=${(%):-%x}' ;;
esac
"""


def activate(environment: Environment, program: Sequence[str] = (), *, stack: bool = False) -> str:
    """The text that activates *environment*; its status is 1 where the environment is gone."""
    words = [environment.prefix, environment.name, environment.modifier, environment.names]
    values = "\n".join(
        f"  {name}={quote(value)}; \\export {name}" for name, value in environment.assignments.items()
    )
    enter = " ".join(map(quote, words)) + (" stack" if stack else "")
    return f"{hook(program)}__envmgr_values() {{\n{values}\n}}\n{_PLACE}__envmgr_enter {enter}\n"


def deactivate(names: str, program: Sequence[str] = ()) -> str:
    """The text that deactivates what is active; *names* are its variables, if others activated it."""
    return f"{hook(program)}__envmgr_leave {quote(names)}\n"
