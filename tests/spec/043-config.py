# What a definition says of its settings: kinds of lists, members of maps, words that are known, what must hold of several; each
# told by its line in a spec, and by cq_config; clients that failed, called by the first name that they have.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('s.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: set
config:
  site: {{type: text, known: {{words: [oslo, rome], message: "others need an agreement"}}}}
  sites: {{type: list of text, known: {{words: "{{{{ data.all | concat(config.more) }}}}"}}}}
  more: {{type: list of text, default: []}}
  counts: {{type: list of integer, optional: true}}
  any: {{type: text, known: {{words: "{{{{ config.none }}}}"}}}}
  none: {{type: list, optional: true}}
  hidden: {{type: list of text, secret: true, known: {{words: [fake-secret-one]}}}}
  users:
    type: list
    members:
      name: {{type: text, required: true}}
      nick: text
      age: {{type: integer, min: 1}}
      fast: boolean
      roles: list of text
      home: {{type: map, members: {{site: {{type: text, known: {{words: [oslo, rome]}}}}}}}}
  group: {{type: text, optional: true}}
data: {{all: [oslo, rome, narvik]}}
checks:
  - {{when: "{{{{ config.users and config.group }}}}", setting: group, message: "users and group exclude each other"}}
  - {{when: "{{{{ config.group == data.all | first }}}}", setting: group, message: "is a site"}}
clients:
  user:
    values: "{{{{ config.users or ('[{{}}]' | from_json) }}}}"
    identify: {{request: {{url: "{MOCK}", path: "/who/{{{{ client.name or 'nobody' }}}}"}}}}
    columns: {{number: id}}
    attributes: [name, nick, age, fast, roles, home]
    id: [number, nick, name]
tables:
  set_rows:
    request: {{url: "{MOCK}", path: /rows}}
    page: {{by: none}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer}}
''')
t.is_('it loads', t.one("SELECT cq_load('s.yml')"), 1)
t.routes('''GET /who/ann
  body {"id": 7}
GET /who/*
  status 403
GET /rows
  body [{"id": 1}]
''')
HEAD = 'kind: source\nspec:\n  name: s\n  path: set\n  tables: [set_rows]\n  destinations: [d]\n  spec:\n'
TAIL = '---\nkind: destination\nspec: {name: d, path: sqlite}\n'


def said(lines, check='cq_validate'):
    text = HEAD + ''.join(f'    {line}\n' for line in lines.split('\n')) + TAIL
    return t.raises(f'SELECT {check}(?)', text) or 'valid'


for name, lines, wanted in (
        ('known', 'site: oslo\nsites: [rome, nar*]\ncounts: [1, 2]\nany: thing\nusers: [{name: a, age: 3, fast: true, roles: [x], home: {site: rome}}]', 'valid'),
        ('one for a list', 'sites: rome\ncounts: 3\nusers: {name: a, roles: x}', 'valid'),
        ('null is nothing', 'site: ~\nusers: ~\ncounts: ~', 'valid'),
        ('a word that is not', 'site: osla', 'spec:8: config site: unknown word "osla"\nhint: did you mean "oslo"? others need an agreement'),
        ('far from all', 'site: xyzzy', 'spec:8: config site: unknown word "xyzzy"\nhint: others need an agreement'),
        ('a pattern is none of a text', 'site: os*', 'spec:8: config site: unknown word "os*"'),
        ('in a list', 'sites:\n  - rome\n  - nome', 'spec:10: config sites: unknown word "nome"\nhint: did you mean "rome"?'),
        ('a pattern that fits none', 'sites:\n  - x*', 'spec:9: config sites: unknown word "x*"'),
        ('words of another setting', 'sites: [nome]\nmore: [nome]', 'valid'),
        ('its order does not matter', 'more: nome\nsites: [nome]', 'valid'),
        ('where nothing is known all is', 'any: x\nnone: []', 'valid'),
        ('of another', 'any: x\nnone: [y]', 'spec:8: config any: unknown word "x"'),
        ('a secret is not shown', 'hidden: [fake-secret-two]', 'spec:8: config hidden: unknown word "***"'),
        ('no words', 'sites: [[rome]]', 'spec:8: config sites: expected text, not a list'),
        ('a map for words', 'sites:\n  - rome\n  - {a: b}', 'spec:10: config sites: expected text, not a map'),
        ('numbers', 'counts:\n  - 1\n  - x', 'spec:10: config counts: expected integer, not "x"'),
        ('no map', 'users: [ann]', 'spec:8: config users: expected a map, not "ann"'),
        ('nor in a list', 'users: [[x]]', 'spec:8: config users: expected a map, not a list'),
        ('a member that is not', 'users:\n  - name: a\n    ag: 3', 'spec:10: config users: unknown key "ag"\nhint: did you mean "age"?'),
        ('of another kind', 'users:\n  - name: a\n    age: old', 'spec:10: config users: age: expected integer, not "old"'),
        ('too small', 'users:\n  - name: a\n    age: 0', 'spec:10: config users: age: 0 is below 1'),
        ('neither true nor false', 'users:\n  - name: a\n    fast: very', 'spec:10: config users: fast: expected boolean, not "very"'),
        ('one that is missing', 'users:\n  - name: a\n  - age: 3', 'spec:10: config users: name: is missing'),
        ('further in', 'users:\n  - name: a\n    home:\n      site: osla', 'spec:11: config users: home: site: unknown word "osla"\nhint: did you mean "oslo"?'),
        ('no map further in', 'users:\n  - name: a\n    home: oslo', 'spec:10: config users: home: expected a map, not "oslo"'),
        ('two together', 'users: [{name: a}]\ngroup: g', 'spec:9: config group: users and group exclude each other'),
        ('a rule over constants', 'group: oslo', 'spec:8: config group: is a site'),
        ('as text', "users: '[{nam: a}]'", 'spec:8: config users: unknown key "nam"'),
        ('text that is known', "sites: '[nome]'", 'spec:8: config sites: unknown word "nome"')):
    seen = said(lines)
    (t.is_ if wanted == 'valid' else t.has)(name, seen, wanted)
before = t.asked()
t.has('cq_sync', said('site: osla', 'cq_sync'), 'spec:8: config site: unknown word "osla"')
t.has('cq_test', said('site: osla', 'cq_test'), 'spec:8: config site: unknown word "osla"')
t.is_('nobody was asked', t.asked() - before, 0)

for name, key, value, wanted in (('a word', 'site', 'osla', 'unknown word "osla"'), ('a list', 'sites', '[nome]', 'unknown word "nome"'), ('a member', 'users', '[{ag: 1}]', 'unknown key "ag"'),
                                 ('one missing', 'users', '[{age: 1}]', 'name: is missing')):
    t.has(f'cq_config: {name}', t.raises('SELECT cq_config(?, ?)', f'set.{key}', value), wanted)
    t.is_('and it is not kept', t.one('SELECT cq_config(?)', f'set.{key}'), None)
t.is_('what another setting knows', [t.one("SELECT cq_config('set.more', '[nome]')"), t.one("SELECT cq_config('set.sites', '[nome]')")], ['["nome"]'] * 2)
t.one("SELECT cq_config('set.more', '[]')")
t.has('and no more', t.raises('SELECT * FROM set_rows'), 'set: config sites: unknown word "nome"')
t.is_('cq_settings goes on', t.one("SELECT value FROM cq_settings WHERE name = 'set.sites'"), '["nome"]')
t.one("SELECT cq_config('set.sites', NULL)")
t.one("SELECT cq_config('set.group', 'g')")
t.one("SELECT cq_config('set.users', '[{name: ann}]')")
t.has('two that exclude each other', t.raises('SELECT * FROM set_rows'), 'set: config group: users and group exclude each other')
t.one("SELECT cq_config('set.group', NULL)")
t.one("SELECT cq_config('set.users', NULL)")

r = t.sync(json.dumps({'source': 'set', 'tables': ['set_rows'], 'spec': {'users': [{'name': 'ann', 'nick': 'a'}, {'name': 'bob', 'nick': 'b'}, {'name': 'eve'}]}}))
t.is_('clients that failed are named', (r['status'], sorted(e['client'] for e in r['errors']), t.rows('SELECT client_id FROM cq_units')), ('partial', ['b', 'eve'], [('7',)]))
t.done()
