#!/bin/sh
# tools/versitygw.sh DIR: builds versitygw (Apache-2.0), a server of S3's API that
# checks what S3 checks, from the Go proxy into DIR/bin; some minutes.
set -eu
dir=$(realpath -m "$1")
here=$(realpath "$(dirname "$0")")
mkdir -p "$dir/bin"
go=$("$here/go.sh" "$dir/go" 25)
cd "$dir"
GOBIN=$dir/bin GOPATH=$dir/path GOCACHE=$dir/cache GOTOOLCHAIN=local \
  GOFLAGS='-modcacherw -buildvcs=false' "$go" install github.com/versity/versitygw/cmd/versitygw@v1.8.0
rm -rf "$dir/path" "$dir/cache"
