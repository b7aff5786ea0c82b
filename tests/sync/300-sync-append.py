# Append: raw tables, views of the current rows, units that fail or may not be
# read keep what they had, children read the parents just fetched.
import hashlib
import os
import sys
import uuid

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

SHIPS = '''
GET /oslo/ships?page=1
  body [{"id":1,"name":"Fram","tons":402.5,"built":"1892-10-26T00:00:00Z","flags":["no"]},{"id":2,"name":"Gjoa","tons":47,"built":null,"flags":{"a": 1}},{"id":3,"name":"Kon"}]
GET /oslo/ships?page=2
  body [{"id":4,"name":"Ra"}]
GET /rome/ships?page=1
  body [{"id":1,"name":"Argo"}]
'''
t = Sync()


def cqid(**parts):
    h = hashlib.sha256()
    for k in sorted(parts):
        h.update(k.encode() + str(parts[k]).encode())
    return str(uuid.UUID(bytes=hashlib.sha1(bytes(16) + h.digest()).digest()[:16], version=5))


t.routes(SHIPS)
r = t.sync('{source: fleet, tables: [fleet_ships]}')
t.is_('success', (r['status'], r['tables'], r['rows'], r['units'], r['errors']), ('success', 1, 5, 2, []))
t.is_('what the rows are', t.rows('SELECT port, id, name, tons, built, flags FROM fleet_ships ORDER BY port, id')[:3],
      [('oslo', 1, 'Fram', 402.5, '1892-10-26T00:00:00Z', '["no"]'), ('oslo', 2, 'Gjoa', 47.0, None, '{"a":1}'),
       ('oslo', 3, 'Kon', None, None, None)])
t.is_('meta columns, in their order', [x[1] for x in t.rows('PRAGMA table_info(raw_fleet_ships)')][:6],
      ['_cq_sync_time', '_cq_source_name', '_cq_sync_group_id', '_cq_client_id', '_cq_id', '_cq_parent_id'])
t.is_('the view has the same columns', [x[1] for x in t.rows('PRAGMA table_info(fleet_ships)')],
      [x[1] for x in t.rows('PRAGMA table_info(raw_fleet_ships)')])
t.is_('strict', t.one("SELECT strict FROM pragma_table_list('raw_fleet_ships')"), 1)
t.is_('_cq_id', t.one("SELECT _cq_id FROM fleet_ships WHERE name = 'Fram'"), cqid(id=1, port='oslo'))
t.is_('group', t.rows('SELECT DISTINCT _cq_sync_group_id, _cq_source_name FROM fleet_ships'), [(r['sync_group_id'], 'fleet')])
t.is_('client', t.rows('SELECT DISTINCT _cq_client_id FROM fleet_ships ORDER BY 1'), [('oslo',), ('rome',)])

# a second run replaces what the view shows, and keeps what was
t.routes(SHIPS.replace('Fram', 'Maud'))
r2 = t.sync('{source: fleet, tables: [fleet_ships]}')
t.is_('a later run has a greater number', r2['sync_group_id'] > r['sync_group_id'], True)
t.is_('the view shows the last', t.rows("SELECT count(*), sum(name = 'Maud') FROM fleet_ships"), [(5, 1)])
t.is_('the raw table has all', t.one('SELECT count(*) FROM raw_fleet_ships'), 10)

# one unit fails: its rows stay, the others move on
t.routes(SHIPS.replace('GET /rome/ships?page=1\n  body [{"id":1,"name":"Argo"}]', 'GET /rome/ships?page=1\n  status 400\n  body {}')
         .replace('Fram', 'Polarstern'))
r3 = t.sync('{source: fleet, tables: [fleet_ships]}')
t.is_('partial', (r3['status'], r3['failed'], len(r3['errors'])), ('partial', 1, 1))
t.is_('the error names table and client', (r3['errors'][0]['table'], r3['errors'][0]['client']), ('fleet_ships', 'rome'))
t.has('and the cause', r3['errors'][0]['message'], '400')
t.is_('oslo is new, rome as before', t.rows('SELECT port, count(*), max(_cq_sync_group_id) FROM fleet_ships GROUP BY 1'),
      [('oslo', 4, r3['sync_group_id']), ('rome', 1, r2['sync_group_id'])])
t.is_('the table is partial, one row kept',
      t.rows('SELECT status, rows, kept, errors, units, units_done FROM cq_sync_tables WHERE sync_group_id = ?', r3['sync_group_id']),
      [('partial', 4, 1, 1, 2, 2)])
t.is_('so is the run', t.rows('SELECT status, unsettled, finished IS NOT NULL FROM cq_syncs WHERE sync_group_id = ?', r3['sync_group_id']),
      [('partial', 0, 1)])
t.has('strict raises', t.sync('{source: fleet, tables: [fleet_ships], strict: true}')['raised'], 'partial: 1 errors; the first: ')

# a page that fails late leaves no rows behind
t.routes(SHIPS.replace('GET /oslo/ships?page=2\n  body [{"id":4,"name":"Ra"}]', 'GET /oslo/ships?page=2\n  status 400'))
r4 = t.sync('{source: fleet, tables: [fleet_ships]}')
t.is_('no rows of half a unit', t.one("SELECT count(*) FROM raw_fleet_ships WHERE _cq_sync_group_id = ? AND port = 'oslo'", r4['sync_group_id']), 0)
t.is_('those before are shown', t.one("SELECT count(*) FROM fleet_ships WHERE port = 'oslo'"), 4)
r = t.sync('{source: fleet, tables: [fleet_ships], spec: {ports: [oslo]}}')
t.is_('a run of nothing good is failed', r['status'], 'failed')

# retry: only what failed is asked
t.routes(SHIPS)
r = t.sync('{source: fleet, tables: [fleet_ships]}')
t.routes(SHIPS.replace('GET /rome/ships?page=1\n  body', 'GET /rome/ships?page=1\n  status 400\n  body'))
r = t.sync('{source: fleet, tables: [fleet_ships]}')
t.routes(SHIPS)
r2 = t.sync('{source: fleet, tables: [fleet_ships]}', '{"retry":"failed"}')
t.is_('retry', (r2['status'], r2['rows'], t.asked('*oslo*'), t.asked('*rome*')), ('success', 1, 0, 1))
t.is_('shown together', t.rows('SELECT port, max(_cq_sync_group_id) FROM fleet_ships GROUP BY 1'),
      [('oslo', r['sync_group_id']), ('rome', r2['sync_group_id'])])

# a client that is gone is no longer shown
r = t.sync('{source: fleet, tables: [fleet_ships], spec: {ports: [rome]}}')
t.is_('gone', t.rows('SELECT DISTINCT port FROM fleet_ships'), [('rome',)])

# children: two levels, by the rows just fetched; the parent is asked once
CREW = '''
GET /oslo/ships/1/crew
  body [{"id":1,"name":"Amundsen"},{"id":2,"name":"Wisting"}]
GET /*/ships/*/crew
  body []
GET /oslo/ships/1/cargo
  body [{"what":"dogs"},{"what":"seal"}]
GET /*/ships/*/cargo
  body []
GET /owners/dogs
  body [{"name":"Roald"}]
GET /owners/*
  body []
'''
t.routes(SHIPS + CREW)
r = t.sync('{source: fleet, tables: [fleet_crews, fleet_cargo_owners]}')
t.is_('children bring their parents', (r['status'], r['tables'], r['rows']), ('success', 4, 5 + 2 + 2 + 1))
t.is_('requests', (t.asked('*ships?page*'), t.asked('*crew*'), t.asked('*cargo*'), t.asked('*owners*')), (3, 5, 5, 2))
t.is_('_cq_parent_id', t.rows('SELECT c.name, s.name FROM fleet_crews c JOIN fleet_ships s ON s._cq_id = c._cq_parent_id ORDER BY 1'),
      [('Amundsen', 'Fram'), ('Wisting', 'Fram')])
t.is_('_cq_parent_id of one whose key the child does not have',
      t.rows('SELECT c.what, s.name FROM fleet_cargo c JOIN fleet_ships s ON s._cq_id = c._cq_parent_id ORDER BY 1'),
      [('dogs', 'Fram'), ('seal', 'Fram')])
t.is_('and of the next level', t.rows('SELECT o.name, c.what FROM fleet_cargo_owners o JOIN fleet_cargo c ON c._cq_id = o._cq_parent_id'),
      [('Roald', 'dogs')])
r = t.sync('{source: fleet, tables: [fleet_ships], skip_dependent_tables: false, skip_tables: [fleet_cargo]}')
t.is_('dependents, without what is below a skipped one', t.rows('SELECT table_name FROM cq_sync_tables WHERE sync_group_id = ? ORDER BY 1', r['sync_group_id']),
      [('fleet_crews',), ('fleet_ships',)])

# a parent's unit that fails takes the child's unit of that client along
t.routes((SHIPS + CREW).replace('GET /rome/ships?page=1\n  body', 'GET /rome/ships?page=1\n  status 400\n  body'))
r = t.sync('{source: fleet, tables: [fleet_crews]}')
t.is_('child of a failed parent', t.rows('SELECT table_name, client_id, status FROM cq_sync_units WHERE sync_group_id = ? ORDER BY 1, 2', r['sync_group_id']),
      [('fleet_crews', 'oslo', 'ok'), ('fleet_crews', 'rome', 'failed'), ('fleet_ships', 'oslo', 'ok'), ('fleet_ships', 'rome', 'failed')])
t.is_('retry with the parent of before', (t.routes(SHIPS + CREW), t.sync('{source: fleet, tables: [fleet_crews]}', '{"retry":"failed"}')['status'], t.asked('*oslo*'),
      t.asked('*rome*'))[1:], ('success', 0, 2))

# skipped: not a failure, and recorded
t.routes('GET /oslo/secrets\n  body [{"id":7}]\nGET /rome/secrets\n  status 403\n  body {}\nGET /*/tolls\n  body []\n')
r = t.sync('{source: fleet, tables: [fleet_secrets, fleet_tolls]}')
t.is_('skipped is no failure', (r['status'], r['failed'], r['skipped'], r['errors']), ('success', 0, 2, []))
t.is_('its reason', t.rows("SELECT table_name, client_id, kind, hint FROM cq_sync_errors WHERE sync_group_id = ? ORDER BY 1", r['sync_group_id']),
      [('fleet_secrets', 'rome', 'skipped', 'ask the harbour master'), ('fleet_tolls', '', 'skipped', 'set use_paid_apis: true')])
t.is_('what costs is not asked', t.asked('*tolls*'), 0)
t.sync('{source: fleet, tables: [fleet_tolls], spec: {use_paid_apis: true}}')
t.is_('unless allowed', t.asked('*tolls*'), 2)

# no key: random ids, all rows
t.routes('GET /*/notes\n  body [{"text":"a"},{"text":"a"}]\n')
t.sync('{source: fleet, tables: [fleet_notes]}')
t.is_('a table without a key', t.rows('SELECT count(*), count(DISTINCT _cq_id) FROM fleet_notes'), [(4, 4)])

# several sources into one table do not disturb each other
t.routes(SHIPS)
t.sync('{source: fleet, name: other, tables: [fleet_ships], spec: {ports: [oslo]}}')
t.sync('{source: fleet, tables: [fleet_ships], spec: {ports: [rome]}}')
t.is_('two sources', t.rows('SELECT _cq_source_name, count(*) FROM fleet_ships GROUP BY 1'), [('fleet', 1), ('other', 4)])
r = t.sync('{source: fleet, tables: [fleet_ships], spec: {token: hush-hush}}')
t.is_('no secret anywhere', (r['status'],
      open('test.db', 'rb').read().find(b'hush-hush')), ('success', -1))
t.is_('nothing is left open', t.db.in_transaction, False)
t.done()
