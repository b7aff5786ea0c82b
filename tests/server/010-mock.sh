# The mock server does what its routes say; the other tests rest on that.
U=$CQ_MOCK_URL
n=0
is() { # is NAME SEEN WANTED
  n=$((n + 1))
  if [ "$2" = "$3" ]; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    echo "# $2"
    echo "# not"
    echo "# $3"
  fi
}
get() { curl -sS -m 1 "$@" 2>/dev/null; }
status() { curl -sS -m 1 -o /dev/null -w '%{http_code}' "$@" 2>/dev/null; }
fails() { curl -sS -m 0.5 "$@" >out 2>/dev/null; echo "$? $(cat out)"; }

is 'query: present, absent' "$(get "$U/query?b=2&a=1%20x")" yes
is 'query: a parameter that must not be there' "$(status "$U/query?a=1+x&c")" 404
is 'query: a value that does not match' "$(status "$U/query?a=2&b")" 404
is 'no route' "$(status "$U/nothing")" 404
is 'another method' "$(status -X DELETE "$U/query?a=1")" 404
is 'HEAD has no body' "$(status -I "$U/head")" 200
is 'a header that is needed' "$(status "$U/need") $(get -H 'authorization: bearer abc' "$U/need")" '404 in'
is 'a body that is needed' "$(status -d x "$U/post") $(get -d 'a needle b' "$U/post")" '404 got'
is 'a chunked request' "$(get -H 'transfer-encoding: chunked' -d needle "$U/post")" got
is 'answers in their order' \
  "$(for _ in 1 2 3 4 5; do status "$U/order"; echo; done | tr '\n' ' ')" '500 500 429 200 200 '
is 'a loop' "$(get "$U/loop")$(get "$U/loop")$(get "$U/loop")" 121
is 'used up: the next route' "$(get "$U/once")$(get "$U/once")" firstsecond
is 'a reason and headers' "$(get -i "$U/slow" | tr -d '\r' | grep -ciE '^(HTTP/1.1 429 Slow Down|Retry-After: 7)$')" 2
is 'a text of several lines' "$(get "$U/lines")" '{"a":
  1, "at": "'"$U"'"}'
is 'link: pages' "$(get "$U/link?x=y&page=3&per_page=2")" '[{"id": 5},{"id": 6}]'
is 'link: header, other parameters kept' \
  "$(get -i "$U/link?x=y&page=1" | tr -d '\r' | sed -n 's/^Link: //p')" "<$U/link?page=2&x=y>; rel=\"next\""
is 'link: none on the last page' "$(get -i "$U/link?page=3" | grep -c ^Link:)" 0
is 'token: first' "$(get "$U/token")" '{"r":[{"id":1},{"id":2},{"id":3}],"n":"tok-3","m":true,"t":7,"c":3}'
is 'token: in a form' "$(get -d Next=tok-3 "$U/token")" '{"r":[{"id":4},{"id":5},{"id":6}],"n":"tok-6","m":true,"t":7,"c":3}'
is 'token: in JSON, last' "$(get -d '{"Next": "tok-6"}' "$U/token")" '{"r":[{"id":7}],"n":null,"m":false,"t":7,"c":1}'
is 'offset' "$(get "$U/offset?skip=3")" '4
5'
is 'last' "$(get "$U/last?after=4")" '[5,6]'
is 'number, out of range' "$(get "$U/number?page=9")" '[]'
is 'gzip' "$(get "$U/gzip" | gzip -dc)" 'packed text'
is 'deflate' "$(get -H 'accept-encoding: deflate' "$U/deflate" | "$CQ_PYTHON" -c 'import sys, zlib
print(zlib.decompress(sys.stdin.buffer.read()).decode())')" 'packed text'
is 'zstd' "$(get "$U/zstd" | od -An -tx1 -N4)" ' 28 b5 2f fd'
is 'chunked' "$(get -i "$U/chunked" | tr -d '\r' | sed -n 's/^transfer-encoding: //p;$p')" 'chunked
abc'
is 'a file' "$(get "$U/file" | sed -n 's/^# \(The mock\) .*/\1/p')" 'The mock'
is 'cut' "$(fails "$U/cut")" '18 abc'
is 'a wrong length' "$(fails "$U/length")" '28 abc'
is 'close' "$(fails "$U/close")" '52 '
is 'reset' "$(fails "$U/reset")" '56 '
is 'hang' "$(fails "$U/hang")" '28 '
is 'stall' "$(fails "$U/stall")" '28 ab'
is 'raw' "$(get --http0.9 "$U/raw")" garbage
is 'delay, at least' "$(get -o /dev/null -w '%{time_total}' "$U/delay" | awk '{print ($1 >= 0.19)}')" 1
is 'drip: all, slowly' "$(get -w ' %{time_total}' "$U/drip" | awk '{print $1, ($2 >= 0.2)}')" 'abcdef 1'
is 'connections are kept' "$(get -o out -o out -w '%{num_connects}' "$U/loop" "$U/loop")" 10
is 'the last answer of a connection' "$(get -o out -o out -w '%{num_connects}' "$U/bye" "$U/bye")" 11
is 'count by glob' "$(get "$U/-/count?path=/once*") $(get "$U/-/count?path=POST%20/post")" '2 3'
is 'log' "$(get "$U/-/log" | grep needle | head -n 1 | sed 's/"headers":{.*},//')" \
  '{"method":"POST","path":"/post","status":200,"body":"a needle b"}'
is 'a large body' "$(head -c 3000000 /dev/zero | status -T - "$U/large")" 204
get -o out "$U/delay" & get -o out "$U/delay" & get -o out "$U/delay" &
wait
is 'peak: requests open at once' "$(get "$U/-/peak")" 3
is 'another space knows nothing of it' "$(curl -sS "${U%/*}/t-other/-/count")" 0
is 'bad routes are refused' "$(printf 'GET /x\n  nonsense 1\n' | curl -sS -w '%{http_code}' -T - "${U%/*}/t-other/-/routes")" \
  'nonsense: is no word of a route
400'
get -X POST "$U/-/reset"
is 'reset' "$(get "$U/-/count") $(status "$U/loop")" '0 404'
echo "1..$n"
