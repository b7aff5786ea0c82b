# What the built files show to others: one function, and no SQLite of their own.
n=0
is() { # is NAME SEEN WANTED
  n=$((n + 1))
  if [ "$2" = "$3" ]; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    echo "# $2"
    echo "# not $3"
  fi
}
dyn() { readelf -dW "$CQ_SO"; }
is 'cq.so exports one symbol' \
  "$(nm -D --defined-only "$CQ_SO" | awk '{print $3}' | grep -vE '^(__(asan|ubsan|tsan|lsan|gcov)_|__odr|mangle_path$)' | tr '\n' ' ')" \
  'sqlite3_cq_init '
is 'cq.so is not linked to libsqlite3' "$(dyn | grep -c 'NEEDED.*sqlite3')" 0
is 'cq.so calls SQLite through its argument only' "$(nm -D --undefined-only "$CQ_SO" | grep -c ' sqlite3_')" 0
is 'cq.so is bound at load and stays loaded' "$(dyn | grep -cE 'FLAGS.*NOW.*NODELETE|FLAGS.*NODELETE.*NOW')" 1
is 'cq.so has no writable code and a guarded table' \
  "$(readelf -lW "$CQ_SO" | grep -cE 'GNU_RELRO|GNU_STACK.*RW ')" 2
is 'libcq.a defines one global symbol' \
  "$(nm -g --defined-only "$CQ_BUILD/libcq.a" | awk 'NF == 3 {print $3}' | tr '\n' ' ')" 'sqlite3_cq_init '
echo "1..$n"
