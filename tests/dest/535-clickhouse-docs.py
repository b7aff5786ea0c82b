# docs/destinations/clickhouse.md: its example, and its keys.
import os
import re
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests/dest', os.environ['CQ_ROOT'] + '/tests/docs']
import clickhouse
import typed
from shared import Tap, connect

ROOT = os.environ['CQ_ROOT']
server = clickhouse.Debian()
os.environ.pop('CQ_PATH', None)
os.symlink(ROOT + '/examples', 'examples')
text = open(ROOT + '/docs/destinations/clickhouse.md', encoding='utf-8').read()
with open('people.yml', 'w') as f:
    f.write(re.search(r'```yaml people.yml\n((?:.*\n)*?)```', text)[1].replace('127.0.0.1:8123', f'127.0.0.1:{server.port}'))
t = Tap()
said, shown = typed.session(re.search(r'```\n(sqlite>(?:.*\n)*?)```', text)[1])
t.is_('the sync', typed.shell(['.load ' + typed.SO, '.mode box', *said], {}).splitlines(), shown)
said, shown = re.search(r'```\n:\) (.*)\n((?:.*\n)*?)```', text).groups()
t.is_('what ClickHouse shows', server.query(said), shown)
options = connect(':memory:').execute("SELECT group_concat(key) FROM cq_destinations, json_each(options) WHERE name = 'clickhouse'").fetchone()[0]
t.is_('all keys', re.findall(r'^\| `(\w+)` \|', text, re.M), options.split(','))
server.stop()
t.done()
