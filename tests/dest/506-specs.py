# timeout: 120
# What the spec of each destination may hold, all of it at once; each wrong value is told by its name; and where memory ends, at
# whichever allocation, that is told and nothing else.
import json
import os
import re
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests/fault', os.environ['CQ_ROOT'] + '/tests/dest']
import shim
from shim import lib

S3 = {'access_key_id': 'k', 'secret_access_key': 'hush-1', 'session_token': 'hush-2', 'role_arn': 'arn:aws:iam::123456789012:role/r', 'role_session_name': 's',
      'external_id': 'e', 'local_profile': 'p'}
WHOLE = {
    'clickhouse': {'connection_string': 'clickhouse://u%20ser:hush-3@[::1]:8123,b:1/d%41?secure=true&compress=zstd&dial_timeout=1m30s&read_timeout=500ms&debug=1&max_threads=2'
                                        '&password=hush-4&username=u&database=d', 'cluster': 'c', 'ca_cert': '/ca.pem',
                   'engine': {'name': 'ReplicatedMergeTree', 'parameters': ['/path', 'x', 1, 2.5]}, 'batch_size': 10, 'batch_size_bytes': 1000, 'batch_timeout': '1s',
                   'partition': [{'tables': ['fleet_*'], 'skip_tables': ['fleet_log'], 'partition_by': 'toYYYYMM(_cq_sync_time)'}, {'partition_by': 'port'}],
                   'order': [{'tables': ['fleet_ships'], 'order_by': ['port', 'id']}], 'ttl': [{'tables': ['fleet_ships'], 'skip_incremental_tables': True, 'ttl': 'x'}],
                   'stage': {'bucket': 'b', 'path': 'p/', 'region': 'r', 'endpoint': 'http://h:1', 'use_path_style': True, 'format': 'parquet', 'credentials': S3}},
    'postgresql': {'connection_string': 'postgresql://u:hush-5@h:1/d?sslmode=require&pool_max_conns=3&statement_timeout=5&password=hush-6', 'schema': 's', 'batch_size': 10,
                   'batch_size_bytes': 1000, 'batch_timeout': '1s', 'create_performance_indexes': False, 'retry_on_deadlock': 3, 'pgx_log_level': 'info',
                   'reconnect_timeout': '5s', 'answer_timeout': '1h', 'pooler': 'session'},
    'duckdb': {'connection_string': 'a%20b.duckdb?threads=1&access_mode=automatic', 'schema': 's', 'library': '/l.so', 'memory_mb': 64, 'batch_size': 10,
               'batch_size_bytes': 1000, 'batch_timeout': '1s', 'debug': True},
    'file': {'path': 'x/{{YEAR}}/{{TABLE}}.csv', 'format': 'csv', 'compression': 'gzip', 'format_spec': {'delimiter': ';', 'skip_header': True}, 'no_rotate': False,
             'batch_size': 10, 'batch_size_bytes': 1000, 'batch_timeout': '1s', 'keep': 3, 'write_empty_objects_for_empty_tables': True},
    's3': {'bucket': 'b', 'path': 'p/{{TABLE}}/{{UUID}}.{{FORMAT}}', 'format': 'parquet', 'format_spec': {'compression': 'gzip', 'lists': 'list', 'uuid': 'text'}, 'region': 'r',
           'athena': True, 'test_write': False, 'endpoint': 'http://h:1', 'endpoint_skip_tls_verify': True, 'use_path_style': True, 'ca_file': '/ca.pem', 'acl': 'private',
           'content_type': 'x/y', 'server_side_encryption_configuration': {'server_side_encryption': 'aws:kms', 'sse_kms_key_id': 'k'}, 'credentials': S3,
           'max_retries': 1, 'max_backoff': 2, 'part_size': 6 << 20, 'aws_debug': True},
}
SHORT = {'postgresql': 'postgresql://u:hush-7@h/d', 'clickhouse': 'clickhouse://u:hush-8@h/d', 's3': 's3://buck%65t/pre%66ix?region=r&format=json&max_retries=2', 'file': 'file:///tmp/x',
         'duckdb': 'duckdb:///tmp/x.duckdb'}
t = shim.Shim()
db = t.connect(1)


def validate(kind, spec):
    where = spec if isinstance(spec, str) else {'kind': kind, **spec}
    return t.ask(db, 'SELECT cq_validate(?)', json.dumps({'source': 'fleet', 'tables': ['fleet_ships', 'fleet_log'], 'destination': where}))


def changed(value, path, to):
    if not path:
        return to
    out = dict(value) if isinstance(value, dict) else list(value)
    out[path[0]] = changed(value[path[0]], path[1:], to)
    return out


def paths(value, at=()):
    yield at
    for k, v in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(v, (*at, k))


for kind, whole in WHOLE.items():
    right = validate(kind, whole)
    t.is_(f'{kind}: all there is', isinstance(right, list) or right, True)
    wrong = []
    for path in paths(whole):
        key = next((k for k in reversed(path) if isinstance(k, str)), None)
        old = whole
        for k in path:
            old = old[k]
        for to in ({'a': ['b']}, [{'a': 'b'}], 'no such word ?&://', -1, '') if path else ():
            got = validate(kind, changed(whole, path, to))
            if isinstance(got, str) and (not got or 'hush' in got or got.count('\n') > 1 or f'destination {kind}: ' not in got.split('\n')[0]):
                wrong.append(f'{path} = {to}: {got}')
            if isinstance(got, list) and isinstance(to, dict) and not isinstance(old, dict):
                wrong.append(f'{path} = {to}: is taken')
            if isinstance(got, str) and isinstance(to, (dict, list)) and not any(isinstance(k, str) and k in got for k in path):
                wrong.append(f'{path} = {to}: is not named: {got}')
    t.is_(f'{kind}: what is wrong is named', wrong[:8], [])

for name, kind, spec in [(f'{kind}, {"in short" if isinstance(s, str) else "all there is"}', kind, s) for of in (WHOLE, SHORT) for kind, s in of.items()]:
    lib.shim_cq(0)
    right = validate(kind, spec)
    count = lib.shim_cq_seen()
    wrong = [] if isinstance(right, list) and count > 20 else [f'undisturbed: {count} allocations, {right}']
    for n in range(1, count + 1):
        lib.shim_cq(n)
        got = validate(kind, spec)
        hit = t.calm()
        if got != right and not (hit and re.search(shim.WORDS[shim.NOMEM], got)):
            wrong.append(f'allocation {n}: {got!r}')
    t.is_(f'{name}: memory ends at each of {count} places', wrong[:8], [])
db.close()
t.done()
