# timeout: 240
# A PostgreSQL server that is restarted, crashes, ends connections, or whose answers are lost, in the middle of syncs: what comes out
# is as if nothing had been, or is told; nothing is ever written twice.
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance
import postgres
from conformance import PORTS, SHIPS
from proxy import Proxy

pg = postgres.Server()
store = postgres.Store(pg)
suite = conformance.Suite(store)
t = suite.t
MODES = ('append', 'overwrite-delete-stale')


def routes(version, delay=60):
    text = ''
    for p in PORTS:
        for page in (1, 2, 3):
            rows = ','.join('{"id":%d,"name":"v%d"}' % (i, version) for i in range(page * 3 - 2, page * 3 + (1 if page < 3 else 0)))
            text += f'GET /{p}/ships?page={page}\n  delay {delay}\n  body [{rows}]\n'
    t.routes(text + 'GET /*/ships/*/crew\n  delay %d\n  body [{"id":1,"name":"v%d"}]\n' % (delay, version))


def whole(version):
    """What of a snapshot of that version is missing, or too much."""
    want = sorted(((p, i, f'v{version}') for p in PORTS for i in range(1, 9)), key=repr)
    wrong = [] if suite.ships() == want else [f'ships {suite.ships()}']
    crews = suite.read('fleet_crews', 'port', 'ship_id', 'name')
    return wrong + ([] if crews == want else [f'crews {crews}'])


def spec(mode, server=None, more=', spec: {ports: %s}' % PORTS):
    return '{source: fleet, tables: [fleet_crews], write_mode: %s, destination: %s%s}' % (mode, server or store.destination(), more)


def wait_for(act, seconds=30):
    until = time.monotonic() + seconds
    while not act() and time.monotonic() < until:
        time.sleep(0.02)


# ---- the server goes, and comes back ----
for mode in MODES:
    store.fresh()
    version = 0
    for how, name in ((signal.SIGINT, 'restarted'), (signal.SIGQUIT, 'crashes')):
        version += 1
        routes(version)
        child = suite.child(spec(mode), '{}')
        wait_for(lambda: t.asked('*crew*') >= 4)
        pg.stop(how)
        time.sleep(0.3)
        pg.start()
        said = child.communicate()[0].strip()
        t.is_(f'{mode}: the server is {name}', (said, whole(version)), ('success', []))
    version += 1
    routes(version, 150)
    child = suite.child(spec(mode), '{}')
    ended = 0
    until = time.monotonic() + 30
    while child.poll() is None and time.monotonic() < until:
        ended += pg.one("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'cq' AND backend_start < clock_timestamp() - interval '300 ms'")
        time.sleep(0.25)
    said = child.communicate()[0].strip()
    t.is_(f'{mode}: connections are ended', (said, ended > 0, whole(version)), ('success', True, []))
    if mode == 'append':
        t.is_('nothing is there twice', store.count('raw_fleet_ships'), 3 * 32)

# ---- an answer is lost ----


class Commits(Proxy):
    """Cuts connections where COMMIT goes by."""

    def __init__(self):
        self.mode = None  # 'before' or 'after' the server has it
        self.cuts = self.commits = 0
        super().__init__(pg.port)

    def passes(self, data, client, server, up):
        if up and b'COMMIT;' in data:
            self.commits += 1
            if self.mode and self.commits % 2:
                self.cuts += 1
                if self.mode == 'after':
                    server.sendall(data)
                    time.sleep(0.2)  # it is done, and its answer is thrown away
                return False
        if not up and self.mode == 'after' and b'COMMIT\0' in data and self.commits % 2:
            return True
        return super().passes(data, client, server, up)


proxy = Commits()
through = '{kind: postgresql, connection_string: "postgresql://postgres@127.0.0.1:%d/postgres"}' % proxy.port
for mode in MODES:
    store.fresh()
    for version, cut in ((1, 'after'), (2, 'before')):
        routes(version, 0)
        proxy.mode, proxy.cuts = cut, 0
        r = t.sync(spec(mode, through))
        proxy.mode = None
        t.is_(f'{mode}: cut {cut} COMMIT', (r['status'], proxy.cuts > 2, whole(version), [r['destinations'][0][k] for k in ('inserted', 'updated')] if 'destinations' in r else r),
              ('success', True, [], [64, 0] if mode == 'append' or version == 1 else [0, 64]))
    if mode == 'append':
        t.is_('nothing is there twice', store.count('raw_fleet_ships'), 64)
    t.is_('nothing is left', pg.rows("SELECT count(*) FROM cq_syncs WHERE unsettled = 1 OR status <> 'success'"), [(0,)])

# ---- what was staged is lost with a crash ----
store.fresh()
big = 'x' * 30000
text = ''
for page in range(1, 121):
    rows = ','.join('{"id":%d,"name":"%s%d"}' % (i, big, i) for i in range(page * 3 - 2, page * 3 + (1 if page < 120 else 0)))
    text += f'GET /oslo/ships?page={page}\n{"  delay 4000" if page == 120 else ""}\n  body [{rows}]\n'
t.routes(text.replace('\n\n', '\n'))
MANY = '{source: fleet, tables: [fleet_ships], write_mode: overwrite, destination: %s, spec: {ports: [oslo]}}' % store.destination()
child = suite.child(MANY, '{}')
STAGES = "SELECT relname FROM pg_class WHERE relname LIKE 'cq_stage%'"
wait_for(lambda: pg.rows(STAGES))
staged = pg.rows(STAGES)
pg.stop(signal.SIGQUIT)
pg.start()
said = child.communicate()[0].strip()
t.is_('staged rows are lost: its table fails', (len(staged), said, store.read('fleet_ships', ['id'])), (1, 'failed', []))
t.has('and says why', pg.rows('SELECT message FROM cq_sync_errors'), 'the server has crashed meanwhile')
r = t.sync(MANY)
t.is_('then all is well', (r['status'], len(store.read('fleet_ships', ['id']))), ('success', 359))

# ---- another takes a run over ----
store.fresh()
routes(1, 300)
child = suite.child(spec('append'), '{}')
wait_for(lambda: t.asked('*crew*') >= 2)
IDLE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cq' AND state = 'idle'"
for _ in range(200):  # not in the middle of a transaction, which would keep the entry from this test, too
    child.send_signal(signal.SIGSTOP)
    if pg.one(IDLE):
        break
    child.send_signal(signal.SIGCONT)
    time.sleep(0.01)
pg.psql("UPDATE cq_syncs SET updated = updated - interval '1 hour'")
routes(2, 0)
r = t.sync(spec('append'))
child.send_signal(signal.SIGCONT)
said = child.communicate()[0].strip()
t.is_('a run that is silent is taken over; the old one ends', (r['status'], said, whole(2)), ('success', 'failed', []))
t.is_('and leaves nothing', pg.rows('SELECT status FROM cq_syncs ORDER BY sync_group_id'), [('interrupted',), ('success',)])
t.is_('not in the rows either', store.count('raw_fleet_ships'), 32)

# ---- locks ----
store.fresh()
t.routes(SHIPS)
suite.sync('fleet_ships', 'append')
locker = subprocess.Popen(['psql', '-X', '-q', '-h', '127.0.0.1', '-p', str(pg.port), '-U', 'postgres', '-d', 'postgres'], stdin=subprocess.PIPE, env=pg.env, text=True)
locker.stdin.write('BEGIN;\nLOCK TABLE raw_fleet_ships IN EXCLUSIVE MODE;\n')
locker.stdin.flush()
wait_for(lambda: pg.one("SELECT count(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation = 'raw_fleet_ships'::regclass"))
threading.Timer(1.5, t.db.interrupt).start()
r = suite.sync('fleet_ships', 'append')
t.is_('interrupted while it waits for a lock', ('interrupted' in str(r.get('raised')), pg.rows('SELECT status FROM cq_syncs ORDER BY sync_group_id')),
      (True, [('success',), ('interrupted',)]))
t.is_('nothing waits any more', pg.one("SELECT count(*) FROM pg_locks WHERE NOT granted"), 0)
locker.stdin.close()
locker.wait()
t.is_('then all is well', (suite.sync('fleet_ships', 'append')['status'], len(suite.ships())), ('success', 5))

# ---- nobody is there ----
deaf = socket.create_server(('127.0.0.1', 0))
r = suite.t.sync(spec('append', '"postgresql://127.0.0.1:%d/x?connect_timeout=1"' % deaf.getsockname()[1]))
t.has('a server that says nothing', r, 'no connection within 1 s')
pg.stop()
t.db.close()  # the proxy's threads would keep it
t.done()
