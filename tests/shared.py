"""What the Python tests share: TAP, a connection with cq, the mock server.

  t = Tap()
  t.is_('a fact', seen, wanted); t.has('its text', seen, 'part')
  t.none('nothing is wrong', ['what is'])
  t.done()                            # prints the plan; the exit status

  t = Mocked(); t.routes('GET /list\\n  body []\\n')
  t.rows('SELECT ...'); t.tries('SELECT ...')     # or the error's text
  t.asked('/list')
"""
import json
import os
import sqlite3
import urllib.parse
import urllib.request

MOCK = os.environ['CQ_MOCK_URL']


def connect(path='test.db', **options):
    db = sqlite3.connect(path, isolation_level=None, **options)
    db.enable_load_extension(True)
    db.load_extension(os.environ['CQ_SO'][:-3])
    return db


class Tap:
    def __init__(self):
        self.n = self.bad = 0

    def line(self, good, name, notes):
        self.n += 1
        self.bad += not good
        print(f'{"ok" if good else "not ok"} {self.n} - {name}', flush=True)
        for note in notes:
            for line in str(note).splitlines():
                print('#', line[:2000], flush=True)

    def is_(self, name, seen, wanted=True):
        self.line(seen == wanted, name, [] if seen == wanted else [f'  {seen!r}', 'not', f'  {wanted!r}'])

    def has(self, name, seen, part):
        self.is_(name, part if part in str(seen) else seen, part)

    def none(self, name, wrong):
        """ok where the list of what is wrong is empty."""
        self.line(not wrong, name, wrong)

    def done(self):
        print(f'1..{self.n}')
        raise SystemExit(self.bad != 0)


class Mocked(Tap):
    """A connection `db`, over the mock server."""

    @staticmethod
    def mock(path, data=None, method='GET'):
        with urllib.request.urlopen(urllib.request.Request(f'{MOCK}/-/{path}', data, method=method)) as r:
            return r.read()

    def routes(self, text, keep=False):
        """Replaces the mock's routes, and forgets what it was asked."""
        if not keep:
            self.mock('reset', method='POST')
        if text:
            self.mock('routes', text.encode(), 'PUT')

    def log(self):
        """What the mock was asked since its routes were replaced."""
        return [json.loads(line) for line in self.mock('log').splitlines()]

    def asked(self, glob='*'):
        return int(self.mock('count?path=' + urllib.parse.quote(glob)))

    def peak(self):
        return int(self.mock('peak'))

    def rows(self, sql, *args):
        return self.db.execute(sql, args).fetchall()

    def one(self, sql, *args):
        return self.rows(sql, *args)[0][0]

    def tries(self, sql, *args):
        try:
            return self.rows(sql, *args)
        except sqlite3.Error as e:
            return str(e)
