"""A PostgreSQL server of a test's own: on a free port of 127.0.0.1, as a user
that is not root, in the test's directory; it ends with the test.

  pg = postgres.Server(); pg.url('app'); pg.rows('SELECT 1'); pg.stop()
"""
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance

WHO = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] if os.getuid() == 0 else []


def binaries():
    """Debian's newest."""
    found = sorted(glob.glob('/usr/lib/postgresql/*/bin'), key=lambda p: int(p.split('/')[4]))
    if not found:
        raise SystemExit('no PostgreSQL server: tools/deps.sh check')
    return found[-1]


def reachable(folder):
    """The folders above it may be passed through by the server's user."""
    while folder != '/' and os.stat(folder).st_uid == os.getuid():
        mode = os.stat(folder).st_mode & 0o7777
        if not mode & 1:
            os.chmod(folder, mode | 0o011)
        folder = os.path.dirname(folder)


class Pairs(list):
    """Of a JSON object: a row may have two columns of one name."""

    def plain(self):
        return {k: v.plain() if isinstance(v, Pairs) else v for k, v in self}


class Server:
    def __init__(self, bin=None, settings=(), where='pg'):
        self.bin, self.settings = bin or binaries(), settings
        self.dir = os.path.abspath(where)
        os.mkdir(self.dir)
        reachable(self.dir)
        if WHO:
            shutil.chown(self.dir, 'nobody', 'nogroup')
        # Its libraries may stand where that user cannot go.
        if WHO and subprocess.run([*WHO, self.bin + '/initdb', '--version'], capture_output=True).returncode:
            shutil.copytree(os.path.dirname(self.bin), self.dir + '/server', symlinks=True)
            self.bin = self.dir + '/server/bin'
        self.data = self.dir + '/data'
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        self.env = {'HOME': self.dir, 'PATH': os.environ['PATH'], 'LC_ALL': 'C', 'TZ': 'UTC'}
        self.log = open(self.dir + '/log', 'ab')
        said = subprocess.run([*WHO, self.bin + '/initdb', '-D', self.data, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
                              env=self.env, cwd=self.dir, capture_output=True, text=True)
        if said.returncode:
            raise SystemExit('initdb: ' + said.stdout + said.stderr)
        self.proc = None
        self.start()

    def start(self):
        more = [x for s in self.settings for x in ('-c', s)]
        self.proc = subprocess.Popen([*WHO, self.bin + '/postgres', '-D', self.data, '-p', str(self.port), '-c', 'listen_addresses=127.0.0.1',
                                      '-c', 'unix_socket_directories=', '-c', 'fsync=off', '-c', 'shared_buffers=16MB', *more],
                                     env=self.env, cwd=self.dir, stdout=self.log, stderr=self.log)
        until = time.monotonic() + 60
        while self.psql('SELECT 1', check=False).returncode:
            if self.proc.poll() is not None or time.monotonic() > until:
                raise SystemExit('postgres did not start:\n' + open(self.dir + '/log').read()[-2000:])
            time.sleep(0.05)

    def stop(self, how=signal.SIGINT):
        """SIGINT: ends connections and writes all; SIGQUIT: as a crash does."""
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(how)
            self.proc.wait(60)

    def url(self, user='postgres', password=None, database='postgres', more=''):
        return f'postgresql://{user}{":" + password if password else ""}@127.0.0.1:{self.port}/{database}{more}'

    def psql(self, sql, user='postgres', check=True):
        r = subprocess.run(['psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', str(self.port), '-U', user, '-d', 'postgres'],
                           input=sql, env={**self.env, 'PGOPTIONS': '-c client_min_messages=warning'}, capture_output=True, text=True)
        if check and r.returncode:
            raise AssertionError(r.stderr.strip())
        return r

    def fails(self, sql, user='postgres'):
        """The error's text, or None."""
        r = self.psql(sql, user, check=False)
        return r.stderr.strip() if r.returncode else None

    def rows(self, sql, user='postgres'):
        """Of a SELECT: a list of tuples, as JSON knows them."""
        out = self.psql(f"SELECT coalesce(json_agg(to_json(x)), '[]') FROM (SELECT row_to_json(q) AS x FROM ({sql}) AS q) AS y", user).stdout
        return [tuple(v.plain() if isinstance(v, Pairs) else v for _, v in row) for row in json.loads(out, object_pairs_hook=Pairs)]

    def one(self, sql, user='postgres'):
        return self.rows(sql, user)[0][0]


class Store(conformance.Store):
    name = 'postgresql'
    odd_integers = None

    def __init__(self, server, more=''):
        self.server, self.more = server, more

    def destination(self):
        return '{kind: postgresql, connection_string: "%s"%s}' % (self.server.url(), self.more)

    def read(self, table, columns):
        pairs = ', '.join('json_build_array(pg_typeof("{0}")::text, to_json("{0}")::text)'.format(c[:63]) for c in columns)
        r = self.server.psql(f'SELECT json_build_array({pairs}) FROM "{table}"', check=False)
        if r.returncode:
            if 'does not exist' in r.stderr:
                return []
            raise AssertionError(r.stderr)
        return [tuple(self.value(*p) for p in json.loads(line)) for line in r.stdout.splitlines()]

    @staticmethod
    def value(kind, text):
        if text is None or kind == 'numeric':
            return text
        v = json.loads(text)
        if kind == 'timestamp with time zone':
            v = v.replace('+00:00', '')
            return (v.rstrip('0').rstrip('.') if '.' in v else v) + 'Z'
        if kind == 'timestamp with time zone[]':
            return [x and x.replace('+00:00', 'Z') for x in v]
        if kind == 'bytea':
            return v[2:]
        return int(v) if isinstance(v, bool) else v

    def execute(self, *statements):
        self.server.psql('; '.join(statements))

    def fresh(self):
        self.server.psql('DROP SCHEMA public CASCADE; CREATE SCHEMA public')

    def spoil(self):
        self.server.psql('ALTER TABLE cq_sync_errors DROP COLUMN hint')
        return True

    def close(self):
        self.server.stop()


class Quick(Store):
    """Reads by one psql that stays."""
    psql = None

    def ask(self, sql):
        if not self.psql:
            s = self.server
            self.psql = subprocess.Popen(['psql', '-X', '-q', '-A', '-t', '-h', '127.0.0.1', '-p', str(s.port), '-U', 'postgres', '-d', 'postgres'],
                                         env={**s.env, 'PGOPTIONS': '-c client_min_messages=warning'}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True)
        self.psql.stdin.write(sql + ';\n\\echo ~\n')
        self.psql.stdin.flush()
        return [line[:-1] for line in iter(self.psql.stdout.readline, '~\n')]

    def read(self, table, columns):
        out = self.ask('SELECT json_build_array(%s) FROM "%s"' % (', '.join(f'"{c}"' for c in columns), table))
        if out and out[0].startswith('ERROR'):
            if 'does not exist' in out[0]:
                return []
            raise AssertionError(out)
        return [tuple(json.loads(line)) for line in out]

    def fresh(self):
        self.ask('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
