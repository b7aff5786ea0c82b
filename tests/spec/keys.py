"""One good and one bad value for every key of the integration format.

BASE is a definition that loads. Each case is (place, good, bad, message): the
value is put at the place, a path of keys by dots; `message` is what the loader
says of the bad one, less the file's name. Places begin with the kind of map
that they are in: `table.paid` is `tables.t_a.paid`.
"""
import copy

BASE = {
    'format': 1, 'integration': 't',
    'config': {'url': {'default': 'http://127.0.0.1:1'}, 'names': {'type': 'list', 'default': ['x']}},
    'clients': {'org': {'values': '{{ config.names }}'}},
    'defaults': {'request': {'url': '{{ config.url }}'}},
    'tables': {
        't_p': {'request': {'path': '/p'}, 'rows': '[*]', 'key': ['id'],
                'columns': {'id': 'integer', 'name': 'text', 'parts': 'json', 'at': 'timestamp'}},
        't_a': {'parent': {'table': 't_p'}, 'request': {'path': '/a'}, 'rows': '[*]', 'key': ['id'],
                'columns': {'id': 'integer', 'name': {'type': 'text'}, 'at': 'timestamp', 'more': {'call': 'c'}},
                'calls': {'c': {'request': {'path': '/c/{{ row.id }}'}, 'record': '.'}}},
    },
}
WHERE = {
    'root': (), 'tls': ('tls',), 'config': ('config', 'names'), 'auth': ('auth',), 'client': ('clients', 'org'), 'defaults': ('defaults',),
    'table': ('tables', 't_a'), 'top': ('tables', 't_p'), 'request': ('tables', 't_a', 'request'), 'column': ('tables', 't_a', 'columns', 'name'),
    'call': ('tables', 't_a', 'calls', 'c'), 'parent': ('tables', 't_a', 'parent'), 'page': ('tables', 't_a', 'page'),
    'cursor': ('tables', 't_a', 'cursor'), 'limits': ('tables', 't_a', 'limits'), 'error': ('tables', 't_a', 'error'),
    'rule': ('tables', 't_a', 'errors', 0), 'when': ('tables', 't_a', 'errors', 0, 'when'),
    'get': ('tables', 't_a', 'get'), 'join': ('tables', 't_a', 'calls', 'c', 'join'), 'discover': ('clients', 'org', 'discover'),
    'identify': ('clients', 'org', 'identify'), 'service': (), 'permissions': ('permissions',), 'inner': ('tables', 't_a', 'request', 'inner'),
    'known': ('config', 'names', 'known'), 'check': ('checks', 0), 'below': ('tables', 't_p', 'below'), 'job': ('tables', 't_p', 'job'), 'start': ('tables', 't_p', 'job', 'start'), 'poll': ('tables', 't_p', 'job', 'poll'),
}
POLL = {'request': {'path': '/j'}, 'path': 'state', 'until': ['DONE']}
# What a map must have beside the key under test.
BESIDE = {'known': {'words': ['x']}, 'check': {'when': '{{ config.url }}', 'setting': 'names', 'message': 'no'}, 'get': {'when': '{{ where.name }}', 'request': {'path': '/a/1'}}, 'auth': {'scheme': 'none'}, 'cursor': {'column': 'at'}, 'rule': {'when': {'status': 500}, 'then': 'retry'},
          'when': {}, 'join': {'row': 'id', 'record': 'id'}, 'discover': {'request': {'path': '/d'}, 'rows': '[*]'},
          'identify': {'request': {'path': '/i'}}, 'inner': {'path': 'a'}, 'below': {'request': {'path': '/p/{{ row.id }}'}}, 'job': {'poll': POLL},
          'start': {'request': {'path': '/s'}}, 'poll': POLL}
TEXT, FLAG, WHOLE, NUMBER = 'text', 'true or false', 'a whole number', 'a number'
MAP, LIST, WORDS, EITHER = 'a map', 'a list', 'a word or a list of words', 'text or a map'


def wants(what, key, kind, bad):
    seen = f'not "{bad}"' if isinstance(bad, str) else 'not a list' if isinstance(bad, list) else 'not a map'
    return f'{what}: {key}: expected {kind}, {seen}'


def kinds(where, what, **keys):
    """(place, good, bad, message) for keys whose kind is all that is checked here."""
    bad = {TEXT: ['x'], FLAG: 'maybe', WHOLE: 'many', NUMBER: 'fast', MAP: 'x', LIST: 'x', WORDS: {'a': 1}, EITHER: ['x']}
    return [(f'{where}.{key}', good, bad[kind], wants(what, key, kind, bad[kind])) for key, (kind, good) in keys.items()]


CASES = [
    ('root.format', 1, 2, 'format: expected 1'),
    ('root.integration', 't', ['t'], wants('integration', 'integration', TEXT, ['t'])),
    *kinds('root', 'integration', title=(TEXT, 'T'), description=(TEXT, 'T'), aliases=(WORDS, ['cloudquery/t']), allow_file=(FLAG, True),
           presets=(MAP, {'p': {'rows': '[*]'}}), shapes=(MAP, {'S': {'A': 'text'}}), service=(TEXT, 's')),
    ('root.config', {'url': {}, 'names': {'type': 'list'}}, 'x', wants('integration', 'config', MAP, 'x')),
    ('root.tls', {}, 'x', wants('integration', 'tls', MAP, 'x')),
    *kinds('tls', 'tls', ca_file=(TEXT, '{{ config.url }}'), client_cert=(TEXT, 'a.pem'), client_key=(TEXT, 'a.pem'), client_key_password=(TEXT, 'x')),
    ('root.data', {'a': {'b': 1}, 'c': ['x']}, 'x', wants('integration', 'data', MAP, 'x')),
    ('auth.source_role_arn', None, 'x', 'auth: unknown key "source_role_arn"'),
    ('top.only', None, '{{ data.y }}', 'template: data.y is not there'),
    ('discover.each', {'unit': '{{ config.names }}'}, {'a': 'x', 'b': 'y'}, 'org: each: expected one name'),
    ('discover.children', None, {'request': {'path': '/c'}}, 'org: children without each'),
    ('call.batch', None, 4294967297, 't_a: call c: batch: not between 1 and 10000'),
    ('parent.batch', 5, 10001, 't_a: batch: not between 1 and 10000'),
    ('config.default', ['x'], 'x' * 70000, 'config names: default: longer than 65536 bytes'),
    ('identify.permissions', ['a:B'], 'x' * 70000, 'longer than 65536 bytes'),
    ('client.columns', None, {'at': {'login': 'regio'}}, 'login: the auth says nothing of "regio"'),
    ('rule.lacks', 'perform: ([a-z:]+)', ['x'], wants('t_a', 'lacks', TEXT, ['x'])),
    ('root.test', {'request': {'path': '/me'}}, 'x', wants('integration', 'test', MAP, 'x')),
    ('root.permissions', {'policy': 'aws'}, 'x', wants('integration', 'permissions', MAP, 'x')),
    ('permissions.policy', 'aws', 'awe', 'permissions: policy: unknown word "awe"\nhint: did you mean "aws"?'),
    ('permissions.also', {'a:B': '{{ config.url }}'}, {'a:B': '{{ config.ulr }}'}, 'template: config.ulr is not declared'),
    ('root.clients', {}, ['x'], wants('integration', 'clients', MAP, ['x'])),
    ('root.defaults', {'request': {'url': 'http://127.0.0.1:1'}}, 'x', wants('integration', 'defaults', MAP, 'x')),
    ('root.tables', BASE['tables'], 'x', wants('integration', 'tables', MAP, 'x')),
    ('root.auth', {'scheme': 'bearer', 'token': 'x'}, {'scheme': 'barer'}, 'auth: scheme: unknown word "barer"\nhint: did you mean "bearer"?'),
    ('root.tabels', None, {}, 'integration: unknown key "tabels"\nhint: did you mean "tables"?'),
    ('config.type', 'list', 'lisst', 'config names: type: text, integer, real, boolean, list, list of text or map'),
    ('config.default', ['a'], None, None),
    *kinds('config', 'names', secret=(FLAG, True), optional=(FLAG, True), min=(WHOLE, 1), description=(TEXT, 'x')),
    ('config.type', 'list of text', 'list of txt', 'config names: type: text, integer, real, boolean, list, list of text or map'),
    ('config.members', {'a': 'text', 'b': {'type': 'list of text', 'required': True}, 'c': {'type': 'map', 'members': {'d': 'integer'}}}, {'a': 'txt'},
     'config a: type: text, integer, real, boolean, list, list of text or map'),
    ('config.members', None, ['x'], wants('names', 'members', MAP, ['x'])),
    ('config.required', None, True, 'config names: required is for members'),
    ('config.known', {'words': '{{ config.names }}', 'message': 'or so'}, {'message': 'x'}, 'config names: known: words are missing'),
    ('config.known', None, 'x', wants('names', 'known', MAP, 'x')),
    ('known.words', ['x', 'y'], '{{ config.nmes }}', 'template: config.nmes is not declared'),
    *kinds('known', 'names', message=(TEXT, 'x')),
    ('root.checks', [{'when': '{{ config.names }}', 'setting': 'names', 'message': 'no'}], 'x', wants('integration', 'checks', LIST, 'x')),
    ('check.when', '{{ config.url }}', '{{ config.ulr }}', 'template: config.ulr is not declared'),
    ('check.setting', 'url', 'ulr', 'checks: no setting "ulr"'),
    *kinds('check', 'checks', message=(TEXT, 'x')),
    ('auth.scheme', 'none', ['x'], 'auth: scheme is missing'),
    ('auth.name', 'login', ['x'], wants('auth', 'name', TEXT, ['x'])),
    ('auth.when', '{{ config.url }}', '{{ config.ulr }}', 'template: config.ulr is not declared'),
    ('auth.token', None, 'x', 'auth: unknown key "token"'),
    ('client.values', '{{ config.names }}', '{{ config.names', 'template: {{ without }}: {{ config.names'),
    *kinds('client', 'org', over=(WORDS, []), columns=(MAP, {'size': 'size'}), id=(WORDS, ['org', 'size']), optional=(FLAG, True), errors=(LIST, []),
           attributes=(WORDS, ['size']), hidden=(WORDS, ['size']), discover=(MAP, {'request': {'path': '/d'}, 'rows': '[*]'}), identify=(MAP, {'request': {'path': '/i'}})),
    ('client.when', '{{ client.org }}', '{{ client.orgg }}',
     'template: client.orgg is no client of this integration, nor an attribute of one\nhint: did you mean "client.org"?'),
    *kinds('discover', 'org', request=(MAP, {'path': '/d'}), rows=(TEXT, '[*]'), page=(MAP, {'by': 'link'}), rows_optional=(FLAG, True), permissions=(WORDS, ['a:B'])),
    *kinds('identify', 'org', request=(MAP, {'path': '/d'}), record=(TEXT, 'a'), permissions=(WORDS, 'a:B')),
    *kinds('defaults', 'defaults', request=(MAP, {'url': 'http://127.0.0.1:1'}), page=(MAP, {}), limits=(MAP, {}), errors=(LIST, []),
           error=(MAP, {}), over=(WORDS, ['org']), rows_optional=(FLAG, True), generated=(FLAG, True)),
    *kinds('table', 't_a', title=(TEXT, 'T'), description=(TEXT, 'D'), service=(TEXT, 's'), over=(WORDS, ['org']), request=(MAP, {'path': '/a'}),
           page=(MAP, {'by': 'link'}), errors=(LIST, []), error=(MAP, {}), limits=(MAP, {}), each=(MAP, {'x': ['a', 'b']}),
           calls=(MAP, {'c': {'request': {'path': '/c'}}}), cursor=(MAP, {'column': 'at'}), example=(TEXT, 'SELECT 1'),
           permissions=(WORDS, ['a:B']), paid=(FLAG, True), rows_optional=(FLAG, True), generated=(FLAG, True), columns=(MAP, {'id': 'integer', 'name': 'text'})),
    *kinds('table', 't_a', retired=(TEXT, 'gone'), null_values=(WORDS, ['N/A'])),
    ('table.rows_when', '{{ record.x and row.id and parent.name }}', '{{ row.more }}', 't_a: rows_when: row.more comes of a call, which is made later'),
    ('top.values', None, ['a'], 't_p: values: cannot be beside request'),
    ('top.below', {'request': {'path': '/p/{{ record.id }}'}}, {'rows': '[*]'}, 't_p: below: request is missing'),
    ('below.request', {'path': '/p/{{ row.id }}'}, {'path': '/p'}, 't_p: below: its request names nothing of the record above it'),
    *kinds('below', 't_p: below', rows=(TEXT, '[*]'), page=(MAP, {'by': 'link'})),
    ('top.job', {'poll': POLL}, {'start': {'request': {'path': '/s'}}}, 't_p: job: poll: request, path and until are needed'),
    ('job.start', {'request': {'path': '/s'}}, {'values': {'id': 'id'}}, 't_p: job: start: request is missing'),
    ('job.poll', POLL, {'request': {'path': '/j'}, 'path': 'a'}, 't_p: job: poll: request, path and until are needed'),
    *kinds('start', 't_p: job', request=(MAP, {'path': '/s'})),
    ('start.values', {'id': 'a.b'}, {'id': ['a']}, 't_p: job: values: id: expected a path'),
    *kinds('poll', 't_p: job', path=(TEXT, 'a.b'), until=(WORDS, 'DONE'), failed=(WORDS, ['X'])),
    ('poll.request', {'path': '/j'}, {'path': '/j/{{ job.id }}'}, 'template: job: unknown word "id"'),
    ('poll.every', '1s', 'often', 't_p: job: every: not a duration: often'),
    ('poll.most', '1h', 'long', 't_p: job: most: not a duration: long'),
    ('top.options', None, {'list_p': {'a': 'text'}}, 't_p: options: config.table_options is not declared, a map'),
    ('inner.path', 'a.b', 'a..b', 'path "a..b": a name is missing at character 3'),
    ('inner.encoding', 'base64', 'base32', 't_a: inner: encoding: unknown word "base32"'),
    ('inner.decode', 'csv', 'cvs', 't_a: inner: decode: unknown word "cvs"'),
    ('top.only', {'org': ['x']}, {'ogr': ['x']}, 't_p: only: unknown client "ogr"'),
    ('top.only', {'org': ['x']}, ['x'], 't_p: only: expected a map or a template'),
    ('table.only', None, {'org': ['x']}, "t_a: only: stands at the table of its parents' top"),
    ('top.only', '{{ client.org }}', '{{ client.ogr }}',
     'template: client.ogr is no client of this integration, nor an attribute of one\nhint: did you mean "client.org"?'),
    ('table.get', {'when': '{{ where.name }}', 'request': {'path': '/a/1'}}, {'when': '{{ where.name }}'}, 't_a: get: when and request are needed'),
    ('get.when', '{{ where.name }}', '{{ where.nam }}', 't_a: template: where.nam is not a column'),
    *kinds('get', 't_a: get', request=(MAP, {'path': '/a/1'}), record=(TEXT, 'a')),
    ('table.rows', 'a[*]', 'a[', 'path "a[": expected [0], [*] or ["name"] at character 2'),
    ('table.key', ['id'], ['idd'], 't_a: key: no column "idd"\nhint: did you mean "id"?'),
    ('table.parent', 't_p', 't_x', 't_a: parent: no table "t_x"'),
    ('table.use', None, 'nothing', 'unknown preset "nothing"'),
    ('table.detail', 'c', 'd', 't_a: detail: unknown word "d"\nhint: one of: c'),
    *kinds('request', 't_a', method=(TEXT, 'GET'), query=(MAP, {'a': 1}), headers=(MAP, {'a': 'b'}), form=(MAP, {'a': 'b'}),
           body=(TEXT, 'x'), inner=(MAP, None), safe=(FLAG, True), operation=(TEXT, 'List'), url=(TEXT, 'http://127.0.0.1:1')),
    ('request.path', '/{{ parent.name }}', '/{{ parent.nam }}', 't_a: parent.nam is not a column of t_p'),
    ('request.json', {'a': ['{{ where.name }}']}, {'a': ['{{ where.nam }}']}, 't_a: template: where.nam is not a column'),
    ('request.decode', 'xml', 'xlm', 't_a: decode: unknown word "xlm"\nhint: did you mean "xml"?'),
    ('request.auth', 'none', 'nome', 't_a: auth: unknown word "nome"\nhint: did you mean "none"?'),
    ('column.type', 'integer', 'integr', 't_a: column name: unknown type "integr"'),
    ('column.path', 'a.b', 'a..b', 'path "a..b": a name is missing at character 3'),
    ('column.value', "{{ row.id | default('x') }}", '{{ row.id | defalt }}', 'template: unknown filter "defalt"\nhint: did you mean "default"?'),
    ('column.from', 'client.org', 'clint.org', 't_a: column name: from: expected client., parent., each., config. or where., not "clint.org"'),
    ('column.else', None, '{{ record.x }}', 't_a: column name: else: needs from: client.<name>'),
    ('column.call', 'c', 'd', 't_a: column name: unknown call "d"'),
    ('column.where', '= in < <= > >= like', 'is', 't_a: column name: where: expected some of = in < <= > >= like'),
    *kinds('column', 't_a: column name', exact=(FLAG, True), required=(FLAG, False), default=(TEXT, 'x'), description=(TEXT, 'x'),
           hidden=(FLAG, True), sensitive=(FLAG, True), null_values=(WORDS, 'N/A')),
    ('column.shape', 'list of text', 'lits of text', 'shape: cannot read "lits"'),
    ('column.format', 'epoch', 'epok', 't_a: column name: format: unknown word "epok"\nhint: one of: epoch epoch_ms epoch_us base64'),
    *kinds('call', 't_a: call c', request=(MAP, {'path': '/c'}), record=(TEXT, 'a'), rows=(TEXT, '[*]'), page=(MAP, {}), errors=(LIST, []),
           error=(MAP, {}), limits=(MAP, {}), join=(MAP, {'row': 'id', 'record': 'id'})),
    ('call.when', '{{ row.id }}', '{{ row.idd }}', 't_a: template: row.idd is not a column'),
    ('call.shape', None, 'list of text', 't_a: call c: `shape` is for `rows` without `join`'),
    ('call.batch', 1, 5, 't_a: call c: a batch needs `join`'),
    ('join.row', 'id', 'idd', 't_a: join: no column "idd"\nhint: did you mean "id"?'),
    ('join.record', 'id', ['x'], wants('t_a: call c', 'record', TEXT, ['x'])),
    ('parent.table', 't_p', ['x'], wants('t_a', 'table', TEXT, ['x'])),
    ('parent.when', '{{ parent.name }}', '{{ parent.nam }}', 't_a: parent.nam is not a column of t_p'),
    *kinds('parent', 't_a', batch=(WHOLE, 5)),
    ('parent.distinct', 'name', 'nam', 't_a: parent: distinct: t_p has no column "nam"'),
    ('parent.given', ['id'], ['idd'], 't_a: parent: given: t_p has no column "idd"'),
    ('parent.rows', 'parts', 'part', 't_a: parent: rows: t_p has no column "part"'),
    ('page.by', 'link', 'lnk', 't_a: page: by: unknown word "lnk"\nhint: did you mean "link"?'),
    *kinds('page', 't_a', same_is_last=(FLAG, True), token=(EITHER, 'next'), header=(TEXT, 'x-next'), more=(TEXT, 'more'), total=(TEXT, 'total'), start=(WHOLE, 1),
           size=(WHOLE, 10), min_size=(WHOLE, 1), max_size=(WHOLE, 10), max_pages=(WHOLE, 5), size_unless=(WORDS, ['ids'])),
    ('cursor.column', 'at', 'att', 't_a: cursor: no column "att"\nhint: did you mean "at"?'),
    ('cursor.order', 'desc', 'down', 't_a: cursor: order: unknown word "down"\nhint: one of: desc none asc'),
    ('cursor.start', '2020-01-01', '{{ confg.x }}', 'template: unknown name "confg"\nhint: did you mean "config"?'),
    ('cursor.lookback', '1h', 'soon', 't_a: cursor: lookback: not a duration: soon'),
    ('cursor.window', '1d', 'wide', 't_a: cursor: window: not a duration: wide'),
    ('cursor.window', '1s', '1us', 't_a: cursor: window: shorter than a second: 1us'),
    ('cursor.window', None, '0s', 't_a: cursor: window: shorter than a second: 0s'),
    ('cursor.keeps', '14d', 'long', 't_a: cursor: keeps: not a duration: long'),
    ('cursor.optional', True, 'perhaps', 't_a: optional: expected true or false, not "perhaps"'),
    ('cursor.format', 'epoch', 'epok', 't_a: cursor: format: unknown word "epok"\nhint: one of: rfc3339 epoch epoch_ms date minutes'),
    *kinds('limits', 't_a', rate=(NUMBER, 1.5), burst=(NUMBER, 2), concurrency=(WHOLE, 3), scope=(WORDS, ['org']), remaining=(TEXT, 'x-r'),
           reset=(TEXT, 'x-s'), retry_after=(TEXT, 'retry-after'), retries=(TEXT, '{{ config.url }}'),
           max_pause=(TEXT, '5'), adaptive=(TEXT, '{{ client.org == "x" }}')),
    *kinds('error', 't_a', code=(WORDS, ['code']), code_header=(TEXT, 'x-code'), message=(WORDS, 'message'), in_200=(FLAG, True)),
    ('rule.when', {'status': 404}, {}, 't_a: errors: `when` is missing'),
    ('rule.then', 'empty', 'emty', 't_a: errors: then: unknown word "emty"\nhint: did you mean "empty"?'),
    *kinds('rule', 't_a', after=(TEXT, 'retry-after'), throttle=(FLAG, True), message=(TEXT, 'x')),
    ('when.status', ['4xx', 500], '99', 't_a: errors: status: expected 404 or 4xx'),
    *kinds('when', 't_a', code=(WORDS, ['A*']), header=(MAP, {'a': 'b'}), text=(TEXT, '*x*')),
    *kinds('service', 'service', service=(TEXT, 's'), title=(TEXT, 'T'), description=(TEXT, 'T'), use=(EITHER, {}), defaults=(MAP, {}),
           presets=(MAP, {}), shapes=(MAP, {}), tables=(MAP, {})),
]


def build(place, value):
    """({file: tree}) with the value at its place."""
    where, key = place.split('.', 1)
    root = copy.deepcopy(BASE)
    if where == 'service':
        part = {'service': 's', 'tables': {'t_s': copy.deepcopy(BASE['tables']['t_p'])}}
        if key == 'tables' and isinstance(value, dict):
            value = part['tables']
        part[key] = value
        return {'root.yml': root, 'service.yml': part}
    if where in ('start', 'poll'):
        root['tables']['t_p']['job'] = {'poll': copy.deepcopy(POLL)}
    at = root
    for i, k in enumerate(WHERE[where]):
        if isinstance(k, int):
            while len(at) <= k:
                at.append(copy.deepcopy(BESIDE['check' if where == 'check' else 'rule']))
        elif k not in at or at[k] is None:
            at[k] = [] if len(WHERE[where]) > i + 1 and isinstance(WHERE[where][i + 1], int) else copy.deepcopy(BESIDE.get(where, {}))
        at = at[k]
    if where == 'when':
        at.clear()
    at[key] = value
    # What refers to the rest goes where the rest is replaced.
    table = root['tables'].get('t_a') if isinstance(root['tables'], dict) else None
    if place == 'root.clients':
        root.pop('clients')
        root['clients'] = value
    if place == 'table.columns' and isinstance(value, dict):
        table.pop('calls')
    if place == 'table.each' and isinstance(value, dict):
        table['request']['query'] = {'x': '{{ each.x }}'}
    if place == 'table.detail':
        table['columns'] = {'id': {'type': 'integer', 'call': 'list'}, 'name': 'text'}
    if where == 'inner':
        table['columns'].pop('more')
        table.pop('calls')
    return {'root.yml': root}
