"""ClickHouse servers for the tests, on loopback ports that are free, with their data in the test's own directory; and how
the suite of all destinations reads what is in one.

  server = Debian()                 # clickhouse-server 18.16 of Debian: the protocol
  server = Modern()                 # ClickHouse 26.7 as a library, behind chdb.py: today's SQL
  server.query('SELECT 1'); server.kill(); server.start()
"""
import base64
import datetime
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance

USERS = '''<yandex>
<profiles><default><max_memory_usage>1000000000</max_memory_usage></default><readonly><readonly>1</readonly></readonly></profiles>
<quotas><default/></quotas>
<users>
<default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
<app><password>s3cret p@ss:/</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></app>
<ro><password>look</password><networks><ip>127.0.0.1</ip></networks><profile>readonly</profile><quota>default</quota></ro>
</users></yandex>'''
CONFIG = '''<yandex>
<logger><level>warning</level><log>{dir}/server.log</log><errorlog>{dir}/errors.log</errorlog><size>10M</size><count>1</count></logger>
<http_port>{port}</http_port>{more}
<listen_host>127.0.0.1</listen_host><max_connections>64</max_connections>
<max_concurrent_queries>{queries}</max_concurrent_queries><mark_cache_size>67108864</mark_cache_size>
<path>{dir}/data/</path><tmp_path>{dir}/tmp/</tmp_path><user_files_path>{dir}/files/</user_files_path>
<format_schema_path>{dir}/schemas/</format_schema_path><users_config>users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database><timezone>UTC</timezone></yandex>'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Server:
    """An HTTP port, whoever answers there."""

    def wait(self, seconds=30):
        until = time.monotonic() + seconds
        while True:
            try:
                return self.query('SELECT version()').strip()
            except (urllib.error.URLError, OSError):
                if time.monotonic() > until or self.process.poll() is not None:
                    raise SystemExit(f'{type(self).__name__}: did not start\n' + self.said())
                time.sleep(0.05)

    def query(self, sql, user=None, password='', **settings):
        url = f'http://127.0.0.1:{self.port}/?' + urllib.parse.urlencode(settings)
        request = urllib.request.Request(url, sql.encode() if isinstance(sql, str) else sql)
        if user:
            request.add_header('Authorization', 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode())
        with urllib.request.urlopen(request, timeout=300) as r:  # to drop what a hundred killed runs have left takes long
            return r.read().decode()

    def tries(self, sql, **more):
        """The answer, or the error's text."""
        try:
            return self.query(sql, **more)
        except urllib.error.HTTPError as e:
            return e.read().decode()

    def rows(self, sql, **settings):
        return [tuple(r) for r in json.loads(self.query(sql + ' FORMAT JSONCompact', output_format_json_quote_64bit_integers=0, **settings))['data']]

    def said(self):
        with open(self.dir + '/said', errors='replace') as f:
            return f.read()[-2000:]

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait()


class Debian(Server):
    def __init__(self, name='ch18', more='', queries=100):
        self.dir, self.port = os.path.abspath(name), free_port()
        for d in ('data', 'tmp', 'files', 'schemas'):
            os.makedirs(f'{self.dir}/{d}')
        with open(self.dir + '/config.xml', 'w') as f:
            f.write(CONFIG.format(dir=self.dir, port=self.port, more=more, queries=queries))
        with open(self.dir + '/users.xml', 'w') as f:
            f.write(USERS)
        self.start()

    def start(self):
        self.process = subprocess.Popen(['/usr/sbin/clickhouse-server', f'--config-file={self.dir}/config.xml'], cwd=self.dir,
                                        stdout=subprocess.DEVNULL, stderr=open(self.dir + '/said', 'wb'))
        self.version = self.wait()

    def stop(self):
        self.kill()


class Modern(Server):
    """Started by the system's Python: under a sanitizer the test's own has its library in it."""

    def __init__(self, name='chdb'):
        self.dir, self.port = os.path.abspath(name), free_port()
        os.makedirs(self.dir)
        self.start()

    def start(self):
        self.process = subprocess.Popen(['/usr/bin/python3', os.environ['CQ_ROOT'] + '/tests/dest/chdb.py',
                                         os.environ['CQ_CHDB'] + '/libchdb.so', self.dir + '/data', str(self.port)], cwd=self.dir,
                                        stdout=subprocess.DEVNULL, stderr=open(self.dir + '/said', 'wb'))
        self.version = self.wait()

    def stop(self):
        self.kill()


class Faulty(http.server.ThreadingHTTPServer):
    """Before a server: does to requests what `rules` say, [what is in the statement, what happens, how often, after which other]:
    lost: done, but the answer is not told; dropped: not even that; swallowed: not done, though the answer says so; 'Code: ...': told
    in an answer of 200; a number: that status, with 'gateway' as its text. It keeps what it has `seen`, and in which encodings."""
    daemon_threads = True

    def __init__(self, server):
        self.server, self.rules, self.seen, self.encodings, self.gateway = server, [], [], set(), b'try later'
        super().__init__(('127.0.0.1', 0), Fault)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def judge(self, text):
        for rule in self.rules:
            if rule[0] in text and rule[2] and (len(rule) < 4 or any(rule[3] in x for x in self.seen)):
                rule[2] -= 1
                return rule[1]
        return None

    def handle_error(self, *_):
        pass


class Fault(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        text = (zlib.decompress(body, 31) if self.headers.get('Content-Encoding') == 'gzip' else body).decode('latin-1')
        front = self.server
        front.seen.append(text[:4000])
        front.encodings.add(self.headers.get('Content-Encoding', 'plain'))
        what = front.judge(text)
        if what == 'dropped':
            self.close_connection = True
            return
        if isinstance(what, str) and what.startswith('Code'):
            return self.answer(200, what.encode())
        if what == 'swallowed':
            return self.answer(200, b'')
        if isinstance(what, int):
            return self.answer(what, front.gateway)
        c = http.client.HTTPConnection('127.0.0.1', front.server.port, timeout=60)
        c.request('POST', self.path, body, {k: v for k, v in self.headers.items() if k in ('Content-Encoding', 'Authorization')})
        r = c.getresponse()
        said = r.read()
        c.close()
        if what == 'lost':
            self.close_connection = True
            return
        self.answer(r.status, said)

    def answer(self, status, said):
        self.send_response(status)
        self.send_header('Content-Length', str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


PLAIN = ('text', 'blob', 'json', 'decimal', 'date', 'timestamp')  # what 18.16 has no type for is text


class Store(conformance.Store):
    name = 'clickhouse'
    one_row_a_key = False  # each unit's rows stand for themselves
    typed_times = False  # a column of texts goes on as it is
    carries = False  # a view alone changes
    same_types = [(a, b) for a in ('text', 'blob', 'json') for b in ('text', 'blob', 'json')]
    null_lists = False    # a column of Array is never NULL
    durable = 7

    def __init__(self, server, more='batch_timeout: 1s'):
        self.server, self.more = server, more
        self.places = 38 if isinstance(server, Modern) else None
        if not isinstance(server, Modern):
            self.same_types = self.same_types + [(a, b) for a in PLAIN for b in PLAIN]

    def destination(self):
        return '{kind: clickhouse, connection_string: "clickhouse://127.0.0.1:%d/cq"%s}' % (self.server.port, self.more and ', ' + self.more)

    def fresh(self):
        self.server.query('DROP DATABASE IF EXISTS cq')
        self.server.query('CREATE DATABASE cq')

    def spoil(self):
        self.server.query('ALTER TABLE cq.raw_cq_sync_errors DROP COLUMN hint')
        return True

    def close(self):
        self.server.stop()

    def read(self, table, columns):
        types = dict(self.server.rows(f"SELECT name, type FROM system.columns WHERE database = 'cq' AND table = '{table}'"))
        if not types:
            return []
        said = [shown(c, types[c]) for c in columns]
        return [tuple(value(c, types[c], v) for c, v in zip(columns, r))
                for r in self.server.rows('SELECT %s FROM cq.`%s`' % (', '.join(said), table))]


def shown(column, kind):
    """How a column is asked for so that nothing of it is lost."""
    c = f'`{column}`'
    if 'Array(Nullable(DateTime64' in kind:
        return f'arrayMap(x -> toUnixTimestamp64Micro(assumeNotNull(x)), {c})'
    if 'DateTime64' in kind:
        return f'toUnixTimestamp64Micro({c})'
    if 'Date32' in kind:
        return f'toInt32({c})'
    if 'Decimal' in kind or kind == 'UUID':
        return f'toString({c})'
    return f'hex({c})' if column.startswith('bin') else c


def value(column, kind, v):
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    if v is None:
        return None
    if 'DateTime64' in kind:
        one = lambda us: conformance.canon(epoch + datetime.timedelta(microseconds=int(us)))
        return [one(x) for x in v] if isinstance(v, list) else early(int(v)) or one(v)
    if 'Date32' in kind:
        return conformance.canon((epoch + datetime.timedelta(days=v)).date())
    if column.startswith('bin'):
        return v.lower()
    if column in ('flags', 'j') or column.startswith('json'):
        return conformance.loaded(v)
    return conformance.canon(v)


def early(us):
    """Python writes years before 1000 with fewer digits."""
    return '0001-01-01T00:00:00Z' if us == -62135596800000000 else None


class Quick(Store):
    """The types that are read here need no care."""

    def read(self, table, columns):
        said = self.server.tries('SELECT %s FROM cq.`%s` FORMAT JSONCompact' % (', '.join(f'`{c}`' for c in columns), table), output_format_json_quote_64bit_integers=0)
        if said.startswith('{'):
            return [tuple(r) for r in json.loads(said)['data']]
        if "doesn't exist" in said or 'does not exist' in said:
            return []
        raise AssertionError(said)
