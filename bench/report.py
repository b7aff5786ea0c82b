"""Figures as tables: ratios first, beside each its budget and whether it holds."""
import os
import re
import subprocess
from pathlib import Path

LOAD_BUDGET = FIRST_BUDGET = 5  # ms more than an empty extension, than the first page
PEAK_BUDGET = 64                # MiB
PLAN_BUDGET = 10                # s, an organization's
USE_BUDGET = 20                 # ms, the first use of a table
SIZE_BUDGET = 8                 # MB, cq.so


def result(case, programs, figures):
    """What is known of a case, ready for JSON: raw figures, ratios, budgets."""
    base = figures[case.base]
    rows = []
    for p in programs:
        f = figures[p.name]
        if not f:
            continue
        row = {'program': p.name, 'label': p.label, 'rows': case.rows if p.name == 'live' else case.total, **f,
              
               'budget': p.budget, 'wall_budget': 1.0 if p.wall else None,
               'peak_budget': None if p.budget is None else PEAK_BUDGET}
        for key, ratio in (('cpu', 'cpu_ratio'), ('wall', 'wall_ratio'), ('instructions_per_row', 'instructions_ratio')):
            if f.get(key) and base.get(key):
                row[ratio] = f[key] / base[key]
        rows.append(row)
    return {'case': case.name, 'title': case.title, 'base': case.base, 'slow': case.slow, 'programs': rows}


def machine():
    """What the figures depend on, in a line."""
    cpu = re.search(r'model name\s*: (.*)', Path('/proc/cpuinfo').read_text())
    versions = [subprocess.run(argv, stdout=subprocess.PIPE, text=True).stdout.split()[at]
                for argv, at in ((['sqlite3', '--version'], 0), (['curl-config', '--version'], 1))]
    return f'{cpu[1] if cpu else "unknown CPU"}, {os.cpu_count()} cores, SQLite {versions[0]}, libcurl {versions[1]}'


def start_text(s):
    load, first = s['load'], s['first']
    own = load['cq']['load_ms'] - load['empty']['load_ms']
    return (f'start: .load {load["cq"]["load_ms"]:.1f} ms, an empty extension with the same libraries '
            f'{load["empty"]["load_ms"]:.1f}: {own:.1f} more (budget {LOAD_BUDGET}: {holds(own, LOAD_BUDGET)})\n'
            f'first row: {first["row_ms"]:.2f} ms, its page alone {first["page_ms"]:.2f}: {first["more_ms"]:.2f} more '
            f'(budget {FIRST_BUDGET}: {holds(first["more_ms"], FIRST_BUDGET)})\n')


def names_rows(s):
    """What 3,000 tables cost, as rows of a table: what, figure, budget, whether it holds."""
    load = s['cq']['load_ms'] - s['empty']['load_ms']
    rows = [('`.load`, more than without cq', f'{load:.1f} ms', f'{LOAD_BUDGET} ms', holds(load, LOAD_BUDGET)),
            ('the first use of a table, in the largest file', f'{s["cq"]["use_ms"]:.1f} ms', f'{USE_BUDGET} ms',
             holds(s['cq']['use_ms'], USE_BUDGET)),
            ('closing', f'{s["cq"]["close_ms"]:.1f} ms', '', ''),
            ('`cq.so`', f'{s["bytes"] / 1e6:.1f} MB', f'{SIZE_BUDGET} MB', holds(s['bytes'] / 1e6, SIZE_BUDGET))]
    for key, what in (('tables', 'all of `cq_tables`'), ('columns', 'all of `cq_columns`'),
                      ('validate', '`cq_validate` of all tables'), ('sync', 'a first sync of all tables, no rows'),
                      ('again', 'a second')):
        peak = s[key]['peak'] / 2 ** 20
        rows.append((what, f'{s[key]["cpu"]:.2f} s CPU, {peak:.0f} MiB', f'{PEAK_BUDGET} MiB', holds(peak, PEAK_BUDGET)))
    return rows


def accounts_rows(s):
    """What an organization costs, as rows of a table: what, figure, budget, whether it holds."""
    needed = s['needed']
    rows = [(f'`cq_plan` of {s["accounts"]:,} named accounts', f'{s["plan"]["cpu"]:.2f} s CPU, {s["plan"]["peak"] / 2 ** 20:.0f} MiB',
             f'{PEAK_BUDGET} MiB', holds(s['plan']['peak'] / 2 ** 20, PEAK_BUDGET)),
            ('until the first table is asked: accounts listed, roles assumed, units counted', f'{s["sync"]["first"]:.1f} s',
             f'{PLAN_BUDGET} s', holds(s['sync']['first'], PLAN_BUDGET))]
    for key, what in (('sync', 'append'), ('overwrite', 'overwrite-delete-stale')):
        took, peak = s[key], s[key]['peak'] / 2 ** 20
        asked = took['list'] + took['assume'] + took['identity'] + took['tables']
        rows.append((f'a first sync, {what}', f'{took["cpu"]:.1f} s CPU, {took["cpu"] / s["units"] * 1e6:.0f} us/unit, {peak:.0f} MiB',
                     f'{PEAK_BUDGET} MiB', holds(peak, PEAK_BUDGET)))
        rows.append(('its requests', f'{asked:,}', f'{needed:,}', holds(asked, needed)))
    r = s['resume']
    rows.append((f'killed after {r["before"]:,} units, the resumed run asks for the rest: of the others again', f'{r["twice"]:,}', '', ''))
    return rows


def accounts_text(s):
    return (f'accounts: {s["accounts"]:,} accounts x {s["regions"]} regions x {s["tables"]} tables of AWS: {s["units"]:,} units\n' +
            ''.join(f'  {w}\n{"":52}{f:>34}{b:>12} {h}\n' for w, f, b, h in accounts_rows(s)))


def names_text(s):
    return 'names: 3,000 tables\n' + ''.join(f'  {w:<50}{f:>22}{b:>10} {h}\n' for w, f, b, h in names_rows(s))


def holds(value, budget):
    if value is None or budget is None:
        return ''
    return 'yes' if value <= budget else 'NO'


COLUMNS = (  # heading, width, how to show a row's cell; None: no such figure
    ('CPU x floor', 12, lambda r: number(r.get('cpu_ratio'), 2)),
    ('instr x', 9, lambda r: number(r.get('instructions_ratio'), 2)),
    ('budget', 8, lambda r: number(r['budget'], 1)),
    ('holds', 7, lambda r: holds(r.get('cpu_ratio', r.get('instructions_ratio')), r['budget'])),
    ('wall x', 8, lambda r: number(r.get('wall_ratio'), 2)),
    ('< 1', 5, lambda r: holds(r.get('wall_ratio'), r['wall_budget'])),
    ('CPU us/row', 12, lambda r: number(r['cpu'] / r['rows'] * 1e6, 2) if 'cpu' in r else ''),
    ('wall s', 9, lambda r: number(r.get('wall'), 2)),
    ('peak MiB', 10, lambda r: number(r['peak'] / 2 ** 20, 1) if 'peak' in r else ''),
    ('< 64', 6, lambda r: holds(r['peak'] / 2 ** 20 if 'peak' in r else None, r['peak_budget'])),
    ('instr/row', 11, lambda r: number(r.get('instructions_per_row'), 0)),
)


STORES = ('into', 'rows', 'loader', 'cq CPU us/row', 'of it reading', 'loader CPU us/row', 'writing x loader', 'server x', 'cq rows/s',
          'loader rows/s', 'cq MiB', 'holds', 'loader MiB')


def stores_row(s):
    """A store's figures, in the order of STORES."""
    n, cq, floor = s['rows'], s['cq'], s['floor']
    writing = max(cq['cpu'] - s['reading'], 0)
    server = cq['server'] / floor['server'] if floor.get('server') else None
    return [s['store'], number(n, 0), s['loader'], number(cq['cpu'] / n * 1e6, 2), number(s['reading'] / n * 1e6, 2),
            number(floor['cpu'] / n * 1e6, 2), number(writing / floor['cpu'], 2), number(server, 2), number(n / cq['wall'], 0),
            number(n / floor['wall'], 0), number(cq['peak'] / 2 ** 20, 1), holds(cq['peak'] / 2 ** 20, PEAK_BUDGET),
            number(floor['peak'] / 2 ** 20, 1)]


STORES_WIDTHS = (14, 11, 40, 15, 15, 19, 18, 10, 12, 15, 8, 7, 12)


def stores_head():
    return ''.join(f'{h:>{w}}' for h, w in zip(STORES, STORES_WIDTHS))


def stores_text(s):
    return ''.join(f'{c:>{w}}' for c, w in zip(stores_row(s), STORES_WIDTHS))


def number(value, digits):
    return '' if value is None else f'{value:,.{digits}f}'


def cells(result, wanted=None):
    """Headings and rows of those columns that have a figure (and whose headings are wanted)."""
    rows = [[show(r) for _, _, show in COLUMNS] for r in result['programs']]
    shown = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows) and (not wanted or COLUMNS[i][0] in wanted)]
    return [COLUMNS[i] for i in shown], [[row[i] for i in shown] for row in rows]


def text(result):
    headings, rows = cells(result)
    lines = [f'{result["case"]}: {result["title"]}', f'{"":34}' + ''.join(f'{h:>{w}}' for h, w, _ in headings)]
    for r, row in zip(result['programs'], rows):
        lines.append(f'{r["label"]:34}' + ''.join(f'{cell:>{h[1]}}' for cell, h in zip(row, headings)))
    return '\n'.join(lines) + '\n'
