"""What gives AWS credentials to programs, as AWS documents the exchanges, and an
API that checks who asks: for 200-logins.py and others.

  s = Servers()            # s.url; s.asked: (method, path, headers, body) of all
  s.life = 3600            # how long what is given out lasts, in seconds
  s.given                  # access key id -> (secret, session token) of all keys
  s.refuse = {'/imds'}     # these answer 404
  s.json(handler, target, body, key)   # answers the JSON protocols
  s.trust(handler, form, key)          # true: has refused AssumeRole
  s.answers[action](handler, form, key)
Every key is of an account of its own, a role's of the role's.
"""
import hashlib
import hmac
import http.server
import json
import re
import threading
import time
import urllib.parse

REGIONS = ['eu-west-1', 'us-east-1']
# A sync of one region of the accounts that are put in, as CloudQuery's files have it.
SPEC = '''kind: source
spec:
  name: aws
  path: cloudquery/aws
  registry: cloudquery
  version: "v27.0.0"
  tables: [TABLES]
  destinations: [here]
  spec: {regions: [eu-west-1], accounts: %s}
---
kind: destination
spec: {name: here, path: sqlite, write_mode: append}
'''


def stamp(seconds):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + seconds))


class Servers:
    def __init__(self):
        self.life, self.asked, self.given, self.refuse, self.tokens = 3600, [], {}, set(), {'sso-token-1'}
        self.revoked, self.skew, self.delay, self.answers, self.account = set(), 0, 0, {}, {}
        self.json = self.trust = None
        self.n = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return super().date_time_string(time.time() + outer.skew)

            def answer(self, status, body, **headers):
                body = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                for k, v in headers.items():
                    self.send_header(k.replace('_', '-'), v)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def serve(self):
                body = self.rfile.read(int(self.headers.get('Content-Length') or 0)).decode()
                with outer.lock:
                    outer.asked.append((self.command, self.path, dict(self.headers), body))
                if outer.delay:
                    time.sleep(outer.delay)
                path = self.path.partition('?')[0]
                if any(path.startswith(r) for r in outer.refuse):
                    return self.answer(404, '<html>404</html>')
                for prefix, call in (('/imds', outer.imds), ('/container', outer.container), ('/sso', outer.sso),
                                     ('/oidc', outer.oidc), ('/', outer.api)):
                    if path.startswith(prefix):
                        return call(self, path, body)

            do_GET = do_POST = do_PUT = serve

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self.server = Server(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def keys(self, who, account=None):
        with self.lock:
            self.n += 1
            n = self.n
            access = f'ASIA{who.upper():_<8}{n:04}'
            self.given[access] = (f'fake-secret-of-{who}-{n}', f'fake-session-of-{who}-{n}')
            self.account[access] = account or f'{n:012}'
        return access, *self.given[access], stamp(self.life + self.skew)

    def count(self, part):
        return sum(1 for m, p, _, b in self.asked if part in f'{m} {p} {b}')

    def imds(self, h, path, body):
        if h.command == 'PUT' and path == '/imds/latest/api/token':
            if int(h.headers['X-aws-ec2-metadata-token-ttl-seconds']) != 21600:
                return h.answer(400, '')
            return h.answer(200, 'imds-token')
        if '/imds2' not in path and h.headers.get('X-aws-ec2-metadata-token') != 'imds-token':
            return h.answer(401, '')
        root = path.split('/latest')[0] + '/latest/meta-data/iam/security-credentials/'
        if path == root:
            return h.answer(200, 'my role\n')
        if path == root + 'my%20role':
            a, s, t, e = self.keys('imds')
            return h.answer(200, {'Code': 'Success', 'Type': 'AWS-HMAC', 'AccessKeyId': a, 'SecretAccessKey': s, 'Token': t,
                                  'Expiration': e})
        h.answer(404, '')

    def container(self, h, path, body):
        if h.headers.get('Authorization') != 'pod-token':
            return h.answer(401, {'code': 'AccessDenied', 'message': 'no such token'})
        a, s, t, e = self.keys('pod')
        h.answer(200, {'RoleArn': 'arn', 'AccessKeyId': a, 'SecretAccessKey': s, 'Token': t, 'Expiration': e})

    def sso(self, h, path, body):
        if h.headers.get('x-amz-sso_bearer_token') not in self.tokens:
            return h.answer(401, {'message': 'Session token not found or invalid'})
        q = dict(urllib.parse.parse_qsl(h.path.partition('?')[2]))
        if path != '/sso/federation/credentials' or q != {'account_id': '111111111111', 'role_name': 'Read er'}:
            return h.answer(403, {'message': 'No access'})
        a, s, t, _ = self.keys('sso')
        h.answer(200, {'roleCredentials': {'accessKeyId': a, 'secretAccessKey': s, 'sessionToken': t,
                                           'expiration': int((time.time() + self.life) * 1000)}})

    def oidc(self, h, path, body):
        want = {'clientId': 'client', 'clientSecret': 'client-secret-x', 'grantType': 'refresh_token', 'refreshToken': 'refresh-token-1'}
        if path != '/oidc/token' or json.loads(body) != want:
            return h.answer(400, {'error': 'invalid_grant'})
        self.tokens.add('sso-token-2')
        h.answer(200, {'accessToken': 'sso-token-2', 'tokenType': 'Bearer', 'expiresIn': 3600, 'refreshToken': 'refresh-token-2'})

    # -- STS and EC2 ------------------------------------------------------------
    def fault(self, h, status, code, message):
        h.answer(status, f'<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>'
                         '</ErrorResponse>', Content_Type='text/xml')
        return None

    def signed(self, h, body):
        """The access key, or None after a refusal: wrong key, wrong signature, wrong clock, expired."""
        auth = h.headers.get('Authorization', '')
        m = re.fullmatch(r'AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), '
                         r'Signature=([0-9a-f]{64})', auth)
        if not m or m[1] not in self.given:
            return self.fault(h, 403, 'InvalidClientTokenId', 'The security token included in the request is invalid')
        secret, session = self.given[m[1]]
        if h.headers.get('X-Amz-Security-Token', '') != session:
            return self.fault(h, 403, 'InvalidClientTokenId', 'The security token is not that of the key')
        if m[1] in self.revoked:
            return self.fault(h, 403, 'ExpiredToken', 'The security token included in the request is expired')
        path, _, query = h.path.partition('?')
        date = h.headers['X-Amz-Date']
        canonical = '\n'.join([h.command, path, query, *(f'{n}:{h.headers[n].strip()}' for n in m[5].split(';')), '', m[5],
                               hashlib.sha256(body.encode()).hexdigest()])
        key = f'AWS4{secret}'.encode()
        for part in (m[2], m[3], m[4], 'aws4_request'):
            key = hmac.new(key, part.encode(), 'sha256').digest()
        to_sign = f'AWS4-HMAC-SHA256\n{date}\n{m[2]}/{m[3]}/{m[4]}/aws4_request\n{hashlib.sha256(canonical.encode()).hexdigest()}'
        if hmac.new(key, to_sign.encode(), 'sha256').hexdigest() != m[6]:
            return self.fault(h, 403, 'SignatureDoesNotMatch', 'The request signature we calculated does not match')
        then = time.mktime(time.strptime(date, '%Y%m%dT%H%M%SZ')) - time.timezone
        now = time.time() + self.skew
        if abs(then - now) > 300:
            late = 'expired' if then < now else 'not yet current'
            return self.fault(h, 403, 'SignatureDoesNotMatch', f'Signature {late}: {date} is not near {stamp(self.skew)}')
        return m[1]

    def api(self, h, path, body):
        target = h.headers.get('X-Amz-Target')
        if target:
            access = self.signed(h, body)
            return access and self.json(h, target, json.loads(body), access)
        q = dict(urllib.parse.parse_qsl(body))
        action = q.get('Action')
        if action == 'AssumeRoleWithWebIdentity':
            if q['WebIdentityToken'] != 'web-token-x' or h.headers.get('Authorization'):
                return self.fault(h, 400, 'InvalidIdentityToken', f'Not a token: {q["WebIdentityToken"]}')
            who = 'web'
        else:
            access = self.signed(h, body)
            if not access:
                return None
            who = 'role'
            if action == 'AssumeRole' and self.trust and self.trust(h, q, access):
                return None
        account = re.search(r':(\d{12}):', q.get('RoleArn', '')) if action and action.startswith('AssumeRole') else None
        if account:
            a, s, t, e = self.keys(who, account[1])
            return h.answer(200, f'<{action}Response><{action}Result><Credentials><AccessKeyId>{a}</AccessKeyId><SecretAccessKey>{s}'
                                 f'</SecretAccessKey><SessionToken>{t}</SessionToken><Expiration>{e}</Expiration></Credentials>'
                                 f'</{action}Result></{action}Response>')
        custom = self.answers.get(action)
        if custom:
            return custom(h, q, access)
        if action == 'GetCallerIdentity':
            n = self.account.get(access, '000000000000')
            return h.answer(200, f'<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::{n}:assumed-role/r/{access}'
                                 f'</Arn><UserId>u</UserId><Account>{n}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>')
        if action == 'DescribeVpcs':
            return h.answer(200, f'<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-{access}</vpcId></item></vpcSet></DescribeVpcsResponse>')
        self.fault(h, 400, 'InvalidAction', f'{action}')
