"""Fills moto with known resources of every AWS table that the tests read.

Runs in the server's own process through boto3 and moto's stubber, so without
HTTP. The same seed makes the same ids and keys; times differ. The main account
in the first region is `full`: every list there is longer than its service's
page. The other accounts and regions get a tenth.
"""
import io
import json
import os
import zipfile

import boto3
from botocore.config import Config
from moto import mock_aws
from moto.moto_api._internal import mock_random

MAIN = '123456789012'
EXTERNAL_ID = 'cq-external-id'


def policy(*statements):
    return json.dumps({'Version': '2012-10-17',
                       'Statement': [{'Effect': e, 'Action': a, 'Resource': '*'} for e, a in statements]})


READ = ['*:Describe*', '*:List*', '*:Get*', '*:GET*', '*:Lookup*']
ALLOW_ALL = policy(('Allow', '*'))
ALLOW_READ = policy(('Allow', READ + ['sts:AssumeRole']))
ALLOW_SOME = policy(('Allow', READ + ['sts:AssumeRole']),
                    ('Deny', ['ec2:DescribeVolumes', 'iam:ListUsers', 's3:GetBucketPolicy', 'kms:ListKeys',
                              'lambda:ListFunctions']))
DENY_ALL = policy(('Deny', '*'))


def trust(external_id=None):
    statement = {'Effect': 'Allow', 'Principal': {'AWS': '*'}, 'Action': 'sts:AssumeRole'}
    if external_id:
        statement['Condition'] = {'StringEquals': {'sts:ExternalId': external_id}}
    return json.dumps({'Version': '2012-10-17', 'Statement': [statement]})


class Filler:
    def __init__(self, regions, scale):
        self.regions, self.scale = regions, scale
        self.session, self.clients = boto3.Session(), {}
        self.config = Config(parameter_validation=False, retries={'total_max_attempts': 1})
        self.account = self.region = None
        self.part = 1.0

    def client(self, service, region=None):
        key = service, region or self.region
        if key not in self.clients:
            self.clients[key] = self.session.client(service, region_name=key[1], config=self.config)
        return self.clients[key]

    def n(self, full):
        return max(1, round(full * self.scale * self.part))

    def act_as(self, account, region):
        os.environ['MOTO_ACCOUNT_ID'] = self.account = account
        self.region = region
        main = account == MAIN and region == self.regions[0]
        self.part = 1.0 if main else 0.1

    # -- access ---------------------------------------------------------------
    def user_with_key(self, name, document):
        iam = self.client('iam')
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName='inline', PolicyDocument=document)
        key = iam.create_access_key(UserName=name)['AccessKey']
        return {'access_key_id': key['AccessKeyId'], 'secret_access_key': key['SecretAccessKey'],
                'account_id': self.account, 'user': name}

    def access_roles(self):
        iam = self.client('iam')
        for name, external, document in (('cq-reader', None, ALLOW_READ), ('cq-external', EXTERNAL_ID, ALLOW_READ),
                                         ('cq-some', None, ALLOW_SOME), ('cq-denied', None, DENY_ALL)):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(external), MaxSessionDuration=3600)
            iam.put_role_policy(RoleName=name, PolicyName='inline', PolicyDocument=document)

    # -- global services, once per account ------------------------------------
    def iam(self):
        iam = self.client('iam')
        arns = [iam.create_policy(PolicyName=f'policy-{i}', Path='/team/', PolicyDocument=ALLOW_READ,
                                  Description=f'policy {i} & <x> é', Tags=[{'Key': 'n', 'Value': str(i)}])['Policy']['Arn']
                for i in range(self.n(110))]
        for i in range(self.n(20)):
            iam.create_group(GroupName=f'group-{i}', Path='/g/' if i % 2 else '/')
        for i in range(self.n(110)):
            user = f'user-{i}'
            iam.create_user(UserName=user, Path='/people/' if i % 2 else '/', Tags=[{'Key': 'Owner', 'Value': f'Zoë {i}'}])
            iam.add_user_to_group(GroupName='group-0', UserName=user)
            if i % 5 == 0:
                iam.create_login_profile(UserName=user, Password='Long-Passw0rd')
            for _ in range(i % 3):
                iam.create_access_key(UserName=user)
            for k in range(i % 4):
                iam.attach_user_policy(UserName=user, PolicyArn=arns[(i + k) % len(arns)])
        for i in range(self.n(110)):
            iam.create_role(RoleName=f'role-{i}', AssumeRolePolicyDocument=trust(), Description=f'role {i}', Path='/svc/',
                            Tags=[{'Key': 'n', 'Value': str(i)}])
            for k in range(i % 3):
                iam.attach_role_policy(RoleName=f'role-{i}', PolicyArn=arns[(i + k) % len(arns)])

    def s3(self):
        for i in range(self.n(30)):
            region = self.regions[i % len(self.regions)]
            s3, bucket = self.client('s3', region), f'bucket-{self.account[-6:]}-{i:04d}'
            where = {} if region == 'us-east-1' else {'CreateBucketConfiguration': {'LocationConstraint': region}}
            s3.create_bucket(Bucket=bucket, **where)
            if i % 3 == 0:
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={
                    'Status': 'Enabled' if i % 2 else 'Suspended'})
            if i % 4 == 0:
                s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={'Rules': [{
                    'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'aws:kms', 'KMSMasterKeyID': 'alias/x'},
                    'BucketKeyEnabled': True}]})
            if i % 5 == 0:
                s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [
                    {'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': f'arn:aws:s3:::{bucket}/*'}]}))
            if i % 2 == 0:
                s3.put_bucket_tagging(Bucket=bucket, Tagging={'TagSet': [{'Key': 'k', 'Value': f'v{i}'},
                                                                         {'Key': 'a b', 'Value': 'ü&<>'}]})

    def route53(self):
        r53 = self.client('route53')
        for i in range(self.n(4)):
            name = f'z{i}-{self.account[-4:]}.example.com'
            zone = r53.create_hosted_zone(Name=name, CallerReference=f'{self.account}-{i}', HostedZoneConfig={
                'Comment': f'zone {i}', 'PrivateZone': False})['HostedZone']['Id']
            r53.change_tags_for_resource(ResourceType='hostedzone', ResourceId=zone.split('/')[-1],
                                         AddTags=[{'Key': 'n', 'Value': str(i)}])
            records = [{'Name': f'h{k}.{name}', 'Type': 'A' if k % 2 else 'TXT', 'TTL': 300, 'ResourceRecords': [
                {'Value': f'10.0.{i}.{k % 250}' if k % 2 else f'"t{k}"'}]} for k in range(self.n(320 if i == 0 else 10))]
            r53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={
                'Changes': [{'Action': 'CREATE', 'ResourceRecordSet': r} for r in records]})

    # -- regional services ------------------------------------------------------
    def ec2(self):
        ec2 = self.client('ec2')

        def tags(kind, *pairs):
            return [{'ResourceType': kind, 'Tags': [{'Key': k, 'Value': v} for k, v in pairs]}]
        image = ec2.register_image(Name='base', Architecture='x86_64', RootDeviceName='/dev/sda1',
                                   VirtualizationType='hvm')['ImageId']
        subnets = []
        for i in range(self.n(3)):
            vpc = ec2.create_vpc(CidrBlock=f'10.{i}.0.0/16', TagSpecifications=tags('vpc', ('Name', f'vpc-{i}')))['Vpc']['VpcId']
            mine = [ec2.create_subnet(VpcId=vpc, CidrBlock=f'10.{i}.{k}.0/24', AvailabilityZone=self.region + 'ab'[k % 2],
                                      TagSpecifications=tags('subnet', ('Name', f'net {k}')))['Subnet']['SubnetId']
                    for k in range(3)]
            subnets += mine
            table = ec2.create_route_table(VpcId=vpc)['RouteTable']['RouteTableId']
            ec2.associate_route_table(RouteTableId=table, SubnetId=mine[0])
            gateway = ec2.create_internet_gateway()['InternetGateway']['InternetGatewayId']
            ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
            ec2.create_route(RouteTableId=table, DestinationCidrBlock='0.0.0.0/0', GatewayId=gateway)
            for k in range(self.n(20)):
                group = ec2.create_security_group(GroupName=f'sg-{i}-{k}', Description='d & <d>', VpcId=vpc)['GroupId']
                ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
                    {'IpProtocol': 'tcp', 'FromPort': 443, 'ToPort': 443, 'IpRanges': [
                        {'CidrIp': '0.0.0.0/0', 'Description': 'all'}, {'CidrIp': f'10.0.0.{k}/32'}],
                     'Ipv6Ranges': [{'CidrIpv6': '::/0'}]},
                    {'IpProtocol': '-1', 'UserIdGroupPairs': [{'GroupId': group}]}])
        for i in range(self.n(5)):
            many = self.n(25)
            ec2.run_instances(ImageId=image, MinCount=many, MaxCount=many, InstanceType=('t3.micro', 'm5.large')[i % 2],
                              SubnetId=subnets[i % len(subnets)],
                              TagSpecifications=tags('instance', ('Name', f'web-{i}'), ('empty', '')))
        instance = ec2.describe_instances(MaxResults=5)['Reservations'][0]['Instances'][0]['InstanceId']
        if self.part == 1.0:
            ec2.stop_instances(InstanceIds=[instance])
        for i in range(self.n(30)):
            volume = ec2.create_volume(AvailabilityZone=self.region + 'a', Size=10 + i, VolumeType=('gp3', 'io2')[i % 2],
                                       Iops=3000 + i, Encrypted=bool(i % 2),
                                       TagSpecifications=tags('volume', ('n', str(i))))['VolumeId']
            ec2.create_snapshot(VolumeId=volume, Description=f'snapshot {i}',
                                TagSpecifications=tags('snapshot', ('n', str(i))))
        for i in range(self.n(5)):
            ec2.create_image(InstanceId=instance, Name=f'image-{i}', Description=f'image {i}')
        for i in range(self.n(10)):
            ec2.create_network_interface(SubnetId=subnets[i % len(subnets)], Description=f'interface {i}',
                                         TagSpecifications=tags('network-interface', ('n', str(i))))
        return subnets

    def elbv2(self, subnets):
        elb, two = self.client('elbv2'), subnets[:2]
        vpc = self.client('ec2').describe_subnets(SubnetIds=two[:1])['Subnets'][0]['VpcId']
        target = elb.create_target_group(Name='tg', Protocol='HTTP', Port=80, VpcId=vpc,
                                         TargetType='ip')['TargetGroups'][0]['TargetGroupArn']
        for i in range(self.n(5)):
            arn = elb.create_load_balancer(Name=f'lb-{i}', Subnets=two, Scheme='internal', Type='application',
                                           Tags=[{'Key': 'n', 'Value': str(i)}])['LoadBalancers'][0]['LoadBalancerArn']
            for port in (80, 8080):
                elb.create_listener(LoadBalancerArn=arn, Protocol='HTTP', Port=port,
                                    DefaultActions=[{'Type': 'forward', 'TargetGroupArn': target}])

    def messages(self):
        sns, sqs = self.client('sns'), self.client('sqs')
        for i in range(self.n(110)):
            sns.create_topic(Name=f'topic-{i}', Tags=[{'Key': 'n', 'Value': str(i)}],
                             Attributes={'DisplayName': f'Topic {i}'})
        for i in range(self.n(30)):
            fifo = i % 5 == 0
            sqs.create_queue(QueueName=f'queue-{i}' + ('.fifo' if fifo else ''), tags={'n': str(i)},
                             Attributes={'FifoQueue': 'true'} if fifo else {'DelaySeconds': str(i)})

    def operations(self):
        cfn, watch, logs = self.client('cloudformation'), self.client('cloudwatch'), self.client('logs')
        for i in range(self.n(5)):
            cfn.create_stack(StackName=f'stack-{i}', Tags=[{'Key': 'n', 'Value': str(i)}], TemplateBody=json.dumps({
                'AWSTemplateFormatVersion': '2010-09-09', 'Description': f'stack {i}',
                'Resources': {'T': {'Type': 'AWS::SNS::Topic', 'Properties': {'TopicName': f'of-stack-{i}'}}},
                'Outputs': {'O': {'Value': 'v'}}}))
        for i in range(self.n(20)):
            watch.put_metric_alarm(AlarmName=f'alarm-{i}', MetricName='CPU', Namespace='AWS/EC2', Period=60,
                                   EvaluationPeriods=2, Statistic='Average', Threshold=1.5 * i,
                                   ComparisonOperator='GreaterThanThreshold', AlarmDescription=f'alarm {i}',
                                   Dimensions=[{'Name': 'InstanceId', 'Value': f'i-{i}'}])
        for i in range(self.n(60)):
            logs.create_log_group(logGroupName=f'/app/{i}', tags={'n': str(i)})
            if i % 2:
                logs.put_retention_policy(logGroupName=f'/app/{i}', retentionInDays=7)

    def databases(self):
        rds, dynamodb = self.client('rds'), self.client('dynamodb')
        for i in range(self.n(110)):
            rds.create_db_instance(DBInstanceIdentifier=f'db-{i}', DBInstanceClass='db.t3.micro', Engine='postgres',
                                   MasterUsername='u', MasterUserPassword='longpassword', AllocatedStorage=20 + i,
                                   Tags=[{'Key': 'n', 'Value': str(i)}])
        for i in range(self.n(20)):
            dynamodb.create_table(TableName=f'table-{i}', KeySchema=[{'AttributeName': 'k', 'KeyType': 'HASH'}],
                                  AttributeDefinitions=[{'AttributeName': 'k', 'AttributeType': 'S'}],
                                  BillingMode='PAY_PER_REQUEST', Tags=[{'Key': 'n', 'Value': str(i)}])

    def secrets(self):
        kms, secrets, ssm = self.client('kms'), self.client('secretsmanager'), self.client('ssm')
        for i in range(self.n(10)):
            key = kms.create_key(Description=f'key {i}', Tags=[{'TagKey': 'n', 'TagValue': str(i)}])['KeyMetadata']['KeyId']
            if i % 2:
                kms.enable_key_rotation(KeyId=key)
            kms.create_alias(AliasName=f'alias/k{i}', TargetKeyId=key)
        for i in range(self.n(110)):
            secrets.create_secret(Name=f'secret-{i}', SecretString='s', Description=f'secret {i}',
                                  Tags=[{'Key': 'n', 'Value': str(i)}])
        for i in range(self.n(60)):
            ssm.put_parameter(Name=f'/p/{i}', Value='v', Type=('String', 'SecureString')[i % 2], Description=f'p {i}')

    def compute(self):
        role = f'arn:aws:iam::{self.account}:role/svc/role-0'
        ecs, functions, eks = self.client('ecs'), self.client('lambda'), self.client('eks')
        code = io.BytesIO()
        with zipfile.ZipFile(code, 'w') as z:
            z.writestr(zipfile.ZipInfo('f.py', (2024, 1, 1, 0, 0, 0)), 'def h(e, c): return 1')
        ecs.register_task_definition(family='t', containerDefinitions=[{'name': 'a', 'image': 'x', 'memory': 64}])
        for i in range(self.n(5)):
            ecs.create_cluster(clusterName=f'cluster-{i}', tags=[{'key': 'n', 'value': str(i)}])
            for k in range(self.n(12)):
                ecs.create_service(cluster=f'cluster-{i}', serviceName=f'service-{k}', taskDefinition='t', desiredCount=1)
        for i in range(self.n(55)):
            functions.create_function(FunctionName=f'function-{i}', Runtime='python3.12', Role=role, Handler='f.h',
                                      Code={'ZipFile': code.getvalue()}, Environment={'Variables': {'A': str(i)}},
                                      Tags={'n': str(i)}, Description=f'function {i}')
        for i in range(self.n(3)):
            eks.create_cluster(name=f'eks-{i}', roleArn=role, resourcesVpcConfig={'subnetIds': []}, tags={'n': str(i)})

    def rest(self):
        gateway, efs = self.client('apigateway'), self.client('efs')
        for i in range(self.n(30)):
            gateway.create_rest_api(name=f'api-{i}', description=f'api {i}', tags={'n': str(i)})
        for i in range(self.n(5)):
            efs.create_file_system(CreationToken=f'token-{i}', Encrypted=bool(i % 2),
                                   Tags=[{'Key': 'Name', 'Value': f'fs-{i}'}])

    def all(self, accounts):
        first = self.regions[0]
        self.act_as(MAIN, first)
        organizations = self.client('organizations')
        organizations.create_organization(FeatureSet='ALL')
        ids = [MAIN]
        for i in range(1, accounts):
            status = organizations.create_account(AccountName=f'account {i}', Email=f'a{i}@example.com')
            ids.append(status['CreateAccountStatus']['AccountId'])
        users = {name: self.user_with_key('cq-' + name, document)
                 for name, document in (('admin', ALLOW_ALL), ('reader', ALLOW_READ), ('some', ALLOW_SOME),
                                        ('denied', DENY_ALL))}
        for account in ids:
            self.act_as(account, first)
            self.access_roles()
            self.iam()
            self.s3()
            self.route53()
            for region in self.regions:
                self.act_as(account, region)
                subnets = self.ec2()
                self.elbv2(subnets)
                for part in (self.messages, self.operations, self.databases, self.secrets, self.compute, self.rest):
                    part()
        return ids, users


def fill(regions, accounts, scale, seed):
    """What the tests have to know: the accounts, the users with their keys, the roles to assume."""
    mock_random.seed(seed)
    mock = mock_aws()
    mock.start()
    filler = Filler(regions, scale)
    ids, users = filler.all(accounts)
    del os.environ['MOTO_ACCOUNT_ID']                     # it would outrank the callers' keys
    mock.stop(remove_data=False)
    return {'accounts': ids, 'regions': regions, **users, 'external_id': EXTERNAL_ID, 'roles': {
        name: [f'arn:aws:iam::{account}:role/cq-{name}' for account in ids]
        for name in ('reader', 'external', 'some', 'denied')}}
