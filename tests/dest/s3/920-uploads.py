# timeout: 180
"""Uploads in parts, refusals and regions, by versitygw."""
import json
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
import conformance  # noqa: F401: it finds the definitions
from buckets import BUCKET, Bucket
from conformance import Sync
from s3servers import KEY, SECRET, Versity

for name in list(os.environ):
    if name.startswith('AWS_'):
        del os.environ[name]
os.environ['AWS_EC2_METADATA_DISABLED'] = 'true'
t = Sync()


def why(r):
    text = json.dumps(r)
    return [s for s in (SECRET, 'wrong-not-for-logs') if s in text] or text


with Versity() as s:
    s.bucket(BUCKET)
    boto = s.boto()
    t.routes(f'GET /oslo/ships?page=*\n  pages number page 500 15000\n  row {{"id":@N@,"name":"{"x" * 2000}"}}\nGET /rome/ships?page=1\n  body []\n')
    store = Bucket(s, 'json', prefix='a ~+%=&é/', more=', no_rotate: true, batch_size_bytes: 1000000000')
    spec = '{source: fleet, tables: [fleet_ships], destination: %s}'
    r = t.sync(spec % store.destination())
    found = [o for o in boto.list_objects_v2(Bucket=BUCKET)['Contents'] if 'fleet_ships' in o['Key'] and o['Key'].endswith('.json')]
    big = max(found, key=lambda o: o['Size'])
    t.is_('30 MB in parts', (r['status'], r['rows'], big['Size'] > 30_000_000, int(big['ETag'].strip('"').split('-')[1]) > 5), ('success', 15000, True, True))
    t.is_('no upload is left', s.uploads(BUCKET), [])
    lines = boto.get_object(Bucket=BUCKET, Key=big['Key'])['Body'].read().splitlines()
    t.is_('all rows are whole', sorted(json.loads(x)['id'] for x in lines), list(range(1, 15001)))
    t.routes('GET /oslo/ships?page=1\n  body [{"id":1,"name":"Fram"}]\nGET /rome/ships?page=1\n  body []\n')
    t.has('a wrong secret', why(t.sync(spec % store.destination().replace(SECRET, 'wrong-not-for-logs'))), 'SignatureDoesNotMatch')
    t.has('an unknown key', why(t.sync(spec % store.destination().replace(json.dumps(KEY), 'nobody'))), 'InvalidAccessKeyId')
    t.has('no such bucket', why(t.sync(spec % store.destination().replace(f'bucket: {BUCKET}', 'bucket: nowhere'))), 'NoSuchBucket')
    r = t.sync(spec % store.destination().replace('us-east-1', 'eu-west-9'))
    t.is_('another region: the one that the server names is taken, or it is told', r['status'] == 'success' or 'region' in why(r), True)
    print('#', why(r)[:600])
t.done()
