"""Figures as tables: ratios first, beside each its budget and whether it holds."""


def result(case, programs, figures):
    """What is known of a case, ready for JSON: raw figures, ratios, budgets."""
    base = figures[case.base]
    rows = []
    for p in programs:
        f = figures[p.name]
        if not f:
            continue
        row = {'program': p.name, 'label': p.label, 'rows': case.rows if p.name == 'live' else case.total, **f,
               'budget': p.budget, 'wall_budget': 1.0 if p.wall else None}
        for key, ratio in (('cpu', 'cpu_ratio'), ('wall', 'wall_ratio'), ('instructions_per_row', 'instructions_ratio')):
            if f.get(key) and base.get(key):
                row[ratio] = f[key] / base[key]
        rows.append(row)
    return {'case': case.name, 'title': case.title, 'base': case.base, 'programs': rows}


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
    ('CPU us/row', 12, lambda r: number(r['cpu'] / r['rows'] * 1e6, 2) if 'cpu' in r else ''),
    ('wall s', 9, lambda r: number(r.get('wall'), 2)),
    ('peak MiB', 10, lambda r: number(r['peak'] / 2 ** 20, 1) if 'peak' in r else ''),
    ('instr/row', 11, lambda r: number(r.get('instructions_per_row'), 0)),
)


def number(value, digits):
    return '' if value is None else f'{value:,.{digits}f}'


def cells(result):
    """Headings and rows of those columns that have a figure."""
    rows = [[show(r) for _, _, show in COLUMNS] for r in result['programs']]
    shown = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows)]
    return [COLUMNS[i] for i in shown], [[row[i] for i in shown] for row in rows]


def text(result):
    headings, rows = cells(result)
    lines = [f'{result["case"]}: {result["title"]}', f'{"":34}' + ''.join(f'{h:>{w}}' for h, w, _ in headings)]
    for r, row in zip(result['programs'], rows):
        lines.append(f'{r["label"]:34}' + ''.join(f'{cell:>{h[1]}}' for cell, h in zip(row, headings)))
    return '\n'.join(lines) + '\n'
