# What an incremental table may ask for: as far back as its API keeps (with a word of what is lost), in minutes, by a time that only a call
# brings; and one whose cursor is used only where the source says so.
import json
import os
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

with open('feeds.yml', 'w', encoding='utf-8') as f:
    f.write('''format: 1
integration: feeds
config: {url: {type: text, default: "${FLEET_URL}"}}
clients: {port: {values: [oslo]}}
defaults: {request: {url: "{{ config.url }}"}, page: {by: none}, rows_optional: true}
tables:
  feeds_kept:
    request: {path: /kept, query: {since: "{{ cursor.from }}", all: "{{ null if cursor.from else 1 }}"}}
    rows: "[*]"
    key: [id]
    cursor: {column: at, order: none, keeps: 1s}
    columns: {id: integer, at: timestamp}
  feeds_long:
    request: {path: /long, query: {since: "{{ cursor.from }}", all: "{{ null if cursor.from else 1 }}"}}
    rows: "[*]"
    key: [id]
    cursor: {column: at, order: none, keeps: 14d, lookback: 1h}
    columns: {id: integer, at: timestamp}
  feeds_minutes:
    request: {path: /minutes, query: {last: "{{ cursor.from or 20160 }}"}}
    rows: "[*]"
    key: [id]
    cursor: {column: at, order: none, keeps: 14d, format: minutes}
    columns: {id: integer, at: timestamp}
  feeds_told:
    request: {path: /told, query: {since: "{{ cursor.from }}"}}
    rows: "[*]"
    key: [id]
    cursor: {column: at, order: none}
    columns: {id: integer, at: {type: timestamp, call: one}}
    calls: {one: {request: {path: "/told/{{ row.id }}"}}}
  feeds_found:
    request: {path: /found, query: {since: "{{ cursor.from }}"}}
    rows: "[*]"
    key: [id]
    cursor: {column: at, order: none, optional: true}
    columns: {id: integer, at: timestamp, state: text}
  feeds_below:
    parent: feeds_found
    request: {path: "/found/{{ parent.id }}"}
    rows: "[*]"
    key: [found, n]
    columns: {found: {type: integer, from: parent.id}, n: integer}
  feeds_rooms:
    request: {path: /rooms}
    rows: "[*]"
    key: [id]
    columns: {id: integer}
  feeds_words:
    parent: feeds_rooms
    request: {path: "/rooms/{{ parent.id }}", query: {since: "{{ cursor.from }}"}}
    rows: "[*]"
    key: [room, id]
    cursor: {column: at, order: none}
    columns: {room: {type: integer, from: parent.id}, id: integer, at: timestamp}
''')
os.environ['CQ_PATH'] += ':feeds.yml'
t = Sync()


def ago(seconds):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() - seconds))


def spec(*tables, more=''):
    return '{source: feeds, tables: [%s]%s}' % (', '.join(tables), more)


def notes():
    return t.rows("SELECT table_name, kind, message, hint FROM cq_sync_errors ORDER BY rowid")


# What is farther back than the API keeps is not asked for by its time.
t.routes('GET /long\n  body [{"id":1,"at":"%s"}]\n' % ago(86400))
t.sync(spec('feeds_long'))
r = t.sync(spec('feeds_long'))
day = ago(86400 + 3600)[:13]
t.is_('a day back, and the lookback', (r['status'], t.asked(f'/long?since={day}*'), t.asked('/long?all=1')), ('success', 1, 1))
t.routes('GET /long\n  body [{"id":2,"at":"%s"}]\n' % ago(20 * 86400))
t.db.execute("UPDATE cq_units SET cursor = '%s' WHERE table_name = 'feeds_long'" % ago(20 * 86400))
r = t.sync(spec('feeds_long'))
t.is_('twenty days: everything, and nothing is lost, since it was read a moment ago', (r['status'], t.asked('/long?all=1'), notes()), ('success', 1, []))

# More time went by than is kept.
t.routes('GET /kept\n  body [{"id":1,"at":"%s"}]\n' % ago(0))
r = t.sync(spec('feeds_kept'))
t.is_('first: nothing to be lost', (r['status'], notes()), ('success', []))
time.sleep(1.2)
r = t.sync(spec('feeds_kept'))
t.is_('told, not failed', (r['status'], t.asked('/kept?all=1'), [(a, b) for a, b, _, _ in notes()]), ('success', 2, [('feeds_kept', 'warning')]))
t.has('what', notes()[0][2], ' may be missing: the API cannot be asked about it any more')

# How many minutes ago.
t.routes('GET /minutes\n  body [{"id":1,"at":"%s"}]\n' % ago(3630))
t.sync(spec('feeds_minutes'))
t.sync(spec('feeds_minutes'))
t.is_('in minutes, no less', (t.asked('/minutes?last=20160'), t.asked('/minutes?last=61')), (1, 1))

# A time that comes with a call.
t.routes('GET /told?!since\n  body [{"id":1},{"id":2}]\nGET /told?since=2024-02-02T00:00:00Z\n  body []\n'
         'GET /told/1\n  body {"at":"2024-01-01T00:00:00Z"}\nGET /told/2\n  body {"at":"2024-02-02T00:00:00Z"}\n')
t.sync(spec('feeds_told'))
r = t.sync(spec('feeds_told'))
t.is_('by the time of a call', (r['status'], r['rows'], t.rows('SELECT cursor FROM cq_units WHERE table_name = \'feeds_told\'')),
      ('success', 0, [('2024-02-02T00:00:00Z',)]))
t.rows('SELECT id FROM live_feeds_told')
t.is_('a query that does not want it makes no call', t.asked('/told/*'), 2)

# An optional cursor: without a word of the source the table is a snapshot.
FOUND = '''GET /found?!since
  body [{"id":1,"at":"2024-01-01T00:00:00Z","state":"new"},{"id":2,"at":"2024-01-02T00:00:00Z","state":"new"}]
GET /found?since=2024-01-02T00:00:00Z
  body [{"id":1,"at":"2024-01-03T00:00:00Z","state":"done"}]
GET /found/*
  body [{"n":1}]
'''
STALE = ', write_mode: overwrite-delete-stale, destination: {path: %s}'
t.routes(FOUND)
t.sync(spec('feeds_found', 'feeds_below'))
r = t.sync(spec('feeds_found', 'feeds_below'))
t.is_('all of it again', (r['status'], r['rows'], t.asked('/found?since*'), t.rows("SELECT DISTINCT cursor FROM cq_units WHERE table_name IN ('feeds_found', 'feeds_below')")),
      ('success', 4, 0, [('',)]))
t.routes(FOUND.replace(',{"id":2,"at":"2024-01-02T00:00:00Z","state":"new"}', ''))
t.sync(spec('feeds_found', 'feeds_below'))
t.is_('and what went is gone', (t.rows('SELECT id FROM feeds_found'), t.rows('SELECT found FROM feeds_below')), ([(1,)], [(1,)]))
for mode in ('append', 'overwrite', 'overwrite-delete-stale'):
    path = f'{mode}.db'
    more = f', incremental: [feeds_*], write_mode: {mode}, destination: {{path: {path}}}'
    t.routes(FOUND)
    t.sync(spec('feeds_found', 'feeds_below', more=more))
    r = t.sync(spec('feeds_found', 'feeds_below', more=more))
    own = Sync(path)
    t.is_(f'{mode}: what changed since', (r['status'], r['rows'], t.asked('/found'), t.asked('/found?since*'), t.asked('/found/2')), ('success', 2, 1, 1, 1))
    t.is_(f'{mode}: the new of what changed, and the rest', own.rows('SELECT id, state FROM feeds_found ORDER BY 1'), [(1, 'done'), (2, 'new')])
    t.is_(f'{mode}: below it too', own.rows('SELECT found FROM feeds_below ORDER BY 1'), [(1,), (2,)])
    # and a snapshot again, with what that means for rows that are no more
    t.routes(FOUND.replace('{"id":1,"at":"2024-01-01T00:00:00Z","state":"new"},', ''))
    r = t.sync(spec('feeds_found', 'feeds_below', more=more.replace(', incremental: [feeds_*]', '')))
    left = {'overwrite': [(1,), (2,)]}.get(mode, [(2,)])
    t.is_(f'{mode}: a snapshot again', (r['status'], own.rows('SELECT id FROM feeds_found ORDER BY 1'), own.rows('SELECT found FROM feeds_below ORDER BY 1')),
          ('success', left, left))
    t.routes(FOUND)
    r = t.sync(spec('feeds_found', more=more))
    t.is_(f'{mode}: and incremental anew, from the start', (r['status'], r['rows'], own.rows('SELECT id, state FROM feeds_found ORDER BY 1')),
          ('success', 2, [(1, 'new'), (2, 'new')]))
t.is_('the plan knows', [p['incremental'] for p in json.loads(t.one('SELECT cq_plan(?)', spec('feeds_found', 'feeds_long')))['sources'][0]['tables']],
      [False, True])
t.has('a pattern for nothing', t.raises('SELECT cq_sync(?)', spec('feeds_below', more=', incremental: [feeds_below]')),
      'source feeds: incremental: matches no table that is read and has a cursor: feeds_below')
# of a cursor for each parent, each never passes the run's start
t.routes('GET /rooms\n  body [{"id":1},{"id":2}]\nGET /rooms/1?!since\n  body [{"id":1,"at":"2124-01-01T00:00:00Z"}]\nGET /rooms/2?!since\n  body [{"id":1,"at":"2024-01-01T00:00:00Z"}]\n'
         'GET /rooms/*\n  body []\n')
SPEC = '{source: feeds, name: words, tables: [feeds_rooms, feeds_words], progress: off}'
r = t.sync(SPEC)
began = t.one('SELECT max(sync_time) FROM cq_syncs')
t.is_('a cursor for each parent', (r['status'], sorted(json.loads(t.one("SELECT cursor FROM cq_units WHERE table_name = 'feeds_words'")).values())), ('success', ['2024-01-01T00:00:00Z', began]))
t.sync(SPEC)
sent = began[:-1].rstrip('0').rstrip('.') + 'Z'  # as times are sent: no zeros at the end
t.is_('and each is asked from its own', sorted(r['path'].replace('%3A', ':') for r in t.log() if r['path'].startswith('/rooms/')), ['/rooms/1', f'/rooms/1?since={sent}', '/rooms/2', '/rooms/2?since=2024-01-01T00:00:00Z'])
t.done()
