"""What aws_create.py cannot make out of the models alone: calls by hand, each a service's (operation, parameters or a function
of the Creator that makes what they need).  They come after its own."""
import datetime
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


def flow(c):
    c.call('s3', 'CreateBucket', {'Bucket': 'flow-bucket'}, note=False)
    return {'ResourceIds': network(c, 90)[:1], 'ResourceType': 'VPC', 'TrafficType': 'ALL', 'LogDestinationType': 's3', 'LogDestination': 'arn:aws:s3:::flow-bucket'}


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


def endpoint_service(c, name='net', n=93):
    made = c.call('elbv2', 'CreateLoadBalancer', {'Name': name, 'Subnets': network(c, n)[1], 'Scheme': 'internal', 'Type': 'network'}, note=False)
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

# ---- what a later thing needs, of those further below ----
TEAM = {'Key': 'team', 'Value': 'a & b'}
PLAIN = {'Key': 'team', 'Value': 'red'}            # where the service takes no ampersand
NOTHING = json.dumps({'Version': '2012-10-17', 'Statement': []})


def method(c):
    made, root = api(c)
    at = {'restApiId': made, 'resourceId': root, 'httpMethod': 'GET'}
    c.call('apigateway', 'PutMethod', {**at, 'authorizationType': 'NONE'}, note=False)
    return {**at, 'type': 'HTTP', 'integrationHttpMethod': 'GET', 'uri': 'http://example.com/x'}


def base_path(c):
    made = deployment(c)
    c.call('apigateway', 'CreateDeployment', made, note=False)
    c.call('apigateway', 'CreateDomainName', {'domainName': 'api.example.com', 'regionalCertificateName': 'x'}, note=False)
    return {'domainName': 'api.example.com', 'restApiId': made['restApiId'], 'basePath': 'v1', 'stage': 'hand'}


def job(c):
    return {'jobName': 'hand', 'jobQueue': 'hand', 'jobDefinition': c.call('batch', 'RegisterJobDefinition', {
        'jobDefinitionName': 'run', 'type': 'container', 'containerProperties': {'image': 'busybox', 'vcpus': 1, 'memory': 128}}, note=False)['jobDefinitionArn']}


def node(c):
    image = c.call('ec2', 'RegisterImage', {'Name': 'node', 'Architecture': 'x86_64', 'RootDeviceName': '/dev/sda1', 'VirtualizationType': 'hvm'}, note=False)['ImageId']
    made = c.call('ec2', 'RunInstances', {'ImageId': image, 'MinCount': 1, 'MaxCount': 1, 'InstanceType': 't3.micro', 'SubnetId': network(c, 80)[1][0]}, note=False)
    return {'cluster': 'made', 'instanceIdentityDocument': json.dumps({'instanceId': made['Instances'][0]['InstanceId'], 'region': c.region, 'accountId': c.account})}


def certificate(c):
    for made in c.call('elbv2', 'DescribeLoadBalancers', {}, note=False)['LoadBalancers']:
        for listener in c.call('elbv2', 'DescribeListeners', {'LoadBalancerArn': made['LoadBalancerArn']}, note=False)['Listeners']:
            return {'ListenerArn': listener['ListenerArn'], 'Certificates': [
                {'CertificateArn': f'arn:aws:acm:{c.region}:{c.account}:certificate/11111111-1111-1111-1111-111111111111'}]}


def wall(c):
    made = c.call('elbv2', 'CreateLoadBalancer', {'Name': 'walled', 'Subnets': network(c, 79)[1], 'Scheme': 'internal', 'Type': 'application'}, note=False)
    acl = c.call('wafv2', 'CreateWebACL', {'Name': 'wall', 'Scope': 'REGIONAL', 'DefaultAction': {'Allow': {}}, 'VisibilityConfig': {
        'SampledRequestsEnabled': False, 'CloudWatchMetricsEnabled': False, 'MetricName': 'm'}}, note=False)
    return {'WebACLArn': acl['Summary']['ARN'], 'ResourceArn': made['LoadBalancers'][0]['LoadBalancerArn']}


def centre(c):
    return c.call('sso-admin', 'ListInstances', {}, note=False)['Instances'][0]


def granted(**more):
    """The parameters of what belongs to the permission set."""
    def params(c):
        at = centre(c)['InstanceArn']
        return {'InstanceArn': at, 'PermissionSetArn': c.call('sso-admin', 'ListPermissionSets', {'InstanceArn': at}, note=False)['PermissionSets'][0],
                **{k: v(c) if callable(v) else v for k, v in more.items()}}
    return params


def managed(c):
    """AWS's own policies are 1,400 in moto, or none: here is one."""
    from moto.iam.models import AWSManagedPolicy, iam_backends
    arn, now = 'arn:aws:iam::aws:policy/ReadOnlyAccess', datetime.datetime(2024, 1, 1)
    iam_backends[c.account]['aws'].managed_policies[arn] = AWSManagedPolicy(
        'ReadOnlyAccess', account_id=c.account, region='us-east-1', default_version_id='v1', path='/', document=NOTHING, create_date=now, update_date=now)
    return arn


def membership(c):
    at = centre(c)['IdentityStoreId']
    user = c.call('identitystore', 'CreateUser', {'IdentityStoreId': at, 'UserName': 'hand', 'DisplayName': 'hand', 'Name': {
        'GivenName': 'a', 'FamilyName': 'b'}, 'Emails': [{'Value': 'a@example.com', 'Type': 'work', 'Primary': True}]}, note=False)['UserId']
    return {'IdentityStoreId': at, 'MemberId': {'UserId': user}, 'GroupId': c.call('identitystore', 'CreateGroup', {
        'IdentityStoreId': at, 'DisplayName': 'hand', 'Description': 'a & b'}, note=False)['GroupId']}


def unit(c):
    made = c.call('organizations', 'CreateAccount', {'AccountName': 'hand', 'Email': 'hand@example.com'}, note=False)['CreateAccountStatus']['AccountId']
    c.call('organizations', 'RegisterDelegatedAdministrator', {'AccountId': made, 'ServicePrincipal': 'ssm.amazonaws.com'}, note=False)
    root = c.call('organizations', 'ListRoots', {}, note=False)['Roots'][0]['Id']
    c.call('organizations', 'EnablePolicyType', {'RootId': root, 'PolicyType': 'SERVICE_CONTROL_POLICY'}, note=False)
    return {'ParentId': root, 'Name': 'hand', 'Tags': [TEAM]}


def resolver(c):
    vpc, nets = network(c, 78)
    group = c.call('ec2', 'CreateSecurityGroup', {'GroupName': 'resolver', 'Description': 'a', 'VpcId': vpc}, note=False)['GroupId']
    return {'CreatorRequestId': 'hand', 'Name': 'hand', 'SecurityGroupIds': [group], 'Direction': 'OUTBOUND', 'Tags': [PLAIN], 'IpAddresses': [
        {'SubnetId': net, 'Ip': f'10.78.{i}.10'} for i, net in enumerate(nets)]}


def first(c, operation, path, member='Id'):
    return c.call('route53resolver', operation, {}, note=False)[path][0][member]


def zone(c):
    c.call('logs', 'CreateLogGroup', {'logGroupName': '/aws/route53/logged'}, note=False)
    return {'HostedZoneId': c.call('route53', 'CreateHostedZone', {'Name': 'logged.example.com', 'CallerReference': 'l'}, note=False)['HostedZone']['Id'],
            'CloudWatchLogsLogGroupArn': f'arn:aws:logs:{c.region}:{c.account}:log-group:/aws/route53/logged:*'}


def mapped(c):
    c.call('sqs', 'CreateQueue', {'QueueName': 'mapped'}, note=False)
    return {'EventSourceArn': f'arn:aws:sqs:{c.region}:{c.account}:mapped', 'FunctionName': 'made', 'BatchSize': 5}


def directory(c):
    vpc, nets = network(c, 75)
    return {'SubnetIds': nets, 'DirectoryId': c.call('ds', 'CreateDirectory', {
        'Name': 'corp.example.com', 'Password': 'Passw0rd!x', 'Size': 'Small', 'VpcSettings': {'VpcId': vpc, 'SubnetIds': nets}}, note=False)['DirectoryId']}


def desk(c):
    return {'Workspaces': [{'DirectoryId': c.call('workspaces', 'DescribeWorkspaceDirectories', {}, note=False)['Directories'][0]['DirectoryId'],
                            'UserName': 'u', 'BundleId': 'wsb-1', 'Tags': [TEAM]}]}


def finding(c):
    return {'Findings': [{
        'SchemaVersion': '2018-10-08', 'Id': 'f-1', 'ProductArn': f'arn:aws:securityhub:{c.region}:{c.account}:product/{c.account}/default', 'GeneratorId': 'g',
        'AwsAccountId': c.account, 'Types': ['Software and Configuration Checks'], 'CreatedAt': '2026-01-01T00:00:00Z', 'UpdatedAt': '2026-01-02T00:00:00Z',
        'Severity': {'Label': 'HIGH', 'Normalized': 70}, 'Title': 'a & b', 'Description': 'd', 'Resources': [{'Type': 'Other', 'Id': 'r'}]}]}


def shared(c):
    return {'name': 'hand', 'principals': ['123456789013'], 'allowExternalPrincipals': True, 'tags': [{'key': 'team', 'value': 'a & b'}], 'resourceArns': [
        c.call('ec2', 'CreateTransitGateway', {'Description': 'shared'}, note=False)['TransitGateway']['TransitGatewayArn']]}


def allowed(c):
    made = endpoint_service(c, 'allowed', 73)
    return {'AddAllowedPrincipals': [f'arn:aws:iam::{c.account}:root'], 'ServiceId': c.call(
        'ec2', 'CreateVpcEndpointServiceConfiguration', made, note=False)['ServiceConfiguration']['ServiceId']}


def signing(c):
    """A certificate, always the same but for its times."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    key, name, now = ec.derive_private_key(7, ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'hand')]), datetime.datetime(2026, 1, 1)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + datetime.timedelta(days=9999)).sign(key, hashes.SHA256())
    return {'UserName': 'made', 'CertificateBody': made.public_bytes(serialization.Encoding.PEM).decode()}


def costs(c):
    """Moto knows no costs and no vulnerabilities: it gives what it is told to give."""
    from moto.ce.models import ce_backends
    for _ in range(2):
        ce_backends[c.account]['aws'].cost_usage_results_queue.append({'DimensionValueAttributes': [], 'ResultsByTime': [{
            'TimePeriod': {'Start': '2026-01-01', 'End': '2026-01-02'}, 'Estimated': True, 'Total': {}, 'Groups': [
                {'Keys': [k], 'Metrics': {'UnblendedCost': {'Amount': '1.5', 'Unit': 'USD'}}} for k in ('AmazonEC2', 'a & b')]}]})


def vulnerabilities(c):
    from moto.inspector2.models import inspector2_backends
    for _ in range(2):
        inspector2_backends[c.account][c.region].findings_queue.append([{
            'awsAccountId': c.account, 'findingArn': f'arn:aws:inspector2:{c.region}:{c.account}:finding/1', 'severity': 'HIGH', 'status': 'ACTIVE', 'title': 'a & b',
            'type': 'PACKAGE_VULNERABILITY', 'inspectorScore': 7.5, 'firstObservedAt': 1767225600, 'lastObservedAt': 1767312000, 'updatedAt': 1767312000,
            'description': 'd', 'remediation': {'recommendation': {'text': 't'}}, 'resources': [{'id': 'i-1', 'type': 'AWS_EC2_INSTANCE'}]}])


CONTACT = {'FirstName': 'A', 'LastName': 'B', 'ContactType': 'PERSON', 'AddressLine1': '1 Road', 'City': 'Town', 'State': 'CA', 'CountryCode': 'US',
           'ZipCode': '90210', 'PhoneNumber': '+1.5551234567', 'Email': 'a@example.com'}
BLOCKED = {'BlockPublicAcls': True, 'IgnorePublicAcls': False, 'BlockPublicPolicy': True, 'RestrictPublicBuckets': False}
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
    'ec2': [('CreateFlowLogs', flow),
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

# The services above, once more: what the longer chains of things need.
for service_, calls in {
    'apigateway': [('PutIntegration', method), ('CreateBasePathMapping', base_path)],
    'batch': [('SubmitJob', job)],
    'ce': [(None, costs)],
    'cognito-idp': [('CreateUserPool', {'PoolName': 'hand', 'UserPoolTags': {'team': 'a & b'}}), ('CreateIdentityProvider', lambda c: {
        'UserPoolId': c.call('cognito-idp', 'ListUserPools', {'MaxResults': 10}, note=False)['UserPools'][0]['Id'], 'ProviderName': 'hand', 'ProviderType': 'SAML',
        'ProviderDetails': {'MetadataURL': 'https://example.com/x'}})],
    'dynamodb': [('UpdateContinuousBackups', {'TableName': 'made', 'PointInTimeRecoverySpecification': {'PointInTimeRecoveryEnabled': True}}),
                 ('ExportTableToPointInTime', lambda c: {'TableArn': c.call('dynamodb', 'DescribeTable', {'TableName': 'made'}, note=False)['Table']['TableArn'],
                                                         'S3Bucket': 'made-bucket', 'S3Prefix': 'exports', 'ExportFormat': 'DYNAMODB_JSON'})],
    'ec2': [('ModifyVpcEndpointServicePermissions', allowed)],
    'ecr': [('PutLifecyclePolicy', {'repositoryName': 'made', 'lifecyclePolicyText': json.dumps({'rules': [
        {'rulePriority': 1, 'selection': {'tagStatus': 'untagged', 'countType': 'imageCountMoreThan', 'countNumber': 5}, 'action': {'type': 'expire'}}]})}),
            ('PutRegistryPolicy', lambda c: {'policyText': json.dumps({'Version': '2012-10-17', 'Statement': [
                {'Sid': 'r', 'Effect': 'Allow', 'Principal': {'AWS': f'arn:aws:iam::{c.account}:root'}, 'Action': ['ecr:ReplicateImage'],
                 'Resource': [f'arn:aws:ecr:{c.region}:{c.account}:repository/*']}]})})],
    'ecs': [('RegisterContainerInstance', node)],
    'elbv2': [('AddListenerCertificates', certificate)],
    'glue': [('StartJobRun', {'JobName': 'hand', 'Arguments': {'--a': 'b & c'}}), ('CreateMLTransform', {'Name': 'hand', 'InputRecordTables': [{'DatabaseName': 'hand', 'TableName': 'hand'}], 'Role': 'made',
                                    'Parameters': {'TransformType': 'FIND_MATCHES'}})],
    'iam': [('UploadSigningCertificate', signing)],
    'identitystore': [('CreateGroupMembership', membership)],
    'inspector2': [(None, vulnerabilities)],
    'lambda': [('CreateEventSourceMapping', mapped)],
    'organizations': [('CreateOrganization', {'FeatureSet': 'ALL'}), ('CreateOrganizationalUnit', unit),
                      ('CreatePolicy', {'Name': 'hand', 'Description': 'd', 'Type': 'SERVICE_CONTROL_POLICY', 'Content': NOTHING})],
    'quicksight': [('RegisterUser', lambda c: {'AwsAccountId': c.account, 'Namespace': 'default', 'IdentityType': 'QUICKSIGHT', 'Email': 'a@example.com',
                                               'UserRole': 'READER', 'UserName': 'hand'}),
                   ('CreateGroup', lambda c: {'AwsAccountId': c.account, 'Namespace': 'default', 'GroupName': 'hand', 'Description': 'a & b'}),
                   ('CreateGroupMembership', lambda c: {'AwsAccountId': c.account, 'Namespace': 'default', 'GroupName': 'hand', 'MemberName': 'hand'})],
    'ram': [('CreateResourceShare', shared)],
    'rds': [('CreateOptionGroup', {'OptionGroupName': 'hand', 'EngineName': 'mysql', 'MajorEngineVersion': '8.0', 'OptionGroupDescription': 'a'}),
            ('CreateDBParameterGroup', {'DBParameterGroupName': 'hand', 'DBParameterGroupFamily': 'mysql8.0', 'Description': 'a'}),
            ('ModifyDBParameterGroup', {'DBParameterGroupName': 'hand', 'Parameters': [
                {'ParameterName': 'max_connections', 'ParameterValue': '50', 'ApplyMethod': 'immediate'}]}),
            ('CreateDBClusterParameterGroup', {'DBClusterParameterGroupName': 'hand', 'DBParameterGroupFamily': 'aurora-mysql8.0', 'Description': 'a'}),
            ('ModifyDBClusterParameterGroup', {'DBClusterParameterGroupName': 'hand', 'Parameters': [
                {'ParameterName': 'max_connections', 'ParameterValue': '50', 'ApplyMethod': 'immediate'}]})],
    'neptune': [('CreateDBCluster', {'DBClusterIdentifier': 'hand-n', 'Engine': 'neptune'}),
                ('CreateDBInstance', {'DBInstanceIdentifier': 'hand-ni', 'DBInstanceClass': 'db.r5.large', 'Engine': 'neptune', 'DBClusterIdentifier': 'hand-n'}),
                ('CreateDBClusterSnapshot', {'DBClusterIdentifier': 'hand-n', 'DBClusterSnapshotIdentifier': 'hand-ns'}),
                ('CreateGlobalCluster', {'GlobalClusterIdentifier': 'hand-g', 'Engine': 'neptune'}),
                ('CreateDBParameterGroup', {'DBParameterGroupName': 'hand-n', 'DBParameterGroupFamily': 'neptune1.3', 'Description': 'a'}),
                ('ModifyDBParameterGroup', {'DBParameterGroupName': 'hand-n', 'Parameters': [
                    {'ParameterName': 'neptune_query_timeout', 'ParameterValue': '50', 'ApplyMethod': 'immediate'}]}),
                ('CreateDBClusterParameterGroup', {'DBClusterParameterGroupName': 'hand-n', 'DBParameterGroupFamily': 'neptune1.3', 'Description': 'a'}),
                ('ModifyDBClusterParameterGroup', {'DBClusterParameterGroupName': 'hand-n', 'Parameters': [
                    {'ParameterName': 'neptune_enable_audit_log', 'ParameterValue': '1', 'ApplyMethod': 'immediate'}]})],
    'resiliencehub': [('CreateResiliencyPolicy', {'policyName': 'hand', 'policyDescription': 'a', 'tier': 'Critical', 'tags': {'team': 'a & b'}, 'policy': {
        k: {'rtoInSecs': 60, 'rpoInSecs': 60} for k in ('Software', 'Hardware', 'AZ', 'Region')}})],
    'resource-groups': [('CreateGroup', {'Name': 'hand', 'Description': 'a', 'Tags': {'team': 'a & b'}, 'ResourceQuery': {
        'Type': 'TAG_FILTERS_1_0', 'Query': json.dumps({'ResourceTypeFilters': ['AWS::EC2::Instance'], 'TagFilters': [{'Key': 'n', 'Values': ['1']}]})}})],
    'route53': [('CreateQueryLoggingConfig', zone)],
    'route53domains': [('RegisterDomain', {'DomainName': 'hand.com', 'DurationInYears': 2, 'AutoRenew': True, 'AdminContact': CONTACT,
                                           'RegistrantContact': CONTACT, 'TechContact': CONTACT})],
    'route53resolver': [('CreateResolverEndpoint', resolver), ('CreateResolverRule', lambda c: {
        'CreatorRequestId': 'rule', 'Name': 'hand', 'RuleType': 'FORWARD', 'DomainName': 'corp.example.com', 'TargetIps': [{'Ip': '10.0.0.1', 'Port': 53}],
        'ResolverEndpointId': first(c, 'ListResolverEndpoints', 'ResolverEndpoints')}),
                        ('AssociateResolverRule', lambda c: {'ResolverRuleId': first(c, 'ListResolverRules', 'ResolverRules'), 'Name': 'hand', 'VPCId': network(c, 77)[0]}),
                        ('CreateResolverQueryLogConfig', {'Name': 'hand', 'DestinationArn': 'arn:aws:s3:::made-bucket', 'CreatorRequestId': 'q', 'Tags': [PLAIN]}),
                        ('AssociateResolverQueryLogConfig', lambda c: {
                            'ResolverQueryLogConfigId': first(c, 'ListResolverQueryLogConfigs', 'ResolverQueryLogConfigs'), 'ResourceId': network(c, 76)[0]})],
    's3': [('PutBucketCors', {'Bucket': 'made-bucket', 'CORSConfiguration': {'CORSRules': [
        {'AllowedMethods': ['GET', 'PUT'], 'AllowedOrigins': ['*'], 'MaxAgeSeconds': 3}]}}),
           ('PutBucketLifecycleConfiguration', {'Bucket': 'made-bucket', 'LifecycleConfiguration': {'Rules': [
               {'ID': 'r', 'Status': 'Enabled', 'Filter': {'Prefix': 'logs/'}, 'Expiration': {'Days': 30}}]}}),
           ('PutPublicAccessBlock', {'Bucket': 'made-bucket', 'PublicAccessBlockConfiguration': BLOCKED}),
           ('CreateBucket', {'Bucket': 'locked-bucket', 'ObjectLockEnabledForBucket': True}),
           ('PutObjectLockConfiguration', {'Bucket': 'locked-bucket', 'ObjectLockConfiguration': {
               'ObjectLockEnabled': 'Enabled', 'Rule': {'DefaultRetention': {'Mode': 'GOVERNANCE', 'Days': 7}}}}),
           *[('PutBucketVersioning', {'Bucket': b, 'VersioningConfiguration': {'Status': 'Enabled'}}) for b in ('made-bucket', 'locked-bucket')],
           ('PutBucketReplication', lambda c: {'Bucket': 'made-bucket', 'ReplicationConfiguration': {'Role': role(c, 'made', 's3'), 'Rules': [
               {'ID': 'r', 'Priority': 1, 'Status': 'Enabled', 'Filter': {'Prefix': 'a/'}, 'DeleteMarkerReplication': {'Status': 'Disabled'},
                'Destination': {'Bucket': 'arn:aws:s3:::locked-bucket'}}]}})],
    's3control': [('CreateAccessPoint', lambda c: {'AccountId': c.account, 'Name': 'hand', 'Bucket': 'made-bucket'}),
                  ('PutPublicAccessBlock', lambda c: {'AccountId': c.account, 'PublicAccessBlockConfiguration': BLOCKED}),
                  ('CreateMultiRegionAccessPoint', lambda c: {'AccountId': c.account, 'ClientToken': 't', 'Details': {
                      'Name': 'hand', 'Regions': [{'Bucket': 'made-bucket'}]}})],
    'sagemaker': [('CreateTrainingJob', lambda c: {
        'TrainingJobName': 'hand', 'AlgorithmSpecification': {'TrainingImage': 'x', 'TrainingInputMode': 'File'}, 'RoleArn': role(c, 'made', 'sagemaker'),
        'OutputDataConfig': {'S3OutputPath': 's3://made-bucket/o'}, 'ResourceConfig': {'InstanceType': 'ml.m5.large', 'InstanceCount': 1, 'VolumeSizeInGB': 1},
        'StoppingCondition': {'MaxRuntimeInSeconds': 60}, 'HyperParameters': {'a': 'b & c'}, 'InputDataConfig': [{'ChannelName': 'a', 'DataSource': {
            'S3DataSource': {'S3DataType': 'S3Prefix', 'S3Uri': 's3://made-bucket/i'}}}]}),
                  ('CreateModel', lambda c: {'ModelName': 'hand', 'ExecutionRoleArn': role(c, 'made', 'sagemaker'),
                                             'PrimaryContainer': {'Image': 'x', 'ModelDataUrl': 's3://b/m'}}),
                  ('CreateEndpointConfig', {'EndpointConfigName': 'hand', 'Tags': [TEAM], 'ProductionVariants': [
                      {'VariantName': 'a', 'ModelName': 'hand', 'InitialInstanceCount': 1, 'InstanceType': 'ml.m5.large', 'InitialVariantWeight': 1.0}]})],
    'securityhub': [('EnableSecurityHub', {}), ('BatchImportFindings', finding)],
    'servicecatalog': [('CreatePortfolio', {'DisplayName': 'hand', 'ProviderName': 'p', 'IdempotencyToken': 'hand-p', 'Tags': [TEAM]})],
    'ses': [('CreateReceiptRuleSet', {'RuleSetName': 'active'}), ('SetActiveReceiptRuleSet', {'RuleSetName': 'active'})],
    'shield': [('CreateSubscription', {}), ('CreateProtection', lambda c: {
        'Name': 'hand', 'ResourceArn': f'arn:aws:cloudfront::{c.account}:distribution/E1', 'Tags': [TEAM]})],
    'ssm': [('CreateDocument', {'Name': 'hand', 'DocumentType': 'Command', 'DocumentFormat': 'JSON', 'Tags': [TEAM], 'Content': json.dumps({
        'schemaVersion': '2.2', 'description': 'a', 'mainSteps': [{'action': 'aws:runShellScript', 'name': 'x', 'inputs': {'runCommand': ['true']}}]})})],
    'sso-admin': [('CreatePermissionSet', lambda c: {'InstanceArn': centre(c)['InstanceArn'], 'Name': 'hand', 'Description': 'a & b', 'SessionDuration': 'PT2H', 'Tags': [TEAM]}),
                  ('PutInlinePolicyToPermissionSet', granted(InlinePolicy=NOTHING)), ('AttachManagedPolicyToPermissionSet', granted(ManagedPolicyArn=managed)),
                  ('AttachCustomerManagedPolicyReferenceToPermissionSet', granted(CustomerManagedPolicyReference={'Name': 'made', 'Path': '/'})),
                  ('ProvisionPermissionSet', granted(TargetType='ALL_PROVISIONED_ACCOUNTS')),
                  ('CreateAccountAssignment', granted(TargetId=lambda c: c.account, TargetType='AWS_ACCOUNT', PrincipalType='USER',
                                                      PrincipalId='11111111-1111-1111-1111-111111111111'))],
    'wafv2': [('AssociateWebACL', wall)],
    'workspaces': [('RegisterWorkspaceDirectory', directory), ('CreateWorkspaces', desk)],
}.items():
    HAND.setdefault(service_, []).extend(calls)
