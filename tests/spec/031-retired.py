# A table whose service was withdrawn: its columns stand, nothing is asked, and that is told.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('x.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: x
config: {{sides: {{type: list, default: [left, right]}}}}
clients: {{side: {{values: "{{{{ config.sides }}}}"}}}}
defaults: {{request: {{url: "{MOCK}"}}}}
tables:
  x_a: {{request: {{path: /a}}, rows: "[*]", key: [id], columns: {{id: integer}}}}
  x_old: {{retired: "the service ended in 2024", request: {{path: /old}}, rows: "[*]", key: [id], columns: {{id: integer, name: text}}}}
  x_bare: {{retired: "gone", columns: {{id: integer}}}}
  x_old_parts: {{parent: x_old, request: {{path: "/old/{{{{ parent.id }}}}"}}, rows: "[*]", columns: {{of: {{from: parent.id}}, id: integer}}}}
''')
t.is_('loaded', t.one("SELECT cq_load('x.yml')"), 4)
t.is_('told in cq_tables', t.rows("SELECT name, retired FROM cq_tables WHERE integration = 'x' ORDER BY 1"),
      [('x_a', None), ('x_bare', 'gone'), ('x_old', 'the service ended in 2024'), ('x_old_parts', None)])
t.routes('GET /*\n  body [{"id":1}]\n')
t.is_('no rows', t.rows('SELECT id, name FROM x_old'), [])
t.is_('none below it', t.rows('SELECT * FROM x_old_parts'), [])
t.is_('a join goes on', t.rows('SELECT count(*), count(o.id) FROM x_a AS a LEFT JOIN x_old AS o ON o.id = a.id'), [(2, 0)])
t.is_('nothing was asked', t.asked('/old*'), 0)
t.is_('nor would be', json.loads(t.one("SELECT cq_explain('SELECT * FROM x_old')")), [])
plan = json.loads(t.one("SELECT cq_plan('{source: x, tables: [x_old, x_old_parts]}')"))['sources'][0]['tables']
t.is_('nor by a sync', [(p['table'], p.get('retired'), len(p['requests'])) for p in plan][:1], [('x_old', 'the service ended in 2024', 0)])
t.routes('GET /*\n  body [{"id":1}]\n')
r = t.sync('{source: x, tables: ["*"]}')
t.is_('a sync is a success', (r['status'], r['rows'], r['failed']), ('success', 2, 0))
t.is_('each is skipped', t.rows('SELECT table_name, status FROM cq_sync_tables ORDER BY 1'),
      [('x_a', 'success'), ('x_bare', 'skipped'), ('x_old', 'skipped'), ('x_old_parts', 'skipped')])
t.is_('with its reason', t.rows("SELECT table_name, kind, message FROM cq_sync_errors ORDER BY 1"),
      [('x_bare', 'skipped', 'x_bare: gone'), ('x_old', 'skipped', 'x_old: the service ended in 2024'),
       ('x_old_parts', 'skipped', 'x_old_parts: its parent x_old: the service ended in 2024')])
t.is_('only the other was asked for', (t.asked('/a'), t.asked()), (2, 2))
t.done()
