# timeout: 60
# An answer that came with a validator is asked about, not fetched again; a 304
# counts as that answer, live and in a sync.
import os
import sys
import time
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import MOCK, Odd

t = Odd(cache_ttl='0.001')
TWO = '''GET /links?page=2
  need if-none-match: "two"
  status 304
  header etag: "two"
GET /links?page=2
  header etag: "two"
  body [{"id":4}]
'''
ONE = '''GET /links
  need if-none-match: "one"
  status 304
GET /links
  header etag: "one"
  header link: <@MOCK@/links?page=2>; rel="next"
  body [{"id":1},{"id":2},{"id":3}]
'''
IDS = 'SELECT group_concat(id) FROM (SELECT id FROM odd_links ORDER BY id)'


def ids():
    time.sleep(0.02)       # past cache_ttl
    return t.one(IDS)


def twice(sql):
    t.rows(sql)
    time.sleep(0.02)
    t.rows(sql)


def statuses():
    return [e['status'] for e in t.log()]


t.routes(TWO + ONE)
t.is_('the first time, all is sent', (ids(), statuses()), ('1,2,3,4', [200, 200]))
t.is_('then 304 counts as the answer, its Link too', (ids(), statuses()), ('1,2,3,4', [200, 200, 304, 304]))
t.is_('again: a 304 keeps it', (ids(), statuses()[4:]), ('1,2,3,4', [304, 304]))
t.is_('cq_requests tells the status', t.rows(
    "SELECT status, count(*) FROM cq_requests WHERE integration = 'odd' GROUP BY 1"), [(200, 2), (304, 4)])

t.routes(TWO + '''GET /links
  header etag: "three"
  header link: <@MOCK@/links?page=2>; rel="next"
  body [{"id":1},{"id":2},{"id":7}]
''')
t.is_('what has changed is taken anew', (ids(), statuses()), ('1,2,4,7', [200, 304]))
t.is_('with the old validator', t.log()[0]['headers'].get('if-none-match'), '"one"')
ids()
t.is_('and asked about by its new one', t.log()[2]['headers'].get('if-none-match'), '"three"')

t.routes(TWO + ONE)
t.rows("SELECT cq_config('odd.token', 'another')")
t.is_('who asks is part of the question', (ids(), statuses()), ('1,2,3,4', [200, 200]))

t.routes('GET /links\n  need if-none-match: *\n  status 304\nGET /links\n  header etag: "x"\n  body [{"id":1}]\n')
ids()
t.rows("SELECT cq_config('odd.token', 'a third')")
t.routes('GET /links\n  status 304\n')
t.has('a 304 that nobody asked for is an error', t.tries(IDS), 'HTTP 304')

t.routes(TWO + ONE)
SYNC = "SELECT cq_sync('{source: odd, tables: [odd_links], progress: off}') ->> 'status'"
t.is_('a sync reads all', (t.one(SYNC), statuses()), ('success', [200, 200]))
t.is_('the next asks', (t.one(SYNC), statuses()[2:]), ('success', [304, 304]))
t.is_('and has the same rows', ids(), '1,2,3,4')
t.is_('in the second snapshot', t.one('SELECT count(DISTINCT _cq_sync_group_id) FROM raw_odd_links'), 2)
t.rows('DROP VIEW odd_links')

DATES = '''GET /list
  need if-modified-since: Wed, 01 Jan 2020 00:00:00 GMT
  status 304
GET /list
  header last-modified: Wed, 01 Jan 2020 00:00:00 GMT
  header date: {}
  body [{{"id":1}}]
'''
t.routes(DATES.format('Wed, 01 Jan 2020 00:00:09 GMT'))
twice('SELECT * FROM odd_list')
t.is_('Last-Modified validates', statuses(), [200, 304])
t.rows("SELECT cq_config('odd.token', 'a fourth')")
t.routes(DATES.format('Wed, 01 Jan 2020 00:00:01 GMT'))
twice('SELECT * FROM odd_list')
t.is_('but not of the second of the answer', statuses(), [200, 200])

t.routes('GET /list\n  body [{"id":1}]\n')
t.rows("SELECT cq_config('odd.token', 'a fifth')")
twice('SELECT * FROM odd_list')
t.is_('without a validator nothing is asked', [e['headers'].get('if-none-match') for e in t.log()], [None, None])

t.rows("SELECT cq_config('cache_ttl', '0')")
t.routes(TWO + ONE)
twice('SELECT * FROM live_odd_links')
t.is_('cache_ttl 0 keeps nothing', statuses(), [200, 200, 200, 200])
t.done()
