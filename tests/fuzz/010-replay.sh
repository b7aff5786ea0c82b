#!/bin/sh
# The inputs of each fuzz target, among them all that were ever found to be
# handled wrongly, once more.  One file a target: tests/fuzz/corpus/<name>.txt.
n=0
for c in "$CQ_ROOT"/tests/fuzz/fuzz_*.c; do
  name=$(basename "$c" .c)
  name=${name#fuzz_}
  n=$((n + 1))
  if said=$("$CQ_BUILD/tests/fuzz/$name" "$CQ_ROOT/tests/fuzz/corpus/$name.txt" 2>&1); then
    echo "ok $n - $name"
  else
    echo "$said" | tr '\r' '\n' | tail -n 40 | sed 's/^/# /'
    echo "not ok $n - $name"
  fi
done
echo "1..$n"
