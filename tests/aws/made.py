"""Compares tables through cq with the oracle, from moto with what aws_create.py could make: a server and values that are not ours.
cq asks as a user who may do what cq_permissions says, and nothing else."""
import hashlib
import json
import os
import re
import subprocess
import sys

ROOT = os.environ['CQ_ROOT']
sys.path[:0] = [ROOT + '/tests/server', ROOT + '/tests/aws', ROOT + '/tests']

import boto3                       # noqa: E402
import botocore.exceptions         # noqa: E402
import botocore.handlers           # noqa: E402
from botocore.config import Config  # noqa: E402

import aws_models                  # noqa: E402
import models                      # noqa: E402
import oracle                      # noqa: E402
import special                     # noqa: E402
from compare import GONE, NOW      # noqa: E402
from shared import connect         # noqa: E402


class Gone(dict):
    """What the server answers by an error that says that it is not there."""


class Facts(oracle.Facts):
    def pages(self, service, operation, params, client):
        for answer, shape in super().pages(service, operation, params, client):
            if isinstance(answer, Gone):
                return
            yield answer, shape


class Client:
    """What botocore reads from the server."""

    def __init__(self, info):
        keys = {'aws_' + k: v for k, v in info['admin'].items() if k != 'account_id'}
        self.session, self.url, self.made, self.kept = boto3.Session(**keys), info['url'], {}, {}

    def client(self, service, region):
        if (service, region) not in self.made:
            made = self.made[service, region] = self.session.client(service, endpoint_url=self.url, region_name=region, config=Config(
                parameter_validation=False, retries={'total_max_attempts': 1}, s3={'addressing_style': 'path'}))
            # The client decodes policies beside its parser.
            made.meta.events.unregister('after-call.iam', botocore.handlers.json_decode_policies)
            # No name begins with an account's number here.
            made.meta.events.register_first('before-sign.s3-control', lambda request, **_: setattr(request, 'url', re.sub(r'//\d{12}\.', '//', request.url)))
        return self.made[service, region]

    def tokens(self, service, op):
        p = aws_models.SERVICES.model(service).paging(op)
        return (p.ins, p.outs, p.more) if p.paged else None

    def __call__(self, service, op, params, client):
        key = client['region'], service, op.name, repr(params)
        if key not in self.kept:
            try:
                answer = self.client(service, client['region'])._make_api_call(op.name, params)
            except botocore.exceptions.ClientError as e:
                if e.response['ResponseMetadata'].get('HTTPStatusCode') != 404 and \
                        not any(g in e.response['Error'].get('Code', '') for g in GONE):
                    raise
                answer = Gone()
            answer.pop('ResponseMetadata', None)
            self.kept[key] = answer
        return self.kept[key]


class Made(models.Models):
    def __init__(self, services):
        env = {k: v for k, v in os.environ.items() if not k.startswith('AWS_')}
        self.proc = subprocess.Popen([sys.executable, ROOT + '/tests/server/moto_server.py', '--regions', 'us-east-1',
                                      '--made', ','.join(services)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
        self.info = json.loads(self.proc.stdout.readline())
        self.url = self.info['url']
        for name in [n for n in os.environ if n.startswith('AWS_')]:
            del os.environ[name]
        os.environ.update(AWS_REGION='us-east-1', AWS_ENDPOINT_URL=self.url, AWS_EC2_METADATA_DISABLED='true',
                          AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null')
        self.facts = Facts(Client(self.info), models.operation, self.info['accounts'][0], ['us-east-1'])
        special.add_attributes(self.facts.columns)
        self.dbs, self.without, self.as_moto = {}, {}, {}
        for r in oracle.facts('moto-without.tsv'):
            self.without.setdefault(r['table'], set()).add(r['column'])
        for service in services:
            model = aws_models.SERVICES.model(service)
            for operation in model.service.operation_names:
                self.as_moto.setdefault(special.action(service, operation, model.signing), set()).add(f'{model.signing}:{operation}')
        for r in oracle.facts('moto-iam.tsv'):
            self.as_moto.setdefault(r['action'], set()).update(r['asks'].split())
        self.iam = boto3.client('iam', endpoint_url=self.url, region_name='us-east-1', aws_access_key_id=self.info['admin']['access_key_id'],
                                aws_secret_access_key=self.info['admin']['secret_access_key'])
        self.iam.create_user(UserName='least')
        self.key = self.iam.create_access_key(UserName='least')['AccessKey']
        self.tables = {r[0]: dict(zip(('key', 'parent', 'permissions', 'example'), r[1:])) for r in self.db(None).execute(
            "SELECT name, key, parent, permissions, example FROM cq_tables WHERE integration = 'aws'")}

    def db(self, own):
        if not self.dbs:
            db = connect(':memory:', check_same_thread=False)
            db.execute("SELECT cq_config('aws.regions', '[\"us-east-1\"]'), cq_config('aws.access_key_id', ?), "
                       "cq_config('aws.secret_access_key', ?), cq_config('aws.max_retries', '1'), cq_config('aws.use_paid_apis', 'true')",
                       (self.key['AccessKeyId'], self.key['SecretAccessKey']))
            self.dbs[None] = db
        return self.dbs[None]

    def allow(self, actions):
        """What cq may do from here on, by the names that moto knows them by."""
        these = sorted({a for action in actions for a in [action, *self.as_moto.get(action, ())]})
        self.iam.put_user_policy(UserName='least', PolicyName='p', PolicyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [
            {'Effect': 'Allow', 'Action': these or ['sts:GetSessionToken'], 'Resource': '*'}]}))
        self.db(None).execute("SELECT cq_config('cache_ttl', 0)").fetchall()

    def permitted(self, tables):
        """The actions of cq_permissions for these tables."""
        spec = json.dumps({'source': 'aws', 'tables': list(tables), 'spec': {'regions': ['us-east-1']}})
        policy = json.loads(self.db(None).execute('SELECT cq_permissions(?)', (spec,)).fetchone()[0])
        return {a for s in policy['Statement'] for a in s['Action']}

    # Times that moto makes anew for each answer, and numbers that are fractions there.
    SLACK = {c for t, c in NOW} | {'last_used', 'last_accessed', 'last_status_change_time', 'access_key_1_last_used_date'}

    def columns(self, table):
        return {c: k for c, k in super().columns(table).items() if c not in self.without.get(table, ())}

    def have(self, table):
        return *self.read(table), []

    def requests(self, table, log):
        return []


    def lacks(self, table):
        """Why a table cannot be compared here, and of what: None where it can."""
        try:
            wanted = self.facts.rows(table)
        except Exception as e:
            return 'no operation', self.operation_of(f'{type(e).__name__}: {e}') or self.facts.plan[table]['operation'].split(':')[-1]
        if not wanted:
            return 'no rows', self.facts.plan[table]['operation'].split(':')[-1]
        rows, fields, wrong = self.table(table, self.have(table))
        if not wrong:
            return None
        called = self.operation_of('; '.join(map(str, wrong)))
        if called:
            return 'no operation', called
        first = str(wrong[0])
        column = re.match(r'(\w+) \(', first) or re.match(r'(\w+): the oracle', first)
        return 'differs', column[1] if column else re.sub(r'\d+', 'N', first.partition(':')[0])[:60]

    @staticmethod
    def operation_of(text):
        """What a server without it answers with a page."""
        found = re.search(r'(\w+) from [\d.]+:\d+: HTTP (?:500|501|404)(?! \w)', text) or \
            re.search(r'\((?:500|404)\) when calling the (\w+) operation', text)
        return found[1] if found else None


def denied(tap, m, tables, part):
    """One table in `part`: the actions that it says it needs suffice, and without one of them it is denied, which is said."""
    unasked = {r['action'] for r in oracle.facts('moto-iam.tsv') if not r['asks']}
    for table in tables:
        if int(hashlib.sha256(table.encode()).hexdigest(), 16) % part:
            continue
        own, need, up = set(json.loads(m.tables[table]['permissions'] or '[]')), set(), table
        while up:
            need |= set(json.loads(m.tables[up]['permissions'] or '[]'))
            up = m.tables[up]['parent']
        wrong = []
        for action in [None, *sorted(own - unasked)]:
            m.allow(need - {action})
            error = m.read(table)[2]
            if action is None and error:
                wrong.append(f'with {sorted(need)}: {error}')
            elif action and not any(f'missing permission: {a}' in (error or '') for a in [action, *m.as_moto.get(action, ())]):
                wrong.append(f'without {action}: {error}')
        tap.none(f'{table}: {", ".join(sorted(need))}', wrong)


def run(tap, tables, lacking=(), part=16):
    """Compares tables; and of those that `lacking` names (table, why, of what, in words) that it is so still."""
    plan = oracle.facts('plan.tsv')
    asked = {*tables, *(r['table'] for r in lacking)}
    services = [s for s in dict.fromkeys(r['service'] for r in plan if r['table'] in asked) if s not in special.WITHDRAWN]
    m = Made(services)
    try:
        print(f'# {m.info["made"]} things made', flush=True)
        m.allow(m.permitted(tables))
        for table in tables:
            rows, fields, wrong = m.table(table, m.have(table))
            if wrong:                      # a state there moved on between the two readings: once more, both anew
                m.db(None).execute("SELECT cq_config('cache_ttl', 0)").fetchall()
                m.facts.known.clear()
                m.facts.ask.kept.clear()
                rows, fields, wrong = m.table(table, m.have(table))
            if not rows:
                wrong.append('moto has no rows: nothing was compared')
            tap.none(f'{table}: {rows} rows, {fields} fields', wrong)
        denied(tap, m, tables, part)
        m.allow(['*'])
        for why in sorted({r['why'] for r in lacking}):
            wrong = []
            for r in [r for r in lacking if r['why'] == why]:
                now = m.lacks(r['table'])
                if why == 'unsteady' and now in (None, ('differs', r['of'])):      # what the server changes between two readings
                    continue
                if now != (why, r['of']):
                    wrong.append(f'{r["table"]}: it was {why}: {r["of"]}; now it is {": ".join(now) if now else "to be compared: see moto.txt"}')
            tap.none(f'not compared: {why}: {sum(r["why"] == why for r in lacking)} tables', wrong)
        m.without, without = {}, m.without
        unsteady = {r['table'] for r in oracle.facts('moto-without.tsv') if r['steady'] == 'no'}     # the same again by chance
        whole = [t for t in tables if t in without and t not in unsteady and not m.lacks(t)]
        tap.none(f'compared without some columns: {len(without)} tables', [f'{t} could be compared whole: see moto-without.tsv' for t in whole])
    finally:
        m.stop()
    return m
