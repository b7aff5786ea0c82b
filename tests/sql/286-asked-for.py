# env: LAB_URL=@MOCK@
# What an address says of values at the edges: ends of ranges that no API can read, letters that a host's own
# LIKE may not tell apart, and times of which text and time disagree.
import os
import sys
import urllib.parse

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/sql']
from livetest import ROOT, connect
from shared import Mocked

NEWER = (3, 51)   # older ones hand a LIKE to tables that it is not of, so it is not used
CASES = (
    ("at < '9999-12-31T23:59:59Z'", {}),
    ("at <= '9999-12-31T23:59:59.999999Z'", {}),
    ("at BETWEEN '2024-01-01' AND '9999-12-31T23:59:59'", {'from': '2024-01-01T00:00:00Z'}),
    ("at <= '9999-12-31'", {'to': '9999-12-31T00:00:01Z'}),
    ("at >= '9999-12-31T23:59:59Z'", {'from': '9999-12-31T23:59:59Z'}),
    ("at >= '0000-01-01'", {'from': '0000-01-01T00:00:00Z'}),
    ("at >= '2024-02-30'", {}),
    ("at <= '2016-12-31T23:59:60Z'", {'to': '2017-01-01T00:00:00Z'}),
    ("at < '1969-12-31T23:59:58.5Z'", {'to': '1969-12-31T23:59:59Z'}),
    ("name LIKE '10%'", {'name': '10'}),
    ("name LIKE '10é%'", {'name': '10'}),
    ("name LIKE 'é%'", {}),
    ("name GLOB 'é*'", {'name': 'é'}),
)
t = Mocked()
for driver in ('sqlite3', 'apsw'):
    db = connect(driver)
    version = db.execute('SELECT sqlite_version()').fetchone()[0]
    like = tuple(int(n) for n in version.split('.')[:2]) >= NEWER
    db.execute("SELECT cq_config('cache_ttl', 0)").fetchall()
    db.execute('SELECT cq_load(?)', (ROOT + '/tests/sql/fixtures/lab.yml',)).fetchall()
    for where, wanted in CASES:
        t.routes('GET /*\n  body []\n')
        db.execute(f"SELECT id FROM lab_things WHERE site = 'a' AND {where}").fetchall()
        asked = urllib.parse.urlsplit(t.log()[0]['path']).query
        seen = {k: v for k, v in urllib.parse.parse_qsl(asked) if k not in ('page', 'size')}
        t.is_(f'SQLite {version}: {where}', seen, {} if 'name' in wanted and not like else wanted)
    db.close()
t.done()
