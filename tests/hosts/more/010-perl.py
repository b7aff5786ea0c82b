# Perl's DBD::SQLite.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

hosts.scenario("Perl's DBD::SQLite", ['perl', hosts.HERE + 'more/perl.pl'], can='half progress')
hosts.done()
