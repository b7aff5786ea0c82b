# timeout: 300
# skip-sanitized: a sanitizer keeps what was freed, and its own books
"""Rows that nothing squeezes, of many tables at once: the whole process stays within its 64 MiB, whatever the destination.
CQ_FLOOD says how many pages each table has (make soak: 340, 1 GB)."""
import http.server
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
import clickhouse
import postgres
from buckets import BUCKET, Bucket
from s3servers import Seaweed
from shared import Tap

TABLES, PAGES, ROWS = 12, int(os.environ.get('CQ_FLOOD', 24)), 100
LIMIT = 62  # of 64
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


def peak(where):
    """What the sync said, and MiB of a shell that does nothing else, as it sees itself: a parent's memory counts as its child's else."""
    sql = """SELECT cq_load('flood.yml') IS NULL;
SELECT cq_sync('{source: flood, tables: ["*"], progress: off, %s}');
.shell grep VmHWM /proc/$PPID/status
""" % where
    text = subprocess.run(['sqlite3', '-batch', '-bail', '-cmd', f'.load {os.environ["CQ_SO"][:-3]}', 'flood.db'], input=sql,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    os.remove('flood.db')
    try:
        _, said, most = text.splitlines()
        said = json.loads(said)
        return (said['status'], said['rows']) + tuple(said['errors'][:1]), int(most.split()[1]) / 1024
    except ValueError:
        return text, 0


def flat(name, *destinations):
    said, most = peak(f'destination: {destinations[0]}' if len(destinations) == 1 else f'destinations: [{", ".join(destinations)}]')
    t.is_(f'{name}: all is written', said, ('success', TABLES * PAGES * ROWS))
    print(f"# {most:.1f} MiB")
    t.is_(f'{name}: within {LIMIT} MiB', 0 < most < LIMIT or most, True)


for form in ('parquet', 'parquet, format_spec: {compression: gzip}', 'json', 'csv, compression: zstd'):
    flat(form, '{kind: file, path: out, format: %s}' % form)
    shutil.rmtree('out')
flat('three of Parquet at once', *('{kind: file, name: %s, path: out%s, format: parquet}' % (x, x) for x in 'abc'))
store = postgres.Store(postgres.Server())
flat('postgresql', store.destination())
store.close()
store = clickhouse.Store(clickhouse.Debian(), '')
store.fresh()
flat('clickhouse', store.destination())
store.close()
with Seaweed() as s3:
    s3.bucket(BUCKET)
    for form in ('parquet', 'json'):
        flat('s3, ' + form, Bucket(s3, form).destination())
server.shutdown()
t.done()
