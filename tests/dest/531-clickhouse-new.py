# timeout: 600
# The suite that every destination passes, against ClickHouse 26.7.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import clickhouse
import conformance

conformance.run(clickhouse.Store(clickhouse.Modern()))
