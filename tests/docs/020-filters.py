# The table of filters in docs/integrations.md: all of them, and each example gives what stands there.
import os
import re
import subprocess

root, so = os.environ['CQ_ROOT'], os.environ['CQ_SO'][:-3]
text = open(root + '/docs/integrations.md', encoding='utf-8').read()
rows = [re.split(r'(?<!\\)\|', line)[1:-1] for line in text[text.index('| filter |'):].split('\n\n')[0].splitlines()[2:]]
examples = [(r[2].strip().strip('`').replace('\\|', '|'), r[3].strip().strip('`')) for r in rows]
told = set(re.findall(r'`(\w+)', ' '.join(r[0] for r in rows)))
source = open(root + '/ext/spec/filters.c', encoding='utf-8').read()
known = set(re.findall(r'\{"(\w+)", \d+, \d+, (?:f|cq_filter)_', source))
print(f'{"ok" if told == known else "not ok"} 1 - all {len(known)} filters')
for word in sorted(told ^ known):
    print('#', word)
with open('f.yml', 'w', encoding='utf-8') as f:
    f.write('format: 1\nintegration: f\ntables:\n  f_f:\n    each: {x: [a]}\n    columns:\n')
    for n, (expression, _) in enumerate(examples):
        quoted = expression.replace('"', '\\"')
        f.write(f'      c{n}: {{value: "{{{{ {quoted} }}}}"}}\n')
seen = subprocess.run([os.environ['CQ_SQLITE'], '-batch', '-list', '-separator', '\n', '-cmd', '.load ' + so, ':memory:',
                       "SELECT cq_load('f.yml')", 'SELECT * FROM f_f'], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
seen = seen.splitlines()[1:]
for n, (expression, gives) in enumerate(examples):
    value = seen[n] if n < len(seen) else None
    print(f'{"ok" if value == gives else "not ok"} {n + 2} - {expression}')
    if value != gives:
        print(f'# {value!r}, not {gives!r}', seen if n == 0 else '')
print(f'1..{len(examples) + 1}')
