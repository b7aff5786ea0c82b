"""What the tests of odd servers share: cq in this process over the mock.

  t = Odd(); t.routes('GET /list\\n  body []\\n')
  t.tries('SELECT * FROM odd_list')     # rows, or the error's text
  t.is_('a fact', seen, wanted); t.done()
"""
import json
import os
import socket
import sqlite3
import threading
import urllib.request

ROOT = os.environ['CQ_ROOT']
MOCK = os.environ['CQ_MOCK_URL']
SPEC = ROOT + '/tests/fault/fixtures/odd.yml'
os.environ['ODD_URL'] = MOCK


class Odd:
    def __init__(self, **settings):
        self.n = self.bad = 0
        self.settings = settings
        self.open()

    def open(self):
        self.db = sqlite3.connect('test.db', isolation_level=None, check_same_thread=False)
        self.db.enable_load_extension(True)
        self.db.load_extension(os.environ['CQ_SO'][:-3])
        self.db.execute('SELECT cq_load(?)', (SPEC,))
        for name, value in self.settings.items():
            self.db.execute('SELECT cq_config(?, ?)', (name, value))

    def ask(self, path, data=None, method='GET'):
        with urllib.request.urlopen(urllib.request.Request(f'{MOCK}/-/{path}', data, method=method)) as r:
            return r.read()

    def routes(self, text):
        """Replaces the mock's routes, and forgets what it was asked."""
        self.ask('reset', method='POST')
        if text:
            self.ask('routes', text.encode(), 'PUT')

    def asked(self, glob='*'):
        return int(self.ask('count?path=' + urllib.request.quote(glob)))

    def peak(self):
        return int(self.ask('peak'))

    def log(self):
        return [json.loads(line) for line in self.ask('log').splitlines()]

    def rows(self, sql, *args):
        return self.db.execute(sql, args).fetchall()

    def one(self, sql, *args):
        return self.rows(sql, *args)[0][0]

    def tries(self, sql, *args):
        try:
            return self.rows(sql, *args)
        except sqlite3.Error as e:
            return str(e)

    def is_(self, name, seen, wanted):
        self.n += 1
        if seen == wanted:
            print(f'ok {self.n} - {name}', flush=True)
        else:
            self.bad += 1
            print(f'not ok {self.n} - {name}\n#   {seen!r}\n# not\n#   {wanted!r}', flush=True)

    def has(self, name, seen, part):
        self.is_(name, part if part in str(seen) else seen, part)

    def done(self):
        self.db.close()
        print(f'1..{self.n}')
        raise SystemExit(self.bad != 0)


class Raw:
    """A server that sends exactly the bytes that `reply(path)` gives, then closes."""

    def __init__(self, reply):
        self.reply, self.count = reply, 0
        self.sock = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self.sock.getsockname()[1]}'
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            c, _ = self.sock.accept()
            try:
                head = b''
                while b'\r\n\r\n' not in head:
                    more = c.recv(65536)
                    if not more:
                        break
                    head += more
                if head:
                    self.count += 1
                    c.sendall(self.reply(head.split()[1].decode()))
                c.shutdown(socket.SHUT_WR)
                while c.recv(65536):
                    pass
            except OSError:
                pass
            c.close()
