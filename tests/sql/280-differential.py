# timeout: 300
# A live table answers as an ordinary one and as a synced one that hold its rows,
# whatever is asked, and makes the requests that cq_explain told: on the system's
# SQLite.  differential.py has the words; CQ_SEED, CQ_STATEMENTS set how many.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sql')
import differential

if os.environ.get('CQ_SANITIZE'):
    os.environ.setdefault('CQ_STATEMENTS', '1000')
sys.argv[1:] = ['--driver', 'sqlite3']
sys.exit(differential.main())
