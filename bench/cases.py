"""What is measured: tables, cases and programs. The definitions that cq gets and the columns that the floors get are
both made from the tables here, so that they cannot differ.
"""
import json
from dataclasses import dataclass, field

import pages

REPOSITORY = {
    'id': 'integer', 'name': 'text', 'full_name': 'text', 'owner_login': 'text owner.login', 'private': 'boolean',
    'description': 'text', 'language': 'text', 'stargazers_count': 'integer', 'size': 'integer',
    'created_at': 'timestamp', 'updated_at': 'timestamp', 'topics': 'json'}
WIDE = {'id': 'integer', **{f'c{c}': f'{("text", "integer", "real", "boolean")[c % 4]} {pages.WORDS[c % len(pages.WORDS)]}_{c}'
                            for c in range(200)}}
DOCUMENT = {'id': 'integer', 'name': 'text', 'document': 'json'}
CHILD = {'id': 'integer', 'name': 'text', 'state': 'text', 'title': 'text', 'author_login': 'text author.login',
         'comments': 'integer', 'created_at': 'timestamp', 'labels': 'json'}
RESOURCE = {'id': 'integer', 'name': 'text', 'kind': 'text', 'state': 'text', 'size': 'integer', 'created_at': 'timestamp',
            'tags': 'json'}


@dataclass
class Table:
    name: str
    path: str                 # of its URL; {x} is filled in: by cq from `copied`, by the floor from its loops
    columns: dict             # name: "type" or "type path"
    copied: dict = field(default_factory=dict)  # name: what cq copies it from, such as client.account_id
    key: tuple = ('id',)
    define: dict = field(default_factory=dict)  # what else its definition says
    per_page: int = pages.PER_PAGE

    def definition(self):
        path = self.path
        for name, source in self.copied.items():
            path = path.replace('{' + (name if name != 'parent_id' else 'id') + '}', '{{ ' + source + ' }}')
        return {'request': {'path': '{{ config.prefix }}' + path, 'query': {'of': '{{ config.of }}'}}, 'rows': '[*]',
                'key': list(self.key),
                'columns': {**{n: {'from': s} for n, s in self.copied.items()}, **self.columns}, **self.define}

    def floor_columns(self):
        types = {'integer': 'INTEGER', 'boolean': 'INTEGER', 'real': 'REAL'}
        said = {name: (text + ' ' + name).split()[:2] for name, text in self.columns.items()}
        one = [f'{name}:{types.get(type_, "TEXT")}={path}' for name, (type_, path) in said.items()]
        return ','.join(one + [f'{name}:TEXT={{{name if name != "parent_id" else "id"}}}' for name in self.copied])

    def all_columns(self):
        return list(self.copied) + list(self.columns)


ITEMS = Table('bench_items', '/items', REPOSITORY)
WIDE_TABLE = Table('bench_wide', '/wide', WIDE)
DOCUMENTS = Table('bench_documents', '/documents', DOCUMENT, per_page=10)
XML = Table('bench_xml', '/xml', {**REPOSITORY, 'topics': 'json topics.item'},
            define={'rows': 'items.item[*]', 'request': {'path': '{{ config.prefix }}/xml', 'query': {'of': '{{ config.of }}'},
                                                         'decode': 'xml'}})
CHILDREN = Table('bench_children', '/children/{id}', CHILD, copied={'parent_id': 'parent.id'}, key=('parent_id', 'id'),
                 define={'parent': 'bench_items', 'page': {'by': 'none'}}, per_page=10)


def small(n):
    """One of the many tables of the case of many clients."""
    return Table(f'many_{n:02d}', f'/small/{n}/{{account}}/{{region}}', RESOURCE,
                 copied={'account': 'client.account', 'region': 'client.region'}, key=('account', 'region', 'id'),
                 define={'page': {'by': 'none'}}, per_page=2)


SMALL = [small(n) for n in range(30)]


FIRST_PAGES = 100  # of the list whose first row is timed


def integration(name, tables, clients):
    """The text of a definition; JSON is YAML."""
    config = {'base_url': {'type': 'text', 'default': '${BENCH_URL}'}, 'of': {'type': 'integer', 'default': FIRST_PAGES},
              'prefix': {'type': 'text', 'default': ''}}
    config.update({f'{c}s': {'type': 'list'} for c in clients})
    root = {'format': 1, 'integration': name, 'config': config, 'auth': {'scheme': 'none'},
            'defaults': {'request': {'url': '{{ config.base_url }}'}, 'page': {'by': 'link'}},
            'tables': {t.name: t.definition() for t in tables}}
    if clients:
        root['clients'] = {c: {'values': f'{{{{ config.{c}s }}}}'} for c in clients}
    return json.dumps(root, indent=1)


def write_definitions(folder):
    """Writes the integrations below `folder`; returns what CQ_PATH has to be."""
    (folder / 'bench.yml').write_text(integration('bench', [ITEMS, WIDE_TABLE, DOCUMENTS, XML, CHILDREN], ()))
    (folder / 'many.yml').write_text(integration('many', SMALL, ('account', 'region')))
    return f'{folder}/bench.yml:{folder}/many.yml'


# ---- programs ----
@dataclass
class Program:
    name: str
    label: str
    budget: float = None      # CPU, as a multiple of the floor's
    mode: str = ''            # of cq_sync, or of a floor's key
    seed: str = ''            # the program whose database it begins with
    wall: bool = False        # its wall has to be below the floor's
    counted: bool = False     # its instructions too
    rounds: int = 0           # at most; 0: as many as the case's


PROGRAMS = {p.name: p for p in (
    Program('floor', 'floor: curl, simdjson, insert', counted=True),
    Program('trees', 'curl, jansson, insert', rounds=1),
    Program('expat', 'floor: curl, expat, insert', counted=True),
    Program('upsert', 'floor with a key, first', mode='--key'),
    Program('upsert-again', 'floor with a key, again', mode='--key', seed='upsert'),
    Program('live', 'cq live', 0.6, counted=True),
    Program('append', 'cq append, first', 1.0, 'append', wall=True, counted=True),
    Program('append-again', 'cq append, again', 1.0, 'append', seed='append', wall=True),
    Program('keyed', 'cq overwrite, first', 1.5, 'overwrite', counted=True),
    Program('overwrite', 'cq overwrite, again', 2.4, 'overwrite', seed='keyed', counted=True),
    Program('stale', 'cq overwrite-delete-stale, again', 2.4, 'overwrite-delete-stale', seed='keyed'),
)}

ALL = ('floor', 'trees', 'upsert', 'upsert-again', 'live', 'append', 'append-again', 'keyed', 'overwrite', 'stale')
FLOORS = {'floor': 'floor_simdjson', 'trees': 'floor_jansson', 'expat': 'floor_expat', 'upsert': 'floor_simdjson',
          'upsert-again': 'floor_simdjson'}


# ---- cases ----
@dataclass
class Case:
    name: str
    title: str
    tables: list
    rows: int                 # of the last table
    programs: tuple = ALL
    base: str = 'floor'       # whose CPU is 1
    rounds: int = 3
    slow: bool = False        # 50 ms a request
    instructions: bool = False
    counted: int = 0          # pages of which instructions are counted; 0: all
    full: bool = False        # only with --full
    loops: dict = field(default_factory=dict)   # client: how many
    parents: int = 0

    @property
    def source(self):
        return 'many' if self.loops else 'bench'

    @property
    def of(self):
        """The pages of the table that has several."""
        rows, table = (self.parents, self.tables[0]) if self.parents else (self.rows, self.tables[0])
        return -(-rows // table.per_page)

    @property
    def total(self):
        return self.rows + self.parents

    def smaller(self, pages=1):
        """The same with so many pages; with one: what starting takes."""
        first = self.tables[0].per_page * pages
        if self.parents:
            return Case(**{**self.__dict__, 'rows': self.rows * first // self.parents, 'parents': first})
        if self.loops:
            loops = dict(self.loops, account=pages)
            return Case(**{**self.__dict__, 'rows': self.rows * pages // self.loops['account'], 'loops': loops})
        return Case(**{**self.__dict__, 'rows': first})

    def config(self):
        config = {}
        if self.slow:
            config['prefix'] = '/slow'
        if self.loops:
            config.update({f'{name}s': [f'{i:012d}' for i in range(n)] for name, n in self.loops.items()})
        else:
            config['of'] = self.of
        return config

    def sync(self, mode):
        spec = {'source': self.source, 'tables': [t.name for t in self.tables], 'write_mode': mode, 'progress': 'off',
                'spec': self.config()}
        return f"SELECT cq_sync('{json.dumps(spec)}');\n"

    def live(self):
        table = self.tables[-1]
        counts = ', '.join(f'count({c})' for c in table.all_columns())
        setting = ''.join(f"SELECT cq_config('{self.source}.{k}', {json.dumps(v) if isinstance(v, int) else repr(v)}) IS 'x';\n"
                          for k, v in self.config().items())
        return setting + f'SELECT count(*), {counts} FROM {table.name};\n'

    def floor(self, url, db, mode):
        args = [mode] if mode else []
        for name, n in self.loops.items():
            args += ['--each', f'{name}={n}']
        args.append(db)
        for t in self.tables:
            paged = not self.loops and t.define.get('page', {}).get('by') != 'none'
            args += [t.name, t.floor_columns(),
                     url + ('/slow' if self.slow else '') + t.path + (f'?of={self.of}' if paged else '')]
        return args


def many(name, title, accounts, regions, tables, **more):
    return Case(name, title, SMALL[:tables], accounts * regions * tables * 2, loops={'account': accounts, 'region': regions},
                **{'programs': ('floor', 'append', 'append-again', 'keyed', 'overwrite', 'stale'), **more})


CASES = (
    Case('items-1e4', '10,000 rows of 1.95 kB, 12 of 24 keys, 100 a page', [ITEMS], 10_000, instructions=True, rounds=5),
    Case('items-1e5', '100,000 rows of the same', [ITEMS], 100_000),
    Case('items-1e6', '1,000,000 rows of the same', [ITEMS], 1_000_000, rounds=1,
         programs=('floor', 'live', 'append', 'append-again', 'keyed', 'overwrite')),
    Case('items-slow', '10,000 rows of the same, 50 ms a request', [ITEMS], 10_000, rounds=1, slow=True,
         programs=('floor', 'live', 'append', 'keyed')),
    Case('wide', '5,000 rows of 200 columns', [WIDE_TABLE], 5000, instructions=True, counted=10),
    Case('documents', '1,000 rows with a JSON cell of 57 kB, 10 a page', [DOCUMENTS], 1000, instructions=True, counted=20),
    Case('xml', '10,000 rows of 12 columns as XML', [XML], 10_000, instructions=True, counted=20, base='expat',
         programs=('expat', 'live', 'append', 'append-again', 'keyed', 'overwrite', 'stale')),
    Case('children', '1,000 parents and 10 children of each: 1,010 requests', [ITEMS, CHILDREN], 10_000, parents=1000,
         instructions=True, counted=3),
    Case('children-slow', '100 parents and 10 children of each, 50 ms a request', [ITEMS, CHILDREN], 1000, parents=100,
         rounds=1, slow=True, programs=('floor', 'live', 'append', 'keyed')),
    many('many-510', '10 accounts x 17 regions x 3 tables, 2 rows each', 10, 17, 3, instructions=True),
    many('many-slow', '10 accounts x 17 regions x 3 tables, 50 ms a request', 10, 17, 3, rounds=1, slow=True,
         programs=('floor', 'append', 'keyed')),
    many('many-1e5', '200 accounts x 17 regions x 30 tables: 102,000 units, 2 rows each', 200, 17, 30, rounds=1,
         programs=('floor', 'append')),
    many('many-1e6', '2,000 accounts x 17 regions x 30 tables: 1,020,000 units', 2000, 17, 30, rounds=1, full=True,
         programs=('floor', 'append')),
)


def write_pages(folder, cases, first_row, items=0):
    """The page files that these cases, the timing of a first row, and so many items more, need, below `folder`."""
    wanted = {'bench_items': max(items, FIRST_PAGES * pages.PER_PAGE)} if first_row or items else {}
    for c in cases:
        for t in c.tables:
            rows = c.parents if c.parents and t is c.tables[0] else c.rows
            wanted[t.name] = max(wanted.get(t.name, 0), rows)
    if 'bench_items' in wanted:
        pages.write_json(folder / 'items', pages.repository, wanted['bench_items'])
    if 'bench_wide' in wanted:
        pages.write_json(folder / 'wide', pages.wide_record, wanted['bench_wide'])
    if 'bench_documents' in wanted:
        pages.write_json(folder / 'documents', pages.document, wanted['bench_documents'], DOCUMENTS.per_page, 50)
    if 'bench_xml' in wanted:
        pages.write_xml(folder / 'xml', wanted['bench_xml'])
    if 'bench_children' in wanted:
        pages.write_json(folder / 'children', pages.child, 100, CHILDREN.per_page)
        (folder / 'children' / '10.json').rename(folder / 'children' / '0.json')
    if any(name.startswith('many_') for name in wanted):
        pages.write_json(folder / 'small', pages.resource, 2, 2)
