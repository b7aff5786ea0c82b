# timeout: 120
# Throttling: the pace that AWS's SDKs learn from refusals, and only from them, for each account, region and service; how
# often is tried, as configuration, environment and profile say.
import json
import os
import sqlite3
import sys
import threading
import time

from botocore.retries import adaptive, bucket, throttling

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/aws')
import logins
import shared
from logins import Servers

tap = shared.Tap()


# -- the numbers that the unit test compares with ------------------------------------
def sdk(events):
    """What botocore measures and allows after each answer; None before the first that was throttled."""
    class Clock:
        now = events[0][0] // 1000

        def current_time(self):
            return self.now

    class Detector:
        def is_throttling_error(self, throttled):
            return throttled

    clock = Clock()
    tokens, clocker = bucket.TokenBucket(max_rate=1, clock=clock), adaptive.RateClocker(clock)
    limiter = adaptive.ClientRateLimiter(throttling.CubicCalculator(0, clock.now), clocker, tokens, Detector(), clock)
    for ms, throttled in events:
        clock.now = ms / 1000
        limiter.on_receiving_response(throttled=throttled)
        yield f'{clocker.measured_rate:.6f} {tokens.max_rate:.6f}' if limiter._enabled else f'{clocker.measured_rate:.6f} -'


vectors = open(os.environ['CQ_ROOT'] + '/tests/unit/vectors/pace.txt', encoding='utf-8').read().split('== ')[1:]
for part in vectors:
    name, *lines = part.strip().split('\n')
    events = [tuple(int(w) for w in line.split()[:2]) for line in lines]
    wrong = [f'{line}: {theirs}' for line, theirs in zip(lines, sdk(events)) if line.split(' ', 2)[2] != theirs]
    tap.none(f"the vectors are botocore's: {name}", wrong[:5])


# -- a service that lets so many requests a second pass ---------------------------------
class Gate:
    """A token bucket for each account, region and service, as AWS has them; counts."""

    def __init__(self, rate, only=None):
        self.rate, self.only, self.lock = rate, only, threading.Lock()
        self.buckets, self.passed, self.refused, self.order = {}, {}, {}, []

    def lets(self, key):
        with self.lock:
            now = time.monotonic()
            have, at = self.buckets.get(key, (self.rate, now))
            have = min(self.rate, have + (now - at) * self.rate)
            good = have >= 1 or (self.only is not None and key not in self.only)
            self.buckets[key] = (have - good, now)
            self.order.append(key)
            count = self.passed if good else self.refused
            count[key] = count.get(key, 0) + 1
            return good


s = Servers()
access, secret, session, _ = s.keys('base', '000000000001')
BASE = {k: v for k, v in os.environ.items() if not k.startswith('AWS_')}
ROLES = 150
RATE = 25  # a second: so few that a slow machine, too, asks for more
gate = None


def clean(**env):
    os.environ.clear()
    os.environ.update(BASE, AWS_EC2_METADATA_DISABLED='true', AWS_ENDPOINT_URL=s.url, AWS_ACCESS_KEY_ID=access, AWS_SECRET_ACCESS_KEY=secret,
                      AWS_SESSION_TOKEN=session, AWS_CONFIG_FILE='config', AWS_SHARED_CREDENTIALS_FILE='/dev/null')
    os.environ.update(env)


def roles(h, q, key):
    items = ''.join(f'<member><RoleName>r{i}</RoleName><Arn>arn:aws:iam::{s.account[key]}:role/r{i}</Arn></member>' for i in range(ROLES))
    h.answer(200, f'<R><ListRolesResult><Roles>{items}</Roles></ListRolesResult></R>')


def attached(h, q, key):
    if gate and not gate.lets(s.account[key]):
        return s.fault(h, 400, 'Throttling', 'Rate exceeded')
    h.answer(200, f'<R><ListAttachedRolePoliciesResult><AttachedPolicies><member><PolicyArn>p-{q["RoleName"]}</PolicyArn></member>'
                  '</AttachedPolicies></ListAttachedRolePoliciesResult></R>')


s.answers.update(ListRoles=roles, ListAttachedRolePolicies=attached)
SPEC = logins.SPEC.replace('TABLES', 'aws_iam_role_attached_policies')


def sync(*accounts):
    db = shared.connect(':memory:')
    spec = SPEC % json.dumps([{'id': f'a{n}', 'role_arn': f'arn:aws:iam::{n:012}:role/r'} for n in accounts])
    r = json.loads(db.execute('SELECT cq_sync(?)', (spec,)).fetchone()[0])
    return r, db


open('config', 'w').close()
clean()
gate = Gate(RATE)
r, db = sync(11)
refused = sum(gate.refused.values())
print(f'# {refused} refused of {refused + sum(gate.passed.values())}')
tap.is_('a sync against a service that throttles is whole', (r['status'], r['rows'], gate.passed), ('success', 2 * ROLES, {'000000000011': ROLES}))
tap.is_('few of its requests are refused', (0 < refused < ROLES // 5), True)
tap.is_('and each of them is a retry', r['retries'], refused)

gate = Gate(RATE, only={'000000000012'})
r, db = sync(12, 13, 14)
print(f'# {gate.refused} refused of {gate.passed}')
tap.is_('one account is throttled', (r['status'], r['rows'], list(gate.refused)), ('success', 6 * ROLES, ['000000000012']))
tap.is_('the others are not held back', [gate.order[-1], len(gate.order) - gate.order[::-1].index('000000000013') < len(gate.order) - ROLES // 2],
        ['000000000012', True])

# -- how often ------------------------------------------------------------------------------
gate = None
FAIL = {'list': 0, 'sts': 0}


def failing(h, q, key):
    FAIL['list'] += 1
    s.fault(h, 503, 'ServiceUnavailable', 'later')


def trust(h, q, key):
    FAIL['sts'] += 1
    s.fault(h, 503, 'ServiceUnavailable', 'later')
    return True


def tried(config='', **env):
    """How often a list is asked for that never comes, and a role that is never given."""
    options = env.pop('options', {})
    with open('config', 'w', encoding='utf-8') as f:
        f.write(config)
    out = []
    for accounts, what in ((None, 'list'), ([{'id': 'a', 'role_arn': 'arn:aws:iam::000000000021:role/r'}], 'sts')):
        clean(**env)
        FAIL.update(list=0, sts=0)
        db = shared.connect(':memory:')
        db.execute("SELECT cq_config('cache_ttl', 0), cq_config('aws.max_backoff', 0)")
        for k, v in {**options, **({'accounts': json.dumps(accounts)} if accounts else {})}.items():
            db.execute('SELECT cq_config(?, ?)', (f'aws.{k}', v))
        try:
            db.execute('SELECT * FROM aws_iam_roles').fetchall()
            out.append('rows')
        except sqlite3.Error as e:
            out.append(FAIL[what] or str(e))
    return tuple(out)


s.answers['ListRoles'], s.trust = failing, trust
LOGIN = 4                                       # no login is tried more often than this
tap.is_('ten retries are the default', tried(), (11, LOGIN))
tap.is_('AWS_MAX_ATTEMPTS', tried(AWS_MAX_ATTEMPTS='2'), (2, 2))
tap.is_("a profile's max_attempts", tried('[default]\nmax_attempts = 1\n'), (1, 1))
tap.is_('the environment before the profile', tried('[default]\nmax_attempts = 2\n', AWS_MAX_ATTEMPTS='1'), (1, 1))
tap.is_('the configuration before both', tried('[default]\nmax_attempts = 9\n', AWS_MAX_ATTEMPTS='8', options={'max_retries': 1}), (2, 2))
tap.is_('none', tried(options={'max_retries': 0}), (1, 1))
tap.has('no attempt at all is none', tried(AWS_MAX_ATTEMPTS='0')[0], 'aws: AWS_MAX_ATTEMPTS: expected a whole number from 1: 0')
tap.has('a word', tried('[default]\nmax_attempts = few\n')[0], 'aws: max_attempts: expected a whole number from 1: few')
tap.has('a mode that nobody has', tried(AWS_RETRY_MODE='brave')[0], 'aws: AWS_RETRY_MODE: unknown mode: brave\nhint: one of: adaptive standard legacy')

# -- the modes ---------------------------------------------------------------------------------
s.trust = None
seen = []


def paged(h, q, key):
    """Five pages; the fourth is refused at first."""
    n = int(q.get('Marker', 1))
    seen.append(n)
    if n == 4 and seen.count(4) == 1:
        return s.fault(h, 400, 'Throttling', 'Rate exceeded')
    more = f'<IsTruncated>true</IsTruncated><Marker>{n + 1}</Marker>' if n < 5 else ''
    h.answer(200, f'<R><ListRolesResult><Roles><member><RoleName>r{n}</RoleName><Arn>arn:r{n}</Arn></member></Roles>{more}</ListRolesResult></R>')


def paced(config='', **env):
    """What a sync brings whose retries come at once, and whether requests were held back beyond them."""
    seen.clear()
    with open('config', 'w', encoding='utf-8') as f:
        f.write(config)
    clean(**env)
    db = shared.connect(':memory:')
    db.execute('SELECT cq_sync(?)', (json.dumps({'source': 'aws', 'tables': ['aws_iam_roles'], 'skip_dependent_tables': True,
                                                 'spec': {'regions': ['eu-west-1'], 'max_backoff': 0}}),))
    held, = db.execute('SELECT throttled_ms FROM cq_syncs').fetchone()
    return seen, db.execute('SELECT count(*) FROM aws_iam_roles').fetchone()[0], held > 0


s.answers.update(ListRoles=paged, GetRole=lambda h, q, key: h.answer(200, '<R><GetRoleResult><Role></Role></GetRoleResult></R>'))
ALL = [1, 2, 3, 4, 4, 5]
tap.is_('adaptive is the default: the rest is paced', paced(), (ALL, 5, True))
tap.is_('AWS_RETRY_MODE=standard: only the refused request waits', paced(AWS_RETRY_MODE='standard'), (ALL, 5, False))
tap.is_("a profile's retry_mode", paced('[default]\nretry_mode = Legacy\n'), (ALL, 5, False))
tap.is_('the environment before the profile', paced('[default]\nretry_mode = standard\n', AWS_RETRY_MODE='adaptive'), (ALL, 5, True))
db.close()
tap.done()
