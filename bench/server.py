"""The benchmark's one server: nginx over page files, so that it costs nothing.

  /items?of=10&page=3         page 3 of 10 of the folder items, with a Link header to the next
  /children/17                one of the ten pages of the folder children
  /small/7/123/eu-west-1      always the same page, whatever table, account and region
  /nothing                    an answer without records
  /slow/...                   any of these, after 50 ms

A folder's pages are numbered files, and how many there are is said by the
request: one folder serves cases of all sizes.
"""
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

DELAY = 0.05
MAX_PAGES = 10_000

CONF = '''
{modules}
daemon off;
master_process off;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  etag {etag};
  keepalive_requests 100000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  types {{ application/json json; text/xml xml; }}
  map_hash_max_size 131072;
  map $arg_page $page {{ default $arg_page; "" 1; }}
  map $page $after {{
{after}
  }}
  map $request_uri $asked {{ "~^([^?]*)" $1; }}
  map "$arg_of-$page" $next {{
    default '<http://127.0.0.1:{port}$asked?of=$arg_of&page=$after>; rel="next"';
    "~^(\\d+)-\\1$" "";
  }}
  server {{
    listen 127.0.0.1:{port};
    root {folder}/pages;
    location ~ ^/slow(/.*)$ {{ set $rest $1; echo_sleep {delay}; echo_exec $rest $args; }}
    location ~ ^/children/\\d*(\\d)$ {{ try_files /children/$1.json =404; }}
    location = /nothing {{ return 200 '{{}}'; }}
    location /small/ {{ try_files /small/1.json =404; }}
    location /xml {{ add_header Link $next; try_files $uri/$page.xml =404; }}
    location / {{ add_header Link $next; try_files $uri/$page.json =404; }}
  }}
}}
'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def find_nginx():
    path = shutil.which('nginx', path=os.environ.get('PATH', '') + ':/usr/sbin')
    return path or sys.exit('bench: nginx is missing')


def find_echo():
    """The module that can wait before it answers; Debian's nginx-light brings it."""
    for folder in ('/usr/lib/nginx/modules', '/usr/share/nginx/modules', '/usr/lib64/nginx/modules'):
        module = Path(folder) / 'ngx_http_echo_module.so'
        if module.exists():
            return module
    sys.exit("bench: nginx's echo module (libnginx-mod-http-echo) is missing")


class Server:
    """Serves folder/pages until stop()."""

    def __init__(self, folder, etag='off'):
        self.folder, self.port = folder, free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        after = '\n'.join(f'    {p} {p + 1};' for p in range(1, MAX_PAGES))
        (folder / 'nginx.conf').write_text(CONF.format(modules=f'load_module {find_echo()};', folder=folder, port=self.port,
                                                       after=after, delay=DELAY, etag=etag))
        self.proc = subprocess.Popen([find_nginx(), '-p', folder, '-c', folder / 'nginx.conf'], stderr=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(('127.0.0.1', self.port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        sys.exit('bench: nginx did not start: ' + (folder / 'error.log').read_text()[-300:])

    def stop(self):
        self.proc.terminate()
        self.proc.wait()
