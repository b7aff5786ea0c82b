# An integration that is loaded again, with other keys: what cq_config() was told of those that it had stands in nobody's way. And
# columns that have the names of what a plan says besides.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync(':memory:')


def load(config):
    with open('anew.yml', 'w', encoding='utf-8') as f:
        f.write(f'''
format: 1
integration: anew
config: {{url: {{default: "{MOCK}"}}, {config}}}
auth: {{scheme: none}}
defaults: {{request: {{url: "{{{{ config.url }}}}"}}, page: {{by: none}}}}
tables:
  anew_rows:
    request: {{path: /rows, query: {{limit: "{{{{ where.limit }}}}", offset: "{{{{ where.offset }}}}"}}}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer, limit: {{type: text, where: "="}}, offset: {{type: text, where: "="}}}}
''')
    return t.one("SELECT cq_load('anew.yml')")


t.routes('''GET /rows?limit=x&!offset
  body [{"id": 1, "limit": "x", "offset": "p"}]
GET /rows?offset=p&!limit
  body [{"id": 1, "limit": "x", "offset": "p"}]
GET /rows?offset=q&!limit
  body [{"id": 2, "limit": "y", "offset": "q"}]
GET /rows
  body [{"id": 1, "limit": "x", "offset": "p"}, {"id": 2, "limit": "y", "offset": "q"}, {"id": 3, "limit": null, "offset": null}]
''')
t.is_('loaded', load('old: {type: text, optional: true}, kept: {type: text, optional: true}'), 1)
t.rows("SELECT cq_config('anew.old', 'a'), cq_config('anew.kept', 'b')")
load('new: {type: text, optional: true}, kept: {type: integer, optional: true}')
t.has('a value that is none any more', t.raises('SELECT count(*) FROM anew_rows'), 'anew: config kept: expected integer, not "b"')
t.is_('can be set', t.one("SELECT cq_config('anew.kept', 5)"), '5')
t.is_('a key that is gone', t.rows('SELECT count(*) FROM anew_rows'), [(3,)])
t.is_('in the list of settings', t.rows("SELECT name, value FROM cq_settings WHERE integration = 'anew' AND name <> 'anew.url' ORDER BY 1"), [('anew.kept', '5'), ('anew.new', None)])
t.is_('in a sync', t.sync('{source: anew, tables: [anew_rows]}')['status'], 'success')
t.is_('the new key', t.one("SELECT cq_config('anew.new', 'c')"), 'c')
load('old: {type: text, optional: true}')
t.is_('and when it comes back', t.one("SELECT cq_config('anew.old')"), 'a')

for where, rows, path in (('"limit" = \'x\'', [(1,)], 1), ('"limit" IS \'x\'', [(1,)], 1), ('"offset" IN (\'p\', \'q\')', [(1,), (2,)], 2), ('"limit" IS \'x\' OR "offset" IN (\'q\')', [(1,), (2,)], 2),
                          ('"limit" IS NULL', [(3,)], 1), ('"offset" IS \'p\' AND "limit" IS \'x\'', [(1,)], None)):
    t.one("SELECT cq_config('cache_ttl', 0)")
    before = t.asked()
    t.is_(where, t.rows(f'SELECT id FROM live_anew_rows WHERE {where} ORDER BY id'), rows)
    if path:
        t.is_(f'{where}: requests, and told before', (t.asked() - before, t.one("SELECT sum(value ->> 'requests') FROM json_each(cq_explain(?))", f'SELECT id FROM live_anew_rows WHERE {where}')), (path, path))
t.done()
