# cq_plan: the requests of a sync, before any is made: counts, addresses, no secrets.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
t.routes('GET /*\n  body []\n')


def plan(spec):
    p = json.loads(t.one('SELECT cq_plan(?)', spec))
    return [(x['table'], r['purpose'], r['method'], r['url'].replace(MOCK, ''), r.get('requests'), r.get('times'))
            for s in p['sources'] for x in s['tables'] for r in x['requests']]


SHIPS = 'fleet_ships', 'list', 'GET'
t.is_('several clients: what differs has its name', plan('{source: fleet, tables: [fleet_ships]}'), [(*SHIPS, '/{port}/ships', 2, 'pages')])
t.is_('one client: its value', plan('{source: fleet, tables: [fleet_ships], spec: {ports: [bari]}}'), [(*SHIPS, '/bari/ships', 1, 'pages')])
t.is_('a value is encoded as in the request', plan('{source: fleet, tables: [fleet_ships], spec: {ports: ["a b%"]}}'),
      [(*SHIPS, '/a%20b%25/ships', 1, 'pages')])
t.is_('children: per row', plan('{source: fleet, tables: [fleet_crews], spec: {ports: [bari]}}'), [
    (*SHIPS, '/bari/ships', 1, 'pages'), ('fleet_crews', 'list', 'GET', '/bari/ships/{id}/crew', None, 'per row of fleet_ships')])
with open('spy.yml', 'w', encoding='utf-8') as f:
    f.write('''format: 1
integration: spy
config:
  url: {type: text, default: "${FLEET_URL}"}
  key: {type: text, secret: true, default: s3cret}
  kind: {type: text, default: bot}
tables:
  spy_chats:
    request: {url: "{{ config.url }}", path: "/{{ config.kind }}{{ config.key }}/chats", query: {limit: "{{ config.key }}"}}
    rows: "[*]"
    key: [id]
    columns: {id: integer}
''')
t.one("SELECT cq_load('spy.yml')")
t.is_('a secret is never shown', plan('{source: spy, tables: [spy_chats]}'), [('spy_chats', 'list', 'GET', '/bot{key}/chats', 1, None)])
t.is_('nor by cq_explain', json.loads(t.one("SELECT cq_explain('SELECT * FROM spy_chats')"))[0]['url'].replace(MOCK, ''), '/bot{key}/chats')
p = json.loads(t.one('SELECT cq_plan(?)', '''{source: aws, tables: [aws_ec2_instances, aws_iam_users],
    spec: {regions: [us-east-1, eu-west-1], accounts: [{id: "111111111111"}, {id: "222222222222"}]}}'''))['sources'][0]['tables']
t.is_('AWS: accounts by regions; global services per account', [(x['table'], r['requests'], r['url']) for x in p for r in x['requests']
                                                                if r['purpose'] == 'list'],
      [('aws_ec2_instances', 4, 'https://ec2.{region}.{dns_suffix}/'), ('aws_iam_users', 2, 'https://iam.{dns_suffix}/')])

# Clients are counted by what a table names of them: some have one more request each, some have none, and addresses of two forms.
with open('kinds.yml', 'w', encoding='utf-8') as f:
    f.write('''format: 1
integration: kinds
config:
  url: {type: text, default: "${FLEET_URL}"}
  ports: {type: list, default: []}
clients:
  port: {values: "{{ config.ports }}", attributes: [bay, shut, lists]}
tables:
  kinds_berths:
    only: "{{ not client.shut }}"
    each: {list: "{{ client.lists | default(['one']) }}"}
    request: {url: "{{ config.url }}", path: "{{ '/bay/{}' | format(client.bay) if client.bay else '/port' }}/{{ each.list }}"}
    rows: "[*]"
    key: [id]
    columns: {id: integer, detail: {call: detail, path: .}}
    calls: {detail: {request: {url: "{{ config.url }}", path: "/{{ client.port }}/{{ row.id }}"}, record: .}}
''')
t.one("SELECT cq_load('kinds.yml')")
PORTS = [{'port': f'p{i}', **({'bay': i % 2} if i % 3 else {}), 'shut': i % 5 == 0, **({'lists': ['one', 'two']} if i % 7 == 0 else {})} for i in range(1, 211)]
count = {kind: sum(2 if 'lists' in p else 1 for p in PORTS if ('bay' in p) == kind and not p['shut']) for kind in (False, True)}
t.is_('many clients, by kind', plan(json.dumps({'source': 'kinds', 'tables': ['*'], 'spec': {'ports': PORTS}})),
      [('kinds_berths', 'list', 'GET', '/bay/{bay}/{list}', count[True], None), ('kinds_berths', 'list', 'GET', '/port/{list}', count[False], None),
       ('kinds_berths', 'call', 'GET', '/{port}/{id}', None, 'per row of kinds_berths')])
names = [n for n, in t.rows("SELECT name FROM cq_tables WHERE integration = 'aws' AND NOT generated AND parent IS NULL AND clients LIKE '%region%' "
                            'ORDER BY name LIMIT 100')]
REGIONS = [f'eu-west-{i}' for i in range(1, 18)]
p = json.loads(t.one('SELECT cq_plan(?)', json.dumps({'source': 'aws', 'tables': names, 'skip_dependent_tables': True, 'spec': {
    'regions': REGIONS, 'new_regions': REGIONS, 'accounts': [{'id': f'a{i}', 'role_arn': f'arn:aws:iam::{i:012}:role/r'} for i in range(2000)]}})))['sources'][0]['tables']
t.is_('three million units are counted in a moment', [r for x in p for r in x['requests'] if r['purpose'] == 'list' and (r['requests'] % (17 * 2000) or not r['requests'])], [])
t.is_('nothing was asked', t.asked(), 0)
t.is_('nor made', t.rows("SELECT name FROM sqlite_schema"), [])
t.done()
