# What definitions may say and seldom do, and what is asked and answered then: tables of some clients only, entries that are no
# words, parents in batches over several clients, rows that are left out, ports from settings; and settings that are none.
import json
import os
import sqlite3
import sys
import urllib.parse

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync, connect

t = Sync()
PORT = urllib.parse.urlsplit(MOCK).port
PATH = urllib.parse.urlsplit(MOCK).path
with open('s.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: sel
config:
  sites: {{type: list, default: [a, b, c]}}
  numbers: {{type: list, default: [1, 2]}}
  word: {{default: north}}
  port: {{type: integer, default: {PORT}}}
  factor: {{type: real, default: "1.5"}}
clients:
  site: {{values: "{{{{ config.sites }}}}"}}
defaults:
  request: {{url: "{MOCK}"}}
  page: {{by: none}}
  over: []
  errors: [{{when: {{status: 403}}, then: denied}}]
tables:
  sel_only:
    over: [site]
    only: {{site: [a, c]}}
    request: {{path: "/only/{{{{ client.site }}}}"}}
    rows: "[*]"
    key: [site, id]
    columns: {{site: {{from: client.site}}, id: integer, parts: json}}
  sel_below:
    parent: sel_only
    request: {{path: "/below/{{{{ parent.id }}}}"}}
    rows: "[*]"
    columns: {{site: {{from: parent.site}}, of: {{from: parent.id}}, n: integer}}
  sel_config:
    request: {{path: /config, query: {{f: "{{{{ config.factor }}}}"}}, headers: {{If-None-Match: "v1"}}}}
    rows: "[*]"
    columns: {{id: integer, word: {{from: config.word}}, port: {{type: integer, from: config.port}}}}
  sel_each:
    each: {{n: "{{{{ config.numbers }}}}"}}
    request: {{path: "/each/{{{{ each.n }}}}"}}
    rows: "[*]"
    columns: {{n: {{from: each.n}}, id: integer}}
  sel_batch:
    parent: {{table: sel_only, batch: 2}}
    request: {{path: /batch, query: {{ids: "{{{{ parent.id | join(',') }}}}"}}}}
    rows: "[*]"
    columns: {{id: integer}}
  sel_skip:
    request: {{path: /skip}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer, more: {{path: m, call: one}}, other: {{path: m, call: two}}}}
    calls:
      one: {{when: "{{{{ row.id > 1 }}}}", request: {{path: "/skip/{{{{ row.id }}}}"}}, errors: [{{when: {{status: 404}}, then: skip_row}}]}}
      two: {{request: {{path: "/two/{{{{ row.id }}}}"}}, errors: [{{when: {{status: 404}}, then: skip_row}}]}}
  sel_port:
    request: {{url: "http://127.0.0.1:{{{{ config.port }}}}{PATH}/port"}}
    rows: "[*]"
    columns: {{id: integer}}
  sel_limits:
    request: {{path: /config}}
    limits: {{retries: "{{{{ config.word }}}}"}}
    rows: "[*]"
    columns: {{id: integer}}
  sel_values:
    values: "{{{{ config.word }}}}"
    columns: {{id: integer}}
  sel_denied:
    over: [site]
    request: {{path: "/denied/{{{{ client.site }}}}"}}
    rows: "[*]"
    columns: {{id: integer}}
  sel_round:
    request: {{path: /config}}
    rows: "[*]"
    columns: {{a: {{value: "{{{{ row.b }}}}"}}, b: {{value: "{{{{ row.a }}}}"}}}}
  sel_deep:
    request: {{path: /deep}}
    rows: "[*]"
    columns: {{id: integer, x: json}}
''')
t.is_('loaded', t.one("SELECT cq_load('s.yml')"), 12)
t.one("SELECT cq_config('cache_ttl', 0)")
t.routes('''GET /only/a
  body [{"id":1},{"id":2},{"id":3}]
GET /only/c
  body [{"id":9}]
GET /below/*
  body [{"n":1}]
GET /config
  body [{"id":5}]
GET /each/*
  body [{"id":6}]
GET /batch?ids=1,2
  body [{"id":12}]
GET /batch?ids=3
  body [{"id":3}]
GET /batch?ids=9
  body [{"id":9}]
GET /skip
  body [{"id":1},{"id":2},{"id":3}]
GET /skip/2
  status 404
GET /skip/*
  body {"m":"m"}
GET /two/3
  status 404
GET /two/*
  body {"m":"n"}
GET /port
  body [{"id":7}]
GET /denied/*
  status 403
''')

# ---- only ----
t.is_('only: rows', t.rows('SELECT site, id FROM sel_only ORDER BY 1, 2'), [('a', 1), ('a', 2), ('a', 3), ('c', 9)])
t.is_('only: nobody else is asked', t.asked('/only/b'), 0)
t.is_('only: nor where the query names another', (t.rows("SELECT id FROM sel_only WHERE site = 'b'"), t.asked('/only/b')), ([], 0))
t.is_('only: nor below it', (t.rows('SELECT site, of FROM sel_below ORDER BY 1, 2'), t.asked('/only/b')), ([('a', 1), ('a', 2), ('a', 3), ('c', 9)], 0))
t.has('only: the catalogue tells', t.rows("SELECT * FROM cq_tables WHERE name = 'sel_only'"), '{"site":["a","c"]}')
t.is_('only: told before', [s['requests'] for s in json.loads(t.one("SELECT cq_explain('SELECT * FROM sel_only')"))], [2])
r = t.sync('{source: sel, tables: [sel_only, sel_below], progress: off}')
t.is_('only: in a sync', (r['status'], r['rows'], t.asked('/only/b')), ('success', 8, 0))

# ---- entries, settings, parents ----
t.is_('columns of settings', t.rows('SELECT id, word, port FROM sel_config'), [(5, 'north', PORT)])
t.one("SELECT cq_config('cache_ttl', 60)")
t.rows('SELECT id FROM sel_config')
t.is_("a definition's own condition is sent as it stands", [r['headers'].get('if-none-match') for r in t.log() if '/config' in r['path']][-1:], ['v1'])
t.one("SELECT cq_config('cache_ttl', 0)")
for numbers, want in (('[1, 2.5, true, false, "x"]', [('0',), ('1',), ('1',), ('2.5',), ('x',)]), ('[]', []), ('[{"a": 1}]', None), ('[1, [2]]', 'sel_each: each: n: expected a list of words or maps'),
                      ('[null]', 'sel_each: each: n: expected a list of words or maps')):
    t.one("SELECT cq_config('sel.numbers', ?)", numbers)
    seen = t.tries('SELECT n FROM sel_each ORDER BY n')
    if want is not None:
        t.is_(f'each: {numbers}', want if isinstance(want, str) and want in str(seen) else seen, want)
t.is_('parents in batches, of each client its own', t.rows('SELECT id FROM sel_batch ORDER BY id'), [(3,), (9,), (12,)])
t.is_('rows whose calls leave them out', t.rows('SELECT id, more, other FROM sel_skip'), [(1, None, 'n')])
t.is_('a port that is a setting', t.rows('SELECT id FROM sel_port'), [(7,)])
t.has('columns that need each other', t.tries('SELECT a FROM sel_round'), 'sel_round: column a: its value depends on itself')
t.has('limits that are no number', t.tries('SELECT id FROM sel_limits'), 'sel_limits: limits: expected a whole number: {{ config.word }}')
t.has('values that are no list', t.tries('SELECT id FROM sel_values'), 'sel_values: values: expected a list')
t.has('several that are denied', t.tries('SELECT id FROM sel_denied'), '(and 2 requests more)')

# ---- settings ----
for name, value, words in (('timeout', 'soon', 'cq_config: timeout: expected seconds from 0.001 to 3600, not "soon"'), ('timeout', '0', 'expected seconds'), ('connect_timeout', '0', 'expected seconds'), ('cache_ttl', '-1', 'expected seconds from 0 to 3600'), ('timeout', '1e9', 'expected seconds'),
                           ('nothing_like_it', '1', 'cq_config: nothing_like_it: no such setting\nhint: SELECT name FROM cq_settings'), ('timeot', '1', 'did you mean timeout?'),
                           ('sel.factr', '2', 'cq_config: sel.factr: sel has no such key\nhint: did you mean sel.factor?'), ('sel.qqqqqq', '2', "hint: SELECT name FROM cq_settings WHERE integration = 'sel'"),
                           ('sel.factor', 'x', 'sel.factor'), ('sel.port', 'x', 'sel.port'), ('gone.key', '1', 'gone')):
    t.has(f'{name} = {value}', t.tries('SELECT cq_config(?, ?)', name, value), words)
t.has('a live table takes no arguments', t.tries('CREATE VIRTUAL TABLE temp.other USING sel_only(1)'), 'a live table takes no arguments')
t.has('a source that there is not', t.tries("SELECT cq_validate('{source: sell, tables: [a]}')"), 'unknown integration: sell\nhint: sel')

# ---- a host's own limits ----
db = connect(':memory:')
db.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, 8)
for table in ('cq_requests', 'file_csv', 'aws_s3_buckets'):
    try:
        seen = db.execute(f'SELECT count(*) FROM {table}').fetchall()
    except sqlite3.Error as e:
        seen = str(e)
    t.has(f'the columns of {table}', seen, ': no path is named' if table == 'file_csv' else f'{table}: its columns: too many columns')
db.close()

# ---- answers that are too much ----
for depth, fits in ((900, True), (100000, False)):
    t.routes('GET /deep\n  body ' + '[{"id":1,"x":' + '[' * depth + ']' * depth + '}]\n')
    seen = t.tries('SELECT id, length(x) FROM sel_deep')
    t.is_(f'{depth} levels', seen == [(1, 2 * depth)] if fits else 'nested too deep' in str(seen), True)
    seen = t.tries('SELECT id FROM sel_deep')
    t.is_(f'{depth} levels that nobody wants', seen == [(1,)] if fits else 'nested too deep' in str(seen), True)
t.done()
