# A job is started, asked for until it is done, and then its result is read.
import base64
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('x.yml', 'w', encoding='utf-8') as f:
    f.write(f'''format: 1
integration: x
config: {{side: {{type: list, default: [left]}}}}
clients: {{side: {{values: "{{{{ config.side }}}}"}}}}
defaults:
  request: {{url: "{MOCK}"}}
  page: {{by: none}}
  errors:
    - {{when: {{status: 404}}, then: empty}}
    - {{when: {{status: 403}}, then: denied, message: "ask for it"}}
    - {{when: {{status: 409}}, then: skip_client}}
tables:
  x_a: {{request: {{path: /a}}, rows: "[*]", key: [id], columns: {{id: text}}}}
  x_used:
    parent: x_a
    job:
      start: {{request: {{method: POST, path: /start, json: {{of: "{{{{ parent.id }}}}"}}}}, values: {{id: job.id}}}}
      poll: {{request: {{path: "/job/{{{{ job.id }}}}"}}, path: state, until: [COMPLETED, DONE], failed: [FAILED], every: 10ms, most: 10s}}
    request: {{path: "/job/{{{{ job.id }}}}", query: {{after: "{{{{ page.token }}}}"}}}}
    page: {{by: token, token: next}}
    rows: "services[*]"
    key: [of, name]
    columns: {{of: {{from: parent.id}}, job: {{value: "{{{{ job.id }}}}"}}, name: text}}
  x_report:
    job:
      poll: {{request: {{path: /report/make, decode: xml}}, path: Result.State, until: [COMPLETE], every: 10ms, most: 200ms}}
    request: {{path: /report, decode: xml, inner: {{path: Result.Content, encoding: base64, decode: csv}}}}
    null_values: [N/A, no_information]
    key: [user]
    columns: {{user: text, made: timestamp, keys: integer}}
''')
t.is_('loaded', t.one("SELECT cq_load('x.yml')"), 3)
ROUTES = '''GET /a
  body [{"id":"u1"},{"id":"u2"}]
POST /start
  need-body "u1"
  body {"job":{"id":"j 1"}}
POST /start
  need-body "u2"
  body {"job":{"id":"j2"}}
GET /job/j 1?!after
  times 2
  body {"state":"IN_PROGRESS"}
  next
  body {"state":"COMPLETED","services":[{"name":"ec2"},{"name":"s3"}],"next":"k"}
GET /job/j 1?after=k
  body {"state":"COMPLETED","services":[{"name":"sqs"}]}
GET /job/j2
  body {"state":"DONE","services":[]}
'''
ROWS = [('u1', 'j 1', 'ec2'), ('u1', 'j 1', 's3'), ('u1', 'j 1', 'sqs')]
t.routes(ROUTES)
t.is_('live', t.rows('SELECT * FROM x_used'), ROWS)
# u1: two looks that say no, one that says yes, two pages; u2: one look, one page
t.is_('as many requests as needed', (t.asked('POST /start'), t.asked('/job/j%201*'), t.asked('/job/j2')), (2, 5, 2))
steps = json.loads(t.one("SELECT cq_explain('SELECT * FROM x_used')"))
t.is_('told before', [(s['purpose'], s['requests'], s['repeats']) for s in steps],
      [('list', 1, ''), ('start', None, 'per row of x_a'), ('poll', None, 'per row of x_a, until done'), ('list', None, 'per row of x_a, pages')])
t.is_('where they go', [(s['method'], s['url'].replace(MOCK, '')) for s in steps][1:],
      [('POST', '/start'), ('GET', '/job/{id}'), ('GET', '/job/{id}')])
t.routes(ROUTES)
r = t.sync('{source: x, tables: [x_used]}')
t.is_('in a sync', (r['status'], r['rows'], r['requests']), ('success', 5, 1 + 2 + 5 + 2))
t.is_('the same rows', t.rows('SELECT "of", job, name FROM x_used ORDER BY 3'), ROWS)
t.routes(ROUTES.replace('"state":"DONE"', '"state":"FAILED"'))
t.has('a job that fails', t.raises('SELECT * FROM live_x_used'), 'x_used: job: state is FAILED')
t.routes(ROUTES.replace('{"job":{"id":"j2"}}', '{"jobs":[]}'))
t.has('a start without the id', t.raises('SELECT * FROM live_x_used'), 'x_used: job: the answer to its start has no job.id')
t.routes(ROUTES.replace('  body {"job":{"id":"j2"}}', '  status 404\n  body {}'))
t.is_('a start that finds nothing', t.rows('SELECT * FROM live_x_used'), ROWS)
t.routes(ROUTES.replace('  body {"job":{"id":"j2"}}', '  status 403\n  body {}'))
t.has('a start that may not be', t.raises('SELECT * FROM live_x_used'), 'HTTP 403')
r = t.sync('{source: x, tables: [x_used]}')
t.is_('in a sync others go on', (r['status'], [(e['table'], e['kind']) for e in r['errors']]), ('partial', [('x_used', 'denied')]))
t.routes(ROUTES.replace('GET /job/j2\n', 'GET /job/j2\n  status 500\n  body {}\n  next\n'))
t.one("SELECT cq_config('cache_ttl', 0)")
t.is_('a look that fails is tried again', t.rows('SELECT * FROM live_x_used'), ROWS)

# a report: the start is the look itself, the answer a document in a document
CSV = 'user,made,keys,more\r\nada,2024-05-01T08:00:00+00:00,2,x\r\nbob,N/A,no_information,"a,b"\r\n'
TEXT = base64.encodebytes(CSV.encode()).decode().strip().replace('\n', '&#10;')
REPORT = f'''GET /report/make
  times 2
  body <R><Result><State>STARTED</State></Result></R>
  next
  body <R><Result><State>COMPLETE</State></Result></R>
GET /report
  body <R><Result><Content>{TEXT}</Content><Format>text/csv</Format></Result></R>
'''
t.routes(REPORT)
t.is_('a report in an answer', t.rows('SELECT * FROM x_report'), [('ada', '2024-05-01T08:00:00Z', 2), ('bob', None, None)])
t.is_('asked for until it is there', (t.asked('/report/make'), t.asked('/report')), (3, 1))
steps = json.loads(t.one("SELECT cq_explain('SELECT * FROM x_report')"))
t.is_('at least so many', [(s['purpose'], s['requests'], s['repeats']) for s in steps], [('poll', 1, 'until done'), ('list', 1, '')])
t.routes(REPORT)
r = t.sync('{source: x, tables: [x_report]}')
t.is_('synced', (r['status'], r['rows'], t.rows("SELECT count(*) FROM cq_sync_errors WHERE table_name = 'x_report'")), ('success', 2, [(0,)]))
t.routes(REPORT.replace(TEXT, '!!'))
t.has('no base64', t.raises('SELECT * FROM live_x_report'), 'answer: Result.Content is not base64')
t.routes(REPORT.replace('Content>', 'Contents>'))
t.has('no document', t.raises('SELECT * FROM live_x_report'), 'answer: there is no text at Result.Content')
t.routes(REPORT.replace('COMPLETE<', 'WAITING<'))
t.has('patience ends', t.raises('SELECT * FROM live_x_report'), 'x_report: job: not done after 0s: Result.State is WAITING')
t.is_('not at once', t.asked('/report/make') > 3)

# who is interrupted waits no longer
t.routes(REPORT.replace('COMPLETE<', 'WAITING<'))
with open('slow.yml', 'w', encoding='utf-8') as f:
    f.write(open('x.yml', encoding='utf-8').read().replace('integration: x', 'integration: z').replace('x_', 'z_').replace('every: 10ms', 'every: 1h').replace('most: 200ms', 'most: 2h'))
t.is_('a slow one', t.one("SELECT cq_load('slow.yml')"), 3)
threading.Timer(0.3, t.db.interrupt).start()
begun = time.monotonic()
t.has('interrupted', t.raises('SELECT * FROM z_report'), 'interrupt')
t.is_('soon', time.monotonic() - begun < 30)
t.done()
