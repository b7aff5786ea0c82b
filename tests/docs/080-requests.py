# docs/performance.md, "Requests": each statement of the table makes as many
# requests as stand there, after cq_explain has told what stands beside.
import http.server
import json
import os
import re
import sqlite3
import sys
import threading
import urllib.parse

import apsw

root, so = os.environ['CQ_ROOT'], os.environ['CQ_SO'][:-3]
KINDS, TAGS, COLORS = ('tool', 'toy', 'food', 'rare'), ('new', 'sale', 'old'), ('red', 'green')


def item(i):
    kind = 'rare' if i % 80 == 7 else KINDS[i % 3]
    return {'id': i, 'name': f'{i % 12} {kind}', 'kind': kind, 'tag': TAGS[i // 3 % 3], 'price': i * 7 % 100, 'color': COLORS[i % 2]}


ITEMS = {'north': [item(i) for i in range(1, 851)], 'south': [item(i) for i in range(1, 41)]}


def answer(target):
    url = urllib.parse.urlsplit(target)
    q = dict(urllib.parse.parse_qsl(url.query))
    part = url.path.strip('/').split('/')[1:]
    if part[-1] == 'weight':
        return {'grams': int(part[2]) / 2}
    if part[-1] == 'sales':
        return [{'id': k, 'amount': k * int(part[2])} for k in range(int(part[2]) % 3)]
    rows = [r for r in ITEMS[part[0]]
            if q.get('kind', r['kind']) == r['kind'] and r['tag'] in q.get('tags', r['tag']).split(',')
            and int(q.get('min', 0)) <= r['price'] <= int(q.get('max', 999)) and r['name'].startswith(q.get('name', '').rstrip('%*'))]
    at = (int(q['page']) - 1) * int(q['size'])
    return rows[at:at + int(q['size'])]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def do_GET(self):
        with lock:
            asked.append(self.path)
        body = json.dumps(answer(self.path)).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


asked, lock = [], threading.Lock()
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f'http://127.0.0.1:{server.server_port}'
os.environ['STORE_URL'] = url + '/0'


def connect(run, newest):
    """Each statement has a connection and a path of its own: what a closed
    cursor had under way may arrive later."""
    db = apsw.Connection(':memory:') if newest else sqlite3.connect(':memory:', isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(so)
    db.execute('SELECT cq_load(?)', (root + '/tests/docs/fixtures/store.yml',))
    db.execute("SELECT cq_config('store.url', ?)", (f'{url}/{run}',))
    return db


def told(db, sql):
    """What cq_explain says, in the words of the document."""
    out = []
    for s in json.loads(db.execute('SELECT cq_explain(?)', (sql,)).fetchone()[0]):
        what = 'sales' if s['table'] == 'store_sales' else 'weigh' if s['purpose'] == 'call' else 'items'
        if s['requests'] == 0:
            continue
        n = f'{s["requests"]} × {what}' if s['requests'] is not None else what
        per = s['repeats'].replace('pages', '').strip(', ')
        n += f' {per}' if per else ''
        n += f', {s["runs"]}' if s['runs'] != 'once' else ''
        n += ', pages' if 'pages' in s['repeats'] else ''
        out.append(n + (f', until {s["enough"]} rows' if s['enough'] is not None else ''))
    return '; '.join(out) or 'nothing'


text = open(root + '/docs/performance.md', encoding='utf-8').read()
part = re.search(r'^## Requests\n(.*?)(?=^## |\Z)', text, re.M | re.S).group(1)
n = bad = 0
for line in part.splitlines():
    cell = [c.strip() for c in line.strip('|').split(' | ')]
    if len(cell) != 4 or not cell[1].startswith('`'):
        continue
    db = connect(n, 'newer' in cell[0])
    sql = cell[1].strip('`')
    if 'sync' in cell[0]:
        db.execute("SELECT cq_sync('{source: store, tables: [store_items], progress: off}')").fetchall()
    if 'again' in cell[0]:
        db.execute(sql).fetchall()
    says = told(db, sql)
    before = len(asked)
    last = db.execute('SELECT coalesce(max(id), 0) FROM cq_requests').fetchone()[0]
    rows = db.execute(sql).fetchall()
    logged = db.execute('SELECT count(*) FROM cq_requests WHERE id > ?', (last,)).fetchone()[0]
    made = [a for a in asked[before:] if a.startswith(f'/{n}/')]
    seen = (len(made), says)
    least, _, most = cell[2].partition(' to ')
    n += 1
    good = int(least) <= seen[0] <= int(most or least) and says == cell[3] and (most or logged == seen[0]) and rows
    bad += not good
    print(f'{"" if good else "not "}ok {n} - {cell[0]}: {sql}')
    if not good:
        print(f'#   {len(rows)} rows; requests {seen}, not {tuple(cell[2:])}; {logged} in cq_requests\n#   {made[:8]}')
    db.close()
n += 1
print(f'{"" if n > 30 else "not "}ok {n} - {n - 1} statements\n1..{n}')
sys.exit(bad != 0)
