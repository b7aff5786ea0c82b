# What a person sees while a sync runs: on stderr, in the form that is asked for; nothing but the answer on stdout.
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

t = Sync()
NAME = 'quo"ted'
ships = ','.join(f'{{"id":{i},"name":"n{i}"}}' for i in range(2))
t.routes(f'GET /oslo/ships?page=1\n  delay 450\n  body [{ships}]\nGET /rome/ships?page=1\n  status 400\n'
         'GET /*/notes\n  delay 100\n  body [{"text":"x"}]\n')
SPEC = "{source: fleet, name: 'quo\"ted', tables: [fleet_ships, fleet_notes]%s}"


def shell(progress, terminal=None, before='', **env):
    """(stdout, stderr) of a sync in the shell; terminal: its width, where stderr is one."""
    spec = (SPEC % (f', progress: {progress}' if progress else '')).replace("'", "''")
    master, slave = pty.openpty() if terminal else (None, subprocess.PIPE)
    if terminal:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 40, terminal, 0, 0))
    p = subprocess.Popen([os.environ['CQ_SQLITE'], '-batch', ':memory:'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=slave, text=True,
                         env={**os.environ, 'TERM': 'xterm', **env})
    p.stdin.write(f".load {os.environ['CQ_SO'][:-3]}\n{before}\nSELECT cq_sync('{spec}') ->> 'status';\n")
    p.stdin.close()
    told = b''
    if terminal:
        os.close(slave)
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            told += part
        os.close(master)
    else:
        told = p.stderr.read().encode()
    out = p.stdout.read()
    p.wait()
    return out, told.decode()


TOTAL = r'\d+/\d+ units  \d+ rows  \d+ rows/s  \d+ errors  \d+s  ETA (?:\d+s|\?)'
out, told = shell('', terminal=120)
frames = told.split('\r\x1b[J')[1:]
t.is_('a terminal: stdout has the answer alone', out, 'partial\n')
t.is_('the bar is drawn anew', len(frames) > 2, True)
t.is_('a total in each', [f for f in frames if not re.match(r'cq_sync  ' + TOTAL, f)], [])
t.is_('a line for a table under way', bool(re.search(r'\n  fleet_ships +\d/2 units  \d+ rows', told.replace('\r', ''))), True)
t.is_('one line in the end', bool(re.fullmatch(r'cq_sync  4/4 units  4 rows  \d+ rows/s  1 errors  \ds  ETA 0s\n', frames[-1].replace('\r', ''))), True)
_, told = shell('bar', terminal=40)
t.is_('no line is wider than the terminal', [len(line) for f in told.split('\r\x1b[J')[1:-1] for line in f.replace('\r', '').split('\n') if len(re.sub(r'\x1b\[\d+A', '', line)) >= 40], [])
t.is_('a terminal that is dumb', shell('', terminal=80, TERM='dumb')[1], '')
t.is_('no terminal: nothing', shell(''), ('partial\n', ''))
t.is_('off on a terminal', shell('off', terminal=80)[1], '')
out, told = shell('log')
lines = told.splitlines()
t.is_('log: a line for each table, and the end', (out, sorted(line.split()[1] for line in lines[:-1]), lines[-1][:14]),
      ('partial\n', ['fleet_notes', 'fleet_ships'], 'cq_sync  done '))
t.is_('with status and rows', [re.sub(r' +', ' ', line).split(' ')[2:5] for line in sorted(lines[:-1])], [['success', '2', 'rows'], ['partial', '2', 'rows']])
t.is_('the same by the setting', shell('', before="SELECT cq_config('progress', 'log') IS NULL;")[1].count('\n'), 3)
out, told = shell('json')
events = [json.loads(line) for line in told.splitlines()]
t.is_('json: one object a line', (out, [e['event'] for e in events if e['event'] != 'progress']), ('partial\n', ['table', 'table', 'done']))
t.is_('of the table', [{k: e[k] for k in ('source', 'table', 'status', 'rows', 'units', 'errors')} for e in events if e.get('table') == 'fleet_ships'],
      [{'source': NAME, 'table': 'fleet_ships', 'status': 'partial', 'rows': 2, 'units': 2, 'errors': 1}])
t.is_('of the whole', {k: events[-1][k] for k in ('units', 'units_done', 'rows', 'errors', 'requests')},
      {'units': 4, 'units_done': 4, 'rows': 4, 'errors': 1, 'requests': 4})

# In the run tables, too, a unit of many pages moves while it goes.
import sqlite3
import threading
import time
from synctest import connect
PAGES = 40
t.routes(''.join(f'GET /oslo/ships?page={p}\n  delay 100\n  body [{{"id":{3 * p},"name":"a"}},{{"id":{3 * p + 1},"name":"b"}},{{"id":{3 * p + 2},"name":"c"}}]\n' for p in range(1, PAGES))
         + f'GET /oslo/ships?page={PAGES}\n  body []\n')
done = []


def sync():
    db = connect('long.db')
    done.append(db.execute("SELECT cq_sync('{source: fleet, tables: [fleet_ships], spec: {ports: [oslo]}}') ->> 'rows'").fetchone()[0])
    db.close()


thread = threading.Thread(target=sync)
thread.start()
watch = sqlite3.connect('long.db')
seen = []
while thread.is_alive():
    try:
        seen += watch.execute("SELECT t.rows, t.requests > 0, s.rows, s.bytes > 0 FROM cq_sync_tables AS t JOIN cq_syncs AS s USING (sync_group_id) "
                              "WHERE t.status = 'running'").fetchall()
    except sqlite3.OperationalError:
        pass
    time.sleep(0.1)
thread.join()
total = 3 * (PAGES - 1)
t.is_('rows are seen as they come', (len({r[0] for r in seen if 0 < r[0] < total}) >= 1, (1, 1) in {(r[1], r[3]) for r in seen}), (True, True))
t.is_('never too many', max(max(r[0], r[2]) for r in seen) <= total, True)
t.is_('in the end all', (done, watch.execute('SELECT t.rows, s.rows, s.requests FROM cq_sync_tables AS t JOIN cq_syncs AS s USING (sync_group_id)').fetchall()),
      ([total], [(total, total, PAGES)]))
watch.close()
t.has('another word', t.raises("SELECT cq_config('progress', 'loud')"), 'expected auto, off, bar, log or json, not "loud"')
t.done()
