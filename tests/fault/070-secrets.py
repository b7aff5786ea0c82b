# timeout: 180
# A run of everything with a secret of each kind, against a server that says back whatever it is sent, in each way that a
# message could carry it: then all that is left behind (databases with their free pages, journals, logs, output, folders)
# is searched for each secret, as it is and encoded. The run is a process of its own, tests/fault/secrets_run.py.
import base64
import json
import os
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
import secrets_run

for d in ('run', 'run/tmp', 'run/home', 'in'):
    os.makedirs(d)
subprocess.run(['openssl', 'genrsa', '-traditional', '-out', 'in/app.pem', '2048'], check=True, stderr=subprocess.DEVNULL)
with open('in/app.pem', encoding='utf-8') as f:
    pem = f.read()
env = {k: v for k, v in os.environ.items() if 'proxy' not in k.lower()}
env |= {'HOME': os.getcwd() + '/run/home', 'TMPDIR': os.getcwd() + '/run/tmp', 'SQLITE_TMPDIR': os.getcwd() + '/run/tmp',
        'SEC_ENV': secrets_run.secret('env'), 'SEC_SPEC': secrets_run.secret('spec-env'), 'PYTHONUNBUFFERED': '1'}
with open('run/out', 'w', encoding='utf-8') as out, open('run/err', 'w', encoding='utf-8') as err:
    r = subprocess.run([os.environ['CQ_PYTHON'], os.environ['CQ_ROOT'] + '/tests/fault/secrets_run.py', '../in'], cwd='run', env=env,
                       input=json.dumps({'pem': pem}), text=True, stdout=out, stderr=err)
text = open('run/out', encoding='utf-8', errors='replace').read()
n = bad = 0


def is_(name, seen, wanted):
    global n, bad
    n += 1
    bad += seen != wanted
    print(f'{"ok" if seen == wanted else "not ok"} {n} - {name}')
    if seen != wanted:
        print(f'#   {seen!r}\n# not\n#   {wanted!r}')


is_('the run came to its end', (r.returncode, text.rstrip().endswith('the end')), (0, True))
if r.returncode:
    print('#', open('run/err', encoding='utf-8').read()[-1500:].replace('\n', '\n# '))
told = json.loads(next((line[6:] for line in text.splitlines() if line.startswith('facts ')), '{}'))
is_('each secret has reached the server', [k for k, v in told.get('sent', {}).items() if not v], [])
is_('it was said back in messages', told.get('messages', 0) > 200, True)
is_('no process was started', told.get('children'), 0)

left = {}
for folder, _, files in os.walk('run'):
    for name in files:
        with open(os.path.join(folder, name), 'rb') as f:
            left[os.path.join(folder, name)] = f.read()
is_('there is something to search', ([f for f in ('run/append.db', 'run/delete.db', 'run/open.db-wal', 'run/main.db') if not left.get(f)], len(left) > 5), ([], True))
is_('messages are in the run tables', b'said back' in left['run/append.db'] and b'said back' in left['run/out'], True)


def forms(core):
    """What of the encodings does not depend on what stands around it."""
    b = core.encode()
    out = {b, b.hex().encode(), b.hex().upper().encode(), core[::-1].encode()}
    for at in range(3):
        for enc in (base64.b64encode, base64.urlsafe_b64encode):
            out.add(enc(b'x' * at + b)[4 if at else 0:][:len(b) // 3 * 4 - 4])
    return out


cores = {k: [secrets_run.core(k)] for k in secrets_run.KINDS}
cores['pem'] = [line for line in pem.splitlines()[2:-2]]
for kind, parts in sorted(cores.items()):
    found = sorted({f'{name}: {left[name][max(0, left[name].find(form) - 90):left[name].find(form) + 50]!r}' for core in parts for form in forms(core)
                    for name in left if form in left[name]})
    is_(f'{kind}: is nowhere', found, [])
print(f'1..{n}')
sys.exit(bad != 0)
