#!/usr/bin/python3
"""tools/coverage.py BUILD: the lines that the tests reached, by file and room.

Reads what gcov says of every object below BUILD.  The same source is compiled
several times (for .load, for linking, for unit tests); a line is reached when
any of them reached it.  --missing lists the lines that none did.
"""
import collections
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def read(build):
    """{file: {line: count}} over all objects; files of the engine only."""
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    root = Path.cwd()
    with tempfile.TemporaryDirectory() as tmp:
        for i, data in enumerate(sorted(build.rglob('*.gcda'))):
            folder = Path(tmp) / str(i)
            folder.mkdir()
            subprocess.run(['gcov', '--json-format', data.resolve()], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for out in folder.glob('*.json.gz'):
                told = json.loads(gzip.decompress(out.read_bytes()))
                for f in told['files']:
                    path = Path(told['current_working_directory'], f['file']).resolve()
                    name = str(path.relative_to(root)) if path.is_relative_to(root) else ''
                    if name.startswith(('ext/', 'vtab/')):
                        for line in f['lines']:
                            lines[name][line['line_number']] += line['count']
    return lines


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
    missing = '--missing' in sys.argv
    args = [a for a in sys.argv[1:] if not a.startswith('--')]
    if len(args) != 1:
        sys.exit('usage: tools/coverage.py [--missing] BUILD')
    lines = read(Path(args[0]))
    if not lines:
        sys.exit(f'tools/coverage.py: {args[0]}: no coverage data')
    rooms = collections.defaultdict(lambda: [0, 0])
    for name in sorted(lines):
        counts = lines[name]
        hit = sum(1 for c in counts.values() if c)
        parts = name.split('/')
        for room in ('/'.join(parts[:2]) if parts[0] == 'ext' and len(parts) > 2 else parts[0], 'all'):
            rooms[room][0] += hit
            rooms[room][1] += len(counts)
        print(f'{100 * hit / len(counts):5.1f} % {len(counts):6} {name}')
        if missing:
            print('        ' + ranges(sorted(n for n, c in counts.items() if not c)))
    print()
    for room, (hit, total) in sorted(rooms.items(), key=lambda r: (r[0] == 'all', r[0])):
        print(f'{100 * hit / total:5.1f} % {total:6} {room}')


main()
