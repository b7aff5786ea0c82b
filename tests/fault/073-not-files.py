# timeout: 60
# Whatever is given as a file and is none: a pipe that nobody writes would hold the host for ever, a device may have no end. Each
# is refused at once, in words that say what it is. The null device stays what many give for an empty file.
import json
import os
import socket
import sys
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import Odd, connect

os.environ['ODD_URL'] = 'https://127.0.0.1:1'
for name in [n for n in os.environ if n.startswith('AWS_')]:
    del os.environ[name]
os.environ['AWS_EC2_METADATA_DISABLED'] = 'true'
t = Odd(cache_ttl='0')
os.mkfifo('pipe')
listening = socket.socket(socket.AF_UNIX)
listening.bind('socket')
os.mkdir('folder')
os.mkfifo('folder/a.yml')
KINDS = {'pipe': 'is a pipe, not a regular file', 'socket': 'is a socket, not a regular file', '/dev/zero': 'is a device, not a regular file',
         '.': 'is a folder, not a regular file'}
SQL = 'SELECT id FROM odd_list_once'


def ask(sql, *args, **config):
    """On a connection of its own: what was refused is remembered."""
    db = connect(':memory:')
    try:
        db.execute('SELECT cq_load(?)', (t.spec,))
        for k, v in config.items():
            db.execute('SELECT cq_config(?, ?)', (k.replace('__', '.'), v))
        return str(db.execute(sql, args).fetchall())
    except Exception as e:
        return str(e)
    finally:
        db.close()


for name, words in KINDS.items():
    path = os.path.realpath(name)
    told = f'{path}: cannot read: {words}'
    for f in ('cq_sync', 'cq_validate', 'cq_plan', 'cq_load') if name != '.' else ():
        t.has(f'{f}: {name}', ask(f'SELECT {f}(?)', path), told)
    t.has(f'a file in a spec: {name}', ask('SELECT cq_validate(?)', '{source: odd, name: "${file:%s}", tables: [odd_list_once]}' % path), told)
    t.has(f'the source file: {name}', ask(f"SELECT * FROM file_csv('{path}')"), 'cannot open: ' if name == 'socket' else 'not a regular file')
    for setting in ('ca_file', 'client_cert'):
        t.has(f'{setting}: {name}', ask(SQL, **{setting: path}), told)
    t.has(f'client_key: {name}', ask(SQL, client_cert='/dev/null', client_key=path), told)
    for variable in ('AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', 'AWS_WEB_IDENTITY_TOKEN_FILE'):
        set_ = {variable: path, 'AWS_ROLE_ARN': 'arn:aws:iam::333333333333:role/r', 'AWS_CONTAINER_CREDENTIALS_FULL_URI': 'http://127.0.0.1:1/'}
        if 'WEB' in variable:
            del set_['AWS_CONTAINER_CREDENTIALS_FULL_URI']
        os.environ.update(set_)
        t.has(f'{variable}: {name}', ask('SELECT vpc_id FROM aws_ec2_vpcs', aws__regions='["eu-west-1"]'), told)
        for variable in set_:
            del os.environ[variable]
    # It may be the key itself, so its text is not shown.
    t.has(f"GitHub's key: {name}", ask('SELECT id FROM github_repositories', github__app_id='1', github__app_installation_id='2', github__orgs='["acme"]',
                                        github__app_private_key=path), 'private_key is neither a key in PEM form nor the path of a file that can be read')
    for kind, more in (('s3', 'endpoint: "https://127.0.0.1:1", region: x, bucket: b, path: p, credentials: {access_key_id: AKIAFAKE, secret_access_key: fake}, ca_file: "%s"' % path),
                       ('clickhouse', 'connection_string: "clickhouse://127.0.0.1:1/x?secure=true", ca_cert: "%s"' % path),
                       ('duckdb', 'path: x.duckdb, library: "%s"' % path)):
        r = ask('SELECT cq_sync(?)', '{source: odd, tables: [odd_list_once], destination: {kind: %s, %s}}' % (kind, more))
        t.has(f'destination {kind}: {name}', r, told)
    os.environ['SSL_CERT_FILE'] = path
    t.has(f'SSL_CERT_FILE: {name}', ask(SQL), told)
    del os.environ['SSL_CERT_FILE']
    if name != '.':
        r = ask('SELECT cq_sync(?)', json.dumps({'source': 'odd', 'tables': ['odd_list_once'], 'destination': {'path': path}}))
        t.is_(f'a database: {name}', 'success' in r, False)
os.environ.update(AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null')
for f in ('cq_sync', 'cq_validate', 'cq_load'):
    t.has(f'{f}: a folder with a pipe in it', ask(f'SELECT {f}(?)', os.path.realpath('folder')), 'folder/a.yml: cannot read: is a pipe, not a regular file')
t.has('the null device is an empty file', ask('SELECT vpc_id FROM aws_ec2_vpcs', aws__regions='["eu-west-1"]'), 'aws: no credentials found')
t.done()
