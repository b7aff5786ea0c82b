# Organizations, users and single repositories; tokens and Apps: who is asked for what, live and in a sync.
import json
import os
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()


def repo(n, full_name, archived=False):
    owner, name = full_name.split('/')
    return {'id': n, 'name': name, 'full_name': full_name, 'archived': archived, 'owner': {'login': owner}}


def get(path, body, need=''):
    return f'GET {path}\n{need}  body {json.dumps(body)}\n'


ISSUE = [{'id': 7, 'number': 1, 'title': 'x', 'updated_at': '2024-01-02T03:04:05Z'}]
ROUTES = ''.join([
    get('/orgs/acme/repos', [repo(1, 'acme/one'), repo(2, 'acme/old', True)]), get('/users/zoe/repos', [repo(3, 'zoe/dots')]),
    get('/repos/b/y', repo(4, 'b/y', True)), get('/repos/b/z', repo(5, 'b/z')), get('/repos/acme/one', repo(1, 'acme/one')),
    get('/repos/*/*/issues', ISSUE), get('/orgs/acme/teams', [{'id': 9, 'slug': 't', 'name': 'T'}])])


def asked():
    return sorted(r['path'].split('?')[0] for r in t.log())


def setting(name, value):
    t.rows('SELECT cq_config(?, ?)', 'github.' + name, value)


setting('base_url', MOCK)
t.rows("SELECT cq_config('cache_ttl', 0)")

# ---- live: no list where a name is given --------------------------------------
t.routes(ROUTES)
t.is_('a repository by name', (t.rows("SELECT org, id FROM github_repositories WHERE full_name = 'b/z'"), asked()), ([('b', 5)], ['/repos/b/z']))
t.routes(ROUTES)
t.is_('several by name', (t.rows("SELECT org, id FROM github_repositories WHERE full_name IN ('b/z', 'acme/one') ORDER BY id"), asked()),
      ([('acme', 1), ('b', 5)], ['/repos/acme/one', '/repos/b/z']))
t.routes(ROUTES)
t.is_('with its owner', (t.rows("SELECT org, id FROM github_repositories WHERE org = 'b' AND full_name = 'b/z'"), asked()), ([('b', 5)], ['/repos/b/z']))
t.routes(ROUTES)
t.is_('with another owner nothing is asked', (t.rows("SELECT id FROM github_repositories WHERE org = 'acme' AND full_name = 'b/z'"), asked()), ([], []))
t.routes(ROUTES)
t.is_('its issues, with what its row tells', (t.rows("SELECT org, repository_id, number FROM github_issues WHERE repository_full_name = 'b/z'"), asked()),
      ([('b', 5, 1)], ['/repos/b/z', '/repos/b/z/issues']))
t.routes(ROUTES)
t.is_('cq_explain says so', [(s['purpose'], s['url'].split('/t-')[-1].split('/', 1)[1], s['requests']) for s in
      json.loads(t.one("SELECT cq_explain('SELECT id FROM github_repositories WHERE full_name = ''b/z''')"))], [('get', 'repos/{full_name}', 1)])
t.has('a name that is not there', t.raises("SELECT * FROM github_repositories WHERE full_name = 'b/none'"), 'HTTP 404')
t.has('a user among organizations', t.raises("SELECT * FROM github_repositories WHERE org = 'zoe'"), 'names of users belong into users, not orgs')

# ---- configured: organizations, users, repositories ----------------------------
OWNERS = 'orgs: [acme], users: [zoe], repos: [b/y, b/z, ACME/one]'
setting('orgs', '["acme"]')
setting('users', '["zoe"]')
setting('repos', '["b/y", "b/z", "ACME/one"]')
t.routes(ROUTES)
t.is_('each once', (t.rows('SELECT org, id FROM github_repositories ORDER BY id'), asked()),
      ([('acme', 1), ('acme', 2), ('zoe', 3), ('b', 4), ('b', 5)], ['/orgs/acme/repos', '/repos/b/y', '/repos/b/z', '/users/zoe/repos']))
t.routes(ROUTES)
t.is_('archived ones where they are named', t.rows('SELECT repository_id FROM github_issues ORDER BY 1'), [(1,), (3,), (4,), (5,)])
t.routes(ROUTES)
t.is_('what only organizations have', (t.rows('SELECT org, id FROM github_teams'), asked()), ([('acme', 9)], ['/orgs/acme/teams']))
t.routes(ROUTES)
t.is_('one of them', (t.rows("SELECT id FROM github_repositories WHERE org = 'b' ORDER BY 1"), asked()), ([(4,), (5,)], ['/repos/b/y', '/repos/b/z']))
t.routes(ROUTES)
r = t.sync(f'{{source: github, tables: [github_issues, github_teams], spec: {{{OWNERS}, base_url: "{MOCK}"}}}}')
t.is_('a sync', (r['status'], t.rows('SELECT _cq_client_id, id FROM main.github_repositories ORDER BY 2'), t.rows('SELECT _cq_client_id FROM main.github_teams')),
      ('success', [('acme', 1), ('acme', 2), ('zoe', 3), ('b/y', 4), ('b/z', 5)], [('acme',)]))
t.is_('units', t.rows("SELECT table_name, client_id FROM cq_units WHERE table_name <> 'github_repositories' ORDER BY 1, 2"),
      [('github_issues', 'acme'), ('github_issues', 'b/y'), ('github_issues', 'b/z'), ('github_issues', 'zoe'), ('github_teams', 'acme')])
plan = json.loads(t.one('SELECT cq_plan(?)', f'{{source: github, tables: [github_repositories], spec: {{{OWNERS}}}}}'))
t.is_('the plan', [(s['purpose'], s['url'].removeprefix(MOCK), s['requests']) for s in plan['sources'][0]['tables'][0]['requests']],
      [('list', '/orgs/acme/repos', 1), ('list', '/users/zoe/repos', 1), ('get', '/repos/{repo}', 2)])

for name in ('orgs', 'users', 'repos', 'base_url'):
    setting(name, None)

# ---- cq_test asks each of them --------------------------------------------------
def test(owners, token='t0ken'):
    r = json.loads(t.one('SELECT cq_test(?)', f'{{source: github, tables: [github_teams], spec: {{{owners}, access_token: {token}, base_url: "{MOCK}"}}}}'))
    return [(c['ok'], (c['message'] or '').split('\n')[0].replace(MOCK, '')) for c in r['sources'][0]['clients']]


t.routes(get('/users/acme', {'login': 'acme'}, '  need authorization: Bearer t0ken\n') + get('/repos/b/y', {'id': 1}) +
         'GET /users/typo\n  status 404\n  body {"message":"Not Found"}\nGET /*\n  status 401\n  body {"message":"Bad credentials"}\n')
t.is_('cq_test: well', test('orgs: [acme], repos: [b/y]'), [(True, ''), (True, '')])
t.is_('cq_test: a name that is not there', test('orgs: [typo]'), [(False, 'test: GET /users/typo: HTTP 404: Not Found')])
t.is_('cq_test: a wrong token', [(ok, m.split(': ', 1)[1]) for ok, m in test('orgs: [acme]', 'wrong')], [(False, 'GET /users/acme: HTTP 401: Bad credentials')])

# ---- an App's token that ends in the middle of a list ---------------------------
subprocess.run(['openssl', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'mid.pem'], check=True, stderr=subprocess.DEVNULL)
first = [repo(n, f'acme/r{n}') for n in range(1, 4)]
t.routes('POST /app/installations/33/access_tokens\n  status 201\n  body {"token":"ghs_old","expires_at":"2124-01-01T00:00:00Z"}\n  next\n'
         '  status 201\n  body {"token":"ghs_new","expires_at":"2124-01-01T00:00:00Z"}\n'
         f'GET /orgs/acme/repos?page=2\n  need authorization: Bearer ghs_new\n  body {json.dumps([repo(9, "acme/last")])}\n'
         'GET /orgs/acme/repos?page=2\n  status 401\n  body {"message":"Bad credentials"}\n'
         f'GET /orgs/acme/repos\n  need authorization: Bearer ghs_old\n  delay 10500\n  header link: <{MOCK}/orgs/acme/repos?page=2>; rel="next"\n  body {json.dumps(first)}\n')
s = Sync('mid.db')
r = s.sync('{source: github, tables: [github_repositories], spec: {base_url: "%s", orgs: [acme], app_auth: [{org: acme, app_id: 1, installation_id: 33, private_key_path: mid.pem}]}}' % MOCK)
t.is_('the list goes on with a new one', (r['status'], r.get('errors'), s.rows('SELECT id FROM github_repositories ORDER BY 1')), ('success', [], [(1,), (2,), (3,), (9,)]))
t.is_('which is asked for once', (t.asked('POST */access_tokens'), t.asked('*page=2*'), t.asked('GET */repos*')), (2, 2, 3))

# ---- CloudQuery's spec: Apps, an Enterprise Server, options --------------------
for name in ('a', 'b'):
    subprocess.run(['openssl', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', f'{name}.pem'], check=True, stderr=subprocess.DEVNULL)
apps = ''.join(f'POST /app/installations/{n}/access_tokens\n  status 201\n  body {{"token":"ghs_{n}","expires_at":"2124-01-01T00:00:00Z"}}\n' for n in (11, 22))
t.routes(apps + get('/orgs/acme/repos', [repo(1, 'acme/one')], '  need authorization: Bearer ghs_11\n') +
         get('/orgs/beta/repos', [repo(2, 'beta/two')], '  need authorization: Bearer ghs_22\n') +
         get('/orgs/gamma/repos', [repo(3, 'gamma/three')], '  need authorization: Bearer t0ken\n') +
         get('/repos/acme/one/actions/runs?created=>=2024-01-01', {'workflow_runs': [{'id': 5}]}) + get('/repos/*/actions/runs', {'workflow_runs': []}))
with open('b.pem', encoding='utf-8') as f:
    key = json.dumps(f.read())
SPEC = f'''
kind: source
spec:
  name: gh
  path: cloudquery/github
  registry: cloudquery
  version: v15.5.0
  tables: [github_workflow_runs]
  destinations: [here]
  spec:
    access_token: t0ken
    orgs: [acme, beta, gamma]
    app_auth:
      - {{org: acme, app_id: "1", installation_id: "11", private_key_path: a.pem}}
      - {{org: beta, app_id: 2, installation_id: 22, private_key: {key}}}
    enterprise: {{base_url: "{MOCK}/", upload_url: "{MOCK}/up"}}
    table_options: {{github_workflow_runs: {{created_since: 2024-01-01}}}}
    local_cache_path: cache
    concurrency: 1500
---
kind: destination
spec: {{name: here, path: cloudquery/sqlite, spec: {{connection_string: apps.db}}}}
'''
r = t.sync(SPEC)
t.is_('an App for each organization, a token for the rest', (r['status'], r.get('errors')), ('success', []))
t.db.execute("ATTACH 'apps.db' AS apps")
t.is_('what each reads', (t.rows('SELECT org, full_name FROM apps.github_repositories ORDER BY 1'), t.rows('SELECT id FROM apps.github_workflow_runs')),
      ([('acme', 'acme/one'), ('beta', 'beta/two'), ('gamma', 'gamma/three')], [(5,)]))
t.is_('keys are told nowhere', [p for p in ('PRIVATE KEY', 'ghs_', 't0ken') if p.encode() in open('apps.db', 'rb').read() or
                                p in json.dumps([list(map(str, x)) for x in t.rows('SELECT * FROM cq_requests')])], [])
t.done()
