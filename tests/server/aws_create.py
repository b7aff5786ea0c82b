"""Makes moto hold at least one resource of as many kinds as it can, by calls that are built out of botocore's models.

For each operation that makes something (Create, Put, Register ...) the required parameters are filled in: a parameter that has
the name of something made before gets that (VpcId, RoleArn, clusterName), the others a word, a number, the first word of an enum.
What that cannot do is in BY_HAND. Several rounds, since things need each other; what moto refuses is left out.
"""
import datetime
import io
import json
import re
import zipfile

import boto3
from botocore.config import Config

MAKES = re.compile(r'^(Create|Put|Register|Allocate|Request|Import|Enable|Add|Start|Subscribe|Publish|Run|Set|Tag)')
NEVER = re.compile(r'(?i)(batch|presigned|token|password|mfa|session|query|query|upload|multipart|event$|events$|records?$|metricdata|message|'
                   r'PutObject|PutItem|StartDBInstance|StartInstances|StopInstances)')
ORDER = ('Create', 'Register', 'Allocate', 'Import', 'Request', 'Run', 'Put', 'Add', 'Enable', 'Start', 'Subscribe', 'Publish', 'Set', 'Tag')
POLICY = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}]})
TRUST = json.dumps({'Version': '2012-10-17', 'Statement': [
    {'Effect': 'Allow', 'Principal': {'Service': 'ec2.amazonaws.com'}, 'Action': 'sts:AssumeRole'}]})


def code():
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as z:
        z.writestr(zipfile.ZipInfo('f.py', (2024, 1, 1, 0, 0, 0)), 'def h(e, c): return 1')
    return out.getvalue()


class Creator:
    def __init__(self, account, region, hand):
        self.account, self.region, self.hand = account, region, hand
        self.session, self.clients = boto3.Session(), {}
        self.pool, self.made, self.why = {}, {}, {}

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = self.session.client(service, region_name=self.region, config=Config(
                parameter_validation=False, retries={'total_max_attempts': 1}, s3={'addressing_style': 'path'}))
        return self.clients[service]

    # ---- parameters ----
    def known(self, service, name):
        low = name.lower()
        for key in ((service, low), (service, low.rstrip('s')), ('', low), ('', low.rstrip('s'))):
            if key in self.pool:
                return self.pool[key]
        return None

    def word(self, service, operation, path, shape, n):
        name = path.split('.')[-1]
        low = name.lower()
        if getattr(shape, 'enum', None):
            return shape.enum[0]
        found = self.known(service, name) if not (path == name and re.fullmatch(
            r'(?i)(create|register|put|import)?(.*)(name|identifier|id)', name) and self.own_name(operation, name)) else None
        if found:
            return found
        if low.endswith('policydocument') and 'assume' in low:
            return TRUST
        if re.search(r'(?i)(policy|policydocument|policytext|resourcepolicy)$', name):
            return POLICY
        if low.endswith('rolearn') or low in ('role', 'executionrole', 'servicerole'):
            return f'arn:aws:iam::{self.account}:role/made'
        if low.endswith('arn'):
            return f'arn:aws:{service}:{self.region}:{self.account}:thing/{low}-{n}'
        if 'cidr' in low:
            return f'10.{n}.0.0/16'
        if 'email' in low:
            return f'a{n}@example.com'
        if 'account' in low:
            return self.account
        if 'region' in low and 'name' not in low:
            return self.region
        if low.endswith(('url', 'uri')):
            return 'https://example.com/x'
        if low.endswith('domainname') or low == 'domain':
            return f'd{n}.example.com'
        if low.endswith('version'):
            return '1.0'
        high = int(shape.metadata.get('max') or 60)
        return f'{re.sub("[^a-z]", "", operation.lower())[-20:]}{n}'[:high]

    @staticmethod
    def own_name(operation, name):
        """A parameter that names what is made."""
        thing = re.sub(r'^(Create|Register|Put|Import|Allocate|Request|Run|Start)', '', operation).lower()
        low = re.sub(r'(?i)(name|identifier|id)$', '', name).lower()
        return low == '' or thing.startswith(low) or low.startswith(thing)

    def value(self, service, operation, path, shape, n, depth=0):
        kind = shape.type_name
        if kind == 'structure':
            names = list(shape.required_members)
            if getattr(shape, 'is_tagged_union', False) and not names:
                names = [next(iter(shape.members))]
            return {m: self.value(service, operation, f'{path}.{m}', shape.members[m], n, depth + 1) for m in names} if depth < 6 else {}
        if kind == 'list':
            name = path.split('.')[-1]
            found = self.known(service, name)
            if found is not None and shape.member.type_name == 'string':
                return [found]
            return [self.value(service, operation, path.rstrip('s'), shape.member, n, depth + 1)] if depth < 6 else []
        if kind == 'map':
            return {'k': self.value(service, operation, path + '.v', shape.value, n, depth + 1)} if depth < 6 else {}
        if kind in ('string', 'character'):
            return self.word(service, operation, path, shape, n)
        if kind == 'boolean':
            return True
        if kind in ('integer', 'long'):
            return max(int(shape.metadata.get('min') or 1), 1)
        if kind in ('float', 'double'):
            return max(float(shape.metadata.get('min') or 1), 1.0)
        if kind == 'timestamp':
            return datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
        return b'x'

    def tags(self, shape):
        """A tag, where the operation takes some."""
        for name in ('Tags', 'tags', 'TagList'):
            s = shape.members.get(name) if shape is not None else None
            if s is None:
                continue
            if s.type_name == 'map':
                return {name: {'team': 'a & b'}}
            if s.type_name == 'list' and s.member.type_name == 'structure':
                m = s.member.members
                k = next((k for k in ('Key', 'key', 'TagKey') if k in m), None)
                v = next((v for v in ('Value', 'value', 'TagValue') if v in m), None)
                if k and v:
                    return {name: [{k: 'team', v: 'a & b'}]}
        return {}

    # ---- what came of it ----
    def note(self, service, tree, above=''):
        if isinstance(tree, dict):
            for k, v in tree.items():
                if k == 'ResponseMetadata':
                    continue
                if isinstance(v, str) and v:
                    low = k.lower()
                    self.pool.setdefault((service, low), v)
                    if low in ('id', 'name', 'arn', 'identifier') and above:
                        self.pool.setdefault((service, above.lower() + low), v)
                        self.pool.setdefault(('', above.lower() + low), v)
                    elif low.endswith(('id', 'arn', 'name', 'identifier')) and low not in ('id', 'name', 'arn', 'requestid'):
                        self.pool.setdefault(('', low), v)
                else:
                    self.note(service, v, k)
        elif isinstance(tree, list):
            for v in tree:
                self.note(service, v, re.sub(r's$', '', above))

    def call(self, service, operation, params, note=True):
        answer = self.client(service)._make_api_call(operation, params)
        if note:
            self.note(service, params)
            self.note(service, answer, re.sub(r'^(Create|Register|Put|Import|Allocate|Request|Run|Start)', '', operation))
        return answer

    def make(self, service, operation):
        model = self.client(service).meta.service_model
        if operation not in model.operation_names:
            return
        shape = model.operation_model(operation).input_shape
        for n in range(2):
            params = {}
            for name in shape.required_members if shape else ():
                params[name] = self.value(service, operation, name, shape.members[name], n + len(self.made) % 50)
            params.update(self.tags(shape))
            try:
                self.call(service, operation, params)
                self.made[service, operation] = self.made.get((service, operation), 0) + 1
            except Exception as e:
                self.why[service, operation] = f'{type(e).__name__}: {e}'[:200]
                if params.keys() & {'Tags', 'tags', 'TagList'}:
                    try:
                        self.call(service, operation, {k: v for k, v in params.items() if k.lower() not in ('tags', 'taglist')})
                        self.made[service, operation] = 1
                    except Exception:
                        pass
                return

    def service(self, service, rounds=2):
        for operation, params in self.hand.get(service, ()):
            try:
                self.call(service, operation, params(self) if callable(params) else params)
                self.made[service, operation] = self.made.get((service, operation), 0) + 1
            except Exception as e:
                self.why[service, operation] = f'by hand: {type(e).__name__}: {e}'[:200]
        names = [o for o in self.client(service).meta.service_model.operation_names if MAKES.match(o) and not NEVER.search(o)]
        names.sort(key=lambda o: (next(i for i, v in enumerate(ORDER) if o.startswith(v)), len(o), o))
        for _ in range(rounds):
            for operation in names:
                if (service, operation) not in self.made:
                    self.make(service, operation)
