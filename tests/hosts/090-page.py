# docs/embedding.md shows what works.
# skip-sanitized: the program is not built for it
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts
import page

page.run('sqlite3 shell', [os.environ['CQ_SQLITE']])
page.run('Python, sqlite3 or pysqlite3', [os.environ['CQ_PYTHON'], '-'])
page.run('Python, apsw', [os.environ['CQ_PYTHON'], '-'])
# better-sqlite3 as npm installs it finds its binary by itself
page.run('better-sqlite3', [os.environ['CQ_NODE'] + '/node', '-'],
         "const own = require; require = (n) => { const D = own(process.env.CQ_NODE + '/' + n); return function (f) { return new D(f, "
         "{ nativeBinding: process.env.CQ_NODE + '/better_sqlite3.node' }); }; };\n")
page.run('node:sqlite', [os.environ['CQ_NODE'] + '/node', '-'])
page.shown('C', 'examples/embed.c')
hosts.done()
