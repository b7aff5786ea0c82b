# rows_when: records for which it is false are no rows, and lead to no further request.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('x.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: x
config: {{side: {{default: left}}}}
clients: {{side: {{values: "{{{{ [config.side] }}}}"}}}}
defaults: {{request: {{url: "{MOCK}"}}}}
tables:
  x_a:
    request: {{path: /a, query: {{page: "{{{{ page.number }}}}", size: "{{{{ page.size }}}}"}}}}
    page: {{by: number, size: 4, max_size: 4}}
    rows: "[*]"
    rows_when: "{{{{ record.type == 'oidc' and row.id != 99 and client.side == config.side }}}}"
    key: [id]
    columns: {{id: integer, name: text, detail: {{path: what, call: one}}}}
    calls: {{one: {{request: {{path: "/a/{{{{ row.id }}}}"}}}}}}
  x_b:
    parent: x_a
    request: {{path: "/b/{{{{ parent.id }}}}"}}
    rows: "[*]"
    rows_when: "{{{{ record.of == parent.name }}}}"
    columns: {{a: {{from: parent.id}}, id: integer}}
''')
t.is_('loaded', t.one("SELECT cq_load('x.yml')"), 2)
ROWS = [{'id': i, 'name': f'n{i}', 'type': 'oidc' if i % 3 == 0 else 'saml'} for i in range(1, 13)] + [{'id': 99, 'type': 'oidc'}]
PAGES = ''.join(f'GET /a?page={p + 1}&size=4\n  body {json.dumps(ROWS[4 * p:4 * p + 4])}\n' for p in range(4)) + \
    'GET /a/*\n  body {"what":"w"}\nGET /b/3\n  body [{"id":1,"of":"n3"},{"id":2,"of":"n4"}]\nGET /b/*\n  body []\n'
t.routes(PAGES)
t.is_('the others are no rows', t.rows('SELECT id, name FROM x_a'), [(3, 'n3'), (6, 'n6'), (9, 'n9'), (12, 'n12')])
t.routes(PAGES)
t.is_('with columns of a call', t.rows('SELECT id, detail FROM x_a'), [(i, 'w') for i in (3, 6, 9, 12)])
t.is_('which is made for rows alone', t.asked('/a/*'), 4)
t.is_('where no column is read', t.one('SELECT count(*) FROM x_a'), 4)
for n in range(6):
    t.one("SELECT cq_config('cache_ttl', 0)")
    t.routes(PAGES)
    t.is_(f'LIMIT {n}', t.rows('SELECT id FROM x_a LIMIT ?', n), [(3 * i,) for i in range(1, min(n, 4) + 1)])
    # A page is as large as always, since records may be none; none is read ahead of what suffices.
    t.is_(f'LIMIT {n}: pages', t.asked('/a?*'), [0, 1, 2, 3, 3, 4][n])
t.is_('OFFSET', t.rows('SELECT id FROM x_a LIMIT 1 OFFSET 2'), [(9,)])
t.is_('of a child, over its parent', t.rows('SELECT a, id FROM x_b'), [(3, 1)])
t.routes(PAGES)
r = t.sync('{source: x, tables: [x_a, x_b]}')
t.is_('in a sync', (r['status'], t.rows('SELECT id, detail FROM x_a ORDER BY 1'), t.rows('SELECT a, id FROM x_b')),
      ('success', [(i, 'w') for i in (3, 6, 9, 12)], [(3, 1)]))
t.is_('asks no more', (t.asked('/a/*'), t.asked('/b/*')), (4, 4))
t.done()
