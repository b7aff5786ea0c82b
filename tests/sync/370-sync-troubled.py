# A destination that cannot take rows, and calls from where a sync has no business: nothing half is published, the
# connection is left as it was, and the words say what to do.
import os
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync, connect, MOCK

SHIPS = 'GET /oslo/ships?page=1\n  body [{"id":1,"name":"Fram"}]\nGET /rome/ships?page=1\n  body [{"id":1,"name":"Argo"}]\n'
NOTES = 'GET /*/notes\n  body [{"text":"%s"}]\n'
SPEC = '{source: fleet, tables: [fleet_ships, fleet_notes]}'
t = Sync()
t.routes(SHIPS + NOTES % 'x')
t.sync(SPEC)


def quiet(name, db=None):
    """No transaction is left open, and no statement."""
    db = db or t.db
    t.is_(name + ': no transaction is left', db.in_transaction, False)


# ---- the file is full ------------------------------------------------------------
for mode in ('append', 'overwrite-delete-stale'):
    full = connect('full.db')
    full.execute('PRAGMA journal_mode = DELETE')
    spec = '{source: fleet, tables: [fleet_notes], write_mode: %s}' % mode
    t.routes(NOTES % 'small')
    full.execute('SELECT cq_sync(?)', (spec,)).fetchall()
    full.execute(f'PRAGMA max_page_count = {full.execute("PRAGMA page_count").fetchone()[0] + 3}')
    t.routes(NOTES % ('y' * 200000))
    try:
        r = full.execute('SELECT cq_sync(?)', (spec,)).fetchone()[0]
    except sqlite3.Error as e:
        r = str(e)
    t.has(f'{mode}: a full file is told', r, 'full')
    t.is_(f'{mode}: and is not success', '"status":"success"' in r, False)
    quiet(f'{mode}: full', full)
    t.is_(f'{mode}: readers have what they had', full.execute('SELECT DISTINCT text FROM fleet_notes').fetchall(), [('small',)])
    full.execute('PRAGMA max_page_count = 100000')
    t.is_(f'{mode}: with room it goes on', '"status":"success"' in full.execute('SELECT cq_sync(?)', (spec,)).fetchone()[0], True)
    t.is_(f'{mode}: and all is there', full.execute('SELECT count(*), min(length(text)) FROM fleet_notes').fetchall(), [(2, 200000)])
    t.is_(f'{mode}: intact', full.execute('PRAGMA integrity_check').fetchall(), [('ok',)])
    full.close()
    os.unlink('full.db')

# ---- another file that cannot be written --------------------------------------------
t.routes(SHIPS + NOTES % 'x')
r = t.sync('{source: fleet, tables: [fleet_notes], destination: {path: /no/such/folder/a.db}}')
t.has('no such folder', r, '/no/such/folder/a.db')
t.is_('nothing was asked for it', t.asked('*notes*'), 0)
locked = connect('locked.db')
locked.execute('PRAGMA journal_mode = WAL')
locked.execute('CREATE TABLE mine(x)')
other = sqlite3.connect('file:locked.db?mode=ro', uri=True)
r = t.sync('{source: fleet, tables: [fleet_notes], destination: {path: "file:locked.db?mode=ro"}}')
t.has('read-only', str(r).lower(), 'readonly' if 'readonly' in str(r).lower() else 'read-only' if 'read-only' in str(r).lower() else 'attempt to write')
t.is_('read-only is not success', r.get('status') == 'success', False)

# ---- two destinations, one broken: the other gets all -------------------------------
r = t.sync('{source: fleet, tables: [fleet_notes], destinations: [{path: good.db}, {path: /no/such/folder/b.db}]}')
good = sqlite3.connect('good.db')
t.is_('partial', r.get('status'), 'partial')
t.is_('the good one has all', good.execute('SELECT count(*) FROM fleet_notes').fetchall(), [(2,)])

# ---- a trigger of a person that raises ------------------------------------------------
t.db.execute("CREATE TRIGGER no BEFORE INSERT ON raw_fleet_notes BEGIN SELECT raise(ABORT, 'not on Fridays'); END")
r = t.sync(SPEC)
t.has('its words', r, 'not on Fridays')
t.is_('its table alone fails', (r['status'], t.rows('SELECT table_name, status FROM cq_sync_tables WHERE sync_group_id = ? ORDER BY 1', r['sync_group_id'])),
      ('partial', [('fleet_notes', 'failed'), ('fleet_ships', 'success')]))
t.is_('and keeps its rows', t.one('SELECT count(*) FROM fleet_notes'), 2)
t.db.execute('DROP TRIGGER no')
t.is_('then it goes on', t.sync(SPEC, '{"retry": "failed"}')['status'], 'success')

# ---- where it is called from -------------------------------------------------------------
t.db.execute('BEGIN')
t.db.execute('CREATE TABLE mine(x)')
r = t.sync(SPEC)
t.is_('inside a transaction', (r['status'], t.db.in_transaction), ('success', True))
t.db.execute('ROLLBACK')
t.is_('which takes all of it back', (t.one("SELECT count(*) FROM sqlite_schema WHERE name = 'mine'"),
                                    t.one('SELECT count(*) FROM cq_syncs WHERE sync_group_id = ?', r['sync_group_id'])), (0, 0))
t.is_('and no state is half', t.sync(SPEC)['status'], 'success')
t.db.execute('BEGIN')
r = t.sync(SPEC)
t.db.execute('COMMIT')
t.is_('committed with it', t.one('SELECT max(_cq_sync_group_id) FROM fleet_ships'), r['sync_group_id'])
t.has('inside a statement that writes', t.raises("CREATE TABLE w AS SELECT cq_sync('%s')" % SPEC), 'call it from a plain SELECT')
t.has('or inserts', t.raises("INSERT INTO raw_fleet_notes SELECT cq_sync('%s'), 2, 3, 4, 5, 6, 7" % SPEC), '')
quiet('after that')
t.db.execute("CREATE VIEW v AS SELECT cq_sync('%s') AS s" % SPEC)
t.has('from a stored view', t.raises('SELECT * FROM v'), 'unsafe use of cq_sync')
t.db.execute('DROP VIEW v')
n = t.one('SELECT count(*) FROM cq_syncs')
t.is_('once per row', (len(t.rows("SELECT cq_sync('%s') FROM (VALUES (1), (2), (3))" % SPEC)), t.one('SELECT count(*) FROM cq_syncs') - n), (3, 3))
t.has('while rows are read from what it changes', [x[1] for x in t.rows("SELECT name, (SELECT cq_sync('%s') ->> 'status') FROM fleet_ships" % SPEC)], 'success')
quiet('at the end')

# ---- the shell's exit status -------------------------------------------------------------
t.routes(SHIPS)
for options, want in (('', 0), (", '{\"strict\": true}'", 1)):
    p = subprocess.run([os.environ['CQ_SQLITE'], '-batch', '-bail', '-cmd', '.load ' + os.environ['CQ_SO'][:-3], 'shell.db'], text=True,
                       input=f"SELECT cq_sync('{SPEC}'{options}) ->> 'status';\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    t.is_(f'exit status{options}', (p.returncode, p.stdout), (want, '' if want else 'partial\n'))
t.has('strict says what failed', p.stderr, 'fleet_notes')

# ---- an answer without its list is not one without rows ------------------------------------
for optional in ('', 'rows_optional: true, '):
    with open('stock.yml', 'w') as f:
        f.write('{format: 1, integration: stock, auth: {scheme: none}, tables: {stock_items: {request: {url: "%s", path: /items}, page: {by: none}, rows: "items[*]", %s'
                'key: [id], columns: {id: integer}}}}\n' % (MOCK, optional))
    s = Sync('stock%d.db' % len(optional))
    s.one('SELECT cq_load(?)', os.path.abspath('stock.yml'))
    spec = '{source: stock, tables: [stock_items], write_mode: overwrite-delete-stale}'
    t.routes('GET /items\n  body {"items":[{"id":1},{"id":2}]}\n')
    s.sync(spec)
    t.routes('GET /items\n  body {"message":"maintenance"}\n')
    r = s.sync(spec)
    if not optional:
        t.is_('no list: failed', r['status'], 'failed')
        t.has('and told', r['errors'], 'no rows at "items[*]"')
        t.has('in a query too', s.raises('SELECT count(*) FROM live_stock_items'), 'no rows at "items[*]"')
    t.is_('rows stay' if not optional else 'left out where the definition says so', s.one('SELECT count(*) FROM stock_items'), 0 if optional else 2)
    t.routes('GET /items\n  body {"items":null}\n')
    t.is_('null is an empty list', (s.sync(spec)['status'], s.one('SELECT count(*) FROM stock_items')), ('success', 0))
t.done()
