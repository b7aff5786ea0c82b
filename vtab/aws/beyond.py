"""Tables that no overlay names: the lists of AWS's services, read off the models alone.

generate.py makes of them vtab/aws/more-<model>.yml, all marked `generated: true`. Which operations become tables:

1. It lists: its name begins with List, Describe, Get or Search, it is not deprecated, no overlay's table begins with it, and
   the answer has exactly one list of structures beside what pages it; where a paginator names the list, that one.
2. It has pages, a paginator or a token in both of its shapes, or it is a child (see 3).
3. All parameters are optional; or each required one is a text whose name is that of a member of a table's record, of the same
   service (then it is a child of that table, and is asked once for each of its rows). A word of a few that are allowed names no row.
4. Its records can be told apart: an ARN, an id or a name of their own is the key (with account, region and the parent's key).
5. It is no catalogue and no report: see NOISE. What AWS offers, allows, prices, recommends, measures or logs is the same for
   everyone, or a question of its own.
"""
import re

VERBS = re.compile(r'^(List|Describe|Get|Search)([A-Z].*)$')
NOISE = re.compile(
    r'Offering|Quota|Limits?$|Catalog(?!s)|Available|Supported|Default|EngineVersions|Orderable|Eligible|Pric(e|ing)|Forecast|Recommend|'
    r'Statistic|Metric|Usage|Tags|TagValues|TagKeys|Search|Suggest|Preview|Estimate|Valid|Vocabulary(?!ies)|Features?$|Types$|Regions|Zones$|'
    r'Options$|Countries|Languages|Voices|Blueprints$|BuiltIn|Builtin|Managed(Rule|Product|Login|Insight|Thing)|Public|Marketplace|Vendor|Events$|Errors$|Logs?$|History$|'
    r'Insight|Results?$|Findings$|Entities$|Objects$|Records$|Samples?$|Traces?$|Summary$|Status(es)?$|Lookup|Batch|Compliance|Effective|Permissions$|'
    r'Delegated|Principals$|Invitations?$|Changes$|Activit(y|ies)$|Versions$')


# Names of parameters that say nothing of whose they are.
GENERIC = ('id', 'arn', 'name', 'type', 'status', 'state', 'description', 'accountid', 'awsaccountid')


class Beyond:
    def __init__(self, generate):
        self.g = generate           # the module generate: its Service, Table, names

    def noun(self, op):
        m = VERBS.match(op)
        return m.group(2) if m else None

    def list_of(self, s, op):
        """The member path of the list that an operation answers, or None."""
        out = op.output_shape
        if out is None:
            return None
        key = (s.pages.get(op.name) or {}).get('result_key')
        key = key[0] if isinstance(key, list) else key
        lists = [m for m, sh in out.members.items() if sh.type_name == 'list' and sh.member.type_name == 'structure' and sh.member.members]
        if key:
            shape = out
            for part in key.split('.'):
                if shape.type_name != 'structure' or part not in shape.members:
                    return None
                shape = shape.members[part]
            if shape.type_name == 'list' and shape.member.type_name == 'structure' and shape.member.members:
                return key + '[]'
            return None
        return lists[0] + '[]' if len(lists) == 1 else None

    def key_of(self, record, noun):
        """The members that tell a record from its neighbours."""
        texts = [m for m, sh in record.members.items() if sh.type_name in ('string', 'integer', 'long')]
        single = re.sub(r'(ies)$', 'y', noun)
        single = re.sub(r'(?<=[a-z])s$', '', single)
        tail = re.findall(r'[A-Z][a-z0-9]*', single)[-1:] or [single]
        names = [single, tail[0], re.sub(r'(Summary|Detail|Details|Description|Info|Metadata|Item|ListEntry|Output|Response|Data)$', '', record.name)]
        for end in ('arn', 'id', 'identifier', 'name'):
            for m in texts:
                if m.lower() == end:
                    return [m]
            for n in names:
                for m in texts:
                    if m.lower() == (n + end).lower():
                        return [m]
        return None

    def required(self, op):
        shape = op.input_shape
        return list(shape.required_members) if shape else []

    def paged(self, s, op):
        return bool(s.pages.get(op.name) or s.tokens(op))

    def candidates(self, s, used):
        for name in s.model.operation_names:
            op = s.model.operation_model(name)
            noun = self.noun(name)
            if not noun or name in used or op.deprecated or NOISE.search(noun) or not (self.required(op) or self.paged(s, op)):
                continue
            if op.input_shape is not None and any(sh.serialization.get('hostLabel') for sh in op.input_shape.members.values()):
                continue
            if (op.endpoint or {}).get('hostPrefix'):
                continue
            rows = self.list_of(s, op)
            if not rows:
                continue
            record = s.walk(op, rows)[1]
            key = self.key_of(record, noun)
            if key:
                yield op, noun, rows, record, key

    def readable(self, s, overlay):
        """Some paginators point at an element, or at what the shapes have not."""
        try:
            s.page(s.model.operation_model(overlay['list']), {})
            return True
        except (self.g.Fault, KeyError):
            return False

    def table_name(self, word, noun, taken):
        base = self.g.plain_name(noun)
        if base.startswith(word + '_') and len(base) > len(word) + 1:
            base = base[len(word) + 1:]
        name = f'aws_{word}_{base}'
        return None if name in taken else name

    def service(self, s, word, known, used, taken):
        """-> {table: overlay} of one service; known = its tables that overlays make: {table: (definition, record shape)}."""
        free, bound, out = [], [], {}
        for c in self.candidates(s, used):
            (bound if self.required(c[0]) else free).append(c)
        records = {t: shape for t, (_, shape) in known.items() if shape is not None and shape.type_name == 'structure'}
        for op, noun, rows, record, key in free:
            name = self.table_name(word, noun, taken)
            if name is None:
                continue
            taken.add(name)
            out[name] = self.overlay(s, op, rows, key, record, None, {})
            records[name] = record
        for op, noun, rows, record, key in bound:
            parent, params = self.parent(s, op, records, known, out)
            name = self.table_name(word, noun, taken) if parent else None
            if name is None:
                continue
            taken.add(name)
            out[name] = self.overlay(s, op, rows, key, record, parent, params)
        return out

    def parent(self, s, op, records, known, out):
        need = self.required(op)
        for p in need:
            shape = op.input_shape.members[p]
            if p.lower() in GENERIC or shape.type_name != 'string' or getattr(shape, 'enum', None):
                return None, None
        best = None
        for t in sorted(records):
            shape = records[t]
            if t in known and known[t][0].get('parent') or t in out and 'parent' in out[t]:
                continue
            members = {m.lower(): m for m, sh in shape.members.items() if sh.type_name == 'string'}
            if any(p.lower() not in members for p in need):
                continue
            columns = known[t][0]['columns'] if t in known else None
            params = {}
            for p in need:
                col = self.g.column_name(members[p.lower()])
                if columns is not None and col not in columns:
                    col = self.g.plain_name(members[p.lower()])
                if columns is not None and col not in columns:
                    break
                params[p] = 'parent.' + (col if columns is not None else self.g.plain_name(members[p.lower()]))
            else:
                # The table whose own key the parameter is comes first; then the shortest name.
                own = t in out and all(out[t]['key'][-1] == params[p][7:] for p in need[:1])
                rank = (not own, len(t), t)
                if best is None or rank < best[0]:
                    best = (rank, t, params)
        return (best[1], best[2]) if best else (None, None)

    def overlay(self, s, op, rows, key, record, parent, params):
        g = self.g
        cols = [g.plain_name(m) for m in key]
        arn = key[0].lower().endswith('arn')
        scope = [] if arn else (['account_id'] if s.overlay.get('global') else ['account_id', 'region'])
        columns = {'account_id': 'client.account_id'}
        if not s.overlay.get('global'):
            columns['region'] = 'client.region'
        o = {'generated': True, 'list': op.name, 'rows': rows, 'columns': columns}
        taken = {c for c in ('account_id', 'region') if c in columns}
        for m in record.members:           # what the record calls so, too
            if g.plain_name(m) in taken:
                o.setdefault('without', []).append(m)
        if parent:
            o['parent'] = parent
            o['params'] = params
            for p, ref in params.items():
                col = g.plain_name(p)
                if col not in {g.plain_name(m) for m in record.members} and col not in columns:
                    columns[col] = ref
                    if not arn:
                        cols = [col] + cols
                elif not arn and col not in cols and col not in taken:
                    cols = [col] + cols
        o['key'] = scope + [c for c in cols if c not in scope]
        return o
