# timeout: 600
# Every table from a server made of botocore's models, field by field against what botocore's parser reads from it.
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
import models
from shared import Tap

tap = Tap()
only = os.environ.get('TABLES', '').split()
tables = [r['table'] for r in models.oracle.facts('plan.tsv')]
models.run(tap, only or tables)
tap.done()
