@SET "__ENVMGR_LEVEL=0"
@IF DEFINED CONDA_PREFIX IF DEFINED CONDA_SHLVL SET /A "__ENVMGR_LEVEL=CONDA_SHLVL"
@IF %__ENVMGR_LEVEL% EQU 0 SET "__ENVMGR_LEVEL="& GOTO :EOF
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
