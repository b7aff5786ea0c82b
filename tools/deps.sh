#!/bin/sh
# tools/deps.sh GROUP...: installs the Debian packages that are missing.
# Groups: build demo check hosts bench valgrind fuzz lint. Quick, and asks for nothing,
# when all are there; needs root, or sudo, only to install.
set -eu

# a|b: either will do, a is installed.
build='gcc|clang libc6-dev binutils make pkg-config|pkgconf libsqlite3-dev
  libcurl4-openssl-dev|libcurl4-gnutls-dev libjansson-dev libyaml-dev
  libexpat1-dev zlib1g-dev libzstd-dev libssl-dev'
demo='sqlite3 python3 python3-venv ca-certificates'
check="$demo curl diffutils openssl procps g++ locales postgresql-15|postgresql
  libpq5 pgbouncer clickhouse-server swift-proxy swift-account swift-container
  swift-object"
bench="$check nginx libnginx-mod-http-echo libsimdjson-dev clickhouse-client
  valgrind"
fuzz='clang libclang-rt-dev|libclang-rt-14-dev'
hosts='perl libdbd-sqlite3-perl tcl libsqlite3-tcl php-cli php-sqlite3 ruby
  ruby-sqlite3'
# These may be there without being packages.  Debian's own cargo is too old.
command -v cargo >/dev/null || hosts="$hosts cargo-web"
command -v javac >/dev/null || hosts="$hosts default-jdk-headless"
command -v mvn >/dev/null || hosts="$hosts maven"
lint='clang clang-format cppcheck shellcheck'

wanted=
for group; do
  case $group in
    build) wanted="$wanted $build" ;;
    demo) wanted="$wanted $demo" ;;
    check) wanted="$wanted $check" ;;
    bench) wanted="$wanted $bench" ;;
    valgrind) wanted="$wanted valgrind" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    hosts) wanted="$wanted $hosts" ;;
    lint) wanted="$wanted $lint" ;;
    *) echo "tools/deps.sh: $group: no such group" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  # shellcheck disable=SC2086  # a list of words
  echo "tools/deps.sh: not a Debian system: make sure that you have:" $wanted >&2
  exit 0
fi

have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
  sed -n 's/^installed //p')
missing=
for item in $wanted; do
  found=
  for name in $(echo "$item" | tr '|' ' '); do
    case "
$have
" in *"
$name
"*) found=1 ;; esac
  done
  [ "$found" ] || missing="$missing ${item%%|*}"
done
[ "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  as_root=sudo
  if ! command -v sudo >/dev/null; then
    echo "tools/deps.sh: missing packages; as root:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
fi
echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # both are lists of words
if ! { $as_root apt-get update -qq &&
       $as_root apt-get install -y -qq --no-install-recommends $missing; } \
     >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  exit 1
fi
