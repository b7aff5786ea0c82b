"""What the tests of live queries share: an API that really filters, and the
same statement on a live table and on others that hold its rows.

  lab = Lab(seed)                serves fixtures/lab.yml's tables, counts requests
  pair = Pair(lab, 'sqlite3')    a connection with the live tables and their copies
  pair.answers(statement, run)   what each kind of table answers, and what was asked
"""
import collections
import json
import os
import random
import select
import socket
import sqlite3
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SITES = ('a', 'B', 'c')
LEVELS = {'low': [(1, 'one'), (2, None)], 'high': [(9, 'nine'), (9, 'nine'), (None, '')], 'none': []}
PLAIN = [('tool', 5, '5'), ('x', 8, 8), ('5', None, 5.0), ('', 0, 'tool'), (None, 100, None), ('a', 2 ** 53 + 1, 2.0 ** 53),
         ('tool', 5, 'a'), ('05', 1, '05')]                   # an ordinary table to join with
NEEDS = {'x': [1, 2, 2], '5': [5], '05': [50], '': [0]}


def things(site, rnd):
    """Rows with NULLs, numbers beyond 2^53, text that looks like numbers."""
    bigs = (2 ** 53, 2 ** 53 + 1, -2 ** 53 - 1, 2 ** 63 - 1, -2 ** 63, 0, 7, None)
    names = ('anvil', 'Anvil', 'ant', '10% off', '10x', '_under', 'Zoë', '', None, 'b*r', 'bar', '[x]')
    codes = ('5', '05', '5.0', ' 5', 'x', 'X', '', None, '1e3', '9007199254740993')
    times = ('2024-01-01T00:00:00Z', '2024-01-01T00:00:00.5Z', '2024-01-01T00:00:01Z', '2023-12-31T23:59:59.999Z',
             '2024-06-30T12:00:00Z', '1969-12-31T23:59:59Z', None)
    out = []
    for i in range({'a': 17, 'B': 10, 'c': 0}[site]):
        pick = rnd.choice
        out.append({'id': i + 1, 'name': pick(names), 'kind': pick(('tool', 'Tool', 'food', 'toy', None, '')),
                    'tag': pick(('t1', 't2', 'T1', 't3', None)), 'code': pick(codes),
                    'size': pick((None, -3, 0, 1, 2, 5, 5, 8, 100, 2 ** 53 + 1)),
                    'score': pick((None, 0.5, 1, 2.25, -1e300, 9007199254740993)), 'at': pick(times),
                    'day': pick(('2024-01-01', '2024-02-29', None)), 'flag': pick((True, False, None)), 'big': pick(bigs),
                    'price': pick(('1.10', '1.1', '10', 2, None)), 'note': pick((None, '', 'x', 'X', 'x ', '5', 'é')),
                    'extra': pick((None, [], {}, {'k': 1}, [1, 2], 'text', 5))})
    return out


class Lab:
    """A server on one thread: all that is asked is a read, and answered from a memo."""

    def __init__(self, seed=20240229):
        rnd = random.Random(seed)
        self.things = {s: things(s, rnd) for s in SITES}
        self.asked = []          # (run, what, path with query, what tells its rows apart, number of its page)
        self.memo = {}
        self.pause = 0           # seconds before a page that is not a list's first
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        poll, open_, listener = select.epoll(), {}, self.listener.fileno()
        poll.register(listener, select.EPOLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == listener:
                    c = self.listener.accept()[0]
                    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    open_[c.fileno()] = [c, b'']
                    poll.register(c.fileno(), select.EPOLLIN)
                    continue
                c = open_[fd]
                try:
                    data = c[0].recv(65536)
                    c[1] += data
                    while b'\r\n\r\n' in c[1]:
                        head, c[1] = c[1].split(b'\r\n\r\n', 1)
                        c[0].sendall(self.reply(head.split(b' ', 2)[1].decode()))
                except OSError:  # a client that goes away is no fault here
                    data = b''
                if not data:
                    poll.unregister(fd)
                    open_.pop(fd)[0].close()

    def reply(self, target):
        run, rest = target[1:].split('/', 1)
        if rest not in self.memo:
            what, rows, page = self.answer('/' + rest)
            body = json.dumps(rows).encode()
            keys = [(rest.split('/')[0], r.get('id', i)) for i, r in enumerate(rows)] if isinstance(rows, list) else [rest]
            self.memo[rest] = what, keys, page, b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(body) + body
        what, keys, page, out = self.memo[rest]
        self.asked.append((run, what, rest, keys, page))
        if self.pause and page > 1:
            time.sleep(self.pause)
        return out

    def answer(self, target):
        url = urllib.parse.urlsplit(target)
        q = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        part = url.path.strip('/').split('/')
        what, page = part[-1], 1
        if what == 'things':
            rows, page = self.filter(self.things[part[0]], q), int(q['page'])
            at = (page - 1) * int(q['size'])
            rows = rows[at:at + int(q['size'])]
        elif what == 'parts':
            i = int(part[2])
            rows = [{'id': k, 'qty': i * k if k != 2 else None} for k in range(1, 1 + i % 3)]
        elif part[-2:-1] == ['chips']:
            what, rows = 'chips', {'code': f'chip-{part[0]}-{part[2]}' if int(part[2]) % 4 else None}
        elif what == 'wide':
            rows = [{f'c{k}': (i * 31 + k * 7) % 11 if (i + k) % 5 else None for k in range(1, 70)} | {'c0': i} for i in range(8)]
        elif part[0] == 'late':
            what, rows = 'late', {'late': f'late {part[1]}'}
        elif what == 'levels':
            rows = [{'n': n, 'text': t} for n, t in LEVELS[q['level']]]
        else:
            rows = [{'n': n} for n in NEEDS.get(q['key'], ())]
        return what, rows, page

    @staticmethod
    def filter(rows, q):
        """What the API means by its parameters: exact words for some, a loose
        comparison for others, bounds that belong to the range, a prefix."""
        def ok(r):
            return (all(q[p] == r[p] for p in ('kind', 'day') if p in q)
                    and ('code' not in q or q['code'].strip().lower() == str(r['code']).strip().lower())
                    and ('tags' not in q or r['tag'] in q['tags'].split(','))
                    and ('min' not in q or r['size'] is not None and r['size'] >= int(q['min']))
                    and ('max' not in q or r['size'] is not None and r['size'] <= int(q['max']))
                    and ('from' not in q or r['at'] is not None and r['at'] >= q['from'].replace('Z', ''))
                    and ('to' not in q or r['at'] is not None and r['at'] <= q['to'].replace('Z', '~'))
                    and ('flag' not in q or r['flag'] is (q['flag'] in ('1', 'true')) and r['flag'] is not None)
                    and ('name' not in q or r['name'] is not None and r['name'].startswith(q['name'].rstrip('%*'))))
        return [r for r in rows if ok(r)]

    def take(self, run):
        """The requests since the last call that carry this number: what a closed
        cursor had under way may still arrive."""
        out, self.asked = self.asked, []
        return [a[1:] for a in list(out) if a[0] == str(run)]


# ---- the drivers: Python's own sqlite3, and apsw, which brings its SQLite ------
def connect(driver):
    """A connection that has cq; execute(sql, args) gives an iterable cursor with
    fetchone, fetchall and close, in both."""
    if driver == 'sqlite3':
        db = sqlite3.connect(':memory:', isolation_level=None)
        db.enable_load_extension(True)
    else:
        import apsw
        db = apsw.Connection(':memory:')
        db.enable_load_extension(True)
    db.load_extension(os.path.splitext(os.environ['CQ_SO'])[0])
    return db


def errors(driver):
    if driver == 'sqlite3':
        return sqlite3.Error
    import apsw
    return apsw.Error


def show(row):
    """1 and 1.0 are one number to Python, not to a user."""
    return tuple(map(repr, row))


WHAT = {('lab_things', 'list'): 'things', ('lab_things', 'call'): 'chips', ('lab_parts', 'list'): 'parts',
        ('lab_levels', 'list'): 'levels', ('lab_needs', 'list'): 'needs', ('wide_rows', 'list'): 'wide', ('wide_rows', 'call'): 'late'}


def unlike(steps, asked, reads, several):
    """What was asked against what cq_explain said (`steps`): None, or how they
    differ.  reads: the statement reads all that it opens, with no LIMIT.
    several: these are statements of which one may be over before another begins."""
    told, seen, rows = collections.Counter(), collections.Counter(), collections.defaultdict(set)
    open_ended, scans, series = set(), collections.Counter(), collections.defaultdict(dict)
    for s in steps:
        what = WHAT[s['table'], s['purpose']]
        scans[what] += 1
        if s['requests'] is None:
            open_ended.add(what)
            told[what] += 0
        else:
            told[what] += s['requests']
            if s['enough'] is not None:
                open_ended.add(what)
    for what, path, keys, page in asked:
        seen[what] += page == 1
        rows[what].update(keys)
        if what == 'things':
            series[path.replace(f'page={page}&', '')][page] = len(keys)
    twice = [p for p, n in collections.Counter(p for _, p, _, _ in asked).items() if n > 1]
    if twice and not several:
        return f'asked twice: {twice[0]}'
    for what, n in seen.items():
        if what not in told:
            return f'{what}: asked, and not told'
        if what not in open_ended and n > told[what]:
            return f'{what}: {n} asked, {told[what]} told'
    for what, n in told.items():
        # SQLite may see by itself that no row can do, and begin with none, or leave out one side of an OR
        if reads and asked and what not in open_ended and seen[what] != n and scans[what] == 1:
            return f'{what}: {seen[what]} asked, {n} told'
    for path, pages in series.items():   # pages follow full pages, and no others
        full = int(path.split('size=')[1].split('&')[0])
        if any(p > 1 and pages.get(p - 1) != full for p in pages):
            return f'{path}: pages {sorted(pages.items())}'
        if reads and pages[max(pages)] == full:
            return f'{path}: ends with a full page'
    for s in steps:                      # one request for each row of the list before it, again for none
        what = WHAT[s['table'], s['purpose']]
        of = 'things' if what in ('chips', 'parts') else 'wide'
        if reads and s['runs'] == 'once' and s['repeats'].startswith('per row') and scans[what] == scans[of] == 1 and seen[what] != len(rows[of]):
            return f'{what}: {seen[what]} asked for {len(rows[of])} rows of {of}'
    return None


class Pair:
    """One connection with the live tables, by three ways, and their rows in
    ordinary tables, with and without indexes, and in synced ones."""
    TABLES = ('things', 'parts', 'levels', 'needs', 'rows')

    def __init__(self, lab, driver):
        url = f'http://127.0.0.1:{lab.port}'
        os.environ.update(LAB_URL=url, ZOO_URL=url + '/0')
        self.url, self.error = url, errors(driver)
        self.db = connect(driver)
        for yml in ('lab', 'wide'):
            self.rows('SELECT cq_load(?)', (f'{ROOT}/tests/sql/fixtures/{yml}.yml',))
        self.rows("SELECT cq_config('cache_ttl', 0)")
        self.version = self.rows('SELECT sqlite_version()')[0][0]
        full = {t: 'wide_rows' if t == 'rows' else 'lab_' + t for t in self.TABLES}
        self.live = {t: 'live_' + n for t, n in full.items()}
        self.named = {}
        for way in ('copy', 'index', 'view', 'module', 'append', 'overwrite'):
            self.named[way] = {t: f'{way}_{t}' for t in self.TABLES}
        # a view on the right of LEFT JOIN gets no values from the left: SQLite reads it whole
        self.named['view']['needs'] = self.live['needs']
        self.rows("ATTACH ':memory:' AS other")
        for spec in ('source: lab, tables: [lab_things, lab_parts, lab_levels]', 'source: wide, tables: [wide_rows]'):
            for to in ('', ', write_mode: overwrite, destination: other'):
                made = json.loads(self.rows(f"SELECT cq_sync('{{{spec}{to}, progress: off}}')")[0][0])
                assert made['status'] == 'success', made
        for t, live in self.live.items():
            info = self.rows(f"SELECT name, type FROM pragma_table_info('{live}')")
            names = ', '.join(f'"{n}"' for n, _ in info)
            self.rows(f'CREATE TEMP VIEW view_{t} AS SELECT * FROM {live}')
            self.rows(f'CREATE VIRTUAL TABLE temp.module_{t} USING {full[t]}')
            for way in ('copy', 'index'):
                self.rows(f'CREATE TABLE {way}_{t}(' + ', '.join(f'"{n}" {y}' for n, y in info) + ')')
                # rowids as well, where those of the live table are the same for every query
                same = 'rowid, ' if t in ('things', 'rows') else ''
                for where in [f"WHERE key = '{k}'" for k in NEEDS] if t == 'needs' else ['']:
                    self.rows(f'INSERT INTO {way}_{t}({same}{names}) SELECT {same}{names} FROM {live} {where}')
            for n, _ in info:
                self.rows(f'CREATE INDEX "index_{t}_{n}" ON index_{t}("{n}")')
            for way, where in (('append', 'main'), ('overwrite', 'other')):
                self.rows(f'CREATE TEMP VIEW {way}_{t} AS SELECT {names} FROM ' + ('copy_needs' if t == 'needs' else f'{where}.{full[t]}'))
        for name in ('plain', 'scratch'):
            self.rows(f'CREATE TABLE {name}(v TEXT, n INTEGER, w)')
            for row in PLAIN:
                self.rows(f'INSERT INTO {name} VALUES (?, ?, ?)', row)

    def rows(self, sql, args=()):
        return self.db.execute(sql, args).fetchall()

    def start(self, run):
        """From here on requests carry this number, and no answer is kept."""
        self.rows("SELECT cq_config('lab.run', ?1), cq_config('wide.url', ?2 || '/' || ?1)", (run, self.url))

    def explain(self, sql):
        return json.loads(self.rows('SELECT cq_explain(?)', (sql,))[0][0])

    def answer(self, sql, args, names):
        """Rows as text, or the error's words."""
        sql = sql.format_map(names)
        try:
            if not sql.startswith(('INSERT', 'UPDATE', 'DELETE')):
                return [show(r) for r in self.db.execute(sql, args)]
            self.rows('SAVEPOINT written')
            try:
                return [show(r) for r in self.db.execute(sql, args)]
            finally:
                self.rows('ROLLBACK TO written')
                self.rows('RELEASE written')
        except self.error as e:
            return str(e)

    def in_turns(self, statements, names, rnd):
        """The answers of statements whose cursors are stepped in turns."""
        out = [[] for _ in statements]
        try:
            # a driver keeps one statement for equal texts
            cursors = [(i, self.db.execute(s.sql.format_map(names) + ' ' * i, s.args)) for i, s in enumerate(statements)]
            while cursors:
                at = rnd.randrange(len(cursors))
                row = cursors[at][1].fetchone()
                if row is None:
                    cursors.pop(at)
                else:
                    out[cursors[at][0]].append(show(row))
        except self.error as e:
            return str(e)
        return out


def differ(s, one, two, whole=None):
    """Are these different answers to statement `s`?  whole: to it without LIMIT."""
    if isinstance(one, str) or isinstance(two, str):
        return one != two
    if whole is not None:
        return len(one) != len(two) or bool(collections.Counter(one) - collections.Counter(whole))
    return one != two if s.ordered else sorted(one) != sorted(two)
