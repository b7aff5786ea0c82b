# Several clients, and what queries and definitions make of them: whose parent a named one is, rows that two arms of an OR
# give, clients that cannot be found out, definitions that are loaded anew while they are read.
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

DEFINITION = f'''
format: 1
integration: yard
config:
  accounts: {{type: list, default: [a, b]}}
auth: {{scheme: bearer, token: "tok-{{{{ client.account }}}}"}}
clients:
  account: {{values: "{{{{ config.accounts }}}}", optional: true}}
  region:
    over: [account]
    discover: {{request: {{path: "/{{{{ client.account }}}}/regions"}}, rows: "[*]"}}
    columns: {{region: name}}
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}
tables:
  yard_cranes:
    over: [account]
    request: {{path: "/{{{{ client.account }}}}/cranes"}}
    rows: "[*]"
    key: [account, id]
    columns: {{account: {{from: client.account}}, id: integer, name: text, kind: text, parts: json, made: timestamp}}
  yard_loads:
    parent: {{table: yard_cranes, given: [name]}}
    request: {{path: "/cranes/{{{{ parent.name }}}}/loads"}}
    rows: "[*]"
    key: [crane, id]
    errors: [{{when: {{status: 404}}, then: empty}}, {{when: {{status: 403}}, then: denied}}]
    columns: {{crane: {{from: parent.name}}, id: integer}}
  yard_kinds:
    parent: {{table: yard_cranes, distinct: kind, when: "{{{{ parent.id > 1 }}}}"}}
    request: {{path: "/kinds/{{{{ parent.kind }}}}"}}
    rows: "[*]"
    key: [name]
    columns: {{name: text}}
  yard_parts:
    parent: yard_cranes
    each: {{part: "{{{{ parent.parts }}}}"}}
    request: {{path: "/parts/{{{{ each.part }}}}"}}
    rows: "[*]"
    key: [part, id]
    columns: {{part: {{from: each.part}}, id: integer}}
  yard_events:
    over: [account]
    request: {{path: "/{{{{ client.account }}}}/events", query: {{from: "{{{{ cursor.from }}}}"}}}}
    get: {{when: "{{{{ where.id }}}}", request: {{path: "/{{{{ client.account }}}}/events/{{{{ where.id }}}}"}}}}
    rows: "[*]"
    key: [account, id]
    cursor: {{column: at, start: 10d, window: 5d}}
    columns: {{account: {{from: client.account}}, id: {{type: integer, where: "="}}, at: timestamp}}
  yard_zones:
    request: {{path: "/{{{{ client.account }}}}/{{{{ client.region }}}}/zones"}}
    rows: "[*]"
    key: [account, region, id]
    columns: {{account: {{from: client.account}}, region: {{from: client.region}}, id: integer}}
'''
with open('yard.yml', 'w', encoding='utf-8') as f:
    f.write(DEFINITION)
t = Sync()
t.rows("SELECT cq_load('yard.yml'), cq_config('cache_ttl', 0)")
MINE = ''.join(f'GET /{a}/cranes\n  need authorization: Bearer tok-{a}\n  body [{{"id":1,"name":"{a}1","kind":"k","parts":["p","q"]}},'
               f'{{"id":2,"name":"{a}2","kind":"k","parts":"r"}}]\nGET /cranes/{a}2/loads\n  need authorization: Bearer tok-{a}\n'
               f'  body [{{"id":7}}]\n' for a in 'ab')
t.routes(MINE)
t.is_('a parent that a query names is asked as whose it is', t.rows("SELECT crane, id FROM yard_loads WHERE crane = 'b2'"), [('b2', 7)])
t.is_('as without the name', t.rows('SELECT crane, id FROM yard_loads ORDER BY 1'), [('a2', 7), ('b2', 7)])
t.routes(MINE)
t.is_('one client: the name is enough', (t.rows("SELECT cq_config('yard.accounts', '[\"b\"]')") and t.rows("SELECT id FROM yard_loads WHERE crane = 'b2'"), t.asked()),
      ([(7,)], 1))
t.rows("SELECT cq_config('yard.accounts', NULL)")
t.routes(MINE + 'GET /kinds/k\n  body [{"name":"K"}]\n')
t.is_('of equal values the first that `when` takes', (t.rows('SELECT name FROM yard_kinds'), t.asked('/kinds/*')), ([('K',), ('K',)], 2))
t.routes(MINE + ''.join(f'GET /parts/{p}\n  body [{{"id":{i}}}]\n' for i, p in enumerate('pqr')))
t.is_('each of what the parent has, a list or one', t.rows('SELECT DISTINCT part, id FROM yard_parts ORDER BY 1'), [('p', 0), ('q', 1), ('r', 2)])
t.routes('GET /*/events/5\n  body {"id":5,"at":"2024-01-01T00:00:00Z"}\n')
t.is_('one record is asked for once, not in each window', (t.rows('SELECT account, id FROM yard_events WHERE id = 5 ORDER BY 1'), t.asked()),
      ([('a', 5), ('b', 5)], 2))

# Two arms of an OR that name a row in different ways.
t.rows("SELECT cq_config('yard.accounts', '[]'), cq_config('github.base_url', ?)", MOCK)
t.routes('GET /orgs/x/repos\n  body [{"id":1,"full_name":"x/r","owner":{"login":"x"}}]\nGET /repos/x/r\n  body {"id":1,"full_name":"x/r","owner":{"login":"x"}}\n')
t.is_('a row once', t.rows("SELECT org, full_name FROM github_repositories WHERE org = 'x' OR full_name = 'x/r'"), [('x', 'x/r')])
t.rows("SELECT cq_config('yard.accounts', NULL)")

# A client whose own clients cannot be found out keeps all that it had.
ZONES = 'GET /*/*/zones\n  body [{"id":1},{"id":2}]\n'
BOTH = 'GET /*/regions\n  body [{"name":"r1"},{"name":"r2"}]\n'
for mode in ('append', 'overwrite-delete-stale'):
    spec = f'{{source: yard, name: {mode}, tables: [yard_zones], destination: {{path: {mode}.db, write_mode: {mode}}}}}'
    t.routes(BOTH + ZONES)
    t.is_(f'{mode}: two accounts of two regions', t.sync(spec)['rows'], 8)
    t.routes('GET /b/regions\n  status 403\n' + BOTH + ZONES)
    r = t.sync(spec)
    other = sqlite3.connect(f'{mode}.db')
    t.is_(f'{mode}: one that fails is told', (r['status'], [e['client'] for e in r['errors']], r['destinations'][0]['deleted']), ('partial', ['b'], 0))
    t.is_(f'{mode}: and keeps its rows', other.execute('SELECT account, count(*) FROM yard_zones GROUP BY 1').fetchall(), [('a', 4), ('b', 4)])
    t.routes('GET /b/regions\n  body [{"name":"r1"}]\n' + BOTH + ZONES)
    t.sync(spec)
    t.is_(f'{mode}: a region that is gone takes its rows along', other.execute('SELECT account, count(*) FROM yard_zones GROUP BY 1').fetchall(), [('a', 4), ('b', 2)])
    other.close()
# A parent below which nothing may be read any more keeps what there was below it; others lose what is gone.
NAMES = 'GET /a/cranes\n  body [{"id":1,"name":"a1"},{"id":2,"name":"a2"},{"id":3,"name":"a3"}]\nGET /b/cranes\n  body []\n'
for mode in ('append', 'overwrite-delete-stale'):
    spec = f'{{source: yard, name: {mode}-loads, tables: [yard_loads], destination: {{path: {mode}.db, write_mode: {mode}}}}}'
    other = sqlite3.connect(f'{mode}.db')
    look = 'SELECT crane, id FROM yard_loads ORDER BY 1, 2'
    t.routes(NAMES + 'GET /cranes/*/loads\n  body [{"id":1},{"id":2}]\n')
    t.sync(spec)
    t.routes(NAMES + 'GET /cranes/a2/loads\n  status 403\nGET /cranes/*/loads\n  body [{"id":2}]\n')
    want = [('a1', 2), ('a2', 1), ('a2', 2), ('a3', 2)]
    for again in ('', ', and again'):
        r = t.sync(spec)
        t.is_(f'{mode}: denied below one of three{again}', (r['status'], [e['kind'] for e in r['errors']], other.execute(look).fetchall(),
                                                      r['destinations'][0]['kept']), ('partial', ['denied'], want, 2))
    t.routes(NAMES + 'GET /cranes/*/loads\n  body [{"id":2}]\n')
    t.is_(f'{mode}: then allowed', (t.sync(spec)['status'], other.execute(look).fetchall()), ('success', [('a1', 2), ('a2', 2), ('a3', 2)]))
    other.close()
t.routes('GET /*/regions\n  status 403\n  times 2\n  next\n  body [{"name":"r1"}]\n' + ZONES)
t.has('live: it is told', t.raises('SELECT count(*) FROM yard_zones'), 'HTTP 403')
time.sleep(10.1)
t.is_('live: and found out again after a while', t.one('SELECT count(*) FROM yard_zones'), 4)

# Definitions that are loaded anew while they are read.
t.routes(MINE)
t.db.execute('CREATE VIRTUAL TABLE temp.mine USING yard_cranes')
c = t.db.execute('SELECT name FROM yard_cranes')
first = c.fetchone()
with open('yard.yml', 'w', encoding='utf-8') as f:
    f.write(DEFINITION.replace('id: integer, name: text', 'id: integer, extra: text, name: text'))
t.rows("SELECT cq_load('yard.yml')")
t.is_('a query goes on', sorted([first, *c]), [('a1',), ('a2',), ('b1',), ('b2',)])
t.is_('a table that is open as well', t.one('SELECT count(*) FROM mine WHERE name IS NOT NULL'), 4)
t.is_('a new query has the new one', t.one("SELECT count(*) FROM yard_cranes WHERE extra IS NULL"), 4)
t.is_('in the middle of a row', t.rows("SELECT name, cq_load('yard.yml') IS NOT NULL FROM yard_cranes ORDER BY 1"), [('a1', 1), ('a2', 1), ('b1', 1), ('b2', 1)])
with open('two.yml', 'w', encoding='utf-8') as f:
    f.write(DEFINITION.replace('integration: yard', 'integration: two'))
t.has('another integration may not take the name of a table', t.raises("SELECT cq_load('two.yml')"), 'table yard_cranes: integration yard has a table of that name')

# Destinations: one file is one destination's, and a test writes none.
r = t.raises('SELECT cq_sync(?)', f'kind: source\nspec: {{name: y, path: yard, tables: [yard_cranes], destinations: [p, q]}}\n---\n'
             + '\n---\n'.join(f'kind: destination\nspec: {{name: {n}, path: cloudquery/sqlite, spec: {{connection_string: {f}}}}}' for n, f in (('p', 'same.db'), ('q', './same.db'))))
t.has('two destinations with one file', r or t.one("SELECT group_concat(message) FROM cq_sync_errors"), 'writes into the file of destination')
r = t.one('SELECT cq_test(?)', '{source: yard, tables: [yard_cranes], destination: {path: never.db}}')
t.is_('cq_test makes no file', ('"ok":true' in r.replace(' ', ''), os.path.exists('never.db')), (True, False))
r = t.one('SELECT cq_test(?)', '{source: yard, tables: [yard_cranes], destination: {path: /nowhere/never.db}}')
t.has('and tells that it could not', r, 'unable to open database file')
t.done()
