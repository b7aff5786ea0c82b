# timeout: 300
# table_options: every parameter of every list, with values of the models' own, arrives at a server made of botocore's models as it was said.
import datetime
import json
import os
import re
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
import models
import special
from shared import Tap

WHEN = '2024-01-02T03:04:05Z'
# Lists that cq asks in another way than the facts: their tables are children of others, or have a job before them.
INSTEAD = {'sso-admin:ListInstances': None, 'DescribeConformancePackCompliance': 'GetConformancePackComplianceDetails',
           'GenerateServiceLastAccessedDetails': 'GetServiceLastAccessedDetails', 'ListAccountsForProvisionedPermissionSet': 'ListAccountAssignments'}
# What cq asks for page by page, what goes into the path or the head, and what would make the request a rehearsal.
PLACES = ('uri', 'header', 'headers')
tap = Tap()
m = models.Models()
db = m.db(None)


def sample(shape, depth=0):
    """A value that the model allows."""
    kind, meta = shape.type_name, shape.metadata
    if kind == 'structure':
        if shape.is_document_type or not shape.members or depth > 4:
            return {}
        names = list(shape.members)[:1] if shape.is_tagged_union else \
            [n for n, s in shape.members.items() if depth < 2 or n in shape.required_members or s.type_name not in ('structure', 'list', 'map')]
        made = {n: sample(shape.members[n], depth + 1) for n in names}
        if any(made[n] in ({}, []) for n in shape.required_members if n in made):
            return {}
        return {n: v for n, v in made.items() if v not in ({}, [])}
    if kind == 'list':
        item = sample(shape.member, depth + 1)
        return [item] * max(1, int(meta.get('min', 1))) if item not in ({}, []) else []
    if kind == 'map':
        key = shape.key.enum[0] if getattr(shape.key, 'enum', None) else 'k'
        return {key: sample(shape.value, depth + 1)}
    if kind == 'timestamp':
        return WHEN
    if kind == 'boolean':
        return True
    if kind in ('integer', 'long'):
        return max(int(meta.get('min', 1)), min(7, int(meta.get('max', 7))))
    if kind in ('float', 'double'):
        return 1.5
    if kind == 'blob':
        return 'eHg='
    return shape.enum[0] if getattr(shape, 'enum', None) else 'x' * max(3, int(meta.get('min', 1)))


def same(want, have):
    if isinstance(want, dict):
        return isinstance(have, dict) and all(same(v, have.get(k)) for k, v in want.items())
    if isinstance(want, list):
        return isinstance(have, list) and len(want) == len(have) and all(map(same, want, have))
    if want == WHEN:
        return models.when(have) == models.when(WHEN) if not isinstance(have, (int, float)) else \
            have == datetime.datetime.fromisoformat(WHEN[:-1] + '+00:00').timestamp()
    return want == have or str(want) == str(have)


def one(row):
    table, name = row['table'], row['operation'].split(' ')[0]
    filled = set(re.findall(r'(\w+)(?:\.[\w.\[\]]+)?=', row['params'] or ''))
    if name in INSTEAD:
        name = INSTEAD[name] or row['detail'].split(' ')[0]
        filled |= set(re.findall(r'(\w+)=', row['detail_params']))
    service = models.aws_models.SERVICES.model(row['service'])
    op = service.service.operation_model(name)
    paging = service.paging(op)
    members = op.input_shape.members if op.input_shape else {}
    said = {n: sample(s) for n, s in members.items()
            if n not in paging.ins and not n.startswith('ExclusiveStart') and s.serialization.get('location') not in PLACES and n != 'DryRun' and not s.serialization.get('hostLabel')}
    said = {n: v for n, v in said.items() if v not in ({}, [])}
    own = m.db(m.own(table))
    while True:
        if not said:
            return None
        own.execute("SELECT cq_config('aws.table_options', ?)", (json.dumps({table: {name: [said]}}),))
        m.reset()
        try:
            own.execute(f'SELECT 1 FROM live_{table} LIMIT 1').fetchall()
            break
        except Exception as e:
            unknown = re.search(r'table_options: \w+: unknown (\w+)', str(e))
            if not unknown or unknown[1] not in said:
                if 'the table has none' in str(e) and set(said) <= filled:
                    return None
                if 'table_options' in str(e):
                    return [str(e)]
                break
            if unknown[1] not in filled:
                return [f'{unknown[1]} is no option']
            del said[unknown[1]]
    asked = [e for e in m.log() if e.get('operation') == name]
    wrong = [f'refused: {e["error"]}' for e in asked if e.get('error')][:1]
    best = next((e for e in asked if same(said, e.get('params'))), None)
    if not asked:
        wrong.append('was not asked')
    elif best is None and not wrong:
        have = asked[0]['params']
        wrong += [f'{n}: {have.get(n)!r} arrived, not {v!r}'[:400] for n, v in said.items() if not same(v, have.get(n))]
    return wrong


try:
    n = 0
    for row in models.oracle.facts('plan.tsv'):
        only = os.environ.get('TABLES', '').split()
        if row['service'] in special.WITHDRAWN or row['table'] in models.ELSEWHERE or not row['operation'][:1].isalpha() or row['table'] not in m.tables or only and row['table'] not in only:
            continue
        wrong = one(row)
        if wrong is not None:
            n += 1
            tap.none(row['table'], wrong)
    print(f'# {n} tables')
    # what EC2 and ECR do not take together with the size of a page
    for table, name, size, whole, pages in (('aws_ec2_instances', 'DescribeInstances', 'MaxResults', {'instance_ids': ['i-1']}, {'filters': [{'name': 'vpc-id', 'values': ['v']}]}),
                                            ('aws_ec2_network_interfaces', 'DescribeNetworkInterfaces', 'MaxResults', {'network_interface_ids': ['eni-1']}, {}),
                                            ('aws_ecr_repositories', 'DescribeRepositories', 'maxResults', {'repository_names': ['r']}, {'registry_id': '123456789012'})):
        own = m.db(m.own(table))
        for said, sized in ((whole, False), (pages, True)):
            own.execute("SELECT cq_config('aws.table_options', ?)", (json.dumps({table: {name: [said]}}),))
            m.reset()
            own.execute(f'SELECT 1 FROM live_{table}').fetchall()
            asked = [e['params'] for e in m.log() if e.get('operation') == name]
            tap.is_(f'{table}, {", ".join(said) or "nothing"}: {"a" if sized else "no"} size', (bool(asked), {size in a for a in asked}), (True, {sized}))
finally:
    m.stop()
tap.done()
