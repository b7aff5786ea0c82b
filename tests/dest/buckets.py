"""What the tests of the destination s3 share: a bucket as objects.py reads it,
by way of another client that copies it into a folder."""
import json
import os
import shutil
import tempfile

import objects
from s3servers import KEY, SECRET

BUCKET = 'bucket'


def copy(boto, root, prefix=''):
    """The bucket's objects as files under root; what is there already is not fetched again. Objects that go meanwhile are left out."""
    here, there = {}, set()
    for folder, _, names in os.walk(root):
        for n in names:
            here[os.path.relpath(os.path.join(folder, n), root)] = 1
    tags = getattr(copy, 'tags', {})
    copy.tags = tags
    # the pointer first: what it names was there before it
    for page in boto.get_paginator('list_objects_v2').paginate(Bucket=BUCKET, Prefix=prefix):
        for o in sorted(page.get('Contents', []), key=lambda o: '/latest/' not in o['Key']):
            key = o['Key'][len(prefix):]
            there.add(key)
            if key in here and tags.get((root, key)) == o['ETag']:
                continue
            path = os.path.join(root, key)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                boto.download_file(BUCKET, o['Key'], path + '.new')
            except Exception:
                continue
            os.replace(path + '.new', path)
            tags[root, key] = o['ETag']
    for key in set(here) - there:
        os.unlink(os.path.join(root, key))
    return root


class Bucket(objects.Objects):
    name = 's3'
    KEY, SECRET = KEY, SECRET

    def __init__(self, server, kind='parquet', prefix='cq/', more=''):
        self.server, self.kind, self.prefix, self.more = server, kind, prefix, more
        self.boto = server.boto()
        self.root = tempfile.mkdtemp()

    def destination(self):
        return ('{kind: s3, bucket: %s, region: us-east-1, path: "%s", format: %s, endpoint: "%s", use_path_style: true, '
                'credentials: {access_key_id: %s, secret_access_key: %s}%s}' % (
                    BUCKET, self.prefix, self.kind, self.server.url, json.dumps(self.KEY), json.dumps(self.SECRET), self.more))

    def keys(self):
        return [o['Key'] for page in self.boto.get_paginator('list_objects_v2').paginate(Bucket=BUCKET) for o in page.get('Contents', [])]

    def fetched(self):
        return copy(self.boto, self.root, self.prefix)

    def fresh(self):
        for key in self.keys():
            self.boto.delete_object(Bucket=BUCKET, Key=key)
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)


class Held(objects.Objects):
    """The bucket of a server in this process."""
    name = 's3'
    raw = False
    kind = 'json'

    def __init__(self, server):
        self.server = server

    def destination(self):
        return ('{kind: s3, bucket: bucket, region: us-east-1, path: "cq/", format: %s, endpoint: "%s", use_path_style: true, max_backoff: 0, '
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
