@IF /I "%~1"=="activate" @GOTO __envmgr_activate
@IF /I "%~1"=="deactivate" CALL "C:\Users\me\.envmgr\shell\deactivate.bat"& GOTO :EOF
@"C:\Program Files\envmgr\envmgr.exe" %*
@GOTO :EOF
:__envmgr_activate
@FOR /F "delims=" %%L IN ('"C:\Program Files\envmgr\envmgr.exe" shell-hook cmd %*') DO @%%L
