# timeout: 120
# Files that others use as well: no lock is held while nothing is written, a lock that cannot pass is not waited for, and two
# destinations of one file are seen to be one, however it is called.
import datetime
import os
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync, connect

t = Sync()
SLOW = 'GET /oslo/ships?page=1\n  delay 1500\n  body [{"id":1,"name":"Fram"}]\nGET /rome/ships?page=1\n  body [{"id":2,"name":"Argo"}]\n'
SOURCES = '''kind: source
spec: {name: a, path: fleet, tables: [fleet_ships], destinations: [%s], spec: {ports: [oslo]}}
---
kind: source
spec: {name: b, path: fleet, tables: [fleet_ships], destinations: [%s], spec: {ports: [rome]}}
'''


def lite(name):
    return '---\nkind: destination\nspec: {name: %s, path: sqlite, spec: {path: %s.db}}\n' % (name, name)


def writes(path):
    """Begins somebody else's write: None, or what is said against it."""
    db = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        db.execute('BEGIN IMMEDIATE')
        db.execute('ROLLBACK')
    except sqlite3.Error as e:
        return str(e)
    finally:
        db.close()
    return None


def beside(spec, path):
    """Whether the file could be written to while the sync waits for oslo, and the sync's result."""
    out = []
    t.routes(SLOW)

    def run():
        other = Sync.__new__(Sync)
        other.n, other.bad, other.db = 0, 0, connect('other.db')
        out.append(other.sync(spec))
        other.db.close()
    th = threading.Thread(target=run)
    th.start()
    for _ in range(500):
        if t.asked('/oslo*'):
            break
        time.sleep(0.01)
    time.sleep(0.2)
    said = writes(path)
    th.join()
    return said, out[0]


said, r = beside(SOURCES % ('one', 'two') + lite('one') + lite('two'), 'two.db')
t.is_('a destination is not locked while another source is fetched', (said, r['status']), (None, 'success'))

# ---- a claim that is refused ----
db = sqlite3.connect('one.db', isolation_level=None)
at = datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ')
db.execute("UPDATE cq_syncs SET status = 'running', unsettled = 1, owner = 'elsewhere:1:x', updated = ?", (at,))
db.close()
said, r = beside(SOURCES[:SOURCES.index('---')] % 'one, two' + lite('one') + lite('two'), 'one.db')
t.is_('whose claim is refused holds no lock', (said, r['status']), (None, 'partial'))
t.has('and is told', r, 'is being synced into one by another connection')

# ---- a snapshot that is too old to write ----
t.db.execute('PRAGMA journal_mode = WAL')
t.db.execute('CREATE TABLE two AS SELECT value AS n FROM json_each("[1,2,3,4,5]")')
t.routes(SLOW.replace('  delay 1500\n', ''))
rows = t.db.execute("SELECT CASE WHEN n = 5 THEN cq_sync('{source: fleet, tables: [fleet_ships]}') END FROM two ORDER BY rowid")
rows.fetchone()
db = sqlite3.connect('test.db', isolation_level=None)
db.execute('UPDATE two SET n = n + 10')
db.close()
try:
    said = rows.fetchall()
except sqlite3.Error as e:
    said = e
t.has('a call from a statement that reads what has changed meanwhile', said, 'hint: call it from a SELECT that reads no table')
rows.close()
t.is_('by itself it works', t.sync('{source: fleet, tables: [fleet_ships]}')['status'], 'success')

# ---- one file, two names ----
here = os.getcwd()
for path in ('file:three.db', f'file://{here}/three.db?cache=private', 'file:thr%65e.db', 'three.db'):
    r = t.sync('{source: fleet, tables: [fleet_ships], destinations: [{kind: sqlite, name: p, path: "file:three.db"}, {kind: sqlite, name: q, path: "%s"}]}' % path)
    t.has(f'{path.replace(here, "...")} is the other', r, 'destination q: writes into the file of destination p')

# ---- a file that nothing can be written into ----
with open('prose.db', 'w') as f:
    f.write('this is no database\n' * 500)
for name, path, said in (('something else', 'prose.db', '/prose.db: file is not a database\nhint: it is something else; name another path'),
                         ('read only', 'file:three.db?mode=ro', '/three.db: attempt to write a readonly database\nhint: the file and its folder must be writable'),
                         ('a folder that is not there', 'none/there.db', 'none/there.db: unable to open database file\nhint: the file and its folder must be writable')):
    r = t.sync('{source: fleet, tables: [fleet_ships], destination: {kind: sqlite, name: p, path: "%s"}}' % path)
    t.is_(name, r['raised'].replace(here, '').split('cq_sync: ')[-1], 'destination p: ' + said)

# ---- rows of units that fail are looked for where they are ----
FAILING = 60


def steps(failing, after):
    """Thousands of steps of SQLite's machine in a sync of one large unit and some that fail, with `after` rows first."""
    db, seen = connect(':memory:'), [0]
    page = ','.join('{"id":%d}' % i for i in range(after))
    t.routes('GET /big/ships?page=1\n  body [%s]\n' % ','.join('{"id":%d,"name":"x"}' % i for i in range(20000)) + 'GET /big/ships?page=2\n  body []\n'
             'GET /*/ships?page=1\n  delay 400\n  %s\nGET /*/ships?page=2\n  status 400\n' % ('body [%s]' % page if after else 'status 400'))

    def step():
        seen[0] += 1
    db.set_progress_handler(step, 1000)
    other = Sync.__new__(Sync)
    other.db = db
    r = other.sync('{source: fleet, tables: [fleet_ships], spec: {ports: %s}}' % str(['big'] + [f'p{i}' for i in range(failing)]).replace("'", ''))
    n = db.execute('SELECT count(*) FROM raw_fleet_ships').fetchone()[0]
    db.close()
    return r['status'], n, seen[0]


alone = steps(0, 0)
t.is_('a large unit', alone[:2], ('success', 20000))
for after, what in ((0, 'have written nothing'), (3, 'have written rows')):
    seen = steps(FAILING, after)
    t.is_(f'with many that fail, which {what}', (seen[:2], seen[2] < alone[2] * 2 or seen[2]), (('partial', 20000), True))
t.done()
