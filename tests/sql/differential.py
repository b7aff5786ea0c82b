#!/usr/bin/python3
"""Live tables answer as ordinary and synced ones that hold their rows, whatever
is asked, and make the requests that cq_explain told before, none of them twice.

  tests/sql/differential.py --build build [--driver sqlite3|apsw]
                            [--seed N|new] [--statements N] [--each N] [--only N]

The rows are a function of the seed, a statement (statements.py) of the seed and
its number, so --seed and --only repeat one.  A statement that answers differently
is cut down to what still does, and printed with all that repeats it.
"""
import argparse
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from livetest import ROOT, Lab, Pair, differ, unlike
from statements import Maker

# A term that is false whatever the row keeps SQLite from beginning at all; a list
# is read when the first row needs it.
NEVER = re.compile(r'[( ](0|1|NULL)\b|IN \(\)|\(SELECT')
SYNCED = ('append', 'overwrite')
SHOWN = 8


class Run:
    def __init__(self, driver, seed):
        self.driver, self.seed = driver, seed
        self.lab = Lab(seed)
        self.pair = Pair(self.lab, driver)
        self.newest = tuple(map(int, self.pair.version.split('.'))) >= (3, 44)
        self.done = self.wrong = self.other = self.made = self.empty = self.failed = 0
        self.makers = {}

    def statement(self, n):
        return Maker(random.Random(f'{self.seed}/{n}'), self.newest).statement()

    def ways(self, s, rnd):
        """The names to ask the live tables by, and those of the tables to compare with."""
        live = self.pair.live if s.rowid else rnd.choice((self.pair.live, self.pair.live, self.pair.named['view'], self.pair.named['module']))
        return live, ('copy',) if s.rowid else ('copy',) + SYNCED

    def compare(self, s, live, ways):
        """None, or (way, answer of the live table, answer of the other)."""
        pair = self.pair
        one = pair.answer(s.sql, s.args, live)
        whole = pair.answer(s.whole.sql, s.whole.args, pair.named['copy']) if s.whole else None
        for way in ways:
            two = pair.answer(s.sql, s.args, pair.named[way])
            if differ(s, one, two, whole):
                return way, one, two
        self.empty += one == []
        self.failed += isinstance(one, str)
        return None

    def one(self, n):
        s, rnd, pair = self.statement(n), random.Random(f'{self.seed}/{n}/way'), self.pair
        self.done += 1
        self.makers[s.maker] = self.makers.get(s.maker, 0) + 1
        live, ways = self.ways(s, rnd)
        pair.start(n + 1)
        try:
            steps = [step for t in (s,) + s.turns for step in pair.explain(t.sql.format_map(live))]
        except pair.error as e:
            self.report_wrong(n, s, live, ('copy', str(e), 'cq_explain'))
            return
        if s.turns:
            answers = [pair.in_turns((s,) + s.turns, names, rnd) for names in (live, pair.named['copy'])]
            bad = None
            if isinstance(answers[0], str) or isinstance(answers[1], str):
                bad = ('copy', *answers) if answers[0] != answers[1] else None
            else:
                for t, one, two in zip((s,) + s.turns, *answers):
                    bad = bad or (('copy', one, two) if differ(t, one, two) else None)
        else:
            bad = self.compare(s, live, ways)
        asked = self.lab.take(n + 1)
        self.made += len(asked)
        why = unlike(steps, asked, s.reads and not NEVER.search(s.sql), bool(s.turns))
        if bad:
            self.report_wrong(n, s, live, bad)
        if why:
            self.other += 1
            if self.other <= SHOWN:
                print(f'# {self.name(n)}\n#   {s.sql.format_map(live)}\n#   {list(s.args)}\n#   {why}')
                for step in steps:
                    print('#   ', {k: step[k] for k in ('table', 'purpose', 'requests', 'repeats', 'enough', 'runs', 'plan', 'unknown')})
        if s.again and not s.turns and not bad:
            # the same prepared statement, with other values
            s.args = s.again
            pair.start(n + 1)
            bad = self.compare(s, live, ways)
            if bad:
                self.report_wrong(n, s, live, bad)
            self.lab.take(n + 1)

    def name(self, n):
        return f'--driver {self.driver} --seed {self.seed} --only {n}  (SQLite {self.pair.version})'

    def report_wrong(self, n, s, live, bad):
        self.wrong += 1
        if self.wrong > SHOWN:
            return
        way, one, two = bad
        print(f'# {self.name(n)}: the live table and {way} differ')
        if not s.turns:
            s, (way, one, two) = self.shrink(s, live, way, bad)
            indexed = self.pair.answer(s.sql, s.args, self.pair.named['index'])
            if not s.whole and differ(s, indexed, two):
                print(f'#   SQLite answers an ordinary table with indexes otherwise, too: {str(indexed)[:300]}')
        print(f'#   {s.sql.format_map(live)}\n#   {list(s.args)}  {[t.sql for t in s.turns]}')
        print(f'#   live {str(one)[:400]}\n#   {way} {str(two)[:400]}', flush=True)

    def shrink(self, s, live, way, bad):
        """The statement with as many terms left out as may be, while it differs."""
        for _ in range(40):
            for m in re.finditer(r' (AND|OR) ', s.sql):
                smaller = self.without(s, m)
                again = smaller and self.compare(smaller, live, (way,))
                if again and not isinstance(again[1], str) and not isinstance(again[2], str):
                    s, bad = smaller, again
                    break
            else:
                return s, bad
        return s, bad

    @staticmethod
    def without(s, m):
        """`s` without one side of an AND or OR at match m; None where that is not plain."""
        if s.whole or re.search(r'BETWEEN \S+$', s.sql[:m.start()]):
            return None
        depth, end = 0, m.end()
        while end < len(s.sql):
            ch = s.sql[end]
            depth += (ch == '(') - (ch == ')')
            if depth < 0 or (depth == 0 and re.match(r' (AND|OR|ORDER|GROUP|LIMIT|UNION|EXCEPT|INTERSECT|WINDOW|HAVING|RETURNING)\b', s.sql[end:])):
                break
            end += 1
        first = s.sql[:m.start()].count('?')
        gone = s.sql[m.start():end].count('?')
        out = type(s)(**{**s.__dict__, 'sql': s.sql[:m.start()] + s.sql[end:], 'args': s.args[:first] + s.args[first + gone:]})
        return out

    def report(self, n):
        print(f'# SQLite {self.pair.version} ({self.driver}), seed {self.seed}: {self.done} statements, {self.made} requests, '
              f'{self.empty} empty answers, {self.failed} errors on both sides')
        print(f'{"not " if self.wrong or not self.done else ""}ok {n} - {self.done} statements, {self.wrong} with another answer than ordinary and synced tables give')
        print(f'{"not " if self.other or not self.made else ""}ok {n + 1} - {self.other} with other requests than cq_explain told')
        # an answer that is empty, or an error, on both sides shows little
        few = self.done > 2000 and (self.empty > self.done * .6 or self.failed > self.done * .02 or len(self.makers) < len(Maker.MAKERS))
        print(f'{"not " if few else ""}ok {n + 2} - most have rows', flush=True)
        return bool(self.wrong or self.other or few)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--build', default=os.path.join(ROOT, 'build'))
    ap.add_argument('--driver', choices=('sqlite3', 'apsw'), default='sqlite3')
    ap.add_argument('--seed', default=os.environ.get('CQ_SEED', '7'))
    ap.add_argument('--statements', type=int, default=int(os.environ.get('CQ_STATEMENTS', 4000)))
    ap.add_argument('--each', type=int, default=10000, help='statements for each seed, which then is one more')
    ap.add_argument('--only', type=int, help='the number of one statement')
    args = ap.parse_args()
    os.environ.setdefault('CQ_SO', os.path.join(os.path.abspath(args.build), 'cq.so'))
    seed, left, tests, bad = int(time.time()) if args.seed == 'new' else int(args.seed), args.statements, 0, 0
    while left > 0 or tests == 0:
        run = Run(args.driver, seed)
        for n in range(min(left, args.each)) if args.only is None else [args.only]:
            run.one(n)
        bad += run.report(tests + 1)
        left, seed, tests = 0 if args.only is not None else left - args.each, seed + 1, tests + 3
    print(f'1..{tests}')
    return bad > 0


if __name__ == '__main__':
    sys.exit(main())
