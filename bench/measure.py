"""Runs a program to its end and tells what it took: CPU, wall, memory, or instructions."""
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(argv, env, stdin=''):
    """{cpu, wall: seconds, peak: bytes, text: its output} of a whole process."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as given:
        given.write(stdin.encode())
        given.seek(0)
        proc = subprocess.Popen([str(a) for a in argv], env=env, stdin=given, stdout=out)
        _, status, usage = os.wait4(proc.pid, 0)
        wall = time.monotonic() - start
        proc.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode()
    if proc.returncode != 0:
        sys.exit(f'bench: {" ".join(str(a)[:200] for a in argv)}: exit status {proc.returncode}\n{text}')
    return {'cpu': usage.ru_utime + usage.ru_stime, 'wall': wall, 'peak': usage.ru_maxrss * 1024, 'text': text}


def count(argv, env, stdin, out):
    """The instructions of a whole process, all its threads, without the kernel's; callgrind's file is `out`."""
    valgrind = ['valgrind', '-q', '--tool=callgrind', '--fair-sched=yes', f'--callgrind-out-file={out}', '--']
    took = run(valgrind + argv, env, stdin)
    found = re.search(r'^(?:summary|totals): (\d+)', Path(out).read_text(), re.M)
    if not found:
        sys.exit(f'bench: {out}: no total in it')
    return {'instructions': int(found[1]), 'text': took['text']}
