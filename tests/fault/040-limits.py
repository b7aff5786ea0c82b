# timeout: 60
# What servers say about too many requests: obeyed, counted, bounded.
import datetime
import email.utils
import json
import os
import sys
import time
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import MOCK, Odd

t = Odd(cache_ttl='0')


def after(value, more=''):
    t.routes(f'GET /list\n  status 429\n  header retry-after: {value}\n  times 1\n{more}GET /list\n  body [{{"id":1}}]\n')
    return t.tries('SELECT id FROM odd_list')


IN_A_SECOND = email.utils.formatdate(time.time() + 1, usegmt=True)
for name, value in (('in seconds', '0'), ('in parts of a second', '0.1'), ('as a date that has passed',
                    'Wed, 21 Oct 2015 07:28:00 GMT'), ('as a date to come', IN_A_SECOND), ('as nonsense', 'soon'),
                    ('negative', '-5'), ('empty', '')):
    t.is_(f'Retry-After {name}', (after(value), t.asked()), ([(1,)], 2))
for value in ('99999999', 'Wed, 21 Oct 2199 07:28:00 GMT', '1e300', '86400'):
    seen = after(value)
    t.has(f'Retry-After {value} is not waited for', seen, 'asks to wait for 1h or more')
    t.is_(f'Retry-After {value}: one request', t.asked(), 1)

# A query waits for max_wait; what it was told holds for the next ones too, which do not ask, but not for other users.
t.rows("SELECT cq_config('max_wait', 2)")
t.is_('less than max_wait is waited for', after('1'), [(1,)])
t.has('more is not', after('600'), 'HTTP 429 (asks to wait for 10m00s)\nhint: cq_config')
t.is_('one request', t.asked(), 1)
t.has('nor asked for again', t.tries('SELECT id FROM odd_list'), 'odd_list: GET ' + MOCK + '/list: not asked, since no more requests are wanted for ')
t.is_('no request', (t.asked(), t.rows('SELECT status FROM cq_requests ORDER BY id DESC LIMIT 1')), (1, [(429,)]))
t.rows("SELECT cq_config('odd.token', 'another')")
t.is_("another user's quota is another", (t.tries('SELECT id FROM odd_list'), t.asked()), ([(1,)], 2))
t.rows("SELECT cq_config('odd.token', NULL)")
t.has('the first one waits still', t.tries('SELECT id FROM odd_list'), 'not asked')
t.db.close()
t.open()
# Requests that had been queued before one is told to wait end as well.
t.rows("SELECT cq_config('max_wait', 0)")
t.routes('GET /parents/3/*\n  status 429\n  header retry-after: 600\nGET /parents/*\n  delay 20\n  body [{"id":1}]\n'
         'GET /parents\n  body [' + ','.join(f'{{"id":{i}}}' for i in range(40)) + ']\n')
t.has('in the middle of many', t.tries('SELECT parent_id FROM odd_children'), '10m00s')
t.db.close()
t.open()

t.routes('GET /list\n  status 500\n  times 3\n  next\n  body [{"id":1}]\n')
t.is_('three times 500, then an answer', (t.tries('SELECT id FROM odd_list'), t.asked()), ([(1,)], 4))
t.is_('cq_requests tells the attempts', t.rows(
    "SELECT group_concat(attempt || ':' || status) FROM (SELECT * FROM cq_requests ORDER BY id DESC LIMIT 4)"),
    [('4:200,3:500,2:500,1:500',)])
t.routes('GET /list\n  status 400 Odd\n  body {"message":"no"}\n')
t.has('400 is not tried again', t.tries('SELECT id FROM odd_list'), 'HTTP 400')
t.is_('but once', t.asked(), 1)

SYNC = "SELECT cq_sync('{source: odd, tables: [odd_list], progress: off}')"
t.routes('GET /list\n  status 429\n  header retry-after: 0.3\n  times 1\n  next\n  body [{"id":1}]\n')
t.rows(SYNC)
t.is_('a sync counts what it waited for', t.rows(
    'SELECT requests, retries, throttled_ms >= 300 FROM cq_sync_tables ORDER BY started DESC LIMIT 1'), [(2, 1, 1)])

# A server's dates are by its own clock, which may be a day off.
now = datetime.datetime.now(datetime.timezone.utc)
for off in (-86400, 86400):
    at = now + datetime.timedelta(seconds=off)
    later = at + datetime.timedelta(seconds=1)
    form = '%a, %d %b %Y %H:%M:%S GMT'
    t.routes(f'GET /list\n  status 429\n  header date: {at.strftime(form)}\n  header retry-after: {later.strftime(form)}\n  times 1\n  next\n  body [{{"id":1}}]\n')
    r = json.loads(t.rows(SYNC)[0][0])
    waited = t.one('SELECT throttled_ms FROM cq_sync_tables ORDER BY started DESC LIMIT 1')
    t.is_(f'a clock {off // 3600} h off: waits as long as was asked', (r['status'], 900 <= waited <= 5000), ('success', True))

# Requests to one host share a limit: ten at once, half as many after a 429.
PARENTS = 'GET /parents\n  body [' + ','.join(f'{{"id":{i}}}' for i in range(60)) + ']\n'
t.routes('GET /parents/*\n  delay 30\n  body [{"id":1}]\n' + PARENTS)
t.is_('sixty children', t.one('SELECT count(*) FROM odd_children'), 60)
t.is_('as many at once as the limit lets', t.peak(), 10)
t.is_('in the order of their parents', t.rows('SELECT parent_id FROM odd_children'), [(i,) for i in range(60)])
t.routes('GET /parents/5/*\n  status 429\n  header retry-after: 0.2\n  times 1\n'
         'GET /parents/*\n  delay 30\n  body [{"id":1}]\n' + PARENTS)
t.is_('none is lost to a 429', t.rows('SELECT parent_id FROM odd_children'), [(i,) for i in range(60)])
t.is_('which costs one more request', t.asked(), 62)

# An error far ahead is told when the reader gets there.
t.routes('GET /parents/9/*\n  status 400\nGET /parents/0/*\n  delay 100\n  body [{"id":1}]\n'
         'GET /parents/*\n  body [{"id":1}]\n' + PARENTS)
c = t.db.execute('SELECT parent_id FROM odd_children')
seen = []
try:
    for row in c:
        seen.append(row[0])
except Exception as e:
    seen.append('400' in str(e))
# Python steps one row ahead, so it drops the last of them.
t.is_('rows before an error, then the error', seen, list(range(8)) + [True])
t.done()
