"""Activation in tcsh and csh, which have no functions and whose ``eval`` takes one line.

So there are two files to be sourced: one activates; the other deactivates, and ``envmgr`` becomes an alias that
sources it with the words that were typed. What `eval` gets is the one line that sources a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.activation.facts import Environment

SUFFIX = ".csh"
REFUSAL = "false;\n"

# Blocks that stand in several places, because csh cannot call them.
_KEEP = """\
foreach _envmgr_name ( $_envmgr_names )
  eval 'set _envmgr_is = $?'"$_envmgr_name"
  if ( $_envmgr_is ) then
    eval 'setenv '"$_envmgr_saved$_envmgr_name"' "$'"$_envmgr_name"':q"'
  else
    unsetenv $_envmgr_saved$_envmgr_name
  endif
end
"""
_GIVE_BACK = """\
foreach _envmgr_name ( $_envmgr_names )
  eval 'set _envmgr_is = $?'"$_envmgr_saved$_envmgr_name"
  if ( $_envmgr_is ) then
    eval 'setenv '"$_envmgr_name"' "$'"$_envmgr_saved$_envmgr_name"':q"'
    unsetenv $_envmgr_saved$_envmgr_name
  else
    unsetenv $_envmgr_name
  endif
end
"""
_NAMES = """\
set _envmgr_names = ()
eval 'set _envmgr_is = $?__ENVMGR_VARS_'"$_envmgr_which"
if ( $_envmgr_is ) then
  eval 'set _envmgr_names = ( $__ENVMGR_VARS_'"$_envmgr_which )"
endif
"""
_LIST = (
    'LC_ALL=C; set --; for f in "$__ENVMGR_FOLDER"/*.csh; do if test -f "$f"; then '
    'if test "$__ENVMGR_BACK" = 1; then set -- "$f" "$@"; else set -- "$@" "$f"; fi; fi; done; '
    'for f do printf "%s\\n" "$f"; done'
)
_RUN = f"""\
set _envmgr_found = ()
if ( -d "$_envmgr_folder:q" ) then
  setenv __ENVMGR_FOLDER "$_envmgr_folder:q"
  setenv __ENVMGR_BACK $_envmgr_back
  setenv __ENVMGR_LIST '{_LIST}'
  set _envmgr_found = ( "`printenv __ENVMGR_LIST | /bin/sh`" )
  unsetenv __ENVMGR_FOLDER
  unsetenv __ENVMGR_BACK
  unsetenv __ENVMGR_LIST
endif
foreach _envmgr_script ( $_envmgr_found:q )
  if ( "x$_envmgr_script:q" != x ) source "$_envmgr_script:q"
end
"""
_PATH = """\
set _envmgr_path = ()
set _envmgr_is = 0
foreach _envmgr_name ( $path:q )
  if ( ! $_envmgr_is && "x$_envmgr_name:q" == "x$_envmgr_out:q" ) then
    set _envmgr_is = 1
    if ( "x$_envmgr_in:q" != x ) set _envmgr_path = ( $_envmgr_path:q "$_envmgr_in:q" )
  else
    set _envmgr_path = ( $_envmgr_path:q "$_envmgr_name:q" )
  endif
end
if ( ! $_envmgr_is && "x$_envmgr_in:q" != x ) set _envmgr_path = ( "$_envmgr_in:q" $_envmgr_path:q )
set path = ( $_envmgr_path:q )
"""
_PROMPT = """\
if ( $?prompt ) then
  if ( $?_envmgr_shown ) then
    if ( "x$prompt:q" == "x$_envmgr_shown:q" ) set prompt = "$_envmgr_prompt:q"
  endif
  set _envmgr_prompt = "$prompt:q"
  if ( $?CONDA_PROMPT_MODIFIER ) then
    set prompt = "$CONDA_PROMPT_MODIFIER:q$prompt:q"
  endif
  set _envmgr_shown = "$prompt:q"
endif
"""
_LEVEL = """\
set _envmgr_level = 0
if ( $?CONDA_PREFIX && $?CONDA_SHLVL ) then
  if ( "x$CONDA_PREFIX:q" != x && "$CONDA_SHLVL" =~ [0-9]* && "$CONDA_SHLVL" !~ *[^0-9]* ) then
    set _envmgr_level = $CONDA_SHLVL
  endif
endif
"""
# Only the last line of a sourced file, outside of any block, leaves a status.
_STATUS = "set status = $_envmgr_code\n"
_TIDY = """\
unset _envmgr_name _envmgr_names _envmgr_is _envmgr_saved _envmgr_which _envmgr_found _envmgr_script
unset _envmgr_folder _envmgr_back _envmgr_path _envmgr_in _envmgr_out _envmgr_level _envmgr_below _envmgr_old
unset _envmgr_new _envmgr_stacked _envmgr_prefix _envmgr_variables _envmgr_stack
"""


def _indented(text: str, depth: int) -> str:
    return "".join(f"{' ' * depth}{line}\n" for line in text.splitlines())


def _run(folder: str, *, back: bool, depth: int) -> str:
    return _indented(f'set _envmgr_folder = "{folder}"\nset _envmgr_back = {int(back)}\n{_RUN}', depth)


def _saved(block: str, saved: str, depth: int) -> str:
    return _indented(f"set _envmgr_saved = {saved}\n{block}", depth)


_LEAVE = f"""\
{_LEVEL}if ( $_envmgr_level > 0 ) then
  @ _envmgr_below = $_envmgr_level - 1
  set _envmgr_old = "$CONDA_PREFIX:q"
{_run("$_envmgr_old:q/etc/conda/deactivate.d", back=True, depth=2)}\
  set _envmgr_which = $_envmgr_level
{_indented(_NAMES, 2)}\
  if ( $#_envmgr_names == 0 ) set _envmgr_names = ( CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER )
{_saved(_GIVE_BACK, "__CONDA_SHLVL_${_envmgr_below}_", 2)}\
  unsetenv __ENVMGR_VARS_$_envmgr_level
  set _envmgr_new = ""
  set _envmgr_stacked = 0
  if ( $_envmgr_below > 0 ) then
    eval 'set _envmgr_is = $?CONDA_PREFIX_'"$_envmgr_below"
    if ( $_envmgr_is ) then
      eval 'set _envmgr_new = "$CONDA_PREFIX_'"$_envmgr_below"':q"'
    endif
    eval 'set _envmgr_stacked = $?CONDA_STACKED_'"$_envmgr_level"
    unsetenv CONDA_PREFIX_$_envmgr_below
    unsetenv CONDA_STACKED_$_envmgr_level
  endif
  set _envmgr_out = "$_envmgr_old:q/bin"
  set _envmgr_in = ""
  if ( "x$_envmgr_new:q" == x ) then
    set _envmgr_below = 0
    unsetenv CONDA_PREFIX
  else
    setenv CONDA_PREFIX "$_envmgr_new:q"
    if ( ! $_envmgr_stacked ) set _envmgr_in = "$_envmgr_new:q/bin"
  endif
{_indented(_PATH, 2)}\
  if ( "x$_envmgr_in:q" != x ) then
    set _envmgr_which = $_envmgr_below
    @ _envmgr_level = $_envmgr_below - 1
{_indented(_NAMES, 4)}\
{_saved(_KEEP, "__CONDA_SHLVL_${_envmgr_level}_", 4)}\
{_saved(_GIVE_BACK, "__ENVMGR_KEPT_${_envmgr_below}_", 4)}\
  endif
  if ( $_envmgr_below > 0 && ! $?CONDA_DEFAULT_ENV ) then
    setenv CONDA_DEFAULT_ENV "$_envmgr_new:q"
    if ( "$_envmgr_new:h:t" == envs ) setenv CONDA_DEFAULT_ENV "$_envmgr_new:t:q"
    setenv CONDA_PROMPT_MODIFIER "($CONDA_DEFAULT_ENV:q) "
  endif
  setenv CONDA_SHLVL $_envmgr_below
{_indented(_PROMPT, 2)}\
  if ( "x$_envmgr_in:q" != x ) then
{_run("$_envmgr_new:q/etc/conda/activate.d", back=False, depth=4)}\
  endif
endif
{_TIDY}"""

_ENTER = f"""\
{_LEVEL}set _envmgr_below = $_envmgr_level
set _envmgr_out = ""
if ( $_envmgr_level > 0 ) then
  set _envmgr_old = "$CONDA_PREFIX:q"
  set _envmgr_which = $_envmgr_level
  if ( "x$_envmgr_old:q" == "x$_envmgr_prefix:q" ) then
    @ _envmgr_below = $_envmgr_level - 1
    set _envmgr_out = "$_envmgr_prefix:q/bin"
{_run("$_envmgr_prefix:q/etc/conda/deactivate.d", back=True, depth=4)}\
{_indented(_NAMES, 4)}\
{_saved(_GIVE_BACK, "__CONDA_SHLVL_${_envmgr_below}_", 4)}\
  else if ( $_envmgr_stack ) then
    setenv CONDA_PREFIX_$_envmgr_level "$_envmgr_old:q"
    @ _envmgr_level = $_envmgr_level + 1
    setenv CONDA_STACKED_$_envmgr_level true
  else
    set _envmgr_out = "$_envmgr_old:q/bin"
{_run("$_envmgr_old:q/etc/conda/deactivate.d", back=True, depth=4)}\
    setenv CONDA_PREFIX_$_envmgr_level "$_envmgr_old:q"
{_indented(_NAMES, 4)}\
{_saved(_KEEP, "__ENVMGR_KEPT_${_envmgr_level}_", 4)}\
    @ _envmgr_level = $_envmgr_level - 1
{_saved(_GIVE_BACK, "__CONDA_SHLVL_${_envmgr_level}_", 4)}\
  endif
endif
@ _envmgr_level = $_envmgr_below + 1
set _envmgr_in = "$_envmgr_prefix:q/bin"
{_PATH}set _envmgr_names = ( $_envmgr_variables )
{_saved(_KEEP, "__CONDA_SHLVL_${_envmgr_below}_", 0)}"""


def quote(text: str) -> str:
    """*text* as one word: history marks and newlines need a backslash even within quotes.

    >>> print(quote("it's"))
    'it'"'"'s'
    """
    return "'" + text.replace("'", "'\"'\"'").replace("!", "\\!").replace("\n", "\\\n") + "'"


def _alias(script: str) -> str:
    """The alias ``envmgr``, which sources *script* with the words that were typed."""
    return f"alias envmgr {quote(f'source {quote(script)} words !*')}\n"


def _dispatch(program: Sequence[str]) -> str:
    """What the alias does with the words that were typed."""
    command = " ".join(map(quote, program)) if program else "env envmgr"
    check = f"if ( ! -x {quote(program[0])} ) set _envmgr_command = ( env envmgr )\n" if program else ""
    return f"""\
set _envmgr_command = ( {command} )
{check}shift argv
set _envmgr_first = ""
if ( $#argv > 0 ) set _envmgr_first = "$argv[1]:q"
if ( $#argv == 1 && "x$_envmgr_first:q" == xdeactivate ) then
  set _envmgr_do = leave
else if ( "x$_envmgr_first:q" == xactivate && "x$argv:q" !~ *-h* ) then
  shift argv
  set _envmgr_line = "`$_envmgr_command:q shell-hook csh --activate $argv:q`"
  set _envmgr_code = $status
  if ( $_envmgr_code == 0 ) then
    eval "$_envmgr_line:q"
    set _envmgr_code = $status
  endif
else
  $_envmgr_command:q $argv:q
  set _envmgr_code = $status
  if ( $_envmgr_code == 0 && "x$_envmgr_first:q" =~ x{{install,up*,remove,un*,rollback,env}} && $?CONDA_PREFIX) then
    if ( -r "$CONDA_PREFIX:q/conda-meta/envmgr/activate/activate.csh" ) then
      source "$CONDA_PREFIX:q/conda-meta/envmgr/activate/activate.csh"
    else if ( ! -d "$CONDA_PREFIX:q" ) then
      set _envmgr_do = leave
    endif
  endif
endif
unset _envmgr_command _envmgr_line _envmgr_first
"""


def hook(program: Sequence[str], script: str) -> str:
    """The text of the file *script*: ``envmgr`` becomes an alias that sources it; with ``leave`` it deactivates.

    *program* is the command that runs envmgr, none for the one on PATH.
    """
    return f"""\
{_alias(script)}set _envmgr_do = nothing
set _envmgr_code = 0
if ( $#argv > 0 ) then
  if ( "x$argv[1]" == xwords ) then
{_indented(_dispatch(program), 4)}\
  else if ( "x$argv[1]" == xleave ) then
    set _envmgr_do = leave
  endif
endif
if ( $_envmgr_do == leave ) then
{_indented(_LEAVE, 2)}\
endif
unset _envmgr_do
{_STATUS}"""


def sourced(script: str, word: str = "") -> str:
    """The one line for ``eval`` that sources the file *script*, with *word* for it."""
    return f"source {quote(script)} {word}".rstrip() + ";\n"


def activate(environment: Environment, script: str) -> str:
    """The text of a file that activates *environment*, with the word ``stack`` on top of what is active.

    *script* is the file that `hook` describes.
    """
    values = "".join(f"setenv {name} {quote(value)}\n" for name, value in environment.assignments.items())
    return f"""\
set _envmgr_prefix = {quote(environment.prefix)}
set _envmgr_variables = ( {environment.names})
set _envmgr_code = 0
set _envmgr_stack = 0
if ( $#argv > 0 ) then
  if ( "x$argv[1]" == xstack ) set _envmgr_stack = 1
endif
if ( ! -f "$_envmgr_prefix:q/conda-meta/history" ) then
  sh -c 'printf "envmgr: the environment at %s was moved or removed.\\n" "$1" >&2' sh "$_envmgr_prefix:q"
  set _envmgr_code = 1
else
{_alias(script)}\
{_indented(_ENTER, 2)}\
{values}\
setenv __ENVMGR_VARS_$_envmgr_level "$_envmgr_variables"
setenv CONDA_PREFIX "$_envmgr_prefix:q"
setenv CONDA_SHLVL $_envmgr_level
{_indented(_PROMPT, 2)}\
{_run("$_envmgr_prefix:q/etc/conda/activate.d", back=False, depth=2)}\
{_indented(_TIDY, 2)}\
endif
{_STATUS}"""
