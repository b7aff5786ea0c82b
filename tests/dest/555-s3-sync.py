# timeout: 180
"""What only syncs into S3 have: each format, uploads in parts that are killed or
cut, servers that go and come back, keys that end, refusals and their words."""
import glob
import json
import os
import signal
import sys
import time

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
import conformance
import objects
from buckets import BUCKET, Bucket
from conformance import SHIPS, Sync
from s3servers import KEY, RO_KEY, RO_SECRET, SECRET, Cutter, Seaweed, Strict

for name in list(os.environ):
    if name.startswith('AWS_'):
        del os.environ[name]
os.environ['AWS_EC2_METADATA_DISABLED'] = 'true'      # of the machine that the tests run on
t = Sync()
SECRETS = (SECRET, RO_SECRET, 'temporary-secret', 'temporary-token', 'wrong-not-for-logs')


def big(rows, delay=0, size=2000):
    return f'GET /oslo/ships?page=*\n  delay {delay}\n  pages number page 500 {rows}\n  row {{"id":@N@,"name":"{"x" * size}"}}\nGET /rome/ships?page=1\n  body []\n'


def spec(url, more='', bucket=BUCKET, path='cq/', fmt='json', keys=(KEY, SECRET), what='fleet_ships'):
    who = ', credentials: {access_key_id: %s, secret_access_key: %s}' % keys if keys else ''
    return ('{source: fleet, tables: [%s], destination: {kind: s3, bucket: %s, region: us-east-1, path: "%s", format: %s, endpoint: "%s"%s%s}}' %
            (what, bucket, path, fmt, url, who, ', ' + more if more else ''))


def says(name, r, *parts):
    text = r.get('raised', '') + json.dumps(r)
    t.is_(name, [p for p in parts if p not in text] and text, [])
    t.is_('  and tells no secret', [s for s in SECRETS if s in text], [])


with Seaweed() as s:
    s.bucket(BUCKET)
    boto = s.boto()

    # ---- each format, and keys of odd characters ----
    for fmt in ('csv', 'json', 'parquet'):
        store = Bucket(s, fmt, prefix='all +ü%20&=/')
        store.fresh()
        t.routes(SHIPS)
        r = t.sync('{source: fleet, tables: [fleet_ships], destination: %s}' % store.destination())
        t.is_(f'{fmt}: by DuckDB', (r['status'], sorted(store.read('fleet_ships', ['port', 'id', 'name', 'tons']), key=repr)),
              ('success', [('oslo', 1, 'Fram', 402.5), ('oslo', 2, 'Gjoa', 47.0), ('oslo', 3, 'Kon', None), ('oslo', 4, 'Ra', None), ('rome', 1, 'Argo', None)]))
        t.is_('all keys are under the path', [k for k in store.keys() if not k.startswith('all +ü%20&=/')], [])
        media = {boto.head_object(Bucket=BUCKET, Key=k)['ContentType'] for k in store.keys() if k.endswith('.' + fmt) and '/_cq/' not in k}
        t.is_('and say what they are', (len(media), 'application/octet-stream' in media), (1, False))
    import pyarrow.parquet
    names = [n for f in glob.glob(store.fetched() + '/**/*.parquet', recursive=True) for n in pyarrow.parquet.read_table(f).column('name').to_pylist()]
    t.is_('and by pyarrow', sorted(names), ['Argo', 'Fram', 'Gjoa', 'Kon', 'Ra'])
    store.fresh()

    t.routes(SHIPS.replace('{"a": 1}', '{"a b": 1, "c-d": {"é": 2}}'))
    store = Bucket(s, 'json', more=', athena: true')
    t.sync('{source: fleet, tables: [fleet_ships], destination: %s}' % store.destination())
    t.is_('names as Athena takes them', [x[0] for x in store.read('fleet_ships', ['flags', 'id']) if x[1] == 2], [{'a_b': 1, 'c_d': {'_': 2}}])
    store.fresh()

    # ---- the short form ----
    os.environ.update(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET, AWS_ENDPOINT_URL_S3=s.url)
    r = t.sync('{source: fleet, tables: [fleet_ships], destination: "s3://%s/short?format=csv&compression=gzip"}' % BUCKET)
    t.is_('a URL', (r['status'], sorted({k.split('/')[0] + k[-7:] for k in store.keys() if '/_cq/' not in k})), ('success', ['short.csv.gz']))
    for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_ENDPOINT_URL_S3'):
        del os.environ[name]
    store.fresh()

    # ---- cq_test ----
    r = json.loads(t.one('SELECT cq_test(?)', spec(s.url)))
    t.is_('cq_test: may be written, and is left as it was', ([x['ok'] for x in r['destinations']], store.keys()), ([True], []))
    r = json.loads(t.one('SELECT cq_test(?)', spec(s.url, keys=(RO_KEY, RO_SECRET))))
    t.is_('may not be written', [x['ok'] for x in r['destinations']], [False])
    says('it says why', r, 'AccessDenied', 's3:PutObject')

    # ---- refusals ----
    t.routes(SHIPS)
    says('wrong secret', t.sync(spec(s.url, keys=(KEY, 'wrong-not-for-logs'))), 'SignatureDoesNotMatch', 'the secret access key does not belong')
    says('wrong key', t.sync(spec(s.url, keys=('nobody', SECRET))), 'InvalidAccessKeyId', 'nobody has that access key')
    says('no permission', t.sync(spec(s.url, keys=(RO_KEY, RO_SECRET))), 'AccessDenied', 's3:PutObject')
    says('no credentials', t.sync(spec(s.url, keys=None)), 'no credentials found')
    says('nobody there', t.sync(spec('http://127.0.0.1:9', 'max_retries: 0')), 's3://bucket: list: ', 'connect')
    says('a key that is not known', t.sync(spec(s.url, 'bukket: x')), 'bukket', 'bucket')
    says('an acl that is none', t.sync(spec(s.url, 'acl: public')), 'public-read')
    says('parts too small', t.sync(spec(s.url, 'part_size: 1000')), 'part_size')
    says('a line end in a header', t.sync(spec(s.url, 'server_side_encryption_configuration: {server_side_encryption: "aws:kms", sse_kms_key_id: "a\\nx-b: c"}')),
         'holds a control character')
    says('half a pair', t.sync(spec(s.url, 'credentials: {access_key_id: x}', keys=None)), 'go together')
    says('an endpoint with a path', t.sync(spec(s.url + '/path')), 'endpoint has a path')
    t.is_('nothing was written', store.keys(), [])

    # ---- killed in the midst of an upload ----
    store = Bucket(s, 'json')
    child = conformance.Suite.child(None, spec(s.url, 'no_rotate: true'), '{}') if t.routes(big(6000, 100)) is None else None
    until = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < until and not s.uploads(BUCKET):
        time.sleep(0.02)
    left = s.uploads(BUCKET)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    t.is_('killed: an upload is left', (child.returncode, len(left)), (-9, 1))
    t.routes(big(6000))
    r = t.sync(spec(s.url, 'no_rotate: true'), '{"resume": true}')
    t.is_('resumed: all rows', (r['status'], len({x[0] for x in store.read('fleet_ships', ['id'])}), len(store.read('fleet_ships', ['id']))), ('success', 6000, 6000))
    t.is_('and nothing is left', (s.uploads(BUCKET), [k for k in store.keys() if '/_cq/tmp/' in k]), ([], []))
    sizes = [o['ContentLength'] for k in store.keys() if '/_cq/' not in k for o in [boto.head_object(Bucket=BUCKET, Key=k)]]
    t.is_('one object, of parts', (len(sizes), sizes and sizes[0] > 12_000_000), (1, True))

    # ---- cut in the midst of a part ----
    store.fresh()
    with Cutter(s.port) as c:
        c.after, c.times = 4_000_000, 2
        r = t.sync(spec(c.url, 'no_rotate: true, max_backoff: 1'))
        t.is_('cut twice', (r['status'], c.cuts, len({x[0] for x in store.read('fleet_ships', ['id'])}), s.uploads(BUCKET)), ('success', 2, 6000, []))

    # ---- interrupted ----
    import threading
    t.routes(big(50_000, 20))
    before = len(store.read('fleet_ships', ['id']))
    threading.Timer(1.5, t.db.interrupt).start()
    r = t.sync(spec(s.url, 'no_rotate: true'))
    t.is_('interrupted: the old rows, and no upload', ('interrupted' in r.get('raised', ''), len(store.read('fleet_ships', ['id'])), s.uploads(BUCKET)), (True, before, []))

    # ---- the server goes, and comes back ----
    store.fresh()
    t.routes(big(4000, 150))

    def restart():
        s.stop()
        time.sleep(0.5)
        s.start()
    threading.Timer(1.2, restart).start()
    r = t.sync(spec(s.url, 'max_retries: 1, max_backoff: 1, batch_size: 600'))
    t.is_('killed and back', (r['status'], r.get('errors'), len({x[0] for x in store.read('fleet_ships', ['id'])})), ('success', [], 4000))

# ---- the strict one: slow, elsewhere, with keys that end ----
with Strict(region='eu-west-9', clock=-4000) as s:
    t.routes(SHIPS)
    s.err('PUT', 503, 'SlowDown', times=3)
    s.err('GET', 500, 'InternalError', times=2)
    r = t.sync(spec(s.url, 'max_backoff: 1, content_type: text/x-ships, acl: private, server_side_encryption_configuration: {server_side_encryption: "aws:kms", '
                    'sse_kms_key_id: k-1}'))
    t.is_('another region, another clock, and slow', (r['status'], r.get('rows'), r.get('errors')), ('success', 5, []))
    data = [h for line, h in s.heads.items() if line.startswith('PUT') and line.endswith('.json?') and '/_cq/' not in line]
    t.is_('data objects have their headers', ([(h.get('x-amz-acl'), h.get('x-amz-server-side-encryption'), h.get('x-amz-server-side-encryption-aws-kms-key-id'),
                                               h.get('content-type')) for h in data]), [('private', 'aws:kms', 'k-1', 'text/x-ships')])
    r = t.sync(spec(s.url, 'server_side_encryption_configuration: {server_side_encryption: AES256, sse_kms_key_id: ""}'))
    t.is_('AES256 and a key of none', r['status'], 'success')
    s.err('PUT', 503, 'SlowDown', times=999)
    says('throttled for good', t.sync(spec(s.url, 'max_retries: 1, max_backoff: 0')), 'SlowDown', 'tried 2 times')
with Strict(life=5) as s:
    os.environ['AWS_ENDPOINT_URL_STS'] = s.url
    t.routes(big(6000, 700))
    r = t.sync(spec(s.url, 'batch_size: 1000, credentials: {access_key_id: %s, secret_access_key: %s, role_arn: "arn:aws:iam::123456789012:role/r", '
                    'external_id: right}' % (KEY, SECRET), keys=None))
    t.is_('keys that end in the midst', (r['status'], r.get('errors'), s.asked('POST /?') >= 2), ('success', [], True))
    lines = [l for k, v in s.objects.items() if '/_cq/' not in k for l in v.splitlines()]
    t.is_('all rows', len(lines), 6000)

# ---- keys that end in the midst of an upload's parts ----
ROLE = 'no_rotate: true, credentials: {access_key_id: %s, secret_access_key: %s, role_arn: "arn:aws:iam::123456789012:role/r"}' % (KEY, SECRET)
with Strict() as s:
    os.environ['AWS_ENDPOINT_URL_STS'] = s.url
    t.routes(big(6000, 1400))      # keys that are quite new are not thrown away
    s.ends('partNumber=2&', 'ExpiredToken')
    r = t.sync(spec(s.url, ROLE, keys=None))
    parts = [l for l in s.log if 'partNumber=' in l]
    lines = [json.loads(l)['id'] for k, v in s.objects.items() if '/_cq/' not in k for l in v.splitlines()]
    t.is_('at the second part: the role is assumed again, that part alone sent again',
          (r['status'], r.get('errors'), s.asked('POST /?'), [sum(f'partNumber={n}&' in l for l in parts) for n in (1, 2, 3)]), ('success', [], 2, [1, 2, 1]))
    t.is_('one object, whole', ([len(v) > 12_000_000 for k, v in s.objects.items() if '/_cq/' not in k], lines == list(range(1, 6001)) or lines[:3], s.uploads), ([True], True, {}))
with Strict() as s:
    t.routes(SHIPS)
    t.is_('before', t.sync(spec(s.url))['status'], 'success')
    def current():
        return [(f['path'], f['rows']) for k, v in s.objects.items() if '/_cq/latest/' in k for x in json.loads(v)['tables'] for f in x['files']]
    before = current()
    for what, match in (('of parts alone', 'partNumber=2&'), ('and for all that follows', '?')):
        t.routes(big(6000))
        if match == '?':
            s.err('partNumber=2&', 400, 'ExpiredToken', times=2)
            s.err('uploadId=', 400, 'ExpiredToken', times=999)
        else:
            s.err(match, 400, 'ExpiredToken', times=999)
        says(f'keys that end for good, {what}', t.sync(spec(s.url, 'no_rotate: true')), 'destination s3: ', 'ExpiredToken', 'the session has ended: log in again')
        t.is_('what is current stays, and nothing of the rest can be seen', (current(), [k for k, v in s.objects.items() if '/_cq/' not in k and len(v) > 5 << 20]), (before, []))
        t.is_('the upload is given up, where it may be', len(s.uploads), int(match == '?'))
        s.errs.clear()
    r = t.sync(spec(s.url, 'no_rotate: true'))
    t.is_('with new keys: all of it, and no upload is left', (r['status'], r.get('rows'), s.uploads), ('success', 6000, {}))
os.environ.pop('AWS_ENDPOINT_URL_STS')
for conditions, what in ((False, 'does not look at conditions'), (None, 'refuses conditions')):
    with Strict(conditions=conditions) as s:
        t.routes(SHIPS.replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  delay 4000\n'))
        child = conformance.Suite.child(None, spec(s.url), '{}')
        until = time.monotonic() + 30
        while child.poll() is None and time.monotonic() < until and not t.asked('*rome*'):
            time.sleep(0.02)
        says(f'a server that {what}: a second run is refused', t.sync(spec(s.url)), 'is being synced')
        t.is_('the first one ends well', child.communicate()[0].strip(), 'success')
        t.routes(SHIPS)
        t.is_('then another', t.sync(spec(s.url))['status'], 'success')
with Strict() as s:
    says('no bucket', t.sync(spec(s.url, bucket='other')), 'NoSuchBucket', 'there is no bucket of that name')
t.done()
