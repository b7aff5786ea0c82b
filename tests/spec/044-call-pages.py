# A call whose one record comes in pages: its parts are put together, cell by cell, with one request a page.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('p.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: part
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}
tables:
  part_things:
    request: {{path: /things}}
    rows: "[*]"
    key: [id]
    columns:
      id: integer
      name: {{type: text, call: more}}
      tags: {{type: json, call: more}}
      parts: {{type: list of text, call: more}}
      deep: {{type: json, call: more}}
      pairs: {{type: json, path: pairs, shape: "map(. k v) of text", call: more}}
      whole: {{type: json, value: "{{{{ detail | without(['next']) | keys | length }}}}", call: more}}
      last: {{type: text, call: more}}
    calls:
      more: {{request: {{path: "/things/{{{{ row.id }}}}", query: {{after: "{{{{ page.token }}}}"}}}}, record: ., page: {{by: token, token: next}}}}
''')
t.is_('it loads', t.one("SELECT cq_load('p.yml')"), 1)
PAGES = [{'name': 'first', 'tags': {'a': '1'}, 'parts': ['x'], 'deep': {'l': [1], 'm': {'n': 18446744073709551616}, 's': 'stays', 'again': [7]}, 'pairs': [{'k': 'a', 'v': 'b'}], 'next': 'n1'},
         {'name': 'second', 'tags': {'b': '2'}, 'parts': [], 'deep': {'l': [2, 3], 'm': {'o': 1}, 's': 'goes', 'new': None, 'again': [7]}, 'pairs': [{'k': 'c', 'v': 'd'}], 'next': 'n2'},
         {'tags': {'a': '9', 'c': '3'}, 'parts': ['y', 'z'], 'deep': {'new': [4]}, 'last': 'page'}]
t.routes('GET /things\n  body [{"id":1},{"id":2}]\n' + ''.join(
    f'GET /things/1?after={p["next"]}\n  body {json.dumps(PAGES[i + 1])}\n' for i, p in enumerate(PAGES[:-1])) +
    f'GET /things/1\n  body {json.dumps(PAGES[0])}\nGET /things/2\n  body {json.dumps({"name": "alone", "tags": None})}\n')
rows = t.rows('SELECT id, name, tags, parts, deep, pairs, whole, last FROM part_things ORDER BY 1')
t.is_('text: the first that is there', [(r[0], r[1], r[7]) for r in rows], [(1, 'first', 'page'), (2, 'alone', None)])
t.is_('maps and lists: all of them', [json.loads(x) if x else None for x in rows[0][2:6]],
      [{'a': '1', 'b': '2', 'c': '3'}, ['x', 'y', 'z'], {'l': [1, 2, 3], 'm': {'n': 18446744073709551616, 'o': 1}, 's': 'stays', 'again': [7], 'new': [4]}, {'a': 'b', 'c': 'd'}])
t.is_('numbers stay as they are written', '18446744073709551616' in rows[0][4])
t.is_('the record as a whole', [r[6] for r in rows], ['6', '2'])
t.is_('one of one page', list(rows[1][2:6]), [None] * 4)
t.is_('a request a page', [r['path'] for r in t.log() if r['path'].startswith('/things/1')], ['/things/1', '/things/1?after=n1', '/things/1?after=n2'])
t.routes('GET /things\n  body [{"id":1}]\nGET /things/1?after=n1\n  status 400\n' + f'GET /things/1\n  body {json.dumps(PAGES[0])}\n')
r = t.sync('{source: part, tables: [part_things], spec: {}}')
t.is_('half of a record is none', (r['status'], r['rows']), ('failed', 0))
t.done()
