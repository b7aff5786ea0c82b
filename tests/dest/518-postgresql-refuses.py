# timeout: 600
# PostgreSQL refuses each statement once; and each once has its connection cut, before the server has it and after: see places.py.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import places
import postgres
from proxy import Proxy


class Front(places.Front, Proxy):
    """Reads the messages that go to the server."""

    def __init__(self, to):
        places.Front.__init__(self)
        self.rest = {}
        Proxy.__init__(self, to)

    def passes(self, data, client, server, up):
        if not up:
            client.sendall(data)
            return True
        data = self.rest.pop(client, b'') + data
        out = b''
        while data:
            typed = client in self.rest or data[:1].isalpha()      # the first message has no type
            size = int.from_bytes(data[typed:typed + 4], 'big') + typed if len(data) > 4 else 1 << 30
            if len(data) < size:
                break
            message, data = data[:size], data[size:]
            how = self.judge(message[5:-1].decode(errors='replace')) if message[:1] == b'Q' else self.judge('rows') if message[:1] == b'd' else None
            if how == 'error':
                if message[:1] == b'd':      # the end of rows is told in their stead
                    message = b'f' + (24).to_bytes(4, 'big') + b'refused by the test\0'
                else:
                    text = b"DO $$ BEGIN RAISE 'refused by the test'; END $$\0"
                    message = b'Q' + (4 + len(text)).to_bytes(4, 'big') + text
            elif how:
                server.sendall(out + (message if how == 'after' else b''))
                if how == 'after':
                    places.time.sleep(0.05)     # it is done
                return False
            out += message
        self.rest[client] = data
        server.sendall(out)
        return True


class Store(postgres.Quick):
    def destination(self):
        return '{kind: postgresql, reconnect_timeout: 10s, connection_string: "postgresql://postgres@127.0.0.1:%d/postgres"}' % self.port


server = postgres.Server()
store = Store(server)
front = Front(server.port)
store.port = front.port
HOWS = {'error': 'refused by the test', 'before': 'connect|lost|closed', 'after': 'connect|lost|closed'}
try:
    p = places.Places(store, 'dest/postgresql/')
    for mode in store.modes:
        p.refusals(f'later, {mode}', front, HOWS, mode)
        p.refusals(f'rebuilt, {mode}', front, HOWS, mode, definition=lambda version: 1 if version % 2 else 9, migrate_mode='forced')
        p.refusals(f'first, {mode}', front, HOWS, mode, 'empty')
        p.refusals(f'resumed, {mode}', front, HOWS, mode, 'half', 'resume')
    p.refusals('cq_prune', front, HOWS, act='prune')
    p.refusals('cq_test', front, HOWS, act='test')
finally:
    store.close()
p.done()
