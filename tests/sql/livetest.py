"""What the tests of live queries share: an API that really filters, and the
same statement on a live table and on an ordinary one that holds its rows.

  lab = Lab()                    serves fixtures/lab.yml's tables, counts requests
  pair = Pair(lab)               a connection with lab_x and its copy copy_x
  pair.differ('SELECT id FROM {things} WHERE size > 3')     None, or what differs
"""
import collections
import http.server
import json
import os
import random
import sqlite3
import threading
import urllib.parse

ROOT = os.environ['CQ_ROOT']
PAGE = 5
SITES = ('a', 'B', 'c')
LEVELS = {'low': [(1, 'one'), (2, None)], 'high': [(9, 'nine'), (9, 'nine'), (None, '')], 'none': []}
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
        self.asked = []          # (what, path with query, rows in the answer, 1 for a series' first page)
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass                     # a client that goes away is no fault here

    def answer(self, target):
        url = urllib.parse.urlsplit(target)
        q = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        part = url.path.strip('/').split('/')
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
        elif what == 'levels':
            rows = [{'n': n, 'text': t} for n, t in LEVELS[q['level']]]
        else:
            rows = [{'n': n} for n in NEEDS.get(q['key'], ())]
        with self.lock:
            self.asked.append((what, target, len(rows), int(first)))
        return rows

    @staticmethod
    def filter(rows, q):
        """What the API means by its parameters: exact words, whole bounds, a prefix."""
        def ok(r):
            return (all(q[p] == r[p] for p in ('kind', 'code', 'day') if p in q)
                    and ('tags' not in q or r['tag'] in q['tags'].split(','))
                    and ('min' not in q or r['size'] is not None and r['size'] >= float(q['min']))
                    and ('max' not in q or r['size'] is not None and r['size'] <= float(q['max']))
                    and ('from' not in q or r['at'] is not None and r['at'] >= q['from'].replace('Z', ''))
                    and ('to' not in q or r['at'] is not None and r['at'] <= q['to'].replace('Z', '~'))
                    and ('flag' not in q or r['flag'] is (q['flag'] in ('1', 'true')) and r['flag'] is not None)
                    and ('name' not in q or r['name'] is not None and r['name'].startswith(q['name'].rstrip('%*'))))
        return [r for r in rows if ok(r)]

    def take(self):
        """The requests since the last call."""
        with self.lock:
            out, self.asked = self.asked, []
        return out


def show(row):
    """1 and 1.0 are one number to Python, not to a user."""
    return tuple(repr(v) for v in row)


class Pair:
    """One connection with the live tables and an ordinary copy of each."""

    def __init__(self, yml, prefix, tables, env):
        os.environ.update(env)
        self.db = sqlite3.connect(':memory:', isolation_level=None)
        self.db.enable_load_extension(True)
        self.db.load_extension(os.environ['CQ_SO'][:-3])
        self.db.execute('SELECT cq_load(?)', (yml,))
        self.db.execute("SELECT cq_config('cache_ttl', 0)")
        self.live = {t: prefix + t for t in tables}
        self.copy = {t: 'copy_' + t for t in tables}

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
