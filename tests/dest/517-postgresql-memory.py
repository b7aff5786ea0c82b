# timeout: 600
# Each place at which PostgreSQL's destination asks for memory fails once: see places.py.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import places
import postgres


store = postgres.Quick(postgres.Server())
try:
    p = places.Places(store, 'dest/postgresql/', 'dest/writer/')
    p.cases()
finally:
    store.close()
p.done()
