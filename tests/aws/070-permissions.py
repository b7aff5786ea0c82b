# needs: moto
# timeout: 300
# alone: it makes a user, whom others would see among the users
# The IAM actions that cq_tables lists: with a policy of just a table's own actions it can be read, all columns of it; without
# one of them it cannot, and the message names what is missing.
import json
import os
import sqlite3
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
from motouser import user
from shared import Tap, connect

tap = Tap()
ok = tap.none

moto, iam = user('least')
db = connect(':memory:')
# Regions that are named are not asked for, so that ec2:DescribeRegions is needed by its own table only.
db.execute("SELECT cq_config('cache_ttl', 0), cq_config('aws.regions', ?), cq_config('aws.max_retries', '0')", (json.dumps(moto['regions'][:1]),))
actions = {name: json.loads(p or '[]') for name, p in db.execute("SELECT name, permissions FROM cq_tables WHERE integration = 'aws'")}
parents = dict(db.execute("SELECT name, parent FROM cq_tables WHERE integration = 'aws'"))


# What moto asks for instead of the action that AWS asks for; and what it does not ask for.
ALSO = {'s3:GetEncryptionConfiguration': ['s3:ListBucket'], 'apigateway:GET': ['apigateway:GetRestApis'],
        'cloudwatch:DescribeAlarms': ['monitoring:DescribeAlarms'], 'cloudwatch:ListTagsForResource': ['monitoring:ListTagsForResource']}
UNASKED = {'lambda:GetCodeSigningConfig', 'lambda:GetRuntimeManagementConfig'}


def allow(these):
    these = {b for a in these for b in [a, *ALSO.get(a, [])]}
    iam.put_user_policy(UserName='least', PolicyName='p', PolicyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Action': sorted(these) or ['sts:GetSessionToken'], 'Resource': '*'}]}))


def read(table):
    try:
        return len(db.execute(f'SELECT * FROM {table}').fetchall()), None
    except sqlite3.Error as e:
        return 0, str(e)


with open(os.path.join(os.environ['CQ_ROOT'], 'tests', 'aws', 'filled.txt'), encoding='utf-8') as f:
    filled = f.read().split()
for table in filled:
    need, up = set(actions[table]), parents[table]
    while up:
        need |= set(actions[up])
        up = parents[up]
    if table == 'aws_cloudtrail_events':    # moto does not have it
        continue
    allow(need)
    wrong = []
    rows, error = read(table)
    if error or not rows:
        wrong.append(f'with {sorted(need)}: {rows} rows, {error}')
    for action in sorted(set(actions[table]) - UNASKED):
        allow(need - {action})
        _, error = read(table)
        if not error or 'AccessDenied' not in error and 'UnauthorizedOperation' not in error:
            wrong.append(f'without {action}: {error}')
        elif not any(f'missing permission: {a}' in error for a in [action, *ALSO.get(action, [])]):
            wrong.append(f'without {action}, which is not named: {error}')
    ok(f'{table}: {", ".join(sorted(need))}', wrong)
db.close()
for k in iam.list_access_keys(UserName='least')['AccessKeyMetadata']:
    iam.delete_access_key(UserName='least', AccessKeyId=k['AccessKeyId'])
iam.delete_user_policy(UserName='least', PolicyName='p')
iam.delete_user(UserName='least')
tap.done()
