"""Destinations: what a sync into each takes, beside the store's own bulk loader with the same rows.

Each case is a real server of the tests (tests/dest), or a file. A sync's process reads the pages and writes; what reading
alone takes is measured by a live query of the same columns, so that the rest is writing. The loader gets the rows ready in a
file, made by cq from the same pages: 12 columns and the six that cq adds. The server's own CPU is counted too, since it works
for both. All are whole processes, in turn.
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cases
import measure

ROOT = Path(__file__).resolve().parent.parent
SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = {10_000: 5, 100_000: 3, 1_000_000: 1}
TABLE = 'bench_items'


def cpu_of(pid):
    """Seconds of a process and all below it, those included that have ended and were waited for."""
    ticks, found = 0, {}
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            f = stat.read_text().rpartition(') ')[2].split()
        except OSError:
            continue
        found[int(stat.parent.name)] = (int(f[1]), sum(int(x) for x in f[11:15]))
    todo = [pid]
    while todo:
        one = todo.pop()
        ticks += found.get(one, (0, 0))[1]
        todo += [p for p, (parent, _) in found.items() if parent == one]
    return ticks / os.sysconf('SC_CLK_TCK')


class Store:
    """One of them. `loader`: what the floor is, for the table; `columns` of a row are those of self.bench.csv's head."""
    name = loader = ''
    pid = None   # of the server

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.folder / self.name
        self.folder.mkdir()
        self.start()

    def start(self):
        pass

    def stop(self):
        pass

    def destination(self):
        raise NotImplementedError

    def empty(self):
        """Before each sync."""

    def prepare(self):
        """After a sync: the loader's file, and where it is to go."""

    def before(self):
        """Before each loading."""

    def floor(self):
        raise NotImplementedError

    def loaded(self):
        """How many rows the loader has loaded."""
        raise NotImplementedError


class Postgres(Store):
    name, loader = 'postgresql', 'psql, \\copy of CSV'

    def start(self):
        import postgres
        self.server = postgres.Server(where=str(self.folder / 'server'))
        self.pid = self.server.proc.pid

    def stop(self):
        self.server.stop()

    def destination(self):
        return {'kind': 'postgresql', 'connection_string': self.server.url()}

    def empty(self):
        self.server.psql('DROP SCHEMA public CASCADE; CREATE SCHEMA public')

    def prepare(self):
        self.server.psql(f'CREATE TABLE loaded (LIKE raw_{TABLE} INCLUDING ALL)')

    def before(self):
        self.server.psql('TRUNCATE loaded')

    def floor(self):
        head = self.bench.csv.open().readline().strip()
        return ['psql', '-X', '-q', self.server.url(), '-c', f"\\copy loaded({head}) FROM '{self.bench.csv}' CSV HEADER"]

    def loaded(self):
        return self.server.one('SELECT count(*) FROM loaded')


class ClickHouse(Store):
    name, loader = 'clickhouse', 'clickhouse-client, INSERT of TSV'

    def start(self):
        import clickhouse
        self.tcp = clickhouse.free_port()
        self.server = clickhouse.Debian(str(self.folder / 'server'), f'<tcp_port>{self.tcp}</tcp_port>')
        self.pid = self.server.process.pid
        self.rows = self.folder / 'rows.tsv'

    def stop(self):
        self.server.stop()

    def destination(self):
        return {'kind': 'clickhouse', 'connection_string': f'clickhouse://127.0.0.1:{self.server.port}/cq'}

    def empty(self):
        self.server.query('DROP DATABASE IF EXISTS cq')
        self.server.query('CREATE DATABASE cq')

    def client(self, sql):
        return f'clickhouse-client --host 127.0.0.1 --port {self.tcp} --query "{sql}"'

    def prepare(self):
        self.server.query(f'CREATE TABLE cq.loaded AS cq.raw_{TABLE}')
        subprocess.run(self.client(f'SELECT * FROM cq.raw_{TABLE} FORMAT TabSeparated') + f' > {self.rows}', shell=True, check=True)

    def before(self):
        self.server.query('TRUNCATE TABLE cq.loaded')

    def floor(self):
        return ['sh', '-c', 'exec ' + self.client('INSERT INTO cq.loaded FORMAT TabSeparated') + f' < {self.rows}']

    def loaded(self):
        return int(self.server.query('SELECT count() FROM cq.loaded'))


class S3(Store):
    name, loader = 's3', 'curl, one PUT of the same NDJSON'

    def start(self):
        import s3servers
        self.key, self.secret = s3servers.KEY, s3servers.SECRET
        self.server = s3servers.Seaweed(str(self.folder / 'server'))
        self.server.bucket('bench')
        self.pid = self.server.proc.pid

    def stop(self):
        self.server.stop()

    def destination(self):
        return {'kind': 's3', 'bucket': 'bench', 'region': 'us-east-1', 'path': 'cq/', 'format': 'json', 'endpoint': self.server.url,
                'use_path_style': True, 'credentials': {'access_key_id': self.key, 'secret_access_key': self.secret}}

    def empty(self):
        boto = self.server.boto()
        for page in boto.get_paginator('list_objects_v2').paginate(Bucket='bench'):
            for o in page.get('Contents', []):
                boto.delete_object(Bucket='bench', Key=o['Key'])

    def floor(self):
        return ['curl', '-sf', '--aws-sigv4', 'aws:amz:us-east-1:s3', '--user', f'{self.key}:{self.secret}', '-H',
                'x-amz-content-sha256: UNSIGNED-PAYLOAD', '-T', str(self.bench.json), f'{self.server.url}/bench/loaded.json']

    def loaded(self):
        size = self.server.boto().head_object(Bucket='bench', Key='loaded.json')['ContentLength']
        return self.bench.rows if size == self.bench.json.stat().st_size else size


class Files(Store):
    form = ''

    def destination(self):
        return {'kind': 'file', 'path': str(self.folder / 'out'), 'format': self.form}

    def empty(self):
        shutil.rmtree(self.folder / 'out', ignore_errors=True)

    def before(self):
        self.target.unlink(missing_ok=True)

    @property
    def target(self):
        return self.folder / f'loaded.{self.form}'

    def shell(self, *options):
        return ['sh', '-c', f'exec sqlite3 -batch {" ".join(options)} {self.bench.db} "SELECT * FROM raw_{TABLE}" > {self.target}']

    def loaded(self):
        with self.target.open('rb') as f:
            return sum(1 for _ in f)


class Json(Files):
    name, loader, form = 'file-json', 'sqlite3 -json, of a table', 'json'

    def floor(self):
        return self.shell('-json')


class Csv(Files):
    name, loader, form = 'file-csv', 'sqlite3 -csv, of a table', 'csv'

    def floor(self):
        return self.shell('-csv')


class Parquet(Files):
    name, loader, form = 'file-parquet', "DuckDB's COPY of CSV to Parquet, zstd", 'parquet'

    def floor(self):
        return self.bench.duckdb(f"COPY (FROM read_csv('{self.bench.csv}')) TO '{self.target}' (FORMAT parquet, CODEC zstd)")

    def loaded(self):
        return int(subprocess.run(self.bench.duckdb(f"SELECT count(*) FROM '{self.target}'"), stdout=subprocess.PIPE, text=True).stdout)


class Duck(Store):
    name, loader = 'duckdb', "DuckDB's reader of CSV into a table"

    def destination(self):
        return {'kind': 'duckdb', 'path': str(self.folder / 'cq.duckdb'), 'library': os.environ['CQ_STORES'] + '/libduckdb.so'}

    def empty(self):
        for name in ('cq.duckdb', 'cq.duckdb.wal'):
            (self.folder / name).unlink(missing_ok=True)

    def before(self):
        (self.folder / 'loaded.duckdb').unlink(missing_ok=True)

    def floor(self):
        return self.bench.duckdb(f"CREATE TABLE loaded AS FROM read_csv('{self.bench.csv}')", self.folder / 'loaded.duckdb')

    def loaded(self):
        return int(subprocess.run(self.bench.duckdb('SELECT count(*) FROM loaded', self.folder / 'loaded.duckdb'),
                                  stdout=subprocess.PIPE, text=True).stdout)


STORES = (Postgres, ClickHouse, S3, Parquet, Json, Csv, Duck)
NAMES = {f'into-{s.name}': s for s in STORES}


class Bench:
    """One size for one store after the other."""

    def __init__(self, build, venv, stores, folder, env):
        self.build, self.venv, self.folder, self.env = build, venv, folder / 'stores', env
        self.folder.mkdir()
        os.environ.update({'CQ_ROOT': str(ROOT), 'CQ_BUILD': str(build), 'CQ_STORES': str(stores.resolve()), 'CQ_MOCK_URL': ''})
        sys.path.insert(0, str(ROOT / 'tests/dest'))
        self.csv = self.json = self.db = None

    def duckdb(self, sql, path=':memory:'):
        code = 'import duckdb, sys\nr = duckdb.connect(sys.argv[2], config={"threads": 1}).execute(sys.argv[1]).fetchall()\nprint(r[0][0] if r else "")'
        return [str(self.venv / 'bin/python'), '-c', code, sql, str(path)]

    def sync(self, destination, db):
        spec = {'source': 'bench', 'tables': [TABLE], 'write_mode': 'append', 'progress': 'off',
                'spec': {'of': self.rows // 100}}
        if destination:
            spec['destination'] = destination
        db.unlink(missing_ok=True)
        return self.shell(db, 'SELECT cq_sync(%s);\n' % ("'" + json.dumps(spec).replace("'", "''") + "'"))

    def shell(self, db, sql):
        return ['sqlite3', '-batch', '-bail', '-cmd', f'.load {self.build}/cq', str(db)], sql

    def wrote(self, who, text):
        result = json.loads(text)
        if (result['status'], result['rows']) != ('success', self.rows):
            sys.exit(f'bench: {who}: {text[:2000]}')

    def took(self, argv, stdin='', pid=None):
        before = cpu_of(pid) if pid else 0
        took = measure.time(self.build / 'bench/took', argv, self.env, stdin)
        if pid:
            took['server'] = cpu_of(pid) - before
        return took

    def rows_ready(self, rows):
        """The loaders' input: the same rows as CSV, NDJSON and a table."""
        self.rows = rows
        shutil.rmtree(self.folder / 'rows', ignore_errors=True)
        for form in ('csv', 'json'):
            to = {'kind': 'file', 'path': f'{self.folder}/rows/{form}', 'format': form, 'no_rotate': True, 'batch_size_bytes': 1 << 34}
            self.wrote(form, measure.output(*self.order(self.sync(to, self.folder / 'rows.db'))))
            found = sorted((self.folder / 'rows' / form / TABLE).iterdir())
            if len(found) != 1:
                sys.exit(f'bench: {form}: {len(found)} files, not one')
            setattr(self, form, found[0])
        self.db = self.folder / 'rows.db'
        self.wrote('sqlite', measure.output(*self.order(self.sync(None, self.db))))

    def order(self, call):
        argv, stdin = call
        return argv, self.env, stdin

    def best(self, old, new):
        return new if not old or new['cpu'] < old['cpu'] else old

    def reading(self):
        case = next(c for c in cases.CASES if c.name == 'items-1e5')
        sql = f"SELECT cq_config('bench.of', {self.rows // 100}) IS 'x';\n" + case.live().splitlines()[-1] + '\n'
        best = None
        for _ in range(ROUNDS[self.rows]):
            took = self.took(*self.shell(':memory:', sql))
            best = self.best(best, took)
        return best

    def one(self, store):
        cq = floor = None
        db = self.folder / 'host.db'
        for n in range(ROUNDS[self.rows]):
            store.empty()
            took = self.took(*self.sync(store.destination(), db), store.pid)
            self.wrote(store.name, took['text'])
            cq = self.best(cq, took)
            if n == 0 or store.pid:
                store.prepare()
            store.before()
            took = self.took(store.floor(), '', store.pid)
            got = store.loaded()
            if got != self.rows and not (isinstance(store, (Csv, Json)) and got in (self.rows, self.rows + 1)):
                sys.exit(f'bench: {store.name}: {store.loader}: {got} rows, not {self.rows}')
            floor = self.best(floor, took)
        return {'cq': cq, 'floor': floor}


def measure_all(chosen, sizes, build, venv, stores, folder, env, say):
    bench = Bench(build, venv, stores, folder, env)
    found = []
    for rows in sizes:
        bench.rows_ready(rows)
        reading = bench.reading()
        for kind in chosen:
            store = kind(bench)
            try:
                took = bench.one(store)
            finally:
                store.stop()
                shutil.rmtree(store.folder, ignore_errors=True)
            for t in took.values():
                t.pop('text')
            found.append({'store': store.name, 'loader': store.loader, 'rows': rows, 'reading': reading['cpu'], **took})
            say(found[-1])
    return found
