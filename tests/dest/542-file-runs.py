# timeout: 240
# Files in a folder, run after run: which units share a file, what a failed unit
# leaves, retention, the paths, kills, full disks, folders that may not be written, readers at work meanwhile.
import glob
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import objects
from conformance import FLEET, PORTS, SHIPS, CREW, Sync

t = Sync()
HERE = os.getcwd()


def spec(more='', what='fleet_ships', path='out', source=''):
    return '{source: fleet, tables: [%s]%s, destination: {kind: file, path: "%s"%s}}' % (what, source, path, more)


def fresh():
    shutil.rmtree('out', ignore_errors=True)


def files(where='out'):
    """All but cq's own."""
    return sorted(p[len(where) + 1:] for p in glob.glob(where + '/**', recursive=True) if os.path.isfile(p) and '/_cq/' not in p)


def own(where='out'):
    return sorted(os.path.relpath(os.path.join(d, f), where + '/_cq') for d, _, fs in os.walk(where + '/_cq') for f in fs)


def ships(reader=None):
    return sorted((reader or objects.Reader()).rows('out', 'fleet_ships', ['port', 'id', 'name']))


def named(text):
    return SHIPS.replace('"name":"', f'"name":"{text}')


def rows_of(port, n, name, size=20):
    """Pages of three ships each."""
    out = ''
    for page in range(1, n // 3 + 2):
        ids = range(page * 3 - 2, min(page * 3, n) + 1)
        out += f'GET /{port}/ships?page={page}\n  body ' + json.dumps([{'id': i, 'name': name + 'x' * size} for i in ids]) + '\n'
    return out


# ---- sources whose names are longer than a file's may be, and alike at their beginning
for n in range(2):
    t.routes(named(f'v{n} '))
    r = [t.sync(spec(source=f', name: "{name}"')) for name in ('ö' * 200 + 'a', 'ö' * 200 + 'b')]
    t.is_('long names', [(x['status'], x.get('errors')) for x in r], [('success', [])] * 2)
one, two = sorted(os.listdir('out/_cq/latest'))
t.is_('each is a source of its own', (len(one), len(two), sorted(json.load(open(f'out/_cq/latest/{x}'))['source'][-1] for x in (one, two)), one[:70] == two[:70]), (100, 100, ['a', 'b'], True))
t.is_('by which it is found again', len(t.rows('SELECT * FROM json_each(?)', t.one('SELECT cq_prune(1, ?)', spec()))), 1)

# ---- one file for many small units, and what the manifest says
fresh()
t.routes(SHIPS)
r = t.sync(spec())
e = objects.entries(objects.manifests('out'), 'fleet_ships')[0]
t.is_('units share a file', (r['status'], len(files()), [(f['rows'], f['units'], 'only' in f) for f in e['files']]), ('success', 1, [(5, 2, False)]))
t.is_('which the manifest names', [f['path'] for f in e['files']], files())
m = objects.manifests('out')[0]
t.is_('the manifest', (m['source'], m['sync_group_id'], m['status'], m['format'], m['root'], e['rows'], [c['name'] for c in e['columns']][5:9]),
      ('fleet', r['sync_group_id'], 'success', 'parquet', HERE + '/out/', 5, ['_cq_parent_id', 'port', 'id', 'name']))
sha = __import__('hashlib').sha256(open('out/' + e['files'][0]['path'], 'rb').read()).hexdigest()
t.is_('its sum and size', (e['files'][0]['sha256'], e['files'][0]['bytes']), (sha, os.path.getsize('out/' + e['files'][0]['path'])))
t.is_('what else there is', [re.sub(r'\d{10,}', 'G', x) for x in own()],
      ['latest/fleet.json', 'runs/fleet/G/cq_sync_tables.ndjson', 'runs/fleet/G/cq_syncs.ndjson', 'snapshots/fleet/G/fleet_ships.ndjson', 'snapshots/fleet/G/manifest.json', 'sources/fleet.json'])
t.is_('the same as the pointer', json.load(open(f"out/_cq/snapshots/fleet/{r['sync_group_id']}/manifest.json")), m)

# ---- a failed unit keeps its last good rows
t.routes(named('new ').replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  status 400\n'))
r = t.sync(spec())
e = objects.entries(objects.manifests('out'), 'fleet_ships')[0]
t.is_('of the old file one client counts', sorted((f['rows'], f.get('only')) for f in e['files']), [(4, None), (5, ['rome'])])
t.is_('and readers see it', ships(), [('oslo', 1, 'new Fram'), ('oslo', 2, 'new Gjoa'), ('oslo', 3, 'new Kon'), ('oslo', 4, 'new Ra'), ('rome', 1, 'Argo')])
t.routes(named('csv ').replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  status 400\n'))
t.sync(spec(', format: csv'))
m = objects.manifests('out')[0]
t.is_('of another format, a file says its own', (m['format'], sorted((f['path'][-4:], f.get('format')) for f in objects.entries([m], 'fleet_ships')[0]['files'])),
      ('csv', [('.csv', None), ('quet', 'parquet')]))
t.routes(SHIPS + CREW)
t.sync(spec())
t.routes(SHIPS + CREW)
r = t.sync(spec(what='fleet_crews'))
t.is_('other tables stay', sorted(x['table'] for x in objects.manifests('out')[0]['tables']), ['fleet_crews', 'fleet_ships'])
t.routes('GET /*/notes\n  body []\n')
r = t.sync(spec(what='fleet_notes'))
t.is_('also where a run is of another one', (sorted(x['table'] for x in objects.manifests('out')[0]['tables']), len(ships())), (['fleet_crews', 'fleet_notes', 'fleet_ships'], 5))

# ---- what may not be read again stays: of a file, the rows below some parents
fresh()
with open('deny.yml', 'w') as f:
    f.write(open(FLEET).read().replace('  fleet_crews:\n', '  fleet_crews:\n    errors:\n      - {when: {status: 403}, then: denied, message: "no"}\n'))
os.environ['CQ_PATH'] = os.path.abspath('deny.yml')
d = Sync('deny.db')
os.environ['CQ_PATH'] = FLEET
CREWS = 'GET /oslo/ships?page=1\n  body [{"id":1},{"id":2}]\nGET /*/ships?page=1\n  body []\n'
crew = lambda n, who: f'GET /oslo/ships/{n}/crew\n  body [{{"id":1,"name":"{who}"}}]\n'
no = lambda n: f'GET /oslo/ships/{n}/crew\n  status 403\n'
names = lambda: sorted(objects.Reader().rows('out', 'fleet_crews', ['ship_id', 'name']))
for routes, want in ((crew(1, 'a1') + crew(2, 'a2'), [(1, 'a1'), (2, 'a2')]), (crew(1, 'b1') + no(2), [(1, 'b1'), (2, 'a2')]), (crew(1, 'c1') + no(2), [(1, 'c1'), (2, 'a2')]),
                     (no(1) + crew(2, 'd2'), [(1, 'c1'), (2, 'd2')]), (crew(1, 'e1') + crew(2, 'e2'), [(1, 'e1'), (2, 'e2')])):
    d.routes(CREWS + routes)
    r = d.sync(spec(what='fleet_crews'))
    t.is_(f'below one parent: {want}', (r['status'], names()), ('partial' if '403' in routes else 'success', want))

# ---- taken for dead while it ran: it publishes nothing
fresh()
t.routes(SHIPS)
t.sync(spec())
was = objects.manifests('out')
t.routes(SHIPS.replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  delay 700\n').replace('Fram', 'Maud'))
p = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', 'import sys; sys.path.insert(0, sys.argv[1]); from conformance import Sync; print(Sync("child.db").sync(sys.argv[2]))',
                      os.environ['CQ_ROOT'] + '/tests/dest', spec()], stdout=subprocess.PIPE, text=True)
claim, until = 'out/_cq/sources/fleet.json', time.monotonic() + 20
while (objects.load(claim)['state'], t.asked('*ships*')) != ('running', 3) and time.monotonic() < until:
    time.sleep(0.02)
with open(claim + '.new', 'w') as f:
    json.dump({**objects.load(claim), 'owner': 'elsewhere:1:x'}, f)
os.rename(claim + '.new', claim)
t.has('of another machine now', p.communicate()[0], 'another run of it has begun')
t.is_('what was there is there', objects.manifests('out'), was)

# ---- one file of several cannot be finished: the run fails, and the next goes on with what was whole
NOTES = 'GET /*/notes\n  body [{"text":"n"}]\n'
for what in ('fleet_ships', 'fleet_notes'):
    for retry in (None, '{"retry":"failed"}'):
        fresh()
        os.mkdir('out')
        with open('out/' + what, 'w') as f:
            f.write('in the way')
        both = spec(', format: json', 'fleet_ships, fleet_notes', 'out/{{TABLE}}/{{UUID}}.{{FORMAT}}')
        t.routes(SHIPS + NOTES)
        r = t.sync(both)
        t.is_(f'something is in the way of {what}', (r['status'], 'out/' + what in str(r)), ('failed', True))
        os.unlink('out/' + what)
        r = t.sync(both, retry)
        t.is_(f'out of the way, {"a retry" if retry else "the next run"} succeeds', (r['status'], r.get('errors'), len(objects.Reader('json').rows('out', 'fleet_ships', ['id'])),
                                                                       len(objects.Reader('json').rows('out', 'fleet_notes', ['text']))), ('success', [], 5, 2))
        t.is_('and nothing else is left', (len(files()), [x for x in own() if 'journal' in x or x.startswith('tmp')]), (2, []))

# a journal that tells of a unit and not of its file, as some are: the unit is not whole, and no run fails of it
fresh()
t.routes(SHIPS)
group = t.sync(spec())['sync_group_id'] + 1
claim = objects.load('out/_cq/sources/fleet.json')
os.makedirs(f'out/_cq/snapshots/fleet/{group}')
for n, line in enumerate(({'table_name': 'fleet_ships', 'begin': 'out/fleet_ships/x.parquet'},
                          {'table_name': 'fleet_ships', 'client_id': 'oslo', 'status': 'ok', 'rows': 4, 'cursor': '', 'files': ['out/fleet_ships/x.parquet']})):
    with open(f'out/_cq/snapshots/fleet/{group}/journal-{n + 1:06d}.ndjson', 'w') as f:
        json.dump(line, f)
with open('out/_cq/sources/fleet.json', 'w') as f:
    json.dump({**claim, 'pending': [group]}, f)
r = t.sync(spec(), '{"retry":"failed"}')
t.is_('a unit whose file was not finished', (r['status'], r.get('errors'), len(ships()), [x for x in own() if str(group) in x]), ('success', [], 5, []))
for text, why in (('[]', 'no object'), ('{"a":', '')):
    with open('out/_cq/sources/fleet.json', 'w') as f:
        f.write(text)
    t.has(f"what is not cq's is told: {text}", t.sync(spec()), "_cq/sources/fleet.json: not cq's: " + why)

# ---- a large unit has files of its own, which go with it
fresh()
BIG = rows_of('oslo', 60, 'b', 200000)
t.routes(BIG + 'GET /rome/ships?page=1\n  body [{"id":1,"name":"Argo"}]\n')
r = t.sync(spec(', batch_size_bytes: 3000000, format: json'))
e = objects.entries(objects.manifests('out'), 'fleet_ships')[0]
t.is_('a large unit', (r['status'], sum(f['rows'] for f in e['files']), sorted({f['units'] for f in e['files']}), len(e['files']) > 3), ('success', 61, [1], True))
t.routes(BIG.replace('GET /oslo/ships?page=20\n', 'GET /oslo/ships?page=20\n  status 400\n') + 'GET /rome/ships?page=1\n  body [{"id":1,"name":"Argo 2"}]\n')
before = set(files())
r = t.sync(spec(', batch_size_bytes: 3000000, format: json'))
t.is_('that fails leaves nothing', (r['status'], len(set(files()) - before), [x for x in own() if x.startswith('tmp')]), ('partial', 1, []))
r = objects.Reader('json')
t.is_('and keeps what it had', [x[0] for x in r.db.execute("SELECT count(*) FROM (SELECT unnest(%s))" % [x[1] for x in r.rows('out', 'fleet_ships', ['port', 'id'])]).fetchall()], [61])

# ---- paths
for path, want in (('out', r'fleet_ships/UUID\.parquet'), ('out/', r'fleet_ships/UUID\.parquet'), ('out/{{TABLE}}.{{FORMAT}}', r'fleet_ships\.UUID\.parquet'),
                   ('out/{{TABLE}}/{{YEAR}}/{{MONTH}}/{{DAY}}/{{HOUR}}-{{MINUTE}}/{{UUID}}', r'fleet_ships/\d{4}/\d\d/\d\d/\d\d-\d\d/UUID\.parquet'),
                   ('out/t={{TABLE}}/run={{SYNC_ID}}/x.{{FORMAT}}', r't=fleet_ships/run=GROUP/x\.UUID\.parquet')):
    fresh()
    t.routes(SHIPS)
    r = t.sync(spec(path=path))
    said = [re.sub('[0-9a-f]{8}-[0-9a-f-]{27}', 'UUID', x).replace(str(r.get('sync_group_id')), 'GROUP') for x in files()]
    t.is_(f'path {path}', (r['status'], [bool(re.fullmatch(want, x)) for x in said] or said, len(ships())), ('success', [True], 5))
for kind, squeeze, want in (('json', 'gzip', '.json.gz'), ('csv', 'zstd', '.csv.zst'), ('json', 'none', '.json')):
    fresh()
    t.sync(spec(f', format: {kind}, compression: {squeeze}'))
    t.is_(f'{kind} {squeeze}', [x[-len(want):] for x in files()], [want])
fresh()
os.makedirs('elsewhere', exist_ok=True)
t.is_('a URL', (t.sync('{source: fleet, tables: [fleet_ships], destination: "file://%s/out"}' % HERE)['status'], len(ships())), ('success', 5))
t.is_('one that has been written is left alone', sorted(os.listdir('elsewhere')), [])
for bad, words in (('path: "out/{{TABEL}}"', 'no such variable: {{TABEL}}'), ('path: ""', 'path is missing'), ('path: out, format: xml', 'xml'), ('path: out, compression: gzip', 'compressed within'),
                   ('path: out, keep: 0', 'keep'), ('path: out, format_spec: {delimiter: ","}', 'delimiter'), ('path: out, format: csv, format_spec: {delimiter: ab}', 'delimiter'),
                   ('path: out, batch_timeout: soon', 'batch_timeout')):
    t.has(f'refused: {bad}', t.sync('{source: fleet, tables: [fleet_ships], destination: {kind: file, %s}}' % bad), words)
t.has('only append', t.sync('{source: fleet, tables: [fleet_ships], write_mode: overwrite, destination: {kind: file, path: out}}'), 'can only append')

# ---- one file a table and run
fresh()
t.routes(''.join(rows_of(p, 30, p) for p in PORTS))
r = t.sync(spec(', no_rotate: true, batch_size: 5', source=', spec: {ports: %s}' % PORTS))
t.is_('no_rotate', (r['status'], len(files()), len(ships())), ('success', 1, 120))
fresh()
r = t.sync(spec(', batch_size: 50', source=', spec: {ports: %s}' % PORTS))
e = objects.entries(objects.manifests('out'), 'fleet_ships')[0]
t.is_('batch_size', (r['status'], max(f['rows'] for f in e['files']) <= 52, len(e['files']), len(ships())), ('success', True, 3, 120))

# ---- retention
fresh()
for n in range(5):
    t.routes(named(f'{n} ') if n != 2 else named(f'{n} ').replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  status 400\n'))
    t.sync(spec(', keep: 2'))
t.is_('two snapshots are kept', (len(files()), len(glob.glob('out/_cq/snapshots/fleet/*/manifest.json')), len(glob.glob('out/_cq/runs/fleet/*/cq_syncs.ndjson'))), (2, 2, 5))
for n in range(5, 8):
    t.routes(named(f'{n} ').replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  status 400\n'))
    t.sync(spec(', keep: 1'))
t.is_('what is shown stays, however old', (len(files()), [x[2] for x in ships()]), (2, ['7 Fram', '7 Gjoa', '7 Kon', '7 Ra', '4 Argo']))
for m in objects.history('out'):
    for e in m['tables']:
        for f in e['files']:
            if not os.path.exists('out/' + f['path']):
                t.is_('a file that a manifest names', f['path'], 'there')

# ---- a manifest that names what is elsewhere removes nothing there
for i, victim in enumerate(('../victim', 'fleet_ships/../../victim', HERE + '/victim')):
    open('victim', 'w').close()
    os.makedirs(f'out/_cq/snapshots/fleet/{i + 1}')
    with open(f'out/_cq/snapshots/fleet/{i + 1}/manifest.json', 'w') as f:
        json.dump({'tables': [{'table': 'fleet_ships', 'units': victim, 'files': [{'path': victim}]}]}, f)
r = t.sync(spec(', keep: 1'))
t.is_('what is elsewhere stays', (os.path.exists('victim'), len(glob.glob('out/_cq/snapshots/fleet/*'))), (True, 1))
t.has('and a path does not lead there', t.sync(spec(path='out/{{TABLE}}/../../x')), '.. behind a variable')

# ---- two sources beside each other
t.routes(SHIPS)
r = t.sync(spec(', keep: 1', source=', name: two/../x'))
t.is_('sources have their own', (r['status'], sorted(os.listdir('out/_cq/latest')), len(ships())), ('success', ['fleet.json', 'two%2F..%2Fx.json'], 10))

# ---- a run of another machine, which lives or does not
import datetime
claim = json.load(open('out/_cq/sources/fleet.json'))
for age, want in ((10, 'is being synced'), (130, 'success')):
    at = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)).strftime('%Y-%m-%dT%H:%M:%SZ')
    with open('out/_cq/sources/fleet.json', 'w') as f:
        json.dump({**claim, 'owner': 'elsewhere:1:1-file', 'state': 'running', 'updated': at, 'pending': [claim['sync_group_id'] + 1]}, f)
    t.has(f'{age} s ago', t.sync(spec()), want)
t.is_('what it left is settled', json.load(open('out/_cq/sources/fleet.json'))['pending'], [])

# ---- kills: resume equals an undisturbed run, and nothing is left over
rnd = random.Random(int(os.environ.get('CQ_SEED', '11')))
CHILD = 'import sys; sys.path.insert(0, sys.argv[1]); from conformance import Sync; print(Sync("child.db").sync(sys.argv[2])["status"])'
wrong = []
fresh()
for n in range(int(os.environ.get('CQ_KILLS', '6'))):
    text = ''.join(rows_of(p, 9, f'v{n}-', 3000 if n % 2 else 200000).replace('\n  body', '\n  delay 25\n  body') for p in PORTS)
    t.routes(text)
    s = spec(', batch_timeout: "0.1", batch_size_bytes: 500000, keep: 2, format: json', source=', spec: {ports: %s}' % PORTS)
    p = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD, os.environ['CQ_ROOT'] + '/tests/dest', s], stdout=subprocess.PIPE)
    time.sleep(rnd.uniform(0.15, 0.9))
    p.send_signal(signal.SIGKILL)
    p.communicate()
    asked = t.asked('*ships*')
    r = t.sync(s, '{"resume": true}' if n % 3 else None)
    seen = sorted((a, b, c.split('-')[0]) for a, b, c in objects.Reader('json').rows('out', 'fleet_ships', ['port', 'id', 'name']))
    if r['status'] != 'success' or seen != sorted((p, i, f'v{n}') for p in PORTS for i in range(1, 10)):
        wrong.append(f'{n}: {r}, {len(seen)} rows, {sorted({x[2] for x in seen})}')
    pointed = {f['path'] for m in objects.history('out') + objects.manifests('out') for e in m['tables'] for f in e['files']}
    if set(files()) != pointed:
        wrong.append(f'{n}: files {set(files()) ^ pointed}')
    left = [x for x in own() if x.startswith('tmp') or 'journal' in x]
    if left:
        wrong.append(f'{n}: left {left}')
    open_ = [x for x in objects.lines('out/_cq/runs/*/*/cq_syncs.ndjson') if x['unsettled'] or x['status'] == 'running']
    if open_:
        wrong.append(f'{n}: open {open_}')
t.none('killed at random moments', wrong)

# ---- resume asks for what is missing alone
fresh()
t.routes(''.join(rows_of(p, 3, 'one') for p in PORTS[:3]) + 'GET /rome/ships?page=1\n  hang\n')
s = spec(', batch_timeout: "0.1"', source=', spec: {ports: %s}' % PORTS)
p = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD, os.environ['CQ_ROOT'] + '/tests/dest', s], stdout=subprocess.PIPE)
until = time.monotonic() + 20
while time.monotonic() < until and not (len(objects.lines('out/_cq/snapshots/*/*/journal-*.ndjson')) >= 5):
    time.sleep(0.05)
t.is_('a reader sees nothing of it', ships() if os.path.exists('out/_cq/latest') else [], [])
p.send_signal(signal.SIGKILL)
p.communicate()
t.routes(rows_of('rome', 3, 'two'))
r = t.sync(s, '{"resume": true}')
t.is_('resume', (r['status'], r.get('rows'), t.asked('*ships?page=1'), sorted({(x[0], x[2][:3]) for x in ships()})), ('success', 3, 1, [('bari', 'one'), ('cork', 'one'), ('oslo', 'one'), ('rome', 'two')]))

# ---- the disk is full
fresh()
t.routes(SHIPS)
t.sync(spec(', format: json'))
before = (files(), ships(objects.Reader('json')))
t.routes(BIG)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000000, hard))
r = t.sync(spec(', format: json', source=', spec: {ports: [oslo]}'))
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
t.has('the disk is full', r, 'File too large')
t.is_('and nothing else', (r['status'], files(), ships(objects.Reader('json')), [x for x in own() if x.startswith('tmp')]), ('failed', *before, []))
r = t.sync(spec(', format: json', source=', spec: {ports: [oslo]}'))
t.is_('then there is room', (r['status'], r.get('rows')), ('success', 60))

# ---- it may not be written there
os.makedirs('locked/_cq', exist_ok=True)
open('locked/_cq/sources', 'w').close()
r = t.sync(spec(path='locked'))
t.is_('a file where a folder should be', (r['status'], 'locked/_cq/sources' in str(r)), (r['status'], True))
# All that is read from the checkout is read before: it may be root's own.
code = 'import os, sys\nsys.path.insert(0, sys.argv[1])\nfrom conformance import Sync\ns = Sync(":memory:")\ns.rows("SELECT count(*) FROM cq_columns")\nos.chdir(sys.argv[3])\nos.setuid(65534)\nprint(s.sync(sys.argv[2]))'
os.makedirs('theirs', exist_ok=True)
os.chmod('.', 0o755)
if os.getuid() == 0:
    p = subprocess.run([os.environ['CQ_PYTHON'], '-c', code, os.environ['CQ_ROOT'] + '/tests/dest', spec(path=HERE + '/theirs'), '/'], capture_output=True, text=True)
    t.has('permission denied', p.stdout + p.stderr, 'ermission denied')
    t.is_('nothing was made', os.listdir('theirs'), [])

# ---- a reader in a loop sees whole snapshots
fresh()
t.routes(named('0 '))
t.sync(spec(', keep: 2'))
stop, seen, bad = threading.Event(), set(), []


def watch():
    reader = objects.Reader()
    while not stop.is_set():
        try:
            rows = ships(reader)
            names = {x[2].split()[0] for x in rows}
            if len(rows) != 5 or len(names) != 1:
                bad.append(rows)
            seen.update(names)
        except Exception as e:
            bad.append(str(e))


w = threading.Thread(target=watch)
# What a reader is at stays for as many runs as are kept.
w.start()
for n in range(1, 16):
    t.routes(named(f'{n} '))
    r = t.sync(spec(', keep: 8'))
    if r['status'] != 'success':
        bad.append(r)
stop.set()
w.join()
t.none('a reader in a loop', bad[:3])
t.is_('has seen several', len(seen) > 2, True)
t.done()
