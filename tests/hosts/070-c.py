# C programs with cq linked in: with the system's SQLite, and with a newer one in each of its threading modes.
# timeout: 120
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

for name, mode in (("Debian's", ''), ('THREADSAFE=0', '-0'), ('THREADSAFE=1', '-1'), ('THREADSAFE=2', '-2')):
    hosts.scenario(f'C, {name}', [f"{os.environ['CQ_BUILD']}/hosts/c{mode}"], 'half interrupt threads' if mode != '-0' else 'half interrupt')
hosts.done()
