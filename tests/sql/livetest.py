"""What the tests of live queries share: an API that really filters, and the
same statement on a live table and on an ordinary one that holds its rows.

  lab = Lab()                    serves fixtures/lab.yml's tables, counts requests
  pair = Pair(lab, ROOT, env)    a connection with lab_x and its copy copy_x
  pair.differ('SELECT id FROM {things} WHERE size > 3')     None, or what differs
"""
import collections
import http.server
import json
import os
import random
import sqlite3
import sys
import threading
import urllib.parse

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import connect

ROOT = os.environ['CQ_ROOT']
PAGE = 5
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


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def do_GET(self):
        body = json.dumps(self.server.answer(self.path)).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Lab(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        rnd = random.Random(20240229)
        self.things = {s: things(s, rnd) for s in SITES}
        self.asked = []          # (run, what, path with query, rows in the answer, 1 for a series' first page)
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass                     # a client that goes away is no fault here

    def answer(self, target):
        url = urllib.parse.urlsplit(target)
        q = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        part = url.path.strip('/').split('/')
        run = int(part.pop(0)) if part[0].isdigit() else 0
        what, first = part[-1], 1
        if what == 'things':
            rows = self.filter(self.things[part[0]], q)
            at = (int(q['page']) - 1) * int(q['size'])
            rows, first = rows[at:at + int(q['size'])], q['page'] == '1'
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
        with self.lock:
            self.asked.append((run, what, target, len(rows), int(first)))
        return rows

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
        with self.lock:
            out, self.asked = self.asked, []
        return [a[1:] for a in out if a[0] == run]


def show(row):
    """1 and 1.0 are one number to Python, not to a user."""
    return tuple(repr(v) for v in row)


WHAT = {('lab_things', 'list'): 'things', ('lab_things', 'call'): 'chips', ('lab_parts', 'list'): 'parts',
        ('lab_levels', 'list'): 'levels', ('lab_needs', 'list'): 'needs', ('wide_rows', 'list'): 'wide', ('wide_rows', 'call'): 'late'}


def unlike(steps, asked, whole, stops):
    """What was asked against what cq_explain said (`steps`): None, or how they
    differ.  whole: the statement reads all that it opens, with no LIMIT.
    stops: it may close a scan early and open it again."""
    told, seen, rows = collections.Counter(), collections.Counter(), collections.Counter()
    open_ended, scans = set(), collections.Counter()
    for s in steps:
        what = WHAT[s['table'], s['purpose']]
        scans[what] += 1
        if s['requests'] is None:
            open_ended.add(what)
            told[what] += 0
        else:
            told[what] += s['requests']
            if s['enough']:
                open_ended.add(what)
    for what, path, n, first in asked:
        seen[what] += first
        rows[what] += n
    twice = [p for p, n in collections.Counter(p for _, p, _, _ in asked).items() if n > 1]
    if twice and not stops:
        return f'asked twice: {twice[0]}'
    for what, n in seen.items():
        if what not in told:
            return f'{what}: asked, and not told'
        if what not in open_ended and n > told[what]:
            return f'{what}: {n} asked, {told[what]} told'
    for what, n in told.items():
        # SQLite may see by itself that no row can do, and begin with none
        if whole and asked and what not in open_ended and seen[what] != n:
            return f'{what}: {seen[what]} asked, {n} told'
    for s in steps:                      # one request for each row of the list before it
        what = WHAT[s['table'], s['purpose']]
        of = 'things' if what in ('chips', 'parts') else 'wide'
        if whole and s['repeats'].startswith('per row') and scans[what] == scans[of] == 1 and seen[what] != rows[of]:
            return f'{what}: {seen[what]} asked for {rows[of]} rows of {of}'
    return None


class Pair:
    """One connection with the live tables and an ordinary copy of each."""

    def __init__(self, lab, root, env):
        os.environ.update(env)
        self.db = connect(':memory:')
        for yml in ('lab', 'wide'):
            self.db.execute('SELECT cq_load(?)', (f'{root}/tests/sql/fixtures/{yml}.yml',))
        self.db.execute("SELECT cq_config('cache_ttl', 0)")
        self.live = {t: 'lab_' + t for t in ('things', 'parts', 'levels', 'needs')} | {'rows': 'wide_rows'}
        self.copy = {t: 'copy_' + t for t in self.live}
        for t in self.live:
            for where in [f"WHERE key = '{k}'" for k in NEEDS] if t == 'needs' else ['']:
                self.fill(t, where)
        self.db.execute('CREATE TABLE plain(v TEXT, n INTEGER, w)')
        self.db.executemany('INSERT INTO plain VALUES (?, ?, ?)', PLAIN)

    def fill(self, table, where=''):
        info = self.db.execute(f"SELECT name, type FROM pragma_table_info('{self.live[table]}')").fetchall()
        names = ', '.join(f'"{n}"' for n, _ in info)
        self.db.execute(f'CREATE TABLE IF NOT EXISTS {self.copy[table]}(' + ', '.join(f'"{n}" {t}' for n, t in info) + ')')
        self.db.execute(f'INSERT INTO {self.copy[table]}({names}) SELECT {names} FROM {self.live[table]} {where}')

    def run(self, sql, args, names):
        try:
            return [show(r) for r in self.db.execute(sql.format_map(names), args)]
        except sqlite3.Error as e:
            return str(e)

    def explain(self, sql):
        return json.loads(self.db.execute('SELECT cq_explain(?)', (sql.format_map(self.live),)).fetchone()[0])

    def differ(self, sql, args=(), ordered=False, whole=None):
        """None where both answers are equal.  ordered: so are their orders.
        whole: `sql` without LIMIT, where any of its rows may be the ones."""
        live, copy = self.run(sql, args, self.live), self.run(sql, args, self.copy)
        if isinstance(live, str) or isinstance(copy, str):
            return None if live == copy else (live, copy)
        if whole:
            rest = collections.Counter(live) - collections.Counter(self.run(whole, args, self.copy))
            return None if len(live) == len(copy) and not rest else (live, copy)
        if not ordered:
            live, copy = sorted(live), sorted(copy)
        return None if live == copy else (live, copy)
