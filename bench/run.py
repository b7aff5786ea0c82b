#!/usr/bin/python3
"""Measures cq beside the loops that a person would write: `make bench`.

  bench/run.py --build build [--case NAME]... [--program NAME]...

One nginx serves page files to all programs (server.py, pages.py): the floors
(floor.h), live queries and syncs of cq in the sqlite3 shell. Programs are whole
processes, so that start and end count. Rounds are interleaved; the least CPU of
a program's rounds is shown, and its wall time and peak memory. Instructions are
counted by callgrind, per row, with what one page takes taken off, and without
the kernel's; they do not depend on what else the machine does.

cases.py lists cases and programs, report.py prints, docs.py writes
docs/performance.md. The case "start" is what .load takes, and the first row;
"names" is cq with 3,000 tables more (names.py); "accounts" an organization of
AWS accounts, 200 of them, or with --full 2,000 (accounts.py);
"into-postgresql" and its like are syncs into other stores, beside their own
bulk loaders (stores.py).
"""
import argparse
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import accounts
import cases
import docs
import measure
import names
import report
import server
import stores


class Bench:
    """One run: a folder with pages and databases, a server, and how to call each program."""

    def __init__(self, build, keep=None):
        self.build = build.resolve()
        self.folder = Path(tempfile.mkdtemp(prefix='cq-bench-'))
        self.keep = keep
        self.server = None
        self.seeds = {}

    def start(self, chosen, first_row, rows=0):
        (self.folder / 'pages').mkdir()
        cases.write_pages(self.folder / 'pages', chosen, first_row, rows)
        self.server = server.Server(self.folder, etag='on')
        self.env = {'PATH': os.environ['PATH'], 'HOME': str(self.folder), 'TMPDIR': str(self.folder), 'TZ': 'UTC',
                    'LANG': 'C.UTF-8', 'CQ_PATH': cases.write_definitions(self.folder), 'BENCH_URL': self.server.url}

    def stop(self):
        if self.server:
            self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, case, program, db):
        if program.name in cases.FLOORS:
            return [str(self.build / 'bench' / cases.FLOORS[program.name])] + \
                [str(a) for a in case.floor(self.server.url, db, program.mode)], ''
        shell = ['sqlite3', '-batch', '-bail', '-cmd', f'.load {self.build}/cq', str(db)]
        return shell, case.live() if program.name == 'live' else case.sync(program.mode)

    def check(self, case, program, text):
        """Whoever did not do the work is not measured."""
        if program.name in cases.FLOORS:
            got, want = int(text), case.total
        elif program.name == 'live':
            got, want = int(text.split('\n')[-2].split('|')[0]), case.rows
        else:
            result = json.loads(text)
            got, want = result['rows'], case.total
            if result['status'] != 'success':
                sys.exit(f'bench: {case.name}: {program.name}: {text[:2000]}')
        if got != want:
            sys.exit(f'bench: {case.name}: {program.name}: {got} rows, not {want}')

    def database(self, case, program):
        """A new file, or a copy of what the program begins with, which is made once per case."""
        db = self.folder / f'{program.name}.db'
        db.unlink(missing_ok=True)
        if program.seed:
            seed = self.folder / f'{program.seed}.seed'
            if self.seeds.get(program.seed) != (case.name, case.total):
                first = cases.PROGRAMS[program.seed]
                made = self.database(case, first)
                argv, stdin = self.command(case, first, made)
                self.check(case, first, measure.output(argv, self.env, stdin))
                made.rename(seed)
                self.seeds[program.seed] = (case.name, case.total)
            shutil.copyfile(seed, db)
        return db

    def same(self, case):
        """Fails unless the floor and cq store the same values: otherwise they are not to be compared."""
        files = {}
        for name in (case.base, 'append'):
            program = cases.PROGRAMS[name]
            files[name] = self.database(case, program)
            argv, stdin = self.command(case, program, files[name])
            self.check(case, program, measure.output(argv, self.env, stdin))
        db = sqlite3.connect(files['append'])
        db.execute('ATTACH ? AS floor', (str(files[case.base]),))
        for t in case.tables:
            columns = ', '.join(c for c in t.columns)
            for one, other in (('main', 'floor'), ('floor', 'main')):
                row = db.execute(f'SELECT {columns} FROM {one}.{t.name} EXCEPT SELECT {columns} FROM {other}.{t.name}').fetchone()
                if row:
                    sys.exit(f'bench: {case.name}: {t.name}: only {one} has {str(row)[:500]}')
        db.close()

    def once(self, case, program, count=None):
        db = self.database(case, program)
        argv, stdin = self.command(case, program, db)
        took = measure.count(argv, self.env, stdin, count) if count else \
            measure.time(self.build / 'bench' / 'took', argv, self.env, stdin)
        self.check(case, program, took.pop('text'))
        db.unlink(missing_ok=True)
        return took

    def time(self, case, programs, rounds):
        best = {}
        for n in range(rounds):
            for p in (p for p in programs if n < (p.rounds or rounds)):
                took = self.once(case, p)
                if p.name not in best or took['cpu'] < best[p.name]['cpu']:
                    best[p.name] = took
        return best

    def count(self, case, programs):
        """Instructions per row, without those of a run over one page."""
        per_row = {}
        case, small = case.smaller(case.counted) if case.counted else case, case.smaller()
        for p in (p for p in programs if p.counted):
            out = (self.keep or self.folder) / f'callgrind.{case.name}.{p.name}'
            few = self.once(small, p, f'{out}.small')['instructions']
            many = self.once(case, p, out)['instructions']
            rows = case.rows - small.rows if p.name == 'live' else case.total - small.total
            per_row[p.name] = (many - few) / rows
        return per_row

    def start_times(self, rounds=41):
        """{load, first}: medians in ms of `.load` and of a live query's first row; see load.c and first.c."""
        programs = self.build / 'bench'
        load = measure.output([programs / 'load', rounds, self.build / 'cq.so', programs / 'empty.so'], self.env)
        first = measure.output([programs / 'first', rounds, self.build / 'cq.so',
                                f'{self.server.url}/items?of={cases.FIRST_PAGES}', 'SELECT * FROM bench_items'], self.env)
        return {'load': json.loads(load), 'first': json.loads(first)}


    def names_times(self, rounds=21):
        """What 3,000 tables in 120 files cost: loading, the first use of one, of all, and a sync of all."""
        cq = self.build / 'bench' / 'names' / 'cq.so'
        one = f"SELECT count(*) FROM pragma_table_info('{names.in_largest()}')"
        found = json.loads(measure.output([self.build / 'bench' / 'load', rounds, cq, self.build / 'bench' / 'empty.so', one],
                                          self.env))
        found['bytes'] = (self.build / 'cq.so').stat().st_size
        for key, sql in (('tables', 'SELECT count(key) FROM cq_tables'), ('columns', 'SELECT count(*) FROM cq_columns'),
                         ('validate', """SELECT cq_validate('{source: names, tables: ["*"], generated: true}') IS NULL"""),
                         ('sync', """SELECT cq_sync('{source: names, tables: ["*"], generated: true, progress: off}')"""),
                         ('again', """SELECT cq_sync('{source: names, tables: ["*"], generated: true, progress: off}')""")):
            took = measure.time(self.build / 'bench' / 'took', ['sqlite3', '-batch', '-bail', '-cmd', f'.load {cq.with_suffix("")}',
                                                               self.folder / 'names.db'], self.env, sql + ';\n')
            text = took.pop('text')
            if key in ('sync', 'again') and json.loads(text)['units'] != names.TABLES:
                sys.exit(f'bench: names: {text[:500]}')
            found[key] = took
        return found


def choose(args):
    """The cases, and which of the others: starting, many names, many accounts, and which stores."""
    start = not args.instructions and (not args.case or 'start' in args.case)
    many = not args.instructions and (not args.case or 'names' in args.case)
    org = not args.instructions and (not args.case or 'accounts' in args.case)
    into = [] if args.instructions else [s for name, s in stores.NAMES.items() if not args.case or any(n in name for n in args.case)]
    chosen = [c for c in cases.CASES if any(n in c.name for n in args.case)] if args.case else \
        [c for c in cases.CASES if args.full or not c.full]
    if args.instructions and chosen and not any(c.instructions for c in chosen):
        sys.exit(f'bench: {chosen[0].name}: instructions are not counted of it, but of: '
                 + ' '.join(c.name for c in cases.CASES if c.instructions))
    if args.instructions:
        chosen = [c for c in chosen if c.instructions]
    unknown = [n for n in args.program if n not in cases.PROGRAMS]
    if not (chosen or start or many or org or into) or unknown:
        sys.exit('bench: no such case or program; cases: start names accounts '
                 f'{" ".join([c.name for c in cases.CASES] + list(stores.NAMES))}; programs: {" ".join(cases.PROGRAMS)}')
    return chosen, start, many, org, into


def measure_all(args):
    chosen, start, many, org, into = choose(args)
    sizes = [n for n in stores.SIZES if args.rows in (0, n) and (args.full or args.rows or n < 1_000_000)]
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    bench = Bench(args.build, args.keep)
    found = {'machine': report.machine(), 'cases': []}
    try:
        bench.start(chosen, start, max(sizes) if into else 0)
        if start:
            found['start'] = bench.start_times()
            print(report.start_text(found['start']), flush=True)
        if many:
            found['names'] = bench.names_times()
            print(report.names_text(found['names']), flush=True)
        if org:
            found['accounts'] = accounts.measure_case(bench.build, bench.folder, args.full)
            print(report.accounts_text(found['accounts']), flush=True)
        for case in chosen:
            programs = [cases.PROGRAMS[n] for n in case.programs if not args.program or n in args.program + [case.base]]
            figures = {p.name: {} for p in programs}
            since = time.monotonic()
            if case.instructions:
                bench.same(case)
            if not args.instructions:
                for name, took in bench.time(case, programs, args.rounds or case.rounds).items():
                    figures[name].update(took)
            if case.instructions and not args.times:
                for name, per_row in bench.count(case, programs).items():
                    figures[name]['instructions_per_row'] = per_row
            found['cases'].append(report.result(case, programs, figures))
            print(report.text(found['cases'][-1]) + f'measured in {time.monotonic() - since:.0f} s\n', flush=True)
        if into:
            print(report.stores_head(), flush=True)
            found['stores'] = stores.measure_all(into, sizes, bench.build, args.venv or args.build / 'venv', args.stores or args.build / 'stores',
                                                 bench.folder, bench.env, lambda one: print(report.stores_text(one), flush=True))
    finally:
        bench.stop()
    return found


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--build', type=Path, default=Path('build'))
    ap.add_argument('--venv', type=Path, help="where the stores' Python packages are (BUILD/venv)")
    ap.add_argument('--stores', type=Path, help='where libduckdb is (BUILD/stores)')
    ap.add_argument('--rows', type=int, default=0, choices=(0,) + stores.SIZES, help='into stores: so many alone')
    ap.add_argument('--case', action='append', default=[], help='cases whose names hold this')
    ap.add_argument('--program', action='append', default=[], help='this program and the floor')
    ap.add_argument('--rounds', type=int, help='instead of each case\'s own number')
    ap.add_argument('--instructions', action='store_true', help='count instructions, take no times')
    ap.add_argument('--times', action='store_true', help='take times, count no instructions')
    ap.add_argument('--keep', type=Path, help="folder for callgrind's files, for callgrind_annotate")
    ap.add_argument('--full', action='store_true', help='the largest cases as well')
    ap.add_argument('--json', type=Path, help='write all figures there')
    ap.add_argument('--from', dest='source', type=Path, help='measure nothing: take the figures that --json wrote')
    ap.add_argument('--write-docs', action='store_true', help='write the figures into docs/performance.md')
    args = ap.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('bench: ended'))  # and the server with it
    if args.source:
        all_figures = json.loads(args.source.read_text())
    else:
        all_figures = measure_all(args)
    if args.json:
        args.json.write_text(json.dumps(all_figures, indent=1) + '\n')
    if args.write_docs:
        docs.write(Path(__file__).resolve().parent.parent / 'docs' / 'performance.md', all_figures)


if __name__ == '__main__':
    main()
