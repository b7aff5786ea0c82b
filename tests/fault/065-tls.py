# timeout: 120
# Who is believed: servers with certificates of every kind that is wrong, authorities by setting and environment, our own
# certificates with keys and passphrases, an integration's own, and all of it through proxies.
import base64
import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import warnings

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import Odd

warnings.simplefilter('ignore', DeprecationWarning)   # the old protocols are old
for name in ('CURL_CA_BUNDLE', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'NO_PROXY', 'no_proxy', 'HTTPS_PROXY', 'https_proxy', 'http_proxy', 'ALL_PROXY', 'all_proxy'):
    os.environ.pop(name, None)


# ---- certificates, made here ----
def openssl(*args, text=''):
    subprocess.run(['openssl', *args], input=text, text=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def key(name):
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', name + '.key')


def authority(name):
    key(name)
    openssl('req', '-x509', '-new', '-key', name + '.key', '-subj', f'/CN={name} authority', '-days', '30', '-out', name + '.pem')
    os.makedirs(name + '.d')
    with open(name + '.cnf', 'w', encoding='utf-8') as f:
        f.write(f'[ca]\ndefault_ca=d\n[d]\ndatabase={name}.d/index\nnew_certs_dir={name}.d\nserial={name}.d/serial\ncertificate={name}.pem\n'
                f'private_key={name}.key\ndefault_md=sha256\npolicy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n')
    open(name + '.d/index', 'w', encoding='utf-8').close()
    with open(name + '.d/serial', 'w', encoding='utf-8') as f:
        f.write('01\n')


def leaf(name, by, host='localhost', since='20200101000000Z', until='20990101000000Z'):
    key(name)
    openssl('req', '-new', '-key', name + '.key', '-subj', '/CN=' + name, '-addext', 'subjectAltName=DNS:' + host, '-out', name + '.csr')
    openssl('ca', '-batch', '-config', by + '.cnf', '-startdate', since, '-enddate', until, '-in', name + '.csr', '-out', name + '.pem', '-notext')


authority('house')
authority('stranger')
leaf('good', 'house')
leaf('expired', 'house', until='20210101000000Z')
leaf('early', 'house', since='20980101000000Z')
leaf('elsewhere', 'house', host='elsewhere.example')
leaf('untrusted', 'stranger')
leaf('me', 'house', host='me')
leaf('intruder', 'stranger', host='intruder')
key('self')
openssl('req', '-x509', '-new', '-key', 'self.key', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '9', '-out', 'self.pem')
openssl('ec', '-in', 'me.key', '-aes256', '-passout', 'pass:open sesame', '-out', 'locked.key')
for kind in ('', 'locked'):
    with open((kind or 'both') + '.both', 'w', encoding='utf-8') as f:
        f.write(open('me.pem', encoding='utf-8').read() + open((kind or 'me') + '.key', encoding='utf-8').read())


# ---- servers ----
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.path)
        who = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        name = dict(p[0] for p in who['subject'])['commonName'] if who else 'nobody'
        body = ('[{"id":1,"name":"%s"}]' % name).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    all = []

    def __init__(self, cert=None, clients=None, low=None):
        super().__init__(('127.0.0.1', 0), Handler)
        self.seen = []
        if cert:
            c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            c.load_cert_chain(cert + '.pem', cert + '.key')
            if clients:
                c.verify_mode = ssl.CERT_REQUIRED
                c.load_verify_locations(clients)
            if low:
                c.set_ciphers('ALL:@SECLEVEL=0')
                c.minimum_version, c.maximum_version = ssl.TLSVersion.TLSv1, low
            self.socket = c.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.all.append(self)

    def handle_error(self, *_):
        pass                     # who does not trust us hangs up

    def url(self, host='localhost'):
        return f'{"https" if isinstance(self.socket, ssl.SSLSocket) else "http"}://{host}:{self.server_address[1]}'


class Proxy(threading.Thread):
    """Passes CONNECT on, and absolute URLs; asks for a password if one is set."""

    def __init__(self, login=None):
        super().__init__(daemon=True)
        self.login, self.seen, self.s = login, [], socket.create_server(('127.0.0.1', 0))
        self.start()

    def url(self, login=''):
        return f'http://{login}127.0.0.1:{self.s.getsockname()[1]}'

    def run(self):
        while True:
            c, _ = self.s.accept()
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        head = b''
        while b'\r\n\r\n' not in head:
            part = c.recv(4096)
            if not part:
                return
            head += part
        method, target, _ = head.split(b'\r\n')[0].decode().split(' ')
        self.seen.append(f'{method} {target}')
        want = 'Proxy-Authorization: Basic ' + base64.b64encode((self.login or '').encode()).decode()
        if self.login and want not in head.decode():
            body = b'we know you: ' + head.replace(b'\r\n', b' ')
            c.sendall(b'HTTP/1.1 407 No\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' % (len(body), body))
            c.close()
            return
        if method != 'CONNECT':
            body = b'[{"id":1,"name":"by proxy"}]'
            c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' % (len(body), body))
            c.close()
            return
        up = socket.create_connection(('127.0.0.1', int(target.rsplit(':', 1)[1])))
        c.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
        for a, b in ((c, up), (up, c)):
            threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        try:
            while part := a.recv(65536):
                b.sendall(part)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


with open('tls.yml', 'w', encoding='utf-8') as f:
    f.write('''
format: 1
integration: tls
config:
  url: {default: "http://127.0.0.1:1"}
  ca: {optional: true}
  cert: {optional: true}
  key: {optional: true}
  pass: {optional: true, secret: true}
tls: {ca_file: "{{ config.ca }}", client_cert: "{{ config.cert }}", client_key: "{{ config.key }}", client_key_password: "{{ config.pass }}"}
defaults: {request: {url: "{{ config.url }}", path: /who}, page: {by: none}}
tables:
  tls_who: {rows: "[*]", key: [id], columns: {id: integer, name: text}}
''')
t = Odd(cache_ttl='0')
t.rows("SELECT cq_load('tls.yml')")
ALL = ('ca_file', 'client_cert', 'client_key', 'client_key_password', 'proxy')


def who(url, env=(), own=(), **settings):
    """The name that the server knows us by, or the message."""
    for k in ALL:
        t.rows('SELECT cq_config(?, ?)', k, settings.get(k))
    own = dict(own)
    for k in ('ca', 'cert', 'key', 'pass'):
        t.rows('SELECT cq_config(?, ?)', 'tls.' + k, own.get(k))
    t.rows("SELECT cq_config('tls.url', ?)", url)
    os.environ.update(env)
    # what is read when transfers begin, is read anew
    t.rows("SELECT cq_config('connect_timeout', 5)")
    seen = t.tries('SELECT name FROM live_tls_who')
    for k in dict(env):
        del os.environ[k]
    return seen if isinstance(seen, str) else seen[0][0]


# ---- the server's certificate ----
TRUST = 'name the authority\'s file in ca_file'
good = Server('good')
t.is_('trusted by setting', who(good.url(), ca_file='house.pem'), 'nobody')
n = len(good.seen)
seen = who(good.url())
t.has('not without', seen, f'GET {good.url()}/who: SSL certificate problem: unable to get local issuer certificate')
t.has('and what to do', seen, TRUST)
t.is_('and it is not tried twice', (len(t.rows('SELECT 1 FROM cq_requests')), 'attempts' in seen), (1, False))
t.has('another authority', who(good.url(), ca_file='stranger.pem'), 'unable to get local issuer certificate')
t.is_('nothing is sent to whom we do not trust', len(good.seen), n)
for cert, why, hint in (('expired', 'certificate has expired', 'clock'), ('early', 'certificate is not yet valid', 'clock'),
                        ('self', 'self-signed certificate', TRUST), ('untrusted', 'unable to get local issuer certificate', TRUST),
                        ('elsewhere', "no alternative certificate subject name matches target host name 'localhost'", "another host's")):
    s = Server(cert)
    seen = who(s.url(), ca_file='house.pem')
    t.has(f'{cert}: refused, and why', seen, why)
    t.has(f'{cert}: where', seen, f'GET {s.url()}/who: ')
    t.has(f'{cert}: what to do', seen, hint)
    t.is_(f'{cert}: nothing was sent', s.seen, [])
t.is_('self-signed, named', who(Server('self').url(), ca_file='self.pem'), 'nobody')
t.has('an address that the certificate does not name', who(good.url('127.0.0.1'), ca_file='house.pem'), "no alternative certificate subject name matches target host name '127.0.0.1'")
for low in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
    s = Server('good', low=low)
    t.has(f'{low.name} is refused', who(s.url(), ca_file='house.pem'), 'protocol version')
    t.is_(f'{low.name}: nothing was sent', s.seen, [])
t.is_('TLSv1_2 is taken', who(Server('good', low=ssl.TLSVersion.TLSv1_2).url(), ca_file='house.pem'), 'nobody')
seen = who(good.url(), ca_file='nowhere.pem')
t.has('a file that is not there', seen, 'nowhere.pem')
t.has('what it should be', seen, 'ca_file names a file of certificates in PEM form')

# ---- from the environment ----
for name in ('CURL_CA_BUNDLE', 'SSL_CERT_FILE'):
    t.is_(f'trusted by {name}', who(good.url(), env={name: 'house.pem'}), 'nobody')
t.has('CURL_CA_BUNDLE stands before SSL_CERT_FILE', who(good.url(), env={'CURL_CA_BUNDLE': 'stranger.pem', 'SSL_CERT_FILE': 'house.pem'}), 'issuer')
t.has('the setting before both', who(good.url(), env={'CURL_CA_BUNDLE': 'house.pem'}, ca_file='stranger.pem'), 'issuer')
os.makedirs('hashed')
h = subprocess.run(['openssl', 'x509', '-hash', '-noout', '-in', 'house.pem'], text=True, capture_output=True, check=True).stdout.strip()
os.symlink('../house.pem', f'hashed/{h}.0')
t.is_('trusted by SSL_CERT_DIR', who(good.url(), env={'SSL_CERT_DIR': 'hashed'}), 'nobody')

# ---- our certificate ----
asks = Server('good', clients='house.pem')
CA = {'ca_file': 'house.pem'}
seen = who(asks.url(), **CA)
t.has('a server that asks for a certificate', seen, 'the server may ask for a certificate of ours')
t.is_('certificate and key', who(asks.url(), client_cert='me.pem', client_key='me.key', **CA), 'me')
t.is_('both in one file', who(asks.url(), client_cert='both.both', **CA), 'me')
t.is_('a key with a passphrase', who(asks.url(), client_cert='me.pem', client_key='locked.key', client_key_password='open sesame', **CA), 'me')
for name, password in (('without it', None), ('with another', 'open barley')):
    seen = who(asks.url(), client_cert='me.pem', client_key='locked.key', client_key_password=password, **CA)
    t.has(f'{name}: nobody is asked on a terminal', seen, 'locked.key')
    t.has(f'{name}: what to do', seen, 'client_key_password opens the key')
t.has('the key of another', who(asks.url(), client_cert='me.pem', client_key='good.key', **CA), 'client_cert and client_key name PEM files that belong together')
t.has('a certificate that the server does not know', who(asks.url(), client_cert='intruder.pem', client_key='intruder.key', **CA), 'the server may refuse the certificate in client_cert')
t.has('a file that is not there', who(asks.url(), client_cert='nobody.pem', **CA), 'nobody.pem')
t.is_('no passphrase in settings', t.rows("SELECT value FROM cq_settings WHERE name = 'client_key_password'"), [('',)])
t.rows("SELECT cq_config('client_key_password', 'open sesame')")
t.is_('nor one that is set', t.rows("SELECT value FROM cq_settings WHERE name = 'client_key_password'"), [('***',)])

# ---- an integration's own ----
t.is_('an integration brings its authority', who(good.url(), own={'ca': 'house.pem'}), 'nobody')
t.has('which stands before the setting', who(good.url(), own={'ca': 'stranger.pem'}, **CA), 'issuer')
t.is_('and its certificate', who(asks.url(), own={'ca': 'house.pem', 'cert': 'me.pem', 'key': 'locked.key', 'pass': 'open sesame'}), 'me')
t.is_('with its own key only', who(asks.url(), own={'cert': 'both.both'}, client_cert='intruder.pem', client_key='intruder.key', **CA), 'me')
leaf('you', 'house')
with open('pair.yml', 'w', encoding='utf-8') as f:
    f.write(f"""
format: 1
integration: pair
config: {{who: {{type: list, default: [me, you]}}}}
clients: {{who: {{values: "{{{{ config.who }}}}"}}}}
tls: {{ca_file: house.pem, client_cert: "{{{{ client.who }}}}.pem", client_key: "{{{{ client.who }}}}.key"}}
defaults: {{request: {{url: "{asks.url()}", path: /who}}, page: {{by: none}}}}
tables:
  pair_who: {{rows: "[*]", key: [who, id], columns: {{who: {{from: client.who}}, id: integer, name: text}}}}
""")
t.rows("SELECT cq_load('pair.yml')")
t.is_('two that differ by their certificates alone', t.rows('SELECT who, name FROM live_pair_who ORDER BY who'), [('me', 'me'), ('you', 'you')])
r = t.tries("SELECT cq_sync(?)", f'{{source: tls, tables: [tls_who], spec: {{url: "{asks.url()}", ca: house.pem, cert: both.both}}}}')
t.has('in a sync, from its spec', r, '"success"')

# ---- proxies ----
p, locked, plain = Proxy(), Proxy('ann:pa$$ word'), Server()
t.is_('TLS through a proxy', who(good.url(), proxy=p.url(), **CA), 'nobody')
t.is_('goes through a tunnel', p.seen, [f'CONNECT localhost:{good.server_address[1]}'])
t.has('and is verified there', who(Server('expired').url(), proxy=p.url(), **CA), 'certificate has expired')
t.is_('our certificate, too', who(asks.url(), proxy=p.url(), client_cert='both.both', **CA), 'me')
t.is_('a proxy that wants a password', who(good.url(), proxy=locked.url('ann:pa%24%24%20word@'), **CA), 'nobody')
seen = who(good.url(), proxy=locked.url('ann:wrong-pass@'), **CA)
t.has('and gets another', seen, '407')
t.is_('which is not shown', 'wrong-pass' in str(seen), False)
seen = who(plain.url(), proxy=locked.url('ann:wrong-pass@'))
t.has('plain HTTP asks the proxy for all', seen, '407')
t.is_('whose words show no password', [w for w in ('wrong-pass', base64.b64encode(b'ann:wrong-pass').decode()) if w in str(seen)], [])
t.is_('nor does cq_settings', t.rows("SELECT value FROM cq_settings WHERE name = 'proxy'"), [('***',)])
for name in ('HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'):
    p.seen.clear()
    t.is_(f'{name}', (who(good.url(), env={name: p.url()}, **CA), len(p.seen)), ('nobody', 1))
p.seen.clear()
t.is_('http_proxy', who(plain.url(), env={'http_proxy': p.url()}), 'by proxy')
t.is_('HTTP_PROXY is a header of CGI, and not taken', who(plain.url(), env={'HTTP_PROXY': p.url()}), 'nobody')
p.seen.clear()
for name in ('NO_PROXY', 'no_proxy'):
    t.is_(f'{name} names who is asked directly', (who(good.url(), env={'HTTPS_PROXY': p.url(), name: 'example.org,localhost'}, **CA), p.seen), ('nobody', []))
t.is_('a host that it does not name', (who(good.url(), env={'HTTPS_PROXY': p.url(), 'NO_PROXY': 'example.org'}, **CA), len(p.seen)), ('nobody', 1))
p.seen.clear()
t.is_('the setting stands before the variable', (who(good.url(), env={'HTTPS_PROXY': 'http://127.0.0.1:1'}, proxy=p.url(), **CA), len(p.seen)), ('nobody', 1))
with socket.create_server(('127.0.0.1', 0)) as s:
    port = s.getsockname()[1]
t.has('no proxy there', who(good.url(), proxy=f'http://ann:secret-pw@127.0.0.1:{port}', **CA), f'GET {good.url()}/who: ')
t.is_('its password is nowhere', [r for r in t.rows('SELECT * FROM cq_requests') if 'secret-pw' in str(r) or 'wrong-pass' in str(r)], [])
while Server.all:  # what they hold of TLS a sanitizer would miss
    s = Server.all.pop()
    s.shutdown()
    s.server_close()
s = good = asks = plain = None
t.done()
