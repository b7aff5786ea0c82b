# timeout: 240
# Cuts where one answer leads to others: calls for columns, parents, clients that are found, next pages, logins. Live the
# statement fails and says at what; in a sync the unit fails alone, what it had stays, and a retry asks for it only.
import json
import os
import subprocess
import sys
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import ROOT, Odd, Wire, ok, whole

cut = {}      # path -> bytes to send instead


def link(path):
    return f'Link: <{wire.url}{path}>; rel="next"'


def reply(asked):
    if asked.path in cut:
        return cut[asked.path]
    path = asked.path.split('?')[0]
    if path == '/urls':
        first = asked.path == path
        return ok(json.dumps({'items': [{'id': 1 if first else 2, 'name': 'n'}], 'next': wire.url + '/urls?b' if first else None}))
    return {'/list': ok('[{"id":1,"name":"n"}]'), '/things': ok('[{"id":1},{"id":2}]'), '/things/1': ok('{"name":"n"}'), '/things/2': ok('{"name":"n"}'),
            '/parents': ok('[{"id":1},{"id":2}]'), '/parents/1/children': ok('[{"id":1,"name":"n"}]'), '/parents/2/children': ok('[{"id":2,"name":"n"}]'),
            '/places': ok('[{"name":"a"},{"name":"b"}]'), '/a/found': ok('[{"id":1,"name":"n"}]'), '/b/found': ok('[{"id":2,"name":"n"}]'),
            '/links': ok('[{"id":1,"name":"n"}]', link('/links2')), '/links2': ok('[{"id":2,"name":"n"}]'),
            '/tokens': ok('{"items":[{"id":1,"name":"n"}],"next":"t"}' if '=t' not in asked.path else '{"items":[{"id":2,"name":"n"}]}')}[path]


wire = Wire(reply)
os.environ['CUTS_URL'] = wire.url
t = Odd(spec=ROOT + '/tests/fault/fixtures/cuts.yml', cache_ttl='0')
ROWS = [(1, 'n'), (2, 'n')]
# table, what is cut, the requests of a whole read, those of a retry in a sync
CASES = (('details', '/things', 3, 3), ('details', '/things/2', 3, 3), ('children', '/parents', 3, 3), ('children', '/parents/2/children', 3, 2),
         ('found', '/places', 3, 3), ('found', '/b/found', 3, 2), ('links', '/links', 2, 2), ('links', '/links2', 2, 2),
         ('tokens', '/tokens', 2, 2), ('tokens', '/tokens?token=t', 2, 2), ('urls', '/urls', 2, 2), ('urls', '/urls?b', 2, 2))


class Request:
    def __init__(self, path):
        self.path = path


def pieces(path):
    """The whole answer to a path, with a length, in chunks, and packed, and what each may be cut to."""
    full = reply(Request(path))
    head, body = full.split(b'\r\n\r\n', 1)
    links = [line.decode() for line in head.split(b'\r\n') if line.startswith(b'Link:')]
    for transfer in ('length', 'gzip chunked'):
        answer = whole(body, transfer, *links)
        ends = answer[:-2] if 'chunked' in transfer else answer
        yield transfer, answer, range(0, len(ends), 1)


for table, path, _, _ in CASES:
    cut.clear()
    t.rows("SELECT cq_config('cuts.url', ?)", wire.url)     # who failed is not asked again at once
    t.is_(f'{table}: whole', t.tries(f'SELECT id, name FROM cuts_{table} ORDER BY id'), ROWS)
    for transfer, answer, ends in pieces(path):
        wrong = []
        for n in ends:
            cut[path] = answer[:n]
            if path == '/places':   # clients are found once
                t.rows("SELECT cq_config('cuts.url', ?)", wire.url)
            seen = t.tries(f'SELECT id, name FROM cuts_{table} ORDER BY id')
            named = f'GET {wire.url}{path.split("?")[0]}: '
            where = {'/parents': 'cuts_parents', '/places': 'place'}.get(path, f'cuts_{table}')
            if not isinstance(seen, str) or where not in seen or named not in seen:
                wrong.append((n, answer[max(0, n - 30):n], seen))
        t.is_(f'{table}: {path} cut live at each of {len(answer)} bytes, {transfer}', wrong[:3], [])

# ---- in a sync: what was there stays, a retry asks for what is missing ----------------
for mode in ('append', 'overwrite-delete-stale'):
    for table, path, all_, again in CASES:
        cut.clear()
        t.rows("SELECT cq_config('cuts.url', ?)", wire.url)
        tables = f'cuts_{table}' + (', cuts_parents' if table == 'children' else '')
        spec = f'{{source: cuts, name: {table}, tables: [{tables}], progress: off, destination: {{path: {mode}.db, write_mode: {mode}}}}}'
        first = t.sync(spec)
        t.rows(f"ATTACH '{mode}.db' AS d")
        had = t.rows(f'SELECT id, name FROM d.cuts_{table} ORDER BY id')
        t.is_(f'{mode}: {table}: whole', (first['status'], had), ('success', ROWS))
        wrong = []
        for transfer, answer, ends in pieces(path):
            for n in ends[::1 if transfer == 'length' and mode == 'append' and table in ('links', 'children') else 17]:
                cut[path] = answer[:n]
                r = t.sync(spec)
                rows = t.rows(f'SELECT id, name FROM d.cuts_{table} ORDER BY id')
                if r['status'] not in ('partial', 'failed') or not r.get('errors') or rows != ROWS or f'GET {wire.url}{path.split("?")[0]}: ' not in str(r):
                    wrong.append((transfer, n, r, rows))
        t.is_(f'{mode}: {table}: {path} cut', wrong[:2], [])
        cut.clear()
        wire.forget()
        r = t.sync(spec, '{"retry": "failed"}')
        t.is_(f'{mode}: {table}: {path}: a retry asks for what is missing', (r['status'], len(wire.seen), t.rows(f'SELECT id, name FROM d.cuts_{table} ORDER BY id')),
              ('success', again, ROWS))
        t.rows('DETACH d')

# ---- logins -----------------------------------------------------------------------------
key = subprocess.run(['openssl', 'genrsa', '-traditional', '2048'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.decode()
TOKEN = ok('{"token":"ghs_fake","expires_at":"2099-01-01T00:00:00Z"}', status='201 Created')
logins = {'n': len(TOKEN)}


def github(asked):
    if asked.path.endswith('/access_tokens'):
        return TOKEN[:logins['n']]
    return ok('[{"id":1,"name":"one","full_name":"acme/one","owner":{"login":"acme"}}]') if asked.headers.get('authorization', '').endswith(' ghs_fake') else \
        ok('{"message":"no"}', status='403 Forbidden')


hub = Wire(github)
for name, value in (('base_url', hub.url), ('app_id', '1'), ('app_private_key', key), ('app_installation_id', '2'), ('orgs', '["acme"]')):
    t.rows('SELECT cq_config(?, ?)', 'github.' + name, value)
t.is_('a login', t.tries('SELECT id FROM github_repositories'), [(1,)])
body = TOKEN.index(b'\r\n\r\n') + 4
for n in (0, 9, body - 30, body - 1, body, body + 9, len(TOKEN) - 1):
    t.rows("SELECT cq_config('github.app_id', ?)", str(100 + n))    # logs in anew
    hub.forget()
    logins['n'] = n
    seen = t.tries('SELECT id FROM github_repositories')
    t.is_(f'a login cut at byte {n}', (f'POST {hub.url}/app/installations/2/access_tokens: ' in str(seen), [a.path for a in hub.seen if not a.path.endswith('/access_tokens')]), (True, []))
    t.is_(f'a login cut at byte {n}: tried at most four times', 1 <= len(hub.seen) <= 4 or len(hub.seen), True)
logins['n'] = len(TOKEN)
t.rows("SELECT cq_config('github.app_id', '2')")
t.is_('and then a whole one', t.tries('SELECT id FROM github_repositories'), [(1,)])
t.done()
