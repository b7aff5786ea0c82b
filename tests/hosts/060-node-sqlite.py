# node:sqlite in Node.js.
# skip-sanitized: the program is not built for it
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

hosts.scenario('node:sqlite', [os.environ['CQ_NODE'] + '/node', hosts.HERE + 'programs/node.js', 'node:sqlite'], 'half threads')
hosts.done()
