# PHP's SQLite3.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts

hosts.scenario("PHP's SQLite3", ['php', '-d', 'sqlite3.extension_dir=' + os.environ['CQ_BUILD'], hosts.HERE + 'more/php.php'], can='half')
hosts.done()
