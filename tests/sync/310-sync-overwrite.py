# The overwrite modes: merged by _cq_id, counted, stale rows only of clean units.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

t = Sync()
ONE = '''GET /oslo/ships?page=1
  body [{"id":1,"name":"Fram"},{"id":2,"name":"Gjoa"}]
GET /rome/ships?page=1
  body [{"id":1,"name":"Argo"}]
'''
TWO = '''GET /oslo/ships?page=1
  body [{"id":1,"name":"Fram"},{"id":3,"name":"Maud"}]
GET /rome/ships?page=1
  body [{"id":1,"name":"Argo II"}]
'''
STALE = '{source: fleet, tables: [fleet_ships], write_mode: overwrite-delete-stale}'
COUNTS = 'SELECT inserted, updated, unchanged, deleted, kept FROM cq_sync_tables WHERE sync_group_id = ?'

t.routes(ONE)
r = t.sync(STALE)
t.is_('first', (r['status'], t.rows(COUNTS, r['sync_group_id'])), ('success', [(3, 0, 0, 0, 0)]))
t.is_('a table with a key', t.rows("SELECT type, name FROM sqlite_schema WHERE name LIKE '%fleet_ships'"), [('table', 'fleet_ships')])
t.is_('its key', [x[1] for x in t.rows('PRAGMA table_info(fleet_ships)') if x[5]], ['_cq_id'])
r = t.sync(STALE)
t.is_('the same again', t.rows(COUNTS, r['sync_group_id']), [(0, 0, 3, 0, 0)])
t.is_('and the same rows', t.rows('SELECT count(*), min(_cq_sync_group_id) FROM fleet_ships'), [(3, r['sync_group_id'])])
t.routes(TWO)
r = t.sync(STALE)
t.is_('one more, one other, one less', t.rows(COUNTS, r['sync_group_id']), [(1, 1, 1, 1, 0)])
t.is_('rows', t.rows('SELECT port, name FROM fleet_ships ORDER BY 1, 2'), [('oslo', 'Fram'), ('oslo', 'Maud'), ('rome', 'Argo II')])
t.is_('the result tells', [r['destinations'][0][k] for k in ('inserted', 'updated', 'unchanged', 'deleted')], [1, 1, 1, 1])

# a unit that failed keeps its rows, also from stale deletion
t.routes('GET /oslo/ships?page=1\n  status 400\nGET /rome/ships?page=1\n  body []\n')
r = t.sync(STALE)
t.is_('clean units only', (r['status'], t.rows('SELECT port, name FROM fleet_ships ORDER BY 1, 2')),
      ('partial', [('oslo', 'Fram'), ('oslo', 'Maud')]))
t.is_('counted', t.rows(COUNTS, r['sync_group_id']), [(0, 0, 0, 1, 2)])
t.routes(ONE)
r = t.sync('{source: fleet, tables: [fleet_ships], write_mode: overwrite-delete-stale, spec: {ports: [rome]}}')
t.is_('a client that is gone takes its rows along', t.rows('SELECT port, name FROM fleet_ships'), [('rome', 'Argo')])

# overwrite deletes nothing
t.sync(STALE)
t.routes(TWO)
r = t.sync('{source: fleet, tables: [fleet_ships], write_mode: overwrite}')
t.is_('overwrite', (r['status'], t.rows('SELECT port, name FROM fleet_ships ORDER BY 1, 2')),
      ('success', [('oslo', 'Fram'), ('oslo', 'Gjoa'), ('oslo', 'Maud'), ('rome', 'Argo II')]))

# a key twice in one unit: the last wins
t.routes('GET /*/ships?page=1\n  body [{"id":1,"name":"a"},{"id":1,"name":"b"}]\n')
r = t.sync('{source: fleet, name: two, tables: [fleet_ships], write_mode: overwrite, spec: {ports: [bari]}}')
t.is_('twice', t.rows("SELECT name FROM fleet_ships WHERE port = 'bari'"), [('b',)])

# children by the merged parents
t.routes(TWO + '''GET /oslo/ships/3/crew
  body [{"id":1,"name":"Amundsen"}]
GET /*/ships/*/crew
  body []
''')
r = t.sync('{source: fleet, tables: [fleet_crews], write_mode: overwrite-delete-stale}')
t.is_('children', (r['status'], t.rows('SELECT s.name, c.name FROM fleet_crews c JOIN fleet_ships s ON s._cq_id = c._cq_parent_id'), t.asked('*crew*')),
      ('success', [('Maud', 'Amundsen')], 3))

# another source's rows are not stale
t.is_('other sources stay', t.rows('SELECT _cq_source_name, count(*) FROM fleet_ships GROUP BY 1'), [('fleet', 3), ('two', 1)])

# a sync_group_id makes it part of the key
t.db.execute('DROP TABLE fleet_ships')
for _ in range(2):
    r = t.sync('{source: fleet, tables: [fleet_ships], write_mode: overwrite, sync_group_id: "day-{{YEAR}}"}')
t.is_('sync_group_id', (r['status'], t.rows('SELECT count(*), count(DISTINCT _cq_id) FROM fleet_ships')), ('success', [(6, 3)]))
t.is_('its text', t.one('SELECT sync_group LIKE \'day-20__\' FROM cq_syncs ORDER BY sync_group_id DESC LIMIT 1'), 1)

# a row that SQLite refuses is named, its table fails, nothing of it is published
t.routes(ONE)
t.db.execute("DROP TABLE fleet_ships")
t.sync('{source: fleet, name: c, tables: [fleet_ships]}')
t.db.execute("CREATE UNIQUE INDEX mine ON raw_fleet_ships (name)")
r = t.sync('{source: fleet, name: c, tables: [fleet_ships]}')
t.has('the row is named', r['errors'][0]['message'], 'row _cq_id ')
t.has('with the cause', r['errors'][0]['message'], 'UNIQUE constraint failed: raw_fleet_ships.name')
t.is_('nothing lost', (r['status'], t.one('SELECT count(*) FROM fleet_ships'), t.one('SELECT count(*) FROM raw_fleet_ships')), ('failed', 3, 3))
t.done()
