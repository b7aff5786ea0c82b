# timeout: 300
# The suite that every destination passes, against versitygw, which checks regions, clocks and hashes of bodies as S3 does.
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
import conformance
from buckets import BUCKET, Bucket
from s3servers import Versity

with Versity() as server:
    server.bucket(BUCKET)
    conformance.run(Bucket(server, os.environ.get('CQ_FORMAT', 'parquet')))
