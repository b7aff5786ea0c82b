# skip-sanitized: memory is measured
# Many tables: what a sync keeps of one that is over, and what it keeps of the definitions.
import json
import os
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

# ---- more tables are written at once than have their statement kept ------------------------
TABLES = 120
with open('many.yml', 'w') as f:
    f.write(f'''format: 1
integration: many
defaults:
  request: {{url: "{MOCK}", query: {{next: "{{{{ page.token }}}}"}}}}
  page: {{by: token, token: next}}
tables:
''')
    for i in range(TABLES):
        f.write(f'''  many_{i:03d}:
    request: {{path: /t{i:03d}}}
    rows: "items[*]"
    key: [id]
    columns: {{id: integer, name: text, size: integer, kind: text, tags: json, made: timestamp, a: text, b: text, c: text}}
''')
os.environ['CQ_PATH'] = os.path.abspath('many.yml')
LAST = 'GET /t000?next=2\n  delay 1500\n  body {"items":[{"id":3}]}\n'
PAGES = 'GET /t*?next=2\n  body {"items":[{"id":3}]}\nGET /t*\n  body {"items":[{"id":1},{"id":2}],"next":"2"}\n'
t = Sync()
for mode in ('append', 'overwrite-delete-stale'):
    t.routes(LAST + PAGES)
    spec = f'{{source: many, tables: ["*"], progress: off, destination: {{path: {mode}.db, write_mode: {mode}}}}}'
    for n in range(2):
        r = t.sync(spec)
        t.is_(f'{mode}: run {n + 1} of {TABLES} tables', (r['status'], r['rows'], r['requests']), ('success', 3 * TABLES, 2 * TABLES))
    t.rows(f"ATTACH '{mode}.db' AS d")
    t.is_(f'{mode}: each table has its rows', [t.rows(f'SELECT id FROM d.many_{i:03d} ORDER BY id') for i in (0, 1, 50, TABLES - 1)], [[(1,), (2,), (3,)]] * 4)
    t.rows('DETACH d')

# ---- memory that a number of tables takes ------------------------------------------------
MEASURE = '''
import os, sys
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import connect
def most():
    return int(next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1])
db = connect(sys.argv[2])
db.execute('SELECT count(*) FROM cq_integrations').fetchall()
before = most()
print(db.execute(f'SELECT {sys.argv[1]}(?)', (sys.argv[3],)).fetchone()[0])
print(most() - before)
'''


def measure(function, spec, path=':memory:'):
    """The result, and by how many kB the process has grown."""
    out = subprocess.run([sys.executable, '-c', MEASURE, function, path, spec], capture_output=True, text=True)
    lines = out.stdout.splitlines()
    return (json.loads(lines[0]), int(lines[1])) if out.returncode == 0 else (out.stderr, 0)


spec = '{source: many, tables: [%s], progress: off, destination: {path: %s.db, write_mode: append}}'
few, small = measure('cq_sync', spec % ('many_00*', 'few'))
many, large = measure('cq_sync', spec % ('"*"', 'all'))
t.is_('ten tables, and all of them', (few['rows'], many['rows']), (30, 3 * TABLES))
each = (large - small) / (TABLES - 10)
t.is_('a table that was synced keeps less than 35 kB', each < 35 or each)

os.environ.update(AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null', AWS_EC2_METADATA_DISABLED='true')
r, grown = measure('cq_validate', '{source: aws, tables: ["*"], generated: true, spec: {regions: [us-east-1]}}')
tables = r['sources'][0]['tables']
t.is_('all tables of AWS', len(tables) > 2000)
each = grown / len(tables)
t.is_('a definition takes less than 20 kB', each < 20 or each)
t.done()
