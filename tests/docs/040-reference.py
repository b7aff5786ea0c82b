# docs/reference.md names every function, table and setting that cq has, and no
# other; docs/tables/ is what `make docs` writes.
import filecmp
import os
import re
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

root, so = os.environ['CQ_ROOT'], os.environ['CQ_SO'][:-3]
text = open(root + '/docs/reference.md', encoding='utf-8').read()
db = sqlite3.connect(':memory:')
db.enable_load_extension(True)
before = {r[0] for r in db.execute("SELECT name FROM pragma_function_list")}
db.load_extension(so)
tap = Tap()
same = tap.is_


def rows(heading):
    part = re.search(rf'^## {heading}\n(.*?)(?=^## |\Z)', text, re.M | re.S).group(1)
    return [[c.strip() for c in line.strip('|').split(' | ')] for line in part.splitlines() if line.startswith('| `')]


functions = {r[0] for r in db.execute("SELECT name FROM pragma_function_list WHERE name GLOB 'cq_*'")} - before
same('functions', {re.match(r'`(\w+)', r[0]).group(1) for r in rows('Functions')}, functions)
for name, columns in sorted((r[0].strip('`'), r[1]) for r in rows('Tables')):
    same(name, re.findall(r'`(\w+)`', columns), [r[1] for r in db.execute(f'PRAGMA table_info({name})')])
same('tables', {r[0].strip('`') for r in rows('Tables')},
     {r[0] for r in db.execute("SELECT name FROM pragma_module_list WHERE name GLOB 'cq_*'")})
same('settings', {tuple(r[:3]) for r in rows('Settings')},
     {(f'`{n}`', d or '', t) for n, d, t in db.execute(
         'SELECT name, "default", type FROM cq_settings WHERE integration IS NULL')})

env = {k: v for k, v in os.environ.items() if k != 'CQ_PATH'}
subprocess.run([os.environ['CQ_PYTHON'], root + '/tools/tables.py', so, 'tables'], check=True, env=env)


def differing(seen, at=''):
    """What two folders have not in common, at any depth."""
    out = [f'{at}{f}: only here' for f in seen.left_only] + [f'{at}{f}: to be written' for f in seen.right_only]
    out += [f'{at}{f}: differs' for f in filecmp.cmpfiles(seen.left, seen.right, seen.common_files, shallow=False)[1]]
    return out + [x for name, sub in seen.subdirs.items() for x in differing(sub, f'{at}{name}/')]


tap.none('docs/tables is what `make docs` writes', differing(filecmp.dircmp(root + '/docs/tables', 'tables')))
tap.done()
