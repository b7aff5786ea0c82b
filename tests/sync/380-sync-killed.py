# timeout: 300
# kill -9 at random moments of a run, in each write mode, into this database, an attached one and another file, first runs and
# later ones, each of which has a column more than the one before: a reader never sees half a unit, the run tables say what
# happened, and a resumed run ends as an undisturbed one does. CQ_KILLS says how many runs are killed (make soak: 1,000).
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

CHILD = '''
import os, sys; sys.path.insert(0, %r)
import synctest
os.environ['CQ_PATH'] = sys.argv[2]
t = synctest.Sync()
t.db.execute("ATTACH 'side.db' AS side")
print(t.sync(sys.argv[1], sys.argv[3])['status'], flush=True)
'''
# fleet_notes has no key, so overwrite would gather its rows.
TABLES = ['fleet_ships', 'fleet_crews', 'fleet_log', 'fleet_notes']
CASES = [(m, w) for m in ('append', 'overwrite', 'overwrite-delete-stale') for w in ('main', 'attached', 'other')]
ROUNDS = -(-int(os.environ.get('CQ_KILLS', '36')) // len(CASES))
PORTS = ['bari', 'cork', 'oslo', 'rome']


def routes(version):
    text = ''
    for p in PORTS:
        for page in (1, 2, 3):
            rows = ','.join('{"id":%d,"name":"v%d"}' % (i, version) for i in range(page * 3 - 2, page * 3 + 1 if page < 3 else page * 3 - 1))
            text += f'GET /{p}/ships?page={page}\n  delay 30\n  body [{rows}]\n'
        text += 'GET /%s/log\n  delay 20\n  body [{"id":%d,"at":"2024-01-01T%02d:%02d:00Z","text":"v%d"}]\n' % (
            p, PORTS.index(p), version // 60, version % 60, version)
        text += 'GET /%s/notes\n  delay 40\n  body [{"text":"v%d"}]\n' % (p, version)
    return text + 'GET /*/ships/*/crew\n  delay 20\n  body [{"id":1,"name":"v%d"}]\n' % version


def definition(n):
    """The fleet's, with n columns more."""
    text = open(os.environ['CQ_ROOT'] + '/tests/sql/fixtures/fleet.yml').read()
    more = ''.join(f'      more_{i}: text\n' for i in range(n))
    text = text.replace('      ship_id: {type: integer, from: parent.id}\n', '      ship_id: {type: integer, from: parent.id}\n' + more)
    with open(f'fleet-{n}.yml', 'w') as f:
        f.write(text)
    return os.path.abspath(f'fleet-{n}.yml')


def child(spec, n, options):
    return subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD % (os.environ['CQ_ROOT'] + '/tests/sync'), spec, definition(n), options],
                            stdout=subprocess.PIPE, text=True)


rnd = random.Random(os.environ.get('CQ_SEED', 7))
t = Sync()
killed = 0
for mode, where in CASES:
    name = f'{mode}-{where}'
    target = {'main': 'test.db', 'attached': 'side.db', 'other': name + '.db'}[where]
    dest = {'main': 'main', 'attached': 'side', 'other': '{path: %s}' % target}[where]
    tables = TABLES[1:3] if mode == 'overwrite' else TABLES[1:]
    spec = '{source: fleet, name: %s, tables: [%s], write_mode: %s, migrate_mode: forced, destination: %s, spec: {ports: %s}}' \
        % (name, ', '.join(tables), mode, dest, PORTS)
    tables = TABLES[:1] + tables
    want = {(table, port): {'fleet_ships': 7, 'fleet_crews': 7}.get(table, 1) for table in tables for port in PORTS}
    look = sqlite3.connect(target, isolation_level=None)
    if where == 'attached':
        look.execute('PRAGMA journal_mode = WAL').fetchall()

    def there():
        return {r[0] for r in look.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")}

    def view():
        out = {}
        look.execute('BEGIN')
        have = there()
        for table in tables:
            column = 'text' if table in ('fleet_notes', 'fleet_log') else 'name'
            for client, version, rows in look.execute(
                    f'SELECT _cq_client_id, {column}, count(*) FROM {table} WHERE _cq_source_name = ? GROUP BY 1, 2', (name,)) \
                    if table in have else ():
                out.setdefault((table, client), {})[version] = rows
        look.execute('COMMIT')
        return out

    def half(n, seen):
        """What is neither as the round before left it nor as this one does; in append all of it changes at once."""
        old, new = ({u: {f'v{k}': rows} for u, rows in want.items()} if k else {} for k in (n - 1, n))
        if mode == 'append':
            return [] if seen in (old, new) else [seen]
        return [(u, seen.get(u)) for u in want if seen.get(u) not in (old.get(u), new.get(u))]

    wrong, kills = [], 0
    for n in range(1, ROUNDS + 1):
        t.routes(routes(n))
        p = child(spec, n, '{}')
        until = time.monotonic() + rnd.uniform(0.15, 0.7)
        while p.poll() is None and time.monotonic() < until:
            try:
                wrong += [f'round {n}: a reader saw {h}' for h in half(n, view())]
            except sqlite3.OperationalError as e:
                if look.in_transaction:
                    look.execute('ROLLBACK')
                if 'locked' not in str(e):
                    raise
            time.sleep(0.01)
        kills += p.poll() is None
        p.send_signal(signal.SIGKILL)
        p.wait()
        p.stdout.close()
        wrong += [f'round {n}: after the kill {h}' for h in half(n, view())]
        if 'cq_syncs' in there():
            state = look.execute('SELECT status, unsettled FROM cq_syncs WHERE source_name = ? ORDER BY sync_group_id DESC LIMIT 1',
                                 (name,)).fetchone()
            if state not in (('running', 1), ('success', 0), None if n == 1 else ()):
                wrong.append(f'round {n}: the run is told as {state}')
        p = child(spec, n, '{"resume": true}' if n % 2 else '{}')
        said = p.communicate()[0].strip()
        if said != 'success':
            wrong.append(f'round {n}: then {said}')
        seen = view()
        if seen != {k: {f'v{n}': want[k]} for k in want}:
            wrong.append(f'round {n}: {seen}')
        left = look.execute("SELECT count(*) FROM cq_syncs AS s LEFT JOIN cq_sync_tables AS t USING (sync_group_id, source_name) WHERE "
                            "source_name = ? AND (unsettled = 1 OR s.status = 'running' OR t.status IN ('running', 'waiting'))", (name,)).fetchone()[0]
        if left:
            wrong.append(f'round {n}: {left} runs or tables are unsettled')
        if mode == 'append':
            for table in tables:
                orphans = look.execute(
                    f'SELECT count(*) FROM raw_{table} AS r WHERE _cq_source_name = ? AND NOT EXISTS (SELECT 1 FROM cq_sync_units AS u '
                    'WHERE u.table_name = ? AND u.source_name = r._cq_source_name AND u.client_id = r._cq_client_id '
                    'AND u.sync_group_id = r._cq_sync_group_id AND u.published)', (name, table)).fetchone()[0]
                if orphans:
                    wrong.append(f'round {n}: {orphans} rows of no published unit in {table}')
        more = look.execute("SELECT count(*) FROM pragma_table_info('fleet_crews') WHERE name LIKE 'more%'").fetchone()[0]
        if more < n:
            wrong.append(f'round {n}: {more} new columns')
    if look.execute('PRAGMA integrity_check').fetchall() != [('ok',)]:
        wrong.append('the file is damaged')
    t.is_(f'{mode}, {where}', wrong[:5], [])
    killed += kills
    for kind, thing in look.execute("SELECT type, name FROM sqlite_schema WHERE (name LIKE 'fleet%' OR name LIKE 'raw_fleet%') AND "
                                    "type IN ('table', 'view') ORDER BY type DESC").fetchall():
        look.execute(f'DROP {kind} {thing}')
    look.close()
print(f'# {killed} killed')
t.done()
