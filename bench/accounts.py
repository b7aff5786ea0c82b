"""The case "accounts": an organization with many accounts, read whole, from a server that costs little (cloud.c).

Its accounts are listed, each one's role is assumed, and each table is asked once for each account and region: 17 regions, of
which two have rows, and tables of which ten have any, as it is with AWS. What is measured: until the first table is asked;
CPU, memory and requests of a sync; of one that is killed in the middle, what a second asks for again.
"""
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import measure

REGIONS = ('us-east-1 us-east-2 us-west-1 us-west-2 ap-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-southeast-1 '
           'ap-southeast-2 ca-central-1 eu-central-1 eu-west-1 eu-west-2 eu-west-3 eu-north-1 sa-east-1').split()
WITH_ROWS = ('us-east-1', 'eu-west-1')
ROWS = 2       # of an answer that has any
# accounts, tables; --full measures the second.
SIZE, FULL = (200, 10), (2000, 100)
PER_PAGE = 20  # accounts of an answer of the organization: see cloud.c


def xml(action, path, record):
    """An answer of the protocols ec2 and query: `path` are the elements around the records."""
    inner = ''.join(record.replace('#', str(i)) for i in range(ROWS))
    for element in reversed(path.split('.')):
        inner = f'<{element}>{inner}</{element}>' if element != 'item' else inner
    return f'<{action}Response>{inner}</{action}Response>'


def records(name, record):
    """One of the JSON protocols."""
    return json.dumps({name: [json.loads(json.dumps(record).replace('#', str(i))) for i in range(ROWS)]})


TAGS = '<tagSet><item><key>Name</key><value>of #</value></item><item><key>team</key><value>blue</value></item></tagSet>'
# table: signing name, operation, answer
ANSWERS = {
    'aws_ec2_vpcs': ('ec2', 'DescribeVpcs', xml('DescribeVpcs', 'vpcSet', (
        '<item><vpcId>vpc-0a#</vpcId><state>available</state><cidrBlock>10.#.0.0/16</cidrBlock><dhcpOptionsId>dopt-1</dhcpOptionsId>'
        f'<instanceTenancy>default</instanceTenancy><isDefault>false</isDefault>{TAGS}</item>'))),
    'aws_ec2_subnets': ('ec2', 'DescribeSubnets', xml('DescribeSubnets', 'subnetSet', (
        '<item><subnetId>subnet-0a#</subnetId><subnetArn>arn:aws:ec2:r:1:subnet/subnet-0a#</subnetArn><vpcId>vpc-0a1</vpcId>'
        '<state>available</state><cidrBlock>10.0.#.0/24</cidrBlock><availableIpAddressCount>251</availableIpAddressCount>'
        f'<availabilityZone>za</availabilityZone><mapPublicIpOnLaunch>true</mapPublicIpOnLaunch>{TAGS}</item>'))),
    'aws_ec2_security_groups': ('ec2', 'DescribeSecurityGroups', xml('DescribeSecurityGroups', 'securityGroupInfo', (
        '<item><groupId>sg-0a#</groupId><groupName>web #</groupName><groupDescription>of the web</groupDescription><ownerId>1</ownerId>'
        '<vpcId>vpc-0a1</vpcId><ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort>'
        f'<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissions>{TAGS}</item>'))),
    'aws_ec2_ebs_volumes': ('ec2', 'DescribeVolumes', xml('DescribeVolumes', 'volumeSet', (
        '<item><volumeId>vol-0a#</volumeId><size>8</size><status>in-use</status><createTime>2024-05-06T07:08:09.000Z</createTime>'
        '<attachmentSet><item><volumeId>vol-0a#</volumeId><instanceId>i-#</instanceId><device>/dev/sda1</device></item></attachmentSet>'
        f'<volumeType>gp3</volumeType><iops>3000</iops><encrypted>true</encrypted>{TAGS}</item>'))),
    'aws_rds_subnet_groups': ('rds', 'DescribeDBSubnetGroups', xml(
        'DescribeDBSubnetGroups', 'DescribeDBSubnetGroupsResult.DBSubnetGroups', (
            '<DBSubnetGroup><DBSubnetGroupName>group-#</DBSubnetGroupName><DBSubnetGroupDescription>of #</DBSubnetGroupDescription>'
            '<DBSubnetGroupArn>arn:aws:rds:r:1:subgrp:group-#</DBSubnetGroupArn><VpcId>vpc-0a1</VpcId><SubnetGroupStatus>Complete'
            '</SubnetGroupStatus><Subnets><Subnet><SubnetIdentifier>subnet-0a1</SubnetIdentifier></Subnet></Subnets></DBSubnetGroup>'))),
    'aws_cloudformation_stacks': ('cloudformation', 'DescribeStacks', xml(
        'DescribeStacks', 'DescribeStacksResult.Stacks', (
            '<member><StackId>arn:aws:cloudformation:r:1:stack/s-#/1</StackId><StackName>s-#</StackName><StackStatus>CREATE_COMPLETE'
            '</StackStatus><CreationTime>2024-05-06T07:08:09.000Z</CreationTime><Outputs><member><OutputKey>k</OutputKey><OutputValue>v'
            '</OutputValue></member></Outputs></member>'))),
    'aws_kms_aliases': ('kms', 'ListAliases', records('Aliases', {
        'AliasName': 'alias/a#', 'AliasArn': 'arn:aws:kms:r:1:alias/a#', 'TargetKeyId': 'k#', 'CreationDate': 1714979289.5,
        'LastUpdatedDate': 1714979289.5})),
    'aws_eventbridge_connections': ('events', 'ListConnections', records('Connections', {
        'ConnectionArn': 'arn:aws:events:r:1:connection/c#', 'Name': 'c#', 'ConnectionState': 'AUTHORIZED', 'AuthorizationType': 'BASIC',
        'CreationTime': 1714979289.5})),
    'aws_lambda_layers': ('lambda', '/2018-10-31/layers', records('Layers', {
        'LayerName': 'l#', 'LayerArn': 'arn:aws:lambda:r:1:layer:l#', 'LatestMatchingVersion': {
            'LayerVersionArn': 'arn:aws:lambda:r:1:layer:l#:3', 'Version': 3, 'CompatibleRuntimes': ['python3.12']}})),
    'aws_efs_access_points': ('elasticfilesystem', '/2015-02-01/access-points', records('AccessPoints', {
        'AccessPointArn': 'arn:aws:elasticfilesystem:r:1:access-point/p#', 'AccessPointId': 'p#', 'FileSystemId': 'fs-1', 'Name': 'n#',
        'LifeCycleState': 'available', 'OwnerId': '1', 'RootDirectory': {'Path': '/x'}})),
}
# Nothing is there, in any account.
EMPTY = '''aws_accessanalyzer_analyzers aws_amplify_apps aws_apigateway_api_keys aws_apigateway_client_certificates
aws_apigateway_domain_names aws_apigateway_rest_apis aws_apigateway_usage_plans aws_apigateway_vpc_links aws_apigatewayv2_apis
aws_apigatewayv2_domain_names aws_apigatewayv2_vpc_links aws_appconfig_applications aws_appstream_fleets aws_appstream_images
aws_appsync_graphql_apis aws_autoscaling_launch_configurations aws_autoscaling_plans aws_autoscaling_scheduled_actions
aws_availability_zones aws_backup_jobs aws_backup_protected_resources aws_cloudhsmv2_backups aws_cloudhsmv2_clusters
aws_cloudwatchlogs_metric_filters aws_cloudwatchlogs_resource_policies aws_codebuild_source_credentials
aws_codepipeline_webhooks aws_config_config_rules aws_config_conformance_packs aws_config_delivery_channels
aws_directconnect_connections aws_directconnect_lags aws_directconnect_virtual_interfaces aws_docdb_event_subscriptions
aws_ec2_byoip_cidrs aws_ec2_capacity_reservations aws_ec2_customer_gateways aws_ec2_dhcp_options
aws_ec2_egress_only_internet_gateways aws_ec2_eips aws_ec2_flow_logs aws_ec2_hosts aws_ec2_instance_connect_endpoints
aws_ec2_instance_statuses aws_ec2_instances aws_ec2_internet_gateways aws_ec2_key_pairs aws_ec2_launch_templates
aws_ec2_managed_prefix_lists aws_ec2_nat_gateways aws_ec2_network_acls aws_ec2_network_interfaces aws_ec2_reserved_instances
aws_ec2_route_tables aws_ec2_spot_fleet_requests aws_ec2_spot_instance_requests aws_ec2_transit_gateways
aws_ec2_vpc_endpoint_connections aws_ec2_vpc_endpoint_service_configurations aws_ec2_vpc_endpoints
aws_ec2_vpc_peering_connections aws_ec2_vpn_connections aws_ec2_vpn_gateways aws_ecr_pull_through_cache_rules
aws_elasticache_events aws_elasticache_global_replication_groups aws_elasticache_reserved_cache_nodes
aws_elasticache_snapshots aws_elasticache_subnet_groups aws_elasticache_users aws_elasticbeanstalk_application_versions
aws_eventbridge_api_destinations aws_eventbridge_archives aws_fsx_backups aws_fsx_file_systems aws_fsx_volumes
aws_glue_classifiers aws_glue_connections aws_glue_security_configurations aws_kafka_configurations aws_lightsail_disks
aws_lightsail_load_balancers aws_rds_clusters aws_rds_option_groups aws_redshift_event_subscriptions
aws_route53resolver_resolver_endpoints aws_route53resolver_resolver_rules aws_ssm_associations aws_stepfunctions_activities
aws_workspaces_workspaces'''.split()


class Cloud:
    """The server, and cq's syncs of it."""

    def __init__(self, build, folder, full):
        self.accounts, self.tables = FULL if full else SIZE
        self.build, self.folder = build, folder
        self.names = (list(ANSWERS) + EMPTY)[:self.tables]
        self.units = self.accounts * len(REGIONS) * self.tables
        self.rows = self.accounts * len(WITH_ROWS) * min(self.tables, len(ANSWERS)) * ROWS
        answers = folder / 'answers.txt'
        answers.write_text(''.join(f'{s} {o} {body}\n' for s, o, body in ANSWERS.values()))
        self.server = subprocess.Popen([str(build / 'bench' / 'cloud'), str(self.accounts), ','.join(WITH_ROWS), str(answers)],
                                       stdout=subprocess.PIPE, text=True)
        self.url = f'http://127.0.0.1:{self.server.stdout.readline().strip()}'
        self.env = {'PATH': os.environ['PATH'], 'HOME': str(folder), 'TMPDIR': str(folder), 'TZ': 'UTC', 'LANG': 'C.UTF-8',
                    'AWS_ENDPOINT_URL': self.url, 'AWS_ACCESS_KEY_ID': 'AKIAFAKE000000000000', 'AWS_SECRET_ACCESS_KEY': 'fake-secret',
                    'AWS_EC2_METADATA_DISABLED': 'true', 'AWS_CONFIG_FILE': '/dev/null', 'AWS_SHARED_CREDENTIALS_FILE': '/dev/null'}

    def stop(self):
        self.server.kill()
        self.server.wait()

    def ask(self, path):
        with urllib.request.urlopen(self.url + path) as r:
            return json.load(r)

    def sql(self, mode, **more):
        spec = {'source': 'aws', 'tables': self.names, 'write_mode': mode, 'progress': 'off', **more,
                'spec': {'org': {'member_role_name': 'reader', 'member_regions': REGIONS}}}
        return f"SELECT cq_sync('{json.dumps(spec)}');\n"

    def plan(self):
        """`cq_plan` of the same accounts, named."""
        spec = {'source': 'aws', 'tables': self.names, 'spec': {'regions': REGIONS, 'accounts': [
            {'id': f'a{i}', 'role_arn': f'arn:aws:iam::{i:012d}:role/reader'} for i in range(self.accounts)]}}
        return f"SELECT length(cq_plan('{json.dumps(spec)}'));\n"

    def shell(self, db):
        return ['sqlite3', '-batch', '-bail', '-cmd', f'.load {self.build}/cq', str(db)]

    def run(self, db, sql):
        return measure.time(self.build / 'bench' / 'took', self.shell(db), self.env, sql)

    def check(self, text):
        result = json.loads(text)
        if (result['status'], result['units'], result['rows']) != ('success', self.units, self.rows):
            sys.exit(f'bench: accounts: {text[:2000]}')
        return result

    def sync(self, db, mode, **more):
        self.ask('/reset')
        took = self.run(db, self.sql(mode, **more))
        self.check(took.pop('text'))
        return {**took, **self.ask('/count')}

    def needed(self):
        """Pages of the organization, a role and its identity for each account, a request for each unit."""
        return -(-self.accounts // PER_PAGE) + 2 * self.accounts + self.units

    def killed(self, db):
        """A sync is killed in the middle; what the one that resumes it asks for."""
        self.ask('/reset')
        proc = subprocess.Popen(self.shell(db), env=self.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            proc.stdin.write(self.sql('append'))
            proc.stdin.flush()
            while self.ask('/count')['tables'] < self.units // 2:
                if proc.poll() is not None:
                    sys.exit('bench: accounts: the sync that was to be killed has ended')
                time.sleep(0.02)
        finally:
            proc.send_signal(signal.SIGKILL)
            proc.wait()
            proc.stdin.close()
        before = self.ask('/count')['tables']
        self.ask('/mark')
        took = self.run(db, self.sql('append', resume=True))
        result = json.loads(took.pop('text'))
        if result['status'] != 'success' or result['units'] != self.units:
            sys.exit(f'bench: accounts: resumed: {str(result)[:2000]}')
        after = self.ask('/count')
        return {**took, **after, 'before': before}


def measure_case(build, folder, full):
    cloud = Cloud(build, folder, full)
    db = folder / 'accounts.db'
    found = {'accounts': cloud.accounts, 'regions': len(REGIONS), 'tables': cloud.tables, 'units': cloud.units,
             'needed': cloud.needed()}
    try:
        found['plan'] = cloud.run(':memory:', cloud.plan())
        found['plan'].pop('text')
        found['sync'] = cloud.sync(db, 'append')
        db.unlink()
        found['overwrite'] = cloud.sync(db, 'overwrite-delete-stale')
        db.unlink()
        found['resume'] = cloud.killed(db)
    finally:
        cloud.stop()
    return found
