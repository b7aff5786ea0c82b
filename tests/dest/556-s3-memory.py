# timeout: 600
# Each place at which S3's destination asks for memory fails once: see places.py.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import places
import objects
from s3servers import KEY, SECRET, Strict

for name in list(os.environ):
    if name.startswith('AWS_'):
        del os.environ[name]
os.environ['AWS_EC2_METADATA_DISABLED'] = 'true'


class Held(objects.Objects):
    """The bucket of a server in this process."""
    name = 's3'
    raw = False
    kind = 'json'

    def __init__(self, server):
        self.server = server

    def destination(self):
        return ('{kind: s3, bucket: bucket, region: us-east-1, path: "cq/", format: %s, endpoint: "%s", use_path_style: true, '
                'credentials: {access_key_id: %s, secret_access_key: %s}}' % (self.kind, self.server.url, KEY, SECRET))

    def fetched(self):
        for folder, _, names in os.walk('copy', topdown=False):
            for n in names:
                os.unlink(os.path.join(folder, n))
        for key, body in list(self.server.objects.items()):
            path = os.path.join('copy', key[3:])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'wb') as f:
                f.write(body)
        return 'copy'

    def left(self):
        return [f'an upload of {k}' for k in self.server.uploads]

    def fresh(self):
        self.server.objects.clear()


with Strict() as server:
    p = places.Places(Held(server), 'dest/s3/')
    p.cases()
p.done()
