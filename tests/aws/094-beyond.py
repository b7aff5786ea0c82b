# timeout: 1800
# Tables beyond CloudQuery's, which AWS's models alone make: one in CQ_SAMPLE (16), always the same; all of them in make soak.
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws', os.environ['CQ_ROOT'] + '/tests/server']
import beyond
from shared import Tap

tap = Tap()
beyond.run(tap, os.environ.get('TABLES', '').split(), int(os.environ.get('CQ_SAMPLE') or 16))
tap.done()
