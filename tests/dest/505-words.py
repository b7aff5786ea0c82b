# timeout: 60
# What a spec gets wrong about a destination, and what cannot be reached: one line that says which destination, what and which value; then what to do.
import http.server
import os
import sys
import threading

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import ducks
from synctest import Sync

t = Sync()
open('afile', 'w').close()
DUCK = 'kind: duckdb, library: "%s"' % ducks.LIBRARY
for what, where, wanted, hint in (
        ('ClickHouse without anything', '{kind: clickhouse}', 'destination clickhouse: spec:1: connection_string is missing', 'clickhouse://user:password@host:8123/database'),
        ('without a host', '"clickhouse://"', 'destination clickhouse: connection_string: no host in it', 'clickhouse://user'),
        ('an engine by its name alone', '{kind: clickhouse, connection_string: "clickhouse://127.0.0.1:1/x", engine: MergeTree}', 'engine: is no map', '{name: MergeTree}'),
        ('PostgreSQL without anything', '{kind: postgresql}', 'destination postgresql: spec:1: connection_string is missing', 'postgresql://user'),
        ('no answer, ever', '{kind: postgresql, connection_string: "postgresql://127.0.0.1:1/x", answer_timeout: 0s}', 'answer_timeout', '1h'),
        ('nobody there', '{kind: postgresql, name: pg, connection_string: "postgresql://127.0.0.1:1/x"}', 'destination pg: ', ''),
        *((f'a password that is cut: {url}', f'"{url}"', 'has one of @ / ? as it stands', 'write %40 for @, %2F for /') for url in (
            'postgresql://app:sE@cr/3t#pw@127.0.0.1:1/x', 'postgresql://app:s@c@127.0.0.1:1/x', 'postgresql://app:se/cr@127.0.0.1:1/x', 'postgresql://app:se?cr@127.0.0.1:1/x',
            'clickhouse://app:pa@ss/wo#rd@127.0.0.1:1/x', 'clickhouse://app:pa/ss@127.0.0.1:1/x', 'clickhouse://app:pa?ss@127.0.0.1:1/x')),
        *((f'a password that is whole: {url}', f'"{url}"', 'refused', '') for url in (
            'postgresql://app:se%2Fcr@127.0.0.1:1,[::1]:1/x?user=a@b', 'postgresql://127.0.0.1:1/x?user=a@b', 'postgresql://[::1]:1/x?user=a@b')),
        ('a password with @ where the host is behind the last one', '"clickhouse://app:p@ss@127.0.0.1:1/x"', '127.0.0.1:1: Failed to connect', ''),
        ('a port that is none', '"clickhouse://127.0.0.1:bad/x"', 'connection_string: the port of 127.0.0.1 is no number', ''),
        ('a bucket without a name', '{kind: s3}', 'destination s3: spec:1: bucket is missing', 's3://my-lake/path'),
        ('an endpoint without a scheme', '{kind: s3, name: lake, bucket: lake, path: cq, endpoint: "127.0.0.1:1"}', 'destination lake: s3: endpoint: ', 'http://host:port'),
        ('no keys', '{kind: s3, name: lake, bucket: lake, path: cq, endpoint: "http://127.0.0.1:1", credentials: {local_profile: nobody}}', 'destination lake: aws: no such profile: nobody', ''),
        ('an endpoint where nobody is', '{kind: s3, bucket: lake, path: cq, endpoint: "http://127.0.0.1:1", max_backoff: 0, max_retries: 1, '
         'credentials: {access_key_id: a, secret_access_key: b}}', 'destination s3: s3://lake: list: Failed to connect', 'tried 2 times at http://127.0.0.1:1;'),
        ('a folder that cannot be made', '{kind: file, path: /proc/nope/x}', 'destination file: /proc/nope: folder cannot be made', ''),
        ('a file for a folder', '{kind: file, name: out, path: afile}', 'destination out: ', 'Not a directory'),
        ('a compression that there is not', '{kind: file, path: out, format: json, compression: lz4}', 'compression: unknown value: lz4', 'one of: none, gzip, zstd'),
        ('a key of another format', '{kind: file, path: out, format_spec: {delimiter: ";"}}', 'destination file: spec:1: format_spec: unknown key "delimiter"', 'the format is parquet'),
        ('two delimiters', '{kind: file, path: out, format: csv, format_spec: {delimiter: ";;"}}', 'delimiter: not one character', 'ASCII'),
        ('a library that is none', '{kind: duckdb, path: x.duckdb, library: /no/such.so}', 'destination duckdb: libduckdb.so: cannot be loaded: /no/such.so', 'library: /path/to'),
        ('a folder that is not there', '{%s, path: /no/such/x.duckdb}' % DUCK, 'destination duckdb: /no/such/x.duckdb', 'the folder must be there'),
        ('a word that is nearly right', '{kind: file, path: out, migrate_mode: force}', 'migrate_mode: unknown value: force', 'did you mean "forced"?')):
    r = t.sync('{source: fleet, tables: [fleet_ships], destination: %s}' % where)['raised']
    line, _, rest = r.partition('\nhint: ')
    t.is_(what, (wanted in line, hint in (rest or line), r.count('\n') < 2), (True, True, True) if wanted in line and hint in (rest or line) else r)


class Silent(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(405)
        self.send_header('Content-Length', '0')
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):
        pass


web = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Silent)
threading.Thread(target=web.serve_forever, daemon=True).start()
r = t.sync('{source: fleet, tables: [fleet_ships], destination: "clickhouse://127.0.0.1:%d/x"}' % web.server_port)['raised']
t.has('another server than ClickHouse', r, f'HTTP 405 from 127.0.0.1:{web.server_port}, without a word\nhint: is it ClickHouse')
web.shutdown()
t.done()
