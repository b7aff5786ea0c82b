#!/usr/bin/python3
"""Looks for what grows: `make soak`.

  tests/soak.py --build build [--seconds 300]

One sqlite3 shell syncs and queries the mock server, thousands of rows a turn,
some answers failing, until the time is over. After each turn its memory, open
files and threads are read. Fails when, past the first quarter, memory has
grown by more than a tenth and 4 MiB, or files or threads are more than they
were; or when a turn gives other rows than the first.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROUTES = '''
GET /items?page=3
  status 503
  times 1
GET /items
  pages link page 100 2000
  row {"id":@N@,"name":"item @N@","full_name":"owner/item @N@","owner":{"login":"o@N@"},"private":false,"description":"padding padding padding","language":null,"stargazers_count":@N@,"size":1,"created_at":"2024-01-01T00:00:00Z","updated_at":"2024-01-01T00:00:00Z","topics":["a","b"]}
'''
TURN = '''SELECT count(*), sum(id), count(topics) FROM live_bench_items;
SELECT count(*) FROM live_bench_items WHERE id % 7 = 0 LIMIT 1;
SELECT cq_sync('{source: bench, tables: [bench_items], progress: off}') ->> 'status';
SELECT cq_prune(1) IS NULL;
SELECT count(*), sum(id) FROM bench_items;
'''


def facts(pid):
    status = dict(l.split(':', 1) for l in Path(f'/proc/{pid}/status').read_text().splitlines())
    return (int(status['VmRSS'].split()[0]), len(os.listdir(f'/proc/{pid}/fd')), int(status['Threads']))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--build', type=Path, default=Path('build'))
    ap.add_argument('--seconds', type=float, default=300)
    args = ap.parse_args()
    build, here = args.build.resolve(), Path(__file__).resolve().parent.parent
    mock = subprocess.Popen([build / 'tests/mock'], stdout=subprocess.PIPE)
    shell = None
    with tempfile.TemporaryDirectory(prefix='cq-soak-') as tmp:
        try:
            url = f'http://127.0.0.1:{int(mock.stdout.readline())}/t-soak'

            def load():
                for method, path, data in (('POST', 'reset', b''), ('PUT', 'routes', ROUTES.encode())):
                    urllib.request.urlopen(urllib.request.Request(f'{url}/-/{path}', data, method=method)).close()
            env = {'PATH': os.environ['PATH'], 'HOME': tmp, 'TMPDIR': tmp, 'CQ_PATH': str(here / 'bench/bench.yml'),
                   'BENCH_URL': url}
            shell = subprocess.Popen(['sqlite3', '-batch', '-cmd', f'.load {build}/cq', 'soak.db'], cwd=tmp, env=env,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            seen, first, turns, end = [], None, 0, time.monotonic() + args.seconds
            while time.monotonic() < end:
                load()
                shell.stdin.write(TURN + ".print --\n")
                shell.stdin.flush()
                lines = list(iter(shell.stdout.readline, '--\n')) if shell.poll() is None else ['']
                if not lines or '' in lines:
                    sys.exit(f'soak: the shell ended in turn {turns + 1}')
                first = first or lines
                if lines != first:
                    sys.exit(f'soak: turn {turns + 1} gave {lines}, the first {first}')
                turns += 1
                seen.append(facts(shell.pid))
            if turns < 8:
                sys.exit(f'soak: only {turns} turns in {args.seconds:g} s')
            early, late = seen[turns // 4], seen[-1]
            print(f'{turns} turns: {"".join(first).split()}')
            for name, a, b in zip(('memory KiB', 'files', 'threads'), early, late):
                print(f'{name:11}{a:>9} -> {b}')
            grew = late[0] > early[0] * 1.1 + 4096 or late[1] > early[1] or late[2] > early[2]
            print('grew' if grew else 'flat')
            return 1 if grew else 0
        finally:
            for p in (shell, mock):
                if p:
                    p.kill()
                    p.wait()


sys.exit(main())
