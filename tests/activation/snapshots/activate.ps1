
function global:__envmgr_get([string]$Name) {
    if (Test-Path -LiteralPath "Env:$Name") { (Get-Item -LiteralPath "Env:$Name").Value }
}
function global:__envmgr_put([string]$Name, $Value) {
    if ($null -eq $Value) { Remove-Item -LiteralPath "Env:$Name" -ErrorAction Ignore }
    else { Set-Item -LiteralPath "Env:$Name" -Value $Value }
}
function global:__envmgr_keep([string]$Names, [string]$To) {
    foreach ($name in $Names.Split(' ', [StringSplitOptions]::RemoveEmptyEntries)) {
        __envmgr_put "$To$name" (__envmgr_get $name)
    }
}
function global:__envmgr_give_back([string]$Names, [string]$Saved) {
    foreach ($name in $Names.Split(' ', [StringSplitOptions]::RemoveEmptyEntries)) {
        __envmgr_put $name (__envmgr_get "$Saved$name")
        __envmgr_put "$Saved$name" $null
    }
}
function global:__envmgr_scripts([string]$Prefix, [string]$Folder) {
    $place = [IO.Path]::Combine($Prefix, 'etc', 'conda', $Folder)
    if (-not [IO.Directory]::Exists($place)) { return @() }
    $found = [string[]][IO.Directory]::GetFiles($place, '*.ps1')
    [Array]::Sort($found, [StringComparer]::Ordinal)
    if ($Folder -eq 'deactivate.d') { [Array]::Reverse($found) }
    return $found
}
function global:__envmgr_bins([string]$Prefix) {
    if (-not $Prefix) { return @() }
    if ([IO.Path]::DirectorySeparatorChar -eq '/') { return @("$Prefix/bin") }
    $found = @($Prefix)
    foreach ($system in 'ucrt64', 'clang64', 'mingw64', 'clangarm64') {
        if ([IO.Directory]::Exists("$Prefix\Library\$system")) { $found += "$Prefix\Library\$system\bin"; break }
    }
    foreach ($folder in 'Library\mingw-w64\bin', 'Library\usr\bin', 'Library\bin', 'Scripts', 'bin') {
        $found += "$Prefix\$folder"
    }
    return $found
}
function global:__envmgr_path([string]$Old, [string]$New) {
    $separator = [IO.Path]::PathSeparator
    $path = [Collections.Generic.List[string]]::new()
    if ($env:PATH) { $path.AddRange([string[]]$env:PATH.Split($separator)) }
    $place = 0
    foreach ($folder in @(__envmgr_bins $Old)) {
        $found = $path.IndexOf($folder)
        if ($found -ge 0) { $place = $found; $path.RemoveAt($found) }
    }
    $path.InsertRange($place, [string[]]@(__envmgr_bins $New))
    $env:PATH = [string]::Join($separator, $path)
}
function global:__envmgr_level {
    $level = 0
    if ($env:CONDA_PREFIX -and [int]::TryParse("$env:CONDA_SHLVL", [ref]$level) -and $level -gt 0) { return $level }
    return 0
}
function global:__envmgr_prompt {
    if ($env:CONDA_PROMPT_MODIFIER) {
        if (-not (Test-Path function:global:__envmgr_old_prompt)) {
            $function:global:__envmgr_old_prompt = $function:prompt
            function global:prompt { "$env:CONDA_PROMPT_MODIFIER$(__envmgr_old_prompt)" }
        }
    } elseif (Test-Path function:global:__envmgr_old_prompt) {
        if ("$function:prompt" -like '*__envmgr_old_prompt*') {
            $function:global:prompt = $function:__envmgr_old_prompt
        }
        Remove-Item function:__envmgr_old_prompt
    }
}
function global:__envmgr_enter([string]$Prefix, $Values, [bool]$Stack) {
    if (-not [IO.File]::Exists([IO.Path]::Combine($Prefix, 'conda-meta', 'history'))) {
        Write-Error "envmgr: the environment at $Prefix was moved or removed."
        return
    }
    $level = __envmgr_level
    $below = $level
    $old = ''
    if ($level -gt 0) {
        $before = $env:CONDA_PREFIX
        $names = "$(__envmgr_get "__ENVMGR_VARS_$level")"
        if ($before -eq $Prefix) {
            $below = $level - 1
            $old = $Prefix
            foreach ($script in @(__envmgr_scripts $Prefix 'deactivate.d')) { . $script }
            __envmgr_give_back $names "__CONDA_SHLVL_$($below)_"
        } elseif ($Stack) {
            __envmgr_put "CONDA_PREFIX_$level" $before
            __envmgr_put "CONDA_STACKED_$($level + 1)" 'true'
        } else {
            $old = $before
            foreach ($script in @(__envmgr_scripts $before 'deactivate.d')) { . $script }
            __envmgr_put "CONDA_PREFIX_$level" $before
            __envmgr_keep $names "__ENVMGR_KEPT_$($level)_"
            __envmgr_give_back $names "__CONDA_SHLVL_$($level - 1)_"
        }
    }
    __envmgr_path $old $Prefix
    $names = "$($Values.Keys) "
    __envmgr_keep $names "__CONDA_SHLVL_$($below)_"
    foreach ($name in $Values.Keys) { __envmgr_put $name $Values[$name] }
    __envmgr_put "__ENVMGR_VARS_$($below + 1)" $names
    $env:CONDA_PREFIX = $Prefix
    $env:CONDA_SHLVL = "$($below + 1)"
    __envmgr_prompt
    foreach ($script in @(__envmgr_scripts $Prefix 'activate.d')) { . $script }
}
function global:__envmgr_leave([string]$Others) {
    $level = __envmgr_level
    if ($level -eq 0) { return }
    $below = $level - 1
    $old = $env:CONDA_PREFIX
    foreach ($script in @(__envmgr_scripts $old 'deactivate.d')) { . $script }
    $names = __envmgr_get "__ENVMGR_VARS_$level"
    if (-not $names) { $names = $Others + 'CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER' }
    __envmgr_give_back $names "__CONDA_SHLVL_$($below)_"
    $new = __envmgr_get "CONDA_PREFIX_$below"
    $stacked = __envmgr_get "CONDA_STACKED_$level"
    foreach ($name in "__ENVMGR_VARS_$level", "CONDA_PREFIX_$below", "CONDA_STACKED_$level") {
        __envmgr_put $name $null
    }
    $back = if ($stacked) { '' } else { "$new" }
    __envmgr_path $old $back
    __envmgr_put 'CONDA_PREFIX' $new
    if (-not $new) { $below = 0 }
    if ($back) {
        $kept = "$(__envmgr_get "__ENVMGR_VARS_$below")"
        __envmgr_keep $kept "__CONDA_SHLVL_$($below - 1)_"
        __envmgr_give_back $kept "__ENVMGR_KEPT_$($below)_"
    }
    if ($new -and -not $env:CONDA_DEFAULT_ENV) {
        $named = (Split-Path -Leaf (Split-Path -Parent $new)) -eq 'envs'
        $env:CONDA_DEFAULT_ENV = if ($named) { Split-Path -Leaf $new } else { $new }
        $env:CONDA_PROMPT_MODIFIER = "($env:CONDA_DEFAULT_ENV) "
    }
    $env:CONDA_SHLVL = "$below"
    __envmgr_prompt
    if ($back) { foreach ($script in @(__envmgr_scripts $back 'activate.d')) { . $script } }
}
function global:envmgr {
    $words = @($args)
    $first = if ($words.Count) { "$($words[0])" } else { '' }
    $program = @($global:__envmgr_program)
    if (-not $program -or -not (Test-Path -LiteralPath $program[0])) {
        $found = Get-Command envmgr -CommandType Application -ErrorAction Stop | Select-Object -First 1
        $program = @($found.Source)
    }
    $rest = @($program | Select-Object -Skip 1)
    if ($first -eq 'activate' -and '-h' -notin $words -and '--help' -notin $words) {
        $more = @($words | Select-Object -Skip 1)
        $text = & $program[0] @rest shell-hook powershell --activate @more | Out-String
        if ($LASTEXITCODE -eq 0) { Invoke-Expression $text }
    } elseif ($first -eq 'deactivate' -and $words.Count -eq 1) {
        __envmgr_leave ''
    } else {
        & $program[0] @rest @words
        $changes = $first -in 'install', 'update', 'upgrade', 'remove', 'uninstall', 'rollback', 'env'
        if ($LASTEXITCODE -eq 0 -and $changes -and $env:CONDA_PREFIX) {
            $script = [IO.Path]::Combine($env:CONDA_PREFIX, 'conda-meta', 'envmgr', 'activate', 'activate.ps1')
            if ([IO.File]::Exists($script)) { . $script }
            elseif (-not [IO.Directory]::Exists($env:CONDA_PREFIX)) { __envmgr_leave '' }
        }
    }
}
$global:__envmgr_program = @('C:\Program Files\envmgr\envmgr.exe')
$__envmgr_values = [ordered]@{
    QUOTES = 'a "b & | c" ''c'' ’’d’’ $e `f`'
    PERCENT = '%PATH%'
    LINES = 'one
two'
    EMPTY = ''
    CONDA_DEFAULT_ENV = 'it''s 100% mine'
    CONDA_PROMPT_MODIFIER = '(it''s 100? mine) '
}
__envmgr_enter 'C:\envs\it''s 100% mine' $__envmgr_values $false
Remove-Variable __envmgr_values
