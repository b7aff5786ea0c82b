# timeout: 300
# Where requests go: what cq makes of every service's hosts, in every partition, with and without FIPS and dual stack, against botocore's resolver.
import glob
import hashlib
import json
import time
import os
import re
import sys

import botocore.loaders
import yaml
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap, connect

HERE = os.path.join(os.environ['CQ_ROOT'], 'vtab', 'aws')
ACCOUNT = '111122223333'
VARIANTS = [(f, d) for f in (False, True) for d in (False, True)]
loader = botocore.loaders.Loader()
partitions = loader.load_data('partitions')
with open(os.path.join(HERE, 'aws.yml'), encoding='utf-8') as f:
    root = yaml.safe_load(f)
regions = [(p, r) for p in partitions['partitions'] for r in sorted(p['regions']) if re.fullmatch(p['regionRegex'], r)]


def filled(text, use):
    return re.sub(r"\{\{ use\.(\w+) \}\}", lambda m: use.get(m[1], ''), text)


def said(service):
    """(model, url, region it is signed for) of the service's requests, and of those that go elsewhere; where it is its own, the client's."""
    preset = next(k for k in service['use'] if k in ('regional', 'regional-by-rule', 'global'))
    request = root['presets'][preset]['request']
    use = service['use'][preset]
    own = filled(request['auth']['region'], use)
    yield None, filled(request['url'], use), own
    for name, table in service['tables'].items():
        for r in [table.get('request')] + [c['request'] for c in table.get('calls', {}).values()] + [table.get('below', {}).get('request')]:
            if r and 'url' in r:
                auth = r.get('auth') or {}
                at, url = auth.get('region'), r['url']
                if at and 'service' not in auth:       # a region of its own: whichever it is, here the client's
                    text = bare(at).removeprefix('config.custom_endpoint_signing_region or ')
                    url, at = url.replace(text, 'client.region'), at.replace(text, 'client.region')
                yield auth.get('service'), url, at or own


def bare(text):
    m = re.fullmatch(r'\{\{ (.*) \}\}', text)
    return m[1] if m else repr(text)


def inner(region):
    """The region of a request without what a configuration may put in its place."""
    return bare(region).removeprefix('config.custom_endpoint_signing_region or ')


tap = Tap()
services, columns, about = {}, {}, {}
for path in sorted(glob.glob(os.path.join(HERE, '*.yml'))):
    file = os.path.basename(path)[:-4]
    with open(path, encoding='utf-8') as f:
        head = f.readline()
        service = yaml.load(f, Loader=getattr(yaml, 'CSafeLoader', yaml.SafeLoader))
    model = re.search(r"model of (\S+)", head)
    if file == 'aws' or not model or 'use' not in service:
        continue
    for another, url, region in said(service):
        key = (another or model[1].rstrip(':'), url, inner(region))
        if key not in about:
            about[key] = len(about)
tap.is_('kinds of hosts', len(about) > 300, True)
clients = []
for p, r in regions:
    for fips, dual in VARIANTS:
        o = p['outputs']
        clients.append({'c': f'{r} {fips} {dual}', 'region': r, 'partition': p['id'], 'fips': 'fips' if fips else 'usual', 'dual': 'dual' if dual else 'single',
                        'dns_suffix': o['dualStackDnsSuffix' if dual else 'dnsSuffix'], 'global_region': o['implicitGlobalRegion'], 'account_id': ACCOUNT})
tables = {}
for key, n in about.items():
    tables[f'x_{n}'] = {'values': ['1'], 'columns': {'at': {'from': 'client.c'}, 'url': {'value': key[1]}, 'region': {'value': '{{ %s }}' % key[2]}}}
spec = {'format': 1, 'integration': 'x', 'data': root['data'], 'tables': tables,
        'clients': {'c': {'values': "{{ '%s' | from_json }}" % json.dumps(clients), 'attributes': [k for k in clients[0]]}}}
with open('x.yml', 'w', encoding='utf-8') as f:
    json.dump(spec, f)
db = connect(':memory:')
db.execute("SELECT cq_load('x.yml')").fetchall()
compared = 0
rules = {}
for (model, url, at), n in about.items():
    if model not in rules:
        try:
            rules[model] = EndpointProvider(loader.load_service_model(model, 'endpoint-rule-set-1'), partitions)
        except BotoCoreError:
            rules[model] = None
    have = {a: (u, r) for a, u, r in db.execute(f'SELECT at, url, region FROM x_{n}')}
    wrong = []
    for p, r in regions if rules[model] else ():
        for fips, dual in VARIANTS:
            ours, signed = have[f'{r} {fips} {dual}']
            more = {'ForcePathStyle': True, 'UseGlobalEndpoint': False} if model == 's3' else {}
            try:
                end = rules[model].resolve_endpoint(Region=r, UseFIPS=fips, UseDualStack=dual, **more)
            except BotoCoreError:
                continue                  # there is none
            if at != 'client.region' and r != signed:
                continue                  # one region serves all
            schemes = end.properties.get('authSchemes') or [{}]
            theirs = end.url
            if ', client.account_id) }}' in url:
                theirs = theirs.replace('https://', f'https://{ACCOUNT}.')
            if model == 'mwaa' and '"https://api.' in url:
                theirs = theirs.replace('https://', 'https://api.')
            compared += 1
            if ours != theirs:
                wrong.append(f'{r}{" fips" if fips else ""}{" dual" if dual else ""}: {ours}, not {theirs}')
            elif at != 'client.region' and schemes[0].get('signingRegion', signed) != signed:
                wrong.append(f'{r}: is signed for {signed}, not for {schemes[0]["signingRegion"]}')
    tap.none(f'{model} {n}', wrong[:8])
print(f'# {compared} URLs')

# ---- who logs in: nothing is reached, and what could not be reached is told ----
for name in [n for n in os.environ if n.startswith('AWS_')]:
    del os.environ[name]
with open('config', 'w', encoding='utf-8') as f:
    f.write('[profile fips]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true\n')
os.environ.update(AWS_EC2_METADATA_DISABLED='true', AWS_ACCESS_KEY_ID='AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY='secret', https_proxy='http://127.0.0.1:1',
                  AWS_CONFIG_FILE='config', AWS_SHARED_CREDENTIALS_FILE='/dev/null')
sts = EndpointProvider(loader.load_service_model('sts', 'endpoint-rule-set-1'), partitions)


def host(region, role, fips=None, dual=None, profile=None):
    db = connect(':memory:')
    account = {'default_region': region, **({'role_arn': role} if role else {})}
    db.execute("SELECT cq_config('aws.max_retries', 0), cq_config('aws.accounts', ?), cq_config('aws.local_profile', ?)", (json.dumps([account]), profile))
    for key, value in (('fips', fips), ('dualstack', dual)):
        if value is not None:
            db.execute('SELECT cq_config(?, ?)', (f'aws.use_{key}_endpoint', value))
    try:
        db.execute('SELECT * FROM aws_ec2_vpcs').fetchall()
    except Exception:
        pass
    return db.execute('SELECT host FROM cq_requests LIMIT 1').fetchone()[0]


for partition, region, fips, dual in (('aws', 'eu-west-1', True, False), ('aws', 'eu-west-1', True, True), ('aws', 'eu-west-1', False, True),
                                      ('aws-us-gov', 'us-gov-east-1', True, False), ('aws-cn', 'cn-north-1', False, True)):
    theirs = sts.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual, UseGlobalEndpoint=False).url
    tap.is_(f'a role of {partition}{" fips" if fips else ""}{" dual" if dual else ""}',
            'https://' + host(region, f'arn:{partition}:iam::{ACCOUNT}:role/r', fips, dual), theirs)
os.environ['AWS_PROFILE'] = 'fips'
tap.is_("a profile's choice, of a role", host('eu-west-1', f'arn:aws:iam::{ACCOUNT}:role/r'), 'sts-fips.eu-west-1.api.aws')

# IAM Identity Center: its portal, and where its sessions are renewed, as a login's cache file asks for.
os.makedirs(os.environ['HOME'] + '/.aws/sso/cache', exist_ok=True)
for model, seconds in (('sso', 3600), ('sso-oidc', 60)):
    rules_of = EndpointProvider(loader.load_service_model(model, 'endpoint-rule-set-1'), partitions)
    for region, fips, dual in (('eu-west-1', False, False), ('eu-west-1', True, False), ('eu-west-1', False, True), ('eu-west-1', True, True),
                               ('us-gov-west-1', True, False), ('cn-north-1', False, True)):
        with open('config', 'w', encoding='utf-8') as f:
            f.write(f'[profile fips]\nsso_session = s\nsso_account_id = {ACCOUNT}\nsso_role_name = r\n[sso-session s]\nsso_region = {region}\n'
                    'sso_start_url = https://start.example\n')
        with open(f"{os.environ['HOME']}/.aws/sso/cache/{hashlib.sha1(b's').hexdigest()}.json", 'w', encoding='utf-8') as f:
            json.dump({'accessToken': 'fake-token', 'expiresAt': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + seconds)),
                       'clientId': 'c', 'clientSecret': 'fake-secret', 'refreshToken': 'fake-refresh',
                       'registrationExpiresAt': '2099-01-01T00:00:00Z'}, f)
        theirs = rules_of.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual).url
        tap.is_(f'{model} of {region}{" fips" if fips else ""}{" dual" if dual else ""}', 'https://' + host(region, None, fips, dual, 'fips'), theirs)
tap.done()
