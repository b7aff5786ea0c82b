"""Reads AWS tables through cq and, independently of its definitions, through botocore from the same server, and
compares every field. A column belongs to the member of the same letters (notification_arns, NotificationARNs);
what is otherwise named or computed is said per table below.
"""
import base64
import datetime
import json
import os
import re
import subprocess

import boto3
import botocore.config
import botocore.exceptions
import jmespath
import yaml

UTC = datetime.timezone.utc
GONE = ('NotFound', 'NoSuch', 'NonExistent', 'DoesNotExist', '404')
# moto makes these times anew for each answer, or when it was last asked: minutes of difference are none.
NOW = {('aws_iam_user_access_keys', 'last_used'), ('aws_iam_roles', 'role_last_used'),
       ('aws_rds_instances', 'latest_restorable_time'), ('aws_efs_filesystems', 'size_in_bytes')}
# Tests are these (aws_fill.py).
USERS = (':user/cq-some', ':user/cq-denied')
# botocore reads these in another protocol, whose times end at milliseconds.
COARSE = 'aws_cloudwatch_alarms'
# A JSON document as text: white space apart.
AS_JSON = {('aws_s3_bucket_policies', 'policy')}


class Side:
    """The clients of one account and region."""

    def __init__(self, session, url, account, region):
        self.session, self.url, self.account, self.region, self.made = session, url, account, region, {}

    def client(self, service):
        if service not in self.made:
            self.made[service] = self.session.client(
                service, endpoint_url=self.url, region_name=self.region,
                config=botocore.config.Config(parameter_validation=False, retries={'total_max_attempts': 2},
                                              s3={'addressing_style': 'path'}))
        return self.made[service]

    def all(self, service, operation, path, **params):
        client = self.client(service)
        if client.can_paginate(operation) and operation != 'list_buckets':
            return [r for r in client.get_paginator(operation).paginate(**params).search(path) if r is not None]
        return jmespath.search(path, getattr(client, operation)(**params)) or []

    def one(self, service, operation, path=None, **params):
        """None where the server says that there is none, or cannot say."""
        try:
            answer = getattr(self.client(service), operation)(**params)
        except botocore.exceptions.ClientError as e:
            if any(g in e.response['Error'].get('Code', '') for g in GONE) or \
                    e.response['ResponseMetadata']['HTTPStatusCode'] == 404:
                return None
            raise
        answer.pop('ResponseMetadata', None)
        return jmespath.search(path, answer) if path else answer


def pairs(items, key='Key', value='Value'):
    return None if items is None else {i[key]: i.get(value) for i in items}


def loads(text):
    return json.loads(text) if text else None


def arn(side, service, rest, region=True):
    return f'arn:aws:{service}:{side.region if region else ""}:{side.account}:{rest}'


# ---- what is not simply a member: (record, side) -> columns --------------------
def plain(service, operation, path, more=None, **params):
    def read(side):
        given = {k: v(side) if callable(v) else v for k, v in params.items()}
        for r in side.all(service, operation, path, **given):
            yield r, more(r, side) if more else {}
    return read


def transition(r, side):
    m = re.search(r'\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) [A-Z]+\)', r.get('StateTransitionReason') or '')
    return {'arn': arn(side, 'ec2', 'instance/' + r['InstanceId']), 'tags': pairs(r.get('Tags')),
            'state_transition_reason_time': m and datetime.datetime.strptime(m[1], '%Y-%m-%d %H:%M:%S')}


def ec2(kind, member, tags='Tags'):
    return lambda r, s: {'arn': arn(s, 'ec2', f'{kind}/{r[member]}'), 'tags': pairs(r.get(tags))}


def region(r, side):
    return {'region': r['RegionName'], 'partition': 'aws', 'enabled': {
        'opt-in-not-required': True, 'opted-in': True, 'not-opted-in': False}.get(r.get('OptInStatus'))}


def user(r, side):
    d = side.one('iam', 'get_user', 'User', UserName=r['UserName'])
    return {'tags': pairs(d.get('Tags')), 'permissions_boundary': d.get('PermissionsBoundary')}


def role(r, side):
    d = side.one('iam', 'get_role', 'Role', RoleName=r['RoleName'])
    return {'tags': pairs(d.get('Tags')), 'permissions_boundary': d.get('PermissionsBoundary'),
            'role_last_used': d.get('RoleLastUsed'), 'assume_role_policy_document': d['AssumeRolePolicyDocument']}


def access_keys(side):
    for u in side.all('iam', 'list_users', 'Users[]'):
        for k in side.all('iam', 'list_access_keys', 'AccessKeyMetadata[]', UserName=u['UserName']):
            used = side.one('iam', 'get_access_key_last_used', 'AccessKeyLastUsed', AccessKeyId=k['AccessKeyId']) or {}
            yield k, {'user_arn': u['Arn'], 'user_id': u['UserId'], 'last_rotated': k['CreateDate'],
                      'last_used': used.get('LastUsedDate'), 'last_used_service_name': used.get('ServiceName')}


def attached(kind, more):
    def read(side):
        for o in side.all('iam', f'list_{kind}s', f'{kind.capitalize()}s[]'):
            name = {f'{kind.capitalize()}Name': o[f'{kind.capitalize()}Name']}
            for p in side.all('iam', f'list_attached_{kind}_policies', 'AttachedPolicies[]', **name):
                yield p, more(o)
    return read


def policy(r, side):
    own = f':{side.account}:' in r['Arn']
    return {'id': r['PolicyId'], 'tags': pairs(side.one('iam', 'list_policy_tags', 'Tags', PolicyArn=r['Arn'])) if own else None}


def topic(r, side):
    a = side.one('sns', 'get_topic_attributes', 'Attributes', TopicArn=r['TopicArn'])
    json_ones = ('DeliveryPolicy', 'Policy', 'EffectiveDeliveryPolicy')
    plain_ones = ('DisplayName', 'Owner', 'SubscriptionsConfirmed', 'SubscriptionsDeleted', 'SubscriptionsPending',
                  'KmsMasterKeyId', 'FifoTopic', 'ContentBasedDeduplication')
    return {'arn': r['TopicArn'], 'tags': pairs(side.one('sns', 'list_tags_for_resource', 'Tags', ResourceArn=r['TopicArn'])),
            **{snake(k): loads(a.get(k)) for k in json_ones}, **{snake(k): a.get(k) for k in plain_ones},
            'unknown_fields': {k: v for k, v in a.items() if k not in json_ones + plain_ones + ('TopicArn',)}}


def snake(name):
    return re.sub(r'(?<!^)([A-Z])', r'_\1', name).lower()


def elb_tags(side, one):
    return pairs(side.one('elbv2', 'describe_tags', 'TagDescriptions[0].Tags', ResourceArns=[one]))


def balancer(r, side):
    return {'arn': r['LoadBalancerArn'], 'tags': elb_tags(side, r['LoadBalancerArn'])}


def listeners(side):
    for b in side.all('elbv2', 'describe_load_balancers', 'LoadBalancers[]'):
        for r in side.all('elbv2', 'describe_listeners', 'Listeners[]', LoadBalancerArn=b['LoadBalancerArn']):
            yield r, {'arn': r['ListenerArn'], 'tags': elb_tags(side, r['ListenerArn'])}


def stack(r, side):
    return {'id': r['StackId'], 'arn': r['StackId'], 'tags': pairs(r.get('Tags'))}


def alarm(r, side):
    return {'arn': r['AlarmArn'], 'dimensions': pairs(r.get('Dimensions'), 'Name'),
            'tags': pairs(side.one('cloudwatch', 'list_tags_for_resource', 'Tags', ResourceARN=r['AlarmArn']))}


def database(r, side):
    return {'arn': r['DBInstanceArn'], 'tags': pairs(r.get('TagList')), 'tag_list': None,
            'processor_features': pairs(r.get('ProcessorFeatures'), 'Name')}


def bucket(r, side):
    there = side.one('s3', 'get_bucket_location', 'LocationConstraint', Bucket=r['Name'])
    return {'arn': 'arn:aws:s3:::' + r['Name'], 'region': r.get('BucketRegion') or
            {'EU': 'eu-west-1', None: 'us-east-1'}.get(there, there),
            'policy_status': side.one('s3', 'get_bucket_policy_status', 'PolicyStatus', Bucket=r['Name']),
            'tags': pairs(side.one('s3', 'get_bucket_tagging', 'TagSet', Bucket=r['Name']))}


def of_bucket(operation, path=None, more=lambda r: {}):
    def read(side):
        for b in side.all('s3', 'list_buckets', 'Buckets[]'):
            got = side.one('s3', operation, path, Bucket=b['Name'])
            for r in got if isinstance(got, list) else [] if got is None else [got]:
                yield r, {'bucket_arn': 'arn:aws:s3:::' + b['Name'], **more(r)}
    return read


def zone(r, side):
    name = r['Id'].split('/')[-1]
    d = side.one('route53', 'get_hosted_zone', Id=name)
    return {'arn': f'arn:aws:route53:::hostedzone/{r["Id"]}', 'vpcs': d.get('VPCs'), 'delegation_set': d.get('DelegationSet'),
            'delegation_set_id': (d.get('DelegationSet') or {}).get('Id'), 'tags': pairs(side.one(
                'route53', 'list_tags_for_resource', 'ResourceTagSet.Tags', ResourceType='hostedzone', ResourceId=name))}


def records(side):
    for z in side.all('route53', 'list_hosted_zones', 'HostedZones[]'):
        for r in side.all('route53', 'list_resource_record_sets', 'ResourceRecordSets[]', HostedZoneId=z['Id']):
            yield r, {'hosted_zone_arn': f'arn:aws:route53:::hostedzone/{z["Id"]}', 'region': r.get('Region')}


def dynamo(side):
    for name in side.all('dynamodb', 'list_tables', 'TableNames[]'):
        r = side.one('dynamodb', 'describe_table', 'Table', TableName=name)
        yield r, {'arn': r['TableArn'], 'tags': pairs(side.one('dynamodb', 'list_tags_of_resource', 'Tags', ResourceArn=r['TableArn']))}


def keys(side):
    for k in side.all('kms', 'list_keys', 'Keys[]'):
        r = side.one('kms', 'describe_key', 'KeyMetadata', KeyId=k['KeyId'])
        yield r, {'rotation_enabled': side.one('kms', 'get_key_rotation_status', 'KeyRotationEnabled', KeyId=k['KeyId']),
                  'replica_keys': (r.get('MultiRegionConfiguration') or {}).get('ReplicaKeys'), 'arn': k['KeyArn'],
                  'tags': pairs(side.one('kms', 'list_resource_tags', 'Tags', KeyId=k['KeyId']), 'TagKey', 'TagValue')}


def secret(r, side):
    d = side.one('secretsmanager', 'describe_secret', SecretId=r['ARN'])
    return {'replication_status': d.get('ReplicationStatus'), 'version_ids_to_stages': d.get('VersionIdsToStages'),
            'tags': pairs(r.get('Tags')),
            'policy': loads(side.one('secretsmanager', 'get_resource_policy', 'ResourcePolicy', SecretId=r['ARN']))}


def parameter(r, side):
    return {'tags': pairs(side.one('ssm', 'list_tags_for_resource', 'TagList', ResourceType='Parameter', ResourceId=r['Name']))}


def ecs_clusters(side):
    for a in side.all('ecs', 'list_clusters', 'clusterArns[]'):
        r = side.one('ecs', 'describe_clusters', 'clusters[0]', clusters=[a],
                     include=['ATTACHMENTS', 'TAGS', 'SETTINGS', 'CONFIGURATIONS', 'STATISTICS'])
        yield r, {'arn': a, 'tags': pairs(r.get('tags'), 'key', 'value')}


def ecs_services(side):
    for c in side.all('ecs', 'list_clusters', 'clusterArns[]'):
        for a in side.all('ecs', 'list_services', 'serviceArns[]', cluster=c):
            r = side.one('ecs', 'describe_services', 'services[0]', cluster=c, services=[a], include=['TAGS'])
            yield r, {'arn': a, 'tags': pairs(r.get('tags'), 'key', 'value')}


def log_group(r, side):
    return {'tags': side.one('logs', 'list_tags_for_resource', 'tags', resourceArn=r['arn'].removesuffix(':*'))}


def queues(side):
    json_ones = ('Policy', 'RedrivePolicy', 'RedriveAllowPolicy')
    known = set(json_ones) | {'QueueArn'} | {
        'ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesDelayed', 'ApproximateNumberOfMessagesNotVisible',
        'CreatedTimestamp', 'DelaySeconds', 'LastModifiedTimestamp', 'MaximumMessageSize', 'MessageRetentionPeriod',
        'ReceiveMessageWaitTimeSeconds', 'VisibilityTimeout', 'KmsMasterKeyId', 'KmsDataKeyReusePeriodSeconds',
        'SqsManagedSseEnabled', 'FifoQueue', 'ContentBasedDeduplication', 'DeduplicationScope', 'FifoThroughputLimit'}
    for url in side.all('sqs', 'list_queues', 'QueueUrls[]'):
        a = side.one('sqs', 'get_queue_attributes', 'Attributes', QueueUrl=url, AttributeNames=['All'])
        yield a, {'url': url, 'arn': a['QueueArn'], 'tags': side.one('sqs', 'list_queue_tags', 'Tags', QueueUrl=url),
                  **{snake(k): loads(a.get(k)) for k in json_ones},
                  'unknown_fields': {k: v for k, v in a.items() if k not in known}}


def account(r, side):
    return {'tags': pairs(side.one('organizations', 'list_tags_for_resource', 'Tags', ResourceId=r['Id']))}


def function(r, side):
    name = r['FunctionName']
    d = side.one('lambda', 'get_function', FunctionName=name)
    p = side.one('lambda', 'get_policy', FunctionName=name) or {}
    return {'arn': r['FunctionArn'], 'configuration': d['Configuration'], 'code': d.get('Code'), 'tags': d.get('Tags'),
            'code_repository_type': (d.get('Code') or {}).get('RepositoryType'), 'concurrency': d.get('Concurrency'),
            'policy_revision_id': p.get('RevisionId'), 'policy_document': loads(p.get('Policy')),
            'tags_error': d.get('TagsError'), 'code_signing_config': None, 'code_signing_config_arn': side.one(
                'lambda', 'get_function_code_signing_config', 'CodeSigningConfigArn', FunctionName=name),
            'update_runtime_on': None, 'runtime_version_arn': None}


def eks(side):
    for name in side.all('eks', 'list_clusters', 'clusters[]'):
        yield side.one('eks', 'describe_cluster', 'cluster', name=name), {}


def file_system(r, side):
    one = {'FileSystemId': r['FileSystemId']}
    return {'arn': r['FileSystemArn'], 'tags': pairs(r.get('Tags')),
            'backup_policy_status': side.one('efs', 'describe_backup_policy', 'BackupPolicy.Status', **one),
            'file_system_policy': side.one('efs', 'describe_file_system_policy', 'Policy', **one)}


# GLOBAL tables are read once per account.
GLOBAL = {'aws_regions', 'aws_organizations_accounts'}
READ = {
    'aws_regions': plain('ec2', 'describe_regions', 'Regions[]', region, AllRegions=True),
    'aws_ec2_instances': plain('ec2', 'describe_instances', 'Reservations[].Instances[]', transition),
    'aws_ec2_images': plain('ec2', 'describe_images', 'Images[]', lambda r, s: {
        'arn': f'arn:aws:ec2:{s.region}:{r["OwnerId"]}:image/{r["ImageId"]}', 'tags': pairs(r.get('Tags'))}, Owners=['self']),
    'aws_ec2_ebs_volumes': plain('ec2', 'describe_volumes', 'Volumes[]', ec2('volume', 'VolumeId')),
    'aws_ec2_ebs_snapshots': plain('ec2', 'describe_snapshots', 'Snapshots[]', ec2('snapshot', 'SnapshotId'),
                                   OwnerIds=lambda s: [s.account]),
    'aws_ec2_vpcs': plain('ec2', 'describe_vpcs', 'Vpcs[]', ec2('vpc', 'VpcId')),
    'aws_ec2_subnets': plain('ec2', 'describe_subnets', 'Subnets[]', lambda r, s: {
        'arn': r.get('SubnetArn'), 'tags': pairs(r.get('Tags'))}),
    'aws_ec2_security_groups': plain('ec2', 'describe_security_groups', 'SecurityGroups[]', ec2('security-group', 'GroupId')),
    'aws_ec2_network_interfaces': plain('ec2', 'describe_network_interfaces', 'NetworkInterfaces[]',
                                        ec2('network-interface', 'NetworkInterfaceId', 'TagSet')),
    'aws_ec2_route_tables': plain('ec2', 'describe_route_tables', 'RouteTables[]', ec2('route-table', 'RouteTableId')),
    'aws_iam_users': plain('iam', 'list_users', 'Users[]', user),
    'aws_iam_user_access_keys': access_keys,
    'aws_iam_user_attached_policies': attached('user', lambda o: {'user_arn': o['Arn'], 'user_id': o['UserId']}),
    'aws_iam_groups': plain('iam', 'list_groups', 'Groups[]'),
    'aws_iam_roles': plain('iam', 'list_roles', 'Roles[]', role),
    'aws_iam_role_attached_policies': attached('role', lambda o: {'role_arn': o['Arn']}),
    'aws_iam_policies': plain('iam', 'list_policies', 'Policies[]', policy),
    'aws_rds_instances': plain('rds', 'describe_db_instances', 'DBInstances[]', database),
    'aws_sns_topics': plain('sns', 'list_topics', 'Topics[]', topic),
    'aws_elbv2_load_balancers': plain('elbv2', 'describe_load_balancers', 'LoadBalancers[]', balancer),
    'aws_elbv2_listeners': listeners,
    'aws_cloudformation_stacks': plain('cloudformation', 'describe_stacks', 'Stacks[]', stack),
    'aws_cloudwatch_alarms': plain('cloudwatch', 'describe_alarms', 'MetricAlarms[]', alarm),
    'aws_s3_buckets': plain('s3', 'list_buckets', 'Buckets[]', bucket),
    'aws_s3_bucket_versionings': of_bucket('get_bucket_versioning'),
    'aws_s3_bucket_encryption_rules': of_bucket('get_bucket_encryption', 'ServerSideEncryptionConfiguration.Rules'),
    'aws_s3_bucket_policies': of_bucket('get_bucket_policy', None, lambda r: {'policy_json': loads(r['Policy'])}),
    'aws_route53_hosted_zones': plain('route53', 'list_hosted_zones', 'HostedZones[]', zone),
    'aws_route53_hosted_zone_resource_record_sets': records,
    'aws_dynamodb_tables': dynamo,
    'aws_kms_keys': keys,
    'aws_secretsmanager_secrets': plain('secretsmanager', 'list_secrets', 'SecretList[]', secret),
    'aws_ssm_parameters': plain('ssm', 'describe_parameters', 'Parameters[]', parameter),
    'aws_ecs_clusters': ecs_clusters,
    'aws_ecs_cluster_services': ecs_services,
    'aws_cloudwatchlogs_log_groups': plain('logs', 'describe_log_groups', 'logGroups[]', log_group),
    'aws_sqs_queues': queues,
    'aws_organizations_accounts': plain('organizations', 'list_accounts', 'Accounts[]', account),
    'aws_lambda_functions': plain('lambda', 'list_functions', 'Functions[]', function),
    'aws_eks_clusters': eks,
    'aws_apigateway_rest_apis': plain('apigateway', 'get_rest_apis', 'items[]', lambda r, s: {
        'arn': f'arn:aws:apigateway:{s.region}::/restapis/{r["id"]}'}),
    'aws_efs_filesystems': plain('efs', 'describe_file_systems', 'FileSystems[]', file_system),
}
GLOBAL |= {t for t in READ if t.startswith(('aws_iam_', 'aws_s3_', 'aws_route53_'))}


# ---- the two sides in one form --------------------------------------------------
def definitions(root):
    out = {}
    folder = os.path.join(root, 'vtab', 'aws')
    for name in sorted(os.listdir(folder)):
        if name.endswith('.yml'):
            with open(os.path.join(folder, name), encoding='utf-8') as f:
                out.update(yaml.safe_load(f).get('tables') or {})
    return out


def columns(table):
    """name: type, without the hidden ones."""
    out = {}
    for name, c in table['columns'].items():
        if isinstance(c, dict):
            if not c.get('hidden'):
                out[name] = c.get('type', 'text')
        else:
            out[name] = ' '.join(c.split()[:3]) if c.startswith('list of') else c.split()[0]
    return out


def when(v):
    """A time as a number of microseconds; None where it is none."""
    if isinstance(v, (int, float)) and not isinstance(v, bool):
        return round(v * 1e6)
    if isinstance(v, str):
        m = re.fullmatch(r'(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?', v)
        if not m:
            return None
        v = datetime.datetime.fromisoformat(f'{m[1]}T{m[2]}{((m[3] or ".0") + "000000")[:7]}{(m[4] or "Z").replace("Z", "+00:00")}')
    if v.tzinfo is None:
        v = v.replace(tzinfo=UTC)
    return round(v.timestamp() * 1e6)


def tidy(v, keys):
    """JSON as a column shows it: members capitalized where they are members, nothing empty."""
    if isinstance(v, dict):
        out = {k[:1].upper() + k[1:] if keys else k: tidy(x, keys) for k, x in v.items()}
        return {k: x for k, x in out.items() if x not in (None, [], {})}
    if isinstance(v, list):
        return [tidy(x, keys) for x in v]
    if isinstance(v, datetime.datetime):
        return ('time', when(v))
    return base64.b64encode(v).decode() if isinstance(v, bytes) else v


def same_json(want, have, slack=0):
    if isinstance(want, tuple):
        return isinstance(have, str) and when(have) is not None and abs(when(have) - want[1]) <= slack
    if isinstance(want, dict) and isinstance(have, dict):
        have = {k: x for k, x in have.items() if tidy(x, False) not in (None, [], {})}
        return want.keys() == have.keys() and all(same_json(want[k], have[k], slack) for k in want)
    if isinstance(want, list) and isinstance(have, list):
        return len(want) == len(have) and all(same_json(w, h, slack) for w, h in zip(want, have))
    if isinstance(want, bool) or isinstance(have, bool):
        return want is have
    return want == have


def same(kind, want, have, slack=0):
    if want is None or have is None:
        return (want is None or want in ([], {})) and (have is None or have in ('[]', '{}'))
    if kind == 'boolean':
        return int(want in (True, 'true', 'True')) == have
    if kind == 'integer':
        return float(want) == float(have)          # moto has fractions where AWS has none
    if kind == 'real':
        return float(want) == float(have)
    if kind == 'timestamp':
        return abs(when(want) - when(have)) <= slack
    if kind.startswith('list of'):
        return list(want) == json.loads(have)
    if kind == 'json':
        # Whether keys are members or data (tags, policies) the definition knows; either must fit as a whole.
        return any(same_json(tidy(want, k), json.loads(have), slack) for k in (False, True))
    return want == have


class Compare:
    def __init__(self, info, root, so, shell='sqlite3', user='reader', others=()):
        """others: indexes of further accounts, read through the role `reader`."""
        self.info, self.so, self.shell, self.tables = info, so, shell, definitions(root)
        self.keys = {k: info[user][k] for k in ('access_key_id', 'secret_access_key')}
        first = boto3.Session(**{'aws_' + k: v for k, v in self.keys.items()})
        sessions = [(info['accounts'][0], first)]
        sts = first.client('sts', endpoint_url=info['url'], region_name='us-east-1')
        self.accounts = [{'id': 'main'}]
        for i in others:
            role_arn = info['roles']['reader'][i]
            k = sts.assume_role(RoleArn=role_arn, RoleSessionName='compare')['Credentials']
            sessions.append((info['accounts'][i], boto3.Session(
                aws_access_key_id=k['AccessKeyId'], aws_secret_access_key=k['SecretAccessKey'],
                aws_session_token=k['SessionToken'])))
            self.accounts.append({'id': f'other{i}', 'role_arn': role_arn, 'role_session_name': 'compare'})
        self.sides = [Side(s, info['url'], a, r) for a, s in sessions for r in info['regions']]

    def env(self):
        keep = {k: v for k, v in os.environ.items() if not k.startswith(('AWS_', 'CQ_PATH'))}
        return {**keep, 'AWS_ACCESS_KEY_ID': self.keys['access_key_id'], 'AWS_REGION': 'us-east-1',
                'AWS_SECRET_ACCESS_KEY': self.keys['secret_access_key'], 'AWS_ENDPOINT_URL': self.info['url'],
                'AWS_EC2_METADATA_DISABLED': 'true', 'AWS_CONFIG_FILE': '/dev/null',
                'AWS_SHARED_CREDENTIALS_FILE': '/dev/null'}

    def have(self, table):
        """Rows as cq gives them, and what went wrong."""
        names = ', '.join(f'"{c}"' for c in columns(self.tables[table]))
        return self.ask(f'SELECT {names} FROM {table}')

    def ask(self, query):
        sql = [f'.load {self.so}', '.mode list', '.headers off',
               f"SELECT cq_config('aws.regions', '{json.dumps(self.info['regions'])}') IS NULL;",
               f"SELECT cq_config('aws.accounts', '{json.dumps(self.accounts)}') IS NULL;", '.mode json',
               query + ';']
        run = subprocess.run([self.shell, '-batch', ':memory:'], input='\n'.join(sql), capture_output=True, text=True,
                             env=self.env(), timeout=300)
        start = run.stdout.find('[')
        return json.loads(run.stdout[start:]) if start >= 0 else [], run.stderr.strip()

    def want(self, table):
        kinds, rows = columns(self.tables[table]), []
        for side in self.sides:
            if table in GLOBAL and side.region != self.info['regions'][0]:
                continue
            try:
                found = list(READ[table](side))
            except botocore.exceptions.ClientError as e:
                if 'Organizations' in str(e) or 'AccessDenied' in str(e):
                    continue                       # not this account's to see
                raise
            for record, more in found:
                letters = {k.lower().replace('_', ''): v for k, v in record.items()}
                row = {}
                for c in kinds:
                    if c in more:
                        row[c] = more[c]
                    elif c in ('account_id', 'request_account_id'):
                        row[c] = side.account
                    elif c in ('region', 'request_region'):
                        row[c] = side.region
                    elif c == 'tags':
                        t = letters.get('tags')
                        row[c] = pairs(t) if isinstance(t, list) else t
                    else:
                        row[c] = letters.get(c.replace('_', ''))
                rows.append(row)
        return rows

    def table(self, table):
        """-> (rows on botocore's side, fields compared, differences)"""
        key, kinds = self.tables[table]['key'], columns(self.tables[table])
        if table == 'aws_route53_hosted_zone_resource_record_sets':
            key = key + ['set_identifier']
        if table == 'aws_s3_bucket_encryption_rules':
            key = ['bucket_arn']
        have, wrong = self.have(table)
        wrong = [wrong] if wrong else []
        shown, error = self.ask(self.tables[table]['example'])
        wrong += [] if shown and not error else [f'its example gives {len(shown)} rows: {error}']

        def name(row):
            return tuple(str(when(row[k]) if kinds[k] == 'timestamp' else row[k]) for k in key)
        ours, theirs, fields = {name(r): r for r in have}, {}, 0
        wants = self.want(table)
        for r in wants:
            theirs[name(r)] = r
        if len(have) != len(wants):
            wrong.append(f'{len(have)} rows, not {len(wants)}')
        wrong += [f'not in botocore: {n}' for n in list(ours.keys() - theirs.keys())[:3]]
        wrong += [f'not in cq: {n}' for n in list(theirs.keys() - ours.keys())[:3]]
        seen = {}
        for n in ours.keys() & theirs.keys():
            for c, kind in kinds.items():
                fields += 1
                slack = 600_000_000 if (table, c) in NOW else 999 if table == COARSE else 1   # moto's have 7 digits
                want = theirs[n][c]
                if c in ('last_used', 'last_used_service_name') and (os.environ['CQ_MOTO_KEY'] in n or any(k.endswith(USERS) for k in n)):
                    continue   # the keys that other tests use, at this very moment
                if (table, c) in AS_JSON:
                    kind, want = 'json', loads(want)
                if not same(kind, want, ours[n][c], slack):
                    seen[c] = seen.get(c, 0) + 1
                    if seen[c] == 1:
                        wrong.append(f'{c}: {ours[n][c]!r}, not {theirs[n][c]!r} in {"/".join(n)}'[:600])
        wrong += [f'{c}: differs in {k} rows' for c, k in seen.items() if k > 1]
        return len(wants), fields, wrong
