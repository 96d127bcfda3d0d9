# Compile the Lua sources that the sdist of lupa carries: the library with everything but lua.c, the program on top.
# pip asks an sdist for its metadata even when it only downloads it, and this one would first compile LuaJIT.
series=${PKG_VERSION%.*}
LUPA_NO_LUAJIT=true python -m pip download --no-deps --no-binary lupa --no-build-isolation --require-hashes -r "$RECIPE_DIR/requirements.txt"
tar -xzf lupa-*.tar.gz --strip-components=1
cd "third-party/lua${series/./}"

# Without a compiler on the machine, one that a wheel carries does the same.
compiler=${CC:-cc}
if ! command -v "$compiler" > /dev/null; then
  "$ENVMGR_PYTHON" -m pip install --no-deps --require-hashes --target "$SRC_DIR/zig" -r "$RECIPE_DIR/compiler.txt"
  export ZIG_GLOBAL_CACHE_DIR="$SRC_DIR/zig-cache" ZIG_LOCAL_CACHE_DIR="$SRC_DIR/zig-cache"
  compiler="$SRC_DIR/zig/ziglang/zig cc"
fi

# Lua looks for its modules below the prefix: the path in the binary is a placeholder that linking replaces.
sed -i "s|^#define LUA_ROOT.*|#define LUA_ROOT \"$PREFIX/\"|" luaconf.h
sources=$(ls l*.c | grep -v -x -e lua.c -e ltests.c)
flags="-std=gnu99 -O2 -fPIC -DLUA_USE_POSIX -DLUA_USE_DLOPEN"
mkdir -p "$PREFIX/lib/pkgconfig" "$PREFIX/bin" "$PREFIX/include/lua"
library=liblua.so.$PKG_VERSION
$compiler $flags -shared -Wl,-soname,"liblua.so.$series" -o "$PREFIX/lib/$library" $sources -lm -ldl
ln -s "$library" "$PREFIX/lib/liblua.so.$series"
ln -s "$library" "$PREFIX/lib/liblua.so"
$compiler $flags -o "$PREFIX/bin/lua" lua.c -L"$PREFIX/lib" -llua -Wl,-rpath,"$PREFIX/lib" -lm -ldl
cp lua.h luaconf.h lualib.h lauxlib.h "$PREFIX/include/lua/"
cat > "$PREFIX/lib/pkgconfig/lua.pc" << END
prefix=$PREFIX
Name: Lua
Description: The Lua language
Version: $PKG_VERSION
Libs: -L\${prefix}/lib -llua -lm -ldl
Cflags: -I\${prefix}/include/lua
END
# The licence is the comment that closes lua.h.
sed -n '/^\* Copyright (C)/,/^\*\*\*/p' lua.h | sed 's/^\* \{0,1\}//' > "$SRC_DIR/LICENSE"
