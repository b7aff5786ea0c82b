# Where a definition, a query and a server are at odds, rows are neither lost nor doubled, and what cannot be told is an error.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
TABLES = {
    # the API has nothing where the table has the default
    'odds_default': '''request: {path: /default, query: {state: "{{ where.state }}", least: "{{ where.size.min }}"}}
    rows: "[*]"
    key: [id]
    columns: {id: integer, state: {type: text, where: "=", exact: true, default: none}, size: {type: integer, where: ">=", default: 0}}''',
    'odds_below_default': '''parent: {table: odds_default, given: [id]}
    columns: {id: {from: parent.id}, state: {from: parent.state}}''',
    # what is asked for is another document
    'odds_csv': '{request: {path: /csv, decode: csv}, key: [id], columns: {id: integer, name: text Name, cell: json .}}',
    'odds_one': '''request: {path: /all}
    rows: "items[*]"
    get: {when: "{{ where.name }}", request: {path: "/one/{{ where.name }}"}, record: item}
    key: [id]
    columns: {id: integer, name: {type: text, where: "="}}''',
    # an API that counts the ends of a span to it
    'odds_spans': '''request: {path: /spans, query: {from: "{{ cursor.from }}", to: "{{ cursor.to }}"}}
    rows: "[*]"
    cursor: {column: at, window: 1d, start: "2024-05-01T00:00:00Z", format: date}
    columns: {at: timestamp, what: text}''',
    'odds_since': '''request: {path: /spans, query: {from: "{{ cursor.from }}"}}
    rows: "[*]"
    cursor: {column: at, start: "{{ config.since }}"}
    columns: {at: timestamp}''',
    # numbers that neither 64 bits nor 17 digits hold
    'odds_numbers': '''request: {path: /numbers}
    rows: "[*]"
    key: [id]
    columns:
      id: integer
      lines: json
      rest: {type: json, value: "{{ record.meta | without(['a']) }}"}
      keys: {type: json, value: "{{ record.meta | keys }}"}
      first: {type: text, value: "{{ record.meta.list | first }}"}
      joined: {type: text, value: "{{ record.meta.list | join('-') }}"}
      has: {type: boolean, value: "{{ record.meta.list | contains('1.10') }}"}
      list: {type: json, value: "{{ [record.part, 'x'] }}"}
      part: {type: real, path: meta.p}
      mark: {type: text, value: "{{ record.meta | get('mark') }}"}''',
    'odds_lines': '''parent: odds_numbers
    each: {line: "{{ parent.lines }}"}
    request: {path: "/line/{{ each.line.n }}", query: {p: "{{ each.line.p }}"}}
    rows: "[*]"
    columns: {n: {from: each.line}, id: integer}''',
    'odds_dates': '{request: {path: /dates, query: {until: "{{ where.day.max }}"}}, rows: "[*]", key: [day], columns: {day: {type: date, where: "<="}}}',
    # a list that no address has room for
    'odds_list': '''request: {path: /list, query: {ids: "{{ where.id | join(',') }}"}}
    rows: "[*]"
    key: [id]
    columns: {id: {type: integer, where: in, exact: true}}''',
}
with open('odds.yml', 'w', encoding='utf-8') as f:
    f.write(f'format: 1\nintegration: odds\nconfig: {{url: {{default: "{MOCK}"}}, since: {{optional: true}}}}\ndefaults: {{request: {{url: "{{{{ config.url }}}}"}}}}\ntables:\n'
            + ''.join(f'  {name}:\n    {text}\n' for name, text in TABLES.items()))
ALL = [{'id': 1, 'state': None, 'size': None}, {'id': 2, 'state': 'on', 'size': 5}, {'id': 3, 'state': 'none', 'size': 1}]


def put(path, answer):
    return f'GET {path}\n  body <<END\n{answer if isinstance(answer, str) else json.dumps(answer)}\nEND\n'


t.routes(put('/default?state=none', ALL[2:]) + put('/default?state=on', ALL[1:2]) + put('/default?least=*', ALL[1:]) + put('/default', ALL))
t.db.execute("SELECT cq_load('odds.yml')")

for where, ids in (("state = 'none'", [1, 3]), ("state IN ('none', 'on')", [1, 2, 3]), ("state = 'on'", [2]), ('size >= 0', [1, 2, 3]), ("state IS 'none' AND size <= 0", [1]),
                   ("state = 'none' LIMIT 2", [1, 3])):
    t.is_(f'WHERE {where}, of a column with a default', t.rows(f'SELECT id FROM odds_default WHERE {where}'), [(i,) for i in ids])
t.is_('the same below a parent', t.rows("SELECT id FROM odds_below_default WHERE state = 'none'"), [(1,), (3,)])

t.routes(put('/csv', 'id,Name\n1,a\n'))
t.is_('CSV by its header', t.rows('SELECT id, name FROM odds_csv'), [(1, 'a')])
for what, body in (('a page for people', '<html><body>maintenance</body></html>'), ('JSON', '{"message":"maintenance"}'), ('another separator', 'id;Name\n1;a'), ('other names', 'ID,NAME\n1,a')):
    t.db.execute("SELECT cq_config('cache_ttl', 0)")
    t.routes(put('/csv', body))
    t.has(f'{what} is no such CSV', t.raises('SELECT count(*) FROM odds_csv') or '', 'its first line names none of the columns: ' + body.split('\n')[0])

t.routes(put('/one/a', {'item': {'id': 1, 'name': 'a'}}) + put('/one/b', {'item': None}) + put('/one/c', {'message': 'maintenance'}))
t.is_('a record', t.rows("SELECT id FROM odds_one WHERE name = 'a'"), [(1,)])
t.is_('no record', t.rows("SELECT id FROM odds_one WHERE name = 'b'"), [])
t.has('an answer without its place', t.raises("SELECT id FROM odds_one WHERE name = 'c'") or '', 'answer: no rows at "item"')

t.routes(put('/list?!ids', [{'id': i} for i in range(0, 9000, 1000)]) + put('/list?ids=1000,2000', [{'id': 1000}, {'id': 2000}]))
few, many = 'SELECT id FROM odds_list WHERE id IN (2000, 1000, NULL, 1000)', 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT id FROM odds_list WHERE id IN (SELECT i FROM n) LIMIT 9'
t.is_('a short list is asked for', t.rows(few), [(1000,), (2000,)])
t.is_('a long one reads all', t.rows(many), [(i,) for i in range(1000, 6000, 1000)])

spans = {1: ['2024-05-01T00:00:00Z', '2024-05-02T00:00:00Z'], 2: ['2024-05-02T00:00:00Z', '2024-05-02T07:00:00Z', '2024-05-02T07:00:00Z', '2024-05-03T00:00:00.5Z'], 3: ['2024-05-03T00:00:00.5Z', '2024-05-03T01:00:00Z']}
t.routes(''.join(put(f'/spans?from=2024-05-0{d}', [{'at': at, 'what': 'x'} for at in ats]) for d, ats in spans.items()) + put('/spans', []))
t.is_('what two spans share comes once, and what is there twice comes twice', t.rows("SELECT at, count(*) FROM live_odds_spans WHERE what = 'x' GROUP BY 1 ORDER BY julianday(at)"),
      [('2024-05-01T00:00:00Z', 1), ('2024-05-02T00:00:00Z', 1), ('2024-05-02T07:00:00Z', 2), ('2024-05-03T00:00:00.5Z', 1), ('2024-05-03T01:00:00Z', 1)])
t.is_('also in a sync', t.sync('{source: odds, tables: [odds_spans], progress: off}')['rows'], 6)

for since, says in ((None, None), ('2024-05-01', None), ('30d', None), ('last week', 'odds_since: cursor: start is neither a time nor a span: last week')):
    t.db.execute("SELECT cq_config('odds.since', ?)", (since,))
    got = t.sync('{source: odds, tables: [odds_since], progress: off}')
    t.is_(f'a cursor that starts at {since}', got['errors'][0]['message'] if got['errors'] else None, says)

t.routes(put('/dates?!until', [{'day': '2024-02-29'}, {'day': '2024-03-01'}]) + 'GET /dates?until=2024-02-30\n  status 400\n' + put('/dates', [{'day': '2024-02-29'}]))
t.is_('a day that there is is left to the API', t.rows("SELECT day FROM odds_dates WHERE day <= '2024-02-29'"), [('2024-02-29',)])
t.is_('one that there is not is not', t.rows("SELECT day FROM odds_dates WHERE day <= '2024-02-30'"), [('2024-02-29',)])

big = 18446744073709551615
t.routes(put('/numbers', f'[{{"id": 1, "lines": [{{"n": {big}, "p": 0.1}}, {{"n": 2, "p": 1e400}}], "part": 0.1, "meta": '
             f'{{"a": 1, "big": {big}, "p": 0.1, "e": 1e400, "mark": "\\"\\u00015", "list": [1.10, {big}, 7]}}}}]')
         + put(f'/line/{big}?p=0.1', [{'id': 1}]) + put('/line/2?p=1e400', [{'id': 2}]))
t.is_('numbers go through filters as they are written', t.rows('SELECT rest, keys, first, joined, has, list, part, mark FROM odds_numbers'),
      [(f'{{"big":{big},"p":0.1,"e":1e400,"mark":"\\"\\u00015","list":[1.10,{big},7]}}', '["a","big","p","e","mark","list"]', '1.10', f'1.10-{big}-7', 1, '[0.1,"x"]', 0.1, '"\x015')])
t.is_('and through `each`', t.rows('SELECT id, n FROM odds_lines ORDER BY id'), [(1, f'{{"n":{big},"p":0.1}}'), (2, '{"n":2,"p":1e400}')])
t.done()
