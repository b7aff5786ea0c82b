"""What the Python tests of syncs share: a shell of cq over the fleet API.

  t = Sync(); t.routes('GET /oslo/ships?page=1\\n  body []\\n')
  t.sync('{source: fleet, tables: [fleet_ships]}')['status']
  t.is_('a fact', seen, wanted); t.done()
"""
import json
import os
import sqlite3
import urllib.request

ROOT = os.environ['CQ_ROOT']
MOCK = os.environ['CQ_MOCK_URL']
FLEET = ROOT + '/tests/sql/fixtures/fleet.yml'
os.environ['FLEET_URL'] = MOCK
os.environ['CQ_PATH'] = FLEET


def connect(path='test.db', **options):
    db = sqlite3.connect(path, isolation_level=None, **options)
    db.enable_load_extension(True)
    db.load_extension(os.environ['CQ_SO'][:-3])
    return db


class Sync:
    def __init__(self, path='test.db'):
        self.n = self.bad = 0
        self.path = path
        self.db = connect(path)

    def routes(self, text, keep=False):
        """Replaces the mock's routes, and forgets what it was asked."""
        if not keep:
            urllib.request.urlopen(urllib.request.Request(MOCK + '/-/reset', method='POST')).close()
        urllib.request.urlopen(urllib.request.Request(MOCK + '/-/routes', data=text.encode(), method='PUT')).close()

    def log(self):
        """What the mock was asked since its routes were replaced."""
        with urllib.request.urlopen(MOCK + '/-/log') as r:
            return [json.loads(line) for line in r]

    def asked(self, glob='*'):
        with urllib.request.urlopen(MOCK + '/-/count?path=' + urllib.request.quote(glob)) as r:
            return int(r.read())

    def rows(self, sql, *args):
        return self.db.execute(sql, args).fetchall()

    def one(self, sql, *args):
        return self.rows(sql, *args)[0][0]

    def sync(self, spec, options=None):
        """The result of cq_sync, or {'raised': message}."""
        try:
            return json.loads(self.one('SELECT cq_sync(?, ?)', spec, options))
        except sqlite3.Error as e:
            return {'raised': str(e), 'status': 'raised'}

    def raises(self, sql, *args):
        try:
            self.rows(sql, *args)
        except sqlite3.Error as e:
            return str(e)
        return None

    def is_(self, name, seen, wanted):
        self.n += 1
        if seen == wanted:
            print(f'ok {self.n} - {name}', flush=True)
        else:
            self.bad += 1
            print(f'not ok {self.n} - {name}\n#   {seen!r}\n# not\n#   {wanted!r}', flush=True)

    def has(self, name, seen, part):
        self.is_(name, part if part in str(seen) else seen, part)

    def done(self):
        print(f'1..{self.n}')
        raise SystemExit(self.bad != 0)
