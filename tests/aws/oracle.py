"""What each AWS table must show, out of CloudQuery's facts and botocore alone.

plan.tsv says which operations fetch a table (operation, where its records stand, parent, parameters, details, clients),
overlay.tsv where each column comes from that is not simply a member of the record, special.py what neither can say.
Answers come from an asker: ask(service, operation, params, account, region) -> what botocore's parser makes of the
server's answer. A column belongs to the member of the same letters (notification_arns, NotificationARNs).
"""
import csv
import os
import re

import jmespath

import special

HERE = os.path.dirname(os.path.abspath(__file__))
GLOBAL_REGION = {'networkmanager': 'us-west-2', 'route53-recovery-control-config': 'us-west-2',
                 'route53-recovery-readiness': 'us-west-2'}
LANGUAGES = ['en', 'ja']


class Unknown(Exception):
    """The facts do not say it, or say what is not in the model."""


def facts(name):
    with open(os.path.join(HERE, name), encoding='utf-8') as f:
        return list(csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE))


def letters(name):
    return name.replace('_', '').replace('.', '').lower()


def member(shape, record, name):
    """(value, shape) of the member of those letters; None where the shape has none."""
    want = letters(name)
    for m, s in shape.members.items() if shape is not None and shape.type_name == 'structure' else ():
        if letters(m) == want:
            return (record or {}).get(m), s
    return None


# ---- parameters as plan.tsv writes them ------------------------------------------
def split(text, mark):
    """Parts between marks that stand in no bracket."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += c in '[{('
        depth -= c in ']})'
        if c == mark and not depth:
            out.append(text[start:i])
            start = i + 1
    return [p.strip() for p in out + [text[start:]] if p.strip()]


def assignments(text):
    return [tuple(p.split('=', 1)) for p in split(text, ';')]


class Row:
    def __init__(self, facts_, table, client, record, shape, parent=None, item=None, extra=None, response=None):
        self.facts, self.table, self.client = facts_, table, client
        self.record, self.shape, self.parent, self.item = record, shape, parent, item
        self.extra = extra or {}             # parameters of the list call, values of loops
        self.response = response or ({}, None)
        self.listed = (None, None)           # the list's record, where a detail gave this one
        self.cells = {}

    def get(self, name):
        """A column's value, or the raw member of a record where the table has no such column."""
        head, _, rest = name.partition('.')
        if head == 'parent':
            if self.parent is None:
                raise Unknown(f'{self.table} has no parent')
            return self.parent.get(rest) if rest else self.parent
        if rest:
            found = member(self.shape, self.record, head) or member(self.listed[1], self.listed[0], head)
            if not found:
                raise Unknown(f'{self.table}: {name}')
            value, shape = found
            for part in rest.split('.'):
                found = member(shape, value, part)
                if not found:
                    raise Unknown(f'{self.table}: {name}')
                value, shape = found
            return value
        if head in self.facts.columns[self.table]:
            return self.column(head)[0]
        for shape, record in ((self.shape, self.record), (self.listed[1], self.listed[0])):
            found = member(shape, record, head)
            if found:
                return found[0]
        for k, v in self.extra.items():
            if letters(k) == letters(head):
                return v
        if head in ('account_id', 'region'):
            return self.client[head]
        raise Unknown(f'{self.table}: nothing is called {name}')

    def column(self, name):
        """(value, shape or None)"""
        if name not in self.cells:
            self.cells[name] = None, None         # of itself it knows nothing
            self.cells[name] = self.facts.cell(self, name)
        return self.cells[name]


class Facts:
    def __init__(self, ask, operation, account, regions):
        """operation(service, name) -> botocore's model of it."""
        self.ask, self.operation, self.account, self.regions = ask, operation, account, regions
        self.plan = {r['table']: r for r in facts('plan.tsv')}
        self.overlay, self.columns = {}, {}
        for r in facts('overlay.tsv'):
            self.overlay[r['table'], r['column']] = r['class'], r['source']
        for r in facts('columns.tsv'):
            self.columns.setdefault(r['table'], {})[r['column']] = r['cloudquery_type']
        self.known = {}

    # ---- calls ----
    def pages(self, service, operation, params, client):
        """Each page's answer."""
        op = self.operation(service, operation)
        tokens = self.ask.tokens(service, op)
        params, seen = dict(params), 0
        while True:
            answer = self.ask(service, op, params, client)
            yield answer, op.output_shape
            seen += 1
            if not tokens:
                return
            ins, outs, more = tokens
            if more and jmespath.search(more, answer) is False:
                return
            found = {i: jmespath.search(o, answer) for i, o in zip(ins, outs)}
            found = {k: v for k, v in found.items() if v not in (None, '')}
            if not found or seen > 20:
                return
            params.update(found)

    def whole(self, service, operation, params, client, tokens=False):
        """(answer, shape) of all pages of what is one record; the shape is None where nothing came: lists appended, members of maps added; tokens: with the first page's."""
        made, shape = {}, None
        ins, outs, _ = self.ask.tokens(service, self.operation(service, operation)) or ((), (), None)
        for answer, shape in self.pages(service, operation, params, client):
            for k, v in answer.items():
                if isinstance(v, list) and made.get(k):
                    made[k] = made[k] + v
                elif isinstance(v, dict) and made.get(k):
                    made[k] = {**v, **made[k]}
                elif made.get(k) is None:
                    made[k] = v
        return {k: v for k, v in made.items() if tokens or k not in outs}, shape

    def once(self, *asked, **how):
        answer, shape = self.whole(*asked, **how)
        return [(answer, shape)] if shape is not None else []

    def walk(self, answer, shape, path):
        """[(record, shape)] at a path like A[].B.C[]; a missing place has none."""
        found = [(answer, shape)]
        for part in [] if path == '.' else path.split('.'):
            name, many = part.removesuffix('[]').removesuffix('{}'), part.endswith('[]')
            out = []
            for value, s in found:
                if s is None or s.type_name != 'structure' or name not in s.members:
                    near = [m for m in (s.members if s is not None and s.type_name == 'structure' else ()) if letters(m) == letters(name)]
                    if not near:
                        raise Unknown(f'{s.name if s else "nothing"} has no member {name}')
                    name = near[0]
                inner, value = s.members[name], (value or {}).get(name)
                if many:
                    out += [(v, inner.member) for v in value or []]
                elif value is not None:
                    out.append((value, inner))
            found = out
        return found

    # ---- parameters ----
    def value(self, text, row, client, shape, columns, given=None):
        """A parameter's value; texts are columns of the row where `columns` says so."""
        text = text.strip()
        if text.startswith('[') and text.endswith(']'):
            inner = text[1:-1]
            if inner == 'all values':
                return list(shape.member.enum)
            m = re.fullmatch(r'all (\w+) values', inner)
            if m:
                return list(shape.member.enum)
            return [self.value(p, row, client, shape.member if shape is not None and shape.type_name == 'list' else None, columns)
                    for p in split(inner, ',')]
        m = re.fullmatch(r'\{item of [^}]*\}', text)
        if m or text == 'item':
            return row.item if row.item is not None else row.record
        m = re.fullmatch(r'\{([\w.]+)\}', text)
        if m:
            name = m[1]
            if name in ('account_id', 'region', 'scope', 'namespace', 'language_code'):
                return client[name]
            if name.startswith('parent.'):
                return row.parent.get(name[7:])
        if text.startswith('{') and ':' in text:
            out = {}
            for p in split(text[1:-1], ','):
                k, _, v = p.partition(':')
                k = k.strip()
                inner = shape.members.get(k) if shape is not None and shape.type_name == 'structure' else None
                if inner is None and shape is not None and shape.type_name == 'structure':
                    found = [m for m in shape.members if letters(m) == letters(k)]
                    k, inner = (found[0], shape.members[found[0]]) if found else (k, None)
                out[k] = self.value(v, row, client, inner, columns)
            return out
        now = re.fullmatch(r'(now|today)([+-]\d+[dhm])?', text)
        if now:
            return special.moment(text, shape)
        if columns and re.fullmatch(r'[a-z_][a-z0-9_]*(\.\w+)*', text):
            if given and text in given:
                return given[text]
            try:
                return row.get(text)
            except Unknown:
                if '.' in text or text.endswith(('_id', '_arn', '_name')):
                    raise
        if shape is not None and shape.type_name in ('integer', 'long') and re.fullmatch(r'-?\d+( minutes)?', text):
            return int(text.split()[0])
        if shape is not None and shape.type_name == 'boolean':
            return text == 'true'
        return text

    def loops(self, text, shape):
        """Values of each(...), or None."""
        m = re.fullmatch(r'each\((.*)\)', text)
        if not m:
            return None
        if m[1].startswith('all '):
            return list(shape.enum if shape.type_name != 'list' else shape.member.enum)
        return split(m[1], ',')

    # ---- rows ----
    def clients(self, table):
        plan = self.plan[table]
        kind, service = plan['clients'], plan['service']
        one = {'account_id': self.account, 'region': self.regions[0]}
        if kind == 'account_region':
            return [{**one, 'region': r} for r in self.regions]
        if kind == 'account_global':
            return [{**one, 'region': GLOBAL_REGION.get(service, self.regions[0])}]
        if kind == 'account_region_scope':
            return [{**one, 'scope': 'CLOUDFRONT'}] + [{**one, 'region': r, 'scope': 'REGIONAL'} for r in self.regions]
        if kind == 'account_region_namespace':
            op = self.operation(service, plan['operation'])
            return [{**one, 'region': r, 'namespace': n} for r in self.regions
                    for n in op.input_shape.members['ServiceNamespace'].enum]
        if kind == 'account_region_language':
            return [{**one, 'language_code': c} for c in special.LANGUAGES.get(table, LANGUAGES)]
        return [one]

    def rows(self, table):
        if table not in self.known:
            self.known[table] = []
            if self.plan[table]['service'] in special.WITHDRAWN:
                return []
            try:
                self.known[table] = list(special.ROWS[table](self, table) if table in special.ROWS else self.made(table))
            except BaseException:
                del self.known[table]          # what is below it fails, too
                raise
        return self.known[table]

    def made(self, table):
        plan = self.plan[table]
        if plan['parent']:
            for parent in self.rows(plan['parent']):
                if not plan['when'] or special.fits(table, plan['when'], parent):
                    yield from self.fetched(table, parent.client, parent)
        else:
            for client in self.clients(table):
                yield from self.fetched(table, client, None)

    def fetched(self, table, client, parent):
        plan = self.plan[table]
        service, operation = plan['service'], plan['operation']
        if ':' in operation:
            service, operation = operation.split(':')
        input_shape = self.operation(service, operation).input_shape
        sets = [{}]
        at = Row(self, plan['parent'], client, parent.record, parent.shape, parent.parent, parent.item) if parent else None
        if at:
            at.cells, at.listed, at.extra = parent.cells, parent.listed, parent.extra
        where = dict(client)
        if plan['region'].startswith('parent.'):
            where['region'] = special.bucket_region(parent, plan['region'][7:])
        elif re.fullmatch(r'[a-z]+-[a-z]+-\d', plan['region']):
            where['region'] = plan['region']
        for name, text in assignments(plan['params']):
            if text.startswith('cursor('):
                continue
            text = re.sub(r'\s*\(hidden.*?\)', '', text)
            if name not in input_shape.members:
                near = [m for m in input_shape.members if letters(m) == letters(name)]
                if not near:
                    raise Unknown(f'{operation} has no parameter {name}')
                name = near[0]
            shape = input_shape.members[name]
            values = special.each(text, at) if text.startswith('each ') else self.loops(text, shape)
            if values is None:
                text = text.replace('{parent.', '{') if not re.search(r'\{parent\.\w+\}', text) else text
                values = [self.as_list(self.param(text, at, where, shape), shape)]
            sets = [{**s, name: v} for s in sets for v in values]
        for params in sets:
            params = {k: v for k, v in params.items() if v is not None}
            for answer, shape in self.pages(service, operation, params, where):
                for record, inner in self.walk(answer, shape, plan['rows']):
                    row = Row(self, table, where if plan['region'] else client, record, inner, parent,
                              record if not isinstance(record, dict) else None, params, (answer, shape))
                    row.client = client
                    row.where = where
                    if plan['detail']:
                        yield from self.detailed(row, service, params)
                    else:
                        yield row

    def param(self, text, row, client, shape):
        if row is None:
            return self.value(text, row, client, shape, False)
        # {parent.x} of the facts is a column of the parent.
        text = re.sub(r'\{parent\.([\w.]+)\}', r'{@\1}', text)

        def fill(value):
            if isinstance(value, str):
                m = re.fullmatch(r'\{@([\w.]+)\}', value)
                return row.get(m[1]) if m else value
            if isinstance(value, list):
                return [fill(v) for v in value]
            return {k: fill(v) for k, v in value.items()} if isinstance(value, dict) else value
        return fill(self.value(text, row, client, shape, True))

    @staticmethod
    def as_list(value, shape):
        return [value] if shape.type_name == 'list' and value is not None and not isinstance(value, list) else value

    def detailed(self, row, service, listed):
        plan = self.plan[row.table]
        steps, texts = split(plan['detail'], ';'), plan['detail_params'].split(' | ')
        operation, path = [p.strip() for p in steps[0].split('->')]
        service = plan['service']
        path = re.sub(r'\s*\(.*\)$', '', path)
        op = self.operation(service, operation)
        params = {}
        for name, text in assignments(texts[0]):
            text = re.sub(r'\s*\((hidden|\d).*?\)', '', text)
            shape = op.input_shape.members[name]
            if name in listed and not text.startswith(('{item', '[item')) and text != 'item':
                params[name] = listed[name]
                continue
            m = re.fullmatch(r'\[items\.(\w+)\]', text)
            if m:
                params[name] = [row.get(m[1])]
                continue
            value = self.value(text, Up(row), row.where, shape, True)
            if isinstance(value, dict) and shape.type_name in ('list', 'string'):      # the item's member of that name
                value = next(v for k, v in value.items() if letters(k) in (letters(name), letters(name).rstrip('s')))
            if shape.type_name == 'list' and not isinstance(value, list):
                value = [value]
            params[name] = value
        params = {k: v for k, v in params.items() if v is not None}
        many = path.endswith('[]')
        asked = service, operation, params, row.where
        for answer, shape in self.pages(*asked) if many else self.once(*asked, tokens=True):
            for record, inner in self.walk(answer, shape, path):
                made = Row(self, row.table, row.client, record, inner, row.parent, row.item, row.extra, (answer, shape))
                made.listed, made.where = (row.record, row.shape), row.where
                yield made

    # ---- columns ----
    def cell(self, row, name):
        table = row.table
        if (table, name) in special.COLUMNS:
            value = special.COLUMNS[table, name](row)
            return value if isinstance(value, tuple) else (value, None)
        kind, source = self.overlay.get((table, name), (None, None))
        if kind == 'parent':
            where, _, column = source.partition('.')
            if column in row.parent.facts.columns[row.parent.table]:
                return row.parent.column(column)
            return row.parent.get(column), None
        if kind in ('alias', 'alias_by_rule', 'nested'):
            return self.member_path(row, source)
        if kind == 'arn_template':
            return self.template(row, source), None
        if kind == 'rename':
            return self.member_path(row, name.replace('_', ''))
        if kind == 'tags_inline' or (kind is None and name == 'tags' and name not in self.columns[table]):
            return self.tags(row), None
        if kind in ('tags_call', 'call') and '(' in source:
            return self.called(row, name, kind, source)
        if kind == 'item_param':
            return special.item(row, name, source)
        if kind in ('member_type', None, 'unwrap'):
            return self.plain(row, name, kind)
        raise Unknown(f'{table}.{name}: {kind}: {source}')

    def plain(self, row, name, kind):
        own = {'account_id': 'account_id', 'region': 'region', 'request_account_id': 'account_id', 'request_region': 'region',
               'scope': 'scope', 'service_namespace_of_client': 'namespace', 'language_code': 'language_code'}
        if name in own and not (name in ('account_id', 'region') and 'request_' + name in self.columns[row.table]) and \
                own[name] in row.client and not (name == 'region' and self.is_global(row.table) and member(row.shape, row.record, name)):
            return row.client[own[name]], None
        for shape, record in ((row.shape, row.record), (row.listed[1], row.listed[0])):
            found = member(shape, record, name)
            if found:
                return found
        if kind == 'unwrap' or name not in self.columns[row.table]:
            return special.unwrapped(row, name)
        if name in own and own[name] in row.client:
            return row.client[own[name]], None
        if name == 'partition':
            return 'aws', None
        raise Unknown(f'{row.table}.{name}: no member has these letters')

    def is_global(self, table):
        while self.plan[table]['parent']:
            table = self.plan[table]['parent']
        return self.plan[table]['clients'] in ('account', 'account_global')

    def member_path(self, row, path):
        for shape, record in ((row.shape, row.record), (row.listed[1], row.listed[0]), (row.response[1], row.response[0])):
            value = record
            for part in path.split('.'):
                found = member(shape, value, part)
                if not found:
                    break
                value, shape = found
            else:
                return value, shape
        raise Unknown(f'{row.table}: no {path}')

    def template(self, row, text):
        def fill(m):
            name = m[1]
            if name == 'partition':
                return 'aws'
            if name in ('region', 'account_id'):
                return row.client[name]
            value = row.get(name)
            return '' if value is None else str(value)
        missing = [m for m in re.findall(r'\{([\w.]+)\}', text) if m not in ('partition', 'region', 'account_id')
                   and row.get(m) in (None, '')]
        return None if missing else re.sub(r'\{([\w.]+)\}', fill, text)

    def tags(self, row):
        for shape, record in ((row.shape, row.record), (row.response[1], row.response[0])):
            for m in ('Tags', 'tags', 'TagList', 'TagSet', 'tagSet', 'tagList'):
                if shape is not None and shape.type_name == 'structure' and m in shape.members:
                    return special.pairs((record or {}).get(m))
        raise Unknown(f'{row.table}.tags: no member')

    def called(self, row, name, kind, source):
        call = special.CALLS.get((row.table, name), source)
        m = re.fullmatch(r'([\w-]+):(\w+)\((.*?)\)(?: (\S+))?', call)
        if not m:
            raise Unknown(f'{row.table}.{name}: {call}')
        service, operation, path = m[1], m[2], m[4]
        op = self.operation(service, operation)
        params = {}
        for p, text in assignments(m[3]):
            shape = op.input_shape.members[p]
            text = re.sub(r' \(\d+\)', '', text)
            if text in ('<arn>', 'arn template') or 'funk' in text:
                text = 'arn'
            items = re.fullmatch(r'\[items\.(\w+)\]', text)
            value = [row.get(items[1])] if items else self.value(text, Up(row), row.where, shape, True)
            if shape.type_name == 'list' and not isinstance(value, list):
                value = [value]
            params[p] = value
        if any(v in (None, [None], '') for v in params.values()):
            return None, None
        found, asked = [], (service, operation, params, row.where)
        for answer, shape in self.once(*asked) if path and '[]' not in path else self.pages(*asked):
            if kind == 'tags_call':
                found.append(special.find_tags(answer, shape))
            elif name == 'tags' and not path:
                return special.find_tags(answer, shape), None
            elif path:
                at = self.walk(answer, shape, path)
                if '[]' not in path:
                    return at[0] if at else (None, None)
                found += at
            else:
                for m_, s in op.output_shape.members.items():
                    if letters(m_) == letters(name):
                        if s.type_name != 'list':
                            return answer.get(m_), s
                        found += [(v, s.member) for v in answer.get(m_) or []]
                        break
                else:
                    raise Unknown(f'{row.table}.{name}: which member of {operation}?')
        if kind == 'tags_call':
            tags = {}
            for t in found:
                tags.update(t or {})
            return tags, None
        return [v for v, _ in found], Many(found[0][1]) if found else None


class Many:
    """The shape of a list of what several pages brought."""
    type_name = 'list'

    def __init__(self, inner):
        self.member = inner


class Up:
    """Looks in the row, then among its parent's columns."""

    def __init__(self, row):
        self.row, self.item, self.record, self.parent = row, row.item, row.record, row.parent

    def get(self, name):
        if name.startswith('parent.') and self.row.parent is not None:
            try:
                return self.row.parent.get(name[7:])
            except Unknown:
                return self.row.parent.get(name)
        try:
            return self.row.get(name)
        except Unknown:
            if self.row.parent is None:
                raise
            return self.row.parent.get(name)
