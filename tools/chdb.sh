#!/bin/sh
# tools/chdb.sh DIR PYTHON: puts a current ClickHouse into DIR, as the library
# libchdb.so (npm's @chdb/lib-linux-x64-gnu, Apache-2.0): Debian's server is of
# 2018, and no registry has a newer one.
set -eu
dir=$1
name=chdb-lib-linux-x64-gnu-26.7.3-stable.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$(dirname "$0")/npm.sh" "$work" "$2" \
  @chdb/lib-linux-x64-gnu@26.7.3-stable.1
(cd "$work" && sha256sum --quiet -c) <<END
c0d32b129e988f2b9a9a31c9141aecf5e1e2453f9a079efc4d36ab8e3f92b2ad  $name.tgz
END
rm -rf "$dir"
mkdir -p "$dir"
tar -xzf "$work/$name.tgz" -C "$dir" --strip-components=1 package/libchdb.so
