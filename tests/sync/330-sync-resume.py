# A killed run, an interrupted one, two at once: nothing half is ever seen, and
# what was finished is not fetched again.
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync, connect

CHILD = '''
import sys; sys.path.insert(0, %r)
from synctest import Sync
t = Sync()
print(t.sync(%r))
'''
SPEC = '{source: fleet, tables: [fleet_ships, fleet_notes]}'
SLOW = '''GET /oslo/ships?page=1
  body [{"id":1,"name":"Fram"}]
GET /rome/ships?page=1
  hang
GET /oslo/notes
  body [{"text":"x"}]
GET /rome/notes
  body [{"text":"y"}]
'''
FAST = SLOW.replace('  hang', '  body [{"id":1,"name":"Argo"}]')
t = Sync()


def start():
    p = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD % (os.environ['CQ_ROOT'] + '/tests/sync', SPEC)])
    for _ in range(500):
        try:
            if t.one("SELECT count(*) FROM cq_sync_units WHERE published = 0 AND status = 'ok'") == 3:
                return p
        except Exception:
            pass
        time.sleep(0.02)
    print('# the run did not get so far')
    return p


def kill(p):
    p.send_signal(signal.SIGKILL)
    p.wait()


t.routes(SLOW)
p = start()
t.is_('a second connection can watch', t.rows('SELECT status, units, unsettled FROM cq_syncs'), [('running', 4, 1)])
t.is_('and sees no rows yet', (t.one('SELECT count(*) FROM fleet_ships'), t.one('SELECT count(*) FROM raw_fleet_ships')), (0, 1))
t.has('a second run of the source is refused', t.sync(SPEC)['raised'], 'source fleet: is being synced into main by another connection')
kill(p)
t.routes(FAST)
r = t.sync(SPEC, '{"resume": true}')
t.is_('resume: only what is missing', (r['status'], r['rows'], t.asked('*ships*'), t.asked('*notes*')), ('success', 1, 1, 0))
t.is_('all is shown', t.rows('SELECT port, name FROM fleet_ships ORDER BY 1'), [('oslo', 'Fram'), ('rome', 'Argo')])
t.is_('also of the other table', t.one('SELECT count(*) FROM fleet_notes'), 2)
t.is_('the killed run is marked', t.rows('SELECT status, unsettled FROM cq_syncs ORDER BY sync_group_id'), [('interrupted', 0), ('success', 0)])

t.routes(FAST)
r = t.sync(SPEC, '{"resume": true}')
t.is_('where nothing was cut off, resume is an ordinary run', (r['status'], r['rows'], t.asked('*ships*')), ('success', 4, 2))
t.is_('and retry has nothing to do', t.sync(SPEC, '{"retry": "failed"}')['rows'], 0)

t.routes(SLOW)
kill(start())
t.routes(FAST)
r = t.sync(SPEC)
t.is_('without resume: all again, nothing twice', (r['status'], r['rows'], t.asked('*ships*'), t.one('SELECT count(*) FROM fleet_ships')), ('success', 4, 2, 2))
t.is_('rows of the killed run are gone', t.one('SELECT count(*) FROM raw_fleet_ships'), 6)

# Ctrl-C: prompt, no transaction left, the next run clears up
t.routes(SLOW)
db = connect(check_same_thread=False)
threading.Timer(0.7, db.interrupt).start()
at = time.monotonic()
try:
    db.execute('SELECT cq_sync(?)', (SPEC,)).fetchall()
    said = None
except Exception as e:
    said = str(e)
took = time.monotonic() - at
t.has('interrupted', said, 'interrupted')
t.is_('within 300 ms', 0.6 < took < 1.0, True)
t.is_('no transaction left', db.in_transaction, False)
t.is_('the rows of before are shown', t.one('SELECT count(*) FROM fleet_ships'), 2)
db.execute('CREATE TABLE others (x)')
t.is_('the connection works on', db.execute('SELECT count(*) FROM fleet_ships').fetchall(), [(2,)])
t.routes(FAST)
r = db.execute("SELECT cq_sync(?) ->> 'status'", (SPEC,)).fetchall()
t.is_('and syncs again', (r, t.one('SELECT count(*) FROM fleet_ships'), t.one('SELECT count(*) FROM raw_fleet_ships')), ([('success',)], 2, 8))
db.close()

# the same into a file of its own
t.routes(SLOW)
db = connect(check_same_thread=False)
threading.Timer(0.5, db.interrupt).start()
spec = SPEC[:-1] + ', destination: {path: own.db}}'
try:
    db.execute('SELECT cq_sync(?)', (spec,)).fetchall()
except Exception:
    pass
db.close()
t.db.execute("ATTACH 'own.db' AS own")
t.is_('says so in the run table', t.rows('SELECT status FROM own.cq_syncs'), [('interrupted',)])
t.routes(FAST)
r = t.sync(spec, '{"resume": true}')
t.is_('and is resumed', (r['status'], t.asked('*ships*'), t.one('SELECT count(*) FROM own.fleet_ships')), ('success', 1, 2))
t.done()
