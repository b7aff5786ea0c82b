# What costs money is asked only where that is wanted, in a query as in a sync, nor is a paid table above an unpaid one.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('x.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: x
config: {{use_paid_apis: {{type: boolean, default: false}}}}
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}
tables:
  x_bills: {{request: {{path: /bills}}, rows: "[*]", paid: true, key: [id], columns: {{id: integer}}}}
  x_lines: {{parent: x_bills, request: {{path: "/bills/{{{{ parent.id }}}}"}}, rows: "[*]", key: [bill, nr], columns: {{bill: {{from: parent.id}}, nr: integer}}}}
  x_free: {{request: {{path: /free}}, rows: "[*]", key: [id], columns: {{id: integer}}}}
''')
t.one("SELECT cq_load('x.yml')")
ROUTES = 'GET /bills\n  body [{"id":1}]\nGET /bills/1\n  body [{"nr":7}]\nGET /free\n  body [{"id":2}]\n'
t.routes(ROUTES)
for table in ('x_bills', 'x_lines'):
    t.is_(f'{table} is not asked', t.tries(f'SELECT * FROM {table}'),
          "x_bills: its API costs money\nhint: cq_config('x.use_paid_apis', 'true'), or in a spec use_paid_apis: true")
t.is_('what costs nothing is', t.tries('SELECT * FROM x_free'), [(2,)])
t.is_('nobody was asked for the others', (t.asked('/bills*'), t.asked('/free')), (0, 1))
t.has('cq_explain tells what it would be', t.one("SELECT cq_explain('SELECT * FROM x_bills')"), '/bills')
t.is_('a sync leaves them out', (t.sync('{source: x, tables: ["*"]}')['rows'], t.asked('/bills*')), (1, 0))
t.one("SELECT cq_config('x.use_paid_apis', 'true')")
t.is_('where it is wanted they are asked', (t.tries('SELECT * FROM live_x_bills'), t.tries('SELECT * FROM live_x_lines')), ([(1,)], [(1, 7)]))
t.is_('in a sync, too', t.sync('{source: x, tables: ["*"]}')['rows'], 3)
t.done()
