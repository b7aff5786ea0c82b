# env: AWS_ENDPOINT_URL=@MOCK@
# env: AWS_ACCESS_KEY_ID=AKIDEXAMPLE
# env: AWS_SECRET_ACCESS_KEY=secret
# env: AWS_EC2_METADATA_DISABLED=true
# CloudTrail's events, incremental: the newest first, in each region since its own cursor, looking back for what came late.
import json
import os
import sys

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
T0 = 1700000000  # 2023-11-14T22:13:20Z
LOOKBACK = 15 * 60


def events(region, *list_, token=None, start=None, page=None, status=None):
    """A route: what LookupEvents answers in one region."""
    lines = ['POST /', '  need x-amz-target: *.LookupEvents', f'  need authorization: */{region}/cloudtrail/*']
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


def ids():
    return [i for (i,) in t.rows('SELECT event_id FROM aws_cloudtrail_events ORDER BY event_time, event_id')]


t.routes(ACCOUNT + events('us-east-1', ('a1', T0), page='p2') +
         events('us-east-1', ('a3', T0 + 200), ('a2', T0 + 100), token='p2') + events('eu-west-1', ('b1', T0 + 5000)))
r = t.sync(SPEC)
t.is_('first: all that there is', (r['status'], r['rows'], ids()), ('success', 4, ['a1', 'a2', 'a3', 'b1']))
t.is_('without a start', (bodies('us-east-1'), bodies('eu-west-1')), ([(None, None), (None, 'p2')], [(None, None)]))
t.is_('a cursor for each region', t.rows('SELECT client_id, cursor FROM cq_units ORDER BY 1'),
      [('111122223333:eu-west-1', '2023-11-14T23:36:40Z'), ('111122223333:us-east-1', '2023-11-14T22:16:40Z')])

# An event of before the cursor, told late; two new ones; nothing new elsewhere.
t.routes(ACCOUNT + events('us-east-1', ('a4', T0 + 300), ('a3', T0 + 200), ('late', T0 + 150), ('a2', T0 + 100), start=T0 + 200 - LOOKBACK) +
         events('eu-west-1', start=T0 + 5000 - LOOKBACK))
r = t.sync(SPEC)
t.is_('then what is new, and what came late', (r['status'], ids()), ('success', ['a1', 'a2', 'late', 'a3', 'a4', 'b1']))
t.is_('asked from a lookback before each cursor', (bodies('us-east-1'), bodies('eu-west-1')),
      ([(T0 + 200 - LOOKBACK, None)], [(T0 + 5000 - LOOKBACK, None)]))
t.is_('a region without news keeps its cursor', t.rows('SELECT client_id, cursor FROM cq_units ORDER BY 1'),
      [('111122223333:eu-west-1', '2023-11-14T23:36:40Z'), ('111122223333:us-east-1', '2023-11-14T22:18:20Z')])

# A region that fails in the middle: what was read of it is kept, its cursor stays, so that nothing between is lost.
t.routes(ACCOUNT + events('us-east-1', page='p2', status=400) +
         events('us-east-1', ('a6', T0 + 2000), token='p2', start=T0 + 300 - LOOKBACK) +
         events('eu-west-1', ('b2', T0 + 6000), start=T0 + 5000 - LOOKBACK))
r = t.sync(SPEC)
t.is_('one region fails on its second page', (r['status'], [(e['table'], e['client']) for e in r['errors']]),
      ('partial', [('aws_cloudtrail_events', '111122223333:us-east-1')]))
t.is_('its cursor stays, the other moves', t.rows('SELECT client_id, cursor FROM cq_units ORDER BY 1'),
      [('111122223333:eu-west-1', '2023-11-14T23:53:20Z'), ('111122223333:us-east-1', '2023-11-14T22:18:20Z')])
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
t.done()
