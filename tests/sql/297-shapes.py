# JSON columns through their shapes, where a server keeps to its documents and where it does not: what can be read as the type
# that is promised is, what cannot and what is of another form stays as it came, and keys that are not named are left out.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('parts.yml', 'w', encoding='utf-8') as f:
    f.write(f'''
format: 1
integration: parts
config: {{url: {{default: "{MOCK}"}}}}
defaults: {{request: {{url: "{{{{ config.url }}}}"}}, page: {{by: none}}, rows_optional: true}}
shapes:
  Part:
    Name: text name
    Size: integer size
    Price: real price
    On: boolean on
    When: timestamp at
    Since: timestamp(epoch) since
    Raw: blob raw
    Any: json any
    Tags: map(item Key Value) of text tags
    Counts: map(item Key Value) of integer counts
    Words: list of text words
    Sub: Part sub
    Subs: list of Part subs
    Props: map of integer props
  XPart:
    Name: text name
    Size: integer size
    On: boolean on
    When: timestamp at
    Words: list(w) of text words
    Subs: list(s) of XPart subs
    Tags: map(tag k v) of text tags
    Props: map(entry key value) of integer props
tables:
  parts_json:
    request: {{path: /json}}
    rows: "items[*]"
    key: [id]
    columns: {{id: integer, part: {{type: json, shape: Part}}}}
  parts_xml:
    request: {{path: /xml, decode: xml}}
    rows: "item[*]"
    key: [id]
    columns: {{id: integer, part: {{type: json, shape: XPart}}}}
  parts_deep:
    request: {{path: /deep}}
    rows: "items[*]"
    key: [id]
    columns: {{id: integer, part: {{type: json, shape: Part}}}}
''')


CASES = [  # what it is about, what the server sends as "part", what the column holds
    ('as documented', {'name': 'a', 'size': 3, 'price': 1.5, 'on': True, 'at': '2024-01-02T00:00:01Z', 'since': 1704153601, 'raw': 'aGk=',
                       'any': {'k': [1, None]}, 'words': ['x', 'y'], 'props': {'p': 1, 'q': 2}},
     {'Name': 'a', 'Size': 3, 'Price': 1.5, 'On': True, 'When': '2024-01-02T00:00:01Z', 'Since': '2024-01-02T00:00:01Z', 'Raw': 'aGk=',
      'Any': {'k': [1, None]}, 'Words': ['x', 'y'], 'Props': {'p': 1, 'q': 2}}),
    ('nulls and keys without a name are left out', {'name': None, 'size': None, 'sub': None, 'new': 1, 'other': {'name': 'x'}}, {}),
    ('numbers and truth as text', {'size': '12', 'price': '2.5', 'on': 'true', 'since': '1704153601'},
     {'Size': 12, 'Price': 2.5, 'On': True, 'Since': '2024-01-02T00:00:01Z'}),
    ('a number where text is promised', {'name': 5, 'words': [1, 'b', 2.5]}, {'Name': '5', 'Words': ['1', 'b', '2.5']}),
    ('what cannot be read so stays as it came', {'size': 'many', 'price': 'dear', 'at': 'yesterday', 'props': {'p': 'x'}},
     {'Size': 'many', 'Price': 'dear', 'When': 'yesterday', 'Props': {'p': 'x'}}),
    ('a time with an offset', {'at': '2024-01-02T02:00:01+02:00'}, {'When': '2024-01-02T00:00:01Z'}),
    ('another form stays as it came', {'sub': [1, 2], 'subs': {'name': 'x'}, 'tags': [[1]], 'words': {'a': 'b'}, 'name': ['n']},
     {'Sub': [1, 2], 'Subs': {'name': 'x'}, 'Tags': {}, 'Words': {'a': 'b'}, 'Name': ['n']}),
    ('text where a list or an object is promised', {'sub': 'none', 'subs': 'none', 'words': 'none', 'props': 7},
     {'Sub': 'none', 'Subs': 'none', 'Words': 'none', 'Props': 7}),
    ('pairs', {'tags': [{'Key': 'a', 'Value': '1'}, {'Value': '2', 'Key': 'b'}, {'Key': 'c'}, {'Key': 'd', 'Value': None}, {'Value': 'e'},
                        {'Key': 5, 'Value': 'f'}, 'g', None, {}, {'Key': 'h', 'Value': 8, 'Extra': [1]}],
               'counts': [{'Key': 'n', 'Value': '4'}, {'Key': 'm', 'Value': 'many'}]},
     {'Tags': {'a': '1', 'b': '2', 'c': '', 'd': '', 'h': '8'}, 'Counts': {'n': 4, 'm': 'many'}}),
    ('pairs that are a map already', {'tags': {'a': '1', 'b': None, 'c': 3}}, {'Tags': {'a': '1', 'c': '3'}}),
    ('nested', {'subs': [{'name': 'x', 'new': 1, 'subs': []}, None, {'sub': {'size': '7'}}]},
     {'Subs': [{'Name': 'x', 'Subs': []}, None, {'Sub': {'Size': 7}}]}),
    ('text with escapes', {'name': 'a"b\\c\nd\u00e9', 'size': '\u0031'}, {'Name': 'a"b\\c\nd\u00e9', 'Size': 1}),
    ('not an object at all', 'none', 'none'),
]


def deep(n, key, leaf):
    for _ in range(n):
        leaf = {key: leaf}
    return leaf


XML = '''<items>
<item><id>1</id><part><name>a</name><size>3</size><on>true</on><at>2024-01-02T00:00:01Z</at><words><w>x</w><w>y</w></words>
 <subs><s><name>inner</name><new>1</new></s><s/></subs><tags><tag><k>a</k><v>1</v></tag><tag><k>b</k></tag><tag><v>c</v></tag></tags>
 <props><entry><key>p</key><value>1</value></entry><entry><key>q</key><value>many</value></entry></props></part></item>
<item><id>2</id><part/></item>
<item><id>4</id><part><size>many</size><words/><subs/><tags/><name>a<b>c</b>d</name></part></item>
<item><id>5</id><part><words><w>one</w></words><name a="b"> kept </name><name>again</name></part></item>
<item><id>6</id></item>
<item><id>7</id><part> none</part></item>
<item><id>8</id><part><words>none</words><subs><s>x</s></subs></part></item>
</items>'''
items = [{'id': i, 'part': sent} for i, (_, sent, _) in enumerate(CASES)]
deepest = [{'id': n, 'part': deep(n, 'sub', {'name': 'x', 'new': 1})} for n in (5, 63, 64, 70)]
t.routes(f'''GET /json
  body {json.dumps({'items': items}, ensure_ascii=False)}
GET /deep
  body {json.dumps({'items': deepest})}
GET /xml
  header Content-Type: text/xml
  body {XML.replace(chr(10), '')}
''')
t.db.execute("SELECT cq_load('parts.yml')")


def column(table):
    return [None if v is None else json.loads(v) if v[:1] in '{["' else v
            for v, in t.db.execute(f'SELECT part FROM {table} ORDER BY id')]


for (what, _, want), got in zip(CASES, column('parts_json')):
    t.is_(what, got, want)
t.is_('as far as the shape is followed its names are given, and what lies deeper stays as it came',
      [[json.dumps(v).count(k) for k in ('Sub', 'sub', 'new')] for v in column('parts_deep')], [[5, 0, 0], [63, 0, 0], [64, 0, 1], [64, 6, 1]])
t.is_('the same of XML', column('parts_xml'), [
    {'Name': 'a', 'Size': 3, 'On': True, 'When': '2024-01-02T00:00:01Z', 'Words': ['x', 'y'], 'Subs': [{'Name': 'inner'}, {}],
     'Tags': {'a': '1', 'b': ''}, 'Props': {'p': 1, 'q': 'many'}},
    None, {'Name': {'b': 'c', '#text': 'ad'}, 'Size': 'many'}, {'Name': ' kept ', 'Words': ['one']}, None,
    ' none', {'Words': 'none', 'Subs': ['x']}])
t.done()
