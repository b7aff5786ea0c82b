# timeout: 120
# Two syncs of one database at once, from processes and from threads; a sync beside readers and writers; calls from inside other
# statements; a fork in the middle: what cannot go on is refused in words, nothing is mixed, and nobody waits for ever.
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync, connect

CHILD = '''
import json, sys; sys.path.insert(0, %r)
from synctest import Sync
print(json.dumps(Sync().sync(sys.argv[1])), flush=True)
'''
SPEC = '{source: fleet, name: %s, tables: [fleet_crews, fleet_notes], write_mode: %s%s}'
ROWS = {'fleet_ships': 4, 'fleet_crews': 4, 'fleet_notes': 2}
t = Sync()


def routes(version, ships=60):
    text = 'GET /*/ships?page=1\n  delay %d\n  body [{"id":1,"name":"%s"},{"id":2,"name":"%s"}]\n' % (ships, version, version)
    text += 'GET /*/ships/*/crew\n  delay 60\n  body [{"id":1,"name":"%s"}]\n' % version
    t.routes(text + 'GET /*/notes\n  delay 60\n  body [{"text":"%s"}]\n' % version)


def spec(name, mode='append', more=''):
    return SPEC % (name, mode, more)


def process(s):
    return subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD % (os.environ['CQ_ROOT'] + '/tests/sync'), s], stdout=subprocess.PIPE, text=True)


def thread(s, out, db=None):
    def run():
        own = db or connect(check_same_thread=False)
        try:
            out.append(json.loads(own.execute('SELECT cq_sync(?)', (s,)).fetchall()[0][0]))
        except sqlite3.Error as e:
            out.append({'status': 'raised', 'raised': str(e)})
        if not db:
            own.close()
    th = threading.Thread(target=run)
    th.start()
    return th


def shown(name):
    return {table: t.rows(f'SELECT {"text" if table == "fleet_notes" else "name"}, count(*) FROM {table} WHERE _cq_source_name = ? GROUP BY 1', name)
            for table in ROWS}


def all_of(version):
    return {table: [(version, n)] for table, n in ROWS.items()}


def settled():
    return t.one("SELECT count(*) FROM cq_syncs WHERE unsettled OR status = 'running'")


# ---- two at once ------------------------------------------------------------------
for mode in ('append', 'overwrite-delete-stale'):
    for kind in ('processes', 'threads'):
        for same in (True, False):
            version = f'{mode[0]}{kind[0]}{same}'
            routes(version)
            names = [f'{mode[0]}-one', f'{mode[0]}-one' if same else f'{mode[0]}-two']
            specs = [spec(n, mode, ', migrate_mode: forced') for n in names]
            if kind == 'processes':
                ps = [process(s) for s in specs]
                got = [json.loads(p.communicate()[0]) for p in ps]
            else:
                got = []
                ths = [thread(s, got) for s in specs]
                for th in ths:
                    th.join()
            what = f'{mode}, two {kind}, {"the same source" if same else "two sources"}'
            how = sorted(r['status'] for r in got)
            t.is_(f'{what}: one after the other, or one is refused', how in (['success', 'success'], ['raised', 'success']) and (same or how[0] == 'success'),
                  True)
            for r in got:
                if r['status'] == 'raised':
                    t.has(f'{what}: in words', r['raised'], f'source {names[0]}: is being synced into main by another connection')
            # Without parts in the key both sources of overwrite share the rows; the notes have none.
            for n in set(names) if mode == 'append' or same else ():
                t.is_(f'{what}: {n} is whole', shown(n), all_of(version))
            t.is_(f'{what}: all is settled', settled(), 0)
    for thing in ('fleet_ships', 'fleet_crews', 'fleet_notes'):
        t.db.execute(f'DROP {"VIEW" if mode == "append" else "TABLE"} {thing}')
        t.db.execute(f'DROP TABLE IF EXISTS raw_{thing}')

# ---- beside readers and writers ---------------------------------------------------------
for journal in ('DELETE', 'WAL'):
    t.one(f'PRAGMA journal_mode = {journal}')
    routes('before')
    t.sync(spec('r'))
    routes('after')
    reader = sqlite3.connect('test.db', isolation_level=None, check_same_thread=False)
    reader.execute('BEGIN')
    n = reader.execute("SELECT count(*) FROM fleet_notes WHERE text = 'before'").fetchall()
    got = []
    th = thread(spec('r'), got)
    if journal == 'WAL':
        th.join()
        t.is_('WAL: a long reader is waited for by nobody', got[0]['status'], 'success')
    else:
        time.sleep(1)
    t.is_(f'{journal}: and sees what it saw', reader.execute("SELECT count(*) FROM fleet_notes WHERE text = 'before'").fetchall(), n)
    reader.execute('COMMIT')
    th.join()
    t.is_(f'{journal}: then all is new', (got[0]['status'], shown('r')), ('success', all_of('after')))

    routes('third')
    reader.execute('BEGIN IMMEDIATE')
    got = []
    th = thread(spec('r'), got)
    time.sleep(0.5)
    t.is_(f'{journal}: a writer is waited for', got, [])
    reader.execute('COMMIT')
    th.join()
    t.is_(f'{journal}: and then it goes on', (got[0]['status'], shown('r')), ('success', all_of('third')))
    reader.close()

# ---- from inside other statements --------------------------------------------------------
routes('inside')
s = spec('r')
t.is_('in a common table', t.one("WITH x(r) AS MATERIALIZED (SELECT cq_sync(?)) SELECT r ->> 'status' FROM x", s), 'success')
t.is_('twice in one statement', t.rows("SELECT cq_sync(?1) ->> 'status', cq_sync(?1) ->> 'status'", s), [('success', 'success')])
t.is_('in a subquery of what it writes', t.rows("SELECT DISTINCT text, (SELECT cq_sync(?) ->> 'status') FROM fleet_notes", s), [('inside', 'success')])
t.is_('while a live table is read', t.rows("SELECT DISTINCT text, (SELECT cq_sync(?) ->> 'status') FROM live_fleet_notes", s), [('inside', 'success')])
t.db.execute('CREATE TABLE mine(x)')
t.db.execute('INSERT INTO mine VALUES (0)')
t.db.execute("CREATE TRIGGER mine_sync AFTER INSERT ON mine BEGIN SELECT cq_sync('%s'); END" % s)
t.has('in a trigger', t.raises('INSERT INTO mine VALUES (1)'), 'unsafe use of cq_sync')
t.has('in an UPDATE', t.raises('UPDATE mine SET x = cq_sync(?)', s), 'plain SELECT')
t.has('in a DELETE', t.raises('DELETE FROM mine WHERE cq_sync(?) IS NULL', s), 'plain SELECT')
t.is_('no transaction is open', (t.db.in_transaction, shown('r'), settled()), (False, all_of('inside'), 0))

# A live query that has not ended, of another connection of this process.
other = connect()
half = other.execute('SELECT text FROM live_fleet_notes')
first = half.fetchone()
r = t.sync(s)
t.is_('beside half a live query', (r['status'], first, half.fetchall()), ('success', ('inside',), [('inside',)]))
# old snapshots go, too, and who reads goes on
runs = 'SELECT count(DISTINCT _cq_sync_group_id) FROM raw_fleet_notes WHERE _cq_source_name = ?'
name = max(t.rows('SELECT _cq_source_name, count(DISTINCT _cq_sync_group_id) FROM raw_fleet_notes GROUP BY 1'), key=lambda r: r[1])[0]
before, now = other.execute(runs, (name,)).fetchone()[0], shown(name)
for what in ('live_fleet_notes', 'fleet_notes', 'cq_sync_units'):
    whole = len(other.execute(f'SELECT * FROM {what}').fetchall())
    half = other.execute(f'SELECT * FROM {what}')
    half.fetchone()
    pruned = other.execute('SELECT cq_prune(1)').fetchall()
    t.is_(f'cq_prune beside half a {what}', (len(pruned), what == 'cq_sync_units' or len(half.fetchall()) == whole - 1), (1, True))
    half.close()
t.is_('which leaves the newest run', (before > 1, other.execute(runs, (name,)).fetchone()[0], shown(name)), (True, 1, now))
t.is_('and nothing of its own', other.execute('SELECT count(*) FROM sqlite_temp_schema').fetchone()[0], 0)
other.close()

# ---- taken for dead while it ran, and settled by another: it publishes nothing
t.routes('GET /*/notes\n  delay 500\n  body [{"text":"late"}]\n')
got = []
th = thread('{source: fleet, name: taken, tables: [fleet_notes]}', got)
until = time.monotonic() + 10
while not t.one("SELECT count(*) FROM cq_syncs WHERE source_name = 'taken' AND unsettled") and time.monotonic() < until:
    time.sleep(0.02)
t.db.execute("UPDATE cq_syncs SET unsettled = 0, status = 'interrupted' WHERE source_name = 'taken'")
th.join()
t.has('taken over', got[0], 'its run in main was taken over by another connection')
t.is_('nothing is published, nor settled twice', (t.rows("SELECT * FROM cq_units WHERE source_name = 'taken'"), settled()), ([], 0))

# ---- a fork in the middle -----------------------------------------------------------------
# ThreadSanitizer follows one process: in a child of several threads its own locks stay as they were.
if os.environ.get('CQ_SANITIZE') != 'thread':
    # while the sync waits: a child that is made while a thread is inside SQLite finds SQLite's own lock held for ever
    routes('forked', 1000)
    mine, got = connect(check_same_thread=False), []
    th = thread(s, got, mine)
    until = time.monotonic() + 20
    while (t.asked('*/ships*') < 2 or t.asked('*/notes*') < 2) and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3)
    pid = os.fork()
    if pid == 0:
        signal.alarm(40)  # rather than to wait for ever
        bad = 1
        try:
            own = connect(':memory:')
            bad = own.execute("SELECT count(*) FROM live_fleet_notes WHERE text = 'forked'").fetchall() != [(2,)]
            r = json.loads(own.execute('SELECT cq_sync(?)', (spec('child', more=', destination: {path: child.db}'),)).fetchall()[0][0])
            bad = bad or r['status'] != 'success'
            own.close()
        finally:
            os._exit(bad)
    t.is_('the child opens its own and goes on', os.waitpid(pid, 0)[1], 0)
    th.join()
    t.is_('and so does the parent', (got[0]['status'], shown('r'), settled()), ('success', all_of('forked'), 0))
    mine.close()
    t.is_('what the child has synced is whole',
          sqlite3.connect('child.db').execute('SELECT text, count(*) FROM fleet_notes GROUP BY 1').fetchall(), [('forked', 2)])
t.is_('the file is intact', t.one('PRAGMA integrity_check'), 'ok')
t.done()
