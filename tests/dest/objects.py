"""What the tests of files and of buckets share: readers that are not cq's.

`root` is a folder that holds the prefix of the destination's path: of a bucket,
a copy of it. A reader finds the current files of a table, and what of them is
current, in _cq/latest/*.json, and reads them with DuckDB.
"""
import glob
import json
import os

import conformance
import duckdb

TYPES = {'text': 'VARCHAR', 'integer': 'BIGINT', 'real': 'DOUBLE', 'boolean': 'BOOLEAN', 'timestamp': 'TIMESTAMPTZ', 'date': 'DATE',
         'decimal': 'VARCHAR', 'uuid': 'UUID', 'inet': 'VARCHAR', 'cidr': 'VARCHAR', 'mac': 'VARCHAR', 'blob': 'BLOB', 'json': 'JSON'}
JSON = {'flags', 'j', 'texts', 'ints', 'reals', 'bools', 'times'}


def load(path):
    with open(path, encoding='utf-8') as f:
        return json.load(f)


def lines(pattern):
    out = []
    for path in sorted(glob.glob(pattern)):
        with open(path, encoding='utf-8') as f:
            out += [json.loads(x) for x in f if x.strip()]
    return out


def manifests(root):
    """The latest snapshot of each source."""
    return [load(p) for p in sorted(glob.glob(root + '/_cq/latest/*.json'))]


def history(root):
    """All snapshots that are kept."""
    return [load(p) for p in sorted(glob.glob(root + '/_cq/snapshots/*/*/manifest.json'))]


def entries(found, table):
    return [t for m in found for t in m['tables'] if t['table'] == table]


class Reader:
    """DuckDB over the files of one format."""

    def __init__(self, kind='parquet', types=TYPES):
        self.kind, self.types = kind, types
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        self.db.execute('SET threads = 1')

    def source(self, paths, columns):
        names = '[%s]' % ', '.join("'" + p.replace("'", "''") + "'" for p in paths)
        if self.kind == 'parquet':
            return f'read_parquet({names}, union_by_name = true, filename = true)'
        types = {}
        for c in columns:
            t = c['type']
            types[c['name']] = 'JSON' if t.startswith('list') else 'VARCHAR' if t == 'blob' else self.types[t]
        as_map = '{%s}' % ', '.join("'%s': '%s'" % x for x in types.items())
        if self.kind == 'json':
            return f"read_json({names}, format = 'newline_delimited', columns = {as_map}, filename = true, maximum_object_size = 200000000)"
        return (f"read_csv({names}, header = true, auto_detect = false, columns = {as_map}, filename = true, allow_quoted_nulls = false, "
                "nullstr = '', quote = '\"', escape = '\"', max_line_size = 200000000)")

    def rows(self, root, table, columns, found=None):
        """Rows that the manifests say are current; `columns` is SQL."""
        out = []
        for e in entries(manifests(root) if found is None else found, table):
            # files of one set of columns together: CSV has no names
            for cols in {json.dumps(f.get('columns', e['columns'])) for f in e['files']}:
                files = [f for f in e['files'] if json.dumps(f.get('columns', e['columns'])) == cols]
                have = json.loads(cols)
                at = {os.path.join(root, f['path']): f for f in files}
                source = self.source(list(at), have)
                self.db.execute('CREATE OR REPLACE TEMP TABLE cur (path VARCHAR, only_ VARCHAR[], parents VARCHAR[])')
                self.db.executemany('INSERT INTO cur VALUES (?, ?, ?)', [(p, f.get('only'), f.get('parents', [])) for p, f in at.items()])
                names = {c['name'] for c in have}
                what = ', '.join(f'r."{c}"' if c in names else f'NULL AS "{c}"' for c in columns)
                keep = ('QUALIFY row_number() OVER (PARTITION BY r._cq_source_name, r._cq_id ORDER BY r._cq_sync_group_id DESC) = 1'
                        if e['incremental'] and found is None else '')
                out += self.db.execute(
                    f'SELECT {what} FROM {source} AS r JOIN cur ON r.filename = cur.path WHERE cur.only_ IS NULL OR '
                    f'list_contains(cur.only_, r._cq_client_id) OR list_contains(cur.parents, r._cq_parent_id::VARCHAR) {keep}').fetchall()
        return out


class Objects(conformance.Store):
    """Read with DuckDB. `root` is where the files are."""
    rereads = False
    modes = ('append',)
    kind = 'parquet'
    units = False
    quick = ', batch_timeout: 1s'
    root = 'out'

    def reader(self):
        if not hasattr(self, '_reader'):
            self._reader = Reader(self.kind)
        return self._reader

    def fetched(self):
        """The folder with all that is there."""
        return self.root

    def read(self, table, columns):
        root = self.fetched()
        if table == 'cq_units':
            rows = [x for m in manifests(root) for e in m['tables'] for x in lines(os.path.join(root, e['units'])) if x['sync_group_id']]
        elif table.startswith('cq_sync_errors'):
            rows = lines(root + '/_cq/runs/*/*/cq_sync_errors-*.ndjson')
        elif table.startswith('cq_'):
            rows = lines(root + f'/_cq/runs/*/*/{table}.ndjson')
        elif table.startswith('raw_'):
            seen, found = set(), []
            for m in history(root):
                for e in m['tables']:
                    e['files'] = [f for f in e['files'] if f['path'] not in seen]
                    seen |= {f['path'] for f in e['files']}
                    for f in e['files']:
                        f.pop('only', None)
                found.append(m)
            return self.canon(self.reader().rows(root, table[4:], columns, found), columns)
        else:
            return self.canon(self.reader().rows(root, table, columns), columns)
        return [tuple(x.get(c) for c in columns) for x in rows]

    def canon(self, rows, columns):
        kinds = ['json' if c in JSON else 'blob' if c == 'bin' else 'text' for c in columns]
        if self.kind != 'parquet':
            import base64
            rows = [tuple(base64.b64decode(v) if k == 'blob' and v is not None else v for v, k in zip(r, kinds)) for r in rows]
        return [tuple(conformance.canon(v, k) for v, k in zip(r, kinds)) for r in rows]
