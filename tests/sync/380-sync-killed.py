# timeout: 300
# kill -9 at random moments of a run, in each write mode, into this database and into another file: a reader never sees
# half a unit, the run tables say what happened, and a resumed run ends as an undisturbed one does.
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

ROUNDS = int(os.environ.get('CQ_KILLS', '7'))
CHILD = '''
import sys; sys.path.insert(0, %r)
from synctest import Sync
print(Sync().sync(sys.argv[1])['status'], flush=True)
'''
# fleet_notes has no key, so overwrite would gather its rows.
UNITS = {'append': 'abc', 'overwrite': 'ab', 'overwrite-delete-stale': 'abc'}
PORTS = ['bari', 'cork', 'oslo', 'rome']


def routes(version):
    text = ''
    for p in PORTS:
        for page in (1, 2, 3):
            rows = ','.join('{"id":%d,"name":"v%d"}' % (i, version) for i in range(page * 3 - 2, page * 3 + 1 if page < 3 else page * 3 - 1))
            text += f'GET /{p}/ships?page={page}\n  delay 30\n  body [{rows}]\n'
        text += 'GET /%s/notes\n  delay 40\n  body [{"text":"v%d"}]\n' % (p, version)
    return text + 'GET /*/ships/*/crew\n  delay 20\n  body [{"id":1,"name":"v%d"}]\n' % version


rnd = random.Random(7)
t = Sync()
for mode in ('append', 'overwrite', 'overwrite-delete-stale'):
    for where in ('main', 'other'):
        path = f'{mode}-{where}.db'
        target = path if where == 'other' else 'test.db'
        dest = '{path: %s}' % path if where == 'other' else 'main'
        spec = '{source: fleet, name: %s-%s, tables: [fleet_crews%s], write_mode: %s, migrate_mode: forced, destination: %s, spec: {ports: %s}}' \
            % (mode, where, '' if mode == 'overwrite' else ', fleet_notes', mode, dest, PORTS)
        t.routes(routes(0))
        first = t.sync(spec)
        look = sqlite3.connect(target)
        name = f'{mode}-{where}'

        def view():
            out = {}
            for table in ('fleet_ships', 'fleet_crews', 'fleet_notes')[:len(UNITS[mode])]:
                column = 'text' if table == 'fleet_notes' else 'name'
                for client, version, rows in look.execute(
                        f'SELECT _cq_client_id, {column}, count(*) FROM {table} WHERE _cq_source_name = ? GROUP BY 1, 2', (name,)):
                    out.setdefault((table, client), {})[version] = rows
            return out

        want = {k: sum(v.values()) for k, v in view().items()}
        wrong, kills, ended = [], 0, 0
        if first['status'] != 'success' or len(want) != 4 * len(UNITS[mode]):
            wrong.append(f'the first run: {first["status"]}, {want}')
        for n in range(1, ROUNDS + 1):
            t.routes(routes(n))
            p = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD % (os.environ['CQ_ROOT'] + '/tests/sync'), spec],
                                 stdout=subprocess.DEVNULL)
            until = time.monotonic() + rnd.uniform(0.1, 0.4)
            while p.poll() is None and time.monotonic() < until:
                try:
                    for unit, versions in view().items():
                        if len(versions) != 1 or sum(versions.values()) != want[unit]:
                            wrong.append(f'round {n}: a reader saw {unit}: {versions}')
                except sqlite3.OperationalError as e:
                    if 'locked' not in str(e):
                        raise
                time.sleep(0.01)
            kills += p.poll() is None
            p.send_signal(signal.SIGKILL)
            p.wait()
            for unit, versions in view().items():
                if len(versions) != 1 or sum(versions.values()) != want[unit]:
                    wrong.append(f'round {n}: after the kill {unit}: {versions}')
            state = look.execute("SELECT status, unsettled FROM cq_syncs WHERE source_name = ? ORDER BY sync_group_id DESC LIMIT 1", (name,)).fetchone()
            if state not in (('running', 1), ('success', 0)):
                wrong.append(f'round {n}: the run is told as {state}')
            r = t.sync(spec, '{"resume": true}' if n % 2 else None)
            if r['status'] != 'success':
                wrong.append(f'round {n}: then {r}')
            seen = view()
            if seen != {k: {f'v{n}': want[k]} for k in want}:
                wrong.append(f'round {n}: {seen}')
            left = look.execute("SELECT count(*) FROM cq_syncs WHERE source_name = ? AND (unsettled = 1 OR status = 'running')", (name,)).fetchone()[0]
            if left:
                wrong.append(f'round {n}: {left} runs are unsettled')
            if mode == 'append':
                for table in ('raw_fleet_ships', 'raw_fleet_crews', 'raw_fleet_notes'):
                    orphans = look.execute(
                        f'SELECT count(*) FROM {table} AS r WHERE _cq_source_name = ? AND NOT EXISTS (SELECT 1 FROM cq_sync_units AS u '
                        'WHERE u.table_name = substr(?, 5) AND u.source_name = r._cq_source_name AND u.client_id = r._cq_client_id '
                        'AND u.sync_group_id = r._cq_sync_group_id AND u.published)', (name, table)).fetchone()[0]
                    if orphans:
                        wrong.append(f'round {n}: {orphans} rows of no published unit in {table}')
        if look.execute('PRAGMA integrity_check').fetchall() != [('ok',)]:
            wrong.append('the file is damaged')
        t.is_(f'{mode}, {where}: {kills} killed', wrong[:5], [])
        look.close()
        for table in ('fleet_ships', 'fleet_crews', 'fleet_notes'):
            if where == 'main':
                for kind, thing in t.rows("SELECT type, name FROM sqlite_schema WHERE name IN (?, 'raw_' || ?) AND type IN ('table', 'view') ORDER BY type DESC",
                                          table, table):
                    t.db.execute(f'DROP {kind} {thing}')
t.done()
