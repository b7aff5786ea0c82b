#!/usr/bin/python3
"""Measures cq beside the loops that a person would write: `make bench`.

  bench/run.py --build build [--rows 50000] [--rounds 3] [--json FILE]

nginx serves the same pages of GitHub-like records (1.95 kB, 24 keys, 100 a
page, next page by Link header) to four programs: the loop of libcurl, simdjson
and a prepared insert (bench/floor_simdjson.cc, the floor), the same with
jansson's trees (bench/floor.c), a live SELECT of the same 12 columns, and a
sync of them into a file. All are whole processes, so that start and end count.
Each round runs all four; the least CPU of the rounds is shown, and its wall
time and peak memory.
"""
import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = ('id name full_name owner_login private description language stargazers_count size created_at updated_at '
           'topics').split()
PAGE = 100


def record(i, rnd):
    """A repository as GitHub lists it, cut to 24 keys; about 1.95 kB."""
    words = 'fast small library for reading writing cloud tables data stream parser in pure safe simple'.split()
    owner, name = f'owner-{i % 997}', f'repository-{i}'
    api, web = f'https://api.github.com/repos/{owner}/{name}', f'https://github.com/{owner}/{name}'
    user = f'https://api.github.com/users/{owner}'
    return {
        'id': 10_000_000 + i, 'node_id': f'MDEwOlJlcG9zaXRvcnkx{i:09d}', 'name': name, 'full_name': f'{owner}/{name}',
        'private': i % 7 == 0,
        'owner': {'login': owner, 'id': 1000 + i % 997, 'node_id': f'MDQ6VXNlcjE{i % 997:04d}',
                  'avatar_url': f'https://avatars.githubusercontent.com/u/{1000 + i % 997}?v=4', 'url': user,
                  'html_url': f'https://github.com/{owner}', 'followers_url': user + '/followers',
                  'following_url': user + '/following{/other_user}', 'gists_url': user + '/gists{/gist_id}',
                  'starred_url': user + '/starred{/owner}{/repo}', 'subscriptions_url': user + '/subscriptions',
                  'organizations_url': user + '/orgs', 'repos_url': user + '/repos',
                  'events_url': user + '/events{/privacy}', 'received_events_url': user + '/received_events',
                  'gravatar_id': '', 'type': 'User',
                  'site_admin': False},
        'html_url': web, 'description': None if i % 11 == 0 else ' '.join(rnd.choices(words, k=9)) + (' é' if i % 5 == 0 else ''),
        'fork': i % 3 == 0, 'url': api, 'archive_url': api + '/{archive_format}{/ref}',
        'branches_url': api + '/branches{/branch}', 'clone_url': web + '.git', 'hooks_url': api + '/hooks',
        'issues_url': api + '/issues{/number}', 'created_at': f'20{10 + i % 14}-0{1 + i % 9}-1{i % 10}T08:00:{i % 60:02d}Z',
        'updated_at': f'2024-0{1 + i % 9}-2{i % 9}T10:20:{i % 60:02d}Z', 'size': rnd.randrange(10 ** 6),
        'stargazers_count': rnd.randrange(10 ** 5), 'language': ('C', 'Go', 'Rust', 'Python', None)[i % 5],
        'topics': rnd.sample(words, 4), 'license': {'key': 'apache-2.0', 'name': 'Apache License 2.0', 'spdx_id': 'Apache-2.0'},
        'permissions': {'admin': False, 'push': False, 'pull': True}, 'default_branch': 'main',
    }


def write_pages(folder, rows):
    rnd, size = random.Random(1), 0
    pages = -(-rows // PAGE)
    for p in range(pages):
        text = json.dumps([record(i, rnd) for i in range(p * PAGE, min(rows, (p + 1) * PAGE))], separators=(',', ':'),
                          ensure_ascii=False).encode()
        (folder / f'{p + 1}.json').write_bytes(text)
        size += len(text)
    return pages, size


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def start_nginx(folder, pages):
    port = free_port()
    links = '\n'.join(f'    {p} "<http://127.0.0.1:{port}/items?page={p + 1}>; rel=\\"next\\"";' for p in range(1, pages))
    (folder / 'nginx.conf').write_text(f'''
daemon off;
master_process off;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  types {{ application/json json; }}
  map_hash_max_size 65536;
  map_hash_bucket_size 256;
  map $arg_page $page {{ default $arg_page; "" 1; }}
  map $page $next {{
    default "";
{links}
  }}
  server {{
    listen 127.0.0.1:{port};
    location = /items {{
      root {folder}/pages;
      add_header Link $next;
      try_files /$page.json =404;
    }}
  }}
}}
''')
    nginx = shutil.which('nginx', path=os.environ.get('PATH', '') + ':/usr/sbin') or sys.exit('bench: nginx is missing')
    proc = subprocess.Popen([nginx, '-p', folder, '-c', folder / 'nginx.conf'], stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(('127.0.0.1', port)) == 0:
                return proc, f'http://127.0.0.1:{port}'
        time.sleep(0.02)
    proc.kill()
    sys.exit('bench: nginx did not start: ' + (folder / 'error.log').read_text()[-300:])


def run(argv, env, stdin=''):
    """(CPU seconds, wall seconds, peak bytes, output) of a whole process."""
    t = time.monotonic()
    with tempfile.TemporaryFile() as out:
        proc = subprocess.Popen([str(a) for a in argv], env=env, stdin=subprocess.PIPE, stdout=out)
        proc.stdin.write(stdin.encode())
        proc.stdin.close()
        _, status, usage = os.wait4(proc.pid, 0)
        wall = time.monotonic() - t
        proc.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode()
    if proc.returncode != 0:
        sys.exit(f'bench: {argv[0]}: exit status {proc.returncode}\n{text}')
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024, text


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--build', type=Path, default=Path('build'))
    ap.add_argument('--rows', type=int, default=50000)
    ap.add_argument('--rounds', type=int, default=3)
    ap.add_argument('--json', type=Path)
    args = ap.parse_args()
    build = args.build.resolve()
    folder = Path(tempfile.mkdtemp(prefix='cq-bench-'))
    (folder / 'pages').mkdir()
    nginx = None
    try:
        pages, size = write_pages(folder / 'pages', args.rows)
        nginx, url = start_nginx(folder, pages)
        env = {'PATH': os.environ['PATH'], 'HOME': str(folder), 'TMPDIR': str(folder), 'TZ': 'UTC', 'LANG': 'C.UTF-8',
               'CQ_PATH': str(HERE / 'bench.yml'), 'BENCH_URL': url}
        shell = ['sqlite3', '-batch', '-bail', '-cmd', f'.load {build}/cq']
        counts = ', '.join(f'count({c})' for c in COLUMNS)
        spec = '{source: bench, tables: [bench_items], progress: off}'

        def loop(program):
            return lambda db: ([build / 'bench' / program, url + '/items', db], '', lambda text: int(text))

        def live(db):
            return shell + [':memory:'], f'SELECT count(*), {counts} FROM bench_items;', lambda text: int(text.split('|')[0])

        def sync(db):
            return shell + [db], (f"SELECT cq_sync('{spec}') IS NULL;\nSELECT count(*) FROM bench_items;\n"), \
                lambda text: int(text.split()[-1])

        best = {}
        for n in range(args.rounds):
            for name, make in (('floor', loop('floor_simdjson')), ('trees', loop('floor')), ('live', live), ('sync', sync)):
                db = folder / f'{name}-{n}.db'
                argv, stdin, rows = make(db)
                cpu, wall, peak, text = run(argv, env, stdin)
                if rows(text) != args.rows:
                    sys.exit(f'bench: {name}: {rows(text)} rows, not {args.rows}')
                db.unlink(missing_ok=True)
                if name not in best or cpu < best[name]['cpu']:
                    best[name] = {'cpu': cpu, 'wall': wall, 'peak': peak}
        base = best['floor']
        print(f'{args.rows} rows of {size / args.rows / 1000:.2f} kB, 12 columns, {args.rounds} rounds')
        print(f'{"":22}{"CPU x floor":>12}{"wall x floor":>14}{"CPU ms/1000":>13}{"wall s":>9}{"peak MiB":>10}')
        for name, label in (('floor', 'curl+simdjson+insert'), ('trees', 'curl+jansson+insert'), ('live', 'cq live'),
                            ('sync', 'cq sync')):
            b = best[name]
            b['rows'], b['cpu_per_1000_ms'] = args.rows, b['cpu'] * 1e6 / args.rows
            print(f'{label:22}{b["cpu"] / base["cpu"]:12.2f}{b["wall"] / base["wall"]:14.2f}{b["cpu_per_1000_ms"]:13.2f}'
                  f'{b["wall"]:9.2f}{b["peak"] / 2 ** 20:10.1f}')
        if args.json:
            args.json.write_text(json.dumps(best, indent=1) + '\n')
    finally:
        if nginx:
            nginx.terminate()
            nginx.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
