"""The run of 070-secrets.py: queries, plans, tests and syncs with a secret of
each kind, against a server that says back what it is sent.

What it prints is searched afterwards, so it prints all that a user could see.
"""
import base64
import http.server
import json
import os
import re
import sqlite3
import sys
import threading
import time
import urllib.parse

KINDS = ('env', 'spec-env', 'spec-file', 'spec-literal', 'basic', 'bearer', 'key-header', 'key-query', 'key-cookie', 'path', 'query', 'header', 'body', 'form',
         'list', 'map', 'short-url', 'userinfo', 'bound', 'aws-secret', 'aws-session', 'role-secret', 'role-session', 'app-token', 'proxy', 'key-pass',
         'typed', 'control', 'misplaced', 'unread', 'next-token')


def core(kind):
    """The part of a secret that no encoding of text changes."""
    return f'cnry-{kind}-9f8e7d6c5b4a'


def secret(kind):
    tail = '' if kind in ('aws-secret', 'aws-session', 'role-secret', 'role-session', 'app-token', 'key-cookie', 'userinfo', 'short-url', 'next-token') else '/+=%&"é'
    return core(kind) + tail


YML = '''
format: 1
integration: sec
config:
  url: {default: "http://127.0.0.1:1"}
  bare: {optional: true}
  port: {type: integer, secret: true, optional: true}
  env: {secret: true, default: "${SEC_ENV}"}
%s
  list: {type: list, secret: true, optional: true}
  map: {type: map, secret: true, optional: true}
auth:
  - {name: env, scheme: bearer, token: "{{ config.env }}"}
  - {name: bearer, scheme: bearer, token: "{{ config.bearer }}"}
  - {name: basic, scheme: basic, username: ann, password: "{{ config.basic }}"}
  - {name: key_header, scheme: api_key, header: x-key, key: "{{ config.key_header }}"}
  - {name: key_query, scheme: api_key, query: key, key: "{{ config.key_query }}"}
  - {name: key_cookie, scheme: api_key, cookie: key, key: "{{ config.key_cookie }}"}
  - {name: control, scheme: bearer, token: "{{ config.control }}"}
  - {name: aws, scheme: aws_sigv4, service: s3, region: eu-west-1, access_key_id: AKIAEXAMPLE, secret_access_key: "{{ config.aws_secret }}",
     session_token: "{{ config.aws_session }}"}
  - {name: role, scheme: aws_sigv4, service: s3, region: eu-west-1, access_key_id: AKIAEXAMPLE, secret_access_key: "{{ config.aws_secret }}",
     session_token: "{{ config.aws_session }}", role_arn: "arn:aws:iam::1:role/r", sts_endpoint: "{{ config.url }}/sts"}
  - {name: app, scheme: github_app, app_id: "1", private_key: "{{ config.app }}", org: acme, url: "{{ config.url }}/app"}
defaults:
  request: {url: "{{ config.url }}"}
  page: {by: none}
  error: {code: [code], message: [message], code_header: x-code}
  limits: {retries: "1", max_pause: "0"}
test: {request: {path: /test, auth: bearer}}
tables:
'''
TABLES = {
    'env': 'request: {path: /env, auth: env}', 'basic': 'request: {path: /basic, auth: basic}', 'bearer': 'request: {path: /bearer, auth: bearer}',
    'key_header': 'request: {path: /kh, auth: key_header}', 'key_query': 'request: {path: /kq, auth: key_query}',
    'key_cookie': 'request: {path: /kc, auth: key_cookie}', 'path': 'request: {path: "/p/{{ config.path }}/{{ config.map | get(\'a\') }}", auth: none}',
    'query': 'request: {path: /q, auth: none, query: {a: "{{ config.query }}", b: "{{ config.list }}"}}',
    'header': 'request: {path: /h, auth: none, headers: {x-own: "{{ config.header }}"}}',
    'body': 'request: {path: /b, auth: none, json: {a: "{{ config.body }}"}, safe: true}',
    'form': 'request: {path: /f, auth: none, form: {a: "{{ config.form }}"}, safe: true}',
    'lit': 'request: {path: /l, auth: none, headers: {x-a: "{{ config.spec_literal }}", x-b: "{{ config.spec_file }}", x-c: "{{ config.spec_env }}"}}',
    'aws': 'request: {path: /aws, auth: aws}', 'role': 'request: {path: /role, auth: role}', 'app': 'request: {path: /gh, auth: app}',
    'pages': 'request: {path: /pages, auth: bearer}\n    page: {by: link}', 'tokens': 'request: {path: /tokens, auth: bearer, query: {t: "{{ page.token }}"}}\n    page: {by: token, token: next}',
    'xml': 'request: {path: /xml, auth: bearer, decode: xml}', 'csv': 'request: {path: /csv, auth: bearer, decode: csv}',
    'parts': 'parent: sec_bearer\n    request: {path: "/parts/{{ parent.id }}", auth: key_header}',
    'bare': 'request: {url: "{{ config.bare }}", auth: none}', 'control': 'request: {path: /c, auth: control}',
}
state = {'mode': 'ok', 'seen': '', 'pad': 0}
GOOD = {'xml': '<a><i><id>1</id></i></a>', 'csv': 'id\n1\n'}


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers by state['mode']; errors say back the request in every form."""
    protocol_version = 'HTTP/1.1'

    def answer(self):
        body = self.rfile.read(int(self.headers.get('content-length') or 0)).decode()
        head = ''.join(f'{k}: {v}\n' for k, v in self.headers.raw_items()).encode('latin-1').decode()
        text = f'{self.requestline}\n{head}\n{body}'
        plain = urllib.parse.unquote(text)
        for word in re.findall(r'Basic ([\w+/=-]+)', text):
            try:
                plain += ' ' + base64.b64decode(word).decode()
            except ValueError:
                pass
        state['seen'] += text + plain
        mode, path = state['mode'], self.path.split('?')[0]
        if path.startswith('/sts'):
            soon = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))
            ok = mode == 'ok' or state['pad'] % 2
            return self.send(200 if ok else 403, f'<R><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>{secret("role-secret")}'
                             f'</SecretAccessKey><SessionToken>{secret("role-session")}</SessionToken><Expiration>{soon}</Expiration></Credentials></AssumeRoleResult></R>'
                             if ok else f'<E><Error><Code>Denied</Code><Message>said back {escape(plain)}</Message></Error></E>')
        if path.startswith('/app/'):
            if mode != 'ok' and not state['pad'] % 2:
                return self.send(401, json.dumps({'message': 'said back ' + plain}))
            soon = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))
            return self.send(201, json.dumps({'id': 7, 'token': secret('app-token'), 'expires_at': soon}))
        if mode == 'ok':
            if path == '/pages' and 'page' not in self.path:
                return self.send(200, '[{"id":1}]', link=f'</pages?page=2&t={secret("next-token")}>; rel="next"')
            if path == '/tokens':
                return self.send(200, '{"rows":[{"id":1}]%s}' % ('' if 't=' in self.path else ',"next":"%s"' % secret('next-token')))
            return self.send(200, GOOD.get(path[1:], '[{"id":1}]'))
        said = 'said back ' + 'x' * state['pad']
        forms = {'raw': text, 'plain': plain, 'json': json.dumps(plain), 'query': urllib.parse.quote(plain, safe=''), 'lower': urllib.parse.quote(plain, safe='').lower(),
                 'base64': ' '.join(base64.b64encode(w.encode()).decode() for w in plain.split())}
        if mode in forms:
            said += forms[mode].replace('HTTP/1.1', '')
            # so that the secret is near the beginning, wherever the message is cut
            at = min([said.find(core(k)) for k in KINDS if core(k) in said] or [len(said)])
            near = 'said back ' + 'x' * state['pad'] + said[max(at - 30, 0):]
            return self.send(state.get('status', 401), json.dumps({'code': near, 'message': near}) if state['pad'] % 3 else near, **{'x-code': quote_header(near)})
        if mode == 'elsewhere':
            return self.send(302, '', location='http://elsewhere.example/' + urllib.parse.quote(plain))
        if mode == 'userinfo':
            return self.send(302, '', location=f'http://{secret("bearer")[:20]}:{urllib.parse.quote(plain, safe="")[:300]}@elsewhere.example/')
        if mode == 'next':
            return self.send(200, '[{"id":1}]', link=f'<http://{urllib.parse.quote(plain, safe="")[-900:]}@else.example/>; rel="next"')
        if mode == 'garbage':
            return self.send(200, plain)
        if mode == 'field':
            return self.send(200, json.dumps([{plain: 1, 'id': 1}])[:-20])
        return self.send(200, '[{"id":"' + 'x' * 10, length=99999)

    def send(self, status, body, length=None, **headers):
        data = body.encode()
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        self.send_header('Content-Length', str(length or len(data)))
        if length:
            self.send_header('Connection', 'close')
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def escape(s):
    return s.replace('&', '&amp;').replace('<', '&lt;')


def quote_header(s):
    return re.sub(r'[^ -~]', ' ', s)[:4000]


class Run:
    def __init__(self, inputs):
        self.inputs, self.messages, self.children = inputs, 0, 0
        self.db = sqlite3.connect('main.db', isolation_level=None)
        self.db.enable_load_extension(True)
        self.db.load_extension(os.environ['CQ_SO'][:-3])
        # what cq itself lets SQLite run; the statements here are ours
        self.db.set_trace_callback(lambda s: None if 'cq_' in s.split('(')[0] or 'cq_config' in s or '?' in s or 'bound' in s else print('sql', s))
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            for t in os.listdir('/proc/self/task'):
                try:
                    with open(f'/proc/self/task/{t}/children', encoding='ascii') as f:
                        self.children += len(f.read().split())
                except OSError:
                    pass
            time.sleep(0.01)

    def do(self, sql, *args):
        try:
            for row in self.db.execute(sql, args):
                print(*row)
                self.messages += sum(str(c).count('said back') for c in row)
        except sqlite3.Error as e:
            print('error', e)
            self.messages += str(e).count('said back')

    def look(self):
        for t in ('cq_requests', 'cq_tables', 'cq_integrations', 'cq_destinations'):
            self.do(f'SELECT * FROM {t}' + (" WHERE integration = 'sec'" if t == 'cq_tables' else ''))
        self.do("SELECT * FROM cq_settings WHERE integration IS NULL OR (integration = 'sec' AND name <> 'sec.bare')")
        self.do('SELECT cq_debug()')

    def spec(self, mode, path, extra=''):
        values = {k.replace('-', '_'): secret(k) for k in CONFIG if not k.startswith('spec')}
        values |= {'url': URL, 'app': state['pem'], 'list': ['a', secret('list')], 'map': {'a': secret('map')}, 'spec_literal': secret('spec-literal'),
                   'spec_file': '${file:%s/secret.txt}' % self.inputs, 'spec_env': '${SEC_SPEC}'}
        del values['control']
        return json.dumps({'source': 'sec', 'name': 's-' + mode, 'tables': ['sec_*'], 'skip_tables': ['sec_bare', 'sec_control'], 'destination': {'path': path, 'write_mode': mode},
                           'spec': values} | json.loads(extra or '{}'))


CONFIG = [k for k in KINDS if k not in ('env', 'list', 'map', 'short-url', 'userinfo', 'bound', 'role-secret', 'role-session', 'app-token', 'proxy', 'key-pass',
                                        'typed', 'misplaced', 'unread', 'next-token')]


def faults(run, sql, modes=('raw', 'plain', 'json', 'query', 'lower', 'base64'), pads=(0, 245, 262)):
    """The statement against each kind of answer that goes wrong."""
    for mode in modes:
        for pad in pads:
            state.update(mode=mode, pad=pad, status=400 + pad % 4)
            run.do(sql)
    for mode in ('elsewhere', 'userinfo', 'next', 'garbage', 'field', 'cut'):
        state.update(mode=mode, pad=1)
        run.do(sql)
    state.update(mode='ok', pad=0)


def main():
    run = Run(sys.argv[1])
    state['pem'] = json.load(sys.stdin)['pem']
    with open(run.inputs + '/sec.yml', 'w', encoding='utf-8') as f:
        f.write(YML % '\n'.join(f'  {k.replace("-", "_")}: {{secret: true, optional: true}}' for k in CONFIG + ['app']))
        for name, body in TABLES.items():
            rows = {'xml': 'i[*]', 'csv': '[*]', 'tokens': 'rows[*]'}.get(name, '[*]')
            f.write(f'  sec_{name}:\n    {body}\n    rows: "{rows}"\n    key: [id]\n    columns: {{id: integer, own: {{path: id, type: text, where: "="}}}}\n')
    with open(run.inputs + '/secret.txt', 'w', encoding='utf-8') as f:
        f.write(secret('spec-file'))
    with open(run.inputs + '/sync.yml', 'w', encoding='utf-8') as f:
        f.write(run.spec('append', 'file.db'))
    run.do('SELECT cq_load(?)', run.inputs + '/sec.yml')
    run.do("SELECT cq_config('cache_ttl', 0), cq_config('client_key_password', ?)", secret('key-pass'))
    run.do("SELECT cq_config('sec.url', ?)", URL)
    for k in CONFIG:
        value = secret(k) + ('\n' if k == 'control' else '')
        run.do('SELECT cq_config(?, ?)', 'sec.' + k.replace('-', '_'), value)
    run.do("SELECT cq_config('sec.app', ?), cq_config('sec.list', ?), cq_config('sec.map', ?)", state['pem'], json.dumps(['a', secret('list')]), json.dumps({'a': secret('map')}))

    # queries that work, and what tells about them
    for name in TABLES:
        run.do(f'SELECT * FROM live_sec_{name}')
        # what no key marked secret holds is shown by cq_explain and cq_settings
        run.do('SELECT cq_explain(?)', f'SELECT * FROM live_sec_{name}')
        run.do(f'EXPLAIN QUERY PLAN SELECT * FROM live_sec_{name} WHERE own = ?', secret('bound'))
        run.do(f'SELECT * FROM live_sec_{name} WHERE own = ?', secret('bound'))
    run.look()

    # queries against each fault
    for name in TABLES:
        if name not in ('bare', 'control'):
            faults(run, f'SELECT * FROM live_sec_{name}')
    for bare in (f'http://ann:{secret("userinfo")}@127.0.0.1/', f'nothing?key={secret("short-url")}', f'?{secret("short-url")}', f'http://no-such-host.invalid/?key={secret("short-url")}',
                 f'{URL}/bare?key={secret("short-url")}', f'ftp://127.0.0.1/?{secret("short-url")}', f'http:///?{secret("short-url")}', f'http://127.0.0.1 :1/?{secret("short-url")}'):
        run.do("SELECT count(cq_config('sec.bare', ?))", bare)
        run.do('SELECT * FROM live_sec_bare')
    run.look()

    # a proxy with a password
    for mode in ('ok', 'raw', 'plain', 'query', 'base64'):
        state.update(mode=mode, status=407)
        run.do("SELECT cq_config('proxy', ?)", f'http://ann:{urllib.parse.quote(secret("proxy"), safe="")}@' + URL[7:])
        run.do('SELECT * FROM live_sec_bearer')
        state['mode'] = 'ok'
    for bad in ('127.0.0.1:1', 'nowhere.invalid:1'):
        run.do("SELECT cq_config('proxy', ?)", f'http://ann:{urllib.parse.quote(secret("proxy"), safe="")}@{bad}')
        run.do('SELECT * FROM live_sec_bearer')
    run.look()
    run.do("SELECT cq_config('proxy', NULL)")

    # configurations that are wrong
    for sql, args in (("SELECT cq_config('sec.port', ?)", [secret('typed')]), ("SELECT cq_config('sec.bearr', ?)", [secret('misplaced')]),
                      ("SELECT cq_config('sec.map', ?)", [secret('misplaced')]), ("SELECT cq_config('sex.bearer', ?)", [secret('misplaced')]),
                      ("SELECT cq_config('sec.bearer', ?, 1)", [secret('misplaced')]), ('SELECT cq_config(NULL, ?)', [secret('misplaced')]),
                      ("SELECT cq_config('timeout', ?)", ['5'])):
        run.do(sql, *args)
    bad = json.loads(run.spec('append', 'x.db'))
    for change in ({'bearr': secret('misplaced')}, {'port': secret('typed')}, {'bearer': [secret('misplaced')]}, {'map': secret('misplaced')}, {'list': {'a': secret('misplaced')}},
                   {'env': None}):
        for f in ('cq_validate', 'cq_plan', 'cq_test', 'cq_sync'):
            run.do(f'SELECT {f}(?)', json.dumps(bad | {'spec': bad['spec'] | change}))
    for text in (f'source: sec\nspec:\n  bearer: "{core("unread")}\n tables: [x', f'source: sec\nspec: {{bearer: {core("unread")}, ]', f'{{source: sec, spec: {{bearer: *{core("unread")}}}}}',
                 f'source: sec\nspec:\n\tbearer: {core("unread")}\n', f'source: sec\nspec: {{bearer: "{core("unread")}", bearer: "{core("unread")}"}}\ntables: [sec_bearer]\n',
                 f'source: sec\nspec: {{bearer: !!int "{core("unread")}", url: "${{NO_SUCH_VARIABLE}}"}}\n'):
        for f in ('cq_validate', 'cq_sync'):
            run.do(f'SELECT {f}(?)', text)

    # syncs
    for f in ('cq_validate', 'cq_plan', 'cq_migrate', 'cq_test'):
        run.do(f'SELECT {f}(?)', run.spec('append', 'append.db'))
        run.do(f'SELECT {f}(?)', run.inputs + '/sync.yml')
    for mode, path in (('append', 'append.db'), ('overwrite', 'over.db'), ('overwrite-delete-stale', 'delete.db')):
        for progress in {'append': ('log', 'json', 'bar')}.get(mode, ('json',)):
            run.do('SELECT cq_sync(?, ?)', run.spec(mode, path), json.dumps({'progress': progress}))
        faults(run, "SELECT cq_sync('%s', '{\"progress\":\"json\"}')" % run.spec(mode, path).replace("'", "''"), ('plain', 'query'), (1, 245))
        state.update(mode='raw', pad=0)
        run.do('SELECT cq_test(?)', run.spec(mode, path))
        run.do('SELECT cq_sync(?, ?)', run.spec(mode, path), '{"strict": true}')
        run.do('SELECT cq_sync(?, ?)', run.spec(mode, path), '{"retry": true}')
        state['mode'] = 'ok'
        run.do('SELECT cq_sync(?, ?)', run.spec(mode, path), '{"retry": true}')
    main_spec = json.loads(run.spec('append', 'x'))
    del main_spec['destination']
    run.do('SELECT cq_sync(?)', json.dumps(main_spec))
    run.do('SELECT cq_prune(1)')
    run.do('SELECT cq_sync(?)', run.inputs + '/sync.yml')
    for t in ('cq_syncs', 'cq_sync_tables', 'cq_sync_errors', 'cq_sync_units', 'cq_units'):
        run.do(f'SELECT * FROM {t}')
    run.look()

    # a journal that stays
    held = sqlite3.connect('open.db', isolation_level=None)
    held.execute('PRAGMA journal_mode = WAL')
    held.execute('CREATE TABLE t(a)')
    run.do('SELECT cq_sync(?)', run.spec('append', 'open.db'))
    sent = {k: core(k) in state['seen'] for k in KINDS if k not in ('role-secret', 'aws-secret', 'userinfo', 'key-pass', 'typed', 'control', 'misplaced', 'unread', 'bound', 'app-token', 'proxy')}
    sent['app-token'] = 'Bearer ' + secret('app-token') in state['seen']
    sent['proxy'] = base64.b64encode(('ann:' + secret('proxy')).encode()).decode() in state['seen']
    print('facts', json.dumps({'sent': sent, 'messages': run.messages, 'children': run.children}))
    print('the end', flush=True)
    os._exit(0)


if __name__ == '__main__':
    server = Server(('127.0.0.1', 0), Echo)
    URL = f'http://127.0.0.1:{server.server_address[1]}'
    threading.Thread(target=server.serve_forever, daemon=True).start()
    main()
