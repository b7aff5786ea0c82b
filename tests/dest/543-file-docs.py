# timeout: 120
# docs/destinations/file.md: its example, its keys, and its three ways to read.
import os
import re
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests/dest', os.environ['CQ_ROOT'] + '/tests/docs', os.environ['CQ_ROOT'] + '/tests/sync']
import clickhouse
import duckdb
import typed
from synctest import FLEET, Sync
from shared import connect

ROOT = os.environ['CQ_ROOT']
os.symlink(ROOT + '/examples', 'examples')
text = open(ROOT + '/docs/destinations/file.md', encoding='utf-8').read()
with open('people.yml', 'w') as f:
    f.write(re.search(r'```yaml people.yml\n((?:.*\n)*?)```', text)[1])
t = Sync()
said, shown = typed.session(re.search(r'```\n(sqlite>(?:.*\n)*?)```', text)[1])
t.is_('the sync', typed.shell(['.load ' + typed.SO, '.mode box', *said], {}).splitlines(), shown)
options = t.one("SELECT group_concat(key) FROM cq_destinations, json_each(options) WHERE name = 'file'").split(',')
said = text[text.index('## Keys'):text.index('| `format_spec` | of')]
t.is_('all keys', sorted(re.findall(r'^\| \*?`(\w+)`', said, re.M)), sorted(options + ['connection_string']))

SQL = {w: re.search(r'```sql %s\n((?:.*\n)*?)```' % w, text)[1] for w in ('duckdb', 'clickhouse')}
names = {}
exec(re.search(r'```python\n((?:.*\n)*?)```', text)[1], names)
server = clickhouse.Modern()
print('# ClickHouse', server.version)


def ways(lake, table, column, files='*'):
    """What each shows of a column, sorted."""
    swap = lambda sql: sql.replace("'file_csv'", f"'{table}'").replace('lake/file_csv/*', f'{lake}/{table}/{files}').replace('lake/', lake + '/')
    db = duckdb.connect()
    rows = None
    for one in swap(SQL['duckdb']).replace("record ->> 'name' AS name", f'"{column}" AS name').split(';'):
        if one.strip():
            rows = db.execute(one).fetchall()
    by_arrow = sorted(names['latest'](lake, table)[column].to_pylist())
    by_house = server.rows(swap(SQL['clickhouse']).replace("JSONExtractString(toString(record), 'name') AS name", f'`{column}` AS name'))
    return [x[0] for x in rows], [x[0] for x in by_house], by_arrow


lake = os.path.abspath('lake')
db = duckdb.connect()
rows = [db.execute(x).fetchall() for x in SQL['duckdb'].split(';') if x.strip()][-1]
t.is_('DuckDB, as it stands', len(rows), 3)
house = server.rows(SQL['clickhouse'].replace('lake/', lake + '/'))
t.is_('ClickHouse, as it stands', sorted(house), sorted(rows))
import json
t.is_('pyarrow, as it stands', sorted(json.loads(x)['name'] for x in names['latest']('lake', 'file_csv')['record'].to_pylist()), sorted(x[0] for x in rows))

# several snapshots, of which the latest is shown, with what a failed unit keeps, and what could not be read again
SHIPS = 'GET /oslo/ships?page=1\n  body [{"id":1,"name":"%s"},{"id":2,"name":"%s"}]\nGET /rome/ships?page=1\n  body [{"id":1,"name":"%s"}]\n'
CREW = 'GET /oslo/ships/1/crew\n  body [{"id":1,"name":"%s"}]\nGET /oslo/ships/2/crew\n  body [{"id":1,"name":"%s"}]\nGET /*/ships/*/crew\n  body []\n'
with open('deny.yml', 'w') as f:
    f.write(open(FLEET).read().replace('  fleet_crews:\n', '  fleet_crews:\n    errors:\n      - {when: {status: 403}, then: denied, message: "no"}\n'))
os.environ['CQ_PATH'] = os.path.abspath('deny.yml')
d = Sync('fleet.db')
spec = '{source: fleet, tables: [fleet_crews], destination: {kind: file, path: fleet}}'
fleet = os.path.abspath('fleet')
d.routes(SHIPS % ('a', 'b', 'c') + CREW % ('x', 'y'))
d.sync(spec)
t.is_('the first', (ways(fleet, 'fleet_ships', 'name'), ways(fleet, 'fleet_crews', 'name')), ((['a', 'b', 'c'],) * 3, (['x', 'y'],) * 3))
d.routes((SHIPS % ('d', 'e', 'f')).replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  status 400\n') + (CREW % ('z', '')).replace('GET /oslo/ships/2/crew\n', 'GET /oslo/ships/2/crew\n  status 403\n'))
d.sync(spec)
t.is_('what failed keeps its rows', ways(fleet, 'fleet_ships', 'name'), (['c', 'd', 'e'],) * 3)
t.is_('what could not be read too', ways(fleet, 'fleet_crews', 'name'), (['y', 'z'],) * 3)
server.stop()
t.done()
