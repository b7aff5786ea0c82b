# needs: moto
# timeout: 600
# Every table, field by field, against what botocore reads from the same server: two accounts, all regions.
import json
import os
import sys

sys.path[:0] = [os.environ['CQ_ROOT'] + '/tests', os.environ['CQ_ROOT'] + '/tests/aws']
import compare
from shared import Tap

info = json.load(open(os.environ['CQ_MOTO_FILE'], encoding='utf-8'))
c = compare.Compare(info, os.environ['CQ_ROOT'], os.environ['CQ_SO'], os.environ['CQ_SQLITE'], others=[1])
only = os.environ.get('TABLES', '').split()
tap = Tap()
for table in compare.READ:
    if only and table not in only:
        continue
    rows, fields, wrong = c.table(table)
    if not rows:
        wrong.append('botocore finds no rows: nothing was compared')
    tap.none(f'{table}: {rows} rows, {fields} fields', wrong)
tap.done()
