# Where a definition, a query and a server are at odds, rows are neither lost nor doubled, and what cannot be told is an error.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
TABLES = {
    # the API has nothing where the table has the default
    'odds_default': '''request: {path: /default, query: {state: "{{ where.state }}", least: "{{ where.size.min }}"}}
    rows: "[*]"
    key: [id]
    columns: {id: integer, state: {type: text, where: "=", exact: true, default: none}, size: {type: integer, where: ">=", default: 0}}''',
    'odds_below_default': '''parent: {table: odds_default, given: [id]}
    columns: {id: {from: parent.id}, state: {from: parent.state}}''',
}
with open('odds.yml', 'w', encoding='utf-8') as f:
    f.write(f'format: 1\nintegration: odds\nconfig: {{url: {{default: "{MOCK}"}}}}\ndefaults: {{request: {{url: "{{{{ config.url }}}}"}}}}\ntables:\n'
            + ''.join(f'  {name}:\n    {text}\n' for name, text in TABLES.items()))
ALL = [{'id': 1, 'state': None, 'size': None}, {'id': 2, 'state': 'on', 'size': 5}, {'id': 3, 'state': 'none', 'size': 1}]


def put(path, answer):
    return f'GET {path}\n  body {answer if isinstance(answer, str) else json.dumps(answer)}\n'


t.routes(put('/default?state=none', ALL[2:]) + put('/default?state=on', ALL[1:2]) + put('/default?least=*', ALL[1:]) + put('/default', ALL))
t.db.execute("SELECT cq_load('odds.yml')")

for where, ids in (("state = 'none'", [1, 3]), ("state IN ('none', 'on')", [1, 2, 3]), ("state = 'on'", [2]), ('size >= 0', [1, 2, 3]), ("state IS 'none' AND size <= 0", [1]),
                   ("state = 'none' LIMIT 2", [1, 3])):
    t.is_(f'WHERE {where}, of a column with a default', t.rows(f'SELECT id FROM odds_default WHERE {where}'), [(i,) for i in ids])
t.is_('the same below a parent', t.rows("SELECT id FROM odds_below_default WHERE state = 'none'"), [(1,), (3,)])
t.done()
