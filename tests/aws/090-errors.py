# timeout: 240
# Errors of AWS by class, in the form of each protocol: what is tried again, logged in for, corrected, told as denied, left out, empty or
# an error, with how many requests; and what a sync keeps of the rows that it had.
import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request

ROOT = os.environ['CQ_ROOT']
sys.path[:0] = [ROOT + '/tests', ROOT + '/tests/server']
import aws_errors
import shared

ACCOUNT = '111111111111'
proc = subprocess.Popen([sys.executable, ROOT + '/tests/server/aws_models.py'], stdout=subprocess.PIPE, text=True)
URL = json.loads(proc.stdout.readline())['url']
for name in [n for n in os.environ if n.startswith('AWS_')]:
    del os.environ[name]
os.environ.update(AWS_REGION='us-east-1', AWS_ENDPOINT_URL=URL, AWS_EC2_METADATA_DISABLED='true', AWS_RETRY_MODE='standard',
                  AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null')


def put(what, value):
    urllib.request.urlopen(urllib.request.Request(f'{URL}/models/{what}', json.dumps(value).encode(), method='PUT')).read()


def log(operation):
    with urllib.request.urlopen(URL + '/models/log') as r:
        return [e for e in map(json.loads, r.read().splitlines()) if e['operation'] == operation]


def fresh(path=':memory:', **more):
    db = shared.connect(path)
    config = {'regions': '["us-east-1"]', 'access_key_id': 'AKIA' + ACCOUNT, 'secret_access_key': 'secret-' + ACCOUNT,
              'max_retries': '2', 'max_backoff': '0', **more}
    db.execute("SELECT cq_config('cache_ttl', 0)")
    for k, v in config.items():
        db.execute('SELECT cq_config(?, ?)', ('aws.' + k, v))
    return db


# A table, its list, and what its action is called, of each protocol; the other forms are of some services of these.
TABLES = {'ec2': ('aws_ec2_vpcs', 'DescribeVpcs', 'ec2:DescribeVpcs'),
          'query': ('aws_redshift_event_subscriptions', 'DescribeEventSubscriptions', 'redshift:DescribeEventSubscriptions'),
          'rest-xml': ('aws_cloudfront_cache_policies', 'ListCachePolicies', 'cloudfront:ListCachePolicies'),
          's3': ('aws_s3_buckets', 'ListBuckets', 's3:ListAllMyBuckets'),
          'rest-json': ('aws_batch_job_queues', 'DescribeJobQueues', 'batch:DescribeJobQueues'),
          'json': ('aws_kms_aliases', 'ListAliases', 'kms:ListAliases'),
          'json query': ('aws_sqs_queues', 'ListQueues', 'sqs:ListQueues')}
for form in aws_errors.FORMS:
    TABLES.setdefault(form, TABLES.get(form.split()[0], TABLES['ec2']))
XML, JSON = ('ec2', 'query', 'rest-xml', 's3'), tuple(f for f in aws_errors.FORMS if 'json' in f)
CODED = XML + JSON

# class -> (code, status, message, forms)
WHO = f'You are not authorized to perform this operation. User: arn:aws:sts::111111111111:assumed-role/{"a-role-with-a-long-name" * 2}/{"session" * 9}'
NO = f'{WHO} is not authorized to perform: {{action}} on resource: * because no identity-based policy allows the {{action}} action'
CASES = {
    'retry': [(c, s, 'Rate exceeded', CODED) for c, s in (
        ('Throttling', 400), ('ThrottlingException', 400), ('ThrottledException', 400), ('RequestThrottledException', 400),
        ('RequestLimitExceeded', 503), ('TooManyRequestsException', 429), ('TooManyRequestsException', 400),
        ('ProvisionedThroughputExceededException', 400), ('SlowDown', 503), ('RequestThrottled', 403), ('BandwidthLimitExceeded', 509),
        ('PriorRequestNotComplete', 400), ('EC2ThrottledException', 503), ('TransactionInProgressException', 400),
        ('LimitExceededException', 400), ('ThrottledClientException', 429), ('TooManyRequestException', 429), ('Throttled', 429),
        ('RateLimitExceededException', 400), ('CallRateLimitExceededException', 400), ('KMSThrottlingException', 400),
        # what is the service's own fault
        ('InternalError', 500), ('InternalFailure', 500), ('InternalServerError', 500), ('InternalServerException', 500),
        ('InternalServiceErrorException', 500), ('InternalServiceException', 400), ('ServiceUnavailable', 503), ('ServiceUnavailableException', 400),
        ('Unavailable', 503), ('RequestTimeout', 400), ('RequestTimeoutException', 408), ('ServiceException', 500),
        ('ServiceFailureException', 500), ('InternalFailureException', 400), ('InternalErrorException', 400), ('InternalServerErrorException', 400),
        ('InternalException', 400), ('DependencyTimeoutException', 400), ('IDPCommunicationError', 400))] + [
        (c, s, '', ('html', 'empty')) for c, s in (('Internal Server Error', 500), ('Bad Gateway', 502), ('Service Temporarily Unavailable', 503),
                                                   ('Gateway Time-out', 504), ('Bandwidth Limit Exceeded', 509), ('Too Many Requests', 429))],
    'denied': [(c, s, NO, CODED) for c, s in (
        ('AccessDenied', 403), ('AccessDeniedException', 400), ('UnauthorizedOperation', 403), ('AuthorizationError', 403),
        ('AuthorizationErrorException', 400), ('NotAuthorized', 400), ('NotAuthorizedException', 400), ('UnauthorizedException', 401),
        ('ForbiddenException', 403), ('AccountAccessDeniedException', 403), ('AuthorizationException', 400), ('UnauthorizedOperationException', 400),
        ('AccessDeniedFault', 400))] + [('AccessDenied', 403, 'Access Denied', CODED)],       # then the table says which
    'skip': [(c, s, m, CODED) for c, s, m in (
        ('OptInRequired', 401, 'You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe.'),
        ('OptInRequiredException', 400, 'Aws account is not registered for recommendation.'),
        ('SubscriptionRequiredException', 400, 'The AWS Access Key Id needs a subscription for the service'),
        ('NotSignedUp', 403, 'Your account is not signed up'),
        ('InvalidAccessException', 401, 'Account 111111111111 is not subscribed to AWS Security Hub'),
        ('AccessDeniedException', 403, 'Macie is not enabled'),
        ('AccessDeniedException', 403, 'Please complete AWS Audit Manager setup from home page to enable this action in this account.'),
        ('AccessDeniedException', 400, 'User not enabled for cost explorer access'),
        ('AWSOrganizationsNotInUseException', 400, 'Your account is not a member of an organization.'),
        ('OrganizationAccessDeniedException', 400, 'This action can only be performed if you are a registered delegated administrator'),
        ('InvalidClientTokenId', 403, 'The security token included in the request is invalid'),
        ('UnrecognizedClientException', 403, 'The security token included in the request is invalid.'),
        ('AuthFailure', 401, 'AWS was not able to validate the provided access credentials'),
        ('InvalidAccessKeyId', 403, 'The AWS Access Key Id you provided does not exist in our records.'),
        ('InvalidToken', 400, 'The provided token is malformed or otherwise invalid.'),
        ('RegionDisabledException', 403, 'The region is disabled'),
        ('InvalidAction', 400, 'The action is not valid for this web service.'), ('UnknownOperationException', 400, ''),
        ('UnknownOperationException', 404, ''), ('UnsupportedOperation', 400, 'The operation is not supported'),
        ('UnsupportedOperationException', 400, ''), ('OperationNotSupportedException', 400, 'This operation is not supported'),
        ('UnsupportedRegionException', 400, ''), ('EndpointDisabledException', 400, ''),
        ('ValidationException', 400, 'The operation is not supported in this region'),
        ('InvalidParameterValueException', 400, 'Access Denied to API Version: DAX_V3'),
        ('InvalidRequestException', 400, 'This feature is not available in the eu-west-3 Region'),
        ('BadRequestException', 400, 'This API is not supported in us-west-1 region'))] + [('Not Found', 404, '', ('html', 'empty'))],
    'empty': [(c, s, 'It is not there', CODED) for c, s in (
        ('NotFoundException', 404), ('ResourceNotFoundException', 400), ('NoSuchEntity', 404), ('NoSuchConfigurationRecorderException', 400),
        ('InvalidVpcID.NotFound', 400), ('WAFNonexistentItemException', 400), ('EntityDoesNotExistException', 400), ('NoSuchTagSet', 404),
        ('AWS.SimpleQueueService.NonExistentQueue', 400), ('ServerSideEncryptionConfigurationNotFoundError', 404),
        ('ResourceNotDiscoveredException', 404))],
    'fail': [(c, s, 'One of the parameters is wrong: {action}', CODED) for c, s in (
        ('ValidationException', 400), ('ValidationError', 400), ('InvalidParameterValue', 400), ('InvalidParameterException', 400),
        ('MissingParameter', 400), ('BadRequestException', 400), ('SerializationException', 400), ('InvalidNextTokenException', 400),
        ('MalformedQueryString', 404), ('ConflictException', 409))] + [
        ('SignatureDoesNotMatch', 403, 'The request signature we calculated does not match the signature you provided.', CODED),
        ('InvalidSignatureException', 403, 'The request signature we calculated does not match the signature you provided.', CODED),
        ('IncompleteSignature', 400, 'Authorization header requires', CODED), ('MissingAuthenticationToken', 403, 'Missing Authentication Token', CODED),
        ('Forbidden', 403, '', ('html', 'empty')), ('Bad Request', 400, '', ('html', 'empty')),
        ('Method Not Allowed', 405, '', ('html', 'empty'))]}

tap = shared.Tap()
db = fresh()
SPEC = '''kind: source
spec:
  {name: aws, path: cloudquery/aws, registry: cloudquery, version: "v27.0.0", tables: [%s], skip_dependent_tables: true, destinations: [here],
   spec: {regions: [us-east-1], max_retries: 2, max_backoff: 0}}
---
kind: destination
spec: {name: here, path: sqlite, write_mode: overwrite-delete-stale}
'''


def live(connection, table):
    try:
        return sorted(r[0] for r in connection.execute(f'SELECT {COLUMN[table]} FROM live_{table}'))
    except sqlite3.Error as e:
        return str(e)


def synced(sync, table):
    """-> (state of its one unit, lines that are told, rows that are there)"""
    r = json.loads(sync.execute('SELECT cq_sync(?)', (SPEC % table,)).fetchone()[0])
    lines = sync.execute('SELECT kind, message, hint FROM cq_sync_errors WHERE sync_group_id = ?', (r['sync_group_id'],)).fetchall()
    state = 'failed' if r['failed'] else 'skipped' if r['skipped'] else r['status']
    return state, lines, sync.execute(f'SELECT count(*) FROM {table}').fetchone()[0]


def fault(form, code, status, message, times=None):
    table, operation, action = TABLES[form]
    rule = {'operation': operation, 'form': form, 'code': code, 'status': status, 'message': message.replace('{action}', action)}
    put('faults', [rule if times is None else {**rule, 'times': times}])
    return table, operation, action


COLUMN = {'ec2': 'vpc_id', 'query': 'cust_subscription_id', 'rest-xml': 'id', 's3': 'name', 'rest-json': 'job_queue_name', 'json': 'alias_name', 'json query': 'url'}
COLUMN = {TABLES[f][0]: c for f, c in COLUMN.items()}
good, pages = {}, {}
for table, operation, _ in TABLES.values():
    put('faults', [])
    good[table], pages[table] = live(db, table), len(log(operation))
tap.none('each table has rows', [f'{t}: {r}' for t, r in good.items() if not r or isinstance(r, str)])
for kind, cases in CASES.items():
    for form in aws_errors.FORMS:
        wrong = []
        mine = [c for c in cases if form in c[3]]
        for code, status, message, _ in mine:
            at = f'{code} ({status}): {message}'[:70]
            # Each once, and one of them for ever: the number of tries is the same for all.
            table, operation, action = fault(form, code, status, message, 1 if kind == 'retry' and code != mine[0][0] else None)
            got, asked = live(db, table), len(log(operation))
            if kind == 'retry' and code != mine[0][0]:
                if got != good[table] or asked != pages[table] + 1:
                    wrong.append(f'{at}: once: {asked} requests: {str(got)[:300]}')
                continue
            if asked != (3 if kind == 'retry' else 1):
                wrong.append(f'{at}: {asked} requests: {str(got)[:200]}')
            words = {'retry': '(after 3 attempts)', 'denied': f'missing permission: {action}', 'skip': None, 'empty': None, 'fail': f'HTTP {status}'}[kind]
            if (got != [] if words is None else words not in str(got)):
                wrong.append(f'{at}: live: {str(got)[:300]}')
            if words and form in CODED and code not in str(got):
                wrong.append(f'{at}: does not tell the code: {got[:300]}')
        if mine:
            tap.none(f'{kind}: {form}: {len(mine)} errors', wrong)
# A sync: what becomes of the unit, what is told, and which rows stay.
for kind, cases in CASES.items():
    for form in aws_errors.FORMS:
        mine = [c for c in cases if form in c[3]]
        wrong = []
        for code, status, message, _ in mine[:1]:
            put('faults', [])
            table = TABLES[form][0]
            sync = fresh(f'{kind}-{form}.db')
            if kind == 'skip':          # where there were no rows: nothing is missing
                fault(form, code, status, message)
                state, lines, n = synced(sync, table)
                if state != 'skipped' or n or [k for k, _, _ in lines] != ['skipped'] or not lines[0][2]:
                    wrong.append(f'before any rows: {state}, {n} rows, {lines}')
                put('faults', [])
            state, lines, n = synced(sync, table)
            if state != 'success' or not n or lines:
                wrong.append(f'before: {state}, {n} rows, {lines}')
            table, operation, action = fault(form, code, status, message)
            state, lines, left = synced(sync, table)
            at = f'{code} ({status}): {state}, {left} of {n} rows, {lines}'
            want = 'success' if kind == 'empty' else 'failed'
            if state != want or left != (0 if kind == 'empty' else n) or len(lines) != (kind != 'empty'):
                wrong.append(at)
            if kind == 'denied' and ([k for k, _, _ in lines] != ['denied'] or f'missing permission: {action}' not in lines[0][2]):
                wrong.append(at)
        if mine:
            tap.none(f'a sync: {kind}: {form}', wrong)
# Clocks: each request is corrected where it is refused, and the next is right at once; in both directions.
put('faults', [])
ahead = 3600
for form, (table, operation, _) in list(TABLES.items())[:7]:
    ahead = -ahead
    put('clock', ahead)
    put('faults', [])
    wrong = []
    for more in (1, 0):
        got, asked = live(db, table), len(log(operation))
        if got != good[table] or asked != pages[table] + more:
            wrong.append(f'{asked} requests: {str(got)[:300]}')
        put('faults', [])
    tap.none(f'a clock {ahead} s off: {form}', wrong)
put('clock', 0)
live(db, 'aws_kms_aliases')

# Sessions that end.  Keys younger than ten seconds are not got again, so all log in before.
OVER = ('ExpiredToken', 'ExpiredTokenException', 'RequestExpired', 'TokenRefreshRequired')
ROLE = json.dumps([{'id': 'one', 'role_arn': f'arn:aws:iam::{ACCOUNT}:role/reader'}])
roles = [(form, code, fresh(accounts=ROLE)) for form in CODED for code in OVER]
for form, code, connection in roles:
    live(connection, TABLES[form][0])
began = time.monotonic()
for form in CODED:
    table, operation, _ = fault(form, 'ExpiredToken', 400, 'The provided token has expired.')
    got = live(db, table)
    tap.is_(f'a key of no session is not got again: {form}', ('HTTP 400 ExpiredToken: The provided token has expired.' in got, len(log(operation))), (True, 1))
time.sleep(max(0, 10.5 - (time.monotonic() - began)))
for at in CODED:
    wrong = []
    for form, code, connection in roles:
        if form != at:
            continue
        table, operation, _ = fault(form, code, 400, 'The security token included in the request is expired', 1 if code != OVER[0] else None)
        if code == OVER[1] and form in TABLES and form.split()[0] == form:      # as the server tells the protocol's own
            put('faults', [{'operation': operation, 'expire': True, 'times': 1}])
        got, asked, logins = live(connection, table), len(log(operation)), len(log('AssumeRole'))
        if code == OVER[0]:             # for ever: one login, one repetition
            if code not in got or (asked, logins) != (2, 1):
                wrong.append(f'{code} for ever: {asked} requests, {logins} logins: {str(got)[:300]}')
        elif got != good[table] or (asked, logins) != (pages[table] + 1, 1):
            wrong.append(f'{code}: {asked} requests, {logins} logins: {str(got)[:300]}')
    tap.none(f'a session that is over is renewed once: {at}', wrong)

# A server that is not there is no region without the service.
put('faults', [])
os.environ['AWS_ENDPOINT_URL_KMS'] = 'http://127.0.0.1:1'
got = live(fresh(), 'aws_kms_aliases')
tap.has('nobody listens: an error, which tells where', got, '127.0.0.1:1')
proc.kill()
proc.wait()
tap.done()
