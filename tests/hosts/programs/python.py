"""A host: Python's sqlite3 module, or one that is like it: python.py MODULE."""
import importlib
import os
import sys
import threading
import time

module = importlib.import_module(sys.argv[1])
if sys.argv[1] == 'apsw':
    module.connect = lambda path, **_: module.Connection(path)
    module.sqlite_version = module.sqlite_lib_version()
PROGRESS = sys.argv[2:] == ['progress']
connections, open_queries = {}, {}


def load(db):
    db.enable_load_extension(True)
    db.load_extension(os.environ['CQ_SO'][:-3])
    return db


def connect(path):
    return load(module.connect(path, isolation_level=None, check_same_thread=False))


def show(rows):
    return ['= ' + '|'.join('NULL' if v is None else str(v) for v in row) for row in rows]


def run(verb, *a):
    db = connections.get(a[0])
    if verb == 'open':
        connections[a[0]] = connect(a[1])
    elif verb == 'load':
        load(db)
    elif verb == 'rows':
        return show(db.execute(a[1]))
    elif verb == 'half':
        q = open_queries[a[0]] = db.execute(a[1])
        return show([next(q)])
    elif verb == 'close':
        connections.pop(a[0]).close()
    elif verb == 'threads':
        return threads(int(a[0]), a[1])
    elif verb == 'interrupt':
        over = threading.Event()
        if PROGRESS:
            db.set_progress_handler(lambda: os.path.exists(a[1]), 1000)
            try:
                return show(db.execute(a[2]))
            finally:
                db.set_progress_handler(None, 1000)

        def stop():
            while not over.is_set():
                if os.path.exists(a[1]):
                    db.interrupt()
                time.sleep(0.01)
        t = threading.Thread(target=stop)
        t.start()
        try:
            return show(db.execute(a[2]))
        finally:
            over.set()
            t.join()
    return []


def threads(n, sql):
    out = []

    def one():
        db = connect(':memory:')
        out.extend(show(db.execute(sql)))
        db.close()
    all_ = [threading.Thread(target=one) for _ in range(n)]
    for t in all_:
        t.start()
    for t in all_:
        t.join()
    return out


print(sys.argv[1], module.sqlite_version, 'half', 'progress' if PROGRESS else 'interrupt', 'threads', flush=True)
for line in sys.stdin:
    try:
        answer = run(*line.rstrip('\n').split('\t')) + ['ok']
    except Exception as e:
        answer = ['error ' + str(e).replace('\n', '\\n')]
    print('\n'.join(answer), flush=True)
