# timeout: 120
# Failures by class, as AWS's protocols tell them: a clock that is wrong is corrected once and for all, sessions that end in
# the middle of a list are renewed, hundreds of workers renew once; what may not be read names its action, and of many
# accounts one line is one account; a service without a host is skipped.
import json
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/aws')
import logins
import shared
from logins import Servers

tap = shared.Tap()
s = Servers()
access, secret, session, _ = s.keys('base', '000000000001')
os.environ.update(AWS_EC2_METADATA_DISABLED='true', AWS_ENDPOINT_URL=s.url, AWS_ACCESS_KEY_ID=access, AWS_SECRET_ACCESS_KEY=secret,
                  AWS_SESSION_TOKEN=session, AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null')


def fresh(**config):
    db = shared.connect(':memory:')
    db.execute("SELECT cq_config('cache_ttl', 0), cq_config('aws.regions', '[\"eu-west-1\"]')")
    for k, v in config.items():
        db.execute('SELECT cq_config(?, ?)', (f'aws.{k}', v if isinstance(v, str) else json.dumps(v)))
    return db


def rows(db, sql='SELECT vpc_id FROM aws_ec2_vpcs'):
    try:
        return [r[0] for r in db.execute(sql).fetchall()]
    except sqlite3.Error as e:
        return str(e)


def role(n):
    return {'id': f'a{n}', 'role_arn': f'arn:aws:iam::{n:012}:role/r'}


# -- clocks -----------------------------------------------------------------------
for ahead in (3600, -7200):
    s.skew = ahead
    db, n = fresh(), len(s.asked)
    got = rows(db)
    tap.is_(f'a clock {-ahead} s off: asked once more, by the server\'s', (got, len(s.asked) - n), ([f'vpc-{access}'], 3))
    tap.is_('and then it is known', (rows(db), len(s.asked) - n), (got, 4))
s.skew = 3600
n = len(s.asked)
tap.is_('roles, too', (len(rows(fresh(accounts=[role(11)]))), s.count('role%2Fr'), len(s.asked) - n), (1, 2, 4))
s.skew = 0
os.environ['AWS_SECRET_ACCESS_KEY'] = 'another-fake-secret'
n = len(s.asked)
tap.has('a wrong secret is none', rows(fresh()), 'SignatureDoesNotMatch')
tap.is_('and is not tried again', len(s.asked) - n, 1)
os.environ['AWS_SECRET_ACCESS_KEY'] = secret

# -- sessions that end ---------------------------------------------------------------
pages = {}


def paged(h, q, key):
    """Ten pages; the session of a role ends after the third."""
    page = int(q.get('NextToken', 1))
    pages.setdefault(key, []).append(page)
    if page == 3 and len(s.revoked) == 0:
        time.sleep(10.5)                        # keys younger than ten seconds are not got again
        s.revoked.add(key)
    more = f'<nextToken>{page + 1}</nextToken>' if page < 10 else ''
    h.answer(200, f'<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-{page}</vpcId></item></vpcSet>{more}</DescribeVpcsResponse>')


s.answers['DescribeVpcs'] = paged
db, n = fresh(accounts=[role(12)]), s.count('role%2Fr')
got = rows(db)
tap.is_('a session that ends in the middle of a list', (got if isinstance(got, str) else sorted(got, key=lambda v: int(v[4:]))), [f'vpc-{i}' for i in range(1, 11)])
tap.is_('is renewed once, and no page asked for twice', (s.count('role%2Fr') - n, sorted(p for of in pages.values() for p in of)), (2, list(range(1, 11))))
del s.answers['DescribeVpcs']
s.revoked.clear()

# -- many workers, one login ----------------------------------------------------------------
regions = [f'eu-west-{i}' for i in range(1, 101)]
n = s.count('role%2Fr')
s.delay = 0.2
got = rows(fresh(accounts=[role(13)], new_regions=regions, regions=regions))
s.delay = 0
tap.is_('a hundred regions, one login', (len(got), s.count('role%2Fr') - n), (100, 1))

# -- denied -----------------------------------------------------------------------------
def denied(message):
    def answer(h, q, key):
        if s.account[key] != '000000000150':
            return h.answer(200, f'<R><volumeSet><item><volumeId>vol-{s.account[key]}</volumeId></item></volumeSet></R>')
        h.answer(403, f'<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>{message}</Message></Error></Errors></Response>')
    return answer


SPEC = logins.SPEC.replace('TABLES', 'aws_ec2_ebs_volumes')
accounts = [role(n) for n in range(100, 300)]
db = shared.connect('denied.db')
s.answers['DescribeVolumes'] = lambda h, q, key: h.answer(200, f'<R><volumeSet><item><volumeId>vol-{s.account[key]}</volumeId></item></volumeSet></R>')
r = json.loads(db.execute('SELECT cq_sync(?)', (SPEC % json.dumps(accounts),)).fetchone()[0])
tap.is_('two hundred accounts', (r['status'], r['rows']), ('success', 200))
WORDS = 'You are not authorized to perform this operation.'
for name, message in (
        ('the answer names the action', f'{WORDS} User: arn:aws:sts::000000000150:assumed-role/r/x is not authorized to perform: ec2:DescribeVolumes '
         'because no identity-based policy allows the ec2:DescribeVolumes action'),
        ('it is in a code, so the table says it', f'{WORDS} Encoded authorization failure message: {"Xy7_-" * 100}')):
    s.answers['DescribeVolumes'] = denied(message)
    r = json.loads(db.execute('SELECT cq_sync(?)', (SPEC % json.dumps(accounts),)).fetchone()[0])
    lines = db.execute('SELECT table_name, client_id, kind, hint FROM cq_sync_errors WHERE sync_group_id = ?', (r['sync_group_id'],)).fetchall()
    tap.is_(f'denied in one of them: one line: {name}', (r['status'], [(t, c, k, h.split(';')[0]) for t, c, k, h in lines]),
            ('partial', [('aws_ec2_ebs_volumes', '000000000150:eu-west-1', 'denied', 'missing permission: ec2:DescribeVolumes')]))
    tap.is_('and its rows are kept', db.execute('SELECT count(*), count(DISTINCT account_id) FROM aws_ec2_ebs_volumes').fetchone(), (200, 200))

# -- services that are not offered, or hold nothing ---------------------------------------------
def synced(table, **config):
    db = shared.connect(':memory:')
    r = json.loads(db.execute('SELECT cq_sync(?)', (json.dumps({'source': 'aws', 'tables': [table], 'spec': {'regions': ['eu-west-1'], **config}}),)).fetchone()[0])
    return r['status'], r['rows'], r['failed'], r['skipped'], [h for (h,) in db.execute('SELECT hint FROM cq_sync_errors')]


s.json = lambda h, target, q, key: h.answer(400, {'__type': 'InvalidParameterValueException', 'message': 'Access Denied to API Version: DAX_V3'})
tap.is_('DAX is not everywhere', synced('aws_dax_clusters'), ('success', 0, 0, 1, ['the service does not offer it in this region']))
EMPTY = '<DescribeActiveReceiptRuleSetResponse><DescribeActiveReceiptRuleSetResult>%s</DescribeActiveReceiptRuleSetResult></DescribeActiveReceiptRuleSetResponse>'
s.answers['DescribeActiveReceiptRuleSet'] = lambda h, q, key: h.answer(200, EMPTY % '')
tap.is_('no rule set is active', synced('aws_ses_active_receipt_rule_sets'), ('success', 0, 0, 0, []))
s.answers['DescribeActiveReceiptRuleSet'] = lambda h, q, key: h.answer(200, EMPTY % '<Metadata><Name>r</Name></Metadata><Rules/>')
tap.is_('one is', synced('aws_ses_active_receipt_rule_sets'), ('success', 1, 0, 0, []))

# -- how often a call is tried ----------------------------------------------------------------
s.answers['GetEbsEncryptionByDefault'] = lambda h, q, key: h.answer(200, '<R><ebsEncryptionByDefault>true</ebsEncryptionByDefault></R>')
s.answers['GetEbsDefaultKmsKeyId'] = lambda h, q, key: h.answer(500, '')
n = s.count('GetEbsDefaultKmsKeyId')
tap.is_('a call that fails is tried as often as max_retries says', (synced('aws_ec2_regional_configs', max_retries=1)[:3], s.count('GetEbsDefaultKmsKeyId') - n), (('failed', 0, 1), 2))

# -- a host that is not there ---------------------------------------------------------------
os.environ['AWS_ENDPOINT_URL_EC2'] = 'http://no-such-host.invalid'
db = shared.connect(':memory:')
r = json.loads(db.execute('SELECT cq_sync(?)', (SPEC % json.dumps([role(1)]),)).fetchone()[0])
tap.is_('a service without a host is skipped, and says so', (r['failed'], r['skipped'], [h for (h,) in db.execute('SELECT hint FROM cq_sync_errors')]),
        (0, 1, ['the service has no host in this region']))
db.close()
tap.done()
