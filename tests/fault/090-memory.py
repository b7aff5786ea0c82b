# timeout: 120
# Each allocation fails once, and from then on: cq's, on whatever thread, and SQLite's. In a first sync, a later one that adds a
# column, one that rebuilds a table, one that resumes, in cq_prune, and in what else looks at a spec or at live tables. Whatever
# happens: the words say it, no transaction, file or memory is left, readers have what they had or all that is new, and the
# same connection syncs again and ends well.
# CQ_FAULTS says how many allocations of each, or all (make soak); otherwise few.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from shim import *

MOST = 5
FAULTS = [('cq', lambda n: lib.shim_cq(n), lib.shim_cq_seen), ('SQLite', lambda n: lib.shim_memory(n, 0), lib.shim_memory_seen),
          ('SQLite from then on', lambda n: lib.shim_memory(n, 1), lib.shim_memory_seen)]
total = n = bad = 0
for mode, where, journal in (('append', 'main', 'delete'), ('overwrite-delete-stale', 'main', 'wal'), ('append', 'other', 'wal'),
                             ('overwrite', 'attached', 'delete')):
    if not HEAVY and where == 'attached':
        continue
    t = Shim(mode, where, journal)
    t.n, t.bad = n, bad
    t.fresh({})
    for name, case in list(cases(t)):
        wrong = []
        for fault, arm, seen in FAULTS:
            count, r = case.count(arm, seen)
            if r['status'] != 'success' or count < 100 and not case.prune:
                wrong.append(f'undisturbed: {count} allocations, {r}')
            for i in some(count, MOST):
                total += 1
                try:
                    found = case.once(arm, i, NOMEM)
                except Exception as e:
                    t.calm()
                    found = [f'{type(e).__name__}: {e}']
                wrong += [f'{fault}, {i} of {count}: {w}' for w in found]
        t.is_(f'{mode}, {where}, {journal}: {name}', wrong[:4], [])
    n, bad = t.n, t.bad

# What does not write: each statement gives what it gives, or says that memory is short.
t = Shim()
t.n, t.bad = n, bad
t.fresh({})
t.source(1)
db = t.connect(1)
t.sync(db, 1)
db.close()
files = t.files()
SPEC = t.spec(1)
OTHERS = {'a live query': ('SELECT count(*), min(name) FROM live_fleet_crews',),
          'a live query with a filter': ("SELECT name FROM live_fleet_ships WHERE port = 'oslo' AND id IN (1, 2) ORDER BY id LIMIT 2",),
          'a join': ('SELECT s.name, c.name FROM live_fleet_ships AS s JOIN live_fleet_crews AS c ON c.port = s.port AND c.ship_id = s.id '
                     'ORDER BY s.port, s.id, c.id',),
          'the catalogue': ("SELECT name, incremental FROM cq_tables WHERE name LIKE 'fleet%' ORDER BY 1",),
          'cq_explain': ("SELECT cq_explain('SELECT name FROM live_fleet_crews WHERE port = ''oslo''')",),
          'cq_validate': ('SELECT cq_validate(?)', SPEC), 'cq_plan': ('SELECT cq_plan(?)', SPEC), 'cq_test': ('SELECT cq_test(?)', SPEC), 'cq_permissions': ('SELECT cq_permissions(?)', SPEC),
          'cq_migrate': ('SELECT cq_migrate(?)', SPEC), 'a wrong spec': ('SELECT cq_validate(?)', '{source: fleet, tables: [fleet_shipz]}'),
          'no such file': ('SELECT cq_sync(?)', '/no/such.yml')}
for name, sql in OTHERS.items():
    wrong = []
    for fault, arm, seen in FAULTS[:2]:
        t.fresh(files)
        db = t.connect(1)
        arm(0)
        right = t.ask(db, *sql)
        count = seen()
        t.calm()
        db.close()
        if isinstance(right, str) != (name in ('a wrong spec', 'no such file')):
            wrong.append(f'undisturbed: {right}')
        for i in some(count, MOST):
            total += 1
            held, before = lib.shim_memory_used(), len(os.listdir('/proc/self/fd'))
            db = t.connect(1)
            arm(i)
            got = t.ask(db, *sql)
            hit = t.calm()
            # An error may lack its hint.
            same = got == right or isinstance(got, str) and isinstance(right, str) and got.split('\nhint')[0] == right.split('\nhint')[0]
            if not same and not (hit and re.search(WORDS[NOMEM], str(got))):
                wrong.append(f'{fault}, {i} of {count}: {got}')
            if db.in_transaction and (fault, name) != ('SQLite', 'cq_migrate'):  # see shim.py
                wrong.append(f'{fault}, {i} of {count}: a transaction is open')
            t.ask(db, 'ROLLBACK')
            again = t.ask(db, *sql)
            if again != right:
                wrong.append(f'{fault}, {i} of {count}: then {again}')
            db.close()
            if (lib.shim_memory_used(), len(os.listdir('/proc/self/fd'))) != (held, before):
                wrong.append(f'{fault}, {i} of {count}: {lib.shim_memory_used() - held} bytes or a file are left')
    t.is_(name, wrong[:4], [])
print(f'# {total} failures')
t.done()
