# GitHub's recorded answers (@octokit/fixtures), read live and synced, against the recording itself: every column of every
# row, and the requests that it took.
import datetime
import glob
import http.server
import json
import os
import sqlite3
import sys
import threading

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap, connect

ROOT = os.environ['CQ_ROOT']
ORG = 'octokit-fixture-org'
tap = Tap()
ok = tap.is_
asked = []

recorded = {}
for path in sorted(glob.glob(os.environ['CQ_GITHUB'] + '/scenarios/api.github.com/*/normalized-fixture.json')):
    scenario = path.split('/')[-2]
    with open(path, encoding='utf-8') as f:
        for e in json.load(f):
            if e['method'] == 'get':
                recorded.setdefault((scenario, e['path'].split('?')[0], 'page=' in e['path'] and e['path'].split('page=')[-1]), e)


def exchange(scenario, path, page=False):
    return recorded[scenario, path, page]


# What was recorded of one thing only is put where its list is asked for.
hello = exchange('get-repository', f'/repos/{ORG}/hello-world')['response']
issues = f'/repos/{ORG}/paginate-issues'
assets = f'/repos/{ORG}/release-assets'
release = exchange('release-assets', assets + '/releases/tags/v1.0.0')['response']
release['assets'] = exchange('release-assets', assets + '/releases/1000/assets')['response']
repositories = [dict(hello, id=n, name=name, full_name=f'{ORG}/{name}')
                for n, name in ((1000, 'hello-world'), (1001, 'paginate-issues'), (1002, 'release-assets'))]
answers = {(f'/orgs/{ORG}', None): exchange('get-organization', f'/orgs/{ORG}'),
           (f'/orgs/{ORG}/repos', None): {'response': repositories},
           (issues + '/issues', None): exchange('paginate-issues', issues + '/issues', '3'),
           (assets + '/releases', None): {'response': [release]}}
for page in '2345':
    answers['/repositories/1000/issues', page] = exchange('paginate-issues', '/repositories/1000/issues', page)
for r in repositories:
    answers[f"/repos/{r['full_name']}", None] = {'response': r}
for name in ('hello-world', 'paginate-issues', 'release-assets'):
    for what in ('issues', 'releases'):
        answers.setdefault((f'/repos/{ORG}/{name}/{what}', None), {'response': []})


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        asked.append((self.path, self.headers.get('Authorization'), self.headers.get('Accept'), self.headers.get('User-Agent')))
        path, _, query = self.path.partition('?')
        page = dict(p.split('=', 1) for p in query.split('&') if p).get('page')
        e = answers.get((path, page), {'status': 404, 'response': {'message': 'Not Found'}})
        body = json.dumps(e['response']).encode()
        self.send_response(e.get('status', 200))
        for name, value in e.get('headers', {}).items():
            if name.lower() not in ('content-length', 'connection', 'content-encoding', 'transfer-encoding', 'date'):
                self.send_header(name, str(value).replace('https://api.github.com', url))
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Server)
url = f'http://127.0.0.1:{server.server_port}'
threading.Thread(target=server.serve_forever, daemon=True).start()

columns = {}
with open(ROOT + '/tests/github/columns.tsv', encoding='utf-8') as f:
    next(f)
    for line in f:
        table, column, kind, _ = line.split('\t')
        columns.setdefault(table, []).append((column, kind))


def instant(text):
    return datetime.datetime.fromisoformat(text.replace('Z', '+00:00')) if text else None


def differences(table, record, row, known):
    """A row of cq beside the record that it was read from."""
    wrong = []
    for column, kind in columns[table]:
        want = known.get(column, record.get(column))
        have = row[column]
        if kind.startswith('timestamp'):
            want, have = instant(want), instant(have)
        elif kind.startswith(('json', 'list')):
            have = have if have is None else json.loads(have)
        elif kind == 'bool' and want is not None:
            want = int(want)
        if want != have or type(want) is not type(have):
            wrong.append(f'{column}: {have!r}, recorded {want!r}')
    return wrong


def compare(name, table, rows, records, known=None):
    wrong = [] if len(rows) == len(records) else [f'{len(rows)} rows, {len(records)} recorded']
    by_id = {r['id']: r for r in records}
    for row in rows:
        wrong += differences(table, by_id[row['id']], row, (known or (lambda r: {'org': ORG}))(by_id[row['id']]))
    ok(name, wrong, [])


db = connect()
db.row_factory = sqlite3.Row
db.execute("SELECT cq_config('github.base_url', ?), cq_config('github.access_token', 's3cret'), cq_config('cache_ttl', '0')", (url,))


def read(sql):
    asked.clear()
    return db.execute(sql).fetchall()


every = [r for k in ((issues + '/issues', None), *(('/repositories/1000/issues', p) for p in '2345')) for r in answers[k]['response']]
ok('13 issues are recorded on 5 pages', len(every), 13)

rows = read(f"SELECT * FROM github_organizations WHERE org = '{ORG}'")
compare('the organization', 'github_organizations', rows, [answers[f'/orgs/{ORG}', None]['response']])
ok('one request, as GitHub wants it', [(a[0], a[1], a[2], a[3][:3]) for a in asked],
   [(f'/orgs/{ORG}', 'Bearer s3cret', 'application/vnd.github+json', 'cq/')])
rows = read(f"SELECT * FROM github_repositories WHERE org = '{ORG}'")
compare('the repositories', 'github_repositories', rows, repositories)
rows = read(f"SELECT *, repository_full_name FROM github_issues WHERE org = '{ORG}' AND repository_full_name = '{ORG}/paginate-issues'")
compare('issues over five linked pages', 'github_issues', rows, every, lambda r: {'org': ORG, 'repository_id': 1001})
ok('one repository is asked, and no list of them', sorted(a[0].split('?')[0] for a in asked),
   sorted(['/repositories/1000/issues'] * 4 + [issues + '/issues', issues]))
rows = read(f"SELECT number, title FROM github_issues WHERE repository_full_name = '{ORG}/paginate-issues'")
ok('by name the repository is asked, the organization is not', ([tuple(r) for r in rows], len(asked)), ([(r['number'], r['title']) for r in every], 6))
rows = read(f"SELECT * FROM github_releases WHERE org = '{ORG}'")
compare('releases', 'github_releases', rows, [release], lambda r: {'org': ORG, 'repository_id': 1002})
rows = read(f"SELECT * FROM github_release_assets WHERE org = '{ORG}'")
compare('release assets', 'github_release_assets', rows, release['assets'], lambda r: {'org': ORG, 'repository_id': 1002})
ok('assets come with their releases', [a[0] for a in asked if 'assets/' in a[0] and '/releases' not in a[0]], [])

try:
    read("SELECT count(*) FROM github_organizations WHERE org = 'nobody'")
except sqlite3.Error as e:
    told = str(e)
ok('a name that is not there is told', told.splitlines()[:2], [f'github_organizations (nobody): GET {url}/orgs/nobody: HTTP 404: Not Found',
   "hint: there is no such organization, or the token may not see this of it; cq_config('denied', 'skip') leaves out what may not be read"])

# The same in a sync, through CloudQuery's file.
SPEC = f'''
kind: source
spec:
  name: github
  path: cloudquery/github
  registry: cloudquery
  version: v15.5.0
  tables: [github_organizations, github_repositories, github_issues, github_releases, github_release_assets]
  destinations: [here]
  spec: {{access_token: s3cret, orgs: [{ORG}], base_url: "{url}", concurrency: 100, discovery_concurrency: 2}}
---
kind: destination
spec: {{name: here, path: cloudquery/sqlite, spec: {{connection_string: other.db}}}}
'''
asked.clear()
result = json.loads(db.execute('SELECT cq_sync(?)', (SPEC,)).fetchone()[0])
ok('a sync', (result['status'], result['rows']), ('success', 1 + 3 + 13 + 1 + len(release['assets'])))
ok('which asks for nothing twice', len(asked), len({a[0] for a in asked}))
other = sqlite3.connect('other.db')
other.row_factory = sqlite3.Row
for table, records, id_ in (('github_organizations', [answers[f'/orgs/{ORG}', None]['response']], None), ('github_repositories', repositories, None),
                            ('github_issues', every, 1001), ('github_releases', [release], 1002),
                            ('github_release_assets', release['assets'], 1002)):
    compare('synced: ' + table, table, other.execute(f'SELECT * FROM {table}').fetchall(), records,
            lambda r, id_=id_: {'org': ORG, 'repository_id': id_} if id_ else {'org': ORG})
text = b''.join(open(f, 'rb').read() for f in glob.glob('*.db*'))
ok('the token is in no file', b's3cret' in text, False)

# The comparison sees what is wrong.
row = dict(other.execute('SELECT * FROM github_issues').fetchone())
record = next(r for r in every if r['id'] == row['id'])
known = {'org': ORG, 'repository_id': 1001}
ok('the comparison: as recorded', differences('github_issues', record, row, known), [])
for column, value in (('title', 'x'), ('number', str(row['number'])), ('labels', '[1]'), ('created_at', '2001-02-03T04:05:06Z'), ('user', None)):
    ok(f'the comparison: another {column}', len(differences('github_issues', record, dict(row, **{column: value}), known)), 1)
other.close()
db.close()
tap.done()
