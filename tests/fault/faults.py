"""What the tests of odd servers share: cq in this process over the mock.

  t = Odd(); t.routes('GET /list\\n  body []\\n')
  t.tries('SELECT * FROM odd_list')     # rows, or the error's text
  t.is_('a fact', seen, wanted); t.done()
"""
import gzip
import json
import os
import socket
import sqlite3
import sys
import threading
import time
import urllib.request
import zlib

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import MOCK, Mocked, connect

ROOT = os.environ['CQ_ROOT']
SPEC = ROOT + '/tests/fault/fixtures/odd.yml'
os.environ['ODD_URL'] = MOCK


class Odd(Mocked):
    def __init__(self, spec=SPEC, **settings):
        super().__init__()
        self.spec, self.settings = spec, settings
        self.open()

    def open(self):
        self.db = connect(check_same_thread=False)
        self.db.execute('SELECT cq_load(?)', (self.spec,))
        for name, value in self.settings.items():
            self.db.execute('SELECT cq_config(?, ?)', (name, value))

    def sync(self, spec, options=None):
        """The result of cq_sync, or {'status': 'raised', 'raised': message}."""
        try:
            return json.loads(self.one('SELECT cq_sync(?, ?)', spec, options))
        except sqlite3.Error as e:
            return {'status': 'raised', 'raised': str(e)}

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


class Asked:
    """One request that a Wire was asked: method, path, headers (names lower-case), body, and n, its number from 1."""

    def __init__(self, head, body, n):
        lines = head.decode('latin1').split('\r\n')
        self.method, self.path = lines[0].split(' ')[:2]
        self.headers = {k.lower(): v.strip() for k, v in (line.split(':', 1) for line in lines[1:] if ':' in line)}
        self.body, self.n = body, n


class Wire:
    """A server that sends exactly what `reply(asked)` gives: bytes, after which the connection is closed; or a list or generator
    of bytes, of seconds to sleep, and of 'keep', which leaves the connection open. With `tls`, a context, it speaks https."""

    def __init__(self, reply, tls=None):
        self.reply, self.seen, self.tls = reply, [], tls
        self.lock = threading.Lock()
        self.sock = socket.create_server(('127.0.0.1', 0), backlog=128)
        self.url = f'http{"s" if tls else ""}://127.0.0.1:{self.sock.getsockname()[1]}'
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            c, _ = self.sock.accept()
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        try:
            if self.tls:
                c = self.tls.wrap_socket(c, server_side=True)
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = b''
            while True:
                while b'\r\n\r\n' not in data:
                    more = c.recv(65536)
                    if not more:
                        c.close()
                        return
                    data += more
                head, data = data.split(b'\r\n\r\n', 1)
                with self.lock:
                    asked = Asked(head, b'', len(self.seen) + 1)
                    self.seen.append(asked)
                need = int(asked.headers.get('content-length', 0))
                while len(data) < need:
                    data += c.recv(65536)
                asked.body, data = data[:need], data[need:]
                if not self.send(c, self.reply(asked)):
                    break
            c.shutdown(socket.SHUT_WR)
            while c.recv(65536):
                pass
        except OSError:
            pass
        c.close()

    def send(self, c, answer):
        keep = False
        for part in [answer] if isinstance(answer, bytes) else answer:
            if part == 'keep':
                keep = True
            elif isinstance(part, bytes):
                c.sendall(part)
            else:
                time.sleep(part)
        return keep

    def forget(self):
        self.seen.clear()


def ok(body, *headers, status='200 OK'):
    """A whole answer."""
    if isinstance(body, str):
        body = body.encode()
    return b'HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s' % (
        status.encode(), len(body), b''.join(h.encode('latin1') + b'\r\n' for h in headers), body)


def whole(body, transfer, *headers):
    """The body as `transfer` says: length, chunked or close; packed (gzip, deflate, bare, zstd) where it says that, too."""
    head = b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n'
    head += b''.join(h.encode('latin1') + b'\r\n' for h in headers)
    words = transfer.split()
    for word in words:
        if word in PACK:
            body = PACK[word](body)
            head += b'Content-Encoding: %s\r\n' % word.replace('bare', 'deflate').encode()
    if 'chunked' in words:
        parts = [body[i:i + 40] for i in range(0, len(body), 40)] + [b'']
        body = b''.join(b'%x\r\n%s\r\n' % (len(p), p) for p in parts)
        return head + b'Transfer-Encoding: chunked\r\n\r\n' + body
    if 'length' in words:
        head += b'Content-Length: %d\r\n' % len(body)
    return head + b'\r\n' + body


def pack_bare(body):
    z = zlib.compressobj(wbits=-15)
    return z.compress(body) + z.flush()


def pack_zstd(body):
    """By the mock, since Python has it not."""
    urllib.request.urlopen(urllib.request.Request(f'{MOCK}-z/-/reset', b'', method='POST')).close()
    urllib.request.urlopen(urllib.request.Request(
        f'{MOCK}-z/-/routes', b'GET /z\n  encode zstd\n  body <<END\n' + body + b'\nEND\n', method='PUT')).close()
    with urllib.request.urlopen(f'{MOCK}-z/z') as r:
        return r.read()


PACK = {'gzip': lambda b: gzip.compress(b, mtime=0), 'deflate': zlib.compress, 'bare': pack_bare, 'zstd': pack_zstd}
