# Every key of the integration format: a good value loads, a bad one is told by file, line, object and fact; the JSON
# Schema and the loader know the same keys, and judge alike where it is a matter of structure.
import glob
import json
import os
import re
import subprocess
import sys

import jsonschema
import yaml

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/spec']
import keys
from shared import Tap

root, so = os.environ['CQ_ROOT'], os.environ['CQ_SO'][:-3]
tap = Tap()
ok = tap.none


def load(folder, files):
    os.makedirs(folder, exist_ok=True)
    for name, tree in files.items():
        with open(f'{folder}/{name}', 'w', encoding='utf-8') as f:
            yaml.safe_dump(tree, f, sort_keys=False)


schema = jsonschema.Draft202012Validator(json.load(open(root + '/docs/integration.schema.json', encoding='utf-8')))
script = ['.load ' + so, '.mode list', '.print begin']
for n, (place, good, bad, says) in enumerate(keys.CASES):
    for kind, value in (('good', good), ('bad', bad)):
        if value is None:
            continue
        load(f'{kind}{n}', keys.build(place, value))
        script += [f'.print = {kind}{n}', f"SELECT cq_load('{kind}{n}/root.yml') >= 0;" if not place.startswith('service.')
                   else f"SELECT cq_load('{kind}{n}') >= 0;"]
out = subprocess.run([os.environ['CQ_SQLITE'], '-batch', ':memory:'], input='\n'.join(script) + '\n', text=True, stdout=subprocess.PIPE,
                     stderr=subprocess.STDOUT).stdout
seen = {}
for part in re.split('^= ', out, flags=re.M)[1:]:
    name, _, text = part.partition('\n')
    seen[name.strip()] = text.strip()
for n, (place, good, bad, says) in enumerate(keys.CASES):
    wrong = []
    if good is not None and seen.get(f'good{n}') != '1':
        wrong.append(seen.get(f'good{n}'))
    if bad is not None:
        text = re.sub(r'^Runtime error near line \d+: ', '', seen.get(f'bad{n}', ''))
        m = re.match(r'bad\d+/(?:root|service)\.yml:\d+: (.*)', text, re.S)
        told = m.group(1) if m else text
        # the nearest word is a hint that a message may have beside what is wanted here
        if told != says and told.split('\nhint:')[0] != says:
            wrong.append(f'says: {text}\nnot: {says}')
        if not m:
            wrong.append('no file and line')
    if good is not None:
        wrong += [f'schema: {e.message[:200]}' for tree in keys.build(place, good).values() for e in schema.iter_errors(tree)]
    if bad is not None and says and (' expected ' in says or 'unknown key' in says or 'unknown word' in says) \
            and place not in ('request.auth', 'table.detail', 'table.rows', 'column.where', 'poll.request'):
        if not any(list(schema.iter_errors(tree)) for tree in keys.build(place, bad).values()):
            wrong.append('the schema takes it')
    ok(place, wrong)

# ---- the loader's lists of keys, from its source --------------------------------
known = {}
for path in glob.glob(root + '/ext/spec/*.c'):
    for args in re.findall(r'\bCHECK\(([^;]*?)\);', open(path, encoding='utf-8').read(), re.S):
        words = tuple(w.rstrip('$?#.{[*~') for w in re.findall(r'"([^"]*)"', args.split(',', 2)[2] if not args.split(',', 2)[1].strip().startswith('"')
                                                               else args.split(',', 2)[2]))
        known.setdefault(words, path)
defs = schema.schema['$defs']
names = {'root': 'allow_file', 'config': 'secret', 'client': 'attributes', 'request': 'operation', 'page': 'max_pages', 'limits': 'burst',
         'rule': 'throttle', 'when': 'status', 'error': 'in_200', 'table': 'example', 'call': 'join', 'parent': 'given', 'cursor': 'lookback', 'poll': 'until', 'inner': 'encoding', 'permissions': 'also', 'known': 'words', 'check': 'setting'}
for name, mark in names.items():
    mine = next((set(w) for w in known if mark in w), set())
    d = defs[name]
    theirs = set(d.get('properties') or next(x['properties'] for x in d['oneOf'] if 'properties' in x))
    ok(f'schema: {name}', sorted(mine ^ theirs))
mine = next(set(w) for w in known if 'sensitive' in w)
ok('schema: column', sorted(mine ^ set(next(x['properties'] for x in defs['column']['oneOf'] if 'properties' in x))))
tested = {}
for place, *_ in keys.CASES:
    where, key = place.split('.', 1)
    tested.setdefault('table' if where == 'top' else where, set()).add(key)
for name, mark in {**names, 'column': 'sensitive'}.items():
    mine = next((set(w) for w in known if mark in w), set())
    ok(f'every key of {name} is tested', sorted(mine - tested.get('root' if name == 'root' else name, set())))

# ---- definitions that are there --------------------------------------------------
for path in sorted(glob.glob(root + '/vtab/*/*.yml') + glob.glob(root + '/tests/sql/fixtures/*.yml')):
    tree = yaml.load(open(path, encoding='utf-8'), Loader=getattr(yaml, 'CSafeLoader', yaml.SafeLoader))
    ok(os.path.relpath(path, root), [e.message[:200] for e in schema.iter_errors(tree)])
out = subprocess.run([os.environ['CQ_SQLITE'], '-batch', '-cmd', '.load ' + so, ':memory:',
                      'SELECT count(DISTINCT table_name) = (SELECT count(*) FROM cq_tables) FROM cq_columns'], text=True,
                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
ok('every built-in table loads', [] if out.strip() == '1' else [out])
tap.done()
