#!/bin/sh
# tools/fuzz.sh [--pack] BUILD FUZZ_BUILD RUNS SECONDS [TARGET...]: runs the fuzz
# targets in FUZZ_BUILD/fuzz one after the other, each for RUNS executions or
# SECONDS, whichever ends first (0: no such end).  BUILD has the same targets
# without libFuzzer, which read and write tests/fuzz/corpus/<name>.txt.
#
# What is found wrong stays in FUZZ_BUILD/found, inputs that reach new code in
# FUZZ_BUILD/corpus/<name>.  --pack puts the fewest of these that reach all of
# it into corpus/<name>.txt, behind the ones that people have written there.
set -eu

pack=
if [ "$1" = --pack ]; then
  pack=1
  shift
fi
build=$1 fuzz=$2 runs=$3 seconds=$4
shift 4
[ $# -gt 0 ] || set -- tests/fuzz/fuzz_*.c

mark='# Found by the fuzzer; written by tools/fuzz.sh --pack.'
longest=1500
# Short stacks and little of freed memory kept: several times faster.
export ASAN_OPTIONS="malloc_context_size=4:quarantine_size_mb=8:max_redzone=64"
export UBSAN_OPTIONS=print_stacktrace=1
export TZ=UTC LC_ALL=C.UTF-8
unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
failed=

target_pack() {
  new=$fuzz/pack/$name
  rm -rf "$new"
  mkdir -p "$new/hand" "$new/all" "$new/out"
  sed "\|^$mark\$|,\$d" "$text" >"$new/hand.txt"
  "$build/tests/fuzz/$name" --unpack "$new/hand.txt" "$new/hand"
  cp "$new"/hand/* "$new/out/"
  find "$corpus" -type f -size "-${longest}c" -exec cp -t "$new/all" {} +
  "$fuzz/fuzz/$name" -set_cover_merge=1 -artifact_prefix="$fuzz/found/$name-" \
    "$new/out" "$new/all" >"$new/log" 2>&1
  for f in "$new"/hand/*; do rm -f "$new/out/${f##*/}"; done
  {
    cat "$new/hand.txt"
    echo "$mark"
    "$build/tests/fuzz/$name" --pack "$new/out"
  } >"$new/text"
  mv "$new/text" "$text"
  echo "$name: $(grep -vc '^#' "$text") inputs, $(wc -c <"$text") bytes"
}

for t; do
  name=${t##*/}
  name=${name#fuzz_}
  name=${name%.c}
  text=tests/fuzz/corpus/$name.txt
  corpus=$fuzz/corpus/$name
  mkdir -p "$corpus" "$fuzz/found"
  if [ "$pack" ]; then
    target_pack
    continue
  fi
  "$build/tests/fuzz/$name" --unpack "$text" "$corpus"
  log=$fuzz/found/$name.log
  # fuzz and compare in the environment that a test has: nothing of the host's
  if "$fuzz/fuzz/$name" -runs="$([ "$runs" -gt 0 ] && echo "$runs" || echo -1)" \
    -max_total_time="$seconds" -max_len=2048 -timeout=20 -rss_limit_mb=3000 \
    -entropic=0 -print_final_stats=1 -artifact_prefix="$fuzz/found/$name-" \
    "$corpus" >"$log" 2>&1; then
    said=ok
  else
    said=FAILED
    failed="$failed $name"
  fi
  sed -n -e 's/^stat::number_of_executed_units: */runs /p' \
    -e 's/^stat::average_exec_per_sec: */a second /p' "$log" |
    paste -s -d ' ' - | sed "s/^/$said $name: /"
  if [ $said = FAILED ]; then
    grep -aE -A 12 '^fuzz:|^SUMMARY|runtime error|ERROR: ' "$log" | head -n 40 | sed 's/^/  /'
    echo "  $log; the input: $fuzz/found/$name-*"
  fi
done
if [ "$failed" ]; then
  echo "failed:$failed" >&2
  exit 1
fi
