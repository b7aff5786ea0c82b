# timeout: 120
# The machine stops at each write of a run, in each write mode, into this database, an attached one and another file, with a
# rollback journal and a WAL, in a first run and in a later one that also adds a column. What the disk holds then is opened as
# after a start: readers have the old rows or the new ones, the run tables are true, and a next run ends as an undisturbed one.
# Once with all that was written, once with only a part of what was not synced.
# CQ_FAULTS says how many moments of each there are to be, or all (make soak); otherwise few.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from shim import HEAVY, Shim, rnd, some, torn

MOST = 4
CASES = [(m, w, j) for m in ('append', 'overwrite', 'overwrite-delete-stale') for w in ('main', 'attached', 'other') for j in ('delete', 'wal')
         if not (w == 'other' and j == 'delete')]  # another file is given a WAL
total = all_bad = 0
t = None
for mode, where, journal in CASES:
    count = t.n if t else 0
    t = Shim(mode, where, journal)
    t.n, t.bad = count, all_bad
    t.fresh({})
    before = {}
    for first in (True, False):
        old, new = (None, 1) if first else (1, 2)
        t.fresh(before)
        t.other_process(True)
        db = t.connect(new)
        result = []
        moments = t.record(lambda: result.append(t.sync(db, new)))
        db.close()
        t.other_process(False)
        wrong = []
        if result[0]['status'] != 'success':
            wrong.append(f'undisturbed: {result[0]}')
        after = t.files()
        for lost in (False, True):
            picked = some(len(moments), MOST)
            for i in picked:
                op, now, kept = moments[i - 1]
                files = torn(now, kept, rnd) if lost else now
                t.fresh(files)
                total += 1
                bad = []
                try:
                    if os.path.exists(t.file()):
                        look = t.look()
                        bad += t.mixed(look, old, new) + t.untrue(look)
                        look.close()
                    db = t.connect(new)
                    r = t.sync(db, new, '{"resume": true}' if i % 2 else None)
                    db.close()
                    if r['status'] != 'success':
                        bad.append(f'then: {r}')
                    look = t.look()
                    bad += t.unclean(look, new)
                    look.close()
                except Exception as e:
                    bad.append(f'{type(e).__name__}: {e}')
                wrong += [f'moment {i} of {len(moments)}{", lost" if lost else ""}: {b}' for b in bad]
        t.is_(f'{mode}, {where}, {journal}: {"first" if first else "later"} run, {len(moments)} moments', wrong[:4], [])
        before = after
    all_bad = t.bad
print(f'# {total} crashes')
t.done()
