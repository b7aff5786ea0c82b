# needs: moto
# The AWS server accepts what AWS accepts and refuses the rest, as AWS does.
import datetime
import json
import os
import sys
import time
from unittest import mock

import boto3
import botocore.auth
from botocore.config import Config
from botocore.exceptions import ClientError

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

info = json.load(open(os.environ['CQ_MOTO_FILE']))
tap = Tap()
ok = tap.is_


def client(service, user='admin', region='us-east-1', **over):
    keys = {k: info[user][k] for k in ('access_key_id', 'secret_access_key')} if user else {}
    keys = {'aws_' + k: v for k, v in keys.items()}
    return boto3.client(service, endpoint_url=info['url'], region_name=region,
                        config=Config(parameter_validation=False, retries={'total_max_attempts': 1}), **{**keys, **over})


def code(call, **args):
    try:
        call(**args)
    except ClientError as e:
        return e.response['Error']['Code']
    return None


# One list of each service, with how long it is at least (several pages where it has them).
LISTS = [
    ('ec2', 'describe_instances', 'Reservations[].Instances[]', 125), ('ec2', 'describe_images', 'Images[]', 6),
    ('ec2', 'describe_volumes', 'Volumes[]', 150), ('ec2', 'describe_security_groups', 'SecurityGroups[]', 60),
    ('iam', 'list_users', 'Users[]', 110), ('iam', 'list_roles', 'Roles[]', 110), ('rds', 'describe_db_instances', 'DBInstances[]', 110),
    ('sns', 'list_topics', 'Topics[]', 110), ('elbv2', 'describe_load_balancers', 'LoadBalancers[]', 5),
    ('cloudformation', 'describe_stacks', 'Stacks[]', 5), ('cloudwatch', 'describe_alarms', 'MetricAlarms[]', 20),
    ('s3', 'list_buckets', 'Buckets[]', 30), ('route53', 'list_hosted_zones', 'HostedZones[]', 4),
    ('dynamodb', 'list_tables', 'TableNames[]', 20), ('kms', 'list_keys', 'Keys[]', 10),
    ('secretsmanager', 'list_secrets', 'SecretList[]', 110), ('ssm', 'describe_parameters', 'Parameters[]', 60),
    ('ecs', 'list_clusters', 'clusterArns[]', 5), ('logs', 'describe_log_groups', 'logGroups[]', 60),
    ('sqs', 'list_queues', 'QueueUrls[]', 30), ('organizations', 'list_accounts', 'Accounts[]', 3),
    ('lambda', 'list_functions', 'Functions[]', 55), ('eks', 'list_clusters', 'clusters[]', 3),
    ('apigateway', 'get_rest_apis', 'items[]', 30), ('efs', 'describe_file_systems', 'FileSystems[]', 5),
]
for service, operation, path, least in LISTS:
    c = client(service)
    pages = c.get_paginator(operation).paginate() if c.can_paginate(operation) and operation != 'list_buckets' else None
    found = len(list(pages.search(path))) if pages else len(c.list_buckets()['Buckets'])
    ok(f'{service}: {found} of {path}', found >= least, True)

WRONG = {'ec2': ('describe_vpcs', 'AuthFailure', 'AuthFailure', 'UnauthorizedOperation'),
         'iam': ('list_users', 'SignatureDoesNotMatch', 'InvalidClientTokenId', 'AccessDenied'),
         'route53': ('list_hosted_zones', 'SignatureDoesNotMatch', 'InvalidClientTokenId', 'AccessDenied'),
         'kms': ('list_keys', 'InvalidSignatureException', 'UnrecognizedClientException', 'AccessDeniedException'),
         'lambda': ('list_functions', 'InvalidSignatureException', 'UnrecognizedClientException', 'AccessDeniedException'),
         's3': ('list_buckets', 'SignatureDoesNotMatch', 'InvalidAccessKeyId', 'AccessDenied')}
for service, (operation, secret, key, denied) in WRONG.items():
    ok(f'{service}: wrong secret', code(getattr(client(service, aws_secret_access_key='no'), operation)), secret)
    ok(f'{service}: unknown key', code(getattr(client(service, aws_access_key_id='AKIAAAAAAAAAAAAAAAAA'), operation)), key)
    ok(f'{service}: denied', code(getattr(client(service, 'denied'), operation)), denied)

ok('some: may list VPCs', code(client('ec2', 'some').describe_vpcs), None)
ok('some: may not list volumes', code(client('ec2', 'some').describe_volumes), 'UnauthorizedOperation')

for service, operation, minutes, wanted in (('ec2', 'describe_vpcs', 6, 'RequestExpired'), ('ec2', 'describe_vpcs', 4, None),
                                            ('s3', 'list_buckets', 16, 'RequestTimeTooSkewed'), ('s3', 'list_buckets', 14, None)):
    late = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(minutes=minutes)
    with mock.patch.object(botocore.auth, 'get_current_datetime', lambda *a, **k: late):
        ok(f'{service}: a clock {minutes} minutes off', code(getattr(client(service), operation)), wanted)

# Assumed roles: into another account, with the external id where it asks for one, no longer than they last.
sts, other = client('sts', 'reader'), info['accounts'][1]


def assume(role, **args):
    k = sts.assume_role(RoleArn=role, RoleSessionName='test', **args)['Credentials']
    return {'user': None, 'aws_access_key_id': k['AccessKeyId'], 'aws_secret_access_key': k['SecretAccessKey'],
            'aws_session_token': k['SessionToken']}


reader, external = info['roles']['reader'][1], info['roles']['external'][1]
ok('a role acts in its account', client('sts', **assume(reader)).get_caller_identity()['Account'], other)
ok('a role sees its account', code(client('ec2', **assume(reader)).describe_instances), None)
ok('no external id', code(sts.assume_role, RoleArn=external, RoleSessionName='test'), 'AccessDenied')
ok('wrong external id', code(sts.assume_role, RoleArn=external, RoleSessionName='test', ExternalId='x1'), 'AccessDenied')
ok('right external id', code(sts.assume_role, RoleArn=external, RoleSessionName='test', ExternalId=info['external_id']), None)
ok('no such role', code(sts.assume_role, RoleArn=reader + 'x', RoleSessionName='test'), 'AccessDenied')
ok('no such account', code(sts.assume_role, RoleArn=reader.replace(other, '999999999999'), RoleSessionName='test'), 'AccessDenied')
wrong = assume(reader)
wrong['aws_session_token'] += 'x'
ok('wrong session token', code(client('ec2', **wrong).describe_vpcs) is None, False)
short = assume(reader, DurationSeconds=1)
time.sleep(1.5)
ok('a session that is over: ec2', code(client('ec2', **short).describe_vpcs), 'RequestExpired')
ok('a session that is over: s3', code(client('s3', **short).list_buckets), 'ExpiredToken')
ok('a session that is over: kms', code(client('kms', **short).list_keys), 'ExpiredTokenException')
tap.done()
