# timeout: 120
# What only DuckDB has: its types, who else has the file open, migrations, and the page about it.
import json
import os
import random
import re
import resource
import subprocess
import sys
import time

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests/dest', os.environ['CQ_ROOT'] + '/tests/docs']
import conformance
import ducks
import typed
from conformance import CREW, SHIPS
from synctest import FLEET, Sync

store = ducks.Store()
t = Sync()
MODE = 'overwrite-delete-stale'


def spec(what, mode, more='', source='fleet', dest=None):
    return '{source: %s, tables: [%s], write_mode: %s, destination: %s%s}' % (source, what, mode, dest or store.destination(), more)


def sync(what, mode, more='', **other):
    return t.sync(spec(what, mode, more, **other))


def counts(r):
    return ducks.rows(f"SELECT inserted, updated, unchanged, deleted, kept FROM cq_sync_tables WHERE sync_group_id = {r['sync_group_id']}")


t.routes('GET /oslo/values\n  body [{"id":"odd","i":18446744073709551616,"n":"0012.340","u":"no","ts":"x","d":"y","b":"z","r":"w","ints":[1,18446744073709551616],'
         '"times":["never"],"j":{"a":1}},{"id":"good","i":1}]\n')
r = sync('typed_values', 'append', source='typed')
t.is_('types', ducks.rows("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'raw_typed_values' AND column_index > 6 ORDER BY column_index"),
      [('id', 'VARCHAR'), ('t', 'VARCHAR'), ('i', 'BIGINT'), ('r', 'DOUBLE'), ('b', 'BOOLEAN'), ('ts', 'TIMESTAMP'), ('d', 'DATE'), ('n', 'VARCHAR'), ('u', 'UUID'),
       ('ip', 'VARCHAR'), ('net', 'VARCHAR'), ('hw', 'VARCHAR'), ('bin', 'BLOB'), ('j', 'JSON'), ('texts', 'VARCHAR[]'), ('ints', 'BIGINT[]'), ('reals', 'DOUBLE[]'),
       ('bools', 'BOOLEAN[]'), ('times', 'TIMESTAMP[]')])
t.is_('odd values: NULL, and no row is lost', (r['status'], ducks.rows("SELECT i, n, u, ts, d, b, r, j FROM typed_values WHERE id = 'odd'")),
      ('success', [(None, '0012.340', None, None, None, None, None, '{"a":1}')]))
t.has('and told', ducks.rows("SELECT message FROM cq_sync_errors WHERE kind = 'warning'"), 'values do not fit their columns')
LOOKS = ('infinity', 'epoch', '-0001-01-01', '2024-05-06 (BC)', '99999-01-01', '2024-05-06T10:00:00+25:00', '2024-05-06 10:00:00 Europe/Oslo')
t.routes('GET /oslo/values\n  body ' + json.dumps([{'id': x, 'ts': x, 'd': x, 'times': [x, '2024-05-06T10:00:00.5Z']} for x in LOOKS] +
                                                 [{'id': x, 'r': x, 'ints': [x, 1], 'reals': [x, 0.5], 'bools': [x, True]} for x in ('0x10', 'yes', 'NaN', '-Infinity', '1e999')]) + '\n')
r = sync('typed_values', 'append', source='typed')
t.is_('what DuckDB alone takes for a time, a number, a truth', (r['status'], ducks.rows("SELECT DISTINCT ts, d, r, times, ints, reals, bools FROM typed_values ORDER BY times IS NULL")),
      ('success', [(None, None, None, "[NULL, '2024-05-06 10:00:00.5']", None, None, None), (None, None, None, None, '[NULL, 1]', '[NULL, 0.5]', '[NULL, true]')]))

store.fresh()
t.routes('GET /oslo/values\n  body ' + json.dumps([{'id': 'big', 't': 'x' * 9000000, 'j': 'y' * 9000000}]) + '\n')
few = store.destination().replace('kind: duckdb', 'kind: duckdb, memory_mb: 32')
t.has('memory that DuckDB is not given', sync('typed_values', MODE, source='typed', dest=few), 'hint: memory_mb gives DuckDB more')
t.is_('given more', (sync('typed_values', MODE, source='typed', dest=few.replace('32', '256'))['status'], ducks.rows('SELECT length(t) FROM typed_values')), ('success', [('9000000',)]))

store.fresh()
t.routes(SHIPS)
r = sync('fleet_ships', MODE)
t.is_('inserted', counts(r), [('5', '0', '0', '0', '0')])
t.routes(SHIPS.replace('Fram', 'Maud').replace(',{"id":3,"name":"Kon"}', ',{"id":8,"name":"new"}').replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  status 400\n'))
r = sync('fleet_ships', MODE)
t.is_('one of each', (r['status'], counts(r)), ('partial', [('1', '1', '2', '1', '1')]))
store.fresh()
for _ in range(2):
    r = sync('fleet_ships', 'overwrite', ', sync_group_id: "day-{{YEAR}}", spec: {ports: [oslo]}')
t.is_('sync_group_id is part of the key', (r['status'], ducks.rows('SELECT count(*), count(DISTINCT _cq_id) FROM fleet_ships')), ('success', [('8', '4')]))

# ---- a table that refuses its rows fails alone, whoever is being written when that comes out ----
for mode in ('append', 'overwrite'):
    store.fresh()
    t.routes(SHIPS + CREW)
    sync('fleet_ships, fleet_crews', mode)
    ducks.rows(f"ALTER TABLE {'raw_' if mode == 'append' else ''}fleet_ships ALTER COLUMN name SET NOT NULL")
    before = ducks.rows('SELECT count(*) FROM fleet_ships')
    t.routes(SHIPS.replace('"name":"Kon"', '"name":null') + CREW)
    r = sync('fleet_ships, fleet_crews', mode)
    t.is_(f'{mode}: it alone has failed', (r['status'], sorted(ducks.rows(f"SELECT table_name, status FROM cq_sync_tables WHERE sync_group_id = {r['sync_group_id']}"))),
          ('partial', [('fleet_crews', 'success'), ('fleet_ships', 'failed')]))
    t.has('and says why', [e['message'] for e in r['errors'] if e['table'] == 'fleet_ships'], 'NOT NULL')
    t.is_('and what is not there is not told', sorted(ducks.rows(f"SELECT table_name, rows, inserted FROM cq_sync_tables WHERE sync_group_id = {r['sync_group_id']}"))[1],
          ('fleet_ships', '0', '0'))
    t.is_('its rows stay', ducks.rows('SELECT count(*) FROM fleet_ships'), before)

# ---- the disk is full ----
store.fresh()
t.routes(SHIPS)
sync('fleet_ships', 'append')
rnd = random.Random(7)
t.routes('GET /oslo/ships?page=1\n  body [%s]\n' % ','.join('{"id":%d,"name":"%s"}' % (i, rnd.randbytes(150).hex()) for i in range(20000)) + 'GET /oslo/ships?page=2\n  body []\n')
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for mode in ('append', 'overwrite'):
    if mode == 'overwrite':
        store.fresh()
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, hard))
    r = sync('fleet_ships', mode, ', spec: {ports: [oslo]}')
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    t.is_(f'{mode}: no room', (r['status'], 'File too large' in str(r) or 'No space' in str(r)), ('failed', True))
    t.is_('what was there is', ducks.rows('SELECT count(*) FROM fleet_ships') if mode == 'append' else [('5',)], [('5',)])
    r = sync('fleet_ships', mode, ', spec: {ports: [oslo]}')
    t.is_('with room it goes on', (r['status'], ducks.rows("SELECT count(*) FROM fleet_ships WHERE port = 'oslo'"), ducks.rows('SELECT sum(unsettled) FROM cq_syncs')),
          ('success', [('20000',)], [('0',)]))

# ---- rows go on before their unit has ended; where it fails they go again ----
store.fresh()
t.routes(SHIPS.replace('GET /oslo/ships?page=2\n', 'GET /oslo/ships?page=2\n  status 400\n'))
r = sync('fleet_ships', 'append', dest=store.destination()[:-1] + ', batch_size: 1}')
t.is_('a unit that fails leaves no rows', (r['status'], ducks.rows('SELECT _cq_client_id, count(*) FROM raw_fleet_ships GROUP BY 1'), ducks.rows('SELECT name FROM fleet_ships')),
      ('partial', [('rome', '1')], [('Argo',)]))

# ---- a client may be called whatever it is ----
store.fresh()
odd = 'a\x1eb\x1f\'; DROP TABLE cq_syncs; --'
t.routes(SHIPS + 'GET /**\n  status 400\n')
r = t.sync(json.dumps({'source': 'fleet', 'tables': ['fleet_ships'], 'spec': {'ports': ['rome', odd]}, 'destination': {'kind': 'duckdb', 'path': 'there.duckdb', 'library': ducks.LIBRARY}}))
t.is_('a client of an odd name fails alone', (r['status'], ducks.rows('SELECT name FROM fleet_ships'), ducks.rows('SELECT client_id FROM cq_sync_errors')),
      ('partial', [('Argo',)], [(odd,)]))

store.fresh()
t.routes(SHIPS)
sync('fleet_ships', 'append')
old = os.environ['CQ_PATH']
with open('other.yml', 'w') as f:
    f.write(open(FLEET).read().replace('tons: real', 'tons: integer'))
os.environ['CQ_PATH'] = os.path.abspath('other.yml')
other = Sync('other.db')
t.has('safe refuses, and lists it', other.sync(spec('fleet_ships', 'append')), 'column tons is DOUBLE and would be BIGINT')
db = ducks.Database('there.duckdb')
db.rows('CREATE VIEW theirs AS SELECT name, tons FROM fleet_ships')
db.close()
r = other.sync(spec('fleet_ships', 'append', ', migrate_mode: forced'))
t.is_('forced changes it, under their views', (r['status'], ducks.rows('SELECT name FROM theirs WHERE tons = 47')), ('success', [('Gjoa',)]))
for kind, wanted in (('real', [None, None, None, '1.5', None, None, '12.0']), ('integer', [None, None, None, None, None, None, '12'])):
    store.fresh()
    for name in ('text', kind):
        with open('other.yml', 'w') as f:
            f.write(open(FLEET).read().replace('name: text', f'name: {name}', 1))
        t.routes('GET /oslo/ships?page=1\n  body [%s]\nGET /oslo/ships?page=2\n  body []\nGET /oslo/ships?page=3\n  body []\nGET /oslo/ships?page=4\n  body []\n'
                 % ','.join('{"id":%d,"name":"%s"}' % x for x in enumerate(('1.2.3', '', '2024-01-05', '1.5', 'nan', 'inf', '12'))))
        r = Sync('other.db').sync(spec('fleet_ships', 'append', ', migrate_mode: forced, spec: {ports: [oslo]}'))
    t.is_(f'text to {kind}: as a whole, or not at all',
          [v for v, in ducks.rows('SELECT name FROM raw_fleet_ships WHERE _cq_sync_group_id = (SELECT min(sync_group_id) FROM cq_syncs) ORDER BY id')], wanted)
os.environ['CQ_PATH'] = old
store.fresh()
t.routes(SHIPS)
sync('fleet_ships', 'append')
t.has('another write mode: safe refuses', sync('fleet_ships', MODE), 'was synced with write_mode append')
t.is_('forced', (sync('fleet_ships', MODE, ', migrate_mode: forced')['status'], ducks.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'fleet_ships'")), ('success', [('1',)]))
store.fresh()
db = ducks.Database('there.duckdb')
db.rows('CREATE TABLE fleet_ships (a INTEGER)')
db.close()
t.has("somebody's table is left alone", sync('fleet_ships', MODE, ', migrate_mode: forced'), 'was not made by cq')
store.fresh()
sync('fleet_ships', 'append')
MINE = 'SELECT tons, _cq_sync_group_id FROM raw_fleet_ships'
db = ducks.Database('there.duckdb')
db.rows(f'DROP VIEW fleet_ships; CREATE VIEW Fleet_Ships AS {MINE}; CREATE TABLE cq_test_table (mine INTEGER)')
db.close()
t.has("and so is somebody's view of cq's rows, by whatever case its name is", sync('fleet_ships', 'append', ', migrate_mode: forced'), 'was not made by cq')
t.is_('it is there', ducks.rows("SELECT view_name, sql FROM duckdb_views() WHERE lower(view_name) = 'fleet_ships'"), [('Fleet_Ships', f'CREATE VIEW Fleet_Ships AS {MINE};')])
r = json.loads(t.one('SELECT cq_test(?)', spec('fleet_ships', 'append')))
t.is_('cq_test needs no name of anybody', ([x['ok'] for x in r['destinations']], ducks.rows("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'cq_test%'")), ([True], [('cq_test_table',)]))

holder = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', 'import sys; sys.path.insert(0, %r); import ducks; d = ducks.Database("there.duckdb"); print("open", flush=True); sys.stdin.read()'
                           % (os.environ['CQ_ROOT'] + '/tests/dest')], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
holder.stdout.readline()
t.has('open in another process', sync('fleet_ships', 'append'), 'is open in another process')
holder.stdin.close()
holder.wait()
r = t.sync('{source: fleet, tables: [fleet_ships], destinations: [%s, {kind: duckdb, name: two, path: there.duckdb, library: "%s"}]}' % (store.destination(), ducks.LIBRARY))
t.has('twice in one run', r, ' are the same place')

# ---- two syncs at once take turns ----
store.fresh()
t.routes(SHIPS.replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  delay 2500\n') + 'GET /*/notes\n  body [{"text":"a"}]\n')
first = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', 'import sys; sys.path.insert(0, %r)\nimport conformance\nfrom synctest import Sync\nprint(Sync("first.db").sync(sys.argv[1])["status"])'
                          % (os.environ['CQ_ROOT'] + '/tests/dest'), '{source: fleet, tables: [fleet_ships], destination: %s}' % store.destination()], stdout=subprocess.PIPE, text=True)
until = time.monotonic() + 30
while not t.asked('*rome/ships*') and time.monotonic() < until:
    time.sleep(0.02)
r = sync('fleet_notes', 'append', ', name: impatient', dest=store.destination()[:-1] + ', turn_timeout: 100ms}')
t.has('no longer than it may', r, ' by another connection: process ')
r = sync('fleet_notes', 'append', ', name: second')
t.is_('who comes second waits', (first.communicate()[0].strip(), r['status'], ducks.rows("SELECT string_agg(source_name, ',' ORDER BY started) FROM cq_syncs")),
      ('success', 'success', [('fleet,second',)]))
t.has('no library', sync('fleet_ships', 'append', dest='{kind: duckdb, path: x.duckdb, library: /no/libduckdb.so}'), 'hint: Debian has no package of it')
t.has('a library that is another', sync('fleet_ships', 'append', dest='{kind: duckdb, path: x.duckdb, library: libz.so.1}'), 'not a libduckdb')
with open('none.duckdb', 'w') as f:
    f.write('this is no database file of DuckDB ' * 500)
t.has('a file that is another', sync('fleet_ships', 'append', dest=store.destination().replace('there', 'none')), 'none.duckdb')
for name, path, said in (('MotherDuck', 'md:fleet?motherduck_token=s3cretToken', 'path: MotherDuck is no file, and cannot be written to'),
                         ('memory', ':memory:', 'path: what is in memory alone goes when the sync ends'),
                         ('a setting that there is not', 'set.duckdb?thread=1', 'options were not recognized: thread'),
                         ('a value that it has not', 'set.duckdb?access_mode=x', 'connection_string: DuckDB takes no such setting: access_mode=x')):
    r = sync('fleet_ships', 'append', dest='{kind: duckdb, connection_string: "%s", library: "%s"}' % (path, ducks.LIBRARY))
    t.has(name, r, said)
    t.is_('and told without a token', 's3cretToken' in str(r), False)
r = sync('fleet_ships', 'append', dest='{kind: duckdb, connection_string: "set.duckdb?threads=2&default_order=de%%73c", library: "%s"}' % ducks.LIBRARY)
t.is_('settings of DuckDB', (r['status'], ducks.rows('SELECT count(*) FROM fleet_ships', 'set.duckdb'), [f for f in os.listdir('.') if '?' in f or ':' in f]), ('success', [('5',)], []))
t.is_('no lock is left', [f for f in os.listdir('.') if 'cq-lock' in f], [])

# ---- docs/destinations/duckdb.md ----
os.environ.pop('CQ_PATH')
os.symlink(os.environ['CQ_ROOT'] + '/examples', 'examples')
text = open(os.environ['CQ_ROOT'] + '/docs/destinations/duckdb.md', encoding='utf-8').read()
with open('people.yml', 'w') as f:
    f.write(re.search(r'```yaml people.yml\n((?:.*\n)*?)```', text)[1].replace('/usr/local/lib/libduckdb.so', ducks.LIBRARY))
said, shown = typed.session(re.search(r'```\n(sqlite>(?:.*\n)*?)```', text)[1])
t.is_("the page's sync", typed.shell(['.load ' + typed.SO, '.mode box', *said], {}).splitlines(), shown)
query = re.search(r'```sql\n(.*\n)```\n\n((?:\|.*\n)+)', text)
t.is_('and what it shows', [r for r in ducks.rows(query[1], 'people.duckdb')],
      [tuple(c.strip() for c in line.strip('|').split('|')) for line in query[2].splitlines()[2:]])
t.is_('its keys', re.findall(r'^\| `(\w+)`', text, re.M), t.one("SELECT group_concat(key) FROM cq_destinations, json_each(options) WHERE name = 'duckdb'").split(','))
t.done()
