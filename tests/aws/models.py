"""Compares AWS tables through cq, from the server that is made of botocore's models (tests/server/aws_models.py), field by
field with what the oracle makes of botocore's parser's answers to its own calls of the same server's operations."""
import base64
import concurrent.futures
import datetime
import json
import os
import subprocess
import sys
import time
import traceback
import urllib.request

ROOT = os.environ['CQ_ROOT']
sys.path[:0] = [ROOT + '/tests/server', ROOT + '/tests/aws', ROOT + '/tests']

import botocore.parsers           # noqa: E402

import aws_models                 # noqa: E402
import oracle                     # noqa: E402
import special                    # noqa: E402
from compare import same_json, tidy, when   # noqa: E402
from shared import connect        # noqa: E402

ACCOUNT, REGIONS = '111111111111', ['us-east-1', 'eu-west-1']
# Services that others share a signing name and an endpoint with are asked with a key that says which is meant.
OWN = ('docdb', 'neptune', 'elb', 'opensearch', 'ses', 'apigatewayv2', 's3control')


EITHER = {('ListStackSetOperationResults', 'StackSetName')}     # a name or an id


class Asker:
    """Answers as the server gives them, through botocore's parser, without HTTP."""

    def __init__(self):
        self.kept, self.parsers, self.params, self.used = {}, {}, {}, {}

    def tokens(self, service, op):
        p = aws_models.SERVICES.model(service).paging(op)
        return (p.ins, p.outs, p.more) if p.paged else None

    def __call__(self, service, op, params, client):
        key = client['account_id'], client['region'], service, op.name, repr(params)
        self.used.setdefault(service, set()).add(op.name)
        self.params.setdefault((service, op.name), []).append(params.copy())
        if key not in self.kept:
            protocol = aws_models.SERVICES.protocol(service)
            status, headers, body = aws_models.answer(service, protocol, op, params, client['account_id'], client['region'])
            if protocol not in self.parsers:
                self.parsers[protocol] = botocore.parsers.create_parser(protocol)
            parsed = self.parsers[protocol].parse({'status_code': status, 'headers': headers, 'body': body}, op.output_shape)
            if op.name == 'GetBucketLocation':   # botocore's client does this beside its parser
                import xml.etree.ElementTree
                parsed['LocationConstraint'] = xml.etree.ElementTree.fromstring(body).text
            parsed.pop('ResponseMetadata', None)
            self.kept[key] = parsed
        return self.kept[key]


def operation(service, name):
    try:
        return aws_models.SERVICES.model(service).service.operation_model(name)
    except Exception as e:
        raise oracle.Unknown(f'{service}:{name}: {type(e).__name__}') from None


def operation_of(service, name):
    try:
        return operation(service, name)
    except oracle.Unknown:
        return None


# ---- values ---------------------------------------------------------------------------
def as_json(value, shape):
    """A JSON column: members capitalized, times tagged, nothing empty; keys of maps as they are."""
    if value is None:
        return None
    kind = shape.type_name if shape is not None else None
    if kind == 'structure' and isinstance(value, dict):
        if getattr(shape, 'is_document_type', False):
            return value
        out = {k[:1].upper() + k[1:]: as_json(v, shape.members.get(k)) for k, v in value.items()}
        return {k: v for k, v in out.items() if v not in (None, [], {})}
    if kind == 'list' and isinstance(value, list):
        return [as_json(v, shape.member) for v in value]
    if kind == 'map' and isinstance(value, dict):
        return {k: v for k, v in ((k, as_json(v, shape.value)) for k, v in value.items()) if v not in (None, [], {})}
    if isinstance(value, datetime.datetime):
        return 'time', when(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return tidy(value, False) if kind is None else value


def clean(value):
    """JSON without what is empty."""
    if isinstance(value, dict):
        out = {k: clean(v) for k, v in value.items()}
        return {k: v for k, v in out.items() if v not in (None, [], {})}
    return [clean(v) for v in value] if isinstance(value, list) else value


def same(kind, want, shape, have):
    if kind == 'json':
        if isinstance(want, str):
            try:
                want = json.loads(want) if want else None
            except ValueError:
                return want == have or json.dumps(want, ensure_ascii=False) == have
        want = as_json(want, shape)
        if want in (None, [], {}):
            return have is None or clean(json.loads(have)) in ([], {})
        if have is None:
            return False
        return same_json(clean(want), clean(json.loads(have)), 1)
    if want is None or want == [] or have is None:
        return want in (None, []) and have in (None, '[]')
    if kind == 'list of timestamp':
        return [when(w) for w in want] == [when(h) for h in json.loads(have)]
    if kind.startswith('list of'):
        items = [base64.b64encode(w).decode() if isinstance(w, bytes) else w for w in want]
        return items == json.loads(have)
    if kind == 'boolean':
        return int(want in (True, 'true', 'True')) == have
    if kind in ('integer', 'real'):
        return float(want) == have if kind == 'real' or '.' in str(want) else int(want) == have
    if kind == 'timestamp':
        return when(want) is not None and when(have) is not None and abs(when(want) - when(have)) <= 1
    if kind == 'blob' and isinstance(want, (bytes, str)):
        return (want if isinstance(want, bytes) else want.encode()) == have
    if isinstance(want, bytes):
        return base64.b64encode(want).decode() == have
    if isinstance(want, datetime.datetime):
        return when(want) == when(have)
    if isinstance(want, (dict, list)):
        return same('json', want, shape, have)
    return str(want) == str(have)


class Models:
    SLACK = ()        # columns whose times are the server's now

    def __init__(self):
        self.proc = subprocess.Popen([sys.executable, ROOT + '/tests/server/aws_models.py'], stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.proc.stdout.readline())['url']
        for name in [n for n in os.environ if n.startswith('AWS_')]:
            del os.environ[name]
        os.environ.update(AWS_REGION=REGIONS[0], AWS_ENDPOINT_URL=self.url, AWS_EC2_METADATA_DISABLED='true',
                          AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null')
        self.ask = Asker()
        self.facts = oracle.Facts(self.ask, operation, ACCOUNT, REGIONS)
        special.add_attributes(self.facts.columns)
        self.dbs = {}
        db = self.db(None)
        self.tables = {r[0]: dict(zip(('key', 'parent', 'permissions', 'example'), r[1:])) for r in db.execute(
            "SELECT name, key, parent, permissions, example FROM cq_tables WHERE integration = 'aws'")}

    def db(self, own):
        if own not in self.dbs:
            db = connect(':memory:', check_same_thread=False)
            db.execute("SELECT cq_config('cache_ttl', 0), cq_config('aws.regions', ?), cq_config('aws.access_key_id', ?), cq_config('aws.secret_access_key', ?), "
                       "cq_config('aws.max_retries', '1'), cq_config('aws.use_paid_apis', 'true')",
                       (json.dumps(REGIONS), f'AKIA{ACCOUNT}{own or ""}', f'secret-{ACCOUNT}'))
            self.dbs[own] = db
        return self.dbs[own]

    def own(self, table):
        service = self.facts.plan[table]['service']
        return service if service in OWN else None

    def stop(self):
        self.proc.kill()
        self.proc.wait()

    def log(self):
        with urllib.request.urlopen(self.url + '/models/log') as r:
            return [json.loads(line) for line in r.read().splitlines()]

    def reset(self):
        urllib.request.urlopen(self.url + '/models/reset').read()

    def have(self, table):
        """(column names and types, rows, error, what the server was asked)"""
        self.reset()
        kinds, rows, error = self.read(table)
        return kinds, rows, error, self.log()

    def columns(self, table):
        """name: type"""
        return dict(self.db(self.own(table)).execute("SELECT name, type FROM cq_columns WHERE table_name = ? AND NOT hidden AND name NOT LIKE '\\_cq\\_%' "
                                                     "ESCAPE '\\' ORDER BY position", (table,)))

    def read(self, table):
        db, kinds = self.db(self.own(table)), self.columns(table)
        rows, error = [], None
        try:
            cursor = db.execute('SELECT %s FROM temp.%s' % (', '.join(f'"{c}"' for c in kinds), table))
            for r in cursor:
                rows.append(dict(zip(kinds, r)))
        except Exception as e:
            error = str(e)
        return kinds, rows, error

    def requests(self, table, log):
        """What is wrong with what was asked: refused, asked twice, not among the permissions that the table says it needs."""
        wrong, seen, asked = [], {}, set()
        for entry in log:
            if entry.get('error'):
                wrong.append(f'refused: {entry.get("operation")} {entry.get("params")}: {entry["error"]}'[:500])
                continue
            key = json.dumps([entry[k] for k in ('account', 'region', 'operation', 'params')], default=str)
            seen[key] = seen.get(key, 0) + 1
            asked.add(special.action(entry['service'], entry['operation'], aws_models.SERVICES.model(entry['service']).signing))
        wrong += [f'asked {n} times: {k}'[:300] for k, n in seen.items() if n > 1]
        need, up = set(), table
        while up:
            need |= set(json.loads(self.tables[up]['permissions'] or '[]'))
            up = self.tables[up]['parent']
        own = set(json.loads(self.tables[table]['permissions'] or '[]'))
        wrong += [f'asks for {a}, which is not among its permissions' for a in sorted(asked - need - special.ALWAYS)]
        wrong += [f'never asks for {a}, which it says it needs' for a in sorted(own - asked)]
        return wrong[:6]

    def parameters(self, table, log):
        """What was asked by something else than the facts say, where two things of different heights are asked by: an answer follows
        from the deepest parameter alone."""
        plan, wrong = self.facts.plan[table], []
        if not log:                     # a server that does not tell
            return []
        steps = [plan['operation']] if 'parent.' in plan['params'] else []
        steps += [plan['detail'].partition('->')[0].strip()] if plan['detail'] else []
        for step in steps:
            service, name = ([plan['service']] + step.split(':'))[-2:]
            op = operation_of(service, name)
            paging = aws_models.SERVICES.model(service).paging(op) if op else None
            if op is None or op.input_shape is None or len(op.input_shape.required_members) < 2:
                continue

            def plain(params):
                return frozenset((k, str(v)) for k, v in params.items() if (name, k) not in EITHER and k not in paging.ins and k not in paging.limits
                                 and k in op.input_shape.required_members and isinstance(v, (str, int)) and not isinstance(v, bool))
            want = {plain(p) for p in self.ask.params.get((service, name), ())}
            asked = {plain(e['params']) for e in log if e.get('operation') == name and e.get('service') == service and 'error' not in e}
            wrong += [f'{name} is asked by {dict(mine)}, not by one like {dict(next(iter(want)))}' for mine in sorted(asked - want, key=str)[:1] if want]
        return wrong

    def example(self, table):
        try:
            return len(self.db(self.own(table)).execute(self.tables[table]['example']).fetchall()), None
        except Exception as e:
            return 0, str(e)

    def table(self, table, have):
        """-> (rows, fields compared, what is wrong)"""
        kinds, rows, error, log = have
        wrong = [error] if error else []
        wrong += self.requests(table, log)
        try:
            wanted = self.facts.rows(table)
        except Exception as e:
            if os.environ.get('TRACE'):
                traceback.print_exc()
            return 0, 0, wrong + [f'the oracle: {type(e).__name__}: {e}']
        if len(rows) != len(wanted):
            wrong.append(f'{len(rows)} rows, not {len(wanted)}')
        cells, unknown = [], {}
        for w in wanted:
            made = {}
            for c in kinds:
                if c in special.HASHES:
                    continue
                try:
                    made[c] = w.column(c)
                    # AWS's lists and details agree; the server's may not where the list repeats what it was asked.
                    listed = oracle.member(w.listed[1], w.listed[0], c)
                    if listed and kinds[c] == 'text' and isinstance(made[c][0], str):
                        made[c, 'listed'] = listed
                except Exception as e:
                    if os.environ.get('TRACE'):
                        traceback.print_exc()
                    unknown.setdefault(c, f'{c}: the oracle: {type(e).__name__}: {e}')
            cells.append(made)
        wrong += unknown.values()
        wrong += self.parameters(table, log)     # details are asked for where a column is made of them
        key = [k for k in json.loads(self.tables[table]['key'] or '[]') if k in kinds and k not in unknown and k not in special.HASHES and kinds.get(k) != 'json']

        def name(value, kind):
            if kind == 'timestamp':
                return str(value and when(value))
            if value is not None and kind.startswith('list of'):
                return json.dumps(clean(as_json(json.loads(value) if isinstance(value, str) else value, None)), sort_keys=True)
            return str(value) if not isinstance(value, (dict, list, tuple)) else json.dumps(value, sort_keys=True, default=str)
        theirs, ours = {}, {}
        for made in cells:
            theirs.setdefault(tuple(name(made[k][0], kinds[k]) for k in key), []).append(made)
        for r in rows:
            ours.setdefault(tuple(name(r[k], kinds[k]) for k in key), []).append(r)
        wrong += [f'not in botocore: {"/".join(n)}' for n in list(ours.keys() - theirs.keys())[:2]]
        wrong += [f'not in cq: {"/".join(n)}' for n in list(theirs.keys() - ours.keys())[:2]]
        fields, seen = 0, {}
        for n in ours.keys() & theirs.keys():
            for mine, made in zip(ours[n], theirs[n]):
                for c, kind in kinds.items():
                    if c not in made or c in self.SLACK:
                        continue
                    fields += 1
                    if not same(kind, *made[c], mine[c]) and not same(kind, *made.get((c, 'listed'), made[c]), mine[c]):
                        seen[c] = seen.get(c, 0) + 1
                        if seen[c] == 1:
                            wrong.append(f'{c} ({kind}): {mine[c]!r}, not {as_json(*made[c])!r} in {"/".join(n)}'[:700])
        wrong += [f'{c}: differs in {k} rows' for c, k in seen.items() if k > 1]
        return len(wanted), fields, wrong


# What the server cannot tell as AWS does: ids of units from ids of roots, a log's last page. See 040-answers.
ELSEWHERE = ('aws_organizations_organizational_units', 'aws_organizations_organizational_unit_parents', 'aws_lightsail_database_log_events')


def run(tap, tables, examples=True):
    tables = [t for t in tables if t not in ELSEWHERE]
    m = Models()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = [(t, pool.submit(m.have, t)) for t in tables if t in m.tables]
            for table, have in waiting:
                started = time.monotonic()
                rows, fields, wrong = m.table(table, have.result())
                if not rows and m.facts.plan[table]['service'] not in special.WITHDRAWN:
                    wrong.append('there are no rows: nothing was compared')
                if os.environ.get('TIMES'):
                    print(f'# {table}: {time.monotonic() - started:.2f} s')
                tap.none(f'{table}: {rows} rows, {fields} fields', wrong)
            if examples:
                for table, _ in waiting:
                    rows, error = pool.submit(m.example, table).result()
                    withdrawn = m.facts.plan[table]['service'] in special.WITHDRAWN
                    tap.none(f'{table}: its example: {rows} rows', [] if not error and (rows or withdrawn) else [error or m.tables[table]['example']])
    finally:
        m.stop()
    return m
