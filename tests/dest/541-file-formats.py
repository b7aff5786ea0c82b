# timeout: 180
# Each format as readers that are not cq's see it: DuckDB and pyarrow. All types,
# NULL, nothing at all, characters, a cell of 60 MB, lists, a thousand columns, many row groups, all compressions.
import csv
import decimal
import glob
import gzip
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/dest')
os.environ['FLEET_URL'] = os.environ['CQ_MOCK_URL']
import objects
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
from conformance import Sync, canon

TYPES = ['text', 'integer', 'real', 'boolean', 'timestamp', 'date', 'decimal', 'uuid', 'inet', 'cidr', 'mac', 'blob', 'json', 'list of text', 'list of integer',
         'list of real', 'list of boolean', 'list of timestamp', 'list of uuid']
WIDE = 1000 - 2
YML = 'format: 1\nintegration: local\nallow_file: true\nconfig: {folder: {type: text}}\nauth: {scheme: none}\ntables:\n'


def table(name, columns):
    return f'  local_{name}:\n    request: {{url: "file://{{{{ config.folder }}}}/{name}.json"}}\n    page: {{by: none}}\n    key: [id]\n    rows: "[*]"\n    columns:\n' + \
        ''.join(f'      {c}: {t}\n' for c, t in columns.items())


KINDS = {'id': 'text', **{f't{i}': ('{type: blob, format: base64}' if t == 'blob' else t) for i, t in enumerate(TYPES)}}
here = os.getcwd()
with open('local.yml', 'w') as f:
    f.write(YML + table('kinds', KINDS) + table('empty', KINDS)
            + table('wide', {'id': 'integer', **{f'c{i}': TYPES[i % 13] if TYPES[i % 13] != 'blob' else 'text' for i in range(WIDE)}})
            + table('many', {'id': 'integer', 'n': 'integer', 'same': 'text', 'other': 'text', 'part': 'real'}) + table('huge', {'id': 'integer', 't': 'text', 'j': 'json'}))
os.environ['CQ_PATH'] = os.path.join(here, 'local.yml')
t = Sync()
FULL = ['Grüße "x", \\ \n\r\t, 🚢 \u2028', -9223372036854775808, 0.1, True, '2024-02-29T23:59:59.123456Z', '2024-02-29', '12345678901234567890.000001',
        '6f9619ff-8b86-d011-b42d-00c04fc964ff', '10.0.0.1', 'fe80::/10', '08:00:2b:01:02:03', 'AAEC/w==', {'z': [1, None, 'x'], 'a': {'': 'é'}},
        ['a', None, '', 'x"y'], [1, -2, None], [0.5, 1e300], [True, False, None], ['2024-01-02T03:04:05Z'], ['6f9619ff-8b86-d011-b42d-00c04fc964ff']]
EDGE = ['', 9223372036854775807, -1.7976931348623157e308, False, '0001-01-01T00:00:00Z', '9999-12-31', '-0', '00000000-0000-0000-0000-000000000000', '::', '0.0.0.0/0',
        'ff:ff:ff:ff:ff:ff', '', {}, [], [], [], [], [], []]
ODD = ['\\N', 0, 0, None, '1969-12-31T23:59:59.999999Z', '1969-12-31', '1e400', None, None, None, None, None, 'null', ['[]'], None, [-0.0], None, None, None]
ROWS = [('full', FULL), ('edge', EDGE), ('odd', ODD), ('null', [None] * len(TYPES))]
dump = lambda name, rows: json.dump(rows, open(name + '.json', 'w'))
dump('kinds', [{'id': i, **{f't{k}': v for k, v in enumerate(r)}} for i, r in ROWS])
dump('empty', [])


def sync(what, more):
    shutil.rmtree('out', ignore_errors=True)
    return t.sync('{source: local, tables: [local_%s], spec: {folder: "%s"}, destination: {kind: file, path: out, %s}}' % (what, here, more))


def files(name):
    return sorted(glob.glob(f'out/local_{name}/*'))


def plain(v, kind):
    if isinstance(v, float) and v == 0:
        return 0.0
    if kind == 'blob' and v is not None:
        return v.hex() if isinstance(v, bytes) else v
    if kind == 'uuid' and isinstance(v, bytes):
        import uuid
        return str(uuid.UUID(bytes=v))
    return canon(v, kind)


def want(row):
    out = []
    for v, k in zip(row, TYPES):
        if k == 'blob' and v is not None:
            import base64
            v = base64.b64decode(v).hex()
        out.append(int(v) if isinstance(v, bool) else v)
    return out


WANT = {i: want(r) for i, r in ROWS}
COLUMNS = ['id'] + [f't{i}' for i in range(len(TYPES))]


def same(name, rows):
    got = {r[0]: [plain(v, k) for v, k in zip(r[1:], TYPES)] for r in rows}
    wrong = [f'{i}: {k}: {x!r} not {y!r}' for i in WANT for k, x, y in zip(TYPES, got.get(i, [None] * 99), WANT[i]) if x != y or (x is None) != (y is None)]
    t.none(name, wrong + [f'rows {sorted(got)}'] * (sorted(got) != sorted(WANT)))


def by_arrow(path, columns):
    rows = pyarrow.parquet.read_table(path).to_pydict()
    return list(zip(*[rows[c] for c in columns]))


# ---- names: what a path leaves out; * stands for a UUID
for path, form, name in (
        ('out', 'format: csv', 'out/local_kinds/*.csv'), ('out/', 'format: csv, compression: zstd', 'out/local_kinds/*.csv.zst'),
        ('out/{{TABLE}}', 'format: json', 'out/local_kinds.*.json'), ('out/{{TABLE}}', 'format: csv, compression: gzip', 'out/local_kinds.*.csv.gz'),
        ('out/{{TABLE}}/', 'format: json', 'out/local_kinds/*.json'), ('out/{{TABLE}}/{{UUID}}', 'format: csv', 'out/local_kinds/*.csv'),
        ('out/{{TABLE}}.csv.gz', 'format: csv, compression: gzip', 'out/local_kinds.*.csv.gz'), ('out/{{TABLE}}.txt', 'format: csv, compression: gzip', 'out/local_kinds.*.txt.gz'),
        ('out/{{TABLE}}.{{FORMAT}}', 'format: json, compression: zstd', 'out/local_kinds.*.json.zst'),
        ('out/x-{{UUID}}.{{FORMAT}}', 'format: csv, compression: gzip', 'out/local_kinds/x-*.csv.gz'), ('out/x.{{FORMAT}}', 'format: json', 'out/local_kinds/x.*.json'),
        ('out/{{TABLE}}.gz', 'format: csv, compression: gzip', 'out/local_kinds.*.gz')):
    shutil.rmtree('out', ignore_errors=True)
    t.sync('{source: local, tables: [local_kinds], spec: {folder: "%s"}, destination: {kind: file, path: "%s", %s}}' % (here, path, form))
    uuid = re.compile('[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
    got = [uuid.sub('*', p) for p in glob.glob('out/**', recursive=True) if os.path.isfile(p) and '/_cq/' not in p]
    t.is_(f'{path}, {form}', got, [name])

# ---- all types, in every form
for form, kind in (('format: parquet', 'parquet'), ('format: parquet, format_spec: {compression: gzip}', 'parquet'), ('format: parquet, format_spec: {compression: none, version: v1.0, root_repetition: repeated}', 'parquet'),
                   ('format: json', 'json'), ('format: json, compression: gzip', 'json'), ('format: json, compression: zstd', 'json'),
                   ('format: csv', 'csv'), ('format: csv, compression: gzip', 'csv'), ('format: csv, compression: zstd', 'csv')):
    r = sync('kinds', form)
    t.is_(f'{form}: synced', (r['status'], r.get('rows'), r.get('errors')), ('success', 4, []))
    store = objects.Objects()
    store.kind = kind
    rows = store.reader().rows('out', 'local_kinds', COLUMNS)
    if kind != 'parquet':
        import base64
        at = 1 + TYPES.index('blob')
        rows = [tuple(base64.b64decode(v) if k == at and v is not None else v for k, v in enumerate(r)) for r in rows]
    same(f'{form}: DuckDB', rows)
    if kind == 'parquet':
        same(f'{form}: pyarrow', by_arrow(files('kinds')[0], COLUMNS))
s = pyarrow.parquet.ParquetFile(files('kinds')[0]).schema_arrow if kind == 'parquet' else None

r = sync('kinds', 'format: csv, format_spec: {delimiter: ";"}')
with open(files('kinds')[0], newline='', encoding='utf-8') as f:
    rows = list(csv.reader(f, delimiter=';'))
t.is_('CSV: another delimiter, a header', (len(rows), rows[0][6:8], {len(x) for x in rows}), (5, ['id', 't0'], {6 + 1 + len(TYPES)}))
t.is_('CSV: quoted as Python reads it', rows[1][7], FULL[0])
for odd in '1-.eA=':
    sync('kinds', 'format: csv, format_spec: {delimiter: "%s"}' % odd)
    with open(files('kinds')[0], newline='', encoding='utf-8') as f:
        t.is_(f'CSV: values are apart whose delimiter is {odd}', [x[6:] for x in csv.reader(f, delimiter=odd)], [x[6:] for x in rows])
r = sync('kinds', 'format: csv, format_spec: {skip_header: true}')
t.is_('CSV: no header', len(list(csv.reader(open(files('kinds')[0], newline='', encoding='utf-8')))), 4)
sync('kinds', 'format: json')
lines = [json.loads(x) for x in open(files('kinds')[0], encoding='utf-8')]
t.is_('JSON: NULL is left out', (sorted(lines[3])[5:], list(lines[0])[:4]), (['id'], ['_cq_sync_time', '_cq_source_name', '_cq_sync_group_id', '_cq_client_id']))
t.is_('JSON: JSON as it stands', '"t12":{"z":[1,null,"x"],"a":{"":"\\u00e9"}}' in open(files('kinds')[0], encoding='utf-8').read(), True)

# ---- Parquet's own
sync('kinds', 'format: parquet')
f = pyarrow.parquet.ParquetFile(files('kinds')[0])
logical = {f.schema.column(i).name: (f.schema.column(i).physical_type, f.schema.column(i).logical_type.type) for i in range(len(f.schema))}
t.is_('what its columns are', [logical[f't{i}'] for i in range(13)],
      [('BYTE_ARRAY', 'STRING'), ('INT64', 'NONE'), ('DOUBLE', 'NONE'), ('BOOLEAN', 'NONE'), ('INT64', 'TIMESTAMP'), ('INT32', 'DATE'), ('BYTE_ARRAY', 'STRING'),
       ('FIXED_LEN_BYTE_ARRAY', 'UUID'), ('BYTE_ARRAY', 'STRING'), ('BYTE_ARRAY', 'STRING'), ('BYTE_ARRAY', 'STRING'), ('BYTE_ARRAY', 'NONE'), ('BYTE_ARRAY', 'JSON')])
t.is_('and which may not be NULL', [f.schema.column(i).max_definition_level for i in range(7)], [0, 0, 0, 0, 0, 1, 1])
r = sync('kinds', 'format: parquet, format_spec: {lists: list, uuid: text}')
t.is_('LIST: synced', (r['status'], r.get('errors')), ('success', []))
f = pyarrow.parquet.read_table(files('kinds')[0])
got = dict(zip(f.column('id').to_pylist(), zip(*[f.column(f't{i}').to_pylist() for i in range(13, 18)])))
stamp = [x.isoformat() for x in got['full'][4]]
t.is_('LIST by pyarrow', (got['full'][:4], stamp, got['edge'], got['null'], got['odd'][0]),
      ((['a', None, '', 'x"y'], [1, -2, None], [0.5, 1e300], [True, False, None]), ['2024-01-02T03:04:05+00:00'], ([], [], [], [], []), (None,) * 5, ['[]']))
d = objects.Reader().db.execute(f"SELECT id, t13, t14, t15, t16, t17::VARCHAR, t7, _cq_id FROM '{files('kinds')[0]}' ORDER BY id").fetchall()
t.is_('LIST by DuckDB', (d[1][1:6], d[0][1:4], d[2][1:5], d[1][6]),
      ((['a', None, '', 'x"y'], [1, -2, None], [0.5, 1e300], [True, False, None], "['2024-01-02 03:04:05+00']"), ([], [], []), (None,) * 4, FULL[7]))

# ---- nothing
r = sync('empty', 'format: parquet')
t.is_('no rows, no file', (r['status'], files('empty'), objects.entries(objects.manifests('out'), 'local_empty')[0]['files']), ('success', [], []))
for kind in ('parquet', 'json', 'csv'):
    r = sync('empty', f'format: {kind}, write_empty_objects_for_empty_tables: true')
    e = objects.entries(objects.manifests('out'), 'local_empty')[0]
    t.is_(f'{kind}: or one without rows', (r['status'], len(files('empty')), [x['rows'] for x in e['files']]), ('success', 1, [0]))
    if kind == 'parquet':
        got = pyarrow.parquet.read_table(files('empty')[0])
        t.is_('with all columns', (got.num_rows, got.num_columns), (0, 6 + 1 + len(TYPES)))
        t.is_('DuckDB: 0 rows', objects.Reader().db.execute(f"SELECT count(*) FROM '{files('empty')[0]}'").fetchone(), (0,))

for form, kind, magic in (('format: json', 'gzip', b'\x1f\x8b'), ('format: csv, format_spec: {skip_header: true}', 'gzip', b'\x1f\x8b'), ('format: json', 'zstd', b'\x28\xb5\x2f\xfd')):
    r = sync('empty', f'{form}, compression: {kind}, write_empty_objects_for_empty_tables: true')
    one = files('empty')
    t.is_(f'{form}, {kind}: without rows it is a file of its kind', (r['status'], len(one), open(one[0], 'rb').read()[:len(magic)], pyarrow.input_stream(one[0], compression=kind).read()),
          ('success', 1, magic, b''))

# ---- wide, many, huge
dump('wide', [{'id': k, **{f'c{i}': FULL[i % 13] if TYPES[i % 13] != 'blob' else 'AA' for i in range(WIDE) if (i + k) % 3}} for k in range(20)])
r = sync('wide', 'format: parquet')
got = pyarrow.parquet.read_table(files('wide')[0])
seen = got.to_pylist()
t.is_('a thousand columns', (r['status'], got.num_columns, got.num_rows), ('success', 6 + 1 + WIDE, 20))
t.is_('each in its place', [sum(x[f'c{i}'] is None for x in seen) for i in range(0, WIDE, 97)], [sum((i + k) % 3 == 0 for k in range(20)) for i in range(0, WIDE, 97)])
N = 60000
dump('many', [{'id': i, 'n': i * 7919 % 1000003, 'same': f'zone-{i // 900 % 7}', 'other': f'{i * 2654435761 % 4294967296:08x}' * 4, 'part': None if i % 5 else i / 8} for i in range(N)])
for form in ('format_spec: {max_row_group_length: 7001}', 'batch_size_bytes: 400000', 'batch_size: 9000, format_spec: {compression: none}'):
    r = sync('many', 'format: parquet, ' + form)
    at = objects.entries(objects.manifests('out'), 'local_many')[0]['files']
    meta = [pyarrow.parquet.ParquetFile(x).metadata for x in files('many')]
    rows = objects.Reader().db.execute("SELECT count(*), count(DISTINCT id), sum(n), count(part), sum(part), min(same), max(same), count(DISTINCT other), min(other), max(other) "
                                       "FROM 'out/local_many/*.parquet'").fetchone()
    other = [f'{i * 2654435761 % 4294967296:08x}' * 4 for i in range(N)]
    t.is_(f'{form}: all rows', rows, (N, N, sum(i * 7919 % 1000003 for i in range(N)), N // 5, sum(i / 8 for i in range(0, N, 5)), 'zone-0', 'zone-6', len(set(other)), min(other), max(other)))
    t.is_(f'{form}: the manifest counts them', (sum(x['rows'] for x in at), sum(m.num_rows for m in meta), [x['bytes'] for x in sorted(at, key=lambda x: x['path'])]),
          (N, N, [os.path.getsize(x) for x in files('many')]))
    groups = [m.row_group(i) for m in meta for i in range(m.num_row_groups)]
    print(f'# {len(meta)} files, {len(groups)} row groups, {sum(x["bytes"] for x in at)} bytes')
    names = [groups[0].column(i).path_in_schema for i in range(groups[0].num_columns)]
    s = [g.column(names.index('n')).statistics for g in groups]
    t.is_(f'{form}: statistics', (min(x.min for x in s), max(x.max for x in s), sum(x.null_count for x in s)),
          (min(i * 7919 % 1000003 for i in range(N)), max(i * 7919 % 1000003 for i in range(N)), 0))
    t.is_(f'{form}: where values repeat there is a dictionary', ({g.column(names.index('same')).has_dictionary_page for g in groups},
                                                                {g.column(names.index('id')).has_dictionary_page for g in groups if g.num_rows > 2000}), ({True}, {False}))
    t.is_(f'{form}: a filter reads what it must', objects.Reader().db.execute("SELECT same FROM 'out/local_many/*.parquet' WHERE id = 54321").fetchall(), [(f'zone-{54321 // 900 % 7}',)])
    t.is_(f'{form}: more than one', len(groups) > 4, True)
big = 'ü"\\\n' * (60 * 1000 * 1000 // 5)
dump('huge', [{'id': 1, 't': 'a'}, {'id': 2, 't': 'x' * 60000000}, {'id': 3, 'j': {'k': big[:10000000]}}])
for kind in ('parquet', 'json', 'csv'):
    r = sync('huge', 'format: ' + kind)
    store = objects.Objects()
    store.kind = kind
    rows = sorted(store.reader().rows('out', 'local_huge', ['id', 't', 'j']), key=lambda x: x[0])
    t.is_(f'{kind}: a cell of 60 MB', (r['status'], rows[0][1], len(rows[1][1]), set(rows[1][1]), json.loads(rows[2][2]) == {'k': big[:10000000]}), ('success', 'a', 60000000, {'x'}, True))
t.done()
