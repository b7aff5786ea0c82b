# timeout: 240
# The suite that every destination passes, against a PostgreSQL server.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance
import postgres

conformance.run(postgres.Store(postgres.Server()))
