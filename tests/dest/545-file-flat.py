# timeout: 180
# skip-sanitized: a sanitizer keeps what was freed, and its own books
"""Rows that nothing squeezes, of many tables at once: the whole process stays within its 64 MiB, whatever the format."""
import http.server
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

TABLES, PAGES, ROWS = 12, 24, 100
LIMIT = 57  # what is left of the 64 is for runs that are longer than this one
rnd = random.Random(1)
BODIES = [json.dumps([{'id': i, 'name': rnd.randbytes(100).hex(), 'document': {'a': rnd.randbytes(1200).hex()}} for i in range(ROWS)]).encode()
          for _ in range(7)]
t = Tap()


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        said = re.search(r'[?&]page=(\d+)', self.path)
        page = int(said[1]) if said else 1
        body = BODIES[page % len(BODIES)] if page <= PAGES else b'[]'
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Pages)
threading.Thread(target=server.serve_forever, daemon=True).start()
table = {'rows': '[*]', 'key': ['id'], 'columns': {'id': 'integer', 'name': 'text', 'document': 'json'}}
with open('flood.yml', 'w') as f:
    json.dump({'format': 1, 'integration': 'flood', 'auth': {'scheme': 'none'},
               'defaults': {'request': {'url': f'http://127.0.0.1:{server.server_port}'}, 'page': {'by': 'number', 'size': ROWS, 'max_size': ROWS}},
               'tables': {f'flood_{i:02}': {**table, 'request': {'path': f'/{i}', 'query': {'page': '{{ page.number }}'}}} for i in range(TABLES)}}, f)


def peak(destination):
    """What the sync said, and MiB of a shell that does nothing else."""
    sql = "SELECT cq_load('flood.yml') IS NULL;\nSELECT cq_sync('{source: flood, tables: [\"*\"], progress: off, destination: %s}');\n" % destination
    os.mkdir('out')
    proc = subprocess.Popen(['sqlite3', '-batch', '-bail', '-cmd', f'.load {os.environ["CQ_SO"][:-3]}', 'flood.db'], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    proc.stdin.write(sql)
    proc.stdin.close()
    text = proc.stdout.read()
    _, status, used = os.wait4(proc.pid, 0)
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk('out') for f in files)
    shutil.rmtree('out')
    os.remove('flood.db')
    try:
        said = json.loads(text.splitlines()[-1])
        said = (said['status'], said['rows']) + tuple(said['errors'][:1])
    except (ValueError, IndexError):
        said = text
    return said, size, used.ru_maxrss / 1024


for form in ('parquet', 'parquet, format_spec: {compression: gzip}', 'json', 'csv, compression: zstd'):
    said, size, most = peak('{kind: file, path: out, format: %s}' % form)
    t.is_(f'{form}: all is written', (said, size > 25 << 20), (('success', TABLES * PAGES * ROWS), True))
    print(f'# {size >> 20} MiB of files, {most:.0f} MiB of memory')
    t.is_(f'{form}: within {LIMIT} MiB', most < LIMIT or most, True)
server.shutdown()
t.done()
