# timeout: 120
# Whose resources are read: CloudQuery's `accounts` and `org` as they stand in its files, against servers that check each
# signature: the accounts of an organization, of some of its units and those below, which role reads them, who is left out;
# what cq_test tells of each; where requests go.
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/aws')
import shared
from logins import Servers

tap = shared.Tap()
s = Servers()
ADMIN, SECRET, SESSION, _ = s.keys('admin', '000000000009')
#                 unit: (accounts, units below); each account is (id, state)
TREE = {'r-root': ([('000000000009', 'ACTIVE')], ['ou-a', 'ou-b', 'ou-skipped']), 'ou-a': ([('000000000101', 'ACTIVE'), ('000000000102', 'SUSPENDED')], ['ou-aa']),
        'ou-aa': ([('000000000103', 'ACTIVE')], []), 'ou-b': ([('000000000104', 'ACTIVE')], ['ou-a']),
        'ou-skipped': ([('000000000105', 'ACTIVE')], [])}


def account(number, state):
    return {'Id': number, 'Arn': f'arn:aws:organizations::000000000009:account/o-1/{number}', 'Name': f'name {number}', 'Status': state}


def organizations(h, target, q, access):
    """Two entries a page."""
    if s.account[access] != '000000000009':
        return h.answer(400, {'__type': 'AccessDeniedException', 'Message': f'User: arn:aws:iam::{s.account[access]}:user/x is not authorized to '
                              'perform: organizations:ListAccounts on resource: *'})
    units = [q['ParentId']] if 'ParentId' in q else list(TREE)
    if target.endswith('ListChildren'):
        items, name = [{'Id': u, 'Type': q['ChildType']} for u in TREE[units[0]][1]], 'Children'
    else:
        items, name = [account(*a) for u in units for a in TREE[u][0]], 'Accounts'
    at = int(q.get('NextToken', 0))
    h.answer(200, {name: items[at:at + 2], **({'NextToken': str(at + 2)} if at + 2 < len(items) else {})})


s.json = organizations


def assumed(h, q, access):
    role = q['RoleArn']
    if role.endswith('104:role/reader'):
        s.fault(h, 403, 'AccessDenied', f'User: arn is not authorized to perform: sts:AssumeRole on resource: {role}')
        return True
    return False


s.trust = assumed
os.environ.update(AWS_EC2_METADATA_DISABLED='true', AWS_ENDPOINT_URL=s.url, AWS_ACCESS_KEY_ID=ADMIN, AWS_SECRET_ACCESS_KEY=SECRET,
                  AWS_SESSION_TOKEN=SESSION, AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null')


def spec(inner, tables='[aws_ec2_vpcs]'):
    return '''kind: source
spec:
  name: aws
  path: cloudquery/aws
  registry: cloudquery
  version: "v27.0.0"
  tables: %s
  destinations: [here]
  spec:
%s
---
kind: destination
spec: {name: here, path: sqlite, write_mode: append}
''' % (tables, '\n'.join('    ' + line for line in inner.strip().splitlines()))


def sync(inner, path=':memory:'):
    db = shared.connect(path)
    try:
        r = json.loads(db.execute('SELECT cq_sync(?)', (spec(inner),)).fetchone()[0])
    except sqlite3.Error as e:
        return str(e), [], []
    rows = sorted(set(x for (x,) in db.execute('SELECT account_id FROM aws_ec2_vpcs'))) if r['rows'] else []
    return r['status'], rows, db.execute('SELECT client_id, kind, message, hint FROM cq_sync_errors').fetchall()


ORG = '''
org:
  member_role_name: reader
  member_role_session_name: cloudquery
  member_external_id: ext-1
  member_regions: [eu-west-1]
'''
n = len(s.asked)
status, rows, errors = sync(ORG)
tap.is_('all active accounts of the organization', (status, rows),
        ('partial', ['000000000009', '000000000101', '000000000103', '000000000105']))
tap.is_('one that may not be assumed is one line, and says who and why', [(e[1], '104:role/reader: AccessDenied' in e[2]) for e in errors], [('failed', True)])
roles = [b for _, _, _, b in s.asked[n:] if 'Action=AssumeRole&' in b]
tap.is_('each by the role, its session name and external id', {('role%2Freader' in b, 'RoleSessionName=cloudquery' in b, 'ExternalId=ext-1' in b)
                                                              for b in roles}, {(True, True, True)})
tap.is_('only in the regions of the members', {h.get('Authorization', '').split('/')[2] for _, _, h, b in s.asked[n:] if 'DescribeVpcs' in b}, {'eu-west-1'})
tap.is_('listed page by page, and nobody asked for regions', (sum('ListAccounts' in h.get('X-Amz-Target', '') for _, _, h, _ in s.asked[n:]),
                                                             sum('DescribeRegions' in b for _, _, _, b in s.asked[n:])), (3, 0))
status, rows, errors = sync(ORG + '  organization_units: [ou-b]\n')
tap.is_('units and those below, circles included', (status, rows), ('partial', ['000000000101', '000000000103']))
status, rows, errors = sync(ORG + '  organization_units: [r-root]\n  skip_organization_units: [ou-skipped, ou-b]\n  skip_member_accounts: ["000000000009"]\n')
tap.is_('without some units and some members', (status, rows, errors), ('success', ['000000000101', '000000000103'], []))
tap.has('both ways at once', sync(ORG + 'accounts: [{id: x}]\n')[0], 'spec:15: config accounts: accounts and org exclude each other: make two sources')
tap.has('a key that org has not', sync(ORG + '  skip_member_acounts: ["000000000009"]\n')[0], 'spec:15: config org: unknown key "skip_member_acounts"\nhint: did you mean "skip_member_accounts"?')
tap.has('no role is named', str(sync('org: {member_regions: [eu-west-1]}\n')), 'config org: member_role_name: is missing')

# the admin account, and who assumes the members' roles
a, k, t, _ = s.keys('other', '000000000008')
os.environ.update(AWS_ACCESS_KEY_ID=a, AWS_SECRET_ACCESS_KEY=k, AWS_SESSION_TOKEN=t)
tap.has('who may not list the accounts is told so', sync(ORG)[0] + str(sync(ORG)[2]), 'organizations:ListAccounts')
admin = '''  admin_account: {role_arn: "arn:aws:iam::000000000009:role/admin", role_session_name: lister, external_id: ext-2}
  skip_member_accounts: ["000000000104", "000000000105"]
'''
n = len(s.asked)
tap.is_('by the admin account', sync(ORG + admin)[:2], ('success', ['000000000009', '000000000101', '000000000103']))
asked = s.asked[n:]
tap.is_('whose role is assumed once, to list and to assume the others', sum('role%2Fadmin' in b for _, _, _, b in asked), 1)
by = {s.account[h['Authorization'].split('Credential=')[1].split('/')[0]] for _, _, h, b in asked if 'role%2Freader' in b}
tap.is_('the members are assumed by it', by, {'000000000009'})
n = len(s.asked)
tap.is_('or by a principal of its own', sync(ORG + admin + '  member_trusted_principal: {role_arn: "arn:aws:iam::000000000007:role/spoke"}\n')[:2],
        ('success', ['000000000009', '000000000101', '000000000103']))
by = {s.account[h['Authorization'].split('Credential=')[1].split('/')[0]] for _, _, h, b in s.asked[n:] if 'role%2Freader' in b}
tap.is_('which then assumes them', by, {'000000000007'})

# cq_test
os.environ.update(AWS_ACCESS_KEY_ID=ADMIN, AWS_SECRET_ACCESS_KEY=SECRET, AWS_SESSION_TOKEN=SESSION)
db = shared.connect(':memory:')
told = json.loads(db.execute('SELECT cq_test(?)', (spec(ORG),)).fetchone()[0])['sources'][0]['clients']
tap.is_('cq_test tells of each account and region', sorted((c['client'].get('account_id'), c['client'].get('member'), c['client'].get('region'), c['ok']) for c in told if c['ok']),
        sorted((n, n, 'eu-west-1', True) for n in ('000000000009', '000000000101', '000000000103', '000000000105')))
tap.is_('whose keys they are', {c['client']['caller_arn'].split('/')[0] for c in told if c['ok']},
        {f'arn:aws:sts::{n}:assumed-role' for n in ('000000000009', '000000000101', '000000000103', '000000000105')})
tap.none('and nothing that is nobody else\'s', {c: 1 for t in told for c in t['client'] if c in ('external_id', 'fips', 'dual', 'dns_suffix', 'max_retries')})
bad = [c for c in told if not c['ok']]
tap.is_('and who cannot be read', [(c['client'].get('member'), c['client'].get('account_name'), '104:role/reader: AccessDenied' in c['message']) for c in bad],
        [('000000000104', 'name 000000000104', True)])

# one account that cannot be read is one line, however many tables it would have
db = shared.connect(':memory:')
r = json.loads(db.execute('SELECT cq_sync(?)', (spec(ORG, ['aws_ec2_vpcs', 'aws_ec2_subnets', 'aws_ec2_hosts']),)).fetchone()[0])
tap.is_('a member that fails, of three tables', (r['errors_total'], [(e['table'], '104:role/reader: AccessDenied' in e['message']) for e in r['errors']],
                                                 db.execute("SELECT table_name, count(*) FROM cq_sync_errors WHERE kind = 'failed' GROUP BY 1").fetchall(),
                                                 db.execute('SELECT table_name, errors FROM cq_sync_tables ORDER BY 1').fetchall()),
        (1, [('', True)], [('', 1)], [('aws_ec2_hosts', 1), ('aws_ec2_subnets', 1), ('aws_ec2_vpcs', 1)]))

# what is wrong with `org` is said before anybody is asked
n = len(s.asked)
for org, said in (({}, 'config org: member_role_name: is missing'), ({'organization_units': ['r-root']}, 'config org: member_role_name: is missing'),
                  ({'member_role_name': 'reader', 'admin_account': {'role': 'x'}}, 'config org: admin_account: unknown key "role"'),
                  ({'member_role_name': 'reader', 'member_trusted_principal': {'profile': 'x'}}, 'config org: member_trusted_principal: unknown key "profile"'),
                  ({'member_role_name': 'reader', 'skip_organization_units': ['ou-a']}, 'config org: skip_organization_units is for what is below organization_units')):
    for check in ('cq_validate', 'cq_sync'):
        try:
            seen = shared.connect(':memory:').execute(f'SELECT {check}(?)', (json.dumps({'source': 'aws', 'tables': ['aws_ec2_vpcs'], 'spec': {'org': org}}),)).fetchone()[0]
        except sqlite3.Error as e:
            seen = str(e)
        tap.has(f'{check}: {json.dumps(org)}', seen, said)
tap.is_('nobody was', len(s.asked) - n, 0)
whole = {'id': 'x', 'account_name': 'y', 'local_profile': 'p', 'role_arn': 'arn:aws:iam::1:role/x', 'role_session_name': 's', 'external_id': 'e', 'default_region': 'eu-west-1',
         'regions': ['eu-west-1']}
for inner in ({'org': {'member_role_name': 'reader', 'admin_account': whole, 'member_trusted_principal': whole}}, {'org': None},
              {'use_nested_table_rate_limiting': True, 'enable_api_level_tracing': True, 'event_based_sync': None}):
    tap.has(f'CloudQuery has {", ".join(inner)}', shared.connect(':memory:').execute('SELECT cq_validate(?)', (json.dumps({'source': 'aws', 'tables': ['aws_ec2_vpcs'], 'spec': inner}),)).fetchone()[0],
            '"valid":true')
try:
    seen = shared.connect(':memory:').execute('SELECT cq_validate(?)', (json.dumps({'source': 'aws', 'tables': ['aws_ec2_vpcs'], 'spec': {'event_based_sync': {'full_sync': True}}}),)).fetchone()[0]
except sqlite3.Error as e:
    seen = str(e)
tap.has('event_based_sync is refused, and why', seen, 'spec:1: config event_based_sync: streams of events are not read')

NEWER = 'a region that is newer than this version of cq has to stand in new_regions, too'
# a setting of another kind, by the place where it stands
for line, said in (('max_retries: -1', 'config max_retries: -1 is below 0'), ('max_backoff: -1', 'config max_backoff: -1 is below 0'),
                   ('max_retries: many', 'config max_retries: expected integer, not "many"'), ('secret_access_key: [x]', 'config secret_access_key: expected text, not a list'),
                   ('session_token: {x: y}', 'config session_token: expected text, not a map'), ('use_paid_api: true', 'aws: no setting "use_paid_api"'),
                   # what is wrong further in, by its own line
                   ('accounts:\n      - id: a\n      - id: b\n        role_arn: [x]', 'config accounts: role_arn: expected text, not a list'),
                   ('accounts:\n      - id: a\n        regions:\n          - eu-west-1\n          - eu-wset-1', 'config accounts: regions: unknown word "eu-wset-1"\nhint: did you mean "eu-west-1"? ' + NEWER),
                   ('accounts:\n      - default_region: eu-wset-1', 'config accounts: default_region: unknown word "eu-wset-1"\nhint: did you mean "eu-west-1"? ' + NEWER),
                   ('accounts: [prod]', 'config accounts: expected a map, not "prod"'),
                   ('org:\n      member_role_name: x\n      organization_units:\n        - [ou-a]', 'config org: organization_units: expected text, not a list'),
                   ('org:\n      member_role_name: x\n      member_regions: [us-est-1]', 'config org: member_regions: unknown word "us-est-1"\nhint: did you mean "us-east-1"? ' + NEWER),
                   ('org:\n      member_role_name: x\n      admin_account:\n        rol_arn: x', 'config org: admin_account: unknown key "rol_arn"\nhint: did you mean "role_arn"?'),
                   ('max_retries: 1\n    regions: [eu-wset-*]', 'config regions: unknown word "eu-wset-*"\nhint: did you mean'),
                   ('max_retries: 1\n    default_region: us-east1', 'config default_region: unknown word "us-east1"\nhint: did you mean "us-east-1"? ' + NEWER),
                   ('table_options:\n      aws_ec2_images:\n        describe_images:\n          - owners: [self]\n          - ownrs: [self]', 'aws_ec2_images: table_options: describe_images: unknown ownrs\nhint: did you mean'),
                   ('table_options:\n      aws_ec2_imges: {}', 'table_options: aws_ec2_imges: no table of aws')):
    with open('kind.yml', 'w', encoding='utf-8') as f:
        f.write(f'kind: source\nspec:\n  name: a\n  path: cloudquery/aws\n  tables: [aws_ec2_vpcs]\n  destinations: []\n  spec:\n    {line}\n')
    try:
        seen = shared.connect(':memory:').execute("SELECT cq_validate('kind.yml')").fetchone()[0]
    except sqlite3.Error as e:
        seen = str(e)
    tap.has(line, seen, f'kind.yml:{8 + line.count(chr(10))}: {said}')


# a region that nobody has is refused before anybody is asked, unless it is said to be one
def said_of(check, **inner):
    try:
        return shared.connect(':memory:').execute(f'SELECT {check}(?)', (json.dumps({'source': 'aws', 'tables': ['aws_ec2_vpcs'], 'spec': inner}),)).fetchone()[0]
    except sqlite3.Error as e:
        return str(e)


n = len(s.asked)
for check in ('cq_validate', 'cq_test', 'cq_plan', 'cq_sync'):
    tap.has(f'{check}: a region that is none', said_of(check, regions=['eu-wset-1']), 'spec:1: config regions: unknown word "eu-wset-1"\nhint: did you mean "eu-west-1"? ' + NEWER)
tap.is_('nobody was asked', len(s.asked) - n, 0)
for inner in ({'regions': ['eu-new-7'], 'new_regions': ['eu-new-7']}, {'regions': ['eu-new-*'], 'new_regions': ['eu-new-7']}, {'regions': 'us-*'}, {'regions': ['*']},
              {'regions': ['local'], 'custom_endpoint_url': s.url}, {'accounts': [{'id': 'x', 'regions': ['eu-new-7']}], 'new_regions': 'eu-new-7'}):
    tap.has(json.dumps(inner), said_of('cq_validate', **inner), '"valid":true')
db = shared.connect(':memory:')


def raised(sql):
    try:
        return db.execute(sql).fetchall()
    except sqlite3.Error as e:
        return str(e)


tap.is_('cq_config', [raised("SELECT cq_config('aws.regions', '[eu-wset-1]')")],
        ['cq_config: aws.regions: config regions: unknown word "eu-wset-1"\nhint: did you mean "eu-west-1"? ' + NEWER])
tap.is_('once it is said', db.execute("SELECT cq_config('aws.new_regions', '[eu-wset-1]'), cq_config('aws.regions', '[eu-wset-1]')").fetchone(), ('["eu-wset-1"]',) * 2)
db.execute("SELECT cq_config('aws.new_regions', NULL)")
tap.is_('and unsaid', raised('SELECT count(*) FROM aws_ec2_vpcs').split('\n')[:1], ['aws: config regions: unknown word "eu-wset-1"'])

# an account that could not be logged in to is called by what is known of it
denied = 'arn:aws:iam::000000000104:role/reader'
both = [{'id': 'prod', 'account_name': 'no', 'role_arn': denied}, {'account_name': 'sandbox', 'role_arn': denied, 'external_id': 'e'}, {'role_arn': denied, 'external_id': 'f'},
        {'local_profile': 'nobody'}]
db = shared.connect(':memory:')
r = json.loads(db.execute('SELECT cq_sync(?)', (json.dumps({'source': 'aws', 'tables': ['aws_ec2_vpcs', 'aws_ec2_hosts'], 'spec': {'regions': ['eu-west-1'], 'accounts': both}}),)).fetchone()[0])
tap.is_('in cq_sync_errors', db.execute('SELECT client_id FROM cq_sync_errors ORDER BY 1').fetchall(), [(denied,), ('nobody',), ('prod',), ('sandbox',)])
tap.is_('and in the result', sorted(e['client'] for e in r['errors']), sorted([denied, 'nobody', 'prod', 'sandbox']))
told = json.loads(said_of('cq_test', regions=['eu-west-1'], accounts=both))['sources'][0]['clients']
tap.is_('in cq_test', sorted(c['client'].get('id') or c['client'].get('account_name') or c['client'].get('role_arn') or c['client'].get('local_profile') for c in told if not c['ok']),
        sorted([denied, 'nobody', 'prod', 'sandbox']))
tap.is_('a member of an organization', {e[0] for e in sync(ORG)[2]}, {'000000000104'})

# a password in an endpoint's URL is refused, and not shown
for said in ({'custom_endpoint_url': s.url.replace('://', '://me:fake-password@')}, {'custom_endpoint_url': s.url.replace('://', '://fake-password@') + '/'},
             {'custom_endpoint_url': s.url.replace('://', '://me:fake-password@'), 'accounts': [{'role_arn': 'arn:aws:iam::000000000101:role/reader'}]}):
    try:
        seen = shared.connect(':memory:').execute('SELECT cq_sync(?)', (json.dumps({'source': 'aws', 'tables': ['aws_ec2_vpcs'], 'spec': {'regions': ['eu-west-1'], **said}}),)).fetchone()[0]
    except sqlite3.Error as e:
        seen = str(e)
    tap.is_(f'a password in a URL: {len(said)}', ('URL holds a user name' in seen, 'fake-password' in seen), (True, False))

# where requests go
os.environ.pop('AWS_ENDPOINT_URL')


def host(table, region, **env):
    os.environ.update(env)
    db = shared.connect(':memory:')
    db.execute("SELECT cq_config('aws.custom_endpoint_partition_id', ?)", ({'cn': 'aws-cn', 'us-gov': 'aws-us-gov'}.get(region.rpartition('-')[0].rpartition('-')[0], 'aws'),))
    db.execute("SELECT cq_config('aws.default_region', ?), cq_config('aws.regions', ?)", (region, json.dumps([region])))
    plan = json.loads(db.execute('SELECT cq_plan(?)', (json.dumps({'source': 'aws', 'tables': [table]}),)).fetchone()[0])
    for k in env:
        del os.environ[k]
    return [r['url'] for t in plan['sources'][0]['tables'] for r in t['requests']]


tap.is_('STS of a partition, known by the region', [host('aws_ec2_vpcs', r)[0] for r in ('eu-west-1', 'cn-north-1', 'us-iso-east-1', 'eusc-de-east-1')],
        ['https://sts.eu-west-1.amazonaws.com/', 'https://sts.cn-north-1.amazonaws.com.cn/', 'https://sts.us-iso-east-1.c2s.ic.gov/',
         'https://sts.eusc-de-east-1.amazonaws.eu/'])
tap.is_('FIPS, dual stack, both', [host('aws_ec2_vpcs', 'us-east-1', **e)[0] for e in (
    {'AWS_USE_FIPS_ENDPOINT': 'true'}, {'AWS_USE_DUALSTACK_ENDPOINT': 'true'}, {'AWS_USE_FIPS_ENDPOINT': 'true', 'AWS_USE_DUALSTACK_ENDPOINT': 'true'})],
        ['https://sts-fips.us-east-1.amazonaws.com/', 'https://sts.us-east-1.api.aws/', 'https://sts-fips.us-east-1.api.aws/'])
db.close()
tap.done()
