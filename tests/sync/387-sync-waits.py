# timeout: 120
# Another connection that has the file for itself for a moment is waited for, wherever a sync first meets it: at its
# first look at the schema, when it makes its tables, in a file that several make at once.
import os
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

CHILD = '''
import sys; sys.path.insert(0, %r)
from synctest import Sync
s = Sync(sys.argv[2])
s.db.execute('PRAGMA busy_timeout = 0')
print(s.sync(sys.argv[1])['status'], flush=True)
'''
t = Sync('first.db')
t.routes('GET /*/ships?page=1\n  body [{"id":1,"name":"a"}]\nGET /*/ships?page=2\n  body []\nGET /*/ships?page=3\n  body []\n')


def spec(name, dest='main'):
    return '{source: fleet, name: %s, tables: [fleet_ships], destination: %s, spec: {ports: [rome]}}' % (name, dest)


t.is_('the first sync', t.sync(spec('one'))['status'], 'success')
t.db.execute('PRAGMA journal_mode = DELETE')
t.db.execute('PRAGMA busy_timeout = 0')      # Python's is five seconds; the shell has none


def exclusive(path, held):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute('BEGIN EXCLUSIVE')
    held.set()
    time.sleep(0.7)
    other.execute('ROLLBACK')
    other.close()


for name, dest in (('one', 'main'), ('two', '{path: other.db}')):
    path = 'first.db' if dest == 'main' else 'other.db'
    held = threading.Event()
    holder = threading.Thread(target=exclusive, args=(path, held))
    holder.start()
    held.wait()
    t.is_(f'{path}: who has it for himself is waited for', t.sync(spec(name, dest))['status'], 'success')
    holder.join()

for dest, path in (('main', 'new.db'), ('{path: made.db}', 'host.db')):
    many = [subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD % (os.environ['CQ_ROOT'] + '/tests/sync'), spec(f's{i}', dest),
                              path if dest == 'main' else f'{i}{path}'], stdout=subprocess.PIPE, text=True) for i in range(4)]
    t.is_(f'four first syncs into one new file, {dest}', [p.communicate()[0].strip() for p in many], ['success'] * 4)
t.done()
