"""What the tests of odd servers share: cq in this process over the mock.

  t = Odd(); t.routes('GET /list\\n  body []\\n')
  t.tries('SELECT * FROM odd_list')     # rows, or the error's text
  t.is_('a fact', seen, wanted); t.done()
"""
import os
import socket
import sys
import threading

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import MOCK, Mocked, connect

ROOT = os.environ['CQ_ROOT']
SPEC = ROOT + '/tests/fault/fixtures/odd.yml'
os.environ['ODD_URL'] = MOCK


class Odd(Mocked):
    def __init__(self, **settings):
        super().__init__()
        self.settings = settings
        self.open()

    def open(self):
        self.db = connect(check_same_thread=False)
        self.db.execute('SELECT cq_load(?)', (SPEC,))
        for name, value in self.settings.items():
            self.db.execute('SELECT cq_config(?, ?)', (name, value))

    def done(self):
        self.db.close()
        super().done()


class Server:
    """Takes connections; `answer(c, head)` runs in a thread for each that sent a request's head."""

    def __init__(self):
        self.sock = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self.sock.getsockname()[1]}'
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            c, _ = self.sock.accept()
            threading.Thread(target=self.take, args=(c,), daemon=True).start()

    def take(self, c):
        head = b''
        try:
            while b'\r\n\r\n' not in head:
                more = c.recv(65536)
                if not more:
                    return
                head += more
            self.answer(c, head)
        except OSError:
            pass
        finally:
            c.close()

    @staticmethod
    def wait(c):
        """Until the other side goes."""
        try:
            while c.recv(65536):
                pass
        except OSError:
            pass


class Raw(Server):
    """A server that sends exactly the bytes that `reply(path)` gives, then closes."""

    def __init__(self, reply):
        self.reply, self.count = reply, 0
        super().__init__()

    def answer(self, c, head):
        self.count += 1
        c.sendall(self.reply(head.split()[1].decode()))
        c.shutdown(socket.SHUT_WR)
        self.wait(c)
