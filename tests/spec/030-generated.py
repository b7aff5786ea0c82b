# Generated tables: by name always, by a pattern only where the source asks for them.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
os.mkdir('x')
with open('x/x.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: x
defaults: {{request: {{url: "{MOCK}"}}}}
tables:
  x_a: {{request: {{path: /a}}, rows: "[*]", key: [id], columns: {{id: integer}}}}
  x_b: {{request: {{path: /b}}, rows: "[*]", key: [id], generated: true, columns: {{id: integer}}}}
  x_a_parts: {{parent: x_a, request: {{path: "/a/{{{{ parent.id }}}}"}}, rows: "[*]", generated: true, columns: {{id: integer}}}}
''')
with open('x/more.yml', 'w', encoding='utf-8') as f:
    f.write('''service: more
defaults: {generated: true}
tables:
  x_c: {request: {path: /c}, rows: "[*]", key: [id], columns: {id: integer}}
  x_d: {request: {path: /d}, rows: "[*]", key: [id], generated: false, columns: {id: integer}}
''')
t.is_('loaded', t.one("SELECT cq_load('x')") > 0)
t.is_('marked', t.rows("SELECT name, generated FROM cq_tables WHERE integration = 'x' ORDER BY 1"),
      [('x_a', 0), ('x_a_parts', 1), ('x_b', 1), ('x_c', 1), ('x_d', 0)])
t.routes('GET /a\n  body [{"id":1}]\nGET /*\n  body [{"id":2}]\n')
t.is_('live by its name', t.rows('SELECT id FROM x_b UNION ALL SELECT id FROM x_c'), [(2,), (2,)])


def tables(spec):
    seen = t.tries('SELECT cq_validate(?)', spec)
    return seen if isinstance(seen, str) else [x for s in json.loads(seen[0][0])['sources'] for x in s['tables']]


t.is_('a pattern leaves them out', tables('{source: x, tables: ["*"]}'), ['x_a', 'x_d'])
t.is_('also as children', tables('{source: x, tables: [x_a], skip_dependent_tables: false}'), ['x_a'])
t.is_('a name does not', tables('{source: x, tables: ["x_a*", x_c]}'), ['x_a', 'x_c'])
t.is_('who is named brings its parents', tables('{source: x, tables: [x_a_parts]}'), ['x_a', 'x_a_parts'])
t.is_('where the source says so', tables('{source: x, tables: ["*"], generated: true}'), ['x_a', 'x_b', 'x_c', 'x_d', 'x_a_parts'])
t.is_('with its children', tables('{source: x, tables: [x_a], skip_dependent_tables: false, generated: true}'), ['x_a', 'x_a_parts'])
t.is_('in documents', tables('kind: source\nspec: {name: x, path: x, tables: ["x_b*"], generated: true, destinations: [d]}\n---\nkind: destination\n'
                             'spec: {name: d, path: sqlite, spec: {connection_string: "d.db"}}'), ['x_b'])
t.has('a pattern for nothing else', tables('{source: x, tables: ["x_c*"]}'),
      'matches no table of x: x_c*\nhint: it matches generated tables: name them, or say generated: true')
t.has('only true or false', tables('{source: x, tables: ["*"], generated: 5}'), 'generated: ')
t.routes('GET /*\n  body [{"id":2}]\n')
r = t.sync('{source: x, tables: ["*"]}')
t.is_('synced without them', (r['status'], r['rows'], [t.asked(p) for p in ('/a', '/b', '/c', '/d')]), ('success', 2, [1, 0, 0, 1]))

# Of AWS's tables, generated ones have one name; what hides it leaves temp.<name>.
os.environ.update(AWS_EC2_METADATA_DISABLED='true')
(one, plain), = t.rows("SELECT max(iif(generated, name, '')), max(iif(generated, '', name)) FROM cq_tables WHERE integration = 'aws'")
for name in (one, plain):
    t.db.execute(f'CREATE TABLE {name}(a)')
NOBODY = 'aws: no credentials found'
t.is_('hidden', t.rows(f'SELECT count(*) FROM {one}'), [(0,)])
t.has('temp. reaches it', t.tries(f'SELECT count(*) FROM temp.{one}'), NOBODY)
t.has('as it does others', t.tries(f'SELECT count(*) FROM temp.{plain}'), NOBODY)
t.has('which have a name more', t.tries(f'SELECT count(*) FROM live_{plain}'), NOBODY)
t.is_('than generated ones', t.tries(f'SELECT count(*) FROM live_{one}'), f'no such table: live_{one}')
t.done()
