# timeout: 120
# Every way in which AWS's SDKs find credentials, against servers that speak the documented exchanges and check each
# signature: who is asked, what is told when it fails, that keys are got once and renewed, and that no secret gets out.
import hashlib
import json
import os
import sqlite3
import stat
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/aws')
import shared
from logins import Servers, stamp

tap = shared.Tap()
HOME = os.environ['HOME']
PLAIN = {k: v for k, v in os.environ.items() if not k.startswith('AWS_')}
seen = []                                       # all that people could read


def write(name, text, mode=0o600):
    path = os.path.join(HOME, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def clean(config='', **env):
    os.environ.clear()
    os.environ.update(PLAIN, AWS_EC2_METADATA_DISABLED='true', AWS_ENDPOINT_URL=s.url)
    os.environ.update(env)
    write('.aws/config', config)
    write('.aws/credentials', '')


def ask(sql="SELECT vpc_id FROM aws_ec2_vpcs", db=None, **config):
    """The rows, or the error's text, of a connection that knows nothing yet."""
    db = db or shared.connect(':memory:')
    try:
        db.execute("SELECT cq_config('cache_ttl', 0), cq_config('aws.regions', '[\"eu-west-1\"]')")
        for k, v in config.items():
            db.execute('SELECT cq_config(?, ?)', (f'aws.{k}', v if isinstance(v, str) else json.dumps(v)))
        out = [r[0] for r in db.execute(sql).fetchall()]
    except sqlite3.Error as e:
        out = str(e)
    seen.append(repr(out))
    seen.append(repr(db.execute('SELECT * FROM cq_requests').fetchall()))
    return out


def whose(rows):
    """From vpc-ASIAIMDS____0001 to imds."""
    return [r[8:].split('_')[0].lower() for r in rows] if isinstance(rows, list) else rows


s = Servers()

# -- the container's endpoint ----------------------------------------------------
token = write('token', 'pod-token\n')
clean(AWS_CONTAINER_CREDENTIALS_FULL_URI=f'{s.url}/container/v1', AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=token)
tap.is_('EKS Pod Identity: a token in a file', whose(ask()), ['pod'])
clean(AWS_CONTAINER_CREDENTIALS_FULL_URI=f'{s.url}/container/v1', AWS_CONTAINER_AUTHORIZATION_TOKEN='pod-token')
tap.is_('ECS: a token in the environment', whose(ask()), ['pod'])
clean(AWS_CONTAINER_CREDENTIALS_FULL_URI=f'{s.url}/container/v1', AWS_CONTAINER_AUTHORIZATION_TOKEN='another')
tap.has('a refusal says who refuses', ask(), 'aws: container endpoint: answered with status 401: no such token')
clean(AWS_CONTAINER_CREDENTIALS_FULL_URI='http://192.0.2.1/x')
tap.has('no other host is asked', ask(), 'names a host that may not be asked: 192.0.2.1')
clean(AWS_CONTAINER_CREDENTIALS_FULL_URI=f'{s.url}/container/v1', AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE='/nowhere')
tap.has('a token file that is not there', ask(), 'aws: container endpoint: token: /nowhere: cannot open: no such file')

# -- the instance's metadata service ------------------------------------------------
imds = {'AWS_EC2_METADATA_DISABLED': 'false', 'AWS_EC2_METADATA_SERVICE_ENDPOINT': f'{s.url}/imds'}
clean(**imds, http_proxy='http://127.0.0.1:1', HTTP_PROXY='http://127.0.0.1:1', no_proxy='')
tap.is_('IMDSv2, never by a proxy', ask(custom_endpoint_url='http://127.0.0.1:1/') and
        s.count('PUT /imds/latest/api/token'), 1)
clean(**imds)
n = len(s.asked)
tap.is_('IMDSv2: token, role, keys', (whose(ask()), [p for _, p, _, _ in s.asked[n:n + 3]]),
        (['imds'], ['/imds/latest/api/token'] + ['/imds/latest/meta-data/iam/security-credentials/' + r for r in ('', 'my%20role')]))
s.refuse = {'/imds2/latest/api/token'}
clean(AWS_EC2_METADATA_DISABLED='false', AWS_EC2_METADATA_SERVICE_ENDPOINT=f'{s.url}/imds2')
tap.is_('version 1 where there are no tokens', whose(ask()), ['imds'])
os.environ['AWS_EC2_METADATA_V1_DISABLED'] = 'true'
tap.has('but not where that is disabled', ask(), 'gives no token (status 404), and version 1 is disabled')
s.refuse = {'/imds/latest/meta-data'}
clean(**imds)
tap.has('an instance without a role', ask(), 'aws: no credentials found: the instance has no role')
s.refuse = set()
clean(AWS_EC2_METADATA_DISABLED='false', AWS_EC2_METADATA_SERVICE_ENDPOINT='http://127.0.0.1:1')
tap.has('no instance', ask(), 'aws: no credentials found, and no instance metadata service answers\nhint: set AWS_ACCESS_KEY_ID')
clean()
tap.has('nothing at all', ask(), 'aws: no credentials found\nhint: set AWS_ACCESS_KEY_ID')
clean('[profile ec2]\nrole_arn = arn:aws:iam::222222222222:role/r\ncredential_source = Ec2InstanceMetadata\n', **imds, AWS_PROFILE='ec2')
tap.is_('credential_source = Ec2InstanceMetadata', whose(ask()), ['role'])

# -- web identity --------------------------------------------------------------------
token = write('web', 'web-token-x\n')
clean(AWS_WEB_IDENTITY_TOKEN_FILE=token, AWS_ROLE_ARN='arn:aws:iam::333333333333:role/irsa', AWS_ROLE_SESSION_NAME='me')
tap.is_('IRSA', whose(ask()), ['web'])
tap.is_('with the session name', s.count('RoleSessionName=me'), 1)
clean(f'[profile w]\nrole_arn = arn:aws:iam::333333333333:role/r\nweb_identity_token_file = {token}\n'
      '[profile up]\nrole_arn = arn:aws:iam::444444444444:role/r\nsource_profile = w\n')
tap.is_('by a profile, and a role on top', whose(ask(local_profile='up')), ['role'])
write('web', 'stolen-token-y\n')
text = ask(local_profile='w')
tap.has('a refusal', text, 'aws: cannot assume arn:aws:iam::333333333333:role/r: InvalidIdentityToken: Not a token: ***')
tap.has('tells whose token it is', text, f"the token is that of {token}")

# -- credential_process ---------------------------------------------------------------
program = write('bin/my helper', f'''#!/bin/sh
echo run >> {HOME}/runs
test "$1" = 'a b;echo' -a "$2" = '$HOME' -a "$3" = '"' || exit 3
cat {HOME}/printed
''', 0o700)


def printed(**more):
    a, k, t, e = s.keys('proc')
    write('printed', json.dumps({'Version': 1, 'AccessKeyId': a, 'SecretAccessKey': k, 'SessionToken': t, 'Expiration': e, **more}))


def runs():
    return open(f'{HOME}/runs', encoding='utf-8').read().count('run') if os.path.exists(f'{HOME}/runs') else 0


process = f'''[default]\ncredential_process = "{program}" "a b;echo" $HOME \\" \n'''
clean(process)
printed()
tap.is_('credential_process, split as a shell does and run without one', whose(ask()), ['proc'])
clean(process + ''.join(f'[profile r{i}]\nrole_arn = arn:aws:iam::{i:012}:role/r\nsource_profile = default\n' for i in range(200)))
before, n = runs(), s.count('Action=AssumeRole&')
rows = ask(accounts=[{'id': f'a{i}', 'local_profile': f'r{i}'} for i in range(200)])
tap.is_('two hundred roles above it run it once', (len(rows), runs() - before, s.count('Action=AssumeRole&') - n), (200, 1, 200))
for name, text, want in (
        ('another version', {'Version': 2}, 'credential_process printed another Version than 1'),
        ('no key', {'AccessKeyId': ''}, 'credential_process: answer lacks AccessKeyId'),
        ('expired keys', {'Expiration': stamp(-60)}, 'credential_process: the keys are expired'),
        ('no time', {'Expiration': 'tomorrow'}, 'credential_process: Expiration is not a time'),
        ('a key that would begin a header', {'SessionToken': 'a\nX-Evil: b'}, 'credential_process: keys hold a blank or control character')):
    printed(**text)
    tap.has(f'credential_process: {name}', ask(), f'aws: profile default: {want}')
write('printed', 'no JSON')
tap.has('credential_process: no JSON', ask(), 'aws: profile default: credential_process printed no JSON object')
write('printed', '{"Version": 1, "x": "' + 'x' * 70000 + '"}')
tap.has('credential_process: too much', ask(), 'aws: profile default: credential_process printed more than 65536 bytes')
for name, line, want in (('a status', '/bin/sh -c "exit 7"', 'ended with status 7'), ('a signal', "/bin/sh -c 'kill -9 $$'", 'ended by signal 9'),
                         ('no program', '/no/such/program', 'cannot run /no/such/program: no such program'),
                         ('an open quote', '"/bin/echo', 'is no command: a quote is left open')):
    clean(f'[default]\ncredential_process = {line}\n')
    tap.has(f'credential_process: {name}', ask(), f'aws: profile default: credential_process {want}')

# -- SSO --------------------------------------------------------------------------------
SESSION = '''[profile dev]
sso_session = corp
sso_account_id = 111111111111
sso_role_name = Read er
[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.awsapps.com/start
[profile old]
sso_start_url = https://old.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 111111111111
sso_role_name = Read er
'''


def cached(name, seconds, **more):
    digest = hashlib.sha1(name.encode()).hexdigest()
    return write(f'.aws/sso/cache/{digest}.json', json.dumps({'startUrl': 'https://corp.awsapps.com/start', 'region': 'eu-west-1',
                                                             'accessToken': 'sso-token-1', 'expiresAt': stamp(seconds), **more}))


def sso(profile):
    clean(SESSION, AWS_PROFILE=profile, AWS_ENDPOINT_URL_SSO=f'{s.url}/sso', AWS_ENDPOINT_URL_SSO_OIDC=f'{s.url}/oidc')


RENEWS = {'clientId': 'client', 'clientSecret': 'client-secret-x', 'refreshToken': 'refresh-token-1', 'registrationExpiresAt': stamp(9999)}
sso('dev')
tap.has('sso: nobody has logged in', ask(), 'aws: profile dev: sso: nobody is logged in\nhint: run: aws sso login --profile dev')
cached('corp', 3600)
tap.is_('sso-session', whose(ask()), ['sso'])
path = cached('corp', 60, **RENEWS)
n = s.count('POST /oidc/token')
tap.is_('a token near its end is renewed', (whose(ask()), s.count('POST /oidc/token') - n), (['sso'], 1))
kept = json.load(open(path, encoding='utf-8'))
tap.is_('and kept for others', (kept['accessToken'], kept['refreshToken'], kept['clientId'], stat.S_IMODE(os.stat(path).st_mode),
                                kept['expiresAt'] > stamp(3000), os.listdir(os.path.dirname(path))),
        ('sso-token-2', 'refresh-token-2', 'client', 0o600, True, [os.path.basename(path)]))
cached('corp', 60, **{**RENEWS, 'refreshToken': 'revoked-one'})
tap.is_('where renewing fails a token that is still good serves', whose(ask()), ['sso'])
cached('corp', -60, **{**RENEWS, 'refreshToken': 'revoked-one'})
tap.has('one that is not does not', ask(), 'aws: profile dev: sso: the login has expired, and is not renewed: invalid_grant\n'
        'hint: run: aws sso login --profile dev')
cached('corp', -60)
tap.has('a token without means to renew it', ask(), 'aws: profile dev: sso: the login has expired\nhint: run: aws sso login')
cached('corp', 60, accessToken='sso-token-9')
tap.has('a token that was revoked', ask(), 'aws: profile dev: sso: the login is not valid any more\nhint: run: aws sso login')
sso('old')
cached('https://old.awsapps.com/start', 3600)
tap.is_('legacy SSO', whose(ask()), ['sso'])

# -- renewal -------------------------------------------------------------------------------
clean(AWS_CONTAINER_CREDENTIALS_FULL_URI=f'{s.url}/container/v1', AWS_CONTAINER_AUTHORIZATION_TOKEN='pod-token')
s.life = 12
db = shared.connect(':memory:')
first = ask(db=db)
answers = []


def until(done):
    """Asks again and again, a minute at most, until that is so."""
    end = time.monotonic() + 60
    while not done() and time.monotonic() < end:
        answers.append(ask(db=db))
        time.sleep(0.1)


until(lambda: answers and answers[-1] != first)
tap.is_('keys are renewed before they end: nobody sees that', {str(whose(a)) for a in answers}, {"['pod']"})
second, n = answers[-1], s.count('GET /container')
s.refuse = {'/container'}
until(lambda: s.count('GET /container') > n)
tap.is_('while renewing fails, keys that are good go on', answers[-1], second)
until(lambda: isinstance(answers[-1], str))
tap.has('until their end', answers[-1], 'aws: container endpoint: answered with status 404')
s.refuse, s.life = set(), 3600
until(lambda: isinstance(answers[-1], list))
tap.is_('and it goes on when they can be got again', whose(answers[-1]), ['pod'])

# -- what got out --------------------------------------------------------------------------
text = '\n'.join(seen)
tap.none('no secret in any message, row or log', [v for pair in s.given.values() for v in pair if v in text] +
         [w for w in ('web-token-x', 'stolen-token-y', 'pod-token', 'imds-token', 'sso-token', 'refresh-token', 'client-secret-x') if w in text])
tap.done()
