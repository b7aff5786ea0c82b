# timeout: 300
# The committed definitions are what the generator makes of the pinned models and the overlay.
import difflib
import os
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

tap = Tap()
root = os.environ['CQ_ROOT']
here = os.path.join(root, 'vtab', 'aws')
run = subprocess.run([sys.executable, os.path.join(here, 'generate.py'), '--out', '.'], capture_output=True, text=True)
tap.is_('the generator runs', run.returncode, 0)
for line in (run.stdout + run.stderr).splitlines():
    print('#', line)
made = {f for f in os.listdir('.') if f.endswith('.yml')}
kept = {f for f in os.listdir(here) if f.endswith('.yml')} - {'aws.yml'}
tap.none(f'the same {len(made)} files', [f'only on one side: {f}' for f in sorted(made ^ kept)] if made else ['no files'])
sys.path.insert(0, here)
import endpoints

with open(os.path.join(here, 'aws.yml'), encoding='utf-8') as f:
    text = f.read()
tap.is_('and the data in aws.yml', text[text.index(endpoints.BEGIN) + len(endpoints.BEGIN):text.index(endpoints.END)], endpoints.data())
for f in sorted(made & kept):
    new = open(f, encoding='utf-8').read().splitlines()
    old = open(os.path.join(here, f), encoding='utf-8').read().splitlines()
    tap.none(f, list(difflib.unified_diff(old, new, 'committed', 'generated', lineterm='', n=0))[:20])
tap.done()
