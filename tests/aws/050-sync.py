# needs: moto
# timeout: 300
# A CloudQuery file for AWS, with accounts by role, into SQLite: every table's stored rows are those of the live table; what
# may not be read is told, keeps its rows, and is all that is missing.
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
import shared

tap = shared.Tap()
ok = tap.none
moto = json.load(open(os.environ['CQ_MOTO_FILE'], encoding='utf-8'))
USERS = {name: moto[name] for name in ('admin', 'some', 'denied')}
os.environ.update(AWS_ENDPOINT_URL=os.environ['CQ_MOTO_URL'], AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null',
                  AWS_EC2_METADATA_DISABLED='true')


def connect(user, path):
    os.environ.update(AWS_ACCESS_KEY_ID=USERS[user]['access_key_id'], AWS_SECRET_ACCESS_KEY=USERS[user]['secret_access_key'])
    db = shared.connect(path)
    db.execute("SELECT cq_config('cache_ttl', 0)")
    return db


def spec(tables, accounts, mode='append'):
    return '''kind: source
spec:
  name: aws
  path: cloudquery/aws
  registry: cloudquery
  version: "v27.0.0"
  tables: %s
  destinations: [here]
  spec:
    regions: %s
    accounts: %s
    max_retries: 3
    aws_debug: false
---
kind: destination
spec: {name: here, path: sqlite, write_mode: %s}
''' % (json.dumps(tables), json.dumps(moto['regions']), json.dumps(accounts), mode)


# What the source tells anew each time; of queues moto tells fractions of seconds, which AWS does not, and which an integer
# column of a STRICT table cannot hold.
MOVING = {'aws_sqs_queues': {'created_timestamp', 'last_modified_timestamp'},
          'aws_iam_user_access_keys': {'last_used', 'last_used_service_name'}, 'aws_iam_roles': {'role_last_used'},
          'aws_rds_instances': {'latest_restorable_time'}, 'aws_efs_filesystems': {'size_in_bytes'}}
accounts = [{'id': moto['accounts'][0]}, {'id': moto['accounts'][1], 'role_arn': moto['roles']['external'][1],
                                          'external_id': moto['external_id'], 'role_session_name': 'cq-test'}]
db = connect('admin', 'aws.db')
# What moto is filled with; the rest are compared against the models.
with open(os.path.join(os.environ['CQ_ROOT'], 'tests', 'aws', 'filled.txt'), encoding='utf-8') as f:
    FILLED = [t for t in f.read().split() if t != 'aws_cloudtrail_events']
r = json.loads(db.execute('SELECT cq_sync(?)', (spec(FILLED, accounts),)).fetchone()[0])
ok(f'{r["tables"]} tables, {r["rows"]} rows, {r["requests"]} requests', [] if (r['status'], r['tables'], r['failed']) == ('success', len(FILLED), 0) else [r])
db.execute('SELECT cq_config(?, ?)', ('aws.regions', json.dumps(moto['regions'])))
db.execute('SELECT cq_config(?, ?)', ('aws.accounts', json.dumps(accounts)))
for table in FILLED:
    names = [c for (c,) in db.execute('SELECT name FROM cq_columns WHERE table_name = ? ORDER BY position', (table,))
             if c not in MOVING.get(table, ())]
    columns = ', '.join(f'"{n}"' for n in names)
    stored = sorted(db.execute(f'SELECT _cq_client_id, {columns} FROM {table}').fetchall(), key=repr)
    live = sorted(db.execute(f'SELECT _cq_client_id, {columns} FROM live_{table}').fetchall(), key=repr)
    wrong = [] if stored == live else [f'{len(stored)} stored, {len(live)} live'] + [
        f'{n}: {a!r} stored, {b!r} live' for s, l in zip(stored, live) for n, a, b in zip(['client'] + names, s, l) if a != b][:3]
    if not stored:
        wrong.append('no rows')
    ids = db.execute(f'SELECT count(*), count(DISTINCT _cq_id) FROM {table}').fetchone()
    if ids[0] != ids[1]:
        wrong.append(f'{ids[0]} rows, {ids[1]} ids')
    ok(f'{table}: {len(stored)} rows', wrong)

# overwrite-delete-stale twice: nothing is new the second time
small = ['aws_ec2_instances', 'aws_iam_users', 'aws_s3_buckets', 'aws_lambda_functions', 'aws_dynamodb_tables']
other = connect('admin', 'other.db')
for n in range(2):
    r = json.loads(other.execute('SELECT cq_sync(?)', (spec(small, accounts, 'overwrite-delete-stale'),)).fetchone()[0])
    d = r['destinations'][0]
    want = (d['rows'], 0, 0, 0) if n == 0 else (0, 0, 0, d['rows'])
    ok(f'overwrite-delete-stale, run {n + 1}', [] if r['status'] == 'success' and (d['inserted'], d['updated'], d['deleted'], d['unchanged']) == want else [r])

# a user whose policies allow a part: the rest is told and keeps its rows
some = connect('some', 'aws.db')
before = dict(some.execute("SELECT 'i', count(*) FROM aws_ec2_instances UNION ALL SELECT 'b', count(*) FROM aws_iam_users").fetchall())
r = json.loads(some.execute('SELECT cq_sync(?)', (spec(['aws_ec2_instances', 'aws_iam_users', 'aws_s3_buckets', 'aws_lambda_functions'], [{'id': moto['accounts'][0]}]),)
                            ).fetchone()[0])
errors = some.execute('SELECT table_name, client_id, kind, message, hint FROM cq_sync_errors WHERE sync_group_id = ?', (r['sync_group_id'],)).fetchall()
ok('partial', [] if r['status'] == 'partial' and errors else [r, errors])
ok('denied, with table, client, action and hint', [e for e in errors if e[2] != 'denied' or not e[1] or ':' not in e[3] or not e[4]])
ok('the action that is missing is named', [] if any('is not authorized to perform' in e[3] or 'not authorized' in e[3] for e in errors) else errors)
failed = {e[0] for e in errors}
ok(f'what is allowed was read; denied: {", ".join(sorted(failed))}',
   [] if 0 < len(failed) < 4 and some.execute('SELECT count(*) FROM cq_sync_tables WHERE sync_group_id = ? AND status = ?',
                                              (r['sync_group_id'], 'success')).fetchone()[0] == 4 - len(failed) else [errors])
after = dict(some.execute("SELECT 'i', count(*) FROM aws_ec2_instances UNION ALL SELECT 'b', count(*) FROM aws_iam_users").fetchall())
first = {k: v for k, v in before.items()}
ok('and nobody lost rows that may not be read', [] if all(after[k] <= first[k] and after[k] > 0 for k in after) else [before, after])

# nobody at all
denied = connect('denied', 'denied.db')
try:
    r = denied.execute('SELECT cq_sync(?)', (spec(['aws_ec2_instances'], [{'id': moto['accounts'][0]}]),)).fetchone()[0]
except sqlite3.Error as e:
    r = str(e)
ok('a user without any right', [] if '"status":"failed"' in r or 'not authorized' in r.lower() or 'AccessDenied' in r else [r])
text = b''.join(open(f, 'rb').read() for f in ('aws.db', 'other.db', 'denied.db'))
ok('no secret in any file', [u for u, k in USERS.items() if k['secret_access_key'].encode() in text])
tap.done()
