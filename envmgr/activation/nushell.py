"""Activation in nushell, 0.100 or newer.

nushell reads a file only where its name is known before the line runs, so that packages' scripts cannot be sourced
by a command: those for POSIX shells (``.sh``) are run by ``/bin/sh``, and what they set is taken over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.activation.facts import Environment

SUFFIX = ".nu"
REFUSAL = "error make --unspanned {msg: 'envmgr: nothing was activated'}\n"

_LIBRARY = r"""
def __envmgr_vars [] {
    let texts = ($env | transpose name value | where {|row| ($row.value | describe) == 'string'})
    let path = ($env.PATH | str join (char esep))
    if ($texts | is-empty) { return {PATH: $path} }
    $texts | transpose --header-row --as-record | merge {PATH: $path}
}
def __envmgr_get [vars: record, name: string] {
    if $name in $vars { $vars | get $name } else { '' }
}
def __envmgr_without [vars: record, name: string] {
    if $name in $vars { $vars | reject $name } else { $vars }
}
def __envmgr_keep [vars: record, names: string, to: string] {
    $names | split row ' ' | where $it != '' | reduce --fold $vars {|name, all|
        let saved = ($to + $name)
        if $name in $all { $all | merge {$saved: ($all | get $name)} } else { __envmgr_without $all $saved }
    }
}
def __envmgr_give_back [vars: record, names: string, saved: string] {
    $names | split row ' ' | where $it != '' | reduce --fold $vars {|name, all|
        if ($saved + $name) in $all {
            __envmgr_without ($all | merge {$name: ($all | get ($saved + $name))}) ($saved + $name)
        } else {
            __envmgr_without $all $name
        }
    }
}
def __envmgr_run [vars: record, prefix: string, folder: string] {
    let place = $"($prefix)/etc/conda/($folder)"
    if not ($place | path exists) { return $vars }
    let sorted = (ls --all $place | get name | where {|name| $name | str ends-with '.sh'} | sort)
    if ($sorted | is-empty) { return $vars }
    let found = (if $folder == 'deactivate.d' { $sorted | reverse } else { $sorted })
    let code = 'for script do . "$script"; done >&2; exec env -0'
    let texts = ($vars | transpose name value | each {|row| $"($row.name)=($row.value)"})
    let rows = (^/usr/bin/env -i ...$texts /bin/sh -c $code envmgr ...$found | split row "\u{0}" | where $it != '')
    let after = ($rows | parse --regex '(?s)^(?<name>[^=]*)=(?<value>.*)$' | transpose --header-row --as-record)
    [_ SHLVL PWD OLDPWD] | reduce --fold $after {|name, all|
        if $name in $vars { $all | merge {$name: ($vars | get $name)} } else { __envmgr_without $all $name }
    }
}
def __envmgr_path [vars: record, old: list<string>, new: list<string>] {
    mut path = ($vars.PATH | split row (char esep))
    mut place = 0
    for folder in $old {
        let found = ($path | enumerate | where item == $folder)
        if not ($found | is-empty) {
            $place = ($found | get 0.index)
            $path = ($path | drop nth $place)
        }
    }
    $vars | merge {PATH: (($path | first $place) ++ $new ++ ($path | skip $place) | str join (char esep))}
}
def __envmgr_bins [prefix: string] {
    if $prefix == '' { return [] }
    if $nu.os-info.name != 'windows' { return [$"($prefix)/bin"] }
    let library = $"($prefix)\\Library"
    let systems = [ucrt64 clang64 mingw64 clangarm64]
    let own = ($systems | where {|name| $"($library)\\($name)" | path exists} | take 1)
    let inner = ($own ++ [mingw-w64 usr] | each {|name| $"($library)\\($name)\\bin"})
    [$prefix] ++ $inner ++ [$"($library)\\bin" $"($prefix)\\Scripts" $"($prefix)\\bin"]
}
def __envmgr_level [vars: record] {
    let number = (__envmgr_get $vars CONDA_SHLVL)
    if (__envmgr_get $vars CONDA_PREFIX) != '' and $number =~ '^[0-9]{1,5}$' { $number | into int } else { 0 }
}
def __envmgr_entered [given: record, facts: record] {
    let prefix = $facts.prefix
    if not ($"($prefix)/conda-meta/history" | path exists) {
        error make --unspanned {msg: $"envmgr: the environment at ($prefix) was moved or removed."}
    }
    mut vars = $given
    let level = (__envmgr_level $vars)
    mut below = $level
    mut old = ''
    if $level > 0 {
        let before = $vars.CONDA_PREFIX
        let names = (__envmgr_get $vars $"__ENVMGR_VARS_($level)")
        if $before == $prefix {
            $below = $level - 1
            $old = $prefix
            $vars = (__envmgr_run $vars $prefix deactivate.d)
            $vars = (__envmgr_give_back $vars $names $"__CONDA_SHLVL_($below)_")
        } else if $facts.stack {
            $vars = ($vars | merge {$"CONDA_PREFIX_($level)": $before, $"CONDA_STACKED_($level + 1)": 'true'})
        } else {
            $old = $before
            $vars = (__envmgr_run $vars $before deactivate.d | merge {$"CONDA_PREFIX_($level)": $before})
            $vars = (__envmgr_keep $vars $names $"__ENVMGR_KEPT_($level)_")
            $vars = (__envmgr_give_back $vars $names $"__CONDA_SHLVL_($level - 1)_")
        }
    }
    let names = ($facts.values | columns | each {|name| $name + ' '} | str join)
    $vars = (__envmgr_path $vars (__envmgr_bins $old) (__envmgr_bins $prefix))
    $vars = (__envmgr_keep $vars $names $"__CONDA_SHLVL_($below)_" | merge $facts.values)
    let now = ($below + 1 | into string)
    let shown = {$"__ENVMGR_VARS_($now)": $names, CONDA_PREFIX: $prefix, CONDA_SHLVL: $now}
    __envmgr_run ($vars | merge $shown) $prefix activate.d
}
def __envmgr_left [given: record, others: string] {
    mut vars = $given
    let level = (__envmgr_level $vars)
    if $level == 0 { return $vars }
    mut below = $level - 1
    let old = $vars.CONDA_PREFIX
    $vars = (__envmgr_run $vars $old deactivate.d)
    let listed = (__envmgr_get $vars $"__ENVMGR_VARS_($level)")
    let names = (if $listed == '' { $others + 'CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER' } else { $listed })
    $vars = (__envmgr_give_back $vars $names $"__CONDA_SHLVL_($below)_")
    let new = (__envmgr_get $vars $"CONDA_PREFIX_($below)")
    let back = (if $"CONDA_STACKED_($level)" in $vars { '' } else { $new })
    for name in [$"__ENVMGR_VARS_($level)" $"CONDA_PREFIX_($below)" $"CONDA_STACKED_($level)" CONDA_PREFIX] {
        $vars = (__envmgr_without $vars $name)
    }
    $vars = (__envmgr_path $vars (__envmgr_bins $old) (__envmgr_bins $back))
    if $new == '' {
        $below = 0
    } else {
        $vars = ($vars | merge {CONDA_PREFIX: $new})
        if $back != '' {
            let kept = (__envmgr_get $vars $"__ENVMGR_VARS_($below)")
            $vars = (__envmgr_keep $vars $kept $"__CONDA_SHLVL_($below - 1)_")
            $vars = (__envmgr_give_back $vars $kept $"__ENVMGR_KEPT_($below)_")
        }
        if 'CONDA_DEFAULT_ENV' not-in $vars {
            let is_named = (($new | path dirname | path basename) == 'envs')
            let name = (if $is_named { $new | path basename } else { $new })
            $vars = ($vars | merge {CONDA_DEFAULT_ENV: $name, CONDA_PROMPT_MODIFIER: $"\(($name)\) "})
        }
    }
    $vars = ($vars | merge {CONDA_SHLVL: ($below | into string)})
    if $back != '' { __envmgr_run $vars $back activate.d } else { $vars }
}
# Everything is set in one place: nushell forgets that a variable was hidden when a command was called before.
def --env __envmgr_apply [before: record, after: record] {
    for name in ($before | columns | where {|name| $name not-in $after}) { hide-env $name }
    for row in ($after | transpose name value) {
        if $row.name == 'PATH' {
            $env.PATH = ($row.value | split row (char esep))
        } else if (__envmgr_get $before $row.name) != $row.value or $row.name not-in $before {
            load-env {$row.name: $row.value}
        }
    }
    if (__envmgr_get $after CONDA_PROMPT_MODIFIER) != '' {
        if '__ENVMGR_PROMPT' not-in $env {
            let old = ($env.PROMPT_COMMAND? | default '')
            $env.__ENVMGR_PROMPT = [$old]
            $env.PROMPT_COMMAND = {||
                let rest = (if ($old | describe) == 'closure' { do $old } else { $old })
                $"($env.CONDA_PROMPT_MODIFIER? | default '')($rest)"
            }
        }
    } else if '__ENVMGR_PROMPT' in $env {
        $env.PROMPT_COMMAND = ($env.__ENVMGR_PROMPT | first)
        hide-env __ENVMGR_PROMPT
    }
}
def --env __envmgr_enter [facts: record] {
    let before = (__envmgr_vars)
    __envmgr_apply $before (__envmgr_entered $before $facts)
}
def --env __envmgr_leave [others: string = ''] {
    let before = (__envmgr_vars)
    __envmgr_apply $before (__envmgr_left $before $others)
}
def --env --wrapped envmgr [...words: string] {
    let first = ($words | get --optional 0 | default '')
    let named = (__envmgr_program)
    let program = (if ($named | is-empty) or not ($named | first | path exists) { [envmgr] } else { $named })
    let command = ($program | first)
    let rest = ($program | skip 1)
    if $first == 'activate' and ('-h' not-in $words) and ('--help' not-in $words) {
        let done = (^$command ...$rest shell-hook nushell --facts ...($words | skip 1) | complete)
        print --stderr --no-newline $done.stderr
        if $done.exit_code != 0 { error make --unspanned {msg: 'envmgr: nothing was activated'} }
        __envmgr_enter ($done.stdout | from json)
    } else if $words == [deactivate] {
        __envmgr_leave
    } else {
        ^$command ...$rest ...$words
        let changing = [install update upgrade remove uninstall rollback env]
        if $first in $changing and ($env.CONDA_PREFIX? | default '') != '' {
            if ($env.CONDA_PREFIX | path exists) {
                __envmgr_enter (^$command ...$rest shell-hook nushell --facts -p $env.CONDA_PREFIX | from json)
            } else {
                __envmgr_leave
            }
        }
    }
}
"""


def quote(text: str) -> str:
    """*text* as a string of nushell; no ``$`` or ``(`` counts in one.

    >>> print(quote('a "b" \\\\'))
    "a \\"b\\" \\\\"
    """
    try:
        return msgspec.json.encode(text).decode()
    except UnicodeEncodeError:  # A name of the file system that is no text.
        import json

        return json.dumps(text, ensure_ascii=False)


def hook(program: Sequence[str]) -> str:
    """The commands alone; *program* is the command that runs envmgr, none for the one on PATH."""
    words = ", ".join(map(quote, program))
    return f"def __envmgr_program [] {{ [{words}] }}\n{_LIBRARY}"


def facts(environment: Environment, *, stack: bool = False) -> str:
    """What the command ``envmgr activate`` needs to know, as JSON, which is a record of nushell, too."""
    values = ", ".join(f"{quote(name)}: {quote(value)}" for name, value in environment.assignments.items())
    return f'{{"prefix": {quote(environment.prefix)}, "values": {{{values}}}, "stack": {str(stack).lower()}}}'


def activate(environment: Environment, program: Sequence[str] = (), *, stack: bool = False) -> str:
    """The text of a file that activates *environment*."""
    return f"{hook(program)}__envmgr_enter {facts(environment, stack=stack)}\n"


def deactivate(names: str, program: Sequence[str] = ()) -> str:
    """The text that deactivates what is active; *names* are its variables, if others activated it."""
    return f"{hook(program)}__envmgr_leave {quote(names)}\n"
