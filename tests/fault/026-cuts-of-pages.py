# timeout: 240
# Each way to ask for a next page, with each form of body that it can be read from, and what is asked for in several steps: the
# first and the last answer cut at each byte. A list is never taken for shorter than it is.
import json
import os
import sys
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import Odd, Wire, whole

# What each page says beside its records, how it is asked for, and a header that leads on.
PAGERS = {
    'token': ('{by: token, token: next}', 'query: {at: "{{ page.token }}"}', lambda page: {'next': 't'} if page == 1 else {}, None),
    'header': ('{by: token, header: X-Next}', 'query: {at: "{{ page.token }}"}', None, 'X-Next: t'),
    'url': ('{by: url, token: next}', '', lambda page: {'next': f'{wire.url}/PATH?at=2'} if page == 1 else {}, None),
    'link': ('{by: link}', '', None, 'Link: </PATH?at=2>; rel="next"'),
    'number': ('{by: number, start: 1, size: 2}', 'query: {at: "{{ page.number }}"}', None, None),
    'offset': ('{by: offset, size: 2}', 'query: {at: "{{ page.offset }}"}', None, None),
    'more': ('{by: number, start: 1, size: 9, more: more}', 'query: {at: "{{ page.number }}"}', lambda page: {'more': page == 1}, None),
    'total': ('{by: offset, size: 2, total: total}', 'query: {at: "{{ page.offset }}"}', lambda page: {'total': 3}, None),
    'last': ('{by: last, token: id, size: 2}', 'query: {at: "{{ page.token }}", n: "{{ page.size }}"}', None, None),
    'graphql': ('{by: graphql, token: info}', 'query: {at: "{{ page.token }}"}',
                lambda page: {'info': {'hasNextPage': page == 1, 'endCursor': 't' if page == 1 else None}}, None)}
RECORDS = {1: ((1, 'a'), (2, 'b')), 2: ((3, '\u00e9'),)}
ROWS = [r for page in RECORDS.values() for r in page]


def xml_of(v):
    if isinstance(v, dict):
        return ''.join(f'<{k}>{xml_of(x)}</{k}>' for k, x in v.items() if x is not None)
    return str(v).lower() if isinstance(v, bool) else str(v).replace('&', '&amp;')


def body_of(form, records, beside):
    if form == 'csv':
        return 'id,name\n' + ''.join(f'{i},"{n}"\n' for i, n in records)
    if form == 'ndjson':
        return ''.join(json.dumps({'id': i, 'name': n}) + '\n' for i, n in records)
    if form == 'xml':
        return '<r><items>' + ''.join(f'<i>{xml_of({"id": i, "name": n})}</i>' for i, n in records) + f'</items>{xml_of(beside)}</r>'
    return json.dumps({'items': [{'id': i, 'name': n} for i, n in records], **beside}, ensure_ascii=False)


FORMS = {'json': ('', 'rows: "items[*]"'), 'xml': (', decode: xml', 'rows: "items.i[*]"'), 'csv': (', decode: csv', ''), 'ndjson': (', decode: ndjson', '')}
CASES = [(pager, form) for pager in PAGERS for form in FORMS if PAGERS[pager][2] is None or form in ('json', 'xml')]
answers = {}        # (path, page) -> bytes
wire = Wire(lambda asked: answers[asked.path.split('?')[0].strip('/'), 1 if asked.path.split('at=')[-1].split('&')[0] in (asked.path, '', '0', '1') else 2])
text = ['format: 1', 'integration: pages', f'defaults: {{request: {{url: "{wire.url}"}}, over: [], limits: {{retries: "0"}}, errors: [{{when: {{text: "*"}}, then: fail}}]}}', 'tables:']
for pager, form in CASES:
    page, query, _, _ = PAGERS[pager]
    decode, rows = FORMS[form]
    text += [f'  pages_{pager}_{form}:', f'    request: {{path: /{pager}_{form}{decode}{", " + query if query else ""}}}', f'    page: {page}',
             f'    {rows}' if rows else '    rows: .', '    key: [id]', '    columns: {id: integer, name: text}']
# A tree, a job, and the document in an answer: see below.
text += ['  pages_tree:', '    request: {path: /tree}', '    page: {by: none}', '    rows: "R[*]"',
         '    below: {request: {path: "/tree/{{ record.id }}"}, rows: "R[*]"}', '    key: [id]', '    columns: {id: integer, name: text}',
         '  pages_job:', '    job:', '      start: {request: {path: /start}, values: {id: job.id}}',
         '      poll: {request: {path: "/poll/{{ job.id }}"}, path: state, until: [DONE], every: 10ms, most: 1s}',
         '    request: {path: "/result/{{ job.id }}", inner: {path: Content, encoding: base64, decode: csv}}', '    page: {by: none}',
         '    key: [id]', '    columns: {id: integer, name: text}']
with open('pages.yml', 'w', encoding='utf-8') as f:
    f.write('\n'.join(text) + '\n')
t = Odd(spec='pages.yml', cache_ttl='0')


def cut(table, path, page, full, first, says):
    """Each cut of the answer from byte `first` on fails the statement, naming the request."""
    wrong = []
    for n in range(first, len(full)):
        answers[path, page] = full[:n]
        seen = t.tries(f'SELECT id, name FROM {table} ORDER BY id')
        if not isinstance(seen, str) or table not in seen or says not in seen:
            wrong.append((n, full[max(0, n - 40):n], seen))
    answers[path, page] = full
    t.is_(f'{table}: {path}, answer {page}, cut at each of {len(full) - first} bytes', wrong[:2], [])


for pager, form in CASES:
    _, _, beside, header = PAGERS[pager]
    path, table = f'{pager}_{form}', f'pages_{pager}_{form}'
    for transfer in ('length', 'close') if form in ('json', 'xml') else ('length', 'chunked'):
        full = {}
        for page in (1, 2):
            b = body_of(form, RECORDS[page], beside(page) if beside else {}).replace('PATH', path)
            full[page] = answers[path, page] = whole(b.encode(), transfer, *([header.replace('PATH', path)] if header and page == 1 else []))
        t.is_(f'{table}, {transfer}: whole', t.tries(f'SELECT id, name FROM {table} ORDER BY id'), ROWS)
        for page in (1, 2):
            # The line end behind the last chunk: all of the body had come.
            one = full[page][:-2] if transfer == 'chunked' else full[page]
            cut(table, path, page, one, one.index(b'\r\n\r\n') + 4 if transfer != 'length' or form != 'json' else 0, f'GET {wire.url}/{path}')

for path, b in (('tree', '{"R":[{"id":1,"name":"a"}]}'), ('tree/1', '{"R":[{"id":2,"name":"b"}]}'), ('tree/2', '{"R":[{"id":3,"name":"\u00e9"}]}'), ('tree/3', '{"R":[]}'),
                ('start', '{"job":{"id":"j"}}'), ('poll/j', '{"state":"DONE"}'), ('result/j', '{"Content":"aWQsbmFtZQoxLGEKMixiCjMsw6kK"}')):
    answers[path, 1] = whole(b.encode(), 'length')
for table, paths in (('pages_tree', ('tree', 'tree/1', 'tree/3')), ('pages_job', ('start', 'poll/j', 'result/j'))):
    t.is_(f'{table}: whole', t.tries(f'SELECT id, name FROM {table} ORDER BY id'), ROWS)
    for path in paths:
        cut(table, path, 1, answers[path, 1], 0, f'{wire.url}/{path}: ')
        b = answers[path, 1].split(b'\r\n\r\n')[1]
        answers[path, 1], good = whole(b, 'close'), answers[path, 1]
        cut(table, path, 1, answers[path, 1], answers[path, 1].index(b'\r\n\r\n') + 4, f'{wire.url}/{path}: ')
        answers[path, 1] = good
t.done()
