# The examples of docs/destinations/s3.md, against SeaweedFS.
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests/docs', os.environ['CQ_ROOT'] + '/tests/dest']
from s3servers import KEY, SECRET, Seaweed
from typed import run

os.symlink(os.environ['CQ_ROOT'] + '/examples', 'examples')
with Seaweed() as s:
    s.bucket('my-bucket')
    run('docs/destinations/s3.md', {}, {'AWS_ACCESS_KEY_ID': KEY, 'AWS_SECRET_ACCESS_KEY': SECRET, 'AWS_ENDPOINT_URL_S3': s.url})
    s.boto().head_object(Bucket='my-bucket', Key='other/_cq/latest/file.json')
