"""ClickHouse 26.7 for the tests: the library libchdb.so behind a small HTTP server, as much of ClickHouse's HTTP interface as a
client needs: statement and data in the body, settings in the URL, gzip and zstd, the exception's code. No users, no query ids.

  chdb.py LIBRARY FOLDER PORT        # on 127.0.0.1, until it is ended; each HTTP connection is a session of its own
"""
import ctypes
import http.server
import re
import socketserver
import sys
import tempfile
import urllib.parse
import zlib

LIBRARY, FOLDER, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
chdb = ctypes.CDLL(LIBRARY)
zstd = ctypes.CDLL('libzstd.so.1')
P, S = ctypes.c_void_p, ctypes.c_size_t
for name, result, args in (('chdb_connect', ctypes.POINTER(P), [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]),
                           ('chdb_close_conn', None, [ctypes.POINTER(P)]),
                           ('chdb_query_n', P, [P, ctypes.c_char_p, S, ctypes.c_char_p, S]), ('chdb_result_buffer', P, [P]),
                           ('chdb_result_length', S, [P]), ('chdb_result_error', ctypes.c_char_p, [P]),
                           ('chdb_destroy_query_result', None, [P]), ('chdb_set_signal_handlers_enabled', None, [ctypes.c_int])):
    getattr(chdb, name).restype, getattr(chdb, name).argtypes = result, args
zstd.ZSTD_getFrameContentSize.restype = zstd.ZSTD_decompress.restype = ctypes.c_ulonglong
zstd.ZSTD_getFrameContentSize.argtypes, zstd.ZSTD_decompress.argtypes = [P, S], [P, S, P, S]
chdb.chdb_set_signal_handlers_enabled(0)
INSERT = re.compile(rb'(INSERT INTO [^\n]*) FORMAT (\w+)\n', re.S)
OURS = ('query', 'database', 'user', 'password', 'query_id', 'session_id', 'wait_end_of_query')


def connect():
    args = (ctypes.c_char_p * 2)(b'clickhouse', b'--path=' + FOLDER.encode())
    return chdb.chdb_connect(2, args)


def unzstd(data):
    size = zstd.ZSTD_getFrameContentSize(data, len(data))
    out = ctypes.create_string_buffer(size)
    if zstd.ZSTD_decompress(out, size, data, len(data)) != size:
        raise ValueError('no zstd')
    return out.raw


class Session(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def setup(self):
        super().setup()
        self.connection.setsockopt(6, 1, 1)   # TCP_NODELAY
        self.session = connect()

    def finish(self):
        super().finish()
        chdb.chdb_close_conn(self.session)

    def ask(self, sql):
        """(answer, error's text or None)."""
        r = chdb.chdb_query_n(self.session[0], sql, len(sql), b'TabSeparated', 12)
        try:
            e = chdb.chdb_result_error(r)
            return (b'', e.decode('utf-8', 'replace')) if e else (ctypes.string_at(chdb.chdb_result_buffer(r), chdb.chdb_result_length(r)), None)
        finally:
            chdb.chdb_destroy_query_result(r)

    def insert(self, body):
        """The library takes two line ends for the end of data that stands in a statement: so it gets a file."""
        head = INSERT.match(body)
        with tempfile.NamedTemporaryFile(dir=FOLDER) as f:
            f.write(body[head.end():])
            f.flush()
            if b' FROM input(' in head[1]:   # the library has no data behind a statement
                return self.ask(head[1].replace(b' FROM input(', b" FROM file('%s', '%s', " % (f.name.encode(), head[2])))
            return self.ask(b"%s FROM INFILE '%s' COMPRESSION 'none' FORMAT %s" % (head[1], f.name.encode(), head[2]))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        coding = self.headers.get('Content-Encoding', '')
        body = zlib.decompress(body, 31) if coding == 'gzip' else unzstd(body) if coding == 'zstd' else body
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        settings = {k: v[0] for k, v in asked.items() if k not in OURS}
        if 'query' in asked:
            body = asked['query'][0].encode() + b'\n' + body
        for k, v in settings.items():
            self.ask(f"SET {k} = '{v}'".encode())
        answer, error = self.ask(b'USE `%s`' % asked['database'][0].encode()) if 'database' in asked else (b'', None)
        if not error:
            answer, error = self.insert(body) if INSERT.match(body) else self.ask(body)
        for k in settings:
            self.ask(f'SET {k} = DEFAULT'.encode())
        code = re.match(r'Code: (\d+)', error or '')
        self.send_response(500 if error else 200)
        if code:
            self.send_header('X-ClickHouse-Exception-Code', code[1])
        answer = error.encode() + b'\n' if error else answer
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


first = connect()   # keeps the engine while sessions come and go
Server(('127.0.0.1', PORT), Session).serve_forever()
