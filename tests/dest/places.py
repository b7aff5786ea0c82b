"""What the tests share in which a store runs out of memory at each of its places.

A place is a chain of calls that ends in an allocation of cq's; shim.c notes those
that a statement passes, and lets one fail, on whatever thread. Of all that a case
meets, as many are picked as it takes for each call within the store's own
folders to be once on the way to an allocation that fails: each line that hands on
such a failure is passed.

  p = Places(store, 'dest/postgresql/', 'dest/writer/')
  p.cases()      # first, later, rebuilt, resumed, ...: each with all modes
  p.done()

After each: the words say it, what is shown is a whole snapshot, the next sync
ends well and leaves what an undisturbed one does, and what was allocated is freed.
CQ_FAULTS=all takes each place that a case meets, not only those that are new; and refuses each statement in each way, not in two of them.
"""
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests/fault']
import shim
from shim import HEAVY, MOCK, NOMEM, PORTS, WORDS, Shim, lib, words

SO = os.environ['CQ_BUILD'] + '/tests/shim.so'
DEPTH = 32
lib.shim_place.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long]
lib.shim_places.argtypes = [ctypes.c_void_p]
lib.shim_cq_held.restype = ctypes.c_long
ONLY = os.environ.get('CQ_PARTS')   # part of a place's lines: those alone, and what comes of each
TABLES = ['fleet_ships', 'fleet_crews', 'fleet_log']
COLUMNS = {'fleet_ships': ('id', 'name'), 'fleet_crews': ('ship_id', 'id', 'name'), 'fleet_log': ('id', 'text')}


class Code:
    """Which file and line an address of the shared object is of."""

    def __init__(self):
        with open('/proc/self/maps') as f:
            at = [line.split() for line in f if line.rstrip().endswith('/tests/shim.so')]
        self.base = int(at[0][0].split('-')[0], 16)
        self.end = int(at[-1][0].split('-')[1], 16)
        self.known = {}

    def learn(self, addresses):
        new = sorted({a for a in addresses if self.base <= a < self.end} - set(self.known))
        if not new:
            return
        # one less: the address is where the call returns to
        said = subprocess.run(['addr2line', '-a', '-i', '-f', '-e', SO], input='\n'.join(hex(a - self.base - 1) for a in new), capture_output=True,
                              text=True, check=True).stdout.splitlines()
        chains = []
        for line in said:
            if line.startswith('0x'):
                chains.append([])
            else:
                chains[-1].append(line)
        for a, chain in zip(new, chains):
            self.known[a] = [(f, re.sub(r'^.*?/(?=(ext|tests|vtab)/)', '', at).split(' ')[0]) for f, at in zip(chain[::2], chain[1::2])]

    def said(self, address):
        return self.known.get(address, [])


def routes(version):
    out = ''
    for port, ships in PORTS.items():
        out += 'GET /%s/ships\n  body [%s]\n' % (port, ','.join('{"id":%d,"name":"v%d","tons":%d}' % (i, version, i) for i in range(1, ships + 1)))
        out += 'GET /%s/log\n  body [{"id":%d,"at":"%s","text":"v%d"}]\n' % (port, ships, at(version), version)
    return out + 'GET /*/ships/*/crew\n  body [{"id":1,"name":"v%d","rank":"r"},{"id":2,"name":"v%d"}]\n' % (version, version)


def at(version):
    return f'2024-01-01T{version // 3600:02}:{version // 60 % 60:02}:{version % 60:02}Z'


def state(version):
    """What the tables hold at a version: {(table, client): rows}; None: nothing."""
    out, v = {}, f'v{version}'
    for port, ships in PORTS.items() if version else ():
        out['fleet_ships', port] = [(i, v) for i in range(1, ships + 1)]
        out['fleet_crews', port] = [(i, k, v) for i in range(1, ships + 1) for k in (1, 2)]
        out['fleet_log', port] = [(ships, v)]
    return out


class Places(Shim):
    def __init__(self, store, *folders):
        super().__init__()
        self.store, self.folders = store, tuple('ext/' + f for f in folders)
        self.tables = TABLES
        self.version, self.there = 0, None      # the newest, and that which the store has, with which mode and definition
        self.passed = set()     # calls that an allocation's failure has been handed on through
        self.failures = self.missed = 0
        self.code = None
        self.every = 1      # after so many failures, one after the other, a sync is undisturbed: more of stores that are slow
        os.environ['CQ_SO'] = SO

    # ---- statements ----
    def source(self, version):
        self.mock('reset', b'', 'POST')
        self.mock('routes', routes(version).encode(), 'PUT')

    @staticmethod
    def mock(path, data=None, method='GET'):
        with urllib.request.urlopen(urllib.request.Request(f'{MOCK}/-/{path}', data, method=method)) as r:
            return r.read()

    def spec(self, mode='append', **more):
        return '{source: fleet, tables: [%s], write_mode: %s, destination: %s, progress: off%s}' % (
            ', '.join(self.tables), mode, self.store.destination(), ''.join(f', {k}: {v}' for k, v in more.items()))

    def open(self, definition=1):
        os.environ['CQ_PATH'] = shim.wide(definition)
        db = shim.sqlite3.connect(':memory:', isolation_level=None, check_same_thread=False)
        db.enable_load_extension(True)
        db.load_extension(SO[:-3])
        return db

    def run(self, db, sql, *args):
        getattr(self.store, 'let_go', int)()
        got = self.ask(db, sql, *args)
        if not isinstance(got, list):
            return {'status': 'raised', 'raised': got}
        r = json.loads(got[0][0])
        return r if 'status' in r else {'status': 'success', 'is': r}

    # ---- what the store has ----
    def view(self):
        out = {}
        for table in self.tables:
            for client, *row in self.store.read(table, ['_cq_client_id', *COLUMNS[table]]):
                out.setdefault((table, client), []).append(tuple(row))
        return {k: sorted(v) for k, v in out.items()}

    def mixed(self, versions, by_unit):
        """What is of none of these versions."""
        right, seen = [state(v) for v in versions], self.view()
        if not by_unit:
            return [] if seen in right else [f'seen: {seen}']
        return [f'seen: {u}: {seen.get(u)}' for u in {u for x in (seen, *right) for u in x} if seen.get(u) not in [x.get(u) for x in right]]

    def unclean(self, version, mode):
        """What is not as after an undisturbed run."""
        want, seen = state(version), self.view()
        out = [f'at the end: {u}: {seen.get(u)}' for u in {**want, **seen} if want.get(u) != seen.get(u)]
        left = [x for x in self.store.read('cq_syncs', ['status', 'unsettled']) if x[1] or x[0] == 'running']
        out += [f'at the end: unsettled: {left}'] if left else []
        units = self.store.read('cq_sync_units', ['table_name', 'client_id', 'sync_group_id', 'published'])
        published = {x[:3] for x in units if x[3]}
        for table in self.tables if mode == 'append' and self.store.raw else ():
            lost = {(table, *x) for x in self.store.read('raw_' + table, ['_cq_client_id', '_cq_sync_group_id'])} - published
            out += [f'at the end: rows of no published unit: {sorted(lost)}'] if lost else []
        for table, client, cursor in self.store.read('cq_units', ['table_name', 'client_id', 'cursor']):
            if (cursor or '') != (at(version) if table == 'fleet_log' else ''):
                out.append(f'at the end: cursor of {table} {client}: {cursor}')
        return out + [f'at the end: {x}' for x in getattr(self.store, 'left', list)()]

    # ---- places ----
    def note(self, run):
        """What `run` gives, the places that it passes which are worth a failure (their addresses up to the store's outermost), and how many."""
        lib.shim_forget()
        lib.shim_note(1)
        r = run()
        lib.shim_note(0)
        n = lib.shim_places(None)
        flat = (ctypes.c_void_p * (DEPTH * n))()
        lib.shim_places(flat)
        stacks = [[a for a in flat[i * DEPTH:(i + 1) * DEPTH] if a] for i in range(n)]
        self.code = self.code or Code()
        self.code.learn(a for s in stacks for a in s)
        found = {}
        for s in stacks:
            own = [i for i, a in enumerate(s) if any(where.startswith(self.folders) for _, where in self.code.said(a))]
            if own:
                found[tuple(s[:own[-1] + 1])] = {s[i] for i in own}
        picked = []
        for s, calls in sorted(found.items(), key=lambda x: (-len(x[1]), x[0])):
            if ONLY and ONLY not in self.text(s):
                continue
            if HEAVY or calls - self.passed:
                self.passed |= calls
                picked.append(s)
        return r, picked, len(found)

    def text(self, place):
        return ' < '.join([x for a in place for _, x in self.code.said(a) if x.startswith(self.folders)][:6])

    # ---- a case ----
    def case(self, name, mode='append', begin='synced', act='sync', definition=lambda version: 1, **more):
        """`act` with memory that ends at each place, in a store that is empty, synced, or has half a run."""
        wrong, begun = [], time.monotonic()
        c = Case(self, mode, begin, act, definition, more)
        self.there = None
        old, new = c.before()
        db = self.open(definition(new))
        r, picked, met = self.note(lambda: c.act(db, new))
        db.close()
        c.after({new})
        wrong += [] if r['status'] == 'success' else [f'undisturbed: {r}']
        for place in picked:
            wrong += [f'{self.text(place)}: {w}' for w in self.once(c, lambda: self.place_fails(place), self.no_place_fails, WORDS[NOMEM])]
            if len(wrong) > 20:
                break
        print(f'# {name}: {len(picked)} of {met} places, {time.monotonic() - begun:.1f} s', flush=True)
        self.failures += len(picked)
        self.is_(name, wrong[:8], [])

    def cases(self):
        """Those that need no new store first: they have most of the places."""
        for mode in self.store.modes:
            self.case(f'later, {mode}', mode)
            self.case(f'a column more, {mode}', mode, definition=lambda version: 1 if version % 2 else 2)
            self.case(f'rebuilt, {mode}', mode, definition=lambda version: 1 if version % 2 else 9, migrate_mode='forced')
            self.case(f'first, {mode}', mode, 'empty')
            self.case(f'after half a run, {mode}', mode, 'half')
            self.case(f'resumed, {mode}', mode, 'half', 'resume')
        self.case('cq_prune', act='prune')
        self.case('cq_test', act='test')
        self.case('cq_migrate', begin='empty', act='migrate')

    def place_fails(self, place):
        flat = (ctypes.c_void_p * len(place))(*place)
        lib.shim_place(flat, len(place), 0)

    @staticmethod
    def no_place_fails():
        hit = bool(lib.shim_cq_hit())
        lib.shim_place(None, 0, 0)
        return hit

    def once(self, c, arm, calm, said):
        """What is wrong after a failure that begins with arm() and is over with calm(), which says whether it was met; said: its words."""
        out = []
        old, new = c.before()
        getattr(self.store, 'let_go', int)()
        files, held = len(os.listdir('/proc/self/fd')), lib.shim_cq_held()
        db = self.open(c.definition(new))
        arm()
        r = c.act(db, new)
        hit = calm()
        self.missed += not hit
        if r['status'] != 'success' and not hit:
            out.append(f'without a failure: {r}')
        elif r['status'] != 'success' and not re.search(said, words(r)):
            out.append(f'words: {r}')
        if ONLY:
            print('#', r, flush=True)
        right = {new} if r['status'] == 'success' and c.writes else old | {new, new - 1 if c.what == 'resume' else new}
        out += self.mixed(right, c.mode != 'append' or r['status'] == 'partial' or c.what == 'resume' or len(old) > 1)
        if c.writes and c.next_fails():
            db.close()
            c.after(right)
            return out
        r = self.run(db, 'SELECT cq_sync(?)', c.spec)
        db.close()
        if r['status'] != 'success':
            out.append(f'then: {r}')
        c.after({new})
        out += self.unclean(new, c.mode)
        getattr(self.store, 'let_go', int)()
        if said == WORDS[NOMEM] and len(os.listdir('/proc/self/fd')) > files:     # a front's own are of this process, too
            out.append(f'a file is still open: {len(os.listdir("/proc/self/fd")) - files}')
        if lib.shim_cq_held() > held:
            out.append(f'{lib.shim_cq_held() - held} blocks are lost')
        return out

    def refusals(self, name, front, hows, mode='append', begin='synced', act='sync', definition=lambda version: 1, **more):
        """`act` where the store does not do what it is told, once for each statement that it is told: `front` stands before it, as Front says."""
        wrong, begun, n = [], time.monotonic(), 0
        c = Case(self, mode, begin, act, definition, more)
        self.there = None
        old, new = c.before()
        db = self.open(definition(new))
        front.begin()
        r = c.act(db, new)
        met = front.shapes()
        db.close()
        c.after({new})
        wrong += [] if r['status'] == 'success' else [f'undisturbed: {r}']
        ways = list(hows)
        for i, how in enumerate(ways):
            said = hows[how]
            for k, shape in enumerate(met):
                if ((how, shape) in self.passed or (i + k) % len(ways) > 1) and not HEAVY:
                    continue
                self.passed.add((how, shape))
                n += 1
                if len(wrong) < 20:
                    wrong += [f'{how}: {shape}: {w}' for w in self.once(c, lambda: front.refuse(shape, how), front.calm, said)]
        print(f'# {name}: {n} refusals, {len(met)} statements, {time.monotonic() - begun:.1f} s', flush=True)
        self.failures += n
        self.is_(name, wrong[:8], [])

    def done(self):
        print(f'# {self.failures} failures, {self.missed} of them not met again')
        self.is_('nearly all are met again', self.missed * 5 <= self.failures, True)
        super().done()


class Front:
    """Who stands before a server and tells statements apart: passes() asks allowed() of each, which gives how it is to be refused, or None."""

    def __init__(self):
        self.met, self.what, self.hit = [], None, False
        self.noting = False

    def begin(self):
        self.met, self.noting = [], True

    def shapes(self):
        self.noting = False
        return list(dict.fromkeys(self.met))

    def refuse(self, shape, how):
        self.what, self.hit = (shape, how), False

    def calm(self):
        self.what = None
        return self.hit

    def judge(self, statement):
        """A statement's shape: what is left of its text without numbers and values."""
        shape = re.sub(r"'[^']*'|\d+|cq_stage_\w+", '', statement[:300])
        if self.noting:
            self.met.append(shape)
        if self.what and self.what[0] == shape and not self.hit:
            self.hit = True
            return self.what[1]
        return None


class Case:
    ACTS = {'sync': ('SELECT cq_sync(?)', ()), 'resume': ('SELECT cq_sync(?, ?)', ('{"resume": true}',)), 'retry': ('SELECT cq_sync(?, ?)', ('{"retry": "failed"}',)),
            'prune': ('SELECT cq_prune(1, ?)', ()), 'test': ('SELECT cq_test(?)', ()), 'migrate': ('SELECT cq_migrate(?)', ())}

    def __init__(self, t, mode, begin, act, definition, more):
        self.t, self.mode, self.begin, self.what, self.definition = t, mode, begin, act, definition
        self.spec = t.spec(mode, **more)
        self.writes = act in ('sync', 'resume', 'retry')
        self.left = self.turn = 0

    def whole(self):
        """A sync without a disturbance, of the next version."""
        t = self.t
        t.version += 1
        t.source(t.version)
        db = t.open(self.definition(t.version))
        r = t.run(db, 'SELECT cq_sync(?)', self.spec)
        db.close()
        if r['status'] != 'success':
            raise AssertionError(f'before: {r}')
        t.there = {t.version}

    def before(self):
        """(the versions of which something may be there, None: nothing; version of the source)"""
        t = self.t
        if self.begin == 'empty' or t.there is None or self.left == 0:
            t.store.fresh()
            t.there = {None} if self.begin == 'empty' else None
            self.left = 20      # so that what is kept of older runs stays little
        self.left -= 1
        if t.there is None:
            self.whole()
        old = t.there
        t.version += 1
        if self.begin == 'half':
            self.half()
            t.version += 1
        t.source(t.version)
        return old, t.version

    def half(self):
        """A run of another process that ends in its midst."""
        t = self.t
        t.mock('reset', b'', 'POST')
        t.mock('routes', routes(t.version).replace('GET /rome/ships\n', 'GET /rome/ships\n  hang\n').encode(), 'PUT')
        pid = os.fork()
        if not pid:
            try:
                t.run(t.open(self.definition(t.version)), 'SELECT cq_sync(?)', self.spec)
            finally:
                os._exit(1)
        until = time.monotonic() + 10
        while int(t.mock('count?path=*')) < 6 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def act(self, db, version):
        sql, more = self.ACTS[self.what]
        return self.t.run(db, sql, self.spec, *more)

    def after(self, versions):
        self.t.there = versions if self.writes else None

    def next_fails(self):
        """Does the next failure come before a whole run?"""
        self.turn += 1
        return self.begin == 'synced' and self.left and self.turn % self.t.every
