# XML records: paths with every kind of step inside of them, attributes, own text, namespaces, and JSON without a shape, whose
# lists can only be guessed.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
COLUMNS = {  # name: (definition, of the first record, of the second, of the third)
    'name': ('text', 'one', None, 'th<&>ree é'),
    'kind': ('text @kind', 'k1', None, None),
    'own': ('text note.#text', 'beside', None, 'only'),
    'lang': ('text note.@lang', 'en', None, None),
    'typed': ('text value.@type', 'int', None, None),
    'first_tag': ('text tags.tag[0]', 'a', None, 'z'),
    'second_tag': ('text tags.tag[1]', 'b', None, None),
    'tag_names': ('list of text tags.tag[*]', ['a', 'b', ''], None, ['z']),
    'sizes': ('list of integer sizes.*', [1, 2], None, None),
    'size_names': ('list of text sizes.*.@key', ['small', 'large'], None, None),
    'any_size': ('integer sizes.*', 1, None, None),
    'deep': ('text a.b.c', 'C', None, None),
    'deep_list': ('list of text lists.list[*].v[*]', ['1', '2', '3'], None, None),
    'deep_values': ('list of text lists.list[*].v', ['1', '2', '3'], None, None),
    'guess': ('json guess', {'@id': '7', 'x': ['1', '2'], 'y': {'z': 'q'}, '#text': ' mixed '}, None, 'plain'),
    'members': ('json members', ['m', {'k': 'v'}], None, ['alone']),
    'repeated': ('json part', [{'n': '1'}, {'n': '2'}], None, {'n': '3'}),
    'repeated_text': ('list of text word', ['u', 'v'], None, ['w']),
    'number': ('integer number', 12, None, 'many'),
    'odd_number': ('text number', '12', None, 'many'),
    'real': ('real real', 1.5, None, None),
    'flag': ('boolean flag', 1, None, 0),
    'at': ('timestamp at', '2024-01-02T00:00:01Z', None, None),
    'cdata': ('text cdata', '<b>&amp;</b>', None, None),
    'blank': ('text blank', '  ', None, None),
}
with open('tree.yml', 'w', encoding='utf-8') as f:
    f.write(f'''
format: 1
integration: tree
config: {{url: {{default: "{MOCK}"}}}}
defaults: {{request: {{url: "{{{{ config.url }}}}", decode: xml}}, page: {{by: none}}, rows_optional: true}}
tables:
  tree_nodes:
    request: {{path: /nodes}}
    rows: "list.node[*]"
    key: [id]
    columns:
      id: integer "@id"
''')
    for name, (definition, *_) in COLUMNS.items():
        f.write(f'      {name}: {json.dumps(definition)}\n')
    for name in ('cut', 'other', 'twice', 'bomb'):
        f.write(f'  tree_{name}:\n    request: {{path: /{name}}}\n    rows: "list.node[*]"\n    key: [id]\n    columns: {{id: integer}}\n')
FIRST = '''<node id="1" kind="k1"><name>one</name><note lang="en">beside<br/></note><value xsi:type="int" xmlns:xsi="urn:i">5</value>
<tags><tag>a</tag><tag>b</tag><tag/></tags><sizes><small>1</small><large>2</large></sizes><a><b><c>C</c></b></a>
<lists><list><v>1</v><v>2</v></list><list><v>3</v></list></lists><guess id="7"> mixed <x>1</x><x>2</x><y><z>q</z></y></guess>
<members><member>m</member><member><k>v</k></member></members><part><n>1</n></part><part><n>2</n></part><word>u</word><word>v</word>
<number>12</number><real>1.5</real><flag>true</flag><at>2024-01-02T00:00:01Z</at><cdata><![CDATA[<b>&amp;</b>]]></cdata><blank>  </blank></node>'''
THIRD = '''<x:node id="3"><x:name>th&lt;&amp;&gt;ree &#233;</x:name><note>only</note><tags><tag>z</tag></tags><guess>plain</guess>
<members><member>alone</member></members><part><n>3</n></part><word>w</word><number>many</number><flag>false</flag></x:node>'''
NODES = f'<?xml version="1.0"?><answer xmlns:x="urn:x"><list>{FIRST}<node id="2"/>{THIRD}</list></answer>'.replace('\n', '')
t.routes(f'''GET /nodes
  header Content-Type: application/xml
  body {NODES}
GET /cut
  body {NODES[:-30]}
GET /other
  body {{"list": []}}
GET /twice
  body <a><list><node><id>1</id></node></list></a><b/>
GET /bomb
  body <!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><a><list><node><id>&y;</id></node></list></a>
''')
t.db.execute("SELECT cq_load('tree.yml')")
for name, (_, *want) in COLUMNS.items():
    got = [json.loads(v) if isinstance(v, str) and v[:1] in '{["' else v for v, in t.db.execute(f'SELECT {name} FROM tree_nodes ORDER BY id')]
    t.is_(name, got, want)
for name, said in (('cut', 'the XML ends too early'), ('other', 'answer is not XML: not well-formed'), ('twice', 'answer is not XML: junk after document element'),
                   ('bomb', 'XML with a document type is refused')):
    t.has(f'{name} is no list', str(t.raises(f'SELECT id FROM tree_{name}')), said)
t.done()
