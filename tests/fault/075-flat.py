# timeout: 120
# skip-sanitized: it measures memory
# Memory stays flat while a server sends without end: many rows, one long list that is not wanted, a bomb, an error's body.
import os
import resource
import sys
import zlib
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import PACK, ROOT, Odd, Wire

MIB = 1 << 20
wire = Wire(None)
os.environ['HOSTILE_URL'] = wire.url
t = Odd(spec=ROOT + '/tests/fault/fixtures/hostile.yml', cache_ttl='0', max_body='300')
LINES = b''.join(b'{"id":%d,"name":"%s"}\n' % (i, b'x' * 200) for i in range(4600))
ITEMS = b''.join(b'{"id":%d,"name":"%s"},' % (i, b'x' * 200) for i in range(4600))
zeros = zlib.compressobj(9, wbits=31)
zeros = zeros.compress(b'[') + b''.join(zeros.compress(b' ' * MIB) for _ in range(250)) + zeros.compress(b'{"id":7}]') + zeros.flush()


def stream(first, part, last=b'', n=200, head=b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'):
    def reply(asked):
        yield head + first
        for _ in range(n):
            yield part
        yield last
    return reply


CASES = (('200 MB of lines', 'ndjson', stream(b'', LINES), 920000), ('200 MB of rows', 'list', stream(b'[', ITEMS, b'{"id":1}]'), 920001),
         ('200 MB of CSV', 'csv', stream(b'id,name\n', LINES.replace(b'"', b'').replace(b'{id:', b'').replace(b'name:', b'').replace(b'}', b'')), 920000),
         ('250 MB of white space, packed', 'list', lambda a: b'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n' % len(zeros) + zeros, 1),
         ('more than max_body', 'ndjson', stream(b'', LINES, n=400), 'answer is longer than 300 MiB'),
         ('an error of 200 MB', 'list', stream(b'', b'x' * MIB, head=b'HTTP/1.1 404 No\r\n\r\n'), 'HTTP 404'),
         ('200 MB of rows of half a megabyte, of which little is read', 'list',
          stream(b'[', b'{"id":1,"name":"%s"},' % (b'x' * 500000), b'{"id":1}]', n=400), 401, 'sum(id)'),
         ('a cell of 120 pages', 'called',
          lambda a: b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[%s]' % (b'{"id":1}' if 'called' in a.path else b'"%s%s"' % (a.path.encode(), b'x' * MIB)),
          'hostile_called: call cell: its answer is longer than 64 MiB', 'max(cell)'),
         ('100 MB that are read as a whole', 'told', stream(b'{"total":7,"rows":[', ITEMS, b'{"id":1}]}', n=100), 'answer is longer than 64 MiB, and has to be read as a whole',
          'sum(total)'),
         # What stands beside the rows is read like a record.
         ('a record of 200 MB beside the rows', 'tokens', stream(b'{"x":[', ITEMS, b'0],"items":[{"id":1}]}'), 'longer than 67108864 bytes'),
         ('a record of 200 MB', 'ndjson', stream(b'{"id":1,"name":"', b'x' * MIB), 'longer than 67108864 bytes'))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, table, reply, want, *read in CASES:
    wire.reply = reply
    seen = t.tries(f'SELECT {"".join(read) or "count(*)"} FROM hostile_{table}')
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    t.is_(name, want if (isinstance(want, str) and want in str(seen)) or seen == [(want,)] else seen, want)
    # One record may take what a record may, and what it is copied to.
    most = 300 if 'record' in name else 160 if 'cell' in name or 'whole' in name else 64
    t.is_(f'{name}: less than {most} MiB more', after - before < most * 1024 or (after - before) // 1024, True)
    print(f'# {(after - before) // 1024} MiB')
t.done()
