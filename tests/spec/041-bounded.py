# Definitions, and texts that a server gives to filters, that would go round, dig too deep, or take the square of their length.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
TABLE = '  b_a: {%s, rows: "[*]", key: [id], columns: {id: integer}}\n'


def load(text):
    with open('b.yml', 'w', encoding='utf-8') as f:
        f.write(f'format: 1\nintegration: b\ndefaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}\n{text}')
    return t.raises("SELECT cq_load('b.yml')")


# ---- presets
t.routes('GET /*\n  body [{"id":1}]\n')
USES = 'presets:\n  p: {request: {path: "/x{{ use.a }}/{{ use.b }}y"}}\ntables:\n' + TABLE
t.is_('two arguments', [load(USES % 'use: {p: {a: 1, b: 2}}'), t.tries('SELECT id FROM b_a'), t.log()[-1]['path']], [None, [(1,)], '/x1/2y'])
t.has('an argument that names itself is text', load(USES % 'use: {p: {a: "{{ use.a }}", b: 2}}'), 'template: unknown name "use"')
t.has('one that names another', load(USES % 'use: {p: {a: "{{ use.b }}", b: 2}}'), 'template: unknown name "use"')
t.has('one that doubles', load(USES % 'use: {p: {a: "{{ use.a }}{{ use.a }}", b: 2}}'), 'template: unknown name "use"')
t.has('one that is missing takes its key along', load(USES % 'use: {p: {a: 1}}, request: {query: {q: 1}}') or t.log()[-1]['path'], '/x1/2y')
t.has('one that is a list', load(USES % 'use: {p: {a: [1], b: 2}}'), 'must be text here')
t.has('lines behind a key that went', load('presets:\n  p:\n    request:\n      body: "{{ use.none }}"\n      path: /a\n      metod: GET\ntables:\n' + TABLE % 'use: p'),
      'b.yml:9: b_a: unknown key "metod"')

# ---- shapes
SHAPE = 'tables:\n  b_a: {request: {path: /a}, rows: "[*]", columns: {id: {type: json, shape: "%sinteger"}}}\n'
t.is_('lists of lists', load(SHAPE % ('list of ' * 60)), None)
t.has('too deep', load(SHAPE % ('list of ' * 65)), 'shape: nested too deep')
t.has('far too deep', load(SHAPE % ('list of ' * 200000)), 'shape: nested too deep')
CHAIN = 'shapes:\n%stables:\n  b_a: {request: {path: /a}, rows: "[*]", columns: {id: {type: json, shape: S0}}}\n'


def chain(n, last='integer'):
    return CHAIN % ''.join(f'  S{i}: {{a: {f"S{i + 1}" if i + 1 < n else last}}}\n' for i in range(n))


t.is_('names that lead to names', load(chain(500)), None)
t.is_('in a circle', load(chain(500, 'S0')), None)
t.has('without end', load(chain(100000)), 'shape: nested too deep')
t.has('names of names', load(CHAIN % ''.join(f'  S{i}: S{i + 1}\n' for i in range(100000))), 'shape: nested too deep')

# ---- windows of a cursor
WINDOWS = 'tables:\n  b_a: {request: {path: /a, query: {from: "{{ cursor.from }}"}}, rows: "[*]", key: [id], columns: {id: integer, at: timestamp}, cursor: {column: at, window: %s, start: %s}}\n'
t.has('of a second, over ten years', load(WINDOWS % ('1s', '"2016-01-01"')) or t.raises('SELECT count(*) FROM b_a'), 'windows since 2016-01-01T00:00:00Z, more than 100000\nhint: a longer window')
t.is_('few enough', [load(WINDOWS % ('1h', '2h')), t.tries('SELECT count(id) FROM b_a')], [None, [(2,)]])
t.has('too short for one', load(WINDOWS % ('1us', '1h')), 'b.yml:5: b_a: cursor: window: shorter than a second: 1us')

# ---- parents
t.has('one that is not there', load('tables:\n  b_x: {request: {path: /a}, rows: "[*]", columns: {id: integer}}\n  b_a:\n    request: {path: /a}\n    rows: "[*]"\n    parent:\n      table: b_xx\n'
                                    '    columns: {id: integer}\n'), 'b.yml:10: b_a: parent: no table "b_xx"\nhint: did you mean "b_x"?')
t.has('the table itself', load('tables:\n' + TABLE % 'request: {path: /a}, parent: b_a'), 'b.yml:5: b_a: parent: is the table itself')
t.has('a circle', load('tables:\n' + TABLE % 'request: {path: /a}, parent: b_b' + (TABLE % 'request: {path: /a}, parent: b_a').replace('b_a:', 'b_b:')), ': parents nest too deep')

# ---- maps of many keys
MANY = ''.join(f'  k{i}: {{type: text, default: v{i}}}\n' for i in range(100))
GOOD = 'tables:\n' + TABLE % 'request: {path: /a}'
t.is_('a hundred keys', load('config:\n' + MANY + GOOD), None)
t.has('one of them twice', load('config:\n' + MANY + '  k3: {type: text}\n' + GOOD), 'key given twice: k3')
t.is_('merged: its own keys count', [load('config:\n' + MANY.replace('  k0:', '  k0: &a', 1) + GOOD), load(
    'data:\n  all: &all\n' + ''.join(f'    k{i}: {i}\n' for i in range(50)) + '  some:\n    k7: own\n    <<: *all\n    k9: own\ntables:\n' +
    TABLE.replace('id: integer', 'id: integer, a: {value: "{{ data.some | get(\'k7\') }}"}, b: {value: "{{ data.some | get(\'k9\') }}"}, c: {value: "{{ data.some | get(\'k40\') }}"}') % 'request: {path: /a}'),
    t.tries('SELECT a, b, c FROM b_a')], [None, None, [('own', 'own', '40')]])

# ---- filters over what a server says
load('tables:\n  b_a: {request: {path: /text}, rows: "[*]", columns: {n: integer, '
     'y: {type: json, value: "{{ record.s | from_yaml }}"}, r: {type: text, value: "{{ record.s | regex(\'(a|aa)+b\') }}"}, '
     f'c: {{type: integer, value: "{{{{ record.s | contains(\'{"a" * 3000}b\') }}}}"}}, '
     f'w: {{type: text, value: "{{{{ record.s | replace(\'{"a" * 3000}b\', \'\') }}}}"}}, l: {{type: integer, value: "{{{{ record.s | split(\'{"a" * 3000}b\') | length }}}}"}}}}}}\n')


def said(text, column):
    t.routes(f'GET /text\n  body {json.dumps([{"n": 1, "s": text}])}\n')
    seen = t.tries(f'SELECT {column} FROM b_a')
    return seen if isinstance(seen, str) else seen[0][0]


t.db.execute("SELECT cq_config('cache_ttl', '0')")
keys = {f'k{i}': i for i in range(75000)}
text = '\n'.join(f'{k}: {v}' for k, v in keys.items())
t.is_('YAML of 75,000 keys', json.loads(said(text, 'y') or 'null') == keys)
t.has('more than 1 MiB of it', said('a: ' + 'x' * (1 << 20), 'y'), 'from_yaml: a text of more than 1048576 bytes')
t.is_('what is none', said('a: [', 'y'), None)
t.is_('a pattern', said('x' * 4000 + 'aab', 'r'), 'a')
t.has('in more than 8 KiB', said('a' * 8193, 'r'), 'regex: a text of more than 8192 bytes')
for column, wanted in (('c', 0), ('l', 1)):
    t.is_(f'{column}: a long word in a longer text', said('a' * 4000000, column), wanted)
t.is_('replace', said('x' + 'a' * 3000 + 'by' + 'a' * 3000 + 'b', 'w'), 'xy')
t.is_('replace, nothing', said('a' * 4000000, 'length(w)'), 4000000)
t.done()
