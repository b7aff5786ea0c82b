# A definition changes: what is safe is done, what loses something is refused with a list, or done where it is forced;
# people's own views, indexes and triggers stay.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync, MOCK

os.environ['CQ_PATH'] = ''
ONE = '''format: 1
integration: box
defaults: {request: {url: "%s"}}
tables:
  box_things:
    request: {path: /things}
    rows: "[*]"
    key: [%s]
    columns: {%s}
'''


def define(columns='id: integer, name: text, size: integer', key='id'):
    with open('box.yml', 'w', encoding='utf-8') as f:
        f.write(ONE % (MOCK, key, columns))
    t.one("SELECT cq_load('box.yml')")


def columns(name):
    return [r[1] for r in t.rows(f"SELECT * FROM pragma_table_xinfo('{name}')")][6:]


t = Sync()
t.routes('GET /things\n  body [{"id":1,"name":"a","size":3,"new":"n"},{"id":2,"name":"b","size":4,"new":"m"}]\n')
for mode, table in (('append', 'raw_box_things'), ('overwrite-delete-stale', 'box_things')):
    spec = '{source: box, tables: [box_things], write_mode: %s}' % mode
    forced = '{source: box, tables: [box_things], write_mode: %s, migrate_mode: forced}' % mode
    define()
    t.is_(f'{mode}: first', t.sync(spec)['status'], 'success')
    t.db.execute(f'CREATE INDEX mine_i ON {table}(name)')
    t.db.execute('CREATE VIEW mine_v AS SELECT id, name FROM box_things')
    t.db.execute('CREATE TABLE seen(n)')
    t.db.execute(f'CREATE TRIGGER mine_t AFTER INSERT ON {table} BEGIN INSERT INTO seen VALUES (new.id); END')
    t.is_(f'{mode}: nothing to do', json.loads(t.one('SELECT cq_migrate(?)', spec)), {'actions': []})

    define('id: integer, name: text, size: integer, new: text')
    r = t.sync(spec)
    t.is_(f'{mode}: a column more', (r['status'], columns(table)[-1], t.rows('SELECT id, new FROM box_things ORDER BY 1')),
          ('success', 'new', [(1, 'n'), (2, 'm')]))

    define('id: integer, name: text')
    t.is_(f'{mode}: columns less are no loss: they stay, and are NULL', t.sync(spec)['status'], 'success')
    t.is_(f'{mode}: and what a person sees', t.rows('SELECT id, name FROM box_things ORDER BY 1'), [(1, 'a'), (2, 'b')])

    define('id: integer, name: integer, size: text')
    t.has(f'{mode}: all types that change are told', json.dumps(t.sync(spec)), f'table {table}: column name is TEXT and would be INTEGER; column size is INTEGER and would be TEXT')
    define('id: integer, name: text, size: text')
    r = t.sync(spec)
    told = json.dumps(r)
    t.is_(f'{mode}: a type that changes is refused', r['status'] in ('failed', 'raised'), True)
    t.has(f'{mode}: with the column', told, 'size')
    t.has(f'{mode}: and with what to do', told, 'forced')
    t.is_(f'{mode}: the rows are there', t.rows('SELECT id, name FROM box_things ORDER BY 1'), [(1, 'a'), (2, 'b')])
    plan = json.loads(t.one('SELECT cq_plan(?)', spec))
    r = t.sync(forced)
    t.is_(f'{mode}: forced', (r['status'], t.rows('SELECT id, typeof(size) FROM box_things ORDER BY 1')), ('success', [(1, 'text'), (2, 'text')]))
    t.is_(f'{mode}: the view of a person', t.rows('SELECT * FROM mine_v ORDER BY 1'), [(1, 'a'), (2, 'b')])
    t.is_(f'{mode}: index and trigger of a person',
          t.rows("SELECT name FROM sqlite_schema WHERE name LIKE 'mine%' ORDER BY 1"), [('mine_i',), ('mine_t',), ('mine_v',)])
    before = t.one('SELECT count(*) FROM seen')
    t.sync(spec)
    t.is_(f'{mode}: which still fires', t.one('SELECT count(*) FROM seen') > before or mode != 'append', True)
    for what in ('VIEW mine_v', 'TABLE seen', 'TRIGGER mine_t', 'INDEX mine_i'):
        t.db.execute('DROP ' + what)
    t.db.execute('DELETE FROM cq_units')
    for kind, name in t.rows("SELECT type, name FROM sqlite_schema WHERE name IN ('box_things', 'raw_box_things') AND type IN ('table', 'view') "
                             "ORDER BY type DESC"):
        t.db.execute(f'DROP {kind} {name}')

# a text becomes a number as a whole, or not at all
def define_text(kind):
    with open('box.yml', 'w', encoding='utf-8') as f:
        f.write(ONE % (MOCK, 'id', 'id: integer, v: ' + kind))
    t.one("SELECT cq_load('box.yml')")


WORDS = ['1.2.3', '', '2024-01-05', '1.5', '-3e2', '12', '1e400', '0x10', '5-', 'e', '9007199254740993']
t.routes('GET /things\n  body %s\n' % json.dumps([{'id': i, 'v': v} for i, v in enumerate(WORDS)]))
for kind, wanted in (('real', [None, None, None, 1.5, -300.0, 12.0, None, None, None, None, 9007199254740992.0]),
                     ('integer', [None, None, None, None, -300, 12, None, None, None, None, 9007199254740993])):
    define_text('text')
    t.sync('{source: box, tables: [box_things]}')
    define_text(kind)
    r = t.sync('{source: box, tables: [box_things], migrate_mode: forced}')
    old = min(g for g, in t.rows('SELECT DISTINCT _cq_sync_group_id FROM raw_box_things'))
    t.is_(f'text to {kind}', t.rows('SELECT v FROM raw_box_things WHERE _cq_sync_group_id = ? ORDER BY id', old), [(v,) for v in wanted])
    t.db.execute('DROP VIEW box_things')
    t.db.execute('DROP TABLE raw_box_things')
    t.db.execute('DELETE FROM cq_units')
t.routes('GET /things\n  body [{"id":1,"name":"a","size":3},{"id":2,"name":"b","size":4}]\n')

# a sync_group_id is part of the key, which is compared as a whole
define()
GROUPED = ', sync_group_id: "day-{{YEAR}}"'
for name, first, then in (('set', '', GROUPED), ('removed', GROUPED, '')):
    spec = '{source: box, tables: [box_things], write_mode: overwrite%s%s}'
    t.is_(f'a sync_group_id is {name}: first', t.sync(spec % (first, ''))['status'], 'success')
    t.has('safe says what is to change', json.dumps(t.sync(spec % (then, ''))), 'table box_things: has another key')
    r = t.sync(spec % (then, ', migrate_mode: forced'))
    t.is_('forced changes it', (r['status'], t.one('SELECT count(DISTINCT id) FROM box_things')), ('success', 2))
    t.is_('and from then on nothing is to do', (t.sync(spec % (then, ''))['status'], json.loads(t.one('SELECT cq_migrate(?)', spec % (then, '')))), ('success', {'actions': []}))
    t.db.execute('DROP TABLE box_things')
    t.db.execute('DELETE FROM cq_units')

# append <-> overwrite: the name is a view in one and a table in the other
define()
t.sync('{source: box, tables: [box_things]}')
r = t.sync('{source: box, tables: [box_things], write_mode: overwrite}')
t.is_('append to overwrite is refused', r['status'] in ('failed', 'raised'), True)
t.has('in words', json.dumps(r), 'forced')
r = t.sync('{source: box, tables: [box_things], write_mode: overwrite, migrate_mode: forced}')
t.is_('forced', (r['status'], t.one("SELECT type FROM sqlite_schema WHERE name = 'box_things'"), t.one('SELECT count(*) FROM box_things')),
      ('success', 'table', 2))
r = t.sync('{source: box, tables: [box_things]}')
t.is_('and back is refused', r['status'] in ('failed', 'raised'), True)
r = t.sync('{source: box, tables: [box_things], migrate_mode: forced}')
t.is_('forced', (r['status'], t.one("SELECT type FROM sqlite_schema WHERE name = 'box_things'"), t.one('SELECT count(*) FROM box_things')),
      ('success', 'view', 2))

# a table of somebody else has the name
t.db.execute('DROP VIEW box_things')
t.db.execute('CREATE TABLE box_things(mine)')
r = t.sync('{source: box, tables: [box_things], migrate_mode: forced}')
t.has("somebody else's table is never touched", json.dumps(r), 'box_things')
t.is_('and stays', (r['status'] in ('failed', 'raised'), t.rows('SELECT * FROM box_things')), (True, []))
t.is_('no_migrate changes nothing', t.sync('{source: box, tables: [box_things]}', '{"no_migrate": true}')['status'] in ('failed', 'raised', 'success'), True)

# a table that CloudQuery has made
t.db.executescript("DROP TABLE box_things; CREATE TABLE box_things (_cq_sync_time TEXT, _cq_source_name TEXT, _cq_id TEXT NOT NULL UNIQUE, _cq_parent_id TEXT, id INTEGER, PRIMARY KEY (id));"
                   "INSERT INTO box_things VALUES ('2024-01-01 00:00:00+00:00', 'box', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', NULL, 77), (NULL, NULL, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', NULL, 78)")
for turn in ('', ', again'):
    r = t.sync('{source: box, tables: [box_things], write_mode: overwrite, migrate_mode: forced}')
    t.is_("CloudQuery's own table is taken over by forced" + turn, (r['status'], r['errors'], t.rows("SELECT id, _cq_source_name, _cq_client_id, _cq_sync_group_id FROM box_things WHERE _cq_sync_group_id = 0"), t.one('SELECT count(*) FROM box_things')),
          ('success', [], [(77, 'box', '', 0), (78, '', '', 0)], 4))
# and some of its rows have no id: none is lost
t.db.executescript("DROP TABLE box_things; CREATE TABLE box_things (_cq_sync_time TEXT, _cq_source_name TEXT, _cq_id TEXT, _cq_parent_id TEXT, id INTEGER);"
                   "INSERT INTO box_things VALUES ('2024-01-01 00:00:00+00:00', 'box', NULL, NULL, 77), (NULL, NULL, NULL, NULL, 78), (NULL, 'box', '', NULL, 79), (NULL, 'box', '', NULL, 80)")
for turn in ('', ', again'):
    r = t.sync('{source: box, tables: [box_things], write_mode: overwrite, migrate_mode: forced}')
    t.is_('rows without an id stay, each with one of its own' + turn, (r['status'], r['errors'], t.rows("SELECT id FROM box_things WHERE _cq_sync_group_id = 0"),
          t.one("SELECT count(DISTINCT _cq_id) FROM box_things WHERE _cq_id GLOB '????????-????-[1-5]???-[89ab]???-????????????'")), ('success', [], [(77,), (78,), (79,), (80,)], 6))
t.done()
