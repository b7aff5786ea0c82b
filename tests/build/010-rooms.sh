# A room includes only itself and rooms before it: base, data, spec, http,
# scan, dest, sync, ops, vtab, func.  ext/*.c and tests may include all.
cd "$CQ_ROOT" || exit 1
order='base data spec http scan dest sync ops vtab func'
n=0
rank() {
  r=0
  for room in $order; do
    r=$((r + 1))
    [ "$room" = "$1" ] && { echo $r; return; }
  done
  echo 0
}
for room in $order; do
  dir=ext/$room
  [ "$room" = vtab ] && dir=vtab
  [ -d "$dir" ] || continue
  mine=$(rank "$room")
  bad=
  for pair in $(find "$dir" -name '*.[ch]' -exec grep -HoE '^ *# *include *"[^"]+"' {} + |
                sed -E 's/^([^:]+):.*"([^"]+)"$/\1:\2/'); do
    to=${pair#*:}
    case $to in */*) ;; *) continue ;; esac # a header of the same folder
    theirs=$(rank "${to%%/*}")
    [ "$theirs" -gt 0 ] && [ "$theirs" -le "$mine" ] || bad="$bad $pair"
  done
  n=$((n + 1))
  [ "$bad" ] && { printf 'not '; }
  echo "ok $n - $room includes only rooms before it"
  for pair in $bad; do echo "# $pair"; done
done
echo "1..$n"
