# cq_permissions: what the caller of a sync must be allowed to do, and no more.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
BODY = f'''config: {{sides: {{type: list, optional: true}}, role: {{optional: true}}, use_paid_apis: {{type: boolean, default: false}}}}
clients:
  account: {{values: "{{{{ ['a'] }}}}", identify: {{request: {{url: "{MOCK}", path: /me}}, permissions: [sts:Me]}}, columns: {{no: no}}}}
  side: {{over: [account], values: "{{{{ config.sides }}}}", discover: {{request: {{url: "{MOCK}", path: /sides}}, rows: "[*]", permissions: sides:List}}, columns: {{side: .}}}}
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}
tables:
  x_a: {{request: {{path: /a}}, over: [account], permissions: [b-2:List, a:List], columns: {{id: integer}}}}
  x_b: {{request: {{path: /b}}, permissions: [a:Get, a:List], columns: {{id: integer}}}}
  x_b_parts: {{parent: x_b, request: {{path: "/b/{{{{ parent.id }}}}"}}, permissions: c:Get, columns: {{id: integer}}}}
  x_paid: {{request: {{path: /p}}, over: [account], paid: true, permissions: [p:Get], columns: {{id: integer}}}}
  x_old: {{retired: gone, permissions: [o:Get], columns: {{id: integer}}}}
  x_new: {{request: {{path: /n}}, over: [], generated: true, permissions: [n:Get], columns: {{id: integer}}}}
'''
for name, head in (('x', 'permissions: {policy: aws, also: {"sts:Assume": "{{ config.role }}"}}\n'), ('y', '')):
    with open(name + '.yml', 'w', encoding='utf-8') as f:
        f.write(f'format: 1\nintegration: {name}\n' + head + BODY.replace('x_', name + '_'))
    t.one('SELECT cq_load(?)', name + '.yml')


def ask(spec):
    seen = t.tries('SELECT cq_permissions(?)', spec if isinstance(spec, str) else json.dumps(spec))
    return seen if isinstance(seen, str) else json.loads(seen[0][0])


def policy(*words):
    by = {}
    for w in sorted(words):
        by.setdefault(w.split(':')[0], []).append(w)
    return {'Version': '2012-10-17', 'Statement': [{'Sid': s.replace('-', ''), 'Effect': 'Allow', 'Action': a, 'Resource': '*'} for s, a in by.items()]}


t.is_('a table', ask('x_a'), policy('a:List', 'b-2:List', 'sts:Me'))
t.is_('its regions are asked for', ask('x_b'), policy('a:Get', 'a:List', 'sts:Me', 'sides:List'))
t.is_('where they are not named', ask({'source': 'x', 'tables': ['x_b'], 'spec': {'sides': ['n']}}), policy('a:Get', 'a:List', 'sts:Me'))
t.is_('but by patterns', ask({'source': 'x', 'tables': ['x_b'], 'spec': {'sides': ['n*']}}), policy('a:Get', 'a:List', 'sts:Me', 'sides:List'))
t.is_('parents', ask('x_b_parts'), policy('a:Get', 'a:List', 'c:Get', 'sts:Me', 'sides:List'))
t.is_('a role', ask({'source': 'x', 'tables': ['x_a'], 'spec': {'role': 'r'}}), policy('a:List', 'b-2:List', 'sts:Me', 'sts:Assume'))
t.is_('a pattern', ask('x_*'), policy('a:Get', 'a:List', 'b-2:List', 'c:Get', 'sts:Me', 'sides:List'))
t.is_('a generated one by its name', ask('x_new'), policy('n:Get'))
t.is_('what costs money', ask({'source': 'x', 'tables': ['x_paid'], 'spec': {'use_paid_apis': True}}), policy('p:Get', 'sts:Me'))
t.is_('is left out', ask('x_paid'), policy())
t.is_('so is what is gone', ask('x_old'), policy())
t.is_('without policies a list', ask('y_b'), ['a:Get', 'a:List', 'sides:List', 'sts:Me'])
t.is_('both', ask('kind: source\nspec: {name: 1, path: x, tables: [x_a], destinations: [d]}\n---\nkind: source\nspec: {name: 2, path: y, tables: [y_a], destinations: [d]}\n---\n'
                  'kind: source\nspec: {name: 3, path: x, tables: [x_new], destinations: [d]}\n---\nkind: destination\nspec: {name: d, path: sqlite, spec: {connection_string: d.db}}\n'),
      {'x': policy('a:List', 'b-2:List', 'n:Get', 'sts:Me'), 'y': ['a:List', 'b-2:List', 'sts:Me']})
t.is_('nothing is asked', t.asked(), 0)
t.has('no such table', ask('x_c'), 'cq_permissions: x_c matches no table')
t.has('of several integrations', ask('*'), 'cq_permissions: * matches tables of ')
t.has('no such file', ask('./x'), './x')
t.has('NULL', t.raises('SELECT cq_permissions(NULL)'), 'cq_permissions: spec: is NULL')
t.done()
