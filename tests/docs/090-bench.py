# bench/docs.py writes what bench/run.py --json found into docs/performance.md,
# and leaves the other sections as they are.
import json
import os
import subprocess
import sys

root = os.environ['CQ_ROOT']
sys.path.insert(0, root + '/bench')
sys.dont_write_bytecode = True
import cases  # noqa: E402
import docs  # noqa: E402
import report  # noqa: E402
from pathlib import Path  # noqa: E402

failed = n = 0


def check(what, fact):
    global failed, n
    n += 1
    failed += not fact
    print(f'{"ok" if fact else "not ok"} {n} - {what}')


def figures(floor_cpu, cq_cpu, peak):
    case = cases.CASES[0]
    programs = [cases.PROGRAMS['floor'], cases.PROGRAMS['append']]
    took = {'floor': {'cpu': floor_cpu, 'wall': 2.0, 'peak': 10 << 20}, 'append': {'cpu': cq_cpu, 'wall': 1.0, 'peak': peak}}
    return {'machine': 'a machine', 'cases': [report.result(case, programs, took)],
            'start': {'load': {'cq': {'load_ms': 9.0}, 'empty': {'load_ms': 2.0}},
                      'first': {'page_ms': 1.0, 'row_ms': 3.0, 'more_ms': 2.0}}}


page = Path('page.md')
page.write_text('# Performance\n\n## Requests\nasked\n\n## Speed\nold figures\n\n## Other\nkept\n')
docs.write(page, json.loads(json.dumps(figures(1.0, 0.9, 30 << 20))))
text = page.read_text()
check('other sections stay', '## Requests\nasked\n' in text and '## Other\nkept\n' in text)
check('old figures go', 'old figures' not in text and text.count('## Speed') == 1)
check('what holds', '| cq append, first | 0.90 | 1.0 | yes | 0.50 | ' in text)
check('memory', '| cq append, first | 30.0 | yes |' in text)
check('start', '| `.load` | 9.00 | 2.00 | 7.00 | 5 | NO |' in text and '| first row | 3.00 | 1.00 | 2.00 | 5 | yes |' in text)
docs.write(page, figures(1.0, 1.2, 65 << 20))
text = page.read_text()
check('written again, once', text.count('## Speed') == text.count('## Memory') == text.count('## Start') == 1)
check('what does not hold', '| cq append, first | 1.20 | 1.0 | NO | 0.50 | ' in text and '| cq append, first | 65.0 | NO |' in text)

# The definitions of the benchmark are ones that cq takes.
path = cases.write_definitions(Path('.').resolve())
sql = ''.join(f"SELECT cq_load('{p}') > 0;\n" for p in path.split(':'))
shell = subprocess.run([os.environ['CQ_SQLITE'], '-batch', '-bail', '-cmd', '.load ' + os.environ['CQ_SO'][:-3], ':memory:'],
                       input=sql, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, 'BENCH_URL': 'http://127.0.0.1:1'})
check('its definitions load', shell.stdout == '1\n1\n' or print('#', shell.stdout))
print(f'1..{n}')
sys.exit(1 if failed else 0)
