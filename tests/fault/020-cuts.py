# timeout: 240
# An answer that is cut at any byte, of its head, its body, its chunks or its
# compression, is an error: no row of it is given, and what is asked again
# gives each row once.
import os
import sys
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import Odd, PACK, Wire, whole

BODY = {
    'list': b'[{"id":1,"name":"a"},{"id":2,"name":"b","extra":{"x":[1,2]}},\n{"id":3,"name":"\\u00e9"}]',
    'xml': b'<r><items><item><id>1</id><name>a</name></item><item><id>2</id><name>b</name><extra><x>1</x></extra>'
           b'</item><item><id>3</id><name>\xc3\xa9</name></item></items></r>',
    'csv': b'id,name,extra\n1,a,\n2,b,"x\n""y"""\r\n3,\xc3\xa9,z\n',
    'ndjson': b'{"id":1,"name":"a"}\n{"id":2,"name":"b","extra":[1,2]}\n\n{"id":3,"name":"\xc3\xa9"}\n'}
ROWS = [(1, 'a'), (2, 'b'), (3, '\u00e9')]
TRANSFERS = ('length', 'chunked', 'close', 'gzip length', 'gzip chunked', 'gzip close', 'zstd length', 'zstd chunked', 'zstd close',
             'deflate close', 'bare close')

answers = {}
wire = Wire(lambda asked: (answers[asked.path.strip('/')] or [b'']).pop(0))
os.environ['ODD_URL'] = wire.url
t = Odd(cache_ttl='0')
for kind in BODY:
    sql = f'SELECT id, name FROM odd_{kind}_once'
    for transfer in TRANSFERS:
        full = whole(BODY[kind], transfer)
        head, wrong = full.index(b'\r\n\r\n') + 4, []
        answers[kind] = [full]
        t.is_(f'{kind}, {transfer}: whole', t.tries(sql), ROWS)
        # A head is the same for all of them; that of a kind's first is cut at each byte.
        for n in range(0 if kind == 'list' or transfer == 'length' else head, len(full)):
            answers[kind] = [full[:n]]
            seen = t.tries(sql)
            if isinstance(seen, str) and f'odd_{kind}' in seen:
                continue
            # Only the end of the connection ends it: lines, and what needs no end, cannot tell.
            if transfer == 'close' and n > head and kind in ('csv', 'ndjson'):
                continue
            # The line end behind the last chunk: all of the body had come. Trailing white space: so had all that counts.
            if seen == ROWS and (n >= len(full) - 2 and 'chunked' in transfer or full[n:].strip() == b''):
                continue
            wrong.append((n, full[max(0, n - 30):n], seen))
        t.is_(f'{kind}, {transfer}: cut at each of {len(full)} bytes', wrong[:3], [])
    # What was compressed is cut, though as many bytes come as are told: a cut before the compression is told.
    for how in PACK:
        packed, wrong = PACK[how](BODY[kind]), []
        for n in range(1, len(packed)):
            for transfer in ('length', 'chunked'):
                answers[kind] = [whole(packed[:n], transfer, 'Content-Encoding: ' + how.replace('bare', 'deflate'))]
                seen = t.tries(sql)
                if 'answer is cut: its compressed data ends too early' not in str(seen):
                    wrong.append((n, transfer, seen))
        t.is_(f'{kind}, {how}: compressed data cut at each of {len(packed)} bytes', wrong[:3], [])
    # Lengths that lie: fewer bytes than were told, or more.
    full, wrong = whole(BODY[kind], 'length'), []
    told = b'Content-Length: %d\r\n' % len(BODY[kind])
    for n in range(len(BODY[kind]) + 40):
        answers[kind] = [full.replace(told, b'Content-Length: %d\r\n' % n)]
        seen = t.tries(sql)
        if n == len(BODY[kind]) or isinstance(seen, str) and f'odd_{kind}' in seen:
            continue
        # It is as long as it says: HTTP knows no other end, and lines have none of their own.
        if n < len(BODY[kind]) and (kind in ('csv', 'ndjson') or BODY[kind][n:].strip() == b''):
            continue
        wrong.append((n, seen))
    t.is_(f'{kind}: each length from 0 to {len(BODY[kind]) + 40} that is not its own', wrong[:3], [])

# The same, but asked again: a whole page after a cut one.
for kind in BODY:
    full = whole(BODY[kind], 'length')
    wrong = []
    for n in range(5, len(full), 41):
        answers[kind] = [full[:n], full]
        wire.forget()
        seen = t.tries(f'SELECT id, name FROM odd_{kind}')
        if (seen, len(wire.seen)) != (ROWS, 2):
            wrong.append((n, seen, len(wire.seen)))
    t.is_(f'{kind}: asked again after a cut, each row once', wrong, [])
t.done()
