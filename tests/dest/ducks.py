"""DuckDB files, read through libduckdb itself.

  db = ducks.open_('there.duckdb'); db.rows('SELECT 1'); db.close()
"""
import ctypes
import json
import os
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
import conformance

LIBRARY = os.environ['CQ_STORES'] + '/libduckdb.so'


class Result(ctypes.Structure):
    _fields_ = [('columns', ctypes.c_uint64), ('rows', ctypes.c_uint64), ('changed', ctypes.c_uint64), ('data', ctypes.c_void_p),
                ('error', ctypes.c_char_p), ('internal', ctypes.c_void_p)]


class Database:
    def __init__(self, path):
        self.lib = ctypes.CDLL(LIBRARY)
        self.lib.duckdb_value_varchar.restype = ctypes.c_void_p
        self.lib.duckdb_value_varchar.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
        self.lib.duckdb_row_count.restype = self.lib.duckdb_column_count.restype = ctypes.c_uint64
        self.lib.duckdb_result_error.restype = ctypes.c_char_p
        self.lib.duckdb_free.argtypes = [ctypes.c_void_p]
        self.db, self.c, why = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_char_p()
        if self.lib.duckdb_open_ext(path.encode(), ctypes.byref(self.db), None, ctypes.byref(why)):
            text = (why.value or b'').decode()
            self.lib.duckdb_free(why)
            raise OSError(text)
        self.lib.duckdb_connect(self.db, ctypes.byref(self.c))

    def rows(self, sql):
        """Tuples of texts and None."""
        r = Result()
        if sql.startswith('SELECT'):  # the simple calls know no UUID, no list
            sql = f'SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({sql.strip().rstrip(";")})'
        if self.lib.duckdb_query(self.c, sql.encode(), ctypes.byref(r)):
            why = self.lib.duckdb_result_error(ctypes.byref(r)).decode()
            self.lib.duckdb_destroy_result(ctypes.byref(r))
            raise ValueError(why)
        out = []
        for row in range(self.lib.duckdb_row_count(ctypes.byref(r))):
            line = []
            for column in range(self.lib.duckdb_column_count(ctypes.byref(r))):
                at = self.lib.duckdb_value_varchar(ctypes.byref(r), column, row)
                line.append(ctypes.string_at(at).decode() if at else None)
                self.lib.duckdb_free(at)
            out.append(tuple(line))
        self.lib.duckdb_destroy_result(ctypes.byref(r))
        return out

    def close(self):
        self.lib.duckdb_disconnect(ctypes.byref(self.c))
        self.lib.duckdb_close(ctypes.byref(self.db))


def rows(sql, path='there.duckdb'):
    db = Database(path)
    try:
        return db.rows(sql)
    finally:
        db.close()


class Store(conformance.Store):
    name = 'duckdb'
    same_types = [('text', 'decimal'), ('decimal', 'text')]
    waits = True

    def __init__(self):
        self.seen = {}

    def destination(self):
        return '{kind: duckdb, path: there.duckdb, library: "%s"}' % LIBRARY

    def read(self, table, columns):
        """While a sync has the file, nobody can read it: then what was read last."""
        key = (table, tuple(columns))
        try:
            pairs = ', '.join(f'typeof("{c}"), CASE WHEN typeof("{c}") = \'BLOB\' THEN hex(CAST(CAST("{c}" AS VARCHAR) AS BLOB)) ELSE CAST(to_json("{c}") AS VARCHAR) END'
                              for c in columns)
            found = rows(f'SELECT {pairs} FROM "{table}"')
        except OSError as e:
            if 'lock' not in str(e):
                raise
            return self.seen.get(key, [])
        except ValueError as e:
            if 'does not exist' not in str(e):
                raise
            found = []
        self.seen[key] = [tuple(self.value(r[i], r[i + 1]) for i in range(0, len(r), 2)) for r in found]
        return self.seen[key]

    @staticmethod
    def value(kind, text):
        if text is None or text == 'null':
            return None
        if kind == 'BLOB':
            return text.lower()
        v = json.loads(text)
        if kind == 'TIMESTAMP':
            v = v.replace(' ', 'T')
            return (v.rstrip('0').rstrip('.') if '.' in v else v) + 'Z'
        if kind == 'TIMESTAMP[]':
            return [x and x.replace(' ', 'T') + 'Z' for x in v]
        return int(v) if isinstance(v, bool) else v

    def spoil(self):
        rows('ALTER TABLE cq_sync_errors DROP COLUMN hint')
        return True

    def execute(self, *statements):
        for sql in statements:
            rows(sql)

    def fresh(self):
        self.seen = {}
        for name in ('there.duckdb', 'there.duckdb.wal'):
            if os.path.exists(name):
                os.unlink(name)
