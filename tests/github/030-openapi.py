# Every request of the GitHub definitions beside GitHub's OpenAPI document: the path exists, its parameters are known, the
# rows stand where they are looked for, and each column that the answer's schema has is of the schema's type.
import glob
import json
import os
import re
import sys

import yaml

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

# CloudQuery's tables whose paths the document no longer has, or has only for other editions of GitHub.
GONE = {'github_billing_action': '/orgs/{}/settings/billing/actions', 'github_billing_package': '/orgs/{}/settings/billing/packages',
        'github_billing_storage': '/orgs/{}/settings/billing/shared-storage', 'github_external_groups': '/orgs/{}/external-groups'}
TYPES = {'text': {'string'}, 'integer': {'integer', 'number'}, 'real': {'number', 'integer'}, 'boolean': {'boolean'}, 'timestamp': {'string'},
         'json': {'object', 'array'}, 'list of text': {'array'}}
# The document says of these another type than GitHub answers with (a permission's name; an epoch or a text).
ODD = set()
tap = Tap()
ok = tap.none

with open(os.environ['CQ_GITHUB'] + '/openapi.json', encoding='utf-8') as f:
    api = json.load(f)


def resolved(node):
    while isinstance(node, dict) and '$ref' in node:
        at = api
        for part in node['$ref'][2:].split('/'):
            at = at[part.replace('~1', '/')]
        node = at
    return node


def schemas(node):
    """All the alternatives of a schema, and the parts that it is made of."""
    node = resolved(node)
    out = [node]
    for key in ('oneOf', 'anyOf', 'allOf'):
        for part in node.get(key, []):
            out += schemas(part)
    return out


def types(node):
    out = set()
    for s in schemas(node):
        t = s.get('type')
        out |= set(t if isinstance(t, list) else [t] if t else [])
        if 'properties' in s:
            out.add('object')
    return out - {'null'}


def members(node, name):
    return [p for s in schemas(node) for p in [s.get('properties', {}).get(name)] if p is not None]


def at(node, path):
    """The schemas at a path of ours: a.b, [*], '.'."""
    found = [node]
    for step in re.findall(r'\[\*\]|[^.\[\]]+', path):
        found = [m for n in found for m in ([s['items'] for s in schemas(n) if 'items' in s] if step == '[*]' else members(n, step))]
    return found


paths = {}
for path, methods in api['paths'].items():
    if 'get' in methods:
        paths.setdefault(re.sub(r'\{[^}]*\}', '{}', path), methods)


def operation(request):
    # owner and name are one value of ours
    path = re.sub(r'\{\{[^}]*full_name \}\}', '{}/{}', request['path'])
    path = re.sub(r'\{\{.*?\}\}', '{}', path)
    return path, paths.get(path)


def alternatives(request):
    """One request for each branch of an `a if x else b` in its path."""
    m = re.search(r"\{\{ '(\w+)' if [^}]* else '(\w+)' \}\}", request['path'])
    return [{**request, 'path': request['path'].replace(m.group(0), word)} for word in m.groups()] if m else [request]


def answer(op):
    body = resolved(op['get']['responses']['200'])
    return next(iter(body['content'].values()))['schema']


def checked(request, default_query):
    path, op = operation(request)
    if not op:
        return path, None, [f'{path}: is not in the document']
    have = {resolved(p)['name'] for p in op['get'].get('parameters', []) + op.get('parameters', []) if resolved(p)['in'] == 'query'}
    query = {k for k, v in {**default_query, **request.get('query', {})}.items() if v is not None}
    return path, op, [f'{path}: the document has no parameter {q}' for q in sorted(query - have)]


def column_of(name, spec):
    if isinstance(spec, str):
        kind, _, path = spec.partition(' ')
        if spec.startswith('list of text'):
            kind, path = 'list of text', spec[13:]
        return kind, path or name, {}
    return spec.get('type', 'text'), spec.get('path', name), spec


definitions, default_query = {}, {}
for path in sorted(glob.glob(os.environ['CQ_ROOT'] + '/vtab/github/*.yml')):
    with open(path, encoding='utf-8') as f:
        d = yaml.safe_load(f)
    definitions.update(d.get('tables', {}))
    default_query.update(d.get('defaults', {}).get('request', {}).get('query', {}))
ok('34 tables', [] if len(definitions) == 34 else [len(definitions)])
matched = 0
for table, d in sorted(definitions.items()):
    if 'request' not in d:     # its rows are a column of its parent
        parent = definitions[d['parent']['table']]
        schema = answer(operation(parent['request'])[1])
        rows, wrong = at(at(schema, parent['rows'])[0], d['parent']['rows'] + d['rows']), []
    else:
        wrong = []
        for request in [*([d['get']['request']] if 'get' in d else []), *alternatives(d['request'])]:
            path, op, more = checked(request, default_query)
            wrong += more
        if table in GONE:
            ok(f'{table}: not in the document', [] if (path, op) == (GONE[table], None) else [path])
            continue
        rows = at(answer(op), d['rows']) if op else []
    calls = {}
    for name, call in d.get('calls', {}).items():
        _, op, more = checked(call['request'], default_query)
        wrong += more
        if op:
            calls[name] = at(answer(op), call.get('record', '.'))
    wrong += [] if rows else [f'no schema at {d["rows"]}']
    for name, spec in d['columns'].items():
        kind, path, more = column_of(name, spec)
        if 'from' in more or 'value' in more:
            continue
        found = [m for r in (calls.get(more['call'], []) if 'call' in more else rows) for m in at(r, path)]
        has = set().union(*(types(f) for f in found)) if found else set()
        matched += bool(has)
        if has and not has & TYPES[kind] and (table, name) not in ODD:
            wrong.append(f'{name}: {kind}, in the document {sorted(has)}')
    ok(table, wrong)
ok('most columns are in the document', [] if matched >= 500 else [f'{matched} columns'])
tap.done()
