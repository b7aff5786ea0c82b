"""What the model server answers: for any operation of any of botocore's models a plain dict that reaches every member
of the output.

All of it follows from (account, region, service, operation, parameters). A record has a seed, a word like q11a2b3c4d0q:
its depth below the records that it was asked by, a hash, and its variant (0 full, 1 some members absent and texts empty,
2 only identifiers and what is required, 3 full, with lists and maps of one). Each identifier that a record holds ends in
its seed, so that a call with one of them (a detail, its tags, its children) answers for the same record: the same member
has the same value whoever asks for it, and what is absent is absent everywhere.
"""
import base64
import datetime
import hashlib
import json
import os
import re
import zlib

SEED = re.compile(r'q([1-9])([0-9a-f]{8})([0-3])q')
DEEPEST, MOST = 7, 1200          # levels of structures in a record; scalars in a record
IDENTIFIER = re.compile(r'(Id|Ids|ID|IDs|Arn|Arns|ARN|ARNs|Name|Names|Identifier|Identifiers|Url|URL|Alias|Key)$')
WORDS = re.compile(r'(?i)^(id|ids|arn|arns|name|names|identifier|url|alias|.*(arn|arns|name|names|identifier|url))$')
ACCOUNT = re.compile(r'(?i)(account(id)?s?|owner(id)?|registryid|.*accountid|.*owneraccount|.*accountnumber)$')
REGION = re.compile(r'(?i)(.*region|regionname|regions)$')
NUMBERS = re.compile(r'(Number|Seconds|Timestamp|Size|Period|Timeout|Confirmed|Deleted|Pending|Count)')
TIME = re.compile(r'(Date|Time|[a-z]At|Timestamp|LaunchedTime)$')
JSON = re.compile(r'(?i)(policy|policydocument|policytext|document|policies|cloudtrailevent|templatebody|inlinepolicy)$')
FAILURES = re.compile(r'(?i)(fail|error|unprocessed|notfound|missing|invalid|unavailable)')
TOKENS = ('nextToken', 'NextToken', 'nextPageToken', 'NextPageToken', 'pageToken', 'PageToken', 'nextMarker', 'NextMarker',
          'marker', 'Marker', 'position')
LIMITS = re.compile(r'(?i)^(max(results|items|records|entries|keys|buckets)|limit|pagesize|page_size|.*pagesize)$')
PLACES = ('us-east-1', 'eu-west-1', 'ap-southeast-2', 'eu-central-1')
TEXTS = ('{m} of {h}', '<{m}> & "{h}" \'q\'', '{m} \u00e9\u00df \u65e5\u672c {h} \U0001f600', ' {m}\t{h} ', '{m}: a=b;c,d|e/f?g#h%20+{h}',
         '{m} {h}\nsecond line')
REALS = (0.0, 1.5, -2.25, 1e-07, 123456789.125, 3.0e20)
LONGS = (0, 1, 9007199254740993, -7, 4611686018427387904)
INTS = (0, 1, 7, 65536, 2147483647)
TAG_KEYS = ('Name', 'Key', 'TagKey', 'key', 'tagKey', 'name')
TAG_VALUES = ('Value', 'TagValue', 'value', 'tagValue')
# Maps of attributes that the models do not name.
ATTRIBUTES = {
    'GetTopicAttributes': {'TopicArn', 'DisplayName', 'Owner', 'SubscriptionsConfirmed', 'SubscriptionsDeleted',
                           'SubscriptionsPending', 'KmsMasterKeyId', 'FifoTopic', 'ContentBasedDeduplication', 'Policy',
                           'DeliveryPolicy', 'EffectiveDeliveryPolicy', 'SignatureVersion'},
    'GetSubscriptionAttributes': {'SubscriptionArn', 'TopicArn', 'Owner', 'ConfirmationWasAuthenticated', 'DeliveryPolicy',
                                  'EffectiveDeliveryPolicy', 'FilterPolicy', 'RedrivePolicy', 'PendingConfirmation',
                                  'RawMessageDelivery', 'SubscriptionRoleArn', 'Protocol', 'Endpoint', 'FilterPolicyScope'},
}
# Texts that must be what they are for a call to make sense: (operation, member), for all variants or some.
FIXED = {
    ('GetServiceLastAccessedDetails', 'JobStatus'): 'COMPLETED',
    # What children of theirs ask for.
    ('DescribeTable', 'GlobalTableVersion'): '2019.11.21',
    ('DescribeCluster', 'InstanceCollectionType'): {'0': 'INSTANCE_FLEET', '1': 'INSTANCE_GROUP'},
    ('ListIdentityProviderConfigs', 'type'): {'0': 'oidc'},
    ('DescribeDBEngineVersions', 'DBParameterGroupFamily'): {'0': 'aurora-postgresql16', '1': 'aurora-mysql8.0'},
    ('DescribePolicy', 'Content'): '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "a:<&>", "Resource": "*"}]}',
    ('DescribeConfigurationRevision', 'Data'): base64.b64encode(b'<broker a="1"><b>&lt;x&gt;</b><b/></broker>').decode(),
    ('DescribeTrails', 'CloudWatchLogsLogGroupArn'): 'arn:aws:logs:us-east-1:111111111111:log-group:trails <a>/b:*',
    ('GetTemplateSummary', 'Metadata'): '{"AWS::CloudFormation::Interface": {"a": ["<&>", 1, null]}}',
    ('DescribeSecurityConfiguration', 'SecurityConfiguration'): '{"EncryptionConfiguration": {"a": "<&>"}}',
    ('DescribeImageAttribute', 'Value'): '2024-05-06T07:08:09Z',
    ('ListResourceSharePermissions', 'version'): '7',
    ('GetPermission', 'permission'): '{"Effect": "Allow", "Action": ["a:b"]}',
    ('DescribeInstances', 'StateTransitionReason'): 'User initiated (2024-03-04 05:06:07 GMT)',
}
# Optional parameters that ask for another part of a list.
LOOPS = ('CallAs', 'ResourceType', 'jobStatus', 'Scope', 'ServiceNamespace', 'language', 'LensType', 'ShareResourceType', 'Attribute')
# Lists of what is of the same kind as what is above it.
ENDING = ('ListChildren', 'ListOrganizationalUnitsForParent')
# An identifier that a list calls otherwise than the detail does.
SAME = {('kms', 'KeyArn'): 'Arn', ('inspector', 'findingArn'): 'arn'}
OPTED = (('us-east-1', 'opt-in-not-required'), ('eu-west-1', 'opted-in'), ('ap-east-1', 'not-opted-in'))
REPORT = ('user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,'
          'access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,'
          'access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,'
          'access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,'
          'cert_2_last_rotated\n'
          '<root_account>,arn:aws:iam::{a}:root,2019-01-02T03:04:05+00:00,not_supported,2024-01-02T03:04:05+00:00,not_supported,'
          'not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\n'
          'zo\u00eb,arn:aws:iam::{a}:user/zo\u00eb,2020-01-02T03:04:05+00:00,true,no_information,2021-01-02T03:04:05+00:00,N/A,false,'
          'true,2022-01-02T03:04:05+00:00,2024-05-06T07:08:09+00:00,eu-west-1,s3,false,N/A,N/A,N/A,N/A,true,'
          '2023-01-02T03:04:05+00:00,false,N/A\n')


def key_letters():
    """The letters of all that CloudQuery's keys, ARNs and parameters are made of: AWS never leaves such a member out."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'aws')
    out = set()
    with open(os.path.join(here, 'columns.tsv'), encoding='utf-8') as f:
        out |= {line.split('\t')[1] for line in f if line.endswith('\t1\n')}
    with open(os.path.join(here, 'overlay.tsv'), encoding='utf-8') as f:
        for line in f:
            _, _, kind, source = line.rstrip('\n').split('\t')
            out |= set(re.findall(r'\w+', source)) if kind in ('arn_template', 'nested', 'alias', 'alias_by_rule') else set()
    with open(os.path.join(here, 'plan.tsv'), encoding='utf-8') as f:
        for line in f:
            parts = line.rstrip('\n').split('\t')
            out |= set(re.findall(r'\w+', ' '.join(parts[i] for i in (5, 7, 9, 10))))
    return {w.replace('_', '').lower() for w in out}


KEYS = key_letters()


def mix(*parts):
    return int.from_bytes(hashlib.blake2b('\0'.join(map(str, parts)).encode(), digest_size=6).digest(), 'big')


def quick(seed, path):
    return zlib.crc32(path.encode(), zlib.crc32(seed.encode()))


def seed_of(depth, variant, *parts):
    return f'q{min(depth, 9)}{mix(*parts) & 0xffffffff:08x}{variant % 4}q'


def seeds_in(value):
    """All seeds in a parameter, in order."""
    if isinstance(value, str):
        return [m.group() for m in SEED.finditer(value)]
    if isinstance(value, dict):
        return [s for v in value.values() for s in seeds_in(v)]
    if isinstance(value, list):
        return [s for v in value for s in seeds_in(v)]
    return []


def singular(name):
    for many, one in (('ies', 'y'), ('sses', 'ss'), ('s', '')):
        if name.endswith(many):
            return name[:-len(many)] + one
    return name


def path_get(tree, path):
    for part in path.split('.'):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def kind_of_tags(shape):
    return shape.type_name == 'map' and shape.value.type_name == 'string'


def same_kind(shape, value):
    return shape.type_name == ('string' if isinstance(value, str) else 'integer')


def within(part, *members):
    """Of an answer that is one structure: Marker goes in, NextMarker or Marker comes out."""
    return {'input_token': 'Marker', 'output_token': f'{part}.{members[0]}', 'result_key': f'{part}.{members[1]}'}


# As AWS documents them, where the models have no paginator.
UNTOLD = {
    **{f'List{w}': within(p, 'NextMarker', 'Items') for w, p in (
        ('CachePolicies', 'CachePolicyList'), ('Functions', 'FunctionList'), ('OriginRequestPolicies', 'OriginRequestPolicyList'),
        ('ResponseHeadersPolicies', 'ResponseHeadersPolicyList'))},
    'DescribeEngineDefaultClusterParameters': within('EngineDefaults', 'Marker', 'Parameters'),
    'ListGlobalTables': {'input_token': 'ExclusiveStartGlobalTableName', 'output_token': 'LastEvaluatedGlobalTableName', 'result_key': 'GlobalTables'},
    'ListStreams': {'input_token': 'ExclusiveStartStreamArn', 'output_token': 'LastEvaluatedStreamArn', 'result_key': 'Streams'},
    'ListDeliveryStreams': {'more_results': 'HasMoreDeliveryStreams'},       # by the last one's name: all are on one page
    'ListTrafficPolicies': {'input_token': 'TrafficPolicyIdMarker', 'output_token': 'TrafficPolicyIdMarker', 'more_results': 'IsTruncated',
                            'result_key': 'TrafficPolicySummaries'},
    'ListTrafficPolicyVersions': {'input_token': 'TrafficPolicyVersionMarker', 'output_token': 'TrafficPolicyVersionMarker',
                                  'more_results': 'IsTruncated', 'result_key': 'TrafficPolicies'},
    'ListTrafficPolicyInstancesByHostedZone': {
        'input_token': ['TrafficPolicyInstanceNameMarker', 'TrafficPolicyInstanceTypeMarker'],
        'output_token': ['TrafficPolicyInstanceNameMarker', 'TrafficPolicyInstanceTypeMarker'], 'more_results': 'IsTruncated',
        'result_key': 'TrafficPolicyInstances'}}


class Paging:
    """The tokens of an operation, as its paginator or its members tell."""

    def __init__(self, operation, paginators):
        p = paginators.get(operation.name) or UNTOLD.get(operation.name) or {}
        given = operation.input_shape.members if operation.input_shape else {}
        if any(n not in given for n in ([p['input_token']] if isinstance(p.get('input_token'), str) else p.get('input_token') or ())):
            p = {}            # another service's operation of that name

        def several(v):
            return v if isinstance(v, list) else [v] if v else []
        self.ins, self.outs = several(p.get('input_token')), [o.split('||')[0].strip() for o in several(p.get('output_token'))]
        self.more, self.limit = p.get('more_results'), p.get('limit_key')
        self.results = [r.split('||')[0].strip() for r in several(p.get('result_key'))]
        ins = operation.input_shape.members if operation.input_shape else {}
        outs = operation.output_shape.members if operation.output_shape else {}
        for name in TOKENS:
            for other in (name, 'next' + name[:1].upper() + name[1:], 'Next' + name):
                if name in ins and other in outs and name not in self.ins and other not in self.outs:
                    self.ins.append(name)
                    self.outs.append(other)
                    break
        self.limits = {self.limit} | {n for n in ins if LIMITS.match(n)}
        self.paged = bool(self.ins)


class Model:
    """One service: its botocore model and what follows from it, made once."""

    def __init__(self, service, name, paginators):
        self.service, self.name, self.paginators = service, name, paginators
        self.operations, self.sizes, self.depths = {}, {}, {}
        self.signing = service.signing_name

    def paging(self, operation):
        if operation.name not in self.operations:
            self.operations[operation.name] = Paging(operation, self.paginators)
        return self.operations[operation.name]

    def size(self, shape, levels):
        """Scalars in a shape, opened that many levels deep."""
        key = shape.name, levels
        if key not in self.sizes:
            self.sizes[key] = 1
            kind = shape.type_name
            if kind == 'structure':
                self.sizes[key] = sum(self.size(m, levels - 1) for m in shape.members.values()) if levels > 0 else 0
            elif kind == 'list':
                self.sizes[key] = self.size(shape.member, levels)
            elif kind == 'map':
                self.sizes[key] = 1 + self.size(shape.value, levels)
        return self.sizes[key]

    def levels(self, shape):
        """How deep a record of this shape is opened."""
        if shape.name not in self.depths:
            n = 2
            while n < DEEPEST and self.size(shape, n + 1) <= MOST:
                n += 1
            self.depths[shape.name] = n
        return self.depths[shape.name]


class Answer:
    """One answer: Answer(...).make()."""

    def __init__(self, model, operation, params, account, region):
        self.model, self.operation, self.params = model, operation, params
        self.account, self.region = account, region
        self.paging = model.paging(operation)
        ignored = set(self.paging.ins) | self.paging.limits
        self.seeds, self.asked = [], []
        required = operation.input_shape.required_members if operation.input_shape else ()
        for name, value in params.items():
            if name in ignored or isinstance(value, (datetime.datetime, bool)):
                continue
            found = seeds_in(value)
            self.seeds += found
            if not found and (name in required or name in LOOPS) and not isinstance(value, (dict, list)):
                self.asked.append((name, json.dumps(value, default=str)))
        self.asked.sort()
        self.depth = max((int(s[1]) for s in self.seeds), default=0)
        # The last of the deepest: what the others lead to.
        self.own = next((s for s in reversed(self.seeds) if int(s[1]) == self.depth), None)
        deepest = sorted({s for s in self.seeds if int(s[1]) == self.depth})
        self.key = mix(account, region, model.name, operation.name, self.asked, deepest)
        self.variant = int(self.own[-2]) if self.own else 0
        self.base = self.own or seed_of(1, 0, self.key)
        self.batch = next((v for n, v in params.items() if isinstance(v, list) and n not in ignored and
                           v and all(isinstance(x, str) and SEED.search(x) for x in v)), None)
        self.batch_name = next((n for n, v in params.items() if v is self.batch), None) if self.batch else None

    # ---- pages ----
    def pages(self):
        """Records on each page."""
        many = self.key % 3
        if not self.paging.paged or self.batch:
            pages = [3]
        elif self.own is None:
            pages = [[2, 2], [2, 1, 0], [3, 2]][many]
        else:
            pages = [2, 1] if self.variant == 0 else [1]
        if self.operation.name in ENDING and self.depth > 2:
            pages = [0]
        elif self.own and not self.batch:
            if self.variant == 2 and self.key % 2:
                pages = [0]                       # nothing below it
            elif not self.paging.paged:
                pages = [2 if self.variant == 0 else 1]
        if not self.own and self.region == OPTED[1][0] and self.key % 5 == 0:
            pages = [0]                           # nothing in this region
        return pages

    def tokens(self, page):
        """What asks for the page after this one: {input member: value}."""
        out = {}
        for i, (name, path) in enumerate(zip(self.paging.ins, self.paging.outs)):
            if '[' in path:                       # it is a member of the last record
                out[name] = self.record_token(page, path)
            else:
                shape = self.operation.input_shape.members[name]
                if shape.type_name in ('integer', 'long'):
                    out[name] = page + 1
                elif getattr(shape, 'enum', None):
                    out[name] = shape.enum[(page + 1) % len(shape.enum)]
                else:
                    out[name] = base64.b64encode(b'\xfb\xff' + f'{page + 1}~{self.key % 9999}~{i}'.encode()).decode()
        return out

    def record_token(self, page, path):
        head, _, member = path.partition('[-1]')
        seed = self.record_seed(head, page, self.pages()[page] - 1)
        label = (member.lstrip('.') or singular(head)).lower()
        return f'{label}-{seed}'

    def page(self):
        given = {n: self.params[n] for n in self.paging.ins if self.params.get(n) not in (None, '')}
        if not given:
            return 0
        for page in range(len(self.pages()) - 1):
            made = self.tokens(page)
            if all(made[n] == v for n, v in given.items()):
                return page + 1
        raise ValueError(f'the token {given} is not of this list with these parameters')

    def record_seed(self, path, page, i):
        variant = i + 2 * page if not (self.own and self.variant) else self.variant
        return seed_of(self.depth + 1, variant, self.key, path, page, i)

    # ---- the answer ----
    def make(self):
        shape = self.operation.output_shape
        if shape is None:
            return {}
        special = getattr(self, '_' + self.operation.name, None)
        if special:
            return special(shape)
        self.at = self.page()
        # Where the answer itself has a name and much beside, or nothing else, it is the record; else its structures are.
        scalars = [n for n, m in shape.members.items() if m.type_name not in ('structure', 'list', 'map') and
                   n not in self.paging.outs and n.lower() not in ('requestid', 'status')]
        structures = [n for n, m in shape.members.items() if m.type_name == 'structure']
        self.is_record = self.own is not None and (len(scalars) > 2 or not structures) and any(
            re.search('(?i)(^|.)(id|arn|name)$', n) for n in scalars)
        out = {}
        levels = self.model.levels(shape)
        for name, member in shape.members.items():
            value = self.top(name, member, levels)
            if value is not None:
                out[name] = value
        self.echo(shape, out)
        self.mark(out)
        return out

    def top(self, name, shape, levels):
        kind = shape.type_name
        if name in self.paging.outs or name == self.paging.more:
            return None
        if kind == 'structure' and not shape.is_document_type:
            if not shape.members:
                return {}
            if self.is_record and not self.holds_records(name) and \
                    name != self.operation.output_shape.serialization.get('payload'):
                return self.member(shape, self.base, name, levels - 1, (), name in self.operation.output_shape.required_members)
            out = {}
            deep = self.model.levels(shape)
            for member, inner in self.chosen(shape, self.base, name):
                if f'{name}.{member}' in self.paging.results and inner.type_name == 'list':
                    value = self.records(f'{name}.{member}', inner)
                elif f'{name}.{member}' in self.paging.outs or f'{name}.{member}' == self.paging.more or \
                        (member in ('NextMarker', 'IsTruncated') and not self.paging.paged):
                    continue
                else:
                    value = self.member(inner, self.base, f'{name}.{member}' if self.is_record else member, deep - 1, (shape.name,), member in shape.required_members)
                if value is not None:
                    out[member] = value
            return out
        if kind == 'list' and not self.pairs(shape) and not self.in_header(shape) and \
                (not self.is_record or self.paging.paged):
            if FAILURES.search(name) and not FAILURES.search(self.operation.name):       # beside what was asked for
                return []
            return self.records(name, shape)
        out = self.operation.output_shape
        required = not self.is_record or name in out.required_members or name == out.serialization.get('payload')
        return self.member(shape, self.base, name, levels - 1, (), required)

    def holds_records(self, name):
        return any(r.startswith(name + '.') for r in self.paging.results)

    @staticmethod
    def in_header(shape):
        return shape.serialization.get('location') in ('header', 'headers')

    def records(self, path, shape):
        inner = shape.member
        if self.batch:
            seeds = [seeds_in(v)[-1] for v in reversed(self.batch)]
            given = list(reversed(self.batch))
        else:
            count = self.pages()[self.at]
            seeds, given = [self.record_seed(path, self.at, i) for i in range(count)], None
        out = []
        for i, seed in enumerate(seeds):
            if inner.type_name == 'structure' and not inner.is_document_type:
                record = self.structure(inner, seed, '', self.model.levels(inner), ())
                if given:
                    one, low = singular(self.batch_name).lower(), {m.lower() for m in inner.members}
                    for m, s in inner.members.items():
                        if s.type_name == 'string' and (m.lower() == one or (
                                m.lower() in ('id', 'arn', 'name') and one.endswith(m.lower()) and one not in low)):
                            record[m] = given[i]
                out.append(record)
            else:
                out.append(self.name_of(inner, seed, singular(path.split('.')[-1])))
        if not out and self.region == OPTED[1][0] and self.key % 2:
            return None
        return out

    def name_of(self, shape, seed, label):
        """An element of a list of texts: what tells a record."""
        if shape.type_name != 'string' or getattr(shape, 'enum', None) or label.lower().endswith('arn'):
            return self.scalar(shape, seed, label)
        return self.fit(label.lower() + '-', seed, int(shape.metadata.get('max') or 4000))

    def echo(self, shape, out):
        """What was asked for stands in members of the same name."""
        given = {n.lower(): v for n, v in self.params.items() if isinstance(v, (str, int)) and not isinstance(v, bool) and
                 n not in self.paging.ins and n not in self.paging.limits}
        if not given:
            return
        for name, member in shape.members.items():
            if name.lower() in given and same_kind(member, given[name.lower()]):
                if name in out:
                    out[name] = given[name.lower()]
            elif member.type_name == 'structure' and isinstance(out.get(name), dict):
                for m, s in member.members.items():
                    if m.lower() in given and m in out[name] and same_kind(s, given[m.lower()]):
                        out[name][m] = given[m.lower()]
            elif member.type_name == 'list' and member.member.type_name == 'structure' and not self.batch:
                for record in out.get(name) or ():
                    for m, s in member.member.members.items():
                        if m.lower() in given and m in record and same_kind(s, given[m.lower()]) and \
                                m.lower() not in ('id', 'arn', 'name', 'key', 'type', 'value', 'status'):
                            record[m] = given[m.lower()]

    def mark(self, out):
        """Tokens and the flag that there is more."""
        if not self.paging.paged:
            if self.paging.more:
                self.put(out, self.paging.more, False)
            return
        last = self.at >= len(self.pages()) - 1
        if not last:
            made = self.tokens(self.at)
            for name, path in zip(self.paging.ins, self.paging.outs):
                if '[' not in path:
                    self.put(out, path, made[name])
        if self.paging.more and '[' not in self.paging.more:
            self.put(out, self.paging.more, not last)

    def put(self, out, path, value):
        *above, name = path.split('.')
        shape = self.operation.output_shape
        for part in above:
            out = out.setdefault(part, {})
            shape = shape.members[part]
        if name in shape.members:
            out[name] = value

    # ---- values of shapes ----
    def chosen(self, shape, seed, path):
        """Members of a structure that this record has."""
        if getattr(shape, 'is_tagged_union', False):
            names = list(shape.members)
            name = names[quick(seed, path + '|union') % len(names)]
            return [(name, shape.members[name])]
        return shape.members.items()

    def structure(self, shape, seed, path, levels, above):
        out = {}
        pair = len(shape.members) == 2 and not getattr(shape, 'is_tagged_union', False) and \
            all(m.type_name == 'string' for m in shape.members.values())
        for name, member in self.chosen(shape, seed, path):
            value = self.member(member, seed, f'{path}.{name}' if path else name, levels - 1, above + (shape.name,),
                                pair or name in shape.required_members)
            if value is not None:
                out[name] = value
        if getattr(shape, 'is_tagged_union', False) and not out:
            for name, member in shape.members.items():
                value = self.member(member, seed, f'{path}.{name}', 2, above, True)
                if value is not None:
                    return {name: value}
        return out

    def member(self, shape, seed, path, levels, above, required):
        name = path.rpartition('.')[2]
        variant = int(seed[-2])
        if self.pairs(shape) or (kind_of_tags(shape) and 'tag' in name.lower()):
            required = True
        wanted = required or (all(p.lower() in KEYS for p in path.split('.')) and (shape.type_name != 'list' or '.' in path)) or (
            '.' not in path and shape.type_name in ('string', 'list') and (WORDS.match(name) or IDENTIFIER.search(name)))
        if not wanted and (variant == 2 or (variant == 1 and quick(seed, path + '|there') % 2)):
            return None
        kind = shape.type_name
        if kind == 'structure':
            if shape.is_document_type:
                return {'a': [1, 'x <&>', None, True], 'b': {'c': 1.5, 'd': seed}}
            if levels <= 0 or above.count(shape.name) > 1:         # a shape in itself, once
                if required and getattr(shape, 'is_tagged_union', False):
                    return self.structure(shape, seed, path, 2, above)
                return {} if required else None
            return self.structure(shape, seed, path, levels, above)
        if kind == 'list':
            return self.items(shape, seed, path, levels, above, required)
        if kind == 'map':
            return self.map(shape, seed, path, levels, above)
        return self.scalar(shape, seed, path)

    @staticmethod
    def pairs(shape):
        """Names of key and value, where a list is one of tags."""
        if shape.type_name != 'list' or shape.member.type_name != 'structure' or 'Tag' not in shape.member.name + shape.name:
            return None
        members = shape.member.members
        key = next((k for k in TAG_KEYS if k in members), None)
        value = next((v for v in TAG_VALUES if v in members), None)
        return (key, value) if key and value and len(members) <= 6 and members[value].type_name == 'string' else None

    def tags(self, seed):
        variant = int(seed[-2])
        if variant == 2:
            return []
        many = [('Name', f'n <{seed[1:6]}> & \u00e9'), ('a b/c', ''), ('cost:center', f'{quick(seed, "tag")}')]
        return many[:1] if variant == 3 else many

    def items(self, shape, seed, path, levels, above, required):
        inner, variant = shape.member, int(seed[-2])
        tags = self.pairs(shape)
        if tags:
            rest = [m for m in inner.members if m not in tags]
            return [{tags[0]: k, tags[1]: v, **{m: self.scalar(inner.members[m], seed, m) for m in rest
                                                if inner.members[m].type_name in ('string', 'boolean')}}
                    for k, v in self.tags(seed)]
        count = 1 if variant == 3 or levels < 4 else 1 + quick(seed, path + '|n') % 2
        if variant in (1, 2) and quick(seed, path + '|n') % 3 == 0:
            count = 0
        count = max(count, shape.metadata.get('min', 0) if required else 0)
        if getattr(inner, 'is_tagged_union', False) and variant == 0:
            count = min(len(inner.members), 8)
        count = min(count, shape.metadata.get('max') or count, 8)
        out = []
        for i in range(count):
            if inner.type_name == 'structure' and not inner.is_document_type:
                if levels <= 0 or above.count(inner.name) > 1:
                    return [] if required else None
                if getattr(inner, 'is_tagged_union', False) and variant == 0:
                    name = list(inner.members)[i]
                    value = self.member(inner.members[name], seed, f'{path}.{i}.{name}', levels - 1, above + (inner.name,), True)
                    if value is not None:
                        out.append({name: value})
                    continue
                own = seed_of(int(seed[1]), 0 if variant == 0 and i == 0 else quick(seed, f'{path}{i}') % 4, seed, path, i)
                out.append(self.structure(inner, own, '', levels, above))
            elif inner.type_name in ('list', 'map'):
                value = self.member(inner, seed, f'{path}.{i}', levels - 1, above, True)
                if value is not None:
                    out.append(value)
            else:
                head, _, last = path.rpartition('.')
                value = self.scalar(inner, seed, f'{head}.{singular(last)}' if head else singular(last), i)
                out.append('x' if value == '' else value)
        return out

    def map(self, shape, seed, path, levels, above):
        variant, keys, inner = int(seed[-2]), getattr(shape.key, 'enum', None), shape.value
        if self.operation.name in ATTRIBUTES and '.' not in path:
            keys = sorted(ATTRIBUTES[self.operation.name])
        if 'tag' in path.rpartition('.')[2].lower() and inner.type_name == 'string':
            return dict(self.tags(seed))
        if keys:
            keys = [k for k in keys if k != 'All'] + ['NewAttribute']
            if variant:
                keys = [k for k in keys if k.endswith('Arn') or quick(seed, k) % 3 == 0]
            elif levels < 4:
                keys = keys[:3]
        else:
            keys = ['k.1'] if variant == 3 else ['k.1', 'k <2> & \u00e9/\u00fc'] if variant == 0 else []
        out = {}
        for k in keys:
            if inner.type_name == 'integer' and k.startswith('Account'):
                out[k] = quick(seed, k) % 2
                continue
            if inner.type_name == 'string' and shape.key.type_name == 'string':
                out[k] = self.attribute(inner, seed, path, k)
                continue
            value = self.member(inner, seed, f'{path}.{k}', levels - 1, above, True)
            if value is not None:
                out[k] = value
        return out

    def attribute(self, shape, seed, path, key):
        """A value of a map of texts, in the form that its key asks for."""
        h = quick(seed, f'{path}.{key}')
        if key == 'PendingConfirmation':
            return ('false', 'true')[h % 2]
        if NUMBERS.search(key):
            return str(h % 100000)
        if key.endswith('Policy'):
            return self.json_text(seed, key)
        if re.match(r'(Fifo|Raw)|.*(Enabled|Authenticated|Deduplication)$', key) and 'Limit' not in key:
            return ('false', 'true')[h % 2]
        return self.scalar(shape, seed, f'{path}.{key}' if '.' in path else key)

    @staticmethod
    def json_text(seed, name):
        return json.dumps({'Version': '2012-10-17', 'Id': seed, 'Statement': [
            {'Effect': 'Allow', 'Action': ['a:b', 'c:<&>'], 'Resource': '*', 'Sid': name, 'Condition': {'Bool': {'x': True}}}]},
            ensure_ascii=False)

    def scalar(self, shape, seed, path, i=0):
        kind, name = shape.type_name, path.rpartition('.')[2]
        h = quick(seed, f'{path}#{i}')
        variant = int(seed[-2])
        if kind == 'string' or kind == 'character':
            return self.text(shape, seed, path, name, h + i, variant)
        if kind == 'boolean':
            return bool(h % 2)
        if kind in ('integer', 'long', 'short', 'byte'):
            low, high = shape.metadata.get('min'), shape.metadata.get('max')
            if name.lower() in KEYS and low is None and high is None:
                return 1 + h % 100000
            if low is not None or high is not None:
                low = int(low or 0)
                high = int(high if high is not None else low + 1000)
                return low + h % (high - low + 1)
            return LONGS[h % len(LONGS)] if kind == 'long' and h % 3 == 0 else INTS[h % len(INTS)] if h % 3 else h % 5000
        if kind in ('float', 'double'):
            return REALS[h % len(REALS)]
        if kind == 'timestamp':
            parts = (0, 0, 123000, 456000, 990000)[h % 5]
            return datetime.datetime.fromtimestamp(1500000000 + h % 200000000, datetime.timezone.utc).replace(microsecond=parts)
        if kind == 'blob':
            return self.blob(shape, seed, path)
        raise TypeError(f'{path}: {kind}')

    def blob(self, shape, seed, path):
        if self.operation.output_shape.serialization.get('payload') == path:
            return f'{{"content": "<{path}> & {seed}"}}'.encode()
        return b'\x00\xff<' + f'{path} {seed}'.encode()

    def text(self, shape, seed, path, name, h, variant):
        fixed = FIXED.get((self.operation.name, name))
        if isinstance(fixed, dict):
            fixed = fixed.get(seed[-2])
        if fixed:
            return fixed
        enum = getattr(shape, 'enum', None)
        if enum:
            return enum[h % len(enum)]
        low, high = int(shape.metadata.get('min') or 0), int(shape.metadata.get('max') or 4000)
        other = SAME.get((self.model.name, path))
        if other:
            return self.text(shape, seed, other, other, quick(seed, f'{other}#0'), variant)
        lower = name.lower()
        if ACCOUNT.match(name):
            return self.account if h % 2 or variant == 0 else f'2{h % 10**11:011d}'
        if REGION.match(name):
            return self.region if h % 2 else PLACES[h % len(PLACES)]
        if lower.startswith('availabilityzone'):
            return self.region + 'ab'[h % 2]
        if lower.endswith(('arn', 'arns')):
            return f'arn:aws:{self.model.signing}:{self.region}:{self.account}:{path.lower()}{"" if not h % 2 else "/x"}/{seed}'
        if WORDS.match(name) or IDENTIFIER.search(name):
            return self.fit(f'{path.lower()}-', seed, high)
        if JSON.search(name) and high > 200:
            return self.json_text(seed, name)
        if TIME.search(name):
            return datetime.datetime.fromtimestamp(1500000000 + h % 200000000, datetime.timezone.utc).strftime(
                '%Y-%m-%dT%H:%M:%S' + ('.123Z', 'Z')[h % 2])
        if variant == 1 and h % 4 == 0 and low == 0 and lower not in KEYS:
            return ''
        if high < 24:
            return str(h)[:high].ljust(low, '0')
        text = (f'{name} {h}' if self.in_header(shape) else TEXTS[h % len(TEXTS)].format(m=name, h=h))[:high]
        return text.ljust(low, 'x') if low < 3000 else text

    @staticmethod
    def fit(label, seed, high):
        return (label + seed)[-high:] if high >= len(seed) else seed[:high]

    # ---- what the models cannot tell ----
    def _GetCallerIdentity(self, shape):
        return {'Account': self.account, 'UserId': 'AIDAEXAMPLE', 'Arn': f'arn:aws:iam::{self.account}:user/reader'}

    def _GetCredentialReport(self, shape):
        return {'Content': REPORT.replace('{a}', self.account).encode(), 'ReportFormat': 'text/csv',
                'GeneratedTime': datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)}

    def _GenerateCredentialReport(self, shape):
        return {'State': 'COMPLETE'}

    def _DescribeRegions(self, shape):
        asked = self.params.get('AllRegions')
        return {'Regions': [{'RegionName': r, 'Endpoint': f'ec2.{r}.amazonaws.com', 'OptInStatus': s} for r, s in OPTED
                            if asked or s != 'not-opted-in']}
