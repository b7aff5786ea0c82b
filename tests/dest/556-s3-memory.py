# timeout: 600
# Each place at which S3's destination asks for memory fails once: see places.py.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import places
import buckets
from s3servers import Strict

for name in list(os.environ):
    if name.startswith('AWS_'):
        del os.environ[name]
os.environ['AWS_EC2_METADATA_DISABLED'] = 'true'

with Strict() as server:
    p = places.Places(buckets.Held(server), 'dest/s3/')
    p.cases()
p.done()
