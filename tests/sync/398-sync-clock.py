# timeout: 120
"""The clock is set back or ahead while a sync runs, and between syncs: it says that it lives, and its rows stay the current ones."""
import json
import os
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

# The time of day is off by what the file `clock` says, in seconds.
with open('clock.c', 'w') as f:
    f.write("""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t which, struct timespec *t) {
  int rc = (int)syscall(SYS_clock_gettime, which, t), fd = which == CLOCK_REALTIME ? open("clock", O_RDONLY) : -1;
  char text[32] = "";
  if (fd >= 0) {
    if (read(fd, text, sizeof text - 1) > 0) t->tv_sec += atoll(text);
    close(fd);
  }
  return rc;
}
""")
subprocess.run(['cc', '-shared', '-fPIC', '-o', 'clock.so', 'clock.c'], check=True)
PROGRAM = """
import json, os, sys
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync
t = Sync('test.db')
print(json.dumps(t.sync(sys.argv[1])), flush=True)
os._exit(0)
"""


def set_clock(seconds):
    with open('clock.new', 'w') as f:
        f.write(str(seconds))
    os.rename('clock.new', 'clock')


def begin(spec):
    env = {**os.environ, 'LD_PRELOAD': (os.environ.get('CQ_PRELOAD', '') + ' ' + os.path.abspath('clock.so')).strip()}
    return subprocess.Popen([os.environ['CQ_PYTHON'], '-c', PROGRAM, spec], env=env, stdout=subprocess.PIPE, text=True)


def end(p):
    return json.loads(p.communicate(timeout=60)[0])


t = Sync('test.db')
SPEC = '{source: fleet, tables: [fleet_ships], spec: {ports: [oslo]}, write_mode: %s}'
for mode in ('append', 'overwrite-delete-stale'):
    for off in (-3600, 3600):
        set_clock(0)
        t.routes('GET /oslo/ships?page=1\n  body [{"id":1,"name":"Fram"}]\n')
        t.is_(f'{mode}: before', end(begin(SPEC % mode))['status'], 'success')
        t.routes('GET /oslo/ships?page=1\n  delay 4500\n  body [{"id":2,"name":"Maud"}]\n')
        p = begin(SPEC % mode)
        while not t.asked('/oslo/*'):
            time.sleep(0.05)
        set_clock(off)
        seen, until = set(), time.monotonic() + 4
        while time.monotonic() < until:
            seen.add(t.one('SELECT max(updated) FROM cq_syncs WHERE status = ?', 'running'))
            time.sleep(0.2)
        t.is_(f'{mode}, {off} s: it says that it lives', len(seen) > 2)
        r = end(p)
        t.is_('and succeeds', (r['status'], r['rows']), ('success', 1))
        t.is_('its rows are the current ones', t.rows('SELECT id FROM fleet_ships'), [(2,)])
        set_clock(-7200)
        t.routes('GET /oslo/ships?page=1\n  body [{"id":3,"name":"Gjoa"}]\n')
        r = end(begin(SPEC % mode))
        t.is_('a later run of an earlier time', (r['status'], t.rows('SELECT id FROM fleet_ships')), ('success', [(3,)]))
    t.db.executescript('DROP VIEW fleet_ships; DROP TABLE raw_fleet_ships; DELETE FROM cq_units; DELETE FROM cq_syncs; DELETE FROM cq_sync_units; DELETE FROM cq_sync_tables' if mode == 'append' else '')
t.done()
