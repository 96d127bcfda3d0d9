@SET "__ENVMGR_PREFIX=C:\envs\it's 100%% mine"
@SET "__ENVMGR_NEW=QUOTES PERCENT LINES EMPTY CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER"
@SET "__ENVMGR_STACK="
@IF /I "%~1"=="stack" SET "__ENVMGR_STACK=1"
@SET "__ENVMGR_LEVEL=0"
@IF DEFINED CONDA_PREFIX IF DEFINED CONDA_SHLVL SET /A "__ENVMGR_LEVEL=CONDA_SHLVL"
@IF NOT EXIST "%__ENVMGR_PREFIX%\conda-meta\history" (
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
@SET "QUOTES=a "b ^& ^| c" 'c' ’d’ $e `f`"
@SET "PERCENT=%%PATH%%"
@SET "EMPTY="
@SET "CONDA_DEFAULT_ENV=it's 100%% mine"
@SET "CONDA_PROMPT_MODIFIER=(it's 100? mine) "
@ECHO envmgr: LINES holds a line break, which cmd cannot set. 1>&2
@SET "__ENVMGR_VARS_%__ENVMGR_LEVEL%=%__ENVMGR_NEW%"
@SET "CONDA_PREFIX=%__ENVMGR_PREFIX%"
@SET "CONDA_SHLVL=%__ENVMGR_LEVEL%"
@CALL :__envmgr_block "%CONDA_PREFIX%"
@SET "PATH=%__ENVMGR_BLOCK%;%PATH%"
@IF DEFINED __ENVMGR_SHOWN CALL @SET "PROMPT=%%PROMPT:%__ENVMGR_SHOWN%=%%"
@SET "PROMPT=%CONDA_PROMPT_MODIFIER%%PROMPT%"
@CALL :__envmgr_run "%CONDA_PREFIX%\etc\conda\activate.d" ""
@SET "__ENVMGR_PREFIX="
@SET "__ENVMGR_NEW="
@SET "__ENVMGR_STACK="
@SET "__ENVMGR_LEVEL="
@SET "__ENVMGR_BELOW="
@SET "__ENVMGR_UNDER="
@SET "__ENVMGR_NAMES="
@SET "__ENVMGR_BLOCK="
@SET "__ENVMGR_SHOWN="
@SET "__ENVMGR_BACK="
@EXIT /B 0

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
