# timeout: 180
# Several destinations of one source: each gets the same rows from one fetch, and none waits for a slow one or goes down with
# a dead one. A slow one is PostgreSQL behind a proxy that passes little on.
import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import postgres
from conformance import CREW, SHIPS
from proxy import Proxy
from synctest import Sync


class Slow(Proxy):
    """Holds back what goes to the server while `free` is not set."""

    def __init__(self, to):
        self.free = threading.Event()
        self.free.set()
        super().__init__(to)

    def passes(self, data, client, server, up):
        if up:
            self.free.wait()
        return super().passes(data, client, server, up)


pg = postgres.Server()
proxy = Slow(pg.port)
slow_url = f'postgresql://postgres@127.0.0.1:{proxy.port}/postgres'
t = Sync()


def spec(*more, tables='fleet_crews'):
    return '{source: fleet, tables: [%s], destinations: [main, %s]}' % (tables, ', '.join(more))


def status(r):
    return [d['status'] for d in r.get('destinations', [])]


PG = '{kind: postgresql, name: pg, reconnect_timeout: 2s, connection_string: "%s"}' % slow_url
FILES = '{kind: file, name: files, path: out, format: json}'
DEAD = '{kind: postgresql, name: dead, connection_string: "postgresql://postgres:hunter22@127.0.0.1:1/postgres"}'
try:
    t.routes(SHIPS + CREW)
    r = t.sync(spec(PG, FILES))
    t.is_('three at once', (r['status'], status(r), r['rows'], t.asked('*ships?page*'), t.asked('*crew*')), ('success', ['success'] * 3, 7, 3, 5))
    mine = t.rows('SELECT port, id, name, _cq_id FROM fleet_ships ORDER BY _cq_id')
    t.is_('the same rows there', [tuple(json.loads(x)) for x in
                                  pg.psql("SELECT json_build_array(port, id, name, _cq_id) FROM fleet_ships ORDER BY _cq_id").stdout.splitlines()], mine)
    t.is_('and the same run', t.one('SELECT max(sync_group_id) FROM cq_syncs'), int(pg.psql('SELECT max(sync_group_id) FROM cq_syncs').stdout))

    # one that is not there
    t.routes(SHIPS + CREW)
    r = t.sync(spec(PG, DEAD))
    t.is_('a dead one: the others have all', (r['status'], status(r), t.asked('*ships?page*')), ('partial', ['success', 'success', 'failed'], 3))
    t.has('it is named, and why', r['errors'], 'dead')
    t.is_('without its password', 'hunter22' in str(r) + str(t.rows('SELECT * FROM cq_sync_errors')), False)
    t.has('strict raises', t.sync(spec(PG, DEAD)[:-1] + ', strict: true}')['raised'], 'partial')

    # some that take a connection and never say a word: all are waited for at once, and no longer than their limit
    mute = socket.create_server(('127.0.0.1', 0))
    at = f'127.0.0.1:{mute.getsockname()[1]}'
    kinds = {'pg': f'{{kind: postgresql, name: pg, open_timeout: 1s, connection_string: "postgresql://postgres@{at}/postgres"}}',
             'ch': f'{{kind: clickhouse, name: ch, open_timeout: 1s, connection_string: "clickhouse://{at}/default"}}',
             's3': f'{{kind: s3, name: s3, open_timeout: 1s, bucket: lake, path: x, format: json, region: eu-central-1, endpoint: "http://{at}", '
                   'use_path_style: true, credentials: {access_key_id: a, secret_access_key: b}}'}
    t.routes(SHIPS.replace('Fram', 'Mute') + CREW)
    r = t.sync(spec(*kinds.values()))
    t.is_('mute ones: the other has all', (r['status'], status(r), t.one("SELECT count(*) FROM fleet_ships WHERE name = 'Mute'")),
          ('partial', ['success', 'failed', 'failed', 'failed'], 1))
    t.is_('each is told, and why', sorted(e['message'] for e in r['errors']), [f'destination {k}: did not answer within 1 s' for k in ('ch', 'pg', 's3')])
    t.is_('the wait is in the time', r['ms'] >= 1000, True)
    t.has('cq_test says the same', t.one('SELECT cq_test(?)', spec(kinds['ch'])), 'destination ch: did not answer within 1 s')
    t.has('none at all', t.sync(spec(PG)[:-1] + ', open_timeout: 0s}')['raised'], 'open_timeout: no destination could answer')

    # the default limit, ended by an interrupt
    t.db.set_progress_handler(None, 0)
    threading.Timer(0.5, t.db.interrupt).start()
    r = t.sync(spec(*(k.replace('open_timeout: 1s, ', '') for k in kinds.values())))
    t.is_('an interrupt ends the wait', r['raised'], 'interrupted')
    mute.close()

    # one that passes nothing on for a while: the others are published meanwhile
    t.routes(SHIPS.replace('Fram', 'Maud') + CREW)
    seen = []

    def look():
        other = Sync()
        for _ in range(300):
            if other.one("SELECT count(*) FROM fleet_ships WHERE name = 'Maud'"):
                seen.append((time.monotonic(), pg.psql("SELECT count(*) FROM fleet_ships WHERE name = 'Maud'").stdout.strip()))
                break
            time.sleep(0.02)
        time.sleep(0.5)
        proxy.free.set()

    def hold():
        while not t.asked('*ships?page*'):
            time.sleep(0.01)
        proxy.free.clear()
        look()

    watcher = threading.Thread(target=hold)
    watcher.start()
    r = t.sync(spec(PG))
    proxy.free.set()
    watcher.join()
    t.is_('a slow one: the other is published before it', (r['status'], [x[1] for x in seen]), ('success', ['0']))
    t.is_('and has all in the end', pg.psql("SELECT count(*) FROM fleet_ships WHERE name = 'Maud'").stdout.strip(), '1')

    # cut for good in the middle: what it had stays
    t.routes(SHIPS.replace('Fram', 'Gjoa II').replace('GET /rome/ships?page=1\n', 'GET /rome/ships?page=1\n  delay 1200\n') + CREW)

    def cut():
        while not t.asked('*rome/ships*'):
            time.sleep(0.01)
        proxy.stop()
        proxy.cut()
    watcher = threading.Thread(target=cut)
    watcher.start()
    r = t.sync(spec(PG))
    watcher.join()
    t.is_('cut in the middle', (r['status'], status(r)), ('partial', ['success', 'failed']))
    t.is_('what is not there is not told', [(d['rows'], d['inserted']) for d in r['destinations']], [(7, 7), (0, 0)])
    t.is_('this one is new, that one as it was', (t.one("SELECT count(*) FROM fleet_ships WHERE name = 'Gjoa II'"),
                                                  pg.psql("SELECT count(*) FROM fleet_ships WHERE name = 'Maud'").stdout.strip()), (1, '1'))
    proxy = Slow(pg.port)
    PG = PG.replace(slow_url, f'postgresql://postgres@127.0.0.1:{proxy.port}/postgres')
    t.routes(SHIPS.replace('Fram', 'Gjoa II') + CREW)
    r = t.sync(spec(PG))
    t.is_('and the next run is whole', (r['status'], r.get('errors'), pg.psql("SELECT count(*) FROM fleet_ships WHERE name = 'Gjoa II'").stdout.strip(),
                                        pg.psql("SELECT count(*) FROM cq_syncs WHERE unsettled = 1 OR status = 'running'").stdout.strip()), ('success', [], '1', '0'))

    # parents' rows that one cannot read are read from another
    pg.psql("""CREATE ROLE app LOGIN; CREATE SCHEMA app AUTHORIZATION app; ALTER ROLE app SET search_path = app;
CREATE FUNCTION fails() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not to be read'; END $$""")
    apart = '{source: fleet, tables: [fleet_crews], destinations: [{kind: postgresql, name: pg, connection_string: "%s"}, main]}' % pg.url('app')
    t.routes(SHIPS + CREW.replace('GET /oslo/ships/1/crew\n', 'GET /oslo/ships/1/crew\n  status 400\n'))
    r = t.sync(apart)
    t.is_('a table below fails', (r['status'], status(r)), ('partial', ['partial', 'partial']))
    pg.psql("""SET ROLE app; ALTER TABLE app.raw_fleet_ships ENABLE ROW LEVEL SECURITY; ALTER TABLE app.raw_fleet_ships FORCE ROW LEVEL SECURITY;
CREATE POLICY reading ON app.raw_fleet_ships FOR SELECT USING (public.fails())""")
    t.routes(SHIPS + CREW)
    r = t.sync(apart, '{"retry":"failed"}')
    t.is_('it is asked again for parents that the second can read', (r['status'], r.get('errors'), status(r), t.asked('*ships?page*')), ('success', [], ['success', 'success'], 0))
    t.has('two of one name', t.sync(spec(PG, PG)).get('raised'), 'a second one of that name')
finally:
    pg.stop()
t.done()
