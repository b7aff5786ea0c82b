# A C program that has cq linked in and uses libcurl and OpenSSL itself; that has a locale; that forks; and that ends while
# transfers go on.  Some of the servers speak TLS.
# timeout: 120
# skip-sanitized: the program is not built for it
import http.server
import os
import ssl
import subprocess
import sys
import threading
import urllib.parse

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem', '-days', '30',
                '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'], check=True, stderr=subprocess.DEVNULL)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def do_GET(self):
        """The same tables as the mock server's."""
        url = urllib.parse.urlsplit(self.path)
        page = int(urllib.parse.parse_qs(url.query)['page'][0])
        last = 8 if url.path.endswith('/items') else 10 ** 9
        body = ('[' + ','.join(f'{{"id":{i},"name":"n","score":{i}.5}}' for i in range(page * 3 - 2, min(page * 3, last) + 1)) + ']').encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def finish_request(self, request, address):
        super().finish_request(self.context.wrap_socket(request, server_side=True), address)

    def handle_error(self, *_):
        pass                                     # clients that go away are what is tested


Server.context.load_cert_chain('cert.pem', 'key.pem')
server = Server(('127.0.0.1', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ.update(HOST_TLS=f'https://127.0.0.1:{server.server_address[1]}', HOST_CA=os.path.abspath('cert.pem'),
                  LOCPATH=os.path.abspath('.'))
# A locale whose numbers have commas, and whose small I is no i.
made = subprocess.run(['localedef', '-i', 'tr_TR', '-f', 'UTF-8', './tr_TR.UTF-8'], capture_output=True, text=True)
hosts.is_('a Turkish locale', (os.path.exists('tr_TR.UTF-8/LC_NUMERIC') or made.stderr), True)
hosts.routes()
program = os.environ['CQ_BUILD'] + '/hosts/libraries'
p = subprocess.run([program], capture_output=True, text=True)
print('\n'.join('# ' + line for line in (p.stdout + p.stderr).splitlines() if not line.startswith('ok')))
for line in p.stdout.splitlines():
    if ' - test_' in line:
        hosts.is_(line.partition(' - test_')[2].replace('_', ' '), line.split()[0], 'ok')
hosts.is_('it ends well', (p.returncode, p.stdout.splitlines()[-1:]), (0, ['1..6']))
for i in range(20):
    p = subprocess.run([program, 'exit'], capture_output=True, text=True)
    if p.returncode:
        break
hosts.is_('20 times it ends in the middle of transfers', (i, p.returncode, p.stdout + p.stderr), (19, 0, ''))
hosts.done()
