#!/usr/bin/env python3
"""Writes docs/tables/: one page per integration, made from what cq registers.

  tools/tables.py EXTENSION FOLDER     (make docs)
"""
import json
import os
import sqlite3
import sys


def cell(text):
    return ' '.join(str(text or '').split()).replace('|', '\\|')


def page(db, integration, title):
    lines = [f'# {title}', '', 'Made from the definitions by `make docs`.', '']
    tables = db.execute('SELECT name, title, description, parent, incremental, key, clients, permissions, example '
                        'FROM cq_tables WHERE integration = ? ORDER BY name', (integration,)).fetchall()
    for name, heading, text, parent, incremental, key, clients, permissions, example in tables:
        lines += [f'## {name}', '']
        if heading or text:
            lines += [' '.join(f'{heading or ""}: {text or ""}'.strip(': ').split()), '']
        for word, value in (('Key', key), ('Asked once for each', clients), ('Permissions', permissions)):
            if value and json.loads(value):
                lines.append(f'- {word}: ' + ', '.join(f'`{v}`' for v in json.loads(value)))
        if parent:
            lines.append(f'- Asked for each row of: `{parent}`')
        if incremental:
            lines.append('- Incremental in a sync')
        if not lines[-1] == '':
            lines.append('')
        if example:
            lines += ['```sql', example.strip(), '```', '']
        lines += ['| column | type | asked for with | further request | |', '|---|---|---|---|---|']
        for column in db.execute('SELECT name, type, pushed, call, required, hidden, sensitive, description FROM cq_columns '
                                 'WHERE table_name = ? ORDER BY position', (name,)):
            words = [w for w, on in zip(('required', 'hidden', 'sensitive'), column[4:7]) if on]
            note = '; '.join(x for x in (', '.join(words), cell(column[7])) if x)
            pushed = column[2]
            if pushed and pushed.startswith('['):
                pushed = ' '.join(json.loads(pushed))
            lines.append(f'| `{column[0]}` | {column[1]} | {cell(pushed)} | {cell(column[3])} | {note} |')
        lines.append('')
    return '\n'.join(lines), len(tables)


def main(extension, folder):
    db = sqlite3.connect(':memory:')
    db.enable_load_extension(True)
    db.load_extension(extension)
    os.makedirs(folder, exist_ok=True)
    index = ['# Tables', '', 'Made from the definitions by `make docs`.', '', '| integration | tables | |', '|---|---|---|']
    for name, title, text in db.execute('SELECT name, title, description FROM cq_integrations ORDER BY name').fetchall():
        body, count = page(db, name, title or name)
        with open(f'{folder}/{name}.md', 'w', encoding='utf-8') as f:
            f.write(body)
        index.append(f'| [{title or name}]({name}.md) | {count} | {cell(text)} |')
    with open(f'{folder}/README.md', 'w', encoding='utf-8') as f:
        f.write('\n'.join(index) + '\n')


main(sys.argv[1], sys.argv[2])
