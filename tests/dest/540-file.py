# timeout: 240
# The suite that every destination passes, against Parquet files in a folder,
# read by DuckDB.
import os
import shutil
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance
import objects


class Files(objects.Objects):
    name = 'file'
    kind = 'parquet'

    def destination(self):
        return '{kind: file, path: out, format: %s}' % self.kind

    def fresh(self):
        shutil.rmtree('out', ignore_errors=True)


conformance.run(Files())
