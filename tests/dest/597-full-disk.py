# timeout: 120
"""A file system without room: what was there stays, the words say it, nothing else is left, and with room it goes on."""
import atexit
import json
import os
import random
import subprocess
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/dest']
import conformance  # noqa: F401: it finds the definitions
import ducks
from conformance import Sync

if len(sys.argv) == 1:  # in a mount name space of its own, which goes with its last process; below another root it cannot be private
    for options in (['-m'], ['-Urm'], ['-m', '--propagation', 'unchanged']):
        if subprocess.run(['unshare', *options, 'true'], stderr=subprocess.DEVNULL).returncode == 0:
            os.execvp('unshare', ['unshare', *options, os.environ['CQ_PYTHON'], __file__, 'mounted'])
    print('ok 1 - a file system without room # skip nothing may be mounted here\n1..1')
    sys.exit()
atexit.register(lambda: [subprocess.run(['umount', '-l', 'small'], stderr=subprocess.DEVNULL) for _ in range(2)])


def mount(size, more=''):
    subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}m{more}', 'small', 'small'], check=True)


def files():
    return sorted(os.path.join(d, f) for d, _, names in os.walk('small') for f in names)


t = Sync()
os.mkdir('small')
FEW = 'GET /oslo/ships?page=1\n  body [{"id":1,"name":"Fram"}]\n'
rnd = random.Random(3)
MANY = ('GET /oslo/ships?page=1\n  body [%s]\n' % ','.join('{"id":%d,"name":"%s"}' % (i, rnd.randbytes(500).hex()) for i in range(12000)) +
        'GET /oslo/ships?page=2\n  body []\n')


def sync(destination):
    return t.sync('{source: fleet, tables: [fleet_ships], spec: {ports: [oslo]}, destination: %s}' % destination)


def why(r):
    return ' '.join(e['message'] for e in r.get('errors', [])) + str(r.get('raised', ''))


def sqlite_rows():
    import sqlite3
    return [sqlite3.connect('small/there.db').execute('SELECT count(*) FROM fleet_ships').fetchone()[0]]




for name, destination, rows in (
        ('sqlite', '{kind: sqlite, path: small/there.db}', sqlite_rows),
        ('file, json', '{kind: file, path: small/out, format: json}', None),
        ('file, parquet', '{kind: file, path: small/out, format: parquet}', None),
        ('file, csv', '{kind: file, path: small/out, format: csv, compression: gzip}', None),
        ('duckdb', '{kind: duckdb, path: small/there.duckdb, library: "%s"}' % ducks.LIBRARY,
         lambda: [int(ducks.rows('SELECT count(*) FROM fleet_ships', 'small/there.duckdb')[0][0])])):
    mount(4)
    t.routes(FEW)
    t.is_(f'{name}: there is room', sync(destination)['status'], 'success')
    before = files()
    t.routes(MANY)
    r = sync(destination)
    said = why(r)
    t.is_(f'{name}: no room', (r['status'] in ('failed', 'raised'), 'No space left' in said or 'is full' in said or 'disk' in said) if r['status'] != 'success' else r,
          (True, True))
    print('#', said[:300])
    if rows:
        t.is_(f'{name}: its rows stay', rows(), [1])
    else:
        t.is_(f'{name}: its files stay, and no other', [f for f in before if f not in files()] + [f for f in files() if f not in before and '/_cq/' not in f], [])
        t.is_(f'{name}: nothing is under way', [f for f in files() if '/_cq/tmp/' in f], [])
    subprocess.run(['mount', '-o', 'remount,size=200m', 'small'], check=True)
    t.routes(MANY)
    r = sync(destination)
    t.is_(f'{name}: with room it goes on', (r['status'], r.get('rows')), ('success', 12000))
    subprocess.run(['umount', '-l', 'small'], check=True)
t.done()
