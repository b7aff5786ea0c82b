# cq is loaded while the host's transaction is open: what was written before and is written after is there, also in virtual tables,
# which keep it until the commit.
import os
import sqlite3
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

t = Tap()
SO = os.environ['CQ_SO'][:-3]


def opened():
    db = sqlite3.connect(':memory:', isolation_level=None, cached_statements=0)
    db.enable_load_extension(True)
    db.executescript("CREATE TABLE p(a, b); CREATE VIRTUAL TABLE f5 USING fts5(a); CREATE VIRTUAL TABLE f4 USING fts4(a); CREATE VIRTUAL TABLE r USING rtree(id, x0, x1);"
                     "INSERT INTO f5 VALUES ('zero'); INSERT INTO f4 VALUES ('zero')")
    return db


def write(db, word):
    db.execute('INSERT INTO p VALUES (?, 1)', (word,))
    db.execute('INSERT INTO f5 VALUES (?)', (word,))
    db.execute('INSERT INTO f4 VALUES (?)', (word,))
    db.execute('INSERT INTO r VALUES (NULL, 1, 2)')


def there(db, word):
    return [db.execute(f"SELECT count(*) FROM {x} WHERE {x} MATCH ?", (word,)).fetchone()[0] for x in ('f5', 'f4')] + [db.execute('SELECT count(*) FROM p WHERE a = ?', (word,)).fetchone()[0]]


for begin in ('BEGIN', 'BEGIN IMMEDIATE', 'SAVEPOINT s'):
    for end, kept in (('COMMIT' if begin[0] == 'B' else 'RELEASE s', 1), ('ROLLBACK', 0)):
        db = opened()
        db.execute(begin)
        db.execute('CREATE TABLE young(a)')
        db.execute('CREATE TEMP TABLE mine(a)')
        write(db, 'one')
        db.load_extension(SO)
        write(db, 'two')
        t.is_(f'{begin}: before its end', (there(db, 'one'), there(db, 'two'), db.execute('SELECT count(*) FROM young, mine').fetchone()), ([1, 1, 1], [1, 1, 1], (0,)))
        db.execute(end)
        t.is_(f'{begin}, {end}', (there(db, 'zero')[:2], there(db, 'one'), there(db, 'two'), db.execute('SELECT count(*) FROM r').fetchone()[0]), ([1, 1], [kept] * 3, [kept] * 3, 2 * kept))
        db.execute("INSERT INTO f5(f5) VALUES ('integrity-check')")
        db.execute("INSERT INTO f4(f4) VALUES ('integrity-check')")
        t.is_(f'{begin}, {end}: cq is there', (db.execute('SELECT cq_version() IS NOT NULL').fetchone(), db.execute('PRAGMA integrity_check').fetchone()), ((1,), ('ok',)))
        db.close()

# by a statement that writes, and by one that reads
db = opened()
db.execute('INSERT INTO f5 SELECT coalesce(load_extension(?), word) FROM (SELECT \'one\' AS word UNION ALL SELECT \'two\')', (SO,))
t.is_('while a statement writes', [there(db, w)[0] for w in ('one', 'two')], [1, 1])
db.close()
db = opened()
for word in ('one', 'two', 'three'):
    write(db, word)
rows = db.execute('SELECT a FROM f5 ORDER BY rowid')
first = rows.fetchone()
db.load_extension(SO)
t.is_('while a statement reads', [first] + rows.fetchall(), [('zero',), ('one',), ('two',), ('three',)])
db.close()
t.done()
