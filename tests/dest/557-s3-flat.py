# timeout: 120
# skip-sanitized: a sanitizer keeps what was freed, and its own books
"""100 MB become one object, in parts: memory does not grow with it."""
import os
import resource
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
import conformance  # noqa: F401: it finds the definitions
from buckets import BUCKET, Bucket
from conformance import Sync
from s3servers import Seaweed

MANY = 200
PAGE = 2000
t = Sync()


def ships(pages):
    return f'GET /oslo/ships?page=*\n  pages number page {PAGE} {PAGE * pages}\n  row {{"id":@N@,"name":"{"x" * 200}"}}\nGET /rome/ships?page=1\n  body []\n'


with Seaweed() as s:
    s.bucket(BUCKET)
    store = Bucket(s, 'json', more=', no_rotate: true, batch_size_bytes: 1000000000')
    spec = '{source: fleet, tables: [fleet_ships], destination: %s}' % store.destination()

    def peak(pages):
        """Of a process that has done it once before, with a tenth."""
        r = t.sync(spec)
        size = sum(o['Size'] for o in store.boto.list_objects_v2(Bucket=BUCKET, Prefix='cq/fleet_ships/').get('Contents', []))
        return r, size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    t.routes(ships(MANY // 10))
    r, small, before = peak(MANY // 10)
    t.is_('10 MB', (r['status'], r['rows'], small > 10_000_000), ('success', PAGE * MANY // 10, True))
    t.routes(ships(MANY))
    r, size, after = peak(MANY)
    biggest = max(store.boto.list_objects_v2(Bucket=BUCKET, Prefix='cq/fleet_ships/')['Contents'], key=lambda o: o['Size'])
    t.is_('100 MB', (r['status'], r['rows'], biggest['Size'] > 100_000_000), ('success', PAGE * MANY, True))
    t.is_('one object, of parts of 5 MiB', int(biggest['ETag'].strip('"').split('-')[1]), -(-biggest['Size'] // (5 << 20)))
    print(f'# {biggest["Size"]} bytes; at most {before} kB with the tenth of it, {after} kB with all')
    t.is_('memory is flat', after - before < 4096 or (before, after), True)
    t.is_('no upload is left', s.uploads(BUCKET), [])
t.done()
