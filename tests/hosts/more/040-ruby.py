# Ruby's sqlite3.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

hosts.scenario("Ruby's sqlite3", ['ruby', hosts.HERE + 'more/ruby.rb'], can='half threads')
hosts.done()
