# Datasette, over pysqlite3: a file that was synced, live tables beside it, and its time limit, which is a progress handler.
import concurrent.futures
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

CQ = os.environ['CQ_SO'][:-3]
hosts.routes()
db = sqlite3.connect('file.db', isolation_level=None)
db.enable_load_extension(True)
db.load_extension(CQ)
hosts.is_('a file to serve', db.execute(hosts.SYNC).fetchall(), [('success',)])
db.close()

with socket.create_server(('127.0.0.1', 0)) as s:
    port = s.getsockname()[1]
URL = f'http://127.0.0.1:{port}/file.json'
# A shell that is in the background has SIGINT ignored, and so have its children.
server = subprocess.Popen([os.environ['CQ_BUILD'] + '/hosts/more/datasette/bin/python', '-m', 'datasette', 'serve', 'file.db', '--load-extension', CQ,
                           '--port', str(port), '--setting', 'sql_time_limit_ms', '2000', '--setting', 'num_sql_threads', '4'],
                          stdout=open('datasette.txt', 'w'), stderr=subprocess.STDOUT)


def ask(sql):
    """The rows, or the error."""
    try:
        with urllib.request.urlopen(URL + '?' + urllib.parse.urlencode({'sql': sql, '_shape': 'arrays'})) as r:
            return json.load(r)['rows']
    except urllib.error.HTTPError as e:
        return json.load(e)['error']


for _ in range(600):
    try:
        version = ask('SELECT sqlite_version()')[0][0]
        break
    except OSError:
        if server.poll() is not None:
            raise SystemExit('# ' + open('datasette.txt').read()[-2000:])
        time.sleep(0.1)


def t(what, seen, wanted):
    hosts.is_(f'Datasette, SQLite {version}: {what}', seen, wanted)


t('the version', ask('SELECT cq_version()'), [[hosts.VERSION]])
t('the snapshot', ask('SELECT room, id, name, score, extra FROM host_items ORDER BY id')[0], ['x', 1, 'Zoë 1', 1.5, '{"n":[1,null]}'])
t('live rows', ask('SELECT count(*), sum(score) FROM live_host_items WHERE id > 3'), [[5, 32.5]])
t('an error whole', ask(hosts.DENIED), f'host_denied (host): GET {hosts.MOCK}/denied: HTTP 403: Zoë may not: 100% "quoted" | piped')
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    t('24 at once', list(pool.map(ask, ['SELECT count(*) FROM live_host_items'] * 24)), [[[8]]] * 24)
t('its time limit ends a query of a silent server', 'interrupted' in str(ask('SELECT * FROM host_silent')).lower() or 'time limit' in str(
    ask('SELECT * FROM host_silent')).lower(), True)
t('then another answers', ask('SELECT count(*) FROM live_host_items'), [[8]])
seen = ask("SELECT cq_sync('{source: host, tables: [host_items], progress: off}')")
t('it reads only, so a sync says so', 'readonly' in str(seen) or 'read only' in str(seen) or seen, True)
server.send_signal(signal.SIGTERM)
t('it ends as told', server.wait(30) in (0, -signal.SIGTERM), True)
hosts.done()
