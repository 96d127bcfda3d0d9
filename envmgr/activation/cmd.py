"""Activation in cmd.exe: batch files to be called, since cmd evaluates no text.

Written from the language's documentation and tried in Wine's cmd; its output is held by a snapshot. A batch file
cannot hold a value with a line break, and compares without regard to capitals; values that begin with ``=`` lose it
where they are given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.activation.facts import Environment

SUFFIX = ".bat"
REFUSAL = "EXIT /B 1\r\n"

_SUBROUTINES = r"""
:__envmgr_keep
@CALL :__envmgr_copy "%~1" "%~2%~1"
@GOTO :EOF
:__envmgr_give_back
@CALL :__envmgr_copy "%~2%~1" "%~1"
@SET "%~2%~1="
@GOTO :EOF
:__envmgr_copy
@SET "%~2="
@IF NOT DEFINED %~1 @GOTO :EOF
@FOR /F "tokens=1* delims==" %%A IN ('SET "%~1" 2^>NUL') DO @IF /I "%%A"=="%~1" @SET "%~2=%%B"
@GOTO :EOF
:__envmgr_out
@IF NOT DEFINED __ENVMGR_BLOCK @GOTO :EOF
@CALL @SET "__ENVMGR_REST=%%PATH:*%__ENVMGR_BLOCK%;=%%"
@IF /I "%__ENVMGR_BLOCK%;%__ENVMGR_REST%"=="%PATH%" SET "PATH=%__ENVMGR_REST%"& SET "__ENVMGR_REST="& GOTO :EOF
@SET "__ENVMGR_REST="
@CALL @SET "PATH=%%PATH:%__ENVMGR_BLOCK%;=%%"
@GOTO :EOF
:__envmgr_block
@SET "__ENVMGR_BLOCK=%~1"
@FOR %%D IN (ucrt64 clang64 mingw64 clangarm64) DO @CALL :__envmgr_system "%~1\Library\%%D"
@SET "__ENVMGR_SYSTEM="
@FOR %%D IN (Library\mingw-w64\bin Library\usr\bin Library\bin Scripts bin) DO @CALL :__envmgr_more "%~1\%%D"
@GOTO :EOF
:__envmgr_system
@IF DEFINED __ENVMGR_SYSTEM @GOTO :EOF
@IF NOT EXIST "%~1\" @GOTO :EOF
@SET "__ENVMGR_SYSTEM=1"
@CALL :__envmgr_more "%~1\bin"
@GOTO :EOF
:__envmgr_more
@SET "__ENVMGR_BLOCK=%__ENVMGR_BLOCK%;%~1"
@GOTO :EOF
:__envmgr_run
@IF NOT EXIST "%~1\*.bat" @GOTO :EOF
@FOR /F "usebackq delims=" %%F IN (`DIR /B /A-D /O%~2N "%~1\*.bat"`) DO @CALL "%~1\%%F"
@GOTO :EOF
"""

_LEVEL = r"""@SET "__ENVMGR_LEVEL=0"
@IF DEFINED CONDA_PREFIX IF DEFINED CONDA_SHLVL SET /A "__ENVMGR_LEVEL=CONDA_SHLVL"
"""

_ENTER = r"""@IF NOT EXIST "%__ENVMGR_PREFIX%\conda-meta\history" (
    @ECHO envmgr: the environment at "%__ENVMGR_PREFIX%" was moved or removed. 1>&2
    @SET "__ENVMGR_PREFIX="
    @EXIT /B 1
)
@SET "__ENVMGR_BELOW=%__ENVMGR_LEVEL%"
@SET "__ENVMGR_SHOWN=%CONDA_PROMPT_MODIFIER%"
@IF %__ENVMGR_LEVEL% EQU 0 @GOTO __envmgr_values
@SET /A "__ENVMGR_UNDER=__ENVMGR_LEVEL-1"
@IF /I "%CONDA_PREFIX%"=="%__ENVMGR_PREFIX%" @GOTO __envmgr_again
@IF DEFINED __ENVMGR_STACK @GOTO __envmgr_stack
@CALL :__envmgr_run "%CONDA_PREFIX%\etc\conda\deactivate.d" -
@CALL @SET "__ENVMGR_NAMES=%%__ENVMGR_VARS_%__ENVMGR_LEVEL%%%"
@FOR %%N IN (%__ENVMGR_NAMES%) DO @CALL :__envmgr_keep %%N __ENVMGR_KEPT_%__ENVMGR_LEVEL%_
@FOR %%N IN (%__ENVMGR_NAMES%) DO @CALL :__envmgr_give_back %%N __CONDA_SHLVL_%__ENVMGR_UNDER%_
@CALL :__envmgr_block "%CONDA_PREFIX%"
@CALL :__envmgr_out
@SET "CONDA_PREFIX_%__ENVMGR_LEVEL%=%CONDA_PREFIX%"
@GOTO __envmgr_values
:__envmgr_stack
@SET "CONDA_PREFIX_%__ENVMGR_LEVEL%=%CONDA_PREFIX%"
@SET /A "__ENVMGR_UNDER=__ENVMGR_LEVEL+1"
@SET "CONDA_STACKED_%__ENVMGR_UNDER%=true"
@GOTO __envmgr_values
:__envmgr_again
@CALL :__envmgr_run "%CONDA_PREFIX%\etc\conda\deactivate.d" -
@CALL @SET "__ENVMGR_NAMES=%%__ENVMGR_VARS_%__ENVMGR_LEVEL%%%"
@FOR %%N IN (%__ENVMGR_NAMES%) DO @CALL :__envmgr_give_back %%N __CONDA_SHLVL_%__ENVMGR_UNDER%_
@CALL :__envmgr_block "%CONDA_PREFIX%"
@CALL :__envmgr_out
@SET "__ENVMGR_BELOW=%__ENVMGR_UNDER%"
:__envmgr_values
@SET /A "__ENVMGR_LEVEL=__ENVMGR_BELOW+1"
@FOR %%N IN (%__ENVMGR_NEW%) DO @CALL :__envmgr_keep %%N __CONDA_SHLVL_%__ENVMGR_BELOW%_
"""

_ENTERED = r"""@SET "__ENVMGR_VARS_%__ENVMGR_LEVEL%=%__ENVMGR_NEW%"
@SET "CONDA_PREFIX=%__ENVMGR_PREFIX%"
@SET "CONDA_SHLVL=%__ENVMGR_LEVEL%"
@CALL :__envmgr_block "%CONDA_PREFIX%"
@SET "PATH=%__ENVMGR_BLOCK%;%PATH%"
@IF DEFINED __ENVMGR_SHOWN CALL @SET "PROMPT=%%PROMPT:%__ENVMGR_SHOWN%=%%"
@SET "PROMPT=%CONDA_PROMPT_MODIFIER%%PROMPT%"
@CALL :__envmgr_run "%CONDA_PREFIX%\etc\conda\activate.d" ""
"""

_LEAVE = r"""@IF %__ENVMGR_LEVEL% EQU 0 SET "__ENVMGR_LEVEL="& GOTO :EOF
@SET /A "__ENVMGR_BELOW=__ENVMGR_LEVEL-1"
@SET /A "__ENVMGR_UNDER=__ENVMGR_LEVEL-2"
@SET "__ENVMGR_SHOWN=%CONDA_PROMPT_MODIFIER%"
@CALL :__envmgr_run "%CONDA_PREFIX%\etc\conda\deactivate.d" -
@CALL @SET "__ENVMGR_NAMES=%%__ENVMGR_VARS_%__ENVMGR_LEVEL%%%"
@IF NOT DEFINED __ENVMGR_VARS_%__ENVMGR_LEVEL% SET "__ENVMGR_NAMES=CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER"
@FOR %%N IN (%__ENVMGR_NAMES%) DO @CALL :__envmgr_give_back %%N __CONDA_SHLVL_%__ENVMGR_BELOW%_
@SET "__ENVMGR_VARS_%__ENVMGR_LEVEL%="
@CALL :__envmgr_block "%CONDA_PREFIX%"
@CALL :__envmgr_out
@SET "CONDA_PREFIX="
@CALL :__envmgr_copy CONDA_PREFIX_%__ENVMGR_BELOW% CONDA_PREFIX
@SET "CONDA_PREFIX_%__ENVMGR_BELOW%="
@SET "__ENVMGR_BACK=%CONDA_PREFIX%"
@IF DEFINED CONDA_STACKED_%__ENVMGR_LEVEL% SET "__ENVMGR_BACK="
@SET "CONDA_STACKED_%__ENVMGR_LEVEL%="
@IF NOT DEFINED CONDA_PREFIX SET "__ENVMGR_BELOW=0"
@SET "CONDA_SHLVL=%__ENVMGR_BELOW%"
@IF NOT DEFINED __ENVMGR_BACK @GOTO __envmgr_shown
@CALL :__envmgr_block "%CONDA_PREFIX%"
@SET "PATH=%__ENVMGR_BLOCK%;%PATH%"
@CALL @SET "__ENVMGR_NAMES=%%__ENVMGR_VARS_%__ENVMGR_BELOW%%%"
@IF NOT DEFINED __ENVMGR_VARS_%__ENVMGR_BELOW% SET "__ENVMGR_NAMES="
@FOR %%N IN (%__ENVMGR_NAMES%) DO @CALL :__envmgr_keep %%N __CONDA_SHLVL_%__ENVMGR_UNDER%_
@FOR %%N IN (%__ENVMGR_NAMES%) DO @CALL :__envmgr_give_back %%N __ENVMGR_KEPT_%__ENVMGR_BELOW%_
:__envmgr_shown
@IF DEFINED __ENVMGR_SHOWN CALL @SET "PROMPT=%%PROMPT:%__ENVMGR_SHOWN%=%%"
@SET "PROMPT=%CONDA_PROMPT_MODIFIER%%PROMPT%"
@IF DEFINED __ENVMGR_BACK CALL :__envmgr_run "%__ENVMGR_BACK%\etc\conda\activate.d" ""
"""

_TIDY = "".join(
    f'@SET "__ENVMGR_{name}="\n'
    for name in ("PREFIX", "NEW", "STACK", "LEVEL", "BELOW", "UNDER", "NAMES", "BLOCK", "SHOWN", "BACK")
)


def quote(text: str) -> str:
    """*text* as it stands in ``SET "NAME=text"`` of a batch file, where each quote in it ends or begins quoting.

    >>> quote('100% "a & b" & c')
    '100%% "a ^& b" & c'
    """
    is_quoted, found = True, []
    for character in text.replace("%", "%%"):
        if character == '"':
            is_quoted = not is_quoted
        found.append(f"^{character}" if not is_quoted and character in "&|<>^" else character)
    return "".join(found)


def activate(environment: Environment) -> str:
    """The batch file that activates *environment*, with the word ``stack`` on top of what is active.

    Its error level is 1 where the environment is gone. Variables with line breaks are left out, and named.
    """
    values, lost = [], []
    for name, value in environment.assignments.items():
        if "\n" in value or "\r" in value:
            lost.append(f"@ECHO envmgr: {name} holds a line break, which cmd cannot set. 1>&2\n")
        else:
            values.append(f'@SET "{name}={quote(value)}"\n')
    text = "".join(
        [
            f'@SET "__ENVMGR_PREFIX={quote(environment.prefix)}"\n',
            f'@SET "__ENVMGR_NEW={environment.names.strip()}"\n',
            '@SET "__ENVMGR_STACK="\n@IF /I "%~1"=="stack" SET "__ENVMGR_STACK=1"\n',
            _LEVEL,
            _ENTER,
            *values,
            *lost,
            _ENTERED,
            _TIDY,
            "@EXIT /B 0\n",
            _SUBROUTINES,
        ]
    )
    return text.replace("\n", "\r\n")


def deactivate() -> str:
    """The batch file that deactivates what is active."""
    return f"{_LEVEL}{_LEAVE}{_TIDY}@EXIT /B 0\n{_SUBROUTINES}".replace("\n", "\r\n")


def hook(program: Sequence[str], leave: str) -> str:
    """The batch file ``envmgr.bat``, which activates, deactivates (by calling *leave*), and hands on all else."""
    words = " ".join(f'"{quote(word)}"' for word in program)
    lines = [
        '@IF /I "%~1"=="activate" @GOTO __envmgr_activate',
        f'@IF /I "%~1"=="deactivate" CALL "{quote(leave)}"& GOTO :EOF',
        f"@{words} %*",
        "@GOTO :EOF",
        ":__envmgr_activate",
        f"@FOR /F \"delims=\" %%L IN ('{words} shell-hook cmd %*') DO @%%L",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def called(script: str, word: str = "") -> str:
    """The one line that calls the batch file *script*, with *word* for it."""
    return f'CALL "{quote(script)}" {word}'.rstrip() + "\r\n"
