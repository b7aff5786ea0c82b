# timeout: 180
# What only PostgreSQL has: types of its catalog, people's views and grants through migrations, names, schemas and passwords, rows that
# the server refuses, counts, CloudQuery's own form of the spec.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance
import postgres
from conformance import CREW, SHIPS, TYPED
from synctest import FLEET, Sync

pg = postgres.Server()
store = postgres.Store(pg)
t = Sync()


def spec(what, mode, more='', source='fleet', dest=None):
    return '{source: %s, tables: [%s], write_mode: %s, destination: %s%s}' % (source, what, mode, dest or store.destination(), more)


def sync(what, mode, more='', **other):
    return t.sync(spec(what, mode, more, **other))


def columns(table):
    return dict(pg.rows(f"SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 "
                        "AND NOT attisdropped ORDER BY attnum"))


def counts(r):
    return pg.rows(f"SELECT inserted, updated, unchanged, deleted, kept FROM cq_sync_tables WHERE sync_group_id = {r['sync_group_id']}")


def fresh():
    store.fresh()
    pg.psql('DROP SCHEMA IF EXISTS theirs CASCADE')


def with_definition(change, act):
    """As if the integration's definition were another one."""
    old = os.environ['CQ_PATH']
    with open('other.yml', 'w') as f:
        f.write(change(open(FLEET).read()))
    os.environ['CQ_PATH'] = os.path.abspath('other.yml')
    try:
        return act(Sync('other.db'))
    finally:
        os.environ['CQ_PATH'] = old


# ---- types ----
t.routes('GET /oslo/values\n  body [{"id":"x"}]\nGET /oslo/names\n  body [{"order":"a"}]\n')
sync('typed_values, typed_names', 'append', source='typed')
t.is_('types', list(columns('raw_typed_values').items()), [
    ('_cq_sync_time', 'timestamp with time zone'), ('_cq_source_name', 'text'), ('_cq_sync_group_id', 'bigint'), ('_cq_client_id', 'text'),
    ('_cq_id', 'uuid'), ('_cq_parent_id', 'uuid'), ('id', 'text'), ('t', 'text'), ('i', 'bigint'), ('r', 'double precision'), ('b', 'boolean'),
    ('ts', 'timestamp with time zone'), ('d', 'date'), ('n', 'numeric'), ('u', 'uuid'), ('ip', 'inet'), ('net', 'cidr'), ('hw', 'macaddr'),
    ('bin', 'bytea'), ('j', 'jsonb'), ('texts', 'text[]'), ('ints', 'bigint[]'), ('reals', 'double precision[]'), ('bools', 'boolean[]'),
    ('times', 'timestamp with time zone[]')])
long = [c for c in columns('typed_names') if c.startswith('a_column')]
t.is_('long names: cut, and apart', ([len(c) for c in long], len(set(long))), ([63, 63], 2))
NUMBERS = ['0', '-0', '1', '-1', '10000', '9999', '0.1', '-0.0001', '1.50', '123456789.000000001', '1e5', '1.5E-7', '-12345678901234567890123456789012345678',
           '0.00000000000000000000000000000000000001', '100000000', '00012.30', '9999.9999', '99990000.00009999']
t.routes('GET /oslo/values\n  body %s\n' % json.dumps([{'id': str(k), 'n': n} for k, n in enumerate(NUMBERS)]))
r = sync('typed_values', 'append', source='typed')
t.is_('numeric, digit by digit', pg.rows('SELECT n::text FROM typed_values ORDER BY id::int'), pg.rows(
    'SELECT v::numeric::text FROM unnest(ARRAY[%s]) WITH ORDINALITY AS x(v, k) ORDER BY k' % ', '.join(f"'{n}'" for n in NUMBERS)))
ODD = {'i': 1 << 64, 'n': 'much', 'u': 'no', 'ip': '1.2.3', 'net': '10.0.0.1/8', 'hw': '00:11:22:33:44:55:66:77', 'ts': 'x', 'd': 'y', 'b': 'z', 'r': 'w',
       'ints': [1, 1 << 64], 'times': ['never'], 'texts': 'none', 'j': 'PLACE'}
t.routes('GET /oslo/values\n  body [%s,{"id":"fine","j":"\\u0000","texts":["a\\u0000b"]},{"id":"half","j":{"a":"\\ud800","b":"\\ud83d\\udea2\\\\u0000"}}]\n'
         % json.dumps({'id': 'odd', **ODD}).replace('"PLACE"', '[1e99999,1]'))
r = sync('typed_values', 'append', source='typed')
t.is_('odd values: NULL, and no row is lost', (r['status'], pg.rows("SELECT i, n, u, ip, net, hw, ts, d, b, r, ints::text, times::text, texts, j FROM typed_values WHERE id = 'odd'")),
      ('success', [(None,) * 10 + ('{1,NULL}', '{NULL}', ['none'], None)]))
t.has('and told', pg.rows("SELECT message FROM cq_sync_errors WHERE kind = 'warning'"), '13 values')
t.is_('what jsonb does not know', pg.rows("SELECT j::text, texts::text FROM typed_values WHERE id <> 'odd' ORDER BY id"),
      [('"\ufffd"', '{a\ufffdb}'), ('{"a": "\ufffd", "b": "🚢\\\\u0000"}', None)])

# ---- counts; what did not change ----
fresh()
BIG = json.dumps('x' + ''.join(str(i * i) for i in range(3000)))
t.routes('GET /oslo/values\n  body [{"id":"a","t":%s},{"id":"b","i":1}]\n' % BIG)
MODE = 'overwrite-delete-stale'
r = sync('typed_values', MODE, source='typed')
t.is_('inserted', counts(r), [(2, 0, 0, 0, 0)])
kept = "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE relname = 'typed_values'"
size = pg.one(kept)
r2 = sync('typed_values', MODE, source='typed')
t.is_('unchanged', (counts(r2), pg.rows('SELECT DISTINCT _cq_sync_group_id FROM typed_values')), ([(0, 0, 2, 0, 0)], [(r2['sync_group_id'],)]))
t.is_('and what the server keeps apart is not written again', (size > 0, pg.one(kept)), (True, size))
t.routes('GET /oslo/values\n  body [{"id":"a","t":%s},{"id":"b","i":2},{"id":"c"}]\n' % BIG)
r = sync('typed_values', MODE, source='typed')
t.is_('one updated, one new', (counts(r), [r['destinations'][0][k] for k in ('inserted', 'updated', 'unchanged')]), ([(1, 1, 1, 0, 0)], [1, 1, 1]))
t.routes('GET /oslo/values\n  body [{"id":"c"}]\n')
t.is_('two deleted', counts(sync('typed_values', MODE, source='typed')), [(0, 0, 1, 2, 0)])
t.routes('GET /oslo/values\n  status 400\n')
t.is_('kept', counts(sync('typed_values', MODE, source='typed')), [(0, 0, 0, 0, 1)])
t.is_('no stage is left', pg.rows("SELECT relname FROM pg_class WHERE relname LIKE 'cq_stage%'"), [])
fresh()
t.routes(SHIPS)
for _ in range(2):
    r = sync('fleet_ships', 'overwrite', ', sync_group_id: "day-{{YEAR}}"')
t.is_('sync_group_id is part of the key', (r['status'], pg.rows('SELECT count(*), count(DISTINCT _cq_id) FROM fleet_ships')), ('success', [(10, 5)]))

# more than is gathered at once, of a unit that goes on
for mode in ('append', MODE):
    fresh()
    t.routes('GET /oslo/values\n  body [%s]\n' % ','.join('{"id":"%d","t":"%s"}' % (i, str(i) * 20000) for i in range(200)))
    r = sync('typed_values', mode, source='typed')
    t.is_(f'{mode}: larger than the memory for it', (r['status'], pg.rows('SELECT count(*), sum(length(t)) FROM typed_values')),
          ('success', [(200, sum(len(str(i)) * 20000 for i in range(200)))]))
    r = sync('typed_values', mode, source='typed')
    t.is_('and again', (counts(r), pg.one('SELECT count(*) FROM typed_values')), ([(0, 0, 200, 0, 0) if mode == MODE else (200, 0, 0, 0, 0)], 200))

# ---- migrations ----
fresh()
t.routes(SHIPS)
sync('fleet_ships', 'append')
pg.psql('''CREATE ROLE reader; CREATE ROLE clerk;''')
pg.psql('''CREATE SCHEMA theirs; GRANT SELECT ON fleet_ships TO reader; GRANT SELECT (name) ON fleet_ships TO clerk WITH GRANT OPTION;
CREATE VIEW theirs.heavy WITH (security_barrier) AS SELECT name, tons FROM fleet_ships WHERE tons > 10;
CREATE VIEW theirs.names AS SELECT upper(name) AS loud FROM theirs.heavy; GRANT SELECT ON theirs.names TO reader; COMMENT ON VIEW theirs.names IS 'mine';
GRANT USAGE, CREATE ON SCHEMA theirs TO clerk; GRANT SELECT ON theirs.heavy TO clerk; ALTER VIEW theirs.names OWNER TO clerk; CREATE INDEX ours ON raw_fleet_ships (name)''')
view = "SELECT oid FROM pg_class WHERE relname = 'fleet_ships'"
was = pg.one(view)
r = with_definition(lambda d: d.replace('      tons: real\n', '      tons: real\n      speed: real\n'), lambda s: s.sync(spec('fleet_ships', 'append')))
t.is_('a column more: the view stays the same one', (r['status'], pg.one(view) == was, 'speed' in columns('fleet_ships'), pg.rows('SELECT loud FROM theirs.names')),
      ('success', True, True, [('FRAM',), ('GJOA',)]))
text = lambda d: d.replace('tons: real', 'tons: text').replace('id: integer\n      name: text\n      tons', 'id: decimal\n      name: text\n      tons')
r = with_definition(text, lambda s: s.sync(spec('fleet_ships', 'append')))
t.has('safe refuses, and lists all', r, 'column id is bigint and would be numeric; column tons is double precision and would be text')
t.is_('nothing is changed', (r['status'], columns('raw_fleet_ships')['tons'], len(pg.rows('SELECT 1 FROM fleet_ships'))), ('failed', 'double precision', 5))
r = with_definition(text, lambda s: s.sync(spec('fleet_ships', 'append', ', migrate_mode: forced')))
t.has('a view that does not fit is in the way, and all stays', r, 'DROP VIEW theirs.heavy')
t.is_('as it was', (columns('raw_fleet_ships')['tons'], pg.one('SELECT count(*) FROM theirs.names')), ('double precision', 2))
pg.psql('CREATE OR REPLACE VIEW theirs.heavy WITH (security_barrier) AS SELECT name, tons FROM fleet_ships WHERE tons::text::float8 > 10')
r = with_definition(text, lambda s: s.sync(spec('fleet_ships', 'append', ', migrate_mode: forced')))
t.is_('forced', (r['status'], columns('raw_fleet_ships')['tons'], columns('fleet_ships')['id'], pg.rows('SELECT loud FROM theirs.names')),
      ('success', 'text', 'numeric', [('FRAM',), ('GJOA',)]))
t.is_('views, grants, owners, comments and indexes are back', pg.rows(
    "SELECT has_table_privilege('reader', 'fleet_ships', 'SELECT'), has_column_privilege('clerk', 'fleet_ships', 'name', 'SELECT WITH GRANT OPTION'), "
    "has_table_privilege('reader', 'theirs.names', 'SELECT'), obj_description('theirs.names'::regclass), (SELECT rolname FROM pg_roles r JOIN pg_class c ON "
    "c.relowner = r.oid WHERE relname = 'names'), (SELECT reloptions::text FROM pg_class WHERE relname = 'heavy'), to_regclass('ours') IS NOT NULL"),
      [(True, True, True, 'mine', 'clerk', '{security_barrier=true}', True)])
r = sync('fleet_ships', 'append', ', migrate_mode: forced')
t.is_('and back: what fits', (r['status'], pg.rows("SELECT id, name, tons FROM raw_fleet_ships WHERE name IN ('Fram', 'Kon') AND _cq_sync_group_id = (SELECT min(_cq_sync_group_id) "
      "FROM raw_fleet_ships) ORDER BY 1")), ('success', [(1, 'Fram', 402.5), (3, 'Kon', None)]))
pg.psql('CREATE MATERIALIZED VIEW theirs.stored AS SELECT name FROM fleet_ships')
r = with_definition(text, lambda s: s.sync(spec('fleet_ships', 'append', ', migrate_mode: forced')))
t.has('a materialized view is told', r, 'theirs.stored uses a table that has to be changed')
pg.psql('DROP MATERIALIZED VIEW theirs.stored')
t.has('another write mode: safe refuses', sync('fleet_ships', MODE), 'was synced with write_mode append')
r = sync('fleet_ships', MODE, ', migrate_mode: forced')
t.is_('forced: the table, under their views', (r['status'], pg.one("SELECT relkind FROM pg_class WHERE relname = 'fleet_ships'"), pg.rows('SELECT loud FROM theirs.names ORDER BY 1'),
      pg.one("SELECT has_table_privilege('reader', 'fleet_ships', 'SELECT')")), ('success', 'r', [('FRAM',), ('GJOA',)], True))
r = sync('fleet_ships', 'append', ', migrate_mode: forced')
t.is_('and back', (r['status'], pg.one("SELECT relkind FROM pg_class WHERE relname = 'fleet_ships'"), pg.rows('SELECT loud FROM theirs.names ORDER BY 1')),
      ('success', 'v', [('FRAM',), ('GJOA',)]))
fresh()
pg.psql('CREATE VIEW fleet_ships AS SELECT 1 AS one')
t.has("somebody's view is left alone", sync('fleet_ships', 'append', ', migrate_mode: forced'), 'was not made by cq')
fresh()
pg.psql("CREATE TABLE fleet_ships (_cq_sync_time timestamp, _cq_source_name text, _cq_id uuid NOT NULL UNIQUE, _cq_parent_id uuid, port text, id bigint, name text, "
        "tons double precision, built timestamp, flags jsonb, PRIMARY KEY (port, id)); INSERT INTO fleet_ships VALUES ('2020-01-01 12:00:00', 'fleet', "
        "'00000000-0000-5000-8000-000000000000', NULL, 'oslo', 77, 'old', 1, '2019-01-01 00:00:00', '{}')")
t.has("CloudQuery's own table: safe lists what differs", sync('fleet_ships', 'overwrite'), 'has another key; column _cq_sync_time is timestamp without time zone')
r = sync('fleet_ships', 'overwrite', ', migrate_mode: forced')
t.is_('forced takes it over', (r['status'], pg.rows("SELECT name, _cq_sync_time::text, built::text, _cq_client_id FROM fleet_ships WHERE id = 77"), pg.one('SELECT count(*) FROM fleet_ships')),
      ('success', [('old', '2020-01-01 12:00:00+00', '2019-01-01 00:00:00+00', '')], 6))

# ---- rows that the server refuses ----
for more, said in (("ADD CHECK (name <> 'Kon') NOT VALID", 'new row for relation "fleet_ships" violates check constraint'),
                   ('ALTER COLUMN built SET NOT NULL', 'null value in column "built" of relation "fleet_ships" violates not-null constraint')):
    fresh()
    t.routes(SHIPS.replace('"built":null', '"built":"1901-01-01T00:00:00Z"').replace('"name":"Kon"', '"name":"Kon","built":"1947-01-01T00:00:00Z"')
             .replace('"name":"Ra"', '"name":"Ra","built":"1969-01-01T00:00:00Z"').replace('"name":"Argo"', '"name":"Argo","built":"0001-01-01T00:00:00Z"'))
    sync('fleet_ships', MODE)
    pg.psql('ALTER TABLE fleet_ships ' + more)
    t.routes(SHIPS)
    r = sync('fleet_ships', MODE)
    t.has('the table is named, not where its rows were staged', r['errors'][0]['message'], said)
    t.is_('nowhere', ('cq_stage' in json.dumps(r), pg.rows("SELECT message FROM cq_sync_errors WHERE message LIKE '%cq_stage%'")), (False, []))

fresh()
t.routes(SHIPS + CREW)
sync('fleet_crews', 'append')
pg.psql("ALTER TABLE raw_fleet_ships ADD CHECK (name <> 'Kon') NOT VALID")
ids = dict(pg.rows('SELECT name, _cq_id FROM fleet_ships'))
r = sync('fleet_crews', 'append')
t.has('a row that is refused is named, and its column', r, f"fleet_ships: row _cq_id {ids['Kon']}, column name:")
t.is_('its table fails, nothing of it is published; the other goes on',
      (r['status'], [x['status'] for x in r['destinations'][0].get('tables', [])] or pg.rows(f"SELECT table_name, status FROM cq_sync_tables WHERE sync_group_id = {r['sync_group_id']} ORDER BY 1"),
       pg.rows('SELECT count(*), count(DISTINCT _cq_sync_group_id) FROM raw_fleet_ships')),
      ('partial', [('fleet_crews', 'success'), ('fleet_ships', 'failed')], [(5, 1)]))
TOLD = 'SELECT table_name, rows, inserted FROM cq_sync_tables WHERE sync_group_id = %s ORDER BY 1'
t.is_('and what is not there is not told', (pg.rows(TOLD % r['sync_group_id']), pg.one("SELECT rows FROM cq_syncs ORDER BY sync_group_id DESC LIMIT 1"), r['destinations'][0]['rows']),
      ([('fleet_crews', 2, 2), ('fleet_ships', 0, 0)], 2, 2))
fresh()
sync('fleet_ships', MODE)
pg.psql("ALTER TABLE fleet_ships ADD CHECK (tons < 400) NOT VALID")
r = sync('fleet_ships', MODE)
t.has('in a merge too', r, f"row _cq_id {ids['Fram']}, column tons:")
t.is_('all of it stays', (r['status'], pg.rows('SELECT count(*) FROM fleet_ships'), pg.rows(TOLD % r['sync_group_id'])), ('failed', [(5,)], [('fleet_ships', 0, 0)]))
fresh()
sync('fleet_ships', 'append')
pg.psql('''CREATE SEQUENCE met; CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('met') < 4 THEN
RAISE EXCEPTION 'deadlock detected' USING ERRCODE = TG_ARGV[0]; END IF; RETURN NEW; END $$;
CREATE TRIGGER meet BEFORE INSERT ON raw_fleet_ships FOR EACH STATEMENT EXECUTE FUNCTION meet('40P01')''')
r = sync('fleet_ships', 'append')
t.is_('deadlocks: again', (r['status'], pg.one('SELECT count(*) FROM raw_fleet_ships'), pg.one("SELECT nextval('met')")), ('success', 10, 5))
pg.psql("SELECT setval('met', 1)")
r = sync('fleet_ships', 'append', dest=store.destination()[:-1] + ', retry_on_deadlock: 0}')
t.has('not where the spec says so', r, 'deadlock detected')
pg.psql("DROP TRIGGER meet ON raw_fleet_ships; CREATE TRIGGER meet BEFORE INSERT ON raw_fleet_ships FOR EACH STATEMENT EXECUTE FUNCTION meet('53100'); SELECT setval('met', 1, false)")
r = sync('fleet_ships', 'append')
t.is_('no room on its disk: the run ends, all stays', (r['status'], pg.rows('SELECT count(*), count(DISTINCT _cq_sync_group_id) FROM fleet_ships')), ('failed', [(5, 1)]))
pg.psql('DROP TRIGGER meet ON raw_fleet_ships')
r = sync('fleet_ships', 'append')
t.is_('then all is well', (r['status'], pg.one("SELECT count(*) FROM cq_syncs WHERE unsettled = 1 OR status = 'running'")), ('success', 0))

# ---- who, where ----
fresh()
pg.psql("CREATE ROLE app LOGIN PASSWORD 'S3cret/Zebra@x'; CREATE ROLE poor LOGIN; CREATE SCHEMA app AUTHORIZATION app")
pg.psql('GRANT USAGE ON SCHEMA public TO PUBLIC')
with open(pg.data + '/pg_hba.conf', 'r+') as f:
    all_ = f.read()
    f.seek(0)
    f.write('host all app 127.0.0.1/32 scram-sha-256\n' + all_)
pg.psql('SELECT pg_reload_conf()')
good = '{kind: postgresql, connection_string: "%s"}' % pg.url('app', 'S3cret%2FZebra%40x', more='?options=-csearch_path%3Dapp')
r = sync('fleet_ships', 'append', dest=good)
t.is_('a password, search_path', (r['status'], pg.one('SELECT count(*) FROM app.fleet_ships'), pg.one('SELECT count(*) FROM app.cq_units')), ('success', 5, 2))
r = sync('fleet_ships', 'append', dest="{kind: postgresql, connection_string: \"host=127.0.0.1 port=%d dbname=postgres user=app password='S3cret/Zebra@x'\", schema: app}" % pg.port)
t.is_('as pairs, schema', (r['status'], pg.one('SELECT count(*) FROM app.raw_fleet_ships')), ('success', 10))
r = sync('fleet_ships', 'append', dest='"%s"' % pg.url('postgres', more='?sslmode=disable&search_path=ap%70&pool_max_conns=4&default_query_exec_mode=exec'))
t.is_("CloudQuery's search_path, and words of its pool", (r['status'], pg.one('SELECT count(*) FROM app.raw_fleet_ships')), ('success', 15))
r = sync('fleet_ships', 'append', dest=r"""{kind: postgresql, connection_string: "host='127.0.0.1' port=%d dbname=postgres user=postgres pool_min_conns = 2 search_path = 'none, \\'app'"}""" % pg.port)
t.has('in pairs, a list', r, 'search_path names no schema that exists')
r = sync('fleet_ships', 'append', dest='{kind: postgresql, connection_string: "search_path=\'none, app\' host=127.0.0.1 port=%d dbname=postgres user=postgres"}' % pg.port)
t.is_('the first of it that there is', (r['status'], pg.one('SELECT count(*) FROM app.raw_fleet_ships')), ('success', 20))
t.has('a word that nobody knows', sync('fleet_ships', 'append', dest='"%s"' % pg.url('postgres', more='?ssl_mode=disable')), 'unrecognized configuration parameter "ssl_mode"')
r = sync('fleet_ships', 'append', dest='"%s"' % pg.url('postgres', more='?options=-csearch_path%3Dapp'))
t.is_('a URL is enough', (r['status'], r['destinations'][0]['name']), ('success', 'postgresql'))
for name, dest in (('a wrong one', good.replace('S3cret', 'Wr0ngZebra')), ('one that is not encoded', good.replace('%2F', '/').replace('%40', '@')),
                   ('a string that is none', "{kind: postgresql, connection_string: \"host=127.0.0.1 password=it's S3cret/Zebra\"}")):
    r = t.sync(spec('fleet_ships', 'append', dest=dest))
    t.is_(f'{name}: told without it', (r['status'] in ('failed', 'raised'), [w for w in ('S3cret', 'Wr0ng', 'Zebra', "it's") if w in json.dumps(r)]), (True, []))
t.has('what is wrong', t.sync(spec('fleet_ships', 'append', dest=good.replace('S3cret', 'Wr0ngZebra'))), 'password authentication failed')
r = t.sync(spec('fleet_ships', 'append', dest='{kind: postgresql, connection_string: "%s"}' % pg.url('poor')))
t.has('without rights', r, 'permission denied for schema public')
r = json.loads(t.one('SELECT cq_test(?)', spec('fleet_notes', 'append', dest='{kind: postgresql, connection_string: "%s"}' % pg.url('poor'))))
t.has('cq_test tells', r['destinations'], 'permission denied')
t.is_('and leaves nothing', pg.rows("SELECT relname FROM pg_class WHERE relname LIKE 'cq\\_test%'"), [])


def tested(who, schema):
    r = json.loads(t.one('SELECT cq_test(?)', spec('fleet_notes', 'append', dest='{kind: postgresql, connection_string: "%s", schema: %s}' % (pg.url(who), schema))))
    return r['destinations'][0]['ok'], r['destinations'][0]['message']


t.is_('a schema that a sync would make', (tested('postgres', 'later'), pg.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'later'")), ((True, None), []))
t.has('and one that it could not', str(tested('poor', 'later')), 'permission denied for database')
pg.psql("CREATE SCHEMA shared; GRANT ALL ON SCHEMA shared TO poor")
dest = '{kind: postgresql, connection_string: "%s", schema: shared}'
sync('fleet_ships', 'append', dest=dest % pg.url())
r = sync('fleet_ships', 'append', dest=dest % pg.url('poor'))
t.is_("run tables of another's: as a sync finds it", (r['status'], tested('poor', 'shared')[0], tested('poor', 'shared')[1], 'must be owner' in r['raised']), ('raised', False, r['raised'], True))
r = t.sync(spec('fleet_ships', 'append', dest='"postgresql://127.0.0.1:1/x"'))
t.has('no server: libpq\'s two lines are a sentence and a hint', r['errors'][0]['message'] if r.get('errors') else r['raised'],
      'port 1 failed: Connection refused\nhint: Is the server running')
pg.psql('CREATE SCHEMA theirs; CREATE TABLE theirs.cq_units (id int)')
r = t.sync(spec('fleet_ships', 'append', dest='{kind: postgresql, connection_string: "%s", schema: theirs}' % pg.url()))
t.has("somebody's own cq_units", r['errors'][0]['message'] if r.get('errors') else r.get('raised', r), 'tables cq_... of the schema theirs are not as cq makes them')
t.has("CloudQuery's embeddings", t.sync(spec('fleet_ships', 'append', dest=store.destination()[:-1] + ', pgvector_config: {}}')), "pgvector_config: CloudQuery's embeddings are not there")
for name in ('LATIN1', 'SQL_ASCII'):
    pg.psql(f"CREATE DATABASE {name.lower()} ENCODING '{name}' TEMPLATE template0")
    t.has(f'an encoding that is another: {name}', t.sync(spec('fleet_ships', 'append', dest='"%s"' % pg.url(database=name.lower()))),
          f'database {name.lower()}: encoding {name}: cq needs UTF8')
t.has('no connection_string', t.sync(spec('fleet_ships', 'append', dest='{kind: postgresql}')), 'connection_string is missing')
fresh()
with open('cloud.yml', 'w') as f:
    f.write('''kind: source
spec: {name: fleet, path: cloudquery/fleet, version: v1.0.0, tables: [fleet_ships], destinations: [pg]}
---
kind: destination
spec:
  name: pg
  path: cloudquery/postgresql
  version: v8.0.0
  write_mode: overwrite-delete-stale
  send_sync_summary: true
  spec: {connection_string: "%s", pgx_log_level: error, batch_size: 2, batch_size_bytes: 1000, batch_timeout: 10s, create_performance_indexes: true, retry_on_deadlock: 3}
''' % pg.url())
r = t.sync('cloud.yml')
t.is_("CloudQuery's own form", (r['status'], pg.one('SELECT count(*) FROM fleet_ships'), pg.rows('SELECT source_name, resources, destination_path, resources_per_table FROM cloudquery_sync_summaries')),
      ('success', 5, [('fleet', 5, 'cloudquery/postgresql', {'fleet_ships': 5})]))
t.is_('performance indexes', pg.rows("SELECT indexname FROM pg_indexes WHERE tablename = 'fleet_ships' ORDER BY 1"),
      [('fleet_ships_cqclient',), ('fleet_ships_cqpi',), ('fleet_ships_cqpk',)])
pg.psql('DROP TABLE fleet_ships; CREATE TABLE fleet_ships (n int)')
r = t.sync('cloud.yml')
t.is_('the summary of a table that was refused: whose error it is', (r['status'], pg.rows('SELECT source_errors, destination_errors, resources FROM cloudquery_sync_summaries '
                                                                                       'WHERE resources = 0')), ('failed', [(0, 3, 0)]))

# ---- a column more, while others have the table ----
import subprocess
import threading
import time

t.routes(SHIPS)
fresh()
sync('fleet_ships', 'append')
with open('wider.yml', 'w') as f:
    f.write(open(FLEET).read().replace('name: text', 'name: text\n      colour: text', 1))
was, os.environ['CQ_PATH'] = os.environ['CQ_PATH'], os.path.abspath('wider.yml')
wider = Sync('wider.db')
os.environ['CQ_PATH'] = was
idle = subprocess.Popen(['psql', '-X', '-q', pg.url(more='?application_name=idler')], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
idle.stdin.write('BEGIN; SELECT count(*) FROM raw_fleet_ships;\n')
idle.stdin.flush()
until = time.monotonic() + 30
while time.monotonic() < until and not pg.rows("SELECT 1 FROM pg_stat_activity WHERE application_name = 'idler' AND state = 'idle in transaction'"):
    time.sleep(0.05)
r = wider.sync(spec('fleet_ships', 'append', dest=store.destination()[:-1] + ', lock_timeout: 1s}'))
t.has('who is in the way is named', r['errors'][0]['message'] if r.get('errors') else r, '(idler, user postgres, idle in transaction, its transaction ')
t.has('and of which table', r['errors'][0]['message'] if r.get('errors') else r, 'fleet_ships: others have had it locked for 1 s: backend ')
got = []
syncing = threading.Thread(target=lambda: got.append(subprocess.run([os.environ['CQ_PYTHON'], '-c', 'import sys; sys.path.insert(0, %r)\nimport conformance\nfrom synctest import Sync\nimport os\n'
                           'os.environ["CQ_PATH"] = "wider.yml"\nprint(Sync("wide.db").sync(sys.argv[1])["status"])' % (os.environ['CQ_ROOT'] + '/tests/dest'), spec('fleet_ships', 'append')],
                           capture_output=True, text=True).stdout.strip()))
syncing.start()
until = time.monotonic() + 30
while time.monotonic() < until and not pg.rows("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"):
    time.sleep(0.02)
t.is_('another reader queues behind it, and gets in between', pg.one('SELECT count(*) FROM raw_fleet_ships'), 5)
t.is_('while the table is locked still', (got, idle.poll()), ([], None))
idle.stdin.write('COMMIT;\n')
idle.stdin.close()
idle.wait(30)
syncing.join(90)
t.is_('then the column is added', (got, columns('fleet_ships').get('colour')), (['success'], 'text'))
pg.stop()
t.done()
