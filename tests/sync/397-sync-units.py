# One unit of many that cannot be read: it keeps its rows, is told, and a retry asks for it alone; with what it is made of where
# its parent failed. Every request is counted.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()


def paths():
    return sorted(r['path'].split('?')[0] for r in t.log())


# ---- a parent that goes between its list and its own answer ------------------------------
SHIPS = 'GET /oslo/ships?page=1\n  body [{"id":1},{"id":2}]\nGET /rome/ships?page=1\n  body [{"id":9}]\n'
CREWS = 'GET /*/ships/*/crew\n  body [{"id":5,"name":"%s"}]\n'
CREW = 'SELECT port, ship_id, name FROM d.fleet_crews ORDER BY 1, 2'
for mode in ('append', 'overwrite-delete-stale'):
    spec = f'{{source: fleet, tables: [fleet_ships, fleet_crews], progress: off, destination: {{path: {mode}.db, write_mode: {mode}}}}}'
    t.routes(SHIPS + CREWS % 'old')
    t.is_(f'{mode}: all of it', t.sync(spec)['status'], 'success')
    t.rows(f"ATTACH '{mode}.db' AS d")
    t.routes('GET /oslo/ships/2/crew\n  status 404\n  body {"message":"sunk"}\n' + SHIPS + CREWS % 'new')
    r = t.sync(spec)
    t.is_(f'{mode}: a parent that went is told', (r['status'], r['failed'], [(e['table'], e['client'], e['kind'], '/oslo/ships/2/crew: HTTP 404' in e['message']) for e in r['errors']]),
          ('partial', 1, [('fleet_crews', 'oslo', 'failed', True)]))
    t.is_(f'{mode}: its unit keeps its rows', t.rows(CREW), [('oslo', 1, 'old'), ('oslo', 2, 'old'), ('rome', 9, 'new')])
    t.routes(SHIPS + CREWS % 'again')
    r = t.sync(spec, '{"retry": "failed"}')
    t.is_(f'{mode}: the retry asks for its unit alone', (r['status'], paths()), ('success', ['/oslo/ships/1/crew', '/oslo/ships/2/crew']))
    t.is_(f'{mode}: and has it', t.rows(CREW), [('oslo', 1, 'again'), ('oslo', 2, 'again'), ('rome', 9, 'new')])
    t.routes(SHIPS)
    r = t.sync(spec, '{"retry": "failed"}')
    t.is_(f'{mode}: nothing is left to try again', (r['status'], r['requests'], paths()), ('success', 0, []))

    # The parent's own list fails: its children are not asked, keep theirs, and come with it.
    t.routes('GET /rome/ships\n  status 400\n' + SHIPS + CREWS % 'third')
    r = t.sync(spec)
    t.is_(f'{mode}: a parent that fails takes its children along', (r['status'], sorted((e['table'], e['client'], e['kind']) for e in r['errors']), paths()),
          ('partial', [('fleet_crews', 'rome', 'failed'), ('fleet_ships', 'rome', 'failed')],
           ['/oslo/ships', '/oslo/ships/1/crew', '/oslo/ships/2/crew', '/rome/ships']))
    t.is_(f'{mode}: and no row is lost', t.rows(CREW), [('oslo', 1, 'third'), ('oslo', 2, 'third'), ('rome', 9, 'new')])
    t.routes(SHIPS + CREWS % 'last')
    r = t.sync(spec, '{"retry": "failed"}')
    t.is_(f'{mode}: the retry asks for both', (r['status'], paths()), ('success', ['/rome/ships', '/rome/ships/9/crew']))
    t.is_(f'{mode}: nothing is missing', t.rows(CREW), [('oslo', 1, 'third'), ('oslo', 2, 'third'), ('rome', 9, 'last')])
    t.rows('DETACH d')

# ---- a retry that fails again keeps asking for the same, and no more -----------------------
NOTES = 'GET /*/notes\n  body [{"text":"x"}]\n'
spec = '{source: fleet, tables: [fleet_notes, fleet_tolls], progress: off, spec: {use_paid_apis: true}, destination: {path: n.db}}'
TOLLS = 'GET /*/tolls\n  body [{"id":1}]\n'
t.routes(NOTES + TOLLS)
t.sync(spec)
for n in range(2):
    t.routes('GET /rome/notes\n  status 400\n' + NOTES + TOLLS)
    r = t.sync(spec, '{"retry": "failed"}' if n else None)
    t.is_(f'run {n + 1} of a unit that fails', (r['status'], paths()), ('partial', ['/rome/notes'] if n else ['/oslo/notes', '/oslo/tolls', '/rome/notes', '/rome/tolls']))
t.routes(NOTES + TOLLS)
r = t.sync(spec, '{"retry": "failed"}')
t.is_('and then succeeds', (r['status'], paths()), ('success', ['/rome/notes']))
t.is_('the retry may stand in the spec', (t.sync(spec.replace('progress: off', 'progress: off, retry: failed'))['status'], len(paths())), ('success', 1))

# ---- a region that is not enabled ------------------------------------------------------------
os.environ.update(AWS_ENDPOINT_URL=MOCK, AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null', AWS_EC2_METADATA_DISABLED='true',
                  AWS_ACCESS_KEY_ID='AKIAFAKE', AWS_SECRET_ACCESS_KEY='fake')
WHO = '''POST /
  need-body Action=GetCallerIdentity
  body <GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account><Arn>arn:aws:iam::111122223333:user/x</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>
'''
KEYS = '''POST /
  need-body Action=DescribeVpcs
  body <DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1</vpcId><dhcpOptionsId>%s</dhcpOptionsId></item></vpcSet></DescribeVpcsResponse>
'''
OFF = '''POST /
  need authorization: */me-south-1/*
  need-body Action=DescribeVpcs
  status 401
  body <Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to validate the provided access credentials</Message></Error></Errors></Response>
'''


def regions():
    return sorted(r['headers']['authorization'].split('/')[2] for r in t.log() if 'DescribeVpcs' in r['body'])


VPCS = "SELECT region, dhcp_options_id FROM d.aws_ec2_vpcs ORDER BY 1"
spec = '{source: aws, tables: [aws_ec2_vpcs], progress: off, destination: {path: aws.db, write_mode: overwrite-delete-stale}, spec: {regions: [eu-west-1, me-south-1]}}'
t.routes(WHO + KEYS % 'old')
r = t.sync(spec)
t.is_('two regions', r['status'], 'success')
t.rows("ATTACH 'aws.db' AS d")
t.is_('whose keys they are is asked, too, and among the requests', (len(t.log()), r['requests'], t.one('SELECT requests FROM d.cq_syncs')), (3, 3, 3))
t.is_('those of the table are its own', t.rows('SELECT requests FROM d.cq_sync_tables'), [(2,)])
t.is_('both have rows', t.rows(VPCS), [('eu-west-1', 'old'), ('me-south-1', 'old')])
t.routes(WHO + OFF + KEYS % 'new')
r = t.sync(spec)
t.is_('a region that is no longer enabled is told', (r['status'], [(e['table'], e['client'], e['kind']) for e in r['errors']], r['skipped']),
      ('partial', [('aws_ec2_vpcs', '111122223333:me-south-1', 'failed')], 0))
t.has('with its reason', r['errors'][0]['message'], 'HTTP 401 AuthFailure: AWS was not able to validate the provided access credentials')
t.is_('and keeps its rows', t.rows(VPCS), [('eu-west-1', 'new'), ('me-south-1', 'old')])
t.routes(WHO + KEYS % 'again')
r = t.sync(spec, '{"retry": "failed"}')
t.is_('a retry asks for it alone', (r['status'], regions(), t.rows(VPCS)), ('success', ['me-south-1'], [('eu-west-1', 'new'), ('me-south-1', 'again')]))

# One that never had rows is skipped: nothing is missing, and no retry asks for it.
spec = spec.replace('aws.db', 'new.db')
t.routes(WHO + OFF + KEYS % 'x')
r = t.sync(spec)
t.is_('one that never had rows is skipped', (r['status'], r['skipped'], r['failed']), ('success', 1, 0))
t.rows("ATTACH 'new.db' AS n")
t.is_('and told', t.rows('SELECT table_name, client_id, kind FROM n.cq_sync_errors'), [('aws_ec2_vpcs', '111122223333:me-south-1', 'skipped')])
t.routes(WHO + KEYS % 'x')
t.is_('a retry does not ask for it', (t.sync(spec, '{"retry": "failed"}')['status'], regions()), ('success', []))
# ---- a certificate says who asks: each has a quota of its own
with open('seals.yml', 'w') as f:
    f.write('''format: 1
integration: seals
config: {url: {type: text, default: "${FLEET_URL}"}, certs: {type: list}}
clients:
  who: {values: "{{ config.certs }}", attributes: [cert]}
tls: {client_cert: "{{ client.cert }}"}
defaults: {request: {url: "{{ config.url }}"}, page: {by: none}}
tables:
  seals_seals:
    request: {path: "/seals/{{ client.who }}"}
    rows: "[*]"
    columns: {id: integer}
    limits: {concurrency: 1}
''')
os.environ['CQ_PATH'] = os.path.abspath('seals.yml')
s = Sync('seals.db')
for certs, peak in ((('a.pem', 'b.pem'), 2), (('a.pem', 'a.pem'), 1)):
    s.routes('GET /seals/*\n  delay 300\n  body [{"id":1}]\n')
    r = s.sync('{source: seals, tables: [seals_seals], spec: {certs: [{who: one, cert: %s}, {who: two, cert: %s}]}}' % certs)
    t.is_(f'at once: {certs}', (r['status'], s.peak()), ('success', peak))

t.done()
