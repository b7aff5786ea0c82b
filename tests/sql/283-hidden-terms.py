# What SQLite hands to a virtual table beyond, or without, what it tells of the
# statement must not cost rows: until 3.46 a LIMIT beside a term of two columns of
# the same table, until 3.51 a LIKE of a LEFT JOIN's ON for the table on the left.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sql')
from livetest import Lab, Pair

STATEMENTS = (
    'SELECT count(*) FROM (SELECT * FROM {things} AS u WHERE u.kind = u.name LIMIT 4)',
    'SELECT count(*) FROM (SELECT * FROM {things} AS u WHERE u.id = u.size LIMIT 2)',
    'SELECT count(*) FROM (SELECT * FROM {things} AS u WHERE u.id < u.size LIMIT 3 OFFSET 2)',
    "SELECT count(*) FROM (SELECT * FROM {things} AS u WHERE u.site = 'a' AND u.id <> u.size LIMIT 9)",
    'SELECT EXISTS (SELECT 1 FROM {things} AS u WHERE u.kind = u.name)',
    "SELECT t.site, t.id, p.n FROM {things} AS t LEFT JOIN plain AS p ON p.n = t.size AND t.name GLOB 'a*'",
    "SELECT t.site, t.id, p.n FROM {things} AS t LEFT JOIN plain AS p ON p.n = t.size AND t.name LIKE '10%'",
    "SELECT t.site, t.id, p.id FROM {things} AS t LEFT JOIN {things} AS p ON p.id = t.size AND p.site = t.site AND t.kind = 'tool'",
    "SELECT t.site, t.id, p.n FROM {things} AS t LEFT JOIN plain AS p ON p.n = t.size AND t.size > 1 AND t.site IN ('a')",
    "SELECT t.site, t.id, p.n FROM plain AS p LEFT JOIN {things} AS t ON p.n = t.size AND t.name GLOB 'a*'")
lab, n, bad = Lab(31003), 0, 0
for driver in ('sqlite3', 'apsw'):
    pair = Pair(lab, driver)
    for sql in STATEMENTS:
        n += 1
        live, copy = (sorted(pair.answer(sql, (), names)) for names in (pair.live, pair.named['copy']))
        bad += live != copy
        print(f'{"" if live == copy else "not "}ok {n} - SQLite {pair.version}: {sql}')
        if live != copy:
            print(f'#   live {live}\n#   copy {copy}')
    # no row can do, so all are read: in pages as large as without the LIMIT
    asked = []
    for sql in ('SELECT id, code, note FROM {things} WHERE code = note || id', 'SELECT id, code, note FROM {things} WHERE code = note || id LIMIT 1'):
        lab.take(0)
        lab.asked.clear()
        pair.answer(sql, (), pair.live)
        asked.append(len(lab.asked))
    n += 1
    bad += not asked[1] <= asked[0]
    print(f'{"ok" if asked[1] <= asked[0] else "not ok"} {n} - SQLite {pair.version}: requests with a LIMIT, {asked[1]}, and without, {asked[0]}')
print(f'1..{n}')
sys.exit(bad > 0)
