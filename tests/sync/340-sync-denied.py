# What may not be read: the unit keeps what it had, and the run says so.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

ALL = '''
GET /oslo/manifests
  body [{"id":1}]
GET /rome/manifests
  body [{"id":9}]
GET /*/manifests/*/seal
  body {"seal":"wax"}
'''
SPEC = '{source: fleet, tables: [fleet_manifests]}'
t = Sync()
t.routes(ALL)
first = t.sync(SPEC)
t.is_('all of it', (first['status'], first['rows']), ('success', 2))

t.routes(ALL.replace('GET /rome/manifests\n  body [{"id":9}]', 'GET /rome/manifests\n  status 403\n  body {}'))
r = t.sync(SPEC)
t.is_('partial', (r['status'], r['failed'], r['errors_total']), ('partial', 1, 1))
t.is_('told', [(e['table'], e['client'], e['kind']) for e in r['errors']], [('fleet_manifests', 'rome', 'denied')])
t.is_('with what to do', t.rows('SELECT client_id, kind, hint FROM cq_sync_errors'), [('rome', 'denied', 'ask the purser')])
t.is_('its rows stay', t.rows('SELECT port, id, _cq_sync_group_id FROM fleet_manifests ORDER BY 1'),
      [('oslo', 1, r['sync_group_id']), ('rome', 9, first['sync_group_id'])])
t.is_('one row kept', t.rows('SELECT status, rows, kept, errors FROM cq_sync_tables WHERE sync_group_id = ?', r['sync_group_id']),
      [('partial', 1, 1, 1)])
t.has('strict raises', t.sync(SPEC, '{"strict": true}').get('raised'), 'partial')

t.routes(ALL)
r = t.sync(SPEC, '{"retry": "failed"}')
t.is_('allowed again, a retry asks for it alone', (r['status'], r['rows'], t.asked('/oslo/*'), t.asked('/rome/manifests')),
      ('success', 1, 0, 1))

# a column of one row
t.routes(ALL.replace('GET /*/manifests/*/seal', 'GET /rome/manifests/*/seal') + 'GET /oslo/*/seal\n  status 403\n  body {}\n')
r = t.sync(SPEC)
t.is_('a column that may not be read', (r['status'], r['rows'], r['errors_total']), ('partial', 2, 1))
t.is_('is NULL, and told', t.rows("SELECT m.port, m.seal, e.kind FROM fleet_manifests AS m LEFT JOIN cq_sync_errors AS e "
                                  'ON e.client_id = m.port AND e.sync_group_id = m._cq_sync_group_id ORDER BY 1'),
      [('oslo', None, 'denied'), ('rome', 'wax', None)])

# everywhere
t.routes('GET /*/manifests\n  status 403\n  body {}\n')
r = t.sync(SPEC)
t.is_('nothing could be read', (r['status'], r['rows'], r['failed']), ('failed', 0, 2))
t.is_('and nothing is lost', t.one('SELECT count(*) FROM fleet_manifests'), 2)
t.done()
