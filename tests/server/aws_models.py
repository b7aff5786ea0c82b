"""An AWS server made of botocore's service models: any operation of any service, as strict as the models are.

  aws_models.py [--port N] [--regions a,b]

Serves 127.0.0.1 until SIGTERM, one line of JSON when ready: {"url", "regions"}. An access key is AKIA and the twelve digits of
its account, then, where several services share a signing name, the model to take (AKIA111111111111docdb); its secret is
secret- and the account. AssumeRole gives a key ASIA, account, number, - and the role's name (a model to take, or none), whose
session token is session- and the key. Values are aws_values.py's. Routing, request parsing and answers are moto's, which botocore's models
drive: none of it comes from this project's definitions.

Refused are unsigned requests and wrong signatures, a signature for another service or region, operations, parameters and
members that are not in the model, missing ones, wrong types, numbers and list lengths out of range, words that an enum lacks,
tokens that are not of the same list.

GET /models/log    what was asked since the last reset, one JSON line each: key, account, region, service, operation, params, status
GET /models/reset  forgets that
PUT /models/faults what is answered amiss, instead of what there was (and what was asked is forgotten): a JSON list of objects. `service`, `operation`, `account`,
                   `region` say which requests (all must fit; the first that fits counts), `skip` how many of them pass before, `times`
                   how many fail then (all). The answer is aws_errors.py's: `code`, `message`, `status`, `headers`, `form` (the protocol's
                   own); or `expire: true`: the key's session is over, now and for good.
PUT /models/clock  the server's clock is so many seconds ahead
"""
import argparse
import asyncio
import datetime
import gzip
import hashlib
import json
import os
import re
import signal
import sys
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
from moto.core.exceptions import ServiceException
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request
from moto.core.routing import PROTOCOL_ROUTERS
from moto.core.serialize import SERIALIZERS, get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

import aws_errors
import aws_values

PROTOCOLS = ('ec2', 'query', 'json', 'rest-json', 'rest-xml')
# Without a model in the key, the first of those that share a signing name and can route the request.
SHARED = {'rds': ['rds', 'docdb', 'neptune'], 's3': ['s3', 's3control'], 'apigateway': ['apigateway', 'apigatewayv2'],
          'elasticloadbalancing': ['elbv2', 'elb'], 'es': ['es', 'opensearch'], 'ses': ['sesv2', 'ses'],
          'identitystore': ['identitystore'], 'monitoring': ['cloudwatch']}
ACTIONS = {'Action', 'Version'}


class Refused(ServiceException):
    def __init__(self, code, message, status=400):
        super().__init__(code, message)
        self.status = status


class Services:
    """All models, each loaded once, by name and by what requests are signed for."""

    def __init__(self):
        self.loader = botocore.loaders.Loader()
        self.models, self.routers, self.by_signing = {}, {}, {}

    def names(self, signing):
        """Models that requests signed for that name may be meant for."""
        if not self.by_signing:
            path = os.path.join(os.path.dirname(botocore.__file__), 'data')
            for name in sorted(os.listdir(path)):
                if os.path.isdir(os.path.join(path, name)):
                    self.by_signing.setdefault(self.quick_signing(path, name), []).append(name)
        return SHARED.get(signing, []) + [n for n in self.by_signing.get(signing, ()) if n not in SHARED.get(signing, ())]

    @staticmethod
    def quick_signing(path, name):
        """The signing name out of a model's head: reading 430 models whole takes long."""
        for version in sorted(os.listdir(os.path.join(path, name)), reverse=True):
            file = os.path.join(path, name, version, 'service-2.json')
            for f, opened in ((file, open), (file + '.gz', gzip.open)):
                if os.path.exists(f):
                    with opened(f, 'rb') as g:
                        head = g.read(4000).decode('utf-8', 'replace')
                    found = re.search(r'"signingName":"([^"]+)"', head) or re.search(r'"endpointPrefix":"([^"]+)"', head)
                    return found.group(1) if found else name
        return name

    def model(self, name):
        if name not in self.models:
            try:
                pages = self.loader.load_service_model(name, 'paginators-1')['pagination']
            except botocore.exceptions.UnknownServiceError:
                pages = {}
            self.models[name] = aws_values.Model(get_service_model(name), name, pages)
        return self.models[name]

    def protocol(self, name):
        meta = self.model(name).service.metadata
        return next((p for p in meta.get('protocols', [meta['protocol']]) if p in PROTOCOLS), meta['protocol'])

    def router(self, name, protocol):
        if (name, protocol) not in self.routers:
            self.routers[name, protocol] = PROTOCOL_ROUTERS[protocol](self.model(name).service)
        return self.routers[name, protocol]


SERVICES = Services()


# ---- what a request may hold ----
def check(shape, value, path):
    """A parameter as it was sent against its shape; JSON's types count."""
    kind, meta = shape.type_name, shape.metadata
    if kind == 'structure':
        if shape.is_document_type:
            return
        if not isinstance(value, dict):
            raise Refused('ValidationException', f'{path}: {value!r} is no structure')
        wire = {m.serialization.get('name', n): m for n, m in shape.members.items()}
        for k, v in value.items():
            if k not in wire:
                raise Refused('ValidationException', f'{path}: unknown member {k}')
            if v is not None:
                check(wire[k], v, f'{path}.{k}')
        for n in shape.required_members:
            if value.get(shape.members[n].serialization.get('name', n)) is None:
                raise Refused('ValidationException', f'{path}: {n} is missing')
        return
    if kind == 'list':
        if not isinstance(value, list):
            raise Refused('ValidationException', f'{path}: {value!r} is no list')
        for v in value:
            check(shape.member, v, path + '[]')
        length(path, len(value), meta)
        return
    if kind == 'map':
        if not isinstance(value, dict):
            raise Refused('ValidationException', f'{path}: {value!r} is no map')
        for v in value.values():
            check(shape.value, v, path + '{}')
        return
    types = {'string': str, 'character': str, 'blob': str, 'boolean': bool, 'integer': int, 'long': int, 'timestamp': (str, int, float),
             'float': (int, float), 'double': (int, float)}[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != 'boolean'):
        raise Refused('ValidationException', f'{path}: {value!r} is no {kind}')
    known(shape, value, path)


def length(path, n, meta):
    if n < int(meta.get('min', 0)) or n > int(meta.get('max', n)):
        raise Refused('ValidationException', f'{path}: {n} elements, of {meta.get("min", 0)} to {meta.get("max")}')


def known(shape, value, path):
    enum = getattr(shape, 'enum', None)
    if enum and value not in enum:
        raise Refused('ValidationException', f'{path}: {value!r} is none of {enum[:8]}')
    if shape.type_name in ('integer', 'long'):
        low, high = shape.metadata.get('min'), shape.metadata.get('max')
        if (low is not None and value < int(low)) or (high is not None and value > int(high)):
            raise Refused('ValidationException', f'{path}: {value} is not from {low} to {high}')


def as_text(shape, text, path):
    """A parameter that came as text (a form, a path, a query, a header) in the JSON type of its shape."""
    kind = shape.type_name
    try:
        if kind in ('integer', 'long'):
            return int(text)
        if kind in ('float', 'double'):
            return float(text)
    except ValueError:
        raise Refused('ValidationException', f'{path}: {text!r} is no {kind}') from None
    if kind == 'boolean':
        if text not in ('true', 'false'):
            raise Refused('ValidationException', f'{path}: {text!r} is no boolean')
        return text == 'true'
    return text


def form_key(shape, key, ec2):
    """The shape that a form's key leads to; raises where it leads nowhere."""
    parts, path = key.split('.'), key
    while parts:
        if shape.type_name == 'structure':
            for n, m in shape.members.items():
                s = m.serialization
                if ec2:
                    name = s.get('queryName') or (s['name'][:1].upper() + s['name'][1:] if s.get('name') else n)
                elif m.type_name == 'list' and s.get('flattened') and m.member.serialization.get('name'):
                    name = m.member.serialization['name']
                else:
                    name = s.get('name', n)
                if name == parts[0]:
                    break
            else:
                raise Refused('ValidationException', f'{path}: unknown parameter')
            shape, parts = m, parts[1:]
        elif shape.type_name == 'list':
            if not ec2 and not shape.serialization.get('flattened'):
                if parts[0] != shape.member.serialization.get('name', 'member'):
                    raise Refused('ValidationException', f'{path}: not the name of a list\'s member')
                parts = parts[1:]
            if not parts or not parts[0].isdigit() or parts[0] == '0':
                raise Refused('ValidationException', f'{path}: a list\'s elements are numbered from 1')
            shape, parts = shape.member, parts[1:]
        elif shape.type_name == 'map':
            if not shape.serialization.get('flattened'):
                parts = parts[1:]
            shape, parts = (shape.key if parts[1:2] == [shape.key.serialization.get('name', 'key')] else shape.value), parts[2:]
        else:
            raise Refused('ValidationException', f'{path}: unknown parameter')
    return shape


def check_form(operation, form, ec2):
    for key, text in form.items():
        if key in ACTIONS:
            continue
        if operation.input_shape is None:
            raise Refused('ValidationException', f'{key}: {operation.name} has no parameters')
        shape = form_key(operation.input_shape, key, ec2)
        known(shape, as_text(shape, text, key), key)


def check_lists(shape, value, path=''):
    """Required members and lengths of what was parsed out of a form or a URL."""
    if shape.type_name == 'structure' and isinstance(value, dict):
        for n in shape.required_members:
            if value.get(n) in (None, ''):
                raise Refused('ValidationException', f'{path}{n} is missing')
        for n, v in value.items():
            if v is not None and n in shape.members:
                check_lists(shape.members[n], v, f'{path}{n}.')
    elif shape.type_name == 'list' and isinstance(value, list):
        length(path, len(value), shape.metadata)
        for v in value:
            check_lists(shape.member, v, path)


def check_rest(operation, request, params, fixed):
    shape = operation.input_shape
    members = shape.members if shape else {}
    query = {m.serialization.get('name', n): m for n, m in members.items() if m.serialization.get('location') == 'querystring'}
    maps = any(m.type_name == 'map' for m in query.values())
    for k, v in request.args.items(multi=True):
        if k in query:
            s = query[k].member if query[k].type_name == 'list' else query[k]
            known(s, as_text(s, v, k), k)
        elif k not in fixed and not maps:
            raise Refused('ValidationException', f'{k}: unknown query parameter of {operation.name}')
    for n, m in members.items():
        if m.serialization.get('location') == 'uri' and not params.get(n):
            raise Refused('ValidationException', f'{n} is missing in the path')
    body = request.get_data()
    if body and shape and operation.service_model.metadata['protocol'] == 'rest-json' and not shape.serialization.get('payload'):
        wire = {m.serialization.get('name', n): m for n, m in members.items() if 'location' not in m.serialization}
        tree = json.loads(body)
        for k, v in tree.items():
            if k not in wire:
                raise Refused('ValidationException', f'{k}: unknown member of {operation.name}')
            check(wire[k], v, k)


# ---- who asks ----
AUTH = re.compile(r'AWS4-HMAC-SHA256 Credential=(A[KS]IA(\d{12})\d*-?([a-z][\w-]*)?)/(\d{8})/([\w-]+)/([\w-]+)/aws4_request, ?'
                  r'SignedHeaders=([\w;-]+), ?Signature=([0-9a-f]{64})')


class RawSigV4(botocore.auth.SigV4Auth):
    def _normalize_url_path(self, path):
        return urllib.parse.quote(path, safe='/~')


def verify(method, target, headers, body, key, account, region, service, signed, signature):
    """botocore signs the same request; what it says must be what was sent."""
    credentials = botocore.credentials.Credentials(key, 'secret-' + account)
    auth = (botocore.auth.S3SigV4Auth if service == 's3' else RawSigV4)(credentials, service, region)
    request = botocore.awsrequest.AWSRequest(method, 'http://' + headers['host'] + target, data=body)
    for name in signed.split(';'):
        if name not in headers:
            return f'the signed header {name} was not sent'
        request.headers[name] = headers[name]
    request.context['timestamp'] = headers.get('x-amz-date', '')
    if 'x-amz-content-sha256' in headers and 'x-amz-content-sha256' not in signed.split(';'):
        request.headers['X-Amz-Content-SHA256'] = headers['x-amz-content-sha256']
    path, _, query = target.partition('?')
    lines = [method, path if service == 's3' else auth._normalize_url_path(path)]
    pairs = sorted(tuple((p if '=' in p else p + '=').split('=', 1)) for p in query.split('&')) if query else []
    lines.append('&'.join('='.join(p) for p in pairs))
    chosen = auth.headers_to_sign(request)
    for name in list(chosen):
        if name.lower() not in signed.split(';'):
            del chosen[name]
    lines += [auth.canonical_headers(chosen) + '\n', signed,
              headers.get('x-amz-content-sha256') or hashlib.sha256(body).hexdigest()]
    made = auth.signature(auth.string_to_sign(request, '\n'.join(lines)), request)
    return None if made == signature else 'the signature is not that of this request'


# ---- one request ----
class Server:
    def __init__(self, regions):
        self.regions, self.log, self.kept = regions, [], {}
        self.faults, self.ahead, self.logins, self.over = [], 0, 0, set()

    def candidates(self, signing, prefer):
        names = SERVICES.names(signing)
        return ([prefer] if prefer in names else []) + [n for n in names if n != prefer]

    def route(self, request, signing, prefer):
        """-> (model's name, protocol, operation, URI parameters)"""
        kind = request.content_type or ''
        for name in self.candidates(signing, prefer):
            spoken = SERVICES.model(name).service.metadata
            spoken = spoken.get('protocols', [spoken['protocol']])
            if request.headers.get('X-Amz-Target'):
                protocol = 'json'
            elif kind.startswith('application/x-www-form-urlencoded') and ('query' in spoken or 'ec2' in spoken):
                protocol = 'ec2' if 'ec2' in spoken else 'query'
            else:
                protocol = next((p for p in spoken if p.startswith('rest-')), None)
            if protocol not in spoken:
                continue
            try:
                operation, uri = SERVICES.router(name, protocol).match(request)
            except NotFound:
                continue
            model = SERVICES.model(name)
            if protocol in ('query', 'ec2') and request.form.get('Version') != model.service.metadata['apiVersion']:
                continue
            return name, protocol, operation, uri
        raise Refused('UnknownOperationException', f'{request.method} {request.environ["RAW_URI"]} is no operation of {signing}', 404)

    def params(self, name, protocol, operation, request, uri):
        shape, body = operation.input_shape, request.get_data()
        if protocol == 'json':
            tree = json.loads(body or b'{}')
            if shape is not None:
                check(shape, tree, operation.name)
        elif protocol in ('query', 'ec2'):
            check_form(operation, request.form, protocol == 'ec2')
        values = request.values
        parser = PROTOCOL_PARSERS[protocol](operation)
        params = parser.parse({'body': body, 'headers': request.headers, 'method': request.method, 'url_params': uri,
                               'url_path': request.path, 'values': values})
        params = {k: v for k, v in params.items() if v is not None and v != []}
        if protocol.startswith('rest-'):
            if shape is not None:
                for n, m in shape.members.items():
                    if m.serialization.get('hostLabel') and n not in params:
                        params[n] = request.headers.get('x-amz-account-id') or ''
            check_rest(operation, request, params, operation.http_trait.query_args)
        if shape is not None and protocol != 'json':
            check_lists(shape, params)
        return params

    def serve(self, method, target, headers, body):
        """-> (status, headers, body)"""
        entry = {'status': 0}
        name = protocol = None
        model = operation = None
        try:
            found = AUTH.fullmatch(headers.get('authorization', ''))
            if not found:
                raise Refused('MissingAuthenticationToken', 'Request is missing Authentication Token', 403)
            key, account, prefer, _, region, signing, signed, signature = found.groups()
            entry.update(key=key, account=account, region=region, signing=signing)
            why = verify(method, target, headers, body, key, account, region, signing, signed, signature)
            if why or (key.startswith('ASIA') and headers.get('x-amz-security-token') != 'session-' + key):
                raise Refused('SignatureDoesNotMatch', why or 'the session token is not that of the key', 403)
            request = Request.from_primitives(method, 'http://' + headers['host'] + target, headers, body)
            request.environ['RAW_URI'] = target
            name, protocol, operation, uri = self.route(request, signing, prefer)
            model = SERVICES.model(name)
            entry.update(service=name, operation=operation.name)
            amiss = self.late(headers.get('x-amz-date', ''), name, protocol) or self.amiss(entry, protocol)
            if amiss:
                entry.update(status=amiss[0], amiss=True)
                self.log.append(entry)
                return amiss
            params = self.params(name, protocol, operation, request, uri)
            entry['params'] = params
            if operation.name == 'AssumeRole':
                return self.assume(entry, operation, params)
            status, kind, made = self.kept.get((account, region, name, operation.name, repr(params))) or \
                self.answer(name, protocol, operation, params, account, region)
            if len(self.kept) < 20000:
                self.kept[account, region, name, operation.name, repr(params)] = status, kind, made
        except Refused as e:
            status, kind, made = self.refuse(e, model, protocol, operation)
            entry['error'] = f'{e.code}: {e.message}'
        except Exception as e:  # a fault of this server must be seen, not retried
            entry['error'] = f'fault: {type(e).__name__}: {e}'
            status, kind, made = self.refuse(Refused('ServerFault', entry['error']), model, protocol, operation)
        entry['status'] = status
        self.log.append(entry)
        return status, kind, made

    def late(self, date, name, protocol):
        """What a request is told that another clock has signed."""
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.ahead)
        at = datetime.datetime.strptime(date, '%Y%m%dT%H%M%SZ').replace(tzinfo=datetime.timezone.utc)
        if abs((now - at).total_seconds()) < 300:
            return None
        form = 's3' if name == 's3' else protocol
        code, message, status = aws_errors.SKEWED[form]
        return aws_errors.write(form, code, message.format(at=date, now=f'{now:%Y%m%dT%H%M%SZ}'), status)

    def amiss(self, entry, protocol):
        """A session that is over, or the first of the faults that this request is to meet."""
        form = 's3' if entry['service'] == 's3' else protocol
        for fault in self.faults if entry['key'] not in self.over else ():
            if fault.get('times') == 0 or any(fault[k] != entry[k] for k in ('service', 'operation', 'account', 'region') if k in fault):
                continue
            if fault.get('skip'):
                fault['skip'] -= 1
                return None
            if 'times' in fault:
                fault['times'] -= 1
            if not fault.get('expire'):
                status, headers, body = aws_errors.write(fault.get('form', form), fault['code'], fault.get('message', ''), fault.get('status', 400))
                return status, {**headers, **fault.get('headers', {})}, body
            self.over.add(entry['key'])
        if entry['key'] in self.over:
            code, message, status = aws_errors.EXPIRED[form]
            return aws_errors.write(form, code, message, status)
        return None

    def assume(self, entry, operation, params):
        """Keys that are of the role's account, and new each time."""
        _, _, _, _, account, role = params['RoleArn'].split(':')
        self.logins += 1
        key, role = f'ASIA{account}{self.logins:06}', role.split('/')[-1]
        key += '-' + role if role != 'reader' else ''
        made = SERIALIZERS['query'](operation).serialize({
            'Credentials': {'AccessKeyId': key, 'SecretAccessKey': 'secret-' + account, 'SessionToken': 'session-' + key,
                            'Expiration': datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)},
            'AssumedRoleUser': {'AssumedRoleId': 'AROAEXAMPLE:cq', 'Arn': params['RoleArn']}})
        self.log.append({**entry, 'params': params, 'status': 200})
        return 200, made['headers'], made['body'].encode() if isinstance(made['body'], str) else made['body']

    def answer(self, name, protocol, operation, params, account, region):
        return answer(name, protocol, operation, params, account, region)

    @staticmethod
    def refuse(e, model, protocol, operation):
        form = 'json' if protocol is None else 's3' if model.name == 's3' else protocol
        return aws_errors.write(form, e.code, e.message, e.status)


def answer(name, protocol, operation, params, account, region):
    """-> (status, headers, body) of an operation, by moto's serializer."""
    model = SERVICES.model(name)
    try:
        result = aws_values.Answer(model, operation, params, account, region).make()
    except ValueError as e:
        raise Refused('ValidationException', str(e)) from None
    serializer = get_serializer_class(name, protocol) if name == 's3' else SERIALIZERS[protocol]
    made = serializer(operation).serialize(result)
    body = made['body']
    return made['status_code'], made['headers'], body.encode() if isinstance(body, str) else body or b''


# ---- HTTP ----
class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive; bodies have a length."""

    def __init__(self, server):
        self.server, self.data = server, b''

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        while True:
            end = self.data.find(b'\r\n\r\n')
            if end < 0:
                return
            lines = self.data[:end].decode('latin-1').split('\r\n')
            method, target, _ = lines[0].split(' ', 2)
            headers = {}
            for line in lines[1:]:
                k, _, v = line.partition(':')
                headers[k.lower()] = v.strip()
            size = int(headers.get('content-length') or 0)
            if len(self.data) < end + 4 + size:
                if headers.get('expect', '').lower() == '100-continue':
                    self.transport.write(b'HTTP/1.1 100 Continue\r\n\r\n')
                return
            body, self.data = self.data[end + 4:end + 4 + size], self.data[end + 4 + size:]
            if target.startswith('/models/'):
                status, more, made = self.control(target, body)
            else:
                status, more, made = self.server.serve(method, target, headers, body)
            head = ''.join(f'{k}: {v}\r\n' for k, v in more.items() if k.lower() != 'content-length')
            self.transport.write(f'HTTP/1.1 {status} {"OK" if status < 300 else "Refused"}\r\n{head}content-length: {len(made)}\r\n'
                                 f'date: {datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.server.ahead):%a, %d %b %Y %H:%M:%S GMT}\r\n\r\n'
                                 .encode('utf-8') + made)

    def control(self, target, body):
        if target == '/models/log':
            return 200, {}, '\n'.join(json.dumps(e, default=str) for e in self.server.log).encode()
        if target == '/models/reset':
            self.server.log.clear()
            return 200, {}, b''
        if target == '/models/faults':
            self.server.faults = json.loads(body)
            self.server.log.clear()
            return 200, {}, b''
        if target == '/models/clock':
            self.server.ahead = int(body)
            return 200, {}, b''
        return 404, {}, b''


async def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--port', type=int, default=0)
    ap.add_argument('--regions', default='us-east-1,eu-west-1')
    args = ap.parse_args()
    server = Server(args.regions.split(','))
    listening = await asyncio.get_running_loop().create_server(lambda: Connection(server), '127.0.0.1', args.port)
    url = 'http://127.0.0.1:%d' % listening.sockets[0].getsockname()[1]
    print(json.dumps({'url': url, 'regions': server.regions}), flush=True)
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: os._exit(0))
    await asyncio.Event().wait()


if __name__ == '__main__':
    sys.setrecursionlimit(5000)
    asyncio.run(main())
