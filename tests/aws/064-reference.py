# What cq_tables tells of CloudQuery's tables: the requests are those of the facts (plan.tsv), and each has its permission.
import json
import os
import re
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
import oracle
import special
from shared import Tap, connect

# Asked in another way than the facts have it, to the same end.
INSTEAD = {('aws_organizations_organizational_units', o): 'ListOrganizationalUnitsForParent' for o in ('ListChildren', 'DescribeOrganizationalUnit')}
INSTEAD['aws_route53_operations', 'GetOperationDetail'] = 'ListOperations'   # which has its eight members
tap, db = Tap(), connect(':memory:')
told = {n: (json.loads(o), json.loads(p or '[]'), json.loads(c), parent) for n, o, p, c, parent in
        db.execute("SELECT name, operations, permissions, clients, parent FROM cq_tables WHERE integration = 'aws'")}
missing, unsaid, many = [], [], 0
for row in oracle.facts('plan.tsv'):
    table, service = row['table'], row['service']
    if service in special.WITHDRAWN:
        continue
    operations, permissions, clients, parent = told[table]
    names = {o['operation'] for o in operations}
    wanted = set(re.findall(r'(?:^|[;,] *|: ?)([A-Z]\w+)(?= ->|$)', row['operation'])) | {m for m in re.findall(r'(\w+) ->', row['detail'] or '')}
    made = set(names)
    up = parent
    while up:
        made |= {o['operation'] for o in told[up][0]}
        up = told[up][3]
    for w in sorted({INSTEAD.get((table, w), w) for w in wanted} - made):
        missing.append(f'{table}: {w} is not among {sorted(names)}')
    if not operations and row['operation'][:1].isalpha():
        unsaid.append(f'{table}: no operation')
    if not permissions and (operations or row['operation'][:1].isalpha()):
        unsaid.append(f'{table}: no permission')
    if operations and 'account' not in clients:
        unsaid.append(f'{table}: clients {clients}')
    many += 1
tap.is_('tables', many, 700)
tap.none('the operations of the facts', missing)
tap.none('operations, permissions and clients of each', unsaid)
tap.done()
