"""By hand: what plan.tsv and overlay.tsv cannot say of CloudQuery's AWS tables. See oracle.py."""
import base64
import csv as csv_
import datetime
import io
import json
import xml.etree.ElementTree
import re
import urllib.parse

UTC = datetime.timezone.utc
LANGUAGES = {}
ROWS, COLUMNS, CALLS = {}, {}, {}
# A hash of the whole record: ours is another, and only for us to know.
HASHES = ('_event_hash', '_engine_version_hash')
WITHDRAWN = ('elastictranscoder', 'qldb')      # their tables have no rows


def letters(name):
    return name.replace('_', '').replace('.', '').lower()


# What a request needs where that is not its operation's name.
ALWAYS = {'sts:GetCallerIdentity', 'sts:AssumeRole', 'ec2:DescribeRegions'}
PREFIX = {'monitoring': 'cloudwatch'}
ACTIONS = {('s3', o): 's3:' + a for o, a in (
    ('ListBuckets', 'ListAllMyBuckets'), ('GetBucketEncryption', 'GetEncryptionConfiguration'),
    ('GetBucketLifecycleConfiguration', 'GetLifecycleConfiguration'), ('GetBucketReplication', 'GetReplicationConfiguration'),
    ('GetBucketNotificationConfiguration', 'GetBucketNotification'), ('GetPublicAccessBlock', 'GetBucketPublicAccessBlock'),
    ('GetBucketAccelerateConfiguration', 'GetAccelerateConfiguration'), ('GetBucketCors', 'GetBucketCORS'),
    ('GetObjectLockConfiguration', 'GetBucketObjectLockConfiguration'), ('ListObjectVersions', 'ListBucketVersions'), ('ListObjectsV2', 'ListBucket'), ('ListObjects', 'ListBucket'))}
ACTIONS['s3control', 'GetPublicAccessBlock'] = 's3:GetAccountPublicAccessBlock'


def action(service, operation, signing):
    """The IAM action that AWS checks for an operation."""
    if service in ('apigateway', 'apigatewayv2'):
        return 'apigateway:GET'
    return ACTIONS.get((service, operation)) or f'{PREFIX.get(signing, signing)}:{operation}'


# ---- parts -----------------------------------------------------------------------
def moment(text, shape):
    now = datetime.datetime.now(UTC)
    m = re.fullmatch(r'(now|today)(?:([+-]\d+)([dhm]))?', text)
    if m[2]:
        now += datetime.timedelta(**{{'d': 'days', 'h': 'hours', 'm': 'minutes'}[m[3]]: int(m[2])})
    if m[1] == 'today':
        return now.strftime('%Y-%m-%d')
    return now


def fits(table, when, parent):
    """A condition of the facts on the parent's row."""
    for part in when.split(' and '):
        m = re.fullmatch(r'([\w. ]+?) (=|!=|contains|not empty)\s*(.*)', part.strip())
        if not m:
            raise ValueError(f'{table}: {when}')
        name = {'summary status': 'status', 'item type': 'type'}.get(m[1], m[1])
        value, want = parent.get(name), m[3]
        if want == 'account_id':
            want = parent.client['account_id']
        if m[2] == 'not empty':
            good = value not in (None, '', [], {})
        elif m[2] == 'contains':
            good = want in (value or '')
        else:
            good = (str(value) == want) == (m[2] == '=')
        if not good:
            return False
    return True


def pairs(items, key=None, value=None):
    if items is None or isinstance(items, dict):
        return items
    out = {}
    for i in items:
        k = key or next((n for n in ('Key', 'TagKey', 'key', 'tagKey') if n in i), None)
        v = value or next((n for n in ('Value', 'TagValue', 'value', 'tagValue') if n in i), None)
        if k in i:
            out[i[k]] = i.get(v) or ''
    return out


def find_tags(answer, shape, deep=3):
    """The one list of pairs, or map of texts, in an answer."""
    for name, s in shape.members.items():
        value = answer.get(name)
        if s.type_name == 'map' and s.value.type_name == 'string':
            return value
        if s.type_name == 'list' and s.member.type_name == 'structure':
            members = s.member.members
            if any(k in members for k in ('Key', 'TagKey', 'key', 'tagKey')) and 'Tag' in s.member.name + s.name:
                return pairs(value)
            if deep:
                for v in value or ():
                    found = find_tags(v, s.member, deep - 1)
                    if found is not None:
                        return found
        if s.type_name == 'structure' and value and deep:
            found = find_tags(value, s, deep - 1)
            if found is not None:
                return found
    return None


def each(text, parent):
    """Values of `each key of column`, `each column[].Member`."""
    if text.startswith('each key of '):
        return list(parent.get(text[12:]) or ())
    if text == 'each configurations.{Current,History[]}.Id':
        found = parent.get('configurations') or {}
        return list(dict.fromkeys(c['Id'] for c in [found.get('Current')] + (found.get('History') or []) if c and c.get('Id')))
    m = re.fullmatch(r'each (\w+)\[\]\.(\w+)', text)
    return [next(v for k, v in i.items() if letters(k) == letters(m[2])) for i in parent.get(m[1]) or ()
            if any(letters(k) == letters(m[2]) for k in i)]


def bucket_region(parent, name):
    return parent.get(name)


def item(row, name, source):
    if 'a string' in source:
        return row.item, None
    m = re.fullmatch(r'(\w+) of the list item', source)
    if m:
        for n, s in (row.listed[1] or row.shape).members.items():
            if letters(n) == letters(m[1]):
                return (row.listed[0] or row.record).get(n), s
    if source.startswith('parent.'):
        return row.parent.get(source[7:]), None
    if source == 'JobId of the first call':
        return row.item, None
    raise KeyError(f'{row.table}.{name}: {source}')


def unwrapped(row, name):
    """A member of a structure of the same answer, or of the record, with or without that structure's name before it."""
    from oracle import Unknown
    want = letters(name)
    for shape, record in ((row.shape, row.record), (row.response[1], row.response[0])):
        if shape is None or shape.type_name != 'structure':
            continue
        for n, s in shape.members.items():
            if letters(n) == want:
                return (record or {}).get(n), s
        for n, s in shape.members.items():
            if s.type_name == 'structure':
                for m, inner in s.members.items():
                    if want in (letters(m), letters(n) + letters(m)):
                        return ((record or {}).get(n) or {}).get(m), inner
    raise Unknown(f'{row.table}.{name}: no structure has it')


def loads(text):
    return json.loads(text) if text else None


def decoded(text):
    return json.loads(urllib.parse.unquote(text)) if text else None


def of(table, *names):
    def keep(f):
        for n in names:
            COLUMNS[table, n] = f
        return f
    return keep


def snake(name):
    return re.sub(r'(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z][a-z])', r'_\1\2', name).lower()


def one(row, service, operation, **params):
    """(answer, shape) of a call for one record, all pages of it."""
    answer, shape = row.facts.whole(service, operation, params, row.where)
    return answer, shape if shape is not None else row.facts.operation(service, operation).output_shape


# ---- columns that are computed ------------------------------------------------------
for t in ('aws_regions', 'aws_availability_zones'):
    COLUMNS[t, 'enabled'] = lambda r: {'opt-in-not-required': True, 'opted-in': True, 'not-opted-in': False}.get(
        r.record.get('OptInStatus'))


@of('aws_ec2_instances', 'state_transition_reason_time')
def transition(r):
    m = re.search(r'\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) [A-Z]+\)', r.record.get('StateTransitionReason') or '')
    return m and datetime.datetime.strptime(m[1], '%Y-%m-%d %H:%M:%S').replace(tzinfo=UTC)


COLUMNS['aws_cloudtrail_trails', 'cloudwatch_logs_log_group_name'] = lambda r: (
    re.search(r'log-group:([^:]*)', r.record.get('CloudWatchLogsLogGroupArn') or '') or [None, None])[1]
COLUMNS['aws_cloudwatch_alarms', 'dimensions'] = lambda r: pairs(r.record.get('Dimensions'), 'Name', 'Value')
COLUMNS['aws_docdb_events', 'categories_concat'] = lambda r: ','.join(r.record.get('EventCategories') or ())
COLUMNS['aws_rds_instances', 'processor_features'] = lambda r: pairs(r.record.get('ProcessorFeatures'), 'Name', 'Value')
COLUMNS['aws_rds_instances', 'tag_list'] = lambda r: None
COLUMNS['aws_iam_user_access_keys', 'last_rotated'] = lambda r: r.record.get('CreateDate')
COLUMNS['aws_iam_password_policies', 'policy_exists'] = lambda r: True
COLUMNS['aws_s3_accounts', 'config_exists'] = lambda r: True
COLUMNS['aws_lambda_runtimes', 'name'] = lambda r: r.item
COLUMNS['aws_elasticsearch_versions', 'version'] = lambda r: r.item
COLUMNS['aws_elbv1_load_balancer_policies', 'policy_attribute_descriptions'] = lambda r: pairs(
    r.record.get('PolicyAttributeDescriptions'), 'AttributeName', 'AttributeValue')
COLUMNS['aws_glue_ml_transforms', 'schema'] = lambda r: pairs(r.record.get('Schema'), 'Name', 'DataType')
COLUMNS['aws_glue_classifiers', 'name'] = lambda r: next((r.record[k]['Name'] for k in (
    'CsvClassifier', 'JsonClassifier', 'GrokClassifier', 'XMLClassifier') if (r.record.get(k) or {}).get('Name')), None)
COLUMNS['aws_identitystore_group_memberships', 'member_id'] = lambda r: (r.record.get('MemberId') or {}).get('UserId')
COLUMNS['aws_ram_resource_share_invitations', 'receiver_combined'] = lambda r: r.record.get('receiverArn') or \
    r.record.get('receiverAccountId')
COLUMNS['aws_route53_health_checks', 'cloud_watch_alarm_configuration_dimensions'] = lambda r: pairs(
    (r.record.get('CloudWatchAlarmConfiguration') or {}).get('Dimensions'), 'Name', 'Value')
COLUMNS['aws_route53recoverycontrolconfig_safety_rules', 'arn'] = lambda r: next(
    (c['SafetyRuleArn'] for c in r.record.values() if c.get('SafetyRuleArn')), None)
COLUMNS['aws_elasticbeanstalk_environments', 'listeners'] = lambda r: {
    str(i['Port']): i.get('Protocol') for i in ((r.record.get('Resources') or {}).get('LoadBalancer') or {}).get('Listeners') or ()
    if 'Port' in i}
COLUMNS['aws_s3_bucket_grants', 'grantee_id'] = lambda r: (r.record.get('Grantee') or {}).get(
    {'CanonicalUser': 'ID', 'AmazonCustomerByEmail': 'EmailAddress', 'Group': 'URI'}.get((r.record.get('Grantee') or {}).get('Type')))


@of('aws_lightsail_instance_port_states', 'allow_list')
def allowed(r):
    return ','.join([f'cidrs={",".join(r.record.get("cidrs") or ())}', f'ipv6Cidrs={",".join(r.record.get("ipv6Cidrs") or ())}',
                     f'cidrListAliases={",".join(r.record.get("cidrListAliases") or ())}'])


# ---- columns that are decoded ---------------------------------------------------------
for t, c, m in (('aws_iam_group_policies', 'policy_document', 'PolicyDocument'), ('aws_iam_role_policies', 'policy_document', 'PolicyDocument'),
                ('aws_iam_user_policies', 'policy_document', 'PolicyDocument'), ('aws_iam_policy_versions', 'document_json', 'Document'),
                ('aws_iam_roles', 'assume_role_policy_document', 'AssumeRolePolicyDocument'),
                ('aws_cloudformation_stack_templates', 'template_body', 'TemplateBody'),
                ('aws_ssoadmin_permission_set_inline_policies', 'inline_policy_json', 'InlinePolicy')):
    COLUMNS[t, c] = lambda r, m=m: decoded(r.record[m]) if isinstance(r.record.get(m), str) else r.record.get(m)
COLUMNS['aws_s3_bucket_policies', 'policy'] = lambda r: loads(r.record['Policy'])     # the body is JSON: white space apart
COLUMNS['aws_s3_bucket_policies', 'policy_json'] = lambda r: loads(r.record['Policy'])

# ---- calls whose answer is not simply a member of that name -----------------------------
CALLS.update({
    ('aws_kms_keys', 'rotation_enabled'): 'kms:GetKeyRotationStatus(KeyId=key_id) KeyRotationEnabled',
    ('aws_efs_filesystems', 'backup_policy_status'): 'efs:DescribeBackupPolicy(FileSystemId=file_system_id) BackupPolicy.Status',
    ('aws_efs_filesystems', 'file_system_policy'): 'efs:DescribeFileSystemPolicy(FileSystemId=file_system_id) Policy',
    ('aws_apigateway_rest_api_models', 'model_template'): 'apigateway:GetModelTemplate(modelName=name; restApiId=parent.id) value',
    ('aws_apigatewayv2_api_models', 'model_template'): 'apigatewayv2:GetModelTemplate(ApiId=parent.api_id; ModelId=model_id) Value',
    ('aws_organizations_policies', 'content'): 'organizations:DescribePolicy(PolicyId=id) Policy.Content',
    ('aws_docdb_cluster_snapshots', 'attributes'): (
        'docdb:DescribeDBClusterSnapshotAttributes(DBClusterSnapshotIdentifier=db_cluster_snapshot_identifier) '
        'DBClusterSnapshotAttributesResult.DBClusterSnapshotAttributes[]'),
    ('aws_neptune_cluster_snapshots', 'attributes'): (
        'neptune:DescribeDBClusterSnapshotAttributes(DBClusterSnapshotIdentifier=db_cluster_snapshot_identifier) '
        'DBClusterSnapshotAttributesResult.DBClusterSnapshotAttributes[]'),
    ('aws_rds_cluster_snapshots', 'attributes'): (
        'rds:DescribeDBClusterSnapshotAttributes(DBClusterSnapshotIdentifier=db_cluster_snapshot_identifier) '
        'DBClusterSnapshotAttributesResult.DBClusterSnapshotAttributes[]'),
    ('aws_rds_db_snapshots', 'attributes'): (
        'rds:DescribeDBSnapshotAttributes(DBSnapshotIdentifier=db_snapshot_identifier) '
        'DBSnapshotAttributesResult.DBSnapshotAttributes[]'),
    ('aws_ecs_cluster_tasks', 'task_protection'): 'ecs:GetTaskProtection(cluster=cluster_arn; tasks=task_arn) protectedTasks[]',
    ('aws_elasticsearch_domains', 'authorized_principals'): 'es:ListVpcEndpointAccess(DomainName=domain_name) AuthorizedPrincipalList[]',
    ('aws_elasticsearch_versions', 'instance_types'): (
        'es:ListElasticsearchInstanceTypes(ElasticsearchVersion=item) ElasticsearchInstanceTypes[]'),
    ('aws_iot_ca_certificates', 'certificates'): 'iot:ListCertificatesByCA(caCertificateId=certificate_id) certificates[].certificateArn',
    ('aws_iot_certificates', 'policies'): 'iot:ListAttachedPolicies(target=certificate_arn) policies[].policyArn',
    ('aws_iot_thing_groups', 'policies'): 'iot:ListAttachedPolicies(target=thing_group_arn) policies[].policyArn',
    ('aws_iot_thing_groups', 'things_in_group'): 'iot:ListThingsInThingGroup(thingGroupName=thing_group_name) things[]',
    ('aws_iot_billing_groups', 'things_in_group'): 'iot:ListThingsInBillingGroup(billingGroupName=billing_group_name) things[]',
    ('aws_iot_security_profiles', 'targets'): (
        'iot:ListTargetsForSecurityProfile(securityProfileName=security_profile_name) securityProfileTargets[].arn'),
    ('aws_waf_rule_groups', 'rule_ids'): 'waf:ListActivatedRulesInRuleGroup(RuleGroupId=rule_group_id) ActivatedRules[].RuleId',
    ('aws_wafregional_rule_groups', 'rule_ids'): (
        'waf-regional:ListActivatedRulesInRuleGroup(RuleGroupId=rule_group_id) ActivatedRules[].RuleId'),
    ('aws_wafregional_web_acls', 'resources_for_web_acl'): 'waf-regional:ListResourcesForWebACL(WebACLId=web_acl_id) ResourceArns[]',
    ('aws_cloudtrail_trails', 'status'): 'cloudtrail:GetTrailStatus(Name=trail_arn) .',
    ('aws_redshift_clusters', 'logging_status'): 'redshift:DescribeLoggingStatus(ClusterIdentifier=cluster_identifier) .',
    ('aws_wafv2_managed_rule_groups', 'properties'): (
        'wafv2:DescribeManagedRuleGroup(Name=name; Scope={scope}; VendorName=vendor_name) .'),
    ('aws_backup_vaults', 'notifications'): 'backup:GetBackupVaultNotifications(BackupVaultName=backup_vault_name) .',
    ('aws_ssm_documents', 'permissions'): 'ssm:DescribeDocumentPermission(Name=name; PermissionType=Share) .',
    ('aws_docdb_cluster_parameter_groups', 'parameters'): (
        'docdb:DescribeDBClusterParameters(DBClusterParameterGroupName=db_cluster_parameter_group_name) Parameters[]'),
    ('aws_lambda_functions', 'policy_revision_id'): 'lambda:GetPolicy(FunctionName=configuration.function_name) RevisionId',
    ('aws_lambda_functions', 'concurrency'): 'lambda:GetFunction(FunctionName=configuration.function_name) Concurrency',
})
def text_of(service, operation, member_, **params):
    """A call whose member is JSON text."""
    def read(r):
        answer, _ = one(r, service, operation, **{k: v(r) for k, v in params.items()})
        return loads(answer.get(member_))
    return read


COLUMNS['aws_secretsmanager_secrets', 'policy'] = text_of('secretsmanager', 'GetResourcePolicy', 'ResourcePolicy', SecretId=lambda r: r.record['ARN'])
COLUMNS['aws_lambda_functions', 'policy_document'] = text_of(
    'lambda', 'GetPolicy', 'Policy', FunctionName=lambda r: r.record['Configuration']['FunctionName'])
COLUMNS['aws_backup_vaults', 'access_policy'] = text_of(
    'backup', 'GetBackupVaultAccessPolicy', 'Policy', BackupVaultName=lambda r: r.record['BackupVaultName'])
COLUMNS['aws_organizations_policies', 'content'] = lambda r: loads(
    (one(r, 'organizations', 'DescribePolicy', PolicyId=r.record['Id'])[0].get('Policy') or {}).get('Content'))


@of('aws_lambda_functions', 'code_signing_config')
def signing(r):
    arn = one(r, 'lambda', 'GetFunctionCodeSigningConfig', FunctionName=r.record['Configuration']['FunctionName'])[0].get('CodeSigningConfigArn')
    answer, shape = one(r, 'lambda', 'GetCodeSigningConfig', CodeSigningConfigArn=arn)
    return answer.get('CodeSigningConfig'), shape.members['CodeSigningConfig']


COLUMNS['aws_lambda_functions', 'code_signing_config_arn'] = lambda r: one(
    r, 'lambda', 'GetFunctionCodeSigningConfig', FunctionName=r.record['Configuration']['FunctionName'])[0].get('CodeSigningConfigArn')
for c, m in (('update_runtime_on', 'UpdateRuntimeOn'), ('runtime_version_arn', 'RuntimeVersionArn')):
    COLUMNS['aws_lambda_functions', c] = lambda r, m=m: one(
        r, 'lambda', 'GetRuntimeManagementConfig', FunctionName=r.record['Configuration']['FunctionName'])[0].get(m)


# ---- columns of a second call -----------------------------------------------------------
@of('aws_autoscaling_groups', 'notification_configurations')
def notifications(r):
    name = r.record['AutoScalingGroupName']
    found, shape = [], None
    for answer, out in r.facts.pages('autoscaling', 'DescribeNotificationConfigurations', {'AutoScalingGroupNames': [name]}, r.where):
        found += [n for n in answer.get('NotificationConfigurations') or () if n.get('AutoScalingGroupName') == name]
        shape = out.members['NotificationConfigurations']
    return found, shape


COLUMNS['aws_autoscaling_groups', 'tags'] = lambda r: pairs(r.record.get('Tags'))


def home(r):
    return {**r.where, 'region': r.record.get('HomeRegion') or r.where['region']}


@of('aws_cloudtrail_trails', 'tags')
def trail_tags(r):
    op = r.facts.operation('cloudtrail', 'ListTags')
    return find_tags(r.facts.ask('cloudtrail', op, {'ResourceIdList': [r.record['TrailARN']]}, home(r)), op.output_shape)


@of('aws_cloudtrail_trails', 'status')
def trail_status(r):
    op = r.facts.operation('cloudtrail', 'GetTrailStatus')
    return r.facts.ask('cloudtrail', op, {'Name': r.record['TrailARN']}, home(r)), op.output_shape


def recorder(member_):
    def read(r):
        answer, _ = one(r, 'config', 'DescribeConfigurationRecorderStatus', ConfigurationRecorderNames=[r.record['name']])
        status = next((s for s in answer.get('ConfigurationRecordersStatus') or () if s.get('name') == r.record['name']), {})
        return status.get(member_)
    return read


for m in ('lastErrorCode', 'lastErrorMessage', 'lastStartTime', 'lastStatus', 'lastStatusChangeTime', 'lastStopTime', 'recording'):
    COLUMNS['aws_config_configuration_recorders', 'status_' + snake(m)] = recorder(m)
COLUMNS['aws_dms_replication_instances', 'tags'] = lambda r: find_tags(*one(
    r, 'dms', 'ListTagsForResource', ResourceArnList=[r.record['ReplicationInstanceArn']]))
COLUMNS['aws_elbv1_load_balancers', 'tags'] = lambda r: find_tags(*one(
    r, 'elb', 'DescribeTags', LoadBalancerNames=[r.record['LoadBalancerName']]))
COLUMNS['aws_rds_db_snapshots', 'tags'] = lambda r: pairs(r.record.get('TagList'))
COLUMNS['aws_route53_health_checks', 'tags'] = lambda r: find_tags(*one(
    r, 'route53', 'ListTagsForResources', ResourceType='healthcheck', ResourceIds=[r.record['Id']]))


def whole(service, operation, path=None, **params):
    """The answer of a call, or a member of it."""
    def read(r):
        answer, shape = one(r, service, operation, **{k: v(r) for k, v in params.items()})
        return (answer.get(path), shape.members[path]) if path else (answer, shape)
    return read


COLUMNS['aws_elbv1_load_balancers', 'attributes'] = whole(
    'elb', 'DescribeLoadBalancerAttributes', 'LoadBalancerAttributes', LoadBalancerName=lambda r: r.record['LoadBalancerName'])
COLUMNS['aws_lightsail_distributions', 'latest_cache_reset'] = whole(
    'lightsail', 'GetDistributionLatestCacheReset', distributionName=lambda r: r.record['name'])
COLUMNS['aws_ec2_regional_configs', 'ebs_encryption_enabled_by_default'] = lambda r: r.record.get('EbsEncryptionByDefault')
COLUMNS['aws_ec2_regional_configs', 'ebs_default_kms_key_id'] = lambda r: one(r, 'ec2', 'GetEbsDefaultKmsKeyId')[0].get('KmsKeyId')
COLUMNS['aws_glue_registry_schema_versions', 'metadata'] = whole(
    'glue', 'QuerySchemaVersionMetadata', 'MetadataInfoMap', SchemaVersionId=lambda r: r.listed[0]['SchemaVersionId'])
COLUMNS['aws_ses_identities', 'sending_enabled'] = lambda r: (r.listed[0] or r.record).get('SendingEnabled')
COLUMNS['aws_ses_configuration_sets', 'name'] = lambda r: r.record.get('ConfigurationSetName')
COLUMNS['aws_codepipeline_pipelines', 'arn'] = lambda r: (r.response[0].get('metadata') or {}).get('pipelineArn')   # CloudQuery puts an ARN into an ARN
COLUMNS['aws_resiliencehub_app_assessments', 'app_arn'] = lambda r: r.listed[0]['appArn'] if r.listed[0] else r.record['appArn']
COLUMNS['aws_ram_resource_share_permissions', 'permission'] = lambda r: loads((one(
    r, 'ram', 'GetPermission', permissionArn=r.record['arn'], permissionVersion=7)[0].get('permission') or {}).get('permission'))
for t, kind, c in (('rule_groups', 'rulegroup', 'rule_group_id'), ('rules', 'rule', 'rule_id')):     # as AWS writes them
    COLUMNS['aws_waf_' + t, 'arn'] = lambda r, kind=kind, c=c: f'arn:aws:waf::{r.client["account_id"]}:{kind}/{r.get(c)}'
COLUMNS['aws_kms_key_policies', 'name'] = lambda r: 'default'
for c, m in (('query', 'Query'), ('type', 'Type')):
    COLUMNS['aws_resourcegroups_resource_groups', c] = lambda r, m=m: ((one(
        r, 'resource-groups', 'GetGroupQuery', Group=r.record['GroupArn'])[0].get('GroupQuery') or {}).get('ResourceQuery') or {}).get(m)
for c, m in (('name', 'TemplateName'), ('content', 'TemplateContent'), ('subject', 'TemplateSubject')):
    COLUMNS['aws_ses_custom_verification_email_templates', c] = lambda r, m=m: r.record.get(m)
COLUMNS['aws_waf_web_acls', 'logging_configuration'] = whole(
    'waf', 'GetLoggingConfiguration', 'LoggingConfiguration', ResourceArn=lambda r: r.record['WebACLArn'])
COLUMNS['aws_wafv2_web_acls', 'logging_configuration'] = whole(
    'wafv2', 'GetLoggingConfiguration', 'LoggingConfiguration', ResourceArn=lambda r: r.record['ARN'])
COLUMNS['aws_wafv2_ipsets', 'addresses'] = lambda r: r.record.get('Addresses')


@of('aws_wafv2_web_acls', 'resources_for_web_acl')
def protected(r):
    out = []
    if r.client['scope'] == 'CLOUDFRONT':
        op = r.facts.operation('cloudfront', 'ListDistributionsByWebACLId')
        for answer, shape in r.facts.pages('cloudfront', 'ListDistributionsByWebACLId', {'WebACLId': r.record['Id']}, r.where):
            out += [d['ARN'] for d, _ in r.facts.walk(answer, shape, 'DistributionList.Items[]')]
        return out
    op = r.facts.operation('wafv2', 'ListResourcesForWebACL')
    for kind in op.input_shape.members['ResourceType'].enum:
        out += r.facts.ask('wafv2', op, {'WebACLArn': r.record['ARN'], 'ResourceType': kind}, r.where).get('ResourceArns') or []
    return out


@of('aws_iam_accounts', 'aliases')
def aliases(r):
    return [a for answer, _ in r.facts.pages('iam', 'ListAccountAliases', {}, r.where) for a in answer.get('AccountAliases') or ()]


@of('aws_mq_broker_configuration_revisions', 'data')
def revision(r):
    """The XML as JSON: attributes behind @, children by name, texts."""
    def told(e):
        out = {'@' + k: v for k, v in e.attrib.items()}
        for child in e:
            seen = told(child)
            out[child.tag] = [out[child.tag], seen] if child.tag in out else seen
        return out or e.text or ''
    return json.dumps(told(xml.etree.ElementTree.fromstring(base64.b64decode(r.record['Data'])))) if r.record.get('Data') else None


# The list tells them, and the answer's headers once more.
for n in ('VersionLabel', 'Description', 'KmsKeyArn', 'ContentType', 'VersionNumber', 'ApplicationId', 'ConfigurationProfileId'):
    COLUMNS['aws_appconfig_hosted_configuration_versions', re.sub(r'(?<!^)([A-Z])', r'_\1', n).lower()] = lambda r, n=n: (r.listed[0] or r.record).get(n)
COLUMNS['aws_wellarchitected_lenses', 'share_invitation_id'] = lambda r: r.record.get('ShareInvitationId')
COLUMNS['aws_wellarchitected_lenses', 'tags'] = lambda r: r.record.get('Tags')
for t in ('configuration_options', 'configuration_settings'):
    COLUMNS['aws_elasticbeanstalk_' + t, 'application_arn'] = lambda r: None if r.parent.get('application_name') is None else \
        f'arn:aws:elasticbeanstalk:{r.client["region"]}:{r.client["account_id"]}:application/{r.parent.get("application_name")}'
COLUMNS['aws_networkfirewall_firewalls', 'arn'] = lambda r: (r.response[0].get('Firewall') or {}).get('FirewallArn')
for t, m in (('firewalls', 'Firewall'), ('firewall_policies', 'FirewallPolicyResponse'), ('rule_groups', 'RuleGroupResponse'),
             ('tls_inspection_configurations', 'TLSInspectionConfigurationResponse')):
    COLUMNS['aws_networkfirewall_' + t, 'tags'] = lambda r, m=m: pairs((r.response[0].get(m) or {}).get('Tags'))
for c, m in (('attributes', 'attributes'), ('user_attributes', 'userAttributes')):
    COLUMNS['aws_inspector_findings', c] = lambda r, m=m: pairs(r.record.get(m), 'key', 'value')
COLUMNS['aws_lightsail_distributions', 'tags'] = lambda r: pairs(r.record.get('tags'))


# ---- maps of attributes -------------------------------------------------------------
TEXT_JSON = {'policy', 'redrive_policy', 'redrive_allow_policy', 'delivery_policy', 'effective_delivery_policy', 'filter_policy'}


def attributes(table, read, named):
    """Columns out of a map of texts; what has no column is in unknown_fields. named(row) -> {column: value} beside it."""
    def cell(name):
        def value(row):
            found = read(row)
            if name in named(row):
                return named(row)[name]
            if name == 'unknown_fields':
                names = {letters(c) for c in row.facts.columns[table]} | {letters(c) for c in ('QueueArn', 'TopicArn', 'SubscriptionArn')}
                return {k: v for k, v in found.items() if letters(k) not in names}
            got = next((v for k, v in found.items() if letters(k) == letters(name)), None)
            return loads(got) if name in TEXT_JSON else got
        return value
    return cell


def add_attributes(facts_columns):
    for c in facts_columns['aws_iam_accounts']:
        if c not in ('account_id', 'aliases'):
            COLUMNS['aws_iam_accounts', c] = lambda r, c=c: next(
                (v for k, v in (r.record.get('SummaryMap') or {}).items() if letters(k) == letters(c)), None)
    def sqs(row):
        return row.record if isinstance(row.record, dict) else {}
    cell = attributes('aws_sqs_queues', sqs, lambda r: {'url': r.item, 'arn': sqs(r).get('QueueArn')})
    for c in facts_columns['aws_sqs_queues']:
        if c not in ('account_id', 'region', 'tags'):
            COLUMNS['aws_sqs_queues', c] = cell(c)
    cell = attributes('aws_sns_topics', sqs, lambda r: {'arn': sqs(r).get('TopicArn') or r.listed[0]['TopicArn']})
    for c in facts_columns['aws_sns_topics']:
        if c not in ('account_id', 'region', 'tags'):
            COLUMNS['aws_sns_topics', c] = cell(c)
    own = {'arn': 'SubscriptionArn', 'topic_arn': 'TopicArn', 'owner': 'Owner', 'protocol': 'Protocol', 'endpoint': 'Endpoint',
           'subscription_arn': 'SubscriptionArn'}
    cell = attributes('aws_sns_subscriptions', sqs, lambda r: {c: (r.listed[0] or r.record).get(m) for c, m in own.items()})
    for c in facts_columns['aws_sns_subscriptions']:
        if c not in ('account_id', 'region'):
            COLUMNS['aws_sns_subscriptions', c] = cell(c)


# ---- tables with a fetch of their own -------------------------------------------------
def rows_of(table):
    def keep(f):
        ROWS[table] = f
        return f
    return keep


@rows_of('aws_lambda_runtimes')
def runtimes(facts, table):
    from oracle import Row
    shape = facts.operation('lambda', 'GetFunction').output_shape.members['Configuration'].members['Runtime']
    for name in shape.enum:
        yield Row(facts, table, {'account_id': facts.account, 'region': facts.regions[0]}, {}, None, item=name)


@rows_of('aws_s3_buckets')
def buckets(facts, table):
    from oracle import Row
    client = facts.clients(table)[0]
    op = facts.operation('s3', 'ListBuckets')
    for answer, shape in facts.pages('s3', 'ListBuckets', {}, client):
        for b in answer.get('Buckets') or ():
            row = Row(facts, table, client, b, op.output_shape.members['Buckets'].member)
            row.where = client
            there = b.get('BucketRegion')
            if not there:
                there = one(row, 's3', 'GetBucketLocation', Bucket=b['Name'])[0].get('LocationConstraint')
                there = {'EU': 'eu-west-1', None: 'us-east-1', '': 'us-east-1'}.get(there, there)
            row.where = {**client, 'region': there}
            row.cells['region'] = there, None
            answer, out = one(row, 's3', 'GetBucketPolicyStatus', Bucket=b['Name'])
            row.cells['policy_status'] = answer.get('PolicyStatus'), out.members['PolicyStatus']
            row.cells['tags'] = pairs(one(row, 's3', 'GetBucketTagging', Bucket=b['Name'])[0].get('TagSet')), None
            yield row


@rows_of('aws_organizations_organizational_units')
def units(facts, table):
    from oracle import Row
    client = facts.clients(table)[0]
    shape = facts.operation('organizations', 'ListOrganizationalUnitsForParent').output_shape.members['OrganizationalUnits'].member
    todo = [r['Id'] for answer, _ in facts.pages('organizations', 'ListRoots', {}, client) for r in answer.get('Roots') or ()]
    while todo:
        above = todo.pop(0)
        for answer, _ in facts.pages('organizations', 'ListOrganizationalUnitsForParent', {'ParentId': above}, client):
            for record in answer.get('OrganizationalUnits') or ():
                todo.append(record['Id'])
                row = Row(facts, table, client, record, shape)
                row.where = client
                yield row


@rows_of('aws_redshift_cluster_parameter_groups')
def parameter_groups(facts, table):
    from oracle import Row
    for parent in facts.rows('aws_redshift_clusters'):
        shape = parent.shape.members['ClusterParameterGroups'].member
        for record in parent.record.get('ClusterParameterGroups') or ():
            row = Row(facts, table, parent.client, record, shape, parent)
            row.where = parent.client
            yield row


@rows_of('aws_eks_cluster_oidc_identity_provider_configs')
def providers(facts, table):
    from oracle import Row
    op = facts.operation('eks', 'DescribeIdentityProviderConfig')
    for parent in facts.rows('aws_eks_clusters'):
        name = parent.record['name']
        for answer, _ in facts.pages('eks', 'ListIdentityProviderConfigs', {'clusterName': name}, parent.client):
            for item_ in answer.get('identityProviderConfigs') or ():
                if item_.get('type') != 'oidc':
                    continue
                answer2 = facts.ask('eks', op, {'clusterName': name, 'identityProviderConfig': item_}, parent.client)
                record = (answer2.get('identityProviderConfig') or {}).get('oidc')
                shape = op.output_shape.members['identityProviderConfig'].members['oidc']
                row = Row(facts, table, parent.client, record, shape, parent)
                row.where = parent.client
                yield row


@of('aws_route53_hosted_zones', 'tags')
def zone_tags(r):
    return find_tags(*one(r, 'route53', 'ListTagsForResources', ResourceType='hostedzone', ResourceIds=[r.record['Id']]))


def zone(r):
    return one(r, 'route53', 'GetHostedZone', Id=r.record['Id'])


COLUMNS['aws_route53_hosted_zones', 'vpcs'] = lambda r: (zone(r)[0].get('VPCs'), zone(r)[1].members['VPCs'])
COLUMNS['aws_route53_hosted_zones', 'delegation_set'] = lambda r: (zone(r)[0].get('DelegationSet'), zone(r)[1].members['DelegationSet'])
COLUMNS['aws_route53_hosted_zones', 'delegation_set_id'] = lambda r: (zone(r)[0].get('DelegationSet') or {}).get('Id')


@rows_of('aws_route53_hosted_zones')
def zones(facts, table):
    from oracle import Row
    client = facts.clients(table)[0]
    for answer, shape in facts.pages('route53', 'ListHostedZones', {}, client):
        for z, inner in facts.walk(answer, shape, 'HostedZones[]'):
            row = Row(facts, table, client, z, inner)
            row.where = client
            yield row


@rows_of('aws_iam_credential_reports')
def report(facts, table):
    from oracle import Row
    client = facts.clients(table)[0]
    op = facts.operation('iam', 'GetCredentialReport')
    text = facts.ask('iam', op, {}, client)['Content'].decode()
    for line in csv_.DictReader(io.StringIO(text)):
        row = Row(facts, table, client, line, None)
        for c, kind in facts.columns[table].items():
            if c in ('account_id', 'region'):
                continue
            value = next((v for k, v in line.items() if letters(k) == letters(c)), None)
            row.cells[c] = (None if value in ('N/A', 'not_supported', 'no_information') and kind != 'utf8' else value), None
        row.cells['account_id'] = client['account_id'], None
        yield row

