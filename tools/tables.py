#!/usr/bin/env python3
"""Writes docs/tables/: one page per integration, or per service of a large one, made from what cq registers.

  tools/tables.py EXTENSION FOLDER     (make docs)
"""
import json
import os
import re
import sqlite3
import sys


def cell(text):
    return ' '.join(str(text or '').split()).replace('|', '\\|')


MANY = 100      # tables: beyond that an integration's page becomes one for each service


def requests(operations):
    """What is asked, one line of words for each kind of request."""
    lines = []
    for o in operations:
        words = {'list': 'lists', 'get': 'for one record', 'below': 'for what is below each', 'start': 'begins it', 'poll': 'until it is done',
                 'call': 'for each row'}[o['purpose']]
        if o['purpose'] == 'call' and o.get('rows'):
            words = f'for {o["rows"]} rows at once'
        if o.get('pages'):
            words += f', {o["page_size"]:,} a page' if o.get('page_size') else ', in pages'
        lines.append(f'`{o["operation"]}` ({words})')
    return '; '.join(dict.fromkeys(lines))


def following(cursor):
    """How an incremental table goes on."""
    words = f'by `{cursor["column"]}`'
    if 'lookback' in cursor:
        words += f', {cursor["lookback"]} back'
    if 'keeps' in cursor:
        words += f'; what is older than {cursor["keeps"]} cannot be asked for by its time'
    return words


def away(only):
    """The regions in which AWS has not the service."""
    found = re.search(r"not \(client\.region in \[('[^\]]*')\]\)", only or '')
    return re.findall(r"'([\w-]+)'", found[1]) if found else []


def described(db, name):
    """The lines of one table."""
    heading, text, parent, incremental, generated, key, clients, permissions, operations, cursor, example = db.execute(
        'SELECT title, description, parent, incremental, generated, key, clients, permissions, operations, cursor, example '
        'FROM cq_tables WHERE name = ?', (name,)).fetchone()
    lines = [f'## {name}', '']
    if heading or text:
        lines += [' '.join(f'{heading or ""}: {text or ""}'.strip(': ').split()), '']
    for word, value in (('Key', key), ('Asked once for each', clients), ('Permissions', permissions)):
        if value and json.loads(value):
            lines.append(f'- {word}: ' + ', '.join(f'`{v}`' for v in json.loads(value)))
    if parent:
        lines.append(f'- Asked for each row of: `{parent}`')
    if json.loads(operations):
        lines.append(f'- Requests: {requests(json.loads(operations))}')
    if incremental:
        lines.append('- Incremental in a sync' + (f', {following(json.loads(cursor))}' if cursor else ''))
    elif cursor:
        lines.append(f'- Incremental in a sync where the source says so, {following(json.loads(cursor))}')
    if generated:
        lines.append('- Generated: a pattern in a sync matches it only with `generated: true`')
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
    return lines + ['']


def write(path, title, lines):
    with open(path, 'w', encoding='utf-8') as f:
        f.write('\n'.join([f'# {title}', '', 'Made from the definitions by `make docs`.', ''] + lines))


def by_service(db, folder, integration, title, tables):
    """A page for each service, and one that lists them."""
    os.makedirs(f'{folder}/{integration}', exist_ok=True)
    services, index = {}, ['| service | tables |', '|---|---|']
    generated = {n for n, in db.execute('SELECT name FROM cq_tables WHERE integration = ? AND generated AND name NOT IN '
                                        '(SELECT parent FROM cq_tables WHERE parent IS NOT NULL AND NOT generated)', (integration,))}
    for name, service in tables:
        if name not in generated:
            services.setdefault(service, []).append(name)
    for service in sorted(services):
        names = services[service]
        without = {tuple(away(o)) for n in names for o, in db.execute('SELECT only FROM cq_tables WHERE name = ?', (n,))} - {()}
        head = [f'Not in {", ".join(f"`{r}`" for r in without.pop())}, unless the configuration names them.', ''] if len(without) == 1 else []
        if {c for n in names for c, in db.execute('SELECT clients FROM cq_tables WHERE name = ?', (n,))} == {'["account"]'}:
            head = ['One endpoint for all regions of a partition.', '']
        write(f'{folder}/{integration}/{service}.md', f'{title}: {service}', head + [x for n in names for x in described(db, n)])
        links = ', '.join(f'[{n}]({service}.md#{n})' for n in names)
        index.append(f'| [{service}]({service}.md) | {links} |')
    if generated:
        index += ['', f'[{len(generated):,} further tables](generated.md) are read off the services\' models alone.']
        lines = ['Their columns: `SELECT name, type FROM cq_columns WHERE table_name = ...`. A pattern in a sync matches them only where the',
                 'source says `generated: true`; by its name each can be queried and synced as any other.', '',
                 '| table | asked for each row of | permissions |', '|---|---|---|']
        for name, parent, permissions in db.execute('SELECT name, parent, permissions FROM cq_tables WHERE integration = ? ORDER BY name',
                                                    (integration,)):
            if name in generated:
                lines.append(f'| `{name}` | {parent or ""} | {", ".join(json.loads(permissions or "[]"))} |')
        write(f'{folder}/{integration}/generated.md', f'{title}: tables beyond', lines + [''])
    write(f'{folder}/{integration}/README.md', title, index + [''])
    return f'{integration}/README.md'


def main(extension, folder):
    db = sqlite3.connect(':memory:')
    db.enable_load_extension(True)
    db.load_extension(extension)
    os.makedirs(folder, exist_ok=True)
    index = ['| integration | tables | |', '|---|---|---|']
    for name, title, text in db.execute('SELECT name, title, description FROM cq_integrations ORDER BY name').fetchall():
        tables = db.execute('SELECT name, service FROM cq_tables WHERE integration = ? ORDER BY name', (name,)).fetchall()
        if len(tables) > MANY:
            page = by_service(db, folder, name, title or name, tables)
        else:
            page = f'{name}.md'
            write(f'{folder}/{page}', title or name, [x for n, _ in tables for x in described(db, n)])
        index.append(f'| [{title or name}]({page}) | {len(tables)} | {cell(text)} |')
    write(f'{folder}/README.md', 'Tables', index + [''])


main(sys.argv[1], sys.argv[2])
