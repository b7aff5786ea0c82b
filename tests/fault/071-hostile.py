# timeout: 240
# Servers that answer wrongly, at length, or in the wrong tongue. Each case says what comes of it, live and in a sync: the rows,
# or words that say what happened; and how many requests it takes. A sync that fails keeps the rows that it had.
import json
import os
import ssl
import sys
import zlib
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import PACK, ROOT, Odd, Wire, ok, whole

OLD = [(900, 'old')]
wire = Wire(None)
os.environ['HOSTILE_URL'] = wire.url
t = Odd(spec=ROOT + '/tests/fault/fixtures/hostile.yml', cache_ttl='0', timeout='0.4')
t.rows("SELECT cq_config('hostile.retries', 0)")
t.rows("SELECT cq_config('hostile.token', 'swordfish')")
t.rows("ATTACH 'h.db' AS h")
BASE = {'xml': '<r><items><item><id>900</id><name>old</name></item></items></r>', 'csv': 'id,name\n900,old\n', 'ndjson': '{"id":900,"name":"old"}\n'}
ITEMS = ('urls', 'tokens', 'counted', 'offsets')


def base(table):
    return ok(BASE.get(table, '{"items":[{"id":900,"name":"old"}]}' if table in ITEMS else '[{"id":900,"name":"old"}]'))


def case(name, answer, want, requests, table='list', sync=True, then=None):
    """`answer`: bytes, or a function of the request. `want`: rows, or words of the error (several: all of them). `requests`: how many,
    or how many live and how many in a sync, where one statement asks the same but once."""
    live, synced = requests if isinstance(requests, tuple) else (requests, requests)
    select = f'SELECT id, name FROM {{}}hostile_{table} ORDER BY id'
    reply = answer if callable(answer) else lambda asked: answer
    fails = not isinstance(want, list)
    words = (want,) if isinstance(want, str) else want
    wire.reply = reply
    wire.forget()
    seen = t.tries(select.format('live_'))
    got = [w for w in words if w not in str(seen)] == [] and f'hostile_{table}' in str(seen) and isinstance(seen, str) if fails else seen == want
    t.is_(f'{name}: live', (True, len(wire.seen)) if got else (str(seen)[:900], len(wire.seen)), (True, live))
    if sync:
        spec = f'{{source: hostile, name: {table}, tables: [hostile_{table}], progress: off, destination: {{path: h.db, write_mode: overwrite-delete-stale}}}}'
        wire.reply = lambda asked: base(table)
        first = t.sync(spec)
        if first['status'] != 'success':
            t.is_(f'{name}: a sync before it', first, 'success')
        wire.reply = reply
        wire.forget()
        r = t.sync(spec)
        rows = t.rows(select.format('h.'))
        if fails:
            got = r['status'] == 'failed' and all(w in str(r['errors'][0]['message']) + '\nhint: ' + str(r['errors'][0].get('hint')) for w in words) and rows == OLD
        else:
            got = r['status'] == 'success' and rows == want
        t.is_(f'{name}: in a sync', (True, len(wire.seen)) if got else (str(r)[:900], rows[:9], len(wire.seen)), (True, synced))
    if then:
        then()


ONE = [(1, 'a')]
ROW = '[{"id":1,"name":"a"}]'


def head(text, body=ROW):
    return text.replace('\n', '\r\n').encode('latin1') + b'\r\n\r\n' + (body if isinstance(body, bytes) else body.encode())


N = len(ROW)
# ---- the first line and the headers ---------------------------------------------------
case('a first line that is none', b'garbage\r\n\r\n', 'HTTP/0.9', 1)
case('a status that is no number', head('HTTP/1.1 abc OK\nContent-Length: %d' % N), 'GET ', 1)
case('bytes at random', bytes(range(1, 255)), 'GET ', 1)
case('an answer of nothing', b'', 'Empty reply', 1)
case('HTTP/1.0 without a length', head('HTTP/1.0 200 OK'), ONE, 1)
case('a status without a word', head('HTTP/1.1 200\nContent-Length: %d' % N), ONE, 1)
case('a status that nobody knows', head('HTTP/1.1 799 Odd\nContent-Length: %d' % N), 'HTTP 799', 1)
case('an answer that announces one', b'HTTP/1.1 103 Early\r\nLink: <http://elsewhere.example/>; rel=next\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n' + ok(ROW), ONE, 1, table='links')
case('announcements without end', lambda a: (b'HTTP/1.1 103 Early\r\nX: y\r\n\r\n' * 100 for _ in range(10000)), 'headers are longer than 262144 bytes', 1)
case('5,000 headers', ok(ROW, *(f'X-{i}: y' for i in range(5000))), ONE, 1)
case('headers without end', lambda a: (part for i in range(20000) for part in ([b'HTTP/1.1 200 OK\r\n'] if not i else [b'X-Y: ' + b'z' * 100 + b'\r\n'] * 5)), 'headers are longer than 262144 bytes', 1)
case('a header of 1 MB', ok(ROW, 'X-Y: ' + 'z' * 1000000), 'GET ', 1)
case('trailers without end', lambda a: (part for i in range(20000) for part in ([head('HTTP/1.1 200 OK\nTransfer-Encoding: chunked', '15\r\n' + ROW + '\r\n0\r\n')] if not i else [b'X-Y: ' + b'z' * 100 + b'\r\n'] * 5)),
     'headers are longer than 262144 bytes', 1)
case('zeros in a header', ok(ROW, 'X-Y: a\0b'), 'GET ', 1)
# ---- lengths -----------------------------------------------------------------------------
case('a negative length', head('HTTP/1.1 200 OK\nContent-Length: -5'), 'Content-Length', 1)
case('a length that is no number', head('HTTP/1.1 200 OK\nContent-Length: many'), 'Content-Length', 1)
case('a length beyond all numbers', head('HTTP/1.1 200 OK\nContent-Length: 99999999999999999999'), ONE, 1)
case('a length of 8 EiB', head('HTTP/1.1 200 OK\nContent-Length: 9223372036854775807'), 'GET ', 1)
case('two lengths', head('HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: %d' % N), 'answer tells two lengths of itself', 1)
case('the same length twice', head('HTTP/1.1 200 OK\nContent-Length: %d\nContent-Length: %d' % (N, N)), ONE, 1)
case('a length, and chunks', head('HTTP/1.1 200 OK\nContent-Length: 3\nTransfer-Encoding: chunked', '15\r\n' + ROW + '\r\n0\r\n\r\n'), ONE, 1)
case('chunks of a size that is no number', head('HTTP/1.1 200 OK\nTransfer-Encoding: chunked', 'zz\r\n' + ROW + '\r\n0\r\n\r\n'), 'GET ', 1)
case('a chunk of 16 EiB', head('HTTP/1.1 200 OK\nTransfer-Encoding: chunked', 'ffffffffffffffff\r\n' + ROW), 'GET ', 1)
case('a chunk that is longer than it says', head('HTTP/1.1 200 OK\nTransfer-Encoding: chunked', '4\r\n' + ROW + '\r\n0\r\n\r\n'), 'GET ', 1)
# ---- statuses -----------------------------------------------------------------------------
case('204', head('HTTP/1.1 204 No Content', b''), [], 1)
case('205', head('HTTP/1.1 205 Reset\nContent-Length: 0', b''), [], 1)
case('206', head('HTTP/1.1 206 Partial\nContent-Length: %d\nContent-Range: bytes 0-20/90' % N), ('HTTP 206', 'a part of an answer'), 1)
case('206 of lines', head('HTTP/1.1 206 Partial\nContent-Length: 22', '{"id":1,"name":"a"}\n\n\n'), 'HTTP 206', 1, table='ndjson')
case('304 that nobody asked for', head('HTTP/1.1 304 Same', b''), 'HTTP 304', 1)
case('200 and nothing', ok(''), 'the answer is empty', 1)
case('200 and nothing of XML', ok(''), 'the answer is empty', 1, table='xml')
case('200 and HTML', ok('<html><body>Log in</body></html>', 'Content-Type: text/html'), ('answer is not JSON', 'hint: the server sent a page for people: text/html'), 1)
case('300 with a choice', head('HTTP/1.1 300 Choose\nContent-Length: %d' % N), 'HTTP 300', 1)
case('302 to nowhere', head('HTTP/1.1 302 Moved\nContent-Length: 0', b''), 'HTTP 302', 1)
case('302 to an empty place', head('HTTP/1.1 302 Moved\nLocation:\nContent-Length: 0', b''), 'redirected too often', 6)
for to in ('file:///etc/passwd', 'ftp://127.0.0.1/list', 'http://me:pw@127.0.0.1/list', 'https' + wire.url[4:] + '/list', 'http://127.0.0.1:1/list', wire.url.replace('127.0.0.1', 'localhost') + '/list', 'javascript:0'):
    case(f'302 to {to[:20]}', head(f'HTTP/1.1 302 Moved\nLocation: {to}\nContent-Length: 0', b''), 'redirected to', 1)
case('302 to itself', head('HTTP/1.1 302 Moved\nLocation: /list\nContent-Length: 0', b''), 'redirected too often', 6)
case('302 and a body without end', lambda a: ok(ROW) if a.path == '/other' else (part for i in range(3000) for part in ([b'HTTP/1.1 302 Moved\r\nLocation: /other\r\n\r\n'] if not i else [b'z' * 65536])), ONE, 2)
case('404 and a body without end', lambda a: (part for i in range(3000) for part in ([b'HTTP/1.1 404 No\r\n\r\n'] if not i else [b'z' * 65536])), 'HTTP 404: zzz', 1)
case('an error in Latin-1', ok('{"message":"Zugriff \u00fcber S\u00fcd verweigert"}'.encode('latin1'), status='418 No'), 'HTTP 418: Zugriff ?ber S?d verweigert', 1)
case('404 in an encoding that nobody knows', head('HTTP/1.1 404 No\nContent-Encoding: br\nContent-Length: 4', b'\1\2\3\4'), 'HTTP 404', 1)
t.is_('credentials went to this server only', {a.headers.get('authorization') for a in wire.seen}, {'Bearer swordfish'})
case('cookies', lambda a: ok('[{"id":1,"name":"a"}]', 'Set-Cookie: s=1; Path=/', f'Link: <{wire.url}/links?2>; rel="next"') if a.n == 1 else ok('[]'), ONE, 2, table='links',
     then=lambda: t.is_('cookies are not sent back', [a.headers.get('cookie') for a in wire.seen], [None, None]))
t.rows("SELECT cq_config('hostile.retries', 2)")
# ---- errors and patience ---------------------------------------------------------------------
case('500s in a row', ok('{"message":"tired"}', status='500 Tired'), ('HTTP 500: tired', 'after 3 attempts'), 3)
case('500s, then an answer', lambda a: ok('{}', status='503 Tired') if a.n < 3 else ok(ROW), ONE, 3)
case('429 without a time', lambda a: ok('{}', status='429 Slow') if a.n < 3 else ok(ROW), ONE, 3)
for after in ('NaN', 'inf', '-1', '0x10', '1 2', ' ', 'Wed, 21 Oct 2015 07:28:00 GMT', '0', '1e-3', '999999999', 'Thu, 32 Dec 2099 99:99:99 GMT'):
    case(f'429 with Retry-After {after!r}', lambda a, after=after: ok('{}', f'Retry-After: {after}', status='429 Slow') if a.n < 2 else ok(ROW), ONE, 2)
for after in ('9999999999', '1e30', '1e9999', 'Fri, 31 Dec 9999 23:59:59 GMT'):
    case(f'429 with Retry-After {after!r}', ok('{}', f'Retry-After: {after}', status='429 Slow'), 'asks to wait for 1h or more', 1)
t.rows("SELECT cq_config('hostile.retries', 0)")
# ---- encodings ---------------------------------------------------------------------------------
case('br', whole(b'\x0b\x02\x80abc\x03', 'length', 'Content-Encoding: br'), 'answer is encoded as nobody asked for: br', 1)
case('packed twice', whole(PACK['gzip'](PACK['gzip'](ROW.encode())), 'length', 'Content-Encoding: gzip, gzip'), 'answer is encoded as nobody asked for: gzip, gzip', 1)
case('packed by two headers', whole(PACK['gzip'](ROW.encode()), 'length', 'Content-Encoding: gzip', 'Content-Encoding: zstd'), 'answer is encoded as nobody asked for', 1)
case('gzip that is none', whole(ROW.encode(), 'length', 'Content-Encoding: gzip'), "compressed data is damaged, at byte", 1)
case('zstd that is none', whole(ROW.encode(), 'length', 'Content-Encoding: zstd'), "compressed data is damaged, at byte", 1)
case('gzip that nobody tells', whole(PACK['gzip'](ROW.encode()), 'length'), 'answer is not JSON', 1)
case('gzip with a wrong sum', whole(PACK['gzip'](ROW.encode())[:-8] + bytes(8), 'length', 'Content-Encoding: gzip'), "compressed data is damaged", 1)
case('gzip in two members', whole(PACK['gzip'](b'[{"id":1,') + PACK['gzip'](b'"name":"a"}]') + bytes(9), 'length', 'Content-Encoding: gzip'), ONE, 1)
case('gzip and something behind', whole(PACK['gzip'](ROW.encode()) + b'and more', 'length', 'Content-Encoding: gzip'), "compressed data is damaged", 1)
case('identity', whole(ROW.encode(), 'length', 'Content-Encoding: identity'), ONE, 1)
bomb = zlib.compressobj(9, wbits=31)
bomb = bomb.compress(b'[' + b' ' * 50000000) + bomb.flush()
t.rows("SELECT cq_config('max_body', 10)")
case('a bomb of gzip', whole(bomb, 'length', 'Content-Encoding: gzip'), ('answer is longer than 10 MiB', "cq_config('max_body', <MiB>)"), 1, sync=False)
case('a body without end', lambda a: (part for i in range(3000) for part in ([b'HTTP/1.1 200 OK\r\n\r\n['] if not i else [b' ' * 65536])), 'answer is longer than 10 MiB', 1)
case('zeros behind gzip without end', lambda a: (part for i in range(3000) for part in ([whole(PACK['gzip'](ROW.encode()), 'close', 'Content-Encoding: gzip')] if not i else [bytes(65536)])), 'answer is longer than 10 MiB', 1, sync=False)
t.rows("SELECT cq_config('max_body', NULL)")
case('a bomb of zstd', whole(PACK['zstd'](b'[' + b' ' * 60000000), 'length', 'Content-Encoding: zstd'), 'answer inflates without end', 1, sync=False)
# ---- tongues ---------------------------------------------------------------------------------------
case('a byte order mark', ok('\ufeff' + ROW), ONE, 1)
case('a byte order mark before lines', ok('\ufeff{"id":1,"name":"a"}\n'), ONE, 1, table='ndjson')
case('a byte order mark before CSV', ok('\ufeffid,name\n1,a\n'), ONE, 1, table='csv')
case('a byte order mark before XML', ok('\ufeff<r><items><item><id>1</id><name>a</name></item></items></r>'), ONE, 1, table='xml')
for coding in ('utf-16', 'utf-16-be', 'utf-32'):
    case(coding, ok(ROW.encode(coding), f'Content-Type: application/json; charset={coding}'), ('answer is not JSON', f'application/json; charset={coding}; only UTF-8 is read'), 1)
case('Latin-1', ok('[{"id":1,"name":"\u00e9"}]'.encode('latin1'), 'Content-Type: application/json; charset=iso-8859-1'), ('invalid UTF-8', 'charset=iso-8859-1; only UTF-8 is read'), 1)
case('CSV in Latin-1', ok('id,name\n1,\u00e9\n'.encode('latin1'), 'Content-Type: text/csv; charset=iso-8859-1'), ('line 2: invalid UTF-8', 'charset=iso-8859-1; only UTF-8 is read'), 1, table='csv')
case('XML in Latin-1 that says so', ok('<?xml version="1.0" encoding="iso-8859-1"?><r><items><item><id>1</id><name>\u00e9</name></item></items></r>'.encode('latin1')), [(1, '\u00e9')], 1, table='xml')
case('a charset that is only said', ok(ROW, 'Content-Type: application/json; charset=iso-8859-1'), ONE, 1)
for bad in (b'\xff', b'\xc0\x80', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\xe9'):
    case(f'invalid UTF-8: {bad!r}', ok(b'[{"id":1,"name":"' + bad + b'"}]'), 'invalid UTF-8', 1)
    case(f'invalid UTF-8 in what nobody wants: {bad!r}', ok(b'[{"id":1,"name":"a","x":"' + bad + b'"}]'), 'invalid UTF-8', 1)
case('a zero byte', ok(b'[{"id":1,"name":"a\0b"}]'), 'answer is not JSON', 1)
case('zeros as text', ok('[{"id":1,"name":"a\\u0000b"}]'), [(1, 'a\ufffdb')], 1)
case('half a pair', ok('[{"id":1,"name":"\\ud800"}]'), [(1, '\ufffd')], 1)
case('zeros in CSV', ok('id,name\n1,a\0b\n'), [(1, 'a\ufffdb')], 1, table='csv')
case('line ends of all kinds', ok('id,name\n1,a\r\n2,b\r3,c\n\n\r\n4,"d\re\nf"\n5,e'), [(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd\re\nf'), (5, 'e')], 1, table='csv')
case('more than a million cells', ok('id,name' + ',x' * 1000000 + '\n1,a\n'), 'too many cells', 1, table='csv')
case('5,000 columns of one name', ok('id,name' + ',x' * 5000 + '\n1,a\n'), ONE, 1, table='csv')
case('more cells than columns', ok('id,name\n1,a,b\n'), 'line 2: 3 cells, the header has 2', 1, table='csv')
# ---- shapes -----------------------------------------------------------------------------------------
case('an object in place of a list', ok('{"id":1,"name":"a"}'), "the rows' path expects a list", 1)
case('a list in place of an object', ok('[{"id":1}]'), "the rows' path expects an object", 1, table='tokens')
case('a text in place of a list', ok('{"items":"none"}'), "the rows' path expects a list", 1, table='tokens')
case('a list of a million lists', ok('[' * 1000000), 'nest', 1)
case('nesting in what nobody wants', ok('[{"id":1,"name":"a","x":' + '[' * 2000 + ']' * 2000 + '}]'), 'nest', 1)
case('XML that nests', ok('<r>' + '<a>' * 1000), 'XML deeper than 256 levels', 1, table='xml')
case('a million keys', ok('[{"id":1,' + ','.join(f'"k{i}":{i}' for i in range(1000000)) + ',"name":"a"}]'), ONE, 1)
case('a million keys of one name', ok('[{"id":1,"name":"a"' + ',"x":0' * 1000000 + '}]'), ONE, 1, sync=False)
case('a key that comes twice', ok('[{"id":7,"name":"z","id":1,"name":"a"}]'), ONE, 1)
case('the rows twice', ok('{"items":[{"id":1}],"items":[{"id":2}]}'), 'a second time', 1, table='tokens')
case('numbers beyond all', ok('[{"id":1,"name":1e999999},{"id":2,"name":-0},{"id":3,"name":0.1e-99999}]'), [(1, '1e999999'), (2, '-0'), (3, '0.1e-99999')], 1)
case('a text of 100 MB', ok('[{"id":1,"name":"' + 'x' * 100000000 + '"}]'), 'longer than 67108864 bytes', 1, sync=False)
case('a text of 30 MB', ok('[{"id":1,"name":"a","extra":"' + 'x' * 30000000 + '"}]'), ONE, 1, sync=False)
case('two documents', ok(ROW + ROW), 'text after the end', 1)
# ---- pages ----------------------------------------------------------------------------------------------


def pages(*list_):
    """A page per request, the last one again and again."""
    return lambda a: ok(*(list_[min(a.n, len(list_)) - 1] if isinstance(list_[0], tuple) else (list_[min(a.n, len(list_)) - 1],)))


def items(*ids, **more):
    return json.dumps({'items': [{'id': i, 'name': 'a'} for i in ids], **more})


def rows(*ids):
    return [(i, 'a') for i in ids]


case('the next URL goes to and fro', lambda a: ok(items(a.n, next=wire.url + ('/urls?b' if a.path != '/urls?b' else '/urls'))), 'round and round', (2, 4), table='urls')
for to in ('file:///etc/passwd', 'ftp://127.0.0.1/urls', 'http://127.0.0.1:1/urls', 'https' + wire.url[4:], 'http://u:p@' + wire.url[7:] + '/urls?x', '//'):
    case(f'a next URL of {to[:20]}', ok(items(1, next=to)), 'hostile_urls: ', 1, table='urls')
    case(f'a Link to {to[:20]}', ok('[{"id":1,"name":"a"}]', f'Link: <{to}>; rel="next"'), 'hostile_links: ', 1, table='links')
case('a Link that is none', ok(ROW, 'Link: next please'), 'Link header cannot be read', 1, table='links')
case('a next URL of 100 kB', ok(items(1, next='/urls?' + 'x' * 100000)), 'next page is not a URL', 1, table='urls')
case('the same token', pages(items(1, next='t')), 'same page token twice in a row', 2, table='tokens')
case('a token of 100 kB', pages(items(1, next='x' * 100000), items(2)), 'hostile_tokens', 1, table='tokens')
case('empty pages in the middle', pages(items(1, next='a'), items(next='b'), items(next='c'), items(2, next='d'), items()), rows(1, 2), 5, table='tokens')
case('empty pages in the middle, counted', pages(items(1, 2, more=True), *[items(more=True)] * 5, items(3, more=False)), rows(1, 2, 3), 7, table='counted')
case('empty pages without end', pages(items(more=True)), 'endless pages: 1000 in a row have no records', 1000, table='counted', sync=False)
case('more pages than there are', pages(items(1, 2, 3, pages=2), items(4, pages=2)), rows(1, 2, 3, 4), 2, table='counted')
case('a page that shrinks', pages('[{"id":1,"name":"a"},{"id":2,"name":"a"},{"id":3,"name":"a"}]', '[{"id":4,"name":"a"}]'), rows(1, 2, 3, 4), 2, table='numbers')
case('a total that is too great', pages(items(1, 2, 3, total=100), items(4, total=100), items(total=100)), rows(1, 2, 3, 4), 3, table='offsets')
case('a total that grows', pages(items(1, 2, 3, total=3 + 2), items(4, 5, 6, total=7), items(7, total=7)), rows(1, 2, 3, 4, 5, 6, 7), 3, table='offsets')
case('a total that is negative', pages(items(1, 2, 3, total=-1)), rows(1, 2, 3), 1, table='offsets')
case('the same page for ever', pages('[{"id":1},{"id":2},{"id":3}]'), 'the server gave the same page 4 times', 4, table='numbers')
case('an error in the middle', lambda a: ok(items(a.n, next=f't{a.n}')) if a.n < 3 else ok('{"message":"gone"}', status='410 Gone'), 'HTTP 410: gone', 3, table='tokens')
case('a token that expires in the middle', lambda a: ok(items(a.n, next=f't{a.n}')) if a.n < 3 else ok('{"message":"expired"}', status='401 No'), 'HTTP 401: expired', 3, table='tokens')
t.rows("SELECT cq_config('hostile.retries', 2)")
case('a page that fails once', lambda a: ok(items(1, next='t')) if a.n == 1 else ok('{}', status='502 Bad') if a.n == 2 else ok(items(2)), rows(1, 2), 3, table='tokens')
case('a cut page in the middle', lambda a: ok(items(1, next='t')) if a.n == 1 else ok(items(2))[:-5] if a.n == 2 else ok(items(2)), rows(1, 2), 3, table='tokens')
t.rows("SELECT cq_config('hostile.retries', 0)")
# What changes between pages: rows that slid back are there twice; the store keeps one of each key.
SLID = pages(items(1, 2, 3, total=4), items(3, 4, total=5))
wire.reply = SLID
wire.forget()
t.is_('rows that slid to the next page: live, as they came', t.tries('SELECT id FROM live_hostile_offsets'), [(1,), (2,), (3,), (3,), (4,)])
for mode, want in (('overwrite-delete-stale', rows(1, 2, 3, 4)), ('append', rows(1, 2, 3, 3, 4))):
    wire.forget()
    r = t.sync(f'{{source: hostile, name: slid, tables: [hostile_offsets], progress: off, destination: {{path: {mode}.db, write_mode: {mode}}}}}')
    t.rows(f"ATTACH '{mode}.db' AS d")
    t.is_(f'rows that slid to the next page: {mode}', (r['status'], t.rows('SELECT id, name FROM d.hostile_offsets ORDER BY 1')), ('success', want))
    t.rows('DETACH d')
# ---- connections -----------------------------------------------------------------------------------------
case('a connection that is kept', lambda a: [ok(items(a.n, next='t' if a.n == 1 else None)), 'keep'], rows(1, 2), 2, table='tokens')
case('a connection that is closed between two requests', lambda a: [ok(items(a.n, next=f't{a.n}' if a.n < 4 else None))], rows(1, 2, 3, 4), 4, table='tokens')
case('bytes between two answers', lambda a: [ok(items(a.n, next='t' if a.n == 1 else None)) + b'HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{"items":[{"id":666}],"x":1}', 'keep'], rows(1, 2), 2, table='tokens')
# ---- from https to http: never ------------------------------------------------------------------------------
os.system('openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null')
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('c.pem', 'k.pem')
plain, safe = wire, Wire(None, context)
wire = safe
t.rows("SELECT cq_config('ca_file', 'c.pem'), cq_config('hostile.url', ?)", safe.url)
PLAIN = 'http' + safe.url[5:]
plain.forget()
case('https', ok(ROW), ONE, 1)
case('from https to http, another port', lambda a: ok('', f'Location: {plain.url}/list', status='302 Moved'), 'redirected to another server: http://127.0.0.1:', 1)
case('from https to http, the same port', lambda a: ok('', f'Location: {PLAIN}/list', status='301 Moved'), 'redirected to another server: http://127.0.0.1:', 1)
case('a next page on http', lambda a: ok(items(1, next=f'{PLAIN}/urls?2')), 'the next page is on another host (http://127.0.0.1:', 1, table='urls')
case('a Link to http', lambda a: ok(ROW, f'Link: <{plain.url}/links?2>; rel="next"'), 'the next page is on another host (http://127.0.0.1:', 1, table='links')
t.rows("SELECT cq_config('ca_file', NULL), cq_config('hostile.retries', 2)")
case('a certificate that nobody trusts', ok(ROW), ('GET ', '\nhint: ', 'ca_file'), 0, sync=False)
t.is_('is not asked again', t.rows('SELECT attempt, status FROM cq_requests'), [(1, None)])
t.rows("SELECT cq_config('hostile.retries', 0)")
t.is_('nobody came without encryption', [a.path for a in plain.seen], [])
wire, safe.tls = plain, None
del context  # which a sanitizer would miss
t.rows("SELECT cq_config('hostile.url', NULL)")
# ---- time --------------------------------------------------------------------------------------------------
case('silence', lambda a: [9.0], 'no answer within 400 ms', 1)
case('silence in the middle', lambda a: [ok(ROW)[:-5], 9.0], 'answer stopped in the middle: nothing for 400 ms', 1, sync=False)
case('a byte now and then', lambda a: (part for i in range(60) for part in ([head('HTTP/1.1 200 OK\nContent-Length: 999', b'[')] if not i else [0.2, b' '])), 'answer comes too slowly', 1, sync=False)
case('a byte of a header now and then', lambda a: (part for i in range(60) for part in ([b'HTTP/1.1 200 OK\r\n'] if not i else [0.2, b'x'])), 'no answer within 400 ms', 1, sync=False)
t.done()
