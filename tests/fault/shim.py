"""What the tests share in which the file system, SQLite's memory or cq's fails.

  t = Shim('append'); t.fresh({}); db = t.connect(); t.fail(WRITE, 7, FULL)
  t.sync(db, 1)            # the result, or {'raised': message}
  t.wrong(0, 1)            # what is neither version 0 nor 1 in the database

cq and the shim are one shared object (shim.c), with which SQLite's VFS and
allocator are replaced in this process. The source is the fleet API at a
version: each ship, member of a crew and note bears the version's name, and the
log has an entry per version, so that a mix of two versions shows.
"""
import ctypes
import json
import os
import random
import re
import sqlite3
import sys
import urllib.request

ROOT, MOCK = os.environ['CQ_ROOT'], os.environ['CQ_MOCK_URL']
os.environ['FLEET_URL'] = MOCK
# As in shim.c.
OPEN, READ, WRITE, TRUNCATE, SYNC, LOCK, DELETE, ACCESS, SIZE, SHM_MAP, SHM_LOCK = (1 << i for i in range(11))
PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN = 3, 5, 6, 7, 8, 10, 11, 13, 14
IOERR_READ, IOERR_SHORT_READ, IOERR_WRITE, IOERR_FSYNC, IOERR_TRUNCATE = (IOERR | i << 8 for i in (1, 2, 3, 4, 6))
IOERR_DELETE, IOERR_LOCK, IOERR_ACCESS, IOERR_FSTAT, IOERR_SHMMAP = (IOERR | i << 8 for i in (10, 15, 13, 7, 21))
HEAVY = os.environ.get('CQ_FAULTS')  # all, or how many of each loop
PORTS = {'oslo': 2, 'rome': 1}  # ships in each

lib = ctypes.CDLL(os.environ['CQ_BUILD'] + '/tests/shim.so')
lib.shim_fail.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]
lib.shim_memory.argtypes = [ctypes.c_long, ctypes.c_int]
lib.shim_cq.argtypes = [ctypes.c_long]
lib.shim_seen.restype = lib.shim_memory_seen.restype = lib.shim_cq_seen.restype = ctypes.c_long
lib.shim_memory_used.restype = ctypes.c_longlong
WATCHER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p)
lib.shim_watch.argtypes = [WATCHER]
if lib.shim_install():
    sys.exit('shim: SQLite was in use already')


def wide(version):
    """The fleet's definition: from version 2 on the crews have a rank, from 9 on the ships' names are numbers of a sort."""
    text = open(ROOT + '/tests/sql/fixtures/fleet.yml').read()
    if version >= 2:
        text = text.replace('      ship_id: {type: integer, from: parent.id}\n      id: integer\n      name: text\n',
                            '      ship_id: {type: integer, from: parent.id}\n      id: integer\n      name: text\n      rank: text\n')
    if version >= 9:
        text = text.replace('tons: real', 'tons: text')
    path = f'fleet-{2 if version >= 9 else 1 if version >= 2 else 0}.yml'
    if not os.path.exists(path):
        with open(path, 'w') as f:
            f.write(text)
    return os.path.abspath(path)


def routes(version):
    out = ''
    for nth, (port, n) in enumerate(PORTS.items()):
        ships = ','.join('{"id":%d,"name":"v%d","tons":%d}' % (i, version, i) for i in range(1, n + 1))
        out += f'GET /{port}/ships\n  body [{ships}]\n'
        out += f'GET /{port}/notes\n  body [{{"text":"v{version}"}}]\n'

        def log(first):
            rows = [(i, i, str(i)) for i in range(first, version + 1)] + [(900, version, f'v{version}')]
            return '[' + ','.join('{"id":%d,"at":"2024-01-01T00:00:%02dZ","text":"%s"}' % (nth * 1000 + i, at, text) for i, at, text in rows) + ']'
        out += f'GET /{port}/log?!since\n  body {log(0)}\n'
        for k in range(version + 1):
            out += 'GET /%s/log?since=2024-01-01T00:00:%02dZ\n  body %s\n' % (port, k, log(k))
    return out + 'GET /*/ships/*/crew\n  body [{"id":1,"name":"v%d","rank":"r"},{"id":2,"name":"v%d"}]\n' % (version, version)


def state(version, tables):
    """What the tables hold at a version: {(table, client): rows}."""
    out = {}
    for nth, (port, n) in enumerate(PORTS.items()):
        v = f'v{version}'
        out['fleet_ships', port] = [(i, v) for i in range(1, n + 1)]
        out['fleet_crews', port] = [(i * 10 + k, v) for i in range(1, n + 1) for k in (1, 2)]
        out['fleet_notes', port] = [(0, v)]
        out['fleet_log', port] = [(nth * 1000 + i, str(i)) for i in range(version + 1)] + [(nth * 1000 + 900, v)]
    return {k: v for k, v in out.items() if k[0] in tables}


KEYS = {'fleet_ships': 'id, name', 'fleet_crews': 'ship_id * 10 + id, name', 'fleet_notes': '0, text', 'fleet_log': 'id, text'}


class Shim:
    def __init__(self, mode='append', where='main', journal='delete', name='fleet'):
        self.n = self.bad = 0
        self.mode, self.where, self.journal, self.name = mode, where, journal, name
        # Without a key overwrite would gather the notes.
        self.tables = [t for t in KEYS if mode != 'overwrite' or t != 'fleet_notes']
        self.at = None
        self.told = []

    # ---- the source, the connection, the database's files ----
    def source(self, version):
        if self.at == version:
            return
        self.at = version
        urllib.request.urlopen(urllib.request.Request(MOCK + '/-/reset', method='POST')).close()
        urllib.request.urlopen(urllib.request.Request(MOCK + '/-/routes', data=routes(version).encode(), method='PUT')).close()

    def asked(self, glob='*'):
        with urllib.request.urlopen(MOCK + '/-/count?path=' + urllib.request.quote(glob)) as r:
            return int(r.read())

    def spec(self, version, **more):
        where = {'main': 'main', 'attached': 'side', 'other': '{path: other.db}'}[self.where]
        extra = ''.join(f', {k}: {v}' for k, v in more.items())
        return '{source: fleet, name: %s, tables: [%s], write_mode: %s, destination: %s, progress: off%s}' % (
            self.name, ', '.join(self.tables), self.mode, where, extra)

    def file(self):
        return {'main': 'main.db', 'attached': 'side.db', 'other': 'other.db'}[self.where]

    def connect(self, version=0):
        os.environ['CQ_PATH'] = wide(version)
        db = sqlite3.connect('main.db', isolation_level=None, timeout=0, check_same_thread=False)
        if self.where == 'attached':
            db.execute("ATTACH 'side.db' AS side")
        db.execute(f'PRAGMA {"side" if self.where == "attached" else "main"}.journal_mode = {self.journal}').fetchall()
        db.enable_load_extension(True)
        db.load_extension(os.environ['CQ_BUILD'] + '/tests/shim')
        return db

    def files(self):
        return {f: open(f, 'rb').read() for f in os.listdir('.') if re.match(r'(main|side|other)\.db', f) and not f.endswith('-shm')}

    def fresh(self, files):
        for f in os.listdir('.'):
            if re.match(r'(main|side|other)\.db', f):
                os.unlink(f)
        for f, data in files.items():
            with open(f, 'wb') as out:
                out.write(data)

    # ---- faults ----
    def fail(self, ops, n, rc=IOERR, stays=False):
        lib.shim_fail(ops, n, rc, stays)

    def calm(self):
        """No more faults; was there one?"""
        hit = lib.shim_seen() < 0 or lib.shim_memory_seen() < 0 or bool(lib.shim_cq_hit())
        lib.shim_fail(0, 0, 0, 0)
        lib.shim_memory(0, 0)
        lib.shim_cq(-1)
        return hit

    # ---- what is asked ----
    def ask(self, db, sql, *args):
        """Rows, or the error's text."""
        try:
            return db.execute(sql, args).fetchall()
        except (sqlite3.Error, MemoryError) as e:
            return str(e) or type(e).__name__

    def sync(self, db, version, options=None, **more):
        self.source(version)
        got = self.ask(db, 'SELECT cq_sync(?, ?)', self.spec(version, **more), options)
        return json.loads(got[0][0]) if isinstance(got, list) else {'status': 'raised', 'raised': got}

    def look(self):
        """A connection to the destination without cq."""
        return sqlite3.connect(self.file(), isolation_level=None, timeout=5)

    def view(self, db):
        out = {}
        there = {r[0] for r in db.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")}
        for table in self.tables:
            if table not in there:
                continue
            for client, key, value in db.execute(f'SELECT _cq_client_id, {KEYS[table]} FROM {table} WHERE _cq_source_name = ? '
                                                 'ORDER BY 1, 2, 3', (self.name,)):
                out.setdefault((table, client), []).append((key, value))
        return out

    def mixed(self, db, old, new, partial=False):
        """What is neither the old version (None: nothing) nor the new one: in append all at once unless something failed, otherwise
        by unit."""
        seen = self.view(db)
        a, b = ({} if v is None else state(v, self.tables) for v in (old, new))
        if self.mode == 'append' and not partial:
            return [] if seen in (a, b) else [f'seen: {seen}']
        return [f'seen: {unit}: {seen.get(unit)}' for unit in {**a, **b, **seen} if seen.get(unit) not in (a.get(unit), b.get(unit))]

    def untrue(self, db):
        """What the run tables say and is not so, of a database that nobody writes."""
        out = []
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'cq_units'").fetchall():
            return out
        for table, client, group, rows in db.execute('SELECT table_name, client_id, sync_group_id, rows FROM cq_units WHERE source_name = ?',
                                                     (self.name,)).fetchall():
            held = 'raw_' + table if self.mode == 'append' else table
            n = db.execute(f'SELECT count(*) FROM {held} WHERE _cq_source_name = ? AND _cq_client_id = ? AND _cq_sync_group_id = ?',
                           (self.name, client, group)).fetchone()[0]
            if n != rows:
                out.append(f'cq_units: {table} {client}: {rows} rows, and there are {n}')
        for group, status, unsettled in db.execute('SELECT sync_group_id, status, unsettled FROM cq_syncs WHERE source_name = ?',
                                                   (self.name,)).fetchall():
            if status == 'success' and (unsettled or db.execute(
                    'SELECT 1 FROM cq_sync_units WHERE sync_group_id = ? AND NOT (published = 1 AND status = ?)', (group, 'ok')).fetchall()):
                out.append(f'cq_syncs: {group}: success, and not all is published')
            if status == 'running' and not unsettled:
                out.append(f'cq_syncs: {group}: running, and settled')
            if not unsettled and db.execute("SELECT 1 FROM cq_sync_tables WHERE sync_group_id = ? AND status IN ('running', 'waiting')",
                                            (group,)).fetchall():
                out.append(f'cq_syncs: {group}: {status}, and a table of it is running')
        return out

    def unclean(self, db, version, runs=True):
        """What is not as after an undisturbed run."""
        out = []
        want = state(version, self.tables)
        seen = self.view(db)
        out += [f'at the end: {u}: {seen.get(u)}' for u in {**want, **seen} if want.get(u) != seen.get(u)]
        out += self.untrue(db)
        left = db.execute("SELECT sync_group_id, status FROM cq_syncs WHERE source_name = ? AND (unsettled OR status = 'running')",
                          (self.name,)).fetchall()
        if left:
            out.append(f'at the end: unsettled: {left}')
        if self.mode == 'append':
            for table in self.tables:
                n = db.execute(f'SELECT count(*) FROM raw_{table} AS r WHERE NOT EXISTS (SELECT 1 FROM cq_sync_units AS u WHERE u.table_name = ? '
                               'AND u.source_name = r._cq_source_name AND u.client_id = r._cq_client_id AND u.sync_group_id = '
                               'r._cq_sync_group_id AND u.published)', (table,)).fetchone()[0]
                if n:
                    out.append(f'at the end: {n} rows of no published unit in raw_{table}')
        for table, client, cursor in db.execute('SELECT table_name, client_id, cursor FROM cq_units'):
            if cursor != ('2024-01-01T00:00:%02dZ' % version if table == 'fleet_log' else ''):
                out.append(f'at the end: cursor of {table} {client}: {cursor}')
        if db.execute('PRAGMA integrity_check').fetchall() != [('ok',)]:
            out.append('the file is damaged')
        return out

    # ---- crashes ----
    def other_process(self, yes):
        """Until it is told no, cq believes to be in a process that is gone by now."""
        lib.shim_pid(2 ** 22 + 7 if yes else 0)

    def record(self, run):
        """Runs `run()` and gives what the disk held before each change of it: [(what came next, files, files as far as synced)]."""
        out, kept = [], dict(self.files())
        last = [None]

        def watch(op, path):
            name = os.path.basename(path.decode())
            if not re.match(r'(main|side|other)\.db', name) or name.endswith('-shm'):
                return
            now = self.files()
            if now != last[0]:
                last[0] = now
                out.append((op, now, dict(kept)))
            if op == SYNC and name in now:
                kept[name] = now[name]
            elif op == DELETE:
                kept.pop(name, None)
        callback = WATCHER(watch)
        lib.shim_watch(callback)
        try:
            run()
        finally:
            lib.shim_watch(WATCHER(0))
        out.append((0, self.files(), dict(kept)))
        return out

    # ---- results ----
    def is_(self, name, seen, wanted):
        self.n += 1
        if seen == wanted:
            print(f'ok {self.n} - {name}', flush=True)
        else:
            self.bad += 1
            print(f'not ok {self.n} - {name}\n#   {seen!r}\n# not\n#   {wanted!r}', flush=True)

    def done(self):
        print(f'1..{self.n}')
        raise SystemExit(self.bad != 0)


WORDS = {NOMEM: 'out of memory|MemoryError', FULL: 'full', IOERR: 'disk I/O error', BUSY: 'locked', READONLY: 'readonly', CANTOPEN: 'unable to open|disk I/O error',
         CORRUPT: 'malformed|not a database|disk I/O error|no such|locking protocol|unsupported file format'}


def words(r):
    return r.get('raised') or '; '.join(e['message'] for e in r.get('errors', []))


class Case:
    """One statement on a database in a certain state."""

    def __init__(self, t, files, old, new, definition, options=None, prune=False, **more):
        self.t, self.files, self.old, self.new, self.definition = t, files, old, new, definition
        self.options, self.prune, self.more = options, prune, more

    def run(self, db):
        if not self.prune:
            return self.t.sync(db, self.new, self.options, **self.more)
        got = self.t.ask(db, 'SELECT cq_prune(1)')
        return {'status': 'success'} if isinstance(got, list) else {'status': 'raised', 'raised': got}

    def count(self, arm, seen):
        """How many there are that can fail, and the result: arm(0) counts, seen() says."""
        self.t.fresh(self.files)
        db = self.t.connect(self.definition)
        arm(0)
        r = self.run(db)
        n = seen()
        self.t.calm()
        db.close()
        return n, r

    def once(self, arm, n, code):
        """What is wrong after this failure, which arm(n) sets."""
        t, out = self.t, []
        t.fresh(self.files)
        held, files = lib.shim_memory_used(), len(os.listdir('/proc/self/fd'))
        db = t.connect(self.definition)
        arm(n)
        r = self.run(db)
        hit = t.calm()
        if r['status'] != 'success' and not re.search(WORDS[code], words(r)):
            out.append(f'words: {r}')
        if r['status'] == 'raised' and code != NOMEM and not re.match(r'destination|source|cq_|statement', r['raised']):
            out.append(f'no object: {r["raised"]}')
        if r['status'] != 'success' and not hit:
            out.append(f'without a failure: {r}')
        if db.in_transaction:
            # Once it has no memory SQLite runs nothing more before the outer statement ends, not even a ROLLBACK that has to be
            # prepared anew since a schema has changed; then it is the host's.
            if not (r['status'] == 'raised' and t.where != 'other' and code == NOMEM):
                out.append('a transaction is open')
            if isinstance(t.ask(db, 'ROLLBACK'), str):
                out.append('a transaction that does not end')
        if isinstance(t.ask(db, 'SELECT 1'), str):
            out.append('the connection is of no use')
        if code == CORRUPT:  # what was read wrong may have been written
            db.close()
            t.fresh(self.files)
            db = t.connect(self.definition)
        elif os.path.exists(t.file()):
            look = t.look()
            try:
                out += t.mixed(look, self.new if r['status'] == 'success' else self.old, self.new, r['status'] == 'partial')
                out += t.untrue(look)
            except sqlite3.Error as e:
                out.append(f'a reader: {e}')
            look.close()
        r = t.sync(db, self.new, self.options if n % 2 else None, **self.more)
        if r['status'] != 'success':
            out.append(f'then: {r}')
        db.close()
        look = t.look()
        out += t.unclean(look, self.new)
        look.close()
        if len(os.listdir('/proc/self/fd')) != files:
            out.append('a file is still open')
        if lib.shim_memory_used() != held:
            out.append(f'{lib.shim_memory_used() - held} bytes of SQLite are lost')
        return out


def cases(t):
    """(name, case): the states are made by undisturbed runs."""
    yield 'first', Case(t, {}, None, 1, 1)
    db = t.connect(1)
    t.sync(db, 1)
    db.close()
    one = t.files()
    yield 'later', Case(t, one, 1, 2, 2)
    yield 'rebuilt', Case(t, one, 1, 2, 9, migrate_mode='forced')
    t.fresh(one)
    t.other_process(True)
    db = t.connect(1)
    moments = t.record(lambda: t.sync(db, 2))
    db.close()
    t.other_process(False)
    two = t.files()
    yield 'resumed', Case(t, moments[len(moments) * 2 // 3][1], 1, 2, 1, '{"resume": true}')
    if t.mode == 'append':
        yield 'prune', Case(t, two, 2, 2, 1, prune=True)


def torn(now, kept, rnd):
    """What a machine that lost its power may have kept: of each sector the new bytes or those that were synced last."""
    out = {}
    for name, a in now.items():
        b = kept.get(name, b'')
        size = rnd.choice((len(a), len(b)))
        data = b''
        for at in range(0, size, 512):
            x, y = a[at:at + 512], b[at:at + 512]
            data += (x if rnd.random() < 0.5 else y or bytes(len(x)))[:512]
        out[name] = data
    return out


def some(n, most):
    """1..n, or so many of them that are spread evenly."""
    if HEAVY:
        most = n if HEAVY == 'all' else int(HEAVY)
    if n <= most:
        return range(1, n + 1)
    return sorted({1 + i * (n - 1) // (most - 1) for i in range(most)})


rnd = random.Random(11)
