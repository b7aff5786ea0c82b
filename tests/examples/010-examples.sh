#!/bin/sh
# The examples do what they say.
echo 1..3
cd "$CQ_ROOT" || exit 1
out=$(sed "s|./build/cq|$CQ_BUILD/cq|" examples/session.sql | "$CQ_SQLITE" 2>&1)
case $out in *Grace*"New York"*github*) echo "ok 1 - session.sql" ;; *) echo "$out" | sed 's/^/# /'; echo "not ok 1 - session.sql" ;; esac
out=$("$CQ_BUILD/examples/embed" examples/data/people.csv 2>&1)
if [ "$out" = "Ada
Grace
Linus" ]; then echo "ok 2 - embed.c"; else echo "$out" | sed 's/^/# /'; echo "not ok 2 - embed.c"; fi
out=$(CQ_SO="$CQ_SO" "$CQ_PYTHON" examples/people.py 2>&1)
if [ "$out" = "Ada 1815
Grace 1906
Linus 1969" ]; then echo "ok 3 - people.py"; else echo "$out" | sed 's/^/# /'; echo "not ok 3 - people.py"; fi
