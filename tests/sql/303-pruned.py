# What a query's constraints keep from being asked is what SQL's = would drop: values are compared as the column shows them,
# and a row is the same whichever way the query came to it.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
UUID = 'abcdef00-1111-2222-3333-444444444444'
with open('y.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: y
config: {{days: {{type: list, default: ["2024-01-01T10:00:00+00:00", "2024-01-02"]}}}}
clients: {{day: {{values: "{{{{ config.days }}}}"}}, num: {{values: [5, 6]}}}}
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}
tables:
  y_days:
    over: [day]
    request: {{path: /days}}
    rows: "[*]"
    key: [day]
    columns: {{day: {{type: date, from: client.day}}, n: integer}}
  y_nums:
    over: [num]
    request: {{path: "/nums/{{{{ client.num }}}}", query: {{page: "{{{{ page.number }}}}"}}}}
    page: {{by: number, start: 1, size: 1}}
    rows: "[*]"
    key: [num, n]
    columns: {{num: {{type: text, from: client.num}}, n: integer}}
  y_each:
    over: []
    each: {{d: ["2024-01-01", "2024-01-02"], u: ["{UUID.upper()}"]}}
    request: {{path: /each, query: {{d: "{{{{ each.d }}}}"}}}}
    rows: "[*]"
    key: [d]
    columns: {{d: {{type: timestamp, from: each.d}}, u: {{type: uuid, from: each.u}}, n: integer}}
  y_up:
    over: []
    request: {{path: /up}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer, kind: text, t: text, u: text, at: timestamp}}
  y_down:
    parent: y_up
    request: {{path: "/down/{{{{ parent.id }}}}"}}
    rows: "[*]"
    key: [pid]
    columns: {{pid: {{from: parent.id}}, pt: {{from: parent.id, type: text}}, u: {{type: uuid, from: parent.u}}, t: {{type: date, from: parent.t}}, at: {{type: date, from: parent.at}}, d: {{type: text, from: parent.t, default: none}}, x: integer}}
  y_given:
    parent: {{table: y_up, given: [id], when: "{{{{ parent.kind == 'a' }}}}"}}
    request: {{path: "/down/{{{{ parent.id }}}}"}}
    rows: "[*]"
    key: [pid]
    columns: {{pid: {{from: parent.id}}, x: integer}}
  y_text_given:
    parent: {{table: y_up, given: [u], when: "{{{{ parent.u }}}}"}}
    request: {{path: "/by/{{{{ parent.u }}}}"}}
    rows: "[*]"
    key: [u]
    columns: {{u: {{type: uuid, from: parent.u}}, x: integer}}
  y_one:
    parent: {{table: y_up, distinct: kind}}
    request: {{path: "/kind/{{{{ parent.kind }}}}"}}
    rows: "[*]"
    key: [kind]
    columns: {{kind: {{from: parent.kind}}, id: {{from: parent.id}}, x: integer}}
  y_keys:
    over: []
    request: {{path: /keys, query: {{k: "{{{{ where.k }}}}", g: "{{{{ where.g }}}}"}}}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer, k: {{type: integer, where: "="}}, g: {{type: integer, where: "="}}, note: text}}
  y_graph:
    over: []
    request: {{path: /graph, query: {{after: "{{{{ page.token }}}}"}}}}
    rows: "nodes[*]"
    page: {{by: graphql, token: pageInfo}}
    key: [id]
    columns: {{id: integer}}
''')
t.rows("SELECT cq_load('y.yml')")
ROUTES = f'''GET /days
  body [{{"n":1}}]
GET /each
  body [{{"n":1}}]
GET /up
  body [{{"id":1,"kind":"a","t":"2024-01-01T05:00:00Z","u":"{UUID.upper()}","at":"2024-01-01T05:00:00Z"}},{{"id":2,"kind":"a","t":"2024-01-02","u":"{UUID[:-1]}5","at":"2024-01-02T00:00:00Z"}},{{"id":3,"kind":"b","t":null,"u":null,"at":null}}]
GET /down/*
  body [{{"x":7}}]
GET /kind/*
  body [{{"x":7}}]
GET /by/{UUID.upper()}
  body [{{"x":7}}]
GET /by/*
  body [{{"x":8}}]
GET /keys?k=7
  body [{{"id":1,"k":7,"g":0}}]
GET /keys?g=1
  body [{{"id":1,"k":8,"g":1}},{{"id":2,"k":7,"g":1}}]
GET /keys
  body [{{"id":1,"k":7,"g":0}},{{"id":1,"k":8,"g":1}},{{"id":2,"k":7,"g":1}}]
'''


def same(name, table, where, asks=None):
    """The rows are those of the whole table that SQL's own comparison keeps; `asks` paths of this glob are asked for them."""
    t.routes(ROUTES)
    columns = ', '.join(c[0] for c in t.rows('SELECT name FROM pragma_table_info(?)', table))
    t.rows(f'CREATE TEMP TABLE whole AS SELECT {columns} FROM {table}')
    wanted = t.rows(f'SELECT * FROM temp.whole WHERE {where}')
    t.rows('DROP TABLE temp.whole')
    t.routes(ROUTES)
    seen = t.tries(f'SELECT {columns} FROM {table} WHERE {where}')
    t.is_(f'{name}: some rows', len(wanted) > 0)
    t.is_(f'{name}: {table} WHERE {where}', sorted(map(str, seen)) if isinstance(seen, list) else seen, sorted(map(str, wanted)))
    if asks:
        t.is_(f'{name}: requests', t.asked(asks[0]), asks[1])


t.rows("SELECT cq_config('cache_ttl', '0')")
same('each as a time', 'y_each', "d = '2024-01-01T00:00:00Z'", ('GET /each*', 1))
same('each as a UUID', 'y_each', f"u = '{UUID}'", ('GET /each*', 2))
same('each in a list', 'y_each', "d IN ('2024-01-02T00:00:00Z', '2030-01-01T00:00:00Z')", ('GET /each*', 1))
# A LIMIT keeps a scan from asking ahead also where a client's attribute is of another kind than its column.
t.routes("GET /nums/5\n  body [{\"n\":1}]\nGET /nums/6\n  body [{\"n\":2}]\n")
t.is_('a client that is a number, as text', t.rows("SELECT num, n FROM y_nums WHERE num = '5' LIMIT 1"), [('5', 1)])
t.is_('a client that is a number, as text: requests', [t.asked('GET /nums/5*'), t.asked('GET /nums/6*')], [1, 0])
same('a client as a date', 'y_days', "day = '2024-01-01'", ('GET /days*', 1))
# Below a parent that has no value there nothing is asked: no comparison holds of NULL.
same("a parent's text as a date", 'y_down', "t = '2024-01-01'", ('GET /down/*', 1))
same("a parent's text as a UUID", 'y_down', f"u = '{UUID}'", ('GET /down/*', 1))
same("a parent's time as a date", 'y_down', "at = '2024-01-01'", ('GET /down/*', 1))
same('nothing, where a default stands', 'y_down', "d = 'none'", ('GET /down/*', 1))
same("a parent's number as a text", 'y_down', "pt = '2'", ('GET /down/*', 1))
same('a parent of one type', 'y_down', 'pid = 2', ('GET /down/*', 1))
same('no value', 'y_down', 'u IS NULL')
same('given, where the condition needs the parent', 'y_given', 'pid = 1', ('GET /down/*', 1))
t.is_('and where it does not hold', t.rows('SELECT * FROM y_given WHERE pid = 3'), [])
same('given of another type', 'y_text_given', f"u = '{UUID}'")
same('distinct, its own column', 'y_one', "kind = 'b'", ('GET /kind/*', 1))
same('distinct, the row that stands for them', 'y_one', 'id = 1', ('GET /kind/*', 1))
t.is_('distinct, a row that does not', t.rows('SELECT * FROM y_one WHERE id = 2'), [])
same('rows that share a key', 'y_keys', 'k = 7 OR g = 1')
# Rows that differ only in what the API does not filter: each arm reads all of them, and keeps others.
TWINS = ','.join('{"id":9,"k":5,"g":5,"note":"%s"}' % note for note in 'xyzxzz')
ROUTES = f'''GET /keys?k=5
  body [{TWINS}]
GET /keys?g=5
  body [{TWINS}]
GET /keys
  body [{TWINS}]
'''
same('twins', 'y_keys', "k = 5 AND note = 'x' OR g = 5 AND note = 'y'")
same('twins, the other way', 'y_keys', "k = 5 AND note = 'y' OR g = 5 AND note = 'x'")
same('twins of three kinds', 'y_keys', "k = 5 AND note = 'z' OR g = 5 AND note = 'x' OR id = 9 AND k = 5 AND note = 'y'")
same('twins that both arms keep', 'y_keys', "k = 5 AND note >= 'y' OR g = 5 AND note <= 'y'")
t.is_('twins have numbers of their own', t.one("SELECT count(DISTINCT rowid) FROM y_keys WHERE k = 5"), 6)
GRAPH = '''GET /graph?!after
  body {"pageInfo":{%s},"nodes":[{"id":1}]}
GET /graph?after=e
  body {"pageInfo":{"hasNextPage":false,"endCursor":null},"nodes":[{"id":2}]}
'''
for info, wanted in (('"hasNextPage":true,"endCursor":"e"', [(1,), (2,)]), ('"hasNextPage":false,"endCursor":"e"', [(1,)])):
    t.routes(GRAPH % info)
    t.is_(f'GraphQL: {info}', t.tries('SELECT id FROM y_graph'), wanted)
for info in ('"endCursor":"e"', '"hasNextPage":null,"endCursor":"e"', ''):
    t.routes(GRAPH % info)
    t.has(f'GraphQL, no word of a next page: {info}', t.tries('SELECT id FROM y_graph'), 'pageInfo.hasNextPage is missing, so that nothing tells whether the list is whole')

# ---- catalogues, whose rows are made for one name or for all
for table, one, two in (('cq_columns', "table_name = 'y_up' AND position > 0", "table_name = 'y_down' AND position > 1"),
                        ('cq_tables', "name = 'y_up' AND incremental IS NOT NULL", "name = 'y_down' AND integration = 'y'"),
                        ('cq_integrations', "name = 'y' AND tables > 0", "name = 'aws' AND tables > 0")):
    t.is_(f'{table}: arms of an OR', t.one(f'SELECT count(*) FROM {table} WHERE ({one}) OR ({two})'), t.one(f'SELECT sum(({one}) OR ({two})) FROM {table}'))
t.is_('a rowid is one row', t.one('SELECT count(*) = count(DISTINCT rowid) FROM cq_columns'), 1)
t.is_('the same whichever way', t.rows("SELECT rowid FROM cq_columns WHERE table_name = 'y_down'"), t.rows("SELECT rowid FROM cq_columns WHERE +table_name = 'y_down'"))
t.done()
