# Incremental tables: the cursor moves with the rows, per unit; the view shows
# the newest row of each key.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

t = Sync()
SPEC = '{source: fleet, tables: [fleet_log]}'
t.routes('''GET /oslo/log?!since
  body [{"id":1,"at":"2024-01-01T00:00:00Z","text":"a"},{"id":2,"at":"2024-01-02T00:00:00Z","text":"b"}]
GET /rome/log?!since
  body []
''')
r = t.sync(SPEC)
t.is_('first: everything', (r['status'], r['rows']), ('success', 2))
t.is_('the cursor', t.rows('SELECT client_id, cursor FROM cq_units ORDER BY 1'), [('oslo', '2024-01-02T00:00:00Z'), ('rome', '')])
t.routes('''GET /oslo/log?since=2024-01-02T00:00:00Z
  body [{"id":2,"at":"2024-01-03T00:00:00Z","text":"b again"},{"id":3,"at":"2024-01-04T00:00:00Z","text":"c"}]
GET /rome/log?!since
  body [{"id":9,"at":"2024-01-01T00:00:00Z","text":"r"}]
''')
r = t.sync(SPEC)
t.is_('then what is new', (r['status'], r['rows'], t.asked('*since=*')), ('success', 3, 1))
t.is_('the newest of each', t.rows('SELECT id, text FROM fleet_log ORDER BY 1'), [(1, 'a'), (2, 'b again'), (3, 'c'), (9, 'r')])
t.is_('raw has all', t.one('SELECT count(*) FROM raw_fleet_log'), 5)

# a failed unit neither moves its cursor nor hides rows
t.routes('GET /oslo/log?since=2024-01-04T00:00:00Z\n  status 400\nGET /rome/log\n  body []\n')
r = t.sync(SPEC)
t.is_('failed', (r['status'], t.rows('SELECT client_id, cursor FROM cq_units ORDER BY 1'), t.one('SELECT count(*) FROM fleet_log')),
      ('partial', [('oslo', '2024-01-04T00:00:00Z'), ('rome', '2024-01-01T00:00:00Z')], 4))

# never past the run's start
t.routes('GET /*/log\n  body [{"id":20,"at":"2124-01-01T00:00:00Z","text":"from the future"}]\n')
r = t.sync(SPEC)
t.is_('not past the start', t.rows('SELECT DISTINCT cursor FROM cq_units'), t.rows('SELECT max(sync_time) FROM cq_syncs'))

# pruning leaves the newest row of each key
before = t.rows('SELECT id, text FROM fleet_log ORDER BY 1')
n = t.one('SELECT count(*) FROM raw_fleet_log')
t.one('SELECT cq_prune(1)')
t.is_('pruned', (t.rows('SELECT id, text FROM fleet_log ORDER BY 1'), t.one('SELECT count(*) FROM raw_fleet_log') < n), (before, True))

# overwrite: merged, nothing stale; the cursor starts anew for another source
t.routes('GET /oslo/log?!since\n  body [{"id":1,"at":"2024-01-01T00:00:00Z","text":"a"}]\n'
         'GET /oslo/log?since=2024-01-01T00:00:00Z\n  body [{"id":2,"at":"2024-01-02T00:00:00Z","text":"b"}]\n')
spec = "{source: fleet, name: o, tables: [fleet_log], spec: {ports: [oslo]}, destination: {path: o.db}, write_mode: overwrite-delete-stale}"
t.sync(spec)
r = t.sync(spec)
t.db.execute("ATTACH 'o.db' AS o")
t.is_('overwrite keeps the old', (r['status'], t.rows('SELECT id FROM o.fleet_log ORDER BY 1')), ('success', [(1,), (2,)]))
t.done()
