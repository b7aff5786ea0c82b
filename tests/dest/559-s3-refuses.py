# timeout: 600
# S3 refuses each request once, fails at it, breaks off before it is done and after, and cuts its answer: see places.py.
import os
import re
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import places
import buckets
from s3servers import Strict

for name in list(os.environ):
    if name.startswith('AWS_'):
        del os.environ[name]
os.environ['AWS_EC2_METADATA_DISABLED'] = 'true'
HOWS = {'refused': 'AccessDenied|status 403', 'failed': 'InternalError|status 500', 'before': 'tried|reply|connect', 'after': 'tried|reply|connect',
        'cut': "not S3's|not cq's|no JSON|tried"}


class Front(places.Front, Strict):
    def __init__(self):
        places.Front.__init__(self)
        Strict.__init__(self)

    def told(self, line):
        how = self.judge(re.sub(r'[0-9a-f]{8}-[0-9a-f-]+|uploadId=[^&]*|continuation-token=[^&]*', '', line))
        if not how:
            return None
        if how == 'cut':
            return {'cut': 7}
        status, code = {'refused': (403, 'AccessDenied'), 'failed': (500, 'InternalError')}.get(how, (0, ''))
        return {'status': status, 'code': code, 'message': 'as told', 'after': how == 'after', 'headers': {}}


with Front() as front:
    store = buckets.Held(front)
    p = places.Places(store, 'dest/s3/')
    p.every = 4
    p.refusals('later', front, HOWS)
    p.refusals('first', front, HOWS, begin='empty')
    p.refusals('resumed', front, HOWS, begin='half', act='resume')
    p.refusals('cq_prune', front, HOWS, act='prune')
    p.refusals('cq_test', front, HOWS, act='test')
p.done()
