"""What aws_create.py cannot make out of the models alone: calls by hand, each a service's (operation, parameters or a function
of the Creator that makes what they need).  They come after its own."""
import json

MANIFEST = json.dumps({'schemaVersion': 2, 'mediaType': 'application/vnd.docker.distribution.manifest.v2+json', 'config': {
    'mediaType': 'application/vnd.docker.container.image.v1+json', 'size': 7, 'digest': 'sha256:' + 'a' * 64}, 'layers': [
    {'mediaType': 'application/vnd.docker.image.rootfs.diff.tar.gzip', 'size': 32, 'digest': 'sha256:' + 'b' * 64}]})


def role(c, name, service):
    try:
        c.call('iam', 'CreateRole', {'RoleName': name, 'AssumeRolePolicyDocument': json.dumps({'Version': '2012-10-17', 'Statement': [
            {'Effect': 'Allow', 'Principal': {'Service': service + '.amazonaws.com'}, 'Action': 'sts:AssumeRole'}]})}, note=False)
    except Exception:       # it is there
        pass
    return f'arn:aws:iam::{c.account}:role/{name}'


def network(c, n):
    """-> (VPC, two subnets)"""
    vpc = c.call('ec2', 'CreateVpc', {'CidrBlock': f'10.{n}.0.0/16'}, note=False)['Vpc']['VpcId']
    return vpc, [c.call('ec2', 'CreateSubnet', {'VpcId': vpc, 'CidrBlock': f'10.{n}.{i}.0/24', 'AvailabilityZone': c.region + z},
                        note=False)['Subnet']['SubnetId'] for i, z in enumerate('ab')]


def api(c):
    """-> (REST API, its root)"""
    made = c.call('apigateway', 'CreateRestApi', {'name': 'hand', 'description': 'a & b'}, note=False)['id']
    return made, c.call('apigateway', 'GetResources', {'restApiId': made}, note=False)['items'][0]['id']


def deployment(c):
    rest, root = api(c)
    at = {'restApiId': rest, 'resourceId': root, 'httpMethod': 'GET'}
    c.call('apigateway', 'PutMethod', {**at, 'authorizationType': 'NONE'}, note=False)
    c.call('apigateway', 'PutIntegration', {**at, 'type': 'HTTP', 'integrationHttpMethod': 'GET', 'uri': 'http://example.com/x'}, note=False)
    return {'restApiId': rest, 'stageName': 'hand', 'description': 'a deployment'}


def plan_key(c):
    plan = c.call('apigateway', 'CreateUsagePlan', {'name': 'hand'}, note=False)['id']
    return {'usagePlanId': plan, 'keyId': c.call('apigateway', 'CreateApiKey', {'name': 'hand'}, note=False)['id'], 'keyType': 'API_KEY'}


def response(c):
    made = c.call('apigatewayv2', 'CreateApi', {'Name': 'hand', 'ProtocolType': 'WEBSOCKET', 'RouteSelectionExpression': '$request.body.action'}, note=False)['ApiId']
    inner = c.call('apigatewayv2', 'CreateIntegration', {'ApiId': made, 'IntegrationType': 'HTTP', 'IntegrationUri': 'http://example.com'}, note=False)['IntegrationId']
    return {'ApiId': made, 'IntegrationId': inner, 'IntegrationResponseKey': '/200/'}


def environment(c):
    return {'computeEnvironmentName': 'hand', 'type': 'UNMANAGED', 'state': 'ENABLED', 'serviceRole': role(c, 'made', 'batch')}


def queue(c):
    at = c.call('batch', 'DescribeComputeEnvironments', {}, note=False)['computeEnvironments'][0]['computeEnvironmentArn']
    return {'jobQueueName': 'hand', 'state': 'ENABLED', 'priority': 1, 'computeEnvironmentOrder': [{'order': 1, 'computeEnvironment': at}]}


def instances(c):
    c.call('cloudformation', 'CreateStackSet', {'StackSetName': 'hand', 'TemplateBody': TEMPLATE}, note=False)
    return {'StackSetName': 'hand', 'Accounts': [c.account], 'Regions': [c.region]}


def pipeline(c):
    def action(name, category, provider, **more):
        return {'name': name, 'actions': [{'name': name, 'actionTypeId': {'category': category, 'owner': 'AWS', 'provider': provider, 'version': '1'}, **more}]}
    return {'pipeline': {'name': 'hand', 'roleArn': role(c, 'pipes', 'codepipeline'), 'version': 1, 'artifactStore': {'type': 'S3', 'location': 'made-bucket'}, 'stages': [
        action('Source', 'Source', 'S3', configuration={'S3Bucket': 'made-bucket', 'S3ObjectKey': 'k'}, outputArtifacts=[{'name': 'o'}]),
        action('Approve', 'Approval', 'Manual')]}}


def subscription(c):
    c.call('logs', 'CreateLogGroup', {'logGroupName': '/hand'}, note=False)
    stream = c.call('kinesis', 'CreateStream', {'StreamName': 'logs', 'ShardCount': 1}, note=False)
    assert stream
    return {'logGroupName': '/hand', 'filterName': 'all', 'filterPattern': 'a "b"', 'roleArn': role(c, 'made', 'logs'),
            'destinationArn': f'arn:aws:kinesis:{c.region}:{c.account}:stream/logs'}


def fleet(c):
    image = c.call('ec2', 'RegisterImage', {'Name': 'fleet', 'Architecture': 'x86_64', 'RootDeviceName': '/dev/sda1', 'VirtualizationType': 'hvm'}, note=False)['ImageId']
    c.call('ec2', 'ModifyImageAttribute', {'ImageId': image, 'LaunchPermission': {'Add': [{'UserId': '123456789013'}]}}, note=False)
    return {'SpotFleetRequestConfig': {'IamFleetRole': role(c, 'made', 'ec2'), 'AllocationStrategy': 'lowestPrice', 'TargetCapacity': 1, 'SpotPrice': '0.12', 'LaunchSpecifications': [
        {'ImageId': image, 'InstanceType': 't3.micro', 'SubnetId': network(c, 91)[1][0]}]}}


def attachment(c):
    vpc, nets = network(c, 92)
    return {'TransitGatewayId': c.call('ec2', 'CreateTransitGateway', {'Description': 'hand'}, note=False)['TransitGateway']['TransitGatewayId'],
            'VpcId': vpc, 'SubnetIds': nets[:1]}


def peering(c):
    one, two = (c.call('ec2', 'CreateTransitGateway', {'Description': n}, note=False)['TransitGateway']['TransitGatewayId'] for n in ('one', 'two'))
    return {'TransitGatewayId': one, 'PeerTransitGatewayId': two, 'PeerAccountId': c.account, 'PeerRegion': c.region}


def endpoint_service(c):
    made = c.call('elbv2', 'CreateLoadBalancer', {'Name': 'net', 'Subnets': network(c, 93)[1], 'Scheme': 'internal', 'Type': 'network'}, note=False)
    return {'NetworkLoadBalancerArns': [made['LoadBalancers'][0]['LoadBalancerArn']]}


def nat(c):
    return {'SubnetId': network(c, 94)[1][0], 'AllocationId': c.call('ec2', 'AllocateAddress', {'Domain': 'vpc'}, note=False)['AllocationId']}


def proxy(c):
    return {'DBProxyName': 'hand', 'EngineFamily': 'MYSQL', 'RoleArn': role(c, 'made', 'rds'), 'VpcSubnetIds': network(c, 95)[1], 'Auth': [
        {'AuthScheme': 'SECRETS', 'IAMAuth': 'DISABLED', 'SecretArn': f'arn:aws:secretsmanager:{c.region}:{c.account}:secret:x'}]}


def cluster(c):
    return {'name': 'hand', 'roleArn': role(c, 'made', 'eks'), 'resourcesVpcConfig': {'subnetIds': network(c, 96)[1]}}


def bus(c, part):
    return f'arn:aws:events:{c.region}:{c.account}:{part}'


TEMPLATE = json.dumps({'Resources': {'Q': {'Type': 'AWS::SQS::Queue', 'Properties': {'QueueName': 'stacked'}}}})
DB = {'MasterUsername': 'u', 'MasterUserPassword': 'longpassword'}
NODES = {'Name': 'main', 'InstanceRole': 'MASTER', 'InstanceType': 'm5.large', 'InstanceCount': 1}
HAND = {
    'apigateway': [('CreateDeployment', deployment), ('CreateUsagePlanKey', plan_key)],
    'apigatewayv2': [('CreateIntegrationResponse', response), ('CreateApiMapping', lambda c: {
        'DomainName': c.call('apigatewayv2', 'CreateDomainName', {'DomainName': 'hand.example.com', 'DomainNameConfigurations': [{}]}, note=False)['DomainName'],
        'ApiId': c.call('apigatewayv2', 'CreateApi', {'Name': 'mapped', 'ProtocolType': 'HTTP'}, note=False)['ApiId'], 'Stage': '$default', 'ApiMappingKey': 'v1'})],
    'appconfig': [('CreateConfigurationProfile', lambda c: {
        'ApplicationId': c.call('appconfig', 'CreateApplication', {'Name': 'hand'}, note=False)['Id'], 'Name': 'hand', 'LocationUri': 'hosted'})],
    'application-autoscaling': [
        ('RegisterScalableTarget', {'ServiceNamespace': 'dynamodb', 'ResourceId': 'table/made', 'ScalableDimension': 'dynamodb:table:ReadCapacityUnits',
                                    'MinCapacity': 1, 'MaxCapacity': 5}),
        ('PutScalingPolicy', {'PolicyName': 'hand', 'ServiceNamespace': 'dynamodb', 'ResourceId': 'table/made', 'ScalableDimension': 'dynamodb:table:ReadCapacityUnits',
                              'PolicyType': 'TargetTrackingScaling', 'TargetTrackingScalingPolicyConfiguration': {
                                  'TargetValue': 50.5, 'PredefinedMetricSpecification': {'PredefinedMetricType': 'DynamoDBReadCapacityUtilization'}}})],
    'athena': [('CreateNamedQuery', {'Name': 'hand', 'Database': 'd', 'QueryString': 'SELECT 1', 'WorkGroup': 'primary'}),
               ('StartQueryExecution', {'QueryString': 'SELECT 1', 'WorkGroup': 'primary', 'ResultConfiguration': {'OutputLocation': 's3://b/p'}})],
    'batch': [('CreateComputeEnvironment', environment), ('CreateJobQueue', queue), ('RegisterJobDefinition', {
        'jobDefinitionName': 'hand', 'type': 'container', 'containerProperties': {'image': 'busybox', 'vcpus': 1, 'memory': 128, 'command': ['a', 'b']}})],
    'cloudformation': [('CreateStack', {'StackName': 'hand', 'TemplateBody': TEMPLATE}), ('CreateStackInstances', instances)],
    'cloudfront': [('CreateDistribution', {'DistributionConfig': {
        'CallerReference': 'hand', 'Comment': 'a & b', 'Enabled': False, 'Origins': {'Quantity': 1, 'Items': [
            {'Id': 'o', 'DomainName': 'made-bucket.s3.amazonaws.com', 'S3OriginConfig': {'OriginAccessIdentity': ''}}]},
        'DefaultCacheBehavior': {'TargetOriginId': 'o', 'ViewerProtocolPolicy': 'allow-all', 'MinTTL': 10, 'ForwardedValues': {
            'QueryString': False, 'Cookies': {'Forward': 'none'}}}}})],
    'codebuild': [('CreateProject', lambda c: {'name': 'hand', 'source': {'type': 'S3', 'location': 'made-bucket/p'}, 'artifacts': {'type': 'NO_ARTIFACTS'},
                                               'environment': {'type': 'LINUX_CONTAINER', 'image': 'x', 'computeType': 'BUILD_GENERAL1_SMALL'},
                                               'serviceRole': role(c, 'made', 'codebuild')}), ('StartBuild', {'projectName': 'hand'})],
    'codepipeline': [('CreatePipeline', pipeline)],
    'config': [('PutConfigurationRecorder', lambda c: {'ConfigurationRecorder': {'name': 'default', 'roleARN': role(c, 'made', 'config'),
                                                                                'recordingGroup': {'allSupported': True, 'includeGlobalResourceTypes': True}}}),
               ('PutDeliveryChannel', {'DeliveryChannel': {'name': 'default', 's3BucketName': 'made-bucket'}}),
               ('PutConfigRule', {'ConfigRule': {'ConfigRuleName': 'hand', 'Scope': {'ComplianceResourceTypes': ['AWS::S3::Bucket']},
                                                 'Source': {'Owner': 'AWS', 'SourceIdentifier': 'S3_BUCKET_VERSIONING_ENABLED'}}}),
               ('PutConfigurationAggregator', lambda c: {'ConfigurationAggregatorName': 'hand', 'AccountAggregationSources': [
                   {'AccountIds': [c.account], 'AllAwsRegions': True}]})],
    'docdb': [('CreateDBCluster', {'DBClusterIdentifier': 'made-d', 'Engine': 'docdb', **DB}),
              ('CreateDBInstance', {'DBInstanceIdentifier': 'made-di', 'DBInstanceClass': 'db.r5.large', 'Engine': 'docdb', 'DBClusterIdentifier': 'made-d'}),
              ('CreateDBClusterSnapshot', {'DBClusterIdentifier': 'made-d', 'DBClusterSnapshotIdentifier': 'made-ds'})],
    'dynamodbstreams': [],
    'dynamodb': [('CreateTable', {'TableName': 'streamed', 'KeySchema': [{'AttributeName': 'k', 'KeyType': 'HASH'}], 'AttributeDefinitions': [
        {'AttributeName': 'k', 'AttributeType': 'S'}], 'BillingMode': 'PAY_PER_REQUEST', 'StreamSpecification': {'StreamEnabled': True, 'StreamViewType': 'NEW_IMAGE'}})],
    'ec2': [('CreateFlowLogs', lambda c: {'ResourceIds': network(c, 90)[:1], 'ResourceType': 'VPC', 'TrafficType': 'ALL', 'LogDestinationType': 's3',
                                          'LogDestination': 'arn:aws:s3:::made-bucket'}),
            ('AllocateHosts', lambda c: {'AvailabilityZone': c.region + 'a', 'InstanceType': 'm5.large', 'Quantity': 1}),
            ('CreateNatGateway', nat), ('RequestSpotFleet', fleet), ('CreateTransitGatewayVpcAttachment', attachment),
            ('CreateTransitGatewayPeeringAttachment', peering), ('CreateVpcEndpointServiceConfiguration', endpoint_service),
            ('CreateVpcEndpoint', lambda c: {'VpcId': network(c, 97)[0], 'ServiceName': f'com.amazonaws.{c.region}.s3', 'VpcEndpointType': 'Gateway'}),
            ('CreateVpcPeeringConnection', lambda c: {'VpcId': network(c, 98)[0], 'PeerVpcId': network(c, 99)[0]})],
    'ecr': [('PutImage', {'repositoryName': 'made', 'imageManifest': MANIFEST, 'imageTag': 'v1'}),
            ('StartImageScan', {'repositoryName': 'made', 'imageId': {'imageTag': 'v1'}})],
    'ecs': [('RunTask', lambda c: {'cluster': 'made', 'taskDefinition': 't', 'launchType': 'FARGATE', 'networkConfiguration': {
        'awsvpcConfiguration': {'subnets': network(c, 89)[1]}}}),
            ('CreateTaskSet', lambda c: {'cluster': 'made', 'taskDefinition': 't', 'service': c.call('ecs', 'CreateService', {
                'cluster': 'made', 'serviceName': 'sets', 'desiredCount': 0, 'deploymentController': {'type': 'EXTERNAL'}}, note=False)['service']['serviceArn']})],
    'eks': [('CreateCluster', cluster), ('CreateNodegroup', lambda c: {
        'clusterName': 'hand', 'nodegroupName': 'hand', 'subnets': network(c, 88)[1], 'nodeRole': role(c, 'made', 'eks')}),
            ('CreateFargateProfile', lambda c: {'clusterName': 'hand', 'fargateProfileName': 'hand', 'podExecutionRoleArn': role(c, 'made', 'eks'),
                                                'selectors': [{'namespace': 'default', 'labels': {'a': 'b'}}]})],
    'elasticache': [('CreateCacheCluster', {'CacheClusterId': 'hand', 'Engine': 'redis', 'CacheNodeType': 'cache.t3.micro', 'NumCacheNodes': 1}),
                    ('CreateReplicationGroup', {'ReplicationGroupId': 'hand-g', 'ReplicationGroupDescription': 'a', 'Engine': 'redis', 'NumCacheClusters': 1}),
                    ('CreateSnapshot', {'ReplicationGroupId': 'hand-g', 'SnapshotName': 'hand-s'})],
    'emr': [('RunJobFlow', lambda c: {'Name': 'hand', 'ReleaseLabel': 'emr-6.9.0', 'JobFlowRole': 'r', 'ServiceRole': 's', 'VisibleToAllUsers': True, 'Instances': {
        'InstanceGroups': [NODES, {**NODES, 'Name': 'core', 'InstanceRole': 'CORE'}], 'KeepJobFlowAliveWhenNoSteps': True, 'Ec2SubnetId': network(c, 87)[1][0]}})],
    'events': [('CreateArchive', lambda c: {'ArchiveName': 'hand', 'EventSourceArn': bus(c, 'event-bus/default')}),
               ('StartReplay', lambda c: {'ReplayName': 'hand', 'EventSourceArn': bus(c, 'archive/hand'), 'EventStartTime': 1700000000, 'EventEndTime': 1700003600,
                                          'Destination': {'Arn': bus(c, 'event-bus/default')}})],
    'firehose': [('CreateDeliveryStream', lambda c: {'DeliveryStreamName': 'hand', 'ExtendedS3DestinationConfiguration': {
        'RoleARN': role(c, 'made', 'firehose'), 'BucketARN': 'arn:aws:s3:::made-bucket'}})],
    'fsx': [('CreateBackup', lambda c: {'FileSystemId': c.call('fsx', 'CreateFileSystem', {
        'FileSystemType': 'LUSTRE', 'StorageCapacity': 1200, 'SubnetIds': network(c, 86)[1][:1]}, note=False)['FileSystem']['FileSystemId']})],
    'glue': [('CreateDatabase', {'DatabaseInput': {'Name': 'hand', 'Description': 'a & b'}}),
             ('CreateTable', {'DatabaseName': 'hand', 'TableInput': {'Name': 'hand', 'StorageDescriptor': {'Columns': [{'Name': 'a', 'Type': 'string'}]}}}),
             ('CreateJob', {'Name': 'hand', 'Role': 'made', 'Command': {'Name': 'glueetl', 'ScriptLocation': 's3://b/s'}})],
    'iam': [('UploadServerCertificate', {'ServerCertificateName': 'hand', 'CertificateBody': 'body', 'PrivateKey': 'key'}),
            ('UploadSSHPublicKey', {'UserName': 'made', 'SSHPublicKeyBody': 'ssh-rsa AAAA made'}),
            ('EnableMFADevice', lambda c: {'UserName': 'made', 'SerialNumber': f'arn:aws:iam::{c.account}:mfa/made', 'AuthenticationCode1': '123456', 'AuthenticationCode2': '654321'})],
    'kinesis': [],
    'logs': [('PutSubscriptionFilter', subscription)],
    'rds': [('CreateDBProxy', proxy)],
}
