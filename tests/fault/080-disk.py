# timeout: 120
# Each operation on the database's files fails once, or from then on: the disk is full, cannot be read, written, synced, locked,
# gives back other bytes. In a first sync, a later one that adds a column, one that rebuilds a table, one that resumes, and in
# cq_prune, in each write mode. Whatever happens: the words say what, no transaction and no file stays open, nothing of
# SQLite's memory is lost, readers have what they had or all that is new, and the same connection syncs again and ends well.
# CQ_FAULTS says how many moments of each there are to be, or all (make soak); otherwise few.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from shim import *

FAULTS = [('full', WRITE, FULL, False), ('full from then on', WRITE, FULL, True), ('write', WRITE, IOERR_WRITE, False),
          ('write from then on', WRITE | SYNC | TRUNCATE, IOERR_WRITE, True), ('sync', SYNC, IOERR_FSYNC, False),
          ('truncate', TRUNCATE, IOERR_TRUNCATE, False), ('read', READ, IOERR_READ, False), ('all from then on', 0x7ff, IOERR, True),
          ('other bytes', READ, CORRUPT, False), ('busy', LOCK | SHM_LOCK, BUSY, False), ('lock', LOCK, IOERR_LOCK, False),
          ('open', OPEN, CANTOPEN, False), ('delete', DELETE, IOERR_DELETE, False), ('access', ACCESS, IOERR_ACCESS, False),
          ('size', SIZE, IOERR_FSTAT, False), ('map', SHM_MAP, IOERR_SHMMAP, False), ('read-only', WRITE, READONLY, True)]
MOST = 2
LIGHT = [('append', 'main', 'delete'), ('append', 'attached', 'delete'), ('overwrite-delete-stale', 'other', 'wal')]

total = n = bad = 0
for mode in ('append', 'overwrite', 'overwrite-delete-stale'):
    for where, journal in (('main', 'delete'), ('main', 'wal'), ('attached', 'delete'), ('other', 'wal')):
        if not HEAVY and (mode, where, journal) not in LIGHT:
            continue
        t = Shim(mode, where, journal)
        t.n, t.bad = n, bad
        t.fresh({})
        for name, case in list(cases(t)):
            wrong = []
            for fault, ops, rc, stays in FAULTS:
                def arm(i):
                    t.fail(ops, i, rc, stays)
                count, r = case.count(arm, lib.shim_seen)
                if r['status'] != 'success':
                    wrong.append(f'undisturbed: {r}')
                for i in some(count, MOST):
                    total += 1
                    try:
                        found = case.once(arm, i, rc & 0xff)
                    except Exception as e:
                        t.calm()
                        found = [f'{type(e).__name__}: {e}']
                    wrong += [f'{fault}, {i} of {count}: {w}' for w in found]
            t.is_(f'{mode}, {where}, {journal}: {name}', wrong[:4], [])
        n, bad = t.n, t.bad
print(f'# {total} failures')
t.done()
