#!/bin/sh
# tools/fixtures.sh DIR PYTHON: unpacks what the tests know of GitHub's API into
# DIR: recorded exchanges (npm's @octokit/fixtures, MIT), and its OpenAPI
# document (npm's @octokit/openapi, MIT) as openapi.json.
set -eu
dir=$1
fixtures=23.1.2 openapi=23.0.2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$(dirname "$0")/npm.sh" "$work" "$2" "@octokit/fixtures@$fixtures" \
  "@octokit/openapi@$openapi"
rm -rf "$dir"
mkdir -p "$dir"
tar -xzf "$work/octokit-fixtures-$fixtures.tgz" -C "$dir" --strip-components=1
tar -xzOf "$work/octokit-openapi-$openapi.tgz" package/generated/api.github.com.json >"$dir/openapi.json"
