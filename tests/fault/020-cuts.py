# timeout: 120
# An answer that is cut at any byte, of its head or its body, is an error: no
# row of it is given, and what is asked again gives each row once.
import gzip
import os
import sys
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import Odd, Raw

BODY = {
    'list': b'[{"id":1,"name":"a"},{"id":2,"name":"b","extra":{"x":[1,2]}},\n{"id":3,"name":"\\u00e9"}]',
    'xml': b'<r><items><item><id>1</id><name>a</name></item><item><id>2</id><name>b</name><extra><x>1</x></extra>'
           b'</item><item><id>3</id><name>\xc3\xa9</name></item></items></r>',
    'csv': b'id,name,extra\n1,a,\n2,b,"x\n""y"""\r\n3,\xc3\xa9,z\n',
    'ndjson': b'{"id":1,"name":"a"}\n{"id":2,"name":"b","extra":[1,2]}\n\n{"id":3,"name":"\xc3\xa9"}\n'}
ROWS = [(1, 'a'), (2, 'b'), (3, '\u00e9')]


def whole(kind, transfer):
    body, head = BODY[kind], b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n'
    if 'gzip' in transfer:
        body, head = gzip.compress(body, mtime=0), head + b'Content-Encoding: gzip\r\n'
    if 'chunked' in transfer:
        parts = [body[i:i + 40] for i in range(0, len(body), 40)] + [b'']
        body = b''.join(b'%x\r\n%s\r\n' % (len(p), p) for p in parts)
        return head + b'Transfer-Encoding: chunked\r\n\r\n' + body
    if 'length' in transfer:
        head += b'Content-Length: %d\r\n' % len(body)
    return head + b'\r\n' + body


answers = {}
raw = Raw(lambda path: (answers[path.strip('/')] or [b'']).pop(0))
os.environ['ODD_URL'] = raw.url
t = Odd(cache_ttl='0')
for kind in BODY:
    sql = f'SELECT id, name FROM odd_{kind}_once'
    for transfer in ('length', 'chunked', 'gzip length', 'gzip chunked', 'close', 'gzip close'):
        full = whole(kind, transfer)
        head, wrong = full.index(b'\r\n\r\n') + 4, []
        # Compressed and without a marked end: asked again, uncompressed.
        plain = [whole(kind, 'close')] if transfer == 'gzip close' else []
        answers[kind] = [full] + plain
        t.is_(f'{kind}, {transfer}: whole', t.tries(sql), ROWS)
        for n in range(len(full)):
            answers[kind] = [full[:n]] + [p[:n] for p in plain]
            seen = t.tries(sql)
            if isinstance(seen, str) and f'odd_{kind}' in seen:
                continue
            # Only the end of the connection ends it: lines, and what needs no end, cannot tell.
            if 'close' in transfer and n > head and kind in ('csv', 'ndjson'):
                continue
            # The last chunk's own line end, the sender's checksum: all of the body had come.
            if seen == ROWS and (n >= len(full) - 9 or plain and n >= len(plain[0])):
                continue
            wrong.append((n, full[max(0, n - 30):n], seen))
        t.is_(f'{kind}, {transfer}: cut at each of {len(full)} bytes', wrong[:3], [])

# The same, but asked again: a whole page after a cut one.
for kind in BODY:
    full = whole(kind, 'length')
    wrong = []
    for n in range(5, len(full), 41):
        answers[kind], raw.count = [full[:n], full], 0
        seen = t.tries(f'SELECT id, name FROM odd_{kind}')
        if (seen, raw.count) != (ROWS, 2):
            wrong.append((n, seen, raw.count))
    t.is_(f'{kind}: asked again after a cut, each row once', wrong, [])
t.done()
