# Definitions that would only go wrong later are refused when they are loaded; values that would lead a request elsewhere, when
# they come.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
HEAD = f'format: 1\nintegration: x\ndefaults: {{request: {{url: "{MOCK}"}}}}\ntables:\n'
GOOD = '{request: {path: /a}, rows: "[*]", key: [id], columns: {id: integer}}'


def load(tables):
    with open('x.yml', 'w', encoding='utf-8') as f:
        f.write(HEAD + tables)
    return t.raises("SELECT cq_load('x.yml')")


t.is_('a good one', load(f'  x_a: {GOOD}\n'), None)
for name, tables, says in (
        ('no request', '  x_a: {rows: "[*]", columns: {id: integer}}\n', 'x.yml:5: x_a: request is missing'),
        ('a column twice', '  x_a: {request: {path: /a}, columns: {id: integer, ID: text}}\n', 'x.yml:5: x_a: column ID: the same name as id in SQL'),
        ("a sync's column", '  x_a: {request: {path: /a}, columns: {_cq_id: text}}\n', 'x.yml:5: x_a: column _cq_id: names with _cq_ are a sync\'s own'),
        *((f'the name {n}', f'  {n}: {GOOD}\n', f'x.yml:5: table {n}: names with cq_, live_, raw_ or sqlite_') for n in
          ('cq_tables', 'live_x', 'raw_x', 'sqlite_master', 'JSON_EACH')),
        ('cursor of parents in batches', f'  x_p: {GOOD}\n  x_a: {{parent: {{table: x_p, batch: 5}}, request: {{path: /b}}, rows: "[*]", cursor: {{column: at}}, columns: {{at: timestamp}}}}\n',
         'x_a: cursor: cannot be kept for parents in batches'),
        ('optional cursor of a span', '  x_a: {request: {path: /b}, rows: "[*]", cursor: {column: at, optional: true, window: 1d}, columns: {at: timestamp}}\n',
         'x_a: cursor: optional: without it the table is asked for everything, which start and window forbid'),
        ('newest first by a column of a call', '  x_a: {request: {path: /b}, rows: "[*]", cursor: {column: at, order: desc}, columns: {id: text, at: {type: timestamp, call: c}}, '
         'calls: {c: {request: {path: "/{{ row.id }}"}}}}\n', 'x_a: cursor: order: desc reads at before the next page is asked for, and a call brings it later'),
        # A request that is taken away is none.
        *((f'no request of {what}', f'  x_a: {{request: {{path: /a}}, rows: "[*]", key: [id], columns: {{id: integer, name: {{type: text, where: "="}}}}, {part}}}\n', f'x_a: {what}: request is missing')
          for what, part in (('get', 'get: {when: "{{ where.name }}", request: ~}'), ('below', 'below: {request: ~}'), ('call c', 'calls: {c: {request: ~}}'),
                             ('job', 'job: {poll: {request: ~, path: s, until: [x]}}'))),
        # Each where it would be looked at, and what stands there.
        ('no column but null', '  x_a: {request: {path: /a}, columns: {id: null}}\n', 'x.yml:5: x_a: no column is left'),
        ('no column that is shown', '  x_a: {request: {path: /a}, columns: {id: {type: integer, hidden: true}}}\n', 'x.yml:5: x_a: no column is left that is not hidden'),
        ('a column of no type', '  x_a: {request: {path: /a}, columns: {id: [integer]}}\n', 'x_a: column id: expected a type or a map'),
        ('a call of nothing', '  x_a: {request: {path: /a}, columns: {id: integer, b: {call: c}}, calls: {c: {}}}\n', 'x_a: call c: request is missing'),
        ('calls that wait for each other', '  x_a: {request: {path: /a}, columns: {id: integer, b: {call: c}, e: {call: d}}, '
         'calls: {c: {request: {path: "/{{ row.e }}"}}, d: {request: {path: /d, query: {b: "{{ row.b }}"}}}}}\n',
         'x_a: call c: needs a column of a call that needs one of its own'),
        ('a call that names what is computed after it', '  x_a: {request: {path: /a}, columns: {id: integer, b: {call: d}, e: {value: "{{ row.b }}"}}, '
         'calls: {c: {request: {path: "/{{ row.e }}"}}, d: {request: {path: /d}}}}\n', 'x_a: call c: row.e is computed when all calls are done'),
        ('calls without end', '  x_a: {request: {path: /a}, columns: {id: integer}, calls: {%s}}\n' % ', '.join(f'c{i}: {{request: {{path: /c}}}}' for i in range(33)), 'x_a: more than 32 calls'),
        ('a parent without a table', '  x_a: {parent: {batch: 2}, request: {path: /a}, columns: {id: integer}}\n', 'x_a: parent: table is missing'),
        ('a join without its other side', '  x_a: {request: {path: /a}, columns: {id: integer}, calls: {c: {request: {path: /c}, rows: "[*]", join: {row: id}}}}\n', 'join: record is missing'),
        ('a client that there is not', '  x_a: {over: [y], request: {path: /a}, columns: {id: integer}}\n', 'x_a: over: unknown client "y"'),
        ('a key with a column twice', '  x_a: {request: {path: /a}, key: [id, id], columns: {id: integer}}\n', 'x_a: key: id stands there twice'),
        ('a parent column that there is not', f'  x_p: {GOOD}\n  x_a: {{parent: x_p, request: {{path: /b}}, columns: {{b: {{from: parent.gone}}}}}}\n', 'x_a: column b: x_p has no column "gone"'),
        ('a format of another type', '  x_a: {request: {path: /a}, columns: {id: {type: blob, format: epoch}}}\n', 'format: not of a column of type blob: epoch'),
        ('values beside a parent', f'  x_p: {GOOD}\n  x_a: {{parent: x_p, values: [a], columns: {{b: text}}}}\n', 'x_a: values cannot be beside parent, each or get'),
        ('options that are no map of one', '  x_a: {request: {path: /a}, options: {a: {}, b: {}}, columns: {id: integer}}\n', 'x_a: options: expected one request\'s name'),
        ('token pages without one', '  x_a: {request: {path: /a}, page: {by: url}, columns: {id: integer}}\n', 'needs `token`'),
        ('a shape that there is not', '  x_a: {request: {path: /a}, columns: {id: {type: json, shape: Gone}}}\n', 'shape: no shape is named "Gone"'),
        # What would not be looked at is told: a fallback in `value` beside `from` was passed over, and NULL stayed.
        *((f'{keys} of a column', '  x_p: %s\n  x_a: {parent: x_p, request: {path: /b}, columns: {b: {%s}}}\n' % (GOOD, text),
           f'x_a: column b: {keys}: a column has one of them\nhint: {hint}') for keys, text, hint in (
            ('from and value', 'from: parent.id, value: "{{ parent.id or 9 }}"', "value: \"{{ parent.name or 'none' }}\" is a template with something instead"),
            ('from and path', 'path: b, from: parent.id', 'default: text stands where there is nothing'),
            ('value and path', 'path: b, value: "{{ record.c }}"', 'default: text stands where there is nothing'))),
        ('get beside each', '  x_a: {request: {path: /a}, each: {k: [1, 2]}, get: {when: "{{ where.id }}", request: {path: /b}}, columns: {id: {type: integer, where: "="}}}\n',
         'x_a: get: cannot be beside each')):
    t.has(name, load(tables), says)
with open('x.yml', 'w', encoding='utf-8') as f:
    f.write('format: 1\nintegration: x\npresets:\n  p:\n    request:\n      path: /a\n      method: "{{ use.gone }}"\n      odd: 1\n'
            f'tables:\n  x_a:\n    use: p\n    request: {{url: "{MOCK}"}}\n    columns: {{id: integer}}\n')
t.has('the line of a key behind one that a preset leaves out', t.raises("SELECT cq_load('x.yml')"), 'x.yml:8: ')
t.is_('what was loaded stays', t.one("SELECT count(*) FROM cq_tables WHERE name = 'x_a'"), 1)

load('  x_a: {request: {path: "/a/{{ where.name }}/b"}, rows: "[*]", columns: {name: {from: where.name, where: "="}, id: {type: integer}}}\n')
t.routes('GET /a/*/b\n  body [{"id":1}]\nGET /*\n  body [{"id":2}]\n')
t.is_('a value is one step or several', [t.one('SELECT id FROM x_a WHERE name = ?', v) for v in ('n', 'a b', 'n/m', '..n', 'n..')], [1] * 5)
for v in ('..', '../c', 'n/../../c', './c', 'n/.'):
    t.has(f'{v} is not', t.raises('SELECT id FROM x_a WHERE name = ?', v), 'a value with . or .. as a step of a path: ' + v)
t.done()
