# timeout: 300
# A reader of a view sees one published run or the other, however often runs are published while it reads, and while what they
# replace is removed: on both servers, in each mode.
import os
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import clickhouse
from synctest import Sync

PORTS = [f'p{i}' for i in range(20)]
ROUNDS = int(os.environ.get('CQ_KILLS', '2'))
t = Sync()


def routes(version):
    for k in range(0, len(PORTS)):
        rows = ','.join('{"id":"%s-%d","t":"v%d"}' % (PORTS[k], i, version) for i in range(50))
        t.routes(f'GET /{PORTS[k]}/values\n  body [{rows}]\n', keep=k > 0)


for make in (clickhouse.Debian, clickhouse.Modern):
    server = make()
    store = clickhouse.Store(server)
    for mode in store.modes:
        store.fresh()
        spec = '{source: typed, tables: [typed_values], write_mode: %s, destination: %s, spec: {ports: %s}}' % (mode, store.destination(), PORTS)
        routes(0)
        t.sync(spec)
        wrong, looks, over = [], [0], threading.Event()
        # New rows are seen with their pointers however long a statement is planned; old ones go 0.1 s after theirs.
        slow = {'merge_tree_storage_snapshot_sleep_ms': 300} if (make, mode) == (clickhouse.Modern, 'append') else {}

        def look():
            while not over.is_set():
                seen = server.rows('SELECT t, count() FROM cq.typed_values GROUP BY t', **slow)
                looks[0] += 1
                if len(seen) != 1 or seen[0][1] != 50 * len(PORTS):
                    wrong.append(seen)

        readers = [threading.Thread(target=look) for _ in range(3)]
        for r in readers:
            r.start()
        for n in range(1, ROUNDS + 1):
            routes(n)
            said = t.sync(spec)
            if said['status'] != 'success':
                wrong.append(said)
        over.set()
        for r in readers:
            r.join()
        t.none(f'{make.__name__}, {mode}: each reading whole', wrong[:5])
        print(f'# {looks[0]} readings of {ROUNDS} publications')
        t.is_('the last is shown', server.rows('SELECT DISTINCT t FROM cq.typed_values'), [(f'v{ROUNDS}',)])
    server.stop()
t.done()
