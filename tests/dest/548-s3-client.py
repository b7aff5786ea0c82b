# timeout: 120
"""The client of S3, against SeaweedFS and against a server that checks all that
S3 checks and errs as it is told."""
import hashlib
import os
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
from s3servers import KEY, RO_KEY, RO_SECRET, SECRET, Cutter, Drive, Seaweed, Strict
from shared import Tap

for name in list(os.environ):
    if name.startswith('AWS_'):
        del os.environ[name]
t = Tap()
ODD = ['plain', 'a b', 'a+b', 'ü/ñ', '100%', 'a%20b', 'q?x=1&y', 'semi;colon', "quo'te\"s", '<&>', 'dots/../up', 'double//slash', 'tilde~_-.', '漢字/🚢',
       'star*(1)!', 'at@=:,$']
big = random.Random(7).randbytes(11_000_000)
with open('big', 'wb') as f:
    f.write(big)
with open('small', 'wb') as f:
    f.write(b'hello')
open('none', 'wb').close()
OCTETS = '"5d41402abc4b2a76b9719d911017c592"'
PART = 5 << 20


def has(name, seen, code, *parts):
    t.is_(name, (seen[0], [p for p in parts if p not in seen[1]]), (code, []))
    t.is_('  and tells no secret', [s for s in (SECRET, RO_SECRET, 'temporary-secret', 'temporary-token') if s in seen[1]], [])


# ---- SeaweedFS ----
with Seaweed() as s:
    s.bucket('bucket')
    boto = s.boto()
    with Drive(s.url) as d:
        t.is_('put', d('put', 'plain', 'small'), (0, OCTETS))
        t.is_('nothing is an object, too', (d('put', 'none', 'none'), boto.get_object(Bucket='bucket', Key='none')['Body'].read()),
              ((0, '"d41d8cd98f00b204e9800998ecf8427e"'), b''))
        d('delete', 'none')
        t.none('odd keys', [k for k in ODD if '..' not in k and d('put', k, 'small')[0]])
        seen = [o['Key'] for o in boto.list_objects_v2(Bucket='bucket')['Contents']]
        # SeaweedFS keeps keys as paths: it takes no dots, and one slash for two
        t.is_('as another client names them', seen, sorted((k.replace('//', '/') for k in ODD if '..' not in k), key=str.encode))
        listed = sorted(urllib.request.unquote(k) for k in d('list')[1].split()[1::2])
        t.is_('and as we list them', listed, sorted(seen))
        t.none('and get them', [k for k in seen if d('get', k, 'out')[0] or open('out', 'rb').read() != b'hello'])
        t.is_('under a prefix', d('list', 'a+')[1], '5 a%2Bb')
        t.is_('head', d('head', 'a b'), (0, f'5 {OCTETS}'))
        has('what is not there', d('get', 'nope', 'out'), 12, 's3://bucket/nope: get: status 404: NoSuchKey')
        t.is_('head of it', d('head', 'nope')[0], 12)
        t.is_('only where nothing is', (d('put', 'plain', 'small', 'new')[0], d('put', 'new', 'small', 'new')[0]), (19, 0))
        t.is_('only where it is as it was', (d('put', 'plain', 'small', '"0"')[0], d('put', 'plain', 'small', OCTETS)[0]), (19, 0))
        t.is_('nor where it is no more', d('put', 'gone', 'small', OCTETS)[0], 19)
        code, url = d('presign', 'ü/ñ', '60')
        t.is_('a URL for others', urllib.request.urlopen(url).read(), b'hello')
        try:
            urllib.request.urlopen(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=61'))
            t.is_('which cannot be made longer', 'it can')
        except urllib.error.HTTPError as e:
            t.is_('which cannot be made longer', e.code, 403)
        t.is_('removed, many at once', (d('remove', 'nope', *seen)[0], d('delete', 'new')[0], d('list')), (0, 0, (0, '')))
        t.is_('in parts', d('upload', 'p/big', 'big', PART)[0], 0)
        t.is_('they are the object', hashlib.sha256(boto.get_object(Bucket='bucket', Key='p/big')['Body'].read()).hexdigest(), hashlib.sha256(big).hexdigest())
        t.is_('as many as were sent', boto.head_object(Bucket='bucket', Key='p/big')['ETag'][-3:], '-3"')
        t.is_('given up', (d('upload', 'p/none', 'big', PART, 'free')[0], s.uploads('bucket'), d('head', 'p/none')[0]), (0, [], 12))
        has('parts too small', d('upload', 'p/small', 'big', 1 << 20), 1, 'EntityTooSmall')
        t.is_('and given up', s.uploads('bucket'), [])
    for key in ('p/left', 'p/left', 'p/left2'):
        Drive(s.url)('upload', key, 'big', PART, 'leave')
    t.is_('left by killed processes', sorted(k for k, _ in s.uploads('bucket')), ['p/left', 'p/left', 'p/left2'])
    with Drive(s.url) as d:
        d('sweep', 'p/left')
        t.is_('of one key they are swept, no other', [k for k, _ in s.uploads('bucket')], ['p/left2'])
        d('sweep', 'p/left2')
    with Drive(s.url, secret='wrong-not-for-logs') as d:
        has('wrong secret', d('list'), 23, 's3://bucket: list: status 403: SignatureDoesNotMatch', 'hint: the secret access key')
    with Drive(s.url, access='nobody') as d:
        has('wrong key', d('put', 'x', 'small'), 23, 'InvalidAccessKeyId', 'hint: nobody has that access key')
    with Drive(s.url, access=RO_KEY, secret=RO_SECRET) as d:
        t.is_('may read', d('list')[0], 0)
        has('may not write', d('put', 'x', 'small'), 23, 'AccessDenied', 's3:PutObject')
    with Cutter(s.port) as c, Drive(c.url, max_backoff=400) as d:
        c.after, c.times = 3_000_000, 2
        t.is_('cut in the midst of parts', (d('upload', 'p/cut', 'big', PART)[0], c.cuts), (0, 2))
        t.is_('it is whole', boto.get_object(Bucket='bucket', Key='p/cut')['Body'].read() == big)
        t.is_('and nothing is left', s.uploads('bucket'), [])
        c.after, c.times = 0, 9
        t.is_('who was there is waited for', (d('put', 'x', 'small')[0], c.cuts), (0, 11))
    with Cutter(s.port) as c, Drive(c.url, max_backoff=400) as d:
        c.after, c.times = 0, 9
        has('cut each time', d('put', 'x', 'small'), 10, 's3://bucket/x: put: ', 'hint: tried 4 times')

# ---- the strict one ----
with Strict(region='eu-west-9', clock=7200) as s, Drive(s.url, region='us-east-1') as d:
    t.is_('another clock, another region', (d('put', 'x', 'small')[0], s.objects, len(s.log)), (0, {'x': b'hello'}, 3))
    t.is_('once', (d('put', 'y', 'small')[0], len(s.log)), (0, 4))
    code, url = d('presign', 'x', '60')
    t.is_('a URL by that clock', urllib.request.urlopen(url).read(), b'hello')
with Strict(region='ap-south-1') as s, Drive(s.url, region='us-east-1') as d:
    s.err('GET', 301, 'PermanentRedirect', x_amz_bucket_region='ap-south-1')
    t.is_('sent elsewhere', (d('list'), len(s.log)), ((0, ''), 2))
with Strict() as s, Drive(s.url) as d:
    s.err('GET', 301, 'PermanentRedirect', x_amz_bucket_region='a.evil.host/', times=9)
    has('sent where no region is', d('list'), 10, 'PermanentRedirect')
with Strict() as s, Drive(s.url, max_backoff=50) as d:
    s.err('PUT', 503, 'SlowDown', times=2)
    s.err('PUT', 500, 'InternalError', times=1)
    t.is_('slow down: again', (d('put', 'x', 'small')[0], s.asked('PUT')), (0, 4))
    s.err('PUT', 503, 'SlowDown', times=9)
    has('slow down for good', d('put', 'x', 'small'), 10, 'status 503: SlowDown', 'tried 4 times')
    s.errs.clear()
    s.err('PUT', 400, 'InvalidRequest', message='what cannot be mended')
    has('other errors are final', d('put', 'x', 'small'), 1, 'InvalidRequest: what cannot be mended')
    s.err('GET', 0)
    t.is_('a connection that ends', d('get', 'x', 'out')[0], 0)
    s.err('COMPLETE', 0, 'InternalError', times=2)
    t.is_('an error behind status 200', (d('upload', 'm', 'big', PART)[0], s.objects['m'] == big, s.uploads), (0, True, {}))
    s.err('COMPLETE', 0, 'InternalError', times=9)
    has('which stays', d('upload', 'm2', 'big', PART), 10, 's3://bucket/m2: end upload', 'InternalError')
    t.is_('is no object, and nothing is left', ('m2' in s.objects, s.uploads), (False, {}))
    s.errs.clear()
    s.err('POST /bucket/m3?uploadId', 0, after=True)
    t.is_('made whole, but the answer is lost', (d('upload', 'm3', 'big', PART)[0], s.objects['m3'] == big), (0, True))
    s.err('POST /bucket/m4?uploads', 0, after=True)
    t.is_('begun, but the answer is lost', (d('upload', 'm4', 'big', PART)[0], s.objects['m4'] == big, s.uploads), (0, True, {}))
    t.none('odd keys, as S3 has them', [k for k in ODD if d('put', k, 'small')[0] or s.objects.get(k) != b'hello'])
    t.is_('pages of a list', sorted(urllib.request.unquote(k) for k in d('list')[1].split()[1::2]), sorted(s.objects))
    d('remove', *ODD)
    t.is_('removed by their names', [k for k in ODD if k in s.objects], [])
    s.err('PUT', 0, after=True)
    t.is_('put, but the answer is lost', d('put', 'z', 'small')[0], 0)
    s.err('PUT', 404, 'NoSuchKey')
    t.is_('only where it is as it was, and it is no more', d('put', 'gone', 'small', OCTETS)[0], 19)
with Strict() as s, Drive(s.url, bucket='other') as d:
    has('no bucket', d('put', 'x', 'small'), 10, 's3://other/x: put: status 404: NoSuchBucket', 'hint: there is no bucket')
with Strict(kms=True) as s, Drive(s.url, sse='aws:kms', sse_key_id='k-1', acl='private') as d:
    t.is_('an ETag that is no MD5', (d('put', 'x', 'small')[0], d('upload', 'm', 'big', PART)[0]), (0, 0))
    want = {'x-amz-server-side-encryption': 'aws:kms', 'x-amz-server-side-encryption-aws-kms-key-id': 'k-1', 'x-amz-acl': 'private'}
    t.is_('keys are named', [{k: s.heads[line].get(k) for k in want} for line in ('PUT /bucket/x?', 'POST /bucket/m?uploads=')], [want, want])
with Strict() as s, Drive(s.url) as d:
    s.etag = lambda body: '"' + '0' * 32 + '"'
    has('an ETag of other bytes', d('put', 'x', 'small'), 10, 'the server has other bytes')

# ---- answers cut at each byte, allocations that fail ----
with Strict() as s, Drive(s.url, max_retries=0) as d:
    for k in ODD[:5]:
        d('put', k, 'small')
    for match, words, most in (('list-type', ('list',), 500), ('POST /bucket/m?uploads', ('upload', 'm', 'big', PART), 90),
                               ('POST /bucket/m?uploadId', ('upload', 'm', 'big', PART), 90)):
        whole = d(*words)
        seen = set()
        for n in range(1, most, 7):
            s.cut(match, n)
            seen.add(d(*words)[0])
        t.is_(f'{match}: an answer cut anywhere', (whole[0], seen), (0, {10}))
    wrong, counts = [], []
    for words in (('put', 'x', 'small'), ('get', 'x', 'out'), ('head', 'x'), ('list', ''), ('remove', *ODD[:4]), ('upload', 'm', 'big', PART), ('presign', 'x', 9),
                  ('sweep', 'm'), ('delete', 'x'), ('get', 'nope', 'out')):
        for n in range(1, 500):
            r = d('fail', n, *words)
            if r[0] == 101:
                break
            # what is done at the end, to clear away, may fail and be left
            if r[0] not in ((7, 12) if 'nope' in words else (7, 0)) or (r[0] == 7 and r[1] != 'out of memory'):
                wrong.append((n, words[0], r))
        counts.append(n)
        d('put', 'x', 'small')
    t.none('no memory, at each place', wrong)
    t.is_('there are such places', min(counts) > 5, True)

# ---- TLS ----
subprocess.run('openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1',
               shell=True, check=True, stderr=subprocess.DEVNULL)
with Strict(tls=('cert.pem', 'key.pem')) as s:
    with Drive(s.url) as d:
        has('a certificate that nobody trusts', d('put', 'x', 'small'), 10, 's3://bucket/x: put: SSL', 'ca_file names')
        t.is_('is not asked again', s.log, [])
    for how, env, more in (('ca_file', {}, {'ca_file': 'cert.pem'}), ('AWS_CA_BUNDLE', {'AWS_CA_BUNDLE': 'cert.pem'}, {}),
                           ('SSL_CERT_FILE', {'SSL_CERT_FILE': 'cert.pem'}, {}), ('skip_verify', {}, {'skip_verify': 1})):
        with Drive(s.url, env=env, **more) as d:
            t.is_(f'trusted by {how}', (d('put', 'x', 'small')[0], d('upload', 'm', 'big', PART)[0], s.objects.get('m') == big), (0, 0, True))

# ---- roles ----
role = {'role': 'arn:aws:iam::123456789012:role/r', 'external_id': 'right'}
with Strict(life=4) as s, Drive(s.url, env={'AWS_ENDPOINT_URL_STS': s.url}, **role) as d:
    until, n, wrong = time.monotonic() + 6, 0, []
    while time.monotonic() < until:
        r = d('put', 'x', 'small')
        n += 1
        wrong += [r] if r[0] else []
        time.sleep(0.1)
    t.none('keys that end in the midst are renewed', wrong)
    t.is_('before they end', (s.asked('POST /?') in (2, 3, 4), n > 30), (True, True))
with Strict() as s, Drive(s.url, env={'AWS_ENDPOINT_URL_STS': s.url}, **role) as d:
    d('put', 'x', 'small')
    s.err('PUT', 400, 'ExpiredToken')
    t.is_('or when they are refused', (d('put', 'y', 'small')[0], s.asked('PUT')), (0, 3))
    s.err('PUT', 400, 'ExpiredToken', times=9)
    has('for good', d('put', 'y', 'small'), 23, 'ExpiredToken', 'hint: the session has ended')
with Strict() as s, Drive(s.url, env={'AWS_ENDPOINT_URL_STS': s.url}, role=role['role'], external_id='wrong') as d:
    has('a role that is refused', d('put', 'y', 'small'), 23, 'cannot assume arn:aws:iam::123456789012:role/r: AccessDenied')


def profile(secret):
    with open('credentials', 'w') as f:
        f.write(f'[p]\naws_access_key_id = {KEY}\naws_secret_access_key = {secret}\naws_session_token = {secret}-token\n')


with Strict() as s:
    profile('first')
    s.keys[KEY] = ('first', 'first-token', None)
    with Drive(s.url, env={'AWS_SHARED_CREDENTIALS_FILE': os.path.abspath('credentials')}, access=None, secret=None, profile='p') as d:
        t.is_('a profile', d('put', 'x', 'small')[0], 0)
        s.keys[KEY] = ('first', 'first-token', 1)
        profile('second')
        s.keys['gone'] = s.keys.pop(KEY)

        def later(*_):
            s.keys[KEY] = ('second', 'second-token', None)
        s.err('PUT', 400, 'ExpiredToken')
        later()
        t.is_('whose file somebody renews', (d('put', 'y', 'small')[0], sorted(s.objects)), (0, ['x', 'y']))
with Drive('http://127.0.0.1:9', access=None, secret=None, profile='none', env={'AWS_SHARED_CREDENTIALS_FILE': os.path.abspath('credentials')}) as d:
    has('no such profile', d('list'), 23, 'no such profile: none')
t.done()
