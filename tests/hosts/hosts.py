"""One scenario for every program that SQLite lives in.

  import hosts; hosts.scenario('a name', [program, argument...], can='...')

The program is given a line at a time, words with tabs between them, and does:
  open C FILE            a connection named C, with cq loaded
  load C                 cq once more
  rows C SQL             each row on a line, "= " before it: values as text,
                         NULL for NULL, "|" between them
  half C SQL             one row only; the query stays open
  interrupt C FILE SQL   rows, and once FILE exists the query is interrupted
  threads N SQL          N threads, each with a connection of its own: each row
  close C                with what is open in it
and ends each answer with "ok", or "error " and the message, its newlines as \\n.
At the end of its input it ends, whatever is open.  Its first line says what
it is and can: "NAME SQLITE-VERSION" and words of CAN.
"""
import os
import re
import subprocess
import sys
import threading
import time

ROOT, MOCK = os.environ['CQ_ROOT'], os.environ['CQ_MOCK_URL']
sys.path.insert(0, ROOT + '/tests')
import shared

HERE = ROOT + '/tests/hosts/'
CAN = {'interrupt': 'another thread interrupts a query', 'progress': 'a progress handler ends a query',
       'half': 'a query stays half read', 'threads': 'threads'}
VERSION = re.search(r'CQ_VERSION +"(.*)"', open(ROOT + '/ext/cq.h').read())[1]
os.environ['CQ_PATH'] = HERE + 'host.yml'
os.environ['HOST_URL'] = MOCK
T = shared.Mocked()
is_, done = T.is_, T.done


class Host:
    """The program, running."""

    errors = None                                 # where its second stream goes, if not into a file

    def __init__(self, argv, env=None):
        self.log = open('stderr.txt', 'ab+')
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors or self.log, text=True,
                                  env={**os.environ, **(env or {})}, encoding='utf-8')
        self.hello = self.line()

    def line(self):
        line = self.p.stdout.readline()
        if not line:
            self.log.seek(0)
            raise SystemExit(f'# it ended: status {self.p.wait()}\n' + self.log.read()[-2000:].decode(errors='replace'))
        return line.rstrip('\n')

    def answer(self):
        """A list of rows, or the error's text."""
        rows = []
        while True:
            line = self.line()
            if line == 'ok':
                return rows
            if line.startswith('error '):
                return line[6:].replace('\\n', '\n')
            rows.append(line[2:] if line.startswith('= ') else line)

    def say(self, *words):
        self.p.stdin.write('\t'.join(str(w) for w in words) + '\n')
        self.p.stdin.flush()

    def do(self, *words):
        self.say(*words)
        return self.answer()

    def interrupted(self, name, sql, path):
        """What comes of a query that is interrupted once the server was asked."""
        routes()
        flag = os.path.abspath('flag')
        if os.path.exists(flag):
            os.unlink(flag)

        def wait():
            while T.asked(path) == 0:
                time.sleep(0.01)
            open(flag, 'w').close()

        t = threading.Thread(target=wait, daemon=True)
        t.start()
        return self.do('interrupt', name, flag, sql)

    def held(self):
        """How many threads and descriptors it has, once that has settled."""
        def now():
            return tuple(len(os.listdir(f'/proc/{self.p.pid}/{what}')) for what in ('task', 'fd'))
        seen = now()
        for _ in range(50):
            time.sleep(0.02)
            last, seen = seen, now()
            if last == seen:
                break
        return seen

    def end(self):
        """The exit status; a signal's number, negative."""
        self.p.stdin.close()
        rest = self.p.stdout.read()
        status = self.p.wait()
        return status if not rest else (status, rest)


def routes():
    T.routes(open(HERE + 'routes.txt').read())


ITEMS = [f'x|{i}|Zoë {i}|{i}.5|{{"n":[{i},null]}}' for i in range(1, 9)]
SYNC = "SELECT cq_sync('{source: host, tables: [host_items], progress: off}') ->> 'status'"
DENIED = 'SELECT * FROM host_denied'


def scenario(name, argv, can='half interrupt threads', env=None, host=Host):
    can, file = can.split(), f'{T.n}.db'
    h = host(argv, env)
    words = h.hello.split()
    is_(f'{name} says what it can', words[2:], can)
    is_(f'{name}: SQLite is 3.40.1 or later', tuple(int(n) for n in words[1].split('.')) >= (3, 40, 1), True)
    label = f'{name}, SQLite {words[1]}'
    for word in CAN.keys() - set(can):
        print(f'# {label}: it has no way for this: {CAN[word]}')
    routes()

    def t(what, seen, wanted):
        is_(f'{label}: {what}', seen, wanted)

    t('load', h.do('open', 'a', ':memory:'), [])
    t('the version', h.do('rows', 'a', 'SELECT cq_version()'), [VERSION])
    t('load again', h.do('load', 'a'), [])
    t('live rows', h.do('rows', 'a', 'SELECT room, id, name, score, extra FROM host_items ORDER BY id'), ITEMS)
    t('NULL and sums', h.do('rows', 'a', 'SELECT NULL, count(*), sum(score) FROM host_items WHERE id > 3'), ['NULL|5|32.5'])

    t('open a file', h.do('open', 'f', file), [])
    t('sync into it', h.do('rows', 'f', SYNC), ['success'])
    T.routes('')                                      # nothing more can be asked
    t('the snapshot', h.do('rows', 'f', 'SELECT room, id, name, score, extra FROM host_items ORDER BY id'), ITEMS)
    t('what the name means', h.do('rows', 'f', "SELECT resolves_to FROM cq_tables WHERE name = 'host_items'"), ['snapshot'])
    routes()

    seen = h.do('rows', 'a', DENIED)
    t('an error whole', seen, f'host_denied (host): GET {MOCK}/denied: HTTP 403: Zoë may not: 100% "quoted" | piped')
    t('in any letters', h.do('rows', 'a', """SELECT cq_load('/Zoë "100%s" | ''x''.yml')"""),
      """/Zoë "100%s" | 'x'.yml: no such file or folder""")
    t('a bad spec, and where', h.do('rows', 'a', "SELECT cq_sync('{source: host, tabels: [x]}')"),
      'spec:1: sync: unknown key "tabels"\nhint: did you mean "tables"?')
    t('the connection is whole after errors', h.do('rows', 'a', 'SELECT count(*) FROM host_items'), ['8'])

    t('a second connection', h.do('open', 'b', ':memory:'), [])
    t('settings are its own', [h.do('rows', c, s) for c, s in (('b', "SELECT cq_config('host.rooms', '[\"y\", \"z\"]') IS NOT NULL"),
      ('a', 'SELECT count(*) FROM host_items'), ('b', 'SELECT count(*) FROM host_items'))], [['1'], ['8'], ['16']])
    if 'half' in can:
        t('both half read', [h.do('half', c, 'SELECT id FROM host_endless') for c in 'ab'], [['1'], ['1']])
        t('and others go on', h.do('rows', 'a', 'SELECT count(*) FROM host_items'), ['8'])
        t('close half read', h.do('close', 'b'), [])
    else:
        t('close', h.do('close', 'b'), [])
    t('the other is untouched', h.do('rows', 'a', 'SELECT count(*) FROM host_items'), ['8'])

    h.do('open', 'i', file)
    if 'interrupt' in can or 'progress' in can:
        how = 'interrupted from another thread' if 'interrupt' in can else 'ended by its progress handler'
        for what, sql, path in (('a query of a silent server', 'SELECT count(*) FROM host_silent', '/silent*'),
                                ('a query without end', 'SELECT count(*) FROM host_endless', '/endless*'),
                                ('a sync from a silent server', SYNC.replace('items', 'silent'), '/silent*'),
                                ('a sync without end', SYNC.replace('items', 'endless'), '/endless*')):
            seen = h.interrupted('i', sql, path)
            t(f'{what}, {how}', 'interrupted' if 'interrupt' in str(seen).lower() else seen, 'interrupted')
            t(f'after {what}', h.do('rows', 'i', 'SELECT count(*) FROM live_host_items'), ['8'])
        h.do('open', 'j', file)
        t('the runs say so', h.do('rows', 'j', 'SELECT status FROM cq_syncs ORDER BY sync_time'), ['success'] + ['interrupted'] * 2)
        h.do('close', 'j')
    else:
        h.do('rows', 'i', "SELECT cq_config('timeout', 1)")
        t('it cannot interrupt; a silent server is left after the timeout', h.do('rows', 'i', 'SELECT * FROM host_silent'),
          f'host_silent (host): GET {MOCK}/silent: no answer within 1000 ms (after 2 attempts)')
        t('after it', h.do('rows', 'i', 'SELECT count(*) FROM live_host_items'), ['8'])
    h.do('close', 'i')

    for i in range(220):
        if i == 20:
            before = h.held()
        r = [h.do('open', 'c', ':memory:'), h.do('rows', 'c', 'SELECT count(*) FROM host_items') if i % 10 == 0 else ['8'], h.do('close', 'c')]
        if r != [[], ['8'], []]:
            break
    t('220 times open, load, close', (i, r), (219, [[], ['8'], []]))
    after = h.held()
    t(f'threads and descriptors do not grow ({before[0]} and {before[1]})', [a < b + 15 for b, a in zip(before, after)], [True, True])
    if 'threads' in can:
        t('4 threads, a connection each', h.do('threads', 4, 'SELECT count(*), cq_version() FROM host_items'), ['8|' + VERSION] * 4)
    for c in 'af':
        h.do('close', c)
    t('exit, all closed', h.end(), 0)

    for i in range(3):
        h = host(argv, env)
        h.do('open', 'a', file)
        h.do('rows', 'a', 'SELECT count(*) FROM live_host_items')
        t('exit, a connection open', h.end(), 0)
        if 'half' in can:
            h = host(argv, env)
            h.do('open', 'a', ':memory:')
            h.do('half', 'a', 'SELECT id FROM host_endless')
            t('exit, a query half read', h.end(), 0)
