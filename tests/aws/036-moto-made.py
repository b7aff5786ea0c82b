# timeout: 900
# Tables from moto with what could be made there (moto.txt): a server and values that are not ours, signatures and policies enforced: cq asks as
# one who may do what cq_permissions says for all of them. Some columns are left out (moto-without.tsv). For one table in CQ_SAMPLE (16), always
# the same, and all in make soak: its own permissions suffice, and none of them can be missed (but moto-iam.tsv).
# And those of which nothing can be compared: moto-not.tsv says why, for as long as it is so.
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
import made
from shared import Tap

with open(os.path.join(os.environ['CQ_ROOT'], 'tests', 'aws', 'moto.txt'), encoding='utf-8') as f:
    tables = f.read().split()
with open(os.path.join(os.environ['CQ_ROOT'], 'tests', 'aws', 'filled.txt'), encoding='utf-8') as f:
    filled = f.read().split()                  # compared by 030-compare.py, with more of them
lacking = made.oracle.facts('moto-not.tsv')
only = os.environ.get('TABLES', '').split()
tap = Tap()
told = [*tables, *filled, *(r['table'] for r in lacking)]
every = {r['table'] for r in made.oracle.facts('plan.tsv')}
tap.is_('most of those that moto lists', len({*tables, *filled}) >= 395)
tap.none('every table is compared, or it is said why not', sorted(every ^ set(told)) + sorted(t for t in every if t not in filled and told.count(t) > 1))
made.run(tap, [t for t in tables if not only or t in only], [r for r in lacking if not only or r['table'] in only], 1 if only else int(os.environ.get('CQ_SAMPLE') or 16))
tap.done()
