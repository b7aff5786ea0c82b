# timeout: 300
# The same as 280-differential, on the newest SQLite: the one that apsw brings.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sql')
import differential

if os.environ.get('CQ_SANITIZE'):
    os.environ.setdefault('CQ_STATEMENTS', '1000')
sys.argv[1:] = ['--driver', 'apsw']
sys.exit(differential.main())
