# Rust's rusqlite.
# timeout: 120
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

MORE = os.environ['CQ_BUILD'] + '/hosts/more/'
hosts.scenario("Rust's rusqlite", [MORE + 'bin/rust-host'])
hosts.done()
