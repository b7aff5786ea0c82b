# The spec language, CloudQuery's: what is taken, and what each mistake is told by.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

t = Sync()
t.routes('GET /*/ships?page=1\n  body [{"id":1,"name":"Fram"}]\nGET /*/ships/*/crew\n  body [{"id":1,"name":"Otto"}]\n'
         'GET /*/notes\n  body [{"text":"x"}]\nGET /*/ships/*/cargo\n  body [{"what":"tea"}]\nGET /owners/*\n  body [{"name":"Eve"}]\n')

CLOUDQUERY = '''
# a file as CloudQuery reads it
kind: source
spec:
  name: harbour
  path: cloudquery/fleet
  registry: cloudquery
  version: "v27.1.0"
  tables: ["fleet_sh*", "fleet_notes"]
  skip_tables: ["fleet_notes"]
  skip_dependent_tables: true
  destinations: ["one", "two"]
  deterministic_cq_id: true
  backend_options: {table_name: cq_state, connection: "@@plugins.one.connection"}
  otel_endpoint: localhost:4318
  otel_endpoint_insecure: true
  concurrency: 100
  scheduler: shuffle
  spec:
    url: "${FLEET_URL}"
    ports: [oslo]
---
kind: destination
spec:
  name: one
  path: cloudquery/sqlite
  registry: cloudquery
  version: "v2.7.0"
  write_mode: overwrite
  migrate_mode: forced
  pk_mode: cq-id-only
  send_sync_summary: true
  spec:
    connection_string: one.db
    batch_size: 1000
    batch_size_bytes: 100000
    batch_timeout: 20s
---
kind: destination
spec: {name: two, path: sqlite, write_mode: append, spec: {path: two.db}}
'''
r = t.sync(CLOUDQUERY)
t.is_('a CloudQuery file', (r['status'], r['tables'], [(d['name'], d['rows']) for d in r['destinations']]), ('success', 1, [('one', 1), ('two', 1)]))
t.is_('fetched once for both', t.asked(), 1)
t.db.execute("ATTACH 'one.db' AS one")
t.db.execute("ATTACH 'two.db' AS two")
t.is_('the first', t.rows('SELECT name, _cq_source_name FROM one.fleet_ships'), [('Fram', 'harbour')])
t.is_('the second', t.rows('SELECT name FROM two.fleet_ships'), [('Fram',)])
t.is_('its summary', t.rows('SELECT source_name, source_path, source_version, destination_name, resources FROM one.cloudquery_sync_summaries'),
      [('harbour', 'cloudquery/fleet', 'v27.1.0', 'one', 1)])
t.is_('none where none is wanted', t.rows("SELECT count(*) FROM two.sqlite_schema WHERE name = 'cloudquery_sync_summaries'"), [(0,)])

# the same as JSON, as a file, as a folder
docs = [{'kind': 'source', 'spec': {'name': 'j', 'path': 'fleet', 'tables': ['fleet_notes'], 'destinations': ['d']}},
        {'kind': 'destination', 'spec': {'name': 'd', 'path': 'sqlite', 'write_mode': 'append'}}]
r = t.sync('\n---\n'.join(json.dumps(d) for d in docs))
t.is_('JSON', (r['status'], r['rows']), ('success', 2))
os.mkdir('specs')
for n, d in enumerate(docs):
    with open(f'specs/{n}.yml', 'w', encoding='utf-8') as f:
        json.dump(d, f)
with open('specs/.hidden.yml', 'w', encoding='utf-8') as f:
    f.write('nonsense: [')
t.is_('a folder', t.sync('specs')['status'], 'success')
with open('both.yml', 'w', encoding='utf-8') as f:
    f.write('\r\n---\r\n'.join(json.dumps(d) for d in docs))
t.is_('a file, with CRLF', t.sync('both.yml')['status'], 'success')

# tables
def tables(more):
    return json.loads(t.one('SELECT cq_validate(?)', '{source: fleet, %s}' % more))['sources'][0]['tables']


t.is_('children only where they match', tables('tables: [fleet_ships]'), ['fleet_ships'])
t.is_('or where it is asked for', tables('tables: [fleet_ships], skip_dependent_tables: false'),
      ['fleet_ships', 'fleet_cargo', 'fleet_crews', 'fleet_cargo_owners'])
t.is_('a child brings its parents', tables('tables: [fleet_cargo_owners]'), ['fleet_ships', 'fleet_cargo', 'fleet_cargo_owners'])
t.is_('who is skipped takes its children along', tables("tables: ['fleet_*'], skip_tables: [fleet_cargo, fleet_tolls, fleet_secrets, fleet_log, fleet_manifests]"),
      ['fleet_notes', 'fleet_ships', 'fleet_crews'])

# substitution
with open('ports.txt', 'w', encoding='utf-8') as f:
    f.write('rome')
os.environ['PORT'] = 'oslo'
r = t.sync('{source: fleet, name: "${PORT}-${time:2024-05-06|2006}", tables: [fleet_notes], spec: {ports: ["${file:./ports.txt}"]}}')
t.is_('environment, time and file', t.rows("SELECT _cq_source_name, _cq_client_id FROM fleet_notes WHERE _cq_source_name LIKE 'oslo%'"),
      [('oslo-2024', 'rome')])

# mistakes
S = '{source: fleet, tables: [fleet_ships]'
for name, spec, says in (
        ('no source', '{tables: [x]}', 'source is missing'),
        ('unknown integration', '{source: fleat, tables: [x]}', 'unknown integration: fleat\nhint: fleet'),
        ('no tables', '{source: fleet}', 'tables is missing\nhint: tables: [fleet_*]'),
        ('no such table', '{source: fleet, tables: [fleet_ship]}', 'matches no table of fleet: fleet_ship\nhint: fleet_ships'),
        ('no such table to skip', S + ', skip_tables: [nothing_*]}', 'matches no table of fleet: nothing_*'),
        ('unknown key', S + ', skip_table: [x]}', 'unknown key "skip_table"\nhint: did you mean "skip_tables"?'),
        ('a setting beside the keys', S + ', ports: [oslo]}', 'sync: unknown key "ports"\nhint: it is a setting of fleet: spec: {ports: ...}'),
        ("a kind's name", S + ', destination: {name: file, format: json}}', 'unknown key "format"\nhint: kind: file says what it is'),
        ('a scheme that nobody knows', S + ', destination: "mysql://root:not-for-logs@host/db"}', 'no kind is reached by mysql://\nhint'),
        ('unknown configuration', S + ', spec: {port: [x]}}', 'no setting "port"\nhint: did you mean "ports"?'),
        ('wrong configuration', S + ', spec: {use_paid_apis: perhaps}}', 'use_paid_apis'),
        ('unknown mode', S + ', write_mode: apend}', 'write_mode: unknown value: apend\nhint: did you mean "append"?'),
        ('unknown migrate mode', S + ', migrate_mode: force}', 'migrate_mode: unknown value: force\nhint: did you mean "forced"?'),
        ('group and stale', S + ', write_mode: overwrite-delete-stale, sync_group_id: x}', 'sync_group_id cannot go with'),
        ('no such word', S + ', sync_group_id: "{{YEAR}}-{{FOO}}"}', 'sync_group_id: unknown word {{FOO}}'),
        ('no such database', S + ', destination: nowhere}', 'destination nowhere: no database of that name is attached'),
        ('retry what', S + ', retry: all}', 'retry: only failed is known: all'),
        ('strict what', S + ', strict: 7}', 'strict: neither true nor false'),
        ('not YAML', '{source: fleet, tables: [', 'not YAML'),
        ('missing variable', '{source: fleet, tables: ["${CQ_NOT_THERE}"]}', 'CQ_NOT_THERE'),
        ('missing file', '{source: fleet, tables: ["${file:./nothing}"]}', './nothing'),
        ('bad time', '{source: fleet, name: "${time:soonish}", tables: [fleet_ships]}', 'soonish'),
        ('no file', 'nothing.yml', 'nothing.yml'),
        ('empty', '', 'spec: is empty'),
        ('a transformer', 'kind: transformer\nspec: {name: x}', 'transformer: is not supported'),
        ('unknown kind', 'kind: sauce\nspec: {name: x}', 'kind: unknown value: sauce\nhint: did you mean "source"?'),
        ('no name', 'kind: source\nspec: {path: fleet, tables: [fleet_ships]}', 'source: name is missing'),
        ('a source without a name', 'kind: source\nspec: {name: "", path: fleet, tables: [fleet_ships], destinations: [d]}\n---\nkind: destination\nspec: {name: d, path: sqlite}', 'source: name is empty'),
        ('a destination without a name', '{source: fleet, tables: [fleet_ships], destination: {kind: sqlite, name: ""}}', 'destination: name is empty'),
        ('two of a name', '\n---\n'.join(['kind: source\nspec: {name: x, path: fleet, tables: [fleet_ships]}'] * 2), 'a second one of that name'),
        ('a destination twice', 'kind: source\nspec: {name: x, path: fleet, tables: [fleet_ships], destinations: [here, here]}\n---\n'
         'kind: destination\nspec: {name: here, path: sqlite}', 'source x: destination here: named twice'),
        ('unknown destination', 'kind: source\nspec: {name: x, path: fleet, tables: [fleet_ships], destinations: [her]}\n---\n'
         'kind: destination\nspec: {name: here, path: sqlite}', 'unknown destination: her\nhint: here'),
        ('destination of another kind', 'kind: source\nspec: {name: x, path: fleet, tables: [fleet_ships], destinations: [d]}\n---\n'
         'kind: destination\nspec: {name: d, path: cloudquery/kafka}', 'destination d: not supported: cloudquery/kafka')):
    before = t.asked()
    t.has(name, t.sync(spec).get('raised'), says)
    if t.asked() != before:
        t.is_(name + ': nothing was asked', t.asked(), before)
t.has('an unknown option', t.sync(S + '}', '{"stric": true}').get('raised'), 'unknown key "stric"\nhint: did you mean "strict"?')
t.has('options that are no JSON', t.sync(S + '}', '{').get('raised'), 'options')
t.has('the line of the file is told', t.sync('kind: source\nspec:\n  name: x\n  path: fleet\n  tables: [fleet_ships]\n  destinations: [d]\n---\n'
                                             'kind: destination\nspec:\n  name: d\n  path: sqlite\n  colour: red\n').get('raised'), 'spec:12: ')
t.is_('NULL', t.raises('SELECT cq_sync(NULL)'), 'cq_sync: spec: is NULL')
# ---- what only a table's clients know is checked, too, and nobody is asked
t.routes('')
aws = "{source: aws, tables: [aws_s3_buckets], spec: {accounts: [{id: '123456789012', %s: 'arn:aws:iam::123456789012:role/r'}]}}"
t.is_('keys of accounts', json.loads(t.one('SELECT cq_validate(?)', aws % 'role_arn'))['valid'], True)
e = t.raises('SELECT cq_validate(?)', aws % 'role_am')
t.has('a slip in one', e, 'spec:1: config accounts: unknown key "role_am"')
t.has('with the word that is meant', e, 'did you mean "role_arn"?')

t.done()
