# Each statement of the ten defects' tests, 231 to 240, once more on ordinary
# tables that hold the live tables' rows: both must answer the same.
import glob
import os
import re
import sqlite3
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import MOCK, Mocked, connect

ROOT = os.environ['CQ_ROOT']
TABLES = ('zoo_animals', 'zoo_visits', 'zoo_food', 'zoo_log', 'wide_rows')
os.environ['ZOO_URL'] = MOCK


def answer(db, sql):
    try:
        rows = [tuple(repr(v) for v in r) for r in db.execute(sql)]
    except sqlite3.Error as e:
        return str(e)
    # without an order any will do; 'ORDER BY' of a part is not that of the whole
    return rows if re.search(r'ORDER BY [^)]*$', sql) else sorted(rows)


tap, ran = Mocked(), 0
for path in sorted(glob.glob(f'{ROOT}/tests/sql/23[1-9]-*.sql') + glob.glob(f'{ROOT}/tests/sql/240-*.sql')):
    if path.endswith('230-aws.sql') or '236-' in path:            # 236 has a server that never answers
        continue
    tap.routes(open(path[:-4] + '.routes').read())
    live = connect(':memory:')
    copy = sqlite3.connect(':memory:', isolation_level=None)
    for name in ('zoo', 'wide'):
        live.execute('SELECT cq_load(?)', (f'{ROOT}/tests/sql/fixtures/{name}.yml',))
    text = open(path).read()
    for t in (t for t in TABLES if t in text):
        for where in (["meal = 'noon'", "meal = 'dusk'"] if t == 'zoo_food' else ['1']):
            cols = [r[:2] for r in live.execute('SELECT name, type FROM pragma_table_info(?)', (t,))]
            copy.execute(f'CREATE TABLE IF NOT EXISTS {t}(' + ', '.join(f'"{c}" {y}' for c, y in cols) + ')')
            copy.executemany(f'INSERT INTO {t} VALUES ({", ".join("?" * len(cols))})', live.execute(f'SELECT * FROM {t} WHERE {where}'))
    differ = []
    for line in text.splitlines():
        for sql in (s.strip() for s in re.split(r';\s*', line)):
            if not re.match(r'(SELECT|WITH|CREATE TEMP TABLE|INSERT)\b', sql) or 'cq_' in sql or 'rowid' in sql:
                continue
            # a key that the API needs, and the statement lacks, is not what this is about
            one, two = answer(live, sql), answer(copy, sql)
            if isinstance(one, str) and 'meal: the API' in one:
                continue
            ran += 1
            if one != two and not (' LIMIT ' in sql and 'ORDER BY' not in sql and len(one) == len(two)):
                differ.append(f'{sql}\n  live {one}\n  copy {two}')
    tap.none(os.path.basename(path)[:-4], differ)
tap.is_(f'{ran} statements were compared', ran >= 40)
tap.done()
