# What a sync leaves in a folder beside files and manifests. send_sync_summary: one line of CloudQuery's columns beside the run's
# own tables, for each source by its name. And what it finds of processes that were killed goes.
import glob
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

t = Sync()
t.routes('GET /*/ships\n  body [{"id":1,"name":"a"},{"id":2,"name":"b"}]\n')
for name in ('fleet', 'the "fleet"/2'):
    with open('s.yml', 'w', encoding='utf-8') as f:
        f.write(f'''kind: source
spec: {{name: {json.dumps(name)}, path: fleet, registry: local, tables: [fleet_ships], destinations: [f], spec: {{ports: [oslo]}}}}
---
kind: destination
spec: {{name: f, path: file, registry: local, write_mode: append, send_sync_summary: true, spec: {{path: out, format: json}}}}
''')
    r = t.sync('s.yml')
    new = [p for p in glob.glob('out/_cq/runs/*/*/cloudquery_sync_summaries.ndjson') if str(r['sync_group_id']) in p]
    lines = [json.loads(line) for p in new for line in open(p, encoding='utf-8')]
    t.is_(f'{name}: one line', (r['status'], [(x['source_name'], x['destination_name'], x['resources'], x['sync_id'], x['source_tables'], x['resources_per_table'], x['errors_per_table'],
                                               x['source_errors'], x['_cq_sync_group_id']) for x in lines]),
          ('success', [(name, 'f', 2, str(r['sync_group_id']), ['fleet_ships'], {'fleet_ships': 2}, {'fleet_ships': 0}, 0, str(r['sync_group_id']))]))
    t.is_(f'{name}: and no more of it', set(lines[0]) if lines else None, {
        '_cq_sync_time', '_cq_sync_group_id', 'cli_version', 'sync_id', 'sync_duration_ms', 'resources', 'source_name', 'source_path', 'source_version', 'source_errors', 'source_warnings',
        'source_tables', 'destination_name', 'destination_path', 'destination_version', 'destination_errors', 'destination_warnings', 'resources_per_table', 'errors_per_table',
        'durations_per_table_ms'})
t.is_('both are kept', len(glob.glob('out/_cq/runs/*/*/cloudquery_sync_summaries.ndjson')), 2)

gone = subprocess.Popen(['true'])
gone.wait()
with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as f:
    boot = f.read().strip()
space = ''.join(c for c in os.readlink('/proc/self/ns/pid') if c.isdigit())
here, beside = (f'{socket.gethostname()}@{boot}/{n}'.replace('-', '_').replace('/', '_') for n in (space, space + '1'))
FOUND = {f'put-{here}-{gone.pid}-x': False, f'put-{here}-{os.getppid()}-x': True, f'put-{beside}-{gone.pid}-x': True,
         f'put-{here}-none-x': True}
tmp = 'out/_cq/tmp/'
os.makedirs(tmp)
for name in FOUND:
    with open(tmp + name, 'w', encoding='utf-8') as f:
        f.write('half')
r = t.sync('s.yml')
t.is_('of writes that were broken off those of dead processes here go', (r['status'], {name: os.path.exists(tmp + name) for name in FOUND}), ('success', FOUND))
for name in FOUND:
    if os.path.exists(tmp + name):
        os.utime(tmp + name, (0, 0))
t.sync('s.yml')
t.is_('and what is old', [name for name in FOUND if os.path.exists(tmp + name)], [])
t.done()
