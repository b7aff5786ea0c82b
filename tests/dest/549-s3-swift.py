# timeout: 120
"""The client and a sync against OpenStack Swift, a second real server, which checks
the region, the clock and the body's hash, and knows no conditional puts."""
import json
import os
import sys
import urllib.request

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
import conformance
from buckets import BUCKET, Bucket
from s3servers import Drive, Swift

for name in list(os.environ):
    if name.startswith('AWS_'):
        del os.environ[name]
ODD = ['a b', 'a+b', 'ü/ñ', '100%', 'a%20b', 'q?x=1&y', "quo'te\"s", '<&>', 'double//slash', '漢字/🚢', 'star*(1)!', 'at@=:,$']
with open('small', 'wb') as f:
    f.write(b'hello')
with open('big', 'wb') as f:
    f.write(b'0123456789abcdef' * 700_000)


class Store(Bucket):
    KEY, SECRET = Swift.KEY, Swift.SECRET


with Swift() as s:
    s.bucket(BUCKET)
    suite = conformance.Suite(Store(s, 'json'))
    t = suite.t
    who = {'access': s.KEY, 'secret': s.SECRET}
    with Drive(s.url, region='eu-west-9', **who) as d:
        t.is_('a wrong region is corrected', d('put', 'x', 'small')[0], 0)
        t.none('odd keys', [k for k in ODD if d('put', k, 'small')[0] or d('get', k, 'out')[0]])
        t.is_('listed', sorted(urllib.request.unquote(k) for k in d('list')[1].split()[1::2]), sorted(ODD + ['x']))
        t.is_('in parts', (d('upload', 'big', 'big', 5 << 20), d('head', 'big')[1].split()[0]), ((0, ''), '11200000'))
        t.is_('given up', (d('upload', 'big2', 'big', 5 << 20, 'free')[0], s.uploads(BUCKET)), (0, []))
        t.is_('a condition: it says that it knows none', d('put', 'x', 'small', 'new')[0], 21)
        t.is_('a URL for others', urllib.request.urlopen(d('presign', 'ü/ñ', '60')[1]).read(), b'hello')
        t.is_('removed', (d('remove', 'x', 'big', *ODD)[0], d('list')), (0, (0, '')))
    Drive(s.url, **who)('upload', 'left', 'big', 5 << 20, 'leave')
    with Drive(s.url, **who) as d:
        left = len(s.uploads(BUCKET))
        t.is_('what a killed process left is swept', (left, d('sweep', 'left')[0], s.uploads(BUCKET)), (1, 0, []))
    with Drive(s.url, access=s.KEY, secret='wrong') as d:
        t.has('a wrong secret', d('list'), 'SignatureDoesNotMatch')
    for part in ('at_once', 'interrupted'):
        getattr(suite, part)()
t.done()
