# timeout: 180
# By way of S3: batches are put there, ClickHouse reads them by a signed address, and they stay. Both servers, SeaweedFS.
import json
import os
import re
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import clickhouse
import conformance
from s3servers import KEY, SECRET, Seaweed
from synctest import Sync

t = Sync()
FULL = ('{"id":"full","t":"\\u00fc, \\ud83d\\udea2","i":-5,"r":0.1,"b":true,"ts":"2024-02-29T23:59:59.123456Z","d":"2024-02-29","n":"12345.678",'
        '"u":"6f9619ff-8b86-d011-b42d-00c04fc964ff","j":{"a":[1,null]},"texts":["a",null],"ints":[1,2]}')


def values(n):
    t.routes('GET /oslo/values\n  body [%s,%s]\n' % (FULL, ','.join('{"id":"%d","i":%d}' % (i, n) for i in range(40))))


with Seaweed() as s3:
    s3.bucket('lake')
    stage = f'{{bucket: lake, path: cq, region: us-east-1, endpoint: "{s3.url}", use_path_style: true, credentials: {{access_key_id: %s, secret_access_key: %s}}}}'
    for make in (clickhouse.Debian, clickhouse.Modern):
        server = make()
        store = clickhouse.Store(server, 'batch_size: 15, stage: ' + stage % (KEY, SECRET))
        name = make.__name__
        for mode in ('append', 'overwrite-delete-stale'):
            store.fresh()
            spec = '{source: typed, tables: [typed_values], write_mode: %s, destination: %s}' % (mode, store.destination())
            values(1)
            r = t.sync(spec)
            t.is_(f'{name}, {mode}: success', (r['status'], r.get('rows'), r.get('errors')), ('success', 41, []))
            values(2)
            r = t.sync(spec)
            seen = store.read('typed_values', ['id', 'i'])
            t.is_('the newest are shown', (r['status'], len(seen), {i for n, i in seen if n != 'full'}), ('success', 41, {2}))
            columns = ['id', 't', 'i', 'r', 'b', 'ts', 'd', 'n', 'u', 'j', 'texts', 'ints']
            t.is_('whole', [x for x in store.read('typed_values', columns) if x[0] == 'full'],
                  [('full', 'ü, 🚢', -5, 0.1, 1, '2024-02-29T23:59:59.123456Z', '2024-02-29', '12345.678', '6f9619ff-8b86-d011-b42d-00c04fc964ff',
                    {'a': [1, None]}, ['a', None], [1, 2])])
            group = r['sync_group_id']
            end = '.rowbinary.zst' if make is clickhouse.Modern else '.rowbinary'
            kept = [o['Key'] for o in s3.boto().list_objects_v2(Bucket='lake', Prefix=f'cq/typed_values/{group}/').get('Contents', [])]
            t.is_('the objects stay', [re.sub(r'_[0-9a-f]{8}_typed', '_typed', k) for k in kept], [f'cq/typed_values/{group}/cq_{group}_typed_values_{i}{end}' for i in (1, 2, 3)])
        # Of a window that fails rows were sent already, which go again.
        parts = clickhouse.Store(server, 'batch_size: 400, stage: ' + stage % (KEY, SECRET))
        parts.modes, parts.kills = ('append',), make is clickhouse.Modern
        suite = conformance.Suite(parts)
        suite.t = t
        suite.windows()
        store.fresh()
        values(2)
        t.has('a wrong key', t.sync(spec.replace(SECRET, 'wrong-secret')), 's3://lake')
        t.has('a bucket that there is not', t.sync(spec.replace('bucket: lake', 'bucket: pond')), 's3://pond')
        t.is_('nothing was fetched for them', t.asked('*'), 0)
        t.is_('is not told', 'wrong-secret' in str(t.sync(spec.replace(SECRET, 'wrong-secret'))), False)
        t.is_('cq_test writes there', '"ok":true' in t.one('SELECT cq_test(?)', spec), True)
        r = json.loads(t.one('SELECT cq_test(?)', spec.replace('bucket: lake', 'bucket: pond')))['destinations'][0]
        t.is_('and finds no bucket, and makes none', (r['ok'], 's3://pond' in str(r['message']), [b['Name'] for b in s3.boto().list_buckets()['Buckets']]),
              (False, True, ['lake']))
        if make is clickhouse.Debian:
            front = clickhouse.Faulty(server)
            t.sync(spec.replace(f':{server.port}/', f':{front.port}/'))
            read = [x for x in front.seen if ' url(' in x]
            t.is_('no secret key stands in a statement', (len(read), any(SECRET in x for x in front.seen), all('X-Amz-Signature' in x for x in read)),
                  (3, False, True))
            front.rules = [['url(', "Code: 86. DB::Exception: Received error from http://127.0.0.1/lake/x?X-Amz-Credential=a&X-Amz-Signature=0123: 403", 9]]
            r = t.sync(spec.replace(f':{server.port}/', f':{front.port}/'))
            t.is_('nor in an error', ('Received error' in str(r), 'X-Amz' in str(r)), (True, False))
            leak = "http://127.0.0.1/lake/x?X-Amz-Credential=a&X-Amz-Signature=0123abcd"
            for what, said in (('of two addresses', f"Code: 86. DB::Exception: no {leak}, nor {leak}"), ('of a gateway', 403)):
                front.rules, front.gateway = [['url(', said, 9]], f'denied: <{leak}> and {leak}'.encode()
                r = str(t.sync(spec.replace(f':{server.port}/', f':{front.port}/')))
                t.is_(what + ' neither', ('/lake/x?' in r, 'X-Amz' in r, '0123abcd' in r), (True, False, False))
        t.has('a key that there is not', t.sync(spec.replace('bucket: lake', 'bucket: lake, buckets: x')), 'buckets')
        server.stop()
t.done()
