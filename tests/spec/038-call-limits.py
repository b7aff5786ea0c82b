# What a call is limited by: the limits of all tables, with its own over them, and not its table's.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('x.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: x
config: {{tries: {{type: integer, default: 1}}}}
defaults:
  request: {{url: "{MOCK}"}}
  page: {{by: none}}
  limits: {{concurrency: 3, retries: "{{{{ config.tries }}}}", max_pause: 0}}
tables:
  x_a: &a
    request: {{path: /a}}
    rows: "[*]"
    limits: {{concurrency: 1, retries: 0, scope: [operation]}}
    key: [id]
    columns: {{id: integer, what: {{path: what, call: one}}}}
    calls: {{one: {{request: {{path: "/a/{{{{ row.id }}}}"}}}}}}
  x_b:
    <<: *a
    calls: {{one: {{request: {{operation: one, path: "/a/{{{{ row.id }}}}"}}, limits: {{concurrency: 2, retries: 2, scope: [operation]}}}}}}
''')
t.one("SELECT cq_load('x.yml')")
t.one("SELECT cq_config('cache_ttl', 0)")
LIST = f'GET /a\n  body {json.dumps([{"id": i} for i in range(40)])}\n'
for table, peak in (('x_a', 3), ('x_b', 2)):
    t.routes(LIST + 'GET /a/*\n  delay 20\n  body {"what":"w"}\n')
    t.is_(f'{table}: calls', t.one(f"SELECT count(*) FROM {table} WHERE what = 'w'"), 40)
    t.is_(f'{table}: {peak} of them at once', (t.asked('/a/*'), t.peak()), (40, peak))
for table, tries, asked in (('x_a', 1, 2), ('x_a', 0, 1), ('x_a', 3, 4), ('x_b', 0, 3)):
    t.one("SELECT cq_config('x.tries', ?)", tries)
    t.routes('GET /a\n  body [{"id":1}]\nGET /a/1\n  status 500\n  body {}\n')
    t.has(f'{table}: a call that fails', t.tries(f'SELECT what FROM {table}'), 'HTTP 500')
    t.is_(f'is tried as often as is said: {asked}', (t.asked('/a'), t.asked('/a/1')), (1, asked))
t.done()
