# Java's sqlite-jdbc.
# timeout: 120
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

MORE = os.environ['CQ_BUILD'] + '/hosts/more/'
hosts.scenario("Java's sqlite-jdbc", ['java', '-Xmx256m', '-cp', MORE + 'java/sqlite-jdbc-3.54.1.0.jar:' + MORE + 'java', 'Host'])
hosts.done()
