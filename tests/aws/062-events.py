# env: AWS_ENDPOINT_URL=@MOCK@
# env: AWS_ACCESS_KEY_ID=AKIDEXAMPLE
# env: AWS_SECRET_ACCESS_KEY=secret
# env: AWS_EC2_METADATA_DISABLED=true
# timeout: 120
# Every incremental table of AWS: first all that the service keeps, then from the newest that was there, less the lookback; what comes late
# comes once, in each write mode. Findings are snapshots where the source does not say otherwise.
import datetime
import json
import os
import sys
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

ACCOUNT = '''POST /
  need-body Action=GetCallerIdentity
  header Content-Type: text/xml
  body <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/u</Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>
'''
NOW = int(time.time())
NEW = NOW - 3 * 86400          # the newest of the first run
DAY, HOUR = 86400, 3600


def iso(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')


def xml(operation, items, item):
    inner = ''.join('<%s>%s</%s>' % (item, ''.join(f'<{k}>{v}</{k}>' for k, v in i.items()), item) for i in items)
    return f'<{operation}Response><{operation}Result><Events>{inner}</Events></{operation}Result></{operation}Response>'


def event(name, at):
    return {'SourceIdentifier': name, 'SourceType': 'db-instance', 'Message': name, 'Date': iso(at), 'SourceArn': f'arn:{name}', 'EventId': name}


class Query:
    """DescribeEvents of RDS and its kin."""
    lookback, where, parents = HOUR, 'message', ''

    def __init__(self, table, item='Event'):
        self.table, self.item = table, item

    def answer(self, *events):
        return 'POST /\n  need-body Action=DescribeEvents\n  header Content-Type: text/xml\n  body ' + \
            xml('DescribeEvents', [event(n, a) for n, a in events], self.item) + '\n'

    @staticmethod
    def asked(r):
        if 'Action=DescribeEvents' in r['body']:
            pairs = dict(p.split('=', 1) for p in r['body'].split('&'))
            return {k: v.replace('%3A', ':') for k, v in pairs.items() if k in ('StartTime', 'Duration')}

    first = {'Duration': '20160'}

    def then(self, at):
        return {'StartTime': iso(at)}


class Json:
    """A JSON protocol: what its list answers, and what tells the time in what it is asked."""

    def __init__(self, table, target, answer, where, first, then, lookback=HOUR, parents='', path='/'):
        self.table, self.target, self.made, self.where, self.first, self.then = table, target, answer, where, first, then
        self.lookback, self.parents, self.path = lookback, parents, path

    def answer(self, *events):
        need = f'\n  need x-amz-target: *.{self.target}' if self.path == '/' else ''
        return f'POST {self.path}{need}\n  body ' + json.dumps(self.made(events), separators=(',', ':')) + '\n' + self.details(events)

    def details(self, events):
        return ''

    def asked(self, r):
        if r['path'].endswith(self.path) and (self.path != '/' or r['headers'].get('x-amz-target', '').endswith('.' + self.target)):
            return {k: v for k, v in json.loads(r['body']).items() if k not in ('MaxResults', 'maxResults', 'relationalDatabaseName', 'logStreamName', 'startFromHead')}


class Shield(Json):
    def details(self, events):
        return ''.join('POST /\n  need x-amz-target: *.DescribeAttack\n  need-body "%s"\n  body %s\n' % (n, json.dumps({'Attack': {'AttackId': n, 'StartTime': a}}))
                       for n, a in events)


class GuardDuty(Json):
    def details(self, events):
        return 'POST /detector/d/findings/get\n  body ' + json.dumps({'findings': [
            {'id': n, 'arn': f'arn:{n}', 'updatedAt': iso(a), 'createdAt': iso(a)} for n, a in events]}) + '\n'


DATABASES = '''POST /
  need x-amz-target: *.GetRelationalDatabases
  body {"relationalDatabases":[{"name":"db","arn":"arn:db","resourceType":"RelationalDatabase"}]}
POST /
  need x-amz-target: *.GetRelationalDatabaseLogStreams
  body {"logStreams":["error"]}
'''
DETECTORS = 'GET /detector\n  body {"detectorIds":["d"]}\nGET /detector/d\n  body {"status":"ENABLED"}\n'


def near(seen, wanted, slack):
    """Equal, but for numbers that the clock moved on."""
    if isinstance(wanted, dict):
        return isinstance(seen, dict) and set(seen) == set(wanted) and all(near(seen[k], wanted[k], slack) for k in wanted)
    if isinstance(wanted, list):
        return isinstance(seen, list) and len(seen) == len(wanted) and all(near(a, b, slack) for a, b in zip(seen, wanted))
    return abs(seen - wanted) <= slack if isinstance(wanted, int) and isinstance(seen, int) else seen == wanted


TABLES = [
    Json('aws_cloudtrail_events', 'LookupEvents', lambda es: {'Events': [{'EventId': n, 'EventTime': a} for n, a in reversed(es)]}, 'event_id',
         [{**({'StartTime': NOW - 90 * DAY + w * 7 * DAY} if w else {}), 'EndTime': min(NOW, NOW - 90 * DAY + (w + 1) * 7 * DAY)} for w in range(13)], lambda at: {'StartTime': at, 'EndTime': NOW}, lookback=900),
    Query('aws_rds_events'), Query('aws_docdb_events'), Query('aws_redshift_events'), Query('aws_elasticache_events'),
    Json('aws_lightsail_database_events', 'GetRelationalDatabaseEvents',
         lambda es: {'relationalDatabaseEvents': [{'message': n, 'createdAt': a, 'resource': 'db'} for n, a in es]}, 'message',
         {'durationInMinutes': 20160}, lambda at: {'durationInMinutes': (NOW - at) // 60 + 1}, parents=DATABASES),
    Json('aws_lightsail_database_log_events', 'GetRelationalDatabaseLogEvents',
         lambda es: {'resourceLogEvents': [{'message': n, 'createdAt': a} for n, a in es]}, 'message',
         {'startTime': NOW - 14 * DAY, 'endTime': NOW}, lambda at: {'startTime': at, 'endTime': NOW}, parents=DATABASES),
    Shield('aws_shield_attacks', 'ListAttacks', lambda es: {'AttackSummaries': [{'AttackId': n, 'StartTime': a} for n, a in es]}, 'attack_id',
           {'StartTime': {'FromInclusive': NOW - DAY}, 'EndTime': {'ToExclusive': NOW}},
           lambda at: {'StartTime': {'FromInclusive': at}, 'EndTime': {'ToExclusive': NOW}}, lookback=DAY)]
FINDINGS = [
    Json('aws_securityhub_findings', '', lambda es: {'Findings': [
        {'Id': n, 'UpdatedAt': iso(a), 'CreatedAt': iso(a), 'AwsAccountId': '1', 'Description': 'd', 'GeneratorId': 'g', 'ProductArn': 'p', 'SchemaVersion': 's',
         'Title': 't', 'Region': 'us-east-1'} for n, a in es]}, 'id', {}, lambda at: {'Filters': {'UpdatedAt': [{'Start': iso(at), 'End': None}]}}, path='/findings'),
    Json('aws_inspector2_findings', '', lambda es: {'findings': [{'findingArn': n, 'updatedAt': a} for n, a in es]}, 'arn',
         {}, lambda at: {'filterCriteria': {'updatedAt': [{'startInclusive': at}]}}, path='/findings/list'),
    GuardDuty('aws_guardduty_detector_findings', '', lambda es: {'findingIds': [n for n, _ in es]}, 'id',
              {}, lambda at: {'findingCriteria': {'criterion': {'updatedAt': {'greaterThanOrEqual': at * 1000}}}}, parents=DETECTORS, path='/detector/d/findings')]


def once(x, mode, more='', config='', name=''):
    s = Sync(f'{mode}-{x.table}-{name}{"" if more else "-plain"}.db')
    spec = '{source: aws, tables: [%s], spec: {regions: [us-east-1]%s}, write_mode: %s%s}' % (x.table, config, mode, more)
    out = []
    for events in ([('a', NEW - HOUR), ('b', NEW)], [('late', NEW - 600), ('b', NEW), ('c', NEW + 60)]):
        s.routes(ACCOUNT + x.parents + x.answer(*events))
        r = s.sync(spec)
        found = [a for a in map(x.asked, s.log()) if a is not None]
        for a in found:                 # until when is the run's own time
            for f in (a.get('Filters') or {}).get('UpdatedAt', ()):
                f['End'] = None
        out.append((r['status'], found, [v for (v,) in s.rows(f'SELECT {x.where} FROM {x.table} ORDER BY 1')], r['errors']))
    s.db.close()
    return out


t = Sync()
for x in TABLES + FINDINGS:
    for mode in ('append', 'overwrite', 'overwrite-delete-stale'):
        (s1, a1, r1, e1), (s2, a2, r2, e2) = once(x, mode, ', incremental: ["*"]' if x in FINDINGS else '')
        good = near(a1, x.first if isinstance(x.first, list) else [x.first], 60) and near(a2, [x.then(NEW - x.lookback)], 1 if x.table == 'aws_lightsail_database_events' else 60)
        t.is_(f'{x.table}: {mode}', (s1, s2, r1, r2, good or (a1, a2)), ('success', 'success', ['a', 'b'], ['a', 'b', 'c', 'late'], True))
        if (s1, s2) != ('success', 'success'):
            t.none('why', e1 + e2)
for x in FINDINGS:
    (_, a1, _, _), (_, a2, r2, _) = once(x, 'overwrite-delete-stale')
    t.is_(f'{x.table}: a snapshot, as long as nobody says otherwise', (a1, a2, r2), ([{}], [{}], ['b', 'c', 'late']))
    t.is_(f'{x.table}: cq_tables', t.rows('SELECT incremental FROM cq_tables WHERE name = ?', x.table), [(0,)])
# The filters of table_options are added to that of the cursor.
x = FINDINGS[0]
TITLE = {'Title': [{'Value': 'x', 'Comparison': 'EQUALS'}]}
(s1, a1, r1, _), (s2, a2, r2, _) = once(x, 'append', ', incremental: [aws_securityhub_*]', ', table_options: {aws_securityhub_findings: {get_findings: '
                                        '[{filters: {title: [{value: x, comparison: EQUALS}]}}]}}', 'options')
t.is_('filters of both', (s1, s2, a1, a2, r2),
      ('success', 'success', [{'Filters': TITLE}], [{'Filters': {**TITLE, **x.then(NEW - HOUR)['Filters']}}], ['a', 'b', 'c', 'late']))
t.done()
