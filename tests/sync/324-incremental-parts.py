# A long unit of an incremental table ends in parts: which units do, what stays of them, and what is asked for again. The stores' own tests kill
# (tests/dest/conformance.py: windows).
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

with open('parts.yml', 'w', encoding='utf-8') as f:
    f.write('''format: 1
integration: parts
config: {url: {type: text, default: "${FLEET_URL}"}, table_options: {type: map, optional: true}}
clients: {port: {values: [oslo]}}
defaults: {request: {url: "{{ config.url }}"}, page: {by: none}, rows_optional: true}
tables:
  parts_rooms:
    request: {path: /rooms}
    rows: "[*]"
    key: [id]
    columns: {id: integer}
  parts_words:
    parent: parts_rooms
    request: {path: "/rooms/{{ parent.id }}", query: {since: "{{ cursor.from }}"}}
    rows: "[*]"
    key: [room, id]
    cursor: {column: at, order: none}
    columns: {room: {type: integer, from: parent.id}, id: integer, at: timestamp}
  parts_log: &log
    request: {path: /log, query: {from: "{{ cursor.from }}", to: "{{ cursor.to }}"}}
    rows: "[*]"
    key: [id]
    cursor: {column: at, order: none, start: "2020-01-01T00:00:00Z", window: 800d}
    columns: {id: integer, at: timestamp}
  parts_letters:
    parent: parts_log
    request: {path: "/log/{{ parent.id }}"}
    rows: "[*]"
    key: [log_id, id]
    columns: {log_id: {type: integer, from: parent.id}, id: integer}
  parts_nameless:
    request: {path: /log, query: {from: "{{ cursor.from }}"}}
    rows: "[*]"
    cursor: {column: at, order: none, start: "2020-01-01T00:00:00Z", window: 800d}
    columns: {id: integer, at: timestamp}
  parts_denied:
    request: {path: /log, query: {from: "{{ cursor.from }}"}}
    rows: "[*]"
    key: [id]
    cursor: {column: at, order: none, start: "2020-01-01T00:00:00Z", window: 800d}
    errors: [{when: {status: 403}, then: denied, message: "not now"}]
    columns: {id: integer, at: timestamp}
  parts_kept:
    request: {path: /kept, query: {from: "{{ cursor.from }}", to: "{{ cursor.to }}"}}
    rows: "[*]"
    key: [id]
    options: {list_kept: {kind: text}}
    cursor: {column: at, order: desc, keeps: 28d, lookback: 1h, window: 7d, format: epoch}
    columns: {id: integer, at: timestamp}
'''.replace('&log\n', '\n'))
os.environ['CQ_PATH'] += ':parts.yml'
t = Sync()
DAY = 86400
BEGIN = [1577836800 + n * 800 * DAY for n in range(3)]


def at(seconds):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(seconds))


def spec(*tables, more=''):
    return '{source: parts, tables: [%s]%s}' % (', '.join(tables), more)


def rows(first, n, when):
    return json.dumps([{'id': first + i, 'at': at(when + i)} for i in range(n)])


def log(bad=None, how='status 400', sizes=(1000, 1000)):
    return ''.join('GET /log?from=%s\n%s  body %s\n' % (at(BEGIN[n]), f'  {how}\n' if n == bad else '', rows(n * 1000, sizes[n], BEGIN[n])) for n in range(2)) + \
        'GET /log/*\n  body [{"id":1}]\nGET /log\n  body []\n'


def units(table, *columns):
    return t.rows(f"SELECT {', '.join(columns)} FROM cq_units WHERE table_name = '{table}'")


def fresh(table):
    """The table as it was before its first sync."""
    t.rows(f'DROP VIEW IF EXISTS {table}')
    t.rows(f'DROP TABLE IF EXISTS raw_{table}')
    for name in ('cq_units', 'cq_sync_units'):
        t.rows(f"DELETE FROM {name} WHERE table_name = '{table}'")


# Below the rows of a parent: those that are over stay, each with its own cursor.
words = ''.join('GET /rooms/%d\n%s  body %s\n' % (n, '@%d@' % n, rows(1, 1000, BEGIN[0])) for n in (1, 2, 3))
ROOMS = 'GET /rooms\n  body [{"id":1},{"id":2},{"id":3}]\n'
t.routes(ROOMS + words.replace('@1@', '').replace('@2@', '').replace('@3@', '  status 400\n'))
r = t.sync(spec('parts_words'))
newest = at(BEGIN[0] + 999)
t.is_('rows below a parent are parts', (r['status'], t.rows('SELECT room, count(*) FROM parts_words GROUP BY 1'), units('parts_words', 'cursor', 'rows')),
      ('partial', [(1, 1000), (2, 1000)], [('{"1":"%s","2":"%s"}/..' % (newest, newest), 2000)]))
t.has('and it is told', r['errors'][0]['message'], 'parts_words: what came before is kept: parts_words (oslo): ')
t.routes(ROOMS + 'GET /rooms/3\n  body %s\nGET /rooms/*\n  body []\n' % rows(1, 1000, BEGIN[0]))
r = t.sync(spec('parts_words'), '{"retry": "failed"}')
t.is_('then each from its own', (r['status'], t.asked(f'/rooms/1?since={newest.replace(":", "*")}'), t.asked('/rooms/3'), t.one('SELECT count(*) FROM parts_words'), units('parts_words', 'cursor')),
      ('success', 1, 1, 3000, [('{"1":"%s","2":"%s","3":"%s"}' % (newest, newest, newest),)]))

# What is no part: too little of it; a unit whose rows others are asked below; rows that nobody could tell apart.
for table, tables, sizes in (('parts_log', ['parts_log'], (10, 10)), ('parts_log', ['parts_log', 'parts_letters'], (1000, 1000)), ('parts_nameless', ['parts_nameless'], (1000, 1000))):
    t.routes(log(bad=1, sizes=sizes))
    r = t.sync(spec(*tables))
    t.is_(f'{", ".join(tables)}, {sizes[0]} rows: nothing of it', (r['status'], t.one(f'SELECT count(*) FROM {table}'), units(table, 'cursor')), ('failed', 0, []))

# Denied in a window: no part goes over it.
t.routes(log(bad=0, how='status 403'))
r = t.sync(spec('parts_denied'))
t.is_('a window that may not be read holds the cursor', (r['status'], t.one('SELECT count(*) FROM parts_denied'), units('parts_denied', 'cursor')), ('partial', 1000, [('',)]))
fresh('parts_denied')
t.routes(log(bad=1, how='delay 700\n  status 403'))
r = t.sync(spec('parts_denied'))
t.is_('where the last part left it', (r['status'], t.one('SELECT count(*) FROM parts_denied'), units('parts_denied', 'cursor')), ('partial', 1000, [(at(BEGIN[1]),)]))

# A part that is a unit's only one; a table that is synced with what is below it goes back to where that is complete.
fresh('parts_log')
t.routes(log(bad=1))
r = t.sync(spec('parts_log'))
t.is_('a part', (r['status'], r['rows'], units('parts_log', 'cursor', 'rows')), ('partial', 1000, [(at(BEGIN[1]) + '/..', 1000)]))
t.is_('counted once', t.rows("SELECT rows, inserted, kept, failed FROM (SELECT *, status = 'partial' AS failed FROM cq_sync_tables WHERE table_name = 'parts_log' ORDER BY sync_group_id DESC LIMIT 1)"),
      [(1000, 1000, 0, 1)])
t.routes(log())
r = t.sync(spec('parts_log', 'parts_letters'), '{"retry": "failed"}')
t.is_('what is new below it is complete', (r['status'], t.asked('/log?from=%s*' % at(BEGIN[0]).replace(':', '*')), t.one('SELECT count(*) FROM parts_letters')), ('success', 1, 2000))

# Ctrl-C: the parts before it are taken up by the next run, whatever it is.
for options in ('{"resume": true}', None):
    fresh('parts_log')
    t.routes(log(bad=1, how='hang'))
    threading.Timer(2.5, t.db.interrupt).start()
    r = t.sync(spec('parts_log'))
    t.has('interrupted', r, 'interrupted')
    t.routes(log())
    r = t.sync(spec('parts_log'), options)
    t.is_('and taken up', (r['status'], r['rows'], t.asked('/log?from=%s*' % at(BEGIN[0]).replace(':', '*')), t.one('SELECT count(*) FROM parts_log')), ('success', 1000, 0, 2000))

# Several destinations at once: each has the parts, and one that fell behind takes the others back.
TO = ', destination: {path: %s}'
here = spec('parts_log', more=', name: both, write_mode: %s, destinations: [{kind: sqlite, path: one.db}, {kind: sqlite, path: two.db}]')
for mode in ('append', 'overwrite-delete-stale'):
    for name in ('one.db', 'two.db'):
        for end in ('', '-wal', '-shm'):
            if os.path.exists(name + end):
                os.unlink(name + end)
    t.routes(log(bad=1))
    r = t.sync(here % mode)
    both = [Sync(x) for x in ('one.db', 'two.db')]
    t.is_(f'{mode}: two destinations', (r['status'], [d.rows('SELECT cursor, rows FROM cq_units') for d in both]), ('partial', [[(at(BEGIN[1]) + '/..', 1000)]] * 2))
    both[1].rows('DELETE FROM cq_units')
    both[1].rows('DELETE FROM %sparts_log' % ('raw_' if mode == 'append' else ''))
    t.routes(log())
    r = t.sync(here % mode, '{"retry": "failed"}')
    t.is_('the older of their cursors', (r['status'], [d.one('SELECT count(*) FROM parts_log') for d in both], t.asked('/log?from=%s*' % at(BEGIN[0]).replace(':', '*'))), ('success', [2000, 2000], 1))
    for d in both:
        d.db.close()

# An API that keeps so much, and needs no windows: the first of all has no beginning. A query asks once, and so does who says more.
now = int(time.time())
t.routes('GET /kept\n  body []\n')
r = t.sync(spec('parts_kept'))
seen = sorted((dict(p.split('=') for p in x['path'].split('?')[1].split('&')) for x in t.log()), key=lambda q: int(q['to']))
t.is_('as many as it keeps', (r['status'], len(seen)), ('success', 4))
t.is_('each from the end of the one before', ['from' in seen[0]] + [a['to'] == b['from'] for a, b in zip(seen, seen[1:])], [False, True, True, True])
t.is_('the last up to now', (abs(int(seen[-1]['to']) - now) < 60, abs(int(seen[-1]['to']) - int(seen[-1]['from']) - 7 * DAY) < 2), (True, True))
t.is_('nothing came: the next begins where the last window did, less the lookback', [abs(int(time.mktime(time.strptime(c[:19], '%Y-%m-%dT%H:%M:%S'))) - time.timezone + 7 * DAY - now) < 3700 for c, in units('parts_kept', 'cursor')], [True])
t.routes('GET /kept\n  body []\n')
t.sync(spec('parts_kept'))
t.is_('in two windows', (t.asked('*kept*'), abs(now - 7 * DAY - 3600 - min(int(x['path'].split('from=')[1].split('&')[0]) for x in t.log())) < 60), (2, True))
t.routes('GET /kept\n  body []\n')
t.rows('SELECT * FROM live_parts_kept')
t.is_('a query', t.asked('*kept*'), 1)
t.routes('GET /kept\n  body []\n')
r = t.sync(spec('parts_kept', more=', name: more, spec: {table_options: {parts_kept: {list_kept: [{kind: big}]}}}'))
t.is_('more is said', (r['status'], t.asked('*kept*'), t.asked('*kind=big*'), t.asked('*from=*')), ('success', 1, 1, 0))
p = json.loads(t.one('SELECT cq_plan(?)', spec('parts_kept', more=', name: plan')))
t.is_('as many as a plan tells', [r['requests'] for s in p['sources'] for x in s['tables'] for r in x['requests']], [4])
t.done()
