# Debian's Python and its sqlite3 module.
# skip-sanitized: the program is not built for it
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

hosts.scenario("Debian's Python", [os.environ['CQ_PYTHON'], hosts.HERE + 'programs/python.py', 'sqlite3'])
hosts.scenario("Debian's Python with a progress handler", [os.environ['CQ_PYTHON'], hosts.HERE + 'programs/python.py', 'sqlite3', 'progress'],
               'half progress threads')
hosts.done()
