"""Activation in fish, 3.0 or newer.

The modifier is shown by a wrapper around ``fish_prompt``, which is taken off again. fish sorts the names of files
by a rule of its own, so that several scripts in one folder are sorted by ``sort``; nothing else starts a program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.activation.facts import Environment

SUFFIX = ".fish"
REFUSAL = "false\n"

_LIBRARY = r"""
function __envmgr_keep
    for name in (string split --no-empty ' ' -- $argv[1])
        if set -q $name
            set -gx $argv[2]$name $$name
        else
            set -e -g $argv[2]$name
        end
    end
end
function __envmgr_give_back
    for name in (string split --no-empty ' ' -- $argv[1])
        set -l saved $argv[2]$name
        if set -q $saved
            set -gx $name $$saved
            set -e -g $saved
        else
            set -e -g $name
        end
    end
end
function __envmgr_run
    set -l found $argv[1]/*.fish
    if test (count $found) -gt 1
        set -l order
        test "$argv[2]" = back; and set order -r
        set found (string join0 -- $found | env LC_ALL=C sort -z $order | string split0)
    end
    for script in $found
        builtin source $script
    end
end
function __envmgr_path
    if test -n "$argv[1]"
        if set -l place (contains -i -- $argv[1] $PATH)
            if test -n "$argv[2]"
                set PATH[$place] $argv[2]
            else
                set -e PATH[$place]
            end
            set -gx PATH $PATH
            return
        end
    end
    test -n "$argv[2]"; and set -gx PATH $argv[2] $PATH
end
function __envmgr_status
    return $argv[1]
end
function __envmgr_prompt
    functions -q __conda_add_prompt __mamba_add_prompt; and return
    if test -n "$CONDA_PROMPT_MODIFIER"
        functions -q __envmgr_old_prompt; and return
        if functions -q fish_prompt
            functions -c fish_prompt __envmgr_old_prompt
        else
            function __envmgr_old_prompt
            end
        end
        function fish_prompt
            set -l code $status
            printf %s "$CONDA_PROMPT_MODIFIER"
            __envmgr_status $code
            __envmgr_old_prompt
        end
    else if functions -q __envmgr_old_prompt
        if functions fish_prompt | string match -q '*__envmgr_old_prompt*'
            functions -e fish_prompt
            functions -c __envmgr_old_prompt fish_prompt
        end
        functions -e __envmgr_old_prompt
    end
end
function __envmgr_level
    if test -n "$CONDA_PREFIX"; and string match -qr '^[0-9]{1,5}$' -- "$CONDA_SHLVL"
        echo $CONDA_SHLVL
    else
        echo 0
    end
end
function __envmgr_enter
    set -l prefix $argv[1]
    if not test -f $prefix/conda-meta/history; or test "$argv[6]" = moved
        echo "envmgr: this script belongs to the environment at $prefix, which was moved, copied or removed." >&2
        echo "  hint: envmgr shell-hook -p PREFIX activates a moved one and writes its script anew." >&2
        return 1
    end
    set -l level (__envmgr_level)
    set -l below $level
    set -l old
    if test $level -gt 0
        set -l names __ENVMGR_VARS_$level
        if test "$CONDA_PREFIX" = "$prefix"
            set below (math $level - 1)
            set old $prefix/bin
            __envmgr_run $prefix/etc/conda/deactivate.d back
            __envmgr_give_back "$$names" __CONDA_SHLVL_"$below"_
        else if test "$argv[5]" = stack
            set -gx CONDA_PREFIX_$level $CONDA_PREFIX
            set -gx CONDA_STACKED_(math $level + 1) true
        else
            set old $CONDA_PREFIX/bin
            __envmgr_run $CONDA_PREFIX/etc/conda/deactivate.d back
            set -gx CONDA_PREFIX_$level $CONDA_PREFIX
            __envmgr_keep "$$names" __ENVMGR_KEPT_"$level"_
            __envmgr_give_back "$$names" __CONDA_SHLVL_(math $level - 1)_
        end
    end
    __envmgr_path "$old" $prefix/bin
    __envmgr_keep $argv[4] __CONDA_SHLVL_"$below"_
    __envmgr_values
    set -gx __ENVMGR_VARS_(math $below + 1) $argv[4]
    set -gx CONDA_PREFIX $prefix
    set -gx CONDA_SHLVL (math $below + 1)
    __envmgr_prompt
    __envmgr_run $prefix/etc/conda/activate.d forward
    return 0
end
function __envmgr_leave
    set -l level (__envmgr_level)
    test $level -gt 0; or return 0
    set -l below (math $level - 1)
    set -l old $CONDA_PREFIX
    __envmgr_run $old/etc/conda/deactivate.d back
    set -l names __ENVMGR_VARS_$level
    if set -q $names
        __envmgr_give_back "$$names" __CONDA_SHLVL_"$below"_
        set -e -g $names
    else
        __envmgr_give_back "$argv[1]CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER " __CONDA_SHLVL_"$below"_
    end
    set -l before CONDA_PREFIX_$below
    set -l new $$before
    set -l flag CONDA_STACKED_$level
    set -l stacked $$flag
    set -e -g $before
    set -e -g $flag
    if test -z "$new"
        set below 0
        __envmgr_path $old/bin ''
        set -e -g CONDA_PREFIX
    else
        set -gx CONDA_PREFIX $new
        if test -n "$stacked"
            __envmgr_path $old/bin ''
        else
            __envmgr_path $old/bin $new/bin
            set -l names __ENVMGR_VARS_$below
            __envmgr_keep "$$names" __CONDA_SHLVL_(math $below - 1)_
            __envmgr_give_back "$$names" __ENVMGR_KEPT_"$below"_
        end
        if not set -q CONDA_DEFAULT_ENV
            set -gx CONDA_DEFAULT_ENV $new
            string match -q '*/envs/*' -- $new; and not string match -q '*/envs/*/*' -- $new
            and set -gx CONDA_DEFAULT_ENV (string replace -r '.*/' '' -- $new)
            set -gx CONDA_PROMPT_MODIFIER "($CONDA_DEFAULT_ENV) "
        end
    end
    set -gx CONDA_SHLVL $below
    __envmgr_prompt
    if test -n "$new"; and test -z "$stacked"
        __envmgr_run $new/etc/conda/activate.d forward
    end
    return 0
end
function envmgr
    set -l words $argv[2..-1]
    switch "$argv[1]"
        case activate
            if contains -- -h $words; or contains -- --help $words
                __envmgr_program $argv
                return
            end
            set -l text (__envmgr_program shell-hook fish --activate $words | string collect)
            set -l code $pipestatus[1]
            test $code -eq 0; or return $code
            eval $text
        case deactivate
            if test (count $argv) -eq 1
                __envmgr_leave
            else
                __envmgr_program $argv
            end
        case install update upgrade remove uninstall rollback env
            __envmgr_program $argv; or return
            if test -z "$CONDA_PREFIX"
            else if test -r $CONDA_PREFIX/conda-meta/envmgr/activate/activate.fish
                builtin source $CONDA_PREFIX/conda-meta/envmgr/activate/activate.fish
            else if not test -d $CONDA_PREFIX
                __envmgr_leave
            end
        case '*'
            __envmgr_program $argv
    end
end
"""


def quote(text: str) -> str:
    """*text* as one word.

    >>> print(quote("it's"))
    'it\\'s'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def hook(program: Sequence[str]) -> str:
    """The functions alone; *program* is the command that runs envmgr, none for the one on PATH."""
    if not program:
        return f"{_LIBRARY}function __envmgr_program\n    command envmgr $argv\nend\n"
    words = " ".join(map(quote, program))
    return (
        f"{_LIBRARY}function __envmgr_program\n    if test -x {quote(program[0])}\n        {words} $argv\n"
        "    else\n        command envmgr $argv\n    end\nend\n"
    )


def activate(environment: Environment, program: Sequence[str] = (), *, stack: bool = False) -> str:
    """The text that activates *environment*; its status is 1 where the environment is gone."""
    script = f"{environment.prefix}/conda-meta/envmgr/activate/activate.fish"
    words = [environment.prefix, environment.name, environment.modifier, environment.names]
    words.append("stack" if stack else "")
    values = "\n".join(
        f"    set -gx {name} {quote(value)}" for name, value in environment.assignments.items()
    )
    return (
        f"{hook(program)}function __envmgr_values\n{values}\nend\n"
        "function __envmgr_place\n"
        "    string match -q '*/conda-meta/envmgr/activate/activate.fish' -- $argv[1]; or return\n"
        f"    test $argv[1] -ef {quote(script)}; or echo moved\n"
        "end\n"
        f"__envmgr_enter {' '.join(map(quote, words))} (__envmgr_place (status filename))\n"
    )


def deactivate(names: str, program: Sequence[str] = ()) -> str:
    """The text that deactivates what is active; *names* are its variables, if others activated it."""
    return f"{hook(program)}__envmgr_leave {quote(names)}\n"
