"""What every destination has to do, whatever it is: one suite, run against a
real server of each.

A test of a destination says how it is reached, and how its tables are read:

  class Postgres(Store):
      name = 'postgresql'
      def destination(self): return '{kind: postgresql, connection_string: "..."}'
      def read(self, table, columns): ...
  conformance.run(Postgres())

Values come back in one form, whatever the store: None, int, float, str; booleans
as 0 and 1; timestamps and dates as cq writes them (2024-01-02T03:04:05.5Z);
decimals, UUIDs and addresses as text; bytes as hexadecimal digits; JSON and
lists as what json.loads gives. `canon` helps.
"""
import base64
import datetime
import decimal
import ipaddress
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid

ROOT = os.environ['CQ_ROOT']
sys.path.insert(0, ROOT + '/tests/sync')
from synctest import FLEET, MOCK, Sync

TYPED = ROOT + '/tests/dest/fixtures/typed.yml'
os.environ['CQ_PATH'] = FLEET + ':' + TYPED

JSON_TYPES = ('json', 'list')


class Store:
    """One destination. `modes`: which write modes it has."""
    name = 'none'
    modes = ('append', 'overwrite', 'overwrite-delete-stale')
    raw = True          # has raw_<table>, with the rows of all runs
    journal = True      # has the run tables,
    units = True        # also cq_sync_units, of runs that have published
    odd_integers = None  # what an integer beyond int64 becomes; None: NULL, with a warning
    one_row_a_key = True  # also of two clients or sources, where rows are merged
    null_lists = True   # a list can be NULL; else NULL is an empty one
    rereads = True      # reads a parent's rows of an earlier run
    kills = True
    durable = 2.5       # seconds until what was handed on outlives a kill,
    quick = ''          # with this in the destination's spec
    same_types = ()     # (old, new) that are one type to the store: values stay as they are
    true = 'true'       # a boolean that becomes text
    places = None       # decimal places of a decimal number, where they have an end
    waits = False       # a second run of a source waits for the first, else it is refused
    typed_times = True  # a column of texts becomes one of times; else they may stay there
    carries = True      # between append and overwrite all rows that are seen go along; else what overwrite keeps is seen in it alone

    def destination(self):
        """The short form's `destination:`, as YAML."""
        raise NotImplementedError

    def read(self, table, columns):
        """Rows of the latest snapshot of `table`, as tuples, in any order; [] where there is no such table."""
        raise NotImplementedError

    def count(self, table):
        """Rows of a table by its own name (raw_fleet_ships, cq_syncs)."""
        return len(self.read(table, ['_cq_source_name' if table.startswith('raw_') else 'source_name']))

    def fresh(self):
        """Empties it."""
        raise NotImplementedError

    def spoil(self):
        """Takes the column `hint` from cq_sync_errors, so that it takes no entry; False: there is no such table."""
        return False

    def execute(self, *statements):
        """Of a store that may have a table of CloudQuery's in its way; else NotImplementedError."""
        raise NotImplementedError

    def close(self):
        pass


def loaded(text):
    """JSON, or the text where it is none: of a column that was one of text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def canon(v, kind='text'):
    """A value as a driver gave it, in the one form; `kind` is a column's type."""
    if v is None:
        return None
    if kind.startswith('list') or kind == 'json':
        return v if not isinstance(v, (str, bytes)) else loaded(v)
    if isinstance(v, bool):
        return int(v)
    if isinstance(v, (bytes, bytearray, memoryview)):
        return bytes(v).hex() if kind == 'blob' else bytes(v).decode()
    if isinstance(v, datetime.datetime):
        v = v.astimezone(datetime.timezone.utc) if v.tzinfo else v
        text = f'{v.year:04d}' + v.strftime('-%m-%dT%H:%M:%S')  # %Y of glibc is not padded
        return text + (f'.{v.microsecond:06d}'.rstrip('0') if v.microsecond else '') + 'Z'
    if isinstance(v, datetime.date):
        return v.isoformat()
    if isinstance(v, (uuid.UUID, ipaddress._BaseAddress, ipaddress._BaseNetwork)):
        return str(v)
    if isinstance(v, decimal.Decimal):
        return str(v)
    return v


PORTS = ['bari', 'cork', 'oslo', 'rome']
SHIPS = '''
GET /oslo/ships?page=1
  body [{"id":1,"name":"Fram","tons":402.5,"built":"1892-10-26T00:00:00Z","flags":["no"]},{"id":2,"name":"Gjoa","tons":47,"built":null,"flags":{"a": 1}},{"id":3,"name":"Kon"}]
GET /oslo/ships?page=2
  body [{"id":4,"name":"Ra"}]
GET /rome/ships?page=1
  body [{"id":1,"name":"Argo"}]
'''
CREW = '''
GET /oslo/ships/1/crew
  body [{"id":1,"name":"Amundsen"},{"id":2,"name":"Wisting"}]
GET /*/ships/*/crew
  body []
GET /oslo/ships/1/cargo
  body [{"what":"dogs"},{"what":"seal"}]
GET /*/ships/*/cargo
  body []
GET /owners/dogs
  body [{"name":"Roald"}]
GET /owners/*
  body []
'''
ODD = """format: 1
integration: odd
config: {ports: {type: list, default: [oslo, rome]}}
clients: {port: {values: "{{ config.ports }}"}}
defaults: {request: {url: "%s", path: "/{{ client.port }}/ships"}, page: {by: none}}
tables:
""" % MOCK + ''.join(
    """  %s: {rows: "[*]", key: [port, id], columns: {port: {from: client.port}, id: integer%s}}\n""" % x for x in (
        ('odd_ships', ', rowid: integer, OID: integer, xmin: integer, ctid: text, tableoid: integer'), ('odd_ships_group', ''), ('odd_ships_client', ''),
        (r"""odd_"it's" `here` \ %s""", r""", "a \"b\" 'c' `d` \\ %s": {type: integer, path: rowid}"""))) + """
  odd_ships_crew:
    parent: odd_ships
    request: {path: "/{{ client.port }}/crew/{{ parent.id }}"}
    rows: "[*]"
    key: [port, ship, id]
    columns: {port: {from: client.port}, ship: {type: integer, from: parent.id}, id: integer}
"""
BELOW = '''
  fleet_log_parts:
    parent: fleet_log
    request: {path: "/{{ client.port }}/log/{{ parent.id }}/parts"}
    rows: "[*]"
    key: [log_id, id]
    columns:
      log_id: {type: integer, from: parent.id}
      id: integer
      name: text
  fleet_log_bolts:
    parent: fleet_log_parts
    request: {path: "/{{ client.port }}/log/{{ parent.log_id }}/parts/{{ parent.id }}/bolts"}
    rows: "[*]"
    key: [log_id, part_id, id]
    columns:
      log_id: {type: integer, from: parent.log_id}
      part_id: {type: integer, from: parent.id}
      id: integer
      name: text
'''
WINDOWS = """format: 1
integration: windows
clients: {port: {values: [oslo]}}
defaults: {request: {url: "%s"}}
tables:
  windows_log:
    request: {path: "/{{ client.port }}/win", query: {from: "{{ cursor.from }}", page: "{{ page.number }}"}}
    page: {by: number, size: 600, max_size: 600}
    rows: "[*]"
    key: [id]
    cursor: {column: at, order: none, start: "2020-01-01T00:00:00Z", window: 400d}
    columns: {id: integer, at: timestamp, text: text}
""" % MOCK


class Suite:
    def __init__(self, store):
        self.s = store
        self.t = Sync()

    def spec(self, what, mode, more=''):
        return '{source: fleet, tables: [%s], write_mode: %s, destination: %s%s}' % (what, mode, self.s.destination(), more)

    def sync(self, what, mode, more='', options=None):
        return self.t.sync(self.spec(what, mode, more), options)

    def read(self, table, *columns):
        return sorted(self.s.read(table, list(columns)), key=repr)

    def ships(self):
        return self.read('fleet_ships', 'port', 'id', 'name')

    # ---- the parts ----

    def append(self):
        t, s = self.t, self.s
        s.fresh()
        t.routes(SHIPS)
        r = self.sync('fleet_ships', 'append')
        t.is_('append: success', (r['status'], r.get('rows'), r.get('errors')), ('success', 5, []))
        t.is_('what the rows are', self.read('fleet_ships', 'port', 'id', 'name', 'tons', 'built', 'flags')[:3],
              [('oslo', 1, 'Fram', 402.5, '1892-10-26T00:00:00Z', ['no']), ('oslo', 2, 'Gjoa', 47.0, None, {'a': 1}),
               ('oslo', 3, 'Kon', None, None, None)])
        t.is_('meta columns', self.read('fleet_ships', '_cq_source_name', '_cq_sync_group_id', '_cq_client_id', '_cq_parent_id', '_cq_sync_time')[0],
              ('fleet', r['sync_group_id'], 'oslo', None, r['sync_time']) if 'sync_time' in r else
              self.read('fleet_ships', '_cq_source_name', '_cq_sync_group_id', '_cq_client_id', '_cq_parent_id', '_cq_sync_time')[0])
        local = Sync('local.db')
        local.sync('{source: fleet, tables: [fleet_ships]}')
        t.is_('_cq_id is as in SQLite', self.read('fleet_ships', '_cq_id'), sorted(local.rows('SELECT _cq_id FROM fleet_ships'), key=repr))

        t.routes(SHIPS.replace('Fram', 'Maud'))
        r2 = self.sync('fleet_ships', 'append')
        t.is_('the latest is shown', [x for x in self.ships() if x[1] == 1], [('oslo', 1, 'Maud'), ('rome', 1, 'Argo')])
        t.is_('whole', len(self.ships()), 5)
        if s.raw:
            t.is_('and all is kept', s.count('raw_fleet_ships'), 10)

        t.routes(SHIPS.replace('GET /rome/ships?page=1\n  body [{"id":1,"name":"Argo"}]', 'GET /rome/ships?page=1\n  status 400\n  body {}')
                 .replace('Fram', 'Polarstern'))
        r3 = self.sync('fleet_ships', 'append')
        t.is_('a unit fails: partial', (r3['status'], r3.get('failed'), len(r3.get('errors', []))), ('partial', 1, 1))
        t.is_('it keeps its rows, the other moves on',
              sorted({x for x in self.read('fleet_ships', 'port', '_cq_sync_group_id')}),
              [('oslo', r3['sync_group_id']), ('rome', r2['sync_group_id'])])
        if s.journal:
            t.is_('the journal says so', [x[1:] for x in self.read('cq_syncs', 'sync_group_id', 'status', 'unsettled', 'rows', 'errors') if x[0] == r3['sync_group_id']],
                  [('partial', 0, 4, 1)])
            t.is_('by table', [x[1:] for x in self.read('cq_sync_tables', 'sync_group_id', 'status', 'rows', 'kept', 'units', 'units_done') if x[0] == r3['sync_group_id']],
                  [('partial', 4, 1, 2, 2)])
            t.is_('and which unit', [x[1:] for x in self.read('cq_sync_errors', 'sync_group_id', 'table_name', 'client_id', 'kind') if x[0] == r3['sync_group_id']],
                  [('fleet_ships', 'rome', 'failed')])
            t.is_('units', [x[1:] for x in self.read('cq_units', 'table_name', 'client_id', 'sync_group_id', 'rows')],
                  [('oslo', r3['sync_group_id'], 4), ('rome', r2['sync_group_id'], 1)])

        t.routes(SHIPS.replace('GET /oslo/ships?page=2\n  body [{"id":4,"name":"Ra"}]', 'GET /oslo/ships?page=2\n  status 400'))
        r4 = self.sync('fleet_ships', 'append')
        t.is_('half a unit leaves nothing', ([x for x in self.read('raw_fleet_ships', 'port', '_cq_sync_group_id') if x == ('oslo', r4['sync_group_id'])] if s.raw else [],
              len([x for x in self.ships() if x[0] == 'oslo'])), ([], 4))

        t.routes(SHIPS)
        self.sync('fleet_ships', 'append')
        t.routes(SHIPS.replace('GET /rome/ships?page=1\n  body', 'GET /rome/ships?page=1\n  status 400\n  body'))
        r = self.sync('fleet_ships', 'append')
        t.routes(SHIPS)
        r2 = self.sync('fleet_ships', 'append', options='{"retry":"failed"}')
        t.is_('retry asks what failed', (r2['status'], r2.get('rows'), t.asked('*oslo*'), t.asked('*rome*')), ('success', 1, 0, 1))
        t.is_('shown together', sorted({x for x in self.read('fleet_ships', 'port', '_cq_sync_group_id')}),
              [('oslo', r['sync_group_id']), ('rome', r2['sync_group_id'])])
        self.sync('fleet_ships', 'append', ', spec: {ports: [rome]}')
        t.is_('a client that is gone is not shown', {x[0] for x in self.ships()}, {'rome'})
        t.routes('GET /*/ships?page=1\n  body []\n')
        r = self.sync('fleet_ships', 'append')
        t.is_('nothing is a snapshot too', (r['status'], self.ships()), ('success', []))

    def children(self):
        t, s = self.t, self.s
        for mode in s.modes[:1] + s.modes[2:]:
            s.fresh()
            t.routes(SHIPS + CREW)
            r = self.sync('fleet_crews, fleet_cargo_owners', mode)
            t.is_(f'{mode}: children bring their parents', (r['status'], r.get('tables'), r.get('rows')), ('success', 4, 5 + 2 + 2 + 1))
            t.is_('which are asked once', (t.asked('*ships?page*'), t.asked('*crew*'), t.asked('*cargo*'), t.asked('*owners*')), (3, 5, 5, 2))
            ids = dict(self.read('fleet_ships', '_cq_id', 'name'))
            t.is_('_cq_parent_id', [(n, ids.get(p)) for n, p in self.read('fleet_crews', 'name', '_cq_parent_id')],
                  [('Amundsen', 'Fram'), ('Wisting', 'Fram')])
            ids = dict(self.read('fleet_cargo', '_cq_id', 'what'))
            t.is_('of the next level', [(n, ids.get(p)) for n, p in self.read('fleet_cargo_owners', 'name', '_cq_parent_id')], [('Roald', 'dogs')])
            # a child's unit failed: its parent is current, and is not asked again where it can be read
            t.routes(SHIPS + CREW.replace('GET /oslo/ships/1/crew\n', 'GET /oslo/ships/1/crew\n  status 400\n'))
            self.sync('fleet_crews', mode)
            t.routes(SHIPS + CREW)
            r = self.sync('fleet_crews', mode, options='{"retry":"failed"}')
            t.is_('a child is retried', (r['status'], len(self.read('fleet_crews', 'id')), len(self.ships())), ('success', 2, 5))
            # of several clients at once: each reads its own parents' rows
            crews = ''.join(f'GET /{p}/ships/{n}/crew\n  body [{{"id":{n},"name":"{p}{n}"}}]\n' for p, ships in (('oslo', 4), ('rome', 1)) for n in range(1, ships + 1))
            t.routes(SHIPS + 'GET /*/crew\n  status 400\n')
            self.sync('fleet_crews', mode)
            t.routes(SHIPS + crews)
            r = self.sync('fleet_crews', mode, options='{"retry":"failed"}')
            t.is_('several are', (r['status'], self.read('fleet_crews', 'name')), ('success', [(f'oslo{n}',) for n in range(1, 5)] + [('rome1',)]))

    def denied(self):
        """In the middle of three levels: what is below what may not be read stays, whether it can be read again or not."""
        t, s = self.t, self.s
        with open('denied.yml', 'w') as f:
            f.write(open(FLEET).read().replace('  fleet_cargo:\n', '  fleet_cargo:\n    errors: [{when: {status: 403}, then: denied, message: "not now"}]\n'))
        was, os.environ['CQ_PATH'] = os.environ['CQ_PATH'], os.path.abspath('denied.yml')
        d = Sync('denied.db')
        os.environ['CQ_PATH'] = was
        ships = 'GET /oslo/ships?page=1\n  body [{"id":1},{"id":2}]\nGET /rome/ships?page=1\n  body []\n'
        first = 'GET /oslo/ships/1/cargo\n  body [{"what":"dogs"}]\n'
        second = 'GET /oslo/ships/2/cargo\n  body [{"what":"seal"}]\n'
        owners = 'GET /owners/dogs\n  body [{"name":"%s"}]\nGET /owners/seal\n  body [{"name":"Otto"}]\n'
        for mode in s.modes:
            s.fresh()
            for routes, name, status in ((second, 'Roald', 'success'), ('GET /oslo/ships/2/cargo\n  status 403\n', 'Hjalmar', 'partial'),
                                         ('GET /oslo/ships/2/cargo\n  status 403\n', 'Finn', 'partial'), (second, 'Oscar', 'success')):
                d.routes(ships + first + routes + owners % name)
                r = d.sync(self.spec('fleet_cargo_owners', mode))
                t.is_(f'{mode}: {name}: the run', (r['status'], [e['kind'] for e in r.get('errors', []) if e['table'] == 'fleet_cargo']), (status, ['denied'] * (status == 'partial')))
                t.is_('denied in the middle, what is there', self.read('fleet_cargo', 'what'), [('dogs',), ('seal',)])
                seen = {x for x, in self.read('fleet_cargo_owners', 'name')}
                t.is_('and below it', ('Otto' in seen, name in seen or (status == 'partial' and not s.rereads), mode != 'overwrite' and len(seen) > 2), (True, True, False))

    def incremental(self):
        t, s = self.t, self.s
        for mode in (s.modes[0], s.modes[-1]) if len(s.modes) > 1 else s.modes:
            s.fresh()
            t.routes('GET /oslo/log?!since\n  body [{"id":1,"at":"2024-01-01T00:00:00Z","text":"a"},{"id":2,"at":"2024-01-02T00:00:00Z","text":"b"}]\n'
                     'GET /rome/log?!since\n  body []\n')
            r = self.sync('fleet_log', mode)
            t.is_(f'{mode}: first everything', (r['status'], r.get('rows')), ('success', 2))
            t.routes('GET /oslo/log?since=2024-01-02T00:00:00Z\n  body [{"id":2,"at":"2024-01-03T00:00:00Z","text":"b again"},{"id":3,"at":"2024-01-04T00:00:00Z","text":"c"}]\n'
                     'GET /rome/log?!since\n  body [{"id":9,"at":"2024-01-01T00:00:00Z","text":"r"}]\n')
            r = self.sync('fleet_log', mode)
            t.is_('then what is new', (r['status'], r.get('rows'), t.asked('*since=*')), ('success', 3, 1))
            t.is_('the newest of each', self.read('fleet_log', 'id', 'text'), [(1, 'a'), (2, 'b again'), (3, 'c'), (9, 'r')])
            t.routes('GET /oslo/log?since=2024-01-04T00:00:00Z\n  status 400\nGET /rome/log\n  body []\n')
            r = self.sync('fleet_log', mode)
            t.is_('a failed unit keeps cursor and rows', (r['status'], len(self.read('fleet_log', 'id'))), ('partial', 4))
            t.routes('GET /oslo/log?since=2024-01-04T00:00:00Z\n  body []\nGET /rome/log\n  body []\n')
            r = self.sync('fleet_log', mode)
            t.is_('and goes on from there', (r['status'], len(self.read('fleet_log', 'id'))), ('success', 4))

    def windows(self):
        """A long unit that is asked for window by window: what was whole of it stays, whatever becomes of the rest."""
        t, s = self.t, self.s
        with open('windows.yml', 'w') as f:
            f.write(WINDOWS)
        was, os.environ['CQ_PATH'] = os.environ['CQ_PATH'], os.path.abspath('windows.yml')
        d, span, data = Sync('windows.db'), 400 * 86400, 5
        begin = [1577836800 + n * span for n in range(data + 1)]

        def at(seconds):
            return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(seconds))

        def routes(text='new', odd=None, how=''):
            """Windows of 1,001 rows, of which two share the last: on two pages, of which one window's second is odd."""
            out = ''
            for n in range(data):
                rows = [{'id': n * 1000 + i, 'at': at(begin[n] + i * (span // 1000)), 'text': text} for i in range(1001)]
                for page, some in ((1, rows[:600]), (2, rows[600:])):
                    out += f'GET /oslo/win?from={at(begin[n])}&page={page}\n' + (how if (n, page) == (odd, 2) else '') + '  body ' + json.dumps(some) + '\n'
            d.routes(out + 'GET /oslo/win\n  body []\n')

        def asked():
            return [asked_page(n, 1) for n in range(data)]

        def asked_page(n, page):
            return d.asked('*from=%s&page=%d' % (at(begin[n]).replace(':', '*'), page))

        def spec(mode, quick=''):
            return '{source: windows, tables: [windows_log], write_mode: %s, destination: %s%s}}' % (mode, s.destination()[:-1], quick)
        all_ = [(i, 'new') for i in range(data * 1000 + 1)]
        for mode in (s.modes[0], s.modes[-1]) if len(s.modes) > 1 else s.modes:
            s.fresh()
            routes()
            r = d.sync(spec(mode))
            t.is_(f'{mode}: windows: undisturbed', (r['status'], r['rows'], r['destinations'][0]['rows'], r['destinations'][0]['inserted'], self.read('windows_log', 'id', 'text') == sorted(all_, key=repr)),
                  ('success', len(all_), len(all_), len(all_), True))
            routes()
            r = d.sync(spec(mode))
            t.is_('then from the end of what was whole', (r['status'], r['rows'], asked()), ('success', 0, [0] * data))

            s.fresh()
            routes(odd=3, how='  status 400\n')
            r = d.sync(spec(mode))
            kept = [(i, 'new') for i in range(3001)]
            t.is_('a window fails in its middle: those before it stay, and nothing of it',
                  (r['status'], r['failed'], r['rows'], self.read('windows_log', 'id', 'text') == sorted(kept, key=repr)), ('partial', 1, 3001, True))
            t.has('which is told', r['errors'][0]['message'], f'what there was until {at(begin[3])} is kept: windows_log (oslo): ')
            if s.journal:
                t.is_('and stands in the journal', (self.read('cq_units', 'cursor', 'rows'), self.read('cq_sync_units', 'status', 'published', 'rows', 'cursor') if s.units else [('ok', 1, 3001, at(begin[3]) + '/..')], self.read('cq_sync_tables', 'status', 'rows', 'units_done')),
                      ([(at(begin[3]) + '/..', 3001)], [('ok', 1, 3001, at(begin[3]) + '/..')], [('partial', 3001, 1)]))
            for options in ('{"retry": "failed"}', None):
                routes('newer', odd=4, how='  status 400\n')
                r = d.sync(spec(mode), options)
                t.is_('it goes on from there' if options else 'and then from there', (r['status'], asked()), ('partial', [0, 0, 0, 1, 1]) if options else ('failed', [0, 0, 0, 0, 1]))
            routes()
            r = d.sync(spec(mode), '{"retry": "failed"}')
            seen = self.read('windows_log', 'id', 'text')
            t.is_('up to the end', (r['status'], asked(), [i for i, _ in seen] == sorted((i for i, _ in all_), key=lambda x: repr((x,))), {i // 1000 for i, text in seen if text == 'newer'}),
                  ('success', [0, 0, 0, 0, 1], True, {3}))
            r = d.sync(spec(mode), '{"retry": "failed"}')
            t.is_('where nothing is left to ask', (r['status'], r['requests']), ('success', 0))
            for options in ('{"resume": true}', None) if s.kills and mode == 'append' else (None,) if s.kills else ():
                s.fresh()
                routes(odd=3, how='  hang\n')
                p = self.child(spec(mode, s.quick), '{}')
                until = time.monotonic() + 60
                while time.monotonic() < until and p.poll() is None and not asked_page(3, 2):
                    time.sleep(0.05)
                time.sleep(s.durable)
                killed = p.poll() is None
                p.send_signal(signal.SIGKILL)
                p.communicate()
                routes()
                r = d.sync(spec(mode), options)
                seen = self.read('windows_log', 'id', 'text')
                t.is_('killed in a window, then ' + ('resumed' if options else 'run again'), (killed, r['status'], asked(), seen == sorted(all_, key=repr)), (True, 'success', [0, 0, 0, 1, 1], True))
        os.environ['CQ_PATH'] = was

    def chosen(self):
        """A cursor that is used where the source says so, and later is not any more."""
        t, s = self.t, self.s
        with open('chosen.yml', 'w') as f:
            f.write(open(FLEET).read().replace('cursor: {column: at, order: asc}', 'cursor: {column: at, order: asc, optional: true}'))
        was, os.environ['CQ_PATH'] = os.environ['CQ_PATH'], os.path.abspath('chosen.yml')
        d = Sync('chosen.db')
        os.environ['CQ_PATH'] = was

        def run(since, *ids, more=''):
            rows = ','.join('{"id":%d,"at":"2024-01-0%dT00:00:00Z"}' % (i, i) for i in ids)
            d.routes(f'GET /oslo/log{since}\n  body [{rows}]\nGET /rome/log?!since\n  body []\n')
            r = d.sync(self.spec('fleet_log', mode)[:-1] + more + '}')
            return r['status'], [i for i, in self.read('fleet_log', 'id') if i not in gone]
        says = ', incremental: [fleet_log]'
        for mode in s.modes:
            s.fresh()
            kept, gone = [1] if mode == 'overwrite' else [], []
            t.is_(f'{mode}: a snapshot', run('?!since', 1, 2), ('success', [1, 2]))
            t.is_('of what is there', run('?!since', 2), ('success', [1, 2] if mode == 'overwrite' else [2]))
            gone = [1] if mode == 'append' else []       # an older run's row: databases show it again, files do not
            t.is_('incremental, from the start', run('?!since', 2, 3, more=says), ('success', kept + [2, 3]))
            t.is_('and on', run('?since=2024-01-03T00:00:00Z', 4, more=says), ('success', kept + [2, 3, 4]))
            t.is_('a snapshot again', run('?!since', 4, 5), ('success', [1, 2, 3, 4, 5] if mode == 'overwrite' else [4, 5]))

    def below(self):
        """Below an incremental table: each run asks below the parents that it was told of, and the others' rows stay."""
        t, s = self.t, self.s
        with open('below.yml', 'w') as f:
            f.write(open(FLEET).read().replace('  fleet_secrets:\n', BELOW + '  fleet_secrets:\n'))
        was, os.environ['CQ_PATH'] = os.environ['CQ_PATH'], os.path.abspath('below.yml')
        d = Sync('below.db')
        os.environ['CQ_PATH'] = was
        def log(since, *ids, more=''):
            rows = ','.join('{"id":%d,"at":"2024-01-0%dT00:00:00Z"}' % (i, i) for i in ids)
            d.routes(f'GET /oslo/log{since}\n  body [{rows}]\nGET /rome/log\n  body []\n' + more + ''.join(
                f'GET /oslo/log/{i}/parts\n  body [{{"id":1,"name":"p{i}"}}]\nGET /oslo/log/{i}/parts/1/bolts\n  body [{{"id":1,"name":"b{i}"}}]\n' for i in ids))
            return d.sync(self.spec('fleet_log_bolts', mode))
        def seen(*tables):
            return [[n for n, in self.read('fleet_log_' + x, 'name')] for x in tables or ('parts', 'bolts')]
        for mode in s.modes[:1] + s.modes[2:]:
            s.fresh()
            t.is_(f'{mode}: below an incremental table', (log('?!since', 1, 2)['status'], seen()), ('success', [['p1', 'p2'], ['b1', 'b2']]))
            t.is_('what is below older parents stays', (log('?since=2024-01-02T00:00:00Z', 3)['status'], seen()), ('success', [['p1', 'p2', 'p3'], ['b1', 'b2', 'b3']]))
            t.is_('where none is new, too', (log('?since=2024-01-03T00:00:00Z')['status'], seen()), ('success', [['p1', 'p2', 'p3'], ['b1', 'b2', 'b3']]))
            r = log('?since=2024-01-03T00:00:00Z', 4, more='GET /oslo/log/4/parts/1/bolts\n  status 400\n')
            t.is_('one fails', (r['status'], seen('bolts')), ('partial', [['b1', 'b2', 'b3']]))
            r = log('?since=2024-01-03T00:00:00Z', 4, 5)
            t.is_('its parents are asked for again', (r['status'], seen()), ('success', [[f'{c}{i}' for i in range(1, 6)] for c in 'pb']))
            t.is_('once', (log('?since=2024-01-05T00:00:00Z')['status'], [len(x) for x in seen()]), ('success', [5, 5]))

    def sources(self):
        """Two sources of one table, of the same clients, in one run: each has its own rows, cursors and units."""
        t, s = self.t, self.s
        own = s.destination()[1:-1]
        kind = own.split('kind:')[1].split(',')[0].strip() if 'kind:' in own else 'sqlite'
        own = ', '.join(x for x in own.split(', ') if not x.strip().startswith('kind:'))
        for mode in (s.modes[0], s.modes[-1]) if len(s.modes) > 1 else s.modes:
            s.fresh()
            def spec(*names):
                return ''.join(f'kind: source\nspec: {{name: {n}, path: fleet, tables: [fleet_log, fleet_ships], destinations: [to], spec: {{ports: [oslo]}}}}\n---\n' for n in names) + \
                    f'kind: destination\nspec: {{name: to, path: {kind}, write_mode: {mode}, spec: {{{own}}}}}\n'
            log = 'GET /oslo/log?!since\n  body [{"id":1,"at":"2024-01-01T00:00:00Z","text":"a"},{"id":2,"at":"2024-01-02T00:00:00Z","text":"b"}]\nGET /oslo/log?since=2024-01-02T00:00:00Z\n  body []\n'
            t.routes(log + SHIPS)
            r = t.sync(spec('one'))
            t.is_(f'{mode}: one source', (r['status'], r.get('errors')), ('success', []))
            t.routes(log + SHIPS)
            r = t.sync(spec('one', 'two'))
            t.is_('and a second beside it', (r['status'], r.get('errors'), t.asked('*log?since=*'), t.asked('*/oslo/log')), ('success', [], 1, 1))
            if mode == 'append':
                t.is_('each has its rows', sorted(self.read('fleet_log', '_cq_source_name', 'id')), [('one', 1), ('one', 2), ('two', 1), ('two', 2)])
                t.is_('in each table', len(self.ships()), 8)
            else:
                t.is_('one key is one row', len(self.ships()), 4 if s.one_row_a_key else 8)

    def overwrite(self):
        t, s = self.t, self.s
        if 'overwrite' in s.modes:
            s.fresh()
            t.routes(SHIPS)
            self.sync('fleet_ships', 'overwrite')
            t.routes('GET /oslo/ships?page=1\n  body [{"id":1,"name":"Maud"},{"id":9,"name":"new"}]\nGET /rome/ships?page=1\n  body []\n')
            r = self.sync('fleet_ships', 'overwrite')
            t.is_('overwrite: by key, nothing goes', (r['status'], self.ships()),
                  ('success', [('oslo', 1, 'Maud'), ('oslo', 2, 'Gjoa'), ('oslo', 3, 'Kon'), ('oslo', 4, 'Ra'), ('oslo', 9, 'new'), ('rome', 1, 'Argo')]))
        if 'overwrite-delete-stale' not in s.modes:
            return
        mode = 'overwrite-delete-stale'
        s.fresh()
        t.routes(SHIPS)
        self.sync('fleet_ships', mode)
        t.is_('delete-stale: first', len(self.ships()), 5)
        t.routes('GET /oslo/ships?page=1\n  body [{"id":1,"name":"Maud"},{"id":9,"name":"new"}]\nGET /rome/ships?page=1\n  status 400\n')
        r = self.sync('fleet_ships', mode)
        t.is_('stale rows go, of clean units alone', (r['status'], self.ships()), ('partial', [('oslo', 1, 'Maud'), ('oslo', 9, 'new'), ('rome', 1, 'Argo')]))
        t.routes('GET /oslo/ships?page=1\n  body [{"id":1,"name":"Maud"},{"id":1,"name":"twice"}]\nGET /rome/ships?page=1\n  body []\n')
        r = self.sync('fleet_ships', mode)
        t.is_('a key twice in a unit: the last', (r['status'], self.ships()), ('success', [('oslo', 1, 'twice')]))
        for mode in ('overwrite', 'overwrite-delete-stale'):
            s.fresh()
            t.routes('GET /oslo/ships?page=1\n  body [{"id":1,"name":"first"},{"id":1,"name":"second"},{"id":2,"name":"x"}]\nGET /oslo/ships?page=2\n  body []\nGET /rome/ships?page=1\n  body []\n')
            for turn, want in (('new', [3, 2, 1, 1]), ('again', [3, 0, 3, 1])):  # that of an old key changes once, or there and back
                r = self.sync('fleet_ships', mode)
                n = r['destinations'][0]
                t.is_(f'{mode}, {turn}: of a key that comes twice one row stays, and it is counted',
                      (r['status'], self.ships(), [n['rows'], n['inserted'], n['updated'] + n['unchanged'], n['repeated']]),
                      ('success', [('oslo', 1, 'second'), ('oslo', 2, 'x')], want))
                t.is_('and told', sorted(self.read('cq_sync_errors', 'sync_group_id', 'kind', 'message'))[-1:],
                      [(r['sync_group_id'], 'warning', 'fleet_ships: 1 row has a key that came before in this run, and took its place')])
        mode = 'overwrite-delete-stale'
        t.routes(SHIPS)
        self.sync('fleet_ships', mode)
        r = self.sync('fleet_ships', mode, ', spec: {ports: [oslo]}')
        t.is_('a client that is gone', (r['status'], {x[0] for x in self.ships()}), ('success', {'oslo'}))
        self.sync('fleet_ships', mode, ', name: two, spec: {ports: [rome]}')
        self.sync('fleet_ships', mode, ', spec: {ports: [oslo]}')
        t.is_('sources do not touch each other', {x[0] for x in self.ships()}, {'oslo', 'rome'})

    def types(self):
        t, s = self.t, self.s
        s.fresh()
        columns = ['id', 't', 'i', 'r', 'b', 'ts', 'd', 'n', 'u', 'ip', 'net', 'hw', 'bin', 'j', 'texts', 'ints', 'reals', 'bools', 'times']
        full = {'id': 'full', 't': 'Grüße "x", \\ \n\t, 🚢', 'i': -9223372036854775808, 'r': 0.1, 'b': True, 'ts': '2024-02-29T23:59:59.123456Z',
                'd': '2024-02-29', 'n': '12345678901234567890.000001', 'u': '6F9619FF-8B86-D011-B42D-00C04FC964FF', 'ip': '10.0.0.1', 'net': '10.0.0.0/8',
                'hw': '08-00-2B-01-02-03', 'bin': 'AAEC/w==', 'j': {'z': [1, None, 'x'], 'a': {'': 'é'}, 'big': 12345678901234567890},
                'texts': ['a', None, '', 'x"y'], 'ints': [1, -2, None], 'reals': [0.5, 1e300], 'bools': [True, False], 'times': ['2024-01-02T03:04:05Z']}
        want = ('full', full['t'], full['i'], 0.1, 1, full['ts'], full['d'], full['n'], full['u'].lower(), '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03',
                '000102ff', full['j'], full['texts'], full['ints'], full['reals'], [True, False], full['times'])
        rows = [full, {'id': 'nulls'}, {'id': 'empty', 't': '', 'i': 0, 'r': 0, 'b': False, 'bin': '', 'j': {}, 'texts': [], 'ints': [], 'ip': '::1', 'net': 'fe80::/10'},
                {'id': 'early', 'ts': '0001-01-01T00:00:00Z', 'd': '0001-01-01', 'i': 9223372036854775807, 'r': -1.7976931348623157e308, 'j': 'text', 't': 'a' * 100000},
                {'id': 'nul', 't': 'a\0b', 'j': {'k': 'a\0b'}, 'texts': ['\0']}]
        t.routes('GET /oslo/values\n  body ' + json.dumps(rows) + '\n')
        spec = '{source: typed, tables: [typed_values], write_mode: append, destination: %s}' % s.destination()
        r = t.sync(spec)
        t.is_('types: success', (r['status'], r.get('rows'), r.get('errors')), ('success', 5, []))
        got = {x[0]: x for x in s.read('typed_values', columns)}
        for k, name in enumerate(columns):
            t.is_(f'{name}', got['full'][k], want[k])
        nothing = None if s.null_lists else []
        t.is_('NULL is NULL everywhere', got['nulls'], ('nulls',) + (None,) * 13 + (nothing,) * 5)
        t.is_('empty is not NULL', got['empty'],
              ('empty', '', 0, 0.0, 0, None, None, None, None, '::1', 'fe80::/10', None, '', {}, [], [], nothing, nothing, nothing))
        t.is_('the ends of the ranges', got['early'][:7], ('early', 'a' * 100000, 9223372036854775807, -1.7976931348623157e308, None, '0001-01-01T00:00:00Z', '0001-01-01'))
        t.is_('U+0000 is told', (got['nul'][1], got['nul'][13], got['nul'][14]), ('a\ufffdb', {'k': 'a\ufffdb'}, ['\ufffd']))
        t.routes('GET /oslo/values\n  body [{"id":"odd","i":123456789012345678901234567890,"ts":"no time","u":"no uuid","ip":"nowhere","d":"2024-02-31","b":"maybe","hw":"?"},'
                 '{"id":"good","i":1}]\n')
        r = t.sync(spec)
        got = {x[0]: x for x in s.read('typed_values', columns)}
        t.is_('odd values lose no row', (r['status'], r.get('rows'), sorted(got), got['good'][2]), ('success', 2, ['good', 'odd'], 1))
        t.is_('a number beyond its column', got['odd'][2], s.odd_integers)
        t.routes('GET /oslo/values\n  body [{"id":"blanks","i":" 7 ","bin":"### no base64","ints":[" 5 ","7 "],"reals":[" 1.5 "],"bools":[" true "],"times":[" 2024-01-02T03:04:05Z"],'
                 '"texts":[" a "]}]\n')
        r = t.sync(spec)
        got = s.read('typed_values', ['id', 'i', 'ints', 'reals', 'bools', 'times', 'texts', 'bin'])
        t.is_('blanks are cut in a list as they are in a cell, and what is no base64 is bytes', (r['status'], got),
              ('success', [('blanks', 7, [5, 7], [1.5], [True], ['2024-01-02T03:04:05Z'], [' a '], b'### no base64'.hex())]))

        t.routes('GET /oslo/names\n  body [{"order":"a","select":"b","user":"c","group":4,"from":"d",'
                 '"a_column_with_a_name_that_is_much_longer_than_sixty_three_bytes_number_1":"e","a_column_with_a_name_that_is_much_longer_than_sixty_three_bytes_number_2":"f"}]\n')
        for mode in s.modes:
            s.fresh()
            r = t.sync('{source: typed, tables: [typed_names], write_mode: %s, destination: %s}' % (mode, s.destination()))
            t.is_(f'{mode}: words of SQL as names', (r['status'], self.read('typed_names', 'order', 'select', 'user', 'group', 'from')), ('success', [('a', 'b', 'c', 4, 'd')]))

    def names(self):
        """Names that a store uses itself, or that its SQL has to quote."""
        t, s = self.t, self.s
        with open('odd.yml', 'w') as f:
            f.write(ODD)
        was, os.environ['CQ_PATH'] = os.environ['CQ_PATH'], os.path.abspath('odd.yml')
        d = Sync('odd.db')
        os.environ['CQ_PATH'] = was
        for mode in s.modes:
            s.fresh()
            n = 300 if mode == s.modes[0] else 3  # more than are read at once, where they are rows of parents
            d.routes('GET /oslo/ships\n  body %s\nGET /rome/ships\n  body [{"id":1,"rowid":7}]\nGET /*/crew/*\n  body [{"id":1}]\n' % json.dumps([{'id': i, 'rowid': 1} for i in range(n)]))
            spec = '{source: odd, tables: [odd_*], write_mode: %s, destination: %s}' % (mode, s.destination())
            for turn in ('first', 'again'):
                r = d.sync(spec)
                t.is_(f'{mode}: names of tables and columns, {turn}', (r['status'], r.get('errors'), r.get('rows'), r['destinations'][0]['inserted'], r['destinations'][0]['unchanged']),
                      ('success', [], 5 * n + 5) + ((0, 5 * n + 5) if turn == 'again' and mode != 'append' else (5 * n + 5, 0)))
            t.is_('all is there', [len(self.read(x, 'port', 'id')) for x in ('odd_ships', 'odd_ships_crew', 'odd_ships_group', 'odd_ships_client')], [n + 1] * 4)
            t.is_('and what it is', self.read('odd_ships', 'port', 'id', 'rowid', 'OID')[-1], ('rome', 1, 7, None))

    def many(self):
        """Batches that end within and between units."""
        t, s = self.t, self.s
        text = ''
        for p in PORTS:
            for page in range(1, 41):
                rows = ','.join('{"id":%d,"name":"%s%d"}' % (i, p, i) for i in range(page * 3 - 2, page * 3 + (1 if page < 40 else 0)))
                text += f'GET /{p}/ships?page={page}\n  body [{rows}]\n'
        for mode in s.modes:
            s.fresh()
            t.routes(text)
            for turn in ('first', 'again'):
                r = self.sync('fleet_ships', mode, ', spec: {ports: %s}' % PORTS)
                seen = self.read('fleet_ships', 'port', 'id', 'name')
                t.is_(f'{mode}: many, {turn}', (r['status'], r.get('rows'), len(seen), len(set(seen))), ('success', 4 * 119, 4 * 119, 4 * 119))

    def migrate(self):
        t, s = self.t, self.s
        old = os.environ['CQ_PATH']
        more = open(FLEET).read().replace('      tons: real\n', '      tons: real\n      speed: real\n')
        with open('more.yml', 'w') as f:
            f.write(more)
        try:
            for mode in s.modes:
                s.fresh()
                t.routes(SHIPS)
                self.sync('fleet_ships', mode)
                os.environ['CQ_PATH'] = os.path.abspath('more.yml')
                other = Sync('more.db')
                t.routes(SHIPS.replace('"tons":402.5', '"tons":402.5,"speed":7.5'))
                r = other.sync(self.spec('fleet_ships', mode))
                os.environ['CQ_PATH'] = old
                t.is_(f'{mode}: a column more', (r['status'], [x for x in self.read('fleet_ships', 'name', 'speed') if x[0] == 'Fram'], len(self.ships())),
                      ('success', [('Fram', 7.5)], 5))
                r = self.sync('fleet_ships', mode)
                t.is_('and by one that does not know it', (r['status'], len(self.ships())), ('success', 5))
        finally:
            os.environ['CQ_PATH'] = old
        if 'overwrite' in s.modes:
            self.words()
        for first, then in ((m, n) for m in s.modes for n in s.modes if (m == 'append') != (n == 'append')):
            s.fresh()
            t.routes(SHIPS)
            self.sync('fleet_ships', first)
            r = self.sync('fleet_ships', then, ', migrate_mode: forced', '{"retry":"failed"}')
            t.is_(f'{first}, then {then} forced, as a retry: rows that have gone are fetched again', (r['status'], len(self.ships())), ('success', 5))

    def changed(self, what, mode, options=None):
        """cq_migrate, forced."""
        return json.loads(self.t.one('SELECT cq_migrate(?)', self.spec(what, mode, ', migrate_mode: forced')))

    def modes(self):
        """From append to overwrite and back: the rows go along, so that a unit that fails keeps its own."""
        t, s = self.t, self.s
        rome = 'GET /rome/ships?page=1\n  body [{"id":1,"name":"Argo"}]\n'
        what = ('_cq_id', '_cq_client_id', '_cq_sync_time', 'port', 'id', 'name', 'tons', 'built', 'flags')
        for first, then in ((m, n) for m in s.modes for n in s.modes if (m == 'append') != (n == 'append')):
            s.fresh()
            t.routes(SHIPS)
            self.sync('fleet_ships', first)
            t.routes(SHIPS.replace('Fram', 'Maud').replace('GET /oslo/ships?page=2\n  body [{"id":4,"name":"Ra"}]', 'GET /oslo/ships?page=2\n  body []'))
            self.sync('fleet_ships', first)
            before = self.read('fleet_ships', *what)
            r = self.sync('fleet_ships', then)
            t.is_(f'{first}, then {then}: refused, and nothing is changed', (r['status'], self.read('fleet_ships', *what) == before), ('failed', True))
            t.has('which says what forced does to the rows', r['errors'], 'hint: migrate_mode: forced ')
            t.has('and where they are then', r['errors'], 'raw_fleet_ships')
            t.is_('cq_migrate, forced, says it', 'fleet_ships' in json.dumps(self.changed('fleet_ships', then)['actions']), True)
            if s.carries or 'overwrite' not in (first, then):
                t.is_('and the name answers the same rows', self.read('fleet_ships', *what), before)
            t.routes(SHIPS.replace('Fram', 'Polarstern').replace(rome, 'GET /rome/ships?page=1\n  status 400\n  body {}\n'))
            r = self.sync('fleet_ships', then, ', migrate_mode: forced')
            t.is_('a unit that fails keeps its rows', (r['status'], r['destinations'][0]['kept'], [x for x in self.ships() if x[0] == 'rome']), ('partial', 1, [('rome', 1, 'Argo')]))
            t.is_('beside those that are new', [x for x in self.ships() if x[0] == 'oslo'],
                  [('oslo', 1, 'Polarstern'), ('oslo', 2, 'Gjoa'), ('oslo', 3, 'Kon'), ('oslo', 4, 'Ra')])
            before = self.read('fleet_ships', *what)
            self.changed('fleet_ships', first)
            if s.carries or 'overwrite' not in (first, then):
                t.is_('and back', self.read('fleet_ships', *what), before)
            t.routes(SHIPS)
            for mode in (first, then, first):
                r = self.sync('fleet_ships', mode, ', migrate_mode: forced, spec: {ports: [oslo]}')
                t.is_(f'and on, {mode}', (r['status'], [x for x in self.ships() if x[0] == 'oslo']),
                      ('success', [('oslo', 1, 'Fram'), ('oslo', 2, 'Gjoa'), ('oslo', 3, 'Kon'), ('oslo', 4, 'Ra')]))
            if 'overwrite' not in (first, then):
                t.is_('a client that is gone is', {x[0] for x in self.ships()}, {'oslo'})
        for first, then in (s.modes[0], s.modes[-1]), (s.modes[-1], s.modes[0]):
            s.fresh()
            log = 'GET /oslo/log?%s\n  body [{"id":%d,"at":"2024-01-0%dT00:00:00Z","text":"%s"}]\nGET /rome/log\n  body []\n'
            t.routes(log % ('!since', 1, 1, 'a'))
            self.sync('fleet_log', first)
            t.routes(log % ('since=2024-01-01T00:00:00Z', 1, 2, 'b'))
            self.sync('fleet_log', first)
            before = self.read('fleet_log', 'id', 'text')
            for n, mode in enumerate((then, first, then)):
                self.changed('fleet_log', mode)
                t.is_(f'an incremental table, {mode}: the same rows', self.read('fleet_log', 'id', 'text'), before)
                t.routes(log % ('since=2024-01-0%dT00:00:00Z' % (n + 2), n + 2, n + 3, 'c'))
                r = self.sync('fleet_log', mode)
                before.append((n + 2, 'c'))
                t.is_('and the cursor goes on', (r['status'], t.asked('*oslo/log?since=*'), self.read('fleet_log', 'id', 'text')), ('success', 1, before))

    def taken(self):
        """A table that CloudQuery has made: its rows are kept until all units were clean, and nothing that it says of them is in the way."""
        t, s = self.t, self.s
        for mode in ('overwrite-delete-stale', 'append', 'overwrite'):
            s.fresh()
            self.sync('fleet_log', mode)  # the run tables
            table = ('CREATE TABLE fleet_ships (_cq_sync_time timestamp, _cq_source_name text, _cq_id uuid NOT NULL UNIQUE, _cq_parent_id uuid, port text NOT NULL, '
                     'id bigint NOT NULL, name text NOT NULL, tons double precision, built timestamp, PRIMARY KEY (port, id))',
                     "INSERT INTO fleet_ships VALUES ('2020-01-01 12:00:00', 'fleet', '00000000-0000-4000-8000-000000000001', NULL, 'rome', 1, 'old Argo', 1, NULL), "
                     "('2020-01-01 12:00:00', 'fleet', '00000000-0000-4000-8000-000000000002', NULL, 'rome', 77, 'gone', 1, NULL), "
                     "('2020-01-01 12:00:00', 'other', '00000000-0000-4000-8000-000000000003', NULL, 'rome', 78, 'theirs', 1, NULL), "
                     "(NULL, NULL, '00000000-0000-4000-8000-000000000004', NULL, 'rome', 79, 'nobody', 1, NULL)")
            try:
                s.execute(*table)
            except NotImplementedError:
                return
            ships = SHIPS.replace('"name":"Ra"', '"name":null')
            t.routes(ships.replace('GET /rome/ships?page=1\n  body', 'GET /rome/ships?page=1\n  status 400\n  body'))
            r = self.sync('fleet_ships', mode)
            t.is_(f"{mode}: CloudQuery's table: safe refuses", (r['status'], [x for x, in self.read('fleet_ships', 'name')]), ('failed', ['gone', 'nobody', 'old Argo', 'theirs']))
            forced = ', migrate_mode: forced'
            self.changed('fleet_ships', mode)
            t.is_('forced keeps its rows', [(n, c, at.replace(' ', 'T').rstrip('Z') + 'Z') for n, c, at in self.read('fleet_ships', 'name', '_cq_client_id', '_cq_sync_time')],
                  [('gone', '', '2020-01-01T12:00:00Z'), ('nobody', '', '1970-01-01T00:00:00Z'), ('old Argo', '', '2020-01-01T12:00:00Z'), ('theirs', '', '2020-01-01T12:00:00Z')])
            r = self.sync('fleet_ships', mode, forced)
            t.is_('a key may be without a value now; a unit fails, and all of them stay', (r['status'], [x for x, in self.read('fleet_ships', 'name')]),
                  ('partial', ['Fram', 'Gjoa', 'Kon', 'gone', 'nobody', 'old Argo', 'theirs', None]))
            t.routes(ships)
            r = self.sync('fleet_ships', mode, forced)
            t.is_('no unit fails: they go, of this source', (r['status'], [x for x, in self.read('fleet_ships', 'name')]),
                  ('success', ['Argo', 'Fram', 'Gjoa', 'Kon'] + (['gone'] if mode == 'overwrite' else []) + ['nobody'] + (['old Argo'] if mode == 'overwrite' else []) + ['theirs', None]))

    def words(self):
        """A text becomes a number or a time as a whole, or not at all: what a store reads beside them is no value."""
        t, s = self.t, self.s
        said = ['1.2.3', '', '2024-01-05', '1.5', 'nan', 'infinity', 'today', 'now', '12', '1e400', '2024-01-05T10:00:00Z']
        nothing = 'GET /oslo/*\n  body []\n'
        old = os.environ['CQ_PATH']
        os.environ['CQ_PATH'] = os.path.abspath('words.yml')
        for kind, wanted in (('real', ['1.5', '12']), ('timestamp', ['2024-01-05', '2024-01-05T10:00:00Z']))[:2 if s.typed_times else 1]:
            s.fresh()
            for name, routes in (('text', 'GET /oslo/ships?page=1\n  body [%s]\n' % ','.join('{"id":%d,"name":"%s"}' % x for x in enumerate(said)) + nothing), (kind, nothing)):
                with open('words.yml', 'w') as f:
                    f.write(open(FLEET).read().replace('name: text', f'name: {name}', 1))
                t.routes(routes)
                r = Sync('words.db').sync(self.spec('fleet_ships', 'overwrite', ', migrate_mode: forced, spec: {ports: [oslo]}'))
            t.is_(f'text to {kind}: as a whole, or not at all',
                  (r['status'], [said[i] for i, v in sorted(self.read('fleet_ships', 'id', 'name')) if v is not None]), ('success', wanted))
        os.environ['CQ_PATH'] = old

    def retype(self):
        """Another type, forced: each value becomes what a write of it would be now, else NULL; the run says how many."""
        t, s = self.t, self.s
        if 'overwrite' not in s.modes:
            return
        nine = 99999999999999999999
        cases = (
            ('real', 1e19, 'integer', None), ('real', 7.0, 'integer', 7), ('real', 7.5, 'integer', None), ('real', 1.5, 'text', '1.5'),
            ('decimal', str(nine), 'integer', None), ('decimal', '12', 'integer', 12), ('decimal', '1.50', 'real', 1.5),
            ('text', str(nine), 'integer', None), ('text', '-9223372036854775808', 'integer', -2**63), ('text', '7 apples', 'integer', None), ('text', ' 7 ', 'integer', 7),
            ('text', '0x1F', 'integer', None), ('text', '1_000', 'integer', None), ('text', '1e3', 'integer', 1000), ('text', 'nan', 'real', None),
            ('text', '1.50', 'decimal', '1.5'), ('text', '1e-60', 'decimal', '1e-60'), ('text', '0.' + 41 * '0' + '1', 'decimal', '1e-42'), ('text', 'NaN', 'decimal', None),
            ('text', 'true', 'boolean', 1), ('text', 'f', 'boolean', 0), ('text', 'yes', 'boolean', None), ('integer', 1, 'boolean', 1), ('integer', 2, 'boolean', None), ('boolean', True, 'integer', 1), ('boolean', False, 'real', 0.0), ('boolean', True, 'text', s.true),
            ('text', '2024-05-01T08:00:00Z', 'date', '2024-05-01'), ('text', 'today', 'date', None), ('text', '2024-02-31', 'date', None), ('text', '2024-05-01', 'timestamp', '2024-05-01T00:00:00Z'),
            ('timestamp', '0001-01-01T00:00:00Z', 'date', '0001-01-01'), ('timestamp', '9999-12-31T23:59:59Z', 'date', '9999-12-31'), ('date', '0001-01-01', 'timestamp', '0001-01-01T00:00:00Z'),
            ('timestamp', '2024-05-01T08:00:00.25Z', 'text', '2024-05-01T08:00:00.25Z'), ('date', '1850-05-01', 'text', '1850-05-01'), ('date', '0001-01-01', 'date', '0001-01-01'),
            ('text', '6F9619FF-8B86-D011-B42D-00C04FC964FF', 'uuid', '6f9619ff-8b86-d011-b42d-00c04fc964ff'), ('text', 'no uuid', 'uuid', None), ('uuid', '6F9619FF-8B86-D011-B42D-00C04FC964FF', 'text', '6f9619ff-8b86-d011-b42d-00c04fc964ff'),
            ('blob', '00ff', 'text', 'AP8='), ('blob', '61c3a9', 'text', 'a\u00e9'), ('text', 'a\u00e9', 'blob', '61c3a9'),
            ('text', 'not json', 'json', 'not json'), ('text', '', 'json', None), ('text', '{"a": [1, "b"]}', 'json', {'a': [1, 'b']}), ('json', {'a': 1}, 'text', '{"a":1}'), ('json', 'x', 'text', 'x'),
            ('list of integer', [1, None, 2], 'list of text', ['1', None, '2']), ('list of text', ['1', 'two', '3'], 'list of integer', [1, None, 3]), ('list of text', ['a', 'x\'y', '\t"'], 'text', '["a","x\'y","\\t\\""]'),
            ('text', '["a","b"]', 'list of text', ['a', 'b']), ('text', '{a,b}', 'list of text', ['{a,b}']), ('text', 'one', 'list of text', ['one']), ('integer', 5, 'list of integer', [5]),
            ('list of timestamp', ['2024-05-01T08:00:00Z', '0001-01-01T00:00:00Z'], 'list of text', ['2024-05-01T08:00:00Z', '0001-01-01T00:00:00Z']), ('list of boolean', [True, None, False], 'list of text', ['true', None, 'false']),
            ('list of text', [], 'list of integer', []), ('list of text', ['a'], 'json', ['a']))
        names = [f'{"bin" if c[2] == "blob" else "json" if c[2] == "json" else "list" if c[2].startswith("list") else "c"}{k}' for k, c in enumerate(cases)]
        def spec(at):
            columns = ', '.join('%s: %s' % (n, '{type: blob, format: base64}' if c[at] == 'blob' else c[at]) for n, c in zip(names, cases))
            with open('retype.yml', 'w') as f:
                f.write('format: 1\nintegration: retype\nclients: {port: {values: [oslo]}}\ntables:\n  retype_rows:\n    request: {url: "%s", path: "/rows"}\n    rows: "[*]"\n    key: [id]\n    columns: {id: integer, %s}\n' % (MOCK, columns))
            was, os.environ['CQ_PATH'] = os.environ['CQ_PATH'], os.path.abspath('retype.yml')
            d = Sync('retype.db')
            os.environ['CQ_PATH'] = was
            return d, '{source: retype, tables: [retype_rows], write_mode: overwrite, migrate_mode: %s, destination: %s}' % ('forced' if at else 'safe', s.destination())
        s.fresh()
        d, said = spec(0)
        raw = {n: base64.b64encode(bytes.fromhex(c[1])).decode() if c[0] == 'blob' else c[1] for n, c in zip(names, cases)}
        t.routes('GET /rows\n  body ' + json.dumps([{'id': 1, **raw}]) + '\n')
        r = d.sync(said)
        t.is_('retype: as it was', (r['status'], r['errors']), ('success', []))
        d, said = spec(2)
        t.routes('GET /rows\n  body []\n')
        r = d.sync(said)
        got = self.s.read('retype_rows', names)
        t.is_('retype: forced', (r['status'], len(got)), ('success', 1))
        said = [m for k, m in self.s.read('cq_sync_errors', ['kind', 'message']) if k == 'warning']
        t.is_('and how many values are NULL now', [len(said), 'retype_rows: values that the new type of their column cannot hold are NULL: column c0: 1' in ''.join(said)], [1, True])
        for n, (old, value, new, want), v in zip(names, cases, got[0] if got else names):
            if (old, new) in s.same_types:
                continue
            if new == 'decimal' and want is not None:
                v = v and decimal.Decimal(v)
                want = decimal.Decimal(want)
                want = None if s.places is not None and want.as_tuple().exponent < -s.places else want
            t.is_(f'{old} {value!r} to {new}', v, want)

    def at_once(self):
        """A second run of the source is refused, or waits; readers see one snapshot or the other."""
        t, s = self.t, self.s
        s.fresh()
        t.routes(SHIPS)
        self.sync('fleet_ships', 'append')
        before = self.ships()
        t.routes(SHIPS.replace('"name":"', '"name":"new ').replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  delay 1500\n'))
        child = self.child(self.spec('fleet_ships', 'append'), '{}')
        seen, refused = set(), None
        until = time.monotonic() + 30
        while child.poll() is None and time.monotonic() < until:
            if refused is None and t.asked('*rome*'):
                refused = self.sync('fleet_ships', 'append')
            seen.add(tuple(self.ships()))
            time.sleep(0.02)
        said = child.communicate()[0].strip()
        after = self.ships()
        t.is_('the run that was first', said, 'success')
        t.is_('readers see the old or the new', seen - {tuple(before), tuple(after)}, set())
        t.is_('the new is whole', [x[2][:4] for x in after], ['new '] * 5)
        if s.waits:
            t.is_('a second one waits for it', refused['status'], 'success')
        else:
            t.has('a second one is refused in words', refused, 'is being synced')
            t.has('which tell the process and since when', refused, f' by another connection: process {child.pid} on {os.uname().nodename}, since 20')

    def child(self, spec, options):
        code = ('import os, sys; sys.path.insert(0, %r); path = os.environ["CQ_PATH"]\nimport conformance\nfrom synctest import Sync\n'
                'os.environ["CQ_PATH"] = path\nprint(Sync(sys.argv[3]).sync(sys.argv[1], sys.argv[2])["status"])\n'
                % (ROOT + '/tests/dest'))
        return subprocess.Popen([os.environ['CQ_PYTHON'], '-c', code, spec, options, 'child.db'], stdout=subprocess.PIPE, text=True)

    def killed(self):
        """kill -9 at random moments: then resume, or begin anew, is as if nothing had been."""
        t, s = self.t, self.s
        rounds = int(os.environ.get('CQ_KILLS', '4'))
        rnd = random.Random(int(os.environ.get('CQ_SEED', '7')))
        for mode in s.modes:
            s.fresh()
            wrong, kills = [], 0
            for n in range(1, rounds + 1):
                text = ''
                for p in PORTS:
                    for page in (1, 2, 3):
                        rows = ','.join('{"id":%d,"name":"v%d"}' % (i, n) for i in range(page * 3 - 2, page * 3 + (1 if page < 3 else 0)))
                        text += f'GET /{p}/ships?page={page}\n  delay 30\n  body [{rows}]\n'
                t.routes(text + 'GET /*/ships/*/crew\n  delay 10\n  body [{"id":1,"name":"v%d"}]\n' % n)
                spec = self.spec('fleet_crews', mode, ', spec: {ports: %s}' % PORTS)
                p = self.child(spec, '{}')
                until = time.monotonic() + rnd.uniform(0.15, 0.8)
                while p.poll() is None and time.monotonic() < until:
                    if mode == 'append':
                        seen = {x[0] for x in self.read('fleet_ships', 'name')}
                        if seen not in ({f'v{n - 1}'} if n > 1 else set(), {f'v{n}'}):
                            wrong.append(f'round {n}: a reader saw {seen}')
                    time.sleep(0.05)
                kills += p.poll() is None
                p.send_signal(signal.SIGKILL)
                p.communicate()
                r = self.t.sync(spec, '{"resume": true}' if n % 2 else None)
                if r['status'] != 'success':
                    wrong.append(f'round {n}: then {r}')
                ships, crews = self.read('fleet_ships', 'port', 'id', 'name'), self.read('fleet_crews', 'port', 'ship_id', 'name')
                if ships != sorted(((p, i, f'v{n}') for p in PORTS for i in range(1, 9)), key=repr):
                    wrong.append(f'round {n}: ships {ships}')
                if crews != sorted(((p, i, f'v{n}') for p in PORTS for i in range(1, 9)), key=repr):
                    wrong.append(f'round {n}: crews {crews}')
                if s.journal:
                    left = [x for x in self.read('cq_syncs', 'status', 'unsettled') if x[1] or x[0] == 'running']
                    if left:
                        wrong.append(f'round {n}: left {left}')
            t.none(f'{mode}: {rounds} runs, {kills} killed', wrong)

    def interrupted(self):
        t, s = self.t, self.s
        s.fresh()
        t.routes(SHIPS)
        self.sync('fleet_ships', 'append')
        before = self.ships()
        t.routes(SHIPS.replace('"name":"', '"name":"new ').replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  hang\n'))
        threading.Timer(0.8, t.db.interrupt).start()
        r = self.sync('fleet_ships', 'append')
        t.is_('interrupted', ('interrupted' in str(r.get('raised')), self.ships() == before), (True, True))
        t.routes(SHIPS.replace('"name":"', '"name":"new '))
        r = self.sync('fleet_ships', 'append')
        t.is_('then all of it', (r['status'], [x[2][:4] for x in self.ships()]), ('success', ['new '] * 5))

    def beside(self):
        """With this database as a second destination, and with one that is not there."""
        t, s = self.t, self.s
        s.fresh()
        t.routes(SHIPS + CREW)
        here = Sync('beside.db')
        r = here.sync('{source: fleet, tables: [fleet_crews], write_mode: append, destinations: [main, %s]}' % s.destination())
        t.is_('two at once', (r['status'], r.get('rows'), t.asked('*ships?page*')), ('success', 7, 3))
        t.is_('the same rows', self.ships(), sorted(here.rows('SELECT port, id, name FROM fleet_ships'), key=repr))
        t.is_('and below', len(self.read('fleet_crews', 'id')), here.one('SELECT count(*) FROM fleet_crews'))
        one = s.destination()[:-1]
        r = here.sync('{source: fleet, tables: [fleet_notes], write_mode: append, destinations: [%s, name: a}, %s, name: b}]}' % (one, one))
        t.has('two destinations that are the same place', r, 'destinations a and b are the same place' if s.name != 'sqlite' else 'writes into the file of destination a')

    def prune(self):
        t, s = self.t, self.s
        s.fresh()
        got = json.loads(t.one('SELECT cq_prune(2, ?)', self.spec('fleet_ships', 'append')))
        t.is_('cq_prune of what is not there yet', [v for x in got.values() for k, v in x.items() if k in ('rows', 'snapshots')], [0])
        for n in range(3):
            t.routes(SHIPS.replace('Fram', f'Fram {n}'))
            r = self.sync('fleet_ships', 'append')
        before = self.ships()
        got = json.loads(t.one('SELECT cq_prune(2, ?)', self.spec('fleet_ships', 'append')))
        name = r['destinations'][0]['name']
        t.is_('cq_prune with a spec', (list(got), got[name]['keep']), ([name], 2))
        t.is_('what is current stays', (self.ships(), [x[2] for x in before if x[1] == 1]), (before, ['Fram 2', 'Argo']))
        if 'snapshots' in got[name]:
            t.is_('of three snapshots two', got[name]['snapshots'], 1)
        else:
            t.is_('of three snapshots two', (s.count('raw_fleet_ships'), got[name]['rows']), (10, 5))
        t.is_('once', [v for k, v in json.loads(t.one('SELECT cq_prune(2, ?)', self.spec('fleet_ships', 'append')))[name].items() if k in ('rows', 'snapshots')], [0])
        s.fresh()
        since = '?!since'
        for n, rows in ((1, (1, 2)), (2, (2, 3)), (3, (2, 4))):
            text = ','.join('{"id":%d,"at":"2024-01-0%dT00:00:00Z","text":"%d"}' % (i, n, n) for i in rows)
            t.routes(f'GET /oslo/log{since}\n  body [{text}]\nGET /rome/log\n  body []\n')
            r = self.sync('fleet_log', 'append')
            since = f'?since=2024-01-0{n}T00:00:00Z'
        before = self.read('fleet_log', 'id', 'text')
        got = json.loads(t.one('SELECT cq_prune(1, ?)', self.spec('fleet_log', 'append')))[name]
        t.is_('of an incremental table the newest of each key stay', (before, self.read('fleet_log', 'id', 'text')), ([(1, '1'), (2, '3'), (3, '2'), (4, '3')],) * 2)
        if 'snapshots' not in got:
            t.is_('and nothing else', (s.count('raw_fleet_log'), got['rows']), (4, 2))

    def entries(self):
        """Run tables that take no entry keep nobody from the rows: the run says so, and is no success."""
        t, s = self.t, self.s
        s.fresh()
        t.routes('GET /*/notes\n  body [{"text":"a\\u0000b"}]\n')
        t.is_('a warning alone is success', self.sync('fleet_notes', 'append')['status'], 'success')
        if not s.spoil():
            return
        r = self.sync('fleet_notes', 'append')
        t.is_('an entry that is lost is not', (r['status'], [e['kind'] for e in r['errors']], r['destinations'][0]['status'], len(self.read('fleet_notes', 'text'))),
              ('partial', ['journal'], 'partial', 2))
        t.has('and says so, of which destination', r['errors'], 'the run tables lack entries: destination ' + r['destinations'][0]['name'])
        t.routes('GET /*/notes\n  body []\n')

    def test(self):
        t = self.t
        r = json.loads(t.one('SELECT cq_test(?)', self.spec('fleet_notes', 'append')))
        t.is_('cq_test', [x['ok'] for x in r['destinations']], [True])
        t.is_('cq_destinations has it', t.one('SELECT count(*) FROM cq_destinations WHERE name = ?', self.s.name), 1)
        t.has('an unknown key is named', t.sync(self.spec('fleet_ships', 'append').replace(self.s.destination(), self.with_key('no_such_key: 1'))), 'no_such_key')

    def with_key(self, more):
        return self.s.destination()[:-1] + ', ' + more + '}'


PARTS = ('append', 'children', 'denied', 'incremental', 'windows', 'chosen', 'below', 'sources', 'overwrite', 'types', 'names', 'many', 'migrate', 'retype', 'modes', 'taken', 'at_once', 'interrupted', 'killed', 'beside', 'prune', 'entries', 'test')


def run(store, parts=PARTS):
    suite = Suite(store)
    suite.t.routes('GET /*/notes\n  body []\n')
    try:
        for part in os.environ.get('CQ_PARTS', '').split() or parts:
            getattr(suite, part)()
    finally:
        store.close()
    suite.t.done()
