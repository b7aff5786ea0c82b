# Slips of sources and configurations: one bad record fails its unit alone, what is named twice is read once, a list that became
# empty deletes nothing, keys that were badly pasted are not shown, Ctrl-C while rows come is told.
import glob
import json
import os
import sqlite3
import subprocess
import sys
import threading

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync, connect

t = Sync()
with open('kk.yml', 'w', encoding='utf-8') as f:
    f.write(f'''
format: 1
integration: kk
config:
  tok: {{type: text, secret: true, optional: true}}
  many: {{type: list, secret: true, optional: true}}
  map: {{type: map, secret: true, optional: true}}
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}, error: {{message: message}}}}
tables:
  kk_bad: {{request: {{path: /bad}}, rows: "[*]", key: [id], columns: {{id: integer}}}}
  kk_good: {{request: {{path: /good}}, rows: "[*]", key: [id], columns: {{id: integer}}}}
  kk_path: {{request: {{path: "/p/{{{{ config.tok | regex('(k+)') }}}}/{{{{ config.map | get('a') }}}}"}}, rows: "[*]", key: [id], columns: {{id: integer}}}}
''')
t.rows("SELECT cq_load('kk.yml'), cq_config('cache_ttl', 0)")

for mode in ('append', 'overwrite-delete-stale'):
    spec = f'{{source: kk, name: {mode}, tables: [kk_bad, kk_good], destination: {{path: {mode}.db, write_mode: {mode}}}}}'
    t.routes('GET /*\n  body [{"id":1},{"id":2}]\n')
    t.sync(spec)
    t.routes('GET /bad\n  body [{"id":3},{"x":1}]\nGET /*\n  body [{"id":7}]\n')
    r = t.sync(spec)
    other = sqlite3.connect(f'{mode}.db')
    t.is_(f'{mode}: a record without its key fails its unit', (r.get('status'), [(e['table'], e['client'], e['message'].split('\n')[0]) for e in r.get('errors', [])]),
          ('partial', [('kk_bad', 'kk', 'kk_bad: a record without its key (id)')]))
    t.is_(f'{mode}: and no other', other.execute('SELECT id FROM kk_good').fetchall() + other.execute('SELECT id FROM kk_bad ORDER BY 1').fetchall(), [(7,), (1,), (2,)])
    t.is_(f'{mode}: as the run says', other.execute('SELECT status FROM cq_syncs ORDER BY sync_time DESC LIMIT 1').fetchone(), ('partial',))
    other.close()

SHIPS = 'GET /*/ships?page=1\n  body [{"id":1},{"id":2}]\n'
t.routes(SHIPS)
t.is_('what is named twice is one client', (t.sync('{source: fleet, tables: [fleet_ships], spec: {ports: [rome, rome, oslo]}}')['rows'], t.asked('/rome/*')), (4, 1))
t.rows("SELECT cq_config('fleet.ports', '[\"rome\", \"rome\"]')")
t.is_('live as well', t.one('SELECT count(*) FROM live_fleet_ships'), 2)
t.rows("SELECT cq_config('fleet.ports', NULL)")
for mode in ('append', 'overwrite-delete-stale'):
    spec = f'{{source: fleet, name: e{mode}, tables: [fleet_ships], destination: {{path: e{mode}.db, write_mode: {mode}}}, spec: {{ports: %s}}}}'
    t.sync(spec % '[rome]')
    t.sync(spec % '[]')
    other = sqlite3.connect(f'e{mode}.db')
    t.is_(f'{mode}: no clients, nothing deleted', other.execute('SELECT count(*) FROM fleet_ships').fetchone(), (2,))
    other.close()

# Secrets that are no keys, and those that templates or servers make something of.
KEY = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwgg'
r = t.sync(f'{{source: github, tables: [github_teams], destination: {{path: key.db}}, spec: {{orgs: [b], base_url: "{MOCK}", app_id: "1", app_private_key: {KEY}, app_installation_id: "2"}}}}')
t.has('a key without its frame', r, 'private_key is neither a key in PEM form nor the path of a file')
t.is_('is shown nowhere', [w for w in (json.dumps(r), *(open(f, 'rb').read().decode('latin1') for f in glob.glob('*.db*'))) if KEY[:12] in w], [])
t.rows("SELECT cq_config('kk.tok', 'akkkz'), cq_config('kk.many', '[\"lst-secret\", \"other-secret\"]'), cq_config('kk.map', '{\"a\": \"map-secret\"}')")
t.routes('GET /p/kkk/map-secret\n  body [{"id":5}]\n')
t.is_('a part of a secret in a path', t.rows('SELECT id FROM kk_path'), [(5,)])
t.is_('which is not shown', [p for (p,) in t.rows('SELECT path FROM cq_requests') if 'kkk' in p or 'map-' in p], [])
t.routes('GET /*\n  status 400\n  body {"message":"no lst-secret, other-secret, map-secret"}\n')
t.has('secrets in lists and maps', t.raises('SELECT * FROM kk_good'), 'HTTP 400: no ***, ***, ***')
t.has('an account that is no map', t.raises("SELECT cq_config('aws.accounts', '[\"111122223333\"]')") or t.raises('SELECT * FROM aws_iam_users'), 'expected a map, not "111122223333"')

# A permission that GitHub took away: what was there stays.
REPO = 'GET /orgs/acme/repos\n  body [{"id":1,"full_name":"acme/one","owner":{"login":"acme"}}]\n'
spec = f'{{source: github, tables: [github_releases], destination: {{path: gh.db, write_mode: overwrite-delete-stale}}, spec: {{orgs: [acme], access_token: x, base_url: "{MOCK}"}}}}'
t.routes(REPO + 'GET /repos/acme/one/releases\n  body [{"id":9}]\n')
t.sync(spec)
t.routes(REPO + 'GET /repos/acme/one/releases\n  status 404\n  body {"message":"Not Found"}\n')
r = t.sync(spec)
other = sqlite3.connect('gh.db')
t.is_('404 below a repository is told, and its rows stay', (r['status'], [e['kind'] for e in r['errors']], other.execute('SELECT id FROM github_releases').fetchall()),
      ('partial', ['denied'], [(9,)]))
other.close()

# A query waits for max_wait in all, not each time.
t.rows("SELECT cq_config('max_wait', 1)")
t.routes('GET /*\n  status 429\n  header retry-after: 0.6\n')
t.has('waits add up', t.raises('SELECT * FROM kk_good'), 'HTTP 429')
t.is_('two tries', t.asked(), 2)
t.rows("SELECT cq_config('max_wait', NULL)")

# Ctrl-C while rows come.
t.routes(''.join(f'GET /oslo/ships?page={p}\n  delay 20\n  body [{{"id":{3 * p}}},{{"id":{3 * p + 1}}},{{"id":{3 * p + 2}}}]\n' for p in range(1, 400)))
for seconds in (0.3, 0.9, 1.7):
    path = f'c{seconds}.db'
    db = connect(path, check_same_thread=False)
    timer = threading.Timer(seconds, db.interrupt)
    timer.start()
    try:
        db.execute("SELECT cq_sync('{source: fleet, tables: [fleet_ships], spec: {ports: [oslo]}}')").fetchall()
        told = None
    except sqlite3.Error as e:
        told = str(e)
    timer.join()
    other = sqlite3.connect(path)
    t.is_(f'Ctrl-C after {seconds} s', (told, db.in_transaction, other.execute('SELECT status FROM cq_syncs').fetchall()), ('interrupted', False, [('interrupted',)]))
    other.close()
    db.close()
# ---- a row that somebody's trigger refuses takes those of its batch along at once
w = Sync('whole.db')
w.routes('GET /*/notes\n  body []\n')
w.sync('{source: fleet, tables: [fleet_notes]}')
w.db.execute("CREATE TRIGGER pick BEFORE INSERT ON raw_fleet_notes WHEN NEW.text = 'bad' BEGIN SELECT RAISE(ABORT, 'not that'); END")
w.routes('GET /oslo/notes\n  body [{"text":"good"},{"text":"bad"}]\nGET /rome/ships?page=1\n  delay 2500\n  body []\nGET /*/ships?page=1\n  body []\nGET /*/notes\n  body []\n')
got = []
th = threading.Thread(target=lambda: got.append(Sync.sync(type('Own', (), {'one': lambda self, sql, *a: connect('whole.db').execute(sql, a).fetchone()[0]})(),
                                                          '{source: fleet, tables: [fleet_notes, fleet_ships]}')))
th.start()
th.join(1.8)
t.is_('it runs still', got, [])
t.is_('nothing of the batch is there', (w.one("SELECT count(*) FROM cq_sync_errors WHERE kind = 'destination'"), w.rows('SELECT text FROM raw_fleet_notes')), (1, []))
th.join()
t.has('which row it was', got[0]['errors'], 'not that')

# ---- times of the run tables sort as texts: each has six decimals
for _ in range(12):  # a time ends in 0 one time in ten
    w.sync('{source: fleet, tables: [fleet_notes, fleet_ships]}')
times = [x for table, columns in (('cq_syncs', 'sync_time started updated finished'), ('cq_sync_tables', 'started finished'), ('cq_sync_units', 'started finished'),
                                  ('cq_sync_errors', 'at'), ('cq_units', 'sync_time'), ('raw_fleet_ships', '_cq_sync_time'))
         for c in columns.split() for x, in w.rows(f'SELECT {c} FROM {table} WHERE {c} IS NOT NULL')]
t.is_('six decimals', (len(times) > 100, {len(x) for x in times}), (True, {27}))

# ---- a journal that takes no entry: no success, and it says why
j = Sync('journal.db')
NOTES = '{source: fleet, tables: [fleet_notes]}'
j.routes('GET /*/notes\n  body [{"text":"a\\u0000b"}]\n')
t.is_('a warning alone is success', j.sync(NOTES)['status'], 'success')
j.db.execute("CREATE TRIGGER full BEFORE INSERT ON cq_sync_errors BEGIN SELECT RAISE(ABORT, 'no room for entries'); END")
r = j.sync(NOTES)
t.is_('an entry that is lost is not', (r['status'], [e['kind'] for e in r['errors']], r['destinations'][0]['status'], j.one('SELECT count(*) FROM fleet_notes')), ('partial', ['journal'], 'partial', 2))
t.has('told once, in words', r['errors'], 'the run tables lack entries: destination main: statement: no room for entries')
code = 'import os, sys\nsys.path.insert(0, os.environ["CQ_ROOT"] + "/tests/sync")\nfrom synctest import Sync\nSync("journal.db").sync(sys.argv[1])'
for kind, word in (('log', 'cq_sync  journal: the run tables lack entries'), ('json', '"kind":"journal"')):
    p = subprocess.run([os.environ['CQ_PYTHON'], '-c', code, NOTES[:-1] + ', progress: %s}' % kind], stderr=subprocess.PIPE, text=True)
    t.has(f'on stderr: {kind}', p.stderr, word)

t.done()
