# table_options: one pass of a table's request for each entry, with the entry's members over its own, named as the API has them.
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('x.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: x
config: {{table_options: {{type: map, optional: true}}}}
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}
shapes:
  Attribute: {{key: text Key, value: text Value, since: timestamp(epoch) Since}}
tables:
  x_events:
    request: {{method: POST, safe: true, path: /events, query: {{v: 1}}, json: {{Kind: all, Page: "{{{{ page.token }}}}"}}}}
    page: {{by: token, token: Next}}
    options: {{lookup_events: {{kind: text Kind, from_time: timestamp From, until_time: timestamp(epoch) Until, count: integer Max, deep: boolean Deep, raw: json Raw,
      attributes: list of Attribute Attributes, tags: map of text Tags, version: text ?v}}}}
    rows: "Events[*]"
    key: [id]
    columns: {{id: integer, more: {{path: w, call: one}}}}
    calls: {{one: {{request: {{method: POST, safe: true, path: "/one/{{{{ row.id }}}}", json: {{}}}}}}}}
  x_form:
    request: {{path: /form, form: {{Action: List, "Owner.1": self}}, safe: true}}
    options: {{list_form: {{owners: list of text Owner, filters: list(member) of Attribute Filters, tags: map(entry key value) of text Tags, one: Attribute One, own_arns: list of text OwnARNs,
      flat: map(. Name Value) of text Flat}}}}
    rows: "[*]"
    columns: {{id: integer}}
  x_query:
    request: {{path: /query, query: {{kind: all, b: 1}}}}
    options: {{list_query: {{kind: text kind, names: list of text name}}}}
    rows: "[*]"
    columns: {{id: integer}}
  x_plain: {{request: {{path: /plain}}, rows: "[*]", columns: {{id: integer}}}}
''')
t.is_('loaded', t.one("SELECT cq_load('x.yml')"), 4)
ROUTES = '''POST /events
  need-body "Page"
  body {"Events":[{"id":9}]}
POST /events
  need-body "big"
  body {"Events":[{"id":1}],"Next":"k"}
POST /events
  body {"Events":[{"id":2}]}
POST /one/*
  body {"w":"w"}
* /*
  body [{"id":1}]
'''


def options(**tables):
    t.one("SELECT cq_config('x.table_options', ?)", json.dumps(tables) if tables else None)
    t.one("SELECT cq_config('cache_ttl', 0)")
    t.routes(ROUTES)


def bodies(path='/events'):
    return [r['body'] for r in t.log() if r['path'].startswith(path)]


options()
t.is_('without any', (t.rows('SELECT id FROM x_events'), bodies()), ([(2,)], ['{"Kind":"all"}']))
options(x_events={'lookup_events': [{'kind': 'big'}, {'attributes': [{'key': 'a', 'value': 'b', 'since': '1970-01-01T00:01:00Z'}], 'tags': {'k': 'v'}}]})
t.is_('a pass each', t.rows('SELECT id FROM x_events'), [(1,), (9,), (2,)])
t.is_('with all of its pages', sorted((json.loads(b) for b in bodies()), key=str),
      sorted([{'Kind': 'big'}, {'Kind': 'big', 'Page': 'k'},
       {'Attributes': [{'Key': 'a', 'Since': 60, 'Value': 'b'}], 'Kind': 'all', 'Tags': {'k': 'v'}}], key=str))
options(x_events={'lookup_events': [{'from_time': '2024-01-01', 'until_time': '1970-01-02', 'count': 5, 'deep': True, 'raw': {'a': [1]}, 'kind': None, 'version': '2'}]})
t.is_('of each type', (t.rows('SELECT id FROM x_events'), [json.loads(b) for b in bodies()]),
      ([(2,)], [{'Kind': 'all', 'From': '2024-01-01', 'Until': 86400, 'Max': 5, 'Deep': True, 'Raw': {'a': [1]}}]))
t.is_('in the address where it belongs', [r['path'] for r in t.log()], ['/events?v=2'])
t.is_('calls do without', (t.rows('SELECT more FROM x_events'), bodies('/one')), ([('w',)], ['{}']))
options(x_events={'lookup_events': []})
t.is_('an empty list is none', (t.rows('SELECT id FROM x_events'), bodies()), ([(2,)], ['{"Kind":"all"}']))
options(x_events={'lookup_events': [{'kind': 'big'}, {}]})
steps = json.loads(t.one("SELECT cq_explain('SELECT id FROM x_events')"))
t.is_('told before', [(s['purpose'], s['requests'], s['repeats']) for s in steps], [('list', 2, 'pages')])

options(x_form={'list_form': [{'filters': [{'key': 'a', 'value': 'b c'}, {'key': 'd'}], 'tags': {'k': 'v', 'l': 'w'}, 'one': {'key': 'e'}},
                              {'owners': ['x', 'y']}]})
t.is_('a form', t.rows('SELECT id FROM x_form'), [(1,), (1,)])
t.is_('its lists and maps', sorted((urllib.parse.parse_qsl(b) for b in bodies('/form')), key=len, reverse=True),
      [[('Action', 'List'), ('Owner.1', 'self'), ('Filters.member.1.Key', 'a'), ('Filters.member.1.Value', 'b c'), ('Filters.member.2.Key', 'd'),
        ('Tags.entry.1.key', 'k'), ('Tags.entry.1.value', 'v'), ('Tags.entry.2.key', 'l'), ('Tags.entry.2.value', 'w'), ('One.Key', 'e')],
       [('Action', 'List'), ('Owner.1', 'x'), ('Owner.2', 'y')]])
options(x_form={'ListForm': [{'own_ar_ns': ['x'], 'flat': {'k': 'v', 'l': 'w'}, 'Filters': [{'Key': 'a'}]}]})
t.is_('names in another case', (t.rows('SELECT id FROM x_form'), urllib.parse.parse_qsl(bodies('/form')[0])),
      ([(1,)], [('Action', 'List'), ('Owner.1', 'self'), ('Filters.member.1.Key', 'a'), ('OwnARNs.1', 'x'), ('Flat.1.Name', 'k'), ('Flat.1.Value', 'v'),
                ('Flat.2.Name', 'l'), ('Flat.2.Value', 'w')]))
options(x_query={'list_query': [{'names': ['a b', 'c'], 'kind': 'k'}]})
t.is_('a query', (t.rows('SELECT id FROM x_query'), [r['path'] for r in t.log()]), ([(1,)], ['/query?b=1&kind=k&name=a%20b&name=c']))

for name, value, says in (
        ('an unknown member', {'lookup_events': [{'kinds': 'x'}]}, 'x_events: table_options: lookup_events: unknown kinds\nhint: did you mean "kind"?'),
        ('one below', {'lookup_events': [{'attributes': [{'keys': 'x'}]}]}, 'unknown keys\nhint: did you mean "key"?'),
        ('an unknown request', {'lookup': [{}]}, 'x_events: table_options: unknown lookup\nhint: did you mean "lookup_events"?'),
        ('two requests', {'lookup_events': [], 'LookupEvents': []}, 'x_events: table_options: expected a map with lookup_events alone'),
        ('no list', {'lookup_events': {'kind': 'x'}}, 'x_events: table_options: lookup_events: expected a list of maps'),
        ('no map', {'lookup_events': ['x']}, 'lookup_events: lookup_events: expected a map'),
        ('another type', {'lookup_events': [{'count': 'x'}]}, 'lookup_events: count: expected a whole number'),
        ('no time', {'lookup_events': [{'until_time': 'x'}]}, 'lookup_events: until_time: expected a time'),
        ('a list for a text', {'lookup_events': [{'kind': ['x']}]}, 'lookup_events: kind: expected text'),
        ('no map of requests', [], 'x_events: table_options: expected a map with lookup_events')):
    options(x_events=value)
    t.has(f'{name}, live', t.raises('SELECT id FROM x_events'), says)
    options()
    spec = json.dumps({'source': 'x', 'tables': ['x_plain'], 'spec': {'table_options': {'x_events': value}}})
    t.has(f'{name}, in a spec', t.raises('SELECT cq_validate(?)', spec), says)
spec = json.dumps({'source': 'x', 'tables': ['x_plain'], 'spec': {'table_options': {'x_evnts': {}}}})
t.has('an unknown table', t.raises('SELECT cq_validate(?)', spec), 'spec:1: table_options: x_evnts: no table of x')
spec = json.dumps({'source': 'x', 'tables': ['x_plain'], 'spec': {'table_options': {'x_plain': {'list': []}}}})
t.has('a table that takes none', t.raises('SELECT cq_validate(?)', spec), 'x_plain: table_options: the table has none')
t.routes(ROUTES)
r = t.sync(json.dumps({'source': 'x', 'tables': ['x_events'], 'spec': {'table_options': {'x_events': {'lookup_events': [{'kind': 'big'}, {}]}}}}))
t.is_('in a sync', (r['status'], r['rows'], t.rows('SELECT id FROM x_events ORDER BY 1')), ('success', 3, [(1,), (2,), (9,)]))
t.done()
