# timeout: 120
# How PostgreSQL is reached: TLS with a certificate that is checked, a pooler in between.
import json
import os
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import postgres
from synctest import Sync


def sh(line):
    subprocess.run(line, shell=True, check=True, capture_output=True)


# Two authorities; a server's certificate for 127.0.0.1, of the first.
for name in ('ca', 'other'):
    sh(f'openssl req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}')
sh('openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=database')
with open('names', 'w') as f:
    f.write('subjectAltName=IP:127.0.0.1')
sh('openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem')
os.mkdir('tls')
for name in ('server.pem', 'server.key'):
    shutil.copy(name, 'tls/' + name)
    os.chmod('tls/' + name, 0o600)
    if postgres.WHO:
        shutil.chown('tls/' + name, 'nobody', 'nogroup')
postgres.reachable(os.path.abspath('tls'))
here = os.getcwd()
pg = postgres.Server(settings=['ssl=on', f'ssl_cert_file={here}/tls/server.pem', f'ssl_key_file={here}/tls/server.key'])
t = Sync()
t.routes('GET /oslo/ships?page=1\n  body [{"id":1,"name":"Fram"}]\n')


def sync(url):
    return t.sync('{source: fleet, tables: [fleet_ships], spec: {ports: [oslo]}, destination: {kind: postgresql, connection_string: %s}}' % json.dumps(url))


def why(r):
    return ' '.join(e['message'] for e in r.get('errors', [])) + str(r.get('raised', ''))


t.is_('verify-full', sync(pg.url(more=f'?sslmode=verify-full&sslrootcert={here}/ca.pem'))['status'], 'success')
t.is_('rows are there', pg.one('SELECT count(*) FROM fleet_ships'), 1)
t.has("another's certificate", why(sync(pg.url(more=f'?sslmode=verify-full&sslrootcert={here}/other.pem'))), 'certificate verify failed')
t.has('of another name', why(sync(f'host=localhost hostaddr=127.0.0.1 port={pg.port} user=postgres dbname=postgres sslmode=verify-full sslrootcert={here}/ca.pem')), 'does not match host name "localhost"')
t.is_('verify-ca does without the name',
      sync(f'host=localhost hostaddr=127.0.0.1 port={pg.port} user=postgres dbname=postgres sslmode=verify-ca sslrootcert={here}/ca.pem')['status'], 'success')

# ---- PgBouncer ----
with socket.socket() as s:
    s.bind(('127.0.0.1', 0))
    port = s.getsockname()[1]
os.mkdir('bouncer')
with open('bouncer/users', 'w') as f:
    f.write('"postgres" ""\n')
for mode in ('transaction', 'session'):
    with open('bouncer/ini', 'w') as f:
        f.write(f'[databases]\npostgres = host=127.0.0.1 port={pg.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n'
                f'auth_type = any\nauth_file = {here}/bouncer/users\npool_mode = {mode}\nserver_tls_sslmode = disable\n'
                '[databases]\npostgres = host=127.0.0.1 port=%d user=postgres\n' % pg.port)
    postgres.reachable(here + '/bouncer')
    p = subprocess.Popen([*postgres.WHO, '/usr/sbin/pgbouncer', here + '/bouncer/ini'], stdout=open('bouncer/log', 'ab'), stderr=subprocess.STDOUT)
    until = time.monotonic() + 20
    while time.monotonic() < until and p.poll() is None:
        try:
            socket.create_connection(('127.0.0.1', port)).close()
            break
        except OSError:
            time.sleep(0.05)
    said = why(sync(f'postgresql://postgres@127.0.0.1:{port}/postgres'))
    t.is_(f'PgBouncer, pool_mode {mode}: refused in words', ('a pooler stands before the server' in said, "the server's own host and port" in said) if 'pooler' in said else said, (True, True))
    pooled = '{source: fleet, tables: [fleet_ships], spec: {ports: [oslo]}, destination: {kind: postgresql, pooler: session, connection_string: "postgresql://postgres@127.0.0.1:%d/postgres"}}' % port
    if mode == 'transaction':
        # said to be of sessions, and is not: another client gets the connection, and keeps it
        t.routes('GET /oslo/ships?page=1\n  delay 2500\n  body [{"id":1,"name":"Fram"}]\n')
        other = subprocess.Popen(f'sleep 1; psql -X -q -h 127.0.0.1 -p {port} -U postgres -d postgres -c "SELECT pg_sleep(6)"', shell=True, env=pg.env, stdout=subprocess.DEVNULL)
        r = t.sync(pooled)
        t.is_('one that is none is found out', (r['status'], 'has given another connection to this session' in str(r), 'pool_mode = session' in str(r)), ('failed', True, True))
        other.wait(20)
    else:
        pg.psql('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
        t.routes('GET /oslo/ships?page=1\n  body [{"id":1,"name":"Fram"}]\n')
        for mode in ('append', 'overwrite-delete-stale'):
            r = t.sync(pooled[:-1] + f', write_mode: {mode}, migrate_mode: forced}}')
            t.is_(f'pooler: session, {mode}', (r['status'], pg.rows('SELECT name FROM fleet_ships')), ('success', [('Fram',)]))
        # a run whose process is gone: its connection lives on in the pool, with others
        t.routes('GET /oslo/ships?page=1\n  delay 20000\n  body []\n')
        code = 'import sys; sys.path.insert(0, %r)\nfrom synctest import Sync\nSync("child.db").sync(sys.argv[1])\n' % (os.environ['CQ_ROOT'] + '/tests/sync')
        child = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', code, pooled[:-1] + ', write_mode: overwrite}'])
        until = time.monotonic() + 20
        while not pg.rows("SELECT owner FROM cq_syncs WHERE status = 'running'") and time.monotonic() < until:
            time.sleep(0.05)
        owner = pg.one("SELECT owner FROM cq_syncs WHERE status = 'running'")
        pid, start, token = owner.split(':')[-1].split('/')
        t.is_('it is known by a token', pg.one(f"SELECT application_name FROM pg_stat_activity WHERE pid = {pid}"), 'cq ' + token)
        child.kill()
        child.wait()
        other = subprocess.Popen(f'psql -X -q -h 127.0.0.1 -p {port} -U postgres -d postgres -c "SELECT pg_sleep(8)"', shell=True, env=pg.env, stdout=subprocess.PIPE)
        until = time.monotonic() + 20
        while pg.one(f"SELECT application_name FROM pg_stat_activity WHERE pid = {pid}") != 'psql' and time.monotonic() < until:
            time.sleep(0.05)
        t.routes('GET /oslo/ships?page=1\n  body [{"id":2,"name":"Gjoa"}]\n')
        r = t.sync(pooled[:-1] + ', write_mode: overwrite}')
        t.is_('the next takes it over, whoever has its connection', (r['status'], pg.rows('SELECT status FROM cq_syncs ORDER BY sync_group_id')[-2:]), ('success', [('interrupted',), ('success',)]))
        t.is_('and leaves him alone', (pg.one(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND application_name = 'psql'"), other.wait(20)), (1, 0))
    p.terminate()
    p.wait(20)
pg.stop()
t.done()
