# What SQLite keeps of a row while the cursor goes on to other pages is what the row had: the columns beside max() and min(), of
# live tables and of catalogues that a join opens again for each row.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('k.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: k
defaults: {{request: {{url: "{MOCK}"}}, over: []}}
tables:
  k_rows:
    request: {{path: /rows, query: {{p: "{{{{ page.number }}}}"}}}}
    page: {{by: number, start: 1, size: 2}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer, name: text, raw: {{type: blob, format: base64}}, more: json, up: {{value: "{{{{ row.name | upper }}}}"}}}}
''')
t.rows("SELECT cq_load('k.yml')")
PAGES = 20
IDS = [(i * 7) % (2 * PAGES) for i in range(2 * PAGES)]
ROW = {i: {'id': i, 'name': f'name of {i}', 'raw': 'AAEC', 'more': {'of': i, 'list': [i] * 5}} for i in IDS}
t.routes('\n'.join(f'GET /rows?p={p + 1}\n  body {json.dumps([ROW[i] for i in IDS[2 * p:2 * p + 2]])}' for p in range(PAGES)) + '\nGET /rows\n  body []\n')


def row(i):
    return (i, f'name of {i}', b'\0\1\2', json.dumps(ROW[i]['more'], separators=(',', ':')), f'NAME OF {i}')


for what, i in (('max', 2 * PAGES - 1), ('min', 0)):
    t.is_(f'beside {what}()', t.rows(f'SELECT {what}(id), name, raw, more, up FROM k_rows'), [row(i)])
    t.is_(f'beside {what}() of a group', t.rows(f'SELECT {what}(id), name, raw, more, up FROM k_rows GROUP BY id % 2 ORDER BY 1'),
          [row(2 * PAGES - 2), row(2 * PAGES - 1)] if what == 'max' else [row(0), row(1)])
    t.is_(f'beside {what}() with a filter', t.rows(f"SELECT {what}(id), name, raw, more, up FROM k_rows WHERE length(name) = 9 AND id BETWEEN 3 AND 7"),
          [row(7 if what == 'max' else 3)])
names = t.rows("SELECT name FROM cq_columns WHERE table_name = 'k_rows'")
t.is_('of a catalogue that is opened again', t.rows("SELECT min(c.name || x), c.name, c.table_name FROM (SELECT 'a' AS x UNION ALL SELECT 'b') CROSS JOIN cq_columns AS c "
                                                     "WHERE c.table_name = 'k_rows' AND c.name >= 'm' AND x >= 'a'"), [('morea', 'more', 'k_rows')])
t.done()
