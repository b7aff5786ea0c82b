"""Statements at random: what people write against tables, and what they rather
do not.

  s = Maker(random.Random(7), newest=False).statement()
  s.sql, s.args     '{things}' and the like stand for the tables' names

The columns are those of fixtures/lab.yml and wide.yml; `plain` is an ordinary
table (livetest.PLAIN).  A statement has one right answer only: orders are whole
where they matter, and LIMIT without one is told (`whole`)."""
import dataclasses
import re

TEXTS = ("'5'", "'05'", '5', '5.0', "'x'", "'X'", "''", 'NULL', "'t1'", "'T1'", "'tool'", "'Tool'", "'a'", "'B'", "'b'", "'anvil'",
         "x'74'", "'chip-a-1'", '1000', "'1e3'", '9007199254740993', "'2024-01-01'", "'no such'")
NUMBERS = ('0', '1', '2', '5', '-3', '8', '5.0', '5.5', "'5'", "'5x'", "''", 'NULL', '9007199254740992', '9007199254740993',
           '9223372036854775807', '-9223372036854775808', '9223372036854775808', '9007199254740992.0', '1e300', '-1e999', "' 5 '", "x'35'")
TIMES = ("'2024-01-01T00:00:00Z'", "'2024-01-01T00:00:00.5Z'", "'2024-01-01'", "'2024'", "'2024-01-01 00:00:00'", "'1970-01-01T00:00:00Z'",
         "'2023-12-31T23:59:59.999Z'", "'2024-01-01T01:00:00+01:00'", 'NULL', '2024', "''", "'x'", "'2024-01-01T00:00:00'", "'2024-01-01T00:00:00.50Z'")
PATTERNS = ("'a%'", "'A%'", "'10%'", "'10\\%%' ESCAPE '\\'", "'%'", "''", "'_%'", "'1_x'", "'x'", 'NULL', '5', "'Zo_'", "'10\\_x' ESCAPE '\\'")
GLOBS = ("'a*'", "'A*'", "'[Aa]n*'", "'10*'", "'*'", "'b[*]r'", "''", 'NULL', "'?'", "'b*'")
FLAGS = ('0', '1', '2', 'TRUE', 'NULL', "'1'", "'true'")
KINDS = {'site': TEXTS, 'name': TEXTS, 'kind': TEXTS, 'tag': TEXTS, 'code': TEXTS, 'note': TEXTS, 'label': TEXTS, 'chip': TEXTS,
         'id': NUMBERS, 'size': NUMBERS, 'score': NUMBERS, 'big': NUMBERS, 'price': NUMBERS + TEXTS, 'flag': FLAGS,
         'at': TIMES, 'day': TIMES, 'extra': TEXTS + ("'[]'", "'{{}}'")}
COLUMNS = tuple(KINDS)
PUSHED = ('site', 'kind', 'tag', 'code', 'size', 'at', 'flag', 'name', 'day')
# what is likely to be there, so that not every answer is empty
LIKELY = {'site': ("'a'", "'B'"), 'kind': ("'tool'", "'toy'", "'food'"), 'tag': ("'t1'", "'t2'"), 'code': ("'5'", "'x'", "'X'"),
          'size': ('1', '5', '8', '0'), 'flag': ('0', '1'), 'at': TIMES[:2], 'day': ("'2024-01-01'",), 'id': ('1', '2', '3', '7'),
          'name': ("'anvil'", "'ant'", "'bar'"), 'note': ("'x'", "''"), 'price': ("'10'", "'2'"), 'score': ('0.5', '1')}
COLLATE = ('', '', '', '', ' COLLATE NOCASE', ' COLLATE RTRIM', ' COLLATE BINARY')
COMPARE = ('<', '<=', '>', '>=')
LIMITS = (' LIMIT 3', ' LIMIT 1', ' LIMIT 0', ' LIMIT -1', ' LIMIT 4 OFFSET 3', ' LIMIT -1 OFFSET 2', ' LIMIT 3 OFFSET -1',
          ' LIMIT 100', ' LIMIT 2 OFFSET 100', ' LIMIT ?', ' LIMIT ? OFFSET ?')


@dataclasses.dataclass
class Statement:
    sql: str
    args: tuple = ()
    ordered: bool = False    # the order of its rows is certain
    whole: object = None     # without its LIMIT: any of these rows may be the answer's
    reads: bool = False      # what it opens it reads to the end
    rowid: bool = False      # the tables must be those with rowids, not views on them
    turns: tuple = ()        # other statements that are stepped in turns with it
    again: tuple = ()        # other values for a second run of the prepared statement
    maker: str = ''


class Maker:
    def __init__(self, rnd, newest):
        self.rnd, self.newest = rnd, newest
        self.pick, self.bound = rnd.choice, []      # (column or None, value) of each parameter

    # -- parts ----------------------------------------------------------------
    def literal(self, column):
        return self.pick(LIKELY[column] if column in LIKELY and self.rnd.random() < .45 else KINDS[column])

    @staticmethod
    def bindable(v):
        """The value of a literal; None where it is of another kind."""
        if v[0] == "'":
            return v[1:-1].replace('{{}}', '{}')
        if v[0] not in '0123456789-':
            return None
        n = float(v) if re.search(r'[.e]', v) else int(v)
        return n if -2 ** 63 <= n < 2 ** 63 or n.__class__ is float else float(n)

    def parameter(self, column, v):
        """The mark of a parameter; which of them a statement has is known at its end."""
        self.bound.append((column, v))
        return f'⟦{len(self.bound) - 1}⟧'

    def value(self, column):
        v = self.literal(column)
        n = self.bindable(v)
        return self.parameter(column, n) if n is not None and self.rnd.random() < 0.15 else v

    def pattern(self, among):
        """One of LIKE or GLOB, now and then as a parameter: what it begins with is known when it runs."""
        v = self.pick(among)
        return self.parameter('name', v[1:-1]) if v[0] == "'" and 'ESCAPE' not in v and self.rnd.random() < .25 else v

    def other(self, column):
        if column is None:
            return self.pick((0, 1, 2, 5, -1))
        return self.bindable(self.literal(column))        # None is NULL

    def finish(self, s, name):
        marks = [int(m) for m in re.findall(r'⟦(\d+)⟧', s.sql)]
        s.maker, s.sql, s.args = name, re.sub(r'⟦\d+⟧', '?', s.sql), tuple(self.bound[m][1] for m in marks)
        if marks and not s.whole:
            s.again = tuple(self.other(self.bound[m][0]) for m in marks)
        if s.whole:
            s.whole = self.finish(Statement(s.whole), name)
        for t in s.turns:
            self.finish(t, name)
        return s

    def column(self):
        return self.pick(PUSHED if self.rnd.random() < .7 else COLUMNS)

    def term(self, a, depth=0):
        pick, c, r = self.pick, self.column(), self.rnd.random()
        column = f'{a}.{c}'
        if depth < 2 and r < 0.16:
            # SQLite 3.40 makes an IN of `x = 'a' COLLATE NOCASE OR x = 'b'` and forgets NOCASE, with an index as well
            terms = (self.term(a, depth + 1).replace(' COLLATE NOCASE', '').replace(' COLLATE RTRIM', '') for _ in range(self.rnd.randint(2, 3)))
            return '(' + pick((' AND ', ' OR ', ' OR ')).join(list(terms)) + ')'
        if depth < 2 and r < 0.19:
            return f'NOT ({self.term(a, depth + 1)})'
        if r < 0.38:
            return f'{column} {pick(("=", "=", "=", "==", "IS", "<>", "IS NOT"))} {self.value(c)}{pick(COLLATE)}'
        if r < 0.50:
            return f'{column} {pick(COMPARE)} {self.value(c)}'
        if r < 0.57:
            return f'{column} {pick(("", "NOT "))}BETWEEN {self.value(c)} AND {self.value(c)}'
        if r < 0.67:
            return f'{column} {pick(("", "", "NOT "))}IN ({", ".join([self.value(c) for _ in range(self.rnd.randint(0, 3))])})'
        if r < 0.70:
            return f'{column} {pick(("", "NOT "))}IN (SELECT {pick(("text", "n", "level"))} FROM {{levels}})'
        if r < 0.72:
            return f'{column} IN (SELECT {pick("vnw")} FROM plain)'
        if r < 0.77:
            return f'{a}.{pick(("name", "name", "kind", "code", "site"))} {pick(("", "", "NOT "))}LIKE {self.pattern(PATTERNS)}'
        if r < 0.81:
            return f'{a}.{pick(("name", "kind", "tag"))} GLOB {self.pattern(GLOBS)}'
        if r < 0.85:
            return f'{column} {pick(("IS NULL", "IS NOT NULL", "NOTNULL"))}'
        if r < 0.88:
            return self.row_value(a)
        return self.odd(a, c)

    def row_value(self, a):
        """(x, y) compared at once."""
        one, two = self.column(), self.column()
        pair = f'({a}.{one}, {a}.{two})'
        given = f'({self.value(one)}, {self.value(two)})'
        r = self.rnd.random()
        if r < .45:
            return f'{pair} {self.pick(("=", "=", "IS", "<>", "IS NOT"))} {given}'
        if r < .7:
            return f'{pair} {self.pick(COMPARE)} {given}'
        if r < .8:
            return f'{pair} BETWEEN {given} AND ({self.value(one)}, {self.value(two)})'
        return f'{pair} IN (VALUES {given}, ({self.value(one)}, {self.value(two)}))'

    def odd(self, a, c):
        """Terms that no API filters, beside those that look like them."""
        pick = self.pick
        column, v, r = f'{a}.{c}', self.value, self.rnd.random()
        if r < .12:
            return f'{column} COLLATE {pick(("NOCASE", "RTRIM", "BINARY"))} {pick(("=", "=", "<", ">=", "IS"))} {v(c)}'
        if r < .24:
            return f'{v(c)} {pick(("=", "<", ">=", "IS", "<>"))} {column}'
        if r < .32:
            return f'{column} {pick(("=", "<", "IS", "<>"))} {a}.{self.column()}'
        if r < .40:
            return f'CASE WHEN {self.term(a, 2)} THEN {column} {pick(("=", ">"))} {v(c)} ELSE {a}.flag END'
        if r < .46:
            return f"CASE {a}.kind WHEN 'tool' THEN {a}.size WHEN 'toy' THEN {a}.id END {pick(('=', '>', 'IS'))} {v('size')}"
        if r < .53:
            return f"coalesce({column}, {v(c)}) = {v(c)}"
        if r < .59:
            return f'{column} IS {pick(("", "NOT "))}DISTINCT FROM {v(c)}'
        if r < .66:
            return f"{pick(('likely', 'unlikely'))}({column} = {v(c)})"
        if r < .72:
            return f'CAST({column} AS {pick(("TEXT", "INTEGER", "REAL", "NUMERIC"))}) = {v(c)}'
        if r < .77:
            return f'{column} = (SELECT {pick(("max", "min"))}({pick("vnw")}) FROM plain)'
        return pick((f'{a}.id % 2', f'{a}.flag', f'NOT {a}.flag', f'length({a}.name) > 3', f"{a}.kind || '' = 'tool'", f'+{a}.size > 1', '0', '1', 'NULL',
                     f"{a}.kind = 'to' || 'ol'", f'{a}.size = 2 + 3', f'-{a}.size < 0', f"lower({a}.kind) = 'tool'", f"{a}.extra ->> 'k' = 1",
                     f"iif({a}.flag, {a}.kind, 'tool') = 'tool'", f'{a}.id & 1 = 1', f'{a}.flag IS TRUE', f'{a}.flag IS NOT FALSE'))

    def where(self, a, least=0):
        n = self.rnd.randint(least, 3)
        return ' WHERE ' + ' AND '.join([self.term(a) for _ in range(n)]) if n else ''

    def limit(self):
        text = self.pick(LIMITS)
        text = text.replace('OFFSET ?', 'OFFSET ' + self.parameter(None, self.pick((0, 2, -5, 30))))
        return text.replace('?', self.parameter(None, self.pick((0, 1, 3, -1, 7))))

    def columns(self, a):
        return ', '.join(f'{a}.{c}' for c in self.rnd.sample(COLUMNS, self.rnd.randint(1, 4)))

    def expression(self, a):
        c, d = self.column(), self.column()
        return self.pick((f'{a}.{c}', f'{a}.{c} = {a}.{d}', f'coalesce({a}.{c}, {a}.{d})', f'CASE WHEN {a}.{c} > {a}.{d} THEN {a}.{c} ELSE {a}.{d} END',
                          f'typeof({a}.{c})', f"{a}.{c} || '/' || {a}.{d}", f'{a}.{c} IS NULL', f'length({a}.{c})', f'nullif({a}.{c}, {a}.{d})',
                          f'max({a}.id, {a}.size)', f'quote({a}.{c})', f'CAST({a}.{c} AS TEXT)', f'hex({a}.{c})', f'{a}.id * 2'))

    def order(self, a):
        c = self.pick(COLUMNS)
        what = f'{a}.{c}{self.pick(COLLATE)}' if self.rnd.random() < .7 else self.expression(a)
        return f' ORDER BY {what}{self.pick(("", " DESC", " NULLS LAST", " DESC NULLS FIRST"))}, {a}.site, {a}.id'

    # -- one table ---------------------------------------------------------------
    def plain(self):
        return Statement(f'SELECT {self.columns("t")} FROM {{things}} AS t{self.where("t")}', reads=True)

    def everything(self):
        return Statement(f'SELECT * FROM {{things}} AS t{self.where("t", 1)}', reads=True)

    def expressions(self):
        return Statement(f'SELECT t.site, t.id, {self.expression("t")}, {self.expression("t")} FROM {{things}} AS t{self.where("t")}', reads=True)

    def sorted_limit(self):
        sql = f'SELECT {self.columns("t")} FROM {{things}} AS t{self.where("t")}{self.order("t")}'
        return Statement(sql + (self.limit() if self.rnd.random() < .7 else ''), ordered=True)

    def ordinal(self):
        return Statement(f'SELECT t.{self.pick(COLUMNS)}, t.site, t.id FROM {{things}} AS t{self.where("t")} ORDER BY 1{self.pick(COLLATE)}, 2 DESC, 3' +
                         (self.limit() if self.rnd.random() < .5 else ''), ordered=True)

    def loose_limit(self):
        sql = f'SELECT {self.columns("t")} FROM {{things}} AS t{self.where("t")}'
        text = self.pick((' LIMIT 3', ' LIMIT 1', ' LIMIT 0', ' LIMIT -1', ' LIMIT 4 OFFSET 3', ' LIMIT -1 OFFSET 2', ' LIMIT 6 OFFSET -1'))
        return Statement(sql + text, whole=sql)

    def short_limit(self):
        """All terms can be asked for, so that LIMIT may end the fetch: if they are exact."""
        pick, terms = self.pick, []
        v = {'site': ("'a'", "'B'"), 'kind': ("'tool'", "'toy'", "'food'"), 'code': ("'x'", "'X'", "'5'", "' 5'"), 'tag': ("'t1'", "'t2'"),
             'flag': ('0', '1'), 'size': ('1', '5', '8'), 'at': ("'2024-01-01T00:00:00Z'", "'2024-01-01T00:00:00.5Z'"), 'day': ("'2024-01-01'",)}
        for c in self.rnd.sample(sorted(v), self.rnd.randint(0, 2)):
            op = pick(COMPARE) if c in ('size', 'at') else pick(('=', '=', 'IN', 'IS'))
            terms.append(f't.{c} IN ({", ".join(self.rnd.sample(v[c], self.rnd.randint(1, len(v[c]))))})' if op == 'IN' else f't.{c} {op} {pick(v[c])}')
        sql = f'SELECT t.id, t.site FROM {{things}} AS t' + (' WHERE ' + ' AND '.join(terms) if terms else '')
        return Statement(sql + f' LIMIT {self.rnd.randint(1, 7)}' + pick(('', '', f' OFFSET {self.rnd.randint(0, 4)}')), whole=sql)

    def bound_limit(self):
        s = self.short_limit()
        return dataclasses.replace(s, sql=f'{s.whole} LIMIT {self.parameter(None, self.pick((0, 1, 2, 6, -1)))} OFFSET {self.parameter(None, self.pick((0, 1, 3, -2)))}')

    def distinct(self):
        cols = ', '.join(f't.{c}' for c in self.rnd.sample(COLUMNS, self.rnd.randint(1, 2)))
        tail = self.pick(('', '', '', ' LIMIT -1', ' ORDER BY 1'))
        return Statement(f'SELECT DISTINCT {cols} FROM {{things}} AS t{self.where("t")}{tail}', reads=True)

    # No sum of numbers that a double rounds: it depends on the order of the rows.
    def aggregate(self):
        pick, g, filtered = self.pick, self.pick(COLUMNS), ''
        what = pick(('count(*)', 'count(t.size)', 'sum(t.size)', 'min(t.name), max(t.at)', 'total(t.id)', 'count(DISTINCT t.kind)', 'max(t.big)',
                     'avg(t.id)', "group_concat(t.id, '-') FILTER (WHERE t.id < 2)", 'FILTER', 'FILTER', 'max(t.size) - min(t.size)', 'sum(t.id) OVER ()'))
        if 'OVER' in what:
            return Statement(f'SELECT t.site, sum(count(*)) OVER (), count(*) FROM {{things}} AS t{self.where("t")} GROUP BY t.site', reads=True)
        if what == 'FILTER':
            filtered = f'count(*) FILTER (WHERE {self.term("t")}), sum(t.id) FILTER (WHERE {self.term("t")})'
        if self.newest and self.rnd.random() < .2:
            filtered = f"group_concat(t.{pick(COLUMNS)}, '-' ORDER BY t.{pick(COLUMNS)} DESC, t.site, t.id)"
        what = filtered or what
        if self.rnd.random() < .4:
            return Statement(f'SELECT {what} FROM {{things}} AS t{self.where("t")}', reads=True)
        w = self.where('t')
        by = f't.{g}' if self.rnd.random() < .8 else self.expression('t')
        # 1 and 1.0 are one group, which any of its rows may name
        named = by if by == f't.{g}' else f'coalesce({by}, NULL) IS NULL'
        having = pick(('', '', ' HAVING count(*) > 1', ' HAVING max(t.id) > 3'))
        what = 'count(*)' if 'group' in what else what
        return Statement(f'SELECT {named} AS g, {what} FROM {{things}} AS t{w} GROUP BY {by}{having}', reads=True)

    def window(self):
        pick = self.pick
        f = pick(('row_number()', 'rank()', 'dense_rank()', 'sum(t.size)', 'lag(t.kind)', 'lead(t.id, 2, -1)', 'count(*)', 'first_value(t.name)', 'ntile(3)',
                  'max(t.size) FILTER (WHERE t.flag)', 'nth_value(t.id, 2)'))
        frame = pick(('', '', ' ROWS BETWEEN 2 PRECEDING AND CURRENT ROW', ' ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING',
                      ' GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW', ' RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES'))
        over = f'PARTITION BY t.{pick(COLUMNS)} ORDER BY t.{pick(COLUMNS)}{pick(COLLATE)}, t.site, t.id{frame}'
        if self.rnd.random() < .3:
            return Statement(f'SELECT t.site, t.id, {f} OVER w, count(*) OVER w FROM {{things}} AS t{self.where("t")} WINDOW w AS ({over})', reads=True)
        if self.rnd.random() < .2:
            return Statement(f'SELECT * FROM (SELECT t.site, t.id, row_number() OVER ({over}) AS n FROM {{things}} AS t{self.where("t")}) WHERE n <= 2', reads=True)
        return Statement(f'SELECT t.site, t.id, {f} OVER ({over}) FROM {{things}} AS t{self.where("t")}', reads=True)

    def rowids(self):
        pick, r = self.pick, self.pick(('rowid', 'rowid', '_rowid_', 'oid'))
        inner = self.where('u', 1)
        return Statement(pick((
            f'SELECT t.{r}, t.id FROM {{things}} AS t{self.where("t")} ORDER BY t.{r}{pick(("", " DESC"))}{pick(("", " LIMIT 3"))}',
            f'SELECT t.site, t.id FROM {{things}} AS t WHERE t.{r} = (SELECT max(u.{r}) FROM {{things}} AS u{inner})',
            f'SELECT t.site, t.id FROM {{things}} AS t WHERE t.{r} {pick(("", "NOT "))}IN (SELECT u.{r} FROM {{things}} AS u{inner})',
            f'SELECT t.site, t.id FROM {{things}} AS t WHERE t.{r} > (SELECT u.{r} FROM {{things}} AS u WHERE u.site = \'a\' AND u.id = 3)',
            f'SELECT t.site, t.id, u.id FROM {{things}} AS t JOIN {{things}} AS u ON t.{r} = u.{r}{self.where("t")}',
            f'SELECT t.site, t.id, u.id FROM {{things}} AS t LEFT JOIN {{things}} AS u ON t.{r} = u.{r} AND {self.term("u")}{self.where("t")}',
            f'SELECT count(DISTINCT t.{r}), count(*) FROM {{things}} AS t{self.where("t")}',
            f'SELECT t.id FROM {{things}} AS t WHERE t.{r} = 5 OR {self.term("t")}')), ordered=False, rowid=True)

    def level(self):
        v = self.pick(TEXTS + ("'low'", "'high'", "'LOW' COLLATE NOCASE"))
        return Statement(f'SELECT level, n, text FROM {{levels}} WHERE level {self.pick(("=", "IS", ">", "<>"))} {v}', reads=True)

    def wide(self):
        cols = [f'c{self.rnd.randint(0, 69)}' for _ in range(3)] + ['c62', 'c63', 'c64', 'late'][self.rnd.randint(0, 3):]
        terms = [f'{self.pick(cols)} {self.pick(("=", "<", ">=", "IS NOT"))} {self.pick(NUMBERS)}' for _ in range(self.rnd.randint(0, 2))]
        if self.rnd.random() < .3:
            a, b = self.pick(cols[:3]), self.pick(cols[:3])
            return Statement(f'SELECT r.c0, s.{self.pick(cols)} FROM {{rows}} AS r {self.pick(("JOIN", "LEFT JOIN"))} {{rows}} AS s ON s.{a} = r.{b}' +
                             (f' WHERE r.{terms[0]}' if terms else ''))
        return Statement(f'SELECT {", ".join(cols)} FROM {{rows}}' + (' WHERE ' + self.pick((' AND ', ' OR ')).join(terms) if terms else ''), reads=True)

    def json(self):
        return Statement(self.pick((
            f'SELECT t.site, t.id, j.key, j.value FROM {{things}} AS t, json_each(t.extra) AS j{self.where("t")}',
            f"SELECT t.site, t.id, t.extra -> 'k', t.extra ->> 'k', json_type(t.extra) FROM {{things}} AS t{self.where('t')}",
            f"SELECT json_group_array(n) FROM (SELECT t.id AS n FROM {{things}} AS t{self.where('t')} ORDER BY t.site, t.id)",
            f"SELECT json_object('e', t.extra, 'k', t.kind) FROM {{things}} AS t{self.where('t')}")))

    # -- several tables ------------------------------------------------------------
    def on(self):
        return self.pick(('u.site = t.site AND u.thing = t.id', 'u.site = t.site AND u.thing = t.id', 'u.thing = t.id', 'u.site = t.site',
                          'u.kind = t.kind AND u.site = t.site', 'u.qty = t.size', '(u.site, u.thing) = (t.site, t.id)',
                          'u.site = t.site AND u.thing IN (t.id, 1)', 'u.thing = t.id OR u.qty = t.size', 'u.thing BETWEEN t.id AND t.id + 1',
                          'u.site IS t.site AND u.thing IS t.id', "u.thing = t.id AND u.site = 'a'"))

    def join(self):
        on, how = self.on(), self.pick(('JOIN', 'LEFT JOIN', ', ', 'CROSS JOIN'))
        one, two = self.pick((('{things} AS t', '{parts} AS u'), ('{parts} AS u', '{things} AS t')))
        if how == ', ':
            w = self.where('t')
            return Statement(f'SELECT t.id, u.id, u.qty FROM {one}, {two}{w}{" AND " if w else " WHERE "}({on})')
        more = self.pick(('', '', '', ' AND u.qty > 3', " AND t.kind = 'tool'", ' AND t.size IS NOT NULL'))
        w = self.where('t')
        if how == 'LEFT JOIN' and self.rnd.random() < .25:
            w += (' AND ' if w else ' WHERE ') + self.pick(('u.id IS NULL', 't.id IS NULL', 'u.qty IS NULL', 'coalesce(u.qty, 0) < 5'))
        return Statement(f'SELECT t.site, t.id, u.id, u.qty FROM {one} {how} {two} ON ({on}){more}{w}')

    def outer_join(self):
        how = self.pick(('FULL JOIN', 'RIGHT JOIN', 'FULL OUTER JOIN', 'LEFT JOIN'))
        one, two = self.pick((('{things} AS t', '{parts} AS u'), ('{parts} AS u', '{things} AS t')))
        if self.rnd.random() < .4:
            other, on = self.pick((('plain AS p', 'p.v = t.kind'), ('plain AS p', 'p.n = t.size'), ('plain AS p', 'p.w = t.code'), ('{levels} AS p', 'p.n = t.size'),
                                   ('{things} AS p', 'p.size = t.id'), ('{things} AS p', 'p.site = t.site AND p.id = t.id + 1')))
            more = self.pick(('', '', ' AND ' + self.term('t')))
            what = 't.site, t.id, ' + ('p.id' if 'things' in other else 'p.n')
            one, two = self.pick((('{things} AS t', other), (other, '{things} AS t')))
            return Statement(f'SELECT {what} FROM {one} {how} {two} ON {on}{more}{self.where("t")}')
        return Statement(f'SELECT t.site, t.id, u.site, u.thing, u.id FROM {one} {how} {two} ON ({self.on()}){self.where("t")}')

    def using(self):
        pick = self.pick
        how = pick(('JOIN', 'LEFT JOIN', 'FULL JOIN', 'RIGHT JOIN'))
        inner = self.where('t')
        return Statement(pick((
            f'SELECT site, t.id, u.id, u.qty FROM {{things}} AS t {how} {{parts}} AS u USING (site){pick(("", self.where("t"), " WHERE site = " + chr(39) + "a" + chr(39)))}',
            f'SELECT * FROM (SELECT t.site, t.id AS thing, t.name FROM {{things}} AS t{inner}) NATURAL {how} (SELECT site, thing, qty FROM {{parts}})',
            f'SELECT site, id, x.size, y.kind FROM (SELECT t.site, t.id, t.size FROM {{things}} AS t{inner}) AS x {how} {{things}} AS y USING (site, id)',
            f'SELECT kind, count(*) FROM {{things}} AS t {how} (SELECT v AS kind, n FROM plain) AS p USING (kind){inner} GROUP BY kind')))

    def three(self):
        pick = self.pick
        a, b, c = pick(('JOIN', 'LEFT JOIN')), pick(('JOIN', 'LEFT JOIN', 'FULL JOIN', 'RIGHT JOIN')), pick(COLUMNS)
        w = self.where('t')
        return Statement(pick((
            f'SELECT t.site, t.id, u.id, p.n FROM {{things}} AS t {a} {{parts}} AS u ON u.site = t.site AND u.thing = t.id {b} plain AS p ON p.v = t.kind{w}',
            f'SELECT p.v, t.site, t.id, u.qty FROM plain AS p {a} {{things}} AS t ON t.kind = p.v {a} {{parts}} AS u ON u.site = t.site AND u.thing = t.id{w}',
            f'SELECT t.id, u.id, l.text FROM {{things}} AS t {a} {{things}} AS u ON u.site = t.site AND u.id = t.id + 1 {b} {{levels}} AS l ON l.n = u.size{w}',
            f'SELECT l.n, t.id, u.qty FROM {{levels}} AS l, {{things}} AS t, {{parts}} AS u WHERE l.level = \'low\' AND t.size = l.n AND u.site = t.site AND u.thing = t.id',
            # of a WHERE that is never true SQLite plans nothing, and gives the API no key
            f'SELECT t.site, t.id, x.n, k.n FROM {{things}} AS t {a} {{levels}} AS x ON x.n = t.size {a} {{needs}} AS k ON k.key = t.code WHERE t.id < 9',
            f'SELECT t.id, s.c1 FROM {{things}} AS t JOIN {{rows}} AS s ON s.c0 = t.id JOIN {{rows}} AS r ON r.c0 = s.c1 WHERE {self.term("t")}',
            f'SELECT t.site, t.id, y.{c} FROM {{things}} AS t {a} ({{things}} AS y JOIN {{parts}} AS u ON u.site = y.site AND u.thing = y.id) ON y.site = t.site AND y.id = t.size{w}')))

    def across(self):
        """OR over the terms of several tables, of which each arm names some."""
        pick = self.pick
        terms = {'t': self.term('t', 1), 'u': pick(('u.qty > 3', 'u.qty IS NULL', 'u.id = 1', "u.site = 'a'", 'u.thing IN (1, 3, NULL)', "u.kind = 'tool'"))}
        one, two = self.term('t', 1), pick(('u.thing = t.id', 'u.qty = t.size', 'u.id = t.id', 'u.kind = t.code'))
        either = pick(('({t}) OR ({u})', '({t} AND {u}) OR ({one} AND {two})', '({t} AND {u}) OR {two}', '{t} OR ({one} AND {u})', 'NOT ({t} AND {u})')).format(one=one, two=two, **terms)
        how = pick((', ', 'JOIN', 'LEFT JOIN', 'FULL JOIN'))
        on = 'u.site = t.site' + pick(('', '', ' AND u.thing = t.id'))
        if how == ', ':
            return Statement(f'SELECT t.site, t.id, u.thing, u.id FROM {{things}} AS t, {{parts}} AS u WHERE {on} AND ({either})')
        return Statement(f'SELECT t.site, t.id, u.thing, u.id FROM {{things}} AS t {how} {{parts}} AS u ON {on} AND ({either}){self.where("t")}')

    def given(self):
        """Rows that stand in the statement, or in a table named by IN, beside a live one."""
        pick, c = self.pick, self.pick(('kind', 'code', 'size', 'site', 'tag', 'flag'))
        values = ', '.join(f'({i}, {self.value(c)})' for i in range(self.rnd.randint(1, 4)))
        return Statement(pick((
            f'SELECT x.column1, t.site, t.id FROM (VALUES {values}) AS x {pick(("JOIN", "LEFT JOIN", "RIGHT JOIN"))} {{things}} AS t ON t.{c} {pick(("=", "=", "IS", ">"))} x.column2{self.where("t")}',
            f'WITH x(n, v) AS (VALUES {values}) SELECT t.site, t.id FROM {{things}} AS t WHERE t.{c} IN (SELECT v FROM x){pick(("", " AND t.id IN (SELECT n FROM x)"))}',
            f'WITH x(n, v) AS (VALUES {values}) SELECT t.site, t.id FROM {{things}} AS t WHERE (t.id, t.{c}) {pick(("", "NOT "))}IN x',
            f'WITH x(v) AS (SELECT w FROM plain) SELECT t.site, t.id FROM {{things}} AS t{self.where("t", 1)} AND t.{c} {pick(("", "NOT "))}IN x',
            f'SELECT x.v, (SELECT max(t.id) FROM {{things}} AS t WHERE t.{c} = x.v AND t.id > x.n) FROM (SELECT column1 AS n, column2 AS v FROM (VALUES {values})) AS x')))

    def tails(self):
        """Bounds and orders that are questions themselves, and columns beside max() and min()."""
        pick, w, c = self.pick, self.where('t'), self.pick(COLUMNS)
        one = f'SELECT t.site, t.id, t.{c} FROM {{things}} AS t{w}'
        least = pick(("(SELECT min(n) FROM plain)", "(SELECT count(*) FROM {levels})", '2 + 1', 'abs(-4)', "(SELECT count(*) FROM {things} AS x WHERE x.kind = 'toy')"))
        return pick((
            lambda: Statement(f'{one} ORDER BY t.site, t.id LIMIT {least}', ordered=True),
            lambda: Statement(f'{one} ORDER BY t.site, t.id DESC LIMIT -1 OFFSET {least}', ordered=True),
            lambda: Statement(f'{one} ORDER BY (SELECT count(*) FROM {{parts}} AS p WHERE p.thing = t.id), t.site, t.id{self.limit()}', ordered=True),
            lambda: Statement(f'{one} ORDER BY rank() OVER (PARTITION BY t.kind ORDER BY t.size, t.site, t.id), t.site, t.id', ordered=True),
            lambda: Statement(f'SELECT {pick(("max", "min"))}(t.id * 100 + unicode(t.site)), t.name, t.{c} FROM {{things}} AS t{w}', reads=True),
            lambda: Statement(f'SELECT t.kind, {pick(("max", "min"))}(t.id * 100 + unicode(t.site)), t.{c} FROM {{things}} AS t{w} GROUP BY t.kind', reads=True),
            lambda: Statement(f'SELECT count(*), max(t.size) FROM {{things}} AS t{w} HAVING count(*) > 2', reads=True),
            lambda: Statement(f'SELECT t.kind, count(*) FROM {{things}} AS t{w} GROUP BY t.kind ORDER BY count(*) DESC, t.kind LIMIT 3', ordered=True),
            lambda: Statement(f'SELECT site, id FROM (SELECT * FROM {{things}} AS t{w} ORDER BY t.site, t.id LIMIT 5) UNION ALL SELECT site, thing FROM (SELECT * FROM {{parts}} AS p '
                              'ORDER BY p.site, p.thing, p.id LIMIT 4 OFFSET 1)'),
            lambda: Statement(f'SELECT t.id, sum(t.id) OVER (ORDER BY t.id RANGE BETWEEN {pick(("1", "2.5"))} PRECEDING AND {pick(("CURRENT ROW", "3 FOLLOWING"))}) FROM {{things}} AS t{w}', reads=True)))()

    def self_join(self):
        c = self.pick(('kind', 'tag', 'size', 'site', 'at', 'code', 'name', 'day'))
        more = self.pick(('u.id > t.id', 'u.id > t.id', 'u.id = t.id + 1', '(u.id, u.site) > (t.id, t.site)', 'u.size < t.size'))
        return Statement(f'SELECT t.id, u.id FROM {{things}} AS t {self.pick(("JOIN", "LEFT JOIN"))} {{things}} AS u ON u.{c} = t.{c} AND {more}{self.where("t")}')

    def mixed_join(self):
        c, t = self.pick(('kind', 'name', 'code', 'size', 'site', 'note', 'big', 'tag', 'flag')), '{things} AS t'
        one, two = self.pick(((t, 'plain AS p'), ('plain AS p', t)))
        op = self.pick(('=', '=', '=', 'IS', '>', '<='))
        return Statement(f'SELECT p.v, t.id, t.{c} FROM {one} {self.pick(("JOIN", "LEFT JOIN"))} {two} ON t.{c} {op} p.{self.pick(("v", "v", "n", "w"))}{self.where("t")}')

    def needs(self):
        return Statement(self.pick((
            'SELECT p.v, k.n FROM plain AS p JOIN {needs} AS k ON k.key = p.v', 'SELECT p.v, k.n FROM plain AS p LEFT JOIN {needs} AS k ON k.key = p.v',
            'SELECT p.n, k.key, k.n FROM plain AS p JOIN {needs} AS k ON k.key = CAST(p.n AS TEXT)', "SELECT k.key, k.n FROM {needs} AS k WHERE k.key IN ('x', 5, NULL, '')",
            "SELECT k.n, l.text FROM {needs} AS k, {levels} AS l WHERE k.key = '5' AND k.n > l.n",
            'SELECT k.key, k.n FROM {needs} AS k WHERE k.key IN (SELECT v FROM plain)',
            'SELECT k.key, k.n FROM {needs} AS k WHERE k.key IN (SELECT t.code FROM {things} AS t) AND k.n IS NOT 2',
            'SELECT t.site, t.id, k.n FROM {things} AS t LEFT JOIN {needs} AS k ON k.key = t.code',
            'SELECT t.site, t.id, (SELECT sum(k.n) FROM {needs} AS k WHERE k.key = t.code) FROM {things} AS t',
            "SELECT j.value, k.n FROM json_each('[\"x\", \"5\", \"x\", null]') AS j JOIN {needs} AS k ON k.key = j.value",
            "SELECT key, n FROM {needs} WHERE key = 'x' UNION ALL SELECT key, n FROM {needs} WHERE key = '5'",
            "SELECT key, n FROM {needs} WHERE key = 'x' OR key = '05'", "SELECT a.n, b.n FROM {needs} AS a JOIN {needs} AS b ON b.key = a.key WHERE a.key = 'x'")))

    # -- subqueries ----------------------------------------------------------------
    def subquery(self):
        pick, inner, c = self.pick, self.where('u', 1), self.pick(PUSHED)
        outer = f'SELECT t.site, t.id FROM {{things}} AS t WHERE '
        return Statement(pick((
            outer + 'EXISTS (SELECT 1 FROM {parts} AS p WHERE p.site = t.site AND p.thing = t.id AND p.qty > 3)',
            outer + 'NOT EXISTS (SELECT 1 FROM {parts} AS p WHERE p.site = t.site AND p.thing = t.id)',
            outer + f'NOT EXISTS (SELECT 1 FROM {{things}} AS u{inner} AND u.site = t.site AND u.id = t.id)',
            outer + f't.size = (SELECT max(u.size) FROM {{things}} AS u{inner})',
            outer + f't.size >= (SELECT avg(u.size) FROM {{things}} AS u{inner} AND u.{c} = t.{c})',
            outer + f't.{c} {pick(("", "NOT "))}IN (SELECT u.{c} FROM {{things}} AS u{inner})',
            outer + f't.{c} IN (SELECT u.{c} FROM {{things}} AS u{inner} AND u.id = t.id)',
            outer + f'(t.site, t.{c}) {pick(("", "NOT "))}IN (SELECT u.site, u.{c} FROM {{things}} AS u{inner})',
            outer + f'(t.site, t.id) = (SELECT u.site, u.id FROM {{things}} AS u{inner} ORDER BY u.site, u.id LIMIT 1)',
            outer + 't.id IN (SELECT p.thing FROM {parts} AS p WHERE p.qty > 3)',
            outer + f'EXISTS (SELECT 1 FROM {{things}} AS u{inner}) AND t.id < 4',
            'SELECT t.site, t.id, (SELECT count(*) FROM {parts} AS p WHERE p.thing = t.id AND p.site = t.site) FROM {things} AS t',
            f'SELECT t.id, (SELECT u.kind FROM {{things}} AS u{inner} AND u.id > t.id ORDER BY u.site, u.id LIMIT 1) FROM {{things}} AS t',
            'SELECT t.site, t.id, (WITH x AS (SELECT p.qty FROM {parts} AS p WHERE p.thing = t.id AND p.site = t.site) SELECT sum(qty) FROM x) FROM {things} AS t',
            f'SELECT t.site, t.id, (WITH x(m) AS MATERIALIZED (SELECT max(u.id) FROM {{things}} AS u{inner}) SELECT m - t.id FROM x) FROM {{things}} AS t',
            f'SELECT count(*) FROM (SELECT * FROM {{things}} AS u{inner} LIMIT 4)',
            f'SELECT count(*) FROM (SELECT u.id FROM {{things}} AS u{inner} LIMIT 4 OFFSET 2) WHERE id > -1',
            f'SELECT EXISTS (SELECT 1 FROM {{things}} AS u{inner})',
            f'SELECT EXISTS (SELECT 1 FROM {{things}} AS u{inner} LIMIT 3 OFFSET 2)',
            f'SELECT p.v, EXISTS (SELECT 1 FROM {{things}} AS u{inner} AND u.kind = p.v) FROM plain AS p',
            f'SELECT p.v, (SELECT count(*) FROM {{things}} AS u{inner} AND u.{c} = p.{pick("vnw")}) FROM plain AS p',
            f'SELECT x.site, x.m FROM (SELECT u.site, max(u.id) AS m FROM {{things}} AS u{inner} GROUP BY u.site) AS x WHERE x.site = \'a\'',
            f'SELECT level, n FROM {{levels}} WHERE level IN (\'low\', \'high\') AND n IN (SELECT u.size FROM {{things}} AS u{inner})')))

    def compound(self):
        pick = self.pick
        op = pick((' UNION ', ' UNION ALL ', ' INTERSECT ', ' EXCEPT '))
        both = f'SELECT t.site, t.kind, t.size FROM {{things}} AS t{self.where("t")}{op}SELECT u.site, u.kind, u.size FROM {{things}} AS u{self.where("u")}'
        r = self.rnd.random()
        if r < .5:
            return Statement(both)
        if r < .65:
            return Statement(f'{both} ORDER BY 1, 2, 3' + self.limit(), ordered=True)
        if r < .85:
            return Statement(f'SELECT * FROM ({both}) AS t WHERE {pick(("kind = " + chr(39) + "tool" + chr(39), "site = " + chr(39) + "a" + chr(39), "size >= 5", "kind IN (" + chr(39) + "toy" + chr(39) + ", NULL)"))}')
        return Statement(f"VALUES ('a', 'tool', 5), (NULL, 'x', 1) {pick(('UNION', 'UNION ALL'))} {both}")

    def cte(self):
        pick, m = self.pick, self.pick(('', 'MATERIALIZED ', 'NOT MATERIALIZED '))
        x = f'WITH x AS {m}(SELECT * FROM {{things}} AS t{self.where("t")}) '
        return Statement(x + pick((
            'SELECT x.id, y.kind, y.size FROM x JOIN x AS y ON y.id = x.id AND y.site = x.site',
            'SELECT x.id, y.kind FROM x LEFT JOIN x AS y ON y.size = x.id',
            'SELECT (SELECT count(*) FROM x), count(*), max(size) FROM x WHERE id > 3',
            'SELECT site, kind FROM x EXCEPT SELECT site, kind FROM x WHERE size > 1',
            'SELECT x.id FROM x WHERE EXISTS (SELECT 1 FROM x AS y WHERE y.kind = x.kind AND y.id <> x.id)',
            ', y AS (SELECT site, max(id) AS m FROM x GROUP BY site) SELECT x.site, x.id, m FROM x JOIN y ON y.site = x.site AND m > x.id')).replace(') , y', '), y'))

    def recursive(self):
        w = self.where('t', 1)
        return Statement(self.pick((
            f'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 6) SELECT r.n, t.site, t.name FROM r {self.pick(("JOIN", "LEFT JOIN"))} {{things}} AS t ON t.id = r.n',
            f'WITH RECURSIVE r(id, d) AS (SELECT t.id, 0 FROM {{things}} AS t{w} UNION SELECT u.id, r.d + 1 FROM r JOIN {{things}} AS u ON u.size = r.id AND r.d < 3) SELECT id, d FROM r',
            f'WITH RECURSIVE r(site, id) AS (SELECT t.site, t.id FROM {{things}} AS t{w} UNION SELECT p.site, p.qty FROM r JOIN {{parts}} AS p ON p.site = r.site AND p.thing = r.id WHERE p.qty < 18) SELECT site, id FROM r',
            f'WITH RECURSIVE r(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT count(*) FROM {{things}} AS t{w})) SELECT max(n) FROM r',
            "WITH RECURSIVE r(k, n) AS (VALUES('5', 0) UNION SELECT '0' || r.k, k.n FROM r JOIN {needs} AS k ON k.key = r.k) SELECT k, n FROM r")))

    # -- ordinary tables written from live ones -------------------------------------------
    def written(self):
        w, c = self.where('t'), self.pick(PUSHED)
        return Statement(self.pick((
            f'INSERT INTO scratch SELECT t.kind, t.size, t.{c} FROM {{things}} AS t{w} RETURNING *',
            f'INSERT OR IGNORE INTO scratch(v, n, w) SELECT t.name, count(*), NULL FROM {{things}} AS t{w} GROUP BY t.name RETURNING v, n',
            f'DELETE FROM scratch WHERE v IN (SELECT t.{c} FROM {{things}} AS t{w}) RETURNING v, n, w',
            f'DELETE FROM scratch WHERE EXISTS (SELECT 1 FROM {{things}} AS t{w}{" AND" if w else " WHERE"} t.size = scratch.n) RETURNING v, n, w',
            f'UPDATE scratch SET w = (SELECT max(t.id) FROM {{things}} AS t{w}{" AND" if w else " WHERE"} t.kind = scratch.v) RETURNING v, n, w',
            f'UPDATE scratch SET n = x.s FROM (SELECT t.kind, sum(t.id) AS s FROM {{things}} AS t{w} GROUP BY t.kind) AS x WHERE x.kind = scratch.v RETURNING v, n',
            f'UPDATE scratch SET w = n WHERE (v, n) IN (SELECT t.kind, t.size FROM {{things}} AS t{w}) RETURNING v, n, w')))

    def turns(self):
        """Several cursors that are read a row at a time, in turns."""
        one = self.pick((self.plain, self.expressions, self.self_join, self.subquery))()
        others = [self.pick((self.plain, self.level, self.wide, self.join))() for _ in range(self.rnd.randint(1, 2))]
        return dataclasses.replace(one, turns=tuple(others), reads=False)

    MAKERS = (('plain', 16), ('everything', 4), ('expressions', 4), ('sorted_limit', 9), ('ordinal', 2), ('loose_limit', 6), ('short_limit', 7), ('bound_limit', 3),
              ('distinct', 4), ('aggregate', 9), ('window', 4), ('rowids', 3), ('level', 2), ('wide', 4), ('json', 2), ('join', 6), ('outer_join', 5), ('using', 3),
              ('three', 3), ('self_join', 3), ('mixed_join', 6), ('needs', 2), ('subquery', 12), ('compound', 5), ('cte', 3), ('recursive', 2), ('across', 4), ('given', 4), ('tails', 5), ('written', 4), ('turns', 2))

    def statement(self):
        name = self.rnd.choices([m for m, _ in self.MAKERS], [w for _, w in self.MAKERS])[0]
        self.bound = []
        return self.finish(getattr(self, name)(), name)
