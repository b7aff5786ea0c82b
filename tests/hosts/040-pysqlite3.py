# pysqlite3, from PyPI.
# skip-sanitized: the program is not built for it
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

hosts.scenario('pysqlite3', [os.environ['CQ_PYTHON'], hosts.HERE + 'programs/python.py', 'pysqlite3'])
hosts.scenario('pysqlite3 with a progress handler', [os.environ['CQ_PYTHON'], hosts.HERE + 'programs/python.py', 'pysqlite3', 'progress'],
               'half progress threads')
hosts.done()
