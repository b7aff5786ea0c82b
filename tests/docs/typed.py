"""Types the examples of a document and compares what comes.

  run('docs/integrations.md', {'http://127.0.0.1:8080': MOCK})

A fenced block whose first line is `sqlite> ...` is a session: its input is typed
into a shell that has loaded cq and is in box mode, its output is compared. A
block ```yaml NAME is written to the file NAME. Words are replaced both ways.
"""
import os
import re
import subprocess

ROOT, SO = os.environ['CQ_ROOT'], os.environ['CQ_SO'][:-3]


def session(body):
    """([typed lines], [lines that come])"""
    typed, shown = [], []
    for line in body.splitlines():
        m = re.match(r'(?:sqlite>|   \.\.\.>) (.*)', line)
        (typed if m else shown).append(m.group(1) if m else line)
    return typed, shown


def shell(typed, env, db='doc.db'):
    p = subprocess.run([os.environ['CQ_SQLITE'], '-batch', db if db == ':memory:' else os.path.abspath(db)], input='\n'.join(typed) + '\n', text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **env})
    return p.stdout


def run(path, words, env=None, before=('.load ' + SO, '.mode box')):
    text = open(os.path.join(ROOT, path), encoding='utf-8').read()
    count = bad = 0
    for kind, name, body in re.findall(r'^```(\w*) ?(.*)\n((?:.*\n)*?)```$', text, re.M):
        for word, value in words.items():
            body = body.replace(word, value)
        if name:
            with open(name, 'w', encoding='utf-8') as f:
                f.write(body)
        if not body.startswith('sqlite> '):
            continue
        typed, shown = session(body)
        seen = shell([*before, *typed], env or {}).splitlines()
        count += 1
        bad += seen != shown
        print(f'{"ok" if seen == shown else "not ok"} {count} - {typed[-1][:70]}')
        if seen != shown:
            for line in seen:
                print('#', line)
    print(f'1..{count}')
    if not count or bad:
        raise SystemExit(1)


def runs(path, words, env=None, before=()):
    """Types every block ```sql of a document; nothing may be an error. Then it is over: prints its TAP."""
    text = open(os.path.join(ROOT, path), encoding='utf-8').read()
    count = bad = 0
    for name, body in re.findall(r'^```(?:sql|yaml) ?(.*)\n((?:.*\n)*?)```$', text, re.M):
        for word, value in words.items():
            body = body.replace(word, value)
        if name:
            with open(name, 'w', encoding='utf-8') as f:
                f.write(body)
            body = f"SELECT cq_validate('{name}');\n"
        seen = shell(['.load ' + SO, '.bail off', *before, *body.splitlines()], env or {}, ':memory:')
        wrong = re.search(r'error near|"status":"(?:partial|failed)"|incomplete', seen)
        count += 1
        bad += bool(wrong)
        print(f'{"not ok" if wrong else "ok"} {count} - {body.splitlines()[0][:70]}')
        if wrong:
            for line in seen.splitlines():
                print('#', line)
    print(f'1..{count}')
    if not count or bad:
        raise SystemExit(1)
