"""Makes moto hold at least one resource of as many kinds as it can, by calls that are built out of botocore's models.

For each operation that makes something (Create, Put, Register ...) the required parameters are filled in: a parameter that has
the name of something made before gets that (VpcId, RoleArn, clusterName), the others a word, a number, the first word of an enum.
What that cannot do is in BY_HAND and aws_hand.py. Several rounds, since things need each other; what moto refuses is left out.
"""
import datetime
import io
import json
import os
import re
import sys
import zipfile

import boto3
from botocore.config import Config
from moto import mock_aws
from moto.moto_api._internal import mock_random

import aws_hand

MAKES = re.compile(r'^(Create|Put|Register|Allocate|Request|Import|Enable|Add|Start|Subscribe|Publish|Run|Set|Tag)')
NEVER = re.compile(r'(?i)(batch|presigned|token|password|mfa|session|query|query|upload|multipart|event$|events$|records?$|metricdata|message|'
                   r'PutObject|PutItem|StartDBInstance|StartInstances|StopInstances)')
ORDER = ('Create', 'Register', 'Allocate', 'Import', 'Request', 'Run', 'Put', 'Add', 'Enable', 'Start', 'Subscribe', 'Publish', 'Set', 'Tag')
POLICY = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}]})
TRUST = json.dumps({'Version': '2012-10-17', 'Statement': [
    {'Effect': 'Allow', 'Principal': {'Service': 'ec2.amazonaws.com'}, 'Action': 'sts:AssumeRole'}]})


def code():
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as z:
        z.writestr(zipfile.ZipInfo('f.py', (2024, 1, 1, 0, 0, 0)), 'def h(e, c): return 1')
    return out.getvalue()


class Creator:
    def __init__(self, account, region, hand):
        self.account, self.region, self.hand = account, region, hand
        self.session, self.clients = boto3.Session(), {}
        self.pool, self.made, self.why = {}, {}, {}

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = self.session.client(service, region_name=self.region, config=Config(
                parameter_validation=False, retries={'total_max_attempts': 1}, s3={'addressing_style': 'path'}))
        return self.clients[service]

    # ---- parameters ----
    def known(self, service, name):
        low = name.lower()
        for key in ((service, low), (service, low.rstrip('s')), ('', low), ('', low.rstrip('s'))):
            if key in self.pool:
                return self.pool[key]
        return None

    def word(self, service, operation, path, shape, n):
        name = path.split('.')[-1]
        low = name.lower()
        if getattr(shape, 'enum', None):
            return shape.enum[0]
        found = self.known(service, name) if not (path == name and re.fullmatch(
            r'(?i)(create|register|put|import)?(.*)(name|identifier|id)', name) and self.own_name(operation, name)) else None
        if found:
            return found
        if low.endswith('policydocument') and 'assume' in low:
            return TRUST
        if re.search(r'(?i)(policy|policydocument|policytext|resourcepolicy)$', name):
            return POLICY
        if low.endswith('rolearn') or low in ('role', 'executionrole', 'servicerole'):
            return f'arn:aws:iam::{self.account}:role/made'
        if low.endswith('arn'):
            return f'arn:aws:{service}:{self.region}:{self.account}:thing/{low}-{n}'
        if 'cidr' in low:
            return f'10.{n}.0.0/16'
        if 'email' in low:
            return f'a{n}@example.com'
        if 'account' in low:
            return self.account
        if 'region' in low and 'name' not in low:
            return self.region
        if low.endswith(('url', 'uri')):
            return 'https://example.com/x'
        if low.endswith('domainname') or low == 'domain':
            return f'd{n}.example.com'
        if low.endswith('version'):
            return '1.0'
        high = int(shape.metadata.get('max') or 60)
        return f'{re.sub("[^a-z]", "", operation.lower())[-20:]}{n}'[:high]

    @staticmethod
    def own_name(operation, name):
        """A parameter that names what is made."""
        thing = re.sub(r'^(Create|Register|Put|Import|Allocate|Request|Run|Start)', '', operation).lower()
        low = re.sub(r'(?i)(name|identifier|id)$', '', name).lower()
        return low == '' or thing.startswith(low) or low.startswith(thing)

    def value(self, service, operation, path, shape, n, depth=0):
        kind = shape.type_name
        if kind == 'structure':
            names = list(shape.required_members)
            if getattr(shape, 'is_tagged_union', False) and not names:
                names = [next(iter(shape.members))]
            return {m: self.value(service, operation, f'{path}.{m}', shape.members[m], n, depth + 1) for m in names} if depth < 6 else {}
        if kind == 'list':
            name = path.split('.')[-1]
            found = self.known(service, name)
            if found is not None and shape.member.type_name == 'string':
                return [found]
            return [self.value(service, operation, path.rstrip('s'), shape.member, n, depth + 1)] if depth < 6 else []
        if kind == 'map':
            return {'k': self.value(service, operation, path + '.v', shape.value, n, depth + 1)} if depth < 6 else {}
        if kind in ('string', 'character'):
            return self.word(service, operation, path, shape, n)
        if kind == 'boolean':
            return True
        if kind in ('integer', 'long'):
            return max(int(shape.metadata.get('min') or 1), 1)
        if kind in ('float', 'double'):
            return max(float(shape.metadata.get('min') or 1), 1.0)
        if kind == 'timestamp':
            return datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
        return b'x'

    def tags(self, shape):
        """A tag, where the operation takes some."""
        for name in ('Tags', 'tags', 'TagList'):
            s = shape.members.get(name) if shape is not None else None
            if s is None:
                continue
            if s.type_name == 'map':
                return {name: {'team': 'a & b'}}
            if s.type_name == 'list' and s.member.type_name == 'structure':
                m = s.member.members
                k = next((k for k in ('Key', 'key', 'TagKey') if k in m), None)
                v = next((v for v in ('Value', 'value', 'TagValue') if v in m), None)
                if k and v:
                    return {name: [{k: 'team', v: 'a & b'}]}
        return {}

    # ---- what came of it ----
    def note(self, service, tree, above=''):
        if isinstance(tree, dict):
            for k, v in tree.items():
                if k == 'ResponseMetadata':
                    continue
                if isinstance(v, str) and v:
                    low = k.lower()
                    self.pool.setdefault((service, low), v)
                    if low in ('id', 'name', 'arn', 'identifier') and above:
                        self.pool.setdefault((service, above.lower() + low), v)
                        self.pool.setdefault(('', above.lower() + low), v)
                    elif low.endswith(('id', 'arn', 'name', 'identifier')) and low not in ('id', 'name', 'arn', 'requestid'):
                        self.pool.setdefault(('', low), v)
                else:
                    self.note(service, v, k)
        elif isinstance(tree, list):
            for v in tree:
                self.note(service, v, re.sub(r's$', '', above))

    def call(self, service, operation, params, note=True):
        answer = self.client(service)._make_api_call(operation, params)
        if note:
            self.note(service, params)
            self.note(service, answer, re.sub(r'^(Create|Register|Put|Import|Allocate|Request|Run|Start)', '', operation))
        return answer

    def make(self, service, operation):
        model = self.client(service).meta.service_model
        if operation not in model.operation_names:
            return
        shape = model.operation_model(operation).input_shape
        for n in range(2):
            params = {}
            for name in shape.required_members if shape else ():
                params[name] = self.value(service, operation, name, shape.members[name], n + len(self.made) % 50)
            params.update(self.tags(shape))
            try:
                self.call(service, operation, params)
                self.made[service, operation] = self.made.get((service, operation), 0) + 1
            except Exception as e:
                self.why[service, operation] = f'{type(e).__name__}: {e}'[:200]
                if params.keys() & {'Tags', 'tags', 'TagList'}:
                    try:
                        self.call(service, operation, {k: v for k, v in params.items() if k.lower() not in ('tags', 'taglist')})
                        self.made[service, operation] = 1
                    except Exception:
                        pass
                return

    def service(self, service, rounds=2):
        for operation, params in self.hand.get(service, ()):
            try:
                made = params(self) if callable(params) else params
                if operation:                   # else the function has done it
                    self.call(service, operation, made)
                self.made[service, operation] = self.made.get((service, operation), 0) + 1
            except Exception as e:
                self.why[service, operation] = f'by hand: {type(e).__name__}: {e}'[:200]
        names = [o for o in self.client(service).meta.service_model.operation_names if MAKES.match(o) and not NEVER.search(o)]
        names.sort(key=lambda o: (next(i for i, v in enumerate(ORDER) if o.startswith(v)), len(o), o))
        for _ in range(rounds):
            for operation in names:
                if (service, operation) not in self.made:
                    self.make(service, operation)


# ---- what the models do not tell --------------------------------------------------
def made_of(*pairs):
    return list(pairs)


def function(c):
    return {'FunctionName': 'made', 'Runtime': 'python3.12', 'Role': f'arn:aws:iam::{c.account}:role/made', 'Handler': 'f.h',
            'Code': {'ZipFile': code()}, 'Environment': {'Variables': {'A': 'b & c'}}, 'Tags': {'n': '1'}}


def image(c):
    return {'ImageId': c.call('ec2', 'RegisterImage', {'Name': 'made', 'Architecture': 'x86_64', 'RootDeviceName': '/dev/sda1',
                                                       'VirtualizationType': 'hvm'})['ImageId'], 'MinCount': 1, 'MaxCount': 1,
            'InstanceType': 't3.micro', 'SubnetId': c.known('ec2', 'subnetid')}


def balancer(c):
    vpc = c.call('ec2', 'CreateVpc', {'CidrBlock': '10.77.0.0/16'})['Vpc']['VpcId']
    return {'Name': 'made', 'Subnets': [c.call('ec2', 'CreateSubnet', {
        'VpcId': vpc, 'CidrBlock': f'10.77.{i}.0/24', 'AvailabilityZone': c.region + z})['Subnet']['SubnetId']
        for i, z in enumerate('ab')], 'Scheme': 'internal', 'Type': 'application', 'Tags': [{'Key': 'n', 'Value': '1'}]}


def target(c):
    vpc = c.call('ec2', 'CreateVpc', {'CidrBlock': '10.78.0.0/16'})['Vpc']['VpcId']
    return {'Name': 'made', 'Protocol': 'HTTP', 'Port': 80, 'VpcId': vpc, 'TargetType': 'ip'}


def listener(c):
    return {'LoadBalancerArn': c.known('elbv2', 'loadbalancerarn'), 'Protocol': 'HTTP', 'Port': 80, 'DefaultActions': [
        {'Type': 'forward', 'TargetGroupArn': c.known('elbv2', 'targetgrouparn')}]}


DATABASE = {'DBInstanceClass': 'db.t3.micro', 'MasterUsername': 'u', 'MasterUserPassword': 'longpassword', 'AllocatedStorage': 20}
BY_HAND = {
    'ec2': made_of(('CreateVpc', {'CidrBlock': '10.5.0.0/16'}), ('CreateSubnet', lambda c: {
        'VpcId': c.known('ec2', 'vpcid'), 'CidrBlock': '10.5.1.0/24'}), ('RunInstances', image)),
    'iam': made_of(('CreateRole', {'RoleName': 'made', 'AssumeRolePolicyDocument': TRUST}),
                   ('CreatePolicy', {'PolicyName': 'made', 'PolicyDocument': POLICY}),
                   ('CreateUser', {'UserName': 'made'}), ('CreateGroup', {'GroupName': 'made'}),
                   ('CreateAccessKey', {'UserName': 'made'}),
                   ('AddUserToGroup', {'UserName': 'made', 'GroupName': 'made'}),
                   ('PutUserPolicy', {'UserName': 'made', 'PolicyName': 'inline', 'PolicyDocument': POLICY}),
                   ('PutRolePolicy', {'RoleName': 'made', 'PolicyName': 'inline', 'PolicyDocument': POLICY}),
                   ('PutGroupPolicy', {'GroupName': 'made', 'PolicyName': 'inline', 'PolicyDocument': POLICY}),
                   ('AttachUserPolicy', lambda c: {'UserName': 'made', 'PolicyArn': f'arn:aws:iam::{c.account}:policy/made'}),
                   ('AttachRolePolicy', lambda c: {'RoleName': 'made', 'PolicyArn': f'arn:aws:iam::{c.account}:policy/made'}),
                   ('AttachGroupPolicy', lambda c: {'GroupName': 'made', 'PolicyArn': f'arn:aws:iam::{c.account}:policy/made'}),
                   ('UpdateAccountPasswordPolicy', {'MinimumPasswordLength': 14}),
                   ('CreateVirtualMFADevice', {'VirtualMFADeviceName': 'made'})),
    'lambda': made_of(('CreateFunction', function), ('PublishVersion', {'FunctionName': 'made'}),
                      ('CreateAlias', {'FunctionName': 'made', 'Name': 'live', 'FunctionVersion': '1'}),
                      ('PublishLayerVersion', {'LayerName': 'made', 'Content': {'ZipFile': code()}}),
                      ('PutFunctionEventInvokeConfig', {'FunctionName': 'made', 'MaximumRetryAttempts': 1})),
    'elbv2': made_of(('CreateLoadBalancer', balancer), ('CreateTargetGroup', target), ('CreateListener', listener)),
    'dynamodb': made_of(('CreateTable', {'TableName': 'made', 'KeySchema': [{'AttributeName': 'k', 'KeyType': 'HASH'}],
                                         'AttributeDefinitions': [{'AttributeName': 'k', 'AttributeType': 'S'}],
                                         'BillingMode': 'PAY_PER_REQUEST'}),
                        ('CreateBackup', {'TableName': 'made', 'BackupName': 'made'})),
    'kinesis': made_of(('CreateStream', {'StreamName': 'made', 'ShardCount': 1})),
    'rds': made_of(('CreateDBInstance', {'DBInstanceIdentifier': 'made', 'Engine': 'postgres', **DATABASE}),
                   ('CreateDBSnapshot', {'DBInstanceIdentifier': 'made', 'DBSnapshotIdentifier': 'made-s'}),
                   ('CreateDBCluster', {'DBClusterIdentifier': 'made-c', 'Engine': 'aurora-mysql', 'MasterUsername': 'u',
                                        'MasterUserPassword': 'longpassword'}),
                   ('CreateDBClusterSnapshot', {'DBClusterIdentifier': 'made-c', 'DBClusterSnapshotIdentifier': 'made-cs'})),
    'events': made_of(('PutRule', {'Name': 'made', 'ScheduleExpression': 'rate(1 day)'}),
                      ('PutTargets', lambda c: {'Rule': 'made', 'Targets': [
                          {'Id': '1', 'Arn': f'arn:aws:lambda:{c.region}:{c.account}:function:made'}]})),
    'ssm': made_of(('PutParameter', {'Name': '/made', 'Value': 'v', 'Type': 'String'})),
    'logs': made_of(('CreateLogGroup', {'logGroupName': '/made', 'tags': {'n': '1'}})),
    'cloudtrail': made_of(('CreateTrail', {'Name': 'made-trail', 'S3BucketName': 'made-bucket'})),
    's3': made_of(('CreateBucket', {'Bucket': 'made-bucket'})),
    'identitystore': made_of(('CreateUser', {'IdentityStoreId': 'd-1234567890', 'UserName': 'made', 'DisplayName': 'made', 'Name': {
        'GivenName': 'a', 'FamilyName': 'b'}})),
    'autoscaling': made_of(('CreateLaunchConfiguration', {'LaunchConfigurationName': 'made', 'ImageId': 'ami-12345678',
                                                          'InstanceType': 't3.micro'}),
                           ('CreateAutoScalingGroup', lambda c: {
                               'AutoScalingGroupName': 'made', 'LaunchConfigurationName': 'made', 'MinSize': 0, 'MaxSize': 1,
                               'AvailabilityZones': [c.region + 'a']})),
    'ecr': made_of(('CreateRepository', {'repositoryName': 'made'})),
    'ecs': made_of(('RegisterTaskDefinition', {'family': 't', 'containerDefinitions': [{'name': 'a', 'image': 'x', 'memory': 64}]}),
                   ('CreateCluster', {'clusterName': 'made'}),
                   ('CreateService', {'cluster': 'made', 'serviceName': 'made', 'taskDefinition': 't', 'desiredCount': 0})),
    'cognito-idp': made_of(('CreateUserPool', {'PoolName': 'made'})),
    'es': made_of(('CreateElasticsearchDomain', {'DomainName': 'made-domain'})),
    'stepfunctions': made_of(('CreateStateMachine', lambda c: {
        'name': 'made', 'roleArn': f'arn:aws:iam::{c.account}:role/made', 'definition': '{"StartAt": "a", "States": {"a": {"Type": "Pass", "End": true}}}'})),
}
FIRST = ('iam', 'kms', 'ec2', 's3', 'sns', 'sqs', 'logs', 'lambda')     # others ask for theirs


def fill(services, region, seed):
    """What the tests have to know: the account, the region, a user with its key."""
    account = '123456789012'
    mock_random.seed(seed)
    mock = mock_aws()
    mock.start()
    c = Creator(account, region, {k: BY_HAND.get(k, []) + aws_hand.HAND.get(k, []) for k in {*BY_HAND, *aws_hand.HAND}})
    iam = c.client('iam')
    iam.create_user(UserName='cq-admin')
    iam.put_user_policy(UserName='cq-admin', PolicyName='inline', PolicyDocument=json.dumps({
        'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': '*', 'Resource': '*'}]}))
    key = iam.create_access_key(UserName='cq-admin')['AccessKey']
    for service in [s for s in FIRST if s in services or s in ('iam', 'ec2')] + [s for s in services if s not in FIRST]:
        c.service(service)
    mock.stop(remove_data=False)
    if os.environ.get('WHY'):          # what could not be made by hand
        print(json.dumps({f'{k[0]}:{k[1]}': v for k, v in c.why.items() if v.startswith('by hand')}, indent=1), file=sys.stderr)
    return {'accounts': [account], 'regions': [region], 'made': sum(c.made.values()),
            'admin': {'access_key_id': key['AccessKeyId'], 'secret_access_key': key['SecretAccessKey'], 'account_id': account}}
