# A tree: what is below each record is asked for, until no new one comes.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
DEFINITION = f'''format: 1
integration: x
config: {{side: {{type: list, default: [left]}}}}
clients: {{side: {{values: "{{{{ config.side }}}}"}}}}
defaults: {{request: {{url: "{MOCK}/{{{{ client.side }}}}"}}, page: {{by: none}}}}
tables:
  x_units:
    request: {{path: /roots}}
    rows: "Roots[*]"
    rows_when: "{{{{ record.Id | regex('^(ou-)') }}}}"
    below:
      request: {{path: "/children/{{{{ record.Id }}}}", query: {{after: "{{{{ page.token }}}}"}}}}
      rows: "Children[*]"
      page: {{by: token, token: Next}}
    key: [id]
    columns:
      id: text Id
      name: {{path: Name, call: unit}}
    calls:
      unit: {{request: {{path: "/unit/{{{{ row.id }}}}"}}}}
  x_plain:
    request: {{path: /top}}
    rows: "[*]"
    below: {{request: {{path: "/top/{{{{ row.id }}}}"}}}}
    columns: {{id: integer}}
'''
with open('x.yml', 'w', encoding='utf-8') as f:
    f.write(DEFINITION)
t.is_('loaded', t.one("SELECT cq_load('x.yml')"), 2)


def tree(children, roots=('r-1',), page=2):
    out = [f'GET /left/roots\n  body {json.dumps({"Roots": [{"Id": r} for r in roots]})}']
    for up, down in children.items():
        for i in range(0, max(len(down), 1), page):
            more = {'Next': f'k{i + page}'} if i + page < len(down) else {}
            out.append(f'GET /left/children/{up}?{"after=k%d" % i if i else "!after"}\n  body '
                       + json.dumps({'Children': [{'Id': c} for c in down[i:i + page]], **more}))
    return '\n'.join(out) + '\nGET /left/children/*\n  body {"Children":[]}\nGET /left/unit/*\n  body {"Name":"n"}\n'


TREE = {'r-1': ['ou-1', 'ou-2', 'ou-3'], 'ou-1': ['ou-11'], 'ou-3': ['ou-31', 'ou-32'], 'ou-31': ['ou-311']}
UNITS = ['ou-1', 'ou-2', 'ou-3', 'ou-11', 'ou-31', 'ou-32', 'ou-311']
t.routes(tree(TREE))
t.is_('level by level', [i for i, in t.rows('SELECT id FROM x_units')], UNITS)
t.is_('each asked for once', (t.asked('/left/children/*'), t.asked('/left/unit/*')), (9, 0))
t.routes(tree(TREE))
t.is_('with calls', t.rows('SELECT id, name FROM x_units'), [(u, 'n') for u in UNITS])
t.is_('for rows alone', t.asked('/left/unit/*'), 7)
t.is_('the first of them', t.rows('SELECT id FROM x_units LIMIT 2'), [('ou-1',), ('ou-2',)])
t.one("SELECT cq_config('cache_ttl', 0)")
t.routes(tree(TREE))
t.rows('SELECT id FROM x_units LIMIT 2')
t.is_('need no more than they need', t.asked(), 2)
t.routes(tree({**TREE, 'ou-311': ['ou-1', 'r-1'], 'ou-32': ['ou-32', 'ou-311']}))
t.is_('a cycle ends', [i for i, in t.rows('SELECT id FROM x_units')], UNITS)
t.is_('and asks for each once', t.asked('/left/children/*'), 9)
steps = json.loads(t.one("SELECT cq_explain('SELECT id FROM x_units')"))
t.is_('told before', [(s['purpose'], s['requests'], s['repeats']) for s in steps],
      [('list', 1, ''), ('below', None, 'per row of x_units, pages')])
t.routes(tree(TREE))
r = t.sync('{source: x, tables: [x_units]}')
t.is_('one unit of a sync', (r['status'], r['rows'], t.rows('SELECT count(*) FROM cq_units')), ('success', 7, [(1,)]))
t.is_('all of them', [i for i, in t.rows('SELECT id FROM x_units ORDER BY 1')], sorted(UNITS))
t.routes(tree(TREE).replace('GET /left/children/ou-3?', 'GET /left/children/ou-3?!after\n  status 400\n  body {}\nGET /left/gone?'))
t.has('a part that fails fails the unit', t.sync('{source: x, tables: [x_units]}', None), "'failed': 1")
t.is_('its rows stay', t.one('SELECT count(*) FROM x_units'), 7)
t.one("SELECT cq_config('x.side', '[\"left\", \"right\"]')")
t.routes(tree(TREE) + tree({'r-1': ['ou-1']}).replace('/left/', '/right/'))
t.is_('a tree for each client', t.rows('SELECT _cq_client_id, count(*) FROM live_x_units GROUP BY 1'), [('left', 7), ('right', 1)])
t.one("SELECT cq_config('x.side', '[\"left\"]')")
t.routes('GET /left/top\n  body [{"id":1}]\n' + ''.join(f'GET /left/top/{i}\n  body [{{"id":{i + 1}}}]\n' for i in range(1, 150)))
t.has('too deep', t.raises('SELECT id FROM x_plain'), 'x_plain: below: deeper than 100 levels')
t.routes('GET /left/top\n  body [{"id":1},{"id":2}]\nGET /left/top/1\n  body [{"id":3},{"id":2}]\nGET /left/top/*\n  body []\n')
t.is_('as they come', t.rows('SELECT id FROM x_plain'), [(1,), (2,), (3,)])


def refused(name, says, *changes):
    text = DEFINITION.replace('integration: x', 'integration: y')
    for old, new in changes:
        text = text.replace(old, new)
    with open('bad.yml', 'w', encoding='utf-8') as f:
        f.write(text.replace('x_', 'y_'))
    t.has(name, t.raises("SELECT cq_load('bad.yml')"), says)


refused('a request that names no record', 'y_plain: below: its request names nothing of the record above it', ('"/top/{{ row.id }}"', '/top'))
refused('a column of a call', 'y_units: below: row.name comes of a call, which is made later', ('record.Id }}", query', 'row.name }}", query'))
refused('a value of one', 'y_units: below: row.later comes of a call, which is made later', ('record.Id }}", query', 'row.later }}", query'),
        ('call: unit}\n', 'call: unit}\n      late: {value: "{{ row.name | upper }}"}\n      later: {value: "{{ row.late }}"}\n'))
refused('a table as its own parent', 'hint: below asks for what is below each record', ('    request: {path: /top}', '    parent: x_plain\n    request: {path: /top}'))
t.done()
