#!/usr/bin/python3
"""tools/coverage.py [--missing] [--check] BUILD: what the tests reached, by
file and room, in lines and in branches.

Reads what gcov says of every object below BUILD.  The same source is compiled
several times (for .load, for linking, for unit tests); a line or a branch is
reached when any of them reached it.  --missing lists the lines that none did
and those with a branch that none took.  --check fails below the floor that
docs/internals.md names.
"""
import collections
import concurrent.futures
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

FLOOR = (95.0, 85.0)


def gcov(data):
    """What gcov says of one object."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(['gcov', '--json-format', '--branch-probabilities', data.resolve()], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return [json.loads(gzip.decompress(out.read_bytes())) for out in Path(folder).glob('*.json.gz')]


def read(build):
    """{file: {line: count}} and {file: {line: [count of each branch]}} over all
    objects; files of the engine only."""
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    branches = collections.defaultdict(dict)
    root = Path.cwd()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for told in (t for list_ in pool.map(gcov, sorted(build.rglob('*.gcda'))) for t in list_):
            for f in told['files']:
                path = Path(told['current_working_directory'], f['file']).resolve()
                name = str(path.relative_to(root)) if path.is_relative_to(root) else ''
                if not name.startswith(('ext/', 'vtab/')):
                    continue
                for line in f['lines']:
                    n = line['line_number']
                    lines[name][n] += line['count']
                    seen = [b['count'] for b in line['branches'] if not b['throw']]
                    have = branches[name].setdefault(n, seen)
                    # the test build checks allocations that the others do not: other branches, other places
                    if have is not seen and len(have) == len(seen):
                        branches[name][n] = [a + b for a, b in zip(have, seen)]
                    elif len(seen) > len(have):
                        branches[name][n] = seen
    return lines, branches


def ranges(numbers):
    """[1, 2, 3, 7] as "1-3 7"."""
    out = []
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ' '.join(f'{a}' if a == b else f'{a}-{b}' for a, b in out)


def main():
    flags = [a for a in sys.argv[1:] if a.startswith('--')]
    args = [a for a in sys.argv[1:] if not a.startswith('--')]
    if len(args) != 1 or set(flags) - {'--missing', '--check'}:
        sys.exit('usage: tools/coverage.py [--missing] [--check] BUILD')
    lines, branches = read(Path(args[0]))
    if not lines:
        sys.exit(f'tools/coverage.py: {args[0]}: no coverage data')
    rooms = collections.defaultdict(lambda: [0, 0, 0, 0])
    print(' lines      of  branches      of')
    for name in sorted(lines):
        counts = lines[name].values()
        ways = [c for of in branches[name].values() for c in of]
        row = [sum(1 for c in counts if c), len(counts), sum(1 for c in ways if c), len(ways)]
        parts = name.split('/')
        for room in ('/'.join(parts[:2]) if parts[0] == 'ext' and len(parts) > 2 else parts[0], 'all'):
            rooms[room] = [a + b for a, b in zip(rooms[room], row)]
        show(row, name)
        if '--missing' in flags:
            print('        lines ' + ranges(sorted(n for n, c in lines[name].items() if not c)))
            print('        branches ' + ranges(sorted(n for n, of in branches[name].items() if lines[name][n] and not all(of))))
    print()
    for room, row in sorted(rooms.items(), key=lambda r: (r[0] == 'all', r[0])):
        show(row, room)
    if '--check' in flags and (share(*rooms['all'][:2]) < FLOOR[0] or share(*rooms['all'][2:]) < FLOOR[1]):
        sys.exit(f'below {FLOOR[0]} % of lines or {FLOOR[1]} % of branches')


def share(hit, total):
    return 100 * hit / total if total else 100.0


def show(row, name):
    print(f'{share(*row[:2]):6.1f} {row[1]:7} {share(*row[2:]):9.1f} {row[3]:7} {name}')


main()
