# timeout: 600
# Tables from moto with what could be made there (moto.txt): a server and values that are not ours, signatures and policies enforced.
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
import made
from shared import Tap

with open(os.path.join(os.environ['CQ_ROOT'], 'tests', 'aws', 'moto.txt'), encoding='utf-8') as f:
    tables = f.read().split()
tap = Tap()
made.run(tap, os.environ.get('TABLES', '').split() or tables)
tap.done()
