"""Compares the tables that are read off AWS's models alone (more-*.yml) with what botocore's parser reads from the server made of
these models.  What is expected follows from the operation's model: its list, its members, its paging; nothing of it from the YAML
but which operation a table has."""
import hashlib
import json
import os
import re

import aws_models
import models
import oracle
import special
from oracle import letters

ROOT = os.environ['CQ_ROOT']
OWN = ('account_id', 'region')
# What the server cannot tell as AWS does: filters in a query that are a map, beside tokens; shapes without an end; records
# that lack what is below them asked by.
ELSEWHERE = ('aws_amp_scrapers', 'aws_route53globalresolver_access_sources', 'aws_route53globalresolver_access_tokens',
             'aws_route53globalresolver_core_network_endpoints', 'aws_qconnect_ai_agents', 'aws_mgh_created_artifacts', 'aws_mgh_source_resources')


def listed():
    """table -> the model that it is read off."""
    found = {}
    for name in sorted(os.listdir(ROOT + '/vtab/aws')):
        m = re.fullmatch(r'more-(.+)\.yml', name)
        if m:
            with open(f'{ROOT}/vtab/aws/{name}', encoding='utf-8') as f:
                found.update({t: m[1] for t in re.findall(r'(?m)^  (aws_\w+):$', f.read())})
    return found


class Beyond(models.Models):
    def __init__(self):
        super().__init__()
        self.model = listed()

    def own(self, table):
        return self.model.get(table) or super().own(table)

    def root(self, table):
        while self.tables[table]['parent']:
            table = self.tables[table]['parent']
        return table

    def chosen(self, part):
        """Those of one root in `part`, always the same."""
        return [t for t in sorted(self.model) if t not in ELSEWHERE and int(hashlib.sha256(self.root(t).encode()).hexdigest(), 16) % part == 0]

    def of_record(self, table):
        """A table of a global service has no region but that of its records."""
        return 'region' not in json.loads(self.tables[table]['key']) and not self.db(self.own(table)).execute(
            "SELECT 1 FROM cq_columns WHERE table_name = ? AND name = 'region' AND position < 2", (table,)).fetchone()

    @staticmethod
    def place(op, model):
        """The path of the records in the answer."""
        key = (model.paginators.get(op.name) or {}).get('result_key')
        key = key[0] if isinstance(key, list) else key
        if key:
            return key + '[]'
        return [n for n, s in op.output_shape.members.items() if s.type_name == 'list' and s.member.type_name == 'structure'][0] + '[]'

    def wanted(self, table, service, op, log):
        """-> ([(client, params, record, shape)], what is wrong with what was asked)"""
        model, rows, wrong, lists, paging = aws_models.SERVICES.model(service), [], [], {}, None
        paging = self.ask.tokens(service, op)
        for e in log:
            if e.get('operation') == op.name and e.get('service') == service and 'error' not in e:
                params = {k: v for k, v in e['params'].items() if not paging or k not in paging[0]}
                lists.setdefault((e['region'], json.dumps(params, sort_keys=True)), []).append(e)
        for (region, text), asked in lists.items():
            client, params, pages = {'account_id': models.ACCOUNT, 'region': region}, json.loads(text), 0
            for answer, shape in self.facts.pages(service, op.name, params, client):
                pages += 1
                for record, inner in self.facts.walk(answer, shape, self.place(op, model)):
                    rows.append((client, params, record, inner))
            if pages != len(asked):
                wrong.append(f'{op.name} of {region} {text[:100]}: {len(asked)} requests for {pages} pages')
        return rows, wrong, {json.dumps(json.loads(t)) for _, t in lists}, {r for r, _ in lists}

    def table(self, table, have):
        kinds, rows, error, log = have
        wrong = [error] if error else []
        wrong += self.requests(table, log)
        service = self.model[table]
        actions = json.loads(self.tables[table]['permissions'])
        names = {e['operation'] for e in log if e.get('service') == service}
        # The action of a table with no call of its own names its operation.
        op = next((models.operation(service, n) for n in names if special.action(service, n, aws_models.SERVICES.model(service).signing) == actions[0]), None)
        if op is None:
            return 0, 0, wrong + [f'{actions} was not asked for, but {sorted(names)}']
        wanted, more, sets, regions = self.wanted(table, service, op, log)
        wrong += more
        if len(wanted) != len(rows):
            wrong.append(f'{len(rows)} rows, not {len(wanted)}')
        if not self.tables[table]['parent'] and len(sets) > 1:
            wrong.append(f'{len(sets)} kinds of requests: {sorted(sets)[:3]}')
        cells, reached = [], set()
        need = {letters(p): p for p in (op.input_shape.required_members if op.input_shape else ())}
        for client, params, record, shape in wanted:
            made = {}
            for c, kind in kinds.items():
                found = oracle.member(shape, record, c) if c not in OWN or (c == 'region' and self.of_record(table)) else None
                if c == 'tags' and not (found and found[1].type_name == 'map'):
                    pairs = [(record or {}).get(m) for m in shape.members if letters(m) in ('tags', 'tagset', 'taglist')]
                    made[c] = special.pairs(pairs[0]) if pairs else None, None
                elif found:
                    made[c] = found
                elif c in client and c in OWN:
                    made[c] = client[c], None
                elif letters(c) in need:
                    made[c] = params[need[letters(c)]], None
                else:
                    wrong.append(f'{c}: no member of {op.name} has these letters')
                    continue
                if made[c][0] not in (None, [], {}):
                    reached.add(c)
            cells.append(made)
        wrong = list(dict.fromkeys(wrong))
        if cells:
            shape = wanted[0][3]
            wrong += [f'{m}: no column' for m, s in shape.members.items() if letters(m) not in {letters(c) for c in kinds} and
                      not (letters(m) in ('tagset', 'taglist') and 'tags' in kinds)]
            wrong += [f'{c}: never has a value' for c in kinds if c not in reached]
        key = [k for k in json.loads(self.tables[table]['key'])]

        def name(value, kind):
            return str(models.when(value)) if kind == 'timestamp' and value else str(value)
        theirs, ours = {}, {}
        for made in cells:
            theirs.setdefault(tuple(name(made[k][0], kinds[k]) for k in key if k in made), []).append(made)
        for r in rows:
            ours.setdefault(tuple(name(r[k], kinds[k]) for k in key), []).append(r)
        wrong += [f'not in botocore: {"/".join(n)}' for n in list(ours.keys() - theirs.keys())[:2]]
        wrong += [f'not in cq: {"/".join(n)}' for n in list(theirs.keys() - ours.keys())[:2]]
        fields, seen = 0, {}
        for n in ours.keys() & theirs.keys():
            for mine, made in zip(ours[n], theirs[n]):
                for c, (value, shape) in made.items():
                    fields += 1
                    if not models.same(kinds[c], value, shape, mine[c]):
                        seen[c] = seen.get(c, 0) + 1
                        if seen[c] == 1:
                            wrong.append(f'{c} ({kinds[c]}): {mine[c]!r}, not {models.as_json(value, shape)!r} in {"/".join(n)}'[:500])
        wrong += [f'{c}: differs in {k} rows' for c, k in seen.items() if k > 1]
        return len(wanted), fields, wrong


def run(tap, tables, part):
    m = Beyond()
    try:
        told = {t for t, in m.db(None).execute("SELECT name FROM cq_tables WHERE integration = 'aws' AND generated")}
        tap.none('they are marked as generated', sorted(set(m.model) - told)[:5])
        for table in tables or m.chosen(part):
            have = m.have(table)
            try:
                rows, fields, wrong = m.table(table, have)
            except Exception as e:
                rows, fields, wrong = 0, 0, [f'{type(e).__name__}: {e}']
            if not rows:
                wrong.append('there are no rows: nothing was compared')
            tap.none(f'{table}: {rows} rows, {fields} fields', wrong)
    finally:
        m.stop()
