# timeout: 1800
# Two accounts in two regions, from the server made of botocore's models: what a sync of both has is what one of each has, row by row;
# who is denied keeps what was there, and sessions that end in the middle are renewed once for each account.
import collections
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request

ROOT = os.environ['CQ_ROOT']
sys.path[:0] = [ROOT + '/tests', ROOT + '/tests/server', ROOT + '/tests/aws']
import oracle
import shared
import special

# Of all tables, those of one root in CQ_SAMPLE (8); 1, in make soak, is all of them.  TABLES names some.
# No call, and so no client; what the server cannot tell as AWS does, as in models.py; regions that are the record's.
ELSEWHERE = ('aws_lambda_runtimes', 'aws_organizations_organizational_units', 'aws_organizations_organizational_unit_parents')
RECORDS = ('aws_availability_zones',)
SAMPLE, TABLES = int(os.environ.get('CQ_SAMPLE') or 8), os.environ.get('TABLES', '').split()
ONE, TWO, REGIONS = '111111111111', '222222222222', ['us-east-1', 'eu-west-1']
OWN = ('docdb', 'neptune', 'elb', 'opensearch', 'ses', 'apigatewayv2', 's3control')      # as in models.py
PLAN = {r['table']: r for r in oracle.facts('plan.tsv')}


def lineage(table):
    while table:
        yield table
        table = PLAN[table]['parent']


def root(table):
    return list(lineage(table))[-1]


def chosen(table):
    return table in TABLES if TABLES else int(hashlib.sha256(root(table).encode()).hexdigest(), 16) % SAMPLE == 0


tables = [t for t in PLAN if chosen(t) and t not in ELSEWHERE and PLAN[t]['service'] not in special.WITHDRAWN]
proc = subprocess.Popen([sys.executable, ROOT + '/tests/server/aws_models.py'], stdout=subprocess.PIPE, text=True)
URL = json.loads(proc.stdout.readline())['url']
for name in [n for n in os.environ if n.startswith('AWS_')]:
    del os.environ[name]
os.environ.update(AWS_REGION=REGIONS[0], AWS_ENDPOINT_URL=URL, AWS_EC2_METADATA_DISABLED='true', AWS_CONFIG_FILE='/dev/null',
                  AWS_SHARED_CREDENTIALS_FILE='/dev/null', AWS_ACCESS_KEY_ID='AKIA999999999999', AWS_SECRET_ACCESS_KEY='secret-999999999999')


def put(what, value):
    urllib.request.urlopen(urllib.request.Request(f'{URL}/models/{what}', json.dumps(value).encode(), method='PUT')).read()


def log():
    with urllib.request.urlopen(URL + '/models/log') as r:
        return [json.loads(line) for line in r.read().splitlines()]


def sync(db, names, accounts, role):
    spec = {'kind': 'source', 'spec': {
        'name': 'aws', 'path': 'cloudquery/aws', 'registry': 'cloudquery', 'version': 'v27.0.0', 'tables': names, 'skip_dependent_tables': True,
        'destinations': ['here'], 'spec': {'regions': REGIONS, 'use_paid_apis': True, 'max_retries': 1, 'max_backoff': 0, 'accounts': [
            {'id': a, 'role_arn': f'arn:aws:iam::{a}:role/{role}'} for a in accounts]}}}
    to = {'kind': 'destination', 'spec': {'name': 'here', 'path': 'sqlite', 'write_mode': 'overwrite-delete-stale'}}
    return json.loads(db.execute('SELECT cq_sync(?)', (json.dumps(spec) + '\n---\n' + json.dumps(to),)).fetchone()[0])


def errors(db, run):
    return db.execute('SELECT table_name, client_id, kind, message, hint FROM cq_sync_errors WHERE sync_group_id = ?', (run['sync_group_id'],)).fetchall()


def columns(db, table):
    return [r[1] for r in db.execute(f'PRAGMA table_info({table})')]


def rows(db, table, keyed):
    # When it was read, in which run, and by which source is each run's own; the id of rows without a key is random.
    names = [c for c in columns(db, table) if c not in ('_cq_sync_time', '_cq_sync_group_id', '_cq_source_name') and c not in special.HASHES and
             (keyed or c not in ('_cq_id', '_cq_parent_id'))]
    return collections.Counter(db.execute('SELECT %s FROM %s' % (', '.join(f'"{n}"' for n in names), table)).fetchall())


tap = shared.Tap()
began = time.monotonic()
groups = {}
for t in tables:
    groups.setdefault(PLAN[t]['service'] if PLAN[t]['service'] in OWN else 'reader', []).append(t)
print('#', len(tables), 'tables')
dbs = {which: shared.connect(f'{which}.db') for which in ('one', 'two', 'both')}
keys = dict(dbs['one'].execute("SELECT name, key FROM cq_tables WHERE integration = 'aws'"))
keyed = {}
for t in tables:
    keyed[t] = all(json.loads(keys[up] or '[]') for up in lineage(t))
bare = set()
for role, names in groups.items():
    for which, accounts in (('one', [ONE]), ('two', [TWO]), ('both', [ONE, TWO])):
        put('faults', [])
        run = sync(dbs[which], names, accounts, role)
        # The barest of the server's records lack what is their key: such a unit fails, and warnings are of words that are no numbers.
        bad = [e for e in errors(dbs[which], run) if e[2] != 'warning' and not (e[2] == 'failed' and (': a record without its key' in e[3] or
                                                                                                      any(f'since {b} failed' in e[3] for b in bare)))]
        bare |= {e[0] for e in errors(dbs[which], run) if e[2] == 'failed'}
        tap.none(f'{which}: {len(names)} tables: {role}', bad[:5])
        asked = log()
        tap.none(f'{which}: every request was right', [f'{e.get("operation")}: {e["error"]}' for e in asked if 'error' in e][:5])
    wrong = []
    for t in [t for t in names if t not in bare]:
        of = {which: rows(db, t, keyed[t]) for which, db in dbs.items()}
        total, has = sum(of['both'].values()), columns(dbs['both'], t)
        if of['both'] != of['one'] + of['two']:
            wrong.append(f'{t}: {sum(of["one"].values())} and {sum(of["two"].values())} rows, both {total}: not one has, like '
                         f'{next(iter((of["both"] - of["one"] - of["two"]) or (of["one"] + of["two"] - of["both"])), None)}'[:600])
        if not of['both']:
            wrong.append(f'{t}: no rows')
        # Whose it is: as the client says it, and in the columns.
        account = next((c for c in ('request_account_id', 'account_id') if c in has), None)
        for which, mine in (('one', ONE), ('two', TWO)):
            db = dbs[which]
            if db.execute(f"SELECT count(*) FROM {t} WHERE substr(_cq_client_id, 1, 12) <> '{mine}'").fetchone()[0]:
                wrong.append(f'{t}: clients that are not of {mine}')
            if account and (t, account) not in special.COLUMNS and \
                    db.execute(f"SELECT count(*) FROM {t} WHERE {account} IS NOT '{mine}'").fetchone()[0]:
                wrong.append(f'{t}: {account} is not {mine}')
        twice = dbs['both'].execute(f'SELECT count(*) - count(DISTINCT _cq_id) FROM {t}').fetchone()[0]
        if twice:
            wrong.append(f'{t}: {twice} ids are not unique')
        region = next((c for c in ('request_region', 'region') if c in has), None)
        if region and t not in RECORDS and PLAN[root(t)]['clients'] == 'account_region':
            off = dbs['both'].execute(f"SELECT count(*) FROM {t} WHERE {region} IS NOT substr(_cq_client_id, 14, length({region}))").fetchone()[0]
            seen = {r for r, in dbs['both'].execute(f'SELECT DISTINCT {region} FROM {t}')}
            if off or not seen <= set(REGIONS):
                wrong.append(f'{t}: {off} rows whose region is not their client\'s, of {seen}')
    tap.none(f'rows of both are rows of each: {role}', wrong)
    wrong, seen = [], collections.Counter((e['account'], e.get('service'), e.get('operation'), json.dumps(e.get('params'), sort_keys=True)) for e in asked)
    for t in names:
        if PLAN[t]['clients'] in ('account', 'account_global'):
            service, operation = ([PLAN[t]['service']] + PLAN[t]['operation'].split(':'))[-2:]
            shared_by = sum(p['operation'] == PLAN[t]['operation'] and p['service'] == PLAN[t]['service'] and q in names for q, p in PLAN.items())
            of = {k: n for k, n in seen.items() if k[1:3] == (service, operation)}
            if {a for a, *_ in of} != {ONE, TWO} or any(n > shared_by for n in of.values()):
                wrong.append(f'{t}: {operation}: {of}'[:300])
    tap.none(f'what has one host is asked once for each account: {role}', wrong)

# They stay few, or nothing is proved.
print('#', len(bare), 'left out:', *sorted(bare))
tap.is_('few tables are left out', len(bare) <= len(tables) // 12 + 1)

# One account is denied, whatever is asked: the other's rows are new, its own stay.
names = [t for t in groups['reader'] if not any(u in bare for u in lineage(t))]
put('faults', [{'operation': 'GetCallerIdentity', 'skip': 10 ** 9}, {'account': TWO, 'code': 'AccessDenied', 'status': 403,
                                                                    'message': 'User: arn:aws:sts::222222222222:assumed-role/reader/x is not authorized'}])
before = {t: rows(dbs['both'], t, keyed[t]) for t in names}
times = {t: dbs['both'].execute(f'SELECT max(_cq_sync_time) FROM {t}').fetchone()[0] for t in names}
run = sync(dbs['both'], names, [ONE, TWO], 'reader')
told = [(t, c, 'denied' if k == 'failed' and ': not asked, since ' in m else k) for t, c, k, m, _ in errors(dbs['both'], run) if k != 'warning']
wrong, lines = [], collections.Counter(told)
wrong += [f'{run["status"]}, not partial'] if run['status'] != 'partial' else []
wrong += [f'{line}: {n} lines' for line, n in lines.items() if n > 1 or not line[1].startswith(TWO) or line[2] != 'denied'][:5]
for t in names:
    if rows(dbs['both'], t, keyed[t]) != before[t]:
        wrong.append(f'{t}: other rows than before')
    old = dict(dbs['both'].execute(f'SELECT substr(_cq_client_id, 1, 12), min(_cq_sync_time) FROM {t} GROUP BY 1'))
    if set(old) != {ONE, TWO}:
        wrong.append(f'{t}: rows of {set(old)} alone')
    elif old[TWO] > times[t] or old[ONE] <= times[t] and t != 'aws_cloudtrail_events':   # of which the last window alone is asked for again
        wrong.append(f'{t}: read at {old}, the first time at {times[t]}')
tap.none('denied: every row stays, and the others are new', wrong[:10])
tap.none('denied: each action is named', [str(e)[:400] for e in errors(dbs['both'], run) if e[2] == 'denied' and 'missing permission: ' not in (e[4] or '')][:3])

# Sessions of both accounts end in the middle of lists that dozens of workers read.
time.sleep(max(0, 10.5 - (time.monotonic() - began)))
db = shared.connect('ends.db')
logins = lambda: collections.Counter(e['params']['RoleArn'].split(':')[4] for e in log() if e.get('operation') == 'AssumeRole')
put('faults', [])
db.execute("SELECT cq_config('cache_ttl', 0), cq_config('aws.new_regions', ?1), cq_config('aws.regions', ?1), cq_config('aws.accounts', ?2), cq_config('aws.max_retries', '1')",
           (json.dumps([f'eu-west-{n}' for n in range(1, 25)]), json.dumps([{'id': a, 'role_arn': f'arn:aws:iam::{a}:role/reader'} for a in (ONE, TWO)])))
first = sorted(db.execute('SELECT account_id, region, arn FROM live_aws_ec2_vpcs').fetchall())
clients = collections.Counter(a for a, _ in {r[:2] for r in first})      # now and then a list is empty there
tap.is_('two accounts in 24 regions: a login each', (logins(), min(clients.values()) > 20, len(clients)), ({ONE: 1, TWO: 1}, True, 2))
time.sleep(10.5)
put('faults', [{'operation': 'DescribeVpcs', 'account': a, 'skip': 15, 'expire': True, 'times': 1} for a in (ONE, TWO)])
again = sorted(db.execute('SELECT account_id, region, arn FROM live_aws_ec2_vpcs').fetchall())
late = [e for e in log() if e.get('amiss')]
tap.is_('sessions end in the middle: no row is missing, none there twice', again == first, True)
tap.is_('each account logs in once more', (logins(), {e['account'] for e in late}), ({ONE: 1, TWO: 1}, {ONE, TWO}))
proc.kill()
proc.wait()
tap.done()
