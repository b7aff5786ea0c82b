# Every column that CloudQuery has, in its order and of its type, its keys, and an example per table.
import glob
import os
import sys

import yaml

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

root = os.environ['CQ_ROOT']
TYPES = {'utf8': 'text', 'int64': 'integer', 'float64': 'real', 'bool': 'boolean', 'timestamp[us, tz=UTC]': 'timestamp',
         'json': 'json', 'list<item: utf8, nullable>': 'list of text'}
ISSUE = 43
# pk = 1 marks what CloudQuery hashes into _cq_id: our key, no more and no less.
wanted, keys = {}, {}
with open(os.path.join(root, 'tests', 'aws', 'columns.tsv'), encoding='utf-8') as f:
    next(f)
    for line in f:
        table, column, kind, pk = line.rstrip('\n').split('\t')
        wanted.setdefault(table, []).append((column, TYPES[kind]))
        if pk == '1':
            keys.setdefault(table, set()).add(column)
tables = {}
for path in glob.glob(os.path.join(root, 'vtab', 'aws', '*.yml')):
    with open(path, encoding='utf-8') as f:
        tables.update(yaml.safe_load(f).get('tables') or {})
tap = Tap()
ok = tap.none


def kind(column):
    if isinstance(column, dict):
        return column.get('type', 'text')
    return ' '.join(column.split()[:3]) if column.startswith('list of') else column.split()[0]


ok(f'{ISSUE} tables', [] if len(wanted) == ISSUE else [f'{len(wanted)} in columns.tsv'])
ok('the same tables', sorted(set(wanted) ^ set(tables)))
for table in sorted(set(wanted) & set(tables)):
    t = tables[table]
    have = [(name, kind(c)) for name, c in t['columns'].items()]
    wrong = [f'{n}: {w[0]} {w[1]} is wanted, {h[0]} {h[1]} is there'
             for n, (w, h) in enumerate(zip(wanted[table], have)) if w != h]
    wrong += [f'{w[0]}: is missing' for w in wanted[table][len(have):]]
    names = [n for n, _ in have]
    wrong += [f'{n}: twice' for n in set(names) if names.count(n) > 1]
    wrong += [f'key: {n}: is CloudQuery\'s' for n in sorted(keys[table] ^ set(t['key']))]
    wrong += [f'no {k}' for k in ('title', 'example', 'permissions') if not t.get(k)]
    wrong += [f'the example reads another table: {t["example"]}'] if table not in t['example'] else []
    ok(table, wrong)
tap.done()
