#!/usr/bin/python3
"""Measures the destination of files beside DuckDB and pyarrow, which read the same JSON and write the same formats.

  build/venv/bin/python bench/files.py --build build [--rows N] [--rounds N]

CPU of whole processes, the least of the rounds, which are interleaved; on the file system that TMPDIR is on. The others write the
table's own columns alone; cq adds its six, a manifest, and hashes each file.
"""
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile

YML = '''format: 1
integration: local
allow_file: true
config: {folder: {type: text}}
auth: {scheme: none}
tables:
  local_rows:
    request: {url: "file://{{ config.folder }}/rows.json"}
    page: {by: none}
    rows: "[*]"
    key: [id]
    columns: {id: integer, n: integer, zone: text, hash: text, part: real, at: timestamp, tags: json}
'''
TYPES = '''{id: 'BIGINT', n: 'BIGINT', zone: 'VARCHAR', hash: 'VARCHAR', part: 'DOUBLE', "at": 'TIMESTAMP', tags: 'JSON'}'''
CQ = '''import sqlite3, sys, json
db = sqlite3.connect(':memory:'); db.enable_load_extension(True); db.load_extension(sys.argv[1])
r = json.loads(db.execute('SELECT cq_sync(?)', (sys.argv[2],)).fetchone()[0])
assert r['status'] == 'success', r'''
DUCK = '''import duckdb, sys
db = duckdb.connect()
db.execute('SET threads = 1')
db.execute("COPY (SELECT * FROM read_json('rows.json', format = 'array', columns = " + sys.argv[1] + ")) TO 'duck.out' (" + sys.argv[2] + ")")'''
ARROW = '''import json, pyarrow as pa, pyarrow.parquet as pq
pa.set_cpu_count(1)
rows = json.load(open('rows.json'))
for r in rows: r['tags'] = json.dumps(r['tags'])
pq.write_table(pa.Table.from_pylist(rows), 'arrow.out', compression='zstd')'''


def cpu(argv):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def size(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(path) for f in fs if '_cq' not in d)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--build', default='build')
    p.add_argument('--rows', type=int, default=200000)
    p.add_argument('--rounds', type=int, default=3)
    a = p.parse_args()
    so = os.path.abspath(a.build) + '/cq'
    folder = tempfile.mkdtemp(prefix='cq-bench-')
    os.chdir(folder)
    os.environ['CQ_PATH'] = folder + '/local.yml'
    with open('local.yml', 'w') as f:
        f.write(YML)
    with open('rows.json', 'w') as f:
        f.write('[' + ','.join(json.dumps({
            'id': i, 'n': i * 7919 % 1000003, 'zone': f'zone-{i // 900 % 7}', 'hash': f'{i * 2654435761 % 4294967296:08x}' * 4,
            'part': None if i % 5 else i / 8, 'at': '2024-01-%02dT03:04:%02d.5Z' % (i % 28 + 1, i % 60),
            'tags': {'owner': f'team-{i % 40}', 'ids': [i, i + 1]}}) for i in range(a.rows)) + ']')
    sync = lambda form: [sys.executable, '-c', CQ, so, '{source: local, tables: [local_rows], spec: {folder: "%s"}, '
                         'destination: {kind: file, path: out, %s}}' % (folder, form)]
    what = [('cq, parquet', sync('format: parquet'), 'out'), ('DuckDB, parquet', [sys.executable, '-c', DUCK, TYPES, "FORMAT parquet, COMPRESSION zstd"], 'duck.out'),
            ('pyarrow, parquet', [sys.executable, '-c', ARROW], 'arrow.out'), ('cq, json', sync('format: json'), 'out'),
            ('DuckDB, json', [sys.executable, '-c', DUCK, TYPES, 'FORMAT json'], 'duck.out'), ('cq, csv', sync('format: csv'), 'out'),
            ('DuckDB, csv', [sys.executable, '-c', DUCK, TYPES, 'FORMAT csv'], 'duck.out')]
    best, bytes_ = {}, {}
    for _ in range(a.rounds):
        for name, argv, out in what:
            shutil.rmtree('out', ignore_errors=True)
            t = cpu(argv)
            best[name] = min(best.get(name, t), t)
            bytes_[name] = size(out)
    print(f'{a.rows} rows, {os.path.getsize("rows.json") / 1e6:.0f} MB of JSON')
    for name, _, _ in what:
        print(f'{name:18} {best[name] * 1e6 / a.rows:6.2f} us of CPU a row {bytes_[name] / 1e6:8.1f} MB')
    shutil.rmtree(folder)


main()
