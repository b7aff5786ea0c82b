#!/bin/sh
# tests/hosts/more/install.sh DIR: builds the hosts of `make check-hosts` that
# Debian does not have into DIR, their downloads and caches too.
set -eu
dir=$(realpath -m "$1")
here=$(realpath "$(dirname "$0")")
mkdir -p "$dir/bin" "$dir/java"
go=$("$here/../../../tools/go.sh" "$dir/go/env" 21)
(cd "$here/go" && GOMODCACHE=$dir/go/mod GOCACHE=$dir/go/cache \
  GOFLAGS=-modcacherw GOTOOLCHAIN=local "$go" build -mod=readonly -o "$dir/bin/go-host" .)
CARGO_HOME=$dir/cargo cargo build -q \
  --manifest-path "$here/rust/Cargo.toml" --target-dir "$dir/rust"
cp "$dir/rust/debug/host" "$dir/bin/rust-host"
jar=$dir/java/sqlite-jdbc-3.54.1.0.jar
[ -e "$jar" ] || mvn -q -B -Dstyle.color=never -Dmaven.repo.local="$dir/m2" \
  org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
  -Dartifact=org.xerial:sqlite-jdbc:3.54.1.0 -DoutputDirectory="$dir/java"
echo "f8dce420a6016278497f4f0560f65602b9db858de141b541cf91a4644ebe4639  $jar" | sha256sum --quiet -c
javac -d "$dir/java" "$here/java/Host.java"
${PYTHON:-/usr/bin/python3} -m venv "$dir/datasette"
"$dir/datasette/bin/pip" install -q --disable-pip-version-check --no-deps \
  -r "$here/requirements.txt"
