# Rows without a request: constants of the definition, of the configuration; lists and maps in a parent's column, with and
# without a request for each; texts that are no value.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('x.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: x
config: {{side: {{default: left}}, names: {{type: list, default: [a, "b's"]}}}}
clients: {{side: {{values: "{{{{ [config.side] }}}}"}}}}
defaults: {{request: {{url: "{MOCK}"}}, rows_optional: true}}
tables:
  x_runtimes: {{values: [go1.x, "it's", python3.9], over: [], key: [name], columns: {{name: text ., id: {{value: "{{{{ row.name | upper }}}}"}}}}}}
  x_maps:
    values: [{{id: 1, of: {{a: x}}}}, {{id: 2}}]
    key: [id]
    columns: {{side: {{from: client.side}}, id: integer, of: json}}
  x_keyed: {{values: {{red: 1, blue: {{n: 2}}}}, rows: ".*", columns: {{name: text @key, value: json .}}}}
  x_names: {{values: "{{{{ config.names }}}}", over: [], columns: {{name: text .}}}}
  x_a:
    request: {{path: /a}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer, methods: json, users: json}}
  x_methods: {{parent: {{table: x_a, rows: methods}}, rows: ".*", key: [a, method], columns: {{a: {{from: parent.id}}, method: text @key, kind: text}}}}
  x_users: {{parent: {{table: x_a, rows: users}}, rows: "[*]", key: [a, name], columns: {{a: {{from: parent.id}}, name: text Username}}}}
  x_method:
    parent: x_a
    each: {{method: "{{{{ parent.methods | keys }}}}"}}
    request: {{path: "/a/{{{{ parent.id }}}}/{{{{ each.method }}}}"}}
    key: [a, method]
    columns: {{a: {{from: parent.id}}, method: {{from: each.method}}, state: text}}
  x_user:
    parent: x_a
    each: {{user: "{{{{ parent.users }}}}"}}
    request: {{path: "/a/{{{{ parent.id }}}}/users/{{{{ each.user.Username }}}}"}}
    key: [a, name]
    columns: {{a: {{from: parent.id}}, name: {{value: "{{{{ each.user.Username }}}}"}}, user: {{type: json, from: each.user}}, state: text}}
  x_nulls:
    request: {{path: /nulls}}
    rows: "[*]"
    null_values: [N/A, not_supported]
    columns:
      id: integer
      at: timestamp
      name: {{null_values: ["-"]}}
      raw: {{value: "{{{{ record.at | default('none') }}}}"}}
''')
t.is_('loaded', t.one("SELECT cq_load('x.yml')"), 10)
LIST = [{'id': 1, 'methods': {'GET': {'kind': 'r'}, 'POST': {'kind': 'w'}}, 'users': [{'Username': 'u 1', 'Pending': 1}, {'Username': 'u2'}]},
        {'id': 2, 'methods': {}, 'users': []}, {'id': 3}, {'id': 4, 'methods': {'GET': {}}}]
ROUTES = f'''GET /a
  body {json.dumps(LIST)}
GET /a/1/users/u 1
  body {{"state":"first"}}
GET /a/*/users/*
  body {{"state":"user"}}
GET /a/*/*
  body {{"state":"ok"}}
GET /nulls
  body [{{"id":1,"at":"N/A","name":"-"}},{{"id":2,"at":"2024-01-02T03:04:05Z","name":"N/A"}},{{"id":"not_supported","at":"no","name":"x"}}]
'''
t.routes(ROUTES)
t.is_('scalars', t.rows('SELECT * FROM x_runtimes'), [('go1.x', 'GO1.X'), ("it's", "IT'S"), ('python3.9', 'PYTHON3.9')])
t.is_('maps', t.rows('SELECT * FROM x_maps'), [('left', 1, '{"a":"x"}'), ('left', 2, None)])
t.is_('a map', t.rows('SELECT * FROM x_keyed'), [('red', '1'), ('blue', '{"n":2}')])
t.is_('of the configuration', t.rows('SELECT * FROM x_names'), [('a',), ("b's",)])
t.is_('filtered', t.rows("SELECT name FROM x_runtimes WHERE name LIKE 'g%' LIMIT 1"), [('go1.x',)])
t.is_('none is asked for', (t.asked(), json.loads(t.one("SELECT cq_explain('SELECT * FROM x_maps')"))), (0, []))
METHODS = [(1, 'GET', 'r'), (1, 'POST', 'w'), (4, 'GET', None)]
t.is_('rows over a map', t.rows('SELECT * FROM x_methods'), METHODS)
t.is_('rows over a list', t.rows('SELECT * FROM x_users'), [(1, 'u 1'), (1, 'u2')])
t.is_('from one request', t.asked(), 1)
t.is_('a request per key of a map', t.rows('SELECT * FROM x_method'), [(1, 'GET', 'ok'), (1, 'POST', 'ok'), (4, 'GET', 'ok')])
t.is_('per element of a list of maps', t.rows('SELECT a, name, user, state FROM x_user'),
      [(1, 'u 1', '{"Username":"u 1","Pending":1}', 'first'), (1, 'u2', '{"Username":"u2"}', 'user')])
t.is_('each key is asked for', t.asked('/a/*'), 5)
t.routes(ROUTES)
t.one("SELECT cq_config('cache_ttl', 0)")
t.is_('a constraint spares requests', t.rows("SELECT a FROM x_method WHERE method = 'POST'"), [(1,)])
t.is_('so many', t.asked('/a/*'), 1)
steps = json.loads(t.one("SELECT cq_explain('SELECT * FROM x_method')"))
t.is_('told before', [(s['table'], s['purpose'], s['requests'], s['repeats']) for s in steps],
      [('x_a', 'list', 1, ''), ('x_method', 'list', None, 'per row of x_a')])
t.is_('texts that are no value', t.rows('SELECT * FROM x_nulls'),
      [(1, None, None, 'none'), (2, '2024-01-02T03:04:05Z', 'N/A', '2024-01-02T03:04:05Z'), (None, 'no', 'x', 'no')])
t.routes(ROUTES)
r = t.sync('{source: x, tables: ["*"]}')
t.is_('in a sync', (r['status'], r['rows']), ('success', 3 + 2 + 2 + 2 + 4 + 3 + 2 + 3 + 2 + 3))
t.is_('the same rows', (t.rows('SELECT a, method, kind FROM x_methods ORDER BY 1, 2'), t.rows('SELECT count(*), count(_cq_parent_id) FROM x_user')),
      (METHODS, [(2, 2)]))
t.is_('asked', (t.asked('/a'), t.asked('/a/*')), (1, 5))
# only what fits no type is a warning: "no" is no time
t.is_('of texts without value none is told', t.rows("SELECT count(*) FROM cq_sync_errors WHERE message LIKE 'x_nulls: 1 values%'"), [(1,)])
t.done()
