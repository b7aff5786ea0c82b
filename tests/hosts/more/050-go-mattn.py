# Go's mattn/go-sqlite3.
# timeout: 120
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

MORE = os.environ['CQ_BUILD'] + '/hosts/more/'
hosts.scenario("Go's mattn/go-sqlite3", [MORE + 'bin/go-host'])
hosts.done()
