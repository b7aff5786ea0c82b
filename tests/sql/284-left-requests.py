# EXISTS stops reading a list at its first row, for each row around it; the page
# that was under way then is not asked for again by the next row.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sql')
from livetest import Lab, Pair, unlike

lab = Lab()
pair = Pair(lab, 'sqlite3')
lab.pause = 0.02
bad = 0
STATEMENTS = (
    'WITH x AS (SELECT * FROM {things}) SELECT x.id FROM x WHERE EXISTS (SELECT 1 FROM x AS y WHERE y.kind = x.kind AND y.id <> x.id)',
    'SELECT v FROM plain WHERE EXISTS (SELECT 1 FROM {things} AS t WHERE t.size + 0 = plain.n)',
    "SELECT t.site, t.id FROM {things} AS t WHERE NOT EXISTS (SELECT 1 FROM {things} AS u WHERE u.site = 'B' AND u.site = t.site AND u.id = t.id)")
for n, sql in enumerate(STATEMENTS, 1):
    pair.start(n)
    steps = pair.explain(sql.format_map(pair.live))
    same = sorted(pair.answer(sql, (), pair.live)) == sorted(pair.answer(sql, (), pair.named['copy']))
    asked = lab.take(n)
    why = unlike(steps, asked, False, False) or ('' if same and len(asked) > 3 else f'another answer, or {len(asked)} requests')
    bad += bool(why)
    print(f'{"not " if why else ""}ok {n} - {sql}\n# {len(asked)} requests {why}')
print(f'1..{n}')
sys.exit(bad > 0)
