# timeout: 240
# ClickHouse when things go wrong: answers that are lost, errors in answers of 200, a server that is killed, users that may not.
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import clickhouse
from synctest import Sync

subprocess.run('openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1 '
               '-addext subjectAltName=IP:127.0.0.1', shell=True, check=True, capture_output=True)
secure = clickhouse.free_port()
server = clickhouse.Debian(more=f'<https_port>{secure}</https_port><openSSL><server><certificateFile>{os.getcwd()}/cert.pem</certificateFile>'
                           f'<privateKeyFile>{os.getcwd()}/key.pem</privateKeyFile><verificationMode>none</verificationMode>'
                           '<loadDefaultCAFile>true</loadDefaultCAFile></server></openSSL>'
                           '<remote_servers><pair><shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard></pair></remote_servers>')
front = clickhouse.Faulty(server)
store = clickhouse.Store(server)
t = Sync()
ROWS = 'GET /oslo/values\n  body [%s]\n' % ','.join('{"id":"%d","t":"x"}' % i for i in range(30))
NAMES = 'GET /oslo/names\n  body [{"order":"a"}]\n'


def sync(address, tables='typed_values', more='', options=None, mode='append'):
    return t.sync('{source: typed, tables: [%s], write_mode: %s, destination: {kind: clickhouse, connection_string: "%s", batch_timeout: 1s%s}}'
                  % (tables, mode, address, more), options)


def there():
    return server.rows('SELECT count(), uniqExact(_cq_id) FROM cq.raw_typed_values') + server.rows('SELECT count() FROM cq.typed_values')


def why(r):
    return ' '.join(e['message'] for e in r.get('errors', [])) + str(r.get('raised', ''))


direct, through = f'clickhouse://127.0.0.1:{server.port}/cq', f'clickhouse://127.0.0.1:{front.port}/cq'
store.fresh()
t.routes(ROWS + NAMES)

# ---- who may not ----
r = sync(f'clickhouse://app:s3cret-wr0ng@127.0.0.1:{server.port}/cq')
t.has('a wrong password', why(r), 'password')
t.is_('is not told', 's3cret-wr0ng' in json.dumps(r), False)
t.is_('the right one, percent-encoded', sync(f'clickhouse://app:s3cret%20p%40ss%3A%2F@127.0.0.1:{server.port}/cq')['status'], 'success')
t.has('a user who only reads', why(sync(f'clickhouse://ro:look@127.0.0.1:{server.port}/cq')), 'may not write')
t.has('an unknown user', why(sync(f'clickhouse://nobody@127.0.0.1:{server.port}/cq')), 'nobody')
t.has('no such database', why(sync(f'clickhouse://127.0.0.1:{server.port}/none')), 'CREATE DATABASE none')
t.has('the native port', why(sync('clickhouse://127.0.0.1:9000/cq')), 'port 8123')
t.has('of TLS', why(sync('clickhouse://127.0.0.1:9440/cq?secure=true')), 'port 8443')
t.has('skip_verify', why(sync(direct + '?skip_verify=true')), 'ca_cert')
t.has('nobody there', why(sync(f'clickhouse://127.0.0.1:{clickhouse.free_port()}/cq')), 'onnect')
t.is_('the second of two hosts', sync(f'clickhouse://127.0.0.1:{clickhouse.free_port()},127.0.0.1:{server.port}/cq')['status'], 'success')
t.has('a setting that there is not', why(sync(direct + '?no_such_setting=1')), 'no_such_setting')
t.has('an engine that merges', why(sync(direct, more=', engine: {name: ReplacingMergeTree}')), 'MergeTree')
t.has('a rule without its words', why(sync(direct, more=', order: [{tables: ["*"]}]')), 'order_by')
for key, words in (('partition', 'partition_by: "1"'), ('order', 'order_by: [id]'), ('ttl', 'ttl: INTERVAL 1 DAY')):
    t.is_(f'{key} of tables that there are not', why(sync(direct, more=', %s: [{tables: ["typed_*", typed_valuse], %s}]' % (key, words))).split(': ', 1)[1],
          'destination clickhouse: matches no table: typed_valuse\nhint: typed_values')
t.has('nor is there one to skip', why(sync(direct, more=', order: [{skip_tables: ["type_*"], order_by: [id]}]')), 'matches no table: type_*\nhint: SELECT name FROM cq_tables')
t.is_('of another integration', sync(direct, more=', order: [{tables: ["file_*"], order_by: [id]}]')['status'], 'success')
t.has('an unknown cluster', why(sync(direct, more=', cluster: pear')), 'cluster: the server knows none of that name: pear')
tested = json.loads(t.one('SELECT cq_test(?)', '{source: typed, tables: [typed_names], destination: {kind: clickhouse, connection_string: "%s", cluster: pear}}' % direct))
t.has('is found by cq_test', tested['destinations'][0]['message'], 'none of that name: pear\nhint: one of: pair')
t.has('compression that there is not', why(sync(direct + '?compress=snappy')), 'compress: unknown: snappy\nhint: one of: none, gzip, zstd, lz4, true, false')
for query, want in (('', {'plain'}), ('?compress=true', {'plain', 'gzip'}), ('?compress=gzip', {'plain', 'gzip'})):
    front.encodings.clear()
    t.is_(f'to the same machine {query or "nothing is said"}', (sync(f'clickhouse://localhost:{front.port}/cq{query}')['status'], front.encodings), ('success', want))
t.has('ttl on a server that has none', why(sync(direct, 'typed_names', ', ttl: [{ttl: INTERVAL 1 DAY}]')), '19.11')
tested = json.loads(t.one('SELECT cq_test(?)', '{source: typed, tables: [typed_names], destination: {kind: clickhouse, connection_string: "%s", ttl: [{ttl: INTERVAL 1 DAY}]}}' % direct))
t.has('is found by cq_test, too', str(tested['destinations'][0]['message']), '19.11')

# ---- TLS ----
address = f'clickhouse://127.0.0.1:{secure}/cq?secure=true'
t.has('a certificate that nobody vouches for', why(sync(address)), 'certificate')
t.is_('ca_cert: a file', sync(address, more=f', ca_cert: "{os.getcwd()}/cert.pem"')['status'], 'success')
t.is_('ca_cert: PEM', sync(address.replace('clickhouse', 'https').replace('?secure=true', ''),
                           more=', ca_cert: ' + json.dumps(open('cert.pem').read()))['status'], 'success')

# ---- answers that are lost ----
for name, rule in (('rows: the answer is lost', ['INSERT INTO `cq`.`raw_typed_values`', 'lost', 1]),
                   ('rows: nothing came', ['INSERT INTO `cq`.`raw_typed_values`', 'dropped', 1]),
                   ('pointers: the answer is lost', ['INSERT INTO `cq`.`raw_cq_units`', 'lost', 1]),
                   ('pointers: nothing came', ['INSERT INTO `cq`.`raw_cq_units`', 'dropped', 1]),
                   ('the journal: the answer is lost', ['INSERT INTO `cq`.`raw_cq_sync_units`', 'lost', 2]),
                   ('too many queries', ['INSERT INTO `cq`.`raw_typed_values`', 'Code: 202. DB::Exception: Too many simultaneous queries. Maximum: 100', 2]),
                   ('too many, when it is read', ['SELECT', 'Code: 202, e.displayText() = DB::Exception: Too many simultaneous queries, e.what() = DB::Exception', 3]),
                   ('a gateway that is away', ['SELECT', 503, 1]),
                   ('memory, for a while', ['INSERT INTO `cq`.`raw_typed_values`', 'Code: 241. DB::Exception: Memory limit (total) exceeded', 1])):
    store.fresh()
    front.rules = [['SELECT version()', None, 1], rule]
    r = sync(through)
    t.is_(name, (r['status'], rule[2], there()), ('success', 0, [(30, 30), (30,)]))
    t.is_('one set of pointers', server.rows('SELECT count() FROM cq.raw_cq_units'), [(1,)])

# ---- errors for good ----
store.fresh()
front.rules = [['INSERT INTO `cq`.`raw_typed_values`', 'Code: 27. DB::Exception: Cannot parse input', 99]]
r = sync(through, 'typed_values, typed_names')
t.is_('an error in an answer of 200: its table fails, the other goes on', (r['status'], 'Cannot parse input' in why(r)), ('partial', True))
t.is_('nothing of it is shown', (server.rows('SELECT count() FROM cq.typed_values'), server.rows('SELECT count() FROM cq.typed_names')), ([(0,)], [(1,)]))
t.is_('as the journal says', sorted(server.rows('SELECT table_name, status FROM cq.cq_sync_tables')), [('typed_names', 'success'), ('typed_values', 'failed')])
front.rules = []
r = sync(through, 'typed_values, typed_names', options='{"retry":"failed"}')
t.is_('then it is all there', (r['status'], there()), ('success', [(30, 30), (30,)]))
store.fresh()
front.rules = [['INSERT INTO `cq`.`raw_cq_units`', 'Code: 47. DB::Exception: no', 9]]
r = sync(through)
t.is_('not published', (r['status'], server.rows('SELECT count() FROM cq.typed_values'), server.rows('SELECT status, unsettled FROM cq.cq_syncs')),
      ('failed', [(0,)], [('failed', 1)]))
front.rules = []
t.is_('and by the next', (sync(through)['status'], there(), server.rows('SELECT sum(unsettled) FROM cq.cq_syncs')), ('success', [(30, 30), (30,)], [(0,)]))

# ---- rows that a server says it has, and has not ----
store.fresh()
front.rules = [['INSERT INTO `cq`.`raw_typed_values`', 'swallowed', 1]]
r = sync(through)
t.is_('rows that are not there: the table fails', (r['status'], '30 rows were sent and 0 are there' in why(r)), ('failed', True))
t.is_('and no entry of the journal has ever said that they are', server.rows("SELECT count() FROM cq.raw_cq_sync_units WHERE status = 'ok'"), [(0,)])
front.rules = []
t.is_('the next run has them', (sync(through)['status'], there()), ('success', [(30, 30), (30,)]))

# ---- what fails once the pointers are written is no failure of the run ----
for name, rule in (('the last word on the run', ['INSERT INTO `cq`.`raw_cq_syncs`', 'Code: 47. DB::Exception: no', 9, 'INSERT INTO `cq`.`raw_cq_units`']),
                   ('removing what it replaced', ['DELETE WHERE', 'Code: 47. DB::Exception: no', 9])):
    store.fresh()
    sync(direct, mode='overwrite-delete-stale')
    front.rules, front.seen = [rule], []
    r = sync(through, mode='overwrite-delete-stale')
    t.is_(f'{name} fails: published', (r['status'], rule[2] < 9, server.rows('SELECT DISTINCT _cq_sync_group_id FROM cq.typed_values')),
          ('success', True, [(r['sync_group_id'],)]))
    front.rules = []
    r = sync(through, mode='overwrite-delete-stale', options='{"resume": true}' if rule[0] == 'DELETE WHERE' else None)
    t.is_('the next run does the rest', (r['status'], there(), server.rows('SELECT sum(unsettled) FROM cq.cq_syncs')), ('success', [(30, 30), (30,)], [(0,)]))

# ---- what is not cq's ----
store.fresh()
server.query('CREATE VIEW cq.typed_values AS SELECT 1')
t.has('a view of that name', why(sync(direct)), 'not made by cq')
store.fresh()
sync(direct)
server.query('CREATE VIEW cq.mine AS SELECT id FROM cq.typed_values')
t.has('another mode is refused', why(sync(direct, mode='overwrite')), 'write_mode append')
t.is_('forced does it', sync(direct, mode='overwrite', more=', migrate_mode: forced')['status'], 'success')
t.is_('and people\'s views stay', server.rows('SELECT count() FROM cq.mine'), [(30,)])

# ---- a type that changes ----
store.fresh()
sync(direct)
other = open(os.environ['CQ_ROOT'] + '/tests/dest/fixtures/typed.yml').read().replace('      t: text\n', '      t: integer\n')
with open('other.yml', 'w') as f:
    f.write(other)
was, os.environ['CQ_PATH'] = os.environ['CQ_PATH'], os.path.abspath('other.yml')
u, os.environ['CQ_PATH'] = Sync('other.db'), was
spec = '{source: typed, tables: [typed_values], write_mode: append, migrate_mode: %s, destination: {kind: clickhouse, connection_string: "' + direct + '"}}'
t.has('is refused, and named', why(u.sync(spec % 'safe')), 'column t is Nullable(String) and would be Nullable(Int64)')
r = u.sync(spec % 'forced')
t.is_('forced keeps the rows, and what fits', (r['status'], there(), server.rows("SELECT type FROM system.columns WHERE database = 'cq' AND table = 'raw_typed_values' AND name = 't'")),
      ('success', [(60, 30), (30,)], [('Nullable(Int64)',)]))

# ---- rows below parents that may not be read now stay ----
denied = open(clickhouse.conformance.FLEET).read().replace('    key: [port, ship_id, id]\n', '    key: [port, ship_id, id]\n'
                                                           '    errors: [{when: {status: 403}, then: denied, message: "not now"}]\n')
with open('denied.yml', 'w') as f:
    f.write(denied)
os.environ['CQ_PATH'] = os.path.abspath('denied.yml')
v, os.environ['CQ_PATH'] = Sync('denied.db'), was
fleet = 'GET /oslo/ships?page=1\n  body [{"id":1},{"id":2}]\nGET /rome/ships?page=1\n  body []\nGET /oslo/ships/2/crew\n  body [{"id":3,"name":"c"}]\n'
for mode in ('append', 'overwrite-delete-stale'):
    store.fresh()
    spec = '{source: fleet, tables: [fleet_crews], write_mode: %s, destination: {kind: clickhouse, connection_string: "%s"}}' % (mode, direct)
    t.routes(fleet + 'GET /oslo/ships/1/crew\n  body [{"id":1,"name":"a"},{"id":2,"name":"b"}]\n')
    v.sync(spec)
    t.routes(fleet + 'GET /oslo/ships/1/crew\n  status 403\n  body {}\n')
    r = v.sync(spec)
    t.is_(f'{mode}: what was denied is kept', (r['status'], r['destinations'][0]['kept'], sorted(server.rows('SELECT name FROM cq.fleet_crews'))),
          ('partial', 2, [('a',), ('b',), ('c',)]))

# ---- the server dies in the middle ----
for mode in ('append', 'overwrite-delete-stale'):
    store.fresh()
    t.routes(''.join(f'GET /{p}/values\n  delay 150\n  body [{",".join(chr(123) + f"{chr(34)}id{chr(34)}:{chr(34)}{p}-{i}{chr(34)}" + chr(125) for i in range(40))}]\n'
                     for p in [f'p{k}' for k in range(24)]))
    spec = '{source: typed, tables: [typed_values], write_mode: %s, destination: {kind: clickhouse, connection_string: "%s", batch_size: 50}, spec: {ports: %s}}' \
        % (mode, direct, [f'p{k}' for k in range(24)])

    def strike():
        time.sleep(0.6)
        server.kill(signal.SIGKILL)
        time.sleep(0.7)
        server.start()

    strikes = threading.Thread(target=strike)
    strikes.start()
    r = t.sync(spec)
    strikes.join()
    t.is_(f'{mode}: a server killed and started again', (r['status'], r.get('rows'), there()), ('success', 960, [(960, 960), (960,)]))
server.stop()
t.done()
