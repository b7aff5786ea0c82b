# timeout: 240
# The suite that every destination passes, against a SQLite file.
import os
import sqlite3
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance

JSON = {'flags', 'j', 'texts', 'ints', 'reals', 'bools', 'times'}


TEXTS = ('text', 'json', 'decimal', 'date', 'timestamp', 'uuid') + tuple('list of ' + x for x in ('text', 'integer', 'timestamp', 'boolean'))


class Sqlite(conformance.Store):
    name = 'sqlite'
    odd_integers = None
    typed_times = False
    true = '1'
    same_types = [(a, b) for a in TEXTS for b in TEXTS] + [('integer', 'boolean'), ('boolean', 'integer')]

    def destination(self):
        return '{path: there.db}'

    def read(self, table, columns):
        db = sqlite3.connect('there.db', timeout=20)
        try:
            if not db.execute('SELECT count(*) FROM sqlite_schema WHERE name = ?', (table,)).fetchone()[0]:
                return []
            rows = db.execute('SELECT %s FROM "%s"' % (', '.join(f'"{c}"' for c in columns), table)).fetchall()
            kinds = ['json' if c in JSON or c[:4] in ('json', 'list') else 'blob' if c.startswith('bin') else 'text' for c in columns]
            return [tuple(conformance.canon(v, k) for v, k in zip(r, kinds)) for r in rows]
        finally:
            db.close()

    def spoil(self):
        db = sqlite3.connect('there.db', timeout=20)
        db.execute('ALTER TABLE cq_sync_errors DROP COLUMN hint')
        db.close()
        return True

    def execute(self, *statements):
        db = sqlite3.connect('there.db', timeout=20)
        db.executescript('; '.join(statements))
        db.close()

    def fresh(self):
        for name in ('there.db', 'there.db-wal', 'there.db-shm'):
            if os.path.exists(name):
                os.unlink(name)


conformance.run(Sqlite())
