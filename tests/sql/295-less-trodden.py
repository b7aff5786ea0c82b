# What few definitions use: filters over every kind of value, lists of calls, pages by the last record and by GraphQL, discovery over
# several pages, shapes over JSON, identification, and what tells of all that.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
# name of a column: template, what it gives
VALUES = {
    'e1': ("{{ record.at | epoch }}", 1704153601), 'e2': ("{{ record.at | epoch_ms }}", 1704153601500), 'e3': ("{{ record.at | date }}", '2024-01-02'),
    'e4': ("{{ record.n | epoch }}", 1704153601), 'e5': ("{{ record.odd | epoch_ms }}", None),
    'b1': ("{{ record.s | base64 }}", 'aMOpbGxv'), 'b2': ("{{ 'aMOp bGxv' | unbase64 }}", 'héllo'), 'b3': ("{{ record.n | base64 }}", 'MTcwNDE1MzYwMQ=='), 'b4': ("{{ null | base64 }}", None),
    'u1': ("{{ record.s | urlencode }}", 'h%C3%A9llo'), 'u2': ("{{ 'a%20b%zz' | urldecode }}", 'a b%zz'),
    'j1': ("{{ record.list | json }}", '[1,"two",null,2.5,true,{"a":1}]'), 'j2': ("{{ record.s | json }}", 'héllo'), 'j3': ("{{ record.f | json }}", '1704153601.5'),
    'j4': ("{{ record.n | json }}", '1704153601'), 'j5': ("{{ '{\"a\": [1, 2]}' | from_json | get('a') | last }}", 2), 'j6': ("{{ 'a: [x, {b: c}]' | from_yaml }}", '{"a":["x",{"b":"c"}]}'),
    'l1': ("{{ record.list | first }}", 1), 'l2': ("{{ record.list | last | get('a') }}", 1), 'l3': ("{{ record.list | length }}", 6), 'l4': ("{{ record.map | length }}", 2),
    'l5': ("{{ record.s | length }}", 5), 'l8': ("{{ record.map | without(['b', 'a']) | length == 0 }}", 1), 'l9': ("{{ record.none | without(['a']) | length }}", None), 'l6': ("{{ record.list | join('-') }}", '1-two-null-2.5-true-{"a":1}'), 'l7': ("{{ ['a', 1, record.f, 'z'] | join('-') }}", 'a-1-1704153601.5-z'),
    'm1': ("{{ record.map | keys }}", '["a","b"]'), 'm2': ("{{ record.map | values }}", '[1,[2]]'), 'm3': ("{{ record.map | without(['b']) }}", '{"a":1}'),
    'm4': ("{{ record.map | get('z') }}", None), 'm5': ("{{ record.pairs | to_map('Key', 'Value') }}", '{"x":"1","y":"2"}'), 'm6': ("{{ record.pairs | find('Key', 'y') | get('Value') }}", '2'),
    'm7': ("{{ record.pairs | find('Key', 'z') }}", None), 'm8': ("{{ ['p', 'q'] | objects('k') }}", '[{"k":"p"},{"k":"q"}]'), 'm9': ("{{ record.list | concat(record.none, 'x', [7]) | length }}", 8),
    'c1': ("{{ record.list | contains(1) }}", 1), 'c2': ("{{ record.list | contains('no') }}", 0), 'c3': ("{{ record.map | contains('a') }}", 1), 'c4': ("{{ record.s | contains('ll') }}", 1),
    'c5': ("{{ record.kind | case('a', 'A', 'b', 'B', 'other') }}", 'B'), 'c6': ("{{ record.s | case('a', 'A') }}", None),
    'r1': ("{{ record.s | replace('l', 'LL') }}", 'héLLLLo'), 'r2': ("{{ record.s | regex('(.)o$') }}", 'l'), 'r3': ("{{ record.s | regex('nothing') }}", None), 'r4': ("{{ 'a1b22' | regex('([a-z])([0-9]+)$', 2) }}", '22'),
    'f1': ("{{ '{}:{}:{}' | format(record.s, record.n, null) }}", None), 'f2': ("{{ '{}/{}' | format(record.f, true) }}", '1704153601.5/1'), 'd1': ("{{ record.none | default('d') }}", 'd'),
    'd2': ("{{ record.empty | default(record.n) }}", 1704153601), 'o1': ("{{ record.none or record.empty or 'last' }}", 'last'), 'o2': ("{{ record.n if record.n > 5 and not record.none else 0 }}", 1704153601),
    'o3': ("{{ 'in' if 'two' in record.list else 'out' }}", 'in'), 'o4': ("{{ record.n >= 1704153601 and record.f != record.n and record.s <= 'z' }}", 1), 'o5': ("{{ record.kind == 'b' or false }}", 1),
    'a1': ("{{ 'arn:aws:iam::123:role/x' | arn('account') }}", '123'), 'a2': ("{{ record.s | arn('region') }}", None), 't1': ("{{ ' X ' | trim | lower }}", 'x'), 't2': ("{{ record.n | upper }}", '1704153601'),
    'w1': ("{{ response.status }}", 200), 'w2': ("{{ response.headers.x-own }}", 'yes'), 'w3': ("{{ response.body.count }}", 1), 'w4': ("{{ record.deep.er }}", '[1,{"x":null}]'), 's1': ("{{ 'a,b,,c' | split(',') }}", '["a","b","","c"]'),
}
RECORD = {'id': 1, 'at': '2024-01-02T00:00:01.5Z', 'n': 1704153601, 'f': 1704153601.5, 'odd': 'soon', 's': 'héllo', 'list': [1, 'two', None, 2.5, True, {'a': 1}], 'map': {'a': 1, 'b': [2]}, 'empty': '', 'none': None,
          'pairs': [{'Key': 'x', 'Value': '1'}, {'Key': 'y', 'Value': '2'}], 'kind': 'b', 'deep': {'er': [1, {'x': None}]}}
with open('few.yml', 'w', encoding='utf-8') as f:
    f.write(f'''
format: 1
integration: few
config: {{url: {{default: "{MOCK}"}}, teams: {{type: list, optional: true}}}}
clients:
  team:
    values: "{{{{ config.teams }}}}"
    discover: {{request: {{path: /teams, query: {{p: "{{{{ page.number }}}}"}}}}, rows: "[*]", page: {{by: number, size: 2, max_size: 2}}}}
    identify: {{request: {{path: "/team/{{{{ client.team }}}}"}}, record: "."}}
    columns: {{team: name, owner: who.login, label: {{value: "{{{{ client.team | upper }}}}"}}}}
defaults: {{request: {{url: "{{{{ config.url }}}}"}}, page: {{by: none}}}}
shapes:
  Part: {{Name: text name, Size: integer size, Tags: list of text tags, Sub: list of Part sub, Props: map of integer props, When: timestamp at, On: boolean on, Price: real price}}
tables:
  few_values:
    over: []
    request: {{path: /values}}
    rows: "items[*]"
    key: [id]
    columns:
      id: integer
''')
    for name, (template, _) in VALUES.items():
        f.write(f'      {name}: {{type: text, value: {json.dumps(template)}}}\n')
    f.write('''
  few_last:
    over: []
    request: {path: /last, query: {after: "{{ page.token }}", n: "{{ page.size }}"}}
    page: {by: last, token: id, size: 2, max_size: 2}
    rows: "[*]"
    key: [id]
    columns: {id: integer}
  few_graph:
    over: []
    request: {path: /graph, json: {query: "{ x }", variables: {after: "{{ page.token }}", deep: [1, "{{ run.date }}", {a: null}], off: false}}, safe: true}
    page: {by: graphql, token: data.x.pageInfo}
    rows: data.x.nodes[*]
    key: [id]
    columns: {id: integer}
  few_lists:
    over: []
    request: {path: /lists}
    rows: "[*]"
    key: [id]
    columns:
      id: integer
      names: {type: json, call: names}
      kinds: {type: json, call: kinds}
      parts: {type: json, call: parts}
      one: {path: v, call: one}
      joined: {path: label, call: joined}
    calls:
      names: {request: {path: "/lists/{{ row.id }}/names"}, rows: "names[*]"}
      kinds: {request: {path: "/lists/{{ row.id }}/kinds"}, rows: "[*]", page: {by: link}}
      parts: {request: {path: "/lists/{{ row.id }}/parts"}, rows: "[*]", shape: Part}
      one: {request: {path: "/lists/{{ row.id }}/one"}, record: "[0]", errors: [{when: {status: 404}, then: empty}]}
      joined: {request: {path: /joined, query: {ids: "{{ row.id | join(',') }}"}}, rows: "[*]", join: {row: id, record: id}, batch: 2}
  few_late:
    over: []
    request: {path: /late}
    rows: "[*]"
    key: [id]
    columns:
      id: integer
      fast: {type: list of text, path: v, call: fast, hidden: true}
      slow: {type: list of text, path: v, call: slow, hidden: true}
      both: {type: list of text, value: "{{ row.fast | concat(row.slow) }}"}
      of_fast: {value: "{{ detail.v | concat(row.slow) | join('-') }}", call: fast}
      after: {value: "{{ row.of_fast | upper }}", default: none}
      other: {path: b.c, call: other}
      tag: {value: "{{ '{}/{}' | format(response.headers.etag, response.status) }}", call: slow}
    calls:
      other: {request: {path: "/late/{{ row.id }}/other", decode: xml}, record: .}
      fast: {request: {path: "/late/{{ row.id }}/fast"}, record: .}
      slow: {request: {path: "/late/{{ row.id }}/slow"}, record: .}
  few_shapes:
    over: []
    request: {path: /shapes}
    rows: "[*]"
    key: [id]
    columns:
      id: integer
      part: {type: json, shape: Part}
      parts: {type: json, shape: list of Part}
      props: {type: json, shape: map of text}
  few_team:
    request: {path: "/of/{{ client.team }}"}
    rows: "[*]"
    key: [team, id]
    columns: {team: {from: client.team}, owner: {from: client.owner}, label: {from: client.label}, id: integer}
''')
t.rows("SELECT cq_load('few.yml'), cq_config('cache_ttl', 0)")
t.routes(f'GET /values\n  header x-own: yes\n  body {json.dumps({"count": 1, "items": [RECORD]})}\n')


def cell(v):
    """As it stands in a text column; JSON by its meaning."""
    return v if v is None else json.loads(v) if str(v)[:1] in '[{' else str(v)


row = t.db.execute('SELECT * FROM few_values')
seen = dict(zip([c[0] for c in row.description], row.fetchone()))
wrong = [f'{k} {VALUES[k][0]}: {seen[k]!r}, not {want!r}' for k, (_, want) in VALUES.items() if cell(seen[k]) != cell(want)]
t.is_('filters and operators', wrong, [])

t.routes('''GET /late
  body [{"id":1},{"id":2}]
GET /late/*/fast
  body {"v":["f"]}
GET /late/*/other
  body <a><b><c>x</c></b></a>
GET /late/1/slow
  header etag: e1
  delay 300
  body {"v":["s"]}
GET /late/2/slow
  header etag: e2
  body {}
''')
t.is_('values over columns of several calls wait for all', (t.tries('SELECT id, both, of_fast, after FROM few_late WHERE id = 1'),
      t.tries('SELECT after, both FROM few_late WHERE id = 1')), ([(1, '["f","s"]', 'f-s', 'F-S')], [('F-S', '["f","s"]')]))
t.is_('of the answer of a call', t.tries('SELECT tag FROM few_late ORDER BY id'), [('e1/200',), ('e2/200',)])
t.is_('a call may answer in another format', t.tries('SELECT other FROM few_late'), [('x',), ('x',)])
t.routes('GET /last?after=2\n  body [{"id":3}]\nGET /last?!after\n  body [{"id":1},{"id":2}]\n')
t.is_('pages by the last record', (t.rows('SELECT id FROM few_last'), t.asked()), ([(1,), (2,), (3,)], 2))
t.routes('''POST /graph
  need-body "after":"c1"
  body {"data":{"x":{"nodes":[{"id":2}],"pageInfo":{"hasNextPage":false,"endCursor":"c2"}}}}
POST /graph
  body {"data":{"x":{"nodes":[{"id":1}],"pageInfo":{"hasNextPage":true,"endCursor":"c1"}}}}
''')
t.is_('pages of GraphQL', (t.rows('SELECT id FROM few_graph'), t.asked()), ([(1,), (2,)], 2))
first = json.loads(t.log()[0]['body'])
t.is_('a body of templates: what has no value is left out', (sorted(first['variables']), first['variables']['off'], len(first['variables']['deep'][1])), (['deep', 'off'], False, 10))

t.routes('''GET /lists
  body [{"id":1},{"id":2},{"id":3}]
GET /lists/1/names
  body {"names":["a",2,null,{"b":1},[3],2.5,true]}
GET /lists/*/names
  body {"names":[]}
GET /lists/1/kinds?page=2
  body ["z"]
GET /lists/1/kinds
  header link: <@MOCK@/lists/1/kinds?page=2>; rel="next"
  body ["x","y"]
GET /lists/*/kinds
  body []
GET /lists/1/parts
  body [{"name":"p","size":"12","x":1},{"on":true}]
GET /lists/*/parts
  body []
GET /lists/2/one
  status 404
GET /lists/*/one
  body [{"v":"first"},{"v":"second"}]
GET /joined?ids=1,2
  body [{"id":2,"label":"two"},{"id":1,"label":"one"},{"id":9,"label":"nobody's"}]
GET /joined?ids=3
  body []
''')
t.is_('calls that give lists, records, and rows of others', t.rows('SELECT id, names, kinds, parts, one, joined FROM few_lists'),
      [(1, '["a",2,{"b":1},[3],2.5,1]', '["x","y","z"]', '[{"Name":"p","Size":12},{"On":true}]', 'first', 'one'),
       (2, '[]', '[]', '[]', None, 'two'), (3, '[]', '[]', '[]', 'first', None)])
for what, body in (('answer', '{"id":'), ('kind of answer', '7')):
    t.routes(f'GET /lists\n  body [{{"id":1}}]\nGET /lists/1/names\n  body {body}\n')
    t.has(f'a call with an odd {what} says so', t.raises('SELECT names FROM few_lists'), 'few_lists')

PART = {'name': 'p', 'size': '12', 'tags': ['a', 1], 'sub': [{'name': 'q', 'size': 2.0, 'x': 1}, {}], 'props': {'k': 3, 'l': '4'}, 'at': '2024-01-02T01:00:00+01:00', 'on': True, 'price': 1, 'unknown': {'y': [1]}}
t.routes(f'GET /shapes\n  body {json.dumps([{"id": 1, "part": PART, "parts": [PART, None, {}], "props": {"a": "x", "b": None}}, {"id": 2, "part": None, "parts": "no list", "props": []}, {"id": 3}])}\n')
rows = t.rows('SELECT id, part, parts, props FROM few_shapes')
shaped = {'Name': 'p', 'Size': 12, 'Tags': ['a', '1'], 'Sub': [{'Name': 'q', 'Size': 2}, {}], 'Props': {'k': 3, 'l': 4}, 'When': '2024-01-02T00:00:00Z', 'On': True, 'Price': 1}
t.is_('shapes over JSON', json.loads(rows[0][1]), shaped)
t.is_('and lists and maps of them', (json.loads(rows[0][2])[0], json.loads(rows[0][3])), (shaped, {'a': 'x'}))
t.is_('what is not there is NULL', rows[2], (3, None, None, None))

TEAMS = '''GET /teams?p=1
  body [{"name":"red"},{"name":"blue"}]
GET /teams?p=2
  body [{"name":"green"}]
GET /team/*
  body {"who":{"login":"boss"}}
GET /of/*
  body [{"id":1}]
'''
t.routes(TEAMS)
t.is_('discovery over pages, and identification', (t.rows('SELECT team, owner, label, id FROM few_team ORDER BY 1'), t.asked('/teams*'), t.asked('/team/*')),
      ([('blue', 'boss', 'BLUE', 1), ('green', 'boss', 'GREEN', 1), ('red', 'boss', 'RED', 1)], 2, 3))
d = json.loads(t.one('SELECT cq_debug()'))
t.is_('what cq is made of', sorted(k for k in ('cq', 'libcurl', 'jansson', 'sqlite') if any(k in str(x).lower() for x in d)), ['cq', 'jansson', 'libcurl', 'sqlite'])
t.done()
