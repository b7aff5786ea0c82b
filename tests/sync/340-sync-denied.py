# What may not be read: the unit keeps what it had, and the run says so.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import FLEET, Sync

ALL = '''
GET /oslo/manifests
  body [{"id":1}]
GET /rome/manifests
  body [{"id":9}]
GET /*/manifests/*/seal
  body {"seal":"wax"}
'''
SPEC = '{source: fleet, tables: [fleet_manifests]}'
t = Sync()
t.routes(ALL)
first = t.sync(SPEC)
t.is_('all of it', (first['status'], first['rows']), ('success', 2))

t.routes(ALL.replace('GET /rome/manifests\n  body [{"id":9}]', 'GET /rome/manifests\n  status 403\n  body {}'))
r = t.sync(SPEC)
t.is_('partial', (r['status'], r['failed'], r['errors_total']), ('partial', 1, 1))
t.is_('told', [(e['table'], e['client'], e['kind']) for e in r['errors']], [('fleet_manifests', 'rome', 'denied')])
t.is_('with what to do', t.rows('SELECT client_id, kind, hint FROM cq_sync_errors'), [('rome', 'denied', 'ask the purser')])
t.is_('its rows stay', t.rows('SELECT port, id, _cq_sync_group_id FROM fleet_manifests ORDER BY 1'),
      [('oslo', 1, r['sync_group_id']), ('rome', 9, first['sync_group_id'])])
t.is_('one row kept', t.rows('SELECT status, rows, kept, errors FROM cq_sync_tables WHERE sync_group_id = ?', r['sync_group_id']),
      [('partial', 1, 1, 1)])
t.has('strict raises', t.sync(SPEC, '{"strict": true}').get('raised'), 'partial')

t.routes(ALL)
r = t.sync(SPEC, '{"retry": "failed"}')
t.is_('allowed again, a retry asks for it alone', (r['status'], r['rows'], t.asked('/oslo/*'), t.asked('/rome/manifests')),
      ('success', 1, 0, 1))

# a column of one row
t.routes(ALL.replace('GET /*/manifests/*/seal', 'GET /rome/manifests/*/seal') + 'GET /oslo/*/seal\n  status 403\n  body {}\n')
r = t.sync(SPEC)
t.is_('a column that may not be read', (r['status'], r['rows'], r['errors_total']), ('partial', 2, 1))
t.is_('is NULL, and told', t.rows("SELECT m.port, m.seal, e.kind FROM fleet_manifests AS m LEFT JOIN cq_sync_errors AS e "
                                  'ON e.client_id = m.port AND e.sync_group_id = m._cq_sync_group_id ORDER BY 1'),
      [('oslo', None, 'denied'), ('rome', 'wax', None)])

# everywhere
t.routes('GET /*/manifests\n  status 403\n  body {}\n')
r = t.sync(SPEC)
t.is_('nothing could be read', (r['status'], r['rows'], r['failed']), ('failed', 0, 2))
t.is_('and nothing is lost', t.one('SELECT count(*) FROM fleet_manifests'), 2)

# ---- in the middle of three levels, and where it is not known whose rows are missing
DENIED = 'errors: [{when: {status: 403}, then: denied, message: "not now"}]'
MORE = f'''
  fleet_slips:
    parent: fleet_cargo_owners
    request: {{path: "/slips/{{{{ parent.name }}}}"}}
    rows: "[*]"
    key: [no]
    columns: {{no: integer}}
  fleet_flags:
    each: {{kind: [red, blue]}}
    request: {{path: "/{{{{ client.port }}}}/flags/{{{{ each.kind }}}}"}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer}}
    {DENIED}
  fleet_poles:
    parent: fleet_flags
    request: {{path: "/poles/{{{{ parent.id }}}}"}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer}}
  fleet_posts:
    parent: {{table: fleet_ships, batch: 2}}
    request: {{path: "/{{{{ client.port }}}}/posts/{{{{ parent.id | join('-') }}}}"}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer}}
    {DENIED}
  fleet_replies:
    parent: fleet_notes
    request: {{path: "/replies/{{{{ parent.text }}}}"}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer}}
    {DENIED}
  fleet_crates:
    request: {{path: "/{{{{ client.port }}}}/crates"}}
    rows: "[*]"
    key: [id]
    columns:
      ref: text
      id: {{type: integer, path: id, call: one}}
    calls:
      one: {{request: {{path: "/crates/{{{{ row.ref }}}}"}}, record: .}}
    {DENIED}
'''
with open('deny.yml', 'w') as f:
    f.write(open(FLEET).read().replace('  fleet_cargo:\n', f'  fleet_cargo:\n    {DENIED}\n') + MORE)
os.environ['CQ_PATH'] = os.path.abspath('deny.yml')


def body(path, *rows):
    return f'GET {path}\n  body [{",".join(rows)}]\n'


def no(path):
    return f'GET {path}\n  status 403\n'


def ids(*n):
    return ['{"id":%d}' % i for i in n]


SHIPS = body('/oslo/ships?page=1', *ids(1, 2)) + body('/rome/ships?page=1')
CARGO = [body('/oslo/ships/1/cargo', '{"what":"dogs"}'), body('/oslo/ships/2/cargo', '{"what":"seal"}', '{"what":"fur"}')]
BELOW = ''.join(body(f'/owners/{w}', '{"name":"%s"}' % n) for w, n in (('dogs', 'Roald'), ('seal', 'Fridtjof'), ('fur', 'Otto')))
BELOW += ''.join(body(f'/slips/{n}', '{"no":%d}' % k) for k, n in enumerate(('Roald', 'Fridtjof', 'Otto')))
for mode in ('append', 'overwrite', 'overwrite-delete-stale'):
    d = Sync(f'{mode}.db')

    def sync(what, options=None, ports='oslo, rome'):
        return d.sync('{source: fleet, tables: [%s], write_mode: %s, spec: {ports: [%s]}}' % (what, mode, ports), options)

    def seen(table, column='id'):
        return [x[0] for x in d.rows(f'SELECT {column} FROM {table} ORDER BY 1')]

    def levels():
        return seen('fleet_cargo', 'what'), seen('fleet_cargo_owners', 'name'), seen('fleet_slips', 'no')

    ALL_LEVELS = (['dogs', 'fur', 'seal'], ['Fridtjof', 'Otto', 'Roald'], [0, 1, 2])
    d.routes(SHIPS + ''.join(CARGO) + BELOW)
    r = sync('fleet_slips')
    t.is_(f'{mode}: three levels', (r['status'], levels()), ('success', ALL_LEVELS))
    for again in (1, 2):
        d.routes(SHIPS + CARGO[0] + no('/oslo/ships/2/cargo') + BELOW)
        r = sync('fleet_slips')
        t.is_('denied in the middle: nothing below it is lost', (r['status'], levels()), ('partial', ALL_LEVELS))
        t.is_('told once', [(e['table'], e['kind']) for e in r['errors']], [('fleet_cargo', 'denied')])
    if mode != 'overwrite':
        t.is_('what is below is asked for still', (d.asked('/owners/*'), d.asked('/slips/*')), (3, 3))
    d.routes(SHIPS + CARGO[0] + no('/oslo/ships/2/cargo') + BELOW.replace('"Otto"', '"Hjalmar"').replace('/slips/Otto', '/slips/Hjalmar'))
    r = sync('fleet_slips')
    if mode != 'overwrite':
        t.is_('and is as it is now', (r['status'], seen('fleet_cargo_owners', 'name')), ('partial', ['Fridtjof', 'Hjalmar', 'Roald']))
    d.routes(SHIPS + CARGO[0] + no('/oslo/ships/2/cargo') + BELOW.replace('GET /owners/dogs\n', 'GET /owners/dogs\n  status 400\n'))
    sync('fleet_slips')
    d.routes(SHIPS + ''.join(CARGO) + BELOW)
    r = sync('fleet_slips', '{"retry": "failed"}')
    t.is_('a retry reads what stayed, too', (r['status'], d.asked('*/cargo'), levels()[::2]), ('success', 0, ALL_LEVELS[::2]))
    d.routes(SHIPS + ''.join(CARGO).replace(',{"what":"fur"}', '') + BELOW)
    r = sync('fleet_slips')
    if mode != 'overwrite':
        t.is_('allowed again, what is gone goes', (r['status'], levels()), ('success', (['dogs', 'seal'], ['Fridtjof', 'Roald'], [0, 1])))

    # one of several requests that have no parent
    flags = [body('/oslo/flags/red', *ids(1)), body('/oslo/flags/blue', *ids(2)), body('/rome/flags/*')]
    poles = body('/poles/1', *ids(1)) + body('/poles/2', *ids(2))
    d.routes(flags[0] + no('/oslo/flags/blue') + flags[2] + poles)
    r = sync('fleet_poles')
    t.is_("one of several requests leaves the others' rows", (r['status'], seen('fleet_flags'), seen('fleet_poles')), ('partial', [1], [1]))
    d.routes(''.join(flags) + poles)
    r = sync('fleet_poles')
    t.is_('all of them', (r['status'], seen('fleet_flags')), ('success', [1, 2]))
    d.routes(body('/oslo/flags/red', *ids(3)) + no('/oslo/flags/blue') + flags[2] + poles)
    r = sync('fleet_poles')
    t.is_('it takes no rows that were there', (r['status'], {1, 2} <= set(seen('fleet_flags')), seen('fleet_poles')), ('partial', True, [1, 2]))
    if mode != 'overwrite':
        t.is_('and none come half', seen('fleet_flags'), [1, 2])
        t.has('in words', r['errors'], 'fleet_flags: all that it had stays: fleet_flags (oslo): GET')

    # parents in batches
    posts = body('/oslo/posts/1-2', *ids(1, 2)) + body('/oslo/posts/3-4', *ids(3))
    four = body('/oslo/ships?page=1', *ids(1, 2, 3)) + body('/oslo/ships?page=2', *ids(4)) + body('/rome/ships?page=1')
    d.routes(four + posts)
    r = sync('fleet_posts')
    t.is_('in batches', (r['status'], seen('fleet_posts')), ('success', [1, 2, 3]))
    d.routes(four + no('/oslo/posts/1-2') + body('/oslo/posts/3-4', *ids(3)))
    r = sync('fleet_posts')
    t.is_('of which one is denied', (r['status'], seen('fleet_posts')), ('partial', [1, 2, 3]))

    # a parent without a key
    notes = body('/oslo/notes', '{"text":"a"}', '{"text":"b"}') + body('/rome/notes')
    d.routes(notes + body('/replies/a', *ids(1)) + body('/replies/b', *ids(2)))
    r = sync('fleet_replies')
    t.is_('of parents without a key', (r['status'], seen('fleet_replies')), ('success', [1, 2]))
    d.routes(notes + body('/replies/a', *ids(1)) + no('/replies/b'))
    r = sync('fleet_replies')
    t.is_('nothing is lost', (r['status'], seen('fleet_replies')), ('partial', [1, 2]))

    # rows whose key is in a call that may not be made
    crates = body('/oslo/crates', '{"ref":"a"}', '{"ref":"b"}') + body('/rome/crates')
    d.routes(crates + 'GET /crates/a\n  body {"id":1}\nGET /crates/b\n  body {"id":2}\n')
    r = sync('fleet_crates')
    t.is_('keys that a call brings', (r['status'], seen('fleet_crates')), ('success', [1, 2]))
    d.routes(crates + 'GET /crates/a\n  body {"id":1}\n' + no('/crates/b'))
    r = sync('fleet_crates')
    t.is_('which may not be made', (r['status'], seen('fleet_crates')), ('partial', [1, 2]))
t.done()
