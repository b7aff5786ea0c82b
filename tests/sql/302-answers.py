# What is known of an answer does not depend on whether it came now, a moment ago or unchanged, nor on who asked first; what a page holds is
# counted where it is read.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()


def items(*ids, **more):
    return json.dumps({'items': [None if i is None else {'id': i} for i in ids], **more})


with open('heads.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: heads
config: {{url: {{default: "{MOCK}"}}}}
defaults:
  request: {{url: "{{{{ config.url }}}}"}}
tables:
  heads_rate:
    request: {{path: /rate}}
    rows: "items[*]"
    key: [id]
    columns:
      id: integer
      rate: {{type: integer, value: "{{{{ response.headers.x-rate }}}}"}}
      status: {{type: integer, value: "{{{{ response.status }}}}"}}
      at: {{type: text, value: "{{{{ response.url }}}}"}}
  heads_tagged:
    request: {{path: /tagged}}
    rows: "items[*]"
    key: [id]
    columns: {{id: integer, rate: {{type: integer, value: "{{{{ response.headers.x-rate }}}}"}}, kind: {{type: text, value: "{{{{ response.headers.x-kind }}}}"}}}}
  heads_one_page:
    request: {{path: /tokens, query: {{t: "{{{{ page.token }}}}"}}}}
    rows: "items[*]"
    key: [id]
    columns: {{id: integer}}
  heads_all_pages:
    request: {{path: /tokens, query: {{t: "{{{{ page.token }}}}"}}}}
    rows: "items[*]"
    page: {{by: token, header: x-next}}
    key: [id]
    columns: {{id: integer}}
  heads_two_links:
    request: {{path: /links}}
    rows: "items[*]"
    page: {{by: link}}
    key: [id]
    columns: {{id: integer}}
  heads_plain:
    request: {{path: /coded}}
    rows: "items[*]"
    key: [id]
    columns: {{id: integer}}
  heads_coded:
    request: {{path: /coded}}
    rows: "items[*]"
    key: [id]
    error: {{code: code, in_200: true}}
    columns: {{id: integer}}
  heads_long:
    request: {{path: /long}}
    rows: "items[*]"
    key: [id]
    error: {{code: code, in_200: true}}
    columns: {{id: integer}}
  heads_absent:
    request: {{path: "/absent/{{{{ where.n }}}}"}}
    rows: "items[*]"
    key: [id]
    errors: [{{when: {{status: 404}}, then: empty}}]
    columns: {{id: integer, n: {{type: integer, from: where.n, where: "="}}}}
  heads_nulls:
    request: {{path: /nulls, query: {{p: "{{{{ page.number }}}}"}}}}
    rows: "items[*]"
    page: {{by: number, size: 2}}
    key: [id]
    columns: {{id: integer}}
  heads_null_offsets:
    request: {{path: /offsets, query: {{o: "{{{{ page.offset }}}}"}}}}
    rows: "items[*]"
    page: {{by: offset, size: 2}}
    key: [id]
    columns: {{id: integer}}
  heads_called:
    request: {{path: /called}}
    rows: "items[*]"
    key: [id]
    columns: {{id: integer, sized: {{type: json, path: ., call: sized}}, counted: {{type: json, path: ., call: counted}}}}
    calls:
      sized: {{request: {{path: /sized, query: {{o: "{{{{ page.offset }}}}", n: "{{{{ page.size }}}}"}}}}, rows: "items[*].id", page: {{by: offset, start: 1, size: 2}}}}
      counted: {{request: {{path: /counted, query: {{p: "{{{{ page.number }}}}"}}}}, rows: "items[*].id", page: {{by: number}}}}
  heads_tree:
    request: {{path: /tree, query: {{p: "{{{{ page.number }}}}", n: "{{{{ page.size }}}}"}}}}
    rows: "items[*]"
    page: {{by: number, size: 100}}
    key: [id]
    columns: {{id: integer}}
    below: {{request: {{path: "/below/{{{{ row.id }}}}", query: {{p: "{{{{ page.number }}}}", n: "{{{{ page.size }}}}"}}}}, rows: "items[*]", page: {{by: number, size: 2}}}}
  heads_patient:
    request: {{path: /busy}}
    rows: "items[*]"
    key: [id]
    limits: {{retry_after: x-wait, max_pause: 0}}
    columns: {{id: integer}}
  heads_raw:
    request: {{path: /raw, decode: raw}}
    key: [t]
    columns: {{t: {{type: text, path: .}}, b: {{type: blob, path: .}}}}
  heads_raw_cells:
    request: {{path: /called}}
    rows: "items[*]"
    key: [id]
    columns: {{id: integer, file: {{type: text, path: ., call: file}}}}
    calls: {{file: {{request: {{path: /raw, decode: raw}}, record: .}}}}
  heads_raw_inside:
    request: {{path: /raw, decode: raw}}
    key: [t]
    columns: {{t: {{type: text, path: name}}}}
  heads_again:
    request: {{path: /again}}
    rows: "items[*]"
    key: [id]
    error: {{code: code, in_200: true}}
    errors: [{{when: {{code: busy}}, then: retry}}]
    columns: {{id: integer}}
''')
long = ','.join('{"id":%d,"pad":"%s"}' % (i, 'x' * 1000) for i in range(3000))
t.routes(f'''GET /rate
  header x-rate: 42
  body {items(1, 2)}
GET /tagged
  need if-none-match: "e1"
  status 304
  header x-kind: new
GET /tagged
  header etag: "e1"
  header x-rate: 42
  header x-kind: old
  body {items(1)}
GET /tokens?!t
  header x-next: b
  body {items(1)}
GET /tokens?t=b
  body {items(2)}
GET /links?!p
  header Link: <?p=2>; rel="next"
  header Link: <?p=9>; rel="last"
  body {items(1)}
GET /links?p=2
  body {items(2)}
GET /coded
  body {items(1, code='DENIED')}
GET /long
  body {{"items":[{long}],"code":"BUSY"}}
GET /absent/*
  status 404
  body {{}}
GET /nulls?p=1
  body {items(1, None)}
GET /nulls?p=2
  body {items(3, 4)}
GET /nulls?p=3
  body {items(None)}
GET /offsets?o=0
  body {items(None, 2)}
GET /offsets?o=2
  body {items(3)}
GET /called
  body {items(1)}
GET /sized?o=1&n=2
  body {items(1, 2)}
GET /sized?o=3&n=2
  body {items(3)}
GET /counted?p=1
  body {items(1, 2)}
GET /counted?p=2
  body {items(3)}
GET /counted?p=3
  body {items()}
GET /tree?p=1&n=100
  body {items(1)}
GET /below/1?p=1&n=2
  body {items(11, 12)}
GET /below/1?p=2&n=2
  body {items(13)}
GET /below/*
  body {items()}
GET /busy
  status 503
  header x-wait: 1
  body {{}}
 next
  body {items(1)}
GET /raw
  body key = "value" # no JSON
GET /again
  body {items(code='busy')}
 next
  body {items(1)}
'''.replace('\n next', '\n  next'))
t.db.execute("SELECT cq_load('heads.yml')")


def requests(sql):
    before = t.one('SELECT coalesce(max(id), 0) FROM cq_requests')
    rows = t.tries(sql)
    return rows, t.one(f'SELECT count(*) FROM cq_requests WHERE id > {before}')


fresh = [(1, 42, 200, f'{MOCK}/rate'), (2, 42, 200, f'{MOCK}/rate')]
t.is_('status, headers and address of an answer', requests('SELECT * FROM heads_rate'), (fresh, 1))
t.is_('and of a known one', requests('SELECT * FROM heads_rate'), (fresh, 0))
t.is_('and in a join with itself', requests('SELECT a.rate, b.rate, b.status FROM heads_rate a JOIN heads_rate b ON b.id = 1 WHERE a.id = 1'), ([(42, 42, 200)], 0))

spec = '{source: heads, tables: [heads_tagged], write_mode: overwrite}'
t.is_('synced', (t.sync(spec)['status'], t.rows('SELECT rate, kind FROM heads_tagged')), ('success', [(42, 'old')]))
t.is_('and unchanged: what came again replaces what is known',
      (t.sync(spec)['status'], t.rows('SELECT rate, kind FROM heads_tagged'), t.asked('/tagged')), ('success', [(42, 'new')], 2))

t.is_('one page', requests('SELECT id FROM heads_one_page'), ([(1,)], 1))
t.is_('the same page leads on where the table says by what', requests('SELECT id FROM heads_all_pages'), ([(1,), (2,)], 1))
t.is_('two lines of one header are one list', requests('SELECT id FROM heads_two_links'), ([(1,), (2,)], 2))

t.is_('an error in a good answer, of a table without that rule', requests('SELECT id FROM heads_plain'), ([(1,)], 1))
t.has('known, and judged by the rules of who asks', requests('SELECT id FROM heads_coded')[0], 'HTTP 200 DENIED')
t.has('an error behind three megabytes of rows', requests('SELECT count(*) FROM heads_long')[0], 'HTTP 200 BUSY')
t.is_('an error in a good answer is tried again', requests('SELECT id FROM heads_again'), ([(1,)], 2))

t.is_('what is not there', requests('SELECT id FROM heads_absent WHERE n IN (1, 2)'), ([], 2))
t.is_('is known not to be there', requests('SELECT a.id FROM heads_absent a JOIN heads_absent b ON b.n = a.n WHERE a.n IN (1, 2)'), ([], 0))
t.is_('but a sync asks', (t.sync('{source: heads, tables: [heads_rate], write_mode: overwrite}')['rows'], t.asked('/rate')), (2, 2))

t.is_('a record that is null counts for a page', requests('SELECT id FROM heads_nulls'), ([(1,), (3,), (4,)], 3))
t.is_('and for an offset', requests('SELECT id FROM heads_null_offsets'), ([(2,), (3,)], 2))
t.is_("a call's pages begin where they say, and ask for as many as they say",
      requests('SELECT sized, counted FROM heads_called'), ([('[1,2,3]', '[1,2,3]')], 6))
t.is_('what is below has pages of its own size', requests('SELECT id FROM heads_tree ORDER BY id'), ([(1,), (11,), (12,), (13,)], 6))


t.is_('a header of another name tells how long to wait', requests('SELECT id FROM heads_patient'), ([(1,)], 2))
gap = t.one("SELECT max(s) - min(s) FROM (SELECT julianday(started) * 86400 AS s FROM cq_requests WHERE path LIKE '%/busy')")
t.is_('that long', gap > 0.9 or gap)

t.is_('an answer that is one value', t.rows('SELECT t, b FROM heads_raw'), [('key = "value" # no JSON', b'key = "value" # no JSON')])
t.is_('in a cell', t.rows('SELECT id, file FROM heads_raw_cells'), [(1, 'key = "value" # no JSON')])
t.has('nothing is inside of it', t.tries('SELECT t FROM heads_raw_inside'), 'raw: path "name": must be ".", since the answer is one value')
with open('last.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: lasts
defaults: {{request: {{url: "{MOCK}"}}}}
tables:
  lasts_a:
    request: {{path: /}}
    key: [id]
    columns: {{id: integer, all: {{type: json, path: ., call: c}}}}
    calls: {{c: {{request: {{path: /c}}, rows: ., page: {{by: last, token: id}}}}}}
''')
t.has('pages by what only rows have', t.tries("SELECT cq_load('last.yml')"), 'lasts_a: call c: page: by: last is for a table')
t.done()
