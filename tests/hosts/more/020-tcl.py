# Tcl.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

hosts.scenario("Tcl", ['tclsh', hosts.HERE + 'more/tcl.tcl'], can='progress')
hosts.done()
