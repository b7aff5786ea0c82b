# timeout: 60
# Ctrl-C: while a server is silent, in the middle of a body, between two attempts, in a sync. The statement ends at once (the
# comments say after how many ms), the connection is closed, and the next statement works.
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import SPEC, Odd, Server


class Hanging(Server):
    """Sends `start`, then nothing more; tells when it was asked, and when the other side went. `calm`: what it answers instead."""

    def __init__(self, start):
        self.start, self.calm = start, None
        self.asked, self.gone = threading.Event(), threading.Event()
        super().__init__()

    def answer(self, c, head):
        if self.calm is not None:
            c.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' % (len(self.calm), self.calm))
            return
        c.sendall(self.start)
        self.asked.set()
        self.wait(c)
        self.gone.set()


OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n'
CASES = (('before the answer', b''), ('in the headers', b'HTTP/1.1 200 OK\r\nContent-'), ('in the body', OK + b'[{"id":1},{"id":2},{"i'),
         ('in a body without an end', b'HTTP/1.1 200 OK\r\n\r\n[{"id":1},'),
         ('while it waits to ask again', b'HTTP/1.1 429 Slow\r\nConnection: close\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n'))
WAITS = CASES[-1][0]
t = Odd(cache_ttl='0')


def shell(server, statement):
    """A sqlite3 shell with a server that hangs, interrupted when the server has been asked: what it printed, ms, status."""
    p = subprocess.Popen([os.environ['CQ_SQLITE'], '-batch', ':memory:'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, env={**os.environ, 'ODD_URL': server.url, 'CQ_PATH': SPEC})
    p.stdin.write(f'.load {os.environ["CQ_SO"][:-3]}\n{statement};\n')
    p.stdin.close()
    server.asked.wait()
    time.sleep(0.05)  # so that it has read what there is
    began = time.monotonic()
    p.send_signal(signal.SIGINT)
    out = p.stdout.read()
    p.wait()
    return out, (time.monotonic() - began) * 1000


for name, start in CASES:
    server = Hanging(start)
    out, ms = shell(server, 'SELECT count(*) FROM odd_list')
    t.has(f'the shell, {name}', out.lower(), 'interrupted')
    t.is_(f'the shell, {name}: the connection is closed', server.gone.wait(10), True)
    print(f'# {ms:.0f} ms')

# A program that interrupts from another thread goes on with the same connection.
for name, start in CASES:
    server = Hanging(start)
    t.db.execute('SELECT cq_config(?, ?)', ('odd.url', server.url))
    when = []

    def interrupt():
        server.asked.wait()
        time.sleep(0.05)
        when.append(time.monotonic())
        t.db.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    seen = t.tries('SELECT count(*) FROM odd_list')
    ms = (time.monotonic() - when[0]) * 1000
    thread.join()
    t.has(f'interrupt(), {name}', seen, 'interrupted')
    if name != WAITS:
        t.is_(f'interrupt(), {name}: the connection is closed', server.gone.wait(10), True)
    print(f'# {ms:.0f} ms')
    server.calm = b'[{"id":7}]'
    t.is_(f'interrupt(), {name}: then the same statement answers', t.tries('SELECT id FROM odd_list'), [(7,)])

# A sync that is interrupted publishes nothing of what it had not finished, says so, and can be taken up.
SYNC = "SELECT cq_sync('{source: odd, tables: [odd_list], progress: off}')"
for name, start in CASES:
    server = Hanging(b'')
    server.calm = b'[{"id":1},{"id":2}]'
    t.db.execute('SELECT cq_config(?, ?)', ('odd.url', server.url))
    t.tries(SYNC)
    server.start, server.calm = start, None
    when = []
    thread = threading.Thread(target=interrupt)
    thread.start()
    seen = t.tries(SYNC)
    ms = (time.monotonic() - when[0]) * 1000
    thread.join()
    t.is_(f'sync, {name}: no transaction stays open', t.db.in_transaction, False)
    t.has(f'sync, {name}', seen, 'interrupted')
    print(f'# {ms:.0f} ms')
    t.is_(f'sync, {name}: nothing half-written shows', t.rows('SELECT id FROM main.odd_list ORDER BY 1'), [(1,), (2,)])
    t.is_(f'sync, {name}: the run says so', t.rows('SELECT status FROM cq_syncs ORDER BY sync_time DESC LIMIT 1'), [('interrupted',)])
    server.calm = b'[{"id":3}]'
    r = t.tries(SYNC)
    t.is_(f'sync, {name}: the next one is whole', (json.loads(r[0][0])['status'] if isinstance(r, list) else r,
                                                    t.rows('SELECT id FROM main.odd_list')), ('success', [(3,)]))

    # Another database: attached to this connection, or a file that only cq opens.
    where = 'side' if name == CASES[0][0] else 'file.db'
    if where == 'side':
        t.db.execute("ATTACH 'side.db' AS side")
    into = SYNC.replace('odd_list]', f'odd_list], destination: {"side" if where == "side" else "{path: file.db}"}')
    server.calm = None
    server.asked.clear()
    thread = threading.Thread(target=interrupt)
    thread.start()
    seen = t.tries(into)
    thread.join()
    other = sqlite3.connect('side.db' if where == 'side' else 'file.db')
    t.is_(f'sync into {where}, {name}', (seen, other.execute('SELECT status FROM cq_syncs ORDER BY sync_time DESC LIMIT 1').fetchall()),
          ('interrupted', [('interrupted',)]))
    other.close()
    if where == 'side':
        t.db.execute('DETACH side')
    for (view,) in t.rows("SELECT name FROM main.sqlite_master WHERE type = 'view'"):
        t.db.execute(f'DROP VIEW "{view}"')
    for (table,) in t.rows("SELECT name FROM main.sqlite_master WHERE type = 'table'"):
        t.db.execute(f'DROP TABLE "{table}"')
t.done()
