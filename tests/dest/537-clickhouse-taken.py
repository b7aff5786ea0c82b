# timeout: 240
# ClickHouse: a run that is taken for dead and settled by the next, and goes on afterwards.
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import clickhouse
import conformance

PORTS = ['bari', 'cork', 'oslo', 'rome']


def routes(t, n, delay):
    text = ''
    for p in PORTS:
        rows = ','.join('{"id":%d,"name":"v%d"}' % (i, n) for i in (1, 2))
        text += f'GET /{p}/ships?page=1\n  body [{rows}]\n'
    crew = '  body [{"id":1,"name":"v%d"}]\n' % n
    t.routes(text + 'GET /rome/ships/*/crew\n  delay %d\n' % delay + crew + 'GET /*/ships/*/crew\n' + crew)


t = conformance.Sync()
for server, cases in ((clickhouse.Debian(), (('append', None), ('append', '{"resume": true}'), ('overwrite', None))),
                      (clickhouse.Modern(), (('append', '{"resume": true}'), ('overwrite-delete-stale', None)))):
    store = clickhouse.Store(server)
    suite = conformance.Suite(store)
    suite.t = t
    for mode, options in cases:
        store.fresh()
        routes(t, 1, 0)
        spec = suite.spec('fleet_crews', mode, ', spec: {ports: %s}' % PORTS)
        first = t.sync(spec)['sync_group_id']
        routes(t, 2, 9000)
        child = suite.child(spec, '{}')
        until = time.monotonic() + 20
        while not [g for g, in store.read('cq_sync_units', ['sync_group_id']) if g > first] and time.monotonic() < until:
            time.sleep(0.05)
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.5)   # what it has sent is in
        before = max(g for g, in store.read('cq_syncs', ['sync_group_id']))
        t.is_('it has written, and is under way', (before > first, child.poll()), (True, None))
        # as if it had not said a word for hours
        server.query("INSERT INTO cq.raw_cq_syncs SELECT * REPLACE ('2020-01-01T00:00:00.000000Z' AS updated, version + 1 AS version) FROM (SELECT * FROM cq.raw_cq_syncs FINAL) "
                     'WHERE sync_group_id = %d' % before if server.version[:2] != '18' else
                     "INSERT INTO cq.raw_cq_syncs SELECT sync_group_id, source_name, integration, destination_name, write_mode, sync_group, kind, status, sync_time, tables, units, units_done, rows, errors, requests, "
                     "retries, throttled_ms, bytes, started, '2020-01-01T00:00:00.000000Z' AS u, finished, message, owner, unsettled, gone, version + 1 AS v FROM (SELECT * FROM cq.raw_cq_syncs FINAL) WHERE sync_group_id = %d" % before)
        routes(t, 3, 0)
        r = t.sync(spec, options)
        child.send_signal(signal.SIGCONT)
        said = child.communicate()[0].strip()
        seen = sorted({x for x, in store.read('fleet_ships', ['name'])}), {(p, x) for p, x in store.read('fleet_crews', ['port', 'name'])}
        t.is_(f'{server.version} {mode} {options}: the next takes it over, and it ends', (r['status'], said), ('success', 'failed'))
        own = 'v2' if options else 'v3'   # what was whole is gone on from
        t.is_('what is shown', seen, ([own], {(p, 'v3' if p == 'rome' else own) for p in PORTS}))
        t.is_('all of it', (len(store.read('fleet_ships', ['id'])), len(store.read('fleet_crews', ['id']))), (8, 8))
        t.is_('the journal says so', [(x, y) for g, x, y in sorted(store.read('cq_syncs', ['sync_group_id', 'status', 'unsettled']))], [('success', 0), ('interrupted', 0), ('success', 0)])
        t.is_('nothing of it is under way', [x for x in store.read('cq_sync_tables', ['status']) if x[0] in ('running', 'waiting')], [])
        covered = {(x, y, z) for x, y, z in store.read('cq_sync_units', ['table_name', 'client_id', 'sync_group_id']) if z == before}
        left = {(table, c, g) for table in ('fleet_ships', 'fleet_crews') for c, g in store.read('raw_' + table, ['_cq_client_id', '_cq_sync_group_id']) if g == before}
        t.is_('nor are rows left of it', left - covered if options else left, set())
    if server.version.startswith('18.'):
        # killed while the server still works at its claim, which comes in after it is dead: what tells such a claim, and a late one by hand
        store.fresh()
        routes(t, 1, 0)
        t.sync(spec)
        server.query('ALTER TABLE cq.raw_cq_syncs ADD COLUMN slow UInt8 DEFAULT sleep(2)')
        child, asked = suite.child(spec, '{}'), "SELECT query_id FROM system.processes WHERE query_id LIKE 'cq_claim_%'"
        until = time.monotonic() + 20
        while not (claim := server.rows(asked)) and time.monotonic() < until:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        while server.rows(asked):
            time.sleep(0.1)
        server.query('ALTER TABLE cq.raw_cq_syncs DROP COLUMN slow')
        t.is_('killed at its claim', (child.returncode, len(claim), sorted(store.read('cq_syncs', ['status', 'unsettled']))), (-9, 1, [('running', 1), ('success', 0)]))
        late = threading.Thread(target=server.query, args=(
            "INSERT INTO cq.raw_cq_syncs SELECT sync_group_id + 1 AS g, source_name, integration, destination_name, write_mode, sync_group, kind, status, sync_time, tables, units, units_done, rows, "
            "errors, requests, retries, throttled_ms, bytes, started, updated, finished, message, owner, unsettled, gone, version + 1 AS v FROM (SELECT * FROM cq.raw_cq_syncs FINAL) "
            "WHERE unsettled = 1 AND sleep(3) = 0",), kwargs={'query_id': claim[0][0] + '9'})
        late.start()
        while not server.rows(asked):
            time.sleep(0.02)
        routes(t, 2, 0)
        r = t.sync(spec)
        late.join()
        t.is_('what comes in late is waited for, and settled', (r['status'], sorted(store.read('cq_syncs', ['status', 'unsettled']))),
              ('success', [('interrupted', 0), ('interrupted', 0), ('success', 0), ('success', 0)]))
        routes(t, 3, 0)
        r = t.sync(spec, '{"resume": true}')
        t.is_('so that a later resume asks for all', (r['status'], sorted({x for x, in store.read('fleet_ships', ['name'])})), ('success', ['v3']))
    store.close()
t.done()
