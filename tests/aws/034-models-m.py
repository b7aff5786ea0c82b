# timeout: 600
# Tables m to z from a server made of botocore's models, field by field against what botocore's parser reads from it.
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
import models
from shared import Tap

tap = Tap()
only = os.environ.get('TABLES', '').split()
tables = [r['table'] for r in models.oracle.facts('plan.tsv')]
models.run(tap, only or [t for t in tables if 'm' <= t.removeprefix('aws_') < '~'])
tap.done()
