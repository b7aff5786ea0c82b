# needs: moto
# README.md does what it shows: its sessions are typed and compared, its SQL for
# AWS runs, and what it links to is there.
import os
import re
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

root, so = os.environ['CQ_ROOT'], os.environ['CQ_SO'][:-3]
text = open(root + '/README.md', encoding='utf-8').read()
tap = Tap()


def ok(name, good, notes=''):
    tap.none(name, [] if good else [notes])


def shell(lines, env=None, db='readme.db'):
    p = subprocess.run([os.environ['CQ_SQLITE'], '-batch', os.path.abspath(db)], input='\n'.join(lines) + '\n', text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=root, env={**os.environ, **(env or {})})
    return p.stdout


blocks = re.findall(r'^```(\w*)\n(.*?)^```$', text, re.M | re.S)
typed, shown = [], []
for _, body in blocks:
    if not body.startswith('sqlite> '):
        continue
    for line in body.splitlines():
        m = re.match(r'(?:sqlite>|   \.\.\.>) (.*)', line)
        if m:
            typed.append(m.group(1).replace('./build/cq', so))
        else:
            shown.append(line)
seen = shell(typed).splitlines()
ok('the first session', typed and seen == shown, '\n'.join(seen))

env = {'AWS_ENDPOINT_URL': os.environ['CQ_MOTO_URL'], 'AWS_ACCESS_KEY_ID': os.environ['CQ_MOTO_KEY'],
       'AWS_SECRET_ACCESS_KEY': os.environ['CQ_MOTO_SECRET'], 'AWS_EC2_METADATA_DISABLED': 'true'}
aws = [b for kind, b in blocks if kind == 'sql' and 'aws_ec2_instances' in b]
seen = shell(['.load ' + so, '.mode list'] + aws[0].splitlines(), env, 'aws.db')
ok('AWS', 'error' not in seen.lower().replace('"errors":[],"errors_total":0', '') and '"status":"success"' in seen, seen)

for name in re.findall(r'\]\((?!http)([^)#]+)\)', text):
    ok(f'{name} is there', os.path.exists(os.path.join(root, name)))
tap.done()
