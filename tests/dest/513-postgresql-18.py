# timeout: 120
# The suite against a current PostgreSQL server, less what is the same whatever the server: kills, interrupts.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance
import postgres

server = postgres.Server(os.environ['CQ_STORES'] + '/postgresql/bin')
assert server.one('SELECT version()').startswith('PostgreSQL 18'), server.one('SELECT version()')
conformance.run(postgres.Store(server, ', schema: public'), [p for p in conformance.PARTS if p not in ('killed', 'interrupted', 'at_once', 'beside', 'test')])
