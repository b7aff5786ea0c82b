# Every column that CloudQuery has, as cq_columns tells it: in its order, of its type, its keys; what cq adds stands behind.
# The comparison itself is tried on definitions that are wrong.
import os
import sqlite3
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap, connect

root = os.environ['CQ_ROOT']
TYPES = {'utf8': 'text', 'int64': 'integer', 'float64': 'real', 'bool': 'boolean', 'timestamp[us, tz=UTC]': 'timestamp',
         'json': 'json', 'list<item: utf8, nullable>': 'list of text'}
OWN_TABLES = {'github_commits', 'github_pull_requests', 'github_tags'}   # CloudQuery has none of that name
OWN_COLUMNS = {'repository_full_name', 'branch'}
tap = Tap()
ok = tap.none


def differences(wanted, wanted_key, have, key):
    """have: [(name, type, is in the key)]; key: the names in cq_tables.key."""
    wrong = [f'{w[0]} {w[1]} is wanted as column {n}, {h[0]} {h[1]} is there'
             for n, (w, h) in enumerate(zip(wanted, have), 1) if w != h[:2]]
    wrong += [f'{w[0]} is missing' for w in wanted[len(have):]]
    wrong += [f'{h[0]} is not CloudQuery\'s, nor known as cq\'s' for h in have[len(wanted):] if h[0] not in OWN_COLUMNS]
    wrong += [f'key: {n} differs' for n in sorted(wanted_key ^ set(key))]
    wrong += [f'key: cq_columns and cq_tables differ in {n}' for n in sorted({h[0] for h in have if h[2]} ^ set(key))]
    return wrong


wanted, keys = {}, {}
with open(root + '/tests/github/columns.tsv', encoding='utf-8') as f:
    next(f)
    for line in f:
        table, column, kind, pk = line.rstrip('\n').split('\t')
        wanted.setdefault(table, []).append((column, TYPES[kind]))
        keys.setdefault(table, set())
        if pk == '1':
            keys[table].add(column)

db = connect(':memory:')
tables = {n: (key, example) for n, key, example in
          db.execute("SELECT name, key, example FROM cq_tables WHERE integration = 'github'")}
columns = {}
for table, *column in db.execute("SELECT table_name, name, type, key IS NOT NULL AND key <> 0 FROM cq_columns "
                                 "WHERE table_name GLOB 'github_*' ORDER BY table_name, position"):
    columns.setdefault(table, []).append(tuple(column))
ok('31 tables of CloudQuery, 697 columns', [] if (len(wanted), sum(map(len, wanted.values()))) == (31, 697) else ['other'])
ok('the same tables, and cq\'s own', sorted((set(wanted) | OWN_TABLES) ^ set(tables)))
for table in sorted(wanted):
    if table in tables:
        key = [n for n, in db.execute('SELECT value FROM json_each(?)', (tables[table][0],))]
        ok(table, differences(wanted[table], keys[table], columns[table], key))
for table, (key, example) in sorted(tables.items()):
    try:
        names = [c[0] for c in db.execute(f'SELECT * FROM {table} LIMIT 0').description]
        db.execute('EXPLAIN ' + example)
        wrong = [] if names == [c[0] for c in columns[table] if c[0] != 'branch'] else ['SELECT * has other columns']
        wrong += [] if table in example else ['the example reads another table']
    except sqlite3.Error as e:
        wrong = [str(e)]
    ok(f'{table}: SELECT * and the example', wrong)

# What is wrong must be seen.
right = [('a', 'text'), ('b', 'integer'), ('c', 'json')]
have = [('a', 'text', True), ('b', 'integer', False), ('c', 'json', False), ('branch', 'text', False)]
cases = {'as wanted': (have, ['a'], 0), 'a column is missing': (have[:2], ['a'], 1), 'two are exchanged': ([have[0], have[2], have[1]], ['a'], 2),
         'another type': ([have[0], ('b', 'real', False), have[2]], ['a'], 1), 'another name': ([('A', 'text', False)] + have[1:], [], 2),
         'an unknown column behind': (have + [('d', 'text', False)], ['a'], 1), 'a larger key': (have, ['a', 'b'], 2)}
for name, (columns_, key, number) in cases.items():
    seen = differences(right, {'a'}, columns_, key)
    ok('the comparison: ' + name, [] if len(seen) == number else seen + [f'{number} are wanted'])
tap.done()
