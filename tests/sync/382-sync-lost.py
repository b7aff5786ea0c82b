# timeout: 120
# What a kill takes along: units that have ended and were not durable yet are asked for again. Every request is counted.
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

UNITS, BOUND, OPEN = 4000, 2000, 32     # units of the run, lost at most, open at once
with open('small.yml', 'w') as f:
    f.write(f'''format: 1
integration: small
clients:
  box: {{values: "{{{{ config.boxes }}}}", columns: {{box: text}}}}
config: {{boxes: {{type: list}}}}
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}
tables:
  small_things:
    request: {{path: "/{{{{ client.box }}}}"}}
    rows: "[*]"
    key: [box, id]
    columns: {{box: {{from: client.box}}, id: integer}}
''')
os.environ['CQ_PATH'] = os.path.abspath('small.yml')
CHILD = f'''
import os, sys; sys.path.insert(0, {os.environ['CQ_ROOT'] + '/tests/sync'!r})
import synctest
os.environ['CQ_PATH'] = {os.environ['CQ_PATH']!r}
synctest.Sync('child.db').sync(sys.argv[1])
'''
BOXES = '[' + ', '.join(f'b{i:04d}' for i in range(UNITS)) + ']'
t = Sync()
for mode in ('append', 'overwrite-delete-stale'):
    for where in ('this database', 'another file'):
        target = 'child.db' if where == 'this database' else f'{mode}.db'
        dest = 'main' if where == 'this database' else f'{{path: {target}}}'
        spec = f'{{source: small, name: {mode}, tables: [small_things], progress: off, write_mode: {mode}, migrate_mode: forced, ' \
               f'destination: {dest}, spec: {{boxes: {BOXES}}}}}'
        t.routes('GET /*\n  body [{"id":1}]\n')
        p = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD, spec])
        until = time.monotonic() + 60
        while p.poll() is None and t.asked() < UNITS * 2 // 3 and time.monotonic() < until:
            time.sleep(0.002)
        p.send_signal(signal.SIGKILL)
        p.wait()
        s = Sync('child.db')
        before = t.asked()
        r = s.sync(spec, '{"resume": true}')
        again = t.asked() - UNITS
        t.is_(f'{mode}, {where}: the resumed run is whole', (r['status'], s.one(f"SELECT count(*) FROM {'main' if dest == 'main' else 'd'}.small_things")
                                                             if dest == 'main' or not s.rows(f"ATTACH '{target}' AS d") else None), ('success', UNITS))
        t.is_(f'{mode}, {where}: it was killed on its way, and what is asked for again is bounded', (before < UNITS, again <= BOUND + 2 * OPEN or again), (True, True))
        s.db.close()
t.done()
