# env: AWS_ENDPOINT_URL=@MOCK@
# env: AWS_ACCESS_KEY_ID=AKIDEXAMPLE
# env: AWS_SECRET_ACCESS_KEY=secret
# env: AWS_EC2_METADATA_DISABLED=true
# timeout: 120
# CloudTrail's events, incremental: the newest first, in each region since its own cursor, looking back for what came late.
import datetime
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

t = Sync()
SPEC = '{source: aws, tables: [aws_cloudtrail_events], spec: {regions: [us-east-1, eu-west-1]}}'
ACCOUNT = '''POST /
  need-body Action=GetCallerIdentity
  header Content-Type: text/xml
  body <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/u</Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>
POST /
  need-body Action=DescribeRegions
  header Content-Type: text/xml
  body <DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><regionInfo><item><regionName>us-east-1</regionName><optInStatus>opt-in-not-required</optInStatus></item><item><regionName>eu-west-1</regionName><optInStatus>opt-in-not-required</optInStatus></item></regionInfo></DescribeRegionsResponse>
'''
T0 = int(time.time()) - 2 * 86400
LOOKBACK = 15 * 60
WINDOWS = 13        # of seven days, of the ninety that are kept


def last(region, *list_, **more):
    """What it answers in the last window of a first run; the others are empty."""
    now = int(time.time())
    return ''.join(events(region, *list_, until=until, **more) for until in sorted({str(now)[:5], str(now + 300)[:5]})) + \
        (events(region) if 'page' not in more else '')


def events(region, *list_, token=None, start=None, page=None, status=None, until=''):
    """A route: what LookupEvents answers in one region."""
    lines = ['POST /', '  need x-amz-target: *.LookupEvents', f'  need authorization: */{region}/cloudtrail/*']
    if until:
        lines.append(f'  need-body "EndTime":{until}')
    if page:
        lines.append(f'  need-body "NextToken":"{page}"')
    elif start is not None:
        lines.append(f'  need-body "StartTime":{start},')
    if status:
        lines.append(f'  status {status}')
        lines.append('  body {"__type":"InvalidTimeRangeException","message":"no"}')
    else:
        found = [{'EventId': name, 'EventName': 'n', 'EventTime': at, 'CloudTrailEvent': '{}'} for name, at in list_]
        lines.append('  body ' + json.dumps({'Events': found, **({'NextToken': token} if token else {})}, separators=(',', ':')))
    return '\n'.join(lines) + '\n'


def bodies(region):
    """What was asked of one region: (StartTime, NextToken) of each request."""
    asked = [(json.loads(r['body']), r['headers']['authorization']) for r in t.log() if 'x-amz-target' in r['headers']]
    return [(b.get('StartTime'), b.get('NextToken')) for b, auth in asked if f'/{region}/' in auth]


def at(seconds):
    """The time so long after T0."""
    return datetime.datetime.fromtimestamp(T0 + seconds, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')


def ids():
    return [i for (i,) in t.rows('SELECT event_id FROM aws_cloudtrail_events ORDER BY event_time, event_id')]


t.routes(ACCOUNT + events('us-east-1', ('a1', T0), page='p2') +
         last('us-east-1', ('a3', T0 + 200), ('a2', T0 + 100), token='p2') + last('eu-west-1', ('b1', T0 + 5000)))
r = t.sync(SPEC)
t.is_('first: all that there is', (r['status'], r['rows'], ids()), ('success', 4, ['a1', 'a2', 'a3', 'b1']))
t.is_('window by window, the oldest without a start', [([s is None for s, _ in b], [b[k + 1][0] - b[k][0] for k in range(1, WINDOWS - 1)]) for b in (bodies('us-east-1'), bodies('eu-west-1'))],
      [([True] + [False] * (WINDOWS - 1 + more), [7 * 86400] * (WINDOWS - 2)) for more in (1, 0)])
t.is_('and a window page by page', bodies('us-east-1')[-1], (bodies('us-east-1')[-2][0], 'p2'))
t.is_('a cursor for each region', t.rows('SELECT client_id, cursor FROM cq_units ORDER BY 1'),
      [('111122223333:eu-west-1', at(5000)), ('111122223333:us-east-1', at(200))])

# An event of before the cursor, told late; two new ones; nothing new elsewhere.
t.routes(ACCOUNT + events('us-east-1', ('a4', T0 + 300), ('a3', T0 + 200), ('late', T0 + 150), ('a2', T0 + 100), start=T0 + 200 - LOOKBACK) +
         events('eu-west-1', start=T0 + 5000 - LOOKBACK))
r = t.sync(SPEC)
t.is_('then what is new, and what came late', (r['status'], ids()), ('success', ['a1', 'a2', 'late', 'a3', 'a4', 'b1']))
t.is_('asked from a lookback before each cursor', (bodies('us-east-1'), bodies('eu-west-1')),
      ([(T0 + 200 - LOOKBACK, None)], [(T0 + 5000 - LOOKBACK, None)]))
t.is_('a region without news keeps its cursor', t.rows('SELECT client_id, cursor FROM cq_units ORDER BY 1'),
      [('111122223333:eu-west-1', at(5000)), ('111122223333:us-east-1', at(300))])

# A region that fails in the middle: what was read of it is kept, its cursor stays, so that nothing between is lost.
t.routes(ACCOUNT + events('us-east-1', page='p2', status=400) +
         events('us-east-1', ('a6', T0 + 2000), token='p2', start=T0 + 300 - LOOKBACK) +
         events('eu-west-1', ('b2', T0 + 6000), start=T0 + 5000 - LOOKBACK))
r = t.sync(SPEC)
t.is_('one region fails on its second page', (r['status'], [(e['table'], e['client']) for e in r['errors']]),
      ('partial', [('aws_cloudtrail_events', '111122223333:us-east-1')]))
t.is_('its cursor stays, the other moves', t.rows('SELECT client_id, cursor FROM cq_units ORDER BY 1'),
      [('111122223333:eu-west-1', at(6000)), ('111122223333:us-east-1', at(300))])
t.routes(ACCOUNT + events('us-east-1', ('a5', T0 + 1000), ('a4', T0 + 300), page='p2') +
         events('us-east-1', ('a6', T0 + 2000), token='p2', start=T0 + 300 - LOOKBACK) +
         events('eu-west-1', start=T0 + 6000 - LOOKBACK))
r = t.sync(SPEC)
t.is_('the next has what was between', (r['status'], ids()),
      ('success', ['a1', 'a2', 'late', 'a3', 'a4', 'a5', 'a6', 'b1', 'b2']))

# The service may give older events than it was asked for; the feed ends there.
t.routes(ACCOUNT + events('us-east-1', ('a7', T0 + 3000), ('old', T0 - 9999), token='p2', start=T0 + 2000 - LOOKBACK) +
         events('eu-west-1', start=T0 + 6000 - LOOKBACK))
r = t.sync(SPEC)
t.is_('older than the lookback: neither kept nor followed', (r['status'], 'old' in ids(), bodies('us-east-1')),
      ('success', False, [(T0 + 2000 - LOOKBACK, None)]))

# Two requests a second in each account and region, the first two at once: pages cannot take less.
PAGES = 5
one = SPEC.replace(', eu-west-1', '')
t.routes(ACCOUNT + ''.join(events('us-east-1', (f'p{n}', T0 + 4000 - n), page=f't{n}', token=f't{n + 1}' if n < PAGES else None) for n in range(2, PAGES + 1)) +
         last('us-east-1', ('p1', T0 + 4000), token='t2'))
began = time.monotonic()
r = t.sync(one[:-1] + ', name: pages, destination: {path: pages.db}}')
ASKED = WINDOWS - 1 + PAGES
t.is_('no more than two a second', (r['status'], len(bodies('us-east-1')), time.monotonic() - began >= (ASKED - 2) / 2), ('success', ASKED, True))

# Killed in the last window: what was whole is not asked for again, and each event is there once; also one that comes late, within the lookback.
CHILD = 'import sys; sys.path.insert(0, %r); import synctest; synctest.Sync("child.db").sync(sys.argv[1])' % (os.environ['CQ_ROOT'] + '/tests/sync')
spec = one[:-1] + ', name: windows, destination: {path: windows.db}}'
some = events('us-east-1', ('old', T0 - 80 * 86400))
t.routes(ACCOUNT + last('us-east-1').replace(events('us-east-1'), '').replace('  body', '  hang\n  body') + some)
child = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD, spec])
for _ in range(600):
    if len(bodies('us-east-1')) >= WINDOWS:
        break
    time.sleep(0.05)
time.sleep(2)
child.kill()
child.wait()
t.routes(ACCOUNT + last('us-east-1', ('new', T0)).replace(events('us-east-1'), '') + events('us-east-1', ('late', T0 - 8 * 86400)))
r = t.sync(spec)
own = Sync('windows.db')
t.is_('the windows that were over are not asked for again', (r['status'], 1 < len(bodies('us-east-1')) < 9, [i for (i,) in own.rows('SELECT event_id FROM aws_cloudtrail_events ORDER BY event_time')]),
      ('success', True, ['old', 'late', 'new']))
own.db.close()

# Killed between two pages, and without windows, since the source says more of what it asks, in the first run and in a later one: the next run, resumed or not, has all of it once.
FEED = [('e5', T0 + 500), ('e4', T0 + 400), ('e3', T0 + 300), ('e2', T0 + 200), ('e1', T0 + 100)]
for mode in ('append', 'overwrite', 'overwrite-delete-stale'):
    for options in (None, '{"resume": true}'):
        path = f'{mode}-{options is None}.db'
        spec = one[:-2] + ', table_options: {aws_cloudtrail_events: {lookup_events: [{max_results: 50}]}}}, write_mode: %s, destination: {path: %s}}' % (mode, path)
        own = None
        for feed in (FEED[3:], FEED):
            t.routes(ACCOUNT + events('us-east-1', page='p2').replace('  body', '  hang\n  body') + events('us-east-1', feed[0], token='p2'))
            child = subprocess.Popen([os.environ['CQ_PYTHON'], '-c', CHILD, spec])
            for _ in range(600):
                if (len(bodies('us-east-1'))) >= 2:
                    break
                time.sleep(0.05)
            child.kill()
            child.wait()
            own = own or Sync(path)
            if own.one("SELECT count(*) FROM sqlite_schema WHERE name = 'aws_cloudtrail_events'"):
                t.is_(f'{mode}: nothing of the killed run is shown', [i for (i,) in own.rows('SELECT event_id FROM aws_cloudtrail_events ORDER BY 1')],
                      [] if feed is not FEED else ['e1', 'e2'])
            t.routes(ACCOUNT + events('us-east-1', *feed[1:], page='p2') + events('us-east-1', feed[0], token='p2'))
            r = t.sync(spec, options)
            t.is_(f'{mode}: {len(feed)} events after a kill', (r['status'], [i for (i,) in own.rows('SELECT event_id FROM aws_cloudtrail_events ORDER BY 1')]),
                  ('success', sorted(n for n, _ in feed)))
        if mode == 'append':
            t.is_('append: none twice of a run', own.one('SELECT count(*) - count(DISTINCT _cq_sync_group_id || event_id) FROM raw_aws_cloudtrail_events'), 0)
        own.db.close()
t.done()
