# apsw, from PyPI.
# skip-sanitized: the program is not built for it
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

hosts.scenario('apsw', [os.environ['CQ_PYTHON'], hosts.HERE + 'programs/python.py', 'apsw'])
hosts.done()
