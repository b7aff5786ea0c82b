# Every table and column that CloudQuery has, in its order and of its type, its keys, and an example per table.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap, connect

here = os.path.join(os.environ['CQ_ROOT'], 'tests', 'aws')
TYPES = {'utf8': 'text', 'int64': 'integer', 'int32': 'integer', 'float64': 'real', 'bool': 'boolean', 'timestamp[us, tz=UTC]': 'timestamp',
         'json': 'json', 'binary': 'blob', 'uuid': 'uuid', 'list<item: utf8, nullable>': 'list of text',
         'list<item: int64, nullable>': 'list of integer', 'list<item: inet, nullable>': 'list of inet'}
# pk = 1 marks what CloudQuery hashes into _cq_id: our key, no more and no less. Two tables have none there.
wanted, keys = {}, {}
with open(os.path.join(here, 'columns.tsv'), encoding='utf-8') as f:
    next(f)
    for line in f:
        table, column, kind, pk = line.rstrip('\n').split('\t')
        wanted.setdefault(table, []).append((column, TYPES[kind]))
        if pk == '1':
            keys.setdefault(table, set()).add(column)
db = connect(':memory:')
tables = {r[0]: r for r in db.execute("SELECT name, title, key, permissions, example FROM cq_tables WHERE integration = 'aws'")}
columns = {}
for table, name, kind in db.execute('SELECT c.table_name, c.name, c.type FROM cq_columns AS c JOIN cq_tables AS t ON t.name = c.table_name '
                                    "WHERE t.integration = 'aws' AND NOT c.hidden AND c.name NOT LIKE '\\_cq\\_%' ESCAPE '\\' "
                                    'ORDER BY c.table_name, c.position'):
    columns.setdefault(table, []).append((name, kind))
tap = Tap()
tap.is_('706 tables and 9,471 columns', (len(wanted), sum(len(c) for c in wanted.values())), (706, 9471))
tap.none('every table is there', sorted(set(wanted) - set(tables)))
for table in sorted(set(wanted) & set(tables)):
    _, title, key, permissions, example = tables[table]
    have = columns[table]
    wrong = [f'{n}: {w[0]} {w[1]} is wanted, {h[0]} {h[1]} is there'
             for n, (w, h) in enumerate(zip(wanted[table], have)) if w != h]
    wrong += [f'{w[0]}: is missing' for w in wanted[table][len(have):]]
    names = [n for n, _ in have]
    wrong += [f'{n}: twice' for n in sorted(set(names)) if names.count(n) > 1]
    if table in keys:
        wrong += [f'key: {n}: is CloudQuery\'s' for n in sorted(keys[table] - set(json.loads(key or '[]')))]
        wrong += [f'key: {n}: is not CloudQuery\'s' for n in sorted(set(json.loads(key or '[]')) - keys[table])]
    wrong += [f'no {k}' for k, v in (('title', title), ('example', example)) if not v]
    wrong += [f'the example reads another table: {example}'] if table not in (example or '') else []
    tap.none(table, wrong)
tap.done()
