# timeout: 240
# The suite that every destination passes, against a DuckDB file.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance
import ducks

conformance.run(ducks.Store())
