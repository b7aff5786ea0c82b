# timeout: 300
# Tables in a current ClickHouse: engine, partition, order and ttl of the spec, types as they are printed, a table that an old
# server made, batches by rows and by bytes, compression, the summary.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import clickhouse
from synctest import Sync

server = clickhouse.Modern()
store = clickhouse.Store(server)
t = Sync()


def sync(more='', tables='typed_values', mode='append', address=None, source='typed', top=''):
    return t.sync('{source: %s, tables: [%s], write_mode: %s, destination: {kind: clickhouse, connection_string: "%s"%s}%s}'
                  % (source, tables, mode, address or f'clickhouse://127.0.0.1:{server.port}/cq', more, top))


def made(table):
    return server.query(f'SHOW CREATE TABLE cq.{table} FORMAT TSVRaw')


store.fresh()
t.routes('GET /oslo/values\n  body [{"id":"a","ts":"2024-01-02T03:04:05.123456Z","d":"2024-01-02","n":"1.50","b":true,"texts":["x","y"],"i":7},'
         '{"id":"z","ts":"0001-01-01T00:00:00Z","d":"0001-01-01","n":"1e-40"}]\n'
         'GET /oslo/names\n  body []\nGET /oslo/log?!since\n  body [{"id":1,"at":"2024-01-01T00:00:00Z","text":"a"}]\n')
r = sync(', partition: [{tables: ["typed_v*"], partition_by: "toYYYYMM(_cq_sync_time)"}], order: [{tables: [typed_values], order_by: [id, _cq_id]}], '
         'ttl: [{tables: ["*"], skip_tables: [typed_names], ttl: "INTERVAL 30 DAY"}], engine: {name: MergeTree}', 'typed_values, typed_names')
t.is_('success', r['status'], 'success')
text = made('raw_typed_values')
t.has('partition', text, 'PARTITION BY toYYYYMM(_cq_sync_time)')
t.has('order', text, 'ORDER BY (id, _cq_id)')
t.has('ttl', text, 'TTL toDateTime(_cq_sync_time) + toIntervalDay(30)')
text = made('raw_typed_names')
t.is_('not of what is skipped', ('PARTITION' in text, 'TTL' in text, 'ORDER BY (_cq_sync_group_id, _cq_source_name, _cq_client_id)' in text), (False, False, True))
t.is_('types', server.rows("SELECT name, type FROM system.columns WHERE table = 'raw_typed_values' AND name IN ('ts', 'd', 'n', 'b', 'texts', 'i', '_cq_id', "
                           "'_cq_source_name', '_cq_sync_time') ORDER BY name"),
      [('_cq_id', 'UUID'), ('_cq_source_name', 'LowCardinality(String)'), ('_cq_sync_time', "DateTime64(6, 'UTC')"), ('b', 'Nullable(Bool)'),
       ('d', 'Nullable(Date32)'), ('i', 'Nullable(Int64)'), ('n', 'Nullable(Decimal(76, 38))'), ('texts', 'Array(Nullable(String))'),
       ('ts', "Nullable(DateTime64(6, 'UTC'))")])
t.is_('as they are printed', server.query("SELECT ts, d, n, b, texts FROM cq.typed_values WHERE id = 'a'"),
      "2024-01-02 03:04:05.123456\t2024-01-02\t1.5\ttrue\t['x','y']\n")
t.is_('a time beyond what is printed is kept', server.rows("SELECT toUnixTimestamp64Micro(ts), toInt32(d), n FROM cq.typed_values WHERE id = 'z'"),
      [(-62135596800000000, -719162, None)])
t.is_('a decimal with more digits is told', [e[0] for e in server.rows("SELECT message FROM cq.cq_sync_errors WHERE kind = 'warning'")],
      ['typed_values: 1 values do not fit their columns\' type and are NULL; the first: n: 1e-40'])

for key, words, said in (('order', 'order_by: [nope]', "required columns: 'nope' (ClickHouse code 47)"), ('ttl', 'ttl: 7 days', 'SETTINGS non_replicated_deduplication_window = 100 (ClickHouse code 62)')):
    store.fresh()
    r = sync(', %s: [{tables: ["*"], %s}]' % (key, words))
    t.has(f'{key} that is none: not all that it could be', r['errors'][0]['message'], said)

# ---- what an older server has made goes on ----
store.fresh()
sync()
server.query('DROP VIEW cq.typed_values')
server.query('DROP TABLE cq.raw_typed_values')
server.query("CREATE TABLE cq.raw_typed_values (_cq_sync_time String, _cq_source_name String, _cq_sync_group_id Int64, _cq_client_id String, _cq_id UUID, "
             "_cq_parent_id Nullable(UUID), id Nullable(String), ts Nullable(String), d Nullable(String), n Nullable(String), b Nullable(UInt8), _cq_row UInt64) "
             "ENGINE = MergeTree ORDER BY _cq_sync_group_id")
r = sync()
t.is_('columns of text for times', (r['status'], server.rows("SELECT ts, d, n, b FROM cq.typed_values ORDER BY id")),
      ('success', [('2024-01-02T03:04:05.123456Z', '2024-01-02', '1.50', 1), ('0001-01-01T00:00:00Z', '0001-01-01', '1e-40', None)]))

# ---- batches ----
for name, more, query in (('by rows', ', batch_size: 7', ''), ('by bytes', ', batch_size_bytes: 300', ''), ('gzip', '', '?compress=gzip'), ('plain', '', '?compress=none'),
                          ('zstd', '', '?compress=zstd'), ('with a setting', '', '?max_execution_time=50&read_timeout=20s')):
    store.fresh()
    t.routes('GET /oslo/values\n  body [%s]\n' % ','.join('{"id":"%d"}' % i for i in range(40)))
    r = sync(more, address=f'clickhouse://127.0.0.1:{server.port}/cq{query}')
    t.is_(name, (r['status'], server.rows('SELECT count(), uniqExact(_cq_id), max(_cq_row) FROM cq.raw_typed_values')), ('success', [(40, 40, 39)]))

# ---- counts of the overwrite modes ----
for mode in ('overwrite', 'overwrite-delete-stale'):
    store.fresh()
    t.routes('GET /oslo/values\n  body [{"id":"same","i":1},{"id":"other","i":1},{"id":"gone","i":1}]\n')
    sync(mode=mode)
    t.routes('GET /oslo/values\n  body [{"id":"same","i":1},{"id":"other","i":2},{"id":"new","i":1}]\n')
    r = sync(mode=mode)
    stale = mode == 'overwrite-delete-stale'
    t.is_(f'{mode}: counts', [r['destinations'][0][k] for k in ('inserted', 'updated', 'unchanged', 'deleted')], [1, 1, 1, int(stale)])
    t.is_('what is replaced is removed', server.rows('SELECT id, i FROM cq.raw_typed_values ORDER BY id'),
          [('new', 1), ('other', 2), ('same', 1)] if stale else [('gone', 1), ('new', 1), ('other', 2), ('same', 1)])

r = sync(top=', send_sync_summary: true, migrate_mode: forced')
t.is_('the summary', server.rows('SELECT resources, source_name FROM cq.cloudquery_sync_summaries'), [(3, 'typed')])
server.stop()
t.done()
