# needs: moto
# timeout: 300
# alone: it makes a user, whom others would see among the users
# An account whose role cannot be assumed, and permissions that are missing: each unit keeps its rows, is told, and is what a retry
# asks for, alone. Which requests were made is told by cq_requests.
import json
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
from motouser import user
from shared import Tap, connect

tap = Tap()
moto, iam = user('part')
MAIN, OTHER = moto['accounts'][:2]
REGIONS = moto['regions'][:2]
READ = ['ec2:DescribeSecurityGroups', 'ec2:DescribeVpcs', 'sts:GetCallerIdentity', 'sts:AssumeRole']


def allow(*without):
    iam.put_user_policy(UserName='part', PolicyName='p', PolicyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Action': [a for a in READ if a not in without], 'Resource': '*'}]}))


class Database:
    def __init__(self, mode):
        self.mode = mode
        self.db = connect(f'{mode}.db')

    def sync(self, external_id=moto['external_id'], options=None):
        """The result, and the requests that tables made: (table, client, status), each once, and how many."""
        last = self.db.execute('SELECT coalesce(max(id), 0) FROM cq_requests').fetchone()[0]
        r = json.loads(self.db.execute('SELECT cq_sync(?, ?)', (json.dumps({
            'source': 'aws', 'name': 'aws', 'tables': ['aws_ec2_security_groups', 'aws_ec2_vpcs'], 'progress': 'off', 'write_mode': self.mode, 'spec': {
                'regions': REGIONS, 'max_retries': 0, 'accounts': [{'id': MAIN}, {'id': OTHER, 'role_arn': moto['roles']['external'][1], 'external_id': external_id}]}}),
            options)).fetchone()[0])
        asked = self.db.execute("SELECT table_name, client, count(*) FROM cq_requests WHERE id > ? AND table_name LIKE 'aws_ec2_%' GROUP BY 1, 2 ORDER BY 1, 2",
                                (last,)).fetchall()
        return r, asked

    def units(self, table):
        """Rows and the run that they are of, per client."""
        return {c: (n, g) for c, n, g in self.db.execute(f'SELECT _cq_client_id, count(*), max(_cq_sync_group_id) FROM main.{table} GROUP BY 1')}


SGS, VPCS = 'aws_ec2_security_groups', 'aws_ec2_vpcs'
ALL = [f'{a}:{r}' for a in (MAIN, OTHER) for r in REGIONS]
for mode in ('append', 'overwrite-delete-stale'):
    d = Database(mode)
    allow()
    r, first = d.sync()
    tap.is_(f'{mode}: two tables of two accounts in two regions', (r['status'], sorted({(t, c) for t, c, _ in first})), ('success', sorted((t, c) for t in (SGS, VPCS) for c in ALL)))
    had = {t: d.units(t) for t in (SGS, VPCS)}
    tap.is_(f'{mode}: all have rows', [sorted(u) for u in had.values()], [sorted(ALL)] * 2)
    per = {(t, c): n for t, c, n in first}

    # ---- a role that cannot be assumed
    r, asked = d.sync(external_id='wrong')
    now = {t: d.units(t) for t in (SGS, VPCS)}
    tap.is_(f'{mode}: the role cannot be assumed: partial', (r['status'], r['failed'] > 0), ('partial', True))
    tap.is_(f'{mode}: it is told once, of its account only', ([e['table'] for e in r['errors']], [e['message'] for e in r['errors'] if OTHER not in e['message'] or 'ssumeRole' not in e['message'] or MAIN in e['message'].split(OTHER)[0]]), ([''], []))
    tap.is_(f'{mode}: the other account was read', [(t, c) for t, c, _ in asked], sorted((t, c) for t in (SGS, VPCS) for c in ALL[:2]))
    tap.is_(f'{mode}: its rows stay as they were', [now[t].get(c) for t in now for c in ALL[2:]], [had[t][c] for t in had for c in ALL[2:]])
    tap.is_(f'{mode}: the others are new', {now[t][c][1] for t in now for c in ALL[:2]}, {r['sync_group_id']})
    r, asked = d.sync(options='{"retry": "failed"}')
    tap.is_(f'{mode}: a retry reads that account alone, each request once', (r['status'], asked), ('success', sorted((t, c, per[t, c]) for t in (SGS, VPCS) for c in ALL[2:])))
    tap.is_(f'{mode}: and no row is missing', [{c: n for c, (n, _) in d.units(t).items()} for t in had], [{c: n for c, (n, _) in u.items()} for u in had.values()])

    # ---- a permission that is missing
    allow('ec2:DescribeVpcs')
    before = {t: d.units(t) for t in (SGS, VPCS)}
    r, asked = d.sync()
    now = {t: d.units(t) for t in (SGS, VPCS)}
    tap.is_(f'{mode}: a permission is missing: partial', (r['status'], sorted((e['table'], e['client'], e['kind']) for e in r['errors'])), ('partial', [(VPCS, c, 'denied') for c in sorted(ALL[:2])]))
    tap.is_(f'{mode}: its rows stay', [now[VPCS][c] for c in ALL[:2]], [before[VPCS][c] for c in ALL[:2]])
    tap.is_(f'{mode}: what may be read is new', {now[SGS][c][1] for c in ALL}, {r['sync_group_id']})
    allow()
    r, asked = d.sync(options='{"retry": "failed"}')
    tap.is_(f'{mode}: a retry reads those units alone, each request once', (r['status'], asked), ('success', sorted((VPCS, c, per[VPCS, c]) for c in ALL[:2])))
    r, asked = d.sync(options='{"retry": "failed"}')
    tap.is_(f'{mode}: nothing is left to try again', (r['status'], asked), ('success', []))
    d.db.close()
for k in iam.list_access_keys(UserName='part')['AccessKeyMetadata']:
    iam.delete_access_key(UserName='part', AccessKeyId=k['AccessKeyId'])
iam.delete_user_policy(UserName='part', PolicyName='p')
iam.delete_user(UserName='part')
tap.done()
