# docs/embedding.md shows what works.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts
import page

page.run('Perl', ['perl', '-'])
page.run('Tcl', ['tclsh'])
page.run('PHP', ['php', '-d', 'sqlite3.extension_dir=' + os.environ['CQ_BUILD']], '<?php\n')
page.run('Ruby', ['ruby', '-'])
page.shown('Go', 'more/go/main.go')
page.shown('Rust', 'more/rust/src/main.rs')
page.shown('Java', 'more/java/Host.java')
hosts.done()
