# timeout: 60
# What a spec gets wrong about a destination, and what cannot be reached: one line that says which destination, what and which value; then what to do.
import os
import sys

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
t.done()
