# timeout: 240
# The suite that every destination passes, against SeaweedFS, whose objects
# another client fetches and DuckDB reads.
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
import conformance
from buckets import BUCKET, Bucket
from s3servers import Seaweed

with Seaweed() as server:
    server.bucket(BUCKET)
    conformance.run(Bucket(server, 'parquet'))
