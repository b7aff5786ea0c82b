# needs: moto
# timeout: 240
# alone: it makes a user, whom others would see among the users
# The policy that cq_permissions writes suffices for a sync, and nothing in it is too much.
import json
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
from motouser import user
from shared import Tap, connect

t = Tap()
moto, iam = user('policy')


def sync(spec, policy):
    iam.put_user_policy(UserName='policy', PolicyName='p', PolicyDocument=json.dumps(policy))
    db = connect(':memory:')
    db.execute("SELECT cq_config('aws.max_retries', '0')")
    r = json.loads(db.execute('SELECT cq_sync(?)', (json.dumps(spec),)).fetchone()[0])
    db.close()
    return r


db = connect(':memory:')
TABLES = ['aws_iam_users', 'aws_iam_user_access_keys', 'aws_sqs_queues', 'aws_ec2_vpcs']
for name, config in (('where regions are asked for', {}), ('where they are named', {'regions': moto['regions'][:1]})):
    spec = {'source': 'aws', 'tables': TABLES, 'spec': config}
    policy = json.loads(db.execute('SELECT cq_permissions(?)', (json.dumps(spec),)).fetchone()[0])
    actions = [a for s in policy['Statement'] for a in s['Action']]
    t.is_(f'{name}: the regions', 'ec2:DescribeRegions' in actions, not config)
    t.is_(f'{name}: sorted, once', actions, sorted(set(actions)))
    r = sync(spec, policy)
    t.is_(f'{name}: it suffices', (r['status'], r['errors'], r['rows'] > 0), ('success', [], True))
    for a in actions if config else []:
        less = {**policy, 'Statement': [{**s, 'Action': [b for b in s['Action'] if b != a] or ['sts:GetSessionToken']} for s in policy['Statement']]}
        t.is_(f'{name}: not without {a}', sync(spec, less)['status'] != 'success')
# All that this server is filled with in one sync, where it asks for the actions that AWS asks for (see 070).
with open(os.path.join(os.environ['CQ_ROOT'], 'tests', 'aws', 'filled.txt'), encoding='utf-8') as f:
    MANY = [n for n in f.read().split() if not n.startswith(('aws_apigateway_', 'aws_cloudtrail_', 'aws_cloudwatch_alarms', 'aws_s3_bucket_encryption'))]
spec = {'source': 'aws', 'tables': MANY, 'spec': {'regions': moto['regions'][:1]}}
policy = json.loads(db.execute('SELECT cq_permissions(?)', (json.dumps(spec),)).fetchone()[0])
r = sync(spec, policy)
t.is_(f'{len(MANY)} tables with {sum(len(s["Action"]) for s in policy["Statement"])} actions: nothing is denied',
      (r['status'], [e for e in r['errors'] if e['kind'] != 'warning'][:3], r['rows'] > 100), ('success', [], True))


def assumed(**more):
    policy = json.loads(db.execute('SELECT cq_permissions(?)', (json.dumps({'source': 'aws', 'tables': TABLES, 'spec': more}),)).fetchone()[0])
    return [s['Resource'] for s in policy['Statement'] if s['Action'] == ['sts:AssumeRole']], len({s['Sid'] for s in policy['Statement']}) == len(policy['Statement'])


ROLES = [f'arn:aws:iam::{n}:role/r' for n in ('111111111111', '222222222222')]
t.is_('the roles that are assumed, each once', assumed(accounts=[{'id': 'a', 'role_arn': ROLES[1]}, {'id': 'b', 'role_arn': ROLES[0]}, {'id': 'c', 'role_arn': ROLES[0]}, {'id': 'd'}]), ([ROLES], True))
t.is_('those of an organization', assumed(org={'member_role_name': 'reader', 'admin_account': {'role_arn': ROLES[0]}}), ([['arn:aws:iam::*:role/reader', ROLES[0]]], True))
t.is_('in China', assumed(default_region='cn-north-1', org={'member_role_name': 'reader'}), ([['arn:aws-cn:iam::*:role/reader']], True))
t.is_('no role', (assumed(), assumed(accounts=[{'id': 'd'}])), (([], True), ([], True)))
t.is_('a policy for all', len(json.loads(db.execute("SELECT cq_permissions('aws_*')").fetchone()[0])['Statement']) > 10)
for k in iam.list_access_keys(UserName='policy')['AccessKeyMetadata']:
    iam.delete_access_key(UserName='policy', AccessKeyId=k['AccessKeyId'])
iam.delete_user_policy(UserName='policy', PolicyName='p')
iam.delete_user(UserName='policy')
t.done()
