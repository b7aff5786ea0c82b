# timeout: 300
# By way of S3 as Parquet: what every destination has to do, against ClickHouse 26.7; and the files that stay, by a reader that is not ours.
import io
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import clickhouse
import conformance
import pyarrow.parquet
from s3servers import KEY, SECRET, Seaweed

with Seaweed() as s3:
    s3.bucket('lake')
    stage = f'{{format: parquet, bucket: lake, path: cq, region: us-east-1, endpoint: "{s3.url}", use_path_style: true, credentials: {{access_key_id: {KEY}, secret_access_key: {SECRET}}}}}'
    old = clickhouse.Debian()
    suite = conformance.Suite(clickhouse.Store(old, 'stage: ' + stage))
    t = suite.t
    suite.s.fresh()
    t.has('an old server: says so', suite.sync('fleet_ships', 'append'), 'format: parquet: not read by ClickHouse 18.16')
    old.stop()
    suite.s = clickhouse.Store(clickhouse.Modern(), 'batch_size: 50, batch_timeout: 1s, stage: ' + stage)
    for part in os.environ.get('CQ_PARTS', '').split() or ('append', 'denied', 'incremental', 'overwrite', 'many', 'migrate', 'types'):
        getattr(suite, part)()

    # ---- all of a type, and what its column cannot hold ----
    s = suite.s
    s.fresh()
    rows = [{'id': '1', 'n': '1' * 39 + '.5', 'u': '6f9619ff8b86d011b42d00c04fc964ff', 'ts': '2024-01-02T03:04:05+02:00', 'd': '1899-12-31'},
            {'id': '2', 'n': '-' + '9' * 38 + '.' + '9' * 38, 'ts': '1969-12-31T23:59:59.999999Z', 'd': '2300-01-01', 'bin': '/w=='},
            {'id': '3', 'n': 'x', 'ts': '9999-12-31T23:59:59Z', 'reals': [1.5, None, 'x']}]
    t.routes('GET /oslo/values\n  body ' + json.dumps(rows) + '\n')
    r = t.sync('{source: typed, tables: [typed_values], write_mode: append, destination: %s}' % s.destination())
    t.is_('odd values: the run', (r['status'], r.get('rows')), ('success', 3))
    told = [m for k, m in s.read('cq_sync_errors', ['kind', 'message']) if k == 'warning']
    t.has('those that do not fit are told', told, "3 values do not fit their columns' type and are NULL; the first: n: 1111")
    t.is_('what is there', sorted(s.read('typed_values', ['id', 'n', 'u', 'ts', 'd', 'bin', 'reals'])),
          [('1', None, '6f9619ff-8b86-d011-b42d-00c04fc964ff', '2024-01-02T01:04:05Z', '1899-12-31', None, []),
           ('2', '-' + '9' * 38 + '.' + '9' * 38, None, '1969-12-31T23:59:59.999999Z', '2300-01-01', 'ff', []),
           ('3', None, None, '9999-12-31T23:59:59Z', None, None, [1.5, None, None])])
    kept = [o['Key'] for o in s3.boto().list_objects_v2(Bucket='lake', Prefix=f"cq/typed_values/{r['sync_group_id']}/").get('Contents', [])]
    t.is_('one file', (len(kept), kept[0].endswith('.parquet')), (1, True))
    file = pyarrow.parquet.read_table(io.BytesIO(s3.boto().get_object(Bucket='lake', Key=kept[0])['Body'].read()))
    t.is_('as pyarrow reads it', (file.column('_cq_row').to_pylist(), file.column('n').to_pylist(), str(file.schema.field('ts').type), file.column('reals').to_pylist()[0]),
          ([0, 1, 2], [None, '-' + '9' * 38 + '.' + '9' * 38, None], 'timestamp[us, tz=UTC]', None))

    # ---- digits that the column has no room for are not cut ----
    s.fresh()
    rows = [{'id': str(i), 'n': n} for i, n in enumerate(('1e-400', '0.' + 53 * '0' + '1', '1.50', '1e-38', '0.1' + 40 * '0'))]
    t.routes('GET /oslo/values\n  body ' + json.dumps(rows) + '\n')
    r = t.sync('{source: typed, tables: [typed_values], write_mode: append, destination: %s}' % s.destination())
    t.is_('decimals beyond the column are NULL, the others are whole', (r['status'], [n for _, n in sorted(s.read('typed_values', ['id', 'n']))]), ('success', [None, None, '1.5', '0.' + 37 * '0' + '1', '0.1']))
    t.has('and counted', [m for k, m in s.read('cq_sync_errors', ['kind', 'message']) if k == 'warning'], '2 values do not fit')
    s.close()
t.done()
