"""What the Python tests of syncs share: a shell of cq over the fleet API.

  t = Sync(); t.routes('GET /oslo/ships?page=1\\n  body []\\n')
  t.sync('{source: fleet, tables: [fleet_ships]}')['status']
  t.is_('a fact', seen, wanted); t.done()
"""
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import MOCK, Mocked, connect

ROOT = os.environ['CQ_ROOT']
FLEET = ROOT + '/tests/sql/fixtures/fleet.yml'
os.environ['FLEET_URL'] = MOCK
os.environ['CQ_PATH'] = FLEET


class Sync(Mocked):
    def __init__(self, path='test.db'):
        super().__init__()
        self.path = path
        self.db = connect(path)

    def done(self):
        self.db.close()  # which a sanitizer would miss
        super().done()

    def sync(self, spec, options=None):
        """The result of cq_sync, or {'raised': message}."""
        try:
            return json.loads(self.one('SELECT cq_sync(?, ?)', spec, options))
        except sqlite3.Error as e:
            return {'raised': str(e), 'status': 'raised'}

    def raises(self, sql, *args):
        """The error's text, or None."""
        seen = self.tries(sql, *args)
        return seen if isinstance(seen, str) else None
