"""Runs a program to its end and tells what it took: CPU, wall, memory, or instructions."""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def output(argv, env, stdin=''):
    """What the program printed; a failure ends the benchmark."""
    argv = [str(a) for a in argv]
    proc = subprocess.run(argv, env=env, input=stdin, stdout=subprocess.PIPE, text=True)
    if proc.returncode != 0:
        sys.exit(f'bench: {" ".join(a[:200] for a in argv)}: exit status {proc.returncode}\n{proc.stdout}')
    return proc.stdout


def time(took, argv, env, stdin):
    """{cpu, wall: seconds, peak: bytes, text: its output} of a whole process; `took` is the program that measures."""
    with tempfile.NamedTemporaryFile() as found:
        text = output([took, found.name] + argv, env, stdin)
        return {**json.loads(Path(found.name).read_text()), 'text': text}


# What cq does each 100 ms of wall time, however many instructions fit into these: callgrind's are few.
BY_THE_CLOCK = 'cq_compat_stopped'


def inclusive(profile, function):
    """The instructions of all calls of a function, what it calls included, in the text of a callgrind file."""
    named = re.search(rf'fn=(\(\d+\)) {function}$', profile, re.M)
    if not named:
        return 0
    calls = re.findall(rf'^cfn={re.escape(named[1])}.*\n(?:c[a-z]+=.*\n)*calls=.*\n\S+ (\d+)', profile, re.M)
    return sum(map(int, calls))


def count(argv, env, stdin, out):
    """The instructions of a whole process, all its threads, without the kernel's; callgrind's file is `out`."""
    valgrind = ['valgrind', '-q', '--tool=callgrind', '--fair-sched=yes', f'--callgrind-out-file={out}', '--']
    text = output(valgrind + argv, env, stdin)
    profile = Path(out).read_text()
    found = re.search(r'^(?:summary|totals): (\d+)', profile, re.M)
    if not found:
        sys.exit(f'bench: {out}: no total in it')
    return {'instructions': int(found[1]) - inclusive(profile, BY_THE_CLOCK), 'text': text}
