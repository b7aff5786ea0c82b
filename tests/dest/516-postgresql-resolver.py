# timeout: 120
"""A resolver that does not answer keeps neither an interrupt nor the end of the time from a sync."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

# Names that end in .hangs are looked up for SLEEP seconds; when that is over a file says so.
SLEEP = 40
with open('resolver.c', 'w') as f:
    f.write('''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
  int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
  if (node && strlen(node) > 6 && strcmp(node + strlen(node) - 6, ".hangs") == 0) {
    close(open("asked", O_CREAT | O_WRONLY | O_APPEND, 0666));
    sleep(%d);
    close(open("over", O_CREAT | O_WRONLY, 0666));
  }
  return real(node, service, hints, out);
}
''' % SLEEP)
subprocess.run(['cc', '-shared', '-fPIC', '-o', 'resolver.so', 'resolver.c', '-ldl'], check=True)
PROGRAM = '''
import json, os, sys, threading
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync
t = Sync(sys.argv[2])
t.routes('GET /oslo/ships?page=1\\n  body [{"id":1,"name":"Fram"}]\\n')
if sys.argv[3] == 'interrupt':
    def hit():
        while not os.path.exists('asked'):
            threading.Event().wait(0.05)
        t.db.interrupt()
    threading.Thread(target=hit, daemon=True).start()
said = t.sync(sys.argv[1])
print(json.dumps(said))
print('early' if not os.path.exists('over') else 'late', flush=True)
os._exit(0)
'''
t = Tap()


def sync(destinations, db, how=''):
    """What a process says whose resolver hangs, and whether it came before that was over."""
    for name in ('asked', 'over'):
        if os.path.exists(name):
            os.remove(name)
    env = {**os.environ, 'LD_PRELOAD': (os.environ.get('CQ_PRELOAD', '') + ' ' + os.path.abspath('resolver.so')).strip()}
    spec = '{source: fleet, tables: [fleet_ships], spec: {ports: [oslo]}, destinations: [%s]}' % destinations
    out = subprocess.run([os.environ['CQ_PYTHON'], '-c', PROGRAM, spec, db, how], env=env, stdout=subprocess.PIPE, text=True, timeout=100).stdout.splitlines()
    return json.loads(out[-2]), out[-1]


NOWHERE = '{kind: postgresql, connection_string: "postgresql://postgres@db.hangs/app?connect_timeout=2"}'
r, when = sync(NOWHERE, 'one.db')
t.has('the time is over', r.get('raised'), "no connection within 2 s: its host's name is not resolved")
t.is_('before the resolver gives up', (os.path.exists('asked'), when), (True, 'early'))
r, when = sync(NOWHERE.replace('=2', '=30'), 'two.db', 'interrupt')
t.is_('an interrupt', ('interrupted' in str(r.get('raised')) or r, when), (True, 'early'))
r, when = sync('main, ' + NOWHERE, 'three.db')
t.is_('another destination has its rows', (r['status'], [d.get('rows') for d in r['destinations'] if d['name'] == 'main'], when), ('partial', [1], 'early'))
t.done()
