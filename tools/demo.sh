#!/bin/sh
# tools/demo.sh BUILD VENV: shows cq at work on an AWS server that runs here.
# Leaves BUILD/demo.db, to look into with sqlite3.
set -eu
build=$1 venv=$2
work=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || :
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

echo 'starting an AWS server with a few resources ...'
"$venv/bin/python" tests/server/moto_server.py --small --out "$work/aws.json" \
  >"$work/line" 2>"$work/log" &
server=$!
while [ ! -s "$work/line" ]; do
  if ! kill -0 "$server" 2>/dev/null; then
    tail -n 20 "$work/log" >&2
    exit 1
  fi
  sleep 0.2
done
value() { sed -nE 's/.*"'"$1"'": \{[^}]*"'"$2"'": "([^"]*)".*/\1/p' "$work/line"; }

for name in $(env | sed -nE 's/^(AWS_[A-Z_0-9]+)=.*/\1/p'); do
  unset "$name"
done
AWS_ENDPOINT_URL=$(sed -nE 's/.*"url": "([^"]*)".*/\1/p' "$work/line")
AWS_ACCESS_KEY_ID=$(value admin access_key_id)
AWS_SECRET_ACCESS_KEY=$(value admin secret_access_key)
AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
AWS_EC2_METADATA_DISABLED=true
export AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY \
  AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_EC2_METADATA_DISABLED

rm -f "$build/demo.db" "$build/demo.db-wal" "$build/demo.db-shm"
sqlite3 -batch -bail -box -cmd ".load $build/cq" -cmd '.echo on' \
  "$build/demo.db" <examples/demo.sql
echo "
The synced tables are in $build/demo.db: sqlite3 $build/demo.db"
