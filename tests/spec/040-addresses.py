# Who chooses the host that a request goes to: credentials go where definition and configuration say, never where a row, an
# answer or a query says.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
PORT, SPACE = MOCK.rsplit(':', 1)[1].split('/')
ELSEWHERE = f'http://localhost:{PORT}/{SPACE}'      # the same server by another name
HEAD = f'''format: 1
integration: x
allow_file: true
config:
  zones: {{type: list, optional: true}}
  base: {{type: text, default: "{MOCK}"}}
  key: {{type: text, secret: true, default: tok-fake}}
auth: [{{name: token, scheme: bearer, token: "{{{{ config.key }}}}"}}, {{name: app, scheme: github_app, app_id: "1", private_key: "x", org: o, url: "{{{{ client.host or config.base }}}}"}}]
clients:
  zone: {{values: "{{{{ config.zones }}}}", optional: true}}
  host: {{values: "{{{{ null }}}}", optional: true}}
  team:
    discover: {{request: {{url: "{MOCK}", path: /teams}}, rows: "[*]"}}
    columns: {{team: name, at: url, kind: kind, given: {{value: "{{{{ '{{}}' | format(client.at) }}}}"}}, by_kind: {{value: "{{{{ '{{\\"a\\": \\"{MOCK}\\"}}' | from_json | get(client.kind) }}}}"}}}}
    id: team
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}
tables:
  x_hosts: {{over: [], request: {{path: /hosts}}, rows: "[*]", key: [id], columns: {{id: integer, url: text, name: text, file: text}}}}
'''
ID = 'rows: "[*]", key: [id], columns: {id: integer'


def load(tables):
    with open('x.yml', 'w', encoding='utf-8') as f:
        f.write(HEAD + tables)
    return t.raises("SELECT cq_load('x.yml')")


def went(path):
    """Which hosts were asked for `path`, and whether with a token."""
    return [(e['headers'].get('host'), 'authorization' in e['headers']) for e in t.log() if e['path'] == path]


ROUTES = f'''GET /hosts
  body [{{"id":1,"url":"{ELSEWHERE}","name":"a","file":"file:///etc/hostname"}}]
GET /teams
  body [{{"name":"t","url":"{ELSEWHERE}","kind":"a"}}]
GET /*
  body [{{"id":7}}]
'''

# ---- refused when the definition is loaded
PARENT = 'parent: x_hosts, '
for name, url in (
        ('a whole address of the parent', '{{ parent.url }}'),
        ('a host of the parent', 'http://{{ parent.name }}'),
        ("a host's end", 'http://api.{{ parent.name }}/v1'),
        ('a port', f'http://localhost:{{{{ parent.id }}}}'),
        ('in one arm', "{{ config.base if parent.id > 1 else parent.url }}"),
        ('behind or', '{{ config.base or parent.url }}'),
        ('by format', "{{ 'http://{}' | format(parent.url) }}"),
        ('by a filter', "{{ parent.url | lower }}"),
        ("a file's", '{{ parent.file | file_url }}')):
    t.has(f'at load: {name}', load(f'  x_a: {{{PARENT}request: {{url: "{url}", path: /a}}, {ID}}}}}\n'),
          'x_a: request: url: a row, an answer or the query would choose the host that credentials go to')
t.has('at load: WHERE', load(f'  x_a: {{over: [], request: {{url: "http://{{{{ where.h }}}}/", path: /a}}, {ID}, h: {{type: text, from: where.h, where: "="}}}}}}\n'), 'would choose the host')
t.has('at load: a call', load(f'  x_a: {{over: [], request: {{path: /a}}, {ID}, b: {{path: id, call: c}}}}, calls: {{c: {{request: {{url: "{{{{ row.id }}}}"}}}}}}}}\n'), 'would choose the host')
for name, url in (
        ('a label below a domain', 'http://{{ parent.name }}.localhost:1'),
        ('part of a label', 'http://api-{{ parent.name }}-x.localhost:1'),
        ('a path', '{{ config.base }}/{{ parent.name }}'),
        ('what only selects', f"{{{{ 'http://{{}}.localhost' | format(parent.name | case('a', 'b', 'c')) }}}}"),
        ('a condition', "{{ config.base if parent.url else 'http://localhost' }}")):
    t.is_(f'at load: {name} is fine', load(f'  x_a: {{{PARENT}request: {{url: "{url}", path: /a}}, {ID}}}}}\n'), None)

# ---- told when the request is made
t.is_('loads', load(f'''
  x_zone: {{over: [zone], request: {{url: "http://{{{{ client.zone }}}}.localhost:{PORT}/{SPACE}", path: /zone}}, {ID}, zone: {{from: client.zone}}}}}}
  x_label: {{{PARENT}request: {{url: "http://{{{{ parent.name }}}}.localhost:{PORT}/{SPACE}", path: /label}}, {ID}}}}}
  x_host: {{over: [host], request: {{url: "{{{{ client.host }}}}", path: /host}}, {ID}, host: {{from: client.host}}}}}}
  x_open: {{over: [host], request: {{url: "{{{{ client.host }}}}", path: /open, auth: none}}, {ID}, host: {{from: client.host}}}}}}
  x_key: {{over: [host], request: {{url: "{{{{ client.host }}}}", path: /key, auth: none, headers: {{X-Key: "{{{{ config.key }}}}"}}}}, {ID}, host: {{from: client.host}}}}}}
  x_login: {{over: [host], request: {{path: /login, auth: app}}, {ID}, host: {{from: client.host}}}}}}
  x_team: {{over: [team], request: {{url: "{{{{ client.at }}}}", path: /team}}, {ID}}}}}
  x_given: {{over: [team], request: {{url: "{{{{ client.given }}}}", path: /given}}, {ID}}}}}
  x_by_kind: {{over: [team], request: {{url: "{{{{ client.by_kind }}}}", path: /by_kind}}, {ID}}}}}
  x_bare: {{{PARENT}request: {{url: "{{{{ parent.url }}}}", path: /bare, auth: none}}, {ID}}}}}
  x_file: {{{PARENT}request: {{url: "{{{{ parent.file }}}}", auth: none}}, {ID}}}}}
  x_each: {{over: [], each: {{u: ["{MOCK}"]}}, request: {{url: "{{{{ each.u }}}}", path: /each}}, {ID}}}}}
  x_each_row: {{{PARENT}each: {{u: "{{{{ [parent.url] }}}}"}}, request: {{url: "{{{{ each.u }}}}", path: /each}}, {ID}}}}}
  x_path: {{over: [], request: {{url: "{MOCK}/p/{{{{ where.k }}}}"}}, {ID}, k: {{type: text, from: where.k, where: "=", required: true}}}}}}
'''), None)
t.routes(ROUTES)
REFUSED = f'http://localhost:{PORT} was chosen by {{}}, and credentials go only to the integration\'s own hosts'
t.is_('a label', [t.tries("SELECT id FROM x_zone WHERE zone = 'a.b-c_1'"), t.tries('SELECT id FROM x_label')], [[(7,)], [(7,)]])
t.is_('goes below the domain, with the token', [went('/zone'), went('/label')], [[(f'a.b-c_1.localhost:{PORT}', True)], [(f'a.localhost:{PORT}', True)]])
t.routes(ROUTES)
for v in ('127.0.0.1/', f'127.0.0.1:{PORT}/{SPACE}/zone?x=', 'h?', 'h#', 'u@h', 'h:1', 'h\\', 'h h', 'h%2f', '[::1]'):
    t.has(f'{v} is none', t.tries('SELECT id FROM x_zone WHERE zone = ?', v), "a value that is no part of a host's name stands in one: " + v)
t.has('a host that the query names', t.tries('SELECT id FROM x_host WHERE host = ?', ELSEWHERE), REFUSED.format('a query'))
t.has('a host that discovery found', t.tries('SELECT id FROM x_team'), REFUSED.format('an answer'))
t.has('the same through a value', t.tries('SELECT id FROM x_given'), REFUSED.format('an answer'))
t.has('each, of a row', t.tries('SELECT id FROM x_each_row'), REFUSED.format('an answer'))
t.has('a secret of the configuration', t.tries('SELECT id FROM x_key WHERE host = ?', ELSEWHERE), REFUSED.format('a query'))
t.has('where a login is made', t.tries('SELECT id FROM x_login WHERE host = ?', ELSEWHERE), 'auth: url: only the configuration says where credentials go')
t.has('a file', t.tries('SELECT id FROM x_file'), 'an answer may not choose a file')
for scheme in ('FILE', 'fIle'):
    t.routes(ROUTES.replace('file:', scheme + ':'))
    t.rows("SELECT cq_config('cache_ttl', 0)")
    t.has(f'a file, by {scheme}:', t.tries('SELECT id FROM x_file'), f'an answer may not choose a file: {scheme}:')
t.rows("SELECT cq_config('cache_ttl', NULL)")
t.is_('none of them was asked', [e['path'] for e in t.log() if e['headers'].get('host', '').startswith('localhost') or 'h' == e['headers'].get('host')], [])
t.routes(ROUTES)
t.is_('where nothing is secret the query chooses', [t.tries('SELECT id FROM x_open WHERE host = ?', ELSEWHERE), went('/open')], [[(7,)], [(f'localhost:{PORT}', False)]])
t.is_('and so does a row', [t.tries('SELECT id FROM x_bare'), went('/bare')], [[(7,)], [(f'localhost:{PORT}', False)]])
t.is_('what an answer selects among ours is ours', [t.tries('SELECT id FROM x_by_kind'), went('/by_kind')], [[(7,)], [(f'127.0.0.1:{PORT}', True)]])
t.is_("the definition's own list", [t.tries('SELECT id FROM x_each'), went('/each')], [[(7,)], [(f'127.0.0.1:{PORT}', True)]])
t.routes('GET /*\n  body [{"id":7}]\n')
for v, at in (('a b', '/p/a%20b'), ('a?b=c', '/p/a%3Fb%3Dc'), ('a/b#c', '/p/a/b%23c')):
    t.tries('SELECT id FROM x_path WHERE k = ?', v)
    t.is_(f'{v} in the path', t.log()[-1]['path'].replace('%3D', '=').replace('=', '%3D'), at)
t.has('.. in the path', t.tries("SELECT id FROM x_path WHERE k = '../q'"), 'a value with . or .. as a step of a path')
t.done()
