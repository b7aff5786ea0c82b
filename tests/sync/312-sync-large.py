# timeout: 120
# A unit in an overwrite mode that is larger than what is kept in memory: sorted pieces in a temporary file, merged into the
# table by one statement. Counts, the last of several rows with one id, stale rows, what stops it on the way.
import json
import os
import random
import sqlite3
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

with open('big.yml', 'w') as f:
    f.write('''format: 1
integration: big
config:
  url: {type: text, default: "''' + MOCK + '''"}
  ports: {type: list, default: [oslo, rome]}
auth: {scheme: none}
clients:
  port: {values: "{{ config.ports }}"}
defaults:
  request: {url: "{{ config.url }}"}
  page: {by: none}
tables:
  big_rows:
    request: {path: "/{{ client.port }}/rows"}
    rows: "[*]"
    key: [port, id]
    columns:
      port: {from: client.port}
      id: integer
      name: text
      tons: real
      flags: json
''')
os.environ['CQ_PATH'] = os.getcwd() + '/big.yml'
t = Sync()
STALE = '{source: big, tables: [big_rows], write_mode: overwrite-delete-stale}'
COUNTS = 'SELECT status, rows, inserted, updated, unchanged, deleted FROM cq_sync_tables WHERE sync_group_id = ?'
N = 12_000
LONG = 'x' * 1600  # 20 MB in all: three pieces


def ship(i, name='Fram'):
    return {'id': i, 'name': f'{name} {i} {LONG}', 'tons': i / 4, 'flags': [i]}


def serve(ships, rome=({'id': 1, 'name': 'Argo', 'tons': 0.1, 'flags': []},)):
    t.routes(f'GET /oslo/rows\n  body {json.dumps(ships)}\nGET /rome/rows\n  body {json.dumps(list(rome))}\n')


def wrong(ships, db=None):
    """What is not as the last of these says, in oslo."""
    want = {s['id']: (s['name'], s['tons'], json.dumps(s['flags'])) for s in ships}
    seen = {r[0]: r[1:] for r in (db or t.db).execute("SELECT id, name, tons, flags FROM big_rows WHERE port = 'oslo'")}
    return [f'{k}: {str(seen.get(k))[:60]} not {str(want.get(k))[:60]}' for k in want.keys() | seen.keys()
            if seen.get(k) != want.get(k)][:5]


def aside():
    """Temporary files that this process holds."""
    found = [os.readlink(f'/proc/self/fd/{f}') for f in os.listdir('/proc/self/fd') if os.path.islink(f'/proc/self/fd/{f}')]
    return [f for f in found if 'cq-spool' in f]


order = list(range(1, N + 1))
random.Random(1).shuffle(order)
first = [ship(7, 'old')] + [ship(i) for i in order if i != 7] + [ship(7, 'new')]
serve(first)
r = t.sync(STALE)
t.is_('first', t.rows(COUNTS, r['sync_group_id']), [('success', N + 2, N + 1, 1, 0, 0)])
t.none('the last of an id counts', wrong(first))
ids = [x[0] for x in t.rows("SELECT _cq_id FROM big_rows WHERE port = 'oslo' ORDER BY rowid")]
t.is_('in the order of the key', ids == sorted(ids))
t.is_('no file stays open', aside(), [])

again = [ship(i) for i in reversed(order)]
serve(again)
r = t.sync(STALE)
t.is_('one other, in another order', t.rows(COUNTS, r['sync_group_id']), [('success', N + 1, 0, 1, N, 0)])
t.none('all there', wrong(again))
t.is_('of this run', t.rows('SELECT DISTINCT _cq_sync_group_id, _cq_sync_time FROM big_rows'), [(r['sync_group_id'], t.one(
    'SELECT sync_time FROM cq_units WHERE sync_group_id = ? LIMIT 1', r['sync_group_id']))])

less = [ship(i, 'Maud' if i % 1000 == 0 else 'Fram') for i in order if i % 500 != 1] + [ship(N + 1)]
serve(less)
r = t.sync(STALE)
t.is_('some gone, some other, one more', t.rows(COUNTS, r['sync_group_id']), [('success', len(less) + 1, 1, 12, N - 24 - 12 + 1, 24)])
t.none('exactly those', wrong(less))
t.is_('the small unit too', t.rows("SELECT name FROM big_rows WHERE port = 'rome'"), [('Argo',)])

# stopped in the midst of the statement: what was there before stays
serve(again)
merging = [0, 0]


def on_trace(sql):
    merging[0] |= 'INSERT INTO "main"."big_rows"' in sql


def on_progress():
    merging[1] += merging[0]
    return merging[1] > 20


t.db.set_trace_callback(on_trace)
t.db.set_progress_handler(on_progress, 1000)
t.has('interrupted', t.sync(STALE), 'interrupted')
t.db.set_trace_callback(None)
t.db.set_progress_handler(None, 0)
t.is_('in the merge', merging[0] and merging[1] > 20)
t.none('nothing of it', wrong(less))
t.is_('nothing stays open', (aside(), t.db.in_transaction), ([], False))
r = t.sync(STALE)
t.is_('and then all', (r['status'], wrong(again)), ('success', []))

# the same by a connection of cq's own to another file
other = "{source: big, tables: [big_rows], destination: {path: other.db, write_mode: overwrite}}"
serve(less)


def on_wal():
    return os.path.exists('other.db-wal') and os.path.getsize('other.db-wal') > 1 << 20


t.db.set_progress_handler(on_wal, 1000)
t.has('the other file', t.sync(other), 'interrupted')
t.db.set_progress_handler(None, 0)
db = sqlite3.connect('other.db')
t.is_('has nothing', (db.execute('SELECT count(*) FROM big_rows').fetchone(), aside()), ((0,), []))
r = t.sync(other)
t.is_('and then all', (r['status'], wrong(less, db)), ('success', []))
db.close()

# no room for what is kept aside: the table fails, in words
temporary = os.environ['TMPDIR']
os.environ['TMPDIR'] = '/nowhere'
r = t.sync(STALE)
os.environ['TMPDIR'] = temporary
t.is_('no folder', (r['status'], r['errors'][0]['message']), ('failed', 'destination main: /nowhere: rows cannot be kept aside: No such file or '
      'directory\nhint: set TMPDIR to a folder with room'))
t.none('what was there stays', wrong(again))

# a row that SQLite refuses is named: where it stores row by row, and where triggers make it take all rows first
t.db.execute('CREATE UNIQUE INDEX mine ON big_rows (tons)')
serve([ship(i) for i in order if i != 9] + [dict(ship(9), tons=2.5)])
bad = [x[0] for x in t.rows("SELECT _cq_id FROM big_rows WHERE port = 'oslo' AND id IN (9, 10) ORDER BY id")]
for name, sql in (('plainly', None), ('with a trigger', 'CREATE TRIGGER theirs AFTER UPDATE ON big_rows BEGIN SELECT 1; END')):
    if sql:
        t.db.execute(sql)
    r = t.sync(STALE)
    said = r['errors'][0]['message'] if r['errors'] else ''
    t.is_(f'refused {name}', (r['status'], said[-60:], [i in said for i in bad]),
          ('failed', said[-60:] if said.endswith('UNIQUE constraint failed: big_rows.tons') else 'UNIQUE ...', [True, False]))
    t.none(f'and nothing changed, {name}', wrong(again))
t.db.execute('DROP INDEX mine')

# a trigger that lets some rows not in: those that are gone are gone all the same
t.db.execute('''CREATE TRIGGER sieve BEFORE INSERT ON big_rows WHEN new.id > 20000 BEGIN SELECT raise(IGNORE); END''')
odd = [ship(i) for i in order if i > 30] + [ship(20000 + i) for i in range(1, 31)]
serve(odd)
r = t.sync(STALE)
t.is_('as many as were there', r['status'], 'success')
t.none('but not those', wrong([s for s in odd if s['id'] <= 20000]))
t.done()
