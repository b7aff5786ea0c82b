# timeout: 120
# Instance metadata and a container's endpoint that answer what they should not: each is told in words, nothing of it becomes
# credentials, and nothing signed is sent anywhere.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')

from faults import Wire, ok
import shared

t = shared.Tap()
for name in [n for n in os.environ if n.startswith('AWS_')]:
    del os.environ[name]
answers = {}


def reply(asked):
    path = asked.path
    what = 'token' if path.endswith('/api/token') else 'role' if path.endswith('/security-credentials/') else 'keys' if '/security-credentials/' in path else \
        'container' if path == '/container' else 'api'
    seen.append(what)
    return answers.get(what) or ok('')


seen = []
wire = Wire(reply)
os.environ['AWS_ENDPOINT_URL'] = wire.url
KEYS = {'Code': 'Success', 'AccessKeyId': 'ASIAFAKE', 'SecretAccessKey': 'fake', 'Token': 'fake', 'Expiration': '2099-01-01T00:00:00Z'}
GOOD = {'token': ok('tok'), 'role': ok('my role\nanother'), 'keys': ok(json.dumps(KEYS)), 'container': ok(json.dumps(KEYS))}


def ask():
    db = shared.connect(':memory:')
    try:
        db.execute("SELECT cq_config('cache_ttl', 0), cq_config('aws.regions', '[\"eu-west-1\"]')")
        return str(db.execute('SELECT vpc_id FROM aws_ec2_vpcs').fetchall())
    except Exception as e:
        return str(e)
    finally:
        db.close()


def odd(what, name, answer, words):
    answers.clear()
    answers.update(GOOD, **{what: answer})
    seen.clear()
    told = ask()
    t.is_(f'{what}: {name}', (words if words in told else told, 'api' in seen), (words, False))


def without(key, **more):
    return ok(json.dumps({k: v for k, v in {**KEYS, **more}.items() if k != key}))


os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = wire.url
answers.update(GOOD)
ask()
t.is_('as it should be', seen[:4], ['token', 'role', 'keys', 'api'])
REFUSED = 'aws: instance metadata: '
odd('token', 'of nothing', ok(''), REFUSED + 'token refused: status 200')
odd('token', 'a status', ok('x', status='400 Bad'), REFUSED + 'token refused: status 400')
odd('token', 'a control character', ok('a\x01b'), REFUSED + 'the token holds a control character')
odd('role', 'of nothing', ok('\n \n'), 'the instance has no role')
odd('role', 'a status', ok('x', status='400 Bad'), 'aws: no credentials found: instance metadata: answered with status 400\nhint: set AWS_ACCESS_KEY_ID')
odd('role', 'of 5,000 letters', ok('x' * 5000), REFUSED + 'answer names no role')
odd('keys', 'no JSON', ok('<html>'), REFUSED + 'answered with status 200, not JSON')
odd('keys', 'half of it', ok('{"Code":"Success","Acc'), 'not JSON')
odd('keys', 'a list', ok('[]'), 'aws')
odd('keys', 'a failure', ok('{"Code":"AssumeRoleUnauthorizedAccess"}'), REFUSED + 'says AssumeRoleUnauthorizedAccess')
odd('keys', 'a status', ok(json.dumps(KEYS), status='403 No'), REFUSED + 'answered with status 403')
for key in ('AccessKeyId', 'SecretAccessKey'):
    odd('keys', f'without {key}', without(key), 'aws')
    odd('keys', f'{key} is a number', without(None, **{key: 5}), 'aws')
    odd('keys', f'{key} holds a line end', without(None, **{key: 'a\r\nX-Y: z'}), 'aws')
odd('keys', 'expired', without(None, Expiration='2001-01-01T00:00:00Z'), 'aws')
odd('keys', 'an end that is no time', without(None, Expiration='soon'), 'aws')

os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = wire.url + '/container'
PLACE = 'aws: container endpoint: '
odd('container', 'no JSON', ok('<html>'), PLACE + 'answer is not JSON')
odd('container', 'a message', ok('{"message":"not today"}', status='400 Bad'), PLACE + 'answered with status 400: not today')
odd('container', 'of nothing', ok(''), PLACE + 'answer is not JSON')
odd('container', 'a list', ok('[]'), 'aws')
odd('container', 'keys without a secret', without('SecretAccessKey'), 'aws')
odd('container', 'cut', GOOD['container'][:-5], PLACE)
os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN'] = 'a\x01b'
odd('container', 'a token of ours with a control character', GOOD['container'], PLACE + 'the authorization token holds a control character')
t.done()
