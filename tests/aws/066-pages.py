# env: AWS_ENDPOINT_URL=@MOCK@
# env: AWS_ACCESS_KEY_ID=AKIDEXAMPLE
# env: AWS_SECRET_ACCESS_KEY=secret
# env: AWS_EC2_METADATA_DISABLED=true
# Lists whose answers can say that there is more are asked for it, in whatever words the model has for that; and one that goes on by the name of its
# last record.
import glob
import json
import os
import re
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
import botocore.exceptions
import botocore.session
import yaml

import oracle
import special
from shared import Mocked, connect

t = Mocked()
t.db = connect()
models = botocore.session.get_session()
pages = {n: json.loads(o) for n, o in t.rows("SELECT name, operations FROM cq_tables WHERE integration = 'aws'")}
# Words that tell of something else.
OTHER = {'NextSchemaVersion', 'NextRotationDate', 'UpdateToken', 'LockToken', 'BillableTokenCount', 'lastEvaluatedAt'}
TOKEN = re.compile(r'(?i)token$|marker$|^position$|^(is)?truncated$|^hasmore|^lastevaluated')


def tells(shape, deep=1):
    """The members that tell of more."""
    out = [n for n in shape.members if TOKEN.search(n) and n not in OTHER]
    for n, s in shape.members.items():
        if s.type_name == 'structure' and deep:
            out += [f'{n}.{x}' for x in tells(s, 0)]
    return out


wrong, lists = [], 0
for row in oracle.facts('plan.tsv'):
    service, table = row['service'], row['table']
    asked = next((o for o in pages[table] if o['purpose'] == 'list'), None)
    if service in special.WITHDRAWN or not asked:
        continue
    try:
        op = models.get_service_model(service).operation_model(asked['operation'])
    except Exception:
        continue
    more = tells(op.output_shape) if op.output_shape else []
    lists += bool(more)
    if more and not asked.get('pages'):
        wrong.append(f'{table}: {op.name} has no pages, but {more}')
t.none('every list that can go on does', wrong)
t.is_('many can', lists > 500)

# So does every further request of a table, generated ones included: details, tags, jobs.  unpaged.tsv has those that need not, and why.
by_id, paginators = {}, {}
for n in models.get_available_services():
    by_id[models.get_service_model(n).metadata.get('serviceId', n).lower().replace(' ', '-').replace('_', '-')] = n
    try:
        paginators[n] = set(models.get_component('data_loader').load_service_model(n, 'paginators-1')['pagination'])
    except botocore.exceptions.UnknownServiceError:
        paginators[n] = set()


def requests(at, x):
    if isinstance(x, dict):
        if isinstance(x.get('request'), dict) and 'operation' in x['request']:
            yield at, x
        for k, v in x.items():
            yield from requests(f'{at}.{k}' if at else k, v)
    elif isinstance(x, list):
        for v in x:
            yield from requests(at, v)


needs_none = dict(line.rstrip('\n').split('\t') for line in open(os.environ['CQ_ROOT'] + '/tests/aws/unpaged.tsv', encoding='utf-8') if line[0] != '#')
wrong, unknown, asked, seen = [], [], 0, set()
for path in sorted(glob.glob(os.environ['CQ_ROOT'] + '/vtab/aws/*.yml')):
    with open(path, encoding='utf-8') as f:
        text = f.read()
    model = re.search("model of (\\S+?)( |$)", text.split('\n', 1)[0])
    if not model:
        continue                        # made without a model: withdrawn services, and what they have in common
    for at, x in requests('', yaml.load(text, Loader=getattr(yaml, 'CSafeLoader', yaml.SafeLoader)).get('tables')):
        operation, name = x['request']['operation'], model[1]
        if operation not in models.get_service_model(name).operation_names:
            name = by_id.get(str((x['request'].get('auth') or {}).get('service_id')).lower().replace('_', '-').replace(' ', '-'))
        if not name or operation not in models.get_service_model(name).operation_names:
            unknown.append(f'{path}: {at}: {operation}')
            continue
        asked += 1
        op = models.get_service_model(name).operation_model(operation)
        ins = [m for m in (op.input_shape.members if op.input_shape else ()) if TOKEN.search(m) and m not in OTHER]
        if (operation in paginators[name] or (ins and tells(op.output_shape, 0))) and (x.get('page') or {'by': 'none'})['by'] == 'none':
            seen.add(at)
            if at not in needs_none:
                wrong.append(f'{os.path.basename(path)}: {at}: {operation}: {ins} of {tells(op.output_shape, 0)}')
t.none('every request that can go on does', wrong)
t.none('all of them are known to the models', unknown)
t.is_('exceptions are such', sorted(set(needs_none) - seen), [])
t.is_('there are many', asked > 2400)

# A page is no larger than the model's words allow where its numbers allow more (KMS refuses to list a thousand aliases).
wrong = []
for row in oracle.facts('plan.tsv'):
    asked = next((o for o in pages[row['table']] if o['purpose'] == 'list' and o.get('page_size')), None)
    try:
        op = models.get_service_model(row['service']).operation_model(asked['operation'])
    except Exception:
        continue
    for name, shape in op.input_shape.members.items():
        text = re.sub('<[^>]+>', ' ', shape.documentation or '')
        most = re.search(r'must be between \d+ and (\d[\d,]*)', text)
        if re.fullmatch('(?i)max(results|items|records)|limit|page-?size', name) and most and int(most[1].replace(',', '')) < asked['page_size']:
            wrong.append(f'{row["table"]}: {asked["page_size"]}, though {text[:300]}')
t.none('no page is too large', wrong)

# And no smaller: MQ gives no fewer than five brokers, which LIMIT must not ask for.
with open(os.environ['CQ_ROOT'] + '/vtab/aws/mq.yml', encoding='utf-8') as f:
    t.is_('nor too small', yaml.safe_load(f)['tables']['aws_mq_brokers']['page'].get('min_size'), 5)

# Firehose tells that there is more, and wants the last name.
ACCOUNT = '''POST /
  need-body Action=GetCallerIdentity
  header Content-Type: text/xml
  body <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/u</Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>
'''
t.db.execute("SELECT cq_config('aws.regions', '[\"us-east-1\"]')")


def streams(after, *names, more):
    return 'POST /\n  need x-amz-target: *.ListDeliveryStreams\n%s  body %s\n' % (
        f'  need-body "ExclusiveStartDeliveryStreamName":"{after}"\n' if after else '', json.dumps({'DeliveryStreamNames': names, 'HasMoreDeliveryStreams': more}))


t.routes(ACCOUNT + streams('b', 'c', 'd', more=True) + streams('d', 'e', more=False) + streams(None, 'a', 'b', more=True) + ''.join(
    'POST /\n  need x-amz-target: *.DescribeDeliveryStream\n  need-body "DeliveryStreamName":"%s"\n  body {"DeliveryStreamDescription":{"DeliveryStreamName":"%s"}}\n'
    % (n, n) for n in 'abcde'))
t.is_('by the last name', t.rows('SELECT delivery_stream_name FROM aws_firehose_delivery_streams ORDER BY 1'), [(n,) for n in 'abcde'])
t.done()
