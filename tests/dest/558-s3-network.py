# timeout: 120
# Settings of the connection reach what destinations send: authorities to trust, a client's certificate, a proxy; S3 and ClickHouse.
# And of S3: test_write, aws_debug.
import os
import socket
import ssl
import subprocess
import sys
import threading

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
import clickhouse
from s3servers import KEY, SECRET, Strict
from synctest import Sync

t = Sync()
t.routes('GET /oslo/ships?page=1\n  body [{"id":1,"name":"Fram"}]\n')
subprocess.run('openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1 '
               '-addext subjectAltName=IP:127.0.0.1', shell=True, check=True, capture_output=True)


def s3(url, more=''):
    return '{source: fleet, tables: [fleet_ships], destination: {kind: s3, bucket: bucket, path: p, format: json, region: us-east-1, endpoint: "%s", use_path_style: ' \
        'true, max_retries: 0, credentials: {access_key_id: %s, secret_access_key: %s}%s}, spec: {ports: [oslo]}}' % (url, KEY, SECRET, more)


def why(r):
    return ' '.join(e['message'] for e in r.get('errors', [])) + str(r.get('raised', ''))


def setting(name, value):
    t.one('SELECT cq_config(?, ?)', name, value)


class Front:
    """Takes connections: tells the first line of each, or by TLS the certificate that it was shown."""

    def __init__(self, tls=False):
        self.said, self.listen, self.tls = [], socket.create_server(('127.0.0.1', 0)), tls
        self.port = self.listen.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                self.answer(self.listen.accept()[0])
            except OSError:
                pass

    def answer(self, c):
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain('cert.pem', 'key.pem')
            context.load_verify_locations('cert.pem')
            context.verify_mode = ssl.CERT_OPTIONAL
            c = context.wrap_socket(c, server_side=True)
        with c:
            line = c.recv(65536).split(b'\r\n')[0].decode()
            self.said.append('with a certificate' if self.tls and c.getpeercert() else line)
            c.sendall(b'HTTP/1.1 403 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')


with Strict(tls=('cert.pem', 'key.pem')) as s:
    t.has('S3: nobody vouches for it', why(t.sync(s3(s.url))), 'SSL')
    setting('ca_file', os.path.abspath('cert.pem'))
    t.is_('ca_file', t.sync(s3(s.url))['status'], 'success')
    setting('ca_file', '/dev/null')
    t.is_("the destination's own comes before", t.sync(s3(s.url, ', ca_file: "%s"' % os.path.abspath('cert.pem')))['status'], 'success')
setting('ca_file', os.path.abspath('cert.pem'))
for name in ('client_cert', 'client_key'):
    setting(name, os.path.abspath('cert.pem' if name == 'client_cert' else 'key.pem'))
front = Front(tls=True)
t.sync(s3(f'https://127.0.0.1:{front.port}'))
t.is_("S3: a client's certificate is shown", set(front.said), {'with a certificate'})
front.said.clear()
t.sync('{source: fleet, tables: [fleet_ships], destination: "clickhouse://127.0.0.1:%d/x?secure=true"}' % front.port)
t.is_('ClickHouse: likewise, and ca_file', set(front.said), {'with a certificate'})
for name in ('client_cert', 'client_key', 'ca_file'):
    setting(name, '')
front = Front()
setting('proxy', f'http://127.0.0.1:{front.port}')
t.sync(s3('http://s3.example.test'))
t.is_('S3: by the proxy', {x.split('/bucket')[0].split(' ')[1] for x in front.said}, {'http://s3.example.test'})
front.said.clear()
t.sync('{source: fleet, tables: [fleet_ships], destination: "clickhouse://house.example.test:8123/x"}')
t.has('ClickHouse: by the proxy', front.said, 'POST http://house.example.test:8123/')
setting('proxy', '')

with Strict() as s:
    t.sync(s3(s.url))
    before = s.asked('DELETE')
    t.sync(s3(s.url))
    plain, before = s.asked('DELETE') - before, s.asked('DELETE')
    t.sync(s3(s.url, ', test_write: true'))
    t.is_('test_write: one more is put and removed', s.asked('DELETE') - before, plain + 1)
    s.err('DELETE', 403, 'AccessDenied', times=9)
    t.has('and says what it may not', why(t.sync(s3(s.url, ', test_write: true'))), 'AccessDenied')
    s.errs.clear()
    code = "import sys; sys.path[:0] = ['%s/tests/sync', '%s/tests']\nfrom synctest import Sync\nt = Sync('debug.db')\nt.sync(%r)\nt.db.close()" % (
        os.environ['CQ_ROOT'], os.environ['CQ_ROOT'], s3(s.url, ', aws_debug: true'))
    said = subprocess.run([os.environ['CQ_PYTHON'], '-c', code], capture_output=True, text=True, timeout=60).stderr
    t.is_('aws_debug tells requests, and no secret', ('s3: PUT s3://bucket/p/' in said, ': 200, try 1' in said, SECRET in said, 'Signature' in said), (True, True, False, False))
t.done()
