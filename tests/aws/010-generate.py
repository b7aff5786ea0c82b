# The committed definitions are what the generator makes of the pinned models and the overlay.
import difflib
import os
import subprocess
import sys

root = os.environ['CQ_ROOT']
here = os.path.join(root, 'vtab', 'aws')
run = subprocess.run([sys.executable, os.path.join(here, 'generate.py'), '--out', '.'], capture_output=True, text=True)
print(f'{"ok" if run.returncode == 0 else "not ok"} 1 - the generator runs')
for line in (run.stdout + run.stderr).splitlines():
    print('#', line)
made = {f for f in os.listdir('.') if f.endswith('.yml')}
kept = {f for f in os.listdir(here) if f.endswith('.yml')} - {'aws.yml'}
print(f'{"ok" if made == kept and made else "not ok"} 2 - the same {len(made)} files')
for f in sorted(made ^ kept):
    print('# only on one side:', f)
count = 2
for f in sorted(made & kept):
    count += 1
    new = open(f, encoding='utf-8').read().splitlines()
    old = open(os.path.join(here, f), encoding='utf-8').read().splitlines()
    print(f'{"ok" if new == old else "not ok"} {count} - {f}')
    for line in list(difflib.unified_diff(old, new, 'committed', 'generated', lineterm='', n=0))[:20]:
        print('#', line)
print(f'1..{count}')
