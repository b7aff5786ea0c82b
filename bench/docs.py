"""Writes the sections Speed, Memory and Start of docs/performance.md from the figures of a run, so that none is typed.

Other sections of the document are left as they are.
"""
import re

import report

SPEED = '''{machine}. All programs of a case run in turn against the same nginx, as whole processes; shown is the least CPU of
the rounds. A floor is the loop that a person would write instead (`bench/floor.h`): one thread, libcurl, simdjson's on-demand
parser (of XML: expat), a prepared insert of the same columns, one transaction, the same journal mode. "With a key" it has a text key and
updates what is there. "Again" is a second run into the same database, of the same rows. Instructions are callgrind's: without
the kernel's, and without those of a run over one page; where many a row are needed, of some pages only.

Budgets are multiples of the floor's CPU: append 1.0, the first load with a key 1.5, overwriting 2.4, live 0.6.
The start of a process is in all figures: `items-1e4` and `items-1e6` have the same rows, and where there are few, starting is much of it.
```
make bench                                # all but the largest cases
make bench BENCH="--case items-1e5"       # one
make bench-instructions                   # instruction counts alone
make bench BENCH="--full --write-docs"    # all, and this page
```
'''
MEMORY = '''The greatest resident size of the process, the shell included. It may not depend on the number of rows, accounts or
tables; the budget is {budget} MiB.
'''
START = '''Medians in milliseconds. What `.load` costs beside an extension that does nothing and links the same libraries is cq's own;
the first row of a live query is measured against its first page fetched by libcurl on a kept connection (`bench/load.c`,
`bench/first.c`).
'''


NAMES = '''cq with 3,000 tables instead of AWS's, in 120 files of together 153,000 lines and 6.8 MB, as `bench/names.py` writes them
(`make bench BENCH="--case names"`). Packed they take 1.5 MB. The first use of a table unpacks the file that holds it, and reads
what stands around its tables and the lines of that one.
'''


STORES = '''A sync of the same rows into each store, beside that store's own bulk loader, which gets them ready in a file
(`bench/stores.py`; `make bench BENCH="--case into-postgresql"`). The sync's process also fetches and reads the pages: what that takes alone,
in a live query, stands beside it, and the rest is writing. "Server" is the CPU of the server, as a multiple of what it takes for
the loader. ClickHouse is Debian's 18.16, PostgreSQL writes without fsync, S3 is SeaweedFS; all on this machine, so that they share
its cores with cq. DuckDB is a library in the process itself, and its memory is not cq's.
'''


def table(headings, rows):
    lines = ['| ' + ' | '.join(headings) + ' |', '|' + '---|' * len(headings)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows]) + '\n'


def speed(found):
    parts = [SPEED.format(machine=found['machine'])]
    for result in found['cases']:
        columns, rows = report.cells(result, ('CPU x floor', 'instr x', 'budget', 'holds', 'wall x', 'CPU us/row', 'wall s',
                                              'instr/row'))
        labels = [r['label'] for r in result['programs']]
        parts.append(f'**{result["title"][0].upper()}{result["title"][1:]}** (`{result["case"]}`)\n\n' +
                     table([''] + [c[0] for c in columns], [[label] + row for label, row in zip(labels, rows)]))
    return '\n'.join(parts)


def memory(found):
    rows = [[result['title'], r['label'], f'{r["peak"] / 2 ** 20:.1f}', report.holds(r['peak'] / 2 ** 20, report.PEAK_BUDGET)]
            for result in found['cases'] for r in result['programs'] if 'peak' in r and r['program'] in ('live', 'append', 'overwrite')]
    return MEMORY.format(budget=report.PEAK_BUDGET) + '\n' + table(['', '', 'MiB', 'holds'], rows)


def start(found):
    load, first = found['start']['load'], found['start']['first']
    own = load['cq']['load_ms'] - load['empty']['load_ms']
    rows = [['`.load`', f'{load["cq"]["load_ms"]:.2f}', f'{load["empty"]["load_ms"]:.2f}', f'{own:.2f}', f'{report.LOAD_BUDGET}',
             report.holds(own, report.LOAD_BUDGET)],
            ['first row', f'{first["row_ms"]:.2f}', f'{first["page_ms"]:.2f}', f'{first["more_ms"]:.2f}',
             f'{report.FIRST_BUDGET}', report.holds(first['more_ms'], report.FIRST_BUDGET)]]
    return START + '\n' + table(['', 'cq', 'without', 'more', 'budget', 'holds'], rows)


def names(found):
    return NAMES + '\n' + table(['', '', 'budget', 'holds'], [list(row) for row in report.names_rows(found['names'])])


def stores(found):
    return STORES + '\n' + table(report.STORES, [report.stores_row(s) for s in found['stores']])


ACCOUNTS = '''An organization of {accounts:,} AWS accounts, {regions} regions, {tables} tables: {units:,} units, by a server that costs little
(`bench/cloud.c`). Each table is one request for each account and region; two regions of {regions} have two rows of ten of the tables, all
else is empty. The accounts are listed and each one's role is assumed, as for `org`.
```
make bench BENCH="--case accounts"          # 200 accounts, 10 tables
make bench BENCH="--case accounts --full"   # 2,000 accounts, 100 tables
```
'''


def organization(found):
    f = found['accounts']
    return ACCOUNTS.format(**{k: f[k] for k in ('accounts', 'regions', 'tables', 'units')}) + '\n' + \
        table(['', '', 'budget', 'holds'], [list(row) for row in report.accounts_rows(f)])


def write(path, found):
    """Replaces or appends the sections whose figures were found."""
    text = path.read_text(encoding='utf-8')
    sections = [('Speed', speed)] if found['cases'] else []
    if any('peak' in r for c in found['cases'] for r in c['programs']):
        sections.append(('Memory', memory))
    if 'start' in found:
        sections.append(('Start', start))
    if found.get('stores'):
        sections.append(('Destinations', stores))
    if 'names' in found:
        sections.append(('Many tables', names))
    if 'accounts' in found:
        sections.append(('Many accounts', organization))
    for heading, make in sections:
        body = f'## {heading}\n{make(found).rstrip()}\n'
        text, n = re.subn(rf'^## {heading}\n(?:(?!## ).*\n)*', lambda m: body + '\n', text, flags=re.M)
        if not n:
            text = text.rstrip() + '\n\n' + body
    path.write_text(text.rstrip() + '\n', encoding='utf-8')
