# timeout: 600
# Each place at which the destinations of files and of objects ask for memory fails once: see places.py.
import os
import shutil
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import places
import objects


class Files(objects.Objects):
    name = 'file'
    raw = False
    kind = 'json'
    more = ''

    def destination(self):
        return '{kind: file, path: out, format: %s%s}' % (self.kind, self.more)

    def fresh(self):
        shutil.rmtree('out', ignore_errors=True)


store = Files()
p = places.Places(store, 'dest/file/', 'dest/object/', 'dest/encode/')
for store.kind in ('json', 'csv', 'parquet'):
    store.__dict__.pop('_reader', None)
    p.cases()
store.more = ', keep: 1'
p.case('only the newest', mode='append')
p.done()
