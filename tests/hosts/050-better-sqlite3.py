# better-sqlite3 in Node.js.
# skip-sanitized: the program is not built for it
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

hosts.scenario('better-sqlite3', [os.environ['CQ_NODE'] + '/node', hosts.HERE + 'programs/node.js', 'better-sqlite3'], 'half threads')
hosts.done()
