# docs/destinations/postgresql.md: its example, and its keys.
import os
import re
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests/dest', os.environ['CQ_ROOT'] + '/tests/docs']
import postgres
import typed
from shared import Tap, connect

ROOT = os.environ['CQ_ROOT']
pg = postgres.Server()
os.environ.pop('CQ_PATH', None)
os.symlink(ROOT + '/examples', 'examples')
text = open(ROOT + '/docs/destinations/postgresql.md', encoding='utf-8').read()
with open('people.yml', 'w') as f:
    f.write(re.search(r'```yaml people.yml\n((?:.*\n)*?)```', text)[1].replace('127.0.0.1:5432', f'127.0.0.1:{pg.port}'))
t = Tap()
said, shown = typed.session(re.search(r'```\n(sqlite>(?:.*\n)*?)```', text)[1])
t.is_('the sync', typed.shell(['.load ' + typed.SO, '.mode box', *said], {}).splitlines(), shown)
shown = re.search(r'postgres=# (.*;)\n((?:.*\n)*?)```', text)
said = pg.psql('\\pset tuples_only off\n\\pset format aligned\n' + shown[1]).stdout
t.is_('what psql shows', said.strip().splitlines(), shown[2].strip().splitlines())
options = connect(':memory:').execute("SELECT group_concat(key) FROM cq_destinations, json_each(options) WHERE name = 'postgresql'").fetchone()[0]
t.is_('all keys', re.findall(r'^\| `(\w+)` \|', text, re.M), options.split(','))
pg.stop()
t.done()
