#!/usr/bin/env python3
"""Makes vtab/aws/<service>.yml from botocore's service models and overlay/*.yml.

  generate.py [--out DIR] [SERVICE...]      (Python 3, PyYAML, botocore as pinned in overlay/models.yml)

The models know requests, shapes, wire names and paging; the overlay knows which
operation a table lists, its parents, keys and further calls, and every column
that is not simply a member of the record. See README.md for the overlay's words.
"""
import argparse
import glob
import json
import os
import re
import sys

import botocore
import botocore.loaders
import yaml
from botocore.model import ServiceModel

import endpoints

HERE = os.path.dirname(os.path.abspath(__file__))
PROTOCOLS = ('ec2', 'query', 'json', 'rest-json', 'rest-xml')
SCALARS = {'string': 'text', 'character': 'text', 'integer': 'integer', 'long': 'integer', 'float': 'real',
           'double': 'real', 'boolean': 'boolean', 'timestamp': 'timestamp', 'blob': 'blob', 'bigdecimal': 'text'}
DESCRIBED = {'account_id': 'client.account_id', 'request_account_id': 'client.account_id',
             'region': 'client.region', 'request_region': 'client.region', 'partition': 'client.partition'}
INITIALISMS = set('ACL API ASCII CIDR CPU CSS DNS EOF FQDN GUID HTML HTTP HTTPS ID IP IPC IPv4 IPv6 JSON LHS PID QOS '
                  'QPS RAM RHS RPC SLA SMTP SQL SSH TCP TLS TTL UDP UI UID UUID URI URL UTF8 VM XML XMPP XSRF '
                  'XSS'.split())
HOME = "client.default_region or config.default_region or client.global_region"
GONE = ['*NotFound*', 'NoSuch*', '*NonExistent*']      # between the list and its detail
TOKENS = [(n, n) for n in ('nextToken', 'NextToken', 'nextMarker', 'NextMarker', 'Marker', 'marker', 'position', 'nextPageToken',
                           'NextPageToken', 'pageToken')] + \
    [('marker', 'nextMarker'), ('Marker', 'NextMarker'), ('pageToken', 'nextPageToken'), ('PageToken', 'NextPageToken')]
LIMITS = ('MaxResults', 'maxResults', 'Limit', 'limit', 'MaxItems', 'maxItems', 'MaxRecords', 'PageSize', 'pageSize')
PLURALS = (('ARNs', 'Arns'), ('VPCs', 'Vpcs'), ('CNAMEs', 'Cnames'), ('EC2', 'Ec2'), ('SHA256', 'Sha256'),
           ('OAuth', 'Oauth'), ('IPv', 'Ipv'))


class Fault(Exception):
    pass


# ---- names -----------------------------------------------------------------
def capital(name):
    return name[:1].upper() + name[1:]


def words(name):
    """The caser of CloudQuery's columns: Go's initialisms, lower-cased words."""
    out, last, i, n = [], 0, 0, len(name)
    while i < n:
        if i > 0 and (name[i].isupper() or name[i] == '_'):
            start = name[last:]
            initial = max((start[:k] for k in range(1, 6) if start[:k] in INITIALISMS), key=len, default='')
            if not initial:
                run = re.match(r'[A-Z]*', start).group()
                initial = start if run == start else run[:-1]
            if initial:
                out.append(initial)
                last += len(initial)
                i = last
            else:
                out.append(name[last:i])
                last = i = i + 1 if name[i] == '_' else i
        i += 1
    rest = name[last:]
    if rest == 's' and out:
        out[-1] += 's'
    elif rest:
        out.append(rest)
    return out


def column_name(member):
    return '_'.join(words(capital(member))).lower()


def plain_name(member):
    """For columns that CloudQuery has not: no broken plurals."""
    for odd, even in PLURALS:
        member = member.replace(odd, even)
    return column_name(member)


# ---- models ----------------------------------------------------------------
class Service:
    def __init__(self, loader, overlay):
        self.loader, self.overlay = loader, overlay
        self.model = ServiceModel(loader.load_service_model(overlay['model'], 'service-2'), overlay['model'])
        self.pages = {}
        try:
            self.pages = loader.load_service_model(overlay['model'], 'paginators-1')['pagination']
        except botocore.exceptions.UnknownServiceError:
            pass
        meta = self.model.metadata
        spoken = [p for p in meta.get('protocols', [meta['protocol']]) if p in PROTOCOLS]
        self.protocol = overlay.get('protocol') or spoken[0]
        self.json = self.protocol in ('json', 'rest-json')
        self.host = meta['endpointPrefix']
        self.signing = meta.get('signingName') or self.host
        self.shapes = {}     # name: definition, of the shapes that columns use
        self.inputs = {}     # the same of those that options use
        self.done = set()
        self.same = {}
        self.where = None

    @property
    def places(self):
        if self.where is None:
            self.where = endpoints.Places(self)
        return self.where

    def wire(self, shape, name):
        """The name of a structure's member in an answer."""
        if shape.type_name == 'list' and shape.serialization.get('flattened') and not self.json:
            item = shape.member.serialization.get('name')
            if item:
                return item
        return shape.serialization.get('name', name)

    def item(self, shape):
        """The element that wraps an item of a list, '' where it is flattened."""
        if self.json or shape.serialization.get('flattened'):
            return ''
        return shape.member.serialization.get('name', 'member')

    def is_same(self, shape):
        """The JSON on the wire is already the JSON that the column shows."""
        if not self.json:
            return False
        if shape.name in self.same:
            return self.same[shape.name]
        self.same[shape.name] = True        # while looking at itself: recursion decides nothing
        kind = shape.type_name
        if kind == 'structure':
            ok = all(self.wire(m, k) == capital(k) and self.is_same(m) for k, m in shape.members.items())
        elif kind == 'list':
            ok = self.is_same(shape.member)
        elif kind == 'map':
            ok = self.is_same(shape.value)
        else:
            ok = kind != 'timestamp'
        self.same[shape.name] = ok
        return ok

    def type_text(self, shape):
        """A shape in the words of `shapes:`; notes the shapes that it needs."""
        kind = shape.type_name
        if self.is_same(shape) and kind in ('structure', 'list', 'map'):
            return 'json'
        if kind == 'structure':
            if getattr(shape, 'is_document_type', False) or not shape.members:
                return 'json'
            name = capital(shape.name)
            if self.shapes.get(name, shape).name != shape.name:
                name += '_'
            self.shapes[name] = shape
            return name
        if kind == 'list':
            item = self.item(shape)
            return f'list({item}) of {self.type_text(shape.member)}' if item else f'list of {self.type_text(shape.member)}'
        if kind == 'map':
            value = self.type_text(shape.value)
            if self.json:
                return f'map of {value}'
            entry = '.' if shape.serialization.get('flattened') else 'entry'
            key = shape.key.serialization.get('name', 'key')
            return f'map({entry} {key} {shape.value.serialization.get("name", "value")}) of {value}'
        if kind == 'timestamp':
            form = shape.serialization.get('timestampFormat') or ('unixTimestamp' if self.json else 'iso8601')
            return 'timestamp(epoch)' if form == 'unixTimestamp' else 'timestamp'
        return 'text' if kind == 'blob' else SCALARS[kind]      # base64 text stays what it is inside JSON

    def option_type(self, shape, in_url=False):
        """A parameter in the words of `shapes:`; notes the shapes that it needs."""
        kind, named = shape.type_name, shape.serialization.get('name')
        if kind == 'structure':
            if getattr(shape, 'is_document_type', False) or not shape.members:
                return 'json'
            name = capital(shape.name) + '_input'
            self.inputs[name] = shape
            return name
        if kind == 'list':
            flat = self.json or in_url or self.protocol == 'ec2' or shape.serialization.get('flattened')
            item = '' if flat else '(%s)' % shape.member.serialization.get('name', 'member')
            return f'list{item} of {self.option_type(shape.member, in_url)}'
        if kind == 'map':
            value = self.option_type(shape.value, in_url)
            if self.json:
                return f'map of {value}'
            names = [x.serialization.get('name', n) for x, n in ((shape.key, 'key'), (shape.value, 'value'))]
            return f"map({'.' if shape.serialization.get('flattened') else 'entry'} {names[0]} {names[1]}) of {value}"
        if kind == 'timestamp':
            form = shape.serialization.get('timestampFormat') or ('unixTimestamp' if self.json and not in_url else 'iso8601')
            return 'timestamp(epoch)' if form == 'unixTimestamp' else 'timestamp'
        return 'text' if kind == 'blob' else SCALARS[kind]

    @staticmethod
    def fills(value, cursor):
        """Is a parameter's value cq's alone?  A page's size may be said, and from when to when, where the cursor asks only once then."""
        text = json.dumps(value)
        told = {n for hole in re.findall(r'\{\{(.*?)\}\}', text) for n in re.findall(r'\b([a-z]+)\.[a-z]', hole)}
        if told and told <= {'cursor', 'run'} and not {'window', 'start'} <= set(cursor or {}):
            return False
        return '{{' in text and value != '{{ page.size }}'

    def options(self, operation, filled, req, cursor):
        """What table_options may say: every parameter but those that cq fills itself."""
        shape, out, rest = operation.input_shape, {}, self.protocol.startswith('rest-')
        for name, member in (shape.members.items() if shape else ()):
            where, own = member.serialization.get('location'), filled.get(name)
            if name == 'DryRun' or getattr(member, 'deprecated', False) or member.serialization.get('hostLabel') or \
                    self.fills(own, cursor) or where in ('uri', 'header', 'headers', 'statusCode') or \
                    name == shape.serialization.get('payload') or where == 'querystring' and member.type_name in ('map', 'structure'):
                continue
            text, wire = self.option_type(member, where == 'querystring'), self.input_name(member, name)
            if rest and where == 'querystring' and 'method' in req:
                wire = '?' + wire
            elif rest and where is None:
                if self.protocol != 'rest-json':
                    continue
                req.setdefault('json', {})      # or it would go into the address
            out[plain_name(name)] = text if wire == plain_name(name) else f'{text} {wire}'
        return {plain_name(operation.name): out} if out else None

    def input_tree(self):
        """All shapes of parameters noted so far and those that they need."""
        out = {}
        while True:
            todo = [n for n in sorted(self.inputs) if n not in out]
            if not todo:
                return out
            for name in todo:
                out[name] = {}
                for key, member in self.inputs[name].members.items():
                    text, wire = self.option_type(member), self.input_name(member, key)
                    out[name][plain_name(key)] = text if wire == plain_name(key) else f'{text} {wire}'

    def shape_tree(self):
        """All shapes noted so far and those that they need."""
        out = self.input_tree()
        while True:
            todo = [n for n in sorted(self.shapes) if n not in out]
            if not todo:
                return {n: out[n] for n in sorted(out)}
            for name in todo:
                body = {}
                for key, member in self.shapes[name].members.items():
                    text, wire = self.type_text(member), self.wire(member, key)
                    if member.serialization.get('xmlAttribute'):
                        wire = '@' + wire
                    body[capital(key)] = text if wire == capital(key) else f'{text} {wire}'
                out[name] = body

    # ---- paths ----
    def step(self, shape, name):
        if name not in shape.members:
            near = [m for m in shape.members if m.lower() == name.lower()]
            raise Fault(f'{shape.name} has no member {name}' + (f'; did you mean {near[0]}?' if near else ''))
        return shape.members[name]

    @staticmethod
    def exact(shape, name):
        """A member's own name: its first letter may be written as CloudQuery does."""
        small = name[:1].lower() + name[1:]
        return small if small in shape.members and name not in shape.members else name

    def prefix(self, operation):
        wrapper = operation.output_shape.serialization.get('resultWrapper') if operation.output_shape else None
        return [wrapper] if wrapper and self.protocol == 'query' else []

    def walk(self, operation, text):
        """Member path with [] -> (path on the wire, shape at its end)."""
        shape = operation.output_shape
        if text == '/':
            return '/', shape
        out = self.prefix(operation)
        payload = shape.serialization.get('payload')
        for i, part in enumerate([] if text == '.' else text.split('.')):
            name, many = part.removesuffix('[]'), part.endswith('[]')
            member = self.step(shape, name)
            if not (i == 0 and name == payload and not many):
                out.append(key_text(self.wire(member, name)))
            shape = member
            if many:
                item = self.item(shape)
                if item:
                    out.append(key_text(item))
                out[-1] += '[*]'
                shape = shape.member
        return '.'.join(out).replace('.[', '[') or '.', shape

    def member_path(self, shape, text):
        """Path of members below a record -> (path on the wire, shape)."""
        out = []
        payload = shape.serialization.get('payload')      # of an answer; the body is that member
        for i, name in enumerate([] if text == '.' else text.split('.')):
            if shape.type_name == 'structure':
                name = self.exact(shape, name)
            member = self.step(shape, name)
            if not (i == 0 and name == payload):
                out.append(key_text(self.wire(member, name)))
            shape = member
        return '.'.join(out).replace('.[', '[') or '.', shape

    # ---- requests ----
    def flat(self, prefix, shape, value, out):
        """A parameter of the query protocols."""
        if shape.type_name == 'structure' and isinstance(value, dict):
            for k, v in value.items():
                member = self.step(shape, k)
                self.flat(f'{prefix}.{self.input_name(member, k)}', member, v, out)
        elif shape.type_name == 'list':
            if self.protocol != 'ec2' and not shape.serialization.get('flattened'):
                prefix = f"{prefix}.{shape.member.serialization.get('name', 'member')}"
            if isinstance(value, list):
                for i, v in enumerate(value, 1):
                    self.flat(f'{prefix}.{i}', shape.member, v, out)
            else:
                out[prefix + '.{n}'] = value
        else:
            out[prefix] = plain_text(value)

    def input_name(self, member, name):
        if self.protocol == 'ec2':
            own = member.serialization.get('queryName')
            return own or capital(member.serialization.get('name', name))
        return self.wire(member, name) if not self.json else member.serialization.get('name', name)

    def tree(self, shape, value):
        """A parameter of the JSON protocols."""
        if shape.type_name == 'structure' and isinstance(value, dict):
            return {self.step(shape, k).serialization.get('name', k): self.tree(self.step(shape, k), v)
                    for k, v in value.items()}
        if shape.type_name == 'list' and isinstance(value, list):
            return [self.tree(shape.member, v) for v in value]
        if shape.type_name == 'map' and isinstance(value, dict):
            return {k: self.tree(shape.value, v) for k, v in value.items()}
        return enum_of(shape) if value == '*' else value

    def request(self, operation, params, more):
        shape, name = operation.input_shape, operation.name
        params = {k: enum_of(self.step(shape, k)) if v == '*' else v for k, v in params.items() if v is not None}
        for p in shape.required_members if shape else ():
            if p not in params and not (more.get('body') and shape.members[p].serialization.get('location') is None):
                raise Fault(f'{name}: parameter {p} is missing')
        req = {'operation': name}
        if self.protocol in ('ec2', 'query'):
            form = {'Action': name}
            for k, v in params.items():
                self.flat(self.input_name(shape.members[k], k), shape.members[k], v, form)
            req['form'] = form
        elif self.protocol == 'json':
            req['headers'] = {'X-Amz-Target': f"{self.model.metadata['targetPrefix']}.{name}"}
            req['json'] = self.tree(shape, params) if shape else {}
        else:
            self.rest(operation, params, req, more)
        req.update(more)
        return req

    def rest(self, operation, params, req, more):
        path, _, query = operation.http['requestUri'].partition('?')
        if operation.http['method'] != 'GET':
            req['method'] = operation.http['method']
            req['safe'] = True
        pairs = {}
        for part in filter(None, query.split('&')):
            k, _, v = part.partition('=')
            pairs[k] = v
        body = {}
        for k, v in params.items():
            member = operation.input_shape.members[k]
            where, wire = member.serialization.get('location'), member.serialization.get('name', k)
            if where == 'uri':
                path = re.sub(r'\{' + wire + r'\}', lambda _: one_step(v), path)
                path = re.sub(r'\{' + wire + r'\+\}', lambda _: v, path)
            elif where == 'querystring':
                pairs[wire] = plain_text(v)
            elif where == 'header':
                req.setdefault('headers', {})[wire] = plain_text(v)
            else:
                body[wire] = self.tree(member, v)
        if re.search(r'(?<!\{)\{(?!\{)', path):
            raise Fault(f'{operation.name}: the path {path} lacks a parameter')
        req['path'] = path
        if pairs:
            req['query'] = pairs
        if body and self.protocol == 'rest-xml':
            req.setdefault('headers', {})['Content-Type'] = 'application/xml'
            req['body'] = self.xml_body(operation, body)
        elif body:
            req['json'] = body

    @staticmethod
    def xml_body(operation, values):
        """Texts inside the root that the operation's input is; one without a value is left out."""
        how = operation.input_shape.serialization
        space = (how.get('xmlNamespace') or {}).get('uri')
        root, out = how.get('name', operation.input_shape.name), ''
        for name, v in values.items():
            found = re.fullmatch(r'\{\{ ([\w.]+) \}\}', v) if isinstance(v, str) else None
            if not found:
                raise Fault(f'{operation.name}: {name}: an XML body holds nothing but what is asked for')
            escaped = f"{found[1]} | replace('&', '&amp;') | replace('<', '&lt;')"
            out += f"{{{{ '<{name}>{{}}</{name}>' | format({escaped}) if {found[1]} else '' }}}}"
        return f'<{root}' + (f' xmlns="{space}"' if space else '') + f'>{out}</{root}>'

    def tokens(self, operation):
        """Paging that the shapes tell and no paginator does."""
        ins = operation.input_shape.members if operation.input_shape else {}
        outs = operation.output_shape.members if operation.output_shape else {}
        for sent, got in TOKENS:
            if sent in ins and got in outs and ins[sent].type_name == outs[got].type_name == 'string':
                return self.paging(ins, [sent], [got])
        return {}

    def rarer_tokens(self, operation):
        """Paging that the names of parameters tell, but not by a token of one name in both shapes."""
        ins = operation.input_shape.members if operation.input_shape else {}
        outs = operation.output_shape.members if operation.output_shape else {}
        # Within the one structure of the answer: CachePolicyList.NextMarker, EngineDefaults.Marker.
        for name, shape in outs.items():
            for sent, got in TOKENS if shape.type_name == 'structure' else ():
                if sent in ins and got in shape.members and ins[sent].type_name == shape.members[got].type_name == 'string':
                    return self.paging(ins, [sent], [f'{name}.{got}'])
        # The key of the last one: ExclusiveStartStreamArn of LastEvaluatedStreamArn.
        for sent in ins:
            got = sent.replace('ExclusiveStart', 'LastEvaluated')
            if got != sent and got in outs:
                return self.paging(ins, [sent], [got])
        # Markers that are called after what they mark.
        marks = [k for k in ins if k.endswith('Marker') and k in outs]
        return {**self.paging(ins, marks, marks), 'more_results': 'IsTruncated'} if marks and 'IsTruncated' in outs else {}

    @staticmethod
    def allowed(limit):
        """The smallest and the largest page that the words of a model allow, where its numbers allow more: KMS lists a hundred
        aliases, not 1,000, and MQ no fewer than five brokers."""
        text = re.sub(r'<[^>]+>', ' ', limit.documentation or '')
        spans = re.findall(r'(?i)(?:between|valid range:|integer from) *(\d+) *(?:and|-|to) *(\d[\d,]*)', text)
        most = [n for _, n in spans] + re.findall(r'(?i)(?:cannot exceed|maximum value is) *(\d[\d,]*)', text)
        return max((int(n) for n, _ in spans), default=1), max((int(n.replace(',', '')) for n in most), default=1000)

    def alone(self, operation, limit):
        """What may not be asked by together with a size, in the words of the model: `the instance IDs parameter`, `images with imageIds`."""
        members = operation.input_shape.members
        text = re.sub(r'<[^>]+>', '', members[limit].documentation or '')
        said = re.findall(r"(?i)(?:cannot|can't) specify this parameter and the ([\w ]+?) parameter in the same", text)
        said += re.findall(r'(?i)cannot be used when you specify \w+ with (\w+)', text)
        names = [m for m in members for s in said if m.lower().endswith(s.replace(' ', '').lower())]
        return [self.input_name(members[m], m) for m in names]

    @staticmethod
    def paging(ins, sent, got):
        limit = next((k for k in LIMITS if k in ins and ins[k].type_name == 'integer'), None)
        one = len(sent) == 1
        return {'input_token': sent[0] if one else sent, 'output_token': got[0] if one else got, **({'limit_key': limit} if limit else {})}

    def page(self, operation, overlay):
        """-> (page, parameters that it adds)"""
        p = self.pages.get(operation.name) or self.tokens(operation) or ({} if overlay.get('generated') else self.rarer_tokens(operation))
        p = {**p, **(overlay.get('page') or {})} if overlay.get('page', {}) is not None else {}
        token = p.get('input_token')
        if not token:
            return None, {}
        if 'last' in p:                    # what the last record is called
            page = {'by': 'last', 'token': p['last'], 'more': self.walk(operation, p['more_results'])[0]}
            page['size'] = min(int(operation.input_shape.members[p['limit_key']].metadata['max']), 1000)
            return page, {token: '{{ page.token }}', p['limit_key']: '{{ page.size }}'}
        ins = token if isinstance(token, list) else [token]
        outs = p['output_token'] if isinstance(p['output_token'], list) else [p['output_token']]
        page = {'by': 'token'}
        if len(ins) == 1:
            page['token'] = self.walk(operation, outs[0])[0]
            params = {ins[0]: '{{ page.token }}'}
        else:
            names = [plain_name(i).split('_')[-1] for i in ins]
            names = names if len(set(names)) == len(ins) else [plain_name(i) for i in ins]
            page['token'] = {n: self.walk(operation, o)[0] for n, o in zip(names, outs)}
            params = {i: '{{ page.token.%s }}' % n for i, n in zip(ins, names)}
        if p.get('same_is_last'):
            page['same_is_last'] = True
        if p.get('more_results'):
            page['more'] = self.walk(operation, p['more_results'])[0]
        limit = p.get('limit_key')
        size = overlay.get('page_size', self.overlay.get('page_size'))
        if limit:
            meta = operation.input_shape.members[limit].metadata
            size = size if size is not None else meta.get('max')
            if size:
                told, most = self.allowed(operation.input_shape.members[limit])
                page['size'] = min(int(size), 1000, most)
                least = max(overlay.get('page_min', self.overlay.get('page_min', meta.get('min', 1))), told)
                if least > 1:
                    page['min_size'] = least
                params[limit] = '{{ page.size }}'
                alone = self.alone(operation, limit)
                if alone:
                    page['size_unless'] = alone
        return page, params


def one_step(value):
    """A label of a path: slashes in its value part no steps."""
    m = re.fullmatch(r'\{\{ (.*) \}\}', value) if isinstance(value, str) else None
    if not m or '}}' in m[1]:
        return value
    return '{{ (%s) | urlencode }}' % m[1] if re.search(r' (or|and|if) ', m[1]) else '{{ %s | urlencode }}' % m[1]


def plain_text(value):
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else value


def enum_of(shape):
    """The values of a text, or of the texts in a list."""
    while shape.type_name == 'list':
        shape = shape.member
    if not getattr(shape, 'enum', None):
        raise Fault(f'{shape.name} has no fixed values')
    return list(shape.enum)


def key_text(name):
    return name if re.fullmatch(r'[\w#-]+', name) else f'["{name}"]'


# ---- tables ----------------------------------------------------------------
# Words of SQL that columns are called, too.
KEYWORDS = {'group', 'order', 'index', 'values', 'default', 'from', 'to', 'table', 'references', 'check', 'limit', 'transaction'}
UPPER = set('acl acls ad ami amis api apis arn az ca cidr cors cpu db dhcp dms dns ebs ec2 ecs eks emr fifo fsx gcp hsm hsms '
            'http https iam id ids ip ipam ips ipv4 ipv6 kms mfa nat oidc ous ram rds s3 saml sms sns sql sqs ssh ssl sso '
            'rest ssm tls ui uri url urls vpc vpcs vpn waf xml'.split())


def title_of(table, overlay):
    """Cluster node groups of aws_eks_cluster_node_groups."""
    rest = table.split('_')[2:] or table.split('_')[1:]
    text = ' '.join({'apis': 'APIs', 'vpcs': 'VPCs', 'acls': 'ACLs', 'ips': 'IPs', 'ids': 'IDs', 'urls': 'URLs',
                     'amis': 'AMIs', 'hsms': 'HSMs', 'ous': 'OUs'}.get(w, w.upper() if w in UPPER else w) for w in rest)
    return capital(text)


class Table:
    def __init__(self, service, name, overlay, columns):
        self.s, self.name, self.o = service, name, overlay
        self.model = service.model
        self.list_shape = None
        self.by = None         # the two members of a list's pairs, where their names do not tell
        self.key = overlay.get('key') or [c for c, _, key in columns if key]
        self.wanted = [(c, kind) for c, kind, _ in columns] or \
            [(c, 'text') for c, rule in (overlay.get('columns') or {}).items() if isinstance(rule, str)]
        self.used = set()      # members of the record that a column shows

    def operation(self, name):
        if name not in self.model.operation_names:
            raise Fault(f'no operation {name}')
        return self.model.operation_model(name)

    def build(self):
        o, s = self.o, self.s
        out = {'title': o.get('title') or title_of(self.name, self.s.overlay)}
        if o.get('once'):
            o.setdefault('over', ['account'])
        if self.once():
            o.setdefault('in_region', HOME)
        for key in ('description', 'retired', 'generated', 'over', 'only', 'parent'):
            if key in o:
                out[key] = o[key]
        if 'retired' in o or 'values' in o or 'within' in o:
            return self.without_request(out)
        op = self.operation(o['list'])
        page, params = s.page(op, o)
        rows, self.list_shape = s.walk(op, o['rows'])
        if 'each' in o:
            out['each'] = {k: enum_of(s.step(op.input_shape, v)) if isinstance(v, str) and '{{' not in v else v
                           for k, v in o['each'].items()}
        if 'job' in o:
            out['job'] = self.job(o['job'])
        params = {**self.given(o.get('params')), **params}
        out['request'] = s.request(op, params, self.placed(o, op, params))
        options = s.options(op, params, out['request'], o.get('cursor'))
        out['rows'] = '.' if o['rows'] == '/' else rows
        if 'csv' in o:                                    # base64 in one member, a CSV file in that
            out['request']['inner'] = {'path': s.walk(op, o['csv'])[0], 'encoding': 'base64', 'decode': 'csv'}
            out['rows'] = '.'
        if 'below' in o:
            out['below'] = self.below(o['below'])
        for key in ('rows_when', 'null_values', 'paid'):
            if key in o:
                out[key] = o[key]
        if page:
            out['page'] = page
        if options:
            out['options'] = options
        for key in ('cursor', 'limits'):
            if key in o:
                out[key] = o[key]
        errors = self.errors(o)
        if errors:
            out['errors'] = errors
        out['key'] = self.key
        self.detail_shape = None
        calls = self.calls()
        if self.o.get('detail') and self.o['detail'].get('only') is None:
            out['detail'] = self.detail_name
        out['columns'] = self.columns()
        if calls:
            out['calls'] = calls
        out['permissions'] = self.permissions(op)
        out['example'] = o.get('example') or self.example(out['columns'])
        return out

    def without_request(self, out):
        """Constant rows, rows within the parent's, or the columns of a service that AWS withdrew."""
        o, members = self.o, {}
        if 'within' in o:
            out['rows'] = o['within']['rows']
            members = {column_name(m): capital(m) for m in self.model.shape_for(o['within']['shape']).members}
        elif 'values' in o:
            shape = self.model.shape_for(o['values']) if isinstance(o['values'], str) else None
            out['values'] = enum_of(shape) if shape is not None else o['values']
        out['key'] = self.key
        special = o.get('columns') or {}
        out['columns'] = {}
        for col, want in self.wanted:
            if col in special:
                rule = special[col]
            else:
                rule = self.described(col) if col in DESCRIBED else f'{want} {members[col]}' if members else want
            if isinstance(rule, str) and rule.startswith('parent.'):
                rule = {'type': want, 'from': rule}
            out['columns'][col] = rule
        if o.get('permissions'):
            out['permissions'] = o['permissions']
        out['example'] = o.get('example') or self.example(out['columns'])
        return out

    def given(self, value):
        """Parameters; parent.x, row.x and the like stand for templates, item for the list's record."""
        if value is None:
            return {}
        if isinstance(value, dict):
            return {k: self.given(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.given(v) for v in value]
        if not isinstance(value, str):
            return value
        if re.fullmatch(r'(parent|row|client|each|config|job)\.\w+(\.\w+)*', value):
            return '{{ %s }}' % value
        if value == 'item':
            return '{{ record }}'
        if value.startswith('item.'):
            return '{{ record.%s }}' % self.s.member_path(self.list_shape, value[5:])[0]
        return value

    def placed(self, o, op, params):
        """What the overlay says of a request, and where it goes, where that is not where the service's others go."""
        more, region, places = dict(o.get('request') or {}), o.get('in_region'), self.s.places
        before = (op.endpoint or {}).get('hostPrefix')
        if before:                         # 'api.', '{AccountId}.'
            told = re.findall(r'\{(\w+)\}', before)
            value = re.fullmatch(r'\{\{ (.*) \}\}', params[told[0]])[1] if told else None
            before = re.sub(r'\{\w+\}', '{}', before), value
        if region or before:
            more['url'] = places.url(region, before)
        if region:
            more['auth'] = {'region': places.auth_region(region)}
        return more

    def errors(self, o):
        """Codes that mean nothing there, then the other rules."""
        out = [{'when': {'code': o['empty']}, 'then': 'empty'}] if o.get('empty') else []
        return out + list(o.get('errors') or ())

    def below(self, o):
        """What is asked for each record, until no new one comes."""
        op = self.operation(o['operation'])
        page, params = self.s.page(op, o)
        params = {**self.given(o.get('params')), **params}
        out = {'request': self.s.request(op, params, self.placed(o, op, params)), 'rows': self.s.walk(op, o['rows'])[0]}
        if page:
            out['page'] = page
        return out

    def job(self, o):
        out, poll = {}, self.operation(o['poll'])
        if 'start' in o:
            start = self.operation(o['start'])
            out['start'] = {'request': self.s.request(start, self.given(o.get('params') or {}), {})}
            if o.get('values'):
                out['start']['values'] = {k: self.s.walk(start, v)[0] for k, v in o['values'].items()}
        out['poll'] = {'request': self.s.request(poll, self.given(o.get('poll_params') or {}), {}),
                       'path': self.s.walk(poll, o['path'])[0], 'until': o['until']}
        for key in ('failed', 'every', 'most'):
            if key in o:
                out['poll'][key] = o[key]
        return out

    def example(self, columns):
        """Where it is, what it is, and what one looks at first."""
        plain = [c for c, v in columns.items() if not re.search(r'json|list of|blob', str(v)) and
                 not (isinstance(v, dict) and v.get('hidden'))]
        first = [c for c in ('account_id', 'request_account_id', 'region', 'request_region') if c in plain][:1]
        regional = [c for c in ('region', 'request_region') if c in plain][:1]
        picked = regional or first
        known = [c for c in plain if c in self.key and c not in picked and c not in DESCRIBED]
        wanted = [c for c in plain if re.search(r'(^|_)(name|id|status|state|type|title)$', c) and c not in known]
        for c in known[:2] + wanted + plain:
            if c not in picked and len(picked) < 4 and c not in DESCRIBED:
                picked.append(c)
        names = [f'"{c}"' if c in KEYWORDS else c for c in picked or list(columns)[:3]]
        return f"SELECT {', '.join(names)} FROM {self.name}"

    def permissions(self, op):
        if self.o.get('permissions'):
            return self.o['permissions']
        prefix = self.s.overlay.get('iam', self.s.signing)
        if prefix == 'apigateway':
            return ['apigateway:GET']
        job = self.o.get('job') or {}
        calls = [self.o[k] for k in ('detail', 'below') if self.o.get(k)] + [c for c in self.further.values() if 'raw' not in c]
        names = [op.name] + [c['operation'] for c in calls] + [job[k] for k in ('start', 'poll') if k in job]
        return sorted({f'{prefix}:{n}' for n in names} | {c['raw'] for c in self.further.values() if 'raw' in c})

    def calls(self):
        """The detail call first: the others may need its columns."""
        out = self.made = {}
        d = self.o.get('detail')
        self.call_shapes = {}
        if d:
            self.detail_name = d.get('name') or re.sub(r'(?<!^)([A-Z])', r'_\1', d['operation']).lower()
            if d.get('only') is None and not d.get('batch'):
                d = {'errors': [{'when': {'code': GONE}, 'then': 'skip_row'}], **d}
            out[self.detail_name] = self.call(self.detail_name, d)
            self.detail_shape = self.call_shapes[self.detail_name]
        self.further = dict(self.o.get('calls') or {})
        if self.tags_call() and 'tags' not in self.further:
            self.further['tags'] = self.tags_call()
        for name, c in self.further.items():
            columns = self.o.get('columns') or {}
            mine = [k for k, r in columns.items() if isinstance(r, dict) and r.get('call') == name]
            paged = self.pairs_in_pages(c, columns[mine[0]]['map']) if len(mine) == 1 and set(columns[mine[0]]) == {'map', 'call'} and 'raw' not in c else c
            out[name] = self.call(name, paged)
            if paged is not c:
                self.further[name] = paged
                columns[mine[0]] = self.pairs_column(name)
        return out

    def tags_call(self):
        """The service's own call for tags, with what it is asked by in this table."""
        rule = self.s.overlay.get('tags')
        own = self.o.get('tags')
        if not rule or own is None:
            return None
        call = {k: v for k, v in rule.items() if k != 'map'}
        call['params'] = {k: own if v == '@' else v for k, v in rule['params'].items()}
        if 'batch' in rule:
            call['join'] = {**rule['join'], 'row': own.removeprefix('row.')}
        return self.pairs_in_pages(call, rule['map'])

    def pairs_in_pages(self, c, member):
        """A call for a list of pairs that may come in pages: the pairs are its rows then.  The services' own size of a page is the
        one that is sure to be allowed: KMS's model says 1,000, the service 50."""
        op = self.operation(c['operation'])
        if not self.s.json or c.get('record') != '.' or not self.pairs(self.s.walk(op, member)[1]) or not self.s.page(op, {})[0]:
            return c
        return {**{k: v for k, v in c.items() if k != 'record'}, 'rows': member + '[]', 'page_size': 0}

    def pairs_column(self, name):
        """What such a call's rows make."""
        shape = self.call_shapes[name]
        return {'map': '.', 'call': name, 'as': tuple(self.s.wire(shape.members[n], n) for n in self.pairs_of(shape))}

    def call(self, name, c):
        if 'raw' in c:                     # another service's: as it stands
            made = {k: v for k, v in c.items() if k not in ('raw', 'global')}
            model, _, name = c['raw'].partition(':')
            other = endpoints.Places(Service(self.s.loader, {'model': model, 'global': c.get('global')}))
            return {**made, 'request': {'operation': name, **c['request'], 'url': other.url(),
                                        'auth': {'service': other.common['service'], 'service_id': other.common['id'],
                                                 'region': other.auth_region(other.region)}}}
        op = self.operation(c['operation'])
        # A record in pages is asked for in the service's own size.
        page, params = (None, {}) if c.get('batch') else self.s.page(op, c if 'rows' in c else {'page_size': 0, 'generated': True})
        if page:
            page.pop('min_size', None)
        where = {k: v for k, v in self.o.items() if k == 'in_region'}
        params = {**self.given(c.get('params') or {}), **params}
        call = {'request': self.s.request(op, params, self.placed({**where, **c}, op, params))}
        payload = op.output_shape.serialization.get('payload') if op.output_shape else None
        if payload and op.output_shape.members[payload].type_name in ('blob', 'string'):
            call['request']['decode'] = 'raw'               # the body is that member, as it is
        if 'when' in c:
            call['when'] = c['when']
        path, shape = self.s.walk(op, c.get('rows') or c.get('record') or '.')
        call['rows' if 'rows' in c else 'record'] = path
        self.call_shapes[name] = shape
        if c.get('batch'):
            call['batch'] = c['batch']
            record, _ = self.s.member_path(shape, c['join']['record'])
            call['join'] = {'row': c['join']['row'], 'record': record}
        if page:
            call['page'] = page
        errors = self.errors({'empty': self.o.get('empty')}) + self.errors(c)
        if errors:
            call['errors'] = errors
        return call

    # ---- columns ----
    def place(self, member):
        """Where a member of the record is read: (shape, call or None)."""
        d = self.o.get('detail')
        only = d.get('only') if d else None
        in_list = self.list_shape.type_name == 'structure' and \
            self.s.exact(self.list_shape, member.split('.')[0]) in self.list_shape.members
        if d and (only is None or member in only):
            if only is None and (member in (d.get('list') or ()) or self.named_in_list(member)):
                return self.list_shape, 'list'
            return self.detail_shape, self.detail_name if only is not None else None
        return self.list_shape, 'list' if d and only is None and in_list else None

    def named_in_list(self, member):
        """A name or an identifier that the list tells as the detail does costs no call of its own."""
        ours, theirs = self.list_shape, self.detail_shape
        if ours.type_name != 'structure' or theirs is None or theirs.type_name != 'structure' or ours.name == theirs.name:
            return False
        a, b = ours.members.get(self.s.exact(ours, member)), theirs.members.get(self.s.exact(theirs, member))
        return a is not None and b is not None and a.type_name == b.type_name == 'string' and \
            re.search(r'([Aa]rn|ARN|[Ii]d|[Nn]ame)$', member) is not None

    def from_member(self, col, member, want):
        shape, call = self.place(member)
        path, shape = self.s.member_path(shape, member)
        if self.o['rows'] == '/' and call is None:
            path = '.'.join(self.s.prefix(self.operation(self.o['list'])) + [path])
        self.used.add(self.first(member))
        return self.typed(col, path, shape, want, call)

    def first(self, path):
        """The member of the record that a path begins with."""
        return self.s.exact(self.place(path)[0], path.split('.')[0])

    def pairs(self, shape):
        """A list of {Key, Value}: the two members, else None."""
        if self.by:
            return self.by
        return self.pairs_of(shape.member) if shape.type_name == 'list' and shape.member.type_name == 'structure' else None

    @staticmethod
    def pairs_of(shape):
        names = {k.lower(): k for k in shape.members}
        for k, v in (('key', 'value'), ('tagkey', 'tagvalue'), ('name', 'value')):
            if k in names and v in names and (len(names) == 2 or k != 'name'):
                return names[k], names[v]
        return None

    def as_map(self, col, path, shape, call, root):
        """A list of pairs as one object."""
        k, v = self.pairs(shape)
        members = shape.member.members
        kw, vw = self.s.wire(members[k], k), self.s.wire(members[v], v)
        if self.s.json:
            out = {'type': 'json', 'value': "{{ %s.%s | to_map('%s', '%s') }}" % (root, path, kw, vw)}
            if path == '.':
                out['value'] = "{{ %s | to_map('%s', '%s') }}" % (root, kw, vw)
        else:
            out = {'type': 'json', 'path': path, 'shape': f"map({self.s.item(shape) or '.'} {kw} {vw}) of text"}
            if path == col:
                del out['path']
        if call:
            out['call'] = call
        return out

    def typed(self, col, path, shape, want, call):
        s, kind = self.s, shape.type_name
        own = self.column_type(shape)
        want = want or own
        out = {'type': want}
        if shape.serialization.get('location') == 'header':
            if not re.fullmatch(r'\w+', path):
                raise Fault(f'{path} is a header whose name no template can say')
            return {'type': want, 'value': '{{ response.headers.%s }}' % path.lower(), **({'call': call} if call else {})}
        if want == 'blob':
            out['format'] = 'base64'
        if path != col:
            out['path'] = path
        if call:
            out['call'] = call
        if want == 'json' and kind in ('structure', 'list', 'map') and not s.is_same(shape):
            text = s.type_text(shape)
            if text != 'json':
                out['shape'] = text
        elif want.startswith('list of') and not s.json and s.item(shape):
            out['shape'] = s.type_text(shape)
        if set(out) <= {'type', 'path'}:
            return want if 'path' not in out else f'{want} {path}'
        return out

    def column_type(self, shape):
        kind = shape.type_name
        if kind == 'list' and shape.member.type_name in SCALARS and shape.member.type_name != 'blob':
            return 'list of ' + SCALARS[shape.member.type_name]
        if kind in ('structure', 'list', 'map'):
            return 'json'
        return 'text' if kind == 'blob' else SCALARS[kind]

    def special(self, col, rule, want):
        """A column as the overlay says it."""
        if isinstance(rule, str):
            if rule.startswith(('parent.', 'client.', 'each.', 'config.')):
                out = {'from': rule}
                return {'type': want, **out} if want != 'text' else out
            if rule.startswith('='):                      # another member's name
                return self.from_member(col, rule[1:], want)
            if rule.startswith('arn:'):
                return {'value': re.sub(r'\{([\w.]+)\}', lambda m: self.hole(m.group(1)), rule)}
            raise Fault(f'column {col}: {rule}')
        rule = dict(rule)
        call = rule.pop('call', None)
        for m in rule.pop('uses', ()):
            self.used.add(m)
        if call == 'list' and 'member' in rule:
            return self.from_list(col, rule['member'], want)
        if 'json' in rule:                                # text that holds JSON
            if call:
                path, _ = self.s.member_path(self.call_shapes[call], rule['json'])
            else:
                shape, call = self.place(rule['json'])
                path, _ = self.s.member_path(shape, rule['json'])
                self.used.add(self.first(rule['json']))
            out = {'type': 'json', 'value': '{{ %s.%s | from_json }}' % (self.root(call), path)}
            return {**out, 'call': call} if call else out
        if call in self.further and rule.get('member') == '.' and 'rows' in self.further[call] and 'join' not in self.further[call]:
            return self.whole_list(call, want)
        if 'member' in rule or 'map' in rule:
            as_map, self.by = 'map' in rule, rule.pop('by', None)
            member = rule.pop('map', None) or rule.pop('member')
            if call and call in self.call_shapes:
                path, shape = ('.', self.call_shapes[call]) if member == '.' else \
                    self.s.member_path(self.call_shapes[call], member)
                if as_map and member == '.':              # the call's rows are the pairs
                    return {'type': 'json', 'call': call, 'value': "{{ detail | to_map('%s', '%s') }}" % rule.pop('as')}
                root = 'detail'
            else:
                shape, call = self.place(member)
                path, shape = self.s.member_path(shape, member)
                self.used.add(self.first(member))
                root = self.root(call)
            out = self.as_map(col, path, shape, call, root) if as_map else self.typed(col, path, shape, want, call)
            self.by = None
            if rule and isinstance(out, str):
                t, _, p = out.rpartition(' ') if out.endswith(' ' + path) else (out, '', '')
                out = {'type': t, **({'path': p} if p else {})}
            if rule:
                out.update(rule)
            return out
        out = {'type': rule.pop('type', want)}
        out.update(rule)
        if call:
            out['call'] = call
        if out['type'] == 'text' and len(out) > 1:
            del out['type']
        return out

    def whole_list(self, call, want):
        """All records of a call as one column."""
        shape = self.call_shapes[call]
        if shape.type_name == 'structure' and not self.s.is_same(shape):
            self.made[call]['shape'] = self.s.type_text(shape)
        return {'type': want, 'path': '.', 'call': call}

    def root(self, call):
        """What a template calls the record that a call, or without one the table, brings."""
        main = call is None and self.detail_shape is not None and self.o['detail'].get('only') is None
        return 'detail' if main or call not in (None, 'list') else 'record'

    def once(self):
        """Whether the table, or what its rows are below, is asked in one region for all."""
        o = self.o
        while 'parent' in o and not o.get('once'):
            up = o['parent']
            o = self.s.overlay['tables'].get(up if isinstance(up, str) else up['table'], {})
        return bool(o.get('once'))

    def described(self, col):
        """A column of the client. Where all is asked in one region, that is the row's."""
        if DESCRIBED[col] == 'client.region' and self.fixed_region():
            return {'value': self.fixed_region()}
        return {'from': DESCRIBED[col]}

    def fixed_region(self):
        if self.s.overlay.get('global'):
            return '{{ %s }}' % self.s.places.region
        return '{{ %s }}' % HOME if self.once() else None

    def hole(self, name):
        if name == 'region' and self.fixed_region():
            return self.fixed_region()
        if name in ('partition', 'region', 'account_id'):
            return '{{ client.%s }}' % name
        if '.' in name and name.split('.')[0] not in ('parent', 'client', 'each', 'record'):
            raise Fault(f'no template may say {name}')
        return '{{ %s }}' % (name if '.' in name else 'row.' + name)

    def unwrapped(self, main):
        """column: path of the members of structures that have no column of their own."""
        out, unwrap = {}, self.o.get('unwrap') or {}
        for m, prefix in (unwrap if isinstance(unwrap, dict) else dict.fromkeys(unwrap, '')).items():
            for name in self.s.step(main, m).members:
                out.setdefault((prefix or '') + column_name(name), f'{m}.{name}')
        return out

    def from_list(self, col, member, want):
        path, shape = self.s.member_path(self.list_shape, member)
        only = self.o['detail'].get('only')
        return self.typed(col, path, shape, want, 'list' if only is None else None)

    def tags_column(self):
        """Pairs become an object, a map stays what it is."""
        member = self.s.overlay['tags']['map']
        if 'rows' in self.further['tags'] and 'join' not in self.further['tags']:
            return self.pairs_column('tags')
        last = self.s.member_path(self.call_shapes['tags'], member)[1]
        return {'map' if self.pairs(last) else 'member': member, 'call': 'tags'}

    def columns(self):
        special = self.o.get('columns') or {}
        main = self.detail_shape if self.detail_shape is not None and self.o['detail'].get('only') is None \
            else self.list_shape
        members = dict(main.members) if main.type_name == 'structure' else {}
        by_name = {}
        for m in members:
            by_name.setdefault(column_name(m), m)
        tags = next((m for m in ('Tags', 'tags', 'TagSet', 'TagList') if m in members and self.pairs(members[m])), None)
        inside = self.unwrapped(main)
        listed, names = {}, {c for c, _ in self.wanted}
        if main is not self.list_shape and self.list_shape.type_name == 'structure':
            for m in self.list_shape.members:
                listed.setdefault(column_name(m), m)
        out = {}
        for col, want in self.wanted:
            try:
                if col in special:
                    out[col] = self.special(col, special[col], want)
                elif col == 'tags' and tags:
                    out[col] = self.special(col, {'map': tags}, want)
                elif col == 'tags' and self.tags_call():
                    out[col] = self.special(col, self.tags_column(), want)
                elif col in by_name and (col not in DESCRIBED or col == 'partition' or 'request_' + col in names):
                    out[col] = self.from_member(col, by_name[col], want)
                elif col in inside:
                    out[col] = self.from_member(col, inside[col], want)
                elif col in DESCRIBED:
                    out[col] = self.described(col)
                elif col in listed:
                    out[col] = self.from_list(col, listed[col], want)
                else:
                    raise Fault('comes from nowhere')
            except Fault as e:
                raise Fault(f'column {col}: {e}') from None
        hide = set(self.o.get('without') or ()) | self.used | {m.partition('.')[0] for m in self.o.get('unwrap') or ()}
        for col, path in inside.items():
            if col not in out and path.partition('.')[2] not in (self.o.get('without') or ()):
                out[col] = self.from_member(col, path, None)
        for m, shape in members.items():
            col = plain_name(m)
            if m in hide or col in out:
                continue
            if shape.serialization.get('location') or getattr(shape, 'is_document_type', False):
                continue
            out[col] = self.special(col, {'map': tags}, None) if col == 'tags' and m == tags else self.from_member(col, m, None)
        for col, rule in special.items():
            if col not in out:
                out[col] = self.special(col, rule, 'text' if isinstance(rule, str) else rule.get('type', 'text'))
        return out


# ---- YAML ------------------------------------------------------------------
PLAIN = re.compile(r'[A-Za-z_./<>$][^\n:#{}\[\],&*!|>\'"%@`?]*')
WORDS = {'true', 'false', 'yes', 'no', 'on', 'off', 'null', '~', '.', 'y', 'n'}


def scalar(v, flow):
    if isinstance(v, bool):
        return 'true' if v else 'false'
    if v is None:
        return '~'
    if isinstance(v, (int, float)):
        return str(v)
    plain = PLAIN.fullmatch(v) and v.strip() == v and v.lower() not in WORDS and ' -' not in v
    if not flow and not plain:
        plain = re.fullmatch(r'[A-Za-z/][^\n#{}&*!|>\'"%@`]*', v) and ': ' not in v and not v.endswith(':') \
            and v.strip() == v and v.lower() not in WORDS
    return v if plain or v == '.' else json.dumps(v, ensure_ascii=False)


def flow(v):
    if isinstance(v, dict):
        return '{' + ', '.join(f'{scalar(k, True)}: {flow(x)}' for k, x in v.items()) + '}'
    if isinstance(v, list):
        return '[' + ', '.join(flow(x) for x in v) + ']'
    return scalar(v, True)


def block(v, indent, out, width=110):
    pad = ' ' * indent
    if isinstance(v, dict):
        for k, x in v.items():
            key = scalar(k, False)
            if not isinstance(x, (dict, list)):
                out.append(f'{pad}{key}: {scalar(x, False)}')
                continue
            line = f'{pad}{key}: {flow(x)}'
            if len(line) <= width and (indent >= 4 or not x or not isinstance(x, dict)):
                out.append(line)
            else:
                out.append(f'{pad}{key}:')
                block(x, indent + 2, out, width)
    else:
        for x in v:
            line = f'{pad}- {flow(x)}'
            if len(line) <= width or not isinstance(x, (dict, list)):
                out.append(line)
            else:
                lines = []
                block(x, indent + 2, lines, width)
                lines[0] = pad + '- ' + lines[0].lstrip()
                out.extend(lines)


# ---- all -------------------------------------------------------------------
def names_in(value, context):
    """The x of every context.x in the templates of a tree."""
    if isinstance(value, dict):
        return {n for v in value.values() for n in names_in(v, context)}
    if isinstance(value, list):
        return {n for v in value for n in names_in(v, context)}
    if not isinstance(value, str):
        return set()
    found = {m for hole in re.findall(r'\{\{(.*?)\}\}', value) for m in re.findall(r'\b%s\.(\w+)' % context, hole)}
    if value.startswith(context + '.'):
        found.add(value.split('.')[1])
    return found


def references(tables):
    """What tables say of their own columns and of their parents'."""
    bad = []
    for name, t in tables.items():
        parent = t.get('parent')
        parent = parent.get('table') if isinstance(parent, dict) else parent
        if parent and parent not in tables:
            bad.append(f'{name}: parent: no table {parent}')
        elif parent:
            bad += [f'{name}: {parent} has no column {n}' for n in sorted(names_in(t, 'parent') - set(tables[parent]['columns']))]
        elif names_in(t, 'parent'):
            bad.append(f'{name}: has no parent')
        bad += [f'{name}: row.{n} is no column' for n in sorted(names_in(t, 'row') - set(t['columns']))]
        bad += [f'{name}: key {n} is no column' for n in t['key'] if n not in t['columns']]
    return bad


def retired_file(overlay, columns):
    """A service that AWS withdrew and whose model botocore dropped: the columns stand, and nothing is asked."""
    lines = [f"# Generated by generate.py from overlay/{overlay['file']}.yml: change that."]
    block({'service': overlay['service'], 'title': overlay['title']}, 0, lines)
    lines.append('tables:')
    for name in overlay['tables']:
        key = [c for c, _, k in columns[name] if k]
        out = {'title': title_of(name, overlay), 'retired': overlay['retired'], 'key': key,
               'columns': {c: {'from': DESCRIBED[c]} if c in DESCRIBED else kind for c, kind, _ in columns[name]},
               'example': f"SELECT {', '.join(key)} FROM {name}"}
        if not any(c in ('region', 'request_region') for c, _, _ in columns[name]):
            out['over'] = ['account']
        lines.append(f'  {name}:')
        block(out, 4, lines)
        overlay['tables'][name] = out
    return '\n'.join(lines) + '\n', overlay['tables']


def service_file(loader, overlay, columns):
    if 'retired' in overlay:
        return retired_file(overlay, columns)
    s = Service(loader, overlay)
    use = s.places.presets()
    args = {}
    if s.protocol in ('ec2', 'query'):
        args = {'version': s.model.metadata['apiVersion']}
    elif s.protocol == 'json':
        args = {'version': s.model.metadata.get('jsonVersion', '1.0')}
    tables, lists = {}, {}
    for name, o in (overlay['tables'] or {}).items():
        table = Table(s, name, o, columns.get(name, ()))
        try:
            tables[name] = table.build()
        except Fault as e:
            raise Fault(f'{name}: {e}') from None
        lists[name] = (o.get('list'), table.list_shape)
    overlay['lists'] = lists
    out = {'service': overlay['service'], 'title': overlay['title'], 'use': {**use, s.protocol: args}}
    if overlay.get('defaults'):
        out['defaults'] = overlay['defaults']
    shapes = s.shape_tree()
    by = f"from botocore {botocore.__version__}'s model of {overlay['model']}"
    lines = [f'# Generated by beyond.py {by} alone.' if overlay['file'].startswith('more-') else
             f"# Generated by generate.py {by} and overlay/{overlay['file']}.yml: change those."]
    block(out, 0, lines)
    lines.append('tables:')
    for name, t in tables.items():
        lines.append(f'  {name}:')
        block(t, 4, lines)
    if shapes:
        lines.append('shapes:')
        for name, body in shapes.items():
            line = f'  {name}: {flow(body)}'
            if len(line) <= 110:
                lines.append(line)
            else:
                lines.append(f'  {name}:')
                block(body, 4, lines)
    return '\n'.join(lines) + '\n', tables


def load_columns():
    out = {}
    with open(os.path.join(HERE, 'overlay', 'columns.tsv'), encoding='utf-8') as f:
        for line in f:
            table, column, kind, *key = line.rstrip('\n').split('\t')
            out.setdefault(table, []).append((column, kind, bool(key)))
    return out


def beyond(loader, seen, every, columns, out):
    """The lists that no overlay names: see beyond.py."""
    from beyond import Beyond
    maker, taken = Beyond(sys.modules[__name__]), set(every) | set(columns)
    for model in loader.list_available_services('service-2'):
        overlays = seen.get(model, [])
        first = overlays[0][0] if overlays else {}
        names = [t for _, tables in overlays for t in tables]
        overlay = {'model': model, 'service': first.get('service', model), 'file': f'more-{model}', 'tables': {},
                   'title': first.get('title', ''), **{k: first[k] for k in ('global', 'protocol', 'in_region', 'iam', 'defaults', 'page_min') if k in first}}
        try:
            s = Service(loader, overlay)
        except (IndexError, Fault):
            continue                      # speaks none of our protocols
        if s.protocol not in PROTOCOLS:
            continue
        words = [t.split('_')[1] for t in names]
        word = max(set(words), key=words.count) if words else re.sub(r'[^a-z0-9]', '', model)
        entry = endpoints.OLD['aws']['services'].get(s.host, {})
        end = entry.get('endpoints', {}).get(entry.get('partitionEndpoint'), {})
        if not first and entry.get('isRegionalized') is False and 'credentialScope' in end:
            overlay['global'] = True
        if not overlay['title']:
            meta = s.model.metadata
            overlay['title'] = capital(re.sub(r'^(AWS|Amazon) ', '', meta.get('serviceAbbreviation') or meta['serviceFullName']))
        used = {o for ov, _ in overlays for o, _ in ov['lists'].values()} | \
            {c['operation'] for ov, _ in overlays for t in ov['tables'].values() for c in (t.get('calls') or {}).values() if 'operation' in c}
        known = {t: (tables[t], ov['lists'][t][1]) for ov, tables in overlays if 'lists' in ov for t in tables}
        overlay['tables'] = {t: o for t, o in maker.service(s, word, known, used, taken).items() if maker.readable(s, o)}
        if not overlay['tables']:
            continue
        text, tables = service_file(loader, overlay, {})
        with open(os.path.join(out, overlay['file'] + '.yml'), 'w', encoding='utf-8') as f:
            f.write(text)
        every.update(tables)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--out', default=HERE)
    ap.add_argument('services', nargs='*')
    args = ap.parse_args()
    with open(os.path.join(HERE, 'overlay', 'models.yml'), encoding='utf-8') as f:
        pinned = yaml.safe_load(f)['botocore']
    if botocore.__version__ != pinned:
        sys.exit(f'generate.py: botocore: {botocore.__version__} is installed, {pinned} is pinned in overlay/models.yml')
    loader = botocore.loaders.Loader()
    columns, every, seen, bad = load_columns(), {}, {}, 0
    for path in sorted(glob.glob(os.path.join(HERE, 'overlay', '*.yml'))):
        file = os.path.basename(path)[:-4]
        if file == 'models' or (args.services and file not in args.services):
            continue
        with open(path, encoding='utf-8') as f:
            overlay = yaml.safe_load(f)
        overlay = {'file': file, 'model': file, 'service': file, **overlay}
        if not overlay['tables']:
            continue
        try:
            text, tables = service_file(loader, overlay, columns)
        except Fault as e:
            print(f'overlay/{file}.yml: {e}', file=sys.stderr)
            bad = 1
            continue
        with open(os.path.join(args.out, file + '.yml'), 'w', encoding='utf-8') as f:
            f.write(text)
        every.update(tables)
        seen.setdefault(overlay['model'], []).append((overlay, tables))
    if not args.services and not bad:
        beyond(loader, seen, every, columns, args.out)
    if not args.services:
        for fault in references(every):
            print(fault, file=sys.stderr)
            bad = 1
        for name in sorted(set(columns) - set(every)) if not bad else ():
            print(f'{name}: is in columns.tsv, in no overlay', file=sys.stderr)
    return bad


if __name__ == '__main__':
    sys.exit(main())
